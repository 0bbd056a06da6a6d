//! Judging a run: its history by the workload's checks, and whether enough happened to judge at all.

use squall_checker::{Bounds, CheckOutcome, Completion, Operation, Spec, Verdict, Violation};
use squall_workloads::Workload;

use super::outcome::{FaultRecord, OperationCounts, Outcome};
use super::plan::Minima;
use super::recorder::{EVENTS_MAX, Recorder};

/// What a run left behind.
pub(crate) struct Evidence<W: Workload> {
    pub(crate) violations: Vec<Violation>,
    pub(crate) outside_model: bool,
    pub(crate) faults: Vec<FaultRecord>,
    pub(crate) recorder: Recorder<W>,
    pub(crate) minima: Option<Minima>,
    /// Operations invoked until the chaos phase ended; those after it show nothing about faults.
    pub(crate) chaos_operations: usize,
}

type OperationOf<W> = Operation<<<W as Workload>::Spec as Spec>::Op, <<W as Workload>::Spec as Spec>::Ret>;

/// Judges what a run left behind.
pub(crate) fn judge<W: Workload>(workload: &W, evidence: Evidence<W>) -> Outcome {
    let Evidence { violations: seen_by_monitors, outside_model, faults, recorder, minima, chaos_operations } =
        evidence;
    let mut remarks = Vec::new();
    let full = recorder.is_full();
    if full {
        remarks.push(format!("the history reached its bound of {EVENTS_MAX} events; clients stopped there"));
    }
    let (lines, history) = recorder.finish();
    let history = history.expect("the recorder writes well-formed histories");
    let spec = workload.spec();
    let bounds = Bounds::default();
    let checks: Vec<CheckOutcome> =
        workload.checks().iter().map(|check| check.check(&spec, &history, &bounds)).collect();
    let mut verdict = Verdict::Valid;
    let mut violations = Vec::new();
    for check in &checks {
        verdict = verdict.max(check.verdict);
        remarks.extend(check.reason.iter().map(|reason| format!("{}: {reason}", check.check)));
        violations.extend(check.violations.iter().cloned());
    }
    violations.extend(seen_by_monitors);
    if !violations.is_empty() {
        verdict = Verdict::Invalid;
    }
    let operations = count(workload, history.operations());
    if verdict == Verdict::Valid
        && let Some(minima) = minima
    {
        let chaos = &history.operations()[..chaos_operations];
        let reasons = vacuous(workload, chaos, &faults, minima);
        if !reasons.is_empty() {
            verdict = Verdict::Vacuous;
            remarks.extend(reasons);
        }
    }
    if full {
        verdict = verdict.max(Verdict::Unknown);
    }
    Outcome {
        verdict,
        violations,
        remarks,
        checks,
        digest: String::new(),
        operations,
        faults,
        outside_model,
        phases: Vec::new(),
        simulated_us: 0,
        recovery_us: None,
        lines,
        node_events: Vec::new(),
        nodes: Vec::new(),
        messages: Vec::new(),
        node_states: Vec::new(),
        coverage: Default::default(),
        trace: Vec::new(),
    }
}

fn count<W: Workload>(workload: &W, operations: &[OperationOf<W>]) -> OperationCounts {
    let mut counts = OperationCounts::default();
    for operation in operations {
        match &operation.completion {
            Completion::Ok(ret) if workload.is_mismatch(ret) => counts.fail += 1,
            Completion::Ok(_) => counts.ok += 1,
            Completion::Fail => counts.fail += 1,
            Completion::Info => counts.info += 1,
        }
    }
    counts
}

/// Why a run does not count; empty if it does.
fn vacuous<W: Workload>(
    workload: &W,
    chaos: &[OperationOf<W>],
    faults: &[FaultRecord],
    minima: Minima,
) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut demand = |what: &str, is: u64, least: u64| {
        if is < least {
            reasons.push(format!("vacuous: {what}: {is}, at least {least} needed"));
        }
    };
    let ok = count(workload, chaos).ok;
    demand("operations that succeeded", ok, minima.ok);
    demand("percent of operations that succeeded", percent(ok, chaos.len() as u64), minima.ok_percent);
    let (overlapping, completed) = overlapping(workload, chaos);
    demand(
        "percent of operations that overlapped another on their key",
        percent(overlapping, completed),
        minima.concurrent_percent,
    );
    let effective = faults.iter().filter(|fault| fault.effective > 0).count() as u64;
    demand("faults that changed something", effective, minima.effective_faults);
    reasons
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100).checked_div(whole).unwrap_or(100)
}

/// Completed operations that overlap another one on their object, and all completed ones.
fn overlapping<W: Workload>(workload: &W, operations: &[OperationOf<W>]) -> (u64, u64) {
    let mut ends: std::collections::BTreeMap<String, (u64, bool)> = std::collections::BTreeMap::new();
    let (mut overlapping, mut completed) = (0, 0);
    for operation in operations {
        let Some(returned) = operation.returned else { continue };
        completed += 1;
        let key = workload.object(&operation.op).unwrap_or_default().into_owned();
        // Operations come in the order of invocation: one overlaps an earlier one if that one is still open.
        let (end, counted) = ends.entry(key).or_insert((0, true));
        if operation.invoked <= *end {
            overlapping += 1 + u64::from(!*counted);
            *counted = true;
        } else {
            *counted = false;
        }
        *end = returned.max(*end);
    }
    (overlapping, completed)
}
