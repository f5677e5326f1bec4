//! Wallet contracts against two independent implementations: `tonlib-core` and `ton-contracts`.
#![expect(clippy::unwrap_used, reason = "tests")]

use fog_protocol::Nano;
use fog_wallet::{
    Address, Bounce, MAINNET, Mnemonic, OutMessage, SecretKey, SendMode, TESTNET, Wallet,
    WalletError, WalletVersion, body_hash, normalized_hash, parse_request,
};
use num_bigint::BigUint;
use tlb_ton::action::SendMsgAction;
use tlb_ton::message::{CommonMsgInfo, Message as OtherMessage};
use tlb_ton::{BoC, MsgAddress};
use ton_contracts::wallet::v4r2::{V4R2, WalletV4R2ExternalBody, WalletV4R2Op};
use ton_contracts::wallet::v5r1::V5R1;
use ton_contracts::wallet::{KeyPair, Wallet as OtherWallet, WalletVersion as OtherVersion};
use tonlib_core::cell::{ArcCell, BagOfCells};
use tonlib_core::wallet::mnemonic::KeyPair as TonlibPair;
use tonlib_core::wallet::ton_wallet::TonWallet;
use tonlib_core::wallet::wallet_version::WalletVersion as TonlibVersion;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{MsgInfo, OwnedMessage, OwnedRelaxedMessage, RelaxedMsgInfo, StateInit};

const LATER: u32 = 2_000_000_000;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn pair(key: &SecretKey) -> KeyPair {
    let mut secret = [0; 64];
    secret[..32].copy_from_slice(key.seed().as_ref());
    secret[32..].copy_from_slice(&key.public().0.0);
    KeyPair::new(secret, key.public().0.0)
}

fn cell(value: u32) -> Cell {
    CellBuilder::build_from(value).unwrap()
}

fn message(number: u8) -> OutMessage {
    OutMessage::new(Address::basechain([number; 32]), Nano::new(1000 + u64::from(number)))
}

fn body_of(boc: &[u8]) -> Cell {
    let message = Boc::decode(boc).unwrap();
    let message = message.parse::<OwnedMessage>().unwrap();
    assert!(matches!(message.info, MsgInfo::ExtIn(_)));
    let (range, cell) = message.body;
    assert!(range.is_full(cell.as_ref()));
    cell
}

#[test]
fn addresses_equal_those_of_both_others() {
    for number in 0..48u8 {
        let key = key(number);
        let check = |network| {
            let wallet = Wallet::new(WalletVersion::V5R1, key.public(), network).unwrap();
            let id = wallet.wallet_id();
            let other = OtherWallet::<V5R1>::derive(0, pair(&key), id).unwrap();
            assert_eq!(other.address().address, wallet.address().hash.0);
            assert_eq!(
                tonlib(TonlibVersion::V5R1, &key, id).address.hash_part.as_slice(),
                wallet.address().hash.0
            );
        };
        check(MAINNET);
        check(TESTNET);
        let wallet = Wallet::new(WalletVersion::V4R2, key.public(), TESTNET).unwrap();
        let other = OtherWallet::<V4R2>::derive_default(pair(&key)).unwrap();
        assert_eq!(other.address().address, wallet.address().hash.0);
        let third = tonlib(TonlibVersion::V4R2, &key, wallet.wallet_id());
        assert_eq!(third.address.hash_part.as_slice(), wallet.address().hash.0);
    }
}

fn tonlib(version: TonlibVersion, key: &SecretKey, id: u32) -> TonWallet {
    let pair = pair(key);
    let pair =
        TonlibPair { public_key: pair.public_key.to_vec(), secret_key: pair.secret_key.to_vec() };
    TonWallet::new_with_params(version, pair, 0, id.cast_signed()).unwrap()
}

#[test]
fn known_wallets_and_ids() {
    let v4 = "fancy carpet hello mandate penalty trial consider property top vicious exit rebuild \
              tragic profit urban major total month holiday sudden rib gather media vicious";
    let v5 = "section garden tomato dinner season dice renew length useful spin trade intact use \
              universe what post spike keen mandate behind concert egg doll rug";
    let address = |words: &str, version| {
        let key = Mnemonic::parse(words).unwrap().secret_key();
        Wallet::new(version, key.public(), MAINNET).unwrap().address()
    };
    assert_eq!(
        address(v4, WalletVersion::V4R2),
        "EQCDM_QGggZ3qMa_f3lRPk4_qLDnLTqdi6OkMAV2NB9r5TG3".parse().unwrap()
    );
    assert_eq!(
        address(v5, WalletVersion::V5R1),
        "UQDv2YSmlrlLH3hLNOVxC8FcQf4F9eGNs4vb2zKma4txo6i3".parse().unwrap()
    );
    let id = |version, network, subwallet| {
        Wallet::with_subwallet(version, key(1).public(), network, subwallet).unwrap().wallet_id()
    };
    assert_eq!(id(WalletVersion::V5R1, MAINNET, 0), 0x7fff_ff11);
    assert_eq!(id(WalletVersion::V5R1, TESTNET, 0), 0x7fff_fffd);
    assert_eq!(id(WalletVersion::V5R1, MAINNET, 1), 0x7fff_ff10);
    assert_eq!(id(WalletVersion::V4R2, MAINNET, 0), 698_983_191);
    for (version, hash) in
        [(WalletVersion::V5R1, V5R1::code().hash()), (WalletVersion::V4R2, V4R2::code().hash())]
    {
        assert_eq!(version.code_hash().0, hash);
        assert_eq!(WalletVersion::of_code(&version.code_hash()), Some(version));
    }
}

/// What is built here, `ton-contracts` and `tonlib-core` read; order and modes included.
#[test]
fn v4r2_is_read_by_the_others() {
    let key = key(3);
    let wallet = Wallet::new(WalletVersion::V4R2, key.public(), TESTNET).unwrap();
    let state_init = StateInit { code: Some(cell(1)), data: Some(cell(2)), ..StateInit::default() };
    let messages = [
        message(1),
        message(2).with_bounce(Bounce::No).with_mode(SendMode::WholeBalance),
        message(3).with_body(cell(9)).with_state_init(state_init),
    ];
    let signed = wallet.transfer(&key, 5, LATER, &messages).unwrap();
    let boc = BoC::deserialize(&signed.boc).unwrap();
    let root = boc.single_root().unwrap();
    let read: OtherMessage<WalletV4R2ExternalBody> = root.parse_fully(()).unwrap();
    assert!(read.init.is_none());
    assert_eq!((read.body.body.seqno, read.body.body.expire_at), (5, LATER));
    let WalletV4R2Op::Send(sent) = read.body.body.op else { panic!("not a transfer") };
    check_sent(&sent);
    let code = sent[2].message.init.as_ref().unwrap().code.as_ref().unwrap();
    assert_eq!(number_in(code), 1);
    let request = parse_request(WalletVersion::V4R2, &body_of(&signed.boc)).unwrap();
    assert!(request.is_signed_by(&key.public()));
}

fn check_sent(sent: &[SendMsgAction]) {
    assert_eq!(sent.iter().map(|sent| sent.mode).collect::<Vec<_>>(), [3, 130, 3]);
    for (at, sent) in sent.iter().enumerate() {
        let CommonMsgInfo::Internal(info) = &sent.message.info else { panic!("not internal") };
        assert_eq!(info.dst.address, [u8::try_from(at).unwrap() + 1; 32]);
        assert_eq!(info.value.grams, BigUint::from(1001 + at));
        assert_eq!(info.bounce, at != 1);
    }
    assert_eq!(number_in(&sent[2].message.body), 9);
}

/// Bit by bit: these cells may start in mid-byte, which `Cell::hash` of tlb 0.11 does not expect.
fn number_in(cell: &tlb_ton::Cell) -> u32 {
    assert_eq!(cell.data.len(), 32);
    cell.data.iter().by_vals().fold(0, |number, bit| number << 1 | u32::from(bit))
}

#[test]
fn v5r1_is_read_back_and_by_the_others() {
    let key = key(4);
    let wallet = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap();
    let messages = [
        message(1),
        message(2).with_bounce(Bounce::No).with_mode(SendMode::WholeBalance),
        message(3).with_body(cell(9)),
    ];
    let signed = wallet.transfer(&key, 0, LATER, &messages).unwrap();
    let body = body_of(&signed.boc);
    let request = parse_request(WalletVersion::V5R1, &body).unwrap();
    assert!(request.is_signed_by(&key.public()));
    assert!(!request.is_signed_by(&self::key(5).public()));
    assert_eq!((request.seqno, request.valid_until), (0, LATER));
    assert_eq!(request.wallet_id, wallet.wallet_id());
    for (at, (mode, cell)) in request.messages.iter().enumerate() {
        assert_eq!(*mode, messages[at].mode.byte());
        let inner = cell.parse::<OwnedRelaxedMessage>().unwrap();
        let RelaxedMsgInfo::Int(info) = inner.info else { panic!("not internal") };
        let value = info.value.tokens.into_inner();
        assert_eq!(value, u128::from(messages[at].value.get()));
    }
    // tonlib-core reads the same request; it lists the actions last first.
    let tonlib_body = to_tonlib(&body);
    let mut parser = tonlib_body.parser();
    let theirs = <tonlib_core::wallet::versioned::v5::WalletExtMsgBodyV5
        as tonlib_core::tlb_types::tlb::TLB>::read(&mut parser).unwrap();
    assert_eq!(theirs.wallet_id.cast_unsigned(), wallet.wallet_id());
    assert_eq!(theirs.msgs_modes, [3, 130, 3]);
    let hashes = |cells: &[ArcCell]| {
        cells.iter().rev().map(|cell| cell.cell_hash().as_slice().to_vec()).collect::<Vec<_>>()
    };
    let mine: Vec<_> =
        request.messages.iter().map(|(_, cell)| cell.repr_hash().0.to_vec()).collect();
    assert_eq!(hashes(&theirs.msgs), mine);
}

fn to_tonlib(cell: &Cell) -> ArcCell {
    BagOfCells::parse(&Boc::encode(cell)).unwrap().single_root().unwrap()
}

/// What the others build is read here.
#[test]
fn requests_of_the_others_are_read() {
    let key = key(6);
    let actions = || {
        (1..=3u8).map(|number| SendMsgAction {
            mode: number,
            message: OtherMessage::<()>::transfer(
                MsgAddress { workchain_id: 0, address: [number; 32] },
                BigUint::from(number),
                true,
            )
            .normalize()
            .unwrap(),
        })
    };
    let v4 = OtherWallet::<V4R2>::derive_default(pair(&key)).unwrap();
    let theirs = v4.create_external_message(LATER, 7, actions(), true).unwrap();
    let request = parse_request(WalletVersion::V4R2, &other_body(&theirs)).unwrap();
    assert!(request.is_signed_by(&key.public()));
    assert_eq!(request.seqno, 7);
    assert_eq!(request.messages.iter().map(|(mode, _)| *mode).collect::<Vec<_>>(), [1, 2, 3]);

    // For v5r1 only tonlib-core: ton-contracts 0.11 puts the action list in line instead of in a
    // reference and leaves the op out of the signature, which the contract refuses.
    let id = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap().wallet_id();
    let tonlib = tonlib(TonlibVersion::V5R1, &key, id);
    let inner: Vec<_> = request.messages.iter().map(|(_, cell)| to_tonlib(cell)).collect();
    let theirs = tonlib.create_external_msg(LATER, 8, true, &inner).unwrap();
    let boc = BagOfCells::from_root(theirs).serialize(true).unwrap();
    let request = parse_request(WalletVersion::V5R1, &body_of(&boc)).unwrap();
    assert!(request.is_signed_by(&key.public()));
    assert_eq!((request.seqno, request.messages.len()), (8, 3));
}

fn other_body<T, C, D>(message: &OtherMessage<T, C, D>) -> Cell
where
    T: tlb_ton::ser::CellSerialize<Args: tlb_ton::bits::NoArgs>,
    C: tlb_ton::ser::CellSerialize<Args: tlb_ton::bits::NoArgs>,
    D: tlb_ton::ser::CellSerialize<Args: tlb_ton::bits::NoArgs>,
{
    use tlb_ton::ser::CellSerializeExt as _;
    let body = message.body.to_cell(tlb_ton::bits::NoArgs::EMPTY).unwrap();
    let args = tlb_ton::BagOfCellsArgs { has_idx: false, has_crc32c: true };
    Boc::decode(BoC::from_root(body).serialize(args).unwrap()).unwrap()
}

#[test]
fn limits_and_wrong_keys() {
    let key = key(7);
    for (version, max) in [(WalletVersion::V5R1, 255), (WalletVersion::V4R2, 4)] {
        let wallet = Wallet::new(version, key.public(), TESTNET).unwrap();
        let messages = vec![message(1); max + 1];
        let signed = wallet.transfer(&key, 1, LATER, &messages[..max]).unwrap();
        let request = parse_request(version, &body_of(&signed.boc)).unwrap();
        assert_eq!(request.messages.len(), max);
        assert!(matches!(
            wallet.transfer(&key, 1, LATER, &messages),
            Err(WalletError::TooManyMessages { given, .. }) if given == max + 1
        ));
        assert!(matches!(
            wallet.transfer(&self::key(8), 1, LATER, &[]),
            Err(WalletError::WrongKey(_))
        ));
    }
    let too_far = Wallet::with_subwallet(WalletVersion::V5R1, key.public(), TESTNET, 0x8000);
    assert!(matches!(too_far, Err(WalletError::Subwallet(0x8000))));
}

/// TEP-467: who relays a message may drop its StateInit or move its body; the hash stays.
#[test]
fn normalized_hash_survives_rebuilding() {
    let key = key(9);
    let wallet = Wallet::new(WalletVersion::V5R1, key.public(), TESTNET).unwrap();
    let signed = wallet.transfer(&key, 0, LATER, &[message(1)]).unwrap();
    let cell = Boc::decode(&signed.boc).unwrap();
    assert_eq!(normalized_hash(&cell).unwrap(), signed.normalized_hash);
    assert_ne!(signed.normalized_hash, signed.message_hash);
    assert_eq!(body_hash(&cell).unwrap(), signed.body_hash);

    let mut rebuilt = cell.parse::<OwnedMessage>().unwrap();
    rebuilt.init = None;
    rebuilt.layout = None;
    let rebuilt = CellBuilder::build_from(&rebuilt).unwrap();
    assert_ne!(rebuilt.repr_hash(), cell.repr_hash());
    assert_eq!(normalized_hash(&rebuilt).unwrap(), signed.normalized_hash);
    assert_eq!(body_hash(&rebuilt).unwrap(), signed.body_hash);
    // One bit of another request is another hash.
    let other = wallet.transfer(&key, 0, LATER + 1, &[message(1)]).unwrap();
    assert_ne!(other.normalized_hash, signed.normalized_hash);
}

proptest::proptest! {
    #[test]
    fn any_cell_is_a_request_or_refused(
        bytes in proptest::collection::vec(0u8.., 0..127),
        tail in proptest::collection::vec(0u8.., 0..60),
        op: bool,
    ) {
        let mut builder = CellBuilder::new();
        if op { builder.store_u32(0x7369_676e).unwrap(); }
        let bits = u16::try_from(bytes.len().min(120) * 8).unwrap();
        builder.store_raw(&bytes, bits).unwrap();
        let mut child = CellBuilder::new();
        child.store_raw(&tail, u16::try_from(tail.len() * 8).unwrap()).unwrap();
        builder.store_reference(child.build().unwrap()).unwrap();
        let cell = builder.build().unwrap();
        let _ = parse_request(WalletVersion::V5R1, &cell);
        let _ = parse_request(WalletVersion::V4R2, &cell);
        let _ = normalized_hash(&cell);
        let _ = body_hash(&cell);
    }
}
