//! `squall soak`: many seeds, a line for each, failures stored whole and shrunk, a summary at the end.
//!
//! Started again after being killed it goes on where it was; a share of it can run elsewhere and be united later.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use squall_checker::Verdict;

use crate::clocks::{Moment, Stopwatch, processor_of_thread};
use crate::shrink::Size;
use crate::soak::{
    self, Campaign, Charter, Done, Frame, Outside, Quota, SeedLine, SeedReport, Seeds, Shard, SoakSettings,
    Summary, Tally, Wanted,
};
use crate::store::{RunRecord, SoakFolder, Store, StoreError, build_id};
use crate::trial::Simulator;

use super::CliError;
use super::console::{Console, told};
use super::exit::Exit;
use super::flags::{self, ExperimentFlags, OutputFlags, ResultsFlag, SeedsFlags};
use super::guided_soak::GuidedSoak;
use super::progress::Progress;
use super::recording::{Place, Recording};
use super::shrinking::{ShrinkFlags, shrunk_besides, size_text, tell_shrunk};
use super::soak_tell::{pages, publish, tell_seed, tell_summary};
use super::upload::{Upload, unfinished};

/// Seeds of a soak that was not told.
const SEEDS: std::ops::Range<u64> = 0..100;
/// Where Kubernetes says which pod of an Indexed Job this is.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// Many runs.
#[derive(Args, Debug)]
#[command(
    after_help = "--mode all and --workload all draw one of each, by the seed. Seeds run in the event loop unless \
    --simulator says otherwise: the same runs, faster. The same command, started again after it was killed, goes on \
    where it was; started anew with --anew."
)]
pub(crate) struct SoakCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    #[command(flatten)]
    seeds: SeedsFlags,
    /// Begin no more seeds after this much time; without --seeds there is then no last seed
    #[arg(long, value_name = "TIME", value_parser = flags::duration)]
    budget: Option<Duration>,
    /// Run only share I of N of the seeds, from 0; with N alone, I is read from JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<ShardFlag>,
    /// Copy results to an object store as they grow, such as s3://bucket/prefix, and go on from there where the
    /// folder is lost
    #[arg(long, value_name = "URL")]
    upload: Option<String>,
    /// Begin anew, even if the same soak did not end
    #[arg(long)]
    anew: bool,
    /// Change plans that reached something new, in place of drawing each by its seed; ends with the table of what was
    /// covered
    #[arg(long, conflicts_with_all = ["check_determinism", "shard"])]
    guided: bool,
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

/// A share as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShardFlag {
    /// This one.
    Given(Shard),
    /// One of so many, by the environment.
    ByEnvironment(u64),
}

fn shard(text: &str) -> Result<ShardFlag, String> {
    match text.parse() {
        Ok(0) => Err("there is at least one share".into()),
        Ok(of) => Ok(ShardFlag::ByEnvironment(of)),
        Err(_) => text.parse().map(ShardFlag::Given),
    }
}

impl ShardFlag {
    fn resolve(self) -> anyhow::Result<Shard> {
        let of = match self {
            Self::Given(shard) => return Ok(shard),
            Self::ByEnvironment(of) => of,
        };
        let index = std::env::var(INDEX_VARIABLE).map_err(|_| {
            anyhow::anyhow!(
                "--shard {of} needs {INDEX_VARIABLE} in the environment; say --shard I/{of} elsewhere"
            )
        })?;
        let shard = format!("{index}/{of}").parse::<Shard>();
        shard.map_err(|error| anyhow::anyhow!("{INDEX_VARIABLE} is {index:?}, of {of} shares: {error}"))
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a percentage such as 5")?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("expected 0 to 100 percent".into()) }
}

/// A soak as the command runs it; also part of the main job.
pub(crate) struct Soaking<'a> {
    pub(crate) console: &'a Console,
    pub(crate) wanted: &'a Wanted,
    pub(crate) seeds: Seeds,
    /// Where results are copied to.
    pub(crate) upload: Option<&'a str>,
    pub(crate) anew: bool,
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
        if self.guided {
            return self.search(&console, self.experiment.wanted());
        }
        let shard = self.shard.map(ShardFlag::resolve).transpose()?.unwrap_or_default();
        let default = if self.budget.is_some() { 0..u64::MAX } else { SEEDS };
        let wanted = self.experiment.wanted();
        let soaking = Soaking {
            console: &console,
            wanted: &wanted,
            seeds: Seeds { range: self.seeds.seeds(default), shard },
            upload: self.upload.as_deref(),
            anew: self.anew,
            jobs: self.seeds.jobs(),
            budget: self.budget,
            check_determinism: self.check_determinism,
            vacuous_max: self.vacuous_max,
            json: self.output.json,
            shrink: self.shrink.shrink,
        };
        let (summary, tally) = soaking.go(&self.results.store()?)?;
        tell_summary(&console, &summary);
        publish(&summary)?;
        if self.output.json {
            console.json(&summary)?;
        }
        Ok(exit_of(&tally, self.vacuous_max))
    }
}

impl SoakCommand {
    fn search(&self, console: &Console, mut wanted: Wanted) -> anyhow::Result<Exit> {
        wanted.simulator.get_or_insert_with(|| Simulator::EventLoop.name().to_owned());
        let default = if self.budget.is_some() { 0..u64::MAX } else { SEEDS };
        let search = GuidedSoak {
            console,
            experiment: wanted.experiment()?,
            wanted: &wanted,
            seeds: self.seeds.seeds(default),
            budget: self.budget,
            upload: self.upload.as_deref(),
            anew: self.anew,
            jobs: self.seeds.jobs(),
            json: self.output.json,
        };
        search.go(&self.results.store()?)
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

/// What a soak that was killed left.
#[derive(Default)]
struct Earlier {
    tally: Tally,
    done: Done,
}

impl Soaking<'_> {
    /// Runs every seed that is not done yet, stores and tells as it goes.
    pub(crate) fn go(self, store: &Store) -> anyhow::Result<(Summary, Tally)> {
        let campaign = Campaign::of(self.wanted)?;
        let (stopwatch, began) = (Stopwatch::start(), Moment::now());
        let (mut folder, Earlier { mut tally, done }) = self.open(store, &began)?;
        let mut upload = Upload::begin(self.console, self.upload, &folder)?;
        let before = tally.elapsed() / u32::try_from(self.jobs).expect("bounded");
        let stored = soak::stored_failures(&folder.failures()?);
        let quota = Quota::beside(stored.iter().map(|failure| &failure.cause));
        let settings = SoakSettings {
            campaign: &campaign,
            seeds: &self.seeds,
            done: &done,
            jobs: self.jobs,
            check_determinism: self.check_determinism,
            quota: &quota,
        };
        let over = || self.budget.is_some_and(|budget| before + stopwatch.wall() >= budget);
        let (wall, processor) = (|| stopwatch.wall(), processor_of_thread);
        let outside = Outside { wall: &wall, processor: &processor, should_stop: &over };
        let left = if self.seeds.is_endless() { 0 } else { self.seeds.count() - tally.seeds() };
        let mut progress = Progress::new(self.console, "seeds", left);
        let mut take = |mut report: SeedReport| -> Result<(), Taken> {
            self.store(&mut report, &folder, &began)?;
            let text = serde_json::to_string(&report.line).expect("a line is plain data");
            folder.seed(&text)?;
            upload.follow(stopwatch.wall());
            tell_seed(self.console, &report, &progress);
            if self.json {
                self.console.data(&(text + "\n")).map_err(|error| Taken::Output(told(&error)))?;
            }
            tally.add(&report.line);
            progress.step(|| {
                let hours = tally.simulated().as_secs_f64() / 3_600.0;
                format!("{} failed, {hours:.1} h simulated", tally.count(Verdict::Invalid))
            });
            Ok(())
        };
        let result = soak::soak(&settings, &outside, &mut take);
        progress.finish();
        result.map_err(|error| CliError::from(error).0)?;
        self.shrink_each(&folder.failures()?);
        let summary = self.summary(&tally, &folder, before + stopwatch.wall())?;
        folder.finish(&pages(&summary)?)?;
        upload.finish()?;
        Ok((summary, tally))
    }

    /// The folder of the same soak, if it was killed, with what is there; else a new one.
    fn open(&self, store: &Store, began: &Moment) -> anyhow::Result<(SoakFolder, Earlier)> {
        let charter = Charter::new(
            build_id(),
            self.wanted,
            self.seeds.clone(),
            self.check_determinism,
            self.vacuous_max,
        );
        let text = charter.text();
        let unfinished = if self.anew { None } else { unfinished(store, self.upload, &text)? };
        let Some(mut folder) = unfinished else {
            return Ok((store.begin_soak(&began.stamp, &text)?, Earlier::default()));
        };
        let mut earlier = Earlier::default();
        let is_torn = folder.earlier(&mut |text| {
            let line: SeedLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let seed = line.run.seed;
            let position = self.seeds.position(seed);
            let position = position.ok_or_else(|| format!("seed {seed:#x} is not one of this soak"))?;
            if earlier.done.insert(position) {
                earlier.tally.add(&line);
            }
            Ok(())
        })?;
        let (seeds, path) = (earlier.tally.seeds(), folder.path().display());
        self.console.say(format!("goes on in {path}: {seeds} seeds are done"));
        if is_torn {
            self.console
                .say("  the line of the seed during which it was killed is torn; the seed runs again");
        }
        Ok((folder, earlier))
    }

    /// Stores a failure whole, if it was recorded.
    fn store(&self, report: &mut SeedReport, folder: &SoakFolder, began: &Moment) -> Result<(), StoreError> {
        let Some(failure) = &report.failure else { return Ok(()) };
        let (plan, outcome) = &**failure;
        let recording = Recording { plan, outcome, elapsed_ms: report.line.run.elapsed_ms, began };
        let (_, record) = recording.store(&Place::Failures(folder))?;
        report.line.run.results = record.run.results;
        report.line.run.replay = record.run.replay;
        Ok(())
    }

    /// Shrinks the failures that are not yet, one of each cause before the second of any, as long as there is time.
    fn shrink_each(&self, failures: &[(PathBuf, RunRecord)]) {
        let stopwatch = Stopwatch::start();
        let mut seen = std::collections::BTreeMap::new();
        let mut order: Vec<_> = soak::stored_failures(failures)
            .into_iter()
            .map(|failure| {
                let turn = seen.entry(failure.cause.clone()).or_insert(0);
                *turn += 1;
                (*turn, failure)
            })
            .collect();
        order.sort_by_key(|(turn, _)| *turn);
        for (_, failure) in order.into_iter().filter(|(_, failure)| failure.shrunk.is_none()) {
            let left = self.shrink.saturating_sub(stopwatch.wall());
            let folder = PathBuf::from(&failure.folder);
            let Ok(stored) = crate::replay::read(&folder) else { continue };
            let Some(kept) = shrunk_besides(self.console, &stored.plan, &folder, self.jobs, left) else {
                continue;
            };
            let sizes = size_text(Size::of(&kept.shrunk.plan));
            let (check, kind) = (&failure.cause.check, &failure.cause.kind);
            self.console.say(format!("{check} {kind}, seed {:#x}: shrunk to {sizes}", failure.seed));
            tell_shrunk(self.console, &kept);
        }
    }

    fn summary(&self, tally: &Tally, folder: &SoakFolder, elapsed: Duration) -> anyhow::Result<Summary> {
        let stored = soak::stored_failures(&folder.failures()?);
        Ok(tally.summary(&Frame {
            nemesis: nemesis_text(self.wanted),
            bugs: self.wanted.bugs.clone(),
            build: build_id(),
            vacuous_percent_max: self.vacuous_max,
            elapsed,
            stored: &stored,
            results: Some(folder.path().display().to_string()),
        }))
    }
}

/// The faults that were asked for, in words.
pub(crate) fn nemesis_text(wanted: &Wanted) -> String {
    let scenario = wanted.scenario.as_ref().map(|name| format!("scenario {name}"));
    scenario.or_else(|| wanted.nemesis.clone()).unwrap_or_else(|| crate::trial::Config::default().nemesis)
}

/// Why a result could not be taken.
#[derive(Debug, thiserror::Error)]
enum Taken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Output(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_or_left_to_the_environment() {
        assert_eq!(shard("3/16"), Ok(ShardFlag::Given(Shard { index: 3, of: 16 })));
        assert_eq!(shard("16"), Ok(ShardFlag::ByEnvironment(16)));
        for wrong in ["0", "16/16", "x", "1/0"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
