//! Histories in a few lines: `process begin end steps`. `!` before the steps: aborted; `-` for the end: nobody knows.
//! Steps: `a x 1`, `w x 1`, `r x` (nothing), `r x 1 2`.

use squall_checker::transactions::{Datatype, MicroOperation, Transaction, TransactionHistory};
use squall_checker::{Completion, ProcessId, Value};

use crate::cases::history;

pub(crate) fn script(datatype: Datatype, lines: &str) -> TransactionHistory {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    history(datatype, &lines.map(|line| transaction(datatype, line)).collect::<Vec<_>>())
}

fn transaction(datatype: Datatype, line: &str) -> Transaction {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let (returned, steps) = (words[2].parse().ok(), words[3]);
    let (aborted, steps) = steps.strip_prefix("! ").map_or((false, steps), |steps| (true, steps));
    let completion = match returned {
        None => Completion::Info,
        Some(_) if aborted => Completion::Fail,
        Some(_) => Completion::Ok(()),
    };
    Transaction {
        process: ProcessId(words[0].parse().unwrap()),
        micro_operations: steps.split(", ").map(|text| step(datatype, text)).collect(),
        invoked: words[1].parse().unwrap(),
        returned,
        completion,
    }
}

fn step(datatype: Datatype, text: &str) -> MicroOperation {
    let words: Vec<&str> = text.split(' ').collect();
    let mut numbers = words[2..].iter().map(|word| word.parse::<i64>().unwrap());
    match (words[0], datatype) {
        ("a", _) => MicroOperation::append(words[1], numbers.next().unwrap()),
        ("w", _) => MicroOperation::write(words[1], numbers.next().unwrap()),
        ("r", Datatype::ListAppend) => MicroOperation::read(words[1], Value::list(numbers)),
        ("r", Datatype::Register) => {
            MicroOperation::read(words[1], numbers.next().map_or(Value::Nil, Value::Int))
        }
        _ => panic!("no such step: {text}"),
    }
}
