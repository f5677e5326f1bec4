//! Whatever an order led to, everybody gets out of it.

use fog_contracts::{CLAIM_VALUE, OWNER_VALUE, TaskState, operator, stake, task};
use fog_protocol::Nano;

use super::stage::Arena;
use crate::{shares, world::UNBONDING};

const DAY: u32 = 24 * 3600;
const LAST_EXIT: u32 = 90 * DAY;
const STALE: u32 = 181 * DAY;

/// The task ends, pushed by a stranger; then staker, worker and node take all that is theirs.
pub(super) fn close(arena: &mut Arena) {
    end(arena);
    free_stale(arena);
    assert_eq!(arena.world.stake().reserved, Nano::ZERO);
    assert_eq!(arena.world.bond().reserved, Nano::ZERO);
    redeem_all(arena);
    empty_stake(arena);
    empty_bond(arena);
}

fn end(arena: &mut Arena) {
    let (task, stranger) = (arena.task, arena.world.stranger.clone());
    for attempt in 0..6 {
        if arena.world.is_ended(&task) {
            return;
        }
        let odd = attempt % 2 == 1;
        // Past every deadline; or past the last exit's.
        arena.warp(2 * DAY + if odd { LAST_EXIT } else { 0 });
        let judged =
            matches!(arena.world.state(&task), Some(TaskState::Accepted | TaskState::Rejected));
        let body = if judged && !odd { task::finalize(7) } else { task::expire(8) };
        let told = arena.world.push(&stranger, task, body.unwrap());
        arena.settle(told);
    }
    assert!(arena.world.is_ended(&task), "stuck in {:?}", arena.world.state(&task));
}

/// What a task that took the last exit left reserved, anybody frees.
fn free_stale(arena: &mut Arena) {
    if arena.world.stake().reserved == Nano::ZERO {
        return;
    }
    arena.warp(STALE);
    let (task, stranger) = (arena.task, arena.world.stranger.clone());
    let body = stake::free_stale(7, &task.hash).unwrap();
    let told = arena.world.call(&stranger, arena.stake, OWNER_VALUE, body);
    arena.settle(told);
}

fn redeem_all(arena: &mut Arena) {
    let shares = arena.delegated().shares;
    if shares > 0 {
        let told = arena.undelegate(shares);
        arena.settle(told);
    }
    arena.warp(UNBONDING + 1);
    for _ in 0..arena.delegated().queue.len() {
        let told = arena.claim();
        arena.settle(told);
    }
    let left = arena.delegated();
    assert_eq!((left.shares, left.queue.len()), (0, 0), "a staker is held up");
}

fn empty_stake(arena: &mut Arena) {
    let worker = arena.world.worker.clone();
    let unbondable = arena.world.stake().unbondable();
    if unbondable > Nano::ZERO {
        let told = arena.world.owner_op(stake::unbond(7, unbondable).unwrap());
        arena.settle(told);
    }
    arena.warp(UNBONDING + 1);
    for body in [stake::withdraw(8), stake::withdraw_earnings(9)] {
        let told = arena.world.call(&worker, arena.stake, CLAIM_VALUE, body.unwrap());
        arena.settle(told);
    }
    let left = arena.world.stake();
    assert_eq!(shares::owed(&left), 0, "{left:?}");
}

fn empty_bond(arena: &mut Arena) {
    let (node, left) = (arena.world.operator.clone(), arena.world.bond().bond);
    if left == Nano::ZERO {
        return;
    }
    let told = arena.world.bond_op(&node, operator::withdraw(7, left).unwrap());
    arena.settle(told);
    assert_eq!(arena.world.bond().bond, Nano::ZERO);
}
