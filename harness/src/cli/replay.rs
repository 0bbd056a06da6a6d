//! `squall replay`: run what is stored again, and say whether the same came of it.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::replay::{self, Comparison, Stored};
use crate::soak::simulator_of;
use crate::store::{RunLine, Store, build_id, plan_text};
use crate::trial::failure::replay_command;
use crate::trial::{Manner, Outcome};

use super::console::{Console, complain_error};
use super::exit::Exit;
use super::flags::{OutputFlags, ResultsFlag};
use super::recording::{Place, Recording, run_recorded, tell};
use crate::clocks::{Moment, Stopwatch};

/// Run a stored plan again.
#[derive(Args, Debug)]
pub(crate) struct ReplayCommand {
    /// A folder of results, or a plan.json
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Keep the plan as a regression in this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// What turns the simulated world: turmoil or event-loop; both give the same run [default: turmoil]
    #[arg(long, value_name = "NAME")]
    simulator: Option<String>,
    #[command(flatten)]
    results: ResultsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

impl ReplayCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let simulator = self.simulator.as_deref().map(simulator_of).transpose()?.unwrap_or_default();
        let stored = replay::read(&self.path)?.in_manner(Manner { simulator, ..Manner::default() });
        let (began, stopwatch) = (Moment::now(), Stopwatch::start());
        let (outcome, differs) = run_recorded(&stored.experiment, &stored.plan, false);
        let elapsed_ms = stopwatch.wall_ms();
        let line = self.line(&stored, &outcome, elapsed_ms, &began)?;
        tell(&console, &stored.plan, &outcome, line.results.as_deref(), None);
        if self.output.json {
            console.json(&line)?;
        }
        if let Some(folder) = &self.save {
            save(&console, folder, &stored, &outcome)?;
        }
        if let Some(differs) = differs {
            complain_error(&differs.to_string());
            return Ok(Exit::NotDeterministic);
        }
        Ok(match replay::compare(stored.record.as_ref(), &outcome, build_id()) {
            Comparison::NothingStored => outcome.verdict.into(),
            Comparison::Same => {
                console.say(format!("  the same as stored: digest {}", outcome.digest));
                outcome.verdict.into()
            }
            Comparison::NotDeterministic(text) => {
                complain_error(&text);
                Exit::NotDeterministic
            }
            Comparison::OtherBuild(text) => {
                complain_error(&text);
                Exit::OtherBuild
            }
        })
    }

    /// The run on one line. What was stored stays where it is; a plan alone gets results of its own.
    fn line(
        &self,
        stored: &Stored,
        outcome: &Outcome,
        elapsed_ms: u64,
        began: &Moment,
    ) -> anyhow::Result<RunLine> {
        let plan = &stored.plan;
        if let Some(folder) = &stored.folder {
            let shown = folder.display().to_string();
            let mut line = RunLine::new(&plan.config, plan.seed, outcome, elapsed_ms, replay_command(&shown));
            line.results = Some(shown);
            return Ok(line);
        }
        let recording = Recording { plan, outcome, elapsed_ms, began };
        let (_, record) = recording.store(&Place::Runs(&self.results.store()?))?;
        Ok(record.run)
    }
}

/// Keeps the plan: what it demands of the run is dropped, since what counts from now on is the plan itself.
fn save(
    console: &Console,
    folder: &std::path::Path,
    stored: &Stored,
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let mut plan = stored.plan.clone();
    plan.minima = None;
    let check = outcome.violations.first().map_or(String::new(), |first| format!("-{}", first.check));
    let name = format!("{}{check}-{}-{:#x}", plan.config.workload, plan.config.mode, plan.seed);
    let path = Store::save_plan(folder, &name, &plan_text(&plan)).context("the plan was not kept")?;
    console.say(format!("  kept as {}", path.display()));
    Ok(())
}
