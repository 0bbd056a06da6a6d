//! Named scenarios: hand-picked faults under which a certain kind of mistake shows soon.
//!
//! `--nemesis all` spreads over everything; some mistakes need the same few faults over and over. A scenario is only a
//! selection or a list of faults written by hand: it stays inside the fault model, so that a correct cluster
//! stays clean under it.

use squall_cluster::paxos::ReadPath;

/// A selection of faults with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The faults to draw from.
    pub nemesis: &'static str,
    /// Faults written by hand, as in plans; empty: drawn ones.
    pub faults: &'static str,
    /// How reads are served.
    pub reads: ReadPath,
    /// The longest time without a successful operation that is tolerated under these faults; 0: any.
    pub gap_max_ms: u64,
}

const PLAIN: Scenario =
    Scenario { name: "", about: "", nemesis: "none", faults: "", reads: ReadPath::Log, gap_max_ms: 0 };

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "lost-clients",
        about: "clients are cut off in the middle of what they do, and give up",
        nemesis: "client-cut,loss",
        ..PLAIN
    },
    Scenario {
        name: "deaf-leader",
        about: "the leader hears nobody while everybody hears it: another must take over",
        faults: r#"[{"id":1,"at_ms":2000,"for_ms":6000,"fault":{"deaf":{"target":"leader","clients":"reach-all"}}}]"#,
        gap_max_ms: 3_000,
        ..PLAIN
    },
    Scenario {
        name: "lost-primary",
        about: "the primary crashes: its successor must be known to all clients before any of them gives up",
        faults: r#"[{"id":1,"at_ms":2000,"for_ms":4000,"fault":{"crash":{"target":"leader","loss":"nothing"}}}]"#,
        gap_max_ms: 900,
        ..PLAIN
    },
    Scenario {
        name: "old-pings",
        about: "the backup is back, again and again, before the last pings of its earlier lives arrive",
        faults: r#"[
            {"id":1,"at_ms":500,"for_ms":9000,"fault":{"delay":{"links":"servers","min_ms":0,"max_ms":500,"kinds":["ping"]}}},
            {"id":2,"at_ms":1000,"for_ms":40,"fault":{"crash":{"target":{"role":{"role":"backup"}},"loss":"nothing"}}},
            {"id":3,"at_ms":2500,"for_ms":40,"fault":{"crash":{"target":{"role":{"role":"backup"}},"loss":"nothing"}}},
            {"id":4,"at_ms":4000,"for_ms":40,"fault":{"crash":{"target":{"role":{"role":"backup"}},"loss":"nothing"}}},
            {"id":5,"at_ms":5500,"for_ms":40,"fault":{"crash":{"target":{"role":{"role":"backup"}},"loss":"nothing"}}}
        ]"#,
        ..PLAIN
    },
    Scenario {
        name: "open-slots",
        about: "proposals and votes are lost and late while the leader comes and goes: slots stay open across ballots",
        faults: r#"[
            {"id":1,"at_ms":500,"for_ms":9000,"fault":{"loss":{"links":"servers","ppm":600000,"kinds":["accept"]}}},
            {"id":2,"at_ms":500,"for_ms":9000,"fault":{"delay":{"links":"servers","min_ms":10,"max_ms":300,"kinds":["accept","accepted"]}}},
            {"id":3,"at_ms":700,"for_ms":8500,"fault":{"flapping":{"target":"leader","cut_ms":200,"connected_ms":300,"clients":"reach-all"}}}
        ]"#,
        ..PLAIN
    },
    Scenario {
        name: "read-index",
        about: "every fault, while reads are answered by whoever has proof that it still leads",
        nemesis: "all",
        reads: ReadPath::ReadIndex,
        ..PLAIN
    },
    Scenario {
        name: "leases",
        about: "every fault that leases survive, while reads are answered by whoever holds one",
        nemesis: "all",
        reads: ReadPath::Lease,
        ..PLAIN
    },
    Scenario {
        name: "late-answers",
        about: "a leader hears late and is then heard by nobody but clients: another takes over without its knowing",
        faults: LATE_ANSWERS,
        reads: ReadPath::ReadIndex,
        ..PLAIN
    },
    Scenario {
        name: "late-answers-lease",
        about: "the same, while reads are answered by whoever holds a lease",
        faults: LATE_ANSWERS,
        reads: ReadPath::Lease,
        ..PLAIN
    },
];

const LATE_ANSWERS: &str = r#"[
    {"id":1,"at_ms":500,"for_ms":9000,"fault":{"delay":{"links":{"to":"leader"},"min_ms":400,"max_ms":500,"kinds":["heartbeat-ack","accepted","heartbeat","accept","prepare","nack"]}}},
    {"id":2,"at_ms":1500,"for_ms":700,"fault":{"mute":{"target":"leader","clients":"reach-all"}}},
    {"id":3,"at_ms":3500,"for_ms":700,"fault":{"mute":{"target":"leader","clients":"reach-all"}}},
    {"id":4,"at_ms":5500,"for_ms":700,"fault":{"mute":{"target":"leader","clients":"reach-all"}}},
    {"id":5,"at_ms":7500,"for_ms":700,"fault":{"mute":{"target":"leader","clients":"reach-all"}}}
]"#;

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The faults written by hand.
    pub(crate) fn planned(&self) -> Option<Vec<crate::nemesis::PlannedFault>> {
        let written = (!self.faults.is_empty()).then_some(self.faults)?;
        Some(serde_json::from_str(written).expect("scenarios are tested"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Wanted;

    #[test]
    fn every_scenario_can_be_run() {
        for scenario in SCENARIOS {
            let wanted = Wanted { scenario: Some(scenario.name.into()), ..Wanted::default() };
            let plan = wanted.experiment().expect("possible").plan(1);
            plan.check().expect("possible");
            assert!(!plan.faults.is_empty(), "{} plans no fault", scenario.name);
        }
    }

    /// The clock of each leader is set back as it is cut off from the others, while clients still reach it.
    const CLOCKS_SET_BACK: &str = r#"[
        {"id":1,"at_ms":2000,"for_ms":1000,"fault":{"clock-jump":{"target":"leader","by_ms":-2000}}},
        {"id":2,"at_ms":2000,"for_ms":1000,"fault":{"isolate":{"target":"leader","clients":"reach-all"}}},
        {"id":3,"at_ms":4000,"for_ms":1000,"fault":{"clock-jump":{"target":"leader","by_ms":-2000}}},
        {"id":4,"at_ms":4000,"for_ms":1000,"fault":{"isolate":{"target":"leader","clients":"reach-all"}}},
        {"id":5,"at_ms":6000,"for_ms":1000,"fault":{"clock-jump":{"target":"leader","by_ms":-2000}}},
        {"id":6,"at_ms":6000,"for_ms":1000,"fault":{"isolate":{"target":"leader","clients":"reach-all"}}}
    ]"#;

    /// The first seed with an invalid run under those clocks, and whether that run says that it left the model.
    fn stale_read(reads: &str, seeds: std::ops::Range<u64>) -> Option<bool> {
        let wanted = Wanted {
            workload: Some("register".into()),
            reads: Some(reads.into()),
            simulator: Some("event-loop".into()),
            ..Wanted::default()
        };
        let experiment = wanted.experiment().expect("possible");
        seeds.into_iter().find_map(|seed| {
            let mut plan = experiment.plan(seed);
            plan.faults = serde_json::from_str(CLOCKS_SET_BACK).expect("a plan");
            plan.limits.may_leave = true;
            plan.minima = None;
            let outcome = experiment.run(&plan);
            (!outcome.violations.is_empty()).then_some(outcome.outside_model)
        })
    }

    /// What leases rest on, and no other way to read does.
    #[test]
    fn leases_go_stale_when_clocks_jump_and_say_why() {
        assert_eq!(stale_read("lease", 0..80), Some(true));
        assert_eq!(stale_read("read-index", 0..8), None);
    }
}
