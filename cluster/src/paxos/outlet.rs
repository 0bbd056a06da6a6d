//! Where the effects of an agreement go: among its own, or straight among those of the node that it is a part of.
//!
//! A part could gather its effects first and its owner take them over; but every message of a run would be moved once
//! more for it. The order of effects is the same.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::{Command, Message, Paxos, Record, Timer};
use crate::event::Event;
use crate::node::{Effects, Micros, NodeId};

/// Takes what a step of an agreement wants done; see [`Effects`].
pub trait Outlet<C> {
    /// Appends a record to the disk.
    fn persist(&mut self, record: Record<C>);
    /// Replaces the whole disk atomically.
    fn replace(&mut self, records: Vec<Record<C>>);
    /// Sends a message.
    fn send(&mut self, to: NodeId, message: Message<C>);
    /// Emits a ghost event.
    fn event(&mut self, event: Event);
    /// (Re-)arms a timer.
    fn arm(&mut self, timer: Timer, range: RangeInclusive<Micros>);
    /// Disarms a timer.
    fn cancel(&mut self, timer: Timer);
}

impl<C: Command> Outlet<C> for Effects<Paxos<C>> {
    fn persist(&mut self, record: Record<C>) {
        Effects::persist(self, record);
    }

    fn replace(&mut self, records: Vec<Record<C>>) {
        Effects::replace(self, records);
    }

    fn send(&mut self, to: NodeId, message: Message<C>) {
        Effects::send(self, to, message);
    }

    fn event(&mut self, event: Event) {
        Effects::event(self, event);
    }

    fn arm(&mut self, timer: Timer, range: RangeInclusive<Micros>) {
        Effects::arm(self, timer, range);
    }

    fn cancel(&mut self, timer: Timer) {
        Effects::cancel(self, timer);
    }
}
