//! Operations on lanes: a letter, who asked, what for, and the interval, in the order of events.

use super::names::letter;
use super::{Lane, WIDTH, aligned};

/// Columns of the intervals, at least and at most.
const BARS: [usize; 2] = [36, 60];

/// One line per operation.
pub(super) fn draw(text: &mut String, lanes: &[Lane]) {
    let widest = |column: &dyn Fn(usize) -> usize| (0..lanes.len()).map(column).max().unwrap_or(0);
    let letters = widest(&|at| letter(at).len());
    let processes = widest(&|at| lanes[at].process.to_string().len());
    // "  A  process 1  words  bars"
    let around = 2 + letters + 2 + "process ".len() + processes + 2 + 2;
    let words = aligned::excerpts(lanes, WIDTH - around - BARS[0]);
    let width = widest(&|at| words[at].chars().count());
    let bars = (WIDTH - around - width).min(BARS[1]);
    let mut stamps: Vec<u64> =
        lanes.iter().flat_map(|lane| [Some(lane.invoked), lane.returned]).flatten().collect();
    stamps.sort_unstable();
    stamps.dedup();
    let column = |stamp: u64| {
        let rank = stamps.partition_point(|known| *known < stamp);
        rank * (bars - 2) / (stamps.len() - 1).max(1)
    };
    for (number, (lane, words)) in lanes.iter().zip(&words).enumerate() {
        let bar = bar(lane, column(lane.invoked), lane.returned.map(column), bars);
        let line = format!(
            "  {:<letters$}  process {:<processes$}  {words}{}  {bar}",
            letter(number),
            lane.process.to_string(),
            " ".repeat(width - words.chars().count()),
        );
        *text += line.trim_end();
        text.push('\n');
    }
    let mut legend = |shown: bool, words: &str| {
        if shown {
            *text += &format!("  {words}\n");
        }
    };
    legend(
        lanes.iter().any(|lane| lane.returned.is_none()),
        "?  how it ended is not known: it may take effect at any later time, or never",
    );
    legend(lanes.iter().any(|lane| lane.failed), "x  it failed: it must not take effect");
}

/// `├───┤`; `├────?` if it never returned, `├──x` if it failed.
fn bar(lane: &Lane, start: usize, end: Option<usize>, columns: usize) -> String {
    let last = end.unwrap_or(columns - 1);
    let close = match (end, lane.failed) {
        (None, _) => '?',
        (_, true) => 'x',
        _ => '┤',
    };
    let mut bar = " ".repeat(start);
    if last > start {
        bar.push('├');
        bar.extend(std::iter::repeat_n('─', last - start - 1));
        bar.push(close);
    } else {
        bar.push(if close == '┤' { '┼' } else { close });
    }
    bar
}
