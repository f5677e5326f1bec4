//! What a bundle holds, and its one encoding.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_contracts::{
    ContractError, heard,
    market::Settings,
    task::{Assign, Verdict},
};
use fog_protocol::{Epoch, Hash32, Listing, PublicKey, Signature, Signed};
use fog_verifier::{AuditBasis, Evidence};
use tycho_types::{boc::Boc, cell::Cell};

use crate::{
    Part,
    container::{EPOCHS, STRATEGIES, decode, encode},
};

/// Why a file is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It begins otherwise.
    #[error("this is no evidence bundle: `fog task evidence ID --out FILE` makes one")]
    NotABundle,
    /// A version this program does not know.
    #[error("the bundle has version {0}, this program knows 1 to 3: use a newer `fog`")]
    Version(u8),
    /// Too long.
    #[error("the bundle has {given} bytes, {allowed} are the most")]
    TooLong {
        /// Its length.
        given: usize,
        /// The bound.
        allowed: usize,
    },
    /// It ends too early.
    #[error("the bundle ends within its {0}: it was cut off")]
    Cut(&'static str),
    /// The table of parts was changed.
    #[error("the bundle's head was changed: its hash does not fit")]
    Head,
    /// A part was changed.
    #[error("the bundle's part `{0}` was changed: its hash does not fit")]
    Damaged(Part),
    /// A kind of part that does not exist.
    #[error("the bundle has a part of unknown kind {0}")]
    UnknownPart(u8),
    /// Parts in another order, or twice.
    #[error("the bundle's part `{0}` is not where it belongs")]
    Order(Part),
    /// Bytes after the last part.
    #[error("{0} bytes follow the bundle's last part")]
    Surplus(usize),
    /// A part that every bundle has.
    #[error("the bundle has no part `{0}`")]
    Missing(Part),
    /// A part that only bundles of another version have.
    #[error("the bundle has a part `{0}`, which belongs to another version of it")]
    Foreign(Part),
    /// The version is not the one of its listing.
    #[error("the bundle has version {given}, one of such a task has version {wanted}")]
    OtherVersion {
        /// The bundle's.
        given: u8,
        /// What the listing wants.
        wanted: u8,
    },
    /// A part that does not read.
    #[error("the bundle's part `{part}` does not read: {cause}")]
    Part {
        /// Which.
        part: Part,
        /// The reader's words.
        cause: String,
    },
}

/// A message that the task's contract was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Logical time of the task's transaction that received it.
    pub lt: u64,
    /// That transaction's hash.
    pub transaction: Hash32,
    /// The message's body.
    pub body: Cell,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct RawTold {
    lt: u64,
    transaction: Hash32,
    body: Vec<u8>,
}

impl Told {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let Self { lt, transaction, body } = self;
        let body = Boc::encode(body);
        borsh::to_vec(&RawTold { lt: *lt, transaction: *transaction, body })
            .map_err(|error| error.to_string())
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let raw: RawTold = borsh::from_slice(bytes).map_err(|error| error.to_string())?;
        let body = Boc::decode(&raw.body).map_err(|error| error.to_string())?;
        if Boc::encode(&body) != raw.body {
            return Err("its cells are not in their one encoding".to_owned());
        }
        Ok(Self { lt: raw.lt, transaction: raw.transaction, body })
    }
}

/// Everything a verdict rests on. Bytes of program, input, key and output may be left out: they
/// are named by hash in listing and evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The listing.
    pub listing: Listing,
    /// `Opened`, from the market.
    pub opened: Told,
    /// `Assign`, from the node.
    pub assign: Told,
    /// `Reserved`, from the stake.
    pub reserved: Told,
    /// `Commit`.
    pub commit: Told,
    /// `Verdict`, or the `Ruling` that decided about it.
    pub verdict: Told,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// The program's files in the order of [`fog_protocol::Program::blobs`]; all or none.
    pub program: Vec<Vec<u8>>,
    /// The input.
    pub input: Option<Vec<u8>>,
    /// The policy's file: a verification key, or an evaluator.
    pub key: Option<Vec<u8>>,
    /// The result.
    pub output: Option<Vec<u8>>,
    /// The epoch that the listing names, signed by its node; there exactly if it names one.
    pub epoch: Option<Signed<Epoch>>,
}

impl Bundle {
    /// The bundle's one encoding.
    ///
    /// # Errors
    /// [`BundleError::Part`] if something in it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        let wrong = |part| move |cause: String| BundleError::Part { part, cause };
        let borsh = |error: std::io::Error| error.to_string();
        let listing = borsh::to_vec(&self.listing).map_err(borsh);
        let mut parts = vec![(Part::Listing, listing.map_err(wrong(Part::Listing))?)];
        for (part, told) in [
            (Part::Opened, &self.opened),
            (Part::Assign, &self.assign),
            (Part::Reserved, &self.reserved),
            (Part::Commit, &self.commit),
            (Part::Verdict, &self.verdict),
        ] {
            parts.push((part, told.encode().map_err(wrong(part))?));
        }
        let evidence = borsh::to_vec(&self.evidence).map_err(borsh);
        parts.push((Part::Evidence, evidence.map_err(wrong(Part::Evidence))?));
        let files = [Part::Program, Part::Witness].into_iter().zip(&self.program);
        parts.extend(files.map(|(part, bytes)| (part, bytes.clone())));
        for (part, bytes) in
            [(Part::Input, &self.input), (Part::Key, &self.key), (Part::Output, &self.output)]
        {
            parts.extend(bytes.clone().map(|bytes| (part, bytes)));
        }
        if let Some(epoch) = &self.epoch {
            let epoch = borsh::to_vec(epoch).map_err(borsh);
            parts.push((Part::Epoch, epoch.map_err(wrong(Part::Epoch))?));
        }
        Ok(encode(version(&self.listing), &parts))
    }

    /// Reads a bundle. What it says is not checked by that: see [`crate::check`].
    ///
    /// # Errors
    /// [`BundleError`]: it is damaged, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let (given, parts) = decode(bytes)?;
        let find = |part: Part| parts.iter().find(|(at, _)| *at == part).map(|(_, body)| *body);
        let need = |part: Part| find(part).ok_or(BundleError::Missing(part));
        let told = |part: Part| {
            Told::decode(need(part)?).map_err(|cause| BundleError::Part { part, cause })
        };
        let owned = |part: Part| find(part).map(<[u8]>::to_vec);
        let bundle = Self {
            listing: read(Part::Listing, need(Part::Listing)?)?,
            opened: told(Part::Opened)?,
            assign: told(Part::Assign)?,
            reserved: told(Part::Reserved)?,
            commit: told(Part::Commit)?,
            verdict: told(Part::Verdict)?,
            evidence: read(Part::Evidence, need(Part::Evidence)?)?,
            program: owned(Part::Program).into_iter().chain(owned(Part::Witness)).collect(),
            input: owned(Part::Input),
            key: owned(Part::Key),
            output: owned(Part::Output),
            epoch: find(Part::Epoch).map(|bytes| read(Part::Epoch, bytes)).transpose()?,
        };
        if find(Part::Witness).is_some() && find(Part::Program).is_none() {
            return Err(BundleError::Missing(Part::Program));
        }
        let wanted = version(&bundle.listing);
        if given != wanted {
            return Err(BundleError::OtherVersion { given, wanted });
        }
        match (&bundle.epoch, wanted == EPOCHS) {
            (None, true) => Err(BundleError::Missing(Part::Epoch)),
            (Some(_), false) => Err(BundleError::Foreign(Part::Epoch)),
            (Some(_), true) | (None, false) => Ok(bundle),
        }
    }

    pub(crate) fn heard(&self) -> Result<Heard, (Part, ContractError)> {
        let at = |part| move |error| (part, error);
        // Evidence of a second look is what a ruling rests on, and no verdict.
        let judged = match self.evidence.basis {
            AuditBasis::Disputed => heard::ruling(&self.verdict.body),
            _ => heard::verdict(&self.verdict.body),
        };
        let (commitment, signature) = heard::commit(&self.commit.body).map_err(at(Part::Commit))?;
        Ok(Heard {
            settings: heard::opened(&self.opened.body).map_err(at(Part::Opened))?,
            assign: heard::assign(&self.assign.body).map_err(at(Part::Assign))?,
            session: heard::reserved(&self.reserved.body).map_err(at(Part::Reserved))?,
            commitment,
            signature,
            verdict: judged.map_err(at(Part::Verdict))?,
        })
    }
}

/// The version of bundles of a task with this listing.
const fn version(listing: &Listing) -> u8 {
    match listing.named_epoch() {
        Some(_) => EPOCHS,
        None if listing.policy.is_strategy() => STRATEGIES,
        None => 1,
    }
}

/// What the messages say.
pub(crate) struct Heard {
    pub(crate) settings: Settings,
    pub(crate) assign: Assign,
    pub(crate) session: PublicKey,
    pub(crate) commitment: Hash32,
    pub(crate) signature: Signature,
    pub(crate) verdict: Verdict,
}

fn read<T: BorshDeserialize>(part: Part, bytes: &[u8]) -> Result<T, BundleError> {
    borsh::from_slice(bytes).map_err(|error| BundleError::Part { part, cause: error.to_string() })
}
