//! Chaos testing and linearizability checking of distributed systems, in a deterministic simulation.

pub mod nemesis;
pub mod node;
pub mod sim;
pub mod system;
pub mod trial;

pub use squall_checker as checker;
pub use squall_workloads as workloads;
