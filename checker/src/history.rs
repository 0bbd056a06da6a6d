//! Histories: operations with an interval each, well-formed by construction.
//!
//! A [`History`] can only be made from events that are well-formed (every completion has its invocation, one
//! outstanding operation per process, nothing after an indeterminate one); anything else is a [`Malformed`]
//! error, so that no check ever judges part of a broken history.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process: a sequential thread of operations. A client that gives up on an operation goes on under a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u64);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An operation of one history: its position in the order of invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u32);

impl OpId {
    /// As an index into [`History::operations`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completion<R> {
    /// It took effect and returned this.
    Ok(R),
    /// It certainly did not take effect.
    Fail,
    /// Nobody knows: it may take effect at any time after its invocation, or never.
    Info,
}

/// One operation with its interval. Intervals are closed: one invoked at the very stamp at which another returned
/// is concurrent with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation<O, R> {
    /// Who asked.
    pub process: ProcessId,
    /// What for.
    pub op: O,
    /// When it was invoked: a stamp in the history's total order of events (not a time).
    pub invoked: u64,
    /// When it returned; `None` for [`Completion::Info`].
    pub returned: Option<u64>,
    /// How it ended.
    pub completion: Completion<R>,
}

impl<O, R> Operation<O, R> {
    /// The return value, if it is known.
    pub fn ret(&self) -> Option<&R> {
        match &self.completion {
            Completion::Ok(ret) => Some(ret),
            Completion::Fail | Completion::Info => None,
        }
    }

    /// Whether this operation returned before `other` was invoked.
    pub fn precedes(&self, other: &Self) -> bool {
        self.returned.is_some_and(|returned| returned < other.invoked)
    }
}

/// One line of a recorded history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<O, R> {
    /// Who.
    pub process: ProcessId,
    /// What happened.
    pub kind: EventKind<O, R>,
    /// Where it stands in its source (a line number, an index), for error messages.
    pub place: u64,
}

/// What one line of a recorded history says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind<O, R> {
    /// An operation begins.
    Invoke(O),
    /// The process's outstanding operation ended. `Some` operation where the line repeats (and perhaps
    /// completes) it.
    Complete(Completion<R>),
}

/// Why events do not make a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A completion without an invocation.
    #[error("event {place}: process {process} completes an operation that it never invoked")]
    CompletionWithoutInvocation {
        /// [`Event::place`].
        place: u64,
        /// Who.
        process: ProcessId,
    },
    /// Two invocations of one process without a completion between them.
    #[error(
        "event {place}: process {process} invokes an operation while its operation of event {open} is outstanding; a process does one thing at a time, and goes on under a new id after an indeterminate one"
    )]
    TwoInvocations {
        /// [`Event::place`].
        place: u64,
        /// The place of the outstanding invocation.
        open: u64,
        /// Who.
        process: ProcessId,
    },
    /// An operation ends before it begins.
    #[error("operation at {place}: it returned ({returned}) before it was invoked ({invoked})")]
    Backwards {
        /// [`Event::place`].
        place: u64,
        /// The invocation's stamp.
        invoked: u64,
        /// The return's stamp.
        returned: u64,
    },
    /// Two operations of one process overlap (in formats that give intervals).
    #[error("operation at {place}: process {process} has two operations at the same time")]
    Overlap {
        /// [`Event::place`].
        place: u64,
        /// Who.
        process: ProcessId,
    },
    /// More operations than can be numbered.
    #[error("more than {max} operations; split the history by key")]
    TooLarge {
        /// The bound.
        max: usize,
    },
}

/// A well-formed history: operations in the order of their invocations, so that [`OpId`] is the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    operations: Vec<Operation<O, R>>,
}
