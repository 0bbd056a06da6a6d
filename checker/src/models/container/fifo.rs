//! Orders the operations of a queue whose elements can be told apart, or shows two elements that cannot be ordered.
//!
//! Element `a` must come before `b` if it was enqueued before `b`, or dequeued before it, in real time. A queue is
//! linearizable exactly if no two elements must each come before the other, none is taken before it is there, and
//! whoever found nothing had a time for it (Henzinger, Sezgin and Vafeiadis, CONCUR 2013; Bouajjani, Emmi, Enea and
//! Hamza, "On reducing linearizability to state reachability", ICALP 2015). Why pairs suffice: a shortest cycle
//! alternates between the two kinds of reason; take two reasons of one kind in it, `a` ended before `b` began and
//! `c` ended before `d` began. Then `a` ended before `d` began or `c` before `b`, which cuts the cycle short, down
//! to two. A removal that found nothing counts as an element that is enqueued and dequeued at one stamp.

use super::gaps;
use super::input::{Element, Empty, NONE};
use super::refutation::{Refutation, Witness};

/// An order in `O(n log n)`.
pub(super) fn arrange(elements: &[Element], empties: &[Empty]) -> Result<Vec<u32>, Refutation> {
    let stamps = gaps::stamps(elements, empties)?;
    let mut items = elements.to_vec();
    items.extend(empties.iter().zip(stamps).map(|(empty, stamp)| Element {
        insert: NONE,
        remove: empty.index,
        in_from: stamp,
        in_until: stamp,
        out_from: stamp,
        out_until: stamp,
    }));
    let order = in_turn(&items)?;
    Ok(merged(&items, &order))
}

/// Indices sorted by a stamp, taken one by one.
struct Sorted {
    indices: Vec<u32>,
    next: usize,
}

impl Sorted {
    fn by(items: &[Element], stamp: impl Fn(&Element) -> u64) -> Self {
        let count = u32::try_from(items.len()).expect("a history holds fewer operations than u32 counts");
        let mut indices: Vec<u32> = (0..count).collect();
        indices.sort_unstable_by_key(|index| (stamp(&items[*index as usize]), *index));
        Self { indices, next: 0 }
    }

    /// The first that is not done.
    fn first(&mut self, done: &[bool]) -> Option<u32> {
        while done[*self.indices.get(self.next)? as usize] {
            self.next += 1;
        }
        Some(self.indices[self.next])
    }

    /// The next one that fits.
    fn next_if(&mut self, fits: impl Fn(u32) -> bool) -> Option<u32> {
        let index = self.indices.get(self.next).copied().filter(|index| fits(*index))?;
        self.next += 1;
        Some(index)
    }
}

/// The items in an order in which none must come before an earlier one: always one is next that began to be enqueued
/// before any other's enqueuing had ended, and likewise for dequeuing.
fn in_turn(items: &[Element]) -> Result<Vec<u32>, Refutation> {
    let mut by_in_from = Sorted::by(items, |item| item.in_from);
    let mut by_in_until = Sorted::by(items, |item| item.in_until);
    let mut by_out_from = Sorted::by(items, |item| item.out_from);
    let mut by_out_until = Sorted::by(items, |item| item.out_until);
    let item = |index: u32| &items[index as usize];
    let mut order: Vec<u32> = Vec::with_capacity(items.len());
    let mut done = vec![false; items.len()];
    // Whether an item was found to be next by its insertion, or by its removal; with both it is ready.
    let mut half = vec![false; items.len()];
    let mut ready: Vec<u32> = Vec::new();
    while let (Some(first_in), Some(first_out)) = (by_in_until.first(&done), by_out_until.first(&done)) {
        let (in_until, out_until) = (item(first_in).in_until, item(first_out).out_until);
        let mut seen = |index: u32| {
            if std::mem::replace(&mut half[index as usize], true) {
                ready.push(index);
            }
        };
        while let Some(index) = by_in_from.next_if(|index| item(index).in_from <= in_until) {
            seen(index);
        }
        while let Some(index) = by_out_from.next_if(|index| item(index).out_from <= out_until) {
            seen(index);
        }
        let Some(next) = ready.pop() else {
            // All wait for one of the two; so they wait for each other.
            let (first, second) = (Witness::of(item(first_in)), Witness::of(item(first_out)));
            return Err(Refutation::OutOfOrder { first, second });
        };
        done[next as usize] = true;
        order.push(next);
    }
    Ok(order)
}

/// The operations of items in turn, insertions and removals each in that order, each as early as it can be.
fn merged(items: &[Element], order: &[u32]) -> Vec<u32> {
    let mut operations = Vec::with_capacity(2 * items.len());
    let item = |at: usize| &items[order[at] as usize];
    // The next removal, and when it can be: not before an earlier one, nor before its element is there.
    let (mut next, mut removed) = (0, 0);
    let mut inserted = 0;
    for at in 0..order.len() {
        inserted = inserted.max(item(at).in_from);
        // Nothing is left when nothing is found.
        let finds_nothing = item(at).insert == NONE;
        while next < at + usize::from(finds_nothing) {
            removed = removed.max(item(next).out_from);
            if !finds_nothing && removed >= inserted {
                break;
            }
            operations.push(item(next).remove);
            next += 1;
        }
        operations.push(item(at).insert);
    }
    operations.extend((next..order.len()).map(|at| item(at).remove));
    operations.retain(|operation| *operation != NONE);
    operations
}
