//! Tables of coverage as a page shows them: a row per event, a column per family of faults, and the reasons of what
//! cannot be.

use crate::nemesis::Family;
use crate::soak::{CoverageTable, Covered};

/// The table of one mode.
pub(super) struct Coverage {
    pub(super) mode: &'static str,
    pub(super) headline: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) impossible: Vec<(&'static str, String)>,
    pub(super) refuted: Option<String>,
}

pub(super) struct Row {
    pub(super) event: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// What is shown of a pair, and of what style it is.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) class: &'static str,
}

impl Coverage {
    pub(super) fn of(table: &CoverageTable) -> Self {
        let (reached, possible) = table.reached();
        let cell = |pair| match pair {
            Covered::Runs(runs) => Cell { text: runs.to_string(), class: "reached" },
            Covered::Hole => Cell { text: "0".into(), class: "missed" },
        };
        let row =
            |(event, pairs): (_, Vec<Covered>)| Row { event, cells: pairs.into_iter().map(cell).collect() };
        let refuted = table.refuted();
        Self {
            mode: table.mode().name(),
            headline: format!("{reached} of {possible} pairs"),
            columns: table
                .columns()
                .into_iter()
                .map(|family| family.map_or("no fault", Family::name))
                .collect(),
            rows: table.rows().into_iter().map(row).collect(),
            impossible: table
                .impossible()
                .into_iter()
                .map(|(reason, what)| (reason, what.join(", ")))
                .collect(),
            refuted: (!refuted.is_empty()).then(|| refuted.join(", ")),
        }
    }
}
