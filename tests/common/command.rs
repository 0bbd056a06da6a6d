//! The command as tests of soaks run it: in a folder of its own, and deaf to what the environment says.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) fn squall(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("squall"));
    for name in ["SQUALL_SEED", "SQUALL_SEEDS", "SQUALL_JOBS", "SQUALL_RESULTS", "GITHUB_ACTIONS"] {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments.split_whitespace()).stdin(Stdio::null());
    command
}

pub(crate) fn done(folder: &Path, arguments: &str) -> Output {
    squall(folder, arguments).output().expect("it runs")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}
