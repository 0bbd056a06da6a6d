//! `squall mutants`: the harness measuring itself, as a table or JSON.

use std::ops::Range;

use clap::Args;
use squall_checker::Verdict;
use squall_cluster::bugs::Bug;

use crate::soak::{
    BugResult, Control, HuntResult, MutantSettings, Mutants, Outside, QUICK, Wanted, bug_of, hunts_of,
    mode_of, mutants,
};

use super::CliError;
use super::console::{Console, complain};
use super::exit::Exit;
use super::flags::{ExperimentFlags, OutputFlags, SeedsFlags};
use super::progress::Progress;
use crate::clocks::{Stopwatch, processor_of_thread};

/// Seeds until a bug counts as not found.
const SEEDS: Range<u64> = 0..300;
/// The same for a quick look.
const SEEDS_QUICK: Range<u64> = 0..40;
/// Finds from which median and percentile are taken.
const FINDS: usize = 5;

/// Every planted bug: found or not.
#[derive(Args, Debug)]
pub(crate) struct MutantsCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    #[command(flatten)]
    seeds: SeedsFlags,
    /// Only bugs that are found soon, and fewer seeds: for every change
    #[arg(long)]
    quick: bool,
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
        let default = if self.quick { SEEDS_QUICK } else { SEEDS };
        Ok(MutantSettings {
            base: Wanted { mode: None, workload: None, bugs: Vec::new(), ..wanted },
            bugs,
            mode,
            seeds: self.seeds.seeds(default),
            finds_max: if self.quick { 1 } else { FINDS },
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
        let hunts: usize = settings.bugs.iter().map(|bug| hunts_of(*bug).len()).sum();
        let stopwatch = Stopwatch::start();
        let outside =
            Outside { wall: &|| stopwatch.wall(), processor: &processor_of_thread, should_stop: &|| false };
        let mut progress = Progress::new(&console, "hunts", hunts as u64);
        let mut tell = |result: &HuntResult| {
            progress.aside(|| console.detail(row(result).join("  ")));
            progress.step(|| result.hunt.bug.name().to_owned());
        };
        let result = mutants(&settings, &outside, &mut tell);
        progress.finish();
        let mutants = result.map_err(|error| CliError::from(error).0)?;
        print_table(&console, &mutants);
        if self.output.json {
            console.json(&json_line(&mutants))?;
        }
        Ok(if mutants.good() { Exit::Valid } else { Exit::Invalid })
    }
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
    let seeds = bug.seeds_per_find();
    let find = bug.hunts.iter().find_map(|hunt| hunt.find.as_ref());
    BugLine {
        name: bug.bug.name(),
        found: bug.found(),
        check: find.map(|find| find.check.as_str()),
        seeds_median: seeds.p50,
        seeds_p95: seeds.p95,
        scenario: bug.hunts.iter().find_map(|hunt| hunt.hunt.scenario).map(|scenario| scenario.name),
    }
}

const HEADER: [&str; 7] = ["bug", "mode", "found", "by", "seeds (median, p95)", "workload", "scenario"];

fn row(result: &HuntResult) -> [String; 7] {
    let hunt = &result.hunt;
    let seeds = crate::soak::Percentiles::of(&result.gaps);
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
    [
        hunt.bug.name().into(),
        hunt.mode.name().into(),
        found.into(),
        by,
        after,
        hunt.workload.into(),
        hunt.scenario.map_or("-", |scenario| scenario.name).into(),
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
