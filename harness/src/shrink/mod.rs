//! From a failing plan to the smallest that fails in the same way: the same check, the same kind of anomaly.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over every
//! dimension of a plan, again and again until no single step, fault or client can be taken away: 1-minimal. It
//! converges because randomness is keyed: what is left of a plan decides as before, and the operations that are left
//! happen when they did. Candidates are tried on several threads; the result does not depend on how many.

mod edits;
mod race;
pub mod regression;
mod sizes;
mod timetable;
mod weaker;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;

use crate::soak::{ClusterPlan, Experiment};
use crate::trial::{Manner, Outcome, Simulator};

use race::Race;
use timetable::Timetable;

/// Runs of one shrinking, at most, unless told otherwise.
pub const RUNS_MAX: u64 = 20_000;

/// In which way a plan fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The check that noticed.
    pub check: String,
    /// What it noticed.
    pub kind: String,
}

impl Cause {
    /// The first violation of a run; `None` if it did not fail.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let first = outcome.violations.first()?;
        Some(Self { check: first.check.clone(), kind: first.kind.clone() })
    }

    /// Whether a run fails in this way, whatever else is wrong with it.
    pub fn shows_in(&self, outcome: &Outcome) -> bool {
        let same = |one: &squall_checker::Violation| one.check == self.check && one.kind == self.kind;
        outcome.verdict == Verdict::Invalid && outcome.violations.iter().any(same)
    }
}

/// How large a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Servers.
    pub nodes: u32,
    /// Concurrent clients.
    pub clients: u32,
    /// Operations in the scripts.
    pub operations: u64,
    /// Faults.
    pub faults: u64,
}

impl Size {
    /// The size of a plan.
    pub fn of(plan: &ClusterPlan) -> Self {
        Self {
            nodes: plan.config.nodes,
            clients: plan.config.clients,
            operations: plan.script.iter().map(|script| script.steps.len() as u64).sum(),
            faults: plan.faults.len() as u64,
        }
    }
}

/// How hard to try, and who is told.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Worker threads.
    pub jobs: usize,
    /// Runs, at most.
    pub runs_max: u64,
    /// Asked now and then: whether to make do with what there is.
    pub should_stop: &'a (dyn Fn() -> bool + Sync),
    /// Told whenever the plan has become smaller, with the runs so far.
    pub tell: &'a dyn Fn(Size, u64),
}

impl std::fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effort").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

/// A plan that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan; it demands nothing of its run.
    pub plan: ClusterPlan,
    /// Its run under turmoil, with everything recorded.
    pub outcome: Outcome,
    /// In which way it fails.
    pub cause: Cause,
    /// Runs that it took.
    pub runs: u64,
    /// Whether nothing can be taken away; otherwise the effort was spent before.
    pub is_minimal: bool,
    /// The simulator in which it was shrunk.
    pub simulator: Simulator,
}

/// Shrinks a plan that fails; `None` if it does not fail.
///
/// Works in the event loop and confirms the result under turmoil; a plan that fails under turmoil alone is shrunk
/// there.
pub fn shrink(plan: &ClusterPlan, effort: &Effort<'_>) -> Option<Shrunk> {
    let experiment = Experiment::of_plan(plan).expect("the plan has been run");
    for simulator in [Simulator::EventLoop, Simulator::Turmoil] {
        let manner = Manner { simulator, ..Manner::default() };
        let Some(shrinking) = Shrinking::begin(plan, experiment.clone().in_manner(manner), effort) else {
            continue;
        };
        let (plan, cause, runs, is_minimal) = shrinking.finish();
        let confirmed = Experiment::of_plan(&plan).expect("candidates are checked").run_traced(&plan);
        if cause.shows_in(&confirmed) {
            return Some(Shrunk { plan, outcome: confirmed, cause, runs, is_minimal, simulator });
        }
    }
    None
}

/// A shrinking under way.
struct Shrinking<'a> {
    effort: &'a Effort<'a>,
    cause: Cause,
    plan: ClusterPlan,
    /// When the operations of the plan's run took place.
    timetable: Timetable,
    race: Race<'a>,
}

impl<'a> Shrinking<'a> {
    fn begin(plan: &ClusterPlan, experiment: Experiment, effort: &'a Effort<'a>) -> Option<Self> {
        let plan = ClusterPlan { minima: None, ..plan.clone() };
        let outcome = experiment.run(&plan);
        let cause = Cause::of(&outcome)?;
        // Where an invariant inside the cluster gives the bug away, what comes later does not matter.
        let manner = Manner { until_breach: cause.check == "monitor", ..experiment.manner() };
        let race = Race::new(manner, cause.clone(), effort);
        Some(Self { effort, cause, timetable: Timetable::of(&plan, &outcome), plan, race })
    }

    fn finish(mut self) -> (ClusterPlan, Cause, u64, bool) {
        loop {
            let before = self.plan.clone();
            // A small cluster first, while much is left that may go wrong in it.
            self.try_each(|plan, _| sizes::with_the_first_clients(plan));
            self.try_each(|plan, _| sizes::with_fewer_nodes(plan));
            self.end_earlier();
            self.try_each(|plan, timetable| vec![edits::without_idle_steps(plan, timetable)]);
            self.thin_out(
                |plan| plan.faults.len(),
                |plan, _, range| vec![edits::without_faults(plan, range)],
            );
            self.try_each(weaker::with_a_time_for_a_count);
            self.thin_out(
                |plan| plan.script.len(),
                |plan, _, range| vec![edits::with_idle_clients(plan, range)],
            );
            self.thin_out(|plan| edits::steps(plan).len(), edits::without_steps);
            self.try_each(sizes::with_more_snapshots);
            self.try_each(|plan, _| sizes::with_smaller_batches(plan));
            self.try_each(|plan, _| sizes::with_fewer_clients(plan));
            self.try_each(|plan, _| sizes::with_fewer_keys(plan));
            self.try_each(|plan, _| sizes::with_shorter_steps(plan));
            self.try_each(|plan, _| sizes::with_a_simpler_network(plan));
            self.try_each(|plan, _| weaker::with_a_weaker_fault(plan));
            self.try_each(weaker::with_a_plainer_moment);
            self.try_each(|plan, _| sizes::begun_earlier(plan));
            if self.plan == before
                && self.take_first(edits::with_some_steps(&self.plan, &self.timetable)).is_none()
            {
                break;
            }
        }
        let is_minimal = !self.race.is_spent();
        (self.plan, self.cause, self.race.runs(), is_minimal)
    }

    /// Takes the first of these plans that still fails in the same way; its position.
    fn take_first(&mut self, candidates: Vec<ClusterPlan>) -> Option<usize> {
        let (position, plan, outcome) = self.race.first_that_fails(candidates)?;
        self.timetable = Timetable::of(&plan, &outcome);
        self.plan = plan;
        (self.effort.tell)(Size::of(&self.plan), self.race.runs());
        Some(position)
    }

    /// Makes a change as long as one of its variants succeeds.
    fn try_each(&mut self, edits: impl Fn(&ClusterPlan, &Timetable) -> Vec<ClusterPlan>) {
        loop {
            let mut candidates = edits(&self.plan, &self.timetable);
            candidates.retain(|candidate| *candidate != self.plan);
            if self.take_first(candidates).is_none() {
                return;
            }
        }
    }

    /// Removes items in ever smaller pieces, the last of one item each. `edit` gives the variants of removing a piece.
    fn thin_out(
        &mut self,
        count: impl Fn(&ClusterPlan) -> usize,
        edit: impl Fn(&ClusterPlan, &Timetable, std::ops::Range<usize>) -> Vec<ClusterPlan>,
    ) {
        let mut piece = count(&self.plan).max(1);
        loop {
            let mut from = 0;
            while from < count(&self.plan) {
                let all = count(&self.plan);
                // Each piece from here on, and which one each candidate leaves out.
                let starts = (from..all).step_by(piece);
                let mut left_out = Vec::new();
                let mut candidates = Vec::new();
                for start in starts {
                    for candidate in edit(&self.plan, &self.timetable, start..(start + piece).min(all)) {
                        if candidate != self.plan {
                            left_out.push(start);
                            candidates.push(candidate);
                        }
                    }
                }
                let Some(position) = self.take_first(candidates) else { break };
                // What came before was tried; where nothing moved up, the piece itself was emptied.
                let moved_up = count(&self.plan) < all;
                from = if moved_up { left_out[position] } else { left_out[position] + piece };
            }
            if piece == 1 {
                return;
            }
            piece = piece.div_ceil(2);
        }
    }

    /// Ends the chaos phase as early as possible, by bisection.
    fn end_earlier(&mut self) {
        let mut too_short = 0;
        loop {
            let now = self.plan.config.duration_ms;
            let middle = too_short + (now - too_short) / 2;
            if middle <= too_short || self.race.is_spent() {
                return;
            }
            if self.take_first(vec![edits::ended_at(&self.plan, middle)]).is_none() {
                too_short = middle;
            }
        }
    }
}

#[cfg(test)]
mod tests;
