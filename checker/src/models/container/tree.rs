//! Two trees over positions: the largest value in a range, and how often each position is covered.
//!
//! They know nothing of what the positions mean.

/// A value per position; finds the largest of a range in logarithmic time.
pub(super) struct Largest {
    /// A binary tree in an array: the leaves are the second half.
    nodes: Vec<Option<u64>>,
    leaves: usize,
}

impl Largest {
    pub(super) fn new(positions: usize) -> Self {
        let leaves = positions.max(1).next_power_of_two();
        Self { nodes: vec![None; 2 * leaves], leaves }
    }

    /// Gives a position a value, or none.
    pub(super) fn set(&mut self, position: usize, value: Option<u64>) {
        let mut node = self.leaves + position;
        self.nodes[node] = value;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
        }
    }

    /// The position of the largest value in `from..until`, with it.
    pub(super) fn largest(&self, from: usize, until: usize) -> Option<(usize, u64)> {
        let (mut low, mut high) = (self.leaves + from, self.leaves + until);
        let mut best: Option<(u64, usize)> = None;
        let mut look = |node: usize| {
            if let Some(value) = self.nodes[node].filter(|value| best.is_none_or(|(best, _)| *value > best)) {
                best = Some((value, node));
            }
        };
        while low < high {
            if low % 2 == 1 {
                look(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                look(high);
            }
            (low, high) = (low / 2, high / 2);
        }
        let (value, mut node) = best?;
        while node < self.leaves {
            node = 2 * node + usize::from(self.nodes[2 * node] != Some(value));
        }
        Some((node - self.leaves, value))
    }
}

/// How many ranges cover each position; gives out, once each, the positions that none covers.
pub(super) struct Cover {
    /// Per node: ranges that cover all of it and not all of its parent.
    added: Vec<i64>,
    /// Per node: the least cover of a position below it that was not given out, without what covers its parents.
    least: Vec<i64>,
    leaves: usize,
}

/// The cover of a position that was given out: never again the least.
const GIVEN_OUT: i64 = i64::MAX / 4;

impl Cover {
    pub(super) fn new(positions: usize) -> Self {
        let leaves = positions.max(1).next_power_of_two();
        let mut cover = Self { added: vec![0; 2 * leaves], least: vec![0; 2 * leaves], leaves };
        for position in positions..leaves {
            cover.least[leaves + position] = GIVEN_OUT;
        }
        for node in (1..leaves).rev() {
            cover.pull(node);
        }
        cover
    }

    fn pull(&mut self, node: usize) {
        self.least[node] = self.added[node] + self.least[2 * node].min(self.least[2 * node + 1]);
    }

    /// Covers `from..until` so many times more (or less).
    pub(super) fn add(&mut self, from: usize, until: usize, times: i64) {
        if from >= until {
            return;
        }
        let (first, last) = (self.leaves + from, self.leaves + until - 1);
        let (mut low, mut high) = (first, last + 1);
        while low < high {
            if low % 2 == 1 {
                self.added[low] += times;
                self.least[low] += times;
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.added[high] += times;
                self.least[high] += times;
            }
            (low, high) = (low / 2, high / 2);
        }
        for mut node in [first, last] {
            while node > 1 {
                node /= 2;
                self.pull(node);
            }
        }
    }

    /// The positions in `from..until` that nothing covers and that were not given out before, in their order.
    pub(super) fn give_out(&mut self, from: usize, until: usize) -> Vec<usize> {
        let mut found = Vec::new();
        // Node, the positions below it, what covers its parents.
        let mut todo = vec![(1, 0, self.leaves, 0)];
        while let Some((node, start, width, above)) = todo.pop() {
            if start >= until || start + width <= from || above + self.least[node] > 0 {
                continue;
            }
            if node >= self.leaves {
                found.push(start);
                continue;
            }
            let above = above + self.added[node];
            let half = width / 2;
            todo.push((2 * node + 1, start + half, half, above));
            todo.push((2 * node, start, half, above));
        }
        for position in &found {
            let mut node = self.leaves + position;
            self.least[node] = GIVEN_OUT;
            while node > 1 {
                node /= 2;
                self.pull(node);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Cover;

    #[test]
    fn what_nothing_covers_is_given_out_once_and_only_from_the_range() {
        let mut cover = Cover::new(6);
        cover.add(1, 3, 1);
        assert_eq!(cover.give_out(0, 4), [0, 3], "not 4, which is behind the range");
        assert_eq!(cover.give_out(0, 4), [0usize; 0]);
        cover.add(2, 3, -1);
        assert_eq!(cover.give_out(2, 5), [2, 4]);
        assert_eq!(cover.give_out(0, 8), [5], "there is no seventh");
    }
}
