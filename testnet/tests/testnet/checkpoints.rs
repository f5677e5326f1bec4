//! Checkpoints: what comes back is exactly what was kept, in memory and on disk.

use std::num::NonZeroU64;

use fog_testnet::chain::{
    Chain, ChainConfig, CheckpointError, CheckpointName, Clock, MAX_CHECKPOINTS, Order, Transfer,
};
use proptest::prelude::*;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::StdAddr;

use crate::conservation::assert_conserved;

const START: u32 = 1_760_000_000;

fn settings() -> ChainConfig {
    ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() }
}

fn name(text: &str) -> CheckpointName {
    text.parse().unwrap()
}

fn account(number: u8) -> StdAddr {
    StdAddr::new(0, HashBytes([number; 32]))
}

/// Runs `test` on a chain in memory and on one on disk.
fn on_both(test: impl Fn(Chain)) {
    test(Chain::new_in_memory(settings()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    test(Chain::open(settings(), dir.path()).unwrap());
}

/// Everything a reader can see of an account and the last block.
fn seen(chain: &Chain, of: &StdAddr) -> impl PartialEq + std::fmt::Debug + use<> {
    let history = chain.transactions(of, 0, u64::MAX, Order::NewestFirst, 100).unwrap();
    let view = chain.account(of).unwrap();
    (
        chain.last_block().clone(),
        chain.totals(),
        chain.now(),
        (view.balance, view.last_lt, view.last_hash),
        history.iter().map(|tx| (tx.lt, tx.hash, tx.block)).collect::<Vec<_>>(),
    )
}

#[test]
fn what_comes_back_is_what_was_kept_and_the_future_is_the_same() {
    on_both(|mut chain| {
        chain.fund(&account(1), 5_000_000_000).unwrap();
        chain.warp(3_600).unwrap();
        let kept = chain.checkpoint(name("before")).unwrap();
        let (then, hash) = (seen(&chain, &account(1)), chain.state_hash().unwrap());
        assert_eq!((kept.state_hash, kept.seqno), (hash, chain.last_block().seqno));

        let future = |chain: &mut Chain| {
            chain.fund(&account(1), 7).unwrap();
            chain.warp(10 * 365 * 86_400).unwrap();
            chain.fund(&account(2), 8).unwrap();
            chain.state_hash().unwrap()
        };
        let once = future(&mut chain);
        assert_ne!(once, hash);
        assert_eq!(chain.restores(), 0);
        assert_eq!(chain.restore(&name("before")).unwrap(), kept);
        assert_eq!(chain.restores(), 1);
        assert_eq!(chain.state_hash().unwrap(), hash);
        assert_eq!(seen(&chain, &account(1)), then);
        assert_eq!(chain.account(&account(2)).unwrap().last_lt, 0, "it never was");
        assert!(chain.block(kept.seqno + 1).unwrap().is_none(), "later blocks are gone");
        assert_conserved(&chain);
        // The same messages make the same chain, to the last hash.
        assert_eq!(future(&mut chain), once);
        assert_conserved(&chain);
    });
}

#[test]
fn any_checkpoint_can_be_gone_back_to_in_any_order() {
    on_both(|mut chain| {
        let mut hashes = Vec::new();
        for number in 1..=4u8 {
            chain.fund(&account(number), 1_000).unwrap();
            hashes.push(chain.checkpoint(name(&format!("c{number}"))).unwrap().state_hash);
        }
        for number in [2usize, 4, 1, 3, 3, 4, 2] {
            chain.restore(&name(&format!("c{number}"))).unwrap();
            assert_eq!(chain.state_hash().unwrap(), hashes[number - 1]);
            // The history up to there is whole, and belongs to this past alone.
            for other in 1..=4u8 {
                let history = chain
                    .transactions(&account(other), 0, u64::MAX, Order::OldestFirst, 9)
                    .unwrap();
                assert_eq!(history.len(), usize::from(usize::from(other) <= number));
            }
            for seqno in 0..=chain.last_block().seqno {
                assert_eq!(chain.block(seqno).unwrap().unwrap().seqno, seqno);
            }
            // Something else happens from here on; the checkpoints do not mind.
            chain.fund(&account(9), 1 + number as u128).unwrap();
        }
    });
}

#[test]
fn checkpoints_survive_a_restart_and_so_does_what_was_restored() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    chain.fund(&account(1), 11).unwrap();
    let kept = chain.checkpoint(name("kept")).unwrap();
    chain.fund(&account(1), 22).unwrap();
    let later = chain.state_hash().unwrap();
    drop(chain);

    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    assert_eq!(chain.state_hash().unwrap(), later);
    assert_eq!(chain.checkpoints().unwrap(), std::slice::from_ref(&kept));
    chain.restore(&name("kept")).unwrap();
    chain.fund(&account(2), 33).unwrap();
    let branch = chain.state_hash().unwrap();
    drop(chain);

    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    assert_eq!(chain.state_hash().unwrap(), branch);
    assert_eq!(chain.account(&account(1)).unwrap().balance, 11);
    chain.restore(&name("kept")).unwrap();
    assert_eq!(chain.state_hash().unwrap(), kept.state_hash);
}

#[test]
fn messages_on_their_way_are_kept_too() {
    let stop_at_once = ChainConfig { max_drain_blocks: 0, ..settings() };
    let dir = tempfile::tempdir().unwrap();
    for mut chain in [
        Chain::new_in_memory(stop_at_once.clone()).unwrap(),
        Chain::open(stop_at_once.clone(), dir.path()).unwrap(),
    ] {
        // One internal message in the queue, one external message in the pool.
        assert_eq!(chain.fund(&account(1), 5).unwrap().undelivered, 1);
        let party = {
            let receipt = chain.open_treasury(1, 1_000_000_000).unwrap();
            chain.mine().unwrap();
            receipt
        };
        chain.fund(&account(1), 6).unwrap();
        let order = first_order(&party.address);
        chain.submit(order).unwrap();
        assert_eq!(chain.backlog(), 2);
        let kept = chain.checkpoint(name("flying")).unwrap();
        chain.mine().unwrap();
        chain.mine().unwrap();
        assert_eq!(chain.backlog(), 0);
        let landed = chain.state_hash().unwrap();
        chain.restore(&name("flying")).unwrap();
        assert_eq!(chain.backlog(), 2);
        assert_eq!(chain.state_hash().unwrap(), kept.state_hash);
        chain.mine().unwrap();
        chain.mine().unwrap();
        assert_eq!(chain.state_hash().unwrap(), landed);
        assert_conserved(&chain);
    }
}

/// An external message that a treasury accepts once and that sends nothing of value: number 0,
/// mode 1, a message to itself.
fn first_order(treasury: &StdAddr) -> Cell {
    let message = |build: &dyn Fn(&mut CellBuilder)| {
        let mut builder = CellBuilder::new();
        build(&mut builder);
        builder.build().unwrap()
    };
    let address = |builder: &mut CellBuilder| {
        builder.store_small_uint(0b100, 3).unwrap();
        builder.store_u8(0).unwrap();
        builder.store_u256(&treasury.address).unwrap();
    };
    // int_msg_info, no bounce, no source, one nanogram to itself, no fees, times 0, no init, body here.
    let inner = message(&|builder| {
        builder.store_small_uint(0b0100, 4).unwrap();
        builder.store_small_uint(0, 2).unwrap();
        address(builder);
        builder.store_small_uint(1, 4).unwrap();
        builder.store_u8(1).unwrap();
        builder.store_zeros(1 + 4 + 4 + 64 + 32 + 1 + 1).unwrap();
    });
    message(&|builder| {
        builder.store_small_uint(0b1000, 4).unwrap();
        address(builder);
        builder.store_zeros(4 + 1 + 1).unwrap();
        builder.store_u32(0).unwrap();
        builder.store_u8(1).unwrap();
        builder.store_reference(inner.clone()).unwrap();
    })
}

#[test]
fn external_messages_in_the_pool_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    let party = chain.open_treasury(1, 1_000_000_000).unwrap();
    chain.submit(first_order(&party.address)).unwrap();
    let transactions = chain.totals().transactions;
    drop(chain);
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    assert_eq!(chain.backlog(), 1);
    chain.mine().unwrap();
    assert_eq!(chain.totals().transactions, transactions + 1);
}

#[test]
fn names_are_replaced_forgotten_and_bounded() {
    on_both(|mut chain| {
        chain.checkpoint(name("one")).unwrap();
        chain.fund(&account(1), 1_000).unwrap();
        let second = chain.checkpoint(name("one")).unwrap();
        assert_eq!(chain.checkpoints().unwrap(), std::slice::from_ref(&second));
        chain.fund(&account(1), 1_000).unwrap();
        chain.restore(&name("one")).unwrap();
        assert_eq!(chain.state_hash().unwrap(), second.state_hash);
        chain.forget(&name("one")).unwrap();
        for result in [chain.restore(&name("one")).map(|_| ()), chain.forget(&name("one"))] {
            assert!(matches!(result, Err(CheckpointError::Unknown(_))));
        }
        assert_eq!(chain.account(&account(1)).unwrap().balance, 1_000);
        for number in 0..MAX_CHECKPOINTS {
            chain.checkpoint(name(&format!("n{number}"))).unwrap();
        }
        assert!(matches!(chain.checkpoint(name("more")), Err(CheckpointError::TooMany)));
        chain.checkpoint(name("n7")).unwrap();
        assert_conserved(&chain);
    });
}

#[test]
fn history_is_bounded_and_the_state_is_not() {
    let settings = ChainConfig { history: NonZeroU64::new(10), ..settings() };
    let dir = tempfile::tempdir().unwrap();
    let mut hashes = Vec::new();
    for on_disk in [false, true] {
        let mut chain = match on_disk {
            true => Chain::open(settings.clone(), dir.path()).unwrap(),
            false => Chain::new_in_memory(settings.clone()).unwrap(),
        };
        for number in 1..=20u8 {
            chain.fund(&account(number), 1_000).unwrap();
        }
        check_bounded(&mut chain, 1);
        chain.checkpoint(name("old")).unwrap();
        for number in 1..=20u8 {
            chain.fund(&account(number), 1_000).unwrap();
        }
        check_bounded(&mut chain, 2);
        hashes.push(chain.state_hash().unwrap());
        if on_disk {
            drop(chain);
            chain = Chain::open(settings.clone(), dir.path()).unwrap();
            check_bounded(&mut chain, 2);
        }
        // The state comes back whole, even if its blocks are no longer kept.
        chain.restore(&name("old")).unwrap();
        assert_eq!(chain.account(&account(1)).unwrap().balance, 1_000);
        assert_conserved(&chain);
        for number in 1..=20u8 {
            chain.fund(&account(number), 1_000).unwrap();
        }
        check_bounded(&mut chain, 2);
        assert_eq!(Some(&chain.state_hash().unwrap()), hashes.last());
    }
    assert_eq!(hashes[0], hashes[1], "memory and disk agree");
}

/// After rounds of 20 payments, with a history of 10.
fn check_bounded(chain: &mut Chain, rounds: u64) {
    let last = chain.last_block().clone();
    assert_eq!(chain.totals().transactions, rounds * 40);
    assert!(last.seqno - chain.first_block() < 10);
    assert!(chain.block(chain.first_block()).unwrap().is_some());
    assert!(chain.block(chain.first_block() - 1).unwrap().is_none());
    assert!(chain.block(0).unwrap().is_some(), "genesis stays");
    // The payments' blocks hold one transaction each, so ten blocks are ten transactions.
    let listed = |number: u8| {
        chain.transactions(&account(number), 0, u64::MAX, Order::NewestFirst, 99).unwrap().len()
    };
    assert_eq!((1..=20).map(listed).sum::<usize>(), 5);
    assert_eq!((listed(20), listed(15)), (1, 0));
    let faucet = chain.faucet().clone();
    let faucet = chain.transactions(&faucet, 0, u64::MAX, Order::NewestFirst, 99).unwrap();
    assert_eq!(faucet.len(), 5);
    // Looked up by time: a block that is no longer kept is not confused with one that is.
    let oldest = chain.block(chain.first_block()).unwrap().unwrap();
    assert_eq!(chain.block_by_lt(oldest.start_lt - 1).unwrap(), None);
    assert_eq!(chain.block_by_lt(last.end_lt).unwrap(), Some(last));
    assert_eq!(
        Boc::decode(Boc::encode(faucet[0].transaction.inner())).unwrap().repr_hash(),
        &faucet[0].hash
    );
}

/// One thing to do to two chains.
#[derive(Debug, Clone)]
enum Step {
    Fund(u8, u32),
    Warp(u32),
    Keep(u8),
    Restore(u8),
    Forget(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6u8, 0..2_000_000_000u32).prop_map(|(to, value)| Step::Fund(to, value)),
        1 => (0..200_000_000u32).prop_map(Step::Warp),
        3 => (0..4u8).prop_map(Step::Keep),
        3 => (0..4u8).prop_map(Step::Restore),
        1 => (0..4u8).prop_map(Step::Forget),
        1 => Just(Step::Restart),
    ]
}

fn apply(chain: &mut Chain, step: &Step) -> bool {
    let named = |number: &u8| name(&format!("c{number}"));
    match step {
        Step::Fund(to, value) => {
            // A treasury with money, the same one every time.
            let party = chain.open_treasury(1, 3_000_000_000).unwrap();
            let transfer = Transfer::plain(account(*to), u128::from(*value));
            chain.send_from(&party, &transfer).is_ok()
        }
        Step::Warp(seconds) => chain.warp(*seconds).is_ok(),
        Step::Keep(number) => chain.checkpoint(named(number)).is_ok(),
        Step::Restore(number) => chain.restore(&named(number)).is_ok(),
        Step::Forget(number) => chain.forget(&named(number)).is_ok(),
        Step::Restart => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn disk_and_memory_agree_whatever_is_kept_restored_and_forgotten(
        steps in prop::collection::vec(step(), 1..40),
        history in prop_oneof![Just(None), (3..12u64).prop_map(NonZeroU64::new)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let settings = ChainConfig { history, durability: fog_testnet::chain::Durability::Process, ..settings() };
        let mut memory = Chain::new_in_memory(settings.clone()).unwrap();
        let mut disk = Chain::open(settings.clone(), dir.path()).unwrap();
        for step in &steps {
            if let Step::Restart = step {
                drop(disk);
                disk = Chain::open(settings.clone(), dir.path()).unwrap();
            }
            let results = [&mut memory, &mut disk].map(|chain| apply(chain, step));
            prop_assert_eq!(results[0], results[1]);
            prop_assert_eq!(memory.state_hash().unwrap(), disk.state_hash().unwrap());
            prop_assert_eq!(memory.checkpoints().unwrap(), disk.checkpoints().unwrap());
            for seqno in disk.first_block()..=disk.last_block().seqno {
                prop_assert!(disk.block(seqno).unwrap().is_some());
            }
            if history.is_none() {
                for number in 1..6 {
                    prop_assert_eq!(seen(&memory, &account(number)), seen(&disk, &account(number)));
                }
            }
            assert_conserved(&disk);
        }
    }
}
