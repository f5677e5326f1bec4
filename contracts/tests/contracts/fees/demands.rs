//! What contracts demand with each message, in numbers: their constants are read from the sources
//! elsewhere, and a constant that is wrong is wrong there, too.

use fog_contracts::channel::Purpose;
use fog_protocol::Nano;
use fog_testnet::chain::StackItem;

use crate::{
    channels::kit,
    jetton_tasks::kit::Errand,
    jettons::{kit::Town, real::Make},
    world::{World, std},
};

fn demanded(world: &World, at: fog_protocol::Address, method: &str, of: &[StackItem]) -> Vec<u64> {
    let output = world.chain.run_get_method(&std(&at), method, of).unwrap();
    output.stack.iter().map(|item| u64::try_from(item.as_int().unwrap()).unwrap()).collect()
}

/// Nanogram, at the prices of the embedded chain's configuration.
#[test]
fn what_contracts_demand_is_written_down() {
    let mut world = World::new();
    let market = |signatures: u8| {
        demanded(&world, world.market, "attached_values", &[StackItem::int(signatures)])
    };
    let one = [
        382_059_800,
        69_560_000,
        10_920_000,
        11_520_000,
        43_680_000,
        7_920_000,
        431_878_052,
        96_080_000,
        15_440_000,
        16_320_000,
    ];
    assert_eq!(market(1), one);
    let mut sixteen = one;
    (sixteen[3], sixteen[9]) = (47_520_000, 52_320_000);
    assert_eq!(market(16), sixteen, "a verdict and a ruling cost their signatures");
    let operator = demanded(&world, world.bond.address().unwrap(), "operator_values", &[]);
    assert_eq!(operator, [76_094_170, 69_560_000, 6_320_000]);
    world.deposit(Nano::grams(100));
    let staker = world.staker(0);
    world.delegate(&staker, Nano::grams(1));
    let delegation = world.delegation_of(&staker).address().unwrap();
    let demanded_of_stakers = demanded(&world, delegation, "delegation_values", &[]);
    assert_eq!(demanded_of_stakers, [98_844_200, 18_240_000, 44_640_000]);
    for purpose in Purpose::ALL {
        let account = kit::opened(&mut world, purpose, Nano::grams(8));
        let values = demanded(&world, account.address().unwrap(), "channel_values", &[]);
        let told = [84_158_194, 8_320_000, 8_320_000, 7_520_000, 4_760_000];
        assert_eq!(values, told, "{purpose:?}");
    }
}

#[test]
fn what_contracts_in_jettons_demand_is_written_down() {
    let mut town = Town::new(Make::Reference);
    for purpose in Purpose::ALL {
        let channel = town.opened(purpose, 5);
        let values = demanded(&town.world, channel.address().unwrap(), "channel_values", &[]);
        let told = [
            171_880_352,
            60_720_000,
            10_720_000,
            9_120_000,
            59_920_000,
            9_920_000,
            58_720_000,
            4_760_000,
            3_200_000,
        ];
        assert_eq!(values, told, "{purpose:?}");
    }
    let task = [548_771_143, 60_320_000, 7_160_000, 8_000_000];
    assert_eq!(Errand::open(Make::Reference).values(), task);
}
