//! Why an object store cannot be used: the cause, the place, and what to do about it.

use super::error::StoreError;

/// An object store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// This build has none.
    #[error(
        "{address}: this squall was built without object stores; build it with --features object-store, or give a folder"
    )]
    NotBuiltIn {
        /// The address.
        address: String,
    },
    /// The address is none.
    #[error("{address}: {message}; expected s3://bucket/prefix or file:///folder")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        message: String,
    },
    /// The store refused.
    #[error(
        "cannot {action} {place}: {message}; look at the address and at the variables AWS_… of the environment"
    )]
    Refused {
        /// What was tried.
        action: &'static str,
        /// Where.
        place: String,
        /// Why not.
        message: String,
    },
    /// There is nothing to unite.
    #[error("{address} holds no soak; give a place that squall soak --upload wrote to")]
    Empty {
        /// The address.
        address: String,
    },
    /// Something is wrong on this side.
    #[error(transparent)]
    Store(#[from] StoreError),
}
