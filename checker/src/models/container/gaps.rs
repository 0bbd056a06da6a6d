//! When a container can have been empty: the stamps at which no element is inside for sure.
//!
//! An element is inside for sure strictly between the end of its insertion and the beginning of its removal. Where
//! such spans overlap there is always something inside, whatever the order; where none is, the container can be
//! empty, for every element can be placed wholly before or wholly after (Henzinger, Sezgin and Vafeiadis,
//! "Aspect-oriented linearizability proofs", CONCUR 2013, for queues). Each removal that found nothing needs such a
//! stamp. Stamps are whole numbers and spans are open, so that one exists exactly if one is a whole number.

use super::input::{Element, Empty};
use super::refutation::{Refutation, Witness};

/// The earliest stamp of each removal that found nothing; all orders of the other operations allow these.
pub(super) fn stamps(elements: &[Element], empties: &[Empty]) -> Result<Vec<u64>, Refutation> {
    if empties.is_empty() {
        return Ok(Vec::new());
    }
    let mut spans: Vec<(u64, u64)> = lasting(elements).map(|(_, from, until)| (from, until)).collect();
    spans.sort_unstable();
    // Times without any span, from and until, both included.
    let mut gaps = Vec::new();
    let mut end = 0;
    for (from, until) in spans {
        if from >= end {
            gaps.push((end, from));
        }
        end = end.max(until);
    }
    gaps.push((end, u64::MAX));
    let mut gaps = gaps.into_iter().peekable();
    let stamp = |empty: &Empty| {
        while gaps.next_if(|(_, until)| *until < empty.invoked).is_some() {}
        let from = gaps.peek().expect("the last one has no end").0.max(empty.invoked);
        if from <= empty.returned { Ok(from) } else { Err(never_empty(elements, empty)) }
    };
    empties.iter().map(stamp).collect()
}

/// As few elements as possible that overlap from before `empty` until after it.
fn never_empty(elements: &[Element], empty: &Empty) -> Refutation {
    let (mut chain, mut reached) = (Vec::new(), 0);
    let mut limit = empty.invoked;
    while reached <= empty.returned {
        let (element, _, until) = lasting(elements)
            .filter(|(_, from, _)| *from < limit)
            .max_by_key(|(_, _, until)| *until)
            .expect("something was always inside");
        assert!(until > reached, "something was always inside");
        (limit, reached) = (until, until);
        chain.push(Witness::of(element));
    }
    Refutation::NeverEmpty { empty: empty.index, chain }
}

fn lasting(elements: &[Element]) -> impl Iterator<Item = (&Element, u64, u64)> {
    let lasting = elements.iter().filter(|element| element.lasts());
    lasting.map(|element| (element, element.in_until, element.out_from))
}
