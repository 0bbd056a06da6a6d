//! Forged certificates: perturbed ones, and ones that claim the opposite. Whatever then claims a falsehood must be
//! refused.

use squall_checker::certificate::{Certificate, Proof, Reduction};
use squall_checker::{CheckOutcome, Completion, History, OpId, Spec, Value, Verdict, verify, verify_all};

use super::common::Random;

/// How many certificates were forged, and how many of these were refused.
#[derive(Debug, Default)]
pub(crate) struct Forged {
    pub(crate) tried: u64,
    pub(crate) refused: u64,
}

impl Forged {
    /// Forges certificates for the key of a history, if it has only one, of which it is known whether it is legal.
    pub(crate) fn forge<S: Spec>(
        &mut self,
        spec: &S,
        history: &History<S::Op, S::Ret>,
        (outcome, legal): (&CheckOutcome, bool),
        random: &mut Random,
    ) {
        let [partition] = outcome.partitions.as_slice() else { return };
        let Some(certificate) = partition.certificate.as_ref() else { return };
        let ids: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
        for _ in 0..4 {
            let mut order = match &certificate.proof {
                Proof::Order(order) => order.clone(),
                Proof::Reductions(_) => shuffled(&ids, random),
            };
            perturb(&mut order, &ids, random);
            let truth = is_legal(spec, history, &order);
            assert!(legal || !truth);
            self.expect(spec, history, certificate, Proof::Order(order), truth);
            let mut reductions = match &certificate.proof {
                Proof::Order(_) => everything(spec, history, random),
                Proof::Reductions(reductions) => reductions.clone(),
            };
            perturb_reductions(&mut reductions, &ids, random);
            let proof = Proof::Reductions(reductions);
            if legal {
                self.expect(spec, history, certificate, proof, false);
            }
        }
        let mut lie = outcome.clone();
        lie.partitions[0].verdict =
            if outcome.partitions[0].verdict == Verdict::Invalid { Verdict::Valid } else { Verdict::Invalid };
        assert!(verify_all(spec, history, &lie).is_err(), "another verdict with the same certificate");
        lie.partitions.clear();
        assert!(verify_all(spec, history, &lie).is_err(), "no verdict at all");
    }

    fn expect<S: Spec>(
        &mut self,
        spec: &S,
        history: &History<S::Op, S::Ret>,
        honest: &Certificate,
        proof: Proof,
        truth: bool,
    ) {
        let certificate = Certificate { proof, ..honest.clone() };
        let answer = verify(spec, history, &certificate);
        assert_eq!(answer.is_ok(), truth, "{certificate:?}: {answer:?} of {history:#?}");
        self.tried += 1;
        self.refused += u64::from(!truth);
    }
}

fn shuffled(ids: &[OpId], random: &mut Random) -> Vec<OpId> {
    let mut order = ids.to_vec();
    for at in (1..order.len()).rev() {
        order.swap(at, random.pick(at + 1));
    }
    order
}

/// Swaps, leaves out, doubles, replaces or adds.
fn perturb(order: &mut Vec<OpId>, ids: &[OpId], random: &mut Random) {
    let any = ids[random.pick(ids.len())];
    let at = random.pick(order.len() + 1);
    if order.is_empty() || at == order.len() {
        order.push(any);
        return;
    }
    let other = random.pick(order.len());
    match random.below(6) {
        0 | 1 => order.swap(at, other),
        2 => drop(order.remove(at)),
        3 => order.insert(at, order[other]),
        4 => order[at] = if random.one_in(4) { OpId(any.0 + 100) } else { any },
        _ => order.insert(at, any),
    }
}

/// Reductions that keep much: what they leave of a legal history is legal.
fn everything<S: Spec>(spec: &S, history: &History<S::Op, S::Ret>, random: &mut Random) -> Vec<Reduction> {
    let owned: Vec<_> = history.iter().map(|(id, operation)| (id, operation.clone())).collect();
    let ids: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
    let mut some = || ids.iter().copied().filter(|_| !random.one_in(3)).collect();
    let mut all = vec![
        Reduction::ReadOnly { kept: some() },
        Reduction::Blind { kept: some() },
        Reduction::Overwritten,
        Reduction::Unseen { kept: some() },
    ];
    let units = spec.units(&owned, &ids);
    if !units.is_empty() {
        all.push(Reduction::Only { units });
    }
    all
}

/// Cuts elsewhere, keeps or erases more or less, does things in another order or not at all.
fn perturb_reductions(reductions: &mut Vec<Reduction>, ids: &[OpId], random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if reductions.is_empty() || random.one_in(8) {
            reductions.push(Reduction::Until { stamp: random.below(30) });
        }
        let (at, other) = (random.pick(reductions.len()), random.pick(reductions.len()));
        match random.below(8) {
            0 => reductions.swap(at, other),
            1 => drop(reductions.remove(at)),
            2 => reductions.insert(other, reductions[at].clone()),
            _ => match &mut reductions[at] {
                Reduction::Until { stamp } => *stamp = random.below(30),
                Reduction::ReadOnly { kept } | Reduction::Blind { kept } | Reduction::Unseen { kept } => {
                    if !kept.is_empty() && random.one_in(2) {
                        kept.remove(random.pick(kept.len()));
                    } else {
                        kept.push(ids[random.pick(ids.len())]);
                        kept.sort_unstable();
                    }
                }
                Reduction::Overwritten => {}
                Reduction::Only { units } => {
                    if !units.is_empty() && !random.one_in(4) {
                        units.remove(random.pick(units.len()));
                    } else {
                        units.push(Value::Int(i64::try_from(random.below(4)).unwrap()));
                    }
                }
            },
        }
    }
}

/// Whether an order is a proof, found out in the plainest way.
fn is_legal<S: Spec>(spec: &S, history: &History<S::Op, S::Ret>, order: &[OpId]) -> bool {
    let mut state = spec.init();
    for (position, id) in order.iter().enumerate() {
        let Some(operation) = history.operations().get(id.index()) else { return false };
        let before = &order[..position];
        let out_of_turn = before.iter().any(|other| other == id || operation.precedes(history.get(*other)));
        if out_of_turn || operation.completion == Completion::Fail {
            return false;
        }
        let Some(next) = spec.step(&state, &operation.op, operation.ret()) else { return false };
        state = next;
    }
    history.iter().all(|(id, operation)| operation.ret().is_none() || order.contains(&id))
}
