//! What a revealed seed shows of a node that did not keep its word.
#![expect(clippy::unwrap_used, reason = "tests")]

use fog_protocol::{
    Address, BlobRef, Durations, Epoch, GuestExit, Hash32, Listing, Nano, Policy, Program,
    PublicKey, Rail, ResourceLimits, commitment_hash, tagged_hash,
};
use fog_verifier::{
    AuditBasis, Evidence, EvidenceError, Finding,
    audit::{Breach, Due, Revealed},
    draw, merkle,
};

const SEED: Hash32 = Hash32([1; 32]);
const NONCE: Hash32 = Hash32([2; 32]);
const RATE_PPM: u32 = 200_000;

fn epoch() -> Epoch {
    let (seed_hash, previous) = (draw::seed_hash(&SEED), Hash32([8; 32]));
    Epoch { node: Hash32([9; 32]), number: 4, seed_hash, previous, from: 400, to: 500 }
}

fn listing(number: u32) -> Listing {
    Listing {
        version: Listing::VERSION,
        network: -3,
        market: Address::basechain([2; 32]),
        operator: Address::basechain([3; 32]),
        requestor: Address::basechain([4; 32]),
        requestor_key: PublicKey(Hash32([5; 32])),
        program: Program::Wasi { module: BlobRef::of(b"a module") },
        input: BlobRef::of(b"an input"),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: RATE_PPM },
        durations: Durations::default(),
        nonce_hash: draw::nonce_hash(&NONCE),
        salt: tagged_hash("fog/test/v1", &[&number.to_le_bytes()]),
        rail: Rail::Escrow,
        epoch: None,
    }
    .with_epoch(epoch().named())
}

/// What an honest node shows of task `number`.
fn honest(number: u32) -> (Listing, Evidence) {
    let (listing, worker, salt) = (listing(number), Address::basechain([1; 32]), Hash32([6; 32]));
    let (exit, fuel_used) = (GuestExit::Success, 7);
    let result_root = merkle::result_root(exit, b"a result");
    let task = listing.id();
    let commitment = commitment_hash(&task, &worker, &result_root, fuel_used, &salt);
    let (seed, nonce) = (SEED, NONCE);
    let (basis, finding) = match draw::is_drawn(&SEED, &NONCE, &task, &commitment, RATE_PPM) {
        true => (
            AuditBasis::Drawn { seed, nonce },
            Finding::Replayed { exit, result_root, fuel_used, runs: 1 },
        ),
        false => (AuditBasis::NotDrawn { seed, nonce }, Finding::NotChecked),
    };
    let evidence = Evidence {
        task,
        worker,
        commitment,
        exit,
        result_root,
        output_hash: Hash32::of(b"a result"),
        output_bytes: 8,
        fuel_used,
        salt,
        basis,
        rate_ppm: RATE_PPM,
        finding,
    };
    (listing, evidence)
}

/// An honest one that the draw chose, and one that it left out.
fn both() -> [(Listing, Evidence); 2] {
    [true, false].map(|drawn| {
        (0..100).map(honest).find(|(_, evidence)| evidence.basis.is_audit() == drawn).unwrap()
    })
}

#[test]
fn a_node_that_keeps_its_word_is_found_to() {
    let revealed = Revealed::new(epoch(), SEED).unwrap();
    let [(chosen, drawn), (other, left_out)] = both();
    assert_eq!(revealed.due(&chosen, &drawn), Ok(Due::Drawn));
    assert_eq!(revealed.due(&other, &left_out), Ok(Due::LeftOut));
    for basis in [AuditBasis::Probation, AuditBasis::Flagged, AuditBasis::NonceWithheld] {
        let anyway = Evidence { basis, ..drawn.clone() };
        assert_eq!(revealed.due(&chosen, &anyway), Ok(Due::Anyway));
    }
}

#[test]
fn a_skipped_audit_is_found() {
    let revealed = Revealed::new(epoch(), SEED).unwrap();
    let [(chosen, drawn), (other, left_out)] = both();
    let skipped =
        Evidence { basis: left_out.basis.clone(), finding: Finding::NotChecked, ..drawn.clone() };
    assert_eq!(revealed.due(&chosen, &skipped), Err(Breach::Skipped));
    // At a rate below the listing's it would not have been drawn: the listing's counts.
    let cheaper = Evidence { rate_ppm: 0, ..skipped };
    assert_eq!(revealed.due(&chosen, &cheaper), Err(Breach::Skipped));
    // Looked at by nobody, whatever the reason given.
    for basis in [drawn.basis.clone(), AuditBasis::Probation, AuditBasis::Flagged] {
        let unchecked = Evidence { basis, finding: Finding::NotChecked, ..drawn.clone() };
        assert_eq!(revealed.due(&chosen, &unchecked), Err(EvidenceError::Policy.into()));
    }
    let claimed = Evidence { basis: drawn.basis, finding: drawn.finding, ..left_out };
    assert_eq!(revealed.due(&other, &claimed), Err(Breach::NotDrawn));
}

#[test]
fn a_swapped_seed_is_found() {
    let [(chosen, drawn), _] = both();
    let (task, commitment) = (chosen.id(), drawn.commitment);
    // The node looks for a seed that leaves out what its own drew.
    let kinder = (0..200u32)
        .map(|number| tagged_hash("fog/test/v1", &[&number.to_be_bytes()]))
        .find(|seed| !draw::is_drawn(seed, &NONCE, &task, &commitment, RATE_PPM))
        .unwrap();
    assert_eq!(Revealed::new(epoch(), kinder), Err(Breach::OtherSeed(4)));
    let basis = AuditBasis::NotDrawn { seed: kinder, nonce: NONCE };
    let ground = Evidence { basis, finding: Finding::NotChecked, ..drawn };
    let revealed = Revealed::new(epoch(), SEED).unwrap();
    assert_eq!(revealed.due(&chosen, &ground), Err(Breach::OtherDraw));
    // It shows another epoch of that number: the listing names the first.
    let swapped = Epoch { seed_hash: draw::seed_hash(&kinder), ..epoch() };
    let revealed = Revealed::new(swapped, kinder).unwrap();
    assert_eq!(revealed.due(&chosen, &ground), Err(Breach::OtherEpoch));
    let listing = Listing { version: Listing::VERSION, ..chosen };
    assert_eq!(revealed.due(&listing, &ground), Err(Breach::OtherEpoch));
}

#[test]
fn another_nonce_is_found() {
    let revealed = Revealed::new(epoch(), SEED).unwrap();
    let [(chosen, drawn), _] = both();
    let (task, commitment) = (chosen.id(), drawn.commitment);
    let nonce = (0..200u32)
        .map(|number| tagged_hash("fog/test/v1", &[&number.to_be_bytes()]))
        .find(|nonce| !draw::is_drawn(&SEED, nonce, &task, &commitment, RATE_PPM))
        .unwrap();
    let basis = AuditBasis::NotDrawn { seed: SEED, nonce };
    let ground = Evidence { basis, finding: Finding::NotChecked, ..drawn };
    assert_eq!(revealed.due(&chosen, &ground), Err(EvidenceError::Draw.into()));
}
