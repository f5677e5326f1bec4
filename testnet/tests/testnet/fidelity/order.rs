//! Logical times, and the order in which messages are delivered.

use fog_testnet::chain::{Bounce, Chain, ChainConfig, Clock, Transfer, TxRecord};
use tycho_types::cell::HashBytes;
use tycho_types::models::{IntMsgInfo, MsgInfo, OwnedMessage, StdAddr};

use super::{cell, deploy, nobody, outbound};
use crate::conservation::assert_conserved;

/// Sends the three messages its body refers to: DROP, then three times LDREF SWAP 1 SENDRAWMSG.
#[rustfmt::skip]
const FAN_OUT: &[u8] = &[
    0x30,
    0xd4, 0x01, 0x71, 0xfb, 0x00,
    0xd4, 0x01, 0x71, 0xfb, 0x00,
    0xd4, 0x01, 0x71, 0xfb, 0x00,
];

fn account(number: u8) -> StdAddr {
    StdAddr::new(0, HashBytes([number; 32]))
}

/// A chain that makes one block at a time.
fn stepping() -> Chain {
    Chain::new_in_memory(ChainConfig {
        clock: Clock::Manual(1_760_000_000),
        max_drain_blocks: 0,
        ..ChainConfig::default()
    })
    .unwrap()
}

fn block_records(chain: &Chain) -> Vec<TxRecord> {
    let refs = &chain.last_block().transactions;
    refs.iter().map(|tx| chain.transaction(&tx.address, tx.lt).unwrap().unwrap()).collect()
}

fn received(record: &TxRecord) -> (IntMsgInfo, HashBytes) {
    let cell = record.load().unwrap().in_msg.unwrap();
    match cell.parse::<OwnedMessage>().unwrap().info {
        MsgInfo::Int(info) => (info, *cell.repr_hash()),
        _ => panic!("not internal"),
    }
}

#[test]
fn messages_arrive_by_logical_time_then_hash_over_all_accounts() {
    let mut chain = stepping();
    let senders: Vec<StdAddr> = (1..=3u8)
        .map(|salt| {
            let address = deploy(&mut chain, cell(FAN_OUT, &[]), cell(&[salt], &[]), 5_000_000_000);
            chain.mine().unwrap();
            address
        })
        .collect();
    // Each sends three messages to accounts whose order is not the order of sending.
    for (index, sender) in senders.iter().enumerate() {
        let index = u8::try_from(index).unwrap();
        let to = |number: u8| outbound(&account(0xf0 - 16 * number - index), 1_000_000);
        let body = cell(b"", &[&to(0), &to(2), &to(1)]);
        let mut call = Transfer::call(sender.clone(), 1_000_000_000, body);
        call.bounce = Bounce::Never;
        chain.inject(&nobody(), &call).unwrap();
    }
    assert_eq!(chain.backlog(), 3);
    chain.mine().unwrap();
    let sent = block_records(&chain);
    assert_eq!(sent.len(), 3);
    let start = chain.last_block().start_lt;
    assert_eq!(start % 1_000_000, 0, "a block's times begin at a round number, as on TON");
    for record in &sent {
        assert!(record.lt > start);
        let times: Vec<u64> = record
            .out_msgs()
            .unwrap()
            .iter()
            .map(|message| match &message.info {
                MsgInfo::Int(info) => info.created_lt,
                _ => panic!("not internal"),
            })
            .collect();
        // One transaction's messages: the times after its own, in the order they were sent.
        assert_eq!(times, [record.lt + 1, record.lt + 2, record.lt + 3]);
    }

    chain.mine().unwrap();
    let delivered = block_records(&chain);
    assert_eq!(delivered.len(), 9);
    assert!(chain.last_block().start_lt > sent.iter().map(|tx| tx.lt + 3).max().unwrap());
    let keys: Vec<(u64, HashBytes)> = delivered
        .iter()
        .map(|record| {
            let (info, hash) = received(record);
            assert!(record.lt > info.created_lt, "delivery comes after creation");
            (info.created_lt, hash)
        })
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    // There were equal times, so the hash decided.
    assert!(keys.windows(2).any(|pair| pair[0].0 == pair[1].0));
    assert_conserved(&chain);
}

#[test]
fn one_accounts_transactions_follow_each_other_in_time() {
    let mut chain = stepping();
    let target = account(7);
    for number in 0..20u128 {
        chain.inject(&nobody(), &Transfer::plain(target.clone(), 1_000_000 + number)).unwrap();
    }
    chain.mine().unwrap();
    let records = block_records(&chain);
    assert_eq!(records.len(), 20);
    let mut previous = (0, HashBytes::ZERO);
    for (number, record) in records.iter().enumerate() {
        let transaction = record.load().unwrap();
        assert!(record.lt > previous.0);
        assert_eq!((transaction.prev_trans_lt, transaction.prev_trans_hash), previous);
        // In the order they were created, though many fell into one block.
        let (info, _) = received(record);
        assert_eq!(info.value.tokens.into_inner(), 1_000_000 + number as u128);
        previous = (record.lt, record.hash);
    }
    let block = chain.last_block();
    assert!(block.start_lt < records[0].lt && previous.0 < block.end_lt);
    chain.mine().unwrap();
    assert!(chain.last_block().start_lt >= block_end_of(&chain, chain.last_block().seqno - 1));
    assert_conserved(&chain);
}

fn block_end_of(chain: &Chain, seqno: u32) -> u64 {
    chain.block(seqno).unwrap().unwrap().end_lt
}
