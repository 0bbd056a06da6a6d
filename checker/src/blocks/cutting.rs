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
    pub(super) fn new(mut tokens: Vec<&str>) -> Option<Self> {
        let last = *tokens.first()?.as_bytes().last()?;
        let ends = |token: &&str| token.bytes().position(|byte| byte == last) == Some(token.len() - 1);
        if last.is_ascii() && tokens.iter().all(ends) {
            return Some(Self::Terminator(last));
        }
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
            Self::Terminator(terminator) => {
                text.bytes().position(|byte| byte == *terminator).map(|position| position + 1)
            }
            Self::Lengths(lengths) => {
                lengths.iter().copied().find(|length| text.get(..*length).is_some_and(&known))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminated_tokens_end_at_the_terminator() {
        let cutter = Cutter::new(vec!["3.1;", "8.60;"]).unwrap();
        assert_eq!(cutter, Cutter::Terminator(b';'));
        assert_eq!(cutter.cut("8.60;3.1;", |_| true), Some(5));
        assert_eq!(cutter.cut("7;", |_| false), Some(2), "one that nobody wrote");
        assert_eq!(cutter.cut("7", |_| true), None);
    }

    #[test]
    fn prefix_free_tokens_are_found_by_their_lengths() {
        let tokens = ["x 0 1 y", "a", "bé"];
        let cutter = Cutter::new(tokens.to_vec()).unwrap();
        let known = |token: &str| tokens.contains(&token);
        assert_eq!(cutter, Cutter::Lengths(vec![1, 3, 7]));
        assert_eq!(cutter.cut("x 0 1 ya", known), Some(7));
        assert_eq!(cutter.cut("béa", known), Some(3));
        assert_eq!(cutter.cut("b", known), None);
    }

    #[test]
    fn tokens_that_run_together_are_not_cut() {
        assert_eq!(Cutter::new(vec!["a", "ab"]), None);
        assert_eq!(Cutter::new(vec!["1;", "1;2;"]), None);
        assert_eq!(Cutter::new(vec!["b", "ab", "a"]), None);
        assert_eq!(Cutter::new(vec!["a;", "a;"]), Some(Cutter::Terminator(b';')));
        let many: Vec<String> = (1..40).map(|length| format!("{}b", "a".repeat(length)) + "c").collect();
        assert_eq!(Cutter::new(many.iter().map(String::as_str).collect()), Some(Cutter::Terminator(b'c')));
        let many: Vec<String> = (1..40).map(|length| format!("{}{length}x1", "a".repeat(length))).collect();
        assert_eq!(Cutter::new(many.iter().map(String::as_str).chain(["b"]).collect()), None);
    }
}
