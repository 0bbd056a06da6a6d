//! Counters: numbers are added, and the sum is read.
//!
//! Every read bounds from below and above by the additions that must, and that can, have come before it (Jepsen's
//! check of counters): what is outside is illegal. Where all additions add the same number, the same bounds between
//! any two reads are exact, and the monitor finds an order in `O(n log n)`; with different numbers, which of them a
//! read has seen is a sum to be searched for.

mod monitor;
mod recorded;
mod words;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Keyed, replay};
use crate::history::{Indexed, Operation};
use crate::no_order::{self, NoOrder};
use crate::spec::{Direct, Spec};
use crate::verdict::Violation;

pub(crate) use recorded::COUNTER;

/// What is done to a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CounterAction {
    /// Add to it.
    Add {
        /// How much; it may be negative.
        amount: i64,
    },
    /// Read the sum.
    Read,
}

/// What an operation on a counter returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CounterRet {
    /// An addition.
    Done,
    /// A read: the sum.
    Sum(i64),
}

/// What is done, and to which counter.
pub type CounterOp = Keyed<CounterAction>;

type CounterOperation = Operation<CounterOp, CounterRet>;

/// The specification of a counter, which begins at zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

impl Spec for Counter {
    type Op = CounterOp;
    type Ret = CounterRet;
    /// Wide enough for as many additions as a history can hold.
    type State = i128;

    fn init(&self) -> i128 {
        0
    }

    fn step(&self, sum: &i128, op: &CounterOp, ret: Option<&CounterRet>) -> Option<i128> {
        match (&op.action, ret) {
            (CounterAction::Add { amount }, None | Some(CounterRet::Done)) => Some(sum + i128::from(*amount)),
            (CounterAction::Read, None) => Some(*sum),
            (CounterAction::Read, Some(CounterRet::Sum(told))) => (i128::from(*told) == *sum).then_some(*sum),
            _ => None,
        }
    }

    fn partition<'a>(&self, op: &'a CounterOp) -> Option<Cow<'a, str>> {
        op.partition()
    }

    fn is_read_only(&self, op: &CounterOp, _ret: Option<&CounterRet>) -> bool {
        matches!(op.action, CounterAction::Read | CounterAction::Add { amount: 0 })
    }

    fn decide_directly(&self, operations: &[&CounterOperation]) -> Option<Direct> {
        no_order::decided(
            monitor::order(operations),
            |order| replay::is_legal(self, operations, order),
            |refutation| refutation.holds(operations),
            |refutation| refutation.witnesses(),
        )
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, CounterOp, CounterRet>],
        _few: &[Indexed<'_, CounterOp, CounterRet>],
    ) -> Option<Violation> {
        let bare: Vec<&CounterOperation> = operations.iter().map(|(_, operation)| *operation).collect();
        match monitor::order(&bare) {
            Err(NoOrder::Refuted(refutation)) if refutation.holds(&bare) => {
                Some(words::violation(self, key, operations, &refutation))
            }
            _ => None,
        }
    }

    fn describe(&self, op: &CounterOp, ret: Option<&CounterRet>) -> String {
        let words = match &op.action {
            CounterAction::Add { amount } => format!("{} {amount}", op.words("add")),
            CounterAction::Read => op.words("read"),
        };
        match ret {
            Some(CounterRet::Sum(sum)) => format!("{words} -> {sum}"),
            None | Some(CounterRet::Done) => words,
        }
    }
}
