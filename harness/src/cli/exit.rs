//! What the command tells the shell: one enum, and how verdicts become exit codes.

use std::process::ExitCode;

use squall_checker::Verdict;

/// An exit code. Scripts rest on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything judged is correct.
    Valid = 0,
    /// A violation was found.
    Invalid = 1,
    /// Wrong use, or input or output that cannot be read or written.
    Usage = 2,
    /// A bound was reached first.
    Unknown = 3,
    /// Nothing, or not enough, happened to judge.
    Vacuous = 4,
    /// The same plan and build gave another digest.
    NotDeterministic = 5,
    /// Another build no longer gives the stored digest or verdict.
    OtherBuild = 6,
    /// A mistake of this program.
    Internal = 70,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Valid => Self::Valid,
            Verdict::Invalid => Self::Invalid,
            Verdict::Unknown => Self::Unknown,
            Verdict::Vacuous => Self::Vacuous,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
