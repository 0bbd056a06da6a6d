//! The `squall` command; see `squall::cli`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Runs make and drop many small things.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    squall::cli::main(std::env::args_os()).into()
}
