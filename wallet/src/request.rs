//! Reading what a wallet was asked to send: the other half of [`crate::Wallet::transfer`].

use fog_protocol::{Hash32, PublicKey, Signature};
use tycho_types::cell::{Cell, CellBuilder, CellFamily as _, CellSlice, Store as _};
use tycho_types::error::Error;

use crate::{WalletError, WalletVersion};

/// Op of a request to v5r1 that comes as an external message ("sign").
pub(crate) const V5_EXTERNAL: u32 = 0x7369_676e;
/// Tag of `action_send_msg`.
const SEND_ACTION: u32 = 0x0ec3_c86d;
const SIGNATURE_BITS: u16 = 512;

/// A signed request to a wallet, as found in the body of its external message.
#[derive(Debug, Clone)]
pub struct WalletRequest {
    /// The wallet id it was signed for.
    pub wallet_id: u32,
    /// The sequence number it uses up.
    pub seqno: u32,
    /// Unix time from which it is refused.
    pub valid_until: u32,
    /// Mode and message cell of each message, in the order of sending.
    pub messages: Vec<(u8, Cell)>,
    /// The hash that is signed.
    pub signed_hash: Hash32,
    /// The signature.
    pub signature: Signature,
}

impl WalletRequest {
    /// Whether `key` signed it.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verify(self.signed_hash.as_bytes(), &self.signature).is_ok()
    }
}

/// Reads the body of an external message to a wallet of this version.
///
/// # Errors
/// [`WalletError::NotARequest`] if it is none (or asks for more than sending messages).
pub fn parse_request(version: WalletVersion, body: &Cell) -> Result<WalletRequest, WalletError> {
    let parsed = match version {
        WalletVersion::V5R1 => parse_v5(body),
        WalletVersion::V4R2 => parse_v4(body),
    };
    parsed.map_err(|_| WalletError::NotARequest(version))
}

fn parse_v5(body: &Cell) -> Result<WalletRequest, Error> {
    let mut slice = body.as_slice()?;
    let signed_bits = slice.size_bits().checked_sub(SIGNATURE_BITS).ok_or(Error::CellUnderflow)?;
    let signed = slice.get_prefix(signed_bits, slice.size_refs());
    let signed_hash = hash_of(signed)?;
    if slice.load_u32()? != V5_EXTERNAL {
        return Err(Error::InvalidTag);
    }
    let (wallet_id, valid_until, seqno) = (slice.load_u32()?, slice.load_u32()?, slice.load_u32()?);
    let mut messages = Vec::new();
    if slice.load_bit()? {
        let mut next = slice.load_reference_cloned()?;
        loop {
            let mut action = next.as_slice()?;
            if action.size_bits() == 0 && action.size_refs() == 0 {
                break;
            }
            if messages.len() == WalletVersion::V5R1.max_messages() {
                return Err(Error::InvalidData);
            }
            let previous = action.load_reference_cloned()?;
            if action.load_u32()? != SEND_ACTION {
                return Err(Error::InvalidTag);
            }
            messages.push((action.load_u8()?, action.load_reference_cloned()?));
            next = previous;
        }
        messages.reverse();
    }
    if slice.load_bit()? {
        return Err(Error::InvalidData); // extended actions: not a plain transfer
    }
    let signature = load_signature(&mut slice)?;
    Ok(WalletRequest { wallet_id, seqno, valid_until, messages, signed_hash, signature })
}

fn parse_v4(body: &Cell) -> Result<WalletRequest, Error> {
    let mut slice = body.as_slice()?;
    let signature = load_signature(&mut slice)?;
    let signed_hash = hash_of(slice)?;
    let (wallet_id, valid_until, seqno) = (slice.load_u32()?, slice.load_u32()?, slice.load_u32()?);
    if slice.load_u8()? != 0 {
        return Err(Error::InvalidTag);
    }
    let mut messages = Vec::new();
    while slice.size_refs() > 0 {
        messages.push((slice.load_u8()?, slice.load_reference_cloned()?));
    }
    Ok(WalletRequest { wallet_id, seqno, valid_until, messages, signed_hash, signature })
}

/// One link of an action list: `prev` and a message to send.
pub(crate) fn action_cell(prev: Cell, mode: u8, message: Cell) -> Result<Cell, Error> {
    let mut builder = CellBuilder::new();
    builder.store_reference(prev)?;
    builder.store_u32(SEND_ACTION)?;
    builder.store_u8(mode)?;
    builder.store_reference(message)?;
    builder.build()
}

fn load_signature(slice: &mut CellSlice<'_>) -> Result<Signature, Error> {
    let mut bytes = [0; 64];
    slice.load_raw(&mut bytes, SIGNATURE_BITS)?;
    Ok(Signature(bytes))
}

fn hash_of(slice: CellSlice<'_>) -> Result<Hash32, Error> {
    let mut builder = CellBuilder::new();
    slice.store_into(&mut builder, Cell::empty_context())?;
    Ok(Hash32(builder.build()?.repr_hash().0))
}
