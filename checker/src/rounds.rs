//! The search over many partitions, in fair rounds and on several threads.
//!
//! Each round gives every undecided partition the same budget of steps, eight times the last one's, so that one hard
//! partition cannot starve an easy illegal one. What is decided depends on the budgets alone, not on the threads nor
//! on which of them is faster: steps are shared out before a round, and a partition that finds its thread's share of
//! the memory too small is judged again alone, with all of it. Only the caller's wish to stop knows of time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::history::Operation;
use crate::parallel::together;
use crate::search::{Decision, Limit, Search};
use crate::spec::Spec;
use crate::verdict::Bounds;

/// Steps per partition in the first round.
const STEPS_FIRST: u64 = 20_000;
/// How much more each further round gives.
const STEPS_GROWTH: u64 = 8;
/// Steps per partition at most once some partition is known to be illegal.
const STEPS_AFTER_ILLEGAL_MAX: u64 = 160_000;

/// One partition's operations, in the order of their invocations.
pub(crate) type Operations<'o, S> = &'o [&'o Operation<<S as Spec>::Op, <S as Spec>::Ret>];

/// What the rounds came to.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// One per partition.
    pub(crate) decisions: Vec<Decision>,
    /// Steps over all partitions and rounds.
    pub(crate) steps: u64,
    /// Whether more rounds were possible, but some partition is illegal.
    pub(crate) cut_short: bool,
}

/// Judges partitions; `illegal`: whether it is known already that some other one is.
pub(crate) fn judge<S: Spec>(
    spec: &S,
    partitions: &[Operations<'_, S>],
    mut illegal: bool,
    bounds: &Bounds<'_>,
) -> Rounds {
    let mut decisions = vec![Decision::Undecided(Limit::Steps(bounds.steps_max)); partitions.len()];
    let (mut steps, mut budget, mut share_before, mut cut_short) = (0, STEPS_FIRST, 0, false);
    let stopped = AtomicBool::new(false);
    loop {
        let undecided = |number: &usize| matches!(decisions[*number], Decision::Undecided(Limit::Steps(_)));
        let numbers: Vec<usize> = (0..partitions.len()).filter(undecided).collect();
        let left = bounds.steps_max.saturating_sub(steps);
        let share = budget.min(left.checked_div(numbers.len() as u64).unwrap_or(0));
        // With no more steps than before no partition gets further than before.
        if share <= share_before {
            break;
        }
        let round =
            Round { spec, partitions, numbers: &numbers, steps_max: share, bounds, stopped: &stopped };
        for (number, decision, taken) in round.run() {
            steps += taken;
            illegal |= matches!(decision, Decision::Illegal { .. });
            decisions[number] = decision;
        }
        if stopped.load(Ordering::Relaxed) {
            let undecided = decisions.iter_mut().filter(|known| matches!(known, Decision::Undecided(_)));
            undecided.for_each(|decision| *decision = Decision::Undecided(Limit::Stopped));
            break;
        }
        if illegal && budget >= STEPS_AFTER_ILLEGAL_MAX {
            cut_short = steps < bounds.steps_max;
            break;
        }
        (share_before, budget) = (share, budget.saturating_mul(STEPS_GROWTH));
    }
    Rounds { decisions, steps, cut_short }
}

/// One round: the same budget for each of these partitions.
struct Round<'r, S: Spec> {
    spec: &'r S,
    partitions: &'r [Operations<'r, S>],
    numbers: &'r [usize],
    steps_max: u64,
    bounds: &'r Bounds<'r>,
    stopped: &'r AtomicBool,
}

/// A partition's number, what was decided, the steps it took.
type Judged = (usize, Decision, u64);

impl<S: Spec> Round<'_, S> {
    fn run(&self) -> Vec<Judged> {
        let threads = self.bounds.threads.clamp(1, self.numbers.len().max(1));
        let memory = self.bounds.memory_bytes_max / threads;
        // Whoever is free takes the next.
        let next = AtomicUsize::new(0);
        let take = || self.numbers.get(next.fetch_add(1, Ordering::Relaxed)).copied();
        let mut judged = together(threads, || self.work(memory, take));
        judged.sort_unstable_by_key(|(number, ..)| *number);
        if threads == 1 {
            return judged;
        }
        let short_of_memory =
            |(_, decision, _): &Judged| matches!(decision, Decision::Undecided(Limit::MemoryBytes(_)));
        let (again, mut judged): (Vec<_>, Vec<_>) = judged.into_iter().partition(short_of_memory);
        let mut again = again.into_iter().map(|(number, ..)| number);
        judged.extend(self.work(self.bounds.memory_bytes_max, || again.next()));
        judged
    }

    /// Judges one partition after the other, until there are no more or it is time to stop.
    fn work(&self, memory_bytes_max: usize, mut next: impl FnMut() -> Option<usize>) -> Vec<Judged> {
        let bounds = Bounds { steps_max: self.steps_max, memory_bytes_max, ..self.bounds.clone() };
        let mut search = Search::new(self.spec);
        let (mut judged, mut unasked) = (Vec::new(), 0);
        while let Some(number) = next() {
            // The search itself asks only after many steps.
            if unasked > STEPS_FIRST {
                unasked = 0;
                if (self.bounds.should_stop)() {
                    self.stopped.store(true, Ordering::Relaxed);
                }
            }
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            let decision = search.decide(self.partitions[number], &bounds);
            if decision == Decision::Undecided(Limit::Stopped) {
                self.stopped.store(true, Ordering::Relaxed);
            }
            unasked += search.steps() + self.partitions[number].len() as u64;
            if let Some(progress) = self.bounds.progress {
                progress.take(search.steps());
                if !matches!(decision, Decision::Undecided(_)) {
                    progress.decide();
                }
            }
            judged.push((number, decision, search.steps()));
        }
        judged
    }
}
