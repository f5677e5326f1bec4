//! `Account` and `Earnings`: a payer's money, and what a payee is owed of it by cumulative vouchers.
//!
//! An account is a requestor's at a node; earnings are a worker's at a node. Both work the same way.
//! What is said here of amounts holds for nanogram and for a jetton's units ([`crate::jetton`]) alike.

use fog_protocol::{Address, Hash32, Nano, PublicKey, SecretKey, Signature};
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice},
    error::Error,
    models::StateInit,
};

use crate::{
    amount::Amount,
    cells::{self, ContractError, Fields as _, take_address, take_coins, take_hash},
    code::{Code, account_code, earnings_code},
};

/// Opcodes of messages to a channel, and of those it sends.
pub mod op {
    /// Puts money in for the payer; from anyone, the first with the StateInit.
    pub const TOP_UP: u32 = 0x5600_0001;
    /// Pays what a voucher owes beyond what was paid; from anyone with both signatures.
    pub const REDEEM: u32 = 0x5600_0002;
    /// The payer's notice.
    pub const CLOSE: u32 = 0x5600_0003;
    /// The payee renounces what it has not redeemed, and the channel ends.
    pub const LEAVE: u32 = 0x5600_0004;
    /// Ends it after the delay; from anyone.
    pub const FINISH: u32 = 0x5600_0005;
    /// Another key of the payee's; from the payee.
    pub const SET_KEY: u32 = 0x5600_0006;
    /// To the payee, with the money of a redemption.
    pub const REDEEMED: u32 = 0x4e00_0031;
    /// To the payee: the payer gave notice.
    pub const CLOSING: u32 = 0x4e00_0032;
    /// To the payer, with what was left at the end.
    pub const RETURNED: u32 = 0x4e00_0033;
}

/// Longest time, in seconds, that a voucher may still be valid when it is redeemed.
pub const MAX_VALIDITY: u32 = 365 * 24 * 3600;
/// Shortest and longest delay between a payer's notice and its exit, in seconds.
pub const DELAYS: std::ops::RangeInclusive<u32> = 600..=30 * 24 * 3600;

/// Which of the two contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// A requestor pays a node.
    Account = 0x4641_4343,
    /// A node pays a worker.
    Earnings = 0x4645_4152,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Account, Self::Earnings];

    /// Its contract's code.
    #[must_use]
    pub fn code(self) -> &'static Code {
        match self {
            Self::Account => account_code(),
            Self::Earnings => earnings_code(),
        }
    }
}

/// What a channel's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel<A = Nano> {
    /// Account, or earnings?
    pub purpose: Purpose,
    /// Wallet of who pays, and gets back what is not owed.
    pub payer: Address,
    /// Wallet that is paid.
    pub payee: Address,
    /// Key that signs vouchers for the payer; it never changes.
    pub payer_key: PublicKey,
    /// Key that signs vouchers for the payee, until the payee's wallet sets another.
    pub payee_key: PublicKey,
    /// The most that one redemption takes: what more is owed than this is not covered by anything.
    pub cap: A,
    /// Seconds from the payer's notice to its exit.
    pub delay: u32,
    /// Which one of several between the same two.
    pub series: u32,
}

impl<A: Amount> Channel<A> {
    pub(crate) fn to_cell(self) -> Result<Cell, ContractError> {
        let terms = cells::build("ChannelTerms", |cell| {
            cell.put_hash(&self.payee_key.0)?;
            self.cap.put(cell)?;
            cell.store_u32(self.delay)?;
            cell.store_u32(self.series)
        })?;
        cells::build("ChannelInit", |cell| {
            cell.put_address(&self.payer)?;
            cell.put_address(&self.payee)?;
            cell.put_hash(&self.payer_key.0)?;
            cell.store_reference(terms)
        })
    }

    pub(crate) fn parse(purpose: Purpose, cell: &Cell) -> Result<Self, ContractError> {
        let (payer, payee, payer_key, terms) = cells::read("ChannelInit", cell, |slice| {
            Ok((
                take_address(slice)?,
                take_address(slice)?,
                PublicKey(take_hash(slice)?),
                slice.load_reference_cloned()?,
            ))
        })?;
        cells::read("ChannelTerms", &terms, |slice| {
            Ok(Self {
                purpose,
                payer,
                payee,
                payer_key,
                payee_key: PublicKey(take_hash(slice)?),
                cap: A::take(slice)?,
                delay: slice.load_u32()?,
                series: slice.load_u32()?,
            })
        })
    }

    /// The data of a fresh contract.
    pub(crate) fn put_fresh(&self, cell: &mut CellBuilder, init: Cell) -> Result<(), Error> {
        cell.store_u8(ChannelStatus::Open as u8)?;
        A::ZERO.put(cell)?;
        A::ZERO.put(cell)?;
        cell.store_u64(0)?;
        cell.store_u32(0)?;
        cell.put_hash(&Hash32::default())?;
        cell.put_hash(&Hash32::default())?;
        cell.store_reference(init)
    }
}

impl Channel {
    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let init = self.to_cell()?;
        let data = cells::build("ChannelStorage", |cell| self.put_fresh(cell, init))?;
        Ok(cells::state_init(&self.purpose.code().cell, data))
    }

    /// The contract's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// A channel's state on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChannelStatus {
    /// Vouchers are redeemed.
    Open = 0,
    /// Still, until the time in [`ChannelData::close_at`].
    Closing = 1,
    /// Over, for good.
    Closed = 2,
}

impl ChannelStatus {
    /// Every state, by number.
    pub const ALL: [Self; 3] = [Self::Open, Self::Closing, Self::Closed];
}

/// A channel's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelData<A = Nano> {
    /// Its state.
    pub status: ChannelStatus,
    /// The payer's money in it.
    pub balance: A,
    /// All that was ever redeemed.
    pub paid: A,
    /// Entries behind that.
    pub count: u64,
    /// Chain time of the exit; zero while nobody gave notice.
    pub close_at: u32,
    /// The key that signs for the payee now.
    pub payee_key: PublicKey,
    /// Merkle root of the entries redeemed.
    pub root: Hash32,
    /// What its address is made of.
    pub channel: Channel<A>,
}

impl ChannelData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(purpose: Purpose, data: &Cell) -> Result<Self, ContractError> {
        let (fields, init) = cells::read("ChannelStorage", data, Fields::take)?;
        Ok(fields.of(Channel::parse(purpose, &init)?))
    }

    /// Would this voucher be redeemed at `now`? What the contract checks, in its order.
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn check(
        &self,
        network: i32,
        voucher: &Voucher,
        signed: &VoucherSignatures,
        now: u32,
    ) -> Result<Nano, VoucherError> {
        let amount = self.check_terms(voucher, now)?;
        self.check_signatures(&voucher.hash(network, &self.channel)?, signed)?;
        Ok(amount)
    }
}

/// The first fields of a channel's data.
pub(crate) struct Fields<A> {
    status: ChannelStatus,
    balance: A,
    paid: A,
    count: u64,
    close_at: u32,
    payee_key: Hash32,
    root: Hash32,
}

impl<A: Amount> Fields<A> {
    /// Them, and the cell with the terms.
    pub(crate) fn take(slice: &mut CellSlice<'_>) -> Result<(Self, Cell), Error> {
        let status = usize::from(slice.load_u8()?);
        let fields = Self {
            status: *ChannelStatus::ALL.get(status).ok_or(Error::InvalidData)?,
            balance: A::take(slice)?,
            paid: A::take(slice)?,
            count: slice.load_u64()?,
            close_at: slice.load_u32()?,
            payee_key: take_hash(slice)?,
            root: take_hash(slice)?,
        };
        Ok((fields, slice.load_reference_cloned()?))
    }

    /// With the terms.
    pub(crate) fn of(self, channel: Channel<A>) -> ChannelData<A> {
        let changed = self.payee_key != Hash32::default();
        ChannelData {
            status: self.status,
            balance: self.balance,
            paid: self.paid,
            count: self.count,
            close_at: self.close_at,
            payee_key: if changed { PublicKey(self.payee_key) } else { channel.payee_key },
            root: self.root,
            channel,
        }
    }
}

impl<A: Amount> ChannelData<A> {
    /// A channel nobody has paid into yet.
    #[must_use]
    pub fn fresh(channel: &Channel<A>) -> Self {
        Self {
            status: ChannelStatus::Open,
            balance: A::ZERO,
            paid: A::ZERO,
            count: 0,
            close_at: 0,
            payee_key: channel.payee_key,
            root: Hash32::default(),
            channel: *channel,
        }
    }

    /// How much more may be owed before the payee must redeem, where `owed` in all is vouched for,
    /// promised or being worked on. What is owed beyond it may never be paid.
    ///
    /// This is the rule that bounds every loss: the payee takes on nothing beyond it, so whoever
    /// disappears takes at most what was not vouched for yet, never more than the cap.
    #[must_use]
    pub fn room(&self, owed: A) -> A {
        if self.status != ChannelStatus::Open {
            return A::ZERO;
        }
        self.balance.min(self.channel.cap).less(owed.less(self.paid))
    }

    /// Did both keys sign this?
    pub(crate) fn check_signatures(
        &self,
        hash: &Hash32,
        signed: &VoucherSignatures,
    ) -> Result<(), VoucherError<A>> {
        let by = |key: &PublicKey, signature| key.verify(&hash.0, signature).is_ok();
        if by(&self.channel.payer_key, &signed.payer) && by(&self.payee_key, &signed.payee) {
            Ok(())
        } else {
            Err(VoucherError::Signature)
        }
    }

    /// All that is checked of a voucher but its signatures: what it would pay.
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn check_terms(&self, voucher: &Voucher<A>, now: u32) -> Result<A, VoucherError<A>> {
        let over = self.status == ChannelStatus::Closing && now >= self.close_at;
        if over || self.status == ChannelStatus::Closed {
            return Err(VoucherError::Ended);
        }
        if now > voucher.valid_until || voucher.valid_until - now > MAX_VALIDITY {
            return Err(VoucherError::Validity { valid_until: voucher.valid_until });
        }
        if voucher.count <= self.count || voucher.total <= self.paid {
            return Err(VoucherError::Old { paid: self.paid });
        }
        let amount = voucher.total.less(self.paid);
        if amount > self.balance {
            return Err(VoucherError::AboveBalance { amount, balance: self.balance });
        }
        if amount > self.channel.cap {
            return Err(VoucherError::AboveCap { amount, cap: self.channel.cap });
        }
        Ok(amount)
    }
}

/// Why a voucher is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError<A = Nano> {
    /// The channel ended, or its delay is over.
    #[error("the channel is closed: open another")]
    Ended,
    /// Expired, or valid for longer than vouchers may be.
    #[error("the voucher is valid until {valid_until}: that is past, or more than a year ahead")]
    Validity {
        /// Unix time.
        valid_until: u32,
    },
    /// Not newer than the one redeemed.
    #[error("the voucher is not newer than what was redeemed, {paid} in all")]
    Old {
        /// Redeemed in all.
        paid: A,
    },
    /// More than there is.
    #[error("the voucher takes {amount} of a balance of {balance}: top it up first")]
    AboveBalance {
        /// What it would take.
        amount: A,
        /// What is there.
        balance: A,
    },
    /// More than one redemption may take.
    #[error("the voucher takes {amount}, and one redemption at most {cap}")]
    AboveCap {
        /// What it would take.
        amount: A,
        /// The exposure cap.
        cap: A,
    },
    /// Not signed by both keys, or something else was signed.
    #[error("the voucher is not signed by both keys for this contract on this network")]
    Signature,
    /// A key that signs for neither side.
    #[error("this key signs for neither the payer nor the payee there")]
    ForeignKey,
    /// One signature is not enough.
    #[error("the voucher still wants the {0}'s signature: `fog account sign`")]
    Unsigned(&'static str),
    /// Another network or contract.
    #[error("the voucher is for another {0}")]
    Elsewhere(&'static str),
    /// It does not even fit into cells.
    #[error(transparent)]
    Cells(#[from] ContractError),
}

/// "All in all `total` is owed, for `count` entries with this root." Only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voucher<A = Nano> {
    /// Everything owed since the channel began, what is paid included.
    pub total: A,
    /// Number of entries behind it.
    pub count: u64,
    /// Their Merkle root: [`fog_protocol::EntryTree::root`].
    pub root: Hash32,
    /// Last second (Unix) at which it can be redeemed.
    pub valid_until: u32,
}

/// Both signatures of a voucher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoucherSignatures {
    /// The payer's.
    pub payer: Signature,
    /// The payee's.
    pub payee: Signature,
}

impl<A: Amount> Voucher<A> {
    fn to_cell(self) -> Result<Cell, ContractError> {
        cells::build("Voucher", |cell| {
            self.total.put(cell)?;
            cell.store_u64(self.count)?;
            cell.put_hash(&self.root)?;
            cell.store_u32(self.valid_until)
        })
    }

    /// What both sign in the contract at `address` with this tag.
    pub(crate) fn hash_for(
        &self,
        tag: u32,
        network: i32,
        address: &Address,
    ) -> Result<Hash32, ContractError> {
        let voucher = self.to_cell()?;
        let data = cells::build("VoucherData", |cell| {
            cell.store_u32(tag)?;
            cell.store_u32(network.cast_unsigned())?;
            cell.put_address(address)?;
            cell.store_reference(voucher)
        })?;
        Ok(Hash32(data.repr_hash().0))
    }
}

impl Voucher {
    /// What both sign: it names the network, the contract and its purpose.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn hash(&self, network: i32, channel: &Channel) -> Result<Hash32, ContractError> {
        self.hash_for(channel.purpose as u32, network, &channel.address()?)
    }

    /// Signs it with one of the two keys.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn sign(
        &self,
        network: i32,
        channel: &Channel,
        key: &SecretKey,
    ) -> Result<Signature, ContractError> {
        self.hash(network, channel).map(|hash| key.sign(&hash.0))
    }
}

/// Body of `TopUp`: send it with the StateInit, the amount and [`crate::CHANNEL_RENT`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn top_up(query: u64, amount: Nano) -> Result<Cell, ContractError> {
    cells::build("TopUp", |cell| {
        cell.store_u32(op::TOP_UP)?;
        cell.store_u64(query)?;
        cell.put_coins(amount)
    })
}

/// Body of `Redeem`: send it with [`crate::REDEEM_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn redeem<A: Amount>(
    query: u64,
    voucher: &Voucher<A>,
    signed: &VoucherSignatures,
) -> Result<Cell, ContractError> {
    let voucher = voucher.to_cell()?;
    let (payer, payee) = (cells::signature(&signed.payer)?, cells::signature(&signed.payee)?);
    cells::build("Redeem", |cell| {
        cell.store_u32(op::REDEEM)?;
        cell.store_u64(query)?;
        cell.store_reference(voucher)?;
        cell.store_reference(payer)?;
        cell.store_reference(payee)
    })
}

/// Body of [`op::CLOSE`], [`op::LEAVE`] or [`op::FINISH`]: send it with
/// [`crate::CHANNEL_END_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn plain(op: u32, query: u64) -> Result<Cell, ContractError> {
    cells::build("channel's end", |cell| {
        cell.store_u32(op)?;
        cell.store_u64(query)
    })
}

/// Body of `SetKey`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn set_key(query: u64, key: &PublicKey) -> Result<Cell, ContractError> {
    cells::build("SetKey", |cell| {
        cell.store_u32(op::SET_KEY)?;
        cell.store_u64(query)?;
        cell.put_hash(&key.0)
    })
}

/// What a channel tells its payee's wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelNotice {
    /// A redemption's money came with it.
    Redeemed {
        /// Redeemed in all.
        total: Nano,
        /// Entries behind it.
        count: u64,
    },
    /// The payer leaves: redeem before this time.
    Closing {
        /// Chain time.
        close_at: u32,
    },
}

impl ChannelNotice {
    /// Reads a message's body.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        cells::read("channel's notice", body, |slice| {
            let op = slice.load_u32()?;
            let _query = slice.load_u64()?;
            match op {
                op::REDEEMED => {
                    Ok(Self::Redeemed { total: take_coins(slice)?, count: slice.load_u64()? })
                }
                op::CLOSING => Ok(Self::Closing { close_at: slice.load_u32()? }),
                _ => Err(Error::InvalidTag),
            }
        })
    }
}
