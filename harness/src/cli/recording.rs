//! From a run to its stored folder: what `run`, `soak`, `replay` and the main job have in common.

use std::path::PathBuf;

use squall_checker::Verdict;

use crate::determinism::NotDeterministic;
use crate::shrink::Size;
use crate::soak::{ClusterPlan, Experiment};
use crate::store::{RunRecord, SoakFolder, Store, StoreError, with_run};
use crate::trial::Outcome;
use crate::trial::failure::Account;

use super::console::Console;
use super::shrinking::{Kept, size_text};
use crate::clocks::Moment;

/// A run that is to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) plan: &'a ClusterPlan,
    pub(crate) outcome: &'a Outcome,
    pub(crate) elapsed_ms: u64,
    pub(crate) began: &'a Moment,
}

/// Where a run is stored.
pub(crate) enum Place<'a> {
    /// Among the runs of its workload.
    Runs(&'a Store),
    /// Among the failures of a soak.
    Failures(&'a SoakFolder),
    /// Among those of a guided soak, by the number of the run.
    GuidedFailures(&'a SoakFolder, u64),
}

impl Recording<'_> {
    /// Stores the run whole.
    pub(crate) fn store(&self, place: &Place<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        let Self { plan, outcome, elapsed_ms, began } = *self;
        with_run(plan, outcome, elapsed_ms, began, |run| match place {
            Place::Runs(store) => store.write_run(&began.stamp, run),
            Place::Failures(folder) => folder.failure(run),
            Place::GuidedFailures(folder, number) => folder.failure_named(&format!("run-{number}"), run),
        })
    }
}

/// Says what came of a run.
pub(crate) fn tell(
    console: &Console,
    plan: &ClusterPlan,
    outcome: &Outcome,
    results: Option<&str>,
    kept: Option<&Kept>,
) {
    let shrunk = kept.map(|kept| size_text(Size::of(&kept.shrunk.plan)));
    let shrunk = shrunk.as_deref();
    let account = Account { config: &plan.config, seed: plan.seed, outcome, results, shrunk };
    console.verdict(outcome.verdict, &account.to_string());
    if outcome.verdict == Verdict::Valid {
        if let Some(results) = results {
            console.say(format!("  report:    {results}/report.html"));
        }
        for remark in &outcome.remarks {
            console.say(format!("  {remark}"));
        }
    }
    if console.is_verbose() {
        details(console, plan, outcome);
    }
}

fn details(console: &Console, plan: &ClusterPlan, outcome: &Outcome) {
    for violation in &outcome.violations {
        explain(console, violation);
    }
    for fault in &outcome.faults {
        let fate = match &fault.withheld {
            Some(reason) => format!("withheld: {reason}"),
            None => format!("changed {}", fault.effective),
        };
        console.detail(format!("  fault {} {} ({fate})", fault.id, fault.description));
    }
    let counts = outcome.operations;
    console.detail(format!(
        "  operations: {} ok, {} fail, {} info; digest {}; key {:#x}",
        counts.ok, counts.fail, counts.info, outcome.digest, plan.key
    ));
}

/// Says why something is wrong, step by step.
pub(crate) fn explain(console: &Console, violation: &squall_checker::Violation) {
    for (number, step) in violation.steps.iter().enumerate() {
        console.say(format!("  {:>3}. {step}", number + 1));
    }
}

/// Runs a plan; a run that fails is run again with everything recorded, and the two must agree.
pub(crate) fn run_recorded(
    experiment: &Experiment,
    plan: &ClusterPlan,
    check_determinism: bool,
) -> (Outcome, Option<Box<NotDeterministic>>) {
    let first = experiment.run(plan);
    let failed = first.verdict == Verdict::Invalid;
    if !failed && !check_determinism {
        return (first, None);
    }
    let manner = if failed { experiment.manner().traced() } else { experiment.manner() };
    match experiment.again(plan, &first, manner) {
        Ok(second) => (second, None),
        Err(differs) => (first, Some(differs)),
    }
}
