use proptest::prelude::*;

use super::*;

fn number(value: f64) -> Decimal {
    Decimal::from_units((value * 1e12) as i128).unwrap_or_default()
}

fn estimate(milli: u32) -> Bound {
    Bound::Deviations { sigma: number(1.0), milli }
}

#[test]
fn a_result_is_numbers_and_nothing_else() {
    let read = |text: &str| numbers(text.as_bytes()).map(|numbers| numbers.len());
    assert_eq!(read("1"), Some(1));
    assert_eq!(read("1,-2.5\n3\n"), Some(3));
    assert_eq!(read(&["7"; 16].join(",")), Some(16));
    for text in ["", "\n", "1,", "1,,2", "1\n\n", " 1", "1 ", "1;2", "1\r\n", "x=1", "NaN"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(read(&["7"; 17].join(",")), None);
}

#[test]
fn fixed_bounds_are_inclusive_and_need_no_more_runs() {
    let by = Bound::Absolute { by: number(0.5) };
    let share = Bound::Relative { ppm: 10_000 };
    let judge = |bound, x: f64, y: f64| judge(&[bound], Some(&[number(x)]), &[vec![number(y)]]);
    assert_eq!(judge(by, 1.5, 1.0), Judged::Within);
    assert_eq!(judge(by, 1.75, 1.0), Judged::Beyond { field: 0 });
    assert_eq!(judge(share, 101.0, 100.0), Judged::Within);
    assert_eq!(judge(share, -99.0, -100.0), Judged::Within);
    assert_eq!(judge(share, 101.5, 100.0), Judged::Beyond { field: 0 });
    assert_eq!(judge(share, 0.0001, 0.0), Judged::Beyond { field: 0 });
}

#[test]
fn a_breach_alone_rejects_nobody() {
    let bounds = [estimate(2_000)];
    let run = vec![number(0.0)];
    let one = std::slice::from_ref(&run);
    assert_eq!(judge(&bounds, Some(&[number(2.8)]), one), Judged::Within);
    assert_eq!(judge(&bounds, Some(&[number(2.9)]), one), Judged::Breach { field: 0 });
    let all = vec![run; LAST_LOOK];
    assert_eq!(judge(&bounds, Some(&[number(5.5)]), &all), Judged::Within);
    assert_eq!(judge(&bounds, Some(&[number(5.6)]), &all), Judged::Beyond { field: 0 });
}

#[test]
fn a_listing_that_is_wrong_about_its_program_rejects_nobody() {
    let bounds = [estimate(2_000)];
    let mut runs: Vec<_> = (0..LAST_LOOK).map(|at| vec![number(at as f64 / 2.0)]).collect();
    assert_eq!(judge(&bounds, Some(&[number(1000.0)]), &runs), Judged::Spread);
    runs[3].clear();
    assert_eq!(judge(&bounds, Some(&[number(1000.0)]), &runs), Judged::Spread);
    assert_eq!(judge(&bounds, None, &runs), Judged::Malformed);
    assert_eq!(judge(&bounds, Some(&[]), &runs), Judged::Malformed);
}

/// Normal numbers, by Box and Muller (1958) from `SplitMix64`.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// Of `count` results that are `off` standard deviations wrong: how many breach the first look, and
/// how many are rejected.
fn simulate(count: u32, milli: u32, off: f64, wide: f64) -> (u32, u32) {
    let mut normal = Normal(7);
    let bounds = [estimate(milli)];
    let (mut breaches, mut rejected) = (0, 0);
    for _ in 0..count {
        let claimed = [number(normal.next() * wide + off)];
        let mut runs = vec![vec![number(normal.next())]];
        let Judged::Breach { .. } = judge(&bounds, Some(&claimed), &runs) else { continue };
        breaches += 1;
        runs.extend((1..LAST_LOOK).map(|_| vec![number(normal.next())]));
        if !judge(&bounds, Some(&claimed), &runs).accepts() {
            rejected += 1;
        }
    }
    (breaches, rejected)
}

/// What the figures are called.
const FIGURES: &str = "statistical verification, simulated";

/// The table of `verifier/STATISTICAL.md`: `cargo test -p fog-verifier simulated -- --nocapture`.
#[test]
fn simulated_results_are_rejected_as_often_as_the_formula_says() {
    const COUNT: u32 = 100_000;
    let percent = |part: u32| f64::from(part) * 100.0 / f64::from(COUNT);
    // Honest: breaches as of 2 Q(n), and none of them rejected.
    for (milli, expected) in [(2_000, 4.550), (3_000, 0.270)] {
        let (breaches, rejected) = simulate(COUNT, milli, 0.0, 1.0);
        fog_figures::figure!(
            FIGURES,
            "honest, n = {}: {:.3} % breach, {rejected} of {COUNT} rejected",
            milli / 1000,
            percent(breaches)
        );
        let spread = (expected * (100.0 - expected) / f64::from(COUNT)).sqrt();
        assert!((percent(breaches) - expected).abs() < 5.0 * spread, "{}", percent(breaches));
        assert_eq!(rejected, 0);
    }
    // Wrong by so much: missed about as often as an error of sd sqrt(17/16) lies below z's bound, and
    // always in 1 of 800, where the runs themselves lie further apart than they should.
    for (off, least, most) in [
        (4.0, 90.0, 96.0),
        (5.0, 68.0, 74.0),
        (6.0, 31.0, 38.0),
        (7.0, 7.0, 10.0),
        (8.0, 0.8, 1.6),
        (10.0, 0.05, 0.25),
    ] {
        let (_, rejected) = simulate(COUNT, 2_000, off, 1.0);
        let missed = percent(COUNT - rejected);
        fog_figures::figure!(FIGURES, "wrong by {off} standard deviations: {missed:.3} % missed");
        assert!((least..=most).contains(&missed), "{off}: {missed}");
    }
    // A worker that does a quarter of the work, so that its error is twice as large.
    let (_, rejected) = simulate(COUNT, 2_000, 0.0, 2.0);
    fog_figures::figure!(
        FIGURES,
        "a quarter of the samples: {:.3} % missed",
        percent(COUNT - rejected)
    );
    let (_, rejected) = simulate(COUNT, 2_000, 0.0, 10.0);
    fog_figures::figure!(
        FIGURES,
        "a hundredth of the samples: {:.3} % missed",
        percent(COUNT - rejected)
    );
}

/// Both numbers that the false alarm's bound rests on.
#[test]
fn the_factors_are_rounded_up() {
    assert!(ROOT_TWO * ROOT_TWO >= 2_000_000_000_000 && (ROOT_TWO - 1).pow(2) < 2_000_000_000_000);
    let exact = 5.42f64 * (16.0f64 * 17.0).sqrt() * 1000.0;
    assert!((0.0..1.0).contains(&(LAST as f64 - exact)), "{exact}");
    // Q(x) < phi(x) / x (Mills' ratio).
    let tail = (-5.42f64 * 5.42 / 2.0).exp() / (std::f64::consts::TAU).sqrt() / 5.42;
    assert!(16.0 * 2.0 * tail < 1e-6, "{}", 16.0 * 2.0 * tail);
}

proptest! {
    #[test]
    fn any_bytes_are_numbers_or_not(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[0-9.,\n-]{0,60}") {
        let _ = numbers(&bytes);
        if let Some(read) = numbers(text.as_bytes()) {
            let shown: Vec<_> = read.iter().map(Decimal::to_string).collect();
            prop_assert_eq!(numbers(shown.join(",").as_bytes()), Some(read));
        }
    }

    /// The largest numbers there are overflow nothing.
    #[test]
    fn every_number_is_judged(
        x in -999_999_999_999_999i64..=999_999_999_999_999, y in -999_999_999_999_999i64..=999_999_999_999_999,
        sigma in 1i64..=999_999_999_999_999, milli in 1_000u32..=5_600, ppm in 0u32..=100_000,
    ) {
        let whole = |n: i64| Decimal::from_units(i128::from(n) * 1_000_000_000_000).unwrap();
        for bound in [
            Bound::Deviations { sigma: whole(sigma), milli },
            Bound::Relative { ppm },
            Bound::Absolute { by: whole(sigma) },
        ] {
            let runs = vec![vec![whole(y)]; LAST_LOOK];
            let first = judge(&[bound], Some(&[whole(x)]), &runs[..1]);
            let last = judge(&[bound], Some(&[whole(x)]), &runs);
            prop_assert!(x != y || first == Judged::Within && last == Judged::Within);
        }
    }
}
