//! Cuts a text into the tokens that were appended to it, where that can be done in one way only.
//!
//! Tokens must be prefix-free: none begins with another. Then the first token of a text is determined, hence all
//! are. Tokens that end in a byte which stands nowhere else in them are, and are the fastest to cut.

/// More different lengths than this are not tried at every place.
const LENGTHS_MAX: usize = 32;

/// A way to find where a token ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cutter {
    /// At the first such byte.
    Terminator(u8),
    /// After one of these lengths, ascending.
    Lengths(Vec<usize>),
}

impl Cutter {
    /// For tokens of which this is one. Whether they end alike is seen while each is at hand.
    pub(super) fn of(token: &[u8]) -> Self {
        let mut cutter = match token.last() {
            Some(last) if last.is_ascii() => Self::Terminator(*last),
            _ => Self::Lengths(Vec::new()),
        };
        cutter.note(token);
        cutter
    }

    /// Takes another token in.
    pub(super) fn note(&mut self, token: &[u8]) {
        if let Self::Terminator(terminator) = self
            && end(*terminator, token) != Some(token.len())
        {
            *self = Self::Lengths(Vec::new());
        }
    }

    /// For these tokens, each of which was noted; `None` if a text could be cut in several ways, or finding out costs too
    /// much. No token is empty.
    pub(super) fn finish<'t>(self, tokens: impl Iterator<Item = &'t [u8]>) -> Option<Self> {
        if matches!(self, Self::Terminator(_)) {
            return Some(self);
        }
        let mut tokens: Vec<&[u8]> = tokens.collect();
        tokens.sort_unstable();
        tokens.dedup();
        // What begins with a token stands right behind it in this order.
        if tokens.windows(2).any(|pair| pair[1].starts_with(pair[0])) {
            return None;
        }
        let mut lengths: Vec<usize> = tokens.iter().map(|token| token.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        (lengths.len() <= LENGTHS_MAX).then_some(Self::Lengths(lengths))
    }

    /// The length of the token with which a text begins; `None` if it begins with none. Behind a terminator it may
    /// be one that nobody wrote.
    pub(super) fn cut(&self, text: &[u8], known: impl Fn(&[u8]) -> bool) -> Option<usize> {
        match self {
            Self::Terminator(terminator) => end(*terminator, text),
            Self::Lengths(lengths) => {
                lengths.iter().copied().find(|length| text.get(..*length).is_some_and(&known))
            }
        }
    }
}

/// Where the first token of a text ends, with this byte. Tokens are short: byte by byte is the fastest.
fn end(terminator: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| *byte == terminator).map(|position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cutter(tokens: &[&str]) -> Option<Cutter> {
        let mut cutter = Cutter::of(tokens.first()?.as_bytes());
        tokens.iter().for_each(|token| cutter.note(token.as_bytes()));
        cutter.finish(tokens.iter().map(|token| token.as_bytes()))
    }

    #[test]
    fn terminated_tokens_end_at_the_terminator() {
        let cutter = cutter(&["3.1;", "8.60;"]).unwrap();
        assert_eq!(cutter, Cutter::Terminator(b';'));
        assert_eq!(cutter.cut(b"8.60;3.1;", |_| true), Some(5));
        assert_eq!(cutter.cut(b"7;", |_| false), Some(2), "one that nobody wrote");
        assert_eq!(cutter.cut(b"7", |_| true), None);
    }

    #[test]
    fn prefix_free_tokens_are_found_by_their_lengths() {
        let tokens = ["x 0 1 y", "a", "bé"];
        let cutter = cutter(&tokens).unwrap();
        let known = |token: &[u8]| tokens.iter().any(|known| known.as_bytes() == token);
        assert_eq!(cutter, Cutter::Lengths(vec![1, 3, 7]));
        assert_eq!(cutter.cut(b"x 0 1 ya", known), Some(7));
        assert_eq!(cutter.cut("béa".as_bytes(), known), Some(3));
        assert_eq!(cutter.cut(b"b", known), None);
    }

    #[test]
    fn tokens_that_run_together_are_not_cut() {
        assert_eq!(cutter(&["a", "ab"]), None);
        assert_eq!(cutter(&["1;", "1;2;"]), None);
        assert_eq!(cutter(&["1;", "1;2;", "3;"]), None, "once is enough");
        assert_eq!(cutter(&["b", "ab", "a"]), None);
        assert_eq!(cutter(&["a;", "a;"]), Some(Cutter::Terminator(b';')));
        assert_eq!(cutter(&["é", "aé"]), Some(Cutter::Lengths(vec![2, 3])), "no byte of its own ends them");
        let many: Vec<String> = (1..40).map(|length| format!("{}b", "a".repeat(length)) + "c").collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(cutter(&many), Some(Cutter::Terminator(b'c')));
        let many: Vec<String> = (1..40).map(|length| format!("{}{length}x1", "a".repeat(length))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain(["b"]).collect();
        assert_eq!(cutter(&many), None);
    }
}
