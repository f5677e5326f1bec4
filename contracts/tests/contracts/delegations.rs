//! Delegated stake, one contract at a time: who may say what in which state, what comes back, and
//! what is refused.

mod orders;

use fog_contracts::{
    delegation::{self, DelegationData, DelegationInit},
    op, stake,
};
use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::{Cell, CellBuilder};

use crate::{
    alone::{GRAM, MARKET, OWNER, QUERY, STRANGER, stake_address, stake_alone, task_init},
    cells::every,
    solo::{Arrival, Ran, Sent, Solo, body, put_address, put_coins, put_hash},
    stakes::{data, reserve},
    world::UNBONDING,
};

pub(crate) const STAKER: Address = Address::basechain([0xb1; 32]);
pub(crate) const OTHER: Address = Address::basechain([0xb2; 32]);
const AMOUNT: Nano = Nano::new(50 * GRAM);
const ENOUGH: u64 = GRAM / 2;

fn init(owner: Address) -> DelegationInit {
    DelegationInit { stake: stake_address(), owner }
}

pub(crate) fn at(owner: Address) -> Address {
    init(owner).address().unwrap()
}

fn number(value: u128) -> Hash32 {
    let mut bytes = [0; 32];
    bytes[16..].copy_from_slice(&value.to_be_bytes());
    Hash32(bytes)
}

pub(crate) fn join(amount: Nano, most: u16, owner: Address) -> Cell {
    body(stake::op::JOIN, QUERY, |b| {
        put_coins(b, amount);
        b.store_u16(most).unwrap();
        put_address(b, owner);
    })
}

pub(crate) fn leave(shares: u128, owner: Address) -> Cell {
    body(stake::op::LEAVE, QUERY, |b| {
        b.store_u128(shares).unwrap();
        put_address(b, owner);
    })
}

pub(crate) fn redeem(shares: Hash32, left: u32, owner: Address) -> Cell {
    body(stake::op::REDEEM, QUERY, |b| {
        b.store_u32(3).unwrap();
        put_hash(b, &shares);
        b.store_u32(left).unwrap();
        put_address(b, owner);
    })
}

pub(crate) fn joined(shares: u128) -> Cell {
    body(delegation::op::JOINED, QUERY, |b| b.store_u128(shares).unwrap())
}

pub(crate) fn left(shares: u128, at: u32) -> Cell {
    body(delegation::op::LEFT, QUERY, |b| {
        put_hash(b, &number(shares));
        b.store_u32(at).unwrap();
    })
}

fn refused(solo: &Solo, from: Address, value: u64, body: Cell, code: i32, case: &str) {
    let mut solo = solo.clone();
    let before = solo.stored();
    let ran = solo.send(from, value, body);
    assert_eq!(ran.exit, code, "{case}");
    assert_eq!(solo.stored(), before, "{case}");
    assert!(ran.sent.is_empty(), "{case}");
}

fn taken(solo: &mut Solo, from: Address, value: u64, body: Cell) -> Ran {
    let ran = solo.send(from, value, body);
    assert_eq!(ran.exit, 0);
    ran
}

// ---- the stake's side --------------------------------------------------------------------------

every! {
    /// States of a stake, as far as delegated stake goes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        /// Nothing was ever delegated.
        Empty,
        /// The staker's is bonded.
        Bonded,
        /// Half of it is leaving, since a second ago.
        Leaving,
        /// Its time has passed.
        Out,
        /// Its time has passed, but a task from before is not over.
        Backing,
        /// Its time has passed, and there is a task from after it.
        Later,
    }
}

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Join,
        JoinAtLess,
        JoinTiny,
        Leave,
        Redeem,
        SetCommission,
        SetTooMuch,
    }
}

/// A stake in this state, the shares that are bonded and leaving, and since when.
struct Stood {
    solo: Solo,
    shares: u128,
    leaving: Hash32,
    since: u32,
}

fn stand(state: State) -> Stood {
    let mut solo = stake_alone();
    if state != State::Empty {
        taken(&mut solo, at(STAKER), AMOUNT.get() + ENOUGH, join(AMOUNT, 1000, STAKER));
    }
    let shares = data(&solo).pool.shares;
    if state == State::Backing {
        assert_eq!(reserve(&mut solo, 1).exit, 0);
    }
    if !matches!(state, State::Empty | State::Bonded) {
        taken(&mut solo, at(STAKER), ENOUGH, leave(shares / 2, STAKER));
    }
    let since = solo.now;
    solo.now += 1;
    if state == State::Later {
        assert_eq!(reserve(&mut solo, 1).exit, 0);
    }
    if matches!(state, State::Out | State::Backing | State::Later) {
        solo.now = since + UNBONDING;
    }
    let pool = data(&solo).pool;
    Stood { solo, shares: pool.shares, leaving: pool.leaving_shares, since }
}

/// What the word is answered with; `None` where it must be refused.
fn answer(word: Word, state: State, from: Address) -> Option<u32> {
    let genuine = from == at(STAKER);
    match (word, state) {
        (Word::Join, _) if genuine => Some(delegation::op::JOINED),
        (Word::Leave, State::Empty) => None,
        (Word::Leave, _) if genuine => Some(delegation::op::LEFT),
        (Word::Redeem, State::Out | State::Later) if genuine => Some(op::PAYOUT),
        (Word::SetCommission, _) if from == OWNER => Some(op::EXCESSES),
        _ => None,
    }
}

#[test]
fn every_word_in_every_state_from_every_role_to_a_stake() {
    let roles = [at(STAKER), at(OTHER), STAKER, OWNER, STRANGER, MARKET];
    let (mut cells, mut allowed) = (0, 0);
    for state in State::ALL {
        for word in Word::ALL {
            for from in roles {
                let Stood { mut solo, shares, leaving, since } = stand(state);
                let (told, value) = match word {
                    Word::Join => (join(AMOUNT, 1000, STAKER), AMOUNT.get() + ENOUGH),
                    Word::JoinAtLess => (join(AMOUNT, 999, STAKER), AMOUNT.get() + ENOUGH),
                    Word::JoinTiny => (join(Nano::new(GRAM - 1), 1000, STAKER), 2 * GRAM),
                    Word::Leave => (leave(shares.max(1), STAKER), ENOUGH),
                    Word::Redeem => (redeem(leaving, since, STAKER), ENOUGH),
                    Word::SetCommission => (stake::set_commission(QUERY, 5000).unwrap(), ENOUGH),
                    Word::SetTooMuch => (stake::set_commission(QUERY, 5001).unwrap(), ENOUGH),
                };
                let before = solo.stored();
                let ran = solo.send(from, value, told);
                let case = format!("{state:?} {word:?} from {from}");
                cells += 1;
                match answer(word, state, from) {
                    Some(op) => {
                        allowed += 1;
                        assert_eq!(ran.exit, 0, "{case}");
                        let to = if word == Word::Redeem { STAKER } else { from };
                        assert_eq!((ran.the(op).to, ran.sent.len()), (to, 1), "{case}");
                        assert!(!ran.the(op).bounce, "{case}");
                    }
                    None => {
                        assert!(
                            (100..=135).contains(&ran.exit) || ran.exit == 5,
                            "{case}: {}",
                            ran.exit
                        );
                        assert_eq!(solo.stored(), before, "{case}");
                        assert!(ran.sent.is_empty(), "{case}");
                    }
                }
            }
        }
    }
    assert_eq!(cells, 6 * 7 * 6);
    fog_figures::figure!("cells of delegated stake", "{cells} cells, {allowed} of them allowed");
}

#[test]
fn a_stake_says_why_it_refuses() {
    let bonded = stand(State::Bonded);
    let (genuine, value) = (at(STAKER), AMOUNT.get() + ENOUGH);
    for (from, owner, case) in [
        (at(STAKER), OTHER, "somebody else's name"),
        (at(OTHER), STAKER, "another's delegation"),
        (STAKER, STAKER, "the staker itself"),
        (Address { workchain: -1, hash: genuine.hash }, STAKER, "the masterchain"),
    ] {
        refused(&bonded.solo, from, value, join(AMOUNT, 1000, owner), 130, case);
        refused(&bonded.solo, from, ENOUGH, leave(1, owner), 130, case);
        refused(&bonded.solo, from, ENOUGH, redeem(number(1), 0, owner), 130, case);
    }
    // A delegation to another stake, and one with other code.
    let elsewhere = DelegationInit { stake: Address::basechain([9; 32]), owner: STAKER };
    let mut foreign = init(STAKER).state_init().unwrap();
    foreign.code = Some(fog_contracts::stake_code().cell.clone());
    let foreign = CellBuilder::build_from(foreign).unwrap();
    for from in [elsewhere.address().unwrap(), Address::basechain(foreign.repr_hash().0)] {
        refused(&bonded.solo, from, value, join(AMOUNT, 1000, STAKER), 130, "not ours");
    }
    refused(&bonded.solo, genuine, value, join(AMOUNT, 999, STAKER), 131, "commission");
    refused(&bonded.solo, genuine, value, join(Nano::new(1), 1000, STAKER), 134, "tiny");
    refused(&bonded.solo, genuine, AMOUNT.get(), join(AMOUNT, 1000, STAKER), 104, "low value");
    refused(&bonded.solo, genuine, GRAM / 100, leave(1, STAKER), 104, "low value");
    // No delegation says so; were one to, nobody else would pay for it.
    let all = bonded.shares;
    refused(&bonded.solo, genuine, ENOUGH, leave(all + 1, STAKER), 109, "more than there is");
    let stood = stand(State::Leaving);
    let claim = |left| redeem(stood.leaving, left, STAKER);
    refused(&stood.solo, genuine, ENOUGH, claim(stood.since), 103, "early");
    let mut edge = stood.solo.clone();
    edge.now = stood.since + UNBONDING - 1;
    refused(&edge, genuine, ENOUGH, claim(stood.since), 103, "a second too early");
    edge.now += 1;
    refused(&edge, genuine, GRAM / 100, claim(stood.since), 104, "low value");
    let mut more = stood.leaving;
    more.0[31] += 1;
    refused(&edge, genuine, ENOUGH, redeem(more, stood.since, STAKER), 109, "more than there is");
    taken(&mut edge, genuine, ENOUGH, claim(stood.since));
    let backing = stand(State::Backing);
    let told = redeem(backing.leaving, backing.since, STAKER);
    refused(&backing.solo, genuine, ENOUGH, told, 133, "still backing");
    let raise = stake::set_commission(QUERY, 2000).unwrap();
    for from in [STAKER, genuine, STRANGER, MARKET] {
        refused(&bonded.solo, from, ENOUGH, raise.clone(), 100, "not the worker");
    }
}

/// Amount and balance move together, to the nanogram.
#[test]
fn what_comes_and_goes_is_counted_to_the_nanogram() {
    let mut solo = stake_alone();
    let balance = solo.balance;
    taken(&mut solo, at(STAKER), AMOUNT.get() + ENOUGH, join(AMOUNT, 1000, STAKER));
    assert_eq!(solo.balance, balance + AMOUNT.get());
    let shares = data(&solo).pool.shares;
    taken(&mut solo, at(STAKER), ENOUGH, leave(shares, STAKER));
    assert_eq!(solo.balance, balance + AMOUNT.get());
    let pool = data(&solo).pool;
    assert_eq!((pool.coins, pool.leaving), (Nano::ZERO, AMOUNT));
    let (left, leaving) = (solo.now, pool.leaving_shares);
    solo.now += UNBONDING;
    // What the rent takes meanwhile, it takes from a stake in which nothing happens, too.
    let mut idle = solo.clone();
    idle.send(STRANGER, ENOUGH, Cell::default());
    let ran = taken(&mut solo, at(STAKER), ENOUGH, redeem(leaving, left, STAKER));
    let paid = ran.the(op::PAYOUT);
    assert!(paid.value > AMOUNT.get() && paid.value < AMOUNT.get() + ENOUGH);
    let (is, meant) = (solo.balance + AMOUNT.get(), idle.balance - ENOUGH);
    assert!(is.abs_diff(meant) < GRAM / 1000, "{is} of {meant}");
    assert_eq!((data(&solo).pool.leaving, data(&solo).stake), (Nano::ZERO, Nano::grams(100)));
}

/// A stake whose rent runs out takes nothing new, until anybody tops it up.
#[test]
fn nothing_new_comes_where_the_rent_runs_out() {
    let mut solo = stake_alone();
    let value = AMOUNT.get() + ENOUGH;
    solo.now += 4 * 365 * 86_400;
    taken(&mut solo.clone(), at(STAKER), value, join(AMOUNT, 1000, STAKER));
    solo.now += 12 * 365 * 86_400;
    refused(&solo, at(STAKER), value, join(AMOUNT, 1000, STAKER), 135, "no rent");
    assert_eq!(solo.send(STRANGER, GRAM, Cell::default()).exit, 0);
    taken(&mut solo, at(STAKER), value, join(AMOUNT, 1000, STAKER));
    // A first deposit that failed leaves code without rent: nothing joins that either.
    let fresh = crate::alone::stake_init();
    let mut bare = Solo::new(fresh.address().unwrap(), fresh.state_init().unwrap());
    refused(&bare, at(STAKER), value, join(AMOUNT, 1000, STAKER), 135, "never staked");
    assert_eq!(bare.send(STRANGER, GRAM, Cell::default()).exit, 0);
    taken(&mut bare, at(STAKER), value, join(AMOUNT, 1000, STAKER));
}

/// After a slash of nearly everything a new share would be worth next to nothing: nobody new, until
/// the old ones have left; then it begins anew.
#[test]
fn after_a_slash_of_nearly_everything_it_begins_anew() {
    let init = crate::alone::stake_init();
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let key = crate::alone::session().public();
    let deposit = stake::deposit(1, Nano::new(1), &key).unwrap();
    taken(&mut solo, OWNER, 2 * GRAM, deposit);
    // As much as is reserved for, but for two nanogram.
    let amount = Nano::new(crate::world::RESERVE.get() + 1);
    taken(&mut solo, at(STAKER), amount.get() + ENOUGH, join(amount, 1000, STAKER));
    assert_eq!(reserve(&mut solo, 1).exit, 0);
    let task = task_init(1).address().unwrap();
    taken(&mut solo, task, ENOUGH, slash(crate::world::RESERVE));
    let left = data(&solo);
    assert_eq!(left.stake.get() + left.pool.coins.get(), 2);
    let value = AMOUNT.get() + ENOUGH;
    refused(&solo, at(OTHER), value, join(AMOUNT, 1000, OTHER), 132, "cut down");
    taken(&mut solo, at(STAKER), ENOUGH, leave(left.pool.shares, STAKER));
    assert_eq!(data(&solo).pool.shares, 0);
    taken(&mut solo, at(OTHER), value, join(AMOUNT, 1000, OTHER));
    let pool = data(&solo).pool;
    assert_eq!(pool.worth(pool.shares, solo.now), AMOUNT);
}

fn slash(amount: Nano) -> Cell {
    body(stake::op::SLASH, QUERY, |b| {
        put_coins(b, amount);
        put_coins(b, Nano::ZERO);
        put_hash(b, &Hash32([0x22; 32]));
        put_address(b, STRANGER);
    })
}

/// With three shares left the virtual ones own nearly all of a pool that a payment makes large. It
/// backs tasks, so it must not become earnings, which leave at once, when the last share leaves.
#[test]
fn a_pool_without_shares_does_not_run_from_a_slash() {
    let init = crate::alone::stake_init();
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let key = crate::alone::session().public();
    taken(&mut solo, OWNER, 2 * GRAM, stake::deposit(1, Nano::new(1), &key).unwrap());
    taken(&mut solo, at(STAKER), AMOUNT.get() + ENOUGH, join(AMOUNT, 1000, STAKER));
    assert_eq!(reserve(&mut solo, 1).exit, 0);
    let shares = data(&solo).pool.shares;
    taken(&mut solo, at(STAKER), ENOUGH, leave(shares - 3, STAKER));
    let paid = Nano::new(1_000 * GRAM);
    let settle = body(stake::op::SETTLE, QUERY, |b| {
        put_coins(b, paid);
        put_address(b, STRANGER);
    });
    taken(&mut solo, task_init(1).address().unwrap(), paid.get() + ENOUGH, settle);
    solo.now += UNBONDING;
    taken(&mut solo, at(STAKER), ENOUGH, leave(1, STAKER));
    let pumped = data(&solo);
    assert!(pumped.pool.coins > Nano::new(100 * GRAM), "{pumped:?}");
    assert_eq!(reserve(&mut solo, 2).exit, 0);
    taken(&mut solo, at(STAKER), ENOUGH, leave(2, STAKER));
    let left = data(&solo);
    assert_eq!(left.pool.shares, 0);
    assert!(left.stake.get() + left.pool.leaving.get() >= left.reserved.get(), "{left:?}");
    assert_eq!(left.earnings, pumped.earnings, "nothing that backs a task is free to go");
    if left.earnings > Nano::ZERO {
        taken(&mut solo, OWNER, ENOUGH, stake::withdraw_earnings(1).unwrap());
    }
    taken(&mut solo, task_init(2).address().unwrap(), ENOUGH, slash(crate::world::RESERVE));
    assert_eq!(data(&solo).reserved, Nano::ZERO);
}

/// What is leaving is cut to nothing again and again, and nobody claims it: its shares would outgrow
/// their field, and no newcomer could leave any more. So nobody new comes before that.
#[test]
fn shares_of_what_was_cut_to_nothing_lock_nobody_in() {
    let init = crate::alone::stake_init();
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let key = crate::alone::session().public();
    let all = crate::world::RESERVE;
    // Nothing of its own, but a session key.
    taken(&mut solo, OWNER, 2 * GRAM, stake::deposit(1, Nano::new(1), &key).unwrap());
    let mut wipes = 0u8;
    let value = all.get() + ENOUGH;
    while solo.clone().send(at(STAKER), value, join(all, 1000, STAKER)).exit == 0 && wipes < 9 {
        wipes += 1;
        taken(&mut solo, at(STAKER), value, join(all, 1000, STAKER));
        assert_eq!(reserve(&mut solo, wipes).exit, 0);
        let shares = data(&solo).pool.shares;
        taken(&mut solo, at(STAKER), ENOUGH, leave(shares, STAKER));
        taken(&mut solo, task_init(wipes).address().unwrap(), ENOUGH, slash(all));
    }
    assert!(wipes < 4, "after {wipes} of them");
    let refusal = solo.clone().send(at(OTHER), value, join(all, 1000, OTHER)).exit;
    assert_eq!(refusal, 132, "cut down");
    // Once the shares that are worth nothing are claimed it begins anew.
    let (leaving, since) = (data(&solo).pool.leaving_shares, solo.now);
    solo.now += UNBONDING;
    taken(&mut solo, at(STAKER), ENOUGH, redeem(leaving, since, STAKER));
    taken(&mut solo, at(OTHER), value, join(all, 1000, OTHER));
    let shares = data(&solo).pool.shares;
    taken(&mut solo, at(OTHER), ENOUGH, leave(shares, OTHER));
}

// ---- the delegation's side ---------------------------------------------------------------------

fn fresh() -> Solo {
    Solo::new(at(STAKER), init(STAKER).state_init().unwrap())
}

pub(crate) fn held(solo: &Solo) -> DelegationData {
    DelegationData::parse(&solo.stored()).unwrap()
}

/// With 1,000 shares and `entries` of 10 in the queue, a second apart.
pub(crate) fn holding(entries: u32) -> Solo {
    let mut solo = fresh();
    let delegate = delegation::delegate(QUERY, AMOUNT, 1000).unwrap();
    taken(&mut solo, STAKER, AMOUNT.get() + ENOUGH, delegate);
    taken(&mut solo, stake_address(), ENOUGH, joined(1000));
    for entry in 0..entries {
        taken(&mut solo, stake_address(), ENOUGH, left(10, 1000 + entry));
    }
    solo
}

/// One of everything that the matrix says to a delegation.
pub(crate) fn words() -> [(&'static str, Cell); 7] {
    [
        ("delegate", delegation::delegate(QUERY, AMOUNT, 1000).unwrap()),
        ("undelegate", delegation::undelegate(QUERY, 1000).unwrap()),
        ("undelegate nothing", delegation::undelegate(QUERY, 0).unwrap()),
        ("undelegate too much", delegation::undelegate(QUERY, 1001).unwrap()),
        ("claim", delegation::claim(QUERY).unwrap()),
        ("joined", joined(7)),
        ("left", left(7, 1)),
    ]
}

#[test]
fn every_word_in_every_state_from_every_role_to_a_delegation() {
    let roles = [STAKER, stake_address(), OWNER, OTHER, at(STAKER), at(OTHER), STRANGER];
    let words = words();
    let (mut cells, mut allowed) = (0, 0);
    for (state, at_state) in
        [("fresh", fresh()), ("holding", holding(0)), ("leaving", holding(1)), ("full", holding(8))]
    {
        let data = held(&at_state);
        for (name, told) in &words {
            for from in roles {
                let mut solo = at_state.clone();
                let may = match *name {
                    "delegate" => from == STAKER,
                    "undelegate" => from == STAKER && data.shares >= 1000,
                    "claim" => from == STAKER && !data.queue.is_empty(),
                    "joined" | "left" => from == stake_address(),
                    _ => false,
                };
                let before = solo.stored();
                let ran = solo.send(from, AMOUNT.get() + ENOUGH, told.clone());
                let case = format!("{state} {name} from {from}");
                cells += 1;
                if may {
                    allowed += 1;
                    let to_stake = matches!(*name, "delegate" | "undelegate" | "claim");
                    let to = if to_stake { stake_address() } else { STAKER };
                    assert_eq!(ran.exit, 0, "{case}");
                    assert_eq!((ran.sent.len(), ran.sent[0].to), (1, to), "{case}");
                    assert_eq!(ran.sent[0].bounce, to_stake, "{case}");
                } else {
                    assert!((100..=114).contains(&ran.exit), "{case}: {}", ran.exit);
                    assert_eq!(solo.stored(), before, "{case}");
                    assert!(ran.sent.is_empty(), "{case}");
                }
            }
        }
    }
    assert_eq!(cells, 4 * 7 * 7);
    fog_figures::figure!("cells of delegated stake", "{cells} cells, {allowed} of them allowed");
}

#[test]
fn bent_messages_are_refused_by_both() {
    let mut words = vec![
        (holding(1), delegation::delegate(QUERY, AMOUNT, 1000).unwrap(), STAKER),
        (holding(1), delegation::undelegate(QUERY, 5).unwrap(), STAKER),
        (holding(1), delegation::claim(QUERY).unwrap(), STAKER),
        (holding(1), joined(7), stake_address()),
        (holding(1), left(7, 1), stake_address()),
    ];
    let out = stand(State::Out);
    for told in [
        join(AMOUNT, 1000, STAKER),
        leave(out.shares, STAKER),
        redeem(out.leaving, out.since, STAKER),
    ] {
        words.push((out.solo.clone(), told, at(STAKER)));
    }
    words.push((out.solo.clone(), stake::set_commission(QUERY, 5).unwrap(), OWNER));
    for (at_state, told, from) in &words {
        let value = AMOUNT.get() + ENOUGH;
        taken(&mut at_state.clone(), *from, value, told.clone());
        let mut longer = CellBuilder::new();
        longer.store_slice(told.as_slice().unwrap()).unwrap();
        longer.store_bit_one().unwrap();
        refused(at_state, *from, value, longer.build().unwrap(), 9, "something follows");
        let mut more = CellBuilder::new();
        more.store_slice(told.as_slice().unwrap()).unwrap();
        more.store_reference(Cell::default()).unwrap();
        refused(at_state, *from, value, more.build().unwrap(), 9, "a reference follows");
        let mut shorter = told.as_slice().unwrap();
        shorter.skip_last(1, 0).unwrap();
        let mut cut = CellBuilder::new();
        cut.store_slice(shorter).unwrap();
        refused(at_state, *from, value, cut.build().unwrap(), 9, "cut short");
    }
    refused(&holding(1), STAKER, GRAM, body(0x4400_00ff, 1, |_| ()), 0xffff, "no such word");
}

#[test]
fn a_delegation_lives_on_the_basechain() {
    let delegate = delegation::delegate(QUERY, AMOUNT, 1000).unwrap();
    let good = init(STAKER);
    for init in [
        DelegationInit { stake: Address { workchain: -1, ..good.stake }, ..good },
        DelegationInit { owner: Address { workchain: -1, ..good.owner }, ..good },
    ] {
        let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        let ran = solo.send(init.owner, AMOUNT.get() + ENOUGH, delegate.clone());
        assert_eq!((ran.exit, ran.sent.len()), (116, 0));
    }
}

#[test]
fn a_full_queue_refuses_nothing_and_keeps_its_order() {
    let mut solo = holding(8);
    taken(&mut solo, stake_address(), ENOUGH, left(5, 2000));
    taken(&mut solo, stake_address(), ENOUGH, left(5, 1500));
    let queue = held(&solo).queue;
    assert_eq!(queue.len(), 8);
    assert_eq!((queue[7].shares, queue[7].at), (number(20), 2000), "the later of the times");
    for entry in 0..8 {
        let ran = taken(&mut solo, STAKER, ENOUGH, delegation::claim(QUERY).unwrap());
        let told = ran.the(stake::op::REDEEM).body.clone();
        let mut slice = told.as_slice().unwrap();
        slice.skip_first(32 + 64, 0).unwrap();
        assert_eq!(slice.load_u32().unwrap(), entry, "oldest first");
    }
    assert_eq!(held(&solo).queue.len(), 0);
}

fn throw_back(solo: &mut Solo, message: &Sent, from: Address) -> Ran {
    solo.receive(from, message.value, message.bounced(103), Arrival::Bounced)
}

/// Thrown back by the stake, each undoes its own step; by anybody else, nothing.
#[test]
fn a_bounce_undoes_its_own_step() {
    let at_first = holding(1);
    for (told, op) in [
        (delegation::delegate(QUERY, AMOUNT, 1000).unwrap(), stake::op::JOIN),
        (delegation::undelegate(QUERY, 400).unwrap(), stake::op::LEAVE),
        (delegation::claim(QUERY).unwrap(), stake::op::REDEEM),
    ] {
        let mut solo = at_first.clone();
        let ran = taken(&mut solo, STAKER, AMOUNT.get() + ENOUGH, told);
        let message = ran.the(op).clone();
        assert!(message.bounce);
        let waiting = solo.stored();
        for stranger in [STRANGER, OWNER, STAKER, at(OTHER)] {
            let ran = throw_back(&mut solo.clone(), &message, stranger);
            assert!(ran.sent.is_empty());
            let mut solo = solo.clone();
            throw_back(&mut solo, &message, stranger);
            assert_eq!(solo.stored(), waiting, "{op:x} thrown back by {stranger}");
        }
        let back = throw_back(&mut solo, &message, stake_address());
        assert_eq!(back.exit, 0);
        assert_eq!(solo.stored(), at_first.stored(), "{op:x} is undone");
        let rest = back.the(op::EXCESSES);
        assert_eq!(rest.to, STAKER);
        if op == stake::op::JOIN {
            assert!(rest.value > AMOUNT.get(), "the amount comes back");
        }
    }
    // Rubbish in a bounce does nothing.
    for rubbish in [Cell::default(), joined(5), left(5, 5)] {
        let mut solo = at_first.clone();
        solo.receive(stake_address(), GRAM, rubbish, Arrival::Bounced);
        assert_eq!(solo.stored(), at_first.stored());
    }
}

/// A claim comes back when the queue has filled up meanwhile: nothing is lost, nothing grows.
#[test]
fn a_bounced_claim_finds_a_full_queue() {
    let mut solo = holding(8);
    let ran = taken(&mut solo, STAKER, ENOUGH, delegation::claim(QUERY).unwrap());
    let message = ran.the(stake::op::REDEEM).clone();
    taken(&mut solo, stake_address(), ENOUGH, left(10, 3000));
    throw_back(&mut solo, &message, stake_address());
    let queue = held(&solo).queue;
    assert_eq!(queue.len(), 8);
    assert_eq!((queue[7].shares, queue[7].at), (number(20), 3000));
}

/// It keeps the rent and nothing else.
#[test]
fn a_delegation_keeps_its_rent_and_gives_back_the_rest() {
    let mut solo = holding(0);
    let rent = solo.balance;
    assert!((60_000_000..120_000_000).contains(&rent), "{rent}");
    let ran = taken(&mut solo, stake_address(), 10 * GRAM, joined(1));
    assert!(ran.the(op::EXCESSES).value > 9 * GRAM);
    assert_eq!(solo.balance, rent);
    // Topped up by a stranger: the staker's with the next change.
    assert_eq!(solo.send(STRANGER, GRAM, Cell::default()).exit, 0);
    taken(&mut solo, stake_address(), ENOUGH, joined(1));
    assert_eq!(solo.balance, rent);
}
