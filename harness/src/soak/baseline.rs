//! How soon planted bugs were found once, to tell when that gets clearly worse.
//!
//! A hunt's seeds are few and random: what changes a protocol or a generator changes them, too. So a bug may take three
//! times as many and ten more before it counts as worse, and all together twice as many; a bug that was found and no
//! longer is always counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::distribution::Percentiles;
use super::mutants::{HuntResult, Mutants};
use crate::store::SCHEMA;

/// So many times the seeds of one bug are no surprise.
const TIMES: u64 = 3;
/// So many seeds more of one bug are none either.
const MORE: u64 = 10;
/// So many times the seeds of all bugs together are none.
const TIMES_ALL: u64 = 2;

/// What was found, and how soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The format.
    pub schema: u32,
    /// Each hunt.
    pub hunts: Vec<BaselineLine>,
}

/// How soon one bug was found in one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineLine {
    /// The bug.
    pub bug: String,
    /// The mode.
    pub mode: String,
    /// How many seeds a find took, in the median; absent: it was not found.
    pub seeds_median: Option<u64>,
}

/// Why a baseline cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not what it should be.
    #[error("line {line}, column {column}: {message}; expected what squall mutants --save-baseline writes")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It is of another format.
    #[error("schema {0} is not {SCHEMA}: make it again with squall mutants --save-baseline")]
    Schema(u32),
}

impl Baseline {
    /// What these hunts came to. Where a bug was hunted in several simulators, the first one counts.
    pub fn of(mutants: &Mutants) -> Self {
        let mut hunts: BTreeMap<(String, String), BaselineLine> = BTreeMap::new();
        for result in mutants.bugs.iter().flat_map(|bug| &bug.hunts) {
            let line = line(result);
            hunts.entry((line.bug.clone(), line.mode.clone())).or_insert(line);
        }
        Self { schema: SCHEMA, hunts: hunts.into_values().collect() }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| BaselineError::Malformed {
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        })?;
        if baseline.schema == SCHEMA { Ok(baseline) } else { Err(BaselineError::Schema(baseline.schema)) }
    }

    /// Its text: a line per hunt, so that a change of it reads well.
    pub fn text(&self) -> String {
        let line = |line: &BaselineLine| serde_json::to_string(line).expect("plain data");
        let lines: Vec<String> = self.hunts.iter().map(line).collect();
        format!(
            "{{\n  \"schema\": {},\n  \"hunts\": [\n    {}\n  ]\n}}\n",
            self.schema,
            lines.join(",\n    ")
        )
    }

    /// In which ways what is found now is clearly worse, in words.
    pub fn worse(&self, now: &Self) -> Vec<String> {
        let mut complaints = Vec::new();
        let (mut sum_then, mut sum_now) = (0, 0);
        for then in &self.hunts {
            let hunted = |line: &&BaselineLine| line.bug == then.bug && line.mode == then.mode;
            let (Some(line), Some(seeds)) = (now.hunts.iter().find(hunted), then.seeds_median) else {
                continue;
            };
            let name = format!("{} in {}", then.bug, then.mode);
            match line.seeds_median {
                None => complaints.push(format!("{name} is no longer found; it took {seeds} seeds")),
                Some(more) => {
                    sum_then += seeds;
                    sum_now += more;
                    if more > TIMES * seeds + MORE {
                        complaints.push(format!("{name} takes {more} seeds; it took {seeds}"));
                    }
                }
            }
        }
        if sum_now > TIMES_ALL * sum_then + MORE {
            complaints.push(format!("all together take {sum_now} seeds; they took {sum_then}"));
        }
        complaints
    }
}

fn line(result: &HuntResult) -> BaselineLine {
    let seeds = Percentiles::of(&result.gaps).p50;
    BaselineLine {
        bug: result.hunt.bug.name().into(),
        mode: result.hunt.mode.name().into(),
        seeds_median: result.find.as_ref().map(|_| seeds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(seeds: &[Option<u64>]) -> Baseline {
        let line = |(number, seeds): (usize, &Option<u64>)| BaselineLine {
            bug: format!("bug-{number}"),
            mode: "paxos".into(),
            seeds_median: *seeds,
        };
        Baseline { schema: SCHEMA, hunts: seeds.iter().enumerate().map(line).collect() }
    }

    #[test]
    fn chance_is_tolerated_and_what_is_clearly_worse_is_named() {
        let then = baseline(&[Some(1), Some(4), Some(2), None]);
        assert_eq!(Baseline::parse(&then.text()).expect("its own text"), then);
        assert_eq!(then.worse(&then), [""; 0]);
        assert_eq!(then.worse(&baseline(&[Some(9), Some(6), Some(1), Some(40)])), [""; 0]);
        assert_eq!(
            then.worse(&baseline(&[None, Some(23), Some(2), None])),
            [
                "bug-0 in paxos is no longer found; it took 1 seeds",
                "bug-1 in paxos takes 23 seeds; it took 4",
                "all together take 25 seeds; they took 6",
            ]
        );
        assert_eq!(then.worse(&baseline(&[])), [""; 0], "what is not hunted is not compared");
        assert!(Baseline::parse("{}").is_err());
        assert!(Baseline::parse(&then.text().replace(": 1,", ": 9,")).is_err());
    }
}
