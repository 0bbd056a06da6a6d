//! `squall soak`: many seeds, a line for each, a summary at the end, failures stored whole.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use squall_checker::Verdict;

use crate::shrink::{Cause, Size};
use crate::soak::{
    self, ClusterPlan, Experiment, FAILURES_MAX, Frame, Outside, SeedReport, SoakSettings, Summary, Tally,
};
use crate::store::{SoakFolder, StoreError, build_id};

use super::CliError;
use super::console::{Console, complain, complain_error, told};
use super::exit::Exit;
use super::flags::{self, ExperimentFlags, OutputFlags, ResultsFlag, SeedsFlags};
use super::progress::Progress;
use super::recording::{Place, Recording, tell};
use super::shrinking::{ShrinkFlags, shrunk_besides, size_text, tell_shrunk};
use crate::clocks::{Moment, Stopwatch};

/// Seeds of a soak that was not told.
const SEEDS: Range<u64> = 0..100;

/// Many runs.
#[derive(Args, Debug)]
pub(crate) struct SoakCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    #[command(flatten)]
    seeds: SeedsFlags,
    /// Begin no more seeds after this much time; without --seeds there is then no last seed
    #[arg(long, value_name = "TIME", value_parser = flags::duration)]
    budget: Option<Duration>,
    /// Run every seed twice and compare the digests
    #[arg(long)]
    check_determinism: bool,
    /// Tolerate this share of vacuous seeds, in percent
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    vacuous_max: f64,
    #[command(flatten)]
    shrink: ShrinkFlags,
    #[command(flatten)]
    results: ResultsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a percentage such as 5")?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("expected 0 to 100 percent".into()) }
}

/// A soak as the command runs it; also part of the main job.
pub(crate) struct Soaking<'a> {
    pub(crate) console: &'a Console,
    pub(crate) experiment: Experiment,
    /// The flags that ask for it, for commands that run a seed again.
    pub(crate) flags: String,
    pub(crate) seeds: Range<u64>,
    pub(crate) jobs: usize,
    pub(crate) budget: Option<Duration>,
    pub(crate) check_determinism: bool,
    pub(crate) vacuous_max: f64,
    pub(crate) json: bool,
    /// How long failures are shrunk, all together.
    pub(crate) shrink: Duration,
}

impl SoakCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let wanted = self.experiment.wanted();
        let experiment = wanted.experiment()?;
        let store = self.results.store()?;
        let began = Moment::now();
        let folder = store.begin_soak(&began.stamp)?;
        let default = if self.budget.is_some() { 0..u64::MAX } else { SEEDS };
        let soaking = Soaking {
            console: &console,
            experiment,
            flags: wanted.flags(),
            seeds: self.seeds.seeds(default),
            jobs: self.seeds.jobs(),
            budget: self.budget,
            check_determinism: self.check_determinism,
            vacuous_max: self.vacuous_max,
            json: self.output.json,
            shrink: self.shrink.shrink,
        };
        let (summary, tally) = soaking.go(folder, &began)?;
        tell_summary(&console, &summary);
        if self.output.json {
            console.json(&summary)?;
        }
        Ok(exit_of(&tally, self.vacuous_max))
    }
}

/// 1 if any seed is invalid, else 5, else 3, else 4.
pub(crate) fn exit_of(tally: &Tally, vacuous_max: f64) -> Exit {
    match tally.verdict(vacuous_max) {
        Verdict::Invalid => Exit::Invalid,
        _ if tally.not_deterministic() => Exit::NotDeterministic,
        other => other.into(),
    }
}

impl Soaking<'_> {
    /// Runs every seed, stores and tells as it goes.
    pub(crate) fn go(self, mut folder: SoakFolder, began: &Moment) -> anyhow::Result<(Summary, Tally)> {
        let stopwatch = Stopwatch::start();
        let count = self.seeds.end - self.seeds.start;
        let settings = SoakSettings {
            experiment: self.experiment.clone(),
            seeds: self.seeds.clone(),
            jobs: self.jobs,
            check_determinism: self.check_determinism,
            failures_max: FAILURES_MAX,
        };
        let over = || self.budget.is_some_and(|budget| stopwatch.wall() >= budget);
        let outside = Outside { wall: &|| stopwatch.wall(), should_stop: &over };
        let mut tally = Tally::default();
        let mut causes = BTreeMap::new();
        let mut progress =
            Progress::new(self.console, "seeds", if self.seeds.end == u64::MAX { 0 } else { count });
        let mut take = |mut report: SeedReport| -> Result<(), Taken> {
            report.line.replay = format!("squall run{} --seed {}", self.flags, report.line.seed);
            self.take(&mut report, &folder, began, &progress)?;
            note_cause(&mut causes, &report);
            let line = serde_json::to_string(&report.line).expect("a line is plain data");
            folder.seed(&line)?;
            if self.json {
                self.console.data(&(line + "\n")).map_err(|error| Taken::Output(told(&error)))?;
            }
            tally.add(&report);
            progress.step(|| format!("{} failed", tally.count(Verdict::Invalid)));
            Ok(())
        };
        let result = soak::soak(&settings, &outside, &mut take);
        progress.finish();
        result.map_err(|error| CliError::from(error).0)?;
        self.shrink_each(&causes);
        let frame = Frame {
            config: self.experiment.config(),
            build: build_id(),
            seed_first: self.seeds.start,
            vacuous_percent_max: self.vacuous_max,
            elapsed: stopwatch.wall(),
            cpu: stopwatch.processor(),
            results: Some(folder.path().display().to_string()),
        };
        let summary = tally.summary(&frame);
        folder.finish(&serde_json::to_string_pretty(&summary)?)?;
        Ok((summary, tally))
    }

    /// Shrinks one failure of each cause, as long as there is time.
    fn shrink_each(&self, causes: &Causes) {
        let stopwatch = Stopwatch::start();
        for (cause, (plan, folder)) in causes {
            let left = self.shrink.saturating_sub(stopwatch.wall());
            let Some(kept) = shrunk_besides(self.console, plan, folder, self.jobs, left) else { continue };
            let sizes = size_text(Size::of(&kept.shrunk.plan));
            let (check, kind) = (&cause.check, &cause.kind);
            self.console.say(format!("{check} {kind}, seed {:#x}: shrunk to {sizes}", plan.seed));
            tell_shrunk(self.console, &kept);
        }
    }

    /// Stores and tells what is not simply valid.
    fn take(
        &self,
        report: &mut SeedReport,
        folder: &SoakFolder,
        began: &Moment,
        progress: &Progress<'_>,
    ) -> Result<(), StoreError> {
        let seed = report.line.seed;
        if let Some(failure) = &report.failure {
            let (plan, outcome) = &**failure;
            let recording = Recording { plan, outcome, elapsed_ms: report.line.elapsed_ms, began };
            let (_, record) = recording.store(&Place::Failures(folder))?;
            report.line = record.run;
            progress.aside(|| tell(self.console, plan, outcome, report.line.results.as_deref(), None));
        } else if report.line.verdict != Verdict::Valid {
            let (verdict, replay) = (report.line.verdict, &report.line.replay);
            let why = match report.line.violations.first() {
                Some(violation) => format!("{}: {}", violation.check, violation.message),
                None => report.remarks.join("; "),
            };
            let text = format!("{verdict}: seed {seed:#x}: {why}\n  run again: {replay}");
            let loud = verdict != Verdict::Vacuous || self.console.is_verbose();
            progress.aside(|| {
                if loud {
                    self.console.verdict(verdict, &text)
                }
            });
        } else {
            progress.aside(|| {
                self.console.detail(format!("valid: seed {seed:#x}, digest {}", report.line.digest))
            });
        }
        if let Some(differs) = &report.differs {
            progress.aside(|| complain_error(&format!("seed {seed:#x}: {differs}")));
        }
        Ok(())
    }
}

/// The first stored failure of each cause: its plan and its folder.
type Causes = BTreeMap<Cause, (ClusterPlan, PathBuf)>;

fn note_cause(causes: &mut Causes, report: &SeedReport) {
    let (Some(failure), Some(folder)) = (&report.failure, &report.line.results) else { return };
    if let Some(cause) = Cause::of(&failure.1) {
        causes.entry(cause).or_insert_with(|| (failure.0.clone(), folder.into()));
    }
}

/// Why a result could not be taken.
#[derive(Debug, thiserror::Error)]
enum Taken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Output(String),
}

/// The summary, for people.
pub(crate) fn tell_summary(console: &Console, summary: &Summary) {
    let verdicts = summary.verdicts;
    let headline = format!(
        "{}: {} {}, {} seeds: {} valid, {} invalid, {} unknown, {} vacuous ({} %)",
        summary.verdict,
        summary.mode,
        summary.workload,
        summary.seeds,
        verdicts.valid,
        verdicts.invalid,
        verdicts.unknown,
        verdicts.vacuous,
        summary.vacuous_percent
    );
    console.verdict(summary.verdict, &headline);
    for line in summary_lines(summary) {
        console.say(format!("  {line}"));
    }
    if summary.verdicts.invalid > FAILURES_MAX as u64 {
        complain(&format!(
            "  the first {FAILURES_MAX} failures are stored whole; the others run again from their seed"
        ));
    }
}

fn summary_lines(summary: &Summary) -> Vec<String> {
    let operations = summary.operations;
    let faults: Vec<String> = summary
        .faults
        .iter()
        .map(|(family, counts)| format!("{family} {} ({} effective)", counts.injected, counts.effective))
        .collect();
    let (first, all) = (summary.recovery_first_ms, summary.recovery_all_ms);
    let mut lines = vec![
        format!(
            "operations          {} ok, {} fail, {} info; {} ok per seed (median)",
            operations.ok, operations.fail, operations.info, summary.completed_operations_per_seed_median
        ),
        format!("faults              {}", if faults.is_empty() { "none".into() } else { faults.join(", ") }),
        format!(
            "recovery            first operation {} ms, all keys {} ms (median); {} and {} ms (p95); {} and {} ms (most)",
            first.p50, all.p50, first.p95, all.p95, first.max, all.max
        ),
        format!(
            "time                {} s simulated in {} s, {} s of processor time",
            seconds(summary.simulated_ms),
            seconds(summary.elapsed_ms),
            seconds(summary.cpu_ms)
        ),
        format!(
            "speed               {} simulated seconds per processor second; per processor minute {:.0} operations, \
             {:.0} seeds",
            summary.simulated_seconds_per_cpu_second,
            summary.operations_per_cpu_minute,
            summary.seeds_per_cpu_minute
        ),
    ];
    if let Some(bound) = summary.failure_probability_max {
        let bound = 100.0 * bound;
        lines.push(format!(
            "confidence          a seed fails with less than {bound:.2} % probability (95 % sure)"
        ));
    }
    if summary.outside_model > 0 {
        lines.push(format!("outside the model   {} seeds", summary.outside_model));
    }
    lines.extend(summary.results.iter().map(|results| format!("results             {results}")));
    lines
}

/// Milliseconds as seconds with a decimal.
fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms / 100 % 10)
}
