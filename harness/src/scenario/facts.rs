//! What is true at the end: read off the chain's history, and asked of the node. Nothing here comes
//! from what the runner remembers of its own doing, except names.

mod history;
mod read;

use fog_protocol::{Address, Hash32, TaskStatus};
use serde::{Deserialize, Serialize};

pub(super) use history::{Event, history};
pub(super) use read::{Cast, CastTask, CastWorker, chain_side, node_side};

use super::format::End;
use crate::Money;

/// Everything the expectations are held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The chain as a whole.
    pub chain: ChainFacts,
    /// Where the money of the market's contracts went.
    pub money: Money,
    /// Every task posted, in that order.
    pub tasks: Vec<TaskFacts>,
    /// Every worker's stake.
    pub stakes: Vec<StakeFacts>,
    /// Every wallet.
    pub wallets: Vec<WalletFacts>,
    /// The node's own account.
    pub node: NodeFacts,
    /// Requests between chain and its readers that met a fault.
    pub faults_met: u64,
    /// What became of messages sent straight to contracts.
    pub sent: Vec<SentFacts>,
}

/// The chain as a whole; amounts in nanogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFacts {
    /// Blocks.
    pub blocks: u64,
    /// Transactions.
    pub transactions: u64,
    /// Chain time at the end, Unix seconds.
    pub now: u32,
    /// What genesis made.
    pub supply: u64,
    /// The sum of all balances.
    pub balances: u64,
    /// On its way.
    pub in_flight: u64,
    /// Collected by the network.
    pub fees: u64,
    /// Gone for good.
    pub burned: u64,
}

impl ChainFacts {
    /// Is every nanogram of the supply somewhere?
    #[must_use]
    pub const fn conserved(&self) -> bool {
        self.supply as u128
            == self.balances as u128
                + self.in_flight as u128
                + self.fees as u128
                + self.burned as u128
    }
}

/// One task, by its escrow's transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// `group/index`.
    pub name: String,
    /// Its id.
    pub id: Hash32,
    /// Its escrow.
    pub escrow: Address,
    /// Who posted it.
    pub requestor: String,
    /// How it ended.
    pub end: End,
    /// How often it said that it ended.
    pub ends: u32,
    /// What was paid in.
    pub funded_nano: u64,
    /// When; 0 if never.
    pub funded_at: u32,
    /// When it ended; 0 if it did not.
    pub ended_at: u32,
    /// Whose stake was reserved for it.
    pub worker: Option<String>,
    /// The price agreed.
    pub price_nano: u64,
    /// What was reserved.
    pub reserve_nano: u64,
    /// Payments to its worker, each.
    pub paid_nano: Vec<u64>,
    /// Cuts of its worker's stake, each.
    pub slashed_nano: Vec<u64>,
    /// What its requestor got back.
    pub back_nano: u64,
    /// The market's fee it paid.
    pub fee_nano: u64,
    /// The network's fees of its transactions.
    pub network_fees_nano: u64,
    /// Its transactions.
    pub transactions: u32,
    /// Messages it threw back: operation and exit code.
    pub refused: Vec<(u32, i32)>,
    /// What the requestor fetched, if it was paid for: is it what the program puts out?
    pub result_right: Option<bool>,
}

/// One worker's stake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeFacts {
    /// The worker.
    pub worker: String,
    /// Does it do its work?
    pub honest: bool,
    /// Put in, over all deposits.
    pub deposited_nano: u64,
    /// Own stake now.
    pub stake_nano: u64,
    /// Neither reserved nor unbonding, now.
    pub free_nano: u64,
    /// Reserved now.
    pub reserved_nano: u64,
    /// Earnings now.
    pub earnings_nano: u64,
    /// Payments that came from tasks.
    pub paid_nano: u64,
    /// Cuts for wrong results.
    pub slashed_nano: u64,
    /// Cuts for being late.
    pub penalty_nano: u64,
    /// Stake paid out to the owner.
    pub withdrawn_nano: u64,
    /// Earnings paid out to the owner.
    pub taken_nano: u64,
    /// The account's balance.
    pub balance_nano: u64,
}

/// One wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletFacts {
    /// Whose.
    pub of: String,
    /// Balance before the first step, in nanogram.
    pub before_nano: u64,
    /// Balance at the end.
    pub after_nano: u64,
}

/// What the node says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Does it run? If not, that was ordered.
    pub runs: bool,
    /// Its tasks.
    pub tasks: Vec<NodeTask>,
    /// Free stake of the workers it knows, by name.
    pub free_stakes: Vec<(String, u64)>,
}

/// A task as the node tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTask {
    /// Its id.
    pub id: Hash32,
    /// Its status.
    pub status: TaskStatus,
    /// The worker.
    pub worker: Option<String>,
    /// The price agreed.
    pub price_nano: Option<u64>,
    /// What was cut.
    pub slashed_nano: Option<u64>,
    /// Was the result checked?
    pub audited: bool,
    /// Why, or why not.
    pub reason: Option<String>,
}

/// A message sent straight to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentFacts {
    /// Which step it was.
    pub step: String,
    /// Was it thrown back?
    pub refused: bool,
    /// With which exit code.
    pub exit: Option<i32>,
    /// Should it have been?
    pub expected_refused: bool,
    /// With which code, if that matters.
    pub expected_exit: Option<i32>,
}
