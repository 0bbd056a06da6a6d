//! One durable server: exactly-once execution without replication.
//!
//! Every executed mutation is on disk before its reply leaves; a restart executes the disk again. A server whose disk
//! was wiped or damaged has lost acknowledged writes: it refuses to serve for good rather than answer wrongly.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, Bugs};
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::paxos::{Ballot, Slot};
use crate::replica::ServerView;
use crate::session::{Outcome, Request, Shard};

/// Who the server is.
#[derive(Clone, Debug)]
pub struct SingleConfig {
    /// Its address.
    pub id: NodeId,
    /// Bugs switched on.
    pub bugs: Bugs,
}

/// One durable write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SingleRecord {
    /// Whose disk this is; written once, before the first boot.
    Identity {
        /// Its address.
        node: NodeId,
    },
    /// A mutation was executed.
    Executed(Request),
}

/// What the host writes to a new disk before the first boot.
pub fn identity_records(config: &SingleConfig) -> Vec<SingleRecord> {
    assert!(!config.id.is_client(), "a server has a server's address");
    vec![SingleRecord::Identity { node: config.id }]
}

/// It has no timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SingleTimer {}

/// Nobody invokes or answers anything at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nothing {}

/// How many mutations wait for one write when acceptances are reported before they are written.
const DEFERRED_MAX: usize = 3;

/// The state machine of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Single {
    shard: Shard,
    serves: bool,
    deferred: Vec<SingleRecord>,
}

impl Node for Single {
    type Config = SingleConfig;
    type Message = Message;
    type Timer = SingleTimer;
    type Record = SingleRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &SingleConfig,
        incarnation: u64,
        disk: &[Stored<SingleRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let known = disk
            .iter()
            .any(|stored| stored.intact && stored.record == Some(SingleRecord::Identity { node: config.id }));
        let damaged = disk.iter().any(|stored| !stored.intact || stored.record.is_none());
        let trusted = (known || config.bugs.has(Bug::WipedReplicaVotes))
            && (!damaged || config.bugs.has(Bug::ChecksumUnchecked));
        let mut single = Self { shard: Shard::default(), serves: trusted, deferred: Vec::new() };
        effects.event(Event::Booted {
            incarnation,
            promised: Ballot::ZERO,
            accepted: Vec::new().into(),
            learner: !trusted,
        });
        if trusted {
            let dropped = usize::from(config.bugs.has(Bug::LastRecordDropped) && disk.len() > 1);
            for stored in &disk[..disk.len() - dropped] {
                if let Some(SingleRecord::Executed(request)) = &stored.record
                    && request.seq > 0
                {
                    single.execute(config, request, effects);
                }
            }
        }
        single
    }

    fn on(&mut self, config: &SingleConfig, _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Message { from, message: Message::Request(request) } if self.serves => {
                self.on_request(config, from, &request, effects);
            }
            Input::Message { .. } => {}
            Input::Timer(timer) => match timer {},
            Input::Invoke(nothing) => match nothing {},
        }
    }
}

impl Single {
    /// What it holds.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    fn on_request(
        &mut self,
        config: &SingleConfig,
        from: NodeId,
        request: &Request,
        effects: &mut Effects<Self>,
    ) {
        assert!(self.serves, "a server that lost its disk does not serve");
        let version = self.shard.version();
        let Some(outcome) = self.execute(config, request, effects) else { return };
        if self.shard.version() > version {
            self.persist(config, SingleRecord::Executed(request.clone()), effects);
        }
        effects.event(Event::ReplySent {
            client: request.client,
            seq: request.seq,
            mutation: request.operation.is_mutation(),
            reply: outcome.digest(),
        });
        effects.send(from, Message::Response { client: request.client, seq: request.seq, outcome });
    }

    fn execute(
        &mut self,
        config: &SingleConfig,
        request: &Request,
        effects: &mut Effects<Self>,
    ) -> Option<Outcome> {
        let execution = self.shard.execute(request, config.bugs);
        if let (Some(version), Some(outcome)) = (execution.version, &execution.outcome) {
            assert_eq!(version, self.shard.version(), "the last mutation has the newest version");
            effects.event(Event::Executed {
                client: request.client,
                seq: request.seq,
                version,
                mutation: true,
                reply: outcome.digest(),
            });
        }
        execution.outcome
    }

    fn persist(&mut self, config: &SingleConfig, record: SingleRecord, effects: &mut Effects<Self>) {
        if config.bugs.has(Bug::AcceptedBeforeSync) {
            self.deferred.push(record);
            if self.deferred.len() >= DEFERRED_MAX {
                self.deferred.drain(..).for_each(|record| effects.persist(record));
            }
            return;
        }
        effects.persist(record);
    }
}

impl ServerView for Single {
    fn role(&self) -> &'static str {
        if self.serves { "server" } else { "refusing" }
    }

    fn is_leader(&self) -> bool {
        self.serves
    }

    fn ballot(&self) -> Ballot {
        Ballot::ZERO
    }

    fn commit(&self) -> Slot {
        Slot(self.shard.version())
    }

    fn applied(&self) -> Slot {
        Slot(self.shard.version())
    }

    fn state_digest(&self) -> u64 {
        self.shard.digest()
    }
}
