//! The workloads of the built-in cluster by name, each behind one face whatever its steps are.
//!
//! Plans for the cluster hold their steps as JSON values, so that storing, shrinking and comparing them needs to know
//! nothing of workloads; they become steps here, where they are checked, and where they are run.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use squall_cluster::app::OPENING_BALANCE;
use squall_cluster::bugs::Mode;
use squall_cluster::sharded::controller::SHARDS;
use squall_workloads as workloads;

use crate::nemesis::SHARD_GROUPS;
use crate::node::{BuiltIn, Served};
use crate::trial::{Manner, Outcome, Plan, Request, Subject};

use super::experiment::ExperimentError;
use super::names::UnknownName;

/// A plan for the built-in cluster, whatever the workload.
pub type ClusterPlan = Plan<Value>;

/// Makes a workload over so many keys at a time.
pub type MakeWorkload = fn(u32) -> Arc<dyn ClusterWorkload>;

/// The workloads, each with one line about it.
pub const WORKLOADS: &[(MakeWorkload, &str, &str)] = &[
    (
        |keys| Arc::new(workloads::register(keys)),
        "register",
        "read, write and compare-and-set of one value per key",
    ),
    (
        |keys| Arc::new(workloads::append(keys)),
        "append",
        "append of unique elements and reads: every append exactly once",
    ),
    (
        |keys| Arc::new(workloads::kv(keys)),
        "kv",
        "read, write, append, compare-and-set and delete over keys of skewed popularity",
    ),
    (
        |keys| Arc::new(workloads::transactions(keys)),
        "transactions",
        "reads of and appends to several lists at once, strictly serializable",
    ),
    (
        |keys| Arc::new(workloads::bank(keys, OPENING_BALANCE)),
        "bank",
        "transfers between accounts: the same total in every read, and no old balances",
    ),
    (
        |keys| Arc::new(workloads::multi(keys)),
        "multi",
        "pairs of registers: what was written together is read together",
    ),
    (
        |keys| Arc::new(workloads::swap(keys)),
        "swap",
        "registers that exchange their values: none lost, none doubled",
    ),
    (|keys| Arc::new(workloads::set(keys)), "set", "additions to sets and reads: no element lost or doubled"),
    (
        |keys| Arc::new(workloads::counter(keys)),
        "counter",
        "additions to counters and reads: every addition exactly once",
    ),
    (
        |keys| Arc::new(workloads::mutex(keys)),
        "mutex",
        "a lock service by compare-and-set: no lock is held twice",
    ),
    (
        |_| Arc::new(workloads::config(SHARD_GROUPS, SHARDS)),
        "config",
        "the controller's own operations, in mode sharded: numbers grow, and no configuration changes",
    ),
];

/// The workload of this name, over so many keys at a time.
///
/// # Errors
///
/// If there is none, with those that there are.
pub fn workload_of(name: &str, keys: u32) -> Result<Arc<dyn ClusterWorkload>, UnknownName> {
    let found = WORKLOADS.iter().find(|(_, known, _)| *known == name);
    found.map(|(make, ..)| make(keys)).ok_or_else(|| {
        UnknownName::new("workload", name, &WORKLOADS.iter().map(|(_, known, _)| *known).collect::<Vec<_>>())
    })
}

/// A workload of the built-in cluster.
pub trait ClusterWorkload: Debug + Send + Sync {
    /// Whether it has something to ask of a cluster in this mode.
    fn suits(&self, mode: Mode) -> bool;

    /// The plan of one seed.
    fn plan(&self, request: &Request, seed: u64) -> ClusterPlan;

    /// Checks the steps of a plan.
    ///
    /// # Errors
    ///
    /// At the first step that is none of this workload.
    fn check(&self, plan: &ClusterPlan) -> Result<(), ExperimentError>;

    /// Runs a plan that was checked.
    fn run(&self, subject: &BuiltIn, plan: &ClusterPlan, manner: Manner) -> Outcome;
}

impl<W: Served> ClusterWorkload for W {
    fn suits(&self, mode: Mode) -> bool {
        Served::suits(self, mode)
    }

    fn plan(&self, request: &Request, seed: u64) -> ClusterPlan {
        let plan = Plan::generate(request, self, seed);
        plan.try_map(|_, _, step| serde_json::to_value(step)).expect("steps are plain data")
    }

    fn check(&self, plan: &ClusterPlan) -> Result<(), ExperimentError> {
        typed(self, plan).map(drop)
    }

    fn run(&self, subject: &BuiltIn, plan: &ClusterPlan, manner: Manner) -> Outcome {
        let plan = typed(self, plan).expect("plans are checked before they are run");
        subject.run(self, &plan, manner)
    }
}

/// The plan with the workload's own steps.
fn typed<W: Served>(workload: &W, plan: &ClusterPlan) -> Result<Plan<W::Step>, ExperimentError> {
    plan.try_map(|client, at, value| {
        let step = W::Step::deserialize(value).map_err(|error| error.to_string());
        let checked = step.and_then(|step| workload.check_step(&step).map(|()| step));
        checked.map_err(|problem| ExperimentError::Script { client, step: at, problem })
    })
}
