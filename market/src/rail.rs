//! The account rail's one rule: nobody is owed more than can be taken.
//!
//! A [`Ledger`] is one channel (a requestor's account at a node, or a worker's earnings) as one of
//! its two sides keeps it. What is owed and what is promised for work that goes on stay within the
//! exposure cap and within what lies in the contract, so whoever disappears, whenever, costs the
//! other at most what was not vouched for, never more than the cap:
//!
//! ```text
//! room = min(balance, cap) - (owed + promised - paid)
//!
//! promise --> enter      promised becomes owed, the entry joins the tree
//!    '------> release    the task ended without payment
//! vouch: the payer signs for what is owed     redeemed: the chain pays what is vouched for
//! ```
//!
//! `fog_contracts::channel::ChannelData::room` is the same formula over the contract's own data.

use std::collections::BTreeMap;

use fog_protocol::{Address, Entry, EntryError, EntryTree, Hash32, Nano, TaskId};

/// A channel's state on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Vouchers are redeemed.
    Open,
    /// Still, before this chain time; nothing new is taken on.
    Closing {
        /// Unix seconds.
        at: u64,
    },
    /// Over.
    Closed,
}

impl ChannelState {
    /// `open`, `closing` or `closed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing { .. } => "closing",
            Self::Closed => "closed",
        }
    }
}

/// What the chain says of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnChain {
    /// Its state.
    pub state: ChannelState,
    /// The payer's money in it.
    pub balance: Nano,
    /// Redeemed in all.
    pub paid: Nano,
}

/// Why a channel takes nothing on. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RailRefused {
    /// It ends, or has ended.
    #[error("{channel} is {state}: open another with `fog account open`")]
    NotOpen {
        /// The contract.
        channel: Address,
        /// Its state.
        state: &'static str,
    },
    /// More than one redemption may take.
    #[error(
        "{needed} is more than the exposure cap of {channel}, {cap}: `fog account open` one with \
             a higher --cap"
    )]
    AboveCap {
        /// The contract.
        channel: Address,
        /// What was to be promised.
        needed: Nano,
        /// Its cap.
        cap: Nano,
    },
    /// There is not enough in it.
    #[error(
        "{channel} has {free} left for new tasks, {needed} is needed: \
             `fog account top-up {channel} {missing}`"
    )]
    TooLittle {
        /// The contract.
        channel: Address,
        /// What was to be promised.
        needed: Nano,
        /// What is neither owed nor promised.
        free: Nano,
        /// What is missing.
        missing: Nano,
    },
    /// Vouchers are missing.
    #[error(
        "{channel} owes {unvouched} without a voucher, and at most {cap} may be owed or under \
             way: `fog account vouch {channel}`"
    )]
    Behind {
        /// The contract.
        channel: Address,
        /// Owed and not vouched for.
        unvouched: Nano,
        /// Its cap.
        cap: Nano,
    },
    /// The cap is used up by what is being worked on, or redeemed next.
    #[error(
        "{exposed} of {channel}'s exposure cap of {cap} is under way: try again when it is \
             settled"
    )]
    UnderWay {
        /// The contract.
        channel: Address,
        /// Owed, promised and not redeemed.
        exposed: Nano,
        /// Its cap.
        cap: Nano,
    },
    /// Nothing was promised for this task, or less than is to be entered.
    #[error("nothing like {amount} was promised for task {task}")]
    NotPromised {
        /// The task.
        task: TaskId,
        /// What was to be entered.
        amount: Nano,
    },
    /// The entry cannot follow the others.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A voucher that does not say what the entries say, or not more than the last.
    #[error("the voucher for {count} entries does not say what they say, or nothing new")]
    Voucher {
        /// Its number of entries.
        count: u64,
    },
}

impl RailRefused {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpen { .. } => "account_not_open",
            Self::AboveCap { .. } => "above_exposure_cap",
            Self::TooLittle { .. } => "account_too_low",
            Self::Behind { .. } => "vouchers_missing",
            Self::UnderWay { .. } => "exposure_cap_used",
            Self::NotPromised { .. } => "not_promised",
            Self::Entry(_) => "bad_entry",
            Self::Voucher { .. } => "bad_voucher",
        }
    }
}

/// One channel, as one of its sides keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    channel: Address,
    cap: Nano,
    chain: OnChain,
    entries: EntryTree,
    promised: BTreeMap<TaskId, Nano>,
    /// Sum of `promised`.
    under_way: Nano,
    /// What the newest voucher is for.
    vouched: Nano,
    vouched_count: u64,
}

impl Ledger {
    /// A channel with these entries behind it, of which `vouched_count` are vouched for.
    #[must_use]
    pub fn new(
        channel: Address,
        cap: Nano,
        chain: OnChain,
        entries: EntryTree,
        vouched_count: u64,
    ) -> Self {
        let first = usize::try_from(vouched_count).unwrap_or(usize::MAX);
        let vouched = entries.entries().iter().take(first).map(|entry| entry.amount).sum();
        Self {
            channel,
            cap,
            chain,
            entries,
            promised: BTreeMap::new(),
            under_way: Nano::ZERO,
            vouched,
            vouched_count,
        }
    }

    /// The chain's last word.
    #[must_use]
    pub const fn chain(&self) -> &OnChain {
        &self.chain
    }

    /// Every entry.
    #[must_use]
    pub const fn entries(&self) -> &EntryTree {
        &self.entries
    }

    /// Owed in all, what is paid included.
    #[must_use]
    pub const fn owed(&self) -> Nano {
        self.entries.total()
    }

    /// Reserved for tasks that have not ended.
    #[must_use]
    pub const fn promised(&self) -> Nano {
        self.under_way
    }

    /// Vouched for in all, what is paid included.
    #[must_use]
    pub const fn vouched(&self) -> Nano {
        self.vouched
    }

    /// Number of entries vouched for.
    #[must_use]
    pub const fn vouched_count(&self) -> u64 {
        self.vouched_count
    }

    /// Owed or promised, and not paid: what there is to lose, if nothing were vouched for.
    #[must_use]
    pub const fn exposed(&self) -> Nano {
        self.owed().saturating_add(self.under_way).saturating_sub(self.chain.paid)
    }

    /// How much more may be promised.
    #[must_use]
    pub fn room(&self) -> Nano {
        match self.chain.state {
            ChannelState::Open => self.chain.balance.min(self.cap).saturating_sub(self.exposed()),
            ChannelState::Closing { .. } | ChannelState::Closed => Nano::ZERO,
        }
    }

    /// Reserves `amount` for a task. The same promise again changes nothing.
    ///
    /// # Errors
    /// [`RailRefused`] says what to do about it.
    pub fn promise(&mut self, task: TaskId, amount: Nano) -> Result<(), RailRefused> {
        if self.promised.get(&task) == Some(&amount) {
            return Ok(());
        }
        let (channel, cap, needed) = (self.channel, self.cap, amount);
        if self.chain.state != ChannelState::Open {
            return Err(RailRefused::NotOpen { channel, state: self.chain.state.name() });
        }
        if self.promised.contains_key(&task) || self.entries.contains(&task) {
            return Err(EntryError::Twice(task).into());
        }
        if amount > cap {
            return Err(RailRefused::AboveCap { channel, needed, cap });
        }
        if amount <= self.room() {
            self.promised.insert(task, amount);
            self.under_way = self.under_way.saturating_add(amount);
            return Ok(());
        }
        let exposed = self.exposed();
        let free = self.chain.balance.saturating_sub(exposed);
        if free < amount {
            let missing = amount.saturating_sub(free);
            return Err(RailRefused::TooLittle { channel, needed, free, missing });
        }
        let unvouched = self.owed().saturating_sub(self.vouched.max(self.chain.paid));
        Err(if unvouched > Nano::ZERO {
            RailRefused::Behind { channel, unvouched, cap }
        } else {
            RailRefused::UnderWay { channel, exposed, cap }
        })
    }

    /// A promise that was made before, as a restart finds it: it counts whatever the chain says now.
    pub fn recall(&mut self, task: TaskId, amount: Nano) {
        if self.promised.insert(task, amount).is_none() {
            self.under_way = self.under_way.saturating_add(amount);
        }
    }

    /// A price below the cap was agreed: the rest of the promise is free.
    pub fn agree(&mut self, task: &TaskId, price: Nano) {
        if let Some(promised) = self.promised.get_mut(task) {
            let less = promised.saturating_sub(price);
            *promised = promised.saturating_sub(less);
            self.under_way = self.under_way.saturating_sub(less);
        }
    }

    /// The task ended and is not paid.
    pub fn release(&mut self, task: &TaskId) {
        if let Some(amount) = self.promised.remove(task) {
            self.under_way = self.under_way.saturating_sub(amount);
        }
    }

    /// The task was accepted: what was promised is owed.
    ///
    /// # Errors
    /// [`RailRefused::NotPromised`], [`RailRefused::Entry`].
    pub fn enter(&mut self, entry: Entry) -> Result<(), RailRefused> {
        let Entry { task, amount, .. } = entry;
        if self.promised.get(&task).is_none_or(|promised| *promised < amount) {
            return Err(RailRefused::NotPromised { task, amount });
        }
        self.entries.append(entry)?;
        self.release(&task);
        Ok(())
    }

    /// The payer signed for the first `count` entries; its signature and validity are checked already.
    ///
    /// # Errors
    /// [`RailRefused::Voucher`]: it says something else than they do, or nothing new.
    pub fn vouch(&mut self, count: u64, total: Nano, root: &Hash32) -> Result<(), RailRefused> {
        let refused = RailRefused::Voucher { count };
        if count <= self.vouched_count || total <= self.vouched || count > self.entries.len() {
            return Err(refused);
        }
        let behind = if count == self.entries.len() {
            (self.entries.total(), self.entries.root())
        } else {
            let first = usize::try_from(count).unwrap_or(usize::MAX);
            let first = self.entries.entries().iter().take(first).copied();
            let prefix = EntryTree::of(first)?;
            (prefix.total(), prefix.root())
        };
        if behind != (total, *root) {
            return Err(refused);
        }
        self.vouched = total;
        self.vouched_count = count;
        Ok(())
    }

    /// The chain was read, or told of something. What is older than what is known is left out: what
    /// was paid in and what was redeemed only grow, and an end is final.
    pub fn read(&mut self, chain: OnChain) {
        let order = |state: &ChannelState| match state {
            ChannelState::Open => 0,
            ChannelState::Closing { .. } => 1,
            ChannelState::Closed => 2,
        };
        let paid_in = |chain: &OnChain| chain.balance.saturating_add(chain.paid);
        let ended = chain.state == ChannelState::Closed;
        let older = order(&chain.state) < order(&self.chain.state)
            || chain.paid < self.chain.paid
            || (!ended && paid_in(&chain) < paid_in(&self.chain));
        if !older {
            self.chain = chain;
        }
    }

    /// The chain told that `total` was redeemed in all.
    pub fn redeemed(&mut self, total: Nano) {
        let more = total.saturating_sub(self.chain.paid);
        self.chain.balance = self.chain.balance.saturating_sub(more);
        self.chain.paid = self.chain.paid.saturating_add(more);
    }

    /// What the newest voucher would pay, if it is time to redeem it: the channel closes, half of the
    /// cap waits, or the rest of the room would not hold `next`.
    #[must_use]
    pub fn due(&self, next: Nano) -> Option<Nano> {
        let waiting = self.vouched.saturating_sub(self.chain.paid);
        if waiting == Nano::ZERO {
            return None;
        }
        let due = match self.chain.state {
            ChannelState::Open => waiting.get() >= self.cap.get().div_ceil(2) || self.room() < next,
            ChannelState::Closing { .. } => true,
            ChannelState::Closed => false,
        };
        due.then_some(waiting)
    }
}
