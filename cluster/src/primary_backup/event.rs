//! What monitors and reports see of views, servers and their copies.

use serde::Serialize;

use crate::view::View;

/// Something that happened in the mode primary-backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ViewEvent {
    /// The view service went on to a view, or started with it.
    Chosen {
        /// This one.
        view: View,
    },
    /// The view service heard that a view was acknowledged.
    Acked {
        /// Its number.
        num: u64,
    },
    /// A server started, holding nothing.
    Started {
        /// Which of its starts this is.
        boot: u64,
    },
    /// A server heard of a view, and does from now on what it says.
    Entered {
        /// Its number.
        num: u64,
        /// As `primary`, `backup` or `idle`.
        role: &'static str,
    },
    /// A backup took over the state of its primary.
    Installed {
        /// In this view.
        num: u64,
        /// The number of the last operation in it.
        opnum: u64,
        /// The shard's version.
        version: u64,
        /// Digest of the state.
        state: u64,
    },
    /// A primary acknowledged its view, and serves.
    Acknowledged {
        /// The view's number.
        num: u64,
        /// The last operation that it executed.
        opnum: u64,
        /// Digest of its state.
        state: u64,
    },
    /// A server executed an operation.
    Performed {
        /// In this view.
        num: u64,
        /// The operation's number.
        opnum: u64,
        /// Digest of the state afterwards.
        state: u64,
        /// Whether as primary.
        primary: bool,
    },
    /// A primary answered a client.
    Completed {
        /// In this view.
        num: u64,
        /// The operation's number.
        opnum: u64,
    },
}

impl ViewEvent {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Chosen { .. } => "view-chosen",
            Self::Acked { .. } => "view-acked",
            Self::Started { .. } => "server-started",
            Self::Entered { .. } => "view-entered",
            Self::Installed { .. } => "state-installed",
            Self::Acknowledged { .. } => "view-acknowledged",
            Self::Performed { .. } => "operation-performed",
            Self::Completed { .. } => "operation-completed",
        }
    }
}
