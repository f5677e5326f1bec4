//! A Merkle proof of one chunk, checked by us and by `rs_merkle`.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use fog_protocol::GuestExit;
use fog_verifier::merkle::{CHUNK_BYTES, open, opens, result_root};
use rs_merkle::{Hasher, MerkleTree, algorithms::Sha256};

use crate::meter::{Reading, in_turns};

const LEAVES: usize = 4096;

/// The last chunk is opened: it has one byte, so that the way up is what is measured.
pub(crate) fn measure() -> Result<Reading> {
    let output = (0..(LEAVES - 1) * CHUNK_BYTES + 1).map(|n| (n % 251) as u8).collect::<Vec<_>>();
    let (exit, bytes, last) = (GuestExit::Success, output.len() as u64, LEAVES - 1);
    let root = result_root(exit, &output);
    let opening = open(&output, last as u64).context("no such chunk")?;
    ensure!(opening.path.len() == 12, "{} siblings", opening.path.len());
    let ours = || {
        ensure!(opens(black_box(&root), exit, bytes, black_box(&opening)), "we refuse the proof");
        Ok(())
    };

    let leaves = output.chunks(CHUNK_BYTES).map(Sha256::hash).collect::<Vec<_>>();
    let tree = MerkleTree::<Sha256>::from_leaves(&leaves);
    let their_root = tree.root().context("no root")?;
    let proof = tree.proof(&[last]);
    let theirs = || {
        let leaf = Sha256::hash(black_box(&opening.chunk));
        ensure!(proof.verify(their_root, &[last], &[leaf], LEAVES), "rs_merkle refuses the proof");
        Ok(())
    };
    let (ours, theirs) = in_turns(60, 500, ours, theirs)?;
    Ok(Reading {
        ours: ours / 1e3,
        theirs: theirs / 1e3,
        unit: "us",
        against: "rs_merkle",
        goal: 0.35,
        note: format!("{LEAVES} leaves, 12 siblings"),
    })
}
