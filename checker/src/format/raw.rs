//! Operations as they were recorded, each with its completion, before a model says what they mean.
//!
//! Functions are names, keys and values are data: a [`RecordedSpec`] turns them into its own operations. What no
//! [`Value`] can hold (a float, a truth value) is absent, so that it is an error only where a model needs it.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use crate::history::{Completion, ProcessId};
use crate::spec::Spec;
use crate::value::Value;

/// The function of an event that names none: its value is a transaction.
pub const TRANSACTION: &str = "txn";

/// When an event happened by its recorder's clock: for display only, the order of the events decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(NonZeroU64);

impl Time {
    /// A time in nanoseconds since the recorder's start.
    pub fn from_ns(ns: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(ns))
    }

    /// Nanoseconds since the recorder's start.
    pub fn ns(self) -> u64 {
        self.0.get() - 1
    }
}

/// Where an event stands in its source, and when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    line: NonZeroU32,
    /// Bytes before it in the text.
    pub(crate) offset: usize,
    /// When it happened, where the source says so.
    pub time: Option<Time>,
}

impl Place {
    pub(crate) fn new(line: u64, offset: usize, time: Option<Time>) -> Self {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Self { line: NonZeroU32::new(line).unwrap_or(NonZeroU32::MIN), offset, time }
    }

    /// Its line, from 1 (beyond 4,294,967,295 that number).
    pub fn line(self) -> u64 {
        u64::from(self.line.get())
    }
}

/// How an operation ended, as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// It returned.
    Ok,
    /// It did not take effect.
    Fail,
    /// Nobody knows, or nothing was recorded.
    Info,
}

/// What is known of an operation that failed, or of which nobody knows how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// A compare-and-set that ran and saw another value.
    pub mismatch: bool,
    /// Which value it saw, where that was told.
    pub actual: Option<Value>,
    /// The error in words.
    pub error: Option<Arc<str>>,
}

/// An operation as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOperation {
    /// Who asked.
    pub process: ProcessId,
    /// What for: `read`, `enqueue`, `txn`, …, as written.
    pub function: Arc<str>,
    /// The key, where operations name one: by a field of its own or in a pair with the value.
    pub key: Option<Arc<str>>,
    /// The value of the invocation, without the key; absent if no [`Value`] can hold it.
    pub asked: Option<Value>,
    /// How it ended.
    pub ending: Ending,
    /// The value of the completion, without the key; nil if there is no completion.
    pub told: Option<Value>,
    /// More about an ending that was not good.
    pub failure: Option<Box<Failure>>,
    /// The stamp of its invocation.
    pub invoked: u64,
    /// The stamp of its completion, if there is one (also for [`Ending::Info`]).
    pub completed: Option<u64>,
    /// The event of its invocation.
    pub invocation: Place,
    /// The event of its completion, if there is one (also for [`Ending::Info`]).
    pub completion: Option<Place>,
}

impl RawOperation {
    /// Whether it is a compare-and-set (or the like) that ran and saw another value.
    pub fn is_mismatch(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.mismatch)
    }

    /// The value asked for.
    ///
    /// # Errors
    /// If no [`Value`] can hold it.
    pub fn asked(&self) -> Result<&Value, Misread> {
        self.asked.as_ref().ok_or_else(|| Misread::asked(UNUSABLE))
    }

    /// The value told.
    ///
    /// # Errors
    /// If no [`Value`] can hold it.
    pub fn told(&self) -> Result<&Value, Misread> {
        self.told.as_ref().ok_or_else(|| Misread::told(UNUSABLE))
    }

    /// The completion of an operation whose return value is `ret`, should it have returned.
    ///
    /// # Errors
    /// What `ret` finds wrong.
    pub fn completed<R>(&self, ret: impl FnOnce() -> Result<R, Misread>) -> Result<Completion<R>, Misread> {
        match self.ending {
            Ending::Ok => ret().map(Completion::Ok),
            Ending::Fail => Ok(Completion::Fail),
            Ending::Info => Ok(Completion::Info),
        }
    }
}

const UNUSABLE: &str = "the value is of a kind that no model holds; expected nil, a whole number, a text, a list, a map or a set";

impl fmt::Display for RawOperation {
    /// `enqueue k3 17`, what was asked for only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        match &self.asked {
            None | Some(Value::Nil) => Ok(()),
            Some(value) => write!(f, " {value}"),
        }
    }
}

/// Why an operation is none of a specification: which of its events, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Whether its completion is wrong, not its invocation.
    pub(crate) completion: bool,
    /// What is wrong, and what was expected.
    pub(crate) message: String,
}

impl Misread {
    /// The invocation is wrong.
    pub fn asked(message: impl Into<String>) -> Self {
        Self { completion: false, message: message.into() }
    }

    /// The completion is wrong.
    pub fn told(message: impl Into<String>) -> Self {
        Self { completion: true, message: message.into() }
    }
}

/// A specification that says how its operations are recorded.
pub trait RecordedSpec: Spec {
    /// The operation that was recorded, and how it ended. A failure that proves something (a compare-and-set that
    /// saw another value) may be a [`Completion::Ok`] of its own kind.
    ///
    /// # Errors
    /// If it is no operation of this specification; the place is added by the caller.
    fn read(raw: &RawOperation) -> Result<(Self::Op, Completion<Self::Ret>), Misread>;
}
