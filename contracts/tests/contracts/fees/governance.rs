//! What a market's own messages cost, with as many verifiers as there may be.

use super::*;
use fog_contracts::market::{Config, MarketInit};

/// Every message of the owner, the heir and whoever applies a proposal; last, the market is the
/// stranger's.
pub(super) fn ways(world: &mut World, meter: &mut Meter) {
    let next = crate::world::config(EVERYBODY, &world.verifiers, world.treasury, world.burn);
    set_up(world, meter, &next);
    let (owner, heir) = (world.owner.clone(), world.stranger.clone());
    let offer = || market::offer_owner(1, &ours(&heir.address)).unwrap();
    let plain = |op| market::plain(op, 1).unwrap();
    let propose = market::propose(1, &next).unwrap();
    say(world, meter, &owner, market::set_pause(1, false).unwrap());
    say(world, meter, &owner, market::set_pause(1, true).unwrap());
    say(world, meter, &owner, propose.clone());
    // In the place of another.
    say(world, meter, &owner, propose.clone());
    say(world, meter, &owner, offer());
    say(world, meter, &owner, plain(market::op::WITHDRAWN));
    say(world, meter, &owner, plain(market::op::KEEP_OWNER));
    say(world, meter, &owner, propose.clone());
    say(world, meter, &owner, offer());
    world.chain.warp(TIMELOCK).unwrap();
    say(world, meter, &heir, plain(market::op::APPLY));
    say(world, meter, &owner, propose);
    say(world, meter, &heir, plain(market::op::ACCEPT_OWNER));
}

fn say(world: &mut World, meter: &mut Meter, from: &Treasury, body: Cell) {
    let receipt = world.market_op(from, body);
    assert_eq!(failures(&receipt), [0; 0]);
    meter.read(&receipt);
}

/// Another market of the same owner's.
fn set_up(world: &mut World, meter: &mut Meter, config: &Config) {
    let fresh = MarketInit { owner: ours(&world.owner.address), salt: 8 };
    let owner = world.owner.clone();
    let (init, body) = (fresh.state_init().unwrap(), market::setup(1, config).unwrap());
    let receipt = world.deploy(&owner, fresh.address().unwrap(), Nano::grams(1), init, body);
    assert_eq!(failures(&receipt), [0; 0]);
    meter.read(&receipt);
}

/// [`GAS_PRICE`] is what the chain takes.
#[test]
fn gas_costs_what_the_table_reckons_with() {
    use tycho_types::models::{ComputePhase, TxInfo};

    let mut world = World::new();
    let owner = world.owner.clone();
    let receipt = world.market_op(&owner, market::set_pause(1, true).unwrap());
    let at = std(&world.market);
    let record = receipt.transactions.iter().find(|record| record.address == at).unwrap();
    let TxInfo::Ordinary(info) = record.load().unwrap().load_info().unwrap() else { panic!() };
    let ComputePhase::Executed(phase) = info.compute_phase else { panic!() };
    let fees = u128::from(record.gas_used().unwrap()) * u128::from(GAS_PRICE);
    assert_eq!(phase.gas_fees.into_inner(), fees);
}
