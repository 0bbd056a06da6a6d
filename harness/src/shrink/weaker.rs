//! Weaker variants of faults: shorter, later, or of a kind that does less.
//!
//! Every variant is strictly weaker than what it takes the place of, so that weakening comes to an end.

use squall_cluster::event::Event;

use crate::nemesis::{ClientSide, DiskLoss, Fault, Moment, PlannedFault, Target, Trigger};
use crate::soak::ClusterPlan;

use super::timetable::Timetable;

/// Plans in which one fault is weaker.
pub(super) fn with_a_weaker_fault(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let mut plans = Vec::new();
    for (at, fault) in plan.faults.iter().enumerate() {
        for weaker in weaker(fault) {
            let mut plan = plan.clone();
            plan.faults[at] = weaker;
            plans.push(plan);
        }
    }
    plans
}

/// Plans in which one fault fires at a moment that is easier to tell: at the first event of some kind rather than at
/// a time, at a time rather than at a later event or one of a certain server, at an earlier event rather than a later
/// one, after it rather than within it.
pub(super) fn with_a_plainer_moment(plan: &ClusterPlan, timetable: &Timetable) -> Vec<ClusterPlan> {
    at_other_moments(plan, timetable, plainer)
}

/// Plans in which one fault fires at the time at which it did, and not after so many events: each operation that is
/// taken away takes events along, after which the same count is another moment.
pub(super) fn with_a_time_for_a_count(plan: &ClusterPlan, timetable: &Timetable) -> Vec<ClusterPlan> {
    at_other_moments(plan, timetable, |fault, at_its_time| {
        let counts = fault.on.as_ref().is_some_and(|trigger| trigger.nth > 1);
        if counts { at_its_time } else { Vec::new() }
    })
}

fn at_other_moments(
    plan: &ClusterPlan,
    timetable: &Timetable,
    variants: impl Fn(&PlannedFault, Vec<PlannedFault>) -> Vec<PlannedFault>,
) -> Vec<ClusterPlan> {
    let mut plans = Vec::new();
    for (at, fault) in plan.faults.iter().enumerate() {
        let fired_ms = timetable.1.get(&fault.id).copied();
        for variant in variants(fault, at_its_time(fault, fired_ms, plan.config.duration_ms)) {
            let mut plan = plan.clone();
            plan.faults[at] = variant;
            plans.push(plan);
        }
    }
    plans
}

/// A fault that waits for an event, at the time at which that was; nothing if it strikes whose event it was, or never
/// fired. It ends with the chaos phase at the latest, as it did.
fn at_its_time(fault: &PlannedFault, fired_ms: Option<u64>, end_ms: u64) -> Vec<PlannedFault> {
    let waits = fault.on.is_some() && !fault.fault.targets().contains(&Target::Actor);
    let Some(fired_ms) = fired_ms.filter(|_| waits) else { return Vec::new() };
    // What fires at a time does so before all else of its millisecond, and the event was within its own.
    let times = (fired_ms..=fired_ms + 1).filter(|at_ms| *at_ms < end_ms);
    let at =
        |at_ms| PlannedFault { at_ms, for_ms: fault.for_ms.min(end_ms - at_ms), on: None, ..fault.clone() };
    times.map(at).collect()
}

fn plainer(fault: &PlannedFault, at_its_time: Vec<PlannedFault>) -> Vec<PlannedFault> {
    let on = |trigger: Trigger| PlannedFault { at_ms: 0, on: Some(trigger), ..fault.clone() };
    match &fault.on {
        // What happens all the time is no better than a time.
        None => ["leader-elected", "step-down", "candidate", "promise-sent"]
            .into_iter()
            .filter(|event| Event::KINDS.contains(event))
            .map(|event| on(Trigger::first(event)))
            .collect(),
        Some(trigger) => {
            let mut variants = Vec::new();
            if trigger.nth > 1 {
                variants.push(on(Trigger { nth: 1, ..trigger.clone() }));
                variants.push(on(Trigger { nth: trigger.nth / 2, ..trigger.clone() }));
                variants.push(on(Trigger { nth: trigger.nth - 1, ..trigger.clone() }));
            }
            if trigger.of.is_some() {
                variants.push(on(Trigger { of: None, ..trigger.clone() }));
            }
            if trigger.moment != Moment::After {
                variants.push(on(Trigger { moment: Moment::After, ..trigger.clone() }));
            }
            if fault.at_ms > 0 {
                variants.push(on(trigger.clone()));
            }
            let is_plain = trigger.nth == 1 && trigger.of.is_none() && fault.at_ms == 0;
            if !is_plain {
                variants.extend(at_its_time);
            }
            variants
        }
    }
}

fn weaker(fault: &PlannedFault) -> Vec<PlannedFault> {
    let mut variants: Vec<PlannedFault> = milder(&fault.fault)
        .into_iter()
        .map(|milder| PlannedFault { fault: milder, ..fault.clone() })
        .collect();
    for part in [8, 4, 2] {
        let for_ms = fault.for_ms / part;
        if for_ms > 0 {
            variants.push(PlannedFault { for_ms, ..fault.clone() });
            if fault.on.is_none() {
                variants.push(PlannedFault { at_ms: fault.end_ms() - for_ms, for_ms, ..fault.clone() });
            }
        }
    }
    variants
}

/// Kinds of faults that do less than this one, the mildest first.
fn milder(fault: &Fault) -> Vec<Fault> {
    let reach_all = ClientSide::ReachAll;
    match fault {
        Fault::Isolate { target, clients } => {
            let mut milder = vec![
                Fault::Mute { target: *target, clients: *clients },
                Fault::Deaf { target: *target, clients: *clients },
            ];
            if *clients == ClientSide::Follow {
                milder.push(Fault::Isolate { target: *target, clients: reach_all });
            }
            milder
        }
        Fault::Mute { target, clients: ClientSide::Follow } => {
            vec![Fault::Mute { target: *target, clients: reach_all }]
        }
        Fault::Deaf { target, clients: ClientSide::Follow } => {
            vec![Fault::Deaf { target: *target, clients: reach_all }]
        }
        Fault::Flapping { target, clients, .. } | Fault::Bridge { over: target, clients } => {
            vec![Fault::Isolate { target: *target, clients: *clients }]
        }
        Fault::Split { left, right, clients } if right.is_empty() && left.len() == 1 => {
            vec![Fault::Isolate { target: left[0], clients: *clients }]
        }
        Fault::Corruption { links, ppm, kinds } => {
            vec![Fault::Loss { links: *links, ppm: *ppm, kinds: kinds.clone() }]
        }
        Fault::Crash { target, loss: DiskLoss::Nothing } | Fault::FailedSync { target } => {
            vec![Fault::Pause { target: *target }]
        }
        Fault::Crash { target, loss: DiskLoss::Unsynced }
        | Fault::BitFlip { target }
        | Fault::Wipe { target } => {
            vec![Fault::Crash { target: *target, loss: DiskLoss::Nothing }]
        }
        Fault::Crash { target, loss: DiskLoss::Torn } => {
            vec![Fault::Crash { target: *target, loss: DiskLoss::Unsynced }]
        }
        Fault::CrashLoop { target, loss, .. } => vec![Fault::Crash { target: *target, loss: *loss }],
        Fault::LoseUnsynced { target, .. } => {
            vec![Fault::Crash { target: *target, loss: DiskLoss::Unsynced }]
        }
        Fault::TornWrite { target, sync_ms } => {
            vec![Fault::LoseUnsynced { target: *target, sync_ms: *sync_ms }]
        }
        _ => Vec::new(),
    }
}
