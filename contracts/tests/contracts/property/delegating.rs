//! What stakers may try, and others with what is theirs.

use fog_contracts::{
    CLAIM_VALUE, DELEGATE_VALUE, UNDELEGATE_VALUE,
    delegation::{self, DelegationData, DelegationInit},
    stake,
};
use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::Cell;

use super::{DAY, Play};
use crate::{
    solo::{body, put_address, put_coins, put_hash},
    world::{UNBONDING, ours, std},
};

impl Play {
    fn delegation(&mut self) -> (Address, DelegationInit) {
        let all: Vec<_> = self.ledger.delegations.iter().map(|(at, init)| (*at, *init)).collect();
        *self.dice.one(&all)
    }

    fn delegation_at(&self, at: &Address) -> Option<DelegationData> {
        let view = self.chain.account(&std(at)).unwrap();
        view.data.map(|data| DelegationData::parse(&data).unwrap())
    }

    pub(super) fn delegated_stake(&mut self) {
        let (at, init) = self.delegation();
        let data = self.delegation_at(&at);
        let (held, queued) = data.map_or((0, 0), |data| (data.shares, data.queue.len()));
        let query = self.query();
        let stakers = &self.parties.stakers;
        let owner = stakers.iter().find(|staker| ours(&staker.address) == init.owner);
        let owner = owner.unwrap().clone();
        let (mut state, right);
        state = None;
        let choice = if held == 0 { self.dice.below(6) } else { self.dice.below(12) };
        let told = match choice {
            0..5 => {
                let amount = *self.dice.one(&[1_000_000_000, 7_777_777_777, 60_000_000_000, 1]);
                right = amount + DELEGATE_VALUE.get();
                state = Some(init.state_init().unwrap());
                let commission = *self.dice.one(&[5000, 5000, 1000, 999]);
                delegation::delegate(query, Nano::new(amount), commission)
            }
            5..9 if queued < 8 => {
                right = UNDELEGATE_VALUE.get();
                let part = *self.dice.one(&[held, held, held / 2, held / 1000, 1, held + 1]);
                delegation::undelegate(query, part)
            }
            _ => {
                right = CLAIM_VALUE.get();
                delegation::claim(query)
            }
        };
        let (from, value) = (self.sender(&owner), self.value(right));
        self.send(&from, at, value, state, told.unwrap());
        if self.dice.once_in(40) {
            let block = self.chain.warp(UNBONDING + 1).unwrap();
            self.check_block(&block);
        }
    }

    /// What only a delegation may say to a stake; and sometimes what only a stake may say to a
    /// delegation.
    pub(super) fn forged_by_a_delegation(&mut self, query: u64) -> Cell {
        let (at, init) = self.delegation();
        let owner = init.owner;
        if self.dice.once_in(2) {
            let from = self.parties.any(&mut self.dice);
            let forged = if self.dice.once_in(2) {
                body(delegation::op::JOINED, query, |b| b.store_u128(1 << 70).unwrap())
            } else {
                body(delegation::op::LEFT, query, |b| {
                    put_hash(b, &Hash32([1; 32]));
                    b.store_u32(0).unwrap();
                })
            };
            self.send(&from, at, CLAIM_VALUE.get(), Some(init.state_init().unwrap()), forged);
        }
        match self.dice.below(3) {
            0 => body(stake::op::JOIN, query, |b| {
                put_coins(b, Nano::grams(1));
                b.store_u16(5000).unwrap();
                put_address(b, owner);
            }),
            1 => body(stake::op::LEAVE, query, |b| {
                b.store_u128(1 << 60).unwrap();
                put_address(b, owner);
            }),
            _ => body(stake::op::REDEEM, query, |b| {
                b.store_u32(0).unwrap();
                put_hash(b, &Hash32([1; 32]));
                b.store_u32(0).unwrap();
                put_address(b, owner);
            }),
        }
    }

    /// Every staker gets everything out, whatever the workers do.
    pub(super) fn empty_delegations(&mut self) {
        for (at, init) in self.ledger.delegations.clone() {
            let Some(data) = self.delegation_at(&at) else { continue };
            let stakers = self.parties.stakers.clone();
            let owner = stakers.iter().find(|staker| ours(&staker.address) == init.owner);
            let owner = owner.unwrap();
            if data.shares > 0 {
                let body = delegation::undelegate(self.query(), data.shares).unwrap();
                self.say(owner, at, body);
            }
            self.chain.warp(UNBONDING + DAY).unwrap();
            for _ in 0..self.delegation_at(&at).unwrap().queue.len() {
                let body = delegation::claim(self.query()).unwrap();
                self.say(owner, at, body);
            }
            let data = self.delegation_at(&at).unwrap();
            assert_eq!((data.shares, data.queue.len()), (0, 0), "a staker is held up");
        }
    }
}
