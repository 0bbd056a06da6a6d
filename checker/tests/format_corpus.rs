//! Every recorded and generated history of the corpus gets the verdict that its tables say, with a certificate that
//! is verified.
//!
//! The corpus is no part of the repository: where it is absent the test says so and passes. `SQUALL_HISTORIES`
//! names its folder. Not one verdict may be unknown: keys of unique values need no search, and the search decides
//! those in which values repeat.

use std::fs;
use std::path::{Path, PathBuf};

use squall_checker::judge::{Judged, Options, judge};
use squall_checker::{Bounds, Verdict};

/// Search steps per history: twice what the hardest needs.
const STEPS_MAX: u64 = 1_000_000;
/// Bytes of the search's tables per history.
const MEMORY_BYTES_MAX: usize = 64 << 20;

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("SQUALL_HISTORIES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no histories at {} (SQUALL_HISTORIES names their folder)", folder.display());
    None
}

fn judged(path: &Path) -> Judged<'static> {
    judged_with_faults(path).0
}

fn judged_with_faults(path: &Path) -> (Judged<'static>, usize) {
    // What is judged borrows its text.
    let bytes = fs::read(path).unwrap().leak();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned().leak();
    let bounds = Bounds {
        steps_max: STEPS_MAX,
        memory_bytes_max: MEMORY_BYTES_MAX,
        certificates: true,
        ..Bounds::default()
    };
    let judged = judge(name, bytes, &Options::default(), &bounds);
    let (recorded, judged) = judged.unwrap_or_else(|error| panic!("{error}"));
    if let Err(error) = judged.history.verify(&judged.outcome) {
        panic!("{name}: {error}");
    }
    (judged, recorded.fault_events())
}

/// What a table expects of one file.
struct Expected {
    path: PathBuf,
    valid: bool,
    operations: Option<usize>,
}

fn table(folder: &Path, file: &str) -> Vec<Expected> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter_map(|row| match row[..] {
        [file, verdict] => Some(Expected {
            path: folder.join(file),
            valid: verdict.parse().expect("true or false"),
            operations: None,
        }),
        ["file", ..] => None,
        [file, _, operations, verdict, _] => Some(Expected {
            path: folder.join(file),
            valid: verdict == "OK",
            operations: Some(operations.parse().expect("a number")),
        }),
        _ => panic!("a row of {file} has {} columns", row.len()),
    })
    .collect()
}

/// Judges the files of a table; how many.
fn compare(folder: &Path, file: &str) -> usize {
    let mut wrong = Vec::new();
    let expected = table(folder, file);
    for Expected { path, valid, operations } in &expected {
        let name = path.file_name().unwrap().to_string_lossy();
        let judged = judged(path);
        let verdict = judged.outcome.verdict;
        if verdict != if *valid { Verdict::Valid } else { Verdict::Invalid } {
            wrong.push(format!("{name}: {verdict}, {:?}", judged.outcome.reason));
        }
        if operations.is_some_and(|operations| operations != judged.operations.total()) {
            wrong.push(format!("{name}: {} operations", judged.operations.total()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    expected.len()
}

#[test]
fn recorded_histories_of_etcd_and_a_key_value_store() {
    let Some(folder) = corpus() else { return };
    let files = compare(&folder.join("porcupine"), "expected.tsv");
    assert_eq!(files, 108);
    let empty = judged(&folder.join("porcupine/jepsen/etcd_095.log"));
    assert_eq!(empty.outcome.verdict, Verdict::Vacuous);
}

#[test]
fn edge_cases() {
    let Some(folder) = corpus() else { return };
    let files = compare(&folder.join("edge"), "manifest.tsv");
    assert_eq!(files, 32);
}

#[test]
fn generated_histories() {
    let Some(folder) = corpus() else { return };
    let files = compare(&folder.join("generated"), "manifest.tsv");
    assert!(files > 70, "{files}");
}

#[test]
fn a_recorded_etcd_is_linearizable_and_a_redis_is_not() {
    let Some(folder) = corpus() else { return };
    let (etcd, fault_events) = judged_with_faults(&folder.join("recorded/etcd-history-linearizable.jsonl"));
    assert_eq!(etcd.outcome.verdict, Verdict::Valid, "{:?}", etcd.outcome.reason);
    assert!(fault_events > 20);
    let redis = judged(&folder.join("recorded/redis-history-manual-failover.jsonl"));
    assert_eq!(redis.outcome.verdict, Verdict::Invalid);
    let mut keys: Vec<_> = redis
        .outcome
        .partitions
        .iter()
        .map(|partition| (partition.key.as_str(), partition.verdict == Verdict::Valid))
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, [("k0", false), ("k1", false), ("k2", false), ("k3", false), ("k4", true)]);
}
