//! `fog account` where the money is a jetton.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use fog_chain::ChainClient;
use fog_contracts::{
    MAX_DECIMALS, Units,
    channel::{Channel, ChannelStatus, Purpose},
    jetton::{JettonChannel, JettonData},
};
use fog_protocol::{
    Address, EntryTree, Hash32, JettonAmount, JettonRate, Listing, Nano, PublicKey, SecretKey,
};
use fog_requestor::{
    JettonVoucherFile, claim_jettons, end_in_jetton, open_in_jetton, read_jetton,
    read_jetton_channel, set_jetton_key, settle_in_jetton, sweep_jettons, top_up_jetton,
};
use fog_wallet::{TESTNET, UnlockedWallet};
use serde::Serialize;

use crate::{chain, output::Output, settings::Settings};

/// How amounts of a jetton are written.
pub(crate) struct Money {
    decimals: Option<u8>,
    symbol: Option<String>,
}

impl Money {
    /// What the jetton's master tells on chain; the user may say the decimals where it does not.
    pub(crate) async fn of(
        chain: &ChainClient,
        master: &Address,
        said: Option<u8>,
    ) -> anyhow::Result<Self> {
        let info = read_jetton(chain, master).await?;
        match (info.decimals, said) {
            (Some(told), Some(said)) if told != said => {
                bail!("the jetton's master says that it has {told} decimals, not {said}")
            }
            (told, said) => Ok(Self { decimals: told.or(said), symbol: info.symbol }),
        }
    }

    pub(crate) fn parse(&self, text: &str) -> anyhow::Result<Units> {
        let decimals = self.decimals.context(
            "the jetton's master does not say on chain how many decimals it has: give --decimals",
        )?;
        Ok(Units::parse(text, decimals)?)
    }

    /// `1.5 USDT`; plain units where nobody knows better.
    pub(crate) fn shown(&self, amount: Units) -> String {
        let Some(decimals) = self.decimals else { return amount.to_string() };
        let symbol = self.symbol.as_deref().unwrap_or("of the jetton");
        format!("{} {symbol}", amount.shown(decimals))
    }
}

/// Masters asked for one listing of tasks; what is paid in more jettons is shown in their units.
const MOST_MASTERS: usize = 8;

/// How the prices of tasks are written, each in what it is paid in.
pub(crate) struct Prices(BTreeMap<Address, Money>);

impl Prices {
    /// Asks the masters of these tasks' jettons. Where one does not answer its units are shown.
    pub(crate) async fn of(listings: impl Iterator<Item = &Listing>, settings: &Settings) -> Self {
        let masters =
            listings.filter_map(|listing| listing.rail.jetton().map(|(master, _)| master));
        let masters: BTreeSet<_> = masters.collect();
        let mut all = BTreeMap::new();
        if !masters.is_empty()
            && let Ok(chain) = chain::connect(settings)
        {
            for master in masters.into_iter().take(MOST_MASTERS) {
                if let Ok(money) = Money::of(&chain, &master, None).await {
                    all.insert(master, money);
                }
            }
        }
        Self(all)
    }

    /// `0.5 GRAM`, or what that comes to in the listing's jetton: `3 USDT (jetton)`.
    pub(crate) fn shown(&self, listing: &Listing, price: Nano) -> String {
        let Some(JettonAmount { master, units }) = listing.in_jetton(price) else {
            return price.to_string();
        };
        let known = self.0.get(&master).map(|money| money.shown(units));
        format!("{} (jetton)", known.unwrap_or_else(|| units.to_string()))
    }
}

/// `--decimals`, as the parser checks it.
pub(crate) fn decimals(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| *number <= MAX_DECIMALS);
    number.ok_or_else(|| format!("a jetton has 0 to {MAX_DECIMALS} decimals"))
}

/// `MASTER=UNITS`: so many of its smallest units for one GRAM.
pub(crate) fn rate(text: &str) -> Result<JettonRate, String> {
    let (master, units) =
        text.split_once('=').ok_or("write MASTER=UNITS: its smallest units for one GRAM")?;
    let master = master.parse::<Address>().map_err(|error| error.to_string())?;
    let units = units.parse().ok().and_then(Units::new).filter(|units| *units > Units::ZERO);
    let units_per_gram = units.ok_or("UNITS is a whole number above zero")?;
    Ok(JettonRate { master, units_per_gram })
}

/// What `fog account open` asks for.
pub(crate) struct Opening<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) master: Address,
    pub(crate) decimals: Option<u8>,
    pub(crate) amount: &'a str,
    pub(crate) cap: &'a str,
    pub(crate) payee: Address,
    pub(crate) payee_key: PublicKey,
    pub(crate) delay: u32,
    pub(crate) series: u32,
}

pub(crate) async fn open(
    asked: &Opening<'_>,
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let money = Money::of(chain, &asked.master, asked.decimals).await?;
    let terms = Channel {
        purpose: asked.purpose,
        payer: wallet.wallet.address(),
        payee: asked.payee,
        payer_key: wallet.key.public(),
        payee_key: asked.payee_key,
        cap: money.parse(asked.cap)?,
        delay: asked.delay,
        series: asked.series,
    };
    let channel = JettonChannel { terms, master: asked.master };
    let address = open_in_jetton(chain, wallet, &channel, money.parse(asked.amount)?).await?;
    show(chain, &address, None, asked.decimals, output).await
}

pub(crate) async fn top_up(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    amount: &str,
    decimals: Option<u8>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let at = read_jetton_channel(chain, address).await?;
    let amount = Money::of(chain, &at.master, decimals).await?.parse(amount)?;
    top_up_jetton(chain, wallet, address, amount).await?;
    show(chain, address, None, decimals, output).await
}

#[derive(Serialize)]
struct Shown {
    address: Address,
    purpose: &'static str,
    status: String,
    jetton: Address,
    jetton_wallet: Option<Address>,
    symbol: Option<String>,
    decimals: Option<u8>,
    balance_units: Units,
    paid_units: Units,
    due_payee_units: Units,
    due_payer_units: Units,
    entries: u64,
    root: Hash32,
    closes_at: u32,
    payer: Address,
    payee: Address,
    payer_key: PublicKey,
    payee_key: PublicKey,
    cap_units: Units,
    delay_seconds: u32,
    room_units: Units,
}

pub(crate) async fn show(
    chain: &ChainClient,
    address: &Address,
    owed: Option<&str>,
    decimals: Option<u8>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let at = read_jetton_channel(chain, address).await?;
    let money = Money::of(chain, &at.master, decimals).await?;
    let owed = owed.map(|text| money.parse(text)).transpose()?;
    let shown = shown(address, &at, owed, &money);
    output.document(&shown, || text(&shown, &at, &money))?;
    Ok(ExitCode::SUCCESS)
}

fn text(shown: &Shown, at: &JettonData, money: &Money) -> String {
    let core = &at.core;
    let closing = match core.status {
        ChannelStatus::Closing => format!(" at {} (chain time)", core.close_at),
        ChannelStatus::Open | ChannelStatus::Closed => String::new(),
    };
    let due = |who: &str, amount: Units| {
        let amount = money.shown(amount);
        format!("\n  {amount} are owed to its {who}, who gets them by `fog account claim`")
    };
    let mut text = format!(
        "{} {}\n  {}{closing}\n  balance {}, paid {} for {} entries\n  root    {}\n  cap     {}, room \
         for {} more\n  payer   {}\n  payee   {}\n  jetton  {}",
        shown.purpose,
        shown.address,
        shown.status,
        money.shown(core.balance),
        money.shown(core.paid),
        core.count,
        core.root,
        money.shown(core.channel.cap),
        money.shown(shown.room_units),
        shown.payer,
        shown.payee,
        shown.jetton,
    );
    if money.symbol.is_some() {
        text += " (names are free: the master is what counts)";
    }
    if at.due_payee > Units::ZERO {
        text += &due("payee", at.due_payee);
    }
    if at.due_payer > Units::ZERO {
        text += &due("payer", at.due_payer);
    }
    text
}

fn shown(address: &Address, at: &JettonData, owed: Option<Units>, money: &Money) -> Shown {
    let (core, terms) = (&at.core, &at.core.channel);
    Shown {
        address: *address,
        purpose: match terms.purpose {
            Purpose::Account => "account",
            Purpose::Earnings => "earnings",
        },
        status: format!("{:?}", core.status).to_lowercase(),
        jetton: at.master,
        jetton_wallet: at.wallet,
        symbol: money.symbol.clone(),
        decimals: money.decimals,
        balance_units: core.balance,
        paid_units: core.paid,
        due_payee_units: at.due_payee,
        due_payer_units: at.due_payer,
        entries: core.count,
        root: core.root,
        closes_at: core.close_at,
        payer: terms.payer,
        payee: terms.payee,
        payer_key: terms.payer_key,
        payee_key: core.payee_key,
        cap_units: terms.cap,
        delay_seconds: terms.delay,
        room_units: core.room(owed.unwrap_or(core.paid)),
    }
}

/// Signs a voucher: a new one for these entries, or the other side's if it says the same.
pub(crate) async fn sign(
    chain: &ChainClient,
    address: &Address,
    tree: &EntryTree,
    theirs: Option<JettonVoucherFile>,
    valid: Duration,
    key: &SecretKey,
) -> anyhow::Result<JettonVoucherFile> {
    let at = read_jetton_channel(chain, address).await?;
    let now = chain.chain_time().await?;
    let mut file = if let Some(file) = theirs {
        file.matches(tree)?;
        file
    } else {
        let valid = u32::try_from(valid.as_secs()).context("--valid is too long")?;
        let until = now.checked_add(valid).context("--valid is too long")?;
        JettonVoucherFile::of(TESTNET, &at, tree, until)?
    };
    file.sign(TESTNET, &at, key, now)?;
    Ok(file)
}

pub(crate) async fn settle(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    file: &JettonVoucherFile,
    decimals: Option<u8>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let paid = settle_in_jetton(chain, wallet, file).await?;
    let paid = Money::of(chain, &file.jetton, decimals).await?.shown(paid);
    output.note(&format!("{paid} settled"));
    show(chain, &file.channel, None, decimals, output).await
}

pub(crate) async fn set_key(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    key: &PublicKey,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let at = read_jetton_channel(chain, address).await?;
    if wallet.wallet.address() != at.core.channel.payee {
        bail!("only its payee {} may change that key", at.core.channel.payee);
    }
    set_jetton_key(chain, wallet, address, key).await?;
    show(chain, address, None, None, output).await
}

pub(crate) async fn close(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let core = read_jetton_channel(chain, address).await?.core;
    let word = crate::account::way_out(
        core.status,
        core.close_at,
        chain.chain_time().await?,
        [core.channel.payer, core.channel.payee].map(|side| side == wallet.wallet.address()),
    )?;
    end_in_jetton(chain, wallet, address, word).await?;
    show(chain, address, None, None, output).await
}

/// What the contract owes this wallet, to `to` or to itself; from a closed one that owes nobody
/// anything any more, whatever else has come there.
pub(crate) async fn claim(
    chain: &ChainClient,
    wallet: &UnlockedWallet,
    address: &Address,
    to: Option<Address>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let at = read_jetton_channel(chain, address).await?;
    let money = Money::of(chain, &at.master, None).await?;
    let nobody = at.due_payee == Units::ZERO && at.due_payer == Units::ZERO;
    let sent = if at.core.status == ChannelStatus::Closed && nobody {
        sweep_jettons(chain, wallet, address).await?
    } else {
        let to = to.unwrap_or_else(|| wallet.wallet.address());
        claim_jettons(chain, wallet, address, &to).await?
    };
    output.note(&format!("{} sent", money.shown(sent)));
    show(chain, address, None, None, output).await
}

/// An amount of GRAM, where the account is not in a jetton.
pub(crate) fn grams(text: &str) -> anyhow::Result<Nano> {
    text.parse().map_err(|error: fog_protocol::AmountError| crate::output::usage(error.to_string()))
}
