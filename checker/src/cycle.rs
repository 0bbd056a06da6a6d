//! A contradiction as data: a cycle of operations that would each have to come before the next, for other programs.
//!
//! ```json
//! {"kind": "cycle", "nodes": [4, 8],
//!  "edges": [{"from": 4, "to": 8, "why": "real-time", "evidence": []},
//!            {"from": 8, "to": 4, "why": "must-precede", "evidence": [2]}]}
//! ```
//!
//! Numbers are operations in the order of their invocations; `why` is an [`EdgeKind`]; `evidence` are operations that
//! the edge rests on beside its ends. What can be said of a cycle without knowing the specification, [`Cycle::holds`]
//! says; that the verdict is right, a [`crate::Certificate`] proves.

use serde::{Deserialize, Serialize};

use crate::history::{History, OpId};
use crate::verdict::{EdgeKind, Violation};

/// A cycle, see the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "cycle")]
pub struct Cycle {
    /// Its operations, in order; the last comes before the first.
    pub nodes: Vec<OpId>,
    /// The edge from each to the next.
    pub edges: Vec<CycleEdge>,
}

/// An edge of a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleEdge {
    /// The operation that must come first.
    pub from: OpId,
    /// The operation that must come later.
    pub to: OpId,
    /// The kind of reason.
    pub why: EdgeKind,
    /// Operations that it rests on, beside its ends.
    pub evidence: Vec<OpId>,
}

impl Violation {
    /// The cycle that proves it, where the anomaly is one of order.
    pub fn cycle(&self) -> Option<Cycle> {
        let edge = |edge: &crate::verdict::Edge| CycleEdge {
            from: edge.from,
            to: edge.to,
            why: edge.kind,
            evidence: edge.evidence.clone(),
        };
        let edges: Vec<CycleEdge> = self.edges.iter().map(edge).collect();
        let nodes: Vec<OpId> = edges.iter().map(|edge| edge.from).collect();
        (!edges.is_empty()).then_some(Cycle { nodes, edges })
    }
}

impl Cycle {
    /// Whether it is a cycle of this history's operations, and what it says of real time and of processes is so.
    pub fn holds<O, R>(&self, history: &History<O, R>) -> bool {
        let known = |id: &OpId| id.index() < history.len();
        let closed =
            self.edges.iter().zip(self.edges.iter().cycle().skip(1)).all(|(edge, next)| edge.to == next.from);
        closed
            && !self.edges.is_empty()
            && self.nodes.iter().eq(self.edges.iter().map(|edge| &edge.from))
            && self.edges.iter().all(|edge| {
                let there = known(&edge.from) && known(&edge.to) && edge.evidence.iter().all(known);
                there
                    && match edge.why {
                        EdgeKind::RealTime => history.get(edge.from).precedes(history.get(edge.to)),
                        EdgeKind::Process => history.get(edge.from).process == history.get(edge.to).process,
                        _ => true,
                    }
            })
    }
}
