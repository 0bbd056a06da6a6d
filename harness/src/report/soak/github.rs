//! A soak as GitHub shows it: an annotation per cause of failure, and a summary of the step in Markdown.

use std::fmt::Write as _;

use crate::soak::Summary;

use super::{command, confidence_words, fault_words, title};

/// Annotations, at most: GitHub shows no more of one step.
const ANNOTATIONS_MAX: usize = 10;

/// Workflow commands, a line each, that mark what is wrong.
pub fn annotations(summary: &Summary) -> String {
    let mut text = String::new();
    let told = summary.groups.iter().take(ANNOTATIONS_MAX);
    for group in told {
        let example = group.example.as_ref().map_or("no example is stored", |example| &example.message);
        let again = command(group, |seed| format!("squall run --seed {seed}"));
        let message = format!("{example}\n{} seeds; {again}", group.seeds);
        let _ = writeln!(text, "::error title={}::{}", property(&title(group)), data(&message));
    }
    if summary.verdicts.unknown > 0 {
        let message = format!("{} seeds are undecided: a bound was reached first", summary.verdicts.unknown);
        let _ = writeln!(text, "::warning title=squall soak::{}", data(&message));
    }
    if !summary.not_deterministic.is_empty() {
        let seeds: Vec<String> = summary.not_deterministic.iter().map(|seed| format!("{seed:#x}")).collect();
        let message = format!("one plan gave two runs, under seeds {}", seeds.join(", "));
        let _ = writeln!(text, "::error title=squall soak%3A not deterministic::{}", data(&message));
    }
    text
}

/// The value of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The summary of the step, in Markdown.
pub fn step_summary(summary: &Summary) -> String {
    let mut text = format!(
        "### squall soak: {} ({} seeds, {} simulated hours)\n\n",
        summary.verdict,
        summary.seeds,
        summary.simulated_ms / 3_600_000
    );
    text.push_str(
        "| mode | workload | valid | invalid | unknown | vacuous | a seed fails with (95 % sure) |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for line in &summary.configurations {
        let verdicts = line.verdicts;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            cell(&line.mode),
            cell(&line.workload),
            verdicts.valid,
            verdicts.invalid,
            verdicts.unknown,
            verdicts.vacuous,
            confidence_words(line.failure_probability_max)
        );
    }
    if !summary.groups.is_empty() {
        text.push_str(
            "\n| failure | left when shrunk | seeds | smallest example | again |\n|---|---|---|---|---|\n",
        );
    }
    for group in &summary.groups {
        let example = group.example.as_ref().map_or(String::new(), |example| cell(&example.message));
        let again = command(group, |seed| format!("squall run --seed {seed}"));
        let _ = writeln!(
            text,
            "| {} {} {} | {} | {} | {example} | `{}` |",
            cell(&group.mode),
            cell(&group.check),
            cell(&group.kind),
            cell(&fault_words(group)),
            group.seeds,
            cell(&again)
        );
    }
    text
}

/// Text that cannot end the cell it stands in, nor become markup.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' => cell.push_str("\\|"),
            '<' => cell.push_str("&lt;"),
            '\n' | '\r' => cell.push(' '),
            '`' => cell.push('\''),
            plain => cell.push(plain),
        }
    }
    cell
}
