//! Which operations on a container may be left out, with the reasons why that is sound.

use std::ops::Range;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{ContainerAction, ContainerOperation, ContainerRet};
use crate::history::Completion;
use crate::value::Value;

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

/// The values that operations name, in order of first use.
pub(super) fn values<'h>(operations: &[&'h ContainerOperation]) -> IndexSet<&'h Value, FxBuildHasher> {
    let mut values = IndexSet::default();
    for operation in operations {
        if let ContainerAction::Insert { value } = &operation.op.action {
            values.insert(value);
        }
        match operation.ret() {
            Some(ContainerRet::Taken(value)) => drop(values.insert(value)),
            Some(ContainerRet::Drained(drained)) => values.extend(drained.iter()),
            _ => {}
        }
    }
    values
}

/// See [`crate::Spec::erase`]: a value goes with all that inserts or takes it. What is left of a legal order is legal, for
/// the other elements stand as they stood (an indeterminate removal that took an erased one may be left out).
pub(super) fn erase(
    operations: &[&ContainerOperation],
    units: Range<usize>,
) -> Vec<Option<ContainerOperation>> {
    let values = values(operations);
    let erased = |value: &Value| values.get_index_of(value).is_some_and(|index| units.contains(&index));
    let kept = |operation: &&ContainerOperation| {
        let mut kept = (*operation).clone();
        match (&operation.op.action, operation.ret()) {
            (ContainerAction::Insert { value }, _) if erased(value) => return None,
            (_, Some(ContainerRet::Taken(value))) if erased(value) => return None,
            (_, Some(ContainerRet::Drained(drained))) => {
                let left = drained.iter().filter(|value| !erased(value)).cloned().collect();
                kept.completion = Completion::Ok(ContainerRet::Drained(left));
            }
            _ => {}
        }
        Some(kept)
    };
    operations.iter().map(kept).collect()
}
