//! Which operations the clients issue, and which specification judges them.
