//! What a run taught a search, as it is kept: with the lessons of a search that was killed, it is made again without
//! its runs.
//!
//! Plans follow from what was learned, and are not kept; nor are states that an earlier run had reached. Bounded as
//! coverage is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_cluster::event::Event;

use crate::nemesis::Family;
use crate::sim::{Cell, Coverage};

/// What a run reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// By event, the families of which a fault stood when it occurred; `null`: none stood.
    pub cells: BTreeMap<String, Vec<Option<Family>>>,
    /// Abstract states that no run before had reached.
    pub states: Vec<u64>,
}

impl Lesson {
    /// What there is to learn from a coverage for someone who knows these states.
    pub(super) fn of(coverage: &Coverage, is_known: impl Fn(&u64) -> bool) -> Self {
        let mut cells: BTreeMap<String, Vec<Option<Family>>> = BTreeMap::new();
        for (kind, family) in coverage.cells.keys() {
            cells.entry((*kind).to_owned()).or_default().push(*family);
        }
        Self { cells, states: coverage.states.iter().copied().filter(|state| !is_known(state)).collect() }
    }

    /// The pairs of event and family.
    ///
    /// # Errors
    ///
    /// The name of an event that does not exist.
    pub(super) fn cells(&self) -> Result<Vec<Cell>, String> {
        let mut cells = Vec::new();
        for (name, families) in &self.cells {
            let kind = Event::KINDS.iter().find(|kind| *kind == name);
            let kind = kind.ok_or_else(|| format!("there is no event {name:?}"))?;
            cells.extend(families.iter().map(|family| (*kind, *family)));
        }
        Ok(cells)
    }
}
