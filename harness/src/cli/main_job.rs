//! `squall` alone: what it is for, shown in under a minute.
//!
//! First the cluster as it should be, soaked under all faults; then with one planted bug, which is found, explained in
//! words and reported.

use std::path::Path;

use crate::soak::{Seeds, Tally, Wanted};
use crate::store::Store;

use super::console::{Console, complain_error};
use super::exit::Exit;
use super::flags::processors;
use super::recording::{Place, Recording, explain, run_recorded, tell};
use super::shrinking::{self, shrunk_besides, tell_shrunk};
use super::soak::{Soaking, exit_of};
use super::soak_tell::tell_summary;
use crate::clocks::{Moment, Stopwatch};

/// Seeds of the clean soak.
const SEEDS: u64 = 40;
/// Seeds in which the bug must be found.
const BUG_SEEDS: u64 = 200;
/// The bug: a mistake that many systems have shipped, and one that only what clients see gives away.
const BUG: &str = "local-reads";

fn results() -> std::path::PathBuf {
    std::env::var_os("SQUALL_RESULTS").map_or_else(|| "results".into(), Into::into)
}

pub(crate) fn main_job() -> anyhow::Result<Exit> {
    let console = Console::new(false, false);
    let store = Store::open(&results())?;
    let tally = clean_soak(&console, &store)?;
    let found = planted_bug(&console, &store)?;
    console.say("");
    console.heading("next");
    console.say("  squall run --nemesis partition -v    one run, with its faults");
    console.say("  squall soak --seeds 0..1000          many");
    console.say("  squall mutants --quick               what this harness finds, and how soon");
    console.say("  squall check HISTORY                 judge a history of your own, or of Jepsen");
    console.say("  squall list                          everything there is to choose from");
    Ok(match exit_of(&tally, 5.0) {
        Exit::Valid if found => Exit::Valid,
        _ => Exit::Invalid,
    })
}

fn clean_soak(console: &Console, store: &Store) -> anyhow::Result<Tally> {
    let wanted = Wanted::default();
    let experiment = wanted.experiment()?;
    let config = experiment.config();
    console.heading(&format!(
        "1. {} seeds of {} with {} replicas, {} clients, workload {}, under all faults",
        SEEDS, config.mode, config.nodes, config.clients, config.workload
    ));
    let soaking = Soaking {
        console,
        wanted: &wanted,
        seeds: Seeds::all(0..SEEDS),
        upload: None,
        anew: true,
        jobs: processors(),
        budget: None,
        check_determinism: false,
        vacuous_max: 5.0,
        json: false,
        shrink: std::time::Duration::ZERO,
    };
    let (summary, tally) = soaking.go(store)?;
    tell_summary(console, &summary);
    Ok(tally)
}

/// Hunts the bug and reports it; whether it was found.
fn planted_bug(console: &Console, store: &Store) -> anyhow::Result<bool> {
    let wanted = Wanted { workload: Some("register".into()), bugs: vec![BUG.into()], ..Wanted::default() };
    let experiment = wanted.experiment()?;
    let bug = crate::soak::bug_of(BUG)?;
    console.say("");
    console.heading(&format!("2. the same cluster with one planted bug, {BUG}: {}", bug.summary()));
    for seed in 0..BUG_SEEDS {
        let (began, stopwatch) = (Moment::now(), Stopwatch::start());
        let plan = experiment.plan(seed);
        // What monitors inside the cluster see would give it away; here clients alone must notice.
        let (outcome, differs) = run_recorded(&experiment, &plan, false);
        if outcome.violations.first().is_none_or(|violation| violation.operations.is_empty()) {
            continue;
        }
        let elapsed_ms = stopwatch.wall_ms();
        let recording = Recording { plan: &plan, outcome: &outcome, elapsed_ms, began: &began };
        let (_, record) = recording.store(&Place::Runs(store))?;
        console.say(format!("found by its {} seed:", ordinal(seed + 1)));
        let folder = record.run.results.as_deref();
        let kept = folder.and_then(|folder| {
            shrunk_besides(console, &plan, Path::new(folder), processors(), shrinking::BUDGET)
        });
        tell(console, &plan, &outcome, folder, kept.as_ref());
        if let Some(kept) = &kept {
            tell_shrunk(console, kept);
        }
        if let Some(violation) = outcome.violations.first() {
            console.say("why:");
            explain(console, violation);
        }
        if let Some(differs) = differs {
            complain_error(&differs.to_string());
            return Ok(false);
        }
        return Ok(true);
    }
    complain_error(&format!("the bug was not found in {BUG_SEEDS} seeds; it should have been"));
    Ok(false)
}

/// `1st`, `2nd`, `3rd`, `4th`, …
fn ordinal(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
