//! Prints a history of a queue, a stack, an unordered queue, a set or a counter that works, as JSON Lines:
//! `objects MODEL OPERATIONS CLIENTS [UNKNOWN]`, for measuring how its judging grows (one in UNKNOWN operations is
//! indeterminate). A set is a new one every thousand operations, since reads show all of it.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufWriter, Write};

/// A small generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// An operation on its way.
#[derive(Clone)]
struct Pending {
    function: &'static str,
    key: Option<u64>,
    value: Option<u64>,
    told: Option<String>,
}

/// What the object holds.
#[derive(Default)]
struct Object {
    elements: VecDeque<u64>,
    set: BTreeSet<u64>,
    sum: u64,
}

impl Object {
    /// What the next operation asks for, `number` being its own.
    fn ask(&self, model: &str, number: u64, random: &mut Random) -> Pending {
        let first = random.below(2) == 0;
        let (function, value) = match model {
            "stack" => {
                if first {
                    ("push", Some(number))
                } else {
                    ("pop", None)
                }
            }
            "set" if random.below(20) > 0 => ("add", Some(number)),
            "counter" if first => ("add", Some(1)),
            "set" | "counter" => ("read", None),
            _ => {
                if first {
                    ("enqueue", Some(number))
                } else {
                    ("dequeue", None)
                }
            }
        };
        let key = (model == "set").then_some(number / 1000);
        Pending { function, key, value, told: None }
    }

    /// Takes effect.
    fn act(&mut self, pending: &mut Pending) {
        let number = |value: Option<u64>| value.map_or("null".to_owned(), |value| value.to_string());
        let told = match pending.function {
            "enqueue" | "push" => {
                self.elements.extend(pending.value);
                number(pending.value)
            }
            "dequeue" => number(self.elements.pop_front()),
            "pop" => number(self.elements.pop_back()),
            "add" if pending.key.is_some() => {
                self.set.extend(pending.value);
                number(pending.value)
            }
            "add" => {
                self.sum += pending.value.unwrap_or(0);
                number(pending.value)
            }
            "read" if pending.key.is_some() => {
                let of_key = self
                    .set
                    .range(pending.key.unwrap_or(0) * 1000..)
                    .take_while(|element| Some(**element / 1000) == pending.key);
                format!("[{}]", of_key.map(u64::to_string).collect::<Vec<_>>().join(","))
            }
            _ => self.sum.to_string(),
        };
        pending.told = Some(told);
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map(|text| text.parse::<u64>().expect("a number"));
    let model = arguments.first().expect("a model").as_str();
    let (operations, clients) = (number(1).expect("operations"), number(2).unwrap_or(10));
    let unknown = number(3).unwrap_or(0);
    let (mut random, mut object) = (Random(1), Object::default());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut print = |process: u64, kind: &str, pending: &Pending, value: &str| {
        let key = pending.key.map_or(String::new(), |key| format!("\"key\":\"s{key}\","));
        let function = pending.function;
        writeln!(out, r#"{{"process":{process},"type":"{kind}","f":"{function}",{key}"value":{value}}}"#)
    };
    let mut processes: Vec<u64> = (0..clients).collect();
    let mut pending: Vec<Option<Pending>> = (0..clients).map(|_| None).collect();
    let (mut begun, mut ended) = (0, 0);
    while ended < operations {
        let client = usize::try_from(random.below(clients)).expect("few clients");
        let process = processes[client];
        match pending[client].take() {
            None if begun < operations => {
                let asked = object.ask(model, begun, &mut random);
                let value = asked.value.map_or("null".to_owned(), |value| value.to_string());
                print(process, "invoke", &asked, &value)?;
                begun += 1;
                pending[client] = Some(asked);
            }
            None => {}
            Some(asked) if asked.told.is_some() => {
                ended += 1;
                if unknown > 0 && random.below(unknown) == 0 {
                    print(process, "info", &asked, "null")?;
                    processes[client] += clients;
                } else {
                    print(process, "ok", &asked, asked.told.as_deref().unwrap_or("null"))?;
                }
            }
            Some(mut asked) => {
                object.act(&mut asked);
                pending[client] = Some(asked);
            }
        }
    }
    Ok(())
}
