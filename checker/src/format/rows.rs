//! The rows of a table of key-value operations, as they stand in its text.
//!
//! Forty bytes a row, and nothing copied: a million operations are judged without a million of each value. Stamps stand
//! by themselves, for whoever looks at nothing else. Rows are sorted by invocation and well-formed, as a [`History`] is;
//! one can be had, but only those operations that need a search or an explanation have to be made.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::error::Source;
use crate::blocks::{Atom, Entries, What};
use crate::history::{Completion, History, OpId, Operation, ProcessId, op_id};
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;

/// What a row does, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads a list.
    Get,
    /// Overwrites a list.
    Put,
    Append,
    /// Reads a register.
    Read,
    /// Writes a register.
    Write,
    Cas,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Get, Self::Put, Self::Append, Self::Read, Self::Write, Self::Cas];

    pub(super) fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'g' => Some(Self::Get),
            b'p' => Some(Self::Put),
            b'a' => Some(Self::Append),
            b'r' => Some(Self::Read),
            b'w' => Some(Self::Write),
            b'c' => Some(Self::Cas),
            _ => None,
        }
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Get | Self::Put | Self::Append)
    }

    fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Read)
    }

    /// The name of the function as this project records it.
    fn function(self) -> &'static str {
        match self {
            Self::Get | Self::Read => "read",
            Self::Put | Self::Write => "write",
            Self::Append => "append",
            Self::Cas => "cas",
        }
    }
}

/// A key's number and what is done to it, in four bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target(u32);

impl Target {
    /// Keys of one table, at most.
    pub(super) const KEYS_MAX: usize = 1 << 29;

    pub(super) fn new(key: u32, kind: Kind) -> Self {
        debug_assert!((key as usize) < Self::KEYS_MAX, "keys are counted");
        Self(key << 3 | kind as u32)
    }

    pub(super) fn key(self) -> u32 {
        self.0 >> 3
    }

    fn kind(self) -> Kind {
        Kind::ALL[(self.0 & 7) as usize]
    }

    pub(super) fn with_key(self, key: u32) -> Self {
        Self::new(key, self.kind())
    }
}

/// The return of an operation that is not known to have returned.
pub(super) const NEVER: u64 = u64::MAX;

/// When an operation was invoked and when it returned, or [`NEVER`].
pub(super) type Stamps = (u64, u64);

/// One row but for its stamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Where its value begins in the text, and its length.
    pub(super) value: usize,
    pub(super) length: u32,
    /// Its line, from 1; the greatest number there is stands for all beyond.
    pub(super) line: u32,
    /// The number of its process among all.
    pub(super) process: u32,
    pub(super) target: Target,
}

/// All rows of a table, in the order of their invocations; their indices are those of the [`OpId`]s.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    pub(super) source: Source<'a>,
    /// By row.
    pub(super) stamps: Vec<Stamps>,
    pub(super) rows: Vec<Row>,
    /// In order of first use.
    pub(super) keys: Vec<&'a str>,
    pub(super) processes: Vec<u64>,
    pub(super) summary: Summary,
}

/// What is known of all rows together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    /// By kind: the first of it.
    first: [Option<OpId>; Kind::ALL.len()],
    /// How many completed.
    completed: usize,
    /// How many read.
    reads: usize,
    /// Whether some list is overwritten with nothing.
    puts_nothing: bool,
}

impl Summary {
    /// Takes the next row in.
    pub(super) fn add(&mut self, index: usize, returned: u64, row: &Row) {
        let kind = row.target.kind();
        self.first[kind as usize].get_or_insert_with(|| op_id(index));
        self.completed += usize::from(returned != NEVER);
        self.reads += usize::from(kind.is_read());
        self.puts_nothing |= kind == Kind::Put && row.length == 0;
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn line(&self, id: OpId) -> u64 {
        u64::from(self.rows[id.index()].line)
    }

    /// When an operation was invoked, and when it completed if it did.
    pub(super) fn stamps(&self, index: usize) -> (u64, Option<u64>) {
        let (invoked, returned) = self.stamps[index];
        (invoked, (returned != NEVER).then_some(returned))
    }

    pub(crate) fn keys(&self) -> &[&'a str] {
        &self.keys
    }

    /// Each function with the first operation that has it.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&'static str, OpId)> {
        let first = Kind::ALL.iter().zip(self.summary.first);
        let mut first: Vec<_> = first.filter_map(|(kind, id)| Some((kind.function(), id?))).collect();
        first.sort_unstable();
        first.dedup_by_key(|(function, _)| *function);
        first.into_iter()
    }

    /// How many operations completed.
    pub(crate) fn completed(&self) -> usize {
        self.summary.completed
    }

    /// See [`crate::judge::spec_of`]: an empty register holds nothing, but an empty list is a text.
    pub(crate) fn spec(&self) -> KvSpec {
        let appends = self.summary.first[Kind::Append as usize].is_some();
        KvSpec { empty_is_absent: appends || !self.summary.puts_nothing }
    }

    /// The rows by key.
    pub(crate) fn by_key(&self) -> ByKey<'_, 'a> {
        if self.keys.len() == 1 {
            return ByKey { rows: self, ids: Vec::new(), ends: vec![op_id(self.rows.len()).0] };
        }
        let mut ends = vec![0u32; self.keys.len()];
        for row in &self.rows {
            ends[row.target.key() as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut ids = vec![OpId(0); self.rows.len()];
        for (index, row) in self.rows.iter().enumerate() {
            let end = &mut ends[row.target.key() as usize];
            ids[*end as usize] = op_id(index);
            *end += 1;
        }
        ByKey { rows: self, ids, ends }
    }

    pub(crate) fn is_ok(&self, id: OpId) -> bool {
        self.stamps[id.index()].1 != NEVER
    }

    /// The operation of a row, given its key.
    fn typed(&self, index: usize, key: Arc<str>) -> Operation<KvOp, KvRet> {
        let row = &self.rows[index];
        let value = value_of(self.source.text, row);
        let mut ret = KvRet::Done;
        let op = match row.target.kind() {
            Kind::Get => {
                ret = KvRet::Value(if value.is_empty() { Value::Nil } else { value.into() });
                KvOp::Get { key }
            }
            Kind::Put => KvOp::Put { key, value: value.into() },
            Kind::Append => KvOp::Append { key, value: value.into() },
            Kind::Read => {
                ret = KvRet::Value(scalar(value));
                KvOp::Get { key }
            }
            Kind::Write => KvOp::Put { key, value: scalar(value) },
            Kind::Cas => {
                let (expected, new) = change(value).expect("it was read as a change");
                KvOp::Cas { key, expected: scalar(expected), new: scalar(new) }
            }
        };
        let (invoked, returned) = self.stamps(index);
        let completion = if returned.is_some() { Completion::Ok(ret) } else { Completion::Info };
        let process = ProcessId(self.processes[row.process as usize]);
        Operation { process, op, invoked, returned, completion }
    }

    /// One operation.
    pub(crate) fn operation(&self, id: OpId) -> Operation<KvOp, KvRet> {
        let key = self.rows[id.index()].target.key();
        self.typed(id.index(), self.keys[key as usize].into())
    }

    /// All operations.
    pub(crate) fn history(&self) -> History<KvOp, KvRet> {
        let keys: Vec<Arc<str>> = self.keys.iter().map(|key| Arc::from(*key)).collect();
        let key = |row: &Row| Arc::clone(&keys[row.target.key() as usize]);
        let rows = self.rows.iter().enumerate();
        let placed = rows.map(|(index, row)| (u64::from(row.line), self.typed(index, key(row)))).collect();
        History::from_intervals(placed).expect("rows are well-formed")
    }
}

fn value_of<'a>(text: &'a str, row: &Row) -> &'a str {
    &text[row.value..row.value + row.length as usize]
}

/// Nothing, a number or a text. Only numbers that are written as numbers are: `007` is not `7`.
pub(super) fn scalar(text: &str) -> Value {
    match text.parse::<i64>() {
        _ if text.is_empty() => Value::Nil,
        Ok(number) if number.to_string() == text => Value::Int(number),
        _ => text.into(),
    }
}

/// What a cas expects and what it writes.
pub(super) fn change(value: &str) -> Option<(&str, &str)> {
    value.split_once(':')
}

/// All rows by key.
#[derive(Debug)]
pub(crate) struct ByKey<'r, 'a> {
    rows: &'r Rows<'a>,
    /// Key by key, each key's in the order of their invocations; none where all are of one key.
    ids: Vec<OpId>,
    /// Where each key's end.
    ends: Vec<u32>,
}

impl ByKey<'_, '_> {
    fn is_of_one(&self) -> bool {
        self.ends.len() == 1
    }

    /// Where a key's operations stand among all, key by key.
    fn range(&self, key: usize) -> Range<usize> {
        let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[key] as usize
    }

    /// How many operations a key has.
    pub(crate) fn count(&self, key: usize) -> usize {
        self.range(key).len()
    }

    /// One of a key's operations.
    pub(crate) fn id(&self, key: usize, index: u32) -> OpId {
        if self.is_of_one() { OpId(index) } else { self.ids[self.range(key)][index as usize] }
    }

    /// A key's rows, next to each other.
    pub(crate) fn rows(&self, key: usize) -> KeyRows<'_> {
        let Rows { source, stamps, rows, summary, .. } = self.rows;
        if self.is_of_one() {
            let (stamps, rows) = (Cow::Borrowed(stamps.as_slice()), Cow::Borrowed(rows.as_slice()));
            return KeyRows { text: source.text, stamps, rows, reads: summary.reads };
        }
        let ids = &self.ids[self.range(key)];
        let stamps = ids.iter().map(|id| stamps[id.index()]).collect();
        let rows: Vec<Row> = ids.iter().map(|id| rows[id.index()]).collect();
        let reads = rows.iter().filter(|row| row.target.kind().is_read()).count();
        let rows = KeyRows { text: source.text, stamps: Cow::Owned(stamps), rows: Cow::Owned(rows), reads };
        rows.touch();
        rows
    }

    /// These operations of a key, as a history has them.
    pub(crate) fn operations(&self, key: usize, indices: &[u32]) -> Vec<Operation<KvOp, KvRet>> {
        if indices.is_empty() {
            return Vec::new();
        }
        let name: Arc<str> = self.rows.keys[key].into();
        let typed = |id: OpId| self.rows.typed(id.index(), Arc::clone(&name));
        indices.iter().map(|index| typed(self.id(key, *index))).collect()
    }
}

/// The rows of one key.
#[derive(Clone, Debug)]
pub(crate) struct KeyRows<'a> {
    text: &'a str,
    stamps: Cow<'a, [Stamps]>,
    rows: Cow<'a, [Row]>,
    /// How many of them read.
    reads: usize,
}

impl<'a> KeyRows<'a> {
    /// Whether no operation returned.
    pub(crate) fn is_vacuous(&self) -> bool {
        self.stamps.iter().all(|(_, returned)| *returned == NEVER)
    }

    /// Looks at where each value begins and ends. The values of a key lie all over the text, far from each other: to
    /// wait for them all at once is much faster than to wait for one after the other once they are needed.
    fn touch(&self) {
        let bytes = self.text.as_bytes();
        let look = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let both = |row: &Row| look(row.value) ^ look(row.value + row.length as usize);
        std::hint::black_box(self.rows.iter().fold(0, |seen, row| seen ^ both(row)));
    }
}

impl<'a> Entries<'a> for KeyRows<'a> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn reads_and_writes(&self) -> (usize, usize) {
        (self.reads, self.rows.len() - self.reads)
    }

    fn stamps(&self, index: usize) -> (u64, u64) {
        self.stamps[index]
    }

    fn all_stamps(&self) -> Cow<'_, [(u64, u64)]> {
        Cow::Borrowed(&self.stamps)
    }

    /// Scalars are texts here, numbers too: two of them are the same exactly if their texts are.
    #[inline]
    fn what(&self, index: usize) -> What<'a> {
        let row = &self.rows[index];
        // Not a text's slice, which would look at the bytes around to see that they are whole characters.
        let value = &self.text.as_bytes()[row.value..row.value + row.length as usize];
        let some = |text: &'a [u8]| if text.is_empty() { Atom::Nil } else { Atom::Text(text) };
        match row.target.kind() {
            Kind::Get | Kind::Read if self.stamps[index].1 == NEVER => What::Unread,
            Kind::Get | Kind::Read => What::Read(some(value)),
            Kind::Put => What::Put(Atom::Text(value)),
            Kind::Append => What::Append(Atom::Text(value)),
            Kind::Write => What::Put(some(value)),
            Kind::Cas => {
                let (expected, new) = change(value_of(self.text, row)).expect("it was read as a change");
                What::Swapped { expected: some(expected.as_bytes()), new: some(new.as_bytes()) }
            }
        }
    }

    fn first_append(&self) -> Option<Atom<'a>> {
        // A key is a register or a list, not both.
        if self.rows.first().is_none_or(|row| !row.target.kind().is_list()) {
            return None;
        }
        let first = self.rows.iter().find(|row| row.target.kind() == Kind::Append)?;
        Some(Atom::Text(value_of(self.text, first).as_bytes()))
    }
}
