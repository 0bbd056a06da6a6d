//! What the network decides: cuts, effects, and that decisions hang on the point and not on what happened before.

use squall_workloads::Decide;

use crate::nemesis::{Endpoint, LinkEffect};

use super::network::{Arrival, Fate, Latency, Network};
use super::tally::{Kind, Tally};

const ONE: Endpoint = Endpoint::Server(0);
const TWO: Endpoint = Endpoint::Server(1);

fn network() -> Network {
    Network::new(2, 1, Latency { min_ms: 1, max_ms: 5 })
}

fn kind(name: &'static str) -> Kind {
    Tally::default().kind(name)
}

fn send(network: &mut Network, now_ms: u64) -> Fate {
    network.decide(&Decide::new(1), (ONE, TWO), kind("accept"), now_ms, true)
}

fn first(fate: &Fate) -> &Arrival {
    fate.arrivals().next().expect("it arrives")
}

fn worsened(effect: LinkEffect) -> Network {
    let mut network = network();
    network.worsen(3, ONE, TWO, &effect);
    network
}

#[test]
fn an_undisturbed_message_arrives_once_and_within_the_latency() {
    let mut network = network();
    for now_ms in 0..100 {
        let fate = send(&mut network, now_ms);
        assert_eq!(fate.arrivals().count(), 1);
        assert!((1..=5).contains(&first(&fate).after_ms) && fate.causes.is_empty());
    }
}

#[test]
fn a_cut_is_one_way_and_ends_with_its_fault_alone() {
    let mut network = network();
    network.cut(3, ONE, TWO);
    network.cut(4, ONE, TWO);
    assert!(send(&mut network, 1).arrivals().next().is_none());
    let back = network.decide(&Decide::new(1), (TWO, ONE), kind("accept"), 1, true);
    assert_eq!(back.arrivals().count(), 1);
    network.lift(3);
    assert_eq!(network.cut_by(ONE, TWO), Some(4));
    network.lift(4);
    assert_eq!(send(&mut network, 2).arrivals().count(), 1);
}

#[test]
fn each_effect_bites_and_names_its_fault() {
    let always = 1_000_000;
    let lost = send(&mut worsened(LinkEffect { loss_ppm: always, ..LinkEffect::default() }), 1);
    assert!(lost.arrivals().next().is_none() && lost.causes == [3]);
    let twice = send(&mut worsened(LinkEffect { duplicate_ppm: always, ..LinkEffect::default() }), 1);
    assert!(twice.arrivals().count() == 2 && twice.causes == [3]);
    let slow = LinkEffect { delay_min_ms: 50, delay_max_ms: 60, ..LinkEffect::default() };
    let late = send(&mut worsened(slow), 1);
    assert!(first(&late).after_ms > 50 && late.delayed && late.causes == [3]);
    let damaged = send(&mut worsened(LinkEffect { corrupt_ppm: always, ..LinkEffect::default() }), 1);
    assert!(first(&damaged).corrupt.is_some() && damaged.causes == [3]);
    let held_back = send(&mut worsened(LinkEffect { reorder_ppm: always, ..LinkEffect::default() }), 1);
    assert!(held_back.delayed && held_back.causes == [3]);
}

#[test]
fn a_filter_spares_other_kinds() {
    let only = LinkEffect { loss_ppm: 1_000_000, kinds: vec!["promise".into()], ..LinkEffect::default() };
    assert_eq!(send(&mut worsened(only), 1).arrivals().count(), 1);
}

#[test]
fn a_decision_hangs_on_its_point_and_not_on_what_was_sent_before() {
    let mut busy = network();
    for now_ms in 0..50 {
        busy.decide(&Decide::new(1), (ONE, TWO), kind("heartbeat"), now_ms, true);
    }
    assert_eq!(send(&mut busy, 50), send(&mut network(), 50));
}
