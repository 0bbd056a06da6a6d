//! A surface that keeps books: what stands, by fault, and what was called.

use std::collections::BTreeMap;

use crate::nemesis::*;

/// Something that stands on the mock, apart from whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Cut(Endpoint, Endpoint),
    Link(Endpoint, Endpoint, LinkEffect),
    Pause(usize),
    Slow(usize, u64),
    Clock(usize, ClockChange),
    Disk(usize, DiskFault),
}

#[derive(Clone, Debug)]
pub(super) struct Mock {
    pub(super) up: Vec<bool>,
    pub(super) clients: usize,
    pub(super) leader: Option<usize>,
    pub(super) unsupported: Option<&'static str>,
    pub(super) standing: BTreeMap<FaultId, Vec<Standing>>,
    /// Calls that leave nothing standing, as text.
    pub(super) calls: Vec<String>,
    pub(super) effective: BTreeMap<FaultId, u64>,
    pub(super) armed: BTreeMap<FaultId, Trigger>,
    /// Triggers that a test pulls.
    pub(super) sprung: Vec<Sprung>,
    pub(super) let_go: Vec<FaultId>,
}

impl Mock {
    pub(super) fn new(servers: usize, clients: usize) -> Self {
        Self {
            up: vec![true; servers],
            clients,
            leader: Some(0),
            unsupported: None,
            standing: BTreeMap::new(),
            calls: Vec::new(),
            effective: BTreeMap::new(),
            armed: BTreeMap::new(),
            sprung: Vec::new(),
            let_go: Vec::new(),
        }
    }

    fn stand(&mut self, fault: FaultId, effect: Standing) {
        *self.effective.entry(fault).or_default() += 1;
        self.standing.entry(fault).or_default().push(effect);
    }

    pub(super) fn all_standing(&self) -> Vec<&Standing> {
        self.standing.values().flatten().collect()
    }

    pub(super) fn is_cut(&self, from: Endpoint, to: Endpoint) -> bool {
        self.all_standing().contains(&&Standing::Cut(from, to))
    }

    pub(super) fn is_cut_both_ways(&self, left: Endpoint, right: Endpoint) -> bool {
        self.is_cut(left, right) && self.is_cut(right, left)
    }

    /// Nothing stands and everybody runs.
    pub(super) fn is_whole(&self) -> bool {
        self.all_standing().is_empty() && self.up.iter().all(|up| *up)
    }
}

impl Surface for Mock {
    fn servers(&self) -> usize {
        self.up.len()
    }
    fn clients(&self) -> usize {
        self.clients
    }
    fn home_of(&self, client: usize) -> usize {
        client % self.up.len()
    }
    fn leader(&self) -> Option<usize> {
        self.leader.filter(|server| self.up[*server])
    }
    fn is_up(&self, server: usize) -> bool {
        self.up[server]
    }
    fn supports(&self, fault: &Fault) -> bool {
        self.unsupported != Some(fault.name())
    }
    fn emits_events(&self) -> bool {
        self.unsupported != Some("events")
    }
    fn arm(&mut self, fault: FaultId, trigger: &Trigger) {
        self.armed.insert(fault, trigger.clone());
    }
    fn disarm(&mut self, fault: FaultId) {
        self.armed.remove(&fault);
    }
    fn take_sprung(&mut self) -> Vec<Sprung> {
        std::mem::take(&mut self.sprung)
    }
    fn let_pass(&self, _fault: FaultId) -> u32 {
        1
    }
    fn let_go(&mut self, fault: FaultId) {
        self.let_go.push(fault);
    }
    fn cut(&mut self, fault: FaultId, from: Endpoint, to: Endpoint) {
        assert_ne!(from, to);
        self.stand(fault, Standing::Cut(from, to));
    }
    fn link(&mut self, fault: FaultId, from: Endpoint, to: Endpoint, effect: &LinkEffect) {
        assert_ne!(from, to);
        self.stand(fault, Standing::Link(from, to, effect.clone()));
    }
    fn crash(&mut self, fault: FaultId, server: usize, loss: DiskLoss) {
        assert!(self.up[server], "crashed while down");
        self.up[server] = false;
        self.calls.push(format!("crash n{} {loss:?}", server + 1));
        *self.effective.entry(fault).or_default() += 1;
    }
    fn start(&mut self, server: usize) {
        assert!(!self.up[server], "started while up");
        self.up[server] = true;
        self.calls.push(format!("start n{}", server + 1));
    }
    fn pause(&mut self, fault: FaultId, server: usize) {
        self.stand(fault, Standing::Pause(server));
    }
    fn slow(&mut self, fault: FaultId, server: usize, cost_us: u64) {
        self.stand(fault, Standing::Slow(server, cost_us));
    }
    fn crash_client(&mut self, _fault: FaultId, client: usize) {
        self.calls.push(format!("crash c{client}"));
    }
    fn clock(&mut self, fault: FaultId, server: usize, change: ClockChange) {
        self.stand(fault, Standing::Clock(server, change));
    }
    fn disk(&mut self, fault: FaultId, server: usize, change: DiskFault) {
        match change {
            DiskFault::BitFlip | DiskFault::Truncate { .. } | DiskFault::Wipe => {
                assert!(!self.up[server], "damaged while up");
                self.calls.push(format!("{change:?} n{}", server + 1));
            }
            _ => self.stand(fault, Standing::Disk(server, change)),
        }
    }
    fn lift(&mut self, fault: FaultId) {
        self.standing.remove(&fault);
    }
    fn effective(&self, fault: FaultId) -> u64 {
        self.effective.get(&fault).copied().unwrap_or(0)
    }
}
