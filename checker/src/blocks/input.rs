//! What a key's operations say: who wrote what, who read what, and whether blocks can be made of it at all.
//!
//! Reading is linear; every written value (a register's, a list's element, a text's token) is hashed once. It does
//! not look at the order of the operations.

use rustc_hash::FxHashMap;

use super::cutting::Cutter;
use super::view::View;
use super::{KvOperation, NONE};
use crate::history::Completion;
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;

pub(super) static NIL: Value = Value::Nil;

/// The smallest thing that is written: a register's value, a list's element, a text's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom<'h> {
    Value(&'h Value),
    Token(&'h str),
}

/// How an operation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How<'h> {
    Put,
    Append,
    /// Replaces this value.
    Cas(Atom<'h>),
}

/// An operation that writes, if it takes effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'h> {
    pub(super) operation: u32,
    pub(super) how: How<'h>,
    pub(super) atom: Atom<'h>,
    /// A list that was put as its only element.
    pub(super) bare: bool,
}

/// A completed operation that saw the key's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'h> {
    pub(super) operation: u32,
    pub(super) value: &'h Value,
}

/// What the key holds.
#[derive(Debug)]
pub(super) enum Kind {
    Register,
    List,
    /// Concatenated tokens.
    Text(Cutter),
}

/// Who wrote an atom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) write: u32,
    pub(super) several: bool,
}

/// One key's operations, of a kind that blocks can be made of.
#[derive(Debug)]
pub(super) struct Key<'h> {
    pub(super) spec: &'h KvSpec,
    /// When each operation was invoked and when it completed; [`u64::MAX`] if it is not known to have.
    pub(super) stamps: Vec<(u64, u64)>,
    pub(super) kind: Kind,
    /// In the order of their invocations.
    pub(super) reads: Vec<Read<'h>>,
    /// In the order of their invocations.
    pub(super) writes: Vec<Write<'h>>,
    pub(super) writers: FxHashMap<Atom<'h>, Writer>,
}

impl<'h> Key<'h> {
    /// `None` if the key has operations that are not decided here: deletes, mismatches that do not say what they
    /// saw (they observe the absence of a value, and an indeterminate write that nobody read may be just what made
    /// them legal), lists with cas or of mixed kinds, and answers that no operation of its kind gives.
    pub(super) fn read(spec: &'h KvSpec, operations: &'h [&'h KvOperation]) -> Option<Self> {
        let appends = operations.iter().filter(|operation| operation.completion != Completion::Fail);
        let mut appends = appends.filter_map(|operation| match &operation.op {
            KvOp::Append { value, .. } => Some(value),
            _ => None,
        });
        let kind = match appends.next() {
            None => Kind::Register,
            Some(Value::Int(_)) => Kind::List,
            Some(Value::Text(_)) => Kind::Text(Cutter::default()),
            Some(Value::Nil | Value::List(_)) => return None,
        };
        let mut key = Self {
            spec,
            stamps: Vec::with_capacity(operations.len()),
            kind,
            reads: Vec::new(),
            writes: Vec::new(),
            writers: FxHashMap::default(),
        };
        for (index, operation) in operations.iter().enumerate() {
            let index = u32::try_from(index).ok().filter(|index| *index < NONE / 4)?;
            let completed = operation.ret().and(operation.returned);
            if completed == Some(u64::MAX) {
                return None;
            }
            key.stamps.push((operation.invoked, completed.unwrap_or(u64::MAX)));
            if operation.completion != Completion::Fail {
                key.add(index, operation)?;
            }
        }
        if matches!(key.kind, Kind::Text(_)) {
            let tokens = key.writes.iter().filter_map(|write| match write.atom {
                Atom::Token(token) => Some(token),
                Atom::Value(_) => None,
            });
            key.kind = Kind::Text(Cutter::new(tokens.collect())?);
        }
        Some(key)
    }

    fn add(&mut self, operation: u32, what: &'h KvOperation) -> Option<()> {
        match (&what.op, what.ret()) {
            (KvOp::Get { .. }, None) => {}
            (KvOp::Get { .. }, Some(KvRet::Value(value))) => self.reads.push(Read { operation, value }),
            (KvOp::Put { value, .. }, None | Some(KvRet::Done)) => self.write(operation, How::Put, value)?,
            (KvOp::Append { value, .. }, None | Some(KvRet::Done)) => {
                self.write(operation, How::Append, value)?;
            }
            (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(Some(seen)))) => {
                // It read the value; having seen what it expected, it would be illegal in any order.
                if !matches!(self.kind, Kind::Register) || self.spec.same(seen, expected) {
                    return None;
                }
                self.reads.push(Read { operation, value: seen });
            }
            (KvOp::Cas { expected, new, .. }, None | Some(KvRet::Done)) => {
                self.write(operation, How::Cas(self.register(expected)), new)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn write(&mut self, operation: u32, how: How<'h>, value: &'h Value) -> Option<()> {
        let (atom, bare) = match (&self.kind, value) {
            (Kind::Register, _) => (self.register(value), false),
            (Kind::List, Value::Int(_)) => (Atom::Value(value), true),
            (Kind::List, Value::List(items)) if how == How::Put && items.len() == 1 => {
                (Atom::Value(&items[0]), false)
            }
            (Kind::Text(_), Value::Text(text)) if !text.is_empty() => (Atom::Token(text), false),
            _ => return None,
        };
        if !matches!(self.kind, Kind::Register) && matches!(how, How::Cas(_)) {
            return None;
        }
        let write = u32::try_from(self.writes.len()).expect("fewer than there are operations");
        self.writes.push(Write { operation, how, atom, bare });
        let writer = self.writers.entry(atom).or_insert(Writer { write, several: false });
        writer.several |= writer.write != write;
        Some(())
    }

    /// A register's value as the store keeps it.
    pub(super) fn register(&self, value: &'h Value) -> Atom<'h> {
        Atom::Value(if self.spec.same(value, &Value::Nil) { &NIL } else { value })
    }

    /// What is known when everything that returned until this stamp has: what is open then is indeterminate.
    pub(super) fn until(&self, until: u64) -> View<'_, 'h> {
        let begun = |operation: u32| self.stamps[operation as usize].0 <= until;
        View {
            key: self,
            until,
            reads: self.reads.partition_point(|read| begun(read.operation)),
            writes: self.writes.partition_point(|write| begun(write.operation)),
        }
    }
}
