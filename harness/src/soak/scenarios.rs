//! Named scenarios: hand-picked faults under which a certain kind of mistake shows soon.
//!
//! `--nemesis all` spreads over everything; some mistakes need the same few faults over and over. A scenario is only a
//! selection or a list of faults written by hand: it stays inside the fault model, so that a correct cluster
//! stays clean under it.

use squall_cluster::paxos::ReadPath;

use crate::nemesis::{Mode, PlannedFault, read};

/// A selection of faults with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The mode, unless another is asked for.
    pub mode: Mode,
    /// The faults to draw from.
    pub nemesis: &'static str,
    /// Faults written by hand, in words; empty: drawn ones.
    pub faults: &'static str,
    /// How reads are served.
    pub reads: ReadPath,
    /// The longest time without a successful operation that is tolerated under these faults; 0: any.
    pub gap_max_ms: u64,
}

const PLAIN: Scenario = Scenario {
    name: "",
    about: "",
    mode: Mode::Paxos,
    nemesis: "none",
    faults: "",
    reads: ReadPath::Log,
    gap_max_ms: 0,
};

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
        faults: "at 2s: deaf leader, clients reach all for 6s",
        gap_max_ms: 3_000,
        ..PLAIN
    },
    Scenario {
        name: "lost-primary",
        about: "the primary crashes: its successor must be known to all clients before any of them gives up",
        mode: Mode::PrimaryBackup,
        faults: "at 2s: crash leader for 4s",
        gap_max_ms: 900,
        ..PLAIN
    },
    Scenario {
        name: "old-pings",
        about: "the backup is back, again and again, before the last pings of its earlier lives arrive",
        mode: Mode::PrimaryBackup,
        faults: "at 500ms: delay 0ms..500ms between servers only ping for 9s
                 at 1s: crash backup for 40ms
                 at 2.5s: crash backup for 40ms
                 at 4s: crash backup for 40ms
                 at 5.5s: crash backup for 40ms",
        ..PLAIN
    },
    Scenario {
        name: "open-slots",
        about: "proposals and votes are lost and late while the leader comes and goes: slots stay open across ballots",
        faults: "at 500ms: loss 60% between servers only accept for 9s
                 at 500ms: delay 10ms..300ms between servers only accept, accepted for 9s
                 at 700ms: flapping leader cut 200ms connected 300ms, clients reach all for 8.5s",
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

/// What the leader hears gets later step by step, so that it never hears nothing for so long that it steps down; what
/// was on its way when the others stop hearing it speaks for it until another leads.
const LATE_ANSWERS: &str = "
    at 400ms: delay 150ms..160ms to leader only heartbeat-ack, heartbeat, accept, prepare, nack for 2.3s
    at 600ms: delay 150ms..160ms to leader only heartbeat-ack, heartbeat, accept, prepare, nack for 2.1s
    at 800ms: delay 150ms..160ms to leader only heartbeat-ack, heartbeat, accept, prepare, nack for 1.9s
    at 1s: delay 150ms..160ms to leader only heartbeat-ack, heartbeat, accept, prepare, nack for 1.7s
    at 1.2s: delay 150ms..160ms to leader only heartbeat-ack, heartbeat, accept, prepare, nack for 1.5s
    at 1.6s: mute leader, clients reach all for 900ms
";

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The faults written by hand.
    pub(crate) fn planned(&self) -> Option<Vec<PlannedFault>> {
        let written = (!self.faults.is_empty()).then_some(self.faults)?;
        Some(read(written).expect("scenarios are tested").faults)
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
    const CLOCKS_SET_BACK: &str = "
        at 2s: clock-jump leader by -2000ms for 1s
        at 2s: isolate leader, clients reach all for 1s
        at 4s: clock-jump leader by -2000ms for 1s
        at 4s: isolate leader, clients reach all for 1s
        at 6s: clock-jump leader by -2000ms for 1s
        at 6s: isolate leader, clients reach all for 1s
    ";

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
            plan.faults = read(CLOCKS_SET_BACK).expect("a plan").faults;
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
