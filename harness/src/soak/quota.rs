//! Which failures are recorded and stored whole: a bounded number, and of each cause only some, so that a frequent one
//! leaves room for the rare.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::shrink::Cause;

/// Failures of one soak that are stored whole, at most.
pub const FAILURES_MAX: usize = 20;
/// Failures of one cause that are stored whole, at most.
pub const FAILURES_PER_CAUSE_MAX: usize = 5;

/// Hands out what room there is.
#[derive(Debug, Default)]
pub struct Quota {
    stored: Mutex<BTreeMap<Cause, usize>>,
}

impl Quota {
    /// The room that is left beside what is stored already.
    pub fn beside<'a>(stored: impl IntoIterator<Item = &'a Cause>) -> Self {
        let mut counts = BTreeMap::new();
        for cause in stored {
            *counts.entry(cause.clone()).or_insert(0) += 1;
        }
        Self { stored: Mutex::new(counts) }
    }

    /// Asks for room for a failure of this cause.
    pub fn grant(&self, cause: &Cause) -> bool {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.values().sum::<usize>() >= FAILURES_MAX {
            return false;
        }
        let count = stored.entry(cause.clone()).or_insert(0);
        let is_room = *count < FAILURES_PER_CAUSE_MAX;
        *count += usize::from(is_room);
        is_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: &str) -> Cause {
        Cause { check: "linearizable".into(), kind: kind.into() }
    }

    #[test]
    fn a_frequent_cause_leaves_room_for_the_rare() {
        let quota = Quota::beside([&cause("often"), &cause("often")]);
        let granted = (0..100).filter(|_| quota.grant(&cause("often"))).count();
        assert_eq!(granted, FAILURES_PER_CAUSE_MAX - 2);
        assert!(quota.grant(&cause("rare")));
        let more = (0..100).filter(|number| quota.grant(&cause(&number.to_string()))).count();
        assert_eq!(more, FAILURES_MAX - FAILURES_PER_CAUSE_MAX - 1);
    }
}
