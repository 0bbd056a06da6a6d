//! The same work on many things, on several threads; what comes out does not depend on how many.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` makes on so many threads at once, all together in no particular order. A panic is passed on.
pub(crate) fn together<R: Send>(threads: usize, work: impl Fn() -> Vec<R> + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mut all = work();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    })
}

/// What `work` makes of each number below `count`, in order. At most so many threads; a panic is passed on.
pub(crate) fn in_order<R: Send>(count: usize, threads: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = threads.min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    // Whoever is free takes the next: some things take much longer than others.
    let next = AtomicUsize::new(0);
    let mut all = together(threads, || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, work(number)));
        }
    });
    all.sort_unstable_by_key(|(number, _)| *number);
    debug_assert!(all.iter().zip(0..).all(|((number, _), expected)| *number == expected), "each once");
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order_whatever_the_threads() {
        for threads in [0, 1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let squares = in_order(count, threads, |number| number * number);
                assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_passed_on() {
        in_order(10, 3, |number| assert!(number < 9, "on purpose"));
    }
}
