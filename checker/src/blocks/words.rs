//! What blocks and zones refute, as a violation: the anomaly's name, its sentence, and the cycle that proves it.
//!
//! The history is cut off where it became illegal, so whatever shows the anomaly is its earliest proof. Names are
//! those of the exactly-once check and of registers. It decides nothing.

use std::collections::BTreeSet;

use super::entry::Atom;
use super::input::{How, Kind};
use super::placed::{Place, Placed};
use super::view::View;
use super::{KvOperation, Refutation, crossing};
use crate::contradiction::{seen, violation};
use crate::history::OpId;
use crate::kv::{KvOp, KvRet};
use crate::value::Value;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{asked_by, brief, by, edge, real_time};

/// The sentences about one key.
pub(super) struct Words<'w, 'k, 'h> {
    name: &'w str,
    pub(super) operations: &'w [(OpId, &'h KvOperation)],
    pub(super) view: &'w View<'k, 'h>,
    /// Empty if there are no blocks.
    pub(super) placed: Placed,
}

impl<'w, 'k, 'h> Words<'w, 'k, 'h> {
    pub(super) fn new(
        name: &'w str,
        operations: &'w [(OpId, &'h KvOperation)],
        view: &'w View<'k, 'h>,
        placed: Placed,
    ) -> Self {
        Self { name, operations, view, placed }
    }

    /// The violation that a refutation amounts to.
    pub(super) fn violation(&self, refutation: &Refutation) -> Violation {
        match refutation {
            Refutation::Phantom { reader } => self.phantom(*reader),
            Refutation::Twice { reader, writer } => self.twice(*reader, *writer),
            Refutation::TwoEpochs { append, one, other } => self.two_epochs(*append, *one, *other),
            Refutation::PutInside { reader, put } => self.put_inside(*reader, *put),
            Refutation::Fork { one, other } => self.fork(*one, *other),
            Refutation::SameSource { one, other } => self.same_source(*one, *other),
            Refutation::Round { cas } => self.round(cas),
            Refutation::Order { before, after } => self.order(*before, *after),
            Refutation::Surrounded { before, cas, after } => self.surrounded(*before, *cas, *after),
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

    pub(super) fn place(&self, operation: u32) -> Place {
        let place = self.placed.place(operation);
        assert!(place.is_somewhere(), "what is told of blocks stands in one");
        place
    }

    /// What an operation writes, as far as lists show it.
    pub(super) fn atom(&self, writer: u32) -> String {
        let writes = &self.view.key.writes;
        let write = writes.binary_search_by_key(&writer, |write| write.operation).expect("it writes");
        brief(&writes[write].atom.to_value().to_string())
    }

    /// The value that a reader saw.
    pub(super) fn value(&self, reader: u32) -> String {
        self.found(reader).map_or_else(String::new, |value| brief(&value.to_string()))
    }

    /// The same, of a cas that took effect whether it was told so or not.
    pub(super) fn found(&self, reader: u32) -> Option<&'h Value> {
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

    /// What made a version of a block; `None` for the initial state.
    pub(super) fn writer(&self, block: u32, version: u32) -> Option<u32> {
        let operations = self.placed.block(block);
        let group = Place::writer(block, version).group;
        let at = operations.binary_search_by_key(&group, |operation| self.placed.place(*operation).group);
        Some(operations[at.ok()?])
    }

    /// The read that completed first of those that show a version or a later one of its block.
    pub(super) fn witness(&self, block: u32, version: u32) -> Option<u32> {
        let shows = |operation: &u32| self.place(*operation).version() >= version && self.is_read(*operation);
        let reads = self.placed.block(block).iter().copied().filter(shows);
        reads.min_by_key(|read| self.view.returned(*read))
    }

    pub(super) fn real_time(&self, from: u32, to: u32) -> Edge {
        real_time(self.view.key.spec, self.indexed(from), self.indexed(to))
    }

    pub(super) fn edge(&self, from: u32, to: u32, kind: EdgeKind, reason: String, evidence: &[u32]) -> Edge {
        let evidence: BTreeSet<u32> =
            evidence.iter().copied().filter(|id| *id != from && *id != to).collect();
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
    pub(super) fn told(
        &self,
        kind: &str,
        message: String,
        operations: &[u32],
        edges: Vec<Edge>,
    ) -> Violation {
        let mut all: BTreeSet<OpId> = operations.iter().map(|id| self.indexed(*id).0).collect();
        for edge in &edges {
            all.extend([edge.from, edge.to].iter().chain(&edge.evidence));
        }
        violation(self.name, kind, message, all, edges)
    }

    /// Whether what `writer` wrote and `reader` should have seen is gone: an element that a later read shows again is
    /// not (with that read), a value that anybody ever saw is not.
    pub(super) fn stale_or_lost(&self, reader: u32, writer: u32) -> (&'static str, Option<u32>) {
        let since = if self.is_list() { Some(self.view.invoked(reader)) } else { None };
        match self.seen_by(writer, since) {
            Some(back) => ("stale", Some(back).filter(|_| self.is_list())),
            None => ("lost", None),
        }
    }

    /// The first operation of the whole history, among those that began after `since`, to see what another wrote.
    pub(super) fn seen_by(&self, writer: u32, since: Option<u64>) -> Option<u32> {
        let key = self.view.key;
        let write = key.writes.binary_search_by_key(&writer, |write| write.operation).expect("it writes");
        let atom = key.writes[write].atom;
        let shows = |value: Atom<'h>| match self.view.shown(value).filter(|_| self.is_list()) {
            Some(shown) => self.view.atoms(shown).any(|other| other == atom),
            None => value.kept(key.spec) == atom,
        };
        let in_time = |operation: u32| Some(self.view.invoked(operation)) > since;
        let read = key.reads.iter().find(|read| in_time(read.operation) && shows(read.value));
        let swapped = |write: &&super::input::Write<'_>| {
            matches!(write.how, How::Cas(number) if key.expected[number as usize] == atom)
                && in_time(write.operation)
                && self.indexed(write.operation).1.ret().is_some()
        };
        let swap = || key.writes.iter().find(swapped).map(|write| write.operation);
        read.map(|read| read.operation).or_else(swap)
    }
}
