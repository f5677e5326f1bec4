//! The parent's side: a bounded number of children, a bounded queue, a deadline on everything.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::lru::Lru;

use super::super::{
    artifact::{Artifact, Source},
    cache::ArtifactCache,
    inspect::check_facts,
    job::Job,
    limits::Limits,
    outcome::{Exit, Outcome, Refusal},
};
use super::{
    config::{KEPT_ARTIFACTS, RunnerConfig, RunnerError},
    frame::{FromChild, Role, ToChild},
    link::{Link, LinkError},
    lockdown::Confinement,
    prove::{NoProof, ProofOutput, ProveJob},
};

struct State {
    idle: Vec<Link>,
    /// Children that run, are idle, or are being started.
    live: usize,
    waiting: usize,
    compiling: usize,
}

struct Shared {
    config: RunnerConfig,
    fingerprint: [u8; 32],
    confinement: Confinement,
    state: Mutex<State>,
    freed: Condvar,
    artifacts: Mutex<Lru<Source, Arc<Artifact>>>,
    cache: Option<ArtifactCache>,
}

/// Child processes that run guests. Clones share the children, the last one ends them.
#[derive(Clone)]
pub struct RunnerPool {
    shared: Arc<Shared>,
}

impl RunnerPool {
    /// Starts one child, to know that the program works; the others start when needed.
    ///
    /// # Errors
    /// [`RunnerError::Spawn`], [`RunnerError::Start`], [`RunnerError::Cache`].
    pub fn start(config: RunnerConfig) -> Result<Self, RunnerError> {
        let cache = config.cache.as_deref().map(ArtifactCache::open).transpose()?;
        let first = Link::start(&config, config.setup(Role::Runner))?;
        let fingerprint = first.fingerprint;
        let confinement = first.confinement.clone();
        if let Confinement::Unfiltered { reason } = &confinement {
            tracing::warn!(
                %reason,
                "this kernel does not filter the system calls of sandbox processes (seccomp): \
                 a guest that broke out of WebAssembly could reach files and network"
            );
        }
        let state = State { idle: vec![first], live: 1, waiting: 0, compiling: 0 };
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                fingerprint,
                confinement,
                state: Mutex::new(state),
                freed: Condvar::new(),
                artifacts: Mutex::new(Lru::new(KEPT_ARTIFACTS)),
                cache,
            }),
        })
    }

    /// Runs a module in a child. Blocks: call it from `spawn_blocking`.
    ///
    /// # Errors
    /// [`RunnerError`] when the host fails; what the guest does is an [`Outcome`], and a module
    /// that is not run is a [`Refusal`].
    pub fn run(&self, module: &[u8], job: Job) -> Result<Result<Outcome, Refusal>, RunnerError> {
        if let Err(refusal) = job.check(&self.shared.config.max_limits) {
            return Ok(Err(refusal));
        }
        let artifact = match self.compile(module, &job.limits)? {
            Ok(artifact) => artifact,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut lease = self.shared.lease()?;
        let link = lease.link()?;
        let wall = Duration::from_millis(job.limits.wall_ms.into());
        let deadline = Instant::now() + wall + self.shared.config.grace;
        let result = link.run(&artifact, job, deadline);
        match &result {
            // The process of a guest that misbehaved is not used again.
            Ok(Ok(outcome)) if ended_well(&outcome.exit) => lease.give_back(),
            Ok(Err(_)) => lease.give_back(),
            _ => {}
        }
        result
    }

    /// Compiles a module in a child, or finds it compiled. Blocks.
    ///
    /// # Errors
    /// [`RunnerError`] when the host fails.
    pub fn compile(
        &self,
        module: &[u8],
        limits: &Limits,
    ) -> Result<Result<Arc<Artifact>, Refusal>, RunnerError> {
        let hash: [u8; 32] = Sha256::digest(module).into();
        if let Some(artifact) = self.shared.known(hash, limits) {
            return Ok(check_facts(&artifact.facts, limits).map(|()| artifact));
        }
        let _slot = self.shared.compile_slot()?;
        // Another caller may have compiled it meanwhile.
        if let Some(artifact) = self.shared.known(hash, limits) {
            return Ok(check_facts(&artifact.facts, limits).map(|()| artifact));
        }
        if let Err(refusal) = limits.check_within(&self.shared.config.max_limits) {
            return Ok(Err(refusal));
        }
        let bytes = module.len() as u64;
        if bytes > limits.module_bytes {
            return Ok(Err(Refusal::TooLarge { bytes, limit: limits.module_bytes }));
        }
        let compiled = self.shared.compile_in_child(module, limits)?;
        Ok(compiled.map(|artifact| self.shared.keep(artifact)))
    }

    /// Proves a circom program in a child, within `wall`. Blocks.
    ///
    /// # Errors
    /// [`RunnerError`] when the host fails; [`RunnerError::Hung`] when `wall` is over.
    pub fn prove(
        &self,
        job: ProveJob,
        wall: Duration,
    ) -> Result<Result<ProofOutput, NoProof>, RunnerError> {
        let mut lease = self.shared.lease()?;
        let deadline = Instant::now() + wall;
        let link = lease.link()?;
        link.served += 1;
        link.send(&ToChild::Prove(job), deadline)?;
        match link.receive(deadline)? {
            FromChild::Proved(result) => {
                lease.give_back();
                Ok(result)
            }
            FromChild::Fault(fault) => Err(RunnerError::Fault(fault)),
            _ => Err(RunnerError::Fault("a prover gave no answer".into())),
        }
    }

    /// Process ids of idle children, for health reports and tests.
    #[must_use]
    pub fn idle_children(&self) -> Vec<u32> {
        self.shared.lock().idle.iter().map(Link::id).collect()
    }

    /// Whether the kernel filters what the children ask of it.
    #[must_use]
    pub fn confinement(&self) -> &Confinement {
        &self.shared.confinement
    }

    /// Children alive now: running, idle or being started.
    #[must_use]
    pub fn live_children(&self) -> usize {
        self.shared.lock().live
    }
}

fn ended_well(exit: &Exit) -> bool {
    matches!(exit, Exit::Success | Exit::GuestFailed { .. })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, hash: [u8; 32], limits: &Limits) -> Option<Arc<Artifact>> {
        let of = (hash, limits.stack_bytes);
        let found = self.artifacts.lock().unwrap_or_else(PoisonError::into_inner).get(&of);
        if found.is_some() {
            return found;
        }
        let artifact = Arc::new(self.cache.as_ref()?.get(hash, limits, self.fingerprint)?);
        self.artifacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(of, Arc::clone(&artifact));
        Some(artifact)
    }

    fn keep(&self, artifact: Artifact) -> Arc<Artifact> {
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(&artifact, self.fingerprint)
        {
            tracing::warn!(%error, "a compiled module is not kept on disk");
        }
        let artifact = Arc::new(artifact);
        self.artifacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(artifact.source(), Arc::clone(&artifact));
        artifact
    }

    /// Waits until `take` gives something, in a queue that is bounded in length and time.
    fn wait_for<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> Result<T, RunnerError> {
        let deadline = Instant::now() + self.config.queue_wait;
        let mut state = self.lock();
        if let Some(taken) = take(&mut state) {
            return Ok(taken);
        }
        if state.waiting >= self.config.queue {
            return Err(RunnerError::Busy);
        }
        state.waiting += 1;
        let result = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(RunnerError::Busy);
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if let Some(taken) = take(&mut state) {
                break Ok(taken);
            }
        };
        state.waiting -= 1;
        result
    }

    fn compile_slot(&self) -> Result<CompileSlot<'_>, RunnerError> {
        let most = self.config.children.max(1);
        self.wait_for(|state| (state.compiling < most).then(|| state.compiling += 1))?;
        Ok(CompileSlot(self))
    }

    fn lease(&self) -> Result<Lease<'_>, RunnerError> {
        let most = self.config.children.max(1);
        let link = self.wait_for(|state| match state.idle.pop() {
            Some(link) => Some(Some(link)),
            None if state.live < most => {
                state.live += 1;
                Some(None)
            }
            None => None,
        })?;
        Ok(Lease { shared: self, link })
    }

    fn compile_in_child(
        &self,
        module: &[u8],
        limits: &Limits,
    ) -> Result<Result<Artifact, Refusal>, RunnerError> {
        let mut link = Link::start(&self.config, self.config.setup(Role::Compiler))?;
        let deadline = Instant::now() + self.config.compile_wall;
        let message = ToChild::Compile { module: module.to_vec(), limits: *limits };
        let answer = link.send(&message, deadline).and_then(|()| link.receive(deadline));
        match answer {
            Ok(FromChild::Compiled(Ok(wire))) => {
                let no_file = || Err(io::ErrorKind::InvalidData.into());
                let compiled = wire.vouched(no_file);
                compiled.map(Ok).map_err(|error| RunnerError::Fault(error.to_string()))
            }
            Ok(FromChild::Compiled(Err(refusal))) => Ok(Err(refusal)),
            Ok(FromChild::Fault(fault)) => Err(RunnerError::Fault(fault)),
            Ok(_) => Err(RunnerError::Fault("a compiler gave no code".into())),
            Err(LinkError::Late) => Ok(Err(self.too_long())),
            Err(LinkError::Died(Some(status))) => self.compiler_died(status),
            Err(error) => Err(RunnerError::ChildDied(error.to_string())),
        }
    }

    fn too_long(&self) -> Refusal {
        Refusal::CompileTimeout { limit_ms: self.config.compile_wall.as_millis() as u64 }
    }

    /// A compiler that ran into its own limits says something about the module; one that was
    /// killed from outside does not.
    fn compiler_died(&self, status: ExitStatus) -> Result<Result<Artifact, Refusal>, RunnerError> {
        match status.signal() {
            Some(signal) if signal == Signal::ABORT.as_raw() => {
                Ok(Err(Refusal::CompileMemory { limit: self.config.compile_memory }))
            }
            Some(signal) if signal == Signal::XCPU.as_raw() => Ok(Err(self.too_long())),
            Some(signal) if signal != Signal::KILL.as_raw() && signal != Signal::TERM.as_raw() => {
                Ok(Err(Refusal::CompilerFailed { reason: format!("signal {signal}") }))
            }
            _ => Err(RunnerError::ChildDied(LinkError::Died(Some(status)).to_string())),
        }
    }
}

impl Link {
    fn run(
        &mut self,
        artifact: &Artifact,
        job: Job,
        deadline: Instant,
    ) -> Result<Result<Outcome, Refusal>, RunnerError> {
        self.served += 1;
        let message = ToChild::Run { module_hash: artifact.module_hash(), job };
        self.send(&message, deadline)?;
        let mut answer = self.receive(deadline)?;
        if matches!(answer, FromChild::WantsArtifact) {
            let (wire, file) = artifact.to_wire();
            self.send(&ToChild::Artifact(wire), deadline)?;
            if let Some(file) = file {
                self.send_file(file, deadline)?;
            }
            answer = self.receive(deadline)?;
        }
        match answer {
            FromChild::Done(result) => Ok(result),
            FromChild::Fault(fault) => Err(RunnerError::Fault(fault)),
            _ => Err(RunnerError::Fault("a runner gave no outcome".into())),
        }
    }
}

impl From<LinkError> for RunnerError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Late => Self::Hung,
            other => Self::ChildDied(other.to_string()),
        }
    }
}

struct CompileSlot<'a>(&'a Shared);

impl Drop for CompileSlot<'_> {
    fn drop(&mut self) {
        self.0.lock().compiling -= 1;
        self.0.freed.notify_all();
    }
}

/// The right to one child. Dropped without [`Lease::give_back`], the child is killed.
struct Lease<'a> {
    shared: &'a Shared,
    link: Option<Link>,
}

impl Lease<'_> {
    /// The child, started now if there is none or the idle one died.
    fn link(&mut self) -> Result<&mut Link, RunnerError> {
        let alive = self.link.take().and_then(|mut link| link.is_alive().then_some(link));
        let link = match alive {
            Some(link) => link,
            None => Link::start(&self.shared.config, self.shared.config.setup(Role::Runner))?,
        };
        Ok(self.link.insert(link))
    }

    fn give_back(mut self) {
        let link = self.link.take();
        let link = link.filter(|link| link.served < self.shared.config.runs_per_child);
        if let Some(link) = link {
            let mut state = self.shared.lock();
            state.idle.push(link);
            // The drop below takes one off.
            state.live += 1;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Killed before the place is free: never more processes than configured.
        drop(self.link.take());
        self.shared.lock().live -= 1;
        self.shared.freed.notify_all();
    }
}
