//! Orders the operations of a stack whose elements can be told apart, or shows that none of some lay below the rest.
//!
//! A legal order of a stack is a row of brackets. At a stamp at which no element is inside for sure the row can be
//! cut: what is on either side is judged by itself (moving operations of the left side back to the cut, and of the
//! right side on to it, harms nothing). Where it cannot be cut there is one outermost bracket, an element that was
//! pushed before and popped after all others can be; taking it off leaves a history that is legal exactly if the
//! whole is, and that may be cut again. If there is none, no order is legal. (The plan is that of Lee and Mathur,
//! "Efficient decrease-and-conquer linearizability monitoring", 2025: take off a value that preserves
//! linearizability, until none is left or none can be found.)
//!
//! Pieces are gone through from left to right, so that the elements that may be outermost by their insertions only
//! ever become more, and each step costs logarithmic time.

use super::gaps;
use super::input::{Element, Empty, NONE};
use super::refutation::{Refutation, Witness};
use super::tree::{Cover, Largest};

/// An order in `O(n log n)`.
pub(super) fn arrange(elements: &[Element], empties: &[Empty]) -> Result<Vec<u32>, Refutation> {
    let stamps = gaps::stamps(elements, empties)?;
    let mut empties: Vec<(u64, u32)> =
        stamps.into_iter().zip(empties).map(|(stamp, empty)| (stamp, empty.index)).collect();
    empties.sort_unstable();
    let mut lasting: Vec<&Element> = elements.iter().filter(|element| element.lasts()).collect();
    lasting.sort_unstable_by_key(|element| (element.in_until, element.insert));
    let rows = Pieces::new(&lasting).rows(&empties)?;
    // Elements that need not be inside at any time come and go at once, wherever that is.
    let mut fleeting: Vec<&Element> = elements.iter().filter(|element| !element.lasts()).collect();
    fleeting.sort_unstable_by_key(|element| (element.out_from, element.insert));
    let mut fleeting = fleeting.into_iter().peekable();
    let mut operations = Vec::with_capacity(2 * elements.len() + empties.len());
    for (stamp, operation) in rows {
        while let Some(element) = fleeting.next_if(|element| element.out_from <= stamp) {
            operations.extend([element.insert, element.remove]);
        }
        operations.push(operation);
    }
    operations.extend(fleeting.flat_map(|element| [element.insert, element.remove]));
    operations.retain(|operation| *operation != NONE);
    Ok(operations)
}

/// What is left to do, the next at the end.
enum Task {
    /// Order what lies between two points.
    Piece { from: usize, until: usize, outermost: bool },
    /// Pop an element at a stamp.
    Close { remove: u32, stamp: u64 },
}

struct Pieces<'e> {
    /// Those that are inside for sure at some time, by the ends of their insertions.
    elements: &'e [&'e Element],
    /// The stamps at which one begins or ends to be inside for sure.
    points: Vec<u64>,
    /// Per element: not taken off yet.
    left: Vec<bool>,
    cover: Cover,
    /// Per element that is left and whose insertion had begun at the current piece: the end of its removal.
    candidates: Largest,
    /// Elements by the beginnings of their insertions.
    by_in_from: Vec<u32>,
    begun: usize,
}

impl<'e> Pieces<'e> {
    fn new(elements: &'e [&'e Element]) -> Self {
        let mut points: Vec<u64> =
            elements.iter().flat_map(|element| [element.in_until, element.out_from]).collect();
        points.sort_unstable();
        points.dedup();
        let count = u32::try_from(elements.len()).expect("a history holds fewer operations than u32 counts");
        let mut by_in_from: Vec<u32> = (0..count).collect();
        by_in_from.sort_unstable_by_key(|index| (elements[*index as usize].in_from, *index));
        let mut pieces = Self {
            elements,
            cover: Cover::new(points.len()),
            points,
            left: vec![true; elements.len()],
            candidates: Largest::new(elements.len()),
            by_in_from,
            begun: 0,
        };
        for element in elements {
            let (from, until) = pieces.inside(element);
            pieces.cover.add(from, until, 1);
        }
        pieces
    }

    fn point(&self, stamp: u64) -> usize {
        self.points.binary_search(&stamp).expect("a stamp of an element")
    }

    /// The points strictly between which an element is inside for sure.
    fn inside(&self, element: &Element) -> (usize, usize) {
        (self.point(element.in_until) + 1, self.point(element.out_from))
    }

    /// The elements of a piece among all.
    fn range(&self, from: usize, until: usize) -> (usize, usize) {
        let end_of = |point: usize| {
            let stamp = self.points[point];
            self.elements.partition_point(|element| element.in_until < stamp)
        };
        (end_of(from), end_of(until))
    }

    /// Operations with the stamps at which they can be placed, both in order.
    fn rows(mut self, empties: &[(u64, u32)]) -> Result<Vec<(u64, u32)>, Refutation> {
        let mut rows = Vec::with_capacity(2 * self.elements.len() + empties.len());
        let mut empties = empties.iter().copied().peekable();
        let mut tasks = Vec::new();
        let cuts = self.cover.give_out(0, self.points.len());
        push_pieces(&mut tasks, &cuts, true);
        while let Some(task) = tasks.pop() {
            match task {
                Task::Close { remove, stamp } => rows.push((stamp, remove)),
                Task::Piece { from, until, outermost } => {
                    while let Some(empty) =
                        empties.next_if(|(stamp, _)| outermost && *stamp <= self.points[from])
                    {
                        rows.push(empty);
                    }
                    let Some(taken) = self.take_off(from, until)? else { continue };
                    let element = self.elements[taken];
                    rows.push((self.points[from], element.insert));
                    tasks.push(Task::Close { remove: element.remove, stamp: self.points[until] });
                    let (inside_from, inside_until) = self.inside(element);
                    self.cover.add(inside_from, inside_until, -1);
                    let mut cuts = vec![from];
                    cuts.extend(self.cover.give_out(inside_from, inside_until));
                    cuts.push(until);
                    push_pieces(&mut tasks, &cuts, false);
                }
            }
        }
        rows.extend(empties);
        Ok(rows)
    }

    /// Takes the outermost element off a piece; none if the piece has none left.
    fn take_off(&mut self, from: usize, until: usize) -> Result<Option<usize>, Refutation> {
        let (start, end) = (self.points[from], self.points[until]);
        while let Some(index) = self.by_in_from.get(self.begun).map(|index| *index as usize) {
            if self.elements[index].in_from > start {
                break;
            }
            if self.left[index] {
                self.candidates.set(index, Some(self.elements[index].out_until));
            }
            self.begun += 1;
        }
        let (low, high) = self.range(from, until);
        match self.candidates.largest(low, high) {
            Some((outermost, out_until)) if out_until >= end => {
                self.left[outermost] = false;
                self.candidates.set(outermost, None);
                Ok(Some(outermost))
            }
            // An element between neighbouring points is outermost itself.
            None if from + 1 == until => Ok(None),
            _ => Err(self.no_bottom(low, high, end)),
        }
    }

    /// As few elements of the piece as possible that overlap from its beginning to its end: what they show of each
    /// other is enough, for none of them can be outermost.
    fn no_bottom(&self, low: usize, high: usize, end: u64) -> Refutation {
        let elements = || (low..high).filter(|index| self.left[*index]).map(|index| self.elements[index]);
        let (mut chain, mut reached) = (Vec::new(), 0);
        let mut limit = elements().next().expect("a piece that cannot be cut has elements").in_until + 1;
        while reached < end {
            let fitting = elements().filter(|element| element.in_until < limit);
            let next = fitting.max_by_key(|element| element.out_from).expect("the piece cannot be cut");
            assert!(next.out_from > reached, "the piece cannot be cut");
            (limit, reached) = (next.out_from, next.out_from);
            chain.push(Witness::of(next));
        }
        Refutation::NoBottom { chain }
    }
}

fn push_pieces(tasks: &mut Vec<Task>, cuts: &[usize], outermost: bool) {
    let pieces = cuts.windows(2).map(|cut| Task::Piece { from: cut[0], until: cut[1], outermost });
    tasks.extend(pieces.rev());
}
