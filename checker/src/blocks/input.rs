//! What a key's operations say: who wrote what, who read what, and whether blocks can be made of it at all.
//!
//! Reading is linear; every written value (a register's, a list's element, a text's token) is hashed once. It does
//! not look at the order of the operations.

use std::borrow::Cow;

use super::NONE;
use super::cutting::Cutter;
use super::entry::{Atom, Entries, What};
use super::view::View;
use super::writers::{Nearby, Writers};
use crate::kv::KvSpec;

/// How an operation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Put,
    Append,
    /// Replaces the value with this number in [`Key::expected`].
    Cas(u32),
}

/// An operation that writes, if it takes effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'h> {
    pub(super) operation: u32,
    pub(super) how: How,
    pub(super) atom: Atom<'h>,
    /// A list that was put as its only element.
    pub(super) bare: bool,
    /// One of several of the same atom.
    pub(super) several: bool,
}

/// A completed operation that saw the key's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'h> {
    pub(super) operation: u32,
    /// Of a register: the first write of the value; [`NONE`] if there is none.
    pub(super) writer: u32,
    pub(super) value: Atom<'h>,
}

/// A cas that failed and does not say what it saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Differed<'h> {
    pub(super) operation: u32,
    /// The first write of what it expected; [`NONE`] if there is none.
    pub(super) writer: u32,
    pub(super) expected: Atom<'h>,
}

/// What the key holds.
#[derive(Debug)]
pub(super) enum Kind {
    Register,
    List,
    /// Concatenated tokens.
    Text(Cutter),
}

/// One key's operations, of a kind that blocks can be made of.
#[derive(Debug)]
pub(super) struct Key<'h> {
    pub(super) spec: &'h KvSpec,
    /// When each operation was invoked and when it completed; [`u64::MAX`] if it is not known to have.
    pub(super) stamps: Cow<'h, [(u64, u64)]>,
    pub(super) kind: Kind,
    /// In the order of their invocations.
    pub(super) reads: Vec<Read<'h>>,
    /// In the order of their invocations.
    pub(super) writes: Vec<Write<'h>>,
    /// How many of these are puts.
    pub(super) puts: usize,
    /// The values that cas replace.
    pub(super) expected: Vec<Atom<'h>>,
    /// The first write of each of these; [`NONE`] if there is none.
    pub(super) expected_writers: Vec<u32>,
    /// Of a register nothing is left of them once its writers are found.
    pub(super) writers: Writers,
    /// In the order of their invocations.
    pub(super) differing: Vec<Differed<'h>>,
}

impl<'h> Key<'h> {
    /// `None` if the key has operations that are not decided here: those that are unclear by themselves, and lists
    /// with cas or of mixed kinds.
    pub(super) fn read<'e: 'h, E: Entries<'e> + ?Sized>(spec: &'h KvSpec, entries: &'h E) -> Option<Self> {
        let (count, (reads, writes)) = (entries.count(), entries.reads_and_writes());
        let kind = match entries.first_append() {
            None => Kind::Register,
            Some(Atom::Int(_)) => Kind::List,
            Some(Atom::Text(token)) => Kind::Text(Cutter::of(token)),
            Some(Atom::Nil | Atom::List(_)) => return None,
        };
        let mut key = Self {
            spec,
            stamps: entries.all_stamps(),
            kind,
            reads: Vec::with_capacity(reads),
            writes: Vec::with_capacity(writes),
            puts: 0,
            expected: Vec::new(),
            expected_writers: Vec::new(),
            writers: Writers::expecting(writes),
            differing: Vec::new(),
        };
        for index in 0..count {
            let operation = u32::try_from(index).ok().filter(|index| *index < NONE / 4)?;
            key.add(operation, entries.what(index))?;
        }
        key.writers.enter(&mut key.writes);
        key.kind = match key.kind {
            Kind::Register => {
                key.find_writers();
                Kind::Register
            }
            Kind::List => Kind::List,
            Kind::Text(cutter) => {
                let tokens = key.writes.iter().filter_map(|write| match write.atom {
                    Atom::Text(token) => Some(token),
                    _ => None,
                });
                Kind::Text(cutter.finish(tokens)?)
            }
        };
        Some(key)
    }

    fn add(&mut self, operation: u32, what: What<'h>) -> Option<()> {
        match what {
            What::Failed | What::Unread => {}
            What::Read(value) => self.reads.push(Read { operation, writer: NONE, value }),
            What::Put(value) => self.write(operation, How::Put, value)?,
            What::Append(value) => self.write(operation, How::Append, value)?,
            What::Swapped { expected, new } => {
                let number = u32::try_from(self.expected.len()).expect("fewer than there are operations");
                self.expected.push(expected.kept(self.spec));
                self.write(operation, How::Cas(number), new)?;
            }
            What::Mismatched { expected, seen } => {
                // It read the value; having seen what it expected, it would be illegal in any order.
                if !matches!(self.kind, Kind::Register) || seen.kept(self.spec) == expected.kept(self.spec) {
                    return None;
                }
                self.reads.push(Read { operation, writer: NONE, value: seen });
            }
            What::Differed(expected) if matches!(self.kind, Kind::Register) => {
                let expected = expected.kept(self.spec);
                self.differing.push(Differed { operation, writer: NONE, expected });
            }
            What::Differed(_) | What::Unclear => return None,
        }
        Some(())
    }

    /// Looks up who wrote what was seen, once for all views.
    fn find_writers(&mut self) {
        let (writers, writes) = (std::mem::take(&mut self.writers), &self.writes);
        let find = |nearby: &mut Nearby, value| nearby.get(&writers, value, writes).unwrap_or(NONE);
        let mut nearby = Nearby::new(writes);
        for read in &mut self.reads {
            read.writer = find(&mut nearby, read.value.kept(self.spec));
        }
        let mut nearby = Nearby::new(writes);
        self.expected_writers = self.expected.iter().map(|value| find(&mut nearby, *value)).collect();
        for cas in &mut self.differing {
            cas.writer = find(&mut nearby, cas.expected);
        }
    }

    fn write(&mut self, operation: u32, how: How, value: Atom<'h>) -> Option<()> {
        let (atom, bare) = match (&mut self.kind, value) {
            (Kind::Register, _) => (value.kept(self.spec), false),
            (Kind::List, Atom::Int(_)) => (value, true),
            (Kind::List, Atom::List([element])) if how == How::Put => (Atom::of(element), false),
            (Kind::Text(cutter), Atom::Text(text)) if !text.is_empty() => {
                cutter.note(text);
                (value, false)
            }
            _ => return None,
        };
        if !matches!(self.kind, Kind::Register) && matches!(how, How::Cas(_)) {
            return None;
        }
        self.writers.note(atom);
        self.puts += usize::from(how == How::Put);
        self.writes.push(Write { operation, how, atom, bare, several: false });
        Some(())
    }

    /// The first write of an atom.
    pub(super) fn writer(&self, atom: Atom<'_>) -> Option<u32> {
        self.writers.get(atom, &self.writes)
    }

    /// What is known when everything that returned until this stamp has: what is open then is indeterminate.
    pub(super) fn until(&self, until: u64) -> View<'_, 'h> {
        let begun = |operation: u32| until == u64::MAX || self.stamps[operation as usize].0 <= until;
        View {
            key: self,
            until,
            key_stamps: &self.stamps,
            reads: self.reads.partition_point(|read| begun(read.operation)),
            writes: self.writes.partition_point(|write| begun(write.operation)),
        }
    }
}
