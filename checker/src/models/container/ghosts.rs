//! Which element each indeterminate removal may have taken, where that matters.
//!
//! An element that nobody was told to have taken must be gone before somebody shows that it is: by taking an element
//! that lies behind it (in a queue) or below it (in a stack), or by finding nothing. That is its deadline. Deadlines
//! are met, if they can be, by giving the earliest removal to the earliest deadline. A guess that the monitor then
//! has to prove: what it cannot prove is left to the search.

use super::Discipline;
use super::input::{Element, Input};

/// The elements, those with a deadline taken by an indeterminate removal each; `None` if there are too few.
pub(super) fn assigned(input: &Input<'_>, discipline: Discipline) -> Option<Vec<Element>> {
    let mut elements = input.elements.clone();
    let left: Vec<usize> = (0..elements.len()).filter(|index| elements[*index].is_left()).collect();
    let mut deadlines = by_empties(input, &left);
    let shown = match discipline {
        Discipline::Fifo => by_followers(&elements, &left),
        Discipline::Lifo => by_supporters(&elements, &left),
        Discipline::Unordered => vec![u64::MAX; left.len()],
    };
    deadlines.iter_mut().zip(shown).for_each(|(deadline, shown)| *deadline = shown.min(*deadline));
    let mut due: Vec<(u64, usize)> =
        deadlines.into_iter().zip(left).filter(|(deadline, _)| *deadline != u64::MAX).collect();
    due.sort_unstable();
    let mut ghosts = input.ghosts.iter();
    for (deadline, index) in due {
        let ghost = *ghosts.next()?;
        let operation = input.operations[ghost as usize];
        if operation.invoked > deadline {
            return None;
        }
        elements[index] = elements[index].taken_by(ghost, operation);
    }
    Some(elements)
}

/// For each of `left`: the earliest end of a removal that found nothing and began when the element was inside.
fn by_empties(input: &Input<'_>, left: &[usize]) -> Vec<u64> {
    let ends = input.empties.iter().map(|empty| (empty.invoked, empty.returned));
    let earliest = EarliestEnd::new(ends.collect());
    left.iter().map(|index| earliest.of_those_after(input.elements[*index].in_until)).collect()
}

/// For each of `left`: the earliest end of a removal of an element that was inserted after it.
fn by_followers(elements: &[Element], left: &[usize]) -> Vec<u64> {
    let earliest =
        EarliestEnd::new(elements.iter().map(|element| (element.in_from, element.out_until)).collect());
    left.iter().map(|index| earliest.of_those_after(elements[*index].in_until)).collect()
}

/// For each of `left`: the earliest end of a removal of an element that was inserted before it and removed after it
/// was inserted.
fn by_supporters(elements: &[Element], left: &[usize]) -> Vec<u64> {
    let mut supporters: Vec<&Element> = elements.iter().filter(|element| !element.is_left()).collect();
    supporters.sort_unstable_by_key(|element| element.in_until);
    let mut ranks: Vec<u64> = supporters.iter().map(|element| element.out_from).collect();
    ranks.sort_unstable();
    // Per rank of the beginning of the removal, from the last: the earliest end (a binary indexed tree).
    let mut earliest = vec![u64::MAX; ranks.len() + 1];
    let mut deadlines = vec![u64::MAX; left.len()];
    let mut by_in_from: Vec<usize> = (0..left.len()).collect();
    by_in_from.sort_unstable_by_key(|at| elements[left[*at]].in_from);
    let mut supporters = supporters.into_iter().peekable();
    for at in by_in_from {
        let element = &elements[left[at]];
        while let Some(supporter) = supporters.next_if(|supporter| supporter.in_until < element.in_from) {
            let mut node = ranks.len() - ranks.partition_point(|rank| *rank < supporter.out_from);
            while node < earliest.len() {
                earliest[node] = earliest[node].min(supporter.out_until);
                node += node & node.wrapping_neg();
            }
        }
        let mut node = ranks.len() - ranks.partition_point(|rank| *rank <= element.in_until);
        while node > 0 {
            deadlines[at] = deadlines[at].min(earliest[node]);
            node &= node - 1;
        }
    }
    deadlines
}

/// Intervals by their beginnings, for the earliest end of all that begin after a stamp.
struct EarliestEnd(Vec<(u64, u64)>);

impl EarliestEnd {
    fn new(mut intervals: Vec<(u64, u64)>) -> Self {
        intervals.sort_unstable();
        let mut earliest = u64::MAX;
        for (_, end) in intervals.iter_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
        Self(intervals)
    }

    fn of_those_after(&self, stamp: u64) -> u64 {
        let from = self.0.partition_point(|(begin, _)| *begin <= stamp);
        self.0.get(from).map_or(u64::MAX, |(_, end)| *end)
    }
}
