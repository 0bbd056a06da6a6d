//! What a primary, its backup, the view service and clients say to each other.
//!
//! A message that belongs to a view carries its number; one that proves a life carries a boot number. Requests and
//! replies are those of every mode.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::session::Request;
use crate::view::View;

/// A message of the mode primary-backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A server lives, and stands by a view.
    Ping {
        /// The view that it acknowledges; 0: none.
        view: u64,
        /// Which of its starts this is.
        boot: u64,
    },
    /// A client asks for the view.
    GetView,
    /// The view service tells the view.
    ViewReply {
        /// The newest one, if there is any yet.
        view: Option<View>,
    },
    /// The primary hands an operation to the backup.
    Forward {
        /// In this view.
        view: u64,
        /// The number of the operation, without gaps from the first.
        opnum: u64,
        /// What to execute.
        request: Request,
    },
    /// The backup executed it.
    ForwardAck {
        /// In this view.
        view: u64,
        /// Its number.
        opnum: u64,
    },
    /// The primary hands its state to a new backup, page by page.
    Transfer {
        /// In this view.
        view: u64,
        /// The number of the last operation in the state.
        opnum: u64,
        /// How many bytes the state has.
        size: u64,
        /// Where in it this page begins.
        offset: u64,
        /// The page.
        bytes: Arc<[u8]>,
    },
    /// The backup has the state up to here, and asks for what follows.
    TransferAck {
        /// In this view.
        view: u64,
        /// How many bytes it has; all of them: it took the state over.
        held: u64,
    },
    /// A server is not the backup of the view in which it was sent a forward or a transfer.
    Refused {
        /// That view.
        view: u64,
        /// The boot number of the server: if the view names a smaller one, its backup is dead.
        boot: u64,
    },
}

impl Message {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ping { .. } => "ping",
            Self::GetView => "get-view",
            Self::ViewReply { .. } => "view-reply",
            Self::Forward { .. } => "forward",
            Self::ForwardAck { .. } => "forward-ack",
            Self::Transfer { .. } => "transfer",
            Self::TransferAck { .. } => "transfer-ack",
            Self::Refused { .. } => "refused",
        }
    }

    /// Every kind there is.
    pub const KINDS: &[&str] =
        &["ping", "get-view", "view-reply", "forward", "forward-ack", "transfer", "transfer-ack", "refused"];
}
