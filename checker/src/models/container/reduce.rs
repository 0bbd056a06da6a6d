//! Which operations on a container may be left out, with the reasons why that is sound.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ContainerAction, ContainerOp, ContainerOperation, ContainerRet};
use crate::history::{self, Completion, OpId};
use crate::value::Value;

type Reduced = history::Reduced<ContainerOp, ContainerRet>;

/// See [`crate::Spec::unobserved`].
///
/// An indeterminate insertion whose value nobody was told to have taken: in a legal order with it, no known removal
/// takes that element. Leave out the insertion, and the indeterminate removal that took it, if any: all other
/// elements are taken as before, and where nothing was found nothing still is.
///
/// Indeterminate removals, where values are unique and every acknowledged element was taken by somebody who was told:
/// they can only have taken elements of such insertions, or nothing.
pub(super) fn unobserved(operations: &[&ContainerOperation]) -> Vec<bool> {
    let mut taken: FxHashMap<&Value, usize> = FxHashMap::default();
    for operation in operations {
        match operation.ret() {
            Some(ContainerRet::Taken(value)) => *taken.entry(value).or_default() += 1,
            Some(ContainerRet::Drained(values)) => {
                values.iter().for_each(|value| *taken.entry(value).or_default() += 1);
            }
            _ => {}
        }
    }
    let mut inserted: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut all_taken = true;
    let mut left_out: Vec<bool> = Vec::with_capacity(operations.len());
    for operation in operations {
        let ContainerAction::Insert { value } = &operation.op.action else {
            left_out.push(false);
            continue;
        };
        let seen = taken.contains_key(value);
        left_out.push(operation.completion == Completion::Info && !seen);
        if operation.completion != Completion::Fail && !left_out[left_out.len() - 1] {
            let copies = inserted.entry(value).or_default();
            *copies += 1;
            all_taken &= *copies == 1 && seen;
        }
    }
    if all_taken {
        for (operation, left_out) in operations.iter().zip(&mut left_out) {
            *left_out |=
                operation.op.action == ContainerAction::Remove && operation.completion == Completion::Info;
        }
    }
    left_out
}

/// The values that an operation names.
fn values(operation: &ContainerOperation) -> &[Value] {
    match (&operation.op.action, operation.ret()) {
        (ContainerAction::Insert { value }, _) | (_, Some(ContainerRet::Taken(value))) => {
            std::slice::from_ref(value)
        }
        (_, Some(ContainerRet::Drained(drained))) => drained,
        _ => &[],
    }
}

/// See [`crate::Spec::units`]: the values that those which are about something name.
pub(super) fn units(operations: &[Reduced], about: &[OpId]) -> Vec<Value> {
    let mut known = FxHashSet::default();
    let named = operations.iter().filter(|(id, _)| about.contains(id));
    named.flat_map(|(_, operation)| values(operation)).filter(|value| known.insert(*value)).cloned().collect()
}

/// See [`crate::Reduction::Only`]: a value goes with all that inserts or takes it. What is left of a legal order is
/// legal, for the other elements stand as they stood (an indeterminate removal that took an erased one may be left
/// out).
pub(super) fn only(operations: &[Reduced], units: &[Value]) -> Vec<Reduced> {
    let units: FxHashSet<&Value> = units.iter().collect();
    let kept = |(id, operation): &Reduced| {
        let mut kept = operation.clone();
        match (&operation.op.action, operation.ret()) {
            (ContainerAction::Insert { value }, _) | (_, Some(ContainerRet::Taken(value)))
                if !units.contains(value) =>
            {
                return None;
            }
            (_, Some(ContainerRet::Drained(drained))) => {
                let left = drained.iter().filter(|value| units.contains(value)).cloned().collect();
                kept.completion = Completion::Ok(ContainerRet::Drained(left));
            }
            _ => {}
        }
        Some((*id, kept))
    };
    operations.iter().filter_map(kept).collect()
}
