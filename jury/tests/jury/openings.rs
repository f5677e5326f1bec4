//! A node that has the nonce and a worker of its own, and would like to choose the commitment after
//! the draw: on the account rail no contract says which came first.

use fog_jury::{Answer, Case, Found, Matter, Stage, ringer};
use fog_protocol::{Address, Hash32, Listing, NonceOpening, Policy, Rail, SecretKey, Signed};
use fog_verifier::{AuditBasis, draw};

use super::world::{Reversing, SEED, World, case_of, honest, listing, nonce};

const RATE_PPM: u32 = 500_000;

fn requestor() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

/// A wrong result of a task, with the draw that the seed gives of its commitment: as many as asked
/// for, by the worker's salt.
fn wrong(rail: Rail, salt: u8) -> Case {
    let input = b"the input of a task on the rail";
    let listing =
        Listing { rail, policy: Policy::Replay { rate_ppm: RATE_PPM }, ..listing(1, input) };
    let mut case = case_of(listing, input, Stage::Verdict, |reveal| {
        reveal.output[0] ^= 1;
        reveal.salt = Hash32([salt; 32]);
    });
    let drawn = is_drawn(&case);
    let Matter::Result { basis, rate_ppm, .. } = &mut case.question.matter else { panic!() };
    *rate_ppm = RATE_PPM;
    *basis = match drawn {
        true => AuditBasis::Drawn { seed: SEED, nonce: nonce() },
        false => AuditBasis::NotDrawn { seed: SEED, nonce: nonce() },
    };
    case
}

fn is_drawn(case: &Case) -> bool {
    let (task, commitment) = (case.question.task(), case.question.commitment);
    draw::is_drawn(&SEED, &nonce(), &task, &commitment, RATE_PPM)
}

fn opening(case: &Case) -> NonceOpening {
    let (task, commitment) = (case.question.task(), case.question.commitment);
    NonceOpening { task, commitment, nonce: nonce() }
}

fn with(case: &Case, opening: NonceOpening, by: &SecretKey) -> Case {
    let mut case = case.clone();
    case.question.opening = Some(Box::new(Signed::new(opening, by)));
    case
}

fn ask(world: &World, index: u8, case: &Case) -> String {
    match world.examiner(index, honest()).examine(&case.question, &case.materials) {
        Answer::Signed { found: Found::Accepted, .. } => "accepted".to_owned(),
        Answer::Signed { found: Found::Rejected, .. } => "rejected".to_owned(),
        Answer::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commitment_that_was_exchanged_after_the_nonce_was_opened_is_refused() {
    let world = World::new();
    let rail = Rail::Account { account: Address::basechain([33; 32]) };
    // The commitment that the requestor saw is drawn; another salt's is not, and the node knows.
    let all: Vec<_> = (0..64).map(|salt| wrong(rail, salt)).collect();
    let seen = all.iter().find(|case| is_drawn(case)).unwrap();
    let exchanged = all.iter().find(|case| !is_drawn(case)).unwrap();
    assert_eq!(ask(&world, 0, exchanged), "no_opening");
    assert_eq!(ask(&world, 0, &with(exchanged, opening(seen), &requestor())), "bad_opening");
    // Signed by the node for itself.
    let forged = with(exchanged, opening(exchanged), &SecretKey::from_seed(&[2; 32]));
    assert_eq!(ask(&world, 0, &forged), "bad_opening");
    let mut moved = with(exchanged, opening(seen), &requestor());
    moved.question.opening.as_mut().unwrap().value.commitment = exchanged.question.commitment;
    assert_eq!(ask(&world, 0, &moved), "bad_opening");
    // The truth is found out; what was really left out by the draw is signed.
    assert_eq!(ask(&world, 0, &with(seen, opening(seen), &requestor())), "rejected");
    let honest = with(exchanged, opening(exchanged), &requestor());
    assert_eq!(ask(&world, 1, &honest), "accepted");
}

#[test]
fn where_a_contract_holds_the_commitment_none_is_needed_and_no_wrong_one_taken() {
    let world = World::new();
    let case = (0..64).map(|salt| wrong(Rail::Escrow, salt)).find(is_drawn).unwrap();
    let other = NonceOpening { commitment: Hash32([1; 32]), ..opening(&case) };
    assert_eq!(ask(&world, 0, &with(&case, other, &requestor())), "bad_opening");
    assert_eq!(ask(&world, 0, &case), "rejected");
}

/// The node cannot sign for a requestor: what it plants is another's order.
#[test]
fn planted_results_have_openings_that_hold() {
    let world = World::new();
    let rail = Rail::Account { account: Address::basechain([33; 32]) };
    let real = (0..64).map(|salt| wrong(rail, salt)).find(is_drawn).unwrap();
    let real = with(&real, opening(&real), &requestor());
    for number in 0..20 {
        let random = Hash32::of(&[number]);
        let planted = ringer::forge(&real, &Reversing::default(), &random).unwrap().unwrap();
        let found = match planted.right {
            Found::Accepted => "accepted",
            _ => "rejected",
        };
        assert_eq!(ask(&world, 0, &planted.case), found, "ringer {number}");
    }
}

#[test]
fn without_a_draw_there_is_nothing_to_open() {
    let world = World::new();
    let rail = Rail::Account { account: Address::basechain([33; 32]) };
    let mut case = wrong(rail, 0);
    let Matter::Result { basis, .. } = &mut case.question.matter else { panic!() };
    *basis = AuditBasis::NonceWithheld;
    assert_eq!(ask(&world, 0, &case), "rejected");
}
