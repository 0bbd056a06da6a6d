//! Every kind of fault is seen to bite: some seed of a run with nothing but that fault has it change something.
//!
//! A fault that never changes a message or an operation finds no bug, however often it is drawn.

use squall::nemesis::Family;
use squall::nemesis::catalogue::KINDS;
use squall::soak::{PlanText, Wanted};
use squall::trial;
use squall::trial::Outcome;
use squall::workloads::append;

/// Seeds in which a fault must bite at least once.
const SEEDS: u64 = 12;

/// Nodes without leases read no clock: a wrong one shows only in how fast their timers run.
const NEED_A_CLOCK: [&str; 2] = ["clock-jump", "clock-strobe"];

#[test]
fn every_kind_of_fault_bites() {
    let mut toothless = Vec::new();
    for kind in KINDS.iter().filter(|kind| !NEED_A_CLOCK.contains(&kind.name)) {
        // Only groups that share their keys can come and go.
        let is_of_groups = kind.family == Family::Cluster;
        let (mode, duration_ms) = if is_of_groups { ("sharded", 5_000) } else { ("paxos", 2_500) };
        let wanted = Wanted {
            mode: Some(mode.into()),
            // Only who left can join again.
            nemesis: Some(if kind.name == "join" { "join,leave" } else { kind.name }.into()),
            duration_ms: Some(duration_ms),
            ..Wanted::default()
        };
        let experiment = wanted.experiment().unwrap_or_else(|error| panic!("{error}"));
        let is_it = |description: &str| kind.name != "join" || description.contains("join");
        let bites = |seed| {
            let faults = experiment.run(&experiment.plan(seed)).faults;
            faults.iter().any(|fault| fault.effective > 0 && is_it(&fault.description))
        };
        if !(0..SEEDS).any(bites) {
            toothless.push(kind.name);
        }
    }
    assert!(toothless.is_empty(), "these faults changed nothing in {SEEDS} seeds: {toothless:?}");
}

#[test]
fn faults_beyond_the_model_are_said_to_be() {
    let outside = |name: &str| {
        let run = |seed| trial(squall::paxos(3), append(2)).nemesis(name).seed(seed).duration_ms(2_500).run();
        (0..6).map(run).any(|outcome| outcome.outside_model)
    };
    assert!(outside("lying-sync"));
    assert!(!outside("crash"));
}

/// A run under faults written in words.
fn run_written(text: &str, seed: u64) -> Outcome {
    let plan = PlanText { path: "test.plan".into(), text: text.into() };
    let wanted = Wanted { plan: Some(plan), duration_ms: Some(2_500), ..Wanted::default() };
    let experiment = wanted.experiment().unwrap_or_else(|error| panic!("{error}"));
    experiment.run(&experiment.plan(seed))
}

#[test]
fn a_fault_fires_at_the_step_that_it_names() {
    for moment in ["", " before sync", " before send"] {
        for event in ["leader-elected", "promise-sent", "accepted-sent nth 20", "chosen of leader nth 20"] {
            // Without a cut there is no election to wait for.
            let (event, count) = event.split_once(" nth").unwrap_or((event, " 1"));
            let (kind, of) = event.split_once(' ').unwrap_or((event, ""));
            let text = format!(
                "at 100ms: isolate leader for 1.5s\n\
                 on {kind}{moment} {of} nth{count}: crash it losing unsynced for 300ms\n"
            );
            let outcome = run_written(&text, 1);
            assert!(outcome.violations.is_empty(), "{text}: {:?}", outcome.violations);
            let crash = outcome.faults.iter().find(|fault| fault.id == 2).expect("it is recorded");
            assert!(crash.withheld.is_none() && crash.effective > 0, "{text}: {crash:?}");
        }
    }
}

#[test]
fn a_crash_before_the_send_keeps_the_promise_and_hides_it() {
    // The candidate asks; whoever promises first dies before it can say so, with its promise on the disk.
    let text = "at 100ms: isolate leader for 1.5s\non promise-sent before send: crash it for 300ms\n";
    let outcome = run_written(text, 1);
    let crash = outcome.faults.iter().find(|fault| fault.id == 2).expect("it is recorded");
    let victim = &crash.targets[0];
    let sent =
        outcome.messages.iter().find(|(kind, _)| kind == "promise").expect("there are promises").1.sent;
    assert!(crash.description.contains(victim.as_str()) && sent > 0, "{crash:?}, {sent} promises");
    let other = run_written(&text.replace(" before send", ""), 1);
    assert_ne!(outcome.digest, other.digest, "after the send is another moment");
}

#[test]
fn service_must_be_back_after_every_healing_within_its_bound() {
    // All are down at once: it takes an election until anything succeeds again, long before chaos ends.
    let run = |recovery_ms| {
        let text = "at 500ms: crash-all for 100ms".to_owned();
        let plan = Some(PlanText { path: "test.plan".into(), text });
        let wanted =
            Wanted { plan, duration_ms: Some(2_500), recovery_ms: Some(recovery_ms), ..Wanted::default() };
        let experiment = wanted.experiment().expect("possible");
        experiment.run(&experiment.plan(1))
    };
    let (patient, hurried) = (run(2_000), run(50));
    assert!(patient.violations.is_empty(), "{:?}", patient.violations);
    let [violation] = &hurried.violations[..] else { panic!("{:?}", hurried.violations) };
    assert_eq!((violation.check.as_ref(), violation.kind.as_ref()), ("recovery", "hang"));
    assert!(hurried.simulated_us < 1_500_000, "it is said when it happens, not at the end");
}

#[test]
fn what_happens_after_healing_pulls_no_trigger() {
    // Stopped then, a server would stand still for good: nobody acts any more who could let it go.
    for nth in [200, 400, 800] {
        let text = format!("on applied before send of n2 nth {nth}: crash it for 100ms");
        let outcome = run_written(&text, 3);
        assert!(outcome.violations.is_empty(), "{text}: {:?}", outcome.violations);
    }
}
