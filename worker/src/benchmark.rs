//! How fast this machine runs guests: measured on starting, for the governor.

use std::time::Instant;

use fog_protocol::{
    Address, BlobRef, Hash32, Listing, Nano, Policy, Program, PublicKey, RATE_ONE, ResourceLimits,
};
use fog_verifier::{Execute, Job};

use crate::config::Speed;

/// A module that counts down from 2^24 and ends: `(module (memory (export "memory") 1)
/// (func (export "_start") (local i32) i32.const 16777216 local.set 0 loop local.get 0 i32.const 1
/// i32.sub local.tee 0 br_if 0 end))`, assembled by hand.
#[rustfmt::skip]
const LOOP: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x02, 0x01, 0x00,
    0x05, 0x03, 0x01, 0x00, 0x01,
    0x07, 0x13, 0x02,
    0x06, b'm', b'e', b'm', b'o', b'r', b'y', 0x02, 0x00,
    0x06, b'_', b's', b't', b'a', b'r', b't', 0x00, 0x00,
    0x0a, 0x18, 0x01, 0x16, 0x01, 0x01, 0x7f,
    0x41, 0x80, 0x80, 0x80, 0x08, 0x21, 0x00,
    0x03, 0x40, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b,
];
/// The share of the measured speed that is counted on: other work runs beside, and memory-bound
/// guests are slower than a loop in registers.
const CAUTION: u64 = 8;

/// Measures, or falls back to [`Speed::CAUTIOUS`]. Blocks for a fraction of a second.
pub(crate) fn measure(execute: &dyn Execute, parallel: u16) -> Speed {
    let listing = listing();
    let blobs = [LOOP.to_vec()];
    let worker = Address::basechain([0; 32]);
    let run = || {
        let started = Instant::now();
        let execution = execute.execute(&Job::new(&listing, &blobs, &[], &worker)).ok()?;
        let micros = u64::try_from(started.elapsed().as_micros()).ok()?.max(1);
        Some(execution.fuel_used.saturating_mul(1_000_000) / micros)
    };
    // The first run compiles the module.
    let measured = run().and_then(|_| run());
    let Some(fuel_per_second) = measured else { return Speed::CAUTIOUS };
    let share = CAUTION * u64::from(parallel.max(1)).div_ceil(cores());
    let fuel_per_second = (fuel_per_second / share).max(Speed::CAUTIOUS.fuel_per_second / 10);
    Speed { fuel_per_second, ..Speed::CAUTIOUS }
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn listing() -> Listing {
    let nobody = Address::basechain([0; 32]);
    Listing {
        version: Listing::VERSION,
        network: 0,
        market: nobody,
        operator: nobody,
        requestor: nobody,
        requestor_key: PublicKey(Hash32::default()),
        program: Program::Wasi { module: BlobRef::of(LOOP) },
        input: BlobRef::of(&[]),
        limits: ResourceLimits::default(),
        price_cap: Nano::ZERO,
        policy: Policy::Replay { rate_ppm: RATE_ONE },
        durations: fog_protocol::Durations::default(),
        nonce_hash: Hash32::default(),
        epoch: None,
        salt: Hash32::default(),
        rail: fog_protocol::Rail::Escrow,
    }
}
