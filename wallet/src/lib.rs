//! Keys, mnemonics, the encrypted keystore, wallet contracts and addresses.
//!
//! The only crate that turns a password into a key. It opens no sockets and knows nothing of the
//! market: a message to a contract arrives here as an [`OutMessage`] and leaves as signed bytes.
//!
//! Wallet codes come from `tonlib-core`; messages are built here on `tycho-types` cells, because
//! `tonlib-core` 0.26 stores v5r1 actions in reverse order and sends always with mode 3. The tests
//! hold addresses, StateInits and messages against `tonlib-core` and `ton-contracts` 0.11 (of which
//! v5r1 requests are left out: it lists the actions in line, which the contract refuses).

mod address;
mod keystore;
mod link;
mod message;
mod mnemonic;
mod request;
mod wallet;

pub use address::{AddressText, from_int_addr, from_std_addr, parse_address, to_std_addr};
pub use fog_protocol::{Address, AddressForm, PublicKey, SecretKey};
pub use keystore::{
    EntryInfo, KdfParams, KeyOrigin, Keystore, KeystoreError, Password, SecretKind, UnlockedWallet,
    WalletRecord,
};
pub use link::{LinkError, TransferLink};
pub use message::{Bounce, OutMessage, SendMode, SignedTransfer, body_hash, normalized_hash};
pub use mnemonic::{MNEMONIC_WORDS, Mnemonic, MnemonicError};
pub use request::{WalletRequest, parse_request};
pub use wallet::{
    MAINNET, TESTNET, V4R2_CODE_HASH, V5R1_CODE_HASH, Wallet, WalletError, WalletVersion,
};
