//! Planted results find who signs without looking, and nobody else.

use std::{sync::Arc, time::Duration};

use fog_jury::{Answer, Ballots, Conduct, Found, Juror, Matter, Panel, ringer};
use fog_protocol::{GuestExit, Hash32, tagged_hash};

use super::world::{Reversing, World, case, honest, key, remote, verifiers};

const ASKING: Duration = Duration::from_secs(20);

fn random(number: u32) -> Hash32 {
    tagged_hash("fog/test-ringers/v1", &[&number.to_le_bytes()])
}

#[test]
fn an_honest_verifier_finds_every_ringer_out_and_they_look_like_work() {
    let world = World::new();
    let examiner = world.examiner(0, honest());
    let real = case(1, |_| {});
    let mut right = 0;
    for number in 0..200 {
        let found = ringer::forge(&real, &Reversing::default(), &random(number));
        let ringer = found.unwrap().unwrap();
        let (question, original) = (&ringer.case.question, &real.question);
        assert_ne!(question.task(), original.task(), "no contract stands behind it");
        assert_eq!(question.listing.program, original.listing.program);
        assert_eq!(question.listing.policy, original.listing.policy);
        assert_eq!(question.listing.input.bytes, original.listing.input.bytes);
        let same = (question.worker, question.stake, question.price, question.valid_until);
        let real = (original.worker, original.stake, original.price, original.valid_until);
        assert_eq!(same, real);
        let (Matter::Result { basis, .. }, Matter::Result { basis: like, .. }) =
            (&question.matter, &original.matter)
        else {
            panic!("not a result")
        };
        assert_eq!(std::mem::discriminant(basis), std::mem::discriminant(like));
        // The draw and the opening hold, or it would be refused as no real one is.
        let answer = examiner.examine(question, &ringer.case.materials);
        let Answer::Signed { found, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(found, ringer.right, "ringer {number}");
        right += u32::from(ringer.right == Found::Accepted);
    }
    // One in four: 50 expected, standard deviation 6.1; five of them either way.
    assert!((20..=80).contains(&right), "{right}");
}

#[test]
fn failures_are_spoiled_too_and_what_cannot_be_imitated_is_not() {
    let real = case(1, |reveal| {
        reveal.exit = GuestExit::Trapped;
        reveal.output.clear();
    });
    // The program now succeeds: a ringer is of what it really does.
    assert!(ringer::forge(&real, &Reversing::default(), &random(1)).unwrap().is_some());
    let mut missing = real.clone();
    missing.question.matter = Matter::Undelivered;
    assert!(ringer::forge(&missing, &Reversing::default(), &random(1)).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_errs_excludes_nobody() {
    let world = World::new();
    let zero = world.serve(0, honest(), Conduct::Honest).await;
    let one = world.serve(1, honest(), Conduct::Honest).await;
    let panel = world.panel(vec![remote(0, &zero.url()), remote(1, &one.url())], ASKING);
    let real = case(1, |_| {});
    // Two runs that differ make no ringer; two that are wrong alike make one that all contradict.
    let once = Reversing { wrong_in: vec![0], ..Reversing::default() };
    assert!(ringer::forge(&real, &once, &random(1)).unwrap().is_none());
    for number in 0..6 {
        let always = Reversing { wrong_in: vec![0, 1], ..Reversing::default() };
        let ringer = ringer::forge(&real, &always, &random(number)).unwrap().unwrap();
        panel.test(ringer).await;
    }
    assert_eq!(panel.counted(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lazy_verifier_is_found_and_not_counted_until_a_person_says_so() {
    let world = World::new();
    let zero = world.serve(0, honest(), Conduct::Honest).await;
    let one = world.serve(1, honest(), Conduct::Honest).await;
    let two = world.serve(2, honest(), Conduct::Lazy).await;
    let jurors = || -> Vec<Arc<dyn Juror>> {
        vec![remote(0, &zero.url()), remote(1, &one.url()), remote(2, &two.url())]
    };
    let panel = world.panel(jurors(), ASKING);
    let real = case(1, |_| {});
    let decided = panel.decide(Arc::new(real.clone()), 3, Ballots::default()).await.unwrap();
    assert_eq!(decided.found, Found::Accepted, "who does not look is right as long as all are");
    let mut planted = 0;
    for number in 0.. {
        let ringer = ringer::forge(&real, &Reversing::default(), &random(number)).unwrap().unwrap();
        panel.test(ringer).await;
        planted += 1;
        if panel.counted() == 2 {
            break;
        }
        assert!(planted < 40, "three in four are wrong: 40 in a row never are not");
    }
    let view = panel.view();
    assert!(view[0].counted && view[1].counted, "{view:?}");
    assert!(!view[2].counted, "{view:?}");
    assert!(view[2].excluded_because.as_ref().unwrap().contains("planted"), "{view:?}");
    assert_eq!(view[2].ringers_missed, 1);
    assert_eq!(view[0].ringers, planted);
    // It is not asked any more, nor after a restart: two that look are enough, three are not there.
    let panel = world.panel(jurors(), ASKING);
    let wrong = Arc::new(case(2, |reveal| reveal.output[0] ^= 1));
    let decided = panel.decide(Arc::clone(&wrong), 2, Ballots::default()).await.unwrap();
    assert_eq!(decided.found, Found::Rejected);
    assert_eq!(panel.view()[2].asked, 0);
    assert!(panel.decide(wrong, 3, Ballots::default()).await.is_err());
    // A person looked at it.
    panel.readmit(&key(2).public()).unwrap();
    assert_eq!(panel.counted(), 3);
    let file = world.dir.path().join("verifiers.json");
    let again = Panel::new(&verifiers(), jurors(), ASKING, file).unwrap();
    assert_eq!(again.counted(), 3);
}
