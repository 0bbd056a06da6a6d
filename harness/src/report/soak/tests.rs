//! What people and reporters read of a soak; hostile texts stay text.

use std::collections::BTreeMap;

use squall_checker::Verdict;
use squall_cluster::bugs::Mode;

use super::*;
use crate::nemesis::Family;
use crate::shrink::Size;
use crate::sim::Coverage;
use crate::soak::{ConfigurationLine, CoverageTable, Example, Percentiles, Reached, Summary, VerdictCounts};
use crate::store::FaultCounts;
use crate::trial::OperationCounts;

fn summary(invalid: u64) -> Summary {
    let verdicts = VerdictCounts { valid: 290, invalid, unknown: 0, vacuous: 10 };
    let operations = OperationCounts { ok: 250_000, fail: 12, info: 340 };
    let message = "append k3 17 was applied twice: <script>alert(1)</script> | `rm` & \"x\"\n::error::";
    let size = Size { nodes: 3, clients: 2, operations: 4, faults: 1 };
    let group = |faults: Option<Vec<String>>, seeds, shrunk| FailureGroup {
        mode: "paxos".into(),
        check: "exactly-once".into(),
        kind: "duplicate".into(),
        faults,
        seeds,
        first_seeds: vec![7, 9],
        example: Some(Example {
            seed: 7,
            message: message.into(),
            results: "results/soak-1/failures/paxos-0x7".into(),
            shrunk,
        }),
    };
    let groups = vec![
        group(Some(vec!["crash".into(), "loss".into()]), 2, Some(size)),
        FailureGroup { example: None, ..group(None, invalid.saturating_sub(2), None) },
    ];
    let line = |mode: &str, verdicts: VerdictCounts| ConfigurationLine {
        mode: mode.into(),
        workload: "append".into(),
        verdicts,
        operations,
        completed_operations_per_seed_median: 830,
        simulated_ms: 3_723_000,
        seeds_per_cpu_minute: 1_600.0,
        failure_probability_max: verdicts.failure_probability_max(),
    };
    Summary {
        schema: 1,
        verdict: verdicts.verdict(5.0),
        mode: "all".into(),
        workload: "append".into(),
        nemesis: "all".into(),
        bugs: Vec::new(),
        build: "0.1.0-cafe".into(),
        seed_first: 0,
        seeds: verdicts.all(),
        verdicts,
        vacuous_percent: 3.3,
        outside_model: 0,
        not_deterministic: if invalid > 0 { vec![66] } else { Vec::new() },
        operations,
        faults: BTreeMap::from([("partition".into(), FaultCounts { injected: 40, effective: 39 })]),
        simulated_ms: 3_723_000,
        elapsed_ms: 61_500,
        cpu_ms: 120_000,
        simulated_seconds_per_cpu_second: 31.0,
        operations_per_cpu_minute: 125_000.0,
        seeds_per_cpu_minute: 150.0,
        completed_operations_per_seed_median: 830,
        recovery_first_ms: Percentiles { p50: 12, p95: 400, max: 900 },
        recovery_all_ms: Percentiles { p50: 80, p95: 700, max: 1_400 },
        recovery: BTreeMap::new(),
        failure_probability_max: verdicts.failure_probability_max(),
        failures: Vec::new(),
        results: Some("results/soak-1".into()),
        configurations: vec![
            line("paxos", verdicts),
            line("single", VerdictCounts { invalid: 0, ..verdicts }),
        ],
        groups: if invalid > 0 { groups } else { Vec::new() },
        coverage: vec![coverage()],
    }
}

fn coverage() -> CoverageTable {
    let mut table = CoverageTable::new(Mode::Paxos);
    let cells = [(("booted", None), 1), (("chosen", Some(Family::Disk)), 5)];
    table.add(Reached::of(&Coverage { cells: BTreeMap::from(cells), ..Coverage::default() }));
    table
}

/// How often a text occurs in another.
fn occurrences(text: &str, of: &str) -> usize {
    text.matches(of).count()
}

#[test]
fn reporters_read_a_case_per_cause() {
    let xml = junit(&summary(5));
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "), "{xml}");
    assert_eq!((occurrences(&xml, "<testsuite "), occurrences(&xml, "</testsuite>")), (2, 2), "{xml}");
    assert!(
        xml.contains(r#"<testsuite name="squall.paxos" tests="2" failures="2" errors="0" skipped="0">"#),
        "{xml}"
    );
    assert!(
        xml.contains(r#"<testsuite name="squall.single" tests="1" failures="0" errors="0" skipped="0">"#),
        "{xml}"
    );
    assert!(
        xml.contains(r#"name="paxos exactly-once duplicate (crash and loss)"><failure type="exactly-once""#),
        "{xml}"
    );
    assert!(xml.contains("&lt;script&gt;") && !xml.contains("<script"), "hostile text stays text: {xml}");
    assert!(xml.contains("&#10;squall replay results/soak-1/failures/paxos-0x7/shrunk</failure>"), "{xml}");
    assert_eq!(occurrences(&junit(&summary(0)), "<failure"), 0);
}

#[test]
fn github_shows_causes_and_a_table() {
    let failed = summary(5);
    let told = annotations(&failed);
    assert_eq!(told.lines().filter(|line| line.starts_with("::error title=")).count(), 3, "{told}");
    assert_eq!(told.lines().count(), 3, "a message cannot begin a command of its own: {told}");
    assert!(told.contains("not deterministic::one plan gave two runs, under seeds 0x42"), "{told}");
    assert_eq!(annotations(&summary(0)), "");
    let table = step_summary(&failed);
    assert!(table.starts_with("### squall soak: invalid (305 seeds, 1 simulated hours)\n"), "{table}");
    assert!(table.contains("| single | append | 290 | 0 | 0 | 10 | under 1.0 % |\n"), "{table}");
    assert!(table.contains("&lt;/script> \\| 'rm'"), "{table}");
    assert!(!step_summary(&summary(0)).contains("smallest example"));
}

#[test]
fn the_page_loads_nothing_runs_nothing_and_says_how_sure_it_is() {
    let page = index(&summary(5));
    assert!(page.contains("&#60;script&#62;") && !page.contains("<script"), "hostile text stays text");
    assert!(page.contains("href=\"failures/paxos-0x7/shrunk/report.html\""), "{page}");
    for way_out in ["src=", "http:", "https:", "@import", "url("] {
        assert!(!page.contains(way_out), "{way_out}");
    }
    let clean = index(&summary(0));
    assert!(clean.contains("under 1.0 %") && !clean.contains("Failures by cause"), "{clean}");
    assert_eq!(summary(0).verdict, Verdict::Valid);
}

#[test]
fn the_page_marks_what_no_seed_reached_and_says_which_events_cannot_be() {
    let page = index(&summary(0));
    let row = "<td>booted</td><td class=\"reached\">1</td><td class=\"missed\">0</td>";
    assert!(page.contains(row) && page.contains("<strong>paxos</strong>: 2 of 108 pairs"), "{page}");
    assert!(page.contains("Cannot be: view-chosen, view-acked, "), "{page}");
    assert!(!page.contains("yet seen"));
}
