//! Properties of generated plans, over many keys and topologies.

use std::collections::BTreeMap;

use squall_workloads::decide::Decide;

use super::*;
use crate::nemesis::budget::stopped_ms;
use crate::nemesis::catalogue::KINDS;
use crate::nemesis::model::{can_act, standing};

const SEEDS: u64 = 2_000;

fn topologies() -> Vec<Topology> {
    let topology = |mode, servers, clients, horizon_ms| Topology {
        mode,
        servers,
        clients,
        horizon_ms,
        clock_error_ppm_max: None,
    };
    vec![
        topology(Mode::Single, 1, 1, 10_000),
        topology(Mode::Single, 1, 8, 3_000),
        topology(Mode::Paxos, 1, 2, 5_000),
        topology(Mode::Paxos, 2, 3, 10_000),
        topology(Mode::Paxos, 3, 8, 10_000),
        topology(Mode::Paxos, 4, 5, 2_000),
        topology(Mode::Paxos, 5, 8, 10_000),
        topology(Mode::Paxos, 7, 20, 60_000),
        topology(Mode::Paxos, 5, 8, 200),
        topology(Mode::Sharded, 7, 10, 10_000),
        topology(Mode::Sharded, 3, 2, 2_000),
    ]
}

fn plan(text: &str, seed: u64, topology: &Topology) -> Vec<PlannedFault> {
    let selection: Selection = text.parse().expect("the selection is known");
    generate(&selection, &Decide::new(seed), topology)
}

fn ten_seconds() -> Topology {
    Topology { mode: Mode::Paxos, servers: 5, clients: 8, horizon_ms: 10_000, clock_error_ppm_max: None }
}

#[test]
fn plans_of_all_are_valid_effective_and_spare_the_service() {
    for topology in topologies() {
        for seed in 0..SEEDS / 4 {
            let faults = plan("all", seed, &topology);
            assert_eq!(validate(&faults, &topology), Ok(()), "seed {seed}");
            let acts = |planned: &PlannedFault| can_act(topology.mode, &planned.fault);
            assert!(faults.iter().any(acts), "seed {seed} of {topology:?} cannot act");
            let most = (topology.horizon_ms * 15 / 10_000).max(1) as usize + 1;
            assert!(faults.len() <= most, "seed {seed}: {} faults", faults.len());
            assert!(stopped_ms(&faults, &topology) * 10 <= topology.horizon_ms * 6, "seed {seed}");
            assert!(faults.is_sorted_by_key(|planned| planned.at_ms));
            let outside =
                |planned: &PlannedFault| standing(topology.mode, planned.fault.name()) == Standing::OnlyNamed;
            assert!(!faults.iter().any(outside), "seed {seed} leaves the model");
        }
    }
}

#[test]
fn the_service_is_spared_also_by_the_naive_count() {
    // The sweep over edges against one millisecond at a time, with the plainest reading of "stopped".
    let topology = ten_seconds();
    for seed in 0..SEEDS {
        let faults = plan("all", seed, &topology);
        let stops = |planned: &PlannedFault, now_ms: u64| {
            (planned.at_ms..planned.end_ms()).contains(&now_ms)
                && matches!(
                    planned.fault.name(),
                    "crash"
                        | "crash-all"
                        | "crash-loop"
                        | "rolling-restart"
                        | "pause"
                        | "disk-full"
                        | "swizzle"
                )
        };
        let stopped =
            (0..10_000).filter(|now_ms| faults.iter().any(|planned| stops(planned, *now_ms))).count();
        assert!(stopped <= 6_000, "seed {seed}: {stopped} ms");
        assert!(stopped as u64 <= stopped_ms(&faults, &topology), "seed {seed}");
    }
}

#[test]
fn the_same_key_gives_the_same_plan_and_another_one_another() {
    let topology = ten_seconds();
    let plans: Vec<Vec<PlannedFault>> = (0..200).map(|seed| plan("all", seed, &topology)).collect();
    for (seed, first) in (0..).zip(&plans) {
        assert_eq!(plan("all", seed, &topology), *first);
    }
    let mut texts: Vec<String> = plans.iter().map(|plan| format!("{plan:?}")).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 200);
}

#[test]
fn a_selection_is_respected_and_never_empty() {
    for topology in topologies() {
        for kind in KINDS.iter().filter(|kind| kind.fits(&topology)) {
            for seed in 0..20 {
                let faults = plan(kind.name, seed, &topology);
                assert!(!faults.is_empty(), "{} on {topology:?}, seed {seed}", kind.name);
                assert!(faults.iter().all(|planned| planned.fault.name() == kind.fault), "{}", kind.name);
            }
        }
        for seed in 0..100 {
            let faults = plan("partition,crash", seed, &topology);
            assert!(!faults.is_empty());
            let is_selected = |fault: &Fault| fault.family() == Family::Partition || fault.name() == "crash";
            assert!(faults.iter().all(|planned| is_selected(&planned.fault)));
        }
        assert_eq!(plan("none", 1, &topology), []);
    }
}

#[test]
fn every_kind_and_every_shape_of_seed_occurs() {
    let topology = ten_seconds();
    let mut seen = std::collections::BTreeSet::new();
    let (mut without_crashes, mut only_disk, mut stable, mut leader, mut quiet) = (0, 0, 0, 0, 0);
    let mut counts = Vec::new();
    for seed in 0..SEEDS {
        let faults = plan("all", seed, &topology);
        seen.extend(faults.iter().map(|planned| planned.fault.name()));
        counts.push(faults.len());
        let crashes = |planned: &PlannedFault| planned.fault.name().contains("crash");
        without_crashes += u64::from(!faults.iter().any(crashes));
        only_disk += u64::from(faults.iter().all(|planned| planned.fault.family() == Family::Disk));
        stable += u64::from(faults.iter().any(|planned| planned.for_ms == topology.horizon_ms));
        leader += u64::from(faults.iter().any(|planned| planned.fault.targets().contains(&Target::Leader)));
        quiet += u64::from(longest_peace_ms(&faults) >= 3_000);
    }
    let inside = |kind: &&catalogue::Kind| standing(Mode::Paxos, kind.fault) != Standing::OnlyNamed;
    for kind in KINDS.iter().filter(inside).filter(|kind| kind.fits(&topology)) {
        assert!(seen.contains(kind.fault), "{} never occurs", kind.fault);
    }
    counts.sort_unstable();
    let tenth = SEEDS / 10;
    assert!(counts[0] >= 1 && counts[counts.len() - 1] <= 15, "{counts:?}");
    assert!((3..=8).contains(&counts[counts.len() / 2]), "median {}", counts[counts.len() / 2]);
    assert!(without_crashes > tenth && stable > tenth && quiet > tenth, "{without_crashes} {stable} {quiet}");
    assert!(leader > SEEDS / 2, "{leader} of {SEEDS} seeds aim at the leader");
    assert!(only_disk > SEEDS / 50, "{only_disk} of {SEEDS} seeds have nothing but disk faults");
}

fn longest_peace_ms(faults: &[PlannedFault]) -> u64 {
    let mut longest_ms = 0;
    let mut free_from_ms = 0;
    for planned in faults {
        longest_ms = longest_ms.max(planned.at_ms.saturating_sub(free_from_ms));
        free_from_ms = free_from_ms.max(planned.end_ms());
    }
    longest_ms.max(10_000_u64.saturating_sub(free_from_ms))
}

#[test]
fn what_is_total_is_never_stable() {
    for topology in topologies() {
        for seed in 0..SEEDS / 4 {
            for planned in plan("all", seed, &topology) {
                let is_total = matches!(planned.fault.name(), "disk-full" | "crash-loop" | "crash-all")
                    || matches!(&planned.fault, Fault::ClientCut { clients, .. } if clients.is_empty());
                let most_ms = (topology.horizon_ms / 2).min(1_200);
                assert!(!is_total || planned.for_ms <= most_ms, "seed {seed}: {planned}");
            }
        }
    }
}

#[test]
fn what_is_only_named_runs_only_when_named() {
    let topology = Topology {
        mode: Mode::Single,
        servers: 1,
        clients: 3,
        horizon_ms: 10_000,
        clock_error_ppm_max: None,
    };
    for name in ["wipe", "bit-flip", "lying-sync", "truncate"] {
        let named: Selection = name.parse().expect("the fault is known");
        assert!(named.leaves_model(&topology));
        assert!((0..300).all(|seed| {
            plan("all", seed, &topology)
                .iter()
                .chain(&plan("disk", seed, &topology))
                .all(|planned| planned.fault.name() != name)
        }));
    }
    let paxos = ten_seconds();
    assert!(!"wipe,bit-flip".parse::<Selection>().expect("known").leaves_model(&paxos));
    assert!("lying-sync".parse::<Selection>().expect("known").leaves_model(&paxos));
    assert!(!"all".parse::<Selection>().expect("known").leaves_model(&paxos));
}

#[test]
fn selections_are_read_written_and_explained() {
    for text in ["none", "all", "partition", "partition,process,wipe", "clock-jump"] {
        let selection: Selection = text.parse().expect("the selection is known");
        assert_eq!(selection.to_string(), text);
    }
    let spaced: Selection = " wipe , partition,wipe, ".parse().expect("spaces and repetitions are fine");
    assert_eq!(spaced.to_string(), "partition,wipe");
    let error = |text: &str| text.parse::<Selection>().expect_err("it means nothing").to_string();
    assert_eq!(error(""), "no fault is named: use none, all, or a list such as partition,crash");
    assert_eq!(error("all,wipe"), "all cannot be combined with other names");
    assert!(
        error("partitoin")
            .starts_with("unknown fault \"partitoin\", did you mean partition?; known are none")
    );
    assert!(
        error("xyzzyx").starts_with("unknown fault \"xyzzyx\"; known are none, all, partition, isolate,")
    );
    let alone =
        Topology { mode: Mode::Single, servers: 1, clients: 1, horizon_ms: 1_000, clock_error_ppm_max: None };
    let ring: Selection = "ring".parse().expect("known");
    assert_eq!(
        ring.check(&alone).expect_err("a ring needs four").to_string(),
        "none of ring can happen in mode single with 1 servers"
    );
}

#[test]
fn the_list_has_every_name_once() {
    let mut names: Vec<&str> = list().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), KINDS.len() + Family::ALL.len());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len() + Family::ALL.len());
    let lines: Vec<String> = list().iter().map(|(name, summary)| format!("{name:18} {summary}")).collect();
    insta::assert_snapshot!("list", lines.join("\n"));
}

#[test]
fn a_generated_plan_runs_to_its_end() {
    let topology = ten_seconds();
    for seed in 0..300 {
        let faults = plan("all", seed, &topology);
        let mut mock = mock::Mock::new(5, 8);
        let mut nemesis = Nemesis::new(faults, Limits::inside(Mode::Paxos));
        for now_ms in 0..=10_000 {
            nemesis.tick(now_ms, &mut mock);
            mock.leader = Some((now_ms / 700 % 5) as usize);
        }
        nemesis.heal_all(&mut mock);
        assert!(mock.is_whole() && !nemesis.outside_model(), "seed {seed}");
    }
}

#[test]
fn no_scenario_is_too_rare() {
    // A mistake that only one scenario exposes must be found in a soak of some hundred seeds.
    let topology = ten_seconds();
    let mut counts: BTreeMap<&str, u64> =
        crate::nemesis::scenarios::SCENARIOS.iter().map(|scenario| (scenario.name, 0)).collect();
    for seed in 0..SEEDS {
        for name in generate::scenarios_of(&Selection::All, &Decide::new(seed), &topology) {
            *counts.get_mut(name).expect("scenarios have names") += 1;
        }
    }
    assert!(counts.values().all(|count| *count >= SEEDS / 50), "{counts:?}");
}

#[test]
fn most_seeds_leave_most_of_the_time_for_work() {
    let topology = ten_seconds();
    let mut costs_ms: Vec<u64> = (0..SEEDS)
        .map(|seed| {
            plan("all", seed, &topology).iter().map(|planned| budget::cost_ms(planned, &topology)).sum()
        })
        .collect();
    costs_ms.sort_unstable();
    let median_ms = costs_ms[costs_ms.len() / 2];
    // 500 of 800 operations are left if three eighths of the time are lost.
    assert!((1_000..=3_750).contains(&median_ms), "the median plan costs {median_ms} ms of 10,000");
}

/// Only what has groups changes them; changes end early enough to take effect.
#[test]
fn groups_come_and_go_and_shards_move() {
    let sharded = Topology { mode: Mode::Sharded, servers: 7, ..ten_seconds() };
    let of_cluster = |planned: &PlannedFault| planned.fault.family() == Family::Cluster;
    let mut changes = Vec::new();
    for seed in 0..300 {
        assert!(!plan("all", seed, &ten_seconds()).iter().any(of_cluster));
        let planned = plan("all", seed, &sharded).into_iter().filter(of_cluster);
        changes.extend(planned.map(|planned| planned.fault));
    }
    let has = |wanted: fn(&ClusterChange) -> bool| {
        changes.iter().any(|fault| matches!(fault, Fault::Reconfigure { change } if wanted(change)))
    };
    assert!(has(|change| matches!(change, ClusterChange::Join(_))));
    assert!(has(|change| matches!(change, ClusterChange::Leave(_))));
    assert!(has(|change| matches!(change, ClusterChange::Move { .. })));
    assert!(changes.iter().any(|fault| matches!(fault, Fault::Storm { changes } if changes.len() > 1)));
}

#[test]
fn some_seeds_strike_at_steps_of_the_protocol_and_always_something_has_a_time() {
    let topology = ten_seconds();
    let (mut seeds, mut events, mut moments) = (0, BTreeMap::new(), BTreeMap::new());
    for seed in 0..SEEDS {
        let faults = plan("all", seed, &topology);
        let acts = |planned: &PlannedFault| planned.on.is_none() && can_act(topology.mode, &planned.fault);
        assert!(faults.iter().any(acts), "seed {seed}: an event may never come");
        let triggers: Vec<&Trigger> = faults.iter().filter_map(|planned| planned.on.as_ref()).collect();
        seeds += u64::from(!triggers.is_empty());
        for trigger in triggers {
            *events.entry(trigger.event.as_str().to_owned()).or_insert(0) += 1;
            *moments.entry(trigger.moment).or_insert(0) += 1;
        }
    }
    assert!((SEEDS / 5..SEEDS / 2).contains(&seeds), "{seeds} seeds of {SEEDS} have triggers");
    assert!(events.len() == 14 && moments.len() == 3, "{events:?} {moments:?}");
    assert!(events.values().chain(moments.values()).all(|count| *count >= 10), "{events:?} {moments:?}");
}
