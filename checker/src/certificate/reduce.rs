//! The reductions of a key-value store, see [`Reduction`]: which operations may go, and what is left of the others.
//!
//! Verifying rests on these being sound, so they know nothing of how a key is judged, and each says why it is. They
//! look at what operations say, never at real time. Where in doubt a reduction does not apply.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Reduction;
use crate::history::{Completion, OpId, Operation, Reduced};
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::value::Value;

type Owned = Reduced<KvOp, KvRet>;

/// How a key's values are made.
enum Reading<'h> {
    /// Nothing is appended: a value is one whole.
    Whole,
    /// Lists of elements, and values that become one when something is appended; no texts, which would join.
    List,
    /// Texts, cut in one way only into these tokens: no one begins with another.
    Text(Tokens<'h>),
}

/// Texts of which none begins with another, and their lengths.
struct Tokens<'h> {
    known: FxHashSet<&'h str>,
    lengths: BTreeSet<usize>,
}

/// See [`crate::Spec::reduce`].
pub(crate) fn reduce(spec: &KvSpec, operations: &[Owned], reduction: &Reduction) -> Option<Vec<Owned>> {
    match reduction {
        Reduction::Blind { kept } => Some(blind(operations, kept)),
        Reduction::Overwritten => Some(overwritten(operations)),
        Reduction::Unseen { kept } => unseen(spec, operations, kept),
        Reduction::Only { units } => only(operations, units),
        Reduction::Until { .. } | Reduction::ReadOnly { .. } => None,
    }
}

/// What an operation writes if it takes effect: what follows an overwrite, or the element that it appends.
fn written(operation: &Operation<KvOp, KvRet>) -> Option<&Value> {
    match (&operation.op, operation.ret()) {
        (KvOp::Get { .. }, _) | (KvOp::Cas { .. }, Some(KvRet::Mismatch(_))) => None,
        (KvOp::Put { value, .. } | KvOp::Append { value, .. } | KvOp::Cas { new: value, .. }, _) => {
            Some(value)
        }
        (KvOp::Delete { .. }, _) => Some(&Value::Nil),
    }
}

/// The value that the state must be for an operation to return what it did, or to have an effect.
fn observed(operation: &Operation<KvOp, KvRet>) -> Option<&Value> {
    match (&operation.op, operation.ret()) {
        (_, Some(KvRet::Value(value) | KvRet::Mismatch(Some(value)))) => Some(value),
        (KvOp::Cas { expected, .. }, None | Some(KvRet::Done)) => Some(expected),
        _ => None,
    }
}

/// Swaps become writes: legal wherever the swap was. Those that may not have taken effect stay optional. A mismatch
/// that says what it saw becomes a read of that, one that does not goes.
fn blind(operations: &[Owned], kept: &[OpId]) -> Vec<Owned> {
    let forget = |(id, operation): &Owned| {
        let (id, mut operation) = (*id, operation.clone());
        if kept.binary_search(&id).is_ok() {
            return Some((id, operation));
        }
        if let KvOp::Cas { key, new, .. } = &operation.op {
            let key = key.clone();
            operation.op = match operation.ret() {
                Some(KvRet::Mismatch(None)) => return None,
                Some(KvRet::Value(_)) => return Some((id, operation)),
                Some(KvRet::Mismatch(Some(_))) => KvOp::Get { key },
                None | Some(KvRet::Done) => KvOp::Put { key, value: new.clone() },
            };
            if let Completion::Ok(KvRet::Mismatch(Some(seen))) = &operation.completion {
                operation.completion = Completion::Ok(KvRet::Value(seen.clone()));
            }
        }
        Some((id, operation))
    };
    operations.iter().filter_map(forget).collect()
}

/// In a legal order the write stands before the overwrite, and what depends on the state stands before the write or
/// behind the overwrite. So between the two there are only other writes, which are legal in any state, and the effect
/// of all of them ends with the overwrite. Of several such writes the one that began first may go first: the overwrite
/// that hides it began later, so it is still there.
fn overwritten(operations: &[Owned]) -> Vec<Owned> {
    let overwrites = |op: &KvOp| matches!(op, KvOp::Put { .. } | KvOp::Delete { .. });
    let writes = |operation: &Operation<KvOp, KvRet>| {
        let writes = overwrites(&operation.op) || matches!(operation.op, KvOp::Append { .. });
        writes && matches!(operation.ret(), None | Some(KvRet::Done))
    };
    let all = || operations.iter().map(|(_, operation)| operation);
    let depending = all().filter(|operation| !writes(operation));
    // By when it returned, when the first began of those that returned no earlier.
    let depending = smallest_behind(depending.map(|it| (it.returned.unwrap_or(u64::MAX), it.invoked)));
    let overwriting = all().filter(|it| writes(it) && overwrites(&it.op) && it.ret().is_some());
    // By when it began, when the first returned of those that began no earlier.
    let overwriting = smallest_behind(overwriting.filter_map(|it| Some((it.invoked, it.returned?))));
    let least = |of: &[(u64, u64)], from: u64| {
        of.get(of.partition_point(|(at, _)| *at < from)).map_or(u64::MAX, |(_, least)| *least)
    };
    let stays = |(_, operation): &&Owned| match operation.returned {
        Some(returned) if writes(operation) => {
            let hidden = least(&overwriting, returned.saturating_add(1));
            hidden == u64::MAX || hidden >= least(&depending, operation.invoked)
        }
        _ => true,
    };
    operations.iter().filter(stays).cloned().collect()
}

/// In the order of the first numbers, each with the smallest of the second numbers from it on.
fn smallest_behind(pairs: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    let mut least = u64::MAX;
    for (_, second) in pairs.iter_mut().rev() {
        least = least.min(*second);
        *second = least;
    }
    pairs
}

/// How the values of these operations are made; `None` where they cannot be told apart, or an absence is observed.
fn reading(operations: &[Owned]) -> Option<Reading<'_>> {
    let (mut appends, mut texts, mut others) = (false, false, false);
    let mut known = FxHashSet::default();
    for (_, operation) in operations {
        if let (KvOp::Cas { .. }, Some(KvRet::Mismatch(None))) = (&operation.op, operation.ret()) {
            return None;
        }
        let append = matches!(operation.op, KvOp::Append { .. });
        appends |= append;
        match written(operation) {
            Some(Value::Text(text)) => {
                texts = true;
                known.insert(&**text);
            }
            Some(Value::Nil) if !append => {}
            Some(_) => others = true,
            None => {}
        }
    }
    if !appends {
        return Some(Reading::Whole);
    }
    if !texts {
        return Some(Reading::List);
    }
    known.remove("");
    (!others && prefix_free(&known)).then(|| {
        let lengths = known.iter().map(|token| token.len()).collect();
        Reading::Text(Tokens { known, lengths })
    })
}

/// Whether no token begins with another; then a text can be cut into them in one way at most.
fn prefix_free(tokens: &FxHashSet<&str>) -> bool {
    let mut sorted: Vec<&str> = tokens.iter().copied().collect();
    sorted.sort_unstable();
    // What begins with a token stands right behind it in this order.
    !sorted.windows(2).any(|pair| pair[1].starts_with(pair[0]))
}

impl Tokens<'_> {
    /// A text, cut into tokens; `None` if it is not made of them.
    fn of(&self, text: &str) -> Option<Vec<Value>> {
        let (mut rest, mut found) = (text, Vec::new());
        while !rest.is_empty() {
            let fits = |length: &&usize| rest.get(..**length).is_some_and(|head| self.known.contains(head));
            let length = *self.lengths.iter().find(fits)?;
            found.push(Value::text(&rest[..length]));
            rest = &rest[length..];
        }
        Some(found)
    }
}

impl Reading<'_> {
    /// The elements of a value that a state can be; none of one that it cannot.
    fn elements(&self, spec: &KvSpec, value: &Value) -> Vec<Value> {
        match (self, value) {
            (Self::Whole, _) if spec.same(value, &Value::Nil) => vec![Value::Nil],
            (Self::Whole, _) | (Self::List, Value::Int(_)) => vec![value.clone()],
            (Self::List, Value::List(items)) => items.to_vec(),
            (Self::Text(tokens), Value::Text(text)) => tokens.of(text).unwrap_or_default(),
            (Self::List | Self::Text(_), _) => Vec::new(),
        }
    }

    /// The element that the state holds from a write to the next overwrite, if there is one.
    fn trace(&self, spec: &KvSpec, operation: &Operation<KvOp, KvRet>) -> Option<Value> {
        let value = written(operation)?;
        match operation.op {
            // A list that is appended is one element.
            KvOp::Append { .. } => self.is_element(value).then(|| value.clone()),
            _ => self.elements(spec, value).into_iter().next(),
        }
    }

    /// Whether what is appended is to be seen: an empty text is not.
    fn is_element(&self, appended: &Value) -> bool {
        !matches!(self, Self::Text(_)) || !is_empty(appended)
    }

    /// A value without the elements that are erased: always a list or text, or nil. One that no state can be stays.
    fn filtered(&self, value: &Value, stays: &impl Fn(&Value) -> bool) -> Value {
        let items = match (self, value) {
            (_, Value::Nil) => Vec::new(),
            (Self::List, Value::Int(_)) => vec![value.clone()],
            (Self::List, Value::List(items)) => items.to_vec(),
            (Self::Text(tokens), Value::Text(text)) => match tokens.of(text) {
                Some(items) => items,
                None => return value.clone(),
            },
            _ => return value.clone(),
        };
        let mut items = items.into_iter().filter(stays).peekable();
        match (self, items.peek()) {
            (_, None) => Value::Nil,
            (Self::Text(_), Some(_)) => {
                let text =
                    |item: Value| if let Value::Text(text) = item { text.to_string() } else { String::new() };
                Value::text(items.map(text).collect::<String>())
            }
            (_, Some(_)) => Value::List(items.collect()),
        }
    }
}

/// A write may go, acknowledged or not, if no operation that is left observes a value with a trace of it. From it to
/// the next overwrite every state holds the trace, so up to there nothing is observed and no cas swaps (one that may
/// not have taken effect can be left out); what remains, writes, is legal in any state; and behind the overwrite the
/// state is the same without it. A cas that goes observes no more, so further ones may follow.
fn unseen(spec: &KvSpec, operations: &[Owned], kept: &[OpId]) -> Option<Vec<Owned>> {
    let reading = reading(operations)?;
    let mut observers: FxHashMap<Value, usize> = FxHashMap::default();
    let mut writers: FxHashMap<Value, Vec<usize>> = FxHashMap::default();
    for (at, (id, operation)) in operations.iter().enumerate() {
        for element in observed(operation).map(|value| reading.elements(spec, value)).unwrap_or_default() {
            *observers.entry(element).or_default() += 1;
        }
        if let Some(trace) = reading.trace(spec, operation).filter(|_| kept.binary_search(id).is_err()) {
            writers.entry(trace).or_default().push(at);
        }
    }
    let mut gone = vec![false; operations.len()];
    let mut pending: Vec<usize> = writers
        .iter()
        .filter(|(trace, _)| !observers.contains_key(*trace))
        .flat_map(|(_, at)| at.clone())
        .collect();
    while let Some(at) = pending.pop() {
        gone[at] = true;
        let blind =
            observed(&operations[at].1).map(|value| reading.elements(spec, value)).unwrap_or_default();
        for element in blind {
            let left = observers.get_mut(&element).expect("it was counted");
            *left -= 1;
            if *left == 0 {
                pending.extend(writers.remove(&element).unwrap_or_default());
            }
        }
    }
    let left = operations.iter().zip(gone).filter(|(_, gone)| !gone);
    Some(left.map(|(owned, _)| owned.clone()).collect())
}

/// Erasing elements is a homomorphism: a state without them goes where the erased operation takes it, be it reached
/// by a put, an append or a swap. What was a bare value counts as a list of one. Two states may become one, which can
/// only make more legal, for nothing that is left observes that it is *not* in some state: a mismatch becomes a read
/// of what it saw.
fn only(operations: &[Owned], units: &[Value]) -> Option<Vec<Owned>> {
    let reading = reading(operations)?;
    if matches!(reading, Reading::Whole) {
        return None;
    }
    let mut stay: FxHashSet<Value> = units.iter().cloned().collect();
    for (_, operation) in
        operations.iter().filter(|(_, operation)| !matches!(operation.op, KvOp::Append { .. }))
    {
        stay.extend(
            written(operation).map(|value| reading.elements(&KvSpec::default(), value)).unwrap_or_default(),
        );
    }
    let stays = |element: &Value| stay.contains(element) && reading.is_element(element);
    let image = |value: &Value| reading.filtered(value, &stays);
    let erase = |(id, operation): &Owned| {
        let mut operation = operation.clone();
        match &mut operation.op {
            KvOp::Append { value, .. } if !stays(value) => return None,
            KvOp::Append { .. } | KvOp::Get { .. } | KvOp::Delete { .. } => {}
            KvOp::Put { value, .. } => *value = image(value),
            KvOp::Cas { expected, new, .. } => (*expected, *new) = (image(expected), image(new)),
        }
        match &mut operation.completion {
            Completion::Ok(KvRet::Value(value)) => *value = image(value),
            Completion::Ok(KvRet::Mismatch(Some(seen))) => {
                operation.op = KvOp::Get { key: operation.op.key().clone() };
                operation.completion = Completion::Ok(KvRet::Value(image(seen)));
            }
            _ => {}
        }
        Some((*id, operation))
    };
    Some(operations.iter().filter_map(erase).collect())
}

/// See [`crate::Spec::units`]: what the operations of `about` write, what their lists begin with, what they show
/// twice, and what they show that nobody wrote.
pub(crate) fn units(operations: &[Owned], about: &[OpId]) -> Vec<Value> {
    let spec = KvSpec::default();
    let Some(reading) = reading(operations).filter(|reading| !matches!(reading, Reading::Whole)) else {
        return Vec::new();
    };
    let elements = |value: &Value| reading.elements(&spec, value);
    let mut known = FxHashSet::default();
    for (_, operation) in operations {
        match (&operation.op, written(operation)) {
            (KvOp::Append { value, .. }, _) => drop(known.insert(value.clone())),
            (_, Some(value)) => known.extend(elements(value)),
            _ => {}
        }
    }
    let mut units: Vec<Value> = Vec::new();
    for (_, operation) in operations.iter().filter(|(id, _)| about.contains(id)) {
        match (&operation.op, written(operation)) {
            (KvOp::Append { value, .. }, _) => units.push(value.clone()),
            (_, Some(value)) => units.extend(elements(value)),
            _ => {}
        }
        let shown = observed(operation).map(elements).unwrap_or_default();
        units.extend(shown.first().cloned());
        let mut once = FxHashSet::default();
        units.extend(
            shown.iter().filter(|element| !known.contains(*element) || !once.insert(*element)).cloned(),
        );
    }
    let mut once = FxHashSet::default();
    units.retain(|unit| once.insert(unit.clone()));
    units
}
