//! Guided search: a pure function, whatever the threads; what is new is kept; plans that come of it can be run.

use super::*;
use crate::nemesis::{Mode, Target, Topology};
use crate::soak::Wanted;

fn experiment(bugs: &[&str]) -> Experiment {
    let wanted = Wanted {
        nodes: Some(3),
        clients: Some(3),
        duration_ms: Some(800),
        bugs: bugs.iter().map(|bug| (*bug).to_owned()).collect(),
        simulator: Some("event-loop".into()),
        ..Wanted::default()
    };
    wanted.experiment().expect("possible")
}

fn digests(jobs: usize) -> (Vec<String>, usize, usize) {
    let mut search = Guided::new(experiment(&[]), 7);
    let mut digests = Vec::new();
    for _ in 0..6 {
        digests.extend(search.step(jobs).into_iter().map(|(_, outcome, _)| outcome.digest));
    }
    (digests, search.states(), search.corpus())
}

#[test]
fn a_search_is_the_same_on_any_number_of_threads() {
    let alone = digests(1);
    assert_eq!(alone, digests(3));
    assert!(alone.1 > 20 && alone.2 > 3, "{} states, {} plans kept", alone.1, alone.2);
}

#[test]
fn changed_plans_can_be_run_and_are_not_the_drawn_ones() {
    let experiment = experiment(&[]);
    let mut search = Guided::new(experiment.clone(), 3);
    let mut changed = 0;
    for _ in 0..8 {
        for (candidate, outcome, _) in search.step(2) {
            candidate.plan.check().expect("it can be run");
            assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
            changed += u32::from(candidate.is_changed);
        }
    }
    assert!(changed > 16, "only {changed} of 64 plans were changed ones");
}

/// Nothing has been learned yet, and still most plans aim: what waits for a corpus finds bugs eight runs later.
#[test]
fn a_search_aims_from_its_first_plans_on() {
    let batch = Guided::new(experiment(&[]), 3).batch();
    let aims = |candidate: &&Candidate| {
        let strikes_actor =
            |fault: &PlannedFault| fault.on.is_some() && fault.fault.targets().contains(&Target::Actor);
        candidate.is_changed && candidate.plan.faults.iter().filter(|fault| strikes_actor(fault)).count() > 2
    };
    let aimed = batch.iter().filter(aims).count();
    assert!(aimed >= BATCH / 2, "only {aimed} of {BATCH} aim");
}

#[test]
fn only_what_is_new_is_kept() {
    let experiment = experiment(&[]);
    let mut search = Guided::new(experiment.clone(), 3);
    let plan = experiment.plan(3);
    let coverage = experiment.run(&plan).coverage;
    let candidate = Candidate { plan, is_changed: false };
    search.learn(&candidate, &coverage);
    search.learn(&candidate, &coverage);
    assert_eq!((search.corpus(), search.runs()), (1, 2));
    assert!(search.covered().cells().values().all(|runs| *runs == 2) && search.states() > 1);
}

#[test]
fn both_ways_find_a_bug_that_is_easy_to_find() {
    let experiment = experiment(&["no-deduplication"]);
    for is_guided in [false, true] {
        assert!(runs_to_find(&experiment, 0, 200, is_guided).is_some(), "guided: {is_guided}");
    }
}

/// A search that was killed after any batch goes on as if it had not been.
#[test]
fn a_search_goes_on_from_its_lessons() {
    let experiment = experiment(&[]);
    let mut whole = Guided::new(experiment.clone(), 5);
    let mut again = Guided::new(experiment, 5);
    for _ in 0..6 {
        let lessons: Vec<Lesson> = whole.step(2).into_iter().map(|(_, _, lesson)| lesson).collect();
        let written = serde_json::to_string(&lessons).expect("plain data");
        let read: Vec<Lesson> = serde_json::from_str(&written).expect("as it was written");
        again.recall(&read).expect("a whole batch");
    }
    assert_eq!(
        (whole.runs(), whole.states(), whole.corpus()),
        (again.runs(), again.states(), again.corpus())
    );
    assert_eq!(whole.covered(), again.covered());
    let plans = |search: &mut Guided| search.batch().into_iter().map(|one| one.plan).collect::<Vec<_>>();
    assert_eq!(plans(&mut whole), plans(&mut again));
    assert!(again.recall(&[]).is_err(), "half a batch says nothing");
}

#[test]
fn aims_go_through_all_steps_of_the_protocol_before_any_is_aimed_at_again() {
    for mode in [Mode::Single, Mode::Paxos, Mode::PrimaryBackup, Mode::Sharded] {
        let topology = Topology { mode, ..experiment(&[]).plan(1).config.topology() };
        let mut aims = aim::Aims::new(mode);
        let mut draw = Decide::new(1).at("aims", &[]);
        let mut events: BTreeSet<&str> =
            crate::nemesis::model::protocol_events(mode).iter().map(|(event, _)| *event).collect();
        events.insert("booted");
        let (mut pairs, mut others) = (0, 0);
        for _ in 0..4 {
            let mut steps = BTreeSet::new();
            for _ in 0..events.len() * 3 {
                let faults = aims.faults(&topology, &mut draw);
                let in_time = |fault: &PlannedFault| fault.at_ms + fault.for_ms <= topology.horizon_ms;
                assert!(!faults.is_empty() && faults.iter().all(in_time), "{faults:?}");
                let is_other = |fault: &PlannedFault| {
                    fault.fault.targets().iter().any(|target| *target != Target::Actor)
                };
                others += u32::from(faults.iter().any(is_other));
                if let [lost, crash] = &faults[..] {
                    let nth = |fault: &PlannedFault| fault.on.as_ref().map_or(0, |trigger| trigger.nth);
                    assert_eq!((lost.fault.name(), crash.fault.name()), ("loss", "crash"));
                    assert!(nth(lost) < nth(crash), "first messages are lost: {faults:?}");
                    pairs += 1;
                }
                let on = faults.into_iter().map(|fault| fault.on.expect("it falls on a step"));
                steps.extend(on.map(|trigger| (trigger.event, trigger.moment)));
            }
            assert_eq!(steps.len(), events.len() * 3, "each once");
            assert!(events.iter().all(|event| steps.iter().any(|(aimed, _)| aimed == event)));
        }
        assert!(pairs > 0, "{mode:?}: nobody crashes in the middle of what is sent");
        assert_eq!(others > 0, mode == Mode::Sharded, "{mode:?}: another party is struck where there is one");
    }
}
