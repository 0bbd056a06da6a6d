//! Sentences about operations, as all explanations use them.

use crate::history::{Indexed, OpId, Operation};
use crate::spec::Spec;
use crate::verdict::{Edge, EdgeKind, Violation};

/// Longer descriptions are cut in their middle; the full value is in the history.
const CHARACTERS_MAX: usize = 160;

/// `text`, cut in its middle if it is very long.
pub(crate) fn brief(text: &str) -> String {
    let count = text.chars().count();
    if count <= CHARACTERS_MAX {
        return text.to_owned();
    }
    let half = CHARACTERS_MAX / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head} … {tail}")
}

/// `append k3 9 by process 2`.
pub(crate) fn by<S: Spec>(spec: &S, operation: &Operation<S::Op, S::Ret>) -> String {
    let words = brief(&spec.describe(&operation.op, operation.ret()));
    format!("{words} by process {}", operation.process)
}

/// The same without what it returned: `read k3 by process 5`.
pub(crate) fn asked_by<S: Spec>(spec: &S, operation: &Operation<S::Op, S::Ret>) -> String {
    format!("{} by process {}", brief(&spec.describe(&operation.op, None)), operation.process)
}

/// "`from` finished before `to` began".
pub(crate) fn real_time<S: Spec>(
    spec: &S,
    from: (OpId, &Operation<S::Op, S::Ret>),
    to: (OpId, &Operation<S::Op, S::Ret>),
) -> Edge {
    debug_assert!(from.1.precedes(to.1), "the caller looked");
    let reason = format!("{} finished before {} began", by(spec, from.1), by(spec, to.1));
    edge(from.0, to.0, EdgeKind::RealTime, reason, Vec::new())
}

/// An edge.
pub(crate) fn edge(from: OpId, to: OpId, kind: EdgeKind, reason: String, evidence: Vec<OpId>) -> Edge {
    Edge { from, to, kind, reason, evidence }
}

/// One step of an argument.
pub(crate) fn step(edge: &Edge) -> String {
    format!("{}, so {} comes before {}", edge.reason, edge.from, edge.to)
}

/// How the step begins that says from when on a history is impossible.
pub(crate) const IMPOSSIBLE: &str = "the history is impossible once ";

/// Says when a history became impossible: when the one of these operations returned that did so at `stamp`.
pub(crate) fn impossible_since<S: Spec>(
    spec: &S,
    violation: &mut Violation,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    stamp: u64,
) {
    let told = || operations.iter().filter(|(id, _)| violation.operations.binary_search(id).is_ok());
    if let Some(last) = told().rfind(|(_, operation)| operation.returned == Some(stamp)) {
        let words = by_of(spec, *last, told().map(|(_, operation)| *operation));
        violation.steps.push(format!("{IMPOSSIBLE}{words} has returned, whatever follows"));
    }
}

/// [`by`] with its number where others of these operations are described by the same words.
pub(crate) fn by_of<'h, S: Spec>(
    spec: &S,
    (id, operation): Indexed<'h, S::Op, S::Ret>,
    others: impl Iterator<Item = &'h Operation<S::Op, S::Ret>>,
) -> String {
    let words = by(spec, operation);
    let several = others.filter(|other| by(spec, other) == words).count() > 1;
    if several { format!("{id} {words}") } else { words }
}

/// How the last step of such an argument begins.
pub(crate) const TOGETHER: &str = "together ";

/// The steps of an argument that goes along a cycle of edges.
pub(crate) fn steps(edges: &[Edge]) -> Vec<String> {
    let mut steps: Vec<String> = edges.iter().map(step).collect();
    if let Some(first) = edges.first() {
        let mut round = first.from.to_string();
        for edge in edges {
            round += &format!(" < {}", edge.to);
        }
        steps.push(format!("{TOGETHER}{round}: no order of these operations is possible"));
    }
    steps
}
