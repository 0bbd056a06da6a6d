//! Operations as blocks look at them: stamps, what was asked, what was told; values by reference.
//!
//! Typed operations and rows of a recorded table alike can be looked at in this way, so that neither has to be turned
//! into the other. What blocks have no use for is told apart here, once.

use std::borrow::Cow;

use crate::history::Completion;
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;

use super::KvOperation;

/// A value by reference: a whole register, a list, or the smallest thing that is written (an element, a token).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Atom<'h> {
    Nil,
    Int(i64),
    /// Its bytes, which nobody need look at to cut them.
    Text(&'h [u8]),
    List(&'h [Value]),
}

impl<'h> Atom<'h> {
    pub(crate) fn of(value: &'h Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Int(number) => Self::Int(*number),
            Value::Text(text) => Self::Text(text.as_bytes()),
            Value::List(items) => Self::List(items),
        }
    }

    /// Whether it is nil, the empty text or the empty list.
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Nil | Self::Text([]) | Self::List([]))
    }

    /// The same, if it is one that stands for nothing in this store.
    pub(super) fn is_nil(self, spec: &KvSpec) -> bool {
        if spec.empty_is_absent { self.is_empty() } else { self == Self::Nil }
    }

    /// A register's value as the store keeps it.
    pub(super) fn kept(self, spec: &KvSpec) -> Self {
        if self.is_nil(spec) { Self::Nil } else { self }
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => str::from_utf8(text).expect("it was a text").into(),
            Self::List(items) => Value::List(items.into()),
        }
    }
}

/// What an operation did, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'h> {
    /// Certainly nothing.
    Failed,
    /// It read, nobody knows what.
    Unread,
    /// It read this.
    Read(Atom<'h>),
    Put(Atom<'h>),
    Append(Atom<'h>),
    /// A cas that swapped, if it took effect.
    Swapped {
        expected: Atom<'h>,
        new: Atom<'h>,
    },
    /// A cas that saw another value.
    Mismatched {
        expected: Atom<'h>,
        seen: Atom<'h>,
    },
    /// A cas that did not see this: it observes the absence of a value.
    Differed(Atom<'h>),
    /// Something that blocks cannot be made of: a delete, an answer that no operation of its kind gives.
    Unclear,
}

/// One key's operations, in the order of their invocations. Indices beyond them are mistakes.
pub(crate) trait Entries<'h> {
    fn count(&self) -> usize;

    /// How many of them read and how many write, at most.
    fn reads_and_writes(&self) -> (usize, usize) {
        (self.count(), self.count())
    }

    /// When an operation was invoked, and when it completed; [`u64::MAX`] if it is not known to have taken effect.
    fn stamps(&self, index: usize) -> (u64, u64);

    /// The stamps of all.
    fn all_stamps(&self) -> Cow<'_, [(u64, u64)]> {
        Cow::Owned((0..self.count()).map(|index| self.stamps(index)).collect())
    }

    /// What an operation did.
    fn what(&self, index: usize) -> What<'h>;

    /// What the first append appends.
    fn first_append(&self) -> Option<Atom<'h>> {
        (0..self.count()).find_map(|index| match self.what(index) {
            What::Append(atom) => Some(atom),
            _ => None,
        })
    }
}

impl<'h> Entries<'h> for [&'h KvOperation] {
    fn count(&self) -> usize {
        self.len()
    }

    fn stamps(&self, index: usize) -> (u64, u64) {
        let operation = self[index];
        (operation.invoked, operation.ret().and(operation.returned).unwrap_or(u64::MAX))
    }

    fn what(&self, index: usize) -> What<'h> {
        let operation = self[index];
        match operation.ret().and(operation.returned) {
            // That stamp is how an unknown one is written here.
            Some(u64::MAX) => What::Unclear,
            _ => what(operation),
        }
    }
}

fn what(operation: &KvOperation) -> What<'_> {
    if operation.completion == Completion::Fail {
        return What::Failed;
    }
    match (&operation.op, operation.ret()) {
        (KvOp::Get { .. }, None) => What::Unread,
        (KvOp::Get { .. }, Some(KvRet::Value(value))) => What::Read(Atom::of(value)),
        (KvOp::Put { value, .. }, None | Some(KvRet::Done)) => What::Put(Atom::of(value)),
        (KvOp::Append { value, .. }, None | Some(KvRet::Done)) => What::Append(Atom::of(value)),
        (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(Some(seen)))) => {
            What::Mismatched { expected: Atom::of(expected), seen: Atom::of(seen) }
        }
        (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(None))) => What::Differed(Atom::of(expected)),
        (KvOp::Cas { expected, new, .. }, None | Some(KvRet::Done)) => {
            What::Swapped { expected: Atom::of(expected), new: Atom::of(new) }
        }
        _ => What::Unclear,
    }
}
