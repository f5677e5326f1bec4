//! The edges of a task's own checks: what signatures bind, and values that no honest party sends.

use std::collections::BTreeMap;

use fog_contracts::{
    TaskState, VerdictTerms, commit_hash, market,
    task::{self, Assign, Outcome, ProofRole, TaskInit, Verdict},
    verdict_hash,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey, Signature};
use tycho_types::cell::{Cell, CellBuilder};

use crate::{
    alone::{
        GRAM, MARKET, OPERATOR, OWNER, QUERY, REQUESTOR, STRANGER, Word, commitment,
        operator_address, session, settings, stake_address, state, task_in, task_init,
        verdict_body, verdict_terms, verifiers,
    },
    proving,
    solo::{Solo, body, put_hash},
    world::{PRICE, RESERVE},
};

fn refused(solo: &Solo, from: Address, body: Cell, code: i32, case: &str) {
    let mut solo = solo.clone();
    let before = solo.stored();
    let ran = solo.send(from, 5 * GRAM, body);
    assert_eq!(ran.exit, code, "{case}");
    assert_eq!(solo.stored(), before, "{case}");
}

#[test]
fn a_verdict_binds_everything() {
    let task = task_in(TaskState::Committed);
    let good = verdict_terms(task.address, Outcome::Accepted, task.now + 300);
    let other = Address::basechain([0x77; 32]);
    let signed_as = |terms: &VerdictTerms| {
        let hash = verdict_hash(terms).unwrap();
        let keys = verifiers();
        let signatures: BTreeMap<u8, Signature> =
            [(0, keys[0].sign(&hash.0)), (1, keys[1].sign(&hash.0))].into();
        let verdict = Verdict {
            outcome: good.outcome,
            evidence: good.evidence,
            valid_until: good.valid_until,
            signatures,
        };
        task::verdict(QUERY, &verdict).unwrap()
    };
    for (what, terms) in [
        ("network", VerdictTerms { network: -239, ..good }),
        ("task", VerdictTerms { task: other, ..good }),
        ("stake", VerdictTerms { stake: other, ..good }),
        ("price", VerdictTerms { price: Nano::new(1), ..good }),
        ("commitment", VerdictTerms { commitment: Hash32([1; 32]), ..good }),
        ("verdict", VerdictTerms { outcome: Outcome::Rejected, ..good }),
        ("another verdict", VerdictTerms { outcome: Outcome::Undelivered, ..good }),
        ("evidence", VerdictTerms { evidence: Hash32([1; 32]), ..good }),
        ("valid until", VerdictTerms { valid_until: good.valid_until + 1, ..good }),
    ] {
        refused(&task, STRANGER, signed_as(&terms), 105, what);
    }
    let late = VerdictTerms { valid_until: task.now - 1, ..good };
    refused(&task, STRANGER, verdict_body(&late, &[0, 1]), 102, "expired");
    let mut last = task.clone();
    let now = VerdictTerms { valid_until: task.now, ..good };
    assert_eq!(last.send(STRANGER, GRAM, verdict_body(&now, &[0, 1])).exit, 0);
    assert_eq!(task.clone().send(STRANGER, GRAM, signed_as(&good)).exit, 0);
}

#[test]
fn only_the_threshold_of_known_verifiers_judges() {
    let task = task_in(TaskState::Committed);
    let terms = verdict_terms(task.address, Outcome::Rejected, task.now + 300);
    let hash = verdict_hash(&terms).unwrap();
    let keys = verifiers();
    let by = |signers: &[(u8, &SecretKey)]| {
        let signatures = signers.iter().map(|(i, key)| (*i, key.sign(&hash.0))).collect();
        let verdict = Verdict {
            outcome: terms.outcome,
            evidence: terms.evidence,
            valid_until: terms.valid_until,
            signatures,
        };
        task::verdict(QUERY, &verdict).unwrap()
    };
    let stranger = SecretKey::from_seed(&[222; 32]);
    let (a, b, c) = (&keys[0], &keys[1], &keys[2]);
    for (what, signers, code) in [
        ("none", vec![], 106),
        ("one", vec![(0, a)], 106),
        ("three", vec![(0, a), (1, b), (2, c)], 106),
        ("a stranger", vec![(0, a), (1, &stranger)], 105),
        ("a stranger in a place of its own", vec![(0, a), (7, &stranger)], 105),
        ("one of them twice", vec![(0, a), (1, a)], 105),
        ("places swapped", vec![(0, b), (1, a)], 105),
    ] {
        refused(&task, STRANGER, by(&signers), code, what);
    }
    for pair in [[(0, a), (1, b)], [(1, b), (2, c)], [(0, a), (2, c)]] {
        let mut task = task.clone();
        assert_eq!(task.send(STRANGER, GRAM, by(&pair)).exit, 0);
        assert_eq!(state(&task), TaskState::Rejected);
    }
}

#[test]
fn a_commitment_is_the_session_keys_own() {
    let at = task_in(TaskState::Assigned);
    let ours = commitment();
    let signed = |network, task: &Address, commitment: &Hash32, key: &SecretKey| {
        let hash = commit_hash(network, task, commitment).unwrap();
        task::commit(QUERY, &ours, &key.sign(&hash.0)).unwrap()
    };
    let here = at.address;
    let (elsewhere, other) = (task_init(2).address().unwrap(), Hash32([5; 32]));
    let stranger = SecretKey::from_seed(&[222; 32]);
    let key = session();
    for (what, body) in [
        ("network", signed(-239, &here, &ours, &key)),
        ("task", signed(-3, &elsewhere, &ours, &key)),
        ("commitment", signed(-3, &here, &other, &key)),
        ("key", signed(-3, &here, &ours, &stranger)),
    ] {
        refused(&at, STRANGER, body, 105, what);
    }
    let mut at = at;
    assert_eq!(at.send(STRANGER, GRAM, signed(-3, &here, &ours, &key)).exit, 0);
    // A second one, with the same right.
    refused(&at, STRANGER, signed(-3, &here, &ours, &key), 101, "twice");
}

#[test]
fn an_assignment_stays_within_the_terms() {
    let at = task_in(TaskState::Open);
    let with = |owner, price| {
        let consent = Signature([0; 64]);
        let assign = Assign { owner, price, reserve: RESERVE, valid_until: at.now, consent };
        task::assign(QUERY, &assign).unwrap()
    };
    refused(&at, operator_address(), with(OWNER, Nano::ZERO), 107, "for nothing");
    refused(&at, operator_address(), with(OWNER, Nano::new(PRICE.get() + 1)), 107, "above the cap");
    let master = Address { workchain: -1, ..OWNER };
    refused(&at, operator_address(), with(master, PRICE), 116, "a worker of the masterchain");
    // The stake that is asked is the one of that worker in this market, computed here.
    for owner in [OWNER, STRANGER] {
        let ran = at.clone().send(operator_address(), GRAM, with(owner, PRICE));
        let asked = ran.the(fog_contracts::stake::op::RESERVE).to;
        assert_eq!(asked, settings().stake_of(MARKET, owner).address().unwrap());
    }
}

#[test]
fn an_answer_to_another_question_is_none() {
    let at = task_in(TaskState::Reserving);
    let answer = |query| body(task::op::RESERVED, query, |b| put_hash(b, &session().public().0));
    refused(&at, stake_address(), answer(QUERY + 1), 113, "another query");
    assert_eq!(at.clone().send(stake_address(), GRAM, answer(QUERY)).exit, 0);
}

#[test]
fn everybody_lives_on_the_basechain() {
    let master = |address: Address| Address { workchain: -1, ..address };
    let good = task_init(1);
    for init in [
        TaskInit { market: master(MARKET), ..good },
        TaskInit { requestor: master(REQUESTOR), ..good },
        TaskInit { operator: master(OPERATOR), ..good },
    ] {
        let solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        let body = Word::Fund.body(solo.address, solo.now);
        refused(&solo, init.requestor, body, 116, "not on the basechain");
    }
}

/// The market answers a task only about itself: a genuine task of another market is no task here.
#[test]
fn a_market_registers_only_its_own_tasks() {
    let init = market::MarketInit { owner: OWNER, salt: 1 };
    let mut market = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    assert_eq!(market.send(OWNER, GRAM, market::setup(1, &settings()).unwrap()).exit, 0);
    let register = |init: &TaskInit| {
        body(market::op::REGISTER, QUERY, |b| {
            b.store_reference(init.to_cell().unwrap()).unwrap();
        })
    };
    let ours = TaskInit { market: market.address, ..task_init(1) };
    let theirs = task_init(1);
    let (here, there) = (ours.address().unwrap(), theirs.address().unwrap());
    refused(&market, there, register(&theirs), 112, "another market's");
    refused(&market, there, register(&ours), 108, "with an init that is not its own");
    refused(&market, STRANGER, register(&ours), 108, "a stranger");
    let masterchain = Address { workchain: -1, ..here };
    refused(&market, masterchain, register(&ours), 108, "on the masterchain");
    let ran = market.send(here, GRAM / 10, register(&ours));
    let answer = ran.the(task::op::OPENED);
    assert_eq!((ran.exit, answer.to), (0, here));
}

/// This init with another role of proofs in its terms (their last two bits), and where that task is.
fn with_role(init: &TaskInit, role: [bool; 2]) -> (Cell, Address) {
    let whole = init.to_cell().unwrap();
    let terms = whole.reference_cloned(0).unwrap();
    let mut kept = terms.as_slice().unwrap();
    kept.skip_last(2, 0).unwrap();
    let mut bent = CellBuilder::new();
    bent.store_slice(kept).unwrap();
    role.iter().for_each(|bit| bent.store_bit(*bit).unwrap());
    let with = |cell: &Cell, reference: Cell| {
        let mut slice = cell.as_slice().unwrap();
        slice.skip_last(0, 1).unwrap();
        let mut builder = CellBuilder::new();
        builder.store_slice(slice).unwrap();
        builder.store_reference(reference).unwrap();
        builder.build().unwrap()
    };
    let shown = with(&whole, bent.build().unwrap());
    let mut fresh = init.state_init().unwrap();
    fresh.data = Some(with(&fresh.data.unwrap(), shown.clone()));
    let at = Address::basechain(CellBuilder::build_from(&fresh).unwrap().repr_hash().0);
    (shown, at)
}

/// Terms that name a statement and say that nothing is proven, or the other way round, open no task:
/// nobody could end it as it was meant.
#[test]
fn a_market_opens_no_task_with_half_a_statement() {
    let init = market::MarketInit { owner: OWNER, salt: 1 };
    let mut market = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    assert_eq!(market.send(OWNER, GRAM, market::setup(1, &settings()).unwrap()).exit, 0);
    let judged = TaskInit { market: market.address, ..task_init(1) };
    let mut proven = judged;
    proven.terms.proof = ProofRole::Decides(proving::statement().hash().unwrap());
    for (init, role, code) in [
        (judged, [false, false], 0),
        (judged, [false, true], 112),
        (judged, [true, false], 112),
        (proven, [false, true], 0),
        (proven, [true, false], 0),
        (proven, [false, false], 112),
        // No role that there is.
        (proven, [true, true], 5),
        (judged, [true, true], 5),
    ] {
        let (shown, at) = with_role(&init, role);
        let register = body(market::op::REGISTER, QUERY, |b| b.store_reference(shown).unwrap());
        if code == 0 {
            assert_eq!(market.clone().send(at, GRAM / 10, register).exit, 0);
        } else {
            refused(&market, at, register, code, "half a statement");
        }
    }
}

/// Not by an assignment that comes from its own bond either, which looks at the value, too: with the gas
/// of all steps and nothing for their messages, the stake's answer might never come.
#[test]
fn an_assignment_brings_what_its_whole_way_costs() {
    let open = task_in(TaskState::Open);
    let steps = ["GAS_ASSIGN", "GAS_RESERVE", "GAS_RESERVED", "GAS_UNDONE", "GAS_FREED"];
    let gas: u64 = steps.into_iter().map(crate::fees::constant).sum();
    for (value, exit) in [(gas * 400, 104), (GRAM / 10, 0)] {
        let mut task = open.clone();
        let body = Word::Assign.body(task.address, task.now);
        assert_eq!(task.send(operator_address(), value, body).exit, exit, "{value}");
    }
}
