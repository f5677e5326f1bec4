//! Receipts of zkVMs, SP1's and RISC Zero's: Groth16 proofs over BN254 that a program ran, whatever
//! program it is, against the keys that the makers publish (`keys/README.md`).
//!
//! A receipt is about two things: the program, named by 32 bytes, and what it made public (SP1: the
//! public values; RISC Zero: the journal). Both are hashed into public inputs here; what the receipt
//! says of itself counts for nothing.
//!
//! ```text
//! SP1 5       selector 4 | A B C 256                      inputs: program, values
//! SP1 6       selector 4 | exit 32 | root 32 | nonce 32 | A B C 256
//!                                                         inputs: program, values, exit, root, nonce
//! RISC Zero   selector 4 | A B C 256                      inputs: root (2), claim (2), control id
//! ```
//! Sources: `sp1-verifier` 6.10 (`groth16/mod.rs`), `RiscZeroGroth16Verifier.sol` and
//! `IRiscZeroVerifier.sol` of `risc0-ethereum`.

use std::sync::LazyLock;

use ark_bn254::{Bn254, Fq, Fr, G1Affine, G2Affine};
use ark_ff::{BigInteger256, PrimeField};
use ark_serialize::CanonicalDeserialize;
use fog_protocol::{Hash32, ZkVm};
use sha2::{Digest as _, Sha256};

use super::curve::{Place, SnarkCurve as _};
use super::desk::Queue;
use super::json::KeyParts;
use super::key::VerifyingKey;
use super::malformed::{Malformed, NumberProblem, Part};
use super::proof::{NotValid, Proof, PublicInputs, Validity};

/// Bytes of A, B and C, uncompressed.
const POINTS: usize = 256;
/// The most a program may make public.
pub const MAX_JOURNAL_BYTES: usize = 16 << 20;

/// SHA-256 of RISC Zero's system state zero: a program that has halted.
const HALTED: [u8; 32] = [
    0xa3, 0xac, 0xc2, 0x71, 0x17, 0x41, 0x89, 0x96, 0x34, 0x0b, 0x84, 0xe5, 0xa9, 0x0f, 0x3e, 0xf4,
    0xc4, 0x9d, 0x22, 0xc7, 0x9e, 0x44, 0xaa, 0xd8, 0x22, 0xec, 0x9c, 0x31, 0x3e, 0x1e, 0xb8, 0xe2,
];
/// `BN254_CONTROL_ID` of `ControlID.sol`, the same in both releases.
const CONTROL_ID: [u8; 32] = [
    0x04, 0x44, 0x6e, 0x66, 0xd3, 0x00, 0xeb, 0x7f, 0xb4, 0x5c, 0x97, 0x26, 0xbb, 0x53, 0xc7, 0x93,
    0xdd, 0xa4, 0x07, 0xa6, 0x2e, 0x96, 0x01, 0x61, 0x8b, 0xb4, 0x3c, 0x5c, 0x14, 0x65, 0x7a, 0xc0,
];

/// What a release fixes.
struct Release {
    /// The first bytes of every receipt.
    selector: [u8; 4],
    /// Which recursion circuits are accepted: SP1's root of their keys, RISC Zero's control root.
    root: Option<[u8; 32]>,
    queue: Result<Queue<Bn254>, Malformed>,
}

impl Release {
    fn of(vm: ZkVm) -> &'static Self {
        static SP1_5: LazyLock<Release> =
            LazyLock::new(|| sp1(include_bytes!("../../keys/sp1-v5.bin"), None));
        static SP1_60: LazyLock<Release> = LazyLock::new(|| {
            let root = "008cd56e10c2fe24795cff1e1d1f40d3a324528d315674da45d26afb376e8670";
            sp1(include_bytes!("../../keys/sp1-v6.0.bin"), Some(root))
        });
        static SP1_61: LazyLock<Release> = LazyLock::new(|| {
            let root = "002f850ee998974d6cc00e50cd0814b098c05bfade466d28573240d057f25352";
            sp1(include_bytes!("../../keys/sp1-v6.1.bin"), Some(root))
        });
        static RISC_ZERO_30: LazyLock<Release> = LazyLock::new(|| {
            let root = "a54dc85ac99f851c92d7c96d7318af41dbe7c0194edfcc37eb4d422a998c1f56";
            risc_zero([0x73, 0xc4, 0x57, 0xba], root)
        });
        static RISC_ZERO_50: LazyLock<Release> = LazyLock::new(|| {
            let root = "b1f64013f70bbb386a8b3a3d63552c5cb5ea4a549ec7fb1ecc2a031dbf488167";
            risc_zero([0xc2, 0x7d, 0x1b, 0xc0], root)
        });
        match vm {
            ZkVm::Sp1V5 => &SP1_5,
            ZkVm::Sp1V60 => &SP1_60,
            ZkVm::Sp1V61 => &SP1_61,
            ZkVm::RiscZeroV30 => &RISC_ZERO_30,
            ZkVm::RiscZeroV50 => &RISC_ZERO_50,
        }
    }
}

fn root_of(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}

fn sp1(key: &[u8], root: Option<&str>) -> Release {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(key));
    let root = root.and_then(root_of);
    Release { selector: [a, b, c, d], root, queue: gnark_key(key).map(Queue::new) }
}

fn risc_zero(selector: [u8; 4], root: &str) -> Release {
    let key = VerifyingKey::from_snarkjs(include_bytes!("../../keys/risc-zero.json"));
    Release { selector, root: root_of(root), queue: key.map(Queue::new) }
}

/// Checks that `program` ran to a good end and made `journal` public.
///
/// # Errors
/// [`Malformed`] for a seal of another release or shape, points that are none, and a program's name
/// that is no field element.
pub fn check_receipt(
    vm: ZkVm,
    program: &Hash32,
    journal: &[u8],
    seal: &[u8],
) -> Result<Validity, Malformed> {
    if journal.len() > MAX_JOURNAL_BYTES {
        let (part, bytes, cap) = (Part::Publics, journal.len(), MAX_JOURNAL_BYTES);
        return Err(Malformed::Size { part, bytes, cap });
    }
    let release = Release::of(vm);
    let rest = seal.strip_prefix(&release.selector).ok_or_else(|| {
        let expected = hex::encode(release.selector);
        let found = hex::encode(&seal[..seal.len().min(4)]);
        refused(format!("it begins with {found}, those of {vm} with {expected}"))
    })?;
    let queue = release.queue.as_ref().map_err(Clone::clone)?;
    match (vm, release.root) {
        (ZkVm::Sp1V5, _) => {
            let inputs = |values| Ok(vec![field("the program", &program.0)?, values]);
            sp1_values(queue, rest, journal, inputs)
        }
        (ZkVm::Sp1V60 | ZkVm::Sp1V61, Some(root)) => {
            sp1_with_root(queue, program, journal, rest, root)
        }
        (ZkVm::RiscZeroV30 | ZkVm::RiscZeroV50, Some(root)) => {
            let [a, b] = halves(&root);
            let [c, d] = halves(&claim(program, journal));
            let inputs = vec![a, b, c, d, field("the control id", &CONTROL_ID)?];
            queue.verify(points(rest)?, PublicInputs::from_elements(inputs))
        }
        (_, None) => Err(refused("this release has no root".to_owned())),
    }
}

/// SP1 6: the exit code must be zero, the root the published one, the nonce anything.
fn sp1_with_root(
    queue: &Queue<Bn254>,
    program: &Hash32,
    journal: &[u8],
    rest: &[u8],
    root: [u8; 32],
) -> Result<Validity, Malformed> {
    let fields = rest.first_chunk::<96>().ok_or_else(|| refused("it is too short".to_owned()))?;
    let part = |at: usize| {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&fields[32 * at..][..32]);
        bytes
    };
    if part(0) != [0; 32] {
        return Ok(Validity::NotValid(NotValid::Input { position: 2 }));
    }
    if part(1) != root {
        return Ok(Validity::NotValid(NotValid::Input { position: 3 }));
    }
    let nonce = field("the nonce", &part(2))?;
    let inputs = |values| {
        let program = field("the program", &program.0)?;
        Ok(vec![program, values, Fr::from(0_u64), field("the root", &root)?, nonce])
    };
    sp1_values(queue, &rest[96..], journal, inputs)
}

/// SP1's programs hash their public values with SHA-256 or, where they say so, with BLAKE3; in both
/// the three top bits are cut off to fit the field.
fn sp1_values(
    queue: &Queue<Bn254>,
    rest: &[u8],
    journal: &[u8],
    inputs: impl Fn(Fr) -> Result<Vec<Fr>, Malformed>,
) -> Result<Validity, Malformed> {
    let proof = points(rest)?;
    let mut found = Validity::NotValid(NotValid::Equation);
    let ways: [fn(&[u8]) -> Hash32; 2] = [
        |values| Hash32(Sha256::digest(values).into()),
        |values| Hash32(*blake3::hash(values).as_bytes()),
    ];
    for way in ways {
        let Hash32(mut hash) = way(journal);
        let [first, ..] = &mut hash;
        *first &= 0x1f;
        let statement = PublicInputs::from_elements(inputs(field("the values", &hash)?)?);
        found = queue.verify(proof.clone(), statement)?;
        if found == Validity::Valid {
            break;
        }
    }
    Ok(found)
}

/// RISC Zero's digest of "this program halted with exit code 0, without assumptions, and this is its
/// journal" (`ReceiptClaimLib.ok`).
fn claim(program: &Hash32, journal: &[u8]) -> [u8; 32] {
    let hash = |parts: &[&[u8]]| -> [u8; 32] {
        parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
    };
    let (none, journal) = ([0; 32], hash(&[journal]));
    let output = hash(&[&hash(&[b"risc0.Output"]), &journal, &none, &2_u16.to_le_bytes()]);
    let exit = [0; 8];
    let tag = hash(&[b"risc0.ReceiptClaim"]);
    hash(&[&tag, &none, &program.0, &HALTED, &output, &exit, &4_u16.to_le_bytes()])
}

/// RISC Zero's circuit takes a digest as two numbers: the halves, each read backwards.
fn halves(digest: &[u8; 32]) -> [Fr; 2] {
    let half = |bytes: &[u8]| Fr::from_le_bytes_mod_order(bytes);
    [half(&digest[..16]), half(&digest[16..])]
}

/// A, B and C as gnark and the Ethereum precompiles write them: big-endian, imaginary parts first.
fn points(bytes: &[u8]) -> Result<Proof, Malformed> {
    if bytes.len() != POINTS {
        return Err(refused(format!("its proof has {} bytes instead of {POINTS}", bytes.len())));
    }
    let mut numbers = [Fq::from(0_u64); 8];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks(32)) {
        *number = field("a coordinate", bytes)?;
    }
    let [ax, ay, bx1, bx0, by1, by0, cx, cy] = numbers;
    Ok(Proof::from_points(ark_groth16::Proof {
        a: placed("A", Bn254::g1(ax, ay))?,
        b: placed("B", Bn254::g2([bx0, bx1], [by0, by1]))?,
        c: placed("C", Bn254::g1(cx, cy))?,
    }))
}

fn placed<P>(at: &str, (point, place): (P, Place)) -> Result<P, Malformed> {
    let part = Part::Proof;
    match place {
        Place::Group => Ok(point),
        Place::Off => Err(Malformed::OffCurve { part, at: at.into() }),
        Place::Outside => Err(Malformed::OffSubgroup { part, at: at.into() }),
    }
}

/// A big-endian number below the modulus.
fn field<F: PrimeField<BigInt = BigInteger256>>(at: &str, bytes: &[u8]) -> Result<F, Malformed> {
    let mut limbs = [0_u64; 4];
    for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.chunks(8)) {
        *limb = bytes.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    F::from_bigint(BigInteger256::new(limbs)).ok_or_else(|| Malformed::Number {
        part: Part::Proof,
        at: at.to_owned(),
        problem: NumberProblem::TooLarge,
    })
}

/// A verifying key as gnark writes it: alpha, (beta in G1), beta, gamma, (delta in G1), delta, the
/// number of IC points and those, all compressed.
fn gnark_key(bytes: &[u8]) -> Result<VerifyingKey, Malformed> {
    let short = || Malformed::Bytes { part: Part::Key, reason: "too short".into() };
    let count = bytes.get(288..292).and_then(|at| at.try_into().ok()).ok_or_else(short)?;
    let points = usize::try_from(u32::from_be_bytes(count)).unwrap_or(usize::MAX);
    let list = bytes.get(292..).unwrap_or_default().chunks_exact(32).take(points);
    if list.len() != points {
        return Err(short());
    }
    VerifyingKey::new(KeyParts {
        alpha: compressed::<G1Affine>(&bytes[..32])?,
        beta: compressed::<G2Affine>(&bytes[64..128])?,
        gamma: compressed::<G2Affine>(&bytes[128..192])?,
        delta: compressed::<G2Affine>(&bytes[224..288])?,
        ic: list.map(compressed::<G1Affine>).collect::<Result<_, _>>()?,
    })
}

/// A point as gnark compresses it. ark writes the same backwards, with another mark for which of the
/// two roots is meant; and it checks the group.
fn compressed<P: CanonicalDeserialize>(bytes: &[u8]) -> Result<P, Malformed> {
    const MARK: u8 = 0b1100_0000;
    let (part, mut bytes) = (Part::Key, bytes.to_vec());
    if let Some(first) = bytes.first_mut() {
        let mark = match *first & MARK {
            0b1000_0000 => 0,
            MARK => 0b1000_0000,
            _ => return Err(Malformed::Identity { part, at: "a point".into() }),
        };
        *first = *first & !MARK | mark;
    }
    bytes.reverse();
    P::deserialize_compressed(bytes.as_slice())
        .map_err(|error| Malformed::Bytes { part, reason: error.to_string() })
}

fn refused(reason: String) -> Malformed {
    Malformed::Seal { reason }
}
