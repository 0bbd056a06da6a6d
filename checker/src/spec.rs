//! The sequential specification: what one operation may do to one state, and nothing about concurrency.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::certificate::Reduction;
use crate::history::{Indexed, OpId, Operation, Reduced};
use crate::value::Value;
use crate::verdict::Violation;

/// What a specification says of a partition by itself, without a search. Operations are indices into those given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direct {
    /// A legal order: every completed operation once and the indeterminate ones that it needs.
    Legal(Vec<u32>),
    /// No order is legal; these few show it.
    Illegal(Vec<u32>),
}

/// What one operation may do for another that does not fit where the object stands, see [`Spec::help`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Nothing.
    Never,
    /// Something, where the state leads there already.
    Extends,
    /// Something, whatever the state was.
    Replaces,
}

/// How a state lies to an operation that does not fit there, see [`Spec::reach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is known.
    Unclear,
    /// It takes an operation that extends or replaces.
    Extending,
    /// It takes an operation that replaces.
    Replacing,
}

/// An operation and what it returned, if that is known.
pub type Told<'o, S> = (&'o <S as Spec>::Op, Option<&'o <S as Spec>::Ret>);

/// A sequential object. Two methods are required; the rest make checking faster or output nicer. Partitions are
/// judged on several threads where [`crate::Bounds::threads`] allows it, hence the `Sync` and `Send`.
pub trait Spec: Sync {
    /// What a process asks for.
    type Op: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What it is told.
    type Ret: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// The object's state (of one partition).
    type State: Clone + Eq + Hash + Debug + Send;

    /// The state before any operation.
    fn init(&self) -> Self::State;

    /// The next state if `op` may return `ret` here; `None` if it may not. `ret` is `None` when the outcome was
    /// never learned: then any return is acceptable, and the next state is the one of whichever return fits here.
    fn step(&self, state: &Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> Option<Self::State>;

    /// [`Spec::step`] in place: whether `op` may return `ret` in this state, which is then the next one; where it may
    /// not, the state stays as it is. Worth its own implementation where a state is large and an operation changes
    /// little of it: long orders are replayed with it.
    fn advance(&self, state: &mut Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> bool {
        match self.step(state, op, ret) {
            Some(next) => {
                *state = next;
                true
            }
            None => false,
        }
    }

    /// The partition (usually: the key) that `op` touches. Operations of different partitions must never
    /// interact; each partition is judged by itself, from its own [`Spec::init`] (Herlihy and Wing's locality).
    fn partition<'a>(&self, _op: &'a Self::Op) -> Option<Cow<'a, str>> {
        None
    }

    /// Whether `op`, having returned `ret`, changes no state, whatever the state. Lets the search place it
    /// as soon as it fits. `false` is always sound.
    fn is_read_only(&self, _op: &Self::Op, _ret: Option<&Self::Ret>) -> bool {
        false
    }

    /// Whether `op`, having returned `ret`, is legal in every state and leaves behind one that does not depend on it
    /// (a write does, a compare-and-set does not). Then the search orders it only where that state is needed.
    /// `false` is always sound.
    fn is_overwrite(&self, _op: &Self::Op, _ret: Option<&Self::Ret>) -> bool {
        false
    }

    /// Whether two operations that may change the state are interchangeable: wherever one of them does, the other
    /// does the same; two whose returns are known are legal in the same states. Must be an equivalence. Then the
    /// search tries only one of them where both are pending. `false` is always sound.
    fn is_alike(&self, _one: Told<'_, Self>, _other: Told<'_, Self>) -> bool
    where
        Self: Sized,
    {
        false
    }

    /// What it takes to get from `state`, where `goal` must not return what it did, to one where it may: in every
    /// series of operations that leads there is one that replaces ([`Help::Replaces`]); or one that replaces or
    /// extends; or nothing is known, which is always sound, also where `goal` fits after all. Not asked of
    /// operations that overwrite.
    fn reach(&self, _state: &Self::State, _goal: (&Self::Op, &Self::Ret)) -> Reach {
        Reach::Unclear
    }

    /// What `op` may do for `goal`, in the sense of [`Spec::reach`]. [`Help::Replaces`] is always sound.
    fn help(&self, _op: Told<'_, Self>, _goal: (&Self::Op, &Self::Ret)) -> Help
    where
        Self: Sized,
    {
        Help::Replaces
    }

    /// Which of one partition's operations may be left out because they are indeterminate and no other operation
    /// could tell whether they took effect: one entry per operation, or nothing to leave out. Leaving them out
    /// must never change whether the partition is linearizable; doing nothing is always sound. Without it, every
    /// indeterminate operation stays a choice until the end of the history.
    fn unobserved(&self, _operations: &[&Operation<Self::Op, Self::Ret>]) -> Vec<bool> {
        Vec::new()
    }

    /// Decides one partition's operations, given in the order of their invocations, without a search, where that is
    /// possible; `None` leaves it to the search. The answer is final: an order must have been checked, and so must
    /// be the claims that there is none.
    fn decide_directly(&self, _operations: &[&Operation<Self::Op, Self::Ret>]) -> Option<Direct> {
        None
    }

    /// How many bytes `state` holds beyond its own size (estimated), for the search's bound on memory.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// What a [`Reduction`] leaves of one partition's operations, given in the order of their invocations; `None`
    /// where it does not apply. Asked for all but [`Reduction::Until`] and [`Reduction::ReadOnly`]. Must be sound, for
    /// certificates rest on it: wherever the operations given have a legal order, those returned have one.
    fn reduce(
        &self,
        operations: &[Reduced<Self::Op, Self::Ret>],
        reduction: &Reduction,
    ) -> Option<Vec<Reduced<Self::Op, Self::Ret>>> {
        match reduction {
            Reduction::Unseen { kept } => Some(without_unobserved(self, operations, kept)),
            _ => None,
        }
    }

    /// The units that [`Reduction::Only`] should keep, for those of one partition's operations that are `about` what
    /// is wrong to still show it. A guess: whether they do is looked at. None, if it does not apply.
    fn units(&self, _operations: &[Reduced<Self::Op, Self::Ret>], _about: &[OpId]) -> Vec<Value> {
        Vec::new()
    }

    /// Explains an illegal partition in the words of this specification, from all its operations and from those
    /// few that reductions left (none: the anomaly may be plain to see; it is asked again after the reductions).
    /// What the few returned may have been projected by [`Spec::reduce`]. `None`: the general explanation is given.
    fn explain(
        &self,
        _key: &str,
        _operations: &[Indexed<'_, Self::Op, Self::Ret>],
        _few: &[Indexed<'_, Self::Op, Self::Ret>],
    ) -> Option<Violation> {
        None
    }

    /// The operation in words, e.g. `append k3 17` or `read k3 -> [4, 17]`.
    fn describe(&self, op: &Self::Op, ret: Option<&Self::Ret>) -> String {
        match ret {
            Some(ret) => format!("{op:?} -> {ret:?}"),
            None => format!("{op:?}"),
        }
    }

    /// A state in words.
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

/// [`Reduction::Unseen`] as [`Spec::unobserved`] has it, for specifications that implement [`Spec::reduce`]: without
/// the indeterminate operations of which no other could tell whether they took effect, but for those kept.
pub fn without_unobserved<S: Spec + ?Sized>(
    spec: &S,
    operations: &[Reduced<S::Op, S::Ret>],
    kept: &[OpId],
) -> Vec<Reduced<S::Op, S::Ret>> {
    let bare: Vec<_> = operations.iter().map(|(_, operation)| operation).collect();
    let mut unobserved = spec.unobserved(&bare).into_iter();
    let stays = |(id, _): &&Reduced<S::Op, S::Ret>| {
        !unobserved.next().unwrap_or(false) || kept.binary_search(id).is_ok()
    };
    operations.iter().filter(stays).cloned().collect()
}
