//! The nemesis: faults as data, what they act upon, and when they may act.
//!
//! A plan is a list of [`PlannedFault`]s, made from a seed before the run or read from a file; an interpreter
//! applies it to a [`Surface`], the only thing it knows of the world. A plan and a surface that answers alike
//! give the same run: nothing here holds randomness or a clock of its own.

pub mod budget;
pub mod catalogue;
mod describe;
mod draw;
pub mod fault;
pub mod generate;
pub mod interpreter;
pub mod model;
pub mod read;
mod resolve;
mod scenarios;
mod shard_scenarios;
mod steps;
pub mod surface;
pub mod trigger;
pub mod validate;
mod view_scenarios;

pub use catalogue::{Selection, SelectionError, list};
pub use describe::in_words;
pub(crate) use draw::PARTIES;
pub use fault::{ClientSide, ClusterChange, DiskLoss, Family, Fault, FaultId, Links, PlannedFault, Target};
pub use generate::generate;
pub use interpreter::{Nemesis, NemesisEvent, Tally};
pub use model::{Limits, Mode, SHARD_GROUPS, Standing, Topology};
pub use read::{ReadError, Written, read};
pub use surface::{ClockChange, DiskFault, Endpoint, LinkEffect, Surface};
pub use trigger::{Moment, Sprung, Trigger};
pub use validate::{PlanError, validate};

#[cfg(test)]
mod tests;
