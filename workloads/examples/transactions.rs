//! A million transactions, judged: `transactions check COUNT [ANOMALY|registers]` judges simulated ones, `transactions write COUNT
//! [ANOMALY|registers]` writes them as JSON Lines, `transactions judge FILE` reads such a file and judges it. Tells the verdict,
//! the processor time and (on Linux) the most memory that the process held.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use squall_checker::judge::{Options, judge};
use squall_checker::transactions::{self, Datatype};
use squall_checker::{Bounds, CheckOutcome};
use squall_workloads::planted_transactions::PlantedAnomaly;
use squall_workloads::simulated_transactions::{SimulatedTransactions, json_lines};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = match arguments.first().map(String::as_str) {
        Some("check") => {
            let history = shape(&arguments).history();
            let before = processor_time();
            let judged = transactions::check(&history, &transactions::Options::default(), &Bounds::default());
            told(&arguments[1..].join(" "), &judged.outcome, before)
        }
        Some("write") => json_lines(&shape(&arguments).transactions()),
        Some("judge") => {
            let bytes = fs::read(&arguments[1]).expect("a file");
            let before = processor_time();
            let options = Options::default();
            let (_, judged) = judge(&arguments[1], &bytes, &options, &Bounds::default()).expect("a history");
            told(&arguments[1], &judged.outcome, before)
        }
        _ => "transactions check|write COUNT [ANOMALY|registers], or transactions judge FILE\n".to_owned(),
    };
    std::io::stdout().write_all(out.as_bytes()).expect("stdout takes it");
}

fn shape(arguments: &[String]) -> SimulatedTransactions {
    let count = arguments[1].parse().expect("a number of transactions");
    let datatype = match arguments.get(2).map(String::as_str) {
        Some("registers") => return SimulatedTransactions::like_elle(Datatype::Register, count, 1),
        _ => Datatype::ListAppend,
    };
    let planted = arguments.get(2).map(|name| match PlantedAnomaly::named(name) {
        Some(planted) => planted,
        None => panic!("nothing called {name} can be planted"),
    });
    SimulatedTransactions { planted, ..SimulatedTransactions::like_elle(datatype, count, 1) }
}

fn told(what: &str, outcome: &CheckOutcome, before: Duration) -> String {
    let kinds: Vec<&str> = outcome.violations.iter().map(|violation| violation.kind.as_str()).collect();
    let seconds = (processor_time() - before).as_secs_f64();
    let memory = status("VmHWM:").map_or(0, |kilobytes| kilobytes / 1024);
    let length = outcome.violations.first().map_or(0, |violation| violation.edges.len());
    format!(
        "{what}: {} {} ({length} edges), {seconds:.2} CPU s, {memory} MB at most\n",
        outcome.verdict,
        kinds.join(" ")
    )
}

/// A number of `/proc/self/status`.
fn status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Of this process so far, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}
