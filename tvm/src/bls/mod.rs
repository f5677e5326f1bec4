//! The BLS12-381 opcodes (`f930xx`), which tycho's VM does not have.
//!
//! Gas, the order of checks and the refusals are the reference's (`crypto/vm/tonops.cpp` and
//! `bls.cpp`): a point that cannot be used throws 11 ("unknown"), a slice that is too short 9.

mod curve;

use num_bigint::BigInt;
use tycho_types::prelude::*;
use tycho_vm::{OpcodeBase, OpcodeExec, OwnedCellSlice, SafeRc, Stack, VmError, VmResult, VmState};

use curve::{G1, G2, Group, PointError};

/// First opcode of the range that belongs to BLS12-381, in 24 bits.
pub const FIRST_OPCODE: u32 = 0x00f9_3000;
/// The opcode after the last one of that range.
pub const END_OPCODE: u32 = 0x00f9_3100;

/// All opcodes of this group with their names.
pub const OPCODES: &[(u32, &str)] = &[
    (0xf93000, "BLS_VERIFY"),
    (0xf93001, "BLS_AGGREGATE"),
    (0xf93002, "BLS_FASTAGGREGATEVERIFY"),
    (0xf93003, "BLS_AGGREGATEVERIFY"),
    (0xf93010, "BLS_G1_ADD"),
    (0xf93011, "BLS_G1_SUB"),
    (0xf93012, "BLS_G1_NEG"),
    (0xf93013, "BLS_G1_MUL"),
    (0xf93014, "BLS_G1_MULTIEXP"),
    (0xf93015, "BLS_G1_ZERO"),
    (0xf93016, "BLS_MAP_TO_G1"),
    (0xf93017, "BLS_G1_INGROUP"),
    (0xf93018, "BLS_G1_ISZERO"),
    (0xf93020, "BLS_G2_ADD"),
    (0xf93021, "BLS_G2_SUB"),
    (0xf93022, "BLS_G2_NEG"),
    (0xf93023, "BLS_G2_MUL"),
    (0xf93024, "BLS_G2_MULTIEXP"),
    (0xf93025, "BLS_G2_ZERO"),
    (0xf93026, "BLS_MAP_TO_G2"),
    (0xf93027, "BLS_G2_INGROUP"),
    (0xf93028, "BLS_G2_ISZERO"),
    (0xf93030, "BLS_PAIRING"),
    (0xf93031, "BLS_PUSHR"),
];

const BITS: u16 = 24;
/// Ten and one for each bit of the opcode.
const OPCODE_GAS: u64 = 10 + BITS as u64;

/// One opcode of the group.
pub(crate) struct BlsOpcode(pub(crate) u32);

impl OpcodeBase for BlsOpcode {
    fn range(&self) -> (u32, u32) {
        (self.0, self.0 + 1)
    }
}

impl OpcodeExec for BlsOpcode {
    fn exec(&self, st: &mut VmState<'_>, opcode: u32, bits: u16) -> VmResult<i32> {
        st.gas.try_consume(OPCODE_GAS)?;
        if bits < BITS {
            return Err(Box::new(VmError::InvalidOpcode));
        }
        st.code.range_mut().skip_first(BITS, 0)?;
        run(st, opcode)?;
        Ok(0)
    }
}

fn run(st: &mut VmState<'_>, opcode: u32) -> VmResult<()> {
    match opcode {
        0xf93000 => verify(st),
        0xf93001 => aggregate(st),
        0xf93002 => fast_aggregate_verify(st),
        0xf93003 => aggregate_verify(st),
        0xf93010 => binary::<G1, 48>(st, 3900, G1::add),
        0xf93011 => binary::<G1, 48>(st, 3900, G1::sub),
        0xf93012 => negate::<G1, 48>(st, 750),
        0xf93013 => multiply::<G1, 48>(st, 5200),
        0xf93014 => multiexp::<G1, 48>(st, [11_375, 630, 8820]),
        0xf93015 => push_bytes(st, &G1::zero()),
        0xf93016 => map_to_g1(st),
        0xf93017 => in_group::<G1, 48>(st, 2950),
        0xf93018 => is_zero::<G1, 48>(st),
        0xf93020 => binary::<G2, 96>(st, 6100, G2::add),
        0xf93021 => binary::<G2, 96>(st, 6100, G2::sub),
        0xf93022 => negate::<G2, 96>(st, 1550),
        0xf93023 => multiply::<G2, 96>(st, 10_550),
        0xf93024 => multiexp::<G2, 96>(st, [30_388, 1280, 22_840]),
        0xf93025 => push_bytes(st, &G2::zero()),
        0xf93026 => map_to_g2(st),
        0xf93027 => in_group::<G2, 96>(st, 4250),
        0xf93028 => is_zero::<G2, 96>(st),
        0xf93030 => pairing(st),
        0xf93031 => stack(st).push_int(curve::group_order()),
        _ => Err(Box::new(VmError::InvalidOpcode)),
    }
}

impl From<PointError> for Box<VmError> {
    fn from(error: PointError) -> Self {
        Box::new(VmError::Unknown(error.to_string()))
    }
}

fn stack<'s>(st: &'s mut VmState<'_>) -> &'s mut Stack {
    SafeRc::make_mut(&mut st.stack)
}

fn require(st: &VmState<'_>, depth: usize) -> VmResult<()> {
    if st.stack.depth() < depth {
        return Err(Box::new(VmError::StackUnderflow(depth)));
    }
    Ok(())
}

/// A count below the current depth, which pays for nothing yet.
fn pop_count(st: &mut VmState<'_>, min: u32, values_each: usize) -> VmResult<u64> {
    let below = st.stack.depth().saturating_sub(1) / values_each;
    let max = u32::try_from(below).unwrap_or(u32::MAX);
    let stack = stack(st);
    // NaN is out of range like any other number that does not fit.
    let Some(value) = stack.pop_int_or_nan()? else {
        return Err(out_of_range(min, max, "NaN"));
    };
    match u32::try_from(&*value) {
        Ok(count) if (min..=max).contains(&count) => Ok(u64::from(count)),
        _ => Err(out_of_range(min, max, &value.to_string())),
    }
}

fn out_of_range(min: u32, max: u32, actual: &str) -> Box<VmError> {
    Box::new(VmError::IntegerOutOfRange {
        min: min as isize,
        max: max as isize,
        actual: actual.to_owned(),
    })
}

fn prefix<const N: usize>(slice: &OwnedCellSlice) -> VmResult<[u8; N]> {
    let mut bytes = [0; N];
    let bits = u16::try_from(N * 8).unwrap_or(u16::MAX);
    slice.apply().get_raw(0, &mut bytes, bits)?;
    Ok(bytes)
}

fn pop_point<const N: usize>(st: &mut VmState<'_>) -> VmResult<[u8; N]> {
    let slice = stack(st).pop_cs()?;
    prefix(&slice)
}

fn message(slice: &OwnedCellSlice) -> VmResult<Vec<u8>> {
    let slice = slice.apply();
    let bits = slice.size_bits();
    if !bits.is_multiple_of(8) {
        return Err(tycho_types::error::Error::CellUnderflow.into());
    }
    let mut bytes = vec![0; usize::from(bits / 8)];
    slice.get_raw(0, &mut bytes, bits)?;
    Ok(bytes)
}

fn pop_message(st: &mut VmState<'_>) -> VmResult<Vec<u8>> {
    let slice = stack(st).pop_cs()?;
    message(&slice)
}

/// Pushes bytes as a slice; the reference takes no gas for the cell.
fn push_bytes(st: &mut VmState<'_>, bytes: &[u8]) -> VmResult<()> {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap_or(u16::MAX))?;
    let cell = builder.build()?;
    stack(st).push(OwnedCellSlice::new_allow_exotic(cell))
}

type Combine<const N: usize> = fn(&[u8; N], &[u8; N]) -> Result<[u8; N], PointError>;

fn binary<G, const N: usize>(st: &mut VmState<'_>, gas: u64, combine: Combine<N>) -> VmResult<()>
where
    G: Group<Bytes = [u8; N]>,
{
    require(st, 2)?;
    st.gas.try_consume(gas)?;
    let b = pop_point(st)?;
    let a = pop_point(st)?;
    push_bytes(st, &combine(&a, &b)?)
}

fn negate<G: Group<Bytes = [u8; N]>, const N: usize>(
    st: &mut VmState<'_>,
    gas: u64,
) -> VmResult<()> {
    st.gas.try_consume(gas)?;
    let a = pop_point(st)?;
    push_bytes(st, &G::neg(&a)?)
}

fn multiply<G: Group<Bytes = [u8; N]>, const N: usize>(
    st: &mut VmState<'_>,
    gas: u64,
) -> VmResult<()> {
    require(st, 2)?;
    st.gas.try_consume(gas)?;
    let by = stack(st).pop_int()?;
    let a = pop_point(st)?;
    push_bytes(st, &G::mul(&a, &by)?)
}

/// What many multiplications cost: base, each, and each over the logarithm of their number.
fn multiexp_gas(count: u64, [base, each, shared]: [u64; 3]) -> u64 {
    let mut log = 4;
    while (1u64 << (log + 1)) <= count {
        log += 1;
    }
    base + count * each + count * shared / log
}

fn multiexp<G: Group<Bytes = [u8; N]>, const N: usize>(
    st: &mut VmState<'_>,
    prices: [u64; 3],
) -> VmResult<()> {
    let count = pop_count(st, 0, 2)?;
    st.gas.try_consume(multiexp_gas(count, prices))?;
    let mut terms = Vec::new();
    for _ in 0..count {
        let by = BigInt::clone(&*stack(st).pop_int()?);
        terms.push((pop_point(st)?, by));
    }
    terms.reverse();
    push_bytes(st, &G::multiexp(&terms)?)
}

fn in_group<G: Group<Bytes = [u8; N]>, const N: usize>(
    st: &mut VmState<'_>,
    gas: u64,
) -> VmResult<()> {
    st.gas.try_consume(gas)?;
    let a = pop_point(st)?;
    stack(st).push_bool(G::in_group(&a))
}

fn is_zero<G: Group<Bytes = [u8; N]>, const N: usize>(st: &mut VmState<'_>) -> VmResult<()> {
    let a: [u8; N] = pop_point(st)?;
    stack(st).push_bool(a == G::zero())
}

fn map_to_g1(st: &mut VmState<'_>) -> VmResult<()> {
    st.gas.try_consume(2350)?;
    let element = pop_point(st)?;
    push_bytes(st, &curve::map_to_g1(&element))
}

fn map_to_g2(st: &mut VmState<'_>) -> VmResult<()> {
    st.gas.try_consume(7950)?;
    let element: [u8; 96] = pop_point(st)?;
    let (mut real, mut imaginary) = ([0; 48], [0; 48]);
    real.copy_from_slice(&element[..48]);
    imaginary.copy_from_slice(&element[48..]);
    push_bytes(st, &curve::map_to_g2(&real, &imaginary))
}

fn verify(st: &mut VmState<'_>) -> VmResult<()> {
    require(st, 3)?;
    st.gas.try_consume(61_000)?;
    let signature = pop_point(st)?;
    let message = pop_message(st)?;
    let key = pop_point(st)?;
    stack(st).push_bool(curve::verify(&key, &message, &signature))
}

fn aggregate(st: &mut VmState<'_>) -> VmResult<()> {
    let count = pop_count(st, 1, 1)?;
    st.gas.try_consume((count * 4350).saturating_sub(2650))?;
    let mut signatures = Vec::new();
    for _ in 0..count {
        signatures.push(pop_point(st)?);
    }
    signatures.reverse();
    let Some(sum) = curve::aggregate(&signatures)? else {
        return Err(Box::new(VmError::Unknown("no signatures".to_owned())));
    };
    push_bytes(st, &sum)
}

fn fast_aggregate_verify(st: &mut VmState<'_>) -> VmResult<()> {
    require(st, 3)?;
    let signature = stack(st).pop_cs()?;
    let text = stack(st).pop_cs()?;
    let count = pop_count(st, 0, 1)?;
    st.gas.try_consume(58_000 + count * 3000)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(pop_point(st)?);
    }
    keys.reverse();
    // The reference's compiler evaluates arguments from the left.
    let text = message(&text)?;
    let signature = prefix(&signature)?;
    stack(st).push_bool(curve::fast_aggregate_verify(&keys, &text, &signature))
}

fn aggregate_verify(st: &mut VmState<'_>) -> VmResult<()> {
    require(st, 2)?;
    let signature = stack(st).pop_cs()?;
    let count = pop_count(st, 0, 2)?;
    st.gas.try_consume(38_500 + count * 22_500)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let text = pop_message(st)?;
        pairs.push((pop_point(st)?, text));
    }
    pairs.reverse();
    let signature = prefix(&signature)?;
    stack(st).push_bool(curve::aggregate_verify(&pairs, &signature))
}

fn pairing(st: &mut VmState<'_>) -> VmResult<()> {
    let count = pop_count(st, 0, 2)?;
    st.gas.try_consume(20_000 + count * 11_800)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let q = pop_point(st)?;
        pairs.push((pop_point(st)?, q));
    }
    pairs.reverse();
    let one = curve::pairing(&pairs)?;
    stack(st).push_bool(one)
}
