//! The harness measuring itself: every planted bug over seeds until it is found, beside a clean control.
//!
//! A bug is hunted in every mode in which it can act, under the workload that suits it, with all faults or by a named
//! scenario. Found means: some run with the bug is invalid. The control runs the same seeds without it. What a find
//! takes is told in seeds and in processor time; on request its first one is shrunk, and that is measured too.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use squall_checker::Verdict;
use squall_cluster::bugs::{Bug, Mode};

use super::distribution::Percentiles;
use super::experiment::{Experiment, ExperimentError, Wanted};
use super::hunts::{Suited, suited};
use super::scenarios::Scenario;
use super::{Outside, SoakError, panic_text, whole};
use crate::shrink::{Effort, RUNS_MAX, Size, shrink};
use crate::trial::{Manner, Simulator};

/// Seeds of one piece of the control.
const CONTROL_PIECE: u64 = 10;
/// Messages of failing control seeds that are kept.
const CONTROL_FAILURES_MAX: usize = 10;

/// What is hunted, where, for how long.
#[derive(Clone, Debug)]
pub struct MutantSettings {
    /// Sizes; what a hunt says itself takes precedence.
    pub base: Wanted,
    /// The bugs.
    pub bugs: Vec<Bug>,
    /// Only in this mode.
    pub mode: Option<Mode>,
    /// The seeds, for hunts and control alike.
    pub seeds: Range<u64>,
    /// A hunt ends when it has found its bug this often; the gaps in between make median and percentile.
    pub finds_max: usize,
    /// What turns the simulated world; a hunt in each.
    pub simulators: Vec<Simulator>,
    /// Whether the first find of each hunt is shrunk.
    pub shrink: bool,
    /// Worker threads.
    pub jobs: usize,
}

impl MutantSettings {
    /// Each bug, in each mode that is asked for and in which it can show.
    pub fn hunts(&self) -> Vec<Hunt> {
        let all = self.bugs.iter().flat_map(|bug| hunts_of(*bug));
        all.filter(|hunt| self.mode.is_none_or(|mode| mode == hunt.mode)).collect()
    }
}

/// One bug in one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunt {
    /// The bug.
    pub bug: Bug,
    /// The mode.
    pub mode: Mode,
    /// The workload.
    pub workload: &'static str,
    /// The scenario, where all faults together do not suffice.
    pub scenario: Option<&'static Scenario>,
    /// The checks of which one should find it.
    pub expected: &'static [&'static str],
}

/// The first time that a bug was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// The seed.
    pub seed: u64,
    /// The check.
    pub check: String,
    /// The anomaly.
    pub kind: String,
    /// One sentence.
    pub message: String,
}

/// What came of a hunt.
#[derive(Clone, Debug)]
pub struct HuntResult {
    /// Which.
    pub hunt: Hunt,
    /// The first find.
    pub find: Option<Find>,
    /// What turned the simulated world.
    pub simulator: Simulator,
    /// How many seeds each find took.
    pub gaps: Vec<u64>,
    /// How much processor time each find took, in microseconds.
    pub costs_us: Vec<u64>,
    /// Seeds that were run.
    pub seeds: u64,
    /// What is left of the first find, if it was shrunk.
    pub shrunk: Option<Shrinkage>,
}

/// What shrinking a find came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shrinkage {
    /// How large the shrunk plan is.
    pub size: Size,
    /// Runs that it took.
    pub runs: u64,
    /// Processor time that it took, in microseconds.
    pub cpu_us: u64,
    /// Whether nothing can be taken away.
    pub is_minimal: bool,
    /// Whether the plan, shrunk in the event loop, failed in the same way under turmoil as it was.
    pub holds_under_turmoil: bool,
}

/// What came of a bug in all its modes.
#[derive(Clone, Debug)]
pub struct BugResult {
    /// The bug.
    pub bug: Bug,
    /// In each mode.
    pub hunts: Vec<HuntResult>,
}

/// The clean cluster over the same seeds.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Runs by verdict: valid, vacuous, unknown, invalid.
    pub runs: [u64; 4],
    /// Seeds of each configuration.
    pub seeds: u64,
    /// The first failures, in words.
    pub failures: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Mutants {
    /// The clean cluster.
    pub control: Control,
    /// The bugs, in the order of the catalogue.
    pub bugs: Vec<BugResult>,
}

impl BugResult {
    /// Whether it was found in every mode in which it can act.
    pub fn found(&self) -> bool {
        !self.hunts.is_empty() && self.hunts.iter().all(|hunt| hunt.find.is_some())
    }

    /// How many seeds a find took, over all modes.
    pub fn seeds_per_find(&self) -> Percentiles {
        let gaps: Vec<u64> = self.hunts.iter().flat_map(|hunt| hunt.gaps.iter().copied()).collect();
        Percentiles::of(&gaps)
    }

    /// How much processor time a find took, in microseconds, over all modes.
    pub fn cost_per_find_us(&self) -> Percentiles {
        let costs: Vec<u64> = self.hunts.iter().flat_map(|hunt| hunt.costs_us.iter().copied()).collect();
        Percentiles::of(&costs)
    }
}

impl Control {
    fn add(&mut self, verdict: Verdict) {
        self.runs[verdict as usize] += 1;
    }

    /// Runs of this verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.runs[verdict as usize]
    }

    /// The worst verdict; up to five percent of vacuous runs do not count.
    pub fn verdict(&self) -> Verdict {
        let all: u64 = self.runs.iter().sum();
        if self.count(Verdict::Invalid) > 0 {
            Verdict::Invalid
        } else if self.count(Verdict::Unknown) > 0 {
            Verdict::Unknown
        } else if self.count(Verdict::Vacuous) * 20 > all || all == 0 {
            Verdict::Vacuous
        } else {
            Verdict::Valid
        }
    }
}

impl Mutants {
    /// Whether every bug was found and the control is clean.
    pub fn good(&self) -> bool {
        self.control.verdict() == Verdict::Valid && self.bugs.iter().all(BugResult::found)
    }
}

impl Hunt {
    /// What is asked for to run it.
    pub fn wanted(&self, base: &Wanted) -> Wanted {
        Wanted {
            mode: Some(self.mode.name().into()),
            workload: Some(self.workload.into()),
            bugs: vec![self.bug.name().into()],
            // A number of replicas means nothing to one server, and may be too few for a view service.
            nodes: if self.mode == Mode::Paxos { base.nodes } else { None },
            nemesis: base.nemesis.clone().filter(|_| self.scenario.is_none()),
            scenario: self.scenario.filter(|_| base.plan.is_none()).map(|scenario| scenario.name.into()),
            ..base.clone()
        }
    }
}

/// The hunts of a bug: one for each mode in which it can act.
pub fn hunts_of(bug: Bug) -> Vec<Hunt> {
    let hunt = |mode: &Mode| {
        let Suited { workload, scenario, expected } = suited(bug, *mode)?;
        let scenario = scenario.map(|name| Scenario::named(name).expect("hunts name scenarios that exist"));
        Some(Hunt { bug, mode: *mode, workload, scenario, expected })
    };
    bug.modes().iter().filter_map(hunt).collect()
}

/// A piece of work.
enum Task {
    Hunt(Hunt, Experiment),
    Control(String, Experiment, Range<u64>),
}

/// What came of a piece.
enum Piece {
    Hunt(Box<HuntResult>),
    Control(Vec<(Verdict, Option<String>)>),
}

/// How many pieces of work these settings make: hunts, and shares of the control.
///
/// # Errors
///
/// If a size is impossible.
pub fn pieces_of(settings: &MutantSettings) -> Result<usize, ExperimentError> {
    tasks(settings).map(|tasks| tasks.len())
}

/// Hunts every bug and runs the control; `tell` hears of each piece as it ends, and of the hunt, if it was one.
///
/// # Errors
///
/// If a size is impossible, or the harness itself panicked.
pub fn mutants(
    settings: &MutantSettings,
    outside: &Outside<'_>,
    tell: &mut dyn FnMut(Option<&HuntResult>),
) -> Result<Mutants, SoakError<ExperimentError>> {
    assert!(settings.jobs > 0, "somebody must do the work");
    assert!(!settings.simulators.is_empty(), "something must turn the world");
    let tasks = tasks(settings).map_err(SoakError::Caller)?;
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let pieces = std::thread::scope(|scope| {
        for _ in 0..settings.jobs {
            let (send, next, tasks) = (send.clone(), &next, &tasks);
            scope.spawn(move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let work = || work(task, settings, outside);
                    let piece = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(&*panic));
                    if send.send(piece).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut pieces = Vec::new();
        for piece in receive {
            let piece =
                piece.map_err(|message| SoakError::Panicked { seed: settings.seeds.start, message })?;
            match &piece {
                Piece::Hunt(result) => tell(Some(result)),
                Piece::Control(_) => tell(None),
            }
            pieces.push(piece);
        }
        Ok(pieces)
    })?;
    Ok(gathered(settings, pieces))
}

fn tasks(settings: &MutantSettings) -> Result<Vec<Task>, ExperimentError> {
    let mut tasks = Vec::new();
    let mut controls: Vec<(String, Experiment)> = Vec::new();
    for hunt in settings.hunts() {
        let wanted = hunt.wanted(&settings.base);
        let experiment = wanted.experiment()?;
        let clean = Wanted { bugs: Vec::new(), ..wanted };
        let name = clean.flags();
        let turned_by = |experiment: Experiment, simulator: Simulator| {
            let manner = Manner { simulator, ..experiment.manner() };
            experiment.in_manner(manner)
        };
        if controls.iter().all(|(known, _)| *known != name) {
            controls.push((name, turned_by(clean.experiment()?, settings.simulators[0])));
        }
        for simulator in &settings.simulators {
            tasks.push(Task::Hunt(hunt.clone(), turned_by(experiment.clone(), *simulator)));
        }
    }
    for (name, experiment) in controls {
        let mut from = settings.seeds.start;
        while from < settings.seeds.end {
            let to = (from + CONTROL_PIECE).min(settings.seeds.end);
            tasks.push(Task::Control(name.clone(), experiment.clone(), from..to));
            from = to;
        }
    }
    Ok(tasks)
}

fn work(task: &Task, settings: &MutantSettings, outside: &Outside<'_>) -> Piece {
    match task {
        Task::Hunt(hunt, experiment) => Piece::Hunt(Box::new(hunt_down(hunt, experiment, settings, outside))),
        Task::Control(name, experiment, seeds) => {
            let judged = |seed: u64| {
                let outcome = experiment.run(&experiment.plan(seed));
                let failure = outcome.violations.first().map(|violation| {
                    format!(
                        "seed {seed:#x} (squall run{name} --seed {seed}): {}: {}",
                        violation.check, violation.message
                    )
                });
                (outcome.verdict, failure)
            };
            Piece::Control(seeds.clone().map(judged).collect())
        }
    }
}

fn hunt_down(
    hunt: &Hunt,
    experiment: &Experiment,
    settings: &MutantSettings,
    outside: &Outside<'_>,
) -> HuntResult {
    let mut result = HuntResult {
        hunt: hunt.clone(),
        find: None,
        simulator: experiment.manner().simulator,
        gaps: Vec::new(),
        costs_us: Vec::new(),
        seeds: 0,
        shrunk: None,
    };
    let mut gap = 0;
    let mut began = (outside.processor)();
    for seed in settings.seeds.clone() {
        if result.gaps.len() >= settings.finds_max || (outside.should_stop)() {
            break;
        }
        let outcome = experiment.run(&experiment.plan(seed));
        result.seeds += 1;
        gap += 1;
        if let (Verdict::Invalid, Some(violation)) = (outcome.verdict, outcome.violations.first()) {
            let now = (outside.processor)();
            result.costs_us.push(whole(now.saturating_sub(began).as_micros()));
            result.gaps.push(gap);
            (gap, began) = (0, now);
            result.find.get_or_insert_with(|| Find {
                seed,
                check: violation.check.clone(),
                kind: violation.kind.clone(),
                message: violation.message.clone(),
            });
        }
    }
    if let Some(find) = result.find.as_ref().filter(|_| settings.shrink) {
        result.shrunk = shrinkage(experiment, find.seed, outside);
    }
    result
}

/// Shrinks the failure of a seed on this thread alone.
fn shrinkage(experiment: &Experiment, seed: u64, outside: &Outside<'_>) -> Option<Shrinkage> {
    let began = (outside.processor)();
    let effort = Effort { jobs: 1, runs_max: RUNS_MAX, should_stop: outside.should_stop, tell: &|_, _| {} };
    let shrunk = shrink(&experiment.plan(seed), &effort)?;
    Some(Shrinkage {
        size: Size::of(&shrunk.plan),
        runs: shrunk.runs,
        cpu_us: whole((outside.processor)().saturating_sub(began).as_micros()),
        is_minimal: shrunk.is_minimal,
        holds_under_turmoil: shrunk.simulator == Simulator::EventLoop,
    })
}

fn gathered(settings: &MutantSettings, pieces: Vec<Piece>) -> Mutants {
    let mut control = Control { seeds: settings.seeds.end - settings.seeds.start, ..Control::default() };
    let mut bugs: Vec<BugResult> =
        settings.bugs.iter().map(|bug| BugResult { bug: *bug, hunts: Vec::new() }).collect();
    for piece in pieces {
        match piece {
            Piece::Hunt(result) => {
                let of = bugs.iter_mut().find(|known| known.bug == result.hunt.bug).expect("asked for");
                of.hunts.push(*result);
            }
            Piece::Control(runs) => {
                for (verdict, failure) in runs {
                    control.add(verdict);
                    control.failures.extend(failure);
                }
            }
        }
    }
    for bug in &mut bugs {
        bug.hunts.sort_by_key(|result| (result.hunt.mode, result.simulator.name()));
    }
    bugs.retain(|bug| !bug.hunts.is_empty());
    control.failures.sort();
    control.failures.truncate(CONTROL_FAILURES_MAX);
    Mutants { control, bugs }
}
