//! What travels between nodes: one enum for all modes.
//!
//! Clients and servers of every mode speak it, so that hosts, filters and traces need only one type. The sender of a
//! message is known to its receiver from the host, not from the message.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bugs::Mode;
use crate::paxos;
use crate::primary_backup;
use crate::session::{ClientId, Outcome, Request};
use crate::sharded::configuration::{Configuration, GroupId};
use crate::sharded::message::{ControllerMessage, GroupMessage, PeerMessage};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A client asks.
    Request(Request),
    /// A server answers.
    Response {
        /// Whom.
        client: ClientId,
        /// Which of its requests.
        seq: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// Replicas of one group among themselves.
    Paxos(paxos::Message<Request>),
    /// Servers of the mode primary-backup, their view service and its clients.
    PrimaryBackup(primary_backup::Message),
    /// To the replica of a shard group on this host.
    Group {
        /// Which group.
        group: GroupId,
        /// What is said.
        message: GroupMessage,
    },
    /// To the replica of the controller on this host.
    Controller(ControllerMessage),
    /// The controller shows a client a configuration.
    Configuration(Arc<Configuration>),
}

impl Message {
    /// The name of its kind, for filters and statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Response { outcome: Outcome::Reply(_), .. } => "reply",
            Self::Response { outcome: Outcome::NotLeader { .. }, .. } => "not-leader",
            Self::Response { outcome: Outcome::WrongGroup, .. } => "wrong-group",
            Self::Response { outcome: Outcome::Locked, .. } => "locked",
            Self::Paxos(message) => message.kind(),
            Self::PrimaryBackup(message) => message.kind(),
            Self::Group { message, .. } => message.kind(),
            Self::Controller(message) => message.kind(),
            Self::Configuration(_) => "configuration",
        }
    }

    /// The kinds that travel in a mode.
    pub fn kinds(mode: Mode) -> Vec<&'static str> {
        let parts: &[&[&str]] = match mode {
            Mode::Single => &[&["request", "reply"]],
            Mode::Paxos => &[&["request", "reply", "not-leader"], paxos::Message::<Request>::KINDS],
            Mode::PrimaryBackup => &[&["request", "reply", "not-leader"], primary_backup::Message::KINDS],
            Mode::Sharded => &[
                &["request", "reply", "not-leader"],
                paxos::Message::<Request>::KINDS,
                &["wrong-group", "locked"],
                &["configuration", "configuration-request"],
                PeerMessage::KINDS,
            ],
        };
        parts.concat()
    }
}
