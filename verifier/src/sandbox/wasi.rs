//! WASI preview 1 for a guest that has three streams, a clock, a generator and arguments.
//!
//! Every call costs fuel, so that no guest gets host work for free; every pointer is checked and
//! a bad one is `EFAULT`; what would need files or sockets answers like a process without any.

use wasmtime::{Caller, Extern, FuncType, Linker, Val, ValType};

use super::{
    host::{HostState, Stop},
    outcome::LimitKind,
};

mod memory;
mod poll;
mod signatures;

use memory::{Memory, iovecs};
use signatures::SIGNATURES;
pub(super) use signatures::signature;

/// The only module that guests can import from.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Fuel of any host call.
const CALL_FUEL: u64 = 200;
/// Fuel of a byte from the generator (hashing) on top of its copy.
const RANDOM_FUEL: u64 = 8;

/// Error numbers of WASI preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(i32);

impl Errno {
    const BADF: Self = Self(8);
    const FAULT: Self = Self(21);
    const INVAL: Self = Self(28);
    const NOSYS: Self = Self(52);
    const SPIPE: Self = Self(70);
}

/// Why a host call does not succeed.
pub(super) enum Fault {
    /// The guest is told.
    Errno(Errno),
    /// The guest is ended.
    Stop(wasmtime::Error),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop.into())
    }
}

type Guest<'a> = Caller<'a, HostState>;
type Call = Result<(), Fault>;

/// Defines all of preview 1.
///
/// # Errors
/// Wasmtime's, if a name is defined twice.
pub(super) fn define(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "args_get", |g: Guest<'_>, at: i32, buf: i32| {
        call(g, |g| args_get(g, at, buf))
    })?;
    linker.func_wrap(MODULE, "args_sizes_get", |g: Guest<'_>, n: i32, size: i32| {
        call(g, |g| args_sizes_get(g, n, size))
    })?;
    linker.func_wrap(MODULE, "environ_get", |g: Guest<'_>, _: i32, _: i32| call(g, |_| Ok(())))?;
    linker.func_wrap(MODULE, "environ_sizes_get", |g: Guest<'_>, n: i32, size: i32| {
        call(g, |g| {
            let mut memory = Memory::of(g)?;
            memory.put_u32(n, 0)?;
            Ok(memory.put_u32(size, 0)?)
        })
    })?;
    linker.func_wrap(MODULE, "clock_res_get", |g: Guest<'_>, id: i32, out: i32| {
        call(g, |g| clock_res_get(g, id, out))
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |g: Guest<'_>, id: i32, _: i64, out: i32| {
        call(g, |g| clock_time_get(g, id, out))
    })?;
    linker.func_wrap(MODULE, "random_get", |g: Guest<'_>, buf: i32, len: i32| {
        call(g, |g| random_get(g, buf, len))
    })?;
    linker.func_wrap(MODULE, "sched_yield", |g: Guest<'_>| call(g, |_| Ok(())))?;
    linker.func_wrap(MODULE, "proc_exit", |_: Guest<'_>, code: i32| -> wasmtime::Result<()> {
        Err(Stop::Exit(code.cast_unsigned()).into())
    })?;
    linker.func_wrap(
        MODULE,
        "poll_oneoff",
        |g: Guest<'_>, subs: i32, events: i32, n: i32, out: i32| {
            call(g, |g| poll::poll_oneoff(g, subs, events, n, out))
        },
    )?;
    define_streams(linker)?;
    define_absent(linker)
}

fn define_streams(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_read", |g: Guest<'_>, fd: i32, iovs: i32, n: i32, out: i32| {
        call(g, |g| fd_read(g, fd, iovs, n, out))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |g: Guest<'_>, fd: i32, iovs: i32, n: i32, out: i32| {
            call(g, |g| fd_write(g, fd, iovs, n, out))
        },
    )?;
    linker.func_wrap(MODULE, "fd_close", |g: Guest<'_>, fd: i32| {
        call(g, |g| {
            let fd = open_stream(g, fd)?;
            g.data_mut().closed[fd] = true;
            Ok(())
        })
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |g: Guest<'_>, fd: i32, out: i32| {
        call(g, |g| fd_fdstat_get(g, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |g: Guest<'_>, fd: i32, _: i32| {
        call(g, |g| open_stream(g, fd).map(drop))
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |g: Guest<'_>, fd: i32, out: i32| {
        call(g, |g| {
            open_stream(g, fd)?;
            // All zero: no device, no size, an unknown type, as for a pipe.
            Memory::of(g)?.slice_mut(out, 64)?.fill(0);
            Ok(())
        })
    })?;
    Ok(())
}

/// The rest of preview 1: functions of files and sockets, and there are none.
fn define_absent(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    const PRESENT: &[&str] = &[
        "args_get",
        "args_sizes_get",
        "environ_get",
        "environ_sizes_get",
        "clock_res_get",
        "clock_time_get",
        "random_get",
        "sched_yield",
        "proc_exit",
        "poll_oneoff",
        "fd_read",
        "fd_write",
        "fd_close",
        "fd_fdstat_get",
        "fd_fdstat_set_flags",
        "fd_filestat_get",
    ];
    let engine = linker.engine().clone();
    for (name, params, results) in SIGNATURES.iter().filter(|(n, _, _)| !PRESENT.contains(n)) {
        let ty = FuncType::new(&engine, val_types(params), val_types(results));
        linker.func_new(MODULE, name, ty, move |mut guest, args, results| {
            charge(&mut guest, CALL_FUEL).map_err(stopped)?;
            let fd = args.first().and_then(Val::i32).unwrap_or(-1);
            let errno = if *name == "proc_raise" {
                Errno::NOSYS
            } else if open_stream(&guest, fd).is_err() {
                Errno::BADF
            } else if matches!(*name, "fd_seek" | "fd_tell" | "fd_pread" | "fd_pwrite") {
                Errno::SPIPE
            } else if matches!(*name, "fd_prestat_get" | "fd_prestat_dir_name") {
                Errno::BADF
            } else {
                Errno::INVAL
            };
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno.0);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn val_types(spelled: &str) -> Vec<ValType> {
    spelled.chars().map(|c| if c == 'l' { ValType::I64 } else { ValType::I32 }).collect()
}

/// Charges for the call, makes it, and turns what came out into what the guest sees.
fn call(mut guest: Guest<'_>, body: impl FnOnce(&mut Guest<'_>) -> Call) -> wasmtime::Result<i32> {
    let result = charge(&mut guest, CALL_FUEL).and_then(|()| body(&mut guest));
    match result {
        Ok(()) => Ok(0),
        Err(Fault::Errno(errno)) => Ok(errno.0),
        Err(Fault::Stop(error)) => Err(error),
    }
}

fn stopped(fault: Fault) -> wasmtime::Error {
    match fault {
        Fault::Stop(error) => error,
        Fault::Errno(errno) => wasmtime::Error::msg(format!("errno {}", errno.0)),
    }
}

/// Takes fuel for work of the host, or ends the guest as running out of fuel would.
fn charge(guest: &mut Guest<'_>, fuel: u64) -> Call {
    let left = guest.get_fuel().map_err(Fault::Stop)?;
    let after = left.checked_sub(fuel);
    guest.set_fuel(after.unwrap_or(0)).map_err(Fault::Stop)?;
    match after {
        Some(left) => Ok(guest.data_mut().look_at_clock(left)?),
        None => {
            let limit = guest.data().limits.fuel;
            Err(Stop::Limit(LimitKind::Fuel, limit).into())
        }
    }
}

/// The stream behind a descriptor, if it is one of the three and still open.
fn open_stream(guest: &Guest<'_>, fd: i32) -> Result<usize, Fault> {
    match usize::try_from(fd) {
        Ok(fd) if fd < 3 && !guest.data().closed[fd] => Ok(fd),
        _ => Err(Errno::BADF.into()),
    }
}

fn exported_memory(guest: &mut Guest<'_>) -> Result<wasmtime::Memory, Errno> {
    match guest.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(Errno::FAULT),
    }
}

fn args_sizes_get(guest: &mut Guest<'_>, count: i32, size: i32) -> Call {
    let mut memory = Memory::of(guest)?;
    let args = &memory.state.args;
    let (n, bytes) = (args.len() as u32, args.iter().map(Vec::len).sum::<usize>() as u32);
    memory.put_u32(count, n)?;
    Ok(memory.put_u32(size, bytes)?)
}

fn args_get(guest: &mut Guest<'_>, pointers: i32, buffer: i32) -> Call {
    let bytes: usize = guest.data().args.iter().map(Vec::len).sum();
    charge(guest, bytes as u64)?;
    let Memory { data, state } = &mut Memory::of(guest)?;
    let (mut slot, mut at) = (pointers.cast_unsigned(), buffer.cast_unsigned());
    for arg in &state.args {
        memory::put(data, slot, &at.to_le_bytes())?;
        memory::put(data, at, arg)?;
        slot = slot.checked_add(4).ok_or(Errno::FAULT)?;
        at = at.checked_add(arg.len() as u32).ok_or(Errno::FAULT)?;
    }
    Ok(())
}

fn clock_res_get(guest: &mut Guest<'_>, id: i32, out: i32) -> Call {
    if !(0..=3).contains(&id) {
        return Err(Errno::INVAL.into());
    }
    Ok(Memory::of(guest)?.put_u64(out, 1_000)?)
}

fn clock_time_get(guest: &mut Guest<'_>, id: i32, out: i32) -> Call {
    let mut memory = Memory::of(guest)?;
    let now = match id {
        0 => memory.state.realtime_ns(),
        // Monotonic, and the two of CPU time: one clock for all.
        1..=3 => memory.state.monotonic_ns(),
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(memory.put_u64(out, now)?)
}

fn random_get(guest: &mut Guest<'_>, buffer: i32, length: i32) -> Call {
    let length = length.cast_unsigned();
    // A bad pointer first: nobody pays for bytes that can't be stored.
    Memory::of(guest)?.slice_mut(buffer, length)?;
    charge(guest, u64::from(length) * (1 + RANDOM_FUEL))?;
    let mut memory = Memory::of(guest)?;
    let Memory { data, state } = &mut memory;
    state.fill_random(memory::slice_mut(data, buffer.cast_unsigned(), length)?);
    Ok(())
}

fn fd_read(guest: &mut Guest<'_>, fd: i32, iovs: i32, count: i32, out: i32) -> Call {
    if open_stream(guest, fd)? != 0 {
        return Err(Errno::BADF.into());
    }
    let buffers = iovecs(Memory::of(guest)?.data, iovs, count)?;
    let left = (guest.data().stdin.len() - guest.data().stdin_read) as u64;
    let room: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
    charge(guest, left.min(room) + 8 * buffers.len() as u64)?;

    let mut memory = Memory::of(guest)?;
    memory.slice_mut(out, 4)?;
    let mut read = 0;
    for (at, length) in buffers {
        let Memory { data, state } = &mut memory;
        let source = &state.stdin[state.stdin_read..];
        let take = source.len().min(length as usize);
        memory::put(data, at, &source[..take])?;
        state.stdin_read += take;
        read += take as u32;
    }
    Ok(memory.put_u32(out, read)?)
}

fn fd_write(guest: &mut Guest<'_>, fd: i32, iovs: i32, count: i32, out: i32) -> Call {
    let stream = open_stream(guest, fd)?;
    if stream == 0 {
        return Err(Errno::BADF.into());
    }
    let buffers = iovecs(Memory::of(guest)?.data, iovs, count)?;
    let total: u64 = buffers.iter().map(|(_, length)| u64::from(*length)).sum();
    let total = u32::try_from(total).map_err(|_| Errno::INVAL)?;
    charge(guest, u64::from(total) + 8 * buffers.len() as u64)?;

    let mut memory = Memory::of(guest)?;
    memory.slice_mut(out, 4)?;
    if stream == 1 {
        let after = memory.state.stdout.len() as u64 + u64::from(total);
        if after > memory.state.limits.output_bytes {
            return Err(Stop::Limit(LimitKind::Output, after).into());
        }
    }
    for (at, length) in buffers {
        let Memory { data, state } = &mut memory;
        let bytes = memory::slice(data, at, length)?;
        if stream == 1 {
            state.stdout.extend_from_slice(bytes);
        } else {
            state.write_stderr(bytes);
        }
    }
    Ok(memory.put_u32(out, total)?)
}

fn fd_fdstat_get(guest: &mut Guest<'_>, fd: i32, out: i32) -> Call {
    const READ: u64 = 1 << 1;
    const WRITE: u64 = 1 << 6;
    const POLL: u64 = 1 << 27;
    let stream = open_stream(guest, fd)?;
    let mut stat = [0; 24];
    // An unknown file type, as for a pipe: a terminal would make guests flush each line.
    let rights = POLL | if stream == 0 { READ } else { WRITE };
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    Memory::of(guest)?.slice_mut(out, 24)?.copy_from_slice(&stat);
    Ok(())
}
