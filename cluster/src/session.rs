//! Exactly-once execution: the session table that lives inside each shard, and the rule at apply.
//!
//! A client has one request outstanding and numbers its requests from 1; a retry keeps its number. At apply, a
//! greater number than the session's runs and stores its reply, an equal one gets the stored reply, a smaller one is
//! stale and ignored. Reads leave no mark. It does not know where requests come from or how they are ordered.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::app::{Key, Operation, Reply, Store, Value};
use crate::bugs::{Bug, Bugs};
use crate::digest::Digest;
use crate::node::NodeId;

/// One life of a client; a client that gives up goes on under a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// What a client asks a server for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub client: ClientId,
    /// Its number, from 1; a retry keeps it.
    pub seq: u64,
    /// What to do.
    pub operation: Operation,
}

impl Request {
    /// A stable digest of the request.
    pub fn digest(&self) -> u64 {
        Digest::new(4).word(self.client.0).word(self.seq).word(self.operation.digest()).finish()
    }
}

/// What a server says to a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It was executed: the only definite end.
    Reply(Reply),
    /// A rejection: this server does not lead. Never stored, so that a retry under the same number is safe.
    NotLeader {
        /// Who does, as far as it knows.
        hint: Option<NodeId>,
    },
    /// A rejection: some key is not served by this group in the configuration that it follows.
    WrongGroup,
    /// A rejection: a transaction holds some key, or this attempt at one was aborted.
    Locked,
}

impl Outcome {
    /// A stable digest of the outcome.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Reply(reply) => reply.digest(),
            Self::NotLeader { .. } => Digest::new(5).finish(),
            Self::WrongGroup => Digest::new(28).finish(),
            Self::Locked => Digest::new(29).finish(),
        }
    }

    /// About how many bytes it takes on the wire.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Reply(reply) => 8 + reply.size_bytes(),
            Self::NotLeader { .. } | Self::WrongGroup | Self::Locked => 8,
        }
    }
}

/// The last executed mutation of one client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Its number.
    pub seq: u64,
    /// What it answered; a rejection only under a bug.
    pub outcome: Outcome,
}

impl Session {
    fn digest(&self, client: ClientId) -> u64 {
        Digest::new(6).word(client.0).word(self.seq).word(self.outcome.digest()).finish()
    }
}

/// What executing a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What to tell the client; `None`: the request is stale and must be ignored.
    pub outcome: Option<Outcome>,
    /// The shard's version after a mutation that ran now; `None`: nothing was changed.
    pub version: Option<u64>,
}

/// Data and sessions of one shard: they move, and are snapshotted, together. Cheap to clone; digests are not written
/// down but computed again when it is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Contents", from = "Contents")]
pub struct Shard {
    data: Store,
    sessions: Arc<BTreeMap<ClientId, Session>>,
    sessions_digest: u64,
    version: u64,
}

/// What is written down of a shard.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Shard")]
struct Contents {
    data: Store,
    sessions: Arc<BTreeMap<ClientId, Session>>,
    version: u64,
}

impl From<Shard> for Contents {
    fn from(shard: Shard) -> Self {
        Self { data: shard.data, sessions: shard.sessions, version: shard.version }
    }
}

impl From<Contents> for Shard {
    fn from(Contents { data, sessions, version }: Contents) -> Self {
        let digests = sessions.iter().map(|(client, session)| session.digest(*client));
        let sessions_digest = digests.fold(0, u64::wrapping_add);
        Self { data, sessions, sessions_digest, version }
    }
}

/// How many sessions are kept when they are evicted by count.
const EVICTION_SESSIONS_MAX: usize = 3;

impl Shard {
    /// Executes a request at most once.
    pub fn execute(&mut self, request: &Request, bugs: Bugs) -> Execution {
        assert!(request.seq > 0, "requests are numbered from 1");
        let deduplicate = !bugs.has(Bug::NoDeduplication) && !bugs.has(Bug::DeduplicationBeforeLog);
        let done = self.sessions.get(&request.client).map_or(0, |session| session.seq);
        if deduplicate && request.seq < done {
            return Execution { outcome: None, version: None };
        }
        if deduplicate && request.seq == done {
            return Execution { outcome: self.stored(request, bugs), version: None };
        }
        let reply = self.data.apply(&request.operation);
        if !request.operation.is_mutation() {
            return Execution { outcome: Some(Outcome::Reply(reply)), version: None };
        }
        self.version += 1;
        self.remember(request.client, request.seq, Outcome::Reply(reply.clone()));
        if bugs.has(Bug::SessionsEvicted) {
            self.evict();
        }
        Execution { outcome: Some(Outcome::Reply(reply)), version: Some(self.version) }
    }

    /// Takes over this shard's part of a request that touches several, resolved elsewhere: its writes, whatever the
    /// session holds, and its mark, if the session has not gone on. The version rises where something is written, and
    /// for every mutation in its home shard.
    pub fn commit(
        &mut self,
        request: &Request,
        outcome: &Outcome,
        writes: &[(Key, Option<Value>)],
        is_home: bool,
        marks: bool,
    ) -> Option<u64> {
        assert!(request.seq > 0, "requests are numbered from 1");
        for (key, value) in writes {
            self.data.set(key, value.clone());
        }
        let done = self.sessions.get(&request.client).map_or(0, |session| session.seq);
        if marks && request.seq > done {
            self.remember(request.client, request.seq, outcome.clone());
        }
        if writes.is_empty() && !(is_home && request.operation.is_mutation()) {
            return None;
        }
        self.version += 1;
        Some(self.version)
    }

    /// About how many bytes it takes on the wire.
    pub fn size_bytes(&self) -> usize {
        let entry = |(key, value): (&Key, &Value)| 8 + key.len() + value.len() * 10;
        let sessions: usize = self.sessions.values().map(|session| 24 + session.outcome.size_bytes()).sum();
        32 + self.data.iter().map(entry).sum::<usize>() + sessions
    }

    /// The final answer to a mutation that was executed already.
    pub fn stored(&self, request: &Request, bugs: Bugs) -> Option<Outcome> {
        let session = self.sessions.get(&request.client).filter(|session| session.seq == request.seq)?;
        if bugs.has(Bug::CurrentReply) {
            return Some(Outcome::Reply(self.data.evaluate(&request.operation)));
        }
        Some(session.outcome.clone())
    }

    /// Stores the outcome of a client's latest request.
    pub fn remember(&mut self, client: ClientId, seq: u64, outcome: Outcome) {
        let session = Session { seq, outcome };
        let digest = session.digest(client);
        let old = Arc::make_mut(&mut self.sessions).insert(client, session);
        let old_digest = old.map_or(0, |old| old.digest(client));
        self.sessions_digest = self.sessions_digest.wrapping_add(digest).wrapping_sub(old_digest);
        assert!(self.sessions.contains_key(&client), "an outcome just stored is there");
    }

    /// The contents.
    pub fn data(&self) -> &Store {
        &self.data
    }

    /// The session of a client.
    pub fn session(&self, client: ClientId) -> Option<&Session> {
        self.sessions.get(&client)
    }

    /// How many clients it remembers.
    pub fn sessions_len(&self) -> usize {
        self.sessions.len()
    }

    /// How many mutations were executed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The shard without its sessions: what is left when a copy forgets them.
    #[must_use]
    pub fn without_sessions(&self) -> Self {
        Self { sessions: Arc::default(), sessions_digest: 0, ..self.clone() }
    }

    /// The digest of everything in it.
    pub fn digest(&self) -> u64 {
        Digest::new(7).word(self.data.digest()).word(self.sessions_digest).word(self.version).finish()
    }

    fn evict(&mut self) {
        while self.sessions.len() > EVICTION_SESSIONS_MAX {
            let oldest = Arc::make_mut(&mut self.sessions).pop_first();
            let (client, session) = oldest.expect("a table above its bound is not empty");
            self.sessions_digest = self.sessions_digest.wrapping_sub(session.digest(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(client: u64, seq: u64, element: i64) -> Request {
        let operation = Operation::Append { key: "k".into(), element };
        Request { client: ClientId(client), seq, operation }
    }

    fn get(client: u64, seq: u64) -> Request {
        Request { client: ClientId(client), seq, operation: Operation::Get { key: "k".into() } }
    }

    fn done(version: Option<u64>) -> Execution {
        Execution { outcome: Some(Outcome::Reply(Reply::Done)), version }
    }

    #[test]
    fn retry_runs_once() {
        let mut shard = Shard::default();
        assert_eq!(shard.execute(&append(1, 1, 7), Bugs::NONE), done(Some(1)));
        assert_eq!(shard.execute(&append(1, 1, 7), Bugs::NONE), done(None));
        assert_eq!(shard.data().get(&"k".into()).map(|value| value.to_vec()), Some(alloc::vec![7]));
    }

    /// Of each client one reply is kept, of each key one value; what was large once is not remembered.
    #[test]
    fn memory_follows_what_is_kept() {
        let encoded =
            |shard: &Shard| postcard::to_allocvec(shard).expect("a shard can be written down").len();
        let put = |client, seq, size: usize| {
            let operation = Operation::Put { key: "k".into(), value: Value::from(alloc::vec![7; size]) };
            Request { client: ClientId(client), seq, operation }
        };
        let mut shard = Shard::default();
        shard.execute(&put(1, 1, 10_000), Bugs::NONE);
        assert!(encoded(&shard) > 10_000);
        for seq in 2..1_000 {
            shard.execute(&put(1, seq, 1), Bugs::NONE);
        }
        assert!(encoded(&shard) < 64, "{} bytes", encoded(&shard));
        for client in 2..100_000 {
            shard.execute(&put(client, 1, 1), Bugs::NONE);
        }
        let each = encoded(&shard) / shard.sessions_len();
        assert!(shard.sessions_len() < 100_000 && each < 16, "{each} bytes for each client");
    }

    #[test]
    fn stale_request_is_ignored() {
        let mut shard = Shard::default();
        shard.execute(&append(1, 2, 7), Bugs::NONE);
        assert_eq!(shard.execute(&append(1, 1, 8), Bugs::NONE), Execution { outcome: None, version: None });
        assert_eq!(shard.version(), 1);
    }

    #[test]
    fn read_leaves_no_mark() {
        let mut shard = Shard::default();
        shard.execute(&append(1, 1, 7), Bugs::NONE);
        let before = shard.clone();
        shard.execute(&get(1, 2), Bugs::NONE);
        assert_eq!(shard, before);
    }

    #[test]
    fn retry_gets_the_stored_reply() {
        let cas = Request {
            client: ClientId(1),
            seq: 1,
            operation: Operation::Cas { key: "k".into(), expected: None, new: [1].into() },
        };
        let mut shard = Shard::default();
        assert_eq!(shard.execute(&cas, Bugs::NONE), done(Some(1)));
        assert_eq!(shard.execute(&cas, Bugs::NONE), done(None));
        let wrong = shard.execute(&cas, Bugs::of(&[Bug::CurrentReply]));
        assert_eq!(wrong.outcome, Some(Outcome::Reply(Reply::Mismatch(Some([1].into())))));
    }

    #[test]
    fn digest_tells_states_apart() {
        let (mut first, mut second) = (Shard::default(), Shard::default());
        first.execute(&append(1, 1, 7), Bugs::NONE);
        second.execute(&append(2, 1, 7), Bugs::NONE);
        assert_eq!(first.data(), second.data());
        assert_ne!(first.digest(), second.digest());
    }

    #[test]
    fn a_copy_written_down_and_read_back_is_equal() {
        let mut shard = Shard::default();
        (1..=5).for_each(|client| drop(shard.execute(&append(client, 1, 7), Bugs::NONE)));
        let bytes = postcard::to_allocvec(&shard).expect("shards encode");
        let copy: Shard = postcard::from_bytes(&bytes).expect("shards decode");
        assert_eq!((&copy, copy.digest()), (&shard, shard.digest()));
        assert_ne!(shard.without_sessions().digest(), shard.digest());
    }

    #[test]
    fn bugs_repeat_mutations() {
        for bug in [Bug::NoDeduplication, Bug::DeduplicationBeforeLog] {
            let mut shard = Shard::default();
            shard.execute(&append(1, 1, 7), Bugs::of(&[bug]));
            assert_eq!(shard.execute(&append(1, 1, 7), Bugs::of(&[bug])), done(Some(2)), "{bug:?}");
        }
        let mut shard = Shard::default();
        for client in 1..=5 {
            shard.execute(&append(client, 1, 7), Bugs::of(&[Bug::SessionsEvicted]));
        }
        assert_eq!(shard.execute(&append(1, 1, 7), Bugs::of(&[Bug::SessionsEvicted])), done(Some(6)));
    }
}
