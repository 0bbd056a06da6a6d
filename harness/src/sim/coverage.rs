//! What a run has exercised: events of nodes while faults of each family stood, and abstract states of the cluster.
//!
//! A state is abstract: who is up, who leads, whose ballot and log lag, by about how much, and nothing else, so that
//! runs can be compared; its fingerprint is the same in every process. Watching changes nothing of a run, not even
//! its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::nemesis::Family;

use super::tally::place_of;

/// States of one run that are kept, at most.
const STATES_MAX: usize = 4_096;

/// An event of a node, and a family of faults that stood when it happened; none: no fault stood.
pub type Cell = (&'static str, Option<Family>);

/// What a run has exercised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How often each pair occurred.
    pub cells: BTreeMap<Cell, u64>,
    /// Fingerprints of the abstract states that the cluster was in.
    pub states: BTreeSet<u64>,
}

/// Gathers coverage as a world goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher {
    coverage: Coverage,
    standing: Vec<Family>,
    /// Events since other families stood, by kind; there are few kinds, which are looked for one by one.
    counts: Vec<(&'static str, u64)>,
    last_look: Vec<Glimpse>,
}

/// What is seen of one server from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Glimpse {
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    pub(crate) role: &'static str,
    /// Whether nobody has a higher ballot.
    pub(crate) is_ahead: bool,
    /// How far its log is behind the longest, in octaves.
    pub(crate) behind: u32,
    /// How far what it applied is behind what it knows to be chosen, in octaves.
    pub(crate) unapplied: u32,
}

impl Watcher {
    /// These families have faults that stand from now on.
    pub(crate) fn stand(&mut self, mut families: Vec<Family>) {
        self.enter();
        families.sort_unstable();
        families.dedup();
        self.standing = families;
    }

    pub(crate) fn event(&mut self, kind: &'static str) {
        let place = place_of(&mut self.counts, kind);
        self.counts[place].1 += 1;
    }

    /// Enters what has been counted under every family that stands.
    fn enter(&mut self) {
        let cells = &mut self.coverage.cells;
        for (kind, count) in self.counts.drain(..) {
            if self.standing.is_empty() {
                *cells.entry((kind, None)).or_default() += count;
            }
            for family in &self.standing {
                *cells.entry((kind, Some(*family))).or_default() += count;
            }
        }
    }

    /// The cluster looks like this now. Servers are alike: which is which says nothing.
    pub(crate) fn look(&mut self, servers: Vec<Glimpse>) {
        if servers == self.last_look {
            return;
        }
        self.last_look.clone_from(&servers);
        let mut servers = servers;
        servers.sort_unstable();
        let mut hasher = SipHasher13::new();
        for server in &servers {
            hasher.write(server.role.as_bytes());
            let flags =
                u8::from(server.is_up) | u8::from(server.is_paused) << 1 | u8::from(server.is_ahead) << 2;
            hasher.write_u8(flags);
            hasher.write_u32(server.behind << 8 | server.unapplied);
        }
        if self.coverage.states.len() < STATES_MAX {
            self.coverage.states.insert(hasher.finish());
        }
    }

    pub(crate) fn take(&mut self) -> Coverage {
        self.enter();
        std::mem::take(&mut self.coverage)
    }
}

/// The octave of a distance: 0, 1, 2–3, 4–7, …; beyond 16 all is far.
pub(crate) fn octave(distance: u64) -> u32 {
    (u64::BITS - distance.min(16).leading_zeros()).min(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glimpse(role: &'static str) -> Glimpse {
        Glimpse { is_up: true, is_paused: false, role, is_ahead: true, behind: 0, unapplied: 0 }
    }

    #[test]
    fn events_count_under_every_family_that_stands() {
        let mut watcher = Watcher::default();
        watcher.event("chosen");
        watcher.stand(vec![Family::Disk, Family::Link, Family::Disk]);
        watcher.event("chosen");
        watcher.event("applied");
        let cells = watcher.take().cells;
        let expected = [
            (("applied", Some(Family::Link)), 1),
            (("applied", Some(Family::Disk)), 1),
            (("chosen", None), 1),
            (("chosen", Some(Family::Link)), 1),
            (("chosen", Some(Family::Disk)), 1),
        ];
        assert_eq!(cells, BTreeMap::from(expected));
    }

    #[test]
    fn states_do_not_depend_on_which_server_is_which() {
        let mut watcher = Watcher::default();
        watcher.look(vec![glimpse("leader"), glimpse("follower")]);
        watcher.look(vec![glimpse("follower"), glimpse("leader")]);
        watcher.look(vec![glimpse("follower"), glimpse("follower")]);
        assert_eq!(watcher.take().states.len(), 2);
        assert_eq!([0, 1, 2, 3, 4, 15, 16, 900].map(octave), [0, 1, 2, 2, 3, 4, 5, 5]);
    }
}
