//! Models beyond the key-value store: the sequential objects that people test, each with its specification and,
//! where theory has one, a monitor that judges histories of unique values in near-linear time.
//!
//! A monitor's answer is final, so it trusts itself with nothing: a legal order is replayed through the
//! specification, the claims of a refutation are looked at again, and on any doubt the general search decides.

mod certificate;
pub mod container;
mod keyed;

pub use container::{Container, ContainerAction, ContainerRet};
pub use keyed::Keyed;
