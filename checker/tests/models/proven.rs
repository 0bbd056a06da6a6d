//! Verdicts of checks that have verifiers of their own: their certificates prove them, and nothing else.

use squall_checker::{Bounds, CheckOutcome, NotProven, Proof, Reduction, Verdict};

use crate::common::Random;

/// What asks for certificates.
pub(crate) fn certified() -> Bounds<'static> {
    Bounds { certificates: true, ..Bounds::default() }
}

/// That an outcome's certificates prove it; and that they do not if something is changed that they are about.
pub(crate) fn only_the_truth_is_proven(
    outcome: &CheckOutcome,
    random: &mut Random,
    verify: impl Fn(&CheckOutcome) -> Result<(), NotProven>,
) {
    verify(outcome).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"));
    let refused = |change: &dyn Fn(&mut CheckOutcome)| {
        let mut lie = outcome.clone();
        change(&mut lie);
        assert!(lie == *outcome || verify(&lie).is_err(), "{lie:#?}");
    };
    let other = |verdict| if verdict == Verdict::Invalid { Verdict::Valid } else { Verdict::Invalid };
    refused(&|lie| lie.verdict = other(lie.verdict));
    let Some(at) = outcome.partitions.len().checked_sub(1).map(|last| random.pick(last + 1)) else { return };
    refused(&|lie| lie.partitions[at].verdict = other(lie.partitions[at].verdict));
    refused(&|lie| lie.partitions[at].certificate = None);
    refused(&|lie| drop(lie.partitions.remove(at)));
    refused(&|lie| match &mut lie.partitions[at].certificate.as_mut().unwrap().proof {
        // What completed is missing, if anything did.
        Proof::Order(order) if outcome.verdict != Verdict::Vacuous => order.clear(),
        Proof::Order(_) => {}
        // The witnesses are.
        Proof::Reductions(reductions) => reductions.iter_mut().for_each(|reduction| match reduction {
            Reduction::ReadOnly { kept } | Reduction::Blind { kept } => kept.clear(),
            other => panic!("{other:?}"),
        }),
    });
}
