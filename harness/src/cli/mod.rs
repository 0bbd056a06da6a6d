//! The command line: one file per subcommand; the only place that prints.
//!
//! Text for people goes to stderr, data to stdout; nothing ever asks. A mistake of this program is caught here, so
//! that it has an exit code of its own and is never taken for a verdict.

mod bench;
mod bench_check;
mod bench_rows;
mod bench_table;
mod check;
mod completions;
mod console;
mod exit;
mod flags;
mod guided;
mod guided_soak;
mod list;
mod main_job;
mod merge;
mod mutants;
mod progress;
mod recording;
mod replay;
mod report;
mod run;
mod shrink;
mod shrinking;
mod soak;
mod soak_tell;
mod upload;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::{Parser, Subcommand};

use crate::soak::panic_text;

pub use exit::Exit;

/// Chaos testing and linearizability checking of distributed systems, in a deterministic simulation.
///
/// Without a subcommand: a short soak of the built-in cluster under all faults, then a planted bug, found and explained.
#[derive(Debug, Parser)]
#[command(name = "squall", version, max_term_width = 100, subcommand_help_heading = "Commands")]
#[command(after_help = "Exit codes: 0 valid, 1 invalid, 2 usage or unreadable input, 3 unknown, 4 vacuous, \
    5 not deterministic, 6 another build differs, 70 internal error.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One run
    Run(run::RunCommand),
    /// Many runs
    Soak(soak::SoakCommand),
    /// Unite the results of soaks, such as the shares of one
    Merge(merge::MergeCommand),
    /// Judge recorded histories; no simulation
    Check(check::CheckCommand),
    /// Measure how fast the simulators are, side by side
    Bench(bench::BenchCommand),
    /// Measure how fast histories are judged, and in how much memory
    BenchCheck(bench_check::BenchCheckCommand),
    /// Run a stored plan again; compare digest and verdict with what is stored
    Replay(replay::ReplayCommand),
    /// The smallest plan that fails in the same way as a stored one
    Shrink(shrink::ShrinkCommand),
    /// Every planted bug: found or not, by which check, after how many seeds
    Mutants(mutants::MutantsCommand),
    /// Write the report of a stored run again
    Report(report::ReportCommand),
    /// What there is to choose from
    List(list::ListCommand),
    /// Completions for a shell
    Completions(completions::CompletionsCommand),
}

/// Runs the command with these arguments (the first is the program's name) and says how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to fail: whoever asked has read enough.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Valid };
        }
    };
    guarded(|| match cli.command {
        None => main_job::main_job(),
        Some(Command::Run(command)) => command.execute(),
        Some(Command::Soak(command)) => command.execute(),
        Some(Command::Merge(command)) => command.execute(),
        Some(Command::Check(command)) => command.execute(),
        Some(Command::Bench(command)) => command.execute(),
        Some(Command::BenchCheck(command)) => command.execute(),
        Some(Command::Replay(command)) => command.execute(),
        Some(Command::Shrink(command)) => command.execute(),
        Some(Command::Mutants(command)) => command.execute(),
        Some(Command::Report(command)) => command.execute(),
        Some(Command::List(command)) => command.execute(),
        Some(Command::Completions(command)) => command.execute(),
    })
}

/// Tells errors and panics apart from verdicts.
fn guarded(work: impl FnOnce() -> anyhow::Result<Exit>) -> Exit {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => match error.downcast_ref::<Internal>() {
            Some(Internal(message)) => internal(message),
            None => {
                console::complain_error(&console::told(&error));
                Exit::Usage
            }
        },
        Err(panic) => internal(&panic_text(&*panic)),
    }
}

/// A mistake of this program that was caught on another thread.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Internal(String);

fn internal(message: &str) -> Exit {
    console::complain_error(&format!(
        "squall itself failed: {message}. this is a mistake in squall, not in what it tests; please report it together \
         with the command and its seed"
    ));
    Exit::Internal
}

impl<E: std::error::Error + Send + Sync + 'static> From<crate::soak::SoakError<E>> for CliError {
    fn from(error: crate::soak::SoakError<E>) -> Self {
        match error {
            crate::soak::SoakError::Panicked { .. } => Self(anyhow::Error::new(Internal(error.to_string()))),
            crate::soak::SoakError::Caller(error) => Self(anyhow::Error::new(error)),
        }
    }
}

/// An error on its way to the top.
struct CliError(anyhow::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_panic_has_an_exit_code_of_its_own() {
        assert_eq!(guarded(|| panic!("on purpose")), Exit::Internal);
        assert_eq!(guarded(|| Err(Internal("elsewhere".into()).into())), Exit::Internal);
        assert_eq!(guarded(|| anyhow::bail!("no such file")), Exit::Usage);
        assert_eq!(guarded(|| Ok(Exit::Vacuous)), Exit::Vacuous);
    }
}
