//! Many runs of one experiment: a worker thread per job, seeds from a counter, results in the order of the seeds.
//!
//! A seed is a pure function, so neither the number of threads nor their timing changes a result. Clocks are handed
//! in, and files, output and exit codes are other people's business.

mod experiment;
mod hunts;
mod mutants;
mod names;
mod scenarios;
mod statistics;
mod workloads;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use squall_checker::Verdict;

use crate::determinism::NotDeterministic;
use crate::nemesis::Family;
use crate::store::RunLine;
use crate::trial::Outcome;

pub use experiment::{
    Experiment, ExperimentError, MODES, Wanted, bug_of, mode_of, scenario_of, simulator_of,
};
pub use hunts::QUICK;
pub use mutants::{BugResult, Control, Find, Hunt, HuntResult, MutantSettings, Mutants, hunts_of, mutants};
pub use names::{UnknownName, table};
pub use scenarios::{SCENARIOS, Scenario};
pub use statistics::{FailureLine, Frame, Percentiles, Summary, Tally, VerdictCounts};
pub use workloads::{ClusterPlan, ClusterWorkload, MakeWorkload, WORKLOADS, workload_of};

/// Failures of one soak that are stored whole, at most.
pub const FAILURES_MAX: usize = 20;
/// Worker threads, at most.
pub const JOBS_MAX: usize = 256;

/// What is run, how often, on how many threads.
#[derive(Clone, Debug)]
pub struct SoakSettings {
    /// What is run.
    pub experiment: Experiment,
    /// The seeds.
    pub seeds: Range<u64>,
    /// Worker threads.
    pub jobs: usize,
    /// Whether every seed is run twice.
    pub check_determinism: bool,
    /// Failures whose full recording is made, at most.
    pub failures_max: usize,
}

/// Clocks and the end, as the caller has them.
pub struct Outside<'a> {
    /// Wall time since any moment; for people only.
    pub wall: &'a (dyn Fn() -> Duration + Sync),
    /// Asked before every seed: whether to stop here.
    pub should_stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct SeedReport {
    /// The run on one line.
    pub line: RunLine,
    /// Why it is unknown or vacuous, and which bounds were hit.
    pub remarks: Vec<String>,
    /// Whether a fault ran that the mode does not promise to survive.
    pub outside_model: bool,
    /// Per family, faults that began and those that changed something.
    pub families: BTreeMap<Family, (u64, u64)>,
    /// From healing to the first and to the last operation that had to succeed, in microseconds.
    pub recovery_us: Option<(u64, u64)>,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// How a second run of the plan differed, if it was made and did.
    pub differs: Option<Box<NotDeterministic>>,
    /// The plan and the full recording, if it failed and few did before.
    pub failure: Option<Box<(ClusterPlan, Outcome)>>,
}

/// Why a soak ended early.
#[derive(Debug, thiserror::Error)]
pub enum SoakError<E> {
    /// The harness itself panicked.
    #[error("the harness panicked under seed {seed:#x}: {message}")]
    Panicked {
        /// The seed.
        seed: u64,
        /// What it said.
        message: String,
    },
    /// The caller could not take a result.
    #[error(transparent)]
    Caller(E),
}

/// Runs every seed and hands each result to `take`, in the order of the seeds. `take` says whether it stored the
/// failure that it was given.
///
/// # Errors
///
/// The first error of `take`, or a panic of the harness itself.
pub fn soak<E>(
    settings: &SoakSettings,
    outside: &Outside<'_>,
    take: &mut dyn FnMut(SeedReport) -> Result<(), E>,
) -> Result<(), SoakError<E>> {
    assert!(settings.jobs > 0 && settings.jobs <= JOBS_MAX, "a soak has threads");
    let next = AtomicU64::new(settings.seeds.start);
    let failures = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::sync_channel(settings.jobs * 4);
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs {
            let send = send.clone();
            let (next, failures, stop) = (&next, &failures, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !(outside.should_stop)() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= settings.seeds.end {
                        return;
                    }
                    // Failures are counted when taken, in order: a seed that sees them all counted comes after them.
                    let record = failures.load(Ordering::Relaxed) < settings.failures_max as u64;
                    let run = || run_seed(settings, seed, record, outside);
                    let report = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_text(&*panic));
                    if send.send((seed, report)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let result = in_order(settings.seeds.start, &receive, &failures, take);
        stop.store(true, Ordering::Relaxed);
        // Workers that wait to send learn that nobody listens.
        drop(receive);
        result
    })
}

type Received = (u64, Result<SeedReport, String>);

/// Hands results on in the order of their seeds.
fn in_order<E>(
    first: u64,
    receive: &mpsc::Receiver<Received>,
    failures: &AtomicU64,
    take: &mut dyn FnMut(SeedReport) -> Result<(), E>,
) -> Result<(), SoakError<E>> {
    let mut waiting = BTreeMap::new();
    let mut due = first;
    for (seed, report) in receive {
        waiting.insert(seed, report);
        while let Some(report) = waiting.remove(&due) {
            let report = report.map_err(|message| SoakError::Panicked { seed: due, message })?;
            failures.fetch_add(u64::from(report.failure.is_some()), Ordering::Relaxed);
            take(report).map_err(SoakError::Caller)?;
            due += 1;
        }
    }
    assert!(waiting.is_empty(), "seeds are handed out in order, so none is missing before another");
    Ok(())
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

fn run_seed(settings: &SoakSettings, seed: u64, record: bool, outside: &Outside<'_>) -> SeedReport {
    let experiment = &settings.experiment;
    let began = (outside.wall)();
    let plan = experiment.plan(seed);
    let outcome = experiment.run(&plan);
    let elapsed_ms = u64::try_from(((outside.wall)() - began).as_millis()).unwrap_or(u64::MAX);
    let failed = outcome.verdict == Verdict::Invalid;
    let mut report = SeedReport {
        line: RunLine::new(experiment.config(), seed, &outcome, elapsed_ms, String::new()),
        remarks: outcome.remarks.clone(),
        outside_model: outcome.outside_model,
        families: families(&outcome),
        recovery_us: outcome.recovery_us,
        simulated_us: outcome.simulated_us,
        differs: None,
        failure: None,
    };
    if settings.check_determinism || (failed && record) {
        let record = failed && record;
        let manner = if record { experiment.manner().traced() } else { experiment.manner() };
        match experiment.again(&plan, &outcome, manner) {
            Ok(recorded) if record => report.failure = Some(Box::new((plan, recorded))),
            Ok(_) => {}
            Err(differs) => report.differs = Some(differs),
        }
    }
    report
}

fn families(outcome: &Outcome) -> BTreeMap<Family, (u64, u64)> {
    let mut families = BTreeMap::new();
    for fault in outcome.faults.iter().filter(|fault| fault.withheld.is_none()) {
        let (injected, effective) = families.entry(fault.family).or_insert((0, 0));
        *injected += 1;
        *effective += u64::from(fault.effective > 0);
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(jobs: usize) -> SoakSettings {
        let wanted = Wanted {
            nodes: Some(3),
            clients: Some(3),
            duration_ms: Some(300),
            bugs: vec!["no-deduplication".into()],
            ..Wanted::default()
        };
        let experiment = wanted.experiment().expect("possible");
        SoakSettings { experiment, seeds: 5..17, jobs, check_determinism: true, failures_max: 1 }
    }

    fn lines(jobs: usize) -> Vec<RunLine> {
        let mut lines = Vec::new();
        let outside = Outside { wall: &|| Duration::ZERO, should_stop: &|| false };
        let mut take = |report: SeedReport| {
            assert_eq!(report.differs, None);
            lines.push(report.line);
            Ok::<_, std::convert::Infallible>(())
        };
        soak(&settings(jobs), &outside, &mut take).expect("no error");
        lines
    }

    #[test]
    fn results_come_in_order_and_do_not_depend_on_threads() {
        let alone = lines(1);
        assert_eq!(alone.iter().map(|line| line.seed).collect::<Vec<_>>(), (5..17).collect::<Vec<_>>());
        assert_eq!(alone, lines(3));
    }

    #[test]
    fn an_error_of_the_caller_ends_the_soak() {
        let outside = Outside { wall: &|| Duration::ZERO, should_stop: &|| false };
        let mut taken = 0;
        let mut take = |_| {
            taken += 1;
            if taken == 3 { Err("enough") } else { Ok(()) }
        };
        let error = soak(&settings(2), &outside, &mut take).expect_err("an error").to_string();
        assert_eq!((error.as_str(), taken), ("enough", 3));
    }
}
