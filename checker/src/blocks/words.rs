//! What blocks and zones refute, as a violation: the anomaly's name, its sentence, and the cycle that proves it.
//!
//! The history is cut off where it became illegal, so whatever shows the anomaly is its earliest proof. Names are
//! those of the exactly-once check and of registers. It decides nothing.

use std::collections::BTreeSet;

use super::input::{Atom, How, Kind, View};
use super::{KvOperation, NONE, Placed, Refutation, crossing};
use crate::contradiction::{seen, violation};
use crate::history::{Completion, OpId};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{asked_by, brief, by, edge, real_time};

/// Links of a chain named as evidence, at most.
const LINKS_MAX: u32 = 8;

/// The sentences about one key.
pub(super) struct Words<'w, 'k, 'h> {
    name: &'w str,
    operations: &'w [(OpId, &'h KvOperation)],
    pub(super) view: &'w View<'k, 'h>,
    /// By block and group; empty if there are no blocks.
    pub(super) placed: Vec<Placed>,
    /// Where an operation stands in `placed`.
    places: Vec<u32>,
}

impl<'w, 'k, 'h> Words<'w, 'k, 'h> {
    pub(super) fn new(
        name: &'w str,
        operations: &'w [(OpId, &'h KvOperation)],
        view: &'w View<'k, 'h>,
        placed: Vec<Placed>,
    ) -> Self {
        let mut places = vec![NONE; operations.len()];
        for (place, placed) in placed.iter().enumerate() {
            places[placed.operation as usize] = u32::try_from(place).expect("fewer than there are operations");
        }
        Self { name, operations, view, placed, places }
    }

    /// The violation that a refutation amounts to.
    pub(super) fn violation(&self, refutation: &Refutation) -> Violation {
        match refutation {
            Refutation::Phantom { reader } => self.phantom(*reader),
            Refutation::Twice { reader, writer } => self.twice(*reader, *writer),
            Refutation::TwoEpochs { append, one, other } => self.two_epochs(*append, *one, *other),
            Refutation::PutInside { reader, put } => {
                let element = self.atom(*put);
                let message = format!(
                    "{} shows {element} behind other elements although {} overwrote the list",
                    self.by(*reader),
                    self.by(*put)
                );
                self.told("not-linearizable", message, &[*reader, *put], Vec::new())
            }
            Refutation::Fork { one, other } => self.fork(*one, *other),
            Refutation::SameSource { one, other } => self.same_source(*one, *other),
            Refutation::Round { cas } => self.round(cas),
            Refutation::Order { before, after } => self.order(*before, *after),
            Refutation::Cross { one, other } => crossing::cross(self, one, other),
        }
    }

    pub(super) fn indexed(&self, operation: u32) -> (OpId, &'h KvOperation) {
        self.operations[operation as usize]
    }

    pub(super) fn by(&self, operation: u32) -> String {
        by(self.view.key.spec, self.indexed(operation).1)
    }

    pub(super) fn is_read(&self, operation: u32) -> bool {
        matches!(self.indexed(operation).1.ret(), Some(KvRet::Value(_) | KvRet::Mismatch(_)))
    }

    pub(super) fn is_list(&self) -> bool {
        !matches!(self.view.key.kind, Kind::Register)
    }

    pub(super) fn place(&self, operation: u32) -> Placed {
        self.placed[self.places[operation as usize] as usize]
    }

    /// What an operation writes, as far as lists show it.
    pub(super) fn atom(&self, writer: u32) -> String {
        let writes = &self.view.key.writes;
        let write = writes.binary_search_by_key(&writer, |write| write.operation).expect("it writes");
        match writes[write].atom {
            Atom::Value(value) => value.to_string(),
            Atom::Token(token) => format!("{token:?}"),
        }
    }

    /// The value that a reader saw.
    pub(super) fn value(&self, reader: u32) -> String {
        self.found(reader).map_or_else(String::new, |value| brief(&value.to_string()))
    }

    /// The same, of a cas that took effect whether it was told so or not.
    fn found(&self, reader: u32) -> Option<&'h Value> {
        let operation = self.indexed(reader).1;
        match &operation.op {
            KvOp::Cas { expected, .. } if operation.ret().is_none() => Some(expected),
            _ => seen(operation),
        }
    }

    /// `read x by process 5 returned 1`.
    pub(super) fn returned(&self, reader: u32) -> String {
        let operation = self.indexed(reader).1;
        let verb = if matches!(operation.op, KvOp::Get { .. }) { "returned" } else { "found" };
        format!("{} {verb} {}", asked_by(self.view.key.spec, operation), self.value(reader))
    }

    /// The operations of a block.
    pub(super) fn block(&self, block: u32) -> &[Placed] {
        let start = self.placed.partition_point(|placed| placed.block < block);
        let end = self.placed.partition_point(|placed| placed.block <= block);
        &self.placed[start..end]
    }

    /// What made a version of a block; `None` for the initial state.
    pub(super) fn writer(&self, block: u32, version: u32) -> Option<u32> {
        let operations = self.block(block);
        let at = operations.binary_search_by_key(&(2 * version), |placed| placed.group).ok()?;
        Some(operations[at].operation)
    }

    /// The read that completed first of those that show a version or a later one of its block.
    pub(super) fn witness(&self, block: u32, version: u32) -> Option<u32> {
        let shows = |placed: &&Placed| placed.version() >= version && self.is_read(placed.operation);
        let reads = self.block(block).iter().filter(shows).map(|placed| placed.operation);
        reads.min_by_key(|read| self.view.returned(*read))
    }

    pub(super) fn real_time(&self, from: u32, to: u32) -> Edge {
        real_time(self.view.key.spec, self.indexed(from), self.indexed(to))
    }

    pub(super) fn edge(&self, from: u32, to: u32, kind: EdgeKind, reason: String, evidence: &[u32]) -> Edge {
        let evidence: BTreeSet<u32> = evidence.iter().copied().filter(|id| *id != from && *id != to).collect();
        let evidence = evidence.into_iter().map(|id| self.indexed(id).0).collect();
        edge(self.indexed(from).0, self.indexed(to).0, kind, reason, evidence)
    }

    pub(super) fn must(&self, from: u32, to: u32, reason: String, evidence: &[u32]) -> Edge {
        self.edge(from, to, EdgeKind::MustPrecede, reason, evidence)
    }

    /// "`reader` saw what `writer` wrote".
    pub(super) fn reads_from(&self, writer: u32, reader: u32) -> Edge {
        let verb = if self.is_list() { "shows" } else { "saw" };
        let reason = format!("{} {verb} {} of {}", self.by(reader), self.atom(writer), self.by(writer));
        self.edge(writer, reader, EdgeKind::ReadsFrom, reason, &[])
    }

    /// The violation of these operations and those of the edges.
    pub(super) fn told(&self, kind: &str, message: String, operations: &[u32], edges: Vec<Edge>) -> Violation {
        let mut all: BTreeSet<OpId> = operations.iter().map(|id| self.indexed(*id).0).collect();
        for edge in &edges {
            all.extend([edge.from, edge.to].iter().chain(&edge.evidence));
        }
        violation(self.name, kind, message, all, edges)
    }

    /// What of a read nobody can have written, and the failed operation that tried to.
    fn unwritten(&self, reader: u32) -> (String, Option<u32>) {
        let value = self.found(reader).expect("it read");
        let failed = |wrote: &dyn Fn(&Value) -> bool| {
            let mut operations = self.operations.iter().zip(0..);
            let failed = operations.find(|((_, operation), _)| {
                let value = match &operation.op {
                    KvOp::Put { value, .. } | KvOp::Append { value, .. } | KvOp::Cas { new: value, .. } => value,
                    KvOp::Get { .. } | KvOp::Delete { .. } => return false,
                };
                operation.completion == Completion::Fail && wrote(value)
            });
            failed.map(|(_, index)| index)
        };
        let whole = |wrote: &Value| wrote == value;
        let Some(shown) = self.view.shown(value).filter(|_| self.is_list()) else {
            return (brief(&value.to_string()), failed(&whole));
        };
        let mut at = 0;
        while at < shown.len() {
            match self.view.atom_at(shown, at) {
                Some((atom, end)) if self.view.is_written(atom) => at = end,
                Some((Atom::Value(item), _)) => {
                    let wrote = |value: &Value| value == item || value.as_list() == Some(std::slice::from_ref(item));
                    return (item.to_string(), failed(&wrote));
                }
                Some((Atom::Token(token), _)) => {
                    return (format!("{token:?}"), failed(&|value: &Value| *value == Value::text(token)));
                }
                None => break,
            }
        }
        let Value::Text(text) = value else { return (brief(&value.to_string()), failed(&whole)) };
        let rest = &text[at..];
        let begins = |value: &Value| matches!(value, Value::Text(token) if rest.starts_with(&**token));
        (brief(&format!("{rest:?}")), failed(&begins))
    }

    fn phantom(&self, reader: u32) -> Violation {
        let (what, failed) = self.unwritten(reader);
        let verb = match self.indexed(reader).1.op {
            _ if self.is_list() => "shows",
            KvOp::Get { .. } => "returned",
            _ => "found",
        };
        let words = self.by(reader);
        let Some(failed) = failed else {
            let message = format!("{words} {verb} {what}, which nobody wrote");
            let violation = self.told("phantom", message, &[reader], Vec::new());
            return self.with_effect(violation, &[reader]);
        };
        let message = format!("{words} {verb} {what} although {} had failed", self.by(failed));
        let mut violation = self.told("phantom", message, &[reader, failed], Vec::new());
        violation.steps.insert(0, format!("{} failed, so it must never take effect", self.by(failed)));
        self.with_effect(violation, &[reader])
    }

    /// Adds why those of these that nobody acknowledged took effect all the same.
    fn with_effect(&self, mut violation: Violation, operations: &[u32]) -> Violation {
        for operation in operations.iter().rev().filter(|operation| !self.view.is_done(**operation)) {
            let Some(seen_by) = self.seen_by(*operation, None) else { continue };
            let (id, operation) = (self.indexed(seen_by).0, self.by(*operation));
            let step = format!("{operation} took effect, since {} saw what it wrote", self.by(seen_by));
            violation.steps.insert(0, step);
            if !violation.operations.contains(&id) {
                violation.operations.push(id);
            }
        }
        violation.operations.sort();
        violation
    }

    fn twice(&self, reader: u32, writer: u32) -> Violation {
        let (words, element) = (self.by(reader), self.atom(writer));
        let verb = if matches!(self.indexed(writer).1.op, KvOp::Append { .. }) { "append" } else { "write" };
        let message = format!("{words} shows {element} twice, though it was {}", match verb {
            "append" => "appended once at most",
            _ => "written once at most",
        });
        let mut violation = self.told("duplicated", message, &[reader, writer], Vec::new());
        violation.steps = vec![
            format!("{} is the only {verb} of {element}", self.by(writer)),
            format!("it takes effect at most once, yet {words} shows {element} twice"),
        ];
        violation
    }

    fn two_epochs(&self, append: u32, one: u32, other: u32) -> Violation {
        let (one, other) = if self.view.returned(other) < self.view.returned(one) { (other, one) } else { (one, other) };
        let element = self.atom(append);
        let message = format!(
            "{} shows {element} again though the list was overwritten since {}, and {element} was appended once at most",
            self.by(other),
            self.by(one),
        );
        let mut violation = self.told("duplicated", message, &[append, one, other], Vec::new());
        violation.steps = vec![
            format!("{} is the only append of {element}", self.by(append)),
            format!("{} shows it", self.by(one)),
            format!("{} shows it in a list that begins differently, hence after another overwrite", self.by(other)),
            "an append takes effect at most once, and what was overwritten never comes back".to_owned(),
        ];
        violation
    }

    /// Two lists that part: the operations at the first difference, where there are such.
    fn fork(&self, one: u32, other: u32) -> Violation {
        let parts = self.parting(one, other);
        let place = match &parts {
            Some((at, first, second)) => {
                format!(" from element {} on: {} or {}", at + 1, self.atom(*first), self.atom(*second))
            }
            None => String::new(),
        };
        let message = format!("{} and {} disagree{place}", self.by(one), self.by(other));
        let Some((_, first, second)) = parts else { return self.told("forked", message, &[one, other], Vec::new()) };
        let place = |reader: u32, shown: u32, instead: u32| {
            let reason = format!(
                "{} shows {} in the place that the other read gives to {}",
                self.by(reader),
                self.atom(shown),
                self.atom(instead)
            );
            self.must(shown, instead, reason, &[reader])
        };
        let edges = vec![place(one, first, second), place(other, second, first)];
        self.told("forked", message, &[one, other], edges)
    }

    /// The number of the first element at which two lists differ, and who wrote what stands there.
    fn parting(&self, one: u32, other: u32) -> Option<(usize, u32, u32)> {
        let list = |reader: u32| self.view.shown(self.found(reader)?);
        let (one, other) = (list(one)?, list(other)?);
        let mut at = 0;
        for number in 0.. {
            let ((first, end), (second, _)) = (self.view.atom_at(one, at)?, self.view.atom_at(other, at)?);
            if first != second {
                let writer = |atom| self.view.writer(atom, 0).ok().map(|write| self.view.write(write).operation);
                return Some((number, writer(first)?, writer(second)?));
            }
            at = end;
        }
        None
    }

    fn same_source(&self, one: u32, other: u32) -> Violation {
        let value = self.value(one);
        let message = format!("{} and {} both replaced the same {value}", self.by(one), self.by(other));
        let replaced = |first: u32, second: u32| {
            let reason = format!("{} found {value}, which {} replaced for good", self.by(first), self.by(second));
            self.must(first, second, reason, &[])
        };
        let edges = vec![replaced(one, other), replaced(other, one)];
        self.with_effect(self.told("lost-update", message, &[one, other], edges), &[one, other])
    }

    fn round(&self, cas: &[u32]) -> Violation {
        // Each found what the next one wrote.
        let edges: Vec<Edge> = (0..cas.len())
            .rev()
            .map(|at| self.reads_from(cas[(at + 1) % cas.len()], cas[at]))
            .collect();
        let message = match cas {
            [alone] => format!("{} found what only it wrote", self.by(*alone)),
            [first, second, ..] => format!(
                "{} found what {} wrote, which goes on in a round: none of {} cas can be the first",
                self.by(*first),
                self.by(*second),
                cas.len()
            ),
            [] => unreachable!("a round has operations"),
        };
        self.with_effect(self.told("reordered", message, cas, edges), cas)
    }

    /// "`from` comes first in their block", whose versions follow each other.
    fn in_turn(&self, from: u32, to: u32) -> Edge {
        let (start, end) = (self.place(from), self.place(to));
        if self.is_list() {
            let witness = self.witness(end.block, end.version());
            let reason = match witness {
                Some(read) if read != to && !self.is_read(from) => {
                    format!("{} shows {} before {}", self.by(read), self.atom(from), self.atom(to))
                }
                _ => format!("{} is of an earlier version of the list than {}", self.by(from), self.by(to)),
            };
            return self.must(from, to, reason, &witness.into_iter().collect::<Vec<_>>());
        }
        let links = (start.version() + 1..=end.version()).take(LINKS_MAX as usize);
        let links: Vec<u32> = links.filter_map(|version| self.writer(end.block, version)).collect();
        let made = self.writer(start.block, start.version());
        let what = match (made, self.is_read(from)) {
            (Some(writer), true) => format!("{} saw {} of {}", self.by(from), self.value(from), self.by(writer)),
            (None, true) => format!("{} saw the initial {}", self.by(from), self.value(from)),
            (_, false) => format!("{} wrote {}", self.by(from), self.atom(from)),
        };
        let replaced = links.first().map_or_else(|| self.by(to), |link| self.by(*link));
        let further = match links.last() {
            Some(last) if *last != to && links.len() == 1 => format!(", which {} saw", self.by(to)),
            Some(_) if links.len() > 1 => format!(", and so on to {}", self.by(to)),
            _ => String::new(),
        };
        self.must(from, to, format!("{what}, which {replaced} replaced{further}"), &links)
    }

    /// `after` had finished before `before` began, which must come first.
    fn order(&self, before: u32, after: u32) -> Violation {
        let (early, late) = (self.place(before), self.place(after));
        let backwards = self.real_time(after, before);
        let needs = if self.is_list() { self.is_read(after) } else { self.comes_from(after, before) };
        if !self.is_read(before) && needs {
            let verb = match self.indexed(after).1.op {
                _ if self.is_list() => "shows",
                KvOp::Get { .. } => "returned",
                _ => "found",
            };
            let message = format!(
                "{} {verb} {} although {} began only after it",
                self.by(after),
                self.atom(before),
                self.by(before)
            );
            return self.told("phantom", message, &[], vec![backwards, self.reads_from(before, after)]);
        }
        if self.is_read(before) && !self.is_read(after) {
            return self.lacks(before, after);
        }
        if self.is_read(before) {
            let next = self.writer(late.block, early.version() + 1);
            let writer = if self.is_list() { next } else { self.writer(late.block, late.version()) };
            let writer = writer.expect("a later version has a writer");
            let message = format!(
                "{} although {} had shown {} before it began",
                self.returned(before),
                self.by(after),
                self.atom(writer)
            );
            let edges = vec![self.reads_from(writer, after), backwards, self.not_yet(before, writer)];
            return self.told("stale", message, &[], edges);
        }
        let in_turn = self.in_turn(before, after);
        let message = match self.witness(late.block, late.version()) {
            Some(read) if self.is_list() => format!(
                "{} shows {} before {} although {} had been acknowledged before {} began",
                self.by(read),
                self.atom(before),
                self.atom(after),
                self.by(after),
                self.by(before),
            ),
            _ => format!("these contradict each other: {}; {}", backwards.reason, in_turn.reason),
        };
        self.told("reordered", message, &[], vec![backwards, in_turn])
    }

    /// Whether an operation saw or replaced just what another wrote.
    fn comes_from(&self, reader: u32, writer: u32) -> bool {
        let (reader_at, writer_at) = (self.place(reader), self.place(writer));
        reader_at.version() == writer_at.version() + u32::from(!self.is_read(reader))
    }

    /// "`reader` saw an earlier version of the block than `writer` made".
    pub(super) fn not_yet(&self, reader: u32, writer: u32) -> Edge {
        let at = self.place(writer);
        if !self.is_list() {
            return self.in_turn(reader, writer);
        }
        let mut reason = format!("{} does not show {}", self.by(reader), self.atom(writer));
        let mut evidence = Vec::new();
        // A list that was put may have been overwritten: that it is the same one is to be shown.
        let put = self.writer(at.block, 0);
        if let (Some(_), Some(witness)) = (put, self.witness(at.block, at.version())) {
            reason += &format!(", and {} shows it at the end of that list", self.by(witness));
            evidence.push(witness);
        }
        self.must(reader, writer, reason, &evidence)
    }

    /// A read without what was acknowledged before it began, in one block.
    fn lacks(&self, reader: u32, writer: u32) -> Violation {
        let mut message =
            format!("{} although {} had been acknowledged before it began", self.returned(reader), self.by(writer));
        let mut operations = Vec::new();
        let kind = if self.is_list() {
            // What a later read shows again was not lost.
            let back = self.seen_by(writer, Some(self.view.invoked(reader)));
            if let Some(back) = back {
                message += &format!(", and {} shows it again", self.by(back));
                operations.push(back);
            }
            if back.is_some() { "stale" } else { "lost" }
        } else {
            self.stale_or_lost(writer)
        };
        let edges = vec![self.real_time(writer, reader), self.not_yet(reader, writer)];
        self.told(kind, message, &operations, edges)
    }

    /// A value that somebody saw was not lost.
    pub(super) fn stale_or_lost(&self, writer: u32) -> &'static str {
        if self.seen_by(writer, None).is_some() { "stale" } else { "lost" }
    }

    /// The first operation of the whole history, among those that began after `since`, to see what another wrote.
    pub(super) fn seen_by(&self, writer: u32, since: Option<u64>) -> Option<u32> {
        let key = self.view.key;
        let write = key.writes.binary_search_by_key(&writer, |write| write.operation).expect("it writes");
        let atom = key.writes[write].atom;
        let shows = |value: &'h Value| match self.view.shown(value).filter(|_| self.is_list()) {
            Some(shown) => self.view.atoms(shown).any(|other| other == atom),
            None => key.register(value) == atom,
        };
        let reads = key.reads.iter().filter(|read| shows(read.value)).map(|read| read.operation);
        let swaps = key.writes.iter().filter(|write| write.how == How::Cas(atom)).map(|write| write.operation);
        let swaps = swaps.filter(|swap| self.indexed(*swap).1.ret().is_some());
        reads.chain(swaps).find(|operation| Some(self.view.invoked(*operation)) > since)
    }
}
