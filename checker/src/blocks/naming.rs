//! Anomalies that are plain to see without looking at time: what no order could ever show, in words.
//!
//! A value that nobody wrote, one shown twice, an overwrite that overwrote nothing, lists that part, cas that
//! replaced the same value or go round.

use super::entry::Atom;
use super::words::Words;
use crate::history::Completion;
use crate::kv::KvOp;
use crate::value::Value;
use crate::verdict::{Edge, Violation};
use crate::words::brief;

impl Words<'_, '_, '_> {
    /// The first failed operation that would have written something of the kind.
    fn failed(&self, wrote: &dyn Fn(&Value) -> bool) -> Option<u32> {
        let mut operations = self.operations.iter().zip(0..);
        let failed = operations.find(|((_, operation), _)| {
            let value = match &operation.op {
                KvOp::Put { value, .. } | KvOp::Append { value, .. } | KvOp::Cas { new: value, .. } => value,
                KvOp::Get { .. } | KvOp::Delete { .. } => return false,
            };
            operation.completion == Completion::Fail && wrote(value)
        });
        failed.map(|(_, index)| index)
    }

    /// What of a read nobody can have written, and the failed operation that tried to.
    fn unwritten(&self, reader: u32) -> (String, Option<u32>) {
        let value = self.found(reader).expect("it read");
        let failed = |wrote: &dyn Fn(&Value) -> bool| self.failed(wrote);
        // A list to which nothing was appended but what failed is read as a register.
        let whole =
            |wrote: &Value| wrote == value || matches!(value, Value::List(items) if items.contains(wrote));
        let Some(shown) = self.view.shown(Atom::of(value)).filter(|_| self.is_list()) else {
            return (brief(&value.to_string()), failed(&whole));
        };
        let mut at = 0;
        while at < shown.len() {
            match self.view.atom_at(shown, at) {
                Some((atom, end)) if self.view.has_writer(atom) => at = end,
                Some((atom, _)) => {
                    let item = atom.to_value();
                    let wrote = |value: &Value| {
                        *value == item || value.as_list() == Some(std::slice::from_ref(&item))
                    };
                    return (brief(&item.to_string()), failed(&wrote));
                }
                None => break,
            }
        }
        let Value::Text(text) = value else { return (brief(&value.to_string()), failed(&whole)) };
        let rest = &text[at..];
        let begins = |value: &Value| matches!(value, Value::Text(token) if rest.starts_with(&**token));
        (brief(&format!("{rest:?}")), failed(&begins))
    }

    pub(super) fn phantom(&self, reader: u32) -> Violation {
        let (what, failed) = self.unwritten(reader);
        let verb = match self.indexed(reader).1.op {
            _ if self.is_list() => "shows",
            KvOp::Get { .. } => "returned",
            _ => "found",
        };
        let words = self.by(reader);
        let Some(failed) = failed else {
            let message = format!("{words} {verb} {what}, which nobody wrote");
            let violation = self.told("phantom", message, &[reader], Vec::new());
            return self.with_effect(violation, &[reader]);
        };
        let message = format!("{words} {verb} {what} although {} had failed", self.by(failed));
        let mut violation = self.told("phantom", message, &[reader, failed], Vec::new());
        violation.steps.insert(0, format!("{} failed, so it must never take effect", self.by(failed)));
        self.with_effect(violation, &[reader])
    }

    /// Adds why those of these that nobody acknowledged took effect all the same.
    fn with_effect(&self, mut violation: Violation, operations: &[u32]) -> Violation {
        for operation in operations.iter().rev().filter(|operation| !self.view.is_done(**operation)) {
            let Some(seen_by) = self.seen_by(*operation, None) else { continue };
            let (id, operation) = (self.indexed(seen_by).0, self.by(*operation));
            let step = format!("{operation} took effect, since {} saw what it wrote", self.by(seen_by));
            violation.steps.insert(0, step);
            if !violation.operations.contains(&id) {
                violation.operations.push(id);
            }
        }
        violation.operations.sort();
        violation
    }

    pub(super) fn twice(&self, reader: u32, writer: u32) -> Violation {
        let (words, element) = (self.by(reader), self.atom(writer));
        let appended = matches!(self.indexed(writer).1.op, KvOp::Append { .. });
        let (verb, done) = if appended { ("append", "appended") } else { ("write", "written") };
        let message = format!("{words} shows {element} twice, though it was {done} once at most");
        let mut violation = self.told("duplicated", message, &[reader, writer], Vec::new());
        violation.steps = vec![
            format!("{} is the only {verb} of {element}", self.by(writer)),
            format!("it takes effect at most once, yet {words} shows {element} twice"),
        ];
        violation
    }

    /// An element that overwrote all others and yet stands behind one.
    pub(super) fn put_inside(&self, reader: u32, put: u32) -> Violation {
        let message = format!(
            "{} shows {} behind other elements although {} overwrote the list",
            self.by(reader),
            self.atom(put),
            self.by(put)
        );
        self.told("not-linearizable", message, &[reader, put], Vec::new())
    }

    pub(super) fn two_epochs(&self, append: u32, one: u32, other: u32) -> Violation {
        let (one, other) =
            if self.view.returned(other) < self.view.returned(one) { (other, one) } else { (one, other) };
        let element = self.atom(append);
        let message = format!(
            "{} shows {element} again though the list was overwritten since {}, and {element} was appended once at most",
            self.by(other),
            self.by(one),
        );
        let mut violation = self.told("duplicated", message, &[append, one, other], Vec::new());
        violation.steps = vec![
            format!("{} is the only append of {element}", self.by(append)),
            format!("{} shows it", self.by(one)),
            format!(
                "{} shows it in a list that begins differently, hence after another overwrite",
                self.by(other)
            ),
            "an append takes effect at most once, and what was overwritten never comes back".to_owned(),
        ];
        violation
    }

    /// Two lists that part: the operations at the first difference, where there are such.
    pub(super) fn fork(&self, one: u32, other: u32) -> Violation {
        let parts = self.parting(one, other);
        let place = match &parts {
            Some((at, first, second)) => {
                format!(" from element {} on: {} or {}", at + 1, self.atom(*first), self.atom(*second))
            }
            None => String::new(),
        };
        let message = format!("{} and {} disagree{place}", self.by(one), self.by(other));
        let Some((_, first, second)) = parts else {
            return self.told("forked", message, &[one, other], Vec::new());
        };
        let place = |reader: u32, shown: u32, instead: u32| {
            let reason = format!(
                "{} shows {} in the place that the other read gives to {}",
                self.by(reader),
                self.atom(shown),
                self.atom(instead)
            );
            self.must(shown, instead, reason, &[reader])
        };
        let edges = vec![place(one, first, second), place(other, second, first)];
        self.told("forked", message, &[one, other], edges)
    }

    /// The number of the first element at which two lists differ, and who wrote what stands there.
    fn parting(&self, one: u32, other: u32) -> Option<(usize, u32, u32)> {
        let list = |reader: u32| self.view.shown(Atom::of(self.found(reader)?));
        let (one, other) = (list(one)?, list(other)?);
        let mut at = 0;
        for number in 0.. {
            let ((first, end), (second, _)) = (self.view.atom_at(one, at)?, self.view.atom_at(other, at)?);
            if first != second {
                let writer =
                    |atom| self.view.writer(atom, 0).ok().map(|write| self.view.write(write).operation);
                return Some((number, writer(first)?, writer(second)?));
            }
            at = end;
        }
        None
    }

    pub(super) fn same_source(&self, one: u32, other: u32) -> Violation {
        let value = self.value(one);
        let message = format!("{} and {} both replaced the same {value}", self.by(one), self.by(other));
        let replaced = |first: u32, second: u32| {
            let reason =
                format!("{} found {value}, which {} replaced for good", self.by(first), self.by(second));
            self.must(first, second, reason, &[])
        };
        let edges = vec![replaced(one, other), replaced(other, one)];
        self.with_effect(self.told("lost-update", message, &[one, other], edges), &[one, other])
    }

    pub(super) fn round(&self, cas: &[u32]) -> Violation {
        // Each found what the next one wrote.
        let edges: Vec<Edge> =
            (0..cas.len()).rev().map(|at| self.reads_from(cas[(at + 1) % cas.len()], cas[at])).collect();
        let message = match cas {
            [alone] => format!("{} found what only it wrote", self.by(*alone)),
            [first, second, ..] => format!(
                "{} found what {} wrote, which goes on in a round: none of {} cas can be the first",
                self.by(*first),
                self.by(*second),
                cas.len()
            ),
            [] => unreachable!("a round has operations"),
        };
        self.with_effect(self.told("reordered", message, cas, edges), cas)
    }
}
