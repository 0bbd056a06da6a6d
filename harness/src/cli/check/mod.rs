//! `squall check`: judges recorded histories, of this program or of others, or converts them; no simulation.

mod inputs;
mod ledger;
mod proof;
mod tell;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use squall_checker::Bounds;
use squall_checker::Verdict;
use squall_checker::format::{Format, Limits, read};
use squall_checker::judge::{FailedCas, Model, Options, judge};
use squall_checker::transactions::Level;

use crate::store::{history_page, write_file};

use super::console::{Console, complain_error, told};
use super::exit::Exit;
use super::flags::{self, JobsFlag, OutputFlags};

use inputs::{Input, named};
use tell::{Detail, Summary, Told, UnreadableLine};
use watch::Watch;

/// Judge recorded histories.
#[derive(Args, Debug)]
pub(crate) struct CheckCommand {
    /// The histories: files (also .gz and .zst), folders of them, stores of tests; - is stdin
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// How they were recorded: auto, or one of squall list formats
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = format)]
    format: OrAuto<Format>,
    /// What they hold: auto, or one of squall list models
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = model)]
    model: OrAuto<Model>,
    /// What a compare-and-set proves that failed on another value: that the value differed, or nothing
    #[arg(long, value_enum, default_value = "evidence")]
    failed_cas: FailedCasFlag,
    /// The level of isolation that transactions must have, from read-uncommitted up
    #[arg(long, value_name = "NAME", default_value = "strict-serializable", value_parser = level)]
    level: Level,
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
    /// Write the proofs of the verdicts as JSON (of one only)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Write a report of the history (of one only)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Do not judge the history (one only) but write it in this format: jsonl, edn or tsv, or a file named so
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["report", "certificate", "verify"])]
    convert: Option<PathBuf>,
    /// Where the converted history goes [default: stdout]
    #[arg(long = "output", short, value_name = "FILE", requires = "convert")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    jobs: JobsFlag,
    #[command(flatten)]
    output: OutputFlags,
}

/// [`FailedCas`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailedCasFlag {
    Evidence,
    Ignore,
}

impl From<FailedCasFlag> for FailedCas {
    fn from(flag: FailedCasFlag) -> Self {
        match flag {
            FailedCasFlag::Evidence => Self::Evidence,
            FailedCasFlag::Ignore => Self::Ignore,
        }
    }
}

/// What was named, or what is to be found out.
#[derive(Clone, Copy, Debug)]
struct OrAuto<T>(Option<T>);

fn format(text: &str) -> Result<OrAuto<Format>, String> {
    or_auto("format", text, &Format::ALL.map(Format::name))
}

fn model(text: &str) -> Result<OrAuto<Model>, String> {
    or_auto("model", text, &Model::ALL.iter().map(|model| model.name()).collect::<Vec<_>>())
}

fn level(text: &str) -> Result<Level, String> {
    let unknown = |_| crate::soak::UnknownName::new("level", text, &Level::ALL.map(Level::name)).to_string();
    text.parse().map_err(unknown)
}

fn or_auto<T: std::str::FromStr>(
    what: &'static str,
    text: &str,
    known: &[&str],
) -> Result<OrAuto<T>, String> {
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

/// What came of one history.
#[derive(Clone, Copy)]
struct Checked {
    verdict: Verdict,
    operations: usize,
    /// Whether its proof holds, if it was looked at.
    is_proven: bool,
}

/// The worse of two codes. Their numbers are their order of severity, but for 0, and for mistakes of this program,
/// after which nothing else can be believed.
fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Internal => 0,
        Exit::Valid => u8::MAX,
        code => *code as u8,
    };
    std::cmp::min_by_key(one, other, rank)
}

impl CheckCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let mut inputs = Vec::new();
        let mut worst = Exit::Valid;
        for path in &self.paths {
            match named(path) {
                Ok(found) => inputs.extend(found),
                Err(error) => {
                    complain_error(&told(&error));
                    worst = Exit::Usage;
                }
            }
        }
        let single = |flag: &str| {
            let count = inputs.len();
            anyhow::ensure!(count <= 1, "{flag} takes one history, not {count}: check them one by one");
            Ok(())
        };
        if self.report.is_some() {
            single("--report")?;
        }
        if self.certificate.is_some() {
            single("--certificate")?;
        }
        if let Some(target) = &self.convert {
            single("--convert")?;
            inputs.first().map_or(Ok(()), |input| self.convert(&console, input, target))?;
            return Ok(worst);
        }
        let mut summary = Summary { schema: 1, ..Summary::default() };
        let several = inputs.len() > 1 || self.paths.iter().any(|path| path.is_dir());
        for input in &inputs {
            let exit = match self.check(&console, input) {
                Ok(checked) => {
                    summary.count(Some((checked.verdict, checked.operations)));
                    if checked.is_proven { Exit::from(checked.verdict) } else { Exit::Internal }
                }
                Err(error) => {
                    let error = told(&error);
                    summary.count(None);
                    complain_error(&error);
                    if self.output.json && several {
                        let file = &input.name();
                        console.json(&UnreadableLine { schema: 1, verdict: None, file, error: &error })?;
                    }
                    Exit::Usage
                }
            };
            worst = worse(worst, exit);
        }
        if several && !inputs.is_empty() {
            console.say(summary.text());
            if self.output.json {
                console.json(&summary)?;
            }
        }
        Ok(worst)
    }

    /// Judges one history.
    fn check(&self, console: &Console, input: &Input) -> anyhow::Result<Checked> {
        let name = input.name();
        let watch = Watch::start(console, self.timeout);
        let (bytes, packing) = input.read()?;
        let over = || watch.over();
        let bounds = Bounds {
            memory_bytes_max: self.memory,
            threads: self.jobs.jobs(),
            should_stop: &over,
            certificates: self.verify || self.certificate.is_some(),
            progress: Some(&watch.progress),
            ..Bounds::default()
        };
        let options = Options {
            format: self.format.0,
            model: self.model.0,
            failed_cas: self.failed_cas.into(),
            level: self.level,
            ..Options::default()
        };
        let answer = judge(&name, &bytes, &options, &bounds);
        let elapsed = watch.finish();
        let (recorded, judged) = answer?;
        let told = Told { recorded: &recorded, judged: &judged, packing, elapsed };
        let detail = Detail { explain: self.explain, verbose: console.is_verbose() };
        let verdict = judged.outcome.verdict;
        console.verdict(verdict, &told.text(detail));
        if self.output.json {
            console.json(&told.json())?;
        }
        if let Some(path) = &self.report {
            write_file(path, history_page(&recorded, &judged).as_bytes())?;
            console.say(format!("  report:    {}", path.display()));
        }
        if let Some(path) = &self.certificate {
            proof::write(console, path, &recorded, &judged)?;
        }
        let is_proven = !self.verify || proof::verify(console, &name, &judged)?;
        Ok(Checked { verdict, operations: judged.operations.total(), is_proven })
    }

    /// Writes a history in another format.
    fn convert(&self, console: &Console, input: &Input, target: &Path) -> anyhow::Result<()> {
        let (format, file) = self.target(target)?;
        let name = input.name();
        let (bytes, _) = input.read()?;
        let recorded = read(&name, &bytes, self.format.0, Limits::default())?;
        let text = recorded.converted(format)?;
        match file {
            None => console.data(&text)?,
            Some(file) => {
                write_file(file, text.as_bytes())?;
                let operations = recorded.len() as u64;
                console.say(format!(
                    "{}: {} from {} to {format}",
                    file.display(),
                    crate::trial::failure::counted(operations, "operation"),
                    recorded.format()
                ));
            }
        }
        Ok(())
    }

    /// The format that `--convert` names, itself or by the ending of a file, and the file if there is one.
    fn target<'a>(&'a self, target: &'a Path) -> anyhow::Result<(Format, Option<&'a Path>)> {
        let text = target.to_string_lossy();
        if let Ok(format) = text.parse() {
            return Ok((format, self.output_file.as_deref()));
        }
        let ending = target.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match ending.as_deref().and_then(|ending| ending.parse().ok()) {
            Some(_) if self.output_file.is_some() => {
                anyhow::bail!("--convert names the file {text} and -o another; give one of them")
            }
            Some(format) => Ok((format, Some(target))),
            None => {
                let known = ["jsonl", "edn", "tsv"];
                let unknown = crate::soak::UnknownName::new("format", &text, &known);
                anyhow::bail!("{unknown}, or a file that ends so")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_counts() {
        let by_severity =
            [Exit::Internal, Exit::Invalid, Exit::Usage, Exit::Unknown, Exit::Vacuous, Exit::Valid];
        for (at, one) in by_severity.iter().enumerate() {
            for other in &by_severity[at..] {
                assert_eq!((worse(*one, *other), worse(*other, *one)), (*one, *one));
            }
        }
    }
}
