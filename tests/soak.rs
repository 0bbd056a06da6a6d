//! Soaks as they are used: killed at any instant and started again, shared out and united, over everything at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use squall::workloads::decide::Decide;

#[path = "common/command.rs"]
mod command;
use command::{done, folder, squall, stderr};

/// How often the soak is killed.
const KILLS: u64 = 100;
/// A seed takes a few milliseconds, and some seeds fail.
const SMALL: &str =
    "soak --nodes 3 --clients 3 --duration 300ms --bug no-deduplication --shrink 0s --vacuous-max 100";

/// The folders of soaks below `results`.
fn soaks(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("results")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut soaks: Vec<_> = paths.filter(|path| name(path).starts_with("soak-")).collect();
    soaks.sort();
    soaks
}

/// What does not depend on when and where a seed ran, by seed. Fails if a seed is there twice.
fn lines(soak: &Path) -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(soak.join("seeds.jsonl")).expect("lines");
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let mut line: Value = serde_json::from_str(line).expect("a whole line");
        for key in ["elapsed_ms", "cpu_us", "results", "replay"] {
            line.as_object_mut().expect("an object").remove(key);
        }
        let seed = line["seed"].as_u64().expect("a seed");
        assert!(lines.insert(seed, line).is_none(), "seed {seed} is there twice");
    }
    lines
}

/// What a summary says of the runs, without times, places and what depends on which failures are stored.
fn counts(soak: &Path) -> Value {
    let text = std::fs::read_to_string(soak.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    let keys = [
        "verdict",
        "mode",
        "workload",
        "seed_first",
        "seeds",
        "verdicts",
        "vacuous_percent",
        "operations",
        "faults",
        "simulated_ms",
        "completed_operations_per_seed_median",
        "recovery_first_ms",
        "recovery_all_ms",
        "coverage",
    ];
    keys.iter().map(|key| serde_json::json!([key, summary[key]])).collect()
}

/// The only soak below `results`.
fn only_soak(folder: &Path) -> PathBuf {
    let mut soaks = soaks(folder);
    assert_eq!(soaks.len(), 1, "one soak: {soaks:?}");
    soaks.remove(0)
}

fn assert_whole(soak: &Path) {
    for name in ["soak.json", "seeds.jsonl", "summary.json", "junit.xml", "index.html"] {
        assert!(soak.join(name).is_file(), "{name}");
    }
    let failures = std::fs::read_dir(soak.join("failures")).expect("failures");
    for failure in failures.map(|entry| entry.expect("an entry").path()) {
        assert!(failure.join("run.json").is_file(), "{} is not whole", failure.display());
    }
}

/// Starts a soak and kills it some time after it has written so many more lines; whether it ended before, or was only
/// about to leave: what has its summary is over.
fn killed_after(folder: &Path, arguments: &str, lines_more: u64, then: Duration) -> bool {
    let lines = || soaks(folder).first().map_or(0, |soak| lines_whole(soak) as u64);
    let enough = lines() + lines_more;
    let mut command = squall(folder, arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while lines() < enough {
        if child.try_wait().expect("a child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    std::thread::sleep(then);
    child.kill().expect("killed");
    let has_left = child.wait().expect("it is gone").code().is_some();
    has_left || soaks(folder).iter().any(|soak| soak.join("summary.json").exists())
}

#[test]
fn a_soak_killed_a_hundred_times_loses_nothing_and_doubles_nothing() {
    let (mut kills, mut round) = (0, 0);
    while kills < KILLS {
        let folder = folder();
        let arguments = format!("{SMALL} --seeds {}..{} --jobs 2", round * 1_000, round * 1_000 + 250);
        let mut is_over = false;
        while !is_over && kills < KILLS {
            let mut draw = Decide::new(7).at("test.kill", &[kills]);
            let (lines_more, then) = (draw.range(0..=12), Duration::from_micros(draw.range(0..=9_000)));
            is_over = killed_after(folder.path(), &arguments, lines_more, then);
            kills += u64::from(!is_over);
        }
        let lines_before = soaks(folder.path()).first().map_or(0, |soak| lines_whole(soak));
        if soaks(folder.path()).iter().all(|soak| !soak.join("summary.json").exists()) {
            let text = stderr(&done(folder.path(), &arguments));
            let expected = format!("{lines_before} seeds are done");
            assert!(lines_before == 0 || text.contains(&expected), "{expected}: {text}");
        }
        let soak = only_soak(folder.path());
        assert_whole(&soak);

        let alone = self::folder();
        done(alone.path(), &arguments.replace("--jobs 2", "--jobs 1"));
        let uninterrupted = only_soak(alone.path());
        assert_eq!(lines(&soak), lines(&uninterrupted), "round {round}");
        assert_eq!(counts(&soak), counts(&uninterrupted), "round {round}");
        round += 1;
    }
}

/// What does not depend on times and places: the runs of a guided soak, and its summary. Fails unless exactly the
/// failures that its lines name are there, whole.
fn search(soak: &Path) -> (Vec<Value>, Value) {
    let text = std::fs::read_to_string(soak.join("seeds.jsonl")).expect("lines");
    let mut runs = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a whole line");
        runs.extend(line["runs"].as_array().expect("runs").clone());
    }
    let mut named = BTreeSet::new();
    for run in &mut runs {
        if let Some(results) = run["results"].as_str() {
            let name = Path::new(results).file_name().expect("a name").to_string_lossy().into_owned();
            assert!(soak.join("failures").join(&name).join("run.json").is_file(), "{results} is not whole");
            run["results"] = name.as_str().into();
            named.insert(name);
        }
    }
    let stored = std::fs::read_dir(soak.join("failures")).expect("failures").map(|entry| entry.expect("one"));
    let stored: BTreeSet<_> = stored.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(stored, named, "failures that no line names");
    let text = std::fs::read_to_string(soak.join("summary.json")).expect("a summary");
    let mut summary: Value = serde_json::from_str(&text).expect("JSON");
    let failures = summary.as_object_mut().expect("an object").remove("failures").expect("failures");
    summary["failures"] = failures.as_array().expect("a list").len().into();
    (runs, summary)
}

/// Seen to catch, each planted once: a batch's line that is written before the failures it names (one is not whole); a
/// failure that is stored again beside itself by the run after the kill (no line names it); a search made again from
/// lessons without their states (other plans are kept, and another search follows).
#[test]
fn a_guided_soak_killed_again_and_again_makes_the_same_search() {
    const GUIDED: &str =
        "soak --guided --nodes 3 --clients 3 --duration 300ms --bug no-deduplication --seeds 0..240 --jobs 2";
    let folder = folder();
    let (mut kills, mut is_over) = (0, false);
    while !is_over && kills < KILLS / 4 {
        let mut draw = Decide::new(8).at("test.kill", &[kills]);
        let (lines_more, then) = (draw.range(0..=2), Duration::from_micros(draw.range(0..=40_000)));
        is_over = killed_after(folder.path(), GUIDED, lines_more, then);
        kills += u64::from(!is_over);
    }
    assert!(kills >= 5, "only killed {kills} times");
    let soak = only_soak(folder.path());
    if !soak.join("summary.json").exists() {
        let done_before = lines_whole(&soak) * 8;
        let text = stderr(&done(folder.path(), GUIDED));
        assert!(text.contains(&format!("{done_before} runs are done")), "{done_before}: {text}");
    }
    let alone = self::folder();
    let output = done(alone.path(), &GUIDED.replace("--jobs 2", "--jobs 1"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (killed, uninterrupted) = (search(&only_soak(folder.path())), search(&only_soak(alone.path())));
    assert_eq!(killed, uninterrupted);
    assert_eq!((killed.0.len(), &killed.1["runs"]), (240, &240.into()));
    // Its runs are no seeds.
    let soak = soak.display().to_string();
    let output = done(folder.path(), &format!("merge {soak}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a guided soak, which cannot be united"), "{}", stderr(&output));
}

/// Lines that are whole; the last one may be torn.
fn lines_whole(soak: &Path) -> usize {
    let bytes = std::fs::read(soak.join("seeds.jsonl")).expect("lines");
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn what_was_torn_is_said_and_runs_again() {
    let folder = folder();
    let arguments = format!("{SMALL} --seeds 0..20 --jobs 1");
    done(folder.path(), &arguments);
    let soak = only_soak(folder.path());
    let (before, summary) = (lines(&soak), soak.join("summary.json"));
    // As if it had been killed while it wrote the last of its lines.
    let text = std::fs::read_to_string(soak.join("seeds.jsonl")).expect("lines");
    std::fs::write(soak.join("seeds.jsonl"), &text[..text.len() - 40]).expect("written");
    std::fs::remove_file(summary).expect("removed");
    let told = stderr(&done(folder.path(), &arguments));
    assert!(told.contains("19 seeds are done\n") && told.contains("is torn; the seed runs again"), "{told}");
    assert_eq!(lines(&only_soak(folder.path())), before);
    // What is wrong in the middle is not torn, and nothing is made of it.
    std::fs::write(soak.join("seeds.jsonl"), format!("{{}}\n{text}")).expect("written");
    std::fs::remove_file(soak.join("summary.json")).expect("removed");
    let output = done(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("seeds.jsonl:1: missing field"), "{}", stderr(&output));
}

#[test]
fn two_shares_united_are_one_soak() {
    let (apart, whole) = (folder(), folder());
    let arguments = format!("{SMALL} --seeds 3..73");
    done(whole.path(), &arguments);
    for share in ["0/2", "1/2"] {
        done(apart.path(), &format!("{arguments} --shard {share}"));
    }
    let shares = soaks(apart.path());
    assert_eq!(shares.iter().map(|share| lines(share).len()).collect::<Vec<_>>(), [35, 35]);
    let names: Vec<_> = shares.iter().map(|share| share.display().to_string()).collect();
    let output = done(apart.path(), &format!("merge {} --into united", names.join(" ")));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (united, one) = (apart.path().join("united"), only_soak(whole.path()));
    assert_eq!(lines(&united), lines(&one));
    assert_eq!(counts(&united), counts(&one));
    assert_whole(&united);

    // Again, and with itself: nothing changes.
    let before = std::fs::read_to_string(united.join("seeds.jsonl")).expect("lines");
    let output = done(apart.path(), &format!("merge united {} --into united", names.join(" ")));
    assert!(stderr(&output).contains("70 lines told of seeds that others told too"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(united.join("seeds.jsonl")).expect("lines"), before);
    let failures = std::fs::read_dir(united.join("failures")).expect("failures").count();
    assert!((1..=5).contains(&failures), "{failures} failures of one cause");

    // Another soak is not united with it; and two runs of one seed must be the same.
    done(apart.path(), &format!("{arguments} --keys 2"));
    let other = soaks(apart.path()).pop().expect("a soak").display().to_string();
    let output = done(apart.path(), &format!("merge united {other}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("differ in mode, workload, faults or sizes"), "{}", stderr(&output));
    let lines = shares[0].join("seeds.jsonl");
    let text = std::fs::read_to_string(&lines).expect("lines");
    let digest = text.split("\"digest\":\"").nth(1).expect("a digest")[..32].to_owned();
    std::fs::write(&lines, text.replace(&digest, &"0".repeat(32))).expect("written");
    let output = done(apart.path(), &format!("merge united {} --json", names[0]));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["not_deterministic"].as_array().map(Vec::len), Some(1), "{summary}");
}

#[test]
fn everything_at_once_names_each_mode_and_workload() {
    let folder = folder();
    let output = done(
        folder.path(),
        "soak --mode all --workload all --duration 500ms --clients 4 --seeds 0..120 --vacuous-max 100 --json",
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let summary: Value = serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON");
    assert_eq!((&summary["mode"], &summary["workload"]), (&"all".into(), &"all".into()));
    let configurations = summary["configurations"].as_array().expect("configurations");
    let coverage = summary["coverage"].as_array().expect("tables");
    for (_, mode, _) in squall::soak::MODES {
        assert!(configurations.iter().any(|line| line["mode"] == *mode), "{mode}");
        let table = coverage.iter().find(|table| table["mode"] == *mode).expect("a table per mode");
        assert!(table["coverage"]["executed"]["none"].as_u64() > Some(5), "{table}");
        assert!(stderr(&output).contains(&format!("coverage            {mode}: ")), "{}", stderr(&output));
    }
    assert!(!stderr(&output).contains("yet seen"), "{}", stderr(&output));
    assert!(
        summary["simulated_ms"].as_u64() > Some(0)
            && summary["faults"]["partition"]["injected"].as_u64() > Some(0)
    );
    // Each line says how to run it again, and the same comes of it.
    let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let replay = line["replay"].as_str().expect("a command").strip_prefix("squall ").expect("of ours");
    let again = done(folder.path(), &format!("{replay} --json"));
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["digest"], line["digest"]);
}

#[test]
fn a_share_by_the_environment_and_what_github_is_told() {
    let folder = folder();
    let arguments = format!("{SMALL} --seeds 0..40 --shard 4 -q");
    let output = done(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--shard 4 needs JOB_COMPLETION_INDEX"), "{}", stderr(&output));
    let step = folder.path().join("step.md");
    let mut command = squall(folder.path(), &arguments);
    command.env("JOB_COMPLETION_INDEX", "2").env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &step);
    let output = command.output().expect("it runs");
    let soak = only_soak(folder.path());
    assert_eq!(lines(&soak).keys().copied().collect::<Vec<_>>(), [2, 6, 10, 14, 18, 22, 26, 30, 34, 38]);
    let failed = output.status.code() == Some(1);
    assert_eq!(stderr(&output).contains("::error title=paxos exactly-once"), failed, "{}", stderr(&output));
    assert!(failed, "some of these seeds fail");
    let step = std::fs::read_to_string(step).expect("a summary");
    assert!(
        step.contains("### squall soak: invalid (10 seeds") && step.contains("| paxos | append |"),
        "{step}"
    );
}

/// Resident memory of a process, in kibibytes.
#[cfg(target_os = "linux")]
fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_over_ten_thousand_seeds() {
    const SEEDS: usize = 10_000;
    let folder = folder();
    let arguments = format!(
        "soak --mode single --clients 2 --ops 4 --duration 20ms --bug no-deduplication --shrink 0s --vacuous-max 100 \
         --seeds 0..{SEEDS} --jobs 2"
    );
    let mut command = squall(folder.path(), &arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut samples = Vec::new();
    while child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(20));
        let seeds = soaks(folder.path()).first().map_or(0, |soak| lines_whole(soak));
        samples.extend(resident_kib(child.id()).map(|kib| (seeds, kib)));
    }
    assert_eq!(lines_whole(&only_soak(folder.path())), SEEDS);
    let most = |from: usize, to: usize| {
        samples.iter().filter(|(seeds, _)| (from..to).contains(seeds)).map(|(_, kib)| *kib).max()
    };
    // Failures are recorded at the beginning, which takes the most.
    let (early, late) = (most(0, SEEDS / 2), most(SEEDS / 2, SEEDS + 1));
    let (early, late) = (early.expect("samples"), late.expect("samples"));
    assert!(
        late <= early + early / 20,
        "{early} KiB in the first half, {late} KiB in the second: {samples:?}"
    );
}
