//! The network of a scenario and its people: started, killed, started again.

mod node;
mod seat;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use fog_chain::{ChainClient, Tx};
use fog_protocol::{Address, Nano, SecretKey};
use fog_testnet::chain::{Clock, Durability};
use fog_wallet::{OutMessage, UnlockedWallet};

pub(super) use node::NodeHost;
pub(super) use seat::Seat;

use super::{
    ScenarioError,
    format::{Scenario, Step, WalletKind},
    parse::{EVERYTHING, NODE, OPERATOR, TREASURY},
    proxy::Proxies,
    thrower::Thrower,
};
use crate::{
    ChainSetup, LocalAccount, LocalChain, NetworkOptions, Timing, accounts::local_key, ledger::std,
    network::PURSE,
};

/// Chain time at genesis: January 2027.
const GENESIS: u32 = 1_800_000_000;

/// Who has money.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) name: String,
    pub(super) address: Address,
    /// Signs listings and requests, or is the session key of a worker's stake.
    pub(super) key: SecretKey,
    purse: Purse,
    pub(super) before: u64,
}

#[derive(Debug)]
enum Purse {
    Wallet(Box<UnlockedWallet>),
    Thrower(Box<Thrower>, u32),
    /// Only receives.
    Watched,
}

/// Everything of a running scenario but its story.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: NetworkOptions,
    /// `None` while it is stopped.
    local: Option<LocalChain>,
    pub(super) proxies: Proxies,
    pub(super) node: NodeHost,
    pub(super) seats: Vec<Seat>,
    pub(super) parties: BTreeMap<String, Party>,
    treasury: Option<Address>,
}

impl World {
    /// Starts the chain, the people's accounts and the node; nobody has joined yet.
    pub(super) async fn start(
        scenario: &Scenario,
        seed: u64,
        data: PathBuf,
        program: PathBuf,
    ) -> Result<Self, ScenarioError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = NetworkOptions {
            data,
            seed,
            workers: u32::try_from(scenario.workers.len()).unwrap_or(u32::MAX),
            node: any,
            chain: any,
            timing: Timing::DEMO,
            program,
            probation: scenario.network.probation,
            verifiers: crate::Verifiers::InNode,
            pledge: Nano::ZERO,
            jettons: Vec::new(),
            claim_from: crate::CLAIM_FROM,
        };
        let thrower = match scenario.network.treasury {
            WalletKind::Wallet => None,
            WalletKind::Bounces => Some(Thrower::new(seed)?.address),
        };
        let local = LocalChain::open(&options, &chain_setup(), thrower).await?;
        let proxies = Proxies::start(&local.chain.url(), seed).await?;
        let parties = parties(scenario, seed, &local, thrower)?;
        for party in parties.values() {
            let (address, purse) = (std(&party.address), u128::from(Nano::grams(PURSE).get()));
            if local.chain.account(address.clone()).await?.balance == 0 {
                local.chain.fund(address, purse).await?;
            }
        }
        let killed = |name: &str| {
            scenario
                .steps
                .iter()
                .any(|step| matches!(step, Step::Kill(who) if who == name || who == EVERYTHING))
        };
        let node =
            NodeHost::start(&options, &scenario.network, &local, proxies.for_node(), killed(NODE))
                .await?;
        let seats = scenario
            .workers
            .iter()
            .enumerate()
            .map(|(index, def)| Seat::new(index, def.clone(), killed(&def.name)))
            .collect();
        Ok(Self { options, local: Some(local), proxies, node, seats, parties, treasury: thrower })
    }

    /// The chain.
    pub(super) fn local(&self) -> Result<&LocalChain, ScenarioError> {
        self.local.as_ref().ok_or_else(|| {
            ScenarioError::Impossible("the chain is stopped: start it first".to_owned())
        })
    }

    /// Somebody.
    pub(super) fn party(&self, name: &str) -> Result<&Party, ScenarioError> {
        let party = self.parties.get(name);
        party.ok_or_else(|| ScenarioError::Impossible(format!("there is no `{name}`")))
    }

    /// The stake of a worker.
    pub(super) fn stake(&self, worker: &str) -> Result<Address, ScenarioError> {
        Ok(self.local()?.stake_of(self.party(worker)?.address)?)
    }

    /// Chain time.
    pub(super) async fn now(&self) -> Result<u32, ScenarioError> {
        Ok(self.local()?.chain.with(|chain| chain.now()).await?)
    }

    /// Notes what everybody has before the first step.
    pub(super) async fn note_balances(&mut self) -> Result<(), ScenarioError> {
        let chain = self.local()?.chain.clone();
        for party in self.parties.values_mut() {
            let balance = chain.account(std(&party.address)).await?.balance;
            party.before = u64::try_from(balance).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Sends messages from somebody's wallet, in as few transactions as it allows.
    pub(super) async fn pay(
        &mut self,
        who: &str,
        messages: &[OutMessage],
    ) -> Result<Vec<Tx>, ScenarioError> {
        let client = self.local()?.client.clone();
        let chain = self.local()?.chain.clone();
        let Some(party) = self.parties.get_mut(who) else {
            return Err(ScenarioError::Impossible(format!("there is no `{who}`")));
        };
        let mut sent = Vec::new();
        match &mut party.purse {
            Purse::Wallet(wallet) => {
                for batch in messages.chunks(wallet.wallet.version().max_messages()) {
                    sent.push(fog_requestor::send(&client, wallet, batch).await?);
                }
            }
            Purse::Thrower(thrower, seqno) => {
                for message in messages {
                    let boc = thrower.order(*seqno, message)?;
                    chain.send_boc(boc).await?;
                    *seqno += 1;
                    sent.extend(last(&client, &party.address).await?);
                }
            }
            Purse::Watched => {
                return Err(ScenarioError::Impossible(format!("`{who}` cannot send")));
            }
        }
        Ok(sent)
    }

    /// Starts a worker, with its stake if it has none yet.
    pub(super) async fn start_worker(&mut self, name: &str) -> Result<(), ScenarioError> {
        let url = self.node.url();
        let local = self.local.as_ref().ok_or_else(|| {
            ScenarioError::Impossible("the chain is stopped: start it first".to_owned())
        })?;
        let seat = self.seats.iter_mut().find(|seat| seat.name() == name);
        let seat =
            seat.ok_or_else(|| ScenarioError::Impossible(format!("there is no worker `{name}`")))?;
        seat.start(&self.options, local, &url, self.proxies.for_workers()).await
    }

    /// Kills a worker.
    pub(super) async fn kill_worker(&mut self, name: &str) -> Result<(), ScenarioError> {
        match self.seats.iter_mut().find(|seat| seat.name() == name) {
            Some(seat) => seat.kill().await,
            None => Err(ScenarioError::Impossible(format!("there is no worker `{name}`"))),
        }
    }

    /// Starts the node on the files it left.
    pub(super) async fn start_node(&mut self) -> Result<(), ScenarioError> {
        let endpoint = self.proxies.for_node().to_owned();
        self.node.resume(&endpoint).await
    }

    /// Stops the chain; what is stored stays.
    pub(super) async fn stop_chain(&mut self) {
        if let Some(local) = self.local.take() {
            local.shutdown().await;
        }
    }

    /// Starts the chain from its folder.
    pub(super) async fn start_chain(&mut self) -> Result<(), ScenarioError> {
        if self.local.is_none() {
            let local = LocalChain::open(&self.options, &chain_setup(), self.treasury).await?;
            self.proxies.retarget(&local.chain.url());
            self.local = Some(local);
        }
        Ok(())
    }

    /// Stops everything.
    pub(super) async fn shutdown(mut self) {
        for seat in &mut self.seats {
            seat.stop().await;
        }
        self.node.stop().await;
        self.stop_chain().await;
    }
}

/// A clock that only the scenario moves.
fn chain_setup() -> ChainSetup {
    ChainSetup {
        clock: Clock::Manual(GENESIS),
        durability: Durability::Process,
        ..ChainSetup::default()
    }
}

/// An account's last transaction.
async fn last(client: &ChainClient, address: &Address) -> Result<Option<Tx>, ScenarioError> {
    Ok(client.transactions(address, None, 1, None).await?.into_iter().next())
}

fn wallet(account: &LocalAccount) -> Purse {
    Purse::Wallet(Box::new(UnlockedWallet {
        wallet: account.wallet.wallet.clone(),
        key: account.wallet.key.clone(),
    }))
}

/// Everybody who has a wallet.
fn parties(
    scenario: &Scenario,
    seed: u64,
    local: &LocalChain,
    treasury: Option<Address>,
) -> Result<BTreeMap<String, Party>, ScenarioError> {
    let mut parties = BTreeMap::new();
    let mut add = |name: &str, address: Address, key: SecretKey, purse: Purse| {
        let party = Party { name: name.to_owned(), address, key, purse, before: 0 };
        parties.insert(name.to_owned(), party);
    };
    for (index, def) in scenario.requestors.iter().enumerate() {
        let role = format!("requestor/{}", def.name);
        match def.wallet {
            WalletKind::Wallet => {
                let account = LocalAccount::new(seed, &role)?;
                add(&def.name, account.address(), account.wallet.key.clone(), wallet(&account));
            }
            WalletKind::Bounces => {
                let thrower = Thrower::new(seed.wrapping_add(1 + index as u64))?;
                let key = local_key(seed, &role);
                add(&def.name, thrower.address, key, Purse::Thrower(Box::new(thrower), 0));
            }
        }
    }
    for (def, account) in scenario.workers.iter().zip(&local.accounts.workers) {
        let session = crate::workers::session_key(seed, &account.role);
        add(&def.name, account.address(), session, wallet(account));
    }
    for name in &scenario.outsiders {
        let account = LocalAccount::new(seed, &format!("outsider/{name}"))?;
        add(name, account.address(), account.wallet.key.clone(), wallet(&account));
    }
    let operator = &local.accounts.operator;
    add(OPERATOR, operator.address(), operator.wallet.key.clone(), wallet(operator));
    let address = treasury.unwrap_or_else(|| local.accounts.treasury.address());
    add(TREASURY, address, local_key(seed, TREASURY), Purse::Watched);
    Ok(parties)
}
