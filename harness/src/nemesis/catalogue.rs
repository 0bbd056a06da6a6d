//! What can be selected: families, the kinds of faults in them, and one line about each.
//!
//! A kind is a way to draw a fault, so two kinds may give the same fault with other members (`halves` and
//! `random-halves` are both a split). Names are those of the command line and never change their meaning.

use std::fmt;

use thiserror::Error;

use super::fault::Family;
use super::model::{Mode, Standing, Topology, standing};
use super::validate::servers_needed;

/// A kind of fault that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The name by which it is selected.
    pub name: &'static str,
    /// The family that contains it.
    pub family: Family,
    /// The name of the fault that it draws ([`Fault::name`](super::Fault::name)).
    pub fault: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
}

const fn kind(name: &'static str, family: Family, fault: &'static str, summary: &'static str) -> Kind {
    Kind { name, family, fault, summary }
}

/// Every kind, by family, in the order in which they are listed.
pub const KINDS: &[Kind] = &[
    kind("isolate", Family::Partition, "isolate", "one server is cut off from the others"),
    kind("leader-alone", Family::Partition, "isolate", "the leader is cut off, its clients with it"),
    kind("halves", Family::Partition, "split", "servers are cut into two halves, by position"),
    kind("random-halves", Family::Partition, "split", "servers are cut into two random groups"),
    kind("majority-minority", Family::Partition, "split", "a minority, often with the leader, is cut off"),
    kind("ring", Family::Partition, "ring", "each server sees a majority, and no two the same one"),
    kind("bridge", Family::Partition, "bridge", "two halves that see each other only through one server"),
    kind("deaf", Family::Partition, "deaf", "one server does not hear the others, but is heard"),
    kind("mute", Family::Partition, "mute", "one server is not heard by the others, but hears them"),
    kind("flapping", Family::Partition, "flapping", "one server is cut off and connected, over and over"),
    kind("client-cut", Family::Partition, "client-cut", "clients are cut off from one server or from all"),
    kind("loss", Family::Link, "loss", "messages are lost"),
    kind("duplication", Family::Link, "duplication", "messages arrive twice"),
    kind("reordering", Family::Link, "reordering", "messages overtake each other"),
    kind("delay", Family::Link, "delay", "messages take longer"),
    kind("slow-direction", Family::Link, "delay", "messages take longer in one direction only"),
    kind("corruption", Family::Link, "corruption", "messages are changed on the way"),
    kind("filter", Family::Link, "filter", "messages of some kinds never arrive"),
    kind(
        "swizzle",
        Family::Link,
        "swizzle",
        "servers are cut off one by one, and connected in another order",
    ),
    kind("crash", Family::Process, "crash", "one server crashes and starts again"),
    kind("client-crash", Family::Process, "client-crash", "one client crashes, having forgotten everything"),
    kind("crash-loop", Family::Process, "crash-loop", "one server crashes again and again"),
    kind("crash-all", Family::Process, "crash-all", "all servers crash at once and start again"),
    kind(
        "rolling-restart",
        Family::Process,
        "rolling-restart",
        "each server in turn crashes and starts again",
    ),
    kind("pause", Family::Process, "pause", "one server stands still; what arrives waits"),
    kind("slow", Family::Process, "slow", "one server takes longer over everything"),
    kind("clock-jump", Family::Clock, "clock-jump", "one server's clock is wrong by a fixed amount"),
    kind("clock-drift", Family::Clock, "clock-drift", "one server's clock runs fast or slow"),
    kind("clock-strobe", Family::Clock, "clock-strobe", "one server's clock jumps to and fro"),
    kind("lose-unsynced", Family::Disk, "lose-unsynced", "one server crashes and loses what was not synced"),
    kind("torn-write", Family::Disk, "torn-write", "as lose-unsynced, and the last write is torn"),
    kind("lying-sync", Family::Disk, "lying-sync", "syncs keep nothing; a crash shows it"),
    kind("failed-sync", Family::Disk, "failed-sync", "a sync fails, which stops the server"),
    kind("slow-sync", Family::Disk, "slow-sync", "syncs take longer"),
    kind("bit-flip", Family::Disk, "bit-flip", "one bit of a synced record flips"),
    kind("truncate", Family::Disk, "truncate", "the last synced records are gone"),
    kind(
        "disk-full",
        Family::Disk,
        "disk-full",
        "the disk is full, which stops the server at its next write",
    ),
    kind("wipe", Family::Disk, "wipe", "everything on the disk is gone"),
    kind("join", Family::Cluster, "reconfigure", "a group takes part, and gets its share of the shards"),
    kind(
        "leave",
        Family::Cluster,
        "reconfigure",
        "a group takes part no longer, and its shards go elsewhere",
    ),
    kind("move", Family::Cluster, "reconfigure", "one shard goes to another group"),
    kind("storm", Family::Cluster, "storm", "groups come and go and shards move, one change after the other"),
];

impl Family {
    /// What it is about, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Partition => "who can talk to whom",
            Self::Link => "how well messages travel",
            Self::Process => "who runs, and how fast",
            Self::Clock => "what time servers believe it is",
            Self::Disk => "what servers remember",
            Self::Cluster => "which group serves what",
        }
    }
}

impl Kind {
    /// Whether the topology can have it, whatever the fault model says.
    pub fn fits(&self, topology: &Topology) -> bool {
        assert!(topology.servers > 0, "a topology has servers");
        let needed = match self.name {
            // Alone means without the others; a direction, too, needs somebody at its other end.
            "leader-alone" | "slow-direction" => 2,
            "majority-minority" => 3,
            "rolling-restart" => 2,
            _ => servers_needed(self.fault),
        };
        let has_groups = topology.mode == Mode::Sharded || self.family != Family::Cluster;
        topology.servers >= needed && has_groups
    }
}

/// What the command line lists: families and kinds, each with one line of text.
pub fn list() -> Vec<(&'static str, &'static str)> {
    let of = |family: Family| {
        let kinds = KINDS.iter().filter(move |kind| kind.family == family);
        std::iter::once((family.name(), family.summary())).chain(kinds.map(|kind| (kind.name, kind.summary)))
    };
    Family::ALL.into_iter().flat_map(of).collect()
}

/// Which faults a run may draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// None: the plan is empty.
    None,
    /// Per seed a random subset of all that the mode promises to survive.
    #[default]
    All,
    /// These.
    Named(Vec<Choice>),
}

/// One name of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// All of a family that the mode promises to survive.
    Family(Family),
    /// This kind, whatever the mode promises.
    Kind(&'static Kind),
}

/// Why a selection means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing was named.
    #[error("no fault is named: use none, all, or a list such as partition,crash")]
    Empty,
    /// `none` and `all` say everything.
    #[error("{word} cannot be combined with other names")]
    NotAlone {
        /// The word.
        word: &'static str,
    },
    /// No such family or fault.
    #[error("unknown fault {name:?}{}; known are none, all, {}", did_you_mean(.suggestion), names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The known name that is nearest, if any is near.
        suggestion: Option<&'static str>,
    },
    /// Nothing of the selection can happen on this topology.
    #[error("none of {selection} can happen in mode {mode} with {servers} servers")]
    NothingFits {
        /// The selection.
        selection: String,
        /// The mode.
        mode: &'static str,
        /// How many servers there are.
        servers: u32,
    },
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

fn names() -> Vec<&'static str> {
    list().into_iter().map(|(name, _)| name).collect()
}

impl std::str::FromStr for Selection {
    type Err = SelectionError;

    /// `none`, `all`, or names of families and kinds, separated by commas.
    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => return Err(SelectionError::Empty),
            ["none"] => return Ok(Self::None),
            ["all"] => return Ok(Self::All),
            _ => {}
        }
        let mut choices = Vec::new();
        for word in words {
            choices.push(choice(word)?);
        }
        choices.sort_unstable();
        choices.dedup();
        Ok(Self::Named(choices))
    }
}

fn choice(word: &str) -> Result<Choice, SelectionError> {
    match word {
        "none" => return Err(SelectionError::NotAlone { word: "none" }),
        "all" => return Err(SelectionError::NotAlone { word: "all" }),
        _ => {}
    }
    if let Some(family) = Family::ALL.into_iter().find(|family| family.name() == word) {
        return Ok(Choice::Family(family));
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == word) {
        return Ok(Choice::Kind(kind));
    }
    let suggestion = nearest(word, names().into_iter().chain(["none", "all"]));
    Err(SelectionError::Unknown { name: word.to_owned(), suggestion })
}

/// The name that is nearest to a word, if any is near.
pub(super) fn nearest<'names>(word: &str, names: impl Iterator<Item = &'names str>) -> Option<&'names str> {
    let distance = |name: &&'names str| strsim::damerau_levenshtein(word, name);
    names.min_by_key(distance).filter(|name| distance(name) <= 1 + name.len() / 4)
}

impl fmt::Display for Selection {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::All => write!(f, "all"),
            Self::Named(choices) => {
                let names: Vec<&str> = choices.iter().map(Choice::name).collect();
                write!(f, "{}", names.join(","))
            }
        }
    }
}

impl Choice {
    /// The name by which it is selected.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Family(family) => family.name(),
            Self::Kind(kind) => kind.name,
        }
    }
}

/// Drift is drawn within the bound; a jump has none.
fn jumps_a_clock_that_counts(kind: &Kind, topology: &Topology) -> bool {
    topology.clock_error_ppm_max.is_some() && matches!(kind.fault, "clock-jump" | "clock-strobe")
}

impl Selection {
    /// The kinds that may be drawn on this topology. Outside the fault model only what is named one by one.
    pub fn kinds(&self, topology: &Topology) -> Vec<&'static Kind> {
        let inside = |kind: &Kind| match standing(topology.mode, kind.fault) {
            Standing::Inside => !jumps_a_clock_that_counts(kind, topology),
            Standing::Minority => topology.minority() > 0,
            Standing::OnlyNamed => false,
        };
        let is_selected = |kind: &&Kind| match self {
            Self::None => false,
            Self::All => inside(kind),
            Self::Named(choices) => choices.iter().any(|choice| match choice {
                Choice::Family(family) => kind.family == *family && inside(kind),
                Choice::Kind(named) => named.name == kind.name,
            }),
        };
        KINDS.iter().filter(is_selected).filter(|kind| kind.fits(topology)).collect()
    }

    /// Whether it names faults that the mode does not promise to survive: the interpreter must be allowed to
    /// leave the model, and the verdict says so.
    pub fn leaves_model(&self, topology: &Topology) -> bool {
        self.kinds(topology).iter().any(|kind| {
            standing(topology.mode, kind.fault) == Standing::OnlyNamed
                || jumps_a_clock_that_counts(kind, topology)
        })
    }

    /// Whether anything of it can happen on this topology.
    pub fn check(&self, topology: &Topology) -> Result<(), SelectionError> {
        if *self == Self::None || !self.kinds(topology).is_empty() {
            return Ok(());
        }
        let (mode, servers) = (topology.mode.name(), topology.servers);
        Err(SelectionError::NothingFits { selection: self.to_string(), mode, servers })
    }
}
