//! The outcome of a run: verdict, violations, history and everything that a report needs. Plain data.

use serde::{Deserialize, Serialize};
use squall_checker::{CheckOutcome, Verdict, Violation};

use crate::nemesis::Family;
use crate::sim::{Coverage, MessageCounts, NodeEvent, TraceEntry};

use super::clients::Phase;
use super::recorder::{HistoryLine, history_jsonl, history_text};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The worst of everything that judged it.
    pub verdict: Verdict,
    /// What is wrong, what clients saw before what monitors saw.
    pub violations: Vec<Violation>,
    /// Why it is unknown or vacuous, and which bounds were hit, in words.
    pub remarks: Vec<String>,
    /// Every check's own answer.
    pub checks: Vec<CheckOutcome>,
    /// The digest of every event of the run, in hexadecimal.
    pub digest: String,
    /// Operations by outcome.
    pub operations: OperationCounts,
    /// What the nemesis did, in order.
    pub faults: Vec<FaultRecord>,
    /// Whether a fault ran that the mode does not promise to survive.
    pub outside_model: bool,
    /// When each phase began, in simulated microseconds.
    pub phases: Vec<(Phase, u64)>,
    /// Simulated time of the whole run, in microseconds.
    pub simulated_us: u64,
    /// From healing to the first operation that succeeded, and to the last that had to, in microseconds.
    pub recovery_us: Option<(u64, u64)>,
    /// The history, line by line, faults included.
    pub lines: Vec<HistoryLine>,
    /// What happened to nodes.
    pub node_events: Vec<NodeEvent>,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// Messages by kind.
    pub messages: Vec<(String, MessageCounts)>,
    /// The state of each node at the end, in words.
    pub node_states: Vec<String>,
    /// What the run has exercised; empty for your own system.
    pub coverage: Coverage,
    /// Every message and event, if the run was asked to keep them.
    pub trace: Vec<TraceEntry>,
}

/// Operations by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounts {
    /// Succeeded.
    pub ok: u64,
    /// Did not happen, or ran and found their condition unmet.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// One fault as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultRecord {
    /// Its number in the plan.
    pub id: u32,
    /// Its family.
    pub family: Family,
    /// What it did and to whom, as resolved when it fired.
    pub description: String,
    /// The servers it struck, by name.
    pub targets: Vec<String>,
    /// When it began, in simulated microseconds.
    pub start_us: u64,
    /// When it ended.
    pub end_us: Option<u64>,
    /// Messages, inputs and operations that it changed.
    pub effective: u64,
    /// Why it was withheld, if it was.
    pub withheld: Option<String>,
}

impl Outcome {
    /// The history as people read it: a line per event, stable enough to snapshot.
    ///
    /// ```
    /// let outcome = squall::trial(squall::paxos(3), squall::workloads::append(1)).seed(1).duration_ms(300).run();
    /// // In a test: insta::assert_snapshot!(outcome.history_text());
    /// assert!(outcome.history_text().contains("append"));
    /// ```
    pub fn history_text(&self) -> String {
        history_text(&self.lines)
    }

    /// The history as JSON Lines, as `squall check` reads it.
    pub fn history_jsonl(&self) -> String {
        history_jsonl(&self.lines)
    }

    /// Faults that changed something.
    pub fn faults_effective(&self) -> usize {
        self.faults.iter().filter(|fault| fault.effective > 0).count()
    }

    /// Faults that began.
    pub fn faults_injected(&self) -> usize {
        self.faults.iter().filter(|fault| fault.withheld.is_none()).count()
    }
}
