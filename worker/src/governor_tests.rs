#![expect(clippy::unwrap_used, reason = "tests")]

use fog_protocol::{
    Address, BlobRef, Curve, Durations, Hash32, JettonRate, JettonRates, Policy, PublicInput,
    ResourceLimits, SecretKey, Units,
};
use proptest::prelude::*;

use super::*;

fn governor() -> Governor {
    let limits = WorkerLimits {
        slots: 4,
        parallel: 2,
        max_exposure: Nano::grams(1000),
        max_pledge: Nano::grams(20),
        ..WorkerLimits::default()
    };
    let speed = Speed { fuel_per_second: 100_000_000, proof_seconds: 20 };
    Governor { limits, pricing: Pricing::default(), speed }
}

fn listing() -> Listing {
    let address = Address::basechain([1; 32]);
    Listing {
        version: Listing::VERSION,
        network: -3,
        market: address,
        operator: address,
        requestor: address,
        requestor_key: SecretKey::from_seed(&[1; 32]).public(),
        program: Program::Wasi { module: BlobRef::of(b"module") },
        input: BlobRef::of(b"input"),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy: Policy::Replay { rate_ppm: 50_000 },
        durations: Durations::default(),
        nonce_hash: Hash32([5; 32]),
        epoch: None,
        salt: Hash32([0; 32]),
        rail: fog_protocol::Rail::Escrow,
    }
}

fn consider(listing: &Listing, held: &BTreeMap<TaskId, Held>) -> Result<Offer, Pass> {
    let situation = Situation { held, free_stake: Nano::grams(100) };
    governor().consider(listing, Nano::grams(19), &situation)
}

fn reason(listing: &Listing, held: &BTreeMap<TaskId, Held>) -> PassReason {
    consider(listing, held).unwrap_err().reason
}

fn held(count: u8, item: Held) -> BTreeMap<TaskId, Held> {
    (0..count).map(|i| (TaskId(Hash32([i; 32])), item)).collect()
}

#[test]
fn price_and_reserve_follow_the_fuel() {
    let mut listing = listing();
    let offer = consider(&listing, &BTreeMap::new()).unwrap();
    assert_eq!(offer.price, Nano::new(20_000_000));
    assert_eq!(offer.reserve, Nano::new(380_000_000));
    listing.limits.fuel = 1;
    assert_eq!(consider(&listing, &BTreeMap::new()).unwrap().price, Pricing::default().base);
    // Rounded up: a nano less would reserve too little.
    listing.price_cap = Nano::new(30_000_001);
    let offer = consider(&listing, &BTreeMap::new()).unwrap();
    assert_eq!(offer.reserve, Nano::new(6_333_333_123));
}

fn in_jetton(master: Address, units: u128) -> Listing {
    let rail = fog_protocol::Rail::Jetton { master, units: Units::new(units).unwrap() };
    Listing { rail, version: Listing::JETTON_VERSION, ..listing() }
}

#[test]
fn a_jetton_is_taken_by_its_rate_and_no_other() {
    let (master, other) = (Address::basechain([7; 32]), Address::basechain([8; 32]));
    let units_per_gram = Units::new(3_000_000).unwrap();
    let jettons = JettonRates::new(&[JettonRate { master, units_per_gram }]).unwrap();
    let taking = Governor { pricing: Pricing { jettons, ..Pricing::default() }, ..governor() };
    let none = BTreeMap::new();
    let situation = Situation { held: &none, free_stake: Nano::grams(100) };
    let offer =
        |governor: Governor, listing| governor.consider(&listing, Nano::grams(19), &situation);
    // What is asked in GRAM, 0.02, is worth 60,000 units here, whatever a guarantee says.
    let fair = offer(taking, in_jetton(master, 3_000_000)).unwrap();
    assert_eq!(fair.price, Nano::new(20_000_000));
    let poor = offer(taking, in_jetton(master, 120_001)).unwrap();
    assert_eq!(poor.price, Nano::new(499_995_834));
    let units = |cap: u128, price| Units::new(cap).unwrap().part(price, Nano::grams(1)).get();
    assert_eq!(units(120_001, poor.price), 60_000);
    assert_eq!(units(120_001, poor.price.saturating_sub(Nano::new(1))), 59_999);
    // Without a verdict it gets the guarantee: never less of it than it asks.
    let rich = offer(taking, in_jetton(master, 300_000_000)).unwrap();
    assert_eq!(rich.price, Nano::new(20_000_000));
    let reason = |answer: Result<Offer, Pass>| answer.unwrap_err().reason;
    assert_eq!(reason(offer(taking, in_jetton(master, 59_999))), PassReason::PriceTooLow);
    assert_eq!(reason(offer(taking, in_jetton(other, 3_000_000))), PassReason::Unsupported);
    assert_eq!(reason(offer(governor(), in_jetton(master, 3_000_000))), PassReason::Unsupported);
    let small = Listing { price_cap: Nano::new(19_999_999), ..in_jetton(master, 3_000_000) };
    assert_eq!(reason(offer(taking, small)), PassReason::PriceTooLow);
}

#[test]
fn a_low_cap_is_passed_with_the_price_asked() {
    let mut listing = listing();
    listing.price_cap = Nano::new(19_999_999);
    let pass = consider(&listing, &BTreeMap::new()).unwrap_err();
    assert_eq!((pass.reason, pass.ask), (PassReason::PriceTooLow, Some(Nano::new(20_000_000))));
}

#[test]
fn what_is_too_big_is_passed() {
    let none = BTreeMap::new();
    for change in [
        |l: &mut Listing| l.limits.fuel = u64::MAX,
        |l: &mut Listing| l.limits.memory_bytes = u64::MAX,
        |l: &mut Listing| l.limits.output_bytes = u64::MAX,
        |l: &mut Listing| l.input.bytes = u64::MAX,
        // 10^8 fuel a second, and every sandbox stops after 30 s.
        |l: &mut Listing| l.limits.fuel = 3_000_100_000,
        |l: &mut Listing| {
            l.program = Program::Wasi { module: BlobRef { bytes: u64::MAX, ..l.input } };
        },
    ] {
        let mut listing = listing();
        change(&mut listing);
        assert_eq!(reason(&listing, &none), PassReason::TooBig);
    }
}

#[test]
fn what_cannot_be_finished_is_passed() {
    let none = BTreeMap::new();
    // 10^9 fuel: 10 s measured, 15 s planned, 1 s around it, 15 s for the way.
    let mut listing = listing();
    listing.durations.commit = 30;
    assert_eq!(reason(&listing, &none), PassReason::DeadlineTooShort);
    listing.durations.commit = 31;
    consider(&listing, &none).unwrap();
    // Two slots work; 20 s of other work each push the start by 10 s.
    let load = Load { work_ms: 20_000, within_ms: u64::MAX };
    let working = held(1, Held::Working { reserve: Nano::ZERO, load });
    assert_eq!(reason(&listing, &working), PassReason::DeadlineTooShort);
    listing.durations.commit = 41;
    consider(&listing, &working).unwrap();
}

#[test]
fn a_new_bid_must_not_delay_another() {
    let load = Load { work_ms: 10_000, within_ms: 17_000 };
    let pending = held(1, Held::Pending { reserve: Nano::ZERO, load });
    assert_eq!(reason(&listing(), &pending), PassReason::Busy);
    let load = Load { work_ms: 10_000, within_ms: 18_000 };
    consider(&listing(), &held(1, Held::Pending { reserve: Nano::ZERO, load })).unwrap();
}

#[test]
fn slots_and_stake_are_bounded() {
    let load = Load { work_ms: 0, within_ms: u64::MAX };
    let full = held(4, Held::Pending { reserve: Nano::ZERO, load });
    assert_eq!(reason(&listing(), &full), PassReason::Busy);
    consider(&listing(), &held(200, Held::Done { reserve: Nano::new(1) })).unwrap();
    let at_risk = held(1, Held::Done { reserve: Nano::grams(1000) });
    assert_eq!(reason(&listing(), &at_risk), PassReason::StakeTooSmall);
    let situation = Situation { held: &BTreeMap::new(), free_stake: Nano::new(379_999_999) };
    let pass = governor().consider(&listing(), Nano::grams(19), &situation).unwrap_err();
    assert_eq!(pass.reason, PassReason::StakeTooSmall);
}

#[test]
fn proofs_need_a_price() {
    let blob = BlobRef::of(b"blob");
    let mut listing = listing();
    listing.program = Program::Circom { zkey: blob, witness: blob };
    listing.policy =
        Policy::Groth16 { curve: Curve::Bn254, key: blob, publics: vec![PublicInput::Binding] };
    let mut governor = governor();
    assert_eq!(governor.price(&listing), Pricing::default().proof);
    governor.pricing.proof = None;
    let situation = Situation { held: &BTreeMap::new(), free_stake: Nano::grams(100) };
    let pass = governor.consider(&listing, Nano::grams(1), &situation).unwrap_err();
    assert_eq!(pass.reason, PassReason::Unsupported);
}

#[test]
fn the_breaker_opens_after_failures_in_a_row_and_stays_open_longer() {
    let mut breaker = Breaker::default();
    assert_eq!(breaker.failed(0, 3), None);
    assert_eq!(breaker.failed(0, 3), None);
    breaker.succeeded();
    assert_eq!(breaker.failed(0, 3), None);
    assert_eq!(breaker.failed(0, 3), None);
    assert_eq!(breaker.failed(10, 3), Some(300));
    assert_eq!((breaker.stopped_for(11), breaker.stopped_for(310)), (299, 0));
    assert_eq!(breaker.failed(400, 3), Some(600));
    breaker.succeeded();
    assert_eq!(breaker.failed(500, 3), None);
    for _ in 0..100 {
        assert!(breaker.failed(500, 1).unwrap() <= 6 * 3600);
    }
}

proptest! {
    #[test]
    fn every_listing_is_answered_and_no_bid_breaks_a_limit(
        fuel: u64, memory: u64, output: u64, input: u64, cap: u64, commit: u32,
        reserve: u64, free: u64, pending in 0u8..8, work_ms: u64, within_ms: u64,
    ) {
        let mut listing = listing();
        listing.limits = ResourceLimits {
            fuel,
            memory_bytes: memory,
            output_bytes: output,
            ..ResourceLimits::default()
        };
        listing.input.bytes = input;
        listing.price_cap = Nano::new(cap);
        listing.durations.commit = commit;
        let load = Load { work_ms, within_ms };
        let held = held(pending, Held::Pending { reserve: Nano::new(1), load });
        let governor = governor();
        let situation = Situation { held: &held, free_stake: Nano::new(free) };
        if let Ok(offer) = governor.consider(&listing, Nano::new(reserve), &situation) {
            prop_assert!(offer.price <= listing.price_cap);
            prop_assert!(offer.reserve.get() <= free);
            prop_assert!(pending < 4);
            prop_assert!(fuel <= governor.limits.max_fuel);
            prop_assert!(governor.load(&listing).work_ms <= u64::from(commit) * 1000);
            let exact = u128::from(offer.price.get()) * u128::from(reserve);
            prop_assert!(u128::from(offer.reserve.get()) * u128::from(cap) >= exact);
        }
    }

    /// However the bids fall out, list scheduling in assignment order keeps every deadline.
    #[test]
    fn accepted_work_is_never_late(
        works in proptest::collection::vec((1u64..3_000_000_000, 20u32..300), 1..12),
        order: u64,
    ) {
        let governor = governor();
        let mut held = BTreeMap::new();
        let mut taken = Vec::new();
        for (index, (fuel, commit)) in works.iter().enumerate() {
            let mut listing = listing();
            listing.limits.fuel = *fuel;
            listing.durations.commit = *commit;
            listing.salt = Hash32([index as u8; 32]);
            let situation = Situation { held: &held, free_stake: Nano::MAX };
            if governor.consider(&listing, Nano::new(1), &situation).is_ok() {
                let load = governor.load(&listing);
                held.insert(listing.id(), Held::Pending { reserve: Nano::ZERO, load });
                taken.push(load);
            }
        }
        if !taken.is_empty() {
            let start = order as usize % taken.len();
            taken.rotate_left(start);
        }
        let mut free = [0u64; 2];
        for load in taken {
            let slot = free.iter_mut().min().unwrap();
            *slot += load.work_ms;
            prop_assert!(*slot <= load.within_ms);
        }
    }
}
