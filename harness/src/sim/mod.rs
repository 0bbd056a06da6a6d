//! The simulated world: network decisions, disks, clocks, and the places of nodes.
//!
//! Shared by every host of the cluster's nodes. Time is an argument; randomness is keyed; nothing here prints, writes
//! files or knows of histories and verdicts.

mod agenda;
mod clock;
mod coverage;
mod disk;
mod event_loop;
mod frame;
mod milestone;
mod network;
#[cfg(test)]
mod network_tests;
mod operator;
mod panics;
mod slot;
#[cfg(test)]
mod slot_tests;
mod stage;
mod surface;
mod tally;
mod timers;
mod traps;
mod turmoil_surface;
mod views;
pub(crate) mod world;

pub use coverage::{Cell, Coverage};
pub(crate) use event_loop::EventLoop;
pub(crate) use frame::Sent;
pub(crate) use network::Latency;
pub(crate) use stage::{CLIENTS, Stage};
pub use tally::MessageCounts;
pub(crate) use turmoil_surface::{Standing, TurmoilSurface};
pub use world::{NodeEvent, TraceEntry};
pub(crate) use world::{Server, Terrain, World};
