//! Soaks whose results are copied to an object store: a folder stands for it, or a bucket in memory, and nothing leaves
//! the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[path = "common/bucket.rs"]
mod bucket;
#[path = "common/command.rs"]
mod command;
use command::{done, folder, squall, stderr};

const SMALL: &str = "soak --nodes 3 --clients 3 --duration 300ms --bug no-deduplication --shrink 0s --vacuous-max 100 --jobs 1";

/// What does not depend on when and where a seed ran, by seed.
fn lines(soak: &Path) -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(soak.join("seeds.jsonl")).expect("lines");
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a whole line");
        for key in ["elapsed_ms", "cpu_us", "results", "replay"] {
            line.as_object_mut().expect("an object").remove(key);
        }
        (line["seed"].as_u64().expect("a seed"), line)
    };
    text.lines().map(line).collect()
}

/// The address of a folder that stands for a bucket.
fn bucket(store: &TempDir) -> String {
    format!("file://{}", store.path().join("bucket").display())
}

fn make_bucket(store: &TempDir) {
    std::fs::create_dir_all(store.path().join("bucket")).expect("made");
}

#[test]
fn a_soak_whose_machine_is_lost_goes_on_from_its_depot() {
    let (store, first, second, alone) = (folder(), folder(), folder(), folder());
    make_bucket(&store);
    let arguments = format!("{SMALL} --seeds 0..2000 --upload {}", bucket(&store));
    // Long enough that a part is copied before it ends, and then the machine is gone with its disk.
    let mut command = squall(first.path(), &arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let has_part = || walk(store.path()).iter().any(|path| path.ends_with("lines/000001.jsonl"));
    #[expect(clippy::disallowed_methods, reason = "how long another process takes is real time")]
    let began = Instant::now();
    while !has_part() && began.elapsed() < Duration::from_secs(60) && child.try_wait().expect("it").is_none()
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(has_part(), "nothing was copied: {:?}", walk(store.path()));
    let is_over = walk(store.path()).iter().any(|path| path.ends_with("summary.json"));
    drop(first);

    let output = done(second.path(), &arguments);
    let told = stderr(&output);
    assert!(is_over || told.contains("seeds are done"), "{told}");
    assert!(told.contains(&format!("copied to {}", bucket(&store))), "{told}");
    done(alone.path(), &format!("{SMALL} --seeds 0..2000 --results whole"));
    let whole = soaks(&alone.path().join("whole"));
    let output = done(second.path(), &format!("merge {} --into united", bucket(&store)));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let united = second.path().join("united");
    assert_eq!(lines(&united), lines(Path::new(&whole[0])));
    let failures = std::fs::read_dir(united.join("failures")).expect("failures").count();
    assert!((1..=5).contains(&failures), "{failures} failures of one cause");
    let left = walk(second.path()).iter().any(|path| path.contains(".fetched"));
    assert!(!left, "what was brought to be united is gone");
}

#[test]
fn shares_in_a_depot_are_united_from_there() {
    let (store, apart, whole) = (folder(), folder(), folder());
    make_bucket(&store);
    for share in ["0/2", "1/2"] {
        let arguments = format!("{SMALL} --seeds 3..63 --shard {share} --upload {}", bucket(&store));
        let output = done(apart.path(), &arguments);
        assert!(stderr(&output).contains("copied to file://"), "{}", stderr(&output));
    }
    done(whole.path(), &format!("{SMALL} --seeds 3..63 --results whole"));
    let output = done(apart.path(), &format!("merge {} --into united", bucket(&store)));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let one = soaks(&whole.path().join("whole"));
    assert_eq!(lines(&apart.path().join("united")), lines(Path::new(&one[0])));
}

/// The same over HTTP, as S3 has it.
#[test]
fn a_bucket_holds_a_soak_and_gives_it_back() {
    let (first, second) = (folder(), folder());
    let bucket = bucket::Bucket::serve();
    let run = |folder: &TempDir, arguments: &str| {
        bucket.told(squall(folder.path(), arguments)).output().expect("it runs")
    };
    let output =
        run(&first, &format!("{SMALL} --seeds 0..40 --results whole --upload s3://squall/nightly/all"));
    assert!(stderr(&output).contains("copied to s3://squall/nightly/all/soak-"), "{}", stderr(&output));
    for name in ["soak.json", "lines/000001.jsonl", "summary.json", "index.html", "report.html"] {
        let is_there =
            bucket.keys().iter().any(|key| key.starts_with("nightly/all/soak-") && key.ends_with(name));
        assert!(is_there, "no {name} in {:?}", bucket.keys());
    }
    let output = run(&second, "merge s3://squall/nightly/all --into united");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let whole = soaks(&first.path().join("whole"));
    assert_eq!(lines(&second.path().join("united")), lines(Path::new(&whole[0])));
    let output = run(&second, "merge s3://elsewhere --into nothing");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("elsewhere"), "{}", stderr(&output));
}

/// What a disk lost is copied again, so that lines of a search come twice; they are learned once.
#[test]
fn a_search_whose_machine_is_lost_goes_on_from_its_depot() {
    const GUIDED: &str =
        "soak --guided --nodes 3 --clients 3 --duration 300ms --bug no-deduplication --seeds 0..40 --jobs 1";
    let (store, first, second) = (folder(), folder(), folder());
    make_bucket(&store);
    let arguments = format!("{GUIDED} --upload {}", bucket(&store));
    let output = done(first.path(), &arguments);
    assert!(stderr(&output).contains("copied to file://"), "{}", stderr(&output));
    let copy = PathBuf::from(soaks(&store.path().join("bucket")).remove(0));
    let summary = || {
        let text = std::fs::read_to_string(copy.join("summary.json")).expect("a summary");
        let mut summary: Value = serde_json::from_str(&text).expect("JSON");
        // They name the folder.
        summary["failures"] = summary["failures"].as_array().expect("failures").len().into();
        summary
    };
    let before = summary();
    // As if it had been killed after its third batch, on a disk that had lost the first two.
    let parts: Vec<_> = walk(&copy.join("lines"));
    let text: String = parts.iter().map(|part| std::fs::read_to_string(part).expect("a part")).collect();
    parts.iter().for_each(|part| std::fs::remove_file(part).expect("removed"));
    let lines: Vec<&str> = text.lines().collect();
    std::fs::remove_file(copy.join("summary.json")).expect("removed");
    let part = [lines[0], lines[1], lines[0], lines[1], lines[2], ""].join("\n");
    std::fs::write(copy.join("lines/000001.jsonl"), part).expect("written");
    let output = done(second.path(), &arguments);
    assert!(stderr(&output).contains("24 runs are done"), "{}", stderr(&output));
    assert_eq!(summary(), before);
    // A line between is missing: nothing is made of the rest.
    std::fs::remove_file(copy.join("summary.json")).expect("removed");
    std::fs::write(copy.join("lines/000001.jsonl"), [lines[0], lines[2], ""].join("\n")).expect("written");
    let third = folder();
    let output = done(third.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("seeds.jsonl:2: the lines of the runs from 8 on are missing"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_depot_that_cannot_be_is_refused() {
    let (store, results) = (folder(), folder());
    for (address, told) in [
        ("s3://", "expected s3://bucket/prefix or file:///folder"),
        ("gs://bucket/prefix", "there are no stores of the kind \"gs\""),
        ("results", "relative URL without a base"),
    ] {
        let output = done(results.path(), &format!("{SMALL} --seeds 0..2 --upload {address}"));
        assert_eq!(output.status.code(), Some(2), "{address}");
        assert!(stderr(&output).contains(told), "{address}: {}", stderr(&output));
    }
    make_bucket(&store);
    let output = done(results.path(), &format!("merge {}", bucket(&store)));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("holds no soak"), "{}", stderr(&output));
}

/// The folders of soaks in a folder.
fn soaks(results: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(results).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_soak = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("soak-"))
    };
    entries.filter(is_soak).map(|path| path.display().to_string()).collect()
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() && !path.is_symlink() {
            files.extend(walk(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}
