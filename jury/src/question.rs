//! What a verifier is asked, and what it answers.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_contracts::{ContractError, VerdictTerms, rail::place_of, task::Outcome};
use fog_protocol::{
    Address, BlobRef, Commit, Epoch, Hash32, Listing, Nano, NonceOpening, PublicKey, Reveal,
    SealPublicKey, Signature, Signed, Tagged, TaskId, tagged_hash,
};
use fog_verifier::{AuditBasis, Evidence, Work};
use serde::{Deserialize, Serialize};

/// Which market a verifier signs for, and on which network. Others are refused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Scope {
    /// TON global id.
    pub network: i32,
    /// The `Market` contract.
    pub market: Address,
}

/// Who a verifier is: what signed requests to it name, so that they are worth nothing elsewhere.
#[must_use]
pub fn verifier_id(scope: &Scope, key: &PublicKey) -> Hash32 {
    let market = &scope.market.hash.0;
    tagged_hash("fog/verifier/v1", &[&scope.network.to_le_bytes(), market, &key.0.0])
}

/// What a verifier says of itself.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Card {
    /// For which market.
    pub scope: Scope,
    /// What questions and blobs are sealed to.
    pub seal_key: SealPublicKey,
    /// Software version, at most 64 bytes.
    pub version: String,
}

impl Tagged for Card {
    const TAG: &'static str = "fog/verifier-card/v1";
}

/// The version of questions and answers: both sides have to speak the same, and each names its own
/// before anything else is read.
pub const QUESTION_VERSION: u16 = 3;

/// Is it about a verdict, or about one that was challenged?
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Stage {
    /// The verdict itself.
    Verdict,
    /// A ruling on it.
    Ruling,
}

/// What is to be looked at.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Matter {
    /// A result that was handed over.
    Result {
        /// It.
        reveal: Box<Reveal>,
        /// The worker's signed commitment to it, where the node has it.
        commit: Option<Box<Signed<Commit>>>,
        /// Why it is checked, or not: the draw with seed and nonce is recomputed.
        basis: AuditBasis,
        /// The rate the draw was made at, in parts per million.
        rate_ppm: u32,
        /// For which signature.
        stage: Stage,
    },
    /// Nothing was handed over in time.
    Undelivered,
}

/// All that a verifier needs to know besides the blobs that the listing names.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Question {
    /// The task.
    pub listing: Listing,
    /// Who did it.
    pub worker: Address,
    /// Its stake contract.
    pub stake: Address,
    /// The price agreed.
    pub price: Nano,
    /// What it committed to.
    pub commitment: Hash32,
    /// Last second (Unix) at which the signature shall count.
    pub valid_until: u32,
    /// What is to be looked at.
    pub matter: Matter,
    /// The epoch that the listing names, as its node signed it, where a draw decided.
    pub epoch: Option<Box<Signed<Epoch>>>,
    /// The requestor's word on which commitment its nonce was opened for, where a draw decided.
    pub opening: Option<Box<Signed<NonceOpening>>>,
}

impl Tagged for Question {
    const TAG: &'static str = "fog/verifier-question/v3";
}

/// Results are the requestor's: only what they are about is shown.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("task", &self.task())
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

impl Question {
    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.listing.id()
    }

    /// For which signature.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match &self.matter {
            Matter::Result { stage, .. } => *stage,
            Matter::Undelivered => Stage::Verdict,
        }
    }

    /// What a contract asks its verifiers to sign if this was found on this evidence. The task's
    /// address is recomputed from the listing.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn digest_of(&self, found: Found, evidence: Hash32) -> Result<Hash32, ContractError> {
        let terms = VerdictTerms {
            network: self.listing.network,
            task: place_of(&self.listing)?,
            stake: self.stake,
            price: self.price,
            commitment: self.commitment,
            outcome: found.outcome(),
            evidence,
            valid_until: self.valid_until,
        };
        match self.stage() {
            Stage::Verdict => fog_contracts::verdict_hash(&terms),
            Stage::Ruling => fog_contracts::ruling_hash(&terms),
        }
    }

    /// A ruling is on a disputed verdict, and only that: nothing else makes up for the draw.
    #[must_use]
    pub fn is_of_its_stage(&self) -> bool {
        match &self.matter {
            Matter::Result { basis, stage, .. } => {
                (*stage == Stage::Ruling) == (*basis == AuditBasis::Disputed)
            }
            Matter::Undelivered => true,
        }
    }

    /// The seed that decided whether, or where, to look.
    #[must_use]
    pub const fn seed(&self) -> Option<&Hash32> {
        match &self.matter {
            Matter::Result { basis, .. } => basis.seed(),
            Matter::Undelivered => None,
        }
    }

    /// The nonce that decided whether to look.
    #[must_use]
    pub const fn nonce(&self) -> Option<&Hash32> {
        match &self.matter {
            Matter::Result { basis, .. } => basis.nonce(),
            Matter::Undelivered => None,
        }
    }

    /// What stands for the evidence of what is not there: it names task and commitment.
    #[must_use]
    pub fn nothing(&self) -> Hash32 {
        tagged_hash("fog/undelivered/v1", &[&self.task().0.0, &self.commitment.0])
    }

    /// The blobs that are needed to answer.
    #[must_use]
    pub fn blobs(&self) -> Vec<BlobRef> {
        if self.matter == Matter::Undelivered {
            return Vec::new();
        }
        let mut blobs = self.listing.program.blobs();
        blobs.push(self.listing.input);
        blobs.extend(self.listing.policy.file());
        blobs
    }
}

/// What was found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Found {
    /// The worker is to be paid.
    Accepted,
    /// The worker is to be slashed.
    Rejected,
    /// The worker committed, and handed nothing over.
    Undelivered,
}

impl Found {
    /// As contracts call it.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Rejected => Outcome::Rejected,
            Self::Undelivered => Outcome::Undelivered,
        }
    }

    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Undelivered => "undelivered",
        }
    }
}

/// What a verifier answers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Answer {
    /// What it found, on which evidence, and its signature for the contract.
    Signed {
        /// What.
        found: Found,
        /// All it rests on; none where nothing was handed over.
        evidence: Option<Box<Evidence>>,
        /// Over [`Question::digest_of`].
        signature: Signature,
    },
    /// It could not come to a verdict; asked again it may.
    Undecided {
        /// Why.
        reason: String,
        /// Did its own runs give two results?
        doubt: Doubt,
    },
    /// It lacks these blobs: hand them over and ask again.
    Missing(Vec<Hash32>),
    /// It will not sign this.
    Refused {
        /// Stable code.
        code: String,
        /// Why.
        reason: String,
    },
}

/// Did a verifier's own runs contradict each other?
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Doubt {
    /// No: something else was in the way.
    No,
    /// Yes: from it no rejection of this result will come.
    OwnRuns,
}

/// An answer, bound to its question.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reply {
    /// Tagged hash of the question.
    pub question: Hash32,
    /// The answer.
    pub answer: Answer,
}

impl Tagged for Reply {
    const TAG: &'static str = "fog/verifier-reply/v1";
}

/// The bytes behind a question.
#[derive(Clone, Default)]
pub struct Materials {
    program: Vec<Vec<u8>>,
    input: Vec<u8>,
    key: Option<Vec<u8>>,
}

impl fmt::Debug for Materials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Materials({} input bytes)", self.input.len())
    }
}

impl Materials {
    /// Takes what `question` needs from `blob`.
    ///
    /// # Errors
    /// What is missing, or the error of `blob`.
    pub fn gather<E>(
        question: &Question,
        mut blob: impl FnMut(&BlobRef) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Result<Self, Vec<Hash32>>, E> {
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for wanted in question.blobs() {
            match blob(&wanted)? {
                Some(bytes) => found.push(bytes),
                None => missing.push(wanted.hash),
            }
        }
        if !missing.is_empty() {
            return Ok(Err(missing));
        }
        let mut found = found.into_iter();
        if question.matter == Matter::Undelivered {
            return Ok(Ok(Self::default()));
        }
        let program = found.by_ref().take(question.listing.program.blobs().len()).collect();
        let input = found.next().unwrap_or_default();
        Ok(Ok(Self { program, input, key: found.next() }))
    }

    /// The blob with this hash, if it is here.
    #[must_use]
    pub fn blob(&self, hash: &Hash32) -> Option<&[u8]> {
        let all = self.program.iter().chain([&self.input]).chain(&self.key);
        all.map(Vec::as_slice).find(|bytes| Hash32::of(bytes) == *hash)
    }

    /// The input.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// The same with another input.
    #[must_use]
    pub fn with_input(&self, input: Vec<u8>) -> Self {
        Self { input, ..self.clone() }
    }

    /// The program's blobs.
    #[must_use]
    pub fn program(&self) -> &[Vec<u8>] {
        &self.program
    }

    /// As the verifier's crate wants it.
    #[must_use]
    pub fn work<'a>(&'a self, listing: &'a Listing, basis: AuditBasis, rate_ppm: u32) -> Work<'a> {
        let key = self.key.as_deref();
        Work { listing, program: &self.program, input: &self.input, key, basis, rate_ppm }
    }
}

/// A question with its bytes.
#[derive(Debug, Clone)]
pub struct Case {
    /// The question.
    pub question: Question,
    /// The bytes it is about.
    pub materials: Materials,
}

impl Case {
    /// What it takes of memory, nearly: program, input, key and result, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let Materials { program, input, key } = &self.materials;
        let output = match &self.question.matter {
            Matter::Result { reveal, .. } => reveal.output.len(),
            Matter::Undelivered => 0,
        };
        let program: usize = program.iter().map(Vec::len).sum();
        let key = key.as_ref().map_or(0, Vec::len);
        (program + input.len() + key + output) as u64
    }
}
