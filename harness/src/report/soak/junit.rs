//! A soak as JUnit XML: a suite per mode; a case per workload that was clean, and one per cause of failure.
//!
//! Seeds are counted, not listed: a reporter that is given a million cases shows none.

use std::fmt::Write as _;

use crate::soak::{ConfigurationLine, FailureGroup, Summary};

use super::{command, title};

/// The text of `junit.xml`.
pub fn junit(summary: &Summary) -> String {
    let mut modes: Vec<&str> = summary.configurations.iter().map(|line| line.mode.as_str()).collect();
    modes.dedup();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"squall soak\" time=\"{}\">", seconds(summary.elapsed_ms));
    for mode in modes {
        let groups: Vec<_> = summary.groups.iter().filter(|group| group.mode == mode).collect();
        let lines: Vec<_> = summary.configurations.iter().filter(|line| line.mode == mode).collect();
        suite(&mut xml, summary, mode, &lines, &groups);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(
    xml: &mut String,
    summary: &Summary,
    mode: &str,
    lines: &[&ConfigurationLine],
    groups: &[&FailureGroup],
) {
    let clean: Vec<_> = lines.iter().filter(|line| line.verdicts.invalid == 0).collect();
    let undecided = clean.iter().filter(|line| line.verdicts.unknown > 0).count();
    let vacuous = |line: &ConfigurationLine| line.verdicts.valid + line.verdicts.unknown == 0;
    let skipped = clean.iter().filter(|line| vacuous(line)).count();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"squall.{}\" tests=\"{}\" failures=\"{}\" errors=\"{undecided}\" skipped=\"{skipped}\">",
        escaped(mode),
        clean.len() + groups.len(),
        groups.len()
    );
    for line in clean {
        let name = format!("{} seeds of {}", line.verdicts.all(), line.workload);
        let inside = if line.verdicts.unknown > 0 {
            let text = format!("{} seeds are undecided: a bound was reached first", line.verdicts.unknown);
            format!("<error message=\"{}\"/>", escaped(&text))
        } else if vacuous(line) {
            "<skipped message=\"too little happened to judge\"/>".into()
        } else {
            String::new()
        };
        case(xml, mode, &name, &inside);
    }
    for group in groups {
        let example = group.example.as_ref().map_or("no example is stored", |example| &example.message);
        let seeds: Vec<String> = group.first_seeds.iter().map(|seed| format!("{seed:#x}")).collect();
        let again = command(group, |seed| format!("squall run --seed {seed} (with the flags of the soak)"));
        let text = format!("{example}\n{} seeds, first {}\n{again}", group.seeds, seeds.join(", "));
        let inside = format!(
            "<failure type=\"{}\" message=\"{}\">{}</failure>",
            escaped(&group.check),
            escaped(example),
            escaped(&text)
        );
        case(xml, mode, &title(group), &inside);
    }
    let output = match &summary.results {
        Some(results) => format!("    <system-out>results: {}</system-out>\n", escaped(results)),
        None => String::new(),
    };
    let _ = writeln!(xml, "{output}  </testsuite>");
}

fn case(xml: &mut String, mode: &str, name: &str, inside: &str) {
    let (mode, name) = (escaped(mode), escaped(name));
    let _ = match inside {
        "" => writeln!(xml, "    <testcase classname=\"squall.{mode}\" name=\"{name}\"/>"),
        _ => writeln!(xml, "    <testcase classname=\"squall.{mode}\" name=\"{name}\">{inside}</testcase>"),
    };
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Text as XML takes it: characters that it cannot hold at all become a mark.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push(' '),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            control if control.is_control() => xml.push('\u{fffd}'),
            plain => xml.push(plain),
        }
    }
    xml
}
