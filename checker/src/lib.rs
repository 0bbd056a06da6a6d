//! Decides whether a history of concurrent operations is correct, and says why when it is not.
//!
//! Pure functions over data: no clock, randomness, file, network or async reaches in here, so that a verdict
//! depends on the history alone. Verdicts are three-valued to the end: what could not be decided is
//! [`Verdict::Unknown`] with the bound that was reached, never valid.

mod blocks;
pub mod certificate;
mod contradiction;
pub mod cycle;
pub mod exactly_once;
pub mod explain;
pub mod format;
pub mod history;
pub mod judge;
mod judge_rows;
pub mod kv;
pub mod linearizable;
pub mod model;
pub mod models;
mod no_order;
mod observed;
mod overwritten;
mod parallel;
mod prospect;
pub mod render;
mod rounds;
pub mod search;
mod shrink;
pub mod spec;
pub mod transactions;
pub mod value;
pub mod verdict;
mod words;

pub use certificate::{Certificate, NotProven, Proof, Reduction, verify, verify_all};
pub use cycle::Cycle;
pub use exactly_once::ExactlyOnce;
pub use history::{Completion, Event, EventKind, History, Malformed, OpId, Operation, ProcessId};
pub use linearizable::Linearizable;
pub use spec::{Direct, Help, Reach, Spec, Told};
pub use value::Value;
pub use verdict::{Bounds, Check, CheckOutcome, Edge, EdgeKind, Progress, Verdict, Violation};
