//! Every slash of a market, from the chain alone.
//!
//! ```text
//! Market's history: who configured it, and each task that registered, with its node's wallet
//!   node's wallet's history: each worker it assigned a task to
//!     worker's Stake (its address follows from market, configuration and worker): its logs
//! ```
//! A slash needs a reservation, that an assignment, that a registered task: so nothing is missed
//! that is not missing in one of these histories, and their links are checked. Nobody is asked who
//! the workers are.

use std::collections::{BTreeMap, BTreeSet};

use fog_chain::{ChainClient, ChainError, Cursor, Follower, MsgKind, Tx};
use fog_contracts::{
    StakeLog, heard,
    market::{self, Config},
    operator,
    task::TaskData,
};
use fog_protocol::{Address, Hash32, Nano};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::StakerError;

/// Accounts that are read at the same time.
const AT_ONCE: usize = 8;

/// Why stake was slashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// A verdict or a proof says that the result is wrong.
    Verdict,
    /// No commitment came in time: a bounded penalty.
    Late,
}

/// One slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlashEvent {
    /// Hash of the stake's transaction.
    pub id: Hash32,
    /// Its logical time: where to go on from.
    pub lt: u64,
    /// Chain time, Unix seconds.
    pub time: u32,
    /// The worker.
    pub worker: Address,
    /// Its stake.
    pub stake: Address,
    /// The task's contract.
    pub task_contract: Address,
    /// The task; `None` if its contract is gone.
    pub task: Option<Hash32>,
    /// Why.
    pub reason: Reason,
    /// Hash of the evidence; zero for a penalty.
    pub evidence: Hash32,
    /// All that was taken, nanogram.
    pub amount_nano: Nano,
    /// What of it the worker's own stake lost.
    pub own_nano: Nano,
    /// What of it delegated stake lost.
    pub delegated_nano: Nano,
    /// What of it the requestor got.
    pub requestor_nano: Nano,
    /// What of it was burned.
    pub burned_nano: Nano,
}

/// What an account's history is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Market,
    Node,
    Stake(Address),
}

/// What a transaction told.
enum Found {
    Config(Box<Config>),
    Node(Address),
    Worker(Address),
    Slash(Box<SlashEvent>),
}

/// An account that is followed.
struct Followed {
    role: Role,
    follower: Follower,
    cursor: Option<Cursor>,
    /// Chain time up to which everything is known.
    covered: u32,
}

/// A slash that may not be told yet: an earlier one might still be found.
struct Held {
    event: SlashEvent,
    /// The round that found it.
    round: u64,
}

/// Follows a market's slashes, oldest first, each once.
pub struct Watcher {
    chain: ChainClient,
    witness: Option<ChainClient>,
    market: Address,
    from: u64,
    accounts: BTreeMap<Address, Followed>,
    configs: Vec<Config>,
    workers: Vec<Address>,
    held: BTreeMap<(u64, Hash32), Held>,
    round: u64,
    foreign: u32,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { market, from, round, .. } = self;
        f.debug_struct("Watcher")
            .field("market", market)
            .field("from", from)
            .field("accounts", &self.accounts.len())
            .field("round", round)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    /// Of all slashes of `market` after logical time `from` (0: from the beginning). Nothing is
    /// asked yet. A second gateway, if there is one, must confirm what the first says.
    #[must_use]
    pub fn new(
        chain: ChainClient,
        witness: Option<ChainClient>,
        market: Address,
        from: u64,
    ) -> Self {
        let mut watcher = Self {
            chain,
            witness,
            market,
            from,
            accounts: BTreeMap::new(),
            configs: Vec::new(),
            workers: Vec::new(),
            held: BTreeMap::new(),
            round: 0,
            foreign: 0,
        };
        watcher.follow(market, Role::Market);
        watcher
    }

    /// Configurations of the market that use other contracts than this program knows: slashes under
    /// those are not read.
    #[must_use]
    pub const fn foreign_configs(&self) -> u32 {
        self.foreign
    }

    /// Stakes that are watched.
    #[must_use]
    pub fn stakes(&self) -> usize {
        self.accounts.values().filter(|account| matches!(account.role, Role::Stake(_))).count()
    }

    /// Whether nothing is held back.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.round > 1 && self.held.is_empty()
    }

    /// Looks at every account once, and returns the slashes that may be told now: in the order of
    /// their logical times, each once. One is told when everything was looked at again after it
    /// was found, so that none with a smaller logical time comes later. After an error nothing is
    /// lost: go on with the next round. (A round that is dropped in the middle loses its place.)
    ///
    /// # Errors
    /// [`StakerError::Chain`].
    pub async fn round(&mut self) -> Result<Vec<SlashEvent>, StakerError> {
        self.round += 1;
        let mut looked = BTreeSet::new();
        loop {
            // What was found on the way is read in the same round.
            let next = |at: &&Address| !looked.contains(*at);
            let todo: Vec<Address> = self.accounts.keys().filter(next).copied().collect();
            if todo.is_empty() {
                break;
            }
            self.look(&todo).await?;
            looked.extend(todo);
        }
        self.ready().await
    }

    /// Reads each of these accounts up to now.
    async fn look(&mut self, addresses: &[Address]) -> Result<(), StakerError> {
        let accounts: Vec<_> =
            addresses.iter().filter_map(|at| self.accounts.remove_entry(at)).collect();
        let mut looks = futures_util::stream::iter(accounts.into_iter().map(catch_up))
            .buffer_unordered(AT_ONCE);
        let mut found = Vec::new();
        let mut failed = None;
        while let Some((at, account, told, result)) = looks.next().await {
            self.accounts.insert(at, account);
            found.extend(told);
            failed = failed.or(result.err());
        }
        drop(looks);
        // All of it is taken in, whatever else failed: the cursors are past it.
        let mut result = failed.map_or(Ok(()), |error| Err(error.into()));
        for one in found {
            result = result.and(self.take(one));
        }
        result
    }

    fn take(&mut self, found: Found) -> Result<(), StakerError> {
        match found {
            Found::Config(config) if !config.is_of_this_code() => self.foreign += 1,
            Found::Config(config) => {
                if !self.configs.iter().any(|known| known.stake == config.stake) {
                    self.configs.push(*config);
                    for worker in self.workers.clone() {
                        self.follow_stakes_of(worker)?;
                    }
                }
            }
            Found::Node(wallet) => self.follow(wallet, Role::Node),
            Found::Worker(worker) => {
                if let Err(place) = self.workers.binary_search(&worker) {
                    self.workers.insert(place, worker);
                    self.follow_stakes_of(worker)?;
                }
            }
            Found::Slash(event) => {
                if event.lt > self.from {
                    let held = Held { event: *event, round: self.round };
                    self.held.entry((held.event.lt, held.event.id)).or_insert(held);
                }
            }
        }
        Ok(())
    }

    fn follow_stakes_of(&mut self, worker: Address) -> Result<(), StakerError> {
        for at in 0..self.configs.len() {
            let Some(config) = self.configs.get(at) else { break };
            let stake = config.stake_of(self.market, worker).address()?;
            self.follow(stake, Role::Stake(worker));
        }
        Ok(())
    }

    fn follow(&mut self, address: Address, role: Role) {
        let follower =
            || Follower::new(self.chain.clone(), address).with_witness(self.witness.clone());
        let account = || Followed { role, follower: follower(), cursor: None, covered: 0 };
        self.accounts.entry(address).or_insert_with(account);
    }

    /// Takes out what may be told.
    async fn ready(&mut self) -> Result<Vec<SlashEvent>, StakerError> {
        let covered = self.accounts.values().map(|account| account.covered).min().unwrap_or(0);
        let mut ready = Vec::new();
        for (key, held) in &self.held {
            if held.round >= self.round || held.event.time > covered {
                break;
            }
            let task = self.task_of(&held.event.task_contract).await?;
            ready.push((*key, task));
        }
        let told = ready.into_iter().filter_map(|(key, task)| {
            self.held.remove(&key).map(|held| SlashEvent { task, ..held.event })
        });
        Ok(told.collect())
    }

    /// The id of the task with this contract, which its tombstone keeps.
    async fn task_of(&self, contract: &Address) -> Result<Option<Hash32>, StakerError> {
        let Some(data) = self.chain.account(contract).await?.data else { return Ok(None) };
        let Ok(data) = TaskData::parse(&data) else { return Ok(None) };
        Ok((data.init.address()? == *contract).then_some(data.init.terms.id))
    }
}

/// Reads one account up to now. What was told before an error counts: the cursor is past it.
async fn catch_up(
    (at, mut account): (Address, Followed),
) -> (Address, Followed, Vec<Found>, Result<(), ChainError>) {
    let mut found = Vec::new();
    loop {
        match account.follower.next(account.cursor).await {
            Ok(update) => {
                for tx in &update.transactions {
                    found.extend(read(account.role, tx));
                    account.cursor = Some(tx.cursor());
                }
                account.covered = update.covered;
                if !update.full {
                    return (at, account, found, Ok(()));
                }
            }
            Err(error) => return (at, account, found, Err(error)),
        }
    }
}

/// What a transaction tells about who is to be followed, and which slashes there are.
fn read(role: Role, tx: &Tx) -> Vec<Found> {
    if !tx.is_success() {
        return Vec::new();
    }
    match role {
        Role::Market => market_told(tx).into_iter().collect(),
        Role::Node => {
            let assigns = tx.out_msgs.iter().filter(|message| {
                message.kind == MsgKind::Internal && message.op() == Some(operator::op::TAKE_ON)
            });
            let taken = assigns.filter_map(|message| operator::taken_on(&message.body).ok());
            taken.map(|(_, assign)| Found::Worker(assign.owner)).collect()
        }
        Role::Stake(worker) => slashes(worker, tx),
    }
}

fn market_told(tx: &Tx) -> Option<Found> {
    let message = tx.in_msg.as_ref().filter(|message| !message.bounced)?;
    match message.op()? {
        market::op::REGISTER => {
            heard::registered(&message.body).ok().map(|init| Found::Node(init.operator))
        }
        market::op::SETUP | market::op::PROPOSE => {
            heard::configured(&message.body).ok().map(|config| Found::Config(Box::new(config)))
        }
        _ => None,
    }
}

fn slashes(worker: Address, tx: &Tx) -> Vec<Found> {
    let outside = tx.out_msgs.iter().filter(|message| message.kind == MsgKind::ExternalOut);
    let event = |slash: fog_contracts::Slash| SlashEvent {
        id: tx.hash,
        lt: tx.lt,
        time: tx.now,
        worker,
        stake: tx.account,
        task_contract: Address::basechain(slash.task.0),
        task: None,
        reason: if slash.evidence == Hash32::default() { Reason::Late } else { Reason::Verdict },
        evidence: slash.evidence,
        amount_nano: slash.amount,
        own_nano: slash.amount.saturating_sub(slash.delegated),
        delegated_nano: slash.delegated,
        requestor_nano: slash.share,
        burned_nano: slash.amount.saturating_sub(slash.share),
    };
    outside
        .filter_map(|message| match StakeLog::parse(&message.body) {
            Ok(StakeLog::Slashed(slash)) => Some(Found::Slash(Box::new(event(slash)))),
            Ok(StakeLog::Moved(_) | StakeLog::Rewarded(_)) | Err(_) => None,
        })
        .collect()
}
