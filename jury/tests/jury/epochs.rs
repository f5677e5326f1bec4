//! A node that has a worker of its own, and would like its results not to be looked at.

use std::sync::Arc;

use fog_jury::{Answer, Case, Conduct, Examiner, Found, Juror as _, Matter, Remote, Stage};
use fog_protocol::{Epoch, Hash32, Policy, Signed, Tagged as _, tagged_hash};
use fog_verifier::{AuditBasis, draw};

use super::world::{
    SEED, World, case_of, epoch, honest, key, listing, node_key, nonce, other_node_key, scope,
};

/// One result in two is drawn, so that both kinds are found soon.
const RATE_PPM: u32 = 500_000;

/// A wrong result of a worker that knows its node's seed.
fn wrong(salt: u8) -> Case {
    let input = format!("the input of task {salt}").into_bytes();
    let mut listing = listing(salt, &input);
    listing.policy = Policy::Replay { rate_ppm: RATE_PPM };
    let mut case = case_of(listing, &input, Stage::Verdict, |reveal| reveal.output[0] ^= 1);
    let (task, commitment) = (case.question.task(), case.question.commitment);
    let drawn = draw::is_drawn(&SEED, &nonce(), &task, &commitment, RATE_PPM);
    set(&mut case, drawn, SEED);
    case
}

/// The same with the basis that this seed gives.
fn set(case: &mut Case, drawn: bool, seed: Hash32) {
    let Matter::Result { basis, rate_ppm, .. } = &mut case.question.matter else { panic!() };
    *rate_ppm = RATE_PPM;
    *basis = match drawn {
        true => AuditBasis::Drawn { seed, nonce: nonce() },
        false => AuditBasis::NotDrawn { seed, nonce: nonce() },
    };
}

/// A wrong result that the node's seed draws, and another seed that does not.
fn caught() -> (Case, Hash32) {
    let is_caught = |case: &Case| case.question.seed().is_some() && is_drawn(case, &SEED);
    let case = (0..64).map(wrong).find(is_caught).unwrap();
    let seeds = (0..64u32).map(|number| tagged_hash("fog/test/v1", &[&number.to_le_bytes()]));
    let seed = seeds.into_iter().find(|seed| !is_drawn(&case, seed)).unwrap();
    (case, seed)
}

fn is_drawn(case: &Case, seed: &Hash32) -> bool {
    let (task, commitment) = (case.question.task(), case.question.commitment);
    draw::is_drawn(seed, &nonce(), &task, &commitment, RATE_PPM)
}

fn found(answer: &Answer) -> &str {
    match answer {
        Answer::Signed { found: Found::Accepted, .. } => "accepted",
        Answer::Signed { found: Found::Rejected, .. } => "rejected",
        Answer::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

fn ask(examiner: &Examiner, case: &Case) -> String {
    found(&examiner.examine(&case.question, &case.materials)).to_owned()
}

#[test]
fn a_seed_that_was_found_after_the_commitment_is_refused() {
    let world = World::new();
    let examiner = world.examiner(0, honest());
    let (caught, seed) = caught();
    let mut ground = caught.clone();
    set(&mut ground, false, seed);
    assert_eq!(ask(&examiner, &ground), "other_seed", "the seed of no epoch");
    // An epoch made for it: the listing names another, and has since before the commitment.
    ground.question.epoch = Some(Box::new(epoch(0, &seed, Hash32::default())));
    assert_eq!(ask(&examiner, &ground), "bad_epoch");
    // A listing that names no epoch, with or without one at hand.
    let mut bound_to_nothing = ground.clone();
    bound_to_nothing.question.listing.version = 1;
    assert_eq!(ask(&examiner, &bound_to_nothing), "no_epoch");
    bound_to_nothing.question.listing.epoch = None;
    assert_eq!(ask(&examiner, &bound_to_nothing), "no_epoch");
    let mut unshown = caught.clone();
    unshown.question.epoch = None;
    assert_eq!(ask(&examiner, &unshown), "no_epoch");
    // The truth, last: it is found out.
    assert_eq!(ask(&examiner, &caught), "rejected");
}

#[test]
fn there_is_one_epoch_of_each_number_over_restarts_too() {
    let world = World::new();
    let (caught, seed) = caught();
    assert_eq!(ask(&world.examiner(0, honest()), &caught), "rejected");
    let examiner = world.examiner(0, honest());
    // A second epoch of the same number, which a later listing names, and one that follows that.
    let first = epoch(0, &SEED, Hash32::default());
    let second = epoch(0, &seed, Hash32::default());
    assert_eq!(ask(&examiner, &naming(&second, seed)), "other_epoch");
    let after = |before: &Signed<Epoch>| epoch(1, &seed, before.value.digest());
    assert_eq!(ask(&examiner, &naming(&after(&second), seed)), "other_epoch");
    let answer = ask(&examiner, &naming(&after(&first), seed));
    assert!(["accepted", "rejected"].contains(&answer.as_str()), "{answer}");
    // Another node's, and one that nobody signed.
    let mut others = naming(&after(&first), seed);
    let mut value = after(&first).value;
    value.node.0[0] ^= 1;
    others.question.epoch = Some(Box::new(Signed::new(value, &node_key())));
    assert_eq!(ask(&examiner, &others), "bad_epoch");
    let mut unsigned = naming(&after(&first), seed);
    unsigned.question.epoch.as_mut().unwrap().signature.0[0] ^= 1;
    assert_eq!(ask(&examiner, &unsigned), "bad_epoch");
}

/// A wrong result of a task whose listing names `epoch`, with the draw that its seed gives.
fn naming(epoch: &Signed<Epoch>, seed: Hash32) -> Case {
    let input = b"the input of a later task";
    let mut listing = listing(200, input).with_epoch(epoch.value.named());
    listing.policy = Policy::Replay { rate_ppm: RATE_PPM };
    let mut case = case_of(listing, input, Stage::Verdict, |reveal| reveal.output[0] ^= 1);
    let drawn = is_drawn(&case, &seed);
    set(&mut case, drawn, seed);
    case.question.epoch = Some(Box::new(epoch.clone()));
    case
}

/// A task that was dropped is paid for after its epoch's seed was told: everybody knows the draw.
#[test]
fn a_verdict_that_would_count_long_after_the_epoch_is_not_signed() {
    let world = World::new();
    let examiner = world.examiner(0, honest());
    let (caught, _) = caught();
    let mut late = caught.clone();
    late.question.valid_until = 2_000_000_000 + 4 * 86_400;
    assert_eq!(ask(&examiner, &late), "epoch_told");
    assert_eq!(ask(&examiner, &caught), "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_takes_epochs_of_the_node_that_asks_and_no_others() {
    let world = World::new();
    let service = world.serve(0, honest(), Conduct::Honest).await;
    let ask = async |case: Case| {
        let remote = Remote::new(&service.url(), key(0).public(), scope(), node_key()).unwrap();
        Arc::new(remote).ask(Arc::new(case)).await.unwrap()
    };
    let (caught, _) = caught();
    let mut foreign = caught.clone();
    let value = caught.question.epoch.as_ref().unwrap().value;
    foreign.question.epoch = Some(Box::new(Signed::new(value, &other_node_key())));
    assert_eq!(found(&ask(foreign).await), "bad_epoch");
    assert_eq!(found(&ask(caught).await), "rejected");
}
