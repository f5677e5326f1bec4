//! What a proof task's escrow checks by itself: Groth16 over BLS12-381 with one public input, the
//! binding, which says what was computed, on what, by whom and for which task.
//!
//! Points are in zcash's compressed encoding, which arkworks' `serialize_compressed` writes as it
//! is: 48 bytes in G1, 96 in G2. Nothing here looks whether bytes are points; `fog-verifier` does.

use std::fmt;

use fog_protocol::{Address, Hash32};
use sha2::{Digest as _, Sha256};
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellSlice},
};

use crate::cells::{self, ContractError, Fields as _};

const CONTEXT: u32 = 0x4650_5246;
/// Most bytes of one cell.
const CELL_BYTES: usize = 127;
/// Largest result that is paid for on chain, in bytes: it travels in the proof's message.
pub const MAX_RESULT_BYTES: usize = 4096;
/// Longest message believed in, in bytes.
pub const MAX_MESSAGE_BYTES: usize = MAX_RESULT_BYTES + 4096;
/// Depth of a key's cell tree.
const KEY_DEPTH: u16 = 1;

/// A compressed point of G1.
pub type G1Bytes = [u8; 48];
/// A compressed point of G2.
pub type G2Bytes = [u8; 96];

/// Bytes that are no key or proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// Another length than a key with one public input has.
    #[error("a verifying key for one public input has {KEY_BYTES} bytes, this has {0}")]
    KeyLength(usize),
    /// Another number of points than one public input needs.
    #[error("the key takes {0} public inputs: a task's circuit has one, the binding")]
    InputCount(u64),
    /// Another length than a proof has.
    #[error("a proof has {PROOF_BYTES} bytes, this has {0}")]
    ProofLength(usize),
}

/// Length of a key with one public input, as arkworks writes it.
pub const KEY_BYTES: usize = 48 + 3 * 96 + 8 + 2 * 48;
/// Length of a proof, as arkworks writes it.
pub const PROOF_BYTES: usize = 48 + 96 + 48;

/// A verifying key for one public input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey {
    /// alpha.
    pub alpha: G1Bytes,
    /// beta.
    pub beta: G2Bytes,
    /// gamma.
    pub gamma: G2Bytes,
    /// delta.
    pub delta: G2Bytes,
    /// The statement's constant point, and the one that is multiplied by the binding.
    pub ic: [G1Bytes; 2],
}

impl VerifyingKey {
    /// Splits what arkworks' `serialize_compressed` wrote.
    ///
    /// # Errors
    /// [`BytesError`] for another length or number of inputs.
    pub fn from_ark_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut rest = Reader(bytes);
        let wrong = || BytesError::KeyLength(bytes.len());
        let (alpha, beta) = (rest.take().ok_or_else(wrong)?, rest.take().ok_or_else(wrong)?);
        let (gamma, delta) = (rest.take().ok_or_else(wrong)?, rest.take().ok_or_else(wrong)?);
        let count = u64::from_le_bytes(rest.take().ok_or_else(wrong)?);
        if count != 2 {
            return Err(BytesError::InputCount(count.saturating_sub(1)));
        }
        let ic = [rest.take().ok_or_else(wrong)?, rest.take().ok_or_else(wrong)?];
        if rest.0.is_empty() { Ok(Self { alpha, beta, gamma, delta, ic }) } else { Err(wrong()) }
    }

    /// The bytes arkworks' `deserialize_compressed` reads.
    #[must_use]
    pub fn to_ark_bytes(&self) -> Vec<u8> {
        let count = (self.ic.len() as u64).to_le_bytes();
        let [constant, binding] = &self.ic;
        [&self.alpha[..], &self.beta, &self.gamma, &self.delta, &count, constant, binding].concat()
    }

    /// The key as the contract reads it.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn to_cell(&self) -> Result<Cell, ContractError> {
        let ic = cells::build("InputPoints", |cell| {
            cell.store_raw(&self.ic[0], 384)?;
            cell.store_raw(&self.ic[1], 384)
        })?;
        let (beta, gamma, delta) = (g2(&self.beta)?, g2(&self.gamma)?, g2(&self.delta)?);
        cells::build("VerifyingKey", |cell| {
            cell.store_raw(&self.alpha, 384)?;
            cell.store_reference(ic)?;
            cell.store_reference(beta)?;
            cell.store_reference(gamma)?;
            cell.store_reference(delta)
        })
    }

    /// What names the key, and so the circuit, on chain: the hash of its cell.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn hash(&self) -> Result<Hash32, ContractError> {
        Ok(Hash32(self.to_cell()?.repr_hash().0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hash() {
            Ok(hash) => write!(f, "VerifyingKey({hash})"),
            Err(error) => write!(f, "VerifyingKey({error})"),
        }
    }
}

/// A proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// A.
    pub a: G1Bytes,
    /// B.
    pub b: G2Bytes,
    /// C.
    pub c: G1Bytes,
}

impl Proof {
    /// Splits what arkworks' `serialize_compressed` wrote.
    ///
    /// # Errors
    /// [`BytesError::ProofLength`].
    pub fn from_ark_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut rest = Reader(bytes);
        let wrong = || BytesError::ProofLength(bytes.len());
        let (a, b) = (rest.take().ok_or_else(wrong)?, rest.take().ok_or_else(wrong)?);
        let c = rest.take().ok_or_else(wrong)?;
        if rest.0.is_empty() { Ok(Self { a, b, c }) } else { Err(wrong()) }
    }

    /// The bytes arkworks' `deserialize_compressed` reads.
    #[must_use]
    pub fn to_ark_bytes(&self) -> Vec<u8> {
        [&self.a[..], &self.b, &self.c].concat()
    }

    fn to_cell(self) -> Result<Cell, ContractError> {
        let b = g2(&self.b)?;
        cells::build("Proof", |cell| {
            cell.store_raw(&self.a, 384)?;
            cell.store_raw(&self.c, 384)?;
            cell.store_reference(b)
        })
    }
}

/// What a task asks to be proven: a result for this input, by the circuit with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The input's commitment: SHA-256 of its bytes.
    pub input: Hash32,
    /// The circuit's key.
    pub key: VerifyingKey,
}

impl Statement {
    pub(crate) fn to_cell(self) -> Result<Cell, ContractError> {
        let key = self.key.to_cell()?;
        cells::build("Statement", |cell| {
            cell.put_hash(&self.input)?;
            cell.store_reference(key)
        })
    }

    /// What a task's terms hold of it.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn hash(&self) -> Result<Hash32, ContractError> {
        Ok(Hash32(self.to_cell()?.repr_hash().0))
    }
}

/// [`Statement::hash`] for who knows the key by its hash only.
#[must_use]
pub fn statement_hash(input: &Hash32, key: &Hash32) -> Hash32 {
    // A cell of 32 bytes with one reference, by its representation.
    let mut hash = Sha256::new();
    hash.update([1, 64]);
    hash.update(input.0);
    hash.update(KEY_DEPTH.to_be_bytes());
    hash.update(key.0);
    Hash32(hash.finalize().into())
}

/// Whose work on which task a proof is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// TON global id.
    pub network: i32,
    /// The `Task` contract.
    pub task: Address,
    /// The worker's `Stake` contract.
    pub stake: Address,
}

impl Context {
    /// The context as 32 bytes: what a circuit takes as given.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn hash(&self) -> Result<Hash32, ContractError> {
        let cell = cells::build("ProofContext", |cell| {
            cell.store_u32(CONTEXT)?;
            cell.store_u32(self.network.cast_unsigned())?;
            cell.put_address(&self.task)?;
            cell.put_address(&self.stake)
        })?;
        Ok(Hash32(cell.repr_hash().0))
    }
}

/// The one public input, as a big-endian number of 254 bits (below the group's order):
/// `SHA-256(context, input, result) >> 2`. `result` is [`result_hash`].
#[must_use]
pub fn binding(context: &Hash32, input: &Hash32, result: &Hash32) -> Hash32 {
    let mut hash = Sha256::new();
    hash.update(context.0);
    hash.update(input.0);
    hash.update(result.0);
    let digest: [u8; 32] = hash.finalize().into();
    let mut shifted = [0; 32];
    let mut carried = 0;
    for (to, from) in shifted.iter_mut().zip(digest) {
        *to = carried | (from >> 2);
        carried = from << 6;
    }
    Hash32(shifted)
}

/// A result as a cell: 127 bytes, then a reference to the rest. A circuit takes the hash of it:
/// for up to 127 bytes that is `SHA-256(0, 2 * length, bytes)`.
///
/// # Errors
/// [`ContractError::Build`] for more than [`MAX_RESULT_BYTES`].
pub fn result_cell(bytes: &[u8]) -> Result<Cell, ContractError> {
    const WHAT: &str = "result";
    if bytes.len() > MAX_RESULT_BYTES {
        let cause = format!("{} bytes, at most {MAX_RESULT_BYTES} are paid for", bytes.len());
        return Err(ContractError::Build { what: WHAT, cause });
    }
    let mut rest: Option<Cell> = None;
    for chunk in bytes.chunks(CELL_BYTES).rev() {
        rest = Some(cells::build(WHAT, |cell| {
            cell.store_raw(chunk, u16::try_from(chunk.len() * 8).unwrap_or(u16::MAX))?;
            rest.take().map_or(Ok(()), |rest| cell.store_reference(rest))
        })?);
    }
    Ok(rest.unwrap_or_default())
}

/// The bytes in a cell that [`result_cell`] made.
///
/// # Errors
/// [`ContractError::Layout`] for any other cell.
pub fn result_bytes(cell: &Cell) -> Result<Vec<u8>, ContractError> {
    let layout = |cause: &str| ContractError::Layout { what: "result", cause: cause.to_owned() };
    let mut bytes = Vec::new();
    let mut next = Some(cell.clone());
    while let Some(cell) = next {
        let mut slice = cell.as_slice().map_err(|error| layout(&error.to_string()))?;
        let bits = slice.size_bits();
        if bits % 8 != 0 || bytes.len() + usize::from(bits / 8) > MAX_RESULT_BYTES {
            return Err(layout("not whole bytes, or too many"));
        }
        let start = bytes.len();
        bytes.resize(start + usize::from(bits / 8), 0);
        slice.load_raw(&mut bytes[start..], bits).map_err(|error| layout(&error.to_string()))?;
        next = match slice.size_refs() {
            0 => None,
            1 => slice.load_reference_cloned().ok(),
            _ => return Err(layout("more than one reference")),
        };
    }
    if result_cell(&bytes)? == *cell { Ok(bytes) } else { Err(layout("laid out otherwise")) }
}

/// The hash of a result, as a proof binds it.
///
/// # Errors
/// [`ContractError::Build`] for more than [`MAX_RESULT_BYTES`].
pub fn result_hash(bytes: &[u8]) -> Result<Hash32, ContractError> {
    Ok(Hash32(result_cell(bytes)?.repr_hash().0))
}

/// What a `Prove` message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prove {
    /// The task's statement.
    pub statement: Statement,
    /// The proof.
    pub proof: Proof,
    /// The result, as a cell.
    pub result: Cell,
}

impl Prove {
    /// The message's body; anyone may send it.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn body(&self, query: u64) -> Result<Cell, ContractError> {
        let (statement, proof) = (self.statement.to_cell()?, self.proof.to_cell()?);
        cells::build("Prove", |cell| {
            cell.store_u32(crate::task::op::PROVE)?;
            cell.store_u64(query)?;
            cell.store_reference(statement)?;
            cell.store_reference(proof)?;
            cell.store_reference(self.result.clone())
        })
    }

    /// The message as bytes, without a query: what travels from worker to node.
    ///
    /// # Errors
    /// [`ContractError::Build`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ContractError> {
        Ok(Boc::encode(self.body(0)?))
    }

    /// Reads what [`Prove::to_bytes`] wrote; anything else is refused.
    ///
    /// # Errors
    /// [`ContractError::Layout`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContractError> {
        let layout = |cause: String| ContractError::Layout { what: "Prove", cause };
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(layout(format!("{} bytes", bytes.len())));
        }
        Self::parse(&Boc::decode(bytes).map_err(|error| layout(error.to_string()))?)
    }

    /// Reads a message's body.
    ///
    /// # Errors
    /// [`ContractError::Layout`] if it is no `Prove`.
    pub fn parse(body: &Cell) -> Result<Self, ContractError> {
        let (statement, proof, result) = cells::read("Prove", body, |slice| {
            if slice.load_u32()? != crate::task::op::PROVE {
                return Err(tycho_types::error::Error::InvalidTag);
            }
            slice.load_u64()?;
            let (statement, proof) =
                (slice.load_reference_cloned()?, slice.load_reference_cloned()?);
            Ok((statement, proof, slice.load_reference_cloned()?))
        })?;
        let (input, key) = cells::read("Statement", &statement, |slice| {
            Ok((cells::take_hash(slice)?, slice.load_reference_cloned()?))
        })?;
        Ok(Self {
            statement: Statement { input, key: parse_key(&key)? },
            proof: parse_proof(&proof)?,
            result,
        })
    }
}

fn parse_key(cell: &Cell) -> Result<VerifyingKey, ContractError> {
    let (alpha, [ic, beta, gamma, delta]) = cells::read("VerifyingKey", cell, |slice| {
        let mut next = || slice.load_reference_cloned();
        let references = [next()?, next()?, next()?, next()?];
        Ok((take_raw(slice)?, references))
    })?;
    let ic = cells::read("InputPoints", &ic, |slice| Ok([take_raw(slice)?, take_raw(slice)?]))?;
    let point = |cell: &Cell| cells::read("G2", cell, take_raw);
    Ok(VerifyingKey {
        alpha,
        beta: point(&beta)?,
        gamma: point(&gamma)?,
        delta: point(&delta)?,
        ic,
    })
}

fn parse_proof(cell: &Cell) -> Result<Proof, ContractError> {
    let (a, c, b) = cells::read("Proof", cell, |slice| {
        Ok((take_raw(slice)?, take_raw(slice)?, slice.load_reference_cloned()?))
    })?;
    Ok(Proof { a, b: cells::read("G2", &b, take_raw)?, c })
}

fn take_raw<const N: usize>(
    slice: &mut CellSlice<'_>,
) -> Result<[u8; N], tycho_types::error::Error> {
    let mut bytes = [0; N];
    let bits = u16::try_from(N * 8).unwrap_or(u16::MAX);
    slice.load_raw(&mut bytes, bits)?;
    Ok(bytes)
}

fn g2(point: &G2Bytes) -> Result<Cell, ContractError> {
    cells::build("G2", |cell: &mut CellBuilder| cell.store_raw(point, 768))
}

/// Takes arrays off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
}
