//! What many runs come to: counts, rates, recovery times, and how sure a clean soak makes one.
//!
//! Pure arithmetic over seed reports; wall and processor time are handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;

use crate::store::{FaultCounts, SCHEMA};
use crate::trial::OperationCounts;

use super::SeedReport;

/// Failures that a summary names, at most.
const FAILURES_NAMED_MAX: usize = 100;

/// Adds up seed reports.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    verdicts: BTreeMap<Verdict, u64>,
    operations: OperationCounts,
    families: BTreeMap<String, FaultCounts>,
    simulated_us: u64,
    completed: Vec<u64>,
    recovery_first_us: Vec<u64>,
    recovery_all_us: Vec<u64>,
    failures: Vec<FailureLine>,
    not_deterministic: Vec<u64>,
    outside_model: u64,
    seeds: u64,
}

/// One failing seed of a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureLine {
    /// The seed.
    pub seed: u64,
    /// The check that found it.
    pub check: String,
    /// The anomaly.
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// Where it is stored, if it is.
    pub results: Option<String>,
}

/// Median, 95th percentile and greatest of some times, in milliseconds.
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
        // The nearest rank: the least number that at least so many are not above.
        let at = |percent: usize| {
            sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0)
        };
        Self { p50: at(50), p95: at(95), max: at(100) }
    }

    fn of_micros(micros: &[u64]) -> Self {
        Self::of(&micros.iter().map(|time| time / 1_000).collect::<Vec<_>>())
    }
}

/// Seeds by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCounts {
    /// Correct.
    pub valid: u64,
    /// Wrong.
    pub invalid: u64,
    /// Undecided.
    pub unknown: u64,
    /// Showed too little.
    pub vacuous: u64,
}

/// What a soak came to; the last line of its JSON, and `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The format.
    pub schema: u32,
    /// The worst verdict, where a few vacuous seeds do not count.
    pub verdict: Verdict,
    /// What was run.
    pub mode: String,
    /// Under which load.
    pub workload: String,
    /// Under which faults.
    pub nemesis: String,
    /// With which bugs.
    pub bugs: Vec<String>,
    /// The build.
    pub build: String,
    /// The first seed.
    pub seed_first: u64,
    /// Seeds that were run.
    pub seeds: u64,
    /// By verdict.
    pub verdicts: VerdictCounts,
    /// The vacuous share, in percent.
    pub vacuous_percent: f64,
    /// Seeds in which a fault ran that the mode does not promise to survive.
    pub outside_model: u64,
    /// Seeds whose second run differed from the first.
    pub not_deterministic: Vec<u64>,
    /// Operations by outcome.
    pub operations: OperationCounts,
    /// Faults by family.
    pub faults: BTreeMap<String, FaultCounts>,
    /// Simulated time of all runs.
    pub simulated_ms: u64,
    /// Wall time.
    pub elapsed_ms: u64,
    /// Processor time.
    pub cpu_ms: u64,
    /// Simulated seconds per second of processor time.
    pub simulated_seconds_per_cpu_second: f64,
    /// Completed operations per minute of processor time.
    pub operations_per_cpu_minute: f64,
    /// Seeds per minute of processor time.
    pub seeds_per_cpu_minute: f64,
    /// Operations that succeeded per seed, in the median.
    pub completed_operations_per_seed_median: u64,
    /// From healing to the first operation that had to succeed, in milliseconds.
    pub recovery_first_ms: Percentiles,
    /// From healing to the last.
    pub recovery_all_ms: Percentiles,
    /// If every seed was valid: a failure is less probable than this, with 95 % confidence (the rule of three).
    pub failure_probability_max: Option<f64>,
    /// Failing seeds, the first ones.
    pub failures: Vec<FailureLine>,
    /// Where the results are.
    pub results: Option<String>,
}

/// What a summary says beside the counts.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What was run.
    pub config: &'a crate::trial::Config,
    /// The build.
    pub build: &'a str,
    /// The first seed.
    pub seed_first: u64,
    /// The share of vacuous seeds that is tolerated, in percent.
    pub vacuous_percent_max: f64,
    /// Wall time.
    pub elapsed: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Where the results are.
    pub results: Option<String>,
}

impl Tally {
    /// Adds a seed.
    pub fn add(&mut self, report: &SeedReport) {
        let line = &report.line;
        self.seeds += 1;
        *self.verdicts.entry(line.verdict).or_insert(0) += 1;
        self.operations.ok += line.operations.ok;
        self.operations.fail += line.operations.fail;
        self.operations.info += line.operations.info;
        self.simulated_us += report.simulated_us;
        self.completed.push(line.operations.ok);
        self.outside_model += u64::from(report.outside_model);
        for (family, (injected, effective)) in &report.families {
            let counts = self.families.entry(family.name().into()).or_default();
            counts.injected += injected;
            counts.effective += effective;
        }
        if let Some((first, all)) = report.recovery_us {
            self.recovery_first_us.push(first);
            self.recovery_all_us.push(all);
        }
        if report.differs.is_some() {
            self.not_deterministic.push(line.seed);
        }
        if let Some(violation) = line.violations.first()
            && self.failures.len() < FAILURES_NAMED_MAX
        {
            self.failures.push(FailureLine {
                seed: line.seed,
                check: violation.check.clone(),
                kind: violation.kind.clone(),
                message: violation.message.clone(),
                results: line.results.clone(),
            });
        }
    }

    /// Seeds of this verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Seeds so far.
    pub fn seeds(&self) -> u64 {
        self.seeds
    }

    /// Whether any seed's second run differed.
    pub fn not_deterministic(&self) -> bool {
        !self.not_deterministic.is_empty()
    }

    /// The vacuous share, in percent. No seed at all shows nothing.
    pub fn vacuous_percent(&self) -> f64 {
        if self.seeds == 0 { 100.0 } else { percent(self.count(Verdict::Vacuous), self.seeds) }
    }

    /// The worst verdict, where a share of vacuous seeds up to the bound does not count.
    pub fn verdict(&self, vacuous_percent_max: f64) -> Verdict {
        if self.count(Verdict::Invalid) > 0 {
            Verdict::Invalid
        } else if self.count(Verdict::Unknown) > 0 {
            Verdict::Unknown
        } else if self.vacuous_percent() > vacuous_percent_max {
            Verdict::Vacuous
        } else {
            Verdict::Valid
        }
    }

    /// All of it.
    pub fn summary(&self, frame: &Frame<'_>) -> Summary {
        let config = frame.config;
        let cpu_seconds = frame.cpu.as_secs_f64();
        let per_second = |amount: f64| if cpu_seconds > 0.0 { amount / cpu_seconds } else { 0.0 };
        let valid = self.count(Verdict::Valid);
        let clean = valid > 0 && self.count(Verdict::Invalid) + self.count(Verdict::Unknown) == 0;
        Summary {
            schema: SCHEMA,
            verdict: self.verdict(frame.vacuous_percent_max),
            mode: config.mode.clone(),
            workload: config.workload.clone(),
            nemesis: config.nemesis.clone(),
            bugs: config.bugs.clone(),
            build: frame.build.into(),
            seed_first: frame.seed_first,
            seeds: self.seeds,
            verdicts: VerdictCounts {
                valid,
                invalid: self.count(Verdict::Invalid),
                unknown: self.count(Verdict::Unknown),
                vacuous: self.count(Verdict::Vacuous),
            },
            vacuous_percent: tenths(self.vacuous_percent()),
            outside_model: self.outside_model,
            not_deterministic: self.not_deterministic.clone(),
            operations: self.operations,
            faults: self.families.clone(),
            simulated_ms: self.simulated_us / 1_000,
            elapsed_ms: millis(frame.elapsed),
            cpu_ms: millis(frame.cpu),
            simulated_seconds_per_cpu_second: tenths(per_second(float(self.simulated_us) / 1e6)),
            operations_per_cpu_minute: tenths(60.0 * per_second(float(self.operations.ok))),
            seeds_per_cpu_minute: tenths(60.0 * per_second(float(self.seeds))),
            completed_operations_per_seed_median: Percentiles::of(&self.completed).p50,
            recovery_first_ms: Percentiles::of_micros(&self.recovery_first_us),
            recovery_all_ms: Percentiles::of_micros(&self.recovery_all_us),
            failure_probability_max: clean.then(|| (3.0 / float(valid)).min(1.0)),
            failures: self.failures.clone(),
            results: frame.results.clone(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn float(number: u64) -> f64 {
    number as f64
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * float(part) / float(whole)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    fn tally(counts: &[(Verdict, u64)]) -> Tally {
        let seeds = counts.iter().map(|(_, count)| count).sum();
        Tally { verdicts: counts.iter().copied().collect(), seeds, ..Tally::default() }
    }

    #[test]
    fn a_few_vacuous_seeds_do_not_count_but_anything_worse_does() {
        use Verdict::{Invalid, Unknown, Vacuous, Valid};
        assert_eq!(tally(&[(Valid, 95), (Vacuous, 5)]).verdict(5.0), Valid);
        assert_eq!(tally(&[(Valid, 94), (Vacuous, 6)]).verdict(5.0), Vacuous);
        assert_eq!(tally(&[(Valid, 99), (Unknown, 1)]).verdict(5.0), Unknown);
        assert_eq!(tally(&[(Valid, 98), (Unknown, 1), (Invalid, 1)]).verdict(5.0), Invalid);
        assert_eq!(tally(&[]).verdict(5.0), Vacuous, "no seed shows nothing");
    }
}
