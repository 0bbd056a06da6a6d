//! Monitors: what must hold in every run, checked on ghost events as they are released.
//!
//! Events are seen only once durable, in the order in which they leave their nodes, so a monitor never judges memory
//! that a crash may still undo. Each invariant has a letter and a number: X and E, see [`agreement`]; P, see
//! [`primary_backup`]; C, S and T, see [`shards`]. Memory is bounded: the oldest is forgotten, and then not judged.

pub mod agreement;
mod all;
pub mod primary_backup;
pub mod shards;

use alloc::string::String;
use core::fmt;

pub use agreement::Monitor;
pub use all::Monitors;
pub use shards::ShardMonitor;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its name, such as `X1`.
    pub invariant: &'static str,
    /// What happened, where.
    pub message: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.message)
    }
}

fn require(holds: bool, invariant: &'static str, message: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach { invariant, message: message() }) }
}
