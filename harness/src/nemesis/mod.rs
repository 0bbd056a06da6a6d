//! The nemesis: faults as data, what they act upon, and when they may act.
//!
//! A plan is a list of [`PlannedFault`]s, made from a seed before the run or read from a file; an interpreter
//! applies it to a [`Surface`], the only thing it knows of the world. A plan and a surface that answers alike
//! give the same run: nothing here holds randomness or a clock of its own.

pub mod fault;
pub mod surface;

pub use fault::{ClientSide, DiskLoss, Family, Fault, FaultId, Links, PlannedFault, Target};
pub use surface::{ClockChange, DiskFault, Endpoint, LinkEffect, Surface};
