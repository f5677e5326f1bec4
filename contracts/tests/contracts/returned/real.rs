//! On a chain: each message is refused by whom it went to, and what comes back undoes its step.

use fog_contracts::{
    DELEGATE_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE, JETTON_RENT, JETTON_TASK_VALUE, OWNER_VALUE,
    TaskState, Units,
    channel::Purpose,
    delegation, jetton,
    jetton_task::{self, JettonTask, JettonTaskData},
    market, stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano, Signature};
use fog_testnet::chain::{ChainConfig, Clock, Receipt, Treasury, TxRecord};
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice},
    models::{ExtInMsgInfo, IntMsgInfo, MsgInfo, OwnedMessage},
    num::Tokens,
};

use crate::{
    alone::GRAM,
    channels::kit::LEAVE,
    jetton_tasks::kit::{Errand, UNITS, terms},
    jettons::{
        kit::{MASTER, ONE, PUT_IN, Town, between, units},
        real::Make,
    },
    world::{BOND, PRICE, RESERVE, START, STEP, UNBONDING, WINDOW, World, failures, ours, std},
};

const DAY: u32 = 24 * 3600;
const YEAR: u32 = 365 * DAY;
/// Past the time of every reservation; the way to the stake is open again then.
const STALE: u32 = 181 * DAY;
const COMMITMENT: Hash32 = Hash32([0x11; 32]);

/// What came back: the message that it was, and what its receiver said.
fn came_back(record: &TxRecord) -> Option<(u32, i32)> {
    let message = record.in_msg().unwrap()?;
    let MsgInfo::Int(info) = &message.info else { return None };
    let mut body = CellSlice::apply(&message.body).unwrap();
    if !info.bounced || body.load_u32().ok()? != 0xffff_fffe {
        return None;
    }
    let op = body.load_reference().unwrap().as_slice().unwrap().load_u32().unwrap();
    body.load_reference().unwrap();
    body.skip_first(8, 0).unwrap();
    Some((op, body.load_u32().unwrap().cast_signed()))
}

fn returns(receipt: &Receipt) -> Vec<u32> {
    receipt.transactions.iter().filter_map(came_back).map(|(op, _)| op).collect()
}

/// A world with a stake, and a task of it in this state.
fn at(state: TaskState, verdict: Outcome) -> (World, Address) {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    let task = init.address().unwrap();
    world.fund(&init);
    let steps: usize = match state {
        TaskState::Open => 0,
        TaskState::Assigned => 1,
        TaskState::Committed => 2,
        _ => 3,
    };
    for step in 0..steps {
        match step {
            0 => world.assign(task),
            1 => world.commit(task, COMMITMENT),
            _ => world.verdict(task, COMMITMENT, verdict, &[0, 1]),
        };
    }
    assert_eq!(world.state(&task), Some(state));
    (world, task)
}

/// Nobody came for the task until its reservation was stale, and somebody freed it.
fn forgotten(state: TaskState, verdict: Outcome) -> (World, Address) {
    let (mut world, task) = at(state, verdict);
    world.chain.warp(STALE).unwrap();
    let (stranger, stake) = (world.stranger.clone(), world.stake.address().unwrap());
    let body = stake::free_stale(1, &task.hash).unwrap();
    assert_eq!(failures(&world.call(&stranger, stake, OWNER_VALUE, body)), [0; 0]);
    assert_eq!(world.stake().reserved, Nano::ZERO);
    (world, task)
}

fn push(world: &mut World, task: Address, body: Cell) -> Vec<u32> {
    let stranger = world.stranger.clone();
    returns(&world.push(&stranger, task, body))
}

/// The bond has everything free again.
fn quiet(world: &World) {
    assert_eq!(world.bond().reserved, Nano::ZERO);
    world.assert_conserved();
}

// ---- tasks -------------------------------------------------------------------------------------

/// A market that is paused opens none.
pub(super) fn register() {
    let mut world = World::new();
    let owner = world.owner.clone();
    world.market_op(&owner, market::set_pause(1, true).unwrap());
    let init = world.task_init(1);
    assert_eq!(returns(&world.fund(&init)), [market::op::REGISTER]);
    assert_eq!(world.state(&init.address().unwrap()), Some(TaskState::Refunded));
    quiet(&world);
}

pub(super) fn register_paid() {
    let mut errand = Errand::new(Make::ALL[0]);
    errand.begin();
    let owner = errand.town.world.owner.clone();
    errand.town.world.market_op(&owner, market::set_pause(1, true).unwrap());
    let paid = errand.put_in(UNITS, JETTON_FORWARD);
    assert_eq!(returns(&paid), [market::op::REGISTER]);
    assert_eq!(errand.data().task.state, TaskState::Refunded);
    assert_eq!(errand.claim_all(), [UNITS, 0, 0, 0]);
    errand.assert_conserved();
}

/// Nobody consented.
pub(super) fn reserve() {
    let (mut world, task) = at(TaskState::Open, Outcome::Accepted);
    let told = world.assign_with(task, RESERVE, Signature([7; 64]));
    assert_eq!(returns(&told), [stake::op::RESERVE]);
    assert_eq!(world.state(&task), Some(TaskState::Open));
    quiet(&world);
    assert_eq!(failures(&world.assign(task)), [0; 0]);
    assert_eq!(world.state(&task), Some(TaskState::Assigned));
}

/// Accepted work is paid directly when the last exit opens.
pub(super) fn settle() {
    let (mut world, task) = forgotten(TaskState::Accepted, Outcome::Accepted);
    let back = push(&mut world, task, task::finalize(1).unwrap());
    assert_eq!(back, [stake::op::SETTLE]);
    assert_eq!(world.state(&task), Some(TaskState::Accepted));
    assert_eq!(world.task(&task).unwrap().escrowed, PRICE);
    // The exit opens again, and until it was open for a week nobody tells the stake.
    let stranger = world.stranger.clone();
    let told = world.push(&stranger, task, task::finalize(2).unwrap());
    assert_eq!(failures(&told), [102]);
    world.chain.warp(2 * DAY).unwrap();
    assert_eq!(push(&mut world, task, task::expire(3).unwrap()), [0; 0]);
    assert_eq!(world.state(&task), Some(TaskState::Paid));
    quiet(&world);
}

pub(super) fn slash() {
    let (mut world, task) = forgotten(TaskState::Rejected, Outcome::Rejected);
    let back = push(&mut world, task, task::finalize(1).unwrap());
    assert_eq!(back, [stake::op::SLASH]);
    assert_eq!(world.state(&task), Some(TaskState::Rejected));
    world.chain.warp(2 * DAY).unwrap();
    assert_eq!(push(&mut world, task, task::expire(2).unwrap()), [0; 0]);
    assert_eq!(world.state(&task), Some(TaskState::Refunded));
    quiet(&world);
    // A penalty is not tried again.
    for (state, verdict, body) in [
        (TaskState::Rejected, Outcome::Undelivered, task::finalize(1)),
        (TaskState::Assigned, Outcome::Accepted, task::expire(1)),
    ] {
        let (mut world, task) = forgotten(state, verdict);
        assert_eq!(push(&mut world, task, body.unwrap()), [stake::op::SLASH]);
        assert_eq!(world.state(&task), Some(TaskState::Refunded), "{verdict:?}");
        assert_eq!(world.stake().stake, Nano::grams(100));
        quiet(&world);
    }
}

/// Whether its stake says so or not, the worker that got no verdict is paid of the bond.
pub(super) fn release() {
    let (mut world, task) = forgotten(TaskState::Committed, Outcome::Accepted);
    let back = push(&mut world, task, task::expire(1).unwrap());
    assert_eq!(back, [stake::op::RELEASE]);
    assert_eq!(world.state(&task), Some(TaskState::Refunded));
    assert_eq!(world.bond().bond.get(), BOND.get() - PRICE.get());
    quiet(&world);
}

// ---- a bond, a stake, a delegation -------------------------------------------------------------

/// The requestor cancelled while another task's assignment is under way: that one stays reserved.
pub(super) fn assign() {
    let (mut world, _) = at(TaskState::Assigned, Outcome::Accepted);
    let init = world.task_init(2);
    let second = init.address().unwrap();
    world.fund(&init);
    let requestor = world.requestor.clone();
    world.push(&requestor, second, task::cancel(1).unwrap());
    for _ in 0..2 {
        assert_eq!(returns(&world.assign(second)), [task::op::ASSIGN]);
        assert_eq!(world.bond().reserved, PRICE, "the other's, and only that");
    }
    world.assert_conserved();
}

/// A task that was given up before the stake's answer came: what was reserved is free again.
pub(super) fn reserved() {
    let settings = ChainConfig {
        clock: Clock::Manual(START),
        max_block_transactions: 1,
        max_drain_blocks: 0,
        ..ChainConfig::default()
    };
    let mut world = World::on(settings, 2, 3);
    drain(&mut world);
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    let task = init.address().unwrap();
    world.fund(&init);
    drain(&mut world);
    let valid_until = u32::MAX;
    let consent = fog_contracts::Consent {
        network: -3,
        stake: world.stake.address().unwrap(),
        task,
        reserve: RESERVE,
        price: PRICE,
        valid_until,
    };
    let consent = world.session.sign(&fog_contracts::consent_hash(&consent).unwrap().0);
    let owner = ours(&world.worker.address);
    let assign = task::Assign { owner, price: PRICE, reserve: RESERVE, valid_until, consent };
    let operator = world.operator.clone();
    world.take_on(&operator, task, &assign);
    while world.state(&task) != Some(TaskState::Reserving) {
        world.chain.mine().unwrap();
    }
    // A day and more after the deadline, and the question has not reached the stake yet.
    let order = order(&world, &world.stranger, &expiry(&world, task));
    world.chain.submit(order).unwrap();
    world.chain.warp(STEP + DAY + 1).unwrap();
    let back = drain(&mut world);
    assert_eq!(back, [task::op::RESERVED]);
    assert_eq!(world.state(&task), Some(TaskState::Refunded));
    let stake = world.stake();
    assert_eq!((stake.reserved, stake.reservations.len()), (Nano::ZERO, 0));
    quiet(&world);
}

/// Delivers everything; what came back.
fn drain(world: &mut World) -> Vec<u32> {
    let mut back = Vec::new();
    while world.chain.backlog() > 0 {
        for done in world.chain.mine().unwrap().transactions {
            let record = world.chain.transaction(&done.address, done.lt).unwrap().unwrap();
            back.extend(came_back(&record).map(|(op, _)| op));
        }
    }
    back
}

fn staked(amount: Nano, delegated: Nano) -> (World, Treasury) {
    let mut world = World::new();
    world.deposit(amount);
    let staker = world.staker(0);
    assert_eq!(failures(&world.delegate(&staker, delegated)), [0; 0]);
    (world, staker)
}

/// The commission is above what the staker takes: the amount comes back.
pub(super) fn join() {
    let (mut world, staker) = staked(Nano::grams(100), Nano::grams(30));
    let (at, had) = (world.delegation_of(&staker), world.balance(&ours(&staker.address)));
    let body = delegation::delegate(9, Nano::grams(30), 999).unwrap();
    let value = Nano::grams(30).saturating_add(DELEGATE_VALUE);
    let told = world.call(&staker, at.address().unwrap(), value, body);
    assert_eq!(returns(&told), [stake::op::JOIN]);
    let has = world.balance(&ours(&staker.address));
    assert!(had - has < GRAM / 5, "{had} and then {has}");
    assert_eq!(world.stake().pool.coins, Nano::grams(30));
    world.assert_conserved();
}

/// A stake that a slash emptied, and whose rent nobody paid for sixty years, takes nothing any more.
pub(super) fn leave() {
    let (mut world, staker) = staked(Nano::grams(3), Nano::grams(1));
    let init = world.task_init(1);
    let task = init.address().unwrap();
    world.fund(&init);
    let all = Nano::grams(4);
    let consent = world.consent(task, PRICE, all);
    world.assign_with(task, all, consent);
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, Outcome::Rejected, &[0, 1]);
    world.chain.warp(WINDOW + 1).unwrap();
    assert_eq!(push(&mut world, task, task::finalize(1).unwrap()), [0; 0]);
    let at = world.delegation_of(&staker).address().unwrap();
    for account in [at, ours(&staker.address)] {
        world.chain.fund(&std(&account), u128::from(100 * GRAM)).unwrap();
    }
    world.chain.warp(60 * YEAR).unwrap();
    let shares = world.delegation(&staker).shares;
    assert!(shares > 0);
    let told = world.undelegate(&staker, shares);
    assert_eq!(returns(&told), [stake::op::LEAVE]);
    let left = world.delegation(&staker);
    assert_eq!((left.shares, left.queue.len()), (shares, 0));
    world.assert_conserved();
}

/// Too early, twice: each time the one entry is there again, and then it is paid out.
pub(super) fn redeem() {
    let (mut world, staker) = staked(Nano::grams(100), Nano::grams(30));
    let shares = world.delegation(&staker).shares;
    world.undelegate(&staker, shares);
    let queue = world.delegation(&staker).queue;
    for _ in 0..2 {
        assert_eq!(returns(&world.claim(&staker)), [stake::op::REDEEM]);
        assert_eq!(world.delegation(&staker).queue, queue);
    }
    world.chain.warp(UNBONDING + 1).unwrap();
    assert_eq!(returns(&world.claim(&staker)), [0; 0]);
    assert_eq!(world.delegation(&staker).queue.len(), 0);
    world.assert_conserved();
}

// ---- jettons -----------------------------------------------------------------------------------

/// There is no such master: the rest of the value goes to the payer.
pub(super) fn question() {
    let mut world = World::new();
    let (payer, payee) = (world.requestor.clone(), world.operator.clone());
    let to = ours(&payee.address);
    let channel = between(Purpose::Account, ours(&payer.address), to, MASTER);
    let body = jetton::ask(1).unwrap();
    let (at, init) = (channel.address().unwrap(), channel.state_init().unwrap());
    let told = world.deploy(&payer, at, JETTON_RENT, init, body);
    assert_eq!(returns(&told), [jetton::op::PROVIDE_WALLET]);
    let view = world.chain.account(&std(&at)).unwrap().data.unwrap();
    let data = jetton::JettonData::parse(Purpose::Account, &view).unwrap();
    assert_eq!(data.wallet, None);
    world.assert_conserved();
}

pub(super) fn tasks_question() {
    let mut world = World::new();
    let task = JettonTask::new(world.task_init(1), terms(MASTER)).unwrap();
    let (at, init) = (task.address().unwrap(), task.state_init().unwrap());
    let body = jetton_task::begin(1, &task.jetton).unwrap();
    let requestor = world.requestor.clone();
    let told = world.deploy(&requestor, at, JETTON_TASK_VALUE, init, body);
    assert_eq!(returns(&told), [jetton::op::PROVIDE_WALLET]);
    let view = world.chain.account(&std(&at)).unwrap().data.unwrap();
    assert_eq!(JettonTaskData::parse(&view).unwrap().money.unwrap().wallet, None);
    // The requestor leaves.
    assert_eq!(failures(&world.push(&requestor, at, task::cancel(2).unwrap())), [0; 0]);
    world.assert_conserved();
}

/// More than its wallet has. (Of shares with a wallet that was frozen: see [`crate::jettons`].)
pub(super) fn transfer() {
    for make in Make::ALL {
        let mut town = Town::new(make);
        let channel = town.opened(Purpose::Account, PUT_IN);
        let (_, payer, payee) = town.channel(Purpose::Account);
        town.end(&channel, &payee, LEAVE);
        town.claim(&channel, &payer, ours(&payer.address));
        town.world.chain.warp(jetton::SETTLING_TIME).unwrap();
        let at = channel.address().unwrap();
        let sweep = jetton::sweep(1, units(ONE)).unwrap();
        let told = town.world.call(&payer, at, JETTON_PAY_VALUE, sweep);
        assert_eq!(returns(&told), [jetton::op::TRANSFER], "{make:?}");
        let data = town.data(&channel);
        assert_eq!((data.due_payee, data.due_payer), (Units::ZERO, Units::ZERO));
        town.assert_conserved(&channel);
    }
}

// ---- what the chain keeps ----------------------------------------------------------------------

fn expiry(world: &World, task: Address) -> OwnedMessage {
    let body = task::expire(1).unwrap();
    message(world, task, fog_contracts::END_VALUE.get(), false, body)
}

/// A message as a contract may propose it, with a mark of its own that it came back.
fn message(world: &World, to: Address, value: u64, bounced: bool, body: Cell) -> OwnedMessage {
    OwnedMessage {
        info: MsgInfo::Int(IntMsgInfo {
            ihr_disabled: true,
            bounce: false,
            bounced,
            src: world.stranger.address.clone().into(),
            dst: std(&to).into(),
            value: Tokens::new(value.into()).into(),
            ..IntMsgInfo::default()
        }),
        init: None,
        body: body.into(),
        layout: None,
    }
}

/// What makes a treasury send a message as it is.
fn order(world: &World, treasury: &Treasury, message: &OwnedMessage) -> Cell {
    let data = world.chain.account(&treasury.address).unwrap().data.unwrap();
    let mut body = CellBuilder::new();
    body.store_u32(data.as_slice().unwrap().load_u32().unwrap()).unwrap();
    body.store_u8(1).unwrap();
    body.store_reference(CellBuilder::build_from(message).unwrap()).unwrap();
    CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo {
            src: None,
            dst: treasury.address.clone().into(),
            import_fee: Tokens::ZERO,
        }),
        init: None,
        body: body.build().unwrap().into(),
        layout: None,
    })
    .unwrap()
}

/// Whoever writes a bounce, marks and all, has it delivered as a message of its own: a bond with two
/// assignments, the delegation of a staker and a stake refuse it.
#[test]
fn nobody_can_write_a_bounce() {
    let (mut world, task) = at(TaskState::Assigned, Outcome::Accepted);
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(30));
    let consent = Signature([7; 64]);
    let owner = ours(&world.worker.address);
    let assign = task::Assign { owner, price: PRICE, reserve: RESERVE, valid_until: 0, consent };
    let bond = world.bond.address().unwrap();
    let stake = world.stake.address().unwrap();
    let delegation = world.delegation_of(&staker).address().unwrap();
    let reserved = crate::solo::body(task::op::RESERVED, 1, |b| b.store_zeros(256).unwrap());
    let left = crate::solo::body(stake::op::LEAVE, 1, |b| {
        b.store_u128(1 << 60).unwrap();
        crate::solo::put_address(b, ours(&staker.address));
    });
    for (to, original) in
        [(bond, task::assign(1, &assign).unwrap()), (stake, reserved), (delegation, left)]
    {
        let sent = crate::solo::Sent { to, value: GRAM, bounce: true, body: original };
        let data = |world: &World| world.chain.account(&std(&to)).unwrap().data.unwrap();
        let before = data(&world);
        let forged = message(&world, to, GRAM, true, sent.bounced(101));
        let order = order(&world, &world.stranger, &forged);
        let receipt = world.chain.send(order).unwrap();
        let arrived = receipt.transactions.iter().find(|record| ours(&record.address) == to);
        let arrived = arrived.expect("it was delivered");
        let MsgInfo::Int(info) = arrived.in_msg().unwrap().unwrap().info else { panic!() };
        assert!(!info.bounced, "somebody wrote a bounce");
        assert_eq!(arrived.exit_code().unwrap(), Some(0xffff));
        assert_eq!(data(&world), before);
    }
    assert_eq!(world.bond().reserved, PRICE);
    assert_eq!(world.state(&task), Some(TaskState::Assigned));
    world.assert_conserved();
}

/// A bounce that its sender cannot take comes back to nobody: there is one of each message.
#[test]
fn no_bounce_bounces() {
    let (mut world, _) = at(TaskState::Assigned, Outcome::Accepted);
    let init = world.task_init(2);
    let second = init.address().unwrap();
    world.fund(&init);
    let requestor = world.requestor.clone();
    world.push(&requestor, second, task::cancel(1).unwrap());
    let told = world.assign(second);
    let bounces: Vec<_> = told
        .transactions
        .iter()
        .flat_map(|record| record.out_msgs().unwrap())
        .filter_map(|message| match message.info {
            MsgInfo::Int(info) if info.bounced => Some(info),
            _ => None,
        })
        .collect();
    assert_eq!(bounces.len(), 1, "one bounce of one message");
    assert!(bounces.iter().all(|info| !info.bounce), "which cannot bounce itself");
    assert_eq!(world.bond().reserved, PRICE);
}
