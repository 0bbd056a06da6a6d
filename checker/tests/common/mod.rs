//! What the property tests share: numbers from a seed, brute force, and checks of orders and edges.

use squall_checker::{Completion, EdgeKind, History, Operation, Spec, Violation};

mod cases;
mod random;
pub(crate) use cases::cases;
pub(crate) use random::Random;

/// Whether some order of all completed and some indeterminate operations is legal: tries them all.
pub(crate) fn brute_force<S: Spec>(spec: &S, operations: &[Operation<S::Op, S::Ret>]) -> bool {
    let step = |state: &S::State, operation: &Operation<S::Op, S::Ret>| {
        spec.step(state, &operation.op, operation.ret()).into_iter().collect()
    };
    brute_force_by(&spec.init(), &step, operations)
}

/// The same where an operation may lead to any of several states.
pub(crate) fn brute_force_by<T, O, R>(
    start: &T,
    step: &impl Fn(&T, &Operation<O, R>) -> Vec<T>,
    operations: &[Operation<O, R>],
) -> bool
where
    R: PartialEq,
{
    fn extend<T, O, R: PartialEq>(
        step: &impl Fn(&T, &Operation<O, R>) -> Vec<T>,
        operations: &[Operation<O, R>],
        used: u32,
        state: &T,
    ) -> bool {
        let left = |index: usize| used >> index & 1 == 0;
        let required = |operation: &Operation<O, R>| matches!(operation.completion, Completion::Ok(_));
        if operations.iter().enumerate().all(|(index, operation)| !left(index) || !required(operation)) {
            return true;
        }
        operations.iter().enumerate().any(|(index, operation)| {
            let free = left(index)
                && operation.completion != Completion::Fail
                && !operations.iter().enumerate().any(|(other, earlier)| {
                    left(other) && required(earlier) && earlier.returned.unwrap() < operation.invoked
                });
            free && step(state, operation)
                .iter()
                .any(|next| extend(step, operations, used | 1 << index, next))
        })
    }
    extend(step, operations, 0, start)
}

pub(crate) fn history<O: Clone, R: Clone>(operations: &[Operation<O, R>]) -> History<O, R> {
    let placed = operations.iter().cloned().enumerate();
    History::from_intervals(placed.map(|(place, operation)| (place as u64, operation)).collect()).unwrap()
}

/// A certificate, checked without the search: every completed operation once, in real time, legal.
pub(crate) fn verify_order<S: Spec>(spec: &S, operations: &[&Operation<S::Op, S::Ret>], order: &[u32]) {
    let mut state = spec.init();
    for (position, index) in order.iter().enumerate() {
        let operation = operations[*index as usize];
        assert_ne!(operation.completion, Completion::Fail);
        assert!(!order[..position].contains(index), "once");
        let later = &order[position + 1..];
        assert!(!later.iter().any(|other| operations[*other as usize].precedes(operation)), "in real time");
        state = spec.step(&state, &operation.op, operation.ret()).expect("legal");
    }
    for (index, operation) in operations.iter().enumerate() {
        let required = matches!(operation.completion, Completion::Ok(_));
        assert!(!required || order.contains(&u32::try_from(index).unwrap()), "all");
    }
}

/// What can be said of edges without knowing why they were drawn.
pub(crate) fn verify_edges<O, R>(history: &History<O, R>, violation: &Violation) {
    assert!(violation.operations.is_sorted() && !violation.operations.is_empty());
    assert!(!violation.message.is_empty() && !violation.steps.is_empty());
    for (edge, next) in violation.edges.iter().zip(violation.edges.iter().cycle().skip(1)) {
        assert_eq!(edge.to, next.from, "a cycle: {violation:#?}");
        assert!(violation.operations.contains(&edge.from));
        assert!(edge.evidence.iter().all(|id| violation.operations.contains(id)));
        let (from, to) = (history.get(edge.from), history.get(edge.to));
        assert!(edge.kind != EdgeKind::RealTime || from.precedes(to), "{violation:#?}");
    }
}
