//! `JettonAccount` and `JettonEarnings`: channels ([`crate::channel`]) whose money is a jetton
//! (TEP-74), named by its master. Amounts are in its smallest units.
//!
//! The channel asks the master for its own jetton wallet (TEP-89) and believes nobody else, and only
//! that wallet's word counts for what came in. What it owes it sends when the one it is owed to asks.

use fog_protocol::{Address, Hash32, Nano, SecretKey, Signature, Units};
use tycho_types::{
    cell::{Cell, CellSlice},
    error::Error,
    models::StateInit,
};

use crate::{
    amount::Amount as _,
    cells::{self, ContractError, Fields as _, take_address},
    channel::{Channel, ChannelData, Fields, Purpose, Voucher, VoucherError, VoucherSignatures},
    code::{Code, jetton_account_code, jetton_earnings_code},
};

/// Opcodes: of jettons (TEP-74, TEP-89), and of what only a channel in a jetton is told.
pub mod op {
    /// To a jetton wallet, from its owner.
    pub const TRANSFER: u32 = 0x0f8a_7ea5;
    /// From a jetton wallet to its owner: jettons came.
    pub const NOTIFICATION: u32 = 0x7362_d09c;
    /// To a master: which is this owner's wallet?
    pub const PROVIDE_WALLET: u32 = 0x2c76_b973;
    /// Its answer.
    pub const TAKE_WALLET: u32 = 0xd173_5400;
    /// Asks the master for the channel's wallet; from anyone, the first with the StateInit.
    pub const ASK: u32 = 0x5600_0011;
    /// Sends the sender what it is owed.
    pub const CLAIM: u32 = 0x5600_0012;
    /// Sends the payer what nobody is owed, when all is over.
    pub const SWEEP: u32 = 0x5600_0013;
}

/// Seconds after the last transfer until [`op::SWEEP`].
pub const SETTLING_TIME: u32 = 24 * 3600;

impl Purpose {
    /// The code of its contract in a jetton.
    #[must_use]
    pub fn jetton_code(self) -> &'static Code {
        match self {
            Self::Account => jetton_account_code(),
            Self::Earnings => jetton_earnings_code(),
        }
    }

    /// What vouchers there are signed with: not what vouchers in GRAM are.
    #[must_use]
    pub const fn jetton_tag(self) -> u32 {
        match self {
            Self::Account => 0x464a_4143,
            Self::Earnings => 0x464a_4541,
        }
    }
}

/// What a jetton channel's address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JettonChannel {
    /// Everything that channels in GRAM have, too; amounts in the jetton's units.
    pub terms: Channel<Units>,
    /// The jetton's master.
    pub master: Address,
}

impl JettonChannel {
    /// Code and data of the fresh contract.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn state_init(&self) -> Result<StateInit, ContractError> {
        let init = self.terms.to_cell()?;
        let jetton = cells::build("JettonState", |cell| {
            cell.put_address(&self.master)?;
            cell.store_zeros(2)?;
            Units::ZERO.put(cell)?;
            Units::ZERO.put(cell)?;
            cell.store_u64(0)?;
            cell.store_u64(0)?;
            cell.store_u32(0)
        })?;
        let data = cells::build("JettonStorage", |cell| {
            self.terms.put_fresh(cell, init)?;
            cell.store_reference(jetton)
        })?;
        Ok(cells::state_init(&self.terms.purpose.jetton_code().cell, data))
    }

    /// The contract's address.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn address(&self) -> Result<Address, ContractError> {
        cells::address_of(&self.state_init()?)
    }
}

/// A jetton channel's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JettonData {
    /// What channels in GRAM have, too.
    pub core: ChannelData<Units>,
    /// The jetton's master.
    pub master: Address,
    /// The channel's own jetton wallet, once the master has said which it is.
    pub wallet: Option<Address>,
    /// Redeemed and not sent yet: the payee claims it.
    pub due_payee: Units,
    /// Left at the end and not sent yet: the payer claims it.
    pub due_payer: Units,
    /// Transfers sent so far.
    pub attempts: u64,
    /// Which of the last 64 have not come back; the lowest bit is the newest.
    pub open: u64,
    /// Chain time of the newest.
    pub sent_at: u32,
}

pub(crate) fn take_maybe_address(slice: &mut CellSlice<'_>) -> Result<Option<Address>, Error> {
    if slice.get_small_uint(0, 2)? == 0 {
        slice.skip_first(2, 0)?;
        return Ok(None);
    }
    take_address(slice).map(Some)
}

impl JettonData {
    /// Reads the contract's data cell.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn parse(purpose: Purpose, data: &Cell) -> Result<Self, ContractError> {
        let (fields, init, jetton) = cells::read("JettonStorage", data, |slice| {
            let (fields, init) = Fields::take(slice)?;
            Ok((fields, init, slice.load_reference_cloned()?))
        })?;
        let core = fields.of(Channel::parse(purpose, &init)?);
        cells::read("JettonState", &jetton, |slice| {
            Ok(Self {
                core,
                master: take_address(slice)?,
                wallet: take_maybe_address(slice)?,
                due_payee: Units::take(slice)?,
                due_payer: Units::take(slice)?,
                attempts: slice.load_u64()?,
                open: slice.load_u64()?,
                sent_at: slice.load_u32()?,
            })
        })
    }

    /// What its address is made of.
    #[must_use]
    pub const fn channel(&self) -> JettonChannel {
        JettonChannel { terms: self.core.channel, master: self.master }
    }

    /// A channel nobody has opened yet.
    #[must_use]
    pub fn fresh(channel: &JettonChannel) -> Self {
        Self {
            core: ChannelData::fresh(&channel.terms),
            master: channel.master,
            wallet: None,
            due_payee: Units::ZERO,
            due_payer: Units::ZERO,
            attempts: 0,
            open: 0,
            sent_at: 0,
        }
    }

    /// Would this voucher be redeemed at `now`? What the contract checks, in its order.
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn check(
        &self,
        network: i32,
        voucher: &Voucher<Units>,
        signed: &VoucherSignatures,
        now: u32,
    ) -> Result<Units, VoucherError<Units>> {
        let amount = self.core.check_terms(voucher, now)?;
        self.core.check_signatures(&voucher.hash_in(network, &self.channel())?, signed)?;
        Ok(amount)
    }
}

impl Voucher<Units> {
    /// What both sign: network, contract and purpose, which no voucher in GRAM has.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn hash_in(&self, network: i32, channel: &JettonChannel) -> Result<Hash32, ContractError> {
        self.hash_for(channel.terms.purpose.jetton_tag(), network, &channel.address()?)
    }

    /// Signs it with one of the two keys.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn sign_in(
        &self,
        network: i32,
        channel: &JettonChannel,
        key: &SecretKey,
    ) -> Result<Signature, ContractError> {
        self.hash_in(network, channel).map(|hash| key.sign(&hash.0))
    }
}

/// Body of `Ask`: send it with the StateInit and [`crate::JETTON_RENT`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn ask(query: u64) -> Result<Cell, ContractError> {
    crate::channel::plain(op::ASK, query)
}

/// Body of `ClaimDue`: send it with [`crate::JETTON_PAY_VALUE`]; what is owed goes to `to`.
///
/// # Errors
/// [`ContractError::Build`].
pub fn claim(query: u64, to: &Address) -> Result<Cell, ContractError> {
    cells::build("ClaimDue", |cell| {
        cell.store_u32(op::CLAIM)?;
        cell.store_u64(query)?;
        cell.put_address(to)
    })
}

/// Body of `Sweep`: send it with [`crate::JETTON_PAY_VALUE`].
///
/// # Errors
/// [`ContractError::Build`].
pub fn sweep(query: u64, amount: Units) -> Result<Cell, ContractError> {
    cells::build("Sweep", |cell| {
        cell.store_u32(op::SWEEP)?;
        cell.store_u64(query)?;
        amount.put(cell)
    })
}

/// A transfer (TEP-74), for the sender's own jetton wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// How much.
    pub amount: Units,
    /// Whose wallet it goes to.
    pub to: Address,
    /// Who gets the TON that is left.
    pub response: Address,
    /// TON for the receiver, with the notification; without any there is none.
    pub forward: Nano,
}

impl Transfer {
    /// Its body: send it with [`crate::JETTON_TRANSFER_VALUE`].
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn body(&self, query: u64) -> Result<Cell, ContractError> {
        cells::build("transfer", |cell| {
            cell.store_u32(op::TRANSFER)?;
            cell.store_u64(query)?;
            self.amount.put(cell)?;
            cell.put_address(&self.to)?;
            cell.put_address(&self.response)?;
            cell.store_bit_zero()?;
            cell.put_coins(self.forward)?;
            cell.store_bit_zero()
        })
    }
}
