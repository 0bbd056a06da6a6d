//! Small changes of plans: another time, another length, a fault more or less, the faults of one on the day of another.
//!
//! What comes out can be run, stays within the fault model's budget, and leaves the service alone for as long as
//! drawn plans do; whether a fault fits when it fires is the interpreter's business, as ever.

use squall_workloads::decide::Draw;

use crate::nemesis::budget::stopped_ms;
use crate::nemesis::generate::STOPPED_PERCENT_MAX;
use crate::nemesis::{FaultId, PlannedFault};
use crate::soak::{ClusterPlan, Experiment};

/// The most faults of a changed plan.
const FAULTS_MAX: usize = 30;
/// How often a changed plan is two in one, in parts per million.
const TWO_IN_ONE_PPM: u32 = 500_000;
/// How often a change is tried before a plan is left alone.
const ATTEMPTS: usize = 8;

/// A plan with the faults that are aimed: the first of these two changed, or what was drawn where nothing is kept.
/// `None` if nothing that was tried can be run.
pub(super) fn changed(
    parents: Option<(&ClusterPlan, &ClusterPlan)>,
    drawn: &ClusterPlan,
    aimed: &[PlannedFault],
    experiment: &Experiment,
    draw: &mut Draw,
) -> Option<ClusterPlan> {
    let before = parents.map_or(drawn, |(plan, _)| plan);
    for left in (1..=ATTEMPTS).rev() {
        let mut next = before.clone();
        if let Some((_, other)) = parents {
            if draw.chance(TWO_IN_ONE_PPM) {
                two_in_one(&mut next, other);
            }
            for _ in 0..draw.range(1..=3) {
                change(&mut next, other, experiment, draw);
            }
        }
        // Those that do not all fit, may in part.
        next.faults.extend(aimed[..aimed.len() * left / ATTEMPTS].iter().cloned());
        renumber(&mut next.faults);
        let topology = next.config.topology();
        let stopped = stopped_ms(&next.faults, &topology) * 100;
        let is_fair = stopped <= topology.horizon_ms * STOPPED_PERCENT_MAX && next.faults.len() <= FAULTS_MAX;
        if is_fair && !next.faults.is_empty() && next != *before && next.check().is_ok() {
            return Some(next);
        }
    }
    None
}

fn change(plan: &mut ClusterPlan, other: &ClusterPlan, experiment: &Experiment, draw: &mut Draw) {
    let horizon_ms = plan.config.duration_ms;
    let fresh = |draw: &mut Draw| experiment.plan(draw.u64() >> 1);
    let at = draw.index(plan.faults.len().max(1));
    match draw.below(8) {
        0 => {
            let more = fresh(draw).faults;
            if !more.is_empty() {
                plan.faults.push(draw.pick(&more).clone());
            }
        }
        1 if plan.faults.len() > 1 => {
            plan.faults.remove(at);
        }
        2 => {
            if let Some(fault) = plan.faults.get_mut(at) {
                let by_ms = draw.range(0..=800);
                let later = fault.at_ms + by_ms;
                fault.at_ms = if draw.chance(500_000) { later } else { fault.at_ms.saturating_sub(by_ms) };
                fault.at_ms = fault.at_ms.min(horizon_ms.saturating_sub(fault.for_ms));
            }
        }
        3 => {
            if let Some(fault) = plan.faults.get_mut(at) {
                let longer = (fault.for_ms * 2).min(horizon_ms - fault.at_ms.min(horizon_ms - 1));
                fault.for_ms = if draw.chance(500_000) { longer } else { fault.for_ms.div_ceil(2) };
            }
        }
        // Another fault right after one: into the traces that it left.
        4 => {
            let more = fresh(draw).faults;
            if let (Some(before), false) = (plan.faults.get(at), more.is_empty()) {
                let mut next = draw.pick(&more).clone();
                let at_ms = before.at_ms + draw.range(0..=before.for_ms + 300);
                next.at_ms = at_ms.min(horizon_ms.saturating_sub(next.for_ms));
                plan.faults.push(next);
            }
        }
        // What came late in one after what came early in the other.
        5 => {
            let middle_ms = draw.below(horizon_ms);
            plan.faults.retain(|fault| fault.at_ms < middle_ms);
            plan.faults.extend(other.faults.iter().filter(|fault| fault.at_ms >= middle_ms).cloned());
        }
        // The same faults on another day: other operations, other latencies, other luck.
        6 => {
            let faults = std::mem::take(&mut plan.faults);
            *plan = ClusterPlan { faults, ..fresh(draw) };
        }
        _ => plan.key = draw.u64(),
    }
}

/// All faults of one plan and then all of the other, each in half of its time: twice as much that may meet.
fn two_in_one(plan: &mut ClusterPlan, other: &ClusterPlan) {
    let halved = |fault: &PlannedFault, from_ms: u64| PlannedFault {
        at_ms: from_ms + fault.at_ms / 2,
        for_ms: fault.for_ms.div_ceil(2),
        ..fault.clone()
    };
    let first = plan.faults.iter().map(|fault| halved(fault, 0));
    let half_ms = plan.config.duration_ms / 2;
    let second = other.faults.iter().filter(|fault| fault.on.is_none()).map(|fault| halved(fault, half_ms));
    // What waits for an event waits from the beginning.
    let waiting = other.faults.iter().filter(|fault| fault.on.is_some()).cloned();
    plan.faults = first.chain(second).chain(waiting).collect();
}

/// Each fault has a number of its own, from 1; those that come first keep theirs, since their decisions hang on it.
fn renumber(faults: &mut [PlannedFault]) {
    let mut used = std::collections::BTreeSet::from([0]);
    let mut free: FaultId = faults.iter().map(|fault| fault.id).max().unwrap_or(0) + 1;
    for fault in faults.iter_mut() {
        if !used.insert(fault.id) {
            fault.id = free;
            used.insert(free);
            free += 1;
        }
    }
    faults.sort_by_key(|fault| (fault.at_ms, fault.id));
}
