//! A task in a jetton: alone, with a master and a wallet that the test speaks for, and in a world, with
//! a real jetton.

use fog_contracts::{
    END_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_TASK_VALUE, Units,
    jetton_task::{self, JettonMoney, JettonTask, JettonTaskData, JettonTerms, Share, Shares},
    task,
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Receipt, Treasury};
use tycho_types::cell::Cell;

use crate::{
    alone::{self, GRAM, QUERY, REQUESTOR},
    bouncing::as_declared,
    jettons::{
        kit::{MASTER, ONE, Town, WALLET, answer, plain_notification, units},
        real::Make,
    },
    solo::{Ran, Solo},
    world::{FEE_BPS, OPERATOR_BPS, STEP, World, failures, ours, std},
};

/// What the whole price comes to: not a multiple of anything.
pub(crate) const UNITS: u128 = 3 * ONE + 7;

pub(crate) fn terms(master: Address) -> JettonTerms {
    JettonTerms { listing: Hash32([1; 32]), master, units: units(UNITS) }
}

/// The one that [`alone`] stands in every state of.
pub(crate) fn task() -> JettonTask {
    JettonTask::new(alone::task_init(1), terms(MASTER)).unwrap()
}

pub(crate) fn data(solo: &Solo) -> JettonTaskData {
    JettonTaskData::parse(&solo.stored()).unwrap()
}

pub(crate) fn money(solo: &Solo) -> JettonMoney {
    data(solo).money.expect("it has begun")
}

pub(crate) fn fresh() -> Solo {
    let task = task();
    Solo::new(task.address().unwrap(), task.state_init().unwrap())
}

pub(crate) fn begin_body() -> Cell {
    jetton_task::begin(QUERY, &terms(MASTER)).unwrap()
}

/// Asks the master.
pub(crate) fn begin(solo: &mut Solo) -> Ran {
    solo.send(REQUESTOR, JETTON_TASK_VALUE.get(), begin_body())
}

pub(crate) fn asking() -> Solo {
    let mut solo = fresh();
    assert_eq!(begin(&mut solo).exit, 0);
    solo
}

/// Knows its wallet, and waits for jettons.
pub(crate) fn waiting() -> Solo {
    let mut solo = asking();
    assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
    solo
}

pub(crate) fn put_in(solo: &mut Solo, amount: u128) -> Ran {
    solo.send(WALLET, JETTON_FORWARD.get(), plain_notification(amount))
}

/// From nothing to `Registering`.
pub(crate) fn pay_in(solo: &mut Solo) {
    assert_eq!(begin(solo).exit, 0);
    assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
    assert_eq!(put_in(solo, UNITS).exit, 0);
}

pub(crate) fn claim(solo: &mut Solo, from: Address, share: Share, to: Address) -> Ran {
    solo.send(from, GRAM / 5, jetton_task::claim_share(QUERY, share, &to).unwrap())
}

/// What everybody gets of a task that was paid at this price.
pub(crate) fn paid(task: &JettonTask, price: Nano) -> Shares {
    task.shares(price, FEE_BPS, OPERATOR_BPS)
}

/// All back.
pub(crate) fn refunded(amount: u128) -> Shares {
    Shares { requestor: units(amount), ..Shares::default() }
}

// ---- in a world --------------------------------------------------------------------------------

/// A task in a real jetton.
pub(crate) struct Errand {
    pub(crate) town: Town,
    pub(crate) task: JettonTask,
    pub(crate) at: Address,
}

impl Errand {
    pub(crate) fn new(make: Make) -> Self {
        let mut world = World::new();
        world.deposit(Nano::grams(100));
        Self::in_world(world, make)
    }

    pub(crate) fn in_world(world: World, make: Make) -> Self {
        let town = Town::in_world(world, make);
        let task = Self::another(&town, 1);
        Self { at: task.address().unwrap(), town, task }
    }

    /// Another task, at this price.
    pub(crate) fn next(&mut self, id: u8, amount: u128) {
        let listing = Hash32([id; 32]);
        let jetton = JettonTerms { units: units(amount), listing, ..self.task.jetton };
        self.task = JettonTask::new(self.town.world.task_init(id), jetton).unwrap();
        self.at = self.task.address().unwrap();
    }

    /// What `jetton_task_values` demands: to begin, to claim, to bury; and with jettons.
    pub(crate) fn values(&self) -> [u64; 4] {
        let output = self
            .town
            .world
            .chain
            .run_get_method(&std(&self.at), "jetton_task_values", &[])
            .unwrap();
        let value = |index: usize| u64::try_from(output.stack[index].as_int().unwrap()).unwrap();
        [value(0), value(1), value(2), value(3)]
    }

    /// Whose shares there are, who asks for them, and where they go.
    pub(crate) fn parties(&self) -> [(Share, Treasury, Address); 4] {
        let world = &self.town.world;
        [
            (Share::Requestor, world.requestor.clone(), ours(&world.requestor.address)),
            (Share::Worker, world.worker.clone(), ours(&world.worker.address)),
            // Nobody here has the treasury's key: anybody sends it its part.
            (Share::Treasury, world.stranger.clone(), world.treasury),
            (Share::Node, world.operator.clone(), ours(&world.operator.address)),
        ]
    }

    pub(crate) fn another(town: &Town, id: u8) -> JettonTask {
        let jetton = JettonTerms { listing: Hash32([id; 32]), ..terms(town.jetton.master) };
        JettonTask::new(town.world.task_init(id), jetton).unwrap()
    }

    pub(crate) fn begin(&mut self) -> Receipt {
        let requestor = self.town.world.requestor.clone();
        self.begin_from(&requestor)
    }

    pub(crate) fn begin_from(&mut self, from: &Treasury) -> Receipt {
        let world = &mut self.town.world;
        let body = jetton_task::begin(world.next_query(), &self.task.jetton).unwrap();
        let init = self.task.state_init().unwrap();
        world.deploy(from, self.at, JETTON_TASK_VALUE, init, body)
    }

    /// From the requestor's own wallet.
    pub(crate) fn put_in(&mut self, amount: u128, forward: Nano) -> Receipt {
        let requestor = self.town.world.requestor.clone();
        let chain = &mut self.town.world.chain;
        let transfer = self.town.jetton.transfer(chain, &requestor, self.at, amount, forward.get());
        as_declared(chain.send_from(&requestor, &transfer).unwrap())
    }

    /// Paid for, and open.
    pub(crate) fn open(make: Make) -> Self {
        let mut errand = Self::new(make);
        assert_eq!(failures(&errand.begin()), [0; 0]);
        assert_eq!(failures(&errand.put_in(UNITS, JETTON_FORWARD)), [0; 0]);
        assert_eq!(errand.data().task.state, fog_contracts::TaskState::Open);
        errand
    }

    pub(crate) fn data(&self) -> JettonTaskData {
        let view = self.town.world.chain.account(&std(&self.at)).unwrap();
        JettonTaskData::parse(&view.data.expect("it is deployed")).unwrap()
    }

    pub(crate) fn claim(&mut self, from: &Treasury, share: Share, to: Address) -> Vec<i32> {
        let world = &mut self.town.world;
        let body = jetton_task::claim_share(world.next_query(), share, &to).unwrap();
        failures(&world.call(from, self.at, JETTON_PAY_VALUE, body))
    }

    pub(crate) fn say(&mut self, from: &Treasury, value: Nano, body: Cell) -> Vec<i32> {
        failures(&self.town.world.call(from, self.at, value, body))
    }

    /// Everybody takes what is theirs; returns what each got in units, by [`Share`]'s numbers.
    pub(crate) fn claim_all(&mut self) -> [u128; 4] {
        self.parties().map(|(share, from, to)| {
            let due = self.data().money.unwrap().dues.of(share);
            let before = self.town.jettons(&to);
            let exit = self.claim(&from, share, to);
            assert_eq!(exit, if due == Units::ZERO { vec![114] } else { vec![] }, "{share:?}");
            self.town.jettons(&to) - before
        })
    }

    /// The task ended; a day later nothing of it is left but its tombstone.
    pub(crate) fn bury(&mut self) {
        self.town.world.chain.warp(jetton_task::SETTLING_TIME).unwrap();
        let requestor = self.town.world.requestor.clone();
        let body = jetton_task::bury(1).unwrap();
        assert_eq!(self.say(&requestor, END_VALUE, body), [0; 0]);
        assert_eq!(self.data().money, None);
        assert!(self.town.world.is_ended(&self.at));
    }

    /// Lets the state's deadline pass, and pushes.
    pub(crate) fn expire(&mut self) -> Vec<i32> {
        self.town.world.chain.warp(STEP + 1).unwrap();
        let stranger = self.town.world.stranger.clone();
        self.say(&stranger, END_VALUE, task::expire(1).unwrap())
    }

    /// Jettons are conserved, and its wallet has all that the task owes; so is TON.
    pub(crate) fn assert_conserved(&self) {
        let world = &self.town.world;
        world.assert_conserved();
        let parties = [&world.owner, &world.requestor, &world.operator, &world.worker];
        let parties = parties.into_iter().chain([&world.stranger]);
        let everybody = parties.map(|party| ours(&party.address));
        let held: u128 = everybody.map(|owner| self.town.jettons(&owner)).sum();
        let there = self.town.jettons(&self.at);
        let held = held + self.town.jettons(&world.treasury) + there;
        assert_eq!(held, self.town.jetton.supply(&world.chain));
        if let Some(money) = self.data().money {
            let owed = money.held.get() + money.dues.sum().get();
            assert!(there >= owed, "{there} of {owed}: {money:?}");
        }
    }
}
