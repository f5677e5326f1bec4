//! Where the money went, read off the chain: every transaction of every contract of the market.

use std::collections::BTreeSet;

use fog_contracts::{operator::OperatorData, stake::StakeData};
use fog_protocol::{Address, Hash32};
use fog_testnet::chain::{Chain, ChainError, Order};
use tycho_types::{
    cell::HashBytes,
    models::{IntAddr, MsgInfo, StdAddr},
};

use crate::Money;

/// The market's accounts, and who is paid outside of them.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    /// The `Market`.
    pub(crate) market: Address,
    /// Every worker's `Stake`.
    pub(crate) stakes: Vec<Address>,
    /// The node's `Operator`: its bond is held, what it earned is a fee.
    pub(crate) bond: Address,
    /// Every task's escrow.
    pub(crate) escrows: Vec<Address>,
    /// Gets the fee.
    pub(crate) treasury: Address,
    /// Gets what is burned.
    pub(crate) burn: Address,
}

pub(crate) fn std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

fn ours(address: &IntAddr) -> Option<Address> {
    match address {
        IntAddr::Std(address) => {
            Some(Address { workchain: address.workchain, hash: Hash32(address.address.0) })
        }
        IntAddr::Var(_) => None,
    }
}

fn nano(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Ledger {
    /// Adds everything up. What came in and what went out are sums over messages, fees sums over
    /// transactions, what is held sums over balances: that they agree is a finding, not a
    /// definition.
    pub(crate) fn read(&self, chain: &Chain) -> Result<Money, ChainError> {
        let inside: BTreeSet<_> = [self.market, self.bond]
            .into_iter()
            .chain(self.stakes.iter().copied())
            .chain(self.escrows.iter().copied())
            .collect();
        let mut money = Money::default();
        for account in &inside {
            self.read_history(chain, account, &inside, &mut money)?;
            let view = chain.account(&std(account))?;
            money.held_nano += nano(view.balance);
        }
        for stake in &self.stakes {
            let data = chain.account(&std(stake))?.data;
            let earned = data.and_then(|data| StakeData::parse(&data).ok());
            let earned = earned.map_or(0, |stake| stake.earnings.get());
            money.paid_nano += earned;
            money.held_nano = money.held_nano.saturating_sub(earned);
        }
        let data = chain.account(&std(&self.bond))?.data;
        let earned = data.and_then(|data| OperatorData::parse(&data).ok());
        let earned = earned.map_or(0, |bond| bond.earned.get());
        money.fees_nano += earned;
        money.held_nano = money.held_nano.saturating_sub(earned);
        Ok(money)
    }

    fn read_history(
        &self,
        chain: &Chain,
        account: &Address,
        inside: &BTreeSet<Address>,
        money: &mut Money,
    ) -> Result<(), ChainError> {
        const PAGE: usize = 1000;
        let mut from = 0;
        loop {
            let page =
                chain.transactions(&std(account), from, u64::MAX, Order::OldestFirst, PAGE)?;
            for record in &page {
                let transaction = record.load()?;
                money.fees_nano += nano(transaction.total_fees.tokens.into_inner());
                if let Some(MsgInfo::Int(info)) = record.in_msg()?.map(|message| message.info)
                    && ours(&info.src).is_none_or(|source| !inside.contains(&source))
                {
                    money.in_nano += nano(info.value.tokens.into_inner());
                }
                for message in record.out_msgs()? {
                    if let MsgInfo::Int(info) = message.info {
                        money.fees_nano += nano(info.fwd_fee.into_inner());
                        self.sent(&info.dst, nano(info.value.tokens.into_inner()), inside, money);
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.lt + 1,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn sent(&self, to: &IntAddr, value: u64, inside: &BTreeSet<Address>, money: &mut Money) {
        match ours(to) {
            Some(to) if inside.contains(&to) => {}
            Some(to) if to == self.burn => money.burned_nano += value,
            Some(to) if to == self.treasury => money.fees_nano += value,
            Some(_) | None => money.refunded_nano += value,
        }
    }
}
