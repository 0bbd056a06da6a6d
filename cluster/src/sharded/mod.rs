//! The sharded mode: a controller that assigns shards to groups, groups that serve them, transactions across groups.
//!
//! Every group is replicated by the same agreement as the mode `paxos`; this module adds what happens between groups.
//! Everything that decides is an entry of some group's log: a change of configuration, a shard that comes or goes, each
//! step of a transaction. It does not know which faults strike or how hosts are laid out.

pub mod command;
pub mod configuration;
pub mod controller;
mod duties;
pub mod event;
pub mod group;
pub mod host;
pub mod message;
mod migration;
pub mod state;
#[cfg(test)]
mod tests;
pub mod transaction;
