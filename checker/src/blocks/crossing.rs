//! Two blocks that tear each other, in words: which operations to name, and the cycle that they make.
//!
//! Something of `first` finished before something of `second` began, so all of `first` comes before all of
//! `second`; but something of `second` had finished before something of `first` began. Of the operations that show
//! it, those are named whose sentence says most: a read without what had been acknowledged, then one without what
//! had been shown.

use super::order::Zone;
use super::words::Words;
use super::{INITIAL, Placed};
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
    let block = |zone: &Zone| &words.placed[zone.places.clone()];
    let tellings = [(one, other), (other, one)]
        .into_iter()
        .filter(|(_, second)| second.first.is_some())
        .filter_map(|(first, second)| Telling::new(words, (first, block(first)), (second, block(second))));
    let telling = tellings.min_by_key(|telling| telling.rank(words)).expect("each precedes the other");
    telling.violation(words)
}

impl Telling {
    fn new(words: &Words<'_, '_, '_>, first: (&Zone, &[Placed]), second: (&Zone, &[Placed])) -> Option<Self> {
        let view = words.view;
        let pick = |block: &[Placed], fits: &dyn Fn(u32) -> bool, read: bool| {
            let fitting = block.iter().map(|placed| placed.operation).filter(|operation| fits(*operation));
            fitting.min_by_key(|operation| (words.is_read(*operation) != read, view.returned(*operation)))
        };
        let returned = |operation: Option<u32>| operation.map(|operation| view.returned(operation));
        let began_after = |stamp: Option<u64>| move |operation: u32| Some(view.invoked(operation)) > stamp;
        let late = pick(first.1, &began_after(returned(second.0.first)), true)?;
        let ended = pick(second.1, &|operation| view.returned(operation) < view.invoked(late), false)?;
        let begun = pick(second.1, &began_after(returned(first.0.first)), false)?;
        let opens = match first.0.first {
            None => None,
            Some(_) => Some(pick(first.1, &|operation| view.returned(operation) < view.invoked(begun), false)?),
        };
        Some(Self { opens, begun, ended, late })
    }

    fn rank(&self, words: &Words<'_, '_, '_>) -> u8 {
        match (words.is_read(self.late), words.is_read(self.ended)) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        }
    }

    fn violation(&self, words: &Words<'_, '_, '_>) -> Violation {
        let Self { opens, begun, ended, late } = *self;
        let (first, second) = (words.place(late), words.place(ended));
        let made = words.writer(first.block, 0);
        let mut evidence: Vec<u32> = opens.into_iter().chain([begun]).chain(made).collect();
        // The operation of the second block that the late one lacks: what ended, or what it had shown.
        let shown = words.is_read(ended).then(|| words.writer(second.block, second.version())).flatten();
        let missing = shown.unwrap_or(ended);
        let reason = self.overwritten(words, missing, &mut evidence);
        let mut edges = vec![words.real_time(ended, late), words.must(late, missing, reason, &evidence)];
        if missing != ended {
            edges.insert(0, words.reads_from(missing, ended));
        }
        let premise = opens.map(|opens| words.real_time(opens, begun));
        let (kind, mut message) = self.named(words, missing, &edges);
        let plain = (opens == made || opens.is_none()) && begun == missing;
        if let (Some(premise), false) = (&premise, plain) {
            message += &format!("; that came later, since {}", premise.reason);
        }
        let mut violation = words.told(kind, message, &[], edges);
        if let Some(premise) = premise {
            let blocks = format!(
                "{}, so what {} wrote had its time before what {} wrote",
                premise.reason,
                made.map_or_else(|| "nobody".to_owned(), |made| words.by(made)),
                words.writer(second.block, 0).map_or_else(|| words.by(missing), |writer| words.by(writer)),
            );
            violation.steps.insert(0, blocks);
        }
        violation
    }

    fn named(&self, words: &Words<'_, '_, '_>, missing: u32, edges: &[Edge]) -> (&'static str, String) {
        let (ended, late) = (self.ended, self.late);
        if words.is_read(late) {
            if missing == ended {
                let known = format!("although {} had been acknowledged before it began", words.by(ended));
                return (words.stale_or_lost(ended), format!("{} {known}", words.returned(late)));
            }
            let shown = format!("{} had shown {} before it began", words.by(ended), words.atom(missing));
            return ("stale", format!("{} although {shown}", words.returned(late)));
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
            return (words.stale_or_lost(missing), message);
        }
        let reasons: Vec<&str> = edges.iter().map(|edge| edge.reason.as_str()).collect();
        ("reordered", format!("these contradict each other: {}", reasons.join("; ")))
    }

    /// A read that shows the late operation, which is an element of a list, and not the missing one.
    fn overtaken_in(&self, words: &Words<'_, '_, '_>, missing: u32) -> Option<u32> {
        let late = words.place(self.late);
        let element = words.is_list() && missing == self.ended && !words.is_read(missing);
        if element { words.witness(late.block, late.version()) } else { None }
    }

    /// Why the late operation comes before the missing one.
    fn overwritten(&self, words: &Words<'_, '_, '_>, missing: u32, evidence: &mut Vec<u32>) -> String {
        let late = words.place(self.late);
        let made = words.writer(late.block, 0);
        let (late_words, missing_words) = (words.by(self.late), words.by(missing));
        if words.is_list() {
            if words.is_read(self.late) {
                return format!("{late_words} does not show {}", words.atom(missing));
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
                let of = made.map_or_else(String::new, |made| format!(", which goes back to {},", words.by(made)));
                let initial = if late.block == INITIAL { ", which goes back to the initial state," } else { &of };
                format!("{late_words}{initial} was overwritten by {missing_words} for good")
            }
        }
    }
}

