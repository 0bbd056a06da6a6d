//! What the JSON of a run holds: the line that commands print, and the file that is kept beside a plan.
//!
//! Field order is the order of the keys, which other people's scripts read; it does not change.

use serde::{Deserialize, Serialize};
use squall_checker::{Cycle, OpId, Verdict, Violation};

use crate::trial::{Config, OperationCounts, Outcome};

/// The format of these records.
pub const SCHEMA: u32 = 1;

/// One run on one line: what `--json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// The seed that the plan came from.
    pub seed: u64,
    /// The digest of every event.
    pub digest: String,
    /// The mode.
    pub mode: String,
    /// The workload.
    pub workload: String,
    /// Operations by outcome.
    pub operations: OperationCounts,
    /// Faults that began, and those that changed something.
    pub faults: FaultCounts,
    /// Simulated time of the whole run.
    pub simulated_ms: u64,
    /// Wall time.
    pub elapsed_ms: u64,
    /// What is wrong.
    pub violations: Vec<ViolationLine>,
    /// The folder that holds everything about the run, if it was stored.
    pub results: Option<String>,
    /// The command that runs it again.
    pub replay: String,
}

/// Faults of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounts {
    /// They began.
    pub injected: u64,
    /// They changed something.
    pub effective: u64,
}

/// A violation without its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationLine {
    /// The check that found it.
    pub check: String,
    /// The anomaly.
    pub kind: String,
    /// The key concerned.
    pub key: Option<String>,
    /// One sentence.
    pub message: String,
    /// The operations that show it.
    pub operations: Vec<OpId>,
    /// The cycle of operations that contradict each other, where the anomaly is one of order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
}

impl From<&Violation> for ViolationLine {
    fn from(violation: &Violation) -> Self {
        let cycle = violation.cycle();
        let Violation { check, kind, key, message, operations, .. } = violation.clone();
        Self { check, kind, key, message, operations, cycle }
    }
}

impl RunLine {
    /// The line of one run.
    pub fn new(config: &Config, seed: u64, outcome: &Outcome, elapsed_ms: u64, replay: String) -> Self {
        Self {
            schema: SCHEMA,
            verdict: outcome.verdict,
            seed,
            digest: outcome.digest.clone(),
            mode: config.mode.clone(),
            workload: config.workload.clone(),
            operations: outcome.operations,
            faults: FaultCounts {
                injected: outcome.faults_injected() as u64,
                effective: outcome.faults_effective() as u64,
            },
            simulated_ms: outcome.simulated_us / 1_000,
            elapsed_ms,
            violations: outcome.violations.iter().map(ViolationLine::from).collect(),
            results: None,
            replay,
        }
    }
}

/// `run.json`: the line, and what else is needed to compare with and to understand a stored run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The build that ran it, see [`build_id`](super::build_id).
    pub build: String,
    /// When it ran, in UTC.
    pub started: String,
    /// The run on one line.
    pub run: RunLine,
    /// Sizes, times and switches.
    pub config: Config,
    /// Whether a fault ran that the mode does not promise to survive.
    pub outside_model: bool,
    /// Why it is unknown or vacuous, and which bounds were hit.
    pub remarks: Vec<String>,
    /// The argument for each violation, in numbered steps.
    pub explanations: Vec<Vec<String>>,
    /// From healing to the first and to the last operation that had to succeed, in microseconds.
    pub recovery_us: Option<(u64, u64)>,
    /// Lines of the full recording that did not fit `trace.jsonl.zst`.
    pub trace_omitted: u64,
}

impl RunRecord {
    /// The record of one run.
    pub fn new(build: String, started: String, run: RunLine, config: Config, outcome: &Outcome) -> Self {
        Self {
            schema: SCHEMA,
            build,
            started,
            run,
            config,
            outside_model: outcome.outside_model,
            remarks: outcome.remarks.clone(),
            explanations: outcome.violations.iter().map(|violation| violation.steps.clone()).collect(),
            recovery_us: outcome.recovery_us,
            trace_omitted: 0,
        }
    }
}
