//! What is wrong with a queue, a stack or a bag, in words.

use super::input::NONE;
use super::refutation::{Refutation, Witness};
use super::{Container, ContainerAction, ContainerOp, ContainerRet, Discipline};
use crate::history::{Indexed, OpId};
use crate::linearizable::NAME;
use crate::models::telling::Telling;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{by, edge, real_time};

/// The operations that are judged, and how to speak of them.
pub(super) struct Words<'w, 'h> {
    container: &'w Container,
    key: &'w str,
    operations: &'w [Indexed<'h, ContainerOp, ContainerRet>],
}

impl<'w, 'h> Words<'w, 'h> {
    pub(super) fn new(
        container: &'w Container,
        key: &'w str,
        operations: &'w [Indexed<'h, ContainerOp, ContainerRet>],
    ) -> Self {
        Self { container, key, operations }
    }

    pub(super) fn violation(&self, refutation: &Refutation) -> Violation {
        let telling = match refutation {
            Refutation::Phantom { remove, failed } => self.phantom(*remove, *failed),
            Refutation::Duplicated { insert, one, other } => self.duplicated(*insert, *one, *other),
            Refutation::Premature { insert, remove } => self.premature(*insert, *remove),
            Refutation::OutOfOrder { first, second } => self.out_of_order(*first, *second),
            Refutation::NeverEmpty { empty, chain } => self.never_empty(*empty, chain),
            Refutation::NoBottom { chain } => match chain.as_slice() {
                [lower, upper] => self.crossed(*lower, *upper),
                _ => self.no_bottom(chain),
            },
        };
        let operations = refutation.witnesses().into_iter().map(|index| self.id(index));
        telling.violation(NAME, self.key, operations.collect())
    }

    fn indexed(&self, index: u32) -> Indexed<'h, ContainerOp, ContainerRet> {
        self.operations[index as usize]
    }

    fn id(&self, index: u32) -> OpId {
        self.indexed(index).0
    }

    /// `dequeue -> 3 by process 2`.
    fn by(&self, index: u32) -> String {
        by(self.container, self.indexed(index).1)
    }

    /// The element that an operation inserts.
    fn element(&self, insert: u32) -> String {
        match &self.indexed(insert).1.op.action {
            ContainerAction::Insert { value } => value.to_string(),
            ContainerAction::Remove | ContainerAction::Drain => unreachable!("an insertion"),
        }
    }

    fn real_time(&self, from: u32, to: u32) -> Edge {
        real_time(self.container, self.indexed(from), self.indexed(to))
    }

    fn must_precede(&self, from: u32, to: u32, reason: String, evidence: &[u32]) -> Edge {
        let evidence = evidence.iter().map(|index| self.id(*index)).collect();
        edge(self.id(from), self.id(to), EdgeKind::MustPrecede, reason, evidence)
    }

    fn noun(&self) -> &'static str {
        self.container.discipline.noun()
    }

    /// `enqueued`.
    fn inserted(&self) -> &'static str {
        match self.container.discipline {
            Discipline::Fifo | Discipline::Unordered => "enqueued",
            Discipline::Lifo => "pushed",
        }
    }

    /// `dequeued`.
    fn taken(&self) -> &'static str {
        match self.container.discipline {
            Discipline::Fifo | Discipline::Unordered => "dequeued",
            Discipline::Lifo => "popped",
        }
    }

    fn is_told(&self, remove: u32) -> bool {
        remove != NONE && self.indexed(remove).1.ret().is_some()
    }

    /// Why an element that nobody was told to have taken was not taken: "nobody ever dequeued 3".
    fn never_taken(&self, witness: Witness) -> String {
        let element = self.element(witness.insert);
        let words = format!("nobody was told to have {} {element}", self.taken());
        match witness.remove {
            NONE => words,
            unknown => {
                let first = self.by(unknown);
                format!("{words}, and {first}, the first whose outcome is unknown, began only afterwards")
            }
        }
    }

    fn phantom(&self, remove: u32, failed: Option<u32>) -> Telling {
        let words = self.by(remove);
        let Some(failed) = failed else {
            let message = format!("{words} took what nobody {}", self.inserted());
            return Telling::in_steps("phantom", message, Vec::new());
        };
        let message =
            format!("{words} took {} although {} had failed", self.element(failed), self.by(failed));
        let told = vec![
            format!("{} failed, so it must never take effect", self.by(failed)),
            format!("{words} took {}, and nobody else {} it", self.element(failed), self.inserted()),
        ];
        Telling::in_steps("phantom", message, told)
    }

    fn duplicated(&self, insert: u32, one: u32, other: u32) -> Telling {
        let element = self.element(insert);
        let (one, other) = (self.by(one), self.by(other));
        let message =
            format!("{one} and {other} both took {element}, which was {} once at most", self.inserted());
        let told = vec![
            format!("{} is the only operation that {} {element}", self.by(insert), self.inserted()),
            format!("it takes effect at most once, yet {one} and {other} both took {element}"),
        ];
        Telling::in_steps("duplicated", message, told)
    }

    fn premature(&self, insert: u32, remove: u32) -> Telling {
        let message = format!(
            "{} took {} although {} began only afterwards",
            self.by(remove),
            self.element(insert),
            self.by(insert)
        );
        let reason = format!("{} took {} of {}", self.by(remove), self.element(insert), self.by(insert));
        let takes = edge(self.id(insert), self.id(remove), EdgeKind::ReadsFrom, reason, Vec::new());
        Telling::round("phantom", message, vec![self.real_time(remove, insert), takes])
    }

    fn out_of_order(&self, first: Witness, second: Witness) -> Telling {
        let (one, other) = (self.element(first.insert), self.element(second.insert));
        let before = format!("{} finished before {} began", self.by(first.insert), self.by(second.insert));
        let rule = "a queue hands out its elements in the order in which they were enqueued";
        if !self.is_told(first.remove) {
            let message = format!(
                "{} took {other} although {one} had been enqueued before it and was not {} first",
                self.by(second.remove),
                self.taken()
            );
            let told = vec![
                format!("{before}, so {one} stands in front of {other}"),
                format!("{rule}, so {one} must be gone when {} takes {other}", self.by(second.remove)),
                format!("yet {}", self.never_taken(first)),
            ];
            return Telling::in_steps("lost", message, told);
        }
        let message = format!(
            "{} had finished before {} began, although {one} was enqueued before {other}",
            self.by(second.remove),
            self.by(first.remove),
        );
        let edges = vec![
            self.real_time(second.remove, first.remove),
            self.must_precede(
                first.remove,
                second.remove,
                format!("{before}, and {rule}"),
                &[first.insert, second.insert],
            ),
        ];
        Telling::round("out-of-order", message, edges)
    }

    fn never_empty(&self, empty: u32, chain: &[Witness]) -> Telling {
        let words = self.by(empty);
        let [only] = chain else {
            let message = format!("{words}, although the {} was never empty while it ran", self.noun());
            let mut told = self.overlaps(chain);
            told.push(format!(
                "so from before {words} began until after it had finished there was always an element to take"
            ));
            return Telling::in_steps("false-empty", message, told);
        };
        let element = self.element(only.insert);
        if !self.is_told(only.remove) {
            let message =
                format!("{words}, although {} had been acknowledged before it began", self.by(only.insert));
            let told = vec![
                format!("{} finished before {words} began, so {element} was there", self.by(only.insert)),
                format!("{}, so {element} was still there", self.never_taken(*only)),
            ];
            return Telling::in_steps("lost", message, told);
        }
        let message = format!(
            "{words}, although {} had been acknowledged before it began and {} began only afterwards",
            self.by(only.insert),
            self.by(only.remove)
        );
        let reason = format!("{words}, and {} began only afterwards", self.by(only.remove));
        let edges = vec![
            self.real_time(only.insert, empty),
            self.must_precede(empty, only.insert, reason, &[only.remove]),
        ];
        Telling::round("false-empty", message, edges)
    }

    /// The end of an element's certain stay: "until pop -> 3 by process 2 began".
    fn until(&self, witness: Witness) -> String {
        match witness.remove {
            NONE => "for good".to_owned(),
            remove => format!("until {} began at the earliest", self.by(remove)),
        }
    }

    fn overlaps(&self, chain: &[Witness]) -> Vec<String> {
        let stay = |witness: &Witness| {
            let (element, insert) = (self.element(witness.insert), self.by(witness.insert));
            format!("{element} was there from the end of {insert} at the latest, {}", self.until(*witness))
        };
        let mut told: Vec<String> = chain.iter().map(stay).collect();
        for pair in chain.windows(2) {
            let (one, next) = (self.element(pair[0].insert), self.element(pair[1].insert));
            told.push(format!("{next} was there before {one} left"));
        }
        told
    }

    /// Of two elements of a stack neither lay below the other.
    fn crossed(&self, lower: Witness, upper: Witness) -> Telling {
        let (one, other) = (self.element(lower.insert), self.element(upper.insert));
        let above = format!(
            "{} finished before {} began, and that finished before {} began, so {other} lay above {one}",
            self.by(lower.insert),
            self.by(upper.insert),
            self.by(lower.remove)
        );
        if !self.is_told(upper.remove) {
            let message = format!(
                "{} took {one} although {other} lay above it and was not {} first",
                self.by(lower.remove),
                self.taken()
            );
            let told = vec![
                above,
                format!("so {other} must be gone when {} takes {one}", self.by(lower.remove)),
                format!("yet {}", self.never_taken(upper)),
            ];
            return Telling::in_steps("lost", message, told);
        }
        let message = format!(
            "{} had finished before {} began, although {other} lay above {one}",
            self.by(lower.remove),
            self.by(upper.remove)
        );
        let edges = vec![
            self.real_time(lower.remove, upper.remove),
            self.must_precede(upper.remove, lower.remove, above, &[lower.insert, upper.insert]),
        ];
        Telling::round("out-of-order", message, edges)
    }

    fn no_bottom(&self, chain: &[Witness]) -> Telling {
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        let names: Vec<String> = chain.iter().map(|witness| self.element(witness.insert)).collect();
        let message = format!(
            "{} overlap on the stack, so one of them lay below all others, but none can have",
            names.join(", ")
        );
        let mut told = self.overlaps(chain);
        told.push(format!(
            "so one of them must have been pushed by the end of {} and popped after the beginning of {}",
            self.by(first.insert),
            if last.remove == NONE { "all others".to_owned() } else { self.by(last.remove) },
        ));
        let begin = self.indexed(first.insert).1;
        for (witness, name) in chain.iter().zip(names) {
            let insert = self.indexed(witness.insert).1;
            told.push(if begin.precedes(insert) {
                format!("not {name}: {} began only after that end", self.by(witness.insert))
            } else {
                format!("not {name}: {} finished before that beginning", self.by(witness.remove))
            });
        }
        Telling::in_steps("out-of-order", message, told)
    }
}
