//! Histories: operations with an interval each, well-formed by construction.
//!
//! A [`History`] can only be made from events that are well-formed (every completion has its invocation, one
//! outstanding operation per process); anything else is a [`Malformed`] error, so that no check ever judges part
//! of a broken history. A process may go on after an indeterminate operation: that one stays open for ever.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
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

/// An operation with its id in the history.
pub type Indexed<'h, O, R> = (OpId, &'h Operation<O, R>);

/// The same, as changed by a reduction.
pub type Reduced<O, R> = (OpId, Operation<O, R>);

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
    /// The process's outstanding operation ended.
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
    /// An operation that returned, without the stamp of its return (in formats that give intervals).
    #[error(
        "operation at {place}: it completed, but no stamp says when; give the stamp, or mark it indeterminate"
    )]
    NoReturn {
        /// [`Event::place`].
        place: u64,
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

/// The operations of one history by partition, in order of first use.
pub type Partitions<'h> = IndexMap<Cow<'h, str>, Vec<OpId>, FxBuildHasher>;

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self { operations: Vec::new() }
    }
}

impl<O, R> History<O, R> {
    /// How many operations one history holds at most.
    pub const OPERATIONS_MAX: usize = u32::MAX as usize - 1;

    /// A history from the lines of a recorded one. The order of the events decides: event number `i` has the
    /// stamp `i`. An operation without completion is indeterminate. A process that goes on after an indeterminate
    /// completion is accepted (some recorders keep its id): the indeterminate operation just stays open.
    ///
    /// # Errors
    /// [`Malformed`] for a completion without invocation and for two invocations without completion between.
    pub fn from_events(events: impl IntoIterator<Item = Event<O, R>>) -> Result<Self, Malformed> {
        let events = events.into_iter();
        let mut operations = Vec::with_capacity(events.size_hint().0.min(1 << 20) / 2);
        let mut outstanding: FxHashMap<ProcessId, (usize, u64)> = FxHashMap::default();
        for (stamp, Event { process, kind, place }) in (0u64..).zip(events) {
            match kind {
                EventKind::Invoke(op) => {
                    if operations.len() >= Self::OPERATIONS_MAX {
                        return Err(Malformed::TooLarge { max: Self::OPERATIONS_MAX });
                    }
                    if let Some((_, open)) = outstanding.insert(process, (operations.len(), place)) {
                        return Err(Malformed::TwoInvocations { place, open, process });
                    }
                    let completion = Completion::Info;
                    operations.push(Operation { process, op, invoked: stamp, returned: None, completion });
                }
                EventKind::Complete(completion) => {
                    let Some((index, _)) = outstanding.remove(&process) else {
                        return Err(Malformed::CompletionWithoutInvocation { place, process });
                    };
                    let operation = &mut operations[index];
                    assert!(operation.invoked < stamp && operation.returned.is_none(), "it was outstanding");
                    operation.returned = (!matches!(completion, Completion::Info)).then_some(stamp);
                    operation.completion = completion;
                }
            }
        }
        Ok(Self { operations })
    }

    /// A history from operations with stamps, each with its place in the source for error messages. Stamps may
    /// tie; they are taken as given, and the operations are sorted by them. The stamp of an indeterminate
    /// operation's return means nothing and is dropped.
    ///
    /// # Errors
    /// [`Malformed`] for a return before its invocation, a completed operation without the stamp of its return,
    /// and two operations of one process at the same time (intervals are closed, but one process's may touch).
    pub fn from_intervals(mut operations: Vec<(u64, Operation<O, R>)>) -> Result<Self, Malformed> {
        if operations.len() > Self::OPERATIONS_MAX {
            return Err(Malformed::TooLarge { max: Self::OPERATIONS_MAX });
        }
        for (place, operation) in &mut operations {
            let (place, invoked) = (*place, operation.invoked);
            match (&operation.completion, operation.returned) {
                (Completion::Info, _) => operation.returned = None,
                (_, None) => return Err(Malformed::NoReturn { place }),
                (_, Some(returned)) if returned < invoked => {
                    return Err(Malformed::Backwards { place, invoked, returned });
                }
                (_, Some(_)) => {}
            }
        }
        operations.sort_by_key(|(_, operation)| (operation.invoked, operation.returned.unwrap_or(u64::MAX)));
        let mut busy_until: FxHashMap<ProcessId, u64> = FxHashMap::default();
        for (place, operation) in &operations {
            let process = operation.process;
            let busy = busy_until.entry(process).or_default();
            if operation.invoked < *busy {
                return Err(Malformed::Overlap { place: *place, process });
            }
            *busy = operation.returned.unwrap_or(operation.invoked);
        }
        Ok(Self { operations: operations.into_iter().map(|(_, operation)| operation).collect() })
    }

    /// A history in which operations stand for several each: of one process, some may run at the same time.
    pub(crate) fn of_parts(operations: Vec<Operation<O, R>>) -> Self {
        assert!(operations.len() <= Self::OPERATIONS_MAX, "as many as can be numbered");
        assert!(operations.is_sorted_by_key(|operation| operation.invoked), "in the order of invocations");
        Self { operations }
    }

    /// All operations in the order of their invocations.
    pub fn operations(&self) -> &[Operation<O, R>] {
        &self.operations
    }

    /// One operation.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn get(&self, id: OpId) -> &Operation<O, R> {
        &self.operations[id.index()]
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Operations with their ids, in the order of their invocations.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (OpId, &Operation<O, R>)> + Clone {
        self.operations.iter().enumerate().map(|(index, operation)| (op_id(index), operation))
    }

    /// The operations by partition (usually: by key), in order of first use; `None` counts as one more
    /// partition with an empty name.
    pub fn partitions<'h>(&'h self, partition: impl Fn(&'h O) -> Option<Cow<'h, str>>) -> Partitions<'h> {
        let mut partitions = Partitions::default();
        for (id, operation) in self.iter() {
            partitions.entry(partition(&operation.op).unwrap_or_default()).or_default().push(id);
        }
        partitions
    }

    /// The history of some of these operations, which keep their stamps but are numbered anew.
    #[must_use]
    pub fn restricted(&self, ids: &[OpId]) -> Self
    where
        O: Clone,
        R: Clone,
    {
        assert!(ids.is_sorted(), "operations are given in the order of their invocations");
        Self { operations: ids.iter().map(|id| self.get(*id).clone()).collect() }
    }
}

/// The id of the operation at an index.
pub(crate) fn op_id(index: usize) -> OpId {
    OpId(u32::try_from(index).expect("a history holds fewer operations than u32 counts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestEvent = Event<&'static str, u8>;

    fn invoke(place: u64, process: u64, op: &'static str) -> TestEvent {
        Event { process: ProcessId(process), kind: EventKind::Invoke(op), place }
    }

    fn complete(place: u64, process: u64, completion: Completion<u8>) -> TestEvent {
        Event { process: ProcessId(process), kind: EventKind::Complete(completion), place }
    }

    fn interval(process: u64, invoked: u64, returned: Option<u64>) -> (u64, Operation<&'static str, u8>) {
        let completion = if returned.is_some() { Completion::Ok(0) } else { Completion::Info };
        (invoked + 1, Operation { process: ProcessId(process), op: "x", invoked, returned, completion })
    }

    #[test]
    fn events_become_operations_in_the_order_of_their_invocations() {
        let history = History::from_events([
            invoke(10, 1, "a"),
            invoke(11, 2, "b"),
            complete(12, 2, Completion::Ok(7)),
            complete(13, 1, Completion::Fail),
            invoke(14, 2, "c"),
            complete(15, 2, Completion::Info),
            invoke(16, 2, "d"),
        ])
        .unwrap();
        let seen: Vec<_> = history
            .iter()
            .map(|(id, op)| (id.0, op.op, op.invoked, op.returned, op.ret().copied()))
            .collect();
        let expected = [
            (0, "a", 0, Some(3), None),
            (1, "b", 1, Some(2), Some(7)),
            (2, "c", 4, None, None),
            (3, "d", 6, None, None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(history.get(OpId(0)).completion, Completion::Fail);
        assert!(history.get(OpId(1)).precedes(history.get(OpId(2))));
        assert!(!history.get(OpId(2)).precedes(history.get(OpId(3))), "an indeterminate one stays open");
        assert_eq!(history.len(), 4);
        assert!(!history.is_empty());
        assert_eq!(history.restricted(&[OpId(1), OpId(3)]).operations()[1].op, "d");
    }

    #[test]
    fn broken_events_are_refused_with_their_place() {
        let error = History::from_events([complete(5, 1, Completion::Ok(1))]).unwrap_err();
        assert_eq!(error, Malformed::CompletionWithoutInvocation { place: 5, process: ProcessId(1) });
        let error = History::from_events([invoke(5, 1, "a"), invoke(9, 1, "b")]).unwrap_err();
        assert_eq!(error, Malformed::TwoInvocations { place: 9, open: 5, process: ProcessId(1) });
        let twice = [invoke(5, 1, "a"), complete(6, 1, Completion::Info), complete(7, 1, Completion::Ok(1))];
        let error = History::from_events(twice).unwrap_err();
        assert_eq!(error, Malformed::CompletionWithoutInvocation { place: 7, process: ProcessId(1) });
    }

    #[test]
    fn intervals_are_sorted_and_may_touch() {
        let history = History::from_intervals(vec![
            interval(1, 10, Some(20)),
            interval(2, 0, Some(9)),
            interval(1, 5, Some(10)),
        ])
        .unwrap();
        let invoked: Vec<_> = history.operations().iter().map(|operation| operation.invoked).collect();
        assert_eq!(invoked, [0, 5, 10]);
        assert!(
            !history.get(OpId(1)).precedes(history.get(OpId(2))),
            "closed intervals that touch are concurrent"
        );
    }

    #[test]
    fn broken_intervals_are_refused_with_their_place() {
        let error = History::from_intervals(vec![interval(1, 10, Some(9))]).unwrap_err();
        assert_eq!(error, Malformed::Backwards { place: 11, invoked: 10, returned: 9 });
        let error =
            History::from_intervals(vec![interval(1, 4, Some(9)), interval(1, 0, Some(5))]).unwrap_err();
        assert_eq!(error, Malformed::Overlap { place: 5, process: ProcessId(1) });
        let mut unstamped = interval(1, 10, Some(11));
        unstamped.1.returned = None;
        assert_eq!(History::from_intervals(vec![unstamped]).unwrap_err(), Malformed::NoReturn { place: 11 });
        let after_indeterminate = vec![interval(1, 0, None), interval(1, 5, Some(6))];
        assert_eq!(History::from_intervals(after_indeterminate).unwrap().len(), 2);
    }

    #[test]
    fn partitions_stand_in_order_of_first_use() {
        let history =
            History::from_events([invoke(0, 1, "z"), invoke(1, 2, "a"), invoke(2, 3, "z")]).unwrap();
        let partitions = history.partitions(|op| Some(Cow::Borrowed(*op)));
        let seen: Vec<_> = partitions.iter().map(|(key, ids)| (key.as_ref(), ids.len())).collect();
        assert_eq!(seen, [("z", 2), ("a", 1)]);
        assert_eq!(history.partitions(|_| None).get("").unwrap().len(), 3);
    }
}
