//! Decides whether a history of concurrent operations is correct, and says why when it is not.
//!
//! Pure functions over data: no clock, randomness, file, network or async reaches in here, so that a verdict
//! depends on the history alone. Verdicts are three-valued to the end: what could not be decided is
//! [`Verdict::Unknown`] with the bound that was reached, never valid.

pub mod format;
pub mod history;
pub mod kv;
mod observed;
pub mod spec;
pub mod value;
pub mod verdict;

pub use history::{Completion, History, Malformed, OpId, Operation, ProcessId};
pub use spec::Spec;
pub use value::Value;
pub use verdict::{Bounds, Check, CheckOutcome, Edge, EdgeKind, Verdict, Violation};
