//! The view service, driven by inputs: each rule by name, and all four invariants under random pings and ticks.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::node::{Output, TimerChange, Write};

const SERVICE: NodeId = NodeId(1);
const A: NodeId = NodeId(2);
const B: NodeId = NodeId(3);
const C: NodeId = NodeId(4);

/// The view service with its disk; everything written is durable at once, unless it is held back.
struct Script {
    config: ViewConfig,
    node: ViewService,
    disk: Vec<Stored<ViewRecord>>,
    boots: u64,
    chosen: Vec<View>,
}

fn member(server: NodeId, boot: u64) -> Member {
    Member { server, boot }
}

impl Script {
    fn new(bugs: &[Bug]) -> Self {
        let bugs = Bugs::of(bugs);
        let config =
            ViewConfig { id: SERVICE, servers: vec![A, B, C], interval: Micros::from_millis(100), bugs };
        let records = identity_records(&config).into_iter();
        let disk: Vec<_> = records.map(|record| Stored { record: Some(record), intact: true }).collect();
        let node = ViewService::boot(&config, 1, &disk, &mut Effects::new());
        Self { config, node, disk, boots: 1, chosen: Vec::new() }
    }

    fn step(&mut self, input: Input<ViewService>) -> Vec<(NodeId, Option<View>)> {
        let mut effects = Effects::new();
        self.node.on(&self.config, Micros(0), input, &mut effects);
        for write in effects.writes {
            match write {
                Write::Append(record) => self.disk.push(Stored { record: Some(record), intact: true }),
                Write::Replace(records) => {
                    let stored = |record| Stored { record: Some(record), intact: true };
                    self.disk = records.into_iter().map(stored).collect();
                }
            }
        }
        let mut told = Vec::new();
        for output in effects.outputs {
            match output {
                Output::Send { to, message: Message::PrimaryBackup(message) } => {
                    let primary_backup::Message::ViewReply { view } = message else {
                        panic!("it tells views")
                    };
                    told.push((to, view));
                }
                Output::Event(Event::View(ViewEvent::Chosen { view })) => self.chosen.push(view),
                _ => {}
            }
        }
        told
    }

    fn ping(&mut self, from: Member, acknowledged: u64) -> Option<View> {
        let ping = primary_backup::Message::Ping { view: acknowledged, boot: from.boot };
        let message = Message::PrimaryBackup(ping);
        let told = self.step(Input::Message { from: from.server, message });
        told.into_iter().rev().find(|(to, _)| *to == from.server).and_then(|(_, view)| view)
    }

    fn tick(&mut self) {
        self.step(Input::Timer(ViewTimer::Interval));
    }

    /// An interval in which these ping, acknowledging what they should.
    fn interval(&mut self, alive: &[Member]) {
        for server in alive {
            let view = self.node.view().filter(|view| view.primary == *server).map_or(0, |view| view.num);
            self.ping(*server, view);
        }
        self.tick();
    }

    fn reboot(&mut self) {
        self.boots += 1;
        self.node = ViewService::boot(&self.config, self.boots, &self.disk, &mut Effects::new());
    }

    fn roles(&self) -> (u64, Option<Member>, Option<Member>) {
        let view = self.node.view();
        (view.map_or(0, |view| view.num), view.map(|view| view.primary), view.and_then(|view| view.backup))
    }

    /// A first view with A as primary and B as backup, acknowledged; C lives.
    fn settled(bugs: &[Bug]) -> Self {
        let mut script = Self::new(bugs);
        let all = [member(A, 1), member(B, 1), member(C, 1)];
        script.interval(&all);
        script.interval(&all);
        script.interval(&all);
        assert_eq!(script.roles(), (2, Some(member(A, 1)), Some(member(B, 1))));
        assert!(script.node.is_acked());
        script
    }
}

#[test]
fn there_is_no_view_until_somebody_pings() {
    let mut script = Script::new(&[]);
    script.tick();
    assert_eq!(script.roles(), (0, None, None));
    let told = script.step(Input::Message {
        from: NodeId(NodeId::FIRST_CLIENT),
        message: Message::PrimaryBackup(primary_backup::Message::GetView),
    });
    assert_eq!(told, [(NodeId(NodeId::FIRST_CLIENT), None)]);
}

#[test]
fn the_first_to_ping_is_primary_and_the_next_backup() {
    let mut script = Script::new(&[]);
    assert_eq!(script.ping(member(B, 1), 0).map(|view| view.primary), Some(member(B, 1)));
    script.interval(&[member(A, 1), member(B, 1)]);
    assert_eq!(script.roles(), (2, Some(member(B, 1)), Some(member(A, 1))));
}

#[test]
fn a_backup_follows_a_silent_primary_and_a_spare_follows_the_backup() {
    let mut script = Script::settled(&[]);
    let others = [member(B, 1), member(C, 1)];
    script.interval(&others);
    assert_eq!(script.roles().0, 2, "one interval of silence is not death");
    script.interval(&others);
    assert_eq!(script.roles(), (3, Some(member(B, 1)), Some(member(C, 1))));
}

#[test]
fn a_spare_follows_a_silent_backup() {
    let mut script = Script::settled(&[]);
    for _ in 0..2 {
        script.interval(&[member(A, 1), member(C, 1)]);
    }
    assert_eq!(script.roles(), (3, Some(member(A, 1)), Some(member(C, 1))));
}

#[test]
fn a_restarted_primary_is_dead_at_once_and_comes_back_as_spare() {
    let mut script = Script::settled(&[]);
    script.interval(&[member(A, 2), member(B, 1), member(C, 1)]);
    let (num, primary, backup) = script.roles();
    assert_eq!((num, primary), (3, Some(member(B, 1))));
    assert_eq!(backup, Some(member(A, 2)), "the first living spare");
}

#[test]
fn a_restarted_backup_is_replaced_by_a_living_incarnation() {
    let mut script = Script::settled(&[]);
    script.interval(&[member(A, 1), member(B, 2)]);
    assert_eq!(script.roles(), (3, Some(member(A, 1)), Some(member(B, 2))));
}

#[test]
fn old_pings_change_nothing() {
    let mut script = Script::settled(&[]);
    script.interval(&[member(A, 1), member(B, 2), member(C, 1)]);
    let before = script.roles();
    script.ping(member(A, 1), 0);
    script.ping(member(B, 1), 0);
    script.tick();
    assert_eq!(script.roles(), before);
    let mut buggy = Script::settled(&[Bug::OldBootTaken]);
    buggy.interval(&[member(A, 1), member(B, 2), member(C, 1)]);
    buggy.ping(member(A, 1), 3);
    buggy.ping(member(B, 1), 0);
    buggy.tick();
    assert_eq!(buggy.roles().2, Some(member(B, 1)), "the bug names a life that is over");
}

#[test]
fn an_unacknowledged_view_stays() {
    for (bugs, num) in [(&[][..], 3), (&[Bug::ViewChangedUnacknowledged][..], 4)] {
        let mut script = Script::settled(bugs);
        for _ in 0..2 {
            script.interval(&[member(B, 1), member(C, 1)]);
        }
        assert_eq!(script.roles().0, 3);
        // B is primary now, and silent, too, before it acknowledged.
        for _ in 0..4 {
            script.ping(member(C, 1), 0);
            script.tick();
        }
        assert_eq!(script.roles().0, num, "{bugs:?}");
    }
}

#[test]
fn an_acknowledgement_of_another_view_does_not_count() {
    let mut script = Script::settled(&[]);
    for _ in 0..2 {
        script.interval(&[member(B, 1), member(C, 1)]);
    }
    script.ping(member(B, 1), 2);
    assert!(!script.node.is_acked(), "that was the view before");
    script.ping(member(C, 1), 3);
    assert!(!script.node.is_acked(), "that is not the primary");
    script.ping(member(B, 2), 3);
    assert!(!script.node.is_acked(), "that is another life");
}

#[test]
fn nobody_follows_a_primary_without_backup() {
    let mut script = Script::new(&[]);
    script.interval(&[member(A, 1)]);
    script.interval(&[member(A, 1)]);
    for _ in 0..4 {
        script.interval(&[member(B, 1), member(C, 1)]);
    }
    assert_eq!(script.roles().1, Some(member(A, 1)), "the others hold nothing");
    let mut buggy = Script::settled(&[Bug::SparePromoted]);
    for _ in 0..2 {
        buggy.interval(&[member(B, 1), member(C, 1)]);
    }
    assert_eq!(buggy.roles().1, Some(member(C, 1)));
}

#[test]
fn a_restart_remembers_the_view_and_waits_two_intervals() {
    let mut script = Script::settled(&[]);
    script.reboot();
    assert_eq!((script.roles().0, script.node.is_acked()), (2, true));
    script.interval(&[member(B, 1), member(C, 1)]);
    assert_eq!(script.roles().0, 2, "it has not listened for long enough");
    script.interval(&[member(B, 1), member(C, 1)]);
    assert_eq!(script.roles(), (3, Some(member(B, 1)), Some(member(C, 1))));
}

#[test]
fn a_lost_or_damaged_disk_serves_no_more() {
    let mut script = Script::settled(&[]);
    script.disk[1].intact = false;
    script.reboot();
    assert!(!script.node.serves() && script.ping(member(A, 1), 2).is_none());
    script.disk.clear();
    script.reboot();
    assert!(!script.node.serves());
}

#[test]
fn a_view_is_told_only_with_its_record() {
    let mut script = Script::settled(&[]);
    for _ in 0..2 {
        script.interval(&[member(B, 1), member(C, 1)]);
    }
    assert_eq!(
        script.disk.last().and_then(|stored| stored.record.clone()),
        script.node.view().map(ViewRecord::View)
    );
    let mut buggy = Script::settled(&[Bug::ViewToldBeforeSync]);
    for _ in 0..2 {
        buggy.interval(&[member(B, 1), member(C, 1)]);
    }
    let known = buggy.node.view();
    buggy.reboot();
    assert_ne!(buggy.node.view(), known, "the bug forgets what it told");
}

#[test]
fn a_quick_restart_goes_unnoticed_under_the_bug() {
    let mut script = Script::settled(&[Bug::RestartUnnoticed]);
    for _ in 0..5 {
        script.interval(&[member(A, 2), member(B, 1), member(C, 1)]);
    }
    assert_eq!(script.roles().1, Some(member(A, 1)));
}

/// The disk does not grow with the number of views.
#[test]
fn the_disk_stays_small() {
    let mut script = Script::settled(&[]);
    let mut longest = 0;
    for turn in 0..1_000 {
        let alive = if turn % 8 < 4 { [member(A, 1), member(B, 1)] } else { [member(A, 1), member(C, 1)] };
        script.interval(&alive);
        longest = longest.max(script.disk.len());
    }
    assert!(script.roles().0 > 200, "views change: {:?}", script.roles());
    assert!(longest <= 2 * 64 + 2, "{longest} records");
    let view = script.node.view();
    script.reboot();
    assert_eq!(script.node.view(), view);
}

/// Without clients and failures, the view service hears of each server some 25 times a second, and answers each ping
/// once: whoever caches the view asks nothing.
#[test]
fn messages_to_the_view_service_are_bounded() {
    use crate::primary_backup::{Server, ServerConfig};
    let config = ServerConfig::new(A, SERVICE, Bugs::NONE);
    let mut effects = Effects::new();
    let mut server = Server::boot(&config, 1, &[], &mut effects);
    let (mut now_us, mut sent) = (0_u64, 0);
    while now_us < 1_000_000 {
        for output in core::mem::take(&mut effects.outputs) {
            sent += u32::from(matches!(output, Output::Send { to: SERVICE, .. }));
        }
        let Some(TimerChange::Arm(timer, range)) = effects.timers.pop() else { panic!("it goes on pinging") };
        now_us += range.start().0;
        effects = Effects::new();
        server.on(&config, Micros(now_us), Input::Timer(timer), &mut effects);
    }
    assert!(sent <= 30, "{sent} pings in a second");
    let mut script = Script::settled(&[]);
    let ping = primary_backup::Message::Ping { view: 2, boot: 1 };
    let told = script.step(Input::Message { from: A, message: Message::PrimaryBackup(ping) });
    assert_eq!(told.len(), 1);
}

/// What a random schedule does to the service.
#[derive(Clone, Debug)]
enum Move {
    /// This server pings under its present boot number, acknowledging the view it was last told, or not.
    Ping {
        server: usize,
        acknowledges: bool,
    },
    /// A ping of an earlier life, or of an earlier view, arrives.
    Old {
        server: usize,
        boots_ago: u64,
        view: u64,
    },
    Restart {
        server: usize,
    },
    Tick,
    Reboot,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => (0..3_usize, any::<bool>()).prop_map(|(server, acknowledges)| Move::Ping { server, acknowledges }),
        2 => (0..3_usize, 0..3_u64, 0..6_u64)
            .prop_map(|(server, boots_ago, view)| Move::Old { server, boots_ago, view }),
        1 => (0..3_usize).prop_map(|server| Move::Restart { server }),
        5 => Just(Move::Tick),
        1 => Just(Move::Reboot),
    ]
}

/// The four invariants of views, over all that were chosen; the last breach, if any.
fn breach_of(bugs: &[Bug], schedule: &[Move]) -> Option<&'static str> {
    let mut script = Script::new(bugs);
    let servers = [A, B, C];
    let (mut boots, mut acked) = ([1_u64; 3], alloc::collections::BTreeSet::new());
    for step in schedule {
        match step {
            Move::Ping { server, acknowledges } => {
                let own = member(servers[*server], boots[*server]);
                let view = script.node.view().filter(|view| *acknowledges && view.primary == own);
                acked.extend(view.map(|view| view.num));
                script.ping(own, view.map_or(0, |view| view.num));
            }
            Move::Old { server, boots_ago, view } => {
                // What was acknowledged then was acknowledged.
                let own = member(servers[*server], boots[*server].saturating_sub(*boots_ago).max(1));
                script.ping(own, if acked.contains(view) { *view } else { 0 });
            }
            Move::Restart { server } => boots[*server] += 1,
            Move::Tick => script.tick(),
            Move::Reboot => script.reboot(),
        }
    }
    for pair in script.chosen.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if after.num != before.num + 1 || (before.primary, before.backup) == (after.primary, after.backup) {
            return Some("P3");
        }
        if !before.members().any(|member| member == after.primary) {
            return Some("P1");
        }
        if !acked.contains(&before.num) {
            return Some("P2");
        }
        let mut pairs = before.members().flat_map(|old| after.members().map(move |new| (old, new)));
        if pairs.any(|(old, new)| old.server == new.server && new.boot < old.boot) {
            return Some("P3");
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever arrives in whatever order, restarts included: views follow each other as they must.
    #[test]
    fn views_keep_their_invariants(schedule in prop::collection::vec(moves(), 0..150)) {
        prop_assert_eq!(breach_of(&[], &schedule), None);
    }
}

/// The same schedules break each invariant under the bug that is aimed at it.
#[test]
fn random_schedules_break_what_bugs_break() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let expected = [
        (Bug::SparePromoted, "P1"),
        (Bug::ViewChangedUnacknowledged, "P2"),
        (Bug::OldBootTaken, "P3"),
        (Bug::ViewToldBeforeSync, "P3"),
    ];
    for (bug, invariant) in expected {
        let mut runner = TestRunner::deterministic();
        let found = (0..3_000).any(|_| {
            let schedule = prop::collection::vec(moves(), 150).new_tree(&mut runner).expect("a schedule");
            breach_of(&[bug], &schedule.current()) == Some(invariant)
        });
        assert!(found, "{bug:?} never breaks {invariant}");
    }
}
