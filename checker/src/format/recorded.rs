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
use super::rows::Rows;
use super::{Format, events_error, key_value, pairing};
use crate::history::{History, OpId, Operation, op_id};
use crate::kv::{KvOp, KvRet, KvSpec};

/// A recorded history that was read; it borrows the text, for errors that are found later.
#[derive(Clone, Debug)]
pub struct Recorded<'a> {
    pub(super) source: Source<'a>,
    format: Format,
    content: Content<'a>,
    fault_events: usize,
    log_messages: usize,
}

#[derive(Clone, Debug)]
enum Content<'a> {
    Raw(Vec<RawOperation>),
    Rows(Arc<Rows<'a>>),
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
    pub(super) fn from_rows(source: Source<'a>, rows: Rows<'a>) -> Self {
        let content = Content::Rows(Arc::new(rows));
        Self { source, format: Format::CompactTsv, content, fault_events: 0, log_messages: 0 }
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
            Content::Rows(rows) => rows.len(),
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
            Content::Rows(rows) => Cow::Owned(key_value::raw(&rows.operation(id), rows.line(id))),
        }
    }

    /// All operations, in the order of their invocations.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Cow<'_, RawOperation>> + '_ {
        (0..self.len()).map(|index| self.operation(op_id(index)))
    }

    /// When each operation was invoked and when it completed, if it did (also for [`super::Ending::Info`] in lists of
    /// events), in the order of their invocations.
    pub fn stamps(&self) -> impl ExactSizeIterator<Item = (u64, Option<u64>)> + '_ {
        (0..self.len()).map(|index| match &self.content {
            Content::Raw(operations) => (operations[index].invoked, operations[index].completed),
            Content::Rows(rows) => rows.stamps(index),
        })
    }

    /// The line of an operation's invocation.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn line(&self, id: OpId) -> u64 {
        match &self.content {
            Content::Raw(operations) => operations[id.index()].invocation.line(),
            Content::Rows(rows) => rows.line(id),
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
            Content::Rows(_) => None,
        }
    }

    /// The rows, if it is a table.
    pub(crate) fn rows(&self) -> Option<&Arc<Rows<'a>>> {
        match &self.content {
            Content::Rows(rows) => Some(rows),
            Content::Raw(_) => None,
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
            Content::Rows(rows) => return Ok(Arc::new(rows.history())),
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
            Content::Rows(_) => self.source.error(self.source.line_offset(place.line()), message),
        }
    }
}
