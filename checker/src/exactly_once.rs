//! The check "exactly-once": every acknowledged append is in the list once, in its place, for good.
//!
//! Direct and linear in the history, for keys that are only appended to (unique elements) and read: no search,
//! every anomaly named with the operations that show it. On such keys it finds an anomaly exactly if the history
//! is not linearizable; all other keys are left to the linearizability check, and not judged here.

mod ledger;

use std::borrow::Cow;
use std::cell::LazyCell;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{Completion, History, OpId, Operation};
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;
use crate::verdict::{Bounds, Check, CheckOutcome, Edge, EdgeKind, Partition, Verdict, Violation};
use crate::words::{asked_by, brief, by, edge, real_time, steps};

pub use ledger::{Entry, Ledger, Status, Stranger};

/// The name of the check.
const NAME: &str = "exactly-once";
/// Violations reported at most; the outcome says so when there were more.
pub const VIOLATIONS_MAX: usize = 100;

/// Exactly-once appends: `lost`, `duplicated`, `reordered`, `phantom`, `stale` and `forked`, each at most once
/// per key, with the witness that completed first.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactlyOnce;

type KvOperation = Operation<KvOp, KvRet>;
type Indexed<'h> = (OpId, &'h KvOperation);

impl Check<KvSpec> for ExactlyOnce {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(NAME)
    }

    fn check(&self, spec: &KvSpec, history: &History<KvOp, KvRet>, bounds: &Bounds<'_>) -> CheckOutcome {
        let (mut violations, mut partitions) = (Vec::new(), Vec::new());
        let mut reason = None;
        let mut stopped = false;
        for (key, ids) in history.partitions(|op| Some(Cow::Borrowed(op.key().as_ref()))) {
            if (bounds.should_stop)() {
                reason = Some(format!("the caller stopped the check before key {key}"));
                stopped = true;
                break;
            }
            let operations: Vec<Indexed<'_>> = ids.iter().map(|id| (*id, history.get(*id))).collect();
            let Some(log) = Log::new(spec, &key, &operations) else { continue };
            let found = log.anomalies(NAME);
            let verdict = match () {
                () if !found.is_empty() => Verdict::Invalid,
                () if log.reads.is_empty() => Verdict::Vacuous,
                () => Verdict::Valid,
            };
            partitions.push(Partition {
                key: key.to_string(),
                operations: ids.len(),
                verdict,
                certificate: None,
            });
            violations.extend(found);
        }
        if violations.len() > VIOLATIONS_MAX {
            let found = violations.len();
            violations.truncate(VIOLATIONS_MAX);
            reason = Some(format!("{found} violations were found; the first {VIOLATIONS_MAX} are reported"));
        }
        let nothing = partitions.iter().all(|partition| partition.verdict == Verdict::Vacuous);
        let verdict = match () {
            () if !violations.is_empty() => Verdict::Invalid,
            () if stopped => Verdict::Unknown,
            () if nothing => Verdict::Vacuous,
            () => Verdict::Valid,
        };
        if verdict == Verdict::Vacuous {
            reason = Some(nothing_judged(history, &partitions));
        }
        CheckOutcome { check: NAME.to_owned(), verdict, violations, reason, partitions }
    }
}

fn nothing_judged(history: &History<KvOp, KvRet>, partitions: &[Partition]) -> String {
    let why = match () {
        () if history.is_empty() => "the history is empty",
        () if partitions.is_empty() => "no key has appends of unique elements and reads alone",
        () => "no read of an appended key completed",
    };
    format!("{why}: nothing to judge")
}

/// The anomalies of one key, if it is one that this check judges; for explanations.
pub(crate) fn anomalies_of(
    spec: &KvSpec,
    check: &str,
    key: &str,
    operations: &[Indexed<'_>],
) -> Vec<Violation> {
    Log::new(spec, key, operations).map(|log| log.anomalies(check)).unwrap_or_default()
}

/// A completed read of the list.
#[derive(Clone, Copy)]
struct Read<'h> {
    id: OpId,
    operation: &'h KvOperation,
    items: &'h [Value],
    /// Where the appends of its items begin in the list of all of them.
    from: usize,
}

/// An append, and when its element had to be in every read that began later.
#[derive(Clone, Copy)]
struct Append<'h> {
    id: OpId,
    operation: &'h KvOperation,
    element: &'h Value,
    /// It was acknowledged, or first returned by a read, at this stamp.
    known: u64,
    /// The read that returned it first, if that made it known.
    shown_by: Option<Read<'h>>,
}

/// A key that is only appended to and read.
struct Log<'h> {
    spec: &'h KvSpec,
    key: &'h str,
    /// In the order of their invocations.
    appends: Vec<Append<'h>>,
    by_element: FxHashMap<&'h Value, u32>,
    /// In the order of their returns.
    reads: Vec<Read<'h>>,
    /// The append of each item of each read, if anybody appended it: looked up once, gone through often.
    shown: Vec<Option<u32>>,
    /// A read that returned something that is no list.
    no_list: Option<Indexed<'h>>,
}

fn index_of(next: &[Append<'_>]) -> u32 {
    u32::try_from(next.len()).expect("operations are numbered in 32 bits")
}

impl<'h> Log<'h> {
    /// `None` if the key is used in any other way or is no list, or its elements cannot be told apart.
    fn new(spec: &'h KvSpec, key: &'h str, operations: &[Indexed<'h>]) -> Option<Self> {
        let (mut appends, mut reads) = (Vec::new(), Vec::new());
        let mut by_element = FxHashMap::default();
        let mut no_list = None;
        for &(id, operation) in operations {
            match (&operation.op, operation.ret()) {
                // Texts are concatenated: where one element ends is not to be seen.
                (KvOp::Append { value: Value::Text(_), .. }, _) => return None,
                (KvOp::Append { .. }, Some(KvRet::Value(_) | KvRet::Mismatch(_))) => return None,
                (KvOp::Append { value: element, .. }, _) => {
                    if by_element.insert(element, index_of(&appends)).is_some() {
                        return None;
                    }
                    let acknowledged = matches!(operation.completion, Completion::Ok(_));
                    let known = operation.returned.filter(|_| acknowledged).unwrap_or(u64::MAX);
                    appends.push(Append { id, operation, element, known, shown_by: None });
                }
                (KvOp::Get { .. }, Some(KvRet::Value(value))) => match value.as_list() {
                    Some(items) => reads.push(Read { id, operation, items, from: 0 }),
                    None => no_list = no_list.or(Some((id, operation))),
                },
                (KvOp::Get { .. }, Some(_)) => return None,
                (KvOp::Get { .. }, None) => {}
                (KvOp::Put { .. } | KvOp::Cas { .. } | KvOp::Delete { .. }, _) => return None,
            }
        }
        let shows_none = reads.iter().all(|read: &Read<'_>| read.items.is_empty());
        if appends.is_empty() && (no_list.is_some() || shows_none) {
            return None;
        }
        reads.sort_by_key(|read| (read.operation.returned, read.id));
        let mut log = Self { spec, key, appends, by_element, reads, shown: Vec::new(), no_list };
        log.learn_from_reads();
        Some(log)
    }

    fn learn_from_reads(&mut self) {
        for read in &mut self.reads {
            let returned = read.operation.returned.expect("a completed read has a return");
            read.from = self.shown.len();
            for item in read.items {
                let append = self.by_element.get(item).copied();
                self.shown.push(append);
                let Some(append) = append else { continue };
                let append = &mut self.appends[append as usize];
                if returned < append.known {
                    append.known = returned;
                    append.shown_by = Some(*read);
                }
            }
        }
    }

    fn append_of(&self, element: &Value) -> Option<&Append<'h>> {
        self.by_element.get(element).map(|append| &self.appends[*append as usize])
    }

    /// The append of each item of a read, if anybody appended it.
    fn shown_by(&self, read: &Read<'h>) -> &[Option<u32>] {
        &self.shown[read.from..][..read.items.len()]
    }

    /// The appends that a read shows.
    fn appends_in(&self, read: &Read<'h>) -> impl Iterator<Item = &Append<'h>> {
        self.shown_by(read).iter().flatten().map(|append| &self.appends[*append as usize])
    }

    /// All anomalies, each kind at most once, in a fixed order of kinds.
    fn anomalies(&self, check: &str) -> Vec<Violation> {
        let mut found: Vec<Violation> = Vec::new();
        found.extend(self.duplicated());
        found.extend(self.phantom());
        found.extend(self.reordered());
        found.extend(self.missing());
        found.extend(self.forked());
        for violation in &mut found {
            check.clone_into(&mut violation.check);
            violation.operations.sort();
            violation.operations.dedup();
        }
        found
    }

    fn violation(&self, kind: &str, message: String, operations: Vec<OpId>, edges: Vec<Edge>) -> Violation {
        assert!(!operations.is_empty(), "an anomaly has witnesses");
        Violation {
            check: String::new(),
            kind: kind.to_owned(),
            key: Some(self.key.to_owned()),
            message,
            operations,
            steps: steps(&edges),
            edges,
        }
    }

    /// One element twice in one list.
    fn duplicated(&self) -> Option<Violation> {
        let mut strangers = FxHashSet::default();
        let mut seen_in = vec![usize::MAX; self.appends.len()];
        for (number, read) in self.reads.iter().enumerate() {
            strangers.clear();
            let mut items = read.items.iter().zip(self.shown_by(read));
            let twice = items.find(|(item, append)| match append {
                Some(append) => std::mem::replace(&mut seen_in[*append as usize], number) == number,
                None => !strangers.insert(*item),
            });
            let Some((twice, _)) = twice else { continue };
            let words = by(self.spec, read.operation);
            let append = self.append_of(twice);
            let message = format!("{words} shows {twice} twice, though it was appended once at most");
            let operations = append.map(|append| append.id).into_iter().chain([read.id]).collect();
            let mut violation = self.violation("duplicated", message, operations, Vec::new());
            violation.steps = vec![
                match append {
                    Some(append) => {
                        format!("{} is the only append of {twice}", by(self.spec, append.operation))
                    }
                    None => format!("nobody appended {twice}"),
                },
                format!("an append takes effect at most once, yet {words} shows {twice} twice"),
            ];
            return Some(violation);
        }
        None
    }

    /// An element that nobody appended, or whose append failed, or began only after the read had returned it.
    fn phantom(&self) -> Option<Violation> {
        if let Some((id, operation)) = self.no_list {
            let message =
                format!("{} is no list, though the key was only appended to", by(self.spec, operation));
            let mut violation = self.violation("phantom", message.clone(), vec![id], Vec::new());
            violation.steps = vec![message];
            return Some(violation);
        }
        for read in &self.reads {
            let words = LazyCell::new(|| by(self.spec, read.operation));
            for (item, append) in read.items.iter().zip(self.shown_by(read)) {
                let words = &words;
                let Some(append) = append.map(|append| &self.appends[append as usize]) else {
                    let message = format!("{} shows {item}, which nobody appended", **words);
                    let mut violation = self.violation("phantom", message.clone(), vec![read.id], Vec::new());
                    violation.steps = vec![message];
                    return Some(violation);
                };
                let operations = || vec![append.id, read.id];
                if append.operation.completion == Completion::Fail {
                    let message = format!(
                        "{} shows {item} although {} had failed",
                        **words,
                        by(self.spec, append.operation)
                    );
                    let mut violation = self.violation("phantom", message.clone(), operations(), Vec::new());
                    violation.steps = vec![
                        format!("{} failed, so it must never take effect", by(self.spec, append.operation)),
                        message,
                    ];
                    return Some(violation);
                }
                if read.operation.precedes(append.operation) {
                    let message = format!(
                        "{} shows {item} although {} began only after it",
                        **words,
                        by(self.spec, append.operation)
                    );
                    let edges = vec![
                        real_time(self.spec, (read.id, read.operation), (append.id, append.operation)),
                        self.shows(append, read),
                    ];
                    return Some(self.violation("phantom", message, operations(), edges));
                }
            }
        }
        None
    }

    /// Two appends in real time, shown the other way round.
    fn reordered(&self) -> Option<Violation> {
        for read in &self.reads {
            // The append that was invoked last among those of the elements so far.
            let mut latest: Option<&Append<'h>> = None;
            for append in self.appends_in(read) {
                if let Some(late) = latest.filter(|late| append.operation.precedes(late.operation)) {
                    let message = format!(
                        "{} shows {} before {} although {} had been acknowledged before {} began",
                        by(self.spec, read.operation),
                        late.element,
                        append.element,
                        by(self.spec, append.operation),
                        by(self.spec, late.operation),
                    );
                    let shows = format!(
                        "{} shows {} before {}",
                        by(self.spec, read.operation),
                        late.element,
                        append.element
                    );
                    let edges = vec![
                        real_time(self.spec, (append.id, append.operation), (late.id, late.operation)),
                        edge(late.id, append.id, EdgeKind::MustPrecede, shows, vec![read.id]),
                    ];
                    let operations = vec![append.id, late.id, read.id];
                    return Some(self.violation("reordered", message, operations, edges));
                }
                if latest.is_none_or(|late| late.operation.invoked < append.operation.invoked) {
                    latest = Some(append);
                }
            }
        }
        None
    }

    /// Reads that lack an element known before they began: `lost` if it was acknowledged and no later read shows
    /// it either, else `stale`.
    fn missing(&self) -> Vec<Violation> {
        let stale_until = self.stale_until();
        let sorted = |stamps: &mut dyn Iterator<Item = u64>| {
            let mut stamps: Vec<u64> = stamps.collect();
            stamps.sort_unstable();
            stamps
        };
        let known = sorted(&mut self.appends.iter().map(|append| append.known));
        let settled = sorted(&mut stale_until.iter().copied());
        let (mut lost, mut stale) = (None, None);
        let mut shown_in = vec![usize::MAX; self.appends.len()];
        for (number, read) in self.reads.iter().enumerate() {
            let began = read.operation.invoked;
            let before = |stamps: &[u64]| stamps.partition_point(|stamp| *stamp < began);
            let is_known = |append: usize| self.appends[append].known < began;
            let would_be_lost = |append: usize| stale_until[append] < began;
            // Counted first, so that the appends are gone through for two reads at most.
            let (mut present, mut present_settled) = (0, 0);
            for append in self.shown_by(read).iter().flatten().map(|append| *append as usize) {
                if std::mem::replace(&mut shown_in[append], number) != number {
                    present += usize::from(is_known(append));
                    present_settled += usize::from(would_be_lost(append));
                }
            }
            let missing_lost = before(&settled) - present_settled;
            let missing_stale = before(&known) - present - missing_lost;
            if !(lost.is_none() && missing_lost > 0 || stale.is_none() && missing_stale > 0) {
                continue;
            }
            for (index, append) in self.appends.iter().enumerate() {
                if !is_known(index) || shown_in[index] == number {
                    continue;
                }
                let slot = if would_be_lost(index) { &mut lost } else { &mut stale };
                if slot.is_none() {
                    let acknowledged = append.operation.precedes(read.operation)
                        && append.operation.completion != Completion::Fail;
                    let back = self.comes_back(read, append);
                    debug_assert_eq!(would_be_lost(index), acknowledged && back.is_none(), "as counted");
                    *slot = Some(self.lacks(read, append, acknowledged, back));
                }
            }
            if lost.is_some() && stale.is_some() {
                break;
            }
        }
        lost.or_else(|| self.overtaken()).into_iter().chain(stale).collect()
    }

    /// Per append: a read without it that began until then is stale, one that began later shows it to be lost. It is
    /// lost once it was acknowledged, if no read shows it that began later still.
    fn stale_until(&self) -> Vec<u64> {
        let acknowledged = |append: &Append<'h>| match append.operation.completion {
            Completion::Ok(_) => append.operation.returned,
            Completion::Fail | Completion::Info => None,
        };
        let mut until: Vec<u64> =
            self.appends.iter().map(|append| acknowledged(append).unwrap_or(u64::MAX)).collect();
        for read in &self.reads {
            let before = read.operation.invoked.saturating_sub(1);
            for append in self.shown_by(read).iter().flatten() {
                let until = &mut until[*append as usize];
                *until = before.max(*until);
            }
        }
        until
    }

    /// An acknowledged append that no read shows, though one shows an append that began only afterwards: the
    /// read itself may have begun before the acknowledgement.
    fn overtaken(&self) -> Option<Violation> {
        let mut is_shown = vec![false; self.appends.len()];
        self.shown.iter().flatten().for_each(|append| is_shown[*append as usize] = true);
        let acknowledged = |append: &&Append<'h>| matches!(append.operation.completion, Completion::Ok(_));
        let appends = self.appends.iter().zip(is_shown);
        let never_shown =
            appends.filter_map(|(append, is_shown)| (!is_shown).then_some(append)).filter(acknowledged);
        let lost = never_shown.min_by_key(|append| append.operation.returned)?;
        let (read, later) = self.reads.iter().find_map(|read| {
            let mut appends = self.appends_in(read);
            appends.find(|later| lost.operation.precedes(later.operation)).map(|later| (read, later))
        })?;
        let message = format!(
            "{} shows {} but not {} although {} had been acknowledged before {} began",
            by(self.spec, read.operation),
            later.element,
            lost.element,
            by(self.spec, lost.operation),
            by(self.spec, later.operation),
        );
        let edges = vec![
            real_time(self.spec, (lost.id, lost.operation), (later.id, later.operation)),
            self.shows(later, read),
            self.not_yet(read, lost),
        ];
        Some(self.violation("lost", message, vec![lost.id, later.id, read.id], edges))
    }

    /// "`read` lacks it, so the append comes later".
    fn not_yet(&self, read: &Read<'h>, append: &Append<'h>) -> Edge {
        let reason = format!("{} does not show {}", by(self.spec, read.operation), append.element);
        edge(read.id, append.id, EdgeKind::MustPrecede, reason, Vec::new())
    }

    /// A read invoked after `read` that shows the element again.
    fn comes_back(&self, read: &Read<'h>, append: &Append<'h>) -> Option<Read<'h>> {
        let later = self.reads.iter().filter(|later| later.operation.invoked > read.operation.invoked);
        later.copied().find(|later| later.items.contains(append.element))
    }

    fn lacks(
        &self,
        read: &Read<'h>,
        append: &Append<'h>,
        acknowledged: bool,
        back: Option<Read<'h>>,
    ) -> Violation {
        let returned = match read.operation.ret() {
            Some(KvRet::Value(value)) => brief(&value.to_string()),
            _ => unreachable!("a completed read has a value"),
        };
        let (reader, writer) = (asked_by(self.spec, read.operation), by(self.spec, append.operation));
        let not_yet = self.not_yet(read, append);
        if acknowledged {
            let mut message = format!(
                "{reader} returned {returned} although {writer} had been acknowledged before it began"
            );
            let mut operations = vec![append.id, read.id];
            if let Some(back) = back {
                message += &format!(", and {} shows it again", by(self.spec, back.operation));
                operations.push(back.id);
            }
            let edges =
                vec![real_time(self.spec, (append.id, append.operation), (read.id, read.operation)), not_yet];
            let kind = if back.is_some() { "stale" } else { "lost" };
            return self.violation(kind, message, operations, edges);
        }
        let earlier = append.shown_by.expect("known from a read, since not acknowledged");
        let message = format!(
            "{reader} returned {returned} although {} had shown {} before it began",
            by(self.spec, earlier.operation),
            append.element
        );
        let edges = vec![
            self.shows(append, &earlier),
            real_time(self.spec, (earlier.id, earlier.operation), (read.id, read.operation)),
            not_yet,
        ];
        self.violation("stale", message, vec![append.id, earlier.id, read.id], edges)
    }

    /// Two reads, neither a prefix of the other.
    fn forked(&self) -> Option<Violation> {
        let mut longest = self.reads.first()?;
        for read in &self.reads[1..] {
            let (short, long) =
                if read.items.len() <= longest.items.len() { (read, longest) } else { (longest, read) };
            let Some(at) = short.items.iter().zip(long.items).position(|(one, other)| one != other) else {
                longest = long;
                continue;
            };
            let message = format!(
                "{} and {} disagree from element {} on: {} or {}",
                by(self.spec, longest.operation),
                by(self.spec, read.operation),
                at + 1,
                longest.items[at],
                read.items[at],
            );
            let operations = vec![longest.id, read.id];
            let writers = (self.append_of(&longest.items[at]), self.append_of(&read.items[at]));
            let mut violation = self.violation("forked", message.clone(), operations, Vec::new());
            violation.steps = vec![
                message,
                "a list only grows at its end, so one of two reads must begin with the other".to_owned(),
            ];
            if let (Some(one), Some(other)) = writers {
                violation.operations.extend([one.id, other.id]);
                violation.edges = vec![self.first(one, other, longest), self.first(other, one, read)];
                violation.steps = steps(&violation.edges);
            }
            return Some(violation);
        }
        None
    }

    /// "`read` shows `one` where `other` cannot yet be".
    fn first(&self, one: &Append<'h>, other: &Append<'h>, read: &Read<'h>) -> Edge {
        let reason = format!(
            "{} shows {} in the place that the other read gives to {}",
            by(self.spec, read.operation),
            one.element,
            other.element
        );
        edge(one.id, other.id, EdgeKind::MustPrecede, reason, vec![read.id])
    }

    fn shows(&self, append: &Append<'h>, read: &Read<'h>) -> Edge {
        let reason = format!(
            "{} shows {} of {}",
            by(self.spec, read.operation),
            append.element,
            by(self.spec, append.operation)
        );
        edge(append.id, read.id, EdgeKind::ReadsFrom, reason, Vec::new())
    }
}
