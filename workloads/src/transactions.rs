//! The workload `transactions`: each reads some lists and appends unique elements to others, all at once; judged
//! strictly serializable.
//!
//! Lists tell the order of their writes, so that what depends on what is known and the check is fast and exact
//! (Kingsbury and Alvaro, "Elle", VLDB 2020). A transaction sees what it appended itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::transactions::{
    self, Datatype, MicroOperation, Options, Transaction, TransactionHistory,
};
use squall_checker::{Bounds, Check, CheckOutcome, Completion, History, Spec, Value};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts, element, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// Micro-operations of one transaction, at most.
const STEPS_MAX: u32 = 8;
/// Those of one that was drawn, at most.
const DRAWN_MAX: u64 = 4;

/// The workload `transactions`.
#[derive(Clone, Debug)]
pub struct Transactions {
    keys: Keys,
}

/// Transactions that read lists and append to them; over `keys` lists at a time.
///
/// # Panics
///
/// If `keys` is 0.
pub fn transactions(keys: u32) -> Transactions {
    Transactions { keys: Keys::new(keys) }
}

/// A step: one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionStep {
    /// What it does, in this order.
    pub steps: Vec<MicroStep>,
}

/// A micro-operation on one of the keys in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum MicroStep {
    /// Read a list.
    Read {
        /// Which.
        slot: u32,
    },
    /// Append a unique element.
    Append {
        /// To which.
        slot: u32,
    },
}

impl MicroStep {
    fn slot(self) -> u32 {
        match self {
            Self::Read { slot } | Self::Append { slot } => slot,
        }
    }
}

/// A micro-operation as it is issued.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MicroOp {
    /// Read a list.
    Read {
        /// Which.
        key: Arc<str>,
    },
    /// Append an element.
    Append {
        /// To which.
        key: Arc<str>,
        /// The element.
        element: i64,
    },
}

impl MicroOp {
    /// The list that it is about.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Read { key } | Self::Append { key, .. } => key,
        }
    }
}

/// A transaction: its micro-operations, in order.
pub type TransactionOp = Arc<[MicroOp]>;
/// What its reads saw, in order.
pub type TransactionRet = Arc<[Value]>;

/// Lists under transactions that happen one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListTransactions;

impl Spec for ListTransactions {
    type Op = TransactionOp;
    type Ret = TransactionRet;
    type State = BTreeMap<Arc<str>, Vec<Value>>;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &Self::State,
        op: &TransactionOp,
        ret: Option<&TransactionRet>,
    ) -> Option<Self::State> {
        let mut next = state.clone();
        let mut told = ret.map(|ret| ret.iter());
        for micro in op.iter() {
            match micro {
                MicroOp::Append { key, element } => {
                    next.entry(Arc::clone(key)).or_default().push(Value::Int(*element));
                }
                MicroOp::Read { key } => {
                    let Some(told) = &mut told else { continue };
                    let holds = next.get(key).map_or(&[][..], |list| list);
                    if told.next()?.as_list() != Some(holds) {
                        return None;
                    }
                }
            }
        }
        told.is_none_or(|mut told| told.next().is_none()).then_some(next)
    }

    fn is_read_only(&self, op: &TransactionOp, _ret: Option<&TransactionRet>) -> bool {
        op.iter().all(|micro| matches!(micro, MicroOp::Read { .. }))
    }

    fn describe(&self, op: &TransactionOp, ret: Option<&TransactionRet>) -> String {
        let words: Vec<String> = micro_operations(op, ret).iter().map(ToString::to_string).collect();
        words.join(", ")
    }
}

/// A transaction in the words of the check.
fn micro_operations(op: &TransactionOp, ret: Option<&TransactionRet>) -> Vec<MicroOperation> {
    let mut seen = ret.map(|ret| ret.iter());
    let micro = |micro: &MicroOp| match micro {
        MicroOp::Append { key, element } => MicroOperation::append(Arc::clone(key), *element),
        MicroOp::Read { key } => {
            let value = seen.as_mut().and_then(Iterator::next).cloned();
            MicroOperation::Read { key: Arc::clone(key), value }
        }
    };
    op.iter().map(micro).collect()
}

/// Whether the transactions are strictly serializable.
#[derive(Clone, Copy, Debug)]
struct StrictSerializability;

impl Check<ListTransactions> for StrictSerializability {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(transactions::NAME)
    }

    fn check(
        &self,
        _spec: &ListTransactions,
        history: &History<TransactionOp, TransactionRet>,
        bounds: &Bounds<'_>,
    ) -> CheckOutcome {
        let mut builder = TransactionHistory::builder(Datatype::ListAppend);
        for operation in history.operations() {
            let completion = match &operation.completion {
                Completion::Ok(_) => Completion::Ok(()),
                Completion::Fail => Completion::Fail,
                Completion::Info => Completion::Info,
            };
            let transaction = Transaction {
                process: operation.process,
                micro_operations: micro_operations(&operation.op, operation.ret()),
                invoked: operation.invoked,
                returned: operation.returned,
                completion,
            };
            builder.push(&transaction).expect("a well-formed history of lists");
        }
        let history = builder.build().expect("a well-formed history of lists");
        transactions::check(&history, &Options::default(), bounds).outcome
    }
}

impl Workload for Transactions {
    type Spec = ListTransactions;
    type Step = TransactionStep;
    type Memory = ();

    fn name(&self) -> &str {
        "transactions"
    }

    fn keys(&self) -> u32 {
        self.keys.count()
    }

    fn spec(&self) -> ListTransactions {
        ListTransactions
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<TransactionStep>> {
        drawn_scripts(shape, decide, |draw| {
            let steps = (0..draw.range(1..=DRAWN_MAX)).map(|_| {
                let reads = weighted(draw, &[(50, true), (50, false)]);
                let slot = self.keys.slot(draw);
                if reads { MicroStep::Read { slot } } else { MicroStep::Append { slot } }
            });
            TransactionStep { steps: steps.collect() }
        })
    }

    fn check_step(&self, step: &TransactionStep) -> Result<(), String> {
        let count = step.steps.len();
        if count == 0 || count > STEPS_MAX as usize {
            return Err(format!("a transaction of {count} steps; use 1 to {STEPS_MAX}"));
        }
        self.keys.check(step.steps.iter().map(|micro| micro.slot()))
    }

    fn operation(&self, step: &Scripted<TransactionStep>, issuer: &Issuer<'_, ()>) -> TransactionOp {
        let micro = |(at, micro): (i64, &MicroStep)| {
            let key = self.keys.name(micro.slot(), issuer.now_ms);
            match micro {
                MicroStep::Read { .. } => MicroOp::Read { key },
                MicroStep::Append { .. } => {
                    MicroOp::Append { key, element: element(step.id) * i64::from(STEPS_MAX) + at }
                }
            }
        };
        (0..).zip(&step.step.steps).map(micro).collect()
    }

    fn ping(&self) -> TransactionOp {
        [MicroOp::Read { key: "ping".into() }].into()
    }

    /// A transaction on each key alone, and one on all together.
    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<TransactionOp> {
        let mut append = |key| MicroOp::Append { key, element: element(next_id()) * i64::from(STEPS_MAX) };
        let mut all: Vec<TransactionOp> = self.keys.names(now_ms).map(|key| [append(key)].into()).collect();
        let together = self.keys.names(now_ms).take(STEPS_MAX as usize).map(append).collect();
        all.push(together);
        all
    }

    fn final_reads(&self, issued: &[TransactionOp]) -> Vec<TransactionOp> {
        let micros = issued.iter().flat_map(|op| op.iter());
        let appended = micros.filter(|micro| matches!(micro, MicroOp::Append { .. }));
        let keys: BTreeSet<_> = appended.map(|micro| Arc::clone(micro.key())).collect();
        let reads: Vec<_> = keys.into_iter().map(|key| MicroOp::Read { key }).collect();
        reads.chunks(STEPS_MAX as usize).map(Arc::from).collect()
    }

    fn checks(&self) -> Vec<Box<dyn Check<ListTransactions>>> {
        vec![Box::new(StrictSerializability)]
    }

    fn encode(&self, op: &TransactionOp, ret: Option<&TransactionRet>) -> Encoded {
        let mut seen = ret.map(|ret| ret.iter());
        let micro = |micro: &MicroOp| match micro {
            MicroOp::Append { key, element } => json!(["append", key, element]),
            MicroOp::Read { key } => json!(["r", key, seen.as_mut().and_then(Iterator::next)]),
        };
        Encoded { function: "txn".into(), key: None, value: op.iter().map(micro).collect() }
    }
}
