//! How much stake a price needs, so that cheating costs more than it earns.
//!
//! With audit rate `p`, detection odds `d` and reserve `S`, the largest price a worker may take is
//! `P_max = S p d / (1 - p d)`: a cheat then gains the price with odds `1 - p d` and loses the
//! reserve with odds `p d`. At p = 5 %, d = 1 the reserve must be 19 times the price.
//! `p d` is exact here: parts per 10^12.
//!
//! The reserve is **linear in the price**: `required_reserve` at a cap, scaled by `price / cap` and
//! rounded up ([`scaled_reserve`]), is never less than `required_reserve` at that price. So a
//! worker needs to know only one number, the reserve at the cap.

use fog_protocol::Nano;

const PPM: u128 = 1_000_000;
const ONE: u128 = PPM * PPM;

/// The odds that a cheat is caught, in parts per 10^12; `None` if they are 0.
fn odds(rate_ppm: u32, detection_ppm: u32) -> Option<u128> {
    let odds = u128::from(rate_ppm).min(PPM) * u128::from(detection_ppm).min(PPM);
    (odds > 0).then_some(odds)
}

/// The largest price that may be taken at a reserve of `stake`, rounded down. Rates are parts per
/// million. [`Nano::MAX`] where every cheat is caught; zero where none is.
#[must_use]
pub fn max_price(stake: Nano, rate_ppm: u32, detection_ppm: u32) -> Nano {
    let Some(odds) = odds(rate_ppm, detection_ppm) else {
        return Nano::ZERO;
    };
    if odds == ONE {
        return Nano::MAX;
    }
    // At most 2^64 * 10^12 < 2^104.
    let price = u128::from(stake.get()) * odds / (ONE - odds);
    u64::try_from(price).map_or(Nano::MAX, Nano::new).min(Nano::MAX)
}

/// The smallest reserve for `price`, rounded up: what the rule asks, and at least `price` times
/// `min_factor_ppm`. `None` where nothing is enough: no cheat would be caught, or the reserve is
/// more than all the coins there are.
#[must_use]
pub fn required_reserve(
    price: Nano,
    rate_ppm: u32,
    detection_ppm: u32,
    min_factor_ppm: u32,
) -> Option<Nano> {
    let odds = odds(rate_ppm, detection_ppm)?;
    let price = u128::from(price.get());
    let rule = (price * (ONE - odds)).div_ceil(odds);
    let floor = (price * u128::from(min_factor_ppm)).div_ceil(PPM);
    let reserve = u64::try_from(rule.max(floor)).ok().map(Nano::new)?;
    (reserve <= Nano::MAX).then_some(reserve)
}

/// The smallest reserve for `price` where a check looks at `samples` drawn chunks of a result, so
/// that no share `f` of wrong chunks pays: it saves `f` of the work, and is found with odds of
/// `q = p d (1 - (1 - f)^samples)`. The reserve `S` must be at least `f P (1 - q) / q` for every `f`.
/// With `g(f) = f / (1 - (1 - f)^samples)`, which is convex, that is `P (g(f) / (p d) - f)`, largest
/// at one end: `P / (p d samples)` for ever smaller shares, `P (1 - p d) / (p d)` (the rule of
/// [`required_reserve`]) where all is wrong. `None` as there.
#[must_use]
pub fn sampled_reserve(
    price: Nano,
    rate_ppm: u32,
    detection_ppm: u32,
    samples: u16,
) -> Option<Nano> {
    let odds = odds(rate_ppm, detection_ppm)?;
    let few = (u128::from(price.get()) * ONE).div_ceil(odds * u128::from(samples.max(1)));
    let few = u64::try_from(few).ok().map(Nano::new)?;
    let all = required_reserve(price, rate_ppm, detection_ppm, 0)?;
    (few <= Nano::MAX).then_some(few.max(all))
}

/// The reserve for `price` when `at_cap` is the reserve for `cap`: `at_cap * price / cap`, rounded
/// up. `None` for a cap of zero, or a result beyond all amounts.
#[must_use]
pub fn scaled_reserve(at_cap: Nano, price: Nano, cap: Nano) -> Option<Nano> {
    at_cap.mul_div_up(price.get(), cap.get())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nineteen_prices_at_five_percent() {
        let reserve = required_reserve(Nano::grams(1), 50_000, 1_000_000, 1_000_000);
        assert_eq!(reserve, Some(Nano::grams(19)));
        assert_eq!(max_price(Nano::grams(19), 50_000, 1_000_000), Nano::grams(1));
    }

    #[test]
    fn where_all_is_checked_the_floor_decides() {
        let reserve = required_reserve(Nano::grams(2), 1_000_000, 1_000_000, 1_500_000);
        assert_eq!(reserve, Some(Nano::grams(3)));
        assert_eq!(max_price(Nano::new(1), 1_000_000, 1_000_000), Nano::MAX);
    }

    #[test]
    fn where_nothing_is_checked_nothing_is_enough() {
        assert_eq!(required_reserve(Nano::new(1), 0, 1_000_000, 1_000_000), None);
        assert_eq!(max_price(Nano::MAX, 50_000, 0), Nano::ZERO);
        assert_eq!(required_reserve(Nano::MAX, 50_000, 1_000_000, 1_000_000), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_reserve_covers_its_price(
            price in 1..=Nano::MAX.get(), rate in 0u32..=1_000_000, detection in 0u32..=1_000_000,
            factor in 0u32..=20_000_000,
        ) {
            if let Some(reserve) = required_reserve(Nano::new(price), rate, detection, factor) {
                prop_assert!(Nano::new(price) <= max_price(reserve, rate, detection));
                // One nano less is too little, or below the floor.
                let less = reserve.saturating_sub(Nano::new(1));
                let floor = Nano::new(price).mul_div_up(u64::from(factor), 1_000_000).unwrap();
                prop_assert!(
                    less < floor || max_price(less, rate, detection) < Nano::new(price)
                        || reserve == Nano::ZERO
                );
            }
        }

        /// Expected gain of any share of wrong chunks, in floating point: it is a check of the formula.
        #[test]
        fn no_share_of_wrong_chunks_pays(
            rate in 1_000u32..=1_000_000, samples in 1u16..=200, share in 1u32..=1_000_000,
        ) {
            let price = Nano::grams(1);
            let reserve = sampled_reserve(price, rate, 1_000_000, samples).unwrap();
            let (p, s) = (price.get() as f64, reserve.get() as f64);
            let f = f64::from(share) / 1e6;
            let q = f64::from(rate) / 1e6 * (1.0 - (1.0 - f).powi(i32::from(samples)));
            let gain = f * p * (1.0 - q) - s * q;
            prop_assert!(gain <= 1e-6 * p, "{gain}");
        }

        #[test]
        fn scaling_never_undercuts(
            cap in 1..=1u64 << 55, share in 0u64..=1_000_000, rate in 1u32..=1_000_000,
            detection in 1u32..=1_000_000, factor in 0u32..=5_000_000,
        ) {
            let price = Nano::new(cap).mul_div(share, 1_000_000).unwrap();
            let cap = Nano::new(cap);
            if let Some(at_cap) = required_reserve(cap, rate, detection, factor) {
                let scaled = scaled_reserve(at_cap, price, cap).unwrap();
                prop_assert!(scaled >= required_reserve(price, rate, detection, factor).unwrap());
                prop_assert!(scaled <= at_cap);
            }
        }
    }
}
