//! Why a key's history is impossible: a shortest cycle of operations that would each have to come before the next.
//!
//! On lists of unique elements the exactly-once check names the anomaly. Elsewhere the few operations that the
//! reductions left make a graph: real time, who read from whom, and what follows from the two (Gibbons and Korach,
//! "Testing shared memories", 1997). Only certain edges are drawn; where they make no cycle, nothing is claimed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::graphmap::DiGraphMap;

use crate::exactly_once::anomalies_of;
use crate::history::{Completion, OpId, Operation};
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::linearizable::NAME;
use crate::value::Value;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{asked_by, by, edge, real_time, steps};

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
        return anomalies_of(spec, NAME, key, operations).into_iter().next();
    }
    if let Some(violation) = anomalies_of(spec, NAME, key, few).into_iter().next() {
        return Some(violation);
    }
    if few.len() > OPERATIONS_MAX {
        return None;
    }
    let appends = few.iter().any(|(_, operation)| matches!(operation.op, KvOp::Append { .. }));
    if appends {
        return None;
    }
    phantom(spec, key, operations, few).or_else(|| Register::new(spec, key, operations, few).contradiction())
}

/// What an operation certainly saw the key hold.
fn seen(operation: &KvOperation) -> Option<&Value> {
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

fn violation(
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

/// Certain facts of "must come before" about a register with known writers.
struct Register<'h> {
    spec: &'h KvSpec,
    key: &'h str,
    /// The whole history of the key.
    all: &'h [Indexed<'h>],
    few: &'h [Indexed<'h>],
    /// (from, to) as indices into `few`: the edge, and all operations that it rests on.
    facts: BTreeMap<(usize, usize), (Edge, BTreeSet<OpId>)>,
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

    fn add(
        &mut self,
        from: usize,
        to: usize,
        kind: EdgeKind,
        reason: String,
        rests_on: BTreeSet<OpId>,
    ) -> bool {
        if from == to || self.facts.contains_key(&(from, to)) {
            return false;
        }
        let ends = [self.few[from].0, self.few[to].0];
        let evidence = rests_on.iter().copied().filter(|id| !ends.contains(id)).collect();
        let new = edge(ends[0], ends[1], kind, reason, evidence);
        let rests_on = rests_on.into_iter().chain(ends).collect();
        self.facts.insert((from, to), (new, rests_on));
        true
    }

    fn rests_on(&self, fact: (usize, usize)) -> BTreeSet<OpId> {
        self.facts[&fact].1.clone()
    }

    fn by(&self, index: usize) -> String {
        by(self.spec, self.few[index].1)
    }

    fn given(&mut self) {
        for from in 0..self.few.len() {
            for to in 0..self.few.len() {
                if self.few[from].1.precedes(self.few[to].1) {
                    let reason = real_time(self.spec, self.few[from], self.few[to]).reason;
                    self.add(from, to, EdgeKind::RealTime, reason, BTreeSet::new());
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
                    self.add(writer, reader, EdgeKind::ReadsFrom, reason, BTreeSet::new());
                }
                None => {
                    for other in self.effective.clone() {
                        let reason = format!(
                            "{} saw the initial {value}, and {} overwrites it for good",
                            self.by(reader),
                            self.by(other)
                        );
                        self.add(reader, other, EdgeKind::MustPrecede, reason, BTreeSet::new());
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
                let hides = format!("{} saw {}", self.by(reader), self.by(writer));
                if self.facts.contains_key(&(writer, other)) {
                    let reason = format!("{hides}, which {} overwrites", self.by(other));
                    let mut rests_on = self.rests_on((writer, other));
                    rests_on.extend(self.rests_on((writer, reader)));
                    new |= self.add(reader, other, EdgeKind::MustPrecede, reason, rests_on);
                }
                if self.facts.contains_key(&(other, reader)) {
                    let reason =
                        format!("{hides}, which {} in between would have overwritten", self.by(other));
                    let mut rests_on = self.rests_on((other, reader));
                    rests_on.extend(self.rests_on((writer, reader)));
                    new |= self.add(other, writer, EdgeKind::MustPrecede, reason, rests_on);
                }
            }
        }
        new
    }

    fn contradiction(mut self) -> Option<Violation> {
        self.given();
        let mut cycle = self.shortest_cycle();
        while cycle.is_none() && self.follow() {
            cycle = self.shortest_cycle();
        }
        let cycle = cycle?;
        let edges: Vec<Edge> = cycle.iter().map(|fact| self.facts[fact].0.clone()).collect();
        let operations: BTreeSet<OpId> = cycle.iter().flat_map(|fact| self.rests_on(*fact)).collect();
        let (kind, message) = self.name(&cycle, &edges);
        Some(violation(self.key, kind, message, operations, edges))
    }

    /// A shortest cycle as facts, the one through the earliest operation if there are several.
    fn shortest_cycle(&self) -> Option<Vec<(usize, usize)>> {
        let graph = DiGraphMap::<usize, ()>::from_edges(self.facts.keys().copied());
        let cycles = (0..self.few.len()).filter_map(|start| cycle_through(&graph, start));
        cycles.min_by_key(Vec::len)
    }

    /// The anomaly's kind and its sentence.
    fn name(&self, cycle: &[(usize, usize)], edges: &[Edge]) -> (&'static str, String) {
        let swapped = |index: usize| {
            matches!(self.few[index].1.op, KvOp::Cas { .. }) && written(self.few[index].1).is_some()
        };
        let (source, kinds): (_, Vec<EdgeKind>) =
            (|index| self.sources.get(&index).copied(), edges.iter().map(|e| e.kind).collect());
        for (at, &(from, to)) in cycle.iter().enumerate() {
            let (reader, other) = (from, to);
            if kinds[at] != EdgeKind::MustPrecede || source(reader).is_none() {
                continue;
            }
            if swapped(reader) && swapped(other) && source(reader) == source(other) {
                let from = seen(self.few[reader].1).expect("a cas that swapped saw a value");
                let message =
                    format!("{} and {} both replaced the same {from}", self.by(reader), self.by(other));
                return ("lost-update", message);
            }
            let acknowledged = self.few[other].1.precedes(self.few[reader].1);
            if acknowledged && cycle.len() == 2 {
                let value = seen(self.few[reader].1).expect("a reader saw a value");
                let reader_words = asked_by(self.spec, self.few[reader].1);
                let verb =
                    if matches!(self.few[reader].1.op, KvOp::Get { .. }) { "returned" } else { "found" };
                let message = format!(
                    "{reader_words} {verb} {value} although {} had been acknowledged before it began",
                    self.by(other)
                );
                return (if self.ever_seen(other) { "stale" } else { "lost" }, message);
            }
        }
        let reasons: Vec<&str> = edges.iter().map(|edge| edge.reason.as_str()).collect();
        ("reordered", format!("these contradict each other: {}", reasons.join("; ")))
    }

    /// Whether anything in the whole history of the key saw what this operation wrote.
    fn ever_seen(&self, writer: usize) -> bool {
        let Some(value) = written(self.few[writer].1) else { return false };
        self.all.iter().any(|(_, operation)| seen(operation).is_some_and(|seen| self.spec.same(seen, value)))
    }
}

/// A shortest cycle through `start`, as edges from there on.
fn cycle_through(graph: &DiGraphMap<usize, ()>, start: usize) -> Option<Vec<(usize, usize)>> {
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
