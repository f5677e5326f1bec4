//! A task alone, in any state, and everything that may be said to it.

use std::{collections::BTreeMap, sync::LazyLock};

use fog_contracts::{
    Consent, FUND_VALUE, TaskState, VerdictTerms, commit_hash, consent_hash, dispute,
    jetton_task::JettonTaskData,
    market::{self, Config},
    operator::OperatorInit,
    proof::result_hash,
    ruling_hash,
    stake::{self, StakeInit},
    task::{self, Assign, Outcome, ProofRole, TaskData, TaskInit, Terms, Verdict},
    verdict_hash,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey};
use tycho_types::cell::Cell;

use crate::{
    cells::every,
    jetton_tasks::kit,
    proving,
    solo::{Arrival, Ran, Solo, body, put_address, put_coins, put_hash},
    world::{CHALLENGE_BOND, PRICE, RESERVE, STEP, WINDOW, config},
};

pub(crate) const MARKET: Address = Address::basechain([0xa1; 32]);
pub(crate) const REQUESTOR: Address = Address::basechain([0xa2; 32]);
pub(crate) const OPERATOR: Address = Address::basechain([0xa3; 32]);
pub(crate) const OWNER: Address = Address::basechain([0xa4; 32]);
pub(crate) const STRANGER: Address = Address::basechain([0xa5; 32]);
pub(crate) const CHALLENGER: Address = Address::basechain([0xa6; 32]);
pub(crate) const TREASURY: Address = Address::basechain([0xee; 32]);
pub(crate) const BURN: Address = Address::basechain([0; 32]);
pub(crate) const EVIDENCE: Hash32 = Hash32([0x22; 32]);
pub(crate) const COUNTER_EVIDENCE: Hash32 = Hash32([0x23; 32]);
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
    static AT: LazyLock<Address> = LazyLock::new(|| stake_init().address().unwrap());
    *AT
}

pub(crate) fn operator_init() -> OperatorInit {
    settings().operator_of(MARKET, OPERATOR)
}

/// The node's bond, which alone assigns.
pub(crate) fn operator_address() -> Address {
    static AT: LazyLock<Address> = LazyLock::new(|| operator_init().address().unwrap());
    *AT
}

/// What is committed to: the result that a proof is for.
pub(crate) fn commitment() -> Hash32 {
    result_hash(proving::RESULT).unwrap()
}

/// What decides a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Judged,
    Proven,
    /// Judged, and a proof stands above the judges.
    Overruled,
    /// Judged, and paid in a jetton.
    InJetton,
}

impl Kind {
    /// Those that are paid in GRAM.
    pub(crate) const ALL: [Self; 3] = [Self::Judged, Self::Proven, Self::Overruled];

    fn proof(self) -> ProofRole {
        let statement = proving::statement().hash().unwrap();
        match self {
            Self::Judged | Self::InJetton => ProofRole::None,
            Self::Proven => ProofRole::Decides(statement),
            Self::Overruled => ProofRole::Overrules(statement),
        }
    }
}

/// Where a task is: what decides it, its state, and the verdict that led there, where one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) state: TaskState,
    pub(crate) verdict: Outcome,
}

impl Place {
    /// Every place there is for tasks in GRAM.
    pub(crate) fn all() -> Vec<Self> {
        Self::all_of(&Kind::ALL)
    }

    pub(crate) fn all_of(kinds: &[Kind]) -> Vec<Self> {
        let mut all = Vec::new();
        for kind in kinds.iter().copied() {
            for state in TaskState::ALL.into_iter().filter(|state| reaches(kind, *state)) {
                let verdicts: &[Outcome] = match state {
                    TaskState::Rejected => &[Outcome::Rejected, Outcome::Undelivered],
                    TaskState::Disputed => &Outcome::ALL,
                    _ => &[Outcome::Accepted],
                };
                all.extend(verdicts.iter().map(|verdict| Self { kind, state, verdict: *verdict }));
            }
        }
        all
    }

    /// A task there.
    pub(crate) fn task(self) -> Solo {
        let word = Word::verdict(self.verdict);
        let mut solo = match self.state {
            TaskState::Rejected | TaskState::Disputed => {
                let mut solo = task_of(self.kind, TaskState::Committed);
                assert_eq!(say(&mut solo, word, STRANGER).exit, 0);
                solo
            }
            state => return task_of(self.kind, state),
        };
        if self.state == TaskState::Disputed {
            assert_eq!(say(&mut solo, Word::Challenge, CHALLENGER).exit, 0);
        }
        solo
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
            proof: ProofRole::None,
        },
    }
}

/// The settings cell within a configuration.
pub(crate) fn settings_cell(config: &Config) -> Cell {
    let setup = market::setup(0, config).unwrap();
    let config = setup.reference_cloned(0).unwrap();
    config.reference_cloned(0).unwrap()
}

every! {
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
        Undelivered,
        Finalize,
        Settled,
        Slashed,
        Released,
        Cancel,
        Expire,
        Prove,
        Challenge,
        RuleAccepted,
        RuleRejected,
        RuleUndelivered,
    }
}

impl Word {
    /// The verifiers' word for this outcome.
    pub(crate) const fn verdict(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accept,
            Outcome::Rejected => Self::Reject,
            Outcome::Undelivered => Self::Undelivered,
        }
    }

    /// The word that rules so.
    pub(crate) const fn ruling(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::RuleAccepted,
            Outcome::Rejected => Self::RuleRejected,
            Outcome::Undelivered => Self::RuleUndelivered,
        }
    }

    /// What this verdict or ruling says.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|of| self == Self::verdict(*of) || self == Self::ruling(*of))
    }

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
                let hash = commit_hash(-3, &task, &commitment()).unwrap();
                task::commit(QUERY, &commitment(), &session().sign(&hash.0)).unwrap()
            }
            Self::Accept | Self::Reject | Self::Undelivered => {
                let terms = verdict_terms(task, self.outcome().unwrap(), valid_until);
                verdict_body(&terms, &[0, 2])
            }
            Self::Challenge => dispute::challenge(QUERY, &COUNTER_EVIDENCE).unwrap(),
            Self::RuleAccepted | Self::RuleRejected | Self::RuleUndelivered => {
                let terms = verdict_terms(task, self.outcome().unwrap(), valid_until);
                ruling_body(&VerdictTerms { evidence: COUNTER_EVIDENCE, ..terms }, &[0, 1, 2])
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
            Self::Challenge => CHALLENGE_BOND.get() + GRAM / 5,
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

pub(crate) fn verdict_terms(task: Address, outcome: Outcome, valid_until: u32) -> VerdictTerms {
    VerdictTerms {
        network: -3,
        task,
        stake: stake_address(),
        price: PRICE,
        commitment: commitment(),
        outcome,
        evidence: EVIDENCE,
        valid_until,
    }
}

/// A verdict that says these terms, with signatures over `hash`.
pub(crate) fn signed(terms: &VerdictTerms, hash: &Hash32, signers: &[u8]) -> Verdict {
    let keys = verifiers();
    let signatures: BTreeMap<_, _> =
        signers.iter().map(|i| (*i, keys[usize::from(*i)].sign(&hash.0))).collect();
    Verdict {
        outcome: terms.outcome,
        evidence: terms.evidence,
        valid_until: terms.valid_until,
        signatures,
    }
}

pub(crate) fn verdict_body(terms: &VerdictTerms, signers: &[u8]) -> Cell {
    task::verdict(QUERY, &signed(terms, &verdict_hash(terms).unwrap(), signers)).unwrap()
}

pub(crate) fn ruling_body(terms: &VerdictTerms, signers: &[u8]) -> Cell {
    dispute::ruling(QUERY, &signed(terms, &ruling_hash(terms).unwrap(), signers)).unwrap()
}

/// A task nobody has paid yet.
pub(crate) fn fresh_of(kind: Kind) -> Solo {
    if kind == Kind::InJetton {
        return kit::fresh();
    }
    let mut init = task_init(1);
    init.terms.proof = kind.proof();
    Solo::new(init.address().unwrap(), init.state_init().unwrap())
}

pub(crate) fn data(solo: &Solo) -> TaskData {
    read(&solo.data().unwrap())
}

/// A task's data, in whatever it is paid.
pub(crate) fn read(data: &Cell) -> TaskData {
    JettonTaskData::parse(data).unwrap().task
}

/// Its state; `Created` where it is not deployed.
pub(crate) fn state(solo: &Solo) -> TaskState {
    solo.data().map_or(TaskState::Created, |data| read(&data).state)
}

/// Who says this word in an honest life.
pub(crate) fn speaker(word: Word) -> Address {
    match word {
        Word::Fund | Word::Cancel => REQUESTOR,
        Word::Opened => MARKET,
        Word::Assign => operator_address(),
        Word::Commit | Word::Accept | Word::Reject | Word::Undelivered => OPERATOR,
        Word::Reserved | Word::Settled | Word::Slashed | Word::Released => stake_address(),
        Word::Finalize | Word::Expire | Word::Prove => STRANGER,
        Word::Challenge => CHALLENGER,
        Word::RuleAccepted | Word::RuleRejected | Word::RuleUndelivered => OPERATOR,
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
    /// The master answers, and the jettons come.
    PayIn,
}

/// The state before this one, and how it leads here; none before the first.
fn before(kind: Kind, to: TaskState) -> Option<(TaskState, &'static [Go])> {
    use Go::{PayIn, Refuse, Say, Wait};
    use TaskState as S;
    Some(match (kind, to) {
        (_, S::Created) => return None,
        (Kind::InJetton, S::Registering) => (S::Created, &[PayIn]),
        (_, S::Registering) => (S::Created, &[Say(Word::Fund)]),
        (_, S::Open) => (S::Registering, &[Say(Word::Opened)]),
        (_, S::Reserving) => (S::Open, &[Say(Word::Assign)]),
        (_, S::Refunded) => (S::Open, &[Say(Word::Cancel)]),
        (_, S::Assigned) => (S::Reserving, &[Say(Word::Reserved)]),
        (_, S::Committed) => (S::Assigned, &[Say(Word::Commit)]),
        (_, S::Penalising) => (S::Assigned, &[Wait, Say(Word::Expire)]),
        (_, S::Releasing) => (S::Committed, &[Wait, Say(Word::Expire)]),
        (Kind::Proven, S::Settling) => (S::Assigned, &[Say(Word::Prove)]),
        (Kind::Proven, S::Accepted) => (S::Assigned, &[Say(Word::Prove), Refuse]),
        (_, S::Accepted) => (S::Committed, &[Say(Word::Accept)]),
        (_, S::Settling) => (S::Accepted, &[Wait, Say(Word::Finalize)]),
        (_, S::Disputed) => (S::Accepted, &[Say(Word::Challenge)]),
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
        Kind::Judged | Kind::Overruled | Kind::InJetton => true,
        Kind::Proven => !matches!(
            to,
            S::Committed | S::Releasing | S::Rejected | S::Slashing | S::Slashed | S::Disputed
        ),
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
            Go::PayIn => kit::pay_in(&mut solo),
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

/// Tasks of all kinds in every state they can get to.
pub(crate) fn every_task() -> Vec<Solo> {
    Place::all().into_iter().map(Place::task).collect()
}

/// A stake alone, with 100 GRAM.
pub(crate) fn stake_alone() -> Solo {
    let init = stake_init();
    let mut solo = Solo::new(init.address().unwrap(), init.state_init().unwrap());
    let deposit = stake::deposit(1, Nano::grams(100), &session().public()).unwrap();
    assert_eq!(solo.send(OWNER, 101 * GRAM, deposit).exit, 0);
    solo
}
