//! The stake behind a result that may have gone unchecked: what the node says stood for it is
//! recomputed, and looked up on chain.

use std::collections::{BTreeMap, btree_map::Entry};

use fog_chain::ChainClient;
use fog_contracts::{
    TaskState,
    epoch::Epoch,
    task::{TaskData, Work},
};
use fog_protocol::{Address, EntryView, Hash32, Nano, RATE_ONE};

use crate::account::{NotOwed, VouchError};

/// What the chain says of a pledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is there.
    Standing(Box<Work>),
    /// It ended: how much was reserved the chain does not tell any more.
    Over,
}

/// Pledges that were looked up.
#[derive(Debug, Default)]
pub(crate) struct Covers(BTreeMap<Address, Seen>);

impl Covers {
    /// Did stake stand for this entry, as far as the chain tells?
    pub(crate) async fn check(
        &mut self,
        chain: &ChainClient,
        view: &EntryView,
        told: impl Fn(NotOwed) -> VouchError,
    ) -> Result<(), VouchError> {
        let Some(epoch) = epoch_of(view).map_err(&told)? else { return Ok(()) };
        let address = epoch.task().address()?;
        let seen = match self.0.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let data = chain.account(&address).await?.data;
                let data = data.as_ref().map(TaskData::parse).transpose()?;
                let seen = seen(data).ok_or_else(|| told(NotOwed::Uncovered(NOT_RESERVED)))?;
                place.insert(seen)
            }
        };
        covers(view, seen, epoch.promise()?).map_err(told)
    }
}

const NOT_RESERVED: &str = "the stake it names is not reserved";

/// The pledge that the entry names, if there must be one.
fn epoch_of(view: &EntryView) -> Result<Option<Epoch>, NotOwed> {
    let listing = &view.listing.value;
    if listing.policy.rate_ppm() >= RATE_ONE {
        return Ok(None);
    }
    let named = view.pledge.ok_or(NotOwed::Uncovered("the node names none"))?;
    Ok(Some(Epoch {
        market: listing.market,
        node: listing.operator,
        worker: view.entry.worker,
        earnings: named.earnings,
        number: named.number,
        price: named.price,
        bid: named.bid,
        commit: named.commit,
        lasts: named.lasts,
    }))
}

fn seen(data: Option<TaskData>) -> Option<Seen> {
    let data = data?;
    match (data.work, data.state) {
        (Some(work), _) => Some(Seen::Standing(Box::new(work))),
        (None, TaskState::Paid | TaskState::Slashed | TaskState::Refunded) => Some(Seen::Over),
        (None, _) => None,
    }
}

/// As long as it stands: was the promise made, and is it enough for this entry alone?
fn covers(view: &EntryView, seen: &Seen, promise: Hash32) -> Result<(), NotOwed> {
    let Seen::Standing(work) = seen else { return Ok(()) };
    if work.commitment != promise || work.owner != view.entry.worker {
        return Err(NotOwed::Uncovered(NOT_RESERVED));
    }
    if work.reserve < needed(view.price, view.listing.value.policy.rate_ppm()) {
        return Err(NotOwed::Uncovered("it is too little: a false result would have paid"));
    }
    Ok(())
}

/// The stake at which a false result does not pay that is found at this rate, rounded up.
fn needed(price: Nano, rate_ppm: u32) -> Nano {
    let (rate, one) = (u128::from(rate_ppm.clamp(1, RATE_ONE)), u128::from(RATE_ONE));
    let least = (u128::from(price.get()) * (one - rate)).div_ceil(rate);
    u64::try_from(least).map_or(Nano::MAX, Nano::new)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use fog_contracts::task::Outcome;
    use fog_protocol::{
        BlobRef, Durations, EntryVerdict, Listing, PledgeView, Policy, Program, Rail,
        ResourceLimits, SecretKey, Signed, TaskId,
    };

    const PRICE: u64 = 1_000;
    /// At this rate 19 times the price has to stand.
    const RATE: u32 = 50_000;

    fn view(rate_ppm: u32, pledge: Option<PledgeView>) -> EntryView {
        let rail = Rail::Account { account: Address::basechain([3; 32]) };
        let key = SecretKey::from_seed(&[1; 32]);
        let listing = Listing {
            version: rail.listing_version(),
            network: -3,
            market: Address::basechain([9; 32]),
            operator: Address::basechain([2; 32]),
            requestor: Address::basechain([1; 32]),
            requestor_key: key.public(),
            program: Program::Wasi { module: BlobRef::of(b"m") },
            input: BlobRef::of(b"i"),
            limits: ResourceLimits::default(),
            price_cap: Nano::new(PRICE),
            policy: Policy::Replay { rate_ppm },
            durations: Durations::default(),
            nonce_hash: Hash32([5; 32]),
            epoch: None,
            salt: Hash32([6; 32]),
            rail,
        };
        let entry = fog_protocol::Entry {
            task: TaskId(Hash32([1; 32])),
            worker: Address::basechain([4; 32]),
            amount: Nano::new(PRICE),
            verdict: EntryVerdict::Accepted,
            evidence: Hash32([7; 32]),
        };
        EntryView {
            entry,
            listing: Signed::new(listing, &key),
            price: Nano::new(PRICE),
            stake: Address::basechain([8; 32]),
            commitment: Hash32([3; 32]),
            valid_until: 77,
            signatures: BTreeMap::new(),
            pledge,
        }
    }

    fn named() -> PledgeView {
        PledgeView {
            earnings: Address::basechain([11; 32]),
            number: 3,
            price: Nano::new(1),
            bid: 600,
            commit: 3_600,
            lasts: 3_600,
        }
    }

    fn data(state: TaskState, reserve: u64, change: impl FnOnce(&mut Work)) -> TaskData {
        let view = view(RATE, Some(named()));
        let epoch = epoch_of(&view).unwrap().unwrap();
        let mut work = Work {
            stake: view.stake,
            owner: view.entry.worker,
            session: Hash32([1; 32]),
            price: Nano::new(1),
            reserve: Nano::new(reserve),
            commitment: epoch.promise().unwrap(),
            evidence: Hash32::default(),
            outcome: Outcome::Accepted,
            dispute: None,
        };
        change(&mut work);
        let init = epoch.task();
        TaskData {
            state,
            deadline: 0,
            escrowed: Nano::ZERO,
            init,
            settings: None,
            work: Some(work),
        }
    }

    fn check(data: Option<TaskData>) -> Result<(), NotOwed> {
        let view = view(RATE, Some(named()));
        let epoch = epoch_of(&view)?.unwrap();
        let seen = seen(data).ok_or(NotOwed::Uncovered(NOT_RESERVED))?;
        covers(&view, &seen, epoch.promise().unwrap())
    }

    #[test]
    fn what_is_always_checked_needs_no_stake_and_all_else_names_its() {
        assert_eq!(epoch_of(&view(RATE_ONE, None)), Ok(None));
        assert!(matches!(epoch_of(&view(RATE_ONE - 1, None)), Err(NotOwed::Uncovered(_))));
        // The address follows from order, worker and terms: another worker's stake is elsewhere.
        let mut other = view(RATE, Some(named()));
        let ours = epoch_of(&other).unwrap().unwrap().task().address().unwrap();
        other.entry.worker = Address::basechain([5; 32]);
        assert_ne!(epoch_of(&other).unwrap().unwrap().task().address().unwrap(), ours);
    }

    #[test]
    fn as_much_as_makes_a_cheat_lose_has_to_stand_and_the_promise_with_it() {
        let enough = 19 * PRICE;
        assert_eq!(check(Some(data(TaskState::Committed, enough, |_| {}))), Ok(()));
        let refused = |data| matches!(check(data), Err(NotOwed::Uncovered(_)));
        assert!(refused(None));
        assert!(refused(Some(data(TaskState::Committed, enough - 1, |_| {}))));
        let garbage = |work: &mut Work| work.commitment = Hash32([1; 32]);
        assert!(refused(Some(data(TaskState::Committed, enough, garbage))));
        let early = |work: &mut Work| work.commitment = Hash32::default();
        assert!(refused(Some(data(TaskState::Assigned, enough, early))));
        let other = |work: &mut Work| work.owner = Address::basechain([5; 32]);
        assert!(refused(Some(data(TaskState::Committed, enough, other))));
    }

    #[test]
    fn what_is_over_was_there_and_what_never_began_was_not() {
        for state in [TaskState::Paid, TaskState::Slashed, TaskState::Refunded] {
            let over = TaskData { work: None, ..data(state, 0, |_| {}) };
            assert_eq!(check(Some(over)), Ok(()), "{state:?}");
        }
        for state in [TaskState::Created, TaskState::Open] {
            let fresh = TaskData { work: None, ..data(state, 0, |_| {}) };
            assert!(matches!(check(Some(fresh)), Err(NotOwed::Uncovered(_))), "{state:?}");
        }
    }

    #[test]
    fn the_stake_needed_is_rounded_up_and_never_overflows() {
        assert_eq!(needed(Nano::new(1), 999_999), Nano::new(1));
        assert_eq!(needed(Nano::new(100), 200_000), Nano::new(400));
        assert_eq!(needed(Nano::MAX, 1), Nano::MAX);
        assert_eq!(needed(Nano::new(5), RATE_ONE), Nano::ZERO);
    }
}
