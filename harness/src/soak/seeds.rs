//! Which seeds a soak runs: a range, the share of it that one of several processes takes, and what is done of it.
//!
//! A share is every n-th seed, so that shares of an endless range exist too. What is done is kept as intervals: seeds
//! are handed out in order, so there are hardly more of them than threads, however many seeds there are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of several shares of a soak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 0.
    pub index: u64,
    /// How many there are.
    pub of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected a share such as 0/16, or a number of shares such as 16".to_owned();
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| expected());
        let (index, of) = (number(index)?, number(of)?);
        if index < of {
            return Ok(Self { index, of });
        }
        Err(format!("share {index} of {of} does not exist: shares count from 0"))
    }
}

/// The seeds of a soak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// All of them.
    pub range: Range<u64>,
    /// Those that are run here: whose remainder by the number of shares is this share's.
    pub shard: Shard,
}

impl Seeds {
    /// All seeds of a range.
    pub fn all(range: Range<u64>) -> Self {
        Self { range, shard: Shard::WHOLE }
    }

    /// The first seed of the share, which the range need not reach.
    fn first(&self) -> Option<u64> {
        let Shard { index, of } = self.shard;
        self.range.start.checked_add((index + of - self.range.start % of) % of)
    }

    /// The seed at this position of the share.
    pub fn nth(&self, position: u64) -> Option<u64> {
        let seed = position.checked_mul(self.shard.of)?.checked_add(self.first()?)?;
        self.range.contains(&seed).then_some(seed)
    }

    /// The position of a seed in the share.
    pub fn position(&self, seed: u64) -> Option<u64> {
        let position = seed.checked_sub(self.first()?)? / self.shard.of;
        (self.nth(position) == Some(seed)).then_some(position)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let first = self.first().unwrap_or(u64::MAX);
        self.range.end.saturating_sub(first).div_ceil(self.shard.of)
    }

    /// Whether somebody else has to say when it is enough.
    pub fn is_endless(&self) -> bool {
        self.range.end == u64::MAX
    }
}

/// Positions that are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Intervals by their start, with their ends, apart from each other.
    intervals: BTreeMap<u64, u64>,
}

impl Done {
    /// Whether this position is done.
    pub fn contains(&self, position: u64) -> bool {
        self.intervals.range(..=position).next_back().is_some_and(|(_, end)| position < *end)
    }

    /// Marks a position; whether it was not done before.
    pub fn insert(&mut self, position: u64) -> bool {
        assert!(position < u64::MAX, "positions are below the number of seeds");
        if self.contains(position) {
            return false;
        }
        let before = self.intervals.range(..position).next_back().filter(|(_, end)| **end == position);
        let start = before.map_or(position, |(start, _)| *start);
        let end = self.intervals.remove(&(position + 1)).unwrap_or(position + 1);
        self.intervals.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(seeds: &Seeds) -> Vec<u64> {
        (0..).map_while(|position| seeds.nth(position)).collect()
    }

    #[test]
    fn shares_are_apart_and_together_everything() {
        for (range, of) in [(0..10, 3), (7..8, 2), (5..29, 7), (3..4, 16)] {
            let mut all = Vec::new();
            for index in 0..of {
                let seeds = Seeds { range: range.clone(), shard: Shard { index, of } };
                let mine = taken(&seeds);
                assert_eq!(mine.len() as u64, seeds.count());
                for (position, seed) in mine.iter().enumerate() {
                    assert_eq!(seeds.position(*seed), Some(position as u64));
                }
                all.extend(mine);
            }
            all.sort_unstable();
            assert_eq!(all, range.clone().collect::<Vec<_>>());
        }
        let seeds = Seeds { range: 0..10, shard: Shard { index: 1, of: 3 } };
        assert_eq!((seeds.position(5), seeds.position(13), seeds.position(0)), (None, None, None));
    }

    #[test]
    fn shares_are_read_as_people_write_them() {
        assert_eq!("3/16".parse(), Ok(Shard { index: 3, of: 16 }));
        for wrong in ["16/16", "1", "a/b", "-1/2", "0/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_done_is_an_interval_once_it_has_no_holes() {
        let mut done = Done::default();
        for position in [3, 0, 1, 5, 2, 4] {
            assert!(!done.contains(position) && done.insert(position) && done.contains(position));
        }
        assert!(!done.insert(2) && !done.contains(6));
        assert_eq!(done.intervals, BTreeMap::from([(0, 6)]));
    }
}
