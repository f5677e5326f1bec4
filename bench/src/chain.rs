//! The embedded chain's executor against `@ton/sandbox`'s, on the same recorded messages.

use std::{fs, hint::black_box, path::Path};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use fog_tvm::{Config, Inbound, execute, executor_params};
use serde::Deserialize;
use tycho_types::{
    boc::Boc,
    cell::HashBytes,
    models::{IntAddr, MsgInfo, ShardAccount, StdAddr},
};

use crate::{
    meter::{Reading, timed},
    peer::{Peer, root},
};

/// Rounds; in each both sides run all messages so many times.
const ROUNDS: usize = 20;
/// One pass of ours is over in a millisecond: most of that would be caches that the other side has
/// emptied in its turn, and a chain does not start anew with each message.
const PASSES: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    label: String,
    now: u32,
    lt: String,
    random_seed: Option<String>,
    message: String,
    shard_account: String,
    ok: bool,
    transaction: Option<String>,
}

/// A message as it comes in, for an account as the chain holds it.
struct Call {
    now: u32,
    lt: u64,
    seed: HashBytes,
    message: Vec<u8>,
    account: ShardAccount,
    address: StdAddr,
    kind: Inbound,
    transaction: HashBytes,
}

fn calls(file: &Path, label: &str) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    for line in fs::read_to_string(file)?.lines() {
        let recording: Recording = serde_json::from_str(line)?;
        if !recording.ok || !recording.label.contains(label) {
            continue;
        }
        let message = STANDARD.decode(&recording.message)?;
        let (kind, address) = match Boc::decode(&message)?.parse::<MsgInfo>()? {
            MsgInfo::Int(info) => (Inbound::Internal, info.dst),
            MsgInfo::ExtIn(info) => (Inbound::External, info.dst),
            MsgInfo::ExtOut(_) => anyhow::bail!("an outbound message"),
        };
        let IntAddr::Std(address) = address else { anyhow::bail!("a variable address") };
        let transaction = recording.transaction.context("no transaction")?;
        calls.push(Call {
            now: recording.now,
            lt: recording.lt.parse()?,
            seed: match recording.random_seed {
                Some(seed) => seed.parse()?,
                None => HashBytes::ZERO,
            },
            message,
            account: Boc::decode_base64(&recording.shard_account)?.parse()?,
            address,
            kind,
            transaction: *Boc::decode_base64(transaction)?.repr_hash(),
        });
    }
    ensure!(!calls.is_empty(), "no recording is called `{label}`");
    Ok(calls)
}

fn measure(recordings: &str, label: &str, goal: f64) -> Result<Reading> {
    let recordings = root(&["..", "tvm", "tests", "vectors", recordings]).canonicalize()?;
    let config_file = root(&["..", "testnet", "res", "config.boc"]).canonicalize()?;
    let calls = calls(&recordings, label)?;
    let mut config = Config::from_root(Boc::decode(fs::read(&config_file)?)?, 0)?;
    let mut peer =
        Peer::start("sandbox", [config_file.as_os_str(), recordings.as_os_str(), label.as_ref()])?;
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let passes = std::iter::repeat_n(&calls, PASSES).flatten();
        let (spent, executed) = timed(|| {
            passes.map(|call| run(&mut config, black_box(call))).collect::<Result<Vec<_>>>()
        });
        for (hash, call) in executed?.iter().zip(calls.iter().cycle()) {
            ensure!(*hash == call.transaction, "our transaction is not the recorded one");
        }
        least.0 = least.0.min(spent / (PASSES * calls.len()) as f64);
        let mut theirs = 0.0;
        for _ in 0..PASSES {
            let answer = peer.round()?;
            let equal = answer.equal == calls.len();
            ensure!(equal, "the sandbox's transactions are not the recorded ones");
            theirs += answer.ns;
        }
        least.1 = least.1.min(theirs / PASSES as f64);
    }
    Ok(Reading {
        ours: least.0 / 1e3,
        theirs: least.1 / 1e3,
        unit: "us",
        against: "@ton/sandbox 0.41",
        goal,
        note: format!("{} recorded messages, transactions equal on both sides", calls.len()),
    })
}

fn run(config: &mut Config, call: &Call) -> Result<HashBytes> {
    let params = executor_params(call.now, call.lt, call.seed);
    let message = Boc::decode(&call.message)?;
    let parsed = config.at(call.now)?;
    let executed =
        execute(&params, parsed, call.lt, &call.address, call.kind, message, &call.account)?;
    Ok(*executed.transaction.repr_hash())
}

/// Transfers of wallets v3r2, v4 and v5r1, with their delivery.
pub(crate) fn transfers() -> Result<Reading> {
    measure("wallets.jsonl", "-ext", 0.02)
}

/// A contract that verifies a Groth16 proof over BLS12-381.
pub(crate) fn groth16() -> Result<Reading> {
    measure("groth16_bls12_381.jsonl", "proof", 0.2)
}
