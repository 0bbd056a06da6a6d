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
        let Some(value) = value(&lane.words) else { continue };
        let marks = if value.starts_with('[') { repeated_items(value) } else { repeated_text(value, lanes) };
        let (Some((first, _)), Some((last, length))) = (marks.first(), marks.last()) else { continue };
        if last + length - first > WIDTH - 12 - BEFORE {
            continue;
        }
        let from = if *first > BEFORE { first - BEFORE } else { 0 };
        let dots = if from > 0 { "… " } else { "" };
        let shown: String = value.chars().skip(from).take(WIDTH - 12).collect();
        let mut line = String::new();
        for (start, length) in &marks {
            let start = 5 + dots.chars().count() + start - from;
            line += &" ".repeat(start - line.chars().count());
            line += &"^".repeat(*length);
        }
        *text += &format!("\n  {:<3}{dots}{shown}\n{line}\n", letter(at));
    }
}

/// Where the items of a list stand that it has several times, and how long they are.
fn repeated_items(list: &str) -> Vec<(usize, usize)> {
    let (mut items, mut column) = (Vec::new(), 1);
    for item in list[1..].trim_end_matches(']').split(", ") {
        items.push((column, item));
        column += item.chars().count() + 2;
    }
    let again = |item: &str| items.iter().filter(|(_, other)| *other == item).count() > 1;
    let repeated = items.iter().filter(|(_, item)| again(item));
    repeated.map(|(start, item)| (*start, item.chars().count())).take(MARKS_MAX).collect()
}

/// Where what another operation appended stands in a text that has it several times.
fn repeated_text(text: &str, lanes: &[Lane]) -> Vec<(usize, usize)> {
    let written = lanes.iter().filter(|lane| !lane.words.contains(" -> "));
    let tokens =
        written.filter_map(|lane| lane.words.strip_suffix('"')?.split_once(" \"").map(|(_, token)| token));
    for token in tokens.filter(|token| !token.is_empty()) {
        let places: Vec<(usize, usize)> = text
            .match_indices(token)
            .map(|(at, _)| (text[..at].chars().count(), token.chars().count()))
            .take(MARKS_MAX)
            .collect();
        if places.len() > 1 {
            return places;
        }
    }
    Vec::new()
}
