//! Everything the client does, against real contracts.

use fog_chain::{AccountState, ChainError, MsgKind, SendOutcome, StackEntry};
use fog_protocol::Nano;
use fog_wallet::{Bounce, MAINNET, OutMessage, SendMode, Wallet, WalletVersion};
use tycho_types::cell::CellBuilder;

use super::*;

#[tokio::test]
async fn chain_time_and_network() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let before = client.masterchain_info().await.unwrap();
    assert_eq!(client.chain_time().await.unwrap(), before.time);
    api.warp(100).await.unwrap();
    let after = client.masterchain_info().await.unwrap();
    assert!(after.seqno > before.seqno);
    assert_eq!(after.time, api.subscribe().borrow().gen_utime);
    assert!(after.time >= before.time + 100);

    let mut elsewhere = config(&api.url());
    elsewhere.network_id = MAINNET;
    let error = ChainClient::new(elsewhere).unwrap().masterchain_info().await.unwrap_err();
    assert!(matches!(error, ChainError::WrongNetwork { expected: -239, found: -3 }), "{error}");
}

async fn deploy_and_transfer(version: WalletVersion) {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let (wallet, key) = funded(&api, version, 1).await;
    let info = client.account(&wallet.address()).await.unwrap();
    assert_eq!((info.state, info.balance), (AccountState::Uninit, Nano::grams(10)));
    assert_eq!(client.wallet_seqno(&wallet.address()).await.unwrap(), 0);

    // Deploys itself with its first transfer: three messages in their order, with a comment.
    let body = CellBuilder::build_from((0u32, 0x666f_6721u32)).unwrap();
    let first = [
        OutMessage::new(stranger(1), Nano::new(100_000_001)).with_bounce(Bounce::No),
        OutMessage::new(stranger(2), Nano::new(100_000_002)).with_bounce(Bounce::No),
        OutMessage::new(stranger(3), Nano::new(100_000_003))
            .with_bounce(Bounce::No)
            .with_body(body.clone()),
    ];
    let tx = send(&client, &wallet, &key, &first).await;
    assert!(tx.is_success(), "{tx:?}");
    assert_eq!(tx.in_msg.as_ref().unwrap().kind, MsgKind::ExternalIn);
    assert_eq!(tx.out_msgs.len(), 3);
    for (sent, asked) in tx.out_msgs.iter().zip(&first) {
        assert_eq!(sent.source, Some(wallet.address()));
        assert_eq!((sent.dest, sent.value), (Some(asked.dest), asked.value));
    }
    assert_eq!(tx.out_msgs[2].op(), Some(0));
    assert_eq!(tx.out_msgs[2].body, body);
    assert_eq!(client.account(&stranger(3)).await.unwrap().balance, Nano::new(100_000_003));
    let info = client.account(&wallet.address()).await.unwrap();
    assert_eq!(info.code_hash(), Some(version.code_hash()));
    assert_eq!(client.wallet_seqno(&wallet.address()).await.unwrap(), 1);

    // The second transfer, its replay, and one that is too late.
    let second = OutMessage::new(stranger(4), Nano::new(5)).with_bounce(Bounce::No);
    let signed = wallet.transfer(&key, 1, LATER, std::slice::from_ref(&second)).unwrap();
    assert!(matches!(client.send_boc(&signed.boc).await, SendOutcome::Accepted));
    let replayed = client.send_boc(&signed.boc).await;
    let SendOutcome::Refused { reason, exit_code } = replayed else { panic!("{replayed:?}") };
    let expected = if version == WalletVersion::V5R1 { 133 } else { 33 };
    assert_eq!(exit_code, Some(expected), "{reason}");
    let late = wallet.transfer(&key, 2, START - 1, std::slice::from_ref(&second)).unwrap();
    assert!(matches!(client.send_boc(&late.boc).await, SendOutcome::Refused { .. }));
    let foreign = Wallet::new(version, super::key(2).public(), TESTNET).unwrap();
    let foreign = foreign.transfer(&super::key(2), 0, LATER, &[]).unwrap();
    assert!(matches!(client.send_boc(&foreign.boc).await, SendOutcome::Refused { .. }));
    assert_eq!(client.wallet_seqno(&wallet.address()).await.unwrap(), 2);

    // All that is left.
    let rest = second.with_mode(SendMode::WholeBalance);
    let tx = send(&client, &wallet, &key, &[rest]).await;
    assert!(tx.out_msgs[0].value > Nano::grams(9));
    assert_eq!(client.account(&wallet.address()).await.unwrap().balance, Nano::ZERO);
}

#[tokio::test]
async fn v5r1_deploys_transfers_and_refuses_replays() {
    deploy_and_transfer(WalletVersion::V5R1).await;
}

#[tokio::test]
async fn v4r2_deploys_transfers_and_refuses_replays() {
    deploy_and_transfer(WalletVersion::V4R2).await;
}

#[tokio::test]
async fn a_full_v5r1_request_sends_255_messages() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 3).await;
    let one = |at: u8| {
        OutMessage::new(stranger(at), Nano::new(u64::from(at) + 1)).with_bounce(Bounce::No)
    };
    let messages: Vec<_> = (0..255).map(one).collect();
    let tx = send(&client, &wallet, &key, &messages).await;
    let values: Vec<_> = tx.out_msgs.iter().map(|msg| msg.value.get()).collect();
    assert_eq!(values, (1..=255).collect::<Vec<_>>());
}

#[tokio::test]
async fn following_sees_every_transaction_once_and_in_order() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 4).await;
    let address = wallet.address();
    assert_eq!(client.new_transactions_since(&stranger(9), None).await.unwrap().len(), 0);
    let all = client.new_transactions_since(&address, None).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_contiguous(&all, None);
    let cursor = Some(all[0].cursor());
    assert_eq!(client.new_transactions_since(&address, cursor).await.unwrap().len(), 0);
    // More than two pages.
    for _ in 0..230u32 {
        api.fund(to_std_addr(&address), 1_000_000).await.unwrap();
    }
    send(&client, &wallet, &key, &[]).await;
    let new = client.new_transactions_since(&address, cursor).await.unwrap();
    assert_eq!(new.len(), 231);
    assert_contiguous(&new, cursor);
    let again = client.new_transactions_since(&address, None).await.unwrap();
    assert_eq!(again.len(), 232);
    assert_contiguous(&again, None);
}

#[tokio::test]
async fn get_methods_with_typed_answers() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let (wallet, key) = funded(&api, WalletVersion::V5R1, 5).await;
    let address = wallet.address();
    send(&client, &wallet, &key, &[]).await;
    let result = client.get(&address, "get_public_key", &[]).await.unwrap();
    assert_eq!(result.hash(0).unwrap(), wallet.public_key().0);
    let result = client.get(&address, "get_subwallet_id", &[]).await.unwrap();
    assert_eq!(result.int::<u32>(0).unwrap(), wallet.wallet_id());
    assert!(client.get(&address, "is_signature_allowed", &[]).await.unwrap().bool(0).unwrap());
    let error = client.get(&address, "no_such_method", &[1u64.into()]).await.unwrap_err();
    assert!(matches!(error, ChainError::GetMethod { exit_code: 11, .. }), "{error}");
    let list = [StackEntry::List(Vec::new())];
    let error = client.run_get_method(&address, "seqno", &list).await.unwrap_err();
    assert!(matches!(error, ChainError::Stack(_)), "{error}");
    // A contract that is no wallet is an error, not seqno 0.
    let faucet = api.with(|chain| chain.faucet().clone()).await.unwrap();
    let faucet = fog_wallet::from_std_addr(&faucet);
    assert!(client.wallet_seqno(&faucet).await.is_err());
}

#[tokio::test]
async fn garbage_is_refused_not_unknown() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    assert!(matches!(client.send_boc(b"garbage").await, SendOutcome::Refused { .. }));
    assert!(matches!(client.send_boc(&[0; 70_000]).await, SendOutcome::Refused { .. }));
}

#[tokio::test]
async fn waiting_ends() {
    let (api, _handle) = chain().await;
    let client = client(&api.url());
    let wait = Duration::from_millis(50);
    let error = client.wait_transaction(&stranger(1), None, wait, |_| true).await.unwrap_err();
    assert!(matches!(error, ChainError::NotSeen { .. }), "{error}");
}

#[tokio::test]
async fn an_embedded_chain_is_known_by_its_faucet() {
    let (api, _handle) = chain().await;
    let faucet = api.with(|chain| chain.faucet().clone()).await.unwrap();
    let kind = client(&api.url()).network_kind().await.unwrap();
    assert_eq!(kind, fog_chain::NetworkKind::Local, "its faucet is {faucet}");
    assert!(!kind.is_public() && kind.to_string().contains("LOCAL ONLY"));
}
