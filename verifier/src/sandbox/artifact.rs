//! Compiled modules, and what is known about a module.

use std::{fs::File, hash::Hasher, io, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Whether NaN bits can reach the output. Canonicalising them costs float code dearly, so
/// modules without float arithmetic are compiled without.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Floats {
    /// No float arithmetic in the module.
    None,
    /// Some: compiled with NaN canonicalisation.
    Canonical,
}

/// What a guest is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum GuestKind {
    /// A WASI preview 1 command: stdin to stdout.
    Command,
    /// A component with `execute`, and perhaps `split` and `merge`.
    Component,
}

/// What [`inspect`](super::inspect) found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct ModuleFacts {
    /// What it is.
    pub kind: GuestKind,
    /// Float arithmetic or not.
    pub floats: Floats,
    /// Size of the module, bytes.
    pub module_bytes: u64,
    /// Memory it starts with, bytes.
    pub memory_bytes: u64,
    /// Elements of the largest table it starts with.
    pub table_elements: u64,
    /// Functions with a body.
    pub functions: u64,
}

/// What code is compiled from: a module's SHA-256, and the counted stack, see
/// [`stack`](super::stack).
pub(super) type Source = ([u8; 32], u32);

/// Compiled code. Only [`Sandbox::compile`](super::Sandbox::compile) and the authenticated
/// [`ArtifactCache`](super::ArtifactCache) make one: code from elsewhere would run unchecked.
#[derive(Clone)]
pub struct Artifact {
    pub(super) code: Code,
    pub(super) facts: ModuleFacts,
    pub(super) module_hash: [u8; 32],
    pub(super) stack_bytes: u32,
}

/// Where compiled code is.
#[derive(Clone)]
pub(super) enum Code {
    /// In memory, as the compiler left it.
    Bytes(Arc<[u8]>),
    /// In a file that the cache has authenticated, to be mapped. Its first `length` bytes are code.
    File { file: Arc<File>, length: u64 },
}

impl Artifact {
    /// SHA-256 of the module it was made from.
    #[must_use]
    pub fn module_hash(&self) -> [u8; 32] {
        self.module_hash
    }

    pub(super) fn source(&self) -> Source {
        (self.module_hash, self.stack_bytes)
    }

    /// What is known about the module.
    #[must_use]
    pub fn facts(&self) -> ModuleFacts {
        self.facts
    }

    /// Bytes of compiled code.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.code {
            Code::Bytes(bytes) => bytes.len() as u64,
            Code::File { length, .. } => *length,
        }
    }

    /// For another of our processes; the file, if it lies in one, goes beside.
    pub(super) fn to_wire(&self) -> (ArtifactWire, Option<&File>) {
        let (code, file) = match &self.code {
            Code::Bytes(bytes) => (CodeWire::Bytes(bytes.to_vec()), None),
            Code::File { file, length } => (CodeWire::File { length: *length }, Some(&**file)),
        };
        let Self { facts, module_hash, stack_bytes, .. } = *self;
        (ArtifactWire { code, facts, module_hash, stack_bytes }, file)
    }
}

/// An artifact on its way between our own processes. Private to the sandbox, so that nobody else
/// can turn bytes into an [`Artifact`].
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct ArtifactWire {
    code: CodeWire,
    facts: ModuleFacts,
    module_hash: [u8; 32],
    stack_bytes: u32,
}

#[derive(Clone, BorshSerialize, BorshDeserialize)]
enum CodeWire {
    Bytes(Vec<u8>),
    /// The descriptor follows the message.
    File {
        length: u64,
    },
}

impl ArtifactWire {
    /// The caller vouches that the bytes come from our own compiler. `file` is asked for a
    /// descriptor when the code lies in one.
    pub(super) fn vouched(self, file: impl FnOnce() -> io::Result<File>) -> io::Result<Artifact> {
        let code = match self.code {
            CodeWire::Bytes(bytes) => Code::Bytes(bytes.into()),
            CodeWire::File { length } => Code::File { file: Arc::new(file()?), length },
        };
        let Self { facts, module_hash, stack_bytes, .. } = self;
        Ok(Artifact { code, facts, module_hash, stack_bytes })
    }
}

/// SHA-256 as a [`Hasher`]: Wasmtime describes its settings only through `Hash`.
pub(super) struct ShaHasher(Sha256);

impl ShaHasher {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
    }
}
