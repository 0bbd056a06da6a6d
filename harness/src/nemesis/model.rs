//! The fault model: under which faults a protocol promises to survive, and so what may be drawn and may fire.
//!
//! A protocol is judged inside its model. What is outside runs only when it is named, and the run then says so.
//! Whether a fault on "a minority over the whole run" still fits is known only when it fires, so the interpreter
//! keeps count; here is the rule. Where the moment decides (may this copy of the state be lost now?), the surface is
//! asked, because only the protocol knows.

use super::fault::{Family, Fault};
use serde::{Deserialize, Serialize};
pub use squall_cluster::bugs::Mode;

/// Shard groups of the mode `sharded`, beside the controller.
pub const SHARD_GROUPS: u32 = 3;
/// Shards of the mode `sharded`.
pub const SHARDS: u32 = squall_cluster::sharded::controller::SHARDS;

/// The events of a mode on which faults are made to fall, and whether they are rare: a few in a run.
pub(crate) fn protocol_events(mode: Mode) -> &'static [(&'static str, bool)] {
    match mode {
        Mode::Single => &[("booted", true), ("executed", false), ("reply-sent", false)],
        Mode::Paxos => &[
            ("booted", true),
            ("candidate", true),
            ("leader-elected", true),
            ("step-down", true),
            ("promise-sent", true),
            ("accepted-sent", false),
            ("proposal-sent", false),
            ("chosen", false),
            ("learned", true),
            ("applied", false),
            ("snapshot-written", true),
            ("snapshot-installing", true),
            ("snapshot-installed", true),
            ("reply-sent", false),
        ],
        Mode::PrimaryBackup => &[
            ("view-chosen", true),
            ("view-acked", true),
            ("view-entered", true),
            ("state-installed", true),
            ("view-acknowledged", true),
            ("operation-performed", false),
            ("operation-completed", false),
        ],
        Mode::Sharded => &[
            ("leader-elected", true),
            ("step-down", true),
            ("promise-sent", true),
            ("accepted-sent", false),
            ("chosen", false),
            ("applied", false),
            ("configuration-made", true),
            ("configured", true),
            ("shard-frozen", true),
            ("transfer-sent", true),
            ("shard-installed", true),
            ("shard-dropped", true),
            ("transaction-begun", false),
            ("transaction-prepared", false),
            ("transaction-decided", false),
            ("transaction-finished", false),
            ("transaction-forgotten", false),
            ("reply-sent", false),
        ],
    }
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The protocol.
    pub mode: Mode,
    /// How many servers; at least 1.
    pub servers: u32,
    /// How many clients; at least 1.
    pub clients: u32,
    /// Length of the chaos phase, in milliseconds.
    pub horizon_ms: u64,
    /// Something rests on clocks: they must not jump, and their rates be wrong by so little at most, in parts per
    /// million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_ppm_max: Option<u32>,
}

impl Topology {
    /// How many servers a majority needs.
    pub fn majority(&self) -> u32 {
        assert!(self.servers > 0, "a cluster has servers");
        self.servers / 2 + 1
    }

    /// How many servers can be lost for good while a majority is left; where several groups share the servers, a
    /// majority of each, which has three.
    pub fn minority(&self) -> u32 {
        if self.mode == Mode::Sharded { 1 } else { self.servers - self.majority() }
    }
}

/// Where a fault stands in the model of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The protocol promises to survive it at any time.
    Inside,
    /// It promises to survive it on a minority of the servers, counted over the whole run.
    Minority,
    /// It promises nothing: runs only when named, and the verdict says so.
    OnlyNamed,
}

/// Where the fault of this name ([`Fault::name`]) stands.
pub fn standing(mode: Mode, fault_name: &str) -> Standing {
    assert!(!fault_name.is_empty(), "a fault has a name");
    match (fault_name, mode) {
        // Synced records are what every proof stands on; without them even one server forgets what it answered.
        ("lying-sync" | "truncate", _) | ("wipe" | "bit-flip", Mode::Single) => Standing::OnlyNamed,
        // A replica that boots without its identity, or with a corrupt record, never votes again.
        ("wipe" | "bit-flip", Mode::Paxos | Mode::Sharded) => Standing::Minority,
        // The last copy would go with the others; and only the view service has a disk to damage.
        ("crash-all" | "bit-flip", Mode::PrimaryBackup) => Standing::OnlyNamed,
        _ => Standing::Inside,
    }
}

/// How the interpreter judges a fault at the moment it fires. Stored with the plan, since it decides what fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Whose promises count.
    pub mode: Mode,
    /// Whether faults outside the model fire. If not, they are withheld.
    pub may_leave: bool,
    /// See [`Topology::clock_error_ppm_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_ppm_max: Option<u32>,
}

impl Limits {
    /// Only what the mode promises to survive.
    pub fn inside(mode: Mode) -> Self {
        Self { mode, may_leave: false, clock_error_ppm_max: None }
    }

    /// Everything fires; [`Nemesis::outside_model`](super::Nemesis::outside_model) tells whether it mattered.
    pub fn none(mode: Mode) -> Self {
        Self { mode, may_leave: true, clock_error_ppm_max: None }
    }

    /// Whether a clock is allowed to be that wrong.
    pub(super) fn trusts_clock_under(&self, fault: &Fault) -> bool {
        match (fault, self.clock_error_ppm_max) {
            (Fault::ClockDrift { ppm, .. }, Some(most)) => ppm.unsigned_abs() <= most,
            (Fault::ClockJump { .. } | Fault::ClockStrobe { .. }, Some(_)) => false,
            _ => true,
        }
    }
}

/// Whether the fault can change what clients see in this mode.
pub fn can_act(mode: Mode, fault: &Fault) -> bool {
    can_act_alone(mode, fault.family(), fault.name())
}

/// Whether faults of this family and name can change anything by themselves. Clocks cannot: no mode reads one, except
/// to wait, and nothing rests on how long that takes. A view service writes only when something else makes it.
pub(super) fn can_act_alone(mode: Mode, family: Family, fault_name: &str) -> bool {
    let waits_for_a_write = matches!(fault_name, "slow-sync" | "failed-sync" | "disk-full");
    family != Family::Clock && !(mode == Mode::PrimaryBackup && waits_for_a_write)
}
