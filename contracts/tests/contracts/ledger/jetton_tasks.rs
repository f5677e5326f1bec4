//! What must be true of tasks in jettons after every transaction, besides what is of every task.

use std::collections::BTreeMap;

use fog_contracts::{
    TaskState,
    jetton::op as jetton,
    jetton_task::{JettonTask, JettonTaskData, Share, Shares, op},
    op::EXCESSES,
};
use fog_protocol::Address;
use fog_testnet::chain::{Chain, TxRecord};

use super::jettons::{Jettons, Message, internal};
use crate::{
    jettons::kit::units,
    world::{FEE_BPS, OPERATOR_BPS, ours, std},
};

/// One task: what it was credited, and what it sent of each share.
#[derive(Clone, Default)]
struct Book {
    credited: u128,
    sent: [u128; 4],
    /// Told its wallet, which has not done it yet.
    pending: u128,
    /// By the requestor, where all that was left was its own.
    swept: u128,
    before: Option<JettonTaskData>,
}

/// All tasks in jettons that are watched.
#[derive(Clone, Default)]
pub(crate) struct JettonTasks {
    known: BTreeMap<Address, JettonTask>,
    books: BTreeMap<Address, Book>,
    treasury: Option<Address>,
    pub(crate) credits: u64,
    pub(crate) claims: u64,
    pub(crate) bounces: u64,
    pub(crate) paid: u64,
    pub(crate) buried: u64,
}

impl JettonTasks {
    pub(crate) fn watch(&mut self, task: &JettonTask, treasury: Address) {
        self.treasury = Some(treasury);
        self.known.insert(task.address().unwrap(), *task);
    }

    pub(crate) fn all(&self) -> Vec<JettonTask> {
        self.known.values().copied().collect()
    }

    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.known.contains_key(address)
    }

    pub(super) fn check(&mut self, chain: &Chain, record: &TxRecord, jettons: &Jettons) {
        if record.aborted().unwrap() {
            return;
        }
        let address = ours(&record.address);
        let Some(incoming) = record.in_msg().unwrap().as_ref().and_then(internal) else { return };
        // A wallet did what a task told it.
        if let Some(book) = self.books.get_mut(&incoming.from)
            && (incoming.op, incoming.bounced) == (jetton::TRANSFER, false)
            && incoming.query != 0
        {
            book.pending -= incoming.amount;
        }
        let Some(task) = self.known.get(&address).copied() else { return };
        let outgoing: Vec<_> = record.out_msgs().unwrap().iter().filter_map(internal).collect();
        let data = chain.account(&std(&address)).unwrap().data.unwrap();
        let data = JettonTaskData::parse(&data).unwrap();
        let wallet = jettons.wallet_of(&task.jetton.master, &address);
        self.check_moves(&task, &wallet, &incoming, &outgoing, &data);
        let book = self.books.get_mut(&address).unwrap();
        if let Some(before) = book.before.replace(data.clone()) {
            if let (Some(left), None) = (before.money, data.money) {
                // What the requestor left there is its own loss.
                let others = left.dues.sum().get() - left.dues.requestor.get();
                assert_eq!(others, 0, "buried with others' in it");
                book.credited -= left.dues.requestor.get();
            }
            self.paid += u64::from(check_end(&task, &before, &data));
            self.buried += u64::from(before.money.is_some() && data.money.is_none());
        }
        check_books(book, &task, &data, jettons.balance_of(&wallet), &wallet);
    }

    fn check_moves(
        &mut self,
        task: &JettonTask,
        wallet: &Address,
        incoming: &Message,
        outgoing: &[Message],
        data: &JettonTaskData,
    ) {
        let treasury = self.treasury.unwrap();
        let book = self.books.entry(incoming.to).or_default();
        if (incoming.op, incoming.bounced) == (jetton::NOTIFICATION, false) {
            assert_eq!(incoming.from, *wallet, "jettons by a stranger's word");
            book.credited += incoming.amount;
            self.credits += 1;
        }
        let came_back = (incoming.op, incoming.bounced, incoming.from);
        if came_back == (jetton::TRANSFER, true, *wallet) && incoming.query != 0 {
            book.sent[share_of(incoming.query)] -= incoming.amount;
            book.pending -= incoming.amount;
            self.bounces += 1;
        }
        for message in outgoing {
            assert!(!message.bounced);
            match message.op {
                jetton::TRANSFER => {
                    assert_eq!(message.to, *wallet);
                    assert!(message.value <= incoming.value, "a transfer out of the rent");
                    let destination = message.destination.unwrap();
                    if message.query == 0 {
                        let requestor = task.task.requestor;
                        assert_eq!((incoming.op, incoming.from), (op::SWEEP, requestor));
                        assert_eq!(destination, requestor);
                        let dues = data.money.unwrap().dues;
                        assert_eq!(Shares { requestor: units(0), ..dues }, Shares::default());
                        book.swept += message.amount;
                        continue;
                    }
                    assert_eq!(incoming.op, op::CLAIM_SHARE);
                    let share = share_of(message.query);
                    let owner = match share {
                        0 => task.task.requestor,
                        1 => data.task.work.unwrap().owner,
                        2 => treasury,
                        _ => task.task.operator,
                    };
                    assert!(incoming.from == owner || destination == owner, "to who knows whom");
                    book.sent[share] += message.amount;
                    book.pending += message.amount;
                    self.claims += 1;
                }
                jetton::PROVIDE_WALLET => assert_eq!(message.to, task.jetton.master),
                EXCESSES if incoming.bounced => {
                    assert!(message.value <= incoming.value);
                }
                EXCESSES if incoming.op == op::BURY => {
                    assert_eq!(message.to, task.task.requestor);
                }
                _ => {}
            }
        }
    }
}

fn share_of(query: u64) -> usize {
    usize::try_from(query & 3).unwrap()
}

/// How it ended decides what everybody is due; says whether it was paid.
fn check_end(task: &JettonTask, before: &JettonTaskData, after: &JettonTaskData) -> bool {
    let (from, to) = (before.task.state, after.task.state);
    if from.is_end() {
        assert_eq!(from, to, "it came back");
        return false;
    }
    let (Some(had), Some(has)) = (before.money, after.money) else { return false };
    if !to.is_end() {
        let others = [Share::Worker, Share::Treasury, Share::Node];
        assert!(others.iter().all(|share| has.dues.of(*share) == units(0)), "paid before its end");
        return false;
    }
    let paid = matches!(from, TaskState::Settling | TaskState::Accepted);
    assert!(paid || to != TaskState::Paid, "{from:?} to {to:?}");
    let price = before.task.work.filter(|_| paid).map(|work| work.price);
    let mut due =
        price.map_or_else(Shares::default, |price| task.shares(price, FEE_BPS, OPERATOR_BPS));
    let given = due.worker.get() + due.treasury.get() + due.node.get();
    due.requestor = units(had.dues.requestor.get() + had.held.get() - given);
    assert_eq!((has.dues, has.held), (due, units(0)));
    paid
}

/// Each unit that was credited is somewhere, once, and the wallet has what the task owes.
fn check_books(
    book: &Book,
    task: &JettonTask,
    data: &JettonTaskData,
    there: u128,
    wallet: &Address,
) {
    let sent: u128 = book.sent.iter().sum();
    let Some(money) = data.money else {
        assert_eq!(book.credited, sent, "buried with something in it");
        return;
    };
    assert!(money.wallet.is_none_or(|told| told == *wallet), "a strange wallet for its own");
    assert_eq!((money.master, money.units), (task.jetton.master, task.jetton.units));
    assert_eq!(book.credited, sent + money.held.get() + money.dues.sum().get(), "{data:?}");
    let owed = money.held.get() + money.dues.sum().get() + book.pending;
    // Who sweeps while a transfer of its own is coming back takes it before it is owed again.
    assert!(there + book.swept >= owed, "the wallet has {there} of {owed}");
    assert!(there + money.dues.requestor.get() >= money.dues.sum().get(), "of others' {there}");
    let started = data.task.state != TaskState::Created && !data.task.state.is_end();
    assert!(!started || money.held == task.jetton.units, "{data:?}");
}
