//! What `squall bench-check` measures: shapes of histories, each beside the figures that it should keep to.
//!
//! The figures are those of a prototype of blocks and zones on another machine; how long that machine took to sort
//! says what they would be here. It does not know how anything is measured.

use std::time::Duration;

use squall_checker::Verdict;
use squall_workloads::simulated::{Mix, Planted, Simulated};

/// How long the machine of the figures took to list and sort two million events by their stamps.
pub(super) const REFERENCE_SORT: Duration = Duration::from_millis(132);
/// The history on which sorting is measured.
pub(super) const SORTED: &str = "register, 1 key, 1M";

/// What a row should keep to, on the machine of the figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) cpu: Duration,
    pub(super) memory_mb: Option<u64>,
    /// Whether the time is that of the check alone, without reading.
    pub(super) check_alone: bool,
}

/// A history to be judged.
#[derive(Clone, Debug)]
pub(super) struct BenchRow {
    pub(super) name: String,
    pub(super) shape: Simulated,
    pub(super) figures: Option<Figures>,
}

impl BenchRow {
    pub(super) fn verdict(&self) -> Verdict {
        if self.shape.planted.is_some() { Verdict::Invalid } else { Verdict::Valid }
    }
}

const fn figures(cpu_ms: u64, memory_mb: Option<u64>) -> Figures {
    Figures { cpu: Duration::from_millis(cpu_ms), memory_mb, check_alone: false }
}

/// The logs of etcd that Jepsen recorded in 2014, as published with Porcupine. Their values repeat: the figure is
/// that of a search.
pub(super) const LOGS: Figures = figures(75, None);

/// Operations, clients, keys, and how many of a thousand operations have no known outcome.
fn shape(mix: Mix, operations: u64, clients: u64, keys: u64, ambiguous_per_mille: u64) -> Simulated {
    let (values, planted) = (None, None);
    Simulated { mix, operations, clients, keys, ambiguous_per_mille, values, texts: true, planted, seed: 1 }
}

/// `10k`, `1M`.
fn count(operations: u64) -> String {
    if operations >= 1_000_000 {
        format!("{}M", operations / 1_000_000)
    } else {
        format!("{}k", operations / 1000)
    }
}

/// All rows, those of one kind together and growing.
pub(super) fn rows() -> Vec<BenchRow> {
    let row = |name: &str, shape: Simulated, figures: Option<Figures>| {
        let name = format!("{name}, {}", count(shape.operations));
        BenchRow { name, shape, figures }
    };
    let key_value = |operations| shape(Mix::KeyValue, operations, 10, 10_000, 0);
    let log = |operations| shape(Mix::Log, operations, 20, 10_000, 0);
    let register = |operations| shape(Mix::Register, operations, 10, 1, 0);
    let ambiguous = shape(Mix::KeyValue, 1_000_000, 50, 1, 2);
    let many = figures(540, Some(174));
    let lists = figures(620, Some(267));
    let one = figures(460, Some(200));
    let mixed = figures(1370, Some(253));
    let cas = Figures { check_alone: true, ..figures(270, None) };
    let mut rows = vec![
        row("key-value, 10k keys", key_value(10_000), None),
        row("key-value, 10k keys", key_value(100_000), None),
        row("key-value, 10k keys", key_value(1_000_000), Some(many)),
        row("append, 10k keys", log(1_000_000), Some(lists)),
        row("register, 1 key", register(10_000), Some(figures(5, None))),
        row("register, 1 key", register(100_000), Some(figures(30, Some(21)))),
        row("register, 1 key", register(1_000_000), Some(one)),
        row("key-value, 1 key", shape(Mix::KeyValue, 1_000, 20, 1, 0), Some(figures(2, None))),
        row("key-value, 1 key, ambiguous", ambiguous, Some(mixed)),
        row("cas register, 1 key", shape(Mix::Cas, 1_000_000, 10, 1, 0), Some(cas)),
    ];
    for (planted, what) in
        [(Planted::Stale, "stale"), (Planted::Lost, "lost"), (Planted::Duplicated, "duplicated")]
    {
        let broken = |shape: Simulated| Simulated { planted: Some(planted), ..shape };
        rows.push(row(&format!("key-value, 10k keys, {what}"), broken(key_value(1_000_000)), Some(many)));
        rows.push(row(&format!("append, 10k keys, {what}"), broken(log(1_000_000)), Some(lists)));
        if planted == Planted::Stale {
            rows.push(row("register, 1 key, stale", broken(register(1_000_000)), Some(one)));
            rows.push(row("key-value, 1 key, ambiguous, stale", broken(ambiguous), Some(mixed)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_rows_apart_and_one_of_them_is_sorted() {
        let mut names: Vec<_> = rows().into_iter().map(|row| row.name).collect();
        assert!(names.iter().any(|name| name == SORTED));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
