//! The workload `set`: unique elements are added to sets that only grow, and sets are read whole.
//!
//! Nothing that was added may be missing from a later read, and nothing may be there twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::models::set::{Set, SetAction, SetOp, SetRet};
use squall_checker::{Check, Linearizable, Value};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts, element, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The workload `set`.
#[derive(Clone, Debug)]
pub struct SetWorkload {
    keys: Keys,
}

/// Additions of unique elements to sets, and reads of them; `keys` sets at a time.
///
/// # Panics
///
/// If `keys` is 0.
pub fn set(keys: u32) -> SetWorkload {
    SetWorkload { keys: Keys::new(keys) }
}

/// A step: something done to one of the sets in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum SetStep {
    /// Add a unique element.
    Add {
        /// To which.
        slot: u32,
    },
    /// Read all elements.
    Read {
        /// Of which.
        slot: u32,
    },
}

impl SetStep {
    fn slot(self) -> u32 {
        match self {
            Self::Add { slot } | Self::Read { slot } => slot,
        }
    }
}

impl Workload for SetWorkload {
    type Spec = Set;
    type Step = SetStep;
    type Memory = ();

    fn name(&self) -> &str {
        "set"
    }

    fn keys(&self) -> u32 {
        self.keys.count()
    }

    fn spec(&self) -> Set {
        Set
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<SetStep>> {
        drawn_scripts(shape, decide, |draw| {
            let adds = weighted(draw, &[(55, true), (45, false)]);
            let slot = self.keys.slot(draw);
            if adds { SetStep::Add { slot } } else { SetStep::Read { slot } }
        })
    }

    fn check_step(&self, step: &SetStep) -> Result<(), String> {
        self.keys.check([step.slot()])
    }

    fn operation(&self, step: &Scripted<SetStep>, issuer: &Issuer<'_, ()>) -> SetOp {
        let key = self.keys.name(step.step.slot(), issuer.now_ms);
        let action = match step.step {
            SetStep::Add { .. } => SetAction::Add { element: element(step.id).into() },
            SetStep::Read { .. } => SetAction::Read,
        };
        SetOp { key, action }
    }

    fn ping(&self) -> SetOp {
        SetOp::new("ping", SetAction::Read)
    }

    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<SetOp> {
        let add = |key| SetOp::new(key, SetAction::Add { element: element(next_id()).into() });
        self.keys.names(now_ms).map(add).collect()
    }

    fn final_reads(&self, issued: &[SetOp]) -> Vec<SetOp> {
        let grown = issued.iter().filter(|op| op.action != SetAction::Read);
        let keys: BTreeSet<_> = grown.map(|op| Arc::clone(&op.key)).collect();
        keys.into_iter().map(|key| SetOp::new(key, SetAction::Read)).collect()
    }

    fn checks(&self) -> Vec<Box<dyn Check<Set>>> {
        vec![Box::new(Linearizable)]
    }

    fn encode(&self, op: &SetOp, ret: Option<&SetRet>) -> Encoded {
        let (function, value) = match (&op.action, ret) {
            (SetAction::Add { element }, _) => ("add", json!(element)),
            (SetAction::Read, Some(SetRet::Elements(elements))) => {
                ("read", json!(Value::List(elements.clone())))
            }
            (SetAction::Read, Some(SetRet::Done) | None) => ("read", json!(null)),
        };
        Encoded { function: function.into(), key: Some(op.key.to_string()), value }
    }
}
