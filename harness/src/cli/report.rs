//! `squall report`: the report of a stored run, written again by running its plan.

use std::path::PathBuf;

use clap::Args;

use crate::replay::{self, Comparison};
use crate::store::{build_id, report_page, write_file};
use crate::trial::failure::replay_command;

use super::console::complain_error;
use super::exit::Exit;
use super::flags::OutputFlags;

/// Write the report of a stored run again.
#[derive(Args, Debug)]
pub(crate) struct ReportCommand {
    /// A folder of results, or a plan.json
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Where to; report.html beside the plan if not given
    #[arg(long, short, value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputFlags,
}

impl ReportCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let stored = replay::read(&self.path)?;
        let outcome = stored.experiment.run_traced(&stored.plan);
        let comparison = replay::compare(stored.record.as_ref(), &outcome, build_id());
        let (exit, text) = match comparison {
            Comparison::NothingStored | Comparison::Same => (Exit::Valid, None),
            Comparison::NotDeterministic(text) => (Exit::NotDeterministic, Some(text)),
            Comparison::OtherBuild(text) => (Exit::OtherBuild, Some(text)),
        };
        if let Some(text) = text {
            complain_error(&format!("{text}; the report that is there stays, since this run is another one"));
            return Ok(exit);
        }
        let beside = if self.path.is_dir() {
            self.path.join("report.html")
        } else {
            self.path.with_file_name("report.html")
        };
        let path = self.output_file.unwrap_or(beside);
        let replay = replay_command(&self.path.display().to_string());
        write_file(&path, report_page(&stored.plan, &outcome, &replay).as_bytes())?;
        console.say(format!("report: {}", path.display()));
        if self.output.json {
            console.json(&serde_json::json!({ "schema": 1, "report": path.display().to_string() }))?;
        }
        Ok(exit)
    }
}
