//! The command as scripts see it: exit codes, what is on stdout and what on stderr, errors with their remedies.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The smallest run that counts.
const TINY: [&str; 6] = ["--nodes", "3", "--duration", "500ms", "--clients", "4"];

fn squall(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("squall").expect("built");
    for name in ["SQUALL_SEED", "SQUALL_SEEDS", "SQUALL_JOBS", "SQUALL_RESULTS"] {
        command.env_remove(name);
    }
    command.env("COLUMNS", "100").env("RUST_BACKTRACE", "0").current_dir(folder.path()).args(arguments);
    command.output().expect("it runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The one line of JSON on stdout.
fn json(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "one line: {text}\n{}", stderr(output));
    serde_json::from_str(&text).expect("JSON")
}

/// A run with these arguments, and the folder that it left.
fn stored(folder: &TempDir, more: &[&str]) -> (Output, PathBuf) {
    let output = squall(folder, &[&["run", "--json"], &TINY[..], more].concat());
    let results = json(&output)["results"].as_str().expect("stored").to_owned();
    (output, folder.path().join(results))
}

/// Changes a field of a stored record.
fn change(record: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(record).expect("a record")).expect("JSON");
    change(&mut value);
    std::fs::write(record, value.to_string()).expect("written");
}

#[test]
fn a_clean_run_is_valid_and_has_results() {
    let folder = folder();
    let (output, results) = stored(&folder, &["--nemesis", "none", "--seed", "0x9"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let line = json(&output);
    let keys: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = [
        "digest",
        "elapsed_ms",
        "faults",
        "mode",
        "operations",
        "replay",
        "results",
        "schema",
        "seed",
        "simulated_ms",
        "verdict",
        "violations",
        "workload",
    ];
    assert_eq!(keys.iter().copied().collect::<std::collections::BTreeSet<_>>(), expected.into());
    assert!(stdout(&output).starts_with(r#"{"schema":1,"verdict":"valid","seed":9,"digest":""#));
    assert!(stderr(&output).starts_with("valid: append, seed 0x9 (paxos, 3 nodes, 4 clients, "));
    assert!(!stderr(&output).contains('\x1b'), "no colour where there is no terminal");
    for file in ["run.json", "plan.json", "history.jsonl", "history.txt", "report.html"] {
        assert!(results.join(file).is_file(), "{file}");
    }
    assert!(folder.path().join("results/latest/run.json").is_file());
    assert_eq!(line["replay"], format!("squall replay {}", line["results"].as_str().expect("stored")));
}

#[test]
fn a_bug_is_invalid_and_its_account_says_how_to_go_on() {
    let folder = folder();
    let output = squall(&folder, &["run", "--bug", "hash-order-apply", "--seed", "1"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let text = stderr(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("invalid: append "), "{text}");
    assert!(lines[0].contains("; shrunk to ") && lines[0].ends_with(')'), "{text}");
    let report = lines.iter().position(|line| line.starts_with("  report:")).expect("a report");
    let tail = &lines[report..];
    assert!(tail[0].starts_with("  report:    results/append/"), "{text}");
    assert!(tail[1].starts_with("  replay:    squall replay results/append/"), "{text}");
    assert!(tail[2].ends_with(" --save tests/regressions"), "{text}");
    assert!(tail[3].starts_with("  shrunk:    squall replay results/append/"), "{text}");
    assert!(tail[4].starts_with("  as a test: ") && tail[4].ends_with("/shrunk/replay.rs"), "{text}");
    assert!(
        folder.path().join("results/latest/trace.jsonl.zst").is_file(),
        "failures keep their full recording"
    );
    assert_eq!(stdout(&output), "", "data only where it was asked for");
}

#[test]
fn a_failure_is_shrunk_and_says_when_it_no_longer_fails() {
    let folder = folder();
    let bug = ["--bug", "no-deduplication", "--nemesis", "duplication", "--seed", "5"];
    let (output, results) = stored(&folder, &[&bug[..], &["--shrink", "0s"]].concat());
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(!results.join("shrunk").exists() && !stderr(&output).contains("shrunk"), "{}", stderr(&output));

    let output = squall(&folder, &["shrink", results.to_str().expect("text"), "--json", "--jobs", "2"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let (line, shrunk) = (json(&output), results.join("shrunk"));
    assert_eq!(line["verdict"], "invalid");
    let counts = &line["operations"];
    let operations = counts["ok"].as_u64().unwrap_or(0) + counts["info"].as_u64().unwrap_or(0);
    assert!(operations <= 12, "{line}");
    for file in ["run.json", "plan.json", "history.jsonl", "report.html", "trace.jsonl.zst", "replay.rs"] {
        assert!(shrunk.join(file).is_file(), "{file}");
    }
    let test = std::fs::read_to_string(shrunk.join("replay.rs")).expect("a text");
    let plan = std::fs::read_to_string(shrunk.join("plan.json")).expect("a text");
    assert!(test.contains("squall::replay::assert_valid(PLAN)") && test.contains(&plan), "{test}");
    let panic = std::panic::catch_unwind(|| squall::replay::assert_valid(&plan)).expect_err("it still fails");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.starts_with("invalid: append "), "{text}");

    let shrunk = shrunk.to_str().expect("text");
    for simulator in ["turmoil", "event-loop"] {
        let output = squall(&folder, &["replay", shrunk, "--simulator", simulator]);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains("the same as stored"), "{}", stderr(&output));
    }

    // As if the bug had been found, and another build been made.
    let without = plan.replace("\"no-deduplication\"", "");
    std::fs::write(Path::new(shrunk).join("plan.json"), &without).expect("written");
    squall::replay::assert_valid(&without);
    change(&Path::new(shrunk).join("run.json"), |record| record["build"] = "another".into());
    for command in ["replay", "shrink"] {
        let output = squall(&folder, &[command, shrunk]);
        assert_eq!(code(&output), 6, "{}", stderr(&output));
        assert!(stderr(&output).contains("no longer fails"), "{}", stderr(&output));
    }
    std::fs::remove_file(Path::new(shrunk).join("run.json")).expect("removed");
    let output = squall(&folder, &["shrink", shrunk]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("nothing to shrink"), "{}", stderr(&output));
}

#[test]
fn a_run_that_shows_nothing_is_vacuous() {
    let folder = folder();
    let output = squall(&folder, &[&["run", "--nemesis", "clock-jump"], &TINY[..]].concat());
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).contains("  vacuous: "), "{}", stderr(&output));
}

#[test]
fn a_replay_gives_the_same_or_says_why_not() {
    let folder = folder();
    let (_, results) = stored(&folder, &["--nemesis", "none"]);
    let path = results.to_str().expect("text");
    let output = squall(&folder, &["replay", path]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("the same as stored"));

    let record = results.join("run.json");
    change(&record, |value| value["run"]["digest"] = "0".into());
    let output = squall(&folder, &["replay", path]);
    assert_eq!(code(&output), 5, "the same build must give the same digest");
    assert!(stderr(&output).contains("not deterministic: the same plan and build"), "{}", stderr(&output));

    change(&record, |value| {
        value["build"] = "0.0.0-other".into();
        value["run"]["verdict"] = "invalid".into();
    });
    let output = squall(&folder, &["replay", path]);
    assert_eq!(code(&output), 6);
    assert!(
        stderr(&output).contains("no longer fails: the verdict is valid, stored is invalid"),
        "{}",
        stderr(&output)
    );
    let report = std::fs::read(results.join("report.html")).expect("a report");
    assert_eq!(code(&squall(&folder, &["report", path])), 6);
    assert_eq!(
        std::fs::read(results.join("report.html")).expect("a report"),
        report,
        "another run's report stays"
    );
}

#[test]
fn a_plan_is_kept_and_fails_again_alone() {
    let folder = folder();
    let output = squall(&folder, &["run", "--bug", "hash-order-apply", "--seed", "1", "--json"]);
    let first = json(&output);
    let results = first["results"].as_str().expect("stored");
    let output = squall(&folder, &["replay", results, "--save", "kept"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("kept")).expect("a folder").collect();
    assert_eq!(kept.len(), 1);
    let plan = kept[0].as_ref().expect("an entry").path();
    let again = squall(&folder, &["replay", plan.to_str().expect("text"), "--json"]);
    assert_eq!((code(&again), &json(&again)["digest"]), (1, &first["digest"]));
    let as_run = squall(&folder, &["run", "--plan", plan.to_str().expect("text"), "--json"]);
    assert_eq!((code(&as_run), &json(&as_run)["digest"]), (1, &first["digest"]));
    let report = squall(&folder, &["report", results]);
    assert_eq!(code(&report), 0, "{}", stderr(&report));
}

#[test]
fn two_processes_give_equal_digests() {
    let folder = folder();
    let digest =
        || json(&squall(&folder, &["run", "--seed", "3", "--json", "--check-determinism"]))["digest"].clone();
    assert_eq!(digest(), digest());
}

#[test]
fn a_soak_writes_a_line_per_seed_and_a_summary() {
    let folder = folder();
    let arguments = [&["soak", "--seeds", "4..10", "--json", "--jobs", "2"], &TINY[..]].concat();
    let output = squall(&folder, &arguments);
    let text = stdout(&output);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // With two threads, in the order in which they ended.
    let mut seeds: Vec<u64> = lines[..6].iter().map(|line| line["seed"].as_u64().expect("a seed")).collect();
    seeds.sort_unstable();
    assert_eq!((lines.len(), seeds), (7, (4..10).collect()));
    let summary = &lines[6];
    assert_eq!((&summary["seeds"], &summary["seed_first"]), (&6.into(), &4.into()));
    for key in ["simulated_seconds_per_cpu_second", "operations_per_cpu_minute", "seeds_per_cpu_minute"] {
        assert!(summary[key].as_f64().is_some_and(|rate| rate > 0.0), "{key}");
    }
    let results = folder.path().join(summary["results"].as_str().expect("stored"));
    let kept = std::fs::read_to_string(results.join("seeds.jsonl")).expect("lines");
    assert!(text.starts_with(&kept));
    assert!(results.join("summary.json").is_file());
    let again = squall(&folder, &arguments);
    let digests = |text: &str| -> std::collections::BTreeMap<String, Value> {
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            (line["seed"].to_string(), line["digest"].clone())
        };
        text.lines().map(line).collect()
    };
    assert_eq!(digests(&text), digests(&stdout(&again)));
}

#[test]
fn a_soak_stores_its_failures_and_is_invalid() {
    let folder = folder();
    let output = squall(&folder, &["soak", "--seeds", "0..2", "--bug", "hash-order-apply", "--json"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let text = stdout(&output);
    let summary: Value = serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON");
    assert_eq!(summary["verdict"], "invalid");
    let failure = summary["failures"][0]["results"].as_str().expect("stored whole");
    let again = squall(&folder, &["replay", failure]);
    assert_eq!(code(&again), 1, "{}", stderr(&again));
}

#[cfg(not(feature = "object-store"))]
#[test]
fn object_stores_that_are_not_built_in_say_how_to_get_them() {
    let folder = folder();
    for arguments in [
        &["soak", "--seeds", "0..1", "--upload", "s3://bucket/prefix"][..],
        &["merge", "s3://bucket/prefix", "--into", "united"],
    ] {
        let output = squall(&folder, arguments);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains("build it with --features object-store"), "{}", stderr(&output));
    }
}

#[test]
fn too_many_vacuous_seeds_make_a_soak_vacuous() {
    let folder = folder();
    let arguments = [&["soak", "--seeds", "0..2", "--nemesis", "clock-jump"], &TINY[..]].concat();
    assert_eq!(code(&squall(&folder, &arguments)), 4);
    let tolerant = [&arguments[..], &["--vacuous-max", "100"]].concat();
    assert_eq!(code(&squall(&folder, &tolerant)), 0);
}

#[test]
fn quick_mutants_are_found_beside_a_clean_control() {
    let folder = folder();
    let output = squall(
        &folder,
        &["mutants", "--bug", "hash-order-apply", "--bug", "quorum-of-half", "--seeds", "0..8", "--json"],
    );
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let line = json(&output);
    assert_eq!((&line["schema"], &line["control"]["verdict"]), (&1.into(), &"valid".into()));
    assert_eq!(line["bugs"].as_array().map(Vec::len), Some(2));
    assert!(stdout(&output).contains(r#"{"name":"hash-order-apply","found":true,"check":""#));
}

#[test]
fn mutants_measure_shrink_and_are_compared_with_a_baseline() {
    let folder = folder();
    let hunt =
        ["mutants", "--bug", "hash-order-apply", "--seeds", "0..4", "--finds", "1", "--simulator", "all"];
    let files = ["--shrink", "--save-baseline", "base.json", "--report", "page.html", "--json"];
    let output = squall(&folder, &[&hunt[..], &files].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let line = json(&output);
    let hunts = line["bugs"][0]["hunts"].as_array().expect("hunts");
    let simulators: Vec<_> = hunts.iter().map(|hunt| hunt["simulator"].as_str().expect("a name")).collect();
    assert_eq!(simulators, ["event-loop", "turmoil"]);
    assert_eq!(hunts[0]["seeds_median"], hunts[1]["seeds_median"], "the runs are the same");
    let cpu = |hunt: &Value| hunt["cpu_ms_median"].as_u64().expect("a number");
    assert!(cpu(&hunts[0]) < cpu(&hunts[1]), "{line}");
    let shrunk = &hunts[0]["shrunk"];
    assert_eq!(
        (&shrunk["minimal"], &shrunk["holds_under_turmoil"]),
        (&true.into(), &true.into()),
        "{shrunk}"
    );
    assert!(shrunk["operations"].as_u64() < Some(16), "{shrunk}");
    assert!(stderr(&output).contains("shrunk: operations "), "{}", stderr(&output));
    let page = std::fs::read_to_string(folder.path().join("page.html")).expect("a page");
    assert!(page.contains("1 of 1 planted bugs found") && page.contains("hash-order-apply"), "{page}");

    let compared = [&hunt[..], &["--baseline", "base.json"]].concat();
    assert_eq!(code(&squall(&folder, &compared)), 0);
    // As if a bug had been found at once that one calm seed does not show.
    let text = r#"{"schema":1,"hunts":[{"bug":"hole-not-filled","mode":"paxos","seeds_median":1}]}"#;
    std::fs::write(folder.path().join("base.json"), text).expect("written");
    let calm = ["--mode", "paxos", "--seeds", "0..1", "--nemesis", "none", "--duration", "500ms"];
    let missed = [&["mutants", "--bug", "hole-not-filled", "--baseline", "base.json"], &calm[..]].concat();
    let output = squall(&folder, &missed);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("hole-not-filled in paxos is no longer found"), "{}", stderr(&output));
    std::fs::write(folder.path().join("base.json"), "{}").expect("written");
    let output = squall(&folder, &compared);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("base.json: line 1, column 2: missing field"), "{}", stderr(&output));
}

#[test]
fn simulators_are_compared_on_the_same_plans() {
    let folder = folder();
    let output = squall(&folder, &[&["bench", "--seeds", "0..2", "--json"], &TINY[..]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let line = json(&output);
    assert_eq!(line["speeds"].as_array().map(Vec::len), Some(2));
    assert!(line["event_loop_times_turmoil"].as_f64() > Some(1.0), "{line}");
    assert!(stderr(&output).contains("seeds per CPU min"), "{}", stderr(&output));
}

#[test]
fn wrong_use_says_what_would_be_right() {
    let folder = folder();
    let said = |arguments: &[&str], expected: &[&str]| {
        let output = squall(&folder, arguments);
        let text = stderr(&output);
        assert_eq!(code(&output), 2, "{arguments:?}: {text}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        for part in expected {
            assert!(text.contains(part), "{arguments:?}: no {part:?} in {text}");
        }
    };
    said(&["run", "--mode", "paxo"], &["unknown mode \"paxo\", did you mean paxos?", "single, paxos"]);
    said(&["run", "--workload", "lists"], &["unknown workload \"lists\"", "register, append, kv"]);
    said(&["run", "--bug", "local-read"], &["did you mean local-reads?", "no-deduplication"]);
    said(&["run", "--nemesis", "partitoin"], &["partition"]);
    said(&["run", "--scenario", "deaf-lead"], &["did you mean deaf-leader?"]);
    said(
        &["run", "--bug", "local-reads", "--mode", "single"],
        &["cannot act in mode single: use --mode paxos"],
    );
    said(&["run", "--nodes", "0"], &["nodes is 0; it must be between 1 and 16"]);
    said(&["run", "--nodes", "4"], &["odd number of replicas, not 4"]);
    said(&["run", "--nodes", "17"], &["nodes is 17"]);
    said(&["run", "--mode", "single", "--nodes", "3"], &["mode single has one server, not 3: use --nodes 1"]);
    said(&["run", "--clients", "1"], &["clients is 1; it must be between 2 and 200"]);
    said(&["run", "--keys", "0"], &["keys is 0"]);
    said(&["run", "--ops", "0"], &["--ops is 0; it must be between 1 and 200000"]);
    said(&["run", "--duration", "0s"], &["try 10s"]);
    said(&["run", "--duration", "1h"], &["duration (ms) is 3600000"]);
    said(&["run", "--duration", "ten"], &["expected a time such as 10s or 500ms"]);
    said(&["run", "--seed", "x"], &["expected a number such as 7 or 0x3f2a"]);
    said(&["soak", "--seeds", "9..3"], &["9..3 holds no seed"]);
    said(&["soak", "--jobs", "0"], &["expected 1 to 256 threads"]);
    said(&["soak", "--vacuous-max", "101"], &["0 to 100 percent"]);
    said(&["mutants", "--workload", "kv"], &["each bug is hunted under the workload that suits it"]);
    said(&["replay", "nowhere"], &["cannot read nowhere", "give a plan.json"]);
    said(&["check", "nowhere"], &["cannot read nowhere", "No such file"]);
    said(&["frobnicate"], &["unrecognized subcommand"]);
}

#[test]
fn plans_that_cannot_be_run_are_refused_with_their_place() {
    let folder = folder();
    let (_, results) = stored(&folder, &["--nemesis", "none"]);
    let plan = std::fs::read_to_string(results.join("plan.json")).expect("a plan");
    let refused = |text: &str, expected: &[&str]| {
        std::fs::write(folder.path().join("bad.json"), text).expect("written");
        let output = squall(&folder, &["run", "--plan", "bad.json"]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        for part in expected {
            assert!(stderr(&output).contains(part), "no {part:?} in {}", stderr(&output));
        }
    };
    refused("", &["bad.json:1:0: EOF while parsing a value; expected a plan, as squall writes it"]);
    refused("{\n  \"schema\": true\n}", &["bad.json:2:16: invalid type: boolean `true`, expected u32"]);
    refused(&plan.replace("\"nodes\"", "\"nods\""), &["unknown field `nods`, expected one of", "`nodes`"]);
    refused(
        &plan.replacen("\"schema\": 1", "\"schema\": 99", 1),
        &["bad.json: the plan's schema is 99; this build reads"],
    );
    refused(
        &plan.replacen("\"nodes\": 3", "\"nodes\": 99", 1),
        &["nodes is 99; it must be between 1 and 16"],
    );
    refused(&plan.replacen("\"mode\": \"paxos\"", "\"mode\": \"raft\"", 1), &["unknown mode \"raft\""]);
    refused(&plan.replacen("\"id\":4,", "\"id\":0,", 1), &["id 0 is used by an earlier step"]);
}

const APPENDED_ONCE: &str = r#"{"process":0,"type":"invoke","f":"append","key":"k","value":1}
{"process":0,"type":"ok","f":"append","key":"k","value":1}
{"process":1,"type":"invoke","f":"read","key":"k","value":null}
{"process":1,"type":"ok","f":"read","key":"k","value":[1]}
"#;

/// A history file of this content.
fn history(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).expect("written");
}

#[test]
fn histories_are_judged_with_all_that_was_assumed() {
    let folder = folder();
    history(&folder, "good.jsonl", APPENDED_ONCE);
    history(&folder, "twice.jsonl", &APPENDED_ONCE.replace("[1]", "[1,1]"));
    history(&folder, "empty.jsonl", "");
    history(&folder, "torn.jsonl", "{\"process\":0,\"type\":\"invoke\",\"f\":\"app");

    let output = squall(&folder, &["check", "good.jsonl"]);
    assert_eq!(code(&output), 0);
    assert!(
        stderr(&output).contains("(2 operations, 1 key, format jsonl, model append, guessed)"),
        "{}",
        stderr(&output)
    );

    let output = squall(&folder, &["check", "twice.jsonl", "--json", "--explain", "--report", "report.html"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let text = stdout(&output);
    let start = r#"{"schema":1,"verdict":"invalid","model":"append","format":"jsonl","operations":2,"partitions":[{"key":"k","operations":2,"verdict":"invalid"}],"violations":[{"check":"#;
    assert!(text.starts_with(start), "{text}");
    assert!(json(&output)["elapsed_us"].is_u64());
    assert!(folder.path().join("report.html").is_file());

    assert_eq!(code(&squall(&folder, &["check", "empty.jsonl", "--format", "jsonl"])), 4);
    let output = squall(&folder, &["check", "torn.jsonl"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("torn.jsonl:1:"), "{}", stderr(&output));
    let output = squall(&folder, &["check", "good.jsonl", "torn.jsonl", "twice.jsonl"]);
    assert_eq!(code(&output), 1, "the worst of them counts");
    let output = squall(&folder, &["check", "good.jsonl", "--model", "regster"]);
    assert!(code(&output) == 2 && stderr(&output).contains("did you mean register?"), "{}", stderr(&output));
    let output = squall(&folder, &["check", "good.jsonl", "--report", "/dev/full"]);
    assert!(code(&output) == 2 && stderr(&output).contains("free some space"), "{}", stderr(&output));
}

/// Cas from each of seven values to each other but one, all at once: nothing short of a search can tell whether there
/// is a path that takes them all, and the search may not take memory.
#[test]
fn a_bound_that_is_reached_is_unknown() {
    let folder = folder();
    let mut text = String::new();
    let mut line = |process: u32, kind: &str, f: &str, value: &str| {
        text += &format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value}}}\n"
        );
    };
    for kind in ["invoke", "ok"] {
        line(99, kind, "write", "0");
    }
    for kind in ["invoke", "ok"] {
        for cas in (0..49).filter(|cas| cas % 8 > 0 && *cas != 1) {
            line(cas, kind, "cas", &format!("[{},{}]", cas / 7, cas % 7));
        }
    }
    history(&folder, "hard.jsonl", &text);
    let output = squall(&folder, &["check", "hard.jsonl", "--memory", "1"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("memory"), "{}", stderr(&output));
}

#[test]
fn results_that_cannot_be_written_are_an_error_with_a_remedy() {
    let folder = folder();
    std::fs::write(folder.path().join("results"), "").expect("written");
    let output = squall(&folder, &[&["run"], &TINY[..]].concat());
    assert_eq!(code(&output), 2);
    let text = stderr(&output);
    assert!(
        text.contains("results is a file, but results need a folder there; give another one with --results"),
        "{text}"
    );
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    use std::process::Stdio;
    let program = assert_cmd::cargo::cargo_bin("squall");
    let folder = folder();
    let mut child = std::process::Command::new(program)
        .args([
            "soak",
            "--seeds",
            "0..6",
            "--json",
            "-q",
            "--nodes",
            "3",
            "--duration",
            "500ms",
            "--vacuous-max",
            "100",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn the_environment_has_twins_of_flags() {
    let folder = folder();
    let mut command = Command::cargo_bin("squall").expect("built");
    let arguments = [&["run", "--json", "--nemesis", "none"], &TINY[..]].concat();
    let output = command
        .env("SQUALL_SEED", "0x2a")
        .env("SQUALL_RESULTS", "elsewhere")
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .expect("it runs");
    let line = json(&output);
    assert_eq!(line["seed"], 42);
    assert!(line["results"].as_str().is_some_and(|results| results.starts_with("elsewhere/append/")));
}
