//! The report in a real browser: no errors, no requests, the right counts, working keys, harmless hostile values.
//!
//! Needs a Chromium, hence the feature: `cargo test --features browser-tests --test browser`. Pictures for looking
//! at are left in the target folder's `tmp/report`.

mod client;
#[path = "../report_sample/mod.rs"]
mod report_sample;

use std::path::{Path, PathBuf};

use client::{Browser, Page};
use report_sample::{HOSTILE, hostile, recorded, stale_read};
use squall::report::ReportData;
use squall::report::render;

/// Where pages and pictures go.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).expect("a folder for pages and pictures");
    folder
}

fn page_file(name: &str, data: &ReportData) -> PathBuf {
    let file = folder().join(format!("{name}.html"));
    std::fs::write(&file, render(data)).expect("the page is written");
    file
}

fn assert_harmless(page: &Page<'_>) {
    assert_eq!(page.problems(), Vec::<String>::new());
}

/// The lit part of a canvas: how many pixels are not the colour of its corner.
fn inked(page: &Page<'_>, canvas: &str) -> u64 {
    let script = format!(
        "(() => {{ const canvas = document.getElementById('{canvas}'); \
         const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
         let inked = 0; for (let at = 3; at < pixels.length; at += 4) inked += pixels[at] > 0; return inked; }})()"
    );
    page.evaluate(&script).as_u64().expect("a count")
}

const CHOSEN: &str = "document.querySelector('.row.chosen')?.id ?? ''";
const COUNT: &str = "document.getElementById('filter-count').textContent";

#[test]
fn a_failure_is_shown_in_light_dark_and_on_a_phone() {
    let browser = Browser::start();
    let file = page_file("stale-read", &stale_read(700));
    for (name, width, height, dark) in
        [("light", 1400, 900, false), ("dark", 1400, 900, true), ("phone", 390, 844, false)]
    {
        let page = browser.open(&file, width, height, dark);
        page.screenshot(&folder().join(format!("{name}.png")));
        assert_harmless(&page);
        for canvas in ["minimap", "lanes", "latency-chart", "throughput-chart"] {
            assert!(inked(&page, canvas) > 2_000, "{canvas} is empty in {name}");
        }
        let wide = page.evaluate("document.documentElement.scrollWidth").as_u64().expect("a width");
        assert!(wide <= u64::from(width), "{name} is {wide} wide and would scroll sideways");
        let ground = page.text("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(255, 255, 255)", !dark, "{name} has the ground {ground}");
        page.evaluate("document.getElementById('theme').click()");
        assert_ne!(
            page.text("getComputedStyle(document.body).backgroundColor"),
            ground,
            "the toggle does nothing"
        );
    }
}

#[test]
fn the_page_says_what_the_data_says() {
    let data = stale_read(700);
    let browser = Browser::start();
    let page = browser.open(&page_file("golden", &data), 1400, 900, false);
    let total = data.operations.len();
    assert_eq!(page.text(COUNT), format!("{total} of {total} operations"));
    assert_eq!(
        page.text("document.getElementById('verdict-words').textContent"),
        "linearizable violated: stale on key u"
    );
    assert!(
        page.text("document.getElementById('headline').textContent")
            .starts_with("Read u by process 15 returned")
    );
    assert!(page.text("document.getElementById('gap').textContent").contains("104.1 ms before"));
    assert_eq!(page.evaluate("document.querySelectorAll('#why-steps > li').length"), 4);
    assert_eq!(page.evaluate("document.querySelectorAll('#why-graph .bar').length"), 3);
    assert_eq!(page.evaluate("document.querySelectorAll('#why-graph path.edge').length"), 3);
    let counts = data.meta.counts;
    let all = "[...document.querySelectorAll('#operation-table tr.total td')].map((cell) => cell.textContent).join(' ')";
    assert_eq!(page.text(all), format!("all {} {} {} {total}", counts.ok, counts.info, counts.fail));
    assert_eq!(page.evaluate("document.querySelectorAll('#fault-table tbody tr').length"), data.faults.len());
    assert_eq!(page.evaluate("document.querySelectorAll('#message-table tbody tr').length"), 9);
    assert!(page.evaluate("document.querySelectorAll('.row').length").as_u64().expect("a count") < 40);
    let stale = data.violations[0].operations[2];
    assert_eq!(page.text(CHOSEN), format!("row-{}", stale.0), "the operation at fault is chosen");
    assert!(page.text("document.getElementById('detail').textContent").contains("does not show 23"));
    assert_harmless(&page);
}

#[test]
fn every_key_works() {
    let data = stale_read(700);
    let stale = data.violations[0].operations[2].0;
    let browser = Browser::start();
    let page = browser.open(&page_file("keys", &data), 1400, 900, false);
    let drawn = || page.text("document.getElementById('lanes').toDataURL()");
    page.press("j");
    assert_eq!(page.text(CHOSEN), format!("row-{}", stale + 1));
    page.press("k");
    page.press("k");
    assert_eq!(page.text(CHOSEN), format!("row-{}", stale - 1));
    page.press("v");
    assert_eq!(page.text(CHOSEN), format!("row-{stale}"));
    let violation = drawn();
    page.press("0");
    let whole = drawn();
    assert_ne!(whole, violation, "0 shows the whole run");
    page.press("+");
    assert_ne!(drawn(), whole, "+ zooms in");
    page.press("-");
    assert_eq!(drawn(), whole, "- zooms out again");
    page.press("/");
    assert_eq!(page.text("document.activeElement.id"), "filter-text");
    for key in ["i", "n", "f", "o"] {
        page.press(key);
    }
    assert_eq!(
        page.text(COUNT),
        format!("{} of {} operations", data.meta.counts.info, data.operations.len())
    );
    page.press("Escape");
    assert_eq!(page.text(COUNT), format!("{0} of {0} operations", data.operations.len()));
    page.evaluate("document.getElementById('list').focus()");
    page.press("End");
    assert_eq!(page.text(CHOSEN), format!("row-{}", data.operations.len() - 1));
    assert_eq!(
        page.text("document.getElementById('list').getAttribute('aria-activedescendant')"),
        page.text(CHOSEN)
    );
    assert_harmless(&page);
}

#[test]
fn filters_links_and_pointer_lead_to_operations() {
    let data = stale_read(700);
    let browser = Browser::start();
    let page = browser.open(&page_file("filters", &data), 1400, 900, false);
    let set = |id: &str, value: &str| {
        page.evaluate(&format!(
            "(() => {{ const field = document.getElementById('{id}'); field.value = '{value}'; \
             field.dispatchEvent(new Event('change')); }})()"
        ));
    };
    let on_u = data.operations.iter().filter(|operation| operation.key.as_deref() == Some("u")).count();
    set("filter-key", "=u");
    assert_eq!(page.text(COUNT), format!("{on_u} of {} operations", data.operations.len()));
    set("filter-result", "counterexample");
    assert_eq!(page.text(COUNT), format!("3 of {} operations", data.operations.len()));
    let append = data.violations[0].operations[0].0;
    let links = "[...document.querySelectorAll('#why-steps .link')]";
    assert!(page.evaluate(&format!("{links}.length")).as_u64().expect("a count") >= 8);
    page.evaluate(&format!("{links}.find((link) => link.textContent === '#{append}').click()"));
    assert_eq!(page.text(CHOSEN), format!("row-{append}"));
    page.evaluate(
        "document.getElementById('view-all').click(); document.getElementById('lanes').scrollIntoView()",
    );
    page.settle();
    // The middle of the first fault lane's last third holds the delay of links between servers.
    let corner = |side: &str| {
        page.evaluate(&format!("document.getElementById('lanes').getBoundingClientRect().{side}"))
            .as_f64()
            .expect("a place")
    };
    let (left, right, top) = (corner("left") + 132.0, corner("right") - 8.0, corner("top"));
    page.point(left + (right - left) * 0.74, top + 26.0 + 17.0 + 8.0, true);
    assert!(page.text("document.getElementById('detail').textContent").contains("delay 30-90ms"));
    assert!(page.text("document.getElementById('tip').textContent").contains("delay 30-90ms"));
    assert_harmless(&page);
}

#[test]
fn hostile_values_are_only_text() {
    let browser = Browser::start();
    let page = browser.open(&page_file("hostile", &hostile()), 1400, 900, false);
    page.press("0");
    page.press("j");
    page.screenshot(&folder().join("hostile.png"));
    assert_eq!(page.evaluate("document.querySelectorAll('img, main script, svg[onload]').length"), 0);
    assert_eq!(
        page.text("document.getElementById('headline').textContent"),
        format!("{}.", HOSTILE.concat())
    );
    assert_eq!(page.text("document.getElementById('replay-command').textContent"), HOSTILE[3]);
    let keys = "[...document.querySelectorAll('#filter-key option')].map((option) => option.value).sort()";
    let mut expected: Vec<String> = HOSTILE.iter().map(|key| format!("={key}")).collect();
    expected.push(String::new());
    expected.sort();
    assert_eq!(page.evaluate(keys), serde_json::json!(expected));
    assert_harmless(&page);
}

#[test]
fn a_recorded_history_needs_no_cluster() {
    let browser = Browser::start();
    let data = recorded();
    let page = browser.open(&page_file("recorded", &data), 1400, 900, false);
    page.screenshot(&folder().join("recorded.png"));
    assert_eq!(page.text("document.getElementById('verdict-words').textContent"), "valid");
    assert_eq!(page.evaluate("document.getElementById('replay').hidden"), true);
    assert_eq!(page.evaluate("document.getElementById('message-table')"), serde_json::Value::Null);
    page.press("v");
    page.press("j");
    assert_ne!(page.text(CHOSEN), "");
    let mut empty = data;
    empty.operations.clear();
    let page = browser.open(&page_file("empty", &empty), 1400, 900, false);
    assert_harmless(&page);
}

#[test]
fn ten_thousand_operations_are_quick() {
    let browser = Browser::start();
    for operations in [700, 10_000] {
        let data = stale_read(operations);
        let file = page_file("large", &data);
        let page = browser.open(&file, 1400, 900, false);
        let ready =
            page.evaluate("performance.getEntriesByName('ready')[0].startTime").as_f64().expect("a time");
        let draw = "(async () => { const frame = () => new Promise(requestAnimationFrame); \
             document.getElementById('view-all').click(); const before = performance.now(); await frame(); \
             document.getElementById('lanes').getContext('2d').getImageData(0, 0, 1, 1); return performance.now() - before; })()";
        let drawn = page.evaluate(draw).as_f64().expect("a time");
        println!(
            "{} operations: {} bytes, ready after {ready:.0} ms, whole run drawn in {drawn:.0} ms",
            data.operations.len(),
            render(&data).len()
        );
        page.screenshot(&folder().join(format!("whole-{operations}.png")));
        assert!(ready < 8_000.0, "ready only after {ready} ms");
        assert_harmless(&page);
    }
}

#[test]
fn paper_is_light_and_canvases_keep_their_shape() {
    let browser = Browser::start();
    let page = browser.open(&page_file("print", &stale_read(700)), 1400, 900, true);
    page.print(&folder().join("print.pdf"));
    let printed = std::fs::metadata(folder().join("print.pdf")).expect("the document").len();
    assert!(printed > 20_000, "{printed} bytes of print");
    page.resize(760, 1000);
    page.as_paper();
    page.screenshot(&folder().join("print.png"));
    assert_eq!(page.text("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    let squeezed = "[...document.querySelectorAll('canvas')].filter((canvas) => \
         Math.abs(canvas.clientWidth / canvas.clientHeight / (canvas.width / canvas.height) - 1) > 0.02).length";
    assert_eq!(page.evaluate(squeezed), 0, "canvases are squeezed");
    assert_harmless(&page);
}

#[test]
fn the_watch_sees_what_it_watches_for() {
    let browser = Browser::start();
    let page = browser.open(&page_file("watched", &recorded()), 1400, 900, false);
    assert_harmless(&page);
    page.evaluate(
        "{ const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image); }",
    );
    page.wait("performance.now() > 0");
    page.settle();
    assert!(!page.problems().is_empty(), "a request that the policy stops goes unnoticed");
}
