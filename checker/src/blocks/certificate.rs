//! Looks at a decision again: replays an order, and re-checks what a refutation claims.
//!
//! Shares no code with what makes them, nor with the specification's step (which copies a list to append to it).

use super::{KvOperation, Refutation};
use crate::history::Completion;
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::value::Value;

/// A key's value that grows in place.
enum State {
    Atom(Value),
    Text(String),
    List(Vec<Value>),
}

impl State {
    fn of(value: &Value, spec: &KvSpec) -> Self {
        match value {
            empty if spec.empty_is_absent && is_empty(empty) => Self::Atom(Value::Nil),
            Value::Text(text) => Self::Text(text.to_string()),
            Value::List(items) => Self::List(items.to_vec()),
            Value::Nil | Value::Int(_) => Self::Atom(value.clone()),
        }
    }

    fn is(&self, value: &Value, spec: &KvSpec) -> bool {
        match (self, value) {
            (Self::Atom(Value::Nil), _) if spec.empty_is_absent && is_empty(value) => true,
            (Self::Atom(atom), _) => atom == value,
            (Self::Text(text), Value::Text(value)) => **text == **value,
            (Self::List(items), Value::List(value)) => **items == **value,
            _ => false,
        }
    }

    fn append(&mut self, element: &Value, spec: &KvSpec) {
        match (&mut *self, element) {
            (Self::Text(text), Value::Text(tail)) => text.push_str(tail),
            (Self::List(items), _) => items.push(element.clone()),
            (Self::Atom(Value::Nil), Value::Text(_)) => *self = Self::of(element, spec),
            (Self::Atom(Value::Nil), _) => *self = Self::List(vec![element.clone()]),
            (Self::Atom(atom), _) => *self = Self::List(vec![atom.clone(), element.clone()]),
            (Self::Text(text), _) => {
                *self = Self::List(vec![Value::text(text.as_str()), element.clone()]);
            }
        }
    }
}

/// Whether an order is legal, respects real time, and has every completed operation once.
pub(super) fn is_legal(spec: &KvSpec, operations: &[&KvOperation], order: &[u32]) -> bool {
    has_all(operations, order) && respects_real_time(operations, order) && replays(spec, operations, order)
}

fn has_all(operations: &[&KvOperation], order: &[u32]) -> bool {
    let mut ordered = vec![false; operations.len()];
    let once = order.iter().all(|index| {
        let there = ordered.get_mut(*index as usize);
        there.is_some_and(|there| !std::mem::replace(there, true))
    });
    once && operations.iter().zip(ordered).all(|(operation, ordered)| match operation.completion {
        Completion::Ok(_) => ordered,
        Completion::Fail => !ordered,
        Completion::Info => true,
    })
}

/// Nothing had returned before something in front of it was invoked.
fn respects_real_time(operations: &[&KvOperation], order: &[u32]) -> bool {
    let mut earliest_return = u64::MAX;
    order.iter().rev().all(|index| {
        let operation = operations[*index as usize];
        earliest_return = earliest_return.min(operation.returned.unwrap_or(u64::MAX));
        operation.invoked <= earliest_return
    })
}

fn replays(spec: &KvSpec, operations: &[&KvOperation], order: &[u32]) -> bool {
    let mut state = State::Atom(Value::Nil);
    order.iter().all(|index| {
        let operation = operations[*index as usize];
        match (&operation.op, operation.ret()) {
            (KvOp::Get { .. }, Some(KvRet::Value(value))) => return state.is(value, spec),
            (KvOp::Put { value, .. }, None | Some(KvRet::Done)) => state = State::of(value, spec),
            (KvOp::Append { value, .. }, None | Some(KvRet::Done)) => state.append(value, spec),
            (KvOp::Cas { expected, new, .. }, None | Some(KvRet::Done)) => {
                let swaps = state.is(expected, spec);
                state = State::of(new, spec);
                return swaps;
            }
            (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(Some(seen)))) => {
                return state.is(seen, spec) && !state.is(expected, spec);
            }
            _ => return false,
        }
        true
    })
}

/// Whether the witnesses of a refutation stand to each other as it claims.
pub(super) fn holds(operations: &[&KvOperation], refutation: &Refutation) -> bool {
    let witnesses = refutation.witnesses();
    if witnesses.iter().any(|index| operations[*index as usize].completion == Completion::Fail) {
        return false;
    }
    let precedes = |one: u32, other: u32| operations[one as usize].precedes(operations[other as usize]);
    let cas = |index: u32| match (&operations[index as usize].op, operations[index as usize].ret()) {
        (KvOp::Cas { expected, new, .. }, None | Some(KvRet::Done)) => Some((expected, new)),
        _ => None,
    };
    let read = |index: u32| operations[index as usize].ret().is_some_and(|ret| *ret != KvRet::Done);
    match refutation {
        // A cas that swapped may have found what nobody wrote.
        Refutation::Phantom { reader } => read(*reader) || cas(*reader).is_some(),
        Refutation::Twice { reader, .. } | Refutation::PutInside { reader, .. } => read(*reader),
        Refutation::TwoEpochs { append, one, other } => {
            matches!(operations[*append as usize].op, KvOp::Append { .. })
                && one != other
                && read(*one)
                && read(*other)
        }
        Refutation::Fork { one, other } => one != other && read(*one) && read(*other),
        Refutation::SameSource { one, other } => {
            one != other
                && cas(*one)
                    .zip(cas(*other))
                    .is_some_and(|(one, other)| one.0 == other.0 || (is_empty(one.0) && is_empty(other.0)))
        }
        Refutation::Round { cas: round } => round
            .iter()
            .zip(round.iter().cycle().skip(1))
            .all(|pair| cas(*pair.0).zip(cas(*pair.1)).is_some_and(|(one, next)| one.0 == next.1)),
        Refutation::Order { before, after } => precedes(*after, *before),
        Refutation::Cross { one, other } => {
            let before = |one: &super::Zone, other: &super::Zone| {
                one.first.is_none_or(|first| precedes(first, other.last))
            };
            one.places != other.places && before(one, other) && before(other, one)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Operation, ProcessId};

    fn operation(invoked: u64, returned: Option<u64>, op: KvOp, ret: KvRet) -> KvOperation {
        let completion = if returned.is_some() { Completion::Ok(ret) } else { Completion::Info };
        Operation { process: ProcessId(invoked), op, invoked, returned, completion }
    }

    fn get(invoked: u64, returned: u64, value: Value) -> KvOperation {
        operation(invoked, Some(returned), KvOp::Get { key: "k".into() }, KvRet::Value(value))
    }

    fn append(invoked: u64, returned: Option<u64>, value: impl Into<Value>) -> KvOperation {
        operation(invoked, returned, KvOp::Append { key: "k".into(), value: value.into() }, KvRet::Done)
    }

    fn put(invoked: u64, returned: Option<u64>, value: impl Into<Value>) -> KvOperation {
        operation(invoked, returned, KvOp::Put { key: "k".into(), value: value.into() }, KvRet::Done)
    }

    fn cas(invoked: u64, returned: u64, expected: i64, new: i64, ret: KvRet) -> KvOperation {
        let op = KvOp::Cas { key: "k".into(), expected: expected.into(), new: new.into() };
        operation(invoked, Some(returned), op, ret)
    }

    fn is_legal_here(operations: &[KvOperation], order: &[u32]) -> bool {
        is_legal(&KvSpec::default(), &operations.iter().collect::<Vec<_>>(), order)
    }

    #[test]
    fn an_order_has_everything_once_and_keeps_real_time() {
        let mut operations = vec![put(0, Some(5), 1), put(5, Some(9), 2), put(10, None, 3)];
        assert!(is_legal_here(&operations, &[0, 1]));
        assert!(is_legal_here(&operations, &[1, 0]), "intervals that touch are concurrent");
        assert!(is_legal_here(&operations, &[0, 1, 2]));
        assert!(!is_legal_here(&operations, &[0, 2, 1]), "the last began after all others had finished");
        assert!(!is_legal_here(&operations, &[2, 0, 1]));
        assert!(!is_legal_here(&operations, &[0]), "an acknowledged write is missing");
        assert!(!is_legal_here(&operations, &[0, 1, 1]));
        assert!(!is_legal_here(&operations, &[0, 1, 3]));
        operations[1].completion = Completion::Fail;
        assert!(is_legal_here(&operations, &[0]));
        assert!(!is_legal_here(&operations, &[0, 1]));
    }

    #[test]
    fn an_order_is_replayed() {
        let mismatch = |seen: i64| KvRet::Mismatch(Some(seen.into()));
        let swaps = |ret: KvRet| is_legal_here(&[put(0, Some(9), 1), cas(0, 9, 1, 2, ret)], &[0, 1]);
        assert!(swaps(KvRet::Done));
        assert!(!swaps(mismatch(1)));
        assert!(!swaps(KvRet::Mismatch(None)), "what it did not see is not judged here");
        let differs = |seen| {
            is_legal_here(
                &[put(0, Some(9), 1), cas(0, 9, 3, 2, mismatch(seen)), get(0, 9, 1.into())],
                &[0, 1, 2],
            )
        };
        assert!(differs(1) && !differs(7));
        assert!(!is_legal_here(&[cas(0, 9, 1, 2, KvRet::Done)], &[0]));
        let reads = |start: Value, tail: Value, value: Value| {
            is_legal_here(&[put(0, Some(9), start), append(0, Some(9), tail), get(0, 9, value)], &[0, 1, 2])
        };
        assert!(reads(Value::Nil, 4.into(), Value::list([4])));
        assert!(!reads(Value::Nil, 4.into(), 4.into()));
        assert!(reads(3.into(), 4.into(), Value::list([3, 4])));
        assert!(reads(Value::list([3]), 4.into(), Value::list([3, 4])));
        assert!(!reads(Value::list([3]), 4.into(), Value::list([3])));
        assert!(reads(Value::Nil, "a".into(), "a".into()));
        assert!(reads("a".into(), "b".into(), "ab".into()));
        assert!(reads("a".into(), 4.into(), Value::List(["a".into(), 4.into()].into())));
        let empty = [get(0, 9, "".into())];
        let bare: Vec<&KvOperation> = empty.iter().collect();
        assert!(is_legal(&KvSpec { empty_is_absent: true }, &bare, &[0]) && !is_legal_here(&empty, &[0]));
    }

    #[test]
    fn a_refutation_holds_where_its_witnesses_stand_as_it_says() {
        let operations =
            [put(0, Some(5), 1), get(6, 9, 1.into()), put(5, Some(9), 2), cas(7, 9, 1, 2, KvRet::Done)];
        let holds = |refutation| holds(&operations.iter().collect::<Vec<_>>(), &refutation);
        assert!(holds(Refutation::Order { before: 1, after: 0 }));
        assert!(!holds(Refutation::Order { before: 0, after: 1 }));
        assert!(!holds(Refutation::Order { before: 2, after: 0 }), "they touch");
        assert!(holds(Refutation::Phantom { reader: 1 }) && holds(Refutation::Phantom { reader: 3 }));
        assert!(!holds(Refutation::Phantom { reader: 0 }));
        assert!(!holds(Refutation::SameSource { one: 3, other: 3 }));
        assert!(!holds(Refutation::SameSource { one: 3, other: 0 }));
        assert!(!holds(Refutation::Fork { one: 1, other: 1 }));
        assert!(!holds(Refutation::TwoEpochs { append: 0, one: 1, other: 3 }));
        assert!(!holds(Refutation::Round { cas: vec![3] }));
    }
}
