//! The page of a soak: one HTML file without scripts, in the style of the report of a run.
//!
//! Its content security policy admits the embedded style, by hash, and nothing else. Values are escaped by the
//! template. Links are relative to the folder that the page lies in.

use askama::Template;
use squall_checker::Verdict;

use crate::report::html::{STYLE, hash};
use crate::soak::{FailureGroup, Summary};

use super::coverage::Coverage;
use super::{command, confidence_words, fault_words, significant};

/// What this page adds to the style of reports.
const STYLE_MORE: &str = include_str!("../page/soak.css");

#[derive(Template)]
#[template(path = "soak.html", config = "harness/src/report/askama.toml")]
struct Page<'a> {
    style: &'a str,
    style_hash: &'a str,
    summary: &'a Summary,
    headline: String,
    confidence: Option<String>,
    facts: Vec<(&'static str, String)>,
    configurations: Vec<Vec<String>>,
    groups: Vec<Group>,
    families: Vec<Family>,
    coverage: Vec<Coverage>,
    not_deterministic: Vec<String>,
}

/// A row of the table of failures.
struct Group {
    mode: String,
    check: String,
    kind: String,
    faults: String,
    seeds: u64,
    first_seeds: String,
    message: String,
    shrunk: Option<String>,
    report: Option<String>,
    command: String,
}

/// A row of the table of faults.
struct Family {
    name: String,
    injected: u64,
    effective: u64,
    /// The effective share, in percent.
    percent: u64,
}

/// The text of `index.html`.
pub fn index(summary: &Summary) -> String {
    let style = [STYLE, STYLE_MORE].concat();
    let page = Page {
        style: &style,
        style_hash: &hash(&style),
        summary,
        headline: headline(summary),
        confidence: summary.failure_probability_max.map(|bound| significant(100.0 * bound)),
        facts: facts(summary),
        configurations: configurations(summary),
        groups: summary.groups.iter().map(group).collect(),
        families: families(summary),
        coverage: summary.coverage.iter().map(Coverage::of).collect(),
        not_deterministic: summary.not_deterministic.iter().map(|seed| format!("{seed:#x}")).collect(),
    };
    page.render().expect("a template writes to memory")
}

fn headline(summary: &Summary) -> String {
    let verdicts = summary.verdicts;
    match summary.verdict {
        Verdict::Valid => format!("{} seeds, and none of them broke a promise", summary.seeds),
        Verdict::Invalid => {
            let ways = if summary.groups.len() == 1 { "way" } else { "ways" };
            let count = summary.groups.len();
            format!("{} of {} seeds failed, in {count} {ways}", verdicts.invalid, summary.seeds)
        }
        Verdict::Unknown => {
            format!(
                "{} of {} seeds are undecided: a bound was reached first",
                verdicts.unknown, summary.seeds
            )
        }
        Verdict::Vacuous => {
            format!(
                "too little happened in {} of {} seeds to judge anything",
                verdicts.vacuous, summary.seeds
            )
        }
    }
}

fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let operations = summary.operations;
    let recovery =
        |times: crate::soak::Percentiles| format!("{} / {} / {} ms", times.p50, times.p95, times.max);
    let bugs = if summary.bugs.is_empty() { "none".into() } else { summary.bugs.join(", ") };
    let done = operations.ok + operations.fail + operations.info;
    let mut facts = vec![
        ("mode", summary.mode.clone()),
        ("workload", summary.workload.clone()),
        ("faults", summary.nemesis.clone()),
        ("planted bugs", bugs),
        ("seeds", format!("{} from {:#x}", summary.seeds, summary.seed_first)),
        (
            "operations",
            format!("{done} ({} ok, {} fail, {} info)", operations.ok, operations.fail, operations.info),
        ),
        ("simulated", hours(summary.simulated_ms)),
        ("processor time", hours(summary.cpu_ms)),
        ("seeds per processor minute", format!("{:.0}", summary.seeds_per_cpu_minute)),
        ("first operation after healing (p50 / p95 / most)", recovery(summary.recovery_first_ms)),
        ("all keys after healing (p50 / p95 / most)", recovery(summary.recovery_all_ms)),
        ("build", summary.build.clone()),
    ];
    let family = |(family, line): (&String, &crate::soak::RecoveryLine)| {
        format!("{family} {} of {}", recovery(line.full_ms), line.healings)
    };
    let families: Vec<String> = summary.recovery.iter().map(family).collect();
    if !families.is_empty() {
        facts.push(("full service after faults of (p50 / p95 / most, of healings)", families.join("; ")));
    }
    facts
}

fn hours(ms: u64) -> String {
    let seconds = ms / 1_000;
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{}.{} s", seconds, ms / 100 % 10),
        (0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn configurations(summary: &Summary) -> Vec<Vec<String>> {
    let row = |line: &crate::soak::ConfigurationLine| {
        let verdicts = line.verdicts;
        vec![
            line.mode.clone(),
            line.workload.clone(),
            verdicts.all().to_string(),
            verdicts.valid.to_string(),
            verdicts.invalid.to_string(),
            verdicts.unknown.to_string(),
            verdicts.vacuous.to_string(),
            line.completed_operations_per_seed_median.to_string(),
            hours(line.simulated_ms),
            format!("{:.0}", line.seeds_per_cpu_minute),
            confidence_words(line.failure_probability_max),
        ]
    };
    summary.configurations.iter().map(row).collect()
}

fn group(group: &FailureGroup) -> Group {
    let seeds: Vec<String> = group.first_seeds.iter().map(|seed| format!("{seed:#x}")).collect();
    let size = group.example.as_ref().and_then(|example| example.shrunk);
    let folder = group.example.as_ref().and_then(|example| example.results.rsplit(['/', '\\']).next());
    let below = if size.is_some() { "/shrunk" } else { "" };
    Group {
        mode: group.mode.clone(),
        check: group.check.clone(),
        kind: group.kind.clone(),
        faults: fault_words(group),
        seeds: group.seeds,
        first_seeds: seeds.join(", "),
        message: group.example.as_ref().map_or_else(String::new, |example| example.message.clone()),
        shrunk: size.map(|size| {
            let parts = [
                crate::trial::failure::counted(u64::from(size.nodes), "node"),
                crate::trial::failure::counted(size.operations, "operation"),
                crate::trial::failure::counted(size.faults, "fault"),
            ];
            parts.join(", ")
        }),
        report: folder.map(|folder| format!("failures/{folder}{below}/report.html")),
        command: command(group, |seed| format!("squall run … --seed {seed}")),
    }
}

fn families(summary: &Summary) -> Vec<Family> {
    let row = |(name, counts): (&String, &crate::store::FaultCounts)| Family {
        name: name.clone(),
        injected: counts.injected,
        effective: counts.effective,
        percent: (100 * counts.effective).checked_div(counts.injected).unwrap_or(0),
    };
    summary.faults.iter().map(row).collect()
}
