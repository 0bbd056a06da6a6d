//! A copy of the checker in which mutants can be switched on, in the target folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::schemata::{Mutant, with_mutants};

/// What the switches are: the number in `SQUALL_MUTANT`, read once.
const SWITCH: &str = r#"
/// Mutants.
pub mod mutation {
    static ON: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    /// Whether this one is switched on.
    pub fn on(number: usize) -> bool {
        *ON.get_or_init(|| std::env::var("SQUALL_MUTANT").map_or(0, |text| text.parse().unwrap())) == number
    }
}
"#;

/// The copy.
pub(crate) struct Copy {
    /// Its root, a workspace of its own.
    pub(crate) root: PathBuf,
    /// The mutants in it.
    pub(crate) mutants: Vec<Mutant>,
}

impl Copy {
    /// Copies the checker, with mutants in the chosen files (named below `checker/src`).
    pub(crate) fn new(chosen: impl Fn(&str) -> bool) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checker is in a workspace");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutation");
        let mut copy = Self { root, mutants: Vec::new() };
        let checker = copy.root.join("checker");
        if checker.exists() {
            fs::remove_dir_all(&checker).expect("an old copy goes");
        }
        copy.folder(&from.join("checker"), &checker, &chosen);
        let manifest = fs::read_to_string(from.join("Cargo.toml")).expect("the manifest is there");
        write_changed(&copy.root.join("Cargo.toml"), &workspace(&manifest));
        fs::copy(from.join("Cargo.lock"), copy.root.join("Cargo.lock")).expect("the lock is copied");
        copy
    }

    fn folder(&mut self, from: &Path, to: &Path, chosen: &impl Fn(&str) -> bool) {
        fs::create_dir_all(to).expect("a folder for the copy");
        let mut entries: Vec<_> =
            fs::read_dir(from).expect("the checker is there").map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().expect("an entry has a name");
            let target = to.join(name);
            if path.is_dir() {
                if !matches!(name.to_str(), Some("target" | "benches" | "examples" | "mutation")) {
                    self.folder(&path, &target, chosen);
                }
                continue;
            }
            let text = fs::read_to_string(&path).expect("the checker is text");
            let source = path.to_str().and_then(|path| path.split_once("/checker/src/"));
            let text = match source {
                Some((_, "lib.rs")) => text + SWITCH,
                Some((_, file)) if file.ends_with(".rs") && chosen(file) => {
                    with_mutants(file, &text, &mut self.mutants)
                }
                _ if name == "Cargo.toml" => without_benches(&text),
                _ => text,
            };
            fs::write(&target, text).expect("the copy is written");
        }
    }
}

/// Keeps what was built from a file that stays as it is.
fn write_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::write(path, text).expect("the copy is written");
}

/// The sections of a manifest that are kept.
fn sections(manifest: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut kept = true;
    let lines = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            kept = keep(line);
        }
        kept
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The manifest of a workspace of the checker alone. Debug assertions would notice for the tests.
fn workspace(manifest: &str) -> String {
    let kept = sections(manifest, |header| header.starts_with("[workspace") && !header.contains("lints"));
    let members =
        kept.replace(r#"members = ["checker", "cluster", "workloads"]"#, r#"members = ["checker"]"#);
    assert_ne!(kept, members, "the workspace has other members now");
    members
        + "[profile.dev]\nopt-level = 1\ndebug = false\ndebug-assertions = false\noverflow-checks = true\n"
}

fn without_benches(manifest: &str) -> String {
    sections(manifest, |header| !header.starts_with("[[") && header != "[lints]")
}
