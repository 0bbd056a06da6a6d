//! Why a partition is not linearizable: a small counterexample and the argument in words.
//!
//! Illegality is not monotone: leaving out a write makes its reader illegal. So only sound reductions are used
//! (if what is left is illegal, so is the original), each confirmed by the search: cutting the history off in
//! time, leaving out read-only operations, and what [`Spec::erase`] erases. It is total: where nothing names the
//! anomaly, the words say how far a legal order gets.

use crate::history::{Completion, Indexed, OpId, Operation};
use crate::linearizable::NAME;
use crate::search::{Decision, Search};
use crate::spec::Spec;
use crate::verdict::{Bounds, Violation};
use crate::words::{brief, by};

/// Search steps for the reductions of one partition, at most; what is left then is explained as it is.
const STEPS_MAX: u64 = 500_000;
/// Steps listed of a long order.
const LISTED_MAX: usize = 20;

type Owned<S> = (OpId, Operation<<S as Spec>::Op, <S as Spec>::Ret>);

/// Explains an illegal partition, whose operations are given in the order of their invocations. `in_full`:
/// otherwise only that it is illegal is said, at no cost.
pub fn explain<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    in_full: bool,
    bounds: &Bounds<'_>,
) -> Violation {
    if !in_full {
        return named(key, operations, "no order of its operations is legal".to_owned(), Vec::new());
    }
    if let Some(violation) = spec.explain(key, operations, &[]) {
        return violation;
    }
    let mut shrink = Shrink::new(spec, bounds);
    let few = shrink.few(operations);
    let few: Vec<Indexed<'_, S::Op, S::Ret>> = few.iter().map(|(id, operation)| (*id, operation)).collect();
    assert!(!few.is_empty(), "an illegal history has operations");
    if let Some(violation) = spec.explain(key, operations, &few) {
        return violation;
    }
    in_words(spec, key, operations, &few, &mut shrink)
}

fn in_words<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    few: &[Indexed<'_, S::Op, S::Ret>],
    shrink: &mut Shrink<'_, '_, S>,
) -> Violation {
    // Erasing may have changed what the few returned; the argument is about what they really returned.
    let real: Vec<Indexed<'_, S::Op, S::Ret>> =
        few.iter().filter_map(|(id, _)| find(operations, *id)).collect();
    let refs: Vec<_> = few.iter().map(|(_, operation)| *operation).collect();
    let start = brief(&spec.describe_state(&spec.init()));
    let count = few.len();
    let mut steps = vec![format!("the state is {start} at first")];
    let mut message = match real.as_slice() {
        [(_, alone)] => format!("{} is not legal in any order", by(spec, alone)),
        _ => format!("no order of these {count} operations is legal"),
    };
    if let Some(order) = shrink.search.longest_legal(&refs, shrink.bounds) {
        let reached = order.last().map_or(start, |(_, state)| brief(state));
        if count > 1 {
            message +=
                &format!("; the longest legal order has {} of them and gets to {reached}", order.len());
        }
        for (index, state) in order.iter().take(LISTED_MAX) {
            let (id, operation) = few[*index as usize];
            steps.push(format!("{id} {}: the state is {}", by(spec, operation), brief(state)));
        }
        if order.len() > LISTED_MAX {
            steps.push(format!("… {} more", order.len() - LISTED_MAX));
        }
        let left = few.iter().enumerate().filter(|(at, (_, operation))| {
            operation.ret().is_some() && !order.iter().any(|(index, _)| *index as usize == *at)
        });
        for (_, (id, operation)) in left.take(LISTED_MAX) {
            steps
                .push(format!("{id} {} fits neither here nor in any other legal order", by(spec, operation)));
        }
    }
    named(key, few, message, steps)
}

fn find<'h, O, R>(
    operations: &[(OpId, &'h Operation<O, R>)],
    id: OpId,
) -> Option<(OpId, &'h Operation<O, R>)> {
    operations.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| operations[at])
}

fn named<O, R>(
    key: &str,
    operations: &[Indexed<'_, O, R>],
    message: String,
    steps: Vec<String>,
) -> Violation {
    let steps = if steps.is_empty() { vec![message.clone()] } else { steps };
    Violation {
        check: NAME.to_owned(),
        kind: "not-linearizable".to_owned(),
        key: (!key.is_empty()).then(|| key.to_owned()),
        message,
        operations: operations.iter().map(|(id, _)| *id).collect(),
        edges: Vec::new(),
        steps,
    }
}

/// The reductions, and the search that confirms them.
struct Shrink<'s, 'b, S: Spec> {
    spec: &'s S,
    search: Search<'s, S>,
    bounds: &'b Bounds<'b>,
    steps: u64,
}

impl<'s, 'b, S: Spec> Shrink<'s, 'b, S> {
    fn new(spec: &'s S, bounds: &'b Bounds<'b>) -> Self {
        Self { spec, search: Search::new(spec), bounds, steps: STEPS_MAX.min(bounds.steps_max) }
    }

    /// Whether these are certainly illegal, within what is left of the steps.
    fn illegal(&mut self, operations: &[Owned<S>]) -> bool {
        if self.steps == 0 {
            return false;
        }
        let operations: Vec<_> = operations.iter().map(|(_, operation)| operation).collect();
        let decision =
            self.search.decide(&operations, &Bounds { steps_max: self.steps, ..self.bounds.clone() });
        // Every attempt costs at least its length, so that many cheap ones come to an end too.
        let cost = self.search.steps() + operations.len() as u64;
        self.steps = self.steps.saturating_sub(cost);
        matches!(decision, Decision::Illegal { .. })
    }

    /// As few of the operations as the reductions leave.
    fn few(&mut self, operations: &[Indexed<'_, S::Op, S::Ret>]) -> Vec<Owned<S>> {
        let failed = |operation: &Operation<S::Op, S::Ret>| matches!(operation.completion, Completion::Fail);
        let mut left: Vec<Owned<S>> = operations
            .iter()
            .filter(|(_, operation)| !failed(operation))
            .map(|(id, operation)| (*id, (*operation).clone()))
            .collect();
        self.cut_off(&mut left);
        loop {
            let before = left.len();
            self.without_unobserved(&mut left);
            self.without_read_only(&mut left);
            self.erased(&mut left);
            self.cut_off(&mut left);
            if left.len() == before {
                return left;
            }
        }
    }

    /// Cuts the history off at the first return at which it is illegal: what was open there may or may not have
    /// taken effect, what began later vanishes. Any longer history is illegal too, so the cut is found by halving.
    fn cut_off(&mut self, left: &mut Vec<Owned<S>>) {
        let mut returns: Vec<u64> = left.iter().filter_map(|(_, operation)| operation.returned).collect();
        returns.sort_unstable();
        returns.dedup();
        // Illegal at `high`, which is the whole history at first.
        let (mut low, mut high) = (0, returns.len().saturating_sub(1));
        let mut shortest = None;
        while low < high {
            let middle = usize::midpoint(low, high);
            let cut = until(left, returns[middle]);
            if self.illegal(&cut) {
                high = middle;
                shortest = Some(cut);
            } else {
                low = middle + 1;
            }
        }
        if let Some(cut) = shortest {
            *left = cut;
        }
    }

    fn without_unobserved(&mut self, left: &mut Vec<Owned<S>>) {
        let operations: Vec<_> = left.iter().map(|(_, operation)| operation).collect();
        let mut unobserved = self.spec.unobserved(&operations).into_iter();
        left.retain(|_| !unobserved.next().unwrap_or(false));
    }

    /// Leaves out read-only operations, in halves, quarters and so on.
    fn without_read_only(&mut self, left: &mut Vec<Owned<S>>) {
        let mut chunk = left.len().div_ceil(2);
        while chunk > 0 {
            let mut end = left.len();
            while end > 0 {
                let start = end.saturating_sub(chunk);
                let fewer: Vec<Owned<S>> = left
                    .iter()
                    .enumerate()
                    .filter(|(at, (_, operation))| {
                        let within = (start..end).contains(at);
                        !(within && self.spec.is_read_only(&operation.op, operation.ret()))
                    })
                    .map(|(_, owned)| owned.clone())
                    .collect();
                if fewer.len() < left.len() && self.illegal(&fewer) {
                    *left = fewer;
                }
                end = start.min(left.len());
            }
            chunk /= 2;
        }
    }

    /// Erases units of the specification, in halves, quarters and so on.
    fn erased(&mut self, left: &mut Vec<Owned<S>>) {
        let units = |spec: &S, left: &[Owned<S>]| {
            spec.erasable(&left.iter().map(|(_, operation)| operation).collect::<Vec<_>>())
        };
        let mut chunk = units(self.spec, left).div_ceil(2);
        while chunk > 0 {
            let mut end = units(self.spec, left);
            while end > 0 && self.steps > 0 {
                let start = end.saturating_sub(chunk);
                let operations: Vec<_> = left.iter().map(|(_, operation)| operation).collect();
                let kept = self.spec.erase(&operations, start..end);
                assert_eq!(kept.len(), left.len(), "one entry per operation");
                let fewer: Vec<Owned<S>> =
                    left.iter().zip(kept).filter_map(|((id, _), kept)| Some((*id, kept?))).collect();
                if fewer.len() < left.len() && self.illegal(&fewer) {
                    *left = fewer;
                }
                end = start.min(units(self.spec, left));
            }
            chunk /= 2;
        }
    }
}

/// What of a history was known at `stamp`.
fn until<O: Clone, R: Clone>(
    operations: &[(OpId, Operation<O, R>)],
    stamp: u64,
) -> Vec<(OpId, Operation<O, R>)> {
    let begun = operations.iter().filter(|(_, operation)| operation.invoked <= stamp);
    let mut cut: Vec<_> = begun.cloned().collect();
    for (_, operation) in &mut cut {
        if operation.returned.is_some_and(|returned| returned > stamp) {
            operation.returned = None;
            operation.completion = Completion::Info;
        }
    }
    cut
}
