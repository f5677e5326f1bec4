//! Programs that hit a limit: how far they got is part of the result.

use fog_evidence::Bundle;
use fog_protocol::{
    BlobRef, GuestExit, Hash32, Limit, Listing, Program, Tagged as _, commitment_hash,
};
use fog_verifier::{AuditBasis, Evidence, Execution, Finding, merkle};

use crate::{FUEL, INPUT, NONCE, Story, fails, listing_in, sealed, story, worker};

/// A module that asks for 300 MiB, of 256.
pub(crate) const GREEDY: &[u8] = b"a greedy module";

const fn asked(reached: u64) -> GuestExit {
    GuestExit::LimitHit { limit: Limit::MemoryBytes, reached, allowed: 256 << 20 }
}

const RIGHT_END: GuestExit = asked(300 << 20);

pub(crate) fn run() -> Execution {
    Execution { exit: RIGHT_END, output: Vec::new(), fuel_used: FUEL }
}

/// What a worker says of the greedy module, and what verifiers that say `found` make of it.
fn told(exit: GuestExit, found: GuestExit) -> Bundle {
    let story = Story { epoch: Some(NONCE), ..story(b"", AuditBasis::Probation) };
    let listing = Listing {
        program: Program::Wasi { module: BlobRef::of(GREEDY) },
        ..listing_in(&story.policy, story.epoch.as_ref())
    };
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
        program: vec![GREEDY.to_vec()],
        input: Some(INPUT.to_vec()),
        output: Some(Vec::new()),
        ..sealed(&story, listing, evidence)
    }
}

pub(crate) fn kinds() -> Vec<(&'static str, Bundle)> {
    let before = GuestExit::OutOfMemory;
    vec![
        ("a limit hit", told(RIGHT_END, RIGHT_END)),
        ("a limit hit, told without figures", told(before, before)),
        ("another figure", told(asked(299 << 20), RIGHT_END)),
    ]
}

#[test]
fn how_far_a_program_got_is_checked() {
    let [right, before, other] = kinds().try_into().unwrap();
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
