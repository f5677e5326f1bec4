//! A worker that is its own requestor, challenger and pusher, and lets itself be cut: what others
//! delegated to it burns with what is its own, and none of it comes back to the worker.

use fog_contracts::task::{self, Outcome};
use fog_protocol::{Address, Hash32, Nano};
use proptest::prelude::*;

use crate::{
    shares::at_stake,
    world::{APPEAL, STEP, WINDOW, World, failures, ours},
};

const COMMITMENT: Hash32 = Hash32([0x11; 32]);
const GRAM: u64 = 1_000_000_000;

/// How the worker lets itself be cut.
#[derive(Debug, Clone, Copy)]
enum Way {
    Wrong,
    Late,
    Undelivered,
    /// Accepted at first, challenged by itself, and ruled to be wrong.
    Challenged,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    /// Nanogram of the worker, of an honest staker, of one that leaves, and of the worker's friend.
    own: u64,
    delegated: u64,
    leaving: u64,
    friend: u64,
    /// Of what may be reserved, thousandths.
    reserve: u64,
    damages: u64,
    way: Way,
}

/// What came of it, in nanogram.
#[derive(Debug)]
struct Played {
    /// What the worker and its friends have more than before.
    gained: i128,
    own_lost: u64,
    honest_lost: u64,
    slashed: u64,
    burnt: u64,
}

/// Everything that the worker, the requestor, the challenger and the friend have.
fn wealth(world: &World, friend: &fog_testnet::chain::Treasury) -> i128 {
    let wallets = [&world.worker, &world.requestor, &world.stranger, friend];
    let held: u64 = wallets.iter().map(|party| world.balance(&ours(&party.address))).sum();
    let stake = world.stake();
    i128::from(held + stake.stake.get() + stake.earnings.get() + world.worth(friend))
}

fn cut(world: &mut World, task: Address, way: Way) {
    let stranger = world.stranger.clone();
    if let Way::Late = way {
        world.chain.warp(STEP + 1).unwrap();
        assert_eq!(failures(&world.push(&stranger, task, task::expire(1).unwrap())), [0; 0]);
        return;
    }
    world.commit(task, COMMITMENT);
    let said = match way {
        Way::Wrong | Way::Late => Outcome::Rejected,
        Way::Undelivered => Outcome::Undelivered,
        Way::Challenged => Outcome::Accepted,
    };
    world.verdict(task, COMMITMENT, said, &[0, 1]);
    if let Way::Challenged = way {
        assert_eq!(failures(&world.challenge(&stranger, task)), [0; 0]);
        world.chain.warp(WINDOW).unwrap();
        world.rule(&stranger, task, COMMITMENT, Outcome::Rejected, &[0, 1, 2]);
    }
    world.chain.warp(WINDOW.max(APPEAL) + 1).unwrap();
    assert_eq!(failures(&world.push(&stranger, task, task::finalize(1).unwrap())), [0; 0]);
}

fn play(case: &Case) -> Played {
    let mut world = World::new();
    let [honest, leaver, friend] = [0, 1, 2].map(|salt| world.staker(salt));
    world.deposit(Nano::new(case.own));
    let delegated = [(&honest, case.delegated), (&leaver, case.leaving), (&friend, case.friend)];
    for (staker, amount) in delegated {
        assert_eq!(failures(&world.delegate(staker, Nano::new(amount))), [0; 0]);
    }
    let reserve = u128::from(world.stake().free().get()) * u128::from(case.reserve) / 1000;
    let reserve = Nano::new(u64::try_from(reserve).unwrap().max(1));
    let mut init = world.task_init(1);
    init.terms.damages = Nano::new(case.damages);
    let task = init.address().unwrap();
    let had = wealth(&world, &friend);
    world.fund(&init);
    let consent = world.consent(task, init.terms.price, reserve);
    assert_eq!(failures(&world.assign_with(task, reserve, consent)), [0; 0]);
    let shares = world.delegation(&leaver).shares;
    world.undelegate(&leaver, shares);
    let before = world.stake();
    let honest_had = world.worth(&honest) + before.pool.leaving.get();
    cut(&mut world, task, case.way);
    assert!(world.is_ended(&task));
    world.assert_conserved();
    let after = world.stake();
    Played {
        gained: wealth(&world, &friend) - had,
        own_lost: before.stake.get() - after.stake.get(),
        honest_lost: honest_had - world.worth(&honest) - after.pool.leaving.get(),
        slashed: at_stake(&before) - at_stake(&after),
        burnt: world.balance(&world.burn),
    }
}

/// The plainest: nearly all is delegated, and the worker's other self asks for boundless damages.
#[test]
fn a_worker_that_has_itself_cut_gets_nothing_of_its_delegators() {
    for way in [Way::Wrong, Way::Late, Way::Undelivered, Way::Challenged] {
        let case = Case {
            own: 2 * GRAM,
            delegated: 97 * GRAM,
            leaving: GRAM,
            friend: GRAM,
            reserve: 1000,
            damages: 1 << 62,
            way,
        };
        let played = play(&case);
        println!("{way:?}: {played:?}");
        assert!(played.honest_lost > played.slashed * 9 / 10, "{played:?}");
        assert!(played.gained < 0, "the worker is richer by its delegators' loss: {played:?}");
        assert!(2 * (played.slashed - played.burnt) <= played.own_lost, "{played:?}");
    }
}

/// Alone, a worker loses as much, and the requestor gets as much, as if nobody could delegate.
#[test]
fn a_worker_without_delegations_pays_damages_as_ever() {
    let mut world = World::new();
    world.deposit(Nano::new(100 * GRAM));
    let mut init = world.task_init(1);
    init.terms.damages = Nano::new(1 << 62);
    let task = init.address().unwrap();
    world.fund(&init);
    let reserve = Nano::new(99 * GRAM + 1);
    let consent = world.consent(task, init.terms.price, reserve);
    world.assign_with(task, reserve, consent);
    cut(&mut world, task, Way::Wrong);
    assert_eq!(world.stake().stake.get(), GRAM - 1);
    // Half, rounded down, went to the requestor.
    assert_eq!(world.balance(&world.burn), 99 * GRAM / 2 + 1);
}

fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![Just(GRAM), GRAM..3 * GRAM, GRAM..300 * GRAM]
}

fn case() -> impl Strategy<Value = Case> {
    let own = prop_oneof![Just(1), Just(2), 1..GRAM, GRAM..200 * GRAM];
    let ways = [Way::Wrong, Way::Late, Way::Undelivered, Way::Challenged];
    let way = proptest::sample::select(ways.to_vec());
    let damages = prop_oneof![Just(0), 0..300 * GRAM, Just(1 << 62)];
    (own, amounts(), amounts(), amounts(), prop_oneof![1..1000u64, Just(1000)], damages, way)
        .prop_map(|(own, delegated, leaving, friend, reserve, damages, way)| Case {
            own,
            delegated,
            leaving,
            friend,
            reserve,
            damages,
            way,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    /// Whatever is whose: nobody who could be the worker has more than before, at least half of what
    /// the worker lost itself burns, and all that the others lost.
    #[test]
    fn no_collusion_earns_by_a_slash(case in case()) {
        let played = play(&case);
        let share = played.slashed - played.burnt;
        prop_assert!(played.gained <= 0, "{played:?}");
        prop_assert!(2 * share <= played.own_lost, "{played:?}");
        prop_assert!(-played.gained >= i128::from(played.own_lost - share), "{played:?}");
        prop_assert!(played.burnt >= played.honest_lost, "{played:?}");
    }
}
