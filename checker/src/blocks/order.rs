//! Orders operations that stand in blocks, or says which of them cannot be ordered.
//!
//! Inside a block (Lemma 1): real time is an interval order, so a cycle has a step from a later group to an earlier
//! one; one sweep with the latest invocation so far finds it. Between blocks (Lemma 2): A must come before B if
//! something of A finished before something of B began. A cycle of these has a cycle of two: with A the block
//! of the latest invocation, its successor's successor began no later than A did. Zones are Gibbons and Korach's
//! ("Testing shared memories", 1997): two forward zones may not overlap, a backward one may not lie inside one.

use super::placed::{INITIAL, Placed};
use super::view::View;
use super::{NONE, Refutation};

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
    pub(super) fn of<'p>(&self, placed: &'p Placed) -> &'p [u32] {
        &placed.operations[self.start as usize..self.end as usize]
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

/// All operations that stand in blocks, in a legal order.
pub(super) fn arrange(view: &View<'_, '_>, placed: &Placed) -> Result<Vec<u32>, Refutation> {
    let zones = zones(view, placed)?;
    let mut ranks: Vec<(u64, Turn)> = zones.iter().zip(0..).map(|(zone, index)| zone.rank(index)).collect();
    // The initial state stands before everything.
    let started = usize::from(zones.first().is_some_and(|zone| zone.first == NONE));
    ranks[started..].sort_unstable();
    let mut order = Vec::with_capacity(placed.operations.len());
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
        order.extend_from_slice(zone.of(placed));
    }
    Ok(order)
}

/// The zones of all blocks, or two operations of one that stand the other way round in real time.
fn zones(view: &View<'_, '_>, placed: &Placed) -> Result<Vec<Zone>, Refutation> {
    let block_of = |operation: &u32| placed.place(*operation).block;
    let mut zones =
        Vec::with_capacity(placed.operations.last().map_or(0, |last| block_of(last) as usize + 1));
    let mut start = 0;
    while let Some(first) = placed.operations.get(start as usize) {
        let (rest, block) = (&placed.operations[start as usize..], block_of(first));
        let (zone, count) = sweep(view, placed, block, rest)?;
        let end = start + count;
        zones.push(Zone { start, end, ..zone });
        start = end;
    }
    Ok(zones)
}

/// The groups of a block, in order, with which these operations begin; how many are of it.
fn sweep(
    view: &View<'_, '_>,
    placed: &Placed,
    block: u32,
    operations: &[u32],
) -> Result<(Zone, u32), Refutation> {
    let initial = block == INITIAL;
    let (first, first_return) = if initial { (NONE, 0) } else { (operations[0], u64::MAX) };
    let mut zone = Zone { start: 0, end: 0, first, first_return, last: operations[0], last_invocation: 0 };
    // Of the groups before the present one.
    let (mut earlier, mut group) = (zone, placed.place(operations[0]).group);
    let mut count = 0;
    for operation in operations.iter().copied() {
        let (place, (invoked, returned)) = (placed.place(operation), view.stamps(operation));
        if place.block != block {
            break;
        }
        count += 1;
        if place.group != group {
            (earlier, group) = (zone, place.group);
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
    Ok((zone, count))
}
