//! What `fog task post` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fog_protocol::{Address, Hash32, Nano, ZkVm};

use super::{LimitArgs, ProofCurve, program, rate};

#[derive(Debug, Args)]
pub(crate) struct PostArgs {
    /// A WASI preview 1 command module or a component with `execute` (.wasm), from any language.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["zkey", "circuit", "elf"])]
    pub(crate) module: Option<PathBuf>,
    /// With the `proof` policy: the verifying key (arkworks' bytes) of a circuit over BLS12-381.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["module", "zkey"])]
    pub(crate) circuit: Option<PathBuf>,
    /// Its standard input (or the circuit's input.json, or input).
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The most you pay: 0.5, 0.5GRAM, 500000000n; with `--jetton` in whole jettons.
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) price: String,
    /// Pay in the jetton with this master instead of GRAM.
    #[arg(long, value_name = "MASTER", requires = "guarantee", conflicts_with_all = ["account", "no_pay"])]
    pub(crate) jetton: Option<Address>,
    /// With `--jetton`: what stands for the price where only GRAM will do, in the worker's stake and
    /// the node's bond. You pay none of it.
    #[arg(long, value_name = "AMOUNT", requires = "jetton")]
    pub(crate) guarantee: Option<Nano>,
    /// With `--jetton`: its decimals, where its master does not say them on chain.
    #[arg(long, requires = "jetton", value_parser = crate::jetton::decimals)]
    pub(crate) decimals: Option<u8>,
    /// From funding to result: 10m, 1h.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: std::time::Duration,
    /// How long a verdict can be challenged before money moves: also how long a result that nobody
    /// looked at can be taken back when its worker is caught with another.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) window: std::time::Duration,
    /// How the result is verified.
    #[arg(long, value_enum, default_value_t = PolicyName::Replay)]
    pub(crate) policy: PolicyName,
    /// Share of results that is checked where no proof is, 0.001 to 1 [default: 0.05; 1 with `--rail
    /// account`: less is taken there as far as the node's workers have reserved stake in bulk].
    #[arg(long, value_parser = rate)]
    pub(crate) audit_rate: Option<f64>,
    /// How it is paid.
    #[arg(long, value_enum, default_value_t = RailName::Escrow)]
    pub(crate) rail: RailName,
    /// With `--rail account`: your account at the node [default: the setting, FOG_ACCOUNT].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) account: Option<Address>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// A zkVM's program, with the `receipt` policy.
    #[arg(long, value_name = "FILE", requires_all = ["zkvm", "program_id"])]
    pub(crate) elf: Option<PathBuf>,
    /// The machine and release: sp1-v5, sp1-v6.0, sp1-v6.1, risc-zero-v3.0, risc-zero-v5.0.
    #[arg(long, requires = "elf")]
    pub(crate) zkvm: Option<ZkVm>,
    /// What names the program in its receipts: SP1's `vk.bytes32()`, RISC Zero's image id.
    #[arg(long, value_name = "HEX", value_parser = program, requires = "elf")]
    pub(crate) program_id: Option<Hash32>,
    /// Take any receipt of the program: one that somebody else made, or for another input, is as
    /// good. Without it the journal must begin with 32 bytes that bind it to task, worker and input.
    #[arg(long, requires = "elf")]
    pub(crate) any_receipt: bool,
    /// A circom circuit's proving key (.zkey), with the `groth16` policy.
    #[arg(long, value_name = "FILE", requires = "witness", conflicts_with = "module")]
    pub(crate) zkey: Option<PathBuf>,
    /// The circuit's witness calculator (.wasm).
    #[arg(long, value_name = "FILE")]
    pub(crate) witness: Option<PathBuf>,
    /// With the `groth16` policy: snarkjs' verification_key.json, or the key as arkworks wrote it
    /// (`serialize_compressed`); then a result may be arkworks' bytes, too: of proof and public inputs.
    #[arg(long, value_name = "FILE", required_if_eq("policy", "groth16"))]
    pub(crate) verification_key: Option<PathBuf>,
    /// The key's curve [default: the one snarkjs' file names; arkworks' bytes name none].
    #[arg(long, value_enum, requires = "verification_key")]
    pub(crate) curve: Option<ProofCurve>,
    /// The proof's public inputs in order, by comma: `binding`, `free` or a decimal number.
    #[arg(long, value_delimiter = ',', required_if_eq("policy", "groth16"))]
    pub(crate) publics: Vec<String>,
    #[command(flatten)]
    pub(crate) strategy: crate::strategy::StrategyArgs,
    /// Wait for the end and show every step.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Where to write the result (implies --wait).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the payment (address, amount, link) instead of paying from the wallet.
    #[arg(long)]
    pub(crate) no_pay: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RailName {
    /// Into an escrow of its own, before the work begins.
    Escrow,
    /// By vouchers, from an account at the node: for many small tasks.
    Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyName {
    /// A drawn share of results is run again.
    Replay,
    /// Every result is a Groth16 proof, and checked.
    Groth16,
    /// The proof is the verdict: the contract checks it and pays.
    Proof,
    /// An evaluator computes the objective of the result, which must beat a number.
    Improves,
    /// The result's numbers must be near those of a re-run: Monte Carlo, floating point.
    Statistical,
    /// The input is run in chunks; of a drawn result, drawn chunks are run again.
    Merkle,
    /// Every result is a receipt of SP1 or RISC Zero that the program ran, and checked.
    Receipt,
    /// Copies for workers that do not know of each other: all equal, or a verifier decides. A drawn
    /// share of equal ones is run again, too: workers in league are equal.
    Redundant,
}
