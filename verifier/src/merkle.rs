//! Merkle commitment of results: leaves are 4 KiB chunks of the output.
//!
//! Against second preimages leaves and nodes are hashed under different tags, and the root binds
//! how the program ended, the output's length and the number of leaves. An odd node is promoted,
//! never duplicated (CVE-2012-2459).

use fog_protocol::{GuestExit, Hash32, tagged_hash};
use sha2::block_api::compress256;

/// Bytes in a leaf.
pub const CHUNK_BYTES: usize = 4096;

const LEAF: &str = "fog/merkle/leaf/v1";
const NODE: &str = "fog/merkle/node/v1";
const ROOT: &str = "fog/merkle/root/v1";

/// A chunk of a result with the siblings that lead to its root.
#[derive(Debug, Clone, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Opening {
    /// Which chunk, from 0.
    pub index: u64,
    /// The chunk's bytes.
    pub chunk: Vec<u8>,
    /// Sibling hashes from the leaf upwards; levels where the node has no sibling are left out.
    pub path: Vec<Hash32>,
}

/// The root over `output` and the way its program ended.
#[must_use]
pub fn result_root(exit: GuestExit, output: &[u8]) -> Hash32 {
    root_of(exit, output.len() as u64, top(leaves(output)))
}

/// Opens chunk `index` of `output`; `None` beyond its end.
#[must_use]
pub fn open(output: &[u8], index: u64) -> Option<Opening> {
    let at = usize::try_from(index).ok()?;
    let chunk = output.chunks(CHUNK_BYTES).nth(at)?.to_vec();
    Some(Opening { index, chunk, path: path(leaves(output), at) })
}

/// Does `opening` belong to the result of `output_bytes` bytes with this root?
#[must_use]
pub fn opens(root: &Hash32, exit: GuestExit, output_bytes: u64, opening: &Opening) -> bool {
    let count = output_bytes.div_ceil(CHUNK_BYTES as u64);
    if opening.index >= count || opening.chunk.len() as u64 != chunk_len(output_bytes, opening) {
        return false;
    }
    let leaf = tagged_hash(LEAF, &[&opening.chunk]);
    climb(leaf, opening.index, count, &opening.path)
        .is_some_and(|top| root_of(exit, output_bytes, top) == *root)
}

/// The node over all leaves; nothing's is the zero hash.
pub(crate) fn top(mut level: Vec<Hash32>) -> Hash32 {
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The siblings that lead from the leaf at `position` upwards.
pub(crate) fn path(mut level: Vec<Hash32>, mut position: usize) -> Vec<Hash32> {
    let mut path = Vec::new();
    while level.len() > 1 {
        path.extend(level.get(position ^ 1).copied());
        level = parents(&level);
        position /= 2;
    }
    path
}

/// Where the siblings in `path` lead from leaf `position` of `count`; `None` if there are too few
/// or too many.
pub(crate) fn climb(
    leaf: Hash32,
    mut position: u64,
    count: u64,
    path: &[Hash32],
) -> Option<Hash32> {
    let (mut hash, mut width, mut path) = (leaf, count, path.iter());
    while width > 1 {
        if position ^ 1 < width {
            let sibling = path.next()?;
            let (left, right) =
                if position.is_multiple_of(2) { (&hash, sibling) } else { (sibling, &hash) };
            hash = parent(left, right);
        }
        position /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none().then_some(hash)
}

fn chunk_len(output_bytes: u64, opening: &Opening) -> u64 {
    (output_bytes - opening.index * CHUNK_BYTES as u64).min(CHUNK_BYTES as u64)
}

fn leaves(output: &[u8]) -> Vec<Hash32> {
    output.chunks(CHUNK_BYTES).map(|chunk| tagged_hash(LEAF, &[chunk])).collect()
}

fn parents(level: &[Hash32]) -> Vec<Hash32> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => parent(left, right),
            [single, ..] => *single,
            [] => Hash32::default(),
        })
        .collect()
}

/// What SHA-256 starts from (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// Where the two children lie in a node's padded message.
const LEFT: usize = 8 + NODE.len() + 8;
const RIGHT: usize = LEFT + 32 + 8;
const END: usize = RIGHT + 32;

/// A node's message with its children left out: tag and lengths, then SHA-256's padding.
const MESSAGE: [u8; 128] = {
    let mut message = [0; 128];
    let tag = NODE.as_bytes();
    message[0] = tag.len() as u8;
    let mut at = 0;
    while at < tag.len() {
        message[8 + at] = tag[at];
        at += 1;
    }
    message[LEFT - 8] = 32;
    message[RIGHT - 8] = 32;
    message[END] = 0x80;
    let bits = (END as u16 * 8).to_be_bytes();
    message[126] = bits[0];
    message[127] = bits[1];
    message
};

/// `tagged_hash(NODE, &[left, right])`, laid out in its two blocks at once: a proof's way up is
/// nothing else, and half its time went into copying.
fn parent(left: &Hash32, right: &Hash32) -> Hash32 {
    let mut message = MESSAGE;
    message[LEFT..LEFT + 32].copy_from_slice(&left.0);
    message[RIGHT..END].copy_from_slice(&right.0);
    let (blocks, _) = message.as_chunks::<64>();
    let mut state = INITIAL;
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Hash32(hash)
}

fn root_of(exit: GuestExit, output_bytes: u64, top: Hash32) -> Hash32 {
    let exit = borsh::to_vec(&exit).unwrap_or_default();
    let count = output_bytes.div_ceil(CHUNK_BYTES as u64);
    tagged_hash(ROOT, &[&exit, &output_bytes.to_le_bytes(), &count.to_le_bytes(), &top.0])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const OK: GuestExit = GuestExit::Success;

    fn output(chunks: usize, last: usize) -> Vec<u8> {
        (0..chunks * CHUNK_BYTES + last).map(|i| (i / 7) as u8).collect()
    }

    #[test]
    fn every_chunk_opens_at_every_width() {
        for chunks in 0..9 {
            for last in [0, 1, CHUNK_BYTES - 1] {
                let output = output(chunks, last);
                let root = result_root(OK, &output);
                let count = output.len().div_ceil(CHUNK_BYTES) as u64;
                for index in 0..count {
                    let opening = open(&output, index).unwrap();
                    assert!(opens(&root, OK, output.len() as u64, &opening));
                    assert!(!opens(&root, GuestExit::Trapped, output.len() as u64, &opening));
                    assert!(!opens(&root, OK, output.len() as u64 + 1, &opening));
                }
                assert!(open(&output, count).is_none());
            }
        }
    }

    #[test]
    fn a_duplicated_odd_leaf_is_another_root() {
        let three = output(3, 0);
        let mut four = three.clone();
        four.extend_from_slice(&three[2 * CHUNK_BYTES..]);
        assert_ne!(result_root(OK, &three), result_root(OK, &four));
    }

    #[test]
    fn an_inner_node_is_no_leaf() {
        let output = output(2, 0);
        let pair = leaves(&output);
        let inner = [pair[0].0, pair[1].0].concat();
        assert_ne!(result_root(OK, &output), result_root(OK, &inner));
    }

    proptest::proptest! {
        #[test]
        fn a_node_is_the_tagged_hash_of_its_children(left: [u8; 32], right: [u8; 32]) {
            proptest::prop_assert_eq!(
                parent(&Hash32(left), &Hash32(right)),
                tagged_hash(NODE, &[&left, &right])
            );
        }

        #[test]
        fn a_changed_opening_is_refused(
            size in 1usize..40_000, index: u64, flip: u16, extra: Option<[u8; 32]>,
        ) {
            let output: Vec<u8> = (0..size).map(|i| (i * 31) as u8).collect();
            let root = result_root(OK, &output);
            let index = index % size.div_ceil(CHUNK_BYTES) as u64;
            let mut opening = open(&output, index).unwrap();
            match extra {
                Some(hash) => opening.path.push(Hash32(hash)),
                None => {
                    let at = usize::from(flip) % opening.chunk.len();
                    opening.chunk[at] ^= 1;
                }
            }
            proptest::prop_assert!(!opens(&root, OK, size as u64, &opening));
        }
    }
}
