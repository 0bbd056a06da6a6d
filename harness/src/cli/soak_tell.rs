//! What is said of a soak: each seed that is not simply valid, the summary, its pages, and what a CI system shows.

use std::path::Path;

use squall_checker::Verdict;

use crate::report::soak as report;
use crate::soak::{CoverageTable, FAILURES_MAX, FAILURES_PER_CAUSE_MAX, SeedReport, Summary};
use crate::store::{SoakPages, append_file};

use super::console::{Console, complain, complain_error};
use super::progress::Progress;
use super::recording::tell;

/// Groups of failures that are told, at most; the page has them all.
const GROUPS_MAX: usize = 10;
/// Gaps in the coverage of a mode that are told, at most.
const GAPS_MAX: usize = 6;

/// Says what became of a seed, if it is not simply valid.
pub(crate) fn tell_seed(console: &Console, report: &SeedReport, progress: &Progress<'_>) {
    let run = &report.line.run;
    let seed = run.seed;
    if let Some(failure) = &report.failure {
        let (plan, outcome) = &**failure;
        progress.aside(|| tell(console, plan, outcome, run.results.as_deref(), None));
    } else if run.verdict != Verdict::Valid {
        let (verdict, replay) = (run.verdict, &run.replay);
        let why = match run.violations.first() {
            Some(violation) => format!("{}: {}", violation.check, violation.message),
            None => report.line.remarks.join("; "),
        };
        let text = format!("{verdict}: seed {seed:#x}: {why}\n  run again: {replay}");
        // Failures beyond those that are stored are many and alike.
        let loud = verdict == Verdict::Unknown || console.is_verbose();
        progress.aside(|| {
            if loud {
                console.verdict(verdict, &text)
            }
        });
    } else {
        progress.aside(|| console.detail(format!("valid: seed {seed:#x}, digest {}", run.digest)));
    }
    if let Some(differs) = &report.line.differs {
        progress.aside(|| complain_error(&format!("seed {seed:#x}: {differs}")));
    }
}

/// The pages of a soak.
pub(crate) fn pages(summary: &Summary) -> anyhow::Result<SoakPages> {
    let text = serde_json::to_string_pretty(summary)? + "\n";
    Ok(SoakPages { summary: text, junit: report::junit(summary), index: report::index(summary) })
}

/// Tells GitHub, where it listens.
pub(crate) fn publish(summary: &Summary) -> anyhow::Result<()> {
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        report::annotations(summary).lines().for_each(complain);
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        append_file(Path::new(&path), &report::step_summary(summary))?;
    }
    Ok(())
}

/// The summary, for people.
pub(crate) fn tell_summary(console: &Console, summary: &Summary) {
    let verdicts = summary.verdicts;
    let headline = format!(
        "{}: {} {}, {} seeds: {} valid, {} invalid, {} unknown, {} vacuous ({} %)",
        summary.verdict,
        summary.mode,
        summary.workload,
        summary.seeds,
        verdicts.valid,
        verdicts.invalid,
        verdicts.unknown,
        verdicts.vacuous,
        summary.vacuous_percent
    );
    console.verdict(summary.verdict, &headline);
    for line in summary_lines(summary).into_iter().chain(configuration_lines(summary)) {
        console.say(format!("  {line}"));
    }
    for line in group_lines(summary) {
        console.say(format!("  {line}"));
    }
    for table in &summary.coverage {
        console.say(format!("  {}", coverage_line(table)));
        console.detail(table.text());
    }
    let stored = summary.failures.iter().filter(|failure| failure.results.is_some()).count();
    if verdicts.invalid > stored as u64 {
        complain(&format!(
            "  {stored} failures are stored whole, at most {FAILURES_PER_CAUSE_MAX} of a cause and {FAILURES_MAX} in \
             all; the others run again from their seed"
        ));
    }
}

fn summary_lines(summary: &Summary) -> Vec<String> {
    let operations = summary.operations;
    let faults: Vec<String> = summary
        .faults
        .iter()
        .map(|(family, counts)| format!("{family} {} ({} effective)", counts.injected, counts.effective))
        .collect();
    let (first, all) = (summary.recovery_first_ms, summary.recovery_all_ms);
    let mut lines = vec![
        format!(
            "operations          {} ok, {} fail, {} info; {} ok per seed (median)",
            operations.ok, operations.fail, operations.info, summary.completed_operations_per_seed_median
        ),
        format!("faults              {}", if faults.is_empty() { "none".into() } else { faults.join(", ") }),
        format!(
            "recovery            first operation {} ms, all keys {} ms (median); {} and {} ms (p95); {} and {} ms (most)",
            first.p50, all.p50, first.p95, all.p95, first.max, all.max
        ),
        format!(
            "time                {} simulated in {}, {} of processor time",
            span(summary.simulated_ms),
            span(summary.elapsed_ms),
            span(summary.cpu_ms)
        ),
        format!(
            "speed               {} simulated seconds per processor second; per processor minute {:.0} operations, \
             {:.0} seeds",
            summary.simulated_seconds_per_cpu_second,
            summary.operations_per_cpu_minute,
            summary.seeds_per_cpu_minute
        ),
    ];
    for (family, line) in &summary.recovery {
        let (first, full) = (line.first_ms, line.full_ms);
        lines.push(format!(
            "  after {family:<12}  first operation {} / {} / {} ms, full service {} / {} / {} ms (p50 / p95 / most), {} \
             healings, {} interrupted",
            first.p50, first.p95, first.max, full.p50, full.p95, full.max, line.healings, line.interrupted
        ));
    }
    if let Some(bound) = summary.failure_probability_max {
        let percent = report::significant(100.0 * bound);
        lines.push(format!(
            "confidence          a seed fails with less than {percent} % probability (95 % sure)"
        ));
    }
    if summary.outside_model > 0 {
        lines.push(format!("outside the model   {} seeds", summary.outside_model));
    }
    lines.extend(summary.results.iter().map(|results| format!("results             {results}")));
    lines
}

/// A line for each mode and workload, where there are several.
fn configuration_lines(summary: &Summary) -> Vec<String> {
    if summary.configurations.len() < 2 {
        return Vec::new();
    }
    let line = |line: &crate::soak::ConfigurationLine| {
        let name = format!("{} {}", line.mode, line.workload);
        let verdicts = line.verdicts;
        let sure = line
            .failure_probability_max
            .map_or(String::new(), |bound| format!("; a seed fails with less than {:.2} %", 100.0 * bound));
        format!(
            "{name:<28} {:>6} valid, {} invalid, {} unknown, {} vacuous; {} ok per seed{sure}",
            verdicts.valid,
            verdicts.invalid,
            verdicts.unknown,
            verdicts.vacuous,
            line.completed_operations_per_seed_median
        )
    };
    summary.configurations.iter().map(line).collect()
}

/// How much of what can be was reached, and what was not.
fn coverage_line(table: &CoverageTable) -> String {
    let ((reached, possible), gaps) = (table.reached(), table.gaps());
    let mut line = format!(
        "coverage            {}: {reached} of {possible} pairs of event and family of faults",
        table.mode().name()
    );
    if !gaps.is_empty() {
        let told = gaps.iter().take(GAPS_MAX).cloned().collect::<Vec<_>>().join(", ");
        line += &format!("; not {told}");
    }
    if gaps.len() > GAPS_MAX {
        line += &format!(" and {} more: see index.html", gaps.len() - GAPS_MAX);
    }
    if !table.refuted().is_empty() {
        line += &format!("; called impossible, yet seen: {}", table.refuted().join(", "));
    }
    line
}

/// Failures by cause.
fn group_lines(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for group in summary.groups.iter().take(GROUPS_MAX) {
        let faults = match group.faults.as_deref() {
            None => "not shrunk".into(),
            Some([]) => "shrunk: no fault is left".into(),
            Some(kinds) => format!("shrunk: {}", kinds.join(", ")),
        };
        let example = group.example.as_ref().map_or(String::new(), |example| {
            format!("; smallest: seed {:#x}, {}", example.seed, example.results)
        });
        let crate::soak::FailureGroup { mode, check, kind, seeds, .. } = group;
        lines.push(format!("cause               {mode} {check} {kind} ({faults}): {seeds} seeds{example}"));
    }
    if summary.groups.len() > GROUPS_MAX {
        lines.push(format!("and {} more causes: see index.html", summary.groups.len() - GROUPS_MAX));
    }
    lines
}

/// A time, as people say it.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    if seconds >= 3_600 {
        return format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360);
    }
    format!("{seconds}.{} s", ms / 100 % 10)
}
