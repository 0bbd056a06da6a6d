//! Queues, stacks and bags against brute force and against the search.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_checker::judge::Options;
use squall_checker::models::container::{ContainerOp, Contents, Discipline};
use squall_checker::models::{Container, ContainerAction, ContainerRet};
use squall_checker::search::{Decision, Search};
use squall_checker::{
    Bounds, Completion, Direct, History, OpId, Operation, ProcessId, Reduction, Spec, Value, Verdict,
};

use crate::common::{Random, brute_force_by, history};
use crate::{agree, cases, interval, recorded_verified, returned};

pub(crate) type ContainerOperation = Operation<ContainerOp, ContainerRet>;

const CONTAINERS: [Container; 3] = [Container::queue(), Container::stack(), Container::bag()];

/// What a case may contain.
#[derive(Clone, Copy)]
struct Flavour {
    /// Values are inserted once.
    unique: bool,
    /// Removals may find nothing, in so many of a hundred tries where something is there.
    lies_of_empty: u64,
    indeterminate: u64,
    failed: u64,
    lies: u64,
    /// Removals take an element whose turn it is not.
    out_of_turn: u64,
    drains: bool,
}

const FLAVOURS: [Flavour; 7] = [
    Flavour {
        unique: true,
        lies_of_empty: 0,
        indeterminate: 0,
        failed: 0,
        lies: 5,
        out_of_turn: 0,
        drains: false,
    },
    Flavour {
        unique: true,
        lies_of_empty: 15,
        indeterminate: 0,
        failed: 5,
        lies: 3,
        out_of_turn: 3,
        drains: false,
    },
    Flavour {
        unique: true,
        lies_of_empty: 5,
        indeterminate: 20,
        failed: 5,
        lies: 3,
        out_of_turn: 3,
        drains: false,
    },
    Flavour {
        unique: true,
        lies_of_empty: 10,
        indeterminate: 40,
        failed: 0,
        lies: 0,
        out_of_turn: 0,
        drains: false,
    },
    Flavour {
        unique: true,
        lies_of_empty: 0,
        indeterminate: 5,
        failed: 0,
        lies: 0,
        out_of_turn: 30,
        drains: false,
    },
    Flavour {
        unique: false,
        lies_of_empty: 10,
        indeterminate: 20,
        failed: 5,
        lies: 3,
        out_of_turn: 3,
        drains: false,
    },
    Flavour {
        unique: true,
        lies_of_empty: 5,
        indeterminate: 15,
        failed: 5,
        lies: 3,
        out_of_turn: 3,
        drains: true,
    },
];

/// A history of a container that works at one moment of each operation, but for some lies.
fn case(random: &mut Random, container: Container, flavour: Flavour, count: u64) -> Vec<ContainerOperation> {
    let percent = |random: &mut Random, share: u64| random.below(100) < share;
    let mut inside: Vec<Value> = Vec::new();
    let stretch = 1 + random.below(12);
    let mut operations = Vec::new();
    for number in 0..count {
        let fails = percent(random, flavour.failed);
        let unknown = !fails && percent(random, flavour.indeterminate);
        let happens = !fails && (!unknown || random.one_in(2));
        let value = if flavour.unique { number } else { random.below(3) };
        let mut value = Value::Int(i64::try_from(value).unwrap());
        let (op, mut ret);
        if random.below(20) < 9 || (inside.is_empty() && random.one_in(2)) {
            ret = ContainerRet::Done;
            if happens && !percent(random, flavour.lies) {
                inside.push(value.clone());
            }
            if percent(random, flavour.lies) {
                value = Value::Int(i64::try_from(count).unwrap());
            }
            op = ContainerAction::Insert { value };
        } else if flavour.drains && random.one_in(4) {
            op = ContainerAction::Drain;
            let mut drained = inside.clone();
            if container.discipline == Discipline::Lifo {
                drained.reverse();
            }
            if percent(random, flavour.lies) {
                drained.pop();
            }
            ret = ContainerRet::Drained(drained.into());
            if happens {
                inside.clear();
            }
        } else {
            op = ContainerAction::Remove;
            let index = match container.discipline {
                _ if percent(random, flavour.out_of_turn) => random.pick(inside.len().max(1)),
                Discipline::Fifo => 0,
                Discipline::Lifo => inside.len().saturating_sub(1),
                Discipline::Unordered => random.pick(inside.len().max(1)),
            };
            ret = inside.get(index).cloned().map_or(ContainerRet::Empty, ContainerRet::Taken);
            if happens && index < inside.len() {
                if percent(random, flavour.lies_of_empty) {
                    ret = ContainerRet::Empty;
                } else if !percent(random, flavour.lies) {
                    inside.remove(index);
                }
            }
            if percent(random, flavour.lies) {
                ret = ContainerRet::Taken(Value::Int(i64::try_from(random.below(count)).unwrap()));
            }
        }
        let completion = match () {
            () if fails => Completion::Fail,
            () if unknown => Completion::Info,
            () => Completion::Ok(ret),
        };
        let (invoked, end) = interval(random, 3 * number, stretch);
        let returned = returned(&completion, end);
        operations.push(Operation {
            process: ProcessId(number),
            op: op.into(),
            invoked,
            returned,
            completion,
        });
    }
    operations
}

/// Every state that an operation may lead to, said without the specification.
fn outcomes(discipline: Discipline, inside: &Vec<Value>, operation: &ContainerOperation) -> Vec<Vec<Value>> {
    let without = |index: usize| {
        let mut left = inside.clone();
        left.remove(index);
        left
    };
    let turns: Vec<usize> = match discipline {
        _ if inside.is_empty() => Vec::new(),
        Discipline::Fifo => vec![0],
        Discipline::Lifo => vec![inside.len() - 1],
        Discipline::Unordered => (0..inside.len()).collect(),
    };
    match (&operation.op.action, operation.ret()) {
        (ContainerAction::Insert { value }, _) => {
            vec![[inside.as_slice(), std::slice::from_ref(value)].concat()]
        }
        (ContainerAction::Remove, None) => turns.into_iter().map(without).collect(),
        (ContainerAction::Remove, Some(ContainerRet::Taken(value))) => {
            turns.into_iter().filter(|index| inside[*index] == *value).take(1).map(without).collect()
        }
        (ContainerAction::Remove, Some(_)) => {
            if inside.is_empty() {
                vec![Vec::new()]
            } else {
                Vec::new()
            }
        }
        (ContainerAction::Drain, None) => vec![Vec::new()],
        (ContainerAction::Drain, Some(ContainerRet::Drained(told))) => {
            let (mut told, mut inside) = (told.to_vec(), inside.clone());
            match discipline {
                Discipline::Fifo => {}
                Discipline::Lifo => told.reverse(),
                Discipline::Unordered => {
                    told.sort();
                    inside.sort();
                }
            }
            if told == inside { vec![Vec::new()] } else { Vec::new() }
        }
        (ContainerAction::Drain, Some(_)) => Vec::new(),
    }
}

fn oracle(container: Container, operations: &[ContainerOperation]) -> bool {
    let step = |inside: &Vec<Value>, operation: &ContainerOperation| {
        outcomes(container.discipline, inside, operation)
    };
    brute_force_by(&Vec::new(), &step, operations)
}

#[test]
fn specifications_monitors_and_search_agree_with_brute_force() {
    let mut tally = BTreeMap::<(&str, bool), [u64; 2]>::new();
    let mut kinds = BTreeMap::<(&str, String), u64>::new();
    for number in cases(40_000) {
        let mut random = Random(number);
        let container = CONTAINERS[random.pick(3)];
        let name = ["queue", "stack", "bag"][container.discipline as usize];
        let flavour = FLAVOURS[random.pick(FLAVOURS.len())];
        let count = 2 + random.below(8);
        let history = history(&case(&mut random, container, flavour, count));
        let legal = oracle(container, history.operations());
        let (direct, violations) = agree(&container, &history, legal, number);
        tally.entry((name, direct)).or_default()[usize::from(legal)] += 1;
        for violation in violations {
            *kinds.entry((name, violation.kind)).or_default() += 1;
        }
        let operations: Vec<&ContainerOperation> = history.operations().iter().collect();
        if legal {
            erasing_leaves_it_legal(container, &operations, &mut random);
        }
    }
    println!("{tally:?}\n{kinds:?}");
    for name in ["queue", "stack", "bag"] {
        let [illegal, legal] = tally[&(name, true)];
        assert!(illegal > 300 && legal > 300, "the monitors meet both verdicts: {tally:?}");
        for kind in ["phantom", "duplicated", "lost", "false-empty", "out-of-order"] {
            let occurs = kinds.contains_key(&(name, kind.to_owned()));
            assert_eq!(occurs, kind != "out-of-order" || name != "bag", "{kind} of a {name}: {kinds:?}");
        }
    }
}

fn erasing_leaves_it_legal(container: Container, operations: &[&ContainerOperation], random: &mut Random) {
    let reduced: Vec<_> = (0..).map(OpId).zip(operations.iter().map(|op| (*op).clone())).collect();
    let ids: Vec<OpId> = reduced.iter().map(|(id, _)| *id).collect();
    let mut units = container.units(&reduced, &ids);
    units.retain(|_| random.one_in(2));
    let left = container.reduce(&reduced, &Reduction::Only { units: units.clone() }).expect("it applies");
    let left: Vec<_> = left.into_iter().map(|(_, operation)| operation).collect();
    assert!(oracle(container, &left), "only {units:?} of {operations:#?} left {left:#?}");
}

/// As Jepsen records it.
fn recorded(history: &History<ContainerOp, ContainerRet>) -> String {
    let mut events = Vec::new();
    for (OpId(id), operation) in history.iter() {
        let (function, asked) = match &operation.op.action {
            ContainerAction::Insert { value } => ("enqueue", value.to_string()),
            ContainerAction::Remove => ("dequeue", "nil".to_owned()),
            ContainerAction::Drain => ("drain", "nil".to_owned()),
        };
        let (kind, told) = match &operation.completion {
            Completion::Ok(ContainerRet::Done) => ("ok", asked.clone()),
            Completion::Ok(ContainerRet::Taken(value)) => ("ok", value.to_string()),
            Completion::Ok(ContainerRet::Empty) => ("ok", "nil".to_owned()),
            Completion::Ok(ContainerRet::Drained(values)) => {
                ("ok", Value::List(Arc::clone(values)).to_string())
            }
            Completion::Fail => ("fail", asked.clone()),
            Completion::Info => ("info", asked.clone()),
        };
        let event =
            |kind, value: &str| format!("{{:process {id}, :type :{kind}, :f :{function}, :value {value}}}\n");
        // What ties is concurrent.
        events.push((operation.invoked, false, event("invoke", &asked)));
        events.push((operation.returned.unwrap_or(u64::MAX), true, event(kind, &told)));
    }
    events.sort();
    events.into_iter().map(|(_, _, event)| event).collect()
}

/// With removals in the place of each drain; of one that is indeterminate as many as it may have done.
fn without_drains(operations: &[ContainerOperation]) -> Vec<ContainerOperation> {
    let inserts = |operation: &&ContainerOperation| {
        matches!(operation.op.action, ContainerAction::Insert { .. })
            && operation.completion != Completion::Fail
    };
    let inserts = operations.iter().filter(inserts).count();
    let mut parts = Vec::new();
    for operation in operations {
        let completions = match &operation.completion {
            _ if operation.op.action != ContainerAction::Drain => {
                parts.push(operation.clone());
                continue;
            }
            Completion::Ok(ContainerRet::Drained(values)) => {
                let taken = values.iter().cloned().map(ContainerRet::Taken);
                taken.chain([ContainerRet::Empty]).map(Completion::Ok).collect()
            }
            Completion::Ok(other) => panic!("{other:?}"),
            Completion::Fail => Vec::new(),
            Completion::Info => vec![Completion::Info; inserts],
        };
        let op: ContainerOp = ContainerAction::Remove.into();
        let part = |completion| Operation { op: op.clone(), completion, ..operation.clone() };
        parts.extend(completions.into_iter().map(part));
    }
    parts
}

#[test]
fn drains_are_proven_to_be_many_removals() {
    let mut tally = BTreeMap::<Verdict, u64>::new();
    let flavour = FLAVOURS.into_iter().find(|flavour| flavour.drains).unwrap();
    for number in cases(2_000) {
        let mut random = Random(number ^ 0xD8A1);
        let (container, model) =
            [(CONTAINERS[0], "queue"), (CONTAINERS[2], "unordered-queue")][random.pick(2)];
        let count = 2 + random.below(8);
        let history = history(&case(&mut random, container, flavour, count));
        let parts = without_drains(history.operations());
        if parts.len() > 14 {
            continue;
        }
        let legal = oracle(container, &parts);
        let options = Options { model: Some(model.parse().unwrap()), ..Options::default() };
        let text = recorded(&history);
        let (_, judged) = recorded_verified::judged("h.edn", &text, &options, &Bounds::default()).unwrap();
        let verdict = judged.outcome.verdict;
        assert_eq!(legal, verdict != Verdict::Invalid, "case {number}: {text}");
        *tally.entry(verdict).or_default() += 1;
        let mut lie = judged.outcome.clone();
        lie.verdict = if verdict == Verdict::Invalid { Verdict::Valid } else { Verdict::Invalid };
        assert!(judged.history.verify(&lie).is_err(), "case {number}: {text}");
        for part in &mut lie.partitions {
            part.verdict = lie.verdict;
        }
        assert!(judged.history.verify(&lie).is_err(), "case {number}: {text}");
    }
    println!("{tally:?}");
    assert!(tally[&Verdict::Valid] > 500 && tally[&Verdict::Invalid] > 100, "{tally:?}");
}

#[test]
fn without_indeterminate_removals_unique_values_are_always_decided_directly() {
    for number in cases(20_000) {
        let mut random = Random(number ^ 0xDEC1DE);
        let container = CONTAINERS[random.pick(3)];
        let count = 4 + random.below(60);
        let flavour = FLAVOURS[1 + random.pick(2)];
        let mut operations = case(&mut random, container, flavour, count);
        operations.retain(|operation| {
            operation.op.action != ContainerAction::Remove || operation.completion != Completion::Info
        });
        let history = history(&operations);
        let mut values: Vec<_> = history
            .operations()
            .iter()
            .filter_map(|operation| match (&operation.op.action, &operation.completion) {
                (ContainerAction::Insert { .. }, Completion::Fail) => None,
                (ContainerAction::Insert { value }, _) => Some(value),
                _ => None,
            })
            .collect();
        let inserted = values.len();
        values.sort();
        values.dedup();
        let operations: Vec<_> = history.operations().iter().collect();
        let direct = container.decide_directly(&operations);
        assert_eq!(direct.is_some(), values.len() == inserted, "case {number}: {history:#?}");
    }
}

#[test]
fn monitors_agree_with_the_search_on_longer_histories() {
    let mut tally = [[0u64; 2]; 3];
    for number in cases(4_000) {
        let mut random = Random(number ^ 0x10_0000);
        let container = CONTAINERS[random.pick(3)];
        let mut flavour = FLAVOURS[random.pick(3)];
        flavour.lies = random.below(3);
        flavour.lies_of_empty = flavour.lies_of_empty.min(random.below(3));
        let count = 10 + random.below(50);
        let history = history(&case(&mut random, container, flavour, count));
        let operations: Vec<_> = history.operations().iter().collect();
        let Some(direct) = container.decide_directly(&operations) else { continue };
        let bounds = Bounds { steps_max: 200_000, ..Bounds::default() };
        let legal = match Search::new(&container).decide(&operations, &bounds) {
            Decision::Legal(_) => true,
            Decision::Illegal { .. } => false,
            Decision::Undecided(_) => continue,
        };
        assert_eq!(matches!(direct, Direct::Legal(_)), legal, "case {number}: {history:#?}");
        tally[container.discipline as usize][usize::from(legal)] += 1;
    }
    println!("{tally:?}");
    assert!(tally.iter().flatten().all(|count| *count > 50), "both verdicts are common: {tally:?}");
}

#[test]
fn a_step_in_place_is_a_step() {
    for number in cases(5_000) {
        let mut random = Random(number);
        let container = CONTAINERS[random.pick(3)];
        let flavour = FLAVOURS[random.pick(FLAVOURS.len())];
        let operations = case(&mut random, container, flavour, 12);
        let mut state: Contents = container.init();
        for operation in operations {
            let next = container.step(&state, &operation.op, operation.ret());
            let before = state.clone();
            let advanced = container.advance(&mut state, &operation.op, operation.ret());
            assert_eq!(next, advanced.then(|| state.clone()));
            assert!(advanced || state == before, "what does not fit changes nothing");
        }
    }
}
