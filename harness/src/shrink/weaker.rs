//! Weaker variants of faults: shorter, later, or of a kind that does less.
//!
//! Every variant is strictly weaker than what it takes the place of, so that weakening comes to an end.

use crate::nemesis::{ClientSide, DiskLoss, Fault, PlannedFault};
use crate::soak::ClusterPlan;

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

fn weaker(fault: &PlannedFault) -> Vec<PlannedFault> {
    let mut variants: Vec<PlannedFault> = milder(&fault.fault)
        .into_iter()
        .map(|milder| PlannedFault { fault: milder, ..fault.clone() })
        .collect();
    for part in [8, 4, 2] {
        let for_ms = fault.for_ms / part;
        if for_ms > 0 {
            variants.push(PlannedFault { for_ms, ..fault.clone() });
            variants.push(PlannedFault { at_ms: fault.end_ms() - for_ms, for_ms, ..fault.clone() });
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
