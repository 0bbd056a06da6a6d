//! A client's connection to the system under test, and the ways in which an operation can go wrong.

use std::error::Error;
use std::future::Future;

use squall_checker::Spec;

/// One connection, one process: issues one operation at a time.
pub trait Client<S: Spec> {
    /// Runs `op` to its end.
    ///
    /// # Errors
    ///
    /// [`OpError::Definite`] and [`OpError::Refused`] only if the operation certainly had and will have no effect;
    /// everything else is [`OpError::Indeterminate`].
    fn invoke(&mut self, op: S::Op) -> impl Future<Output = Result<S::Ret, OpError>>;
}

/// Why an operation has no result.
///
/// Deliberately not a [`std::error::Error`]: that permits the blanket conversion below, by which the lazy `?` is the
/// *sound* choice. An operation wrongly recorded as failed hides bugs or invents them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpError {
    /// It certainly did not happen: recorded as `fail`.
    Definite(String),
    /// It was answered, and by its own rules did nothing: a lock that is held, an account that holds too little.
    /// Recorded as `fail`, but a system that says so does answer.
    Refused(String),
    /// It may have happened, now or later: recorded as `info`, and the client goes on under a new process.
    Indeterminate(String),
}

impl OpError {
    /// The reason in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Definite(message) | Self::Refused(message) | Self::Indeterminate(message) => message,
        }
    }
}

impl<E: Error> From<E> for OpError {
    fn from(error: E) -> Self {
        Self::Indeterminate(error.to_string())
    }
}
