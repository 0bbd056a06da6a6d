//! Which operations the clients issue, and which specification judges them.

pub mod decide;
