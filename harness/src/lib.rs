//! Chaos testing and linearizability checking of distributed systems, in a deterministic simulation.
//!
//! A system of several nodes runs inside [turmoil](https://docs.rs/turmoil) while clients issue concurrent operations
//! and a nemesis makes things go wrong. Every operation is recorded; at the end a checker decides whether the history is
//! linearizable. The run is a pure function of its plan: a failure replays, event for event.
//!
//! What this cannot do: it runs one schedule per seed, not all of them, and it sees only what the simulation simulates.
//! Many seeds under many faults find most mistakes; they prove nothing.
//!
//! # The built-in cluster
//!
//! ```
//! squall::trial(squall::paxos(3), squall::workloads::append(3))
//!     .nemesis("partition,process")
//!     .seeds(6..8)
//!     .duration_ms(1_000)
//!     .assert_valid();
//! ```
//!
//! # Your own system
//!
//! Implement [`System`]: which nodes, what each of them runs, how a client connects; and [`Client`](workloads::Client):
//! what an operation does. `examples/own_system.rs` is a whole one over TCP; this one is a single node that keeps
//! everything in memory which clients share with it.
//!
//! ```
//! use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};
//! use squall::checker::kv::{KvOp, KvRet, KvSpec};
//! use squall::checker::{ProcessId, Value};
//! use squall::workloads::{Client, OpError};
//! use squall::{NodeContext, NodeName, System};
//!
//! #[derive(Default)]
//! struct MyStore {
//!     data: Rc<RefCell<BTreeMap<String, Vec<i64>>>>,
//! }
//!
//! impl System for MyStore {
//!     type Client = Connection;
//!     fn nodes(&self) -> Vec<NodeName> {
//!         NodeName::numbered(1)
//!     }
//!     async fn serve(self: Rc<Self>, _: NodeContext) -> Result<(), Box<dyn std::error::Error>> {
//!         std::future::pending().await // your server's main loop
//!     }
//!     async fn connect(self: Rc<Self>, _: NodeName, _: ProcessId) -> Result<Connection, OpError> {
//!         Ok(Connection(self.data.clone()))
//!     }
//! }
//!
//! struct Connection(Rc<RefCell<BTreeMap<String, Vec<i64>>>>);
//!
//! impl Client<KvSpec> for Connection {
//!     async fn invoke(&mut self, op: KvOp) -> Result<KvRet, OpError> {
//!         tokio::time::sleep(Duration::from_millis(5)).await;
//!         let mut data = self.0.borrow_mut();
//!         match op {
//!             KvOp::Get { key } => Ok(KvRet::Value(data.get(&*key).map_or(Value::Nil, |list| Value::list(list.clone())))),
//!             KvOp::Append { key, value: Value::Int(element) } => {
//!                 data.entry(key.to_string()).or_default().push(element);
//!                 Ok(KvRet::Done)
//!             }
//!             _ => Err(OpError::Definite("not supported".into())),
//!         }
//!     }
//! }
//!
//! let outcome = squall::trial(MyStore::default, squall::workloads::append(1))
//!     .nemesis("none")
//!     .clients(2)
//!     .operations_per_client(2)
//!     .duration_ms(600)
//!     .run();
//! // Histories are stable enough to snapshot: insta::assert_snapshot!(outcome.history_text());
//! assert!(outcome.history_text().contains("append k"));
//! assert!(outcome.violations.is_empty());
//! ```
//!
//! Your software brings its own randomness, hash maps and clocks. If one plan gives two digests, the usual suspects are an
//! unbiased `select!`, the order of a `HashMap`, `thread_rng`, a wall clock, and tokio's `watch` channel.

pub mod cli;
mod clocks;
pub mod determinism;
pub mod guided;
pub mod nemesis;
pub mod node;
pub mod replay;
pub mod report;
pub mod shrink;
pub mod sim;
pub mod soak;
pub mod store;
pub mod system;
pub mod trial;

pub use node::{paxos, primary_backup, sharded, single};
pub use squall_checker as checker;
pub use squall_workloads as workloads;
pub use system::{NodeContext, NodeName, System};
pub use trial::{Outcome, Plan, Trial, trial};
