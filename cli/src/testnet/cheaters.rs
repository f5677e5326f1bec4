//! `fog testnet cheaters`: what each kind of cheating brings.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use fog_harness::{
    cheaters::{CheatersReport, KINDS, report},
    soak::{self, SoakOptions, Watched},
};
use fog_protocol::RATE_ONE;

use super::soak::{GUEST, faults, watched};
use crate::output::{Output, failed, table};

/// Workers that do their work.
const HONEST: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct CheatersArgs {
    /// Tasks, all kinds together.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    tasks: u32,
    /// Tasks posted a second.
    #[arg(long, default_value_t = 12.0, value_name = "RATE", value_parser = super::soak::rate)]
    tasks_per_second: f64,
    /// Share of results that is drawn, 0.001 to 1.
    #[arg(long, default_value_t = 0.25, value_parser = crate::args::rate)]
    audit_rate: f64,
    /// Results of each kind that say something; fewer fail the run.
    #[arg(long, default_value_t = 20)]
    least: u64,
    /// Seed of keys and tasks, and of the order of faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong besides: `none`, `all`, or a list as of `fog testnet soak`.
    #[arg(long, default_value = "none", value_name = "LIST")]
    faults: String,
    /// Keep the network's files here instead of a temporary folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) async fn cheaters(args: CheatersArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let (faults, _) = faults(&args.faults)?;
    let temporary = tempfile::Builder::new().prefix("fog-cheaters-").tempdir()?;
    let data = match &args.data {
        Some(data) => crate::files::empty_folder(data)?,
        None => temporary.path().to_owned(),
    };
    let options = SoakOptions {
        rate: args.tasks_per_second,
        seconds: Duration::from_secs_f64(f64::from(args.tasks) / args.tasks_per_second),
        workers: u32::try_from(HONEST + KINDS.len())?,
        rate_ppm: (args.audit_rate * f64::from(RATE_ONE)).round() as u32,
        seed: args.seed,
        faults,
        cheaters: KINDS.to_vec(),
        // Who is caught is believed again at once: what is measured is the draw.
        watched: Watched { probation: 0, flag_audits: 1 },
        inputs: args.tasks as usize,
        guest: GUEST.to_vec(),
        data,
        program: std::env::current_exe().context("cannot find this program's own file")?,
    };
    let soak = watched(output, |say| soak::run(options, say)).await?;
    let found = report(soak, args.audit_rate, args.least);
    output.document(&found, || text(&found))?;
    Ok(if found.ok { ExitCode::SUCCESS } else { failed() })
}

fn text(found: &CheatersReport) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut rows = table([
        "KIND",
        "TASKS",
        "RESULTS",
        "DRAWN",
        "SHARE",
        "LIKELY (95 %)",
        "SLASHED",
        "UNPAID",
        "PAID",
        "PROFIT A TASK",
    ]);
    for row in &found.rows {
        let (low, high) = row.likely;
        rows.add_row([
            row.kind.clone(),
            row.tasks.to_string(),
            row.committed.to_string(),
            row.drawn.to_string(),
            percent(row.drawn_share),
            format!("{} to {}", percent(low), percent(high)),
            row.slashed.to_string(),
            row.refunded.to_string(),
            row.paid.to_string(),
            format!("{:+.6} GRAM", row.profit_per_task / 1e9),
        ]);
    }
    let verdict = if found.ok {
        "OK: every drawn wrong result was slashed, as many were drawn as the rate says, every kind \
         of cheating lost money, and no honest worker was slashed."
            .to_owned()
    } else {
        format!("FAILED:\n  {}", found.failures.join("\n  "))
    };
    format!(
        "\n{rows}\n\n{} tasks in {} s at an audit rate of {}; seed {}\n\n{verdict}",
        found.soak.posted,
        found.soak.seconds,
        percent(found.audit_rate),
        found.soak.seed,
    )
}
