//! Events as every list of them has: what a reader finds in its source, before invocations meet completions.
//!
//! A reader knows how events are written down and nothing of what they mean. Readers work on a piece of a source
//! that begins at a line of its own, so that pieces may be read side by side.

use std::sync::Arc;

use super::error::FormatError;
use super::raw::Time;
use crate::value::Value;

/// What an event says of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "invoke" => Some(Self::Invoke),
            "ok" => Some(Self::Ok),
            "fail" => Some(Self::Fail),
            "info" => Some(Self::Info),
            _ => None,
        }
    }
}

/// Whether the error of a failed cas says that it ran and saw another value.
pub(super) fn is_mismatch(error: &str) -> bool {
    matches!(error.trim_start_matches(':'), "precondition" | "precondition-failed" | "did-not-succeed")
}

/// Whether a process of this name is no client, whatever it does.
pub(super) fn is_bystander(name: &str) -> bool {
    matches!(name.trim_start_matches(':'), "nemesis" | "monitor")
}

/// One event as it was written down.
#[derive(Clone, Debug)]
pub(super) struct RawEvent {
    pub(super) line: u64,
    pub(super) offset: usize,
    pub(super) time: Option<Time>,
    pub(super) process: u64,
    pub(super) kind: Kind,
    /// `None` where it was not given: then the value must be a transaction.
    pub(super) function: Option<Arc<str>>,
    pub(super) key: Option<Arc<str>>,
    /// `None` for a value that no history of ours holds (a float, …): an error only where it matters.
    pub(super) value: Option<Value>,
    /// A failed cas that ran and saw another value.
    pub(super) mismatch: bool,
    /// Which value it saw.
    pub(super) actual: Option<Value>,
    /// Why it failed or is not known, in words.
    pub(super) error: Option<Arc<str>>,
}

/// The events of a piece of a source.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Those of clients, in order; part by part, as they were read.
    pub(super) events: Vec<Vec<RawEvent>>,
    /// Events of faults that were left out.
    pub(super) fault_events: usize,
    /// Log messages that were left out.
    pub(super) log_messages: usize,
}

/// What reads events off a source.
pub(super) trait Reader {
    /// The next event of a client; `None` after the last.
    fn next(&mut self) -> Result<Option<RawEvent>, FormatError>;
    /// Events of faults that were left out so far.
    fn fault_events(&self) -> usize;
    /// Log messages that were left out so far.
    fn log_messages(&self) -> usize {
        0
    }
}

/// Reads them all.
pub(super) fn all(mut reader: impl Reader) -> Result<Events, FormatError> {
    let mut events = Vec::new();
    while let Some(event) = reader.next()? {
        events.push(event);
    }
    let (fault_events, log_messages) = (reader.fault_events(), reader.log_messages());
    Ok(Events { events: vec![events], fault_events, log_messages })
}

/// The names that one reader meets, each kept once. For the few names of functions: looked through in order.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Arc<str>>);

/// Names kept at most; others are not shared.
const NAMES_MAX: usize = 16;

impl Names {
    pub(super) fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.0.len() < NAMES_MAX {
            self.0.push(Arc::clone(&name));
        }
        name
    }
}
