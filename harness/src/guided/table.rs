//! The table of coverage: events of the protocol by families of faults, with its holes.
//!
//! A hole is a pair that no run reached. Some cannot be: those are listed with the reason, so that every other hole is
//! a gap in the nemesis or in the search.

use std::collections::BTreeMap;
use std::fmt::Write;

use squall_cluster::bugs::Mode;
use squall_cluster::event::Event;

use crate::nemesis::Family;
use crate::sim::Cell;

/// An event that a mode never emits, and why.
pub type Impossible = (&'static str, &'static str);

/// The events that cannot occur in a mode.
pub fn impossible(mode: Mode) -> Vec<Impossible> {
    let of_views = ["view-chosen", "view-acked", "server-started", "view-entered", "state-installed"];
    let of_copies = ["view-acknowledged", "operation-performed", "operation-completed"];
    let is_of_views = |kind: &str| of_views.contains(&kind) || of_copies.contains(&kind);
    let is_of_shards = |kind: &str| {
        kind.starts_with("shard-")
            || kind.starts_with("transaction-")
            || ["configuration-made", "configured", "transfer-sent"].contains(&kind)
    };
    let is_of_all = |kind: &str| ["booted", "executed", "reply-sent"].contains(&kind);
    let reason = |kind: &str| match mode {
        Mode::Single if !is_of_all(kind) => Some("one server neither elects nor copies"),
        Mode::Paxos | Mode::Sharded if is_of_views(kind) => Some("an event of primary and backup"),
        Mode::Paxos if is_of_shards(kind) => Some("an event of shards and transactions"),
        Mode::Paxos if kind == "log-full" => Some("no run is long enough to fill a log"),
        Mode::PrimaryBackup if !is_of_views(kind) && !is_of_all(kind) => Some("an event of ballots and logs"),
        _ => None,
    };
    Event::KINDS.iter().filter_map(|kind| Some((*kind, reason(kind)?))).collect()
}

/// The table as text: per event and family, in how many runs the one occurred while a fault of the other stood.
pub fn table(mode: Mode, cells: &BTreeMap<Cell, u64>) -> String {
    // Only what has groups changes them.
    let can_be = |family: &Family| *family != Family::Cluster || mode == Mode::Sharded;
    let families = Family::ALL.into_iter().filter(can_be).map(Some);
    let columns: Vec<Option<Family>> = [None].into_iter().chain(families).collect();
    let impossible = impossible(mode);
    let mut text = format!("{:<20}", "runs with");
    for column in &columns {
        write!(text, " {:>9}", column.map_or("none", Family::name)).expect("a string takes everything");
    }
    text.push('\n');
    let mut holes = Vec::new();
    for kind in Event::KINDS {
        if impossible.iter().any(|(known, _)| known == kind) {
            continue;
        }
        write!(text, "{kind:<20}").expect("a string takes everything");
        for column in &columns {
            let runs = cells.get(&(*kind, *column)).copied().unwrap_or(0);
            if runs == 0 {
                holes.push(format!("{kind} under {}", column.map_or("no fault", Family::name)));
            }
            let shown = if runs == 0 { "-".to_owned() } else { runs.to_string() };
            write!(text, " {shown:>9}").expect("a string takes everything");
        }
        text.push('\n');
    }
    let list = if holes.is_empty() { "none".to_owned() } else { holes.join(", ") };
    writeln!(text, "holes: {list}").expect("a string takes everything");
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, reason) in impossible {
        reasons.entry(reason).or_default().push(kind);
    }
    for (reason, kinds) in reasons {
        writeln!(text, "impossible: {} ({reason})", kinds.join(", ")).expect("a string takes everything");
    }
    text
}
