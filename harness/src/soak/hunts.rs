//! Which workload suits which bug, and which checks should find it: knowledge, as a table.
//!
//! Lost, doubled and reordered effects show best in lists, where every element is seen again; stale and wrong answers
//! in registers, whose operations are many and small.

use squall_cluster::bugs::{Bug, Layer, Mode};

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
/// Replicas disagree; monitors, clients or the comparison at the end see it, whichever comes first.
const AGREEMENT: &[&str] = &["monitor", "exactly-once", "linearizable", "settled"];
/// Monitors see it, or clients of several keys, or nothing moves any more: whichever comes first.
const ANYTHING: &[&str] =
    &["monitor", "exactly-once", "linearizable", "strict-serializable", "settled", "recovery"];
/// Nothing moves any more.
const HANGS: &[&str] = &["recovery"];

/// Bugs that are found soon, for a quick look.
pub const QUICK: &[Bug] = &[
    Bug::NoDeduplication,
    Bug::RetryWithNewSequence,
    Bug::SessionsEvicted,
    Bug::AcceptedBeforeSync,
    Bug::AcceptBelowPromise,
    Bug::QuorumOfHalf,
    Bug::ReplyBeforeCommit,
    Bug::ReplyBySlot,
    Bug::AppliedAcrossHole,
    Bug::LastRecordDropped,
];

/// How a bug is hunted in a mode; `None`: it cannot show there.
pub(crate) fn suited(bug: Bug, mode: Mode) -> Option<Suited> {
    let all = |workload, expected| Some(Suited { workload, scenario: None, expected });
    let by = |scenario, workload, expected| Some(Suited { workload, scenario: Some(scenario), expected });
    match bug {
        // One server that finds its disk damaged or empty rightly stops for good: the clean one is no better off.
        Bug::ChecksumUnchecked | Bug::WipedReplicaVotes if mode == Mode::Single => None,
        Bug::TimeoutIsFailure => by("lost-clients", "append", LISTS),
        Bug::LeaderNeverStepsDown => by("deaf-leader", "append", &["availability"]),
        Bug::AnyValueAdopted | Bug::AcceptedAcrossBallots => by("open-slots", "append", AGREEMENT),
        // A retry finds another reply.
        Bug::CurrentReply => all("kv", &["monitor", "linearizable"]),
        Bug::LateReply => all("kv", ANSWERS),
        Bug::LocalReads => all("register", ANSWERS),
        Bug::ReadUnrecovered => by("read-index", "register", ANSWERS),
        Bug::LeaseByPeerClock => by("leases", "register", ANSWERS),
        Bug::ReadByAnyAnswer => by("late-answers", "register", ANSWERS),
        Bug::LeaseFromAnswer => by("late-answers-lease", "register", ANSWERS),
        Bug::RejectionCached => all("register", &["linearizable", "settled"]),
        Bug::ReadNotForwarded => all("register", ANSWERS),
        Bug::RestartUnnoticed => all("append", HANGS),
        Bug::OldBootTaken => by("old-pings", "append", &["monitor"]),
        Bug::ViewCachedForEver => by("lost-primary", "append", &["availability"]),
        // Views that nobody can take up end in a standstill; monitors see some of them before.
        Bug::ServesBeforeTransfer
        | Bug::ViewChangedUnacknowledged
        | Bug::AcknowledgedBeforeTransfer
        | Bug::SparePromoted => all("append", &["monitor", "recovery"]),
        // A backup that is ahead of its primary takes no forward any more.
        Bug::ForwardExecutedAgain => all("append", &["monitor", "recovery"]),
        Bug::ReplyBeforeForwardAck => all("append", &["monitor", "exactly-once", "linearizable"]),
        Bug::DuelingLeaders | Bug::HoleNotFilled | Bug::ReproposalDropped | Bug::RepeatedPrepareRefused => {
            all("append", HANGS)
        }
        // The server takes the request for a retry of an old one, and never answers what it does not know.
        Bug::SequenceReused => all("append", &["recovery", "exactly-once", "linearizable"]),
        Bug::NoDeduplication
        | Bug::SessionsEvicted
        | Bug::RetryWithNewSequence
        | Bug::DeduplicationBeforeLog
        | Bug::LastRecordDropped => all("append", LISTS),
        // A group that cannot take up what the others did waits for ever.
        Bug::RebalanceHashOrder | Bug::ConfigurationSkipped | Bug::DroppedBeforeAcknowledged => {
            all("append", ANYTHING)
        }
        Bug::QueryFromFollower => all("config", ANSWERS),
        _ if bug.layer() == Layer::Transactions => all("multi", ANYTHING),
        Bug::ReplyBeforeCommit | Bug::ReplyBySlot => {
            all("append", &["monitor", "exactly-once", "linearizable"])
        }
        _ => all("append", AGREEMENT),
    }
}
