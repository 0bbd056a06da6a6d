//! `squall check`: judges recorded histories, of this program or of others; no simulation.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use squall_checker::format::{Format, Recorded};
use squall_checker::judge::{Judged, Model, Options, judge};
use squall_checker::{Bounds, Certificate, Verdict};

use crate::store::{ViolationLine, history_page, write_file};
use crate::trial::failure::counted;

use super::console::{Console, complain_error, told};
use super::exit::Exit;
use super::flags::{self, JobsFlag, OutputFlags};
use crate::clocks::Stopwatch;

/// Violations of one history that are told, at most.
const VIOLATIONS_MAX: usize = 5;

/// Judge recorded histories.
#[derive(Args, Debug)]
pub(crate) struct CheckCommand {
    /// The histories; - is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How they were recorded: auto, or one of squall list formats
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = format)]
    format: OrAuto<Format>,
    /// What they hold: auto, or one of squall list models
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = model)]
    model: OrAuto<Model>,
    /// Give up on a history after this long, as unknown
    #[arg(long, value_name = "TIME", value_parser = flags::duration)]
    timeout: Option<Duration>,
    /// Give up on a history beyond this much memory for the search, as unknown
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = bytes)]
    memory: usize,
    /// Draw why a history is wrong and say it step by step
    #[arg(long)]
    explain: bool,
    /// Check the proof of every verdict with a verifier of its own
    #[arg(long)]
    verify: bool,
    /// Write the proofs of the verdicts as JSON (of one file only)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Write a report of the history (of one file only)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    jobs: JobsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

/// What was named, or what is to be found out.
#[derive(Clone, Copy, Debug)]
struct OrAuto<T>(Option<T>);

fn format(text: &str) -> Result<OrAuto<Format>, String> {
    named("format", text, &Format::ALL.map(Format::name))
}

fn model(text: &str) -> Result<OrAuto<Model>, String> {
    named("model", text, &Model::ALL.iter().map(|model| model.name()).collect::<Vec<_>>())
}

fn named<T: std::str::FromStr>(what: &'static str, text: &str, known: &[&str]) -> Result<OrAuto<T>, String> {
    if text == "auto" {
        return Ok(OrAuto(None));
    }
    let unknown = |_| crate::soak::UnknownName::new(what, text, known).to_string();
    text.parse().map(|value| OrAuto(Some(value))).map_err(unknown)
}

/// A size such as `512M`.
fn bytes(text: &str) -> Result<usize, String> {
    let expected = || "expected a size such as 512M or 2G".to_owned();
    let text = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, shift) = match text.char_indices().last() {
        Some((end, 'K' | 'k')) => (&text[..end], 10),
        Some((end, 'M' | 'm')) => (&text[..end], 20),
        Some((end, 'G' | 'g')) => (&text[..end], 30),
        _ => (text, 0),
    };
    let number: usize = digits.trim().parse().map_err(|_| expected())?;
    number.checked_mul(1 << shift).ok_or_else(expected)
}

/// What `--json` prints for each file; the order of its fields is that of the keys.
#[derive(serde::Serialize)]
struct CheckLine<'a> {
    schema: u32,
    verdict: Verdict,
    model: &'a str,
    format: &'a str,
    operations: usize,
    partitions: Vec<PartitionLine<'a>>,
    violations: Vec<ViolationLine>,
    elapsed_us: u64,
}

#[derive(serde::Serialize)]
struct PartitionLine<'a> {
    key: &'a str,
    operations: usize,
    verdict: Verdict,
}

impl CheckCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        anyhow::ensure!(
            self.report.is_none() || self.files.len() == 1,
            "--report takes one history, not {}: check them one by one",
            self.files.len()
        );
        anyhow::ensure!(
            self.certificate.is_none() || self.files.len() == 1,
            "--certificate takes one history, not {}: check them one by one",
            self.files.len()
        );
        let console = self.output.console();
        let mut worst = Exit::Valid;
        for file in &self.files {
            let exit = self.check(&console, file).unwrap_or_else(|error| {
                complain_error(&told(&error));
                Exit::Usage
            });
            // The numbers of the codes are their order of severity, but for 0.
            worst = if worst == Exit::Valid || (exit != Exit::Valid && exit < worst) { exit } else { worst };
        }
        Ok(worst)
    }

    fn check(&self, console: &Console, file: &Path) -> anyhow::Result<Exit> {
        let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
        let bytes = read(file, &name)?;
        let stopwatch = Stopwatch::start();
        let over = || self.timeout.is_some_and(|timeout| stopwatch.wall() >= timeout);
        let bounds = Bounds {
            memory_bytes_max: self.memory,
            threads: self.jobs.jobs(),
            should_stop: &over,
            certificates: self.verify || self.certificate.is_some(),
            ..Bounds::default()
        };
        let options = Options { format: self.format.0, model: self.model.0, ..Options::default() };
        let (recorded, judged) = judge(&name, &bytes, &options, &bounds)?;
        let elapsed = stopwatch.wall();
        self.tell(console, &recorded, &judged);
        if self.output.json {
            let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            console.json(&line(&recorded, &judged, elapsed_us))?;
        }
        if let Some(path) = &self.report {
            write_report(console, path, &recorded, &judged)?;
        }
        if let Some(path) = &self.certificate {
            write_certificates(console, path, &recorded, &judged)?;
        }
        if self.verify {
            verify(console, &name, &judged)?;
        }
        Ok(judged.outcome.verdict.into())
    }

    fn tell(&self, console: &Console, recorded: &Recorded<'_>, judged: &Judged<'_>) {
        let outcome = &judged.outcome;
        let mut sizes = vec![
            counted(judged.operations.total() as u64, "operation"),
            counted(outcome.partitions.len() as u64, "key"),
            format!("format {}", recorded.format()),
            format!("model {}{}", judged.model, if judged.model_guessed { ", guessed" } else { "" }),
        ];
        if recorded.fault_events() > 0 {
            sizes.push(format!("{} of faults left out", counted(recorded.fault_events() as u64, "event")));
        }
        if recorded.log_messages() > 0 {
            sizes.push(format!("{} left out", counted(recorded.log_messages() as u64, "log message")));
        }
        let check = outcome.violations.first().map_or(String::new(), |first| format!(" {}", first.check));
        let name = recorded.name();
        let mut text = format!("{}: {}{check}, {name} ({})", outcome.verdict, judged.model, sizes.join(", "));
        if let Some(reason) = &outcome.reason {
            text += &format!("\n  {reason}");
        }
        for violation in outcome.violations.iter().take(VIOLATIONS_MAX) {
            let lines: Vec<String> =
                violation.operations.iter().take(12).map(|id| recorded.line(*id).to_string()).collect();
            let place =
                if lines.is_empty() { String::new() } else { format!(" (lines {})", lines.join(", ")) };
            text += &format!("\n  {}{place}", violation.message);
            if self.explain {
                let drawn = judged.history.render(violation);
                drawn
                    .lines()
                    .for_each(|line| text += &format!("\n{}{line}", if line.is_empty() { "" } else { "  " }));
            }
        }
        if outcome.violations.len() > VIOLATIONS_MAX {
            text += &format!("\n  and {} more", outcome.violations.len() - VIOLATIONS_MAX);
        }
        console.verdict(outcome.verdict, &text);
    }
}

fn read(file: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    if name == "stdin" && file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read stdin")?;
        return Ok(bytes);
    }
    fs::read(file).with_context(|| format!("cannot read {name}; give the file of a recorded history"))
}

fn line<'a>(recorded: &Recorded<'_>, judged: &'a Judged<'_>, elapsed_us: u64) -> CheckLine<'a> {
    let outcome = &judged.outcome;
    let partition = |part: &'_ squall_checker::verdict::Partition| (part.operations, part.verdict);
    CheckLine {
        schema: 1,
        verdict: outcome.verdict,
        model: judged.model.name(),
        format: recorded.format().name(),
        operations: judged.operations.total(),
        partitions: outcome
            .partitions
            .iter()
            .map(|part| {
                let (operations, verdict) = partition(part);
                PartitionLine { key: &part.key, operations, verdict }
            })
            .collect(),
        violations: outcome.violations.iter().map(ViolationLine::from).collect(),
        elapsed_us,
    }
}

fn write_report(
    console: &Console,
    path: &Path,
    recorded: &Recorded<'_>,
    judged: &Judged<'_>,
) -> anyhow::Result<()> {
    write_file(path, history_page(recorded, judged).as_bytes())?;
    console.say(format!("  report:    {}", path.display()));
    Ok(())
}

/// What `--certificate` writes.
#[derive(serde::Serialize)]
struct Certificates<'a> {
    schema: u32,
    history: &'a str,
    model: &'a str,
    verdict: Verdict,
    certificates: Vec<&'a Certificate>,
}

fn write_certificates(
    console: &Console,
    path: &Path,
    recorded: &Recorded<'_>,
    judged: &Judged<'_>,
) -> anyhow::Result<()> {
    let certificates = Certificates {
        schema: 1,
        history: recorded.name(),
        model: judged.model.name(),
        verdict: judged.outcome.verdict,
        certificates: judged.outcome.partitions.iter().filter_map(|part| part.certificate.as_ref()).collect(),
    };
    write_file(path, serde_json::to_string(&certificates)?.as_bytes())?;
    console.say(format!("  proof:     {}", path.display()));
    Ok(())
}

fn verify(console: &Console, name: &str, judged: &Judged<'_>) -> anyhow::Result<()> {
    judged.history.verify(&judged.outcome).with_context(|| {
        format!(
            "the verdict of {name} is not proven; unless its model has no proofs, this is a mistake of squall"
        )
    })?;
    let proven = judged.outcome.partitions.iter().filter(|part| part.certificate.is_some()).count();
    console.say(format!("  verified:  {}", counted(proven as u64, "proof")));
    Ok(())
}
