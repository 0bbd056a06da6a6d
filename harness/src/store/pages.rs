//! From a run, or a recorded history, to the data that a report shows, and to the page.
//!
//! Pure. Operations are paired up from the lines of the history, in the order of invocation, so that their positions
//! are the ids by which violations name them.

use std::collections::BTreeMap;

use serde_json::Value;
use squall_checker::format::{Ending, RawOperation, Recorded, Time};
use squall_checker::judge::Judged;
use squall_checker::{OpId, ProcessId};

use crate::report::data::{
    CheckSummary, FaultSpan, MessageCount, Meta, Moment, NodeEvent, OperationOutcome, OutcomeCounts, Phase,
    ReportOperation, SCHEMA, Statistics,
};
use crate::report::{ReportData, render};
use crate::trial::failure::counted;
use crate::trial::{Actor, HistoryLine, Outcome, Plan};

/// The report of a run, as a page.
pub fn report_page<T>(plan: &Plan<T>, outcome: &Outcome, replay: &str) -> String {
    render(&report_data(plan, outcome, replay))
}

/// The report of a recorded history, as a page.
pub fn history_page(recorded: &Recorded<'_>, judged: &Judged<'_>) -> String {
    render(&history_data(recorded, judged))
}

/// The data of a run's report.
pub fn report_data<T>(plan: &Plan<T>, outcome: &Outcome, replay: &str) -> ReportData {
    let counts = outcome.operations;
    let config = &plan.config;
    let kinds: BTreeMap<u32, &str> = plan.faults.iter().map(|fault| (fault.id, fault.fault.name())).collect();
    ReportData {
        meta: Meta {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            verdict: outcome.verdict,
            seed: Some(format!("{:#x}", plan.seed)),
            plan_digest: None,
            trace_digest: Some(outcome.digest.clone()),
            replay: Some(replay.into()),
            mode: Some(format!("{}, {}", config.mode, counted(u64::from(config.nodes), "node"))),
            workload: config.workload.clone(),
            nemesis: Some(config.nemesis.clone()),
            bugs: config.bugs.clone(),
            checks: checks(outcome),
            simulated_us: outcome.simulated_us,
            counts: OutcomeCounts { ok: counts.ok, fail: counts.fail, info: counts.info },
            messages: Some(outcome.messages.iter().map(|(_, counts)| counts.sent).sum()),
            shrunk_from: None,
            phases: phases(outcome),
        },
        operations: operations(&outcome.lines, u64::from(config.clients)),
        faults: faults(outcome, &kinds),
        node_events: node_events(outcome),
        nodes: outcome.nodes.clone(),
        violations: outcome.violations.clone(),
        statistics: Statistics { messages: messages(outcome) },
    }
}

fn checks(outcome: &Outcome) -> Vec<CheckSummary> {
    let summary = |check: &squall_checker::CheckOutcome| CheckSummary {
        name: check.check.clone(),
        verdict: check.verdict,
        reason: check.reason.clone(),
    };
    outcome.checks.iter().map(summary).collect()
}

fn phases(outcome: &Outcome) -> Vec<Phase> {
    let ends = outcome.phases.iter().skip(1).map(|(_, began)| *began).chain([outcome.simulated_us]);
    let phase = |((phase, start_us), end_us): (&(crate::trial::Phase, u64), u64)| Phase {
        name: format!("{phase:?}").to_lowercase(),
        start_us: *start_us,
        end_us: end_us.max(*start_us),
    };
    outcome.phases.iter().zip(ends).map(phase).filter(|phase| phase.name != "done").collect()
}

fn faults(outcome: &Outcome, kinds: &BTreeMap<u32, &str>) -> Vec<FaultSpan> {
    let span = |fault: &crate::trial::FaultRecord| FaultSpan {
        id: fault.id,
        family: fault.family.name().into(),
        kind: (*kinds.get(&fault.id).unwrap_or(&"fault")).into(),
        description: fault.description.clone(),
        start_us: fault.start_us,
        end_us: fault.end_us,
        targets: fault.targets.clone(),
        effective: fault.effective,
        withheld: fault.withheld.clone(),
    };
    outcome.faults.iter().map(span).collect()
}

fn node_events(outcome: &Outcome) -> Vec<NodeEvent> {
    // Events of nodes and lines of the history are numbered apart: where they share a time, nodes come first.
    let event = |(sequence, event): (usize, &crate::sim::NodeEvent)| NodeEvent {
        at: Moment { time_us: event.time.0, sequence: sequence as u64 },
        node: outcome.nodes.get(event.server).cloned().unwrap_or_default(),
        kind: event.kind.into(),
        ballot: None,
        detail: event.detail.clone(),
    };
    outcome.node_events.iter().enumerate().map(event).collect()
}

fn messages(outcome: &Outcome) -> Vec<MessageCount> {
    let count = |(kind, counts): &(String, crate::sim::MessageCounts)| MessageCount {
        kind: kind.clone(),
        sent: counts.sent,
        dropped: counts.dropped,
        delayed: counts.delayed,
        duplicated: counts.duplicated,
    };
    outcome.messages.iter().map(count).collect()
}

/// A value in words; nothing for null.
fn words(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

/// The operations of a history's lines.
fn operations(lines: &[HistoryLine], clients: u64) -> Vec<ReportOperation> {
    let mut operations: Vec<ReportOperation> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for line in lines {
        let Actor::Process(process) = line.process else { continue };
        let at = Moment { time_us: line.time / 1_000, sequence: line.index as u64 };
        let outcome = match line.kind {
            "invoke" => {
                open.insert(process, operations.len());
                operations.push(ReportOperation {
                    id: OpId(u32::try_from(operations.len()).expect("histories are bounded")),
                    process: ProcessId(process),
                    client: process % clients.max(1),
                    function: line.f.clone(),
                    key: line.key.clone(),
                    input: words(&line.value),
                    output: None,
                    invoke: at,
                    complete: None,
                    outcome: OperationOutcome::Info,
                    error: None,
                    node: line.node.clone(),
                });
                continue;
            }
            "ok" => OperationOutcome::Ok,
            "fail" => OperationOutcome::Fail,
            _ => OperationOutcome::Info,
        };
        let Some(index) = open.remove(&process) else { continue };
        let operation = &mut operations[index];
        operation.complete = Some(at);
        operation.outcome = outcome;
        operation.error = line.error.clone();
        if outcome == OperationOutcome::Ok && line.f == "read" {
            operation.output = Some(line.value.to_string());
        } else if outcome == OperationOutcome::Fail && line.error.as_deref() == Some("precondition") {
            operation.output = Some(words(&line.value));
        }
    }
    operations
}

/// Functions that are told something even where that is null.
const READING: [&str; 6] = ["read", "get", "r", "dequeue", "pop", "generate"];

/// An operation of a recorded history; `timed`: by its recorder's clock, else stamps stand for times.
fn recorded_operation(id: OpId, raw: &RawOperation, timed: bool) -> ReportOperation {
    let json = |value: &squall_checker::Value| serde_json::to_string(value).expect("a value is plain data");
    let moment = |sequence: u64, time: Option<Time>| Moment {
        time_us: time.filter(|_| timed).map_or(sequence, |time| time.ns() / 1_000),
        sequence,
    };
    let invoke = moment(raw.invoked, raw.invocation.time);
    let complete = raw.completed.map(|at| {
        let complete = moment(at, raw.completion.and_then(|place| place.time));
        Moment { time_us: complete.time_us.max(invoke.time_us), ..complete }
    });
    let nil = squall_checker::Value::Nil;
    let is_told = raw.ending == Ending::Ok
        && if raw.asked.as_ref() == Some(&nil) && raw.told.as_ref() == Some(&nil) {
            READING.contains(&raw.function.as_ref())
        } else {
            raw.told != raw.asked && raw.told.as_ref() != Some(&nil)
        };
    ReportOperation {
        id,
        process: raw.process,
        client: raw.process.0,
        function: raw.function.to_string(),
        key: raw.key.as_ref().map(ToString::to_string),
        input: raw.asked.as_ref().filter(|asked| **asked != nil).map_or_else(String::new, json),
        output: raw.told.as_ref().filter(|_| is_told).map(json),
        invoke,
        complete,
        outcome: match raw.ending {
            Ending::Ok => OperationOutcome::Ok,
            Ending::Fail => OperationOutcome::Fail,
            Ending::Info => OperationOutcome::Info,
        },
        error: raw.failure.as_ref().and_then(|failure| failure.error.as_ref()).map(ToString::to_string),
        node: None,
    }
}

/// The data of a recorded history's report. Where not every event has a time, stamps stand for times: only their
/// order is known.
fn history_data(recorded: &Recorded<'_>, judged: &Judged<'_>) -> ReportData {
    let timed = recorded.is_timed();
    let operations: Vec<ReportOperation> = (0u32..)
        .zip(recorded.operations())
        .map(|(index, raw)| recorded_operation(OpId(index), &raw, timed))
        .collect();
    let last =
        operations.iter().map(|operation| operation.complete.unwrap_or(operation.invoke).time_us).max();
    let counts = judged.operations;
    ReportData {
        meta: Meta {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            verdict: judged.outcome.verdict,
            seed: None,
            plan_digest: None,
            trace_digest: None,
            replay: None,
            mode: None,
            workload: judged.model.name().into(),
            nemesis: None,
            bugs: Vec::new(),
            checks: vec![CheckSummary {
                name: judged.outcome.check.clone(),
                verdict: judged.outcome.verdict,
                reason: judged.outcome.reason.clone(),
            }],
            simulated_us: last.unwrap_or(0),
            counts: OutcomeCounts {
                ok: counts.ok as u64,
                fail: counts.fail as u64,
                info: counts.info as u64,
            },
            messages: None,
            shrunk_from: None,
            phases: Vec::new(),
        },
        operations,
        faults: Vec::new(),
        node_events: Vec::new(),
        nodes: Vec::new(),
        violations: judged.outcome.violations.clone(),
        statistics: Statistics::default(),
    }
}
