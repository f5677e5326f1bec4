//! What the demo reports; with `--json` this is the document.

use fog_protocol::{Address, Hash32, Nano, TaskId, TaskStatus};
use serde::{Deserialize, Serialize};

/// The demo's report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Did everything hold?
    pub ok: bool,
    /// The seed of matching and draws.
    pub seed: u64,
    /// The chain.
    pub network: NetworkReport,
    /// Every task, in the order of posting.
    pub tasks: Vec<TaskReport>,
    /// Every worker.
    pub workers: Vec<WorkerReport>,
    /// Where every nanogram went.
    pub money: Money,
    /// The merged result.
    pub result: ResultReport,
    /// What did not hold; empty if `ok`.
    pub failures: Vec<String>,
}

/// Size of the chain.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NetworkReport {
    /// Blocks.
    pub blocks: u64,
    /// Transactions.
    pub transactions: u64,
}

/// One task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskReport {
    /// Its id.
    pub id: TaskId,
    /// Its policy's name.
    pub policy: String,
    /// How it ended.
    pub status: TaskStatus,
    /// Who did it.
    pub worker: Option<Address>,
    /// Price agreed, or the cap where nobody was assigned.
    pub price_nano: Nano,
    /// Was the result checked?
    pub audited: bool,
    /// What decided it.
    pub settled_by: SettledBy,
    /// Its transactions' hashes.
    pub transactions: Vec<Hash32>,
    /// What it was for.
    pub label: String,
}

/// What decided a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledBy {
    /// Verifiers signed.
    Verdict,
    /// The contract checked a proof: nobody signed, nobody waited.
    Proof,
    /// Time was over.
    Deadline,
}

/// One worker.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerReport {
    /// Its owner wallet.
    pub id: Address,
    /// Was it honest?
    pub honest: bool,
    /// Own stake on chain before the first task.
    pub stake_before_nano: Nano,
    /// Own stake on chain at the end.
    pub stake_after_nano: Nano,
    /// Earnings on chain at the end.
    pub earned_nano: Nano,
    /// What was cut.
    pub slashed_nano: Nano,
}

/// Where the money went: `in = paid + refunded + burned + fees + held`. Each is read from the
/// chain by itself; nothing is a remainder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Sent by wallets into the market's contracts (escrows, stakes, attached gas).
    pub in_nano: u64,
    /// Earned by workers, in their stake contracts.
    pub paid_nano: u64,
    /// Sent back to wallets: refunds, compensation, unused gas.
    pub refunded_nano: u64,
    /// Burned.
    pub burned_nano: u64,
    /// The market's fee and the network's fees.
    pub fees_nano: u64,
    /// Still in the contracts: stakes, rent.
    pub held_nano: u64,
}

impl Money {
    /// Does every nanogram that went in show up exactly once?
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        let out = self.paid_nano as u128
            + self.refunded_nano as u128
            + self.burned_nano as u128
            + self.fees_nano as u128
            + self.held_nano as u128;
        self.in_nano as u128 == out
    }
}

/// The merged result.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ResultReport {
    /// SHA-256 of the merged document.
    pub sha256: Hash32,
    /// Does it equal the local recomputation?
    pub matches_local: bool,
}
