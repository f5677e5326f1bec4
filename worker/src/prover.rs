//! The circuits a worker can prove, by the hash of their verifying keys.
//!
//! A worker bids for a circuit only if it has the folder's proving key for it, or can make it: the
//! keys of local networks are made when they are first needed, and kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use fog_circuits::{Keys, PROGRAMS, Program, local_verifying_key};
use fog_contracts::proof::{Context, Proof, Prove, Statement, VerifyingKey, result_cell};
use fog_protocol::Hash32;

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProverError {
    /// The work cannot be done by anybody.
    #[error("{0}")]
    Impossible(String),
    /// This machine failed; another attempt may work.
    #[error("{0}")]
    Own(String),
}

/// A circuit that can be proven here.
struct Circuit {
    program: &'static dyn Program,
    key: VerifyingKey,
    /// Where its proving key is, or is going to be.
    file: PathBuf,
    origin: Origin,
    keys: Mutex<Option<Arc<Keys>>>,
}

/// Where a proving key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Somebody's setup: the file is there.
    File,
    /// The setup of local networks, which anybody can make again.
    Local,
}

/// What can be proven here.
#[derive(Default)]
pub(crate) struct Prover {
    circuits: BTreeMap<Hash32, Circuit>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.circuits.keys()).finish()
    }
}

impl Prover {
    /// The circuits of a folder: `NAME.vk` beside `NAME.pk` as `fog circuit setup` writes them, and
    /// those of local networks where `local` says so. A file that is no key is left out and logged.
    pub(crate) fn open(folder: Option<&Path>, local: LocalKeys) -> Self {
        let mut prover = Self::default();
        let Some(folder) = folder else { return prover };
        for program in PROGRAMS {
            let file = |ending: &str| folder.join(format!("{}.{ending}", program.name()));
            if let Ok(bytes) = std::fs::read(file("vk")) {
                prover.add(program, &bytes, file("pk"), Origin::File);
            }
            if let (LocalKeys::Taken, Some(bytes)) = (local, local_verifying_key(program)) {
                prover.add(program, bytes, file("local.pk"), Origin::Local);
            }
        }
        prover
    }

    fn add(&mut self, program: &'static dyn Program, bytes: &[u8], file: PathBuf, origin: Origin) {
        let named = VerifyingKey::from_ark_bytes(bytes).map_err(|error| error.to_string());
        let named = named.and_then(|key| Ok((key.hash().map_err(|e| e.to_string())?, key)));
        match named {
            Ok((hash, key)) => {
                let keys = Mutex::new(None);
                self.circuits.insert(hash, Circuit { program, key, file, origin, keys });
            }
            Err(error) => {
                tracing::error!(program = program.name(), "its verifying key is left out: {error}");
            }
        }
    }

    /// Is there a prover for the circuit with this key?
    pub(crate) fn has(&self, key: &Hash32) -> bool {
        self.circuits.contains_key(key)
    }

    /// Runs the circuit's program on `input` and proves it for the task and worker of `context`:
    /// the message that settles the task. Blocks for seconds.
    pub(crate) fn prove(
        &self,
        key: &Hash32,
        context: &Context,
        input: &[u8],
    ) -> Result<Prove, ProverError> {
        let circuit = self.circuits.get(key).ok_or_else(|| {
            ProverError::Impossible(format!("there is no prover for the circuit {key} here"))
        })?;
        let own = |error: &dyn std::fmt::Display| ProverError::Own(error.to_string());
        let context = context.hash().map_err(|error| own(&error))?;
        let keys = circuit.keys()?;
        let proved = fog_circuits::prove(&keys, context.0, input).map_err(|error| match error {
            fog_circuits::ProveError::Input(_) => ProverError::Impossible(error.to_string()),
            fog_circuits::ProveError::WrongKey => {
                // Next time it is made, or read, anew.
                circuit.forget();
                own(&error)
            }
            _ => own(&error),
        })?;
        Ok(Prove {
            statement: Statement { input: Hash32::of(input), key: circuit.key },
            proof: Proof::from_ark_bytes(&proved.proof).map_err(|error| own(&error))?,
            result: result_cell(&proved.result).map_err(|error| own(&error))?,
        })
    }
}

/// Are the keys of local networks taken?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalKeys {
    /// On a network of this machine.
    Taken,
    /// Anywhere else: everybody can forge proofs with them.
    Refused,
}

impl Circuit {
    /// The proving key: from memory, from its file, or made now. One at a time.
    fn keys(&self) -> Result<Arc<Keys>, ProverError> {
        let mut held = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = &*held {
            return Ok(Arc::clone(keys));
        }
        let own = |error: &dyn std::fmt::Display| ProverError::Own(error.to_string());
        let read = std::fs::read(&self.file)
            .map_err(|error| own(&format!("cannot read {}: {error}", self.file.display())));
        let read = read.and_then(|bytes| {
            let keys = Keys::from_bytes(self.program, &bytes).map_err(|error| own(&error))?;
            self.is_this(&keys)
                .then_some(keys)
                .ok_or_else(|| own(&format!("{} is the key of another setup", self.file.display())))
        });
        let keys = match (read, self.origin) {
            (Ok(keys), _) => keys,
            (Err(error), Origin::File) => return Err(error),
            (Err(_), Origin::Local) => {
                tracing::info!(program = self.program.name(), "making the LOCAL ONLY proving key");
                let keys = Keys::local(self.program).map_err(|error| own(&error))?;
                if let Err(error) = self.keep(&keys) {
                    tracing::warn!(%error, "the proving key is not kept: made again next time");
                }
                keys
            }
        };
        let keys = Arc::new(keys);
        *held = Some(Arc::clone(&keys));
        Ok(keys)
    }

    fn is_this(&self, keys: &Keys) -> bool {
        keys.verifying().is_ok_and(|bytes| bytes == self.key.to_ark_bytes())
    }

    /// Whole or not at all: another worker may be reading.
    fn keep(&self, keys: &Keys) -> Result<(), String> {
        let bytes = keys.to_bytes().map_err(|error| error.to_string())?;
        let folder = self.file.parent().ok_or("it has no folder")?;
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let fresh = self.file.with_extension(format!("pk.{}", std::process::id()));
        std::fs::write(&fresh, bytes).map_err(|error| error.to_string())?;
        std::fs::rename(&fresh, &self.file).map_err(|error| error.to_string())
    }

    fn forget(&self) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.origin == Origin::Local {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}
