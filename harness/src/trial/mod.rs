//! One run: its plan, phases, clients, recorder and verdict.

mod clients;
mod judge;
mod outcome;
pub mod plan;
mod recorder;
mod run;
mod subject;

pub use clients::Phase;
pub use outcome::{FaultRecord, OperationCounts, Outcome};
pub use plan::{Config, Minima, Plan, Request};
pub use recorder::{Actor, HistoryLine};
pub use run::run;
pub use subject::Subject;
