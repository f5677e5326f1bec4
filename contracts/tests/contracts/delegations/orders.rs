//! All orders of six messages around one slash, at three paces: who stood for the task when it was
//! reserved for bears its part, whoever comes first; who had begun to leave before bears its part, too,
//! as long as it is in, but is held up by nothing.

use fog_contracts::stake;
use fog_protocol::{Hash32, Nano};

use super::{AMOUNT, ENOUGH, OTHER, QUERY, STAKER, at, join, leave, redeem};
use crate::{
    alone::{OWNER, STRANGER, stake_alone, task_init},
    shares,
    solo::{Solo, body, put_address, put_coins, put_hash},
    stakes::{data, reserve},
    world::{RESERVE, UNBONDING},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reserve,
    Slash,
    Leave,
    Redeem,
    Newcomer,
    /// The worker unbonds, and withdraws when it can.
    Worker,
}

const STEPS: [Step; 6] =
    [Step::Reserve, Step::Slash, Step::Leave, Step::Redeem, Step::Newcomer, Step::Worker];

/// What has happened to the one staker.
#[derive(Default)]
struct Life {
    left_at: Option<u32>,
    reserved_at: Option<u32>,
    slashed: bool,
    redeemed: bool,
}

fn step(solo: &mut Solo, step: Step, life: &mut Life) {
    let before = data(solo);
    match step {
        Step::Reserve => {
            if reserve(solo, 1).exit == 0 {
                life.reserved_at = Some(solo.now);
            }
        }
        Step::Slash => {
            let told = body(stake::op::SLASH, QUERY, |b| {
                put_coins(b, RESERVE);
                put_coins(b, Nano::ZERO);
                put_hash(b, &Hash32([0x22; 32]));
                put_address(b, STRANGER);
            });
            let ran = solo.send(task_init(1).address().unwrap(), ENOUGH, told);
            assert_eq!(ran.exit == 0, life.reserved_at.is_some());
            life.slashed = ran.exit == 0;
        }
        Step::Leave => {
            let ran = solo.send(at(STAKER), ENOUGH, leave(before.pool.shares, STAKER));
            // All there is leaves: a newcomer that was quicker leaves with the staker.
            assert_eq!(ran.exit, 0);
            life.left_at = Some(solo.now);
        }
        Step::Redeem => {
            let Some(left) = life.left_at else { return };
            let told = redeem(before.pool.leaving_shares, left, STAKER);
            let ran = solo.send(at(STAKER), ENOUGH, told);
            let backs = life.reserved_at.is_some_and(|made| made <= left) && !life.slashed;
            let code = match solo.now >= left + UNBONDING {
                false => 103,
                true if backs => 133,
                true => 0,
            };
            assert_eq!(ran.exit, code);
            life.redeemed = ran.exit == 0;
        }
        Step::Newcomer => {
            let told = join(AMOUNT, 1000, OTHER);
            assert_eq!(solo.send(at(OTHER), AMOUNT.get() + ENOUGH, told).exit, 0);
        }
        Step::Worker => {
            let told = stake::unbond(QUERY, Nano::grams(1)).unwrap();
            assert_eq!(solo.send(OWNER, ENOUGH, told).exit, 0);
        }
    }
    let after = data(solo);
    assert!(after.reserved.get() <= shares::at_stake(&after), "{step:?}: {after:?}");
    assert!(solo.balance >= shares::owed(&after), "{step:?}: {after:?}");
    assert!(after.pool.worth(after.pool.shares, solo.now) <= after.pool.coins);
}

fn orders(of: &[Step]) -> Vec<Vec<Step>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in of.iter().enumerate() {
        let rest: Vec<_> = [&of[..index], &of[index + 1..]].concat();
        for mut order in orders(&rest) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}

#[test]
fn in_every_order_everybody_bears_its_part_and_nobody_is_held_up() {
    let mut start = stake_alone();
    let joined = start.send(at(STAKER), AMOUNT.get() + ENOUGH, join(AMOUNT, 1000, STAKER));
    assert_eq!(joined.exit, 0);
    let (mut redeemed, mut held, mut slashed) = (0, 0, 0);
    for order in orders(&STEPS) {
        for pace in [0, 1, UNBONDING] {
            let (mut solo, mut life) = (start.clone(), Life::default());
            for one in &order {
                step(&mut solo, *one, &mut life);
                solo.now += pace;
            }
            redeemed += u32::from(life.redeemed);
            held += u32::from(life.left_at.is_some() && !life.redeemed);
            slashed += u32::from(life.slashed);
            // Everybody ends it: the task by time, then what is leaving, then the worker's own.
            solo.now += 400 * 86_400;
            let free = stake::free_stale(QUERY, &task_init(1).address().unwrap().hash).unwrap();
            solo.send(STRANGER, ENOUGH, free);
            assert_eq!(data(&solo).reserved, Nano::ZERO);
            if !life.redeemed {
                let (left, leaving) = (life.left_at.unwrap(), data(&solo).pool.leaving_shares);
                let ran = solo.send(at(STAKER), ENOUGH, redeem(leaving, left, STAKER));
                assert_eq!(ran.exit, 0, "{order:?} at {pace}");
            }
            let out = solo.send(OWNER, ENOUGH, stake::withdraw(QUERY).unwrap());
            assert_eq!(out.exit, 0, "{order:?} at {pace}");
        }
    }
    fog_figures::figure!(
        "orders around delegated stake",
        "2160 lives: {redeemed} redeemed at once, {held} later, {slashed} slashed"
    );
    assert!(redeemed > 100 && held > 100 && slashed > 100);
}
