//! Bounds of what a counter's reads can return, and an order of its operations where all additions are alike.
//!
//! Alike additions differ in their times alone. Let `value` of them come before a read. Going through the additions
//! one by one, the next may take any that began before the first return of a read of more, and takes the one that
//! ends first; it stands behind all reads of less. If that fails though every read is within its bounds, two reads show
//! it: the first ended before the second began, and more additions ran wholly between them than they differ by. (The
//! one that comes too late was behind only such as end before it, back to where a read of more had ended before it
//! began; it and these all ran between.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Not;

use super::{CounterAction, CounterOperation, CounterRet};
use crate::history::Completion;
use crate::no_order::NoOrder;

/// Why no order is legal: two reads and what must have been added between them. Operations are indices into those
/// that were judged.
#[derive(Clone, Debug)]
pub(super) struct Refutation {
    /// The earlier read; none: the counter was zero in the beginning.
    pub(super) before: Option<u32>,
    /// The later read.
    pub(super) after: u32,
    pub(super) why: Why,
}

/// What is wrong between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The difference is less than what was added between them at least.
    TooLow,
    /// The difference is more than what can have been added between them.
    TooHigh,
    /// The difference is no multiple of what all additions add.
    NoMultiple,
}

/// Why there is no order.
pub(super) type Stop = NoOrder<Refutation>;

/// Additions and reads with their times, as far as they count.
struct Input {
    /// Amount, beginning, end (the largest stamp if nobody knows), index.
    adds: Vec<(i64, u64, u64, u32)>,
    /// Sum, beginning, end, index.
    reads: Vec<(i64, u64, u64, u32)>,
}

/// An order of the operations of one counter.
pub(super) fn order(operations: &[&CounterOperation]) -> Result<Vec<u32>, Stop> {
    let mut input = Input { adds: Vec::new(), reads: Vec::new() };
    for (index, operation) in (0u32..).zip(operations) {
        let (invoked, returned) = (operation.invoked, operation.returned.unwrap_or(u64::MAX));
        match (&operation.op.action, &operation.completion) {
            (_, Completion::Fail) | (CounterAction::Read, Completion::Info) => {}
            (CounterAction::Add { amount }, Completion::Info | Completion::Ok(CounterRet::Done)) => {
                input.adds.push((*amount, invoked, returned, index));
            }
            (CounterAction::Read, Completion::Ok(CounterRet::Sum(sum))) => {
                input.reads.push((*sum, invoked, returned, index));
            }
            _ => return Err(Stop::Unclear),
        }
    }
    if let Some(refutation) = input.out_of_bounds() {
        return Err(Stop::Refuted(refutation));
    }
    let unit = input.adds.first().map_or(1, |add| add.0);
    if unit == 0 || input.adds.iter().any(|add| add.0 != unit) {
        return Err(Stop::Unclear);
    }
    input.in_turn(unit)
}

impl Input {
    /// A read that no choice among the additions explains: less than all that ended before it began, or more than all
    /// that began before it ended (negative amounts the other way round).
    fn out_of_bounds(&self) -> Option<Refutation> {
        let summed = |stamp: fn(&(i64, u64, u64, u32)) -> u64, positive: bool| {
            let mut stamps: Vec<(u64, i128)> = self
                .adds
                .iter()
                .filter(|add| (add.0 > 0) == positive)
                .map(|add| (stamp(add), i128::from(add.0)))
                .collect();
            stamps.sort_unstable();
            let mut sum = 0;
            for (_, amount) in &mut stamps {
                sum += *amount;
                *amount = sum;
            }
            stamps
        };
        let until = |sums: &[(u64, i128)], stamp: u64| {
            let count = sums.partition_point(|(at, _)| *at <= stamp);
            count.checked_sub(1).map_or(0, |last| sums[last].1)
        };
        let [ended_up, ended_down] = [true, false].map(|positive| summed(|add| add.2, positive));
        let [began_up, began_down] = [true, false].map(|positive| summed(|add| add.1, positive));
        let wrong = |(sum, invoked, returned, after): &(i64, u64, u64, u32)| {
            // What ended strictly before it began; nothing ends before stamp 0.
            let ended = |sums: &[(u64, i128)]| invoked.checked_sub(1).map_or(0, |stamp| until(sums, stamp));
            let low = ended(&ended_up) + until(&began_down, *returned);
            let high = until(&began_up, *returned) + ended(&ended_down);
            let why = match i128::from(*sum) {
                sum if sum < low => Why::TooLow,
                sum if sum > high => Why::TooHigh,
                _ => return None,
            };
            Some((*returned, Refutation { before: None, after: *after, why }))
        };
        self.reads
            .iter()
            .filter_map(wrong)
            .min_by_key(|(returned, _)| *returned)
            .map(|(_, refutation)| refutation)
    }

    /// An order where every addition adds `unit`.
    fn in_turn(&self, unit: i64) -> Result<Vec<u32>, Stop> {
        let mut reads: Vec<(i128, u64, u64, u32)> = Vec::with_capacity(self.reads.len());
        for (sum, invoked, returned, index) in &self.reads {
            let (sum, unit) = (i128::from(*sum), i128::from(unit));
            if sum % unit != 0 {
                return Err(Stop::Refuted(Refutation { before: None, after: *index, why: Why::NoMultiple }));
            }
            reads.push((sum / unit, *invoked, *returned, *index));
        }
        reads.sort_unstable();
        // For each read, in this order: when the first of it and all further ones ended.
        let mut ends: Vec<u64> = reads.iter().map(|read| read.2).collect();
        for at in (1..ends.len()).rev() {
            ends[at - 1] = ends[at - 1].min(ends[at]);
        }
        let mut adds: Vec<(u64, u64, u32)> = self.adds.iter().map(|add| (add.1, add.2, add.3)).collect();
        adds.sort_unstable();
        let mut adds = adds.into_iter().peekable();
        let mut pending = BinaryHeap::new();
        let mut order = Vec::with_capacity(self.adds.len() + reads.len());
        // The read in the order that began last, with its beginning.
        let mut latest: Option<(u64, u32)> = None;
        let too_late = |latest: Option<(u64, u32)>, returned: u64| {
            latest.filter(|(began, _)| returned < *began).map(|(_, read)| self.too_low(read))
        };
        let mut next = 0;
        for count in 0i128.. {
            while let Some((_, invoked, returned, index)) = reads.get(next).filter(|read| read.0 <= count) {
                if let Some(stop) = too_late(latest, *returned) {
                    return Err(stop);
                }
                latest = latest.max(Some((*invoked, *index)));
                order.push(*index);
                next += 1;
            }
            let deadline = ends.get(next).copied().unwrap_or(u64::MAX);
            while let Some((_, returned, index)) = adds.next_if(|add| add.0 <= deadline) {
                pending.push(Reverse((returned, index)));
            }
            match pending.pop() {
                // Nobody knows whether those that are left took effect, and no read needs them.
                None | Some(Reverse((u64::MAX, _))) if next == reads.len() => break,
                // The bounds of the next read to end would have been broken.
                None => return Err(Stop::Unclear),
                Some(Reverse((returned, index))) => {
                    if let Some(stop) = too_late(latest, returned) {
                        return Err(stop);
                    }
                    order.push(index);
                }
            }
        }
        Ok(order)
    }

    /// A read that ended before `after` began, such that more was added between them than they differ by.
    fn too_low(&self, after: u32) -> Stop {
        let Some((sum, invoked, ..)) = self.reads.iter().find(|read| read.3 == after) else {
            return Stop::Unclear;
        };
        let unit = self.adds.first().map_or(1, |add| add.0);
        let ended = self.adds.iter().filter(|add| add.2 < *invoked);
        let mut begun: Vec<u64> = ended.map(|add| add.1).collect();
        begun.sort_unstable();
        let before = self.reads.iter().filter(|(earlier, _, returned, _)| {
            let between = begun.len() - begun.partition_point(|began| began <= returned);
            let difference = (i128::from(*sum) - i128::from(*earlier)) / i128::from(unit);
            returned < invoked && usize::try_from(difference).is_ok_and(|more| more >= between).not()
        });
        // The latest such read: what is between is least.
        match before.max_by_key(|(_, _, returned, index)| (*returned, *index)) {
            Some((.., before)) => {
                let why = if unit > 0 { Why::TooLow } else { Why::TooHigh };
                Stop::Refuted(Refutation { before: Some(*before), after, why })
            }
            None => Stop::Unclear,
        }
    }
}

impl Refutation {
    /// The operations that it rests on.
    pub(super) fn witnesses(&self) -> Vec<u32> {
        let mut witnesses: Vec<u32> = self.before.into_iter().chain([self.after]).collect();
        witnesses.sort_unstable();
        witnesses
    }

    /// What was added between the two reads: at least, and at most.
    pub(super) fn bounds(&self, operations: &[&CounterOperation]) -> (i128, i128) {
        let (mut low, mut high) = (0, 0);
        let after = operations[self.after as usize];
        let before = self.before.map(|before| operations[before as usize]);
        for operation in operations {
            let CounterAction::Add { amount } = operation.op.action else { continue };
            if operation.completion == Completion::Fail {
                continue;
            }
            let must = operation.precedes(after) && before.is_none_or(|before| before.precedes(operation));
            let may = !after.precedes(operation) && before.is_none_or(|before| !operation.precedes(before));
            let amount = i128::from(amount);
            if must || (may && amount < 0) {
                low += amount;
            }
            if must || (may && amount > 0) {
                high += amount;
            }
        }
        (low, high)
    }

    /// Whether the operations show what is claimed.
    pub(super) fn holds(&self, operations: &[&CounterOperation]) -> bool {
        let sum = |read: u32| match operations[read as usize].ret() {
            Some(CounterRet::Sum(sum)) => Some(i128::from(*sum)),
            _ => None,
        };
        let before = self.before.map_or(Some(0), sum);
        let (Some(before), Some(after)) = (before, sum(self.after)) else { return false };
        let in_order = self
            .before
            .is_none_or(|before| operations[before as usize].precedes(operations[self.after as usize]));
        let (low, high) = self.bounds(operations);
        in_order
            && match self.why {
                Why::TooLow => after - before < low,
                Why::TooHigh => after - before > high,
                Why::NoMultiple => {
                    let adds = operations.iter().filter(|operation| operation.completion != Completion::Fail);
                    let mut amounts = adds.filter_map(|operation| match operation.op.action {
                        CounterAction::Add { amount } => Some(i128::from(amount)),
                        CounterAction::Read => None,
                    });
                    let unit = amounts.next().unwrap_or(1);
                    unit != 0 && after % unit != 0 && amounts.all(|amount| amount == unit)
                }
            }
    }
}

#[cfg(test)]
mod tests;
