//! What must be true of nodes' bonds and of disputes after every transaction.

use std::collections::BTreeMap;

use fog_contracts::{
    TaskState, Units, heard,
    jetton_task::{JettonTask, JettonTerms},
    op,
    operator::{self, Freed, OperatorData, OperatorInit},
    task::{self, Outcome, TaskData, Work},
};
use fog_protocol::{Address, Nano};
use fog_testnet::chain::{Chain, TxRecord};
use tycho_types::cell::Cell;

use super::Message;
use crate::world::{CHALLENGE_BOND, FEE_BPS, earned, ours, std};

/// A challenger's part of what the loser loses.
const REPORTER: u64 = 5;

/// What one bond has done so far.
#[derive(Clone, Default)]
struct Book {
    data: Option<OperatorData>,
    /// Prices of what was taken on and is not over, by task.
    open: BTreeMap<Address, u64>,
}

/// What one task owed in disputes.
#[derive(Clone, Default)]
struct Dispute {
    challenges: u32,
    decisions: u32,
    rewards: u32,
    compensations: u32,
}

/// All bonds that are watched, and the disputes of all tasks.
#[derive(Clone, Default)]
pub(crate) struct Bonds {
    known: BTreeMap<Address, OperatorInit>,
    books: BTreeMap<Address, Book>,
    disputes: BTreeMap<Address, Dispute>,
    /// By account: rewards, and what came out of bonds, less what it put into them.
    due: BTreeMap<Address, i128>,
    pub(crate) tally: Tally,
}

/// How much there was of what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// What a generator must bring about.
    const ALL: [&str; 9] = [
        "bond",
        "withdrawal",
        "assignment",
        "refused assignment",
        "compensation",
        "upheld verdict",
        "overturned verdict",
        "undecided challenge",
        "reward",
    ];

    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// What there was too little of.
    pub(crate) fn few(&self) -> Vec<&'static str> {
        let enough = |what: &&str| self.0.get(what).is_some_and(|count| *count >= 12);
        Self::ALL.into_iter().filter(|what| !enough(what)).collect()
    }
}

fn amount(body: &Cell) -> u64 {
    let mut slice = body.as_slice().unwrap();
    slice.skip_first(96, 0).unwrap();
    use tycho_types::cell::Load as _;
    let tokens = tycho_types::num::Tokens::load_from(&mut slice).unwrap();
    u64::try_from(tokens.into_inner()).unwrap()
}

impl Bonds {
    pub(crate) fn watch(&mut self, init: &OperatorInit) {
        self.known.insert(init.address().unwrap(), *init);
    }

    pub(crate) fn owner(&self, address: &Address) -> Option<Address> {
        self.known.get(address).map(|init| init.owner)
    }

    /// What an account may have more than it began with, or must have less.
    pub(crate) fn due(&self, account: &Address) -> i128 {
        self.due.get(account).copied().unwrap_or(0)
    }

    /// A transaction of a bond.
    pub(super) fn check(
        &mut self,
        chain: &Chain,
        record: &TxRecord,
        incoming: Option<&Message>,
        outgoing: &[Message],
    ) {
        let address = ours(&record.address);
        let Some(init) = self.known.get(&address).copied() else { return };
        let view = chain.account(&std(&address)).unwrap();
        let Some(cell) = view.data else { return };
        let data = OperatorData::parse(&cell).unwrap();
        assert_eq!(data.init, init);
        let before = self.books.entry(address).or_default().data.replace(data);
        let before = before.unwrap_or(OperatorData {
            bond: Nano::ZERO,
            reserved: Nano::ZERO,
            earned: Nano::ZERO,
            ..data
        });
        let grown = i128::from(data.bond.get()) - i128::from(before.bond.get());
        let done = !record.aborted().unwrap();
        let sent = |op: u32| outgoing.iter().filter(move |message| message.op == op);
        assert!(done || outgoing.iter().all(|message| message.bounced));
        let step = incoming.filter(|_| done).map(|message| (message.op, message.bounced));
        match (step, incoming) {
            (Some((operator::op::BOND, false)), Some(message)) => {
                let added = amount(&message.whole);
                assert_eq!((grown, data.reserved), (i128::from(added), before.reserved));
                assert!(added > 0 && message.value >= added);
                *self.due.entry(message.from).or_default() -= i128::from(added);
                self.tally.count("bond");
            }
            (Some((operator::op::TAKE_ON, false)), Some(message)) => {
                assert_eq!(message.from, init.owner);
                let (task, assign) = operator::taken_on(&message.whole).unwrap();
                let asked: Vec<_> = sent(task::op::ASSIGN).map(|message| message.to).collect();
                assert_eq!((asked, grown), (vec![task], 0));
                *self.books.get_mut(&address).unwrap().open.entry(task).or_default() +=
                    assign.price.get();
                self.tally.count("assignment");
            }
            (Some((operator::op::WITHDRAW, false)), Some(message)) => {
                assert_eq!(message.from, init.owner);
                self.check_withdrawal(message, outgoing, grown);
            }
            (Some((operator::op::FREED, false)), Some(message)) => {
                let freed = Freed::parse(&message.whole).unwrap();
                self.check_freed(message, outgoing, &freed, grown);
            }
            (Some((_, true)), Some(message)) => {
                // An assignment that its task did not take.
                let was = before.reserved.get() - data.reserved.get();
                let open = self.books.get_mut(&address).unwrap().open.get_mut(&message.from);
                *open.unwrap() -= was;
                assert_eq!(grown, 0);
                let told: Vec<_> = sent(op::NOT_TAKEN).map(|message| message.to).collect();
                assert_eq!(told, [init.owner]);
                self.tally.count("refused assignment");
            }
            _ => assert_eq!((grown, data.reserved), (0, before.reserved)),
        }
        let open = &self.books[&address].open;
        assert_eq!(data.reserved.get(), open.values().sum::<u64>());
        assert!(data.reserved <= data.bond, "more is promised than there is: {data:?}");
        let balance = u64::try_from(view.balance).unwrap();
        assert!(balance >= data.bond.get(), "a bond of {:?} with {balance}", data.bond);
    }

    fn check_withdrawal(&mut self, message: &Message, outgoing: &[Message], grown: i128) {
        assert_eq!(grown, -i128::from(amount(&message.whole)));
        let paid: Vec<_> = outgoing.iter().filter(|sent| sent.op == op::PAYOUT).collect();
        assert_eq!((paid.len(), paid[0].to), (1, message.from));
        // What others left there comes along.
        let out = i128::from(paid[0].value) - i128::from(message.value);
        *self.due.entry(message.from).or_default() += out;
        self.tally.count("withdrawal");
    }

    fn check_freed(&mut self, message: &Message, outgoing: &[Message], freed: &Freed, grown: i128) {
        let init = self.known[&message.to];
        let task = freed.task;
        // By the code of either kind.
        let jetton =
            JettonTerms { listing: task.terms.id, master: task.market, units: Units::ZERO };
        let in_jetton = JettonTask { task, jetton }.address().unwrap();
        assert!([task.address().unwrap(), in_jetton].contains(&message.from));
        assert_eq!((task.market, task.operator), (init.market, init.owner));
        let open = self.books.get_mut(&message.to).unwrap().open.get_mut(&message.from).unwrap();
        *open -= freed.price.get();
        assert!(freed.owed <= freed.price && message.value >= freed.earned.get());
        assert_eq!(grown, i128::from(freed.earned.get()) - i128::from(freed.owed.get()));
        let paid: Vec<_> = outgoing.iter().map(|m| (m.op, m.to, m.value)).collect();
        if freed.owed == Nano::ZERO {
            assert_eq!(paid, []);
            return;
        }
        assert_eq!(paid, [(op::COMPENSATION, freed.creditor, freed.owed.get())]);
        let dispute = self.disputes.entry(message.from).or_default();
        dispute.compensations += 1;
        assert_eq!(dispute.compensations, 1, "paid out of the bond twice");
        *self.due.entry(freed.creditor).or_default() += i128::from(freed.owed.get());
        self.tally.count("compensation");
    }

    /// A task's transaction that was carried out: `before` and `after` are its data, `pays` what it
    /// paid challengers and those they kept waiting.
    pub(super) fn check_task(
        &mut self,
        incoming: &Message,
        outgoing: &[Message],
        before: Option<&TaskData>,
        in_gram: bool,
    ) {
        let pays: Vec<_> =
            outgoing.iter().filter(|message| message.op == op::CHALLENGE_PAY).collect();
        for told in outgoing.iter().filter(|message| message.op == operator::op::FREED) {
            Self::check_told(told, before.unwrap(), incoming.op, in_gram);
        }
        let at = incoming.to;
        let work = before.and_then(|data| data.work);
        match incoming.op {
            _ if incoming.bounced => assert!(pays.is_empty()),
            task::op::CHALLENGE => {
                let dispute = self.disputes.entry(at).or_default();
                dispute.challenges += 1;
                assert_eq!(dispute.challenges, 1, "challenged twice");
                assert!(incoming.value >= CHALLENGE_BOND.get() && pays.is_empty());
            }
            task::op::SLASHED => {
                let Some((work, dispute)) = work.and_then(|work| Some((work, work.dispute?)))
                else {
                    return assert!(pays.is_empty());
                };
                let due = reward(&work).min(incoming.body[0]);
                let paid: Vec<_> = pays.iter().map(|pay| (pay.to, pay.value)).collect();
                let meant = if due > 0 { vec![(dispute.challenger, due)] } else { vec![] };
                assert_eq!(paid, meant);
                if due > 0 {
                    let book = self.disputes.get_mut(&at).unwrap();
                    book.rewards += 1;
                    assert_eq!(book.rewards, 1, "rewarded twice");
                    *self.due.entry(dispute.challenger).or_default() += i128::from(due);
                    self.tally.count("reward");
                }
            }
            _ => {
                for pay in pays {
                    self.check_decision(pay, before.unwrap(), incoming);
                }
            }
        }
    }

    /// A challenge's bond goes to whom the decision says, once.
    fn check_decision(&mut self, pay: &Message, before: &TaskData, incoming: &Message) {
        let work = before.work.unwrap();
        let dispute = work.dispute.unwrap();
        assert_eq!((pay.value, dispute.bond), (CHALLENGE_BOND.get(), CHALLENGE_BOND));
        let book = self.disputes.get_mut(&pay.from).unwrap();
        book.decisions += 1;
        assert_eq!((book.challenges, book.decisions), (1, 1), "decided twice");
        let decision = match incoming.op {
            task::op::EXPIRE => None,
            task::op::PROVE => Some(Outcome::Accepted),
            task::op::RULING => Some(heard::ruling(&incoming.whole).unwrap().outcome),
            other => panic!("decided by {other:#x}"),
        };
        let (right, what) = match decision {
            None => (dispute.challenger, "undecided challenge"),
            Some(of) if of != work.outcome => (dispute.challenger, "overturned verdict"),
            Some(Outcome::Accepted) => (work.owner, "upheld verdict"),
            Some(_) => (before.init.requestor, "upheld verdict"),
        };
        assert_eq!(pay.to, right);
        self.tally.count(what);
    }

    /// What a task tells its bond: the price once for each assignment, the node's fee where it paid,
    /// the whole price where no verdict came.
    fn check_told(told: &Message, before: &TaskData, op: u32, in_gram: bool) {
        let (freed, work) = (Freed::parse(&told.whole).unwrap(), before.work.unwrap());
        assert_eq!((freed.task, freed.price), (before.init, work.price));
        let owed = if before.state == TaskState::Releasing { work.price } else { Nano::ZERO };
        assert_eq!((freed.owed, freed.creditor), (owed, work.owner));
        let fee = work.price.get() * u64::from(FEE_BPS) / 10_000;
        let paid = matches!(
            (before.state, op),
            (TaskState::Settling, task::op::SETTLED) | (TaskState::Accepted, task::op::EXPIRE)
        );
        assert_eq!(freed.earned.get(), if paid && in_gram { earned(fee) } else { 0 });
    }

    /// With nothing under way, exactly what live tasks have as work is reserved.
    pub(super) fn check_quiet(&self, live: &[&TaskData]) {
        for (address, init) in &self.known {
            let Some(data) = self.books.get(address).and_then(|book| book.data) else { continue };
            let theirs = live
                .iter()
                .filter(|task| (task.init.market, task.init.operator) == (init.market, init.owner));
            let prices = theirs.filter_map(|task| task.work).map(|work| work.price.get());
            assert_eq!(data.reserved.get(), prices.sum::<u64>());
        }
    }
}

/// What is due to a challenger of a slash.
pub(super) fn reward(work: &Work) -> u64 {
    if !work.dispute.is_some_and(|dispute| dispute.won) {
        return 0;
    }
    let reserve = work.reserve.get();
    if work.outcome == Outcome::Rejected { reserve / REPORTER } else { reserve / 100 / REPORTER }
}
