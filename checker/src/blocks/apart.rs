//! Failed cas that do not say what they saw: each observes that the register held *another* value at some moment.
//!
//! They change nothing, so a key that is illegal without them is illegal with them, and an order of the others may have
//! room for them. Where it has none, one is put into a block that could stand elsewhere, or into one made of an
//! indeterminate write that nobody saw (which may not be dropped here: it may be just what made the cas fail), and the
//! blocks are ordered anew. A key is refuted only if a cas fell into a time in which its value cannot have been
//! left. What is neither placed nor refuted is left to the search: this is no decision procedure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::entry::Atom;
use super::input::How;
use super::placed::{Place, Placed};
use super::view::View;
use super::{NONE, Refutation, Stop, order};
use crate::history::OpId;
use crate::kv::KvOp;
use crate::verdict::Violation;

use super::words::Words;

/// Operations around a cas whose blocks are tried, on either side, and indeterminate writes.
const NEIGHBOURS_MAX: usize = 16;
const WRITES_MAX: usize = 4;
/// Orders tried, as long as they are of so many operations together, and so many whatever their length.
const OPERATIONS_TRIED_MAX: usize = 4_000_000;
const ORDERS_TRIED_MIN: usize = 4;
const ORDERS_TRIED_MAX: usize = 256;

/// A cas that failed and completed.
#[derive(Clone, Copy)]
struct Differing<'h> {
    operation: u32,
    /// The first write of what it expected; [`NONE`] if there is none.
    writer: u32,
    invoked: u64,
    returned: u64,
    /// What the register did not hold.
    expected: Atom<'h>,
}

/// When a value was certainly there: it was written once, so from the first return of what wrote, read or replaced
/// it to the last invocation of such.
#[derive(Clone, Copy)]
struct Stay {
    /// [`NONE`]: from the start.
    first: u32,
    first_return: u64,
    last: u32,
    last_invocation: u64,
}

/// Adds the failed cas to a legal order of the other operations, which stand in these blocks; the order may change.
pub(super) fn place(view: &View<'_, '_>, placed: &Placed, order: Vec<u32>) -> Result<Vec<u32>, Stop> {
    let done = view.key.differing.iter().filter(|cas| view.is_done(cas.operation));
    let differing = done.map(|cas| {
        let (invoked, returned) = view.stamps(cas.operation);
        Differing { operation: cas.operation, writer: cas.writer, invoked, returned, expected: cas.expected }
    });
    let mut differing: Vec<Differing<'_>> = differing.collect();
    if let Some(refutation) = refuted(view, &differing) {
        return Err(refutation.into());
    }
    let (mut placed, mut order) = (placed.clone(), order);
    let tries = OPERATIONS_TRIED_MAX / (placed.operations.len() + 1);
    let mut tries = tries.clamp(ORDERS_TRIED_MIN, ORDERS_TRIED_MAX);
    loop {
        let line = Line::new(view, &placed, &order);
        let at = match line.find_room(&differing) {
            Ok(places) => return Ok(merged(&order, &places)),
            Err(at) => at,
        };
        let candidates = line.candidates(view, &differing[at]);
        let found = candidates.into_iter().take(tries).find_map(|candidate| {
            tries -= 1;
            let mut places = placed.places.clone();
            candidate.into_iter().for_each(|(operation, place)| places[operation as usize] = place);
            let placed = Placed::new(places);
            order::arrange(view, &placed).ok().map(|order| (placed, order))
        });
        (placed, order) = found.ok_or(Stop::Unclear)?;
        differing.remove(at);
    }
}

/// A cas that fell into the stay of its value: something that wrote, read or replaced the value finished before it
/// began, and something else began after it had finished; between the two the value cannot have been another, for
/// what is written once does not come back.
fn refuted<'h>(view: &View<'_, 'h>, differing: &[Differing<'h>]) -> Option<Refutation> {
    let mut stays: FxHashMap<Atom<'h>, Option<Stay>> = FxHashMap::default();
    for cas in differing {
        stays.entry(cas.expected).or_insert_with(|| {
            match view.source(cas.expected, cas.writer, cas.operation) {
                Ok(None) => Some(Stay { first: NONE, first_return: 0, last: NONE, last_invocation: 0 }),
                Ok(Some(_)) => {
                    Some(Stay { first: NONE, first_return: u64::MAX, last: NONE, last_invocation: 0 })
                }
                // Nobody wrote it, or several did.
                Err(_) => None,
            }
        });
    }
    let mut touch = |atom: Atom<'h>, operation: u32| {
        let (Some(Some(stay)), true) = (stays.get_mut(&atom), view.is_done(operation)) else { return };
        let (invoked, returned) = view.stamps(operation);
        if returned < stay.first_return {
            (stay.first, stay.first_return) = (operation, returned);
        }
        if stay.last == NONE || invoked > stay.last_invocation {
            (stay.last, stay.last_invocation) = (operation, invoked);
        }
    };
    for read in view.reads() {
        touch(read.value.kept(view.key.spec), read.operation);
    }
    for write in &view.key.writes[..view.writes] {
        touch(write.atom, write.operation);
        if let How::Cas(number) = write.how {
            touch(view.key.expected[number as usize], write.operation);
        }
    }
    differing.iter().find_map(|cas| {
        let stay = stays[&cas.expected]?;
        let from_start = stay.first == NONE && stay.first_return == 0;
        let before = from_start || stay.first_return < cas.invoked;
        let within = before && stay.last != NONE && cas.returned < stay.last_invocation;
        let before = (!from_start).then_some(stay.first);
        within.then_some(Refutation::Surrounded { before, cas: cas.operation, after: stay.last })
    })
}

/// A legal order, and what is to be known to find room in it: positions are between operations, from 0 to their count.
struct Line<'l, 'h> {
    order: &'l [u32],
    placed: &'l Placed,
    /// The value at each position.
    values: Vec<Atom<'h>>,
    /// The next position at which it is another; one more than there are positions, if there is none.
    next: Vec<usize>,
    /// The latest invocation in front of each position, the earliest return behind it.
    invoked: Vec<u64>,
    returned: Vec<u64>,
    /// The first block number that is not used.
    blocks: u32,
}

impl<'l, 'h> Line<'l, 'h> {
    fn new(view: &View<'_, 'h>, placed: &'l Placed, order: &'l [u32]) -> Self {
        let mut written: FxHashMap<u32, Atom<'h>> = FxHashMap::default();
        written.extend(view.key.writes.iter().map(|write| (write.operation, write.atom)));
        let count = order.len();
        let (mut values, mut invoked) = (vec![Atom::Nil; count + 1], vec![0; count + 1]);
        let (mut next, mut returned) = (vec![count + 1; count + 1], vec![u64::MAX; count + 1]);
        for (at, operation) in order.iter().enumerate() {
            values[at + 1] = written.get(operation).copied().unwrap_or(values[at]);
            invoked[at + 1] = view.invoked(*operation).max(invoked[at]);
        }
        for (at, operation) in order.iter().enumerate().rev() {
            returned[at] = view.returned(*operation).min(returned[at + 1]);
            next[at] = if values[at] == values[at + 1] { next[at + 1] } else { at + 1 };
        }
        let blocks = placed.operations.last().map_or(1, |last| placed.place(*last).block + 1);
        Self { order, placed, values, next, invoked, returned, blocks }
    }

    /// The positions at which a cas may stand in real time: behind what finished before it began, in front of what
    /// began after it had finished.
    fn room(&self, cas: &Differing<'_>) -> (usize, usize) {
        let first = self.returned.partition_point(|returned| *returned < cas.invoked);
        let last = self.invoked.partition_point(|invoked| *invoked <= cas.returned) - 1;
        debug_assert!(first <= last, "the order is one in real time");
        (first, last)
    }

    /// Positions for all of them, or the first that has none. The earliest is taken for each, which leaves most room to
    /// those that follow it in real time: they must not stand in front of it.
    fn find_room(&self, differing: &[Differing<'_>]) -> Result<Vec<(usize, u32)>, usize> {
        let (mut places, mut floor) = (Vec::with_capacity(differing.len()), 0);
        let mut open: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        debug_assert!(differing.is_sorted_by_key(|cas| cas.invoked), "in the order of invocations");
        for (number, cas) in differing.iter().enumerate() {
            while let Some(Reverse((_, at))) = open.pop_if_returned(cas.invoked) {
                floor = floor.max(at);
            }
            let (first, last) = self.room(cas);
            let first = first.max(floor);
            let at = if self.values[first] == cas.expected { self.next[first] } else { first };
            if at > last {
                return Err(number);
            }
            places.push((at, cas.operation));
            open.push(Reverse((cas.returned, at)));
        }
        places.sort_by_key(|(at, _)| *at);
        Ok(places)
    }

    /// Versions that a cas might see, near where it should stand.
    fn candidates(&self, view: &View<'_, 'h>, cas: &Differing<'h>) -> Vec<Vec<(u32, Place)>> {
        let (first, last) = self.room(cas);
        let from = first.saturating_sub(NEIGHBOURS_MAX);
        let to = (last + NEIGHBOURS_MAX).min(self.order.len());
        let mut versions = Vec::new();
        // What follows comes first: it is more often free to be moved.
        for at in (first..to).chain((from..first).rev()) {
            let place = self.placed.place(self.order[at]);
            let version = (place.block, place.version());
            if self.values[at + 1] != cas.expected && !versions.contains(&version) {
                versions.push(version);
            }
        }
        let seen =
            versions.into_iter().map(|(block, version)| vec![(cas.operation, Place::reader(block, version))]);
        let writes = view.key.writes[..view.writes].iter().rev().filter(|write| {
            let unseen = !self.placed.place(write.operation).is_somewhere();
            unseen && write.how == How::Put && write.atom != cas.expected
        });
        let begun = writes.filter(|write| view.invoked(write.operation) <= cas.returned);
        let made = begun.take(WRITES_MAX).map(|write| {
            vec![
                (write.operation, Place::writer(self.blocks, 0)),
                (cas.operation, Place::reader(self.blocks, 0)),
            ]
        });
        seen.chain(made).collect()
    }
}

/// Takes the least, if it had returned before a stamp.
trait PopIfReturned {
    fn pop_if_returned(&mut self, stamp: u64) -> Option<Reverse<(u64, usize)>>;
}

impl PopIfReturned for BinaryHeap<Reverse<(u64, usize)>> {
    fn pop_if_returned(&mut self, stamp: u64) -> Option<Reverse<(u64, usize)>> {
        self.peek().is_some_and(|Reverse((returned, _))| *returned < stamp).then(|| self.pop()).flatten()
    }
}

/// An order with more operations, each at a position of the order.
fn merged(order: &[u32], places: &[(usize, u32)]) -> Vec<u32> {
    let mut merged = Vec::with_capacity(order.len() + places.len());
    let mut places = places.iter().peekable();
    for at in 0..=order.len() {
        while let Some((_, operation)) = places.next_if(|(place, _)| *place == at) {
            merged.push(*operation);
        }
        merged.extend(order.get(at));
    }
    merged
}

impl Words<'_, '_, '_> {
    /// A cas that failed while its value was there.
    pub(super) fn surrounded(&self, before: Option<u32>, cas: u32, after: u32) -> Violation {
        let KvOp::Cas { expected, .. } = &self.indexed(cas).1.op else { unreachable!("it is a cas") };
        let id = |operation: u32| -> OpId { self.indexed(operation).0 };
        let (words, last) = (self.by(cas), self.by(after));
        let since = before.map_or_else(|| "it is the initial value".to_owned(), |before| self.by(before));
        let message = format!("{words} although the value was {expected} all the time: {since}; then {last}");
        let operations: Vec<u32> = before.into_iter().chain([cas, after]).collect();
        let mut violation = self.told("not-linearizable", message, &operations, Vec::new());
        violation.steps = before
            .map(|before| format!("{} {since} finished before {} {words} began", id(before), id(cas)))
            .into_iter()
            .chain([
                format!("{} {words} finished before {} {last} began", id(cas), id(after)),
                format!("{expected} was never written again, so it was there from the one to the other"),
                format!("yet {words}, so the value was another one"),
            ])
            .collect();
        violation
    }
}
