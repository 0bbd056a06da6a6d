//! Chaos testing and linearizability checking of distributed systems, in a deterministic simulation.

pub mod nemesis;
