//! Jobs in sandbox processes: what workers and verifiers run programs with.

use std::time::Duration;

use fog_protocol::{GuestExit, Limit, Program};

use crate::{
    Execute, ExecuteError, Execution, Job, Provers, groth16,
    sandbox::{
        self, Exit, LimitKind, Limits, Outcome,
        process::{NoProof, ProofOutput, ProveJob, RunnerConfig, RunnerError, RunnerPool},
    },
};

/// How long making one proof may take.
const PROVE_WALL: Duration = Duration::from_secs(120);
/// Exit codes of a circom program, which has none of its own: the input does not satisfy it.
const BAD_INPUT: i32 = 1;
/// No proof can be made with it at all.
const BAD_PROGRAM: i32 = 2;

/// Runs jobs in child processes that hold no key. Clones share the children.
#[derive(Clone)]
pub struct Executor {
    pool: RunnerPool,
    provers: Provers,
    /// How long a command may run, if not as long as usual, in milliseconds.
    wall_ms: Option<u32>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

impl Executor {
    /// Starts the children.
    ///
    /// # Errors
    /// [`RunnerError`] if the program of `config` does not work as a sandbox.
    pub fn start(config: RunnerConfig) -> Result<Self, RunnerError> {
        let pool = RunnerPool::start(config)?;
        Ok(Self { pool, provers: Provers::default(), wall_ms: None })
    }

    /// The same with provers of zkVMs, which verifiers do without.
    #[must_use]
    pub fn with_provers(self, provers: Provers) -> Self {
        Self { provers, ..self }
    }

    /// The same with more time for each run than usual.
    #[must_use]
    pub(crate) fn with_wall_ms(self, wall_ms: u32) -> Self {
        Self { wall_ms: Some(wall_ms), ..self }
    }

    /// Compiles a module without running it: whether any worker could run it.
    ///
    /// # Errors
    /// [`ExecuteError::Refused`] names cause and cure; [`ExecuteError::Sandbox`] is ours.
    pub fn admit(&self, job: &Job<'_>) -> Result<(), ExecuteError> {
        match (job.program, job.blobs) {
            (Program::Wasi { .. }, [module]) => {
                match self.pool.compile(module, &Limits::for_listing(&job.limits)) {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(refusal)) => Err(refused(&refusal)),
                    Err(error) => Err(ExecuteError::Sandbox(error.to_string())),
                }
            }
            (Program::Circom { .. }, [_, _]) => Ok(()),
            (Program::Circuit { .. }, [key]) => match groth16::check_contract_key(key) {
                Ok(_) => Ok(()),
                Err(malformed) => Err(ExecuteError::Refused {
                    code: malformed.code().to_owned(),
                    reason: format!("{malformed}; {}", malformed.cure()),
                }),
            },
            // What its makers' tools built; only a prover can tell whether it runs.
            (Program::ZkVm { .. }, [_]) => Ok(()),
            (
                Program::Wasi { .. }
                | Program::Circom { .. }
                | Program::Circuit { .. }
                | Program::ZkVm { .. },
                _,
            ) => Err(missing()),
        }
    }

    fn command(&self, job: &Job<'_>, module: &[u8]) -> Result<Execution, ExecuteError> {
        let mut limits = Limits::for_listing(&job.limits);
        limits.wall_ms = self.wall_ms.unwrap_or(limits.wall_ms);
        let run = sandbox::Job {
            limits,
            seed: job.seed.0,
            args: job.binding.iter().cloned().collect(),
            ..sandbox::Job::new(job.input)
        };
        match self.pool.run(module, run) {
            Ok(Ok(outcome)) => {
                if let Exit::LimitHit { limit, reached, allowed } = outcome.exit {
                    let seed = hex::encode(job.seed.0);
                    let unit = limit.unit();
                    tracing::info!(seed, %limit, reached, allowed, unit, "a guest hit a limit");
                }
                execution(outcome)
            }
            Ok(Err(refusal)) => {
                tracing::info!(code = refusal.code(), %refusal, "a guest is refused");
                Err(refused(&refusal))
            }
            // Killed at its wall limit: another run would be, too.
            Err(RunnerError::Hung) => {
                let wall = Duration::from_millis(limits.wall_ms.into());
                Err(ExecuteError::killed_after(wall))
            }
            Err(error) => Err(ExecuteError::Sandbox(error.to_string())),
        }
    }

    fn proof(&self, job: &Job<'_>, zkey: &[u8], witness: &[u8]) -> Result<Execution, ExecuteError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| ExecuteError::Sandbox(error.to_string()))?;
        let prove = ProveJob {
            zkey: zkey.to_vec(),
            witness: witness.to_vec(),
            input: job.input.to_vec(),
            binding: job.binding.clone().unwrap_or_default(),
            seed,
            fuel: job.limits.fuel,
            memory_bytes: job.limits.memory_bytes,
        };
        let failed = |exit| Ok(Execution { exit, output: Vec::new(), fuel_used: 0 });
        match self.pool.prove(prove, PROVE_WALL) {
            Ok(Ok(ProofOutput { json, fuel_used })) => {
                Ok(Execution { exit: GuestExit::Success, output: json, fuel_used })
            }
            Ok(Err(NoProof::OutOfFuel)) => {
                let fuel = job.limits.fuel;
                failed(GuestExit::LimitHit { limit: Limit::Fuel, reached: fuel, allowed: fuel })
            }
            Ok(Err(NoProof::Trapped)) => failed(GuestExit::Trapped),
            Ok(Err(NoProof::Input(_))) => failed(GuestExit::Failed { code: BAD_INPUT }),
            Ok(Err(NoProof::Program(_))) => failed(GuestExit::Failed { code: BAD_PROGRAM }),
            Ok(Err(NoProof::Host(cause))) => Err(ExecuteError::Sandbox(cause)),
            Err(RunnerError::Hung) => Err(ExecuteError::killed_after(PROVE_WALL)),
            Err(error) => Err(ExecuteError::Sandbox(error.to_string())),
        }
    }
}

impl Execute for Executor {
    fn execute(&self, job: &Job<'_>) -> Result<Execution, ExecuteError> {
        match (job.program, job.blobs) {
            (Program::Wasi { .. }, [module]) => self.command(job, module),
            (Program::Circom { .. }, [zkey, witness]) => self.proof(job, zkey, witness),
            (Program::Circuit { .. }, [_]) => Err(ExecuteError::Refused {
                code: "needs_prover".to_owned(),
                reason: "a circuit is run by its prover, not in the sandbox".to_owned(),
            }),
            (Program::ZkVm { vm, .. }, [elf]) => {
                self.provers.prove(*vm, elf, job.input, job.binding.as_deref().unwrap_or_default())
            }
            (
                Program::Wasi { .. }
                | Program::Circom { .. }
                | Program::Circuit { .. }
                | Program::ZkVm { .. },
                _,
            ) => Err(missing()),
        }
    }
}

fn missing() -> ExecuteError {
    ExecuteError::Sandbox("the program's blobs are not all there".to_owned())
}

fn refused(refusal: &sandbox::Refusal) -> ExecuteError {
    ExecuteError::Refused {
        code: refusal.code().to_owned(),
        reason: format!("{refusal}; {}", refusal.cure()),
    }
}

/// The part of an outcome that can be committed to.
fn execution(outcome: Outcome) -> Result<Execution, ExecuteError> {
    let exit = match outcome.exit {
        Exit::Success => GuestExit::Success,
        Exit::GuestFailed { code } => GuestExit::Failed { code: code.cast_signed() },
        Exit::Trapped { .. } => GuestExit::Trapped,
        Exit::LimitHit { limit, reached, allowed } => {
            let limit = match limit {
                LimitKind::Fuel => Limit::Fuel,
                LimitKind::Memory => Limit::MemoryBytes,
                LimitKind::Stack => Limit::StackBytes,
                LimitKind::Table => Limit::TableElements,
                LimitKind::Output => Limit::OutputBytes,
                LimitKind::Wall => {
                    let (reached_ms, allowed_ms) = (reached, allowed);
                    return Err(ExecuteError::TooSlow { reached_ms, allowed_ms });
                }
                // Looked at before a run; of stderr the end is kept, and nobody is stopped.
                LimitKind::Module | LimitKind::Input | LimitKind::Stderr => {
                    let cause = format!("the {limit} limit was hit in a run");
                    return Err(ExecuteError::Sandbox(cause));
                }
            };
            GuestExit::LimitHit { limit, reached, allowed }
        }
    };
    let output = if exit == GuestExit::Success { outcome.output } else { Vec::new() };
    Ok(Execution { exit, output, fuel_used: outcome.fuel_used })
}
