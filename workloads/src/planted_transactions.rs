//! Anomalies of list-append transactions, each as the few transactions that show it and nothing else.
//!
//! They touch keys that nobody else does, and all but those that are about time run at the same time, so that only what
//! they read can be wrong.

use squall_checker::transactions::{Datatype, MicroOperation, Transaction};
use squall_checker::{Completion, ProcessId, Value};

/// What is wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedAnomaly {
    name: &'static str,
    /// A transaction a line: client, when it begins and ends, and its steps. `-`: nobody knows how it ended; `!`: it
    /// aborted; `E` is the end of the history.
    script: &'static str,
}

impl PlantedAnomaly {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self { name: "duplicate-elements", script: "0 0 9 a x 1\n1 0 9 r x 1 1" },
        Self { name: "phantom-element", script: "0 0 9 a x 1\n1 0 9 r x 1 7" },
        Self { name: "G1a", script: "0 0 9 ! a x 1\n1 0 9 r x 1" },
        Self { name: "G1b", script: "0 0 9 a x 1, a x 2\n1 0 9 r x 1\n2 0 9 r x 1 2" },
        Self { name: "dirty-update", script: "0 0 9 ! a x 1\n1 0 9 a x 2\n2 0 9 r x 1 2" },
        Self { name: "incompatible-order", script: "0 0 9 a x 1\n1 0 9 a x 2\n2 0 9 r x 1 2\n3 0 9 r x 2 1" },
        Self { name: "internal", script: "0 0 9 a x 1, r x" },
        Self { name: "lost-update", script: "0 0 9 r x, a x 1\n1 0 9 r x, a x 2\n2 0 9 r x 1 2" },
        Self { name: "lost-append", script: "0 0 9 a x 1\n1 E E r x" },
        Self { name: "G0", script: "0 0 9 a x 1, a y 2\n1 0 9 a x 3, a y 4\n2 0 9 r x 1 3\n3 0 9 r y 4 2" },
        Self { name: "G1c", script: "0 0 9 a x 1, r y 2\n1 0 9 a y 2, r x 1" },
        Self { name: "G-single", script: "0 0 9 a x 1, a y 2\n1 0 9 r x 1, r y\n2 0 9 r y 2" },
        Self {
            name: "G-nonadjacent",
            script: "0 0 9 a x 1\n1 0 9 a y 2\n2 0 9 r x 1, r y\n3 0 9 r x, r y 2",
        },
        Self { name: "G2-item", script: "0 0 9 r x, a y 1\n1 0 9 r y, a x 2\n2 0 9 r x 2, r y 1" },
        Self { name: "G0-process", script: "0 0 9 a x 1\n0 10 18 a x 2\n1 0 18 r x 2 1" },
        Self { name: "G0-realtime", script: "0 0 9 a x 1\n1 10 18 a x 2\n2 0 18 r x 2 1" },
        Self { name: "G1c-process", script: "0 0 9 r x 1\n0 10 18 a x 1" },
        Self { name: "G1c-realtime", script: "0 0 9 r x 1\n1 10 18 a x 1" },
        Self { name: "G-single-process", script: "0 0 9 a x 1\n0 10 18 r x\n1 0 18 r x 1" },
        Self { name: "G-single-realtime", script: "0 0 9 a x 1\n1 0 9 r x 1\n2 E E r x" },
        Self {
            name: "G-nonadjacent-realtime",
            script: "0 0 9 a x 1\n1 10 18 r y\n2 0 18 a y 2\n3 0 18 r x, r y 2",
        },
        Self {
            name: "G2-item-process",
            script: "0 0 9 r x, a y 1\n1 0 9 a x 2\n1 10 18 r y\n2 0 18 r x 2, r y 1",
        },
        Self {
            name: "G2-item-realtime",
            script: "0 0 18 r x, a y 1\n1 0 9 a x 2\n2 10 18 r y\n3 0 18 r x 2, r y 1",
        },
    ];
}

impl PlantedAnomaly {
    /// Its name, which is the kind of the violation that shows it.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|planted| planted.name == name)
    }

    /// The transactions that show it, from a time on in a history that ends then, by clients from this one on.
    ///
    /// # Panics
    /// If keys are no lists.
    pub fn transactions(self, datatype: Datatype, at: u64, end: u64, client: ProcessId) -> Vec<Transaction> {
        assert_eq!(datatype, Datatype::ListAppend, "anomalies of lists");
        self.script.lines().map(|line| transaction(line, at, end, client.0)).collect()
    }
}

fn transaction(line: &str, at: u64, end: u64, client: u64) -> Transaction {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().expect("a client, two times and steps");
    let (number, from, to, steps) = (word(), word(), word(), word());
    let time = |word: &str, late: u64| match word {
        "E" => end + late,
        offset => at + offset.parse::<u64>().expect("a number"),
    };
    let (completion, steps) = match (steps.strip_prefix("! "), steps.strip_prefix("- ")) {
        (Some(steps), _) => (Completion::Fail, steps),
        (_, Some(steps)) => (Completion::Info, steps),
        _ => (Completion::Ok(()), steps),
    };
    let micro_operations = steps.split(", ").map(step).collect();
    let process = ProcessId(client + number.parse::<u64>().expect("a number"));
    let returned = (completion != Completion::Info).then(|| time(to, 9));
    Transaction { process, micro_operations, invoked: time(from, 1), returned, completion }
}

fn step(text: &str) -> MicroOperation {
    let words: Vec<&str> = text.split(' ').collect();
    let numbers = words[2..].iter().map(|word| word.parse::<i64>().expect("a number"));
    let key = format!("planted-{}", words[1]);
    match words[0] {
        "a" => MicroOperation::append(key, numbers.sum::<i64>()),
        "r" => MicroOperation::read(key, Value::list(numbers)),
        other => panic!("no step is called {other}"),
    }
}
