//! Chaos testing and linearizability checking of distributed systems, in a deterministic simulation.

pub mod cli;
mod clocks;
pub mod determinism;
pub mod nemesis;
pub mod node;
pub mod replay;
pub mod report;
pub mod sim;
pub mod soak;
pub mod store;
pub mod system;
pub mod trial;

pub use node::{paxos, single};
pub use squall_checker as checker;
pub use squall_workloads as workloads;
pub use system::{NodeContext, NodeName, System};
pub use trial::{Outcome, Plan, Trial, trial};
