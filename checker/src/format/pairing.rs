//! From events to operations: every completion finds the invocation of its process.
//!
//! The order of the events decides: event number `i` has the stamp `i`. A process does one thing at a time; it may
//! go on after an indeterminate completion, and that operation stays open. What is never completed is
//! indeterminate. The functions and keys of both events must agree where both name them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::error::{FormatError, Source};
use super::events::{Kind, RawEvent};
use super::keys::{come_in_pairs, keyed};
use super::raw::{Ending, Failure, Place, RawOperation, TRANSACTION};
use crate::history::ProcessId;
use crate::value::Value;

/// All operations, in the order of their invocations.
pub(super) fn operations(
    source: Source<'_>,
    events: Vec<Vec<RawEvent>>,
) -> Result<Vec<RawOperation>, FormatError> {
    let mut pairing = Pairing {
        source,
        pairs: come_in_pairs(events.iter().flatten()),
        names: FxHashSet::default(),
        open: FxHashMap::default(),
        operations: Vec::with_capacity(events.iter().map(Vec::len).sum::<usize>() / 2),
    };
    for (stamp, event) in (0u64..).zip(events.into_iter().flatten()) {
        match event.kind {
            Kind::Invoke => pairing.invoke(stamp, event)?,
            Kind::Ok | Kind::Fail | Kind::Info => pairing.complete(stamp, event)?,
        }
    }
    Ok(pairing.operations)
}

struct Pairing<'a> {
    source: Source<'a>,
    /// Whether values stand in pairs with their keys.
    pairs: bool,
    /// Names of functions and keys, each kept once.
    names: FxHashSet<Arc<str>>,
    /// Per process: the index of its operation without completion.
    open: FxHashMap<u64, usize>,
    operations: Vec<RawOperation>,
}

impl Pairing<'_> {
    fn shared(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(known) = self.names.get(&name) {
            return Arc::clone(known);
        }
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Key and value told apart.
    fn subject(&self, event: &mut RawEvent) -> (Option<Arc<str>>, Option<Value>) {
        let value = event.value.take();
        if event.key.is_some() || !self.pairs || event.function.as_deref() == Some(TRANSACTION) {
            return (event.key.take(), value);
        }
        match value.as_ref().and_then(keyed) {
            Some((key, inner)) => (Some(key), Some(inner.clone())),
            None => (None, value),
        }
    }

    fn invoke(&mut self, stamp: u64, mut event: RawEvent) -> Result<(), FormatError> {
        let error = |message: String| self.source.error(event.offset, message);
        if let Some(open) = self.open.get(&event.process) {
            return Err(error(format!(
                "process {} invokes an operation while that of line {} is outstanding; expected its completion first",
                event.process,
                self.operations[*open].invocation.line()
            )));
        }
        let bound = self.source.limits.operations_max;
        if self.operations.len() >= bound {
            return Err(error(format!(
                "more than {bound} operations, the bound of one history (operations_max); split it by key"
            )));
        }
        let function = match event.function.take() {
            Some(function) => function,
            None if event.key.is_none() => TRANSACTION.into(),
            None => {
                return Err(error(
                    "the event does not say what the operation does; expected f, e.g. read".to_owned(),
                ));
            }
        };
        let (key, asked) = self.subject(&mut event);
        let function = self.shared(function);
        let key = key.map(|key| self.shared(key));
        self.open.insert(event.process, self.operations.len());
        self.operations.push(RawOperation {
            process: ProcessId(event.process),
            function,
            key,
            asked,
            ending: Ending::Info,
            told: Some(Value::Nil),
            failure: None,
            invoked: stamp,
            completed: None,
            invocation: Place::new(event.line, event.offset, event.time),
            completion: None,
        });
        Ok(())
    }

    fn complete(&mut self, stamp: u64, mut event: RawEvent) -> Result<(), FormatError> {
        let Some(index) = self.open.remove(&event.process) else {
            let message = format!(
                "process {} completes an operation that it never invoked; expected its invocation before",
                event.process
            );
            return Err(self.source.error(event.offset, message));
        };
        let (own_key, value) = (event.key.clone(), event.value.clone());
        let (mut key, mut told) = self.subject(&mut event);
        let operation = &mut self.operations[index];
        // How an indeterminate or failed one ended may be told instead of its value.
        if event.kind != Kind::Ok && own_key.is_none() && key != operation.key {
            (key, told) = (None, value);
        }
        let same_key = key.is_none() || key == operation.key;
        let same_function = event.function.as_ref().is_none_or(|function| *function == operation.function);
        if !same_key || !same_function {
            let of =
                |key: &Option<Arc<str>>| key.as_ref().map_or(String::new(), |key| format!(" of {key:?}"));
            let message = format!(
                "process {} completes {}{}, but its operation of line {} is {}{}",
                event.process,
                event.function.as_ref().unwrap_or(&operation.function),
                of(&key),
                operation.invocation.line(),
                operation.function,
                of(&operation.key)
            );
            return Err(self.source.error(event.offset, message));
        }
        operation.ending = match event.kind {
            Kind::Ok => Ending::Ok,
            Kind::Fail => Ending::Fail,
            Kind::Invoke | Kind::Info => Ending::Info,
        };
        operation.told = told;
        operation.completed = Some(stamp);
        operation.completion = Some(Place::new(event.line, event.offset, event.time));
        let failed = operation.ending != Ending::Ok;
        if failed && (event.mismatch || event.actual.is_some() || event.error.is_some()) {
            let (mismatch, actual, error) = (event.mismatch, event.actual, event.error);
            operation.failure = Some(Box::new(Failure { mismatch, actual, error }));
        }
        Ok(())
    }
}
