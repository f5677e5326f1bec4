//! Terms of the verification strategies that look at more than equality.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    BlobRef, Decimal, Hash32, ListingError, Policy, Program, RATE_ONE, ResourceLimits, TaskId,
    tagged_hash,
};

/// Fields a statistical result may have.
pub const MAX_FIELDS: usize = 16;
/// Chunks an input may be cut into.
pub const MAX_CHUNKS: u64 = 1 << 16;
/// Bytes that a chunk's result takes besides its output.
pub const CHUNK_OVERHEAD: u64 = 24;
/// The first look at a Monte Carlo field, in thousandths of a standard deviation.
const DEVIATIONS: (u32, u32) = (1_000, 5_600);
/// A tenth.
const MAX_RELATIVE: u32 = 100_000;

/// Which of two numbers of an objective is the better one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The smaller one.
    Minimise,
    /// The larger one.
    Maximise,
}

impl Direction {
    /// Is `value` better than `than`? Equal is not better.
    #[must_use]
    pub fn beats(self, value: Decimal, than: Decimal) -> bool {
        match self {
            Self::Minimise => value < than,
            Self::Maximise => value > than,
        }
    }
}

/// How far one number of a result may be from what a re-run gives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// By so much.
    Absolute {
        /// The distance, inclusive.
        by: Decimal,
    },
    /// By so many millionths of the re-run's number.
    Relative {
        /// Parts per million, inclusive.
        ppm: u32,
    },
    /// A Monte Carlo estimate.
    Deviations {
        /// Standard deviation of one run's number.
        sigma: Decimal,
        /// How many standard deviations of a difference pass at the first look, in thousandths.
        milli: u32,
    },
}

impl Bound {
    fn check(&self) -> Result<(), ListingError> {
        let fits = match self {
            Self::Absolute { by } => by.units() >= 0,
            Self::Relative { ppm } => *ppm <= MAX_RELATIVE,
            Self::Deviations { sigma, milli } => {
                sigma.units() > 0 && (DEVIATIONS.0..=DEVIATIONS.1).contains(milli)
            }
        };
        if fits {
            return Ok(());
        }
        Err(ListingError::Strategy(
            "statistical",
            "a bound is an absolute distance from 0 on, at most 100,000 ppm, or 1 to 5.6 deviations \
             of a sigma above 0",
        ))
    }
}

/// Where an input may be cut.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// After any byte.
    Bytes,
    /// After a line feed: a chunk goes on to the end of its last line.
    Lines,
}

/// How an input is cut into chunks, each run by itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Chunks {
    /// Bytes in a chunk; the last one may be shorter, one cut at lines longer.
    pub bytes: u32,
    /// Where it is cut.
    pub cut: Cut,
}

impl Chunks {
    /// The most chunks an input of so many bytes has.
    #[must_use]
    pub const fn most(&self, input_bytes: u64) -> u64 {
        match (self.bytes, input_bytes) {
            (0, _) | (_, 0) => 1,
            (bytes, input) => input.div_ceil(bytes as u64),
        }
    }

    /// The chunks of `input`, in order; an empty input is one empty chunk.
    #[must_use]
    pub fn of<'a>(&self, input: &'a [u8]) -> Vec<&'a [u8]> {
        let bytes = (self.bytes as usize).max(1);
        let (mut chunks, mut rest) = (Vec::new(), input);
        while rest.len() > bytes {
            let at = match self.cut {
                Cut::Bytes => bytes,
                Cut::Lines => {
                    let end = rest[bytes - 1..].iter().position(|byte| *byte == b'\n');
                    end.map_or(rest.len(), |end| bytes + end)
                }
            };
            let (chunk, after) = rest.split_at(at);
            chunks.push(chunk);
            rest = after;
        }
        if !rest.is_empty() || chunks.is_empty() {
            chunks.push(rest);
        }
        chunks
    }

    /// What one chunk's run may use: an equal share of what the listing allows for all.
    #[must_use]
    pub const fn limits(&self, limits: &ResourceLimits, input_bytes: u64) -> ResourceLimits {
        let most = self.most(input_bytes);
        ResourceLimits {
            fuel: limits.fuel / most,
            output_bytes: (limits.output_bytes / most).saturating_sub(CHUNK_OVERHEAD),
            ..*limits
        }
    }
}

/// Bytes before the input of a copy that its program does not get.
pub const BLIND_BYTES: usize = 32;
/// Copies a task may have.
const COPIES: (u8, u8) = (2, 7);

/// The copies of a `redundant` task, as the requestor tells them to its node once all are posted.
/// Nobody else can say which listings belong together: each commits to another hash of the secret.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the listings commit to.
    pub secret: Hash32,
    /// The copies, in their order.
    pub tasks: Vec<TaskId>,
}

impl Group {
    /// What the listing of copy `index` says of the group.
    #[must_use]
    pub fn sibling(secret: &Hash32, index: u8) -> Hash32 {
        tagged_hash("fog/sibling/v1", &[&secret.0, &[index]])
    }
}

/// Checks the terms of a policy of a program in the sandbox.
pub(crate) fn check(
    policy: &Policy,
    program: &Program,
    input: &BlobRef,
    limits: &ResourceLimits,
) -> Result<(), ListingError> {
    let Program::Wasi { .. } = program else {
        return Err(ListingError::Mismatch {
            policy: policy.name(),
            cure: "post a WASI command (`--module`)",
        });
    };
    let rate = policy.rate_ppm();
    if !(1..=RATE_ONE).contains(&rate) {
        return Err(ListingError::OutOfBounds {
            field: "policy.rate_ppm",
            given: u64::from(rate),
            min: 1,
            max: u64::from(RATE_ONE),
        });
    }
    match policy {
        Policy::Statistical { bounds, .. } => {
            if !(1..=MAX_FIELDS).contains(&bounds.len()) {
                return Err(ListingError::Strategy("statistical", "needs 1 to 16 bounds"));
            }
            bounds.iter().try_for_each(Bound::check)
        }
        Policy::Merkle { samples, chunks, .. } => {
            if *samples == 0 {
                return Err(ListingError::Strategy("merkle", "needs at least one sample"));
            }
            if chunks.bytes == 0 || chunks.most(input.bytes) > MAX_CHUNKS {
                return Err(ListingError::Strategy(
                    "merkle",
                    "cuts the input into more than 65,536 chunks: make them longer",
                ));
            }
            let each = chunks.limits(limits, input.bytes);
            if each.fuel == 0 || each.output_bytes == 0 {
                return Err(ListingError::Strategy(
                    "merkle",
                    "shares fuel and output among its chunks: more of both, or fewer chunks",
                ));
            }
            Ok(())
        }
        Policy::Redundant { copies, .. } | Policy::Copies { copies, .. } => {
            let fits = (COPIES.0..=COPIES.1).contains(copies) && input.bytes >= BLIND_BYTES as u64;
            let why = "takes 2 to 7 copies, whose inputs begin with 32 bytes that blind them";
            if fits { Ok(()) } else { Err(ListingError::Strategy("redundant", why)) }
        }
        Policy::Improves { .. }
        | Policy::Replay { .. }
        | Policy::Groth16 { .. }
        | Policy::Proof { .. }
        | Policy::Receipt { .. } => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_are_the_input(
            input in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 0..200),
            bytes in 1u32..40,
            lines: bool,
        ) {
            let cut = if lines { Cut::Lines } else { Cut::Bytes };
            let chunks = Chunks { bytes, cut };
            let all = chunks.of(&input);
            prop_assert_eq!(all.concat(), input.clone());
            prop_assert!(all.len() as u64 <= chunks.most(input.len() as u64).max(1));
            let (last, before) = all.split_last().unwrap();
            prop_assert!(!last.is_empty() || input.is_empty());
            for chunk in before {
                prop_assert!(chunk.len() >= bytes as usize);
                if lines {
                    prop_assert_eq!(chunk.last(), Some(&b'\n'));
                }
            }
        }
    }

    #[test]
    fn equal_is_not_better() {
        let [one, two] = [1, 2].map(|n| Decimal::from_units(n).unwrap_or_default());
        assert!(Direction::Minimise.beats(one, two) && !Direction::Minimise.beats(two, one));
        assert!(Direction::Maximise.beats(two, one) && !Direction::Maximise.beats(one, one));
    }
}
