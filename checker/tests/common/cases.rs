//! Which random cases a property test tries: each has a number, from which it is made.

use std::ops::Range;

/// So many cases as `SQUALL_ORACLE_CASES` says, or as many as usual, from the one that `SQUALL_ORACLE_FROM` says on.
pub(crate) fn cases(usual: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let from = number("SQUALL_ORACLE_FROM").unwrap_or(0);
    from..from + number("SQUALL_ORACLE_CASES").unwrap_or(usual)
}
