//! `Market`: every operation in every state from every role.

use std::collections::BTreeSet;

use fog_contracts::{
    jetton_task::JettonTask,
    market::{self, Config, MarketData, MarketInit, op},
    task::TaskInit,
};
use fog_protocol::Address;
use tycho_types::cell::Cell;

use super::{Outcome, Said, Table, every, outcome, sources};
use crate::{
    alone::{GRAM, OWNER as WORKER, QUERY, STRANGER, settings, stake_address, task_init},
    jetton_tasks, jettons,
    solo::{Arrival, Ran, Solo, body},
    world::TIMELOCK,
};

const OWNER: Address = Address::basechain([0xc1; 32]);
const HEIR: Address = Address::basechain([0xc2; 32]);

every! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Word {
        Setup,
        Propose,
        Apply,
        Withdrawn,
        Pause,
        Resume,
        Register,
        OfferOwner,
        AcceptOwner,
        KeepOwner,
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
        Heir,
        /// A fresh task of this market.
        Task,
        /// One in a jetton.
        JettonTask,
        /// A genuine task of another market.
        OthersTask,
        /// The task's hash, on the masterchain.
        MasterTask,
        Stake,
        Worker,
        Market,
        Stranger,
    }
}

/// Who is in charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reign {
    /// Not set up.
    Fresh,
    Owners,
    /// The heir has taken over.
    Heirs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Running,
    Paused,
}

/// Something that waits out the timelock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    /// A second too early.
    Early,
    /// This second.
    Ripe,
}

#[derive(Debug, Clone, Copy)]
struct State {
    reign: Reign,
    pause: Pause,
    proposal: Pending,
    heir: Pending,
}

impl State {
    /// Everything that a market's data can say.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for pause in [Pause::Running, Pause::Paused] {
            let quiet =
                |reign| Self { reign, pause, proposal: Pending::Nothing, heir: Pending::Nothing };
            all.extend([quiet(Reign::Fresh), quiet(Reign::Heirs)]);
            for proposal in [Pending::Nothing, Pending::Early, Pending::Ripe] {
                for heir in [Pending::Nothing, Pending::Early, Pending::Ripe] {
                    all.push(Self { reign: Reign::Owners, pause, proposal, heir });
                }
            }
        }
        all
    }

    fn name(self) -> String {
        let reign = match self.reign {
            Reign::Fresh => "fresh",
            Reign::Owners => "set up",
            Reign::Heirs => "taken over",
        };
        let pause = if self.pause == Pause::Paused { ", paused" } else { "" };
        let pending = |what: &str, pending: Pending| match pending {
            Pending::Nothing => String::new(),
            Pending::Early => format!(", {what} early"),
            Pending::Ripe => format!(", {what} ripe"),
        };
        let (proposed, heir) = (pending("proposed", self.proposal), pending("heir", self.heir));
        format!("{reign}{pause}{proposed}{heir}")
    }

    fn stand(self) -> Solo {
        let init = init();
        let mut market = Solo::new(init.address().unwrap(), init.state_init().unwrap());
        let owner = if self.reign == Reign::Heirs { HEIR } else { OWNER };
        if self.reign != Reign::Fresh {
            say(&mut market, Word::Setup, OWNER);
        }
        if self.reign == Reign::Heirs {
            say(&mut market, Word::OfferOwner, OWNER);
            market.now += TIMELOCK;
            say(&mut market, Word::AcceptOwner, HEIR);
        }
        let begin = market.now;
        for (pending, after) in [(Pending::Ripe, 0), (Pending::Early, 1)] {
            market.now = begin + after;
            if self.proposal == pending {
                say(&mut market, Word::Propose, owner);
            }
            if self.heir == pending {
                say(&mut market, Word::OfferOwner, owner);
            }
        }
        market.now = begin + TIMELOCK;
        if self.pause == Pause::Paused {
            say(&mut market, Word::Pause, owner);
        }
        // The rent until now is paid.
        if self.reign != Reign::Fresh {
            say(&mut market, Word::TopUp, STRANGER);
        }
        market
    }

    /// Whoever the owner is.
    fn owner(self) -> Role {
        if self.reign == Reign::Heirs { Role::Heir } else { Role::Owner }
    }
}

impl Role {
    fn address(self) -> Address {
        match self {
            Self::Owner => OWNER,
            Self::Heir => HEIR,
            Self::Task => task().address().unwrap(),
            Self::JettonTask => jetton_task().address().unwrap(),
            Self::OthersTask => task_init(1).address().unwrap(),
            Self::MasterTask => Address { workchain: -1, ..task().address().unwrap() },
            Self::Stake => stake_address(),
            Self::Worker => WORKER,
            Self::Market => init().address().unwrap(),
            Self::Stranger => STRANGER,
        }
    }

    /// Which init it shows: its own, if it has one.
    fn shown(self) -> TaskInit {
        match self {
            Self::JettonTask => jetton_task().task,
            Self::OthersTask => task_init(1),
            Self::Owner
            | Self::Heir
            | Self::Task
            | Self::MasterTask
            | Self::Stake
            | Self::Worker
            | Self::Market
            | Self::Stranger => task(),
        }
    }
}

fn init() -> MarketInit {
    MarketInit { owner: OWNER, salt: 1 }
}

fn task() -> TaskInit {
    TaskInit { market: init().address().unwrap(), ..task_init(1) }
}

fn jetton_task() -> JettonTask {
    JettonTask::new(task(), jetton_tasks::kit::terms(jettons::kit::MASTER)).unwrap()
}

/// What is proposed.
fn next() -> Config {
    Config { fee_bps: 1, ..settings() }
}

impl Word {
    fn body(self, from: Role) -> Cell {
        let built = match self {
            Self::Setup => market::setup(QUERY, &settings()),
            Self::Propose => market::propose(QUERY, &next()),
            Self::Apply => market::plain(op::APPLY, QUERY),
            Self::Withdrawn => market::plain(op::WITHDRAWN, QUERY),
            Self::Pause => market::set_pause(QUERY, true),
            Self::Resume => market::set_pause(QUERY, false),
            Self::OfferOwner => market::offer_owner(QUERY, &HEIR),
            Self::AcceptOwner => market::plain(op::ACCEPT_OWNER, QUERY),
            Self::KeepOwner => market::plain(op::KEEP_OWNER, QUERY),
            Self::TopUp => Ok(Cell::default()),
            Self::Unknown => market::plain(0x4d00_00ff, QUERY),
            Self::Register => {
                let init = from.shown().to_cell().unwrap();
                Ok(body(op::REGISTER, QUERY, |b| b.store_reference(init).unwrap()))
            }
        };
        built.unwrap()
    }

    /// Is it to be accepted?
    fn may(self, state: State, from: Role) -> bool {
        let (owner, set_up) = (from == state.owner(), state.reign != Reign::Fresh);
        match self {
            Self::Setup => owner && !set_up,
            Self::Propose | Self::OfferOwner => owner && set_up,
            Self::Apply => state.proposal == Pending::Ripe,
            Self::Withdrawn => owner && state.proposal != Pending::Nothing,
            Self::Pause | Self::Resume => owner,
            Self::Register => {
                set_up
                    && state.pause == Pause::Running
                    && matches!(from, Role::Task | Role::JettonTask)
            }
            Self::AcceptOwner => from == Role::Heir && state.heir == Pending::Ripe,
            Self::KeepOwner => owner && state.heir != Pending::Nothing,
            Self::TopUp => true,
            Self::Unknown => false,
        }
    }

    /// What it makes of a market's data.
    fn makes(self, had: MarketData, now: u32) -> MarketData {
        match self {
            Self::Setup => MarketData { config: Some(settings()), ..had },
            Self::Propose => MarketData { proposal: Some((now + TIMELOCK, next())), ..had },
            Self::Apply => {
                MarketData { config: had.proposal.map(|(_, next)| next), proposal: None, ..had }
            }
            Self::Withdrawn => MarketData { proposal: None, ..had },
            Self::Pause => MarketData { paused: true, ..had },
            Self::Resume => MarketData { paused: false, ..had },
            Self::OfferOwner => MarketData { heir: Some((now + TIMELOCK, HEIR)), ..had },
            Self::AcceptOwner => MarketData { owner: HEIR, heir: None, proposal: None, ..had },
            Self::KeepOwner => MarketData { heir: None, ..had },
            Self::Register | Self::TopUp => had,
            Self::Unknown => panic!("it was accepted"),
        }
    }
}

fn data(market: &Solo) -> MarketData {
    MarketData::parse(&market.stored()).unwrap()
}

fn said(word: Word, from: Role) -> Said {
    Said { from: from.address(), value: GRAM, body: word.body(from), arrival: Arrival::Sent }
}

/// On the way to a state.
fn say(market: &mut Solo, word: Word, from: Address) {
    let ran = market.send(from, GRAM, word.body(Role::Stranger));
    assert_eq!(ran.exit, 0, "{word:?}");
}

/// Nothing changes but what the word is for, whoever says it gets its change, and the rent stays.
fn check(word: Word, from: Address, before: &Solo, after: &Solo, ran: &Ran) {
    assert_eq!(data(after), word.makes(data(before), before.now));
    assert!(after.balance >= before.balance, "out of the rent");
    assert!(ran.sent.iter().all(|sent| sent.to == from && !sent.bounce));
    assert_eq!(ran.sent.len(), ran.out.len(), "a market logs nothing");
}

/// What this matrix says.
pub(super) fn opcodes() -> BTreeSet<u32> {
    let words = Word::ALL.iter().filter(|word| !matches!(word, Word::TopUp | Word::Unknown));
    sources::spoken(words.map(|word| word.body(Role::Task)))
}

#[test]
fn every_operation_of_a_market_in_every_state_from_every_role() {
    let roles = Role::ALL.iter().map(|role| format!("{role:?}")).collect();
    let mut wrong = Vec::new();
    let mut table = Table::new("Market: who may say what, and when", roles);
    let states: Vec<_> = State::all().into_iter().map(|state| (state, state.stand())).collect();
    for word in Word::ALL {
        let mut guess = None;
        for (state, at) in &states {
            for from in Role::ALL {
                let said = said(word, from);
                let case = format!("{word:?} in {state:?} from {from:?}");
                let check = |before: &Solo, after: &Solo, ran: &Ran| {
                    check(word, said.from, before, after, ran);
                };
                let outcome = outcome(at, &said, &mut guess, &check);
                let refused = matches!(outcome, Outcome::Refused(_));
                if refused == word.may(*state, from) {
                    wrong.push(format!("{case}: {outcome:?}"));
                }
                table.put(&format!("{word:?}"), &state.name(), &format!("{from:?}"), outcome);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    table.settle("market.txt", states.len(), Word::ALL.len());
}

/// The states are what they are called.
#[test]
fn a_market_stands_where_it_is_said_to() {
    for state in State::all() {
        let market = state.stand();
        let data = data(&market);
        let pending = |at: Option<u32>| match at {
            None => Pending::Nothing,
            Some(at) if at == market.now + 1 => Pending::Early,
            Some(at) => {
                assert_eq!(at, market.now);
                Pending::Ripe
            }
        };
        assert_eq!(data.config.is_some(), state.reign != Reign::Fresh);
        assert_eq!(data.owner, state.owner().address());
        assert_eq!(data.paused, state.pause == Pause::Paused);
        assert_eq!(pending(data.proposal.map(|(at, _)| at)), state.proposal);
        assert_eq!(pending(data.heir.map(|(at, _)| at)), state.heir);
    }
    let names: BTreeSet<_> = State::all().into_iter().map(State::name).collect();
    assert_eq!(names.len(), State::all().len());
    let addresses: BTreeSet<_> = Role::ALL.iter().map(|role| role.address()).collect();
    assert_eq!(addresses.len(), Role::ALL.len());
}
