//! How often the general search gives up on one key with repeated values: a table by clients of verdicts, CPU time and
//! steps, over random histories of 1,000 operations, legal ones and such in which one read was falsified.
//!
//! `unknown_rate [--histories 1000] [--operations 1000] [--clients 5,10,15,20,25,30] [--ambiguous-per-mille 20]
//! [--values 5] [--seconds 10] [--memory-gb 2] [--techniques all]`; techniques are `all`, `none`, or names of [`Techniques`] with commas
//! between, each with a `-` to take it from all. Histories are shared out evenly over the rows.

use std::fs;

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::search::{Decision, Limit, Search, Techniques};
use squall_checker::{Bounds, Completion, Operation, Value};
use squall_workloads::decide::Decide;
use squall_workloads::simulated::{Mix, Simulated};

type KvOperation = Operation<KvOp, KvRet>;

struct Options {
    histories: u64,
    operations: u64,
    clients: Vec<u64>,
    ambiguous_per_mille: u64,
    values: u64,
    seconds: u64,
    memory_bytes: usize,
    techniques: Techniques,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            histories: 1000,
            operations: 1000,
            clients: vec![5, 10, 15, 20, 25, 30],
            ambiguous_per_mille: 20,
            values: 5,
            seconds: 10,
            memory_bytes: 2 << 30,
            techniques: Techniques::ALL,
        };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { panic!("{} needs a value", pair[0]) };
            let number_of = |text: &str| -> u64 {
                text.parse().unwrap_or_else(|_| panic!("{name} needs a number, not {text}"))
            };
            let number = || number_of(value);
            match name.as_str() {
                "--histories" => options.histories = number(),
                "--operations" => options.operations = number(),
                "--clients" => options.clients = value.split(',').map(number_of).collect(),
                "--ambiguous-per-mille" => options.ambiguous_per_mille = number(),
                "--values" => options.values = number(),
                "--seconds" => options.seconds = number(),
                "--memory-gb" => options.memory_bytes = usize::try_from(number()).expect("that fits") << 30,
                "--techniques" => options.techniques = techniques(value),
                _ => panic!("no option is called {name}"),
            }
        }
        options
    }
}

fn techniques(names: &str) -> Techniques {
    let without = names.starts_with('-');
    let mut chosen = if without { Techniques::ALL } else { Techniques::NONE };
    for name in names.split(',') {
        let technique = match name.trim_start_matches('-') {
            "all" => return Techniques::ALL,
            "none" => return Techniques::NONE,
            "omission" => &mut chosen.omission,
            "dominance" => &mut chosen.dominance,
            "symmetry" => &mut chosen.symmetry,
            "laziness" => &mut chosen.laziness,
            "look-ahead" => &mut chosen.look_ahead,
            "cuts" => {
                chosen.cuts = if without { None } else { Techniques::ALL.cuts };
                continue;
            }
            other => panic!("no technique is called {other}"),
        };
        *technique = !without;
    }
    chosen
}

/// Nanoseconds of CPU time of this thread.
fn cpu_nanos() -> u64 {
    // The kernel counts when it schedules.
    std::thread::yield_now();
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the CPU time of a thread");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("its first number is in nanoseconds")
}

fn operations(options: &Options, clients: u64, seed: u64, falsified: bool) -> Vec<KvOperation> {
    let shape = Simulated {
        mix: Mix::Cas,
        operations: options.operations,
        clients,
        keys: 1,
        ambiguous_per_mille: options.ambiguous_per_mille,
        values: Some(options.values),
        texts: false,
        planted: None,
        seed,
    };
    let mut operations = shape.history().operations().to_vec();
    if falsified {
        // In the second half, so that the search has to get there.
        let mut draw = Decide::new(seed).at("unknown-rate.falsified", &[]);
        let reads = operations.iter_mut().filter_map(|operation| match &mut operation.completion {
            Completion::Ok(KvRet::Value(value)) => Some(value),
            _ => None,
        });
        let mut reads: Vec<&mut Value> = reads.collect();
        let count = reads.len();
        let read = &mut reads[count / 2 + draw.index(count - count / 2)];
        let was = if let Value::Int(number) = read { *number } else { 0 };
        let values = i64::try_from(options.values).expect("a small number");
        let other = 1 + i64::try_from(draw.below(options.values - 1)).expect("a small number");
        **read = Value::Int((was + other) % values);
    }
    operations
}

/// What was seen of the histories of one row.
#[derive(Default)]
struct Row {
    legal: u64,
    illegal: u64,
    out_of_time: u64,
    out_of_memory: u64,
    nanos: Vec<u64>,
    steps: Vec<u64>,
}

impl Row {
    fn judge(&mut self, options: &Options, operations: &[KvOperation]) {
        let operations: Vec<&KvOperation> = operations.iter().collect();
        let start = cpu_nanos();
        let should_stop = || cpu_nanos() - start > options.seconds * 1_000_000_000;
        let bounds = Bounds {
            steps_max: u64::MAX,
            memory_bytes_max: options.memory_bytes,
            should_stop: &should_stop,
            ..Bounds::default()
        };
        let spec = KvSpec::default();
        let mut search = Search::new(&spec).with(options.techniques);
        match search.decide(&operations, &bounds) {
            Decision::Legal(_) => self.legal += 1,
            Decision::Illegal { .. } => self.illegal += 1,
            Decision::Undecided(Limit::MemoryBytes(_)) => self.out_of_memory += 1,
            Decision::Undecided(_) => self.out_of_time += 1,
        }
        self.nanos.push(cpu_nanos() - start);
        self.steps.push(search.steps());
    }

    fn print(&mut self, clients: u64, falsified: bool) {
        self.nanos.sort_unstable();
        self.steps.sort_unstable();
        let at = |sorted: &[u64], per_mille: usize| sorted[(sorted.len() - 1) * per_mille / 1000];
        let times = [500, 990, 1000].map(|part| at(&self.nanos, part) / 1000);
        let times = times.map(|micros| format!("{}.{:03}", micros / 1000, micros % 1000)).join(" / ");
        let steps = [500, 990, 1000].map(|part| at(&self.steps, part).to_string()).join(" / ");
        let unknown = self.out_of_time + self.out_of_memory;
        let count = self.nanos.len() as u64;
        let per_mille = unknown * 100_000 / count;
        println!(
            "| {clients} | {} | {count} | {} | {} | {unknown} ({}.{:03} %) | {times} | {steps} |",
            if falsified { "one read falsified" } else { "as it happened" },
            self.legal,
            self.illegal,
            per_mille / 1000,
            per_mille % 1000,
        );
    }
}

fn main() {
    let options = Options::read();
    println!("{:?}, {} s and {} GB each", options.techniques, options.seconds, options.memory_bytes >> 30);
    println!(
        "| clients | history | judged | legal | illegal | unknown | CPU ms median / p99 / max | steps median / p99 / max |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let rows = options.clients.len() as u64 * 2;
    for clients in options.clients.iter().copied() {
        for falsified in [false, true] {
            let mut row = Row::default();
            for seed in 0..options.histories.div_ceil(rows) {
                row.judge(&options, &operations(&options, clients, seed, falsified));
            }
            row.print(clients, falsified);
        }
    }
}
