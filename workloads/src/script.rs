//! How scripts are drawn, and which keys their steps stand for.
//!
//! A step names a *slot*; which key that is depends on when the step is issued. What is written is named by the id of
//! its step, so that removing other steps changes neither. It does not know what any workload does.

use std::sync::Arc;

use crate::decide::{Decide, Draw};
use crate::workload::{ClientScript, Scripted, Shape};

/// A script for every client, each step drawn by `step` from what is decided at its place.
pub(crate) fn drawn_scripts<T>(
    shape: &Shape,
    decide: &Decide,
    mut step: impl FnMut(&mut Draw) -> T,
) -> Vec<ClientScript<T>> {
    let mut steps_of = |client: u32| {
        let scripted = |nth: u32| {
            // Ids go round over the clients: small ids are early steps.
            let id = nth * shape.clients + client;
            let mut draw = decide.at("script", &[u64::from(client), u64::from(nth)]);
            let pause_ms = draw.below(2 * u64::from(shape.pause_ms_mean) + 1);
            Scripted {
                id,
                pause_ms: u32::try_from(pause_ms).expect("twice a number of 32 bits, at most"),
                step: step(&mut draw),
            }
        };
        ClientScript { steps: (0..shape.steps_per_client).map(scripted).collect() }
    };
    (0..shape.clients).map(&mut steps_of).collect()
}

/// One of these, by weight.
pub(crate) fn weighted<T: Copy>(draw: &mut Draw, mix: &[(u64, T)]) -> T {
    let mut left = draw.below(mix.iter().map(|(weight, _)| weight).sum());
    for (weight, item) in mix {
        if left < *weight {
            return *item;
        }
        left -= weight;
    }
    unreachable!("the draw is below the sum of the weights")
}

/// The element or value that the operation with this id writes: unique in the whole run.
pub(crate) fn element(id: u32) -> i64 {
    i64::from(id) + 1
}

/// How long a key is in use, in simulated milliseconds.
const KEY_LIFE_MS: u64 = 1_000;

/// Keys in use: so many at a time, each replaced by a fresh one after about a simulated second. Checking then stays
/// cheap however many operations time out: ambiguity never piles up on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys(u32);

impl Keys {
    /// So many at a time.
    pub(crate) fn new(keys: u32) -> Self {
        assert!(keys > 0, "a workload needs at least one key");
        Self(keys)
    }

    pub(crate) fn count(self) -> u32 {
        self.0
    }

    /// One of the slots, uniformly.
    pub(crate) fn slot(self, draw: &mut Draw) -> u32 {
        u32::try_from(draw.below(u64::from(self.0))).expect("below the number of keys")
    }

    /// The name of the key in a slot at `now_ms`: each slot has a fresh one at a time of its own.
    pub(crate) fn name(self, slot: u32, now_ms: u64) -> Arc<str> {
        let stagger = u64::from(slot) * KEY_LIFE_MS / u64::from(self.0);
        let generation = (now_ms + stagger) / KEY_LIFE_MS;
        format!("k{}", generation * u64::from(self.0) + u64::from(slot)).into()
    }

    /// The names of all keys in use.
    pub(crate) fn names(self, now_ms: u64) -> impl Iterator<Item = Arc<str>> {
        (0..self.0).map(move |slot| self.name(slot, now_ms))
    }

    /// Whether a step may name these slots.
    ///
    /// # Errors
    ///
    /// The first that does not exist.
    pub(crate) fn check(self, slots: impl IntoIterator<Item = u32>) -> Result<(), String> {
        match slots.into_iter().find(|slot| *slot >= self.0) {
            None => Ok(()),
            Some(slot) => Err(format!("slot {slot} does not exist; there are {} keys, from 0", self.0)),
        }
    }
}
