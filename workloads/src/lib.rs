//! Which operations the clients issue, and which specification judges them.
//!
//! A [`Workload`] writes a *script*: what every client will do, decided before the run from a key, so that a run can
//! be stored, replayed and shrunk. What depends on the run (the value a cas expects) is a placeholder in the script,
//! filled in when the step is issued. Knows nothing of nodes, faults or simulated networks.

pub mod bank;
pub mod client;
pub mod config;
pub mod counter;
pub mod decide;
pub mod key_value;
pub mod mutex;
pub mod planted_transactions;
pub mod registers;
mod script;
pub mod set;
pub mod simulated;
pub mod simulated_transactions;
pub mod transactions;
pub mod workload;

pub use bank::{BankWorkload, bank};
pub use client::{Client, OpError};
pub use config::{ConfigWorkload, config};
pub use counter::{CounterWorkload, counter};
pub use decide::Decide;
pub use key_value::{Flavour, KeyValue, append, kv, register};
pub use mutex::{MutexWorkload, mutex};
pub use registers::{Registers, multi, swap};
pub use set::{SetWorkload, set};
pub use transactions::{Transactions, transactions};
pub use workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};
