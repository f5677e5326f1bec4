//! The account rail: how a listing names it, and what travels over the API about accounts, earnings
//! and the vouchers that pay them.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Address, Entry, EntryTree, Hash32, Listing, Nano, Signature, Signed, Units};

/// How a task is paid.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rail {
    /// Out of an escrow of its own.
    #[default]
    Escrow,
    /// By vouchers, out of the requestor's account at the node.
    Account {
        /// The `Account` contract; the listing's key is its payer's.
        account: Address,
    },
    /// Out of an escrow of its own, in a jetton. The listing's price cap is its guarantee: what the
    /// worker's stake and the node's bond stand for in GRAM, and what all units stand for.
    Jetton {
        /// The jetton's master, on the basechain.
        master: Address,
        /// What the price cap comes to.
        units: Units,
    },
}

impl Rail {
    /// Has the task a contract of its own?
    #[must_use]
    pub const fn has_contract(&self) -> bool {
        !matches!(self, Self::Account { .. })
    }

    /// The jetton and what the price cap comes to, on that rail.
    #[must_use]
    pub const fn jetton(&self) -> Option<(Address, Units)> {
        match self {
            Self::Jetton { master, units } => Some((*master, *units)),
            Self::Escrow | Self::Account { .. } => None,
        }
    }

    /// The default?
    #[must_use]
    pub const fn is_escrow(&self) -> bool {
        matches!(self, Self::Escrow)
    }

    /// The account, on that rail.
    #[must_use]
    pub const fn account(&self) -> Option<Address> {
        match self {
            Self::Escrow | Self::Jetton { .. } => None,
            Self::Account { account } => Some(*account),
        }
    }

    /// The version of listings that name it.
    #[must_use]
    pub const fn listing_version(&self) -> u16 {
        match self {
            Self::Escrow => Listing::VERSION,
            Self::Account { .. } => Listing::RAIL_VERSION,
            Self::Jetton { .. } => Listing::JETTON_VERSION,
        }
    }
}

/// A voucher as it travels between the two sides: what it says, and who has signed it so far.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherFile {
    /// TON global id.
    pub network: i32,
    /// The contract.
    pub channel: Address,
    /// Everything owed since it began, in nanogram.
    pub total_nano: Nano,
    /// Number of entries behind it.
    pub count: u64,
    /// Their Merkle root.
    pub root: Hash32,
    /// Last second (Unix) at which it can be redeemed.
    pub valid_until: u32,
    /// The payer's signature.
    pub payer: Option<Signature>,
    /// The payee's signature.
    pub payee: Option<Signature>,
}

/// A voucher says something else than one's own entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the voucher is for {theirs} and other entries: one's own come to {ours}")]
pub struct OtherEntries {
    /// What the voucher says.
    pub theirs: Nano,
    /// Sum of one's own.
    pub ours: Nano,
}

impl VoucherFile {
    /// An unsigned voucher for these entries.
    #[must_use]
    pub fn of(network: i32, channel: Address, entries: &EntryTree, valid_until: u32) -> Self {
        Self {
            network,
            channel,
            total_nano: entries.total(),
            count: entries.len(),
            root: entries.root(),
            valid_until,
            payer: None,
            payee: None,
        }
    }

    /// Does it say what one's own entries say?
    ///
    /// # Errors
    /// [`OtherEntries`].
    pub fn matches(&self, entries: &EntryTree) -> Result<(), OtherEntries> {
        let same = self.root == entries.root() && self.count == entries.len();
        if same && self.total_nano == entries.total() {
            return Ok(());
        }
        Err(OtherEntries { theirs: self.total_nano, ours: entries.total() })
    }
}

/// `GET /v1/accounts/{address}`: what a node knows of an account or of earnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The contract.
    pub address: Address,
    /// `account` or `earnings`.
    pub purpose: String,
    /// `open`, `closing` or `closed`, as last read from the chain.
    pub status: String,
    /// The payer's money in it, as last read.
    pub balance: Nano,
    /// Redeemed in all, as last read.
    pub paid: Nano,
    /// Entries so far.
    pub entries: u64,
    /// Their sum: owed in all.
    pub owed: Nano,
    /// Their Merkle root.
    pub root: Hash32,
    /// Reserved for tasks that have not ended.
    pub promised: Nano,
    /// How much more the payee may take on.
    pub room: Nano,
    /// The newest voucher.
    pub voucher: Option<VoucherFile>,
}

/// An entry with what it follows from: enough to recompute it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// The entry.
    pub entry: Entry,
    /// The order, as its requestor signed it.
    pub listing: Signed<Listing>,
    /// The price agreed: what the requestor owes; the worker gets it less the fee.
    pub price: Nano,
    /// The worker's `Stake` contract.
    pub stake: Address,
    /// What the worker committed to.
    pub commitment: Hash32,
    /// Last second (Unix) at which the verdict counts.
    pub valid_until: u32,
    /// The verifiers' signatures over the verdict, by their places in the market's list.
    pub signatures: BTreeMap<u8, Signature>,
    /// The stake in bulk that stood for it; none where every result is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pledge: Option<PledgeView>,
}

/// Stake in bulk: what the address of its task on chain is made of, besides the parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PledgeView {
    /// The worker's earnings that it is about.
    pub earnings: Address,
    /// Which of several.
    pub number: u32,
    /// What the worker gets for keeping it.
    pub price: Nano,
    /// Seconds for reserving it.
    pub bid: u32,
    /// Seconds for the worker's promise.
    pub commit: u32,
    /// Seconds that it lasts.
    pub lasts: u32,
}

/// `GET /v1/accounts/{address}/entries?after=`: a page of entries, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPage {
    /// Entries in their order, from number `after`.
    pub entries: Vec<EntryView>,
    /// Entries in all.
    pub count: u64,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        BlobRef, Durations, ListingError, Policy, Program, PublicKey, ResourceLimits, Tagged as _,
    };

    pub(crate) fn listing(rail: Rail) -> Listing {
        Listing {
            version: rail.listing_version(),
            network: -3,
            market: Address::basechain([1; 32]),
            operator: Address::basechain([2; 32]),
            requestor: Address::basechain([3; 32]),
            requestor_key: PublicKey(Hash32([4; 32])),
            program: Program::Wasi { module: BlobRef::of(b"module") },
            input: BlobRef::of(b"input"),
            limits: ResourceLimits::default(),
            price_cap: Nano::grams(1),
            policy: Policy::Replay { rate_ppm: 50_000 },
            durations: Durations::default(),
            nonce_hash: Hash32([5; 32]),
            epoch: None,
            salt: Hash32([6; 32]),
            rail,
        }
    }

    fn account() -> Rail {
        Rail::Account { account: Address::basechain([7; 32]) }
    }

    /// Ids that are on chain already must never change.
    #[test]
    fn a_listing_of_the_escrow_rail_is_what_it_was_before_there_were_rails() {
        let listing = listing(Rail::Escrow);
        let id = "f52b2416";
        assert_eq!(&listing.id().to_string()[..8], id);
        let json = serde_json::to_value(&listing).unwrap();
        assert!(json.get("rail").is_none());
        assert_eq!(serde_json::from_value::<Listing>(json).unwrap(), listing);
    }

    #[test]
    fn the_rail_is_signed() {
        let (paid, escrowed) = (listing(account()), listing(Rail::Escrow));
        assert_eq!((paid.check(), escrowed.check()), (Ok(()), Ok(())));
        let other = listing(Rail::Account { account: Address::basechain([8; 32]) });
        assert_ne!(paid.digest(), escrowed.digest());
        assert_ne!(paid.digest(), other.digest());
        // A rail that another version would leave out of what is signed is refused.
        let hidden = Listing { version: 1, ..paid.clone() };
        assert_eq!(hidden.check(), Err(ListingError::Rail { version: 1 }));
        let none = Listing { version: 2, ..escrowed };
        assert_eq!(none.check(), Err(ListingError::Rail { version: 2 }));
        let later = Listing { version: 3, ..paid.clone() };
        assert_eq!(later.check(), Err(ListingError::Rail { version: 3 }));
        let strategy = Listing { version: 4, ..paid.clone() };
        assert!(matches!(strategy.check(), Err(ListingError::OtherVersion { .. })));
        for version in [5, 6] {
            let drawn = Listing { version, ..paid.clone() };
            assert_eq!(drawn.check(), Err(ListingError::Epoch { version }));
        }
        assert_eq!(Listing { version: 7, ..paid }.check(), Err(ListingError::Version(7)));
    }

    #[test]
    fn what_only_a_contract_can_judge_needs_one() {
        let proof = Listing {
            policy: Policy::Proof { key: Hash32([9; 32]) },
            program: Program::Circuit { key: BlobRef::of(b"key") },
            ..listing(account())
        };
        assert_eq!(proof.check(), Err(ListingError::NoContract));
    }

    fn jetton() -> Rail {
        let units = Units::new(3_000_007).unwrap();
        Rail::Jetton { master: Address::basechain([7; 32]), units }
    }

    /// Its id is what its contract can check: everything the price is made of.
    #[test]
    fn a_listing_in_a_jetton_is_known_by_its_price_too() {
        let in_jetton = listing(jetton());
        assert_eq!((in_jetton.version, in_jetton.check()), (3, Ok(())));
        assert_ne!(in_jetton.id().0, in_jetton.digest());
        let with = |master: [u8; 32], units| {
            let units = Units::new(units).unwrap();
            listing(Rail::Jetton { master: Address::basechain(master), units })
        };
        for other in [with([8; 32], 3_000_007), with([7; 32], 3_000_008)] {
            assert_ne!(other.id(), in_jetton.id());
        }
        assert!(matches!(with([7; 32], 0).check(), Err(ListingError::OutOfBounds { .. })));
        let far = Address { workchain: -1, hash: Hash32([7; 32]) };
        let far = listing(Rail::Jetton { master: far, units: Units::new(1).unwrap() });
        assert_eq!(far.check(), Err(ListingError::Master));
        let json = serde_json::to_value(&in_jetton).unwrap();
        assert_eq!(json["rail"]["units"], "3000007");
        assert_eq!(serde_json::from_value::<Listing>(json).unwrap(), in_jetton);
    }

    proptest! {
        #[test]
        fn listings_of_all_rails_are_read_back_and_nothing_else_is(
            which in 0usize..3, cut in 0usize..400, noise in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let listing = listing([Rail::Escrow, account(), jetton()][which]);
            let bytes = borsh::to_vec(&listing).unwrap();
            prop_assert_eq!(&borsh::from_slice::<Listing>(&bytes).unwrap(), &listing);
            let cut = cut % bytes.len();
            prop_assert!(borsh::from_slice::<Listing>(&bytes[..cut]).is_err());
            let _ = borsh::from_slice::<Listing>(&noise);
            let text = serde_json::to_string(&listing).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Listing>(&text).unwrap(), &listing);
        }

        #[test]
        fn pages_and_accounts_are_read_or_refused(text in "\\PC{0,200}") {
            let _ = serde_json::from_str::<AccountView>(&text);
            let _ = serde_json::from_str::<EntryPage>(&text);
            let _ = serde_json::from_str::<VoucherFile>(&text);
        }
    }
}
