//! Where the command's words go: data to stdout, text for people to stderr.
//!
//! Colour only on terminals that want it (`NO_COLOR` is respected). A reader that went away (`| head`) ends the output
//! in silence; it never ends the work, whose results are files and an exit code.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use squall_checker::Verdict;

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const YELLOW: &str = "\x1b[1;33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// How much is said.
#[derive(Debug)]
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
    closed: AtomicBool,
}

impl Console {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose, closed: AtomicBool::new(false) }
    }

    /// A line for people.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            complain(text.as_ref());
        }
    }

    /// A line for people who asked for details.
    pub(crate) fn detail(&self, text: impl AsRef<str>) {
        if self.verbose {
            complain(text.as_ref());
        }
    }

    /// Text that begins with its verdict. Failures are said even when little else is.
    pub(crate) fn verdict(&self, verdict: Verdict, text: &str) {
        let colour = match verdict {
            Verdict::Valid => GREEN,
            Verdict::Invalid => RED,
            Verdict::Unknown | Verdict::Vacuous => YELLOW,
        };
        let word = verdict.to_string();
        let text = match text.strip_prefix(&word) {
            Some(rest) => format!("{colour}{word}{PLAIN}{rest}"),
            None => text.to_owned(),
        };
        if verdict == Verdict::Valid { self.say(text) } else { complain(&text) }
    }

    /// A heading.
    pub(crate) fn heading(&self, text: &str) {
        self.say(format!("{BOLD}{text}{PLAIN}"));
    }

    /// Whether progress may be shown.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether details are wanted.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Data, as it is, to stdout.
    ///
    /// # Errors
    ///
    /// If stdout is there but cannot take it.
    pub(crate) fn data(&self, text: &str) -> anyhow::Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stdout = anstream::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            result => result.context("cannot write to stdout; redirect it to a place with space"),
        }
    }

    /// A value as one line of JSON, to stdout.
    ///
    /// # Errors
    ///
    /// As [`Console::data`].
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        self.data(&(serde_json::to_string(value).context("cannot write JSON")? + "\n"))
    }
}

/// A line on stderr. Nobody is left to be told if that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// An error on stderr.
pub(crate) fn complain_error(text: &str) {
    complain(&format!("{RED}error:{PLAIN} {text}"));
}

/// An error and its causes in one sentence; a cause that is part of what was said already is not said again.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}
