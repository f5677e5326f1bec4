//! Verdicts in dispute: who may, until when, by which signatures; who gets what; and proofs that
//! stand above verdicts.

mod orders;

use std::collections::BTreeMap;

use fog_contracts::{
    TaskState, VerdictTerms, dispute, op,
    proof::result_cell,
    ruling_hash, stake,
    task::{Outcome, Verdict},
    verdict_hash,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey, Signature};
use tycho_types::cell::Cell;

use crate::{
    alone::{
        CHALLENGER, COUNTER_EVIDENCE, GRAM, Kind, OPERATOR, OWNER, Place, QUERY, REQUESTOR,
        STRANGER, Word, data, ruling_body, say, signed, speaker, stake_address, state, task_init,
        task_of, verdict_body, verdict_terms, verifiers,
    },
    ends::{freed, paid_to},
    flow::judged,
    proving::{RESULT, number, prove_for, secrets},
    solo::{Arrival, Ran, Sent, Solo, body, put_address, put_coins},
    world::{APPEAL, CHALLENGE_BOND, PRICE, RESERVE, WINDOW},
};

const BOND: u64 = CHALLENGE_BOND.get();
/// A fifth of what a caught worker loses.
const REWARD: u64 = RESERVE.get() / 5;
const PENALTY: u64 = RESERVE.get() / 100;

pub(crate) fn disputed(kind: Kind, verdict: Outcome) -> Solo {
    Place { kind, state: TaskState::Disputed, verdict }.task()
}

/// A disputed verdict whose own window is over: it may be ruled on.
fn ripe(kind: Kind, verdict: Outcome) -> Solo {
    let mut task = disputed(kind, verdict);
    task.now += WINDOW;
    task
}

fn refused(task: &Solo, from: Address, body: Cell, code: i32, case: &str) {
    let mut task = task.clone();
    let before = task.stored();
    let ran = task.send(from, 5 * GRAM, body);
    assert_eq!(ran.exit, code, "{case}");
    assert!(ran.sent.is_empty(), "{case}");
    assert_eq!(task.stored(), before, "{case}");
}

/// What challengers, and those they kept waiting, are paid by this.
fn challenge_pay(ran: &Ran) -> Vec<(Address, u64)> {
    let pays = ran.sent.iter().filter(|message| message.op() == op::CHALLENGE_PAY);
    pays.map(|message| (message.to, message.value)).collect()
}

/// The stake's answer to a slash, with the share that was asked for.
fn answer_slash(task: &mut Solo, finalized: &Ran) -> Ran {
    let slash = finalized.the(stake::op::SLASH);
    let mut slice = slash.body.as_slice().unwrap();
    slice.skip_first(96, 0).unwrap();
    let (_, share) = (coins(&mut slice), coins(&mut slice));
    answer_with(task, slash, share)
}

fn answer_with(task: &mut Solo, slash: &Sent, share: u64) -> Ran {
    let told = body(fog_contracts::task::op::SLASHED, QUERY, |b| {
        put_coins(b, Nano::new(share));
        put_address(b, STRANGER);
    });
    task.send(stake_address(), share + slash.value, told)
}

fn coins(slice: &mut tycho_types::cell::CellSlice<'_>) -> u64 {
    use tycho_types::cell::Load as _;
    let tokens = tycho_types::num::Tokens::load_from(slice).unwrap();
    u64::try_from(tokens.into_inner()).unwrap()
}

// ---- challenging -------------------------------------------------------------------------------

#[test]
fn a_challenge_takes_its_bond_and_no_more() {
    for verdict in Outcome::ALL {
        let mut task = task_of(Kind::Judged, TaskState::Committed);
        say(&mut task, Word::verdict(verdict), OPERATOR);
        let (before, deadline) = (task.balance, data(&task).deadline);
        task.now += 7;
        let ran = say(&mut task, Word::Challenge, CHALLENGER);
        assert_eq!((ran.exit, state(&task)), (0, TaskState::Disputed));
        let after = data(&task);
        let dispute = after.work.unwrap().dispute.unwrap();
        assert_eq!((dispute.challenger, dispute.bond), (CHALLENGER, CHALLENGE_BOND));
        assert_eq!((dispute.evidence, dispute.won), (COUNTER_EVIDENCE, false));
        // Nothing is lost of the window by it.
        assert_eq!((dispute.rules_from, after.deadline), (deadline, deadline + APPEAL));
        assert_eq!(after.work.unwrap().outcome, verdict);
        let change = paid_to(&ran, CHALLENGER);
        assert!(change < GRAM / 5 && change > GRAM / 5 - 20_000_000, "{change}");
        assert!(task.balance >= before + BOND && task.balance < before + BOND + 5_000_000);
    }
}

#[test]
fn a_verdict_is_challenged_once_and_within_its_window() {
    let at = Place { kind: Kind::Judged, state: TaskState::Accepted, verdict: Outcome::Accepted };
    let challenge = || dispute::challenge(QUERY, &COUNTER_EVIDENCE).unwrap();
    let mut task = at.task();
    task.now = data(&task).deadline;
    refused(&task, CHALLENGER, challenge(), 102, "at the end of the window");
    task.now -= 1;
    let master = Address { workchain: -1, ..CHALLENGER };
    refused(&task, master, challenge(), 116, "from the masterchain");
    let mut poor = task.clone();
    assert_eq!(poor.send(CHALLENGER, BOND, challenge()).exit, 104);
    assert_eq!(say(&mut task, Word::Challenge, CHALLENGER).exit, 0);
    refused(&task, STRANGER, challenge(), 101, "a second one");
    // Nor is what was decided disputed again.
    task.now += WINDOW;
    for (word, next) in
        [(Word::RuleAccepted, TaskState::Accepted), (Word::RuleRejected, TaskState::Rejected)]
    {
        let mut task = task.clone();
        assert_eq!(say(&mut task, word, OPERATOR).exit, 0);
        assert_eq!(state(&task), next);
        refused(&task, STRANGER, challenge(), 102, "after the ruling");
        let body = Word::ruling(Outcome::Rejected).body(task.address, task.now);
        refused(&task, OPERATOR, body, 101, "a second ruling");
    }
}

// ---- rulings -----------------------------------------------------------------------------------

/// A challenge of one's own, ruled on at once by friends, would end the window for everybody else.
#[test]
fn nobody_rules_before_the_window_is_over() {
    let mut task = disputed(Kind::Judged, Outcome::Accepted);
    let from = data(&task).work.unwrap().dispute.unwrap().rules_from;
    let ruling = |task: &Solo| Word::RuleRejected.body(task.address, task.now);
    refused(&task, OPERATOR, ruling(&task), 103, "at once");
    task.now = from - 1;
    refused(&task, OPERATOR, ruling(&task), 103, "in its last second");
    task.now = from;
    assert_eq!(task.clone().send(OPERATOR, GRAM, ruling(&task)).exit, 0);
    task.now = data(&task).deadline;
    assert_eq!(task.clone().send(OPERATOR, GRAM, ruling(&task)).exit, 0);
    task.now += 1;
    refused(&task, OPERATOR, ruling(&task), 102, "too late");
}

#[test]
fn a_ruling_binds_everything() {
    let task = ripe(Kind::Judged, Outcome::Accepted);
    let good = verdict_terms(task.address, Outcome::Rejected, task.now + 300);
    let other = Address::basechain([0x77; 32]);
    let all = [0, 1, 2];
    for (what, terms) in [
        ("network", VerdictTerms { network: -239, ..good }),
        ("task", VerdictTerms { task: task_init(2).address().unwrap(), ..good }),
        ("stake", VerdictTerms { stake: other, ..good }),
        ("price", VerdictTerms { price: Nano::new(1), ..good }),
        ("commitment", VerdictTerms { commitment: Hash32([1; 32]), ..good }),
        ("outcome", VerdictTerms { outcome: Outcome::Undelivered, ..good }),
        ("evidence", VerdictTerms { evidence: Hash32([1; 32]), ..good }),
        ("valid until", VerdictTerms { valid_until: good.valid_until + 1, ..good }),
    ] {
        let ruling = signed(&good, &ruling_hash(&terms).unwrap(), &all);
        refused(&task, STRANGER, dispute::ruling(QUERY, &ruling).unwrap(), 105, what);
    }
    let late = VerdictTerms { valid_until: task.now - 1, ..good };
    refused(&task, STRANGER, ruling_body(&late, &all), 102, "expired");
    let now = VerdictTerms { valid_until: task.now, ..good };
    assert_eq!(task.clone().send(STRANGER, GRAM, ruling_body(&now, &all)).exit, 0);
}

/// What verifiers signed as a verdict is no ruling, and what they signed as a ruling is no verdict.
#[test]
fn signatures_of_the_other_kind_are_none() {
    let all = [0, 1, 2];
    let task = ripe(Kind::Judged, Outcome::Accepted);
    for outcome in Outcome::ALL {
        let terms = verdict_terms(task.address, outcome, task.now + 300);
        let replayed = signed(&terms, &verdict_hash(&terms).unwrap(), &all);
        refused(&task, STRANGER, dispute::ruling(QUERY, &replayed).unwrap(), 105, "a verdict's");
        // The verdict itself, once more.
        refused(&task, STRANGER, verdict_body(&terms, &[0, 2]), 101, "a verdict");
    }
    let committed = task_of(Kind::Judged, TaskState::Committed);
    let terms = verdict_terms(committed.address, Outcome::Accepted, committed.now + 300);
    let early = signed(&terms, &ruling_hash(&terms).unwrap(), &[0, 1]);
    let body = fog_contracts::task::verdict(QUERY, &early).unwrap();
    refused(&committed, STRANGER, body, 105, "a ruling's");
}

#[test]
fn only_the_higher_threshold_of_known_verifiers_rules() {
    let task = ripe(Kind::Judged, Outcome::Rejected);
    let terms = verdict_terms(task.address, Outcome::Accepted, task.now + 300);
    let hash = ruling_hash(&terms).unwrap();
    let keys = verifiers();
    let by = |signers: &[(u8, &SecretKey)]| {
        let signatures: BTreeMap<u8, Signature> =
            signers.iter().map(|(i, key)| (*i, key.sign(&hash.0))).collect();
        let (outcome, evidence) = (terms.outcome, terms.evidence);
        let ruling = Verdict { outcome, evidence, valid_until: terms.valid_until, signatures };
        dispute::ruling(QUERY, &ruling).unwrap()
    };
    let stranger = SecretKey::from_seed(&[222; 32]);
    let (a, b, c) = (&keys[0], &keys[1], &keys[2]);
    for (what, signers, code) in [
        ("none", vec![], 106),
        ("one", vec![(0, a)], 106),
        ("a verdict's threshold", vec![(0, a), (2, c)], 106),
        ("a stranger", vec![(0, a), (1, b), (2, &stranger)], 105),
        ("a stranger in a place of its own", vec![(0, a), (1, b), (7, &stranger)], 105),
        ("more than all", vec![(0, a), (1, b), (2, c), (3, c)], 106),
        ("one of them twice", vec![(0, a), (1, b), (2, b)], 105),
        ("places swapped", vec![(0, b), (1, a), (2, c)], 105),
    ] {
        refused(&task, STRANGER, by(&signers), code, what);
    }
    let mut task = task;
    assert_eq!(task.send(STRANGER, GRAM, by(&[(0, a), (1, b), (2, c)])).exit, 0);
    assert_eq!(state(&task), TaskState::Accepted);
}

// ---- who gets what -----------------------------------------------------------------------------

/// Every verdict and every ruling on it: the loser pays.
#[test]
fn the_loser_of_a_dispute_pays() {
    for verdict in Outcome::ALL {
        for ruling in Outcome::ALL {
            let case = format!("{verdict:?}, ruled {ruling:?}");
            let mut task = ripe(Kind::Judged, verdict);
            let before = task.balance;
            let ran = say(&mut task, Word::ruling(ruling), OPERATOR);
            assert_eq!((ran.exit, state(&task)), (0, judged(ruling)), "{case}");
            let winner = match (verdict == ruling, ruling) {
                (false, _) => CHALLENGER,
                (true, Outcome::Accepted) => OWNER,
                (true, _) => REQUESTOR,
            };
            assert_eq!(challenge_pay(&ran), [(winner, BOND)], "{case}");
            assert!(task.balance >= before - BOND - 3_000_000, "{case}: out of the escrow");
            let work = data(&task).work.unwrap();
            assert_eq!((work.outcome, work.evidence), (ruling, COUNTER_EVIDENCE), "{case}");
            assert_eq!(work.dispute.unwrap().bond, Nano::ZERO);
            // It may be carried out at once, with nobody's word needed for it.
            let finalized = say(&mut task, Word::Finalize, STRANGER);
            assert_eq!(finalized.exit, 0, "{case}");
            let caught = verdict != ruling;
            let (ran, reward) = match ruling {
                Outcome::Accepted => (say(&mut task, Word::Settled, stake_address()), 0),
                Outcome::Rejected => (answer_slash(&mut task, &finalized), REWARD),
                Outcome::Undelivered => (answer_slash(&mut task, &finalized), PENALTY / 5),
            };
            let due = if caught && reward > 0 { vec![(CHALLENGER, reward)] } else { vec![] };
            assert_eq!(challenge_pay(&ran), due, "{case}");
            // Never the node's bond.
            assert_eq!(freed(&ran).2, 0, "{case}");
            let back = paid_to(&ran, REQUESTOR);
            let slashed = match ruling {
                Outcome::Accepted => 0,
                Outcome::Rejected => RESERVE.get(),
                Outcome::Undelivered => PENALTY,
            };
            let due = if slashed > 0 { PRICE.get() + slashed / 2 } else { 0 };
            let rewarded = if caught { reward } else { 0 };
            assert!(back >= due - rewarded, "{case}: {back}");
        }
    }
}

/// Where nobody decides, nobody said that the challenger was wrong.
#[test]
fn an_unanswered_challenge_ends_by_time_and_the_verdict_stands() {
    for verdict in Outcome::ALL {
        let mut task = disputed(Kind::Judged, verdict);
        task.now = data(&task).deadline;
        assert_eq!(say(&mut task, Word::Expire, STRANGER).exit, 103);
        task.now += 1;
        let ran = say(&mut task, Word::Expire, STRANGER);
        assert_eq!((ran.exit, state(&task)), (0, judged(verdict)));
        assert_eq!(challenge_pay(&ran), [(CHALLENGER, BOND)]);
        // Who pushed it has its change.
        let change = paid_to(&ran, STRANGER);
        assert!(0 < change && change <= Word::Expire.value(), "{change}");
        let work = data(&task).work.unwrap();
        assert_eq!((work.outcome, work.dispute.unwrap().won), (verdict, false));
        let finalized = say(&mut task, Word::Finalize, STRANGER);
        assert_eq!(finalized.exit, 0);
        if verdict != Outcome::Accepted {
            assert_eq!(challenge_pay(&answer_slash(&mut task, &finalized)), []);
        }
    }
}

/// A challenger is a fifth of the slash's, and the share that is asked of the stake stays at half.
#[test]
fn a_reward_comes_out_of_the_slash() {
    let mut task = ripe(Kind::Judged, Outcome::Accepted);
    say(&mut task, Word::RuleRejected, OPERATOR);
    let finalized = say(&mut task, Word::Finalize, STRANGER);
    let mut slice = finalized.the(stake::op::SLASH).body.as_slice().unwrap();
    slice.skip_first(96, 0).unwrap();
    let (amount, share) = (coins(&mut slice), coins(&mut slice));
    assert_eq!((amount, share), (RESERVE.get(), RESERVE.get() / 2));
    let ran = answer_slash(&mut task, &finalized);
    assert_eq!(challenge_pay(&ran), [(CHALLENGER, REWARD)]);
    let back = paid_to(&ran, REQUESTOR);
    assert!(back >= PRICE.get() + share - REWARD, "{back}");
    assert!(paid_to(&ran, STRANGER) <= Word::Finalize.value());
    // A stake that gives nothing back leaves no reward to be taken out of the escrow.
    let mut task = ripe(Kind::Judged, Outcome::Accepted);
    say(&mut task, Word::RuleRejected, OPERATOR);
    let finalized = say(&mut task, Word::Finalize, STRANGER);
    let slash = finalized.the(stake::op::SLASH);
    task.receive(slash.to, slash.value, slash.bounced(109), Arrival::Bounced);
    assert_eq!(state(&task), TaskState::Rejected);
    task.now += 91 * 24 * 3600;
    let ran = say(&mut task, Word::Expire, STRANGER);
    assert_eq!(ran.exit, 0);
    assert_eq!(challenge_pay(&ran), []);
    assert!(paid_to(&ran, REQUESTOR) >= PRICE.get());
}

/// A stake of which little is the worker's own gives back less than was asked for: the challenger comes
/// first, the requestor gets what is left of it, and nothing of either comes out of the escrow.
#[test]
fn a_reward_is_no_more_than_what_came_of_the_slash() {
    for share in [0, 1, REWARD - 1, REWARD, REWARD + 1, RESERVE.get() / 2] {
        let mut task = ripe(Kind::Judged, Outcome::Accepted);
        say(&mut task, Word::RuleRejected, OPERATOR);
        let finalized = say(&mut task, Word::Finalize, STRANGER);
        let ran = answer_with(&mut task, finalized.the(stake::op::SLASH), share);
        let reward = share.min(REWARD);
        let meant = if reward > 0 { vec![(CHALLENGER, reward)] } else { vec![] };
        assert_eq!(challenge_pay(&ran), meant, "of {share}");
        let back = paid_to(&ran, REQUESTOR);
        assert!(back >= PRICE.get() + share - reward, "{back} of {share}");
        assert!(state(&task).is_end());
    }
}

/// A worker that commits, keeps its result back until the verdict says so, has a friend challenge
/// that, and then shows the result: nobody is paid for the detour.
#[test]
fn withholding_and_then_showing_is_no_business() {
    for shown_by_a_proof in [false, true] {
        let kind = if shown_by_a_proof { Kind::Overruled } else { Kind::Judged };
        let mut task = ripe(kind, Outcome::Undelivered);
        let ran = if shown_by_a_proof {
            say(&mut task, Word::Prove, OWNER)
        } else {
            let ran = say(&mut task, Word::RuleAccepted, OWNER);
            assert_eq!(say(&mut task, Word::Finalize, OWNER).exit, 0);
            ran
        };
        assert_eq!(challenge_pay(&ran), [(CHALLENGER, BOND)]);
        assert_eq!(state(&task), TaskState::Settling);
        let ran = say(&mut task, Word::Settled, stake_address());
        assert_eq!(challenge_pay(&ran), []);
        assert_eq!(freed(&ran).2, 0, "the node's bond owes nothing");
    }
}

// ---- proofs that overrule ----------------------------------------------------------------------

#[test]
fn a_proof_of_the_committed_result_stands_above_every_verdict() {
    let mut places = vec![task_of(Kind::Overruled, TaskState::Committed)];
    for verdict in Outcome::ALL {
        let at = judged(verdict);
        let mut task = task_of(Kind::Overruled, TaskState::Committed);
        say(&mut task, Word::verdict(verdict), OPERATOR);
        assert_eq!(state(&task), at);
        places.extend([task, disputed(Kind::Overruled, verdict), ripe(Kind::Overruled, verdict)]);
    }
    for start in places {
        let mut task = start.clone();
        let was = data(&task).work.unwrap();
        let ran = say(&mut task, Word::Prove, STRANGER);
        assert_eq!((ran.exit, state(&task)), (0, TaskState::Settling), "{:?}", state(&start));
        let settle = ran.the(stake::op::SETTLE);
        assert_eq!(settle.to, stake_address());
        let paid: Vec<_> = challenge_pay(&ran);
        let meant = was.dispute.map(|_| {
            let upheld = was.outcome == Outcome::Accepted;
            (if upheld { OWNER } else { CHALLENGER }, BOND)
        });
        assert_eq!(paid, Vec::from_iter(meant));
        let work = data(&task).work.unwrap();
        assert_eq!((work.outcome, work.commitment), (Outcome::Accepted, was.commitment));
        assert!(task.balance >= data(&task).escrowed.get());
        assert_eq!(say(&mut task, Word::Prove, STRANGER).exit, 101, "once");
    }
}

#[test]
fn a_proof_overrules_nothing_it_is_not_for() {
    for start in [
        task_of(Kind::Overruled, TaskState::Committed),
        task_of(Kind::Overruled, TaskState::Rejected),
        disputed(Kind::Overruled, Outcome::Rejected),
    ] {
        let good = prove_for(start.address, stake_address());
        // A right proof of another result: not what was committed to.
        let mut other = good.clone();
        other.result = result_cell(b"another").unwrap();
        let about = fog_contracts::proof::Context {
            network: -3,
            task: start.address,
            stake: stake_address(),
        };
        let x = crate::proving::binding_of(about, &crate::proving::INPUT, b"another");
        other.proof = secrets().prove(number(&x), "other");
        refused(&start, STRANGER, other.body(QUERY).unwrap(), 117, "another result");
        let mut bent = good.clone();
        bent.proof = secrets().prove(number(&x), "other");
        refused(&start, STRANGER, bent.body(QUERY).unwrap(), 117, "another result's proof");
        let elsewhere = prove_for(task_init(9).address().unwrap(), stake_address());
        refused(&start, STRANGER, elsewhere.body(QUERY).unwrap(), 117, "another task's");
        assert_eq!(crate::proving::RESULT, RESULT);
    }
    // Nor where nobody committed, where the terms know no proof, and after the window.
    for (kind, at, code) in [
        (Kind::Overruled, TaskState::Assigned, 101),
        (Kind::Judged, TaskState::Committed, 101),
        (Kind::Judged, TaskState::Disputed, 101),
        (Kind::Judged, TaskState::Rejected, 101),
    ] {
        let start = task_of(kind, at);
        let body = Word::Prove.body(start.address, start.now);
        refused(&start, STRANGER, body, code, &format!("{kind:?} {at:?}"));
    }
    let mut late = task_of(Kind::Overruled, TaskState::Rejected);
    late.now = data(&late).deadline;
    refused(&late, STRANGER, Word::Prove.body(late.address, late.now), 101, "after the window");
    let mut late = disputed(Kind::Overruled, Outcome::Rejected);
    late.now = data(&late).deadline;
    assert_eq!(say(&mut late.clone(), Word::Prove, STRANGER).exit, 0);
    late.now += 1;
    refused(&late, STRANGER, Word::Prove.body(late.address, late.now), 102, "after the dispute");
    let mut ruled = ripe(Kind::Overruled, Outcome::Accepted);
    say(&mut ruled, Word::RuleRejected, OPERATOR);
    refused(&ruled, STRANGER, Word::Prove.body(ruled.address, ruled.now), 101, "after a ruling");
}

// ---- undelivered -------------------------------------------------------------------------------

/// Committed to and never handed over: as if it had been late.
#[test]
fn withheld_work_costs_the_late_penalty_and_no_compensation() {
    let mut task = task_of(Kind::Judged, TaskState::Committed);
    assert_eq!(say(&mut task, Word::Undelivered, OPERATOR).exit, 0);
    task.now = data(&task).deadline;
    let ran = say(&mut task, Word::Finalize, STRANGER);
    assert_eq!((ran.exit, state(&task)), (0, TaskState::Penalising));
    let mut slice = ran.the(stake::op::SLASH).body.as_slice().unwrap();
    slice.skip_first(96, 0).unwrap();
    assert_eq!((coins(&mut slice), coins(&mut slice)), (PENALTY, PENALTY / 2));
    let ran = answer_slash(&mut task, &ran);
    assert_eq!(state(&task), TaskState::Late);
    assert_eq!(freed(&ran), (PRICE.get(), 0, 0));
    assert!(paid_to(&ran, REQUESTOR) >= PRICE.get() + PENALTY / 2);
}

/// No verdict in time: the bond owes the whole price, whichever way the task gets out.
#[test]
fn without_a_verdict_the_bond_owes_the_price_once() {
    type Way = fn(&mut Solo, &Ran) -> Ran;
    let ways: [Way; 3] = [
        |task, _| say(task, Word::Released, speaker(Word::Released)),
        |task, ran| {
            let release = ran.the(stake::op::RELEASE);
            task.receive(release.to, release.value, release.bounced(9), Arrival::Bounced)
        },
        |task, _| {
            task.now += 2 * 24 * 3600;
            say(task, Word::Expire, STRANGER)
        },
    ];
    for way in ways {
        let mut task = task_of(Kind::Judged, TaskState::Committed);
        task.now = data(&task).deadline + 1;
        let ran = say(&mut task, Word::Expire, STRANGER);
        let ran = way(&mut task, &ran);
        assert_eq!(state(&task), TaskState::Refunded);
        assert_eq!(freed(&ran), (PRICE.get(), 0, PRICE.get()));
        assert!(paid_to(&ran, REQUESTOR) >= PRICE.get());
    }
}
