//! From data to a page: the template, the embedded style and script, their hashes, the data as JSON.
//!
//! The content security policy admits exactly the embedded script and style, by hash, and no request at all.
//! The template decides which parts the page has; `page/*.js` fill them.

use askama::Template;
use base64::Engine as _;
use serde::Serialize;
use sha2::{Digest, Sha256};
use squall_checker::{Verdict, Violation};

use super::columns::{Columns, columns};
use super::data::{FaultSpan, Meta, NodeEvent, ReportData, SCHEMA, Statistics};

/// The style sheet, as it is embedded and hashed.
pub(super) const STYLE: &str = include_str!("page/report.css");

/// The script: one module, written in several files, in the order in which they build upon each other.
const SCRIPT: &str = concat!(
    include_str!("page/model.js"),
    include_str!("page/dom.js"),
    include_str!("page/banner.js"),
    include_str!("page/why.js"),
    include_str!("page/lanes.js"),
    include_str!("page/timeline.js"),
    include_str!("page/list.js"),
    include_str!("page/charts.js"),
    include_str!("page/statistics.js"),
    include_str!("page/report.js"),
);

#[derive(Template)]
#[template(path = "report.html", config = "harness/src/report/askama.toml")]
struct Page<'a> {
    verdict: Verdict,
    script_hash: &'a str,
    style_hash: &'a str,
    style: &'a str,
    script: &'a str,
    data: &'a str,
    parts: Parts,
}

/// Which parts the page has.
#[derive(Clone, Copy)]
struct Parts {
    why: bool,
    operations: bool,
}

/// What the page's data block holds.
#[derive(Serialize)]
struct Embedded<'a> {
    meta: &'a Meta,
    operations: Columns<'a>,
    faults: &'a [FaultSpan],
    node_events: &'a [NodeEvent],
    nodes: &'a [String],
    violations: &'a [Violation],
    statistics: &'a Statistics,
}

/// The report as one HTML file.
///
/// ```
/// use squall::report::{ReportData, data::{Meta, OutcomeCounts, SCHEMA, Statistics}, render};
/// use squall_checker::Verdict;
///
/// let page = render(&ReportData {
///     meta: Meta {
///         schema: SCHEMA, version: "0.1.0".into(), verdict: Verdict::Vacuous, seed: None, plan_digest: None,
///         trace_digest: None, replay: None, mode: None, workload: "register".into(), nemesis: None,
///         bugs: vec![], checks: vec![], simulated_us: 0, counts: OutcomeCounts::default(), messages: None,
///         shrunk_from: None, phases: vec![],
///     },
///     operations: vec![], faults: vec![], node_events: vec![], nodes: vec![], violations: vec![],
///     statistics: Statistics::default(),
/// });
/// assert!(page.starts_with("<!doctype html>"));
/// ```
///
/// # Panics
///
/// If the data contradicts itself: a schema that is not [`SCHEMA`], an operation whose id is not its position or
/// that completes before it is invoked, a violation that names an operation that is not there.
pub fn render(data: &ReportData) -> String {
    assert_eq!(data.meta.schema, SCHEMA, "this build renders schema {SCHEMA}");
    for violation in &data.violations {
        let ends = violation.edges.iter().flat_map(|edge| [edge.from, edge.to]);
        for id in violation.operations.iter().copied().chain(ends) {
            assert!(id.index() < data.operations.len(), "the violation names {id}, which is not there");
        }
    }
    let embedded = Embedded {
        meta: &data.meta,
        operations: columns(&data.operations),
        faults: &data.faults,
        node_events: &data.node_events,
        nodes: &data.nodes,
        violations: &data.violations,
        statistics: &data.statistics,
    };
    let page = Page {
        verdict: data.meta.verdict,
        script_hash: &hash(SCRIPT),
        style_hash: &hash(STYLE),
        style: STYLE,
        script: SCRIPT,
        data: &json_block(&embedded),
        parts: Parts { why: !data.violations.is_empty(), operations: !data.operations.is_empty() },
    };
    page.render().expect("a template writes to memory")
}

/// The base64 of the SHA-256 of an embedded text, as a content security policy names it.
pub(super) fn hash(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}

/// JSON that cannot end, or confuse, the script block it stands in: `<!--<script>` alone would swallow the rest of
/// the page even where `</` is escaped, so every `<` is; U+2028 and U+2029 end lines in scripts of old.
fn json_block(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("plain data serialises");
    let mut block = String::with_capacity(json.len() + json.len() / 64);
    for character in json.chars() {
        match character {
            '<' => block.push_str("\\u003c"),
            '\u{2028}' => block.push_str("\\u2028"),
            '\u{2029}' => block.push_str("\\u2029"),
            _ => block.push(character),
        }
    }
    debug_assert!(!block.contains('<'));
    block
}
