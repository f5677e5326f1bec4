//! Stake a worker has reserved in bulk, for an epoch of the account rail.
//!
//! Tasks of that rail have no contract that could reserve stake for them. A *pledge* stands for all of
//! them together: a task of its own on chain (`fog_contracts::epoch`) holds the stake, and the worker
//! has signed beforehand that what the verifiers say of its results decides about it.
//!
//! ```text
//!  live                 renewed from here      nothing new from here             verdict by
//!   |------ half its time ------|---- a quarter ----|---- a quarter: what runs ends ---|
//! ```
//! What the stake rule asks for a task is in use from its match until it has ended, and all that is in
//! use at a time is covered by the pledge. So a cheat never has more to gain than it would lose, as
//! with a reserve for each task: who cheats on several at once is caught on any of them and loses what
//! all of them together needed, and more; who cheats on one after the other bets the whole pledge each
//! time.

use std::collections::BTreeMap;

use borsh::BorshSerialize;
use fog_protocol::{Nano, TaskId};

/// Seconds that a verdict has at least to be signed and to come to the chain: more than a verifier may
/// take for an answer (180), and than three messages of a node's wallet that run out of time.
const WAY: u64 = 240;

/// Does a pledge still take tasks?
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize)]
pub enum Standing {
    /// Yes, as long as there is time.
    Live,
    /// No: what runs is finished, then its stake is released.
    Ending,
    /// No: a result of its worker was false, and all of it is slashed.
    Breached,
}

/// A worker's pledge.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct Pledge {
    reserve: Nano,
    /// Seconds it has in all.
    lasts: u32,
    /// Chain time by which its verdict must be there; after it the stake goes free.
    judge_by: u64,
    standing: Standing,
    /// Tasks it stands for, with what the stake rule asks for each.
    backed: BTreeMap<TaskId, Nano>,
    /// Sum of `backed`.
    in_use: Nano,
}

/// The longest way of a task, from its match to its end, that pledges of `lasts` seconds stand for at
/// any time.
#[must_use]
pub fn longest(lasts: u32) -> u64 {
    u64::from(lasts / 4).saturating_sub(WAY)
}

impl Pledge {
    /// `reserve` is reserved on chain, and its verdict must be there by `judge_by`, at most `lasts`
    /// seconds from now.
    #[must_use]
    pub const fn new(reserve: Nano, lasts: u32, judge_by: u64) -> Self {
        Self {
            reserve,
            lasts,
            judge_by,
            standing: Standing::Live,
            backed: BTreeMap::new(),
            in_use: Nano::ZERO,
        }
    }

    /// The stake that is reserved.
    #[must_use]
    pub const fn reserve(&self) -> Nano {
        self.reserve
    }

    /// Chain time by which its verdict must be there.
    #[must_use]
    pub const fn judge_by(&self) -> u64 {
        self.judge_by
    }

    /// Does it still take tasks?
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// What the tasks it stands for need together.
    #[must_use]
    pub const fn in_use(&self) -> Nano {
        self.in_use
    }

    /// Tasks it stands for.
    pub fn backed(&self) -> impl ExactSizeIterator<Item = (&TaskId, &Nano)> {
        self.backed.iter()
    }

    /// Chain time from which nothing new is taken.
    #[must_use]
    pub fn ends_at(&self) -> u64 {
        self.judge_by.saturating_sub(u64::from(self.lasts / 4))
    }

    /// Chain time from which another should follow it.
    #[must_use]
    pub fn renew_at(&self) -> u64 {
        self.judge_by.saturating_sub(u64::from(self.lasts / 2))
    }

    /// What it could stand for besides, for a task that is over by `until`.
    #[must_use]
    pub fn room(&self, now: u64, until: u64) -> Nano {
        let in_time = now < self.ends_at() && until.saturating_add(WAY) <= self.judge_by;
        match self.standing {
            Standing::Live if in_time => self.reserve.saturating_sub(self.in_use),
            Standing::Live | Standing::Ending | Standing::Breached => Nano::ZERO,
        }
    }

    /// Does it take a task that is over by `until` and for which the stake rule asks `needs`, which may
    /// be nothing?
    #[must_use]
    pub fn takes(&self, needs: Nano, now: u64, until: u64) -> bool {
        let in_time = now < self.ends_at() && until.saturating_add(WAY) <= self.judge_by;
        self.standing == Standing::Live && in_time && needs <= self.room(now, until)
    }

    /// Stands for a task. `false`: it cannot, and nothing has changed.
    pub fn back(&mut self, task: TaskId, needs: Nano, now: u64, until: u64) -> bool {
        if self.backed.contains_key(&task) || !self.takes(needs, now, until) {
            return false;
        }
        self.backed.insert(task, needs);
        self.in_use = self.in_use.saturating_add(needs);
        true
    }

    /// The task has ended, or was not assigned after all.
    pub fn release(&mut self, task: &TaskId) {
        if let Some(needs) = self.backed.remove(task) {
            self.in_use = self.in_use.saturating_sub(needs);
        }
    }

    /// Does it stand for this task?
    #[must_use]
    pub fn backs(&self, task: &TaskId) -> bool {
        self.backed.contains_key(task)
    }

    /// Takes nothing new from now on.
    pub fn end(&mut self) {
        if self.standing == Standing::Live {
            self.standing = Standing::Ending;
        }
    }

    /// A result it stands for was false. `true` the first time.
    pub fn breach(&mut self) -> bool {
        let first = self.standing != Standing::Breached;
        self.standing = Standing::Breached;
        first
    }

    /// Is it time for the verdict that releases it: nothing new may come, and nothing runs?
    #[must_use]
    pub fn is_kept(&self, now: u64) -> bool {
        let over = match self.standing {
            Standing::Live => now >= self.ends_at(),
            Standing::Ending => true,
            Standing::Breached => false,
        };
        over && self.backed.is_empty()
    }
}
