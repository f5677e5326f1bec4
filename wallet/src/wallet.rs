//! Wallet contracts v5r1 and v4r2: address, StateInit, signed transfers.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use fog_protocol::{Address, Hash32, PublicKey, SecretKey};
use tonlib_core::cell::BagOfCells;
use tonlib_core::wallet::version_helper::VersionHelper;
use tonlib_core::wallet::wallet_version::WalletVersion as TonlibVersion;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder, CellFamily as _, HashBytes};
use tycho_types::error::Error as CellError;
use tycho_types::models::{IntAddr, StateInit};

use crate::message::external_message;
use crate::request::{V5_EXTERNAL, action_cell};
use crate::{OutMessage, SignedTransfer, normalized_hash, to_std_addr};

/// Global id of the main network.
pub const MAINNET: i32 = -239;
/// Global id of the test network, and of the embedded chain.
pub const TESTNET: i32 = -3;

/// Code hash of wallet v5r1 (release of the ton-blockchain/wallet-contract-v5 repository).
pub const V5R1_CODE_HASH: Hash32 = Hash32([
    0x20, 0x83, 0x4b, 0x7b, 0x72, 0xb1, 0x12, 0x14, 0x7e, 0x1b, 0x2f, 0xb4, 0x57, 0xb8, 0x4e, 0x74,
    0xd1, 0xa3, 0x0f, 0x04, 0xf7, 0x37, 0xd4, 0xf6, 0x2a, 0x66, 0x8e, 0x95, 0x52, 0xd2, 0xb7, 0x2f,
]);
/// Code hash of wallet v4r2 (the ton-blockchain/wallet-contract repository).
pub const V4R2_CODE_HASH: Hash32 = Hash32([
    0xfe, 0xb5, 0xff, 0x68, 0x20, 0xe2, 0xff, 0x0d, 0x94, 0x83, 0xe7, 0xe0, 0xd6, 0x2c, 0x81, 0x7d,
    0x84, 0x67, 0x89, 0xfb, 0x4a, 0xe5, 0x80, 0xc8, 0x78, 0x86, 0x6d, 0x95, 0x9d, 0xab, 0xd5, 0xc0,
]);

/// The wallet id v4r2 wallets start from, on every network.
const V4_BASE_ID: u32 = 698_983_191;
/// Subwallets of v5r1 have fifteen bits.
const MAX_SUBWALLET: u16 = 0x7fff;

/// Why a wallet or a transfer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// More messages than the contract takes in one request.
    #[error("wallet {version} sends at most {max} messages at once, {given} were given")]
    TooManyMessages {
        /// The wallet's version.
        version: WalletVersion,
        /// Its limit.
        max: usize,
        /// Messages given.
        given: usize,
    },
    /// The key does not belong to this wallet; the contract would refuse the signature.
    #[error("this key does not own the wallet {0}")]
    WrongKey(Address),
    /// Subwallet beyond fifteen bits.
    #[error("subwallet {0} is too large: at most {MAX_SUBWALLET}")]
    Subwallet(u16),
    /// Neither `v5r1` nor `v4r2`.
    #[error("`{0}` is not a wallet version: v5r1 or v4r2")]
    UnknownVersion(String),
    /// The wallet's code could not be read from the library that carries it.
    #[error("the code of wallet {0} cannot be loaded")]
    Code(WalletVersion),
    /// A message does not fit into cells.
    #[error("the message does not fit into cells: {0}")]
    Cell(#[from] CellError),
    /// Not a request to this kind of wallet.
    #[error("this is not a request to a wallet {0}")]
    NotARequest(WalletVersion),
}

/// Which wallet contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WalletVersion {
    /// Wallet v5 revision 1: up to 255 messages a request, bound to one network.
    #[default]
    V5R1,
    /// Wallet v4 revision 2: up to 4 messages a request; the same address on every network.
    V4R2,
}

impl WalletVersion {
    /// Most messages in one request.
    #[must_use]
    pub const fn max_messages(self) -> usize {
        match self {
            Self::V5R1 => 255,
            Self::V4R2 => 4,
        }
    }

    /// Which wallet has this code, if any: to recognise an account as a wallet.
    #[must_use]
    pub fn of_code(code_hash: &Hash32) -> Option<Self> {
        [Self::V5R1, Self::V4R2].into_iter().find(|version| version.code_hash() == *code_hash)
    }

    /// Hash of the contract's code.
    #[must_use]
    pub const fn code_hash(self) -> Hash32 {
        match self {
            Self::V5R1 => V5R1_CODE_HASH,
            Self::V4R2 => V4R2_CODE_HASH,
        }
    }

    /// The contract's code, from `tonlib-core`, checked against the hash above.
    fn code(self) -> Result<Cell, WalletError> {
        static CODES: [OnceLock<Option<Cell>>; 2] = [OnceLock::new(), OnceLock::new()];
        let (slot, version) = match self {
            Self::V5R1 => (&CODES[0], TonlibVersion::V5R1),
            Self::V4R2 => (&CODES[1], TonlibVersion::V4R2),
        };
        let load = || {
            let code = VersionHelper::get_code(version).ok()?;
            let boc = BagOfCells::new(std::slice::from_ref(code)).serialize(false).ok()?;
            Boc::decode(&boc).ok().filter(|code| code.repr_hash().0 == self.code_hash().0)
        };
        slot.get_or_init(load).clone().ok_or(WalletError::Code(self))
    }
}

impl fmt::Display for WalletVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V5R1 => "v5r1",
            Self::V4R2 => "v4r2",
        })
    }
}

impl FromStr for WalletVersion {
    type Err = WalletError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "v5r1" | "v5" => Ok(Self::V5R1),
            "v4r2" | "v4" => Ok(Self::V4R2),
            _ => Err(WalletError::UnknownVersion(text.chars().take(20).collect())),
        }
    }
}

/// A wallet contract of one key. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    version: WalletVersion,
    public_key: PublicKey,
    network_id: i32,
    subwallet: u16,
    wallet_id: u32,
    state_init: StateInit,
    address: Address,
}

impl Wallet {
    /// The key's first wallet on the basechain of the network with this global id
    /// ([`MAINNET`] or [`TESTNET`]).
    ///
    /// # Errors
    /// [`WalletError::Code`] if the contract's code cannot be loaded.
    pub fn new(
        version: WalletVersion,
        public_key: PublicKey,
        network_id: i32,
    ) -> Result<Self, WalletError> {
        Self::with_subwallet(version, public_key, network_id, 0)
    }

    /// The key's wallet number `subwallet` (0 is the first).
    ///
    /// # Errors
    /// [`WalletError::Subwallet`] beyond fifteen bits; [`WalletError::Code`].
    pub fn with_subwallet(
        version: WalletVersion,
        public_key: PublicKey,
        network_id: i32,
        subwallet: u16,
    ) -> Result<Self, WalletError> {
        if subwallet > MAX_SUBWALLET {
            return Err(WalletError::Subwallet(subwallet));
        }
        let wallet_id = match version {
            // client context: bit 1, workchain 0, version 0, subwallet; XORed with the network.
            WalletVersion::V5R1 => {
                network_id.cast_unsigned() ^ (0x8000_0000 | u32::from(subwallet))
            }
            WalletVersion::V4R2 => V4_BASE_ID + u32::from(subwallet),
        };
        let state_init = StateInit {
            code: Some(version.code()?),
            data: Some(initial_data(version, wallet_id, &public_key)?),
            ..StateInit::default()
        };
        let hash = *CellBuilder::build_from(&state_init)?.repr_hash();
        let address = Address::basechain(hash.0);
        Ok(Self { version, public_key, network_id, subwallet, wallet_id, state_init, address })
    }

    /// Which contract it is.
    #[must_use]
    pub const fn version(&self) -> WalletVersion {
        self.version
    }

    /// The key that owns it.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The network it is for.
    #[must_use]
    pub const fn network_id(&self) -> i32 {
        self.network_id
    }

    /// The subwallet number.
    #[must_use]
    pub const fn subwallet(&self) -> u16 {
        self.subwallet
    }

    /// The wallet id inside the contract, which every signature covers.
    #[must_use]
    pub const fn wallet_id(&self) -> u32 {
        self.wallet_id
    }

    /// Where it lives.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Code and first data; the address is its hash.
    #[must_use]
    pub const fn state_init(&self) -> &StateInit {
        &self.state_init
    }

    /// Builds and signs one external message that makes the wallet send `messages`, in their
    /// order. `seqno` is the wallet's next sequence number (0 deploys it: the StateInit goes
    /// along); from `valid_until` (unix seconds, chain time) on it is refused.
    ///
    /// # Errors
    /// [`WalletError::TooManyMessages`], [`WalletError::WrongKey`], or [`WalletError::Cell`] for a
    /// message that does not fit.
    pub fn transfer(
        &self,
        key: &SecretKey,
        seqno: u32,
        valid_until: u32,
        messages: &[OutMessage],
    ) -> Result<SignedTransfer, WalletError> {
        let max = self.version.max_messages();
        if messages.len() > max {
            let (version, given) = (self.version, messages.len());
            return Err(WalletError::TooManyMessages { version, max, given });
        }
        if key.public() != self.public_key {
            return Err(WalletError::WrongKey(self.address));
        }
        let unsigned = match self.version {
            WalletVersion::V5R1 => self.unsigned_v5(seqno, valid_until, messages)?,
            WalletVersion::V4R2 => self.unsigned_v4(seqno, valid_until, messages)?,
        };
        let hash = *unsigned.clone().build()?.repr_hash();
        let signature = key.sign(&hash.0).0;
        let mut body = CellBuilder::new();
        match self.version {
            WalletVersion::V5R1 => {
                body.store_builder(&unsigned)?;
                body.store_raw(&signature, 512)?;
            }
            WalletVersion::V4R2 => {
                body.store_raw(&signature, 512)?;
                body.store_builder(&unsigned)?;
            }
        }
        self.wrap(seqno, valid_until, &body.build()?)
    }

    fn wrap(
        &self,
        seqno: u32,
        valid_until: u32,
        body: &Cell,
    ) -> Result<SignedTransfer, WalletError> {
        let init = (seqno == 0).then(|| self.state_init.clone());
        let dest = IntAddr::Std(to_std_addr(&self.address));
        let message = external_message(dest, init, body)?;
        Ok(SignedTransfer {
            wallet: self.address,
            boc: Boc::encode(&message),
            message_hash: Hash32(message.repr_hash().0),
            normalized_hash: normalized_hash(&message)?,
            body_hash: Hash32(body.repr_hash().0),
            seqno,
            valid_until,
        })
    }

    fn unsigned_v5(
        &self,
        seqno: u32,
        valid_until: u32,
        messages: &[OutMessage],
    ) -> Result<CellBuilder, CellError> {
        let mut builder = CellBuilder::new();
        builder.store_u32(V5_EXTERNAL)?;
        builder.store_u32(self.wallet_id)?;
        builder.store_u32(valid_until)?;
        builder.store_u32(seqno)?;
        if messages.is_empty() {
            builder.store_bit_zero()?;
        } else {
            // The list is linked backwards: the first message is the innermost cell.
            let mut actions = Cell::empty_cell();
            for message in messages {
                actions = action_cell(actions, message.mode.byte(), message.to_cell()?)?;
            }
            builder.store_bit_one()?;
            builder.store_reference(actions)?;
        }
        builder.store_bit_zero()?; // no extended actions
        Ok(builder)
    }

    fn unsigned_v4(
        &self,
        seqno: u32,
        valid_until: u32,
        messages: &[OutMessage],
    ) -> Result<CellBuilder, CellError> {
        let mut builder = CellBuilder::new();
        builder.store_u32(self.wallet_id)?;
        // The contract does not look at the time of the deploying message; wallets put all ones.
        builder.store_u32(if seqno == 0 { u32::MAX } else { valid_until })?;
        builder.store_u32(seqno)?;
        builder.store_u8(0)?; // simple send
        for message in messages {
            builder.store_u8(message.mode.byte())?;
            builder.store_reference(message.to_cell()?)?;
        }
        Ok(builder)
    }
}

fn initial_data(
    version: WalletVersion,
    wallet_id: u32,
    public_key: &PublicKey,
) -> Result<Cell, CellError> {
    let mut builder = CellBuilder::new();
    if version == WalletVersion::V5R1 {
        builder.store_bit_one()?; // signatures allowed
    }
    builder.store_u32(0)?;
    builder.store_u32(wallet_id)?;
    builder.store_u256(&HashBytes(public_key.0.0))?;
    builder.store_bit_zero()?; // no extensions, no plugins
    builder.build()
}
