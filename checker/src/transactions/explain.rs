//! From cycles and flaws to what people read.

use std::collections::BTreeSet;

use super::NAME;
use super::cycles::Hop;
use super::flaws::{Flaw, transaction};
use super::graph::label;
use super::history::TransactionHistory;
use super::level::{Anomaly, Tier};
use super::reasons::Reasons;
use crate::history::OpId;
use crate::verdict::{Edge, EdgeKind, Violation};

/// Transactions listed where nothing smaller explains, at most.
const LISTED_MAX: usize = 20;

/// What is wrong with single reads.
pub(super) fn flaw(history: &TransactionHistory, flaw: &Flaw) -> Violation {
    Violation {
        check: NAME.to_owned(),
        kind: flaw.anomaly.name().to_owned(),
        key: Some(history.key(flaw.key).to_string()),
        message: flaw.message.clone(),
        operations: flaw.transactions.iter().copied().map(OpId).collect(),
        edges: Vec::new(),
        steps: flaw.steps.clone(),
    }
}

/// A cycle that two transactions close over one key may have a name of its own.
pub(super) fn named(reasons: &Reasons<'_>, anomaly: Anomaly, hops: &[Hop]) -> (Anomaly, Option<u32>) {
    let rw = |hop: &&Hop| matches!(hop.label, label::RW | label::RW_BY_TIME);
    let (Anomaly::GSingle(tier), [_, _], Some(read)) = (anomaly, hops, hops.iter().find(rw)) else {
        return (anomaly, None);
    };
    let keys = reasons.keys(read.from);
    match tier {
        Tier::Dependencies => {
            let both_overwrite = |key: &u32| {
                let (one, other) = (reasons.seen(read.from, *key), reasons.seen(read.to, *key));
                let same = one.zip(other).is_some_and(|(one, other)| one.outside == other.outside);
                same && !reasons.written(read.from, *key).is_empty()
                    && !reasons.written(read.to, *key).is_empty()
            };
            let key = keys.into_iter().find(both_overwrite);
            (key.map_or(anomaly, |_| Anomaly::LostUpdate), key)
        }
        Tier::Process | Tier::RealTime => {
            let lost = |key: &u32| {
                let written = reasons.written(read.to, *key);
                let unseen =
                    |seen: &super::reasons::Seen<'_>| !written.iter().any(|value| seen.shown.contains(value));
                !written.is_empty()
                    && reasons.seen(read.from, *key).is_some()
                    && reasons.reads(*key).iter().all(unseen)
            };
            let list = reasons.history.datatype() == super::Datatype::ListAppend;
            let key = keys.into_iter().find(|key| list && lost(key));
            (key.map_or(anomaly, |_| Anomaly::LostAppend(tier)), key)
        }
    }
}

/// What is wrong with the order of transactions.
pub(super) fn cycle(reasons: &Reasons<'_>, anomaly: Anomaly, hops: &[Hop]) -> Violation {
    let history = reasons.history;
    let (anomaly, key) = named(reasons, anomaly, hops);
    let edges: Vec<Edge> = from_lowest(hops).into_iter().map(|hop| reasons.edge(hop)).collect();
    let of_edge =
        |edge: &Edge| [edge.from, edge.to].into_iter().chain(edge.evidence.clone()).collect::<Vec<_>>();
    let operations: BTreeSet<OpId> = edges.iter().flat_map(of_edge).collect();
    let mut steps: Vec<String> = operations.iter().map(|id| transaction(history, id.0)).collect();
    steps.extend(
        edges.iter().map(|edge| format!("{}, so T{} comes before T{}", edge.reason, edge.from.0, edge.to.0)),
    );
    let mut round = format!("T{}", edges[0].from.0);
    for edge in &edges {
        round += &format!(" < T{}", edge.to.0);
    }
    steps.push(format!("together {round}: no order of these transactions is possible"));
    let names: BTreeSet<OpId> = edges.iter().map(|edge| edge.from).collect();
    let key_name = key.map(|key| history.key(key).to_string());
    Violation {
        check: NAME.to_owned(),
        kind: anomaly.name().to_owned(),
        message: message(anomaly, &edges, &names, key_name.as_deref()),
        key: key_name,
        operations: operations.into_iter().collect(),
        edges,
        steps,
    }
}

/// What no cycle shows: every order was tried.
pub(super) fn no_order(history: &TransactionHistory, required: &[bool], anomaly: Anomaly) -> Violation {
    let all: Vec<OpId> = (0..history.count()).filter(|id| required[*id as usize]).map(OpId).collect();
    let kept = match anomaly {
        Anomaly::NoSerialOrder(Tier::Process) => " that keeps the order of each process",
        Anomaly::NoSerialOrder(Tier::RealTime) => " that keeps real time",
        _ => "",
    };
    let message = format!(
        "no serial order of {} transactions{kept} explains what they read: all were tried",
        all.len()
    );
    let mut steps: Vec<String> = all.iter().take(LISTED_MAX).map(|id| transaction(history, id.0)).collect();
    if all.len() > LISTED_MAX {
        steps.push(format!("… {} more", all.len() - LISTED_MAX));
    }
    steps.push("in every order some read shows another value than the write before it".to_owned());
    Violation {
        check: NAME.to_owned(),
        kind: anomaly.name().to_owned(),
        key: None,
        message,
        operations: all,
        edges: Vec::new(),
        steps,
    }
}

/// The same cycle, from its first transaction on.
fn from_lowest(hops: &[Hop]) -> Vec<Hop> {
    let first = (0..hops.len()).min_by_key(|at| hops[*at].from).expect("a cycle has edges");
    [&hops[first..], &hops[..first]].concat()
}

fn message(anomaly: Anomaly, edges: &[Edge], names: &BTreeSet<OpId>, key: Option<&str>) -> String {
    let names: Vec<String> = names.iter().map(|id| format!("T{}", id.0)).collect();
    let who = match names.as_slice() {
        [one, other] => format!("{one} and {other}"),
        [first @ .., last] if names.len() <= 6 => format!("{} and {last}", first.join(", ")),
        _ => format!("{}, … ({} transactions)", names[..5].join(", "), names.len()),
    };
    let key = key.unwrap_or_default();
    match anomaly {
        Anomaly::LostUpdate => {
            format!(
                "{who} both read the same version of {key} and both wrote {key}: one of the updates is lost"
            )
        }
        Anomaly::LostAppend(_) => {
            let read =
                edges.iter().find(|edge| edge.kind == EdgeKind::ReadWrite).expect("a read that misses it");
            format!(
                "the append to {key} of T{}, which had committed before T{} began, is missing from its read and from all others",
                read.to.0, read.from.0
            )
        }
        Anomaly::G0(Tier::Dependencies) => format!("{who} wrote over each other: their writes form a circle"),
        Anomaly::G0(tier) => contradicts(&format!("what {who} wrote"), tier),
        Anomaly::G1c(Tier::Dependencies) => {
            format!("{who} depend on each other: what they wrote and saw forms a circle")
        }
        Anomaly::G1c(tier) => contradicts(&format!("what {who} wrote and saw"), tier),
        Anomaly::GSingle(tier) => {
            let missed = edges.iter().find(|edge| edge.kind == EdgeKind::ReadWrite).expect("one such read");
            let (reader, writer) = (missed.from.0, missed.to.0);
            let by = match tier {
                Tier::Dependencies => "by what was written and read",
                Tier::Process => "by the order of a process",
                Tier::RealTime => "in real time",
            };
            format!("T{reader} missed a write of T{writer}, although T{writer} comes before T{reader} {by}")
        }
        Anomaly::GNonadjacent(tier) => {
            format!(
                "{who} saw no snapshots of one history: what they saw and what they missed forms a circle{}",
                beside(tier)
            )
        }
        Anomaly::G2Item(Tier::Dependencies) => {
            format!("{who} missed each other's writes: what they missed forms a circle")
        }
        Anomaly::G2Item(tier) => contradicts(&format!("what {who} missed"), tier),
        _ => unreachable!("no cycle is called {anomaly}"),
    }
}

/// Where no two need have seen or missed anything of each other.
fn contradicts(what: &str, tier: Tier) -> String {
    let order = if tier == Tier::Process { "that of a process" } else { "real time" };
    format!("{what} puts them in an order that contradicts {order}")
}

/// What the circle needs beside writes and reads.
fn beside(tier: Tier) -> &'static str {
    match tier {
        Tier::Dependencies => "",
        Tier::Process => " with the order of a process",
        Tier::RealTime => " with real time",
    }
}
