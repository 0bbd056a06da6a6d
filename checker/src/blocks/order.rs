//! Orders operations that stand in blocks, or says which of them cannot be ordered.
//!
//! Inside a block (Lemma 1): real time is an interval order, so a cycle has a step from a later group to an earlier
//! one; one sweep with the latest invocation so far finds it. Between blocks (Lemma 2): A must come before B if
//! something of A finished before something of B began. A cycle of these has a cycle of two: with A the block
//! of the latest invocation, its successor's successor began no later than A did. Zones are Gibbons and Korach's
//! ("Testing shared memories", 1997): two forward zones may not overlap, a backward one may not lie inside one.

use std::ops::Range;

use super::view::View;
use super::{INITIAL, Placed, Refutation};

/// When a block's first operation finished and when its last one began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    /// Its operations, by their place in all that are placed.
    pub(super) places: Range<usize>,
    /// The operation that finished first; `None`: the initial state was there before everything.
    pub(super) first: Option<u32>,
    first_return: Option<u64>,
    /// The operation that began last.
    pub(super) last: u32,
    last_invocation: u64,
}

impl Zone {
    fn is_forward(&self) -> bool {
        self.first_return < Some(self.last_invocation)
    }

    /// Sorted by this, all blocks are in a legal order, if no two tear each other: a forward zone stands where it
    /// begins, a backward one where it does too, in front of a forward one on ties. For if A must come before B,
    /// which is backward, A begins before B does (a backward A even ends before); and if B is forward but A is not,
    /// A cannot have begun within B or after, or B would have to come before A.
    fn rank(&self) -> (Option<u64>, bool) {
        if self.is_forward() { (self.first_return, true) } else { (Some(self.last_invocation), false) }
    }

    /// Whether something of this block finished before something of the other began.
    fn must_precede(&self, other: &Self) -> bool {
        self.first_return < Some(other.last_invocation)
    }
}

/// All operations in a legal order; sorts them by block and group.
pub(super) fn arrange(view: &View<'_, '_>, placed: &mut [Placed]) -> Result<Vec<u32>, Refutation> {
    // Stable: in a group they stay in the order of their invocations, which respects real time.
    placed.sort_by_key(|placed| (placed.block, placed.group));
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let mut start = 0;
    for block in placed.chunk_by(|one, other| one.block == other.block) {
        let zone = sweep(view, block, start)?;
        start += block.len();
        if zone.is_forward() { forward.push(zone) } else { backward.push(zone) }
    }
    forward.sort_by_key(|zone: &Zone| zone.first_return);
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].must_precede(&pair[0])) {
        return Err(Refutation::Cross { one: pair[0].clone(), other: pair[1].clone() });
    }
    for zone in &backward {
        // Forward zones do not overlap: only the last of those that began before can hold this one.
        let before = forward.partition_point(|other| other.must_precede(zone));
        let open = before.checked_sub(1).map(|index| &forward[index]);
        if let Some(open) = open.filter(|open| zone.must_precede(open)) {
            return Err(Refutation::Cross { one: open.clone(), other: zone.clone() });
        }
    }
    let mut zones: Vec<&Zone> = forward.iter().chain(&backward).collect();
    zones.sort_by_key(|zone| zone.rank());
    let operations = zones.into_iter().flat_map(|zone| &placed[zone.places.clone()]);
    Ok(operations.map(|placed| placed.operation).collect())
}

/// One block's groups, in order: its zone, or two operations that stand the other way round in real time.
fn sweep(view: &View<'_, '_>, block: &[Placed], start: usize) -> Result<Zone, Refutation> {
    let mut zone: Option<Zone> = None;
    for group in block.chunk_by(|one, other| one.group == other.group) {
        if let Some(zone) = &zone {
            let late = group.iter().find(|placed| view.returned(placed.operation) < zone.last_invocation);
            if let Some(late) = late {
                return Err(Refutation::Order { before: zone.last, after: late.operation });
            }
        }
        for &Placed { operation, block, .. } in group {
            let (returned, invoked) = (view.returned(operation), view.invoked(operation));
            let initial = block == INITIAL;
            let zone = zone.get_or_insert_with(|| Zone {
                places: start..start,
                first: (!initial).then_some(operation),
                first_return: (!initial).then_some(returned),
                last: operation,
                last_invocation: invoked,
            });
            zone.places.end += 1;
            if zone.first_return.is_some_and(|first| returned < first) {
                (zone.first, zone.first_return) = (Some(operation), Some(returned));
            }
            if invoked > zone.last_invocation {
                (zone.last, zone.last_invocation) = (operation, invoked);
            }
        }
    }
    Ok(zone.expect("a block has operations"))
}
