//! Get-methods, for explorers and other people's programs: they say what the data says.

use fog_contracts::market;
use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::StackItem;

use crate::world::{FEE_BPS, PRICE, RESERVE, TIMELOCK, World, std};

fn stack(world: &World, at: &Address, method: &str, args: &[StackItem]) -> Vec<StackItem> {
    let output = world.chain.run_get_method(&std(at), method, args).unwrap();
    assert_eq!(output.exit_code, 0, "{method}");
    output.stack
}

/// Numbers as hexadecimal text, without leading zeros; slices as the hash of their cell.
fn shown(items: &[StackItem]) -> Vec<String> {
    let show = |item: &StackItem| match item {
        StackItem::Int(number) => format!("{number:x}"),
        other => {
            other.as_cell().map_or_else(|| format!("{other:?}"), |c| c.repr_hash().to_string())
        }
    };
    items.iter().map(show).collect()
}

fn number(value: impl Into<u64>) -> String {
    format!("{:x}", value.into())
}

fn hash(value: &Hash32) -> String {
    let text: String = value.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = text.trim_start_matches('0');
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

fn address(value: &Address) -> String {
    let cell = tycho_types::cell::CellBuilder::build_from(std(value)).unwrap();
    cell.repr_hash().to_string()
}

#[test]
fn they_say_what_the_data_says() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    let none = stack(&world, &task, "task_work", &[]);
    assert_eq!(shown(&none)[0], "0");
    assert_eq!(none.len(), 8);
    world.assign(task);
    world.commit(task, Hash32([0x11; 32]));
    let data = world.task(&task).unwrap();
    let work = data.work.unwrap();

    let state = shown(&stack(&world, &task, "task_state", &[]));
    assert_eq!(
        state,
        [
            number(data.state as u8),
            number(data.deadline),
            number(data.escrowed.get()),
            hash(&init.terms.id),
            number(PRICE.get()),
        ]
    );
    let told = shown(&stack(&world, &task, "task_work", &[]));
    assert_eq!(
        told,
        [
            "-1".to_owned(),
            address(&work.stake),
            address(&work.owner),
            hash(&work.session),
            number(PRICE.get()),
            number(RESERVE.get()),
            hash(&Hash32([0x11; 32])),
            "0".to_owned(),
        ]
    );
}

#[test]
fn a_stakes_and_a_markets_too() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    world.assign(task);
    let at = world.stake.address().unwrap();
    let stake = world.stake();
    assert_eq!(
        shown(&stack(&world, &at, "stake_state", &[])),
        [
            number(stake.stake.get()),
            number(RESERVE.get()),
            "0".to_owned(),
            "0".to_owned(),
            "0".to_owned(),
            hash(&stake.session.0),
            "1".to_owned(),
        ]
    );
    let bond = stack(&world, &world.bond.address().unwrap(), "operator_state", &[]);
    let told = [number(crate::world::BOND.get()), number(PRICE.get()), "0".to_owned()];
    assert_eq!(shown(&bond), told);
    let key =
        StackItem::Int(num_bigint::BigInt::from_bytes_be(num_bigint::Sign::Plus, &task.hash.0));
    assert_eq!(shown(&stack(&world, &at, "stake_reservation", &[key])), [number(RESERVE.get())]);
    let other = [StackItem::int(5)];
    assert_eq!(shown(&stack(&world, &at, "stake_reservation", &other)), ["0"]);

    let owner = world.owner.clone();
    let next = crate::world::config(1, &world.verifiers, world.treasury, world.burn);
    world.market_op(&owner, market::propose(1, &next).unwrap());
    let told = shown(&stack(&world, &world.market, "market_state", &[]));
    assert_eq!(told[0], address(&crate::world::ours(&owner.address)));
    assert_eq!(told[1..3], ["0".to_owned(), "-1".to_owned()]);
    assert_eq!(told[3], hash(&fog_contracts::task_code().hash));
    assert_eq!(told[4..7], [number(10u8), number(3600u32), number(TIMELOCK)]);
    assert_eq!(told[7], number(world.chain.now() + TIMELOCK));
    let nobody = stack(&world, &world.market, "market_heir", &[]);
    assert_eq!(shown(&nobody)[0], "0");
    let heir = crate::world::ours(&world.stranger.address);
    world.market_op(&owner, market::offer_owner(1, &heir).unwrap());
    let named = shown(&stack(&world, &world.market, "market_heir", &[]));
    assert_eq!(named, [number(world.chain.now() + TIMELOCK), address(&heir)]);
    let config = stack(&world, &world.market, "market_config", &[]);
    let cell = config[0].as_cell().unwrap();
    let settings = cell.reference_cloned(0).unwrap();
    let mut slice = settings.as_slice().unwrap();
    assert_eq!((slice.load_u8().unwrap(), slice.load_u16().unwrap()), (2, FEE_BPS));
}
