//! From the bytes of a recorded history to its verdict: read, choose a model, run every check that applies.
//!
//! What was assumed is part of the answer: the format, the model and whether it was guessed, how many operations
//! were judged, what was left out. Neither files nor output are its business.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::exactly_once::ExactlyOnce;
use crate::format::{Format, FormatError, Limits, Recorded, read, shortened};
use crate::history::{Completion, History};
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::linearizable::Linearizable;
pub use crate::model::Model;
use crate::model::{Answer, JudgedHistory, Usage};
use crate::transactions::Level;
use crate::value::Value;
use crate::verdict::{Bounds, Check, CheckOutcome, Partition, Verdict};

/// What the caller knows of a recorded history; what it does not is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How it was recorded.
    pub format: Option<Format>,
    /// What it must hold.
    pub model: Option<Model>,
    /// The level of isolation that transactions must have.
    pub level: Level,
    /// The bounds of reading it.
    pub limits: Limits,
    /// What a compare-and-set proves that ran and saw another value.
    pub failed_cas: FailedCas,
}

/// What a compare-and-set proves that ran and saw another value. Tools differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedCas {
    /// That the value differed at some moment between its invocation and its return.
    #[default]
    Evidence,
    /// Nothing: it is an operation that did not take effect, whatever the reason.
    Ignore,
}

/// The history without what failed compare-and-sets prove.
pub(crate) fn without_evidence(history: &History<KvOp, KvRet>) -> History<KvOp, KvRet> {
    let operations = history.operations().iter().cloned().map(|mut operation| {
        if matches!(operation.completion, Completion::Ok(KvRet::Mismatch(_))) {
            operation.completion = Completion::Fail;
        }
        (0, operation)
    });
    History::from_intervals(operations.collect()).expect("its intervals are those of a history")
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
    pub fn of<O, R>(history: &History<O, R>) -> Self {
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
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// What it holds.
    pub model: Model,
    /// Whether the model was guessed from the operations, not given.
    pub model_guessed: bool,
    /// How many operations were judged.
    pub operations: Operations,
    /// The answers of all checks in one, see [`merged`].
    pub outcome: CheckOutcome,
    /// The operations in the words of the model, by [`crate::OpId`].
    pub history: Arc<dyn JudgedHistory + 'a>,
}

/// Why a recorded history could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// It could not be read, or not as operations of the model.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It holds an operation that the model given does not have.
    #[error("{file}:{line}: the model {model} has no operation like `{operation}`{}", advice(*.fitting))]
    Model {
        /// The name of the input.
        file: String,
        /// The line of the invocation, from 1.
        line: u64,
        /// The model given.
        model: Model,
        /// The operation.
        operation: String,
        /// The first model that plainly has all operations of the history.
        fitting: Option<Model>,
    },
}

fn advice(fitting: Option<Model>) -> String {
    fitting.map_or_else(String::new, |model| format!("; judge it as {model}"))
}

/// Reads and judges a recorded history; `name` is for errors and, where the content does not tell, the format.
///
/// ```
/// use squall_checker::judge::{Options, judge};
/// use squall_checker::{Bounds, Verdict};
/// let text = b"0\t0\t10\tw\tx\t1\n1\t20\t30\tr\tx\t2\n";
/// let (_, judged) = judge("phantom.tsv", text, &Options::default(), &Bounds::default()).unwrap();
/// assert_eq!(judged.outcome.verdict, Verdict::Invalid);
/// ```
///
/// # Errors
/// [`JudgeError`] if it cannot be read, or holds operations that are not of the model given.
pub fn judge<'a>(
    name: &'a str,
    bytes: &'a [u8],
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<(Recorded<'a>, Judged<'a>), JudgeError> {
    let limits = Limits { threads: bounds.threads, ..options.limits };
    let recorded = read(name, bytes, options.format, limits)?;
    let judged = judge_recorded(&recorded, options, bounds)?;
    Ok((recorded, judged))
}

/// Judges a recorded history that was read.
///
/// # Errors
/// [`JudgeError`] if it holds operations that are not of the model given, or of no model.
pub fn judge_recorded<'a>(
    recorded: &Recorded<'a>,
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<Judged<'a>, JudgeError> {
    let usage = Usage::of(recorded);
    let model = match options.model {
        Some(model) => model,
        None => usage.guess().ok_or_else(|| usage.no_guess())?,
    };
    if let Some(id) = usage.foreign(model) {
        return Err(JudgeError::Model {
            file: recorded.name().to_owned(),
            line: recorded.line(id),
            model,
            operation: shortened(&recorded.operation(id).to_string(), 160),
            fitting: usage.guess(),
        });
    }
    drop(usage);
    let Answer { mut outcome, history } = model.judge(recorded, options, bounds)?;
    let operations = history.count();
    note_vacuous(&mut outcome, operations);
    Ok(Judged { model, model_guessed: options.model.is_none(), operations, outcome, history })
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
    note_vacuous(&mut outcome, operations);
    outcome
}

/// A history of which no operation completed has nothing to judge.
fn note_vacuous(outcome: &mut CheckOutcome, operations: Operations) {
    if operations.ok == 0 {
        outcome.verdict = outcome.verdict.max(Verdict::Vacuous);
        outcome.reason = Some(match operations.total() {
            0 => "the history is empty: nothing to judge".to_owned(),
            total => format!("none of {total} operations completed: nothing to judge"),
        });
    }
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
            known.certificate = known.certificate.take().or(partition.certificate);
            if rank(partition.verdict) > rank(known.verdict) {
                known.verdict = partition.verdict;
            }
        }
        all.partitions = partitions.into_values().collect();
    }
    all
}
