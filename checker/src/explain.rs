//! Why a partition is not linearizable: a small counterexample and the argument in words.
//!
//! The specification is asked first; where it cannot name the anomaly from all operations, it is asked again with the
//! few that sound reductions leave. It is total: where nothing names the anomaly, the words say how far a legal order
//! gets.

use crate::certificate::Proof;
use crate::history::{Indexed, OpId};
use crate::linearizable::NAME;
use crate::shrink::Shrink;
use crate::spec::Spec;
use crate::verdict::{Bounds, Violation};
use crate::words::{brief, by};

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
        (_, Some(few)) if in_full => {
            let few: Vec<_> = few.operations.iter().map(|(id, operation)| (*id, operation)).collect();
            assert!(!few.is_empty(), "an illegal history has operations");
            let told = spec.explain(key, operations, &few);
            told.unwrap_or_else(|| in_words(spec, key, operations, &few, &mut shrink))
        }
        _ => named(key, operations, "no order of its operations is legal".to_owned(), Vec::new()),
    };
    Explanation { violation, proof }
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
