//! The workload `mutex`: clients acquire locks and release what they hold.
//!
//! No lock may be granted to two at a time. A client holds one lock at most: a step acquires the lock of its slot or,
//! if the client holds one by then, releases that one. A client that does not learn the outcome goes on as if it held
//! nothing, and the lock may stay taken until a fresh one takes its place. An attempt on a lock that is held is
//! refused; that the refusal was right is not judged.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::models::mutex::{Mutex, MutexAction, MutexOp};
use squall_checker::{Check, Linearizable};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The workload `mutex`.
#[derive(Clone, Debug)]
pub struct MutexWorkload {
    keys: Keys,
}

/// Acquisitions and releases of locks; `keys` locks at a time.
///
/// # Panics
///
/// If `keys` is 0.
pub fn mutex(keys: u32) -> MutexWorkload {
    MutexWorkload { keys: Keys::new(keys) }
}

/// A step: acquire a lock, or release the one that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutexStep {
    /// Which one to acquire.
    pub slot: u32,
}

/// The lock that a client holds, if it knows of one.
#[derive(Clone, Debug, Default)]
pub struct Held(Option<Arc<str>>);

impl Workload for MutexWorkload {
    type Spec = Mutex;
    type Step = MutexStep;
    type Memory = Held;

    fn name(&self) -> &str {
        "mutex"
    }

    fn keys(&self) -> u32 {
        self.keys.count()
    }

    fn spec(&self) -> Mutex {
        Mutex
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<MutexStep>> {
        drawn_scripts(shape, decide, |draw| MutexStep { slot: self.keys.slot(draw) })
    }

    fn check_step(&self, step: &MutexStep) -> Result<(), String> {
        self.keys.check([step.slot])
    }

    fn operation(&self, step: &Scripted<MutexStep>, issuer: &Issuer<'_, Held>) -> MutexOp {
        match &issuer.seen.0 {
            Some(held) => MutexOp::new(Arc::clone(held), MutexAction::Release),
            None => MutexOp::new(self.keys.name(step.step.slot, issuer.now_ms), MutexAction::Acquire),
        }
    }

    fn remember(&self, memory: &mut Held, op: &MutexOp, ret: Option<&()>) {
        let acquired = ret.is_some() && op.action == MutexAction::Acquire;
        memory.0 = acquired.then(|| Arc::clone(&op.key));
    }

    /// Nobody holds that one, so its release is refused: an answer that changes nothing.
    fn ping(&self) -> MutexOp {
        MutexOp::new("ping", MutexAction::Release)
    }

    /// Whoever holds a lock by then may hold it for good: to be refused is an answer, too.
    fn recovery(&self, now_ms: u64, _next_id: &mut dyn FnMut() -> u32) -> Vec<MutexOp> {
        self.keys.names(now_ms).map(|key| MutexOp::new(key, MutexAction::Acquire)).collect()
    }

    /// A lock cannot be looked at without being changed.
    fn final_reads(&self, _issued: &[MutexOp]) -> Vec<MutexOp> {
        Vec::new()
    }

    fn checks(&self) -> Vec<Box<dyn Check<Mutex>>> {
        vec![Box::new(Linearizable)]
    }

    fn encode(&self, op: &MutexOp, _ret: Option<&()>) -> Encoded {
        let function = match op.action {
            MutexAction::Acquire => "acquire",
            MutexAction::Release => "release",
        };
        Encoded { function: function.into(), key: Some(op.key.to_string()), value: json!(null) }
    }
}
