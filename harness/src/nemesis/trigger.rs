//! Triggers: the event of a node at which a fault fires, instead of a time.
//!
//! A step of a node has three moments: it is taken, its records become durable, and what it says leaves. A trigger
//! names an event, the moment, whose, and how many to let pass. The world counts; a server that reaches a moment
//! *before* something stands still until the nemesis has acted, so a fault can fall exactly between two of them.

use serde::{Deserialize, Serialize};

use super::fault::{FaultId, Target};

/// The most events that a trigger may let pass.
pub const NTH_MAX: u32 = 1_000_000;

/// When, in the life of the step that emits an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It has left the node: its records are durable, its messages are on their way.
    #[default]
    After,
    /// The step is taken, and its records, or those of an earlier step, are not yet durable.
    BeforeSync,
    /// Its records are durable and none of its messages has left.
    BeforeSend,
}

/// The event at which a fault fires.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its kind, as nodes name it ([`KINDS`](squall_cluster::event::Event::KINDS)).
    pub event: String,
    /// The moment of the step that emits it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moment: Moment,
    /// Whose events count: of the server that is it when the millisecond begins; none: of every server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Target>,
    /// Which of them fires it, from 1, counted from when the fault could first fire.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub nth: u32,
}

/// A trigger whose event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sprung {
    /// The fault that waited for it.
    pub fault: FaultId,
    /// The server whose event it was.
    pub server: usize,
}

impl Trigger {
    /// The first event of this kind, of any server.
    pub fn first(event: &str) -> Self {
        Self { event: event.to_owned(), moment: Moment::After, of: None, nth: 1 }
    }
}

fn is_default(moment: &Moment) -> bool {
    *moment == Moment::default()
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_one(nth: &u32) -> bool {
    *nth == 1
}
