//! A recorded history that was read: its operations, not yet of any model, and where each stands.
//!
//! Operations are numbered in the order of their invocations, and every model keeps these numbers: an
//! [`OpId`] of a verdict is one of these. The compact TSV, which holds nothing but key-value operations, is read
//! as such at once.

use std::borrow::Cow;
use std::sync::Arc;

use super::error::{FormatError, Source};
use super::events::Events;
use super::raw::{Misread, Place, RawOperation, RecordedSpec};
use super::{Format, Parsed, events_error, key_value, pairing};
use crate::history::{History, OpId, Operation, op_id};
use crate::kv::{KvOp, KvRet, KvSpec};

/// A recorded history that was read; it borrows the text, for errors that are found later.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    pub(super) source: Source<'a>,
    format: Format,
    content: Content,
    fault_events: usize,
    log_messages: usize,
}

#[derive(Clone, Debug)]
enum Content {
    Raw(Vec<RawOperation>),
    KeyValue { history: Arc<History<KvOp, KvRet>>, lines: Vec<u64> },
}

impl<'a> Recorded<'a> {
    /// From the events of a source.
    pub(super) fn from_events(
        source: Source<'a>,
        format: Format,
        events: Events,
    ) -> Result<Self, FormatError> {
        let Events { events, fault_events, log_messages } = events;
        let content = Content::Raw(pairing::operations(source, events)?);
        Ok(Self { source, format, content, fault_events, log_messages })
    }

    /// From rows that are key-value operations.
    pub(super) fn from_rows(source: Source<'a>, parsed: Parsed) -> Self {
        let Parsed { history, format, lines, fault_events, log_messages } = parsed;
        assert_eq!(history.len(), lines.len(), "one line per operation");
        let content = Content::KeyValue { history: Arc::new(history), lines };
        Self { source, format, content, fault_events, log_messages }
    }

    /// The name of the source, for errors.
    pub fn name(&self) -> &'a str {
        self.source.name
    }

    /// How it was recorded.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Events of processes that are no clients (`nemesis`, `monitor`), left out.
    pub fn fault_events(&self) -> usize {
        self.fault_events
    }

    /// Log messages between the operations of a text log, left out.
    pub fn log_messages(&self) -> usize {
        self.log_messages
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Raw(operations) => operations.len(),
            Content::KeyValue { history, .. } => history.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One operation.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn operation(&self, id: OpId) -> Cow<'_, RawOperation> {
        match &self.content {
            Content::Raw(operations) => Cow::Borrowed(&operations[id.index()]),
            Content::KeyValue { history, lines } => {
                Cow::Owned(key_value::raw(history.get(id), lines[id.index()]))
            }
        }
    }

    /// All operations, in the order of their invocations.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Cow<'_, RawOperation>> + '_ {
        (0..self.len()).map(|index| self.operation(op_id(index)))
    }

    /// The line of an operation's invocation.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn line(&self, id: OpId) -> u64 {
        match &self.content {
            Content::Raw(operations) => operations[id.index()].invocation.line(),
            Content::KeyValue { lines, .. } => lines[id.index()],
        }
    }

    /// Whether every event has a time, and there are events.
    pub fn is_timed(&self) -> bool {
        let timed = |raw: &RawOperation| {
            raw.invocation.time.is_some() && raw.completion.is_none_or(|place| place.time.is_some())
        };
        self.raw().is_some_and(|operations| !operations.is_empty() && operations.iter().all(timed))
    }

    /// The operations as read, unless they were key-value operations from the start.
    pub(crate) fn raw(&self) -> Option<&[RawOperation]> {
        match &self.content {
            Content::Raw(operations) => Some(operations),
            Content::KeyValue { .. } => None,
        }
    }

    /// Tells the functions of key-value operations, each once with the first operation that has it.
    pub(crate) fn note_functions(&self, mut note: impl FnMut(&'static str, OpId)) {
        let Content::KeyValue { history, .. } = &self.content else { return };
        let mut seen = Vec::new();
        for (id, operation) in history.iter() {
            let function = key_value::function(&operation.op);
            if !seen.contains(&function) {
                seen.push(function);
                note(function, id);
            }
        }
    }

    /// The history of a specification's operations.
    ///
    /// # Errors
    /// At the first operation that is none of that specification.
    pub fn typed<S: RecordedSpec>(&self) -> Result<History<S::Op, S::Ret>, FormatError> {
        let mut typed = Vec::with_capacity(self.len());
        for (index, raw) in self.operations().enumerate() {
            let (op, completion) = S::read(&raw).map_err(|misread| self.misread(op_id(index), &misread))?;
            let (process, invoked, returned) = (raw.process, raw.invoked, raw.completed);
            typed.push((raw.invocation.line(), Operation { process, op, invoked, returned, completion }));
        }
        History::from_intervals(typed).map_err(|malformed| events_error(self.source, &malformed))
    }

    /// The history of a key-value store.
    ///
    /// # Errors
    /// At the first operation that is none of it.
    pub fn key_value(&self) -> Result<Arc<History<KvOp, KvRet>>, FormatError> {
        let operations = match &self.content {
            Content::KeyValue { history, .. } => return Ok(Arc::clone(history)),
            Content::Raw(operations) => operations,
        };
        let keyed = operations.first().is_some_and(|first| first.key.is_some());
        let other = operations
            .iter()
            .position(|raw| raw.function.as_ref() != super::TRANSACTION && raw.key.is_some() != keyed);
        if let Some(other) = other.filter(|_| operations[0].function.as_ref() != super::TRANSACTION) {
            let message = "some operations name a key and others do not; expected the same of all";
            return Err(self.misread(op_id(other), &Misread::asked(message)));
        }
        self.typed::<KvSpec>().map(Arc::new)
    }

    /// The error that an operation is none of a model.
    pub(crate) fn misread(&self, id: OpId, misread: &Misread) -> FormatError {
        let operation = self.operation(id);
        let place = operation.completion.filter(|_| misread.completion).unwrap_or(operation.invocation);
        self.error(place, &misread.message)
    }

    /// An error at a place.
    pub(crate) fn error(&self, place: Place, message: &str) -> FormatError {
        match &self.content {
            Content::Raw(_) => self.source.error(place.offset, message),
            Content::KeyValue { .. } => self.source.error(self.source.line_offset(place.line()), message),
        }
    }
}
