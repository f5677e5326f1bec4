//! The ledger of a channel under random lives: parties that stop signing, close and vanish.

use fog_market::{
    Refused, Rules,
    rail::{ChannelState, Ledger, OnChain, RailRefused},
};
use fog_protocol::{Address, Entry, EntryTree, EntryVerdict, Hash32, Listing, Nano, Rail, TaskId};
use proptest::prelude::*;

use super::kit::listing_of;

const CAP: u64 = 1_000;

fn task(number: u64) -> TaskId {
    TaskId(Hash32::of(&number.to_le_bytes()))
}

fn entry(number: u64, amount: u64) -> Entry {
    Entry {
        task: task(number),
        worker: Address::basechain([3; 32]),
        amount: Nano::new(amount),
        verdict: EntryVerdict::Accepted,
        evidence: Hash32([4; 32]),
    }
}

fn open(balance: u64) -> Ledger {
    let chain =
        OnChain { state: ChannelState::Open, balance: Nano::new(balance), paid: Nano::ZERO };
    let address = Address::basechain([1; 32]);
    Ledger::new(address, Nano::new(CAP), chain, EntryTree::default(), 0)
}

fn vouch_all(ledger: &mut Ledger) -> Result<(), RailRefused> {
    let (count, total, root) =
        (ledger.entries().len(), ledger.entries().total(), ledger.entries().root());
    ledger.vouch(count, total, &root)
}

#[test]
fn what_is_not_checked_is_not_taken_on_this_rail_and_no_stake_is_asked_for() {
    let home = Address::basechain([2; 32]);
    let rules = Rules::new(-3, Address::basechain([1; 32]), home, Hash32::default());
    let on_account = |rate_ppm| {
        let rail = Rail::Account { account: Address::basechain([9; 32]) };
        let escrowed = listing_of(&rules, 1, rate_ppm);
        Listing { version: rail.listing_version(), rail, ..escrowed }
    };
    assert_eq!(rules.check_listing(&on_account(999_999)), Err(Refused::RailNeedsAudit));
    assert_eq!(rules.check_listing(&on_account(1_000_000)), Ok(()));
    assert_eq!(rules.check_listing(&listing_of(&rules, 1, 50_000)), Ok(()));
    let reserve = |listing: &Listing| rules.reserve_for(listing, Nano::grams(1)).unwrap();
    assert_eq!(reserve(&on_account(1_000_000)), Nano::ZERO);
    assert_eq!(reserve(&listing_of(&rules, 1, 1_000_000)), Nano::grams(1));
}

#[test]
fn every_refusal_names_its_cure() {
    let mut ledger = open(800);
    let says = |result: Result<(), RailRefused>| {
        let refused = result.unwrap_err();
        (refused.code(), refused.to_string())
    };
    let (code, text) = says(ledger.promise(task(1), Nano::new(1001)));
    assert_eq!(code, "above_exposure_cap", "{text}");
    let (code, text) = says(ledger.promise(task(1), Nano::new(900)));
    assert_eq!(code, "account_too_low", "{text}");
    assert!(text.contains("top-up") && text.ends_with("0.0000001 GRAM`"), "{text}");
    ledger.promise(task(1), Nano::new(800)).unwrap();
    ledger.promise(task(1), Nano::new(800)).unwrap();
    assert_eq!(says(ledger.promise(task(1), Nano::new(700))).0, "bad_entry");
    ledger.read(OnChain { balance: Nano::new(5000), ..*ledger.chain() });
    assert_eq!(says(ledger.promise(task(2), Nano::new(300))).0, "exposure_cap_used");
    ledger.enter(entry(1, 800)).unwrap();
    let (code, text) = says(ledger.promise(task(2), Nano::new(300)));
    assert_eq!(code, "vouchers_missing");
    assert!(text.contains("fog account vouch"), "{text}");
    vouch_all(&mut ledger).unwrap();
    assert_eq!(ledger.due(Nano::ZERO), Some(Nano::new(800)));
    ledger.redeemed(Nano::new(800));
    ledger.promise(task(2), Nano::new(300)).unwrap();
    ledger.read(OnChain { state: ChannelState::Closing { at: 9 }, ..*ledger.chain() });
    assert_eq!(says(ledger.promise(task(3), Nano::new(1))).0, "account_not_open");
}

#[test]
fn only_what_was_promised_is_entered_and_only_what_is_entered_is_vouched_for() {
    let mut ledger = open(5000);
    assert!(ledger.enter(entry(1, 10)).is_err());
    ledger.promise(task(1), Nano::new(10)).unwrap();
    assert!(ledger.enter(entry(1, 11)).is_err());
    ledger.agree(&task(1), Nano::new(7));
    assert_eq!(ledger.promised(), Nano::new(7));
    assert!(ledger.enter(entry(1, 8)).is_err());
    ledger.enter(entry(1, 7)).unwrap();
    assert!(ledger.enter(entry(1, 7)).is_err());
    let root = ledger.entries().root();
    for (count, total) in [(0, 0), (1, 8), (2, 7), (1, 6)] {
        assert!(ledger.vouch(count, Nano::new(total), &root).is_err());
    }
    assert!(ledger.vouch(1, Nano::new(7), &Hash32([0; 32])).is_err());
    // A voucher for fewer entries than there are by now counts for those.
    ledger.promise(task(2), Nano::new(5)).unwrap();
    ledger.enter(entry(2, 5)).unwrap();
    ledger.vouch(1, Nano::new(7), &root).unwrap();
    assert_eq!((ledger.vouched(), ledger.owed()), (Nano::new(7), Nano::new(12)));
    assert!(ledger.vouch(1, Nano::new(7), &root).is_err());
}

/// The chain as it is, beside what the ledger knows of it.
struct World {
    ledger: Ledger,
    chain: OnChain,
    /// All that a gateway which lags behind may still say.
    past: Vec<OnChain>,
    open: Vec<(u64, u64)>,
    next: u64,
}

impl World {
    fn new(ledger: Ledger) -> Self {
        let chain = *ledger.chain();
        Self { chain, past: vec![chain], ledger, open: Vec::new(), next: 0 }
    }

    fn step(&mut self, kind: u8, pick: usize, amount: u64) {
        match kind {
            0 | 1 => {
                self.next += 1;
                if self.ledger.promise(task(self.next), Nano::new(amount)).is_ok() {
                    self.open.push((self.next, amount));
                }
            }
            2 if !self.open.is_empty() => {
                let at = pick % self.open.len();
                let price = self.open[at].1.min(amount);
                self.ledger.agree(&task(self.open[at].0), Nano::new(price));
                self.open[at].1 = price;
            }
            3 | 4 if !self.open.is_empty() => {
                let (number, price) = self.open.swap_remove(pick % self.open.len());
                self.ledger.enter(entry(number, price)).unwrap();
            }
            5 if !self.open.is_empty() => {
                let (number, _) = self.open.swap_remove(pick % self.open.len());
                self.ledger.release(&task(number));
            }
            6 => drop(vouch_all(&mut self.ledger)),
            7 => self.redeem(),
            8 if self.chain.state == ChannelState::Open => {
                self.chain.balance = self.chain.balance.saturating_add(Nano::new(amount));
            }
            9 => self.ledger.read(self.chain),
            10 => self.ledger.read(self.past[pick % self.past.len()]),
            11 if pick.is_multiple_of(40) && self.chain.state == ChannelState::Open => {
                self.chain.state = ChannelState::Closing { at: 1 };
            }
            _ => {}
        }
        self.past.push(self.chain);
    }

    /// As the contract does: all that is vouched for, and not paid.
    fn redeem(&mut self) {
        let amount = self.ledger.vouched().saturating_sub(self.chain.paid);
        assert!(amount <= self.chain.balance, "a voucher that is not covered");
        assert!(amount.get() <= CAP, "a voucher above the cap");
        self.chain.balance = self.chain.balance.saturating_sub(amount);
        self.chain.paid = self.chain.paid.saturating_add(amount);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_ever_loses_more_than_the_cap(
        balance in 0u64..4_000,
        steps in proptest::collection::vec((0u8..12, any::<usize>(), 0u64..1_200), 0..200),
    ) {
        let ledger = open(balance);
        let mut world = World::new(ledger);
        for (kind, pick, amount) in steps {
            world.step(kind, pick, amount);
            let World { ledger, chain, open, .. } = &world;
            let promised: u64 = open.iter().map(|(_, price)| price).sum();
            prop_assert_eq!(ledger.promised(), Nano::new(promised));
            // Whatever happens next, what is taken on is covered by the contract and by the cap.
            let exposed = ledger.owed().saturating_add(ledger.promised());
            let at_risk = exposed.saturating_sub(chain.paid);
            prop_assert!(at_risk <= chain.balance.min(Nano::new(CAP)));
            // Who signs no more takes at most what was not vouched for.
            let lost = ledger.owed().saturating_sub(ledger.vouched().max(chain.paid));
            prop_assert!(lost.get() <= CAP);
            // The payer owes nothing that it was not asked for.
            prop_assert!(ledger.vouched() <= ledger.owed());
        }
    }

    /// Taken down and put up again, at any point, the ledger is the same.
    #[test]
    fn a_restart_changes_nothing(
        steps in proptest::collection::vec((0u8..10, any::<usize>(), 0u64..1_200), 0..80),
    ) {
        let ledger = open(3_000);
        let mut world = World::new(ledger);
        for (kind, pick, amount) in steps {
            world.step(kind, pick, amount);
        }
        let old = &world.ledger;
        let (address, cap) = (Address::basechain([1; 32]), Nano::new(CAP));
        let entries = EntryTree::of(old.entries().entries().iter().copied()).unwrap();
        let mut new = Ledger::new(address, cap, *old.chain(), entries, old.vouched_count());
        for (number, price) in &world.open {
            new.recall(task(*number), Nano::new(*price));
        }
        prop_assert_eq!(&new, old);
    }
}
