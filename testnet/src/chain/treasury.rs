//! The faucet's contract: sends what it is told, to anyone who asks. **LOCAL ONLY.**
//!
//! Money enters accounts by real messages from such a contract, so it is conserved and visible in
//! the account's history. There is no key: whoever may post to this chain may take from its
//! faucet. A sequence number keeps a message from being applied twice.

use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{ExtInMsgInfo, IntMsgInfo, MsgInfo, OwnedMessage, StateInit, StdAddr};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

/// TVM code, assembled by hand. Data: `seqno:uint32 salt:uint64`. Body of an external message:
/// `seqno:uint32 mode:uint8 message:^Cell`. Internal messages are accepted as they come.
#[rustfmt::skip]
const CODE: &[u8] = &[
    0xff, 0x00, // SETCP0
    0xdd,       // IFNOTRET        selector 0: an internal message, keep the money
    0xd3, 0x1f, // 32 LDU          seqno body
    0xed, 0x44, // c4 PUSH
    0xd0,       // CTOS
    0xd3, 0x1f, // 32 LDU          seqno body stored salt
    0x23,       // s3 PUSH
    0x22,       // s2 PUSH
    0xba,       // EQUAL
    0xf2, 0xa1, // 33 THROWIFNOT   an old or future sequence number
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

/// Pay forwarding fees apart from the value, so that the receiver gets exactly what was asked.
const PAY_FEES_SEPARATELY: u8 = 1;

/// A message to be sent from a [`Treasury`].
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Receiver.
    pub to: StdAddr,
    /// Value, nano; the sender pays the forwarding fee on top.
    pub value: u128,
    /// Whether the message returns if the receiver fails.
    pub bounce: Bounce,
    /// Code and data to deploy with.
    pub init: Option<StateInit>,
    /// Body; an empty cell for a plain transfer.
    pub body: Cell,
}

impl Transfer {
    /// A plain transfer that stays where it arrives, even if nothing is deployed there.
    pub fn plain(to: StdAddr, value: u128) -> Self {
        Self { to, value, bounce: Bounce::Never, init: None, body: Cell::default() }
    }

    /// A call of a deployed contract; it bounces if the contract throws.
    pub fn call(to: StdAddr, value: u128, body: Cell) -> Self {
        Self { to, value, bounce: Bounce::Classic, init: None, body }
    }

    /// A deployment with a first message.
    pub fn deploy(to: StdAddr, value: u128, init: StateInit, body: Cell) -> Self {
        Self { to, value, bounce: Bounce::Never, init: Some(init), body }
    }
}

/// What happens to a message whose receiver fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounce {
    /// It stays there.
    Never,
    /// It returns with 32 one-bits and 256 bits of the body.
    Classic,
    /// It returns in the format of version 12 with the root of the body.
    Rich,
    /// It returns in the format of version 12 with the whole body.
    RichFull,
}

impl Bounce {
    fn extra_flags(self) -> tycho_types::models::MessageExtraFlags {
        use tycho_types::models::MessageExtraFlags as Flags;
        match self {
            Self::Never | Self::Classic => Flags::empty(),
            Self::Rich => Flags::NEW_BOUNCE_FORMAT,
            Self::RichFull => Flags::NEW_BOUNCE_FORMAT | Flags::FULL_BODY_IN_BOUNCED,
        }
    }
}

/// A faucet account. Anyone can make it send: **LOCAL ONLY**.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treasury {
    /// Where it lives.
    pub address: StdAddr,
    salt: u64,
}

impl Treasury {
    /// The treasury with this salt; different salts are different accounts.
    pub(crate) fn new(salt: u64) -> Result<Self, Error> {
        let init = Self::state_init(salt)?;
        let hash = *CellBuilder::build_from(&init)?.repr_hash();
        Ok(Self { address: StdAddr::new(0, hash), salt })
    }

    /// Its initial code and data.
    pub(crate) fn init(&self) -> Result<StateInit, Error> {
        Self::state_init(self.salt)
    }

    fn state_init(salt: u64) -> Result<StateInit, Error> {
        let mut code = CellBuilder::new();
        code.store_raw(CODE, u16::try_from(CODE.len() * 8).map_err(|_| Error::CellOverflow)?)?;
        let mut data = CellBuilder::new();
        data.store_u32(0)?;
        data.store_u64(salt)?;
        Ok(StateInit {
            split_depth: None,
            special: None,
            code: Some(code.build()?),
            data: Some(data.build()?),
            libraries: Dict::new(),
        })
    }

    /// The external message that makes it send `transfer`.
    pub(crate) fn order(&self, seqno: u32, transfer: &Transfer) -> Result<Cell, Error> {
        let message = internal_message(&self.address, transfer, 0, 0)?;
        let mut body = CellBuilder::new();
        body.store_u32(seqno)?;
        body.store_u8(PAY_FEES_SEPARATELY)?;
        body.store_reference(message)?;
        CellBuilder::build_from(OwnedMessage {
            info: MsgInfo::ExtIn(ExtInMsgInfo {
                src: None,
                dst: self.address.clone().into(),
                import_fee: Tokens::ZERO,
            }),
            init: None,
            body: body.build()?.into(),
            layout: None,
        })
    }
}

/// The sequence number in a treasury's data.
pub(crate) fn seqno_of(data: &Cell) -> Result<u32, Error> {
    data.as_slice()?.load_u32()
}

/// An internal message from `from`.
pub(crate) fn internal_message(
    from: &StdAddr,
    transfer: &Transfer,
    created_lt: u64,
    created_at: u32,
) -> Result<Cell, Error> {
    CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::Int(IntMsgInfo {
            ihr_disabled: true,
            bounce: transfer.bounce != Bounce::Never,
            bounced: false,
            src: from.clone().into(),
            dst: transfer.to.clone().into(),
            value: Tokens::new(transfer.value).into(),
            extra_flags: transfer.bounce.extra_flags(),
            fwd_fee: Tokens::ZERO,
            created_lt,
            created_at,
        }),
        init: transfer.init.clone(),
        body: transfer.body.clone().into(),
        layout: None,
    })
}
