//! What became of the messages of a run, by kind.
//!
//! Every message is counted, and there are few kinds: they are looked for one by one.

use std::ptr;

/// What became of the messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MessageCounts {
    /// Sent.
    pub sent: u64,
    /// Never arrived: lost, cut, or damaged.
    pub dropped: u64,
    /// Delayed by a fault.
    pub delayed: u64,
    /// Arrived more than once.
    pub duplicated: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// Counts by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Vec<(&'static str, MessageCounts)>);

impl Tally {
    /// The counts of a kind.
    pub(crate) fn of(&mut self, kind: &'static str) -> &mut MessageCounts {
        by_name(&mut self.0, kind)
    }

    /// Every kind that occurred, in the order of their names.
    pub(crate) fn counts(&self) -> Vec<(String, MessageCounts)> {
        let mut counts: Vec<_> = self.0.iter().map(|(kind, counts)| ((*kind).to_owned(), *counts)).collect();
        counts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        counts
    }
}

/// The count under a name, of few. The same name is mostly at the same place, where it is found without being read.
pub(super) fn by_name<'counts, C: Default>(
    counts: &'counts mut Vec<(&'static str, C)>,
    name: &'static str,
) -> &'counts mut C {
    let place = counts.iter().position(|(known, _)| ptr::eq(*known, name));
    let place = place.or_else(|| counts.iter().position(|(known, _)| *known == name)).unwrap_or_else(|| {
        counts.push((name, C::default()));
        counts.len() - 1
    });
    &mut counts[place].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_and_come_in_the_order_of_their_names() {
        let mut tally = Tally::default();
        for kind in ["request", "accept", "request"] {
            tally.of(kind).sent += 1;
        }
        let sent: Vec<_> = tally.counts().into_iter().map(|(kind, counts)| (kind, counts.sent)).collect();
        assert_eq!(sent, [("accept".to_owned(), 1), ("request".to_owned(), 2)]);
    }
}
