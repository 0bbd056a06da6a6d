//! Plans in words: printed and read back the same, and what is said about hostile ones.

use proptest::prelude::*;
use squall_cluster::event::Event;
use squall_cluster::role::Role;
use squall_workloads::decide::Decide;

use super::*;

fn target() -> impl Strategy<Value = Target> {
    let role = (1..Role::ALL.len(), proptest::option::of(0..9_u32))
        .prop_map(|(role, group)| Target::Role { role: Role::ALL[role], group });
    let leader = (0..9_u32).prop_map(|group| Target::Role { role: Role::Leader, group: Some(group) });
    prop_oneof![
        (0..20_u32).prop_map(Target::Server),
        (0..20_u32).prop_map(Target::Follower),
        Just(Target::Leader),
        Just(Target::Actor),
        role,
        leader,
    ]
}

fn trigger() -> impl Strategy<Value = Option<Trigger>> {
    let moments = prop_oneof![Just(Moment::After), Just(Moment::BeforeSync), Just(Moment::BeforeSend)];
    let of = proptest::option::of(target().prop_filter("it says nothing", |of| *of != Target::Actor));
    let some =
        (0..Event::KINDS.len(), moments, of, 1..=trigger::NTH_MAX).prop_map(|(event, moment, of, nth)| {
            Trigger { event: Event::KINDS[event].to_owned(), moment, of, nth }
        });
    proptest::option::of(some)
}

/// Any fault that the generator could draw or a person could write, with its targets changed at will.
fn planned() -> impl Strategy<Value = PlannedFault> {
    let ids = prop_oneof![1..40_u32, any::<u32>().prop_map(|id| id / 2)];
    (ids, 0..10_000_000_u64, 1..10_000_000_u64, trigger(), 0..37_usize, any::<u64>(), target()).prop_map(
        |(id, at_ms, for_ms, on, which, seed, target)| {
            let all = one_of_each();
            let mut fault = match all.get(which) {
                Some(known) => known.fault.clone(),
                None => drawn(seed),
            };
            if let Some(first) = fault.targets_mut().into_iter().next() {
                *first = target;
            }
            PlannedFault { id, at_ms, for_ms, on, fault }
        },
    )
}

fn drawn(seed: u64) -> Fault {
    generate(&Selection::All, &Decide::new(seed), &five()).remove(0).fault
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_the_same(mut plan in proptest::collection::vec(planned(), 1..6)) {
        let mut ids = std::collections::BTreeSet::new();
        plan.retain(|planned| ids.insert(planned.id));
        let text = in_words(&plan);
        let written = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(&written.faults, &plan);
        prop_assert_eq!(in_words(&written.faults), text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ a-z0-9:,|#\\[\\]%.+-]{0,80}") {
        let _ = read(&text);
        let _ = read(&format!("at 1s: {text} for 5ms"));
        let _ = read(&format!("on {text}: crash n1 for 5ms"));
    }
}

#[test]
fn every_generated_plan_is_read_back_the_same() {
    for seed in 0..400 {
        let plan = generate(&Selection::All, &Decide::new(seed), &five());
        assert_eq!(read(&in_words(&plan)).expect("it was printed").faults, plan);
    }
}

#[test]
fn plans_are_read_as_people_write_them() {
    let text = "\
        # the old leader is deaf\n\
        \n\
        at 1.2s: isolate leader for 300ms   # and alone\n\
        on leader-elected nth 2: crash leader for 300ms\n\
        [9] on accepted-sent before sync of follower 1 nth 3 from 0.5s : crash it losing unsynced for 1s\n";
    let written = read(text).expect("a plan");
    insta::assert_snapshot!(in_words(&written.faults), @r"
    at 1.2s: isolate leader for 300ms
    on leader-elected nth 2: crash leader for 300ms
    [9] on accepted-sent before sync of follower 1 nth 3 from 500ms: crash it losing unsynced for 1s
    ");
    assert_eq!(written.check(&five()), Ok(()));
}

#[test]
fn hostile_texts_are_refused_with_their_place() {
    let refused = [
        "",
        "# nothing\n\n",
        "crash n1 for 3ms",
        "att 1s: crash n1 for 3ms",
        "at 1s crash n1 for 3ms",
        "at 1s: isloate n1 for 3ms",
        "at 1s: explode n1 for 3ms",
        "at 1s: crash n1",
        "at 1s: crash n1 for ever",
        "at 1s: crash n1 for -3ms",
        "at 1.2345s: crash n1 for 3ms",
        "at 99999999999999999999s: crash n1 for 3ms",
        "at 1: crash n1 for 3ms",
        "at 1s: crash n1 for 3ms now",
        "at 1s: crash leadr for 3ms",
        "at 1s: crash n0 for 3ms",
        "at 1s: crash follower 0 for 3ms",
        "at 1s: crash follower for 3ms",
        "at 1s: crash leader of grop 2 for 3ms",
        "at 1s: loss 120% on replies for 3ms",
        "at 1s: loss -1% on replies for 3ms",
        "at 1s: loss 5 on replies for 3ms",
        "at 1s: loss 5% everywhere for 3ms",
        "at 1s: delay 5ms on replies for 3ms",
        "at 1s: slow n1 by -5us for 3ms",
        "at 1s: slow n1 by 5ms for 3ms",
        "at 1s: clock-jump n1 by +99999999999999ms for 3ms",
        "at 1s: split n1 n2 for 3ms",
        "at 1s: client-crash n1 for 3ms",
        "at 1s: swizzle leader restore n1 for 3ms",
        "[1] at 1s: crash n1 for 3ms\n[1] at 2s: crash n1 for 3ms",
        "[-1] at 1s: crash n1 for 3ms",
        "on leader-elect: crash n1 for 3ms",
        "on chosen before lunch: crash n1 for 3ms",
        "on chosen of it: crash n1 for 3ms",
        "on chosen nth 0: crash n1 for 3ms",
        "on chosen nth -2: crash n1 for 3ms",
        "on chosen nth 99999999999: crash n1 for 3ms",
        "at 1s: crash n1 for 3ms\n\nat 2s: pause n9 n2 for 3ms",
    ];
    let errors: Vec<String> = refused
        .iter()
        .map(|text| format!("{text:?}\n  {}", read(text).expect_err("it means nothing")))
        .collect();
    insta::assert_snapshot!("hostile_words", errors.join("\n"));
}

#[test]
fn plans_that_do_not_fit_are_refused_with_their_line() {
    let refused = [
        "at 1s: crash n1 for 3ms\nat 2s: pause n6 for 3ms",
        "at 61s: crash n1 for 3ms",
        "at 59s: crash n1 for 2s",
        "at 1s: crash n1 for 0ms",
        "at 1s: client-crash c3 for 1ms",
        "at 1s: crash primary for 3ms",
        "at 1s: crash it for 3ms",
        "on chosen of n7: crash n1 for 3ms",
        "at 1s: split n1 | n1 for 3ms",
        "at 1s: delay 9ms..5ms on replies for 3ms",
        "at 1s: crash n1 for 1s\nat 1.1s: pause n1 for 100ms",
        "at 1s: wipe n2 for 1s\nat 1.5s: crash n2 for 500ms",
        "at 1s: isolate n1 for 1s\nat 1s: isolate n1 for 1s",
    ];
    let errors: Vec<String> = refused
        .iter()
        .map(|text| {
            let written = read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            format!("{text:?}\n  {}", written.check(&five()).expect_err("it does not fit"))
        })
        .collect();
    insta::assert_snapshot!("unfit_words", errors.join("\n"));
    // Overlaps that mean something are fine: effects add up, and a server starts when the last lets go.
    for text in [
        "at 1s: crash n1 for 1s\nat 1.5s: pause n1 for 1s",
        "at 1s: isolate n1 for 1s\nat 1s: crash n1 for 1s",
        "at 1s: crash-all for 1s\nat 1.1s: crash leader for 100ms",
    ] {
        assert_eq!(read(text).expect("a plan").check(&five()), Ok(()), "{text}");
    }
}
