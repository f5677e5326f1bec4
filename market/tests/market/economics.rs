//! Every kind of cheater earns less than an honest worker, over a grid of rates and costs.

use fog_market::stake_rule;
use fog_protocol::{Hash32, Nano, TaskId};
use fog_verifier::draw;

use crate::kit::{rules, seed};

const TASKS: u32 = 20_000;
const PRICE: i64 = 1_000_000;

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Always cheats, and stays when caught.
    Blunt,
    /// Always cheats but in probation; leaves when caught and comes back under another name.
    Rejoins,
    /// Cheats in one task of three, never while it is watched.
    Sly,
}

/// What a worker of this kind earns in [`TASKS`] tasks, in nanogram, and how often it was caught.
fn earned(kind: Kind, rate: u32, cost: i64) -> (i64, u32) {
    let rules = rules();
    let (probation, flag) = (5, rules.flag_audits);
    let reserve = stake_rule::required_reserve(
        Nano::new(PRICE as u64),
        rate,
        rules.detection_ppm,
        rules.min_reserve_factor_ppm,
    );
    let reserve = reserve.map_or(0, |reserve| reserve.get() as i64);
    let (mut total, mut caught, mut watched) = (0, 0, probation);
    for index in 0..TASKS {
        let cheats = match kind {
            Kind::Blunt => true,
            Kind::Rejoins => watched == 0,
            Kind::Sly => watched == 0 && index % 3 == 0,
        };
        let task = TaskId(Hash32::of(&index.to_le_bytes()));
        let commitment = Hash32::of(&task.0.0);
        let drawn = draw::is_drawn(&seed(), &Hash32([2; 32]), &task, &commitment, rate);
        if !cheats {
            total += PRICE - cost;
            watched = u32::saturating_sub(watched, 1);
        } else if watched > 0 || drawn {
            total -= reserve;
            caught += 1;
            watched = if matches!(kind, Kind::Rejoins) { probation } else { flag };
        } else {
            total += PRICE;
        }
    }
    (total, caught)
}

#[test]
fn every_kind_of_cheater_earns_less_than_the_honest() {
    let mut cells = 0;
    for rate in [50_000, 100_000, 250_000, 1_000_000] {
        for cost_share in [10, 50, 80] {
            let cost = PRICE * cost_share / 100;
            let honest = i64::from(TASKS) * (PRICE - cost);
            for kind in [Kind::Blunt, Kind::Rejoins, Kind::Sly] {
                let (total, caught) = earned(kind, rate, cost);
                assert!(caught > 0);
                assert!(
                    total < honest,
                    "{kind:?} at {rate} ppm, cost {cost_share} %: {total} >= {honest}"
                );
                if matches!(kind, Kind::Blunt) {
                    assert!(total < 0, "who always cheats loses money: {total}");
                }
                cells += 1;
            }
        }
    }
    fog_figures::figure!("cheaters", "{cells} cells of {TASKS} tasks each, all below honest work");
}
