//! `squall list`: everything that can be named on the command line, with a line about each.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use squall_checker::format::Format;
use squall_checker::judge::Model;
use squall_cluster::bugs::Bug;

use crate::nemesis;
use crate::soak::{MODES, SCENARIOS, WORKLOADS, table};

use super::console::Console;
use super::exit::Exit;

/// What there is to choose from.
#[derive(Args, Debug)]
pub(crate) struct ListCommand {
    /// Only these
    #[arg(value_enum)]
    what: Option<Kind>,
    /// Write JSON to stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Modes,
    Workloads,
    Nemeses,
    Bugs,
    Models,
    Formats,
    Scenarios,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Modes,
        Self::Workloads,
        Self::Nemeses,
        Self::Bugs,
        Self::Models,
        Self::Formats,
        Self::Scenarios,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Modes => "modes",
            Self::Workloads => "workloads",
            Self::Nemeses => "nemeses",
            Self::Bugs => "bugs",
            Self::Models => "models",
            Self::Formats => "formats",
            Self::Scenarios => "scenarios",
        }
    }

    /// Names, and a line about each.
    fn rows(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Modes => MODES.iter().map(|(_, name, about)| (*name, *about)).collect(),
            Self::Workloads => WORKLOADS.iter().map(|(_, name, about)| (*name, *about)).collect(),
            Self::Nemeses => nemesis::list(),
            Self::Bugs => Bug::ALL.iter().map(|bug| (bug.name(), bug.summary())).collect(),
            Self::Models => Model::ALL.iter().map(|model| (model.name(), model.description())).collect(),
            Self::Formats => Format::ALL.iter().map(|format| (format.name(), format.description())).collect(),
            Self::Scenarios => SCENARIOS.iter().map(|scenario| (scenario.name, scenario.about)).collect(),
        }
    }

    fn text(self) -> String {
        if self == Self::Bugs { bugs_text() } else { table(&self.rows()) }
    }

    fn json(self) -> Value {
        if self == Self::Bugs {
            return bugs_json();
        }
        self.rows().iter().map(|(name, about)| json!({ "name": name, "summary": about })).collect()
    }
}

fn modes(bug: Bug) -> Vec<&'static str> {
    bug.modes().iter().map(|mode| mode.name()).collect()
}

fn layer(bug: Bug) -> String {
    format!("{:?}", bug.layer()).to_lowercase()
}

/// Name, modes, layer and summary.
fn bugs_text() -> String {
    let row = |bug: &Bug| (bug.name(), modes(*bug).join(","), layer(*bug), bug.summary());
    let rows: Vec<_> = Bug::ALL.iter().map(row).collect();
    let name_width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let modes_width = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let layer_width = rows.iter().map(|row| row.2.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, modes, layer, summary)| {
            format!("{name:<name_width$}  {modes:<modes_width$}  {layer:<layer_width$}  {summary}\n")
        })
        .collect()
}

/// An entry of `list bugs --json`; the order of its fields is that of the keys.
#[derive(serde::Serialize)]
struct BugLine {
    name: &'static str,
    id: &'static str,
    modes: Vec<&'static str>,
    layer: String,
    summary: &'static str,
}

fn bug_lines() -> Vec<BugLine> {
    let line = |bug: &Bug| BugLine {
        name: bug.name(),
        id: bug.id(),
        modes: modes(*bug),
        layer: layer(*bug),
        summary: bug.summary(),
    };
    Bug::ALL.iter().map(line).collect()
}

fn bugs_json() -> Value {
    serde_json::to_value(bug_lines()).expect("plain data")
}

/// `{"schema":1,"bugs":[…]}`.
#[derive(serde::Serialize)]
struct BugList {
    schema: u32,
    bugs: Vec<BugLine>,
}

impl ListCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = Console::new(false, false);
        match (self.what, self.json) {
            (Some(Kind::Bugs), true) => console.json(&BugList { schema: 1, bugs: bug_lines() })?,
            (what, true) => {
                let kinds = what.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
                let mut all = serde_json::Map::from_iter([("schema".to_owned(), json!(1))]);
                all.extend(kinds.into_iter().map(|kind| (kind.name().to_owned(), kind.json())));
                console.json(&all)?;
            }
            (Some(kind), false) => console.data(&kind.text())?,
            (None, false) => {
                let section = |kind: Kind| {
                    let indented: String = kind.text().lines().map(|line| format!("  {line}\n")).collect();
                    format!("{}\n{indented}", kind.name())
                };
                console.data(&Kind::ALL.map(section).join("\n"))?;
            }
        }
        Ok(Exit::Valid)
    }
}
