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
            snapshot: Slot::ZERO,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::{Operation, Reply};
    use crate::node::{Output, Write};
    use crate::session::ClientId;

    const CLIENT: NodeId = NodeId(NodeId::FIRST_CLIENT);

    /// The server with its disk; everything written is durable at once.
    struct Script {
        config: SingleConfig,
        disk: Vec<Stored<SingleRecord>>,
        node: Single,
    }

    impl Script {
        fn new(bugs: Bugs) -> Self {
            let config = SingleConfig { id: NodeId(1), bugs };
            let records = identity_records(&config).into_iter();
            let disk: Vec<_> = records.map(|record| Stored { record: Some(record), intact: true }).collect();
            let node = Single::boot(&config, 1, &disk, &mut Effects::new());
            Self { config, disk, node }
        }

        fn reboot(&mut self) {
            self.node = Single::boot(&self.config, 2, &self.disk, &mut Effects::new());
        }

        fn ask(&mut self, request: &Request) -> Option<Outcome> {
            let mut effects = Effects::new();
            let message = Message::Request(request.clone());
            self.node.on(&self.config, Micros(0), Input::Message { from: CLIENT, message }, &mut effects);
            for write in effects.writes {
                let Write::Append(record) = write else { panic!("a single server only appends") };
                self.disk.push(Stored { record: Some(record), intact: true });
            }
            effects.outputs.into_iter().find_map(|output| match output {
                Output::Send { message: Message::Response { outcome, .. }, .. } => Some(outcome),
                _ => None,
            })
        }
    }

    fn append(client: u64, seq: u64) -> Request {
        let element = i64::try_from(client * 100 + seq).expect("small");
        Request { client: ClientId(client), seq, operation: Operation::Append { key: "k".into(), element } }
    }

    const DONE: Option<Outcome> = Some(Outcome::Reply(Reply::Done));

    #[test]
    fn restart_remembers_data_and_sessions() {
        let mut script = Script::new(Bugs::NONE);
        assert_eq!(script.ask(&append(1, 1)), DONE);
        let before = script.node.clone();
        script.reboot();
        assert_eq!(script.node, before);
        assert_eq!(script.ask(&append(1, 1)), DONE);
        assert_eq!(script.node.shard().version(), 1);
    }

    #[test]
    fn reads_and_retries_write_nothing() {
        let mut script = Script::new(Bugs::NONE);
        script.ask(&append(1, 1));
        script.ask(&append(1, 1));
        script.ask(&Request { client: ClientId(1), seq: 2, operation: Operation::Get { key: "k".into() } });
        assert_eq!(script.disk.len(), 2);
    }

    #[test]
    fn wiped_or_damaged_server_refuses() {
        let mut script = Script::new(Bugs::NONE);
        script.ask(&append(1, 1));
        script.disk[1].intact = false;
        script.reboot();
        assert_eq!((script.ask(&append(1, 2)), script.node.role()), (None, "refusing"));
        script.disk.clear();
        script.reboot();
        assert_eq!(script.ask(&append(1, 2)), None);
    }

    #[test]
    fn storage_bugs_lose_writes() {
        for bug in [Bug::AcceptedBeforeSync, Bug::LastRecordDropped] {
            let mut script = Script::new(Bugs::of(&[bug]));
            assert_eq!(script.ask(&append(1, 1)), DONE);
            script.reboot();
            assert_eq!(script.node.shard().version(), 0, "{bug:?}");
        }
    }

    proptest! {
        /// Whatever is retried, and whenever it restarts, the server is as if everything had been asked once.
        #[test]
        fn restarts_and_retries_are_invisible(script in prop::collection::vec((1..4_u64, 0..4_u8), 0..40)) {
            let (mut subject, mut model) = (Script::new(Bugs::NONE), Shard::default());
            let mut seqs = [0_u64; 4];
            for (client, action) in script {
                let index = usize::try_from(client).expect("small");
                match action {
                    0 => subject.reboot(),
                    1 if seqs[index] > 0 => prop_assert_eq!(subject.ask(&append(client, seqs[index])), DONE),
                    _ => {
                        seqs[index] += 1;
                        let request = append(client, seqs[index]);
                        let expected = model.execute(&request, Bugs::NONE).outcome;
                        prop_assert_eq!(subject.ask(&request), expected);
                    }
                }
            }
            prop_assert_eq!(subject.node.shard(), &model);
        }
    }
}
