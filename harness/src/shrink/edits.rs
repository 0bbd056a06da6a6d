//! What can be taken away from a plan: time, steps, faults, all that a client does. What can be smaller or plainer is in
//! [`sizes`](super::sizes).
//!
//! Pure. A plan that comes out of here may be impossible to run, or may not fail; whoever asked finds out.

use std::collections::BTreeSet;
use std::ops::Range;

use squall_workloads::Decide;

use crate::soak::ClusterPlan;

use super::timetable::Timetable;

/// With so few operations a plan tells its story as it is.
pub(super) const OPERATIONS_FEW: usize = 8;

/// How often some of many operations are picked by chance.
const PICKS: u64 = 200;

/// The chaos phase ends at `end_ms`: faults end by then, and those that would begin later are gone.
pub(super) fn ended_at(plan: &ClusterPlan, end_ms: u64) -> ClusterPlan {
    let mut plan = plan.clone();
    plan.config.duration_ms = end_ms;
    plan.faults.retain(|fault| fault.at_ms < end_ms);
    for fault in &mut plan.faults {
        fault.for_ms = fault.for_ms.min(end_ms - fault.at_ms);
    }
    plan
}

/// Steps that nobody came to are gone.
pub(super) fn without_idle_steps(plan: &ClusterPlan, timetable: &Timetable) -> ClusterPlan {
    let mut plan = plan.clone();
    for (client, script) in plan.script.iter_mut().enumerate() {
        script.steps.truncate(timetable.invoked(client));
    }
    plan
}

pub(super) fn without_faults(plan: &ClusterPlan, range: Range<usize>) -> ClusterPlan {
    let mut plan = plan.clone();
    plan.faults.drain(range);
    plan
}

/// These clients have nothing to do; they keep their places, so that everybody else's decisions stay.
pub(super) fn with_idle_clients(plan: &ClusterPlan, range: Range<usize>) -> ClusterPlan {
    let mut plan = plan.clone();
    for script in &mut plan.script[range] {
        script.steps.clear();
    }
    plan
}

/// All steps, as (client, position), in the order of their ids: about that of time.
pub(super) fn steps(plan: &ClusterPlan) -> Vec<(usize, usize)> {
    let mut steps: Vec<(u32, usize, usize)> = Vec::new();
    for (client, script) in plan.script.iter().enumerate() {
        steps.extend(script.steps.iter().enumerate().map(|(at, step)| (step.id, client, at)));
    }
    steps.sort_unstable();
    steps.into_iter().map(|(_, client, at)| (client, at)).collect()
}

/// These steps are gone: once with the others at the times at which they were, once with their waits as they were.
pub(super) fn without_steps(
    plan: &ClusterPlan,
    timetable: &Timetable,
    range: Range<usize>,
) -> Vec<ClusterPlan> {
    let single = range.len() == 1;
    let gone: BTreeSet<(usize, usize)> = steps(plan)[range].iter().copied().collect();
    let in_time = without_in_time(plan, timetable, &gone);
    if !single {
        return vec![in_time];
    }
    let mut in_pace = plan.clone();
    for (client, at) in gone {
        in_pace.script[client].steps.remove(at);
    }
    if in_pace == in_time { vec![in_time] } else { vec![in_time, in_pace] }
}

/// These steps are gone; the others take place when they did.
pub(super) fn without_in_time(
    plan: &ClusterPlan,
    timetable: &Timetable,
    gone: &BTreeSet<(usize, usize)>,
) -> ClusterPlan {
    let mut in_time = plan.clone();
    for (client, script) in in_time.script.iter_mut().enumerate() {
        let old = std::mem::take(&mut script.steps);
        let mut before = None;
        for (at, mut step) in old.into_iter().enumerate().filter(|(at, _)| !gone.contains(&(client, *at))) {
            // Nothing was taken away in between: the wait is right as it is.
            let follows = before.map_or(at == 0, |before: usize| before + 1 == at);
            if !follows && let Some(wait_ms) = timetable.wait_ms(client, before, at) {
                step.pause_ms = wait_ms;
            }
            script.steps.push(step);
            before = Some(at);
        }
    }
    in_time
}

/// A part of the steps, picked by chance, and every other decision of the run taken anew. Where many steps make a
/// coincidence together, no single one can be taken away; a few of them may meet another one. None if there are few.
pub(super) fn with_some_steps(plan: &ClusterPlan, timetable: &Timetable) -> Vec<ClusterPlan> {
    let steps = steps(plan);
    if steps.len() <= OPERATIONS_FEW {
        return Vec::new();
    }
    let decide = Decide::new(plan.key).derive("shrink.some", &[steps.len() as u64]);
    let picked = |nth: u64| {
        let mut draw = decide.at("pick", &[nth]);
        let gone_ppm = *draw.pick(&[250_000, 500_000, 750_000, 900_000]);
        let gone = steps.iter().copied().filter(|_| draw.chance(gone_ppm)).collect();
        let key = draw.u64();
        ClusterPlan { key, ..without_in_time(plan, timetable, &gone) }
    };
    (0..PICKS).map(picked).filter(|picked| self::steps(picked).len() < steps.len()).collect()
}
