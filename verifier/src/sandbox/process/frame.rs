//! Messages between parent and child: a little-endian u32 length, then borsh.

use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use super::super::{
    artifact::ArtifactWire,
    config::SandboxConfig,
    job::Job,
    limits::Limits,
    outcome::{Outcome, Refusal},
};
use super::{
    lockdown::Confinement,
    prove::{NoProof, ProofOutput, ProveJob},
};

/// No message is larger: 256 MiB of code, input or output, and what surrounds it.
const MAX_FRAME: u32 = (256 << 20) + (1 << 20);

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Role {
    /// Compiles one module.
    Compiler,
    /// Runs guests.
    Runner,
}

/// The first message to a child.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) struct Setup {
    pub(super) role: Role,
    pub(super) sandbox: SandboxConfig,
    /// Most memory the child may have, bytes (`RLIMIT_DATA`).
    pub(super) memory_bytes: u64,
    /// Most CPU seconds the child may burn in its life; `None` for no bound.
    pub(super) cpu_seconds: Option<u64>,
}

/// From the parent.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) enum ToChild {
    Setup(Setup),
    Compile {
        module: Vec<u8>,
        limits: Limits,
    },
    Run {
        module_hash: [u8; 32],
        job: Job,
    },
    /// Answers [`FromChild::WantsArtifact`].
    Artifact(ArtifactWire),
    Prove(ProveJob),
}

/// From the child.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) enum FromChild {
    /// Set up; the fingerprint of its engines.
    Ready {
        fingerprint: [u8; 32],
        confinement: Confinement,
    },
    /// It does not have the module that it shall run.
    WantsArtifact,
    Compiled(Result<ArtifactWire, Refusal>),
    Done(Result<Outcome, Refusal>),
    Proved(Result<ProofOutput, NoProof>),
    /// The child's host side failed.
    Fault(String),
}

/// Writes one message.
pub(super) fn write<T: BorshSerialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = borsh::to_vec(message)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too large"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one message. The length is not believed: memory grows with what arrives.
pub(super) fn read<T: BorshDeserialize>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too large"));
    }
    let mut bytes = Vec::new();
    from.by_ref().take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    borsh::from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::{Confinement, FromChild, MAX_FRAME, ToChild, read, write};

    #[test]
    fn a_message_comes_back_as_it_went() {
        let mut bytes = Vec::new();
        let confinement = Confinement::Filtered;
        write(&mut bytes, &FromChild::Ready { fingerprint: [7; 32], confinement }).unwrap();
        let back = read::<FromChild>(&mut bytes.as_slice()).unwrap();
        assert!(matches!(back, FromChild::Ready { fingerprint, .. } if fingerprint == [7; 32]));
    }

    #[test]
    fn a_length_over_the_limit_is_an_error_before_any_byte_is_read() {
        let bytes = (MAX_FRAME + 1).to_le_bytes();
        assert!(read::<FromChild>(&mut bytes.as_slice()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
            framed.extend_from_slice(&bytes);
            let _ = read::<FromChild>(&mut framed.as_slice());
            let _ = read::<ToChild>(&mut framed.as_slice());
            let _ = read::<FromChild>(&mut bytes.as_slice());
        }
    }
}
