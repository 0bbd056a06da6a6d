//! Plans come from files that anyone can write: what is wrong with one is said here, before anything runs.
//!
//! A plan that passes never panics the interpreter and never asks it for unbounded work. Whether it stays inside
//! the fault model is another question: plans of files run as they are.

use std::collections::BTreeSet;

use thiserror::Error;

use super::catalogue::nearest;
use super::fault::{ClusterChange, Fault, FaultId, Links, PlannedFault, Target};
use super::model::{Mode, SHARD_GROUPS, SHARDS, Topology};
use super::resolve::stops_target;
use super::trigger::{NTH_MAX, Trigger};
use squall_cluster::event::Event;
use squall_cluster::message::Message;
use squall_cluster::role::Role;
use squall_workloads::decide::PPM_ALWAYS;

/// The most faults in one plan.
pub const FAULTS_MAX: usize = 1_000;
/// The most steps of one fault that repeats.
pub const STEPS_MAX: u64 = 10_000;
/// The longest time that a field other than the window may ask for.
pub const SPAN_MS_MAX: u64 = 60_000;
/// The most extra simulated time per input.
pub const COST_US_MAX: u64 = 1_000_000;
/// The most that a clock may be off.
pub const CLOCK_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The most that a clock may drift.
pub const DRIFT_PPM_MAX: u32 = 500_000;
/// The most message kinds that one fault may name.
pub const KINDS_MAX: usize = 64;

/// Why a plan cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// More faults than anything can make sense of.
    #[error("the plan has {count} faults; at most {FAULTS_MAX} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Two faults claim one id.
    #[error("id {id} is used by more than one fault: give each fault an id of its own")]
    DuplicateId {
        /// The id.
        id: FaultId,
    },
    /// A fault of no length.
    #[error("fault {id} ({name}) lasts 0 ms: for_ms must be at least 1")]
    ZeroLength {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
    },
    /// A fault that ends after the chaos phase.
    #[error(
        "fault {id} ({name}) begins at {at_ms} ms and lasts {for_ms} ms, beyond the end of the chaos phase at \
         {horizon_ms} ms: move or shorten it"
    )]
    BeyondEnd {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// When it begins.
        at_ms: u64,
        /// How long it lasts.
        for_ms: u64,
        /// When the chaos phase ends.
        horizon_ms: u64,
    },
    /// A server that is not there.
    #[error("fault {id} ({name}) names server n{}; there are {servers}, from n1 (in JSON, from 0)", u64::from(*.server) + 1)]
    UnknownServer {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// The index in the plan.
        server: u32,
        /// How many there are.
        servers: u32,
    },
    /// A client that is not there.
    #[error("fault {id} ({name}) names client c{client}; there are {clients}, from c0")]
    UnknownClient {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// The index in the plan.
        client: u32,
        /// How many there are.
        clients: u32,
    },
    /// A fault that needs more servers than there are.
    #[error("fault {id} ({name}) needs at least {needed} servers; there are {servers}")]
    TooFewServers {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// How many it needs.
        needed: u32,
        /// How many there are.
        servers: u32,
    },
    /// A number out of bounds.
    #[error("fault {id} ({name}): {field} is {value}, but must be from {min} to {max}")]
    OutOfRange {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A trigger on an event that no node emits.
    #[error("fault {id} ({name}): no node emits {event:?}{}; known are {}", did_you_mean(.event, Event::KINDS.iter().copied()), Event::KINDS.join(", "))]
    UnknownEvent {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// The event asked for.
        event: String,
    },
    /// A kind of message that never travels in the mode.
    #[error("fault {id} ({name}): no {kind:?} travels in mode {mode}{}; known are {possible}", did_you_mean(.kind, .possible.split(", ")))]
    UnknownMessage {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// The kind asked for.
        kind: String,
        /// The mode.
        mode: &'static str,
        /// The kinds that there are.
        possible: String,
    },
    /// A role that no server of the mode plays.
    #[error("fault {id} ({name}): no server of mode {mode} is ever {role}; use {possible}, or a server")]
    UnknownRole {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// The role asked for.
        role: &'static str,
        /// The mode.
        mode: &'static str,
        /// The roles that there are.
        possible: String,
    },
    /// A fault that another one keeps from ever firing.
    #[error(
        "fault {id} ({name}) can never fire: fault {other} ({other_name}) {reason}; move it, or take one away"
    )]
    Pointless {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// What keeps it from firing.
        other: FaultId,
        /// Its name.
        other_name: &'static str,
        /// How.
        reason: &'static str,
    },
    /// Fields that contradict each other.
    #[error("fault {id} ({name}): {problem}")]
    Contradiction {
        /// The fault.
        id: FaultId,
        /// Its name.
        name: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
}

fn did_you_mean<'names>(word: &str, names: impl Iterator<Item = &'names str>) -> String {
    nearest(word, names).map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

impl PlanError {
    /// The fault that it is about.
    pub fn fault(&self) -> Option<FaultId> {
        match self {
            Self::TooMany { .. } => None,
            Self::DuplicateId { id }
            | Self::ZeroLength { id, .. }
            | Self::BeyondEnd { id, .. }
            | Self::UnknownServer { id, .. }
            | Self::UnknownClient { id, .. }
            | Self::TooFewServers { id, .. }
            | Self::OutOfRange { id, .. }
            | Self::UnknownEvent { id, .. }
            | Self::UnknownMessage { id, .. }
            | Self::UnknownRole { id, .. }
            | Self::Pointless { id, .. }
            | Self::Contradiction { id, .. } => Some(*id),
        }
    }
}

/// How many servers the fault of this name needs to mean anything.
pub(super) fn servers_needed(fault_name: &str) -> u32 {
    match fault_name {
        "isolate" | "split" | "deaf" | "mute" | "flapping" | "swizzle" => 2,
        "bridge" => 3,
        // With three, each already sees a majority when it sees both neighbours: nothing would be cut.
        "ring" => 4,
        _ => 1,
    }
}

/// Checks that the plan can run on this topology.
pub fn validate(faults: &[PlannedFault], topology: &Topology) -> Result<(), PlanError> {
    assert!(topology.servers > 0 && topology.clients > 0, "a topology has servers and clients: {topology:?}");
    if faults.len() > FAULTS_MAX {
        return Err(PlanError::TooMany { count: faults.len() });
    }
    let mut ids = BTreeSet::new();
    for planned in faults {
        if !ids.insert(planned.id) {
            return Err(PlanError::DuplicateId { id: planned.id });
        }
        Inspection { planned, name: planned.fault.name(), topology }.whole()?;
    }
    Ok(())
}

/// Checks that no fault keeps another one from ever firing: said of plans that people write. Faults with triggers
/// or roles may still be in each other's way, which only the run shows.
///
/// # Errors
///
/// The first fault that is pointless, and the one to blame.
pub fn contradictions(faults: &[PlannedFault]) -> Result<(), PlanError> {
    for (position, planned) in faults.iter().enumerate() {
        let others = faults.iter().enumerate().filter(|(other, _)| *other != position);
        for (other_position, other) in others {
            let same = (planned.at_ms, planned.for_ms, &planned.on, &planned.fault)
                == (other.at_ms, other.for_ms, &other.on, &other.fault);
            let reason = if same && other_position < position {
                "is the same"
            } else if keeps_down(other, planned) {
                "keeps its server down all the time"
            } else {
                continue;
            };
            let (id, name) = (planned.id, planned.fault.name());
            return Err(PlanError::Pointless {
                id,
                name,
                other: other.id,
                other_name: other.fault.name(),
                reason,
            });
        }
    }
    Ok(())
}

/// Whether `planned` needs a server that runs, and `other` keeps just that one down for longer on both sides.
fn keeps_down(other: &PlannedFault, planned: &PlannedFault) -> bool {
    if other.on.is_some() || planned.on.is_some() {
        return false;
    }
    let down = match &other.fault {
        Fault::Crash { target: Target::Server(server), .. }
        | Fault::BitFlip { target: Target::Server(server) }
        | Fault::Truncate { target: Target::Server(server), .. }
        | Fault::Wipe { target: Target::Server(server) } => *server,
        _ => return false,
    };
    let needs_it = stops_target(&planned.fault) == Some(Target::Server(down));
    needs_it && other.at_ms < planned.at_ms && planned.end_ms() <= other.end_ms()
}

/// One fault under inspection.
struct Inspection<'plan> {
    planned: &'plan PlannedFault,
    name: &'static str,
    topology: &'plan Topology,
}

impl Inspection<'_> {
    fn whole(&self) -> Result<(), PlanError> {
        self.window()?;
        self.targets()?;
        self.planned.on.as_ref().map_or(Ok(()), |trigger| self.trigger(trigger))?;
        self.numbers()?;
        self.lists()
    }

    fn window(&self) -> Result<(), PlanError> {
        let PlannedFault { id, at_ms, for_ms, .. } = *self.planned;
        let (name, horizon_ms) = (self.name, self.topology.horizon_ms);
        if for_ms == 0 {
            return Err(PlanError::ZeroLength { id, name });
        }
        match at_ms.checked_add(for_ms) {
            Some(end_ms) if end_ms <= horizon_ms => Ok(()),
            _ => Err(PlanError::BeyondEnd { id, name, at_ms, for_ms, horizon_ms }),
        }
    }

    fn targets(&self) -> Result<(), PlanError> {
        let (needed, servers) = (servers_needed(self.name), self.topology.servers);
        if servers < needed {
            return Err(PlanError::TooFewServers { id: self.planned.id, name: self.name, needed, servers });
        }
        self.planned.fault.targets().into_iter().try_for_each(|target| self.target(target))
    }

    fn target(&self, target: Target) -> Result<(), PlanError> {
        match target {
            Target::Leader => Ok(()),
            Target::Follower(_) if self.topology.servers < 2 => {
                Err(self.contradiction("a follower needs at least 2 servers"))
            }
            Target::Server(server) | Target::Follower(server) => self.server(server),
            Target::Role { role, .. } => self.role(role),
            Target::Actor if self.planned.on.is_some() => Ok(()),
            Target::Actor => {
                Err(self
                    .contradiction("it is whose event pulls a trigger: give the fault one, or name a server"))
            }
        }
    }

    fn role(&self, role: Role) -> Result<(), PlanError> {
        let possible = Role::of_mode(self.topology.mode);
        if possible.contains(&role) {
            return Ok(());
        }
        let names: Vec<&str> = possible.iter().map(|role| role.name()).collect();
        let (id, name, mode) = (self.planned.id, self.name, self.topology.mode.name());
        Err(PlanError::UnknownRole { id, name, role: role.name(), mode, possible: names.join(", ") })
    }

    fn trigger(&self, trigger: &Trigger) -> Result<(), PlanError> {
        if !Event::KINDS.contains(&trigger.event.as_str()) {
            let (id, name, event) = (self.planned.id, self.name, trigger.event.clone());
            return Err(PlanError::UnknownEvent { id, name, event });
        }
        self.number("nth", u64::from(trigger.nth), 1, u64::from(NTH_MAX))?;
        match trigger.of {
            Some(Target::Actor) => Err(self.contradiction("a trigger of it says nothing: leave it out")),
            Some(target) => self.target(target),
            None => Ok(()),
        }
    }

    fn numbers(&self) -> Result<(), PlanError> {
        match &self.planned.fault {
            Fault::Flapping { cut_ms, connected_ms, .. } => {
                self.span("cut_ms", *cut_ms, 1)?;
                self.span("connected_ms", *connected_ms, 1)?;
                self.repeats(cut_ms + connected_ms)
            }
            Fault::Loss { ppm, .. }
            | Fault::Duplication { ppm, .. }
            | Fault::Reordering { ppm, .. }
            | Fault::Corruption { ppm, .. } => self.number("ppm", u64::from(*ppm), 1, u64::from(PPM_ALWAYS)),
            Fault::Delay { min_ms, max_ms, .. } => {
                self.span("max_ms", *max_ms, 1)?;
                self.number("min_ms", *min_ms, 0, *max_ms)
            }
            Fault::CrashLoop { down_ms, up_ms, .. } => {
                self.span("down_ms", *down_ms, 1)?;
                self.span("up_ms", *up_ms, 1)?;
                self.repeats(down_ms + up_ms)
            }
            Fault::RollingRestart { down_ms, .. } => {
                let each_ms = self.planned.for_ms / u64::from(self.topology.servers);
                self.number("down_ms", *down_ms, 1, each_ms.min(SPAN_MS_MAX))
            }
            Fault::Slow { cost_us, .. } => self.number("cost_us", *cost_us, 1, COST_US_MAX),
            Fault::ClockJump { by_ms, .. } => self.number("by_ms", by_ms.unsigned_abs(), 1, CLOCK_MS_MAX),
            Fault::ClockDrift { ppm, .. } => {
                self.number("ppm", u64::from(ppm.unsigned_abs()), 1, u64::from(DRIFT_PPM_MAX))
            }
            Fault::ClockStrobe { by_ms, period_ms, .. } => {
                self.number("by_ms", by_ms.unsigned_abs(), 1, CLOCK_MS_MAX)?;
                self.span("period_ms", *period_ms, 1)?;
                self.repeats(*period_ms)
            }
            Fault::LoseUnsynced { sync_ms, .. } | Fault::TornWrite { sync_ms, .. } => {
                self.span("sync_ms", *sync_ms, 0)
            }
            Fault::SlowSync { sync_ms, .. } => self.span("sync_ms", *sync_ms, 1),
            Fault::Truncate { records, .. } => self.number("records", u64::from(*records), 1, 1_000_000),
            Fault::Reconfigure { change } => self.change(*change),
            Fault::Storm { changes } if changes.is_empty() => {
                Err(self.contradiction("a storm has at least one change"))
            }
            Fault::Storm { changes } => changes.iter().try_for_each(|change| self.change(*change)),
            Fault::ClientCrash { client } => self.client(*client),
            _ => Ok(()),
        }
    }

    fn lists(&self) -> Result<(), PlanError> {
        match &self.planned.fault {
            Fault::Split { left, right, .. } => {
                if left.is_empty() {
                    return Err(self.contradiction("left is empty: name at least one server"));
                }
                if left.iter().any(|target| right.contains(target)) {
                    return Err(self.contradiction("a server is on both sides: name it once"));
                }
                Ok(())
            }
            Fault::ClientCut { clients, .. } => {
                self.distinct(clients)?;
                clients.iter().try_for_each(|client| self.client(*client))
            }
            Fault::Swizzle { cut, restore, .. } => {
                cut.iter().chain(restore).try_for_each(|server| self.server(*server))?;
                self.distinct(cut)?;
                let (first, second) = (BTreeSet::from_iter(cut), BTreeSet::from_iter(restore));
                if cut.is_empty() || first != second || cut.len() != restore.len() {
                    return Err(self.contradiction("cut and restore must name the same servers, once each"));
                }
                Ok(())
            }
            Fault::Filter { kinds, .. } if kinds.is_empty() => {
                Err(self.contradiction("kinds is empty: name the kinds of messages to drop"))
            }
            Fault::Loss { links, kinds, .. }
            | Fault::Duplication { links, kinds, .. }
            | Fault::Reordering { links, kinds, .. }
            | Fault::Delay { links, kinds, .. }
            | Fault::Corruption { links, kinds, .. }
            | Fault::Filter { links, kinds } => self.links(*links, kinds),
            _ => Ok(()),
        }
    }

    fn links(&self, links: Links, kinds: &[String]) -> Result<(), PlanError> {
        if let Links::Between { from, to } = links
            && from == to
        {
            return Err(self.contradiction("from and to are the same server"));
        }
        if self.topology.servers < 2 && matches!(links, Links::Servers | Links::Between { .. }) {
            return Err(self.contradiction("links between servers need at least 2 servers"));
        }
        if kinds.len() > KINDS_MAX {
            return Err(self.contradiction("too many kinds of messages"));
        }
        let mode = self.topology.mode;
        let possible = Message::kinds(mode);
        match kinds.iter().find(|kind| !possible.contains(&kind.as_str())) {
            None => Ok(()),
            Some(kind) => {
                // What was asked for may be of any length.
                let (id, name, kind) = (self.planned.id, self.name, kind.chars().take(40).collect());
                let (mode, possible) = (mode.name(), possible.join(", "));
                Err(PlanError::UnknownMessage { id, name, kind, mode, possible })
            }
        }
    }

    fn server(&self, server: u32) -> Result<(), PlanError> {
        let servers = self.topology.servers;
        if server < servers {
            return Ok(());
        }
        Err(PlanError::UnknownServer { id: self.planned.id, name: self.name, server, servers })
    }

    fn change(&self, change: ClusterChange) -> Result<(), PlanError> {
        if self.topology.mode != Mode::Sharded {
            return Err(self.contradiction("only the mode sharded has groups that come and go"));
        }
        let group = |group: u32| self.number("group", group.into(), 1, SHARD_GROUPS.into());
        match change {
            ClusterChange::Join(joins) => group(joins),
            ClusterChange::Leave(leaves) => group(leaves),
            ClusterChange::Move { shard, to } => {
                self.number("shard", shard.into(), 0, u64::from(SHARDS) - 1)?;
                group(to)
            }
        }
    }

    fn client(&self, client: u32) -> Result<(), PlanError> {
        let clients = self.topology.clients;
        if client < clients {
            return Ok(());
        }
        Err(PlanError::UnknownClient { id: self.planned.id, name: self.name, client, clients })
    }

    fn distinct(&self, list: &[u32]) -> Result<(), PlanError> {
        if BTreeSet::from_iter(list).len() == list.len() {
            return Ok(());
        }
        Err(self.contradiction("one index appears twice in a list"))
    }

    /// A fault that repeats every `period_ms` must not ask for endless steps.
    fn repeats(&self, period_ms: u64) -> Result<(), PlanError> {
        assert!(period_ms > 0, "periods are checked before repetitions");
        if self.planned.for_ms / period_ms <= STEPS_MAX {
            return Ok(());
        }
        Err(self.contradiction("it repeats too often: lengthen its period or shorten it"))
    }

    fn span(&self, field: &'static str, value: u64, min: u64) -> Result<(), PlanError> {
        self.number(field, value, min, SPAN_MS_MAX)
    }

    fn number(&self, field: &'static str, value: u64, min: u64, max: u64) -> Result<(), PlanError> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(PlanError::OutOfRange { id: self.planned.id, name: self.name, field, value, min, max })
    }

    fn contradiction(&self, problem: &'static str) -> PlanError {
        PlanError::Contradiction { id: self.planned.id, name: self.name, problem }
    }
}
