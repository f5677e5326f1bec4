//! Replays in sandbox processes: two at once against one after the other.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fog_verifier::sandbox::{
    Exit, Job,
    process::{RunnerConfig, RunnerPool},
};

use crate::meter::Reading;

const WORDCOUNT: &[u8] = include_bytes!("../../cli/guests/wordcount.wasm");
/// Replays each caller makes in a round: some three milliseconds, so that of many rounds a few are
/// let alone by whatever else the machine does.
const REPLAYS: u32 = 4;
const ROUNDS: u32 = 1_000;

/// A pool with as many callers as processes.
struct Side<'a> {
    pool: RunnerPool,
    processes: u32,
    input: &'a [u8],
}

impl<'a> Side<'a> {
    fn start(processes: u32, input: &'a [u8]) -> Result<Self> {
        let mut config = RunnerConfig::current_exe()?;
        config.children = processes as usize;
        let side = Self { pool: RunnerPool::start(config)?, processes, input };
        side.pool.compile(WORDCOUNT, &Job::new([]).limits)??;
        // A process is started when a caller finds none idle.
        while side.pool.idle_children().len() < processes as usize {
            side.round()?;
        }
        Ok(side)
    }

    fn replays(&self) -> Result<()> {
        for _ in 0..REPLAYS {
            let outcome = self.pool.run(WORDCOUNT, Job::new(self.input))??;
            ensure!(outcome.exit == Exit::Success, "the guest ended as {:?}", outcome.exit);
        }
        Ok(())
    }

    /// From the first caller's first question to the last one's last answer.
    fn round(&self) -> Result<Duration> {
        let ready = Barrier::new(self.processes as usize);
        thread::scope(|scope| {
            let call = || {
                ready.wait();
                let start = Instant::now();
                self.replays().map(|()| (start, Instant::now()))
            };
            // All are started before the first is waited for.
            let callers = (0..self.processes).map(|_| scope.spawn(call)).collect::<Vec<_>>();
            let mut whole: Option<(Instant, Instant)> = None;
            for caller in callers {
                let (start, end) =
                    caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
                let (first, last) = whole.unwrap_or((start, end));
                whole = Some((first.min(start), last.max(end)));
            }
            let (first, last) = whole.context("no caller")?;
            Ok(last - first)
        })
    }

    /// Milliseconds a replay takes of such a round.
    fn each(&self, round: Duration) -> f64 {
        round.as_secs_f64() * 1e3 / f64::from(REPLAYS * self.processes)
    }
}

/// Wall time: it says something on a machine that has a moment for us alone now and then.
pub(crate) fn measure() -> Result<Reading> {
    let input = b"the fog market pays strangers for work ".repeat(4_000);
    let (two, one) = (Side::start(2, &input)?, Side::start(1, &input)?);
    let mut least = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        least.0 = least.0.min(two.round()?);
        least.1 = least.1.min(one.round()?);
    }
    let (ours, theirs) = (two.each(least.0), one.each(least.1));
    Ok(Reading {
        ours,
        theirs,
        unit: "ms",
        against: "one process",
        goal: 1.0 / 1.8,
        note: format!("throughput of two: {:.2} times that of one", theirs / ours),
    })
}
