//! Progress of long work: a bar on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clocks::Stopwatch;

use super::console::Console;

/// Lines of progress where there is no terminal and the end is known.
const LINES: u64 = 10;
/// A line at least this often, where there is no terminal.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How far something is.
pub(crate) struct Progress<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    noun: &'static str,
    total: u64,
    done: u64,
    said: u64,
    since_said: Stopwatch,
}

impl<'a> Progress<'a> {
    /// Progress through `total` of something; without a total nothing is estimated.
    pub(crate) fn new(console: &'a Console, noun: &'static str, total: u64) -> Self {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !console.is_quiet();
        let bar = on_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = match total {
                0 => format!("{{spinner}} {{pos}} {noun} ({{per_sec}}, {{elapsed}}) {{msg}}"),
                _ => format!("{{bar:30}} {{pos}}/{{len}} {noun} ({{per_sec}}, {{eta}} left) {{msg}}"),
            };
            bar.set_style(ProgressStyle::with_template(&template).expect("a fixed template"));
            bar
        });
        Self { console, bar, noun, total, done: 0, said: 0, since_said: Stopwatch::start() }
    }

    /// One more is done; `note` is shown beside it.
    pub(crate) fn step(&mut self, note: impl FnOnce() -> String) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_message(note());
            bar.inc(1);
            return;
        }
        let tenths = (self.done * LINES).checked_div(self.total).unwrap_or(0);
        if tenths > self.said || self.since_said.wall() >= SILENCE_MAX {
            self.said = tenths;
            self.since_said = Stopwatch::start();
            let of = if self.total > 0 { format!("/{}", self.total) } else { String::new() };
            self.console.say(format!("{}{of} {}; {}", self.done, self.noun, note()));
        }
    }

    /// Lets `talk` write without disturbing the bar.
    pub(crate) fn aside(&self, talk: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(talk),
            None => talk(),
        }
    }

    /// The bar goes; what is said next takes its place.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
