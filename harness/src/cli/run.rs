//! `squall run`: one run, stored whatever comes of it.

use std::path::Path;

use clap::Args;
use squall_checker::Verdict;

use crate::replay;
use crate::soak::{ClusterPlan, Experiment, PlanText, Wanted};

use super::console::complain_error;
use super::exit::Exit;
use super::flags::{ExperimentFlags, OutputFlags, ResultsFlag, SeedFlag, processors};
use super::recording::{Place, Recording, run_recorded, tell};
use super::shrinking::{ShrinkFlags, shrunk_besides, tell_shrunk};
use crate::clocks::{Moment, Stopwatch};

/// One run.
#[derive(Args, Debug)]
pub(crate) struct RunCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    #[command(flatten)]
    seed: SeedFlag,
    /// Run twice and compare the digests
    #[arg(long)]
    check_determinism: bool,
    #[command(flatten)]
    shrink: ShrinkFlags,
    #[command(flatten)]
    results: ResultsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

impl RunCommand {
    fn what(&self) -> anyhow::Result<(Experiment, ClusterPlan)> {
        let wanted = self.experiment.wanted();
        if let Some(plan) = wanted.plan.clone().filter(PlanText::is_whole) {
            let manner = Wanted {
                simulator: wanted.simulator.clone(),
                until_breach: wanted.until_breach,
                ..Wanted::default()
            };
            if wanted != (Wanted { plan: wanted.plan.clone(), ..manner }) {
                let PlanText { path, .. } = plan;
                anyhow::bail!(
                    "{path} is the plan of a whole run and says everything about it: leave the other flags away"
                );
            }
            let stored = replay::read(Path::new(&plan.path))?;
            let experiment = stored.experiment.in_manner(self.experiment.manner().manner()?);
            return Ok((experiment, stored.plan));
        }
        let experiment = wanted.experiment()?;
        let plan = experiment.plan(self.seed.seed);
        Ok((experiment, plan))
    }

    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let (experiment, plan) = self.what()?;
        let store = self.results.store()?;
        let (began, stopwatch) = (Moment::now(), Stopwatch::start());
        let (outcome, differs) = run_recorded(&experiment, &plan, self.check_determinism);
        let recording =
            Recording { plan: &plan, outcome: &outcome, elapsed_ms: stopwatch.wall_ms(), began: &began };
        let stored = recording.store(&Place::Runs(&store));
        let results = stored.as_ref().ok().and_then(|(_, record)| record.run.results.as_deref());
        let folder = results.filter(|_| outcome.verdict == Verdict::Invalid && differs.is_none());
        let kept = folder.and_then(|folder| {
            shrunk_besides(&console, &plan, Path::new(folder), processors(), self.shrink.shrink)
        });
        tell(&console, &plan, &outcome, results, kept.as_ref());
        if let Some(kept) = &kept {
            tell_shrunk(&console, kept);
        }
        let exit = match stored {
            Ok((_, record)) => {
                if self.output.json {
                    console.json(&record.run)?;
                }
                Exit::from(outcome.verdict)
            }
            // The verdict survives to the exit code, even where nothing else does.
            Err(error) if outcome.verdict == Verdict::Invalid => {
                complain_error(&error.to_string());
                Exit::Invalid
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(differs) = differs {
            complain_error(&differs.to_string());
            return Ok(Exit::NotDeterministic);
        }
        Ok(exit)
    }
}
