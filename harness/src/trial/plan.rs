//! The plan: everything that decides a run. The same plan gives the same run, to the last event.
//!
//! A seed only generates a plan; replays, reports and shrinking start from the plan, never from the seed. Plans are
//! JSON that people can read and change, so everything in them is checked.

use serde::{Deserialize, Serialize};
use squall_workloads::{ClientScript, Decide, Shape, Workload};

use crate::nemesis::{self, PlannedFault, Selection, Topology};

/// The format of plans; raised when an old plan would mean something else.
pub const SCHEMA: u32 = 1;

/// Bounds of what a plan may ask for; beyond them a run would not fit a machine.
pub mod limits {
    /// Nodes.
    pub const NODES_MAX: u32 = 16;
    /// Clients.
    pub const CLIENTS_MAX: u32 = 200;
    /// Keys in use at a time.
    pub const KEYS_MAX: u32 = 10_000;
    /// The chaos phase, in simulated milliseconds.
    pub const DURATION_MS_MAX: u64 = 600_000;
    /// Operations of all scripts together.
    pub const OPERATIONS_MAX: u64 = 200_000;
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan<T> {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The seed that generated it; for people only.
    pub seed: u64,
    /// The key of every random decision of the run.
    pub key: u64,
    /// Sizes, times and switches.
    pub config: Config,
    /// What the run must have done to count; `None` in plans that were shrunk or written by hand.
    pub minima: Option<Minima>,
    /// What goes wrong, and when.
    pub faults: Vec<PlannedFault>,
    /// What the clients do.
    pub script: Vec<ClientScript<T>>,
}

/// Sizes, times and switches of a run. Times are in simulated milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The built-in cluster's mode, or a name for a user's own system.
    pub mode: String,
    /// The workload's name.
    pub workload: String,
    /// What was asked of the nemesis.
    pub nemesis: String,
    /// Servers.
    pub nodes: u32,
    /// Concurrent clients.
    pub clients: u32,
    /// Keys in use at a time.
    pub keys: u32,
    /// The chaos phase.
    pub duration_ms: u64,
    /// After this long without an answer a client gives up on an operation.
    pub timeout_ms: u64,
    /// After healing, every key must take an operation within this time.
    pub recovery_ms: u64,
    /// What a message takes at least.
    pub latency_min_ms: u64,
    /// What a message takes at most, when nothing is wrong.
    pub latency_max_ms: u64,
    /// What a disk's sync takes at least.
    pub sync_min_ms: u64,
    /// What a disk's sync takes at most, when nothing is wrong.
    pub sync_max_ms: u64,
    /// Planted bugs that are switched on, by name.
    pub bugs: Vec<String>,
}

/// What a run must have done to count (else it is vacuous).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minima {
    /// Operations that succeeded.
    pub ok: u64,
    /// Percent of the operations invoked that succeeded.
    pub ok_percent: u64,
    /// Percent of the operations that succeeded that overlapped another on their key.
    pub concurrent_percent: u64,
    /// Faults that changed something.
    pub effective_faults: u64,
}

/// What a plan is generated from.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Sizes, times and switches; what the swarm varies is overwritten.
    pub config: Config,
    /// Which faults.
    pub nemesis: Selection,
    /// Steps per client; `None`: enough for the duration.
    pub steps_per_client: Option<u32>,
    /// Whether latencies and pauses vary with the seed.
    pub swarm: bool,
}

impl<T> Plan<T> {
    /// The plan of one seed.
    pub fn generate<W: Workload<Step = T>>(request: &Request, workload: &W, seed: u64) -> Self {
        let decide = Decide::new(seed);
        let mut config = request.config.clone();
        let mut swarm = decide.at("swarm", &[]);
        let mut pause_ms_mean = 50;
        if request.swarm {
            config.latency_min_ms = 1;
            config.latency_max_ms = *swarm.pick(&[1, 2, 3, 5, 8]);
            config.sync_min_ms = 1;
            config.sync_max_ms = *swarm.pick(&[1, 2, 4]);
            pause_ms_mean = *swarm.pick(&[60, 90, 120, 160]);
        }
        // An undisturbed operation takes some ten milliseconds; a script that is too long does no harm.
        let enough = config.duration_ms / (u64::from(pause_ms_mean) + 8) + 4;
        let steps = request.steps_per_client.map_or(enough, u64::from);
        let steps = steps.min(limits::OPERATIONS_MAX / u64::from(config.clients));
        let shape = Shape {
            clients: config.clients,
            steps_per_client: u32::try_from(steps).expect("bounded"),
            pause_ms_mean,
        };
        let topology = Topology {
            mode: config.mode.clone(),
            servers: config.nodes,
            clients: config.clients,
            horizon_ms: config.duration_ms,
        };
        let faults = nemesis::generate(&request.nemesis, &decide, &topology);
        let minima = Minima {
            ok: (steps * u64::from(config.clients) / 2).min(100),
            ok_percent: 20,
            concurrent_percent: 10,
            effective_faults: u64::from(!faults.is_empty()),
        };
        let script = workload.script(&shape, &decide);
        let key = decide.at("key", &[]).u64();
        Self { schema: SCHEMA, seed, key, config, minima: Some(minima), faults, script }
    }
}
