//! A line of a plan in words: its words and marks, and the things that several faults are made of.
//!
//! Words end at white space and at the marks `, : | [ ]`. Everything that is taken remembers its column, so that a
//! complaint points at what it is about.

use squall_cluster::role::Role;

use super::super::fault::{ClientSide, ClusterChange, DiskLoss, Links, Target};
use super::ReadError;
use crate::nemesis::catalogue::nearest;
use squall_workloads::decide::PPM_ALWAYS;

/// The longest time that can be written, in milliseconds.
const TIME_MS_MAX: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    column: usize,
}

/// What is left of a line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    number: usize,
    tokens: Vec<Token<'a>>,
    /// How many are taken.
    taken: usize,
    end: usize,
}

/// `, did you mean …?`, or nothing.
pub(super) fn nearest_of(word: &str, names: &[&'static str]) -> String {
    nearest(word, names.iter().copied()).map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

impl<'a> Line<'a> {
    pub(super) fn new(number: usize, text: &'a str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let mut tokens = Vec::new();
        let mut begin = None;
        let is_mark = |letter: char| matches!(letter, ',' | ':' | '|' | '[' | ']');
        let column_of = |offset: usize| text[..offset].chars().count() + 1;
        for (offset, letter) in text.char_indices().chain([(text.len(), ' ')]) {
            if !letter.is_whitespace() && !is_mark(letter) {
                begin.get_or_insert(offset);
                continue;
            }
            if let Some(begin) = begin.take() {
                tokens.push(Token { text: &text[begin..offset], column: column_of(begin) });
            }
            if is_mark(letter) {
                let end = offset + letter.len_utf8();
                tokens.push(Token { text: &text[offset..end], column: column_of(offset) });
            }
        }
        Self { number, tokens, taken: 0, end: text.trim_end().chars().count() + 1 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Where the next word is.
    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.taken).map_or(self.end, |token| token.column)
    }

    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.taken).map(|token| token.text)
    }

    /// About what was taken last.
    pub(super) fn complain(&self, message: String) -> ReadError {
        let last = self.taken.checked_sub(1).and_then(|last| self.tokens.get(last));
        ReadError { line: self.number, column: last.map_or(1, |token| token.column), message }
    }

    /// About what comes next, or is missing.
    fn miss(&self, expected: &str) -> ReadError {
        let found = self.peek().map_or("the line ends".to_owned(), |text| format!("found {text:?}"));
        ReadError {
            line: self.number,
            column: self.column(),
            message: format!("{found}; expected {expected}"),
        }
    }

    /// Whether the next word is this one; then it is taken.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word);
        self.taken += usize::from(is_next);
        is_next
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), ReadError> {
        let expected = if word == "for" { "for and how long, as in for 300ms" } else { word };
        if self.takes(word) { Ok(()) } else { Err(self.miss(expected)) }
    }

    pub(super) fn word(&mut self, expected: &str) -> Result<&'a str, ReadError> {
        let Some(text) = self.peek().filter(|text| !matches!(*text, "," | ":" | "|" | "[" | "]")) else {
            return Err(self.miss(expected));
        };
        self.taken += 1;
        Ok(text)
    }

    pub(super) fn end(&self) -> Result<(), ReadError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.miss("the end of the line")) }
    }

    /// A whole number up to `max`.
    pub(super) fn count(&mut self, what: &str, max: u64) -> Result<u64, ReadError> {
        let text = self.word(what)?;
        self.whole(text, what, max)
    }

    fn whole(&self, text: &str, what: &str, max: u64) -> Result<u64, ReadError> {
        if text.starts_with('-') && text[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.complain(format!("{what} is {text}; it cannot be negative")));
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.complain(format!("{text:?} is no number; expected {what}")));
        }
        let number = text.parse().ok().filter(|number| *number <= max);
        number.ok_or_else(|| self.complain(format!("{what} is {text}; it can be {max} at most")))
    }

    /// `300ms`, `1.2s`: in milliseconds.
    pub(super) fn time(&mut self) -> Result<u64, ReadError> {
        let text = self.word("a time, as in 300ms or 1.2s")?;
        self.time_of(text)
    }

    fn time_of(&self, text: &str) -> Result<u64, ReadError> {
        if text.starts_with('-') {
            return Err(self.complain(format!("the time is {text}; it cannot be negative")));
        }
        let (number, per_unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => match text.strip_suffix('s').filter(|number| !number.ends_with('u')) {
                Some(number) => (number, 1_000),
                None => return Err(self.complain(format!("{text:?} is no time: write 300ms or 1.2s"))),
            },
        };
        self.scaled(number, per_unit, TIME_MS_MAX, text, "a time to the millisecond, as in 300ms or 1.2s")
    }

    /// A decimal number times a power of ten, which must come out whole.
    fn scaled(&self, number: &str, scale: u64, max: u64, text: &str, what: &str) -> Result<u64, ReadError> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let places = scale.ilog10() as usize;
        let is_decimal = !whole.is_empty() && digits(whole) && digits(fraction) && !number.ends_with('.');
        if !is_decimal || fraction.len() > places {
            return Err(self.complain(format!("{text:?} is not {what}")));
        }
        let whole: Option<u64> = whole.parse().ok();
        let part: u64 = format!("{fraction:0<places$}0").parse().expect("few digits");
        let value = whole.and_then(|whole| whole.checked_mul(scale)).map(|whole| whole + part / 10);
        value.filter(|value| *value <= max).ok_or_else(|| self.complain(format!("{text} is too large")))
    }

    /// `5ms..20ms`.
    pub(super) fn times(&mut self) -> Result<(u64, u64), ReadError> {
        let text = self.word("a range of times, as in 5ms..20ms")?;
        let Some((min, max)) = text.split_once("..") else {
            return Err(self.complain(format!("{text:?} is no range of times: write 5ms..20ms")));
        };
        Ok((self.time_of(min)?, self.time_of(max)?))
    }

    /// `12.5%`: in parts per million.
    pub(super) fn percent(&mut self) -> Result<u32, ReadError> {
        let text = self.word("how many, as in 12.5%")?;
        let what = "a share, as in 12.5%";
        let Some(number) = text.strip_suffix('%') else {
            return Err(self.complain(format!("{text:?} is not {what}")));
        };
        let ppm = self.scaled(number, 10_000, u64::from(PPM_ALWAYS), text, what)?;
        Ok(u32::try_from(ppm).expect("just bounded"))
    }

    /// `by +300ms`, `by -20ppm`, `by 250us`: the signed number before this unit.
    pub(super) fn by(&mut self, unit: &'static str, max: u64) -> Result<i64, ReadError> {
        self.expect("by")?;
        let text = self.word("how much")?;
        let Some(number) = text.strip_suffix(unit) else {
            return Err(self.complain(format!("{text:?} does not end in {unit}: write by 250{unit}")));
        };
        let (is_behind, size) = match number.strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let size = i64::try_from(self.whole(size, "the amount", max)?).expect("bounded");
        Ok(if is_behind { -size } else { size })
    }

    /// `n3`, `leader`, `follower 2`, `primary`, `leader of group 2`, `it`.
    pub(super) fn target(&mut self) -> Result<Target, ReadError> {
        let text = self.word("a server, as in n1, leader or follower 2")?;
        match text {
            "it" => return Ok(Target::Actor),
            "follower" => {
                let nth = self.count("which follower", 1_000)?;
                let nth = u32::try_from(nth).expect("just bounded");
                let none = || self.complain("followers are counted from 1: write follower 1".to_owned());
                return nth.checked_sub(1).map(Target::Follower).ok_or_else(none);
            }
            _ => {}
        }
        if let Some(role) = Role::ALL.into_iter().find(|role| role.name() == text) {
            let group = if self.takes("of") { Some(self.group()?) } else { None };
            return Ok(match (role, group) {
                (Role::Leader, None) => Target::Leader,
                _ => Target::Role { role, group },
            });
        }
        if let Some(number) = text.strip_prefix('n')
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.is_empty()
        {
            let number = self.whole(number, "the number of the server", 1_000_000)?;
            let number = u32::try_from(number).expect("just bounded");
            let none = || self.complain("servers are counted from 1: the first is n1".to_owned());
            return number.checked_sub(1).map(Target::Server).ok_or_else(none);
        }
        let mut names = Role::ALL.map(Role::name).to_vec();
        names.extend(["follower", "it"]);
        let meant = nearest_of(text, &names);
        Err(self
            .complain(format!("{text:?} is no server{meant}; write n1, follower 1, {}", names.join(", "))))
    }

    fn group(&mut self) -> Result<u32, ReadError> {
        self.expect("group")?;
        Ok(u32::try_from(self.count("the number of the group", 1_000_000)?).expect("just bounded"))
    }

    /// `n1, n3`: servers by name only.
    pub(super) fn servers(&mut self) -> Result<Vec<u32>, ReadError> {
        let mut servers = Vec::new();
        loop {
            match self.target()? {
                Target::Server(server) => servers.push(server),
                other => return Err(self.complain(format!("{other} is no server by name: write n1, n2, …"))),
            }
            if !self.is_listed() {
                return Ok(servers);
            }
        }
    }

    pub(super) fn targets(&mut self) -> Result<Vec<Target>, ReadError> {
        let mut targets = vec![self.target()?];
        while self.is_listed() {
            targets.push(self.target()?);
        }
        Ok(targets)
    }

    /// Whether another item of a list follows; takes the comma. `, clients reach all` is no item.
    fn is_listed(&mut self) -> bool {
        let next = self.tokens.get(self.taken + 1).map(|token| token.text);
        next != Some("clients") && self.takes(",")
    }

    /// `c3`.
    pub(super) fn client(&mut self) -> Result<u32, ReadError> {
        let text = self.word("a client, as in c0")?;
        let number = text.strip_prefix('c').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number.filter(|number| !number.is_empty()) else {
            return Err(self.complain(format!("{text:?} is no client: the first is c0")));
        };
        Ok(u32::try_from(self.whole(number, "the number of the client", 1_000_000)?).expect("just bounded"))
    }

    /// `all clients`, or a list.
    pub(super) fn clients(&mut self) -> Result<Vec<u32>, ReadError> {
        if self.takes("all") {
            self.expect("clients")?;
            return Ok(Vec::new());
        }
        let mut clients = vec![self.client()?];
        while self.is_listed() {
            clients.push(self.client()?);
        }
        Ok(clients)
    }

    /// `, clients reach all`, or nothing.
    pub(super) fn side(&mut self) -> Result<ClientSide, ReadError> {
        if !self.takes(",") {
            return Ok(ClientSide::Follow);
        }
        for word in ["clients", "reach", "all"] {
            self.expect(word)?;
        }
        Ok(ClientSide::ReachAll)
    }

    /// `losing unsynced`, `tearing unsynced`, or nothing.
    pub(super) fn loss(&mut self) -> Result<DiskLoss, ReadError> {
        let loss = if self.takes("losing") {
            DiskLoss::Unsynced
        } else if self.takes("tearing") {
            DiskLoss::Torn
        } else {
            return Ok(DiskLoss::Nothing);
        };
        self.expect("unsynced").map(|()| loss)
    }

    /// `on all links`, `between servers`, `on requests`, `on replies`, `from TARGET [to TARGET]`, `to TARGET`.
    pub(super) fn links(&mut self) -> Result<Links, ReadError> {
        let expected = "links, as in on all links, between servers, on requests, on replies, from n1, to n1";
        match self.word(expected)? {
            "on" => match self.word("all links, requests or replies")? {
                "all" => self.expect("links").map(|()| Links::All),
                "requests" => Ok(Links::Requests),
                "replies" => Ok(Links::Replies),
                other => Err(self.complain(format!("on {other:?} is nowhere; expected {expected}"))),
            },
            "between" => self.expect("servers").map(|()| Links::Servers),
            "to" => Ok(Links::To(self.target()?)),
            "from" => {
                let from = self.target()?;
                Ok(if self.takes("to") {
                    Links::Between { from, to: self.target()? }
                } else {
                    Links::From(from)
                })
            }
            other => Err(self.complain(format!("{other:?} is nowhere; expected {expected}"))),
        }
    }

    /// `join g2`, `leave g1`, `move s3 to g2`.
    pub(super) fn change(&mut self) -> Result<ClusterChange, ReadError> {
        match self.word("a change, as in join g2, leave g1 or move s3 to g2")? {
            "join" => Ok(ClusterChange::Join(self.numbered('g', "a group, as in g1")?)),
            "leave" => Ok(ClusterChange::Leave(self.numbered('g', "a group, as in g1")?)),
            "move" => {
                let shard = self.numbered('s', "a shard, as in s0")?;
                self.expect("to")?;
                Ok(ClusterChange::Move { shard, to: self.numbered('g', "a group, as in g1")? })
            }
            other => {
                let meant = nearest_of(other, &["join", "leave", "move"]);
                Err(self.complain(format!(
                    "{other:?} is no change{meant}; write join g2, leave g1 or move s3 to g2"
                )))
            }
        }
    }

    /// A letter and a number.
    fn numbered(&mut self, letter: char, what: &str) -> Result<u32, ReadError> {
        let text = self.word(what)?;
        let Some(number) = text.strip_prefix(letter) else {
            return Err(self.complain(format!("{text:?} is not {what}")));
        };
        Ok(u32::try_from(self.whole(number, what, 1_000_000)?).expect("just bounded"))
    }

    /// `accept, promise`.
    pub(super) fn kinds(&mut self) -> Result<Vec<String>, ReadError> {
        let expected = "a kind of message, as in accept";
        let mut kinds = vec![self.word(expected)?.to_owned()];
        while self.takes(",") {
            kinds.push(self.word(expected)?.to_owned());
        }
        Ok(kinds)
    }

    /// `only accept, promise`, or nothing.
    pub(super) fn only(&mut self) -> Result<Vec<String>, ReadError> {
        if self.takes("only") { self.kinds() } else { Ok(Vec::new()) }
    }
}
