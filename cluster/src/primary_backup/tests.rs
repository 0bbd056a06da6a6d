//! Servers and view service together on a table: every message is delivered, held back or repeated by hand.
//!
//! These are the staged schedules; random ones are the harness's business. Everything that nodes emit is watched by the
//! monitor.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::*;
use crate::app::{Operation, Reply};
use crate::bugs::Bug;
use crate::invariants::{Breach, Monitor};
use crate::message::Message as Wire;
use crate::node::{Output, Write};
use crate::replica::ServerView;
use crate::session::{ClientId, Outcome, Request};
use crate::view::{Member, View};

mod walks;

const SERVICE: NodeId = NodeId(1);
const A: NodeId = NodeId(2);
const B: NodeId = NodeId(3);
const C: NodeId = NodeId(4);
const CLIENT: NodeId = NodeId(NodeId::FIRST_CLIENT);

/// A message under way.
#[derive(Clone, Debug)]
struct Letter {
    from: NodeId,
    to: NodeId,
    message: Wire,
}

/// A view service, three servers, and everything that is under way between them.
struct Table {
    hosts: Vec<NodeId>,
    bugs: Bugs,
    nodes: BTreeMap<NodeId, Host>,
    disks: BTreeMap<NodeId, Vec<Stored<ViewRecord>>>,
    boots: BTreeMap<NodeId, u64>,
    letters: Vec<Letter>,
    answers: Vec<(u64, Reply)>,
    monitor: Monitor,
    breaches: Vec<Breach>,
    /// Letters that match are held back.
    held: fn(&Letter) -> bool,
}

impl Table {
    fn new(servers: u32, bugs: &[Bug]) -> Self {
        let hosts: Vec<NodeId> = (1..=servers + 1).map(NodeId).collect();
        let mut table = Self {
            bugs: Bugs::of(bugs),
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            boots: BTreeMap::new(),
            letters: Vec::new(),
            answers: Vec::new(),
            monitor: Monitor::new(hosts.iter().copied()),
            breaches: Vec::new(),
            held: |_| false,
            hosts: hosts.clone(),
        };
        for host in hosts {
            let records = identity_records(&table.config(host)).into_iter();
            let stored = records.map(|record| Stored { record: Some(record), intact: true });
            table.disks.insert(host, stored.collect());
            table.boot(host);
        }
        table
    }

    /// A table on which A is primary and B is backup, in step, and C spare.
    fn settled(bugs: &[Bug]) -> Self {
        let mut table = Self::new(3, bugs);
        table.intervals(3, &[A, B, C]);
        assert_eq!(table.view().map(|view| (view.num, view.primary.server)), Some((2, A)));
        assert!(table.server(A).holds(2) && table.server(B).holds(2));
        table
    }

    fn config(&self, host: NodeId) -> HostConfig {
        HostConfig::new(host, &self.hosts, self.bugs)
    }

    fn boot(&mut self, host: NodeId) {
        let boot = self.boots.entry(host).or_default();
        *boot += 1;
        let mut effects = Effects::new();
        let node = Host::boot(
            &HostConfig::new(host, &self.hosts, self.bugs),
            *boot,
            &self.disks[&host],
            &mut effects,
        );
        self.nodes.insert(host, node);
        self.take(host, effects);
    }

    fn crash(&mut self, host: NodeId) {
        self.nodes.remove(&host);
    }

    fn step(&mut self, host: NodeId, input: Input<Host>) {
        let config = self.config(host);
        let Some(node) = self.nodes.get_mut(&host) else { return };
        let mut effects = Effects::new();
        node.on(&config, Micros(0), input, &mut effects);
        self.take(host, effects);
    }

    fn take(&mut self, host: NodeId, effects: Effects<Host>) {
        let disk = self.disks.get_mut(&host).expect("every host has a disk");
        for write in effects.writes {
            let stored = |record| Stored { record: Some(record), intact: true };
            match write {
                Write::Append(record) => disk.push(stored(record)),
                Write::Replace(records) => *disk = records.into_iter().map(stored).collect(),
            }
        }
        for output in effects.outputs {
            match output {
                Output::Send { to: CLIENT, message: Wire::Response { seq, outcome, .. } } => {
                    if let Outcome::Reply(reply) = outcome {
                        self.answers.push((seq, reply));
                    }
                }
                Output::Send { to, message } => self.letters.push(Letter { from: host, to, message }),
                Output::Event(event) => self.breaches.extend(self.monitor.observe(host, &event).err()),
                Output::Answer(nothing) => match nothing {},
            }
        }
    }

    /// Delivers everything that is not held back, in order, and what follows from it.
    fn deliver(&mut self) {
        while let Some(place) = self.letters.iter().position(|letter| !(self.held)(letter)) {
            let letter = self.letters.remove(place);
            self.hand(letter);
        }
    }

    fn hand(&mut self, letter: Letter) {
        self.step(letter.to, Input::Message { from: letter.from, message: letter.message });
    }

    /// Lets go of what is held back.
    fn release(&mut self) {
        self.held = |_| false;
        self.deliver();
    }

    /// Intervals of the view service in which these servers ping and send again what was not acknowledged.
    fn intervals(&mut self, count: u32, alive: &[NodeId]) {
        for _ in 0..count {
            for server in alive {
                self.step(*server, Input::Timer(HostTimer::Server(ServerTimer::Ping)));
                self.step(*server, Input::Timer(HostTimer::Server(ServerTimer::Resend)));
                self.deliver();
            }
            self.step(SERVICE, Input::Timer(HostTimer::ViewService(ViewTimer::Interval)));
            self.deliver();
        }
    }

    fn ask(&mut self, server: NodeId, seq: u64, operation: Operation) {
        let request = Request { client: ClientId(7), seq, operation };
        self.step(server, Input::Message { from: CLIENT, message: Wire::Request(request) });
        self.deliver();
    }

    fn append(&mut self, server: NodeId, seq: u64) {
        let element = i64::try_from(seq).expect("small");
        self.ask(server, seq, Operation::Append { key: "k".into(), element });
    }

    fn server(&self, host: NodeId) -> &Server {
        match &self.nodes[&host] {
            Host::Server(server) => server,
            Host::ViewService(_) => panic!("{host} is the view service"),
        }
    }

    fn view(&self) -> Option<View> {
        match self.nodes.get(&SERVICE) {
            Some(Host::ViewService(service)) => service.view(),
            _ => None,
        }
    }

    fn list(&self, host: NodeId) -> Vec<i64> {
        self.server(host).shard().data().get(&"k".into()).map_or(Vec::new(), |value| value.to_vec())
    }

    fn running(&self) -> Vec<Option<&Host>> {
        self.hosts.iter().map(|host| self.nodes.get(host)).collect()
    }
}

fn is_forward(letter: &Letter) -> bool {
    matches!(letter.message, Wire::PrimaryBackup(Message::Forward { .. }))
}

fn is_transfer(letter: &Letter) -> bool {
    matches!(letter.message, Wire::PrimaryBackup(Message::Transfer { .. }))
}

fn is_ack(letter: &Letter) -> bool {
    matches!(letter.message, Wire::PrimaryBackup(Message::ForwardAck { .. }))
}

/// Between A and the view service.
fn is_unheard(letter: &Letter) -> bool {
    (letter.from, letter.to) == (A, SERVICE) || (letter.from, letter.to) == (SERVICE, A)
}

#[test]
fn both_copies_execute_and_the_primary_answers() {
    let mut table = Table::settled(&[]);
    table.append(A, 1);
    assert_eq!(table.answers, [(1, Reply::Done)]);
    assert_eq!((table.list(A), table.list(B), table.list(C)), (Vec::from([1]), Vec::from([1]), Vec::new()));
    assert!(Host::are_settled(&table.running()), "{:?}", table.running());
    assert_eq!(table.breaches, []);
}

#[test]
fn nothing_is_answered_before_the_backup_has_it() {
    for (bugs, early) in [(&[][..], 0), (&[Bug::ReplyBeforeForwardAck][..], 1)] {
        let mut table = Table::settled(bugs);
        table.held = is_forward;
        table.append(A, 1);
        assert_eq!(table.answers.len(), early, "{bugs:?}");
        assert_eq!(table.breaches.len(), early, "{bugs:?}");
    }
}

#[test]
fn reads_are_forwarded_too() {
    for (bugs, early) in [(&[][..], 0), (&[Bug::ReadNotForwarded][..], 1)] {
        let mut table = Table::settled(bugs);
        table.held = is_forward;
        table.ask(A, 1, Operation::Get { key: "k".into() });
        assert_eq!(table.answers.len(), early, "{bugs:?}");
    }
}

#[test]
fn replicas_are_equal_after_a_failover() {
    let mut table = Table::settled(&[]);
    (1..=3).for_each(|seq| table.append(A, seq));
    table.crash(A);
    table.intervals(4, &[B, C]);
    assert_eq!(
        table.view().map(|view| (view.primary.server, view.backup)),
        Some((B, Some(Member { server: C, boot: 1 })))
    );
    table.append(B, 4);
    assert_eq!(table.list(B), [1, 2, 3, 4]);
    assert_eq!(table.server(B).shard().digest(), table.server(C).shard().digest());
    // A second failover, to whom was a spare at first.
    table.boot(A);
    table.crash(B);
    table.intervals(4, &[A, C]);
    table.append(C, 5);
    assert_eq!((table.list(C), table.list(A)), (Vec::from([1, 2, 3, 4, 5]), Vec::from([1, 2, 3, 4, 5])));
    assert_eq!(table.answers.len(), 5);
    assert_eq!(table.breaches, []);
}

#[test]
fn a_retry_after_a_failover_is_not_executed_again() {
    for (bugs, times) in [(&[][..], 1), (&[Bug::TransferWithoutSessions][..], 2)] {
        let mut table = Table::settled(bugs);
        table.append(A, 1);
        table.crash(B);
        table.intervals(4, &[A, C]);
        table.crash(A);
        table.boot(B);
        table.intervals(4, &[B, C]);
        table.append(C, 1);
        assert_eq!(table.list(C).len(), times, "{bugs:?}");
        assert_eq!(table.breaches.is_empty(), bugs.is_empty());
    }
}

/// All copies are lost: whoever starts anew holds nothing, and must not answer as if nothing had been.
#[test]
fn nobody_serves_after_all_copies_died() {
    let mut table = Table::settled(&[]);
    table.append(A, 1);
    for server in [A, B, C] {
        table.crash(server);
        table.boot(server);
    }
    table.intervals(10, &[A, B, C]);
    for server in [A, B, C] {
        table.append(server, 2);
    }
    assert_eq!(table.answers.len(), 1, "only the answer from before");
    assert_eq!(table.breaches, []);
}

/// The primary is cut off from the view service, not from its backup; a request to it is late.
#[test]
fn a_deposed_primary_answers_nothing() {
    for (bugs, answered) in [(&[][..], false), (&[Bug::BackupIgnoresView][..], true)] {
        let mut table = Table::settled(bugs);
        table.held = is_unheard;
        table.intervals(4, &[A, B, C]);
        assert_eq!(table.view().map(|view| view.primary.server), Some(B));
        assert!(table.server(A).is_serving(), "it does not know");
        table.append(B, 1);
        assert_eq!(table.answers.len(), 1);
        table.ask(A, 2, Operation::Get { key: "k".into() });
        table.step(A, Input::Timer(HostTimer::Server(ServerTimer::Resend)));
        table.deliver();
        assert_eq!(table.answers.len() == 2, answered, "{bugs:?}");
        table.release();
        table.intervals(2, &[A, B, C]);
        assert_eq!(table.server(A).role(), "idle");
    }
}

/// What the old primary forwarded arrives when its backup is primary itself.
#[test]
fn a_late_forward_of_an_older_view_is_refused() {
    for (bugs, breaches) in [(&[][..], 0), (&[Bug::BackupIgnoresView][..], 1)] {
        let mut table = Table::settled(bugs);
        table.held = is_forward;
        table.append(A, 1);
        table.crash(A);
        table.intervals(4, &[B, C]);
        table.release();
        assert_eq!(table.list(B).len(), breaches, "{bugs:?}");
        assert_eq!(table.breaches.len(), breaches, "{:?}", table.breaches);
    }
}

/// Found by a soak: the old primary sleeps through a failover, and its former backup has restarted since.
#[test]
fn a_restart_of_the_backup_is_no_leave_to_go_on_alone() {
    for (bugs, answers) in [(&[][..], 1), (&[Bug::RestartedBackupSkipped][..], 2)] {
        let mut table = Table::settled(bugs);
        table.held = is_unheard;
        table.intervals(4, &[A, B, C]);
        table.append(B, 1);
        table.crash(B);
        table.boot(B);
        table.ask(A, 2, Operation::Get { key: "k".into() });
        assert_eq!(table.answers.len(), answers, "{bugs:?}");
        assert_eq!(table.breaches.is_empty(), bugs.is_empty(), "{:?}", table.breaches);
    }
}

/// A backup that restarts while it takes over the state is dead, and the view could not change without this primary.
#[test]
fn a_primary_goes_on_when_its_new_backup_restarts() {
    let mut table = Table::new(3, &[]);
    table.held = is_transfer;
    table.intervals(3, &[A, B, C]);
    assert!(!table.server(A).is_serving(), "it waits for its backup");
    table.crash(B);
    table.boot(B);
    table.append(A, 1);
    assert_eq!(table.answers, []);
    table.release();
    assert_eq!(table.answers.len(), 1, "alone");
    table.intervals(3, &[A, B, C]);
    assert!(Host::are_settled(&table.running()));
    assert_eq!(table.view().and_then(|view| view.backup), Some(Member { server: B, boot: 2 }));
    assert_eq!(table.breaches, []);
}

#[test]
fn no_refusal_of_the_same_life_proves_a_death() {
    for (bugs, alone) in [(&[][..], false), (&[Bug::RefusalTakenForDeath][..], true)] {
        let mut table = Table::new(3, bugs);
        // B has not heard of the view yet when its state arrives.
        table.held = |letter| (letter.from, letter.to) == (SERVICE, B);
        table.intervals(3, &[A, B, C]);
        table.append(A, 1);
        assert_eq!(table.server(A).is_serving(), alone, "{bugs:?}");
        assert_eq!(table.breaches.is_empty(), !alone, "{:?}", table.breaches);
    }
}

#[test]
fn no_service_while_the_state_is_on_its_way() {
    for (bugs, answers) in [(&[][..], 0), (&[Bug::ServesBeforeTransfer][..], 1)] {
        let mut table = Table::settled(bugs);
        table.held = is_transfer;
        table.crash(B);
        table.intervals(4, &[A, C]);
        table.append(A, 1);
        assert_eq!(table.answers.len(), answers, "{bugs:?}");
        table.release();
        assert_eq!(table.answers.len(), 1);
        assert_eq!(table.breaches.is_empty(), bugs.is_empty(), "{:?}", table.breaches);
    }
}

#[test]
fn a_view_is_not_acknowledged_before_its_backup_has_the_state() {
    for (bugs, acked) in [(&[][..], false), (&[Bug::AcknowledgedBeforeTransfer][..], true)] {
        let mut table = Table::settled(bugs);
        table.held = is_transfer;
        table.crash(B);
        table.intervals(5, &[A, C]);
        let Host::ViewService(service) = &table.nodes[&SERVICE] else { panic!("the first host") };
        assert_eq!(service.is_acked(), acked, "{bugs:?}");
    }
}

/// A copy of the transfer arrives after operations were executed on top of it.
#[test]
fn a_repeated_transfer_is_not_installed_again() {
    for (bugs, length) in [(&[][..], 1), (&[Bug::TransferInstalledTwice][..], 0)] {
        let mut table = Table::settled(bugs);
        table.crash(B);
        table.held = is_transfer;
        table.intervals(4, &[A, C]);
        let late = table.letters.iter().find(|letter| is_transfer(letter)).cloned().expect("a transfer");
        table.release();
        table.append(A, 1);
        assert_eq!(table.list(C), [1]);
        table.hand(late);
        assert_eq!(table.list(C).len(), length, "{bugs:?}");
        assert_eq!(table.breaches.is_empty(), bugs.is_empty());
    }
}

#[test]
fn a_repeated_forward_is_acknowledged_and_not_executed() {
    for (bugs, opnum) in [(&[][..], 1), (&[Bug::ForwardExecutedAgain][..], 2)] {
        let mut table = Table::settled(bugs);
        table.held = is_ack;
        table.append(A, 1);
        table.step(A, Input::Timer(HostTimer::Server(ServerTimer::Resend)));
        table.deliver();
        assert_eq!(table.letters.iter().filter(|letter| is_ack(letter)).count(), 2);
        assert_eq!(table.server(B).opnum(), opnum, "{bugs:?}");
    }
}

#[test]
fn a_silent_backup_is_waited_for() {
    for (bugs, answers) in [(&[][..], 0), (&[Bug::SilentBackupSkipped][..], 1)] {
        let mut table = Table::settled(bugs);
        table.held = is_forward;
        table.append(A, 1);
        (0..5).for_each(|_| table.step(A, Input::Timer(HostTimer::Server(ServerTimer::Resend))));
        assert_eq!(table.answers.len(), answers, "{bugs:?}");
        assert_eq!(table.breaches.len(), answers);
    }
}

/// Only the second operation reaches the backup, and the first one twice, later.
#[test]
fn forwards_out_of_order_are_executed_in_order() {
    let mut table = Table::settled(&[]);
    table.held = |letter| is_forward(letter) || is_ack(letter);
    table.append(A, 1);
    table.append(A, 2);
    let first = table.letters.iter().find(|letter| is_forward(letter)).cloned().expect("a forward");
    table.release();
    table.hand(first);
    table.deliver();
    assert_eq!((table.list(A), table.list(B)), (Vec::from([1, 2]), Vec::from([1, 2])));
    assert_eq!(table.answers.len(), 2);
    assert_eq!(table.breaches, []);
}

/// The operation under way survives a change of view, and stays the next one.
#[test]
fn what_is_under_way_goes_on_with_the_next_backup() {
    let mut table = Table::settled(&[]);
    table.held = is_ack;
    table.append(A, 1);
    assert_eq!((table.list(B), table.list(A)), (Vec::from([1]), Vec::new()));
    table.crash(B);
    table.letters.clear();
    table.held = |_| false;
    table.intervals(4, &[A, C]);
    assert_eq!((table.list(A), table.list(C)), (Vec::from([1]), Vec::from([1])));
    assert_eq!(table.answers.len(), 1);
    assert_eq!(table.breaches, []);
}

#[test]
fn a_large_state_travels_in_pages() {
    let mut table = Table::settled(&[]);
    table.ask(A, 1, Operation::Put { key: "k".into(), value: (0..30_000).collect() });
    table.crash(B);
    table.held = is_transfer;
    table.intervals(4, &[A, C]);
    let mut pages = 0;
    while let Some(place) = table.letters.iter().position(is_transfer) {
        let letter = table.letters.remove(place);
        assert!(
            postcard::to_allocvec(&letter.message).expect("plain data").len() < 60_000,
            "fits a datagram"
        );
        table.hand(letter);
        table.deliver();
        pages += 1;
    }
    assert!(pages > 2 && table.server(C).holds(3), "{pages} pages");
    assert_eq!(table.list(C).len(), 30_000);
}

#[test]
fn the_fault_model_knows_the_last_copy() {
    let mut table = Table::settled(&[]);
    let place = |host: NodeId| host.0 as usize - 1;
    let may = |table: &Table, host: NodeId| Host::may_stop(&table.running(), place(host), false);
    assert!(may(&table, A).is_err(), "the backup has not pinged in this interval");
    for server in [A, B, C] {
        table.step(server, Input::Timer(HostTimer::Server(ServerTimer::Ping)));
    }
    table.deliver();
    assert_eq!([A, B, C, SERVICE].map(|host| may(&table, host)), [Ok(()); 4]);
    assert!(Host::may_stop(&table.running(), 0, true).is_err(), "its disk is the only one");
    let sheltered = |table: &Table| Host::sheltered(table.running().into_iter());
    assert_eq!(sheltered(&table), []);
    table.crash(B);
    assert_eq!(sheltered(&table), [0, place(A)]);
    assert!(may(&table, A).is_err() && may(&table, SERVICE).is_err() && may(&table, C).is_ok());
    table.held = is_transfer;
    table.intervals(4, &[A, C]);
    assert!(may(&table, A).is_err(), "the new backup has yet to take over");
    table.release();
    table.intervals(1, &[A, C]);
    table.step(C, Input::Timer(HostTimer::Server(ServerTimer::Ping)));
    table.deliver();
    assert_eq!((may(&table, A), sheltered(&table)), (Ok(()), Vec::new()));
    assert_eq!(table.breaches, []);
}
