//! What the nemesis can do to a user's own system: turmoil's partitions, delays, crashes and restarts.
//!
//! Turmoil knows one state per direction of a link; several faults may want it changed. This file keeps who wants
//! what, and sets turmoil's state to the sum. Clients share a host that no fault touches.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::nemesis::{ClockChange, DiskFault, DiskLoss, Endpoint, Fault, FaultId, LinkEffect, Surface};

use super::stage::Stage;

/// What stands, between two steps.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    cuts: BTreeMap<(usize, usize), BTreeSet<FaultId>>,
    delays: BTreeMap<(usize, usize), BTreeMap<FaultId, u64>>,
    down: BTreeSet<usize>,
    effective: BTreeMap<FaultId, u64>,
}

/// The surface of a user's system; made anew for every step, since it borrows the simulation.
pub(crate) struct TurmoilSurface<'a> {
    pub(crate) stage: &'a mut Stage,
    pub(crate) standing: &'a mut Standing,
    pub(crate) names: &'a [String],
    pub(crate) leader: Option<usize>,
    /// Rung to crash a client.
    pub(crate) bells: &'a [Rc<Notify>],
    /// What a message takes at most when nothing is wrong, in milliseconds.
    pub(crate) latency_max_ms: u64,
}

impl TurmoilSurface<'_> {
    fn set_delay(&mut self, from: usize, to: usize) {
        let extra: u64 = self.standing.delays.get(&(from, to)).map_or(0, |delays| delays.values().sum());
        let latency = Duration::from_millis(self.latency_max_ms + extra);
        self.stage.sim().set_link_max_message_latency(
            self.names[from].as_str(),
            self.names[to].as_str(),
            latency,
        );
    }

    fn count(&mut self, fault: FaultId) {
        *self.standing.effective.entry(fault).or_default() += 1;
    }
}

impl Surface for TurmoilSurface<'_> {
    fn servers(&self) -> usize {
        self.names.len()
    }

    fn clients(&self) -> usize {
        self.bells.len()
    }

    fn home_of(&self, client: usize) -> usize {
        client % self.names.len()
    }

    fn leader(&self) -> Option<usize> {
        self.leader
    }

    fn is_up(&self, server: usize) -> bool {
        !self.standing.down.contains(&server)
    }

    fn supports(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Isolate { .. }
            | Fault::Split { .. }
            | Fault::Ring { .. }
            | Fault::Bridge { .. }
            | Fault::Deaf { .. }
            | Fault::Mute { .. }
            | Fault::Flapping { .. }
            | Fault::Swizzle { .. }
            | Fault::ClientCrash { .. }
            | Fault::CrashLoop { .. }
            | Fault::CrashAll { .. }
            | Fault::RollingRestart { .. }
            | Fault::Crash { .. } => true,
            Fault::Delay { kinds, .. } => kinds.is_empty(),
            _ => false,
        }
    }

    fn cut(&mut self, fault: FaultId, from: Endpoint, to: Endpoint) {
        let (Endpoint::Server(from), Endpoint::Server(to)) = (from, to) else { return };
        let cuts = self.standing.cuts.entry((from, to)).or_default();
        if cuts.insert(fault) && cuts.len() == 1 {
            self.stage.sim().partition_oneway(self.names[from].as_str(), self.names[to].as_str());
            self.count(fault);
        }
    }

    fn link(&mut self, fault: FaultId, from: Endpoint, to: Endpoint, effect: &LinkEffect) {
        let (Endpoint::Server(from), Endpoint::Server(to)) = (from, to) else { return };
        self.standing.delays.entry((from, to)).or_default().insert(fault, effect.delay_max_ms);
        self.set_delay(from, to);
        self.count(fault);
    }

    fn crash(&mut self, fault: FaultId, server: usize, _loss: DiskLoss) {
        if self.standing.down.insert(server) {
            self.stage.sim().crash(self.names[server].as_str());
            self.count(fault);
        }
    }

    fn start(&mut self, server: usize) {
        if self.standing.down.remove(&server) {
            self.stage.sim().bounce(self.names[server].as_str());
        }
    }

    fn pause(&mut self, _fault: FaultId, _server: usize) {}

    fn slow(&mut self, _fault: FaultId, _server: usize, _cost_us: u64) {}

    fn crash_client(&mut self, fault: FaultId, client: usize) {
        self.bells[client].notify_waiters();
        self.count(fault);
    }

    fn clock(&mut self, _fault: FaultId, _server: usize, _change: ClockChange) {}

    fn disk(&mut self, _fault: FaultId, _server: usize, _change: DiskFault) {}

    fn lift(&mut self, fault: FaultId) {
        let mut mended = Vec::new();
        for (link, cuts) in &mut self.standing.cuts {
            if cuts.remove(&fault) && cuts.is_empty() {
                mended.push(*link);
            }
        }
        for (from, to) in mended {
            self.stage.sim().repair_oneway(self.names[from].as_str(), self.names[to].as_str());
        }
        let links = self.standing.delays.iter_mut();
        let eased: Vec<_> = links.filter_map(|(link, by)| by.remove(&fault).map(|_| *link)).collect();
        for (from, to) in eased {
            self.set_delay(from, to);
        }
    }

    fn effective(&self, fault: FaultId) -> u64 {
        self.standing.effective.get(&fault).copied().unwrap_or(0)
    }
}
