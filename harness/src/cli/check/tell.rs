//! What is said of a judged history: for people in lines and a table, for programs as one JSON object.

use std::time::Duration;

use serde::Serialize;
use squall_checker::format::Recorded;
use squall_checker::judge::Judged;
use squall_checker::verdict::Partition;
use squall_checker::{OpId, Verdict};

use crate::store::ViolationLine;
use crate::trial::failure::counted;

use super::inputs::Packing;

/// Violations of one history that are told, at most.
const VIOLATIONS_MAX: usize = 5;
/// Keys of one history that are told, at most; more with `--verbose`.
const KEYS_MAX: usize = 10;
const KEYS_VERBOSE_MAX: usize = 100;
/// Characters of a key that are shown.
const KEY_CHARS_MAX: usize = 40;

/// A history with everything that is known of it.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) recorded: &'a Recorded<'a>,
    pub(super) judged: &'a Judged<'a>,
    pub(super) packing: Option<Packing>,
    pub(super) elapsed: Duration,
}

/// How much people are told.
#[derive(Clone, Copy)]
pub(super) struct Detail {
    pub(super) explain: bool,
    pub(super) verbose: bool,
}

/// A text of a history without characters that a terminal would obey.
fn plain(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n';
    if !text.contains(obeyed) {
        return text.to_owned();
    }
    text.chars().map(|c| if obeyed(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

impl Told<'_> {
    /// For people; the first word is the verdict.
    pub(super) fn text(&self, detail: Detail) -> String {
        let (recorded, judged) = (self.recorded, self.judged);
        let outcome = &judged.outcome;
        let mut sizes = vec![
            counted(judged.operations.total() as u64, "operation"),
            counted(outcome.partitions.len() as u64, "key"),
            format!("format {}", recorded.format()),
        ];
        sizes.extend(self.packing.map(|packing| packing.name().to_owned()));
        sizes.push(format!("model {}{}", judged.model, if judged.model_guessed { ", guessed" } else { "" }));
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
            text += &format!("\n  {}{}", violation.message, self.places(&violation.operations));
            if detail.explain {
                for line in judged.history.render(violation).lines() {
                    text += &format!("\n{}{line}", if line.is_empty() { "" } else { "  " });
                }
            }
        }
        if outcome.violations.len() > VIOLATIONS_MAX {
            text += &format!("\n  and {} more", outcome.violations.len() - VIOLATIONS_MAX);
        }
        if detail.explain || detail.verbose || outcome.verdict == Verdict::Invalid {
            text += &super::ledger::text(recorded);
        }
        plain(&(text + &table(&outcome.partitions, detail.verbose)))
    }

    fn places(&self, operations: &[OpId]) -> String {
        let lines: Vec<String> =
            operations.iter().take(12).map(|id| self.recorded.line(*id).to_string()).collect();
        if lines.is_empty() { String::new() } else { format!(" (lines {})", lines.join(", ")) }
    }

    /// For programs.
    pub(super) fn json(&self) -> CheckLine<'_> {
        let Judged { model, model_guessed, operations, outcome, .. } = self.judged;
        CheckLine {
            schema: 1,
            verdict: outcome.verdict,
            model: model.name(),
            format: self.recorded.format().name(),
            operations: operations.total(),
            partitions: outcome.partitions.iter().map(PartitionLine::from).collect(),
            violations: outcome.violations.iter().map(ViolationLine::from).collect(),
            elapsed_us: u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
            file: self.recorded.name(),
            packing: self.packing.map(Packing::name),
            model_guessed: *model_guessed,
            outcomes: Outcomes { ok: operations.ok, fail: operations.fail, info: operations.info },
            fault_events: self.recorded.fault_events(),
            log_messages: self.recorded.log_messages(),
            reason: outcome.reason.as_deref(),
        }
    }
}

/// The keys that are not valid, the worst first; the rest is counted. Nothing where there is one key or all is well,
/// unless details are wanted.
fn table(partitions: &[Partition], verbose: bool) -> String {
    let worth_telling = |partition: &&Partition| verbose || partition.verdict != Verdict::Valid;
    if partitions.len() < 2 || !partitions.iter().any(|partition| worth_telling(&partition)) {
        return String::new();
    }
    let mut rows: Vec<&Partition> = partitions.iter().filter(worth_telling).collect();
    rows.sort_by_key(|partition| {
        (std::cmp::Reverse(partition.verdict), std::cmp::Reverse(partition.operations))
    });
    rows.truncate(if verbose { KEYS_VERBOSE_MAX } else { KEYS_MAX });
    let key = |partition: &Partition| {
        let key: String = partition.key.chars().take(KEY_CHARS_MAX).flat_map(char::escape_debug).collect();
        if partition.key.chars().count() > KEY_CHARS_MAX { key + "…" } else { key }
    };
    let width = rows.iter().map(|row| key(row).chars().count()).max().unwrap_or(0).max("key".len());
    let mut text = format!("\n  {:<width$}  operations  verdict", "key");
    for row in &rows {
        text += &format!("\n  {:<width$}  {:>10}  {}", key(row), row.operations, row.verdict);
    }
    if rows.len() < partitions.len() {
        let counts: Vec<String> = [Verdict::Invalid, Verdict::Unknown, Verdict::Vacuous, Verdict::Valid]
            .into_iter()
            .filter_map(|verdict| {
                let of = |partition: &&Partition| partition.verdict == verdict;
                let shown = rows.iter().filter(|row| row.verdict == verdict).count();
                let more = partitions.iter().filter(of).count() - shown;
                (more > 0).then(|| format!("{more} {verdict}"))
            })
            .collect();
        text += &format!("\n  more keys: {}", counts.join(", "));
    }
    text
}

/// What `--json` prints for each history; the order of its fields is that of the keys.
#[derive(Serialize)]
pub(super) struct CheckLine<'a> {
    schema: u32,
    verdict: Verdict,
    model: &'a str,
    format: &'a str,
    operations: usize,
    partitions: Vec<PartitionLine<'a>>,
    violations: Vec<ViolationLine>,
    elapsed_us: u64,
    file: &'a str,
    packing: Option<&'static str>,
    model_guessed: bool,
    outcomes: Outcomes,
    fault_events: usize,
    log_messages: usize,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct PartitionLine<'a> {
    key: &'a str,
    operations: usize,
    verdict: Verdict,
}

impl<'a> From<&'a Partition> for PartitionLine<'a> {
    fn from(partition: &'a Partition) -> Self {
        let Partition { key, operations, verdict, .. } = partition;
        Self { key, operations: *operations, verdict: *verdict }
    }
}

#[derive(Serialize)]
struct Outcomes {
    ok: usize,
    fail: usize,
    info: usize,
}

/// What `--json` prints for a history that could not be judged, where there are several.
#[derive(Serialize)]
pub(super) struct UnreadableLine<'a> {
    pub(super) schema: u32,
    pub(super) verdict: Option<Verdict>,
    pub(super) file: &'a str,
    pub(super) error: &'a str,
}

/// Several histories by how they were judged: the last line of `--json`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) schema: u32,
    /// The worst; absent if none could be judged.
    pub(super) verdict: Option<Verdict>,
    pub(super) files: usize,
    pub(super) operations: usize,
    pub(super) valid: usize,
    pub(super) vacuous: usize,
    pub(super) unknown: usize,
    pub(super) invalid: usize,
    pub(super) unreadable: usize,
}

impl Summary {
    /// Counts a history; none could be judged.
    pub(super) fn count(&mut self, judged: Option<(Verdict, usize)>) {
        self.files += 1;
        let Some((verdict, operations)) = judged else {
            self.unreadable += 1;
            return;
        };
        self.operations += operations;
        self.verdict = self.verdict.max(Some(verdict));
        *match verdict {
            Verdict::Valid => &mut self.valid,
            Verdict::Vacuous => &mut self.vacuous,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Invalid => &mut self.invalid,
        } += 1;
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let counts = [
            (self.invalid, "invalid"),
            (self.unreadable, "unreadable"),
            (self.unknown, "unknown"),
            (self.vacuous, "vacuous"),
            (self.valid, "valid"),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, verdict)| format!("{count} {verdict}"))
            .collect();
        let files = if self.files == 1 { "history" } else { "histories" };
        let operations = counted(self.operations as u64, "operation");
        format!("{} {files}, {operations}: {}", self.files, counts.join(", "))
    }
}
