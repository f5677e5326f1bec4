//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use fog_protocol::{Curve, Hash32, HashParseError, Nano, TaskId, UnknownZkVm, ZkVm};

mod limits;
mod post;

pub(crate) use limits::LimitArgs;
pub(crate) use post::{PolicyName, PostArgs, RailName};

/// A marketplace for computation between strangers, settled on TON: results are verified before
/// money moves.
#[derive(Debug, Parser)]
#[command(name = "fog", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "First minute: `fog demo`. A network of your own: `fog dev`. Exit codes: \
    0 done, 1 failed, 2 wrong usage or malformed input, 3 a limit was hit or a guest failed, \
    4 a module was refused.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// Print one JSON document on standard output instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// More on standard error: -v, -vv, -vvv.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where things are. Flags win over `FOG_*`, over `fog.toml` here, over the user's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// The node's URL [default: http://127.0.0.1:7700].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) node: Option<String>,
    /// A toncenter v2 endpoint of the chain [default: http://127.0.0.1:7701].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) chain: Option<String>,
    /// Folder of the encrypted keys [default: ~/.config/fog/keys].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// Which wallet to use [default: the only one there is].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) wallet: Option<String>,
    /// File whose first line is the keys' password; without it FOG_PASSWORD, else you are asked.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A whole network on this machine: honest and cheating workers, real tasks, a report.
    Demo(DemoArgs),
    /// The same network, kept running for you to use.
    Dev(DevArgs),
    /// The embedded chain alone, and what its owner may do to it.
    Testnet(crate::testnet::TestnetArgs),
    /// Post tasks, watch them, fetch results.
    Task(TaskArgs),
    /// Stake, work, earn.
    Worker(WorkerArgs),
    /// Check results for nodes with a key of your own: k of n verifiers sign each verdict.
    Verifier(crate::verifier::VerifierArgs),
    /// Delegate stake to workers, and take it back.
    Stake(crate::stake::StakeArgs),
    /// Every slash, from the contracts' own logs.
    Slashes(crate::slashes::SlashesArgs),
    /// Run a node against a chain: the embedded one of `fog dev`, or a TON test network.
    Node(NodeArgs),
    /// A node's bond: what it stands for, and what it earns.
    Bond(crate::bond::BondArgs),
    /// Keys and money.
    Wallet(WalletArgs),
    /// The market's rules: read them; change them as their owner.
    Market(crate::market::MarketArgs),
    /// Pay for many small tasks by vouchers: accounts and earnings.
    Account(crate::account::AccountArgs),
    /// Look at a contract: which one it is, and its decoded state.
    Contract(crate::contract::ContractArgs),
    /// Check endpoint, network, wallet, market and node step by step; names cause and cure.
    Doctor(DoctorArgs),
    /// Run a module exactly as a worker would, without any network.
    Run(RunArgs),
    /// Check proofs, without any network.
    Proof(ProofArgs),
    /// Check an evidence bundle again, without any network: who agreed to what, what was found, who
    /// signed. Exit 0 holds, 1 does not, 2 damaged.
    Verify(VerifyArgs),
    /// Did a node look at every result that the draw chose? Recomputes the draws of an epoch from its
    /// revealed seed, and checks what node and chain show of each. Exit 0 it kept its word, 1 it broke
    /// it (names the tasks), 2 it cannot be told.
    Audit(crate::audit::AuditArgs),
    /// Circuits whose proofs contracts check, and their keys.
    Circuit(CircuitArgs),
    /// Print a completion script for your shell.
    Completion(CompletionArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A WASI preview 1 command module, or a component with `execute` (.wasm).
    #[arg(long, value_name = "FILE")]
    pub(crate) module: PathBuf,
    /// Its input: standard input of a command. With --merge: a folder of outputs.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where to write its output; otherwise it goes to standard output. With --split: a folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Call a component's `split` instead: the input becomes about so many files, one for each task.
    #[arg(long, value_name = "PARTS", requires = "out", conflicts_with = "merge")]
    pub(crate) split: Option<u32>,
    /// Call a component's `merge` instead: the files of a folder, in the order of their names,
    /// become one output.
    #[arg(long)]
    pub(crate) merge: bool,
    /// Seed of the guest's random generator.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProofArgs {
    #[command(subcommand)]
    pub(crate) command: ProofCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProofCommand {
    /// Check a Groth16 proof over BN254 or BLS12-381, in files of snarkjs (JSON) or arkworks (bytes).
    /// Exit 0 valid, 1 not valid, 2 malformed.
    Verify {
        /// The curve [default: the one a JSON file names, else told by the proof's length].
        #[arg(long, value_enum)]
        curve: Option<ProofCurve>,
        /// snarkjs' verification_key.json, or what arkworks wrote (`serialize_compressed`).
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// snarkjs' proof.json, or arkworks' bytes.
        #[arg(long, value_name = "FILE")]
        proof: PathBuf,
        /// snarkjs' public.json, or arkworks' bytes of the list of scalars.
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
    },
    /// Check a receipt of SP1 or RISC Zero: that a program ran to a good end and made this public.
    /// Exit 0 valid, 1 not valid, 2 malformed.
    Receipt {
        /// Who made it, in which release: sp1-v5, sp1-v6.0, sp1-v6.1, risc-zero-v3.0, risc-zero-v5.0.
        #[arg(long, value_name = "ZKVM")]
        vm: ZkVm,
        /// The program: SP1's verifying key hash (`vk.bytes32()`), RISC Zero's image id.
        #[arg(long, value_name = "HEX", value_parser = program)]
        program: Hash32,
        /// What it made public: SP1's public values, RISC Zero's journal.
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
        /// The Groth16 seal, as Ethereum takes it: bytes, or hexadecimal text.
        #[arg(long, value_name = "FILE")]
        seal: PathBuf,
    },
}

/// `sp1-v6.1=COMMAND`.
fn prover(text: &str) -> Result<(ZkVm, PathBuf), String> {
    let (vm, command) = text.split_once('=').ok_or("write it as ZKVM=COMMAND")?;
    let vm: ZkVm = vm.parse().map_err(|error: UnknownZkVm| error.to_string())?;
    let command = std::fs::canonicalize(command).map_err(|error| format!("{command}: {error}"))?;
    Ok((vm, command))
}

/// 32 bytes, with `0x` or without.
fn program(text: &str) -> Result<Hash32, String> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    text.parse().map_err(|error: HashParseError| error.to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProofCurve {
    /// circom's default.
    Bn254,
    /// The one contracts check, too.
    #[value(name = "bls12-381")]
    Bls12381,
}

impl From<ProofCurve> for Curve {
    fn from(curve: ProofCurve) -> Self {
        match curve {
            ProofCurve::Bn254 => Self::Bn254,
            ProofCurve::Bls12381 => Self::Bls12381,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CircuitArgs {
    #[command(subcommand)]
    pub(crate) command: CircuitCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CircuitCommand {
    /// The circuits that ship, and the keys in the folder.
    Ls,
    /// Make a circuit's keys: NAME.pk for workers, NAME.vk for requestors.
    Setup {
        /// The circuit's name: see `fog circuit ls`.
        name: String,
        /// The public keys of local networks instead of fresh ones: anybody can forge with them.
        #[arg(long)]
        local: bool,
        /// Where to [default: ~/.local/share/fog/circuits].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Chunks the text is split into, each a task.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) tasks: u32,
    /// Workers, cheaters included.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) workers: u32,
    /// How many of them return wrong results.
    #[arg(long, default_value_t = 1)]
    pub(crate) cheaters: u32,
    /// Share of results that is checked, 0.001 to 1; new workers are checked more.
    #[arg(long, default_value_t = 0.25, value_parser = rate)]
    pub(crate) audit_rate: f64,
    /// Same seed, same matching and same draws.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Count the words of this text (UTF-8) instead of the one shipped.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Keep the network's files here instead of a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Keep the network here, so that it survives a restart [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the node listens; the chain listens on the next port.
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// A block every so often, empty or not, as on TON (2s) [default: at once for every message].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) block_time: Option<std::time::Duration>,
    /// Stake that the node asks each worker to reserve in bulk for the account rail, so that not every
    /// result there has to be checked; 0: none.
    #[arg(long, default_value = "0", value_name = "AMOUNT")]
    pub(crate) pledge: Nano,
    /// Seed of the LOCAL ONLY accounts.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The node takes tasks in this jetton, so many of its smallest units for one GRAM of guarantee.
    #[arg(long = "jetton", value_name = "MASTER=UNITS", value_parser = crate::jetton::rate)]
    pub(crate) jettons: Vec<fog_protocol::JettonRate>,
    /// The node has its share of a task in a jetton sent if it is worth as much [default: 0.2 GRAM].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) claim_from: Option<Nano>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Take tasks in this jetton, so many of its smallest units for one GRAM of guarantee; several
    /// times for several.
    #[arg(long = "jetton", value_name = "MASTER=UNITS", value_parser = crate::jetton::rate)]
    pub(crate) jettons: Vec<fog_protocol::JettonRate>,
    /// Have the node's share of a task in a jetton sent if it is worth as much, at these rates
    /// [default: 0.2 GRAM, twice what a claim takes along].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) claim_from: Option<Nano>,
    /// TOML file with any of the node's settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the API and the gateway listen.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder of the database and the blobs.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The `Market` contract.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) market: Option<fog_protocol::Address>,
    /// Name of the verifier's key among the keys; made if there is none, and the settings name no
    /// verifiers in processes of their own.
    #[arg(long, default_value = "verifier", value_name = "NAME")]
    pub(crate) verifier: String,
    /// Stake to ask each worker to reserve in bulk for the account rail, so that not every result there
    /// has to be checked [default: the file's `[rail] pledge`, or none].
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) pledge: Option<Nano>,
    /// A worker's session key (`fog worker show`) that is trusted: of what the node checks beyond the
    /// listing's rate, for a short history, this share is left, a tenth at least [default share: 0.25].
    /// Several times for several; the file's `[[trusted]]` says with `grant` when a caught one is again.
    #[arg(long = "trust", value_name = "KEY[=SHARE]", value_parser = crate::node::trusted)]
    pub(crate) trusted: Vec<fog_node::TrustedConfig>,
    /// Begin a new chain of epochs, once: for a database that was put back from a copy, so that
    /// verifiers know other epochs of its last numbers and refuse its own. Everybody sees it.
    #[arg(long)]
    pub(crate) new_epochs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The `Market` contract [default: the setting, or the node's].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) market: Option<fog_protocol::Address>,
    /// TON global id expected at the endpoint: -3 or -239 [default: -3].
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) network: Option<i32>,
    /// How many tasks the wallet should last for.
    #[arg(long, default_value_t = 10)]
    pub(crate) tasks: u32,
    /// The price of each.
    #[arg(long, default_value = "0.1", value_name = "AMOUNT")]
    pub(crate) price: Nano,
    /// The wallet is a worker's: it must have a stake.
    #[arg(long)]
    pub(crate) worker: bool,
    /// The wallet is a node's: check its verifier's key, too.
    #[arg(long)]
    pub(crate) operator: bool,
    /// Name of the verifier's key among the keys.
    #[arg(long, default_value = "verifier", value_name = "NAME")]
    pub(crate) verifier: String,
    /// The node's settings file, to look at who may read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Ask no node: there is none yet.
    #[arg(long)]
    pub(crate) no_node: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    #[command(subcommand)]
    pub(crate) command: TaskCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Post a task and pay its price into escrow, or from an account (`--rail account`).
    Post(Box<PostArgs>),
    /// List tasks, newest first.
    Ls {
        /// At most so many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Everything about a task.
    Show {
        /// The task.
        id: TaskId,
    },
    /// Follow a task until it ends; opens its draw nonce when it is time.
    Watch {
        /// The task.
        id: TaskId,
    },
    /// Fetch a verified result.
    Result {
        /// The task.
        id: TaskId,
        /// Where to write it; otherwise it goes to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Of a result in chunks, the file that was committed to instead of the outputs one after
        /// the other: what `fog verify --result` wants.
        #[arg(long)]
        raw: bool,
    },
    /// One chunk of a result of the `merkle` policy, for anybody to check (`fog verify --chunk`).
    Chunk {
        /// The task.
        id: TaskId,
        /// Which chunk, from 0.
        #[arg(long)]
        index: u64,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Everything its verdict rests on, in one file for `fog verify`.
    Evidence {
        /// The task; of several judgements the one that holds.
        #[arg(required_unless_present = "hash")]
        id: Option<TaskId>,
        /// Instead: the judgement on the evidence of this hash, as verdicts, rulings and slashes name it
        /// on chain.
        #[arg(long, value_name = "HASH", conflicts_with = "id")]
        hash: Option<Hash32>,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        files: BundleFiles,
    },
    /// Why trust its result: what was checked, by whom, at which odds, with what at stake.
    Receipt {
        /// The task.
        id: TaskId,
    },
    /// Dispute its verdict, with a bond: more verifiers look at the result again. The bond comes
    /// back with a reward if you are right, and goes to whom you kept waiting if not.
    Challenge {
        /// The task.
        id: TaskId,
        /// What shows it: an evidence bundle, or any other file; the contract keeps its hash.
        #[arg(long, value_name = "FILE")]
        evidence: PathBuf,
    },
    /// Have a task that was paid in a jetton send this wallet its share: the worker's pay, the
    /// requestor's change, the node's fee. The requestor's word sends the treasury's, too, and a year
    /// after the end everybody's.
    Claim {
        #[command(flatten)]
        task: TaskOnChain,
        /// To another address, where one's own jetton wallet is locked.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<fog_protocol::Address>,
    },
    /// A day after everybody has claimed: take the rent of one's own task in a jetton back.
    Close {
        #[command(flatten)]
        task: TaskOnChain,
    },
    /// Take back a task nobody has been assigned to, or that its node has dropped.
    Cancel {
        #[command(flatten)]
        task: TaskOnChain,
    },
}

/// A task, as a node knows it or as the chain has it.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TaskOnChain {
    /// The task; the node says what its contract is.
    #[arg(conflicts_with = "escrow")]
    pub(crate) id: Option<TaskId>,
    /// Its contract: everything is read there, and no node is needed.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) escrow: Option<fog_protocol::Address>,
}

/// Bytes that listing and evidence only name by hash.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BundleFiles {
    /// The module, to run it again.
    #[arg(long, value_name = "FILE", conflicts_with = "zkey")]
    pub(crate) module: Option<PathBuf>,
    /// A circuit's proving key (.zkey).
    #[arg(long, value_name = "FILE", requires = "witness")]
    pub(crate) zkey: Option<PathBuf>,
    /// The circuit's witness calculator (.wasm).
    #[arg(long, value_name = "FILE", requires = "zkey")]
    pub(crate) witness: Option<PathBuf>,
    /// The input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The verification key, to check the proof again.
    #[arg(long, value_name = "FILE")]
    pub(crate) verification_key: Option<PathBuf>,
    /// The evaluator of the `improves` policy.
    #[arg(long, value_name = "FILE", conflicts_with = "verification_key")]
    pub(crate) evaluator: Option<PathBuf>,
    /// The result (`fog task result --raw`).
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The bundle: `fog task evidence ID --out FILE` makes one.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) files: BundleFiles,
    /// Instead, check one chunk of the result (`fog task chunk` writes it) against the bundle.
    #[arg(long, value_name = "FILE", conflicts_with = "online")]
    pub(crate) chunk: Option<PathBuf>,
    /// Also ask the chain (`--chain`) whether the task's contract was really told all this.
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) command: WorkerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Put an amount at stake and register this worker's session key.
    Stake {
        /// How much: 10, 10GRAM.
        amount: Nano,
    },
    /// Bid, run, submit, earn; until Ctrl-C. A second Ctrl-C stops at once.
    Up(WorkerUpArgs),
    /// Take stake back: it unbonds first, then it is paid out.
    Unstake {
        /// How much; all of it if left out.
        amount: Option<Nano>,
    },
    /// Pay earnings out to the wallet.
    Withdraw,
    /// Redeem the vouchers of the account rail that are in the journal's folder.
    Redeem {
        /// Folder of the journal [default: ~/.local/share/fog/worker].
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Pledged stake that the node forgot: put your promise on chain, and free what is over.
    Pledges {
        /// Folder of the journal [default: ~/.local/share/fog/worker].
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Set what you take of what delegated stake earns. A raise waits as long as unbonding takes.
    Commission {
        /// Per cent, 0 to 50, at most two decimals.
        #[arg(value_parser = crate::stake::percent)]
        percent: u16,
    },
    /// What the stake contract holds.
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerUpArgs {
    /// Least price of a task.
    #[arg(long, default_value = "0.01")]
    pub(crate) min_price: Nano,
    /// Price of a billion units of fuel.
    #[arg(long, default_value = "0.02")]
    pub(crate) price_per_gigafuel: Nano,
    /// Take this jetton, so many of its smallest units for one GRAM of these prices; several times for
    /// several. None is taken otherwise.
    #[arg(long = "jetton", value_name = "MASTER=UNITS", value_parser = crate::jetton::rate)]
    pub(crate) jettons: Vec<fog_protocol::JettonRate>,
    /// Tasks held at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) slots: u16,
    /// Tasks run at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
    /// Folder of the journal [default: ~/.local/share/fog/worker].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// A prover of a zkVM, for tasks with the `receipt` policy: `sp1-v6.1=COMMAND`; several times for
    /// several. It is called as COMMAND ELF INPUT BINDING OUT and leaves `journal` and `seal` in OUT.
    #[arg(long, value_name = "ZKVM=COMMAND", value_parser = prover)]
    pub(crate) prover: Vec<(ZkVm, PathBuf)>,
    /// Seconds a prover may take; tasks with less time are left to others.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) prover_seconds: u32,
    /// Folder of the circuits it can prove [default: ~/.local/share/fog/circuits].
    #[arg(long, value_name = "DIR")]
    pub(crate) circuits: Option<PathBuf>,
    /// Most stake that the node may reserve in bulk at once for the account rail; for a while the next
    /// such pledge goes beside the last. 0: none.
    #[arg(long, default_value = "20", value_name = "AMOUNT")]
    pub(crate) max_pledge: Nano,
    /// Harness only: stop at once when standard input closes, as it does when the parent dies.
    #[arg(long, hide = true)]
    pub(crate) tied: bool,
    /// Harness only: cheat in this way, to be caught.
    #[arg(
        long,
        hide = true,
        value_name = "BEHAVIOUR",
        num_args = 0..=1,
        default_value = "honest",
        default_missing_value = "wrong-results"
    )]
    pub(crate) adversary: fog_worker::Behaviour,
}

#[derive(Debug, Args)]
pub(crate) struct WalletArgs {
    #[command(subcommand)]
    pub(crate) command: WalletCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WalletKind {
    /// Wallet v5 revision 1.
    V5r1,
    /// Wallet v4 revision 2.
    V4r2,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a wallet and show its 24 words, once.
    New {
        /// Its name.
        #[arg(default_value = "main")]
        name: String,
        /// The wallet contract.
        #[arg(long, value_enum, default_value_t = WalletKind::V5r1)]
        contract: WalletKind,
    },
    /// Take in a wallet from its 24 words, read from standard input or asked for.
    Import {
        /// Its name.
        #[arg(default_value = "main")]
        name: String,
        /// The wallet contract.
        #[arg(long, value_enum, default_value_t = WalletKind::V5r1)]
        contract: WalletKind,
    },
    /// Show a wallet's 24 words: whoever sees them has the money.
    Words,
    /// List the wallets.
    Ls,
    /// Show a wallet's address in every form.
    Address,
    /// Show what a wallet holds.
    Balance,
    /// Send money.
    Send {
        /// To whom: any form of address.
        to: String,
        /// How much: 1.5, 1.5GRAM, 1500000000n.
        amount: Nano,
        /// A comment for the receiver.
        #[arg(long)]
        comment: Option<String>,
    },
}

/// A share of results that is checked.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("a share between 0.001 and 1, such as 0.05".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn of_its_own(command: &clap::Command, globals: &[&clap::Id], path: &str) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            for arg in inner.get_arguments().filter(|arg| !arg.is_global_set()) {
                // Two of a name are one to the parser: the program ends where it reads the other.
                assert!(!globals.contains(&arg.get_id()), "{path}: `{}` is global", arg.get_id());
            }
            of_its_own(inner, globals, &path);
        }
    }

    #[test]
    fn no_command_takes_the_name_of_a_setting_that_all_have() {
        let command = Cli::command();
        command.clone().debug_assert();
        let globals = command.get_arguments().filter(|arg| arg.is_global_set());
        let globals: Vec<_> = globals.map(clap::Arg::get_id).collect();
        assert!(globals.len() > 5);
        of_its_own(&command, &globals, "fog");
    }
}
