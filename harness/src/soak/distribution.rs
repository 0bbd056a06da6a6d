//! How some numbers are distributed, in bounded memory however many they are.
//!
//! Numbers are rounded down to ten significant bits, as in a log-linear histogram (G. Tene's HdrHistogram), so that a
//! percentile is at most a five hundredth too small; below 1,024 it is exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bits that are kept of a number.
const BITS: u32 = 10;

/// Median, 95th percentile and greatest of some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: u64,
    /// 95 of 100 are at most this.
    pub p95: u64,
    /// All are at most this.
    pub max: u64,
}

impl Percentiles {
    /// Of these numbers; zeros if there are none.
    pub fn of(numbers: &[u64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        let at = |percent| {
            sorted.get(usize::try_from(rank(sorted.len() as u64, percent)).expect("an index")).copied()
        };
        Self { p50: at(50).unwrap_or(0), p95: at(95).unwrap_or(0), max: at(100).unwrap_or(0) }
    }
}

/// The nearest rank, from 0: that of the least number that at least so many are not above.
fn rank(count: u64, percent: u64) -> u64 {
    (count * percent).div_ceil(100).max(1) - 1
}

/// Counts of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    counts: BTreeMap<u64, u64>,
    count: u64,
    max: u64,
}

impl Distribution {
    /// Adds a number.
    pub fn add(&mut self, number: u64) {
        let surplus = (u64::BITS - number.leading_zeros()).saturating_sub(BITS);
        *self.counts.entry(number >> surplus << surplus).or_insert(0) += 1;
        self.count += 1;
        self.max = self.max.max(number);
    }

    /// What they come to; zeros if there are none.
    pub fn percentiles(&self) -> Percentiles {
        let at = |percent| {
            let mut below = 0;
            let reached = |(number, count): (&u64, &u64)| {
                below += count;
                (below > rank(self.count, percent)).then_some(*number)
            };
            self.counts.iter().find_map(reached).unwrap_or(0)
        };
        Percentiles { p50: at(50), p95: at(95), max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(Percentiles::of(&[]), Percentiles { p50: 0, p95: 0, max: 0 });
        assert_eq!(Percentiles::of(&[7]), Percentiles { p50: 7, p95: 7, max: 7 });
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(Percentiles::of(&hundred), Percentiles { p50: 50, p95: 95, max: 100 });
        assert_eq!(Percentiles::of(&[3, 1, 2]), Percentiles { p50: 2, p95: 3, max: 3 });
    }

    #[test]
    fn a_distribution_says_the_same_in_bounded_memory() {
        let mut small = Distribution::default();
        assert_eq!(small.percentiles(), Percentiles::default());
        let numbers: Vec<u64> = (0..1_000).map(|number| number * 7 % 1_000).collect();
        numbers.iter().for_each(|number| small.add(*number));
        assert_eq!(small.percentiles(), Percentiles::of(&numbers));

        let mut large = Distribution::default();
        let numbers: Vec<u64> = (0..200_000_u64).map(|number| number * number).collect();
        numbers.iter().for_each(|number| large.add(*number));
        let (exact, rounded) = (Percentiles::of(&numbers), large.percentiles());
        assert!(large.counts.len() < 20_000, "{}", large.counts.len());
        assert!(
            rounded.p50 <= exact.p50 && exact.p50 - rounded.p50 <= exact.p50 / 500,
            "{rounded:?}, {exact:?}"
        );
        assert!(
            rounded.p95 <= exact.p95 && exact.p95 - rounded.p95 <= exact.p95 / 500,
            "{rounded:?}, {exact:?}"
        );
        assert_eq!(rounded.max, exact.max);
    }
}
