//! A task alone, in any state, and everything that may be said to it.

use std::collections::BTreeMap;

use fog_contracts::{
    Consent, FUND_VALUE, TaskState, VerdictTerms, commit_hash, consent_hash,
    market::{self, Config},
    stake::{self, StakeInit},
    task::{self, Assign, TaskData, TaskInit, Terms, Verdict},
    verdict_hash,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey};
use tycho_types::cell::Cell;

use crate::{
    proving,
    solo::{Arrival, Ran, Solo, body, put_address, put_coins, put_hash},
    world::{PRICE, RESERVE, STEP, WINDOW, config},
};

pub(crate) const MARKET: Address = Address::basechain([0xa1; 32]);
pub(crate) const REQUESTOR: Address = Address::basechain([0xa2; 32]);
pub(crate) const OPERATOR: Address = Address::basechain([0xa3; 32]);
pub(crate) const OWNER: Address = Address::basechain([0xa4; 32]);
pub(crate) const STRANGER: Address = Address::basechain([0xa5; 32]);
pub(crate) const TREASURY: Address = Address::basechain([0xee; 32]);
pub(crate) const BURN: Address = Address::basechain([0; 32]);
pub(crate) const COMMITMENT: Hash32 = Hash32([0x11; 32]);
pub(crate) const EVIDENCE: Hash32 = Hash32([0x22; 32]);
pub(crate) const QUERY: u64 = 77;
pub(crate) const GRAM: u64 = 1_000_000_000;

pub(crate) fn session() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

pub(crate) fn verifiers() -> Vec<SecretKey> {
    (0..3).map(|i| SecretKey::from_seed(&[100 + i; 32])).collect()
}

pub(crate) fn settings() -> Config {
    config(2, &verifiers(), TREASURY, BURN)
}

pub(crate) fn stake_init() -> StakeInit {
    settings().stake_of(MARKET, OWNER)
}

pub(crate) fn stake_address() -> Address {
    stake_init().address().unwrap()
}

/// What decides a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Judged,
    Proven,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Judged, Self::Proven];

    fn statement(self) -> Option<Hash32> {
        (self == Self::Proven).then(|| proving::statement().hash().unwrap())
    }
}

pub(crate) fn task_init(id: u8) -> TaskInit {
    TaskInit {
        market: MARKET,
        requestor: REQUESTOR,
        operator: OPERATOR,
        terms: Terms {
            id: Hash32([id; 32]),
            price: PRICE,
            damages: PRICE,
            bid: STEP,
            commit: STEP,
            verdict: STEP,
            window: WINDOW,
            statement: None,
        },
    }
}

/// The settings cell within a configuration.
pub(crate) fn settings_cell(config: &Config) -> Cell {
    let setup = market::setup(0, config).unwrap();
    let config = setup.reference_cloned(0).unwrap();
    config.reference_cloned(0).unwrap()
}

/// One of everything that may be said to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Fund,
    Opened,
    Assign,
    Reserved,
    Commit,
    Accept,
    Reject,
    Finalize,
    Settled,
    Slashed,
    Released,
    Cancel,
    Expire,
    Prove,
}

impl Word {
    pub(crate) const ALL: [Self; 14] = [
        Self::Fund,
        Self::Opened,
        Self::Assign,
        Self::Reserved,
        Self::Commit,
        Self::Accept,
        Self::Reject,
        Self::Finalize,
        Self::Settled,
        Self::Slashed,
        Self::Released,
        Self::Cancel,
        Self::Expire,
        Self::Prove,
    ];

    /// The message, well formed and validly signed.
    pub(crate) fn body(self, task: Address, now: u32) -> Cell {
        let valid_until = now + 300;
        match self {
            Self::Fund => task::fund(QUERY).unwrap(),
            Self::Opened => body(task::op::OPENED, QUERY, |b| {
                b.store_reference(settings_cell(&settings())).unwrap();
            }),
            Self::Assign => assign_body(task, valid_until),
            Self::Reserved => {
                body(task::op::RESERVED, QUERY, |b| put_hash(b, &session().public().0))
            }
            Self::Commit => {
                let hash = commit_hash(-3, &task, &COMMITMENT).unwrap();
                task::commit(QUERY, &COMMITMENT, &session().sign(&hash.0)).unwrap()
            }
            Self::Accept | Self::Reject => {
                let terms = verdict_terms(task, self == Self::Accept, valid_until);
                verdict_body(&terms, &[0, 2])
            }
            Self::Finalize => task::finalize(QUERY).unwrap(),
            Self::Settled => body(task::op::SETTLED, QUERY, |b| put_address(b, STRANGER)),
            Self::Slashed => body(task::op::SLASHED, QUERY, |b| {
                put_coins(b, Nano::ZERO);
                put_address(b, STRANGER);
            }),
            Self::Released => body(task::op::RELEASED, QUERY, |b| put_address(b, STRANGER)),
            Self::Cancel => task::cancel(QUERY).unwrap(),
            Self::Expire => task::expire(QUERY).unwrap(),
            Self::Prove => proving::prove_for(task, stake_address()).body(QUERY).unwrap(),
        }
    }

    /// Enough for it.
    pub(crate) fn value(self) -> u64 {
        match self {
            Self::Fund => PRICE.get() + FUND_VALUE.get(),
            _ => GRAM / 5,
        }
    }
}

fn assign_body(task: Address, valid_until: u32) -> Cell {
    let consent = Consent {
        network: -3,
        stake: stake_address(),
        task,
        reserve: RESERVE,
        price: PRICE,
        valid_until,
    };
    let assign = Assign {
        owner: OWNER,
        price: PRICE,
        reserve: RESERVE,
        valid_until,
        consent: session().sign(&consent_hash(&consent).unwrap().0),
    };
    task::assign(QUERY, &assign).unwrap()
}

pub(crate) fn verdict_terms(task: Address, accepted: bool, valid_until: u32) -> VerdictTerms {
    VerdictTerms {
        network: -3,
        task,
        stake: stake_address(),
        price: PRICE,
        commitment: COMMITMENT,
        accepted,
        evidence: EVIDENCE,
        valid_until,
    }
}

pub(crate) fn verdict_body(terms: &VerdictTerms, signers: &[u8]) -> Cell {
    let hash = verdict_hash(terms).unwrap();
    let keys = verifiers();
    let signatures: BTreeMap<_, _> =
        signers.iter().map(|i| (*i, keys[usize::from(*i)].sign(&hash.0))).collect();
    let verdict = Verdict {
        accepted: terms.accepted,
        evidence: terms.evidence,
        valid_until: terms.valid_until,
        signatures,
    };
    task::verdict(QUERY, &verdict).unwrap()
}

/// A task nobody has paid yet.
pub(crate) fn fresh_of(kind: Kind) -> Solo {
    let mut init = task_init(1);
    init.terms.statement = kind.statement();
    Solo::new(init.address().unwrap(), init.state_init().unwrap())
}

pub(crate) fn data(solo: &Solo) -> TaskData {
    TaskData::parse(&solo.data().unwrap()).unwrap()
}

/// Its state; `Created` where it is not deployed.
pub(crate) fn state(solo: &Solo) -> TaskState {
    solo.data().map_or(TaskState::Created, |data| TaskData::parse(&data).unwrap().state)
}

/// Who says this word in an honest life.
pub(crate) fn speaker(word: Word) -> Address {
    match word {
        Word::Fund | Word::Cancel => REQUESTOR,
        Word::Opened => MARKET,
        Word::Assign | Word::Commit | Word::Accept | Word::Reject => OPERATOR,
        Word::Reserved | Word::Settled | Word::Slashed | Word::Released => stake_address(),
        Word::Finalize | Word::Expire | Word::Prove => STRANGER,
    }
}

pub(crate) fn say(solo: &mut Solo, word: Word, from: Address) -> Ran {
    let body = word.body(solo.address, solo.now);
    solo.receive(from, word.value(), body, Arrival::Sent)
}

/// A step on the way to a state.
#[derive(Debug, Clone, Copy)]
enum Go {
    Say(Word),
    /// Let the deadline pass.
    Wait,
    /// The payment comes back from the stake.
    Refuse,
}

/// The state before this one, and how it leads here; none before the first.
fn before(kind: Kind, to: TaskState) -> Option<(TaskState, &'static [Go])> {
    use Go::{Refuse, Say, Wait};
    use TaskState as S;
    Some(match (kind, to) {
        (_, S::Created) => return None,
        (_, S::Registering) => (S::Created, &[Say(Word::Fund)]),
        (_, S::Open) => (S::Registering, &[Say(Word::Opened)]),
        (_, S::Reserving) => (S::Open, &[Say(Word::Assign)]),
        (_, S::Refunded) => (S::Open, &[Say(Word::Cancel)]),
        (_, S::Assigned) => (S::Reserving, &[Say(Word::Reserved)]),
        (_, S::Committed) => (S::Assigned, &[Say(Word::Commit)]),
        (_, S::Penalising) => (S::Assigned, &[Wait, Say(Word::Expire)]),
        (_, S::Releasing) => (S::Committed, &[Wait, Say(Word::Expire)]),
        (Kind::Judged, S::Accepted) => (S::Committed, &[Say(Word::Accept)]),
        (Kind::Judged, S::Settling) => (S::Accepted, &[Wait, Say(Word::Finalize)]),
        (Kind::Proven, S::Settling) => (S::Assigned, &[Say(Word::Prove)]),
        (Kind::Proven, S::Accepted) => (S::Assigned, &[Say(Word::Prove), Refuse]),
        (_, S::Rejected) => (S::Committed, &[Say(Word::Reject)]),
        (_, S::Slashing) => (S::Rejected, &[Wait, Say(Word::Finalize)]),
        (_, S::Paid) => (S::Settling, &[Say(Word::Settled)]),
        (_, S::Slashed) => (S::Slashing, &[Say(Word::Slashed)]),
        (_, S::Late) => (S::Penalising, &[Say(Word::Slashed)]),
    })
}

/// Can a task of this kind get there? What a proof decides, nobody commits to or judges.
pub(crate) const fn reaches(kind: Kind, to: TaskState) -> bool {
    use TaskState as S;
    match kind {
        Kind::Judged => true,
        Kind::Proven => {
            !matches!(to, S::Committed | S::Releasing | S::Rejected | S::Slashing | S::Slashed)
        }
    }
}

/// A task in this state, by the straight way.
pub(crate) fn task_in(to: TaskState) -> Solo {
    task_of(Kind::Judged, to)
}

pub(crate) fn task_of(kind: Kind, to: TaskState) -> Solo {
    let Some((from, steps)) = before(kind, to) else { return fresh_of(kind) };
    let mut solo = task_of(kind, from);
    let mut paid = None;
    for step in steps {
        match step {
            Go::Wait => solo.now = data(&solo).deadline + 1,
            Go::Say(word) => {
                let ran = say(&mut solo, *word, speaker(*word));
                assert_eq!(ran.exit, 0, "{word:?} on the way to {to:?}");
                paid = ran.sent.into_iter().find(|message| message.op() == stake::op::SETTLE);
            }
            Go::Refuse => {
                let payment = paid.take().unwrap();
                let back = payment.bounced(104);
                solo.receive(payment.to, payment.value, back, Arrival::Bounced);
            }
        }
    }
    assert_eq!(state(&solo), to);
    solo
}

/// Tasks of both kinds in every state they can get to.
pub(crate) fn every_task() -> Vec<Solo> {
    let all = Kind::ALL.into_iter().flat_map(|kind| TaskState::ALL.map(|to| (kind, to)));
    all.filter(|(kind, to)| reaches(*kind, *to)).map(|(kind, to)| task_of(kind, to)).collect()
}

/// A stake alone, with 100 GRAM.
pub(crate) fn stake_alone() -> Solo {
    let init = stake_init();
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let deposit = stake::deposit(1, Nano::grams(100), &session().public()).unwrap();
    assert_eq!(solo.send(OWNER, 101 * GRAM, deposit).exit, 0);
    solo
}
