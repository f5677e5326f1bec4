//! What a stake may make of delegated stake in one transaction, worked out anew from the data before
//! and after: nothing is made or lost, nobody's share gets worth less but by a slash, and a slash
//! takes from everybody in proportion.

use fog_contracts::{
    Slash, StakeLog,
    delegation::DelegationData,
    stake::{self, StakeData},
};
use fog_protocol::Nano;
use num_bigint::BigUint;
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice},
    models::{MsgInfo, OwnedMessage},
};

const VIRTUAL: u64 = 1_000_000_000;

/// Everything that belongs to somebody.
pub(crate) fn owed(data: &StakeData) -> u64 {
    let pool = &data.pool;
    [data.stake, data.earnings, pool.coins, pool.leaving, pool.vesting].map(Nano::get).iter().sum()
}

/// Everything that a slash may take.
pub(crate) fn at_stake(data: &StakeData) -> u64 {
    data.stake.get() + data.pool.coins.get() + data.pool.leaving.get()
}

/// External messages among what was sent, each of which must be a log.
pub(crate) fn logs(outgoing: &[OwnedMessage]) -> Vec<StakeLog> {
    let outside = outgoing.iter().filter(|message| matches!(message.info, MsgInfo::ExtOut(_)));
    let parse = |message: &OwnedMessage| {
        let mut builder = CellBuilder::new();
        builder.store_slice(CellSlice::apply(&message.body).unwrap()).unwrap();
        StakeLog::parse(&builder.build().unwrap()).unwrap()
    };
    outside.map(parse).collect()
}

fn big(number: impl Into<u128>) -> BigUint {
    BigUint::from(number.into())
}

/// Is a share (`coins + 1` of `shares + VIRTUAL`) worth at least as much as before?
fn keeps_its_worth(before: (u64, &BigUint), after: (u64, &BigUint)) -> bool {
    let price = |coins: u64, other: &BigUint| big(coins + 1) * (other + VIRTUAL);
    price(after.0, before.1) >= price(before.0, after.1)
}

fn bonded(data: &StakeData) -> (u64, BigUint) {
    (data.pool.coins.get(), big(data.pool.shares))
}

fn leaving(data: &StakeData) -> (u64, BigUint) {
    (data.pool.leaving.get(), BigUint::from_bytes_be(&data.pool.leaving_shares.0))
}

/// One transaction: `step` is the opcode and the amounts of the message that was taken.
pub(crate) fn check(
    before: &StakeData,
    after: &StakeData,
    step: Option<(u32, &[u64])>,
    logs: &[StakeLog],
) {
    let (had, has) = (i128::from(owed(before)), i128::from(owed(after)));
    let slashed = matches!(step, Some((stake::op::SLASH, _)));
    if !slashed {
        for of in [bonded, leaving] {
            let ((a, b), (c, d)) = (of(before), of(after));
            // With the last share goes what no share is worth; the next starts anew.
            let anew = d == BigUint::ZERO;
            assert!(anew || keeps_its_worth((a, &b), (c, &d)), "{before:?}\n{after:?}");
        }
    }
    let logged = |of: fn(&StakeLog) -> Option<u64>| {
        let amounts: Vec<_> = logs.iter().filter_map(of).collect();
        assert_eq!((amounts.len(), logs.len()), (1, 1), "one log a movement: {logs:?}");
        i128::from(amounts[0])
    };
    let moved = |log: &StakeLog| match log {
        StakeLog::Moved(moved) => Some(moved.amount.get()),
        StakeLog::Rewarded(_) | StakeLog::Slashed(_) => None,
    };
    match step {
        Some((stake::op::SETTLE, amounts)) => {
            assert_eq!(has - had, i128::from(amounts[0]));
            // It is nobody's stake yet: the pool grows by what had vested, and no more.
            assert_eq!((after.stake, after.pool.leaving), (before.stake, before.pool.leaving));
            assert!(after.earnings >= before.earnings);
            let reward = |log: &StakeLog| match log {
                StakeLog::Rewarded(reward) => Some(reward.amount.get()),
                StakeLog::Moved(_) | StakeLog::Slashed(_) => None,
            };
            assert_eq!(logged(reward), has - had);
        }
        Some((stake::op::SLASH, amounts)) => {
            assert_eq!(had - has, i128::from(amounts[0]));
            let [StakeLog::Slashed(log)] = logs else { panic!("one log a slash: {logs:?}") };
            check_cut(before, after, log);
            // Of what others delegated nobody gets anything, and of the worker's own half at most.
            let own = log.amount.get() - log.delegated.get();
            assert_eq!(log.share.get(), amounts[1].min(own / 2), "{before:?}\n{after:?}");
        }
        Some((stake::op::JOIN, amounts)) => {
            assert_eq!(has - had, i128::from(amounts[0]));
            assert_eq!(logged(moved), has - had);
        }
        Some((stake::op::LEAVE, _)) => {
            assert_eq!(has, had);
            let left = logged(moved);
            let anew = after.pool.leaving_shares == fog_protocol::Hash32::default();
            let leaves =
                i128::from(after.pool.leaving.get()) - i128::from(before.pool.leaving.get());
            assert!(anew || leaves == left);
        }
        Some((stake::op::REDEEM, _)) => assert_eq!(had - has, logged(moved)),
        Some((stake::op::DEPOSIT, _)) => assert_eq!(has - had, logged(moved)),
        Some((stake::op::UNBOND, _)) => {
            assert_eq!(has, had);
            let unbonds = i128::from((after.unbonding.get()) - before.unbonding.get());
            assert_eq!(unbonds, logged(moved));
        }
        Some((stake::op::WITHDRAW | stake::op::WITHDRAW_EARNINGS, _)) => {
            assert!(has < had && logs.is_empty());
        }
        Some(_) | None => assert!(has == had && logs.is_empty(), "{before:?}\n{after:?}"),
    }
}

/// Everybody lost in proportion to what was at stake, to the nanogram; what is not divisible is the
/// worker's.
fn check_cut(before: &StakeData, after: &StakeData, log: &Slash) {
    let amount = i128::from(log.amount.get());
    // What had vested by now belongs to the pool, and is in `before` as vesting.
    let vested = i128::from(before.pool.vesting.get()) - i128::from(after.pool.vesting.get());
    let lost = |of: fn(&StakeData) -> u64| i128::from(of(before)) - i128::from(of(after));
    let own = lost(|data| data.stake.get());
    let left = lost(|data| data.pool.leaving.get());
    let pool = lost(|data| data.pool.coins.get()) + vested;
    assert_eq!(own + pool + left, amount);
    assert_eq!(pool + left, i128::from(log.delegated.get()));
    let all = i128::from(at_stake(before)) + vested;
    for (lost, had) in [
        (pool, i128::from(before.pool.coins.get()) + vested),
        (left, i128::from(before.pool.leaving.get())),
    ] {
        let fair = amount * had;
        assert!((lost - 1) * all <= fair && fair <= (lost + 2) * all, "{lost} of {had} in {all}");
    }
    assert!(own * all >= amount * i128::from(before.stake.get()), "the worker bears its part");
}

/// Shares of all delegations of a stake, and what they are worth together.
pub(crate) fn check_sums(data: &StakeData, delegations: impl Iterator<Item = Cell>) {
    let (mut shares, mut worth) = (0u128, 0u64);
    let (mut left, mut left_worth) = (BigUint::ZERO, 0u64);
    for cell in delegations {
        let delegation = DelegationData::parse(&cell).unwrap();
        shares += delegation.shares;
        worth += data.pool.worth(delegation.shares, 0).get();
        for entry in delegation.queue {
            left += BigUint::from_bytes_be(&entry.shares.0);
            left_worth += data.pool.leaving_worth(&entry.shares).get();
        }
    }
    assert_eq!(shares, data.pool.shares);
    assert_eq!(left, BigUint::from_bytes_be(&data.pool.leaving_shares.0));
    assert!(worth <= data.pool.coins.get() && left_worth <= data.pool.leaving.get());
}
