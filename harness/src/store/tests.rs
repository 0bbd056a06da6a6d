//! Tests of what is written, and of what is not when writing fails.

use std::path::Path;

use super::*;
use crate::soak::Wanted;

/// A small run, and what is stored of it.
fn stored(test: impl FnOnce(&StoredRun<'_>)) {
    let wanted = Wanted {
        nodes: Some(3),
        clients: Some(2),
        duration_ms: Some(200),
        nemesis: Some("none".into()),
        ..Wanted::default()
    };
    let experiment = wanted.experiment().expect("possible");
    let plan = experiment.plan(0x2a);
    let outcome = experiment.run_traced(&plan);
    let line = RunLine::new(&plan.config, plan.seed, &outcome, 0, String::new());
    let record = RunRecord::new("build".into(), "now".into(), line, plan.config.clone(), &outcome);
    let text = plan_text(&plan);
    test(&StoredRun {
        record: &record,
        plan: &text,
        outcome: &outcome,
        report: &|replay| format!("<p>{replay}"),
        rust_test: None,
    });
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("text")
    };
    let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").map(entry).collect();
    names.sort();
    names
}

#[test]
fn a_run_has_a_folder_of_its_own_with_everything_in_it() {
    let root = tempfile::tempdir().expect("a folder");
    let store = Store::open(&root.path().join("results")).expect("writable");
    stored(|run| {
        let (first, record) = store.write_run("20260712T101500Z", run).expect("written");
        let (second, _) = store.write_run("20260712T101500Z", run).expect("written");
        assert!(first.ends_with("results/append/20260712T101500Z-paxos-0x2a"));
        assert!(second.ends_with("results/append/20260712T101500Z-paxos-0x2a-2"));
        let files =
            ["history.jsonl", "history.txt", "plan.json", "report.html", "run.json", "trace.jsonl.zst"];
        assert_eq!(names(&first), files);
        assert_eq!(names(first.parent().expect("a parent")).len(), 2, "nothing unfinished is left");
        let latest = fs::canonicalize(root.path().join("results/latest")).expect("a link");
        assert_eq!(latest, fs::canonicalize(&second).expect("a folder"));
        assert_eq!(record.run.results.as_deref(), first.to_str());
        let html = fs::read_to_string(first.join("report.html")).expect("a report");
        assert!(html.starts_with("<p>squall replay "));
        let trace =
            zstd::decode_all(&fs::read(first.join("trace.jsonl.zst")).expect("a trace")[..]).expect("packed");
        assert_eq!(trace.iter().filter(|byte| **byte == b'\n').count(), run.outcome.trace.len());
    });
}

fn soak_pages() -> SoakPages {
    SoakPages { summary: "{}".into(), junit: "<x/>".into(), index: "<p>".into() }
}

/// The lines that a soak left.
fn earlier(soak: &mut SoakFolder) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    let is_torn = soak.earlier(&mut |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    (lines, is_torn.expect("readable"))
}

#[test]
fn a_soak_has_a_line_per_seed_and_its_failures() {
    let root = tempfile::tempdir().expect("a folder");
    let store = Store::open(root.path()).expect("writable");
    stored(|run| {
        let mut soak = store.begin_soak("20260712T101500Z", "asked").expect("writable");
        soak.seed("{}").expect("written");
        let (first, record) = soak.failure(run).expect("written");
        assert_eq!(soak.failure(run).expect("written").0, first, "the same failure is not stored twice");
        assert_eq!(soak.failures().expect("readable")[0].1.run, record.run);
        let path = soak.finish(&soak_pages()).expect("written");
        let files = ["failures", "index.html", "junit.xml", "seeds.jsonl", "soak.json", "summary.json"];
        assert_eq!(names(&path), files);
        assert_eq!(names(&path.join("failures")), ["paxos-0x2a"]);
        let second = store.begin_soak("20260712T101500Z", "asked").expect("writable");
        assert!(second.path().ends_with("soak-20260712T101500Z-2"));
    });
}

#[test]
fn a_soak_goes_on_only_if_it_is_the_same_did_not_end_and_is_left_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let store = Store::open(root.path()).expect("writable");
    let resumed = || store.resume_soak("asked").expect("readable");
    assert!(resumed().is_none(), "nothing is there");
    let mut soak = store.begin_soak("1", "asked").expect("writable");
    let path = soak.path().to_owned();
    soak.seed("one").expect("written");
    assert!(resumed().is_none(), "somebody works on it");
    drop(soak);
    assert!(store.resume_soak("asked something else").expect("readable").is_none());

    // Killed in the middle of a line, and of a failure.
    let lines = path.join("seeds.jsonl");
    fs::write(&lines, "one\ntwo\nthr").expect("written");
    fs::create_dir_all(path.join("failures/paxos-0x1/.unfinished-shrunk-1")).expect("made");
    fs::create_dir_all(path.join("failures/.unfinished-paxos-0x2-1")).expect("made");
    let mut soak = resumed().expect("the same");
    assert_eq!(names(&path.join("failures")), ["paxos-0x1"]);
    assert_eq!(names(&path.join("failures/paxos-0x1")), [""; 0]);
    assert_eq!(earlier(&mut soak), (vec!["one".into(), "two".into()], true));
    soak.seed("three").expect("written");
    assert_eq!(fs::read_to_string(&lines).expect("text"), "one\ntwo\nthree\n");
    assert!(!earlier(&mut soak).1, "it is whole again");
    soak.finish(&soak_pages()).expect("written");
    assert!(resumed().is_none(), "it ended");
}

#[test]
fn a_file_in_the_way_is_named() {
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("results");
    fs::write(&file, "").expect("written");
    let error = Store::open(&file).expect_err("a file").to_string();
    assert!(
        error
            .ends_with("results is a file, but results need a folder there; give another one with --results")
    );
    let error = Store::open(&file.join("below")).expect_err("below a file").to_string();
    assert!(error.contains("a part of this path is a file"), "{error}");
}

/// `/dev/full` is a disk without space.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_with_its_remedy() {
    let error = write_file(Path::new("/dev/full"), b"x").expect_err("full").to_string();
    assert_eq!(
        error,
        "cannot write /dev/full: No space left on device (os error 28); free some space, or give another folder with \
         --results"
    );
}

/// A run that cannot be stored whole leaves nothing behind that looks like a result.
#[cfg(target_os = "linux")]
#[test]
fn a_failed_write_leaves_nothing_half_written() {
    let root = tempfile::tempdir().expect("a folder");
    stored(|run| {
        let unfinished = root.path().join(format!(".unfinished-name-{}", std::process::id()));
        // The report is the next to last file: a text that no file can hold comes too late to prevent the others.
        let report = |_: &str| {
            fs::create_dir(unfinished.join("run.json")).expect("in the way");
            String::new()
        };
        let run = StoredRun { report: &report, ..*run };
        let error = write_run_folder(root.path(), "name", &run).expect_err("in the way").to_string();
        assert!(error.starts_with("cannot write"), "{error}");
        assert_eq!(names(root.path()), Vec::<String>::new());
    });
}

#[test]
fn plans_are_kept_once_and_never_over_another() {
    let root = tempfile::tempdir().expect("a folder");
    let save = |text| Store::save_plan(root.path(), "append-0x1", text).expect("written");
    let (first, again, other) = (save("one"), save("one"), save("two"));
    assert_eq!(first, again);
    assert!(other.ends_with("append-0x1-2.json"));
}
