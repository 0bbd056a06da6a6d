//! Transactions: against brute force, and what people read of each anomaly.

#[path = "../common/cases.rs"]
mod numbers;
#[path = "../common/random.rs"]
mod random;

mod cases;
mod explanations;
mod forged;
mod oracle;
mod script;
mod verified;
mod weaker;
