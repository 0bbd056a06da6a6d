//! Which workload suits which bug, and which checks should find it: knowledge, as a table.
//!
//! Lost, doubled and reordered effects show best in lists, where every element is seen again; stale and wrong answers
//! in registers, whose operations are many and small.

use squall_cluster::bugs::{Bug, Mode};

/// How a bug is hunted in one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suited {
    pub(crate) workload: &'static str,
    pub(crate) scenario: Option<&'static str>,
    pub(crate) expected: &'static [&'static str],
}

/// Clients see it in their lists.
const LISTS: &[&str] = &["exactly-once", "linearizable"];
/// Clients see it in what they are told.
const ANSWERS: &[&str] = &["linearizable"];
/// Replicas disagree; monitors see it before clients do.
const AGREEMENT: &[&str] = &["monitor", "exactly-once", "linearizable"];
/// Nothing moves any more.
const HANGS: &[&str] = &["recovery"];

/// Bugs that are found soon, for a quick look.
pub const QUICK: &[Bug] = &[
    Bug::NoDeduplication,
    Bug::RetryWithNewSequence,
    Bug::TimeoutIsFailure,
    Bug::LocalReads,
    Bug::ReplyBeforeCommit,
    Bug::AppliedAcrossHole,
];

/// How a bug is hunted in a mode; `None`: it cannot show there.
pub(crate) fn suited(bug: Bug, mode: Mode) -> Option<Suited> {
    let all = |workload, expected| Some(Suited { workload, scenario: None, expected });
    let by = |scenario, workload, expected| Some(Suited { workload, scenario: Some(scenario), expected });
    let _ = (mode, by("lost-replies", "append", LISTS));
    match bug {
        Bug::CurrentReply | Bug::LateReply => all("kv", ANSWERS),
        Bug::LocalReads | Bug::RejectionCached => all("register", ANSWERS),
        Bug::DuelingLeaders
        | Bug::HoleNotFilled
        | Bug::RepeatedPrepareRefused
        | Bug::LeaderNeverStepsDown => all("append", HANGS),
        Bug::NoDeduplication
        | Bug::SequenceReused
        | Bug::SessionsEvicted
        | Bug::TimeoutIsFailure
        | Bug::RetryWithNewSequence
        | Bug::DeduplicationBeforeLog
        | Bug::ReplyBeforeCommit
        | Bug::ReplyBySlot
        | Bug::LastRecordDropped
        | Bug::ChecksumUnchecked => all("append", LISTS),
        _ => all("append", AGREEMENT),
    }
}
