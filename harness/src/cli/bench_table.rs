//! The table of `squall bench-check`: what was measured beside what should be kept to.
//!
//! It knows nothing of processes or files.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;

use super::bench_rows::{Figures, REFERENCE_SORT, SORTED};

/// How much slower than the figures a row may be, how much more memory it may take, and how much longer than reading
/// and sorting the whole may take.
const CPU_RATIO_MAX: f64 = 1.2;
const MEMORY_RATIO_MAX: f64 = 1.5;
const SORT_RATIO_MAX: f64 = 1.5;
/// Operations of a row that times are held against: below, starting the process is most of them.
const OPERATIONS_MIN: u64 = 100_000;

/// What a process says of itself in the end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) cpu_us: u64,
    pub(super) wall_us: u64,
    /// 0 where the system does not tell.
    pub(super) peak_kb: u64,
    pub(super) operations: u64,
    pub(super) verdict: Option<Verdict>,
}

impl Measured {
    /// The better of each figure.
    pub(super) fn best(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.min(other.cpu_us),
            wall_us: self.wall_us.min(other.wall_us),
            peak_kb: self.peak_kb.min(other.peak_kb),
            ..self
        }
    }
}

/// All figures of one row.
#[derive(Clone, Debug)]
pub(super) struct MeasuredRow {
    pub(super) name: String,
    pub(super) figures: Option<Figures>,
    /// Reading alone.
    pub(super) read: Measured,
    /// Reading, and sorting the stamps of all events.
    pub(super) sort: Measured,
    /// Reading and judging, on one thread.
    pub(super) one: Measured,
    /// The same on two.
    pub(super) two: Measured,
}

const HEADER: [&str; 11] = [
    "history",
    "operations",
    "read",
    "read+sort",
    "judge",
    "/ read+sort",
    "ns/op",
    "wall 1, 2 threads",
    "MB",
    "figures here",
    "within",
];

/// What machines of other speeds are held to.
#[derive(Clone, Copy, Debug)]
struct Scale(f64);

impl MeasuredRow {
    /// What the figures allow, in seconds on this machine, and what this row took of that kind.
    fn cpu(&self, scale: Scale) -> Option<(f64, f64)> {
        let Figures { cpu, check_alone, .. } = self.figures?;
        let reading = if check_alone { self.read.cpu_us } else { 0 };
        Some((cpu.as_secs_f64() * scale.0, seconds(self.one.cpu_us.saturating_sub(reading))))
    }

    /// How much longer than reading and sorting judging takes.
    fn to_sort(&self) -> f64 {
        seconds(self.one.cpu_us) / seconds(self.sort.cpu_us).max(f64::MIN_POSITIVE)
    }

    /// Which bounds are not kept, for a row that is long enough to be held to them.
    fn beyond(&self, scale: Scale) -> Vec<&'static str> {
        let mut beyond = Vec::new();
        if self.one.operations >= OPERATIONS_MIN {
            if self.cpu(scale).is_some_and(|(allowed, taken)| taken > allowed * CPU_RATIO_MAX) {
                beyond.push("time");
            }
            if self.to_sort() > SORT_RATIO_MAX {
                beyond.push("read+sort");
            }
            if self.two.wall_us >= self.one.wall_us {
                beyond.push("threads");
            }
        }
        let memory_kb = self.figures.and_then(|figures| figures.memory_mb).map(|mb| mb * 1024);
        if memory_kb.is_some_and(|allowed| ratio(self.one.peak_kb, allowed) > MEMORY_RATIO_MAX) {
            beyond.push("memory");
        }
        beyond
    }

    fn cells(&self, scale: Scale) -> [String; HEADER.len()] {
        let alone = self.figures.is_some_and(|figures| figures.check_alone);
        let memory = self.figures.and_then(|figures| figures.memory_mb);
        let mut figures = match self.cpu(scale) {
            Some((allowed, taken)) if alone => format!("{allowed:.3} (check alone: {taken:.3})"),
            Some((allowed, _)) => format!("{allowed:.3}"),
            None => String::new(),
        };
        if let Some(memory) = memory {
            let _ = write!(figures, ", {memory} MB");
        }
        let beyond = self.beyond(scale);
        [
            self.name.clone(),
            self.one.operations.to_string(),
            format!("{:.3}", seconds(self.read.cpu_us)),
            format!("{:.3}", seconds(self.sort.cpu_us)),
            format!("{:.3}", seconds(self.one.cpu_us)),
            format!("{:.2}", self.to_sort()),
            (self.one.cpu_us * 1000 / self.one.operations.max(1)).to_string(),
            format!("{:.3}, {:.3}", seconds(self.one.wall_us), seconds(self.two.wall_us)),
            (self.one.peak_kb / 1024).to_string(),
            figures,
            if beyond.is_empty() { "yes".to_owned() } else { format!("no: {}", beyond.join(", ")) },
        ]
    }
}

/// How this machine sorts, compared to that of the figures.
fn scale(rows: &[MeasuredRow]) -> Scale {
    let sorted = rows.iter().find(|row| row.name == SORTED).expect("it is always measured");
    Scale(seconds(sorted.sort.cpu_us.saturating_sub(sorted.read.cpu_us)) / REFERENCE_SORT.as_secs_f64())
}

/// All rows, and what their columns mean.
pub(super) fn table(measured: &[MeasuredRow]) -> String {
    let scale = scale(measured);
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(measured.iter().map(|row| row.cells(scale)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let _ = writeln!(
        text,
        "\nprocessor seconds of whole processes, with the system's share; MB is the peak of one thread. \
         figures here: those of a prototype, times {:.2}, for this machine lists and sorts two million events in \
         {:.3} s of {:.3} s there.\nwithin: {CPU_RATIO_MAX} times these, {MEMORY_RATIO_MAX} times their memory, \
         {SORT_RATIO_MAX} times read+sort, and faster on two threads; times from {OPERATIONS_MIN} operations on.",
        scale.0,
        scale.0 * REFERENCE_SORT.as_secs_f64(),
        REFERENCE_SORT.as_secs_f64(),
    );
    text
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

fn ratio(one: u64, other: u64) -> f64 {
    seconds(one) / seconds(other).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cpu_us: u64, wall_us: u64) -> Measured {
        let verdict = Some(Verdict::Valid);
        Measured { cpu_us, wall_us, peak_kb: 120_000, operations: 1_000_000, verdict }
    }

    fn row(name: &str, judge_us: u64, figures: Option<Figures>) -> MeasuredRow {
        MeasuredRow {
            name: name.to_owned(),
            figures,
            read: measured(150_000, 150_000),
            sort: measured(282_000, 282_000),
            one: measured(judge_us, judge_us),
            two: measured(judge_us, judge_us / 2),
        }
    }

    #[test]
    fn rows_are_held_to_the_figures_at_the_speed_of_this_machine() {
        let figures = Figures { cpu: Duration::from_millis(300), memory_mb: Some(100), check_alone: false };
        let alone = Figures { check_alone: true, memory_mb: Some(50), ..figures };
        let rows = [
            row(SORTED, 350_000, Some(figures)),
            row("too slow", 361_000, Some(figures)),
            row("slower than sorting", 424_000, None),
            row("check alone, too large", 400_000, Some(alone)),
        ];
        insta::assert_snapshot!(table(&rows));
        let short = |row: &MeasuredRow| Measured { operations: 10, wall_us: 0, ..row.one };
        let row = MeasuredRow { one: short(&rows[1]), ..rows[1].clone() };
        assert!(row.beyond(Scale(1.0)).is_empty());
    }
}
