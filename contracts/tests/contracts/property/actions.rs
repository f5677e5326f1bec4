//! What anybody may try.

use std::collections::BTreeMap;

use fog_contracts::{
    ASSIGN_VALUE, CLAIM_VALUE, COMMIT_VALUE, Consent, END_VALUE, FUND_VALUE, MARKET_VALUE,
    OWNER_VALUE, PROVE_VALUE, STAKE_RENT, TaskState, VerdictTerms, commit_hash, consent_hash,
    market, operator,
    proof::{Context, Prove, result_cell, result_hash},
    stake::{self, StakeData, StakeInit},
    task::{self, Assign, Outcome, TaskData, TaskInit, Verdict},
    verdict_hash, verdict_value,
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::Treasury;
use tycho_types::cell::CellBuilder;

use super::{DAY, Play, UNBONDING, WORKERS, address, is_in_jetton, session};
use crate::{
    proving::{INPUT, NETWORK, RESULT, Secrets, binding_of, number, secrets, statement},
    shares,
    solo::{body, put_address, put_coins, put_hash},
    world::{STEP, TIMELOCK, WINDOW, config, ours, std},
};

impl Play {
    pub(super) fn task(&mut self) -> TaskInit {
        *self.dice.one(&self.tasks)
    }

    /// Mostly one for which it is time, sometimes any.
    pub(super) fn task_in(&mut self, states: &[TaskState]) -> TaskInit {
        let state =
            |task: &&TaskInit| self.data(task).map_or(TaskState::Created, |data| data.state);
        let timely: Vec<_> =
            self.tasks.iter().filter(|task| states.contains(&state(task))).copied().collect();
        if timely.is_empty() || self.dice.once_in(6) {
            self.task()
        } else {
            *self.dice.one(&timely)
        }
    }

    pub(super) fn data(&self, task: &TaskInit) -> Option<TaskData> {
        self.data_at(&address(task))
    }

    pub(super) fn fund(&mut self) {
        let task = self.task_in(&[TaskState::Created]);
        if is_in_jetton(&task) && !self.dice.once_in(8) {
            return self.begin_or_pay(&task);
        }
        let first = self.parties.requestors[0].clone();
        let second = self.parties.requestors[1].clone();
        let right = if ours(&first.address) == task.requestor { first } else { second };
        let from = self.sender(&right);
        let value = self.value(task.terms.price.get() + FUND_VALUE.get());
        let body = task::fund(self.query()).unwrap();
        self.send(&from, address(&task), value, Some(task.state_init().unwrap()), body);
    }

    pub(super) fn assign(&mut self) {
        let task = self.task_in(&[TaskState::Open]);
        let worker = u8::try_from(self.dice.below(WORKERS.into())).unwrap();
        let stake = self.stakes[usize::from(worker)];
        let price = match self.dice.below(8) {
            0 => task.terms.price.get() + 1,
            1 => self.dice.below(task.terms.price.get()) + 1,
            _ => task.terms.price.get(),
        };
        let reserve = *self.dice.one(&[1, 99, 101, 12_345_678_901, 3_000_000_000, 90_000_000_000]);
        // Some consents last, so that they can be tried again.
        let valid_until = self.chain.now() + *self.dice.one(&[0, 300, 400 * DAY]);
        let meant = if self.dice.once_in(12) { self.task() } else { task };
        let consent = Consent {
            network: -3,
            stake: stake.address().unwrap(),
            task: address(&meant),
            reserve: Nano::new(reserve),
            price: Nano::new(price),
            valid_until,
        };
        let signer = if self.dice.once_in(12) { 1 - worker } else { worker };
        let consent = session(signer).sign(&consent_hash(&consent).unwrap().0);
        let terms = Assign {
            owner: stake.owner,
            price: Nano::new(price),
            reserve: Nano::new(reserve),
            valid_until,
            consent,
        };
        let body = operator::take_on(self.query(), &address(&task), &terms).unwrap();
        let operator = self.parties.operator.clone();
        let (from, value) = (self.sender(&operator), self.value(ASSIGN_VALUE.get()));
        let bond = self.bonds[0].address().unwrap();
        self.send(&from, bond, value, None, body);
    }

    pub(super) fn commit(&mut self) {
        let task = self.task_in(&[TaskState::Assigned]);
        let mut commitment = Hash32([u8::try_from(self.dice.below(3)).unwrap(); 32]);
        if task.terms.proof.statement().is_some() && !self.dice.once_in(8) {
            commitment = result_hash(RESULT).unwrap();
        }
        let hash = commit_hash(-3, &address(&task), &commitment).unwrap();
        let owner = self.data(&task).and_then(|data| data.work).map(|work| work.owner);
        let right = u8::from(owner == Some(self.stakes[1].owner));
        let signer = if self.dice.once_in(10) { 1 - right } else { right };
        let signature = session(signer).sign(&hash.0);
        let body = task::commit(self.query(), &commitment, &signature).unwrap();
        let (from, value) = (self.parties.any(&mut self.dice), self.value(COMMIT_VALUE.get()));
        self.send(&from, address(&task), value, None, body);
    }

    pub(super) fn verdict(&mut self) {
        let task = self.task_in(&[TaskState::Committed]);
        let work = self.data(&task).and_then(|data| data.work);
        let outcomes = [0, 0, 1, 1, 2].map(|which| Outcome::ALL[which]);
        let outcome = *self.dice.one(&outcomes);
        let mut terms = VerdictTerms {
            network: -3,
            task: address(&task),
            stake: work.map_or_else(|| self.stakes[0].address().unwrap(), |work| work.stake),
            price: work.map_or(task.terms.price, |work| work.price),
            commitment: work.map_or(Hash32([0; 32]), |work| work.commitment),
            outcome,
            evidence: Hash32([0xab; 32]),
            valid_until: self.chain.now() + *self.dice.one(&[0, 300, 400 * DAY]),
        };
        match self.dice.below(20) {
            0 => terms.task = address(&self.task()),
            1 => terms.price = Nano::new(1),
            2 => terms.commitment = Hash32([9; 32]),
            3 => terms.network = -239,
            _ => {}
        }
        let hash = verdict_hash(&terms).unwrap();
        let choices: [&[u8]; 6] = [&[0, 1], &[1, 2], &[0, 2], &[0, 1], &[1], &[0, 1, 2]];
        let signers = *self.dice.one(&choices);
        let keys = &self.verifiers;
        let signatures: BTreeMap<_, _> =
            signers.iter().map(|i| (*i, keys[usize::from(*i)].sign(&hash.0))).collect();
        let body = task::verdict(
            self.query(),
            &Verdict {
                outcome,
                evidence: terms.evidence,
                valid_until: terms.valid_until,
                signatures,
            },
        );
        let (from, value) = (self.parties.any(&mut self.dice), self.value(verdict_value(2).get()));
        self.send(&from, address(&task), value, None, body.unwrap());
    }

    /// A proof: the right one, one of something else, or one that somebody touched.
    pub(super) fn prove(&mut self) {
        let proven = self.tasks[usize::from(*self.dice.one(&[super::PROVEN, super::OVERRULED]))];
        let task = if self.dice.once_in(8) { self.task() } else { proven };
        let work = self.data(&task).and_then(|data| data.work);
        let stake = work.map_or_else(|| self.stakes[0].address().unwrap(), |work| work.stake);
        let mut about = Context { network: NETWORK, task: address(&task), stake };
        let (mut input, mut result) = (INPUT, RESULT);
        match self.dice.below(16) {
            0 => about.task = address(&self.task()),
            1 => about.stake = self.stakes[1].address().unwrap(),
            2 => about.network = -239,
            3 => input = Hash32([9; 32]),
            4 => result = b"another",
            _ => {}
        }
        let salt = *self.dice.one(&["first", "second"]);
        let x = number(&binding_of(about, &input, result));
        let mut prove = Prove {
            statement: statement(),
            proof: secrets().prove(x, salt),
            result: result_cell(RESULT).unwrap(),
        };
        match self.dice.below(16) {
            0 => prove.proof.a[20] ^= 1,
            1 => std::mem::swap(&mut prove.proof.a, &mut prove.proof.c),
            2 => prove.statement.key.delta = prove.statement.key.gamma,
            3 => prove.statement.key = Secrets::of("an attacker's").key(),
            _ => {}
        }
        let body = prove.body(self.query()).unwrap();
        let (from, value) = (self.parties.any(&mut self.dice), self.value(PROVE_VALUE.get()));
        self.send(&from, address(&task), value, None, body);
    }

    pub(super) fn push(&mut self) {
        let ready = [TaskState::Accepted, TaskState::Rejected];
        let (task, query) = (self.task_in(&ready), self.query());
        let from = self.parties.any(&mut self.dice);
        let body = match self.dice.below(10) {
            0 => task::cancel(query),
            1..4 => task::expire(query),
            _ => task::finalize(query),
        };
        let value = self.value(END_VALUE.get());
        self.send(&from, address(&task), value, None, body.unwrap());
    }

    /// Ends it, whichever way is open.
    pub(super) fn push_from(&mut self, from: &Treasury, task: Address) {
        let query = self.query();
        let data = self.data_at(&task).unwrap();
        let given_up = self.chain.now() > data.deadline + 90 * DAY && self.dice.once_in(2);
        let body = match data.state {
            TaskState::Accepted | TaskState::Rejected if !given_up => task::finalize(query),
            _ => task::expire(query),
        };
        self.send(from, task, END_VALUE.get(), None, body.unwrap());
    }

    pub(super) fn data_at(&self, task: &Address) -> Option<TaskData> {
        let view = self.chain.account(&std(task)).unwrap();
        view.data.map(|data| crate::alone::read(&data))
    }

    pub(super) fn stake_at(&self, stake: &StakeInit) -> Option<StakeData> {
        let view = self.chain.account(&std(&stake.address().unwrap())).unwrap();
        view.data.map(|data| StakeData::parse(&data).unwrap())
    }

    pub(super) fn own_stake(&mut self) {
        let worker = usize::try_from(self.dice.below(WORKERS.into())).unwrap();
        let (stake, owner) = (self.stakes[worker], self.parties.workers[worker].clone());
        let (query, mut init, mut right) = (self.query(), None, OWNER_VALUE.get());
        let amount = *self.dice.one(&[1, 50_000_000_000, 100_000_000_000]);
        let key = session(u8::try_from(worker).unwrap()).public();
        let body = match self.dice.below(13) {
            0..7 => {
                right = amount + STAKE_RENT.get();
                init = Some(stake.state_init().unwrap());
                stake::deposit(query, Nano::new(amount), &key)
            }
            7 => stake::set_session(query, &key),
            8 => stake::unbond(query, Nano::new(amount)),
            9 => {
                right = CLAIM_VALUE.get();
                stake::withdraw(query)
            }
            10 => stake::withdraw_earnings(query),
            11 => {
                let bps = *self.dice.one(&[0, 300, 1000, 5000, 5001]);
                stake::set_commission(query, bps)
            }
            _ => stake::free_stale(query, &address(&self.task()).hash),
        };
        let (from, value) = (self.sender(&owner), self.value(right));
        self.send(&from, stake.address().unwrap(), value, init, body.unwrap());
    }

    pub(super) fn run_market(&mut self) {
        let (query, market) = (self.query(), self.ledger.market);
        let keys = &self.verifiers;
        let next = config(2, keys, self.ledger.treasury, self.ledger.burn);
        let heir = self.parties.any(&mut self.dice);
        let body = match self.dice.below(12) {
            8 => market::offer_owner(query, &ours(&heir.address)),
            9 | 10 => market::plain(market::op::ACCEPT_OWNER, query),
            11 => market::plain(market::op::KEEP_OWNER, query),
            0 => market::set_pause(query, true),
            1..4 => market::set_pause(query, false),
            4 => market::propose(query, &next),
            5 => market::plain(market::op::APPLY, query),
            6 => market::plain(market::op::WITHDRAWN, query),
            _ => market::setup(query, &next),
        };
        let owner = self.parties.owner.clone();
        let (from, value) = (self.sender(&owner), self.value(MARKET_VALUE.get()));
        self.send(&from, market, value, None, body.unwrap());
    }

    /// What only another contract may say.
    pub(super) fn forge(&mut self) {
        let (task, query) = (self.task(), self.query());
        let from = self.parties.any(&mut self.dice);
        let me = ours(&from.address);
        let amount = Nano::new(self.dice.below(1_000_000_000));
        let stake = *self.dice.one(&self.stakes);
        if self.dice.once_in(4) {
            return self.forged_by_a_task();
        }
        let to_task = self.dice.once_in(2);
        let forged = if to_task {
            match self.dice.below(4) {
                0 => body(task::op::RESERVED, query, |b| put_hash(b, &session(0).public().0)),
                1 => body(task::op::SETTLED, query, |b| put_address(b, me)),
                2 => body(task::op::RELEASED, query, |b| put_address(b, me)),
                _ => body(task::op::SLASHED, query, |b| {
                    put_coins(b, amount);
                    put_address(b, me);
                }),
            }
        } else {
            match self.dice.below(4) {
                3 => self.forged_by_a_delegation(query),
                0 => body(stake::op::SETTLE, query, |b| {
                    put_coins(b, amount);
                    put_address(b, me);
                }),
                1 => body(stake::op::RELEASE, query, |b| put_address(b, me)),
                _ => body(stake::op::SLASH, query, |b| {
                    put_coins(b, amount);
                    put_coins(b, Nano::ZERO);
                    put_hash(b, &Hash32([7; 32]));
                    put_address(b, me);
                }),
            }
        };
        let to = if to_task { address(&task) } else { stake.address().unwrap() };
        let value = self.value(END_VALUE.get() + amount.get());
        self.send(&from, to, value, None, forged);
    }

    /// An old message once more, from its sender or from another.
    pub(super) fn repeat(&mut self) {
        let old = self.dice.one(&self.old).clone();
        let from = self.parties.any(&mut self.dice);
        self.send(&from, old.to, old.value, old.init, old.body);
    }

    /// An unknown word, a word cut short, a word with a tail, or a top-up.
    pub(super) fn babble(&mut self) {
        let old = self.dice.one(&self.old).clone();
        let mut builder = CellBuilder::new();
        match self.dice.below(4) {
            0 => {}
            1 => builder.store_u32(u32::try_from(self.dice.below(1 << 32)).unwrap()).unwrap(),
            2 => {
                builder.store_slice(old.body.as_slice_allow_exotic()).unwrap();
                builder.store_bit_one().unwrap();
            }
            _ => {
                let half = old.body.bit_len() / 2;
                let slice = old.body.as_slice_allow_exotic();
                builder.store_slice_data(slice.get_prefix(half, 0)).unwrap();
            }
        }
        let from = self.parties.any(&mut self.dice);
        self.send(&from, old.to, old.value, None, builder.build().unwrap());
    }

    pub(super) fn warp(&mut self) {
        let short = [1, 5, WINDOW, WINDOW + 1, 300, STEP + 1];
        let long = [DAY + 1, TIMELOCK, UNBONDING + 1, 91 * DAY];
        let seconds =
            if self.dice.once_in(12) { *self.dice.one(&long) } else { *self.dice.one(&short) };
        // Making the block of the new time delivers a message, too.
        let block = self.chain.warp(seconds).unwrap();
        self.check_block(&block);
    }

    /// Frees what no task came back for.
    pub(super) fn free_reservations(&mut self, stranger: &Treasury) {
        self.chain.warp(200 * DAY).unwrap();
        for stake in self.stakes.clone() {
            let to = stake.address().unwrap();
            let Some(data) = self.stake_at(&stake) else { continue };
            for (task, _) in data.reservations {
                let body = stake::free_stale(self.query(), &task).unwrap();
                self.send(stranger, to, OWNER_VALUE.get(), None, body);
                self.drain();
            }
            assert_eq!(self.stake_at(&stake).unwrap().reserved, Nano::ZERO);
        }
    }

    /// Takes everything out.
    pub(super) fn empty_stakes(&mut self) {
        for (stake, owner) in self.stakes.clone().iter().zip(self.parties.workers.clone()) {
            let to = stake.address().unwrap();
            let Some(data) = self.stake_at(stake) else { continue };
            if data.unbondable() > Nano::ZERO {
                let body = stake::unbond(self.query(), data.unbondable()).unwrap();
                self.say(&owner, to, body);
            }
            self.chain.warp(UNBONDING + 1).unwrap();
            for body in [stake::withdraw(9), stake::withdraw_earnings(9)] {
                self.say(&owner, to, body.unwrap());
            }
            let data = self.stake_at(stake).unwrap();
            assert_eq!(shares::owed(&data), 0, "{data:?}");
        }
    }

    pub(super) fn say(&mut self, from: &Treasury, to: Address, body: tycho_types::cell::Cell) {
        self.send(from, to, CLAIM_VALUE.get(), None, body);
        self.drain();
    }
}
