//! Replays the order that a monitor found: nothing of how it was found is needed to check it.

use crate::history::{Completion, Operation};
use crate::spec::Spec;

/// Whether an order is legal, respects real time, and has every completed operation once and no failed one.
pub(super) fn is_legal<S: Spec>(spec: &S, operations: &[&Operation<S::Op, S::Ret>], order: &[u32]) -> bool {
    has_all(operations, order) && respects_real_time(operations, order) && replays(spec, operations, order)
}

fn has_all<O, R>(operations: &[&Operation<O, R>], order: &[u32]) -> bool {
    let mut ordered = vec![false; operations.len()];
    let once = order.iter().all(|index| {
        let there = ordered.get_mut(*index as usize);
        there.is_some_and(|there| !std::mem::replace(there, true))
    });
    once && operations.iter().zip(ordered).all(|(operation, ordered)| match operation.completion {
        Completion::Ok(_) => ordered,
        Completion::Fail => !ordered,
        Completion::Info => true,
    })
}

/// Nothing had returned before something in front of it was invoked.
fn respects_real_time<O, R>(operations: &[&Operation<O, R>], order: &[u32]) -> bool {
    let mut earliest_return = u64::MAX;
    order.iter().rev().all(|index| {
        let operation = operations[*index as usize];
        earliest_return = earliest_return.min(operation.returned.unwrap_or(u64::MAX));
        operation.invoked <= earliest_return
    })
}

fn replays<S: Spec>(spec: &S, operations: &[&Operation<S::Op, S::Ret>], order: &[u32]) -> bool {
    let mut state = spec.init();
    order.iter().all(|index| {
        let operation = operations[*index as usize];
        spec.advance(&mut state, &operation.op, operation.ret())
    })
}
