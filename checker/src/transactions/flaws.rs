//! What is wrong with single reads, in words: anomalies that need no cycle.
//!
//! Only so many are told; the levels that the others break are the same ones.

use std::collections::BTreeSet;

use super::history::{MicroOperation, TransactionHistory};
use super::level::Anomaly;
use crate::history::OpId;
use crate::words::brief;

/// Flaws of one kind that are told, at most.
const TOLD_MAX: usize = 8;

/// An anomaly without a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) anomaly: Anomaly,
    pub(super) key: u32,
    /// The transactions that show it, in the order of their ids.
    pub(super) transactions: Vec<u32>,
    pub(super) message: String,
    pub(super) steps: Vec<String>,
}

/// All flaws of a history.
#[derive(Debug, Default)]
pub(super) struct Flaws {
    pub(super) told: Vec<Flaw>,
    /// Every kind that occurs.
    pub(super) kinds: BTreeSet<Anomaly>,
}

impl Flaws {
    /// Adds one; its words are only made if it is told.
    pub(super) fn add(
        &mut self,
        anomaly: Anomaly,
        key: u32,
        mut transactions: Vec<u32>,
        words: impl FnOnce() -> (String, Vec<String>),
    ) {
        self.kinds.insert(anomaly);
        if self.told.iter().filter(|flaw| flaw.anomaly == anomaly).count() >= TOLD_MAX {
            return;
        }
        transactions.sort_unstable();
        transactions.dedup();
        let (message, steps) = words();
        self.told.push(Flaw { anomaly, key, transactions, message, steps });
    }
}

/// `T7 (process 3): append k 1, read k -> [1]`.
pub(super) fn transaction(history: &TransactionHistory, id: u32) -> String {
    let transaction = history.get(OpId(id));
    let steps: Vec<String> = transaction.micro_operations.iter().map(ToString::to_string).collect();
    format!("T{id} by process {}: {}", transaction.process, brief(&steps.join(", ")))
}

/// `read k as [1, 2]`.
pub(super) fn read_as(history: &TransactionHistory, key: u32, shown: &[u32]) -> String {
    format!("read {} as {}", history.key(key), brief(&history.shown(shown).to_string()))
}

/// A transaction whose step `at` reads something else than what it read or wrote before.
pub(super) fn internal(history: &TransactionHistory, flaws: &mut Flaws, id: u32, key: u32, at: usize) {
    flaws.add(Anomaly::Internal, key, vec![id], || {
        let steps = history.get(OpId(id)).micro_operations;
        let place = at - history.range(id).start;
        let of_key = |step: &&MicroOperation| step.key() == history.key(key);
        let before: Vec<String> = steps[..place].iter().filter(of_key).map(ToString::to_string).collect();
        let before = brief(&before.join(", "));
        let contradicts = brief(&steps[place].to_string());
        let message = format!("T{id} contradicts itself: after {before} came {contradicts}");
        let alone = format!(
            "run by itself, T{id} would see of {} one state from outside and its own writes on top",
            history.key(key)
        );
        (message, vec![transaction(history, id), alone])
    });
}

/// A transaction that reads what itself writes only later.
pub(super) fn own_future(history: &TransactionHistory, flaws: &mut Flaws, id: u32, key: u32, shown: &[u32]) {
    flaws.add(Anomaly::Internal, key, vec![id], || {
        let message =
            format!("T{id} contradicts itself: it {} before it wrote that", read_as(history, key, shown));
        (message, vec![transaction(history, id)])
    });
}

/// A transaction that saw one write of another, but not all.
pub(super) fn fractured(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    id: u32,
    key: u32,
    shown: &[u32],
    other: u32,
) {
    flaws.add(Anomaly::FracturedRead, key, vec![id, other], || {
        let read = read_as(history, key, shown);
        let message = format!(
            "T{id} {read}, without what T{other} wrote to it, though it saw another write of T{other}"
        );
        (message, vec![transaction(history, other), transaction(history, id)])
    });
}
