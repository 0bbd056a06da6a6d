//! What can be smaller or plainer in a plan, one dimension per function: fewer clients, servers and keys, shorter steps,
//! smaller logs and batches, a simpler network, an earlier beginning.
//!
//! Pure, and as blind as the [`edits`](super::edits) that take steps and faults away: whoever asked finds out whether
//! what comes out can be run, and fails.

use std::collections::BTreeSet;

use squall_cluster::bugs::Mode;
use squall_workloads::Decide;

use crate::nemesis::PlannedFault;
use crate::node::PRIMARY_BACKUP_NODES_MIN;
use crate::soak::ClusterPlan;

use super::edits::{OPERATIONS_FEW, steps, without_in_time};
use super::timetable::Timetable;

/// No fewer clients than can be concurrent.
const CLIENTS_MIN: usize = 2;

/// Other keys under which a smaller cluster is tried.
const OTHER_KEYS: u64 = 8;

/// Ways to leave out some of many operations evenly that are tried.
const PHASES: u64 = 6;

/// These plans as they are, then with every random decision taken anew: where servers or clients have other numbers,
/// the decisions are others anyway.
fn and_under_other_keys(plans: Vec<ClusterPlan>) -> Vec<ClusterPlan> {
    let other = |nth: u64| {
        let anew = move |plan: &ClusterPlan| ClusterPlan {
            key: Decide::new(plan.key).derive("shrink.key", &[nth]).key,
            ..plan.clone()
        };
        plans.iter().map(anew)
    };
    plans.iter().cloned().chain((0..OTHER_KEYS).flat_map(other)).collect()
}

/// Only the first clients, the fewest first, with all that they do.
pub(super) fn with_the_first_clients(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let first = |clients: usize| {
        let mut plan = plan.clone();
        plan.script.truncate(clients);
        plan.config.clients = u32::try_from(clients).expect("fewer than there were");
        plan
    };
    let counts = [CLIENTS_MIN, 3, 5].into_iter().filter(|clients| *clients < plan.script.len());
    and_under_other_keys(counts.map(first).collect())
}

/// One client fewer, for each that has nothing to do; last ones first, since nobody is renumbered then.
pub(super) fn with_fewer_clients(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    if plan.script.len() <= CLIENTS_MIN {
        return Vec::new();
    }
    let idle = (0..plan.script.len()).rev().filter(|client| plan.script[*client].steps.is_empty());
    let without = |client: usize| {
        let mut plan = plan.clone();
        plan.script.remove(client);
        plan.config.clients -= 1;
        plan
    };
    and_under_other_keys(idle.map(without).collect())
}

/// Fewer servers, the fewest first; faults of servers that are gone strike others, or are gone too.
pub(super) fn with_fewer_nodes(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    if plan.config.mode == Mode::Single.name() {
        return Vec::new();
    }
    let smaller = |nodes: u32| {
        let mut plan = plan.clone();
        plan.config.nodes = nodes;
        let struck = |fault: &PlannedFault| {
            let mut value = serde_json::to_value(fault).expect("plain data");
            wrap(&mut value, &["server"], nodes);
            serde_json::from_value(value).expect("the same fault of another server")
        };
        plan.faults = plan.faults.iter().map(struck).collect();
        plan
    };
    if plan.config.mode == Mode::PrimaryBackup.name() {
        return and_under_other_keys((PRIMARY_BACKUP_NODES_MIN..plan.config.nodes).map(smaller).collect());
    }
    and_under_other_keys((1..plan.config.nodes).step_by(2).map(smaller).collect())
}

/// Counts every field of these names around.
fn wrap(value: &mut serde_json::Value, names: &[&str], count: u32) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field.as_u64() {
                    Some(number) if names.contains(&name.as_str()) => {
                        *field = (number % u64::from(count)).into();
                    }
                    _ => wrap(field, names, count),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| wrap(item, names, count)),
        _ => {}
    }
}

/// Steps that consist of several do one of them less.
pub(super) fn with_shorter_steps(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let mut plans = Vec::new();
    for (client, script) in plan.script.iter().enumerate() {
        for (at, step) in script.steps.iter().enumerate() {
            let parts = step.step.get("steps").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
            for part in (0..parts).filter(|_| parts > 1) {
                let mut plan = plan.clone();
                let step = &mut plan.script[client].steps[at].step;
                step["steps"].as_array_mut().expect("it was one").remove(part);
                plans.push(plan);
            }
        }
    }
    plans
}

/// Fewer keys in use at a time, the fewest first; steps on keys that are gone use others.
pub(super) fn with_fewer_keys(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let smaller = |keys: u32| {
        let mut plan = plan.clone();
        plan.config.keys = keys;
        let steps = plan.script.iter_mut().flat_map(|script| &mut script.steps);
        steps.for_each(|step| wrap(&mut step.step, &["slot", "other"], keys));
        plan
    };
    (1..plan.config.keys).map(smaller).collect()
}

/// Snapshots more often, so that fewer operations make a log long enough for one: at first as often as possible with
/// the same operations, then with as many fewer from one snapshot to the next, so that each is taken when it was.
pub(super) fn with_more_snapshots(plan: &ClusterPlan, timetable: &Timetable) -> Vec<ClusterPlan> {
    let steps = steps(plan);
    if steps.len() <= OPERATIONS_FEW {
        return Vec::new();
    }
    let now = plan.config.compaction_slots;
    let after = |slots: u64, plan: &ClusterPlan| {
        let mut plan = plan.clone();
        plan.config.compaction_slots = slots;
        plan
    };
    let powers = std::iter::successors(Some(1), |slots| Some(slots * 2));
    let mut plans: Vec<ClusterPlan> =
        powers.take_while(|slots| *slots < now).map(|slots| after(slots, plan)).collect();
    let shares = [(1, 8), (1, 4), (1, 2), (3, 4), (7, 8)].map(|(part, of)| now * part / of);
    let fewer: BTreeSet<u64> =
        shares.into_iter().chain([now - 1]).filter(|slots| (1..now).contains(slots)).collect();
    for slots in fewer {
        for phase in 0..PHASES {
            // Of each `now` operations as many go as slots, spread evenly; the phase says which.
            let goes = |nth: u64| (nth * (now - slots) + phase * now / PHASES) % now < now - slots;
            let gone = (0..).zip(&steps).filter(|(nth, _)| goes(*nth)).map(|(_, step)| *step).collect();
            plans.push(after(slots, &without_in_time(plan, timetable, &gone)));
        }
    }
    plans
}

/// Messages that hold fewer entries, the fewest first, so that few operations take several.
pub(super) fn with_smaller_batches(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    if steps(plan).len() <= OPERATIONS_FEW {
        return Vec::new();
    }
    let smaller = |entries: u64| {
        let mut plan = plan.clone();
        plan.config.batch_entries = entries;
        plan
    };
    [1, 2, 4, 16, 64]
        .into_iter()
        .filter(|entries| *entries < plan.config.batch_entries)
        .map(smaller)
        .collect()
}

/// Messages and syncs that take one millisecond each.
pub(super) fn with_a_simpler_network(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let mut network = plan.clone();
    (network.config.latency_min_ms, network.config.latency_max_ms) = (1, 1);
    let mut disk = plan.clone();
    (disk.config.sync_min_ms, disk.config.sync_max_ms) = (1, 1);
    vec![network, disk]
}

/// Everything happens earlier by the time in which nothing happens at first, or by half of it.
pub(super) fn begun_earlier(plan: &ClusterPlan) -> Vec<ClusterPlan> {
    let first_steps = plan.script.iter().filter_map(|script| script.steps.first());
    let waits = first_steps.map(|step| u64::from(step.pause_ms));
    let timed = plan.faults.iter().filter(|fault| fault.on.is_none());
    let idle_ms = waits.chain(timed.map(|fault| fault.at_ms)).min().unwrap_or(0);
    let earlier = |by_ms: u64| {
        let mut plan = plan.clone();
        plan.config.duration_ms -= by_ms;
        plan.faults.iter_mut().for_each(|fault| fault.at_ms = fault.at_ms.saturating_sub(by_ms));
        for step in plan.script.iter_mut().filter_map(|script| script.steps.first_mut()) {
            step.pause_ms -= u32::try_from(by_ms).expect("no more than the wait");
        }
        plan
    };
    [idle_ms, idle_ms / 2]
        .into_iter()
        .filter(|by_ms| (1..plan.config.duration_ms).contains(by_ms))
        .map(earlier)
        .collect()
}
