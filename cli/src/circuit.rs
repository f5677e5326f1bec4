//! `fog circuit`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use fog_circuits::{Keys, PROGRAMS, local_verifying_key, program};
use fog_contracts::proof::VerifyingKey;
use fog_protocol::Hash32;
use serde::Serialize;

use crate::{
    args::{CircuitArgs, CircuitCommand},
    files,
    output::{Output, table, usage},
    settings::Settings,
};

const MAX_KEY: u64 = 4 << 10;

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    input_bytes: usize,
    result_bytes: usize,
    /// Hash of the verifying key that every local network knows.
    local: Option<Hash32>,
    /// Hash of the verifying key in the folder.
    own: Option<Hash32>,
}

#[derive(Serialize)]
struct Made {
    circuit: Hash32,
    proving_key: PathBuf,
    verifying_key: PathBuf,
}

pub(crate) fn circuit(
    args: CircuitArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        CircuitCommand::Ls => list(settings, output),
        CircuitCommand::Setup { name, local, out } => {
            let folder = out.unwrap_or_else(|| settings.circuits.clone());
            setup(&name, local, folder, output)
        }
    }
}

fn hash(key: &[u8]) -> anyhow::Result<Hash32> {
    Ok(VerifyingKey::from_ark_bytes(key)?.hash()?)
}

fn list(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let mut shown = Vec::new();
    for program in PROGRAMS {
        let own = settings.circuits.join(format!("{}.vk", program.name()));
        shown.push(Shown {
            name: program.name(),
            input_bytes: program.input_bytes(),
            result_bytes: program.result_bytes(),
            local: local_verifying_key(program).map(hash).transpose()?,
            own: if own.exists() { Some(hash(&files::read(&own, MAX_KEY)?)?) } else { None },
        });
    }
    output.document(&shown, || {
        let mut circuits = table(["CIRCUIT", "INPUT", "RESULT", "OWN KEY", "LOCAL ONLY KEY"]);
        let text = |hash: &Option<Hash32>| hash.map(|hash| hash.to_string()).unwrap_or_default();
        for circuit in &shown {
            circuits.add_row([
                circuit.name.to_owned(),
                format!("{} bytes", circuit.input_bytes),
                format!("{} bytes", circuit.result_bytes),
                text(&circuit.own),
                text(&circuit.local),
            ]);
        }
        circuits.to_string()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn setup(name: &str, local: bool, folder: PathBuf, output: &Output) -> anyhow::Result<ExitCode> {
    let Some(program) = program(name) else {
        return Err(usage(format!("there is no circuit `{name}`: see `fog circuit ls`")));
    };
    output.note("making the keys: this takes some seconds");
    let keys = if local { Keys::local(program) } else { Keys::fresh(program) }?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    // Local keys have names of their own, so that nobody takes them for a setup's.
    let stem = if local { format!("{name}.local") } else { name.to_owned() };
    let verifying = keys.verifying()?;
    let made = Made {
        circuit: hash(&verifying)?,
        proving_key: folder.join(format!("{stem}.pk")),
        verifying_key: folder.join(format!("{stem}.vk")),
    };
    files::write(&made.proving_key, &keys.to_bytes()?)?;
    files::write(&made.verifying_key, &verifying)?;
    output.document(&made, || {
        let warning = if local {
            "LOCAL ONLY: everybody knows what these keys were made from, and can forge proofs."
        } else {
            "What they were made from is forgotten; who relies on them trusts that it is."
        };
        format!(
            "circuit        {}\nproving key    {}\nverifying key  {}\n{warning}",
            made.circuit,
            made.proving_key.display(),
            made.verifying_key.display(),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
