//! Programs that hit a limit: how far they got is part of the result.

use fog_evidence::Bundle;
use fog_protocol::{
    BlobRef, GuestExit, Hash32, Limit, Listing, Program, ResourceLimits, Tagged as _,
    commitment_hash,
};
use fog_verifier::{AuditBasis, Evidence, Execution, Finding, merkle};

use crate::{FUEL, INPUT, NONCE, Story, epoch, fails, listing_in, sealed, story, worker};

/// A module that asks for 300 MiB, of 256.
pub(crate) const GREEDY: &[u8] = b"a greedy module";

const fn asked(reached: u64) -> GuestExit {
    GuestExit::LimitHit { limit: Limit::MemoryBytes, reached, allowed: 256 << 20 }
}

const RIGHT_END: GuestExit = asked(300 << 20);

pub(crate) fn run() -> Execution {
    Execution { exit: RIGHT_END, output: Vec::new(), fuel_used: FUEL }
}

/// A program that recurses without end, with a stack that its listing lowers.
pub(crate) const DEEP: &[u8] = b"a deep module";
const STACK: u32 = 64 << 10;
const DEEP_END: GuestExit =
    GuestExit::LimitHit { limit: Limit::StackBytes, reached: STACK as u64, allowed: STACK as u64 };

/// What the deep module comes to; `stack_bytes` is what the runner was told.
pub(crate) fn run_deep(stack_bytes: u32) -> Execution {
    let (reached, allowed) = (stack_bytes.into(), stack_bytes.into());
    let exit = GuestExit::LimitHit { limit: Limit::StackBytes, reached, allowed };
    Execution { exit, output: Vec::new(), fuel_used: FUEL }
}

/// What a worker says of the greedy module, and what verifiers that say `found` make of it.
fn told(exit: GuestExit, found: GuestExit) -> Bundle {
    of(GREEDY, ResourceLimits::default(), exit, found)
}

fn of(module: &[u8], limits: ResourceLimits, exit: GuestExit, found: GuestExit) -> Bundle {
    let story = Story { epoch: Some(NONCE), ..story(b"", AuditBasis::Probation) };
    let listing = Listing {
        program: Program::Wasi { module: BlobRef::of(module) },
        limits,
        ..listing_in(&story.policy, None)
    };
    let listing = listing.with_epoch(epoch(&NONCE).value.named());
    let (task, salt) = (listing.id(), Hash32([8; 32]));
    let root = |exit| merkle::result_root(exit, b"");
    let runs = if exit == found { 1 } else { 2 };
    let evidence = Evidence {
        task,
        worker: worker(),
        commitment: commitment_hash(&task, &worker(), &root(exit), FUEL, &salt),
        exit,
        result_root: root(exit),
        output_hash: Hash32::of(b""),
        output_bytes: 0,
        fuel_used: FUEL,
        salt,
        basis: story.basis.clone(),
        rate_ppm: story.rate_ppm,
        finding: Finding::Replayed { exit: found, result_root: root(found), fuel_used: FUEL, runs },
    };
    Bundle {
        program: vec![module.to_vec()],
        input: Some(INPUT.to_vec()),
        output: Some(Vec::new()),
        ..sealed(&story, listing, evidence)
    }
}

fn lower() -> ResourceLimits {
    ResourceLimits { stack_bytes: STACK, ..ResourceLimits::default() }
}

pub(crate) fn kinds() -> Vec<(&'static str, Bundle)> {
    let before = GuestExit::OutOfMemory;
    vec![
        ("a limit hit", told(RIGHT_END, RIGHT_END)),
        ("a limit hit, told without figures", told(before, before)),
        ("another figure", told(asked(299 << 20), RIGHT_END)),
        ("a limit that its listing lowers", of(DEEP, lower(), DEEP_END, DEEP_END)),
    ]
}

#[test]
fn how_far_a_program_got_is_checked() {
    let [right, before, other, lowered] = kinds().try_into().unwrap();
    assert!(lowered.1.evidence.accepts());
    assert_eq!(lowered.1.listing.version, Listing::LIMITS_VERSION);
    // With the usual stack it would not end there.
    assert_eq!(fails(&of(DEEP, ResourceLimits::default(), DEEP_END, DEEP_END)), "result");
    assert!(right.1.evidence.accepts() && before.1.evidence.accepts());
    assert!(!other.1.evidence.accepts());
    let reason = other.1.evidence.reason();
    assert!(
        reason.ends_with(
            "the program ends otherwise: the memory limit was hit: 314572800 of 268435456 bytes, not \
             the memory limit was hit: 313524224 of 268435456 bytes"
        ),
        "{reason}"
    );
    // Verifiers that believe a worker's figure, or call a right one wrong.
    assert_eq!(fails(&told(asked(1), asked(1))), "result");
    assert_eq!(fails(&told(RIGHT_END, asked(1))), "result");
    assert_eq!(fails(&told(GuestExit::OutOfFuel, GuestExit::OutOfFuel)), "result");
    assert_ne!(right.1.evidence.digest(), before.1.evidence.digest());
}
