//! `squall mutants`: the harness measuring itself, as a table or JSON.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use squall_checker::Verdict;
use squall_cluster::bugs::Bug;

use crate::report::mutants_page;
use crate::soak::{
    ALL, Baseline, BugResult, Control, HuntResult, MutantSettings, Mutants, Outside, Percentiles, QUICK,
    Wanted, bug_of, mode_of, mutants, pieces_of, simulator_of,
};
use crate::store::write_file;
use crate::trial::Simulator;

use super::CliError;
use super::console::{Console, complain, complain_error};
use super::exit::Exit;
use super::flags::{ExperimentFlags, OutputFlags, SeedsFlags};
use super::guided::compare;
use super::progress::Progress;
use crate::clocks::{Stopwatch, processor_of_thread};

/// Seeds until a bug counts as not found.
const SEEDS: Range<u64> = 0..300;
/// The same for a quick look.
const SEEDS_QUICK: Range<u64> = 0..40;
/// Finds from which median and percentile are taken.
const FINDS: usize = 5;
/// The same for a quick look.
const FINDS_QUICK: usize = 3;

/// Every planted bug: found or not.
#[derive(Args, Debug)]
#[command(
    after_help = "Seeds are hunted in the event loop unless --simulator says otherwise; --simulator all hunts in each."
)]
pub(crate) struct MutantsCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    #[command(flatten)]
    seeds: SeedsFlags,
    /// Only bugs that are found soon, and fewer seeds: for every change
    #[arg(long)]
    quick: bool,
    /// Finds of each bug that median and percentile are taken from [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    finds: Option<u16>,
    /// Also shrink the first find of each bug, and say what is left and what it took
    #[arg(long)]
    shrink: bool,
    /// Fail if bugs are found clearly later than this file says
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write such a file from what is found now
    #[arg(long, value_name = "FILE")]
    save_baseline: Option<PathBuf>,
    /// Write the table as a page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Compare guided search with drawn plans, in the event loop: runs until each bug is found, five times in each way
    #[arg(long)]
    guided: bool,
    #[command(flatten)]
    output: OutputFlags,
}

/// What `--json` prints; the order of its fields is that of the keys.
#[derive(serde::Serialize)]
struct MutantsLine<'a> {
    schema: u32,
    control: ControlLine,
    bugs: Vec<BugLine<'a>>,
}

#[derive(serde::Serialize)]
struct ControlLine {
    verdict: Verdict,
    seeds: u64,
}

#[derive(serde::Serialize)]
struct BugLine<'a> {
    name: &'a str,
    found: bool,
    check: Option<&'a str>,
    seeds_median: u64,
    seeds_p95: u64,
    scenario: Option<&'a str>,
    cpu_ms_median: u64,
    cpu_ms_p95: u64,
    hunts: Vec<HuntLine<'a>>,
}

#[derive(serde::Serialize)]
struct HuntLine<'a> {
    mode: &'a str,
    workload: &'a str,
    simulator: &'a str,
    found: bool,
    finds: usize,
    seeds: u64,
    seeds_median: u64,
    seeds_p95: u64,
    cpu_ms_median: u64,
    cpu_ms_p95: u64,
    shrunk: Option<ShrunkLine>,
}

#[derive(serde::Serialize)]
struct ShrunkLine {
    nodes: u32,
    clients: u32,
    operations: u64,
    faults: u64,
    runs: u64,
    cpu_ms: u64,
    minimal: bool,
    holds_under_turmoil: bool,
}

impl MutantsCommand {
    fn settings(&self) -> anyhow::Result<MutantSettings> {
        let wanted = self.experiment.wanted();
        let mode = wanted.mode.as_deref().map(mode_of).transpose()?;
        let named: Vec<Bug> = wanted.bugs.iter().map(|name| bug_of(name)).collect::<Result<_, _>>()?;
        let bugs = match (named.is_empty(), self.quick) {
            (false, _) => named,
            (true, true) => QUICK.to_vec(),
            (true, false) => Bug::ALL.to_vec(),
        };
        let simulators = match wanted.simulator.as_deref() {
            None => vec![Simulator::EventLoop],
            Some(ALL) => Simulator::ALL.to_vec(),
            Some(name) => vec![simulator_of(name)?],
        };
        let (seeds, finds) = if self.quick { (SEEDS_QUICK, FINDS_QUICK) } else { (SEEDS, FINDS) };
        Ok(MutantSettings {
            base: Wanted { mode: None, workload: None, bugs: Vec::new(), simulator: None, ..wanted },
            bugs,
            mode,
            seeds: self.seeds.seeds(seeds),
            finds_max: self.finds.map_or(finds, usize::from),
            simulators,
            shrink: self.shrink,
            jobs: self.seeds.jobs(),
        })
    }

    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        anyhow::ensure!(
            self.experiment.wanted().workload.is_none(),
            "--workload cannot be chosen here: each bug is hunted under the workload that suits it"
        );
        let console = self.output.console();
        let settings = self.settings()?;
        let baseline = self.read_baseline()?;
        if self.guided {
            let hunts = settings.hunts();
            let simulator = Some(Simulator::EventLoop.name().to_owned());
            let base = Wanted { simulator, ..settings.base };
            return compare(&console, &hunts, &base, &settings.seeds, settings.jobs, self.output.json);
        }
        let stopwatch = Stopwatch::start();
        let wall = || stopwatch.wall();
        let outside = Outside { wall: &wall, processor: &processor_of_thread, should_stop: &|| false };
        let pieces = pieces_of(&settings)?;
        let mut progress = Progress::new(&console, "hunts and shares of the control", pieces as u64);
        let mut tell = |hunt: Option<&HuntResult>| {
            if let Some(result) = hunt {
                progress.aside(|| console.detail(row(result).join("  ")));
            }
            progress.step(|| hunt.map_or("no bug", |result| result.hunt.bug.name()).to_owned());
        };
        let result = mutants(&settings, &outside, &mut tell);
        progress.finish();
        let mutants = result.map_err(|error| CliError::from(error).0)?;
        print_table(&console, &mutants);
        tell_shrinking(&console, &mutants);
        if let Some(path) = &self.report {
            write_file(path, mutants_page(&mutants).as_bytes())?;
        }
        if let Some(path) = &self.save_baseline {
            write_file(path, Baseline::of(&mutants).text().as_bytes())?;
        }
        let worse = baseline.map(|then| then.worse(&Baseline::of(&mutants))).unwrap_or_default();
        tell_worse(&worse);
        if self.output.json {
            console.json(&json_line(&mutants))?;
        }
        Ok(if mutants.good() && worse.is_empty() { Exit::Valid } else { Exit::Invalid })
    }

    fn read_baseline(&self) -> anyhow::Result<Option<Baseline>> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read {shown}; make it with squall mutants --save-baseline {shown}")
        })?;
        Baseline::parse(&text).with_context(|| format!("{shown}")).map(Some)
    }
}

fn tell_worse(worse: &[String]) {
    if worse.is_empty() {
        return;
    }
    complain_error("bugs are found clearly later than the baseline says:");
    for complaint in worse {
        complain(&format!("  {complaint}"));
    }
    complain("  if that is meant to be so, renew the baseline: the same command with --save-baseline FILE");
}

/// What shrinking came to over all hunts.
fn tell_shrinking(console: &Console, mutants: &Mutants) {
    let all: Vec<_> = mutants.bugs.iter().flat_map(|bug| &bug.hunts).filter_map(|hunt| hunt.shrunk).collect();
    if all.is_empty() {
        return;
    }
    let of = |number: fn(&crate::soak::Shrinkage) -> u64| {
        Percentiles::of(&all.iter().map(number).collect::<Vec<_>>())
    };
    let (operations, faults) = (of(|shrunk| shrunk.size.operations), of(|shrunk| shrunk.size.faults));
    let (costs, runs) = (of(|shrunk| shrunk.cpu_us / 1_000), of(|shrunk| shrunk.runs));
    let minimal = all.iter().filter(|shrunk| shrunk.is_minimal).count();
    let holds = all.iter().filter(|shrunk| shrunk.holds_under_turmoil).count();
    console.say(format!(
        "shrunk: operations {} in the median, {} at most; faults {} and {}; {} ms of processor time in the median, {} at \
         most; {} runs in the median; {minimal} of {count} minimal; {holds} of {count} fail under turmoil as they are",
        operations.p50,
        operations.max,
        faults.p50,
        faults.max,
        costs.p50,
        costs.max,
        runs.p50,
        count = all.len()
    ));
}

fn json_line(mutants: &Mutants) -> MutantsLine<'_> {
    let Control { seeds, .. } = mutants.control;
    MutantsLine {
        schema: 1,
        control: ControlLine { verdict: mutants.control.verdict(), seeds },
        bugs: mutants.bugs.iter().map(bug_line).collect(),
    }
}

fn bug_line(bug: &BugResult) -> BugLine<'_> {
    let (seeds, costs) = (bug.seeds_per_find(), bug.cost_per_find_us());
    let find = bug.hunts.iter().find_map(|hunt| hunt.find.as_ref());
    BugLine {
        name: bug.bug.name(),
        found: bug.found(),
        check: find.map(|find| find.check.as_str()),
        seeds_median: seeds.p50,
        seeds_p95: seeds.p95,
        scenario: bug.hunts.iter().find_map(|hunt| hunt.hunt.scenario).map(|scenario| scenario.name),
        cpu_ms_median: costs.p50 / 1_000,
        cpu_ms_p95: costs.p95 / 1_000,
        hunts: bug.hunts.iter().map(hunt_line).collect(),
    }
}

fn hunt_line(result: &HuntResult) -> HuntLine<'_> {
    let (seeds, costs) = (Percentiles::of(&result.gaps), Percentiles::of(&result.costs_us));
    HuntLine {
        mode: result.hunt.mode.name(),
        workload: result.hunt.workload,
        simulator: result.simulator.name(),
        found: result.find.is_some(),
        finds: result.gaps.len(),
        seeds: result.seeds,
        seeds_median: seeds.p50,
        seeds_p95: seeds.p95,
        cpu_ms_median: costs.p50 / 1_000,
        cpu_ms_p95: costs.p95 / 1_000,
        shrunk: result.shrunk.map(|shrunk| ShrunkLine {
            nodes: shrunk.size.nodes,
            clients: shrunk.size.clients,
            operations: shrunk.size.operations,
            faults: shrunk.size.faults,
            runs: shrunk.runs,
            cpu_ms: shrunk.cpu_us / 1_000,
            minimal: shrunk.is_minimal,
            holds_under_turmoil: shrunk.holds_under_turmoil,
        }),
    }
}

const HEADER: [&str; 9] = [
    "bug",
    "mode",
    "found",
    "by",
    "seeds (median, p95)",
    "CPU s (median, p95)",
    "workload",
    "scenario",
    "shrunk to",
];

fn row(result: &HuntResult) -> [String; 9] {
    let hunt = &result.hunt;
    let (seeds, costs) = (Percentiles::of(&result.gaps), Percentiles::of(&result.costs_us));
    let (found, by, after) = match &result.find {
        Some(find) => {
            let surprise = if hunt.expected.contains(&find.check.as_str()) {
                String::new()
            } else {
                format!(" (expected {})", hunt.expected.join(" or "))
            };
            (
                "yes",
                format!("{} {}{surprise}", find.check, find.kind),
                format!("{}, {}", seeds.p50, seeds.p95),
            )
        }
        None => ("NO", "-".into(), format!("none in {}", result.seeds)),
    };
    let seconds = |us: u64| format!("{}.{:02}", us / 1_000_000, us / 10_000 % 100);
    let mode = match result.simulator {
        Simulator::EventLoop => hunt.mode.name().to_owned(),
        Simulator::Turmoil => format!("{} (turmoil)", hunt.mode.name()),
    };
    [
        hunt.bug.name().into(),
        mode,
        found.into(),
        by,
        after,
        format!("{}, {}", seconds(costs.p50), seconds(costs.p95)),
        hunt.workload.into(),
        hunt.scenario.map_or("-", |scenario| scenario.name).into(),
        result.shrunk.map_or_else(String::new, |shrunk| {
            format!("{} operations, {} faults", shrunk.size.operations, shrunk.size.faults)
        }),
    ]
}

fn print_table(console: &Console, mutants: &Mutants) {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(mutants.bugs.iter().flat_map(|bug| bug.hunts.iter().map(row)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        console.say(cells.join("  ").trim_end());
    }
    let control = &mutants.control;
    let verdict = control.verdict();
    let counts = [Verdict::Valid, Verdict::Invalid, Verdict::Unknown, Verdict::Vacuous]
        .map(|verdict| format!("{} {verdict}", control.count(verdict)));
    let text =
        format!("{verdict}: control without bugs, {} seeds each: {}", control.seeds, counts.join(", "));
    console.verdict(verdict, &text);
    for failure in &control.failures {
        complain(&format!("  {failure}"));
    }
    let found = mutants.bugs.iter().filter(|bug| bug.found()).count();
    console.say(format!("{found} of {} bugs found", mutants.bugs.len()));
}
