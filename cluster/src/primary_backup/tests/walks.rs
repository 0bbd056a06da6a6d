//! Seeded random walks over the table: any letter may arrive next, twice, or never; any timer may run out; servers and
//! the view service crash and restart.
//!
//! Nothing that is ever emitted may break an invariant. Where no server crashes before the last crash has been noted,
//! all must come to rest after healing, and whatever was answered must be there.

use alloc::collections::BTreeSet;

use super::*;
use crate::digest::mix;

/// A source of small numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, choices: usize) -> usize {
        self.0 = mix(self.0.wrapping_add(0x9e37_79b9_7f4a_7c15));
        usize::try_from(self.0 % choices as u64).expect("small")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What came of a walk.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    answers: usize,
    crashes: usize,
    views: u64,
}

const SERVERS: [NodeId; 3] = [A, B, C];
/// Letters under way, at most: more of them are lost.
const LETTERS_MAX: usize = 60;

fn one_step(table: &mut Table, random: &mut Random, seqs: &mut u64, figures: &mut Figures, shelters: bool) {
    let server = SERVERS[random.below(SERVERS.len())];
    match random.below(100) {
        // Mostly in order, as networks do.
        0..55 if !table.letters.is_empty() => {
            let place = if random.chance(80) { 0 } else { random.below(table.letters.len()) };
            let letter = table.letters.remove(place);
            if random.chance(8) {
                table.letters.push(letter.clone());
            }
            if !random.chance(5) {
                table.hand(letter);
            }
        }
        0..75 => table.step(server, Input::Timer(HostTimer::Server(ServerTimer::Ping))),
        75..82 => table.step(server, Input::Timer(HostTimer::Server(ServerTimer::Resend))),
        82..88 => table.step(SERVICE, Input::Timer(HostTimer::ViewService(ViewTimer::Interval))),
        88..96 => {
            // Else a retry.
            *seqs += u64::from(*seqs == 0 || random.chance(70));
            let element = i64::try_from(*seqs).expect("small");
            let operation = Operation::Append { key: "k".into(), element };
            let request = Request { client: ClientId(7), seq: *seqs, operation };
            table.letters.push(Letter { from: CLIENT, to: server, message: Wire::Request(request) });
        }
        96 => {
            table.crash(SERVICE);
            table.boot(SERVICE);
        }
        _ => {
            let place = server.0 as usize - 1;
            if Host::may_stop(&table.running(), place, false).is_ok() {
                figures.crashes += 1;
                table.crash(server);
                if shelters {
                    let others: Vec<NodeId> = SERVERS.into_iter().filter(|other| *other != server).collect();
                    table.letters.retain(|letter| letter.from != server);
                    table.intervals(3, &others);
                }
                table.boot(server);
            }
        }
    }
    table.letters.truncate(LETTERS_MAX);
}

fn walk(seed: u64, bugs: &[Bug], shelters: bool) -> Result<Figures, alloc::string::String> {
    let (mut table, mut random) = (Table::settled(bugs), Random(seed));
    let (mut seqs, mut figures) = (0, Figures::default());
    for _ in 0..600 {
        one_step(&mut table, &mut random, &mut seqs, &mut figures, shelters);
        if let Some(breach) = table.breaches.first() {
            return Err(std::format!("seed {seed}: {breach}"));
        }
    }
    figures.views = table.view().map_or(0, |view| view.num);
    figures.answers = table.answers.len();
    let answered: BTreeSet<u64> = table.answers.iter().map(|(seq, _)| *seq).collect();
    table.deliver();
    table.intervals(12, &SERVERS);
    if let Some(breach) = table.breaches.first() {
        return Err(std::format!("seed {seed}, healed: {breach}"));
    }
    if !shelters {
        return Ok(figures);
    }
    if !Host::are_settled(&table.running()) {
        return Err(std::format!("seed {seed}: not at rest: {:?}", table.view()));
    }
    let primary = table.view().expect("it is at rest").primary.server;
    let list = table.list(primary);
    let is_there = |seq: &u64| list.iter().filter(|element| element.unsigned_abs() == *seq).count() == 1;
    if answered.iter().all(is_there) {
        Ok(figures)
    } else {
        Err(std::format!("seed {seed}: lost or doubled: {list:?}"))
    }
}

#[test]
fn random_walks_keep_every_invariant() {
    for shelters in [false, true] {
        let mut total = Figures::default();
        for seed in 0..400 {
            let figures = walk(seed, &[], shelters).unwrap_or_else(|failure| panic!("{failure}"));
            total.answers += figures.answers;
            total.crashes += figures.crashes;
            total.views += figures.views;
        }
        let happened = total.answers > 1_500 && total.crashes > 1_000 && total.views > 1_200;
        assert!(happened, "little happened: {total:?}, {shelters}");
    }
}

/// The same walks find the mistakes that servers and the view service can make.
#[test]
fn random_walks_find_planted_bugs() {
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().copied().filter(|bug| bug.layer() == crate::bugs::Layer::Views) {
        // The first two show only to clients; the last one needs pings that are later than a walk makes them.
        if matches!(bug, Bug::ReadNotForwarded | Bug::ViewCachedForEver | Bug::OldBootTaken) {
            continue;
        }
        let found = (0..400).any(|seed| walk(seed, &[bug], seed % 2 == 0).is_err());
        if !found {
            missed.push(bug);
        }
    }
    assert_eq!(missed, [], "missed");
}
