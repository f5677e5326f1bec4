//! The stake behind a result that may have gone unchecked: what the node says stood for it is
//! recomputed, and looked up on chain: the history of its contract tells how much stood from when until
//! when, also once it is over.

use std::collections::{BTreeMap, btree_map::Entry};

use fog_chain::{ChainClient, ChainError, Tx};
use fog_contracts::{Notify, TaskState, epoch::Epoch, heard, rail::VERDICT_SECONDS, task};
use fog_protocol::{Address, EntryView, Hash32, Nano, RATE_ONE};

use crate::account::{NotOwed, VouchError};

/// Transactions of a pledge's contract read at once.
const PAGE: usize = 64;
/// Pages read back for its beginning, at most: anybody may send messages there, and pays for each.
const MOST_PAGES: usize = 256;
/// Seconds by which a node may be behind the chain when it takes the time.
const BEHIND: u64 = 600;

/// When and how a pledge stood, as its contract's history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stood {
    worker: Address,
    reserve: Nano,
    commitment: Hash32,
    /// Chain time from which the promise stood.
    from: u64,
    /// Chain time from which nobody can lose it any more.
    until: u64,
}

/// Pledges that were looked up; `None` for those that never stood.
#[derive(Debug, Default)]
pub(crate) struct Covers(BTreeMap<Address, Option<Stood>>);

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
        let stood = match self.0.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(read(chain, &address, &epoch).await?),
        };
        let stood = stood.as_ref().ok_or_else(|| told(NotOwed::Uncovered(NOT_RESERVED)))?;
        covers(view, stood, epoch.promise()?).map_err(told)
    }
}

/// Reads back to the promise, and to the assignment before it.
async fn read(
    chain: &ChainClient,
    address: &Address,
    epoch: &Epoch,
) -> Result<Option<Stood>, ChainError> {
    let (id, lasts) = (epoch.id(), epoch.lasts);
    let mut from = chain.account(address).await?.last;
    let mut story = Story::default();
    for _ in 0..MOST_PAGES {
        let Some(newest) = from else { break };
        let page = chain.transactions(address, Some(newest), PAGE, None).await?;
        for tx in &page {
            story.before(tx, &id);
            if story.is_whole() {
                return Ok(story.told(lasts));
            }
        }
        from = page.last().and_then(|tx| tx.prev);
    }
    Ok(None)
}

/// What a pledge's history has told so far, read from its newest transaction back.
#[derive(Debug, Default)]
struct Story {
    until: Option<u64>,
    promised: Option<(Hash32, u64)>,
    assigned: Option<(Address, Nano)>,
}

impl Story {
    /// Takes the transaction before all that it was told.
    fn before(&mut self, tx: &Tx, id: &Hash32) {
        if tx.aborted {
            return;
        }
        let now = u64::from(tx.now);
        let notices = tx.out_msgs.iter().filter_map(|message| Notify::parse(&message.body).ok());
        for notice in notices.filter(|notice| notice.task == *id) {
            match notice.state {
                TaskState::Committed => self.promised = Some((notice.hash, now)),
                // It can be lost until it is judged, which comes before its end: nobody disputes what a
                // pledge's contract was told.
                TaskState::Accepted | TaskState::Rejected if self.promised.is_none() => {
                    self.until = Some(now);
                }
                state if state.is_end() && self.promised.is_none() => self.until = Some(now),
                _ => {}
            }
        }
        // Its stake may have refused earlier ones: the last before the promise counts.
        let told = tx.in_msg.as_ref().filter(|message| message.op() == Some(task::op::ASSIGN));
        if self.promised.is_some()
            && self.assigned.is_none()
            && let Some(assign) = told.and_then(|message| heard::assign(&message.body).ok())
        {
            self.assigned = Some((assign.owner, assign.reserve));
        }
    }

    const fn is_whole(&self) -> bool {
        self.assigned.is_some()
    }

    /// `lasts`: after so many seconds nobody takes it any more, though nobody may have ended it.
    fn told(self, lasts: u32) -> Option<Stood> {
        let ((commitment, from), (worker, reserve)) = (self.promised?, self.assigned?);
        let over = from + u64::from(lasts);
        let until = self.until.map_or(over, |until| until.min(over));
        Some(Stood { worker, reserve, commitment, from, until })
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

/// Was the promise made by this worker, is it enough for this entry alone, and did it stand at the time?
fn covers(view: &EntryView, stood: &Stood, promise: Hash32) -> Result<(), NotOwed> {
    if stood.commitment != promise || stood.worker != view.entry.worker {
        return Err(NotOwed::Uncovered(NOT_RESERVED));
    }
    let listing = &view.listing.value;
    if stood.reserve < needed(view.price, listing.policy.rate_ppm()) {
        return Err(NotOwed::Uncovered("it is too little: a false result would have paid"));
    }
    // Verifiers sign until when their verdict counts: so long after it was found. Between match and
    // verdict lie the listing's own times at most, and the pledge stands from the match on.
    let judged = u64::from(view.valid_until).saturating_sub(VERDICT_SECONDS);
    let work = u64::from(listing.durations.commit) + u64::from(listing.durations.verdict);
    let matched = judged.saturating_sub(work + BEHIND);
    if judged + BEHIND < stood.from || stood.until < matched {
        return Err(NotOwed::Uncovered("the stake it names stood at another time"));
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
    use fog_chain::{AccountState, Msg, MsgKind};
    use fog_contracts::op;
    use fog_protocol::{
        BlobRef, Durations, EntryVerdict, Listing, PledgeView, Policy, Program, Rail,
        ResourceLimits, SecretKey, Signature, Signed, TaskId,
    };
    use tycho_types::{
        cell::{Cell, CellBuilder, CellFamily as _, Store as _},
        num::Tokens,
    };

    const PRICE: u64 = 1_000;
    /// When the entry's result was judged.
    const JUDGED: u64 = 1_700_000_000;
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
            valid_until: u32::try_from(JUDGED + VERDICT_SECONDS).unwrap(),
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

    /// A transaction at this time, with what it was told and what it told.
    fn tx(now: u64, told: Option<Cell>, tells: &[(TaskState, Hash32)]) -> Tx {
        let id = epoch_of(&view(RATE, Some(named()))).unwrap().unwrap().id();
        let message = |body| Msg {
            kind: MsgKind::Internal,
            hash: Hash32::default(),
            source: None,
            dest: None,
            value: Nano::ZERO,
            bounced: false,
            created_lt: 0,
            body,
            normalized_hash: None,
        };
        let notice = |(state, hash): &(TaskState, Hash32)| {
            let mut cell = CellBuilder::new();
            cell.store_u32(op::NOTIFY).unwrap();
            cell.store_raw(&id.0, 256).unwrap();
            cell.store_u8(*state as u8).unwrap();
            cell.store_u32(0).unwrap();
            Tokens::new(1).store_into(&mut cell, Cell::empty_context()).unwrap();
            cell.store_raw(&hash.0, 256).unwrap();
            message(cell.build().unwrap())
        };
        Tx {
            account: Address::basechain([1; 32]),
            lt: 1,
            hash: Hash32::default(),
            prev: None,
            now: u32::try_from(now).unwrap(),
            in_msg: told.map(message),
            out_msgs: tells.iter().map(notice).collect(),
            aborted: false,
            exit_code: Some(0),
            action_result: Some(0),
            total_fees: Nano::ZERO,
            end_state: AccountState::Active,
            cell: Cell::default(),
        }
    }

    fn assign(owner: Address, reserve: u64) -> Option<Cell> {
        let (price, reserve) = (Nano::new(1), Nano::new(reserve));
        let consent = Signature([7; 64]);
        let assign = task::Assign { owner, price, reserve, valid_until: 1, consent };
        Some(task::assign(0, &assign).unwrap())
    }

    fn worker() -> Address {
        view(RATE, Some(named())).entry.worker
    }

    fn promise() -> Hash32 {
        epoch_of(&view(RATE, Some(named()))).unwrap().unwrap().promise().unwrap()
    }

    /// The history of a pledge of `reserve` that stood from `from` on, oldest first.
    fn history(reserve: u64, from: u64) -> Vec<Tx> {
        vec![
            tx(from - 30, None, &[(TaskState::Open, Hash32::default())]),
            tx(from - 20, assign(worker(), reserve), &[]),
            tx(from - 15, None, &[(TaskState::Assigned, Hash32::default())]),
            tx(from, None, &[(TaskState::Committed, promise())]),
        ]
    }

    fn check(history: &[Tx]) -> Result<(), NotOwed> {
        let view = view(RATE, Some(named()));
        let epoch = epoch_of(&view)?.unwrap();
        let mut story = Story::default();
        for tx in history.iter().rev() {
            story.before(tx, &epoch.id());
        }
        let stood = story.told(epoch.lasts).ok_or(NotOwed::Uncovered(NOT_RESERVED))?;
        covers(&view, &stood, epoch.promise().unwrap())
    }

    fn refused(history: &[Tx]) -> bool {
        matches!(check(history), Err(NotOwed::Uncovered(_)))
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

    /// What of the stake that a cheat would lose.
    const ENOUGH: u64 = 19 * PRICE;

    #[test]
    fn as_much_as_makes_a_cheat_lose_has_to_stand_and_the_promise_with_it() {
        let from = JUDGED - 100;
        assert_eq!(check(&history(ENOUGH, from)), Ok(()));
        assert!(refused(&[]));
        assert!(refused(&history(ENOUGH - 1, from)));
        let mut garbage = history(ENOUGH, from);
        garbage[3] = tx(from, None, &[(TaskState::Committed, Hash32([1; 32]))]);
        assert!(refused(&garbage));
        assert!(refused(&history(ENOUGH, from)[..3]), "reserved, and never promised");
        let mut other = history(ENOUGH, from);
        other[1] = tx(from - 20, assign(Address::basechain([5; 32]), ENOUGH), &[]);
        assert!(refused(&other));
        // Of two assignments the first was refused: the second one's stake stood.
        let mut twice = history(ENOUGH - 1, from);
        twice.insert(1, tx(from - 25, assign(worker(), ENOUGH), &[]));
        assert!(refused(&twice));
        // What failed was never so.
        let mut failed = history(ENOUGH, from);
        failed[1].aborted = true;
        assert!(refused(&failed));
    }

    #[test]
    fn what_is_over_has_to_have_stood_and_at_the_time() {
        let ended = |mut history: Vec<Tx>, at, state| {
            history.push(tx(at, None, &[(state, Hash32::default())]));
            history
        };
        for state in [TaskState::Paid, TaskState::Slashed, TaskState::Refunded] {
            let over = ended(history(ENOUGH, JUDGED - 100), JUDGED + 50, state);
            assert_eq!(check(&over), Ok(()), "{state:?}");
            assert!(refused(&ended(history(ENOUGH - 1, JUDGED - 100), JUDGED + 50, state)));
            // It ended, and never stood.
            let fresh = history(ENOUGH, JUDGED - 100);
            assert!(refused(&ended(fresh[..1].to_vec(), JUDGED + 50, state)), "{state:?}");
        }
        // Slashed for another result while this one ran, it stood when this one was matched.
        let slashed = |at| ended(history(ENOUGH, JUDGED - 3_600), at, TaskState::Slashed);
        let durations = Durations::default();
        let work = u64::from(durations.commit) + u64::from(durations.verdict);
        assert_eq!(check(&slashed(JUDGED - work - BEHIND)), Ok(()));
        assert!(refused(&slashed(JUDGED - work - BEHIND - 1)), "over before the task was matched");
        // From its verdict on it cannot be lost, and after its time neither: nobody has to end it.
        let accepted = |at| ended(history(ENOUGH, JUDGED - 3_600), at, TaskState::Accepted);
        assert_eq!(check(&accepted(JUDGED - work - BEHIND)), Ok(()));
        assert!(refused(&accepted(JUDGED - work - BEHIND - 1)), "judged before");
        let lasts = u64::from(named().lasts);
        assert_eq!(check(&history(ENOUGH, JUDGED - lasts - work - BEHIND)), Ok(()));
        assert!(refused(&history(ENOUGH, JUDGED - lasts - work - BEHIND - 1)), "out of time");
        // Nor does what came after it stand for it.
        assert_eq!(check(&history(ENOUGH, JUDGED + BEHIND)), Ok(()));
        assert!(refused(&history(ENOUGH, JUDGED + BEHIND + 1)));
    }

    #[test]
    fn the_stake_needed_is_rounded_up_and_never_overflows() {
        assert_eq!(needed(Nano::new(1), 999_999), Nano::new(1));
        assert_eq!(needed(Nano::new(100), 200_000), Nano::new(400));
        assert_eq!(needed(Nano::MAX, 1), Nano::MAX);
        assert_eq!(needed(Nano::new(5), RATE_ONE), Nano::ZERO);
    }
}
