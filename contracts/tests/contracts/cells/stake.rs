//! `Stake`: every operation in every state from every role.

use std::collections::BTreeSet;

use fog_contracts::{
    Consent,
    jetton_task::JettonTask,
    op,
    stake::{self, StakeData},
    task::{self, TaskInit},
};
use fog_protocol::{Address, Hash32, Nano, SecretKey};
use tycho_types::cell::Cell;

use super::{Outcome, Said, Table, every, outcome, sources};
use crate::{
    alone::{
        BURN, GRAM, MARKET, OWNER, QUERY, STRANGER, session, stake_alone, stake_init, task_init,
    },
    delegations::{OTHER, STAKER, at as delegation_of, join, leave, redeem},
    jetton_tasks::kit::terms,
    jettons::kit::MASTER,
    ledger::check_stake,
    shares,
    solo::{Arrival, Ran, Sent, Solo, body},
    stakes::{consent_for, data, release_body, reserve_body, settle_body, slash_body},
    world::{RESERVE, STEP, UNBONDING, WINDOW},
};

/// What the owner of [`stake_alone`] has in it.
const OWN: Nano = Nano::grams(100);
const DELEGATED: Nano = Nano::grams(50);
/// What is deposited and what is unbonded, in a cell.
const SOME: Nano = Nano::grams(10);
/// No reservation is smaller, so that all states' can be slashed by as much.
const CUT: Nano = Nano::grams(1);
const PAY: Nano = Nano::grams(2);
/// Above what any word needs.
const ENOUGH: u64 = GRAM / 2;
/// From a reservation to its last exit.
const STALE: u32 = STEP + STEP + WINDOW + 180 * 86_400;
const YEAR: u32 = 365 * 86_400;

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Deposit,
        SetSession,
        Reserve,
        Settle,
        Slash,
        Release,
        Unbond,
        Withdraw,
        WithdrawEarnings,
        FreeStale,
        SetCommission,
        Join,
        Leave,
        Redeem,
        /// The stake's own answer to a reservation, thrown back.
        ReservedBack,
        /// An empty body.
        TopUp,
        /// No word that there is.
        Unknown,
    }
}

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Role {
        Owner,
        /// The one that reserves wherever somebody has.
        Task,
        /// As genuine, and without a reservation.
        OtherTask,
        JettonTask,
        /// A genuine task of another market.
        ForeignTask,
        /// The first task's hash, on the masterchain.
        MasterTask,
        Delegation,
        /// Somebody else's, which speaks of the first one's owner.
        OthersDelegation,
        /// The first one's owner itself.
        Staker,
        Market,
        Stranger,
    }
}

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        /// Not deployed.
        Fresh,
        /// All of it was taken out.
        Emptied,
        Free,
        Reserved,
        /// By 64 tasks: there is room for no more.
        Crowded,
        /// A part, and a second is missing.
        UnbondingEarly,
        UnbondingRipe,
        /// All but what is reserved.
        UnbondingReserved,
        /// A task has paid.
        Earned,
        /// A second before anybody may free the reservation.
        StaleEarly,
        Stale,
        Delegated,
        /// Half of what is delegated, and a second is missing.
        LeavingEarly,
        LeavingRipe,
        /// Own and delegated stake are ripe, and a task from before is not over.
        Backing,
        /// They are ripe, and there is a task from after they began to leave.
        Later,
        /// A payment of which delegations get a part.
        Vesting,
        /// A slash took all, delegations' part too.
        CutDown,
        /// All of it is ripe, and the rent has eaten into it.
        Poor,
    }
}

impl State {
    /// Has [`Role::Task`] a reservation?
    fn is_reserved(self) -> bool {
        match self {
            Self::Reserved
            | Self::Crowded
            | Self::UnbondingReserved
            | Self::StaleEarly
            | Self::Stale
            | Self::Backing
            | Self::Later => true,
            Self::Fresh
            | Self::Emptied
            | Self::Free
            | Self::UnbondingEarly
            | Self::UnbondingRipe
            | Self::Earned
            | Self::Delegated
            | Self::LeavingEarly
            | Self::LeavingRipe
            | Self::Vesting
            | Self::CutDown
            | Self::Poor => false,
        }
    }

    /// Is there own stake that nothing is reserved of?
    fn is_free(self) -> bool {
        !matches!(
            self,
            Self::Fresh | Self::Emptied | Self::UnbondingReserved | Self::CutDown | Self::Poor
        )
    }

    fn is_delegated(self) -> bool {
        matches!(
            self,
            Self::Delegated
                | Self::LeavingEarly
                | Self::LeavingRipe
                | Self::Backing
                | Self::Later
                | Self::Vesting
                | Self::CutDown
        )
    }

    fn stand(self) -> Solo {
        if self == Self::Fresh {
            let init = stake_init();
            return Solo::new(init.address().unwrap(), init.state_init().unwrap());
        }
        let mut stake = stake_alone();
        if self.is_delegated() {
            let value = DELEGATED.get() + ENOUGH;
            taken(&mut stake, Role::Delegation, value, join(DELEGATED, 1000, STAKER));
        }
        let now = stake.now;
        self.lead(&mut stake);
        if stake.now != now {
            // The rent until now is paid.
            taken(&mut stake, Role::Stranger, ENOUGH, Cell::default());
        }
        stake
    }

    fn lead(self, stake: &mut Solo) {
        let unbond = |stake: &mut Solo, amount| {
            taken(stake, Role::Owner, ENOUGH, stake::unbond(QUERY, amount).unwrap());
        };
        let half_leaves = |stake: &mut Solo| {
            let shares = data(stake).pool.shares / 2;
            taken(stake, Role::Delegation, ENOUGH, leave(shares, STAKER));
        };
        match self {
            Self::Fresh | Self::Free | Self::Delegated => {}
            Self::Emptied => {
                unbond(stake, OWN);
                stake.now += UNBONDING;
                taken(stake, Role::Owner, ENOUGH, stake::withdraw(QUERY).unwrap());
            }
            Self::Reserved => reserve(stake, 1, RESERVE),
            Self::Crowded => (1..=64).for_each(|id| reserve(stake, id, CUT)),
            Self::UnbondingEarly | Self::UnbondingRipe => {
                unbond(stake, SOME);
                stake.now += UNBONDING - u32::from(self == Self::UnbondingEarly);
            }
            Self::UnbondingReserved => {
                reserve(stake, 1, RESERVE);
                unbond(stake, OWN.saturating_sub(RESERVE));
                stake.now += UNBONDING;
            }
            Self::Earned | Self::Vesting => {
                reserve(stake, 1, RESERVE);
                taken(stake, Role::Task, PAY.get() + ENOUGH, settle_body(PAY));
            }
            Self::StaleEarly | Self::Stale => {
                reserve(stake, 1, RESERVE);
                stake.now += STALE - u32::from(self == Self::StaleEarly);
            }
            Self::LeavingEarly | Self::LeavingRipe => {
                half_leaves(stake);
                stake.now += UNBONDING - u32::from(self == Self::LeavingEarly);
            }
            Self::Backing => {
                reserve(stake, 1, RESERVE);
                unbond(stake, SOME);
                half_leaves(stake);
                stake.now += UNBONDING;
            }
            Self::Later => {
                unbond(stake, SOME);
                half_leaves(stake);
                stake.now += 1;
                reserve(stake, 1, RESERVE);
                stake.now += UNBONDING - 1;
            }
            Self::CutDown => {
                let all = OWN.saturating_add(DELEGATED);
                reserve(stake, 1, all);
                taken(stake, Role::Task, ENOUGH, slash_body(all, Nano::ZERO));
            }
            Self::Poor => {
                unbond(stake, OWN);
                stake.now += 40 * YEAR;
            }
        }
    }

    /// When [`Word::Redeem`] says that its shares began to leave.
    fn left_at(self, now: u32) -> u32 {
        now - UNBONDING + u32::from(self == Self::LeavingEarly)
    }
}

impl Role {
    fn address(self) -> Address {
        match self {
            Self::Owner => OWNER,
            Self::Task | Self::OtherTask | Self::ForeignTask => self.shown().address().unwrap(),
            Self::JettonTask => jetton_task().address().unwrap(),
            Self::MasterTask => Address { workchain: -1, ..Self::Task.address() },
            Self::Delegation => delegation_of(STAKER),
            Self::OthersDelegation => delegation_of(OTHER),
            Self::Staker => STAKER,
            Self::Market => MARKET,
            Self::Stranger => STRANGER,
        }
    }

    /// Which init it shows: its own, if it has one.
    fn shown(self) -> TaskInit {
        match self {
            Self::OtherTask => task_init(65),
            Self::JettonTask => jetton_task().task,
            Self::ForeignTask => {
                TaskInit { market: Address::basechain([0x66; 32]), ..task_init(1) }
            }
            Self::Owner
            | Self::Task
            | Self::MasterTask
            | Self::Delegation
            | Self::OthersDelegation
            | Self::Staker
            | Self::Market
            | Self::Stranger => task_init(1),
        }
    }
}

fn jetton_task() -> JettonTask {
    JettonTask::new(task_init(1), terms(MASTER)).unwrap()
}

fn taken(stake: &mut Solo, from: Role, value: u64, body: Cell) -> Ran {
    let ran = stake.send(from.address(), value, body);
    assert_eq!(ran.exit, 0);
    ran
}

/// With a consent for whoever asks.
fn asks(init: &TaskInit, task: Address, amount: Nano, now: u32) -> Cell {
    let consent = Consent { task, reserve: amount, ..consent_for(init, now) };
    reserve_body(init, &consent, &consent, &session())
}

fn reserve(stake: &mut Solo, id: u8, amount: Nano) {
    let init = task_init(id);
    let task = init.address().unwrap();
    assert_eq!(stake.send(task, ENOUGH, asks(&init, task, amount, stake.now)).exit, 0);
}

impl Word {
    fn said(self, state: State, at: &Solo, from: Role) -> Said {
        let value = match self {
            Self::Deposit => SOME.get() + GRAM,
            Self::Settle => PAY.get() + ENOUGH,
            Self::Join => DELEGATED.get() + ENOUGH,
            _ => ENOUGH,
        };
        let arrival = if self == Self::ReservedBack { Arrival::Bounced } else { Arrival::Sent };
        Said { from: from.address(), value, body: self.body(state, at, from), arrival }
    }

    fn body(self, state: State, at: &Solo, from: Role) -> Cell {
        let pool = || data(at).pool;
        let one = Hash32(std::array::from_fn(|i| u8::from(i == 31)));
        let built = match self {
            Self::Deposit => stake::deposit(QUERY, SOME, &session().public()),
            Self::SetSession => stake::set_session(QUERY, &SecretKey::from_seed(&[8; 32]).public()),
            Self::Reserve => Ok(asks(&from.shown(), from.address(), RESERVE, at.now)),
            Self::Settle => Ok(settle_body(PAY)),
            Self::Slash => Ok(slash_body(CUT, Nano::new(CUT.get() / 2))),
            Self::Release => Ok(release_body()),
            Self::Unbond => stake::unbond(QUERY, SOME),
            Self::Withdraw => stake::withdraw(QUERY),
            Self::WithdrawEarnings => stake::withdraw_earnings(QUERY),
            Self::FreeStale => stake::free_stale(QUERY, &Role::Task.address().hash),
            Self::SetCommission => stake::set_commission(QUERY, 900),
            Self::Join => Ok(join(DELEGATED, 1000, STAKER)),
            Self::Leave => Ok(leave(pool().shares.max(1), STAKER)),
            Self::Redeem => {
                let shares = pool().leaving_shares;
                let shares = if shares == Hash32::default() { one } else { shares };
                Ok(redeem(shares, state.left_at(at.now), STAKER))
            }
            Self::ReservedBack => Ok(answer().bounced(101)),
            Self::TopUp => Ok(Cell::default()),
            Self::Unknown => Ok(body(0x5300_00ff, QUERY, |_| ())),
        };
        built.unwrap()
    }

    /// Is it to be accepted, and to change something?
    fn may(self, state: State, from: Role) -> bool {
        let (owner, staker) = (from == Role::Owner, from == Role::Delegation);
        let holder = from == Role::Task && state.is_reserved();
        match self {
            // What the rent has eaten has to come along.
            Self::Deposit | Self::SetSession | Self::SetCommission => owner,
            Self::Reserve => {
                let room = state.is_free() && state != State::Crowded;
                let new = match from {
                    Role::Task => !state.is_reserved(),
                    Role::OtherTask => true,
                    // Others' stake stands for no task in a jetton.
                    Role::JettonTask => !state.is_delegated(),
                    Role::Owner
                    | Role::ForeignTask
                    | Role::MasterTask
                    | Role::Delegation
                    | Role::OthersDelegation
                    | Role::Staker
                    | Role::Market
                    | Role::Stranger => false,
                };
                room && new
            }
            Self::Settle | Self::Slash | Self::Release | Self::ReservedBack => holder,
            Self::Unbond => owner && state.is_free(),
            Self::Withdraw => {
                let ripe = [State::UnbondingRipe, State::UnbondingReserved, State::Later];
                owner && ripe.contains(&state)
            }
            Self::WithdrawEarnings => owner && matches!(state, State::Earned | State::Vesting),
            Self::FreeStale => state == State::Stale,
            Self::Join => staker && !matches!(state, State::Fresh | State::CutDown | State::Poor),
            Self::Leave => staker && state.is_delegated(),
            Self::Redeem => staker && matches!(state, State::LeavingRipe | State::Later),
            Self::TopUp | Self::Unknown => false,
        }
    }

    /// What the ledger's rules take for a step.
    fn step(self) -> Option<(u32, Vec<u64>)> {
        Some(match self {
            Self::Deposit => (stake::op::DEPOSIT, vec![]),
            Self::SetSession => (stake::op::SET_SESSION, vec![]),
            Self::Reserve => (stake::op::RESERVE, vec![]),
            Self::Settle => (stake::op::SETTLE, vec![PAY.get()]),
            Self::Slash => (stake::op::SLASH, vec![CUT.get(), CUT.get() / 2]),
            Self::Release => (stake::op::RELEASE, vec![]),
            Self::Unbond => (stake::op::UNBOND, vec![]),
            Self::Withdraw => (stake::op::WITHDRAW, vec![]),
            Self::WithdrawEarnings => (stake::op::WITHDRAW_EARNINGS, vec![]),
            Self::FreeStale => (stake::op::FREE_STALE, vec![]),
            Self::SetCommission => (stake::op::SET_COMMISSION, vec![]),
            Self::Join => (stake::op::JOIN, vec![DELEGATED.get()]),
            Self::Leave => (stake::op::LEAVE, vec![]),
            Self::Redeem => (stake::op::REDEEM, vec![]),
            Self::ReservedBack | Self::TopUp | Self::Unknown => return None,
        })
    }
}

/// What a stake says to a task that it reserves for.
fn answer() -> Sent {
    let (_, _, answer) = crate::stakes::reserved_stake();
    answer
}

/// After every cell: what the ledger demands of every stake, and that money goes where it is meant to.
fn check(word: Word, from: Role, before: &Solo, after: &Solo, ran: &Ran) {
    let (had, has) = (data(before), data(after));
    let step = word.step();
    let step = step.as_ref().map(|(op, amounts)| (*op, amounts.as_slice()));
    shares::check(&had, &has, step, &shares::logs(&ran.out));
    if before.balance >= shares::owed(&had) {
        check_stake(after.balance, &Some(after.stored()));
    }
    for sent in &ran.sent {
        let to = match (sent.op(), word) {
            (op::BURN, Word::Slash) => BURN,
            (op::PAYOUT, Word::Withdraw | Word::WithdrawEarnings) => OWNER,
            (op::PAYOUT, Word::Redeem) => STAKER,
            (op, _) => {
                assert!(op != op::BURN && op != op::PAYOUT, "{word:?}");
                from.address()
            }
        };
        assert_eq!((sent.to, sent.bounce), (to, sent.op() == task::op::RESERVED), "{word:?}");
    }
    assert_moved_as_meant(word, before, after, &had, &has);
}

/// Reservations, unbonding stake and the session key change by their own words alone.
fn assert_moved_as_meant(
    word: Word,
    before: &Solo,
    after: &Solo,
    had: &StakeData,
    has: &StakeData,
) {
    let reserved = i128::from(has.reserved.get()) - i128::from(had.reserved.get());
    let held = has.reservations.len().cast_signed() - had.reservations.len().cast_signed();
    let ended = match word {
        Word::Settle | Word::Slash | Word::Release | Word::FreeStale => true,
        // What comes back from nobody that was answered is ignored.
        Word::ReservedBack => before.stored() != after.stored(),
        _ => false,
    };
    let one = if word == Word::Reserve { 1 } else { -isize::from(ended) };
    assert_eq!((held, reserved.signum()), (one, one.try_into().unwrap()), "{word:?}");
    let first = word == Word::Deposit && had.session.0 == Hash32::default();
    assert_eq!(has.session != had.session, first || word == Word::SetSession, "{word:?}");
    match word {
        Word::Unbond => assert_eq!(has.unbond_at, before.now + UNBONDING),
        Word::Withdraw => assert_eq!(has.unbonding, Nano::ZERO),
        Word::Slash => assert!(has.unbonding <= had.unbonding),
        _ => assert_eq!(has.unbonding, had.unbonding, "{word:?}"),
    }
    let paid = had.earnings > has.earnings;
    assert_eq!(paid, word == Word::WithdrawEarnings, "{word:?}");
    // What it owes leaves with it, and nothing else of its own does.
    let left = i128::from(shares::owed(had)) - i128::from(shares::owed(has));
    let lost = i128::from(before.balance) - i128::from(after.balance);
    assert!(lost <= left.max(0), "{word:?}: {lost} of {left}");
}

/// What this matrix says.
pub(super) fn opcodes() -> BTreeSet<u32> {
    let at = State::Free.stand();
    let own = |word: &&Word| !matches!(word, Word::ReservedBack | Word::TopUp | Word::Unknown);
    let words = Word::ALL.iter().filter(own);
    sources::spoken(words.map(|word| word.body(State::Free, &at, Role::Task)))
}

#[test]
fn every_operation_of_a_stake_in_every_state_from_every_role() {
    let roles = Role::ALL.iter().map(|role| format!("{role:?}")).collect();
    let mut wrong = Vec::new();
    let mut table = Table::new("Stake: who may say what, and when", roles);
    let states = State::ALL.map(|state| (state, state.stand()));
    for word in Word::ALL {
        let mut guess = None;
        for (state, at) in &states {
            for from in Role::ALL {
                let said = word.said(*state, at, from);
                let case = format!("{word:?} in {state:?} from {from:?}");
                let check = |before: &Solo, after: &Solo, ran: &Ran| {
                    check(word, from, before, after, ran);
                };
                let outcome = outcome(at, &said, &mut guess, &check);
                let accepted = matches!(outcome, Outcome::Accepted { .. });
                if accepted != word.may(*state, from) {
                    wrong.push(format!("{case}: {outcome:?}"));
                }
                table.put(
                    &format!("{word:?}"),
                    &format!("{state:?}"),
                    &format!("{from:?}"),
                    outcome,
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    table.settle("stake.txt", State::ALL.len(), Word::ALL.len());
}

/// The states are what they are called.
#[test]
fn a_stake_stands_where_it_is_said_to() {
    let task = Role::Task.address().hash;
    for state in State::ALL {
        let stake = state.stand();
        let data = data(&stake);
        let reserved = data.reservations.iter().any(|(of, _)| *of == task);
        assert_eq!(reserved, state.is_reserved(), "{state:?}");
        assert_eq!(data.pool.shares > 0, state.is_delegated(), "{state:?}");
        assert_eq!(data.unbondable() >= SOME, state.is_free(), "{state:?}");
        let poor = stake.balance < shares::owed(&data);
        assert_eq!(poor, state == State::Poor, "{state:?}");
        let earns = matches!(state, State::Earned | State::Vesting);
        assert_eq!(data.earnings > Nano::ZERO, earns, "{state:?}");
        assert_eq!(data.pool.vesting > Nano::ZERO, state == State::Vesting, "{state:?}");
    }
    let addresses: BTreeSet<_> = Role::ALL.iter().map(|role| role.address()).collect();
    assert_eq!(addresses.len(), Role::ALL.len());
}
