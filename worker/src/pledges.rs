//! Stake that this worker has reserved in bulk at its node, as the worker keeps it. Each is on disk
//! before it is signed for: `pledges.json` in the worker's folder has all that are not over, with the
//! promise that anybody may put on chain.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fog_contracts::epoch::Epoch;
use fog_protocol::{Address, Nano, Signature, TaskId, gateway::PledgeAsk};
use serde::{Deserialize, Serialize};

use crate::{
    journal::{JournalError, write_synced},
    port::TaskOnChain,
};

const FILE: &str = "pledges.json";
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Pledges that are remembered; those that are over go first.
const MOST_KEPT: usize = 32;
/// Pledges that are not over, at most: one that lasts, the next, and one whose verdict waits.
const MOST_LIVING: usize = 3;
/// Longest time a pledge may last, in seconds.
const LONGEST: u32 = 7 * 24 * 3600;
/// Least time for the promise to reach the chain, in seconds, where the market allows as much.
const LEAST_COMMIT: u32 = 24 * 3600;
/// Longest time from now at which the stake may be reserved.
const LONGEST_CONSENT: u64 = 3600;
/// Most that a pledge may pay. As much, the node could gain by a slash.
const MOST_PRICE: Nano = Nano::new(1_000_000);
/// Seconds past its consent until a pledge that never came is forgotten.
const FORGET_SECONDS: u64 = 300;
/// Seconds in which it is looked at all the same.
const WATCH_SECONDS: u64 = 24 * 3600;

/// Where a pledge stands, as the worker has seen it on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PledgeStage {
    /// Consented; the stake is not reserved yet.
    Signed,
    /// Reserved; the promise is not on chain yet.
    Reserved,
    /// It stands for work.
    Live,
    /// There is a verdict.
    Judged,
    /// The stake is free again.
    Released,
    /// The stake was slashed.
    Slashed,
    /// The promise did not reach the chain in time: that cost a hundredth of the stake.
    Late,
    /// It never came about.
    Void,
}

impl PledgeStage {
    /// Is the stake, or may it still be, reserved?
    #[must_use]
    pub const fn is_living(self) -> bool {
        match self {
            Self::Signed | Self::Reserved | Self::Live | Self::Judged => true,
            Self::Released | Self::Slashed | Self::Late | Self::Void => false,
        }
    }
}

/// Stake reserved in bulk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pledge {
    /// The task that holds it.
    pub task: TaskId,
    /// That task's address.
    pub escrow: Address,
    /// The node's wallet.
    pub node: Address,
    /// The earnings whose tasks it stands for.
    pub earnings: Address,
    /// Which of several.
    pub number: u32,
    /// How much stake.
    pub reserve: Nano,
    /// Seconds it lasts.
    pub lasts: u32,
    /// Last chain second at which the stake may be reserved.
    pub valid_until: u64,
    /// The session key's signature over the promise, for the chain: anybody may put it there.
    pub promise: Signature,
    /// Where it stands.
    pub stage: PledgeStage,
}

impl Pledge {
    /// Did it never come about, and can the stake not be reserved for it any more? A gateway that lags
    /// behind is given time.
    const fn is_forgotten(&self, now: u64) -> bool {
        matches!(self.stage, PledgeStage::Void) && self.is_out_of_time(now)
    }

    /// Is its consent over, and long enough for every block with it to be known?
    const fn is_out_of_time(&self, now: u64) -> bool {
        self.valid_until.saturating_add(FORGET_SECONDS) < now
    }
}

/// Who is asked, and by whom: what the node does not get to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties {
    pub(crate) market: Address,
    pub(crate) node: Address,
    pub(crate) worker: Address,
    pub(crate) earnings: Address,
}

impl Parties {
    /// The epoch of which `ask` has the rest.
    pub(crate) const fn epoch(&self, ask: &PledgeAsk) -> Epoch {
        let Self { market, node, worker, earnings } = *self;
        let PledgeAsk { number, price, bid, commit, lasts, .. } = *ask;
        Epoch { market, node, worker, earnings, number, price, bid, commit, lasts }
    }
}

/// What this worker may pledge now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The most it pledges at once.
    pub(crate) most: Nano,
    /// What of its stake is neither reserved nor promised.
    pub(crate) free: Nano,
    /// The market's longest step, in seconds.
    pub(crate) step: u32,
    /// Chain time.
    pub(crate) now: u64,
}

/// Every pledge of a worker.
#[derive(Debug)]
pub(crate) struct Pledges {
    path: PathBuf,
    all: Vec<Pledge>,
}

impl Pledges {
    /// Reads the folder.
    pub(crate) fn open(data: &Path) -> Result<Self, JournalError> {
        let path = data.join(FILE);
        let all = match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(JournalError::Io { path, source }),
            Ok(file) if file.len() > MAX_FILE_BYTES => return Err(JournalError::NotAJournal(path)),
            Ok(_) => {
                let bytes = fs::read(&path)
                    .map_err(|source| JournalError::Io { path: path.clone(), source })?;
                serde_json::from_slice(&bytes)
                    .map_err(|_| JournalError::NotAJournal(path.clone()))?
            }
        };
        Ok(Self { path, all })
    }

    fn living(&self) -> impl Iterator<Item = &Pledge> {
        self.all.iter().filter(|pledge| pledge.stage.is_living())
    }

    /// Stake at risk in them.
    pub(crate) fn at_risk(&self) -> impl Iterator<Item = (TaskId, Nano)> + '_ {
        self.living().map(|pledge| (pledge.task, pledge.reserve))
    }

    /// Stake that is promised to them and not reserved on chain yet.
    pub(crate) fn unreserved(&self) -> Nano {
        let signed = self.living().filter(|pledge| pledge.stage == PledgeStage::Signed);
        signed.map(|pledge| pledge.reserve).sum()
    }

    /// The most that one of them stands for, of work paid into `earnings`.
    pub(crate) fn room(&self, earnings: &Address) -> Nano {
        let live = self
            .living()
            .filter(|pledge| pledge.stage == PledgeStage::Live && pledge.earnings == *earnings);
        live.map(|pledge| pledge.reserve).max().unwrap_or(Nano::ZERO)
    }

    /// Those to be looked at on chain: what did not come about may have, where a gateway lagged behind.
    pub(crate) fn watched(&self, now: u64) -> Vec<(TaskId, Address)> {
        let watched = |pledge: &&Pledge| {
            let until = pledge.valid_until.saturating_add(WATCH_SECONDS);
            pledge.stage.is_living() || pledge.stage == PledgeStage::Void && now < until
        };
        self.all.iter().filter(watched).map(|pledge| (pledge.task, pledge.escrow)).collect()
    }

    /// The address of the task of what is asked for, if this worker may sign for it.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn check(
        &self,
        ask: &PledgeAsk,
        epoch: &Epoch,
        bounds: &Bounds,
    ) -> Result<Address, String> {
        let Bounds { most, free, step, now } = *bounds;
        let escrow = epoch.task().address().map_err(|error| error.to_string())?;
        let task = TaskId(epoch.id());
        let lost = |pledge: &&Pledge| {
            pledge.node == epoch.node
                && matches!(pledge.stage, PledgeStage::Late | PledgeStage::Slashed)
        };
        if let Some(lost) = self.all.iter().find(lost) {
            return Err(format!("the pledge by {} was lost: it gets no other", lost.escrow));
        }
        // The same once more, because the answer was lost: it reserves no more than the first. One
        // whose consent ended unused is as if it had never been: its node never moved on from the
        // number, perhaps because the answer never came.
        let again = self.all.iter().find(|pledge| pledge.task == task && !pledge.is_forgotten(now));
        if let Some(known) = again {
            let same = (known.escrow, known.reserve) == (escrow, ask.reserve);
            if !same || known.stage != PledgeStage::Signed {
                return Err(format!("another pledge of number {} was signed before", ask.number));
            }
        } else if self.living().count() >= MOST_LIVING {
            return Err(format!("{MOST_LIVING} pledges at a time are enough"));
        }
        if ask.reserve == Nano::ZERO || ask.reserve > most {
            return Err(format!("it wants {} pledged, this worker pledges {most}", ask.reserve));
        }
        if again.is_none() && ask.reserve > free {
            return Err(format!("it wants {} pledged, {free} are free: add stake", ask.reserve));
        }
        if ask.price == Nano::ZERO || ask.price > MOST_PRICE {
            return Err(format!(
                "a price of {} would be the node's gain from a slash: at most {MOST_PRICE}",
                ask.price
            ));
        }
        if ask.lasts > LONGEST || ask.bid > LONGEST {
            return Err(format!("it would last longer than {LONGEST} s"));
        }
        // A promise that comes too late costs stake: there is to be all the time there may be.
        let least = step.min(LEAST_COMMIT);
        if ask.commit < least || ask.commit > step.max(LEAST_COMMIT) {
            let given = ask.commit;
            return Err(format!("{given} s are no time for the promise: {least} at least"));
        }
        if ask.valid_until <= now {
            return Err("the time of its consent is over".into());
        }
        if ask.valid_until > now.saturating_add(LONGEST_CONSENT) {
            return Err("its consent would hold for more than an hour".into());
        }
        Ok(escrow)
    }

    /// Puts a pledge on disk, before it is signed for anybody else.
    pub(crate) fn keep(&mut self, mut pledge: Pledge) -> Result<(), JournalError> {
        if let Some(at) = self.all.iter().position(|known| known.task == pledge.task) {
            // The consent that holds longest counts: the node has it.
            let known = self.all.remove(at);
            pledge.valid_until = pledge.valid_until.max(known.valid_until);
        }
        while self.all.len() >= MOST_KEPT {
            let Some(over) = self.all.iter().position(|known| !known.stage.is_living()) else {
                return Err(JournalError::TooLong);
            };
            self.all.remove(over);
        }
        self.all.push(pledge);
        self.save()
    }

    /// A pledge's task was seen on chain. Gives what changed.
    pub(crate) fn seen(
        &mut self,
        task: &TaskId,
        at: &TaskOnChain,
        now: u64,
    ) -> Result<Option<Pledge>, JournalError> {
        let Some(known) = self.all.iter_mut().find(|known| known.task == *task) else {
            return Ok(None);
        };
        let stage = match at {
            TaskOnChain::Unassigned
                if known.stage == PledgeStage::Signed && known.is_out_of_time(now) =>
            {
                PledgeStage::Void
            }
            TaskOnChain::Unassigned => PledgeStage::Signed,
            TaskOnChain::Assigned { .. } => PledgeStage::Reserved,
            TaskOnChain::Committed { .. } => PledgeStage::Live,
            TaskOnChain::Later { state } => match state.as_str() {
                "slashed" => PledgeStage::Slashed,
                "late" => PledgeStage::Late,
                "paid" | "refunded" => PledgeStage::Released,
                _ => PledgeStage::Judged,
            },
        };
        // A gateway that lags behind takes nothing back; what it said did not come about may have.
        let revived = known.stage == PledgeStage::Void && stage > PledgeStage::Signed;
        if !revived && (stage <= known.stage || !known.stage.is_living()) {
            return Ok(None);
        }
        known.stage = stage;
        let changed = known.clone();
        self.save()?;
        Ok(Some(changed))
    }

    fn save(&self) -> Result<(), JournalError> {
        let bytes = serde_json::to_vec_pretty(&self.all).map_err(|_| JournalError::TooLong)?;
        write_synced(&self.path, &bytes)
    }
}

/// The pledges in a worker's data folder, as the worker last saw them.
///
/// # Errors
/// [`JournalError`] if the file is damaged.
pub fn pledges(data: &Path) -> Result<Vec<Pledge>, JournalError> {
    Ok(Pledges::open(data)?.all)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::Hash32;
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const PARTIES: Parties = Parties {
        market: Address::basechain([1; 32]),
        node: Address::basechain([2; 32]),
        worker: Address::basechain([3; 32]),
        earnings: Address::basechain([4; 32]),
    };
    const BOUNDS: Bounds =
        Bounds { most: Nano::grams(20), free: Nano::grams(100), step: 3600, now: NOW };

    fn ask(number: u32) -> PledgeAsk {
        PledgeAsk {
            number,
            reserve: Nano::grams(10),
            price: Nano::new(1),
            bid: 600,
            commit: 3600,
            lasts: 3600,
            valid_until: NOW + 600,
        }
    }

    fn signed(ask: &PledgeAsk) -> Pledge {
        let epoch = PARTIES.epoch(ask);
        Pledge {
            task: TaskId(epoch.id()),
            escrow: epoch.task().address().unwrap(),
            node: PARTIES.node,
            earnings: PARTIES.earnings,
            number: ask.number,
            reserve: ask.reserve,
            lasts: ask.lasts,
            valid_until: ask.valid_until,
            promise: Signature([7; 64]),
            stage: PledgeStage::Signed,
        }
    }

    fn check(pledges: &Pledges, ask: &PledgeAsk) -> Result<Address, String> {
        pledges.check(ask, &PARTIES.epoch(ask), &BOUNDS)
    }

    fn open() -> (tempfile::TempDir, Pledges) {
        let folder = tempfile::tempdir().unwrap();
        let pledges = Pledges::open(folder.path()).unwrap();
        (folder, pledges)
    }

    #[test]
    fn terms_that_could_cost_an_honest_worker_something_are_refused() {
        let (_folder, pledges) = open();
        check(&pledges, &ask(0)).unwrap();
        let bad = [
            (PledgeAsk { reserve: Nano::grams(21), ..ask(0) }, "this worker pledges"),
            (PledgeAsk { reserve: Nano::ZERO, ..ask(0) }, "this worker pledges"),
            (PledgeAsk { price: Nano::grams(5), ..ask(0) }, "gain from a slash"),
            (PledgeAsk { price: Nano::ZERO, ..ask(0) }, "gain from a slash"),
            (PledgeAsk { commit: 10, ..ask(0) }, "for the promise"),
            (PledgeAsk { commit: 3599, ..ask(0) }, "for the promise"),
            (PledgeAsk { commit: u32::MAX, ..ask(0) }, "for the promise"),
            (PledgeAsk { valid_until: NOW, ..ask(0) }, "is over"),
            (PledgeAsk { lasts: u32::MAX, ..ask(0) }, "longer"),
            (PledgeAsk { bid: u32::MAX, ..ask(0) }, "longer"),
            (PledgeAsk { valid_until: NOW + 100_000, ..ask(0) }, "hour"),
        ];
        for (bad, why) in bad {
            let refused = check(&pledges, &bad).unwrap_err();
            assert!(refused.contains(why), "{refused} does not name {why}");
        }
        let poor = Bounds { free: Nano::grams(9), ..BOUNDS };
        let refused = pledges.check(&ask(0), &PARTIES.epoch(&ask(0)), &poor).unwrap_err();
        assert!(refused.contains("are free"), "{refused}");
    }

    #[test]
    fn one_number_is_signed_for_one_pledge_only_and_few_at_a_time() {
        let (folder, mut pledges) = open();
        pledges.keep(signed(&ask(0))).unwrap();
        check(&pledges, &ask(0)).unwrap();
        for other in
            [PledgeAsk { reserve: Nano::grams(11), ..ask(0) }, PledgeAsk { lasts: 1800, ..ask(0) }]
        {
            assert!(check(&pledges, &other).unwrap_err().contains("signed before"));
        }
        pledges.keep(signed(&ask(1))).unwrap();
        pledges.keep(signed(&ask(2))).unwrap();
        assert!(check(&pledges, &ask(3)).unwrap_err().contains("enough"));
        // Nor after a restart.
        let mut pledges = Pledges::open(folder.path()).unwrap();
        assert!(check(&pledges, &ask(3)).unwrap_err().contains("enough"));
        assert_eq!(pledges.unreserved(), Nano::grams(30));
        let paid = TaskOnChain::Later { state: "paid".into() };
        let first = pledges.watched(NOW)[0].0;
        assert!(pledges.seen(&first, &paid, NOW).unwrap().is_some());
        check(&pledges, &ask(3)).unwrap();
        assert!(check(&pledges, &ask(0)).unwrap_err().contains("signed before"), "nor again");
    }

    #[test]
    fn only_what_the_chain_shows_stands_for_work() {
        let (_folder, mut pledges) = open();
        let pledge = signed(&ask(0));
        pledges.keep(pledge.clone()).unwrap();
        let earnings = PARTIES.earnings;
        assert_eq!(pledges.room(&earnings), Nano::ZERO);
        let worker = PARTIES.worker;
        let reserved = TaskOnChain::Assigned { worker, price: Nano::new(1) };
        pledges.seen(&pledge.task, &reserved, NOW).unwrap();
        assert_eq!((pledges.room(&earnings), pledges.unreserved()), (Nano::ZERO, Nano::ZERO));
        pledges.seen(&pledge.task, &TaskOnChain::Committed { worker }, NOW).unwrap();
        assert_eq!(pledges.room(&earnings), Nano::grams(10));
        assert_eq!(pledges.room(&Address::basechain([9; 32])), Nano::ZERO);
        assert_eq!(pledges.at_risk().collect::<Vec<_>>(), [(pledge.task, Nano::grams(10))]);
        let slashed = TaskOnChain::Later { state: "slashed".into() };
        let seen = pledges.seen(&pledge.task, &slashed, NOW).unwrap().unwrap();
        assert_eq!(seen.stage, PledgeStage::Slashed);
        assert_eq!(pledges.room(&earnings), Nano::ZERO);
        // A gateway that lags behind brings nothing back.
        assert_eq!(pledges.seen(&pledge.task, &reserved, NOW).unwrap(), None);
        // That node gets no other pledge.
        assert!(check(&pledges, &ask(1)).unwrap_err().contains("was lost"));
        // What never comes is forgotten once it cannot come any more.
        pledges.keep(signed(&ask(1))).unwrap();
        let second = signed(&ask(1)).task;
        assert_eq!(pledges.seen(&second, &TaskOnChain::Unassigned, NOW + 899).unwrap(), None);
        let seen = pledges.seen(&second, &TaskOnChain::Unassigned, NOW + 901).unwrap().unwrap();
        assert_eq!(seen.stage, PledgeStage::Void);
        // Unless it came after all, and was read late.
        assert!(pledges.watched(NOW + 901).iter().any(|(task, _)| *task == second));
        let seen = pledges.seen(&second, &reserved, NOW + 902).unwrap().unwrap();
        assert_eq!((seen.stage, pledges.at_risk().count()), (PledgeStage::Reserved, 1));
    }

    /// A node that never got the answer asks for the same number again, for ever.
    #[test]
    fn a_number_that_came_to_nothing_is_free_again_once_its_consent_is_over() {
        let (folder, mut pledges) = open();
        let first = signed(&ask(0));
        pledges.keep(first.clone()).unwrap();
        let at = |now| Bounds { now, ..BOUNDS };
        let again = |pledges: &Pledges, now: u64| {
            let ask = PledgeAsk { reserve: Nano::grams(11), valid_until: now + 600, ..ask(0) };
            pledges.check(&ask, &PARTIES.epoch(&ask), &at(now))
        };
        // As long as the consent counts, another of that number could reserve stake twice.
        let over = NOW + 600 + FORGET_SECONDS;
        assert!(again(&pledges, over).unwrap_err().contains("signed before"));
        let void = pledges.seen(&first.task, &TaskOnChain::Unassigned, over + 1).unwrap().unwrap();
        assert_eq!(void.stage, PledgeStage::Void);
        assert!(again(&pledges, over).unwrap_err().contains("signed before"), "a clock that lags");
        let mut pledges = Pledges::open(folder.path()).unwrap();
        assert_eq!(again(&pledges, over + 1).unwrap(), first.escrow);
        // It is bounded as a new one is.
        let poor = Bounds { free: Nano::grams(10), ..at(over + 1) };
        let ask = PledgeAsk { reserve: Nano::grams(11), valid_until: over + 600, ..ask(0) };
        let refused = pledges.check(&ask, &PARTIES.epoch(&ask), &poor).unwrap_err();
        assert!(refused.contains("are free"), "{refused}");
        pledges.keep(signed(&ask)).unwrap();
        assert_eq!(pledges.unreserved(), Nano::grams(11));
        // What came about, and ended, is never signed for again.
        let paid = TaskOnChain::Later { state: "paid".into() };
        pledges.seen(&first.task, &paid, over + 2).unwrap().unwrap();
        assert!(again(&pledges, over + 9_999).unwrap_err().contains("signed before"));
    }

    /// Asked again with an earlier end, the worker still remembers the consent that the node holds.
    #[test]
    fn the_longest_consent_counts() {
        let (_folder, mut pledges) = open();
        let long = signed(&PledgeAsk { valid_until: NOW + 3000, ..ask(0) });
        pledges.keep(long.clone()).unwrap();
        pledges.keep(Pledge { valid_until: NOW + 1, ..long.clone() }).unwrap();
        let late = NOW + 2000;
        assert_eq!(pledges.seen(&long.task, &TaskOnChain::Unassigned, late).unwrap(), None);
        assert_eq!(pledges.unreserved(), Nano::grams(10));
    }

    #[test]
    fn a_pledge_is_bound_to_its_parties_and_terms() {
        let base = PARTIES.epoch(&ask(0)).task().address().unwrap();
        let other = Address::basechain([9; 32]);
        for parties in [
            Parties { market: other, ..PARTIES },
            Parties { node: other, ..PARTIES },
            Parties { worker: other, ..PARTIES },
            Parties { earnings: other, ..PARTIES },
        ] {
            assert_ne!(parties.epoch(&ask(0)).task().address().unwrap(), base);
        }
        assert_ne!(TaskId(PARTIES.epoch(&ask(0)).id()), TaskId(Hash32::default()));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), &bytes).unwrap();
            prop_assert!(Pledges::open(folder.path()).is_err());
        }
    }
}
