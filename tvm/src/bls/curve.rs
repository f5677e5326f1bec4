//! BLS12-381 points over blst's C functions, step by step as the reference calls them.
//!
//! The only unsafe code of this crate. blst's safe interface knows keys and signatures; adding,
//! multiplying and mapping points it offers through C alone.
#![expect(unsafe_code, reason = "blst offers points through its C functions only")]

use blst::*;
use num_bigint::BigInt;

/// Domain separation tag of the signatures TON verifies.
const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Bits of a scalar that blst is told to use; scalars are below the group order, which has 255.
const MULTIEXP_BITS: usize = 256;
/// Bits of a scalar in a single multiplication, as the reference's wrapper passes them.
const MUL_BITS: usize = 255;

/// Why blst refused a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("blst error {0}")]
pub(super) struct PointError(u32);

impl PointError {
    fn check(code: BLST_ERROR) -> Result<(), Self> {
        match code {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            other => Err(Self(other as u32)),
        }
    }
}

/// The order of the groups.
pub(super) fn group_order() -> BigInt {
    BigInt::from_bytes_be(
        num_bigint::Sign::Plus,
        &[
            0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1,
            0xd8, 0x05, 0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff,
            0x00, 0x00, 0x00, 0x01,
        ],
    )
}

/// A scalar reduced by the group order, little end first.
fn scalar_bytes(value: &BigInt) -> [u8; 32] {
    let order = group_order();
    let reduced = ((value % &order) + &order) % &order;
    let (_, bytes) = reduced.to_bytes_le();
    let mut out = [0; 32];
    let len = bytes.len().min(32);
    out[..len].copy_from_slice(&bytes[..len]);
    out
}

/// A group of BLS12-381 with compressed points of `N` bytes.
pub(super) trait Group {
    /// A compressed point.
    type Bytes: Copy + PartialEq;

    /// The neutral element.
    fn zero() -> Self::Bytes;
    /// `a + b`; `b` must lie in the group.
    fn add(a: &Self::Bytes, b: &Self::Bytes) -> Result<Self::Bytes, PointError>;
    /// `a - b`; `a` must lie in the group.
    fn sub(a: &Self::Bytes, b: &Self::Bytes) -> Result<Self::Bytes, PointError>;
    /// `-a`.
    fn neg(a: &Self::Bytes) -> Result<Self::Bytes, PointError>;
    /// `a` times `by`.
    fn mul(a: &Self::Bytes, by: &BigInt) -> Result<Self::Bytes, PointError>;
    /// The sum of all products.
    fn multiexp(terms: &[(Self::Bytes, BigInt)]) -> Result<Self::Bytes, PointError>;
    /// Whether the bytes are a point of the group.
    fn in_group(a: &Self::Bytes) -> bool;
}

/// The first group: points of 48 bytes.
pub(super) struct G1;
/// The second group: points of 96 bytes.
pub(super) struct G2;

macro_rules! group {
    (
        $group:ident, $len:literal, $point:ident, $affine:ident, $decode_affine:ident,
        $deserialize:ident, $from_affine:ident, $compress:ident, $add:ident, $in_group:ident,
        $affine_in_group:ident, $negate:ident, $mult:ident, $scratch:ident, $pippenger:ident
    ) => {
        fn $decode_affine(bytes: &[u8; $len]) -> Result<$affine, PointError> {
            // Without the bit for compression the encoding would have twice as many bytes.
            if bytes[0] & 0x80 == 0 {
                return Err(PointError(BLST_ERROR::BLST_BAD_ENCODING as u32));
            }
            let mut affine = $affine::default();
            // SAFETY: `bytes` has the length of a compressed point, and the bit says it is one.
            PointError::check(unsafe { $deserialize(&mut affine, bytes.as_ptr()) })?;
            Ok(affine)
        }

        impl $group {
            fn decode(bytes: &[u8; $len]) -> Result<$point, PointError> {
                let affine = $decode_affine(bytes)?;
                let mut point = $point::default();
                // SAFETY: both pointers are to live values of their types.
                unsafe { $from_affine(&mut point, &affine) };
                Ok(point)
            }

            fn encode(point: &$point) -> [u8; $len] {
                let mut bytes = [0; $len];
                // SAFETY: `bytes` has room for a compressed point.
                unsafe { $compress(bytes.as_mut_ptr(), point) };
                bytes
            }

            fn aggregate(sum: &mut $point, other: &$affine) -> Result<(), PointError> {
                // SAFETY: pointers to live values; blst allows the sum to be one of the inputs.
                unsafe {
                    if !$affine_in_group(other) {
                        return Err(PointError(BLST_ERROR::BLST_POINT_NOT_IN_GROUP as u32));
                    }
                    $add(sum, sum, other);
                }
                Ok(())
            }
        }

        impl Group for $group {
            type Bytes = [u8; $len];

            fn zero() -> [u8; $len] {
                Self::encode(&$point::default())
            }

            fn add(a: &[u8; $len], b: &[u8; $len]) -> Result<[u8; $len], PointError> {
                let mut sum = Self::decode(a)?;
                Self::aggregate(&mut sum, &$decode_affine(b)?)?;
                Ok(Self::encode(&sum))
            }

            fn sub(a: &[u8; $len], b: &[u8; $len]) -> Result<[u8; $len], PointError> {
                let mut sum = Self::decode(b)?;
                // SAFETY: `sum` is a live point.
                unsafe { $negate(&mut sum, true) };
                Self::aggregate(&mut sum, &$decode_affine(a)?)?;
                Ok(Self::encode(&sum))
            }

            fn neg(a: &[u8; $len]) -> Result<[u8; $len], PointError> {
                let mut point = Self::decode(a)?;
                // SAFETY: `point` is a live point.
                unsafe { $negate(&mut point, true) };
                Ok(Self::encode(&point))
            }

            fn mul(a: &[u8; $len], by: &BigInt) -> Result<[u8; $len], PointError> {
                // The reference does not look at the point then.
                if by.sign() == num_bigint::Sign::NoSign {
                    return Ok(Self::zero());
                }
                let scalar = scalar_bytes(by);
                let mut point = Self::decode(a)?;
                // SAFETY: `scalar` has 256 bits, more than are read; blst allows the product to be
                // the input.
                unsafe { $mult(&mut point, &point, scalar.as_ptr(), MUL_BITS) };
                Ok(Self::encode(&point))
            }

            fn multiexp(terms: &[([u8; $len], BigInt)]) -> Result<[u8; $len], PointError> {
                match terms {
                    [] => return Ok(Self::zero()),
                    [(point, by)] => return Self::mul(point, by),
                    _ => {}
                }
                let mut points = Vec::with_capacity(terms.len());
                let mut scalars = Vec::with_capacity(terms.len());
                for (point, by) in terms {
                    points.push($decode_affine(point)?);
                    scalars.push(scalar_bytes(by));
                }
                // Null at the second place tells blst that the rest follows contiguously.
                let points = [points.as_ptr(), std::ptr::null()];
                let scalars = scalars.iter().map(|scalar| scalar.as_ptr()).collect::<Vec<_>>();
                let mut sum = $point::default();
                // SAFETY: the first pointer is to `terms.len()` contiguous points, which live in
                // the vector shadowed above until the end of this function, as the scalars do; the
                // scratch space has the size blst asks for.
                unsafe {
                    let limbs = $scratch(terms.len()).div_ceil(size_of::<limb_t>());
                    let mut scratch = vec![0 as limb_t; limbs];
                    $pippenger(
                        &mut sum,
                        points.as_ptr(),
                        terms.len(),
                        scalars.as_ptr(),
                        MULTIEXP_BITS,
                        scratch.as_mut_ptr(),
                    );
                }
                Ok(Self::encode(&sum))
            }

            fn in_group(a: &[u8; $len]) -> bool {
                // SAFETY: the point is live.
                Self::decode(a).is_ok_and(|point| unsafe { $in_group(&point) })
            }
        }
    };
}

group!(
    G1,
    48,
    blst_p1,
    blst_p1_affine,
    decode_g1,
    blst_p1_deserialize,
    blst_p1_from_affine,
    blst_p1_compress,
    blst_p1_add_or_double_affine,
    blst_p1_in_g1,
    blst_p1_affine_in_g1,
    blst_p1_cneg,
    blst_p1_mult,
    blst_p1s_mult_pippenger_scratch_sizeof,
    blst_p1s_mult_pippenger
);
group!(
    G2,
    96,
    blst_p2,
    blst_p2_affine,
    decode_g2,
    blst_p2_deserialize,
    blst_p2_from_affine,
    blst_p2_compress,
    blst_p2_add_or_double_affine,
    blst_p2_in_g2,
    blst_p2_affine_in_g2,
    blst_p2_cneg,
    blst_p2_mult,
    blst_p2s_mult_pippenger_scratch_sizeof,
    blst_p2s_mult_pippenger
);

fn field_element(bytes: &[u8; 48]) -> blst_fp {
    let mut element = blst_fp::default();
    // SAFETY: `bytes` has the 48 bytes that are read.
    unsafe { blst_fp_from_bendian(&mut element, bytes.as_ptr()) };
    element
}

/// Maps a field element (big end first, reduced if need be) to the first group.
pub(super) fn map_to_g1(element: &[u8; 48]) -> [u8; 48] {
    let element = field_element(element);
    let mut point = blst_p1::default();
    // SAFETY: the second element may be null.
    unsafe { blst_map_to_g1(&mut point, &element, std::ptr::null()) };
    G1::encode(&point)
}

/// Maps an element of the quadratic field (real part first) to the second group.
pub(super) fn map_to_g2(real: &[u8; 48], imaginary: &[u8; 48]) -> [u8; 96] {
    let element = blst_fp2 { fp: [field_element(real), field_element(imaginary)] };
    let mut point = blst_p2::default();
    // SAFETY: the second element may be null.
    unsafe { blst_map_to_g2(&mut point, &element, std::ptr::null()) };
    G2::encode(&point)
}

fn core_verify(key: &blst_p1_affine, message: &[u8], signature: &blst_p2_affine) -> bool {
    // SAFETY: pointers with their lengths; nothing is appended to the message.
    let code = unsafe {
        blst_core_verify_pk_in_g1(
            key,
            signature,
            true,
            message.as_ptr(),
            message.len(),
            DST.as_ptr(),
            DST.len(),
            std::ptr::null(),
            0,
        )
    };
    code == BLST_ERROR::BLST_SUCCESS
}

fn is_infinite(key: &blst_p1_affine) -> bool {
    // SAFETY: the point is live.
    unsafe { blst_p1_affine_is_inf(key) }
}

/// Whether `signature` is `key`'s of `message`.
pub(super) fn verify(key: &[u8; 48], message: &[u8], signature: &[u8; 96]) -> bool {
    let Ok(key) = decode_g1(key) else { return false };
    if is_infinite(&key) {
        return false;
    }
    decode_g2(signature).is_ok_and(|signature| core_verify(&key, message, &signature))
}

/// The sum of signatures; `None` of nothing.
pub(super) fn aggregate(signatures: &[[u8; 96]]) -> Result<Option<[u8; 96]>, PointError> {
    let Some((first, others)) = signatures.split_first() else { return Ok(None) };
    let mut sum = G2::decode(first)?;
    for other in others {
        G2::aggregate(&mut sum, &decode_g2(other)?)?;
    }
    Ok(Some(G2::encode(&sum)))
}

/// Whether `signature` is the sum of all keys' signatures of one message.
pub(super) fn fast_aggregate_verify(
    keys: &[[u8; 48]],
    message: &[u8],
    signature: &[u8; 96],
) -> bool {
    let mut sum: Option<blst_p1> = None;
    for key in keys {
        let Ok(affine) = decode_g1(key) else { return false };
        if is_infinite(&affine) {
            return false;
        }
        match &mut sum {
            None => {
                let Ok(point) = G1::decode(key) else { return false };
                sum = Some(point);
            }
            Some(sum) => {
                if G1::aggregate(sum, &affine).is_err() {
                    return false;
                }
            }
        }
    }
    let Some(sum) = sum else { return false };
    let mut key = blst_p1_affine::default();
    // SAFETY: both points are live.
    unsafe { blst_p1_to_affine(&mut key, &sum) };
    decode_g2(signature).is_ok_and(|signature| core_verify(&key, message, &signature))
}

/// Whether `signature` is the sum of each key's signature of its own message.
pub(super) fn aggregate_verify(pairs: &[([u8; 48], Vec<u8>)], signature: &[u8; 96]) -> bool {
    if pairs.is_empty() {
        return false;
    }
    let mut pairing = PairingContext::new();
    for (key, message) in pairs {
        let Ok(key) = decode_g1(key) else { return false };
        // SAFETY: the point is live.
        if !unsafe { blst_p1_affine_in_g1(&key) } || is_infinite(&key) {
            return false;
        }
        pairing.aggregate(&key, message);
    }
    pairing.commit();
    let Ok(signature) = decode_g2(signature) else { return false };
    // SAFETY: both values are live.
    let target = unsafe {
        if !blst_p2_affine_in_g2(&signature) {
            return false;
        }
        let mut target = blst_fp12::default();
        blst_aggregated_in_g2(&mut target, &signature);
        target
    };
    pairing.verify(Some(&target))
}

/// Whether the product of the pairings is one.
pub(super) fn pairing(pairs: &[([u8; 48], [u8; 96])]) -> Result<bool, PointError> {
    let mut context = PairingContext::new();
    for (p, q) in pairs {
        let (p, q) = (decode_g1(p)?, decode_g2(q)?);
        context.raw_aggregate(&q, &p);
    }
    context.commit();
    Ok(context.verify(None))
}

/// blst's pairing state, in memory of the size it asks for.
struct PairingContext {
    memory: Vec<u64>,
}

impl PairingContext {
    fn new() -> Self {
        // SAFETY: no arguments.
        let bytes = unsafe { blst_pairing_sizeof() };
        let mut memory = vec![0u64; bytes.div_ceil(8)];
        // SAFETY: the memory is as large as asked for; the tag is static, blst keeps its address.
        unsafe {
            blst_pairing_init(memory.as_mut_ptr().cast(), true, DST.as_ptr(), DST.len());
        }
        Self { memory }
    }

    fn aggregate(&mut self, key: &blst_p1_affine, message: &[u8]) {
        let none = blst_p2_affine::default();
        // The reference ignores the result: what it could refuse has been checked before.
        // SAFETY: the context is initialised, and the pointers go with their lengths.
        let _ = unsafe {
            blst_pairing_aggregate_pk_in_g1(
                self.memory.as_mut_ptr().cast(),
                key,
                &none,
                message.as_ptr(),
                message.len(),
                std::ptr::null(),
                0,
            )
        };
    }

    fn raw_aggregate(&mut self, q: &blst_p2_affine, p: &blst_p1_affine) {
        // SAFETY: the context is initialised and the points are live.
        unsafe { blst_pairing_raw_aggregate(self.memory.as_mut_ptr().cast(), q, p) };
    }

    fn commit(&mut self) {
        // SAFETY: the context is initialised.
        unsafe { blst_pairing_commit(self.memory.as_mut_ptr().cast()) };
    }

    fn verify(&self, target: Option<&blst_fp12>) -> bool {
        let target = target.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the context is committed; the target may be null.
        unsafe { blst_pairing_finalverify(self.memory.as_ptr().cast(), target) }
    }
}
