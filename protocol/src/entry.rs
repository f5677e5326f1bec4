//! What a voucher pays for: entries in an append-only Merkle tree.
//!
//! The tree grows on its right side only, so that each of its roots commits to all entries before
//! it, and appending needs one hash a level. Leaves, nodes and the root are hashed under different
//! tags, the root binds the number of entries and their sum, and an odd node is promoted, never
//! duplicated (CVE-2012-2459). Its shape is that of RFC 6962.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Address, Hash32, Nano, TaskId, tagged_hash};

const LEAF: &str = "fog/entry/leaf/v1";
const NODE: &str = "fog/entry/node/v1";
const ROOT: &str = "fog/entry/root/v1";

/// How a task on the account rail was judged.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum EntryVerdict {
    /// Accepted, and paid with `amount`.
    Accepted,
    /// Rejected: the amount is zero, the evidence tells why.
    Rejected,
}

/// One task of the account rail, as it is settled.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The task.
    pub task: TaskId,
    /// Wallet of the worker.
    pub worker: Address,
    /// What is owed for it, in nanogram.
    pub amount: Nano,
    /// How it was judged.
    pub verdict: EntryVerdict,
    /// Hash of the evidence.
    pub evidence: Hash32,
}

impl Entry {
    /// Its leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        tagged_hash(LEAF, &[&borsh::to_vec(self).unwrap_or_default()])
    }
}

/// Why an entry is not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The sum would pass what money can be.
    #[error("the entries' sum is beyond 2^64 nanogram")]
    Overflow,
    /// One task, one entry.
    #[error("task {0} is entered already")]
    Twice(TaskId),
    /// A rejected task is paid nothing.
    #[error("a rejected task has an amount")]
    PaidRejection,
}

/// All entries of a channel, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryTree {
    entries: Vec<Entry>,
    leaves: Vec<Hash32>,
    places: BTreeMap<TaskId, u64>,
    /// Roots of the perfect trees the leaves fall into, the widest first.
    peaks: Vec<Hash32>,
    total: Nano,
}

impl EntryTree {
    /// The tree of these entries.
    ///
    /// # Errors
    /// [`EntryError`] of the first that cannot follow those before it.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Result<Self, EntryError> {
        let mut tree = Self::default();
        for entry in entries {
            tree.append(entry)?;
        }
        Ok(tree)
    }

    /// Adds an entry at the end.
    ///
    /// # Errors
    /// [`EntryError`]; the tree is as before then.
    pub fn append(&mut self, entry: Entry) -> Result<(), EntryError> {
        if entry.verdict == EntryVerdict::Rejected && entry.amount > Nano::ZERO {
            return Err(EntryError::PaidRejection);
        }
        if self.places.contains_key(&entry.task) {
            return Err(EntryError::Twice(entry.task));
        }
        self.total = self.total.checked_add(entry.amount).ok_or(EntryError::Overflow)?;
        self.places.insert(entry.task, self.len());
        let mut hash = entry.leaf();
        let mut full = self.len();
        self.entries.push(entry);
        self.leaves.push(hash);
        // As in adding one to a binary number: each full tree on the right is carried over.
        while full % 2 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = parent(&left, &hash);
            }
            full /= 2;
        }
        self.peaks.push(hash);
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Their sum.
    #[must_use]
    pub const fn total(&self) -> Nano {
        self.total
    }

    /// Is `task` among them?
    #[must_use]
    pub fn contains(&self, task: &TaskId) -> bool {
        self.places.contains_key(task)
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The Merkle root, as a voucher carries it.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let top = self.peaks.iter().rev().copied().reduce(|right, left| parent(&left, &right));
        root_of(self.len(), self.total, &top.unwrap_or_default())
    }

    /// The proof that `task` is among the entries; `None` if it is not.
    #[must_use]
    pub fn open(&self, task: &TaskId) -> Option<EntryProof> {
        let index = *self.places.get(task)?;
        let mut position = usize::try_from(index).ok()?;
        let entry = *self.entries.get(position)?;
        let mut level = self.leaves.clone();
        let mut path = Vec::new();
        while level.len() > 1 {
            path.extend(level.get(position ^ 1).copied());
            level = level.chunks(2).map(pair).collect();
            position /= 2;
        }
        Some(EntryProof { entry, index, count: self.len(), total: self.total, path })
    }
}

fn pair(of: &[Hash32]) -> Hash32 {
    match of {
        [left, right] => parent(left, right),
        [single, ..] => *single,
        [] => Hash32::default(),
    }
}

fn parent(left: &Hash32, right: &Hash32) -> Hash32 {
    tagged_hash(NODE, &[&left.0, &right.0])
}

fn root_of(count: u64, total: Nano, top: &Hash32) -> Hash32 {
    tagged_hash(ROOT, &[&count.to_le_bytes(), &total.get().to_le_bytes(), &top.0])
}

/// An entry with the siblings that lead to a voucher's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryProof {
    /// The entry.
    pub entry: Entry,
    /// Which one it is, from 0.
    pub index: u64,
    /// Number of entries under the root.
    pub count: u64,
    /// Their sum in nanogram: the voucher's total.
    pub total: Nano,
    /// Sibling hashes from the leaf upwards; levels without a sibling are left out.
    pub path: Vec<Hash32>,
}

impl EntryProof {
    /// Does the entry belong to the voucher with this root?
    #[must_use]
    pub fn opens(&self, root: &Hash32) -> bool {
        if self.index >= self.count {
            return false;
        }
        let mut hash = self.entry.leaf();
        let (mut position, mut width) = (self.index, self.count);
        let mut path = self.path.iter();
        while width > 1 {
            if position ^ 1 < width {
                let Some(sibling) = path.next() else { return false };
                let odd = position % 2 == 1;
                hash = if odd { parent(sibling, &hash) } else { parent(&hash, sibling) };
            }
            position /= 2;
            width = width.div_ceil(2);
        }
        path.next().is_none() && root_of(self.count, self.total, &hash) == *root
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            task: TaskId(tagged_hash("test", &[&number.to_le_bytes()])),
            worker: Address::basechain([7; 32]),
            amount: Nano::new(number % 5),
            verdict: if number.is_multiple_of(5) {
                EntryVerdict::Rejected
            } else {
                EntryVerdict::Accepted
            },
            evidence: Hash32([3; 32]),
        }
    }

    fn tree(count: u64) -> EntryTree {
        EntryTree::of((0..count).map(entry)).unwrap()
    }

    #[test]
    fn every_entry_opens_at_every_width_and_nowhere_else() {
        let roots: Vec<_> = (0..34).map(|count| tree(count).root()).collect();
        for count in 0..34 {
            let tree = tree(count);
            assert_eq!(tree.total(), tree.entries().iter().map(|entry| entry.amount).sum());
            for index in 0..count {
                let proof = tree.open(&entry(index).task).unwrap();
                for (width, root) in roots.iter().enumerate() {
                    assert_eq!(proof.opens(root), width as u64 == count, "{index} of {count}");
                }
            }
            assert!(tree.open(&entry(count).task).is_none());
        }
    }

    #[test]
    fn an_inner_node_is_no_leaf_and_an_odd_leaf_is_not_doubled() {
        let three = tree(3);
        let mut doubled = three.leaves.clone();
        doubled.push(doubled[2]);
        let top = parent(&pair(&doubled[..2]), &pair(&doubled[2..]));
        assert_ne!(three.root(), root_of(4, three.total, &top));
        assert_ne!(three.root(), root_of(3, three.total, &top));
        let proof = three.open(&entry(2).task).unwrap();
        assert_eq!(proof.path, [pair(&doubled[..2])], "promoted");
        for lie in [0, 1, 4, 1 << 40, u64::MAX] {
            assert!(!EntryProof { count: lie, ..proof.clone() }.opens(&three.root()));
            assert!(!EntryProof { index: lie, ..proof.clone() }.opens(&three.root()));
        }
    }

    #[test]
    fn refused_entries_leave_the_tree_alone() {
        let mut tree = tree(7);
        let before = tree.clone();
        assert_eq!(tree.append(entry(3)), Err(EntryError::Twice(entry(3).task)));
        let most = Entry { amount: Nano::new(u64::MAX), ..entry(8) };
        assert_eq!(tree.append(most), Err(EntryError::Overflow));
        let paid = Entry { amount: Nano::new(1), ..entry(10) };
        assert_eq!(tree.append(paid), Err(EntryError::PaidRejection));
        assert_eq!(tree, before);
    }

    /// From RFC 6962's recursion (split at the largest power of two), written in another language.
    #[test]
    fn known_roots() {
        let roots = [0, 1, 5].map(|count| tree(count).root().to_string()[..16].to_owned());
        assert_eq!(roots, ["8e1d98a364e1b01f", "d9209a7122cb9a87", "c8909f55f1b7b354"]);
    }

    proptest! {
        #[test]
        fn a_changed_proof_is_refused(
            count in 1u64..200, index: u64, field in 0u8..7, bit in 0usize..64,
        ) {
            let tree = tree(count);
            let proof = tree.open(&entry(index % count).task).unwrap();
            prop_assert!(proof.opens(&tree.root()));
            let mut bent = proof.clone();
            let at = bit % 8;
            match field {
                0 => bent.entry.task.0.0[bit % 32] ^= 1 << at,
                1 => bent.entry.worker.hash.0[bit % 32] ^= 1 << at,
                2 => bent.entry.amount = Nano::new(bent.entry.amount.get() ^ (1 << bit)),
                3 => bent.entry.evidence.0[bit % 32] ^= 1 << at,
                4 => bent.total = Nano::new(bent.total.get() ^ (1 << bit)),
                5 => bent.path.push(Hash32([1; 32])),
                _ => bent.count ^= 1 << bit,
            }
            prop_assert!(!bent.opens(&tree.root()));
        }

        #[test]
        fn any_proof_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = serde_json::from_str::<EntryProof>(&text);
        }
    }
}
