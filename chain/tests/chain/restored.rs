//! What a client sees when the chain's owner restores a checkpoint under it: numbers and logical
//! times go back. Nothing false is ever told as true.

use fog_chain::{ChainError, SendOutcome};
use fog_protocol::Nano;
use fog_wallet::{Bounce, OutMessage, WalletVersion};

use super::*;

fn pay(number: u8, nano: u64) -> [OutMessage; 1] {
    [OutMessage::new(stranger(number), Nano::new(nano)).with_bounce(Bounce::No)]
}

#[tokio::test]
async fn a_follower_waits_then_reports_a_gap_and_a_new_one_goes_on() {
    let (api, _handle) = chain().await;
    let follower = client(&api.url());
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 1).await;
    let address = wallet.address();
    send(&follower, &wallet, &key, &pay(1, 1_000)).await;
    let kept = follower.account(&address).await.unwrap().last;
    api.checkpoint("kept".parse().unwrap()).await.unwrap();
    send(&follower, &wallet, &key, &pay(2, 2_000)).await;
    let lost = send(&follower, &wallet, &key, &pay(3, 3_000)).await;
    let tip = follower.masterchain_info().await.unwrap();
    api.restore("kept".parse().unwrap()).await.unwrap();

    // What was undone is not shown any more, and the wallet's number went back with it.
    assert_eq!(follower.account(&address).await.unwrap().last, kept);
    assert_eq!(follower.account(&stranger(3)).await.unwrap().balance, Nano::ZERO);
    assert_eq!(follower.wallet_seqno(&address).await.unwrap(), 1);
    // A few blocks back look like a gateway that lags: not an error yet, and not news either.
    assert!(follower.masterchain_info().await.unwrap().seqno < tip.seqno);
    // A cursor from the lost future: the gateway "does not know it yet".
    let stale = follower.new_transactions_since(&address, Some(lost.cursor())).await.unwrap_err();
    assert!(matches!(stale, ChainError::Stale { .. }) && stale.is_transient(), "{stale}");
    // A cursor from before goes on without noticing anything: there is nothing to notice.
    assert!(follower.new_transactions_since(&address, kept).await.unwrap().is_empty());

    // Another future grows past the lost one: the links do not lead to the cursor. That is final.
    for number in 4..8 {
        send(&follower, &wallet, &key, &pay(number, 5_000)).await;
    }
    let gap = follower.new_transactions_since(&address, Some(lost.cursor())).await.unwrap_err();
    assert!(matches!(gap, ChainError::Gap { .. }) && !gap.is_transient(), "{gap}");
    let other = client(&api.url());
    let all = other.new_transactions_since(&address, None).await.unwrap();
    assert_contiguous(&all, None);
    assert_eq!(all.len(), 2 + 4);
}

#[tokio::test]
async fn a_message_that_was_undone_can_be_sent_again_and_is_the_same_transaction() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let (wallet, key) = funded(&api, WalletVersion::V4R2, 1).await;
    let address = wallet.address();
    api.checkpoint("kept".parse().unwrap()).await.unwrap();
    let before = client.account(&address).await.unwrap().last;
    let signed = wallet.transfer(&key, 0, LATER, &pay(1, 1_000)).unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let outcome = client.send_boc(&signed.boc).await;
        assert!(matches!(outcome, SendOutcome::Accepted), "{outcome:?}");
        let new = client.new_transactions_since(&address, before).await.unwrap();
        seen.push(new.iter().map(fog_chain::Tx::cursor).collect::<Vec<_>>());
        api.restore("kept".parse().unwrap()).await.unwrap();
    }
    // The clock stands still here, so the second time is the first time again, to the hash.
    assert_eq!(seen[0].len(), 1);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_restore_far_back_looks_like_a_gateway_that_fell_behind() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    api.checkpoint("kept".parse().unwrap()).await.unwrap();
    api.with(|chain| chain.mine_many(100)).await.unwrap().unwrap();
    client.masterchain_info().await.unwrap();
    api.restore("kept".parse().unwrap()).await.unwrap();
    let error = client.masterchain_info().await.unwrap_err();
    assert!(matches!(error, ChainError::Stale { .. }), "{error}");
    // It is over when the chain is as long again, or for a client that starts anew.
    assert!(super::client(&api.url()).masterchain_info().await.is_ok());
    api.with(|chain| chain.mine_many(100)).await.unwrap().unwrap();
    assert!(client.masterchain_info().await.is_ok());
}
