//! Certificates: what proves a verdict, small enough to be stored, plain enough to be checked by [`verify`].
//!
//! Linearizable: a legal order. Not linearizable: sound reductions (where the operations before one have a legal
//! order, those after it have one) that leave a few operations, of which trying all orders shows that none is legal.
//! A certificate claims no more than that: what a reduction leaves is computed by who checks it. How verdicts are
//! found is not known here.

mod reduce;
mod verify;

use serde::{Deserialize, Serialize};

use crate::history::OpId;
use crate::value::Value;

pub(crate) use reduce::{reduce, units};
pub use verify::{NotProven, left, verify, verify_all};
pub(crate) use verify::{check, follows_from_parts, reduced};

/// The proof of one partition's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The partition's name: a key, or empty.
    pub partition: String,
    /// The proof.
    pub proof: Proof,
}

/// Why a partition is linearizable, or why it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It is: this order is legal. Every completed operation stands in it once, and the indeterminate ones that it
    /// needs.
    Order(Vec<OpId>),
    /// It is not: these reductions, one after the other, leave a few operations, of which no order is legal.
    Reductions(Vec<Reduction>),
}

/// A sound reduction: where the operations before it have a legal order, those after it have one. Hence if those
/// after it have none, neither had those before it.
///
/// Illegality is not monotone: just leaving out a write makes its readers illegal. Each of these says why it is
/// sound; operations in `kept` are spared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reduction")]
pub enum Reduction {
    /// What was known at this stamp. What had not returned is indeterminate: the part of a legal order until the
    /// last operation that had returned is legal, and nothing in it began later.
    Until {
        /// The stamp; what returned at it had returned.
        stamp: u64,
    },
    /// Without operations that change nothing: what follows them is as legal without.
    ReadOnly {
        /// Those that stay.
        kept: Vec<OpId>,
    },
    /// Operations forget what they saw: a swap becomes a write. What asks for less is legal where it was.
    Blind {
        /// Those that remember.
        kept: Vec<OpId>,
    },
    /// Without writes that had returned before an acknowledged overwrite began, where everything that depends on the
    /// state and is left had returned before the write began, or began after the overwrite had returned: whatever
    /// the write did, it was overwritten unseen.
    Overwritten,
    /// Without writes of which nothing that is left can have seen a trace: up to the next overwrite nothing
    /// observes the state, and behind it nothing depends on them. Only where nothing observes an absence.
    Unseen {
        /// Those that stay.
        kept: Vec<OpId>,
    },
    /// Every element but these is erased wherever it stands: out of what was written and out of what was read. What
    /// an overwrite wrote stays too.
    /// Only where states are made of elements that can be told apart, and where nothing observes an absence.
    Only {
        /// The elements that stay.
        units: Vec<Value>,
    },
}
