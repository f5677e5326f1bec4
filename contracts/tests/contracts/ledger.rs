//! What must be true after every transaction, whoever sent what.

mod bonds;
mod channels;
mod jetton_tasks;
mod jettons;

use std::collections::{BTreeMap, BTreeSet};

use fog_contracts::{
    TaskState, delegation,
    delegation::DelegationInit,
    jetton::op as jetton,
    jetton_task, op, operator,
    stake::{self, StakeData},
    task::{self, ProofRole, TaskData, TaskInit},
};
use fog_protocol::{Address, Hash32};
use fog_testnet::chain::{Chain, TxRecord};
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice, Load as _},
    models::{MsgInfo, OwnedMessage},
    num::Tokens,
};

use crate::{
    shares,
    world::{FEE_BPS, ours, std},
};

pub(crate) use bonds::Tally;

const END_LOG: u32 = 0x4e00_0008;
/// What a task adds to a notice that it pays itself.
const NOTICE: u64 = 2_000_000;

/// What one task has done so far.
#[derive(Clone, Default)]
struct Book {
    /// Price and reserve, by the stake that said yes.
    reserved: BTreeMap<Address, (u64, u64)>,
    ended: Option<TaskState>,
    settled: u32,
    slashed: u32,
    paid_directly: u32,
}

/// Everything that is watched.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) market: Address,
    pub(crate) treasury: Address,
    pub(crate) burn: Address,
    pub(crate) operator: Address,
    /// Accounts that never earn anything, and what they began with.
    pub(crate) poor: BTreeMap<Address, u64>,
    pub(crate) operator_had: u64,
    pub(crate) tasks: BTreeMap<Address, TaskInit>,
    /// Stakes and their owners.
    pub(crate) stakes: BTreeMap<Address, Address>,
    pub(crate) delegations: BTreeMap<Address, DelegationInit>,
    /// What each stake's data said after its last transaction.
    known: BTreeMap<Address, StakeData>,
    books: BTreeMap<Address, Book>,
    pub(crate) channels: channels::Channels,
    pub(crate) jettons: jettons::Jettons,
    pub(crate) jetton_tasks: jetton_tasks::JettonTasks,
    pub(crate) bonds: bonds::Bonds,
    /// What each task's data said after its last transaction.
    told: BTreeMap<Address, TaskData>,
    notices: u64,
    pub(crate) ends: BTreeMap<TaskState, u64>,
    pub(crate) accepted: BTreeMap<u32, u64>,
    pub(crate) transactions: u64,
    /// Payments on the ground of a proof.
    pub(crate) proven: u64,
}

/// A message between accounts.
struct Message {
    from: Address,
    to: Address,
    value: u64,
    bounced: bool,
    op: u32,
    body: Vec<u64>,
    whole: Cell,
}

fn internal(message: &OwnedMessage) -> Option<Message> {
    let MsgInfo::Int(info) = &message.info else { return None };
    let mut body = CellSlice::apply(&message.body).unwrap();
    let mut whole = CellBuilder::new();
    whole.store_slice(body).unwrap();
    let op = body.load_u32().unwrap_or(0);
    // Past the query id, amounts as far as there are any.
    let mut amounts = Vec::new();
    let count = match op {
        _ if info.bounced => 0,
        stake::op::RESERVE | stake::op::SLASH => 2,
        stake::op::SETTLE | task::op::SLASHED | stake::op::JOIN => 1,
        _ => 0,
    };
    // A stranger's may be cut short.
    if count > 0 && body.load_u64().is_ok() {
        let amounts_of = |_| Tokens::load_from(&mut body).map_or(0, |amount| amount.into_inner());
        amounts.extend((0..count).map(amounts_of).map(|a| u64::try_from(a).unwrap_or(u64::MAX)));
    }
    Some(Message {
        from: ours(info.src.as_std()?),
        to: ours(info.dst.as_std()?),
        value: u64::try_from(info.value.tokens.into_inner()).unwrap(),
        bounced: info.bounced,
        op,
        body: amounts,
        whole: whole.build().unwrap(),
    })
}

impl Ledger {
    pub(crate) fn new(
        market: Address,
        treasury: Address,
        burn: Address,
        operator: Address,
    ) -> Self {
        Self {
            market,
            treasury,
            burn,
            operator,
            poor: BTreeMap::new(),
            operator_had: 0,
            tasks: BTreeMap::new(),
            stakes: BTreeMap::new(),
            delegations: BTreeMap::new(),
            known: BTreeMap::new(),
            books: BTreeMap::new(),
            channels: channels::Channels::default(),
            jettons: jettons::Jettons::default(),
            jetton_tasks: jetton_tasks::JettonTasks::default(),
            bonds: bonds::Bonds::default(),
            told: BTreeMap::new(),
            notices: 0,
            ends: BTreeMap::new(),
            accepted: BTreeMap::new(),
            transactions: 0,
            proven: 0,
        }
    }

    /// Looks at one transaction and at what it left behind.
    pub(crate) fn check(&mut self, chain: &Chain, record: &TxRecord) {
        self.transactions += 1;
        let address = ours(&record.address);
        let incoming = record.in_msg().unwrap();
        let incoming = incoming.as_ref().and_then(internal);
        let done = !record.aborted().unwrap();
        if let (true, Some(message)) = (done, &incoming)
            && !message.bounced
        {
            let init = self.tasks.get(&address);
            let proven = init.is_some_and(|init| matches!(init.terms.proof, ProofRole::Decides(_)));
            let judging = matches!(message.op, task::op::COMMIT | task::op::VERDICT);
            assert!(!(proven && judging), "a verifier had a say in a task that a proof decides");
            *self.accepted.entry(message.op).or_default() += 1;
        }
        let outgoing = record.out_msgs().unwrap();
        if self.tasks.contains_key(&address) {
            for message in &outgoing {
                self.check_log(address, message);
            }
        }
        let sent: Vec<_> = outgoing.iter().filter_map(internal).collect();
        for message in &sent {
            if message.bounced {
                let incoming = incoming.as_ref().unwrap();
                assert_eq!(message.to, incoming.from, "a bounce goes back");
            } else if self.tasks.contains_key(&address) {
                self.check_from_task(message, incoming.as_ref().unwrap());
            } else if self.stakes.contains_key(&address) {
                self.check_from_stake(message, incoming.as_ref().unwrap());
            } else if let Some(init) = self.delegations.get(&address) {
                check_from_delegation(message, init);
            }
        }
        if let (true, true, Some(message)) = (done, self.stakes.contains_key(&address), &incoming) {
            self.check_into_stake(message);
        }
        if self.stakes.contains_key(&address) {
            self.check_step(chain, &address, &outgoing, incoming.as_ref().filter(|_| done));
        }
        if done {
            self.channels.check(chain, record);
        }
        self.jettons.check(chain, record);
        self.jetton_tasks.check(chain, record, &self.jettons);
        self.bonds.check(chain, record, incoming.as_ref(), &sent);
        if let (true, true, Some(message)) = (done, self.tasks.contains_key(&address), &incoming) {
            let gram = !self.jetton_tasks.contains(&address);
            self.bonds.check_task(message, &sent, self.told.get(&address), gram);
        }
        self.check_end(&address);
        self.check_account(chain, &address);
        conserved(chain);
    }

    fn check_log(&mut self, task: Address, message: &OwnedMessage) {
        let MsgInfo::ExtOut(_) = &message.info else { return };
        let mut body = CellSlice::apply(&message.body).unwrap();
        match body.load_u32().unwrap() {
            END_LOG => {}
            op::CHALLENGE_LOG | op::RULING_LOG => return,
            other => panic!("a task logged {other:#x}"),
        }
        assert_eq!(Hash32(body.load_u256().unwrap().0), self.tasks[&task].terms.id);
        let state = TaskState::from_number(body.load_u8().unwrap()).unwrap();
        assert!(state.is_end());
        let book = self.books.entry(task).or_default();
        assert_eq!(book.ended.replace(state), None, "one end a task");
        *self.ends.entry(state).or_default() += 1;
    }

    /// What happened to the money must be what the end says.
    fn check_end(&self, task: &Address) {
        let Some(book) = self.books.get(task) else { return };
        let money = (book.settled + book.paid_directly, book.slashed);
        match book.ended {
            Some(TaskState::Paid) => assert_eq!(money, (1, 0)),
            Some(TaskState::Slashed | TaskState::Late) => assert_eq!(money, (0, 1)),
            Some(_) => assert_eq!(money, (0, 0)),
            None => {}
        }
    }

    fn check_from_task(&mut self, message: &Message, incoming: &Message) {
        let init = self.tasks[&message.from];
        let price = init.terms.price.get();
        let in_jetton = self.jetton_tasks.contains(&message.from);
        match message.op {
            // See `jetton_tasks`.
            jetton::PROVIDE_WALLET | jetton::TRANSFER if in_jetton => {}
            op::EXCESSES if in_jetton && incoming.op == jetton_task::op::BURY => {}
            op::PAYOUT if in_jetton => {
                self.books.entry(message.from).or_default().paid_directly += 1;
                assert_eq!(message.value, 0, "GRAM out of nowhere");
            }
            op::FEE if in_jetton => panic!("a fee in GRAM of a price in a jetton"),
            op::NOTIFY => {
                self.notices += 1;
                assert_eq!(message.to, self.operator);
                assert!(message.value <= incoming.value.max(NOTICE), "a notice pays too much");
            }
            op::EXCESSES => assert!(message.value <= incoming.value, "change out of the escrow"),
            op::CLOSED => self.check_closing(message, incoming),
            op::CHALLENGE_PAY => {}
            operator::op::FREED => {
                assert_eq!(self.bonds.owner(&message.to), Some(self.operator));
            }
            op::FEE => {
                assert_eq!(message.to, self.treasury);
                assert!(message.value <= price * u64::from(FEE_BPS) / 10_000);
            }
            op::PAYOUT => {
                let book = self.books.entry(message.from).or_default();
                book.paid_directly += 1;
                let agreed =
                    book.reserved.iter().find(|(stake, _)| self.stakes[stake] == message.to);
                assert!(message.value <= agreed.unwrap().1.0, "paid more than agreed");
                assert_eq!((book.paid_directly, book.settled), (1, 0), "paid twice");
            }
            fog_contracts::market::op::REGISTER => assert_eq!(message.to, init.market),
            stake::op::SETTLE => {
                assert!(self.stakes.contains_key(&message.to));
                assert!(message.body[0] <= price && message.value >= message.body[0]);
                assert!(!in_jetton || message.value <= incoming.value, "GRAM out of nowhere");
                self.check_ground(&init, incoming);
            }
            stake::op::RESERVE | stake::op::SLASH | stake::op::RELEASE => {
                assert!(message.value <= incoming.value, "a question out of the escrow");
            }
            other => panic!("a task sent {other:#x}"),
        }
    }

    /// A proof pays where one was asked for, a verdict everywhere else; a payment that came back is
    /// tried again by anybody.
    fn check_ground(&mut self, init: &TaskInit, incoming: &Message) {
        match (init.terms.proof.statement(), incoming.op) {
            (Some(_), task::op::PROVE) => self.proven += 1,
            (_, task::op::FINALIZE) => {}
            (statement, op) => panic!("paid by {op:#x} where {statement:?} was to be proven"),
        }
    }

    /// The requestor's money comes back, whole.
    fn check_closing(&self, message: &Message, incoming: &Message) {
        let init = self.tasks[&message.from];
        let book = &self.books[&message.from];
        assert_eq!(message.to, init.requestor);
        let price = init.terms.price.get();
        let agreed = book.reserved.values().next().map_or(0, |(price, _)| *price);
        // What a task in a jetton held is not GRAM.
        let in_jetton = self.jetton_tasks.contains(&message.from);
        let (price, agreed) = if in_jetton { (0, 0) } else { (price, agreed) };
        let due = match book.ended.unwrap() {
            TaskState::Paid => price - agreed,
            TaskState::Slashed => {
                let work = self.told[&message.from].work.unwrap();
                // The challenger's comes first, as far as the stake's share goes.
                price + incoming.body[0].saturating_sub(bonds::reward(&work))
            }
            _ => price,
        };
        assert!(message.value >= due, "{} of {due} nano came back", message.value);
    }

    fn check_from_stake(&self, message: &Message, incoming: &Message) {
        let owner = self.stakes[&message.from];
        match message.op {
            op::BURN => assert_eq!(message.to, self.burn),
            op::PAYOUT if incoming.op == stake::op::REDEEM => {
                assert_eq!(message.to, self.delegations[&incoming.from].owner);
            }
            op::PAYOUT => assert_eq!((message.to, incoming.from), (owner, owner)),
            delegation::op::JOINED | delegation::op::LEFT => {
                assert_eq!(message.to, incoming.from);
                assert!(message.value <= incoming.value, "change out of a stake");
                assert_eq!(self.delegations[&message.to].stake, message.from);
            }
            op::EXCESSES if incoming.op == stake::op::DEPOSIT => assert_eq!(message.to, owner),
            op::EXCESSES => {
                assert_eq!(message.to, incoming.from);
                assert!(message.value <= incoming.value, "change out of a stake");
            }
            task::op::RESERVED | task::op::SETTLED | task::op::SLASHED | task::op::RELEASED => {
                assert_eq!(message.to, incoming.from);
                assert!(self.tasks.contains_key(&message.to));
            }
            other => panic!("a stake sent {other:#x}"),
        }
    }

    fn check_into_stake(&mut self, message: &Message) {
        if message.bounced {
            return;
        }
        let book = self.books.entry(message.from).or_default();
        match message.op {
            stake::op::RESERVE => {
                let terms = (message.body[1], message.body[0]);
                assert!(book.reserved.is_empty(), "reserved twice");
                book.reserved.insert(message.to, terms);
            }
            stake::op::SETTLE => {
                book.settled += 1;
                let (price, _) = book.reserved[&message.to];
                let pay = price - price * u64::from(FEE_BPS) / 10_000;
                let pay = if self.jetton_tasks.contains(&message.from) { 0 } else { pay };
                assert_eq!((message.body[0], book.settled), (pay, 1), "paid wrongly");
                assert_eq!((book.paid_directly, book.slashed), (0, 0));
            }
            stake::op::SLASH => {
                book.slashed += 1;
                let (price, reserve) = book.reserved[&message.to];
                let (amount, share) = (message.body[0], message.body[1]);
                assert!(amount <= reserve && share * 2 <= amount, "slashed too much");
                let work = self.told[&message.from].work.unwrap();
                let rest = share - bonds::reward(&work);
                assert!(rest <= price + self.tasks[&message.from].terms.damages.get());
                assert_eq!((book.slashed, book.settled), (1, 0), "slashed twice");
            }
            _ => {}
        }
    }

    /// What a transaction made of a stake, against what it was before.
    fn check_step(
        &mut self,
        chain: &Chain,
        address: &Address,
        outgoing: &[OwnedMessage],
        taken: Option<&Message>,
    ) {
        let Some(data) = chain.account(&std(address)).unwrap().data else { return };
        let after = StakeData::parse(&data).unwrap();
        let before = self.known.insert(*address, after.clone());
        let step = taken.filter(|message| !message.bounced);
        let step = step.map(|message| (message.op, message.body.as_slice()));
        let logs = shares::logs(outgoing);
        if let Some(before) = before {
            shares::check(&before, &after, step, &logs);
        }
    }

    /// With nothing under way, the delegations have all shares there are, and no others.
    pub(crate) fn check_quiet(&self, chain: &Chain) {
        for stake in self.known.keys() {
            let data = chain.account(&std(stake)).unwrap().data.unwrap();
            let theirs = self.delegations.iter().filter(|(_, init)| init.stake == *stake);
            let theirs = theirs.filter_map(|(at, _)| chain.account(&std(at)).unwrap().data);
            shares::check_sums(&StakeData::parse(&data).unwrap(), theirs);
        }
        let live: Vec<_> = self.told.values().filter(|task| !task.state.is_end()).collect();
        self.bonds.check_quiet(&live);
    }

    fn check_account(&mut self, chain: &Chain, address: &Address) {
        let view = chain.account(&std(address)).unwrap();
        let balance = u64::try_from(view.balance).unwrap();
        if let Some(had) = self.poor.get(address) {
            let may = i128::from(*had) + self.bonds.due(address);
            let has = i128::from(balance);
            assert!(has <= may, "a stranger earned {}", has - may);
        }
        if *address == self.operator {
            let may = self.operator_had + self.notices * NOTICE + self.channels.sent_to(address);
            let may = may + self.jettons.sent_to(address);
            let may = i128::from(may) + self.bonds.due(address);
            let has = i128::from(balance);
            assert!(has <= may, "the operator earned {}", has - may);
        }
        if self.stakes.contains_key(address) {
            check_stake(balance, &view.data);
        }
        if let (true, Some(data)) = (self.tasks.contains_key(address), &view.data) {
            let data = crate::alone::read(data);
            let dispute = data.work.and_then(|work| work.dispute);
            let gram = !self.jetton_tasks.contains(address);
            let held = if gram { data.escrowed.get() } else { 0 };
            let held = held + dispute.map_or(0, |dispute| dispute.bond.get());
            assert!(balance >= held, "{balance} in a task of {held}");
            let ended = self.books.get(address).and_then(|book| book.ended);
            assert_eq!(ended.is_some(), data.state.is_end(), "an ended task came back");
            assert!(ended.is_none_or(|end| end == data.state && data.escrowed.get() == 0));
            self.told.insert(*address, data);
        }
    }

    pub(crate) fn live_tasks(&self) -> BTreeSet<Address> {
        let ended = |task: &&Address| self.books.get(*task).is_none_or(|book| book.ended.is_none());
        self.tasks.keys().filter(ended).copied().collect()
    }
}

/// A delegation talks to its stake, and gives back to its staker.
fn check_from_delegation(message: &Message, init: &DelegationInit) {
    match message.op {
        stake::op::JOIN | stake::op::LEAVE | stake::op::REDEEM => {
            assert_eq!(message.to, init.stake);
        }
        op::EXCESSES => assert_eq!(message.to, init.owner),
        other => panic!("a delegation sent {other:#x}"),
    }
}

pub(crate) fn check_stake(balance: u64, data: &Option<tycho_types::cell::Cell>) {
    let Some(data) = data else { return };
    let data = StakeData::parse(data).unwrap();
    let owed = shares::owed(&data);
    assert!(balance >= owed, "a stake of {balance} owes {owed}");
    let reserved: u64 = data.reservations.iter().map(|(_, amount)| amount.get()).sum();
    assert_eq!(reserved, data.reserved.get());
    assert!(data.unbonding <= data.stake);
    // Whatever happens to all tasks, everybody together can bear it.
    assert!(reserved <= shares::at_stake(&data), "{data:?}");
    // Nobody's shares are worth more than what is there for them.
    assert!(data.pool.worth(data.pool.shares, 0) <= data.pool.coins);
    assert!(data.pool.leaving_worth(&data.pool.leaving_shares) <= data.pool.leaving);
}

/// Genesis supply = balances + in flight + fees + burned, to the nanogram.
fn conserved(chain: &Chain) {
    let totals = chain.totals();
    let held = chain.total_balances().unwrap();
    let sum = held + totals.in_flight + totals.network_fees_collected + totals.burned;
    assert_eq!(totals.supply, sum);
}
