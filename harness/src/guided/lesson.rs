//! What a run taught a search, as it is kept: with the lessons of a search that was killed, it is made again without
//! its runs.
//!
//! Plans follow from what was learned, and are not kept; nor are states that an earlier run had reached. Bounded as
//! coverage is.

use serde::{Deserialize, Serialize};

use crate::sim::Coverage;
use crate::soak::Reached;

/// What a run reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// Events, under families of faults.
    pub reached: Reached,
    /// Abstract states that no run before had reached.
    pub states: Vec<u64>,
}

impl Lesson {
    /// What there is to learn from a coverage for someone who knows these states.
    pub(super) fn of(coverage: &Coverage, is_known: impl Fn(&u64) -> bool) -> Self {
        let states = coverage.states.iter().copied().filter(|state| !is_known(state)).collect();
        Self { reached: Reached::of(coverage), states }
    }
}
