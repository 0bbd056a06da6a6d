//! Registers that one operation reads and writes several of, at once: linearizable as one object.
//!
//! Keys that no operation binds together have nothing to do with each other; [`MultiRegister::of`] finds the groups
//! of those that are bound, and each group is judged by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::format::{Misread, RawOperation, RecordedSpec, key_of, pair};
use crate::history::{Completion, History};
use crate::model::{Definition, judge_linearizable};
use crate::spec::Spec;
use crate::transactions::recorded::some_step;
use crate::value::Value;

/// One register of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Read it; nil if nobody wrote it.
    Read {
        /// Which one.
        key: Arc<str>,
    },
    /// Overwrite it.
    Write {
        /// Which one.
        key: Arc<str>,
        /// The new value.
        value: Value,
    },
    /// Exchange what it and another one hold.
    Swap {
        /// Which one.
        key: Arc<str>,
        /// The other one.
        other: Arc<str>,
    },
}

impl Step {
    /// The register; of a swap the one named first.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Read { key } | Self::Write { key, .. } | Self::Swap { key, .. } => key,
        }
    }

    /// The register, and the other one if there are two.
    fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        let other = if let Self::Swap { other, .. } = self { Some(other) } else { None };
        std::iter::once(self.key()).chain(other)
    }
}

/// Reads, writes and swaps that happen at once, in this order; returns what the reads saw.
pub type MultiRegisterOp = Arc<[Step]>;

/// The specification of several registers.
#[derive(Clone, Debug, Default)]
pub struct MultiRegister {
    /// Key to the name of its group; a key without one is in the only group.
    groups: FxHashMap<Arc<str>, Arc<str>>,
}

/// Several registers.
pub(crate) static MULTI_REGISTER: Definition = Definition {
    name: "multi-register",
    aliases: &[],
    description: "reads, writes and swaps of several registers at once, linearizable as one",
    functions: FUNCTIONS,
    plain: |usage| some_step(usage, "swap"),
    judge: |recorded, _, bounds| judge_linearizable(recorded, MultiRegister::of, bounds),
};

pub(super) const FUNCTIONS: &[&str] = &["txn", "read", "write", "r", "w"];

impl MultiRegister {
    /// The specification for a history, which tells which registers belong together.
    pub fn of<R>(history: &History<MultiRegisterOp, R>) -> Self {
        // A forest: each key points to an earlier key of its group, the first one to itself.
        let mut numbers: FxHashMap<&Arc<str>, usize> = FxHashMap::default();
        let mut keys: Vec<&Arc<str>> = Vec::new();
        let mut parents: Vec<usize> = Vec::new();
        for operation in history.operations() {
            let mut first = None;
            for key in operation.op.iter().flat_map(Step::keys) {
                let number = *numbers.entry(key).or_insert_with(|| {
                    keys.push(key);
                    parents.push(parents.len());
                    parents.len() - 1
                });
                let root = root(&mut parents, number);
                let other = *first.get_or_insert(root);
                let joint = root.min(other);
                (parents[root], parents[other]) = (joint, joint);
                first = Some(joint);
            }
        }
        let group = |number: usize, parents: &mut Vec<usize>| Arc::clone(keys[root(parents, number)]);
        let groups = (0..keys.len()).map(|number| (Arc::clone(keys[number]), group(number, &mut parents)));
        Self { groups: groups.collect() }
    }
}

/// The first key of a group; halves the way there.
fn root(parents: &mut [usize], mut number: usize) -> usize {
    while parents[number] != number {
        parents[number] = parents[parents[number]];
        number = parents[number];
    }
    number
}

impl Spec for MultiRegister {
    type Op = MultiRegisterOp;
    /// What the reads saw, in the order of the steps.
    type Ret = Arc<[Value]>;
    /// Key to value, of those that were written.
    type State = BTreeMap<Arc<str>, Value>;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &Self::State,
        op: &MultiRegisterOp,
        ret: Option<&Arc<[Value]>>,
    ) -> Option<Self::State> {
        let mut next = Cow::Borrowed(state);
        let mut told = ret.map(|ret| ret.iter());
        for step in op.iter() {
            match step {
                Step::Write { key, value: Value::Nil } => drop(next.to_mut().remove(key)),
                Step::Write { key, value } => drop(next.to_mut().insert(Arc::clone(key), value.clone())),
                Step::Swap { key, other } if key == other => {}
                Step::Swap { key, other } => {
                    let next = next.to_mut();
                    let (one, another) = (next.remove(key), next.remove(other));
                    next.extend(another.map(|value| (Arc::clone(key), value)));
                    next.extend(one.map(|value| (Arc::clone(other), value)));
                }
                Step::Read { key } => {
                    let Some(told) = &mut told else { continue };
                    if told.next()? != next.get(key).unwrap_or(&Value::Nil) {
                        return None;
                    }
                }
            }
        }
        let all = told.is_none_or(|mut told| told.next().is_none());
        all.then(|| next.into_owned())
    }

    fn partition<'a>(&self, op: &'a MultiRegisterOp) -> Option<Cow<'a, str>> {
        let group = self.groups.get(op.first()?.key())?;
        Some(Cow::Owned(group.to_string()))
    }

    fn is_read_only(&self, op: &MultiRegisterOp, _ret: Option<&Arc<[Value]>>) -> bool {
        op.iter().all(|step| matches!(step, Step::Read { .. }))
    }

    fn state_bytes(&self, state: &Self::State) -> usize {
        // A node of a tree is about two thirds full.
        state.len() * size_of::<(Arc<str>, Value)>() * 3 / 2
    }

    fn describe(&self, op: &MultiRegisterOp, ret: Option<&Arc<[Value]>>) -> String {
        let mut told = ret.map(|ret| ret.iter());
        let words = op.iter().map(|step| match step {
            Step::Write { key, value } => format!("write {key} {value}"),
            Step::Swap { key, other } => format!("swap {key} {other}"),
            Step::Read { key } => match told.as_mut().and_then(Iterator::next) {
                Some(value) => format!("read {key} -> {value}"),
                None => format!("read {key}"),
            },
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn describe_state(&self, state: &Self::State) -> String {
        let entries: Vec<String> = state.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

impl RecordedSpec for MultiRegister {
    fn read(raw: &RawOperation) -> Result<(MultiRegisterOp, Completion<Arc<[Value]>>), Misread> {
        let asked = steps(&raw.function, raw.asked()?).map_err(Misread::asked)?;
        let op: MultiRegisterOp = asked.iter().map(|(step, _)| step.clone()).collect();
        let completion = raw.completed(|| {
            let told = match raw.told()? {
                // What reads nothing need not be repeated.
                Value::Nil if !op.iter().any(|step| matches!(step, Step::Read { .. })) => {
                    return Ok([].into());
                }
                told => steps(&raw.function, told).map_err(Misread::told)?,
            };
            if told.len() != op.len() || told.iter().zip(op.iter()).any(|((step, _), begun)| step != begun) {
                return Err(Misread::told(format!(
                    "it completes with other registers or written values than it began with in line {}",
                    raw.invocation.line()
                )));
            }
            let reads = told.into_iter().filter(|(step, _)| matches!(step, Step::Read { .. }));
            Ok(reads.map(|(_, value)| value).collect())
        })?;
        Ok((op, completion))
    }
}

/// The steps of a value, each with the value that stands with it: `[[:r x 1] [:w y 2] [:swap x y]]` of transactions;
/// `[[x 1] [y 2]]` or a map of reads and writes.
fn steps(function: &str, value: &Value) -> Result<Vec<(Step, Value)>, String> {
    let expected = match function {
        "txn" => "a transaction like [[:r x nil] [:w y 2]]",
        _ => "registers with their values, like {x 1, y 2} or [[x 1] [y 2]]",
    };
    let wrong = || format!("expected {expected}, not {value}");
    let step = |part: &Value| {
        let (name, key, value) = match part {
            Value::List(parts) if function == "txn" => match parts.as_ref() {
                [Value::Text(name), key, value] => (name.trim_start_matches(':'), key, value),
                _ => return Err(wrong()),
            },
            _ => pair(part).map(|(key, value)| (function, key, value)).ok_or_else(wrong)?,
        };
        let (key, value) = (key_of(key).ok_or_else(wrong)?, value.clone());
        match name {
            "r" | "read" => Ok((Step::Read { key }, value)),
            "w" | "write" => Ok((Step::Write { key, value: value.clone() }, value)),
            "swap" => Ok((Step::Swap { key, other: key_of(&value).ok_or_else(wrong)? }, value)),
            _ => Err(wrong()),
        }
    };
    match value {
        Value::List(parts) if !parts.is_empty() => parts.iter().map(step).collect(),
        _ => Err(wrong()),
    }
}
