//! Why one write of a register must stand before another, or a read before a write, in words.
//!
//! Every argument is about one state of the register: what the first transaction read, or left behind. From it a chain
//! of transactions leads back, each of which read what it overwrote, so that no other write can stand between.

use super::cycles::Hop;
use super::flaws::read_as;
use super::graph::label;
use super::reasons::{Reason, Reasons};

/// Where a state came from: the transactions that wrote it, its predecessor, and so on, as far as each read what it
/// overwrote; and whether that leads back to the nil at first.
struct Chain {
    writers: Vec<u32>,
    values: Vec<u32>,
    from_nil: bool,
}

/// The reason for one step of a cycle.
pub(super) fn reason(reasons: &Reasons<'_>, hop: Hop) -> Option<Reason> {
    let reads = matches!(hop.label, label::RW | label::RW_BY_TIME);
    // Who only read a key wrote no version of it that the other's stands behind.
    let about = |key: &u32| {
        let written = |id: u32| !reasons.written(id, *key).is_empty();
        written(hop.to) && (reads || written(hop.from))
    };
    let keys: Vec<u32> = reasons.keys(hop.from).into_iter().filter(about).collect();
    let by_time = matches!(hop.label, label::WW_BY_TIME | label::RW_BY_TIME);
    let direct = keys
        .iter()
        .find_map(|key| if by_time { time(reasons, *key, hop) } else { snapshot(reasons, *key, hop) });
    direct.map(|(reason, evidence)| reasons.with_effect(hop.to, reason, evidence))
}

/// The state that the argument is about, where it came from, and what the first transaction has to do with it.
fn state(reasons: &Reasons<'_>, key: u32, hop: Hop) -> Option<(Option<u32>, Chain, String)> {
    let (history, from) = (reasons.history, hop.from);
    let seen = reasons.seen(from, key);
    let mut chain = Chain { writers: Vec::new(), values: Vec::new(), from_nil: false };
    if matches!(hop.label, label::RW | label::RW_BY_TIME) {
        let (value, words) = (seen?.outside.first().copied(), read_as(history, key, seen?.outside));
        follow(reasons, key, value, &mut chain);
        return Some((value, chain, format!("T{from} {words}")));
    }
    let own = *reasons.written(from, key).last()?;
    chain.writers.push(from);
    chain.values.push(own);
    if let Some(seen) = seen {
        follow(reasons, key, seen.outside.first().copied(), &mut chain);
    }
    Some((Some(own), chain, format!("T{from} wrote {} to {}", history.value(own), history.key(key))))
}

fn snapshot(reasons: &Reasons<'_>, key: u32, hop: Hop) -> Option<Reason> {
    let (history, from, to) = (reasons.history, hop.from, hop.to);
    let written = history.value(*reasons.written(to, key).last()?);
    let name = history.key(key);
    if let (Some(one), Some(other)) = (reasons.seen(from, key), reasons.seen(to, key))
        && one.outside == other.outside
    {
        let read = read_as(history, key, one.outside);
        let reason = match reasons.written(from, key).last() {
            Some(own) => {
                let own = history.value(*own);
                format!("T{from} {read} and wrote {own}, and T{to} {read} too and wrote {written}")
            }
            None => format!("T{from} {read}, and T{to} {read} too and overwrote it with {written}"),
        };
        return Some((reason, Vec::new()));
    }
    let (_, chain, words) = state(reasons, key, hop)?;
    if !chain.from_nil || chain.writers.contains(&to) {
        return None;
    }
    let reason = match chain.writers.as_slice() {
        [] => format!("{words}, before T{to} wrote {written} to it"),
        [only] if *only == from => {
            format!("T{from} read {name} as nil; {words}, so that the {written} of T{to} came later")
        }
        writers => format!(
            "{words}; {name} had gone from nil to that by {}, each of which read what it overwrote, so that the {written} of T{to} came later",
            all(writers)
        ),
    };
    Some((reason, chain.writers.into_iter().filter(|id| *id != from).collect()))
}

fn time(reasons: &Reasons<'_>, key: u32, hop: Hop) -> Option<Reason> {
    let (history, from, to) = (reasons.history, hop.from, hop.to);
    let written = history.value(*reasons.written(to, key).last()?);
    let (value, chain, words) = state(reasons, key, hop)?;
    let invoked = history.stored(to).invoked;
    let finished = |id: &u32| history.stored(*id).returned < invoked;
    let readers = reasons.reads(key).iter().filter(|seen| match seen.outside.first() {
        Some(value) => chain.values.contains(value),
        None => chain.from_nil,
    });
    let member = chain.writers.iter().copied().chain(readers.map(|seen| seen.reader)).find(finished)?;
    (!chain.writers.contains(&to)).then_some(())?;
    let was = value.map_or_else(|| "nil".to_owned(), |value| history.value(value).to_string());
    let name = history.key(key);
    let reason = match chain.writers.first() {
        Some(writer) if *writer == member => {
            format!(
                "{words}; T{member}, which wrote it, had finished before T{to} began, which wrote {written} to {name}"
            )
        }
        _ => format!(
            "{words}; {name} held {was}, or what it came from, when T{member} finished, before T{to} began, which wrote {written} to {name}"
        ),
    };
    let evidence = chain.writers.into_iter().chain([member]).filter(|id| *id != from);
    Some((reason, evidence.collect()))
}

/// Follows a state back. Values that several transactions wrote lead nowhere.
fn follow(reasons: &Reasons<'_>, key: u32, mut state: Option<u32>, chain: &mut Chain) {
    while let Some(value) = state {
        // What was overwritten within the transaction that wrote it was no state that others may see.
        let seen_by_others = |writer: &u32| reasons.written(*writer, key).last() == Some(&value);
        let writer = reasons.writer(key, value).filter(seen_by_others);
        let Some(writer) = writer.filter(|writer| !chain.writers.contains(writer)) else { return };
        chain.writers.push(writer);
        chain.values.push(value);
        match reasons.seen(writer, key) {
            Some(seen) => state = seen.outside.first().copied(),
            None => return,
        }
    }
    chain.from_nil = true;
}

fn all(writers: &[u32]) -> String {
    let names: Vec<String> = writers.iter().rev().map(|id| format!("T{id}")).collect();
    match names.as_slice() {
        [first, .., last] if names.len() > 4 => format!("{first}, …, {last}"),
        _ => names.join(", "),
    }
}
