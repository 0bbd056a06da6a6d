//! The key-value workloads: `register`, `append` and `kv`.
//!
//! Written values are unique in the whole run, so that a read says which write it saw. A cas expects the value that
//! its client last saw. A key is used for about a simulated second and then replaced by a fresh one, so that checking
//! stays cheap however many operations time out: ambiguity never piles up on one key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{Check, ExactlyOnce, Linearizable, Value};

use crate::decide::{Decide, Draw};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// How long a key is in use, in simulated milliseconds.
const KEY_LIFE_MS: u64 = 1_000;

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
    keys: u32,
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
        assert!(keys > 0, "a key-value workload needs at least one key");
        Self { flavour, keys }
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
        let mut left = draw.below(mix.iter().map(|(weight, _)| weight).sum());
        for (weight, function) in mix {
            if left < *weight {
                return *function;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    /// The popularity of keys is skewed: the lower of two draws.
    fn slot(&self, draw: &mut Draw) -> u32 {
        let first = draw.below(u64::from(self.keys));
        let slot = match self.flavour {
            Flavour::Kv => first.min(draw.below(u64::from(self.keys))),
            Flavour::Register | Flavour::Append => first,
        };
        u32::try_from(slot).expect("below the number of keys")
    }

    /// The name of key `slot` at `now_ms`: fresh every [`KEY_LIFE_MS`], at a time of its own.
    fn key(&self, slot: u32, now_ms: u64) -> Arc<str> {
        let stagger = u64::from(slot) * KEY_LIFE_MS / u64::from(self.keys);
        let generation = (now_ms + stagger) / KEY_LIFE_MS;
        format!("k{}", generation * u64::from(self.keys) + u64::from(slot)).into()
    }

    /// The element or value that the step with this id writes.
    fn element(id: u32) -> i64 {
        i64::from(id) + 1
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
        self.keys
    }

    fn spec(&self) -> KvSpec {
        KvSpec::default()
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<KeyValueStep>> {
        let steps_of = |client: u32| {
            let scripted = |nth: u32| {
                // Ids go round over the clients: small ids are early steps.
                let id = nth * shape.clients + client;
                let mut draw = decide.at("script", &[u64::from(client), u64::from(nth)]);
                Scripted {
                    id,
                    pause_ms: u32::try_from(draw.below(2 * u64::from(shape.pause_ms_mean) + 1))
                        .expect("small"),
                    step: KeyValueStep { f: self.function(&mut draw), slot: self.slot(&mut draw) },
                }
            };
            ClientScript { steps: (0..shape.steps_per_client).map(scripted).collect() }
        };
        (0..shape.clients).map(steps_of).collect()
    }

    fn operation(&self, step: &Scripted<KeyValueStep>, issuer: &Issuer<'_, LastSeen>) -> KvOp {
        let key = self.key(step.step.slot, issuer.now_ms);
        let element = Self::element(step.id);
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
        (0..self.keys)
            .map(|slot| {
                let key = self.key(slot, now_ms);
                let element = Self::element(next_id());
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
        let mismatch = matches!(ret, Some(KvRet::Mismatch(_)));
        Encoded { function: function.into(), key: Some(op.key().to_string()), value, mismatch }
    }
}
