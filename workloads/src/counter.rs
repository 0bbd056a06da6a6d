//! The workload `counter`: amounts are added to counters, and sums are read.
//!
//! Every amount is added once in the whole run, so that a sum says much about which additions it holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::models::counter::{Counter, CounterAction, CounterOp, CounterRet};
use squall_checker::{Check, Linearizable};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts, element, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The workload `counter`.
#[derive(Clone, Debug)]
pub struct CounterWorkload {
    keys: Keys,
}

/// Additions to counters, and reads of them; `keys` counters at a time.
///
/// # Panics
///
/// If `keys` is 0.
pub fn counter(keys: u32) -> CounterWorkload {
    CounterWorkload { keys: Keys::new(keys) }
}

/// A step: something done to one of the counters in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum CounterStep {
    /// Add an amount of its own.
    Add {
        /// To which.
        slot: u32,
    },
    /// Read the sum.
    Read {
        /// Of which.
        slot: u32,
    },
}

impl CounterStep {
    fn slot(self) -> u32 {
        match self {
            Self::Add { slot } | Self::Read { slot } => slot,
        }
    }
}

impl Workload for CounterWorkload {
    type Spec = Counter;
    type Step = CounterStep;
    type Memory = ();

    fn name(&self) -> &str {
        "counter"
    }

    fn keys(&self) -> u32 {
        self.keys.count()
    }

    fn spec(&self) -> Counter {
        Counter
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<CounterStep>> {
        drawn_scripts(shape, decide, |draw| {
            let adds = weighted(draw, &[(50, true), (50, false)]);
            let slot = self.keys.slot(draw);
            if adds { CounterStep::Add { slot } } else { CounterStep::Read { slot } }
        })
    }

    fn check_step(&self, step: &CounterStep) -> Result<(), String> {
        self.keys.check([step.slot()])
    }

    fn operation(&self, step: &Scripted<CounterStep>, issuer: &Issuer<'_, ()>) -> CounterOp {
        let key = self.keys.name(step.step.slot(), issuer.now_ms);
        let action = match step.step {
            CounterStep::Add { .. } => CounterAction::Add { amount: element(step.id) },
            CounterStep::Read { .. } => CounterAction::Read,
        };
        CounterOp { key, action }
    }

    fn ping(&self) -> CounterOp {
        CounterOp::new("ping", CounterAction::Read)
    }

    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<CounterOp> {
        let add = |key| CounterOp::new(key, CounterAction::Add { amount: element(next_id()) });
        self.keys.names(now_ms).map(add).collect()
    }

    fn final_reads(&self, issued: &[CounterOp]) -> Vec<CounterOp> {
        let grown = issued.iter().filter(|op| op.action != CounterAction::Read);
        let keys: BTreeSet<_> = grown.map(|op| Arc::clone(&op.key)).collect();
        keys.into_iter().map(|key| CounterOp::new(key, CounterAction::Read)).collect()
    }

    fn checks(&self) -> Vec<Box<dyn Check<Counter>>> {
        vec![Box::new(Linearizable)]
    }

    fn encode(&self, op: &CounterOp, ret: Option<&CounterRet>) -> Encoded {
        let (function, value) = match (&op.action, ret) {
            (CounterAction::Add { amount }, _) => ("add", json!(amount)),
            (CounterAction::Read, Some(CounterRet::Sum(sum))) => ("read", json!(sum)),
            (CounterAction::Read, Some(CounterRet::Done) | None) => ("read", json!(null)),
        };
        Encoded { function: function.into(), key: Some(op.key.to_string()), value }
    }
}
