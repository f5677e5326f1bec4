//! One run of a guest, and what its end means.

use wasmtime::{InstancePre, PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use super::{
    artifact::GuestKind,
    component::{self, Call},
    config::SandboxError,
    engine::{Guest, Prepared, Sandbox, engine_error},
    host::{HostState, Stop},
    inspect,
    job::Job,
    limits::Limits,
    outcome::{Exit, LimitKind, Outcome, Refusal, TrapKind},
    stack,
};

impl Sandbox {
    /// Runs a module once, in a store of its own.
    ///
    /// # Errors
    /// [`SandboxError`] when the host fails; what the guest does is an [`Outcome`].
    pub fn execute(
        &self,
        prepared: &Prepared,
        job: Job,
    ) -> Result<Result<Outcome, Refusal>, SandboxError> {
        let checked = job
            .check(&self.config.max_limits)
            .and_then(|()| inspect::check_facts(&prepared.facts, &job.limits));
        if let Err(refusal) = checked {
            return Ok(Err(refusal));
        }
        let limits = job.limits;
        if prepared.stack_bytes != limits.stack_bytes {
            return Err(SandboxError::Engine("the guest was compiled for another stack".into()));
        }
        let (kind, call) = (prepared.facts.kind, job.call);
        if kind == GuestKind::Command && call != Call::Execute {
            return Ok(Err(Refusal::NoSuchCall { function: call.name().into() }));
        }
        if let Guest::Component(pre) = &prepared.guest
            && pre.component().get_export_index(None, call.name()).is_none()
        {
            return Ok(Err(Refusal::NoSuchCall { function: call.name().into() }));
        }
        let slice = self.config.slice;
        let mut store = Store::new(prepared.guest.engine(), HostState::new(job, kind, slice));
        store.limiter(|state| state);
        store.set_fuel(limits.fuel).map_err(engine_error)?;
        store.fuel_async_yield_interval(Some(slice.get())).map_err(engine_error)?;

        let deadline = store.data().deadline;
        let result = match &prepared.guest {
            Guest::Command(pre) => deadline.run(start(pre, &mut store)).map(|()| None),
            Guest::Component(pre) => deadline.run(component::call(pre, &mut store, call)).map(Some),
        };
        let left = store.get_fuel().map_err(engine_error)?;
        let used = if result.as_ref().is_err_and(leaves_the_counter_behind) {
            limits.fuel
        } else {
            limits.fuel.saturating_sub(left)
        };
        let mut state = store.into_data();
        let exit = match result {
            Ok(None) => Exit::Success,
            Ok(Some(Ok(output))) => {
                state.stdout = output;
                Exit::Success
            }
            Ok(Some(Err(words))) => {
                state.write_stderr(words.as_bytes());
                Exit::GuestFailed { code: 1 }
            }
            Err(error) => classify(&error, kind, state.refused, &limits)?,
        };
        state.trim_stderr();
        let by_itself = matches!(exit, Exit::Success | Exit::GuestFailed { .. });
        // Compiled code looks at its fuel at calls and at turns of loops, not after the last of them.
        let exit = if by_itself && left == 0 { out_of_fuel(&limits) } else { exit };
        let keeps_output = matches!(exit, Exit::Success | Exit::GuestFailed { .. });
        let mut outcome = Outcome::new(exit, used, state.memory_bytes);
        outcome.stderr_tail = state.stderr;
        Ok(Ok(if keeps_output { outcome.with_output(state.stdout) } else { outcome }))
    }
}

/// Makes an instance of a command and runs it, slice by slice.
async fn start(pre: &InstancePre<HostState>, store: &mut Store<HostState>) -> wasmtime::Result<()> {
    let instance = pre.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call_async(store, ()).await
}

/// Whether the store does not know how much fuel the guest had when it ended.
///
/// Compiled code counts in a register. It writes that down before `unreachable`, before calls and
/// at the end of a slice, but not before an instruction that may trap: what the store knows is then
/// an older figure, and how old depends on where slices end.
fn leaves_the_counter_behind(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<Trap>().is_some_and(|trap| *trap != Trap::UnreachableCodeReached)
}

fn out_of_fuel(limits: &Limits) -> Exit {
    Exit::LimitHit { limit: LimitKind::Fuel, reached: limits.fuel, allowed: limits.fuel }
}

/// Whether the guest trapped where its counted stack ends.
fn at_end_of_stack(error: &wasmtime::Error) -> bool {
    let innermost = error.downcast_ref::<WasmBacktrace>().and_then(|trace| trace.frames().first());
    innermost.is_some_and(|frame| stack::is_end(frame.func_name()))
}

/// What an error of Wasmtime says about the guest.
///
/// A guest that was refused memory and then gave up (`abort` is `unreachable`) is reported with
/// the cause, not with the symptom.
fn classify(
    error: &wasmtime::Error,
    kind: GuestKind,
    refused: Option<(LimitKind, u64)>,
    limits: &Limits,
) -> Result<Exit, SandboxError> {
    let hit = |limit, reached| Ok(Exit::LimitHit { limit, reached, allowed: limits.of(limit) });
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match *stop {
            Stop::Exit(0) => Ok(Exit::Success),
            Stop::Exit(code) => Ok(Exit::GuestFailed { code }),
            Stop::Limit(limit, reached) => hit(limit, reached),
            Stop::HostMemory => Err(SandboxError::HostMemory),
        };
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Err(SandboxError::Busy);
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return match kind {
            GuestKind::Command => Err(SandboxError::Engine(format!("{error:#}"))),
            GuestKind::Component => component_fault(error, refused, limits),
        };
    };
    let kind = match trap {
        Trap::OutOfFuel => return Ok(out_of_fuel(limits)),
        // The end of the native stack, see `stack`.
        Trap::StackOverflow => return hit(LimitKind::Stack, limits.stack_bytes.into()),
        Trap::UnreachableCodeReached if at_end_of_stack(error) => {
            return hit(LimitKind::Stack, limits.stack_bytes.into());
        }
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapKind::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapKind::IndirectCallToNull,
        Trap::BadSignature => TrapKind::BadSignature,
        Trap::IntegerOverflow => TrapKind::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapKind::DivisionByZero,
        Trap::BadConversionToInteger => TrapKind::BadConversion,
        _ => TrapKind::Other,
    };
    if let Some((limit, reached)) = refused {
        return hit(limit, reached);
    }
    Ok(Exit::Trapped { kind, message: trap.to_string() })
}

/// A component can break rules that are no traps of WebAssembly: pass a bad string, use a handle
/// twice, call what is not there.
fn component_fault(
    error: &wasmtime::Error,
    refused: Option<(LimitKind, u64)>,
    limits: &Limits,
) -> Result<Exit, SandboxError> {
    if error.downcast_ref::<std::io::Error>().is_some()
        || error.downcast_ref::<wasmtime::error::OutOfMemory>().is_some()
    {
        return Err(SandboxError::HostMemory);
    }
    if let Some((limit, reached)) = refused {
        return Ok(Exit::LimitHit { limit, reached, allowed: limits.of(limit) });
    }
    let message = error.root_cause().to_string();
    // Wasmtime's error for it has no public type.
    if message.contains("fuel allocated for hostcalls") {
        let allowed = limits.output_bytes;
        let reached = allowed.saturating_add(1);
        return Ok(Exit::LimitHit { limit: LimitKind::Output, reached, allowed });
    }
    let message = message.chars().take(300).collect();
    Ok(Exit::Trapped { kind: TrapKind::Other, message })
}
