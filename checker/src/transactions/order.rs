//! Orders that do not come from what was read: of each process, and of real time.
//!
//! "Finished before it began" has a number of pairs that grows with the square of the history. Here it is a chain of
//! helpers along the timeline: who returns leads into the next of them, who is invoked is led to from the last one, so
//! that three edges for each transaction are enough.

use rustc_hash::FxHashMap;

use super::graph::{Edges, label};
use super::history::{Status, TransactionHistory};
use crate::history::OpId;

/// Adds the edges of processes and of real time among transactions that took effect; gives the number of nodes, which
/// were `nodes` before.
pub(super) fn add_time(
    history: &TransactionHistory,
    required: &[bool],
    edges: &mut Edges,
    mut nodes: u32,
) -> u32 {
    let committed = (0..history.count()).filter(|id| history.status(*id) == Status::Ok);
    let mut returns: Vec<(u64, u32)> = committed.map(|id| (history.stored(id).returned, id)).collect();
    returns.sort_unstable();
    let mut returns = returns.into_iter().peekable();
    let mut barrier = None;
    let mut last_of: FxHashMap<u64, u32> = FxHashMap::default();
    for id in (0..history.count()).filter(|id| required[*id as usize]) {
        let stored = history.stored(id);
        let mut fresh = None;
        while let Some((_, returned)) = returns.next_if(|(returned, _)| *returned < stored.invoked) {
            let node = *fresh.get_or_insert_with(|| {
                nodes += 1;
                nodes - 1
            });
            edges.push(returned, node, label::REAL_TIME);
        }
        if let (Some(before), Some(fresh)) = (barrier, fresh) {
            edges.push(before, fresh, label::ON);
        }
        barrier = fresh.or(barrier);
        if let Some(barrier) = barrier {
            edges.push(barrier, id, label::ON);
        }
        // An indeterminate one may take effect after what its process does next.
        let before = match stored.status {
            Status::Ok => last_of.insert(stored.process, id),
            Status::Info | Status::Fail => last_of.get(&stored.process).copied(),
        };
        if let Some(before) = before {
            edges.push(before, id, label::PROCESS);
        }
    }
    nodes
}

/// The transactions that took effect, as they stand in an order of all nodes.
pub(super) fn of_transactions(history: &TransactionHistory, required: &[bool], sorted: &[u32]) -> Vec<OpId> {
    let transaction = |node: &&u32| **node < history.count() && required[**node as usize];
    sorted.iter().filter(transaction).map(|node| OpId(*node)).collect()
}
