//! The bindings against outside cells: nothing makes a parser panic, and what contracts write reads
//! back as what was said.

use fog_contracts::{
    Kind, Notify, StakeLog, TaskState,
    channel::{ChannelData, ChannelNotice, Purpose},
    delegation::DelegationData,
    dispute::{self, DisputeLog},
    heard,
    market::{Config, MarketData},
    operator::{self, BondLog, Freed, NotTaken, OperatorData},
    stake::StakeData,
    task::{Outcome, TaskData},
};
use fog_protocol::{Address, Hash32, Nano};
use proptest::prelude::*;
use serde_json::json;
use tycho_types::cell::{Cell, CellBuilder};

use crate::alone::Place;
use crate::channels::kit;
use crate::world::{FEE_BPS, PRICE, RESERVE, STEP, TIMELOCK, World, config, failures, ours, std};

/// Cells of any shape, some levels deep.
fn cells() -> impl Strategy<Value = Cell> {
    let leaf = bits().prop_map(|bits| build(&bits, &[]));
    leaf.prop_recursive(5, 24, 4, |inner| {
        (bits(), prop::collection::vec(inner, 0..=4)).prop_map(|(bits, refs)| build(&bits, &refs))
    })
}

fn bits() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=127)
}

fn build(bits: &[u8], refs: &[Cell]) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bits, u16::try_from(bits.len() * 8).unwrap()).unwrap();
    for cell in refs {
        builder.store_reference(cell.clone()).unwrap();
    }
    builder.build().unwrap()
}

fn parse_all(cell: &Cell) {
    let stake = StakeData::parse(cell);
    assert!(stake.is_err() || stake.unwrap().reservations.len() <= 64);
    let market = MarketData::parse(cell);
    assert!(market.is_err() || market.unwrap().config.is_none_or(|c| c.verifiers.len() <= 256));
    let _ = TaskData::parse(cell);
    let delegation = DelegationData::parse(cell);
    assert!(delegation.is_err() || delegation.unwrap().queue.len() <= 8);
    let _ = (StakeLog::parse(cell), heard::assign(cell));
    assert!(!OperatorData::parse(cell).is_ok_and(|data| data.free() > data.bond));
    let _ = (BondLog::parse(cell), NotTaken::parse(cell), Freed::parse(cell));
    let _ = (DisputeLog::parse(cell), dispute::challenged(cell), operator::taken_on(cell));
    let _ = (heard::ruling(cell), heard::verdict(cell));
    let _ = (heard::configured(cell), heard::registered(cell));
    let _ = Notify::parse(cell);
    let _ = ChannelNotice::parse(cell);
    let _ = fog_contracts::jetton_task::JettonTaskData::parse(cell);
    for purpose in Purpose::ALL {
        let _ = ChannelData::parse(purpose, cell);
    }
}

/// The data of live contracts, the fullest tests know.
fn real() -> Vec<Cell> {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    world.assign(task);
    world.commit(task, Hash32([0x11; 32]));
    let stake = world.stake.address().unwrap();
    let account = kit::opened(&mut world, Purpose::Account, Nano::grams(8)).address().unwrap();
    let data = |address: &Address| world.chain.account(&std(address)).unwrap().data.unwrap();
    let disputed = Place {
        kind: crate::alone::Kind::Overruled,
        state: TaskState::Disputed,
        verdict: Outcome::Rejected,
    };
    let disputed = disputed.task().data().unwrap();
    let bond = data(&world.bond.address().unwrap());
    let paid = Place {
        kind: crate::alone::Kind::InJetton,
        state: TaskState::Paid,
        verdict: Outcome::Accepted,
    };
    let in_jetton = paid.task().data().unwrap();
    vec![data(&task), data(&stake), data(&world.market), data(&account), disputed, bond, in_jetton]
}

/// The `path`-th cell of the tree, with one bit turned over or cut short.
fn damage(cell: &Cell, path: &mut usize, bit: u16, cut: bool) -> Cell {
    let here = *path == 0;
    *path = path.wrapping_sub(1);
    let mut builder = CellBuilder::new();
    let mut slice = cell.as_slice_allow_exotic();
    let len = slice.size_bits();
    for i in 0..len {
        let at = here && i == bit % len;
        if at && cut {
            break;
        }
        let value = slice.load_bit().unwrap();
        builder.store_bit(value != at).unwrap();
    }
    for child in cell.references() {
        let child = CellBuilder::build_from(child.as_slice_allow_exotic()).unwrap();
        builder.store_reference(damage(&child, path, bit, cut)).unwrap();
    }
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn any_cells_are_read_or_refused(cell in cells()) {
        parse_all(&cell);
    }

    #[test]
    fn damaged_data_is_read_or_refused(
        which in 0usize..7, path in 0usize..12, bit in any::<u16>(), cut in any::<bool>(),
    ) {
        static REAL: std::sync::LazyLock<Vec<Cell>> = std::sync::LazyLock::new(real);
        parse_all(&damage(&REAL[which], &mut { path }, bit, cut));
    }
}

#[test]
fn what_contracts_write_reads_back() {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let init = world.task_init(1);
    world.fund(&init);
    let task = init.address().unwrap();
    world.assign(task);
    world.commit(task, Hash32([0x11; 32]));
    let deadline = world.chain.now() + crate::world::STEP;
    let data = world.task(&task).unwrap();
    assert_eq!((data.state, data.deadline, data.init), (TaskState::Committed, deadline, init));
    let work = data.work.unwrap();
    assert_eq!(work.stake, world.stake.address().unwrap());
    assert_eq!((work.owner, work.price), (ours(&world.worker.address), PRICE));
    assert_eq!((work.session, work.reserve), (world.session.public().0, RESERVE));
    assert_eq!((work.commitment, work.evidence), (Hash32([0x11; 32]), Hash32([0; 32])));

    let bond = world.bond();
    assert_eq!((bond.init, bond.bond), (world.bond, crate::world::BOND));
    assert_eq!((bond.reserved, bond.earned), (PRICE, Nano::ZERO));

    let stake = world.stake();
    assert_eq!((stake.init, stake.session), (world.stake, world.session.public()));
    assert_eq!(stake.reservations, [(task.hash, RESERVE)]);

    let next = Config { fee_bps: 7, ..config(3, &world.verifiers, world.treasury, world.burn) };
    let owner = world.owner.clone();
    world.market_op(&owner, fog_contracts::market::propose(1, &next).unwrap());
    let view = world.chain.account(&std(&world.market)).unwrap();
    let market = MarketData::parse(&view.data.unwrap()).unwrap();
    let now = config(2, &world.verifiers, world.treasury, world.burn);
    assert_eq!((market.owner, market.paused), (ours(&owner.address), false));
    assert_eq!(market.config.as_ref().map(|config| config.fee_bps), Some(FEE_BPS));
    assert_eq!(market.config, Some(now));
    assert_eq!(market.proposal, Some((world.chain.now() + TIMELOCK, next)));
}

/// A contract's data, and what [`Kind::state`] must say in some of its fields.
#[derive(Clone)]
struct Known {
    kind: Kind,
    data: Cell,
    says: Vec<(&'static str, serde_json::Value)>,
}

/// Contracts on a chain, by their addresses: their kinds are read off the code there.
fn deployed() -> Vec<Known> {
    let mut world = World::new();
    world.deposit(Nano::grams(100));
    let (live, ended) = (world.task_init(1), world.task_init(2));
    world.fund(&live);
    let (live, ended_at) = (live.address().unwrap(), ended.address().unwrap());
    assert!(!world.is_ended(&live));
    assert_eq!(failures(&world.assign(live)), [0; 0]);
    world.fund(&ended);
    world.chain.warp(STEP + 1).unwrap();
    let stranger = world.stranger.clone();
    world.push(&stranger, ended_at, fog_contracts::task::expire(1).unwrap());
    let staker = world.staker(0);
    assert_eq!(failures(&world.delegate(&staker, Nano::grams(5))), [0; 0]);
    let (stake, delegation) = (world.stake, world.delegation_of(&staker));
    let (shares, owner) = (world.delegation(&staker).shares, ours(&staker.address));
    assert!(shares > 0);
    let known = |at: Address, says: Vec<(&'static str, serde_json::Value)>| {
        let view = world.chain.account(&std(&at)).unwrap();
        let code = Hash32(view.code.unwrap().repr_hash().0);
        Known { kind: Kind::of(&code).unwrap(), data: view.data.unwrap(), says }
    };
    vec![
        known(world.market, vec![("/config/fee_bps", FEE_BPS.into())]),
        known(live, vec![("/status", "assigned".into()), ("/work/price_nano", PRICE.get().into())]),
        known(ended_at, vec![("/status", "refunded".into())]),
        known(
            world.bond.address().unwrap(),
            vec![
                ("/reserved_nano", PRICE.get().into()),
                ("/bond_nano", crate::world::BOND.get().into()),
            ],
        ),
        known(stake.address().unwrap(), vec![("/reserved_nano", RESERVE.get().into())]),
        known(
            delegation.address().unwrap(),
            vec![
                ("/staker", json!(owner)),
                ("/stake", json!(stake.address().unwrap())),
                ("/shares", shares.to_string().into()),
            ],
        ),
    ]
}

/// Channels of both kinds, in GRAM and in a jetton, and a task in a jetton.
fn channels_and_jettons() -> Vec<Known> {
    let mut world = World::new();
    let in_gram = |purpose: Purpose| Known {
        kind: Kind::of(&purpose.code().hash).unwrap(),
        data: data_of(kit::opened(&mut world, purpose, Nano::grams(8)).state_init().unwrap()),
        says: vec![("/status", "open".into()), ("/exposure_cap_nano", kit::CAP.get().into())],
    };
    let mut all: Vec<_> = Purpose::ALL.map(in_gram).into();
    all.extend(Purpose::ALL.map(|purpose| {
        let channel = crate::jettons::kit::channel(purpose);
        let code = channel.state_init().unwrap().code.unwrap();
        Known {
            kind: Kind::of(&Hash32(code.repr_hash().0)).unwrap(),
            data: crate::jettons::kit::funded(&channel).stored(),
            says: vec![
                ("/status", "open".into()),
                ("/jetton", json!(crate::jettons::kit::MASTER)),
                ("/balance_units", crate::jettons::kit::PUT_IN.to_string().into()),
            ],
        }
    }));
    let paid = Place {
        kind: crate::alone::Kind::InJetton,
        state: TaskState::Paid,
        verdict: Outcome::Accepted,
    };
    let shares = crate::jetton_tasks::kit::paid(&crate::jetton_tasks::kit::task(), PRICE);
    all.push(Known {
        kind: Kind::of(&fog_contracts::jetton_task_code().hash).unwrap(),
        data: paid.task().data().unwrap(),
        says: vec![
            ("/status", "paid".into()),
            ("/jetton/due/worker_units", shares.worker.get().to_string().into()),
            ("/price_units", crate::jetton_tasks::kit::UNITS.to_string().into()),
        ],
    });
    all
}

fn data_of(init: tycho_types::models::StateInit) -> Cell {
    init.data.unwrap()
}

#[test]
fn every_contract_is_known_by_its_code_and_described() {
    let known = [deployed(), channels_and_jettons()].concat();
    for kind in Kind::ALL {
        let of_kind: Vec<_> = known.iter().filter(|known| known.kind == kind).collect();
        assert_eq!(of_kind.len(), 1, "{kind:?} is not looked at");
        let state = kind.state(&of_kind[0].data).unwrap();
        for (field, value) in &of_kind[0].says {
            assert_eq!(state.pointer(field), Some(value), "{kind:?} {field} of {state:#}");
        }
    }
    assert_eq!(Kind::of(&Hash32([1; 32])), None);
    let nothing = Cell::default();
    assert!(Kind::ALL.iter().all(|kind| kind.state(&nothing).is_err()));
}
