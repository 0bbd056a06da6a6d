//! What many runs come to: counts, rates, recovery times, and how sure a clean soak makes one.
//!
//! Pure arithmetic over the lines of seeds, in any order and in bounded memory; wall time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;
use squall_cluster::bugs::Mode;

use crate::store::{FaultCounts, SCHEMA};
use crate::trial::OperationCounts;

use super::coverage::CoverageTable;
use super::distribution::{Distribution, Percentiles};
use super::experiment::mode_of;
use super::groups::{FailureGroup, FailureTally, StoredFailure};
use super::recovery::{RecoveryLine, RecoveryTally};
use super::seed_line::SeedLine;

/// Seeds that a summary names for one thing, at most.
const SEEDS_NAMED_MAX: usize = 100;

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

impl VerdictCounts {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Invalid => self.invalid += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::Vacuous => self.vacuous += 1,
        }
    }

    /// Seeds of this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        match verdict {
            Verdict::Valid => self.valid,
            Verdict::Invalid => self.invalid,
            Verdict::Unknown => self.unknown,
            Verdict::Vacuous => self.vacuous,
        }
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.valid + self.invalid + self.unknown + self.vacuous
    }

    /// The vacuous share, in percent. No seed at all shows nothing.
    pub fn vacuous_percent(&self) -> f64 {
        if self.all() == 0 { 100.0 } else { 100.0 * float(self.vacuous) / float(self.all()) }
    }

    /// The worst verdict, where a share of vacuous seeds up to the bound does not count.
    pub fn verdict(&self, vacuous_percent_max: f64) -> Verdict {
        if self.invalid > 0 {
            Verdict::Invalid
        } else if self.unknown > 0 {
            Verdict::Unknown
        } else if self.vacuous_percent() > vacuous_percent_max {
            Verdict::Vacuous
        } else {
            Verdict::Valid
        }
    }

    /// If no seed failed: a failure is less probable than this, with 95 % confidence (the rule of three: Hanley and
    /// Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983). Vacuous seeds show nothing.
    pub fn failure_probability_max(&self) -> Option<f64> {
        let is_clean = self.valid > 0 && self.invalid + self.unknown == 0;
        is_clean.then(|| (3.0 / float(self.valid)).min(1.0))
    }
}

/// Adds up the lines of seeds of one configuration, or of all.
#[derive(Clone, Debug, Default)]
struct Counts {
    verdicts: VerdictCounts,
    operations: OperationCounts,
    simulated_ms: u64,
    cpu_us: u64,
    completed: Distribution,
}

impl Counts {
    fn add(&mut self, line: &SeedLine) {
        let operations = line.run.operations;
        self.verdicts.add(line.run.verdict);
        self.operations.ok += operations.ok;
        self.operations.fail += operations.fail;
        self.operations.info += operations.info;
        self.simulated_ms += line.run.simulated_ms;
        self.cpu_us += line.cpu_us;
        self.completed.add(operations.ok);
    }

    /// So many per second of processor time.
    fn per_second(&self, amount: u64) -> f64 {
        if self.cpu_us == 0 { 0.0 } else { float(amount) * 1e6 / float(self.cpu_us) }
    }
}

/// Adds up the lines of seeds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    all: Counts,
    /// By mode and workload.
    configurations: BTreeMap<(String, String), Counts>,
    families: BTreeMap<String, FaultCounts>,
    recovery_first_us: Distribution,
    recovery_all_us: Distribution,
    recovery: RecoveryTally,
    coverage: BTreeMap<Mode, CoverageTable>,
    failures: FailureTally,
    not_deterministic: Vec<u64>,
    not_deterministic_count: u64,
    outside_model: u64,
    elapsed_ms: u64,
    seed_first: Option<u64>,
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

/// What one mode and workload came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationLine {
    /// The mode.
    pub mode: String,
    /// The workload.
    pub workload: String,
    /// By verdict.
    pub verdicts: VerdictCounts,
    /// Operations by outcome.
    pub operations: OperationCounts,
    /// Operations that succeeded per seed, in the median.
    pub completed_operations_per_seed_median: u64,
    /// Simulated time.
    pub simulated_ms: u64,
    /// Seeds per minute of processor time.
    pub seeds_per_cpu_minute: f64,
    /// See [`VerdictCounts::failure_probability_max`].
    pub failure_probability_max: Option<f64>,
}

/// What a soak came to; the last line of its JSON, and `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The format.
    pub schema: u32,
    /// The worst verdict, where a few vacuous seeds do not count.
    pub verdict: Verdict,
    /// What was run; `all` for several.
    pub mode: String,
    /// Under which load; `all` for several.
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
    /// Seeds whose second run differed from the first, the first ones.
    pub not_deterministic: Vec<u64>,
    /// Operations by outcome.
    pub operations: OperationCounts,
    /// Faults by family.
    pub faults: BTreeMap<String, FaultCounts>,
    /// Simulated time of all runs.
    pub simulated_ms: u64,
    /// Wall time.
    pub elapsed_ms: u64,
    /// Processor time of the runs.
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
    /// After every healing, also during chaos, by family of the faults that had stood.
    pub recovery: BTreeMap<String, RecoveryLine>,
    /// See [`VerdictCounts::failure_probability_max`].
    pub failure_probability_max: Option<f64>,
    /// Failing seeds, the first ones.
    pub failures: Vec<FailureLine>,
    /// Where the results are.
    pub results: Option<String>,
    /// Each mode and workload.
    pub configurations: Vec<ConfigurationLine>,
    /// Failures by cause.
    pub groups: Vec<FailureGroup>,
    /// What the runs of each mode reached, and what not.
    pub coverage: Vec<CoverageTable>,
}

/// What a summary says beside the counts.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What was asked for.
    pub nemesis: String,
    /// With which bugs.
    pub bugs: Vec<String>,
    /// The build.
    pub build: &'a str,
    /// The share of vacuous seeds that is tolerated, in percent.
    pub vacuous_percent_max: f64,
    /// Wall time.
    pub elapsed: Duration,
    /// Failures that are stored whole.
    pub stored: &'a [StoredFailure],
    /// Where the results are.
    pub results: Option<String>,
}

impl Tally {
    /// Adds a seed.
    pub fn add(&mut self, line: &SeedLine) {
        let run = &line.run;
        self.all.add(line);
        self.configurations.entry((run.mode.clone(), run.workload.clone())).or_default().add(line);
        self.outside_model += u64::from(line.outside_model);
        self.elapsed_ms += run.elapsed_ms;
        self.seed_first = Some(self.seed_first.map_or(run.seed, |first| first.min(run.seed)));
        for (family, counts) in &line.families {
            let sum = self.families.entry(family.clone()).or_default();
            sum.injected += counts.injected;
            sum.effective += counts.effective;
        }
        if let Some((first, all)) = line.recovery_us {
            self.recovery_first_us.add(first);
            self.recovery_all_us.add(all);
        }
        self.recovery.add(&line.healings);
        if let Ok(mode) = mode_of(&run.mode) {
            self.coverage.entry(mode).or_insert_with(|| CoverageTable::new(mode)).add(line.reached);
        }
        if line.differs.is_some() {
            self.not_deterministic_count += 1;
            insert_bounded(&mut self.not_deterministic, run.seed, SEEDS_NAMED_MAX, |seed| *seed);
        }
        self.failures.add(line);
    }

    /// Notes a seed of which two lines tell different runs.
    pub fn add_contradiction(&mut self, seed: u64) {
        self.not_deterministic_count += 1;
        insert_bounded(&mut self.not_deterministic, seed, SEEDS_NAMED_MAX, |seed| *seed);
    }

    /// Seeds of this verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.all.verdicts.of(verdict)
    }

    /// Seeds so far.
    pub fn seeds(&self) -> u64 {
        self.all.verdicts.all()
    }

    /// Whether any seed's second run differed.
    pub fn not_deterministic(&self) -> bool {
        self.not_deterministic_count > 0
    }

    /// Simulated time so far.
    pub fn simulated(&self) -> Duration {
        Duration::from_millis(self.all.simulated_ms)
    }

    /// The wall times of all seeds together, each on its thread.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms)
    }

    /// The worst verdict, where a share of vacuous seeds up to the bound does not count.
    pub fn verdict(&self, vacuous_percent_max: f64) -> Verdict {
        self.all.verdicts.verdict(vacuous_percent_max)
    }

    /// All of it.
    pub fn summary(&self, frame: &Frame<'_>) -> Summary {
        let all = &self.all;
        let verdicts = all.verdicts;
        let one = |name: fn(&(String, String)) -> &String| {
            let mut names: Vec<&String> = self.configurations.keys().map(name).collect();
            names.sort();
            names.dedup();
            if let [name] = names[..] { name.clone() } else { super::campaign::ALL.to_owned() }
        };
        Summary {
            schema: SCHEMA,
            verdict: self.verdict(frame.vacuous_percent_max),
            mode: one(|(mode, _)| mode),
            workload: one(|(_, workload)| workload),
            nemesis: frame.nemesis.clone(),
            bugs: frame.bugs.clone(),
            build: frame.build.into(),
            seed_first: self.seed_first.unwrap_or(0),
            seeds: self.seeds(),
            verdicts,
            vacuous_percent: tenths(verdicts.vacuous_percent()),
            outside_model: self.outside_model,
            not_deterministic: self.not_deterministic.clone(),
            operations: all.operations,
            faults: self.families.clone(),
            simulated_ms: all.simulated_ms,
            elapsed_ms: u64::try_from(frame.elapsed.as_millis()).unwrap_or(u64::MAX),
            cpu_ms: all.cpu_us / 1_000,
            simulated_seconds_per_cpu_second: tenths(all.per_second(all.simulated_ms) / 1e3),
            operations_per_cpu_minute: tenths(60.0 * all.per_second(all.operations.ok)),
            seeds_per_cpu_minute: tenths(60.0 * all.per_second(self.seeds())),
            completed_operations_per_seed_median: all.completed.percentiles().p50,
            recovery_first_ms: in_ms(self.recovery_first_us.percentiles()),
            recovery_all_ms: in_ms(self.recovery_all_us.percentiles()),
            recovery: self.recovery.lines(),
            failure_probability_max: verdicts.failure_probability_max(),
            failures: self.failures.first().to_vec(),
            results: frame.results.clone(),
            configurations: self.configurations.iter().map(configuration_line).collect(),
            groups: self.failures.groups(frame.stored),
            coverage: self.coverage.values().cloned().collect(),
        }
    }
}

fn configuration_line(((mode, workload), counts): (&(String, String), &Counts)) -> ConfigurationLine {
    ConfigurationLine {
        mode: mode.clone(),
        workload: workload.clone(),
        verdicts: counts.verdicts,
        operations: counts.operations,
        completed_operations_per_seed_median: counts.completed.percentiles().p50,
        simulated_ms: counts.simulated_ms,
        seeds_per_cpu_minute: tenths(60.0 * counts.per_second(counts.verdicts.all())),
        failure_probability_max: counts.verdicts.failure_probability_max(),
    }
}

/// Keeps the first so many of some items, in order of their seeds, in whatever order they come.
pub(super) fn insert_bounded<T>(items: &mut Vec<T>, item: T, max: usize, seed: impl Fn(&T) -> u64) {
    let at = items.partition_point(|known| seed(known) < seed(&item));
    items.insert(at, item);
    items.truncate(max);
}

fn in_ms(micros: Percentiles) -> Percentiles {
    Percentiles { p50: micros.p50 / 1_000, p95: micros.p95 / 1_000, max: micros.max / 1_000 }
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn float(number: u64) -> f64 {
    number as f64
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_vacuous_seeds_do_not_count_but_anything_worse_does() {
        use Verdict::{Invalid, Unknown, Vacuous, Valid};
        let counts = |valid, invalid, unknown, vacuous| VerdictCounts { valid, invalid, unknown, vacuous };
        assert_eq!(counts(95, 0, 0, 5).verdict(5.0), Valid);
        assert_eq!(counts(94, 0, 0, 6).verdict(5.0), Vacuous);
        assert_eq!(counts(99, 0, 1, 0).verdict(5.0), Unknown);
        assert_eq!(counts(98, 1, 1, 0).verdict(5.0), Invalid);
        assert_eq!(counts(0, 0, 0, 0).verdict(5.0), Vacuous, "no seed shows nothing");
        assert_eq!(counts(300, 0, 0, 9).failure_probability_max(), Some(0.01));
        assert_eq!(counts(300, 0, 1, 0).failure_probability_max(), None);
        assert_eq!(counts(0, 0, 0, 9).failure_probability_max(), None);
    }

    #[test]
    fn the_first_seeds_are_kept_in_whatever_order_they_come() {
        let mut seeds = Vec::new();
        for seed in [9, 3, 7, 1, 8] {
            insert_bounded(&mut seeds, seed, 3, |seed| *seed);
        }
        assert_eq!(seeds, [1, 3, 7]);
    }
}
