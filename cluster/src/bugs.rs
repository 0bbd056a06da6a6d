//! The catalogue of mistakes that can be switched on: what a correct harness must find.
//!
//! Each [`Bug`] is one `if` at the line that it breaks, written as the mistake that a person would make. Switches are
//! part of a node's configuration, never of its state. Ids starting with B are those of the general catalogue, ids
//! starting with C belong to this cluster. Not here: B25, because a leader re-proposes under its own ballot and has no
//! earlier term to count in; B44, because groups keep their members; and B52, because nobody waits for a lock.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// What the cluster is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One durable server.
    Single,
    /// One group of replicas.
    Paxos,
    /// A view service, a primary, a backup and spares.
    PrimaryBackup,
    /// A controller and several groups of replicas.
    Sharded,
}

impl Mode {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Paxos => "paxos",
            Self::PrimaryBackup => "primary-backup",
            Self::Sharded => "sharded",
        }
    }
}

/// The part of the system that a bug breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Clients, retries, sessions.
    Rpc,
    /// Ballots, votes, elections.
    Paxos,
    /// The replicated log and its application.
    Log,
    /// Compaction and snapshots.
    Snapshot,
    /// Reads beside the log.
    Reads,
    /// What the disk holds and how it is read back.
    Storage,
    /// Views, primary and backup.
    Views,
    /// Configurations, and shards that move.
    Sharding,
    /// Two-phase commit between groups.
    Transactions,
}

macro_rules! catalogue {
    ($($variant:ident $id:literal $name:literal $layer:ident [$($mode:ident)*] $summary:literal;)*) => {
        /// One mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Bug {
            $(#[doc = $summary] $variant,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$variant,)*];

            /// Its number in the catalogue.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What the command line calls it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The part that it breaks.
            pub fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)* }
            }

            /// The modes in which it can act.
            pub fn modes(self) -> &'static [Mode] {
                match self { $(Self::$variant => &[$(Mode::$mode,)*],)* }
            }

            /// What a person got wrong, in one line.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }
        }
    };
}

catalogue! {
    NoDeduplication "B01" "no-deduplication" Rpc [Single Paxos PrimaryBackup] "a retried request is executed again";
    CurrentReply "B02" "current-reply" Rpc [Single Paxos PrimaryBackup] "a retry is answered from the current state, not with the stored reply";
    LateReply "B03" "late-reply" Rpc [Single Paxos PrimaryBackup] "a late reply to an old request is taken for the reply to the outstanding one";
    SequenceReused "B04" "sequence-reused" Rpc [Single Paxos PrimaryBackup] "a client that reconnects starts over at 1 under its old id";
    SessionsEvicted "B05" "sessions-evicted" Rpc [Single Paxos PrimaryBackup] "the table keeps the last few sessions only";
    TimeoutIsFailure "B06" "timeout-is-failure" Rpc [Single Paxos PrimaryBackup] "a client that gives up reports that nothing happened";
    RetryWithNewSequence "C01" "retry-with-new-sequence" Rpc [Single Paxos PrimaryBackup] "a retry gets a number of its own";
    DeduplicationBeforeLog "C02" "deduplication-before-log" Rpc [Paxos] "retries are recognised when they arrive, not when they are applied";
    RejectionCached "C03" "rejection-cached" Rpc [Paxos] "a rejection is stored in the session like a reply";
    PromiseNotPersisted "B13" "promise-not-persisted" Paxos [Paxos] "a promise is forgotten by a restart";
    AcceptedBeforeSync "B14" "accepted-before-sync" Paxos [Single Paxos] "an acceptance is reported now and written with a later batch";
    AcceptBelowPromise "B15" "accept-below-promise" Paxos [Paxos] "a proposal below the promise is accepted";
    AnyValueAdopted "B16" "any-value-adopted" Paxos [Paxos] "phase 1 adopts the first value it hears of, not that of the highest ballot";
    PeerCountedTwice "B17" "peer-counted-twice" Paxos [Paxos] "votes are counted, not voters";
    AcceptedAcrossBallots "B18" "accepted-across-ballots" Paxos [Paxos] "acceptances of different ballots are added up";
    CommitHintAnyBallot "B19" "commit-hint-any-ballot" Paxos [Paxos] "a leader's commit is applied to slots accepted in another ballot";
    LocalReads "B20" "local-reads" Paxos [Paxos] "a leader reads from its own state without asking anybody";
    DuelingLeaders "B22" "dueling-leaders" Paxos [Paxos] "whoever is preempted stands again at once, and nobody defends a working leader";
    QuorumOfHalf "C04" "quorum-of-half" Paxos [Paxos] "a quorum is n / 2, not n / 2 + 1";
    NoopBelowCommit "C05" "noop-below-commit" Paxos [Paxos] "a new leader proposes in slots that a peer reported as chosen";
    PromiseBeforeSync "C06" "promise-before-sync" Paxos [Paxos] "a promise is sent now and written with a later batch";
    OwnBallotNotPersisted "C07" "own-ballot-not-persisted" Paxos [Paxos] "a candidate forgets its own ballot in a restart and uses it twice";
    OwnVoteNotPersisted "C08" "own-vote-not-persisted" Paxos [Paxos] "a leader counts its own vote without writing it down";
    RepeatedPrepareRefused "C09" "repeated-prepare-refused" Paxos [Paxos] "a promise is given only to a ballot above the promised one, so a lost promise cannot be repeated";
    LeaderNeverStepsDown "C10" "leader-never-steps-down" Paxos [Paxos] "a leader that hears nobody goes on holding the others";
    AppliedAcrossHole "B23" "applied-across-hole" Log [Paxos] "chosen slots are applied although an earlier one is missing";
    HoleNotFilled "B24" "hole-not-filled" Log [Paxos] "a new leader leaves the holes that its predecessor left";
    ReproposalDropped "B27" "reproposal-dropped" Log [Paxos] "a new leader does not propose again what it proposed itself in an earlier ballot";
    HashOrderApply "B28" "hash-order-apply" Log [Paxos] "a batch is applied in the order of a hash map seeded by each process";
    ReplyBySlot "B29" "reply-by-slot" Log [Paxos] "whoever waits at a slot is answered, even if another request was chosen there";
    ReplyBeforeCommit "C11" "reply-before-commit" Log [Paxos] "a write is acknowledged as soon as the leader itself accepted it";
    CutAtAccepted "B26" "cut-at-accepted" Snapshot [Paxos] "a compaction cuts the log at the end of what is accepted, not of what is applied";
    SnapshotWithoutSessions "B30" "snapshot-without-sessions" Snapshot [Paxos] "a snapshot holds the data and forgets the sessions";
    SnapshotBeforeApply "B31" "snapshot-before-apply" Snapshot [Paxos] "a snapshot is labelled with the slot that is about to be applied";
    OldSnapshotInstalled "B32" "old-snapshot-installed" Snapshot [Paxos] "a snapshot is installed over newer state";
    CompactionInTwoSteps "B33" "compaction-in-two-steps" Snapshot [Paxos] "the log is cut in one write, and the snapshot written in the next";
    InstallResetsPromise "C12" "install-resets-promise" Snapshot [Paxos] "an installed snapshot makes the replica forget what it promised";
    InstallDropsAccepted "C13" "install-drops-accepted" Snapshot [Paxos] "an installed snapshot takes the place of all that was accepted, also above it";
    SnapshotAckedBeforeSync "C14" "snapshot-acked-before-sync" Snapshot [Paxos] "an installed snapshot cuts the log now and is written with a later batch";
    LeaseByPeerClock "B21" "lease-by-peer-clock" Reads [Paxos] "a lease is counted from a time that the peer's clock showed";
    LeaseFromAnswer "C15" "lease-from-answer" Reads [Paxos] "a lease is counted from the arrival of the answer, not from the sending of the question";
    ReadUnrecovered "C16" "read-unrecovered" Reads [Paxos] "a new leader answers reads before it knows everything that was acknowledged";
    ReadByAnyAnswer "C17" "read-by-any-answer" Reads [Paxos] "a read is confirmed by answers to heartbeats that were sent before it arrived";
    LastRecordDropped "B34" "last-record-dropped" Storage [Single Paxos] "the last record is taken for a torn one and dropped at boot";
    ChecksumUnchecked "B35" "checksum-unchecked" Storage [Single Paxos] "a damaged record is taken as data";
    WipedReplicaVotes "B36" "wiped-replica-votes" Storage [Single Paxos] "a replica that lost its disk takes part as if it never had one";
    ReadNotForwarded "B07" "read-not-forwarded" Views [PrimaryBackup] "a primary answers reads without asking its backup";
    ReplyBeforeForwardAck "B08" "reply-before-forward-ack" Views [PrimaryBackup] "a primary answers a write before its backup has it";
    BackupIgnoresView "B09" "backup-ignores-view" Views [PrimaryBackup] "a server executes what is forwarded to it, whatever the view";
    ServesBeforeTransfer "B10" "serves-before-transfer" Views [PrimaryBackup] "a primary serves alone while its new backup is still taking over the state";
    TransferWithoutSessions "B11" "transfer-without-sessions" Views [PrimaryBackup] "the state that a new backup gets lacks the sessions";
    ViewChangedUnacknowledged "B12" "view-changed-unacknowledged" Views [PrimaryBackup] "the view service moves on before the primary acknowledged the view";
    AcknowledgedBeforeTransfer "C40" "acknowledged-before-transfer" Views [PrimaryBackup] "a primary acknowledges a view before its backup has the state";
    SparePromoted "C41" "spare-promoted" Views [PrimaryBackup] "the view service puts any living server in the place of a dead primary";
    TransferInstalledTwice "C42" "transfer-installed-twice" Views [PrimaryBackup] "a repeated transfer is installed over what was executed since";
    OldBootTaken "C43" "old-boot-taken" Views [PrimaryBackup] "a late ping of an earlier life is taken for the present one";
    RestartUnnoticed "C44" "restart-unnoticed" Views [PrimaryBackup] "a server that restarts quickly is taken for alive, though it lost its state";
    ViewToldBeforeSync "C45" "view-told-before-sync" Views [PrimaryBackup] "a view is told now and written with a later batch";
    ForwardExecutedAgain "C46" "forward-executed-again" Views [PrimaryBackup] "a repeated forward is executed again";
    SilentBackupSkipped "C47" "silent-backup-skipped" Views [PrimaryBackup] "a primary goes on alone when its backup does not answer in time";
    RefusalTakenForDeath "C48" "refusal-taken-for-death" Views [PrimaryBackup] "a primary goes on alone when its backup refuses, whatever the boot number";
    RestartedBackupSkipped "C50" "restarted-backup-skipped" Views [PrimaryBackup] "a primary whose backup restarted goes on alone, though that backup may have been promoted before";
    ViewCachedForEver "C49" "view-cached-for-ever" Views [PrimaryBackup] "a client that knows a view never asks for another";
    RebalanceHashOrder "C20" "rebalance-hash-order" Sharding [Sharded] "shards are spread over groups in the order of a hash map seeded by each replica";
    RebalanceNotMinimal "C21" "rebalance-not-minimal" Sharding [Sharded] "a rebalance deals all shards anew instead of moving the surplus";
    QueryFromFollower "C22" "query-from-follower" Sharding [Sharded] "any replica of the controller answers queries from what it has applied";
    ConfigurationOutsideLog "B43" "configuration-outside-log" Sharding [Sharded] "a leader takes up a configuration at once and not through its group's log";
    ConfigurationSkipped "B42" "configuration-skipped" Sharding [Sharded] "a group takes up the latest configuration and skips those between";
    ServedBeforeInstall "B38" "served-before-install" Sharding [Sharded] "a group serves a shard as soon as it is assigned, before the data arrives";
    ServedAfterFreeze "B37" "served-after-freeze" Sharding [Sharded] "a group goes on serving a shard that it gave away until the copy is deleted";
    DroppedBeforeAcknowledged "B40" "dropped-before-acknowledged" Sharding [Sharded] "the copy of a shard is deleted once it was sent, before it is acknowledged";
    AcknowledgedBeforeInstalled "C23" "acknowledged-before-installed" Sharding [Sharded] "a shard is acknowledged when it arrives, before it is in the log";
    SessionsNotTransferred "B39" "sessions-not-transferred" Sharding [Sharded] "a shard is sent without its sessions";
    StaleInstall "B41" "stale-install" Sharding [Sharded] "a shard that arrives again is installed again over what was written since";
    NoReadLocks "B50" "no-read-locks" Transactions [Sharded] "a transaction locks what it writes and not what it reads";
    DecidedBeforeAllVotes "B47" "decided-before-all-votes" Transactions [Sharded] "a coordinator commits with one vote missing";
    UnlockedOnTimeout "B46" "unlocked-on-timeout" Transactions [Sharded] "a participant that voted yes gives up by itself after a while";
    PreparedForgotten "B45" "prepared-forgotten" Transactions [Sharded] "what is prepared is kept in the leader's memory and lost with its leadership";
    CoordinatorForgets "C24" "coordinator-forgets" Transactions [Sharded] "a coordinator forgets a commit before the participants have acknowledged it";
    PresumedAbortFromMemory "C25" "presumed-abort-from-memory" Transactions [Sharded] "a leader answers that an attempt it does not know was aborted, without asking its log";
    FinishDropped "C26" "finish-dropped" Transactions [Sharded] "a participant drops a commit whose client has already gone on";
    FinishAcknowledgedFromMemory "C27" "finish-acknowledged-from-memory" Transactions [Sharded] "a leader acknowledges a decision on what it does not hold as prepared, without its log";
    AbortMarksDone "C28" "abort-marks-done" Transactions [Sharded] "an aborted attempt marks the request as done";
    VoteBeforeLogged "C29" "vote-before-logged" Transactions [Sharded] "a participant votes yes before its promise is in the log";
    PreparedAcrossConfigurations "B48" "prepared-across-configurations" Transactions [Sharded] "a participant prepares an attempt of another configuration than its own";
    ReconfigurationIgnoresLocks "B49" "reconfiguration-ignores-locks" Transactions [Sharded] "a configuration takes effect although transactions are open";
    DeduplicatedByCoordinator "B51" "deduplicated-by-coordinator" Transactions [Sharded] "the group that coordinated remembers what was done, and not the home shard";
    AttemptByClient "C30" "attempt-by-client" Transactions [Sharded] "attempts at a transaction are numbered by the client's request and not by the log";
}

impl Bug {
    /// The bug of this name or id.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == text || bug.id() == text)
    }
}

/// The bugs that are switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<Bug>", from = "Vec<Bug>")]
pub struct Bugs(u128);

impl Bugs {
    /// None: the correct cluster.
    pub const NONE: Self = Self(0);

    /// These.
    pub fn of(bugs: &[Bug]) -> Self {
        bugs.iter().fold(Self::NONE, |all, bug| all.with(*bug))
    }

    /// One more.
    #[must_use]
    pub fn with(self, bug: Bug) -> Self {
        let bit = 1_u128 << (bug as u32);
        assert!(bit != 0, "the set has a bit for each bug");
        Self(self.0 | bit)
    }

    /// Whether a bug is on.
    #[inline]
    pub fn has(self, bug: Bug) -> bool {
        self.0 & (1_u128 << (bug as u32)) != 0
    }

    /// Whether none is on.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are on, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Bug> {
        Bug::ALL.iter().copied().filter(move |bug| self.has(*bug))
    }
}

impl From<Vec<Bug>> for Bugs {
    fn from(bugs: Vec<Bug>) -> Self {
        Self::of(&bugs)
    }
}

impl From<Bugs> for Vec<Bug> {
    fn from(bugs: Bugs) -> Self {
        bugs.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::String;

    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_fit_the_set() {
        let names: BTreeSet<_> = Bug::ALL.iter().flat_map(|bug| [bug.name(), bug.id()]).collect();
        assert_eq!(names.len(), 2 * Bug::ALL.len());
        assert!(Bug::ALL.len() <= 128 && Bug::ALL.len() >= 27);
        assert!(Bug::ALL.iter().all(|bug| !bug.modes().is_empty() && Bug::parse(bug.name()) == Some(*bug)));
    }

    /// What serde writes is the name.
    #[test]
    fn names_follow_the_variants() {
        for bug in Bug::ALL {
            let mut kebab = String::new();
            for letter in std::format!("{bug:?}").chars() {
                if letter.is_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(letter.to_lowercase());
            }
            assert_eq!(kebab, bug.name());
        }
    }

    #[test]
    fn set_holds_what_was_put_in() {
        let bugs = Bugs::of(&[Bug::LateReply, Bug::WipedReplicaVotes]);
        assert!(bugs.has(Bug::LateReply) && !bugs.has(Bug::LocalReads) && !bugs.is_empty());
        assert_eq!(Bugs::from(Vec::from(bugs)), bugs);
    }
}
