//! What a cheat would try with a task in a jetton.

use fog_contracts::{
    Consent, JETTON_FORWARD, JETTON_TASK_VALUE, TaskState, Units,
    jetton_task::{self, JettonTask, JettonTerms, Share},
    task::{self, TaskInit},
};
use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::{Cell, CellBuilder};

use super::kit::{
    Errand, UNITS, asking, begin, begin_body, claim, data, fresh, money, paid, put_in, refunded,
    task, terms, waiting,
};
use crate::{
    alone::{
        self, GRAM, Kind, MARKET, OPERATOR, OWNER, QUERY, REQUESTOR, STRANGER, TREASURY, Word, say,
        speaker, state, task_of,
    },
    jettons::{
        kit::{MASTER, RICH, WALLET, answer, plain_notification, units},
        real::{Jetton, Make},
    },
    solo::{Solo, body, put_hash},
    stakes::{consent_for, reserve_body},
    world::{PRICE, failures, ours},
};

const YEAR: u32 = 365 * 24 * 3600;
/// What it demands (`fees::demands`).
const LEAST_OF_BURIAL: u64 = 7_160_000;

/// Jettons count by the own wallet's word, and by nobody else's; before the answer by nobody's.
#[test]
fn forged_notifications_move_nothing() {
    for (mut solo, known) in [(fresh(), false), (asking(), false), (waiting(), true)] {
        let before = solo.stored();
        for from in [REQUESTOR, STRANGER, MASTER, OWNER, OPERATOR, MARKET, solo.address] {
            let exit = solo.send(from, GRAM, plain_notification(UNITS)).exit;
            assert!(exit == 143 || exit == 101, "{exit}");
            assert_eq!(solo.stored(), before);
        }
        if !known {
            assert_ne!(put_in(&mut solo, UNITS).exit, 0);
            assert_eq!(solo.stored(), before, "before anybody said that it is the wallet");
        }
    }
}

/// Only the master says which wallet it is, once, and on the basechain.
#[test]
fn forged_answers_are_refused() {
    let mut solo = asking();
    let before = solo.stored();
    for from in [REQUESTOR, STRANGER, WALLET, OPERATOR, MARKET] {
        assert_eq!(solo.send(from, GRAM, answer(Some(from))).exit, 100);
    }
    assert_eq!(solo.send(MASTER, GRAM, answer(None)).exit, 143);
    let far = Address { workchain: -1, ..WALLET };
    assert_eq!(solo.send(MASTER, GRAM, answer(Some(far))).exit, 116);
    assert_eq!(solo.stored(), before);
    let mut solo = waiting();
    // Not even the master moves it to another wallet later.
    assert_eq!(solo.send(MASTER, GRAM, answer(Some(STRANGER))).exit, 101);
    let mut running = task_of(Kind::InJetton, TaskState::Open);
    assert_eq!(running.send(MASTER, GRAM, answer(Some(STRANGER))).exit, 101);
    assert_eq!(money(&solo).wallet, Some(WALLET));
}

/// What it costs is in its address: no other jetton, number or listing begins it.
#[test]
fn other_terms_do_not_begin_it() {
    let good = terms(MASTER);
    let more = Units::new(UNITS + 1).unwrap();
    for other in [
        JettonTerms { master: STRANGER, ..good },
        JettonTerms { units: more, ..good },
        JettonTerms { units: units(1), ..good },
        JettonTerms { listing: Hash32([2; 32]), ..good },
    ] {
        let mut solo = fresh();
        let body = jetton_task::begin(QUERY, &other).unwrap();
        assert_eq!(solo.send(REQUESTOR, JETTON_TASK_VALUE.get(), body).exit, 112, "{other:?}");
        assert_eq!(solo.stored(), task().state_init().unwrap().data.unwrap());
        assert_ne!(
            JettonTask::new(alone::task_init(1), other).unwrap().address(),
            task().address()
        );
    }
    for from in [STRANGER, OPERATOR, OWNER] {
        assert_eq!(fresh().send(from, GRAM, begin_body()).exit, 100);
    }
}

/// No price, no guarantee, more than any jetton has: such a task begins never.
#[test]
fn nothing_and_too_much_are_no_price() {
    let begins =
        |guarantee: Nano, body: &dyn Fn(&JettonTask) -> tycho_types::cell::Cell, jetton| {
            let mut init = alone::task_init(1);
            init.terms.price = guarantee;
            let task = JettonTask::new(init, jetton).unwrap();
            let mut solo = Solo::new(task.address().unwrap(), task.state_init().unwrap());
            solo.send(REQUESTOR, JETTON_TASK_VALUE.get(), body(&task)).exit
        };
    let plain = |task: &JettonTask| jetton_task::begin(QUERY, &task.jetton).unwrap();
    let of = |amount| JettonTerms { units: Units::new(amount).unwrap(), ..terms(MASTER) };
    assert_eq!(begins(Nano::ZERO, &plain, of(UNITS)), 112);
    assert_eq!(begins(PRICE, &plain, of(0)), 112);
    assert_eq!(begins(PRICE, &plain, of(Units::MAX.get())), 0);
    assert_eq!(begins(Nano::new(u64::MAX), &plain, of(1)), 0);
    // More units than an amount of jettons can say, in terms that no program of ours writes.
    for (units, exit) in [((1 << 120) - 1, 0), (1 << 120, 112), (u128::MAX, 112)] {
        let mut raw = CellBuilder::new();
        put_hash(&mut raw, &Hash32([0x71; 32]));
        put_hash(&mut raw, &MASTER.hash);
        raw.store_u128(units).unwrap();
        let raw = raw.build().unwrap();
        let mut init = alone::task_init(1);
        init.terms.id = Hash32(raw.repr_hash().0);
        let task = JettonTask { task: init, jetton: terms(MASTER) };
        let mut solo = Solo::new(task.address().unwrap(), task.state_init().unwrap());
        let begin = body(jetton_task::op::BEGIN, QUERY, |b| b.store_reference(raw).unwrap());
        assert_eq!(solo.send(REQUESTOR, JETTON_TASK_VALUE.get(), begin).exit, exit, "{units}");
    }
}

/// Nothing begins with anybody on the masterchain, where nothing of ours is sent.
#[test]
fn everybody_of_it_lives_on_the_basechain() {
    let away = |address: Address| Address { workchain: -1, ..address };
    let good = alone::task_init(1);
    for (init, exit) in [
        (good, 0),
        (TaskInit { market: away(good.market), ..good }, 116),
        (TaskInit { operator: away(good.operator), ..good }, 116),
        (TaskInit { requestor: away(good.requestor), ..good }, 116),
    ] {
        let task = JettonTask::new(init, terms(MASTER)).unwrap();
        let mut solo = Solo::new(task.address().unwrap(), task.state_init().unwrap());
        let begin = jetton_task::begin(QUERY, &task.jetton).unwrap();
        assert_eq!(solo.send(init.requestor, JETTON_TASK_VALUE.get(), begin).exit, exit);
    }
}

/// GRAM is none of its prices: it cannot be funded with it, neither before nor after it began.
#[test]
fn it_is_not_funded_in_gram() {
    for mut solo in [fresh(), asking(), waiting()] {
        let before = solo.stored();
        assert_eq!(say(&mut solo, Word::Fund, REQUESTOR).exit, 101);
        assert_eq!(solo.stored(), before);
    }
}

/// Another jetton's wallets, however real, are strangers.
#[test]
fn another_masters_jettons_do_not_count() {
    for make in Make::ALL {
        let mut errand = Errand::new(make);
        errand.begin();
        let requestor = errand.town.world.requestor.clone();
        let chain = &mut errand.town.world.chain;
        let worthless = Jetton::deploy(chain, &requestor, make, 2);
        worthless.mint(chain, ours(&requestor.address), RICH);
        let before = errand.data();
        let chain = &mut errand.town.world.chain;
        let transfer =
            worthless.transfer(chain, &requestor, errand.at, UNITS, JETTON_FORWARD.get());
        assert_eq!(failures(&chain.send_from(&requestor, &transfer).unwrap()), [143]);
        assert_eq!(errand.data(), before);
    }
}

/// Too little, later, or not by the requestor: nothing is lost, and nothing starts before its time.
#[test]
fn wrong_amounts_start_nothing() {
    let mut solo = waiting();
    assert_eq!(put_in(&mut solo, UNITS - 1).exit, 0);
    assert_eq!((state(&solo), money(&solo).held), (TaskState::Created, units(UNITS - 1)));
    assert_eq!(put_in(&mut solo, 0).exit, 0);
    assert_eq!(state(&solo), TaskState::Created);
    // The day is over: it waits for its requestor's word, which sees to the rent again.
    let mut late = solo.clone();
    late.now += jetton_task::FUNDING_TIME + 1;
    let ran = put_in(&mut late, 1);
    assert_eq!((ran.exit, ran.sent.len(), state(&late)), (0, 0, TaskState::Created));
    assert_eq!(begin(&mut late).exit, 0);
    assert_eq!(state(&late), TaskState::Registering);
    let mut cancelled = solo.clone();
    assert_eq!(say(&mut cancelled, Word::Cancel, REQUESTOR).exit, 0);
    assert_eq!(money(&cancelled).dues, refunded(UNITS - 1));
    assert_eq!(put_in(&mut solo, 1).exit, 0);
    assert_eq!(state(&solo), TaskState::Registering);
}

/// After years between, rent has eaten of the task's GRAM: it is not started with too little.
#[test]
fn it_does_not_start_with_too_little_gram() {
    let mut solo = waiting();
    put_in(&mut solo, UNITS - 1);
    solo.now += 5 * 365 * 24 * 3600;
    put_in(&mut solo, 1);
    assert_eq!(state(&solo), TaskState::Created);
    assert_eq!(solo.send(REQUESTOR, GRAM / 50, begin_body()).exit, 104);
    assert_eq!(solo.send(REQUESTOR, GRAM, begin_body()).exit, 0);
    assert_eq!(state(&solo), TaskState::Registering);
}

/// A share goes where its owner says, and by nobody else's word anywhere else.
#[test]
fn shares_go_to_their_owners() {
    let at = task_of(Kind::InJetton, TaskState::Paid);
    assert_eq!(money(&at).dues, paid(&task(), PRICE));
    // The worker's own jetton wallet is locked: it names another.
    let mut solo = at.clone();
    let ran = claim(&mut solo, OWNER, Share::Worker, STRANGER);
    assert_eq!(ran.exit, 0);
    let far = Address { workchain: -1, ..OWNER };
    assert_eq!(claim(&mut at.clone(), OWNER, Share::Worker, far).exit, 116);
    // Nobody can have it sent to a locked wallet and sweep it then.
    for from in [REQUESTOR, STRANGER, OPERATOR] {
        for to in [OWNER, from] {
            assert_eq!(claim(&mut at.clone(), from, Share::Worker, to).exit, 100);
        }
    }
    // After a year its owner's own address is as good as any: nobody stays for ever.
    let mut solo = at.clone();
    solo.now += jetton_task::UNCLAIMED + 1;
    assert_eq!(claim(&mut solo.clone(), STRANGER, Share::Worker, STRANGER).exit, 100);
    assert_eq!(claim(&mut solo, STRANGER, Share::Worker, OWNER).exit, 0);
    // The market's part: by anybody, to the treasury. The node's is the node's.
    assert_eq!(claim(&mut at.clone(), STRANGER, Share::Treasury, STRANGER).exit, 100);
    assert_eq!(claim(&mut at.clone(), STRANGER, Share::Treasury, TREASURY).exit, 0);
    assert_eq!(claim(&mut at.clone(), REQUESTOR, Share::Node, OPERATOR).exit, 100);
}

/// Before a task has ended its requestor's surplus goes where the requestor says, however late it is.
#[test]
fn nobody_sends_anybody_a_share_of_a_task_that_runs() {
    let mut solo = task_of(Kind::InJetton, TaskState::Committed);
    put_in(&mut solo, 11);
    solo.now = data(&solo).task.deadline + jetton_task::UNCLAIMED + 1;
    assert_eq!(claim(&mut solo.clone(), STRANGER, Share::Requestor, REQUESTOR).exit, 100);
    assert_eq!(claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).exit, 0);
}

/// A task that has ended does not end again, however late it is.
#[test]
fn what_has_ended_does_not_expire() {
    for ended in [TaskState::Paid, TaskState::Slashed, TaskState::Refunded] {
        let mut solo = task_of(Kind::InJetton, ended);
        solo.now = data(&solo).task.deadline + 2 * jetton_task::UNCLAIMED;
        let before = solo.stored();
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 101, "{ended:?}");
        assert_eq!(solo.stored(), before);
    }
}

/// One address may be two: each share is asked for by its name.
#[test]
fn who_is_both_gets_both() {
    let mut init = alone::task_init(1);
    init.requestor = OWNER;
    let errand = JettonTask::new(init, terms(MASTER)).unwrap();
    let mut solo = Solo::new(errand.address().unwrap(), errand.state_init().unwrap());
    assert_eq!(solo.send(OWNER, JETTON_TASK_VALUE.get(), begin_body()).exit, 0);
    assert_eq!(solo.send(MASTER, GRAM / 100, answer(Some(WALLET))).exit, 0);
    put_in(&mut solo, UNITS + 5);
    for word in [Word::Opened, Word::Assign, Word::Reserved, Word::Commit, Word::Accept] {
        assert_eq!(say(&mut solo, word, speaker(word)).exit, 0, "{word:?}");
    }
    solo.now = data(&solo).task.deadline;
    say(&mut solo, Word::Finalize, STRANGER);
    assert_eq!(say(&mut solo, Word::Settled, alone::stake_address()).exit, 0);
    let dues = money(&solo).dues;
    assert_eq!(dues.requestor, units(5));
    assert_eq!(dues.sum(), units(UNITS + 5));
    assert_eq!(claim(&mut solo, OWNER, Share::Worker, OWNER).exit, 0);
    assert_eq!(money(&solo).dues.requestor, units(5));
    assert_eq!(claim(&mut solo, OWNER, Share::Requestor, OWNER).exit, 0);
}

/// Nothing is buried while somebody is owed, or while something may come back.
#[test]
fn a_requestor_cannot_bury_what_is_others() {
    let mut solo = task_of(Kind::InJetton, TaskState::Paid);
    let bury =
        |solo: &mut Solo, from| solo.send(from, GRAM, jetton_task::bury(QUERY).unwrap()).exit;
    let sweep = |solo: &mut Solo| {
        solo.send(REQUESTOR, GRAM, jetton_task::sweep(QUERY, units(UNITS)).unwrap()).exit
    };
    for years in 0..3 {
        let mut later = solo.clone();
        later.now += years * 365 * 24 * 3600;
        assert_eq!((bury(&mut later, REQUESTOR), sweep(&mut later)), (101, 101));
    }
    for (from, share) in
        [(OWNER, Share::Worker), (TREASURY, Share::Treasury), (OPERATOR, Share::Node)]
    {
        solo.now += 3600;
        assert_eq!(claim(&mut solo, from, share, from).exit, 0);
    }
    solo.now += jetton_task::SETTLING_TIME - 1;
    assert_eq!((bury(&mut solo, REQUESTOR), sweep(&mut solo)), (103, 103));
    solo.now += 1;
    assert_eq!(bury(&mut solo, OWNER), 100);
    assert_eq!(bury(&mut solo, REQUESTOR), 0);
    assert_eq!(solo.send(REQUESTOR, GRAM, begin_body()).exit, 101, "it begins once");
}

/// A wallet that lies (a jetton of the requestor's own) says that it has more than there can be: the
/// task ends all the same, on which bond, stake, challenger and compensation wait.
#[test]
fn a_lying_wallet_holds_up_no_end() {
    for (from, word) in [
        (TaskState::Registering, Word::Expire),
        (TaskState::Open, Word::Cancel),
        (TaskState::Open, Word::Expire),
        (TaskState::Reserving, Word::Expire),
        (TaskState::Accepted, Word::Expire),
        (TaskState::Rejected, Word::Expire),
        (TaskState::Settling, Word::Settled),
        (TaskState::Settling, Word::Expire),
        (TaskState::Slashing, Word::Slashed),
        (TaskState::Slashing, Word::Expire),
        (TaskState::Releasing, Word::Released),
        (TaskState::Penalising, Word::Slashed),
    ] {
        let mut solo = task_of(Kind::InJetton, from);
        for _ in 0..3 {
            assert_eq!(put_in(&mut solo, Units::MAX.get()).exit, 0);
        }
        assert_eq!(money(&solo).dues.requestor, Units::MAX);
        if word == Word::Expire {
            solo.now = data(&solo).task.deadline + 90 * 24 * 3600 + 1;
        }
        let ran = say(&mut solo, word, speaker(word));
        assert_eq!(ran.exit, 0, "{word:?} in {from:?}");
        assert!(state(&solo).is_end());
        assert_eq!(money(&solo).dues.requestor, Units::MAX);
        let freed = ran.sent.iter().any(|sent| sent.op() == fog_contracts::operator::op::FREED);
        let assigned = !matches!(from, TaskState::Registering | TaskState::Open);
        assert_eq!(freed, assigned, "{word:?} in {from:?}");
        // Its transfers come back, and still it goes on.
        let transfer = claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).sent[0].clone();
        put_in(&mut solo, Units::MAX.get());
        let back = transfer.bounced(1);
        assert_eq!(solo.receive(WALLET, GRAM, back, crate::solo::Arrival::Bounced).exit, 0);
    }
    let mut solo = waiting();
    for _ in 0..2 {
        assert_eq!(put_in(&mut solo, Units::MAX.get()).exit, 0);
    }
    assert_eq!(state(&solo), TaskState::Registering);
}

/// The requestor's own transfers, however many, do not make the task forget another's.
#[test]
fn a_requestor_pushes_nobodys_transfer_out_of_memory() {
    for (share, owner) in
        [(Share::Worker, OWNER), (Share::Treasury, TREASURY), (Share::Node, OPERATOR)]
    {
        let mut solo = task_of(Kind::InJetton, TaskState::Paid);
        let due = money(&solo).dues.of(share);
        let transfer = claim(&mut solo, owner, share, owner).sent[0].clone();
        for _ in 0..70 {
            put_in(&mut solo, 1);
            assert_eq!(claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).exit, 0);
        }
        solo.receive(WALLET, GRAM, transfer.bounced(1), crate::solo::Arrival::Bounced);
        assert_eq!(money(&solo).dues.of(share), due, "{share:?}");
    }
}

/// Dust for an ended task keeps the requestor from nothing, and its rent with nobody.
#[test]
fn dust_does_not_hold_up_the_burial() {
    let mut solo = task_of(Kind::InJetton, TaskState::Refunded);
    let bury = |solo: &mut Solo| solo.send(REQUESTOR, GRAM, jetton_task::bury(QUERY).unwrap()).exit;
    assert_eq!(claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).exit, 0);
    solo.now += jetton_task::SETTLING_TIME;
    put_in(&mut solo, 1);
    assert_eq!(claim(&mut solo.clone(), REQUESTOR, Share::Requestor, REQUESTOR).exit, 0);
    assert_eq!(bury(&mut solo), 0);
}

/// Rent may have eaten all but next to nothing, less than a tombstone is left with: it is buried all the
/// same.
#[test]
fn what_years_of_rent_left_is_buried() {
    let mut solo = task_of(Kind::InJetton, TaskState::Refunded);
    assert_eq!(claim(&mut solo, REQUESTOR, Share::Requestor, REQUESTOR).exit, 0);
    solo.now += jetton_task::SETTLING_TIME;
    let mut left = Vec::new();
    for months in 0..600 {
        let mut later = solo.clone();
        later.now += months * (YEAR / 12);
        let ran = later.send(REQUESTOR, LEAST_OF_BURIAL, jetton_task::bury(QUERY).unwrap());
        match ran.exit {
            0 => left.push(later.balance),
            // What is owed for rent is taken from the message, whose rest is too little.
            exit => assert!([-1001, -14, 104].contains(&exit), "{exit} after {months} months"),
        }
    }
    let (first, last) = (left.first().unwrap(), left.last().unwrap());
    // Five years of a tombstone's rent, in nanogram.
    assert_eq!(*first, 9_624_024);
    assert!(last < first, "no month left less than a tombstone gets: {left:?}");
}

/// Nothing is swept where the master never said which wallet the task's is.
#[test]
fn a_sweep_needs_a_wallet() {
    for (mut solo, exit) in [(asking(), 101), (waiting(), 0)] {
        assert_eq!(say(&mut solo, Word::Cancel, REQUESTOR).exit, 0);
        solo.now += jetton_task::SETTLING_TIME;
        let sweep = jetton_task::sweep(QUERY, units(1)).unwrap();
        assert_eq!(solo.send(REQUESTOR, GRAM, sweep).exit, exit);
    }
}

/// A requestor that began and went away: anybody ends it, a day after, and all is the requestor's.
#[test]
fn a_task_that_was_never_paid_ends_by_time() {
    for mut solo in [asking(), waiting()] {
        put_in(&mut solo, UNITS / 2);
        let held = money(&solo).held.get();
        solo.now += jetton_task::FUNDING_TIME;
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 103);
        solo.now += 1;
        assert_eq!(say(&mut solo, Word::Expire, STRANGER).exit, 0);
        assert_eq!((state(&solo), money(&solo).dues), (TaskState::Refunded, refunded(held)));
    }
    assert_eq!(say(&mut fresh(), Word::Expire, STRANGER).exit, 101);
}

/// Others' stake earns nothing of a task in a jetton, so it stands for none.
#[test]
fn delegated_stake_stands_for_no_task_in_a_jetton() {
    let mut errand = Errand::open(Make::Reference);
    let staker = errand.town.world.staker(0);
    errand.town.world.delegate(&staker, Nano::grams(5));
    let at = errand.at;
    assert_eq!(failures(&errand.town.world.assign(at)), [136]);
    assert_eq!(errand.data().task.state, TaskState::Open);
    assert_eq!(errand.town.world.bond().reserved, Nano::ZERO);
    // For one in GRAM it does.
    let init = errand.town.world.task_init(9);
    errand.town.world.fund(&init);
    assert_eq!(failures(&errand.town.world.assign(init.address().unwrap())), [0; 0]);
}

/// In a market only tasks of its own two codes register, reserve and free; one's consent is not the
/// other's.
#[test]
fn a_twin_in_gram_is_another_task() {
    let twin = task().task;
    assert_ne!(twin.address().unwrap(), task().address().unwrap());
    let mut stake = alone::stake_alone();
    let reserve = |stake: &mut Solo, at: Address, meant: Address| {
        let consent = Consent { task: meant, ..consent_for(&twin, stake.now) };
        let body = reserve_body(&twin, &consent, &consent, &alone::session());
        stake.send(at, GRAM / 10, body).exit
    };
    let (own, gram) = (task().address().unwrap(), twin.address().unwrap());
    assert_eq!(reserve(&mut stake.clone(), own, gram), 105, "the other's consent");
    assert_eq!(reserve(&mut stake.clone(), gram, own), 105);
    assert_eq!(reserve(&mut stake.clone(), STRANGER, own), 108);
    for at in [own, gram] {
        let far = Address { workchain: -1, ..at };
        assert_eq!(reserve(&mut stake.clone(), far, far), 108, "the masterchain");
    }
    assert_eq!(reserve(&mut stake, own, own), 0);
    assert_eq!(reserve(&mut stake, gram, gram), 0);
}

/// A guarantee is no money: a huge one for a unit still has to be reserved whole, by stake and bond.
#[test]
fn a_huge_guarantee_needs_a_huge_bond() {
    let mut errand = Errand::new(Make::Reference);
    let mut init = errand.town.world.task_init(3);
    init.terms.price = Nano::grams(5_000);
    let jetton = JettonTerms { units: units(1), ..terms(errand.town.jetton.master) };
    errand.task = JettonTask::new(init, jetton).unwrap();
    errand.at = errand.task.address().unwrap();
    assert_eq!(failures(&errand.begin()), [0; 0]);
    assert_eq!(failures(&errand.put_in(1, JETTON_FORWARD)), [0; 0]);
    assert_eq!(errand.data().task.state, TaskState::Open);
    let (price, at) = (Nano::grams(5_000), errand.at);
    let world = &mut errand.town.world;
    let consent = world.consent(at, price, PRICE);
    let valid_until = world.chain.now() + 300;
    let owner = ours(&world.worker.address);
    let assign = task::Assign { owner, price, reserve: PRICE, valid_until, consent };
    let operator = world.operator.clone();
    assert_eq!(failures(&world.take_on(&operator, at, &assign)), [120]);
    errand.assert_conserved();
}

/// The task's own wallet does nothing (its rent is used up; an issuer may lock one as well): every
/// transfer comes back, and is owed until the wallet works again.
#[test]
fn a_wallet_of_its_own_that_does_nothing_delays_and_loses_nothing() {
    let make = Make::Reference;
    let mut errand = Errand::open(make);
    assert_eq!(errand.expire(), [0; 0]);
    let requestor = errand.town.world.requestor.clone();
    let to = ours(&requestor.address);
    let wallet = errand.data().money.unwrap().wallet.unwrap();
    let (awake, own) = (errand.town.state_of(&wallet), errand.town.state_of(&errand.at));
    errand.town.world.chain.warp(25 * YEAR).unwrap();
    // Both sleep; anybody wakes the task.
    errand.claim(&requestor, Share::Requestor, to);
    let at = errand.at;
    errand.town.wake(&requestor, &at, own, Cell::default());
    for _ in 0..3 {
        errand.claim(&requestor, Share::Requestor, to);
        assert_eq!(errand.data().money.unwrap().dues, refunded(UNITS), "{make:?}");
    }
    errand.town.wake(&requestor, &wallet, awake, make.top_up());
    // Its old wallet sleeps as well: it names another address.
    let new = Address::basechain([0x77; 32]);
    assert_eq!(errand.claim(&requestor, Share::Requestor, new), [0; 0], "{make:?}");
    assert_eq!(errand.data().money.unwrap().dues, refunded(0), "{make:?}");
    assert_eq!(errand.town.jettons(&new), UNITS);
    assert_eq!(errand.town.jettons(&errand.at), 0);
}
