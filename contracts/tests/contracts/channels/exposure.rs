//! Whoever disappears, whenever: nobody loses more than the exposure cap.

use fog_contracts::channel::{Channel, ChannelData, Purpose, op};
use fog_protocol::{Address, Nano};
use proptest::prelude::*;

use super::kit::{CAP, CLOSE, DELAY, FINISH, between, carried, data, end, funded, pay, top_up};
use crate::{
    alone::{OPERATOR, OWNER, REQUESTOR, STRANGER},
    solo::Solo,
};

/// One channel and what its payee is owed there.
struct Side {
    channel: Channel,
    solo: Solo,
    /// For work that was done and accepted.
    owed: u64,
    /// The newest voucher.
    vouched: u64,
    count: u64,
    put_in: u64,
    got: u64,
}

impl Side {
    fn new(purpose: Purpose, payer: Address, payee: Address) -> Self {
        let channel = between(purpose, payer, payee);
        let solo = funded(&channel);
        let put_in = super::kit::PUT_IN.get();
        Self { channel, solo, owed: 0, vouched: 0, count: 0, put_in, got: 0 }
    }

    fn data(&self) -> ChannelData {
        data(&self.solo, &self.channel)
    }

    /// May its payee take on a task of this price?
    fn takes(&self, price: u64) -> bool {
        self.data().room(Nano::new(self.owed)).get() >= price
    }

    fn sign(&mut self) {
        if self.owed > self.vouched {
            self.vouched = self.owed;
            self.count += 1;
        }
    }

    fn redeem(&mut self) {
        if self.vouched > self.data().paid.get() {
            let ran = pay(&mut self.solo, &self.channel, self.vouched, self.count);
            assert_eq!(ran.exit, 0, "what the rule let through is always redeemed");
            self.got += carried(&ran, op::REDEEMED);
        }
    }

    fn top_up(&mut self, amount: u64) {
        assert_eq!(top_up(&mut self.solo, self.channel.payer, Nano::new(amount)).exit, 0);
        self.put_in += amount;
    }

    /// The payer goes; its payee redeems in the last second of the delay, if it is there.
    fn leave(&mut self, payee_is_there: bool) -> u64 {
        assert_eq!(end(&mut self.solo, self.channel.payer, CLOSE).exit, 0);
        self.solo.now += DELAY - 1;
        if payee_is_there {
            self.redeem();
        }
        self.solo.now += 1;
        let ran = end(&mut self.solo, STRANGER, FINISH);
        assert_eq!(ran.exit, 0);
        carried(&ran, op::RETURNED)
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Task(u64),
    RequestorSigns,
    NodeSigns,
    NodeRedeems,
    WorkerRedeems,
    Fund(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..=CAP.get()).prop_map(|price| Step::Task(price / 3 + 1)),
        3 => Just(Step::RequestorSigns),
        3 => Just(Step::NodeSigns),
        1 => Just(Step::NodeRedeems),
        1 => Just(Step::WorkerRedeems),
        1 => (1..=CAP.get()).prop_map(Step::Fund),
    ];
    prop::collection::vec(step, 1..40)
}

/// A requestor's account and a worker's earnings at the same node.
fn play(steps: &[Step]) -> (Side, Side) {
    let mut account = Side::new(Purpose::Account, REQUESTOR, OPERATOR);
    let mut earnings = Side::new(Purpose::Earnings, OPERATOR, OWNER);
    for step in steps {
        match *step {
            // The node and the worker both look before they take it on.
            Step::Task(price) if account.takes(price) && earnings.takes(price) => {
                account.owed += price;
                earnings.owed += price;
            }
            Step::Task(_) => {}
            Step::RequestorSigns => account.sign(),
            Step::NodeSigns => earnings.sign(),
            Step::NodeRedeems => account.redeem(),
            Step::WorkerRedeems => earnings.redeem(),
            Step::Fund(amount) => {
                account.top_up(amount);
                earnings.top_up(amount);
            }
        }
    }
    (account, earnings)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// It never redeems its account again, never signs again, and gives no notice.
    #[test]
    fn a_node_that_disappears_costs_nobody_more_than_the_cap(steps in steps()) {
        let (mut account, mut earnings) = play(&steps);
        earnings.redeem();
        let worker = earnings.owed - earnings.got;
        prop_assert!(worker <= CAP.get(), "the worker lost {worker}");
        // All that was vouched for is paid; only what the node had not signed yet is lost.
        prop_assert_eq!(earnings.got, earnings.vouched);
        let (put_in, work) = (account.put_in, account.owed);
        let returned = account.leave(false);
        prop_assert_eq!(returned + account.got, put_in);
        prop_assert!(put_in - returned <= work, "the requestor paid for work it did not get");
    }

    #[test]
    fn a_requestor_that_disappears_takes_nothing_that_vouchers_cover(steps in steps()) {
        let (mut account, _) = play(&steps);
        let vouched = account.vouched;
        let put_in = account.put_in;
        let returned = account.leave(true);
        prop_assert_eq!(account.got, vouched);
        prop_assert_eq!(returned, put_in - vouched);
        prop_assert!(account.owed - account.got <= CAP.get());
    }

    #[test]
    fn a_node_that_takes_its_earnings_back_owes_nothing_of_what_it_signed(steps in steps()) {
        let (_, mut earnings) = play(&steps);
        let (vouched, put_in) = (earnings.vouched, earnings.put_in);
        let returned = earnings.leave(true);
        prop_assert_eq!((earnings.got, returned), (vouched, put_in - vouched));
        prop_assert!(earnings.owed - earnings.got <= CAP.get());
    }
}

/// The generator gets somewhere, and without the rule the loss would be larger.
#[test]
fn without_looking_a_payee_would_lose_more() {
    let mut earnings = Side::new(Purpose::Earnings, OPERATOR, OWNER);
    let price = CAP.get() / 2;
    let mut taken = 0;
    while earnings.takes(price) {
        earnings.owed += price;
        taken += 1;
    }
    assert_eq!(taken, 2);
    // A worker who goes on all the same has a voucher that no redemption takes.
    earnings.owed += price;
    earnings.sign();
    let refused = pay(&mut earnings.solo, &earnings.channel, earnings.vouched, 1);
    assert_eq!(refused.exit, 142);
}
