//! The report as a file: its skeleton, that nothing in a run can break out of it, that it carries all of the run,
//! and that the same run gives the same bytes. What the page does with it is for `tests/browser.rs`.

mod report_sample;

use base64::Engine as _;
use report_sample::{hostile, recorded, stale_read};
use serde_json::Value;
use sha2::{Digest, Sha256};
use squall::report::data::ReportOperation;
use squall::report::render;

/// What stands between the first `open` and the `close` after it.
fn between<'a>(page: &'a str, open: &str, close: &str) -> &'a str {
    let start = page.find(open).unwrap_or_else(|| panic!("the page has no {open}")) + open.len();
    let length = page[start..].find(close).unwrap_or_else(|| panic!("{open} is never closed by {close}"));
    &page[start..start + length]
}

const DATA: &str = "<script type=\"application/json\" id=\"data\">";
const SCRIPT: &str = "<script type=\"module\">";

/// The page without what is embedded in it.
fn skeleton(page: &str) -> String {
    let mut shown = page.to_owned();
    for (open, close) in [("<style>", "</style>"), (DATA, "</script>"), (SCRIPT, "</script>")] {
        let embedded = between(&shown, open, close).to_owned();
        shown = shown.replace(&format!("{open}{embedded}"), &format!("{open}…"));
    }
    for source in ["script-src 'sha256-", "style-src 'sha256-"] {
        let hash = between(&shown, source, "'").to_owned();
        shown = shown.replace(&hash, "…");
    }
    shown
}

fn embedded(page: &str) -> Value {
    serde_json::from_str(between(page, DATA, "</script>")).expect("the data block is JSON")
}

#[test]
fn skeleton_of_a_failure() {
    insta::assert_snapshot!(skeleton(&render(&stale_read(700))));
}

#[test]
fn a_recorded_history_has_no_part_that_says_why() {
    let page = skeleton(&render(&recorded()));
    assert!(!page.contains("id=\"why\""));
    assert!(page.contains("<header id=\"banner\" class=\"banner valid\">"));
}

#[test]
fn a_run_without_operations_has_no_timeline() {
    let mut data = recorded();
    data.operations.clear();
    let page = skeleton(&render(&data));
    assert!(!page.contains("<canvas"));
    assert!(page.contains("id=\"statistics\""));
}

#[test]
fn the_policy_admits_what_is_embedded_and_nothing_else() {
    let page = render(&stale_read(60));
    let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    let script = hash(between(&page, SCRIPT, "</script>"));
    let style = hash(between(&page, "<style>", "</style>"));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:"
    );
    assert_eq!(between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\""), policy);
    assert!(!page.contains(" style=\""), "the policy forbids style attributes");
    assert!(
        !page.contains("://") || !between(&page, SCRIPT, "</script>").contains("fetch("),
        "nothing is loaded"
    );
}

#[test]
fn nothing_in_a_run_breaks_out_of_the_page() {
    let benign = render(&stale_read(120));
    let page = render(&hostile());
    assert_eq!(skeleton(&page), skeleton(&benign), "values of a run stand in the data block only");
    let block = between(&page, DATA, "</script>");
    assert!(!block.contains('<') && !block.contains('\u{2028}') && !block.contains('\u{2029}'));
    assert!(block.contains("\\u003c/script>\\u003cimg src=x onerror=alert(1)>"));
    assert!(block.contains("\\u003c!--\\u003cscript>") && block.contains("a\\u2028b\\u2029c"));
    assert_eq!(page.matches("</script>").count(), 2);
}

/// Undoes the columns, as `model.js` does.
fn decoded(data: &Value) -> Vec<ReportOperation> {
    let columns = &data["operations"];
    let number = |name: &str, id: usize| columns[name][id].as_i64().expect("an integer");
    let word = |name: &str, id: usize| {
        usize::try_from(number(name, id))
            .ok()
            .map(|index| columns["words"][index].as_str().expect("a word").to_owned())
    };
    let mut outputs: Vec<(Option<String>, Vec<u16>)> = Vec::new();
    let (mut time, mut sequence) = (0, 0);
    let mut operations = Vec::new();
    for id in 0..columns["process"].as_array().expect("a column").len() {
        time += number("invoke_us", id);
        sequence += number("invoke_sequence", id);
        let key = word("key", id);
        let position = outputs.iter().position(|(of, _)| *of == key).unwrap_or_else(|| {
            outputs.push((key.clone(), Vec::new()));
            outputs.len() - 1
        });
        let output = usize::try_from(number("output_shared", id)).ok().map(|shared| {
            outputs[position].1.truncate(shared);
            outputs[position].1.extend(columns["output_rest"][id].as_str().expect("a text").encode_utf16());
            String::from_utf16(&outputs[position].1).expect("whole characters")
        });
        let after = number("complete_us", id);
        let moment = |time: i64, sequence: i64| serde_json::json!({ "time_us": time, "sequence": sequence });
        let complete = (after >= 0).then(|| moment(time + after, sequence + number("complete_sequence", id)));
        let outcome = ["ok", "fail", "info"][usize::try_from(number("outcome", id)).expect("an outcome")];
        let operation = serde_json::json!({
            "id": id, "process": number("process", id), "client": number("client", id),
            "function": word("function", id), "key": key, "input": word("input", id), "output": output,
            "invoke": moment(time, sequence), "complete": complete,
            "outcome": outcome, "error": word("error", id), "node": word("node", id),
        });
        operations.push(serde_json::from_value(operation).expect("an operation"));
    }
    operations
}

#[test]
fn the_page_carries_the_whole_run() {
    for data in [stale_read(700), hostile(), recorded()] {
        let embedded = embedded(&render(&data));
        assert_eq!(decoded(&embedded), data.operations);
        assert_eq!(embedded["meta"], serde_json::to_value(&data.meta).expect("plain data"));
        assert_eq!(embedded["violations"], serde_json::to_value(&data.violations).expect("plain data"));
        assert_eq!(embedded["faults"], serde_json::to_value(&data.faults).expect("plain data"));
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(render(&stale_read(700)), render(&stale_read(700)));
}

#[test]
fn ten_thousand_operations_stay_small() {
    let few = render(&stale_read(700)).len();
    let many = render(&stale_read(10_000)).len();
    println!("{few} bytes with 700 operations, {many} with 10,000");
    assert!(few < 220_000, "{few} bytes for 700 operations");
    assert!(many < 1_000_000, "{many} bytes for 10,000 operations");
}
