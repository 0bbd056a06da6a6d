//! Looks at a decision again: replays an order, and re-checks what a refutation claims.
//!
//! Shares no code with what makes them, nor with the specification's step (which copies a list to append to it).

use super::Refutation;
use super::entry::{Atom, Entries, What};
use crate::kv::KvSpec;
use crate::value::Value;

/// A text that was appended to will mostly grow by some more tokens: there is room for these at once.
const GROWTH_BYTES: usize = 64;

/// A key's value that grows in place.
enum State<'h> {
    /// As it was written, nothing having been appended since.
    Written(Atom<'h>),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl<'h> State<'h> {
    fn is(&self, value: Atom<'_>, spec: &KvSpec) -> bool {
        match (self, value) {
            (Self::Written(written), _) => *written == value.kept(spec),
            (Self::Text(text), Atom::Text(value)) => text == value,
            (Self::List(items), Atom::List(value)) => items == value,
            _ => false,
        }
    }

    /// Does what an operation did, if it can have done that here. Where texts grow again and again, they grow in what one
    /// that was overwritten left to spare.
    fn takes(&mut self, what: What<'h>, spec: &KvSpec, spare: &mut Vec<u8>) -> bool {
        match what {
            What::Read(value) => return self.is(value, spec),
            What::Put(value) => {
                if let Self::Text(overwritten) = std::mem::replace(self, Self::Written(value.kept(spec))) {
                    *spare = overwritten;
                }
            }
            What::Append(value) => self.append(value, spec, spare),
            What::Swapped { expected, new } => {
                let swaps = self.is(expected, spec);
                *self = Self::Written(new.kept(spec));
                return swaps;
            }
            What::Mismatched { expected, seen } => return self.is(seen, spec) && !self.is(expected, spec),
            What::Differed(expected) => return !self.is(expected, spec),
            What::Failed | What::Unread | What::Unclear => return false,
        }
        true
    }

    fn append(&mut self, element: Atom<'h>, spec: &KvSpec, spare: &mut Vec<u8>) {
        match (&mut *self, element) {
            (Self::Text(text), Atom::Text(tail)) => text.extend_from_slice(tail),
            (Self::Text(text), _) => {
                *self = Self::List(vec![Atom::Text(text).to_value(), element.to_value()]);
            }
            (Self::List(items), _) => items.push(element.to_value()),
            (Self::Written(Atom::Nil), Atom::Text(_)) => *self = Self::Written(element.kept(spec)),
            (Self::Written(Atom::Text(head)), Atom::Text(tail)) => {
                let mut text = std::mem::take(spare);
                text.clear();
                text.reserve(head.len() + tail.len() + GROWTH_BYTES);
                text.extend_from_slice(head);
                text.extend_from_slice(tail);
                *self = Self::Text(text);
            }
            (Self::Written(Atom::Nil), _) => *self = Self::List(vec![element.to_value()]),
            (Self::Written(Atom::List(items)), _) => {
                *self = Self::List([*items, &[element.to_value()]].concat());
            }
            (Self::Written(head), _) => *self = Self::List(vec![head.to_value(), element.to_value()]),
        }
    }
}

/// Whether an order is legal, respects real time, and has every completed operation once.
pub(super) fn is_legal<'h, E: Entries<'h> + ?Sized>(spec: &KvSpec, entries: &E, order: &[u32]) -> bool {
    let mut ordered = vec![false; entries.count()];
    let (mut state, mut spare, mut latest_invocation) = (State::Written(Atom::Nil), Vec::new(), 0);
    let fits = order.iter().all(|index| {
        let index = *index as usize;
        let Some(already) = ordered.get_mut(index) else { return false };
        let (invoked, completed) = entries.stamps(index);
        latest_invocation = invoked.max(latest_invocation);
        // Nothing had returned before something in front of it was invoked.
        !std::mem::replace(already, true)
            && latest_invocation <= completed
            && state.takes(entries.what(index), spec, &mut spare)
    });
    fits && (0..).zip(ordered).all(|(index, ordered)| ordered || entries.stamps(index).1 == u64::MAX)
}

/// Whether the witnesses of a refutation stand to each other as it claims.
pub(super) fn holds<'h, E: Entries<'h> + ?Sized>(entries: &E, refutation: &Refutation) -> bool {
    let what = |index: u32| entries.what(index as usize);
    let failed = |index: &u32| matches!(what(*index), What::Failed);
    if refutation.witnesses().iter().any(failed) {
        return false;
    }
    let precedes = |one: u32, other: u32| entries.stamps(one as usize).1 < entries.stamps(other as usize).0;
    let read = |index: u32| matches!(what(index), What::Read(_) | What::Mismatched { .. });
    match refutation {
        // A cas that swapped may have found what nobody wrote.
        Refutation::Phantom { reader } => read(*reader) || swapped(what(*reader)).is_some(),
        Refutation::Twice { reader, .. } | Refutation::PutInside { reader, .. } => read(*reader),
        Refutation::TwoEpochs { append, one, other } => {
            matches!(what(*append), What::Append(_)) && one != other && read(*one) && read(*other)
        }
        Refutation::Fork { one, other } => one != other && read(*one) && read(*other),
        Refutation::SameSource { one, other } => {
            let both = swapped(what(*one)).zip(swapped(what(*other)));
            one != other
                && both.is_some_and(|((one, _), (other, _))| {
                    one == other || (one.is_empty() && other.is_empty())
                })
        }
        Refutation::Round { cas: round } => round.iter().zip(round.iter().cycle().skip(1)).all(|pair| {
            let both = swapped(what(*pair.0)).zip(swapped(what(*pair.1)));
            both.is_some_and(|((found, _), (_, made))| found == made)
        }),
        Refutation::Order { before, after } => precedes(*after, *before),
        Refutation::Surrounded { before, cas, after } => {
            let What::Differed(expected) = what(*cas) else { return false };
            let touches = |index: u32| match what(index) {
                What::Read(value) | What::Put(value) | What::Mismatched { seen: value, .. } => {
                    value == expected || (value.is_empty() && expected.is_empty())
                }
                What::Swapped { expected: found, new } => [found, new]
                    .iter()
                    .any(|value| *value == expected || (value.is_empty() && expected.is_empty())),
                _ => false,
            };
            before.is_none_or(|before| touches(before) && precedes(before, *cas))
                && touches(*after)
                && precedes(*cas, *after)
        }
        Refutation::Cross { one, other } => {
            let before = |one: &super::Zone, other: &super::Zone| {
                one.first().is_none_or(|first| precedes(first, other.last))
            };
            one != other && before(one, other) && before(other, one)
        }
    }
}

/// What a cas that may have swapped found and wrote.
fn swapped(what: What<'_>) -> Option<(Atom<'_>, Atom<'_>)> {
    match what {
        What::Swapped { expected, new } => Some((expected, new)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::KvOperation;
    use super::*;
    use crate::history::{Completion, Operation, ProcessId};
    use crate::kv::{KvOp, KvRet};

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
        is_legal(&KvSpec::default(), operations.iter().collect::<Vec<_>>().as_slice(), order)
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
        assert!(!swaps(KvRet::Mismatch(None)), "that is what it found");
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
        assert!(
            is_legal(&KvSpec { empty_is_absent: true }, bare.as_slice(), &[0])
                && !is_legal_here(&empty, &[0])
        );
    }

    #[test]
    fn a_failed_cas_is_surrounded_by_what_it_expected_only_where_both_sides_are_apart_from_it() {
        let differs = |invoked, returned| cas(invoked, returned, 1, 2, KvRet::Mismatch(None));
        let operations = [put(0, Some(2), 1), differs(4, 6), get(8, 9, 1.into()), get(8, 9, 3.into())];
        let holds = |operations: &[KvOperation], before, after| {
            let refutation = Refutation::Surrounded { before, cas: 1, after };
            holds(operations.iter().collect::<Vec<_>>().as_slice(), &refutation)
        };
        assert!(holds(&operations, Some(0), 2) && holds(&operations, None, 2));
        assert!(!holds(&operations, Some(0), 3), "the last one saw another value");
        assert!(!holds(&operations, Some(3), 2), "that came later, and of another value");
        assert!(!holds(&operations, Some(2), 2), "that came later");
        let [before, cas, after, _] = operations.clone();
        let moved = |cas: &KvOperation| [before.clone(), cas.clone(), after.clone()];
        assert!(holds(&moved(&cas), Some(0), 2));
        assert!(!holds(&moved(&differs(2, 6)), Some(0), 2) && !holds(&moved(&differs(4, 8)), Some(0), 2));
        assert!(!holds(&moved(&differs(4, 8)), None, 2), "they touch");
        assert!(!holds(&moved(&get(4, 6, 1.into())), Some(0), 2), "that is no cas");
    }

    #[test]
    fn a_refutation_holds_where_its_witnesses_stand_as_it_says() {
        let operations =
            [put(0, Some(5), 1), get(6, 9, 1.into()), put(5, Some(9), 2), cas(7, 9, 1, 2, KvRet::Done)];
        let holds = |refutation| holds(operations.iter().collect::<Vec<_>>().as_slice(), &refutation);
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
