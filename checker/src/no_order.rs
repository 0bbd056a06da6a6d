//! Why a monitor gives no order, and what becomes of its answer.
//!
//! Nothing that a monitor says is taken on trust: an order is replayed, the claims of a refutation are looked at again,
//! both by code that shares nothing with what made them. Where either fails, the search decides.

use std::fmt::Debug;

use crate::spec::Direct;

/// Why there is no order.
#[derive(Debug)]
pub(crate) enum NoOrder<R> {
    /// None is legal.
    Refuted(R),
    /// The operations are not of the kind that can be decided here.
    Unclear,
}

impl<R> From<R> for NoOrder<R> {
    fn from(refutation: R) -> Self {
        Self::Refuted(refutation)
    }
}

/// What is known after a monitor's answer; `holds`: whether what a refutation claims is so, `witnesses`: the operations
/// that it rests on.
pub(crate) fn decided<R: Debug>(
    answer: Result<Vec<u32>, NoOrder<R>>,
    is_legal: impl FnOnce(&[u32]) -> bool,
    holds: impl FnOnce(&R) -> bool,
    witnesses: impl FnOnce(&R) -> Vec<u32>,
) -> Option<Direct> {
    match answer {
        Ok(order) => {
            let legal = is_legal(&order);
            debug_assert!(legal, "the order that was found is legal");
            legal.then_some(Direct::Legal(order))
        }
        Err(NoOrder::Refuted(refutation)) => {
            let holds = holds(&refutation);
            debug_assert!(holds, "the witnesses show what is claimed: {refutation:?}");
            holds.then(|| Direct::Illegal(witnesses(&refutation)))
        }
        Err(NoOrder::Unclear) => None,
    }
}
