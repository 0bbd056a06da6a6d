//! The ledger of appends: what became of each, with the read that shows it.
//!
//! Every acknowledged append must be there once, every indeterminate one at most once, failed ones never. The ledger
//! says of each append which of these it is, and which reads show what nobody appended. It judges every key that is
//! only appended to and read and whose elements can be told apart: lists, and texts of tokens of which none begins
//! with another. Order and staleness are no business of it; those are for [`super::ExactlyOnce`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::history::{Completion, History, OpId, Operation};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Acknowledged, and in the list once.
    Once,
    /// Acknowledged, or seen, and not in the list any more: lost.
    Missing,
    /// In one list twice.
    Duplicated,
    /// In a list although it had failed, or before it began.
    Phantom,
    /// Acknowledged, but no later read could tell whether it is there.
    Unread,
    /// Indeterminate, and in the list once.
    Applied,
    /// Indeterminate, and in no list.
    Absent,
    /// Failed, and in no list.
    Refused,
}

impl Status {
    /// All of them, the ones that are right first.
    pub const ALL: [Self; 8] = [
        Self::Once,
        Self::Applied,
        Self::Absent,
        Self::Refused,
        Self::Unread,
        Self::Missing,
        Self::Duplicated,
        Self::Phantom,
    ];

    /// Whether it breaks exactly-once.
    pub fn is_anomaly(self) -> bool {
        matches!(self, Self::Missing | Self::Duplicated | Self::Phantom)
    }

    /// The kind of violation that [`super::ExactlyOnce`] calls it, if it is one.
    pub fn anomaly(self) -> Option<&'static str> {
        match self {
            Self::Missing => Some("lost"),
            Self::Duplicated => Some("duplicated"),
            Self::Phantom => Some("phantom"),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::Phantom => "phantom",
            Self::Unread => "unread",
            Self::Applied => "indeterminate, applied",
            Self::Absent => "indeterminate, absent",
            Self::Refused => "failed, absent",
        })
    }
}

/// One append in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The append.
    pub id: OpId,
    /// The list that it appends to.
    pub key: String,
    /// What it appends.
    pub element: Value,
    /// What became of it.
    pub status: Status,
    /// The first read to return that shows it.
    pub shown_by: Option<OpId>,
    /// The read that shows the anomaly: that lacks it, that has it twice, or that has it and must not.
    pub evidence: Option<OpId>,
}

/// Something in a list that nobody appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The read that shows it.
    pub read: OpId,
    /// The list.
    pub key: String,
    /// What nobody appended; of a text, all from there on.
    pub element: Value,
}

/// All appends of a history and what became of them.
///
/// ```
/// use squall_checker::exactly_once::{Ledger, Status};
/// use squall_checker::judge::{Options, judge};
/// use squall_checker::Bounds;
/// let text = b"0\t0\t10\ta\tx\t1\n1\t0\t-1\ta\tx\t2\n2\t20\t30\tg\tx\t2\n";
/// let (recorded, _) = judge("lost.tsv", text, &Options::default(), &Bounds::default()).unwrap();
/// let ledger = Ledger::of(&*recorded.key_value().unwrap());
/// let status: Vec<Status> = ledger.entries().iter().map(|entry| entry.status).collect();
/// assert_eq!(status, [Status::Missing, Status::Applied]);
/// assert_eq!(ledger.to_string(), "2 appends: 1 indeterminate, applied; 1 missing");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Entry>,
    strangers: Vec<Stranger>,
    unclear: Vec<String>,
}

impl Ledger {
    /// The ledger of a history.
    pub fn of(history: &History<KvOp, KvRet>) -> Self {
        let mut ledger = Self::default();
        for (key, ids) in history.partitions(|op| Some(Cow::Borrowed(op.key().as_ref()))) {
            let operations: Vec<_> = ids.iter().map(|id| (*id, history.get(*id))).collect();
            let appends = |(_, operation): &(_, &KvOperation)| matches!(operation.op, KvOp::Append { .. });
            match Page::of(&key, &operations) {
                Some(page) => page.write(&mut ledger),
                None if operations.iter().any(appends) => ledger.unclear.push(key.into_owned()),
                None => {}
            }
        }
        ledger.entries.sort_unstable_by_key(|entry| entry.id);
        ledger.strangers.sort_by_key(|stranger| stranger.read);
        ledger
    }

    /// All appends, in the order of their invocations.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One append; `None` if the operation is none that could be judged.
    pub fn entry(&self, id: OpId) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some(&self.entries[at])
    }

    /// The appends of a status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.status == status)
    }

    /// What nobody appended, each once per list, with the first read to return that shows it.
    pub fn strangers(&self) -> &[Stranger] {
        &self.strangers
    }

    /// Keys with appends that could not be judged: they are used in other ways too, or elements repeat or run together.
    pub fn unclear(&self) -> &[String] {
        &self.unclear
    }

    /// How many appends have which status.
    pub fn count(&self) -> BTreeMap<Status, usize> {
        let mut count = BTreeMap::new();
        for entry in &self.entries {
            *count.entry(entry.status).or_default() += 1;
        }
        count
    }

    /// Whether nothing breaks exactly-once.
    pub fn is_clean(&self) -> bool {
        self.strangers.is_empty() && !self.entries.iter().any(|entry| entry.status.is_anomaly())
    }
}

impl fmt::Display for Ledger {
    /// `12 appends: 9 once; 2 indeterminate, absent; 1 missing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} appends", self.entries.len())?;
        let count = self.count();
        let mut separator = ": ";
        for status in Status::ALL {
            if let Some(number) = count.get(&status) {
                write!(f, "{separator}{number} {status}")?;
                separator = "; ";
            }
        }
        match self.strangers.len() {
            0 => {}
            1 => write!(f, "{separator}1 element that nobody appended")?,
            count => write!(f, "{separator}{count} elements that nobody appended")?,
        }
        match self.unclear.len() {
            0 => Ok(()),
            1 => write!(f, " (key {} could not be judged)", self.unclear[0]),
            count => write!(f, " ({count} keys could not be judged)"),
        }
    }
}

type KvOperation = Operation<KvOp, KvRet>;

/// An append and what the reads say of it.
struct Line<'h> {
    id: OpId,
    operation: &'h KvOperation,
    element: &'h Value,
    /// The first read to return that shows it.
    shown_by: Option<(OpId, &'h KvOperation)>,
    /// The last beginning of a read that shows it.
    shown_until: Option<u64>,
    twice_in: Option<OpId>,
}

/// The appends and reads of one list.
struct Page<'h> {
    key: &'h str,
    lines: Vec<Line<'h>>,
    by_element: FxHashMap<&'h Value, usize>,
    strangers: Vec<(OpId, Value)>,
    /// The reads by their beginnings.
    begun: Vec<(u64, OpId)>,
    /// The reads by the beginnings of the latest appends that they show.
    seen: Vec<(u64, OpId)>,
}

impl<'h> Page<'h> {
    fn of(key: &'h str, operations: &[(OpId, &'h KvOperation)]) -> Option<Self> {
        let mut page = Page {
            key,
            lines: Vec::new(),
            by_element: FxHashMap::default(),
            strangers: Vec::new(),
            begun: Vec::new(),
            seen: Vec::new(),
        };
        let mut reads = Vec::new();
        for &(id, operation) in operations {
            match (&operation.op, operation.ret()) {
                (KvOp::Append { value: element, .. }, None | Some(KvRet::Done)) => {
                    if page.by_element.insert(element, page.lines.len()).is_some() {
                        return None;
                    }
                    let (shown_by, shown_until, twice_in) = (None, None, None);
                    page.lines.push(Line { id, operation, element, shown_by, shown_until, twice_in });
                }
                (KvOp::Get { .. }, Some(KvRet::Value(value))) => reads.push((id, operation, value)),
                (KvOp::Get { .. }, None) => {}
                _ => return None,
            }
        }
        reads.sort_by_key(|(id, operation, _)| (operation.returned, *id));
        let tokens = Tokens::of(&page.lines)?;
        let mut strange = FxHashSet::default();
        for (id, operation, value) in reads {
            let elements = tokens.split(value)?;
            page.note(id, operation, &elements, &mut strange);
        }
        page.begun.sort_unstable();
        page.seen.sort_unstable();
        Some(page)
    }

    /// Notes what a read shows. Reads come in the order of their returns.
    fn note(
        &mut self,
        read: OpId,
        operation: &'h KvOperation,
        elements: &[Cow<'h, Value>],
        strange: &mut FxHashSet<Value>,
    ) {
        let mut latest = 0;
        let mut inside = FxHashSet::default();
        for element in elements {
            let Some(&at) = self.by_element.get(element.as_ref()) else {
                if strange.insert(element.as_ref().clone()) {
                    self.strangers.push((read, element.as_ref().clone()));
                }
                continue;
            };
            let line = &mut self.lines[at];
            if !inside.insert(at) {
                line.twice_in = line.twice_in.or(Some(read));
            }
            line.shown_by = line.shown_by.or(Some((read, operation)));
            line.shown_until = line.shown_until.max(Some(operation.invoked));
            latest = latest.max(line.operation.invoked);
        }
        self.begun.push((operation.invoked, read));
        self.seen.push((latest, read));
    }

    fn write(self, ledger: &mut Ledger) {
        for line in &self.lines {
            let (status, evidence) = self.status(line);
            ledger.entries.push(Entry {
                id: line.id,
                key: self.key.to_owned(),
                element: line.element.clone(),
                status,
                shown_by: line.shown_by.map(|(read, _)| read),
                evidence,
            });
        }
        let strangers = self.strangers.into_iter();
        let key = self.key;
        ledger.strangers.extend(strangers.map(|(read, element)| Stranger {
            read,
            key: key.to_owned(),
            element,
        }));
    }

    /// What became of an append, with the read that shows it if it is an anomaly.
    fn status(&self, line: &Line<'_>) -> (Status, Option<OpId>) {
        if let Some((read, shown)) = line.shown_by
            && (line.operation.completion == Completion::Fail || shown.precedes(line.operation))
        {
            return (Status::Phantom, Some(read));
        }
        if line.twice_in.is_some() {
            return (Status::Duplicated, line.twice_in);
        }
        // Since when it must be in every list: it was acknowledged, or shown.
        let acknowledged = match line.operation.completion {
            Completion::Ok(_) => line.operation.returned,
            Completion::Fail => return (Status::Refused, None),
            Completion::Info => None,
        };
        let shown = line.shown_by.and_then(|(_, read)| read.returned);
        let Some(known) = acknowledged.into_iter().chain(shown).min() else { return (Status::Absent, None) };
        let until = line.shown_until.map_or(known, |until| until.max(known));
        let after = |reads: &[(u64, OpId)]| {
            let first = reads.partition_point(|(stamp, _)| *stamp <= until);
            reads.get(first).map(|(_, read)| *read)
        };
        // No read that began later shows it; and one that shows a later append must show it, whenever it began.
        let never_shown = line.shown_by.is_none();
        let lacks = after(&self.begun).or_else(|| after(&self.seen).filter(|_| never_shown));
        match (lacks, line.shown_by, acknowledged) {
            (Some(read), ..) => (Status::Missing, Some(read)),
            (None, None, _) => (Status::Unread, None),
            (None, Some(_), Some(_)) => (Status::Once, None),
            (None, Some(_), None) => (Status::Applied, None),
        }
    }
}

/// How the values of a list are cut into elements.
struct Tokens<'h> {
    /// The texts that were appended, if texts were; none begins with another.
    texts: FxHashMap<&'h str, &'h Value>,
    lengths: BTreeSet<usize>,
}

impl<'h> Tokens<'h> {
    /// `None` if texts cannot be told apart.
    fn of(lines: &[Line<'h>]) -> Option<Self> {
        let text = |line: &Line<'h>| match line.element {
            Value::Text(text) => Some((text.as_ref(), line.element)),
            Value::Nil | Value::Int(_) | Value::List(_) => None,
        };
        let texts: FxHashMap<&str, &Value> = lines.iter().filter_map(text).collect();
        if !texts.is_empty() && texts.len() < lines.len() {
            return None;
        }
        let lengths: BTreeSet<usize> = texts.keys().map(|text| text.len()).collect();
        let joins = |text: &&str| {
            text.is_empty()
                || lengths
                    .range(..text.len())
                    .any(|length| text.get(..*length).is_some_and(|beginning| texts.contains_key(beginning)))
        };
        if texts.keys().any(joins) {
            return None;
        }
        Some(Self { texts, lengths })
    }

    /// The elements of what a read returned, what is no element in one piece at the end; `None` for what is no list.
    fn split(&self, value: &'h Value) -> Option<Vec<Cow<'h, Value>>> {
        let Value::Text(text) = value else {
            let elements = value.as_list()?;
            return Some(elements.iter().map(Cow::Borrowed).collect());
        };
        if self.texts.is_empty() && !text.is_empty() {
            return None;
        }
        let (mut rest, mut elements) = (text.as_ref(), Vec::new());
        while !rest.is_empty() {
            let fitting = self.lengths.iter().find_map(|length| {
                let token = rest.get(..*length)?;
                self.texts.get(token).map(|element| (*length, *element))
            });
            let Some((length, element)) = fitting else {
                elements.push(Cow::Owned(Value::text(rest)));
                break;
            };
            elements.push(Cow::Borrowed(element));
            rest = &rest[length..];
        }
        Some(elements)
    }
}
