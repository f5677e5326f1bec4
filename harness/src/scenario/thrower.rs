//! An account that throws at every message it gets: the wallet that bounces. It pays by order of
//! whoever knows it. **LOCAL ONLY**: it has no key.

use fog_protocol::{Address, Hash32};
use fog_wallet::OutMessage;
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, HashBytes},
    dict::Dict,
    error::Error,
    models::{
        CurrencyCollection, ExtInMsgInfo, IntMsgInfo, MsgInfo, OwnedMessage, StateInit, StdAddr,
    },
    num::Tokens,
};

/// TVM code, assembled by hand. Data: `seqno:uint32 salt:uint64`. Body of an external message:
/// `seqno:uint32 mode:uint8 message:^Cell`. At an internal message it throws.
#[rustfmt::skip]
const CODE: &[u8] = &[
    0xff, 0x00, // SETCP0
    0xf2, 0xa1, // 33 THROWIFNOT   selector 0: an internal message
    0xd3, 0x1f, // 32 LDU          seqno body
    0xed, 0x44, // c4 PUSH
    0xd0,       // CTOS
    0xd3, 0x1f, // 32 LDU          seqno body stored salt
    0x23,       // s3 PUSH
    0x22,       // s2 PUSH
    0xba,       // EQUAL
    0xf2, 0xa2, // 34 THROWIFNOT   an old or future sequence number
    0xf8, 0x00, // ACCEPT          seqno body stored salt
    0x02,       // s0 s2 XCHG      seqno salt stored body
    0xd3, 0x07, // 8 LDU           seqno salt stored mode body
    0xd4,       // LDREF           seqno salt stored mode message body
    0xd1,       // ENDS
    0x01,       // SWAP            seqno salt stored message mode
    0xfb, 0x00, // SENDRAWMSG
    0xa4,       // INC             seqno salt stored+1
    0xc8,       // NEWC
    0xcb, 0x1f, // 32 STU
    0xce,       // STSLICE         seqno builder
    0xc9,       // ENDC
    0xed, 0x54, // c4 POP
];

/// Pay forwarding fees apart from the value.
const PAY_FEES_SEPARATELY: u8 = 1;

/// Such an account.
#[derive(Debug, Clone)]
pub(super) struct Thrower {
    pub(super) address: Address,
    init: StateInit,
}

impl Thrower {
    /// The account with this salt.
    pub(super) fn new(salt: u64) -> Result<Self, Error> {
        let mut code = CellBuilder::new();
        code.store_raw(CODE, u16::try_from(CODE.len() * 8).map_err(|_| Error::CellOverflow)?)?;
        let mut data = CellBuilder::new();
        data.store_u32(0)?;
        data.store_u64(salt)?;
        let init = StateInit {
            split_depth: None,
            special: None,
            code: Some(code.build()?),
            data: Some(data.build()?),
            libraries: Dict::new(),
        };
        let hash = *CellBuilder::build_from(&init)?.repr_hash();
        Ok(Self { address: Address { workchain: 0, hash: Hash32(hash.0) }, init })
    }

    /// The external message that makes it send `out`; the first one (`seqno` 0) deploys it.
    pub(super) fn order(&self, seqno: u32, out: &OutMessage) -> Result<Vec<u8>, Error> {
        let message = CellBuilder::build_from(OwnedMessage {
            info: MsgInfo::Int(IntMsgInfo {
                ihr_disabled: true,
                bounce: false,
                bounced: false,
                src: std(&self.address).into(),
                dst: std(&out.dest).into(),
                value: CurrencyCollection::from(Tokens::new(u128::from(out.value.get()))),
                ..IntMsgInfo::default()
            }),
            init: out.state_init.clone(),
            body: out.body.clone().into(),
            layout: None,
        })?;
        let mut body = CellBuilder::new();
        body.store_u32(seqno)?;
        body.store_u8(PAY_FEES_SEPARATELY)?;
        body.store_reference(message)?;
        let external: Cell = CellBuilder::build_from(OwnedMessage {
            info: MsgInfo::ExtIn(ExtInMsgInfo {
                src: None,
                dst: std(&self.address).into(),
                import_fee: Tokens::ZERO,
            }),
            init: (seqno == 0).then(|| self.init.clone()),
            body: body.build()?.into(),
            layout: None,
        })?;
        Ok(Boc::encode(external))
    }
}

fn std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain, HashBytes(address.hash.0))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::Nano;
    use fog_testnet::chain::{Chain, ChainConfig, Clock, TESTNET_GLOBAL_ID, Transfer};

    use super::*;

    #[test]
    fn it_pays_when_told_and_throws_at_everything_else() {
        let settings = ChainConfig { clock: Clock::Manual(1_760_000_000), ..Default::default() };
        assert_eq!(settings.global_id, TESTNET_GLOBAL_ID);
        let mut chain = Chain::new_in_memory(settings).unwrap();
        let thrower = Thrower::new(7).unwrap();
        chain.fund(&std(&thrower.address), 5_000_000_000).unwrap();
        let to = Address::basechain([9; 32]);
        for seqno in 0..2 {
            let out = OutMessage::new(to, Nano::grams(1));
            chain.send_boc(&thrower.order(seqno, &out).unwrap()).unwrap();
        }
        assert_eq!(chain.account(&std(&to)).unwrap().balance, 2_000_000_000);
        let again = thrower.order(1, &OutMessage::new(to, Nano::grams(1))).unwrap();
        assert!(chain.send_boc(&again).is_err());
        let party = chain.open_treasury(3, 10_000_000_000).unwrap();
        let call = Transfer::call(std(&thrower.address), 1_000_000_000, Cell::default());
        let receipt = chain.send_from(&party, &call).unwrap();
        let thrown = receipt.transactions.iter().find(|tx| tx.address == call.to).unwrap();
        assert!(thrown.aborted().unwrap());
        assert_eq!(thrown.exit_code().unwrap(), Some(33));
    }
}
