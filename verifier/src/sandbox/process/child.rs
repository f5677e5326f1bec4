//! The child's side: reads jobs from stdin, never touches anything else.

use std::{
    any::Any,
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    thread,
};

use super::super::{
    config::SandboxError,
    engine::{Prepared, Sandbox},
    job::Job,
    limits::Limits,
    outcome::{Outcome, Refusal},
};
use super::{
    confine, descriptor,
    frame::{self, FromChild, Role, ToChild},
    lockdown::lock_down,
    prove::{self, ProveJob},
};

/// Room for the compiler's and the prover's frames; guests have stacks of their own.
const THREAD_STACK: usize = 16 << 20;

/// Serves the parent until it hangs up. Call it first thing in `main`, before any thread,
/// descriptor or secret exists; return its result from `main`.
#[must_use]
pub fn child_main() -> ExitCode {
    if confine::at_start().is_err() {
        return ExitCode::from(3);
    }
    let serving = thread::Builder::new().stack_size(THREAD_STACK).spawn(|| serve().is_ok());
    match serving.map(thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::from(4),
    }
}

fn serve() -> io::Result<()> {
    let mut parent = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let ToChild::Setup(setup) = frame::read(&mut parent)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    confine::by_setup(&setup)?;
    let sandbox = Sandbox::new(setup.sandbox);
    let fingerprint = sandbox.fingerprint().map_err(io::Error::other)?;
    // The engines exist by now; what follows needs memory and this socket.
    let confinement = lock_down();
    frame::write(&mut parent, &FromChild::Ready { fingerprint, confinement })?;
    loop {
        let message = match frame::read(&mut parent) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        let answer = match (setup.role, message) {
            (Role::Compiler, ToChild::Compile { module, limits }) => {
                compile(&sandbox, &module, &limits, setup.memory_bytes)
            }
            (Role::Runner, ToChild::Run { module_hash, job }) => {
                let prepared = match sandbox.ready(module_hash, &job.limits) {
                    Some(prepared) => Ok(prepared),
                    None => fetch(&mut parent, &sandbox, module_hash)?,
                };
                match prepared {
                    Ok(prepared) => run(&sandbox, &prepared, job),
                    Err(fault) => FromChild::Fault(fault),
                }
            }
            (Role::Runner, ToChild::Prove(job)) => proven(&job),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        frame::write(&mut parent, &answer)?;
    }
}

fn compile(sandbox: &Sandbox, module: &[u8], limits: &Limits, memory_bytes: u64) -> FromChild {
    let compiled = catch_unwind(AssertUnwindSafe(|| sandbox.compile(module, limits)));
    let too_much = Refusal::CompileMemory { limit: memory_bytes };
    match compiled {
        Ok(Ok(Ok(artifact))) => FromChild::Compiled(Ok(artifact.to_wire().0)),
        Ok(Ok(Err(refusal))) => FromChild::Compiled(Err(refusal)),
        Ok(Err(SandboxError::HostMemory)) => FromChild::Compiled(Err(too_much)),
        Ok(Err(error)) => FromChild::Fault(error.to_string()),
        Err(panic) => {
            let reason = words(panic.as_ref());
            // The compiler has no other way to say so.
            let refusal = if reason.contains("out of memory") {
                too_much
            } else {
                Refusal::CompilerFailed { reason: format!("it panicked: {reason}") }
            };
            FromChild::Compiled(Err(refusal))
        }
    }
}

/// The message of a panic, cut short.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "without a message",
    };
    text.chars().take(200).collect()
}

/// Asks the parent for the compiled code. The inner error is for the parent, the outer one
/// means that the parent is gone or talks nonsense.
fn fetch(
    parent: &mut UnixStream,
    sandbox: &Sandbox,
    module_hash: [u8; 32],
) -> io::Result<Result<Prepared, String>> {
    frame::write(parent, &FromChild::WantsArtifact)?;
    let ToChild::Artifact(wire) = frame::read(parent)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let artifact = wire.vouched(|| descriptor::receive(parent))?;
    if artifact.module_hash() != module_hash {
        return Ok(Err("the parent sent another module".into()));
    }
    Ok(sandbox.load(&artifact).map_err(|error| error.to_string()))
}

fn run(sandbox: &Sandbox, prepared: &Prepared, job: Job) -> FromChild {
    let ran = catch_unwind(AssertUnwindSafe(|| sandbox.execute(prepared, job)));
    let done: Result<Result<Outcome, Refusal>, String> = match ran {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the sandbox panicked".into()),
    };
    match done {
        Ok(result) => FromChild::Done(result),
        Err(fault) => FromChild::Fault(fault),
    }
}

fn proven(job: &ProveJob) -> FromChild {
    match catch_unwind(AssertUnwindSafe(|| prove::run(job))) {
        Ok(result) => FromChild::Proved(result),
        Err(_) => FromChild::Fault("the prover panicked".into()),
    }
}
