//! What is known of a history before its cycles are looked at.

use super::flaws::Flaws;
use super::graph::Edges;
use super::history::{Status, TransactionHistory};
use super::writers::Writers;

/// Dependencies, and what is wrong already.
#[derive(Debug)]
pub(super) struct Recovered {
    /// Per transaction, whether it certainly took effect.
    pub(super) required: Vec<bool>,
    /// Nodes of the graph so far: transactions, then helpers.
    pub(super) nodes: u32,
    /// The dependencies.
    pub(super) edges: Edges,
    /// What is wrong with single reads.
    pub(super) flaws: Flaws,
    /// Why the order of some versions is not known.
    pub(super) unrecovered: Option<String>,
    /// Writes that took effect and whose order among those of their key is free: key and transaction.
    pub(super) free: Vec<(u32, u32)>,
    /// Who wrote what, if a serial order has to be searched for.
    pub(super) writers: Option<Writers>,
}

impl Recovered {
    /// Nothing but what is required of committed transactions.
    pub(super) fn new(history: &TransactionHistory) -> Self {
        let count = history.count();
        Self {
            required: (0..count).map(|id| history.status(id) == Status::Ok).collect(),
            nodes: count,
            edges: Edges::default(),
            flaws: Flaws::default(),
            unrecovered: None,
            free: Vec::new(),
            writers: None,
        }
    }
}
