//! The table of coverage: events of the protocol by families of faults, with its holes.
//!
//! A hole is a pair that could be and that no run reached: a gap in the nemesis or in the search. Pairs that cannot be
//! are listed with the reason. Counts runs, not occurrences.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Serialize, Serializer};
use squall_cluster::bugs::Mode;
use squall_cluster::event::Event;

use crate::nemesis::Family;
use crate::sim::Cell;

use super::reached::Reached;

/// What the runs of a mode reached. As JSON: the runs of each pair under `coverage`, `holes`, and what is `impossible`
/// by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageTable {
    mode: Mode,
    cells: BTreeMap<Cell, u64>,
}

/// What there is to say of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// So many runs reached it.
    Runs(u64),
    /// It can be, and no run reached it.
    Hole,
}

impl CoverageTable {
    /// Nothing reached yet.
    pub fn new(mode: Mode) -> Self {
        Self { mode, cells: BTreeMap::new() }
    }

    /// Adds a run; how many pairs no run before it had reached.
    pub fn add(&mut self, reached: Reached) -> usize {
        let mut news = 0;
        for cell in reached.cells() {
            let runs = self.cells.entry(cell).or_default();
            news += usize::from(*runs == 0);
            *runs += 1;
        }
        news
    }

    /// What was run.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Runs in which each pair of event and family occurred.
    pub fn cells(&self) -> &BTreeMap<Cell, u64> {
        &self.cells
    }

    /// No fault, and the families whose faults the mode can have.
    pub fn columns(&self) -> Vec<Option<Family>> {
        // Only what has groups changes them.
        let can_be = |family: &Family| *family != Family::Cluster || self.mode == Mode::Sharded;
        [None].into_iter().chain(Family::ALL.into_iter().filter(can_be).map(Some)).collect()
    }

    /// The events that can be, each with what there is to say of every column.
    pub fn rows(&self) -> Vec<(&'static str, Vec<Covered>)> {
        let columns = self.columns();
        let row = |kind| (kind, columns.iter().map(|family| self.covered(kind, *family)).collect::<Vec<_>>());
        let can_be = |kind: &&str| impossible(self.mode, kind).is_none();
        Event::KINDS.iter().copied().filter(can_be).map(row).collect()
    }

    fn covered(&self, kind: &'static str, family: Option<Family>) -> Covered {
        self.cells.get(&(kind, family)).map_or(Covered::Hole, |runs| Covered::Runs(*runs))
    }

    /// Pairs that were reached, and pairs that can be.
    pub fn reached(&self) -> (usize, usize) {
        let pairs = || self.rows().into_iter().flat_map(|(_, row)| row);
        let reached = pairs().filter(|pair| matches!(pair, Covered::Runs(_))).count();
        (reached, reached + pairs().filter(|pair| *pair == Covered::Hole).count())
    }

    /// What could be reached and was not, in words.
    pub fn holes(&self) -> Vec<String> {
        let columns = self.columns();
        let holes = |(kind, row): (&str, Vec<Covered>)| {
            let holes = row.into_iter().zip(&columns).filter(|(pair, _)| *pair == Covered::Hole);
            holes.map(|(_, family)| in_words(kind, *family)).collect::<Vec<_>>()
        };
        self.rows().into_iter().flat_map(holes).collect()
    }

    /// The holes in few words: first the families of which no event saw a fault, then the events under the others.
    pub fn gaps(&self) -> Vec<String> {
        let (columns, rows) = (self.columns(), self.rows());
        let is_reached = |pair: &Covered| matches!(pair, Covered::Runs(_));
        let is_idle = |at: usize| !rows.iter().any(|(_, row)| is_reached(&row[at]));
        let (idle, busy): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(|at| is_idle(*at));
        let name = |at: &usize| columns[*at].map_or("no fault", Family::name);
        let mut gaps: Vec<String> = idle.iter().map(|at| format!("anything under {}", name(at))).collect();
        for (kind, row) in &rows {
            let holes: Vec<&usize> = busy.iter().filter(|at| row[**at] == Covered::Hole).collect();
            if !holes.is_empty() && !busy.iter().any(|at| is_reached(&row[*at])) {
                gaps.push((*kind).to_owned());
            } else {
                gaps.extend(holes.into_iter().map(|at| in_words(kind, columns[*at])));
            }
        }
        gaps
    }

    /// What was called impossible and was seen: the reason is wrong.
    pub fn refuted(&self) -> Vec<String> {
        let is_impossible = |cell: &&Cell| impossible(self.mode, cell.0).is_some();
        self.cells.keys().filter(is_impossible).map(|(kind, family)| in_words(kind, *family)).collect()
    }

    /// What cannot be, in words, by reason.
    pub fn impossible(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for kind in Event::KINDS {
            if let Some(reason) = impossible(self.mode, kind) {
                reasons.entry(reason).or_default().push((*kind).to_owned());
            }
        }
        reasons
    }

    /// As text: per event and family, in how many runs the one occurred while a fault of the other stood.
    pub fn text(&self) -> String {
        let mut text = format!("{:<22}", "runs with");
        let mut add =
            |what: std::fmt::Arguments<'_>| text.write_fmt(what).expect("a string takes everything");
        for column in self.columns() {
            add(format_args!(" {:>9}", column.map_or("none", Family::name)));
        }
        add(format_args!("\n"));
        for (kind, row) in self.rows() {
            add(format_args!("{kind:<22}"));
            for pair in row {
                match pair {
                    Covered::Runs(runs) => add(format_args!(" {runs:>9}")),
                    Covered::Hole => add(format_args!(" {:>9}", '-')),
                }
            }
            add(format_args!("\n"));
        }
        let holes = self.holes();
        let list = if holes.is_empty() { "none".to_owned() } else { holes.join(", ") };
        add(format_args!("holes: {list}\n"));
        let refuted = self.refuted();
        if !refuted.is_empty() {
            add(format_args!("called impossible, yet seen: {}\n", refuted.join(", ")));
        }
        for (reason, what) in self.impossible() {
            add(format_args!("impossible: {} ({reason})\n", what.join(", ")));
        }
        text
    }
}

impl Serialize for CoverageTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Plain<'a> {
            mode: &'a str,
            coverage: BTreeMap<&'a str, BTreeMap<&'a str, u64>>,
            holes: Vec<String>,
            impossible: BTreeMap<&'a str, Vec<String>>,
        }
        let mut coverage: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((kind, family), runs) in &self.cells {
            coverage.entry(*kind).or_default().insert(family.map_or("none", Family::name), *runs);
        }
        let (holes, impossible) = (self.holes(), self.impossible());
        Plain { mode: self.mode.name(), coverage, holes, impossible }.serialize(serializer)
    }
}

/// Why an event cannot occur in a mode; `None`: it can, while faults of any family stand and while none does. Even a
/// snapshot is restored under no fault: by a server that was paused when it started again, and goes on when all is over.
fn impossible(mode: Mode, kind: &str) -> Option<&'static str> {
    let of_views = ["view-chosen", "view-acked", "server-started", "view-entered", "state-installed"];
    let of_copies = ["view-acknowledged", "operation-performed", "operation-completed"];
    let is_of_views = of_views.contains(&kind) || of_copies.contains(&kind);
    let is_of_shards = kind.starts_with("shard-")
        || kind.starts_with("transaction-")
        || ["configuration-made", "configured", "transfer-sent"].contains(&kind);
    let is_of_all = ["booted", "executed", "reply-sent"].contains(&kind);
    match mode {
        Mode::Single if !is_of_all => Some("one server neither elects nor copies"),
        Mode::Paxos | Mode::Sharded if is_of_views => Some("an event of primary and backup"),
        Mode::Paxos if is_of_shards => Some("an event of shards and transactions"),
        Mode::PrimaryBackup if !is_of_views && !is_of_all => Some("an event of ballots and logs"),
        _ => None,
    }
}

fn in_words(kind: &str, family: Option<Family>) -> String {
    format!("{kind} under {}", family.map_or("no fault", Family::name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(mode: Mode, cells: &[(Cell, u64)]) -> CoverageTable {
        CoverageTable { mode, cells: cells.iter().copied().collect() }
    }

    #[test]
    fn the_table_names_its_holes_and_what_is_impossible() {
        let table = table(Mode::Single, &[(("booted", None), 3), (("executed", Some(Family::Link)), 12)]);
        let text = table.text();
        assert!(text.contains("booted                         3         -"), "{text}");
        assert!(
            text.contains("holes: booted under partition") && text.contains("impossible: candidate"),
            "{text}"
        );
        assert!(!text.contains("yet seen"), "{text}");
        let families = ["partition", "process", "clock", "disk"].map(|name| format!("anything under {name}"));
        let pairs = ["booted under link", "executed under no fault"].map(str::to_owned);
        assert_eq!(table.gaps(), [&families[..], &pairs[..], &["reply-sent".to_owned()][..]].concat());
        assert_eq!((table.reached(), table.holes().len()), ((2, 18), 16));
    }

    #[test]
    fn a_wrong_reason_is_refuted() {
        let empty = table(Mode::Paxos, &[]);
        let text = empty.text();
        assert!(
            text.contains("snapshot-restored under no fault") && !text.contains("view-chosen under"),
            "{text}"
        );
        assert_eq!(empty.refuted(), Vec::<String>::new());
        let wrong = table(Mode::Paxos, &[(("snapshot-restored", None), 1), (("view-chosen", None), 2)]);
        assert_eq!(wrong.refuted(), ["view-chosen under no fault"]);
    }

    #[test]
    fn scripts_read_the_runs_the_holes_and_the_reasons() {
        let table = table(Mode::Single, &[(("booted", None), 3), (("booted", Some(Family::Disk)), 2)]);
        let json = serde_json::to_value(&table).expect("plain data");
        assert_eq!(json["coverage"]["booted"], serde_json::json!({ "none": 3, "disk": 2 }));
        assert_eq!(
            (json["mode"].as_str(), json["holes"][0].as_str()),
            (Some("single"), Some("booted under partition"))
        );
        assert!(json["impossible"]["one server neither elects nor copies"].is_array(), "{json}");
    }
}
