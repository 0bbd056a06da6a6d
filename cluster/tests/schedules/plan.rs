//! What a schedule consists of, and what came of it in figures.

use squall_cluster::bugs::Bugs;
use squall_cluster::paxos::ReadPath;

use crate::sizes::Sizes;

/// What a schedule consists of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) replicas: u32,
    pub(crate) clients: u32,
    /// How many of them only read.
    pub(crate) readers: u32,
    pub(crate) bugs: Bugs,
    pub(crate) wipes: bool,
    pub(crate) limps: bool,
    /// No faults at all, and the best of networks.
    pub(crate) calm: bool,
    /// Whether messages, disks and logs are weighed, which takes time.
    pub(crate) weighed: bool,
    /// Whether the monitors watch; without them only clients judge.
    pub(crate) monitored: bool,
    pub(crate) page_entries: usize,
    pub(crate) page_bytes: usize,
    /// A snapshot is taken after so many slots.
    pub(crate) compaction_slots: u64,
    pub(crate) reads: ReadPath,
    /// How fast or slow each server's clock may run, in parts per million.
    pub(crate) clock_error_ppm: u64,
    /// Whether a clock may be set back.
    pub(crate) clock_steps: bool,
    /// Slots that every disk holds as accepted, in ballot 1.1, before the first boot.
    pub(crate) old_slots: u64,
    pub(crate) chaos_ms: u64,
}

impl Plan {
    pub(crate) fn new(replicas: u32) -> Self {
        Self {
            replicas,
            clients: 5,
            readers: 0,
            bugs: Bugs::NONE,
            wipes: false,
            limps: false,
            calm: false,
            weighed: false,
            monitored: true,
            page_entries: 256,
            page_bytes: 40_000,
            compaction_slots: 1_000,
            reads: ReadPath::Log,
            clock_error_ppm: 0,
            clock_steps: false,
            old_slots: 0,
            chaos_ms: 2_500,
        }
    }
}

/// What a clean schedule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) steps: u64,
    pub(crate) answered: u64,
    pub(crate) indeterminate: u64,
    pub(crate) crashes: u64,
    pub(crate) leaders: u64,
    pub(crate) snapshots: u64,
    pub(crate) installed: u64,
    pub(crate) sizes: Sizes,
    pub(crate) digest: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.answered += other.answered;
        self.indeterminate += other.indeterminate;
        self.crashes += other.crashes;
        self.leaders += other.leaders;
        self.snapshots += other.snapshots;
        self.installed += other.installed;
        self.digest ^= other.digest;
    }
}

impl Figures {
    pub(crate) fn count(&mut self, kind: &str) {
        self.leaders += u64::from(kind == "leader-elected");
        self.snapshots += u64::from(kind == "snapshot-written");
        self.installed += u64::from(kind == "snapshot-installed");
    }
}
