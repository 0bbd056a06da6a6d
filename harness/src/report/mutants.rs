//! The page of planted bugs: which were found, by which check, how soon, and what was left when they were shrunk.
//!
//! A pure function of the hunts, without scripts, like the page of a soak.

use askama::Template;
use squall_checker::Verdict;

use crate::report::html::{STYLE, hash};
use crate::soak::{HuntResult, Mutants, Percentiles};
use crate::trial::failure::counted;

/// What this page adds to the style of reports.
const STYLE_MORE: &str = include_str!("page/soak.css");

#[derive(Template)]
#[template(path = "mutants.html", config = "harness/src/report/askama.toml")]
struct Page<'a> {
    style: &'a str,
    style_hash: &'a str,
    verdict: Verdict,
    headline: String,
    control: String,
    failures: &'a [String],
    shrinking: bool,
    rows: Vec<Row>,
}

struct Row {
    bug: &'static str,
    summary: &'static str,
    cells: Vec<String>,
    found: bool,
    shrunk: String,
}

/// The text of the page.
pub fn mutants_page(mutants: &Mutants) -> String {
    let style = [STYLE, STYLE_MORE].concat();
    let found = mutants.bugs.iter().filter(|bug| bug.found()).count();
    let all = mutants.bugs.len();
    let control = &mutants.control;
    let counts = [Verdict::Valid, Verdict::Invalid, Verdict::Unknown, Verdict::Vacuous]
        .map(|verdict| format!("{} {verdict}", control.count(verdict)));
    let hunts = || mutants.bugs.iter().flat_map(|bug| &bug.hunts);
    let page = Page {
        style: &style,
        style_hash: &hash(&style),
        verdict: if mutants.good() { Verdict::Valid } else { Verdict::Invalid },
        headline: format!("{found} of {all} planted bugs found"),
        control: format!("{} seeds of each configuration: {}", control.seeds, counts.join(", ")),
        failures: &control.failures,
        shrinking: hunts().any(|hunt| hunt.shrunk.is_some()),
        rows: hunts().map(row).collect(),
    };
    page.render().expect("a template writes to memory")
}

fn row(result: &HuntResult) -> Row {
    let (seeds, costs) = (Percentiles::of(&result.gaps), Percentiles::of(&result.costs_us));
    let by = result.find.as_ref().map_or_else(
        || format!("not found in {}", counted(result.seeds, "seed")),
        |find| format!("{} {}", find.check, find.kind),
    );
    Row {
        bug: result.hunt.bug.name(),
        summary: result.hunt.bug.summary(),
        cells: vec![
            result.hunt.mode.name().into(),
            result.hunt.workload.into(),
            result.hunt.scenario.map_or("all faults", |scenario| scenario.name).into(),
            result.simulator.name().into(),
            by,
            seeds.p50.to_string(),
            seeds.p95.to_string(),
            seconds(costs.p50),
            seconds(costs.p95),
        ],
        found: result.find.is_some(),
        shrunk: result.shrunk.map_or_else(String::new, |shrunk| {
            format!(
                "{}, {}, in {} s",
                counted(shrunk.size.operations, "operation"),
                counted(shrunk.size.faults, "fault"),
                seconds(shrunk.cpu_us)
            )
        }),
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:02}", us / 1_000_000, us / 10_000 % 100)
}
