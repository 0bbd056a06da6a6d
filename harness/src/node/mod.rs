//! Hosts for the cluster's nodes: how the simulated world meets a simulator.
//!
//! Under turmoil every server has a host of its own and all clients share one; datagrams travel over turmoil's UDP.

mod built_in;
mod cluster;
mod served;

pub use built_in::{BuiltIn, paxos, primary_backup, sharded, single};
pub(crate) use built_in::{PRIMARY_BACKUP_NODES_MIN, SHARDED_NODES_MIN};
pub use served::{Next, Seat, Served};
pub use squall_cluster::bugs::Mode;

/// What a node's software returns: turmoil's result.
pub type ServeResult = turmoil::Result;
