//! What a report shows: the pure input of [`render`](super::render), all of it plain data.
//!
//! Whoever has a run, or only a recorded history, fills a [`ReportData`]; what is absent is left empty and its
//! part of the page is left out. All times are simulated microseconds since the start of the run, integers.
//! Nothing here knows of the simulator, the nemesis or the file system.

use serde::{Deserialize, Serialize};
use squall_checker::{OpId, ProcessId, Verdict, Violation};

/// The version of the data embedded in a page; raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportData {
    /// What was run, how it ended, how to run it again.
    pub meta: Meta,
    /// Every operation, in the order of invocation; the position of each is its [`ReportOperation::id`].
    pub operations: Vec<ReportOperation>,
    /// What the nemesis did, in the order in which it began; empty for a recorded history.
    pub faults: Vec<FaultSpan>,
    /// What happened to nodes, in order of time; empty for a recorded history.
    pub node_events: Vec<NodeEvent>,
    /// The names of the nodes, in the order of their lanes; empty for a recorded history.
    pub nodes: Vec<String>,
    /// What is wrong. The first one is the page's headline and the one that is drawn.
    pub violations: Vec<Violation>,
    /// Counts that operations do not show.
    pub statistics: Statistics,
}

/// What was run, how it ended, how to run it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the program that wrote the report.
    pub version: String,
    /// The worst verdict of all checks.
    pub verdict: Verdict,
    /// The seed as people type it (`0x3f2a`): text, because a page cannot hold 64 bits in a number.
    pub seed: Option<String>,
    /// The digest of the plan.
    pub plan_digest: Option<String>,
    /// The digest of every event of the run: a replay must come to the same.
    pub trace_digest: Option<String>,
    /// The command that runs it again; offered for copying.
    pub replay: Option<String>,
    /// The mode of the cluster, with its size (`paxos, 5 nodes`).
    pub mode: Option<String>,
    /// The workload, or the model of a recorded history.
    pub workload: String,
    /// The nemesis as it was selected.
    pub nemesis: Option<String>,
    /// Planted bugs that were switched on.
    pub bugs: Vec<String>,
    /// Each check with its own verdict.
    pub checks: Vec<CheckSummary>,
    /// Simulated time of the whole run.
    pub simulated_us: u64,
    /// Operations by outcome.
    pub counts: OutcomeCounts,
    /// Messages sent; absent if nobody counted.
    pub messages: Option<u64>,
    /// The size of the run from which this one was shrunk.
    pub shrunk_from: Option<RunSize>,
    /// The phases of the run, in order.
    pub phases: Vec<Phase>,
}

/// One check's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// The check's name.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it is unknown or vacuous.
    pub reason: Option<String>,
}

/// Operations by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Succeeded.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// How large a run is, to say what it was shrunk from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSize {
    /// Nodes of the cluster.
    pub nodes: u64,
    /// Clients.
    pub clients: u64,
    /// Operations.
    pub operations: u64,
    /// Faults.
    pub faults: u64,
}

/// A phase of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `start`, `chaos`, `liveness`, `quiet`, …
    pub name: String,
    /// When it began.
    pub start_us: u64,
    /// When it ended.
    pub end_us: u64,
}

/// A point of the run: many things share a time, none share a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Simulated time.
    pub time_us: u64,
    /// Position in the total order of everything that was recorded.
    pub sequence: u64,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationOutcome {
    /// It took effect and returned.
    Ok,
    /// It did not take effect.
    Fail,
    /// Nobody knows whether it took effect.
    Info,
}

/// One operation, its values in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOperation {
    /// The id by which violations name it; its position in [`ReportData::operations`].
    pub id: OpId,
    /// The process that asked.
    pub process: ProcessId,
    /// The client, which goes on under a new process after an unknown outcome: the lane it is drawn in. For a
    /// recorded history the process itself.
    pub client: u64,
    /// What it does: `read`, `append`, …
    pub function: String,
    /// The key, where there is one.
    pub key: Option<String>,
    /// The argument, without function and key; empty for a read.
    pub input: String,
    /// What it returned; absent if it returned nothing.
    pub output: Option<String>,
    /// When it was invoked.
    pub invoke: Moment,
    /// When it returned, or when the client gave up; absent if it never did.
    pub complete: Option<Moment>,
    /// How it ended.
    pub outcome: OperationOutcome,
    /// Why it failed or is not known.
    pub error: Option<String>,
    /// The node that it was sent to.
    pub node: Option<String>,
}

/// One fault as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// Its number in the plan.
    pub id: u32,
    /// Its family, which is its lane: `partition`, `link`, `process`, `clock`, `disk`.
    pub family: String,
    /// Its kind within the family: `isolate`, `crash`, …
    pub kind: String,
    /// What it did and to whom, in one line.
    pub description: String,
    /// When it began, or was due if it was withheld.
    pub start_us: u64,
    /// When it ended; absent if it lasted to the end.
    pub end_us: Option<u64>,
    /// The nodes that it struck, by name; empty for the whole network.
    pub targets: Vec<String>,
    /// Messages, inputs and operations that it changed.
    pub effective: u64,
    /// Why it never fired, if it did not.
    pub withheld: Option<String>,
}

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEvent {
    /// When.
    pub at: Moment,
    /// The node, by name.
    pub node: String,
    /// `boot`, `crash`, `restart`, `pause`, `resume`, `candidate`, `leader`, `step-down`, or another word, which
    /// becomes a plain mark.
    pub kind: String,
    /// The ballot, view or term concerned.
    pub ballot: Option<String>,
    /// More in words; may be empty.
    pub detail: String,
}

/// Counts that operations do not show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// What became of messages, by kind, in the order in which they are listed.
    pub messages: Vec<MessageCount>,
}

/// What became of the messages of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCount {
    /// The kind.
    pub kind: String,
    /// Sent.
    pub sent: u64,
    /// Never arrived.
    pub dropped: u64,
    /// Delayed by a fault.
    pub delayed: u64,
    /// Arrived more than once.
    pub duplicated: u64,
}
