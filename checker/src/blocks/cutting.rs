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

impl Default for Cutter {
    fn default() -> Self {
        Self::Lengths(Vec::new())
    }
}

impl Cutter {
    /// `None` if a text could be cut in several ways, or finding out costs too much. No token is empty.
    pub(super) fn new<'t>(tokens: impl Iterator<Item = &'t str> + Clone) -> Option<Self> {
        let last = *tokens.clone().next()?.as_bytes().last()?;
        let ends = |token: &str| end(last, token) == Some(token.len());
        if last.is_ascii() && tokens.clone().all(ends) {
            return Some(Self::Terminator(last));
        }
        let mut tokens: Vec<&str> = tokens.collect();
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
    pub(super) fn cut(&self, text: &str, known: impl Fn(&str) -> bool) -> Option<usize> {
        match self {
            Self::Terminator(terminator) => end(*terminator, text),
            Self::Lengths(lengths) => {
                lengths.iter().copied().find(|length| text.get(..*length).is_some_and(&known))
            }
        }
    }
}

/// Where the first token of a text ends, with this byte. Tokens are short: byte by byte is the fastest.
fn end(terminator: u8, text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte == terminator).map(|position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminated_tokens_end_at_the_terminator() {
        let cutter = Cutter::new(["3.1;", "8.60;"].into_iter()).unwrap();
        assert_eq!(cutter, Cutter::Terminator(b';'));
        assert_eq!(cutter.cut("8.60;3.1;", |_| true), Some(5));
        assert_eq!(cutter.cut("7;", |_| false), Some(2), "one that nobody wrote");
        assert_eq!(cutter.cut("7", |_| true), None);
    }

    #[test]
    fn prefix_free_tokens_are_found_by_their_lengths() {
        let tokens = ["x 0 1 y", "a", "bé"];
        let cutter = Cutter::new(tokens.into_iter()).unwrap();
        let known = |token: &str| tokens.contains(&token);
        assert_eq!(cutter, Cutter::Lengths(vec![1, 3, 7]));
        assert_eq!(cutter.cut("x 0 1 ya", known), Some(7));
        assert_eq!(cutter.cut("béa", known), Some(3));
        assert_eq!(cutter.cut("b", known), None);
    }

    #[test]
    fn tokens_that_run_together_are_not_cut() {
        assert_eq!(Cutter::new(["a", "ab"].into_iter()), None);
        assert_eq!(Cutter::new(["1;", "1;2;"].into_iter()), None);
        assert_eq!(Cutter::new(["b", "ab", "a"].into_iter()), None);
        assert_eq!(Cutter::new(["a;", "a;"].into_iter()), Some(Cutter::Terminator(b';')));
        let many: Vec<String> = (1..40).map(|length| format!("{}b", "a".repeat(length)) + "c").collect();
        assert_eq!(Cutter::new(many.iter().map(String::as_str)), Some(Cutter::Terminator(b'c')));
        let many: Vec<String> = (1..40).map(|length| format!("{}{length}x1", "a".repeat(length))).collect();
        assert_eq!(Cutter::new(many.iter().map(String::as_str).chain(["b"])), None);
    }
}
