//! How a plan is run: which simulator turns the world, what is kept, and whether to stay to the end.
//!
//! Nothing here decides what happens in a run: the plan alone does. Both simulators give the same run, to the last
//! event of its digest.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What turns the simulated world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Simulator {
    /// Turmoil: hosts any tokio software, each node on a host of its own.
    #[default]
    Turmoil,
    /// A bare loop over the same world: the built-in cluster only, many times faster.
    EventLoop,
}

impl Simulator {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Turmoil, Self::EventLoop];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turmoil => "turmoil",
            Self::EventLoop => "event-loop",
        }
    }
}

impl fmt::Display for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a plan is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// What turns the world.
    pub simulator: Simulator,
    /// Whether every message and event is kept.
    pub trace: bool,
    /// Whether the run ends as soon as an invariant inside the system is broken. What clients would have seen of it is
    /// then not known; for hunts, in which the verdict is all that counts.
    pub until_breach: bool,
}

impl Manner {
    /// The same, keeping every message and event.
    #[must_use]
    pub fn traced(self) -> Self {
        Self { trace: true, ..self }
    }
}
