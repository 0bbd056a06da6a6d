//! What a key's operations say: who wrote what, who read what, and whether blocks can be made of it at all.
//!
//! Reading is linear; every written value (a register's, a list's element, a text's token) is hashed once. It does
//! not look at the order of the operations.

use rustc_hash::FxHashMap;

use super::cutting::Cutter;
use super::{KvOperation, NONE, Placed, Refutation, Stop, list, register};
use crate::history::Completion;
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::value::Value;

static NIL: Value = Value::Nil;
static NO_ITEMS: [Value; 0] = [];

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
struct Writer {
    write: u32,
    several: bool,
}

/// One key's operations, of a kind that blocks can be made of.
#[derive(Debug)]
pub(super) struct Key<'h> {
    pub(super) spec: &'h KvSpec,
    operations: &'h [&'h KvOperation],
    pub(super) kind: Kind,
    /// In the order of their invocations.
    pub(super) reads: Vec<Read<'h>>,
    /// In the order of their invocations.
    pub(super) writes: Vec<Write<'h>>,
    writers: FxHashMap<Atom<'h>, Writer>,
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
            operations,
            kind,
            reads: Vec::new(),
            writes: Vec::new(),
            writers: FxHashMap::default(),
        };
        for (index, operation) in operations.iter().enumerate() {
            let index = u32::try_from(index).ok().filter(|index| *index < NONE / 4)?;
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
        View { key: self, until }
    }
}

/// A key's operations up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'k, 'h> {
    pub(super) key: &'k Key<'h>,
    until: u64,
}

impl<'k, 'h> View<'k, 'h> {
    /// The operations in their groups and blocks.
    pub(super) fn place(&self) -> Result<Vec<Placed>, Stop> {
        match &self.key.kind {
            Kind::Register => register::place(self),
            Kind::List | Kind::Text(_) => list::place(self),
        }
    }

    pub(super) fn invoked(&self, operation: u32) -> u64 {
        self.key.operations[operation as usize].invoked
    }

    /// [`u64::MAX`] if it may not have finished.
    pub(super) fn returned(&self, operation: u32) -> u64 {
        let returned = self.key.operations[operation as usize].returned;
        returned.filter(|returned| *returned <= self.until).unwrap_or(u64::MAX)
    }

    /// Whether it certainly took effect: it completed in time.
    pub(super) fn is_done(&self, operation: u32) -> bool {
        self.key.operations[operation as usize].returned.is_some_and(|returned| returned <= self.until)
    }

    /// The reads that completed in time.
    pub(super) fn reads(&self) -> impl Iterator<Item = Read<'h>> + use<'_, 'k, 'h> {
        self.key.reads.iter().copied().filter(|read| self.is_done(read.operation))
    }

    pub(super) fn write(&self, write: u32) -> Write<'h> {
        self.key.writes[write as usize]
    }

    /// The atoms of a list, up to the first that nobody can have written.
    pub(super) fn atoms(&self, shown: Shown<'h>) -> impl Iterator<Item = Atom<'h>> + use<'_, 'k, 'h> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (atom, end) = self.atom_at(shown, at)?;
            at = end;
            Some(atom)
        })
    }

    /// Whether some operation may have written an atom.
    pub(super) fn is_written(&self, atom: Atom<'h>) -> bool {
        self.key.writers.contains_key(&atom)
    }

    /// The only write of an atom that `reader` saw.
    pub(super) fn writer(&self, atom: Atom<'h>, reader: u32) -> Result<u32, Stop> {
        match self.key.writers.get(&atom) {
            None => Err(Refutation::Phantom { reader }.into()),
            Some(writer) if writer.several => Err(Stop::Unclear),
            Some(writer) => Ok(writer.write),
        }
    }

    /// The write that made a register hold `atom`, `None` for the initial state.
    pub(super) fn source(&self, atom: Atom<'h>, reader: u32) -> Result<Option<u32>, Stop> {
        if atom != Atom::Value(&NIL) {
            return self.writer(atom, reader).map(Some);
        }
        // Nil again after the initial state: which of the two was seen is not known.
        if self.key.writers.contains_key(&atom) { Err(Stop::Unclear) } else { Ok(None) }
    }

    /// The list that a read shows; `None` if it is none that the key could ever hold.
    pub(super) fn shown(&self, value: &'h Value) -> Option<Shown<'h>> {
        if is_empty(value) && !self.key.spec.same(value, &Value::Nil) {
            return None;
        }
        let text = matches!(self.key.kind, Kind::Text(_));
        match value {
            _ if is_empty(value) => Some(if text { Shown::Text("") } else { Shown::Items(&NO_ITEMS) }),
            Value::Text(value) if text => Some(Shown::Text(value)),
            Value::List(items) if !text => Some(Shown::Items(items)),
            Value::Int(_) if !text => Some(Shown::Items(std::slice::from_ref(value))),
            _ => None,
        }
    }

    /// The atom that begins at `at`, and where it ends; `None` if none of those written does.
    pub(super) fn atom_at(&self, shown: Shown<'h>, at: usize) -> Option<(Atom<'h>, usize)> {
        match (shown, &self.key.kind) {
            (Shown::Items(items), _) => items.get(at).map(|item| (Atom::Value(item), at + 1)),
            (Shown::Text(text), Kind::Text(cutter)) => {
                let end = at
                    + cutter.cut(&text[at..], |token| self.key.writers.contains_key(&Atom::Token(token)))?;
                Some((Atom::Token(&text[at..end]), end))
            }
            (Shown::Text(_), _) => None,
        }
    }
}

/// A list as a read shows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'h> {
    Items(&'h [Value]),
    Text(&'h str),
}

impl Shown<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Text(text) => text.len(),
        }
    }

    pub(super) fn begins_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Items(items), Self::Items(other)) => items.starts_with(other),
            (Self::Text(text), Self::Text(other)) => text.starts_with(other),
            _ => false,
        }
    }
}
