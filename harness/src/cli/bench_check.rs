//! `squall bench-check`: how long and in how much memory histories are judged, as a table.
//!
//! Every figure is that of a process of its own, from its start until everything is freed: processor time with the
//! system's share, peak memory as the system counts it. Of several rounds the best counts: whatever else runs here
//! only ever adds. Histories are simulated; recorded ones are added where there are some.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use anyhow::Context;
use clap::{Args, ValueEnum};
use squall_checker::format::{Limits, read, write_tsv};
use squall_checker::judge::{Options, judge};
use squall_checker::{Bounds, Verdict};

use super::bench_rows::{BenchRow, Figures, LOGS, SORTED, rows};
use super::bench_table::{Measured, MeasuredRow, table};
use super::console::Console;
use super::exit::Exit;
use crate::clocks::{Stopwatch, processor_total};
use crate::store::write_file;

/// Measure how fast histories are judged.
#[derive(Args, Debug)]
pub(crate) struct BenchCheckCommand {
    /// Only rows whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Rounds; the best of each figure counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A folder with recorded histories; its porcupine/jepsen makes one more row
    #[arg(long, value_name = "DIR", env = "SQUALL_HISTORIES", hide_env_values = true)]
    histories: Option<PathBuf>,
    /// What a process does that this one starts to measure it
    #[arg(long, hide = true, requires = "files")]
    stage: Option<Stage>,
    /// Its threads
    #[arg(long, hide = true, default_value_t = 1)]
    threads: usize,
    /// Its histories
    #[arg(hide = true)]
    files: Vec<PathBuf>,
}

/// How far a process goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// It reads all operations.
    Read,
    /// It also sorts the stamps of all events.
    Sort,
    /// It reads and judges.
    Judge,
}

impl BenchCheckCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = Console::new(false, false);
        if let Some(stage) = self.stage {
            console.json(&measured(stage, self.threads, &self.files)?)?;
            return Ok(Exit::Valid);
        }
        let mut measured = Vec::new();
        // The row that says how fast this machine sorts is always measured.
        for row in rows().iter().filter(|row| row.name.contains(&self.only) || row.name == SORTED) {
            console.say(format!("measuring {}", row.name));
            measured.push(self.simulated(row)?);
        }
        let logs = self.histories.as_ref().map(|folder| folder.join("porcupine/jepsen"));
        if let Some(folder) = logs.filter(|folder| folder.is_dir()) {
            measured.push(self.recorded(&folder)?);
        }
        console.data(&table(&measured))?;
        Ok(Exit::Valid)
    }

    fn simulated(&self, row: &BenchRow) -> anyhow::Result<MeasuredRow> {
        let text = write_tsv(&row.shape.history()).context("rows hold all that is simulated")?;
        let file = env::temp_dir().join(format!("squall-bench-{}.tsv", std::process::id()));
        write_file(&file, text.as_bytes())?;
        drop(text);
        let measured = self.row(row.name.clone(), row.figures, std::slice::from_ref(&file));
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        let measured = measured?;
        for judged in [measured.one, measured.two] {
            anyhow::ensure!(
                judged.verdict == Some(row.verdict()),
                "{} is judged {:?}, not {}: the checker is wrong",
                row.name,
                judged.verdict,
                row.verdict()
            );
        }
        Ok(measured)
    }

    /// All logs in a folder, judged by one process.
    fn recorded(&self, folder: &Path) -> anyhow::Result<MeasuredRow> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.with_context(|| format!("cannot list {}", folder.display()))?;
        let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        self.row(format!("{} logs of etcd", files.len()), Some(LOGS), &files)
    }

    fn row(&self, name: String, figures: Option<Figures>, files: &[PathBuf]) -> anyhow::Result<MeasuredRow> {
        let round = || -> anyhow::Result<[Measured; 4]> {
            Ok([
                process(Stage::Read, 1, files)?,
                process(Stage::Sort, 1, files)?,
                process(Stage::Judge, 1, files)?,
                process(Stage::Judge, 2, files)?,
            ])
        };
        let mut best = round()?;
        for _ in 1..self.rounds {
            for (best, next) in best.iter_mut().zip(round()?) {
                *best = best.best(next);
            }
        }
        let [read, sort, one, two] = best;
        Ok(MeasuredRow { name, figures, read, sort, one, two })
    }
}

/// Starts a process of this program and hears what it says of itself.
fn process(stage: Stage, threads: usize, files: &[PathBuf]) -> anyhow::Result<Measured> {
    let program = env::current_exe().context("cannot tell where this program is")?;
    let stage = stage.to_possible_value().expect("no stage is hidden");
    let output = Command::new(program)
        .args(["bench-check", "--stage", stage.get_name(), "--threads", &threads.to_string()])
        .args(files)
        .output()
        .context("cannot start this program again")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("the process measured said something else")
}

/// Does what a stage asks for, frees everything, and says what it took.
fn measured(stage: Stage, threads: usize, files: &[PathBuf]) -> anyhow::Result<Measured> {
    let stopwatch = Stopwatch::start();
    let (mut operations, mut verdict) = (0, None);
    for file in files {
        let judged = pass(stage, threads, file)?;
        operations += judged.0 as u64;
        verdict = verdict.max(judged.1);
    }
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let (cpu_us, wall_us) = (micros(processor_total()), micros(stopwatch.wall()));
    Ok(Measured { cpu_us, wall_us, peak_kb: peak_kb(), operations, verdict })
}

/// How many operations a file has, and their verdict if that is asked for.
fn pass(stage: Stage, threads: usize, file: &Path) -> anyhow::Result<(usize, Option<Verdict>)> {
    let name = file.display().to_string();
    let bytes = fs::read(file).with_context(|| format!("cannot read {name}"))?;
    if stage == Stage::Judge {
        let bounds = Bounds { threads, ..Bounds::default() };
        let (recorded, judged) = judge(&name, &bytes, &Options::default(), &bounds)?;
        return Ok((recorded.len(), Some(judged.outcome.verdict)));
    }
    let recorded = read(&name, &bytes, None, Limits { threads, ..Limits::default() })?;
    if stage == Stage::Sort {
        let mut events: Vec<(u64, u32)> = Vec::with_capacity(recorded.len() * 2);
        for ((invoked, returned), number) in recorded.stamps().zip(0..) {
            events.extend([(invoked, number), (returned.unwrap_or(u64::MAX), number)]);
        }
        events.sort_unstable();
        std::hint::black_box(&events);
    }
    Ok((recorded.len(), None))
}

/// The most memory that this process ever had, where the system tells.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
