//! Judges one recorded history: `check FILE [THREADS [verify]]`. Prints the verdict, after verifying its certificates
//! if asked to; how long it takes is for others to measure.

use squall_checker::Bounds;
use squall_checker::judge::{Options, judge};

fn main() {
    let path = std::env::args().nth(1).expect("the file of a history");
    let bytes = std::fs::read(&path).expect("it can be read");
    let threads = std::env::args().nth(2).map_or(1, |threads| threads.parse().expect("a number of threads"));
    let certificates = std::env::args().nth(3).is_some_and(|word| word == "verify");
    let bounds = Bounds { threads, certificates, ..Bounds::default() };
    let (_, judged) =
        judge(&path, &bytes, &Options::default(), &bounds).unwrap_or_else(|error| panic!("{error}"));
    if certificates {
        judged.history.verify(&judged.outcome).unwrap_or_else(|error| panic!("{error}"));
    }
    println!("{}: {} operations", judged.outcome.verdict, judged.operations.total());
}
