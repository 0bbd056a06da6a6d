//! The workload trait: a script per client, and how its steps become operations.

use std::borrow::Cow;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use squall_checker::{Check, Spec};

use crate::decide::Decide;

/// One step of a client's script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted<T> {
    /// Unique within the plan, and kept when other steps are removed: everything random about the step hangs on it.
    pub id: u32,
    /// How long the client waits before it, in simulated milliseconds.
    pub pause_ms: u32,
    /// What to do.
    pub step: T,
}

/// What one client does, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientScript<T> {
    /// Its steps.
    pub steps: Vec<Scripted<T>>,
}

/// The size of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Concurrent clients.
    pub clients: u32,
    /// Steps per client.
    pub steps_per_client: u32,
    /// Pause before a step, in simulated milliseconds: drawn between none and twice this.
    pub pause_ms_mean: u32,
}

/// Who issues a step, and what they know by then.
#[derive(Clone, Debug)]
pub struct Issuer<'a, R> {
    /// The client, from 0.
    pub client: u32,
    /// Simulated milliseconds since clients began.
    pub now_ms: u64,
    /// What this client last learnt of each key, newest last: the return values of its completed operations.
    pub seen: &'a R,
}

/// A kind of load, and what judges it.
pub trait Workload: 'static {
    /// The sequential specification of the object under test.
    type Spec: Spec;
    /// A step of the script; an operation with placeholders for what only the run can tell.
    type Step: Clone + Debug + PartialEq + Serialize + DeserializeOwned + 'static;
    /// What a client remembers to fill placeholders.
    type Memory: Default + Debug + 'static;

    /// The name, as on the command line.
    fn name(&self) -> &str;

    /// How many keys are in use at a time; 0 where that has no meaning.
    fn keys(&self) -> u32 {
        0
    }

    /// The specification.
    fn spec(&self) -> Self::Spec;

    /// The object that an operation is about: a run in which operations on one hardly overlap shows little.
    fn object<'a>(&self, op: &'a <Self::Spec as Spec>::Op) -> Option<Cow<'a, str>> {
        self.spec().partition(op)
    }

    /// What every client does.
    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<Self::Step>>;

    /// Whether a step can be issued; scripts that were changed by hand may hold any.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what would be right.
    fn check_step(&self, _step: &Self::Step) -> Result<(), String> {
        Ok(())
    }

    /// The operation that `step` stands for, now.
    fn operation(
        &self,
        step: &Scripted<Self::Step>,
        issuer: &Issuer<'_, Self::Memory>,
    ) -> <Self::Spec as Spec>::Op;

    /// Lets the client remember the outcome of an operation (`None`: it was not learnt).
    fn remember(
        &self,
        _memory: &mut Self::Memory,
        _op: &<Self::Spec as Spec>::Op,
        _ret: Option<&<Self::Spec as Spec>::Ret>,
    ) {
    }

    /// An operation that changes nothing, to ask whether the system answers at all.
    fn ping(&self) -> <Self::Spec as Spec>::Op;

    /// Operations that must succeed within a bounded time once every fault has ended: on every key in use at
    /// `now_ms`. `id` is fresh for each.
    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<<Self::Spec as Spec>::Op>;

    /// Reads of everything that `issued` operations may have changed; run through every server at the end.
    fn final_reads(&self, issued: &[<Self::Spec as Spec>::Op]) -> Vec<<Self::Spec as Spec>::Op>;

    /// What judges the history.
    fn checks(&self) -> Vec<Box<dyn Check<Self::Spec>>>;

    /// How an operation (and what it returned) is written in histories.
    fn encode(&self, op: &<Self::Spec as Spec>::Op, ret: Option<&<Self::Spec as Spec>::Ret>) -> Encoded {
        let text =
            |value: Result<serde_json::Value, serde_json::Error>| value.unwrap_or(serde_json::Value::Null);
        let value = match ret {
            Some(ret) => text(serde_json::to_value(ret)),
            None => text(serde_json::to_value(op)),
        };
        Encoded { function: "operation".into(), key: None, value }
    }

    /// Whether the operation ran and its condition did not hold (a cas that saw another value): histories show it as
    /// a failure, though it is judged.
    fn is_mismatch(&self, _ret: &<Self::Spec as Spec>::Ret) -> bool {
        false
    }
}

/// An operation, or its result, as a line of `history.jsonl` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The function: `read`, `append`, …
    pub function: Cow<'static, str>,
    /// The key, where there is one.
    pub key: Option<String>,
    /// The argument, or what was returned.
    pub value: serde_json::Value,
}
