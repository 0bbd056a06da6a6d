//! Monitors over ghost events.

use crate::event::Event;
use crate::node::NodeId;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its name.
    pub invariant: &'static str,
    /// What happened.
    pub message: alloc::string::String,
}

/// Watches the events of all servers.
#[derive(Clone, Debug, Default)]
pub struct Monitor {}

impl Monitor {
    /// For these servers.
    pub fn new(_servers: alloc::vec::Vec<NodeId>) -> Self {
        Self {}
    }

    /// Takes one event, in the order of release.
    pub fn observe(&mut self, _node: NodeId, _event: &Event) -> Result<(), Breach> {
        Ok(())
    }

    /// This replica was wiped or damaged: what it promised no longer binds it.
    pub fn excuse(&mut self, _node: NodeId) {}
}
