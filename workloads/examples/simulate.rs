//! Writes a simulated history as compact TSV: `simulate MIX OPERATIONS CLIENTS KEYS AMBIGUOUS [stale|lost|duplicated]`.

use std::io::Write as _;

use squall_checker::format::write_tsv;
use squall_workloads::simulated::{Mix, Planted, Simulated};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse().expect("a number");
    let mix = match arguments[0].as_str() {
        "register" => Mix::Register,
        "cas" => Mix::Cas,
        "log" => Mix::Log,
        "kv" => Mix::KeyValue,
        other => panic!("no mix is called {other}"),
    };
    let planted = arguments.get(5).map(|name| match name.as_str() {
        "stale" => Planted::Stale,
        "lost" => Planted::Lost,
        "duplicated" => Planted::Duplicated,
        other => panic!("nothing called {other} can be planted"),
    });
    let shape = Simulated {
        mix,
        operations: number(1),
        clients: number(2),
        keys: number(3),
        ambiguous_per_mille: number(4),
        values: None,
        texts: true,
        planted,
        seed: 1,
    };
    let text = write_tsv(&shape.history()).expect("TSV holds all of these");
    std::io::stdout().write_all(text.as_bytes()).expect("stdout takes it");
}
