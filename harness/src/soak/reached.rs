//! Which events a run reached, under which families of faults: what a line keeps of a run's coverage.
//!
//! Only whether, not how often; a bit per event, since names would make lines twice as long. Bits are numbered as this
//! build numbers events, and what is kept of a soak is only read by the build that wrote it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_cluster::event::Event;

use crate::nemesis::Family;
use crate::sim::{Cell, Coverage};

/// The name of no fault.
const NONE: &str = "none";

/// No fault, and the families.
const COLUMNS: usize = Family::ALL.len() + 1;

// A number of JSON that every reader reads exactly.
const _: () = assert!(Event::KINDS.len() <= 53, "an event has its bit");

/// By family of which a fault stood, the events that occurred: the n-th of [`Event::KINDS`] as bit n. As JSON, `none` is
/// that no fault stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>", into = "BTreeMap<&'static str, u64>")]
pub struct Reached([u64; COLUMNS]);

/// The families in the order of their columns, no fault first.
fn columns() -> impl Iterator<Item = Option<Family>> {
    [None].into_iter().chain(Family::ALL.map(Some))
}

fn name(column: Option<Family>) -> &'static str {
    column.map_or(NONE, Family::name)
}

impl Reached {
    /// What a run reached.
    pub fn of(coverage: &Coverage) -> Self {
        let mut reached = Self::default();
        for (kind, family) in coverage.cells.keys() {
            let event = Event::KINDS.iter().position(|known| known == kind).expect("nodes emit known events");
            let column = columns().position(|known| known == *family).expect("every family has a column");
            reached.0[column] |= 1 << event;
        }
        reached
    }

    /// The pairs of event and family.
    pub fn cells(self) -> impl Iterator<Item = Cell> {
        let events = |bits: u64| {
            let kinds = Event::KINDS.iter().enumerate();
            kinds.filter(move |(event, _)| bits >> event & 1 == 1).map(|(_, kind)| *kind)
        };
        columns().zip(self.0).flat_map(move |(family, bits)| events(bits).map(move |kind| (kind, family)))
    }

    /// Whether nothing was reached, or nothing was looked at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Reached> for BTreeMap<&'static str, u64> {
    fn from(reached: Reached) -> Self {
        columns().map(name).zip(reached.0).filter(|(_, bits)| *bits != 0).collect()
    }
}

impl TryFrom<BTreeMap<String, u64>> for Reached {
    type Error = String;

    fn try_from(read: BTreeMap<String, u64>) -> Result<Self, Self::Error> {
        let mut reached = Self::default();
        for (text, bits) in read {
            let column = columns().position(|column| name(column) == text);
            let column = column.ok_or_else(|| format!("there is no family of faults {text:?}"))?;
            if bits >> Event::KINDS.len() != 0 {
                return Err(format!("there are {} events: {bits:#x} names others", Event::KINDS.len()));
            }
            reached.0[column] = bits;
        }
        Ok(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_is_read_as_it_was_written_and_what_does_not_exist_is_refused() {
        let cells = [("booted", None), ("chosen", None), ("chosen", Some(Family::Disk))];
        let coverage = Coverage { cells: cells.map(|cell| (cell, 7)).into(), ..Coverage::default() };
        let reached = Reached::of(&coverage);
        assert_eq!(reached.cells().collect::<Vec<_>>(), cells);
        let text = serde_json::to_string(&reached).expect("plain data");
        assert_eq!(text, r#"{"disk":128,"none":129}"#);
        assert_eq!(serde_json::from_str::<Reached>(&text).expect("as it was written"), reached);
        for (wrong, why) in [
            (r#"{"weather":1}"#, "there is no family of faults \"weather\""),
            (r#"{"none":9007199254740992}"#, "names others"),
            (r#"{"none":-1}"#, "invalid value"),
        ] {
            let error = serde_json::from_str::<Reached>(wrong).expect_err("refused").to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(Reached::default().is_empty() && !reached.is_empty());
    }
}
