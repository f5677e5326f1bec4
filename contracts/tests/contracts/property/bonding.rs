//! What may be tried with bonds and with verdicts that are disputed.

use std::collections::BTreeMap;

use fog_contracts::{
    CHALLENGE_VALUE, OPERATOR_RENT, OWNER_VALUE, TaskState, VerdictTerms, dispute,
    operator::{self, Freed, OperatorData},
    ruling_hash, ruling_value,
    task::{Outcome, Verdict},
    verdict_hash,
};
use fog_protocol::{Hash32, Nano};
use fog_testnet::chain::Treasury;

use super::{DAY, Play, address};
use crate::world::{CHALLENGE_BOND, STEP, WINDOW, ours, std};

impl Play {
    /// Puts money into the node's bond, or into a stranger's.
    pub(super) fn add_bond(&mut self, from: &Treasury, which: usize, amount: u64) {
        let bond = self.bonds[which];
        let body = operator::bond(self.query(), Nano::new(amount)).unwrap();
        let (to, init) = (bond.address().unwrap(), bond.state_init().unwrap());
        let value = self.value(amount + OPERATOR_RENT.get());
        self.send(from, to, value, Some(init), body);
    }

    pub(super) fn bond_at(&self, which: usize) -> Option<OperatorData> {
        let view = self.chain.account(&std(&self.bonds[which].address().unwrap())).unwrap();
        view.data.map(|data| OperatorData::parse(&data).unwrap())
    }

    pub(super) fn bonds(&mut self) {
        let which = usize::from(self.dice.once_in(5));
        let owner = [&self.parties.operator, &self.parties.strangers[0]][which].clone();
        let amounts = [1, 41, 1_000_000_000, 20_000_000_000];
        let amount = *self.dice.one(&amounts);
        if !self.dice.once_in(3) {
            let from = if self.dice.once_in(4) { self.parties.any(&mut self.dice) } else { owner };
            return self.add_bond(&from, which, amount);
        }
        let free = self.bond_at(which).map_or(1, |data| data.free().get());
        let taken = *self.dice.one(&[1, free / 2, free, free + 1, amount]);
        let body = operator::withdraw(self.query(), Nano::new(taken)).unwrap();
        let (from, value) = (self.sender(&owner), self.value(OWNER_VALUE.get()));
        let to = self.bonds[which].address().unwrap();
        self.send(&from, to, value, None, body);
    }

    pub(super) fn challenge(&mut self) {
        let task = self.task_in(&[TaskState::Accepted, TaskState::Rejected]);
        let evidence = Hash32([u8::try_from(self.dice.below(3)).unwrap(); 32]);
        let body = dispute::challenge(self.query(), &evidence).unwrap();
        let from = self.parties.any(&mut self.dice);
        let value = self.value(CHALLENGE_BOND.get() + CHALLENGE_VALUE.get());
        self.send(&from, address(&task), value, None, body);
    }

    /// A ruling: by all, by too few, by what they signed as a verdict, or about something else.
    pub(super) fn rule(&mut self) {
        let task = self.task_in(&[TaskState::Disputed]);
        let data = self.data(&task);
        if data.as_ref().is_some_and(|data| data.state == TaskState::Disputed)
            && !self.dice.once_in(4)
        {
            // No ruling before the window is over.
            let block = self.chain.warp(WINDOW).unwrap();
            self.check_block(&block);
        }
        let work = data.and_then(|data| data.work);
        let outcome = [0, 0, 1, 2].map(|which| Outcome::ALL[which]);
        let outcome = *self.dice.one(&outcome);
        let mut terms = VerdictTerms {
            network: -3,
            task: address(&task),
            stake: work.map_or_else(|| self.stakes[0].address().unwrap(), |work| work.stake),
            price: work.map_or(task.terms.price, |work| work.price),
            commitment: work.map_or(Hash32([0; 32]), |work| work.commitment),
            outcome,
            evidence: Hash32([0xac; 32]),
            valid_until: self.chain.now() + *self.dice.one(&[0, 300, STEP, 400 * DAY]),
        };
        match self.dice.below(24) {
            0 => terms.task = address(&self.task()),
            1 => terms.price = Nano::new(1),
            2 => terms.commitment = Hash32([9; 32]),
            3 => terms.outcome = Outcome::Rejected,
            _ => {}
        }
        let as_verdict = self.dice.once_in(16);
        let hash = if as_verdict { verdict_hash(&terms) } else { ruling_hash(&terms) }.unwrap();
        let choices: [&[u8]; 5] = [&[0, 1, 2], &[0, 1, 2], &[0, 1, 2], &[0, 1], &[2]];
        let signers = *self.dice.one(&choices);
        let keys = &self.verifiers;
        let signatures: BTreeMap<_, _> =
            signers.iter().map(|i| (*i, keys[usize::from(*i)].sign(&hash.0))).collect();
        let (evidence, valid_until) = (terms.evidence, terms.valid_until);
        let ruling = Verdict { outcome, evidence, valid_until, signatures };
        let body = dispute::ruling(self.query(), &ruling).unwrap();
        let (from, value) = (self.parties.any(&mut self.dice), self.value(ruling_value(3).get()));
        self.send(&from, address(&task), value, None, body);
    }

    /// What only a task may say to a bond.
    pub(super) fn forged_by_a_task(&mut self) {
        let task = self.task();
        let from = self.parties.any(&mut self.dice);
        let price = Nano::new(*self.dice.one(&[0, 1, 1_000_000_000]));
        let freed = Freed {
            price,
            earned: Nano::new(*self.dice.one(&[0, 1_000_000_000])),
            owed: price,
            creditor: ours(&from.address),
            task,
        };
        let body = freed.body(self.query()).unwrap();
        let which = usize::from(self.dice.once_in(3));
        let (to, value) = (self.bonds[which].address().unwrap(), self.value(OWNER_VALUE.get()));
        self.send(&from, to, value, None, body);
    }

    /// The node gets all of its bond out: nothing stays reserved.
    pub(super) fn empty_bonds(&mut self) {
        for which in 0..2 {
            let owner = [&self.parties.operator, &self.parties.strangers[0]][which].clone();
            let Some(data) = self.bond_at(which) else { continue };
            assert_eq!(data.reserved, Nano::ZERO);
            if data.bond == Nano::ZERO {
                continue;
            }
            let body = operator::withdraw(self.query(), data.bond).unwrap();
            let to = self.bonds[which].address().unwrap();
            self.send(&owner, to, OWNER_VALUE.get(), None, body);
            self.drain();
            assert_eq!(self.bond_at(which).unwrap().bond, Nano::ZERO);
        }
    }
}
