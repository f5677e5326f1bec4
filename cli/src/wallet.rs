//! `fog wallet`.

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use anyhow::Context;
use fog_chain::ChainClient;
use fog_protocol::{Address, AddressForm, Nano};
use fog_wallet::{Bounce, EntryInfo, KeyOrigin, Mnemonic, OutMessage, TESTNET, WalletVersion};
use serde::Serialize;
use tycho_types::cell::{Cell, CellBuilder};
use zeroize::Zeroizing;

use crate::{
    args::{WalletArgs, WalletCommand, WalletKind},
    chain, keys,
    output::{Output, table},
    settings::{Asked, Settings},
};

pub(crate) async fn wallet(
    args: WalletArgs,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    match args.command {
        WalletCommand::New { name, contract } => new(&name, contract, settings, output),
        WalletCommand::Import { name, contract } => import(&name, contract, settings, output),
        WalletCommand::Words => words(settings, output),
        WalletCommand::Ls => ls(settings, output),
        WalletCommand::Address => address(settings, output),
        WalletCommand::Balance => balance(settings, output).await,
        WalletCommand::Send { to, amount, comment } => {
            send(&to, amount, comment.as_deref(), settings, output).await
        }
    }
}

#[derive(Serialize)]
struct Shown {
    name: String,
    version: String,
    network: i32,
    address: String,
    friendly: String,
    /// "LOCAL ONLY" if everybody knows its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

/// What is said of a key that everybody knows.
const LOCAL_ONLY: &str = "LOCAL ONLY: everybody knows this key";

fn warning(entry: &EntryInfo) -> Option<&'static str> {
    (entry.origin == KeyOrigin::LocalOnly).then_some(LOCAL_ONLY)
}

fn shown(entry: &EntryInfo) -> Option<Shown> {
    let record = entry.wallet.as_ref()?;
    Some(Shown {
        name: entry.name.clone(),
        version: record.version.to_string(),
        network: record.network_id,
        address: record.address.to_string(),
        friendly: friendly(&record.address),
        warning: warning(entry),
    })
}

/// The form to give to people: a wallet may not be deployed yet, so it must not bounce.
pub(crate) fn friendly(address: &Address) -> String {
    address.friendly(AddressForm::TestNonBounceable)
}

const fn version_of(kind: WalletKind) -> WalletVersion {
    match kind {
        WalletKind::V5r1 => WalletVersion::V5R1,
        WalletKind::V4r2 => WalletVersion::V4R2,
    }
}

fn new(
    name: &str,
    kind: WalletKind,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let keystore = keys::open(settings)?;
    let password = keys::password(settings, Asked::New)?;
    let (entry, mnemonic) = keystore.new_wallet(name, &password, version_of(kind), TESTNET)?;
    print_entry(&entry, output)?;
    // The words go to the terminal alone: never into a pipe, a log or a JSON document.
    if std::io::stderr().is_terminal() {
        output.note("\nIts 24 words. Write them down now; they are not shown again:\n");
        output.note(&format!("  {}", mnemonic.phrase()));
    } else {
        output.note("Its words are not shown in a pipe: `fog wallet words` on a terminal does.");
    }
    Ok(ExitCode::SUCCESS)
}

fn import(
    name: &str,
    kind: WalletKind,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let words = if std::io::stdin().is_terminal() {
        let prompt = inquire::Password::new("The 24 words:").without_confirmation();
        Zeroizing::new(prompt.prompt()?)
    } else {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin()
            .take(4096)
            .read_to_string(&mut text)
            .context("standard input must hold the 24 words")?;
        text
    };
    let mnemonic = Mnemonic::parse(words.trim())?;
    let keystore = keys::open(settings)?;
    let password = keys::password(settings, Asked::New)?;
    let entry = keystore.import_mnemonic(name, &password, &mnemonic, version_of(kind), TESTNET)?;
    print_entry(&entry, output)?;
    Ok(ExitCode::SUCCESS)
}

fn print_entry(entry: &EntryInfo, output: &Output) -> anyhow::Result<()> {
    let shown = shown(entry).context("the keystore stored no wallet")?;
    output.document(&shown, || {
        format!(
            "wallet `{}` ({})\n  {}\n  {}\n{}",
            shown.name,
            shown.version,
            shown.friendly,
            shown.address,
            shown.warning.map(|warning| format!("  {warning}")).unwrap_or_default()
        )
    })
}

fn ls(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let wallets: Vec<_> = keys::open(settings)?.list()?.iter().filter_map(shown).collect();
    output.document(&wallets, || {
        if wallets.is_empty() {
            return "no wallet yet: make one with `fog wallet new`".to_owned();
        }
        let mut table = table(["NAME", "VERSION", "ADDRESS", ""]);
        for wallet in &wallets {
            let warning = wallet.warning.unwrap_or_default();
            let row = [wallet.name.as_str(), &wallet.version, &wallet.friendly, warning];
            table.add_row(row);
        }
        table.to_string()
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The address of the wallet the user means; needs no password.
pub(crate) fn selected(settings: &Settings) -> anyhow::Result<Address> {
    let keystore = keys::open(settings)?;
    let name = keys::wallet_name(settings, &keystore)?;
    let record = keystore.info(&name)?.wallet;
    Ok(record.with_context(|| format!("`{name}` is not a wallet"))?.address)
}

fn address(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let address = selected(settings)?;
    let forms = [
        ("raw", address.to_string()),
        ("bounceable", address.friendly(AddressForm::Bounceable)),
        ("non_bounceable", address.friendly(AddressForm::NonBounceable)),
        ("test_bounceable", address.friendly(AddressForm::TestBounceable)),
        ("test_non_bounceable", address.friendly(AddressForm::TestNonBounceable)),
    ];
    output
        .document(&forms.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(), || {
            forms.iter().map(|(name, form)| format!("{name:20} {form}\n")).collect()
        })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Balance {
    address: Address,
    balance_nano: Nano,
    state: String,
}

async fn balance(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let address = selected(settings)?;
    let account = chain::connect(settings)?.account(&address).await?;
    let balance = Balance {
        address,
        balance_nano: account.balance,
        state: format!("{:?}", account.state).to_lowercase(),
    };
    output.document(&balance, || {
        format!("{}\n  {} ({})", friendly(&address), balance.balance_nano, balance.state)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn send(
    to: &str,
    amount: Nano,
    comment: Option<&str>,
    settings: &Settings,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let to: Address = to.parse()?;
    let chain: ChainClient = chain::connect(settings)?;
    let unlocked = keys::unlock(settings, &chain).await?;
    let mut message = OutMessage::new(to, amount).with_bounce(Bounce::No);
    if let Some(comment) = comment {
        message = message.with_body(comment_body(comment)?);
    }
    let sent = chain::send(&chain, &unlocked, &[message]).await?;
    output.document(&sent, || {
        format!("sent {amount} to {to}\n  transaction {} (lt {})", sent.hash, sent.lt)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A text comment (TEP-74's convention): 32 zero bits, then UTF-8 in a chain of cells.
fn comment_body(text: &str) -> anyhow::Result<Cell> {
    const FIRST: usize = 123;
    const NEXT: usize = 127;
    anyhow::ensure!(text.len() <= 900, "the comment is longer than 900 bytes");
    let (first, rest) = text.as_bytes().split_at(text.len().min(FIRST));
    let mut tail: Option<Cell> = None;
    for part in rest.chunks(NEXT).rev() {
        tail = Some(text_cell(None, part, tail)?);
    }
    text_cell(Some(0), first, tail)
}

fn text_cell(op: Option<u32>, bytes: &[u8], next: Option<Cell>) -> anyhow::Result<Cell> {
    let mut cell = CellBuilder::new();
    if let Some(op) = op {
        cell.store_u32(op)?;
    }
    cell.store_raw(bytes, u16::try_from(bytes.len() * 8)?)?;
    if let Some(next) = next {
        cell.store_reference(next)?;
    }
    Ok(cell.build()?)
}

fn words(settings: &Settings, output: &Output) -> anyhow::Result<ExitCode> {
    let keystore = keys::open(settings)?;
    let name = keys::wallet_name(settings, &keystore)?;
    let mnemonic = keystore.export_mnemonic(&name, &keys::password(settings, Asked::Known)?)?;
    if mnemonic.is_local_only() {
        output.note(LOCAL_ONLY);
    }
    output.document(&mnemonic.phrase(), || mnemonic.phrase().to_owned())?;
    Ok(ExitCode::SUCCESS)
}
