//! `squall merge`: the results of several soaks, or of the shares of one, united in one folder.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::clocks::Moment;
use crate::soak::{Frame, merge, united_charter};
use crate::store::{Fetched, MergedSoak, SoakSource};

use super::exit::Exit;
use super::flags::{OutputFlags, ResultsFlag};
use super::soak::{exit_of, nemesis_text};
use super::soak_tell::{pages, publish, tell_summary};

/// Unite the results of soaks: every seed once, whoever ran it.
#[derive(Args, Debug)]
pub(crate) struct MergeCommand {
    /// Folders that squall soak or squall merge wrote, or places that squall soak --upload wrote to
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Where to; one that squall merge wrote is replaced [default: a new folder below --results]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    results: ResultsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

impl MergeCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        // What is brought here goes when all is united.
        let mut brought = Vec::new();
        let mut sources = Vec::new();
        for (number, path) in self.folders.iter().enumerate() {
            match path.to_str().filter(|text| text.contains("://")) {
                None => sources.push(SoakSource::open(path)?),
                Some(address) => {
                    let (fetched, folders) = Fetched::bring(&self.results.store()?, address, number)?;
                    brought.push(fetched);
                    for folder in folders {
                        sources.push(SoakSource::open(&folder)?);
                    }
                }
            }
        }
        let charter = united_charter(&sources)?;
        let into = match self.into {
            Some(path) => path,
            None => self.results.store()?.merged_folder(&Moment::now().stamp)?,
        };
        let mut folder = MergedSoak::begin(&into, &charter.text())?;
        let merged = merge(&sources, charter, &mut folder)?;
        for path in &merged.torn {
            console.say(format!("{}: the last line is torn and left out", path.display()));
        }
        let charter = &merged.charter;
        let summary = merged.tally.summary(&Frame {
            nemesis: nemesis_text(&charter.wanted),
            bugs: charter.wanted.bugs.clone(),
            build: &charter.build,
            vacuous_percent_max: charter.vacuous_percent_max,
            elapsed: merged.tally.elapsed(),
            stored: &merged.stored,
            results: Some(shown(folder.path())),
        });
        folder.finish(&pages(&summary)?)?;
        tell_summary(&console, &summary);
        if merged.repeated > 0 {
            console.say(format!("  {} lines told of seeds that others told too", merged.repeated));
        }
        let missing = charter.seeds.count().saturating_sub(summary.seeds);
        if missing > 0 && !charter.seeds.is_endless() {
            console.say(format!("  {missing} seeds of the range are in none of these folders"));
        }
        publish(&summary)?;
        if self.output.json {
            console.json(&summary)?;
        }
        Ok(exit_of(&merged.tally, charter.vacuous_percent_max))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
