//! The system under test: a replicated key-value store as pure, deterministic state machines.
//!
//! `no_std`: no clock, hash map, thread, file or socket can even be named here. A node sees time and randomness
//! only as inputs, so determinism is enforced by the compiler and not by care. It must be correct, and it must be
//! breakable on purpose: every [`bugs::Bug`] is one switch at the line that it breaks.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod app;
mod ascending;
pub mod bugs;
mod bytes;
pub mod client;
pub mod digest;
pub mod encoding;
pub mod event;
pub mod invariants;
pub mod message;
pub mod node;
pub mod paxos;
pub mod primary_backup;
pub mod replica;
pub mod role;
pub mod session;
pub mod sharded;
pub mod single;
pub mod view;
pub mod waiting;
