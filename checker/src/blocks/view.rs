//! A key's operations as they were known at a moment, and the lists that its reads show.
//!
//! What had not returned by then is indeterminate. A write that began later is still there for whoever saw it: that
//! one is then refuted by the order of the two.

use super::entry::Atom;
use super::input::{Key, Kind, Read, Write};
use super::placed::Placed;
use super::writers::Nearby;
use super::{NONE, Refutation, Stop, list, register};
use crate::value::Value;

/// A key's operations up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'k, 'h> {
    pub(super) key: &'k Key<'h>,
    pub(super) until: u64,
    /// As [`Key::stamps`], without asking at each of them whose they are.
    pub(super) key_stamps: &'k [(u64, u64)],
    /// So many of the key's reads had begun.
    pub(super) reads: usize,
    /// So many of its writes.
    pub(super) writes: usize,
}

impl<'k, 'h> View<'k, 'h> {
    /// The operations in their groups and blocks.
    pub(super) fn place(&self) -> Result<Placed, Stop> {
        let places = match &self.key.kind {
            Kind::Register => register::place(self),
            Kind::List | Kind::Text(_) => list::place(self),
        };
        Ok(Placed::new(places?))
    }

    /// When an operation was invoked and when it returned, [`u64::MAX`] if it may not have finished.
    pub(super) fn stamps(&self, operation: u32) -> (u64, u64) {
        let (invoked, returned) = self.key_stamps[operation as usize];
        (invoked, if returned <= self.until { returned } else { u64::MAX })
    }

    pub(super) fn invoked(&self, operation: u32) -> u64 {
        self.stamps(operation).0
    }

    pub(super) fn returned(&self, operation: u32) -> u64 {
        self.stamps(operation).1
    }

    /// Whether it certainly took effect: it completed in time.
    pub(super) fn is_done(&self, operation: u32) -> bool {
        self.returned(operation) < u64::MAX
    }

    /// Whether a write certainly took effect, nobody having to have seen it.
    pub(super) fn is_written(&self, write: usize) -> bool {
        write < self.writes && self.is_done(self.key.writes[write].operation)
    }

    /// The reads that completed in time.
    pub(super) fn reads(&self) -> impl Iterator<Item = Read<'h>> + use<'_, 'k, 'h> {
        let all = self.until == u64::MAX;
        self.key.reads[..self.reads].iter().copied().filter(move |read| all || self.is_done(read.operation))
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
    pub(super) fn has_writer(&self, atom: Atom<'h>) -> bool {
        self.key.writer(atom).is_some()
    }

    /// The only write of an atom that `reader` saw.
    pub(super) fn writer(&self, atom: Atom<'h>, reader: u32) -> Result<u32, Stop> {
        self.only(self.key.writer(atom), reader)
    }

    /// The same, of several that were written one soon after the other.
    pub(super) fn writer_near(&self, nearby: &mut Nearby, atom: Atom<'h>, reader: u32) -> Result<u32, Stop> {
        self.only(nearby.get(&self.key.writers, atom, &self.key.writes), reader)
    }

    /// The first write of what `reader` saw, if it is the only one.
    fn only(&self, first: Option<u32>, reader: u32) -> Result<u32, Stop> {
        match first {
            None => Err(Refutation::Phantom { reader }.into()),
            Some(write) if self.key.writes[write as usize].several => Err(Stop::Unclear),
            Some(write) => Ok(write),
        }
    }

    /// The write that made a register hold `atom`, `None` for the initial state; given the first write of it, if there
    /// is one.
    pub(super) fn source(&self, atom: Atom<'h>, first: u32, reader: u32) -> Result<Option<u32>, Stop> {
        let first = (first != NONE).then_some(first);
        match (atom, first) {
            (Atom::Nil, None) => Ok(None),
            // Nil again after the initial state: which of the two was seen is not known.
            (Atom::Nil, Some(_)) => Err(Stop::Unclear),
            _ => self.only(first, reader).map(Some),
        }
    }

    /// The list that a read shows; `None` if it is none that the key could ever hold.
    pub(super) fn shown(&self, value: Atom<'h>) -> Option<Shown<'h>> {
        let text = matches!(self.key.kind, Kind::Text(_));
        match value {
            _ if value.is_nil(self.key.spec) => Some(if text { Shown::Text(&[]) } else { Shown::Items(&[]) }),
            _ if value.is_empty() => None,
            Atom::Text(value) if text => Some(Shown::Text(value)),
            Atom::List(items) if !text => Some(Shown::Items(items)),
            Atom::Int(number) if !text => Some(Shown::Number(number)),
            _ => None,
        }
    }

    /// The atom that begins at `at`, and where it ends; `None` if none of those written does.
    pub(super) fn atom_at(&self, shown: Shown<'h>, at: usize) -> Option<(Atom<'h>, usize)> {
        match (shown, &self.key.kind) {
            (Shown::Items(items), _) => items.get(at).map(|item| (Atom::of(item), at + 1)),
            (Shown::Number(number), _) => (at == 0).then_some((Atom::Int(number), 1)),
            (Shown::Text(text), Kind::Text(cutter)) => {
                let end = at + cutter.cut(&text[at..], |token| self.has_writer(Atom::Text(token)))?;
                Some((Atom::Text(&text[at..end]), end))
            }
            (Shown::Text(_), _) => None,
        }
    }
}

/// A list as a read shows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'h> {
    /// A number that was put, to which nothing has been appended yet.
    Number(i64),
    Items(&'h [Value]),
    Text(&'h [u8]),
}

impl Shown<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Items(items) => items.len(),
            Self::Text(text) => text.len(),
        }
    }

    pub(super) fn begins_with_atom(self, atom: Atom<'_>) -> bool {
        match (self, atom) {
            (Self::Items([first, ..]), _) => Atom::of(first) == atom,
            (Self::Text(text), Atom::Text(token)) => text.starts_with(token),
            (Self::Number(number), _) => Atom::Int(number) == atom,
            _ => false,
        }
    }

    pub(super) fn begins_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Items(items), Self::Items(other)) => items.starts_with(other),
            (Self::Text(text), Self::Text(other)) => text.starts_with(other),
            (Self::Number(number), Self::Number(other)) => number == other,
            (Self::Items(items), Self::Number(number)) => items.first() == Some(&Value::Int(number)),
            (Self::Number(number), Self::Items(other)) => [Value::Int(number)].starts_with(other),
            _ => false,
        }
    }
}
