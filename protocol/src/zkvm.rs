//! Machines whose runs can be proven, by release.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{Address, Hash32, TaskId, tagged_hash};

/// A zkVM and the release whose receipts are meant. Releases differ in their parameters, so a
/// receipt of one is none of another. Older ones, whose makers have withdrawn them for faults in
/// their soundness (SP1 up to 4, RISC Zero up to 2), are not here.
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
#[serde(rename_all = "kebab-case")]
pub enum ZkVm {
    /// SP1 5.x.
    #[serde(rename = "sp1-v5")]
    Sp1V5,
    /// SP1 6.0.x.
    #[serde(rename = "sp1-v6.0")]
    Sp1V60,
    /// SP1 6.1 and later ones with the same circuit (6.10 for one).
    #[serde(rename = "sp1-v6.1")]
    Sp1V61,
    /// RISC Zero 3.0.
    #[serde(rename = "risc-zero-v3.0")]
    RiscZeroV30,
    /// RISC Zero 5.0.
    #[serde(rename = "risc-zero-v5.0")]
    RiscZeroV50,
}

impl ZkVm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Sp1V5, Self::Sp1V60, Self::Sp1V61, Self::RiscZeroV30, Self::RiscZeroV50];

    /// Its name on the command line and in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sp1V5 => "sp1-v5",
            Self::Sp1V60 => "sp1-v6.0",
            Self::Sp1V61 => "sp1-v6.1",
            Self::RiscZeroV30 => "risc-zero-v3.0",
            Self::RiscZeroV50 => "risc-zero-v5.0",
        }
    }
}

/// What a receipt's journal must begin with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum JournalStart {
    /// The 32 bytes of [`journal_binding`], which the program takes from its prover and makes
    /// public: a receipt is then one worker's for one task and input, and worthless to all others.
    Binding,
    /// Anything. A receipt that anybody made before, for whatever input, is as good: for programs
    /// whose journal says by itself what it is about.
    Anything,
}

/// What ties a receipt to a task, a worker and the input, where the listing asks for that.
#[must_use]
pub fn journal_binding(task: &TaskId, worker: &Address, input: &Hash32) -> Hash32 {
    let network = [worker.workchain.cast_unsigned()];
    tagged_hash("fog/receipt/binding/v1", &[&task.0.0, &network, &worker.hash.0, &input.0])
}

/// No such machine or release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no zkVM whose receipts are known: sp1-v5, sp1-v6.0, sp1-v6.1, risc-zero-v3.0, risc-zero-v5.0"
)]
pub struct UnknownZkVm(String);

impl std::str::FromStr for ZkVm {
    type Err = UnknownZkVm;

    fn from_str(text: &str) -> Result<Self, UnknownZkVm> {
        let known = Self::ALL.into_iter().find(|vm| vm.name() == text);
        known.ok_or_else(|| UnknownZkVm(text.chars().take(40).collect()))
    }
}

impl std::fmt::Display for ZkVm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_is_the_one_in_documents() {
        for vm in ZkVm::ALL {
            assert_eq!(vm.name().parse::<ZkVm>().unwrap(), vm);
            assert_eq!(serde_json::to_value(vm).unwrap(), vm.name());
        }
        let refused = "sp1-v4".parse::<ZkVm>().unwrap_err().to_string();
        assert!(ZkVm::ALL.iter().all(|vm| refused.contains(vm.name())), "{refused}");
    }
}
