//! Ten thousand seeded schedules of faults: retries, timeouts, killed nodes and workers, verifiers
//! that are away, lost frames, full disks, a chain that is cut off. Over honest workers nobody is
//! slashed and no verdict challenged; the same schedules with a cheat among them catch the cheat
//! and nobody else, so that the first could have failed.
//!
//! `FOG_SCHEDULES=N` runs as many.

mod chain;
mod dice;
mod simulation;

use chain::End;
use simulation::{Simulation, Tally, WORKERS};

use crate::kit::wallet;

const SCHEDULES: u64 = 10_000;

fn schedules() -> u64 {
    std::env::var("FOG_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES)
}

/// All of them, on as many threads as there are cores.
fn run_all(count: u64, cheats: bool) -> Tally {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let part = |first: u64| {
        let mut tally = Tally::default();
        (first..count).step_by(threads as usize).for_each(|seed| {
            tally.add(Simulation::run(seed, cheats));
        });
        tally
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
        let mut tally = Tally::default();
        running.into_iter().for_each(|thread| tally.add(thread.join().unwrap()));
        tally
    })
}

#[test]
fn over_honest_workers_no_schedule_of_faults_slashes() {
    let count = schedules();
    let tally = run_all(count, false);
    fog_figures::figure!("schedules of faults", "{count} schedules over honest workers: {tally:?}");
    assert_eq!(tally.slashed, [], "an honest worker was slashed");
    assert_eq!(tally.challenged, [], "an honest worker's verdict was challenged");
    // They went wrong in every way, and most were paid all the same.
    let ends: u32 = tally.ends.values().sum();
    assert!(tally.ends[&End::Paid] > ends * 6 / 10, "{:?}", tally.ends);
    for end in [End::Late, End::NoVerdict, End::Withheld] {
        assert!(tally.ends.contains_key(&end), "never {end:?}: {:?}", tally.ends);
    }
    assert_eq!(tally.faults.len(), 7, "{:?}", tally.faults);
    assert!(tally.replays > 0 && tally.lost_frames > 0 && tally.failed_checks > 0);
}

#[test]
fn over_a_cheat_they_slash_the_cheat_alone() {
    let count = schedules() / 10;
    let tally = run_all(count, true);
    fog_figures::figure!(
        "schedules of faults",
        "{count} schedules with a cheat: {:?}, slashed {}, challenged {}",
        tally.ends,
        tally.slashed.len(),
        tally.challenged.len()
    );
    let cheat = wallet(WORKERS);
    assert!(tally.slashed.len() > count as usize / 4, "{} slashed", tally.slashed.len());
    assert!(tally.slashed.iter().chain(&tally.challenged).all(|worker| *worker == cheat));
}
