//! What the nemesis can do to the simulated world.

use squall_cluster::node::Micros;
use squall_cluster::role::Role;

use crate::nemesis::{
    ClockChange, ClusterChange, DiskFault, DiskLoss, Endpoint, Fault, FaultId, LinkEffect, Sprung, Surface,
    Trigger,
};

use super::world::{Server, World};

impl<N: Server> Surface for World<N> {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn clients(&self) -> usize {
        self.waiting.len()
    }

    fn home_of(&self, client: usize) -> usize {
        client % self.servers.len()
    }

    fn leader(&self) -> Option<usize> {
        World::leader(self)
    }

    fn holder(&self, role: Role, group: Option<u32>) -> Option<usize> {
        World::holder(self, role, group)
    }

    fn is_up(&self, server: usize) -> bool {
        self.servers[server].node.is_some()
    }

    fn may_stop(&self, server: usize, loses_disk: bool) -> Result<(), &'static str> {
        N::may_stop(&self.running(), server, loses_disk)
    }

    fn supports(&self, _fault: &Fault) -> bool {
        true
    }

    fn emits_events(&self) -> bool {
        true
    }

    fn arm(&mut self, fault: FaultId, trigger: &Trigger) {
        let server = trigger.of.and_then(|target| self.locate(target));
        self.traps.set(fault, trigger, server);
    }

    fn disarm(&mut self, fault: FaultId) {
        self.traps.remove(fault);
    }

    fn take_sprung(&mut self) -> Vec<Sprung> {
        let sprung = self.traps.take_sprung();
        for one in &sprung {
            self.note(12, u64::from(one.fault) << 32 | one.server as u64);
        }
        sprung
    }

    fn let_pass(&self, fault: FaultId) -> u32 {
        self.traps.passed(fault)
    }

    fn let_go(&mut self, fault: FaultId) {
        self.let_go_of(fault);
    }

    fn cut(&mut self, fault: FaultId, from: Endpoint, to: Endpoint) {
        self.network.cut(fault, from, to);
    }

    fn link(&mut self, fault: FaultId, from: Endpoint, to: Endpoint, effect: &LinkEffect) {
        self.network.worsen(fault, from, to, effect);
    }

    fn crash(&mut self, fault: FaultId, server: usize, loss: DiskLoss) {
        let slot = &mut self.servers[server];
        if slot.node.is_none() {
            return;
        }
        slot.crash(loss, &self.terrain.decide);
        slot.down_by = Some(fault);
        self.note(7, server as u64);
        let lost = match loss {
            DiskLoss::Nothing => "its disk loses nothing",
            DiskLoss::Unsynced => "its disk loses unsynced records",
            DiskLoss::Torn => "its disk tears an unsynced record",
        };
        self.node_event(server, "crash", lost.into());
    }

    fn start(&mut self, server: usize) {
        World::start(self, server);
    }

    fn pause(&mut self, fault: FaultId, server: usize) {
        let paused = &mut self.servers[server].paused;
        if !paused.contains(&fault) {
            paused.push(fault);
        }
        self.note(8, server as u64);
        self.node_event(server, "pause", String::new());
    }

    fn slow(&mut self, fault: FaultId, server: usize, cost_us: u64) {
        let slow = &mut self.servers[server].slow;
        slow.retain(|(by, _)| *by != fault);
        slow.push((fault, Micros(cost_us)));
    }

    fn crash_client(&mut self, fault: FaultId, client: usize) {
        // Whoever waits for the answer learns that there is none, and connects anew.
        if self.waiting[client].take().is_some() {
            self.bites.push(fault);
        }
        self.note(11, client as u64);
    }

    fn clock(&mut self, fault: FaultId, server: usize, change: ClockChange) {
        self.servers[server].clock.change(fault, self.now, change);
        self.note(9, server as u64);
    }

    fn disk(&mut self, fault: FaultId, server: usize, change: DiskFault) {
        let slot = &mut self.servers[server];
        let mut draw = self.terrain.decide.at("disk", &[u64::from(slot.id.0), u64::from(fault)]);
        match change {
            DiskFault::SlowSync { delay_ms } => {
                slot.slow_sync.retain(|(by, _)| *by != fault);
                slot.slow_sync.push((fault, delay_ms));
            }
            DiskFault::FailedSync | DiskFault::Full | DiskFault::LyingSync => {
                slot.disk_faults.retain(|(by, _)| *by != fault);
                slot.disk_faults.push((fault, change));
                slot.set_disk_flags();
            }
            DiskFault::BitFlip => {
                if slot.disk.flip_bit(|choices| draw.below(choices)) {
                    self.monitors.expect_learner(slot.id);
                    self.bites.push(fault);
                }
            }
            DiskFault::Truncate { records } => {
                slot.disk.truncate(records as usize);
                self.bites.push(fault);
            }
            DiskFault::Wipe => {
                slot.disk.wipe();
                self.monitors.expect_learner(slot.id);
                self.bites.push(fault);
            }
        }
        self.note(10, server as u64);
    }

    fn administer(&mut self, fault: FaultId, change: ClusterChange) {
        self.change_cluster(fault, change);
    }

    fn lift(&mut self, fault: FaultId) {
        self.network.lift(fault);
        for server in 0..self.servers.len() {
            self.lift_from_server(fault, server);
        }
    }

    fn effective(&self, fault: FaultId) -> u64 {
        let recent = self.bites.iter().filter(|bite| **bite == fault).count() as u64;
        self.effective.get(&fault).copied().unwrap_or(0) + recent
    }
}
