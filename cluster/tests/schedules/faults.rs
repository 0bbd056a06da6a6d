//! What goes wrong in a schedule, how it is healed, and the comparison of replicas at the end.

use squall_cluster::node::NodeId;
use squall_cluster::replica::{Replica, ServerView};

use crate::world::{Failure, Happening, World, describe, write};

impl World {
    /// One random fault, and the appointment for the next.
    pub(crate) fn fault(&mut self) {
        if self.healed {
            return;
        }
        let gap = self.weather.fault_gap_us;
        let wait = gap / 2 + self.random.below(gap);
        self.schedule(wait, Happening::Fault);
        let count = u64::from(self.plan.replicas);
        let leader = self.leader();
        let any = NodeId(u32::try_from(1 + self.random.below(count)).expect("few servers"));
        let target = leader.filter(|_| self.random.chance(500)).unwrap_or(any);
        match self.random.below(12 + 3 * u64::from(self.plan.clock_steps)) {
            0 | 1 => self.crash(target),
            2 => (1..=self.plan.replicas).for_each(|id| self.crash(NodeId(id))),
            3 => self.cut(|from, to| from == target || to == target),
            4 => self.cut(|from, _| from == target),
            5 => self.cut(|_, to| to == target && !to.is_client()),
            6 => {
                let side = self.random.next();
                self.cut(|from, to| (side >> (from.0 % 64)) & 1 != (side >> (to.0 % 64)) & 1);
            }
            7 => self.cut_from_servers(target),
            8 => {
                let until = self.now + 50_000 + self.random.below(600_000);
                self.server_mut(target).paused_until = until;
            }
            9 | 10 => {
                self.cuts.clear();
                self.lagging = None;
            }
            11 => self.lagging = Some(target),
            _ => {
                self.cut_from_servers(target);
                self.server_mut(target).clock_start -= 500_000;
            }
        }
    }

    fn cut(&mut self, cuts: impl Fn(NodeId, NodeId) -> bool) {
        let ids: Vec<NodeId> = self.servers.keys().chain(self.clients.keys()).copied().collect();
        for from in &ids {
            for to in &ids {
                if from != to && cuts(*from, *to) {
                    self.cuts.insert((*from, *to));
                }
            }
        }
    }

    fn crash(&mut self, id: NodeId) {
        if self.servers[&id].node.is_none() {
            return;
        }
        self.figures.crashes += 1;
        let kept = self.random.index(self.servers[&id].pending.len() + 1);
        let server = self.server_mut(id);
        server.node = None;
        server.timers.clear();
        server.paused_until = 0;
        server.synced_at = 0;
        let pending = std::mem::take(&mut server.pending);
        for batch in pending.into_iter().take(kept) {
            write(&mut server.disk, batch.writes);
        }
        let budget = (self.plan.replicas as usize - 1) / 2;
        if self.plan.wipes && self.wiped.len() < budget && self.random.chance(300) && self.wiped.insert(id) {
            self.spoil(id);
        }
        let down = 5_000 + self.random.below(300_000);
        self.schedule(down, Happening::Restart { id });
    }

    /// Loses the disk, or damages one record.
    fn spoil(&mut self, id: NodeId) {
        let wipe = self.random.chance(500);
        let undecodable = self.random.chance(500);
        let index = self.random.index(self.servers[&id].disk.len().max(1));
        let server = self.server_mut(id);
        if wipe || server.disk.is_empty() {
            server.disk.clear();
        } else {
            server.disk[index].intact = false;
            if undecodable {
                server.disk[index].record = None;
            }
        }
        self.monitor.expect_learner(id);
    }

    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.cuts.clear();
        self.lagging = None;
        self.weather.loss = 0;
        self.weather.tail = 0;
        self.weather.duplication = 0;
        let ids: Vec<NodeId> = self.servers.keys().copied().collect();
        for id in ids {
            self.boot(id);
        }
        if self.plan.limps {
            self.limp();
        }
    }

    fn leader(&self) -> Option<NodeId> {
        let leader = self.servers.values().find(|s| s.node.as_ref().is_some_and(ServerView::is_leader));
        leader.map(|server| server.config.id)
    }

    /// One server, the leader if there is one, stays cut off from the other servers in one direction or both.
    fn limp(&mut self) {
        self.cut_from_servers(self.leader().unwrap_or(NodeId(1)));
    }

    /// Clients still reach it.
    fn cut_from_servers(&mut self, target: NodeId) {
        let (deaf, mute) = self.random.pick(&[(true, false), (false, true), (true, true)]);
        self.cut(|from, to| {
            !from.is_client() && !to.is_client() && ((mute && from == target) || (deaf && to == target))
        });
    }

    /// Everybody ends in the same state, at the same slot.
    pub(crate) fn compare(&self) -> Result<(), Failure> {
        if self.plan.limps {
            return Ok(());
        }
        let furthest = self.servers.values().filter_map(|s| s.node.as_ref()).map(Replica::applied).max();
        for server in self.servers.values() {
            let node = server.node.as_ref().expect("everybody is up after healing");
            let lag = furthest.map_or(0, |slot| slot.0) - node.applied().0;
            if lag > 200 {
                return Err(Failure::Diverged(describe(server)));
            }
        }
        Ok(())
    }
}
