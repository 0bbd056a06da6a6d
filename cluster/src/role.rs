//! What a server may be doing for the others: the names by which faults, triggers and reports aim at it.
//!
//! One list for all modes. A server says itself which role it plays ([`ServerView::plays`]), so a mode with new
//! roles adds their names here and nothing elsewhere. Roles are views for hosts; no node reads one.
//!
//! [`ServerView::plays`]: crate::replica::ServerView::plays

use serde::{Deserialize, Serialize};

use crate::bugs::Mode;

/// A role that a server can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It leads its group, or is the server that serves.
    Leader,
    /// It stands for election.
    Candidate,
    /// It serves, and forwards what it does to a backup.
    Primary,
    /// It follows a primary and takes its place.
    Backup,
    /// It has no place in the view.
    Idle,
    /// It says who is primary.
    ViewService,
    /// It leads a group that coordinates a transaction that is not yet decided.
    Coordinator,
    /// It leads a group that has prepared a transaction and waits for the decision.
    Participant,
    /// It leads a group from which a shard is leaving.
    Source,
    /// It leads a group that waits for a shard.
    Destination,
    /// It leads the controller of a sharded cluster.
    Controller,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Leader,
        Self::Candidate,
        Self::Primary,
        Self::Backup,
        Self::Idle,
        Self::ViewService,
        Self::Coordinator,
        Self::Participant,
        Self::Source,
        Self::Destination,
        Self::Controller,
    ];

    /// As in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Candidate => "candidate",
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Idle => "idle",
            Self::ViewService => "view-service",
            Self::Coordinator => "coordinator",
            Self::Participant => "participant",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Controller => "controller",
        }
    }

    /// The roles that servers of a mode play.
    pub fn of_mode(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Single => &[Self::Leader],
            Mode::Paxos => &[Self::Leader, Self::Candidate],
            Mode::PrimaryBackup => {
                &[Self::Leader, Self::Primary, Self::Backup, Self::Idle, Self::ViewService]
            }
            Mode::Sharded => &[
                Self::Leader,
                Self::Candidate,
                Self::Coordinator,
                Self::Participant,
                Self::Source,
                Self::Destination,
                Self::Controller,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_a_leader_and_roles_have_distinct_names() {
        let modes = [Mode::Single, Mode::Paxos, Mode::PrimaryBackup, Mode::Sharded];
        assert!(modes.iter().all(|mode| Role::of_mode(*mode).contains(&Role::Leader)));
        let mut names = Role::ALL.map(Role::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
