//! When the operations of a script took place, as the history of its run says.
//!
//! An operation that is taken away must not pull those after it to an earlier time, where nothing might be wrong: the
//! wait before the next one becomes what it was from the operation before.

use std::collections::BTreeMap;

use crate::nemesis::FaultId;
use crate::soak::ClusterPlan;
use crate::trial::{Actor, Outcome, Phase};

/// When an operation began and ended, in milliseconds from the start of the chaos phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) began_ms: u64,
    /// `None`: it had not ended when the run did.
    pub(super) ended_ms: Option<u64>,
}

/// Per client, the operations of its script that were invoked, in order; and when each fault fired, in milliseconds
/// from the start of the chaos phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timetable(pub(super) Vec<Vec<Taken>>, pub(super) BTreeMap<FaultId, u64>);

impl Timetable {
    pub(super) fn of(plan: &ClusterPlan, outcome: &Outcome) -> Self {
        let at = |phase: Phase| {
            let found = outcome.phases.iter().find(|(known, _)| *known == phase);
            found.map(|(_, at_us)| at_us * 1_000)
        };
        let clients = plan.script.len();
        let mut table = vec![Vec::<Taken>::new(); clients];
        // Before that there is only waiting for the system; after it, what must succeed and is not in the script.
        let Some(began) = at(Phase::Chaos) else { return Self(table, BTreeMap::new()) };
        let fired = outcome.faults.iter().filter(|fault| fault.withheld.is_none());
        let fired = fired
            .map(|fault| (fault.id, (fault.start_us * 1_000).saturating_sub(began) / 1_000_000))
            .collect();
        let over = at(Phase::Liveness).unwrap_or(u64::MAX);
        for line in &outcome.lines {
            let Actor::Process(process) = line.process else { continue };
            let client = usize::try_from(process).expect("few processes") % clients;
            let now_ms = line.time.saturating_sub(began) / 1_000_000;
            if line.kind == "invoke" && line.time < over {
                table[client].push(Taken { began_ms: now_ms, ended_ms: None });
            } else if let Some(last) = table[client].last_mut() {
                // Only the first completion after it is its own.
                last.ended_ms.get_or_insert(now_ms);
            }
        }
        Self(table, fired)
    }

    /// How many operations of a client's script were invoked.
    pub(super) fn invoked(&self, client: usize) -> usize {
        self.0.get(client).map_or(0, Vec::len)
    }

    /// What the wait before `step` must be if `before` is the operation before it.
    pub(super) fn wait_ms(&self, client: usize, before: Option<usize>, step: usize) -> Option<u32> {
        let taken = self.0.get(client)?;
        let free_ms = match before {
            None => 0,
            Some(before) => taken.get(before)?.ended_ms?,
        };
        u32::try_from(taken.get(step)?.began_ms.saturating_sub(free_ms)).ok()
    }
}
