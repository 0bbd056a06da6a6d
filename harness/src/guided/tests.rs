//! Guided search: a pure function, whatever the threads; what is new is kept; plans that come of it can be run.

use super::*;
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
    let topology = experiment(&[]).plan(1).config.topology();
    let mut aims = aim::Aims::new(topology.mode);
    let mut draw = Decide::new(1).at("aims", &[]);
    let events = crate::nemesis::model::protocol_events(topology.mode).len();
    for _ in 0..2 {
        let mut steps = BTreeSet::new();
        for _ in 0..events * 3 {
            let faults = aims.faults(&topology, &mut draw);
            let in_time = |fault: &PlannedFault| {
                fault.on.is_some() && fault.at_ms + fault.for_ms <= topology.horizon_ms
            };
            assert!(!faults.is_empty() && faults.iter().all(in_time), "{faults:?}");
            steps.extend(faults.into_iter().filter_map(|fault| fault.on).map(|on| (on.event, on.moment)));
        }
        assert_eq!(steps.len(), events * 3, "each once");
    }
}
