//! Both simulators give the same run, to the last event: in every mode, under every workload, all faults, all bugs.
//!
//! What falls on one millisecond is done in the order (node, arrival) in both; see `harness/src/sim/event_loop.rs`.

use squall::Outcome;
use squall::checker::Verdict;
use squall::nemesis::catalogue::KINDS;
use squall::soak::{ClusterPlan, Experiment, MODES, PlanText, SCENARIOS, WORKLOADS, Wanted, hunts_of};
use squall::trial::{Manner, Simulator};

/// Runs a plan in both simulators, and compares everything that a run leaves behind.
fn same(experiment: &Experiment, plan: &ClusterPlan, trace: bool, what: &str) -> Outcome {
    let run = |simulator| {
        let manner = Manner { simulator, trace, until_breach: false };
        experiment.clone().in_manner(manner).run(plan)
    };
    let (turmoil, event_loop) = (run(Simulator::Turmoil), run(Simulator::EventLoop));
    let what = format!("{what}, seed {}", plan.seed);
    for (one, other) in turmoil.trace.iter().zip(&event_loop.trace) {
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{what}");
    }
    assert_eq!(turmoil.history_text(), event_loop.history_text(), "{what}");
    assert_eq!(turmoil.digest, event_loop.digest, "{what}");
    assert_eq!(turmoil.verdict, event_loop.verdict, "{what}");
    assert_eq!(turmoil.violations, event_loop.violations, "{what}");
    assert_eq!(turmoil.faults, event_loop.faults, "{what}");
    assert_eq!(turmoil.messages, event_loop.messages, "{what}");
    assert_eq!(turmoil.node_events, event_loop.node_events, "{what}");
    turmoil
}

fn small(wanted: Wanted) -> Experiment {
    // Scenarios need their time.
    let duration_ms = wanted.scenario.is_none().then_some(2_000);
    Wanted { duration_ms, ..wanted }.experiment().expect("possible")
}

#[test]
fn every_mode_and_workload_under_all_faults() {
    for (kind, mode, _) in MODES {
        for (_, workload, _) in WORKLOADS.iter().filter(|(make, ..)| make(1).suits(*kind)) {
            let named = |name: &str| Some(name.to_owned());
            let experiment =
                small(Wanted { mode: named(mode), workload: named(workload), ..Wanted::default() });
            let mut faults = 0;
            for seed in 0..12 {
                let plan = experiment.plan(seed);
                let outcome = same(&experiment, &plan, seed == 0, &format!("{mode}, {workload}"));
                faults += outcome.faults_effective();
            }
            assert!(faults > 12, "{mode}, {workload}: only {faults} faults changed something");
        }
    }
}

#[test]
fn every_single_kind_of_fault() {
    for kind in KINDS {
        let experiment = small(Wanted { nemesis: Some(kind.name.into()), ..Wanted::default() });
        same(&experiment, &experiment.plan(3), false, kind.name);
    }
}

#[test]
fn faults_at_every_event_and_moment() {
    let mut fired = 0;
    for event in squall_cluster::event::Event::KINDS {
        for moment in ["", " before sync", " before send"] {
            let text = format!(
                "at 200ms: isolate leader for 600ms\n\
                 on {event}{moment} of follower 2 nth 2: crash it losing unsynced for 200ms\n\
                 on {event}{moment} from 300ms: pause leader for 100ms\n"
            );
            let plan = Some(PlanText { path: "test.plan".into(), text });
            let experiment = small(Wanted { plan, ..Wanted::default() });
            let outcome = same(&experiment, &experiment.plan(2), false, &format!("{event}{moment}"));
            fired += outcome.faults.iter().filter(|fault| fault.id > 1 && fault.withheld.is_none()).count();
        }
    }
    assert!(fired > 40, "only {fired} triggers were pulled");
}

#[test]
fn every_scenario_and_every_planted_bug() {
    for scenario in SCENARIOS {
        let experiment = small(Wanted { scenario: Some(scenario.name.into()), ..Wanted::default() });
        same(&experiment, &experiment.plan(1), false, scenario.name);
    }
    let mut found = 0;
    for bug in squall_cluster::bugs::Bug::ALL {
        for hunt in hunts_of(*bug) {
            let experiment = small(hunt.wanted(&Wanted::default()));
            for seed in 0..2 {
                let outcome = same(&experiment, &experiment.plan(seed), false, bug.name());
                found += usize::from(outcome.verdict == Verdict::Invalid);
            }
        }
    }
    assert!(found > 20, "only {found} runs failed: bugs must be compared too");
}

#[test]
fn a_run_may_end_at_the_first_breach() {
    let wanted = Wanted { bugs: vec!["accept-below-promise".into()], ..Wanted::default() };
    let whole = wanted.experiment().expect("possible");
    let breached =
        |seed: &u64| whole.run(&whole.plan(*seed)).violations.iter().any(|one| one.check == "monitor");
    let seed = (0..40).find(breached).expect("a monitor sees this bug");
    for simulator in Simulator::ALL {
        let manner = Manner { simulator, trace: false, until_breach: true };
        let (plan, cut) = (whole.plan(seed), whole.clone().in_manner(manner));
        let (outcome, in_full) = (cut.run(&plan), whole.run(&plan));
        assert_eq!(outcome.verdict, Verdict::Invalid);
        assert!(outcome.violations.iter().any(|one| one.check == "monitor"), "{:?}", outcome.violations);
        assert!(outcome.simulated_us < in_full.simulated_us, "it ends early");
        assert!(in_full.history_text().starts_with(&outcome.history_text()), "until then it is the same run");
    }
}
