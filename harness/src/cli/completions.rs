//! `squall completions`: a script for a shell, to stdout.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::console::Console;
use super::exit::Exit;

/// Completions for a shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

impl CompletionsCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "squall", &mut script);
        Console::new(false, false).data(&String::from_utf8(script)?)?;
        Ok(Exit::Valid)
    }
}
