//! Triggers in wait: they count the events of the servers that they watch, and say which one pulls them.
//!
//! Counting is the world's, acting is the nemesis's: a trap that is sprung is handed over and gone. With no trap
//! set, nothing here costs anything and nothing of a run changes.

use squall_cluster::event::Event;

use crate::nemesis::{FaultId, Moment, Sprung, Target, Trigger};

/// An event that triggers can name.
pub(crate) trait Announced {
    /// Its kind.
    fn kind(&self) -> &'static str;
}

impl Announced for Event {
    fn kind(&self) -> &'static str {
        Self::kind(self)
    }
}

#[derive(Clone, Debug)]
struct Trap {
    fault: FaultId,
    trigger: Trigger,
    /// Whose events count, as of the beginning of this millisecond; nobody's, if nobody is what was asked for.
    watched: Watched,
    passed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    All,
    One(usize),
    Nobody,
}

/// The traps that are set, and those that were sprung and not yet taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traps {
    set: Vec<Trap>,
    sprung: Vec<Sprung>,
}

impl Traps {
    pub(crate) fn set(&mut self, fault: FaultId, trigger: &Trigger, server: Option<usize>) {
        self.set.retain(|trap| trap.fault != fault);
        let watched = watched(trigger, server);
        self.set.push(Trap { fault, trigger: trigger.clone(), watched, passed: 0 });
    }

    pub(crate) fn remove(&mut self, fault: FaultId) {
        self.set.retain(|trap| trap.fault != fault);
    }

    pub(crate) fn take_sprung(&mut self) -> Vec<Sprung> {
        std::mem::take(&mut self.sprung)
    }

    pub(crate) fn passed(&self, fault: FaultId) -> u32 {
        self.set.iter().find(|trap| trap.fault == fault).map_or(0, |trap| trap.passed)
    }

    /// The targets that must be looked up again, since who plays a role changes.
    pub(crate) fn roles(&self) -> Vec<Target> {
        self.set.iter().filter_map(|trap| trap.trigger.of).collect()
    }

    /// The servers behind [`roles`](Self::roles), in the same order.
    pub(crate) fn watch(&mut self, servers: &[Option<usize>]) {
        let with_roles = self.set.iter_mut().filter(|trap| trap.trigger.of.is_some());
        for (trap, server) in with_roles.zip(servers) {
            trap.watched = watched(&trap.trigger, *server);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// An event of this server has come to this moment: the fault whose trap it springs, the first if several.
    pub(crate) fn meet(&mut self, server: usize, moment: Moment, kind: &str) -> Option<FaultId> {
        let mut first = None;
        let sprung = &mut self.sprung;
        self.set.retain_mut(|trap| {
            let is_watched = matches!(trap.watched, Watched::All) || trap.watched == Watched::One(server);
            if !is_watched || trap.trigger.moment != moment || trap.trigger.event != kind {
                return true;
            }
            trap.passed += 1;
            assert!(trap.passed <= trap.trigger.nth, "a sprung trap is gone");
            if trap.passed < trap.trigger.nth {
                return true;
            }
            sprung.push(Sprung { fault: trap.fault, server });
            first.get_or_insert(trap.fault);
            false
        });
        first
    }
}

fn watched(trigger: &Trigger, server: Option<usize>) -> Watched {
    match (trigger.of, server) {
        (None, _) => Watched::All,
        (Some(_), Some(server)) => Watched::One(server),
        (Some(_), None) => Watched::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_event_of_the_one_that_is_watched_springs_the_trap() {
        let mut traps = Traps::default();
        let of = Some(Target::Leader);
        traps.set(7, &Trigger { of, nth: 2, ..Trigger::first("chosen") }, Some(1));
        traps.set(8, &Trigger { moment: Moment::BeforeSync, ..Trigger::first("chosen") }, None);
        assert_eq!(traps.meet(1, Moment::After, "chosen"), None);
        assert_eq!((traps.passed(7), traps.passed(8)), (1, 0));
        assert_eq!(traps.meet(0, Moment::After, "chosen"), None, "n1 does not lead");
        assert_eq!(traps.meet(1, Moment::After, "applied"), None);
        traps.watch(&[None]);
        assert_eq!(traps.meet(1, Moment::After, "chosen"), None, "nobody leads");
        traps.watch(&[Some(0)]);
        assert_eq!(traps.meet(0, Moment::After, "chosen"), Some(7));
        assert_eq!(traps.meet(2, Moment::BeforeSync, "chosen"), Some(8));
        let sprung = [Sprung { fault: 7, server: 0 }, Sprung { fault: 8, server: 2 }];
        assert_eq!((traps.take_sprung().as_slice(), traps.is_empty()), (&sprung[..], true));
        assert!(traps.take_sprung().is_empty());
    }
}
