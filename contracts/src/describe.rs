//! What a contract is and how it stands, for people and explorers: from its code's hash and data.
//!
//! Amounts are nanogram in fields that end in `_nano`, times Unix seconds of the chain, durations
//! seconds in fields that end in `_seconds`, shares basis points in fields that end in `_bps`, amounts of
//! a jetton its smallest units in fields that end in `_units`.

use std::sync::LazyLock;

use fog_protocol::Hash32;
use serde_json::{Value, json};
use tycho_types::cell::Cell;

use crate::{
    ContractError, TaskState, cells,
    channel::{ChannelData, Purpose},
    code::{
        account_code, delegation_code, earnings_code, jetton_account_code, jetton_earnings_code,
        jetton_task_code, market_code, operator_code, stake_code, task_code,
    },
    delegation::{DelegationData, Leaving},
    dispute::Dispute,
    jetton::JettonData,
    jetton_task::{JettonTaskData, Shares},
    market::{Config, MarketData},
    operator::OperatorData,
    stake::{Pool, StakeData, StakeParams},
    task::{ProofRole, TaskData, Work},
};

/// Which contract a code belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Market`.
    Market,
    /// `Task` that has not ended.
    Task,
    /// What is left of a `Task` that has.
    Tombstone,
    /// `Stake`.
    Stake,
    /// `Delegation`.
    Delegation,
    /// `Operator`.
    Operator,
    /// `Account`.
    Account,
    /// `Earnings`.
    Earnings,
    /// `JettonAccount`.
    JettonAccount,
    /// `JettonEarnings`.
    JettonEarnings,
    /// `JettonTask`, ended or not.
    JettonTask,
}

/// Hash of the code of an ended task: `THROW 101`, as in `tolk/task/ending.tolk`. A cell of three
/// bytes cannot fail to build.
static TOMB_CODE_HASH: LazyLock<Hash32> = LazyLock::new(|| {
    let code = cells::build("tombstone", |cell| cell.store_raw(&[0xf2, 0xc0, 0x65], 24));
    code.map_or_else(|_| Hash32::default(), |code| Hash32(code.repr_hash().0))
});

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Market,
        Self::Task,
        Self::Tombstone,
        Self::Stake,
        Self::Delegation,
        Self::Operator,
        Self::Account,
        Self::Earnings,
        Self::JettonAccount,
        Self::JettonEarnings,
        Self::JettonTask,
    ];

    /// The kind with this code hash; `None`: none of this program's contracts.
    #[must_use]
    pub fn of(code_hash: &Hash32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code_hash() == *code_hash)
    }

    /// Hash of its code.
    #[must_use]
    pub fn code_hash(self) -> Hash32 {
        match self {
            Self::Market => market_code().hash,
            Self::Task => task_code().hash,
            Self::Tombstone => *TOMB_CODE_HASH,
            Self::Stake => stake_code().hash,
            Self::Delegation => delegation_code().hash,
            Self::Operator => operator_code().hash,
            Self::Account => account_code().hash,
            Self::Earnings => earnings_code().hash,
            Self::JettonAccount => jetton_account_code().hash,
            Self::JettonEarnings => jetton_earnings_code().hash,
            Self::JettonTask => jetton_task_code().hash,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "Market",
            Self::Task => "Task",
            Self::Tombstone => "Task (ended)",
            Self::Stake => "Stake",
            Self::Delegation => "Delegation",
            Self::Operator => "Operator",
            Self::Account => "Account",
            Self::Earnings => "Earnings",
            Self::JettonAccount => "JettonAccount",
            Self::JettonEarnings => "JettonEarnings",
            Self::JettonTask => "JettonTask",
        }
    }

    /// A market's state, as [`Self::state`] gives it.
    #[must_use]
    pub fn describe_market(data: &MarketData) -> Value {
        market(data)
    }

    /// The decoded state in `data`.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn state(self, data: &Cell) -> Result<Value, ContractError> {
        Ok(match self {
            Self::Market => market(&MarketData::parse(data)?),
            Self::Task | Self::Tombstone => task(&TaskData::parse(data)?),
            Self::Stake => stake(&StakeData::parse(data)?),
            Self::Delegation => delegation(&DelegationData::parse(data)?),
            Self::Operator => operator(&OperatorData::parse(data)?),
            Self::Account => channel(&ChannelData::parse(Purpose::Account, data)?),
            Self::Earnings => channel(&ChannelData::parse(Purpose::Earnings, data)?),
            Self::JettonAccount => jetton(&JettonData::parse(Purpose::Account, data)?),
            Self::JettonEarnings => jetton(&JettonData::parse(Purpose::Earnings, data)?),
            Self::JettonTask => jetton_task(&JettonTaskData::parse(data)?),
        })
    }
}

fn market(data: &MarketData) -> Value {
    let later = |at: &u32, what: Value| json!({ "applies_at": at, "change": what });
    json!({
        "owner": data.owner,
        "paused": data.paused,
        "config": data.config.as_ref().map(config),
        "proposal": data.proposal.as_ref().map(|(at, next)| later(at, config(next))),
        "heir": data.heir.as_ref().map(|(at, heir)| json!({ "accepts_at": at, "owner": heir })),
    })
}

/// A market's configuration.
fn config(config: &Config) -> Value {
    json!({
        "task_code_hash": config.task_code_hash,
        "stake_code_hash": config.stake_code_hash,
        "code_is_this_programs": config.is_of_this_code(),
        "min_step_seconds": config.min_step,
        "max_step_seconds": config.max_step,
        "timelock_seconds": config.timelock,
        "operator_code_hash": config.operator_code_hash,
        "threshold": config.threshold,
        "appeal_threshold": config.appeal,
        "appeal_seconds": config.appeal_time,
        "challenge_bond_nano": config.challenge_bond,
        "verifiers": config.verifiers,
        "fee_bps": config.fee_bps,
        "operator_bps": config.operator_bps,
        "treasury": config.treasury,
        "stake": params(&config.stake),
    })
}

fn params(params: &StakeParams) -> Value {
    json!({
        "task_code_hash": params.task_code_hash,
        "jetton_task_code_hash": params.jetton_task_code_hash,
        "delegation_code_hash": params.delegation_code_hash,
        "unbonding_seconds": params.unbonding,
        "burn": params.burn,
    })
}

fn task(data: &TaskData) -> Value {
    let (init, terms) = (&data.init, &data.init.terms);
    json!({
        "task": terms.id,
        "status": status(data.state),
        "deadline": data.deadline,
        "escrowed_nano": data.escrowed,
        "market": init.market,
        "requestor": init.requestor,
        "node": init.operator,
        "terms": {
            "price_nano": terms.price,
            "damages_nano": terms.damages,
            "bid_seconds": terms.bid,
            "commit_seconds": terms.commit,
            "verdict_seconds": terms.verdict,
            "window_seconds": terms.window,
            "proof": proof(&terms.proof),
        },
        "work": data.work.as_ref().map(work),
    })
}

/// Nanogram here are guarantee: prices are paid in the jetton.
fn jetton_task(data: &JettonTaskData) -> Value {
    let mut all = task(&data.task);
    let whole = data.task.init.terms.price;
    let price = data.task.work.as_ref().and_then(|work| data.units_of(work.price));
    let shares = |shares: &Shares| {
        json!({
            "requestor_units": shares.requestor,
            "worker_units": shares.worker,
            "treasury_units": shares.treasury,
            "node_units": shares.node,
        })
    };
    if let (Value::Object(fields), Some(work)) = (&mut all, data.task.work.as_ref()) {
        fields.insert("price_units".to_owned(), json!(price));
        fields.insert("guarantee_nano".to_owned(), json!(work.price));
    }
    if let Value::Object(fields) = &mut all {
        fields.remove("escrowed_nano");
        fields.insert("most_guarantee_nano".to_owned(), json!(whole));
        let money = data.money.as_ref().map(|money| {
            json!({
                "master": money.master,
                "wallet": money.wallet,
                "most_units": money.units,
                "held_units": money.held,
                "due": shares(&money.dues),
                "transfers": money.attempts + money.tries,
                "last_transfer_at": money.sent_at,
            })
        });
        fields.insert("jetton".to_owned(), json!(money));
    }
    all
}

fn status(state: TaskState) -> String {
    format!("{state:?}").to_lowercase()
}

fn work(work: &Work) -> Value {
    json!({
        "stake": work.stake,
        "worker": work.owner,
        "session": work.session,
        "price_nano": work.price,
        "reserve_nano": work.reserve,
        "commitment": work.commitment,
        "evidence": work.evidence,
        "outcome": format!("{:?}", work.outcome).to_lowercase(),
        "dispute": work.dispute.as_ref().map(dispute),
    })
}

fn proof(role: &ProofRole) -> Value {
    match role {
        ProofRole::None => Value::Null,
        ProofRole::Decides(statement) => json!({ "decides": statement }),
        ProofRole::Overrules(statement) => json!({ "overrules": statement }),
    }
}

fn dispute(dispute: &Dispute) -> Value {
    json!({
        "challenger": dispute.challenger,
        "bond_nano": dispute.bond,
        "evidence": dispute.evidence,
        "won": dispute.won,
        "rules_from": dispute.rules_from,
    })
}

fn operator(data: &OperatorData) -> Value {
    json!({
        "market": data.init.market,
        "node": data.init.owner,
        "params": params(&data.init.params),
        "bond_nano": data.bond,
        "free_nano": data.free(),
        "reserved_nano": data.reserved,
        "earned_nano": data.earned,
    })
}

fn stake(data: &StakeData) -> Value {
    let held =
        |(task, amount): &(Hash32, _)| json!({ "task_contract": task, "amount_nano": amount });
    json!({
        "market": data.init.market,
        "worker": data.init.owner,
        "params": params(&data.init.params),
        "session": data.session,
        "stake_nano": data.stake,
        "free_nano": data.free(),
        "reserved_nano": data.reserved,
        "unbonding_nano": data.unbonding,
        "unbonded_at": data.unbond_at,
        "earnings_nano": data.earnings,
        "reservations": data.reservations.iter().map(held).collect::<Vec<_>>(),
        "delegated": pool(&data.pool),
    })
}

fn pool(pool: &Pool) -> Value {
    json!({
        "bonded_nano": pool.coins,
        "shares": pool.shares.to_string(),
        "leaving_nano": pool.leaving,
        "leaving_shares": pool.leaving_shares,
        "vesting_nano": pool.vesting,
        "vested_at": pool.vested_at,
        "vest_until": pool.vest_until,
        "commission_bps": pool.commission,
        "next_commission_bps": pool.next_commission,
        "commission_at": pool.commission_at,
    })
}

fn delegation(data: &DelegationData) -> Value {
    let leaving = |entry: &Leaving| json!({ "shares": entry.shares, "left_at": entry.at });
    json!({
        "stake": data.init.stake,
        "staker": data.init.owner,
        "shares": data.shares.to_string(),
        "leaving": data.queue.iter().map(leaving).collect::<Vec<_>>(),
    })
}

fn channel(data: &ChannelData) -> Value {
    let terms = &data.channel;
    json!({
        "status": format!("{:?}", data.status).to_lowercase(),
        "balance_nano": data.balance,
        "paid_nano": data.paid,
        "entries": data.count,
        "root": data.root,
        "closes_at": data.close_at,
        "payer": terms.payer,
        "payee": terms.payee,
        "payer_key": terms.payer_key,
        "payee_key": data.payee_key,
        "exposure_cap_nano": terms.cap,
        "delay_seconds": terms.delay,
        "series": terms.series,
    })
}

fn jetton(data: &JettonData) -> Value {
    let (core, terms) = (&data.core, &data.core.channel);
    json!({
        "status": format!("{:?}", core.status).to_lowercase(),
        "jetton": data.master,
        "jetton_wallet": data.wallet,
        "balance_units": core.balance,
        "paid_units": core.paid,
        "due_payee_units": data.due_payee,
        "due_payer_units": data.due_payer,
        "entries": core.count,
        "root": core.root,
        "closes_at": core.close_at,
        "payer": terms.payer,
        "payee": terms.payee,
        "payer_key": terms.payer_key,
        "payee_key": core.payee_key,
        "exposure_cap_units": terms.cap,
        "delay_seconds": terms.delay,
        "series": terms.series,
        "transfers": data.attempts,
        "last_transfer_at": data.sent_at,
    })
}
