//! How soon service is back after faults have gone: read off the faults and the history of a run.
//!
//! A *healing* is the moment at which the last fault that stands ends. From there it takes some time until an
//! operation succeeds at all, and until every process that begins operations from then on has had one succeed, which is
//! called full service here: clients wait between operations, so up to some hundred milliseconds of it are theirs. A healing
//! belongs to every family of the faults that ended since the one before. If the next fault begins before service is
//! full, what it took is not known: it is counted as interrupted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::nemesis::Family;

use super::clients::Phase;
use super::outcome::{FaultRecord, Outcome};
use super::recorder::Actor;

/// One healing of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The families of the faults that had stood.
    pub families: BTreeSet<Family>,
    /// When the last of them ended, in simulated microseconds.
    pub healed_us: u64,
    /// From then to the first operation that succeeded, in microseconds; `None`: a fault or the end came before.
    pub first_us: Option<u64>,
    /// From then until every client at work has had one succeed, in microseconds.
    pub full_us: Option<u64>,
}

/// The healings of a run, in order. The end of chaos heals too, if a fault stands then.
pub fn recoveries(outcome: &Outcome) -> Vec<Recovery> {
    let over_us = outcome.phases.iter().find(|(phase, _)| *phase == Phase::Quiet).map(|(_, at_us)| *at_us);
    let over_us = over_us.unwrap_or(outcome.simulated_us);
    let mut healings = healings(&outcome.faults);
    let begins: Vec<u64> = healings.iter().map(|healing| healing.began_us).collect();
    let successes = Successes::of(outcome);
    let measured = |(nth, healing): (usize, &mut Healing)| {
        let until_us = begins.get(nth + 1).copied().unwrap_or(u64::MAX).min(over_us);
        let (first_us, full_us) = successes.after(healing.healed_us, until_us);
        let families = std::mem::take(&mut healing.families);
        Recovery { families, healed_us: healing.healed_us, first_us, full_us }
    };
    healings.iter_mut().enumerate().map(measured).collect()
}

/// Faults that overlap, as one.
struct Healing {
    families: BTreeSet<Family>,
    began_us: u64,
    healed_us: u64,
}

fn healings(faults: &[FaultRecord]) -> Vec<Healing> {
    let mut spans: Vec<(u64, u64, Family)> = faults
        .iter()
        .filter(|fault| fault.withheld.is_none())
        .filter_map(|fault| Some((fault.start_us, fault.end_us?, fault.family)))
        .collect();
    spans.sort_unstable();
    let mut healings: Vec<Healing> = Vec::new();
    for (start_us, end_us, family) in spans {
        match healings.last_mut() {
            Some(last) if start_us <= last.healed_us => {
                last.healed_us = last.healed_us.max(end_us);
                last.families.insert(family);
            }
            _ => healings.push(Healing {
                families: BTreeSet::from([family]),
                began_us: start_us,
                healed_us: end_us,
            }),
        }
    }
    healings
}

/// When processes began operations and had them succeed, in microseconds. A client that gives up on an operation goes
/// on as another process.
struct Successes {
    /// Per process, in order of time.
    of_processes: BTreeMap<u64, Vec<u64>>,
    /// Per process, when it began operations, in order of time.
    begun: BTreeMap<u64, Vec<u64>>,
}

impl Successes {
    fn of(outcome: &Outcome) -> Self {
        let mut successes = Self { of_processes: BTreeMap::new(), begun: BTreeMap::new() };
        for line in &outcome.lines {
            let Actor::Process(process) = line.process else { continue };
            let at_us = line.time / 1_000;
            match line.kind {
                "ok" => successes.of_processes.entry(process).or_default().push(at_us),
                "invoke" => successes.begun.entry(process).or_default().push(at_us),
                _ => {}
            }
        }
        successes
    }

    /// From this moment to the first success, and to the last of the first ones of all processes that are at work then.
    fn after(&self, from_us: u64, until_us: u64) -> (Option<u64>, Option<u64>) {
        let first_of = |times: &Vec<u64>| {
            let next = times.partition_point(|at_us| *at_us < from_us);
            times.get(next).copied().filter(|at_us| *at_us < until_us)
        };
        let first = self.of_processes.values().filter_map(first_of).min();
        let at_work = self.begun.iter().filter(|(_, begun)| first_of(begun).is_some());
        let firsts: Option<Vec<u64>> =
            at_work.map(|(process, _)| self.of_processes.get(process).and_then(first_of)).collect();
        let full = firsts.and_then(|firsts| firsts.into_iter().max()).filter(|_| first.is_some());
        (first.map(|at_us| at_us - from_us), full.map(|at_us| at_us - from_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(plan: &str, seed: u64) -> Outcome {
        let plan = crate::soak::PlanText { path: "test.plan".into(), text: plan.into() };
        let wanted = crate::soak::Wanted {
            plan: Some(plan),
            duration_ms: Some(4_000),
            simulator: Some("event-loop".into()),
            ..crate::soak::Wanted::default()
        };
        let experiment = wanted.experiment().expect("possible");
        experiment.run(&experiment.plan(seed))
    }

    #[test]
    fn overlapping_faults_heal_once_and_those_apart_each() {
        let text = "at 500ms: crash-all for 300ms\nat 700ms: loss 10% on replies for 400ms\n\
                    at 2.5s: pause leader for 50ms\n";
        let found = recoveries(&outcome(text, 1));
        let families: Vec<Vec<Family>> =
            found.iter().map(|one| one.families.iter().copied().collect()).collect();
        assert_eq!(families, [vec![Family::Link, Family::Process], vec![Family::Process]]);
        assert!(found.iter().all(|one| one.first_us <= one.full_us && one.full_us.is_some()), "{found:?}");
    }

    #[test]
    fn a_crash_of_all_takes_an_election_to_heal_and_a_lost_reply_does_not() {
        let crash = recoveries(&outcome("at 1s: crash-all for 300ms", 1));
        let loss = recoveries(&outcome("at 1s: loss 10% on replies for 300ms", 1));
        let first = |found: &[Recovery]| found[0].first_us.expect("service comes back");
        assert!(first(&crash) > 100_000, "{crash:?}");
        assert!(first(&loss) < 100_000, "{loss:?}");
    }

    #[test]
    fn what_the_next_fault_interrupts_is_not_measured() {
        let text = "at 1s: crash-all for 300ms\nat 1.301s: crash-all for 300ms\n";
        let found = recoveries(&outcome(text, 1));
        assert_eq!((found.len(), found[0].first_us, found[0].full_us), (2, None, None), "{found:?}");
        assert!(found[1].full_us.is_some());
    }
}
