//! Orders the operations of a set whose elements are added once each, or shows what stands against every order.
//!
//! Why the sweep is enough: operations come in groups, the additions that a read is the first to show, then the reads
//! that show just those and all before. An order of groups can be kept together with real time exactly if no
//! operation of a later group ended before one of an earlier group began: real time is an interval order, so a
//! circle would have to go back through such a pair.

use rustc_hash::FxHashMap;

use super::{SetAction, SetOperation, SetRet, shown};
use crate::history::Completion;
use crate::no_order::NoOrder;
use crate::value::Value;

/// Why no order is legal. Operations are indices into those that were judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refutation {
    /// A read shows an element that nobody added; `failed`: or whose addition failed.
    Phantom { read: u32, at: u32, failed: Option<u32> },
    /// A read shows an element whose addition began only afterwards.
    Premature { read: u32, add: u32 },
    /// A read shows one element twice.
    Duplicated { read: u32, add: u32 },
    /// Each of two reads lacks what the other shows.
    Forked { one: u32, only_one: u32, other: u32, only_other: u32 },
    /// An addition ended before a read began that lacks the element; `back`: a read that shows it.
    Missing { add: u32, read: u32, back: Option<u32> },
    /// A read ended that shows an element, before one began that lacks it.
    Gone { add: u32, shows: u32, lacks: u32 },
    /// An addition ended before another began, yet a read shows the later one alone; `back`: one that shows both.
    Overtaken { add: u32, later: u32, read: u32, back: Option<u32> },
}

/// Why there is no order.
pub(super) type Stop = NoOrder<Refutation>;

/// No version: no read shows it.
const NEVER: u32 = u32::MAX;

/// A history of elements that were added once each.
pub(super) struct Input<'h> {
    operations: &'h [&'h SetOperation],
    /// Additions that did not fail, and for each the read that is the first in the chain to show it.
    adds: Vec<(u32, u32)>,
    /// Reads in the order of the chain, with what they show as indices of `adds`.
    reads: Vec<(u32, Vec<u32>)>,
}

impl<'h> Input<'h> {
    pub(super) fn read(operations: &'h [&'h SetOperation]) -> Result<Self, Stop> {
        let mut known: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut failed: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut adds = Vec::new();
        for (index, operation) in (0u32..).zip(operations) {
            let SetAction::Add { element } = &operation.op.action else { continue };
            if operation.completion == Completion::Fail {
                failed.entry(element).or_insert(index);
            } else if known.insert(element, narrow(adds.len())).is_some() {
                return Err(Stop::Unclear);
            } else {
                adds.push((index, NEVER));
            }
        }
        let mut reads = Vec::new();
        let mut last_shown_by = vec![NEVER; adds.len()];
        for (read, operation) in (0u32..).zip(operations) {
            let SetAction::Read = operation.op.action else { continue };
            let Some(ret) = operation.ret() else { continue };
            let SetRet::Elements(elements) = ret else { return Err(Stop::Unclear) };
            let mut shown = Vec::with_capacity(elements.len());
            for (at, element) in (0u32..).zip(elements.iter()) {
                let Some(&add) = known.get(element) else {
                    let failed = failed.get(element).copied();
                    return Err(Refutation::Phantom { read, at, failed }.into());
                };
                let index = adds[add as usize].0;
                if std::mem::replace(&mut last_shown_by[add as usize], read) == read {
                    return Err(Refutation::Duplicated { read, add: index }.into());
                }
                if operation.precedes(operations[index as usize]) {
                    return Err(Refutation::Premature { read, add: index }.into());
                }
                shown.push(add);
            }
            reads.push((read, shown));
        }
        reads.sort_by_key(|(read, shown)| (shown.len(), operations[*read as usize].returned, *read));
        let mut input = Self { operations, adds, reads };
        input.chain()?;
        Ok(input)
    }

    /// Finds for each addition the first read that shows it; each read must show all that the one before shows.
    fn chain(&mut self) -> Result<(), Refutation> {
        let mut inside = 0;
        for (rank, (_, shown)) in self.reads.iter().enumerate() {
            let old = shown.iter().filter(|add| self.adds[**add as usize].1 != NEVER).count();
            if old != inside {
                return Err(self.forked(rank));
            }
            inside = shown.len();
            for add in shown {
                let first = &mut self.adds[*add as usize].1;
                *first = (*first).min(narrow(rank));
            }
        }
        Ok(())
    }

    /// The read of this rank lacks what the one before it shows, and shows as many.
    fn forked(&self, rank: usize) -> Refutation {
        let ((one, before), (other, shown)) = (&self.reads[rank - 1], &self.reads[rank]);
        let lacking = |all: &[u32], some: &[u32]| {
            let some: rustc_hash::FxHashSet<u32> = some.iter().copied().collect();
            let add = all.iter().find(|add| !some.contains(add)).expect("neither shows all of the other");
            self.adds[*add as usize].0
        };
        let (only_one, only_other) = (lacking(before, shown), lacking(shown, before));
        Refutation::Forked { one: *one, only_one, other: *other, only_other }
    }

    /// The operations in an order that the reads and real time allow.
    pub(super) fn order(&self) -> Result<Vec<u32>, Stop> {
        let mut groups: Vec<(u32, bool, u64, u32)> = Vec::with_capacity(self.adds.len() + self.reads.len());
        for (add, first) in &self.adds {
            let operation = self.operations[*add as usize];
            // An indeterminate one that nobody saw may be left out.
            if *first != NEVER || operation.ret().is_some() {
                groups.push((*first, false, operation.invoked, *add));
            }
        }
        let mut version = 0;
        for (rank, (read, shown)) in self.reads.iter().enumerate() {
            if rank == 0 || shown.len() > self.reads[rank - 1].1.len() {
                version = narrow(rank);
            }
            groups.push((version, true, self.operations[*read as usize].invoked, *read));
        }
        groups.sort_unstable();
        // What began last of all that comes before the group at hand.
        let mut latest: Option<(u64, u32)> = None;
        let mut within = None;
        let mut group = None;
        for (version, is_read, invoked, index) in &groups {
            if group != Some((version, is_read)) {
                group = Some((version, is_read));
                latest = latest.max(within);
            }
            let returned = self.operations[*index as usize].returned;
            if let Some((began, earlier)) = latest
                && returned.is_some_and(|returned| returned < began)
            {
                return Err(self.backwards(*index, earlier).into());
            }
            within = within.max(Some((*invoked, *index)));
        }
        Ok(groups.into_iter().map(|(_, _, _, index)| index).collect())
    }

    /// `ended` ended before `began` began, which comes before it by what was read.
    fn backwards(&self, ended: u32, began: u32) -> Refutation {
        let rank_of = |read: u32| self.reads.iter().position(|(index, _)| *index == read);
        let first_of =
            |add: u32| self.adds.iter().find(|(index, _)| *index == add).map_or(NEVER, |(_, first)| *first);
        let back = |add: u32| self.reads.get(first_of(add) as usize).map(|(read, _)| *read);
        match (rank_of(ended), rank_of(began)) {
            (None, Some(_)) => Refutation::Missing { add: ended, read: began, back: back(ended) },
            (None, None) => {
                let read = back(began).expect("only additions that were seen have others behind them");
                Refutation::Overtaken { add: ended, later: began, read, back: back(ended) }
            }
            (Some(more), Some(less)) => {
                let less: rustc_hash::FxHashSet<u32> = self.reads[less].1.iter().copied().collect();
                let add = self.reads[more].1.iter().find(|add| !less.contains(add));
                let add = self.adds[*add.expect("it shows more") as usize].0;
                Refutation::Gone { add, shows: ended, lacks: began }
            }
            (Some(_), None) => Refutation::Premature { read: ended, add: began },
        }
    }
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a history holds fewer operations than u32 counts")
}

impl Refutation {
    /// The operations that it rests on.
    pub(super) fn witnesses(&self) -> Vec<u32> {
        let mut witnesses = match *self {
            Self::Phantom { read, failed, .. } => [Some(read), failed, None, None],
            Self::Premature { read, add } | Self::Duplicated { read, add } => {
                [Some(read), Some(add), None, None]
            }
            Self::Forked { one, only_one, other, only_other } => {
                [Some(one), Some(only_one), Some(other), Some(only_other)]
            }
            Self::Missing { add, read, back } => [Some(add), Some(read), back, None],
            Self::Gone { add, shows, lacks } => [Some(add), Some(shows), Some(lacks), None],
            Self::Overtaken { add, later, read, back } => [Some(add), Some(later), Some(read), back],
        }
        .into_iter()
        .flatten()
        .collect::<Vec<u32>>();
        witnesses.sort_unstable();
        witnesses.dedup();
        witnesses
    }

    /// Whether the operations show what is claimed; looks at nothing else than them.
    pub(super) fn holds(&self, operations: &[&SetOperation]) -> bool {
        let added = |add: u32| match &operations[add as usize].op.action {
            SetAction::Add { element } => Some(element),
            SetAction::Read => None,
        };
        let copies = |read: u32, add: u32| {
            let element = added(add)?;
            let read = operations[read as usize];
            if !matches!(read.ret()?, SetRet::Elements(_)) {
                return None;
            }
            Some(shown(read).iter().filter(|shown| *shown == element).count())
        };
        let shows = |read: u32, add: u32| copies(read, add).is_some_and(|copies| copies > 0);
        let lacks = |read: u32, add: u32| copies(read, add) == Some(0);
        let precedes = |one: u32, other: u32| operations[one as usize].precedes(operations[other as usize]);
        let acknowledged = |add: u32| operations[add as usize].ret().is_some();
        // The only addition of its element that may have taken effect.
        let is_only = |add: u32| {
            let same = operations.iter().filter(|other| {
                other.completion != Completion::Fail && other.op.action == operations[add as usize].op.action
            });
            same.count() == 1 && operations[add as usize].completion != Completion::Fail
        };
        match *self {
            Self::Phantom { read, at, failed } => {
                let Some(element) = shown(operations[read as usize]).get(at as usize) else { return false };
                let mut adds = operations.iter().filter(|operation| {
                    matches!(&operation.op.action, SetAction::Add { element: added } if added == element)
                });
                failed.is_none_or(|failed| added(failed) == Some(element))
                    && adds.all(|operation| operation.completion == Completion::Fail)
            }
            Self::Premature { read, add } => is_only(add) && shows(read, add) && precedes(read, add),
            Self::Duplicated { read, add } => copies(read, add).is_some_and(|copies| copies > 1),
            Self::Forked { one, only_one, other, only_other } => {
                shows(one, only_one)
                    && lacks(other, only_one)
                    && shows(other, only_other)
                    && lacks(one, only_other)
            }
            Self::Missing { add, read, .. } => acknowledged(add) && precedes(add, read) && lacks(read, add),
            Self::Gone { add, shows: one, lacks: other } => {
                shows(one, add) && lacks(other, add) && precedes(one, other)
            }
            Self::Overtaken { add, later, read, .. } => {
                acknowledged(add)
                    && is_only(later)
                    && precedes(add, later)
                    && shows(read, later)
                    && lacks(read, add)
            }
        }
    }
}

#[cfg(test)]
mod tests;
