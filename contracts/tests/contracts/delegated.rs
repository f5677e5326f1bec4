//! Delegated stake on a whole chain: a staker, a worker, tasks that pay and slash.

use fog_contracts::{
    CLAIM_VALUE, DELEGATE_VALUE, UNDELEGATE_VALUE,
    delegation::{self, DelegationData, DelegationInit},
    stake,
    task::{self, Outcome},
};
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{Receipt, StackItem, Treasury};

use crate::gates::gate;
use crate::world::{FEE_BPS, PRICE, RESERVE, UNBONDING, WINDOW, World, failures, ours, std};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
/// What a task pays a worker.
pub(crate) const PAY: u64 = PRICE.get() - PRICE.get() * FEE_BPS as u64 / 10_000;

impl World {
    pub(crate) fn delegation_of(&self, staker: &Treasury) -> DelegationInit {
        DelegationInit { stake: self.stake.address().unwrap(), owner: ours(&staker.address) }
    }

    pub(crate) fn delegate(&mut self, staker: &Treasury, amount: Nano) -> Receipt {
        let init = self.delegation_of(staker);
        let body = delegation::delegate(self.next_query(), amount, 5000).unwrap();
        let value = amount.saturating_add(DELEGATE_VALUE);
        self.deploy(staker, init.address().unwrap(), value, init.state_init().unwrap(), body)
    }

    pub(crate) fn undelegate(&mut self, staker: &Treasury, shares: u128) -> Receipt {
        let at = self.delegation_of(staker).address().unwrap();
        let body = delegation::undelegate(self.next_query(), shares).unwrap();
        self.call(staker, at, UNDELEGATE_VALUE, body)
    }

    pub(crate) fn claim(&mut self, staker: &Treasury) -> Receipt {
        let at = self.delegation_of(staker).address().unwrap();
        let body = delegation::claim(self.next_query()).unwrap();
        self.call(staker, at, CLAIM_VALUE, body)
    }

    pub(crate) fn delegation(&self, staker: &Treasury) -> DelegationData {
        let at = self.delegation_of(staker).address().unwrap();
        let view = self.chain.account(&std(&at)).unwrap();
        DelegationData::parse(&view.data.expect("it is deployed")).unwrap()
    }

    /// What a staker's shares are worth now.
    pub(crate) fn worth(&self, staker: &Treasury) -> u64 {
        let shares = self.delegation(staker).shares;
        self.stake().pool.worth(shares, self.chain.now()).get()
    }

    /// A staker with 1,000 GRAM.
    pub(crate) fn staker(&mut self, salt: u64) -> Treasury {
        self.chain.open_treasury(20 + salt, 1_000_000_000_000).unwrap()
    }
}

/// A task that was assigned, for `reserve`.
fn assigned(world: &mut World, id: u8, reserve: Nano) -> Address {
    let init = world.task_init(id);
    assert_eq!(failures(&world.fund(&init)), [0; 0]);
    let task = init.address().unwrap();
    let consent = world.consent(task, PRICE, reserve);
    assert_eq!(failures(&world.assign_with(task, reserve, consent)), [0; 0]);
    task
}

/// Brings an assigned task to its end.
fn end(world: &mut World, task: Address, outcome: Outcome) {
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, outcome, &[0, 1]);
    world.chain.warp(WINDOW + 1).unwrap();
    let stranger = world.stranger.clone();
    assert_eq!(failures(&world.push(&stranger, task, task::finalize(1).unwrap())), [0; 0]);
    assert!(world.is_ended(&task));
}

fn near(is: u64, meant: u64) -> bool {
    is.abs_diff(meant) <= 2
}

#[test]
fn stake_is_delegated_earns_and_comes_back() {
    let mut world = World::new();
    let staker = world.staker(0);
    let had = world.balance(&ours(&staker.address));
    world.deposit(Nano::grams(100));
    assert_eq!(failures(&world.delegate(&staker, Nano::grams(300))), [0; 0]);
    let stake = world.stake();
    assert_eq!((stake.stake, stake.pool.coins), (Nano::grams(100), Nano::grams(300)));
    assert_eq!(stake.free(), Nano::grams(400));
    assert_eq!(world.worth(&staker), Nano::grams(300).get());
    // Its reserve is more than the worker has.
    let task = assigned(&mut world, 1, Nano::grams(350));
    end(&mut world, task, Outcome::Accepted);
    // Three quarters earned by the delegated part, a tenth of that the worker's.
    let delegated = PAY * 3 / 4 * 9 / 10;
    let stake = world.stake();
    assert!(near(stake.pool.vesting.get(), delegated), "{stake:?}");
    assert_eq!(stake.earnings.get() + stake.pool.vesting.get(), PAY);
    // It is not there at once, but little by little.
    assert_eq!(world.worth(&staker), Nano::grams(300).get());
    world.chain.warp(UNBONDING / 2).unwrap();
    let half = world.worth(&staker) - Nano::grams(300).get();
    assert!(half.abs_diff(delegated / 2) < delegated / 1000, "{half} of {delegated}");
    world.chain.warp(UNBONDING).unwrap();
    assert!(near(world.worth(&staker), Nano::grams(300).get() + delegated));

    let shares = world.delegation(&staker).shares;
    assert_eq!(failures(&world.undelegate(&staker, shares)), [0; 0]);
    assert_eq!(world.delegation(&staker).shares, 0);
    assert_eq!(failures(&world.claim(&staker)), [103]);
    assert_eq!(world.delegation(&staker).queue.len(), 1, "a refused claim changes nothing");
    world.chain.warp(UNBONDING + 1).unwrap();
    assert_eq!(failures(&world.claim(&staker)), [0; 0]);
    let has = world.balance(&ours(&staker.address));
    assert!(has > had + delegated - 200_000_000, "{has} of {had}: all of it less gas and rent");
    let stake = world.stake();
    assert_eq!((stake.pool.coins, stake.pool.leaving), (Nano::ZERO, Nano::ZERO));
    // What does not divide stays bonded.
    assert!(near(stake.stake.get(), Nano::grams(100).get()), "{stake:?}");
    world.assert_conserved();
}

#[test]
fn a_slash_takes_from_everybody_in_proportion() {
    let mut world = World::new();
    let (early, late, leaver) = (world.staker(0), world.staker(1), world.staker(2));
    world.deposit(Nano::grams(100));
    for (staker, grams) in [(&early, 50), (&late, 30), (&leaver, 20)] {
        assert_eq!(failures(&world.delegate(staker, Nano::grams(grams))), [0; 0]);
    }
    let task = assigned(&mut world, 1, Nano::grams(100));
    // Leaving once it is reserved for does not help.
    let shares = world.delegation(&leaver).shares;
    assert_eq!(failures(&world.undelegate(&leaver, shares)), [0; 0]);
    end(&mut world, task, Outcome::Rejected);
    let stake = world.stake();
    assert_eq!(stake.stake, Nano::grams(50));
    assert_eq!((stake.pool.coins, stake.pool.leaving), (Nano::grams(40), Nano::grams(10)));
    assert!(near(world.worth(&early), 25_000_000_000));
    assert!(near(world.worth(&late), 15_000_000_000));
    world.chain.warp(UNBONDING + 1).unwrap();
    let before = world.balance(&ours(&leaver.address));
    assert_eq!(failures(&world.claim(&leaver)), [0; 0]);
    let got = world.balance(&ours(&leaver.address)) - before;
    assert!(got.abs_diff(10_000_000_000) < 50_000_000, "{got}");
    world.assert_conserved();
}

/// Who leaves when a task's work is seen to be bad stays in until that task is over, even if nobody
/// pushes it; who left before it was reserved for is not held up by it.
#[test]
fn nobody_runs_from_a_slash_and_nobody_is_held_up_by_what_came_later() {
    let mut world = World::new();
    let (first, second) = (world.staker(0), world.staker(1));
    world.deposit(Nano::grams(100));
    world.delegate(&first, Nano::grams(50));
    world.delegate(&second, Nano::grams(50));
    let shares = world.delegation(&first).shares;
    world.undelegate(&first, shares);
    world.chain.warp(5).unwrap();
    let task = assigned(&mut world, 1, Nano::grams(100));
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, Outcome::Rejected, &[0, 1]);
    let shares = world.delegation(&second).shares;
    world.undelegate(&second, shares);
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::new(1)).unwrap())), [109]);
    world.chain.warp(2 * UNBONDING).unwrap();
    assert_eq!(failures(&world.claim(&first)), [0; 0]);
    assert_eq!(world.delegation(&first).queue.len(), 0);
    for _ in 0..2 {
        assert_eq!(failures(&world.claim(&second)), [133]);
        assert_eq!(world.delegation(&second).queue.len(), 1);
    }
    // Anybody ends the task: the staker, too.
    assert_eq!(failures(&world.push(&second, task, task::finalize(1).unwrap())), [0; 0]);
    let before = world.balance(&ours(&second.address));
    assert_eq!(failures(&world.claim(&second)), [0; 0]);
    let got = world.balance(&ours(&second.address)) - before;
    // 100 of the 150 that were there.
    assert!(got.abs_diff(50_000_000_000 / 3) < 50_000_000, "{got}");
    world.assert_conserved();
}

/// A worker cannot leave its stakers alone with a task they all stand for.
#[test]
fn a_worker_leaves_no_earlier_than_its_stakers() {
    let mut world = World::new();
    let staker = world.staker(0);
    world.deposit(Nano::grams(100));
    world.delegate(&staker, Nano::grams(100));
    let task = assigned(&mut world, 1, Nano::grams(100));
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(100)).unwrap())), [0; 0]);
    world.chain.warp(UNBONDING + 1).unwrap();
    world.attach = Some(CLAIM_VALUE.get());
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [133]);
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::expire(1).unwrap());
    assert!(world.is_ended(&task));
    world.attach = Some(CLAIM_VALUE.get());
    assert_eq!(failures(&world.owner_op(stake::withdraw(1).unwrap())), [0; 0]);
    let stake = world.stake();
    // The late penalty is a hundredth of the reserve: a half each.
    let penalty = Nano::grams(1).get();
    assert_eq!(stake.pool.coins.get(), Nano::grams(100).get() - penalty / 2);
    assert_eq!((stake.stake, stake.unbonding), (Nano::ZERO, Nano::ZERO));
}

/// What others delegated is not the worker's to take out, however much of it is free.
#[test]
fn a_worker_unbonds_no_more_than_its_own() {
    let mut world = World::new();
    let staker = world.staker(0);
    world.deposit(Nano::grams(10));
    world.delegate(&staker, Nano::grams(100));
    for (unbonds, exits) in [(11, &[109][..]), (6, &[]), (5, &[109]), (4, &[]), (1, &[109])] {
        let body = stake::unbond(1, Nano::grams(unbonds)).unwrap();
        assert_eq!(failures(&world.owner_op(body)), exits, "{unbonds}");
    }
    let over = stake::unbond(1, Nano::new(1)).unwrap();
    assert_eq!(failures(&world.owner_op(over)), [109]);
    assert_eq!(world.stake().unbonding, Nano::grams(10));
}

/// Deposited just before a payment, gone right after: next to nothing of it.
#[test]
fn whoever_comes_for_a_payment_gets_next_to_nothing_of_it() {
    let mut world = World::new();
    let (faithful, sniper) = (world.staker(0), world.staker(1));
    world.deposit(Nano::grams(10));
    world.delegate(&faithful, Nano::grams(10));
    let task = assigned(&mut world, 1, Nano::grams(20));
    world.commit(task, COMMITMENT);
    world.verdict(task, COMMITMENT, Outcome::Accepted, &[0, 1]);
    world.chain.warp(WINDOW + 1).unwrap();
    world.delegate(&sniper, Nano::grams(900));
    let stranger = world.stranger.clone();
    world.push(&stranger, task, task::finalize(1).unwrap());
    world.chain.warp(1).unwrap();
    let shares = world.delegation(&sniper).shares;
    world.undelegate(&sniper, shares);
    let leaving = world.stake().pool.leaving.get();
    let won = leaving.saturating_sub(Nano::grams(900).get());
    assert!(won < PAY / 1000, "{won} of {PAY}");
    world.chain.warp(UNBONDING + 1).unwrap();
    // Nearly all of the delegated part is the faithful one's.
    let vested = world.worth(&faithful) - Nano::grams(10).get();
    assert!(vested > PAY * 88 / 100, "{vested} of {PAY}");
}

/// Rewards that nobody waited for are the worker's: nothing is left behind that is nobody's.
#[test]
fn rewards_whose_stakers_did_not_wait_are_the_workers() {
    let mut world = World::new();
    let staker = world.staker(0);
    world.deposit(Nano::grams(10));
    world.delegate(&staker, Nano::grams(10));
    let task = assigned(&mut world, 1, Nano::grams(5));
    end(&mut world, task, Outcome::Accepted);
    let vesting = world.stake().pool.vesting.get();
    assert!(vesting > PAY / 3);
    let shares = world.delegation(&staker).shares;
    world.undelegate(&staker, shares);
    let stake = world.stake();
    assert_eq!((stake.pool.vesting, stake.pool.coins), (Nano::ZERO, Nano::ZERO));
    let vested = stake.pool.leaving.get() - Nano::grams(10).get();
    assert_eq!(stake.earnings.get() + vested, PAY);
}

/// However often somebody looks in on the way, rewards vest by time alone.
#[test]
fn rewards_vest_evenly() {
    let mut world = World::new();
    let stakers: Vec<_> = (0..4).map(|salt| world.staker(salt)).collect();
    world.deposit(Nano::grams(10));
    world.delegate(&stakers[0], Nano::grams(10));
    let task = assigned(&mut world, 1, Nano::grams(5));
    end(&mut world, task, Outcome::Accepted);
    let all = world.stake().pool.vesting.get();
    for (touched, staker) in (1..).zip(&stakers[1..]) {
        world.chain.warp(UNBONDING / 4).unwrap();
        world.delegate(staker, Nano::grams(1));
        let left = world.stake().pool.vesting.get();
        assert!(left.abs_diff(all * (4 - touched) / 4) < all / 500, "{left} of {all}");
    }
}

/// What the worker is taking out earns no more than what stakers are taking out.
#[test]
fn unbonding_stake_earns_nothing() {
    let mut world = World::new();
    let staker = world.staker(0);
    world.deposit(Nano::grams(30));
    world.delegate(&staker, Nano::grams(10));
    assert_eq!(failures(&world.owner_op(stake::unbond(1, Nano::grams(20)).unwrap())), [0; 0]);
    let task = assigned(&mut world, 1, Nano::grams(5));
    end(&mut world, task, Outcome::Accepted);
    // Half of it, less the commission.
    assert!(near(world.stake().pool.vesting.get(), PAY / 2 * 9 / 10));
}

/// A pool pushed up by a large payment while one share is in it: the next staker loses nothing.
#[test]
fn a_share_cannot_be_made_so_dear_that_rounding_steals() {
    let mut world = World::new();
    let (thief, victim) = (world.staker(0), world.staker(1));
    world.deposit(Nano::new(1));
    world.delegate(&thief, Nano::grams(1));
    // All but one share leaves, then the pool gets a whole payment.
    let shares = world.delegation(&thief).shares;
    world.undelegate(&thief, shares - 1);
    assert_eq!(world.delegation(&thief).shares, 1);
    let spare = world.stake().pool;
    assert!(spare.coins.get() <= 1, "{spare:?}");
    world.chain.warp(UNBONDING + 1).unwrap();
    world.claim(&thief);
    let task = assigned(&mut world, 1, Nano::new(1));
    end(&mut world, task, Outcome::Accepted);
    world.chain.warp(UNBONDING + 1).unwrap();
    let paid = Nano::grams(2).get();
    world.delegate(&victim, Nano::grams(2));
    let loss = paid - world.worth(&victim);
    assert!(loss <= 2, "the victim lost {loss}");
    // And the thief's one share is worth no more than a billionth of what it pushed up.
    assert!(world.worth(&thief) <= 2, "{}", world.worth(&thief));
}

#[test]
fn money_sent_to_a_stake_makes_no_share_dearer() {
    let mut world = World::new();
    let (one, other) = (world.staker(0), world.staker(1));
    world.deposit(Nano::grams(10));
    world.delegate(&one, Nano::grams(1));
    let at = world.stake.address().unwrap();
    let stranger = world.stranger.clone();
    world.call(&stranger, at, Nano::grams(500), Default::default());
    world.delegate(&other, Nano::grams(1));
    assert_eq!(world.delegation(&one).shares, world.delegation(&other).shares);
    assert_eq!(world.stake().pool.coins, Nano::grams(2));
}

#[test]
fn a_raise_of_the_commission_waits_and_a_newcomer_says_what_it_accepts() {
    let mut world = World::new();
    let (staker, newcomer) = (world.staker(0), world.staker(1));
    world.deposit(Nano::grams(100));
    // With nobody there, at once.
    assert_eq!(failures(&world.owner_op(stake::set_commission(1, 2000).unwrap())), [0; 0]);
    assert_eq!(failures(&world.owner_op(stake::set_commission(1, 5001).unwrap())), [131]);
    let init = world.delegation_of(&staker);
    let body = delegation::delegate(7, Nano::grams(100), 1999).unwrap();
    let value = Nano::new(100_200_000_000);
    let had = world.balance(&init.owner);
    let at = init.address().unwrap();
    let refused = world.deploy(&staker, at, value, init.state_init().unwrap(), body);
    assert_eq!(failures(&refused), [131]);
    assert!(had - world.balance(&init.owner) < 200_000_000, "the amount came back");
    world.delegate(&staker, Nano::grams(100));

    assert_eq!(failures(&world.owner_op(stake::set_commission(1, 5000).unwrap())), [0; 0]);
    let now = world.chain.now();
    let pool = world.stake().pool;
    assert_eq!((pool.commission, pool.next_commission), (2000, 5000));
    assert_eq!(pool.commission_at, now + UNBONDING);
    let task = assigned(&mut world, 1, RESERVE);
    end(&mut world, task, Outcome::Accepted);
    let first = world.stake().pool.vesting.get();
    assert!(near(first, PAY / 2 * 8 / 10), "the old one still holds: {first}");
    // A newcomer is asked about the one to come.
    let init = world.delegation_of(&newcomer);
    let body = delegation::delegate(7, Nano::grams(1), 4999).unwrap();
    let at = init.address().unwrap();
    let value = Nano::new(1_300_000_000);
    let refused = world.deploy(&newcomer, at, value, init.state_init().unwrap(), body);
    assert_eq!(failures(&refused), [131]);
    world.chain.warp(2 * UNBONDING).unwrap();
    let task = assigned(&mut world, 2, RESERVE);
    let vesting = |world: &World| world.stake().pool.vesting.get();
    end(&mut world, task, Outcome::Accepted);
    let stake = world.stake();
    let own = stake.stake.get();
    let pool = stake.pool.coins.get();
    let share = u128::from(PAY) * u128::from(pool) / u128::from(own + pool) / 2;
    assert!(near(vesting(&world), u64::try_from(share).unwrap()), "{stake:?}");
    // Lowered at once.
    world.owner_op(stake::set_commission(1, 100).unwrap());
    assert_eq!(world.stake().pool.commission_at_time(world.chain.now()), 100);
}

/// Stakers who leave together with everything are paid to the last nanogram of what is theirs.
#[test]
fn the_last_one_out_leaves_nothing_behind() {
    let mut world = World::new();
    let stakers = [world.staker(0), world.staker(1), world.staker(2)];
    world.deposit(Nano::grams(7));
    for (staker, nano) in stakers.iter().zip([1_000_000_001, 3_333_333_333, 77_777_777_777]) {
        assert_eq!(failures(&world.delegate(staker, Nano::new(nano))), [0; 0]);
    }
    let task = assigned(&mut world, 1, Nano::new(13_579_246_801));
    end(&mut world, task, Outcome::Rejected);
    let task = assigned(&mut world, 2, Nano::new(13_579));
    end(&mut world, task, Outcome::Accepted);
    world.chain.warp(UNBONDING).unwrap();
    for staker in &stakers {
        let shares = world.delegation(staker).shares;
        assert_eq!(failures(&world.undelegate(staker, shares)), [0; 0]);
    }
    world.chain.warp(UNBONDING).unwrap();
    for staker in stakers.iter().rev() {
        assert_eq!(failures(&world.claim(staker)), [0; 0]);
    }
    let stake = world.stake();
    assert_eq!((stake.pool.coins, stake.pool.shares), (Nano::ZERO, 0));
    assert_eq!((stake.pool.leaving, stake.pool.leaving_shares), (Nano::ZERO, Hash32([0; 32])));
    assert_eq!(stake.pool.vesting, Nano::ZERO);
    world.assert_conserved();
}

/// One nanogram below the least is refused and changes nothing; the least goes all the way.
#[test]
fn the_least_carries_a_stakers_commands() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let staker = world.staker(0);
    // Deployed, to be asked what it demands; with the rent it keeps, a second time costs less.
    world.delegate(&staker, Nano::grams(1));
    let at = world.delegation_of(&staker).address().unwrap();
    let output = world.chain.run_get_method(&std(&at), "delegation_values", &[]).unwrap();
    let least: Vec<u64> =
        output.stack.iter().map(|item| u64::try_from(item.as_int().unwrap()).unwrap()).collect();
    let fresh = world.staker(1);
    let amount = Nano::grams(5);
    gate(&mut world, least[0], amount.get(), 104, &|world| world.delegate(&fresh, amount));
    assert_eq!(world.worth(&fresh), amount.get());
    let shares = world.delegation(&fresh).shares;
    gate(&mut world, least[1], 0, 104, &|world| world.undelegate(&fresh, shares));
    assert_eq!(world.delegation(&fresh).queue.len(), 1);
    world.chain.warp(UNBONDING + 1).unwrap();
    gate(&mut world, least[2], 0, 104, &|world| world.claim(&fresh));
    assert_eq!(world.delegation(&fresh).queue.len(), 0);
    assert_eq!(world.stake().pool.leaving, Nano::ZERO);
    // A worker's withdrawal past its stakers: what it always costs, and the looking.
    world.owner_op(stake::unbond(1, Nano::grams(1)).unwrap());
    world.chain.warp(UNBONDING + 1).unwrap();
    let market = std(&world.market);
    let values = world.chain.run_get_method(&market, "attached_values", &[StackItem::int(1)]);
    let owner = u64::try_from(values.unwrap().stack[5].as_int().unwrap()).unwrap();
    let gas_price = 400;
    let least = owner + crate::fees::constant("GAS_BACKING") * gas_price;
    gate(&mut world, least, 0, 104, &|world| world.owner_op(stake::withdraw(1).unwrap()));
    assert_eq!(world.stake().stake, Nano::grams(99));
}

/// Ten years later rent has eaten what was kept for it: topped up by anyone, everything is there.
#[test]
fn ten_years_later_a_staker_gets_everything() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(50));
    let shares = world.delegation(&staker).shares;
    world.undelegate(&staker, shares / 2);
    world.chain.warp(10 * 365 * 86_400).unwrap();
    let before = world.balance(&ours(&staker.address));
    assert_eq!(failures(&world.claim(&staker)), [0; 0]);
    let shares = world.delegation(&staker).shares;
    assert_eq!(failures(&world.undelegate(&staker, shares)), [0; 0]);
    world.chain.warp(UNBONDING + 1).unwrap();
    assert_eq!(failures(&world.claim(&staker)), [0; 0]);
    let got = world.balance(&ours(&staker.address)) - before;
    assert!(got.abs_diff(Nano::grams(50).get()) < 200_000_000, "{got}");
}

/// A stake whose balance does not give what is claimed: the claim comes back, and nothing is lost.
#[test]
fn a_claim_that_cannot_be_paid_comes_back() {
    let mut world = World::new();
    let worker = Nano::new(1);
    world.deposit(worker);
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(50));
    let shares = world.delegation(&staker).shares;
    world.undelegate(&staker, shares);
    // The rent of fourteen years; nothing else is in there that could pay for it.
    world.chain.warp(14 * 365 * 86_400).unwrap();
    let refused = world.claim(&staker);
    let hurt = |tx: &fog_testnet::chain::TxRecord| {
        tx.action_code().unwrap().unwrap_or(0) != 0 || tx.exit_code().unwrap() == Some(5)
    };
    assert!(refused.transactions.iter().any(hurt), "it is not paid");
    assert_eq!(world.delegation(&staker).queue.len(), 1, "the entry came back");
    let (at, stranger) = (world.stake.address().unwrap(), world.stranger.clone());
    world.call(&stranger, at, Nano::grams(3), Default::default());
    let before = world.balance(&ours(&staker.address));
    assert_eq!(failures(&world.claim(&staker)), [0; 0]);
    let got = world.balance(&ours(&staker.address)) - before;
    assert!(got.abs_diff(Nano::grams(50).get()) < 200_000_000, "{got}");
}
