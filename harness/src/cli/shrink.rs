//! `squall shrink`: the smallest plan that fails in the same way as a stored one.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use squall_checker::Verdict;

use crate::clocks::{Moment, Stopwatch};
use crate::replay::{self, Comparison};
use crate::store::build_id;

use super::console::complain_error;
use super::exit::Exit;
use super::flags::{self, OutputFlags, ResultsFlag, processors};
use super::recording::{Place, Recording, run_recorded, tell};
use super::shrinking::{shrunk_into, tell_shrunk};

/// Find the smallest plan that fails in the same way.
#[derive(Args, Debug)]
pub(crate) struct ShrinkCommand {
    /// A folder of results, or a plan.json
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Make do with what there is after this much time
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = flags::duration)]
    budget: Duration,
    /// Worker threads; the result does not depend on them [default: one per processor]
    #[arg(long, value_name = "N", env = "SQUALL_JOBS", hide_env_values = true, value_parser = flags::jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    results: ResultsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

impl ShrinkCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let stored = replay::read(&self.path)?;
        let (began, stopwatch) = (Moment::now(), Stopwatch::start());
        let (outcome, differs) = run_recorded(&stored.experiment, &stored.plan, false);
        if let Some(differs) = differs {
            complain_error(&differs.to_string());
            return Ok(Exit::NotDeterministic);
        }
        if outcome.verdict != Verdict::Invalid {
            let difference = match replay::compare(stored.record.as_ref(), &outcome, build_id()) {
                Comparison::OtherBuild(text) => Some((text, Exit::OtherBuild)),
                Comparison::NotDeterministic(text) => Some((text, Exit::NotDeterministic)),
                Comparison::NothingStored | Comparison::Same => None,
            };
            if let Some((text, exit)) = difference {
                complain_error(&text);
                return Ok(exit);
            }
            complain_error(&format!(
                "nothing to shrink: the verdict of {} is {}; give a plan that fails",
                self.path.display(),
                outcome.verdict
            ));
            return Ok(Exit::Usage);
        }
        // A plan alone gets results of its own, for the shrunk one to lie in.
        let folder = match &stored.folder {
            Some(folder) => folder.clone(),
            None => {
                let elapsed_ms = stopwatch.wall_ms();
                let recording =
                    Recording { plan: &stored.plan, outcome: &outcome, elapsed_ms, began: &began };
                recording.store(&Place::Runs(&self.results.store()?))?.0
            }
        };
        let jobs = self.jobs.unwrap_or_else(processors);
        let kept = shrunk_into(&console, &stored.plan, &folder, jobs, self.budget)?;
        tell(&console, &stored.plan, &outcome, Some(&folder.display().to_string()), kept.as_ref());
        if let Some(kept) = &kept {
            tell_shrunk(&console, kept);
            if self.output.json {
                console.json(&kept.record.run)?;
            }
        }
        Ok(Exit::Invalid)
    }
}
