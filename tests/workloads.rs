//! Every workload on the built-in cluster: valid where nothing is wrong, invalid where something is, and the recorded
//! history is judged the same by `squall check`.

use squall::checker::judge::{Model, Options, judge};
use squall::checker::{Bounds, Verdict};
use squall::soak::{Experiment, MODES, WORKLOADS, Wanted};
use squall::store::plan_text;
use squall::trial::Outcome;

fn wanted(mode: &str, workload: &str, bugs: &[&str]) -> Wanted {
    Wanted {
        mode: Some(mode.into()),
        workload: Some(workload.into()),
        nodes: (mode == "paxos").then_some(3),
        bugs: bugs.iter().map(|bug| (*bug).to_owned()).collect(),
        simulator: Some("event-loop".into()),
        ..Wanted::default()
    }
}

fn experiment(mode: &str, workload: &str, bugs: &[&str]) -> Experiment {
    wanted(mode, workload, bugs).experiment().expect("possible")
}

/// What the history's checks say, whatever monitors saw.
fn verdict_of_history(outcome: &Outcome) -> Verdict {
    outcome.checks.iter().map(|check| check.verdict).max().expect("every workload has a check")
}

/// The model by which a recorded history is judged as in the run, where it is not the one that is guessed.
fn model(workload: &str) -> Option<Model> {
    let name = match workload {
        "bank" => "strict-bank",
        "multi" => "multi-register",
        _ => return None,
    };
    Some(name.parse().expect("a model"))
}

/// Whether the checker has a model for what is recorded.
fn is_read_back(workload: &str) -> bool {
    workload != "config"
}

#[test]
fn every_workload_is_valid_under_all_faults() {
    for (mode, name, _) in MODES {
        for (_, workload, _) in WORKLOADS.iter().filter(|(make, ..)| make(1).suits(*mode)) {
            let experiment = experiment(name, workload, &[]);
            for seed in 0..4 {
                let outcome = experiment.run(&experiment.plan(seed));
                assert_eq!(
                    outcome.verdict,
                    Verdict::Valid,
                    "{mode:?} {workload} {seed}: {:?}",
                    outcome.remarks
                );
            }
        }
    }
}

/// The mode in which a workload is seen to fail, and from which its history is taken.
fn mode_of(workload: &str) -> &'static str {
    if workload == "config" { "sharded" } else { "paxos" }
}

/// The bugs that each workload must see by itself: in what clients were told, without the help of monitors.
const SEEN: &[(&str, &[&str])] = &[
    ("register", &["local-reads", "no-deduplication"]),
    ("append", &["no-deduplication", "local-reads"]),
    ("kv", &["no-deduplication", "current-reply"]),
    ("transactions", &["no-deduplication", "local-reads", "reply-before-commit"]),
    ("bank", &["no-deduplication", "local-reads"]),
    ("multi", &["no-deduplication", "local-reads"]),
    ("swap", &["no-deduplication", "local-reads"]),
    ("set", &["no-deduplication", "local-reads"]),
    ("counter", &["no-deduplication", "local-reads"]),
    ("mutex", &["no-deduplication", "current-reply"]),
    ("config", &["query-from-follower", "rebalance-hash-order"]),
];

/// Runs with a bug that a workload must see it within.
const SEEDS: u64 = 60;

#[test]
fn every_workload_sees_bugs_and_so_does_the_check_of_its_history() {
    assert_eq!(SEEN.len(), WORKLOADS.len(), "every workload is seen to fail");
    for (workload, bugs) in SEEN {
        for bug in *bugs {
            let experiment = experiment(mode_of(workload), workload, &[bug]);
            let runs = (0..SEEDS).map(|seed| experiment.run(&experiment.plan(seed)));
            let found = runs.into_iter().find(|outcome| verdict_of_history(outcome) == Verdict::Invalid);
            let outcome = found.unwrap_or_else(|| panic!("{workload} does not see {bug}"));
            if !is_read_back(workload) {
                continue;
            }
            let history = outcome.history_jsonl();
            let options = Options { model: model(workload), ..Options::default() };
            let (_, judged) = judge("history.jsonl", history.as_bytes(), &options, &Bounds::default())
                .unwrap_or_else(|error| panic!("{workload}: {error}"));
            assert_eq!(judged.outcome.verdict, Verdict::Invalid, "{workload} with {bug}");
        }
    }
}

#[test]
fn recorded_histories_are_judged_as_in_the_run() {
    for (_, workload, _) in WORKLOADS.iter().filter(|(_, name, _)| is_read_back(name)) {
        let experiment = experiment("paxos", workload, &[]);
        let outcome = experiment.run(&experiment.plan(11));
        let history = outcome.history_jsonl();
        let options = Options { model: model(workload), ..Options::default() };
        let (_, judged) = judge("history.jsonl", history.as_bytes(), &options, &Bounds::default())
            .unwrap_or_else(|error| panic!("{workload}: {error}"));
        assert_eq!(judged.outcome.verdict, Verdict::Valid, "{workload}: {:?}", judged.outcome.reason);
        // A compare-and-set that failed is evidence to the one and a failure to the other.
        let (counts, kept) = (judged.operations, outcome.operations);
        let all = kept.ok + kept.fail + kept.info;
        assert_eq!((counts.total() as u64, counts.info as u64), (all, kept.info), "{workload}");
    }
}

/// The first steps of two clients, as plans hold them.
#[test]
fn scripts_of_every_workload() {
    let mut text = String::new();
    for (_, workload, _) in WORKLOADS {
        let wanted = Wanted {
            clients: Some(2),
            operations: Some(8),
            nemesis: Some("none".into()),
            ..wanted(mode_of(workload), workload, &[])
        };
        let plan = plan_text(&wanted.experiment().expect("possible").plan(3));
        let script = plan.split("\"script\": ").nth(1).expect("a script");
        let steps = script.lines().filter(|line| line.contains("\"step\"")).map(str::trim_start);
        text.push_str(&format!("{workload}\n"));
        steps.for_each(|step| text.push_str(&format!("  {step}\n")));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn steps_that_no_script_can_have_are_refused() {
    let refusal = |workload: &str, step: &str| {
        let experiment = experiment("paxos", workload, &[]);
        let mut plan = experiment.plan(1);
        plan.script[0].steps[1].step = serde_json::from_str(step).expect("JSON");
        Experiment::of_plan(&plan).expect_err("it is refused").to_string()
    };
    let mut text = String::new();
    for (workload, step) in [
        ("append", r#"{"f":"read","slot":5}"#),
        ("set", r#"{"f":"remove","slot":0}"#),
        ("bank", r#"{"f":"transfer","slot":0,"other":7,"amount":1}"#),
        ("multi", r#"{"f":"swap","slot":0,"without":1}"#),
        ("swap", r#"{"f":"swap","slot":0,"without":3}"#),
        ("transactions", r#"{"steps":[]}"#),
        ("mutex", r#"{"slot":0,"why":"not"}"#),
    ] {
        text.push_str(&format!("{workload}: {}\n", refusal(workload, step)));
    }
    insta::assert_snapshot!(text);
}
