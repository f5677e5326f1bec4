//! From what a requestor wants to a listing it can sign.

use fog_contracts::{proof::VerifyingKey, rail::place_of};
use fog_protocol::{
    Address, BlobRef, Bound, Chunks, Curve, Decimal, Direction, Durations, Group, Hash32,
    JournalStart, Listing, Nano, Policy, Program, PublicInput, RATE_ONE, Rail, ResourceLimits,
    SecretKey, TaskId, ZkVm, api::NodeInfo, tagged_hash,
};
use fog_verifier::{check_proof_policy, draw, groth16::check_contract_key};

use crate::{RequestorError, epoch};

/// The program of a draft, as bytes.
#[derive(Debug, Clone)]
pub enum DraftProgram {
    /// A WASI command.
    Wasi(Vec<u8>),
    /// A circom circuit: zkey and witness calculator.
    Circom(Vec<u8>, Vec<u8>),
    /// A circuit over BLS12-381: its verifying key, as arkworks writes it.
    Circuit(Vec<u8>),
    /// A zkVM's program.
    ZkVm(ZkVm, Vec<u8>),
}

/// The policy of a draft.
#[derive(Debug, Clone)]
pub enum DraftPolicy {
    /// Replay at a rate in parts per million.
    Replay(u32),
    /// Groth16 over this curve with this verification key, a file of snarkjs or arkworks, and these
    /// public inputs.
    Groth16(Curve, Vec<u8>, Vec<PublicInput>),
    /// A proof for a circuit, checked by the task's contract.
    Proof,
    /// A zkVM's receipt: of the program with this name, whose journal begins so.
    Receipt(Hash32, JournalStart),
    /// The objective that an evaluator computes must beat a number.
    Improves {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// The evaluator, a WASI command.
        evaluator: Vec<u8>,
        /// Which way is better.
        direction: Direction,
        /// What must be beaten.
        than: Decimal,
    },
    /// The result's numbers must be near those of a re-run.
    Statistical {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// One a number.
        bounds: Vec<Bound>,
    },
    /// The input is run in chunks, of which drawn ones are run again.
    Merkle {
        /// Audit rate in parts per million.
        rate_ppm: u32,
        /// Chunks drawn.
        samples: u16,
        /// How the input is cut.
        chunks: Chunks,
    },
    /// One of several copies: made by `Requestor::post_copies`.
    Copies {
        /// How many there are.
        copies: u8,
        /// What this one commits to of its group.
        sibling: Hash32,
        /// Audit rate of copies that agree, in parts per million.
        rate_ppm: u32,
    },
}

/// A task that is not posted yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What is run.
    pub program: DraftProgram,
    /// On what.
    pub input: Vec<u8>,
    /// Within which limits.
    pub limits: ResourceLimits,
    /// The most it may cost.
    pub price: Nano,
    /// How it is verified.
    pub policy: DraftPolicy,
    /// How long each state may last.
    pub durations: Durations,
    /// Makes tasks with equal work distinct; random, or derived from a seed.
    pub salt: Hash32,
    /// How it is paid.
    pub rail: Rail,
}

/// A listing with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The listing.
    pub listing: Listing,
    /// Its id.
    pub task: TaskId,
    /// Its escrow, or its place on the account rail, computed here.
    pub escrow: Address,
    /// Blobs to upload, each once.
    pub blobs: Vec<Vec<u8>>,
}

/// The draw nonce of a listing with this salt: derived from the signing key, so that it can be
/// opened later from any machine that has the key, and by nobody else.
#[must_use]
pub fn nonce(key: &SecretKey, salt: &Hash32) -> Hash32 {
    tagged_hash("fog/nonce-secret/v1", &[key.seed().as_ref(), &salt.0])
}

/// The input of a copy with this salt, as its listing names it: begun with bytes that only who has
/// the signing key can make, so that who has one copy's input cannot tell which listings are others.
#[must_use]
pub fn blinded(key: &SecretKey, salt: &Hash32, input: &[u8]) -> Vec<u8> {
    let blind = tagged_hash("fog/copy-blind/v1", &[key.seed().as_ref(), &salt.0]);
    [&blind.0[..], input].concat()
}

/// The hash a circuit is known by, of a key that is sound as far as anybody can see.
fn circuit_hash(key: &[u8]) -> Result<Hash32, RequestorError> {
    let refused = |cause: String| RequestorError::Circuit(cause);
    check_contract_key(key).map_err(|malformed| refused(malformed.to_string()))?;
    let key = VerifyingKey::from_ark_bytes(key).map_err(|error| refused(error.to_string()))?;
    Ok(key.hash()?)
}

impl Draft {
    /// Copy `index` of this draft: with a salt of its own, and an input that does not look like that
    /// of any other copy. The rate of a draft of [`DraftPolicy::Replay`] becomes that of copies that
    /// agree; of any other they are all run again.
    #[must_use]
    pub(crate) fn copy(mut self, key: &SecretKey, secret: &Hash32, copies: u8, index: u8) -> Self {
        self.salt = tagged_hash("fog/copy-salt/v1", &[&secret.0, &[index]]);
        self.input = blinded(key, &self.salt, &self.input);
        let sibling = Group::sibling(secret, index);
        let rate_ppm = match self.policy {
            DraftPolicy::Replay(rate_ppm) => rate_ppm,
            _ => RATE_ONE,
        };
        self.policy = DraftPolicy::Copies { copies, sibling, rate_ppm };
        self
    }

    /// The listing of this draft at the node `info` describes.
    ///
    /// # Errors
    /// [`RequestorError::Listing`] names the field that is out of bounds; [`RequestorError::Epoch`].
    pub fn prepare(
        self,
        info: &NodeInfo,
        requestor: Address,
        key: &SecretKey,
    ) -> Result<Prepared, RequestorError> {
        let mut blobs = Vec::new();
        let mut keep = |bytes: Vec<u8>| {
            let name = BlobRef::of(&bytes);
            if !blobs.contains(&bytes) {
                blobs.push(bytes);
            }
            name
        };
        let circuit = match &self.program {
            DraftProgram::Circuit(key) => Some(circuit_hash(key)?),
            DraftProgram::Wasi(_) | DraftProgram::Circom(..) | DraftProgram::ZkVm(..) => None,
        };
        let program = match self.program {
            DraftProgram::Circuit(key) => Program::Circuit { key: keep(key) },
            DraftProgram::ZkVm(vm, elf) => Program::ZkVm { vm, elf: keep(elf) },
            DraftProgram::Wasi(module) => Program::Wasi { module: keep(module) },
            DraftProgram::Circom(zkey, witness) => {
                Program::Circom { zkey: keep(zkey), witness: keep(witness) }
            }
        };
        let policy = match self.policy {
            DraftPolicy::Replay(rate_ppm) => Policy::Replay { rate_ppm },
            DraftPolicy::Groth16(curve, key, publics) => {
                let policy = Policy::Groth16 { curve, key: BlobRef::of(&key), publics };
                check_proof_policy(&policy, &key).map_err(|malformed| {
                    RequestorError::ProofPolicy(format!("{malformed}; {}", malformed.cure()))
                })?;
                keep(key);
                policy
            }
            // Without a circuit the listing's own check says what is missing.
            DraftPolicy::Receipt(program, start) => Policy::Receipt { program, start },
            DraftPolicy::Proof => Policy::Proof { key: circuit.unwrap_or_default() },
            DraftPolicy::Improves { rate_ppm, evaluator, direction, than } => {
                Policy::Improves { rate_ppm, evaluator: keep(evaluator), direction, than }
            }
            DraftPolicy::Statistical { rate_ppm, bounds } => {
                Policy::Statistical { rate_ppm, bounds }
            }
            DraftPolicy::Merkle { rate_ppm, samples, chunks } => {
                Policy::Merkle { rate_ppm, samples, chunks }
            }
            DraftPolicy::Copies { copies, sibling, rate_ppm } => {
                Policy::Copies { copies, sibling, rate_ppm }
            }
        };
        // A proof is checked whatever a draw would say.
        let epoch = if policy.is_proof() { None } else { Some(epoch::current(info)?) };
        let listing = Listing {
            version: Listing::version_of(&self.rail, &policy),
            network: info.network,
            market: info.market,
            operator: info.operator,
            requestor,
            requestor_key: key.public(),
            program,
            input: keep(self.input),
            limits: self.limits,
            price_cap: self.price,
            policy,
            durations: self.durations,
            nonce_hash: draw::nonce_hash(&nonce(key, &self.salt)),
            salt: self.salt,
            rail: self.rail,
            epoch: None,
        };
        let listing = match epoch {
            Some(epoch) => listing.with_epoch(epoch),
            None => listing,
        };
        listing.check()?;
        let escrow = place_of(&listing)?;
        Ok(Prepared { task: listing.id(), escrow, listing, blobs })
    }
}
