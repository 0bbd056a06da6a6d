//! From the bytes of a recorded history to its verdict: read, choose a model, run every check that applies.
//!
//! What was assumed is part of the answer: the format, the model and whether it was guessed, how many operations
//! were judged, what was left out. Neither files nor output are its business.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::exactly_once::ExactlyOnce;
use crate::format::{Format, FormatError, Limits, Parsed, UnknownName, parse};
use crate::history::{Completion, History, OpId};
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::linearizable::Linearizable;
use crate::spec::Spec;
use crate::value::Value;
use crate::verdict::{Bounds, Check, CheckOutcome, Partition, Verdict};

/// A name for the operations that a history may hold. All models share one specification, [`KvSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// Read and write.
    Register,
    /// Read, write and compare-and-set.
    CasRegister,
    /// Read and append.
    Append,
    /// All operations of a key-value store.
    KeyValue,
}

impl Model {
    /// All models; the first that allows what a history holds is the guess.
    pub const ALL: [Self; 4] = [Self::Register, Self::CasRegister, Self::Append, Self::KeyValue];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::Append => "append",
            Self::KeyValue => "kv",
        }
    }

    /// Other names under which it is known.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Register | Self::CasRegister => &[],
            Self::Append => &["list-append"],
            Self::KeyValue => &["key-value"],
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Register => "read and write, key by key",
            Self::CasRegister => "read, write and compare-and-set, key by key",
            Self::Append => "read and append, key by key: no element lost, doubled or out of order",
            Self::KeyValue => "get, put, append, compare-and-set and delete, key by key",
        }
    }

    /// Whether an operation is one of this model.
    pub fn allows(self, op: &KvOp) -> bool {
        match op {
            KvOp::Get { .. } => true,
            KvOp::Put { .. } => self != Self::Append,
            KvOp::Append { .. } => matches!(self, Self::Append | Self::KeyValue),
            KvOp::Cas { .. } => matches!(self, Self::CasRegister | Self::KeyValue),
            KvOp::Delete { .. } => self == Self::KeyValue,
        }
    }

    /// The smallest model that allows every operation of a history.
    pub fn guess(history: &History<KvOp, KvRet>) -> Self {
        let mut models = Self::ALL.to_vec();
        for operation in history.operations() {
            models.retain(|model| model.allows(&operation.op));
            if models.len() == 1 {
                break;
            }
        }
        models.first().copied().unwrap_or(Self::KeyValue)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let of_that_name = |model: &Self| model.name() == name || model.aliases().contains(&name);
        Self::ALL
            .into_iter()
            .find(of_that_name)
            .ok_or_else(|| UnknownName::new("model", name, &Self::ALL.map(Self::name)))
    }
}

/// What the caller knows of a recorded history; what it does not is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How it was recorded.
    pub format: Option<Format>,
    /// What it must hold.
    pub model: Option<Model>,
    /// The bounds of reading it.
    pub limits: Limits,
}

/// Operations by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// They returned.
    pub ok: usize,
    /// They certainly did not happen.
    pub fail: usize,
    /// Nobody knows.
    pub info: usize,
}

impl Operations {
    /// Counts those of a history.
    pub fn of(history: &History<KvOp, KvRet>) -> Self {
        let mut count = Self::default();
        for operation in history.operations() {
            match operation.completion {
                Completion::Ok(_) => count.ok += 1,
                Completion::Fail => count.fail += 1,
                Completion::Info => count.info += 1,
            }
        }
        count
    }

    /// All of them.
    pub fn total(self) -> usize {
        self.ok + self.fail + self.info
    }
}

/// The answer for a recorded history, with everything that was assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How it was recorded.
    pub format: Format,
    /// What it holds.
    pub model: Model,
    /// Whether the model was guessed from the operations, not given.
    pub model_guessed: bool,
    /// How many operations were judged.
    pub operations: Operations,
    /// The answers of all checks in one, see [`merged`].
    pub outcome: CheckOutcome,
    /// The line of each operation's invocation, by [`OpId`].
    pub lines: Vec<u64>,
    /// Events of faults that were left out.
    pub fault_events: usize,
    /// Log messages that were left out.
    pub log_messages: usize,
}

/// Why a recorded history could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// It could not be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It holds an operation that the model given does not have.
    #[error("{file}:{line}: the model {model} has no operation like `{operation}`; judge it as {fitting}")]
    Model {
        /// The name of the input.
        file: String,
        /// The line of the invocation, from 1.
        line: u64,
        /// The model given.
        model: Model,
        /// The operation.
        operation: String,
        /// The smallest model that has all operations of the history.
        fitting: Model,
    },
}

/// Judges a recorded history; `name` is for errors and, where the content does not tell, the format.
///
/// ```
/// use squall_checker::judge::{Options, judge};
/// use squall_checker::{Bounds, Verdict};
/// let recorded = b"0\t0\t10\tw\tx\t1\n1\t20\t30\tr\tx\t2\n";
/// let (_, judged) = judge("phantom.tsv", recorded, &Options::default(), &Bounds::default()).unwrap();
/// assert_eq!(judged.outcome.verdict, Verdict::Invalid);
/// ```
///
/// # Errors
/// [`JudgeError`] if it cannot be read, or holds operations that are not of the model given.
pub fn judge(
    name: &str,
    bytes: &[u8],
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<(History<KvOp, KvRet>, Judged), JudgeError> {
    let Parsed { history, format, lines, fault_events, log_messages } =
        parse(name, bytes, options.format, options.limits)?;
    let model = options.model.unwrap_or_else(|| Model::guess(&history));
    if let Some((id, operation)) = history.iter().find(|(_, operation)| !model.allows(&operation.op)) {
        return Err(JudgeError::Model {
            file: name.to_owned(),
            line: lines[id.index()],
            model,
            operation: KvSpec::default().describe(&operation.op, None),
            fitting: Model::guess(&history),
        });
    }
    let judged = Judged {
        format,
        model,
        model_guessed: options.model.is_none(),
        operations: Operations::of(&history),
        outcome: judge_history(&history, bounds),
        lines,
        fault_events,
        log_messages,
    };
    Ok((history, judged))
}

impl Judged {
    /// The line of an operation's invocation.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn line(&self, id: OpId) -> u64 {
        self.lines[id.index()]
    }
}

/// Runs every check that applies to a history of a key-value store.
pub fn judge_history(history: &History<KvOp, KvRet>, bounds: &Bounds<'_>) -> CheckOutcome {
    let operations = Operations::of(history);
    let spec = spec_of(history);
    let mut linearizable = Linearizable.check(&spec, history, bounds);
    let appends = history.operations().iter().any(|operation| matches!(operation.op, KvOp::Append { .. }));
    let mut outcome = if appends {
        let exactly_once = ExactlyOnce.check(&spec, history, bounds);
        settle(&mut linearizable, &exactly_once);
        // First, for its violations name the anomaly.
        merged(vec![exactly_once, linearizable])
    } else {
        linearizable
    };
    if operations.ok == 0 {
        outcome.verdict = outcome.verdict.max(Verdict::Vacuous);
        outcome.reason = Some(match operations.total() {
            0 => "the history is empty: nothing to judge".to_owned(),
            total => format!("none of {total} operations completed: nothing to judge"),
        });
    }
    outcome
}

/// Exactly-once appends are linearizable, and the direct check has no bounds: what it found valid is so even where
/// the search gave up.
fn settle(linearizable: &mut CheckOutcome, exactly_once: &CheckOutcome) {
    let valid: BTreeSet<_> = exactly_once
        .partitions
        .iter()
        .filter(|partition| partition.verdict == Verdict::Valid)
        .map(|partition| partition.key.as_str())
        .collect();
    let mut unknown = false;
    for partition in linearizable.partitions.iter_mut().filter(|known| known.verdict == Verdict::Unknown) {
        if valid.contains(partition.key.as_str()) {
            partition.verdict = Verdict::Valid;
        }
        unknown |= partition.verdict == Verdict::Unknown;
    }
    if linearizable.verdict == Verdict::Unknown && !unknown {
        (linearizable.verdict, linearizable.reason) = (Verdict::Valid, None);
    }
}

/// The specification for a history: empty and absent are the same where lists or texts grow from nothing, and
/// where nobody ever wrote an empty value, so that only absence can be meant.
pub fn spec_of(history: &History<KvOp, KvRet>) -> KvSpec {
    let empty_text = |value: &Value| *value != Value::Nil && is_empty(value);
    let (mut appends, mut writes_empty) = (false, false);
    for operation in history.operations() {
        match &operation.op {
            KvOp::Append { .. } => appends = true,
            KvOp::Put { value, .. } => writes_empty |= empty_text(value),
            KvOp::Cas { expected, new, .. } => writes_empty |= empty_text(expected) || empty_text(new),
            KvOp::Get { .. } | KvOp::Delete { .. } => {}
        }
    }
    KvSpec { empty_is_absent: appends || !writes_empty }
}

/// Several checks' answers over one history as one. The most severe verdict counts, but a check that found nothing
/// of its kind to judge says nothing about what another one judged. What is wrong with a key is told once, by the
/// first check that found it.
///
/// # Panics
/// If there is none.
pub fn merged(outcomes: Vec<CheckOutcome>) -> CheckOutcome {
    let rank = |verdict: Verdict| (verdict != Verdict::Vacuous, verdict);
    let mut outcomes = outcomes.into_iter();
    let mut all = outcomes.next().expect("at least one check");
    for next in outcomes {
        all.check = format!("{}, {}", all.check, next.check);
        if rank(next.verdict) > rank(all.verdict) {
            (all.verdict, all.reason) = (next.verdict, next.reason);
        }
        let told: BTreeSet<_> = all.violations.iter().map(|violation| violation.key.clone()).collect();
        all.violations.extend(next.violations.into_iter().filter(|violation| !told.contains(&violation.key)));
        let mut partitions: IndexMap<String, Partition, FxBuildHasher> =
            next.partitions.into_iter().map(|partition| (partition.key.clone(), partition)).collect();
        for partition in all.partitions {
            let known = partitions.entry(partition.key.clone()).or_insert_with(|| partition.clone());
            known.operations = known.operations.max(partition.operations);
            if rank(partition.verdict) > rank(known.verdict) {
                known.verdict = partition.verdict;
            }
        }
        all.partitions = partitions.into_values().collect();
    }
    all
}
