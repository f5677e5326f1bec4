//! Where a proof is the verdict: what is paid, and what attackers try. Every attack is made against
//! an assigned task on the real TVM; every one is refused, and no money moves.

use ark_bls12_381::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use ark_ff::{Field as _, PrimeField as _};
use fog_contracts::{
    TaskState,
    proof::{
        Context, Proof, Prove, Statement, VerifyingKey, binding, result_bytes, result_cell,
        result_hash, statement_hash,
    },
    task::{self, ProofRole},
};
use fog_protocol::{Address, Hash32};
use proptest::prelude::*;
use tycho_types::cell::{Cell, CellBuilder};

use crate::{
    alone::{
        GRAM, Kind, QUERY, STRANGER, Word, data, say, speaker, stake_address, state, task_init,
        task_of,
    },
    proving::{
        INPUT, NETWORK, RESULT, Secrets, binding_for, binding_of, g1, g2, number, prove_for,
        scalar, secrets, statement,
    },
    solo::Solo,
};

const NOT_PROVEN: i32 = 117;
const BAD_KEY: i32 = 118;
/// The group's order r, big-endian.
const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

fn assigned() -> Solo {
    task_of(Kind::Proven, TaskState::Assigned)
}

/// A task for this statement, assigned like any other.
fn assigned_for(statement: &Statement) -> Solo {
    let mut init = task_init(1);
    init.terms.proof = ProofRole::Decides(statement.hash().unwrap());
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    for word in [Word::Fund, Word::Opened, Word::Assign, Word::Reserved] {
        assert_eq!(say(&mut solo, word, speaker(word)).exit, 0);
    }
    solo
}

/// Refused: nothing is sent, nothing is stored, the escrow is whole, and whoever is right can still
/// be paid.
fn refused(task: &Solo, body: Cell, codes: &[i32], case: &str) {
    let mut attacked = task.clone();
    let (before, escrowed) = (attacked.stored(), data(&attacked).escrowed);
    let ran = attacked.send(STRANGER, GRAM / 2, body);
    assert!(ran.exit != 0 && (codes.is_empty() || codes.contains(&ran.exit)), "{case}: {ran:?}");
    assert!(ran.sent.is_empty(), "{case}: {ran:?}");
    assert_eq!(attacked.stored(), before, "{case}");
    assert_eq!(data(&attacked).escrowed, escrowed, "{case}");
    assert!(attacked.balance >= escrowed.get(), "{case}");
}

fn refused_message(task: &Solo, prove: &Prove, codes: &[i32], case: &str) {
    refused(task, prove.body(QUERY).unwrap(), codes, case);
}

/// The right message with another proof.
fn with_proof(task: &Solo, proof: Proof) -> Prove {
    Prove { proof, ..prove_for(task.address, stake_address()) }
}

fn right_number(task: &Solo) -> Fr {
    number(&binding_for(task.address, stake_address()))
}

#[test]
fn the_right_proof_is_paid_whoever_sends_it_and_however_it_is_blinded() {
    let secrets = secrets();
    for salt in ["first", "second"] {
        let mut task = assigned();
        let prove = with_proof(&task, secrets.prove(right_number(&task), salt));
        let ran = task.send(STRANGER, Word::Prove.value(), prove.body(QUERY).unwrap());
        assert_eq!((ran.exit, state(&task)), (0, TaskState::Settling), "{salt}");
        let work = data(&task).work.unwrap();
        assert_eq!(work.commitment, result_hash(RESULT).unwrap());
        assert_eq!(work.evidence, binding_for(task.address, stake_address()));
    }
}

#[test]
fn a_proof_counts_once() {
    let mut task = assigned();
    let body = prove_for(task.address, stake_address()).body(QUERY).unwrap();
    assert_eq!(task.send(STRANGER, GRAM / 2, body.clone()).exit, 0);
    assert_eq!(task.send(STRANGER, GRAM / 2, body.clone()).exit, 101);
    assert_eq!(say(&mut task, Word::Settled, stake_address()).exit, 0);
    assert_eq!(task.send(STRANGER, GRAM / 2, body.clone()).exit, 101);
    // Nor does it count where it never was one.
    let judged = task_of(Kind::Judged, TaskState::Assigned);
    refused(&judged, body, &[119], "a task that verifiers judge");
}

#[test]
fn a_proof_for_something_else_is_none() {
    let task = assigned();
    let stake = stake_address();
    let context = Context { network: NETWORK, task: task.address, stake };
    let other = Address::basechain([0x77; 32]);
    let elsewhere = Context { task: other, ..context };
    let for_other_worker = Context { stake: other, ..context };
    let other_network = Context { network: -239, ..context };
    let secrets = secrets();
    for (case, made_for) in [
        ("another task's", binding_of(elsewhere, &INPUT, RESULT)),
        ("another worker's", binding_of(for_other_worker, &INPUT, RESULT)),
        ("another network's", binding_of(other_network, &INPUT, RESULT)),
        ("another input's", binding_of(context, &Hash32([0x34; 32]), RESULT)),
        ("another result's", binding_of(context, &INPUT, b"forty-three")),
    ] {
        let proof = secrets.prove(number(&made_for), "first");
        refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], case);
        // Re-randomised, as anybody can who sees it: another proof of the same.
        let again = secrets.prove(number(&made_for), "second");
        refused_message(&task, &with_proof(&task, again), &[NOT_PROVEN], case);
    }
    // A good proof, with another result than the one it is for.
    let good = prove_for(task.address, stake);
    let result = result_cell(b"forty-three").unwrap();
    refused_message(&task, &Prove { result, ..good }, &[NOT_PROVEN], "a swapped result");
}

/// `x + r` is the same number to the curve as `x`. The contract takes no number from anyone, and
/// its own is shorter than `r`: so there is one form of it, and what a prover makes for the hash
/// before it was shortened, or for any other form, is a proof of something else.
#[test]
fn aliased_inputs_are_another_statement() {
    let task = assigned();
    let order = Hash32(hex::decode(ORDER).unwrap().try_into().unwrap());
    let right = binding_for(task.address, stake_address());
    assert!(right.0 < order.0);
    assert_eq!(right.0[0] & 0xc0, 0, "254 bits");
    let secrets = secrets();
    // The hash as it was, which is above r about half the time and read modulo r by the curve.
    for low_bits in 0_u64..4 {
        let whole = right_number(&task) * Fr::from(4_u64) + Fr::from(low_bits);
        let proof = secrets.prove(whole, "first");
        refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], "the hash unshortened");
    }
    // An input whose commitment is the task's plus r: other bytes, so another statement.
    let aliased = added(&INPUT, &order);
    let context = Context { network: NETWORK, task: task.address, stake: stake_address() };
    let proof = secrets.prove(number(&binding_of(context, &aliased, RESULT)), "first");
    refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], "an aliased input");
    let statement = Statement { input: aliased, ..statement() };
    let named = Prove { statement, ..with_proof(&task, proof) };
    refused_message(&task, &named, &[NOT_PROVEN], "an aliased input in the statement");
}

/// The sum of two big-endian numbers.
fn added(left: &Hash32, right: &Hash32) -> Hash32 {
    let mut sum = [0; 32];
    let mut carry = 0_u16;
    for i in (0..32).rev() {
        carry += u16::from(left.0[i]) + u16::from(right.0[i]);
        sum[i] = carry.to_be_bytes()[1];
        carry >>= 8;
    }
    Hash32(sum)
}

fn bytes<const N: usize>(point: &impl ark_serialize::CanonicalSerialize) -> [u8; N] {
    let mut bytes = Vec::new();
    point.serialize_compressed(&mut bytes).unwrap();
    bytes.try_into().unwrap()
}

/// Points of the curve outside the group of order r: nearly all of them are.
fn outside() -> ([u8; 48], [u8; 96]) {
    let small = |i: u64| Fq::from(i);
    let mut xs = 1..;
    let one = xs
        .find_map(|i| G1Affine::get_point_from_x_unchecked(small(i), false))
        .filter(|point| !point.is_in_correct_subgroup_assuming_on_curve());
    let mut xs = 1..;
    let two = xs
        .find_map(|i| G2Affine::get_point_from_x_unchecked(Fq2::new(small(i), small(1)), false))
        .filter(|point| !point.is_in_correct_subgroup_assuming_on_curve());
    (bytes(&one.unwrap()), bytes(&two.unwrap()))
}

/// Coordinates for which the curve has no point.
fn off_the_curve() -> ([u8; 48], [u8; 96]) {
    let mut small = 1_u8..;
    let one = small.find(|i| G1Affine::get_point_from_x_unchecked(Fq::from(*i), false).is_none());
    let mut g1 = [0; 48];
    (g1[0], g1[47]) = (0x80, one.unwrap());
    let x = |i: u8| Fq2::new(Fq::from(i), Fq::from(0_u8));
    let mut small = 1_u8..;
    let two = small.find(|i| G2Affine::get_point_from_x_unchecked(x(*i), false).is_none());
    let mut g2 = [0; 96];
    (g2[0], g2[95]) = (0x80, two.unwrap());
    (g1, g2)
}

fn infinity<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes[0] = 0xc0;
    bytes
}

#[test]
fn points_must_be_points_of_the_group() {
    let task = assigned();
    let good = prove_for(task.address, stake_address()).proof;
    let (outside_1, outside_2) = outside();
    let (off_1, off_2) = off_the_curve();
    let mut too_large = [0xff; 48];
    too_large[0] = 0x9f;
    let mut uncompressed = good.a;
    uncompressed[0] &= 0x7f;
    let cases = [
        ("out of the group", outside_1, outside_2, &[NOT_PROVEN][..]),
        ("off the curve", off_1, off_2, &[]),
        ("at infinity", infinity(), infinity(), &[NOT_PROVEN]),
        (
            "with a coordinate above p",
            too_large,
            [too_large, [0; 48]].concat().try_into().unwrap(),
            &[],
        ),
        ("all zero", [0; 48], [0; 96], &[NOT_PROVEN]),
        ("not marked as compressed", uncompressed, [0x13; 96], &[NOT_PROVEN]),
    ];
    for (case, one, two, codes) in cases {
        for (part, proof) in [
            ("A", Proof { a: one, ..good }),
            ("B", Proof { b: two, ..good }),
            ("C", Proof { c: one, ..good }),
            ("all", Proof { a: one, b: two, c: one }),
        ] {
            refused_message(&task, &with_proof(&task, proof), codes, &format!("{part} {case}"));
        }
    }
}

/// A point of the curve, outside the group, that differs from this one by something of another order: r
/// times any point of the curve has the cofactor's.
fn moved_1(point: &[u8; 48]) -> [u8; 48] {
    let torsion: G1Affine = read::<G1Affine>(&outside().0).mul_bigint(Fr::MODULUS).into();
    bytes(&G1Affine::from(read::<G1Affine>(point) + torsion))
}

/// The same in G2.
fn moved_2(point: &[u8; 96]) -> [u8; 96] {
    let torsion: G2Affine = read::<G2Affine>(&outside().1).mul_bigint(Fr::MODULUS).into();
    bytes(&G2Affine::from(read::<G2Affine>(point) + torsion))
}

/// A point outside the group that differs from the right one by something of another order gives
/// the same pairing: without the check it would pass, and one proof would have many forms.
#[test]
fn a_point_that_pairs_alike_is_refused_too() {
    let task = assigned();
    let good = prove_for(task.address, stake_address()).proof;
    for (case, proof) in [
        ("A moved", Proof { a: moved_1(&good.a), ..good }),
        ("B moved", Proof { b: moved_2(&good.b), ..good }),
        ("C moved", Proof { c: moved_1(&good.c), ..good }),
    ] {
        assert_ne!(proof, good);
        refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], case);
    }
}

fn read<T: ark_serialize::CanonicalDeserialize>(bytes: &[u8]) -> T {
    T::deserialize_compressed_unchecked(bytes).unwrap()
}

/// Proofs with a point at infinity that satisfy the equation.
#[test]
fn nothing_is_proven_by_nothing() {
    let task = assigned();
    let (secrets, x) = (secrets(), right_number(&task));
    let zero = Fr::from(0_u64);
    let any = scalar("any");
    let claim = (secrets.ic[0] + x * secrets.ic[1]) * secrets.gamma;
    let a = (secrets.alpha * secrets.beta + claim) * any.inverse().unwrap();
    assert_eq!(secrets.third(x, a, any), zero);
    let c = g1(secrets.third(x, zero, any));
    for (case, proof) in [
        ("C", Proof { a: g1(a), b: g2(any), c: infinity() }),
        ("A", Proof { a: infinity(), b: g2(any), c }),
        ("B", Proof { a: g1(any), b: infinity(), c }),
    ] {
        refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], case);
    }
}

#[test]
fn signs_and_order_matter() {
    let task = assigned();
    let good = prove_for(task.address, stake_address()).proof;
    let flipped = |mut point: [u8; 48]| {
        point[0] ^= 0x20;
        point
    };
    let mut b = good.b;
    b[0] ^= 0x20;
    for (case, proof) in [
        ("-A", Proof { a: flipped(good.a), ..good }),
        ("-B", Proof { b, ..good }),
        ("-C", Proof { c: flipped(good.c), ..good }),
        ("A and C swapped", Proof { a: good.c, c: good.a, ..good }),
    ] {
        refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], case);
    }
    // -A with -B is the same pairing, so the same proof in other clothes: it is paid, once.
    let mut solo = task.clone();
    let both = with_proof(&task, Proof { a: flipped(good.a), b, c: good.c });
    assert_eq!(solo.send(STRANGER, GRAM / 2, both.body(QUERY).unwrap()).exit, 0);
}

/// The prover's own key, or one it knows the secrets of.
#[test]
fn the_key_is_the_terms_key() {
    let task = assigned();
    let right = right_number(&task);
    let mine = Secrets::of("an attacker's");
    let swapped = Statement { key: mine.key(), ..statement() };
    let proof = mine.prove(right, "first");
    let prove = Prove { statement: swapped, ..with_proof(&task, proof) };
    refused_message(&task, &prove, &[NOT_PROVEN], "a key of one's own");
    refused_message(&task, &with_proof(&task, proof), &[NOT_PROVEN], "a proof for another key");
    let mut one_point = statement();
    one_point.key.ic[1] = g1(scalar("another circuit's"));
    let prove = Prove { statement: one_point, ..prove_for(task.address, stake_address()) };
    refused_message(&task, &prove, &[NOT_PROVEN], "one point of another key");
}

/// Keys that would prove anything: here the requestor itself asked for it.
#[test]
fn degenerate_keys_prove_nothing() {
    let good = secrets();
    let key = good.key();
    let negative = |scalar: Fr| -scalar;
    let cases: [(&str, VerifyingKey); 12] = [
        ("gamma = delta", VerifyingKey { delta: key.gamma, ..key }),
        ("gamma = -delta", VerifyingKey { delta: g2(negative(good.gamma)), ..key }),
        ("beta = gamma", VerifyingKey { gamma: key.beta, ..key }),
        ("beta = -gamma", VerifyingKey { gamma: g2(negative(good.beta)), ..key }),
        ("beta = delta", VerifyingKey { delta: key.beta, ..key }),
        ("beta = -delta", VerifyingKey { delta: g2(negative(good.beta)), ..key }),
        ("alpha at infinity", VerifyingKey { alpha: infinity(), ..key }),
        ("beta at infinity", VerifyingKey { beta: infinity(), ..key }),
        ("gamma at infinity", VerifyingKey { gamma: infinity(), ..key }),
        ("delta at infinity", VerifyingKey { delta: infinity(), ..key }),
        ("IC[0] at infinity", VerifyingKey { ic: [infinity(), key.ic[1]], ..key }),
        ("IC[1] at infinity", VerifyingKey { ic: [key.ic[0], infinity()], ..key }),
    ];
    for (case, key) in cases {
        let statement = Statement { input: INPUT, key };
        let task = assigned_for(&statement);
        let right = right_number(&task);
        // With gamma = delta anybody makes A = alpha, B = beta, C = -(IC0 + x IC1).
        let claim = good.ic[0] + right * good.ic[1];
        let forged = Proof { a: key.alpha, b: key.beta, c: g1(-claim) };
        let honest = good.prove(right, "first");
        for proof in [forged, honest] {
            let prove = Prove { statement, ..with_proof(&task, proof) };
            refused_message(&task, &prove, &[BAD_KEY], case);
        }
    }
}

/// That a key's points are in their groups is not looked at on chain. With one off its curve nothing is
/// ever proven; with one out of its group something may be: then it is the assigned worker that is
/// paid, of this task's escrow, as by any proof.
#[test]
fn points_of_a_key_off_the_group_bind_their_own_task_alone() {
    let (good, (off_1, off_2)) = (secrets(), off_the_curve());
    let proven = |key: VerifyingKey| {
        let statement = Statement { input: INPUT, key };
        let task = assigned_for(&statement);
        let proof = good.prove(right_number(&task), "first");
        let prove = Prove { statement, ..with_proof(&task, proof) };
        (task, prove)
    };
    for (case, key) in bent_keys(good.key(), |_| off_1, |_| off_2) {
        let (task, prove) = proven(key);
        refused_message(&task, &prove, &[], &format!("{case} off the curve"));
    }
    for (case, key) in bent_keys(good.key(), moved_1, moved_2) {
        let (mut task, prove) = proven(key);
        // In G1 what is of another order pairs to one; but only a point of the group is added.
        if !matches!(case, "alpha" | "IC[0]") {
            refused_message(&task, &prove, &[], &format!("{case} out of the group"));
            continue;
        }
        let ran = task.send(STRANGER, GRAM / 2, prove.body(QUERY).unwrap());
        assert_eq!(ran.exit, 0, "{case}");
        assert_eq!((ran.sent.len(), ran.sent[0].to), (1, stake_address()), "{case}");
        assert_eq!(state(&task), TaskState::Settling, "{case}");
    }
}

/// Keys of which one point each is another.
fn bent_keys(
    key: VerifyingKey,
    one: impl Fn(&[u8; 48]) -> [u8; 48],
    two: impl Fn(&[u8; 96]) -> [u8; 96],
) -> [(&'static str, VerifyingKey); 6] {
    [
        ("alpha", VerifyingKey { alpha: one(&key.alpha), ..key }),
        ("IC[0]", VerifyingKey { ic: [one(&key.ic[0]), key.ic[1]], ..key }),
        ("IC[1]", VerifyingKey { ic: [key.ic[0], one(&key.ic[1])], ..key }),
        ("beta", VerifyingKey { beta: two(&key.beta), ..key }),
        ("gamma", VerifyingKey { gamma: two(&key.gamma), ..key }),
        ("delta", VerifyingKey { delta: two(&key.delta), ..key }),
    ]
}

/// The forgery above is a real one: it satisfies the equation, and only the key's check stops it.
#[test]
fn the_forgery_for_gamma_equal_to_delta_holds() {
    let good = secrets();
    let degenerate = Secrets { delta: good.gamma, ..good };
    let x = scalar("any statement");
    assert_eq!(
        degenerate.third(x, degenerate.alpha, degenerate.beta),
        -(good.ic[0] + x * good.ic[1])
    );
}

/// A cell with what `change` does to it.
fn bent(cell: &Cell, change: Bend) -> Cell {
    let mut builder = CellBuilder::new();
    let mut slice = cell.as_slice().unwrap();
    match change {
        Bend::Shorter => {
            slice.skip_last(1, 0).unwrap();
            builder.store_slice(slice).unwrap();
        }
        Bend::Longer => {
            builder.store_slice(slice).unwrap();
            builder.store_bit_zero().unwrap();
        }
        Bend::OneMore => {
            builder.store_slice(slice).unwrap();
            builder.store_reference(Cell::default()).unwrap();
        }
        Bend::OneLess => {
            slice.skip_last(0, 1).unwrap();
            builder.store_slice(slice).unwrap();
        }
    }
    builder.build().unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Bend {
    Shorter,
    Longer,
    OneMore,
    OneLess,
}

/// The cell reached by `path`, bent; everything above it rebuilt.
fn bent_at(cell: &Cell, path: &[u8], change: Bend) -> Option<Cell> {
    let Some((first, rest)) = path.split_first() else {
        let slice = cell.as_slice().unwrap();
        let full = match change {
            Bend::OneMore => slice.size_refs() == 4,
            Bend::OneLess => slice.size_refs() == 0,
            Bend::Shorter => slice.size_bits() == 0,
            Bend::Longer => false,
        };
        return (!full).then(|| bent(cell, change));
    };
    let mut builder = CellBuilder::new();
    let mut slice = cell.as_slice().unwrap();
    let bits = slice.load_prefix(slice.size_bits(), 0).unwrap();
    builder.store_slice(bits).unwrap();
    for index in 0..slice.size_refs() {
        let child = slice.load_reference_cloned().unwrap();
        let child = if index == *first { bent_at(&child, rest, change)? } else { child };
        builder.store_reference(child).unwrap();
    }
    Some(builder.build().unwrap())
}

/// Surplus and missing inputs, truncated and extended cells: the layout is the count.
#[test]
fn cells_of_another_shape_are_refused() {
    let task = assigned();
    let body = prove_for(task.address, stake_address()).body(QUERY).unwrap();
    let paths: [(&str, &[u8]); 10] = [
        ("the message", &[]),
        ("the statement", &[0]),
        ("the key", &[0, 0]),
        ("the key's inputs", &[0, 0, 0]),
        ("beta", &[0, 0, 1]),
        ("gamma", &[0, 0, 2]),
        ("delta", &[0, 0, 3]),
        ("the proof", &[1]),
        ("B", &[1, 0]),
        ("the result", &[2]),
    ];
    let mut tried = 0;
    for (what, path) in paths {
        for change in [Bend::Shorter, Bend::Longer, Bend::OneMore, Bend::OneLess] {
            if let Some(bent) = bent_at(&body, path, change) {
                refused(&task, bent, &[], &format!("{what} {change:?}"));
                tried += 1;
            }
        }
    }
    assert!(tried >= 30, "{tried}");
}

/// Keys for no input and for two, and keys laid out wrongly, as the terms' own: no proof is ever
/// one for them.
#[test]
fn keys_for_another_number_of_inputs_prove_nothing() {
    let good = prove_for(assigned().address, stake_address());
    let statement_cell = good.body(QUERY).unwrap().reference_cloned(0).unwrap();
    for (what, path) in [("inputs", &[0_u8, 0][..]), ("beta", &[0, 1]), ("delta", &[0, 3])] {
        for change in [Bend::Shorter, Bend::Longer, Bend::OneMore] {
            let bent = bent_at(&statement_cell, path, change).unwrap();
            refuses_statement(&bent, &format!("{what} {change:?}"));
        }
    }
    // One input point less, one more.
    for points in [1, 3] {
        let mut ic = CellBuilder::new();
        for point in 0..points.min(2) {
            ic.store_raw(&good.statement.key.ic[point], 384).unwrap();
        }
        if points == 3 {
            let mut third = CellBuilder::new();
            third.store_raw(&good.statement.key.ic[1], 384).unwrap();
            ic.store_reference(third.build().unwrap()).unwrap();
        }
        let key = statement_cell.reference_cloned(0).unwrap();
        let mut slice = key.as_slice().unwrap();
        let mut builder = CellBuilder::new();
        builder.store_slice(slice.load_prefix(384, 0).unwrap()).unwrap();
        builder.store_reference(ic.build().unwrap()).unwrap();
        slice.skip_first(0, 1).unwrap();
        builder.store_slice(slice).unwrap();
        let mut statement = CellBuilder::new();
        statement.store_u256(&tycho_types::cell::HashBytes(INPUT.0)).unwrap();
        statement.store_reference(builder.build().unwrap()).unwrap();
        refuses_statement(&statement.build().unwrap(), &format!("{points} input points"));
    }
}

/// A task whose terms name this very cell refuses every proof.
fn refuses_statement(statement: &Cell, case: &str) {
    let mut init = task_init(1);
    init.terms.proof = ProofRole::Decides(Hash32(statement.repr_hash().0));
    let mut task = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    for word in [Word::Fund, Word::Opened, Word::Assign, Word::Reserved] {
        assert_eq!(say(&mut task, word, speaker(word)).exit, 0);
    }
    let body = prove_for(task.address, stake_address()).body(QUERY).unwrap();
    let mut slice = body.as_slice().unwrap();
    let mut builder = CellBuilder::new();
    builder.store_slice(slice.load_prefix(96, 0).unwrap()).unwrap();
    builder.store_reference(statement.clone()).unwrap();
    slice.skip_first(0, 1).unwrap();
    builder.store_slice(slice).unwrap();
    refused(&task, builder.build().unwrap(), &[], case);
    // It ends like any other that nobody does: the requestor gets its money back.
    task.now = data(&task).deadline + 1;
    assert_eq!(say(&mut task, Word::Expire, STRANGER).exit, 0);
}

/// What a circuit has to compute is what the contract computes.
#[test]
fn a_binding_is_made_as_documented() {
    use sha2::{Digest as _, Sha256};
    let context = Hash32([1; 32]);
    let mut cell = Sha256::new();
    cell.update([0, 2 * RESULT.len() as u8]);
    cell.update(RESULT);
    let result: [u8; 32] = cell.finalize().into();
    assert_eq!(result_hash(RESULT).unwrap().0, result);
    let digest: [u8; 32] = Sha256::digest([context.0, INPUT.0, result].concat()).into();
    let whole = num_bigint::BigUint::from_bytes_be(&digest);
    let bound = binding(&context, &INPUT, &Hash32(result));
    assert_eq!(num_bigint::BigUint::from_bytes_be(&bound.0), whole >> 2);
    let key = secrets().key();
    assert_eq!(statement_hash(&INPUT, &key.hash().unwrap()), statement().hash().unwrap());
}

#[test]
fn the_task_code_knows_no_proof_before_its_time() {
    for state in [TaskState::Open, TaskState::Reserving, TaskState::Paid] {
        let task = task_of(Kind::Proven, state);
        let body = prove_for(task.address, stake_address()).body(QUERY).unwrap();
        refused(&task, body, &[101], "not assigned");
    }
}

proptest! {
    /// Any one bit of proof or result changed: refused.
    #[test]
    fn every_bit_of_a_proof_matters(at in 0_usize..(192 + RESULT.len()) * 8) {
        let task = assigned();
        let mut prove = prove_for(task.address, stake_address());
        let mut bytes = prove.proof.to_ark_bytes();
        bytes.extend(RESULT);
        bytes[at / 8] ^= 1 << (at % 8);
        prove.proof = Proof::from_ark_bytes(&bytes[..192]).unwrap();
        prove.result = result_cell(&bytes[192..]).unwrap();
        refused_message(&task, &prove, &[], "one bit");
    }

    #[test]
    fn results_come_back_as_they_were(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let cell = result_cell(&bytes).unwrap();
        prop_assert_eq!(result_bytes(&cell).unwrap(), bytes);
    }

    /// Whatever cells a message holds, reading it gives a `Prove` that makes the same message, or
    /// an error.
    #[test]
    fn any_message_is_read_or_refused(
        path in proptest::collection::vec(0_u8..4, 0..4),
        change in prop_oneof![
            Just(Bend::Shorter), Just(Bend::Longer), Just(Bend::OneMore), Just(Bend::OneLess)
        ],
    ) {
        let good = prove_for(Address::basechain([1; 32]), stake_address());
        let body = good.body(QUERY).unwrap();
        prop_assert_eq!(&Prove::parse(&body).unwrap(), &good);
        if let Some(bent) = bent_at(&body, &path, change)
            && let Ok(read) = Prove::parse(&bent)
        {
            prop_assert_eq!(read.body(QUERY).unwrap(), bent);
        }
    }

    #[test]
    fn any_bytes_are_no_key_or_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        if let Ok(key) = VerifyingKey::from_ark_bytes(&bytes) {
            prop_assert_eq!(key.to_ark_bytes(), bytes.clone());
        }
        if let Ok(proof) = Proof::from_ark_bytes(&bytes) {
            prop_assert_eq!(proof.to_ark_bytes(), bytes);
        }
    }
}

#[test]
fn keys_come_back_as_they_were() {
    let key = secrets().key();
    let mut bytes = key.to_ark_bytes();
    assert_eq!(VerifyingKey::from_ark_bytes(&bytes), Ok(key));
    bytes.push(0);
    assert!(VerifyingKey::from_ark_bytes(&bytes).is_err());
    bytes[336] = 3;
    assert!(VerifyingKey::from_ark_bytes(&bytes).is_err());
    assert_eq!(task::op::PROVE >> 24, u32::from(b'T'));
}
