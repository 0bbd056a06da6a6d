//! `squall mutants --guided`: what search led by coverage is worth.
//!
//! Each bug is searched for in both ways, from several first seeds; runs are counted, not time. Medians are compared.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use squall_checker::Verdict;

use crate::guided::runs_to_find;
use crate::soak::{Experiment, Hunt, Wanted};
use crate::store::SCHEMA;

use super::console::Console;
use super::exit::Exit;

/// How often each bug is searched for, from other first seeds, in each way.
const REPETITIONS: u64 = 15;
/// A bug that drawn plans find sooner than this, in the median, has nothing to gain.
const HARD_RUNS: u64 = 20;
/// First seeds of two repetitions are this far apart.
const APART: u64 = 1_000_000;

/// How many runs one bug took, in both ways.
#[derive(Clone, Debug, serde::Serialize)]
struct Comparison {
    bug: &'static str,
    mode: &'static str,
    /// Runs of each repetition until it was found; `null`: not within the limit.
    drawn: Vec<Option<u64>>,
    guided: Vec<Option<u64>>,
    /// Of the medians, where what was not found counts as the limit; `null`: drawn plans find it soon.
    times_fewer: Option<f64>,
}

#[derive(serde::Serialize)]
struct ComparisonLine {
    schema: u32,
    runs_max: u64,
    bugs: Vec<Comparison>,
    /// The median over all bugs that are hard for drawn plans.
    times_fewer_median: Option<f64>,
}

/// Compares guided search with drawn plans on these hunts; `None` where an experiment cannot be made.
pub(crate) fn compare(
    console: &Console,
    hunts: &[Hunt],
    base: &Wanted,
    seeds: &Range<u64>,
    jobs: usize,
    json: bool,
) -> anyhow::Result<Exit> {
    let runs_max = seeds.end - seeds.start;
    let experiments: Vec<Experiment> =
        hunts.iter().map(|hunt| hunt.wanted(base).experiment()).collect::<Result<_, _>>()?;
    let done: Vec<Mutex<Option<Comparison>>> = hunts.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(hunts.len()) {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < hunts.len())
                {
                    let found = compare_one(&hunts[at], &experiments[at], seeds.start, runs_max);
                    *done[at].lock().expect("nobody panics while holding it") = Some(found);
                }
            });
        }
    });
    let bugs: Vec<Comparison> = done
        .into_iter()
        .map(|one| one.into_inner().expect("nobody panics while holding it").expect("all were compared"))
        .collect();
    let mut ratios: Vec<f64> = bugs.iter().filter_map(|one| one.times_fewer).collect();
    ratios.sort_by(f64::total_cmp);
    let times_fewer_median = ratios.get(ratios.len() / 2).copied();
    for one in bugs.iter().filter(|one| one.times_fewer.is_some()) {
        let runs = |all: &[Option<u64>]| {
            let texts: Vec<String> =
                all.iter().map(|runs| runs.map_or("-".to_owned(), |runs| runs.to_string())).collect();
            texts.join(" ")
        };
        let ratio = one.times_fewer.unwrap_or_default();
        console.say(format!(
            "{:<28}{:<15} drawn {:<28} guided {:<28} {ratio:.1} times fewer",
            one.bug,
            one.mode,
            runs(&one.drawn),
            runs(&one.guided)
        ));
    }
    let easy = bugs.iter().filter(|one| one.times_fewer.is_none()).count();
    let median =
        times_fewer_median.map_or("none is hard".to_owned(), |ratio| format!("{ratio:.1} times fewer runs"));
    console.say(format!(
        "{median} in the median over {} hunts that take drawn plans more than {HARD_RUNS} runs; {easy} take less",
        ratios.len()
    ));
    if json {
        console.json(&ComparisonLine { schema: SCHEMA, runs_max, bugs, times_fewer_median })?;
    }
    Ok(Exit::from(Verdict::Valid))
}

fn compare_one(hunt: &Hunt, experiment: &Experiment, seed_first: u64, runs_max: u64) -> Comparison {
    let runs = |is_guided| -> Vec<Option<u64>> {
        let firsts = (0..REPETITIONS).map(|nth| seed_first + nth * APART);
        firsts.map(|first| runs_to_find(experiment, first, runs_max, is_guided)).collect()
    };
    let drawn = runs(false);
    let is_hard = median(&drawn, runs_max) > HARD_RUNS;
    let guided = if is_hard { runs(true) } else { Vec::new() };
    let ratio = || float(median(&drawn, runs_max)) / float(median(&guided, runs_max));
    let times_fewer = is_hard.then(ratio);
    Comparison { bug: hunt.bug.name(), mode: hunt.mode.name(), drawn, guided, times_fewer }
}

fn median(runs: &[Option<u64>], runs_max: u64) -> u64 {
    let mut runs: Vec<u64> = runs.iter().map(|runs| runs.unwrap_or(runs_max)).collect();
    runs.sort_unstable();
    runs[runs.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "ratios for people")]
fn float(runs: u64) -> f64 {
    runs as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_counts_as_the_limit() {
        assert_eq!(median(&[Some(3), None, Some(9), None, Some(1)], 100), 9);
        assert_eq!(median(&[None, None, Some(9), None, Some(1)], 100), 100);
    }
}
