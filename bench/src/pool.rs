//! Replays in sandbox processes: two at once against one after the other.

use std::{thread, time::Instant};

use anyhow::{Result, ensure};
use fog_verifier::sandbox::{
    Exit, Job,
    process::{RunnerConfig, RunnerPool},
};

use crate::meter::Reading;

const WORDCOUNT: &[u8] = include_bytes!("../../cli/guests/wordcount.wasm");
const REPLAYS: usize = 60;
const ROUNDS: usize = 5;

/// Seconds for all replays with so many processes and as many callers.
fn seconds(processes: usize, input: &[u8]) -> Result<f64> {
    let mut config = RunnerConfig::current_exe()?;
    config.children = processes;
    let pool = RunnerPool::start(config)?;
    let replay = || -> Result<()> {
        let outcome = pool.run(WORDCOUNT, Job::new(input))??;
        ensure!(outcome.exit == Exit::Success, "the guest ended as {:?}", outcome.exit);
        Ok(())
    };
    let all = |count: usize| -> Result<()> {
        thread::scope(|scope| {
            let callers = (0..processes)
                .map(|_| scope.spawn(|| (0..count / processes).try_for_each(|_| replay())));
            // All are started before the first is waited for.
            let callers = callers.collect::<Vec<_>>();
            callers.into_iter().try_for_each(|caller| {
                caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?
            })
        })
    };
    // Compiled, and every process started.
    all(2 * processes)?;
    let start = Instant::now();
    all(REPLAYS)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Wall time: it says something on a machine that does nothing else.
pub(crate) fn measure() -> Result<Reading> {
    let input = b"the fog market pays strangers for work ".repeat(4_000);
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        least.0 = least.0.min(seconds(2, &input)?);
        least.1 = least.1.min(seconds(1, &input)?);
    }
    let each = |total: f64| total * 1e3 / REPLAYS as f64;
    Ok(Reading {
        ours: each(least.0),
        theirs: each(least.1),
        unit: "ms",
        against: "one process",
        goal: 1.0 / 1.8,
        note: format!("throughput of two: {:.2} times that of one", least.1 / least.0),
    })
}
