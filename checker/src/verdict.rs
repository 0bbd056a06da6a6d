//! What a check answers: a verdict with a severity order, the violations, and the edges that prove them.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::history::{History, OpId};
use crate::spec::Spec;

/// A verdict; ordered by severity, so that the worst of several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything judged is correct.
    Valid,
    /// Nothing, or not enough, happened to judge.
    Vacuous,
    /// A bound was reached before a decision.
    Unknown,
    /// A violation was found.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Vacuous => "vacuous",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        })
    }
}

/// Why one operation must stand before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// The first finished before the second began.
    RealTime,
    /// The second returned what the first wrote.
    ReadsFrom,
    /// No legal order has them the other way round (versions of one key, an overwritten value).
    MustPrecede,
    /// Of transactions: the first wrote a version, the second a later one of the same key.
    WriteWrite,
    /// Of transactions: the second read what the first wrote.
    WriteRead,
    /// Of transactions: the second overwrote what the first read.
    ReadWrite,
    /// The same process issued them in this order.
    Process,
}

/// "`from` must come before `to`", with the reason in words and the operations that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The operation that must come first.
    pub from: OpId,
    /// The operation that must come later.
    pub to: OpId,
    /// The kind of reason.
    pub kind: EdgeKind,
    /// The reason in words.
    pub reason: String,
    /// Operations that prove a [`EdgeKind::MustPrecede`] edge beside its two ends; may be empty.
    pub evidence: Vec<OpId>,
}

/// One thing that is wrong, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The check that found it: `linearizable`, `exactly-once`, a monitor's name, `panic`, `recovery`, …
    pub check: String,
    /// The anomaly: `stale`, `lost`, `duplicated`, `reordered`, `phantom`, `forked`, … or a monitor's invariant.
    pub kind: String,
    /// The partition concerned.
    pub key: Option<String>,
    /// One sentence with real names and values.
    pub message: String,
    /// The few operations that show it, in the order in which they were invoked.
    pub operations: Vec<OpId>,
    /// A cycle of must-come-before edges among them, in order, where the anomaly is one of order; else empty.
    pub edges: Vec<Edge>,
    /// The argument in numbered steps, in words.
    pub steps: Vec<String>,
}

/// The answer of one check over one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// The check's name.
    pub check: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong; not empty exactly if the verdict is [`Verdict::Invalid`].
    pub violations: Vec<Violation>,
    /// For [`Verdict::Unknown`] and [`Verdict::Vacuous`]: why, naming the bound that was reached. For transactions
    /// of which not all levels hold: the strongest that does and the weakest that does not.
    pub reason: Option<String>,
    /// Per partition: its name (empty without partitions), operations judged, verdict; in order of first use.
    pub partitions: Vec<Partition>,
}

/// One partition's share of a [`CheckOutcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The partition's name: a key, or empty.
    pub key: String,
    /// Operations judged.
    pub operations: usize,
    /// Its verdict.
    pub verdict: Verdict,
    /// What proves it, where [`Bounds::certificates`] asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// The bounds of a check. Counted in steps and bytes, hence reproducible; time is the caller's, through
/// `should_stop`.
#[derive(Clone)]
pub struct Bounds<'a> {
    /// Search steps over all partitions together, at most.
    pub steps_max: u64,
    /// Bytes of memory of the search's tables, at most (estimated).
    pub memory_bytes_max: usize,
    /// Threads that may judge partitions side by side, at least 1. Verdicts do not depend on it.
    pub threads: usize,
    /// Whether to give a certificate with every verdict, see [`crate::certificate`].
    pub certificates: bool,
    /// Asked every few thousand steps; `true` ends the search as unknown.
    pub should_stop: &'a (dyn Fn() -> bool + Sync),
    /// Told how far the check is, for whoever waits for it.
    pub progress: Option<&'a Progress>,
}

/// How far a check is: read by whoever waits, never by the check itself.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: AtomicU64,
    decided: AtomicU64,
    steps: AtomicU64,
}

impl Progress {
    /// So many more partitions are to be judged.
    pub fn begin(&self, partitions: usize) {
        self.partitions.fetch_add(partitions as u64, Ordering::Relaxed);
    }

    /// One more is decided.
    pub fn decide(&self) {
        self.decided.fetch_add(1, Ordering::Relaxed);
    }

    /// A search took so many steps more.
    pub fn take(&self, steps: u64) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    /// Partitions that are, or were, to be judged.
    pub fn partitions(&self) -> u64 {
        self.partitions.load(Ordering::Relaxed)
    }

    /// Partitions that are decided.
    pub fn decided(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }

    /// Steps of searches.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Default for Bounds<'static> {
    fn default() -> Self {
        Self {
            steps_max: 50_000_000,
            memory_bytes_max: 1 << 30,
            threads: 1,
            certificates: false,
            should_stop: &|| false,
            progress: None,
        }
    }
}

impl fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds")
            .field("steps_max", &self.steps_max)
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("threads", &self.threads)
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

/// A check of whole histories against a specification. Object-safe: workloads hold several; their outcomes are
/// merged by severity.
pub trait Check<S: Spec> {
    /// The check's name, as it appears in violations.
    fn name(&self) -> Cow<'static, str>;

    /// Judges a (well-formed) history.
    fn check(&self, spec: &S, history: &History<S::Op, S::Ret>, bounds: &Bounds<'_>) -> CheckOutcome;
}
