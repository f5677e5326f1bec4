//! The file: named parts, each with its hash, so that damage can be located.

use std::{fmt, ops::Range};

use fog_protocol::Hash32;

use crate::BundleError;

/// The first bytes of every bundle; the format's version follows.
const MAGIC: &[u8; 7] = b"FOGEVID";
/// Versions that are known, and what each may hold.
pub(crate) const VERSIONS: [u8; 3] = [1, STRATEGIES, EPOCHS];
/// Bundles of tasks whose policy the first version does not know.
pub(crate) const STRATEGIES: u8 = 2;
/// Bundles of tasks whose listing names the epoch of its draw.
pub(crate) const EPOCHS: u8 = 3;
/// Kind, length, hash.
const ENTRY: usize = 1 + 4 + 32;
/// Longest bundle: programs, input and output of the longest task, and room.
pub(crate) const MAX_BYTES: usize = 512 << 20;

/// A part of a bundle, in the order in which they stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Part {
    /// The listing.
    Listing = 1,
    /// What the market told the task: its rules.
    Opened = 2,
    /// The assignment, with the worker's consent.
    Assign = 3,
    /// What the stake told the task: the worker's session key.
    Reserved = 4,
    /// The worker's signed commitment.
    Commit = 5,
    /// The verdict, signed by the verifiers.
    Verdict = 6,
    /// What the verdict rests on.
    Evidence = 7,
    /// The program's first file: a module, or a proving key.
    Program = 8,
    /// The program's second file: a witness calculator.
    Witness = 9,
    /// The input.
    Input = 10,
    /// The policy's file: a verification key, or an evaluator.
    Key = 11,
    /// The result.
    Output = 12,
    /// The epoch that the listing names, signed by its node.
    Epoch = 13,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Listing,
        Self::Opened,
        Self::Assign,
        Self::Reserved,
        Self::Commit,
        Self::Verdict,
        Self::Evidence,
        Self::Program,
        Self::Witness,
        Self::Input,
        Self::Key,
        Self::Output,
        Self::Epoch,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|part| *part as u8 == number)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Opened => "opened",
            Self::Assign => "assign",
            Self::Reserved => "reserved",
            Self::Commit => "commit",
            Self::Verdict => "verdict",
            Self::Evidence => "evidence",
            Self::Program => "program",
            Self::Witness => "witness",
            Self::Input => "input",
            Self::Key => "key",
            Self::Output => "output",
            Self::Epoch => "epoch",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Writes parts, which must be in order.
pub(crate) fn encode(version: u8, parts: &[(Part, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &[version]].concat();
    // There are thirteen kinds of part.
    bytes.push(u8::try_from(parts.len()).unwrap_or(u8::MAX));
    for (part, body) in parts {
        bytes.push(*part as u8);
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&Hash32::of(body).0);
    }
    let head = Hash32::of(&bytes);
    bytes.extend_from_slice(&head.0);
    parts.iter().for_each(|(_, body)| bytes.extend_from_slice(body));
    bytes
}

/// Parts with their bodies.
pub(crate) type Parts<'a> = Vec<(Part, &'a [u8])>;

/// The version and the parts of a bundle; every byte of it has been hashed.
pub(crate) fn decode(bytes: &[u8]) -> Result<(u8, Parts<'_>), BundleError> {
    if bytes.len() > MAX_BYTES {
        return Err(BundleError::TooLong { given: bytes.len(), allowed: MAX_BYTES });
    }
    let (magic, rest) = bytes.split_first_chunk::<7>().ok_or(BundleError::NotABundle)?;
    let (version, rest) = rest.split_first().ok_or(BundleError::NotABundle)?;
    if magic != MAGIC {
        return Err(BundleError::NotABundle);
    }
    if !VERSIONS.contains(version) {
        return Err(BundleError::Version(*version));
    }
    let count = usize::from(*rest.first().ok_or(BundleError::Cut("head"))?);
    let entries = 9..9 + count * ENTRY;
    let head = entries.end..entries.end + 32;
    let table = take(bytes, &entries, "head")?;
    if Hash32::of(take(bytes, &(0..entries.end), "head")?).0 != *take(bytes, &head, "head")? {
        return Err(BundleError::Head);
    }
    let mut parts: Parts<'_> = Vec::with_capacity(count);
    let mut at = head.end;
    for entry in table.chunks_exact(ENTRY) {
        let (&[kind], entry) = entry.split_first_chunk::<1>().ok_or(BundleError::Cut("head"))?;
        let part = Part::from_number(kind).ok_or(BundleError::UnknownPart(kind))?;
        let (length, hash) = entry.split_first_chunk::<4>().ok_or(BundleError::Cut("head"))?;
        if parts.last().is_some_and(|(before, _)| *before >= part) {
            return Err(BundleError::Order(part));
        }
        let end = at + u32::from_le_bytes(*length) as usize;
        let body = take(bytes, &(at..end), part.name())?;
        if Hash32::of(body).0 != *hash {
            return Err(BundleError::Damaged(part));
        }
        parts.push((part, body));
        at = end;
    }
    if at == bytes.len() {
        Ok((*version, parts))
    } else {
        Err(BundleError::Surplus(bytes.len() - at))
    }
}

fn take<'a>(
    bytes: &'a [u8],
    range: &Range<usize>,
    what: &'static str,
) -> Result<&'a [u8], BundleError> {
    bytes.get(range.clone()).ok_or(BundleError::Cut(what))
}
