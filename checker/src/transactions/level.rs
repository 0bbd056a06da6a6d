//! Levels of isolation, the anomalies, and which of these break which of those.
//!
//! The levels are Adya's ("Weak Consistency", MIT 1999) for transactions that name their keys, with those of sessions
//! and real time on top; the anomalies are named as Kingsbury and Alvaro do ("Elle", VLDB 2020). Without predicates
//! repeatable read (PL-2.99) forbids the same cycles as serializability.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::UnknownName;

/// What a history of transactions may be held to, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Writes of transactions are not interleaved.
    ReadUncommitted,
    /// Only what was committed is read, and the flow of information has no circle.
    ReadCommitted,
    /// A transaction reads what it wrote, and all or nothing of what another wrote.
    ReadAtomic,
    /// Every transaction reads one snapshot, and of two that overlap only one may write a key.
    SnapshotIsolation,
    /// What a transaction read is not overwritten until it is done.
    RepeatableRead,
    /// There is a serial order.
    Serializable,
    /// There is a serial order in which each process's transactions stand as it issued them.
    StrongSessionSerializable,
    /// There is a serial order in which what had finished stands before what began later.
    #[default]
    StrictSerializable,
}

impl Level {
    /// All levels, weakest first.
    pub const ALL: [Self; 8] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::ReadAtomic,
        Self::SnapshotIsolation,
        Self::RepeatableRead,
        Self::Serializable,
        Self::StrongSessionSerializable,
        Self::StrictSerializable,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::ReadAtomic => "read-atomic",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::StrictSerializable => "strict-serializable",
        }
    }

    /// Whether every history of this level is one of `weaker`; each implies itself. Snapshot isolation and
    /// repeatable read do not imply each other.
    pub fn implies(self, weaker: Self) -> bool {
        weaker <= self && !(self == Self::RepeatableRead && weaker == Self::SnapshotIsolation)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let named = |level: &Self| level.name() == name;
        let unknown = || UnknownName::new("level", name, &Self::ALL.map(Self::name));
        Self::ALL.into_iter().find(named).ok_or_else(unknown)
    }
}

/// Which edges a cycle needs beside those of reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// None.
    Dependencies,
    /// The order of each process.
    Process,
    /// Real time.
    RealTime,
}

/// What can be wrong with a history of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// A list shows an element more often than it was appended.
    DuplicateElements,
    /// A read shows what nobody wrote.
    PhantomElement,
    /// A read shows what an aborted transaction wrote.
    AbortedRead,
    /// A read shows a state in the middle of another transaction.
    IntermediateRead,
    /// A committed write was made on top of an aborted one.
    DirtyUpdate,
    /// Two reads show orders of which neither continues the other.
    IncompatibleOrder,
    /// A transaction's reads contradict its own earlier reads and writes.
    Internal,
    /// A transaction saw one write of another, but of another key a version from before it.
    FracturedRead,
    /// Both of two transactions read the same version and overwrote it.
    LostUpdate,
    /// A committed append is missing from a read that began after it had finished, and from all others.
    LostAppend(Tier),
    /// A cycle of writes alone.
    G0(Tier),
    /// A cycle of writes and of reads of what was written.
    G1c(Tier),
    /// A cycle with exactly one read of what was overwritten.
    GSingle(Tier),
    /// A cycle with several reads of what was overwritten, no two of them adjacent.
    GNonadjacent(Tier),
    /// Any other cycle with reads of what was overwritten.
    G2Item(Tier),
    /// No cycle shows it, but every serial order was tried.
    NoSerialOrder(Tier),
}

impl Anomaly {
    /// Its name, as users of Elle know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateElements => "duplicate-elements",
            Self::PhantomElement => "phantom-element",
            Self::AbortedRead => "G1a",
            Self::IntermediateRead => "G1b",
            Self::DirtyUpdate => "dirty-update",
            Self::IncompatibleOrder => "incompatible-order",
            Self::Internal => "internal",
            Self::FracturedRead => "fractured-read",
            Self::LostUpdate => "lost-update",
            Self::LostAppend(_) => "lost-append",
            Self::G0(tier) => by_tier(tier, ["G0", "G0-process", "G0-realtime"]),
            Self::G1c(tier) => by_tier(tier, ["G1c", "G1c-process", "G1c-realtime"]),
            Self::GSingle(tier) => by_tier(tier, ["G-single", "G-single-process", "G-single-realtime"]),
            Self::GNonadjacent(tier) => {
                by_tier(tier, ["G-nonadjacent", "G-nonadjacent-process", "G-nonadjacent-realtime"])
            }
            Self::G2Item(tier) => by_tier(tier, ["G2-item", "G2-item-process", "G2-item-realtime"]),
            Self::NoSerialOrder(tier) => {
                by_tier(tier, ["no-serial-order", "no-serial-order-process", "no-serial-order-realtime"])
            }
        }
    }

    /// The weakest levels that forbid it.
    pub fn violates(self) -> &'static [Level] {
        match self {
            Self::DuplicateElements | Self::PhantomElement | Self::G0(Tier::Dependencies) => {
                &[Level::ReadUncommitted]
            }
            Self::AbortedRead
            | Self::IntermediateRead
            | Self::DirtyUpdate
            | Self::IncompatibleOrder
            | Self::G1c(Tier::Dependencies) => &[Level::ReadCommitted],
            Self::Internal | Self::FracturedRead => &[Level::ReadAtomic],
            Self::LostUpdate
            | Self::GSingle(Tier::Dependencies)
            | Self::GNonadjacent(Tier::Dependencies)
            | Self::LostAppend(Tier::Dependencies) => &[Level::SnapshotIsolation, Level::RepeatableRead],
            Self::G2Item(Tier::Dependencies) | Self::NoSerialOrder(Tier::Dependencies) => {
                &[Level::RepeatableRead]
            }
            Self::LostAppend(tier)
            | Self::G0(tier)
            | Self::G1c(tier)
            | Self::GSingle(tier)
            | Self::GNonadjacent(tier)
            | Self::G2Item(tier)
            | Self::NoSerialOrder(tier) => match tier {
                Tier::Dependencies => unreachable!("above"),
                Tier::Process => &[Level::StrongSessionSerializable],
                Tier::RealTime => &[Level::StrictSerializable],
            },
        }
    }

    /// Whether a history with it is not one of this level.
    pub fn breaks(self, level: Level) -> bool {
        self.violates().iter().any(|weakest| level.implies(*weakest))
    }
}

fn by_tier(tier: Tier, names: [&'static str; 3]) -> &'static str {
    match tier {
        Tier::Dependencies => names[0],
        Tier::Process => names[1],
        Tier::RealTime => names[2],
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The history is one of this level.
    Holds,
    /// Nobody can tell: orders could not be recovered, or a bound was reached.
    Unknown,
    /// The history is not one of this level.
    Violated,
}

/// What became of every level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    standings: [Standing; Level::ALL.len()],
}

impl Levels {
    /// All alike.
    pub(super) fn all(standing: Standing) -> Self {
        Self { standings: [standing; Level::ALL.len()] }
    }

    /// Level by level.
    pub fn of(&self, level: Level) -> Standing {
        self.standings[level as usize]
    }

    /// Marks the levels that an anomaly breaks.
    pub(super) fn broken_by(&mut self, anomaly: Anomaly) {
        for level in Level::ALL.into_iter().filter(|level| anomaly.breaks(*level)) {
            self.standings[level as usize] = Standing::Violated;
        }
    }

    /// Marks a level that is known to hold, and those that it implies.
    pub(super) fn holds(&mut self, strong: Level) {
        for level in Level::ALL.into_iter().filter(|level| strong.implies(*level)) {
            assert!(self.of(level) != Standing::Violated, "{level} is violated, so {strong} cannot hold");
            self.standings[level as usize] = Standing::Holds;
        }
    }

    /// The strongest levels that hold: none that holds is stronger. Several where they are not comparable.
    pub fn strongest_held(&self) -> Vec<Level> {
        self.extreme(Standing::Holds, |level, other| other.implies(level))
    }

    /// The weakest levels that are violated. Several where they are not comparable.
    pub fn weakest_violated(&self) -> Vec<Level> {
        self.extreme(Standing::Violated, Level::implies)
    }

    /// The levels of a standing for which no other of it is `beyond`.
    fn extreme(&self, standing: Standing, beyond: impl Fn(Level, Level) -> bool) -> Vec<Level> {
        let all: Vec<Level> = Level::ALL.into_iter().filter(|level| self.of(*level) == standing).collect();
        let lies_beyond = |level: Level| all.iter().any(|other| *other != level && beyond(level, *other));
        all.iter().copied().filter(|level| !lies_beyond(*level)).collect()
    }
}

impl fmt::Display for Levels {
    /// `serializable holds; strict-serializable does not`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |levels: &[Level]| levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(" and ");
        let (held, violated) = (self.strongest_held(), self.weakest_violated());
        let do_not = if violated.len() > 1 { "do not" } else { "does not" };
        match (held.as_slice(), violated.as_slice()) {
            ([], []) => f.write_str("no level could be decided"),
            ([], _) => write!(f, "{} {do_not} hold", names(&violated)),
            (_, []) => write!(f, "{} holds", names(&held)),
            _ => {
                let holds = if held.len() > 1 { "hold" } else { "holds" };
                write!(f, "{} {holds}; {} {do_not}", names(&held), names(&violated))
            }
        }
    }
}
