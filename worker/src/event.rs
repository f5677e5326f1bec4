//! What a worker reports while it runs. Its text is for people; nothing secret is in it.

use std::fmt;

use fog_protocol::{
    GuestExit, Hash32, JettonAmount, Nano, TaskId, TaskStatus, gateway::PassReason,
};

use crate::pledges::PledgeStage;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEvent {
    /// The worker is running.
    Started {
        /// Fuel a second it counts on.
        fuel_per_second: u64,
        /// Tasks it goes on with from its journal.
        resumed: usize,
    },
    /// The end of the journal was damaged and is cut off.
    JournalRepaired {
        /// How much was no whole record.
        dropped_bytes: u64,
    },
    /// Authenticated at the node.
    Connected {
        /// The node's id.
        node: Hash32,
        /// How many of the next results are checked in any case.
        probation_left: u32,
    },
    /// The connection is gone; it is tried again.
    Disconnected {
        /// Why.
        reason: String,
        /// When.
        retry_in_ms: u64,
    },
    /// The chain says how the stake stands.
    Stake {
        /// Neither reserved nor unbonding.
        free: Nano,
        /// Reserved for tasks.
        reserved: Nano,
        /// Paid out to the stake so far, not withdrawn.
        earnings: Nano,
    },
    /// No bids until this is put right.
    NotBidding {
        /// Cause and cure.
        reason: String,
    },
    /// Bidding again.
    Bidding,
    /// The node signed for what it owes on the account rail, and it is right.
    Vouched {
        /// In all since the earnings began.
        total: Nano,
        /// For so many tasks.
        count: u64,
    },
    /// Stake reserved in bulk for the account rail: how far it has come.
    Pledge {
        /// The task that holds it.
        task: TaskId,
        /// How much.
        reserve: Nano,
        /// Where it stands.
        stage: PledgeStage,
    },
    /// A bid is out.
    Bid {
        /// The task.
        task: TaskId,
        /// Asked price; where the task is paid in a jetton, the guarantee that stands for it.
        price: Nano,
        /// What that comes to in the jetton.
        in_jetton: Option<JettonAmount>,
        /// Stake it puts at risk.
        reserve: Nano,
    },
    /// An offer was passed.
    Passed {
        /// The task.
        task: TaskId,
        /// As the node hears it.
        reason: PassReason,
        /// Cause and cure.
        detail: String,
    },
    /// A bid did not win.
    Lost {
        /// The task.
        task: TaskId,
        /// Why, as the node says.
        reason: String,
    },
    /// A task is ours.
    Assigned {
        /// The task.
        task: TaskId,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
    },
    /// Its program runs.
    Running {
        /// The task.
        task: TaskId,
    },
    /// Its program ended.
    Executed {
        /// The task.
        task: TaskId,
        /// How.
        exit: GuestExit,
        /// Fuel used.
        fuel_used: u64,
        /// Output in bytes.
        output_bytes: u64,
        /// How long it took.
        millis: u64,
    },
    /// The node has the commitment.
    Committed {
        /// The task.
        task: TaskId,
        /// The commitment.
        commitment: Hash32,
    },
    /// The node has the result.
    Submitted {
        /// The task.
        task: TaskId,
    },
    /// A task ended.
    Closed {
        /// The task.
        task: TaskId,
        /// How.
        status: TaskStatus,
        /// What was earned or lost, in GRAM.
        amount: Nano,
        /// What was earned, where the task was paid in a jetton.
        in_jetton: Option<JettonAmount>,
        /// Why.
        reason: String,
    },
    /// Something went wrong with a task; it is tried again.
    Retrying {
        /// The task.
        task: TaskId,
        /// What went wrong.
        reason: String,
    },
    /// A task was given up.
    Abandoned {
        /// The task.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// The node did something it must not; it was refused.
    Refused {
        /// The task, where it was about one.
        task: Option<TaskId>,
        /// What.
        reason: String,
    },
    /// The node refused something.
    NodeError {
        /// Stable code.
        code: String,
        /// Cause and cure.
        message: String,
        /// The task, where it was about one.
        task: Option<TaskId>,
    },
    /// The worker stopped.
    Stopped {
        /// Tasks the journal keeps for the next start.
        open: usize,
    },
}

fn short(task: &TaskId) -> String {
    task.to_string().chars().take(12).collect()
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { fuel_per_second, resumed } => write!(
                f,
                "started: {} million fuel a second, {resumed} tasks from the journal",
                fuel_per_second / 1_000_000
            ),
            Self::JournalRepaired { dropped_bytes } => {
                write!(f, "the journal's last {dropped_bytes} bytes were damaged and are cut off")
            }
            Self::Connected { node, probation_left } => {
                write!(f, "connected to node {node}; {probation_left} tasks of probation left")
            }
            Self::Disconnected { reason, retry_in_ms } => {
                write!(f, "disconnected: {reason}; trying again in {retry_in_ms} ms")
            }
            Self::Stake { free, reserved, earnings } => {
                write!(f, "stake: {free} free, {reserved} reserved, {earnings} earned")
            }
            Self::NotBidding { reason } => write!(f, "not bidding: {reason}"),
            Self::Bidding => f.write_str("bidding"),
            Self::Vouched { total, count } => {
                write!(f, "vouched for: {total} in all for {count} tasks")
            }
            Self::Pledge { reserve, stage, .. } => match stage {
                PledgeStage::Signed => write!(f, "pledging {reserve} for the account rail"),
                PledgeStage::Reserved => write!(f, "{reserve} are reserved for the account rail"),
                PledgeStage::Live => write!(f, "{reserve} stand for work of the account rail"),
                PledgeStage::Judged => write!(f, "the pledge of {reserve} has its verdict"),
                PledgeStage::Released => write!(f, "the pledge of {reserve} is free again"),
                PledgeStage::Slashed => write!(f, "the pledge of {reserve} was slashed"),
                PledgeStage::Late => write!(f, "the promise of {reserve} came too late"),
                PledgeStage::Void => write!(f, "the pledge of {reserve} did not come about"),
            },
            Self::Refused { task: None, reason } => write!(f, "refused: {reason}"),
            Self::NodeError { task: None, code, message } => {
                write!(f, "the node refused ({code}): {message}")
            }
            Self::Stopped { open } => write!(f, "stopped; {open} open tasks in the journal"),
            Self::Bid { .. }
            | Self::Passed { .. }
            | Self::Lost { .. }
            | Self::Assigned { .. }
            | Self::Running { .. }
            | Self::Executed { .. }
            | Self::Committed { .. }
            | Self::Submitted { .. }
            | Self::Closed { .. }
            | Self::Retrying { .. }
            | Self::Abandoned { .. }
            | Self::Refused { task: Some(_), .. }
            | Self::NodeError { task: Some(_), .. } => self.fmt_task(f),
        }
    }
}

impl WorkerEvent {
    /// The task it is about.
    #[must_use]
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Bid { task, .. }
            | Self::Passed { task, .. }
            | Self::Lost { task, .. }
            | Self::Assigned { task, .. }
            | Self::Running { task }
            | Self::Executed { task, .. }
            | Self::Committed { task, .. }
            | Self::Submitted { task }
            | Self::Closed { task, .. }
            | Self::Retrying { task, .. }
            | Self::Abandoned { task, .. } => Some(*task),
            Self::Refused { task, .. } | Self::NodeError { task, .. } => *task,
            Self::Started { .. }
            | Self::JournalRepaired { .. }
            | Self::Connected { .. }
            | Self::Disconnected { .. }
            | Self::Stake { .. }
            | Self::NotBidding { .. }
            | Self::Bidding
            | Self::Vouched { .. }
            | Self::Pledge { .. }
            | Self::Stopped { .. } => None,
        }
    }

    fn fmt_task(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = self.task() {
            write!(f, "{} ", short(&task))?;
        }
        match self {
            Self::Bid { price, reserve, in_jetton: None, .. } => {
                write!(f, "bid {price}, {reserve} at stake")
            }
            Self::Bid { price, reserve, in_jetton: Some(paid), .. } => {
                write!(f, "bid {paid}, guaranteed by {price}, {reserve} at stake")
            }
            Self::Passed { detail, .. } => write!(f, "passed: {detail}"),
            Self::Lost { reason, .. } => write!(f, "lost: {reason}"),
            Self::Assigned { commit_by, .. } => write!(f, "assigned, commit by {commit_by}"),
            Self::Running { .. } => f.write_str("running"),
            Self::Executed { exit, fuel_used, output_bytes, millis, .. } => {
                write!(f, "executed in {millis} ms: {exit}, {fuel_used} fuel, {output_bytes} bytes")
            }
            Self::Committed { commitment, .. } => write!(f, "committed to {commitment}"),
            Self::Submitted { .. } => f.write_str("result submitted"),
            Self::Closed { status, in_jetton: Some(paid), reason, .. } => {
                write!(f, "{status}: {paid} to be had with `fog task claim` ({reason})")
            }
            Self::Closed { status, amount, reason, .. } => {
                write!(f, "{status}: {amount} ({reason})")
            }
            Self::Retrying { reason, .. } => write!(f, "trying again: {reason}"),
            Self::Abandoned { reason, .. } => write!(f, "given up: {reason}"),
            Self::Refused { reason, .. } => write!(f, "refused: {reason}"),
            Self::NodeError { code, message, .. } => write!(f, "node refused ({code}): {message}"),
            Self::Started { .. }
            | Self::JournalRepaired { .. }
            | Self::Connected { .. }
            | Self::Disconnected { .. }
            | Self::Stake { .. }
            | Self::NotBidding { .. }
            | Self::Bidding
            | Self::Vouched { .. }
            | Self::Pledge { .. }
            | Self::Stopped { .. } => Ok(()),
        }
    }
}
