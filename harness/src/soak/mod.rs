//! Many runs: a worker thread per job, seeds from a counter, each result handed on as soon as it is there.
//!
//! A seed is a pure function, so neither the number of threads nor their timing changes a result; only the order of
//! results depends on them, and which of many equal failures are recorded whole. Clocks are handed in, and files,
//! output and exit codes are other people's business.

mod baseline;
mod campaign;
mod charter;
mod coverage;
mod distribution;
mod experiment;
mod groups;
mod hunts;
mod merge;
mod mutants;
mod names;
mod quota;
mod reached;
mod recovery;
mod scenarios;
mod seed_line;
mod seeds;
mod speed;
mod statistics;
mod workloads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::store::RunLine;
use crate::trial::Outcome;

pub use baseline::{Baseline, BaselineError, BaselineLine};
pub use campaign::{ALL, Campaign, Member};
pub use charter::Charter;
pub use coverage::{CoverageTable, Covered};
pub use distribution::{Distribution, Percentiles};
pub use experiment::{
    Experiment, ExperimentError, MODES, PlanText, Wanted, bug_of, mode_of, scenario_of, simulator_of,
};
pub use groups::{Example, FailureGroup, StoredFailure};
pub use hunts::QUICK;
pub use merge::{MergeError, Merged, merge, stored_failures, united_charter};
pub use mutants::{
    BugResult, Control, Find, Hunt, HuntResult, MutantSettings, Mutants, Shrinkage, hunts_of, mutants,
    pieces_of,
};
pub use names::{UnknownName, table};
pub use quota::{FAILURES_MAX, FAILURES_PER_CAUSE_MAX, Quota};
pub use reached::Reached;
pub use recovery::RecoveryLine;
pub use scenarios::{SCENARIOS, Scenario};
pub use seed_line::SeedLine;
pub use seeds::{Done, Seeds, Shard};
pub use speed::{RunsDiffer, Speed, speeds};
pub use statistics::{ConfigurationLine, FailureLine, Frame, Summary, Tally, VerdictCounts};
pub use workloads::{ClusterPlan, ClusterWorkload, MakeWorkload, WORKLOADS, workload_of};

/// Worker threads, at most.
pub const JOBS_MAX: usize = 256;

/// What is run, how often, on how many threads.
#[derive(Debug)]
pub struct SoakSettings<'a> {
    /// What is run.
    pub campaign: &'a Campaign,
    /// The seeds.
    pub seeds: &'a Seeds,
    /// Those that need not be run again.
    pub done: &'a Done,
    /// Worker threads.
    pub jobs: usize,
    /// Whether every seed is run twice.
    pub check_determinism: bool,
    /// Which failures are recorded whole.
    pub quota: &'a Quota,
}

/// Clocks and the end, as the caller has them.
pub struct Outside<'a> {
    /// Wall time since any moment; for people only.
    pub wall: &'a (dyn Fn() -> Duration + Sync),
    /// Processor time of the calling thread since any moment; for people only.
    pub processor: &'a (dyn Fn() -> Duration + Sync),
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
    /// What is kept of it.
    pub line: SeedLine,
    /// The plan and the full recording, if it failed and is to be stored whole.
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

/// Runs every seed that is not done and hands each result to `take` as soon as it is there.
///
/// # Errors
///
/// The first error of `take`, or a panic of the harness itself.
pub fn soak<E>(
    settings: &SoakSettings<'_>,
    outside: &Outside<'_>,
    take: &mut dyn FnMut(SeedReport) -> Result<(), E>,
) -> Result<(), SoakError<E>> {
    assert!(settings.jobs > 0 && settings.jobs <= JOBS_MAX, "a soak has threads");
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    // Results wait for being taken in few places: a recorded failure is large.
    let (send, receive) = mpsc::sync_channel::<Received>(settings.jobs);
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !(outside.should_stop)() {
                    let Some(seed) = next_seed(settings, next) else { return };
                    let run = || run_seed(settings, seed, outside);
                    let report = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_text(&*panic));
                    if send.send((seed, report)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let result = receive.iter().try_for_each(|(seed, report)| {
            let report = report.map_err(|message| SoakError::Panicked { seed, message })?;
            take(report).map_err(SoakError::Caller)
        });
        stop.store(true, Ordering::Relaxed);
        // Workers that wait to send learn that nobody listens.
        drop(receive);
        result
    })
}

type Received = (u64, Result<SeedReport, String>);

/// The next seed that is not done.
fn next_seed(settings: &SoakSettings<'_>, next: &AtomicU64) -> Option<u64> {
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        let seed = settings.seeds.nth(position)?;
        if !settings.done.contains(position) {
            return Some(seed);
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

fn run_seed(settings: &SoakSettings<'_>, seed: u64, outside: &Outside<'_>) -> SeedReport {
    let member = settings.campaign.member(seed);
    let experiment = &member.experiment;
    let (wall, processor) = ((outside.wall)(), (outside.processor)());
    let plan = experiment.plan(seed);
    let outcome = experiment.run(&plan);
    let cpu_us = whole((outside.processor)().saturating_sub(processor).as_micros());
    let elapsed_ms = whole((outside.wall)().saturating_sub(wall).as_millis());
    let replay = format!("squall run{} --seed {seed}", member.flags);
    let run = RunLine::new(experiment.config(), seed, &outcome, elapsed_ms, replay);
    let mut report = SeedReport { line: SeedLine::new(run, &outcome, cpu_us), failure: None };
    let record = report.line.cause().is_some_and(|cause| settings.quota.grant(&cause));
    if settings.check_determinism || record {
        let manner = if record { experiment.manner().traced() } else { experiment.manner() };
        match experiment.again(&plan, &outcome, manner) {
            Ok(recorded) if record => report.failure = Some(Box::new((plan, recorded))),
            Ok(_) => {}
            Err(differs) => report.line.note_difference(&differs.to_string()),
        }
    }
    report
}

/// A number of a clock, which never reaches the end of this type.
fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_CLOCKS: Outside<'static> =
        Outside { wall: &|| Duration::ZERO, processor: &|| Duration::ZERO, should_stop: &|| false };

    /// The lines of a soak, in the order of their seeds.
    fn lines(jobs: usize, seeds: &Seeds, done: &Done) -> Vec<SeedLine> {
        let wanted = Wanted {
            nodes: Some(3),
            clients: Some(3),
            duration_ms: Some(300),
            bugs: vec!["no-deduplication".into()],
            ..Wanted::default()
        };
        let campaign = Campaign::of(&wanted).expect("possible");
        let quota = Quota::default();
        let settings =
            SoakSettings { campaign: &campaign, seeds, done, jobs, check_determinism: true, quota: &quota };
        let mut lines = Vec::new();
        let mut take = |report: SeedReport| {
            assert_eq!(report.line.differs, None);
            lines.push(report.line);
            Ok::<_, std::convert::Infallible>(())
        };
        soak(&settings, &NO_CLOCKS, &mut take).expect("no error");
        lines.sort_by_key(|line| line.run.seed);
        lines
    }

    #[test]
    fn results_do_not_depend_on_threads() {
        let seeds = Seeds::all(5..17);
        let alone = lines(1, &seeds, &Done::default());
        assert_eq!(alone.iter().map(|line| line.run.seed).collect::<Vec<_>>(), (5..17).collect::<Vec<_>>());
        assert_eq!(alone, lines(3, &seeds, &Done::default()));
    }

    #[test]
    fn what_is_done_is_not_run_again_and_shares_are_only_theirs() {
        let seeds = Seeds { range: 0..12, shard: Shard { index: 1, of: 3 } };
        let mut done = Done::default();
        done.insert(seeds.position(4).expect("in the share"));
        let ran: Vec<u64> = lines(2, &seeds, &done).iter().map(|line| line.run.seed).collect();
        assert_eq!(ran, [1, 7, 10]);
    }

    #[test]
    fn an_error_of_the_caller_ends_the_soak() {
        let campaign =
            Campaign::of(&Wanted { duration_ms: Some(200), ..Wanted::default() }).expect("possible");
        let (seeds, done, quota) = (Seeds::all(0..u64::MAX), Done::default(), Quota::default());
        let settings = SoakSettings {
            campaign: &campaign,
            seeds: &seeds,
            done: &done,
            jobs: 2,
            check_determinism: false,
            quota: &quota,
        };
        let mut taken = 0;
        let mut take = |_| {
            taken += 1;
            if taken == 3 { Err("enough") } else { Ok(()) }
        };
        let error = soak(&settings, &NO_CLOCKS, &mut take).expect_err("an error").to_string();
        assert_eq!((error.as_str(), taken), ("enough", 3));
    }
}
