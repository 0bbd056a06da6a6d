//! The network between nodes: for every message, whether, when and how often it arrives.
//!
//! Each direction of each pair of nodes is a link of its own. A cut applies when a message is sent and again when it
//! arrives, so it also kills what is in flight. Every decision is drawn from (link, kind, millisecond, number within
//! it): taking one message away leaves the fate of the others as it was. Knows nothing of what messages mean.

use squall_workloads::Decide;

use crate::nemesis::{Endpoint, FaultId, LinkEffect};

use super::tally::Kind;

/// How much later a reordered message arrives, at most, in milliseconds.
const REORDER_MS_MAX: u64 = 60;
/// How much later the copy of a duplicated message arrives, in milliseconds: below this.
const DUPLICATE_MS_MAX: u64 = 100;

/// Where a message's time goes when nothing is wrong, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) min_ms: u64,
    pub(crate) max_ms: u64,
}

/// What becomes of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// When it arrives; `None`: lost.
    first: Option<Arrival>,
    /// When its copies arrive.
    copies: Vec<Arrival>,
    /// The faults that changed it.
    pub(crate) causes: Vec<FaultId>,
    /// Whether a fault delayed it.
    pub(crate) delayed: bool,
}

impl Fate {
    /// When the message and each copy of it arrive. None: it is lost.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        self.first.iter().chain(&self.copies)
    }
}

/// One copy of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// In milliseconds from now, at least 1.
    pub(crate) after_ms: u64,
    /// A bit to flip on the way, as a random number.
    pub(crate) corrupt: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Link {
    cuts: Vec<FaultId>,
    effects: Vec<(FaultId, LinkEffect)>,
    /// The millisecond of the last message and, by the kind's number, how many it has seen.
    last_ms: u64,
    sent: Vec<u64>,
}

impl Link {
    /// The number of this message among those of its kind on this link in this millisecond.
    fn count(&mut self, now_ms: u64, kind: Kind) -> u64 {
        if self.last_ms != now_ms {
            self.last_ms = now_ms;
            self.sent.clear();
        }
        if self.sent.len() <= kind.number {
            self.sent.resize(kind.number + 1, 0);
        }
        self.sent[kind.number] += 1;
        self.sent[kind.number] - 1
    }
}

/// All links of a run.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    servers: usize,
    endpoints: usize,
    links: Vec<Link>,
    latency: Latency,
}

impl Network {
    pub(crate) fn new(servers: usize, clients: usize, latency: Latency) -> Self {
        assert!(latency.min_ms >= 1, "a message takes at least one tick");
        assert!(latency.min_ms <= latency.max_ms, "an empty range of latencies");
        let endpoints = servers + clients;
        let links = vec![Link::default(); endpoints * endpoints];
        Self { servers, endpoints, links, latency }
    }

    fn position(&self, endpoint: Endpoint) -> usize {
        let position = match endpoint {
            Endpoint::Server(index) => index,
            Endpoint::Client(index) => self.servers + index,
        };
        assert!(position < self.endpoints, "{endpoint:?} is not part of this network");
        position
    }

    fn link(&mut self, from: Endpoint, to: Endpoint) -> &mut Link {
        let place = self.position(from) * self.endpoints + self.position(to);
        &mut self.links[place]
    }

    /// Cuts one direction.
    pub(crate) fn cut(&mut self, fault: FaultId, from: Endpoint, to: Endpoint) {
        let cuts = &mut self.link(from, to).cuts;
        if !cuts.contains(&fault) {
            cuts.push(fault);
        }
    }

    /// Makes one direction worse.
    pub(crate) fn worsen(&mut self, fault: FaultId, from: Endpoint, to: Endpoint, effect: &LinkEffect) {
        let effects = &mut self.link(from, to).effects;
        effects.retain(|(by, _)| *by != fault);
        effects.push((fault, effect.clone()));
    }

    /// Ends everything that a fault does to links.
    pub(crate) fn lift(&mut self, fault: FaultId) {
        for link in &mut self.links {
            link.cuts.retain(|cut| *cut != fault);
            link.effects.retain(|(by, _)| *by != fault);
        }
    }

    /// The fault that cuts this direction, if one does.
    pub(crate) fn cut_by(&mut self, from: Endpoint, to: Endpoint) -> Option<FaultId> {
        self.link(from, to).cuts.first().copied()
    }

    /// Decides the fate of a message sent now; faults count only on a `faulty` link.
    pub(crate) fn decide(
        &mut self,
        decide: &Decide,
        (from, to): (Endpoint, Endpoint),
        kind: Kind,
        now_ms: u64,
        faulty: bool,
    ) -> Fate {
        let latency = self.latency;
        let place = self.position(from) * self.endpoints + self.position(to);
        let line = place as u64;
        let word = kind.word;
        let link = &mut self.links[place];
        let nth = link.count(now_ms, kind);
        let mut fate = Fate::default();
        if let Some(cut) = link.cuts.first().filter(|_| faulty) {
            fate.causes.push(*cut);
            return fate;
        }
        let mut draw = decide.at("message", &[line, word, now_ms, nth]);
        let base = draw.range(latency.min_ms..=latency.max_ms);
        let mut first = Arrival { after_ms: base, corrupt: None };
        for (fault, effect) in link.effects.iter().filter(|_| faulty) {
            if !effect.kinds.is_empty() && !effect.kinds.iter().any(|name| name == kind.name) {
                continue;
            }
            // Each fault decides from a point of its own, so that taking one away leaves the others' choices.
            let mut draw = decide.at("fault", &[u64::from(*fault), line, word, now_ms, nth]);
            if draw.chance(effect.loss_ppm) {
                fate.causes.push(*fault);
                fate.copies.clear();
                return fate;
            }
            let mut late = draw.range(effect.delay_min_ms..=effect.delay_max_ms);
            if draw.chance(effect.reorder_ppm) {
                late += draw.range(1..=REORDER_MS_MAX);
            }
            first.after_ms += late;
            fate.delayed |= late > 0;
            let duplicated = draw.chance(effect.duplicate_ppm);
            if duplicated {
                let after_ms = base + draw.below(DUPLICATE_MS_MAX);
                fate.copies.push(Arrival { after_ms, corrupt: None });
            }
            let corrupted = draw.chance(effect.corrupt_ppm);
            if corrupted {
                first.corrupt = Some(draw.u64());
            }
            if late > 0 || duplicated || corrupted {
                fate.causes.push(*fault);
            }
        }
        fate.first = Some(first);
        fate
    }
}
