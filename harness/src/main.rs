//! The `squall` command; see `squall::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    squall::cli::main(std::env::args_os()).into()
}
