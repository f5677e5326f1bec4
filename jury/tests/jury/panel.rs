//! k of n: who is dead, slow or lying changes nothing; who could is nobody.

use std::{sync::Arc, time::Duration};

use fog_jury::{
    Answer, AskError, Asking, Ballots, Conduct, Found, Juror, Local, Matter, NoDecision, Panel,
    PanelError,
};
use fog_protocol::{PublicKey, Tagged as _};

use super::world::{World, case, honest, key, node_key, remote, scope, verifiers};

const ASKING: Duration = Duration::from_secs(20);

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1";

fn check(panel: &Arc<Panel>, case: &fog_jury::Case, decision: &fog_jury::Decision, needed: usize) {
    assert_eq!(decision.signatures.len(), needed, "exactly as many as the contract takes");
    let signed = case.question.digest_of(decision.found, decision.digest).unwrap();
    for (place, signature) in &decision.signatures {
        verifiers()[usize::from(*place)].verify(&signed.0, signature).unwrap();
    }
    let _ = panel;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_key_and_processes_sign_alike() {
    let world = World::new();
    let local = Arc::new(Local::new(Arc::new(world.examiner(0, honest()))));
    let one = world.serve(1, honest(), Conduct::Honest).await;
    let two = world.serve(2, honest(), Conduct::Honest).await;
    let jurors = vec![local as Arc<dyn Juror>, remote(1, &one.url()), remote(2, &two.url())];
    let panel = world.panel(jurors, ASKING);
    for (salt, found) in [(1, Found::Accepted), (2, Found::Rejected)] {
        let case = Arc::new(case(salt, |reveal| {
            if found == Found::Rejected {
                reveal.output[0] ^= 1;
            }
        }));
        let decided = panel.decide(Arc::clone(&case), 3, Ballots::default()).await.unwrap();
        assert_eq!(decided.found, found);
        assert_eq!(decided.evidence.as_ref().unwrap().digest(), decided.digest);
        check(&panel, &case, &decided, 3);
    }
    // Nothing was handed over: there is nothing to run, and nothing else was signed before.
    let mut missing = case(3, |_| {});
    missing.question.matter = Matter::Undelivered;
    let missing = Arc::new(missing);
    let decided = panel.decide(Arc::clone(&missing), 2, Ballots::default()).await.unwrap();
    assert_eq!(decided.found, Found::Undelivered);
    check(&panel, &missing, &decided, 2);
    // Having signed that, nobody signs that the result is right.
    let contrary = panel.decide(Arc::new(case(3, |_| {})), 2, Ballots::default()).await;
    assert!(contrary.unwrap_err().reason.contains("undelivered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dead_slow_or_lying_verifier_of_three_changes_nothing() {
    let world = World::new();
    let slow = Arc::new(super::world::Reversing {
        pause: Duration::from_secs(4),
        ..super::world::Reversing::default()
    });
    let zero = world.serve(0, honest(), Conduct::Honest).await;
    let one = world.serve(1, honest(), Conduct::Honest).await;
    let lazy_of_slow = world.serve(2, slow, Conduct::Honest).await;
    let lying_world = World::new();
    let lying = lying_world.serve(2, honest(), Conduct::Lying).await;
    for (round, third) in [DEAD.to_owned(), lazy_of_slow.url(), lying.url()].into_iter().enumerate()
    {
        let salt = 10 * u8::try_from(round).unwrap();
        let jurors = vec![remote(0, &zero.url()), remote(1, &one.url()), remote(2, &third)];
        let panel = world.panel(jurors, Duration::from_secs(3));
        for (salt, found) in [(salt + 1, Found::Accepted), (salt + 2, Found::Rejected)] {
            let case = Arc::new(case(salt, |reveal| {
                if found == Found::Rejected {
                    reveal.fuel_used += 1;
                }
            }));
            let decided = panel.decide(Arc::clone(&case), 2, Ballots::default()).await.unwrap();
            assert_eq!(decided.found, found, "round {round}");
            check(&panel, &case, &decided, 2);
            assert!(!decided.signatures.contains_key(&2), "round {round}");
        }
        // What came after the decision is noted, too.
        let noted = tokio::time::timeout(ASKING, async {
            loop {
                let view = panel.view().remove(2);
                let seen = if round == 2 { view.contrary } else { view.failed };
                if seen == 2 {
                    return view;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let view = noted.await.unwrap();
        assert!(view.counted, "only planted results exclude: {view:?}");
        assert_eq!(view.last_error.is_none(), round == 2, "{view:?}");
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Juror for Silent {
    fn key(&self) -> PublicKey {
        key(1).public()
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }

    fn ask(self: Arc<Self>, case: Arc<fog_jury::Case>) -> Asking {
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(case);
            Err(AskError::Unreachable("never".to_owned()))
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_answers_does_not_fill_the_nodes_memory() {
    let world = World::new();
    let local = Arc::new(Local::new(Arc::new(world.examiner(0, honest()))));
    let jurors = vec![local as Arc<dyn Juror>, Arc::new(Silent)];
    let large = case(99, |_| {}).bytes();
    let panel = world.panel_with(jurors, Duration::from_secs(600), large * 5 / 2);
    let mut held = Vec::new();
    for salt in 1..=6 {
        let case = Arc::new(case(salt, |_| {}));
        held.push(Arc::downgrade(&case));
        let decided = panel.decide(case, 1, Ballots::default()).await.unwrap();
        assert_eq!(decided.found, Found::Accepted);
    }
    let let_go = tokio::time::timeout(ASKING, async {
        while held.iter().filter(|case| case.strong_count() > 0).count() > 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(let_go.await.is_ok(), "as many as the bound leaves room for");
    let why = panel.view().remove(1).last_error.unwrap();
    assert!(why.contains("bytes"), "{why}");
    // One that is larger than all of it is asked about if nothing else is.
    let one = world.panel_with(vec![Arc::new(Silent)], Duration::from_millis(50), 1);
    let missed = one.decide(Arc::new(case(7, |_| {})), 1, Ballots::default()).await.unwrap_err();
    assert!(missed.reason.contains("no answer within"), "{}", missed.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_k_that_agree_there_is_no_verdict() {
    let world = World::new();
    let zero = world.serve(0, honest(), Conduct::Honest).await;
    let one = world.serve(1, honest(), Conduct::Lying).await;
    let jurors = vec![remote(0, &zero.url()), remote(1, &one.url()), remote(2, DEAD)];
    let panel = world.panel(jurors, ASKING);
    let split = panel.decide(Arc::new(case(1, |_| {})), 2, Ballots::default()).await.unwrap_err();
    assert_eq!(split.why, NoDecision::Split);
    assert!(!split.is_hopeless, "the dead one may come back and decide it");
    assert!(split.reason.contains("accepted by 0"), "{}", split.reason);
    assert!(split.reason.contains("rejected by 1"), "{}", split.reason);
    assert_eq!(split.ballots.votes().count(), 2);
    // It comes back: who voted is not asked again.
    let two = world.serve(2, honest(), Conduct::Honest).await;
    let jurors = vec![remote(0, DEAD), remote(1, DEAD), remote(2, &two.url())];
    let panel = world.panel(jurors, ASKING);
    let decided = panel.decide(Arc::new(case(1, |_| {})), 2, split.ballots).await.unwrap();
    assert_eq!(decided.found, Found::Accepted);
    // Three of three, and one lies: nothing to wait for.
    let jurors = vec![remote(0, &zero.url()), remote(1, &one.url()), remote(2, &two.url())];
    let panel = world.panel(jurors, ASKING);
    let split = panel.decide(Arc::new(case(2, |_| {})), 3, Ballots::default()).await.unwrap_err();
    assert_eq!((split.why, split.is_hopeless), (NoDecision::Split, true));
    // Nobody at all is no dispute.
    let panel = world.panel(vec![remote(0, DEAD)], ASKING);
    let few = panel.decide(Arc::new(case(3, |_| {})), 1, Ballots::default()).await.unwrap_err();
    assert_eq!((few.why, few.is_hopeless), (NoDecision::TooFew, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_is_remembered_over_a_restart_and_never_contradicted() {
    let world = World::new();
    let right = case(1, |_| {});
    // The same commitment, and a re-run here that is wrong each time: the machine has changed.
    let broken = || {
        Arc::new(super::world::Reversing {
            wrong_in: (0..20).collect(),
            ..super::world::Reversing::default()
        })
    };
    let before = world.examiner(0, honest());
    assert!(matches!(
        before.examine(&right.question, &right.materials),
        Answer::Signed { found: Found::Accepted, .. }
    ));
    drop(before);
    let after = world.examiner_again(0, broken(), broken());
    let answer = after.examine(&right.question, &right.materials);
    let Answer::Refused { code, reason } = answer else { panic!("{answer:?}") };
    assert_eq!(code, "contrary");
    assert!(reason.contains("accepted"), "{reason}");
    // Another commitment for the same task is refused as well.
    let other = case(1, |reveal| reveal.salt.0[0] ^= 1);
    drop(after);
    let after = world.examiner(0, honest());
    let answer = after.examine(&other.question, &other.materials);
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "contrary"), "{answer:?}");
    assert!(matches!(
        after.examine(&right.question, &right.materials),
        Answer::Signed { found: Found::Accepted, .. }
    ));
}

#[test]
fn two_runs_that_differ_are_no_ground_for_a_rejection_now_or_later() {
    let world = World::new();
    let once = |run| {
        Arc::new(super::world::Reversing {
            wrong_in: vec![run],
            ..super::world::Reversing::default()
        })
    };
    // An honest result, and a machine that errs once.
    let right = case(1, |_| {});
    let examiner = world.examiner(0, once(0));
    let answer = examiner.examine(&right.question, &right.materials);
    let Answer::Undecided { doubt, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(format!("{doubt:?}"), "OwnRuns");
    // Asked again it sees that the result is right.
    let answer = examiner.examine(&right.question, &right.materials);
    assert!(matches!(answer, Answer::Signed { found: Found::Accepted, .. }), "{answer:?}");
    drop(examiner);
    // A machine that errs, then errs twice alike: a doubt once had keeps it from rejecting.
    let right = case(2, |_| {});
    let errs =
        super::world::Reversing { wrong_in: vec![0, 2, 3], ..super::world::Reversing::default() };
    let examiner = world.examiner(0, Arc::new(errs));
    for _ in 0..2 {
        let answer = examiner.examine(&right.question, &right.materials);
        assert!(matches!(answer, Answer::Undecided { .. }), "{answer:?}");
    }
}

#[test]
fn a_rejection_leaves_only_if_an_independent_run_comes_to_the_same() {
    let world = World::new();
    let wrong_in = |wrong_in: Vec<u32>| {
        Arc::new(super::world::Reversing { wrong_in, ..super::world::Reversing::default() })
    };
    // Its usual runs are wrong each time and alike: only the independent one knows better.
    let (right, usual, again) = (case(1, |_| {}), wrong_in((0..20).collect()), honest());
    let examiner = world.examiner_again(0, Arc::clone(&usual), Arc::clone(&again));
    for _ in 0..2 {
        let answer = examiner.examine(&right.question, &right.materials);
        let Answer::Undecided { doubt, .. } = &answer else { panic!("{answer:?}") };
        assert_eq!(format!("{doubt:?}"), "OwnRuns");
    }
    assert!(again.runs.load(std::sync::atomic::Ordering::SeqCst) > 0);
    // The other way round, a wrong result and an independent run that errs: a doubt as well.
    let wrong = case(2, |reveal| reveal.output[0] ^= 1);
    let examiner = world.examiner_again(1, honest(), wrong_in((0..20).collect()));
    let answer = examiner.examine(&wrong.question, &wrong.materials);
    assert!(matches!(answer, Answer::Undecided { .. }), "{answer:?}");
    // Both right: rejected. An accepted result needs no second look.
    let again = honest();
    let examiner = world.examiner_again(2, honest(), Arc::clone(&again));
    let accepted = examiner.examine(&right.question, &right.materials);
    assert!(matches!(accepted, Answer::Signed { found: Found::Accepted, .. }), "{accepted:?}");
    assert_eq!(again.runs.load(std::sync::atomic::Ordering::SeqCst), 0);
    let rejected = examiner.examine(&wrong.question, &wrong.materials);
    assert!(matches!(rejected, Answer::Signed { found: Found::Rejected, .. }), "{rejected:?}");
    assert_eq!(again.runs.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[test]
fn a_key_counts_once_and_unknown_keys_not_at_all() {
    let world = World::new();
    let file = world.dir.path().join("file.json");
    let twice = vec![remote(0, DEAD), remote(0, DEAD)];
    let refused = Panel::new(&verifiers(), twice, ASKING, file.clone());
    assert!(matches!(refused, Err(PanelError::Twice(_))));
    let strangers = vec![remote(0, DEAD), remote(9, DEAD)];
    let panel = Panel::new(&verifiers(), strangers, ASKING, file.clone()).unwrap();
    assert_eq!(panel.view().len(), 1);
    assert!(matches!(panel.readmit(&key(9).public()), Err(PanelError::Unknown(_))));
    std::fs::write(&file, b"[").unwrap();
    let damaged = Panel::new(&verifiers(), Vec::new(), ASKING, file);
    assert!(matches!(damaged, Err(PanelError::Unreadable(_))));
    let _ = (node_key(), scope());
}
