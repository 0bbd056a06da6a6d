//! Faults as data: what, when and to whom, readable as JSON and as one line of text each.
//!
//! A fault keeps its id when others are removed from its plan, because its random decisions are keyed by it. A
//! target may depend on the run ("the leader"); it is resolved when the fault fires, and the event that reports
//! the firing says to whom. This file does not know how a fault is carried out or whether it is allowed.

use serde::{Deserialize, Serialize};
use squall_cluster::role::Role;

use super::trigger::Trigger;

/// The number of a fault in its original plan.
pub type FaultId = u32;

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// Unique within the plan, and kept when other faults are removed.
    pub id: FaultId,
    /// When it begins, in milliseconds from the start of the chaos phase; with a trigger, from when on events count.
    pub at_ms: u64,
    /// How long it lasts, in milliseconds; never 0.
    pub for_ms: u64,
    /// The event at which it begins; none: at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Trigger>,
    /// What happens.
    pub fault: Fault,
}

impl PlannedFault {
    /// When it ends, in milliseconds from the start of the chaos phase; with a trigger, the earliest that can be.
    pub fn end_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.for_ms)
    }
}

/// A server, by name or by what it does at the moment the fault fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// The server with this index, from 0 (people read it as `n1`).
    Server(u32),
    /// The server that leads.
    Leader,
    /// The server at this position, from 0, among those that do not lead, in order of index; counted around.
    Follower(u32),
    /// The server that plays this role; if several do, the one with the highest ballot (term, view).
    Role {
        /// The role.
        role: Role,
        /// In this group; none: in any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
    },
    /// The server whose event pulled the trigger; only in faults that have one.
    Actor,
}

/// Where the clients are when servers are cut apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientSide {
    /// A client is on the side of the server it is bound to, and cut off like it.
    Follow,
    /// Clients reach every server.
    ReachAll,
}

/// What a crash takes from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskLoss {
    /// All that was written is kept, synced or not (the process died, the machine did not).
    Nothing,
    /// A prefix of what was not synced is kept, often none of it.
    Unsynced,
    /// As [`Unsynced`](Self::Unsynced), and the first record that is lost leaves its torn beginning.
    Torn,
}

/// Which directions of which links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Links {
    /// Every direction of every link.
    All,
    /// Those between servers.
    Servers,
    /// From clients to servers.
    Requests,
    /// From servers to clients.
    Replies,
    /// Everything that this server sends.
    From(Target),
    /// Everything that is sent to this server.
    To(Target),
    /// One direction between two servers.
    Between {
        /// The sender.
        from: Target,
        /// The receiver.
        to: Target,
    },
}

/// A kind of fault, as one selects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Who can talk to whom.
    Partition,
    /// How well.
    Link,
    /// Who runs, and how fast.
    Process,
    /// What time they believe it is.
    Clock,
    /// What they remember.
    Disk,
    /// Which groups take part, and which serves what.
    Cluster,
}

impl Family {
    /// All families, in the order in which they are listed.
    pub const ALL: [Self; 6] =
        [Self::Partition, Self::Link, Self::Process, Self::Clock, Self::Disk, Self::Cluster];

    /// The name by which it is selected.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Link => "link",
            Self::Process => "process",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Cluster => "cluster",
        }
    }
}

/// What happens. Probabilities are in parts per million; `kinds` restricts a link fault to messages of these
/// kinds (empty: all).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// One server is cut off from the others, both ways.
    Isolate {
        /// Which.
        target: Target,
        /// Whether its clients are cut off with it.
        clients: ClientSide,
    },
    /// Two groups of servers are cut apart, both ways: halves, or a majority and a minority. A server in neither
    /// group reaches both.
    Split {
        /// One side; never empty.
        left: Vec<Target>,
        /// The other side; empty: everybody who is not on the left.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        right: Vec<Target>,
        /// Whether clients are on the side of their server.
        clients: ClientSide,
    },
    /// Servers form a ring in which each sees a majority, and no two see the same one.
    Ring {
        /// Whether clients reach only what their server reaches.
        clients: ClientSide,
    },
    /// Two halves that see each other only through one server.
    Bridge {
        /// The server that both halves see.
        over: Target,
        /// Whether clients are on the side of their server.
        clients: ClientSide,
    },
    /// One server does not hear the others, but is heard.
    Deaf {
        /// Which.
        target: Target,
        /// Whether it does not hear the clients of other servers either.
        clients: ClientSide,
    },
    /// One server is not heard by the others, but hears them.
    Mute {
        /// Which.
        target: Target,
        /// Whether the clients of other servers do not hear it either.
        clients: ClientSide,
    },
    /// One server is cut off and connected again, over and over.
    Flapping {
        /// Which.
        target: Target,
        /// How long each cut lasts, in milliseconds.
        cut_ms: u64,
        /// How long it is connected in between, in milliseconds.
        connected_ms: u64,
        /// Whether its clients are cut off with it.
        clients: ClientSide,
    },
    /// Some clients are cut off from one server, or from all.
    ClientCut {
        /// Which clients, by index from 0; empty: all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        clients: Vec<u32>,
        /// From which server; none: from every one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<Target>,
    },
    /// Messages are lost.
    Loss {
        /// Where.
        links: Links,
        /// How many of a million.
        ppm: u32,
        /// Only messages of these kinds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Messages arrive twice.
    Duplication {
        /// Where.
        links: Links,
        /// How many of a million.
        ppm: u32,
        /// Only messages of these kinds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Messages overtake each other.
    Reordering {
        /// Where.
        links: Links,
        /// How many of a million are held back.
        ppm: u32,
        /// Only messages of these kinds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Messages take longer; on one direction only, acknowledgements and what they acknowledge drift apart.
    Delay {
        /// Where.
        links: Links,
        /// The least extra delay, in milliseconds.
        min_ms: u64,
        /// The greatest extra delay, in milliseconds.
        max_ms: u64,
        /// Only messages of these kinds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Messages are changed on the way, which their checksum shows.
    Corruption {
        /// Where.
        links: Links,
        /// How many of a million.
        ppm: u32,
        /// Only messages of these kinds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Messages of some kinds never arrive.
    Filter {
        /// Where.
        links: Links,
        /// Which kinds; never empty.
        kinds: Vec<String>,
    },
    /// Servers are cut off one by one and connected again in another order.
    Swizzle {
        /// The order in which they are cut off, over the first half of the fault.
        cut: Vec<u32>,
        /// The order in which they are connected again, over the second half: the same servers.
        restore: Vec<u32>,
        /// Whether their clients are cut off with them.
        clients: ClientSide,
    },
    /// One server crashes, and starts again when the fault ends.
    Crash {
        /// Which.
        target: Target,
        /// What its disk loses.
        loss: DiskLoss,
    },
    /// One client crashes and starts again at once, having forgotten everything.
    ClientCrash {
        /// Which, by index from 0.
        client: u32,
    },
    /// One server crashes again and again.
    CrashLoop {
        /// Which.
        target: Target,
        /// How long it is down each time, in milliseconds.
        down_ms: u64,
        /// How long it is up in between, in milliseconds.
        up_ms: u64,
        /// What its disk loses each time.
        loss: DiskLoss,
    },
    /// All servers crash at once, and start again when the fault ends.
    CrashAll {
        /// What their disks lose.
        loss: DiskLoss,
    },
    /// Each server in turn crashes and starts again, spread evenly over the fault.
    RollingRestart {
        /// How long each is down, in milliseconds.
        down_ms: u64,
        /// What its disk loses.
        loss: DiskLoss,
    },
    /// One server stands still; what arrives waits.
    Pause {
        /// Which.
        target: Target,
    },
    /// One server takes longer over everything.
    Slow {
        /// Which.
        target: Target,
        /// Extra simulated time for every input, in microseconds.
        cost_us: u64,
    },
    /// One server's clock is wrong by a fixed amount.
    ClockJump {
        /// Which.
        target: Target,
        /// How far ahead (negative: behind), in milliseconds.
        by_ms: i64,
    },
    /// One server's clock runs fast or slow.
    ClockDrift {
        /// Which.
        target: Target,
        /// Microseconds gained (negative: lost) per second.
        ppm: i32,
    },
    /// One server's clock jumps to and fro.
    ClockStrobe {
        /// Which.
        target: Target,
        /// How far, in milliseconds.
        by_ms: i64,
        /// How long it stays on each side, in milliseconds.
        period_ms: u64,
    },
    /// One server's disk syncs slowly until, half-way through the fault, it crashes and loses what was not synced.
    LoseUnsynced {
        /// Which.
        target: Target,
        /// Extra time of each sync before the crash, in milliseconds.
        sync_ms: u64,
    },
    /// As [`LoseUnsynced`](Self::LoseUnsynced), and the last write is torn.
    TornWrite {
        /// Which.
        target: Target,
        /// Extra time of each sync before the crash, in milliseconds.
        sync_ms: u64,
    },
    /// Syncs of one server keep nothing; half-way through the fault it crashes and loses what they covered.
    LyingSync {
        /// Which.
        target: Target,
    },
    /// A sync of one server fails, which stops it; it starts again when the fault ends.
    FailedSync {
        /// Which.
        target: Target,
    },
    /// Syncs of one server take longer.
    SlowSync {
        /// Which.
        target: Target,
        /// Extra time of each, in milliseconds.
        sync_ms: u64,
    },
    /// One server crashes, a bit of a synced record flips, and it starts again when the fault ends.
    BitFlip {
        /// Which.
        target: Target,
    },
    /// One server crashes, its last synced records are gone, and it starts again when the fault ends.
    Truncate {
        /// Which.
        target: Target,
        /// How many records, at most.
        records: u32,
    },
    /// One server's disk is full, which stops it at its next write; it starts again when the fault ends.
    DiskFull {
        /// Which.
        target: Target,
    },
    /// One server crashes, its disk is emptied, and it starts again when the fault ends.
    Wipe {
        /// Which.
        target: Target,
    },
    /// The operator changes which groups take part, or which serves what. A change that makes no sense when its turn
    /// comes is refused and does nothing.
    Reconfigure {
        /// How.
        change: ClusterChange,
    },
    /// Changes follow each other, evenly over the fault.
    Storm {
        /// In this order; never empty.
        changes: Vec<ClusterChange>,
    },
}

/// A change of the configuration of a sharded cluster. Groups count from 1, shards from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClusterChange {
    /// A group takes part.
    Join(u32),
    /// A group takes part no longer.
    Leave(u32),
    /// A shard goes to a group.
    Move {
        /// This shard.
        shard: u32,
        /// To this group.
        to: u32,
    },
}

impl Fault {
    /// The name by which it is known in selections, reports and plans. Equal to its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Isolate { .. } => "isolate",
            Self::Split { .. } => "split",
            Self::Ring { .. } => "ring",
            Self::Bridge { .. } => "bridge",
            Self::Deaf { .. } => "deaf",
            Self::Mute { .. } => "mute",
            Self::Flapping { .. } => "flapping",
            Self::ClientCut { .. } => "client-cut",
            Self::Loss { .. } => "loss",
            Self::Duplication { .. } => "duplication",
            Self::Reordering { .. } => "reordering",
            Self::Delay { .. } => "delay",
            Self::Corruption { .. } => "corruption",
            Self::Filter { .. } => "filter",
            Self::Swizzle { .. } => "swizzle",
            Self::Crash { .. } => "crash",
            Self::ClientCrash { .. } => "client-crash",
            Self::CrashLoop { .. } => "crash-loop",
            Self::CrashAll { .. } => "crash-all",
            Self::RollingRestart { .. } => "rolling-restart",
            Self::Pause { .. } => "pause",
            Self::Slow { .. } => "slow",
            Self::ClockJump { .. } => "clock-jump",
            Self::ClockDrift { .. } => "clock-drift",
            Self::ClockStrobe { .. } => "clock-strobe",
            Self::LoseUnsynced { .. } => "lose-unsynced",
            Self::TornWrite { .. } => "torn-write",
            Self::LyingSync { .. } => "lying-sync",
            Self::FailedSync { .. } => "failed-sync",
            Self::SlowSync { .. } => "slow-sync",
            Self::BitFlip { .. } => "bit-flip",
            Self::Truncate { .. } => "truncate",
            Self::DiskFull { .. } => "disk-full",
            Self::Wipe { .. } => "wipe",
            Self::Reconfigure { .. } => "reconfigure",
            Self::Storm { .. } => "storm",
        }
    }

    /// The family it belongs to.
    pub fn family(&self) -> Family {
        match self {
            Self::Isolate { .. }
            | Self::Split { .. }
            | Self::Ring { .. }
            | Self::Bridge { .. }
            | Self::Deaf { .. }
            | Self::Mute { .. }
            | Self::Flapping { .. }
            | Self::ClientCut { .. } => Family::Partition,
            Self::Loss { .. }
            | Self::Duplication { .. }
            | Self::Reordering { .. }
            | Self::Delay { .. }
            | Self::Corruption { .. }
            | Self::Filter { .. }
            | Self::Swizzle { .. } => Family::Link,
            Self::Crash { .. }
            | Self::ClientCrash { .. }
            | Self::CrashLoop { .. }
            | Self::CrashAll { .. }
            | Self::RollingRestart { .. }
            | Self::Pause { .. }
            | Self::Slow { .. } => Family::Process,
            Self::ClockJump { .. } | Self::ClockDrift { .. } | Self::ClockStrobe { .. } => Family::Clock,
            Self::LoseUnsynced { .. }
            | Self::TornWrite { .. }
            | Self::LyingSync { .. }
            | Self::FailedSync { .. }
            | Self::SlowSync { .. }
            | Self::BitFlip { .. }
            | Self::Truncate { .. }
            | Self::DiskFull { .. }
            | Self::Wipe { .. } => Family::Disk,
            Self::Reconfigure { .. } | Self::Storm { .. } => Family::Cluster,
        }
    }

    /// Every server that it names, in order.
    pub fn targets(&self) -> Vec<Target> {
        self.clone().targets_mut().into_iter().map(|target| *target).collect()
    }

    /// The places of every server that it names, in order; the interpreter puts there whom they resolve to.
    pub(super) fn targets_mut(&mut self) -> Vec<&mut Target> {
        match self {
            Self::Isolate { target, .. }
            | Self::Bridge { over: target, .. }
            | Self::Deaf { target, .. }
            | Self::Mute { target, .. }
            | Self::Flapping { target, .. }
            | Self::Crash { target, .. }
            | Self::CrashLoop { target, .. }
            | Self::Pause { target }
            | Self::Slow { target, .. }
            | Self::ClockJump { target, .. }
            | Self::ClockDrift { target, .. }
            | Self::ClockStrobe { target, .. }
            | Self::LoseUnsynced { target, .. }
            | Self::TornWrite { target, .. }
            | Self::LyingSync { target }
            | Self::FailedSync { target }
            | Self::SlowSync { target, .. }
            | Self::BitFlip { target }
            | Self::Truncate { target, .. }
            | Self::DiskFull { target }
            | Self::Wipe { target } => vec![target],
            Self::Split { left, right, .. } => left.iter_mut().chain(right).collect(),
            Self::ClientCut { server, .. } => server.iter_mut().collect(),
            Self::Loss { links, .. }
            | Self::Duplication { links, .. }
            | Self::Reordering { links, .. }
            | Self::Delay { links, .. }
            | Self::Corruption { links, .. }
            | Self::Filter { links, .. } => links.targets_mut(),
            Self::Ring { .. }
            | Self::Swizzle { .. }
            | Self::ClientCrash { .. }
            | Self::CrashAll { .. }
            | Self::RollingRestart { .. }
            | Self::Reconfigure { .. }
            | Self::Storm { .. } => Vec::new(),
        }
    }
}

impl Links {
    fn targets_mut(&mut self) -> Vec<&mut Target> {
        match self {
            Self::All | Self::Servers | Self::Requests | Self::Replies => Vec::new(),
            Self::From(target) | Self::To(target) => vec![target],
            Self::Between { from, to } => vec![from, to],
        }
    }
}
