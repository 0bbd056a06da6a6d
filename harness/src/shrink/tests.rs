//! Shrinking, on planted bugs: the result fails in the same way, is small, and nothing can be taken away.

use super::*;
use crate::nemesis::{in_words, read};
use crate::soak::Wanted;

fn failing(bug: &str, workload: &str, cause: Option<&str>) -> ClusterPlan {
    let wanted = Wanted {
        workload: Some(workload.into()),
        bugs: vec![bug.into()],
        duration_ms: Some(3_000),
        simulator: Some("event-loop".into()),
        ..Wanted::default()
    };
    let experiment = wanted.experiment().expect("possible");
    let fails = |plan: &ClusterPlan| {
        let found = Cause::of(&experiment.run(plan));
        found.is_some_and(|found| cause.is_none_or(|check| check == found.check))
    };
    (0..100).map(|seed| experiment.plan(seed)).find(fails).expect("a bug that is soon found")
}

fn effort(jobs: usize, runs_max: u64) -> Effort<'static> {
    Effort { jobs, runs_max, should_stop: &|| false, tell: &|_, _| () }
}

#[test]
fn a_shrunk_plan_fails_in_the_same_way_and_nothing_can_be_taken_away() {
    let plan = failing("no-deduplication", "append", Some("exactly-once"));
    let shrunk = shrink(&plan, &effort(2, RUNS_MAX)).expect("it fails");
    let (before, after) = (Size::of(&plan), Size::of(&shrunk.plan));
    assert!(shrunk.is_minimal && shrunk.cause.shows_in(&shrunk.outcome));
    assert_eq!(shrunk.cause.check, "exactly-once");
    assert!(before.operations > 100 && after.operations <= 6 && after.faults <= 3, "{before:?}, {after:?}");
    assert!(after.clients < before.clients && after.nodes < before.nodes, "{before:?}, {after:?}");
    assert_eq!(shrunk.simulator, Simulator::EventLoop);
    let experiment = Experiment::of_plan(&shrunk.plan).expect("it can be run");
    for at in 0..shrunk.plan.faults.len() {
        let less = edits::without_faults(&shrunk.plan, at..at + 1);
        assert!(!shrunk.cause.shows_in(&experiment.run(&less)), "fault {at} is not needed");
    }
    for at in 0..edits::steps(&shrunk.plan).len() {
        let timetable = Timetable::of(&shrunk.plan, &shrunk.outcome);
        for less in edits::without_steps(&shrunk.plan, &timetable, at..at + 1) {
            assert!(!shrunk.cause.shows_in(&experiment.run(&less)), "step {at} is not needed");
        }
    }
}

#[test]
fn the_result_does_not_depend_on_threads_and_shrinking_again_changes_nothing() {
    let plan = failing("reply-by-slot", "kv", None);
    let shrunk = shrink(&plan, &effort(1, RUNS_MAX)).expect("it fails");
    let again = shrink(&plan, &effort(3, RUNS_MAX)).expect("it fails");
    assert_eq!((&shrunk.plan, shrunk.runs), (&again.plan, again.runs));
    let twice = shrink(&shrunk.plan, &effort(2, RUNS_MAX)).expect("it fails");
    assert_eq!(shrunk.plan, twice.plan);
}

#[test]
fn with_little_effort_the_plan_is_smaller_but_not_said_to_be_minimal() {
    let plan = failing("no-deduplication", "append", None);
    let shrunk = shrink(&plan, &effort(2, 20)).expect("it fails");
    assert!(!shrunk.is_minimal && shrunk.runs <= 20);
    assert!(Size::of(&shrunk.plan).operations < Size::of(&plan).operations);
}

#[test]
fn a_plan_that_does_not_fail_is_not_shrunk() {
    let wanted = Wanted { nodes: Some(3), duration_ms: Some(300), ..Wanted::default() };
    let plan = wanted.experiment().expect("possible").plan(1);
    assert!(shrink(&plan, &effort(1, RUNS_MAX)).is_none());
}

#[test]
fn a_step_that_is_taken_away_leaves_the_others_at_their_times() {
    let wanted =
        Wanted { nodes: Some(3), duration_ms: Some(600), nemesis: Some("none".into()), ..Wanted::default() };
    let experiment = wanted.experiment().expect("possible");
    let plan = experiment.plan(1);
    let table = Timetable::of(&plan, &experiment.run(&plan));
    let less = edits::without_steps(&plan, &table, 0..1).remove(0);
    let after = Timetable::of(&less, &experiment.run(&less));
    assert_eq!(edits::steps(&plan)[0], (0, 0));
    assert_eq!(table.0[0][1].began_ms, after.0[0][0].began_ms);
}

/// A plan of many operations in which nothing goes wrong, and when they took place.
fn long_plan() -> (ClusterPlan, Timetable) {
    let wanted = Wanted {
        nodes: Some(3),
        duration_ms: Some(1_500),
        nemesis: Some("none".into()),
        simulator: Some("event-loop".into()),
        ..Wanted::default()
    };
    let experiment = wanted.experiment().expect("possible");
    let mut plan = experiment.plan(1);
    (plan.config.compaction_slots, plan.config.batch_entries) = (30, 256);
    let table = Timetable::of(&plan, &experiment.run(&plan));
    (edits::without_idle_steps(&plan, &table), table)
}

#[test]
fn snapshots_come_more_often_with_as_many_operations_fewer_in_between() {
    let (plan, table) = long_plan();
    let all = edits::steps(&plan).len();
    let plans = sizes::with_more_snapshots(&plan, &table);
    assert!(plans.iter().all(|less| less.config.compaction_slots < 30));
    let halves: Vec<&ClusterPlan> = plans.iter().filter(|less| less.config.compaction_slots == 15).collect();
    assert!(!halves.is_empty());
    for half in halves {
        let left = edits::steps(half).len();
        assert!((all / 2).abs_diff(left) <= 30, "{left} of {all} operations are left");
    }
    // The others take place when they did.
    let fewest = plans.last().expect("there are some");
    let after = Timetable::of(fewest, &Experiment::of_plan(fewest).expect("possible").run(fewest));
    let began = |table: &Timetable, plan: &ClusterPlan, (client, at): (usize, usize)| {
        (plan.script[client].steps[at].id, table.0[client][at].began_ms)
    };
    let before: Vec<_> = edits::steps(&plan).into_iter().map(|step| began(&table, &plan, step)).collect();
    let first = edits::steps(fewest)[0];
    assert!(before.contains(&began(&after, fewest, first)));
}

#[test]
fn what_makes_a_long_plan_short_leaves_a_short_one_alone() {
    let (plan, table) = long_plan();
    let all = edits::steps(&plan).len();
    assert!(sizes::with_smaller_batches(&plan).iter().all(|less| less.config.batch_entries < 256));
    let some = edits::with_some_steps(&plan, &table);
    assert!(
        some.len() > 100 && some.iter().all(|less| edits::steps(less).len() < all && less.key != plan.key)
    );
    let mut short = plan.clone();
    short.script.iter_mut().for_each(|script| script.steps.truncate(0));
    assert!(sizes::with_more_snapshots(&short, &table).is_empty());
    assert!(
        sizes::with_smaller_batches(&short).is_empty() && edits::with_some_steps(&short, &table).is_empty()
    );
}

/// What is left of faults in words, of the first seed that fails under them, shrunk.
fn left_of(mode: &str, bug: &str, faults: &str) -> String {
    let wanted = Wanted {
        mode: Some(mode.into()),
        workload: Some("append".into()),
        bugs: vec![bug.into()],
        duration_ms: Some(2_000),
        simulator: Some("event-loop".into()),
        ..Wanted::default()
    };
    let experiment = wanted.experiment().expect("possible");
    let written =
        |seed| ClusterPlan { faults: read(faults).expect("faults").faults, ..experiment.plan(seed) };
    let fails = |plan: &ClusterPlan| Cause::of(&experiment.run(plan)).is_some();
    let plan = (0..40).map(written).find(fails).expect("a bug that is soon found");
    let shrunk = shrink(&plan, &effort(2, RUNS_MAX)).expect("it fails");
    assert!(shrunk.is_minimal && Size::of(&shrunk.plan).operations <= 2, "{:?}", Size::of(&shrunk.plan));
    assert_eq!(shrunk.plan.faults.len(), 1, "{:?}", shrunk.plan.faults);
    in_words(&shrunk.plan.faults)
}

/// Who struck only because the event was its own is not to be told by a time: what goes is the count, the length, and
/// the other fault; the event stays, and with it its moment.
#[test]
fn a_fault_that_strikes_whoever_acts_keeps_its_trigger() {
    let faults = "at 300ms: pause n1 for 100ms\non reply-sent nth 60: crash it losing unsynced for 300ms\n";
    let left = left_of("single", "accepted-before-sync", faults);
    assert_eq!(left.trim(), "[2] on reply-sent: crash it for 1ms");
    let faults = "on snapshot-written before sync nth 3: crash it losing unsynced for 300ms\n";
    let left = left_of("paxos", "compaction-in-two-steps", faults);
    assert_eq!(left.trim(), "on snapshot-written before sync: crash it for 1ms");
}

/// After the 90th event is no moment that a reader can find; the time at which that was is one. And where a count
/// stays, no operation before it can be taken away.
#[test]
fn a_fault_on_a_late_event_loses_its_trigger_for_a_time() {
    for (bug, faults) in [
        ("compaction-in-two-steps", "on applied nth 90: crash n1 losing unsynced for 300ms\n"),
        ("local-reads", "on applied nth 200: isolate leader, clients reach all for 600ms\n"),
        ("reply-before-commit", "on applied nth 200: isolate leader, clients reach all for 600ms\n"),
    ] {
        let left = left_of("paxos", bug, faults);
        assert!(left.starts_with("at ") && !left.contains("on applied"), "{bug}: {left}");
    }
}
