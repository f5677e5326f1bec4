//! Field elements as text: exactly one way to write each.

use ark_ff::PrimeField;

use super::malformed::NumberProblem;

/// Digits that surely fit a `u64`.
const CHUNK: usize = 19;

/// Reads a canonical decimal number below the modulus of `F`.
///
/// # Errors
/// A sign, a space, a leading zero, an empty text or a number not below the modulus.
pub(super) fn parse<F: PrimeField>(text: &str) -> Result<F, NumberProblem> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberProblem::NotDecimal);
    }
    if digits.len() > 1 && digits.starts_with(b"0") {
        return Err(NumberProblem::LeadingZero);
    }
    if digits.len() > most_digits::<F>() {
        return Err(NumberProblem::TooLarge);
    }
    let mut number = F::BigInt::default();
    for chunk in digits.chunks(CHUNK) {
        let (mut value, mut scale) = (0_u64, 1_u64);
        for digit in chunk {
            value = value * 10 + u64::from(digit - b'0');
            scale *= 10;
        }
        let mut carry = value;
        for limb in number.as_mut() {
            let wide = u128::from(*limb) * u128::from(scale) + u128::from(carry);
            // Low and high halves: the casts cut exactly there.
            *limb = wide as u64;
            carry = (wide >> 64) as u64;
        }
        if carry != 0 {
            return Err(NumberProblem::TooLarge);
        }
    }
    // `from_bigint` refuses what is not below the modulus.
    F::from_bigint(number).ok_or(NumberProblem::TooLarge)
}

/// Digits of the largest element: its bits times log10(2), rounded up.
const fn most_digits<F: PrimeField>() -> usize {
    F::MODULUS_BIT_SIZE as usize * 30_103 / 100_000 + 1
}

/// Writes an element the way [`parse`] reads it.
pub(super) fn print<F: PrimeField>(element: &F) -> String {
    element.into_bigint().to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use ark_bn254::{Fq, Fr};
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn modulus_is_the_first_number_refused() {
        let r: BigUint = Fr::MODULUS.into();
        assert_eq!(parse::<Fr>(&r.to_string()), Err(NumberProblem::TooLarge));
        assert_eq!(parse::<Fr>(&(r - 1_u32).to_string()).unwrap(), -Fr::from(1));
        let q: BigUint = Fq::MODULUS.into();
        assert_eq!(parse::<Fq>(&q.to_string()), Err(NumberProblem::TooLarge));
        assert_eq!(parse::<Fq>(&(q - 1_u32).to_string()).unwrap(), -Fq::from(1));
    }

    #[test]
    fn only_one_way_to_write_a_number() {
        for text in ["", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "1_0", "١"] {
            assert_eq!(parse::<Fr>(text), Err(NumberProblem::NotDecimal), "{text}");
        }
        assert_eq!(parse::<Fr>("00"), Err(NumberProblem::LeadingZero));
        assert_eq!(parse::<Fr>("01"), Err(NumberProblem::LeadingZero));
        assert_eq!(parse::<Fr>("0"), Ok(Fr::from(0)));
        assert_eq!(parse::<Fr>(&"9".repeat(77)), Err(NumberProblem::TooLarge));
        assert_eq!(parse::<Fr>(&"9".repeat(5000)), Err(NumberProblem::TooLarge));
    }

    proptest! {
        #[test]
        fn agrees_with_num_bigint(text in "[0-9]{1,80}") {
            let r: BigUint = Fr::MODULUS.into();
            let number: BigUint = text.parse().unwrap();
            let canonical = number.to_string() == text && number < r;
            match parse::<Fr>(&text) {
                Ok(element) => {
                    prop_assert!(canonical);
                    prop_assert_eq!(BigUint::from(element.into_bigint()), number);
                    prop_assert_eq!(print(&element), text);
                }
                Err(_) => prop_assert!(!canonical),
            }
        }
    }
}
