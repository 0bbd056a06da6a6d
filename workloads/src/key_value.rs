//! The key-value workloads: `register`, `append` and `kv`.
//!
//! Written values are unique in the whole run, so that a read says which write it saw. A cas expects the value that
//! its client last saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{Check, ExactlyOnce, Linearizable, Value};

use crate::decide::{Decide, Draw};
use crate::script::{Keys, drawn_scripts, element, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// Which operations a key-value workload issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `read`, `write`, `cas` of one value per key.
    Register,
    /// `append` of unique elements and `read` of the list: every append exactly once.
    Append,
    /// `read`, `write`, `append`, `cas`, `delete` over several keys of skewed popularity.
    Kv,
}

/// A key-value workload.
#[derive(Clone, Debug)]
pub struct KeyValue {
    flavour: Flavour,
    keys: Keys,
}

/// Reads, writes and compare-and-swaps of registers; `keys` of them at a time.
pub fn register(keys: u32) -> KeyValue {
    KeyValue::new(Flavour::Register, keys)
}

/// Appends of unique elements to lists, and reads of them; `keys` lists at a time.
pub fn append(keys: u32) -> KeyValue {
    KeyValue::new(Flavour::Append, keys)
}

/// All five operations over `keys` keys of skewed popularity.
pub fn kv(keys: u32) -> KeyValue {
    KeyValue::new(Flavour::Kv, keys)
}

impl KeyValue {
    /// A workload over `keys` keys at a time.
    ///
    /// # Panics
    ///
    /// If `keys` is 0.
    pub fn new(flavour: Flavour, keys: u32) -> Self {
        Self { flavour, keys: Keys::new(keys) }
    }

    /// Which operations it issues.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    fn function(&self, draw: &mut Draw) -> Function {
        let mix: &[(u64, Function)] = match self.flavour {
            Flavour::Register => &[(45, Function::Read), (35, Function::Write), (20, Function::Cas)],
            Flavour::Append => &[(45, Function::Read), (55, Function::Append)],
            Flavour::Kv => &[
                (40, Function::Read),
                (15, Function::Write),
                (25, Function::Append),
                (15, Function::Cas),
                (5, Function::Delete),
            ],
        };
        weighted(draw, mix)
    }

    /// The popularity of keys is skewed: the lower of two draws.
    fn slot(&self, draw: &mut Draw) -> u32 {
        let first = self.keys.slot(draw);
        match self.flavour {
            Flavour::Kv => first.min(self.keys.slot(draw)),
            Flavour::Register | Flavour::Append => first,
        }
    }

    /// A whole value as this workload writes it.
    fn value(&self, element: i64) -> Value {
        match self.flavour {
            Flavour::Register => Value::Int(element),
            Flavour::Append | Flavour::Kv => Value::list([element]),
        }
    }
}

/// A function of the store, with placeholders for key and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// Read the value.
    Read,
    /// Overwrite it.
    Write,
    /// Append a unique element.
    Append,
    /// Replace the value last seen.
    Cas,
    /// Remove it.
    Delete,
}

/// A step: a function on one of the keys in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyValueStep {
    /// What to do.
    pub f: Function,
    /// To which of the keys in use.
    pub slot: u32,
}

/// What a client last saw of each key.
#[derive(Clone, Debug, Default)]
pub struct LastSeen(BTreeMap<Arc<str>, Value>);

impl Workload for KeyValue {
    type Spec = KvSpec;
    type Step = KeyValueStep;
    type Memory = LastSeen;

    fn name(&self) -> &str {
        match self.flavour {
            Flavour::Register => "register",
            Flavour::Append => "append",
            Flavour::Kv => "kv",
        }
    }

    fn keys(&self) -> u32 {
        self.keys.count()
    }

    fn spec(&self) -> KvSpec {
        KvSpec::default()
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<KeyValueStep>> {
        drawn_scripts(shape, decide, |draw| {
            let f = self.function(draw);
            KeyValueStep { f, slot: self.slot(draw) }
        })
    }

    fn check_step(&self, step: &KeyValueStep) -> Result<(), String> {
        self.keys.check([step.slot])
    }

    fn operation(&self, step: &Scripted<KeyValueStep>, issuer: &Issuer<'_, LastSeen>) -> KvOp {
        let key = self.keys.name(step.step.slot, issuer.now_ms);
        let element = element(step.id);
        match step.step.f {
            Function::Read => KvOp::Get { key },
            Function::Write => KvOp::Put { key, value: self.value(element) },
            Function::Append => KvOp::Append { key, value: Value::Int(element) },
            Function::Cas => {
                let expected = issuer.seen.0.get(&key).cloned().unwrap_or_default();
                KvOp::Cas { key, expected, new: self.value(element) }
            }
            Function::Delete => KvOp::Delete { key },
        }
    }

    fn remember(&self, memory: &mut LastSeen, op: &KvOp, ret: Option<&KvRet>) {
        let seen = match (op, ret) {
            (KvOp::Get { .. }, Some(KvRet::Value(value)))
            | (KvOp::Put { value, .. }, Some(_))
            | (KvOp::Cas { new: value, .. }, Some(KvRet::Done))
            | (KvOp::Cas { .. }, Some(KvRet::Mismatch(Some(value)))) => value.clone(),
            (KvOp::Delete { .. }, Some(_)) => Value::Nil,
            (KvOp::Append { key, value }, Some(_)) => {
                let Some(before) = memory.0.get(key) else { return };
                before.appended(value)
            }
            _ => return,
        };
        memory.0.insert(Arc::clone(op.key()), seen);
    }

    fn ping(&self) -> KvOp {
        KvOp::Get { key: "ping".into() }
    }

    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<KvOp> {
        self.keys
            .names(now_ms)
            .map(|key| {
                let element = element(next_id());
                match self.flavour {
                    Flavour::Register => KvOp::Put { key, value: self.value(element) },
                    Flavour::Append | Flavour::Kv => KvOp::Append { key, value: Value::Int(element) },
                }
            })
            .collect()
    }

    fn final_reads(&self, issued: &[KvOp]) -> Vec<KvOp> {
        let written =
            issued.iter().filter(|op| !matches!(op, KvOp::Get { .. })).map(|op| Arc::clone(op.key()));
        let unique: BTreeSet<_> = written.collect();
        unique.into_iter().map(|key| KvOp::Get { key }).collect()
    }

    fn checks(&self) -> Vec<Box<dyn Check<KvSpec>>> {
        match self.flavour {
            Flavour::Append => vec![Box::new(ExactlyOnce), Box::new(Linearizable)],
            Flavour::Register | Flavour::Kv => vec![Box::new(Linearizable)],
        }
    }

    fn encode(&self, op: &KvOp, ret: Option<&KvRet>) -> Encoded {
        let (function, argument) = match op {
            KvOp::Get { .. } => ("read", json!(null)),
            KvOp::Put { value, .. } => ("write", json!(value)),
            KvOp::Append { value, .. } => ("append", json!(value)),
            KvOp::Cas { expected, new, .. } => ("cas", json!([expected, new])),
            KvOp::Delete { .. } => ("delete", json!(null)),
        };
        let value = match ret {
            Some(KvRet::Value(value)) => json!(value),
            Some(KvRet::Done | KvRet::Mismatch(_)) | None => argument,
        };
        Encoded { function: function.into(), key: Some(op.key().to_string()), value }
    }

    fn is_mismatch(&self, ret: &KvRet) -> bool {
        matches!(ret, KvRet::Mismatch(_))
    }
}
