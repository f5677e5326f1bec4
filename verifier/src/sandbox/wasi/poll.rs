//! `poll_oneoff`: streams are always ready, sleeps end at once on the guest's own clock.

use super::{
    Call, Errno, Fault, Guest, HostState, charge,
    memory::{self, Memory, array},
};

const SUBSCRIPTION: u32 = 48;
const EVENT: usize = 32;
const MAX_SUBSCRIPTIONS: u32 = 256;
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// One thing a guest waits for.
struct Waited {
    userdata: [u8; 8],
    kind: u8,
    /// Nanoseconds to wait (a clock), or the descriptor.
    value: u64,
}

pub(super) fn poll_oneoff(
    guest: &mut Guest<'_>,
    subscriptions: i32,
    events: i32,
    count: i32,
    out: i32,
) -> Call {
    let count = count.cast_unsigned();
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL.into());
    }
    charge(guest, u64::from(SUBSCRIPTION * count))?;
    let mut memory = Memory::of(guest)?;
    let waited = read(&mut memory, subscriptions, count)?;

    // A ready stream ends the wait before any clock does.
    let streams_ready = waited.iter().any(|w| w.kind != CLOCK);
    let first_alarm = waited.iter().filter(|w| w.kind == CLOCK).map(|w| w.value).min();
    let mut answer = Vec::new();
    for w in &waited {
        let due = if streams_ready { w.kind != CLOCK } else { Some(w.value) == first_alarm };
        if due {
            answer.extend_from_slice(&event(w, memory.state));
        }
    }
    if let (false, Some(ns)) = (streams_ready, first_alarm) {
        memory.state.sleep_ns(ns);
    }
    memory::put(memory.data, events.cast_unsigned(), &answer)?;
    Ok(memory.put_u32(out, (answer.len() / EVENT) as u32)?)
}

fn read(memory: &mut Memory<'_>, at: i32, count: u32) -> Result<Vec<Waited>, Fault> {
    const ABSOLUTE: u16 = 1;
    let list = memory::slice(memory.data, at.cast_unsigned(), count * SUBSCRIPTION)?;
    let mut waited = Vec::with_capacity(count as usize);
    for entry in list.chunks_exact(SUBSCRIPTION as usize) {
        let kind = array::<1>(entry, 8)?[0];
        let value = match kind {
            CLOCK => {
                let timeout = u64::from_le_bytes(array(entry, 24)?);
                let clock = u32::from_le_bytes(array(entry, 16)?);
                let flags = u16::from_le_bytes(array(entry, 40)?);
                let now = match clock {
                    0 => memory.state.realtime_ns(),
                    1..=3 => memory.state.monotonic_ns(),
                    _ => return Err(Errno::INVAL.into()),
                };
                if flags & ABSOLUTE == 0 { timeout } else { timeout.saturating_sub(now) }
            }
            FD_READ | FD_WRITE => u32::from_le_bytes(array(entry, 16)?).into(),
            _ => return Err(Errno::INVAL.into()),
        };
        waited.push(Waited { userdata: array(entry, 0)?, kind, value });
    }
    Ok(waited)
}

fn event(waited: &Waited, state: &HostState) -> [u8; EVENT] {
    let mut event = [0; EVENT];
    event[..8].copy_from_slice(&waited.userdata);
    event[10] = waited.kind;
    let open = |fd: usize| fd < 3 && !state.closed[fd];
    let (errno, ready): (Errno, u64) = match (waited.kind, waited.value as usize) {
        (CLOCK, _) => (Errno(0), 0),
        (FD_READ, 0) if open(0) => (Errno(0), (state.stdin.len() - state.stdin_read) as u64),
        (FD_WRITE, fd @ (1 | 2)) if open(fd) => (Errno(0), 1 << 16),
        _ => (Errno::BADF, 0),
    };
    event[8..10].copy_from_slice(&(errno.0 as u16).to_le_bytes());
    event[16..24].copy_from_slice(&ready.to_le_bytes());
    event
}
