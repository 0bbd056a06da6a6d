//! The only place that looks at clocks of the real world: for names of results and figures for people.
//!
//! Nothing here reaches a run; simulated time is another thing.

use std::time::{Duration, Instant, SystemTime};

use cpu_time::{ProcessTime, ThreadTime};

/// Measures wall time from its making.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "wall time, shown to people and never given to a run")]
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now() }
    }

    /// Wall time so far.
    pub(crate) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// Wall time so far, in milliseconds.
    pub(crate) fn wall_ms(&self) -> u64 {
        u64::try_from(self.wall().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Processor time of this process since it began; nothing where the system does not tell.
pub(crate) fn processor_total() -> Duration {
    ProcessTime::try_now().map(|now| now.as_duration()).unwrap_or_default()
}

/// This moment in UTC: as people write it, and as it is part of a file's name.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) text: String,
    pub(crate) stamp: String,
}

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "the name of a folder of results; never given to a run")]
    pub(crate) fn now() -> Self {
        let text = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let stamp = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        Self { text, stamp }
    }
}

/// Processor time of the calling thread since it began; nothing where the system does not tell.
pub(crate) fn processor_of_thread() -> Duration {
    ThreadTime::try_now().map(|now| now.as_duration()).unwrap_or_default()
}
