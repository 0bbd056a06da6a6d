//! Letters for the operations of a violation, in the place of their descriptions.

use std::cmp::Reverse;

use super::Lane;
use crate::history::OpId;
use crate::words::brief;

/// The letters of some operations.
pub(super) struct Names {
    /// Each with what explanations call it.
    names: Vec<(OpId, String, String)>,
}

/// A, B, …, Z, A2, B2, …
pub(super) fn letter(number: usize) -> String {
    let round = number / 26;
    let letter = char::from(b'A' + u8::try_from(number % 26).expect("less than 26"));
    if round == 0 { letter.to_string() } else { format!("{letter}{}", round + 1) }
}

impl Names {
    pub(super) fn new(lanes: &[Lane]) -> Self {
        let name = |(number, lane): (usize, &Lane)| {
            (lane.id, letter(number), format!("{} by process {}", brief(&lane.words), lane.process))
        };
        Self { names: lanes.iter().enumerate().map(name).collect() }
    }

    /// The same for a sentence that is too long with what was returned in it.
    pub(super) fn instead_of_values(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (_, letter, described) in &self.names {
            let Some((asked, rest)) = described.split_once(" -> ") else { continue };
            let Some((value, process)) = rest.rsplit_once(" by process ") else { continue };
            let returned = format!("{asked} by process {process} returned {value}");
            message = replaced(&message, &returned, &format!("{letter} returned what is drawn"), usize::MAX);
        }
        self.instead(&message, None)
    }

    /// `words` with letters instead of descriptions and numbers; `ends`: which two operations they are about. What
    /// describes several operations is the first end where it stands first, and the second elsewhere.
    pub(super) fn instead(&self, words: &str, ends: Option<[OpId; 2]>) -> String {
        let rank = |id: OpId| ends.and_then(|ends| ends.iter().position(|end| *end == id)).unwrap_or(2);
        let mut names: Vec<_> = self.names.iter().collect();
        // Longer ones first: one may be a part of another.
        names.sort_by_key(|(id, _, described)| (Reverse(described.len()), rank(*id)));
        let mut words = words.to_owned();
        for (id, letter, described) in &names {
            words = replaced(&words, &format!("{id} {described}"), letter, usize::MAX);
        }
        for (at, (_, letter, described)) in names.iter().enumerate() {
            let again = names.get(at + 1).is_some_and(|(.., next)| next == described);
            words = replaced(&words, described, letter, if again { 1 } else { usize::MAX });
        }
        for (id, letter, _) in self.names.iter().rev() {
            words = replaced(&words, &id.to_string(), letter, usize::MAX);
        }
        words
    }
}

/// `words` with `new` for the first occurrences of `old`, but not where a longer number begins.
fn replaced(words: &str, old: &str, new: &str, most: usize) -> String {
    let (mut done, mut rest, mut count) = (String::new(), words, 0);
    while let Some(at) = rest.find(old).filter(|_| count < most) {
        let behind = &rest[at + old.len()..];
        done += &rest[..at];
        if behind.starts_with(|next: char| next.is_ascii_digit()) {
            done += old;
        } else {
            done += new;
            count += 1;
        }
        rest = behind;
    }
    done + rest
}
