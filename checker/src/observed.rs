//! Which indeterminate writes of a key nobody could have seen, so that the search may leave them out.
//!
//! A write of `v` is left out only if no operation that tells something of the state could have run while a trace
//! of `v` was in it, or if others like it are enough. Where in doubt it stays: leaving out less is always sound. Cost is linear in the history.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{Completion, Operation};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;

/// Texts are searched for traces of texts at this cost at most (needles times bytes); beyond, all of them stay.
const TEXT_COST_MAX: usize = 1 << 26;

/// What the operations of a key tell of its state.
#[derive(Default)]
struct Seen<'h> {
    /// Numbers anywhere in a value.
    numbers: FxHashSet<i64>,
    /// Texts anywhere in a value, each once.
    texts: Vec<&'h str>,
    /// The same, for looking up.
    texts_known: FxHashSet<&'h str>,
    /// Their length together.
    text_bytes: usize,
}

impl<'h> Seen<'h> {
    fn add(&mut self, value: &'h Value) {
        let mut pending = vec![value];
        while let Some(value) = pending.pop() {
            match value {
                Value::Nil => {}
                Value::Int(number) => {
                    self.numbers.insert(*number);
                }
                Value::Text(text) => {
                    if self.texts_known.insert(text) {
                        self.texts.push(text);
                        self.text_bytes += text.len();
                    }
                }
                Value::List(items) => pending.extend(items.iter()),
            }
        }
    }

    /// Whether a trace of the atom `trace` may be in one of these values.
    fn may_show(&self, trace: &Value) -> bool {
        match trace {
            Value::Int(number) => self.numbers.contains(number),
            Value::Text(text) => self.texts.iter().any(|seen| seen.contains(text.as_ref())),
            Value::Nil | Value::List(_) => true,
        }
    }
}

/// The atom that a state holds from the moment `value` is written or appended until it is overwritten: texts
/// grow at their end, lists too, and a text that becomes a list becomes its first element. `None` where there is
/// no such trace (nothing tells an empty value from an absent one).
fn trace(value: &Value) -> Option<&Value> {
    match value {
        Value::Int(_) => Some(value),
        Value::Text(text) => (!text.is_empty()).then_some(value),
        Value::List(items) => match items.first()? {
            first @ Value::Int(_) => Some(first),
            first @ Value::Text(text) if !text.is_empty() => Some(first),
            _ => None,
        },
        Value::Nil => None,
    }
}

/// See [`crate::Spec::unobserved`].
///
/// Proof. Take a legal order with an indeterminate write `w` of a value with trace `t`, and suppose no operation
/// tells a value that may hold `t`. From `w` to the next unconditional overwrite (put, delete, a swapping cas)
/// every state holds `t`. Between them there is hence no read and no mismatch that says what it saw, and no cas
/// swaps (its expected value would hold `t`); indeterminate cas that do not swap may be left out of the order.
/// Only puts, deletes and appends remain, which are legal in every state: without `w` the order is legal too.
/// A mismatch that does *not* say what it saw observes the absence of a value: `w` may be just what made it
/// legal (an indeterminate `write 2`, then `cas nil -> 1 failed`), so nothing is left out on such a key.
pub(crate) fn unobserved(operations: &[&Operation<KvOp, KvRet>]) -> Vec<bool> {
    let mut candidates: Vec<(usize, &Value)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let (Completion::Info, written) = (&operation.completion, written(&operation.op)) else { continue };
        candidates.extend(written.and_then(trace).map(|trace| (index, trace)));
    }
    if candidates.is_empty() {
        return Vec::new();
    }
    let mut seen = Seen::default();
    for operation in operations {
        match (&operation.op, operation.ret()) {
            (KvOp::Get { .. }, Some(KvRet::Value(value))) => seen.add(value),
            (KvOp::Cas { .. }, Some(KvRet::Mismatch(None))) => return Vec::new(),
            (KvOp::Cas { .. }, Some(KvRet::Mismatch(Some(value)))) => seen.add(value),
            (KvOp::Cas { expected, .. }, Some(KvRet::Done)) => seen.add(expected),
            _ => {}
        }
    }
    if seen.text_bytes.saturating_mul(candidates.len()) > TEXT_COST_MAX {
        candidates.retain(|(_, trace)| !matches!(trace, Value::Text(_)));
    }
    let mut left_out = leave_out(operations, candidates, seen);
    leave_out_alike(operations, &mut left_out);
    left_out
}

/// Leaves out of the indeterminate puts of one value all but as many as something may see, the first to be invoked.
///
/// Proof. A put that nothing sees before the next overwrite need not be in a legal order (as above), so there is one
/// in which something of its own sees each of these. Hence it has no more of them than what may see the value, and
/// each that is not among the first may change places with one of these that is not in the order: they are invoked
/// earlier and never return. Only where nothing is appended: then whoever sees a value sees the whole of it.
fn leave_out_alike(operations: &[&Operation<KvOp, KvRet>], left_out: &mut [bool]) {
    if operations.iter().any(|operation| matches!(operation.op, KvOp::Append { .. })) {
        return;
    }
    let mut needed: FxHashMap<&Value, usize> = FxHashMap::default();
    for (operation, left_out) in operations.iter().zip(&*left_out) {
        let sees = match (&operation.op, operation.ret()) {
            (_, Some(KvRet::Value(value) | KvRet::Mismatch(Some(value)))) => value,
            (KvOp::Cas { expected, .. }, _) if operation.completion != Completion::Fail && !left_out => {
                expected
            }
            _ => continue,
        };
        *needed.entry(sees).or_default() += 1;
    }
    for (operation, left_out) in operations.iter().zip(left_out) {
        let (KvOp::Put { value, .. }, Completion::Info) = (&operation.op, &operation.completion) else {
            continue;
        };
        if *left_out || trace(value).is_none() {
            continue;
        }
        match needed.get_mut(value) {
            Some(left) if *left > 0 => *left -= 1,
            _ => *left_out = true,
        }
    }
}

/// Keeps the candidates that what was seen may show, then those that a kept cas expects, and so on; a kept
/// candidate is settled, hence linear but for chains of indeterminate cas.
fn leave_out<'h>(
    operations: &[&'h Operation<KvOp, KvRet>],
    mut candidates: Vec<(usize, &'h Value)>,
    mut seen: Seen<'h>,
) -> Vec<bool> {
    // An indeterminate cas that is no candidate (it writes nothing with a trace) stays, and so does what it expects.
    for (index, operation) in operations.iter().enumerate() {
        if let (KvOp::Cas { expected, .. }, Completion::Info) = (&operation.op, &operation.completion)
            && candidates.binary_search_by_key(&index, |(index, _)| *index).is_err()
        {
            seen.add(expected);
        }
    }
    loop {
        let mut kept = Vec::new();
        candidates.retain(|(index, trace)| {
            let stays = seen.may_show(trace);
            kept.extend(stays.then_some(*index));
            !stays
        });
        if kept.is_empty() {
            break;
        }
        for index in kept {
            if let KvOp::Cas { expected, .. } = &operations[index].op {
                seen.add(expected);
            }
        }
    }
    let mut unobserved = vec![false; operations.len()];
    for (index, _) in candidates {
        unobserved[index] = true;
    }
    unobserved
}

/// What an operation writes, if it writes a value.
fn written(op: &KvOp) -> Option<&Value> {
    match op {
        KvOp::Put { value, .. } | KvOp::Append { value, .. } => Some(value),
        KvOp::Cas { new, .. } => Some(new),
        KvOp::Get { .. } | KvOp::Delete { .. } => None,
    }
}
