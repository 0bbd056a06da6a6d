//! The plan: everything that decides a run. The same plan gives the same run, to the last event.
//!
//! A seed only generates a plan; replays, reports and shrinking start from the plan, never from the seed. Plans are
//! JSON that people can read and change, so everything in them is checked.

use serde::{Deserialize, Serialize};
use squall_cluster::bugs::Bug;
use squall_cluster::paxos::{self, ReadPath, Timing};
use squall_workloads::{ClientScript, Decide, Scripted, Shape, Workload};

use crate::nemesis::{self, Limits, Mode, PlannedFault, Selection, Topology};
use crate::node::{PRIMARY_BACKUP_NODES_MIN, SHARDED_NODES_MIN};

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
    /// Slots from one snapshot to the next.
    pub const COMPACTION_SLOTS_MAX: u64 = 50_000;
    /// Entries of the log in one message.
    pub const BATCH_ENTRIES_MAX: u64 = 10_000;
    /// Proposals under way.
    pub const IN_FLIGHT_MAX: u64 = 10_000;
    /// Any single wait, in simulated milliseconds.
    pub const WAIT_MS_MAX: u64 = 60_000;
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
    /// Whose promises count, and whether faults beyond them may fire.
    pub limits: Limits,
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
    /// During chaos, some operation must succeed at least this often; 0: not judged. For faults that leave a majority
    /// working.
    pub gap_max_ms: u64,
    /// What a message takes at least.
    pub latency_min_ms: u64,
    /// What a message takes at most, when nothing is wrong.
    pub latency_max_ms: u64,
    /// What a disk's sync takes at least.
    pub sync_min_ms: u64,
    /// What a disk's sync takes at most, when nothing is wrong.
    pub sync_max_ms: u64,
    /// How reads are served; only mode paxos has a choice.
    #[serde(default)]
    pub reads: ReadPath,
    /// A replica takes a snapshot after so many slots.
    #[serde(default = "usual_compaction_slots")]
    pub compaction_slots: u64,
    /// A message between replicas holds so many entries of the log at most.
    #[serde(default = "usual_batch_entries")]
    pub batch_entries: u64,
    /// A leader has so many proposals under way at most, and drops what is beyond.
    #[serde(default = "usual_in_flight")]
    pub in_flight: u64,
    /// Planted bugs that are switched on, by name.
    pub bugs: Vec<String>,
}

fn usual_compaction_slots() -> u64 {
    paxos::Limits::default().compaction_slots
}

fn usual_batch_entries() -> u64 {
    paxos::Limits::default().batch_entries_max as u64
}

fn usual_in_flight() -> u64 {
    paxos::Limits::default().in_flight_max as u64
}

impl Default for Config {
    /// The default run: five replicas, ten clients, ten simulated seconds, every fault.
    fn default() -> Self {
        Self {
            mode: Mode::Paxos.name().into(),
            workload: "append".into(),
            nemesis: "all".into(),
            nodes: 5,
            clients: 10,
            keys: 5,
            duration_ms: 10_000,
            timeout_ms: 1_000,
            recovery_ms: 2_000,
            gap_max_ms: 0,
            latency_min_ms: 1,
            latency_max_ms: 3,
            sync_min_ms: 1,
            sync_max_ms: 2,
            reads: ReadPath::default(),
            compaction_slots: usual_compaction_slots(),
            batch_entries: usual_batch_entries(),
            in_flight: usual_in_flight(),
            bugs: Vec::new(),
        }
    }
}

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Of another format.
    #[error(
        "the plan's schema is {found}; this build reads schema {SCHEMA}: generate the plan again from its seed"
    )]
    Schema {
        /// The plan's.
        found: u32,
    },
    /// A size or time is out of its bounds.
    #[error("{name} is {value}; it must be between {min} and {max}")]
    OutOfBounds {
        /// What.
        name: &'static str,
        /// What it is.
        value: u64,
        /// The least that is possible.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Two things do not fit together.
    #[error("{0}")]
    Contradiction(String),
    /// A fault cannot be carried out.
    #[error("the plan's faults: {0}")]
    Faults(#[from] nemesis::PlanError),
}

impl Config {
    /// Checks sizes and times.
    ///
    /// # Errors
    ///
    /// The first one that no run can have.
    pub fn check(&self) -> Result<(), Unfit> {
        let bounded = |name, value, min, max| {
            if value < min || value > max {
                Err(Unfit::OutOfBounds { name, value, min, max })
            } else {
                Ok(())
            }
        };
        bounded("nodes", u64::from(self.nodes), 1, u64::from(limits::NODES_MAX))?;
        // One client alone shows no concurrency, hence nothing.
        bounded("clients", u64::from(self.clients), 2, u64::from(limits::CLIENTS_MAX))?;
        bounded("keys", u64::from(self.keys), 1, u64::from(limits::KEYS_MAX))?;
        bounded("duration (ms)", self.duration_ms, 1, limits::DURATION_MS_MAX)?;
        bounded("timeout (ms)", self.timeout_ms, 1, limits::WAIT_MS_MAX)?;
        bounded("recovery (ms)", self.recovery_ms, 1, limits::WAIT_MS_MAX)?;
        bounded("latency, at least (ms)", self.latency_min_ms, 1, limits::WAIT_MS_MAX)?;
        bounded("latency, at most (ms)", self.latency_max_ms, self.latency_min_ms, limits::WAIT_MS_MAX)?;
        bounded("sync, at least (ms)", self.sync_min_ms, 1, limits::WAIT_MS_MAX)?;
        bounded("sync, at most (ms)", self.sync_max_ms, self.sync_min_ms, limits::WAIT_MS_MAX)?;
        bounded("compaction (slots)", self.compaction_slots, 1, limits::COMPACTION_SLOTS_MAX)?;
        bounded("proposals under way", self.in_flight, 1, limits::IN_FLIGHT_MAX)?;
        bounded("entries of a message", self.batch_entries, 1, limits::BATCH_ENTRIES_MAX)?;
        if self.reads != ReadPath::Log && self.mode != Mode::Paxos.name() {
            let (reads, mode) = (self.reads.name(), &self.mode);
            return Err(Unfit::Contradiction(format!(
                "mode {mode} has no choice of reads: use --mode paxos for {reads}, or --reads log"
            )));
        }
        if self.mode == Mode::Single.name() && self.nodes != 1 {
            let nodes = self.nodes;
            return Err(Unfit::Contradiction(format!(
                "mode single has one server, not {nodes}: use --nodes 1"
            )));
        }
        if self.mode == Mode::Paxos.name() && self.nodes.is_multiple_of(2) {
            let nodes = self.nodes;
            return Err(Unfit::Contradiction(format!(
                "mode paxos wants an odd number of replicas, not {nodes}: one more survives no more failures"
            )));
        }
        if self.mode == Mode::Sharded.name() && self.nodes < SHARDED_NODES_MIN {
            let nodes = self.nodes;
            return Err(Unfit::Contradiction(format!(
                "mode sharded has groups of three replicas on different hosts, not {nodes}: use --nodes \
                 {SHARDED_NODES_MIN} or more"
            )));
        }
        if self.mode == Mode::PrimaryBackup.name() && self.nodes < PRIMARY_BACKUP_NODES_MIN {
            let nodes = self.nodes;
            return Err(Unfit::Contradiction(format!(
                "mode primary-backup has a view service and at least two servers, not {nodes} nodes: use --nodes \
                 {PRIMARY_BACKUP_NODES_MIN} or more"
            )));
        }
        Ok(())
    }

    /// What faults are planned for.
    pub fn topology(&self) -> Topology {
        Topology {
            mode: self.fault_model(),
            servers: self.nodes,
            clients: self.clients,
            horizon_ms: self.duration_ms,
            clock_error_ppm_max: self.clock_error_ppm_max(),
        }
    }

    /// How wrong the rates of clocks may be: leases rest on that, nothing else does.
    fn clock_error_ppm_max(&self) -> Option<u32> {
        (self.reads == ReadPath::Lease).then(|| Timing::default().clock_error_ppm)
    }

    /// Whose fault model counts. A user's own system of several nodes is judged like a replicated one.
    pub fn fault_model(&self) -> Mode {
        let known = [Mode::Single, Mode::PrimaryBackup, Mode::Sharded]
            .into_iter()
            .find(|mode| self.mode == mode.name());
        known.unwrap_or(Mode::Paxos)
    }
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
    /// Checks a plan that was not generated here: read from a file, or changed by hand.
    ///
    /// # Errors
    ///
    /// What makes it impossible to run, and what to do about it.
    pub fn check(&self) -> Result<(), Unfit> {
        if self.schema != SCHEMA {
            return Err(Unfit::Schema { found: self.schema });
        }
        self.config.check()?;
        let clients = self.script.len() as u64;
        if clients != u64::from(self.config.clients) {
            let asked = self.config.clients;
            return Err(Unfit::Contradiction(format!("the plan has {clients} scripts for {asked} clients")));
        }
        let steps: u64 = self.script.iter().map(|script| script.steps.len() as u64).sum();
        if steps > limits::OPERATIONS_MAX {
            let max = limits::OPERATIONS_MAX;
            return Err(Unfit::OutOfBounds { name: "operations", value: steps, min: 0, max });
        }
        for name in &self.config.bugs {
            if Bug::parse(name).is_none() {
                return Err(Unfit::Contradiction(format!(
                    "there is no bug named {name:?}: see squall list bugs"
                )));
            }
        }
        nemesis::validate(&self.faults, &self.config.topology())?;
        Ok(())
    }

    /// The same plan with other steps; `step` is told the client and the position of each.
    ///
    /// # Errors
    ///
    /// The first of `step`.
    pub fn try_map<U, E>(
        &self,
        mut step: impl FnMut(usize, usize, &T) -> Result<U, E>,
    ) -> Result<Plan<U>, E> {
        let mut mapped = |client: usize, script: &ClientScript<T>| {
            let steps = script.steps.iter().enumerate().map(|(at, scripted)| {
                let Scripted { id, pause_ms, step: old } = scripted;
                Ok(Scripted { id: *id, pause_ms: *pause_ms, step: step(client, at, old)? })
            });
            Ok(ClientScript { steps: steps.collect::<Result<_, E>>()? })
        };
        let script = self.script.iter().enumerate().map(|(client, script)| mapped(client, script));
        Ok(Plan {
            schema: self.schema,
            seed: self.seed,
            key: self.key,
            config: self.config.clone(),
            minima: self.minima,
            limits: self.limits,
            faults: self.faults.clone(),
            script: script.collect::<Result<_, E>>()?,
        })
    }

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
            if [Mode::Paxos, Mode::Sharded].iter().any(|mode| config.mode == mode.name()) {
                // A run of ten seconds applies some thousand slots.
                config.compaction_slots = *decide.at("compaction", &[]).pick(&[10, 30, 100, 300]);
                // Most runs are as in production; some show what comes in several messages, and what is dropped.
                config.batch_entries = *decide.at("batch", &[]).pick(&[4, 256, 256, 256]);
                let few = (u64::from(config.clients) * 2 / 5).max(4);
                config.in_flight = *decide.at("in-flight", &[]).pick(&[few, 128, 128, 128]);
            }
            // One server answers so fast that only busy clients overlap.
            let pauses: &[u32] = if config.nodes == 1 { &[20, 30, 40] } else { &[60, 90, 120, 160] };
            pause_ms_mean = *swarm.pick(pauses);
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
        let faults = nemesis::generate(&request.nemesis, &decide, &config.topology());
        let limits = Limits {
            mode: config.fault_model(),
            may_leave: request.nemesis.leaves_model(&config.topology()),
            clock_error_ppm_max: config.clock_error_ppm_max(),
        };
        let minima = Minima {
            ok: (steps * u64::from(config.clients) / 2).min(100),
            ok_percent: 20,
            concurrent_percent: 10,
            effective_faults: u64::from(!faults.is_empty()),
        };
        let script = workload.script(&shape, &decide);
        let key = decide.at("key", &[]).u64();
        Self { schema: SCHEMA, seed, key, config, minima: Some(minima), limits, faults, script }
    }
}
