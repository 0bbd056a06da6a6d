//! What people read in a terminal: help texts and lists, as snapshots.

use assert_cmd::Command;

fn text(arguments: &[&str]) -> String {
    let mut command = Command::cargo_bin("squall").expect("built");
    let output =
        command.env("COLUMNS", "100").env("NO_COLOR", "1").args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn help_of_every_subcommand() {
    insta::assert_snapshot!("help", text(&["--help"]));
    for name in [
        "run",
        "soak",
        "merge",
        "check",
        "bench",
        "bench-check",
        "replay",
        "shrink",
        "mutants",
        "report",
        "list",
        "completions",
    ] {
        insta::assert_snapshot!(format!("help_{name}"), text(&[name, "--help"]));
    }
}

#[test]
fn lists_name_everything() {
    for kind in ["modes", "workloads", "models", "formats", "scenarios"] {
        insta::assert_snapshot!(format!("list_{kind}"), text(&["list", kind]));
    }
    let bugs = text(&["list", "bugs"]);
    assert!(bugs.lines().all(|line| line.split("  ").filter(|part| !part.is_empty()).count() == 4), "{bugs}");
    let all = text(&["list"]);
    for heading in ["modes", "workloads", "nemeses", "bugs", "models", "formats", "scenarios"] {
        assert!(all.lines().any(|line| line == heading), "{heading}");
    }
}

#[test]
fn bugs_as_json_have_the_promised_keys() {
    let json = text(&["list", "bugs", "--json"]);
    assert!(
        json.starts_with(
            r#"{"schema":1,"bugs":[{"name":"no-deduplication","id":"B01","modes":["single","paxos","primary-backup"],"layer":"rpc","summary":""#
        ),
        "{json}"
    );
    assert_eq!(json.lines().count(), 1);
}

#[test]
fn completions_exist_for_the_common_shells() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(text(&["completions", shell]).contains("squall"), "{shell}");
    }
}
