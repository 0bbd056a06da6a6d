//! Operations against a plain map, and what their digests and key sets promise.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::sharded::configuration::Refusal;

fn value(elements: &[i64]) -> Value {
    elements.into()
}

fn key(name: &str) -> Key {
    name.into()
}

#[test]
fn apply_table() {
    let get = || Operation::Get { key: "k".into() };
    let cas = |expected: Option<&[i64]>, new: &[i64]| Operation::Cas {
        key: "k".into(),
        expected: expected.map(value),
        new: value(new),
    };
    let steps = [
        (get(), Reply::Value(None)),
        (cas(Some(&[1]), &[2]), Reply::Mismatch(None)),
        (cas(None, &[1]), Reply::Done),
        (get(), Reply::Value(Some(value(&[1])))),
        (cas(None, &[2]), Reply::Mismatch(Some(value(&[1])))),
        (Operation::Append { key: key("k"), element: 5 }, Reply::Done),
        (get(), Reply::Value(Some(value(&[1, 5])))),
        (Operation::Put { key: key("k"), value: value(&[9]) }, Reply::Done),
        (cas(Some(&[9]), &[]), Reply::Done),
        (get(), Reply::Value(Some(value(&[])))),
        (Operation::Delete { key: key("k") }, Reply::Done),
        (get(), Reply::Value(None)),
        (Operation::Append { key: key("k"), element: 6 }, Reply::Done),
        (get(), Reply::Value(Some(value(&[6])))),
        (Operation::Add { key: key("k"), amount: -2 }, Reply::Done),
        (get(), Reply::Value(Some(value(&[4])))),
    ];
    let mut store = Store::default();
    for (operation, reply) in steps {
        assert_eq!(store.apply(&operation), reply, "{operation:?}");
    }
}

#[test]
fn operations_on_several_keys_happen_at_once() {
    let get = |keys: &[&str]| Operation::MultiGet { keys: keys.iter().map(|name| key(name)).collect() };
    let swap = |first, second| Operation::Swap { first: key(first), second: key(second) };
    let transfer = |from, to, amount| Operation::Transfer { from: key(from), to: key(to), amount };
    let seen = |values: &[Option<&[i64]>]| {
        Reply::Values(values.iter().map(|elements| elements.map(value)).collect())
    };
    let read = |name| MicroOperation::Read { key: key(name) };
    let append = |name, element| MicroOperation::Append { key: key(name), element };
    let steps = [
        (get(&["a", "b", "a"]), seen(&[None, None, None])),
        (transfer("a", "b", 30), Reply::Done),
        (get(&["b", "a"]), seen(&[Some(&[130]), Some(&[70])])),
        (transfer("a", "b", 71), Reply::InsufficientFunds),
        (transfer("a", "a", 71), Reply::InsufficientFunds),
        (transfer("a", "a", 70), Reply::Done),
        (swap("a", "b"), Reply::Done),
        (swap("b", "c"), Reply::Done),
        (get(&["a", "b", "c"]), seen(&[Some(&[130]), None, Some(&[70])])),
        (
            Operation::MultiPut { pairs: [(key("a"), value(&[1])), (key("a"), value(&[2]))].into() },
            Reply::Done,
        ),
        (
            Operation::Transaction {
                steps: [read("a"), append("a", 3), append("b", 4), read("a"), read("b")].into(),
            },
            seen(&[Some(&[2]), Some(&[2, 3]), Some(&[4])]),
        ),
        (get(&["a", "b", "c"]), seen(&[Some(&[2, 3]), Some(&[4]), Some(&[70])])),
    ];
    let mut store = Store::default();
    for (operation, reply) in steps {
        assert_eq!(store.apply(&operation), reply, "{operation:?}");
    }
}

/// Damage may be taken for data: whatever it decodes to has a meaning.
#[test]
fn odd_values_are_no_reason_to_panic() {
    let mut store = Store::default();
    store.apply(&Operation::Put { key: key("rich"), value: value(&[i64::MAX]) });
    store.apply(&Operation::Put { key: key("poor"), value: value(&[]) });
    let transfer = |from, to| Operation::Transfer { from: key(from), to: key(to), amount: u32::MAX };
    assert_eq!(store.apply(&transfer("rich", "rich")), Reply::InsufficientFunds);
    assert_eq!(store.apply(&transfer("poor", "rich")), Reply::InsufficientFunds);
    assert_eq!(store.apply(&transfer("rich", "poor")), Reply::Done);
    store.apply(&Operation::Put { key: key("rich"), value: value(&[i64::MAX]) });
    assert_eq!(store.apply(&Operation::Add { key: key("rich"), amount: 1 }), Reply::Done);
    assert_eq!(store.apply(&Operation::Transaction { steps: [].into() }), Reply::Values([].into()));
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let key = || prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(Key::from);
    let list = || prop::collection::vec(0..3_i64, 0..3).prop_map(|elements| value(&elements));
    let micro_operation = || {
        prop_oneof![
            key().prop_map(|key| MicroOperation::Read { key }),
            (key(), 0..3_i64).prop_map(|(key, element)| MicroOperation::Append { key, element }),
        ]
    };
    let on_one_key = prop_oneof![
        key().prop_map(|key| Operation::Get { key }),
        (key(), list()).prop_map(|(key, value)| Operation::Put { key, value }),
        (key(), 0..3_i64).prop_map(|(key, element)| Operation::Append { key, element }),
        (key(), prop::option::of(list()), list()).prop_map(|(key, expected, new)| Operation::Cas {
            key,
            expected,
            new
        }),
        key().prop_map(|key| Operation::Delete { key }),
        (key(), -3..3_i64).prop_map(|(key, amount)| Operation::Add { key, amount }),
    ];
    let on_several = prop_oneof![
        prop::collection::vec(key(), 0..4).prop_map(|keys| Operation::MultiGet { keys: keys.into() }),
        prop::collection::vec((key(), list()), 0..4)
            .prop_map(|pairs| Operation::MultiPut { pairs: pairs.into() }),
        (key(), key()).prop_map(|(first, second)| Operation::Swap { first, second }),
        (key(), key(), 0..90_u32).prop_map(|(from, to, amount)| Operation::Transfer { from, to, amount }),
        prop::collection::vec(micro_operation(), 0..5)
            .prop_map(|steps| Operation::Transaction { steps: steps.into() }),
    ];
    prop::collection::vec(prop_oneof![on_one_key, on_several], 0..40)
}

type Map = BTreeMap<Key, Vec<i64>>;

/// The same, in the plainest words.
fn model(map: &mut Map, operation: &Operation) -> Reply {
    let get = |map: &Map, key: &Key| map.get(key).map(|list| value(list));
    match operation {
        Operation::Get { key } => return Reply::Value(get(map, key)),
        Operation::Put { key, value } => drop(map.insert(key.clone(), value.to_vec())),
        Operation::Append { key, element } => map.entry(key.clone()).or_default().push(*element),
        Operation::Cas { key, expected, new } => {
            if get(map, key) != *expected {
                return Reply::Mismatch(get(map, key));
            }
            map.insert(key.clone(), new.to_vec());
        }
        Operation::Delete { key } => drop(map.remove(key)),
        Operation::Add { key, amount } => {
            let sum = map.get(key).and_then(|list| list.first().copied()).unwrap_or(0) + amount;
            map.insert(key.clone(), vec![sum]);
        }
        Operation::MultiGet { keys } => {
            return Reply::Values(keys.iter().map(|key| get(map, key)).collect());
        }
        Operation::MultiPut { pairs } => {
            for (key, value) in pairs.iter() {
                map.insert(key.clone(), value.to_vec());
            }
        }
        Operation::Swap { first, second } => {
            let (from_first, from_second) = (map.remove(first), map.remove(second));
            // Of one key there is only one to take.
            let (to_first, to_second) =
                if first == second { (from_first, None) } else { (from_second, from_first) };
            map.extend(to_first.map(|list| (first.clone(), list)));
            map.extend(to_second.map(|list| (second.clone(), list)));
        }
        Operation::Transfer { from, to, amount } => {
            let amount = i64::from(*amount);
            let balance = |map: &Map, key: &Key| {
                map.get(key).map_or(OPENING_BALANCE, |list| list.first().copied().unwrap_or(0))
            };
            if balance(map, from) < amount {
                return Reply::InsufficientFunds;
            }
            if from != to {
                let (poorer, richer) = (balance(map, from) - amount, balance(map, to) + amount);
                map.extend([(from.clone(), vec![poorer]), (to.clone(), vec![richer])]);
            }
        }
        Operation::Transaction { steps } => {
            let mut seen = Vec::new();
            for step in steps.iter() {
                match step {
                    MicroOperation::Read { key } => seen.push(get(map, key)),
                    MicroOperation::Append { key, element } => {
                        map.entry(key.clone()).or_default().push(*element);
                    }
                }
            }
            return Reply::Values(seen.into());
        }
        Operation::Administer(_) => return Reply::Refused(Refusal::NotTheController),
    }
    Reply::Done
}

proptest! {
    #[test]
    fn store_agrees_with_a_map(script in operations()) {
        let (mut store, mut map) = (Store::default(), BTreeMap::new());
        for operation in &script {
            prop_assert_eq!(store.evaluate(operation), model(&mut map.clone(), operation));
            prop_assert_eq!(store.apply(operation), model(&mut map, operation));
        }
        let contents: Vec<_> = store.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
        prop_assert_eq!(contents, map.into_iter().collect::<Vec<_>>());
    }

    /// What two-phase commit relies on: locks on the key set suffice, and each key is written once.
    #[test]
    fn resolution_stays_within_the_key_set(script in operations()) {
        let mut store = Store::default();
        for operation in &script {
            let asked = RefCell::new(BTreeSet::new());
            let resolution = operation.resolve(&|key| {
                asked.borrow_mut().insert(key.clone());
                store.get(key).cloned()
            });
            let keys: BTreeSet<Key> = operation.keys().into_iter().cloned().collect();
            let may_write: BTreeSet<Key> = operation.written_keys().into_iter().cloned().collect();
            let written: BTreeSet<Key> = resolution.writes.iter().map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(keys.len(), operation.keys().len(), "each once");
            prop_assert!(operation.keys().is_sorted() && operation.written_keys().is_sorted());
            prop_assert!(asked.borrow().is_subset(&keys) && may_write.is_subset(&keys));
            prop_assert!(written.is_subset(&may_write));
            prop_assert_eq!(written.len(), resolution.writes.len(), "each once");
            prop_assert!(operation.is_mutation() || written.is_empty());
            let mut elsewhere = store.clone();
            for (key, value) in &resolution.writes {
                elsewhere.set(key, value.clone());
            }
            prop_assert_eq!(store.apply(operation), resolution.reply);
            prop_assert_eq!(&store, &elsewhere);
        }
    }

    #[test]
    fn transfers_keep_the_total(transfers in prop::collection::vec((0..4_u8, 0..4_u8, 0..150_u32), 0..60)) {
        let account = |number: u8| key(["a", "b", "c", "d"][usize::from(number)]);
        let mut store = Store::default();
        for (from, to, amount) in transfers {
            store.apply(&Operation::Transfer { from: account(from), to: account(to), amount });
            let balances: Vec<i64> = (0..4)
                .map(|number| store.get(&account(number)).map_or(OPENING_BALANCE, |value| value[0]))
                .collect();
            prop_assert_eq!(balances.iter().sum::<i64>(), 4 * OPENING_BALANCE);
            prop_assert!(balances.iter().all(|balance| *balance >= 0));
        }
    }

    #[test]
    fn digest_depends_on_contents_only(script in operations()) {
        let mut store = Store::default();
        for operation in &script {
            store.apply(operation);
        }
        let mut rebuilt = Store::default();
        for (key, value) in store.iter().collect::<Vec<_>>().into_iter().rev() {
            rebuilt.apply(&Operation::Put { key: key.clone(), value: value.clone() });
        }
        prop_assert_eq!(rebuilt, store);
    }

    #[test]
    fn sizes_cover_the_encoding(script in operations()) {
        for operation in &script {
            let encoded = postcard::to_allocvec(operation).expect("plain data");
            prop_assert!(encoded.len() <= operation.size_bytes() + 16, "{:?}", operation);
        }
    }
}

#[test]
fn different_operations_have_different_digests() {
    let (first, second) = (key("k"), key("l"));
    let all = [
        Operation::Get { key: first.clone() },
        Operation::Put { key: first.clone(), value: value(&[]) },
        Operation::Append { key: first.clone(), element: 0 },
        Operation::Cas { key: first.clone(), expected: None, new: value(&[]) },
        Operation::Delete { key: first.clone() },
        Operation::Add { key: first.clone(), amount: 0 },
        Operation::MultiGet { keys: [first.clone()].into() },
        Operation::MultiGet { keys: [first.clone(), second.clone()].into() },
        Operation::MultiPut { pairs: [(first.clone(), value(&[]))].into() },
        Operation::Swap { first: first.clone(), second: second.clone() },
        Operation::Swap { first: second.clone(), second: first.clone() },
        Operation::Transfer { from: first.clone(), to: second.clone(), amount: 0 },
        Operation::Transaction { steps: [MicroOperation::Read { key: first.clone() }].into() },
        Operation::Transaction { steps: [MicroOperation::Append { key: first, element: 0 }].into() },
    ];
    let mut digests: Vec<u64> = all.iter().map(Operation::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), all.len());
}

/// Golden values: another assignment of keys to shards would make every stored plan of a sharded run another run.
#[test]
fn shards_are_stable_and_all_used() {
    let shards: Vec<u32> = (0..8).map(|number| shard_of(&alloc::format!("k{number}"), 10)).collect();
    assert_eq!(shards, [0, 1, 8, 2, 2, 0, 2, 7]);
    let used: BTreeSet<u32> = (0..100).map(|number| shard_of(&alloc::format!("k{number}"), 10)).collect();
    assert_eq!(used.len(), 10);
    assert_eq!(shard_of("k", 1), 0);
}
