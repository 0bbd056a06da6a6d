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
    /// It coordinates a transaction that is under way.
    Coordinator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Leader,
        Self::Candidate,
        Self::Primary,
        Self::Backup,
        Self::Idle,
        Self::ViewService,
        Self::Coordinator,
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
        }
    }

    /// The roles that servers of a mode play.
    pub fn of_mode(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Single => &[Self::Leader],
            Mode::Paxos | Mode::Sharded => &[Self::Leader, Self::Candidate],
            Mode::PrimaryBackup => {
                &[Self::Leader, Self::Primary, Self::Backup, Self::Idle, Self::ViewService]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_a_leader_and_roles_have_distinct_names() {
        let modes = [Mode::Single, Mode::Paxos, Mode::PrimaryBackup];
        assert!(modes.iter().all(|mode| Role::of_mode(*mode).contains(&Role::Leader)));
        let mut names = Role::ALL.map(Role::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
