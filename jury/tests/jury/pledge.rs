//! Stake reserved in bulk: only keys of the node's own judge it, and they remember what they said.

use std::{sync::Arc, time::Duration};

use fog_contracts::epoch::Epoch;
use fog_jury::{Conduct, Found, JournalError, Juror, Local, PledgeCase, PledgeError};
use fog_protocol::{Address, Hash32, Nano};

use super::world::{World, honest, market, remote, scope, verifiers};

const ASKING: Duration = Duration::from_secs(20);

fn case(number: u32, found: Found) -> PledgeCase {
    let epoch = Epoch {
        market: market(),
        node: Address::basechain([8; 32]),
        worker: Address::basechain([10; 32]),
        earnings: Address::basechain([12; 32]),
        number,
        price: Nano::new(1),
        bid: 600,
        commit: 3_600,
        lasts: 3_600,
    };
    let stake = Address::basechain([11; 32]);
    PledgeCase { epoch, stake, found, evidence: Hash32([6; 32]), valid_until: 2_000_000_000 }
}

fn local(world: &World, index: u8) -> Arc<dyn Juror> {
    Arc::new(Local::new(Arc::new(world.examiner(index, honest()))))
}

#[test]
fn as_many_keys_sign_as_the_contract_takes_and_each_what_it_asks_for() {
    let world = World::new();
    let panel = world.panel((0..3).map(|index| local(&world, index)).collect(), ASKING);
    for needed in 1..=3 {
        let case = case(0, Found::Rejected);
        let signatures = panel.judge_pledge(&case, needed).unwrap();
        assert_eq!(signatures.len(), needed);
        let digest = case.digest(&scope()).unwrap();
        for (place, signature) in signatures {
            verifiers()[usize::from(place)].verify(&digest.0, &signature).unwrap();
        }
    }
}

#[test]
fn no_key_says_two_things_of_one_pledge_nor_signs_for_another_market() {
    let world = World::new();
    let examiner = world.examiner(0, honest());
    examiner.sign_pledge(&case(0, Found::Accepted)).unwrap();
    examiner.sign_pledge(&case(1, Found::Rejected)).unwrap();
    drop(examiner);
    let examiner = world.examiner(0, honest());
    // Again, as after a crash; the root may have grown since.
    examiner.sign_pledge(&case(0, Found::Accepted)).unwrap();
    let grown = PledgeCase { evidence: Hash32([7; 32]), ..case(0, Found::Accepted) };
    examiner.sign_pledge(&grown).unwrap();
    for (number, contrary) in [(0, Found::Rejected), (1, Found::Accepted)] {
        let refused = examiner.sign_pledge(&case(number, contrary)).unwrap_err();
        let journal = matches!(refused, PledgeError::Journal(JournalError::Contrary { .. }));
        assert!(journal, "{refused}");
    }
    let mut elsewhere = case(2, Found::Accepted);
    elsewhere.epoch.market = Address::basechain([99; 32]);
    assert!(matches!(examiner.sign_pledge(&elsewhere), Err(PledgeError::OtherMarket)));
    examiner.close();
    let closed = examiner.sign_pledge(&case(3, Found::Accepted)).unwrap_err();
    assert!(matches!(closed, PledgeError::Journal(JournalError::Closed)), "{closed}");
}

/// A process elsewhere cannot know what a pledge stood for: it is not asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_elsewhere_do_not_count() {
    let world = World::new();
    let one = world.serve(1, honest(), Conduct::Honest).await;
    let panel = world.panel(vec![local(&world, 0), remote(1, &one.url())], ASKING);
    assert_eq!(panel.judge_pledge(&case(0, Found::Accepted), 1).unwrap().len(), 1);
    let refused = panel.judge_pledge(&case(0, Found::Accepted), 2).unwrap_err();
    assert!(matches!(refused, PledgeError::TooFew { needed: 2, have: 1, .. }), "{refused}");
}
