//! Reads tasks' own contracts: at the start, now and then, after something was thrown back, and
//! when a task ended (for its list of transactions). Bounded: a few at a time.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fog_chain::{AccountInfo, ChainError, Cursor, Tx};
use fog_contracts::{
    Notify, TaskState,
    channel::{ChannelData, ChannelStatus},
    task::{ProofRole, TaskData, Work},
};
use fog_market::{Event, Outcome, RefundCause, Verdict};
use fog_protocol::{Address, Hash32, Nano, TaskId, api::TxRef};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    facts::{Applicable, ChainUpdate, Fact, end_notice, last_notice},
    shares::Shares,
};
use crate::{
    NodeError,
    chain_port::{PortError, transaction_kind},
    channels,
    coordinator::Command,
    shared::Shared,
    store::Intent,
};

/// Readings waiting at most; more are dropped and asked for again later.
const QUEUED: usize = 4096;
/// Tasks whose contracts are read in one periodic round.
pub(super) const PER_ROUND: u32 = 500;
/// Pause before a contract that moved a moment ago is read again.
const AGAIN: Duration = Duration::from_millis(500);
/// Ended tasks that are read once more after a start.
const UNREAD: u32 = 64;
/// How often a reading that failed is tried again.
const ATTEMPTS: u8 = 5;
/// Transactions of one task read at once.
const PAGE: usize = 64;
/// A busy worker's stake changes with every task that ends: it is read once for all of them.
const STAKES_EVERY: Duration = Duration::from_millis(250);
/// Pages read back for the end of a task, at most.
const MAX_PAGES: usize = 20;

/// What is to be read.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// A task's contract.
    Task {
        /// The task.
        task: TaskId,
        /// Its escrow.
        escrow: Address,
        /// The intent that was thrown back, if that is why.
        thrown_back: Option<i64>,
    },
    /// An account or earnings.
    Channel {
        /// The contract.
        channel: Address,
        /// The intent that was thrown back, if that is why.
        thrown_back: Option<i64>,
    },
    /// What a task that was paid in a jetton owes this node.
    Share {
        /// The task.
        task: TaskId,
        /// Its escrow.
        escrow: Address,
    },
    /// A worker's stake.
    Stake {
        /// The worker.
        worker: Address,
        /// Its stake contract.
        stake: Address,
    },
    /// The node's bond.
    Bond,
    /// The task of an intent that the node's bond threw back.
    Intent(i64),
}

/// Takes readings; never waits.
#[derive(Debug, Clone)]
pub(crate) struct Reconciler(mpsc::Sender<Reading>);

impl Reconciler {
    /// A handle and its queue.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Reading>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Asks for a reading; if the queue is full the periodic round comes to it.
    pub(crate) fn ask(&self, reading: Reading) {
        if self.0.try_send(reading).is_err() {
            tracing::debug!("too many readings of the chain at once: left for later");
        }
    }
}

/// Performs readings until `stop`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut queue: mpsc::Receiver<Reading>,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let every = Duration::from_secs(shared.config.chain.reconcile_seconds.max(1));
    let mut round = tokio::time::interval(every);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stakes: BTreeMap<Address, Address> = BTreeMap::new();
    let mut stake_round = tokio::time::interval(STAKES_EVERY);
    stake_round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reader = Reader::new(shared);
    for (task, escrow) in reader.shared.store.ends_unread(UNREAD).await? {
        reader.put_off(Reading::Task { task, escrow, thrown_back: None }, 0);
    }
    let mut after = 0;
    loop {
        let reading = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            reading = queue.recv() => reading,
            _ = stake_round.tick(), if !stakes.is_empty() => {
                for (worker, stake) in std::mem::take(&mut stakes) {
                    reader.perform(Reading::Stake { worker, stake }, &stop).await;
                }
                continue;
            }
            _ = round.tick() => {
                after = reader.one_round(&mut queue, after, &stop).await?;
                continue;
            }
            _ = again.tick(), if !reader.later.is_empty() => {
                for (reading, failed) in std::mem::take(&mut reader.later) {
                    reader.attempt(reading, failed, &stop).await;
                }
                continue;
            }
        };
        let Some(reading) = reading else { return Ok(()) };
        if let Reading::Stake { worker, stake } = reading {
            stakes.insert(worker, stake);
            continue;
        }
        reader.perform(reading, &stop).await;
    }
}

/// Reads contracts, and remembers which of them did not stand still long enough to be believed.
struct Reader {
    shared: Arc<Shared>,
    steady: Steadiness,
    /// Readings to be repeated soon, and how often each has failed; bounded as the queue is.
    later: VecDeque<(Reading, u8)>,
    shares: Shares,
}

impl Reader {
    fn new(shared: Arc<Shared>) -> Self {
        let (steady, later) = (Steadiness::default(), VecDeque::new());
        Self { shared, steady, later, shares: Shares::default() }
    }

    /// Reads the next living tasks after row `after`; returns where the next round goes on.
    async fn one_round(
        &mut self,
        queue: &mut mpsc::Receiver<Reading>,
        after: i64,
        stop: &CancellationToken,
    ) -> Result<i64, NodeError> {
        self.perform(Reading::Bond, stop).await;
        for (task, escrow) in self.shared.store.pledge_escrows().await? {
            self.perform(Reading::Task { task, escrow, thrown_back: None }, stop).await;
        }
        let living = self.shared.store.living_escrows(after, PER_ROUND).await?;
        let last = living.last().map_or(0, |(row, ..)| *row);
        let full = living.len() == PER_ROUND as usize;
        for (_, task, escrow) in living {
            // What was asked for comes first.
            while let Ok(asked) = queue.try_recv() {
                self.perform(asked, stop).await;
            }
            self.perform(Reading::Task { task, escrow, thrown_back: None }, stop).await;
        }
        // Nobody waits for these.
        for (task, escrow) in self.shares.next(&self.shared).await? {
            self.perform(Reading::Share { task, escrow }, stop).await;
        }
        Ok(if full { last } else { 0 })
    }

    async fn perform(&mut self, reading: Reading, stop: &CancellationToken) {
        self.attempt(reading, 0, stop).await;
    }

    fn put_off(&mut self, reading: Reading, failed: u8) {
        if self.later.len() < QUEUED {
            self.later.push_back((reading, failed));
        }
    }

    async fn attempt(&mut self, reading: Reading, failed: u8, stop: &CancellationToken) {
        if stop.is_cancelled() {
            return;
        }
        let shared = &self.shared;
        let command = match &reading {
            Reading::Stake { worker, stake } => shared
                .chain
                .stake(stake)
                .await
                .map(|facts| Command::StakeRead { worker: *worker, free_stake: facts.free }),
            Reading::Bond => {
                shared.chain.bond().await.map(|data| Command::BondRead { bond: data.bond })
            }
            Reading::Intent(id) => match shared.store.intent(*id).await {
                Ok(Some((task, intent))) => {
                    let (Intent::Assign { escrow, .. }, thrown_back) = (intent.inner(), Some(*id))
                    else {
                        return;
                    };
                    let escrow = *escrow;
                    return self.put_off(Reading::Task { task, escrow, thrown_back }, 0);
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(?reading, %error, "an intent could not be read");
                    return;
                }
            },
            Reading::Share { task, escrow } => {
                match self.shares.read(shared, &mut self.steady, *task, *escrow).await {
                    Ok(Some(command)) => Ok(command),
                    Ok(None) => return self.put_off(reading, failed),
                    Err(error) => Err(error),
                }
            }
            Reading::Channel { channel, thrown_back } => {
                match read_channel(shared, &mut self.steady, *channel, *thrown_back).await {
                    Ok(Some(command)) => Ok(command),
                    Ok(None) => return self.put_off(reading, failed),
                    Err(error) => Err(error),
                }
            }
            Reading::Task { task, escrow, thrown_back } => {
                match read_task(shared, &mut self.steady, *task, *escrow, *thrown_back).await {
                    Ok(Some(fact)) => {
                        let now = shared.clock.now();
                        let facts = vec![fact];
                        let update = ChainUpdate { now, facts, cursor: None, full: false };
                        Ok(Command::Chain(Box::new(update)))
                    }
                    Ok(None) => return self.put_off(reading, failed),
                    Err(error) => Err(error),
                }
            }
        };
        match command {
            // Fails only when the node stops.
            Ok(command) => drop(shared.coordinator.tell(command).await),
            Err(error) => {
                tracing::warn!(?reading, %error, "a contract could not be read");
                // Nobody else comes to a task that has ended.
                if failed < ATTEMPTS {
                    self.put_off(reading, failed + 1);
                }
            }
        }
    }
}

/// Since which block each contract has not moved: its state counts once that lies as deep as a
/// transaction has to.
#[derive(Debug, Default)]
pub(super) struct Steadiness(HashMap<Address, (Option<Cursor>, u32)>);

impl Steadiness {
    pub(super) fn is_final(&mut self, account: &AccountInfo, confirmations: u32, tip: u32) -> bool {
        if confirmations == 0 {
            return true;
        }
        if self.0.len() >= QUEUED {
            self.0.clear();
        }
        let at = account.block_seqno.unwrap_or_else(|| tip.saturating_add(1));
        let since = match self.0.get(&account.address) {
            Some((last, since)) if *last == account.last => (*since).min(at),
            Some(_) | None => at,
        };
        if since.saturating_add(confirmations) <= tip {
            self.0.remove(&account.address);
            return true;
        }
        self.0.insert(account.address, (account.last, since));
        false
    }
}

/// What a task's contract says; `None` while that is not final.
async fn read_task(
    shared: &Shared,
    steady: &mut Steadiness,
    task: TaskId,
    escrow: Address,
    thrown_back: Option<i64>,
) -> Result<Option<Fact>, PortError> {
    let client = shared.chain.client();
    let tip = client.masterchain_info().await?.seqno;
    let account = shared.chain.agreed_account(&escrow).await?;
    if !steady.is_final(&account, client.config().confirmations, tip) {
        return Ok(None);
    }
    let data = account.data.as_ref().map(TaskData::parse).transpose()?;
    // An ended task is a tombstone that says how, its last notice also says with what.
    let ended = data.as_ref().is_some_and(|data| data.state.is_end());
    // Newest first. Anybody may send to a tombstone: its end may lie further back.
    let mut history = match account.last {
        Some(last) => client.transactions(&escrow, Some(last), PAGE, None).await?,
        None => Vec::new(),
    };
    let mut notice = history.iter().find_map(|tx| end_notice(tx, &task.0));
    for _ in 0..MAX_PAGES {
        let Some(earlier) = history.last().and_then(|tx| tx.prev) else { break };
        if !ended || notice.is_some() {
            break;
        }
        history = client.transactions(&escrow, Some(earlier), PAGE, None).await?;
        notice = history.iter().find_map(|tx| end_notice(tx, &task.0));
    }
    let events = match (&data, notice) {
        (_, Some(notice)) => closing_event(task, &notice).into_iter().collect(),
        (Some(data), None) => {
            agrees(&escrow, data, &history, &task.0)?;
            live_events(task, data)
        }
        (None, None) => Vec::new(),
    };
    let transactions = history
        .iter()
        .rev()
        // What came to nothing is not part of the task's life, and anybody can send it.
        .filter(|tx| !tx.aborted)
        .filter_map(|tx| {
            let message = tx.in_msg.as_ref()?;
            let kind = transaction_kind(message.op(), message.bounced).to_owned();
            Some(TxRef { kind, account: escrow, lt: tx.lt, hash: tx.hash })
        })
        .collect();
    let thrown_back = match thrown_back {
        None => None,
        Some(id) => {
            let (data, now) =
                (data.as_ref().filter(|data| !data.state.is_end()), shared.clock.now());
            let intent = shared.store.intent(id).await.ok().flatten();
            intent.map(|(_, intent)| (intent.kind(), applicable(&intent, data, now)))
        }
    };
    let disputed = data.as_ref().filter(|data| data.state == TaskState::Disputed);
    let dispute = disputed.and_then(|data| data.work.as_ref()?.dispute.as_ref());
    let rules_from = dispute.map(|dispute| u64::from(dispute.rules_from));
    Ok(Some(Fact::Read { task, events, transactions, thrown_back, rules_from }))
}

/// What an account or earnings hold; `None` while that is not final.
async fn read_channel(
    shared: &Shared,
    steady: &mut Steadiness,
    channel: Address,
    thrown_back: Option<i64>,
) -> Result<Option<Command>, PortError> {
    let client = shared.chain.client();
    let info = client.masterchain_info().await?;
    let account = shared.chain.agreed_account(&channel).await?;
    if !steady.is_final(&account, client.config().confirmations, info.seqno) {
        return Ok(None);
    }
    let at = channels::data_of(&account).map(Box::new);
    let thrown_back = match thrown_back {
        None => None,
        Some(id) => shared.store.intent(id).await.ok().flatten().map(|(task, intent)| {
            let applicable = match &intent {
                Intent::Redeem { voucher } => {
                    let network = shared.config.network;
                    let would = |at: &ChannelData| at.check_file(voucher, network, info.time);
                    at.as_deref().is_some_and(|at| would(at).is_ok())
                }
                Intent::TopUp(_) => {
                    at.as_deref().is_none_or(|at| at.status != ChannelStatus::Closed)
                }
                _ => false,
            };
            let applicable = if applicable { Applicable::Yes } else { Applicable::No };
            (task, intent.kind(), applicable)
        }),
    };
    Ok(Some(Command::ChannelRead { channel, at, thrown_back }))
}

/// Would a living contract with these data take the intent at chain time `now`, or soon?
fn applicable(intent: &Intent, data: Option<&TaskData>, now: u64) -> Applicable {
    let Some(TaskData { state, deadline, .. }) = data else {
        // A pledge's task that is not there yet can still be funded.
        let opens = matches!(intent, Intent::Open(_));
        return if opens { Applicable::Yes } else { Applicable::No };
    };
    let yes = match intent.inner() {
        Intent::Assign { .. } => matches!(state, TaskState::Open),
        Intent::Commit { .. } => matches!(state, TaskState::Assigned),
        Intent::Verdict(_) | Intent::Undelivered(_) => matches!(state, TaskState::Committed),
        // A disputed verdict may be finalized after the ruling.
        Intent::Finalize { .. } | Intent::Penalise { .. } => {
            matches!(state, TaskState::Accepted | TaskState::Rejected | TaskState::Disputed)
        }
        Intent::Ruling(_) => matches!(state, TaskState::Disputed),
        Intent::Expire { .. } => !matches!(state, TaskState::Created),
        Intent::Prove { .. } => matches!(state, TaskState::Assigned),
        // These are no messages to a task.
        Intent::Redeem { .. } | Intent::TopUp(_) | Intent::Anchor { .. } => false,
        // Nothing was due: if that changes, another follows.
        Intent::ClaimShare { .. } => false,
        Intent::Open(_) => matches!(state, TaskState::Created),
        // Too early, or with too little, as long as the window runs and nobody else did.
        Intent::Challenge { .. } => {
            matches!(state, TaskState::Accepted | TaskState::Rejected) && now < u64::from(*deadline)
        }
        Intent::Pledge(_) => false,
    };
    if yes { Applicable::Yes } else { Applicable::No }
}

/// A task tells of every state it reaches in a transaction, whose hash is linked into its history.
/// Data that say something else are not the task's.
fn agrees(
    escrow: &Address,
    data: &TaskData,
    history: &[Tx],
    task: &Hash32,
) -> Result<(), PortError> {
    let told = history.iter().find_map(|tx| last_notice(tx, task)).map(|notice| notice.state);
    let silent = live_events(TaskId(*task), data).is_empty();
    if silent || told == Some(data.state) {
        return Ok(());
    }
    let what = format!("{escrow} is said to be {:?}, its history tells of {told:?}", data.state);
    Err(ChainError::Lied { what }.into())
}

/// What must have happened for a task to be in the state it is in, oldest first.
fn live_events(task: TaskId, data: &TaskData) -> Vec<Event> {
    let deadline = u64::from(data.deadline);
    let work = data.work.as_ref();
    let reserved = |commit_by: u64| work.map(|work| reserved_event(task, work, commit_by));
    let committed = |verdict_by: u64| {
        work.map(|work| Event::CommittedOnChain { task, commitment: work.commitment, verdict_by })
    };
    // Deadlines of states that have passed are not stored: the present one stands for them.
    match data.state {
        TaskState::Open => vec![Event::Opened { task, deadline }],
        TaskState::Assigned => reserved(deadline).into_iter().collect(),
        TaskState::Committed => reserved(deadline).into_iter().chain(committed(deadline)).collect(),
        // Proven, and thrown back by its stake: nobody gave a verdict, anybody may finalize.
        TaskState::Accepted if matches!(data.init.terms.proof, ProofRole::Decides(_)) => Vec::new(),
        TaskState::Accepted | TaskState::Rejected => {
            let verdict = if data.state == TaskState::Accepted {
                Verdict::Accepted
            } else {
                Verdict::Rejected
            };
            let told = Event::VerdictOnChain { task, verdict, window_until: deadline };
            reserved(deadline).into_iter().chain(committed(deadline)).chain([told]).collect()
        }
        TaskState::Disputed => {
            let told = Event::Disputed { task, until: deadline };
            reserved(deadline).into_iter().chain(committed(deadline)).chain([told]).collect()
        }
        TaskState::Created
        | TaskState::Registering
        | TaskState::Reserving
        | TaskState::Settling
        | TaskState::Slashing
        | TaskState::Releasing
        | TaskState::Penalising
        | TaskState::Paid
        | TaskState::Slashed
        | TaskState::Refunded
        | TaskState::Late => Vec::new(),
    }
}

fn reserved_event(task: TaskId, work: &Work, commit_by: u64) -> Event {
    Event::Reserved {
        task,
        worker: work.owner,
        price: work.price,
        reserve: work.reserve,
        commit_by,
    }
}

/// How a task ended, from the notice of its end. The fee, and whether a worker had committed, are
/// for the coordinator to add.
pub(crate) fn closing_event(task: TaskId, notice: &Notify) -> Option<Event> {
    let amount = notice.amount;
    let outcome = match notice.state {
        // The notice holds what the worker got: price less fee.
        TaskState::Paid => Outcome::Paid { worker_amount: amount, fee: Nano::ZERO },
        TaskState::Slashed => Outcome::Slashed { amount },
        TaskState::Late => Outcome::Refunded { cause: RefundCause::WorkerLate { penalty: amount } },
        TaskState::Refunded => Outcome::Refunded { cause: RefundCause::Unassigned },
        TaskState::Created
        | TaskState::Registering
        | TaskState::Open
        | TaskState::Reserving
        | TaskState::Assigned
        | TaskState::Committed
        | TaskState::Accepted
        | TaskState::Rejected
        | TaskState::Settling
        | TaskState::Slashing
        | TaskState::Releasing
        | TaskState::Penalising
        | TaskState::Disputed => return None,
    };
    Some(Event::Closed { task, outcome })
}
