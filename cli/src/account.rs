//! `fog account`: accounts and earnings, for either side of them.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use fog_chain::ChainClient;
use fog_contracts::channel::{Channel, ChannelData, ChannelStatus, Purpose, op};
use fog_protocol::{
    Address, Entry, EntryProof, EntryTree, Hash32, Nano, PublicKey, SecretKey, TaskId, VoucherFile,
};
use fog_requestor::{
    JettonVoucherFile, Known, NodeClient, end_channel, is_in_jetton, read_channel,
    read_jetton_channel, set_channel_key, settle, top_up, vouch,
};
use fog_wallet::TESTNET;
use serde::Serialize;

use crate::{
    chain, files, jetton, keys,
    output::{Output, exit_with, failed},
    secrets::refuse_local,
    settings::{Asked, Settings},
};

const MAX_ENTRIES: u64 = 1 << 30;
const MAX_SALTS: u64 = 2 << 30;
const MAX_VOUCHER: u64 = 1 << 16;
const MAX_PROOF: u64 = 1 << 20;
/// Exit code for a file that cannot be read as what it should be.
const MALFORMED: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// Decimals of the jetton, where its master does not say them on chain (USDT: 6).
    #[arg(long, global = true, value_name = "N", value_parser = jetton::decimals)]
    decimals: Option<u8>,
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// The wallet and public key that the other side needs to open one with you.
    Key(KeyArgs),
    /// Open an account at a node (or earnings for a worker) and pay into it.
    Open(OpenArgs),
    /// Pay more into one.
    TopUp {
        /// The contract.
        address: Address,
        /// How much: 10, 10GRAM; of a jetton 10 or 0.5.
        amount: String,
    },
    /// What it holds, and how much more may be owed before its payee must settle.
    Show {
        /// The contract.
        address: Address,
        /// What is owed in all: vouched for, promised or being worked on.
        #[arg(long, value_name = "AMOUNT")]
        owed: Option<String>,
    },
    /// Sign a voucher for entries, or the other side's voucher if it says the same.
    Sign(SignArgs),
    /// Sign for what your account owes the node, after looking at every new entry: your orders only,
    /// accepted by the verifiers, within your caps. `fog task post --wait` does it by itself.
    Vouch {
        /// The account.
        address: Address,
        /// Where to write the voucher with both signatures.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Redeem a voucher that both have signed: pays its payee what is new in it.
    Settle {
        /// The voucher.
        voucher: PathBuf,
    },
    /// As its payee: another key signs for you from now on; vouchers with the old one are void.
    SetKey {
        /// The contract.
        address: Address,
        /// The public key.
        key: PublicKey,
    },
    /// Leave. The payer gives notice, and after the delay gets the rest; the payee renounces it.
    Close {
        /// The contract.
        address: Address,
    },
    /// In a jetton: be sent what it owes you, or, when all is over, what came there uncounted.
    Claim {
        /// The contract.
        address: Address,
        /// To another wallet than your own.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
    /// Prove that a task is among the entries behind a voucher.
    Prove {
        /// The task.
        task: TaskId,
        /// The entries, one JSON document a line.
        #[arg(long, value_name = "FILE")]
        entries: PathBuf,
        /// Where to write the proof; otherwise it goes to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check such a proof, against a root or what a contract last paid for. Exit 1: it is not so.
    Check {
        /// The proof.
        proof: PathBuf,
        /// A voucher's root.
        #[arg(long, value_name = "HASH", required_unless_present = "at", conflicts_with = "at")]
        root: Option<Hash32>,
        /// The contract: the root of its last redemption.
        #[arg(long, value_name = "ADDRESS")]
        at: Option<Address>,
    },
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// The worker's session key instead of the wallet's.
    #[arg(long)]
    session: bool,
}

#[derive(Debug, Args)]
struct OpenArgs {
    /// What is paid in at first, in GRAM or in the jetton.
    amount: String,
    /// Master of the jetton that amounts are of, instead of GRAM.
    #[arg(long, value_name = "MASTER", requires = "payee")]
    jetton: Option<Address>,
    /// The payee's wallet [default: the node's].
    #[arg(long, value_name = "ADDRESS", requires = "payee_key")]
    payee: Option<Address>,
    /// The key that signs for the payee: it says so with `fog account key` [default: the node's].
    #[arg(long, value_name = "KEY", requires = "payee")]
    payee_key: Option<PublicKey>,
    /// Exposure cap: the most that one redemption takes.
    #[arg(long, value_name = "AMOUNT")]
    cap: String,
    /// From your notice to your exit: the time in which the payee still settles.
    #[arg(long, default_value = "1d", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Which one of several between the same two.
    #[arg(long, default_value_t = 0)]
    series: u32,
    /// Earnings of a worker, paid by a node, instead of a requestor's account.
    #[arg(long, requires = "payee")]
    earnings: bool,
}

#[derive(Debug, Args)]
struct SignArgs {
    /// The contract.
    address: Address,
    /// All entries since it began, one JSON document a line: task, worker, amount, verdict,
    /// evidence.
    #[arg(long, value_name = "FILE")]
    entries: PathBuf,
    /// The other side's voucher; without it a new one is made.
    #[arg(long, value_name = "FILE")]
    voucher: Option<PathBuf>,
    /// How long a new voucher is valid, at most a year.
    #[arg(long, default_value = "60d", value_parser = humantime::parse_duration)]
    valid: Duration,
    /// Sign with the worker's session key instead of the wallet's.
    #[arg(long)]
    session: bool,
    /// Where to write the voucher; otherwise it goes to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn account(
    args: AccountArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let decimals = args.decimals;
    match args.command {
        AccountCommand::Key(args) => key(&args, settings, output).await,
        AccountCommand::Open(args) => open(&args, decimals, settings, output).await,
        AccountCommand::TopUp { address, amount } => {
            let chain = chain::connect(settings)?;
            let wallet = keys::unlock(settings, &chain).await?;
            if is_in_jetton(&chain, &address).await? {
                return jetton::top_up(&chain, &wallet, &address, &amount, decimals, output).await;
            }
            let at = read_channel(&chain, &address).await?;
            top_up(&chain, &wallet, &at.channel, jetton::grams(&amount)?).await?;
            show(&chain, &address, None, output).await
        }
        AccountCommand::Show { address, owed } => {
            let chain = chain::connect(settings)?;
            if is_in_jetton(&chain, &address).await? {
                return jetton::show(&chain, &address, owed.as_deref(), decimals, output).await;
            }
            let owed = owed.as_deref().map(jetton::grams).transpose()?;
            show(&chain, &address, owed, output).await
        }
        AccountCommand::Sign(args) => sign(&args, settings, output).await,
        AccountCommand::Vouch { address, out } => {
            let node = NodeClient::connect(&settings.node).await?;
            let chain = chain::connect(settings)?;
            let wallet = keys::unlock(settings, &chain).await?;
            let voucher = acknowledge(&node, &chain, &wallet.key, &address, settings).await?;
            let voucher = voucher.context("nothing is owed yet: there is nothing to sign for")?;
            write_json(&voucher, out.as_deref(), output)
        }
        AccountCommand::Settle { voucher } => {
            let file: AnyVoucher = read_json(&voucher, MAX_VOUCHER)?;
            let chain = chain::connect(settings)?;
            let wallet = keys::unlock(settings, &chain).await?;
            let file = match file {
                AnyVoucher::Gram(file) => file,
                AnyVoucher::Jetton(file) => {
                    return jetton::settle(&chain, &wallet, &file, decimals, output).await;
                }
            };
            let paid = settle(&chain, &wallet, &file).await?;
            output.note(&format!("{paid} paid"));
            show(&chain, &file.channel, None, output).await
        }
        AccountCommand::SetKey { address, key } => {
            let chain = chain::connect(settings)?;
            if is_in_jetton(&chain, &address).await? {
                let wallet = keys::unlock(settings, &chain).await?;
                return jetton::set_key(&chain, &wallet, &address, &key, output).await;
            }
            let at = read_channel(&chain, &address).await?;
            if crate::wallet::selected(settings)? != at.channel.payee {
                bail!("only its payee {} may change that key", at.channel.payee);
            }
            let wallet = keys::unlock(settings, &chain).await?;
            set_channel_key(&chain, &wallet, &address, &key).await?;
            show(&chain, &address, None, output).await
        }
        AccountCommand::Close { address } => close(&address, settings, output).await,
        AccountCommand::Claim { address, to } => {
            let chain = chain::connect(settings)?;
            let wallet = keys::unlock(settings, &chain).await?;
            jetton::claim(&chain, &wallet, &address, to, output).await
        }
        AccountCommand::Prove { task, entries, out } => {
            let tree = read_entries(&entries)?;
            let proof = tree.open(&task).with_context(|| format!("{task} is not among them"))?;
            write_json(&proof, out.as_deref(), output)
        }
        AccountCommand::Check { proof, root, at } => {
            let proof: EntryProof = read_json(&proof, MAX_PROOF)?;
            let root = match (root, at) {
                (Some(root), _) => root,
                (None, Some(at)) => root_at(&chain::connect(settings)?, &at).await?,
                (None, None) => bail!("give --root or --at"),
            };
            check(&proof, &root, output)
        }
    }
}

/// The key that signs for the user here.
async fn signing_key(
    session: bool,
    chain: &ChainClient,
    settings: &Settings,
) -> anyhow::Result<SecretKey> {
    if !session {
        return Ok(keys::unlock(settings, chain).await?.key.clone());
    }
    let keystore = keys::open(settings)?;
    let name = keys::wallet_name(settings, &keystore)?;
    let password = keys::password(settings, Asked::Known)?;
    let key = keys::session_key(&keystore, &name, &password)?;
    refuse_local(&[keystore.info(&keys::session_name(&name))?], chain).await?;
    Ok(key)
}

#[derive(Serialize)]
struct ShownKey {
    wallet: Address,
    key: PublicKey,
}

async fn key(args: &KeyArgs, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let wallet = crate::wallet::selected(settings)?;
    let chain = chain::connect(settings)?;
    let key = signing_key(args.session, &chain, settings).await?.public();
    let shown = ShownKey { wallet, key };
    output.document(&shown, || format!("wallet  {wallet}\nkey     {key}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The root of the last redemption.
async fn root_at(chain: &ChainClient, address: &Address) -> anyhow::Result<Hash32> {
    Ok(if is_in_jetton(chain, address).await? {
        read_jetton_channel(chain, address).await?.core.root
    } else {
        read_channel(chain, address).await?.root
    })
}

async fn open(
    args: &OpenArgs,
    decimals: Option<u8>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let (payee, payee_key) = match (args.payee, args.payee_key) {
        (Some(payee), Some(key)) => (payee, key),
        _ => {
            let node = NodeClient::connect(&settings.node).await?;
            let info = node.info();
            let key = info.operator_key.context("this node does not know the account rail")?;
            (info.operator, key)
        }
    };
    let chain = chain::connect(settings)?;
    let wallet = keys::unlock(settings, &chain).await?;
    let purpose = if args.earnings { Purpose::Earnings } else { Purpose::Account };
    let delay = u32::try_from(args.delay.as_secs()).context("the delay is too long")?;
    if let Some(master) = args.jetton {
        let opening = jetton::Opening {
            purpose,
            master,
            decimals,
            amount: &args.amount,
            cap: &args.cap,
            payee,
            payee_key,
            delay,
            series: args.series,
        };
        return jetton::open(&opening, &chain, &wallet, output).await;
    }
    let channel = Channel {
        purpose,
        payer: wallet.wallet.address(),
        payee,
        payer_key: wallet.key.public(),
        payee_key,
        cap: jetton::grams(&args.cap)?,
        delay,
        series: args.series,
    };
    let address = top_up(&chain, &wallet, &channel, jetton::grams(&args.amount)?).await?;
    show(&chain, &address, None, output).await
}

#[derive(Serialize)]
struct Shown {
    address: Address,
    purpose: &'static str,
    status: String,
    balance_nano: Nano,
    paid_nano: Nano,
    entries: u64,
    root: Hash32,
    closes_at: u32,
    payer: Address,
    payee: Address,
    payer_key: PublicKey,
    payee_key: PublicKey,
    cap_nano: Nano,
    delay_seconds: u32,
    room_nano: Nano,
}

async fn show(
    chain: &ChainClient,
    address: &Address,
    owed: Option<Nano>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let at = read_channel(chain, address).await?;
    let shown = shown(address, &at, owed);
    output.document(&shown, || {
        let closing = match at.status {
            ChannelStatus::Closing => format!(" at {} (chain time)", at.close_at),
            ChannelStatus::Open | ChannelStatus::Closed => String::new(),
        };
        format!(
            "{} {address}\n  {}{closing}\n  balance {}, paid {} for {} entries\n  root    {}\n  \
             cap     {}, room for {} more\n  payer   {}\n  payee   {}",
            shown.purpose,
            shown.status,
            at.balance,
            at.paid,
            at.count,
            at.root,
            at.channel.cap,
            shown.room_nano,
            shown.payer,
            shown.payee,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn shown(address: &Address, at: &ChannelData, owed: Option<Nano>) -> Shown {
    let terms = &at.channel;
    Shown {
        address: *address,
        purpose: match terms.purpose {
            Purpose::Account => "account",
            Purpose::Earnings => "earnings",
        },
        status: format!("{:?}", at.status).to_lowercase(),
        balance_nano: at.balance,
        paid_nano: at.paid,
        entries: at.count,
        root: at.root,
        closes_at: at.close_at,
        payer: terms.payer,
        payee: terms.payee,
        payer_key: terms.payer_key,
        payee_key: at.payee_key,
        cap_nano: terms.cap,
        delay_seconds: terms.delay,
        room_nano: at.room(owed.unwrap_or(at.paid)),
    }
}

async fn sign(args: &SignArgs, settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let tree = read_entries(&args.entries)?;
    let theirs: Option<AnyVoucher> =
        args.voucher.as_deref().map(|path| read_json(path, MAX_VOUCHER)).transpose()?;
    let chain = chain::connect(settings)?;
    let other_currency = "the voucher is in another currency than the contract";
    if is_in_jetton(&chain, &args.address).await? {
        let theirs = match theirs {
            Some(AnyVoucher::Gram(_)) => bail!(other_currency),
            Some(AnyVoucher::Jetton(file)) => Some(file),
            None => None,
        };
        let key = signing_key(args.session, &chain, settings).await?;
        let signed = jetton::sign(&chain, &args.address, &tree, theirs, args.valid, &key).await?;
        return write_json(&signed, args.out.as_deref(), output);
    }
    let theirs = match theirs {
        Some(AnyVoucher::Jetton(_)) => bail!(other_currency),
        Some(AnyVoucher::Gram(file)) => Some(file),
        None => None,
    };
    let at = read_channel(&chain, &args.address).await?;
    let now = chain.chain_time().await?;
    let mut file = if let Some(file) = theirs {
        file.matches(&tree)?;
        file
    } else {
        let valid = u32::try_from(args.valid.as_secs()).context("--valid is too long")?;
        let until = now.checked_add(valid).context("--valid is too long")?;
        VoucherFile::of(TESTNET, args.address, &tree, until)
    };
    let key = signing_key(args.session, &chain, settings).await?;
    at.sign_file(&mut file, TESTNET, &key, now)?;
    write_json(&file, args.out.as_deref(), output)
}

/// Signs for what an account owes. The entries looked at are kept in a file, for `fog account prove`,
/// and so that only new ones are fetched the next time.
pub(crate) async fn acknowledge(
    node: &NodeClient,
    chain: &ChainClient,
    key: &SecretKey,
    account: &Address,
    settings: &Settings,
) -> anyhow::Result<Option<VoucherFile>> {
    let path = settings.accounts.join(format!("{}.ndjson", account.hash));
    let salts = settings.accounts.join(format!("{}.salts", account.hash));
    // Files that a crash tore are no loss: everything is fetched, and looked at, once more.
    let known = looked_at(&path, &salts).unwrap_or_default();
    let before = known.salts().len();
    let vouched = vouch(node, chain, key, account, known).await?;
    let lines = |entries: &[Entry]| -> anyhow::Result<String> {
        entries.iter().map(|entry| Ok(serde_json::to_string(entry)? + "\n")).collect()
    };
    std::fs::create_dir_all(&settings.accounts)
        .with_context(|| format!("cannot create {}", settings.accounts.display()))?;
    let entries = vouched.known.entries().entries();
    let names =
        |salts: &[Hash32]| -> String { salts.iter().map(|salt| format!("{salt}\n")).collect() };
    if before == 0 {
        files::write(&path, lines(entries)?.as_bytes())?;
        files::write(&salts, names(vouched.known.salts()).as_bytes())?;
    } else if let (Some(new), Some(new_salts)) =
        (entries.get(before..).filter(|new| !new.is_empty()), vouched.known.salts().get(before..))
    {
        files::append(&path, lines(new)?.as_bytes())?;
        files::append(&salts, names(new_salts).as_bytes())?;
    }
    // What was owed before it is signed for, and on disk.
    vouched.refused.map_or(Ok(vouched.voucher), |refused| Err(refused.into()))
}

/// The entries that were looked at before, and the salts of their orders; none if a file is not whole.
fn looked_at(entries: &Path, salts: &Path) -> Option<Known> {
    let tree = entries.exists().then(|| read_entries(entries).ok()).flatten()?;
    let text = files::read(salts, MAX_SALTS).ok()?;
    let text = std::str::from_utf8(&text).ok()?;
    Known::new(tree, text.lines().map(|line| line.parse().ok()).collect::<Option<_>>()?)
}

/// The payer's notice, or its exit once the delay is over; the payee's leaving.
async fn close(
    address: &Address,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let chain = chain::connect(settings)?;
    if is_in_jetton(&chain, address).await? {
        let wallet = keys::unlock(settings, &chain).await?;
        return jetton::close(&chain, &wallet, address, output).await;
    }
    let at = read_channel(&chain, address).await?;
    let own = crate::wallet::selected(settings)?;
    let sides = [at.channel.payer, at.channel.payee].map(|side| side == own);
    let word = way_out(at.status, at.close_at, chain.chain_time().await?, sides)?;
    let wallet = keys::unlock(settings, &chain).await?;
    end_channel(&chain, &wallet, address, word).await?;
    show(&chain, address, None, output).await
}

/// What somebody says who wants out: is it the payer, is it the payee?
pub(crate) fn way_out(
    status: ChannelStatus,
    close_at: u32,
    now: u32,
    [payer, payee]: [bool; 2],
) -> anyhow::Result<u32> {
    Ok(match status {
        ChannelStatus::Closed => bail!("it is closed already"),
        ChannelStatus::Closing if now >= close_at => op::FINISH,
        ChannelStatus::Closing if payer => bail!(
            "the notice is given: run this again in {}",
            humantime::format_duration(Duration::from_secs(u64::from(close_at - now)))
        ),
        ChannelStatus::Open if payer => op::CLOSE,
        ChannelStatus::Open | ChannelStatus::Closing if payee => op::LEAVE,
        ChannelStatus::Open | ChannelStatus::Closing => {
            bail!("this wallet is neither its payer nor its payee")
        }
    })
}

/// A voucher in either currency: which fields it has tells.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum AnyVoucher {
    Gram(VoucherFile),
    Jetton(JettonVoucherFile),
}

#[derive(Serialize)]
struct Checked {
    opens: bool,
    root: Hash32,
}

fn check(proof: &EntryProof, root: &Hash32, output: &Output) -> anyhow::Result<ExitCode> {
    let checked = Checked { opens: proof.opens(root), root: *root };
    output.document(&checked, || {
        let Entry { task, amount, .. } = &proof.entry;
        if checked.opens {
            format!("yes: task {task} is entered there with {amount}")
        } else {
            format!("no: this entry does not belong to the root {root}")
        }
    })?;
    Ok(if checked.opens { ExitCode::SUCCESS } else { failed() })
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path, max: u64) -> anyhow::Result<T> {
    let bytes = files::read(path, max)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| exit_with(MALFORMED, format!("{}: {error}", path.display())))
}

/// Entries in their order: one JSON document a line.
fn read_entries(path: &Path) -> anyhow::Result<EntryTree> {
    let bytes = files::read(path, MAX_ENTRIES)?;
    let mut tree = EntryTree::default();
    let documents = serde_json::Deserializer::from_slice(&bytes).into_iter::<Entry>();
    for (number, entry) in documents.enumerate() {
        let told = |cause: &dyn std::fmt::Display| {
            exit_with(MALFORMED, format!("{}, entry {number}: {cause}", path.display()))
        };
        tree.append(entry.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
    }
    Ok(tree)
}

fn write_json<T: Serialize>(
    value: &T,
    out: Option<&Path>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(value)?;
    match out {
        Some(path) => files::write(path, format!("{text}\n").as_bytes())?,
        None => output.document(value, || text)?,
    }
    Ok(ExitCode::SUCCESS)
}
