//! Histories of transactions on a simulated store: each takes effect as a whole at one moment inside its interval, so
//! that they are strictly serializable by construction; on request one anomaly is put in the middle.
//!
//! An anomaly is a handful of transactions on keys of their own, run by clients of their own, among all the others. For
//! benchmarks and tests of checkers: of any length, from a seed, the same everywhere.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::sync::Arc;

use squall_checker::transactions::{Datatype, MicroOperation, Transaction, TransactionHistory};
use squall_checker::{Completion, ProcessId, Value};

use crate::decide::{Decide, Draw};
use crate::planted_transactions::PlantedAnomaly;

/// How long a transaction takes, in units of time, and how long a client rests after it, at most.
const DURATION_MAX: u64 = 200;
const REST_MAX: u64 = 46;

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedTransactions {
    /// What keys hold.
    pub datatype: Datatype,
    /// How many transactions.
    pub transactions: u64,
    /// By how many clients, each with one transaction at a time.
    pub clients: u64,
    /// On how many keys at a time.
    pub keys: u64,
    /// After so many writes a key is left alone and a new one takes its place, which bounds the lists.
    pub writes_per_key: u64,
    /// Steps of a transaction, at most; half of them reads.
    pub steps_max: u64,
    /// Of a thousand transactions so many have no known outcome; half of these take effect.
    pub ambiguous_per_mille: u64,
    /// Of a thousand transactions so many abort.
    pub aborted_per_mille: u64,
    /// The anomaly, if any.
    pub planted: Option<PlantedAnomaly>,
    /// Everything that is random follows from it.
    pub seed: u64,
}

impl SimulatedTransactions {
    /// One that is like what Elle's generators issue: 10 keys at a time, 32 writes each, 1 to 4 steps.
    pub fn like_elle(datatype: Datatype, transactions: u64, seed: u64) -> Self {
        Self {
            datatype,
            transactions,
            clients: 10,
            keys: 10,
            writes_per_key: 32,
            steps_max: 4,
            ambiguous_per_mille: 10,
            aborted_per_mille: 10,
            planted: None,
            seed,
        }
    }

    /// The transactions, in the order of their invocations.
    ///
    /// # Panics
    /// If there are no clients, keys, writes or steps.
    pub fn transactions(&self) -> Vec<Transaction> {
        assert!(self.clients > 0 && self.keys > 0, "a history has clients and keys");
        assert!(self.writes_per_key > 0 && self.steps_max > 0, "transactions do something");
        let mut transactions = Run::new(self).transactions();
        if let Some(planted) = self.planted {
            let at = transactions.get(transactions.len() / 2).map_or(0, |middle| middle.invoked);
            let end = transactions.last().map_or(at, |last| last.invoked);
            transactions.extend(planted.transactions(self.datatype, at, end, ProcessId(self.clients)));
        }
        transactions.sort_by_key(|one| (one.invoked, one.returned.unwrap_or(u64::MAX)));
        transactions
    }

    /// The history.
    ///
    /// # Panics
    /// As [`SimulatedTransactions::transactions`].
    pub fn history(&self) -> TransactionHistory {
        let mut builder = TransactionHistory::builder(self.datatype);
        for transaction in self.transactions() {
            builder.push(&transaction).expect("a well-formed transaction");
        }
        builder.build().expect("every client does one thing at a time")
    }
}

/// What happens next, by time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The transaction with this index takes effect.
    Effect(usize),
    /// This client calls.
    Call(u64),
}

/// A key that is in use.
#[derive(Clone)]
struct Cell {
    key: Arc<str>,
    list: Vec<Value>,
    writes_left: u64,
}

/// One simulation.
struct Run<'s> {
    shape: &'s SimulatedTransactions,
    decide: Decide,
    cells: Vec<Cell>,
    keys_made: u64,
    values_made: i64,
    agenda: BinaryHeap<Reverse<(u64, Next)>>,
    transactions: Vec<Transaction>,
}

impl<'s> Run<'s> {
    fn new(shape: &'s SimulatedTransactions) -> Self {
        let decide = Decide::new(shape.seed);
        let mut draw = decide.at("transactions.start", &[]);
        let agenda = (0..shape.clients).map(|client| Reverse((draw.below(DURATION_MAX), Next::Call(client))));
        let mut run = Self {
            shape,
            agenda: agenda.collect(),
            decide,
            cells: Vec::new(),
            keys_made: 0,
            values_made: 0,
            transactions: Vec::new(),
        };
        for _ in 0..shape.keys {
            let cell = run.cell();
            run.cells.push(cell);
        }
        run
    }

    fn cell(&mut self) -> Cell {
        self.keys_made += 1;
        let key = format!("k{}", self.keys_made).into();
        Cell { key, list: Vec::new(), writes_left: self.shape.writes_per_key }
    }

    fn transactions(mut self) -> Vec<Transaction> {
        while let Some(Reverse((now, next))) = self.agenda.pop() {
            match next {
                Next::Call(client) => self.call(now, client),
                Next::Effect(index) => self.effect(index),
            }
        }
        self.transactions
    }

    fn call(&mut self, now: u64, client: u64) {
        let index = self.transactions.len();
        if index as u64 >= self.shape.transactions {
            return;
        }
        let mut draw = self.decide.at("transactions.call", &[index as u64]);
        let fate = draw.below(1000);
        let duration = draw.range(20..=DURATION_MAX);
        let (returned, completion) = match fate {
            _ if fate < self.shape.ambiguous_per_mille => (None, Completion::Info),
            _ if fate < self.shape.ambiguous_per_mille + self.shape.aborted_per_mille => {
                (Some(now + duration), Completion::Fail)
            }
            _ => (Some(now + duration), Completion::Ok(())),
        };
        let micro_operations = Vec::new();
        let process = ProcessId(client);
        self.transactions.push(Transaction { process, micro_operations, invoked: now, returned, completion });
        self.agenda.push(Reverse((now + draw.range(1..=duration - 1), Next::Effect(index))));
        self.agenda.push(Reverse((now + duration + 1 + draw.below(REST_MAX), Next::Call(client))));
    }

    fn effect(&mut self, index: usize) {
        let mut draw = self.decide.at("transactions.effect", &[index as u64]);
        let completion = self.transactions[index].completion.clone();
        let happens = match completion {
            Completion::Ok(()) => true,
            Completion::Info => draw.below(2) == 0,
            Completion::Fail => false,
        };
        let committed = completion == Completion::Ok(());
        let before = (!happens).then(|| self.cells.clone());
        let count = draw.range(1..=self.shape.steps_max);
        let steps = (0..count).map(|_| self.step(&mut draw, committed)).collect();
        self.transactions[index].micro_operations = steps;
        if let Some(before) = before {
            // What did not happen leaves no trace; that its keys are older than they need be does no harm.
            self.cells = before;
        }
    }

    fn step(&mut self, draw: &mut Draw, committed: bool) -> MicroOperation {
        let at = draw.index(self.cells.len());
        if draw.below(2) == 0 {
            let cell = &self.cells[at];
            let value = match self.shape.datatype {
                Datatype::ListAppend => Value::List(cell.list.as_slice().into()),
                Datatype::Register => cell.list.last().cloned().unwrap_or_default(),
            };
            return MicroOperation::Read { key: Arc::clone(&cell.key), value: committed.then_some(value) };
        }
        if self.cells[at].writes_left == 0 {
            self.cells[at] = self.cell();
        }
        self.values_made += 1;
        let (value, cell) = (self.values_made, &mut self.cells[at]);
        cell.writes_left -= 1;
        match self.shape.datatype {
            Datatype::ListAppend => {
                cell.list.push(Value::Int(value));
                MicroOperation::append(Arc::clone(&cell.key), value)
            }
            Datatype::Register => {
                cell.list = vec![Value::Int(value)];
                MicroOperation::write(Arc::clone(&cell.key), value)
            }
        }
    }
}

/// Transactions as JSON Lines, as Jepsen's users know them: an event a line, in the order of their times.
pub fn json_lines(transactions: &[Transaction]) -> String {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (index, transaction) in transactions.iter().enumerate() {
        events.push((transaction.invoked, false, index));
        // An indeterminate one is given up at once: it stays open whenever that is.
        events.push((transaction.returned.unwrap_or(transaction.invoked), true, index));
    }
    // What is invoked when something else returns is concurrent with it, so invocations stand first.
    events.sort_unstable();
    let mut text = String::new();
    for (_, completes, index) in events {
        let transaction = &transactions[index];
        let kind = match (completes, &transaction.completion) {
            (false, _) => "invoke",
            (true, Completion::Fail) => "fail",
            (true, Completion::Info) => "info",
            (true, Completion::Ok(())) => "ok",
        };
        let process = transaction.process;
        write!(text, "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":[")
            .expect("memory");
        for (at, step) in transaction.micro_operations.iter().enumerate() {
            let (function, value) = match step {
                MicroOperation::Append { element, .. } => ("append", element),
                MicroOperation::Write { value, .. } => ("w", value),
                MicroOperation::Read { value: Some(value), .. } if kind == "ok" => ("r", value),
                MicroOperation::Read { .. } => ("r", &Value::Nil),
            };
            let value = serde_json::to_string(value).expect("a value is JSON");
            let comma = if at > 0 { "," } else { "" };
            write!(text, "{comma}[\"{function}\",\"{}\",{value}]", step.key()).expect("memory");
        }
        text += "]}\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use squall_checker::transactions::{Options, check};
    use squall_checker::{Bounds, Verdict};

    use super::*;

    #[test]
    fn lists_are_strictly_serializable_unless_something_was_planted() {
        for seed in 0..6 {
            let sound = SimulatedTransactions::like_elle(Datatype::ListAppend, 600, seed);
            let judged = check(&sound.history(), &Options::default(), &Bounds::default());
            assert_eq!(judged.outcome.verdict, Verdict::Valid, "{sound:?}: {judged:#?}");
            for planted in PlantedAnomaly::ALL {
                let broken = SimulatedTransactions { planted: Some(*planted), ..sound };
                let outcome = check(&broken.history(), &Options::default(), &Bounds::default()).outcome;
                let kinds: Vec<&str> =
                    outcome.violations.iter().map(|violation| violation.kind.as_str()).collect();
                assert_eq!(kinds, [planted.name()], "{broken:?}: {:#?}", outcome.violations);
            }
        }
    }

    #[test]
    fn nothing_is_found_wrong_with_registers() {
        for seed in 0..6 {
            let sound = SimulatedTransactions::like_elle(Datatype::Register, 600, seed);
            let judged = check(&sound.history(), &Options::default(), &Bounds::default());
            assert!(judged.outcome.violations.is_empty(), "{sound:?}: {judged:#?}");
        }
    }

    #[test]
    fn the_same_shape_gives_the_same_history() {
        let shape = SimulatedTransactions::like_elle(Datatype::ListAppend, 300, 3);
        assert_eq!(shape.transactions(), shape.transactions());
        assert_ne!(shape.transactions(), SimulatedTransactions { seed: 4, ..shape }.transactions());
        assert_eq!(shape.transactions().len(), 300);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let shape = SimulatedTransactions::like_elle(Datatype::ListAppend, 200, 1);
        let text = json_lines(&shape.transactions());
        let recorded =
            squall_checker::format::read("x.jsonl", text.as_bytes(), None, Default::default()).unwrap();
        let history = squall_checker::transactions::read(&recorded, Datatype::ListAppend).unwrap();
        let steps = |history: &TransactionHistory| -> Vec<_> {
            history.iter().map(|(_, one)| (one.process, one.micro_operations, one.completion)).collect()
        };
        assert_eq!(steps(&history), steps(&shape.history()));
    }
}
