//! The levels below snapshots by their definitions (Adya 1999; Bailis and others, "Scalable Atomic Visibility with RAMP
//! Transactions", SIGMOD 2014): every order in which versions may have been installed is tried. Of histories in which no
//! value is written twice.

use std::collections::{BTreeMap, BTreeSet};

use squall_checker::transactions::{Datatype, Level, MicroOperation, Standing, Transaction};
use squall_checker::{Completion, Value};

use crate::cases::{case, history};
use crate::numbers::cases;
use crate::oracle::{Case, serial};
use crate::random::Random;
use crate::verified::verified;

/// A transaction by its place in the history.
type Who = usize;

/// What one committed transaction read of one key.
struct Seen<'a> {
    reader: Who,
    key: &'a str,
    /// All that it showed.
    shown: Vec<Value>,
    /// The same without what the reader itself had written before.
    outside: Vec<Value>,
}

/// What the transactions of a history wrote and saw.
pub(crate) struct Facts<'a> {
    datatype: Datatype,
    all: &'a [Transaction],
    seen: Vec<Seen<'a>>,
    /// Some transaction does not see what it would see if it ran alone.
    pub(crate) contradiction: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(datatype: Datatype, all: &'a [Transaction]) -> Self {
        let mut facts = Facts { datatype, all, seen: Vec::new(), contradiction: false };
        for (reader, transaction) in all.iter().enumerate() {
            if matches!(transaction.completion, Completion::Ok(())) {
                facts.read(reader, transaction);
            }
        }
        facts
    }

    fn read(&mut self, reader: Who, transaction: &'a Transaction) {
        let (mut own, mut known) = (BTreeMap::<&str, Vec<Value>>::new(), BTreeMap::new());
        for step in &transaction.micro_operations {
            let key = step.key();
            let own = own.entry(key).or_default();
            let shown = match step {
                MicroOperation::Append { element, .. } => {
                    own.push(element.clone());
                    continue;
                }
                MicroOperation::Write { value, .. } => {
                    *own = vec![value.clone()];
                    continue;
                }
                MicroOperation::Read { value: None, .. } => continue,
                MicroOperation::Read { value: Some(value), .. } => items(value),
            };
            let Some(outside) = shown.strip_suffix(own.as_slice()) else {
                self.contradiction = true;
                continue;
            };
            if self.datatype == Datatype::Register && !own.is_empty() {
                continue;
            }
            let outside = outside.to_vec();
            let before = known.entry(key).or_insert_with(|| outside.clone());
            let future = outside.iter().any(|value| self.written(reader, key).contains(value));
            self.contradiction |= *before != outside || future;
            self.seen.push(Seen { reader, key, shown, outside });
        }
    }

    /// What a transaction wrote to a key, in order.
    fn written(&self, who: Who, key: &str) -> Vec<Value> {
        let writes = self.all[who].micro_operations.iter().filter_map(|step| match step {
            MicroOperation::Append { element: value, .. } | MicroOperation::Write { value, .. } => {
                (step.key().as_ref() == key).then(|| value.clone())
            }
            MicroOperation::Read { .. } => None,
        });
        writes.collect()
    }

    fn writer(&self, key: &str, value: &Value) -> Option<Who> {
        (0..self.all.len()).find(|who| self.written(*who, key).contains(value))
    }

    fn aborted(&self, who: Who) -> bool {
        self.all[who].completion == Completion::Fail
    }

    /// It committed, or somebody saw what it wrote.
    fn took_effect(&self, who: Who) -> bool {
        match self.all[who].completion {
            Completion::Ok(()) => true,
            Completion::Fail => false,
            Completion::Info => self.seen.iter().any(|seen| {
                seen.reader != who
                    && self.written(who, seen.key).iter().any(|value| seen.outside.contains(value))
            }),
        }
    }

    /// Every value was written, and stands in a list as often as that.
    fn is_real(&self) -> bool {
        self.seen.iter().all(|seen| {
            let values: BTreeSet<&Value> = seen.shown.iter().collect();
            values.len() == seen.shown.len()
                && values.iter().all(|value| self.writer(seen.key, value).is_some())
        })
    }

    /// Nobody saw what was aborted, or a state in the middle of another transaction.
    fn is_clean(&self) -> bool {
        self.seen.iter().all(|seen| {
            let writers: BTreeSet<Who> =
                seen.outside.iter().filter_map(|value| self.writer(seen.key, value)).collect();
            writers.into_iter().all(|who| {
                let mut written = self.written(who, seen.key);
                if self.datatype == Datatype::Register {
                    written.drain(..written.len() - 1);
                }
                !self.aborted(who) && written.iter().all(|value| seen.outside.contains(value))
            })
        })
    }

    /// Lists only grow: of two, one continues the other, and what one transaction appended stands in its order.
    fn grows(&self) -> bool {
        let fits = |one: &Seen<'_>, other: &Seen<'_>| {
            one.key != other.key || one.shown.starts_with(&other.shown) || other.shown.starts_with(&one.shown)
        };
        let in_order = |seen: &Seen<'_>| {
            (0..self.all.len()).all(|who| {
                let written = self.written(who, seen.key);
                let shown: Vec<&Value> = seen.shown.iter().filter(|value| written.contains(value)).collect();
                written.iter().zip(&shown).all(|(one, other)| one == *other)
            })
        };
        self.datatype == Datatype::Register
            || self.seen.iter().all(|one| in_order(one) && self.seen.iter().all(|other| fits(one, other)))
    }

    /// Whoever saw the last write of another to one list saw all of its writes. Of a register it may have seen a later
    /// version, and which are later nobody knows.
    fn is_atomic(&self) -> bool {
        let mut lists = self.seen.iter().filter(|_| self.datatype == Datatype::ListAppend);
        lists.all(|seen| {
            let last = seen.outside.last().and_then(|value| self.writer(seen.key, value));
            last.is_none_or(|who| {
                let own =
                    self.seen.iter().filter(|other| other.reader == seen.reader && other.key != seen.key);
                let mut own = own.map(|other| (&other.outside, self.written(who, other.key)));
                own.all(|(outside, written)| written.iter().all(|value| outside.contains(value)))
            })
        })
    }

    /// Whether versions may have been installed in some order that closes no circle, with these edges.
    fn has_order(&self, edges: &[(Who, Who)]) -> bool {
        let steps = self.all.iter().flat_map(|transaction| &transaction.micro_operations);
        let keys: BTreeSet<&str> = steps.map(|step| step.key().as_ref()).collect();
        self.extend(&keys.into_iter().collect::<Vec<_>>(), edges)
    }

    fn extend(&self, keys: &[&str], edges: &[(Who, Who)]) -> bool {
        if is_circular(self.all.len(), edges) {
            return false;
        }
        let Some((key, rest)) = keys.split_first() else { return true };
        let writes = |who: &Who| self.took_effect(*who) && !self.written(*who, key).is_empty();
        let writers: Vec<Who> = (0..self.all.len()).filter(writes).collect();
        orders(&writers).into_iter().filter(|order| self.is_shown(key, order)).any(|order| {
            let installed = order.windows(2).map(|pair| (pair[0], pair[1]));
            self.extend(rest, &edges.iter().copied().chain(installed).collect::<Vec<_>>())
        })
    }

    /// Whether lists show what these transactions installed one after the other, each all that it appended before
    /// the next one began. Who aborted installed nothing.
    fn is_shown(&self, key: &str, order: &[Who]) -> bool {
        let mut lists = self.seen.iter().filter(|seen| seen.key == key);
        self.datatype == Datatype::Register
            || lists.all(|seen| {
                let writers = seen.shown.iter().filter_map(|value| self.writer(key, value));
                let mut writers: Vec<Who> = writers.filter(|who| !self.aborted(*who)).collect();
                writers.dedup();
                let done = writers.split_last().map_or(&[][..], |(_, done)| done);
                let mut done = done.iter().flat_map(|who| self.written(*who, key));
                order.starts_with(&writers) && done.all(|value| seen.shown.contains(&value))
            })
    }

    /// Who read of whom.
    fn information(&self) -> Vec<(Who, Who)> {
        let of = |seen: &Seen<'_>| {
            let writers = seen.outside.iter().filter_map(|value| self.writer(seen.key, value));
            writers.map(|writer| (writer, seen.reader)).collect::<Vec<_>>()
        };
        self.seen.iter().flat_map(of).collect()
    }

    pub(crate) fn holds(&self, level: Level) -> bool {
        match level {
            Level::ReadUncommitted => self.is_real() && self.has_order(&[]),
            Level::ReadCommitted => {
                self.is_real() && self.is_clean() && self.grows() && self.has_order(&self.information())
            }
            Level::ReadAtomic => !self.contradiction && self.is_atomic() && self.holds(Level::ReadCommitted),
            _ => unreachable!("not weaker than snapshots"),
        }
    }
}

/// A list's elements; a register's value, unless it is nil.
fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => items.to_vec(),
        Value::Nil => Vec::new(),
        other => vec![other.clone()],
    }
}

fn is_circular(count: usize, edges: &[(Who, Who)]) -> bool {
    let mut left: BTreeSet<Who> = (0..count).collect();
    let free = |left: &BTreeSet<Who>| {
        let led_to =
            |who: Who| edges.iter().any(|(from, to)| *to == who && from != to && left.contains(from));
        left.iter().copied().find(|who| !led_to(*who))
    };
    while let Some(who) = free(&left) {
        left.remove(&who);
    }
    !left.is_empty()
}

fn orders(all: &[Who]) -> Vec<Vec<Who>> {
    let first = |at: usize| {
        let rest = [&all[..at], &all[at + 1..]].concat();
        orders(&rest).into_iter().map(move |order| [&[all[at]], order.as_slice()].concat())
    };
    if all.is_empty() { vec![Vec::new()] } else { (0..all.len()).flat_map(first).collect() }
}

const WEAKER: [Level; 3] = [Level::ReadUncommitted, Level::ReadCommitted, Level::ReadAtomic];

#[test]
fn weaker_levels_are_what_they_are_defined_to_be() {
    let mut standings = BTreeMap::<(bool, Level, u8), u64>::new();
    for number in cases(20_000) {
        let mut random = Random(number ^ 0x3ea4);
        let datatype = if random.one_in(4) { Datatype::Register } else { Datatype::ListAppend };
        let history = history(datatype, &case(&mut random, datatype, 5, false));
        let _case = Case(number, &history);
        let all: Vec<Transaction> = history.iter().map(|(_, transaction)| transaction).collect();
        let facts = Facts::new(datatype, &all);
        let judged = verified(&history, WEAKER[random.pick(3)]);
        for level in WEAKER {
            let standing = judged.levels.of(level);
            let holds = facts.holds(level);
            match standing {
                Standing::Holds => assert!(holds, "{level}: {judged:#?}"),
                // What contradicts itself is no evidence, but may be what makes others contradict each other.
                Standing::Violated => assert!(!holds || facts.contradiction, "{level}: {judged:#?}"),
                // Of registers no order of versions is recovered, and what contradicts itself tells none.
                Standing::Unknown => assert!(
                    datatype == Datatype::Register || facts.contradiction || !facts.grows(),
                    "{level}: {judged:#?}"
                ),
            }
            assert!(level != Level::ReadAtomic || !facts.contradiction || standing == Standing::Violated);
            *standings.entry((datatype == Datatype::ListAppend, level, standing as u8)).or_default() += 1;
        }
        let repeatable = judged.levels.of(Level::RepeatableRead);
        assert_eq!(repeatable, judged.levels.of(Level::Serializable), "without predicates they are the same");
        assert!(repeatable != Standing::Holds || serial(&all, Level::Serializable));
    }
    println!("{standings:?}");
    for level in WEAKER {
        for standing in [Standing::Holds, Standing::Violated] {
            let often = standings.get(&(true, level, standing as u8));
            assert!(often.is_some_and(|count| *count > 100), "both are common: {standings:?}");
        }
    }
}
