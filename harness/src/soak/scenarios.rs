//! Named scenarios: hand-picked faults and sizes in which a certain kind of mistake shows soon.
//!
//! `--nemesis all` spreads over everything; some mistakes need the same few faults over and over. A scenario is only a
//! selection and sizes: it stays inside the fault model, so that a correct cluster stays clean under it.

use super::experiment::Wanted;

/// A selection of faults and sizes with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The faults.
    pub nemesis: &'static str,
    /// Servers; `None`: the mode's default.
    pub nodes: Option<u32>,
    /// Clients; `None`: the default.
    pub clients: Option<u32>,
    /// Keys; `None`: the default.
    pub keys: Option<u32>,
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "lost-replies",
        about: "replies are lost and doubled: every retry must be recognised",
        nemesis: "loss,duplication,delay,client-cut",
        nodes: None,
        clients: None,
        keys: None,
    },
    Scenario {
        name: "power-loss",
        about: "servers crash and lose what they had not synced, one after another",
        nemesis: "lose-unsynced,torn-write,crash-all,crash-loop,slow-sync",
        nodes: None,
        clients: None,
        keys: None,
    },
    Scenario {
        name: "contested-leadership",
        about: "the leader is cut off, paused and overtaken, again and again",
        nemesis: "leader-alone,majority-minority,flapping,pause,delay",
        nodes: None,
        clients: None,
        keys: None,
    },
    Scenario {
        name: "small-cluster-restarts",
        about: "three replicas crash in turn while messages are late: what one forgets decides",
        nemesis: "crash,crash-loop,lose-unsynced,delay,loss,leader-alone",
        nodes: Some(3),
        clients: None,
        keys: None,
    },
    Scenario {
        name: "bad-disks",
        about: "records rot and disks are wiped, on a minority of three replicas",
        nemesis: "bit-flip,wipe,lose-unsynced,leader-alone",
        nodes: Some(3),
        clients: None,
        keys: None,
    },
    Scenario {
        name: "reordered-messages",
        about: "messages overtake each other and arrive twice while leaders change",
        nemesis: "reordering,duplication,delay,leader-alone,pause",
        nodes: None,
        clients: None,
        keys: None,
    },
];

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// What is asked for, where it says nothing itself.
    #[must_use]
    pub fn applied_to(&self, wanted: &Wanted) -> Wanted {
        Wanted {
            nemesis: Some(self.nemesis.into()),
            nodes: wanted.nodes.or(self.nodes),
            clients: wanted.clients.or(self.clients),
            keys: wanted.keys.or(self.keys),
            ..wanted.clone()
        }
    }
}
