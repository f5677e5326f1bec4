//! A restart loses nothing.

use fog_testnet::chain::{Chain, ChainConfig, Clock, Order, Transfer};
use fog_testnet::toncenter::{ServerConfig, spawn};
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

use crate::conservation::assert_conserved;

fn settings() -> ChainConfig {
    ChainConfig { clock: Clock::Manual(1_760_000_000), ..ChainConfig::default() }
}

#[test]
fn a_restart_keeps_accounts_history_blocks_queue_clock_and_totals() {
    let dir = tempfile::tempdir().unwrap();
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    let party = chain.open_treasury(1, 10_000_000_000).unwrap();
    chain.send_from(&party, &Transfer::plain(target.clone(), 1_000_000_000)).unwrap();
    chain.warp(3_600).unwrap();
    let totals = chain.totals();
    let block = chain.last_block().clone();
    let now = chain.now();
    let history = chain.transactions(&party.address, 0, u64::MAX, Order::NewestFirst, 10).unwrap();
    assert_eq!(history.len(), 2);
    drop(chain);

    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    assert_eq!(chain.totals(), totals);
    assert_eq!(chain.last_block(), &block);
    assert_eq!(chain.now(), now);
    let again = chain.transactions(&party.address, 0, u64::MAX, Order::NewestFirst, 10).unwrap();
    assert_eq!(
        again.iter().map(|tx| (tx.lt, tx.hash, tx.block)).collect::<Vec<_>>(),
        history.iter().map(|tx| (tx.lt, tx.hash, tx.block)).collect::<Vec<_>>(),
    );
    for seqno in 0..=block.seqno {
        assert_eq!(chain.block(seqno).unwrap().unwrap().seqno, seqno);
    }
    assert_eq!(chain.account(&target).unwrap().balance, 1_000_000_000);
    assert_conserved(&chain);
    chain.send_from(&party, &Transfer::plain(target.clone(), 1_000_000_000)).unwrap();
    assert_conserved(&chain);
}

#[test]
fn a_message_in_flight_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let stop_at_once = ChainConfig { max_drain_blocks: 0, ..settings() };
    let mut chain = Chain::open(stop_at_once, dir.path()).unwrap();
    assert_eq!(chain.fund(&target, 5).unwrap().undelivered, 1);
    drop(chain);
    let mut chain = Chain::open(settings(), dir.path()).unwrap();
    assert_eq!(chain.backlog(), 1);
    assert_conserved(&chain);
    chain.mine().unwrap();
    assert_eq!(chain.backlog(), 0);
    assert_conserved(&chain);
}

#[test]
fn disk_and_memory_chains_agree_to_the_hash() {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = Chain::open(settings(), dir.path()).unwrap();
    let mut memory = Chain::new_in_memory(settings()).unwrap();
    for chain in [&mut disk, &mut memory] {
        let party = chain.open_treasury(1, 10_000_000_000).unwrap();
        for value in 1..20u8 {
            let target = StdAddr::new(0, HashBytes([value; 32]));
            chain
                .send_from(&party, &Transfer::call(target, 100_000_000, Default::default()))
                .unwrap();
        }
        chain.warp(1_000_000).unwrap();
    }
    assert_eq!(disk.last_block(), memory.last_block());
    assert_eq!(disk.totals(), memory.totals());
    let mut after = None;
    loop {
        let page = disk.accounts(after.as_ref(), 3).unwrap();
        let same = memory.accounts(after.as_ref(), 3).unwrap();
        let key = |view: &fog_testnet::chain::AccountView| {
            (view.address.clone(), view.balance, view.last_hash)
        };
        assert_eq!(
            page.iter().map(key).collect::<Vec<_>>(),
            same.iter().map(key).collect::<Vec<_>>(),
        );
        match page.last() {
            Some(last) => after = Some(last.address.clone()),
            None => break,
        }
    }
}

#[tokio::test]
async fn a_server_stopped_and_started_again_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = || ServerConfig {
        data: Some(dir.path().to_owned()),
        chain: settings(),
        ..ServerConfig::default()
    };
    let target = StdAddr::new(0, HashBytes([9; 32]));
    let (api, handle) = spawn(config()).await.unwrap();
    api.fund(target.clone(), 77).await.unwrap();
    let totals = api.totals().await.unwrap();
    assert!(spawn(config()).await.is_err(), "one process holds a chain");
    handle.shutdown().await;
    drop(api);

    let (api, handle) = spawn(config()).await.unwrap();
    assert_eq!(api.account(target.clone()).await.unwrap().balance, 77);
    assert_eq!(api.totals().await.unwrap().transactions, totals.transactions);
    assert_eq!(api.transactions(target, 10).await.unwrap().len(), 1);
    handle.shutdown().await;
}
