//! Why a key's history is impossible: a shortest cycle of operations that would each have to come before the next.
//!
//! Where every value has one writer, blocks and zones show it; on lists of unique elements the exactly-once check.
//! Elsewhere the few operations that the reductions left make a graph: real time, who read from whom, and what
//! follows from the two (Gibbons and Korach, "Testing shared memories", 1997). Only certain edges are drawn; where
//! they make no cycle, nothing is claimed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::graphmap::DiGraphMap;

use crate::exactly_once::anomalies_of;
use crate::history::{Completion, OpId, Operation};
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::linearizable::NAME;
use crate::value::Value;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{asked_by, by, edge, real_time, step, steps};

/// More operations than this are not drawn.
const OPERATIONS_MAX: usize = 120;

type KvOperation = Operation<KvOp, KvRet>;
type Indexed<'h> = (OpId, &'h KvOperation);

/// See [`crate::Spec::explain`].
pub(crate) fn explain(
    spec: &KvSpec,
    key: &str,
    operations: &[Indexed<'_>],
    few: &[Indexed<'_>],
) -> Option<Violation> {
    if few.is_empty() {
        if let Some(violation) = crate::blocks::explain(spec, key, operations) {
            return Some(violation);
        }
        let named = anomalies_of(spec, NAME, key, operations).into_iter().next();
        return named
            .or_else(|| crate::overwritten::plain(spec, key, operations))
            .or_else(|| false_mismatch(spec, key, operations));
    }
    if few.len() > OPERATIONS_MAX {
        return None;
    }
    let appends = few.iter().any(|(_, operation)| matches!(operation.op, KvOp::Append { .. }));
    if appends {
        return crate::overwritten::missing(spec, key, operations, few);
    }
    phantom(spec, key, operations, few).or_else(|| Register::new(spec, key, operations, few).contradiction())
}

/// What an operation certainly saw the key hold.
pub(crate) fn seen(operation: &KvOperation) -> Option<&Value> {
    match (&operation.op, operation.ret()?) {
        (KvOp::Get { .. }, KvRet::Value(value)) => Some(value),
        (KvOp::Cas { .. }, KvRet::Mismatch(seen)) => seen.as_ref(),
        (KvOp::Cas { expected, .. }, KvRet::Done) => Some(expected),
        _ => None,
    }
}

/// What an operation makes the key hold, if it takes effect.
fn written(operation: &KvOperation) -> Option<&Value> {
    match (&operation.op, operation.ret()) {
        (_, Some(KvRet::Mismatch(_))) => None,
        (KvOp::Put { value, .. }, _) => Some(value),
        (KvOp::Cas { new, .. }, _) => Some(new),
        (KvOp::Delete { .. }, _) => Some(&Value::Nil),
        (KvOp::Get { .. } | KvOp::Append { .. }, _) => None,
    }
}

pub(crate) fn violation(
    key: &str,
    kind: &str,
    message: String,
    operations: BTreeSet<OpId>,
    edges: Vec<Edge>,
) -> Violation {
    assert!(!operations.is_empty(), "an anomaly has witnesses");
    let steps = if edges.is_empty() { vec![message.clone()] } else { steps(&edges) };
    Violation {
        check: NAME.to_owned(),
        kind: kind.to_owned(),
        key: Some(key.to_owned()),
        message,
        operations: operations.into_iter().collect(),
        edges,
        steps,
    }
}

/// A cas that failed although it saw what it expected.
fn false_mismatch(spec: &KvSpec, key: &str, operations: &[Indexed<'_>]) -> Option<Violation> {
    operations.iter().find_map(|(id, operation)| match (&operation.op, operation.ret()) {
        (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(Some(seen)))) if spec.same(expected, seen) => {
            let message = format!("{} although it saw just the {seen} that it expected", by(spec, operation));
            Some(violation(key, "false-mismatch", message, [*id].into(), Vec::new()))
        }
        _ => None,
    })
}

/// A value that nobody wrote, or whose only writers failed or began too late.
fn phantom(spec: &KvSpec, key: &str, operations: &[Indexed<'_>], few: &[Indexed<'_>]) -> Option<Violation> {
    few.iter().find_map(|(id, reader)| {
        let value = seen(reader).filter(|value| !is_empty(value))?;
        let writers = || operations.iter().filter(|(_, op)| written(op).is_some_and(|w| spec.same(w, value)));
        let words = by(spec, reader);
        let verb = if matches!(reader.op, KvOp::Get { .. }) { "returned" } else { "found" };
        let mut real = writers().filter(|(_, writer)| writer.completion != Completion::Fail);
        if let Some(&first) = real.next() {
            // Writers are in the order of their invocations: the others began later still.
            if !reader.precedes(first.1) {
                return None;
            }
            let began = format!("{} began only after it", by(spec, first.1));
            let message = format!("{words} {verb} {value} although {began}");
            let source = format!("no earlier operation writes {value}");
            let edges = vec![
                real_time(spec, (*id, reader), first),
                edge(first.0, *id, EdgeKind::ReadsFrom, source, Vec::new()),
            ];
            return Some(violation(key, "phantom", message, [*id, first.0].into(), edges));
        }
        Some(match writers().next() {
            Some((writer_id, writer)) => {
                let message = format!("{words} {verb} {value} although {} had failed", by(spec, writer));
                violation(key, "phantom", message, [*writer_id, *id].into(), Vec::new())
            }
            None => {
                let message = format!("{words} {verb} {value}, which nobody wrote");
                violation(key, "phantom", message, [*id].into(), Vec::new())
            }
        })
    })
}

/// (from, to) as indices into the few operations.
type Pair = (usize, usize);

/// One certain "must come before".
struct Fact {
    edge: Edge,
    /// All operations that it rests on.
    rests_on: BTreeSet<OpId>,
    /// The fact that it follows from, unless it is plain to see.
    premise: Option<Pair>,
}

/// Certain facts of "must come before" about a register with known writers.
struct Register<'h> {
    spec: &'h KvSpec,
    key: &'h str,
    /// The whole history of the key.
    all: &'h [Indexed<'h>],
    few: &'h [Indexed<'h>],
    facts: BTreeMap<Pair, Fact>,
    /// Reader -> its only possible writer; `None`: the initial state.
    sources: BTreeMap<usize, Option<usize>>,
    /// Writers that certainly took effect.
    effective: Vec<usize>,
}

impl<'h> Register<'h> {
    fn new(spec: &'h KvSpec, key: &'h str, all: &'h [Indexed<'h>], few: &'h [Indexed<'h>]) -> Self {
        let mut sources = BTreeMap::new();
        for (reader, (_, operation)) in few.iter().enumerate() {
            let Some(value) = seen(operation) else { continue };
            let mut writers = few
                .iter()
                .enumerate()
                .filter(|(_, (_, writer))| written(writer).is_some_and(|written| spec.same(written, value)))
                .map(|(writer, _)| writer);
            match (writers.next(), writers.next()) {
                (Some(writer), None) if writer != reader && !spec.same(value, &Value::Nil) => {
                    sources.insert(reader, Some(writer));
                }
                (None, _) if spec.same(value, &Value::Nil) => {
                    sources.insert(reader, None);
                }
                _ => {}
            }
        }
        let effective = (0..few.len())
            .filter(|writer| {
                let operation = few[*writer].1;
                let took_effect =
                    operation.ret().is_some() || sources.values().any(|source| *source == Some(*writer));
                took_effect && written(operation).is_some()
            })
            .collect();
        Self { spec, key, all, few, facts: BTreeMap::new(), sources, effective }
    }

    /// Adds a fact that is plain to see.
    fn add_plain(&mut self, pair: Pair, kind: EdgeKind, reason: String) {
        self.add(pair, kind, reason, BTreeSet::new(), None);
    }

    /// Adds a fact; whether it is new.
    fn add(
        &mut self,
        (from, to): Pair,
        kind: EdgeKind,
        reason: String,
        rests_on: BTreeSet<OpId>,
        premise: Option<Pair>,
    ) -> bool {
        if from == to || self.facts.contains_key(&(from, to)) {
            return false;
        }
        let ends = [self.few[from].0, self.few[to].0];
        let evidence = rests_on.iter().copied().filter(|id| !ends.contains(id)).collect();
        let edge = edge(ends[0], ends[1], kind, reason, evidence);
        let rests_on = rests_on.into_iter().chain(ends).collect();
        self.facts.insert((from, to), Fact { edge, rests_on, premise });
        true
    }

    fn rests_on(&self, fact: Pair) -> BTreeSet<OpId> {
        self.facts[&fact].rests_on.clone()
    }

    /// In words, with what it really returned: reductions may have made it forget that.
    fn by(&self, index: usize) -> String {
        by(self.spec, self.real(index).1)
    }

    fn real(&self, index: usize) -> Indexed<'h> {
        let at = self.all.binary_search_by_key(&self.few[index].0, |(id, _)| *id);
        self.all[at.expect("the few are of the whole")]
    }

    fn given(&mut self) {
        for from in 0..self.few.len() {
            for to in 0..self.few.len() {
                if self.few[from].1.precedes(self.few[to].1) {
                    let reason = real_time(self.spec, self.real(from), self.real(to)).reason;
                    self.add_plain((from, to), EdgeKind::RealTime, reason);
                }
            }
        }
        for (reader, source) in self.sources.clone() {
            let value = seen(self.few[reader].1).expect("a reader saw a value");
            match source {
                Some(writer) => {
                    let reason = format!("{} saw {value} of {}", self.by(reader), self.by(writer));
                    // Where real time says the same, the source is what counts.
                    self.facts.remove(&(writer, reader));
                    self.add_plain((writer, reader), EdgeKind::ReadsFrom, reason);
                }
                None => {
                    for other in self.effective.clone() {
                        let reason = format!(
                            "{} saw the initial {value}, and {} overwrites it for good",
                            self.by(reader),
                            self.by(other)
                        );
                        self.add_plain((reader, other), EdgeKind::MustPrecede, reason);
                    }
                }
            }
        }
    }

    /// One round of "a write between another write and its reader would hide it"; whether anything is new.
    fn follow(&mut self) -> bool {
        let mut new = false;
        for (reader, source) in self.sources.clone() {
            let Some(writer) = source else { continue };
            for other in self.effective.clone() {
                if other == writer || other == reader {
                    continue;
                }
                let value = seen(self.few[reader].1).expect("a reader saw a value");
                let saw = format!("{} saw {value} of {}", self.by(reader), self.by(writer));
                if self.facts.contains_key(&(writer, other)) {
                    let reason = format!("{saw}, which {} overwrote later", self.by(other));
                    let mut rests_on = self.rests_on((writer, other));
                    rests_on.extend(self.rests_on((writer, reader)));
                    new |= self.add(
                        (reader, other),
                        EdgeKind::MustPrecede,
                        reason,
                        rests_on,
                        Some((writer, other)),
                    );
                }
                if self.facts.contains_key(&(other, reader)) {
                    let reason = format!("{saw} and came after {}", self.by(other));
                    let mut rests_on = self.rests_on((other, reader));
                    rests_on.extend(self.rests_on((writer, reader)));
                    new |= self.add(
                        (other, writer),
                        EdgeKind::MustPrecede,
                        reason,
                        rests_on,
                        Some((other, reader)),
                    );
                }
            }
        }
        new
    }

    fn contradiction(mut self) -> Option<Violation> {
        self.given();
        let mut cycles = self.shortest_cycles();
        while cycles.is_empty() && self.follow() {
            cycles = self.shortest_cycles();
        }
        // Several may be equally short: the one with a name of its own tells most.
        let named = cycles.into_iter().map(|cycle| (self.name(&cycle), cycle));
        let ((_, kind, message), cycle) = named.min_by_key(|((rank, _, _), _)| *rank)?;
        let edges: Vec<Edge> = cycle.iter().map(|fact| self.facts[fact].edge.clone()).collect();
        let operations: BTreeSet<OpId> = cycle.iter().flat_map(|fact| self.rests_on(*fact)).collect();
        let mut violation = violation(self.key, kind, message, operations, edges);
        let premises = self.premises(&cycle);
        let premises = premises.iter().map(|pair| step(&self.facts[pair].edge));
        violation.steps.splice(0..0, premises);
        Some(violation)
    }

    /// The facts that a cycle's edges follow from, what comes first first, without the edges themselves.
    fn premises(&self, cycle: &[Pair]) -> Vec<Pair> {
        let mut premises: Vec<Pair> = Vec::new();
        for pair in cycle {
            let mut at = *pair;
            // A premise was known before what follows from it, so this ends.
            while let Some(premise) = self.facts[&at].premise {
                if premises.contains(&premise) || cycle.contains(&premise) {
                    break;
                }
                premises.insert(0, premise);
                at = premise;
            }
        }
        premises
    }

    /// The shortest cycles as facts, at most one per operation.
    fn shortest_cycles(&self) -> Vec<Vec<Pair>> {
        let graph = DiGraphMap::<usize, ()>::from_edges(self.facts.keys().copied());
        let mut cycles: Vec<_> =
            (0..self.few.len()).filter_map(|start| cycle_through(&graph, start)).collect();
        let shortest = cycles.iter().map(Vec::len).min().unwrap_or(0);
        cycles.retain(|cycle| cycle.len() == shortest);
        cycles
    }

    /// A cycle's rank (lower says more), the anomaly's kind and its sentence.
    fn name(&self, cycle: &[Pair]) -> (u8, &'static str, String) {
        let kind_of = |fact: &Pair| self.facts[fact].edge.kind;
        for (at, &(reader, other)) in cycle.iter().enumerate() {
            let source = self.sources.get(&reader);
            if kind_of(&(reader, other)) != EdgeKind::MustPrecede || source.is_none() {
                continue;
            }
            if self.swapped(reader) && self.swapped(other) && source == self.sources.get(&other) {
                let value = seen(self.few[reader].1).expect("a cas that swapped saw a value");
                let message =
                    format!("{} and {} both replaced the same {value}", self.by(reader), self.by(other));
                return (0, "lost-update", message);
            }
            let stale = |although: &str| {
                let (asker, value) = (self.real(reader).1, seen(self.few[reader].1));
                let verb = if matches!(asker.op, KvOp::Get { .. }) { "returned" } else { "found" };
                let value = value.expect("a reader saw a value");
                format!("{} {verb} {value} although {although} before it began", asked_by(self.spec, asker))
            };
            if cycle.len() == 2 && self.few[other].1.precedes(self.few[reader].1) {
                let mut message = stale(&format!("{} had been acknowledged", self.by(other)));
                let premise = self.facts[&(reader, other)].premise.map(|premise| &self.facts[&premise].edge);
                if let Some(premise) = premise.filter(|premise| premise.kind != EdgeKind::RealTime) {
                    message += &format!("; it overwrote that, since {}", premise.reason);
                }
                return (1, if self.ever_seen(other) { "stale" } else { "lost" }, message);
            }
            let (next, last) = (cycle[(at + 1) % cycle.len()], cycle[(at + 2) % cycle.len()]);
            let shown = kind_of(&next) == EdgeKind::ReadsFrom && kind_of(&last) == EdgeKind::RealTime;
            if cycle.len() == 3 && shown {
                let value = written(self.few[other].1).expect("it writes");
                let message = stale(&format!("{} had shown {value}", self.by(last.0)));
                return (2, "stale", message);
            }
        }
        let reasons: Vec<&str> = cycle.iter().map(|fact| self.facts[fact].edge.reason.as_str()).collect();
        (3, "reordered", format!("these contradict each other: {}", reasons.join("; ")))
    }

    /// Whether it is a cas that may have swapped.
    fn swapped(&self, index: usize) -> bool {
        matches!(self.few[index].1.op, KvOp::Cas { .. }) && written(self.few[index].1).is_some()
    }

    /// Whether anything in the whole history of the key saw what this operation wrote.
    fn ever_seen(&self, writer: usize) -> bool {
        let Some(value) = written(self.few[writer].1) else { return false };
        self.all.iter().any(|(_, operation)| seen(operation).is_some_and(|seen| self.spec.same(seen, value)))
    }
}

/// A shortest cycle through `start`, as edges from there on.
fn cycle_through(graph: &DiGraphMap<usize, ()>, start: usize) -> Option<Vec<Pair>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<usize> = graph.neighbors(node).collect();
        next.sort_unstable();
        for to in next {
            if to == start {
                let mut cycle = vec![(node, start)];
                let mut at = node;
                while at != start {
                    let from = came_from[&at];
                    cycle.push((from, at));
                    at = from;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if to != start && !came_from.contains_key(&to) {
                came_from.insert(to, node);
                queue.push_back(to);
            }
        }
    }
    None
}
