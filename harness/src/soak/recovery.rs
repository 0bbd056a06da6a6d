//! How soon service was back after faults of each family, over many runs.
//!
//! Each healing of a run counts for every family of the faults that had stood (`trial/recovery.rs` says what a healing
//! is). Those that the next fault interrupted are counted, and measure nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trial::Recovery;

use super::distribution::{Distribution, Percentiles};

/// Adds up healings.
#[derive(Clone, Debug, Default)]
pub(super) struct RecoveryTally {
    families: BTreeMap<String, Healings>,
}

#[derive(Clone, Debug, Default)]
struct Healings {
    count: u64,
    interrupted: u64,
    first_us: Distribution,
    full_us: Distribution,
}

/// How soon service was back after faults of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryLine {
    /// Times that the last standing fault ended, one of this family having stood.
    pub healings: u64,
    /// Those after which the next fault, or the end, came before full service.
    pub interrupted: u64,
    /// Until an operation succeeded, in milliseconds.
    pub first_ms: Percentiles,
    /// Until every process at work had one succeed, in milliseconds.
    pub full_ms: Percentiles,
}

impl RecoveryTally {
    pub(super) fn add(&mut self, recoveries: &[Recovery]) {
        for recovery in recoveries {
            for family in &recovery.families {
                let healings = self.families.entry(family.name().to_owned()).or_default();
                healings.count += 1;
                healings.interrupted += u64::from(recovery.full_us.is_none());
                recovery.first_us.into_iter().for_each(|us| healings.first_us.add(us));
                recovery.full_us.into_iter().for_each(|us| healings.full_us.add(us));
            }
        }
    }

    /// A line per family.
    pub(super) fn lines(&self) -> BTreeMap<String, RecoveryLine> {
        let line = |healings: &Healings| RecoveryLine {
            healings: healings.count,
            interrupted: healings.interrupted,
            first_ms: in_ms(healings.first_us.percentiles()),
            full_ms: in_ms(healings.full_us.percentiles()),
        };
        self.families.iter().map(|(family, healings)| (family.clone(), line(healings))).collect()
    }
}

fn in_ms(micros: Percentiles) -> Percentiles {
    Percentiles { p50: micros.p50 / 1_000, p95: micros.p95 / 1_000, max: micros.max / 1_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Family;

    #[test]
    fn a_healing_counts_for_every_family_and_measures_only_what_was_seen() {
        let healing = |families: &[Family], first_us, full_us| Recovery {
            families: families.iter().copied().collect(),
            healed_us: 1,
            first_us,
            full_us,
        };
        let mut tally = RecoveryTally::default();
        tally.add(&[
            healing(&[Family::Disk, Family::Link], Some(3_000), Some(9_000)),
            healing(&[Family::Link], Some(5_000), None),
        ]);
        let lines = tally.lines();
        assert_eq!((lines["disk"].healings, lines["disk"].interrupted, lines["disk"].full_ms.max), (1, 0, 9));
        assert_eq!(
            (lines["link"].healings, lines["link"].interrupted, lines["link"].first_ms.max),
            (2, 1, 5)
        );
    }
}
