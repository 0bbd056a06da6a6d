//! Rules of the house that a compiler or linter cannot see: who may name what, how files open, how long they are.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of the workspace, as paths from its root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["harness", "checker", "cluster", "workloads", "tests", "examples"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name =
                    path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "only {} source files found", found.len());
    found
}

/// The lines before the first test module.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn complain(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name);
    complain("files open with //!", &silent.collect::<Vec<_>>());
}

#[test]
fn files_are_short_enough_to_read() {
    let length = |text: &str| code(text).lines().count();
    let long = sources()
        .into_iter()
        .filter(|(name, text)| !name.contains("tests") && length(text) > LINES_MAX)
        .map(|(name, text)| format!("{name}: {} lines", length(&text)));
    complain(&format!("a file has at most {LINES_MAX} lines outside its tests"), &long.collect::<Vec<_>>());
}

/// `needle` occurs, outside comments, only in files that begin with one of `homes`.
fn only_in(needle: &str, homes: &[&str]) {
    let own = file!().replace('\\', "/");
    let strangers = sources()
        .into_iter()
        .filter(|(name, _)| *name != own && !homes.iter().any(|home| name.starts_with(home)))
        .filter(|(_, text)| {
            code(text).lines().any(|line| !line.trim_start().starts_with("//") && line.contains(needle))
        })
        .map(|(name, _)| name);
    complain(&format!("{needle} is named only in {homes:?}"), &strangers.collect::<Vec<_>>());
}

#[test]
fn only_the_simulation_names_turmoil() {
    only_in("turmoil::", &["harness/src/sim/", "harness/src/node/", "examples/", "tests/"]);
}

#[test]
fn only_the_command_prints() {
    for needle in ["println!", "eprintln!", "print!("] {
        only_in(
            needle,
            &[
                "harness/src/cli/",
                "harness/src/main.rs",
                "examples/",
                "tests/",
                "checker/examples/",
                "workloads/examples/",
                "checker/tests/",
                "cluster/tests/",
            ],
        );
    }
}

#[test]
fn only_the_store_writes_files() {
    for needle in ["fs::write", "File::create", "fs::rename", "create_dir", "OpenOptions"] {
        only_in(needle, &["harness/src/store", "tests/", "checker/tests/"]);
    }
}

#[test]
fn nothing_unfinished_is_left() {
    let words = ["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore]"];
    let own = file!().replace('\\', "/");
    let unfinished = sources()
        .into_iter()
        .filter(|(name, text)| *name != own && words.iter().any(|word| text.contains(word)))
        .map(|(name, _)| name);
    complain("nothing is left unfinished", &unfinished.collect::<Vec<_>>());
}

/// What a member of the workspace depends on within it.
fn depends_on(member: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).expect("a section of dependencies");
    let dependencies = dependencies.split("\n[").next().expect("a section");
    dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

#[test]
fn checker_and_cluster_know_nothing_of_the_others() {
    for member in ["checker", "cluster"] {
        let strangers: Vec<_> = depends_on(member)
            .into_iter()
            .filter(|name| {
                name.starts_with("squall")
                    || ["tokio", "turmoil", "rand", "siphasher"].contains(&name.as_str())
            })
            .collect();
        complain(&format!("{member} depends on nothing that could reach in"), &strangers);
    }
    let cluster = fs::read_to_string(root().join("cluster/src/lib.rs")).expect("a text");
    assert!(cluster.contains("#![no_std]"), "the cluster is no_std: determinism by construction");
    let needed: Vec<_> = depends_on("cluster").into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(needed, ["postcard", "serde"], "serde, and its encoding for the bytes of snapshots");
}
