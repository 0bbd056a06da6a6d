//! One run: its plan, phases, clients, recorder and verdict.

mod alarms;
mod builder;
mod clients;
mod ensemble;
pub mod failure;
mod judge;
mod manner;
mod outcome;
pub mod plan;
mod recorder;
mod recovery;
mod run;
mod subject;

pub use builder::{Trial, parse_seed, trial};
pub use clients::Phase;
pub use manner::{Manner, Simulator};
pub use outcome::{FaultRecord, OperationCounts, Outcome};
pub use plan::{Config, Minima, Plan, Request, Unfit};
pub use recorder::{Actor, HistoryLine};
pub use recovery::{Recovery, recoveries};
pub use run::run;
pub use subject::Subject;
