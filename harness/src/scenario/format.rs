//! The format of a scenario: who joins, what happens, what must hold at the end.
//!
//! These types are the format; the JSON Schema is made from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Amount, Share, Span};

/// A scenario: a local network, what happens on it, and what must hold at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name, in lower case with dashes.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// Seed of accounts, matching and draws, unless the command names one.
    #[serde(default = "one")]
    pub seed: u64,
    /// The network's rules.
    #[serde(default)]
    pub network: Rules,
    /// Who posts tasks.
    pub requestors: Vec<RequestorDef>,
    /// Who works.
    #[serde(default)]
    pub workers: Vec<WorkerDef>,
    /// Wallets of people who only watch, or attack.
    #[serde(default)]
    pub outsiders: Vec<String>,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// What must hold at the end, besides what always must: money is conserved, nobody is paid
    /// twice, a living node's database agrees with the chain.
    pub expect: Vec<Expect>,
}

/// The network's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// A worker's first assignments that are always checked.
    pub probation: u32,
    /// How long a requestor has to open its nonce after the commitment.
    pub nonce_grace: Span,
    /// How long a round of bids lasts at most.
    pub bid_round: Span,
    /// How long a posted task may stay unpaid.
    pub funding: Span,
    /// The wallet that gets the market's fee.
    pub treasury: WalletKind,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            probation: 2,
            nonce_grace: Span(10),
            bid_round: Span(3),
            funding: Span(3_600),
            treasury: WalletKind::Wallet,
        }
    }
}

/// What kind of account somebody has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WalletKind {
    /// A wallet v5r1.
    #[default]
    Wallet,
    /// A contract that throws at every message it gets.
    Bounces,
}

/// Who posts tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestorDef {
    /// Its name in this file.
    pub name: String,
    /// What kind of account pays and is refunded.
    #[serde(default)]
    pub wallet: WalletKind,
}

/// Who works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerDef {
    /// Its name in this file.
    pub name: String,
    /// How it behaves.
    #[serde(default)]
    pub manner: Manner,
    /// On which share of its tasks it cheats, if it does.
    #[serde(default = "all")]
    pub cheats: Share,
    /// What it puts at stake.
    #[serde(default = "twenty")]
    pub stake: Amount,
    /// What it asks for any task.
    #[serde(default = "cent")]
    pub price: Amount,
    /// Tasks it holds at once.
    #[serde(default = "sixteen")]
    pub slots: u16,
    /// When it joins.
    #[serde(default)]
    pub joins: Joins,
}

/// When a worker joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Joins {
    /// Before the first step.
    #[default]
    AtOnce,
    /// With the step `start`.
    Later,
}

/// How a worker behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// It does its work.
    #[default]
    Honest,
    /// It runs the program and hands in something else.
    WrongResults,
    /// It does not run the program and hands in something made up.
    NoWork,
    /// Like `no_work`, but everyone who colludes makes up the same for the same work.
    Colluding,
    /// It takes tasks and never commits.
    Silent,
    /// It commits and never shows the result.
    NeverReveals,
}

impl Manner {
    /// Does it deserve its whole pay?
    #[must_use]
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Honest)
    }
}

/// One thing that happens: exactly one of these keys in each `[[steps]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Posts tasks, and pays them.
    Post(Post),
    /// Waits until tasks have a status. The chain's clock goes on, a second at a time, only while
    /// nothing else happens.
    Await(Await),
    /// Moves the chain's clock.
    Warp(Span),
    /// Sets what goes wrong between the node (or everybody) and the chain; replaces what was set.
    Faults(Faults),
    /// Kills the node, a worker, or `everything` (chain included), as a power cut does.
    Kill(String),
    /// Starts what was killed or is to join later, on the files it left.
    Start(String),
    /// Sends one message straight to a contract.
    Send(Send),
    /// Waits until the node says this of itself.
    NodeIs(NodeState),
}

/// Posts tasks: word counts of short texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Their name: the group `name`, and one by one `name/0`, `name/1`.
    pub name: String,
    /// Who posts.
    pub by: String,
    /// How many.
    #[serde(default = "one_task")]
    pub count: u32,
    /// Each piece of work is posted so many times, for the requestor to compare.
    #[serde(default = "one_task")]
    pub copies: u32,
    /// The most each may cost.
    #[serde(default = "five_cents")]
    pub price: Amount,
    /// Share of results that is checked.
    #[serde(default = "quarter")]
    pub audit_rate: Share,
    /// From funding to an assignment.
    #[serde(default = "five_minutes")]
    pub bid: Span,
    /// From the assignment to the commitment.
    #[serde(default = "five_minutes")]
    pub commit: Span,
    /// From the commitment to the verdict.
    #[serde(default = "five_minutes")]
    pub verdict: Span,
    /// Between verdict and payment.
    #[serde(default)]
    pub window: Span,
    /// Are they paid?
    #[serde(default)]
    pub funding: Funding,
    /// Is the draw's nonce opened?
    #[serde(default)]
    pub nonce: Nonce,
}

/// Whether a task is paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Funding {
    /// At once.
    #[default]
    Paid,
    /// Never.
    Never,
}

/// Whether the draw's nonce is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nonce {
    /// As soon as it is due.
    #[default]
    Opened,
    /// Never.
    Kept,
}

/// Waits until tasks have a status, by the node's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Await {
    /// Which tasks.
    pub tasks: String,
    /// Which status.
    pub status: Reached,
    /// How many of them; all if left out.
    #[serde(default)]
    pub count: Option<u32>,
    /// May the clock go on?
    #[serde(default)]
    pub clock: ClockWhile,
}

/// The clock while something is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockWhile {
    /// It goes on while nothing happens.
    #[default]
    Runs,
    /// It stands still.
    Stands,
}

/// A status to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// Paid on chain, bids are taken.
    Open,
    /// A worker has it (or has had it).
    Running,
    /// The worker has committed to a result (or more).
    Committed,
    /// There is a verdict (or more).
    Judged,
    /// Nothing more will happen.
    Ended,
    /// The worker was paid.
    Paid,
    /// The worker's stake was cut.
    Slashed,
    /// The requestor has its money back.
    Refunded,
    /// It was never paid for.
    Dropped,
}

/// What the node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It follows the chain.
    Ready,
    /// It cannot reach the chain.
    Unready,
    /// The chain's history contradicts what it saw: payouts are stopped.
    Halted,
}

/// What goes wrong between node and chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Whom it meets.
    pub meets: Meets,
    /// Nothing is answered at all.
    pub down: Share,
    /// Requests that fail.
    pub fails: Share,
    /// Messages that never arrive, the sender is told nothing.
    pub lost_messages: Share,
    /// Messages that arrive, the sender is told nothing.
    pub lost_answers: Share,
    /// Messages that are handed on twice.
    pub doubled: Share,
    /// Answers of a server that lags behind: older than what was answered before.
    pub stale: Share,
    /// Requests that take up to this much longer, in milliseconds of real time.
    pub delay_ms: u32,
    /// Requests a second; more are answered 429. 0: as many as come.
    pub requests_per_second: u32,
    /// Lists of transactions that lack their newest entry.
    pub omits: Share,
}

/// Whom a fault meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meets {
    /// The node alone.
    #[default]
    Node,
    /// The node and the workers.
    Everybody,
}

/// Sends one message straight to a contract, as anybody can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Whose wallet sends it: a requestor, a worker, an outsider, or `operator`.
    pub by: String,
    /// What it asks for.
    pub op: Op,
    /// The task it goes to; for the stake's own operations leave it out.
    #[serde(default)]
    pub task: Option<String>,
    /// The worker whose stake it goes to, if that is not the sender's own.
    #[serde(default)]
    pub stake: Option<String>,
    /// For `replay_verdict` and `replay_commit`: the task whose signed message is sent again.
    #[serde(default)]
    pub from: Option<String>,
    /// How much, where the operation names an amount. `unbond` without one: all that is free.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// What becomes of it.
    #[serde(default)]
    pub outcome: Outcome,
    /// The contract's reason for refusing it, such as `too_early`.
    #[serde(default)]
    pub exit: Option<String>,
}

/// An operation of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Task: pays the price again.
    Fund,
    /// Task: takes it back.
    Cancel,
    /// Task: pushes it out of a state whose time is over.
    Expire,
    /// Task: pays or slashes after the window.
    Finalize,
    /// Task: the assigned worker's commitment, signed by its session key.
    Commit,
    /// Task: an assignment, with the consent of the worker that sends it.
    Assign,
    /// Task: a commitment signed by a key of the sender's own.
    ForgedCommit,
    /// Task: a verdict "accepted" signed by a key of the sender's own.
    ForgedVerdict,
    /// Task: the verdict another task (or this one) got, byte by byte.
    ReplayVerdict,
    /// Task: the commitment another task (or this one) got, byte by byte.
    ReplayCommit,
    /// Task or stake: money for rent, without a body.
    TopUp,
    /// Stake: adds stake.
    Deposit,
    /// Stake: takes stake out of use; everything that is free unless an amount is named.
    Unbond,
    /// Stake: pays out what is unbonded.
    Withdraw,
    /// Stake: pays out earnings.
    WithdrawEarnings,
    /// Stake: a payment, claimed by somebody who is no task.
    Settle,
    /// Stake: a slash, ordered by somebody who is no task.
    Slash,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The contract takes it.
    #[default]
    Taken,
    /// The contract throws.
    Refused,
}

/// How a task ended, by the chain's history.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nothing was ever paid in.
    Unfunded,
    /// It has not ended.
    Live,
    /// The worker was paid.
    Paid,
    /// The worker's stake was cut for a wrong result.
    Slashed,
    /// The requestor has its money back, the worker lost nothing.
    Refunded,
    /// The requestor has its money back, the worker was late and lost a little.
    Late,
}

/// One thing that must hold at the end: exactly one of these keys in each `[[expect]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// So many tasks ended in this way.
    Tasks {
        /// Which tasks.
        tasks: String,
        /// In which ways.
        end: Vec<End>,
        /// At least so many; all of them if both bounds are left out.
        #[serde(default)]
        least: Option<u32>,
        /// At most so many.
        #[serde(default)]
        most: Option<u32>,
    },
    /// A worker won so many tasks.
    Won {
        /// The worker.
        worker: String,
        /// Of these tasks.
        tasks: String,
        /// At least so many.
        #[serde(default)]
        least: Option<u32>,
        /// At most so many.
        #[serde(default)]
        most: Option<u32>,
    },
    /// A worker earned so much in all.
    Earned {
        /// The worker.
        worker: String,
        /// At least so much.
        #[serde(default)]
        least: Option<Amount>,
        /// At most so much.
        #[serde(default)]
        most: Option<Amount>,
    },
    /// A worker's stake was cut by so much in all.
    Lost {
        /// The worker.
        worker: String,
        /// At least so much.
        #[serde(default)]
        least: Option<Amount>,
        /// At most so much.
        #[serde(default)]
        most: Option<Amount>,
    },
    /// No stake of an honest worker was cut, and every accepted result was paid in full.
    HonestLostNothing(Everyone),
    /// These workers lost more than they earned.
    CheatingCost {
        /// The workers, taken together.
        workers: Vec<String>,
    },
    /// What these tasks gave back to their requestor, each.
    Refund {
        /// Which tasks.
        tasks: String,
        /// Each at least so much.
        #[serde(default)]
        least: Option<Amount>,
        /// Each at most so much.
        #[serde(default)]
        most: Option<Amount>,
    },
    /// What these tasks cost their requestor, each: paid in less given back.
    Cost {
        /// Which tasks.
        tasks: String,
        /// Each at least so much.
        #[serde(default)]
        least: Option<Amount>,
        /// Each at most so much.
        #[serde(default)]
        most: Option<Amount>,
    },
    /// The price agreed for these tasks, each.
    Price {
        /// Which tasks.
        tasks: String,
        /// Each at least so much.
        #[serde(default)]
        least: Option<Amount>,
        /// Each at most so much.
        #[serde(default)]
        most: Option<Amount>,
    },
    /// How long these tasks took from payment to end, in chain time, each.
    Took {
        /// Which tasks.
        tasks: String,
        /// Each at most so long.
        most: Span,
    },
    /// The network's fees of these tasks' own transactions, each.
    Fees {
        /// Which tasks.
        tasks: String,
        /// Each at most so much.
        most: Amount,
    },
    /// How a wallet's balance changed from the first step to the end.
    Wallet {
        /// Whose: a requestor, a worker, an outsider, `operator` or `treasury`.
        of: String,
        /// It gained at least so much.
        #[serde(default)]
        gained_least: Option<Amount>,
        /// It lost at most so much.
        #[serde(default)]
        lost_most: Option<Amount>,
    },
    /// What was burned in all.
    Burned {
        /// At least so much.
        least: Amount,
    },
    /// Results that were checked, by the node's account of it.
    Audited {
        /// Which tasks.
        tasks: String,
        /// At least so many; all of them if both bounds are left out.
        #[serde(default)]
        least: Option<u32>,
        /// At most so many.
        #[serde(default)]
        most: Option<u32>,
    },
    /// Requests of node (and workers) that faults met, at least: the faults were real.
    Faulted {
        /// At least so many.
        least: u32,
    },
    /// Results the requestor got are what its own run of the program gives.
    ResultsRight {
        /// Which tasks: of those that were paid.
        tasks: String,
        /// How many of the paid results may be wrong: unchecked ones of a cheater.
        #[serde(default)]
        wrong_most: u32,
    },
}

/// Who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Everyone {
    /// Everyone of them.
    All,
}

const fn one() -> u64 {
    1
}

const fn one_task() -> u32 {
    1
}

const fn sixteen() -> u16 {
    16
}

const fn all() -> Share {
    Share::ALL
}

const fn quarter() -> Share {
    Share(250_000)
}

const fn twenty() -> Amount {
    Amount(fog_protocol::Nano::grams(20))
}

const fn cent() -> Amount {
    Amount(fog_protocol::Nano::new(10_000_000))
}

const fn five_cents() -> Amount {
    Amount(fog_protocol::Nano::new(50_000_000))
}

const fn five_minutes() -> Span {
    Span(300)
}
