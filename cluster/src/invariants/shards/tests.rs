//! Each invariant is seen to be found broken by the shortest story that breaks it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::ShardMonitor;
use crate::event::Event;
use crate::node::NodeId;
use crate::paxos::{Ballot, Slot};
use crate::session::ClientId;
use crate::sharded::command::{Attempt, TransactionId};
use crate::sharded::configuration::{GroupId, ShardId};
use crate::sharded::event::ShardEvent;

const ONE: GroupId = GroupId(1);
const TWO: GroupId = GroupId(2);
const SHARD: ShardId = ShardId(0);
const ID: TransactionId = TransactionId { client: ClientId(7), seq: 1 };
const ATTEMPT: Attempt = Attempt { num: 1, slot: Slot(5) };

/// A monitor, and how far each group's log is.
#[derive(Clone, Default)]
struct Script {
    monitor: ShardMonitor,
    slots: [u64; 3],
}

impl Script {
    /// The events of the next slot of a group; the invariant that they break.
    fn tell(&mut self, group: GroupId, events: Vec<ShardEvent>) -> Option<&'static str> {
        let slot = &mut self.slots[group.0 as usize];
        *slot += 1;
        let applied = Event::Applied { slot: Slot(*slot), entry: 0, state: 0 };
        let all = core::iter::once(applied).chain(events.into_iter().map(Event::Shard));
        let all: Vec<Box<Event>> = all.map(Box::new).collect();
        all.iter().find_map(|event| self.observe(group, event))
    }

    fn observe(&mut self, group: GroupId, event: &Event) -> Option<&'static str> {
        self.monitor.observe(NodeId(group.0 + 1), group, event).err().map(|breach| breach.invariant)
    }

    fn made(&mut self, num: u64, shards: &[u32], groups: &[u32]) -> Option<&'static str> {
        let ids = |ids: &[u32]| ids.iter().copied().map(GroupId).collect();
        let (shards, groups) = (ids(shards), ids(groups));
        let event = ShardEvent::ConfigurationMade { num, digest: num, shards, groups };
        self.tell(GroupId::CONTROLLER, vec![event])
    }

    /// The shard is served by the first group from configuration 1 on.
    fn serving() -> Self {
        let mut script = Self::default();
        assert_eq!(script.tell(ONE, vec![ShardEvent::Served { num: 1, shard: SHARD }]), None);
        script
    }

    fn frozen() -> Self {
        let mut script = Self::serving();
        let frozen = ShardEvent::Frozen { num: 2, shard: SHARD, to: TWO, payload: 9 };
        assert_eq!(script.tell(ONE, vec![frozen]), None);
        script
    }

    fn decided(&mut self, attempt: Attempt, commit: Option<u64>) -> Option<&'static str> {
        self.tell(ONE, vec![ShardEvent::Decided { id: ID, attempt, commit }])
    }

    fn finished(&mut self, commit: Option<u64>) -> Option<&'static str> {
        self.tell(TWO, vec![ShardEvent::Finished { id: ID, attempt: ATTEMPT, commit }])
    }
}

fn installed(num: u64, payload: u64) -> Vec<ShardEvent> {
    vec![ShardEvent::Installed { num, shard: SHARD, payload }]
}

fn executed(version: u64, seq: u64, reply: u64) -> Vec<ShardEvent> {
    vec![ShardEvent::Executed { shard: SHARD, version, client: ClientId(7), seq, request: seq, reply }]
}

fn reply_sent(seq: u64, reply: u64) -> Event {
    Event::ReplySent { client: ClientId(7), seq, mutation: true, reply }
}

#[test]
fn a_move_and_what_follows_is_clean() {
    let mut script = Script::serving();
    assert_eq!(script.tell(ONE, executed(1, 1, 3)), None);
    let frozen = ShardEvent::Frozen { num: 2, shard: SHARD, to: TWO, payload: 9 };
    assert_eq!(script.tell(ONE, vec![frozen]), None);
    assert_eq!(script.tell(TWO, installed(2, 9)), None);
    assert_eq!(script.tell(TWO, executed(2, 2, 3)), None);
    assert_eq!(script.tell(ONE, vec![ShardEvent::Dropped { num: 2, shard: SHARD }]), None);
    assert_eq!(script.observe(TWO, &reply_sent(2, 3)), None);
}

#[test]
fn configurations() {
    let mut script = Script::default();
    assert_eq!(script.made(1, &[1, 1, 2, 2], &[1, 2]), None);
    assert_eq!(script.made(1, &[1, 1, 2, 2], &[1, 2]), None, "another replica made it, too");
    assert_eq!(script.made(1, &[2, 1, 2, 2], &[1, 2]), Some("C5"));
    assert_eq!(script.made(3, &[1, 1, 2, 2], &[1, 2]), Some("C1"));
    assert_eq!(script.made(2, &[1, 1, 2, 3], &[1, 2]), Some("C2"));
    assert_eq!(script.made(2, &[2, 2, 1, 1], &[1, 2]), Some("C4"), "a move moves one shard");
    assert_eq!(script.made(2, &[1, 3, 3, 2], &[1, 2, 3]), Some("C4"), "one move too many");
    assert_eq!(script.made(2, &[2, 1, 2, 2], &[1, 2]), None, "one shard may be moved anywhere");
    let mut lopsided = Script::default();
    assert_eq!(lopsided.made(1, &[1, 1, 1, 2], &[1, 2]), Some("C3"));
}

#[test]
fn configurations_take_effect_in_turn() {
    let configured = |num| vec![ShardEvent::Configured { num, digest: num }];
    let mut script = Script::default();
    assert_eq!(script.tell(ONE, configured(1)), None);
    assert_eq!(script.tell(ONE, configured(3)), Some("S4"));
    let mut invented = Script::default();
    invented.made(1, &[1], &[1]);
    let other = ShardEvent::Configured { num: 1, digest: 8 };
    assert_eq!(invented.tell(ONE, vec![other]), Some("C5"));
}

#[test]
fn one_group_serves_a_shard() {
    assert_eq!(Script::serving().tell(TWO, executed(1, 1, 3)), Some("S1"));
    assert_eq!(Script::frozen().tell(ONE, executed(1, 1, 3)), Some("S1"), "frozen");
    assert_eq!(Script::frozen().tell(TWO, executed(1, 1, 3)), Some("S1"), "not installed");
    assert_eq!(Script::serving().tell(TWO, installed(2, 9)), Some("S1"), "not frozen");
    assert_eq!(Script::frozen().tell(TWO, installed(3, 9)), Some("S1"), "of another configuration");
    assert_eq!(Script::frozen().tell(TWO, installed(2, 8)), Some("S3"));
    let dropped = vec![ShardEvent::Dropped { num: 2, shard: SHARD }];
    assert_eq!(Script::frozen().tell(ONE, dropped), Some("S5"));
    assert_eq!(Script::serving().tell(TWO, vec![ShardEvent::Served { num: 1, shard: SHARD }]), Some("S1"));
}

#[test]
fn an_installation_that_died_unseen_may_be_known() {
    let dropped = || vec![ShardEvent::Dropped { num: 2, shard: SHARD }];
    let booted = Event::Booted {
        incarnation: 2,
        promised: Ballot::ZERO,
        accepted: Arc::new([]),
        snapshot: Slot::ZERO,
        learner: false,
    };
    let mut script = Script::frozen();
    script.observe(ONE, &booted);
    assert_eq!(script.clone().tell(ONE, dropped()), Some("S5"), "nobody of the other group has started");
    script.observe(TWO, &booted);
    assert_eq!(script.tell(ONE, dropped()), None);
    assert_eq!(script.clone().tell(TWO, executed(1, 1, 3)), Some("S1"), "it must be seen before it is used");
    assert_eq!(script.clone().tell(TWO, installed(2, 8)), Some("S3"));
    assert_eq!(script.tell(TWO, installed(2, 9)), None);
}

#[test]
fn versions_and_sessions() {
    assert_eq!(Script::serving().tell(ONE, executed(2, 1, 3)), Some("S2"), "a version is missing");
    let after_one = |events| {
        let mut script = Script::serving();
        assert_eq!(script.tell(ONE, executed(1, 1, 3)), None);
        script.tell(ONE, events)
    };
    assert_eq!(after_one(executed(1, 2, 3)), Some("S2"), "a version again");
    assert_eq!(after_one(executed(2, 1, 3)), Some("E1"), "a request again");
    assert_eq!(Script::serving().observe(ONE, &reply_sent(1, 3)), Some("E4"));
    let mut script = Script::serving();
    script.tell(ONE, executed(1, 1, 3));
    assert_eq!(script.observe(ONE, &reply_sent(1, 4)), Some("E3"));
}

/// A replica that applies the same slot later is compared, not judged anew.
#[test]
fn replicas_that_follow_are_compared() {
    let mut script = Script::serving();
    script.tell(ONE, executed(1, 1, 3));
    script.tell(ONE, executed(2, 2, 3));
    let follower = NodeId(9);
    let applied = Event::Applied { slot: Slot(2), entry: 0, state: 0 };
    assert_eq!(script.monitor.observe(follower, ONE, &applied), Ok(()));
    let [same] = &executed(1, 1, 3)[..] else { panic!("one event") };
    assert_eq!(script.monitor.observe(follower, ONE, &Event::Shard(same.clone())), Ok(()));
    let [other] = &executed(1, 3, 3)[..] else { panic!("one event") };
    let breach = script.monitor.observe(follower, ONE, &Event::Shard(other.clone()));
    assert_eq!(breach.map_err(|breach| breach.invariant), Err("S2"));
}

#[test]
fn transactions() {
    let later = Attempt { slot: Slot(9), ..ATTEMPT };
    let mut script = Script::default();
    assert_eq!(script.decided(ATTEMPT, None), None);
    assert_eq!(script.decided(later, Some(4)), None);
    assert_eq!(script.decided(Attempt { slot: Slot(11), ..ATTEMPT }, Some(4)), Some("T1"), "committed twice");
    assert_eq!(script.decided(later, None), Some("T1"), "decided twice");
    let mut script = Script::default();
    assert_eq!(script.finished(Some(4)), None, "the decision may be seen later");
    assert_eq!(script.finished(Some(5)), Some("T3"), "participants disagree");
    assert_eq!(script.decided(ATTEMPT, None), Some("T3"), "nobody decided that");
    let after = |commit: Option<u64>, finished| {
        let mut script = Script::default();
        assert_eq!(script.decided(ATTEMPT, commit), None);
        script.finished(finished)
    };
    assert_eq!(after(Some(4), Some(4)), None);
    assert_eq!(after(Some(4), Some(5)), Some("T3"));
    assert_eq!(after(Some(4), None), Some("T3"));
    assert_eq!(after(None, None), None);
    let mut script = Script::default();
    assert_eq!(script.finished(None), None);
    assert_eq!(script.decided(ATTEMPT, Some(4)), Some("T3"), "a participant gave it up");
}
