//! A table of key-value operations while it is read: rows in the order of their lines, names numbered.
//!
//! Parts of a table are read by themselves and joined; what concerns the whole (how a key is used, the order of the
//! rows, whether a process does one thing at a time) is looked at in the end.

use rustc_hash::FxHashMap;

use super::error::{FormatError, Line, Source, quote};
use super::events_error;
use super::rows::{Kind, NEVER, Row, Rows, Stamps, Summary, Target};
use crate::history::{Malformed, ProcessId};

/// No row.
const NONE: u32 = u32::MAX;
/// Rows of one table, at most; there may be as many keys.
const ROWS_MAX: usize = Target::KEYS_MAX / 2 - 1;
/// Processes with smaller numbers than this are numbered without hashing.
const SMALL_PROCESSES: usize = 1 << 10;
const REGISTER: &str = "register (r w c)";
const LIST: &str = "list (g p a)";

/// What a line says.
pub(super) struct Cells<'a> {
    pub(super) process: u64,
    pub(super) invoked: u64,
    /// Or [`NEVER`].
    pub(super) returned: u64,
    pub(super) kind: Kind,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// A key, with the first row that takes it for a register and the first that takes it for a list.
#[derive(Clone, Copy, Debug)]
struct Key<'a> {
    name: &'a str,
    first: [u32; 2],
}

/// Rows of a part of a source, or of all of it.
#[derive(Debug)]
pub(super) struct Table<'a> {
    source: Source<'a>,
    /// By row.
    stamps: Vec<Stamps>,
    rows: Vec<Row>,
    keys: Vec<Key<'a>>,
    key_numbers: FxHashMap<&'a str, u32>,
    /// The key of the last row: the next one is often of the same.
    recent_key: u32,
    processes: Vec<u64>,
    process_numbers: FxHashMap<u64, u32>,
    /// The numbers of those below [`SMALL_PROCESSES`]; [`NONE`] if they have none yet.
    small_processes: Vec<u32>,
    /// Lines so far.
    pub(super) lines: u32,
    /// What is wrong with the line at which reading ended.
    pub(super) failure: Option<FormatError>,
}

impl<'a> Table<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self {
            source,
            stamps: Vec::new(),
            rows: Vec::new(),
            keys: Vec::new(),
            key_numbers: FxHashMap::default(),
            recent_key: 0,
            processes: Vec::new(),
            process_numbers: FxHashMap::default(),
            small_processes: vec![NONE; SMALL_PROCESSES],
            lines: 0,
            failure: None,
        }
    }

    /// Makes room for so many more rows, and some.
    pub(super) fn expect(&mut self, rows: usize) {
        let rows = (rows + rows / 16).min(self.rows_max());
        self.stamps.reserve(rows);
        self.rows.reserve(rows);
    }

    /// The number of a name, the next if it is new.
    fn process(&mut self, process: u64) -> u32 {
        let next = number(self.processes.len());
        let small = usize::try_from(process).ok().and_then(|small| self.small_processes.get_mut(small));
        let known = small.unwrap_or_else(|| self.process_numbers.entry(process).or_insert(NONE));
        if *known == NONE {
            *known = next;
            self.processes.push(process);
        }
        *known
    }

    fn key(&mut self, name: &'a str) -> u32 {
        if self.keys.get(self.recent_key as usize).is_some_and(|recent| recent.name == name) {
            return self.recent_key;
        }
        let next = number(self.keys.len());
        self.recent_key = *self.key_numbers.entry(name).or_insert_with(|| {
            self.keys.push(Key { name, first: [NONE; 2] });
            next
        });
        self.recent_key
    }

    /// Adds a row.
    pub(super) fn add(&mut self, line: Line<'a>, cells: &Cells<'a>) {
        let (process, key) = (self.process(cells.process), self.key(cells.key));
        let first = &mut self.keys[key as usize].first[usize::from(cells.kind.is_list())];
        *first = (*first).min(number(self.rows.len()));
        self.stamps.push((cells.invoked, cells.returned));
        self.rows.push(Row {
            value: line.offset + (cells.value.as_ptr() as usize - line.text.as_ptr() as usize),
            length: u32::try_from(cells.value.len()).expect("the bound of a line is smaller"),
            line: self.lines,
            process,
            target: Target::new(key, cells.kind),
        });
    }

    /// Adds what was read of the part behind; nothing, if reading ended before it.
    pub(super) fn extend(&mut self, part: Table<'a>) {
        if self.failure.is_some() || self.is_full() {
            return;
        }
        let before = number(self.rows.len());
        let keys: Vec<u32> = part.keys.iter().map(|key| self.key(key.name)).collect();
        for (key, part) in keys.iter().zip(&part.keys) {
            for (first, part) in self.keys[*key as usize].first.iter_mut().zip(part.first) {
                *first = (*first).min(before.saturating_add(part));
            }
        }
        let processes: Vec<u32> = part.processes.iter().map(|process| self.process(*process)).collect();
        self.stamps.extend(part.stamps);
        self.rows.extend(part.rows.into_iter().map(|row| Row {
            line: row.line.saturating_add(self.lines),
            process: processes[row.process as usize],
            target: row.target.with_key(keys[row.target.key() as usize]),
            ..row
        }));
        self.lines = self.lines.saturating_add(part.lines);
        self.failure = part.failure;
    }

    /// Whether there are more rows than there may be, so that no more need be read.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() > self.rows_max()
    }

    fn rows_max(&self) -> usize {
        self.source.limits.operations_max.min(ROWS_MAX)
    }

    /// The rows as a history has them, or what is wrong first.
    pub(super) fn finish(mut self) -> Result<Rows<'a>, FormatError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let summary = match self.look_through()? {
            Some(summary) => summary,
            None => {
                self.sort();
                self.renumber();
                self.look_through()?.expect("they are sorted")
            }
        };
        let Self { source, stamps, rows, keys, processes, .. } = self;
        let keys = keys.into_iter().map(|key| key.name).collect();
        Ok(Rows { source, stamps, rows, keys, processes, summary })
    }

    fn failure(&mut self) -> Option<FormatError> {
        let bound = self.rows_max();
        let mixed = self.keys.iter().filter(|key| !key.first.contains(&NONE));
        let first = mixed.min_by_key(|key| key.first.iter().max());
        if let Some(Key { name, first: [register, list] }) = first {
            let (here, since) =
                (self.rows[*register.max(list) as usize], self.rows[*register.min(list) as usize]);
            if (*register.max(list) as usize) < bound {
                let (holds, held) = if list > register { (LIST, REGISTER) } else { (REGISTER, LIST) };
                let message = format!(
                    "key {} is used as a {holds} here but as a {held} in line {}; expected one of them",
                    quote(name),
                    since.line,
                );
                return Some(self.error(&here, message));
            }
        }
        if self.is_full() {
            let message = format!(
                "more than {bound} operations, the bound of one history (operations_max); split it by key"
            );
            return Some(self.error(&self.rows[bound], message));
        }
        self.failure.take()
    }

    fn error(&self, row: &Row, message: String) -> FormatError {
        self.source.error(self.source.line_offset(row.line.into()), message)
    }

    /// As a history sorts them; of equals, that which comes first in the text.
    fn order(&self, index: usize) -> (Stamps, usize) {
        (self.stamps[index], self.rows[index].value)
    }

    fn sort(&mut self) {
        let mut indices: Vec<u32> = (0..number(self.rows.len())).collect();
        indices.sort_unstable_by_key(|index| self.order(*index as usize));
        self.stamps = indices.iter().map(|index| self.stamps[*index as usize]).collect();
        self.rows = indices.iter().map(|index| self.rows[*index as usize]).collect();
    }

    /// Numbers the keys in the order of their first rows.
    fn renumber(&mut self) {
        let mut numbers = vec![NONE; self.keys.len()];
        let mut keys = Vec::with_capacity(self.keys.len());
        for row in &mut self.rows {
            let known = &mut numbers[row.target.key() as usize];
            if *known == NONE {
                *known = number(keys.len());
                keys.push(self.keys[row.target.key() as usize]);
            }
            row.target = row.target.with_key(*known);
        }
        self.keys = keys;
    }

    /// Refuses two operations of one process at the same time; `None` if the rows are not sorted.
    fn look_through(&self) -> Result<Option<Summary>, FormatError> {
        let mut summary = Summary::default();
        let mut busy_until = vec![0; self.processes.len()];
        let mut before = ((0, 0), 0);
        for (index, (row, (invoked, returned))) in self.rows.iter().zip(&self.stamps).enumerate() {
            let order = self.order(index);
            if std::mem::replace(&mut before, order) > order {
                return Ok(None);
            }
            summary.add(index, *returned, row);
            let busy = &mut busy_until[row.process as usize];
            if *invoked < *busy {
                let process = ProcessId(self.processes[row.process as usize]);
                let overlap = Malformed::Overlap { place: row.line.into(), process };
                return Err(events_error(self.source, &overlap));
            }
            *busy = if *returned == NEVER { *invoked } else { *returned };
        }
        Ok(Some(summary))
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("no more than there are rows")
}
