//! Reading the facts.

use std::collections::BTreeMap;

use fog_contracts::{
    Notify, TaskState, op,
    operator::{self, Freed},
    stake::{self, StakeData},
    task::{self, TaskData},
};
use fog_protocol::{Address, Hash32};
use fog_requestor::{NodeClient, NodeError};
use fog_testnet::chain::{Chain, ChainError};

use super::{
    ChainFacts, NodeFacts, NodeTask, StakeFacts, TaskFacts, WalletFacts,
    history::{Event, coins, history},
};
use crate::{
    Money,
    ledger::{Ledger, std},
    scenario::format::End,
};

/// Tasks the node lists in one page.
const PAGE: u16 = 100;

/// Who is who: names for addresses.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) ledger: Ledger,
    /// Name and escrow, id, requestor's name and address, of every task.
    pub(crate) tasks: Vec<CastTask>,
    /// Name, owner, stake, and whether it is honest, of every worker.
    pub(crate) workers: Vec<CastWorker>,
    /// Name, address, and the balance before the first step, of every wallet.
    pub(crate) wallets: Vec<(String, Address, u64)>,
}

#[derive(Debug, Clone)]
pub(crate) struct CastTask {
    pub(crate) name: String,
    pub(crate) id: Hash32,
    pub(crate) escrow: Address,
    pub(crate) requestor: String,
    pub(crate) pays: Address,
}

#[derive(Debug, Clone)]
pub(crate) struct CastWorker {
    pub(crate) name: String,
    pub(crate) owner: Address,
    pub(crate) stake: Address,
    pub(crate) honest: bool,
}

/// What the chain tells.
#[derive(Debug, Clone)]
pub(crate) struct ChainSide {
    pub(crate) chain: ChainFacts,
    pub(crate) money: Money,
    pub(crate) tasks: Vec<TaskFacts>,
    pub(crate) stakes: Vec<StakeFacts>,
    pub(crate) wallets: Vec<WalletFacts>,
}

fn nano(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Reads everything off the chain.
pub(crate) fn chain_side(chain: &Chain, cast: &Cast) -> Result<ChainSide, ChainError> {
    let mut tasks = Vec::new();
    for known in &cast.tasks {
        tasks.push(task(chain, cast, known)?);
    }
    let mut stakes = Vec::new();
    for known in &cast.workers {
        let events = history(chain, &known.stake)?;
        for event in &events {
            from_task(event, cast, &mut tasks);
        }
        stakes.push(stake_of(chain, known, &events)?);
    }
    let mut wallets = Vec::new();
    for (of, address, before_nano) in &cast.wallets {
        let after_nano = nano(chain.account(&std(address))?.balance);
        wallets.push(WalletFacts { of: of.clone(), before_nano: *before_nano, after_nano });
    }
    let totals = chain.totals();
    let facts = ChainFacts {
        blocks: totals.blocks,
        transactions: totals.transactions,
        now: chain.now(),
        supply: nano(totals.supply),
        balances: nano(chain.total_balances()?),
        in_flight: nano(totals.in_flight),
        fees: nano(totals.network_fees_collected),
        burned: nano(totals.burned),
    };
    Ok(ChainSide { chain: facts, money: cast.ledger.read(chain)?, tasks, stakes, wallets })
}

const fn end_of(state: TaskState) -> End {
    match state {
        TaskState::Paid => End::Paid,
        TaskState::Slashed => End::Slashed,
        TaskState::Refunded => End::Refunded,
        TaskState::Late => End::Late,
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
        | TaskState::Disputed => End::Live,
    }
}

fn task(chain: &Chain, cast: &Cast, known: &CastTask) -> Result<TaskFacts, ChainError> {
    let data = chain.account(&std(&known.escrow))?.data;
    let state = data.as_ref().and_then(|data| TaskData::parse(data).ok()).map(|data| data.state);
    let mut facts = TaskFacts {
        name: known.name.clone(),
        id: known.id,
        escrow: known.escrow,
        requestor: known.requestor.clone(),
        end: state.map_or(End::Unfunded, end_of),
        ends: 0,
        funded_nano: 0,
        funded_at: 0,
        ended_at: 0,
        worker: None,
        price_nano: 0,
        reserve_nano: 0,
        paid_nano: Vec::new(),
        slashed_nano: Vec::new(),
        back_nano: 0,
        fee_nano: 0,
        network_fees_nano: 0,
        transactions: 0,
        refused: Vec::new(),
        result_right: None,
    };
    let mut asked = None;
    for event in history(chain, &known.escrow)? {
        read_event(&event, cast, known, &mut facts, &mut asked);
    }
    Ok(facts)
}

/// A reservation that was asked for: worker, price, reserve.
type Asked = Option<(String, u64, u64)>;

fn read_event(
    event: &Event,
    cast: &Cast,
    known: &CastTask,
    facts: &mut TaskFacts,
    asked: &mut Asked,
) {
    facts.transactions += 1;
    facts.network_fees_nano = facts.network_fees_nano.saturating_add(event.fees);
    if event.aborted
        && let Some(op) = event.body.as_ref().and_then(|body| body.op())
    {
        facts.refused.push((op, event.exit.unwrap_or_default()));
    }
    match event.took() {
        Some(task::op::FUND) => {
            facts.funded_nano = facts.funded_nano.saturating_add(event.value);
            facts.funded_at = event.now;
        }
        Some(task::op::RESERVED) => {
            if let Some((worker, price, reserve)) = asked.take() {
                (facts.worker, facts.price_nano, facts.reserve_nano) =
                    (Some(worker), price, reserve);
            }
        }
        Some(_) | None => {}
    }
    for out in &event.out {
        let Some(body) = &out.body else { continue };
        match body.op() {
            Some(stake::op::RESERVE) => {
                let stake = cast.workers.iter().find(|worker| Some(worker.stake) == out.to);
                let amounts = body
                    .fields()
                    .and_then(|mut slice| Some((coins(&mut slice)?, coins(&mut slice)?)));
                *asked = stake
                    .zip(amounts)
                    .map(|(stake, (reserve, price))| (stake.name.clone(), price, reserve));
            }
            Some(op::NOTIFY) => {
                let told = Notify::parse(body.cell()).ok();
                if told.is_some_and(|told| told.state.is_end()) {
                    facts.ends += 1;
                    facts.ended_at = event.now;
                }
            }
            Some(op::FEE) => facts.fee_nano = facts.fee_nano.saturating_add(out.value),
            // The node's part of the fee.
            Some(operator::op::FREED) => {
                let earned = Freed::parse(body.cell()).map_or(0, |freed| freed.earned.get());
                facts.fee_nano = facts.fee_nano.saturating_add(earned);
            }
            // Its stake did not take it: the owner's wallet was paid instead.
            Some(op::PAYOUT) => facts.paid_nano.push(out.value),
            Some(_) | None => {}
        }
        if out.to == Some(known.pays) {
            facts.back_nano = facts.back_nano.saturating_add(out.value);
        }
    }
}

/// What a task's message did at a stake, noted with the task.
fn from_task(event: &Event, cast: &Cast, tasks: &mut [TaskFacts]) {
    let place = cast.tasks.iter().position(|task| Some(task.escrow) == event.from);
    let Some(facts) = place.and_then(|place| tasks.get_mut(place)) else { return };
    let fields = event.body.as_ref().and_then(|body| body.fields());
    let amount = fields.and_then(|mut slice| coins(&mut slice)).unwrap_or_default();
    match event.took() {
        Some(stake::op::SETTLE) => facts.paid_nano.push(amount),
        Some(stake::op::SLASH) => facts.slashed_nano.push(amount),
        Some(_) | None => {}
    }
}

fn stake_of(chain: &Chain, known: &CastWorker, events: &[Event]) -> Result<StakeFacts, ChainError> {
    let account = chain.account(&std(&known.stake))?;
    let data = account.data.as_ref().and_then(|data| StakeData::parse(data).ok());
    let data = data.as_ref();
    let mut facts = StakeFacts {
        worker: known.name.clone(),
        honest: known.honest,
        deposited_nano: 0,
        stake_nano: data.map_or(0, |data| data.stake.get()),
        free_nano: data.map_or(0, |data| data.free().get()),
        reserved_nano: data.map_or(0, |data| data.reserved.get()),
        earnings_nano: data.map_or(0, |data| data.earnings.get()),
        paid_nano: 0,
        slashed_nano: 0,
        penalty_nano: 0,
        withdrawn_nano: 0,
        taken_nano: 0,
        balance_nano: nano(account.balance),
    };
    // What is paid out is what was there before: the contract's own words are not on the chain.
    let (mut earned, mut unbonding) = (0u64, 0u64);
    for event in events {
        let Some(operation) = event.took() else { continue };
        let fields = event.body.as_ref().and_then(|body| body.fields());
        let Some(mut slice) = fields else { continue };
        match operation {
            stake::op::DEPOSIT => facts.deposited_nano += coins(&mut slice).unwrap_or_default(),
            stake::op::SETTLE => {
                let amount = coins(&mut slice).unwrap_or_default();
                facts.paid_nano += amount;
                earned += amount;
            }
            stake::op::SLASH => {
                let amount = coins(&mut slice).unwrap_or_default();
                let _share = coins(&mut slice);
                let evidence = slice.load_u256().map(|hash| hash.0).unwrap_or_default();
                if evidence == [0; 32] {
                    facts.penalty_nano += amount;
                } else {
                    facts.slashed_nano += amount;
                }
            }
            stake::op::UNBOND => unbonding += coins(&mut slice).unwrap_or_default(),
            stake::op::WITHDRAW => facts.withdrawn_nano += std::mem::take(&mut unbonding),
            stake::op::WITHDRAW_EARNINGS => facts.taken_nano += std::mem::take(&mut earned),
            _ => {}
        }
    }
    Ok(facts)
}

/// What the node tells.
#[derive(Debug, Clone)]
pub(crate) struct NodeSide {
    pub(crate) facts: NodeFacts,
}

/// Asks the node for everything it knows; `None` if it is not meant to run.
pub(crate) async fn node_side(
    node: Option<&NodeClient>,
    cast: &Cast,
) -> Result<NodeSide, NodeError> {
    let mut facts = NodeFacts { runs: node.is_some(), tasks: Vec::new(), free_stakes: Vec::new() };
    let Some(node) = node else { return Ok(NodeSide { facts }) };
    let names: BTreeMap<_, _> =
        cast.workers.iter().map(|worker| (worker.owner, worker.name.clone())).collect();
    let mut after = None;
    loop {
        let page = node.tasks(PAGE, after).await?;
        for view in &page.tasks {
            facts.tasks.push(NodeTask {
                id: view.id.0,
                status: view.status,
                worker: view.worker.and_then(|worker| names.get(&worker).cloned()),
                price_nano: view.price.map(|price| price.get()),
                slashed_nano: view.slashed.map(|slashed| slashed.get()),
                audited: view.verdict.as_ref().is_some_and(|verdict| verdict.audited),
                reason: view.verdict.as_ref().map(|verdict| verdict.reason.clone()),
            });
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for worker in node.workers().await? {
        if let Some(name) = names.get(&worker.worker) {
            facts.free_stakes.push((name.clone(), worker.free_stake.get()));
        }
    }
    facts.free_stakes.sort();
    Ok(NodeSide { facts })
}
