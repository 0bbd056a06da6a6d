//! Drains as they are recorded: a client that removes elements one by one until it finds nothing.
//!
//! Such a drain is no single step, and other clients act between its removals. So it is judged as one removal per
//! element and one that found nothing, all of them within its time. One of which nobody knows what it took may have
//! taken everything that nobody was told to have taken. Certificates speak of these removals, numbered anew in the order
//! of all operations.

use rustc_hash::FxHashMap;

use super::{Container, ContainerAction, ContainerOp, ContainerRet};
use crate::certificate::{NotProven, verify_all};
use crate::history::{Completion, History, OpId, Operation};
use crate::linearizable::Linearizable;
use crate::models::Keyed;
use crate::verdict::{Bounds, Check, CheckOutcome, Violation};

type ContainerHistory = History<ContainerOp, ContainerRet>;

/// Whether a history is linearizable, drains being many removals.
pub(super) fn check(container: &Container, history: &ContainerHistory, bounds: &Bounds<'_>) -> CheckOutcome {
    if !has_drains(history) {
        return Linearizable.check(container, history, bounds);
    }
    let (parts, wholes) = apart(history);
    let mut outcome = Linearizable.check(container, &parts, bounds);
    for violation in &mut outcome.violations {
        put_together(violation, &wholes);
    }
    let operations = history.partitions(|op| op.partition());
    for partition in &mut outcome.partitions {
        partition.operations = operations.get(partition.key.as_str()).map_or(0, Vec::len);
    }
    outcome
}

/// Checks the certificates of a history that may have drains.
pub(super) fn verify(
    container: &Container,
    history: &ContainerHistory,
    outcome: &CheckOutcome,
) -> Result<(), NotProven> {
    if has_drains(history) {
        verify_all(container, &apart(history).0, outcome)
    } else {
        verify_all(container, history, outcome)
    }
}

fn has_drains(history: &ContainerHistory) -> bool {
    history.operations().iter().any(|operation| operation.op.action == ContainerAction::Drain)
}

/// The history with its drains taken apart, and the operation that each of its operations is part of.
fn apart(history: &ContainerHistory) -> (ContainerHistory, Vec<OpId>) {
    let mut left = left_inside(history);
    let (mut parts, mut wholes) = (Vec::with_capacity(history.len()), Vec::with_capacity(history.len()));
    for (id, operation) in history.iter() {
        let part = |completion| Operation {
            op: Keyed { key: operation.op.key.clone(), action: ContainerAction::Remove },
            completion,
            ..operation.clone()
        };
        match (&operation.op.action, &operation.completion) {
            (ContainerAction::Drain, Completion::Ok(ContainerRet::Drained(elements))) => {
                let taken = elements.iter().cloned().map(ContainerRet::Taken);
                parts.extend(taken.chain([ContainerRet::Empty]).map(|ret| part(Completion::Ok(ret))));
            }
            (ContainerAction::Drain, Completion::Info) => {
                // The first one may have taken all; the others can do no more than it.
                let left = left.remove(operation.op.key.as_ref()).unwrap_or(0);
                parts.extend((0..left).map(|_| part(Completion::Info)));
            }
            (ContainerAction::Drain, _) => parts.push(part(Completion::Fail)),
            _ => parts.push(operation.clone()),
        }
        wholes.resize(parts.len(), id);
    }
    (History::of_parts(parts), wholes)
}

/// How many elements of each container nobody was told to have taken, at most.
fn left_inside(history: &ContainerHistory) -> FxHashMap<&str, usize> {
    let mut copies = FxHashMap::default();
    for operation in history.operations() {
        let key = operation.op.key.as_ref();
        let mut taken = |value| *copies.entry((key, value)).or_insert(0i64) -= 1;
        match (&operation.op.action, operation.ret()) {
            (ContainerAction::Insert { value }, _) if operation.completion != Completion::Fail => {
                *copies.entry((key, value)).or_insert(0) += 1;
            }
            (_, Some(ContainerRet::Taken(value))) => taken(value),
            (_, Some(ContainerRet::Drained(values))) => values.iter().for_each(taken),
            _ => {}
        }
    }
    let mut left = FxHashMap::default();
    for ((key, _), copies) in copies {
        *left.entry(key).or_insert(0) += usize::try_from(copies).unwrap_or(0);
    }
    left
}

/// Speaks of whole operations.
fn put_together(violation: &mut Violation, wholes: &[OpId]) {
    let whole = |id: &mut OpId| *id = wholes[id.index()];
    violation.operations.iter_mut().for_each(whole);
    violation.operations.dedup();
    for edge in &mut violation.edges {
        whole(&mut edge.from);
        whole(&mut edge.to);
        edge.evidence.iter_mut().for_each(whole);
    }
    // Of one drain no part comes before another: such a round would say nothing.
    violation.edges.retain(|edge| edge.from != edge.to);
}
