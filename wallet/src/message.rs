//! Messages a wallet sends, and the hashes by which its transactions are recognised.

use fog_protocol::{Address, Hash32, Nano};
use tycho_types::cell::{
    Cell, CellBuilder, CellFamily as _, CellSlice, CellSliceParts, Load as _, Store as _,
};
use tycho_types::error::Error;
use tycho_types::models::{
    BaseMessage, CurrencyCollection, ExtInMsgInfo, IntAddr, Message, MessageLayout, MsgInfo,
    OwnedRelaxedMessage, RelaxedIntMsgInfo, RelaxedMsgInfo, StateInit,
};

use crate::to_std_addr;

/// What the recipient's chain does with a message it cannot process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounce {
    /// The value comes back (less fees). Right for contracts.
    Yes,
    /// The value stays at the address. Needed for wallets that are not deployed yet.
    No,
}

/// How a message's value and fees are paid. Only modes a wallet can send safely exist here: each
/// ignores errors (+2), without which v5r1 refuses the request and v4r2 could be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// Exactly the value arrives; the wallet pays the forwarding fee on top (mode 3).
    FeesApart,
    /// The forwarding fee is taken out of the value (mode 2).
    FeesFromValue,
    /// The wallet's whole balance is sent, the value given is ignored (mode 130).
    WholeBalance,
}

impl SendMode {
    /// The mode byte of `SENDRAWMSG`.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::FeesApart => 3,
            Self::FeesFromValue => 2,
            Self::WholeBalance => 130,
        }
    }
}

/// One message a wallet is to send.
#[derive(Debug, Clone)]
pub struct OutMessage {
    /// The recipient.
    pub dest: Address,
    /// Nanogram to attach.
    pub value: Nano,
    /// What happens if the recipient fails.
    pub bounce: Bounce,
    /// How value and fees are paid.
    pub mode: SendMode,
    /// Code and data, to deploy the recipient with this message.
    pub state_init: Option<StateInit>,
    /// The body; an empty cell for a plain transfer.
    pub body: Cell,
}

impl OutMessage {
    /// A plain transfer of `value` nanogram: bounceable, fees paid apart, no body.
    #[must_use]
    pub fn new(dest: Address, value: Nano) -> Self {
        Self {
            dest,
            value,
            bounce: Bounce::Yes,
            mode: SendMode::FeesApart,
            state_init: None,
            body: Cell::empty_cell(),
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, body: Cell) -> Self {
        self.body = body;
        self
    }

    /// The same, deploying the recipient.
    #[must_use]
    pub fn with_state_init(mut self, state_init: StateInit) -> Self {
        self.state_init = Some(state_init);
        self
    }

    /// The same with another bounce flag.
    #[must_use]
    pub const fn with_bounce(mut self, bounce: Bounce) -> Self {
        self.bounce = bounce;
        self
    }

    /// The same with another send mode.
    #[must_use]
    pub const fn with_mode(mut self, mode: SendMode) -> Self {
        self.mode = mode;
        self
    }

    /// The message as the wallet contract gets it: the network fills in source, fees and times.
    pub(crate) fn to_cell(&self) -> Result<Cell, Error> {
        let info = RelaxedMsgInfo::Int(RelaxedIntMsgInfo {
            ihr_disabled: true,
            bounce: self.bounce == Bounce::Yes,
            dst: IntAddr::Std(to_std_addr(&self.dest)),
            value: CurrencyCollection::new(u128::from(self.value.get())),
            ..RelaxedIntMsgInfo::default()
        });
        let body = CellSliceParts::from(self.body.clone());
        let mut layout =
            OwnedRelaxedMessage::compute_layout(&info, self.state_init.as_ref(), &body);
        // A special cell (a library reference) loses its meaning when its bits are copied.
        layout.body_to_cell |= self.body.is_exotic();
        CellBuilder::build_from(OwnedRelaxedMessage {
            info,
            init: self.state_init.clone(),
            body,
            layout: Some(layout),
        })
    }
}

/// A signed external message, ready to send, with what is needed to recognise its transaction.
/// Sending the same bytes again is safe: the wallet's sequence number lets them work once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransfer {
    /// The wallet it is for.
    pub wallet: Address,
    /// The external message as a bag of cells: exactly these bytes go to `sendBoc`.
    pub boc: Vec<u8>,
    /// Hash of the message cell as built. Gateways may rebuild the message; prefer the next.
    pub message_hash: Hash32,
    /// TEP-467's normalized hash, the same whoever relays the message.
    pub normalized_hash: Hash32,
    /// Hash of the signed body: equal to [`body_hash`] of the transaction's incoming message.
    pub body_hash: Hash32,
    /// The sequence number it uses up.
    pub seqno: u32,
    /// Unix time (chain time) from which the wallet refuses it.
    pub valid_until: u32,
}

/// TEP-467's normalized hash of an external message: source, import fee and StateInit removed,
/// body in a reference.
///
/// # Errors
/// [`Error::InvalidTag`] if this is no external incoming message, or the cell's own error.
pub fn normalized_hash(message: &Cell) -> Result<Hash32, Error> {
    let message = message.parse::<Message<'_>>()?;
    let MsgInfo::ExtIn(info) = message.info else { return Err(Error::InvalidTag) };
    let normalized = external_message(info.dst, None, &rebuild(message.body)?)?;
    Ok(Hash32(normalized.repr_hash().0))
}

/// Hash of the body of any message, wherever the body lies in it.
///
/// # Errors
/// The cell's own error, if this is no message.
pub fn body_hash(message: &Cell) -> Result<Hash32, Error> {
    let mut slice = message.as_slice()?;
    let message = Message::load_from(&mut slice)?;
    Ok(Hash32(rebuild(message.body)?.repr_hash().0))
}

/// An external message with its body, and its StateInit if any, in references.
pub(crate) fn external_message(
    dest: IntAddr,
    init: Option<StateInit>,
    body: &Cell,
) -> Result<Cell, Error> {
    let layout = MessageLayout { init_to_cell: init.is_some(), body_to_cell: true };
    CellBuilder::build_from(BaseMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo { src: None, dst: dest, ..ExtInMsgInfo::default() }),
        init,
        body: CellSliceParts::from(body.clone()),
        layout: Some(layout),
    })
}

fn rebuild(slice: CellSlice<'_>) -> Result<Cell, Error> {
    let mut builder = CellBuilder::new();
    slice.store_into(&mut builder, Cell::empty_context())?;
    builder.build()
}
