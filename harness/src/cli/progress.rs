//! Progress of long work: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;

/// Lines of progress where there is no terminal.
const LINES: u64 = 10;

/// How far something is.
pub(crate) struct Progress<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    noun: &'static str,
    total: u64,
    done: u64,
    said: u64,
}

impl<'a> Progress<'a> {
    /// Progress through `total` of something; without a total nothing is estimated.
    pub(crate) fn new(console: &'a Console, noun: &'static str, total: u64) -> Self {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !console.is_quiet();
        let bar = on_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = format!("{{bar:30}} {{pos}}/{{len}} {noun} ({{per_sec}}, {{eta}} left) {{msg}}");
            bar.set_style(ProgressStyle::with_template(&template).expect("a fixed template"));
            bar
        });
        Self { console, bar, noun, total, done: 0, said: 0 }
    }

    /// One more is done; `note` is shown beside it.
    pub(crate) fn step(&mut self, note: impl FnOnce() -> String) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_message(note());
            bar.inc(1);
        } else if self.total > 0 && self.done * LINES / self.total > self.said {
            self.said = self.done * LINES / self.total;
            self.console.say(format!("{}/{} {}; {}", self.done, self.total, self.noun, note()));
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
