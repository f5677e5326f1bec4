//! What a requestor posts: program, input, limits, price and how the result is verified.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    Address, Decimal, EpochRef, Hash32, JettonAmount, Nano, PublicKey, Rail, ResourceLimits,
    TaskId,
    envelope::Tagged,
    strategy::{self, Bound, Chunks, Direction},
    zkvm::{JournalStart, ZkVm},
};

/// One, in the parts per million that rates are counted in.
pub const RATE_ONE: u32 = 1_000_000;

const VERSION: u16 = 1;
/// The version that names a rail. A version of its own, so that listings of the escrow rail keep their
/// bytes, and whoever knows only the first version refuses what it does not know.
const RAIL_VERSION: u16 = 2;
/// The version that is paid in a jetton.
const JETTON_VERSION: u16 = 3;
/// The version of listings with a policy that the versions before do not know, on any rail.
const STRATEGY_VERSION: u16 = 4;
/// The version of listings that name the epoch of their draw, on any rail and with any policy.
const EPOCH_VERSION: u16 = 5;
/// The version of listings with an epoch that lower a limit which the versions before cannot name.
const LIMITS_VERSION: u16 = 6;
/// What a listing says whose version promises an epoch that it lacks: [`Listing::check`] refuses it.
const NO_EPOCH: EpochRef = EpochRef { number: u64::MAX, seed_hash: Hash32([0; 32]) };
const MAX_PUBLICS: usize = 64;
const MAX_DURATION: u32 = 30 * 24 * 3600;

/// Why a listing is refused. Each names the field and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Another version of the listing's format.
    #[error("listing version {0} is unknown: this software speaks {VERSION} to {LIMITS_VERSION}")]
    Version(u16),
    /// A version that is not the one of rail and policy.
    #[error("a listing of this rail with a `{policy}` policy has version {wanted}, not {version}")]
    OtherVersion {
        /// The listing's version.
        version: u16,
        /// The policy's name.
        policy: &'static str,
        /// The version it has to have.
        wanted: u16,
    },
    /// The version of one rail with the other rail.
    #[error(
        "a listing of version {version} cannot name this rail: version {VERSION} is for escrow, \
             {RAIL_VERSION} for an account, {JETTON_VERSION} for a jetton"
    )]
    Rail {
        /// The listing's version.
        version: u16,
    },
    /// Version and epoch do not fit.
    #[error(
        "a listing that names an epoch has version {EPOCH_VERSION} or {LIMITS_VERSION}, not \
             {version}, and no other"
    )]
    Epoch {
        /// The listing's version.
        version: u16,
    },
    /// Version and limits do not fit.
    #[error(
        "a listing that lowers `stack_bytes` or `table_elements` has version {LIMITS_VERSION}, not \
             {version}, and no other"
    )]
    LowerLimits {
        /// The listing's version.
        version: u16,
    },
    /// Limits for a program that nobody runs again.
    #[error(
        "`stack_bytes` and `table_elements` cannot be lowered where a proof is checked: nobody runs \
             the program again; leave them out"
    )]
    LimitsOfProof,
    /// A policy that only a task's own contract can judge.
    #[error("on the account rail no contract checks a proof: post it with `--rail escrow`")]
    NoContract,
    /// A jetton elsewhere.
    #[error("the jetton's master must be on the basechain (0:...)")]
    Master,
    /// A field outside its bounds.
    #[error("listing field `{field}` is {given}: it must be between {min} and {max}")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
        /// What was given.
        given: u64,
        /// Smallest accepted value.
        min: u64,
        /// Largest accepted value.
        max: u64,
    },
    /// A proof policy asks for too many public inputs, or does not bind the task.
    #[error("the proof policy {0}")]
    Policy(&'static str),
    /// The terms of a strategy do not fit together.
    #[error("the `{0}` policy {1}")]
    Strategy(&'static str, &'static str),
    /// Program and policy do not fit each other.
    #[error("a `{policy}` policy cannot check this kind of program; {cure}")]
    Mismatch {
        /// The policy's name.
        policy: &'static str,
        /// What to change.
        cure: &'static str,
    },
}

/// A blob by content: SHA-256 and length in bytes.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// SHA-256 of the bytes.
    pub hash: Hash32,
    /// Length in bytes.
    pub bytes: u64,
}

impl BlobRef {
    /// Names `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self { hash: Hash32::of(content), bytes: content.len() as u64 }
    }
}

/// What a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// A WASI preview 1 command: input on stdin, result on stdout; or a component, whose `execute`
    /// takes the input and gives the result.
    Wasi {
        /// The module or component.
        module: BlobRef,
    },
    /// A circom circuit: the input is snarkjs' `input.json`, the result a Groth16 proof.
    Circom {
        /// snarkjs `.zkey` (proving key).
        zkey: BlobRef,
        /// circom's witness calculator (`.wasm`).
        witness: BlobRef,
    },
    /// A circuit over BLS12-381 that the worker has a prover for; the task's contract checks the
    /// proof.
    Circuit {
        /// Its verifying key, as arkworks writes it.
        key: BlobRef,
    },
    /// A program for a zkVM: the result is its receipt. The worker brings the prover.
    ZkVm {
        /// The machine and its release.
        vm: ZkVm,
        /// The program, as the machine's own tools build it.
        elf: BlobRef,
    },
}

impl Program {
    /// The blobs a worker needs, in payload order (before the input).
    #[must_use]
    pub fn blobs(&self) -> Vec<BlobRef> {
        match self {
            Self::Wasi { module } => vec![*module],
            Self::Circom { zkey, witness } => vec![*zkey, *witness],
            Self::Circuit { key } => vec![*key],
            Self::ZkVm { elf, .. } => vec![*elf],
        }
    }
}

/// The curve of a proof.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub enum Curve {
    /// alt_bn128, the curve of circom's default.
    #[serde(rename = "bn254")]
    Bn254,
    /// The curve that contracts can check, too. Who knows only the other cannot read such a listing.
    #[serde(rename = "bls12-381")]
    Bls12381,
}

impl Curve {
    /// Its name in listings and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bn254 => "bn254",
            Self::Bls12381 => "bls12-381",
        }
    }
}

/// What a proof's public input must be.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum PublicInput {
    /// The scalar the verifier computes from task and worker: makes the proof worthless elsewhere.
    Binding,
    /// This decimal number.
    Fixed(String),
    /// Anything: it is part of the result.
    Free,
}

/// How the result is verified before money moves.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Policy {
    /// The drawn share of results is run again; output and fuel must be equal.
    Replay {
        /// Audit rate in parts per million (50,000 is 5 %), 1 to 1,000,000.
        rate_ppm: u32,
    },
    /// A Groth16 proof is checked, always.
    Groth16 {
        /// The curve of key and proof.
        curve: Curve,
        /// snarkjs' `verification_key.json`, or the key as arkworks writes it.
        key: BlobRef,
        /// One entry a public input, in the circuit's order.
        publics: Vec<PublicInput>,
    },
    /// The proof is the verdict: the task's contract checks it and pays, no verifier signs.
    Proof {
        /// What names the circuit on chain: the hash of its verifying key's cell.
        key: Hash32,
    },
    /// An evaluator computes the objective of the result, which must beat a given number. A result
    /// that does not must be what the program gives.
    Improves {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// A WASI command: input and result on stdin, the objective on stdout.
        evaluator: BlobRef,
        /// Which way is better.
        direction: Direction,
        /// What must be beaten.
        than: Decimal,
    },
    /// The result's numbers must be as near to those of a re-run as the bounds say.
    Statistical {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// One a number, in their order.
        bounds: Vec<Bound>,
    },
    /// The input is cut into chunks that are run one by one; of a result that was drawn, drawn
    /// chunks are run again.
    Merkle {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// Chunks drawn.
        samples: u16,
        /// How the input is cut.
        chunks: Chunks,
    },
    /// A zkVM's receipt that the program ran is checked, always, against its maker's published key.
    Receipt {
        /// What names the program in a receipt: SP1's verifying key hash, RISC Zero's image id.
        program: Hash32,
        /// What it must have made public first.
        start: JournalStart,
    },
    /// One of several copies for workers that do not know of each other; see [`crate::Group`]. Of
    /// listings made before [`Policy::Copies`]: where all copies agree nobody looks, unless a worker is
    /// a newcomer or was caught.
    Redundant {
        /// How many there are.
        copies: u8,
        /// What this one commits to of its group.
        sibling: Hash32,
    },
    /// The same, and a share of the copies that agree is run again all the same: workers in league
    /// agree, too.
    Copies {
        /// How many there are.
        copies: u8,
        /// What this one commits to of its group.
        sibling: Hash32,
        /// Audit rate of copies that agree, in parts per million.
        rate_ppm: u32,
    },
}

impl Policy {
    /// Short name for tables: `replay`, `groth16`, `proof`, `improves`, `statistical`, `merkle`,
    /// `receipt`, `redundant`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "replay",
            Self::Groth16 { .. } => "groth16",
            Self::Proof { .. } => "proof",
            Self::Improves { .. } => "improves",
            Self::Statistical { .. } => "statistical",
            Self::Merkle { .. } => "merkle",
            Self::Receipt { .. } => "receipt",
            Self::Redundant { .. } | Self::Copies { .. } => "redundant",
        }
    }

    /// The file it needs besides program and input: a verification key, or an evaluator.
    #[must_use]
    pub const fn file(&self) -> Option<BlobRef> {
        match self {
            Self::Groth16 { key: file, .. } | Self::Improves { evaluator: file, .. } => Some(*file),
            Self::Replay { .. }
            | Self::Proof { .. }
            | Self::Statistical { .. }
            | Self::Merkle { .. }
            | Self::Receipt { .. }
            | Self::Redundant { .. }
            | Self::Copies { .. } => None,
        }
    }

    /// Is every result checked by its proof, rather than by running something again?
    #[must_use]
    pub const fn is_proof(&self) -> bool {
        matches!(self, Self::Groth16 { .. } | Self::Proof { .. } | Self::Receipt { .. })
    }

    /// The circuit whose proof the task's own contract checks.
    #[must_use]
    pub const fn circuit(&self) -> Option<Hash32> {
        match self {
            Self::Proof { key } => Some(*key),
            Self::Replay { .. }
            | Self::Groth16 { .. }
            | Self::Improves { .. }
            | Self::Statistical { .. }
            | Self::Merkle { .. }
            | Self::Receipt { .. }
            | Self::Redundant { .. }
            | Self::Copies { .. } => None,
        }
    }

    /// Of one of several copies: how many there are, and what it commits to of its group.
    #[must_use]
    pub const fn copies(&self) -> Option<(u8, Hash32)> {
        match self {
            Self::Redundant { copies, sibling } | Self::Copies { copies, sibling, .. } => {
                Some((*copies, *sibling))
            }
            Self::Replay { .. }
            | Self::Groth16 { .. }
            | Self::Proof { .. }
            | Self::Improves { .. }
            | Self::Statistical { .. }
            | Self::Merkle { .. }
            | Self::Receipt { .. } => None,
        }
    }

    /// Is it one that listings before [`Listing::STRATEGY_VERSION`] do not know?
    #[must_use]
    pub const fn is_strategy(&self) -> bool {
        match self {
            Self::Improves { .. }
            | Self::Statistical { .. }
            | Self::Merkle { .. }
            | Self::Receipt { .. }
            | Self::Redundant { .. }
            | Self::Copies { .. } => true,
            Self::Replay { .. } | Self::Groth16 { .. } | Self::Proof { .. } => false,
        }
    }

    /// The share of results that is checked, in parts per million.
    #[must_use]
    pub const fn rate_ppm(&self) -> u32 {
        match self {
            Self::Replay { rate_ppm }
            | Self::Improves { rate_ppm, .. }
            | Self::Statistical { rate_ppm, .. }
            | Self::Merkle { rate_ppm, .. }
            | Self::Copies { rate_ppm, .. } => *rate_ppm,
            Self::Groth16 { .. }
            | Self::Proof { .. }
            | Self::Receipt { .. }
            | Self::Redundant { .. } => RATE_ONE,
        }
    }
}

/// How long each state may last, in seconds of chain time. No listing names a moment (but the epoch
/// of its draw), so that equal listings have equal ids.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Durations {
    /// From funding to an assignment; then the requestor is refunded.
    pub bid: u32,
    /// From assignment to the worker's commitment.
    pub commit: u32,
    /// From commitment to the verdict.
    pub verdict: u32,
    /// Challenge window between verdict and payment.
    pub window: u32,
}

impl Default for Durations {
    fn default() -> Self {
        Self { bid: 600, commit: 600, verdict: 600, window: 60 }
    }
}

/// A task as its requestor posts it. Its id is its hash; it is posted inside
/// [`crate::Signed`] by `requestor_key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Format version: [`Listing::version_of`] its rail and policy.
    pub version: u16,
    /// TON global id: -239 main network, -3 test networks and the embedded chain.
    pub network: i32,
    /// The `Market` contract whose rules hold.
    pub market: Address,
    /// The node's wallet: the only one that may assign.
    pub operator: Address,
    /// The wallet that pays, and that is refunded.
    pub requestor: Address,
    /// The key that signs the listing and may fetch the result.
    pub requestor_key: PublicKey,
    /// What is run.
    pub program: Program,
    /// On what.
    pub input: BlobRef,
    /// Within which limits.
    pub limits: ResourceLimits,
    /// The most it may cost.
    pub price_cap: Nano,
    /// How it is verified.
    pub policy: Policy,
    /// How long each state may last.
    pub durations: Durations,
    /// Hash of the requestor's draw nonce (see `fog_verifier::draw`).
    pub nonce_hash: Hash32,
    /// Makes two tasks with equal work distinct.
    pub salt: Hash32,
    /// How it is paid.
    #[serde(default, skip_serializing_if = "Rail::is_escrow")]
    pub rail: Rail,
    /// Whose seed decides the draw; none where nothing is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochRef>,
}

/// The rail comes after all that version 1 has, and only from version 2 on; then, from version 5
/// on, the epoch, and from version 6 on the limits that it lowers.
impl BorshSerialize for Listing {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let head = (&self.version, &self.network, &self.market, &self.operator, &self.requestor);
        let limits = &self.limits;
        let work = (&self.requestor_key, &self.program, &self.input);
        let room = (&limits.fuel, &limits.memory_bytes, &limits.output_bytes);
        let terms = (&self.price_cap, &self.policy, &self.durations, &self.nonce_hash, &self.salt);
        BorshSerialize::serialize(&(head, work, room, terms), writer)?;
        if self.version < RAIL_VERSION {
            return Ok(());
        }
        BorshSerialize::serialize(&self.rail, writer)?;
        if self.version < EPOCH_VERSION {
            return Ok(());
        }
        BorshSerialize::serialize(&self.epoch.unwrap_or(NO_EPOCH), writer)?;
        if self.version < LIMITS_VERSION {
            return Ok(());
        }
        BorshSerialize::serialize(&(&limits.stack_bytes, &limits.table_elements), writer)
    }
}

impl BorshDeserialize for Listing {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (version, network, market, operator, requestor) = read(reader)?;
        let (requestor_key, program, input) = read(reader)?;
        let (fuel, memory_bytes, output_bytes) = read(reader)?;
        let (price_cap, policy, durations, nonce_hash, salt) = read(reader)?;
        let rail = if version >= RAIL_VERSION { read(reader)? } else { Rail::Escrow };
        let epoch = if version >= EPOCH_VERSION { Some(read(reader)?) } else { None };
        let (stack_bytes, table_elements) =
            if version >= LIMITS_VERSION { read(reader)? } else { ResourceLimits::MOST };
        let limits =
            ResourceLimits { fuel, memory_bytes, output_bytes, stack_bytes, table_elements };
        Ok(Self {
            version,
            network,
            market,
            operator,
            requestor,
            requestor_key,
            program,
            input,
            limits,
            price_cap,
            policy,
            durations,
            nonce_hash,
            salt,
            rail,
            epoch,
        })
    }
}

fn read<T: BorshDeserialize>(reader: &mut impl io::Read) -> io::Result<T> {
    T::deserialize_reader(reader)
}

impl Tagged for Listing {
    const TAG: &'static str = "fog/listing/v1";
}

impl Listing {
    /// The format's version on the escrow rail.
    pub const VERSION: u16 = VERSION;
    /// The format's version on the account rail.
    pub const RAIL_VERSION: u16 = RAIL_VERSION;
    /// The format's version in a jetton.
    pub const JETTON_VERSION: u16 = JETTON_VERSION;

    /// The format's version with a policy that versions before do not know.
    pub const STRATEGY_VERSION: u16 = STRATEGY_VERSION;

    /// The format's version with the epoch of a draw.
    pub const EPOCH_VERSION: u16 = EPOCH_VERSION;

    /// The format's version with an epoch and limits that versions before cannot name.
    pub const LIMITS_VERSION: u16 = LIMITS_VERSION;

    /// The same listing with this epoch, whose seed decides its draw.
    #[must_use]
    pub fn with_epoch(self, epoch: EpochRef) -> Self {
        Self { version: Self::drawn_version(&self.limits), epoch: Some(epoch), ..self }
    }

    const fn drawn_version(limits: &ResourceLimits) -> u16 {
        if limits.lowers_more() { LIMITS_VERSION } else { EPOCH_VERSION }
    }

    /// The epoch whose seed decides its draw, as far as the task's id follows from it.
    #[must_use]
    pub const fn named_epoch(&self) -> Option<EpochRef> {
        if self.version >= EPOCH_VERSION { self.epoch } else { None }
    }

    /// The one version of listings with this rail and policy, and no epoch. Listings that the first
    /// versions can say keep their bytes, and whoever knows only those refuses the others.
    #[must_use]
    pub const fn version_of(rail: &Rail, policy: &Policy) -> u16 {
        if policy.is_strategy() { STRATEGY_VERSION } else { rail.listing_version() }
    }

    /// The task's id: the listing's hash. Where it is paid in a jetton it is the hash of the cell that
    /// tells the task's contract what it costs (`JettonTerms`: the listing's hash, the jetton, the
    /// units), which is the cell's two descriptors and its 80 bytes.
    #[must_use]
    pub fn id(&self) -> TaskId {
        let digest = self.digest();
        let Some((master, units)) = self.rail.jetton() else { return TaskId(digest) };
        let mut cell = vec![0x00, 0xa0];
        cell.extend_from_slice(&digest.0);
        cell.extend_from_slice(&master.hash.0);
        cell.extend_from_slice(&units.get().to_be_bytes());
        TaskId(Hash32::of(&cell))
    }

    /// The files a worker needs besides the input: the program's blobs, and after them the key with
    /// which it checks its proof before it commits to it.
    #[must_use]
    pub fn work_blobs(&self) -> Vec<BlobRef> {
        let mut blobs = self.program.blobs();
        if let Policy::Groth16 { key, .. } = &self.policy {
            blobs.push(*key);
        }
        blobs
    }

    /// What a price of this task comes to in the jetton it is paid in; `None` where that is GRAM.
    #[must_use]
    pub fn in_jetton(&self, price: Nano) -> Option<JettonAmount> {
        let (master, units) = self.rail.jetton()?;
        Some(JettonAmount { master, units: units.part(price, self.price_cap) })
    }

    /// Checks what can be checked without looking anything up.
    ///
    /// # Errors
    /// The first field that is outside its bounds.
    pub fn check(&self) -> Result<(), ListingError> {
        if !(VERSION..=LIMITS_VERSION).contains(&self.version) {
            return Err(ListingError::Version(self.version));
        }
        let (version, policy) = (self.version, self.policy.name());
        if self.epoch.is_some() != (version >= EPOCH_VERSION) || self.epoch == Some(NO_EPOCH) {
            return Err(ListingError::Epoch { version });
        }
        if self.limits.lowers_more() && self.policy.is_proof() {
            return Err(ListingError::LimitsOfProof);
        }
        let lowers = version == LIMITS_VERSION;
        if lowers != self.limits.lowers_more() {
            return Err(ListingError::LowerLimits { version });
        }
        let wanted = match self.epoch {
            Some(_) => Self::drawn_version(&self.limits),
            None => Self::version_of(&self.rail, &self.policy),
        };
        if version != wanted && [version, wanted].contains(&STRATEGY_VERSION) {
            return Err(ListingError::OtherVersion { version, policy, wanted });
        }
        if version != wanted {
            return Err(ListingError::Rail { version: self.version });
        }
        if let (Policy::Proof { .. }, Rail::Account { .. }) = (&self.policy, &self.rail) {
            return Err(ListingError::NoContract);
        }
        if let Some((master, units)) = self.rail.jetton() {
            if master.workchain != 0 {
                return Err(ListingError::Master);
            }
            let most = u64::MAX;
            let given = u64::try_from(units.get()).unwrap_or(most);
            within("rail.units", given, 1, most)?;
        }
        self.limits.check()?;
        within("price_cap", self.price_cap.get(), 1, Nano::MAX.get())?;
        let d = &self.durations;
        for (field, seconds) in [
            ("durations.bid", d.bid),
            ("durations.commit", d.commit),
            ("durations.verdict", d.verdict),
        ] {
            within(field, u64::from(seconds), 1, u64::from(MAX_DURATION))?;
        }
        within("durations.window", u64::from(d.window), 0, u64::from(MAX_DURATION))?;
        self.check_policy()
    }

    fn check_policy(&self) -> Result<(), ListingError> {
        match (&self.policy, &self.program) {
            (Policy::Receipt { .. }, Program::ZkVm { .. }) => Ok(()),
            (Policy::Receipt { .. }, _) => Err(ListingError::Mismatch {
                policy: "receipt",
                cure: "post a program of SP1 or RISC Zero",
            }),
            (_, Program::ZkVm { .. }) => Err(ListingError::Mismatch {
                policy: self.policy.name(),
                cure: "post a program of a zkVM with the `receipt` policy",
            }),
            (
                Policy::Replay { .. }
                | Policy::Improves { .. }
                | Policy::Statistical { .. }
                | Policy::Merkle { .. }
                | Policy::Redundant { .. }
                | Policy::Copies { .. },
                Program::Wasi { .. },
            )
            | (
                Policy::Improves { .. }
                | Policy::Statistical { .. }
                | Policy::Merkle { .. }
                | Policy::Redundant { .. }
                | Policy::Copies { .. },
                Program::Circom { .. } | Program::Circuit { .. },
            ) => strategy::check(&self.policy, &self.program, &self.input, &self.limits),
            (Policy::Replay { .. }, Program::Circom { .. }) => Err(ListingError::Mismatch {
                policy: "replay",
                cure: "post a circom program with the `groth16` policy",
            }),
            (Policy::Proof { .. }, Program::Circuit { .. }) => Ok(()),
            (Policy::Proof { .. }, Program::Wasi { .. } | Program::Circom { .. }) => {
                Err(ListingError::Mismatch {
                    policy: "proof",
                    cure: "post a circuit's verifying key over BLS12-381 as the program",
                })
            }
            (Policy::Replay { .. } | Policy::Groth16 { .. }, Program::Circuit { .. }) => {
                Err(ListingError::Mismatch {
                    policy: self.policy.name(),
                    cure: "post a circuit over BLS12-381 with the `proof` policy",
                })
            }
            (Policy::Groth16 { publics, .. }, Program::Wasi { .. } | Program::Circom { .. }) => {
                if publics.is_empty() || publics.len() > MAX_PUBLICS {
                    return Err(ListingError::Policy("needs 1 to 64 public inputs"));
                }
                let bindings = publics.iter().filter(|p| **p == PublicInput::Binding).count();
                if bindings != 1 {
                    return Err(ListingError::Policy(
                        "needs exactly one `binding` public input, or a proof could be used twice",
                    ));
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn within(
    field: &'static str,
    given: u64,
    min: u64,
    max: u64,
) -> Result<(), ListingError> {
    if (min..=max).contains(&given) {
        Ok(())
    } else {
        Err(ListingError::OutOfBounds { field, given, min, max })
    }
}
