//! The node contract, held against a toy node: what leaves when, and what a crash takes.

use serde::{Deserialize, Serialize};
use squall_cluster::node::{Effects, Input, Micros, Node, NodeId, Output, Stored};
use squall_workloads::Decide;

use crate::nemesis::{DiskFault, DiskLoss, Endpoint};

use super::agenda::{Agenda, Item};
use super::disk::Disk;
use super::slot::{Slot, Surroundings};
use super::traps::{Announced, Traps};

/// Writes even numbers to its disk; announces every number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Toy {
    booted_with: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Alarm;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Number(u64);

impl Node for Toy {
    type Config = ();
    type Message = Number;
    type Timer = Alarm;
    type Record = Number;
    type Invocation = ();
    type Answer = ();
    type Event = u64;

    fn boot((): &(), _incarnation: u64, disk: &[Stored<Number>], effects: &mut Effects<Self>) -> Self {
        effects.arm(Alarm, Micros::from_millis(10)..=Micros::from_millis(20));
        Self { booted_with: disk.iter().filter_map(|stored| stored.record.as_ref().map(|n| n.0)).collect() }
    }

    fn on(&mut self, (): &(), _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        if let Input::Message { message: Number(number), .. } = input {
            if number % 2 == 0 {
                effects.persist(Number(number));
            }
            effects.event(number);
        }
    }
}

impl Announced for u64 {
    fn kind(&self) -> &'static str {
        "number"
    }
}

struct World {
    slot: Slot<Toy>,
    agenda: Agenda,
    decide: Decide,
    bites: Vec<u32>,
    traps: Traps,
    now: Micros,
    sync_ms: u64,
}

impl World {
    fn booted() -> Self {
        let mut world = Self {
            slot: Slot::new(NodeId(1), Endpoint::Server(0), (), Disk::new(1 << 16)),
            agenda: Agenda::new(1),
            decide: Decide::new(3),
            bites: Vec::new(),
            traps: Traps::default(),
            now: Micros(0),
            sync_ms: 5,
        };
        world.act(|slot, around| slot.boot(around));
        world
    }

    fn act(
        &mut self,
        act: impl FnOnce(&mut Slot<Toy>, &mut Surroundings<'_>) -> Vec<Output<Toy>>,
    ) -> Vec<u64> {
        let mut around = Surroundings {
            now: self.now,
            decide: &self.decide,
            agenda: &mut self.agenda,
            sync_ms: (self.sync_ms, self.sync_ms),
            bites: &mut self.bites,
            traps: &mut self.traps,
        };
        let outputs = act(&mut self.slot, &mut around);
        let number = |output| match output {
            Output::Event(number) => number,
            Output::Send { .. } | Output::Answer(()) => unreachable!("the toy only announces"),
        };
        outputs.into_iter().map(number).collect()
    }

    fn hear(&mut self, number: u64) -> Vec<u64> {
        let message = Input::Message { from: NodeId(2), message: Number(number) };
        self.act(|slot, around| slot.feed(message, around))
    }

    /// Lets time pass up to `millis` and does what is due of syncs and wake-ups.
    fn until(&mut self, millis: u64) -> Vec<u64> {
        let mut heard = Vec::new();
        while self.now < Micros::from_millis(millis) {
            self.now = Micros(self.now.0 + 1_000);
            while let Some(item) = self.agenda.pop(0, self.now) {
                heard.extend(match item {
                    Item::Sync { incarnation, .. } => {
                        self.act(|slot, around| slot.sync_due(incarnation, around))
                    }
                    Item::Wake(_) => self.act(Slot::wake),
                    Item::Timer { .. } | Item::Datagram { .. } | Item::Reboot(_) => Vec::new(),
                });
            }
        }
        heard
    }

    fn restart(&mut self, loss: DiskLoss) -> Vec<u64> {
        self.slot.crash(loss, &self.decide);
        self.act(|slot, around| slot.boot(around));
        self.slot.node.as_ref().expect("just booted").booted_with.clone()
    }
}

#[test]
fn what_persists_nothing_leaves_at_once() {
    assert_eq!(World::booted().hear(1), [1]);
}

#[test]
fn outputs_wait_for_their_own_records_and_for_every_earlier_one() {
    let mut world = World::booted();
    assert!(world.hear(2).is_empty());
    assert!(world.hear(3).is_empty(), "a later step must not overtake an unsynced one");
    assert!(world.until(4).is_empty());
    assert_eq!(world.until(5), [2, 3]);
}

#[test]
fn a_crash_before_the_sync_loses_record_and_output() {
    let mut lost = false;
    for key in 0..8 {
        let mut world = World::booted();
        world.decide = Decide::new(key);
        world.hear(2);
        lost |= world.restart(DiskLoss::Unsynced).is_empty();
        assert!(world.until(20).is_empty(), "the output of a step that a crash undid must never leave");
    }
    assert!(lost, "some crash must lose an unsynced record");
}

#[test]
fn a_crash_after_the_sync_loses_nothing() {
    let mut world = World::booted();
    world.hear(2);
    world.until(5);
    assert_eq!(world.restart(DiskLoss::Torn), [2]);
}

#[test]
fn a_paused_node_hears_everything_later_and_in_order() {
    let mut world = World::booted();
    world.slot.paused.push(7);
    assert!(world.hear(1).is_empty() && world.hear(3).is_empty());
    assert_eq!(world.bites, [7, 7]);
    world.slot.paused.clear();
    assert_eq!(world.act(Slot::wake), [1, 3]);
}

#[test]
fn a_slow_node_takes_its_time() {
    let mut world = World::booted();
    world.slot.slow.push((4, Micros::from_millis(3)));
    assert_eq!(world.hear(1), [1]);
    assert!(world.hear(3).is_empty() && world.hear(5).is_empty());
    assert_eq!(world.until(3), [3]);
    assert_eq!(world.until(6), [5]);
}

#[test]
fn a_failing_disk_stops_the_node() {
    let mut world = World::booted();
    world.slot.disk_faults.push((9, DiskFault::Full));
    world.slot.set_disk_flags();
    assert!(world.hear(2).is_empty());
    assert!(world.slot.node.is_none() && world.slot.disk_failures == 1);
    assert_eq!(world.bites, [9]);
}

#[test]
fn a_slow_sync_holds_outputs_longer() {
    let mut world = World::booted();
    world.slot.slow_sync.push((6, 10));
    world.hear(2);
    assert!(world.until(14).is_empty());
    assert_eq!(world.until(15), [2]);
}

#[test]
fn a_wiped_disk_boots_empty() {
    let mut world = World::booted();
    world.hear(2);
    world.until(5);
    world.slot.disk.wipe();
    assert!(world.restart(DiskLoss::Nothing).is_empty());
}
