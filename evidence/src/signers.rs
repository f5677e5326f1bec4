//! Who judged: the verifiers whose signatures a task's contract took for its verdict, or for the
//! ruling on it.

use std::collections::BTreeMap;

use fog_contracts::{
    ContractError, VerdictTerms, heard, market::Settings, rail::place_of, ruling_hash,
    stake::StakeInit, task::Verdict, verdict_hash,
};
use fog_protocol::{Address, Hash32, Listing, PublicKey};
use serde::Serialize;

use crate::{Part, Told};

/// Which word of the verifiers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// On a result.
    Verdict,
    /// On a verdict that somebody challenged.
    Ruling,
}

/// Whose signatures a judgement carries: as many as the market asked for, each checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    /// Of which judgement.
    pub judgement: Judgement,
    /// Hash of the evidence that they signed.
    pub evidence: Hash32,
    /// Verifiers of the market when the task opened.
    pub of: usize,
    /// The keys that signed, by their places among those.
    pub keys: BTreeMap<u8, PublicKey>,
}

/// Why a judgement is not one of the market's verifiers.
#[derive(Debug, thiserror::Error)]
pub enum SignersError {
    /// A message is not what it should be.
    #[error("`{part}` does not read: {cause}")]
    Message {
        /// Which.
        part: Part,
        /// What is wrong with it.
        cause: ContractError,
    },
    /// What was signed cannot be put together.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// More or fewer than the market asks for.
    #[error("{signed} verifiers signed, not {wanted}")]
    Count {
        /// How many did.
        signed: usize,
        /// How many must.
        wanted: u8,
    },
    /// The market has fewer.
    #[error("there is no verifier {0}")]
    Nobody(u8),
    /// Its signature is of something else.
    #[error("verifier {0} did not sign this verdict")]
    NotSigned(u8),
}

/// Who signed what the contract of `listing`'s task was told: `verdict` is the message of that
/// judgement, the others led to it.
///
/// # Errors
/// [`SignersError`]: it is not what enough of the market's verifiers signed.
pub fn signers(
    listing: &Listing,
    judgement: Judgement,
    [opened, assign, commit, verdict]: [&Told; 4],
) -> Result<Signers, SignersError> {
    let at = |part| move |cause| SignersError::Message { part, cause };
    let settings = heard::opened(&opened.body).map_err(at(Part::Opened))?;
    let assign = heard::assign(&assign.body).map_err(at(Part::Assign))?;
    let (commitment, _) = heard::commit(&commit.body).map_err(at(Part::Commit))?;
    let judged = match judgement {
        Judgement::Verdict => heard::verdict(&verdict.body),
        Judgement::Ruling => heard::ruling(&verdict.body),
    };
    let judged = judged.map_err(at(Part::Verdict))?;
    let terms = VerdictTerms {
        network: listing.network,
        task: place_of(listing)?,
        stake: stake_of(listing, &settings, assign.owner)?,
        price: assign.price,
        commitment,
        outcome: judged.outcome,
        evidence: judged.evidence,
        valid_until: judged.valid_until,
    };
    signed(judgement, &settings, &terms, &judged)
}

/// The stake that the worker `owner` of a task answers with.
pub(crate) fn stake_of(
    listing: &Listing,
    settings: &Settings,
    owner: Address,
) -> Result<Address, ContractError> {
    StakeInit { market: listing.market, owner, params: settings.stake }.address()
}

/// Checks the signatures under a judgement of these terms.
pub(crate) fn signed(
    judgement: Judgement,
    settings: &Settings,
    terms: &VerdictTerms,
    verdict: &Verdict,
) -> Result<Signers, SignersError> {
    let (hash, wanted) = match judgement {
        Judgement::Verdict => (verdict_hash(terms)?, settings.threshold),
        Judgement::Ruling => (ruling_hash(terms)?, settings.appeal),
    };
    let signed = verdict.signatures.len();
    if signed != usize::from(wanted) {
        return Err(SignersError::Count { signed, wanted });
    }
    let mut keys = BTreeMap::new();
    for (place, signature) in &verdict.signatures {
        let key = settings.verifiers.get(usize::from(*place));
        let key = key.ok_or(SignersError::Nobody(*place))?;
        key.verify(&hash.0, signature).map_err(|_| SignersError::NotSigned(*place))?;
        keys.insert(*place, *key);
    }
    Ok(Signers { judgement, evidence: terms.evidence, of: settings.verifiers.len(), keys })
}
