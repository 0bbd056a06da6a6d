//! An anomaly in words, on its way to a [`Violation`].

use crate::history::OpId;
use crate::verdict::{Edge, Violation};
use crate::words::steps;

/// What is wrong.
pub(super) struct Telling {
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// A round of edges, where the anomaly is one of order.
    pub(super) edges: Vec<Edge>,
    /// The steps of the argument; none: those along the edges, or the message alone.
    pub(super) told: Vec<String>,
}

impl Telling {
    /// Told in steps.
    pub(super) fn in_steps(kind: &'static str, message: String, told: Vec<String>) -> Self {
        Self { kind, message, edges: Vec::new(), told }
    }

    /// Told along a round of edges.
    pub(super) fn round(kind: &'static str, message: String, edges: Vec<Edge>) -> Self {
        Self { kind, message, edges, told: Vec::new() }
    }

    /// The violation that these operations show.
    pub(super) fn violation(self, check: &str, key: &str, mut operations: Vec<OpId>) -> Violation {
        let Self { kind, message, edges, told } = self;
        operations.sort_unstable();
        operations.dedup();
        assert!(!operations.is_empty(), "an anomaly has witnesses");
        let steps = match (told.is_empty(), edges.is_empty()) {
            (false, _) => told,
            (true, false) => steps(&edges),
            (true, true) => vec![message.clone()],
        };
        let key = (!key.is_empty()).then(|| key.to_owned());
        Violation { check: check.to_owned(), kind: kind.to_owned(), key, message, operations, edges, steps }
    }
}
