//! What anybody may try with tasks in jettons.

use fog_contracts::{
    COMMIT_VALUE, JETTON_PAY_VALUE, JETTON_TASK_VALUE, TaskState, Units,
    jetton_task::{self, JettonTask, JettonTaskData, JettonTerms, Share},
    task::{self, TaskInit},
};
use fog_protocol::{Address, Hash32, Nano};

use super::{DAY, Play, random_task};
use crate::{
    jettons::kit::{ONE, RICH, answer, plain_notification, units},
    world::{ours, std},
};

/// The damages that mark a task in a jetton among others.
const MARK: Nano = Nano::new(123_456);
const COUNT: u8 = 2;
const AMOUNTS: [u128; 4] = [1, 39, 3 * ONE + 7, RICH / 3];

/// Where a task is, in whatever it is paid.
pub(super) fn address(init: &TaskInit) -> Address {
    if init.terms.damages == MARK {
        // What it costs is in its id.
        let jetton =
            JettonTerms { listing: Hash32([0; 32]), master: init.market, units: Units::ZERO };
        return JettonTask { task: *init, jetton }.address().unwrap();
    }
    init.address().unwrap()
}

pub(super) fn is_in_jetton(init: &TaskInit) -> bool {
    init.terms.damages == MARK
}

impl Play {
    /// Before the jettons are watched: these hold some, too.
    pub(super) fn set_up_jetton_tasks(&mut self, master: Address) -> Vec<Address> {
        let (market, operator) = (self.ledger.market, self.ledger.operator);
        let mut holders = vec![self.ledger.treasury];
        for id in 0..COUNT {
            let requestors = &self.parties.requestors[..1];
            // As those that verifiers judge.
            let mut init = random_task(&mut self.dice, 3, market, operator, requestors);
            init.terms.damages = MARK;
            let listing = Hash32([0x70 + id; 32]);
            let jetton = JettonTerms { listing, master, units: units(*self.dice.one(&AMOUNTS)) };
            let task = JettonTask::new(init, jetton).unwrap();
            let at = task.address().unwrap();
            self.tasks.push(task.task);
            self.ledger.tasks.insert(at, task.task);
            self.ledger.jetton_tasks.watch(&task, self.ledger.treasury);
            holders.push(at);
        }
        holders
    }

    fn jetton_task(&mut self) -> JettonTask {
        let all = self.ledger.jetton_tasks.all();
        *self.dice.one(&all)
    }

    fn jetton_task_data(&self, task: &JettonTask) -> Option<JettonTaskData> {
        let view = self.chain.account(&std(&task.address().unwrap())).unwrap();
        view.data.map(|data| JettonTaskData::parse(&data).unwrap())
    }

    pub(super) fn act_on_a_jetton_task(&mut self) {
        let task = self.jetton_task();
        let data = self.jetton_task_data(&task);
        let begun = data.as_ref().and_then(|data| data.money);
        let waits = data.as_ref().is_some_and(JettonTaskData::takes_jettons);
        match self.dice.below(24) {
            _ if begun.is_none() && !self.dice.once_in(8) => self.begin(&task),
            _ if waits && !self.dice.once_in(4) => self.pay_in(&task),
            0 | 1 => self.begin(&task),
            2..5 => self.pay_in(&task),
            5..14 => self.claim_share(&task),
            14 | 15 => self.sweep_task(&task),
            16 | 17 => self.bury(&task),
            18 if self.dice.once_in(4) => self.cancel_task(&task),
            // On with it.
            18..21 => self.advance_with(task.task),
            _ => self.forge_for(&task),
        }
    }

    /// For the generator's next step: what starts such a task.
    pub(super) fn begin_or_pay(&mut self, init: &TaskInit) {
        let all = self.ledger.jetton_tasks.all();
        let Some(task) = all.into_iter().find(|task| task.task == *init) else { return };
        let data = self.jetton_task_data(&task);
        if data.is_some_and(|data| data.takes_jettons()) {
            self.pay_in(&task);
        } else {
            self.begin(&task);
        }
    }

    fn begin(&mut self, task: &JettonTask) {
        let requestor = self.parties.wallet(&task.task.requestor);
        let (from, value) = (self.sender(&requestor), self.value(JETTON_TASK_VALUE.get()));
        let mut terms = task.jetton;
        match self.dice.below(12) {
            0 => terms.units = units(1),
            1 => terms.master = self.jettons[1].master,
            _ => {}
        }
        let body = jetton_task::begin(self.query(), &terms).unwrap();
        let init = Some(task.state_init().unwrap());
        self.send(&from, task.address().unwrap(), value, init, body);
    }

    fn pay_in(&mut self, task: &JettonTask) {
        let requestor = self.parties.wallet(&task.task.requestor);
        let from = self.sender(&requestor);
        let whole = task.jetton.units.get();
        let amount = *self.dice.one(&[whole, whole, whole, whole / 2 + 1, whole + 3, 1]);
        let jetton = usize::from(self.dice.once_in(12));
        self.transfer(jetton, &from, task.address().unwrap(), amount);
    }

    fn claim_share(&mut self, task: &JettonTask) {
        let share = *self.dice.one(&Share::ALL);
        let data = self.jetton_task_data(task);
        let worker = data.and_then(|data| data.task.work).map(|work| work.owner);
        let owner = match share {
            Share::Requestor => task.task.requestor,
            Share::Worker => worker.unwrap_or(self.stakes[0].owner),
            Share::Treasury => self.ledger.treasury,
            Share::Node => task.task.operator,
        };
        let right = if share == Share::Treasury {
            self.parties.any(&mut self.dice)
        } else {
            self.parties.wallet(&owner)
        };
        let from = self.sender(&right);
        let to = if self.dice.once_in(6) { ours(&from.address) } else { owner };
        let value = self.value(JETTON_PAY_VALUE.get());
        let body = jetton_task::claim_share(self.query(), share, &to).unwrap();
        self.send(&from, task.address().unwrap(), value, None, body);
    }

    fn sweep_task(&mut self, task: &JettonTask) {
        let requestor = self.parties.wallet(&task.task.requestor);
        let (from, value) = (self.sender(&requestor), self.value(JETTON_PAY_VALUE.get()));
        let body = jetton_task::sweep(self.query(), units(*self.dice.one(&AMOUNTS))).unwrap();
        self.send(&from, task.address().unwrap(), value, None, body);
    }

    fn bury(&mut self, task: &JettonTask) {
        let requestor = self.parties.wallet(&task.task.requestor);
        let (from, value) = (self.sender(&requestor), self.value(COMMIT_VALUE.get()));
        let body = jetton_task::bury(self.query()).unwrap();
        self.send(&from, task.address().unwrap(), value, None, body);
    }

    fn cancel_task(&mut self, task: &JettonTask) {
        let requestor = self.parties.wallet(&task.task.requestor);
        let (from, value) = (self.sender(&requestor), self.value(80_000_000));
        let body = task::cancel(self.query()).unwrap();
        self.send(&from, task.address().unwrap(), value, None, body);
    }

    /// What only the jetton's own contracts may say.
    fn forge_for(&mut self, task: &JettonTask) {
        let from = self.parties.any(&mut self.dice);
        let body = match self.dice.below(3) {
            0 => answer(Some(ours(&from.address))),
            _ => plain_notification(task.jetton.units.get()),
        };
        let value = self.value(20_000_000);
        self.send(&from, task.address().unwrap(), value, None, body);
    }

    /// Who did not begin takes back; everybody claims; the requestor sweeps and buries.
    pub(super) fn empty_jetton_tasks(&mut self) {
        for task in self.ledger.jetton_tasks.all() {
            let at = task.address().unwrap();
            let Some(data) = self.jetton_task_data(&task) else { continue };
            let requestor = self.parties.wallet(&task.task.requestor);
            let pay = JETTON_PAY_VALUE.get();
            if data.task.state == TaskState::Created {
                let Some(money) = data.money else { continue };
                if money.wallet.is_none() {
                    let body = jetton_task::begin(1, &task.jetton).unwrap();
                    self.send(&requestor, at, JETTON_TASK_VALUE.get(), None, body);
                    self.drain();
                }
                self.send(&requestor, at, pay, None, task::cancel(1).unwrap());
                self.drain();
            }
            let data = self.jetton_task_data(&task).unwrap();
            if data.money.is_none() {
                continue;
            }
            let worker = data.task.work.map(|work| work.owner);
            let owners = [
                (Share::Requestor, Some(task.task.requestor)),
                (Share::Worker, worker),
                (Share::Treasury, Some(self.ledger.treasury)),
                (Share::Node, Some(task.task.operator)),
            ];
            for (share, owner) in owners {
                let Some(owner) = owner else { continue };
                let from = match share {
                    Share::Treasury => self.parties.strangers[0].clone(),
                    _ => self.parties.wallet(&owner),
                };
                self.insist(|play| {
                    let body = jetton_task::claim_share(1, share, &owner).unwrap();
                    play.send(&from, at, pay, None, body);
                    play.drain();
                    let money = play.jetton_task_data(&task).unwrap().money;
                    let due = money.unwrap().dues.of(share);
                    // A requestor may have swept what then came back to it.
                    let there = play.jettons[0].balance(&play.chain, &at);
                    due == Units::ZERO || (share == Share::Requestor && there < due.get())
                });
            }
            self.wait(DAY);
            let data = self.jetton_task_data(&task).unwrap();
            assert!(data.task.state.is_end(), "{data:?}");
            let dues = data.money.unwrap().dues;
            assert_eq!(dues.sum(), dues.requestor, "{data:?}");
            let left = self.jettons[0].balance(&self.chain, &at);
            if left > 0 {
                self.insist(|play| {
                    let body = jetton_task::sweep(1, units(left)).unwrap();
                    play.send(&requestor, at, pay, None, body);
                    play.drain();
                    play.jettons[0].balance(&play.chain, &at) == 0
                });
            }
            self.send(&requestor, at, pay, None, jetton_task::bury(1).unwrap());
            self.drain();
            assert_eq!(self.jetton_task_data(&task).unwrap().money, None);
        }
    }
}
