//! Orders operations that stand in blocks, or says which of them cannot be ordered.
//!
//! Inside a block (Lemma 1): real time is an interval order, so a cycle has a step from a later group to an earlier
//! one; one sweep with the latest invocation so far finds it. Between blocks (Lemma 2): A must come before B if
//! something of A finished before something of B began. A cycle of these has a cycle of two: with A the block
//! of the latest invocation, its successor's successor began no later than A did. Zones are Gibbons and Korach's
//! ("Testing shared memories", 1997): two forward zones may not overlap, a backward one may not lie inside one.

use super::view::View;
use super::{INITIAL, NONE, Placed, Refutation};

/// When a block's first operation finished and when its last one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    /// Where its operations begin and end in all that are placed.
    start: u32,
    end: u32,
    /// The operation that finished first; [`NONE`]: the initial state was there before everything.
    first: u32,
    /// The operation that began last.
    pub(super) last: u32,
    first_return: u64,
    last_invocation: u64,
}

impl Zone {
    /// Its operations.
    pub(super) fn of<'p>(&self, placed: &'p [Placed]) -> &'p [Placed] {
        &placed[self.start as usize..self.end as usize]
    }

    /// The operation that finished first; `None` for the initial state.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    fn is_forward(&self) -> bool {
        self.must_precede(self)
    }

    /// Whether something of this block finished before something of the other began.
    fn must_precede(&self, other: &Self) -> bool {
        self.first == NONE || self.first_return < other.last_invocation
    }

    /// Where a block stands. Sorted by this, all blocks are in a legal order, if no two tear each other: a forward zone
    /// stands where it begins, a backward one where it does too, in front of a forward one on ties. For if A must
    /// come before B, which is backward, A begins before B does (a backward A even ends before); and if B is forward
    /// but A is not, A cannot have begun within B or after, or B would have to come before A.
    fn rank(&self, index: u32) -> (u64, Turn) {
        let forward = self.is_forward();
        (if forward { self.first_return } else { self.last_invocation }, Turn { forward, index })
    }
}

/// Which zone; of those of one stamp the backward ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    forward: bool,
    index: u32,
}

/// Sorted by block and group; in a group they stay in the order in which they are given. Counted, not compared: blocks
/// and the groups of each are numbered without gaps worth mentioning.
pub(super) fn sorted(placed: &[Placed]) -> Vec<Placed> {
    let blocks = placed.iter().map(|placed| placed.block as usize + 1).max().unwrap_or(0);
    let mut groups = vec![0; blocks];
    for placed in placed {
        let groups = &mut groups[placed.block as usize];
        *groups = (*groups).max(placed.group + 1);
    }
    // Where each block's groups begin among all groups, then where each group begins among all operations.
    let all_groups = starts(&mut groups);
    let mut places = vec![0; all_groups as usize];
    let group_of = |placed: &Placed| (groups[placed.block as usize] + placed.group) as usize;
    for placed in placed {
        places[group_of(placed)] += 1;
    }
    starts(&mut places);
    let mut sorted = vec![Placed { block: 0, group: 0, operation: 0 }; placed.len()];
    for placed in placed {
        let place = &mut places[group_of(placed)];
        sorted[*place as usize] = *placed;
        *place += 1;
    }
    sorted
}

/// Turns sizes into where each begins; their sum.
fn starts(sizes: &mut [u32]) -> u32 {
    let mut sum = 0;
    for size in sizes {
        sum += std::mem::replace(size, sum);
    }
    sum
}

/// All operations in a legal order; they are given by block and group.
pub(super) fn arrange(view: &View<'_, '_>, placed: &[Placed]) -> Result<Vec<u32>, Refutation> {
    let zones = zones(view, placed)?;
    let mut ranks: Vec<(u64, Turn)> = zones.iter().zip(0..).map(|(zone, index)| zone.rank(index)).collect();
    // The initial state stands before everything.
    let started = usize::from(zones.first().is_some_and(|zone| zone.first == NONE));
    ranks[started..].sort_unstable();
    let mut order = Vec::with_capacity(placed.len());
    // The last forward zone so far. Those before it ended before it began, so it alone can reach into the next one.
    let mut open: Option<&Zone> = None;
    for (_, Turn { forward, index }) in ranks {
        let zone = &zones[index as usize];
        if let Some(open) = open.filter(|open| zone.must_precede(open)) {
            debug_assert!(open.must_precede(zone), "it began before");
            return Err(Refutation::Cross { one: *open, other: *zone });
        }
        if forward {
            open = Some(zone);
        }
        order.extend(zone.of(placed).iter().map(|placed| placed.operation));
    }
    Ok(order)
}

/// The zones of all blocks, or two operations of one that stand the other way round in real time.
fn zones(view: &View<'_, '_>, placed: &[Placed]) -> Result<Vec<Zone>, Refutation> {
    let mut zones = Vec::with_capacity(placed.last().map_or(0, |last| last.block as usize + 1));
    let mut start = 0;
    for block in placed.chunk_by(|one, other| one.block == other.block) {
        let end = start + u32::try_from(block.len()).expect("fewer than there are operations");
        zones.push(Zone { start, end, ..sweep(view, block)? });
        start = end;
    }
    Ok(zones)
}

/// One block's groups, in order.
fn sweep(view: &View<'_, '_>, block: &[Placed]) -> Result<Zone, Refutation> {
    let initial = block[0].block == INITIAL;
    let (first, first_return) = if initial { (NONE, 0) } else { (block[0].operation, u64::MAX) };
    let mut zone =
        Zone { start: 0, end: 0, first, first_return, last: block[0].operation, last_invocation: 0 };
    // Of the groups before the present one.
    let (mut earlier, mut group) = (zone, block[0].group);
    for placed in block {
        let (operation, (invoked, returned)) = (placed.operation, view.stamps(placed.operation));
        if placed.group != group {
            (earlier, group) = (zone, placed.group);
        }
        if returned < earlier.last_invocation {
            return Err(Refutation::Order { before: earlier.last, after: operation });
        }
        if returned < zone.first_return {
            (zone.first, zone.first_return) = (operation, returned);
        }
        if invoked > zone.last_invocation {
            (zone.last, zone.last_invocation) = (operation, invoked);
        }
    }
    Ok(zone)
}
