//! What is wrong with a set, in words.

use super::monitor::Refutation;
use super::{Set, SetAction, SetOp, SetRet, shown};
use crate::history::{Indexed, OpId};
use crate::linearizable::NAME;
use crate::models::telling::Telling;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{asked_by, brief, by, edge, real_time};

/// The operations that are judged, and how to speak of them.
pub(super) struct Words<'w, 'h> {
    set: &'w Set,
    key: &'w str,
    operations: &'w [Indexed<'h, SetOp, SetRet>],
}

impl<'w, 'h> Words<'w, 'h> {
    pub(super) fn new(set: &'w Set, key: &'w str, operations: &'w [Indexed<'h, SetOp, SetRet>]) -> Self {
        Self { set, key, operations }
    }

    pub(super) fn violation(&self, refutation: &Refutation) -> Violation {
        let telling = match *refutation {
            Refutation::Phantom { read, at, failed } => self.phantom(read, at, failed),
            Refutation::Premature { read, add } => self.premature(read, add),
            Refutation::Duplicated { read, add } => self.duplicated(read, add),
            Refutation::Forked { one, only_one, other, only_other } => {
                self.forked(one, only_one, other, only_other)
            }
            Refutation::Missing { add, read, back } => self.missing(add, read, back),
            Refutation::Gone { add, shows, lacks } => self.gone(add, shows, lacks),
            Refutation::Overtaken { add, later, read, back } => self.overtaken(add, later, read, back),
        };
        let operations = refutation.witnesses().into_iter().map(|index| self.id(index));
        telling.violation(NAME, self.key, operations.collect())
    }

    fn id(&self, index: u32) -> OpId {
        self.operations[index as usize].0
    }

    fn by(&self, index: u32) -> String {
        by(self.set, self.operations[index as usize].1)
    }

    fn element(&self, add: u32) -> String {
        match &self.operations[add as usize].1.op.action {
            SetAction::Add { element } => brief(&element.to_string()),
            SetAction::Read => unreachable!("an addition"),
        }
    }

    fn real_time(&self, from: u32, to: u32) -> Edge {
        real_time(self.set, self.operations[from as usize], self.operations[to as usize])
    }

    fn shows(&self, add: u32, read: u32) -> Edge {
        let reason = format!("{} shows {} of {}", self.by(read), self.element(add), self.by(add));
        edge(self.id(add), self.id(read), EdgeKind::ReadsFrom, reason, Vec::new())
    }

    fn lacks(&self, read: u32, add: u32) -> Edge {
        let reason = format!("{} does not show {}", self.by(read), self.element(add));
        edge(self.id(read), self.id(add), EdgeKind::MustPrecede, reason, Vec::new())
    }

    fn phantom(&self, read: u32, at: u32, failed: Option<u32>) -> Telling {
        let words = self.by(read);
        let element = brief(&shown(self.operations[read as usize].1)[at as usize].to_string());
        let Some(failed) = failed else {
            return Telling::in_steps(
                "phantom",
                format!("{words} shows {element}, which nobody added"),
                Vec::new(),
            );
        };
        let message = format!("{words} shows {element} although {} had failed", self.by(failed));
        let told = vec![
            format!("{} failed, so it must never take effect", self.by(failed)),
            format!("{words} shows {element}, and nobody else added it"),
        ];
        Telling::in_steps("phantom", message, told)
    }

    fn premature(&self, read: u32, add: u32) -> Telling {
        let message = format!(
            "{} shows {} although {} began only afterwards",
            self.by(read),
            self.element(add),
            self.by(add)
        );
        Telling::round("phantom", message, vec![self.real_time(read, add), self.shows(add, read)])
    }

    fn duplicated(&self, read: u32, add: u32) -> Telling {
        let (words, element) = (self.by(read), self.element(add));
        let message = format!("{words} shows {element} twice");
        let told = vec![
            format!("{} is the only operation that added {element}", self.by(add)),
            format!("a set holds an element once, yet {words} shows {element} twice"),
        ];
        Telling::in_steps("duplicated", message, told)
    }

    fn forked(&self, one: u32, only_one: u32, other: u32, only_other: u32) -> Telling {
        let message = format!(
            "{} shows {} but not {}, and {} shows {} but not {}",
            self.by(one),
            self.element(only_one),
            self.element(only_other),
            self.by(other),
            self.element(only_other),
            self.element(only_one)
        );
        let edges = vec![
            self.shows(only_one, one),
            self.lacks(one, only_other),
            self.shows(only_other, other),
            self.lacks(other, only_one),
        ];
        Telling::round("forked", message, edges)
    }

    fn missing(&self, add: u32, read: u32, back: Option<u32>) -> Telling {
        let mut message = format!(
            "{} does not show {} although {} had been acknowledged before it began",
            asked_by(self.set, self.operations[read as usize].1),
            self.element(add),
            self.by(add)
        );
        match back {
            Some(back) => message += &format!(", and {} shows it", self.by(back)),
            None => message += ", and no read shows it",
        }
        let kind = if back.is_some() { "stale" } else { "lost" };
        Telling::round(kind, message, vec![self.real_time(add, read), self.lacks(read, add)])
    }

    fn gone(&self, add: u32, shows: u32, lacks: u32) -> Telling {
        let message = format!(
            "{} does not show {} although {} had shown it before that began",
            self.by(lacks),
            self.element(add),
            self.by(shows)
        );
        let edges = vec![self.shows(add, shows), self.real_time(shows, lacks), self.lacks(lacks, add)];
        Telling::round("stale", message, edges)
    }

    fn overtaken(&self, add: u32, later: u32, read: u32, back: Option<u32>) -> Telling {
        let message = format!(
            "{} shows {} but not {} although {} had been acknowledged before {} began",
            self.by(read),
            self.element(later),
            self.element(add),
            self.by(add),
            self.by(later)
        );
        let edges = vec![self.real_time(add, later), self.shows(later, read), self.lacks(read, add)];
        Telling::round(if back.is_some() { "stale" } else { "lost" }, message, edges)
    }
}
