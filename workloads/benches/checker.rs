//! How long the checker takes to read and judge histories of every shape that `squall bench-check` measures at full
//! size, valid and with each violation planted.
//!
//! `cargo bench -p squall-workloads --features benchmarks`. Here since histories are simulated in this crate. Small, so
//! that a change shows within a minute; only the rows of `squall bench-check` are held to figures.

use criterion::{Criterion, Throughput};
use squall_checker::format::write_tsv;
use squall_checker::judge::{Options, judge};
use squall_checker::{Bounds, Verdict};
use squall_workloads::simulated::{Mix, Planted, Simulated};

const OPERATIONS: u64 = 20_000;

/// Mix, clients, keys, and how many of a thousand operations have no known outcome.
const SHAPES: [(&str, Mix, u64, u64, u64); 6] = [
    ("key-value, 200 keys", Mix::KeyValue, 10, 200, 0),
    ("append, 200 keys", Mix::Log, 20, 200, 0),
    ("register, 1 key", Mix::Register, 10, 1, 0),
    ("key-value, 1 key", Mix::KeyValue, 20, 1, 0),
    ("key-value, 1 key, ambiguous", Mix::KeyValue, 50, 1, 2),
    ("cas register, 1 key", Mix::Cas, 10, 1, 0),
];

const ANOMALIES: [(&str, Option<Planted>); 4] = [
    ("valid", None),
    ("stale", Some(Planted::Stale)),
    ("lost", Some(Planted::Lost)),
    ("duplicated", Some(Planted::Duplicated)),
];

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for (shape, mix, clients, keys, ambiguous_per_mille) in SHAPES {
        let mut group = criterion.benchmark_group(shape);
        group.throughput(Throughput::Elements(OPERATIONS));
        for (anomaly, planted) in ANOMALIES {
            // A register that is written twice holds what it held.
            let lists = matches!(mix, Mix::Log | Mix::KeyValue);
            if planted == Some(Planted::Duplicated) && !lists {
                continue;
            }
            let simulated = Simulated {
                mix,
                operations: OPERATIONS,
                clients,
                keys,
                ambiguous_per_mille,
                values: None,
                texts: true,
                planted,
                seed: 1,
            };
            let text = write_tsv(&simulated.history()).expect("rows hold all that is simulated");
            let expected = if planted.is_some() { Verdict::Invalid } else { Verdict::Valid };
            group.bench_function(anomaly, |bencher| {
                bencher.iter(|| {
                    let answer = judge("bench.tsv", text.as_bytes(), &Options::default(), &Bounds::default());
                    let (_, judged) = answer.expect("it is a history");
                    assert_eq!(judged.outcome.verdict, expected, "{shape}, {anomaly}");
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
