//! Flags that several subcommands share, and how their texts become numbers.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::soak::{JOBS_MAX, PlanText, UnknownName, Wanted, simulator_of};
use crate::store::Store;
use crate::trial::{Manner, parse_seed};

/// What is run. Everything has a default that makes a good run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What to run")]
pub(crate) struct ExperimentFlags {
    /// Mode of the cluster; see squall list modes [default: paxos]
    #[arg(long, value_name = "NAME")]
    mode: Option<String>,
    /// What clients do; see squall list workloads [default: append]
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    /// Faults: none, all, or families and faults joined by commas; see squall list nemeses [default: all]
    #[arg(long, value_name = "FAULTS")]
    nemesis: Option<String>,
    /// Faults picked by hand, in place of --nemesis; see squall list scenarios
    #[arg(long, value_name = "NAME", conflicts_with = "nemesis")]
    scenario: Option<String>,
    /// Faults written in words, one per line, in place of --nemesis; or, for run, a whole plan in JSON, which says
    /// everything else too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nemesis", "scenario"], value_parser = plan_text)]
    plan: Option<PlanText>,
    /// Servers [default: 5, in mode single 1]
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// Concurrent clients [default: 10]
    #[arg(long, value_name = "N")]
    clients: Option<u32>,
    /// Keys in use at a time [default: 5]
    #[arg(long, value_name = "N")]
    keys: Option<u32>,
    /// Operations of all clients together, in place of a duration
    #[arg(long, value_name = "N")]
    ops: Option<u64>,
    /// How long faults and clients go on, in simulated time [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    duration: Option<u64>,
    /// How reads are served: log, read-index or lease [default: log]
    #[arg(long, value_name = "NAME")]
    reads: Option<String>,
    /// After faults have gone, service must be back within this time, or the run is invalid [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    recovery: Option<u64>,
    /// Switch a planted bug on; may be repeated; see squall list bugs
    #[arg(long = "bug", value_name = "NAME")]
    bugs: Vec<String>,
    #[command(flatten)]
    manner: MannerFlags,
}

impl ExperimentFlags {
    /// What is asked for.
    pub(crate) fn wanted(&self) -> Wanted {
        let Self {
            mode,
            workload,
            nemesis,
            scenario,
            plan,
            nodes,
            clients,
            keys,
            ops,
            duration,
            reads,
            recovery,
            bugs,
            manner,
        } = self.clone();
        Wanted {
            mode,
            workload,
            nemesis,
            nodes,
            clients,
            keys,
            operations: ops,
            duration_ms: duration,
            reads,
            recovery_ms: recovery,
            bugs,
            scenario,
            plan,
            simulator: manner.simulator,
            until_breach: manner.until_breach,
        }
    }

    /// How it is run.
    pub(crate) fn manner(&self) -> &MannerFlags {
        &self.manner
    }
}

/// How a plan is run; nothing of it changes what happens in the run.
#[derive(Args, Clone, Debug)]
pub(crate) struct MannerFlags {
    /// What turns the simulated world: turmoil, or event-loop (the same runs, many times faster) [default: turmoil]
    #[arg(long, value_name = "NAME")]
    simulator: Option<String>,
    /// End a run as soon as an invariant inside the cluster is broken: for hunts that need no story of clients
    #[arg(long)]
    until_breach: bool,
}

impl MannerFlags {
    /// What they say.
    pub(crate) fn manner(&self) -> Result<Manner, UnknownName> {
        let simulator = self.simulator.as_deref().map(simulator_of).transpose()?.unwrap_or_default();
        Ok(Manner { simulator, trace: false, until_breach: self.until_breach })
    }
}

/// One seed.
#[derive(Args, Clone, Debug)]
pub(crate) struct SeedFlag {
    /// The seed, decimal or 0x…
    #[arg(long, value_name = "SEED", env = "SQUALL_SEED", hide_env_values = true, default_value = "0", value_parser = seed)]
    pub(crate) seed: u64,
}

/// Many seeds.
#[derive(Args, Clone, Debug)]
pub(crate) struct SeedsFlags {
    /// The seeds, from A up to but without B; each decimal or 0x…
    #[arg(long, value_name = "A..B", env = "SQUALL_SEEDS", hide_env_values = true, value_parser = seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// One seed only
    #[arg(long, value_name = "SEED", value_parser = seed, conflicts_with = "seeds")]
    seed: Option<u64>,
    #[command(flatten)]
    jobs: JobsFlag,
}

impl SeedsFlags {
    /// The seeds asked for, or the default.
    pub(crate) fn seeds(&self, default: Range<u64>) -> Range<u64> {
        let one = self.seed.map(|seed| seed..seed + 1);
        one.or_else(|| self.seeds.clone()).unwrap_or(default)
    }

    /// Worker threads.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.jobs()
    }
}

/// How much happens at a time.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobsFlag {
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N", env = "SQUALL_JOBS", hide_env_values = true, value_parser = jobs)]
    jobs: Option<usize>,
}

impl JobsFlag {
    /// Worker threads.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(processors)
    }
}

/// Threads that this machine runs at a time.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(JOBS_MAX)
}

/// Where results go.
#[derive(Args, Clone, Debug)]
pub(crate) struct ResultsFlag {
    /// Folder that results are written to
    #[arg(
        long,
        value_name = "DIR",
        env = "SQUALL_RESULTS",
        hide_env_values = true,
        default_value = "results"
    )]
    results: PathBuf,
}

impl ResultsFlag {
    /// The store in that folder.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.results)?)
    }
}

/// How much is said, and to whom.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputFlags {
    /// Write JSON to stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but failures
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

impl OutputFlags {
    /// A console that says as much.
    pub(crate) fn console(self) -> super::console::Console {
        super::console::Console::new(self.quiet, self.verbose)
    }
}

fn plan_text(path: &str) -> Result<PlanText, String> {
    /// Bytes of a plan, at most.
    const BYTES_MAX: u64 = 256 << 20;
    let unreadable =
        |error: std::io::Error| format!("{error}; give a file of faults in words, or a plan.json");
    let path = path.to_owned();
    let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
    if bytes > BYTES_MAX {
        return Err(format!("it has {bytes} bytes, more than a plan can have"));
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    Ok(PlanText { path, text })
}

fn seed(text: &str) -> Result<u64, String> {
    let seed = parse_seed(text).ok_or("expected a number such as 7 or 0x3f2a")?;
    if seed == u64::MAX { Err("the greatest seed is 0xfffffffffffffffe".into()) } else { Ok(seed) }
}

pub(crate) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let expected = "expected a range such as 0..100";
    let (from, to) = text.split_once("..").ok_or(expected)?;
    let range = parse_seed(from).ok_or(expected)?..parse_seed(to).ok_or(expected)?;
    if range.is_empty() {
        return Err(format!("{}..{} holds no seed: the end is not part of it", range.start, range.end));
    }
    Ok(range)
}

pub(crate) fn jobs(text: &str) -> Result<usize, String> {
    let jobs: usize = text.parse().map_err(|_| "expected a number of threads")?;
    if (1..=JOBS_MAX).contains(&jobs) { Ok(jobs) } else { Err(format!("expected 1 to {JOBS_MAX} threads")) }
}

/// A time such as `10s` or `500ms`, in milliseconds.
fn duration_ms(text: &str) -> Result<u64, String> {
    let duration = duration(text)?;
    let ms = u64::try_from(duration.as_millis()).map_err(|_| "that is too long".to_owned())?;
    if ms == 0 { Err("nothing happens in less than a millisecond; try 10s".into()) } else { Ok(ms) }
}

/// A time such as `10s` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; expected a time such as 10s or 500ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_times_are_read_in_the_ways_people_write_them() {
        assert_eq!(seeds("0..0x10"), Ok(0..16));
        assert!(seeds("5..5").is_err() && seeds("7").is_err() && seeds("1..x").is_err());
        assert_eq!((seed("0x3f2a"), seed("7")), (Ok(0x3f2a), Ok(7)));
        assert_eq!((duration_ms("1s 500ms"), duration_ms("0s").is_err()), (Ok(1_500), true));
    }
}
