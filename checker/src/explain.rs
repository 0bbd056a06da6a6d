//! Why a partition is not linearizable: a small counterexample and the argument in words.
//!
//! The specification is asked first; where it cannot name the anomaly from all operations, it is asked again with the
//! few that sound reductions leave. It is total: where nothing names the anomaly, the words say how far a legal order
//! gets.

use crate::certificate::Proof;
use crate::history::{Indexed, OpId, Operation};
use crate::linearizable::NAME;
use crate::shrink::{Few, Shrink};
use crate::spec::Spec;
use crate::verdict::{Bounds, Violation};
use crate::words::{brief, by, by_of, impossible_since};

/// Steps listed of a long order.
const LISTED_MAX: usize = 20;

/// Why a partition is illegal.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// In words.
    pub violation: Violation,
    /// As a proof, where [`Bounds::certificates`] asks for one.
    pub proof: Option<Proof>,
}

/// Explains an illegal partition, whose operations are given in the order of their invocations. `in_full`:
/// otherwise only that it is illegal is said, at no cost.
pub fn explain<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    in_full: bool,
    bounds: &Bounds<'_>,
) -> Explanation {
    let mut shrink = Shrink::new(spec, bounds);
    let told = if in_full || bounds.certificates { spec.explain(key, operations, &[]) } else { None };
    let hint = told.as_ref().map_or(&[][..], |violation| &violation.operations);
    let few = if bounds.certificates || (in_full && told.is_none()) {
        Some(shrink.few(operations, hint))
    } else {
        None
    };
    let proof =
        few.as_ref().filter(|_| bounds.certificates).map(|few| Proof::Reductions(few.reductions.clone()));
    let violation = match (told, few) {
        (Some(violation), _) if in_full => violation,
        (_, Some(few)) if in_full => told_of_few(spec, key, operations, &few, &mut shrink),
        _ => named(key, operations, "no order of its operations is legal".to_owned(), Vec::new()),
    };
    Explanation { violation, proof }
}

/// Explains a partition by the few operations that reductions left.
fn told_of_few<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    few: &Few<S>,
    shrink: &mut Shrink<'_, '_, S>,
) -> Violation {
    let ids: Vec<_> = few.operations.iter().map(|(id, operation)| (*id, operation)).collect();
    assert!(!ids.is_empty(), "an illegal history has operations");
    let told = spec.explain(key, operations, &ids);
    let mut violation = told.unwrap_or_else(|| in_words(spec, key, operations, &ids, shrink));
    // Without a cut the whole history is needed, up to its last return.
    let last = few.operations.iter().filter_map(|(_, operation)| operation.returned).max();
    if let Some(stamp) = few.until.into_iter().chain(last).min() {
        impossible_since(spec, &mut violation, operations, stamp);
    }
    if few.bounded {
        let ended = "fewer operations may do: the search for them ended after as many steps as it may take";
        violation.steps.push(ended.to_owned());
    }
    violation
}

/// The longest legal order, the state after each of its steps, and why what is due then does not fit.
fn in_words<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    few: &[Indexed<'_, S::Op, S::Ret>],
    shrink: &mut Shrink<'_, '_, S>,
) -> Violation {
    // Reductions may have changed what the few returned; what they are about is what they really returned.
    let real: Vec<Indexed<'_, S::Op, S::Ret>> =
        few.iter().filter_map(|(id, _)| find(operations, *id)).collect();
    let refs: Vec<_> = few.iter().map(|(_, operation)| *operation).collect();
    let described = |operation: &Operation<S::Op, S::Ret>| spec.describe(&operation.op, operation.ret());
    let words = |at: usize| match (few[at], described(few[at].1)) {
        ((id, _), taken) if taken != described(real[at].1) => format!("{id} as {}", brief(&taken)),
        (whole, _) => by_of(spec, whole, refs.iter().copied()),
    };
    let start = brief(&spec.describe_state(&spec.init()));
    let mut message = match real.as_slice() {
        [(_, alone)] => format!("{} is not possible: the state is {start} at first", by(spec, alone)),
        _ => format!("no order of these {} operations is possible", few.len()),
    };
    let mut steps = Vec::new();
    if few.iter().zip(&real).any(|((_, one), (_, other))| described(one) != described(other)) {
        steps.push("what plays no part was left out of the values below".to_owned());
    }
    let longest = if few.len() > 1 { shrink.search.longest_legal(&refs, shrink.bounds) } else { None };
    if let Some(order) = longest {
        let reached = order.last().map_or(&start, |(_, state)| state);
        message += &format!(
            "; the longest that is possible has {} of them and leads to the state {}",
            order.len(),
            brief(reached)
        );
        steps.push(format!("the state is {start} at first"));
        for (index, state) in order.iter().take(LISTED_MAX) {
            steps.push(format!("{}: the state is {}", words(*index as usize), brief(state)));
        }
        if order.len() > LISTED_MAX {
            steps.push(format!("… {} more, then the state is {}", order.len() - LISTED_MAX, brief(reached)));
        }
        let ordered = |at: usize| order.iter().any(|(index, _)| *index as usize == at);
        let left =
            || refs.iter().enumerate().filter(|(at, operation)| !ordered(*at) && operation.ret().is_some());
        let due = left().filter_map(|(_, operation)| operation.returned).min().unwrap_or(u64::MAX);
        for (at, _) in left().filter(|(_, operation)| operation.invoked <= due).take(LISTED_MAX) {
            steps.push(format!("{} does not fit: the state is {}", words(at), brief(reached)));
        }
    }
    named(key, few, message, steps)
}

fn find<'h, O, R>(operations: &[Indexed<'h, O, R>], id: OpId) -> Option<Indexed<'h, O, R>> {
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
