//! The shared vocabulary of Fog Market: ids, money, terms, domain-tagged hashes, signed envelopes
//! and the wire messages of the HTTP API and the worker gateway.
//!
//! Nothing here does I/O, reads a clock or draws randomness for a decision; nothing here depends
//! on another room. What is signed or hashed is encoded with [borsh](https://borsh.io), which has
//! exactly one encoding per value; what people read is JSON.

mod address;
pub mod api;
mod auth;
mod bid;
mod decimal;
mod entry;
mod envelope;
mod epoch;
mod exit;
pub mod gateway;
mod given_up;
mod hash;
mod keys;
mod limits;
mod listing;
mod money;
mod opening;
mod rail;
mod seal;
mod status;
mod strategy;
mod units;
mod zkvm;

pub use address::{Address, AddressError, AddressForm};
pub use auth::{AuthError, MAX_CLOCK_SKEW_SECONDS, RequestAuth};
pub use bid::{Bid, Commit, Reveal, commitment_hash};
pub use decimal::{Decimal, NotANumber};
pub use entry::{Entry, EntryError, EntryProof, EntryTree, EntryVerdict};
pub use envelope::{EnvelopeError, Signed, Tagged};
pub use epoch::{
    EPOCH_GRACE_SECONDS, Epoch, EpochError, EpochRef, MAX_EPOCH_SECONDS, MAX_FUNDING_SECONDS,
    epoch_tasks, node_id,
};
pub use exit::{GuestExit, Limit};
pub use given_up::{BadGivenUp, GiveUpCause, GivenUp};
pub use hash::{Hash32, HashParseError, TaskId, tagged_hash};
pub use keys::{KeyError, PublicKey, SecretKey, Signature};
pub use limits::ResourceLimits;
pub use listing::{
    BlobRef, Curve, Durations, Listing, ListingError, Policy, Program, PublicInput, RATE_ONE,
};
pub use money::{AmountError, NANO_PER_GRAM, Nano};
pub use opening::{NonceOpening, OpeningError};
pub use rail::{AccountView, EntryPage, EntryView, OtherEntries, PledgeView, Rail, VoucherFile};
pub use seal::{SealError, SealKey, SealPublicKey, seal};
pub use status::{TaskStatus, UnknownStatus};
pub use strategy::{
    BLIND_BYTES, Bound, CHUNK_OVERHEAD, Chunks, Cut, Direction, Group, MAX_CHUNKS, MAX_FIELDS,
};
pub use units::{
    JettonAmount, JettonRate, JettonRates, MAX_DECIMALS, RatesError, Units, UnitsError,
};
pub use zkvm::{JournalStart, UnknownZkVm, ZkVm, journal_binding};

/// Version of the wire protocol; a peer with another major version is refused with this number.
pub const PROTOCOL_VERSION: u16 = 1;
