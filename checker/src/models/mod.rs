//! Models beyond the key-value store: the sequential objects that people test, each with its specification and,
//! where theory has one, a monitor that judges histories of unique values in near-linear time.
//!
//! A monitor's answer is final, so it trusts itself with nothing: a legal order is replayed through the
//! specification, the claims of a refutation are looked at again, and on any doubt the general search decides.

pub mod bank;
#[cfg(test)]
#[path = "../../tests/common/cases.rs"]
mod cases;
pub mod container;
pub mod counter;
mod keyed;
#[cfg(test)]
mod legal_tests;
pub mod long_fork;
pub mod multi_register;
pub mod mutex;
#[cfg(test)]
#[path = "../../tests/common/random.rs"]
mod random;
mod replay;
pub mod set;
mod telling;
pub mod unique_ids;

pub use bank::{Bank, BankAction, BankRet, Totals};
pub use container::{Container, ContainerAction, ContainerRet};
pub use counter::{Counter, CounterAction, CounterRet};
pub use keyed::Keyed;
pub use long_fork::LongFork;
pub use multi_register::{MultiRegister, MultiRegisterOp, Step};
pub use mutex::{Mutex, MutexAction};
pub use set::{Set, SetAction, SetRet};
pub use unique_ids::{Generate, UniqueIds};
