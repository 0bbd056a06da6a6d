//! From the events of any recorder to a history: keys, functions, completions.
//!
//! What all lists of events share: the key may stand by itself, in a pair with the value (independent keys) or in
//! a transaction of one operation; a completion must be of the operation that its process has outstanding. It
//! does not know how the events were written down.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::error::{FormatError, Source, quote};
use super::{Format, Parsed};
use crate::history::{Completion, Event, EventKind, History, Malformed, ProcessId};
use crate::kv::{KvOp, KvRet};
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

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Read,
    Write,
    Append,
    Cas,
    Delete,
    Transaction,
}

/// The functions that are understood, for errors.
pub(super) const FUNCTIONS: &str = "read (get), write (put), cas, append, delete or txn";

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "read" | "get" | "r" => Some(Self::Read),
            "write" | "put" | "w" => Some(Self::Write),
            "append" => Some(Self::Append),
            "cas" => Some(Self::Cas),
            "delete" => Some(Self::Delete),
            "txn" => Some(Self::Transaction),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Append => "append",
            Self::Cas => "cas",
            Self::Delete => "delete",
            Self::Transaction => "txn",
        }
    }
}

/// Whether the error of a failed cas says that it ran and saw another value.
pub(super) fn is_mismatch(error: &str) -> bool {
    matches!(error.trim_start_matches(':'), "precondition" | "precondition-failed" | "did-not-succeed")
}

/// One event as it was written down.
#[derive(Clone, Debug)]
pub(super) struct RawEvent {
    pub(super) line: u64,
    pub(super) offset: usize,
    pub(super) process: u64,
    pub(super) kind: Kind,
    /// `None` where it was not given: then the value must be a transaction.
    pub(super) function: Option<Function>,
    pub(super) key: Option<Arc<str>>,
    /// `None` for a value that no history of ours holds (a map, a float, …): an error only where it matters.
    pub(super) value: Option<Value>,
    /// A failed cas that ran and saw another value.
    pub(super) mismatch: bool,
    /// Which value it saw.
    pub(super) actual: Option<Value>,
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

/// What an event is about once its key and value are told apart.
struct Subject {
    function: Function,
    key: Option<Arc<str>>,
    value: Option<Value>,
}

/// An operation that has no completion yet.
struct Open {
    op: KvOp,
    function: Function,
    line: u64,
}

/// A stream of events that becomes a history.
pub(super) struct Events<'a, R> {
    source: Source<'a>,
    reader: R,
    /// Events that were read ahead to learn whether values come in pairs with their keys.
    ahead: VecDeque<RawEvent>,
    pairs: Option<bool>,
    /// Whether operations name keys; all do, or none.
    keyed: Option<bool>,
    keys: FxHashSet<Arc<str>>,
    open: FxHashMap<u64, Open>,
    lines: Vec<u64>,
    failure: Option<FormatError>,
}

impl<'a, R: Reader> Events<'a, R> {
    pub(super) fn new(source: Source<'a>, reader: R) -> Self {
        Self {
            source,
            reader,
            ahead: VecDeque::new(),
            pairs: None,
            keyed: None,
            keys: FxHashSet::default(),
            open: FxHashMap::default(),
            lines: Vec::new(),
            failure: None,
        }
    }

    /// Reads them all.
    pub(super) fn parse(mut self, format: Format) -> Result<Parsed, FormatError> {
        let history = History::from_events(std::iter::from_fn(|| match self.next() {
            Ok(event) => event,
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }));
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let history = history.map_err(|malformed| malformed_error(self.source, &malformed))?;
        assert_eq!(history.len(), self.lines.len(), "one line per invocation");
        Ok(Parsed {
            history,
            format,
            lines: self.lines,
            fault_events: self.reader.fault_events(),
            log_messages: self.reader.log_messages(),
        })
    }

    fn next(&mut self) -> Result<Option<Event<KvOp, KvRet>>, FormatError> {
        let raw = match self.ahead.pop_front() {
            Some(raw) => raw,
            None => match self.reader.next()? {
                Some(raw) => raw,
                None => return Ok(None),
            },
        };
        if self.pairs.is_none() && raw.key.is_none() && !is_transaction(&raw) {
            self.look_ahead(&raw)?;
        }
        let (line, process) = (raw.line, ProcessId(raw.process));
        let kind = match raw.kind {
            Kind::Invoke => EventKind::Invoke(self.invoke(raw)?),
            Kind::Ok | Kind::Fail | Kind::Info => EventKind::Complete(self.complete(raw)?),
        };
        Ok(Some(Event { process, kind, place: line }))
    }

    /// Reads everything that is left, for without it `[6 nil]` may be key 6 or a list.
    fn look_ahead(&mut self, first: &RawEvent) -> Result<(), FormatError> {
        assert!(self.ahead.is_empty(), "looked ahead once");
        while let Some(raw) = self.reader.next()? {
            self.ahead.push_back(raw);
        }
        self.pairs = Some(come_in_pairs([first].into_iter().chain(&self.ahead)));
        Ok(())
    }

    fn error(&self, raw: &RawEvent, message: impl Into<String>) -> FormatError {
        self.source.error(raw.offset, message)
    }

    /// Tells key and value apart.
    fn subject(&mut self, raw: &RawEvent) -> Result<Subject, FormatError> {
        let told = matches!(raw.kind, Kind::Invoke | Kind::Ok);
        if is_transaction(raw) {
            return self.transaction(raw, told);
        }
        let Some(function) = raw.function else {
            let message = format!("the event does not say what the operation does; expected f: {FUNCTIONS}");
            return Err(self.error(raw, message));
        };
        let (key, value) = (raw.key.clone(), raw.value.clone());
        if key.is_some() || self.pairs != Some(true) {
            return Ok(Subject { function, key, value });
        }
        match value.as_ref().map(pair) {
            Some(Some((key, value))) => {
                Ok(Subject { function, key: Some(self.key(raw, key)?), value: Some(value.clone()) })
            }
            _ if told => Err(self.error(raw, "expected a value [key value], as in the rest of this history")),
            _ => Ok(Subject { function, key: None, value: None }),
        }
    }

    fn transaction(&mut self, raw: &RawEvent, told: bool) -> Result<Subject, FormatError> {
        let steps = match &raw.value {
            Some(Value::List(steps)) => steps,
            // How an indeterminate or failed one ended may be told instead of its operations.
            _ if !told && let Some(open) = self.open.get(&raw.process) => {
                return Ok(Subject { function: open.function, key: None, value: None });
            }
            _ => return Err(self.error(raw, "expected a transaction like [[:append 7 1]]")),
        };
        let [step] = steps.as_ref() else {
            let message = format!(
                "transactions are not supported yet: this one has {} operations; expected exactly one each",
                steps.len()
            );
            return Err(self.error(raw, message));
        };
        let parts = match step {
            Value::List(parts) => parts.as_ref(),
            Value::Nil | Value::Int(_) | Value::Text(_) => &[],
        };
        let [Value::Text(head), key, value] = parts else {
            return Err(
                self.error(raw, format!("expected [:append key value], not {}", quote(&step.to_string())))
            );
        };
        let function = match head.trim_start_matches(':') {
            "r" => Function::Read,
            "w" => Function::Write,
            "append" => Function::Append,
            _ => {
                let message =
                    format!("{} is no operation of transactions; expected :r, :w or :append", quote(head));
                return Err(self.error(raw, message));
            }
        };
        Ok(Subject { function, key: Some(self.key(raw, key)?), value: Some(value.clone()) })
    }

    fn key(&mut self, raw: &RawEvent, key: &Value) -> Result<Arc<str>, FormatError> {
        match key {
            Value::Text(text) => Ok(Arc::from(text.trim_start_matches(':'))),
            Value::Int(number) => Ok(number.to_string().into()),
            Value::Nil | Value::List(_) => {
                let message = format!("{} is no key; expected a text or a number", quote(&key.to_string()));
                Err(self.error(raw, message))
            }
        }
    }

    fn shared(&mut self, key: Arc<str>) -> Arc<str> {
        if let Some(known) = self.keys.get(&key) {
            return Arc::clone(known);
        }
        self.keys.insert(Arc::clone(&key));
        key
    }

    fn invoke(&mut self, raw: RawEvent) -> Result<KvOp, FormatError> {
        let subject = self.subject(&raw)?;
        if let Some(open) = self.open.get(&raw.process) {
            let message = format!(
                "process {} invokes an operation while that of line {} is outstanding; expected its completion first",
                raw.process, open.line
            );
            return Err(self.error(&raw, message));
        }
        if self.lines.len() >= self.source.limits.operations_max {
            let bound = self.source.limits.operations_max;
            let message = format!(
                "more than {bound} operations, the bound of one history (operations_max); split it by key"
            );
            return Err(self.error(&raw, message));
        }
        if *self.keyed.get_or_insert(subject.key.is_some()) != subject.key.is_some() {
            let message = "some operations name a key and others do not; expected the same of all";
            return Err(self.error(&raw, message));
        }
        let key = self.shared(subject.key.unwrap_or_default());
        let op = match (subject.function, subject.value) {
            (Function::Read, _) => KvOp::Get { key },
            (Function::Delete, _) => KvOp::Delete { key },
            (Function::Write, Some(value)) => KvOp::Put { key, value },
            (Function::Append, Some(value)) if value != Value::Nil => KvOp::Append { key, value },
            (Function::Append, Some(_)) => {
                return Err(self.error(&raw, "an append needs the value it appends"));
            }
            (Function::Cas, Some(value)) => {
                let Some((expected, new)) = pair(&value) else {
                    let message = format!(
                        "expected the value of a cas as [old new], not {}",
                        quote(&value.to_string())
                    );
                    return Err(self.error(&raw, message));
                };
                KvOp::Cas { key, expected: expected.clone(), new: new.clone() }
            }
            (Function::Transaction, _) | (_, None) => return Err(self.unusable(&raw)),
        };
        self.open.insert(raw.process, Open { op: op.clone(), function: subject.function, line: raw.line });
        self.lines.push(raw.line);
        Ok(op)
    }

    fn unusable(&self, raw: &RawEvent) -> FormatError {
        let message =
            "the value is of a kind that no model holds; expected nil, a whole number, a text or a list";
        self.error(raw, message)
    }

    fn complete(&mut self, raw: RawEvent) -> Result<Completion<KvRet>, FormatError> {
        let subject = self.subject(&raw)?;
        let Some(open) = self.open.remove(&raw.process) else {
            let message = format!(
                "process {} completes an operation that it never invoked; expected its invocation before",
                raw.process
            );
            return Err(self.error(&raw, message));
        };
        let same_key = subject.key.as_ref().is_none_or(|key| key == open.op.key());
        if subject.function != open.function || !same_key {
            let (function, key) = (subject.function.name(), subject.key.unwrap_or_default());
            let message = format!(
                "process {} completes a {function} of {key:?}, but its operation of line {} is a {} of {:?}",
                raw.process,
                open.line,
                open.function.name(),
                open.op.key()
            );
            return Err(self.error(&raw, message));
        }
        match raw.kind {
            Kind::Invoke => unreachable!("completions only"),
            Kind::Info => Ok(Completion::Info),
            Kind::Fail if raw.mismatch && subject.function == Function::Cas => {
                Ok(Completion::Ok(KvRet::Mismatch(raw.actual)))
            }
            Kind::Fail => Ok(Completion::Fail),
            Kind::Ok => {
                if subject.function == Function::Read {
                    return subject.value.map_or_else(
                        || Err(self.unusable(&raw)),
                        |value| Ok(Completion::Ok(KvRet::Value(value))),
                    );
                }
                if !repeats(&open.op, subject.value.as_ref()) {
                    let message = format!(
                        "the {} completes with another value than that of its invocation in line {}; expected the same, or nil",
                        subject.function.name(),
                        open.line
                    );
                    return Err(self.error(&raw, message));
                }
                Ok(Completion::Ok(KvRet::Done))
            }
        }
    }
}

/// Whether the value of an acknowledged write is the one that was invoked (or none).
fn repeats(op: &KvOp, told: Option<&Value>) -> bool {
    match (op, told) {
        (_, Some(Value::Nil)) | (KvOp::Delete { .. }, _) => true,
        (_, None) | (KvOp::Get { .. }, _) => false,
        (KvOp::Put { value, .. } | KvOp::Append { value, .. }, Some(told)) => value == told,
        (KvOp::Cas { expected, new, .. }, Some(told)) => pair(told) == Some((expected, new)),
    }
}

/// A list of two.
fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value {
        Value::List(items) => match items.as_ref() {
            [first, second] => Some((first, second)),
            _ => None,
        },
        Value::Nil | Value::Int(_) | Value::Text(_) => None,
    }
}

fn is_transaction(raw: &RawEvent) -> bool {
    raw.function == Some(Function::Transaction) || (raw.function.is_none() && raw.key.is_none())
}

/// Whether values stand in pairs with their keys: if all reads and writes have them so. A read begins with nil
/// where they do not. A history of nothing but cas has pairs if each is `[key [old new]]`.
fn come_in_pairs<'e>(events: impl Iterator<Item = &'e RawEvent>) -> bool {
    let (mut plain, mut paired, mut cas_plain, mut cas_paired) = (false, false, false, false);
    for raw in events.filter(|raw| raw.key.is_none() && !is_transaction(raw)) {
        let parts = raw.value.as_ref().and_then(pair);
        match (raw.kind, raw.function) {
            (Kind::Fail | Kind::Info, _) => {}
            (_, Some(Function::Cas)) => {
                let nested = parts.is_some_and(|(_, change)| pair(change).is_some());
                cas_plain |= !nested;
                cas_paired |= nested;
            }
            _ => {
                plain |= parts.is_none();
                paired |= parts.is_some();
            }
        }
    }
    !plain && !cas_plain && (paired || cas_paired)
}

/// What the history itself found wrong.
pub(super) fn malformed_error(source: Source<'_>, malformed: &Malformed) -> FormatError {
    let line = match malformed {
        Malformed::CompletionWithoutInvocation { place, .. }
        | Malformed::TwoInvocations { place, .. }
        | Malformed::Backwards { place, .. }
        | Malformed::Overlap { place, .. }
        | Malformed::NoReturn { place } => *place,
        Malformed::TooLarge { .. } => 1,
    };
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let offset = source.text.split_inclusive('\n').take(skipped).map(str::len).sum();
    source.error(offset, malformed.to_string())
}
