//! Why a key, a proof or a list of public inputs is refused before any pairing is computed.

use std::fmt;

/// Which of the three documents is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `verification_key.json`.
    Key,
    /// `proof.json`.
    Proof,
    /// `public.json`.
    Publics,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "verification key",
            Self::Proof => "proof",
            Self::Publics => "public inputs",
        })
    }
}

/// Who has to do something about a refused document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The requestor: the key or the list of public inputs is unusable, whatever a worker does.
    Listing,
    /// The worker: what it delivered is refused.
    Submission,
    /// This machine.
    Host,
}

/// Why a text is not the one way to write an element of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberProblem {
    /// Empty, a sign, a space, hexadecimal, or any other character than `0` to `9`.
    #[error("is not a plain decimal number")]
    NotDecimal,
    /// `007`: a second way to write the same number.
    #[error("has leading zeros")]
    LeadingZero,
    /// Not below the modulus: a second way to write the same element.
    #[error("is not below the field's modulus")]
    TooLarge,
}

/// Why a document is refused. The text names the cause, [`Malformed::cure`] what to do,
/// [`Malformed::code`] is stable for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The document is larger than the cap; it was not parsed.
    #[error("the {part} has {bytes} bytes, more than the {cap} allowed")]
    Size {
        /// Which document.
        part: Part,
        /// Its size.
        bytes: usize,
        /// The largest size accepted.
        cap: usize,
    },
    /// Not JSON, or not the document snarkjs writes (missing, doubled or unknown fields too).
    #[error("the {part} is not snarkjs' JSON: {reason}")]
    Json {
        /// Which document.
        part: Part,
        /// The parser's words, shortened.
        reason: String,
    },
    /// Ark bytes with a wrong length or a non-canonical encoding.
    #[error("the {part} is not ark's compressed encoding: {reason}")]
    Bytes {
        /// Which document.
        part: Part,
        /// What is wrong.
        reason: String,
    },
    /// Another proof system, such as plonk.
    #[error("the {part} is for the protocol `{found}`, not `groth16`")]
    Protocol {
        /// Which document.
        part: Part,
        /// The protocol it names, shortened.
        found: String,
    },
    /// Another curve than the one that is checked.
    #[error("the {part} names the curve `{found}`, not `{expected}`")]
    OtherCurve {
        /// Which document.
        part: Part,
        /// The name of the curve that is checked.
        expected: &'static str,
        /// The curve it names, shortened.
        found: String,
    },
    /// A number that is not canonical.
    #[error("{part}: {at} {problem}")]
    Number {
        /// Which document.
        part: Part,
        /// Where in it, such as `pi_a` or `input 3`.
        at: String,
        /// What is wrong with it.
        problem: NumberProblem,
    },
    /// The third coordinate is not one.
    #[error("{part}: {at} is not affine, its third coordinate must be 1")]
    NotAffine {
        /// Which document.
        part: Part,
        /// Which point.
        at: String,
    },
    /// The coordinates do not satisfy the curve's equation.
    #[error("{part}: {at} is not on the curve")]
    OffCurve {
        /// Which document.
        part: Part,
        /// Which point.
        at: String,
    },
    /// On the curve, outside the subgroup of prime order.
    #[error("{part}: {at} is outside the prime-order subgroup")]
    OffSubgroup {
        /// Which document.
        part: Part,
        /// Which point.
        at: String,
    },
    /// The point at infinity, which no honest setup or prover produces.
    #[error("{part}: {at} is the point at infinity")]
    Identity {
        /// Which document.
        part: Part,
        /// Which point.
        at: String,
    },
    /// Two of beta, gamma and delta are equal up to sign: anyone can forge proofs.
    #[error("the verification key is degenerate ({which}): proofs for it can be forged")]
    DegenerateKey {
        /// Which two.
        which: &'static str,
    },
    /// `nPublic` and the number of IC points disagree.
    #[error("the verification key declares {declared} public inputs but has {points} IC points")]
    IcCount {
        /// `nPublic`.
        declared: usize,
        /// Length of `IC`, which must be one more.
        points: usize,
    },
    /// More public inputs than the cap.
    #[error(
        "{found} public inputs in the {part} are more than the {cap} allowed",
        cap = super::MAX_PUBLIC_INPUTS
    )]
    TooManyInputs {
        /// Which document.
        part: Part,
        /// How many there are.
        found: usize,
    },
    /// The list of public inputs is not as long as the key says.
    #[error("the key takes {expected} public inputs, {found} were given")]
    InputCount {
        /// What the key takes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The listing's list of public inputs does not fit the key or is no valid list.
    #[error("the listing's public inputs do not fit: {reason}")]
    Template {
        /// What is wrong.
        reason: String,
    },
    /// A zkVM's receipt of another release, or cut.
    #[error("the receipt's seal is refused: {reason}")]
    Seal {
        /// What is wrong with it.
        reason: String,
    },
    /// A batch longer than the cap.
    #[error("a batch of {found} proofs is more than the {cap} allowed", cap = super::MAX_BATCH)]
    BatchSize {
        /// How many there are.
        found: usize,
    },
    /// The operating system gave no randomness for a batch.
    #[error("the operating system gave no randomness: {reason}")]
    Randomness {
        /// Its words.
        reason: String,
    },
}

impl Malformed {
    /// Stable name of the cause, for programs and for `--json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "groth16.size",
            Self::Json { .. } => "groth16.json",
            Self::Bytes { .. } => "groth16.bytes",
            Self::Protocol { .. } => "groth16.protocol",
            Self::OtherCurve { .. } => "groth16.curve",
            Self::Number { .. } => "groth16.number",
            Self::NotAffine { .. } => "groth16.not_affine",
            Self::OffCurve { .. } => "groth16.off_curve",
            Self::OffSubgroup { .. } => "groth16.off_subgroup",
            Self::Identity { .. } => "groth16.identity",
            Self::DegenerateKey { .. } => "groth16.degenerate_key",
            Self::IcCount { .. } => "groth16.ic_count",
            Self::TooManyInputs { .. } => "groth16.too_many_inputs",
            Self::InputCount { .. } => "groth16.input_count",
            Self::Template { .. } => "groth16.template",
            Self::Seal { .. } => "groth16.seal",
            Self::BatchSize { .. } => "groth16.batch_size",
            Self::Randomness { .. } => "groth16.randomness",
        }
    }

    /// Whose fault it is when a task's proof is checked: a worker must not pay for a bad key.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Size { part, .. }
            | Self::Json { part, .. }
            | Self::Bytes { part, .. }
            | Self::Protocol { part, .. }
            | Self::OtherCurve { part, .. }
            | Self::Number { part, .. }
            | Self::NotAffine { part, .. }
            | Self::OffCurve { part, .. }
            | Self::OffSubgroup { part, .. }
            | Self::Identity { part, .. }
            | Self::TooManyInputs { part, .. } => match part {
                Part::Key => Fault::Listing,
                Part::Proof | Part::Publics => Fault::Submission,
            },
            Self::DegenerateKey { .. } | Self::IcCount { .. } | Self::Template { .. } => {
                Fault::Listing
            }
            Self::InputCount { .. } | Self::Seal { .. } => Fault::Submission,
            Self::BatchSize { .. } | Self::Randomness { .. } => Fault::Host,
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::Size { .. } => "check that it is the right file; split the circuit if it is",
            Self::Json { .. } => {
                "use the file as snarkjs wrote it: `snarkjs zkey export verificationkey`, \
                 `snarkjs groth16 prove`"
            }
            Self::Bytes { .. } => {
                "write it with ark's `serialize_compressed`, one value and nothing after it"
            }
            Self::Protocol { .. } => "make the key and the proof with `snarkjs groth16`",
            Self::OtherCurve { .. } => {
                "key and proof must be on one curve, in a task on the one that its listing names: BN254 \
                 (circom's default, `--prime bn128`) or BLS12-381 (`--prime bls12381`)"
            }
            Self::Number { .. } => {
                "write field elements as decimal numbers below the modulus, without sign, \
                 leading zeros or spaces"
            }
            Self::NotAffine { .. } => "write the point with third coordinate 1, as snarkjs does",
            Self::OffCurve { .. } | Self::OffSubgroup { .. } => {
                "the file is damaged or forged: export it again from its source"
            }
            Self::Identity { .. } => "run the setup or the prover again; do not accept this file",
            Self::DegenerateKey { .. } => {
                "run phase 2 of the setup (`snarkjs zkey contribute`) and export the key again"
            }
            Self::IcCount { .. } => "export the key again; the list was cut or extended",
            Self::TooManyInputs { .. } => {
                "make a hash of the inputs public instead of the inputs themselves"
            }
            Self::InputCount { .. } => "use the public.json made with this proof and this key",
            Self::Template { .. } => {
                "give one entry per public input of the key, exactly one of them `binding`"
            }
            Self::Seal { .. } => {
                "prove with the release that is asked for, wrapped as Groth16 (SP1: `.groth16()`, \
                 RISC Zero: `ReceiptKind::Groth16`), and hand in the seal as Ethereum takes it"
            }
            Self::BatchSize { .. } => "verify in smaller batches",
            Self::Randomness { .. } => "try again; verify one by one until it works",
        }
    }
}

/// At most 160 characters of somebody else's text, for error messages.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}
