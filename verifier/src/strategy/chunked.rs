//! `merkle`: an input cut into chunks, each run by itself; the results are the leaves of a tree, and
//! the tree is what the worker commits to. Which chunks are run again is drawn from the audit
//! draw's two secrets and the commitment, so nobody knows it before.
//!
//! ```text
//! leaf   = H("fog/chunk/leaf/v1", index u64 | exit | fuel u64 | output)
//! root   = H("fog/chunk/root/v1", count u64 | fuel of all u64 | top of the tree)
//! sample = first 16 bytes of H("fog/chunk/sample/v1", seed | nonce | task | commitment | n u32),
//!          modulo count: drawn with replacement
//! ```
//!
//! Nodes are those of [`crate::merkle`]: another tag than leaves, an odd node promoted. A result of
//! which the share f is wrong passes with odds of (1 - f)^samples. Where there is no draw (a
//! newcomer, a flagged worker, a dispute, a nonce that was withheld) every chunk is run again.
//!
//! The result's file is the borsh of the list of chunk results; [`join`] makes the output of it.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Chunks, GuestExit, Hash32, Listing, Policy, TaskId, tagged_hash};
use serde::{Deserialize, Serialize};

use crate::{
    AuditBasis, Evidence, EvidenceError, Finding, Submission, VerifyError, Work,
    execute::{Execute, ExecuteError, Execution, Job},
    figures::AsTold,
    merkle,
};

/// What the program gave on one chunk.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChunkResult {
    /// How it ended.
    pub exit: GuestExit,
    /// Fuel it used.
    pub fuel_used: u64,
    /// What it put out; nothing unless it succeeded.
    pub output: Vec<u8>,
}

impl ChunkResult {
    /// Its leaf at place `index`.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Hash32 {
        let exit = borsh::to_vec(&self.exit).unwrap_or_default();
        let parts: [&[u8]; 4] =
            [&index.to_le_bytes(), &exit, &self.fuel_used.to_le_bytes(), &self.output];
        tagged_hash("fog/chunk/leaf/v1", &parts)
    }
}

/// The results of all chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    chunks: Vec<ChunkResult>,
}

impl Tree {
    fn leaves(&self) -> Vec<Hash32> {
        self.chunks.iter().zip(0..).map(|(chunk, index)| chunk.leaf(index)).collect()
    }

    fn fuel(&self) -> u64 {
        self.chunks.iter().fold(0, |sum: u64, chunk| sum.saturating_add(chunk.fuel_used))
    }

    fn top(&self) -> Hash32 {
        merkle::top(self.leaves())
    }

    /// The root a worker commits to.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        root(self.chunks.len() as u64, self.fuel(), self.top())
    }

    /// Everything a third party needs to see that chunk `index` belongs to the result.
    #[must_use]
    pub fn open(&self, index: u64) -> Option<ChunkProof> {
        let at = usize::try_from(index).ok()?;
        let result = self.chunks.get(at)?.clone();
        let (count, fuel) = (self.chunks.len() as u64, self.fuel());
        Some(ChunkProof { index, result, count, fuel, path: merkle::path(self.leaves(), at) })
    }
}

fn root(count: u64, fuel: u64, top: Hash32) -> Hash32 {
    tagged_hash("fog/chunk/root/v1", &[&count.to_le_bytes(), &fuel.to_le_bytes(), &top.0])
}

/// One chunk's result with the way to the root.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChunkProof {
    /// Which chunk, from 0.
    pub index: u64,
    /// What the program gave on it.
    pub result: ChunkResult,
    /// Chunks in all.
    pub count: u64,
    /// Fuel of all.
    pub fuel: u64,
    /// Siblings from the leaf upwards.
    pub path: Vec<Hash32>,
}

/// Longest path: 2^16 chunks.
const MAX_PATH: usize = 16;

impl ChunkProof {
    const MAGIC: &[u8; 8] = b"FOGCHNK\x01";

    /// The proof as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Self::MAGIC.to_vec();
        bytes.extend(borsh::to_vec(self).unwrap_or_default());
        bytes
    }

    /// Reads a file; `None` if it is no proof.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes.strip_prefix(Self::MAGIC)?).ok()
    }

    /// Does the chunk belong to the result with this root?
    #[must_use]
    pub fn belongs_to(&self, result_root: &Hash32) -> bool {
        if self.index >= self.count || self.path.len() > MAX_PATH {
            return false;
        }
        merkle::climb(self.result.leaf(self.index), self.index, self.count, &self.path)
            .is_some_and(|top| root(self.count, self.fuel, top) == *result_root)
    }

    /// Is it what the program gives? `None` without such a chunk.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub fn holds(
        &self,
        listing: &Listing,
        program: &[Vec<u8>],
        input: &[u8],
        execute: &dyn Execute,
    ) -> Result<Option<bool>, ExecuteError> {
        let Policy::Merkle { chunks, .. } = &listing.policy else { return Ok(None) };
        let nobody = fog_protocol::Address::basechain([0; 32]);
        let job = Job::new(listing, program, input, &nobody);
        let Some(chunk) = usize::try_from(self.index).ok().and_then(|at| {
            let all = chunks.of(input);
            (all.len() as u64 == self.count).then(|| all.get(at).copied()).flatten()
        }) else {
            return Ok(None);
        };
        let execute = &AsTold::by([self.result.exit], execute);
        Ok(Some(run(&job, chunks, self.index, chunk, execute)? == self.result))
    }
}

/// The tree of a result's file, if it is a list of chunk results.
#[must_use]
pub fn tree(output: &[u8]) -> Option<Tree> {
    Some(Tree { chunks: borsh::from_slice(output).ok()? })
}

/// The tree of a result's file, if it is sound and uses as much fuel as it says.
pub(crate) fn read(exit: GuestExit, output: &[u8], fuel_used: u64) -> Option<Tree> {
    let tree = tree(output)?;
    let silent = |chunk: &ChunkResult| chunk.exit == GuestExit::Success || chunk.output.is_empty();
    let sound = exit == GuestExit::Success
        && !tree.chunks.is_empty()
        && tree.chunks.iter().all(silent)
        && tree.fuel() == fuel_used;
    sound.then_some(tree)
}

/// How the program ended on each chunk, as a result's file tells it; nothing if it is not one.
pub(crate) fn ends(output: &[u8]) -> Vec<GuestExit> {
    let chunks = tree(output).map(|tree| tree.chunks).unwrap_or_default();
    chunks.iter().map(|chunk| chunk.exit).collect()
}

/// The results of all chunks as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// What a program that was run in one piece would have put out: the chunks' outputs one after the
    /// other.
    pub output: Vec<u8>,
    /// The chunks that did not succeed, with how they ended.
    pub failed: Vec<(u64, GuestExit)>,
}

/// Joins the results of all chunks. `None` if the file is not a list of chunk results.
#[must_use]
pub fn join(output: &[u8]) -> Option<Joined> {
    let Tree { chunks } = tree(output)?;
    let ends = chunks.iter().map(|chunk| chunk.exit).zip(0..);
    let failed = ends.filter(|(exit, _)| *exit != GuestExit::Success);
    let failed = failed.map(|(exit, index)| (index, exit)).collect();
    Some(Joined { output: chunks.into_iter().flat_map(|chunk| chunk.output).collect(), failed })
}

/// Runs every chunk.
pub(crate) fn produce(
    job: &Job<'_>,
    chunks: &Chunks,
    execute: &dyn Execute,
) -> Result<Execution, ExecuteError> {
    let tree = all(job, chunks, execute)?;
    let fuel_used = tree.fuel();
    let output = borsh::to_vec(&tree.chunks)
        .map_err(|_| ExecuteError::Sandbox("the chunks' results are too long".to_owned()))?;
    Ok(Execution { exit: GuestExit::Success, output, fuel_used })
}

fn all(job: &Job<'_>, chunks: &Chunks, execute: &dyn Execute) -> Result<Tree, ExecuteError> {
    let inputs = chunks.of(job.input).into_iter().zip(0..);
    let results = inputs.map(|(input, index)| run(job, chunks, index, input, execute));
    Ok(Tree { chunks: results.collect::<Result<_, _>>()? })
}

/// Runs chunk `index`: with its share of the limits, and a seed of its own.
fn run(
    job: &Job<'_>,
    chunks: &Chunks,
    index: u64,
    input: &[u8],
    execute: &dyn Execute,
) -> Result<ChunkResult, ExecuteError> {
    let one = Job {
        input,
        limits: chunks.limits(&job.limits, job.input.len() as u64),
        seed: tagged_hash("fog/chunk/seed/v1", &[&job.seed.0, &index.to_le_bytes()]),
        ..job.clone()
    };
    let Execution { exit, output, fuel_used } = execute.execute(&one)?;
    Ok(ChunkResult { exit, fuel_used, output })
}

/// A chunk that was run again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Opened {
    /// Which chunk.
    pub index: u64,
    /// The leaf in the worker's tree.
    pub claimed: Hash32,
    /// Its way to the root.
    pub path: Vec<Hash32>,
    /// The leaf of what came out here.
    pub found: Hash32,
}

/// Which chunks were run again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "which", rename_all = "snake_case")]
pub enum Looked {
    /// The drawn ones, up to the first that is wrong.
    Drawn {
        /// Each drawn chunk once, in the order in which they were drawn.
        opened: Vec<Opened>,
    },
    /// All of them.
    All {
        /// The top of the tree of what came out here.
        found: Hash32,
    },
}

/// What the chunks showed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Chunked {
    /// Chunks of the input.
    pub count: u64,
    /// The top of the worker's tree; `None` if its result is not one for each chunk.
    pub top: Option<Hash32>,
    /// What was run again.
    pub looked: Looked,
}

impl Chunked {
    pub(crate) fn accepts(&self) -> bool {
        match (&self.looked, self.top) {
            (_, None) => false,
            (Looked::Drawn { opened }, Some(_)) => {
                opened.iter().all(|one| one.claimed == one.found)
            }
            (Looked::All { found }, Some(top)) => *found == top,
        }
    }

    pub(crate) fn reason(&self) -> String {
        let count = self.count;
        match (&self.looked, self.top) {
            (_, None) => format!("the result is not one for each of the {count} chunks"),
            (Looked::All { .. }, Some(_)) if self.accepts() => {
                format!("all {count} chunks run again, all equal")
            }
            (Looked::All { .. }, Some(_)) => format!("all {count} chunks run again, not all equal"),
            (Looked::Drawn { opened }, Some(_)) => {
                let wrong = opened.iter().find(|one| one.claimed != one.found);
                let drawn = opened.len();
                wrong.map_or_else(
                    || format!("{drawn} of {count} chunks drawn and run again, all equal"),
                    |one| format!("chunk {} of {count}, drawn and run again, differs", one.index),
                )
            }
        }
    }

    pub(crate) fn check(&self, policy: &Policy, evidence: &Evidence) -> Result<(), EvidenceError> {
        let Policy::Merkle { samples, .. } = policy else {
            return Err(EvidenceError::Policy);
        };
        let Some(top) = self.top else { return Ok(()) };
        if root(self.count, evidence.fuel_used, top) != evidence.result_root {
            return Err(EvidenceError::Policy);
        }
        let drawn =
            drawn(&evidence.basis, &evidence.task, &evidence.commitment, *samples, self.count);
        match (&self.looked, drawn) {
            (Looked::All { .. }, None) => Ok(()),
            (Looked::Drawn { opened }, Some(drawn)) => {
                let complete = opened.len() == drawn.len() || !self.accepts();
                let right = opened.iter().zip(&drawn).all(|(one, index)| {
                    let top = merkle::climb(one.claimed, one.index, self.count, &one.path);
                    one.index == *index && top == self.top
                });
                let surplus = opened.len() > drawn.len();
                if complete && right && !surplus { Ok(()) } else { Err(EvidenceError::Draw) }
            }
            (Looked::All { .. }, Some(_)) | (Looked::Drawn { .. }, None) => {
                Err(EvidenceError::Draw)
            }
        }
    }
}

/// The chunks drawn, each once; `None` if all are to be looked at.
fn drawn(
    basis: &AuditBasis,
    task: &TaskId,
    commitment: &Hash32,
    samples: u16,
    count: u64,
) -> Option<Vec<u64>> {
    let AuditBasis::Drawn { seed, nonce } = basis else { return None };
    if u64::from(samples) >= count {
        return None;
    }
    let mut drawn = Vec::new();
    for number in 0..u32::from(samples) {
        let parts: [&[u8]; 5] =
            [&seed.0, &nonce.0, &task.0.0, &commitment.0, &number.to_le_bytes()];
        let hash = tagged_hash("fog/chunk/sample/v1", &parts);
        let mut first = [0; 16];
        first.copy_from_slice(&hash.0[..16]);
        let index = (u128::from_be_bytes(first) % u128::from(count)) as u64;
        if !drawn.contains(&index) {
            drawn.push(index);
        }
    }
    Some(drawn)
}

/// Looks at a submission.
pub(crate) fn find(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    let Policy::Merkle { chunks, samples, .. } = &work.listing.policy else {
        return Err(VerifyError::WrongWork("another policy"));
    };
    let inputs = chunks.of(work.input);
    let count = inputs.len() as u64;
    let claim = submission.claim();
    let claimed = read(claim.exit, submission.output(), claim.fuel_used)
        .filter(|tree| tree.chunks.len() as u64 == count);
    let Some(tree) = claimed else {
        let looked = Looked::Drawn { opened: Vec::new() };
        return Ok(Finding::Chunked(Chunked { count, top: None, looked }));
    };
    let top = Some(tree.top());
    let job = Job::new(work.listing, work.program, work.input, &submission.worker());
    let (task, commitment) = (submission.task(), submission.commitment());
    let looked = match drawn(&work.basis, &task, &commitment, *samples, count) {
        None => {
            let first = self::all(&job, chunks, execute)?;
            // What is called wrong is run twice.
            if first != tree && self::all(&job, chunks, execute)? != first {
                return Err(VerifyError::NotDeterministic);
            }
            Looked::All { found: first.top() }
        }
        Some(drawn) => {
            let mut opened = Vec::new();
            let leaves = tree.leaves();
            for index in drawn {
                let at = usize::try_from(index).unwrap_or(usize::MAX);
                let (Some(input), Some(claimed)) = (inputs.get(at), leaves.get(at)) else {
                    return Err(VerifyError::WrongWork("a draw beyond the input"));
                };
                let first = run(&job, chunks, index, input, execute)?;
                let (claimed, found) = (*claimed, first.leaf(index));
                if found != claimed && run(&job, chunks, index, input, execute)? != first {
                    return Err(VerifyError::NotDeterministic);
                }
                opened.push(Opened {
                    index,
                    claimed,
                    path: merkle::path(leaves.clone(), at),
                    found,
                });
                if found != claimed {
                    break;
                }
            }
            Looked::Drawn { opened }
        }
    };
    Ok(Finding::Chunked(Chunked { count, top, looked }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grown(count: u64) -> Tree {
        let chunk = |index: u64| ChunkResult {
            exit: if index % 5 == 4 { GuestExit::Trapped } else { GuestExit::Success },
            fuel_used: 100 + index,
            output: if index % 5 == 4 { vec![] } else { vec![index as u8; index as usize % 7] },
        };
        Tree { chunks: (0..count).map(chunk).collect() }
    }

    #[test]
    fn every_chunk_belongs_to_its_result_and_to_no_other() {
        for count in 1..20 {
            let tree = grown(count);
            let root = tree.root();
            let output = borsh::to_vec(&tree.chunks).unwrap();
            assert_eq!(read(GuestExit::Success, &output, tree.fuel()), Some(tree.clone()));
            assert_eq!(read(GuestExit::Success, &output, tree.fuel() + 1), None);
            assert_eq!(read(GuestExit::Trapped, &output, tree.fuel()), None);
            for index in 0..count {
                let proof = tree.open(index).unwrap();
                assert!(proof.belongs_to(&root));
                assert_eq!(ChunkProof::from_bytes(&proof.to_bytes()), Some(proof.clone()));
                let mut other = proof.clone();
                other.index = (index + 1) % count;
                assert!(count == 1 || !other.belongs_to(&root));
                for change in [
                    |proof: &mut ChunkProof| proof.result.output.push(1),
                    |proof: &mut ChunkProof| proof.result.fuel_used += 1,
                    |proof: &mut ChunkProof| proof.count += 1,
                    |proof: &mut ChunkProof| proof.fuel += 1,
                    |proof: &mut ChunkProof| proof.path.push(Hash32::default()),
                ] {
                    let mut forged = proof.clone();
                    change(&mut forged);
                    assert!(!forged.belongs_to(&root), "{forged:?}");
                }
            }
            assert!(tree.open(count).is_none());
        }
    }

    #[test]
    fn outputs_are_joined_and_failures_named() {
        let (tree, output) = (grown(6), borsh::to_vec(&grown(6).chunks).unwrap());
        let Joined { output: joined, failed } = join(&output).unwrap();
        assert_eq!(joined.len(), tree.chunks.iter().map(|chunk| chunk.output.len()).sum::<usize>());
        assert_eq!(failed, [(4, GuestExit::Trapped)]);
    }

    /// The odds in the receipt: 1 - (1 - f)^samples.
    #[test]
    fn the_draw_finds_wrong_chunks_as_often_as_the_formula_says() {
        let (count, samples, draws) = (1000u64, 20u16, 20_000u32);
        for wrong in [10u64, 50, 100] {
            let found = (0..draws)
                .filter(|number| {
                    let seed = Hash32::of(&number.to_le_bytes());
                    let basis = AuditBasis::Drawn { seed, nonce: Hash32([7; 32]) };
                    let task = TaskId(Hash32([3; 32]));
                    let drawn = drawn(&basis, &task, &Hash32([4; 32]), samples, count).unwrap();
                    drawn.iter().any(|index| *index < wrong)
                })
                .count() as f64;
            let odds = 1.0 - (1.0 - wrong as f64 / count as f64).powi(i32::from(samples));
            let spread = (f64::from(draws) * odds * (1.0 - odds)).sqrt();
            let expected = f64::from(draws) * odds;
            assert!((found - expected).abs() < 5.0 * spread, "{wrong}: {found} for {expected}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(GuestExit::Success, &bytes, 0);
            let _ = join(&bytes);
            let _ = ChunkProof::from_bytes(&bytes);
            let marked = [ChunkProof::MAGIC.as_slice(), &bytes].concat();
            if let Some(proof) = ChunkProof::from_bytes(&marked) {
                prop_assert_eq!(proof.to_bytes(), marked);
                let _ = proof.belongs_to(&Hash32::default());
            }
        }
    }
}
