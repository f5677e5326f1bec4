//! `fog contract`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use fog_contracts::Kind;
use fog_protocol::{Address, Hash32, Nano};
use serde::Serialize;
use serde_json::Value;

use crate::{
    chain,
    output::{Output, exit_with},
    settings::Settings,
};

#[derive(Debug, Args)]
pub(crate) struct ContractArgs {
    #[command(subcommand)]
    command: ContractCommand,
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Its address, code hash, balance and decoded state. Exit 1 if it is none of this program's.
    Show {
        /// The contract.
        address: Address,
    },
}

#[derive(Serialize)]
struct Shown {
    address: Address,
    contract: &'static str,
    code_hash: Hash32,
    balance_nano: Nano,
    state: Value,
}

pub(crate) async fn contract(
    args: ContractArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let ContractCommand::Show { address } = args.command;
    let account = chain::connect(settings)?.account(&address).await?;
    let nothing = || format!("{address} is no deployed contract ({:?})", account.state);
    let code_hash = account.code_hash().with_context(nothing)?;
    let data = account.data.as_ref().with_context(nothing)?;
    let kind = Kind::of(&code_hash).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::name).join(", ");
        exit_with(
            1,
            format!("{address} has code {code_hash}, which is none of this program's: {known}"),
        )
    })?;
    let state = kind.state(data)?;
    let shown =
        Shown { address, contract: kind.name(), code_hash, balance_nano: account.balance, state };
    output.document(&shown, || {
        let Shown { contract, balance_nano, state, .. } = &shown;
        let head = format!(
            "{contract} {address}\n  code hash  {code_hash} (this program's)\n  balance    \
             {balance_nano}\n"
        );
        head + &fields(state, 1)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A decoded state for people: a line a field, amounts in GRAM, durations in words.
pub(crate) fn fields(state: &Value, depth: usize) -> String {
    let Value::Object(map) = state else { return line("", &scalar("", state), depth) };
    let mut text = String::new();
    for (key, value) in map {
        let name = ["_nano", "_seconds"].iter().find_map(|unit| key.strip_suffix(unit));
        let name = name.unwrap_or(key).replace('_', " ");
        match value {
            Value::Object(_) => {
                text.push_str(&line(&name, "", depth));
                text.push_str(&fields(value, depth + 1));
            }
            Value::Array(items) => {
                text.push_str(&line(&name, &items.len().to_string(), depth));
                for item in items {
                    text.push_str(&fields(item, depth + 1));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                text.push_str(&line(&name, &scalar(key, value), depth));
            }
        }
    }
    text
}

fn line(name: &str, value: &str, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let width = 26usize.saturating_sub(indent.len());
    format!("{indent}{name:<width$} {value}").trim_end().to_owned() + "\n"
}

fn scalar(key: &str, value: &Value) -> String {
    match (value, value.as_u64()) {
        (Value::Null, _) => "none".to_owned(),
        (Value::Bool(yes), _) => if *yes { "yes" } else { "no" }.to_owned(),
        (Value::String(text), _) => text.clone(),
        (_, Some(number)) if key.ends_with("_nano") => Nano::new(number).to_string(),
        (_, Some(number)) if key.ends_with("_seconds") => {
            humantime::format_duration(std::time::Duration::from_secs(number)).to_string()
        }
        (_, Some(number)) if key.ends_with("_bps") => {
            format!("{}.{:02} %", number / 100, number % 100)
        }
        (other, _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn units_are_for_people() {
        let state = json!({
            "price_nano": 1_500_000_000u64, "window_seconds": 3661, "fee_bps": 505, "work": null,
            "terms": { "paused": false }, "keys": ["aa", "bb"],
        });
        let text = fields(&state, 0);
        for wanted in ["1.5 GRAM", "1h 1m 1s", "5.05 %", "none", "no", "aa"] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }
}
