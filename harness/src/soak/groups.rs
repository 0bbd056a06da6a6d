//! Failures by cause: mode, check, anomaly, and the kinds of fault that are left when a failure has been shrunk.
//!
//! A thousand seeds that fail in one way are one thing to look at. Only failures that were stored whole are shrunk; the
//! others are counted where their check and anomaly belong, as not shrunk, and nothing is guessed of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shrink::{Cause, Size};

use super::seed_line::SeedLine;
use super::statistics::{FailureLine, insert_bounded};
use super::workloads::ClusterPlan;

/// Failing seeds that a summary names, at most.
const FAILURES_NAMED_MAX: usize = 100;
/// Seeds that a group names, at most.
const SEEDS_MAX: usize = 10;

/// A failure that is stored whole.
#[derive(Clone, Debug)]
pub struct StoredFailure {
    /// The seed.
    pub seed: u64,
    /// The mode.
    pub mode: String,
    /// In which way it failed.
    pub cause: Cause,
    /// One sentence.
    pub message: String,
    /// Its folder.
    pub folder: String,
    /// The shrunk plan, if it was shrunk.
    pub shrunk: Option<ClusterPlan>,
}

/// Failures of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// The mode.
    pub mode: String,
    /// The check that noticed.
    pub check: String,
    /// What it noticed.
    pub kind: String,
    /// The kinds of fault that are left when it is shrunk; absent: not shrunk.
    pub faults: Option<Vec<String>>,
    /// How many seeds.
    pub seeds: u64,
    /// The first of them.
    pub first_seeds: Vec<u64>,
    /// The smallest, if any is stored whole.
    pub example: Option<Example>,
}

/// The smallest failure of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The seed.
    pub seed: u64,
    /// One sentence.
    pub message: String,
    /// Its folder.
    pub results: String,
    /// How large the shrunk plan is; absent: not shrunk.
    pub shrunk: Option<Size>,
}

/// Adds up failing seeds.
#[derive(Clone, Debug, Default)]
pub(super) struct FailureTally {
    causes: BTreeMap<(String, Cause), Seeds>,
    first: Vec<FailureLine>,
}

#[derive(Clone, Debug, Default)]
struct Seeds {
    count: u64,
    first: Vec<u64>,
}

impl FailureTally {
    /// Adds a seed, if it failed.
    pub(super) fn add(&mut self, line: &SeedLine) {
        let (Some(cause), Some(violation)) = (line.cause(), line.run.violations.first()) else { return };
        let run = &line.run;
        let failure = FailureLine {
            seed: run.seed,
            check: cause.check.clone(),
            kind: cause.kind.clone(),
            message: violation.message.clone(),
            results: run.results.clone(),
        };
        insert_bounded(&mut self.first, failure, FAILURES_NAMED_MAX, |failure| failure.seed);
        let seeds = self.causes.entry((run.mode.clone(), cause)).or_default();
        seeds.count += 1;
        // Those that are stored are taken out of these later, so that some more are needed.
        insert_bounded(&mut seeds.first, run.seed, SEEDS_MAX + super::FAILURES_MAX, |seed| *seed);
    }

    /// The first failing seeds.
    pub(super) fn first(&self) -> &[FailureLine] {
        &self.first
    }

    /// Failures by cause: those that occur most often first.
    pub(super) fn groups(&self, stored: &[StoredFailure]) -> Vec<FailureGroup> {
        let mut groups = Vec::new();
        for ((mode, cause), seeds) in &self.causes {
            let of_cause = |failure: &&StoredFailure| failure.mode == *mode && failure.cause == *cause;
            let mut by_faults: BTreeMap<Option<Vec<String>>, Vec<&StoredFailure>> = BTreeMap::new();
            for failure in stored.iter().filter(of_cause) {
                by_faults.entry(failure.shrunk.as_ref().map(kinds)).or_default().push(failure);
            }
            let shrunk = |failure: &&StoredFailure| failure.shrunk.is_some();
            let known: Vec<u64> =
                stored.iter().filter(of_cause).filter(shrunk).map(|failure| failure.seed).collect();
            let others = seeds.count.saturating_sub(known.len() as u64);
            if others > 0 {
                by_faults.entry(None).or_default();
            }
            for (faults, failures) in by_faults {
                let count = if faults.is_some() { failures.len() as u64 } else { others };
                let mut first: Vec<u64> = if faults.is_some() {
                    failures.iter().map(|failure| failure.seed).collect()
                } else {
                    seeds.first.iter().copied().filter(|seed| !known.contains(seed)).collect()
                };
                first.sort_unstable();
                first.truncate(SEEDS_MAX);
                groups.push(FailureGroup {
                    mode: mode.clone(),
                    check: cause.check.clone(),
                    kind: cause.kind.clone(),
                    faults,
                    seeds: count,
                    first_seeds: first,
                    example: failures.into_iter().min_by_key(|failure| weight(failure)).map(example),
                });
            }
        }
        groups.sort_by(|one, other| other.seeds.cmp(&one.seeds).then_with(|| one.mode.cmp(&other.mode)));
        groups
    }
}

/// The kinds of fault in a plan.
fn kinds(plan: &ClusterPlan) -> Vec<String> {
    let mut kinds: Vec<String> = plan.faults.iter().map(|fault| fault.fault.name().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// What there is to read of a failure: faults first, since each is a thought; then operations.
fn weight(failure: &StoredFailure) -> (bool, u64, u64, u32, u64) {
    let size = failure.shrunk.as_ref().map(Size::of);
    let (faults, operations, nodes) =
        size.map_or((0, 0, 0), |size| (size.faults, size.operations, size.nodes));
    (size.is_none(), faults, operations, nodes, failure.seed)
}

fn example(failure: &StoredFailure) -> Example {
    Example {
        seed: failure.seed,
        message: failure.message.clone(),
        results: failure.folder.clone(),
        shrunk: failure.shrunk.as_ref().map(Size::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Wanted;
    use crate::store::{RunLine, ViolationLine};
    use squall_checker::Verdict;

    fn line(seed: u64, kind: &str) -> SeedLine {
        let wanted = Wanted { clients: Some(2), operations: Some(2), ..Wanted::default() };
        let experiment = wanted.experiment().expect("possible");
        let outcome = experiment.run(&experiment.plan(1));
        let mut run = RunLine::new(experiment.config(), seed, &outcome, 1, String::new());
        run.verdict = Verdict::Invalid;
        run.violations = vec![ViolationLine {
            check: "linearizable".into(),
            kind: kind.into(),
            key: None,
            message: "wrong".into(),
            operations: Vec::new(),
            cycle: None,
        }];
        SeedLine::new(run, &outcome, 0)
    }

    fn stored(seed: u64, kind: &str, nemesis: Option<&str>) -> StoredFailure {
        let plan = |nemesis: &str| {
            let wanted =
                Wanted { nemesis: Some(nemesis.into()), duration_ms: Some(500), ..Wanted::default() };
            wanted.experiment().expect("possible").plan(seed)
        };
        StoredFailure {
            seed,
            mode: "paxos".into(),
            cause: Cause { check: "linearizable".into(), kind: kind.into() },
            message: "wrong".into(),
            folder: format!("failures/{seed}"),
            shrunk: nemesis.map(plan),
        }
    }

    #[test]
    fn failures_are_grouped_by_what_is_left_of_them() {
        let mut tally = FailureTally::default();
        for seed in (0..40).rev() {
            tally.add(&line(seed, if seed == 7 { "lost" } else { "stale" }));
        }
        let stored = [
            stored(3, "stale", Some("crash")),
            stored(1, "stale", Some("crash")),
            stored(2, "stale", Some("none")),
            stored(4, "stale", None),
        ];
        let groups = tally.groups(&stored);
        let told: Vec<_> = groups
            .iter()
            .map(|group| {
                let faults = group.faults.as_ref().map(|faults| faults.join("+"));
                let example = group.example.as_ref().map(|example| example.seed);
                (group.kind.as_str(), faults, group.seeds, example)
            })
            .collect();
        let expected = [
            ("stale", None, 36, Some(4)),
            ("stale", Some("crash".to_owned()), 2, told[1].3),
            ("lost", None, 1, None),
            ("stale", Some(String::new()), 1, Some(2)),
        ];
        for group in &expected {
            assert!(told.contains(group), "{group:?} is not in {told:?}");
        }
        assert_eq!(told.len(), 4);
        assert_eq!(groups.iter().map(|group| group.seeds).sum::<u64>(), 40, "each seed is in one group");
        assert_eq!(groups[0].first_seeds, [0, 4, 5, 6, 8, 9, 10, 11, 12, 13]);
        assert_eq!(tally.first().first().map(|failure| failure.seed), Some(0));
    }
}
