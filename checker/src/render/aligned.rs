//! Long values next to each other: what they share is left out, so that where they differ is to be seen.

use super::names::letter;
use super::{Lane, WIDTH};
use crate::verdict::Violation;

/// Columns that are shown before the first difference of two long values.
const BEFORE: usize = 20;
/// Elements that are marked in one value, at most.
const MARKS_MAX: usize = 4;

/// The descriptions, cut where they are longer than `width`: around the place where they first differ from another.
pub(super) fn excerpts(lanes: &[Lane], width: usize) -> Vec<String> {
    lanes
        .iter()
        .map(|lane| {
            let words: Vec<char> = lane.words.chars().collect();
            if words.len() <= width {
                return lane.words.clone();
            }
            let others = lanes.iter().filter(|other| other.id != lane.id);
            let differs = others.map(|other| shared(&lane.words, &other.words)).max().unwrap_or(0);
            // What is asked for, as far as the value.
            let head = words.iter().position(|char| matches!(char, '[' | '"')).unwrap_or(0).min(width / 3);
            let room = width - head - 3;
            let text =
                |range: std::ops::Range<usize>| words[range].iter().collect::<String>().trim().to_owned();
            if differs <= head + 1 {
                // Nothing to compare it with: both its ends.
                let tail = words.len() - (room + head) / 2;
                return format!("{} … {}", text(0..(room + head) / 2), text(tail..words.len()));
            }
            let start = differs.saturating_sub(room / 2).clamp(head, words.len() - room);
            match (start <= head + 2, start + room >= words.len()) {
                (true, _) => format!("{} …", text(0..width - 2)),
                (_, true) => format!("{} … {}", text(0..head), text(words.len() - room..words.len())),
                _ => format!("{} … {} …", text(0..head), text(start..start + room - 2)),
            }
        })
        .collect()
}

/// Characters that two texts begin with together.
fn shared(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// Two values that disagree, or one that shows something twice, with marks under the places.
pub(super) fn draw(text: &mut String, violation: &Violation, lanes: &[Lane]) {
    match violation.kind.as_str() {
        "forked" => fork(text, lanes),
        "duplicated" => twice(text, lanes),
        _ => {}
    }
}

/// The value that a description ends with, if it has parts.
fn value(words: &str) -> Option<&str> {
    let at = words.find(" -> ")? + " -> ".len();
    words[at..].starts_with(['[', '"']).then(|| &words[at..])
}

fn fork(text: &mut String, lanes: &[Lane]) {
    let values: Vec<(usize, &str)> = lanes
        .iter()
        .enumerate()
        .filter_map(|(at, lane)| value(&lane.words).map(|value| (at, value)))
        .collect();
    let [(one, first), (other, second)] = values[..] else { return };
    let shared = shared(first, second);
    let cut = |value: &str| {
        let from = shared.saturating_sub(BEFORE);
        let dots = if from > 0 { "… " } else { "" };
        let shown: String = value.chars().skip(from).take(WIDTH - 12).collect();
        (format!("{dots}{shown}"), dots.chars().count() + shared - from)
    };
    text.push('\n');
    for (at, value) in [(one, first), (other, second)] {
        *text += &format!("  {:<3}{}\n", letter(at), cut(value).0);
    }
    *text += &format!("  {}^ here they part\n", " ".repeat(3 + cut(first).1));
}

fn twice(text: &mut String, lanes: &[Lane]) {
    for (at, lane) in lanes.iter().enumerate() {
        let Some(value) = value(&lane.words).filter(|value| value.starts_with('[')) else { continue };
        let mut starts: Vec<(usize, &str)> = Vec::new();
        let mut column = 1;
        for item in value[1..].trim_end_matches(']').split(", ") {
            starts.push((column, item));
            column += item.chars().count() + 2;
        }
        let again = |item: &str| starts.iter().filter(|(_, other)| *other == item).count() > 1;
        let marks: Vec<(usize, &str)> =
            starts.iter().copied().filter(|(_, item)| again(item)).take(MARKS_MAX).collect();
        let (Some((first, _)), Some((last, item))) = (marks.first(), marks.last()) else { continue };
        if last + item.chars().count() - first > WIDTH - 12 - BEFORE {
            continue;
        }
        let from =
            starts.iter().map(|(start, _)| *start).find(|start| start + BEFORE >= *first).unwrap_or(*first);
        let from = if from <= 1 { 0 } else { from };
        let dots = if from > 0 { "… " } else { "" };
        let shown: String = value.chars().skip(from).take(WIDTH - 12).collect();
        let mut line = String::new();
        for (start, item) in &marks {
            let start = 5 + dots.chars().count() + start - from;
            line += &" ".repeat(start - line.chars().count());
            line += &"^".repeat(item.chars().count());
        }
        *text += &format!("\n  {:<3}{dots}{shown}\n{line}\n", letter(at));
    }
}
