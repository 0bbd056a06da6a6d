//! What is in deploy/ is read by a YAML parser, and says commands that exist.

use assert_cmd::Command;
use serde_yaml_ng::Value;

/// The one document of a file.
fn document(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

fn words(list: &Value) -> Vec<String> {
    let word = |word: &Value| word.as_str().expect("quoted, or plainly a text").to_owned();
    list.as_sequence().expect("a list").iter().map(word).collect()
}

/// Fails if the command does not know one of its arguments.
fn is_known(arguments: &[String]) {
    let mut command = Command::cargo_bin("squall").expect("built");
    let output = command.args(arguments).arg("--help").output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
}

#[test]
fn the_indexed_job_runs_a_share_in_each_pod() {
    let job = document(include_str!("../deploy/indexed-job.yaml"));
    assert_eq!((job["apiVersion"].as_str(), job["kind"].as_str()), (Some("batch/v1"), Some("Job")));
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"].as_str(), Some("Indexed"));
    let completions = spec["completions"].as_i64().expect("a number");
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(words(&container["command"]), ["squall"]);
    let arguments = words(&container["args"]);
    is_known(&arguments);
    let shard = arguments.iter().position(|word| word == "--shard").expect("shares");
    assert_eq!(arguments[shard + 1], completions.to_string(), "as many shares as pods");
    let claims = spec["template"]["spec"]["volumes"].as_sequence().expect("volumes").len();
    assert_eq!(claims, container["volumeMounts"].as_sequence().expect("mounts").len());
    assert!(!job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"].is_null());
    assert!(is_known_word_refused(&arguments), "an argument that does not exist would be noticed");
}

/// Whether a flag that does not exist is noticed.
fn is_known_word_refused(arguments: &[String]) -> bool {
    let wrong = [arguments, &["--no-such-flag".to_owned()]].concat();
    std::panic::catch_unwind(|| is_known(&wrong)).is_err()
}

#[test]
fn the_workflow_runs_every_share_and_unites_them() {
    let workflow = document(include_str!("../deploy/github-workflow.yaml"));
    let shares = workflow["jobs"]["share"]["strategy"]["matrix"]["share"].as_sequence().expect("a matrix");
    let mut commands = Vec::new();
    for job in ["share", "unite"] {
        for step in workflow["jobs"][job]["steps"].as_sequence().expect("steps") {
            assert!(!step["uses"].is_null() || !step["run"].is_null(), "{step:?}");
            commands.extend(step["run"].as_str().filter(|run| run.contains("squall ")).map(str::to_owned));
        }
    }
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in &commands {
        let arguments = command.replace("${{ matrix.share }}", "1");
        let arguments: Vec<String> = arguments.split_whitespace().skip(1).map(str::to_owned).collect();
        is_known(&arguments);
    }
    assert!(commands[0].contains(&format!("/{}", shares.len())), "as many shares as the matrix has");
}
