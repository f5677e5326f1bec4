//! The account rail: tasks without a contract, and vouchers as they travel.
//!
//! Bids, commitments and verdicts name a contract. A task on the account rail has none; they name its
//! *place* instead: an address that nobody can deploy anything at, because it is no StateInit's hash.
//! So what is signed for such a task is worth nothing to any contract, and nothing else changes.

use fog_protocol::{
    Address, Listing, Nano, SecretKey, Signature, TaskId, VoucherFile, tagged_hash,
};

use tycho_types::models::StateInit;

use crate::{
    ContractError,
    channel::{ChannelData, Voucher, VoucherError, VoucherSignatures},
    jetton_task::JettonTask,
    task::TaskInit,
};

const PLACE: &str = "fog/rail/place/v1";

/// Seconds from a verdict on a task of this rail, which no contract holds, to the last at which it counts:
/// as long as a voucher may at most.
pub const VERDICT_SECONDS: u64 = 365 * 24 * 3600;

/// The place of a task on the account rail.
#[must_use]
pub fn place(task: &TaskId) -> Address {
    Address { workchain: 0, hash: tagged_hash(PLACE, &[&task.0.0]) }
}

/// What bids, commitments and verdicts of a listing name: its escrow, or its place.
///
/// # Errors
/// [`ContractError::Build`].
pub fn place_of(listing: &Listing) -> Result<Address, ContractError> {
    match (JettonTask::of(listing)?, listing.rail.has_contract()) {
        (Some(task), _) => task.address(),
        (None, true) => TaskInit::of(listing).address(),
        (None, false) => Ok(place(&listing.id())),
    }
}

/// Code and data of a listing's escrow; none where the rail has no contracts.
///
/// # Errors
/// [`ContractError::Build`].
pub fn state_init_of(listing: &Listing) -> Result<Option<StateInit>, ContractError> {
    match (JettonTask::of(listing)?, listing.rail.has_contract()) {
        (Some(task), _) => task.state_init().map(Some),
        (None, true) => TaskInit::of(listing).state_init().map(Some),
        (None, false) => Ok(None),
    }
}

/// What a voucher in a file says.
#[must_use]
pub const fn voucher_of(file: &VoucherFile) -> Voucher {
    Voucher {
        total: file.total_nano,
        count: file.count,
        root: file.root,
        valid_until: file.valid_until,
    }
}

/// Both signatures of a voucher.
///
/// # Errors
/// [`VoucherError::Unsigned`].
pub fn signatures_of(file: &VoucherFile) -> Result<VoucherSignatures, VoucherError> {
    let by = |signature: Option<Signature>, whose| signature.ok_or(VoucherError::Unsigned(whose));
    Ok(VoucherSignatures { payer: by(file.payer, "payer")?, payee: by(file.payee, "payee")? })
}

impl ChannelData {
    /// Signs a voucher for the side that `key` is of, if what it says would be redeemed at `now`.
    ///
    /// # Errors
    /// [`VoucherError`]: the file is as before then.
    pub fn sign_file(
        &self,
        file: &mut VoucherFile,
        network: i32,
        key: &SecretKey,
        now: u32,
    ) -> Result<(), VoucherError> {
        self.is_for(file, network)?;
        let voucher = voucher_of(file);
        self.check_terms(&voucher, now)?;
        let signature = voucher.sign(network, &self.channel, key)?;
        let (payer, payee) =
            (key.public() == self.channel.payer_key, key.public() == self.payee_key);
        if !payer && !payee {
            return Err(VoucherError::ForeignKey);
        }
        if payer {
            file.payer = Some(signature);
        }
        if payee {
            file.payee = Some(signature);
        }
        Ok(())
    }

    /// Has the payer signed this voucher? Says nothing about what it is worth.
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn payer_signed(&self, file: &VoucherFile, network: i32) -> Result<(), VoucherError> {
        self.is_for(file, network)?;
        let signature = file.payer.ok_or(VoucherError::Unsigned("payer"))?;
        let hash = voucher_of(file).hash(network, &self.channel)?;
        self.channel.payer_key.verify(&hash.0, &signature).map_err(|_| VoucherError::Signature)
    }

    /// Would this voucher be redeemed at `now`, and for how much?
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn check_file(
        &self,
        file: &VoucherFile,
        network: i32,
        now: u32,
    ) -> Result<Nano, VoucherError> {
        self.is_for(file, network)?;
        self.check(network, &voucher_of(file), &signatures_of(file)?, now)
    }

    fn is_for(&self, file: &VoucherFile, network: i32) -> Result<(), VoucherError> {
        if file.network != network {
            return Err(VoucherError::Elsewhere("network"));
        }
        if file.channel != self.channel.address()? {
            return Err(VoucherError::Elsewhere("contract"));
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::{Entry, EntryTree, EntryVerdict, Hash32};

    use super::*;
    use crate::channel::{Channel, Purpose};

    const NETWORK: i32 = -3;
    const NOW: u32 = 1_800_000_000;

    fn keys() -> [SecretKey; 2] {
        [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]))
    }

    fn channel() -> ChannelData {
        let [payer, payee] = keys();
        let terms = Channel {
            purpose: Purpose::Account,
            payer: Address::basechain([1; 32]),
            payee: Address::basechain([2; 32]),
            payer_key: payer.public(),
            payee_key: payee.public(),
            cap: Nano::grams(5),
            delay: 600,
            series: 0,
        };
        ChannelData { balance: Nano::grams(8), ..ChannelData::fresh(&terms) }
    }

    fn entries(amount: u64) -> EntryTree {
        let entry = Entry {
            task: TaskId(Hash32([1; 32])),
            worker: Address::basechain([3; 32]),
            amount: Nano::new(amount),
            verdict: EntryVerdict::Accepted,
            evidence: Hash32([4; 32]),
        };
        EntryTree::of([entry]).unwrap()
    }

    fn file(amount: u64) -> VoucherFile {
        let at = channel().channel.address().unwrap();
        VoucherFile::of(NETWORK, at, &entries(amount), NOW + 3600)
    }

    #[test]
    fn both_sign_what_both_know_and_the_contract_would_take_it() {
        let (at, [payer, payee]) = (channel(), keys());
        let mut voucher = file(1000);
        assert_eq!(at.payer_signed(&voucher, NETWORK), Err(VoucherError::Unsigned("payer")));
        at.sign_file(&mut voucher, NETWORK, &payer, NOW).unwrap();
        assert_eq!(at.payer_signed(&voucher, NETWORK), Ok(()));
        assert_eq!(signatures_of(&voucher), Err(VoucherError::Unsigned("payee")));
        let text = serde_json::to_string(&voucher).unwrap();
        let mut read: VoucherFile = serde_json::from_str(&text).unwrap();
        read.matches(&entries(1000)).unwrap();
        assert!(read.matches(&entries(999)).is_err());
        at.sign_file(&mut read, NETWORK, &payee, NOW).unwrap();
        assert_eq!(at.check_file(&read, NETWORK, NOW), Ok(Nano::new(1000)));
        let other = VoucherFile { total_nano: Nano::new(1001), ..read };
        assert_eq!(at.payer_signed(&other, NETWORK), Err(VoucherError::Signature));
    }

    #[test]
    fn nothing_is_signed_that_would_be_worth_nothing() {
        let (at, [payer, _]) = (channel(), keys());
        let stranger = SecretKey::from_seed(&[9; 32]);
        let refused = |mut voucher: VoucherFile, network, key: &SecretKey, now| {
            let before = voucher.clone();
            assert!(at.sign_file(&mut voucher, network, key, now).is_err());
            assert_eq!(voucher, before);
        };
        refused(file(1000), -239, &payer, NOW);
        refused(file(1000), NETWORK, &stranger, NOW);
        refused(file(1000), NETWORK, &payer, NOW + 3601);
        refused(file(0), NETWORK, &payer, NOW);
        refused(file(5_000_000_001), NETWORK, &payer, NOW);
        refused(file(8_000_000_001), NETWORK, &payer, NOW);
        let elsewhere = VoucherFile { channel: Address::basechain([8; 32]), ..file(1000) };
        refused(elsewhere, NETWORK, &payer, NOW);
    }
}
