//! The timers of one node, and what the agenda knows of them.
//!
//! Most timers are armed again before they run out: a follower's at every message of its leader. The agenda then keeps
//! the item that it has, which, once due, is planned again in the place that the timer took when it was armed. So a
//! timer runs out in the same place in the order of events as if every arming had been planned.

use squall_cluster::node::Micros;

use crate::nemesis::Endpoint;

use super::agenda::{Agenda, Item, Turn};

/// When a timer runs out.
#[derive(Clone, Copy, Debug)]
struct Arming {
    turn: Turn,
    number: u64,
}

/// One timer that was ever armed.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    timer: T,
    /// `None`: it is not armed.
    armed: Option<Arming>,
    /// The item in the agenda, not later than what is armed.
    planned: Option<Arming>,
}

/// Timers by name; each can be armed once at a time.
#[derive(Clone, Debug)]
pub(crate) struct Timers<T> {
    /// A node has few timers: they are looked for one by one.
    entries: Vec<Entry<T>>,
    /// Never starts over, so that what the agenda still has from before a crash is known for what it is.
    armed: u64,
}

impl<T: Copy + Eq> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), armed: 0 }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn cancel(&mut self, timer: T) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.timer == timer) {
            entry.armed = None;
        }
    }

    /// Arms a timer of the node at `place`, on whose host the agenda is.
    pub(crate) fn arm(&mut self, timer: T, due: Micros, place: Endpoint, agenda: &mut Agenda) {
        self.armed += 1;
        let arming = Arming { turn: agenda.turn(due), number: self.armed };
        let index = self.entries.iter().position(|entry| entry.timer == timer).unwrap_or_else(|| {
            self.entries.push(Entry { timer, armed: None, planned: None });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.armed = Some(arming);
        if entry.planned.is_none_or(|planned| planned.turn > arming.turn) {
            entry.planned = Some(arming);
            agenda.push_at(arming.turn, Item::Timer { place: place.into(), number: arming.number });
        }
    }

    /// An item of the agenda is due: the timer that runs out by it, if one does.
    pub(crate) fn due(&mut self, number: u64, place: Endpoint, agenda: &mut Agenda) -> Option<T> {
        let is_planned =
            |entry: &&mut Entry<T>| entry.planned.is_some_and(|planned| planned.number == number);
        let entry = self.entries.iter_mut().find(is_planned)?;
        entry.planned = None;
        let arming = entry.armed?;
        if arming.number == number {
            entry.armed = None;
            return Some(entry.timer);
        }
        entry.planned = Some(arming);
        agenda.push_at(arming.turn, Item::Timer { place: place.into(), number: arming.number });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Endpoint = Endpoint::Server(0);

    /// The timers that run out, and when, in order.
    fn run_out(timers: &mut Timers<char>, agenda: &mut Agenda) -> Vec<(u64, char)> {
        let mut fired = Vec::new();
        for now in 0..100 {
            while let Some(item) = agenda.pop(0, Micros(now)) {
                let Item::Timer { number, .. } = item else { unreachable!("only timers are planned") };
                fired.extend(timers.due(number, PLACE, agenda).map(|timer| (now, timer)));
            }
        }
        fired
    }

    #[test]
    fn a_timer_runs_out_once_when_it_was_armed_for_last() {
        for (first, second) in [(10, 30), (30, 10)] {
            let (mut timers, mut agenda) = (Timers::new(), Agenda::new(1));
            for due in [first, second] {
                timers.arm('a', Micros(due), PLACE, &mut agenda);
            }
            assert_eq!(run_out(&mut timers, &mut agenda), [(second, 'a')]);
        }
    }

    #[test]
    fn timers_of_one_instant_run_out_in_the_order_in_which_they_were_armed() {
        let (mut timers, mut agenda) = (Timers::new(), Agenda::new(1));
        for (timer, due) in [('a', 10), ('b', 20), ('a', 20), ('c', 20), ('b', 20)] {
            timers.arm(timer, Micros(due), PLACE, &mut agenda);
        }
        assert_eq!(run_out(&mut timers, &mut agenda), [(20, 'a'), (20, 'c'), (20, 'b')]);
    }

    #[test]
    fn what_was_cancelled_or_forgotten_does_not_run_out() {
        let (mut timers, mut agenda) = (Timers::new(), Agenda::new(1));
        for timer in ['a', 'b', 'c'] {
            timers.arm(timer, Micros(10), PLACE, &mut agenda);
        }
        timers.cancel('a');
        timers.cancel('b');
        timers.arm('b', Micros(20), PLACE, &mut agenda);
        assert_eq!(run_out(&mut timers, &mut agenda), [(10, 'c'), (20, 'b')]);
        timers.arm('a', Micros(10), PLACE, &mut agenda);
        timers.clear();
        timers.arm('b', Micros(20), PLACE, &mut agenda);
        assert_eq!(run_out(&mut timers, &mut agenda), [(20, 'b')]);
    }
}
