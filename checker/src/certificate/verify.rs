//! Checks certificates: replays an order; applies reductions, then tries all orders of what they leave.
//!
//! Everything is recomputed from the history, the specification and the rules of [`Reduction`]. It shares no code
//! with the searches, the blocks, or the explanations, which make what it checks. What it takes from a specification
//! is its definition: [`Spec::init`], [`Spec::step`], [`Spec::advance`], [`Spec::partition`], [`Spec::is_read_only`], [`Spec::reduce`].

use rustc_hash::FxHashSet;

use super::{Certificate, Proof, Reduction};
use crate::history::{Completion, History, Indexed, OpId, Reduced};
use crate::spec::Spec;
use crate::verdict::{CheckOutcome, Verdict};

/// Positions that are tried of what reductions leave, at most.
const POSITIONS_MAX: usize = 1_000_000;
/// The same, times the operations that each of them looks at: bounds the time, and the memory with it.
const LOOKS_MAX: usize = 2_000_000_000;

/// An operation as reductions leave it.
type ReducedOf<S> = Reduced<<S as Spec>::Op, <S as Spec>::Ret>;

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The order has an operation that did not take effect, is of another partition, or stands in it already.
    #[error("the order has {0} where it has no place: it failed, is not of this partition, or stands twice")]
    Misplaced(OpId),
    /// A completed operation is not in the order.
    #[error("the order lacks {0}, which completed")]
    Missing(OpId),
    /// The order contradicts real time.
    #[error("the order has {0} behind an operation that began only after it had finished")]
    RealTime(OpId),
    /// The specification does not allow an operation where the order has it.
    #[error("the order is not legal: {operation} is not allowed in the state {state}")]
    Illegal {
        /// The operation.
        operation: OpId,
        /// The state before it, in words.
        state: String,
    },
    /// A reduction is not sound here, or the specification knows none of its kind.
    #[error("reduction {0} is not sound for these operations")]
    Unsound(usize),
    /// What the reductions leave has a legal order.
    #[error("what the reductions leave has a legal order, so they prove nothing")]
    Possible,
    /// What the reductions leave is too much to try all orders.
    #[error(
        "what the reductions leave is too large to verify: {operations} operations, {positions} positions tried"
    )]
    TooLarge {
        /// Operations left.
        operations: usize,
        /// Positions tried.
        positions: usize,
    },
    /// No certificates are given for verdicts of this kind.
    #[error("there is no certificate: {0}")]
    NoCertificates(&'static str),
    /// The verdict on the whole is not that on its partitions.
    #[error("the history is said to be {0}, which is not what its partitions are said to be")]
    Whole(Verdict),
    /// A partition's verdict is not what its certificate proves, or a partition has no verdict at all.
    #[error("partition {partition} is said to be {}", .verdict.map_or("nothing".to_owned(), |verdict| format!("{verdict}, which its certificate does not prove")))]
    Unsupported {
        /// The partition.
        partition: String,
        /// Its verdict, if it has one.
        verdict: Option<Verdict>,
    },
}

/// Checks one partition's certificate against the whole history.
///
/// # Errors
/// [`NotProven`] if it does not prove what it claims.
pub fn verify<S: Spec>(
    spec: &S,
    history: &History<S::Op, S::Ret>,
    certificate: &Certificate,
) -> Result<(), NotProven> {
    let of_it = |op: &S::Op| {
        spec.partition(op).map_or(certificate.partition.is_empty(), |name| name == certificate.partition)
    };
    let operations: Vec<_> = history.iter().filter(|(_, operation)| of_it(&operation.op)).collect();
    check(spec, &operations, &certificate.proof)
}

/// Checks that every verdict of an outcome is proven by a certificate; those that are unknown claim nothing.
///
/// # Errors
/// [`NotProven`] if a verdict is not proven.
pub fn verify_all<S: Spec>(
    spec: &S,
    history: &History<S::Op, S::Ret>,
    outcome: &CheckOutcome,
) -> Result<(), NotProven> {
    follows_from_parts(outcome)?;
    let mut partitions = history.partitions(|op| spec.partition(op));
    for judged in &outcome.partitions {
        let unsupported =
            || NotProven::Unsupported { partition: judged.key.clone(), verdict: Some(judged.verdict) };
        let ids = partitions.swap_remove(judged.key.as_str()).ok_or_else(unsupported)?;
        let operations: Vec<_> = ids.into_iter().map(|id| (id, history.get(id))).collect();
        let proof = judged.certificate.as_ref().map(|certificate| &certificate.proof);
        match (judged.verdict, proof) {
            (Verdict::Unknown, _) => {}
            (Verdict::Valid | Verdict::Vacuous, Some(proof @ Proof::Order(_)))
            | (Verdict::Invalid, Some(proof @ Proof::Reductions(_))) => check(spec, &operations, proof)?,
            _ => return Err(unsupported()),
        }
    }
    match partitions.into_keys().next() {
        None => Ok(()),
        Some(partition) => Err(NotProven::Unsupported { partition: partition.into_owned(), verdict: None }),
    }
}

/// Whether the verdict on the whole is no better and no worse than those on its partitions.
pub(crate) fn follows_from_parts(outcome: &CheckOutcome) -> Result<(), NotProven> {
    let worst = outcome.partitions.iter().map(|part| part.verdict).max().unwrap_or(Verdict::Valid);
    let follows = match outcome.verdict {
        Verdict::Unknown => true,
        Verdict::Invalid => worst == Verdict::Invalid,
        Verdict::Valid | Verdict::Vacuous => worst < Verdict::Unknown,
    };
    if follows { Ok(()) } else { Err(NotProven::Whole(outcome.verdict)) }
}

/// Checks a proof about operations that are given in the order of their invocations.
pub(crate) fn check<S: Spec>(
    spec: &S,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    proof: &Proof,
) -> Result<(), NotProven> {
    match proof {
        Proof::Order(order) => replay(spec, operations, order),
        Proof::Reductions(reductions) => exhaust(spec, &left(spec, operations, reductions)?),
    }
}

/// Whether an order is legal, keeps real time, and has every completed operation once.
fn replay<S: Spec>(
    spec: &S,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    order: &[OpId],
) -> Result<(), NotProven> {
    let mut due: Vec<bool> =
        operations.iter().map(|(_, operation)| operation.completion != Completion::Fail).collect();
    let (mut state, mut latest_call) = (spec.init(), 0);
    for id in order {
        let place = operations.binary_search_by_key(id, |(id, _)| *id).ok();
        let place = place.filter(|place| due[*place]).ok_or(NotProven::Misplaced(*id))?;
        due[place] = false;
        let operation = operations[place].1;
        if operation.returned.is_some_and(|returned| returned < latest_call) {
            return Err(NotProven::RealTime(*id));
        }
        latest_call = latest_call.max(operation.invoked);
        if !spec.advance(&mut state, &operation.op, operation.ret()) {
            return Err(NotProven::Illegal { operation: *id, state: spec.describe_state(&state) });
        }
    }
    let missing = operations.iter().zip(due).find(|((_, operation), due)| *due && operation.ret().is_some());
    missing.map_or(Ok(()), |((id, _), _)| Err(NotProven::Missing(*id)))
}

/// What the reductions leave of one partition's operations, in the order of their invocations.
///
/// # Errors
/// [`NotProven::Unsound`] if one of them is not sound here.
pub fn left<S: Spec>(
    spec: &S,
    operations: &[Indexed<'_, S::Op, S::Ret>],
    reductions: &[Reduction],
) -> Result<Vec<ReducedOf<S>>, NotProven> {
    let happened = operations.iter().filter(|(_, operation)| operation.completion != Completion::Fail);
    let mut left: Vec<_> = happened.map(|(id, operation)| (*id, (*operation).clone())).collect();
    for (number, reduction) in reductions.iter().enumerate() {
        left = reduced(spec, &left, reduction).ok_or(NotProven::Unsound(number))?;
    }
    Ok(left)
}

/// What one reduction leaves; `None` if it is not sound here.
pub(crate) fn reduced<S: Spec>(
    spec: &S,
    operations: &[ReducedOf<S>],
    reduction: &Reduction,
) -> Option<Vec<ReducedOf<S>>> {
    match reduction {
        Reduction::Until { stamp } => {
            let begun = operations.iter().filter(|(_, operation)| operation.invoked <= *stamp);
            let mut left: Vec<_> = begun.cloned().collect();
            for (_, operation) in &mut left {
                if operation.returned.is_some_and(|returned| returned > *stamp) {
                    (operation.returned, operation.completion) = (None, Completion::Info);
                }
            }
            Some(left)
        }
        Reduction::ReadOnly { kept } => {
            let stays = |(id, operation): &&ReducedOf<S>| {
                kept.binary_search(id).is_ok() || !spec.is_read_only(&operation.op, operation.ret())
            };
            Some(operations.iter().filter(stays).cloned().collect())
        }
        Reduction::Blind { .. }
        | Reduction::Overwritten
        | Reduction::Unseen { .. }
        | Reduction::Only { .. } => spec.reduce(operations, reduction),
    }
}

/// Tries all orders: no one that has every completed operation may be legal. What was tried from a set of operations
/// and a state is not tried again; that is all it knows of searching.
fn exhaust<S: Spec>(spec: &S, operations: &[ReducedOf<S>]) -> Result<(), NotProven> {
    let start = (vec![0u64; operations.len().div_ceil(64)], spec.init());
    let mut tried = FxHashSet::default();
    let mut pending = vec![start.clone()];
    tried.insert(start);
    let positions_max = POSITIONS_MAX.min(LOOKS_MAX / operations.len().max(1));
    while let Some((done, state)) = pending.pop() {
        let open = || operations.iter().enumerate().filter(|(at, _)| done[at / 64] >> (at % 64) & 1 == 0);
        let required = open().filter(|(_, (_, operation))| operation.ret().is_some());
        let Some(first_return) = required.filter_map(|(_, (_, operation))| operation.returned).min() else {
            return Err(NotProven::Possible);
        };
        for (at, (_, operation)) in open().filter(|(_, (_, operation))| operation.invoked <= first_return) {
            let Some(next) = spec.step(&state, &operation.op, operation.ret()) else { continue };
            let mut done = done.clone();
            done[at / 64] |= 1 << (at % 64);
            if tried.insert((done.clone(), next.clone())) {
                pending.push((done, next));
            }
        }
        if tried.len() > positions_max {
            return Err(NotProven::TooLarge { operations: operations.len(), positions: tried.len() });
        }
    }
    Ok(())
}
