//! Two blocks that tear each other, in words: which operations to name, and the cycle that they make.
//!
//! Something of `first` finished before something of `second` began, so all of `first` comes before all of
//! `second`; but something of `second` had finished before something of `first` began. Of the operations that show
//! it, those are named whose sentence says most: a read without what had been acknowledged, then one without what
//! had been shown.

use std::cmp::Reverse;

use super::order::Zone;
use super::placed::INITIAL;
use super::words::Words;
use crate::kv::KvOp;
use crate::verdict::{Edge, Violation};

/// One way to tell it: `opens` finished before `begun` began, but `ended` finished before `late` began.
struct Telling {
    /// Of the first block; `None`: the initial state.
    opens: Option<u32>,
    /// Of the second block.
    begun: u32,
    /// Of the second block.
    ended: u32,
    /// Of the first block.
    late: u32,
}

/// The violation of two blocks of which each would have to come first.
pub(super) fn cross(words: &Words<'_, '_, '_>, one: &Zone, other: &Zone) -> Violation {
    let block = |zone: &Zone| zone.of(&words.placed);
    let tellings = [(one, other), (other, one)]
        .into_iter()
        .filter(|(_, second)| second.first().is_some())
        .filter_map(|(first, second)| Telling::new(words, (first, block(first)), (second, block(second))));
    let telling = tellings.min_by_key(|telling| telling.rank(words)).expect("each precedes the other");
    telling.violation(words)
}

impl Telling {
    fn new(words: &Words<'_, '_, '_>, first: (&Zone, &[u32]), second: (&Zone, &[u32])) -> Option<Self> {
        let view = words.view;
        let pick = |block: &[u32], fits: &dyn Fn(u32) -> bool, read: bool| {
            let fitting = block.iter().copied().filter(|operation| fits(*operation));
            fitting.min_by_key(|operation| (words.is_read(*operation) != read, view.returned(*operation)))
        };
        let returned = |operation: Option<u32>| operation.map(|operation| view.returned(operation));
        let began_after = |stamp: Option<u64>| move |operation: u32| Some(view.invoked(operation)) > stamp;
        let late = pick(first.1, &began_after(returned(second.0.first())), true)?;
        let ended = pick(second.1, &|operation| view.returned(operation) < view.invoked(late), false)?;
        let begun = pick(second.1, &began_after(returned(first.0.first())), false)?;
        let opens = match first.0.first() {
            None => None,
            Some(_) => {
                Some(pick(first.1, &|operation| view.returned(operation) < view.invoked(begun), false)?)
            }
        };
        Some(Self { opens, begun, ended, late })
    }

    /// The write of the second block that `late` lacks: `ended`, or what that had shown.
    fn missing(&self, words: &Words<'_, '_, '_>) -> u32 {
        let second = words.place(self.ended);
        let shown = words.is_read(self.ended).then(|| words.writer(second.block, second.version()));
        shown.flatten().unwrap_or(self.ended)
    }

    /// What the first block goes back to; `None`: the initial state.
    fn made(&self, words: &Words<'_, '_, '_>) -> Option<u32> {
        words.writer(words.place(self.late).block, 0)
    }

    /// Whether the blocks' order shows in what wrote them.
    fn is_plain(&self, words: &Words<'_, '_, '_>) -> bool {
        (self.opens.is_none() || self.opens == self.made(words)) && self.begun == self.missing(words)
    }

    /// Of several tellings the one that says most: lower is better.
    fn rank(&self, words: &Words<'_, '_, '_>) -> impl Ord + use<> {
        let reads = match (words.is_read(self.late), words.is_read(self.ended)) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        };
        // What was complete last made the history illegal.
        (!self.is_plain(words), reads, Reverse(words.view.returned(self.late)))
    }

    fn violation(&self, words: &Words<'_, '_, '_>) -> Violation {
        let Self { opens, begun, ended, late } = *self;
        let (made, missing) = (self.made(words), self.missing(words));
        let mut evidence: Vec<u32> = opens.into_iter().chain([begun]).chain(made).collect();
        let reason = self.overwritten(words, missing, &mut evidence);
        let mut edges = vec![words.real_time(ended, late), words.must(late, missing, reason, &evidence)];
        if missing != ended {
            edges.insert(0, words.reads_from(missing, ended));
        }
        let (kind, mut message, back) = self.named(words, missing, &edges);
        let premise = opens.map(|opens| words.real_time(opens, begun));
        if let (Some(premise), false) = (&premise, self.is_plain(words)) {
            message += &format!("; {} came later, since {}", words.atom(missing), premise.reason);
        }
        let mut violation = words.told(kind, message, &back.into_iter().collect::<Vec<_>>(), edges);
        if let (Some(premise), Some(made)) = (premise, made) {
            let opens = self.opens.expect("there is a premise");
            let seen = seen_of(words, made, opens).zip(seen_of(words, missing, self.begun));
            let (made, missing) = (words.indexed(made).0, words.indexed(missing).0);
            let so = format!("so {made} comes before {missing}");
            let step = match seen {
                Some((one, other)) => format!("{}{one}{other}, {so}", premise.reason),
                None => format!("{}, {so}, with all that saw what they wrote", premise.reason),
            };
            violation.steps.insert(0, step);
        }
        violation
    }

    /// The anomaly's kind, its sentence, and a read that shows again what was missing.
    fn named(
        &self,
        words: &Words<'_, '_, '_>,
        missing: u32,
        edges: &[Edge],
    ) -> (&'static str, String, Option<u32>) {
        let (ended, late) = (self.ended, self.late);
        if words.is_read(late) {
            let returned = words.returned(late);
            if missing != ended {
                let shown = format!("{} had shown {}", words.by(ended), words.atom(missing));
                return ("stale", format!("{returned} although {shown} before it began"), None);
            }
            let (kind, back) = words.stale_or_lost(late, ended);
            let mut message =
                format!("{returned} although {} had been acknowledged before it began", words.by(ended));
            if let (Some(opens), true) = (self.opens, words.is_list() && self.is_plain(words)) {
                message += &format!(", after {}", words.by(opens));
            }
            if let Some(back) = back {
                message += &format!(", and {} shows it again", words.by(back));
            }
            return (kind, message, back);
        }
        if let Some(read) = self.overtaken_in(words, missing) {
            let message = format!(
                "{} shows {} but not {} although {} had been acknowledged before {} began",
                words.by(read),
                words.atom(late),
                words.atom(missing),
                words.by(missing),
                words.by(late)
            );
            let (kind, back) = words.stale_or_lost(read, missing);
            return (kind, message, back);
        }
        let reasons: Vec<&str> = edges.iter().map(|edge| edge.reason.as_str()).collect();
        ("reordered", format!("these contradict each other: {}", reasons.join("; ")), None)
    }

    /// A read that shows the late operation, which is an element of a list, and not the missing one.
    fn overtaken_in(&self, words: &Words<'_, '_, '_>, missing: u32) -> Option<u32> {
        let late = words.place(self.late);
        let element = words.is_list() && missing == self.ended && !words.is_read(missing);
        if element { words.witness(late.block, late.version()) } else { None }
    }

    fn is_put(&self, words: &Words<'_, '_, '_>, writer: u32) -> bool {
        matches!(words.indexed(writer).1.op, KvOp::Put { .. })
    }

    /// Why the late operation comes before the missing one.
    fn overwritten(&self, words: &Words<'_, '_, '_>, missing: u32, evidence: &mut Vec<u32>) -> String {
        let late = words.place(self.late);
        let made = words.writer(late.block, 0);
        let (late_words, missing_words) = (words.by(self.late), words.by(missing));
        if words.is_list() {
            if words.is_read(self.late) {
                let again = if self.is_put(words, missing) { ", which overwrote what it shows" } else { "" };
                return format!("{late_words} does not show {}{again}", words.atom(missing));
            }
            let Some(read) = words.witness(late.block, late.version()) else {
                return format!("{late_words} and all that shows it come before {missing_words}");
            };
            evidence.push(read);
            let shown = words.atom(self.late);
            return format!("{} shows {shown} but not {}", words.by(read), words.atom(missing));
        }
        match (words.is_read(self.late), words.writer(late.block, late.version())) {
            (true, Some(writer)) => format!(
                "{late_words} saw {} of {}, which {missing_words} overwrote later",
                words.value(self.late),
                words.by(writer)
            ),
            (true, None) => {
                let value = words.value(self.late);
                format!("{late_words} saw the initial {value}, and {missing_words} overwrites it for good")
            }
            (false, _) => {
                let made = made.filter(|made| *made != self.late);
                let of =
                    made.map_or_else(String::new, |made| format!(", which goes back to {},", words.by(made)));
                let initial =
                    if late.block == INITIAL { ", which goes back to the initial state," } else { &of };
                format!("{late_words}{initial} was overwritten by {missing_words} for good")
            }
        }
    }
}

/// How an operation stands for what wrote its version: nothing to say of that itself, what a read saw; `None` of others.
fn seen_of(words: &Words<'_, '_, '_>, writer: u32, operation: u32) -> Option<String> {
    if operation == writer {
        return Some(String::new());
    }
    let place = words.place(operation);
    let saw = words.is_read(operation) && words.writer(place.block, place.version()) == Some(writer);
    saw.then(|| format!(", {}", words.reads_from(writer, operation).reason))
}
