//! Operations in their groups and blocks: where each stands, and all of them block by block.
//!
//! A group is one version's writer or its readers, groups of a block stand in order; in a group operations stand in the
//! order of their invocations. What nobody saw may stand nowhere. Nothing here knows of time.

use super::NONE;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u32,
    pub(super) group: u32,
}

/// The block of the initial state.
pub(super) const INITIAL: u32 = 0;

impl Place {
    /// In no block.
    pub(super) const NOWHERE: Self = Self { block: NONE, group: 0 };

    pub(super) fn writer(block: u32, version: u32) -> Self {
        Self { block, group: 2 * version }
    }

    pub(super) fn reader(block: u32, version: u32) -> Self {
        Self { block, group: 2 * version + 1 }
    }

    /// Whether it makes its version, and does not only see it.
    fn is_writer(self) -> bool {
        self.group.is_multiple_of(2)
    }

    pub(super) fn is_somewhere(self) -> bool {
        self.block != NONE
    }

    /// Which version of its block the operation makes or sees.
    pub(super) fn version(self) -> u32 {
        self.group / 2
    }
}

/// The operations of a key in their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// By operation.
    pub(super) places: Vec<Place>,
    /// Those that stand somewhere, by block and group.
    pub(super) operations: Vec<u32>,
}

impl Placed {
    /// Sorts by counting, not comparing: blocks and the groups of each are numbered without gaps worth mentioning.
    pub(super) fn new(places: Vec<Place>) -> Self {
        let somewhere = || places.iter().filter(|place| place.is_somewhere());
        let blocks = somewhere().map(|place| place.block as usize + 1).max().unwrap_or(0);
        let mut groups = vec![0; blocks];
        for place in somewhere() {
            let groups = &mut groups[place.block as usize];
            *groups = (*groups).max(place.group + 1);
        }
        // Where each block's groups begin among all groups, then where each group begins among all operations.
        let mut begins = vec![0; starts(&mut groups) as usize];
        let group_of = |place: &Place| (groups[place.block as usize] + place.group) as usize;
        for place in somewhere() {
            begins[group_of(place)] += 1;
        }
        let mut operations = vec![0; starts(&mut begins) as usize];
        for (place, operation) in places.iter().zip(0..).filter(|(place, _)| place.is_somewhere()) {
            let begin = &mut begins[group_of(place)];
            operations[*begin as usize] = operation;
            *begin += 1;
        }
        Self { places, operations }
    }

    /// Whether there are no blocks.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(super) fn place(&self, operation: u32) -> Place {
        self.places[operation as usize]
    }

    /// Leaves in the blocks those that are certain, and the writers in front of them; none that was left out before comes
    /// back. If what is left can be ordered, so that it keeps what is known of time by then, the key was legal: all that
    /// is certain is there, and between two of a block there is nothing new. It may have been legal all the same.
    pub(super) fn keep_certain(&mut self, is_certain: impl Fn(u32) -> bool) {
        let (mut block, mut kept, mut certain) = (NONE, 0, 0);
        for at in 0..self.operations.len() {
            let operation = self.operations[at];
            let place = self.place(operation);
            if place.block != block {
                (block, kept) = (place.block, certain);
            }
            let is_certain = is_certain(operation);
            if is_certain || place.is_writer() {
                self.operations[kept] = operation;
                kept += 1;
            }
            if is_certain {
                certain = kept;
            }
        }
        self.operations.truncate(certain);
    }

    /// The operations of a block.
    pub(super) fn block(&self, block: u32) -> &[u32] {
        let start = self.operations.partition_point(|operation| self.place(*operation).block < block);
        let end = self.operations.partition_point(|operation| self.place(*operation).block <= block);
        &self.operations[start..end]
    }
}

/// Turns sizes into where each begins; their sum.
fn starts(sizes: &mut [u32]) -> u32 {
    let mut sum = 0;
    for size in sizes {
        sum += std::mem::replace(size, sum);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_stand_by_block_and_group_and_those_of_nowhere_are_left_out() {
        let places = vec![
            Place::reader(2, 1),
            Place::writer(1, 0),
            Place::NOWHERE,
            Place::reader(INITIAL, 0),
            Place::writer(2, 1),
            Place::reader(2, 1),
            Place::writer(2, 0),
        ];
        let placed = Placed::new(places);
        assert_eq!(placed.operations, [3, 1, 6, 4, 0, 5]);
        assert_eq!(placed.block(INITIAL), [3]);
        assert_eq!(placed.block(2), [6, 4, 0, 5]);
        assert_eq!(placed.block(3), [0; 0]);
        assert_eq!((placed.place(5).version(), placed.place(6).version()), (1, 0));
        assert!(!placed.is_empty() && !placed.place(2).is_somewhere());
        assert!(Placed::new(vec![Place::NOWHERE]).is_empty());
    }

    #[test]
    fn of_a_block_stay_those_that_are_certain_and_the_writers_in_front_of_them() {
        let block = |block| [Place::writer(block, 0), Place::reader(block, 0), Place::writer(block, 1)];
        let placed = Placed::new((1..=4).flat_map(block).collect());
        let certain = |certain: &[u32]| {
            let mut placed = placed.clone();
            placed.keep_certain(|operation| certain.contains(&operation));
            placed.operations
        };
        assert_eq!(certain(&[2, 4, 6]), [0, 2, 3, 4, 6]);
        assert_eq!(certain(&[10]), [9, 10]);
        assert_eq!(certain(&[]), [0; 0]);
    }
}
