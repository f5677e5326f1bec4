//! Compiles, loads and runs guests in this process.

use std::{
    hash::Hash,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel,
    PoolingAllocationConfig,
    component::{self as wasm_component, Component},
};

use crate::lru::Lru;

use super::{
    artifact::{Artifact, Code, Floats, GuestKind, ModuleFacts, ShaHasher, Source},
    component,
    config::{Allocation, Nans, Optimisation, SandboxConfig, SandboxError},
    host::HostState,
    inspect::{self, COMPONENT_FEATURES, MAX_TABLES},
    job::Job,
    limits::Limits,
    outcome::{Outcome, Refusal},
    stack, trusted, wasi,
};

/// Compiled code is for this target without the host's own CPU features: the same on every host.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Bumped when what is compiled or charged changes.
const SANDBOX_VERSION: u32 = 6;
/// What of a fiber's stack is left for the host's own frames.
const HOST_STACK: usize = 1 << 20;

pub(super) fn engine_error(error: wasmtime::Error) -> SandboxError {
    SandboxError::Engine(format!("{error:#}"))
}

#[derive(Clone)]
struct FloatsEngine {
    engine: Engine,
    linker: Arc<Linker<HostState>>,
}

/// What instances are made of.
#[derive(Clone)]
pub(super) enum Guest {
    Command(InstancePre<HostState>),
    Component(wasm_component::InstancePre<HostState>),
}

impl Guest {
    pub(super) fn engine(&self) -> &Engine {
        match self {
            Self::Command(pre) => pre.module().engine(),
            Self::Component(pre) => pre.engine(),
        }
    }
}

/// A guest that is ready to run.
#[derive(Clone)]
pub struct Prepared {
    pub(super) guest: Guest,
    pub(super) facts: ModuleFacts,
    pub(super) stack_bytes: u32,
}

/// Runs guests in this process. Share it freely; it is for processes that hold no key.
pub struct Sandbox {
    pub(super) config: SandboxConfig,
    /// Modules with floats are compiled by other settings than those without.
    engines: Mutex<Vec<(Floats, FloatsEngine)>>,
    ready: Mutex<Lru<Source, Prepared>>,
}

impl Sandbox {
    /// Sets up an empty sandbox; engines are made when first needed.
    #[must_use]
    pub fn new(config: SandboxConfig) -> Self {
        Self {
            config,
            engines: Mutex::new(Vec::new()),
            ready: Mutex::new(Lru::new(config.ready_modules as usize)),
        }
    }

    /// Compiles the module unless it is ready, and runs it.
    ///
    /// # Errors
    /// [`SandboxError`] when the host fails; what the guest does is an [`Outcome`].
    pub fn run(&self, module: &[u8], job: Job) -> Result<Result<Outcome, Refusal>, SandboxError> {
        if let Err(refusal) = job.check(&self.config.max_limits) {
            return Ok(Err(refusal));
        }
        let hash = Sha256::digest(module).into();
        let prepared = match self.ready(hash, &job.limits) {
            Some(prepared) => prepared,
            None => match self.compile(module, &job.limits)? {
                Ok(artifact) => self.load(&artifact)?,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        self.execute(&prepared, job)
    }

    /// Inspects and compiles a module, within no bounds of time: untrusted modules are
    /// compiled in a child process, see [`process`](super::process).
    ///
    /// # Errors
    /// [`SandboxError::Engine`] when the engine can't be set up, [`SandboxError::HostMemory`].
    pub fn compile(
        &self,
        module: &[u8],
        limits: &Limits,
    ) -> Result<Result<Artifact, Refusal>, SandboxError> {
        let facts = match inspect::inspect(module, limits) {
            Ok(facts) => facts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let stack_bytes = limits.stack_bytes;
        let counted = match stack::counted(module, facts.kind, stack_bytes) {
            Ok(counted) => counted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let engine = self.engine(facts.floats)?;
        let compiled = match facts.kind {
            GuestKind::Command => {
                Module::from_binary(&engine.engine, &counted).and_then(|module| module.serialize())
            }
            GuestKind::Component => match Component::from_binary(&engine.engine, &counted) {
                Ok(component) => {
                    if let Err(refusal) = component::check_exports(&component) {
                        return Ok(Err(refusal));
                    }
                    component.serialize()
                }
                Err(error) => Err(error),
            },
        };
        let code = match compiled {
            Ok(code) => code,
            Err(error) if is_host_memory(&error) => return Err(SandboxError::HostMemory),
            Err(error) => {
                return Ok(Err(Refusal::InvalidModule { reason: first_line(&error) }));
            }
        };
        Ok(Ok(Artifact {
            code: Code::Bytes(code.into()),
            facts,
            module_hash: Sha256::digest(module).into(),
            stack_bytes,
        }))
    }

    /// Makes compiled code ready to run.
    ///
    /// # Errors
    /// [`SandboxError::Engine`] when the code is of another engine.
    pub fn load(&self, artifact: &Artifact) -> Result<Prepared, SandboxError> {
        let engine = self.engine(artifact.facts.floats)?;
        let guest = match artifact.facts.kind {
            GuestKind::Command => trusted::load(&engine.engine, artifact)
                .and_then(|module| engine.linker.instantiate_pre(&module))
                .map(Guest::Command),
            GuestKind::Component => trusted::load_component(&engine.engine, artifact)
                .and_then(|component| component::ready(&engine.engine, &component))
                .map(Guest::Component),
        };
        let Artifact { facts, stack_bytes, .. } = *artifact;
        let prepared = Prepared { guest: guest.map_err(engine_error)?, facts, stack_bytes };
        lock(&self.ready).put(artifact.source(), prepared.clone());
        Ok(prepared)
    }

    /// The module with this SHA-256, if it was loaded lately for such a stack.
    #[must_use]
    pub fn ready(&self, module_hash: [u8; 32], limits: &Limits) -> Option<Prepared> {
        lock(&self.ready).get(&(module_hash, limits.stack_bytes))
    }

    /// Identifies the engine version and all settings that compiled code depends on.
    ///
    /// # Errors
    /// [`SandboxError::Engine`] when the engine can't be set up.
    pub fn fingerprint(&self) -> Result<[u8; 32], SandboxError> {
        let mut hasher = ShaHasher::new();
        SANDBOX_VERSION.hash(&mut hasher);
        for floats in [Floats::None, Floats::Canonical] {
            let engine = self.engine(floats)?;
            engine.engine.precompile_compatibility_hash().hash(&mut hasher);
        }
        Ok(hasher.digest())
    }

    fn engine(&self, floats: Floats) -> Result<FloatsEngine, SandboxError> {
        let mut engines = lock(&self.engines);
        if let Some((_, engine)) = engines.iter().find(|(of, _)| *of == floats) {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&self.engine_config(floats)?).map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        wasi::define(&mut linker).map_err(engine_error)?;
        let made = FloatsEngine { engine, linker: Arc::new(linker) };
        engines.push((floats, made.clone()));
        Ok(made)
    }

    fn engine_config(&self, floats: Floats) -> Result<Config, SandboxError> {
        let max = &self.config.max_limits;
        let mut config = Config::new();
        config.target(TARGET).map_err(engine_error)?;
        config.wasm_features(COMPONENT_FEATURES.complement(), false);
        config.wasm_features(COMPONENT_FEATURES, true);
        config.consume_fuel(true);
        config.operator_cost(fuel_prices());
        let stack = stack::native(max.stack_bytes);
        config.max_wasm_stack(stack);
        // A host call may call the guest once more (a component's `realloc`), and that call has a
        // whole stack of its own, below what is used already.
        config.async_stack_size(2 * stack + HOST_STACK);
        let everywhere = self.config.nans == Nans::Everywhere;
        config.cranelift_nan_canonicalization(floats == Floats::Canonical || everywhere);
        config.cranelift_opt_level(match self.config.optimisation {
            Optimisation::Speed => OptLevel::Speed,
            Optimisation::Size => OptLevel::SpeedAndSize,
            Optimisation::Off => OptLevel::None,
        });
        config.parallel_compilation(false);
        // Of a backtrace the innermost function counts alone, see `stack::is_end`; code without
        // tables for the rest loads faster.
        config.wasm_backtrace_max_frames(Some(NonZeroUsize::MIN));
        config.generate_address_map(false);
        config.native_unwind_info(false);
        if let Allocation::Pooled { instances } = self.config.allocation {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(instances);
            pool.total_core_instances(component::MAX_INSTANCES * instances);
            pool.total_stacks(instances);
            pool.total_memories(component::MAX_MEMORIES * instances);
            pool.total_tables(component::MAX_TABLES * instances);
            pool.max_core_instances_per_component(component::MAX_INSTANCES);
            pool.max_memories_per_component(component::MAX_MEMORIES);
            pool.max_tables_per_component(component::MAX_TABLES);
            pool.max_memories_per_module(1);
            pool.max_tables_per_module(MAX_TABLES);
            pool.max_memory_size(max.memory_bytes as usize);
            pool.table_elements(max.table_elements as usize);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Ok(config)
    }
}

/// Wasmtime's own prices, and one for fresh memory, which is free there.
fn fuel_prices() -> wasmtime::OperatorCost {
    let mut prices = wasmtime::OperatorCost::new();
    prices.variable.memory_grow_per_page = u8::MAX;
    prices
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The validator has passed the module, so an error of the system is one of memory.
fn is_host_memory(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<wasmtime::error::OutOfMemory>().is_some()
        || error.downcast_ref::<std::io::Error>().is_some()
}

fn first_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
