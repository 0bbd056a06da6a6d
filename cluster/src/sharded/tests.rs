//! The state of shard groups, entry by entry: what moves, what is locked, what is decided.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Assignment, Attempt, Commit, GroupCommand, Transaction, TransactionId};
use super::configuration::{Change, Configuration, GroupId, Groups, ShardId};
use super::state::{Consequence, GroupState, Holding, Step};
use crate::app::{Key, Operation, Reply, Value};
use crate::bugs::{Bug, Bugs};
use crate::node::NodeId;
use crate::paxos::Slot;
use crate::session::{ClientId, Outcome, Request, Shard};

const ONE: GroupId = GroupId(1);
const TWO: GroupId = GroupId(2);
const SHARDS: usize = 2;

/// Two groups and their logs, without anybody who leads them.
struct Script {
    bugs: Bugs,
    states: [GroupState; 2],
    slots: [u64; 2],
}

impl Script {
    /// Configuration 1: the first group serves shard 0, the second shard 1.
    fn new(bugs: &[Bug]) -> Self {
        let mut script = Self {
            bugs: Bugs::of(bugs),
            states: [ONE, TWO].map(|group| GroupState::new(group, SHARDS)),
            slots: [0, 0],
        };
        let first = first_configuration();
        script.apply(ONE, GroupCommand::Configure(Arc::clone(&first)));
        script.apply(TWO, GroupCommand::Configure(first));
        script
    }

    fn state(&self, group: GroupId) -> &GroupState {
        &self.states[group.0 as usize - 1]
    }

    fn apply(&mut self, group: GroupId, command: GroupCommand) -> Vec<Consequence> {
        let place = group.0 as usize - 1;
        self.slots[place] += 1;
        let mut step = Step::new(Slot(self.slots[place]), self.bugs);
        self.states[place].apply(&command, &mut step);
        step.consequences
    }

    /// What the client is told at once.
    fn ask(&mut self, group: GroupId, request: Request) -> Option<Outcome> {
        answer(self.apply(group, GroupCommand::Client(request)))
    }

    /// Begins a transaction of the first group; its attempt.
    fn begin(&mut self, request: &Request) -> Transaction {
        let consequences = self.apply(ONE, GroupCommand::Client(request.clone()));
        assert!(matches!(consequences[..], [Consequence::Begun { .. }]), "{consequences:?}");
        self.state(ONE).coordinating[&id_of(request)].transaction.clone()
    }

    /// The vote of the second group.
    fn prepare(&mut self, transaction: &Transaction) -> Option<Arc<[Assignment]>> {
        let consequences = self.apply(TWO, GroupCommand::Prepare(transaction.clone()));
        match &consequences[..] {
            [Consequence::Vote { values, .. }] => values.clone(),
            other => panic!("a participant votes: {other:?}"),
        }
    }

    fn decide(&mut self, transaction: &Transaction, commit: Option<Commit>) -> Vec<Consequence> {
        let (id, attempt) = (transaction.id(), transaction.attempt);
        self.apply(ONE, GroupCommand::Decide { id, attempt, commit })
    }

    fn finish(&mut self, transaction: &Transaction, commit: Option<Commit>) -> Vec<Consequence> {
        let (id, attempt, coordinator) = (transaction.id(), transaction.attempt, ONE);
        self.apply(TWO, GroupCommand::Finish { id, attempt, commit, coordinator })
    }

    fn inquire(&mut self, transaction: &Transaction) -> Vec<Consequence> {
        let (id, attempt) = (transaction.id(), transaction.attempt);
        self.apply(ONE, GroupCommand::Inquire { id, attempt, from: TWO })
    }

    fn commit_of(&self, transaction: &Transaction, votes: &[Assignment]) -> Commit {
        self.state(ONE).resolve(&transaction.request, votes)
    }
}

fn answer(consequences: Vec<Consequence>) -> Option<Outcome> {
    consequences.into_iter().find_map(|consequence| match consequence {
        Consequence::Answer { outcome, .. } => Some(outcome),
        _ => None,
    })
}

fn first_configuration() -> Arc<Configuration> {
    let groups: Groups = [(ONE, [NodeId(1)].into()), (TWO, [NodeId(2)].into())].into();
    let first = Configuration::empty(SHARDS).changed(&Change::Join(groups), Bugs::NONE, NodeId(1));
    let first = first.expect("groups join");
    assert_eq!(first.shards, [ONE, TWO]);
    Arc::new(first)
}

/// The configuration after shard 0 went to the second group.
fn moved(before: &Configuration, shard: u32, to: GroupId) -> Arc<Configuration> {
    let change = Change::Move { shard: ShardId(shard), to };
    Arc::new(before.changed(&change, Bugs::NONE, NodeId(1)).expect("the shard moves"))
}

/// Some key of a shard.
fn key(shard: u32) -> Key {
    let names = (0..100).map(|number| Key::from(alloc::format!("k{number}")));
    names
        .into_iter()
        .find(|key| ShardId::of(key, SHARDS) == ShardId(shard))
        .expect("some key is in each shard")
}

fn request(client: u64, seq: u64, operation: Operation) -> Request {
    Request { client: ClientId(client), seq, operation }
}

fn append(client: u64, seq: u64, shard: u32) -> Request {
    let element = i64::try_from(client * 100 + seq).expect("small");
    request(client, seq, Operation::Append { key: key(shard), element })
}

fn get(client: u64, seq: u64, shard: u32) -> Request {
    request(client, seq, Operation::Get { key: key(shard) })
}

/// Writes both shards.
fn put_both(client: u64, seq: u64, number: i64) -> Request {
    let value: Value = [number].into();
    let pairs = [(key(0), value.clone()), (key(1), value)].into();
    request(client, seq, Operation::MultiPut { pairs })
}

fn get_both(client: u64, seq: u64) -> Request {
    request(client, seq, Operation::MultiGet { keys: [key(0), key(1)].into() })
}

fn id_of(request: &Request) -> TransactionId {
    TransactionId { client: request.client, seq: request.seq }
}

fn value(elements: &[i64]) -> Option<Outcome> {
    Some(Outcome::Reply(Reply::Value(Some(elements.into()))))
}

const DONE: Option<Outcome> = Some(Outcome::Reply(Reply::Done));

#[test]
fn each_group_serves_its_shards_only() {
    let mut script = Script::new(&[]);
    assert_eq!(script.ask(ONE, append(7, 1, 0)), DONE);
    assert_eq!(script.ask(ONE, append(7, 2, 1)), Some(Outcome::WrongGroup));
    assert_eq!(script.ask(TWO, append(7, 2, 1)), DONE);
    assert_eq!(script.ask(ONE, get(7, 3, 0)), value(&[701]));
}

/// A rejection leaves no mark: the same request is executed where it belongs, and nowhere twice.
#[test]
fn a_shard_moves_with_its_sessions() {
    let mut script = Script::new(&[]);
    script.ask(ONE, append(7, 1, 0));
    let second = moved(&first_configuration(), 0, TWO);
    script.apply(ONE, GroupCommand::Configure(Arc::clone(&second)));
    script.apply(TWO, GroupCommand::Configure(second));
    assert_eq!(script.ask(ONE, get(8, 1, 0)), Some(Outcome::WrongGroup), "frozen");
    assert_eq!(script.ask(TWO, get(8, 1, 0)), Some(Outcome::WrongGroup), "not there yet");
    let Some(Holding::Outgoing { to: TWO, frozen }) = script.state(ONE).holdings().get(&ShardId(0)) else {
        panic!("the shard waits to be taken over")
    };
    let payload = Arc::clone(frozen);
    let install = GroupCommand::Install { num: 2, shard: ShardId(0), payload };
    let installed = script.apply(TWO, install.clone());
    assert_eq!(installed, [Consequence::Installed { num: 2, shard: ShardId(0), from: ONE }]);
    assert_eq!(script.ask(TWO, append(7, 1, 0)), DONE, "answered from the session");
    assert_eq!(script.ask(TWO, get(8, 1, 0)), value(&[701]));
    script.ask(TWO, append(9, 1, 0));
    assert_eq!(script.apply(TWO, install), [], "a second installation changes nothing");
    assert_eq!(script.ask(TWO, get(8, 2, 0)), value(&[701, 901]));
    script.apply(ONE, GroupCommand::Gone { num: 2, shard: ShardId(0) });
    assert!(script.state(ONE).holdings().is_empty() && script.state(ONE).is_at_rest());
}

#[test]
fn configurations_follow_each_other_and_wait_for_moves() {
    let mut script = Script::new(&[]);
    let second = moved(&first_configuration(), 0, TWO);
    let third = moved(&second, 0, ONE);
    script.apply(ONE, GroupCommand::Configure(Arc::clone(&third)));
    assert_eq!(script.state(ONE).configuration().num, 1, "none is skipped");
    script.apply(ONE, GroupCommand::Configure(Arc::clone(&second)));
    script.apply(ONE, GroupCommand::Configure(Arc::clone(&third)));
    assert_eq!(script.state(ONE).configuration().num, 2, "the shard is still here");
    script.apply(ONE, GroupCommand::Gone { num: 1, shard: ShardId(0) });
    assert!(!script.state(ONE).is_settled(), "an older move says nothing");
    script.apply(ONE, GroupCommand::Gone { num: 2, shard: ShardId(0) });
    script.apply(ONE, GroupCommand::Configure(third));
    assert_eq!(script.state(ONE).configuration().num, 3);
}

#[test]
fn a_transaction_commits_in_both_groups() {
    let mut script = Script::new(&[]);
    let request = put_both(7, 1, 5);
    let transaction = script.begin(&request);
    assert_eq!(script.ask(ONE, get(8, 1, 0)), Some(Outcome::Locked));
    let votes = script.prepare(&transaction).expect("yes");
    assert_eq!(script.prepare(&transaction).as_ref(), Some(&votes), "asked again, the same");
    assert_eq!(script.ask(TWO, get(8, 1, 1)), Some(Outcome::Locked));
    let commit = script.commit_of(&transaction, &votes);
    let decided = script.decide(&transaction, Some(commit.clone()));
    assert_eq!(answer(decided), DONE);
    assert_eq!(script.ask(ONE, get(8, 1, 0)), value(&[5]), "decided: unlocked");
    assert_eq!(script.ask(TWO, get(8, 2, 1)), Some(Outcome::Locked), "not known here yet");
    assert!(answer(script.decide(&transaction, None)).is_none(), "the first decision counts");
    script.finish(&transaction, Some(commit.clone()));
    assert_eq!(script.ask(TWO, get(8, 2, 1)), value(&[5]));
    assert_eq!(script.ask(ONE, request.clone()), DONE, "a retry meets its reply");
    let finished = script.finish(&transaction, Some(commit));
    assert_eq!(finished.len(), 1, "a repeated decision is acknowledged and changes nothing");
    script.apply(ONE, GroupCommand::Forget { id: id_of(&request), attempt: transaction.attempt });
    assert!(script.state(ONE).is_at_rest() && script.state(TWO).is_at_rest());
}

#[test]
fn an_aborted_attempt_leaves_no_mark_and_the_next_has_a_larger_number() {
    let mut script = Script::new(&[]);
    let request = put_both(7, 1, 5);
    let first = script.begin(&request);
    script.prepare(&first);
    assert_eq!(answer(script.decide(&first, None)), Some(Outcome::Locked));
    let second = script.begin(&request);
    assert!(second.attempt > first.attempt);
    let votes = script.prepare(&second).expect("the older attempt is over");
    assert!(script.prepare(&first).is_none(), "an older attempt is refused");
    script.finish(&first, None);
    assert!(script.state(TWO).prepared.contains_key(&id_of(&request)), "an older decision says nothing");
    let commit = script.commit_of(&second, &votes);
    script.decide(&second, Some(commit.clone()));
    script.finish(&second, Some(commit));
    assert!(script.prepare(&second).is_none(), "what is done is not prepared again");
    assert_eq!(script.ask(TWO, get(8, 1, 1)), value(&[5]));
}

#[test]
fn only_the_log_presumes_an_abort() {
    let mut script = Script::new(&[]);
    let transaction = script.begin(&put_both(7, 1, 5));
    let votes = script.prepare(&transaction).expect("yes");
    assert_eq!(script.inquire(&transaction), [], "undecided: nothing to say");
    let commit = script.commit_of(&transaction, &votes);
    script.decide(&transaction, Some(commit.clone()));
    let (id, attempt, to) = (transaction.id(), transaction.attempt, BTreeSet::from([TWO]));
    let told = |commit| [Consequence::Decided { id, attempt, to: to.clone(), commit }];
    assert_eq!(script.inquire(&transaction), told(Some(commit)));
    let unknown = Transaction { attempt: Attempt { num: 1, slot: Slot(99) }, ..transaction };
    let (id, attempt) = (unknown.id(), unknown.attempt);
    let aborted = [Consequence::Decided { id, attempt, to, commit: None }];
    assert_eq!(script.inquire(&unknown), aborted);
}

/// The client is answered when the coordinator decides, and may have gone on before the participant knows.
#[test]
fn a_commit_is_applied_although_the_client_has_gone_on() {
    for (bugs, expected) in [(&[][..], &[5_i64][..]), (&[Bug::FinishDropped][..], &[][..])] {
        let mut script = Script::new(bugs);
        let transaction = script.begin(&put_both(7, 1, 5));
        let votes = script.prepare(&transaction).expect("yes");
        let commit = script.commit_of(&transaction, &votes);
        script.decide(&transaction, Some(commit.clone()));
        let other = (0..100).map(|number| Key::from(alloc::format!("x{number}")));
        let other =
            other.into_iter().find(|key| ShardId::of(key, SHARDS) == ShardId(1)).expect("another key");
        let next = request(7, 2, Operation::Append { key: other, element: 1 });
        assert_eq!(script.ask(TWO, next.clone()), DONE);
        script.finish(&transaction, Some(commit));
        let read = script.state(TWO).value(&key(1));
        assert_eq!(read.as_deref().unwrap_or(&[]), expected, "{bugs:?}");
        assert_eq!(script.ask(TWO, next), DONE, "its session has not gone back");
    }
}

#[test]
fn readers_share_and_exclude_writers() {
    for (bugs, is_locked) in [(&[][..], true), (&[Bug::NoReadLocks][..], false)] {
        let mut script = Script::new(bugs);
        script.begin(&get_both(7, 1));
        script.begin(&get_both(8, 1));
        assert_eq!(script.ask(ONE, get(9, 1, 0)), Some(Outcome::Reply(Reply::Value(None))));
        let outcome = script.ask(ONE, append(9, 2, 0));
        assert_eq!(outcome == Some(Outcome::Locked), is_locked, "{bugs:?}");
    }
}

#[test]
fn open_transactions_delay_the_next_configuration() {
    for (bugs, num) in [(&[][..], 1), (&[Bug::ReconfigurationIgnoresLocks][..], 2)] {
        let mut script = Script::new(bugs);
        let transaction = script.begin(&put_both(7, 1, 5));
        script.prepare(&transaction);
        let second = moved(&first_configuration(), 1, ONE);
        script.apply(TWO, GroupCommand::Configure(second));
        assert_eq!(script.state(TWO).configuration().num, num, "{bugs:?}");
    }
}

#[test]
fn a_transaction_of_another_configuration_is_refused() {
    for (bugs, prepares) in [(&[][..], false), (&[Bug::PreparedAcrossConfigurations][..], true)] {
        let mut script = Script::new(bugs);
        let transaction = script.begin(&put_both(7, 1, 5));
        let second = moved(&first_configuration(), 0, TWO);
        let third = moved(&second, 0, ONE);
        script.apply(TWO, GroupCommand::Configure(second));
        let payload = Arc::new(Shard::default());
        script.apply(TWO, GroupCommand::Install { num: 2, shard: ShardId(0), payload });
        script.apply(TWO, GroupCommand::Configure(third));
        script.apply(TWO, GroupCommand::Gone { num: 3, shard: ShardId(0) });
        assert_eq!(script.prepare(&transaction).is_some(), prepares, "{bugs:?}");
    }
}

/// Each of these mistakes shows in the state itself.
#[test]
fn mistakes_in_migration_show() {
    let second = moved(&first_configuration(), 0, TWO);
    let mut early = Script::new(&[Bug::ServedBeforeInstall]);
    early.ask(ONE, append(7, 1, 0));
    early.apply(TWO, GroupCommand::Configure(Arc::clone(&second)));
    assert_eq!(early.ask(TWO, get(8, 1, 0)), Some(Outcome::Reply(Reply::Value(None))));
    let mut late = Script::new(&[Bug::ServedAfterFreeze]);
    late.apply(ONE, GroupCommand::Configure(Arc::clone(&second)));
    assert_eq!(late.ask(ONE, append(7, 1, 0)), DONE);
    let mut stale = Script::new(&[Bug::StaleInstall]);
    stale.ask(ONE, append(7, 1, 0));
    let payload = Arc::new(Shard::default());
    stale.apply(ONE, GroupCommand::Install { num: 0, shard: ShardId(0), payload });
    assert_eq!(stale.ask(ONE, get(8, 1, 0)), Some(Outcome::Reply(Reply::Value(None))));
    let mut skipping = Script::new(&[Bug::ConfigurationSkipped]);
    skipping.apply(ONE, GroupCommand::Configure(moved(&second, 0, ONE)));
    assert_eq!(skipping.state(ONE).configuration().num, 3);
}

#[test]
fn mistakes_in_transactions_show() {
    let request = put_both(7, 1, 5);
    let mut numbered = Script::new(&[Bug::AttemptByClient]);
    let first = numbered.begin(&request).attempt;
    numbered.decide(&Transaction { request: request.clone(), attempt: first, coordinator: ONE }, None);
    assert_eq!(numbered.begin(&request).attempt, first);
    let mut marked = Script::new(&[Bug::AbortMarksDone]);
    let transaction = marked.begin(&request);
    marked.decide(&transaction, None);
    assert_eq!(marked.ask(ONE, request.clone()), DONE, "though nothing was written");
    let mut forgetful = Script::new(&[Bug::CoordinatorForgets]);
    let transaction = forgetful.begin(&request);
    let commit = forgetful.commit_of(&transaction, &[]);
    forgetful.decide(&transaction, Some(commit));
    let told = forgetful.inquire(&transaction);
    assert!(matches!(told[..], [Consequence::Decided { commit: None, .. }]), "{told:?}");
    let mut keyed = Script::new(&[Bug::DeduplicatedByCoordinator]);
    let transaction = keyed.begin(&request);
    let votes = keyed.prepare(&transaction).expect("yes");
    let commit = keyed.commit_of(&transaction, &votes);
    keyed.decide(&transaction, Some(commit));
    let home = keyed.state(ONE).serving(ShardId(0)).expect("served");
    assert!(home.session(ClientId(7)).is_none(), "the shard takes nothing along");
}
