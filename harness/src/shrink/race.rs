//! Trying many plans at once: the first, in their order, that still fails in the same way.
//!
//! Every plan before that one is tried too, so that the answer does not depend on the number of threads. Counts the
//! runs that one thread would have made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::soak::{ClusterPlan, Experiment};
use crate::trial::{Manner, Outcome};

use super::{Cause, Effort};

pub(super) struct Race<'a> {
    manner: Manner,
    cause: Cause,
    effort: &'a Effort<'a>,
    runs: u64,
    stopped: bool,
}

impl<'a> Race<'a> {
    pub(super) fn new(manner: Manner, cause: Cause, effort: &'a Effort<'a>) -> Self {
        assert!(effort.jobs > 0, "somebody must do the work");
        // One run has found out how the plan fails.
        Self { manner, cause, effort, runs: 1, stopped: false }
    }

    /// Whether the effort is spent: nothing more is tried.
    pub(super) fn is_spent(&self) -> bool {
        self.stopped || self.runs >= self.effort.runs_max
    }

    pub(super) fn runs(&self) -> u64 {
        self.runs
    }

    pub(super) fn first_that_fails(
        &mut self,
        mut plans: Vec<ClusterPlan>,
    ) -> Option<(usize, ClusterPlan, Outcome)> {
        if self.is_spent() {
            return None;
        }
        let left = usize::try_from(self.effort.runs_max - self.runs).unwrap_or(usize::MAX);
        plans.truncate(left);
        let next = AtomicUsize::new(0);
        let found: Mutex<Option<(usize, Outcome)>> = Mutex::new(None);
        let first = || found.lock().expect("no panic while it is held").as_ref().map(|(at, _)| *at);
        let (manner, cause, should_stop) = (self.manner, &self.cause, self.effort.should_stop);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(plan) = plans.get(at) else { return };
                if first().is_some_and(|first| first < at) || should_stop() {
                    return;
                }
                let Some(outcome) = attempt(plan, manner, cause) else { continue };
                let mut found = found.lock().expect("no panic while it is held");
                if found.as_ref().is_none_or(|(first, _)| at < *first) {
                    *found = Some((at, outcome));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.effort.jobs.min(plans.len()) {
                scope.spawn(work);
            }
            work();
        });
        self.stopped = should_stop();
        let found = found.into_inner().expect("no panic while it was held");
        self.runs += found.as_ref().map_or(plans.len(), |(at, _)| at + 1) as u64;
        found.map(|(at, outcome)| (at, plans.swap_remove(at), outcome))
    }
}

/// The run of a plan, if it can be run and fails in this way.
fn attempt(plan: &ClusterPlan, manner: Manner, cause: &Cause) -> Option<Outcome> {
    let experiment = Experiment::of_plan(plan).ok()?.in_manner(manner);
    let outcome = experiment.run(plan);
    cause.shows_in(&outcome).then_some(outcome)
}
