//! `squall bench`: how fast the simulators are, side by side in one run.

use std::ops::Range;

use clap::Args;

use crate::clocks::processor_of_thread;
use crate::soak::{Speed, speeds};
use crate::trial::Simulator;

use super::console::Console;
use super::exit::Exit;
use super::flags::{self, ExperimentFlags, OutputFlags};
use super::progress::Progress;

/// Measure how fast the simulators are, side by side on the same plans.
#[derive(Args, Debug)]
pub(crate) struct BenchCommand {
    #[command(flatten)]
    experiment: ExperimentFlags,
    /// The seeds, from A up to but without B
    #[arg(long, value_name = "A..B", value_parser = flags::seeds, default_value = "0..20")]
    seeds: Range<u64>,
    #[command(flatten)]
    output: OutputFlags,
}

/// A row of `--json`; the order of its fields is that of the keys.
#[derive(serde::Serialize)]
struct SpeedLine {
    simulator: Simulator,
    seeds: u64,
    cpu_ms: u64,
    seeds_per_cpu_minute: u64,
    messages_per_cpu_second: u64,
    completed_operations_per_seed_median: u64,
    simulated_ms: u64,
}

#[derive(serde::Serialize)]
struct BenchLine {
    schema: u32,
    mode: String,
    workload: String,
    speeds: Vec<SpeedLine>,
    event_loop_times_turmoil: f64,
}

impl BenchCommand {
    pub(crate) fn execute(self) -> anyhow::Result<Exit> {
        let console = self.output.console();
        let wanted = self.experiment.wanted();
        anyhow::ensure!(
            wanted.simulator.is_none(),
            "--simulator cannot be chosen here: all of them are measured"
        );
        let experiment = wanted.experiment()?;
        let mut progress = Progress::new(&console, "seeds", self.seeds.end - self.seeds.start);
        let measured = speeds(&experiment, self.seeds.clone(), &processor_of_thread, &mut || {
            progress.step(|| "in each simulator".into());
        });
        progress.finish();
        let measured = measured?;
        let config = experiment.config();
        let ratio = ratio(&measured);
        console.heading(&format!(
            "{} {}, {} nodes, {} clients, {} ms, faults {}: checks included, one thread",
            config.mode, config.workload, config.nodes, config.clients, config.duration_ms, config.nemesis
        ));
        table(&console, &measured);
        console.say(format!(
            "the event loop runs {ratio:.1} times as many seeds per processor minute as turmoil"
        ));
        if self.output.json {
            console.json(&BenchLine {
                schema: 1,
                mode: config.mode.clone(),
                workload: config.workload.clone(),
                speeds: measured.iter().map(line).collect(),
                event_loop_times_turmoil: (ratio * 10.0).round() / 10.0,
            })?;
        }
        Ok(Exit::Valid)
    }
}

fn ratio(speeds: &[Speed]) -> f64 {
    let seconds = |simulator: Simulator| {
        let of = speeds.iter().find(|speed| speed.simulator == simulator);
        of.map_or(0.0, |speed| speed.cpu.as_secs_f64())
    };
    let event_loop = seconds(Simulator::EventLoop);
    if event_loop > 0.0 { seconds(Simulator::Turmoil) / event_loop } else { 0.0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates for people")]
fn line(speed: &Speed) -> SpeedLine {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    SpeedLine {
        simulator: speed.simulator,
        seeds: speed.seeds,
        cpu_ms: millis(speed.cpu),
        seeds_per_cpu_minute: speed.per_cpu_minute(speed.seeds) as u64,
        messages_per_cpu_second: (speed.per_cpu_minute(speed.messages) / 60.0) as u64,
        completed_operations_per_seed_median: speed.completed.p50,
        simulated_ms: millis(speed.simulated),
    }
}

fn table(console: &Console, speeds: &[Speed]) {
    console.say(format!(
        "{:<12} {:>6} {:>10} {:>18} {:>20} {:>16} {:>20}",
        "simulator",
        "seeds",
        "CPU s",
        "seeds per CPU min",
        "messages per CPU s",
        "ops ok (median)",
        "simulated s per CPU s"
    ));
    for speed in speeds {
        let seconds = speed.cpu.as_secs_f64();
        console.say(format!(
            "{:<12} {:>6} {:>10.2} {:>18.0} {:>20.0} {:>16} {:>20.0}",
            speed.simulator.name(),
            speed.seeds,
            seconds,
            speed.per_cpu_minute(speed.seeds),
            speed.per_cpu_minute(speed.messages) / 60.0,
            speed.completed.p50,
            speed.simulated.as_secs_f64() / seconds.max(1e-9)
        ));
    }
}
