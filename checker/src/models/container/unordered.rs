//! Orders the operations of a bag whose elements can be told apart.
//!
//! Elements have nothing to do with each other, except where somebody found nothing. At one stamp, removals come
//! first, then those who found nothing, then insertions; an element that need not be inside at any time comes and
//! goes at once.

use super::gaps;
use super::input::{Element, Empty, NONE};
use super::refutation::Refutation;

/// An order in `O(n log n)`.
pub(super) fn arrange(elements: &[Element], empties: &[Empty]) -> Result<Vec<u32>, Refutation> {
    let stamps = gaps::stamps(elements, empties)?;
    let mut placed: Vec<(u64, u8, u32, u32)> = Vec::with_capacity(2 * elements.len() + empties.len());
    for element in elements {
        if element.lasts() {
            placed.push((element.out_from, 0, element.remove, NONE));
            placed.push((element.in_until, 2, element.insert, NONE));
        } else {
            placed.push((element.out_from, 1, element.insert, element.remove));
        }
    }
    placed.extend(empties.iter().zip(stamps).map(|(empty, stamp)| (stamp, 1, empty.index, NONE)));
    placed.sort_unstable();
    let operations = placed.into_iter().flat_map(|(_, _, one, next)| [one, next]);
    Ok(operations.filter(|operation| *operation != NONE).collect())
}
