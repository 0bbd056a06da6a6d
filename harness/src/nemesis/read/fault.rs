//! A fault in words: its name, then what it needs. The other half of `describe.rs`, in the same order.

use super::super::fault::{Fault, Target};
use super::super::validate::{CLOCK_MS_MAX, COST_US_MAX, DRIFT_PPM_MAX};
use super::ReadError;
use super::line::{Line, nearest_of};
use crate::nemesis::catalogue::KINDS;

pub(super) fn fault(line: &mut Line<'_>) -> Result<Fault, ReadError> {
    let name = line.word("a fault, as in crash n1")?;
    let read = cut(name, line)?;
    if let Some(fault) = read {
        return Ok(fault);
    }
    if let Some(fault) = link(name, line)? {
        return Ok(fault);
    }
    if let Some(fault) = machine(name, line)? {
        return Ok(fault);
    }
    let place = line.complain(String::new());
    let Some(fault) = disk(name, line)? else {
        let mut names: Vec<&'static str> = KINDS.iter().map(|kind| kind.fault).collect();
        names.sort_unstable();
        names.dedup();
        let meant = nearest_of(name, &names);
        let message = format!("unknown fault {name:?}{meant}; known are {}", names.join(", "));
        return Err(ReadError { message, ..place });
    };
    Ok(fault)
}

fn cut(name: &str, line: &mut Line<'_>) -> Result<Option<Fault>, ReadError> {
    Ok(Some(match name {
        "isolate" => Fault::Isolate { target: line.target()?, clients: line.side()? },
        "split" => {
            let left = line.targets()?;
            line.expect("|")?;
            let right = if line.takes("rest") { Vec::new() } else { line.targets()? };
            Fault::Split { left, right, clients: line.side()? }
        }
        "ring" => Fault::Ring { clients: line.side()? },
        "bridge" => {
            line.expect("over")?;
            Fault::Bridge { over: line.target()?, clients: line.side()? }
        }
        "deaf" => Fault::Deaf { target: line.target()?, clients: line.side()? },
        "mute" => Fault::Mute { target: line.target()?, clients: line.side()? },
        "flapping" => {
            let target = line.target()?;
            line.expect("cut")?;
            let cut_ms = line.time()?;
            line.expect("connected")?;
            let connected_ms = line.time()?;
            Fault::Flapping { target, cut_ms, connected_ms, clients: line.side()? }
        }
        "client-cut" => {
            let clients = line.clients()?;
            line.expect("from")?;
            let server = if line.takes("all") {
                line.expect("servers")?;
                None
            } else {
                Some(line.target()?)
            };
            Fault::ClientCut { clients, server }
        }
        "swizzle" => {
            let cut = line.servers()?;
            line.expect("restore")?;
            Fault::Swizzle { cut, restore: line.servers()?, clients: line.side()? }
        }
        _ => return Ok(None),
    }))
}

fn link(name: &str, line: &mut Line<'_>) -> Result<Option<Fault>, ReadError> {
    Ok(Some(match name {
        "loss" | "duplication" | "reordering" | "corruption" => {
            let (ppm, links, kinds) = (line.percent()?, line.links()?, line.only()?);
            match name {
                "loss" => Fault::Loss { links, ppm, kinds },
                "duplication" => Fault::Duplication { links, ppm, kinds },
                "reordering" => Fault::Reordering { links, ppm, kinds },
                _ => Fault::Corruption { links, ppm, kinds },
            }
        }
        "delay" => {
            let (min_ms, max_ms) = line.times()?;
            Fault::Delay { links: line.links()?, min_ms, max_ms, kinds: line.only()? }
        }
        "filter" => {
            let kinds = line.kinds()?;
            Fault::Filter { links: line.links()?, kinds }
        }
        _ => return Ok(None),
    }))
}

fn machine(name: &str, line: &mut Line<'_>) -> Result<Option<Fault>, ReadError> {
    Ok(Some(match name {
        "crash" => Fault::Crash { target: line.target()?, loss: line.loss()? },
        "client-crash" => Fault::ClientCrash { client: line.client()? },
        "crash-loop" => {
            let target = line.target()?;
            line.expect("down")?;
            let down_ms = line.time()?;
            line.expect("up")?;
            Fault::CrashLoop { target, down_ms, up_ms: line.time()?, loss: line.loss()? }
        }
        "crash-all" => Fault::CrashAll { loss: line.loss()? },
        "rolling-restart" => {
            line.expect("down")?;
            Fault::RollingRestart { down_ms: line.time()?, loss: line.loss()? }
        }
        "pause" => Fault::Pause { target: line.target()? },
        "slow" => {
            let (target, cost) = (line.target()?, line.by("us", COST_US_MAX)?);
            let cost_us = u64::try_from(cost).map_err(|_| {
                line.complain("inputs cannot cost less than nothing: write by 250us".to_owned())
            })?;
            Fault::Slow { target, cost_us }
        }
        "clock-jump" => Fault::ClockJump { target: line.target()?, by_ms: line.by("ms", CLOCK_MS_MAX)? },
        "clock-drift" => {
            let (target, ppm) = (line.target()?, line.by("ppm", u64::from(DRIFT_PPM_MAX))?);
            Fault::ClockDrift { target, ppm: i32::try_from(ppm).expect("just bounded") }
        }
        "clock-strobe" => {
            let (target, by_ms) = (line.target()?, line.by("ms", CLOCK_MS_MAX)?);
            line.expect("every")?;
            Fault::ClockStrobe { target, by_ms, period_ms: line.time()? }
        }
        _ => return Ok(None),
    }))
}

fn disk(name: &str, line: &mut Line<'_>) -> Result<Option<Fault>, ReadError> {
    let slowed = |line: &mut Line<'_>| -> Result<(Target, u64), ReadError> {
        let target = line.target()?;
        line.expect("by")?;
        Ok((target, line.time()?))
    };
    Ok(Some(match name {
        "lose-unsynced" => {
            let (target, sync_ms) = slowed(line)?;
            Fault::LoseUnsynced { target, sync_ms }
        }
        "torn-write" => {
            let (target, sync_ms) = slowed(line)?;
            Fault::TornWrite { target, sync_ms }
        }
        "slow-sync" => {
            let (target, sync_ms) = slowed(line)?;
            Fault::SlowSync { target, sync_ms }
        }
        "lying-sync" => Fault::LyingSync { target: line.target()? },
        "failed-sync" => Fault::FailedSync { target: line.target()? },
        "bit-flip" => Fault::BitFlip { target: line.target()? },
        "truncate" => {
            let target = line.target()?;
            line.expect("by")?;
            let records = line.count("how many records", 1_000_000)?;
            line.expect("records")?;
            Fault::Truncate { target, records: u32::try_from(records).expect("just bounded") }
        }
        "disk-full" => Fault::DiskFull { target: line.target()? },
        "wipe" => Fault::Wipe { target: line.target()? },
        "reconfigure" => Fault::Reconfigure { change: line.change()? },
        "storm" => {
            let mut changes = vec![line.change()?];
            while line.takes(",") {
                changes.push(line.change()?);
            }
            Fault::Storm { changes }
        }
        _ => return Ok(None),
    }))
}
