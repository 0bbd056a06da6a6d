//! Why one transaction must stand before another, in words, with the transactions that show it.
//!
//! Every reason is found anew in the history: two transactions, a key, and at most one more that read it. So what is
//! told can be checked by anybody who looks at these alone.

use rustc_hash::FxHashMap;

use super::cycles::Hop;
use super::external::Externals;
use super::flaws::read_as;
use super::graph::label;
use super::history::{Datatype, Status, Step, TransactionHistory};
use super::lists::committed;
use super::writers::{Writer, Writers, writes_to, written};
use crate::history::OpId;
use crate::verdict::{Edge, EdgeKind};
use crate::words::edge;

/// What a committed transaction saw of a key from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'h> {
    pub(super) reader: u32,
    pub(super) outside: &'h [u32],
    pub(super) shown: &'h [u32],
}

/// A reason in words, and the transactions that show it beside the two.
pub(super) type Reason = (String, Vec<u32>);

/// Finds reasons in a history.
pub(super) struct Reasons<'h> {
    pub(super) history: &'h TransactionHistory,
    /// The reads of the keys that matter, in the order of their transactions.
    reads: FxHashMap<u32, Vec<Seen<'h>>>,
    /// Who wrote the values of these keys.
    writers: Writers,
}

impl<'h> Reasons<'h> {
    /// For cycles among these transactions.
    pub(super) fn new(history: &'h TransactionHistory, transactions: &[u32]) -> Self {
        let keys = transactions.iter().flat_map(|id| history.micros(*id)).map(|micro| micro.key);
        let mut reads: FxHashMap<u32, Vec<Seen<'h>>> = keys.map(|key| (key, Vec::new())).collect();
        let mut externals = Externals::new(history);
        let readers = if reads.is_empty() { 0 } else { history.count() };
        for id in committed(history).take_while(|id| *id < readers) {
            for access in externals.of(id) {
                if access.contradiction.is_none()
                    && let (Some(outside), Some(shown)) = (access.outside, access.shown)
                    && let Some(reads) = reads.get_mut(&access.key)
                {
                    reads.push(Seen { reader: id, outside, shown });
                }
            }
        }
        let writers = Writers::new(history);
        if history.datatype() == Datatype::ListAppend {
            reads.values_mut().for_each(only_prefixes);
            for (key, _) in writers.repeated() {
                reads.remove(&key);
            }
        }
        Self { history, reads, writers }
    }

    /// All reads of a key.
    pub(super) fn reads(&self, key: u32) -> &[Seen<'h>] {
        self.reads.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What a transaction read of a key.
    pub(super) fn seen(&self, id: u32, key: u32) -> Option<Seen<'h>> {
        let reads = self.reads(key);
        reads.binary_search_by_key(&id, |seen| seen.reader).ok().map(|at| reads[at])
    }

    /// The only transaction that wrote a value to a key, unless it aborted.
    pub(super) fn writer(&self, key: u32, value: u32) -> Option<u32> {
        match self.writers.of(key, value) {
            Writer::Step(at) => Some(self.writers.owner(at)),
            Writer::Several | Writer::Aborted(_) | Writer::Nobody => None,
        }
    }

    /// What it writes to a key.
    pub(super) fn written(&self, id: u32, key: u32) -> Vec<u32> {
        writes_to(self.history, id, key).map(|at| written(self.history, at)).collect()
    }

    /// The keys that a transaction touches, in order of first use.
    pub(super) fn keys(&self, id: u32) -> Vec<u32> {
        let mut keys = Vec::new();
        for micro in self.history.micros(id) {
            if !keys.contains(&micro.key) {
                keys.push(micro.key);
            }
        }
        keys
    }

    /// The reason for one step of a cycle.
    pub(super) fn edge(&self, hop: Hop) -> Edge {
        let (from, to) = (hop.from, hop.to);
        let kind = match hop.label {
            label::WW | label::WW_BY_TIME | label::WW_BY_SNAPSHOT => EdgeKind::WriteWrite,
            label::WR => EdgeKind::WriteRead,
            label::RW | label::RW_BY_TIME => EdgeKind::ReadWrite,
            label::PROCESS => EdgeKind::Process,
            label::REAL_TIME => EdgeKind::RealTime,
            _ => unreachable!("an edge between transactions is of one of these kinds"),
        };
        let by_key = |reason: &dyn Fn(u32) -> Option<Reason>| self.keys(from).into_iter().find_map(reason);
        let found = match (kind, self.history.datatype()) {
            (EdgeKind::Process, _) => {
                let process = self.history.stored(from).process;
                Some((format!("process {process} had finished T{from} when it issued T{to}"), Vec::new()))
            }
            (EdgeKind::RealTime, _) => Some((format!("T{from} finished before T{to} began"), Vec::new())),
            (EdgeKind::WriteRead, _) => by_key(&|key| self.write_read(key, from, to)),
            (EdgeKind::ReadWrite, Datatype::ListAppend) => by_key(&|key| self.read_append(key, from, to)),
            (_, Datatype::ListAppend) if hop.label == label::WW_BY_SNAPSHOT => {
                by_key(&|key| self.append_to_snapshot(key, from, to))
            }
            (_, Datatype::ListAppend) => self.append_append(from, to),
            (_, Datatype::Register) => super::register_reasons::reason(self, hop),
        };
        let Some((reason, evidence)) = found else { panic!("no reason for {hop:?}") };
        edge(OpId(from), OpId(to), kind, reason, evidence.into_iter().map(OpId).collect())
    }

    fn write_read(&self, key: u32, from: u32, to: u32) -> Option<Reason> {
        let seen = self.seen(to, key)?;
        let value = *seen.outside.last()?;
        self.written(from, key).contains(&value).then_some(())?;
        let verb = match self.history.datatype() {
            Datatype::ListAppend => "appended",
            Datatype::Register => "wrote",
        };
        let (value, name) = (self.history.value(value), self.history.key(key));
        let read = read_as(self.history, key, seen.shown);
        Some((format!("T{from} {verb} {value} to {name}, and T{to} {read}"), Vec::new()))
    }

    fn read_append(&self, key: u32, from: u32, to: u32) -> Option<Reason> {
        let seen = self.seen(from, key)?;
        let missing = *self.written(to, key).iter().find(|element| !seen.outside.contains(element))?;
        let read = read_as(self.history, key, seen.shown);
        let reason =
            format!("T{from} {read}, without the {} that T{to} appended", self.history.value(missing));
        Some(self.with_effect(to, reason, Vec::new()))
    }

    fn append_to_snapshot(&self, key: u32, from: u32, to: u32) -> Option<Reason> {
        let seen = self.seen(from, key)?;
        let own = *self.written(from, key).first()?;
        let missing = *self.written(to, key).iter().find(|element| !seen.outside.contains(element))?;
        let (own, missing) = (self.history.value(own), self.history.value(missing));
        let read = read_as(self.history, key, seen.outside);
        let reason = format!(
            "T{from} {read} and appended {own} to just that, without the {missing} that T{to} appended"
        );
        Some(self.with_effect(to, reason, Vec::new()))
    }

    /// A read that shows an append of one before one of the other; else, without one of the other.
    fn append_append(&self, from: u32, to: u32) -> Option<Reason> {
        let (mut both, mut one): (Option<(usize, Reason)>, Option<Reason>) = (None, None);
        for key in self.keys(from) {
            let (own, others) = (self.written(from, key), self.written(to, key));
            for Seen { reader, shown, .. } in self.reads(key) {
                let Some(first) = shown.iter().position(|element| own.contains(element)) else { continue };
                let name = self.history.key(key);
                let read = read_as(self.history, key, shown);
                let value = |value: u32| self.history.value(value);
                if let Some(behind) = shown[first..].iter().position(|element| others.contains(element)) {
                    if both.as_ref().is_none_or(|(len, _)| shown.len() < *len) {
                        let behind = first + behind;
                        let before = shown[..behind].iter().rev().find(|element| own.contains(element));
                        let (own, other) =
                            (value(*before.expect("the first at least")), value(shown[behind]));
                        let reason = format!(
                            "T{from} appended {own} to {name} and T{to} {other}, and T{reader} {read}"
                        );
                        both = Some((shown.len(), (reason, vec![*reader])));
                    }
                } else if let Some(missing) = others.iter().rev().find(|other| !shown.contains(other))
                    && one.is_none()
                {
                    let (own, other) = (value(shown[first]), value(*missing));
                    let reason = format!(
                        "T{reader} {read}, with the {own} of T{from} but without the {other} that T{to} appended"
                    );
                    one = Some((reason, vec![*reader]));
                }
            }
        }
        let one = || one.map(|(reason, evidence)| self.with_effect(to, reason, evidence));
        both.map(|(_, reason)| reason).or_else(one)
    }

    /// Adds how it is known that a transaction took effect, if it did not say so itself.
    pub(super) fn with_effect(&self, id: u32, reason: String, mut evidence: Vec<u32>) -> Reason {
        if self.history.status(id) == Status::Ok {
            return (reason, evidence);
        }
        for micro in self.history.micros(id) {
            let Step::Write(value) = self.history.step(*micro) else { continue };
            // What others wrote too may have been theirs.
            if self.writer(micro.key, value) != Some(id) {
                continue;
            }
            if let Some(seen) = self.reads(micro.key).iter().find(|seen| seen.shown.contains(&value)) {
                let (reader, read) = (seen.reader, read_as(self.history, micro.key, seen.shown));
                evidence.push(reader);
                let value = self.history.value(value);
                return (format!("{reason} (it took effect: T{reader} {read}, with its {value})"), evidence);
            }
        }
        unreachable!("an indeterminate transaction counts only if it was seen")
    }
}

/// Drops the reads that show another order than the longest, and all if that one shows an element twice: from these
/// nothing was inferred.
fn only_prefixes(reads: &mut Vec<Seen<'_>>) {
    let longest = reads.iter().rev().max_by_key(|seen| seen.shown.len()).map_or(&[][..], |seen| seen.shown);
    let mut elements = longest.to_vec();
    elements.sort_unstable();
    let tells = !elements.windows(2).any(|pair| pair[0] == pair[1]);
    reads.retain(|seen| tells && longest.starts_with(seen.shown));
}
