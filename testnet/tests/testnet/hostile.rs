//! Messages from outside are bytes from anybody: refused or executed, never a panic, and money stays
//! conserved.

use fog_testnet::chain::{Bounce, SendError, StackItem, Transfer};
use num_bigint::BigInt;
use proptest::prelude::*;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{ExtInMsgInfo, MsgInfo, OwnedMessage, StateInit, StdAddr};
use tycho_types::num::Tokens;

use crate::conservation::{assert_conserved, manual_chain};

fn cell_of(bytes: &[u8]) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap()).unwrap();
    builder.build().unwrap()
}

/// A contract of arbitrary code, and its address.
fn contract(code: &[u8], data: &[u8]) -> (StdAddr, StateInit) {
    let init =
        StateInit { code: Some(cell_of(code)), data: Some(cell_of(data)), ..StateInit::default() };
    let hash = *CellBuilder::build_from(&init).unwrap().repr_hash();
    (StdAddr::new(0, hash), init)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_bytes_are_no_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut chain = manual_chain();
        let refused = matches!(chain.send_boc(&bytes), Err(SendError::Malformed(_)));
        prop_assert!(refused);
    }

    #[test]
    fn a_damaged_message_is_refused_or_executed(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut chain = manual_chain();
        let party = chain.open_treasury(1, 10_000_000_000).unwrap();
        let target = StdAddr::new(0, HashBytes([9; 32]));
        let receipt = chain.send_from(&party, &Transfer::plain(target, 1_000)).unwrap();
        let message = receipt.transactions[0].load().unwrap().in_msg.unwrap();
        let mut bytes = Boc::encode(message);
        for (index, byte) in &flips {
            let at = index.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let Err(SendError::Chain(error)) = chain.send_boc(&bytes) {
            prop_assert!(false, "the chain itself failed: {error}");
        }
        assert_conserved(&chain);
    }

    /// Contracts of random code are deployed, called from inside and outside, asked, and left to
    /// rot: nothing they do may break the chain.
    #[test]
    fn random_code_does_not_break_the_chain(
        code in prop::collection::vec(any::<u8>(), 0..120),
        data in prop::collection::vec(any::<u8>(), 0..60),
        body in prop::collection::vec(any::<u8>(), 0..60),
        argument in any::<i64>(),
    ) {
        // Accepts everything first, so that external messages run the rest as well.
        let code = [&[0xf8, 0x00][..], &code].concat();
        let mut chain = manual_chain();
        let party = chain.open_treasury(1, 100_000_000_000).unwrap();
        let (address, init) = contract(&code, &data);
        let mut deploy = Transfer::deploy(address.clone(), 5_000_000_000, init, cell_of(&body));
        deploy.bounce = Bounce::RichFull;
        chain.send_from(&party, &deploy).unwrap();
        assert_conserved(&chain);
        let external = CellBuilder::build_from(OwnedMessage {
            info: MsgInfo::ExtIn(ExtInMsgInfo {
                src: None,
                dst: address.clone().into(),
                import_fee: Tokens::ZERO,
            }),
            init: None,
            body: cell_of(&body).into(),
            layout: None,
        })
        .unwrap();
        if let Err(SendError::Chain(error)) = chain.send(external) {
            prop_assert!(false, "the chain itself failed: {error}");
        }
        let stack = [StackItem::Int(BigInt::from(argument)), StackItem::Cell(cell_of(&body))];
        chain.run_get_method(&address, 0u32, &stack).unwrap();
        chain.warp(2_000_000_000).unwrap();
        chain.send_from(&party, &Transfer::call(address, 1_000_000, cell_of(&body))).unwrap();
        assert_conserved(&chain);
    }
}
