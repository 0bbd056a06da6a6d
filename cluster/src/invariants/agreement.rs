//! The monitor of one group, or of the single server: agreement and sessions.
//!
//! Agreement: X1 one value per slot; X2 chosen or applied means accepted by a majority in one ballot; X3 promises,
//! snapshots, commits and applied slots never fall, and slots are applied in order; X4 nothing is accepted below a
//! promise; X5 one leader per ballot, one value per ballot and slot; X6 equal slot, equal state, also in a snapshot;
//! X7 what is proposed above a chosen ballot is the chosen value; X8 a restart remembers what was sent, or a snapshot
//! stands for it; X9 a replica that lost its disk never votes. Sessions: E1 numbers rise; E2 one version per mutation;
//! E3 one reply per mutation; E4 no reply before execution. The oldest slots, ballots and mutations are forgotten.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::{Breach, primary_backup, require};
use crate::ascending::Ascending;
use crate::event::Event;
use crate::node::NodeId;
use crate::paxos::{Ballot, Slot};
use crate::primary_backup::ViewEvent;
use crate::session::ClientId;

/// Slots remembered.
const SLOTS_MAX: usize = 1 << 16;
/// Mutations remembered.
const MUTATIONS_MAX: usize = 1 << 16;
/// Ballots remembered, in all and per slot.
const BALLOTS_MAX: usize = 1 << 12;

/// What is known of one server.
#[derive(Clone, Debug, Default)]
struct Server {
    /// Its bit in the masks of voters.
    bit: u64,
    is_excused: bool,
    must_learn: bool,
    is_learner: bool,
    promised: Ballot,
    accepted: Ascending<Slot, Ballot>,
    /// The end of the durable snapshot.
    snapshot: Slot,
    committed: Slot,
    applied: Slot,
    version: u64,
    sessions: BTreeMap<ClientId, u64>,
    /// Whether what it executed last is not yet what its primary did.
    is_backup: bool,
}

/// What is known of one ballot at one slot.
#[derive(Clone, Debug, Default)]
struct Round {
    proposed: Option<u64>,
    voters: u64,
}

/// What is known of one slot.
#[derive(Clone, Debug, Default)]
struct Place {
    rounds: Ascending<Ballot, Round>,
    /// The lowest ballot that a majority accepted, and its value.
    chosen: Option<(Ballot, u64)>,
    state: Option<u64>,
}

impl Place {
    fn has_majority(&self, ballot: Ballot, servers: usize) -> bool {
        let voters = self.rounds.get(&ballot).map_or(0, |round| round.voters.count_ones() as usize);
        voters > servers / 2
    }

    /// A vote came in: whoever has a majority now is chosen, whether any node has noticed or not.
    fn count(&mut self, slot: Slot, ballot: Ballot, servers: usize) -> Result<(), Breach> {
        if !self.has_majority(ballot, servers) {
            return Ok(());
        }
        let Some(value) = self.rounds.get(&ballot).and_then(|round| round.proposed) else { return Ok(()) };
        if let Some((earlier, chosen)) = self.chosen {
            require(value == chosen, "X1", || {
                format!("{slot} has {chosen:016x} in {earlier} and {value:016x} in {ballot}")
            })?;
        }
        for (later, round) in self.rounds.range(ballot..) {
            require(round.proposed.is_none_or(|proposed| proposed == value), "X7", || {
                format!("{slot} has {value:016x} in {ballot}, but {later} proposed otherwise")
            })?;
        }
        let lowest = self.chosen.map_or(ballot, |(earlier, _)| earlier.min(ballot));
        self.chosen = Some((lowest, value));
        Ok(())
    }
}

/// What is known of one mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mutation {
    client: ClientId,
    seq: u64,
    reply: u64,
}

/// Watches all servers of one group (or the single server).
#[derive(Clone, Debug)]
pub struct Monitor {
    servers: BTreeMap<NodeId, Server>,
    places: Ascending<Slot, Place>,
    /// Slots up to here are forgotten.
    slots_forgotten: Slot,
    leaders: Ascending<Ballot, NodeId>,
    mutations: Ascending<u64, Mutation>,
    versions: BTreeMap<(ClientId, u64), u64>,
    /// Versions up to here are forgotten.
    versions_forgotten: u64,
    /// The highest version that a snapshot brought.
    version_restored: u64,
    views: primary_backup::Views,
    /// Versions that only backups have executed: if their primary dies, another mutation may take their place.
    tentative: BTreeSet<u64>,
}

impl Monitor {
    /// For these servers.
    pub fn new(servers: impl IntoIterator<Item = NodeId>) -> Self {
        let server = |(index, id)| (id, Server { bit: 1_u64 << index, ..Server::default() });
        let servers: BTreeMap<NodeId, Server> = servers.into_iter().enumerate().map(server).collect();
        assert!(!servers.is_empty() && servers.len() <= 64, "a group has 1 to 64 servers");
        Self {
            servers,
            places: Ascending::default(),
            slots_forgotten: Slot::ZERO,
            leaders: Ascending::default(),
            mutations: Ascending::default(),
            versions: BTreeMap::new(),
            versions_forgotten: 0,
            version_restored: 0,
            views: primary_backup::Views::default(),
            tentative: BTreeSet::new(),
        }
    }

    /// This replica's disk lost something that was durable: what it promised (X3, X8) no longer binds it.
    pub fn excuse(&mut self, node: NodeId) {
        self.server(node).is_excused = true;
    }

    /// This replica's disk was wiped, or a record in it damaged: it must be a learner from its next boot on (X9).
    pub fn expect_learner(&mut self, node: NodeId) {
        self.excuse(node);
        self.server(node).must_learn = true;
    }

    /// Takes one event, in the order of release; events of clients and strangers are ignored.
    pub fn observe(&mut self, node: NodeId, event: &Event) -> Result<(), Breach> {
        if !self.servers.contains_key(&node) {
            return Ok(());
        }
        match event {
            Event::Booted { promised, accepted, snapshot, learner, .. } => {
                self.on_booted(node, *promised, accepted, *snapshot, *learner)
            }
            Event::SnapshotWritten { last, .. } => self.on_snapshot_written(node, *last),
            Event::SnapshotInstalled { last, state, version } => {
                self.on_snapshot_written(node, *last)?;
                self.on_snapshot_restored(node, *last, *state, *version)
            }
            Event::SnapshotRestored { last, state, version } => {
                self.on_snapshot_restored(node, *last, *state, *version)
            }
            Event::Leader { ballot, .. } => self.on_leader(node, *ballot),
            Event::PromiseSent { ballot } => self.on_promise(node, *ballot),
            Event::AcceptedSent { ballot, slots } => self.on_accepted(node, *ballot, slots),
            Event::ProposalSent { ballot, slot, entry } => self.on_proposal(node, *ballot, *slot, *entry),
            Event::Chosen { slot, ballot, entry } => self.on_chosen(node, *slot, *ballot, *entry),
            Event::Committed { slot } => self.on_committed(node, *slot),
            Event::Applied { slot, entry, state } => self.on_applied(node, *slot, *entry, *state),
            Event::Executed { client, seq, version, mutation: true, reply } => {
                let mutation = Mutation { client: *client, seq: *seq, reply: *reply };
                self.on_executed(node, *version, mutation)
            }
            Event::ReplySent { client, seq, mutation: true, reply } => {
                self.on_reply(node, Mutation { client: *client, seq: *seq, reply: *reply })
            }
            Event::View(event) => self.on_view_event(node, event),
            Event::Candidate { .. }
            | Event::StepDown { .. }
            | Event::Learned { .. }
            | Event::Executed { .. }
            | Event::ReplySent { .. }
            | Event::LogFull { .. }
            | Event::SnapshotInstalling { .. }
            | Event::Shard(_)
            | Event::InGroup { .. } => Ok(()),
        }
    }

    fn on_view_event(&mut self, node: NodeId, event: &ViewEvent) -> Result<(), Breach> {
        let server = self.server(node);
        match event {
            ViewEvent::Started { .. } => (server.version, server.sessions) = (0, BTreeMap::new()),
            ViewEvent::Performed { primary, .. } => server.is_backup = !primary,
            ViewEvent::Installed { version, .. } => {
                (server.version, server.sessions) = (*version, BTreeMap::new())
            }
            _ => {}
        }
        self.views.observe(node, event)
    }

    fn server(&mut self, node: NodeId) -> &mut Server {
        self.servers.get_mut(&node).expect("only servers under watch are asked for")
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Place> {
        assert!(slot > Slot::ZERO, "slots count from 1");
        if slot <= self.slots_forgotten {
            return None;
        }
        if self.places.len() >= SLOTS_MAX && !self.places.contains_key(&slot) {
            let (oldest, _) = self.places.pop_first().expect("a full map is not empty");
            self.slots_forgotten = self.slots_forgotten.max(oldest);
            for server in self.servers.values_mut() {
                server.accepted.remove(&oldest);
            }
        }
        Some(self.places.or_default(slot))
    }

    fn on_booted(
        &mut self,
        node: NodeId,
        promised: Ballot,
        accepted: &[(Slot, Ballot)],
        snapshot: Slot,
        learner: bool,
    ) -> Result<(), Breach> {
        let server = self.server(node);
        require(learner || !server.must_learn, "X9", || {
            format!("{node} lost its disk and booted as if it had not")
        })?;
        server.is_learner = learner;
        if !server.is_excused {
            let sent = server.promised;
            require(promised >= sent, "X8", || {
                format!("{node} sent ballot {sent} and booted with {promised}")
            })?;
            let held: BTreeMap<Slot, Ballot> = accepted.iter().copied().collect();
            for (slot, ballot) in server.accepted.iter() {
                let is_held = *slot <= snapshot || held.get(slot).is_some_and(|held| held >= ballot);
                require(is_held, "X8", || {
                    format!(
                        "{node} reported {slot} accepted in {ballot} and booted with {:?}",
                        held.get(slot)
                    )
                })?;
            }
            let durable = server.snapshot;
            require(snapshot >= durable, "X3", || {
                format!("{node} had a snapshot up to {durable} and booted with one up to {snapshot}")
            })?;
        }
        server.promised = promised;
        server.accepted.retain(|slot, _| !learner && *slot > snapshot);
        (server.snapshot, server.committed, server.applied, server.version) =
            (snapshot, snapshot, snapshot, 0);
        server.sessions.clear();
        Ok(())
    }

    fn on_leader(&mut self, node: NodeId, ballot: Ballot) -> Result<(), Breach> {
        require(ballot.node == node, "X5", || format!("{node} leads the ballot {ballot} of another"))?;
        let other = self.leaders.insert(ballot, node);
        require(other.is_none(), "X5", || format!("ballot {ballot} has a second leadership"))?;
        if self.leaders.len() > BALLOTS_MAX {
            self.leaders.pop_first();
        }
        Ok(())
    }

    fn on_promise(&mut self, node: NodeId, ballot: Ballot) -> Result<(), Breach> {
        let server = self.server(node);
        require(!server.is_learner, "X9", || format!("{node} lost its disk and promised {ballot}"))?;
        let promised = server.promised;
        require(ballot >= promised, "X3", || format!("{node} promised {promised} and then {ballot}"))?;
        server.promised = ballot;
        Ok(())
    }

    fn on_accepted(&mut self, node: NodeId, ballot: Ballot, slots: &[Slot]) -> Result<(), Breach> {
        let server = self.server(node);
        require(!server.is_learner, "X9", || format!("{node} lost its disk and accepted in {ballot}"))?;
        let promised = server.promised;
        require(ballot >= promised, "X4", || format!("{node} promised {promised} and accepted in {ballot}"))?;
        server.promised = ballot;
        let bit = server.bit;
        for slot in slots {
            let servers = self.servers.len();
            let Some(place) = self.place(*slot) else { continue };
            place.rounds.or_default(ballot).voters |= bit;
            if place.rounds.len() > BALLOTS_MAX {
                place.rounds.pop_first();
            }
            let counted = place.count(*slot, ballot, servers);
            self.server(node).accepted.insert(*slot, ballot);
            counted?;
        }
        Ok(())
    }

    fn on_proposal(&mut self, node: NodeId, ballot: Ballot, slot: Slot, entry: u64) -> Result<(), Breach> {
        require(ballot.node == node, "X5", || format!("{node} proposed in the ballot {ballot} of another"))?;
        let Some(place) = self.place(slot) else { return Ok(()) };
        if let Some((earlier, chosen)) = place.chosen {
            require(ballot <= earlier || chosen == entry, "X7", || {
                format!("{slot} has {chosen:016x} in {earlier}, but {ballot} proposed {entry:016x}")
            })?;
        }
        let proposed = place.rounds.or_default(ballot).proposed.replace(entry);
        require(proposed.is_none_or(|proposed| proposed == entry), "X5", || {
            format!("{ballot} proposed two values at {slot}")
        })
    }

    fn on_chosen(&mut self, node: NodeId, slot: Slot, ballot: Ballot, entry: u64) -> Result<(), Breach> {
        let servers = self.servers.len();
        let Some(place) = self.place(slot) else { return Ok(()) };
        let proposed = place.rounds.get(&ballot).and_then(|round| round.proposed);
        require(place.has_majority(ballot, servers) && proposed == Some(entry), "X2", || {
            format!("{node} took {slot} for chosen in {ballot}, which no majority accepted")
        })
    }

    fn on_committed(&mut self, node: NodeId, slot: Slot) -> Result<(), Breach> {
        let server = self.server(node);
        let before = server.committed;
        require(slot > before, "X3", || format!("{node} committed {before} and then {slot}"))?;
        server.committed = slot;
        Ok(())
    }

    /// A snapshot became durable. It never falls back, and holds nothing that was not applied or came from a peer.
    fn on_snapshot_written(&mut self, node: NodeId, last: Slot) -> Result<(), Breach> {
        let server = self.server(node);
        let (before, committed) = (server.snapshot, server.committed);
        require(last > before, "X3", || format!("{node} has snapshots up to {before} and then {last}"))?;
        require(last <= committed, "X3", || {
            format!("{node} has a snapshot up to {last} but committed only {committed}")
        })?;
        server.snapshot = last;
        server.accepted.forget_up_to(&last);
        Ok(())
    }

    /// A replica goes on from a snapshot: it must be the state that everybody has at that slot.
    fn on_snapshot_restored(
        &mut self,
        node: NodeId,
        last: Slot,
        state: u64,
        version: u64,
    ) -> Result<(), Breach> {
        let server = self.server(node);
        let before = server.applied;
        require(last >= before, "X3", || format!("{node} applied {before} and went back to {last}"))?;
        (server.applied, server.version) = (last, version);
        // What they hold is judged by the state's digest and by the versions that follow.
        server.sessions.clear();
        self.version_restored = self.version_restored.max(version);
        let Some(place) = self.place(last) else { return Ok(()) };
        let other = *place.state.get_or_insert(state);
        require(other == state, "X6", || {
            format!(
                "{node} is in state {state:016x} by a snapshot up to {last}, another replica in {other:016x}"
            )
        })
    }

    fn on_applied(&mut self, node: NodeId, slot: Slot, entry: u64, state: u64) -> Result<(), Breach> {
        let server = self.server(node);
        let (before, committed) = (server.applied, server.committed);
        require(slot == before.next(), "X3", || format!("{node} applied {before} and then {slot}"))?;
        require(slot <= committed, "X3", || format!("{node} applied {slot} but committed only {committed}"))?;
        server.applied = slot;
        let Some(place) = self.place(slot) else { return Ok(()) };
        let Some((ballot, chosen)) = place.chosen else {
            return require(false, "X2", || format!("{node} applied {slot}, which no majority accepted"));
        };
        require(chosen == entry, "X1", || {
            format!("{node} applied {entry:016x} at {slot}, but {chosen:016x} was chosen in {ballot}")
        })?;
        let other = *place.state.get_or_insert(state);
        require(other == state, "X6", || {
            format!("{node} is in state {state:016x} after {slot}, another replica in {other:016x}")
        })
    }

    fn on_executed(&mut self, node: NodeId, version: u64, mutation: Mutation) -> Result<(), Breach> {
        let server = self.server(node);
        let Mutation { client, seq, reply } = mutation;
        let before = server.version;
        require(version == before + 1, "E2", || format!("{node} went from version {before} to {version}"))?;
        server.version = version;
        let last = server.sessions.insert(client, seq).unwrap_or(0);
        require(last < seq, "E1", || format!("{node} executed {client}:{last} and then {client}:{seq}"))?;
        let is_backup = server.is_backup;
        if self.mutations.get(&version) == Some(&mutation) {
            // As another server said before: of a mutation's executions, all but the first.
            if !is_backup {
                self.tentative.remove(&version);
            }
            return Ok(());
        }
        if version <= self.versions_forgotten || !self.counts(is_backup, version, mutation) {
            return Ok(());
        }
        let known = *self.mutations.or_insert_with(version, || mutation);
        require((known.client, known.seq) == (client, seq), "E2", || {
            format!("version {version} is {}:{} and, on {node}, {client}:{seq}", known.client, known.seq)
        })?;
        require(known.reply == reply, "E3", || format!("{client}:{seq} has another reply on {node}"))?;
        let other = *self.versions.entry((client, seq)).or_insert(version);
        require(other == version, "E2", || {
            format!("{client}:{seq} is version {other} and version {version}")
        })?;
        if self.mutations.len() > MUTATIONS_MAX {
            let (oldest, forgotten) = self.mutations.pop_first().expect("a full map is not empty");
            self.versions.remove(&(forgotten.client, forgotten.seq));
            self.tentative.remove(&oldest);
            self.versions_forgotten = oldest;
        }
        Ok(())
    }

    /// Whether an execution is to be compared with what is known. What only backups executed gives way; what a backup
    /// executed and its primary did not says nothing.
    fn counts(&mut self, is_backup: bool, version: u64, mutation: Mutation) -> bool {
        let Mutation { client, seq, .. } = mutation;
        let elsewhere = self.versions.get(&(client, seq)).copied().filter(|other| *other != version);
        let differs = |known: &Mutation| (known.client, known.seq) != (client, seq);
        let in_its_place = self.mutations.get(&version).filter(|known| differs(known)).map(|_| version);
        for conflict in [elsewhere, in_its_place].into_iter().flatten() {
            if self.tentative.remove(&conflict) {
                let known = self.mutations.remove(&conflict).expect("what is tentative is known");
                self.versions.remove(&(known.client, known.seq));
            } else if is_backup {
                return false;
            }
        }
        if !is_backup {
            self.tentative.remove(&version);
        } else if !self.mutations.contains_key(&version) {
            self.tentative.insert(version);
        }
        true
    }

    fn on_reply(&mut self, node: NodeId, sent: Mutation) -> Result<(), Breach> {
        let Mutation { client, seq, reply } = sent;
        let Some(version) = self.versions.get(&(client, seq)) else {
            return require(self.versions_forgotten > 0 || self.is_version_missing(), "E4", || {
                format!("{node} answered {client}:{seq}, which nobody had executed")
            });
        };
        let executed = self.mutations.get(version).expect("both maps know the same mutations");
        require(executed.reply == reply, "E3", || {
            format!("{node} answered {client}:{seq} otherwise than it was executed")
        })
    }

    /// Whether some mutation is known by its effect only: whoever executed it crashed once the snapshot with it was
    /// durable and before anything else came out, and nobody else needed the entry.
    fn is_version_missing(&self) -> bool {
        let known = self.mutations.range(..=self.version_restored).count() as u64;
        known < self.version_restored
    }

    /// Whether a server is under watch.
    pub fn watches(&self, node: NodeId) -> bool {
        self.servers.contains_key(&node)
    }

    /// The ids of the servers under watch.
    pub fn servers(&self) -> Vec<NodeId> {
        self.servers.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::*;

    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);

    fn ballot(round: u64, node: u32) -> Ballot {
        Ballot { round, node: NodeId(node) }
    }

    fn booted(promised: Ballot, accepted: &[(Slot, Ballot)], learner: bool) -> Event {
        let (accepted, snapshot) = (Arc::from(accepted), Slot::ZERO);
        Event::Booted { incarnation: 1, promised, accepted, snapshot, learner }
    }

    fn proposal(round: u64, node: u32, entry: u64) -> (NodeId, Event) {
        (NodeId(node), Event::ProposalSent { ballot: ballot(round, node), slot: Slot(1), entry })
    }

    fn accepted(by: u32, round: u64, node: u32) -> (NodeId, Event) {
        (NodeId(by), Event::AcceptedSent { ballot: ballot(round, node), slots: [Slot(1)].into() })
    }

    fn applied(by: u32, entry: u64, state: u64) -> [(NodeId, Event); 2] {
        let committed = Event::Committed { slot: Slot(1) };
        [(NodeId(by), committed), (NodeId(by), Event::Applied { slot: Slot(1), entry, state })]
    }

    fn executed(by: u32, client: u64, seq: u64, version: u64, reply: u64) -> (NodeId, Event) {
        let client = ClientId(client);
        (NodeId(by), Event::Executed { client, seq, version, mutation: true, reply })
    }

    /// The invariant that the last of these events breaks; none of the earlier may break any.
    fn verdict(events: &[(NodeId, Event)]) -> Option<&'static str> {
        let mut monitor = Monitor::new([ONE, TWO, NodeId(3)]);
        let (last, before) = events.split_last().expect("a script has events");
        for (node, event) in before {
            monitor.observe(*node, event).expect("only the last event breaks an invariant");
        }
        monitor.observe(last.0, &last.1).err().map(|breach| breach.invariant)
    }

    #[test]
    fn clean_agreement_passes() {
        let mut events = [proposal(1, 1, 7), accepted(1, 1, 1), accepted(2, 1, 1)].to_vec();
        events.push((ONE, Event::Chosen { slot: Slot(1), ballot: ballot(1, 1), entry: 7 }));
        events.extend(applied(1, 7, 99));
        events.extend(applied(2, 7, 99));
        events.extend([proposal(2, 2, 7), executed(1, 5, 1, 1, 3), executed(2, 5, 1, 1, 3)]);
        assert_eq!(verdict(&events), None);
    }

    #[test]
    fn agreement_breaches() {
        let chosen = [proposal(1, 1, 7), accepted(1, 1, 1), accepted(2, 1, 1)];
        let after = |more: &[(NodeId, Event)]| verdict(&[&chosen[..], more].concat());
        assert_eq!(after(&[proposal(2, 2, 8)]), Some("X7"));
        assert_eq!(after(&[proposal(1, 1, 8)]), Some("X5"));
        assert_eq!(after(&applied(1, 8, 0)), Some("X1"));
        assert_eq!(after(&[applied(1, 7, 0), applied(2, 7, 1)].concat()), Some("X6"));
        assert_eq!(verdict(&[&chosen[..2], &applied(1, 7, 0)].concat()), Some("X2"));
        assert_eq!(after(&[(ONE, Event::PromiseSent { ballot: ballot(0, 2) })]), Some("X3"));
        let promised = (NodeId(3), Event::PromiseSent { ballot: ballot(2, 2) });
        assert_eq!(after(&[promised, accepted(3, 1, 1)]), Some("X4"));
        let leader = |by| (by, Event::Leader { ballot: ballot(1, 1), recovered: Slot(0) });
        assert_eq!(verdict(&[leader(ONE), leader(ONE)]), Some("X5"));
    }

    /// Two majorities in two ballots with two values are found even if no node notices.
    #[test]
    fn unnoticed_double_choice_is_found() {
        let events =
            [proposal(1, 1, 7), proposal(2, 2, 8), accepted(1, 1, 1), accepted(2, 2, 2), accepted(3, 1, 1)];
        assert_eq!(verdict(&events), Some("X7"));
    }

    #[test]
    fn forgetful_restart_is_found() {
        let sent = accepted(2, 1, 1);
        let verdict_of = |event| verdict(&[sent.clone(), (TWO, event)]);
        assert_eq!(verdict_of(booted(ballot(1, 1), &[(Slot(1), ballot(1, 1))], false)), None);
        assert_eq!(verdict_of(booted(ballot(1, 1), &[], false)), Some("X8"));
        assert_eq!(verdict_of(booted(Ballot::ZERO, &[(Slot(1), ballot(1, 1))], false)), Some("X8"));
    }

    #[test]
    fn wiped_replica_must_learn() {
        let mut monitor = Monitor::new([ONE, TWO, NodeId(3)]);
        let (node, event) = accepted(2, 1, 1);
        assert_eq!(monitor.observe(node, &event), Ok(()));
        monitor.expect_learner(TWO);
        assert_eq!(monitor.observe(TWO, &booted(Ballot::ZERO, &[], true)), Ok(()));
        let breach = monitor.observe(node, &event).expect_err("a learner never votes");
        assert_eq!(breach.invariant, "X9");
    }

    #[test]
    fn session_breaches() {
        let first = executed(1, 5, 1, 1, 3);
        let reply =
            |digest| (ONE, Event::ReplySent { client: ClientId(5), seq: 1, mutation: true, reply: digest });
        assert_eq!(verdict(&[first.clone(), executed(1, 5, 1, 2, 3)]), Some("E1"));
        assert_eq!(verdict(&[first.clone(), executed(2, 6, 1, 1, 3)]), Some("E2"));
        assert_eq!(verdict(&[first.clone(), executed(2, 6, 1, 2, 3)]), Some("E2"));
        assert_eq!(verdict(&[first.clone(), executed(2, 5, 1, 1, 4)]), Some("E3"));
        assert_eq!(verdict(&[first.clone(), reply(4)]), Some("E3"));
        assert_eq!(verdict(&[first, reply(3)]), None);
        assert_eq!(verdict(&[reply(3)]), Some("E4"));
    }
}
