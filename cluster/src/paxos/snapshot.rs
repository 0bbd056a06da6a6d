//! Snapshots: what stands for the log up to a slot, how the disk shrinks to it, and its way to a peer that lags.
//!
//! The state is opaque bytes: the owner makes them of what it applied, and takes them over after a boot or an
//! installation. The disk changes from entries to a snapshot in one replacement, so that a crash leaves either. A
//! snapshot travels in pages, each asked for by the acknowledgement of the one before; it is installed only where it
//! is news, keeps every acceptance above it, and never touches the promise.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Ballot, Command, Config, Entry, Message, Outlet, Paxos, Record, Role, Slot};
use crate::bugs::Bug;
use crate::event::{Event, StepDownReason};
use crate::node::NodeId;

/// A state machine after a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last slot that was applied.
    pub last: Slot,
    /// The state afterwards, as its owner encodes it.
    #[serde(with = "crate::bytes")]
    pub state: Arc<[u8]>,
}

/// Part of a snapshot on the wire.
pub(super) struct Page {
    pub(super) last: Slot,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) bytes: Arc<[u8]>,
}

/// A snapshot of which a part has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Incoming {
    from: NodeId,
    last: Slot,
    size: u64,
    bytes: Vec<u8>,
    /// How often it was asked for since the last page came.
    resumed: u8,
}

/// The latest snapshot, and those on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Transfers {
    latest: Option<Snapshot>,
    /// Whether the owner has yet to take it over.
    is_news: bool,
    /// What each peer is being sent: it stays the same although newer ones are taken, or a slow peer would start over
    /// for ever. At most one per peer.
    outgoing: BTreeMap<NodeId, Snapshot>,
    incoming: Option<Incoming>,
}

/// What a page is to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipt {
    Starts,
    Continues,
    Repeats,
}

/// How often a transfer that makes no progress is resumed before it starts over.
const RESUMED_MAX: u8 = 5;

impl Transfers {
    /// A snapshot that came from the disk or from a peer: the owner has to take it over.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        self.latest = Some(snapshot);
        self.is_news = true;
        self.incoming = None;
    }

    /// How far a transfer from this peer is, if there is one that still makes progress.
    pub(super) fn resume(&mut self, peer: NodeId) -> Option<(Slot, u64)> {
        let incoming = self.incoming.as_mut().filter(|incoming| incoming.from == peer)?;
        incoming.resumed += 1;
        let progress = (incoming.last, incoming.bytes.len() as u64);
        if incoming.resumed > RESUMED_MAX {
            self.incoming = None;
            return None;
        }
        Some(progress)
    }

    /// Takes a page in, unless it does not follow what is there.
    fn receive(&mut self, from: NodeId, page: &Page) -> Receipt {
        let is_same = |known: &Incoming| (known.from, known.last) == (from, page.last);
        let starts = page.offset == 0 && !self.incoming.as_ref().is_some_and(is_same);
        if starts {
            let (last, size) = (page.last, page.size);
            self.incoming = Some(Incoming { from, last, size, bytes: Vec::new(), resumed: 0 });
        }
        match self.incoming.as_mut().filter(|known| is_same(known)) {
            Some(incoming) if incoming.bytes.len() as u64 == page.offset => {
                incoming.bytes.extend_from_slice(&page.bytes);
                incoming.resumed = 0;
                if starts { Receipt::Starts } else { Receipt::Continues }
            }
            _ => Receipt::Repeats,
        }
    }

    /// The incoming snapshot, once all of it is there.
    fn take_whole(&mut self) -> Option<Snapshot> {
        let incoming = self.incoming.take_if(|incoming| incoming.bytes.len() as u64 >= incoming.size)?;
        Some(Snapshot { last: incoming.last, state: incoming.bytes.into() })
    }
}

impl<C: Command> Paxos<C> {
    /// Whether so much was applied since the last snapshot that it is time for another.
    pub fn is_compaction_due(&self, config: &Config, applied: Slot) -> bool {
        assert!(
            config.limits.compaction_slots < config.limits.log_slots_max,
            "snapshots come before the log is full"
        );
        applied.0.saturating_sub(self.log.base().0) > config.limits.compaction_slots
    }

    /// Puts a snapshot in the place of the entries up to its last slot, in memory and, in one piece, on the disk.
    pub fn compact(&mut self, config: &Config, snapshot: Snapshot, effects: &mut impl Outlet<C>) {
        let (last, bytes) = (snapshot.last, snapshot.state.len() as u64);
        self.log.cut(last);
        if config.bugs.has(Bug::CutAtAccepted) {
            self.log.forget_accepted();
        }
        self.transfers.latest = Some(snapshot);
        self.write_snapshot(config, Bug::CompactionInTwoSteps, effects);
        effects.event(Event::SnapshotWritten { last, bytes });
    }

    /// The snapshot that the owner must take over before it applies anything else: after a boot, and after an
    /// installation.
    pub fn take_restored(&mut self) -> Option<Snapshot> {
        if !core::mem::take(&mut self.transfers.is_news) {
            return None;
        }
        self.transfers.latest.clone()
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.transfers.latest.as_ref()
    }

    /// Everything that this replica's disk has to hold.
    pub fn records(&self, config: &Config) -> Vec<Record<C>> {
        let identity = self.votes.then_some(Record::Identity { node: config.id });
        let promise = self.votes.then_some(Record::Promise { ballot: self.promised });
        let snapshot = self.transfers.latest.clone().map(Record::Snapshot);
        let accept = |(slot, ballot, entry): (Slot, Ballot, &Entry<C>)| Record::Accept {
            slot,
            ballot,
            entry: entry.clone(),
        };
        let before = identity.into_iter().chain(promise).chain(snapshot);
        before.chain(self.log.accepted().map(accept)).collect()
    }

    /// Replaces the disk by what this replica knows: a crash finds all of the old, or all of the new.
    fn write_snapshot(&mut self, config: &Config, deferring: Bug, effects: &mut impl Outlet<C>) {
        assert!(self.transfers.latest.is_some(), "there is a snapshot to write");
        let mut records = self.records(config);
        if config.bugs.has(deferring) {
            let is_snapshot = |record: &mut Record<C>| matches!(record, Record::Snapshot(_));
            self.deferred.extend(records.extract_if(.., is_snapshot));
        }
        effects.replace(records);
    }

    /// Sends the first page to a peer that asked for a slot which is here no more.
    pub(super) fn offer_snapshot(
        &mut self,
        config: &Config,
        to: NodeId,
        wanted: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        let latest = self.transfers.latest.as_ref().expect("a snapshot stands for what was cut");
        let offered = self.transfers.outgoing.entry(to).or_insert_with(|| latest.clone());
        if offered.last < wanted {
            *offered = latest.clone();
        }
        assert!(offered.last >= wanted, "what is offered covers what was asked for");
        let snapshot = offered.clone();
        self.send_page(config, to, &snapshot, 0, effects);
    }

    fn send_page(
        &self,
        config: &Config,
        to: NodeId,
        snapshot: &Snapshot,
        offset: usize,
        effects: &mut impl Outlet<C>,
    ) {
        let end = snapshot.state.len().min(offset + config.limits.batch_bytes_max);
        assert!(offset <= end, "a page lies within its snapshot");
        effects.send(
            to,
            Message::InstallSnapshot {
                last: snapshot.last,
                size: snapshot.state.len() as u64,
                offset: offset as u64,
                bytes: snapshot.state[offset..end].into(),
                commit: self.log.commit(),
            },
        );
    }

    /// A peer has so much of a snapshot: send more, if there is more.
    pub(super) fn on_snapshot_ack(
        &mut self,
        config: &Config,
        from: NodeId,
        last: Slot,
        received: u64,
        effects: &mut impl Outlet<C>,
    ) {
        let outgoing = self.transfers.outgoing.get(&from).or(self.transfers.latest.as_ref());
        let Some(snapshot) = outgoing.filter(|snapshot| snapshot.last == last).cloned() else { return };
        match usize::try_from(received) {
            Ok(offset) if offset < snapshot.state.len() => {
                self.send_page(config, from, &snapshot, offset, effects);
            }
            _ => drop(self.transfers.outgoing.remove(&from)),
        }
    }

    /// A page came: ask for the next, or install what is complete.
    pub(super) fn on_install_snapshot(
        &mut self,
        config: &Config,
        from: NodeId,
        page: Page,
        commit: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        self.asked = None;
        let Page { last, size, offset, .. } = page;
        if last <= self.log.commit() && !config.bugs.has(Bug::OldSnapshotInstalled) {
            // It was overtaken on its way. Installing it would undo what was applied since.
            effects.send(from, Message::SnapshotAck { last, received: size });
            return;
        }
        let receipt = self.transfers.receive(from, &page);
        if receipt == Receipt::Starts {
            effects.event(Event::SnapshotInstalling { last, bytes: size });
        }
        if let Some(snapshot) = self.transfers.take_whole() {
            self.install(config, snapshot, effects);
            effects.send(from, Message::SnapshotAck { last, received: size });
            self.prepare_above_snapshot(config, from, effects);
            self.ask(from, commit, effects);
        } else if (receipt != Receipt::Repeats || offset == 0)
            && let Some((last, received)) = self.transfers.resume(from)
        {
            // A repeated page is not acknowledged again, or each duplicate would double all that follow; but a first
            // page is an offer to begin, and the answer says where.
            effects.send(from, Message::SnapshotAck { last, received });
        }
    }

    fn install(&mut self, config: &Config, snapshot: Snapshot, effects: &mut impl Outlet<C>) {
        let last = snapshot.last;
        // Slots that this leader proposed in were chosen without it. Whether with its entries is not to be known any
        // more, so its commit must not speak for those who accepted them.
        let superseded = matches!(&self.role, Role::Leader(leader) if last > leader.inherited());
        self.log.install(last);
        if config.bugs.has(Bug::InstallDropsAccepted) {
            self.log.forget_accepted();
        }
        if config.bugs.has(Bug::InstallResetsPromise) {
            self.promised = self.log.accepted().map(|(_, ballot, _)| ballot).max().unwrap_or(Ballot::ZERO);
        }
        self.transfers.restore(snapshot);
        self.write_snapshot(config, Bug::SnapshotAckedBeforeSync, effects);
        effects.event(Event::Committed { slot: self.log.commit() });
        if superseded {
            self.step_down(config, StepDownReason::Preempted, effects);
        }
        self.forget_chosen_proposals();
    }
}
