//! Histories of a simulated store: every operation takes effect at one moment inside its interval, so that they are
//! linearizable by construction; on request one violation is put in, where it is certain.
//!
//! For benchmarks and tests of checkers: of any length, from a seed, the same everywhere. It knows nothing of the
//! simulated cluster.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{Completion, History, Operation, ProcessId, Spec, Value};

use crate::decide::{Decide, Draw};

/// How long an operation takes, in units of time, and how long a client rests after it, at most.
const DURATION_MAX: u64 = 200;
const REST_MAX: u64 = 46;
/// So many states of a key are kept to find stale ones in.
const STATES_KEPT: usize = 64;
/// Places tried for a violation before giving up.
const PLACES_MAX: u64 = 200;

type KvOperation = Operation<KvOp, KvRet>;

/// Which operations clients issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Half reads, half writes.
    Register,
    /// Half reads, a tenth writes, the rest compare-and-set; those expect what is there, unless values repeat.
    Cas,
    /// Half reads, half appends.
    Log,
    /// Half reads, most others appends, one in twenty a put.
    KeyValue,
}

/// What is wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A read returns what had been overwritten, or appended to, by an operation that was acknowledged before.
    Stale,
    /// An acknowledged append or write never takes effect.
    Lost,
    /// An append is applied twice.
    Duplicated,
}

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct Simulated {
    /// Which operations.
    pub mix: Mix,
    /// How many.
    pub operations: u64,
    /// By how many clients, each with one operation at a time.
    pub clients: u64,
    /// On how many keys.
    pub keys: u64,
    /// Of a thousand operations so many have no known outcome; half of these take effect.
    pub ambiguous_per_mille: u64,
    /// Register values are drawn from `0..values`; `None`: every write has a value of its own.
    pub values: Option<u64>,
    /// Lists are concatenated texts; else lists of numbers.
    pub texts: bool,
    /// The violation, if any.
    pub planted: Option<Planted>,
    /// Everything that is random follows from it.
    pub seed: u64,
}

/// A key of the store.
#[derive(Default)]
struct Cell {
    state: Value,
    /// When the operation that made the state began and returned (`u64::MAX`: unknown).
    made: (u64, u64),
    /// States that were, with the same of each, the latest last.
    states: VecDeque<(Value, (u64, u64))>,
}

impl Cell {
    /// The latest state that no read may return any more that begins now: since it was made for certain, an operation
    /// began and returned that changed it. (Had the two been concurrent, they
    /// might have taken effect the other way round.)
    fn stale(&self, now: u64) -> Option<&Value> {
        // When the last of the operations that made a later state began, of those that have returned.
        let mut begun = 0;
        let mut later = self.made;
        self.states.iter().rev().find_map(|(state, made)| {
            if later.1 < now {
                begun = begun.max(later.0);
            }
            later = *made;
            (made.1 < begun).then_some(state)
        })
    }
}

impl Simulated {
    /// The history.
    ///
    /// # Panics
    /// If there are no clients or keys, or a violation was asked for that finds no place in so short a history.
    pub fn history(&self) -> History<KvOp, KvRet> {
        assert!(self.clients > 0 && self.keys > 0, "a history has clients and keys");
        let Some(planted) = self.planted else {
            return Run::new(self, u64::MAX).history().0;
        };
        // From the middle on, until there is an operation with which it is certain.
        for place in 0..PLACES_MAX {
            let at = self.operations / 2 + place * self.operations / 2 / PLACES_MAX;
            let (history, victim) = Run::new(self, at).history();
            if let Some(victim) = victim.filter(|victim| is_certain(planted, &history, victim)) {
                debug_assert!(victim.number >= at, "nothing is wrong before");
                return history;
            }
        }
        panic!("no place for {planted:?} in {} operations on {} keys", self.operations, self.keys);
    }
}

/// The operation with which something is wrong.
struct Victim {
    number: u64,
    key: Arc<str>,
    /// What it wrote.
    value: Value,
    returned: u64,
}

/// Whether a read that completed shows what was planted, whatever the order.
fn is_certain(planted: Planted, history: &History<KvOp, KvRet>, victim: &Victim) -> bool {
    let on_key = || history.operations().iter().filter(|operation| *operation.op.key() == victim.key);
    let read = |operation: &KvOperation| match operation.ret() {
        Some(KvRet::Value(value)) => Some(value.clone()),
        _ => None,
    };
    match planted {
        Planted::Stale => true,
        Planted::Duplicated => on_key().any(|operation| {
            let shown = read(operation);
            shown.is_some_and(|shown| occurrences(&shown, &victim.value) == 2)
        }),
        // A read that began after it was acknowledged, before anything could have overwritten it.
        Planted::Lost => {
            let overwrites =
                |operation: &&KvOperation| matches!(operation.op, KvOp::Put { .. } | KvOp::Cas { .. });
            let mut reads = on_key().filter(|operation| operation.invoked > victim.returned);
            let witness = reads.find(|operation| read(operation).is_some());
            witness.is_some_and(|witness| {
                !on_key().filter(overwrites).any(|other| {
                    let own = matches!(&other.op, KvOp::Put { value, .. } if *value == victim.value);
                    let over =
                        other.returned.unwrap_or(u64::MAX) >= victim.returned.saturating_sub(DURATION_MAX);
                    !own && over && other.invoked <= witness.returned.expect("it completed")
                })
            })
        }
    }
}

fn occurrences(shown: &Value, element: &Value) -> usize {
    match (shown, element) {
        (Value::List(items), _) => items.iter().filter(|item| *item == element).count(),
        (Value::Text(text), Value::Text(token)) => {
            text.split_inclusive(';').filter(|shown| *shown == &**token).count()
        }
        _ => 0,
    }
}

/// What happens next, by time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The operation with this index takes effect.
    Effect(usize),
    /// This client calls.
    Call(u64),
}

/// One simulation.
struct Run<'s> {
    shape: &'s Simulated,
    decide: Decide,
    cells: Vec<Cell>,
    keys: Vec<Arc<str>>,
    agenda: BinaryHeap<Reverse<(u64, Next)>>,
    operations: Vec<KvOperation>,
    /// Per operation, the key's number and whether it takes effect.
    fates: Vec<(usize, bool)>,
    /// The number of the first operation with which something may be wrong.
    planted_from: u64,
    victim: Option<Victim>,
}

impl<'s> Run<'s> {
    fn new(shape: &'s Simulated, planted_from: u64) -> Self {
        let decide = Decide::new(shape.seed);
        let mut draw = decide.at("simulated.start", &[]);
        let agenda = (0..shape.clients).map(|client| Reverse((draw.below(DURATION_MAX), Next::Call(client))));
        Self {
            shape,
            decide,
            cells: (0..shape.keys).map(|_| Cell::default()).collect(),
            keys: (0..shape.keys).map(|key| format!("k{key}").into()).collect(),
            agenda: agenda.collect(),
            operations: Vec::new(),
            fates: Vec::new(),
            planted_from,
            victim: None,
        }
    }

    fn history(mut self) -> (History<KvOp, KvRet>, Option<Victim>) {
        while let Some(Reverse((now, next))) = self.agenda.pop() {
            match next {
                Next::Call(client) => self.call(now, client),
                Next::Effect(index) => self.effect(now, index),
            }
        }
        let placed = (1..).zip(self.operations).collect();
        let history = History::from_intervals(placed).expect("every client does one thing at a time");
        (history, self.victim)
    }

    fn call(&mut self, now: u64, client: u64) {
        let index = self.operations.len();
        let number = index as u64;
        if number >= self.shape.operations {
            return;
        }
        let mut draw = self.decide.at("simulated.operation", &[number]);
        let ambiguous = draw.below(1000) < self.shape.ambiguous_per_mille;
        let happens = !ambiguous || draw.below(2) == 0;
        let duration = draw.range(20..=DURATION_MAX);
        let moment = now + draw.range(1..=duration - 1);
        let returned = now + duration;
        let cell = draw.index(self.keys.len());
        let op = self.op(&mut draw, client, number, Arc::clone(&self.keys[cell]));
        let completion = if ambiguous { Completion::Info } else { Completion::Ok(KvRet::Done) };
        self.operations.push(Operation {
            process: ProcessId(client),
            op,
            invoked: now,
            returned: (!ambiguous).then_some(returned),
            completion,
        });
        self.fates.push((cell, happens));
        self.agenda.push(Reverse((moment, Next::Effect(index))));
        self.agenda.push(Reverse((returned + 1 + draw.below(REST_MAX), Next::Call(client))));
    }

    fn op(&self, draw: &mut Draw, client: u64, number: u64, key: Arc<str>) -> KvOp {
        let int = |number: u64| Value::Int(i64::try_from(number).expect("a small number"));
        let scalar = |draw: &mut Draw| int(self.shape.values.map_or(number + 1, |values| draw.below(values)));
        let element =
            || if self.shape.texts { format!("{client}.{number};").as_str().into() } else { int(number + 1) };
        let percent = draw.below(100);
        match self.shape.mix {
            _ if percent < 50 => KvOp::Get { key },
            Mix::Register => KvOp::Put { key, value: scalar(draw) },
            Mix::Cas if percent < 60 => KvOp::Put { key, value: scalar(draw) },
            // What it expects is filled in when it takes effect, unless values repeat.
            Mix::Cas => KvOp::Cas {
                key,
                expected: if self.shape.values.is_some() { scalar(draw) } else { Value::Nil },
                new: scalar(draw),
            },
            Mix::Log => KvOp::Append { key, value: element() },
            Mix::KeyValue if percent < 55 && self.shape.texts => KvOp::Put { key, value: element() },
            Mix::KeyValue if percent < 55 => KvOp::Put { key, value: Value::List([element()].into()) },
            Mix::KeyValue => KvOp::Append { key, value: element() },
        }
    }

    fn effect(&mut self, now: u64, index: usize) {
        let (cell, happens) = self.fates[index];
        let number = index as u64;
        let wrong = self.wrong(index, number);
        let operation = &mut self.operations[index];
        debug_assert!(operation.invoked < now && operation.returned.is_none_or(|returned| now < returned));
        let cell = &mut self.cells[cell];
        let spec = KvSpec { empty_is_absent: matches!(self.shape.mix, Mix::Log | Mix::KeyValue) };
        if let (KvOp::Cas { expected, .. }, None) = (&mut operation.op, self.shape.values) {
            expected.clone_from(&cell.state);
        }
        let before = cell.state.clone();
        if operation.completion != Completion::Info {
            operation.completion = Completion::Ok(match &operation.op {
                KvOp::Get { .. } => KvRet::Value(before.clone()),
                KvOp::Cas { expected, .. } if *expected != before => KvRet::Mismatch(None),
                _ => KvRet::Done,
            });
        }
        if !happens {
            return;
        }
        let returned = operation.returned.unwrap_or(u64::MAX);
        let value = match &operation.op {
            KvOp::Put { value, .. } | KvOp::Append { value, .. } => value.clone(),
            _ => Value::Nil,
        };
        let victim = Victim { number, key: Arc::clone(operation.op.key()), value, returned };
        let apply = |cell: &mut Cell| {
            let next = spec.step(&cell.state, &operation.op, None).expect("any outcome is acceptable");
            if next != cell.state {
                let was = std::mem::replace(&mut cell.state, next);
                let made = std::mem::replace(&mut cell.made, (operation.invoked, returned));
                cell.states.push_back((was, made));
                if cell.states.len() > STATES_KEPT {
                    cell.states.pop_front();
                }
            }
        };
        match wrong {
            None => apply(cell),
            Some(Planted::Lost) => self.victim = Some(victim),
            Some(Planted::Duplicated) => {
                apply(cell);
                apply(cell);
                self.victim = Some(victim);
            }
            Some(Planted::Stale) => {
                if let Some(stale) = cell.stale(operation.invoked) {
                    operation.completion = Completion::Ok(KvRet::Value(stale.clone()));
                    self.victim = Some(victim);
                }
            }
        }
    }

    /// What is wrong with an operation, if it is the first that can be chosen.
    fn wrong(&self, index: usize, number: u64) -> Option<Planted> {
        let planted = self.shape.planted.filter(|_| self.victim.is_none() && number >= self.planted_from)?;
        let operation = &self.operations[index];
        let fits = match (planted, &operation.op) {
            (Planted::Stale, KvOp::Get { .. })
            | (Planted::Lost | Planted::Duplicated, KvOp::Append { .. }) => true,
            (Planted::Lost, KvOp::Put { .. }) => matches!(self.shape.mix, Mix::Register | Mix::Cas),
            _ => false,
        };
        (fits && operation.completion != Completion::Info).then_some(planted)
    }
}

#[cfg(test)]
mod tests {
    use squall_checker::judge::judge_history;
    use squall_checker::{Bounds, Verdict};

    use super::*;

    fn shape(mix: Mix, seed: u64) -> Simulated {
        Simulated {
            mix,
            operations: 600,
            clients: 6,
            keys: 4,
            ambiguous_per_mille: 10,
            values: None,
            texts: seed.is_multiple_of(2),
            planted: None,
            seed,
        }
    }

    fn verdict(shape: &Simulated) -> Verdict {
        judge_history(&shape.history(), &Bounds::default()).verdict
    }

    #[test]
    fn they_are_linearizable_unless_something_was_planted() {
        for seed in 0..6 {
            for mix in [Mix::Register, Mix::Cas, Mix::Log, Mix::KeyValue] {
                let sound = shape(mix, seed);
                assert_eq!(verdict(&sound), Verdict::Valid, "{sound:?}");
                assert_eq!(verdict(&Simulated { values: Some(5), clients: 3, ..sound }), Verdict::Valid);
                let lists = matches!(mix, Mix::Log | Mix::KeyValue);
                for planted in [Planted::Stale, Planted::Lost, Planted::Duplicated] {
                    let broken = Simulated { planted: Some(planted), ..sound };
                    if lists || planted == Planted::Stale {
                        assert_eq!(verdict(&broken), Verdict::Invalid, "{broken:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_planted_is_certain_however_many_clients_there_are() {
        for seed in 0..30 {
            let stale = Simulated {
                clients: 30,
                keys: 1,
                planted: Some(Planted::Stale),
                ..shape(Mix::Register, seed)
            };
            assert_eq!(verdict(&stale), Verdict::Invalid, "{stale:?}");
        }
    }

    #[test]
    fn the_same_shape_gives_the_same_history() {
        let shape = shape(Mix::KeyValue, 3);
        assert_eq!(shape.history(), shape.history());
        assert_ne!(shape.history(), Simulated { seed: 4, ..shape }.history());
        assert_eq!(shape.history().len(), 600);
    }
}
