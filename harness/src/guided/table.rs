//! The table of coverage: events of the protocol by families of faults, with its holes.
//!
//! A hole is a pair that could be and that no run reached: a gap in the nemesis or in the search. Pairs that cannot be
//! are listed with the reason.

use std::collections::BTreeMap;
use std::fmt::Write;

use squall_cluster::bugs::Mode;
use squall_cluster::event::Event;

use crate::nemesis::Family;
use crate::sim::Cell;

/// Why an event cannot occur in a mode while a fault of a family stands, or while none does; `None`: it can.
pub fn impossible(mode: Mode, kind: &str, family: Option<Family>) -> Option<&'static str> {
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
        Mode::Paxos | Mode::Sharded if kind == "snapshot-restored" && family.is_none() => Some(
            "a server that has a snapshot starts only after a fault that stopped it, which then still stands",
        ),
        _ => None,
    }
}

/// The families whose faults a mode can have, and no fault.
fn columns(mode: Mode) -> Vec<Option<Family>> {
    // Only what has groups changes them.
    let can_be = |family: &Family| *family != Family::Cluster || mode == Mode::Sharded;
    [None].into_iter().chain(Family::ALL.into_iter().filter(can_be).map(Some)).collect()
}

/// What the search has to reach and did not, in words.
pub fn holes(mode: Mode, cells: &BTreeMap<Cell, u64>) -> Vec<String> {
    let columns = columns(mode);
    let pairs = Event::KINDS.iter().flat_map(|kind| columns.iter().map(move |family| (*kind, *family)));
    pairs
        .filter(|(kind, family)| impossible(mode, kind, *family).is_none())
        .filter(|cell| !cells.contains_key(cell))
        .map(|(kind, family)| in_words(kind, family))
        .collect()
}

/// What was called impossible and was seen: the reason is wrong.
pub fn refuted(mode: Mode, cells: &BTreeMap<Cell, u64>) -> Vec<String> {
    let is_impossible = |cell: &&Cell| impossible(mode, cell.0, cell.1).is_some();
    cells.keys().filter(is_impossible).map(|(kind, family)| in_words(kind, *family)).collect()
}

/// What cannot be in a mode, in words, by reason.
pub fn impossibilities(mode: Mode) -> BTreeMap<&'static str, Vec<String>> {
    let columns = columns(mode);
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in Event::KINDS {
        let reason = |family: &Option<Family>| impossible(mode, kind, *family);
        match reason(&columns[0]) {
            Some(always) if columns.iter().all(|family| reason(family) == Some(always)) => {
                reasons.entry(always).or_default().push((*kind).to_owned());
            }
            _ => {
                for (family, reason) in columns.iter().filter_map(|family| Some((family, reason(family)?))) {
                    reasons.entry(reason).or_default().push(in_words(kind, *family));
                }
            }
        }
    }
    reasons
}

fn in_words(kind: &str, family: Option<Family>) -> String {
    format!("{kind} under {}", family.map_or("no fault", Family::name))
}

/// The table as text: per event and family, in how many runs the one occurred while a fault of the other stood.
pub fn table(mode: Mode, cells: &BTreeMap<Cell, u64>) -> String {
    let columns = columns(mode);
    let mut text = format!("{:<22}", "runs with");
    for column in &columns {
        write!(text, " {:>9}", column.map_or("none", Family::name)).expect("a string takes everything");
    }
    text.push('\n');
    let can_be = |kind: &&str| columns.iter().any(|family| impossible(mode, kind, *family).is_none());
    for kind in Event::KINDS.iter().copied().filter(can_be) {
        write!(text, "{kind:<22}").expect("a string takes everything");
        for column in &columns {
            let shown = match cells.get(&(kind, *column)) {
                Some(runs) => runs.to_string(),
                None if impossible(mode, kind, *column).is_some() => "·".to_owned(),
                None => "-".to_owned(),
            };
            write!(text, " {shown:>9}").expect("a string takes everything");
        }
        text.push('\n');
    }
    let holes = holes(mode, cells);
    let list = if holes.is_empty() { "none".to_owned() } else { holes.join(", ") };
    writeln!(text, "holes: {list}").expect("a string takes everything");
    let refuted = refuted(mode, cells);
    if !refuted.is_empty() {
        writeln!(text, "called impossible, yet seen: {}", refuted.join(", "))
            .expect("a string takes everything");
    }
    for (reason, what) in impossibilities(mode) {
        writeln!(text, "impossible: {} ({reason})", what.join(", ")).expect("a string takes everything");
    }
    text
}
