//! `fog testnet scenario`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use fog_harness::scenario::{
    self, FormatError, MAX_BYTES, Moment, Scenario, ScenarioOptions, ScenarioReport,
};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::{
    files,
    output::{Output, failed, usage},
};

const GUEST: &[u8] = include_bytes!("../../guests/wordcount.wasm");
const MOST_AT_ONCE: u16 = 16;

#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// Scenario files, or names of shipped ones; `all` is every shipped one.
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "schema"])]
    files: Vec<String>,
    /// Seed of accounts, matching and draws, instead of the scenario's own.
    #[arg(long)]
    seed: Option<u64>,
    /// Run so many at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// Keep the networks' files here, in a folder for each scenario.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// List the shipped scenarios.
    #[arg(long, conflicts_with_all = ["files", "schema"])]
    list: bool,
    /// Print the JSON Schema of scenario files.
    #[arg(long, conflicts_with = "files")]
    schema: bool,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    about: String,
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    scenarios: &'a [ScenarioReport],
}

pub(crate) async fn scenario(args: ScenarioArgs, output: &Output) -> anyhow::Result<ExitCode> {
    if args.schema {
        output.raw(format!("{:#}\n", scenario::schema()).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        return list(output);
    }
    // All of them are read before the first one runs.
    let scenarios =
        named(&args.files)?.iter().map(|name| load(name)).collect::<Result<Vec<_>, _>>()?;
    // Dropped, and with it deleted, at the end.
    let temporary = tempfile::Builder::new().prefix("fog-scenario-").tempdir()?;
    let folder = args.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let live = args.jobs == 1;
    let runs = scenarios.iter().enumerate().map(|(index, scenario)| {
        let data = folder.join(format!("{index:02}-{}", scenario.name));
        let program = program.clone();
        async move {
            prepare(&data)?;
            // Processes run elsewhere: a path that holds anywhere.
            let data = data.canonicalize()?;
            let guest = GUEST.to_vec();
            let options = ScenarioOptions { seed: args.seed, data, program, guest };
            if live {
                show(output, &title(scenario));
            }
            let watch = |moment: &Moment| {
                if live {
                    show(output, &line(moment));
                }
            };
            let report = scenario::run(scenario, &options, &watch).await;
            if live {
                show(output, &ending(&report));
            } else {
                show(output, &whole(scenario, &report));
            }
            anyhow::Ok(report)
        }
    });
    let runs = futures_util::stream::iter(runs).buffered(args.jobs.min(MOST_AT_ONCE).into());
    let reports = tokio::select! {
        reports = runs.collect::<Vec<_>>() => reports,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    let reports = reports.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let ok = reports.iter().all(|report| report.ok);
    output.document(&Document { ok, scenarios: &reports }, || summary(&reports))?;
    Ok(if ok { ExitCode::SUCCESS } else { failed() })
}

/// Text for people, at once; with `--json` there is the one document alone.
fn show(output: &Output, text: &str) {
    if output.is_json() {
        return;
    }
    // A story goes on when nobody can hear it; the summary's error is the one that counts.
    if let Err(error) = output.raw(format!("{text}\n").as_bytes()) {
        tracing::debug!(%error, "nobody reads this");
    }
}

fn prepare(data: &std::path::Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    if std::fs::read_dir(data)?.next().is_some() {
        let shown = data.display();
        return Err(usage(format!("{shown} is not empty: a scenario starts from nothing")));
    }
    Ok(())
}

fn list(output: &Output) -> anyhow::Result<ExitCode> {
    let mut listed = Vec::new();
    for shipped in scenario::shipped() {
        let Scenario { name, about, .. } = scenario::parse(shipped.name, shipped.text)?;
        listed.push(Listed { name, about });
    }
    output.document(&listed, || {
        let lines = listed.iter().map(|one| format!("{:24} {}", one.name, one.about));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `all` stands for every shipped scenario.
fn named(files: &[String]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in files {
        if file == "all" {
            names.extend(scenario::shipped().iter().map(|shipped| shipped.name.to_owned()));
        } else {
            names.push(file.clone());
        }
    }
    Ok(names)
}

/// A shipped scenario's name, or a file.
fn load(name: &str) -> anyhow::Result<Scenario> {
    let malformed = |error: FormatError| usage(error.to_string());
    if let Some(shipped) = scenario::shipped().iter().find(|shipped| shipped.name == name) {
        return scenario::parse(name, shipped.text).map_err(malformed);
    }
    let path = PathBuf::from(name);
    if !path.exists() {
        return Err(usage(format!(
            "{name}: no such file, and no shipped scenario: see `fog testnet scenario --list`"
        )));
    }
    let bytes = files::read(&path, MAX_BYTES as u64)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| usage(format!("{name}: not UTF-8 text ({error}): save it as UTF-8")))?;
    scenario::parse(name, &text).map_err(malformed)
}

fn title(scenario: &Scenario) -> String {
    format!("\n== {}\n   {}\n", scenario.name, scenario.about)
}

fn line(moment: &Moment) -> String {
    let (minutes, seconds) = (moment.at / 60, moment.at % 60);
    format!("  {minutes:>7}:{seconds:02}  {}", moment.what)
}

fn ending(report: &ScenarioReport) -> String {
    let mut lines = vec![String::new()];
    for finding in &report.findings {
        let mark = if finding.held { "held  " } else { "FAILED" };
        lines.push(format!("  {mark}  {}  ({})", finding.what, finding.found));
    }
    if let Some(error) = &report.error {
        lines.push(format!("  BROKE OFF  {error}"));
    }
    lines.join("\n")
}

fn whole(scenario: &Scenario, report: &ScenarioReport) -> String {
    let mut lines = vec![title(scenario)];
    lines.extend(report.timeline.iter().map(line));
    lines.push(ending(report));
    lines.join("\n")
}

fn summary(reports: &[ScenarioReport]) -> String {
    let mut lines = vec![String::new()];
    for report in reports {
        let held = report.findings.iter().filter(|finding| finding.held).count();
        lines.push(format!(
            "{}  {:24} {held} of {} held, {}.{} s, seed {}",
            if report.ok { "OK    " } else { "FAILED" },
            report.name,
            report.findings.len(),
            report.millis / 1000,
            report.millis % 1000 / 100,
            report.seed,
        ));
    }
    lines.join("\n")
}
