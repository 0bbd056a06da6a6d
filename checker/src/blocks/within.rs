//! Two operations of one block that stand the other way round in real time, in words.
//!
//! Versions of a block follow each other; `before` belongs to an earlier one than `after`, which had finished when
//! `before` began. What that is called depends on which of them read and which wrote.

use super::words::Words;
use crate::kv::KvOp;
use crate::verdict::{Edge, Violation};

/// Links of a chain named as evidence, at most.
const LINKS_MAX: usize = 8;

impl Words<'_, '_, '_> {
    /// "`from` comes first in their block", whose versions follow each other.
    fn in_turn(&self, from: u32, to: u32) -> Edge {
        let (start, end) = (self.place(from), self.place(to));
        if self.is_list() {
            let witness = self.witness(end.block, end.version());
            let reason = match witness {
                Some(read) if read != to && !self.is_read(from) => {
                    format!("{} shows {} before {}", self.by(read), self.atom(from), self.atom(to))
                }
                _ => format!("{} is of an earlier version of the list than {}", self.by(from), self.by(to)),
            };
            return self.must(from, to, reason, &witness.into_iter().collect::<Vec<_>>());
        }
        let links = (start.version() + 1..=end.version()).take(LINKS_MAX);
        let links: Vec<u32> = links.filter_map(|version| self.writer(end.block, version)).collect();
        let made = self.writer(start.block, start.version());
        let what = match (made, self.is_read(from)) {
            (Some(writer), true) => {
                format!("{} saw {} of {}", self.by(from), self.value(from), self.by(writer))
            }
            (None, true) => format!("{} saw the initial {}", self.by(from), self.value(from)),
            (_, false) => format!("{} wrote {}", self.by(from), self.atom(from)),
        };
        let replaced = links.first().map_or_else(|| self.by(to), |link| self.by(*link));
        let further = match links.last() {
            Some(last) if *last != to && links.len() == 1 => format!(", which {} saw", self.by(to)),
            Some(_) if links.len() > 1 => format!(", and so on to {}", self.by(to)),
            _ => String::new(),
        };
        self.must(from, to, format!("{what}, which {replaced} replaced{further}"), &links)
    }

    /// `after` had finished before `before` began, which must come first.
    pub(super) fn order(&self, before: u32, after: u32) -> Violation {
        let (early, late) = (self.place(before), self.place(after));
        let backwards = self.real_time(after, before);
        let needs = if self.is_list() { self.is_read(after) } else { self.comes_from(after, before) };
        if !self.is_read(before) && needs {
            let verb = match self.indexed(after).1.op {
                _ if self.is_list() => "shows",
                KvOp::Get { .. } => "returned",
                _ => "found",
            };
            let message = format!(
                "{} {verb} {} although {} began only after it",
                self.by(after),
                self.atom(before),
                self.by(before)
            );
            return self.told("phantom", message, &[], vec![backwards, self.reads_from(before, after)]);
        }
        if self.is_read(before) && !self.is_read(after) {
            return self.lacks(before, after);
        }
        if self.is_read(before) {
            let next = self.writer(late.block, early.version() + 1);
            let writer = if self.is_list() { next } else { self.writer(late.block, late.version()) };
            let writer = writer.expect("a later version has a writer");
            let message = format!(
                "{} although {} had shown {} before it began",
                self.returned(before),
                self.by(after),
                self.atom(writer)
            );
            let edges = vec![self.reads_from(writer, after), backwards, self.not_yet(before, writer)];
            return self.told("stale", message, &[], edges);
        }
        let in_turn = self.in_turn(before, after);
        let message = match self.witness(late.block, late.version()) {
            Some(read) if self.is_list() => format!(
                "{} shows {} before {} although {} had been acknowledged before {} began",
                self.by(read),
                self.atom(before),
                self.atom(after),
                self.by(after),
                self.by(before),
            ),
            _ => format!("these contradict each other: {}; {}", backwards.reason, in_turn.reason),
        };
        self.told("reordered", message, &[], vec![backwards, in_turn])
    }

    /// Whether an operation saw or replaced just what another wrote.
    fn comes_from(&self, reader: u32, writer: u32) -> bool {
        let (reader_at, writer_at) = (self.place(reader), self.place(writer));
        reader_at.version() == writer_at.version() + u32::from(!self.is_read(reader))
    }

    /// "`reader` saw an earlier version of the block than `writer` made".
    pub(super) fn not_yet(&self, reader: u32, writer: u32) -> Edge {
        let at = self.place(writer);
        if !self.is_list() {
            return self.in_turn(reader, writer);
        }
        let mut reason = format!("{} does not show {}", self.by(reader), self.atom(writer));
        let mut evidence = Vec::new();
        // A list that was put may have been overwritten: that it is the same one is to be shown.
        let put = self.writer(at.block, 0);
        if let (Some(_), Some(witness)) = (put, self.witness(at.block, at.version())) {
            reason += &format!(", and {} shows that behind all of it", self.by(witness));
            evidence.push(witness);
        }
        self.must(reader, writer, reason, &evidence)
    }

    /// A read without what was acknowledged before it began, in one block.
    fn lacks(&self, reader: u32, writer: u32) -> Violation {
        let mut message = format!(
            "{} although {} had been acknowledged before it began",
            self.returned(reader),
            self.by(writer)
        );
        let (kind, back) = self.stale_or_lost(reader, writer);
        if let Some(back) = back {
            message += &format!(", and {} shows it again", self.by(back));
        }
        let edges = vec![self.real_time(writer, reader), self.not_yet(reader, writer)];
        self.told(kind, message, &back.into_iter().collect::<Vec<_>>(), edges)
    }
}
