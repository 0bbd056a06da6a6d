//! What became of the messages of a run, by kind.
//!
//! Every message is counted, and there are few kinds: they are looked for one by one, once for each message.

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

/// A kind of message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What stands for the name in random decisions: the same in every process.
    pub(crate) word: u64,
    /// Its place among the kinds that were seen.
    pub(crate) number: usize,
}

/// Counts by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Vec<(&'static str, Counted)>);

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    word: Option<u64>,
    counts: MessageCounts,
}

impl Tally {
    /// The kind of this name.
    pub(crate) fn kind(&mut self, name: &'static str) -> Kind {
        let number = place_of(&mut self.0, name);
        let word = *self.0[number].1.word.get_or_insert_with(|| word_of(name));
        Kind { name, word, number }
    }

    /// The counts of a kind.
    pub(crate) fn of(&mut self, kind: Kind) -> &mut MessageCounts {
        &mut self.0[kind.number].1.counts
    }

    /// Every kind that occurred, in the order of their names.
    pub(crate) fn counts(&self) -> Vec<(String, MessageCounts)> {
        let mut counts: Vec<_> =
            self.0.iter().map(|(name, counted)| ((*name).to_owned(), counted.counts)).collect();
        counts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        counts
    }
}

/// Where a name is, of few; at the end if it is new. The same name is mostly at the same place in memory, where it is
/// found without being read.
pub(super) fn place_of<C: Default>(entries: &mut Vec<(&'static str, C)>, name: &'static str) -> usize {
    let place = entries.iter().position(|(known, _)| ptr::eq(*known, name));
    place.or_else(|| entries.iter().position(|(known, _)| *known == name)).unwrap_or_else(|| {
        entries.push((name, C::default()));
        entries.len() - 1
    })
}

/// A name as a number (FNV-1a).
fn word_of(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_and_come_in_the_order_of_their_names() {
        let mut tally = Tally::default();
        for name in ["request", "accept", "request"] {
            let kind = tally.kind(name);
            tally.of(kind).sent += 1;
        }
        let sent: Vec<_> = tally.counts().into_iter().map(|(kind, counts)| (kind, counts.sent)).collect();
        assert_eq!(sent, [("accept".to_owned(), 1), ("request".to_owned(), 2)]);
    }
}
