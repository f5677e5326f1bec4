//! Money is neither made nor lost, whatever is sent.

use fog_testnet::chain::{Bounce, Chain, ChainConfig, Clock, SendError, Transfer, Treasury};
use proptest::prelude::*;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::StdAddr;

const START: u32 = 1_760_000_000;

pub(crate) fn manual_chain() -> Chain {
    let config = ChainConfig { clock: Clock::Manual(START), ..ChainConfig::default() };
    Chain::new_in_memory(config).unwrap()
}

pub(crate) fn assert_conserved(chain: &Chain) {
    let totals = chain.totals();
    let held = chain.total_balances().unwrap();
    assert_eq!(
        totals.supply,
        held + totals.in_flight + totals.network_fees_collected + totals.burned,
        "money was made or lost: {totals:?}, held {held}",
    );
}

/// One thing to do to the chain.
#[derive(Debug, Clone)]
enum Step {
    Send { from: usize, to: usize, value: u64, bounce: Bounce, body: Vec<u8> },
    Fund { to: usize, value: u64 },
    Inject { to: usize, value: u64, bounce: Bounce },
    Warp { seconds: u32 },
}

fn bounce() -> impl Strategy<Value = Bounce> {
    prop_oneof![
        Just(Bounce::Never),
        Just(Bounce::Classic),
        Just(Bounce::Rich),
        Just(Bounce::RichFull),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![0..2_000_000u64, 0..20_000_000_000u64];
    prop_oneof![
        4 => (0..3usize, 0..8usize, value.clone(), bounce(), prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(from, to, value, bounce, body)| Step::Send { from, to, value, bounce, body }),
        1 => (0..8usize, value.clone()).prop_map(|(to, value)| Step::Fund { to, value }),
        1 => (0..8usize, value, bounce()).prop_map(|(to, value, bounce)| Step::Inject { to, value, bounce }),
        1 => (0..200_000_000u32).prop_map(|seconds| Step::Warp { seconds }),
    ]
}

/// Three treasuries, three accounts party deployed, one in the masterchain, one burn address.
fn address(parties: &[Treasury], index: usize) -> StdAddr {
    match index {
        0..=2 => parties[index].address.clone(),
        6 => StdAddr::new(-1, HashBytes([0x77; 32])),
        7 => burn_address(),
        other => StdAddr::new(0, HashBytes([u8::try_from(other).unwrap(); 32])),
    }
}

/// Parameter 5 of the configuration.
fn burn_address() -> StdAddr {
    let blackhole = manual_chain().network().current().blackhole_addr;
    StdAddr::new(-1, blackhole.expect("TON's configuration names a burn address"))
}

fn body(bytes: &[u8]) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap()).unwrap();
    builder.build().unwrap()
}

fn apply(chain: &mut Chain, parties: &[Treasury], step: &Step) {
    let result = match step {
        Step::Send { from, to, value, bounce, body: bytes } => chain.send_from(
            &parties[*from],
            &Transfer {
                to: address(parties, *to),
                value: u128::from(*value),
                bounce: *bounce,
                init: None,
                body: body(bytes),
            },
        ),
        Step::Fund { to, value } => chain.fund(&address(parties, *to), u128::from(*value)),
        Step::Inject { to, value, bounce } => {
            let mut transfer = Transfer::plain(address(parties, *to), u128::from(*value));
            transfer.bounce = *bounce;
            chain.inject(&address(parties, 3), &transfer)
        }
        Step::Warp { seconds } => {
            chain.warp(*seconds).unwrap();
            return;
        }
    };
    match result {
        Ok(receipt) => assert_eq!(receipt.undelivered, 0),
        // A treasury that rent has emptied or frozen refuses; that is the chain at work.
        Err(SendError::Refused(_)) => {}
        Err(error) => panic!("{step:?}: {error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_transfers_bounces_and_rent_conserve_money(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut chain = manual_chain();
        let parties: Vec<_> =
            (0..3).map(|salt| chain.open_treasury(salt, 30_000_000_000).unwrap()).collect();
        for step in &steps {
            apply(&mut chain, &parties, step);
            assert_conserved(&chain);
        }
    }
}

#[test]
fn logical_times_grow_along_every_message_and_account() {
    let mut chain = manual_chain();
    let party = chain.open_treasury(1, 10_000_000_000).unwrap();
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let mut last = 0;
    for _ in 0..5 {
        let mut transfer = Transfer::call(target.clone(), 100_000_000, Cell::default());
        transfer.bounce = Bounce::Rich;
        let receipt = chain.send_from(&party, &transfer).unwrap();
        // The order, its delivery to party, the bounce back.
        assert_eq!(receipt.transactions.len(), 3);
        for pair in receipt.transactions.windows(2) {
            assert!(pair[0].lt < pair[1].lt, "delivery comes after sending");
            assert!(pair[0].block < pair[1].block, "delivery comes in a later block");
        }
        assert!(receipt.transactions[0].lt > last, "an account's times grow");
        last = receipt.transactions[2].lt;
        let block = chain.block(receipt.block).unwrap().unwrap();
        assert!(block.start_lt < last && last < block.end_lt);
    }
    assert_conserved(&chain);
}

#[test]
fn an_order_is_not_applied_twice_and_a_refusal_changes_nothing() {
    let mut chain = manual_chain();
    let before = chain.totals();
    let party = chain.open_treasury(3, 1_000_000_000).unwrap();
    let receipt = chain.send_from(&party, &Transfer::plain(party.address.clone(), 1_000)).unwrap();
    let replay = receipt.transactions[0].load().unwrap().in_msg.unwrap();
    let totals = chain.totals();
    let blocks = chain.last_block().seqno;
    match chain.send(replay) {
        Err(SendError::Refused(error)) => {
            assert!(error.to_string().contains("33"), "{error}");
        }
        other => panic!("a replay was not refused: {other:?}"),
    }
    assert_eq!(chain.totals(), totals);
    assert_eq!(chain.last_block().seqno, blocks);
    assert!(totals.transactions > before.transactions);
}

#[test]
fn what_is_sent_to_the_burn_address_is_gone_and_counted() {
    let mut chain = manual_chain();
    chain.fund(&burn_address(), 1_000_000_000).unwrap();
    assert_eq!(chain.totals().burned, 1_000_000_000);
    assert_conserved(&chain);
}

#[test]
fn the_faucet_gives_no_more_than_it_has() {
    let mut chain = manual_chain();
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let all = chain.totals().supply;
    assert!(matches!(chain.fund(&target, all), Err(SendError::FaucetEmpty(_))));
    assert_eq!(chain.totals().transactions, 0);
    // A treasury that cannot pay for its message: the order's transaction fails, nothing is sent.
    let party = chain.open_treasury(1, 1_000_000_000).unwrap();
    let receipt = chain.send_from(&party, &Transfer::plain(target, 2_000_000_000)).unwrap();
    assert_eq!(receipt.transactions.len(), 1);
    assert_eq!(receipt.transactions[0].action_code().unwrap(), Some(37));
    assert_conserved(&chain);
}

#[test]
fn rent_takes_what_a_poor_account_has() {
    let mut chain = manual_chain();
    let party = chain.open_treasury(1, 10_000_000).unwrap();
    chain.warp(60 * 365 * 86_400).unwrap();
    // The storage phase of any message takes what there is; the code does not run without money.
    let mut poke = Transfer::plain(party.address.clone(), 1);
    poke.bounce = Bounce::Classic;
    let receipt = chain.inject(&StdAddr::new(0, HashBytes([1; 32])), &poke).unwrap();
    assert_eq!(receipt.transactions[0].exit_code().unwrap(), None);
    assert!(chain.account(&party.address).unwrap().balance <= 1);
    assert!(chain.totals().network_fees_collected >= 9_000_000);
    assert_conserved(&chain);
}

#[test]
fn the_drain_limit_leaves_messages_for_later_blocks() {
    // What keeps an endless loop of messages from blocking its sender forever.
    let config =
        ChainConfig { clock: Clock::Manual(START), max_drain_blocks: 0, ..ChainConfig::default() };
    let mut chain = Chain::new_in_memory(config).unwrap();
    let target = StdAddr::new(0, HashBytes([5; 32]));
    let receipt = chain.fund(&target, 1_000_000_000).unwrap();
    assert_eq!(receipt.undelivered, 1);
    assert_conserved(&chain);
    chain.mine().unwrap();
    assert_eq!(chain.backlog(), 0);
    assert_eq!(chain.account(&target).unwrap().balance, 1_000_000_000);
    assert_conserved(&chain);
}

#[test]
fn twenty_thousand_messages_are_quick_and_conserve_money() {
    let mut chain = manual_chain();
    let party = chain.open_treasury(1, 1_000_000_000_000).unwrap();
    for index in 0..10_000u32 {
        let target = StdAddr::new(0, HashBytes([u8::try_from(index % 200).unwrap(); 32]));
        chain.send_from(&party, &Transfer::plain(target, 10_000_000)).unwrap();
    }
    assert_eq!(chain.totals().transactions, 20_003 - 1);
    assert_conserved(&chain);
}
