//! The controller: a replicated machine that makes configurations and keeps all of them.
//!
//! A change makes the next configuration or is refused; either is remembered like any mutation, so that an
//! administrator's retry changes nothing twice. Reading is an operation, too: in the log by default. What has been made
//! never changes, so any replica may show a configuration that it has applied to whoever only wants to follow.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::configuration::{Administration, Configuration, Refusal};
use crate::app::{Operation, Reply};
use crate::bugs::Bugs;
use crate::digest::Digest;
use crate::node::NodeId;
use crate::replica::Machine;
use crate::session::{ClientId, Execution, Outcome, Request, Session, Shard};

/// How many shards there are.
pub const SHARDS: u32 = 8;

/// Every configuration that was ever made, and what administrators were told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Controller {
    history: Vec<Arc<Configuration>>,
    sessions: Shard,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            history: Vec::from([Arc::new(Configuration::empty(SHARDS as usize))]),
            sessions: Shard::default(),
        }
    }
}

impl Controller {
    /// The configuration of a number; none: the latest.
    pub fn configuration(&self, num: Option<u64>) -> Option<&Arc<Configuration>> {
        match num {
            None => self.history.last(),
            Some(num) => self.history.get(usize::try_from(num).ok()?),
        }
    }

    /// The latest configuration.
    ///
    /// # Panics
    ///
    /// Never: there is always configuration 0.
    pub fn latest(&self) -> &Arc<Configuration> {
        self.history.last().expect("there is always configuration 0")
    }

    fn administer(&mut self, administration: &Administration, bugs: Bugs, replica: NodeId) -> Reply {
        match administration {
            Administration::Query { num } => self.answer(*num),
            Administration::Change(change) => match self.latest().changed(change, bugs, replica) {
                Ok(next) => {
                    assert_eq!(next.num, self.latest().num + 1, "numbers grow by one");
                    self.history.push(Arc::new(next));
                    Reply::Done
                }
                Err(refusal) => Reply::Refused(refusal),
            },
        }
    }

    fn answer(&self, num: Option<u64>) -> Reply {
        match self.configuration(num) {
            Some(configuration) => Reply::Configuration(Arc::clone(configuration)),
            None => Reply::Refused(Refusal::UnknownConfiguration),
        }
    }
}

impl Machine for Controller {
    fn execute(&mut self, request: &Request, bugs: Bugs, replica: NodeId) -> Execution {
        let Operation::Administer(administration) = &request.operation else {
            return Execution { outcome: Some(Outcome::WrongGroup), version: None };
        };
        let done = self.session(request.client).map_or(0, |session| session.seq);
        if request.seq <= done {
            let outcome = (request.seq == done).then(|| self.stored(request, bugs)).flatten();
            return Execution { outcome, version: None };
        }
        let outcome = Outcome::Reply(self.administer(administration, bugs, replica));
        let version = self.sessions.commit(request, &outcome, &[], true, true);
        Execution { outcome: Some(outcome), version }
    }

    fn evaluate(&self, operation: &Operation) -> Reply {
        match operation {
            Operation::Administer(Administration::Query { num }) => self.answer(*num),
            _ => Reply::Done,
        }
    }

    fn stored(&self, request: &Request, bugs: Bugs) -> Option<Outcome> {
        self.sessions.stored(request, bugs)
    }

    fn session(&self, client: ClientId) -> Option<&Session> {
        self.sessions.session(client)
    }

    fn remember(&mut self, client: ClientId, seq: u64, outcome: Outcome) {
        self.sessions.remember(client, seq, outcome);
    }

    fn version(&self) -> u64 {
        self.sessions.version()
    }

    fn digest(&self) -> u64 {
        let latest = self.latest().digest();
        Digest::new(27).word(self.history.len() as u64).word(latest).word(self.sessions.digest()).finish()
    }

    fn without_sessions(&self) -> Self {
        Self { sessions: self.sessions.without_sessions(), ..self.clone() }
    }
}
