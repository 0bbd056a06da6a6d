//! Golden digests: one run per mode and workload, pinned to the last event.
//!
//! They change when the protocol, the nemesis, the sampler or the recorder does, and never otherwise: not with the
//! machine, the thread or the day. When one changes, say in the commit why.

use squall::node::{BuiltIn, Mode, Served};
use squall::soak::{WORKLOADS, Wanted};
use squall::trial;
use squall::workloads::{append, kv, register};

fn digest<W: Served>(subject: BuiltIn, workload: W) -> String {
    let outcome = trial(subject, workload).seed(7).duration_ms(2_000).run();
    assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
    outcome.digest
}

#[test]
fn digests_of_one_run_per_mode_and_workload() {
    let modes = [
        ("single", squall::single()),
        ("paxos", squall::paxos(5)),
        ("primary-backup", squall::primary_backup(5)),
    ];
    let mut table = String::new();
    for (mode, subject) in modes {
        for (name, workload) in [("register", register(5)), ("append", append(5)), ("kv", kv(5))] {
            table.push_str(&format!("{mode:<15}{name:<9}{}\n", digest(subject.clone(), workload)));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn digests_of_one_run_per_workload_as_the_command_runs_it() {
    let mut table = String::new();
    for (_, workload, _) in WORKLOADS.iter().filter(|(make, ..)| make(1).suits(Mode::Paxos)) {
        for mode in ["single", "paxos"] {
            let wanted = Wanted {
                mode: Some(mode.into()),
                workload: Some((*workload).into()),
                duration_ms: Some(2_000),
                ..Wanted::default()
            };
            let experiment = wanted.experiment().expect("possible");
            let outcome = experiment.run(&experiment.plan(7));
            assert!(outcome.violations.is_empty(), "{mode} {workload}: {:?}", outcome.violations);
            table.push_str(&format!("{mode:<7}{workload:<13}{}\n", outcome.digest));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_same_plan_gives_the_same_digest_on_every_thread() {
    let here = digest(squall::paxos(3), append(3));
    let threads: Vec<_> =
        (0..3).map(|_| std::thread::spawn(|| digest(squall::paxos(3), append(3)))).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), here);
    }
}

#[test]
fn a_recording_does_not_change_the_run() {
    use squall::trial::{Manner, Subject};
    let subject = squall::paxos(3);
    let workload = append(3);
    let plan = trial(subject.clone(), workload.clone()).seed(11).duration_ms(2_000).plan(11);
    let quiet = subject.run(&workload, &plan, Manner::default());
    let recorded = subject.run(&workload, &plan, Manner::default().traced());
    assert_eq!(quiet.digest, recorded.digest);
    assert!(quiet.trace.is_empty() && recorded.trace.len() > 1_000);
}

#[test]
fn a_history_reads_well() {
    let outcome = trial(squall::paxos(3), kv(2)).clients(3).seed(5).duration_ms(250).run();
    insta::assert_snapshot!(outcome.history_text());
}
