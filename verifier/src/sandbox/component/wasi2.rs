//! WASI 0.2 for components: the same closed world as preview 1 has.
//!
//! A fixed clock that moves when it is looked at, a seeded generator, no environment, no files, no
//! sockets. What a component prints is kept with stderr, for people: its output is what it returns.
//! Functions that are not here, those of files and sockets, trap with their name when called.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType},
};

use super::super::{
    host::{HostState, Stop},
    outcome::LimitKind,
};

/// Fuel of any host call, and of a byte from the generator on top of its copy, as in preview 1.
const CALL_FUEL: u64 = 200;
const RANDOM_FUEL: u64 = 8;
/// What a stream says it takes at once.
const WRITE_BYTES: u64 = 4096;

type Guest<'a> = StoreContextMut<'a, HostState>;
type Instance<'a> = LinkerInstance<'a, HostState>;

struct IoError;
struct Pollable;
struct InputStream;
struct OutputStream;
struct TerminalInput;
struct TerminalOutput;
struct Descriptor;

/// `wasi:io/streams.stream-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "part of the type; here no operation fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// `wasi:clocks/wall-clock.datetime`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Streamed<T> = Result<T, StreamError>;

/// Defines what we have of the interface `name`, if it is one of WASI 0.2.
///
/// # Errors
/// Wasmtime's.
pub(super) fn define(linker: &mut Linker<HostState>, name: &str) -> wasmtime::Result<()> {
    let interface = name.split('@').next().unwrap_or_default();
    let define: fn(&mut Instance<'_>) -> wasmtime::Result<()> = match interface {
        "wasi:io/error" => io_error,
        "wasi:io/poll" => poll,
        "wasi:io/streams" => streams,
        "wasi:cli/environment" => environment,
        "wasi:cli/exit" => exit,
        "wasi:cli/stdin" => {
            |i| i.func_wrap("get-stdin", |g: Guest<'_>, (): ()| handle::<InputStream>(g, 0))
        }
        "wasi:cli/stdout" => {
            |i| i.func_wrap("get-stdout", |g: Guest<'_>, (): ()| handle::<OutputStream>(g, 1))
        }
        "wasi:cli/stderr" => {
            |i| i.func_wrap("get-stderr", |g: Guest<'_>, (): ()| handle::<OutputStream>(g, 2))
        }
        "wasi:cli/terminal-stdin" => |i| no_terminal::<TerminalInput>(i, "get-terminal-stdin"),
        "wasi:cli/terminal-stdout" => |i| no_terminal::<TerminalOutput>(i, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => |i| no_terminal::<TerminalOutput>(i, "get-terminal-stderr"),
        "wasi:clocks/monotonic-clock" => monotonic_clock,
        "wasi:clocks/wall-clock" => wall_clock,
        "wasi:random/random" => |i| random(i, "get-random-bytes", "get-random-u64"),
        "wasi:random/insecure" => {
            |i| random(i, "get-insecure-random-bytes", "get-insecure-random-u64")
        }
        "wasi:random/insecure-seed" => |i| {
            i.func_wrap("insecure-seed", |mut g: Guest<'_>, (): ()| {
                charge(&mut g, 16 * (1 + RANDOM_FUEL))?;
                Ok(((random_u64(&mut g), random_u64(&mut g)),))
            })
        },
        "wasi:filesystem/preopens" => |i| {
            i.func_wrap("get-directories", |mut g: Guest<'_>, (): ()| {
                charge(&mut g, 0)?;
                Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
            })
        },
        _ => return Ok(()),
    };
    define(&mut linker.instance(name)?)
}

/// Takes fuel for a call and `more`, or ends the guest as running out of fuel would.
fn charge(guest: &mut Guest<'_>, more: u64) -> wasmtime::Result<()> {
    let left = guest.get_fuel()?.checked_sub(CALL_FUEL.saturating_add(more));
    guest.set_fuel(left.unwrap_or(0))?;
    match left {
        Some(left) => Ok(guest.data_mut().look_at_clock(left)?),
        None => Err(Stop::Limit(LimitKind::Fuel, guest.data().limits.fuel).into()),
    }
}

/// A handle to one of the three streams.
fn handle<T: 'static>(mut guest: Guest<'_>, rep: u32) -> wasmtime::Result<(Resource<T>,)> {
    charge(&mut guest, 0)?;
    Ok((Resource::new_own(rep),))
}

/// Defines a resource that interfaces share, each under its one name.
///
/// # Errors
/// Wasmtime's.
pub(super) fn define_resource(instance: &mut Instance<'_>, name: &str) -> wasmtime::Result<()> {
    let ty = match name {
        "error" => ResourceType::host::<IoError>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => return Ok(()),
    };
    instance.resource(name, ty, |_, _| Ok(()))
}

fn no_terminal<T: 'static>(instance: &mut Instance<'_>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(name, |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((None::<Resource<T>>,))
    })
}

fn io_error(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]error.to-debug-string",
        |mut g: Guest<'_>, (_,): (Resource<IoError>,)| {
            charge(&mut g, 0)?;
            Ok((String::from("no operation fails here"),))
        },
    )
}

/// A pollable's number is when it is due on the guest's clock, in microseconds, rounded up; zero
/// is always due.
fn poll(instance: &mut Instance<'_>) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]pollable.ready",
        |mut g: Guest<'_>, (p,): (Resource<Pollable>,)| {
            charge(&mut g, 0)?;
            Ok((due_ns(&p) <= g.data_mut().monotonic_ns(),))
        },
    )?;
    instance.func_wrap(
        "[method]pollable.block",
        |mut g: Guest<'_>, (p,): (Resource<Pollable>,)| {
            charge(&mut g, 0)?;
            sleep_until(&mut g, due_ns(&p));
            Ok(())
        },
    )?;
    instance.func_wrap("poll", |mut g: Guest<'_>, (list,): (Vec<Resource<Pollable>>,)| {
        charge(&mut g, 8 * list.len() as u64)?;
        let first = list.iter().map(due_ns).min();
        let first = first.ok_or_else(|| wasmtime::Error::msg("poll of an empty list"))?;
        sleep_until(&mut g, first);
        let now = g.data_mut().monotonic_ns();
        let due = (0..).zip(&list).filter(|(_, p)| due_ns(p) <= now);
        Ok((due.map(|(at, _)| at).collect::<Vec<u32>>(),))
    })
}

fn due_ns(pollable: &Resource<Pollable>) -> u64 {
    u64::from(pollable.rep()).saturating_mul(1_000)
}

fn pollable(due_ns: u64) -> Resource<Pollable> {
    Resource::new_own(u32::try_from(due_ns.div_ceil(1_000)).unwrap_or(u32::MAX))
}

fn sleep_until(guest: &mut Guest<'_>, due_ns: u64) {
    let now = guest.data_mut().monotonic_ns();
    guest.data_mut().sleep_ns(due_ns.saturating_sub(now));
}

type In = Resource<InputStream>;
type Out = Resource<OutputStream>;

fn streams(i: &mut Instance<'_>) -> wasmtime::Result<()> {
    // Its input comes as an argument: stdin is at its end.
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        i.func_wrap(name, |mut g: Guest<'_>, (_, _): (In, u64)| {
            charge(&mut g, 0)?;
            Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        i.func_wrap(name, |mut g: Guest<'_>, (_, _): (In, u64)| {
            charge(&mut g, 0)?;
            Ok((Streamed::<u64>::Err(StreamError::Closed),))
        })?;
    }
    i.func_wrap("[method]input-stream.subscribe", |mut g: Guest<'_>, (_,): (In,)| {
        charge(&mut g, 0)?;
        Ok((pollable(0),))
    })?;
    i.func_wrap("[method]output-stream.subscribe", |mut g: Guest<'_>, (_,): (Out,)| {
        charge(&mut g, 0)?;
        Ok((pollable(0),))
    })?;
    i.func_wrap("[method]output-stream.check-write", |mut g: Guest<'_>, (_,): (Out,)| {
        charge(&mut g, 0)?;
        Ok((Streamed::Ok(WRITE_BYTES),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        i.func_wrap(name, |mut g: Guest<'_>, (_, bytes): (Out, Vec<u8>)| {
            charge(&mut g, bytes.len() as u64)?;
            g.data_mut().write_stderr(&bytes);
            Ok((Streamed::Ok(()),))
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        i.func_wrap(name, |mut g: Guest<'_>, (_,): (Out,)| {
            charge(&mut g, 0)?;
            Ok((Streamed::Ok(()),))
        })?;
    }
    Ok(())
}

fn environment(i: &mut Instance<'_>) -> wasmtime::Result<()> {
    i.func_wrap("get-environment", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((Vec::<(String, String)>::new(),))
    })?;
    i.func_wrap("get-arguments", |mut g: Guest<'_>, (): ()| {
        let args = g.data().args.iter().map(|arg| arg.split_last().map_or(&[][..], |(_, a)| a));
        let args = args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect::<Vec<_>>();
        charge(&mut g, args.iter().map(String::len).sum::<usize>() as u64)?;
        Ok((args,))
    })?;
    i.func_wrap("initial-cwd", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((None::<String>,))
    })
}

fn exit(i: &mut Instance<'_>) -> wasmtime::Result<()> {
    i.func_wrap("exit", |_: Guest<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        Err(Stop::Exit(status.is_err().into()).into())
    })?;
    i.func_wrap("exit-with-code", |_: Guest<'_>, (code,): (u8,)| -> wasmtime::Result<()> {
        Err(Stop::Exit(code.into()).into())
    })
}

fn monotonic_clock(i: &mut Instance<'_>) -> wasmtime::Result<()> {
    i.func_wrap("now", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((g.data_mut().monotonic_ns(),))
    })?;
    i.func_wrap("resolution", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((1_000u64,))
    })?;
    i.func_wrap("subscribe-instant", |mut g: Guest<'_>, (due,): (u64,)| {
        charge(&mut g, 0)?;
        Ok((pollable(due),))
    })?;
    i.func_wrap("subscribe-duration", |mut g: Guest<'_>, (ns,): (u64,)| {
        charge(&mut g, 0)?;
        let now = g.data_mut().monotonic_ns();
        Ok((pollable(now.saturating_add(ns)),))
    })
}

fn wall_clock(i: &mut Instance<'_>) -> wasmtime::Result<()> {
    i.func_wrap("now", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        let ns = g.data_mut().realtime_ns();
        let nanoseconds = (ns % 1_000_000_000) as u32;
        Ok((Datetime { seconds: ns / 1_000_000_000, nanoseconds },))
    })?;
    i.func_wrap("resolution", |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 0)?;
        Ok((Datetime { seconds: 0, nanoseconds: 1_000 },))
    })
}

fn random(i: &mut Instance<'_>, bytes: &str, word: &str) -> wasmtime::Result<()> {
    i.func_wrap(bytes, |mut g: Guest<'_>, (length,): (u64,)| {
        charge(&mut g, length.saturating_mul(1 + RANDOM_FUEL))?;
        // More than the guest's memory holds can't be handed over.
        let most = g.data().limits.memory_bytes;
        if length > most {
            return Err(Stop::Limit(LimitKind::Memory, length).into());
        }
        let mut bytes = vec![0; length as usize];
        g.data_mut().fill_random(&mut bytes);
        Ok((bytes,))
    })?;
    i.func_wrap(word, |mut g: Guest<'_>, (): ()| {
        charge(&mut g, 8 * (1 + RANDOM_FUEL))?;
        Ok((random_u64(&mut g),))
    })
}

fn random_u64(guest: &mut Guest<'_>) -> u64 {
    let mut bytes = [0; 8];
    guest.data_mut().fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
