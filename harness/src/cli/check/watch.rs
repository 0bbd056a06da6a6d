//! Watches a check at work: ends it when its time is over, and shows on a terminal how far a long one is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use squall_checker::Progress;

use crate::clocks::Stopwatch;

use super::Console;

/// Nothing is shown of what takes less.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// One check, from reading to verdict.
pub(super) struct Watch {
    stopwatch: Stopwatch,
    timeout: Option<Duration>,
    /// What the check tells of itself.
    pub(super) progress: Progress,
    line: Option<ProgressBar>,
}

impl Watch {
    pub(super) fn start(console: &Console, timeout: Option<Duration>) -> Self {
        let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !console.is_quiet();
        let line = on_terminal.then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            line.set_style(ProgressStyle::with_template("{msg}").expect("a fixed template"));
            line
        });
        Self { stopwatch: Stopwatch::start(), timeout, progress: Progress::default(), line }
    }

    /// Whether the time is over. Asked again and again by whoever works, so it shows how far that is, too.
    pub(super) fn over(&self) -> bool {
        let elapsed = self.stopwatch.wall();
        if let Some(line) = self.line.as_ref().filter(|_| elapsed >= SHOWN_AFTER) {
            line.set_message(said(&self.progress, elapsed));
        }
        self.timeout.is_some_and(|timeout| elapsed >= timeout)
    }

    /// The line goes; how long it took.
    pub(super) fn finish(&self) -> Duration {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
        self.stopwatch.wall()
    }
}

fn said(progress: &Progress, elapsed: Duration) -> String {
    let (keys, decided, steps) = (progress.partitions(), progress.decided(), progress.steps());
    format!("  {decided} of {keys} keys decided, {steps} steps, {} s", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_counts_keys_and_steps() {
        let progress = Progress::default();
        progress.begin(12);
        progress.decide();
        progress.take(640);
        assert_eq!(said(&progress, Duration::from_millis(2_900)), "  1 of 12 keys decided, 640 steps, 2 s");
    }
}
