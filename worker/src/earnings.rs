//! What a node owes this worker on the account rail, as the worker keeps it: claims for work that is
//! not vouched for yet, and the newest voucher. Nothing is taken from the node without being checked.
//!
//! In the folder `earnings` there are two files a contract: `NAME.json` with the claims, and
//! `NAME.voucher.json` with the voucher that both have signed: `fog account settle` redeems it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fog_contracts::channel::{ChannelData, Purpose};
use fog_protocol::{
    Address, Entry, EntryTree, EntryVerdict, Nano, PublicKey, Signature, TaskId, VoucherFile,
};
use serde::{Deserialize, Serialize};

use crate::journal::{JournalError, write_synced};

/// Contracts a worker keeps books of.
const MOST_BOOKS: usize = 64;
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What is to be had for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The task.
    task: TaskId,
    /// The least it must be entered with.
    amount: Nano,
    /// Has the node said that it is paid?
    told: bool,
}

#[derive(Debug, Default)]
struct Book {
    claims: BTreeMap<TaskId, Claim>,
    /// All entries the node has shown, up to the voucher's.
    entries: EntryTree,
    voucher: Option<VoucherFile>,
}

impl Book {
    fn owed(&self) -> Nano {
        let vouched = self.voucher.as_ref().map_or(Nano::ZERO, |voucher| voucher.total_nano);
        let claimed = self.claims.values().map(|claim| claim.amount);
        vouched.saturating_add(claimed.sum())
    }
}

/// Why a voucher, or what is behind it, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untrue {
    /// An entry is another worker's, or not one at all.
    #[error("entry {0} is not this worker's")]
    Foreign(u64),
    /// Less than was agreed.
    #[error("task {task} is entered with {entered}, {agreed} was agreed")]
    Less {
        /// The task.
        task: TaskId,
        /// By the node.
        entered: Nano,
        /// By the bid.
        agreed: Nano,
    },
    /// The entries are not what was signed for before.
    #[error("the node shows other entries than it signed for")]
    Rewritten,
    /// The voucher is not worth what it says.
    #[error("{0}")]
    Worthless(String),
}

impl From<fog_contracts::channel::VoucherError> for Untrue {
    fn from(error: fog_contracts::channel::VoucherError) -> Self {
        Self::Worthless(error.to_string())
    }
}

/// Every book of a worker.
#[derive(Debug)]
pub(crate) struct Earnings {
    folder: PathBuf,
    worker: Address,
    network: i32,
    books: BTreeMap<Address, Book>,
}

/// What signs the worker's vouchers, and when.
pub(crate) struct Signing<'a> {
    /// The session key.
    pub(crate) sign: &'a dyn Fn(&fog_protocol::Hash32) -> Signature,
    /// Chain time.
    pub(crate) now: u32,
}

impl Earnings {
    /// Reads the folder. Claims of tasks that `open` does not know, and that the node never said were
    /// paid, are over.
    pub(crate) fn open(
        data: &Path,
        worker: Address,
        network: i32,
        open: impl Fn(&TaskId) -> bool,
    ) -> Result<Self, JournalError> {
        let folder = data.join("earnings");
        let failed = |source| JournalError::Io { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut books: BTreeMap<Address, Book> = BTreeMap::new();
        for file in fs::read_dir(&folder).map_err(failed)?.flatten().take(4 * MOST_BOOKS) {
            let path = file.path();
            let name = file.file_name().to_string_lossy().into_owned();
            if file.metadata().is_ok_and(|data| data.len() > MAX_FILE_BYTES) {
                return Err(JournalError::NotAJournal(path));
            }
            let Some(stem) = name.strip_suffix(".json") else { continue };
            let bytes = fs::read(&path).map_err(failed)?;
            let broken = |_| JournalError::NotAJournal(path.clone());
            if stem.ends_with(".voucher") {
                let voucher: VoucherFile = serde_json::from_slice(&bytes).map_err(broken)?;
                let channel = voucher.channel;
                books.entry(channel).or_default().voucher = Some(voucher);
            } else {
                let (channel, claims): (Address, Vec<Claim>) =
                    serde_json::from_slice(&bytes).map_err(broken)?;
                let living = claims.into_iter().filter(|claim| claim.told || open(&claim.task));
                books.entry(channel).or_default().claims =
                    living.map(|claim| (claim.task, claim)).collect();
            }
        }
        Ok(Self { folder, worker, network, books })
    }

    /// May `amount` more be owed by these earnings? Says why not.
    pub(crate) fn check_room(
        &self,
        channel: &Address,
        at: &ChannelData,
        amount: Nano,
    ) -> Result<(), String> {
        let owed = self.books.get(channel).map_or(Nano::ZERO, Book::owed);
        let room = at.room(owed);
        if amount <= room {
            return Ok(());
        }
        let open = owed.saturating_sub(at.paid);
        Err(format!(
            "the node owes {open} already, its earnings contract has room for {room} more: \
             {amount} would not be covered"
        ))
    }

    /// Are these the earnings of this worker at that node?
    pub(crate) fn check_terms(
        &self,
        at: &ChannelData,
        node: Address,
        key: PublicKey,
    ) -> Result<(), String> {
        let terms = &at.channel;
        let ours = (terms.purpose, terms.payee, at.payee_key);
        if ours != (Purpose::Earnings, self.worker, key) {
            return Err("that contract is not this worker's earnings, or not with its key".into());
        }
        if terms.payer != node {
            return Err(format!("those earnings are paid by {}, not by this node", terms.payer));
        }
        Ok(())
    }

    /// Notes what a task must bring, before a bid for it is sent.
    pub(crate) fn claim(
        &mut self,
        channel: Address,
        task: TaskId,
        amount: Nano,
    ) -> Result<(), JournalError> {
        if self.books.len() >= MOST_BOOKS && !self.books.contains_key(&channel) {
            return Err(JournalError::TooLong);
        }
        let book = self.books.entry(channel).or_default();
        book.claims.insert(task, Claim { task, amount, told: false });
        self.save(&channel)
    }

    /// The task brings nothing.
    pub(crate) fn drop_claim(&mut self, task: &TaskId) -> Result<(), JournalError> {
        match self.channel_of(task) {
            Some(channel) => {
                self.books.entry(channel).or_default().claims.remove(task);
                self.save(&channel)
            }
            None => Ok(()),
        }
    }

    /// The node says that the task is paid: its voucher is waited for, however long.
    pub(crate) fn told(&mut self, task: &TaskId) -> Result<(), JournalError> {
        let Some(channel) = self.channel_of(task) else { return Ok(()) };
        let book = self.books.entry(channel).or_default();
        if let Some(claim) = book.claims.get_mut(task) {
            claim.told = true;
        }
        self.save(&channel)
    }

    fn channel_of(&self, task: &TaskId) -> Option<Address> {
        let mut books = self.books.iter();
        books.find(|(_, book)| book.claims.contains_key(task)).map(|(channel, _)| *channel)
    }

    /// Earnings whose voucher is waited for, and how many of their entries are known.
    pub(crate) fn wanted(&self) -> Vec<(Address, u64)> {
        let waits = |book: &Book| book.claims.values().any(|claim| claim.told);
        let books = self.books.iter().filter(|(_, book)| waits(book));
        books.map(|(channel, book)| (*channel, book.entries.len())).collect()
    }

    /// Takes the node's voucher and the entries behind it, from the first one that is not known yet;
    /// gives the voucher with this worker's signature, which is on disk by then.
    pub(crate) fn take(
        &mut self,
        at: &ChannelData,
        voucher: &VoucherFile,
        shown: &[Entry],
        signing: &Signing<'_>,
    ) -> Result<VoucherFile, Untrue> {
        let channel = voucher.channel;
        let fresh = Book::default();
        let book = self.books.get(&channel).unwrap_or(&fresh);
        let entries = self.checked(book, voucher, shown)?;
        let mut signed = VoucherFile { payee: None, ..voucher.clone() };
        at.payer_signed(&signed, self.network)?;
        // Paid already, perhaps by somebody else's message: nothing is left to be signed for.
        let redeemed = signed.total_nano <= at.paid;
        if !redeemed {
            at.check_terms(&fog_contracts::rail::voucher_of(&signed), signing.now)?;
            let hash = fog_contracts::rail::voucher_of(&signed).hash(self.network, &at.channel);
            let hash = hash.map_err(|error| Untrue::Worthless(error.to_string()))?;
            signed.payee = Some((signing.sign)(&hash));
        }
        let book = self.books.entry(channel).or_default();
        for entry in entries.entries() {
            book.claims.remove(&entry.task);
        }
        book.entries = entries;
        book.voucher = Some(signed.clone());
        let stored = self.save_voucher(&channel).and_then(|()| self.save(&channel));
        stored.map_err(|error| Untrue::Worthless(error.to_string()))?;
        Ok(signed)
    }

    /// All entries, if they are this worker's and go on from what was signed for.
    fn checked(
        &self,
        book: &Book,
        voucher: &VoucherFile,
        shown: &[Entry],
    ) -> Result<EntryTree, Untrue> {
        let mut entries = book.entries.clone();
        let before = book.voucher.as_ref();
        if before.is_some_and(|before| voucher.count < before.count) {
            return Err(Untrue::Rewritten);
        }
        for entry in shown {
            if entries.len() == voucher.count {
                break;
            }
            let number = entries.len();
            if entry.worker != self.worker || entry.verdict != EntryVerdict::Accepted {
                return Err(Untrue::Foreign(number));
            }
            if let Some(Claim { task, amount, .. }) = book.claims.get(&entry.task)
                && entry.amount < *amount
            {
                let (task, entered, agreed) = (*task, entry.amount, *amount);
                return Err(Untrue::Less { task, entered, agreed });
            }
            entries.append(*entry).map_err(|_| Untrue::Foreign(number))?;
            let signed = before.filter(|before| before.count == entries.len());
            if signed.is_some_and(|before| before.root != entries.root()) {
                return Err(Untrue::Rewritten);
            }
        }
        voucher.matches(&entries).map_err(|error| Untrue::Worthless(error.to_string()))?;
        Ok(entries)
    }

    fn path(&self, channel: &Address, end: &str) -> PathBuf {
        self.folder.join(format!("{}{end}", channel.hash))
    }

    fn save(&self, channel: &Address) -> Result<(), JournalError> {
        let Some(book) = self.books.get(channel) else { return Ok(()) };
        let claims: Vec<_> = book.claims.values().collect();
        let path = self.path(channel, ".json");
        let bytes = serde_json::to_vec(&(channel, claims)).map_err(|_| JournalError::TooLong)?;
        write_synced(&path, &bytes)
    }

    fn save_voucher(&self, channel: &Address) -> Result<(), JournalError> {
        let voucher = self.books.get(channel).and_then(|book| book.voucher.as_ref());
        let Some(voucher) = voucher else { return Ok(()) };
        let bytes = serde_json::to_vec_pretty(voucher).map_err(|_| JournalError::TooLong)?;
        write_synced(&self.path(channel, ".voucher.json"), &bytes)
    }
}

/// The vouchers in a worker's data folder.
///
/// # Errors
/// [`JournalError`] if one is damaged.
pub fn vouchers(data: &Path) -> Result<Vec<VoucherFile>, JournalError> {
    if !data.join("earnings").exists() {
        return Ok(Vec::new());
    }
    let nobody = Address::basechain([0; 32]);
    let earnings = Earnings::open(data, nobody, 0, |_| false)?;
    Ok(earnings.books.into_values().filter_map(|book| book.voucher).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_contracts::channel::Channel;
    use fog_protocol::{Hash32, SecretKey};
    use proptest::prelude::*;

    use super::*;

    const NETWORK: i32 = -3;
    const NOW: u32 = 1_800_000_000;
    const WORKER: Address = Address::basechain([7; 32]);
    const NODE: Address = Address::basechain([8; 32]);

    fn keys() -> [SecretKey; 2] {
        [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]))
    }

    fn at() -> ChannelData {
        let [node, session] = keys();
        let terms = Channel {
            purpose: Purpose::Earnings,
            payer: NODE,
            payee: WORKER,
            payer_key: node.public(),
            payee_key: session.public(),
            cap: Nano::new(1000),
            delay: 600,
            series: 0,
        };
        ChannelData { balance: Nano::new(5000), ..ChannelData::fresh(&terms) }
    }

    fn task(number: u8) -> TaskId {
        TaskId(Hash32([number; 32]))
    }

    fn entry(number: u8, amount: u64) -> Entry {
        Entry {
            task: task(number),
            worker: WORKER,
            amount: Nano::new(amount),
            verdict: EntryVerdict::Accepted,
            evidence: Hash32([number; 32]),
        }
    }

    fn voucher(entries: &[Entry]) -> VoucherFile {
        let tree = EntryTree::of(entries.iter().copied()).unwrap();
        let mut file = VoucherFile::of(NETWORK, at().channel.address().unwrap(), &tree, NOW + 3600);
        at().sign_file(&mut file, NETWORK, &keys()[0], NOW).unwrap();
        file
    }

    struct Desk {
        folder: tempfile::TempDir,
        earnings: Earnings,
        channel: Address,
    }

    impl Desk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let earnings = Earnings::open(folder.path(), WORKER, NETWORK, |_| true).unwrap();
            Self { folder, earnings, channel: at().channel.address().unwrap() }
        }

        fn restart(self, open: bool) -> Self {
            let earnings = Earnings::open(self.folder.path(), WORKER, NETWORK, |_| open).unwrap();
            Self { earnings, ..self }
        }

        fn claim(&mut self, number: u8, amount: u64) {
            self.earnings.claim(self.channel, task(number), Nano::new(amount)).unwrap();
        }

        fn take(&mut self, voucher: &VoucherFile, shown: &[Entry]) -> Result<VoucherFile, Untrue> {
            let [_, session] = keys();
            let sign = |hash: &Hash32| session.sign(&hash.0);
            self.earnings.take(&at(), voucher, shown, &Signing { sign: &sign, now: NOW })
        }

        fn room(&self) -> u64 {
            (0..=1000)
                .rev()
                .find(|amount| {
                    self.earnings.check_room(&self.channel, &at(), Nano::new(*amount)).is_ok()
                })
                .unwrap()
        }
    }

    #[test]
    fn work_is_claimed_vouched_for_and_redeemable_after_a_restart() {
        let mut desk = Desk::new();
        desk.claim(1, 300);
        desk.claim(2, 400);
        assert_eq!(desk.room(), 300);
        desk.earnings.drop_claim(&task(2)).unwrap();
        assert!(desk.earnings.wanted().is_empty());
        desk.earnings.told(&task(1)).unwrap();
        assert_eq!(desk.earnings.wanted(), [(desk.channel, 0)]);
        let mut desk = desk.restart(false);
        assert_eq!((desk.room(), desk.earnings.wanted().len()), (700, 1), "told claims are kept");
        let entries = [entry(1, 300)];
        let signed = desk.take(&voucher(&entries), &entries).unwrap();
        assert_eq!(at().check_file(&signed, NETWORK, NOW), Ok(Nano::new(300)));
        assert_eq!((desk.room(), desk.earnings.wanted().len()), (700, 0));
        assert_eq!(vouchers(desk.folder.path()).unwrap(), [signed]);
        // After a restart the entries are shown again, and more.
        let mut desk = desk.restart(false);
        desk.claim(3, 100);
        let more = [entry(1, 300), entry(3, 100)];
        desk.take(&voucher(&more), &more).unwrap();
        assert_eq!(desk.room(), 600);
    }

    #[test]
    fn a_node_that_stops_vouching_is_owed_no_more_work() {
        let mut desk = Desk::new();
        for number in 0..10 {
            let amount = Nano::new(100);
            desk.earnings.check_room(&desk.channel, &at(), amount).unwrap();
            desk.claim(number, 100);
            desk.earnings.told(&task(number)).unwrap();
        }
        let refused = desk.earnings.check_room(&desk.channel, &at(), Nano::new(1)).unwrap_err();
        assert!(refused.contains("owes 0.000001 GRAM"), "{refused}");
        let desk = desk.restart(false);
        assert_eq!(desk.room(), 0, "not even after a restart");
    }

    #[test]
    fn what_a_node_makes_up_is_refused_and_changes_nothing() {
        let mut desk = Desk::new();
        desk.claim(1, 300);
        let honest = [entry(1, 300)];
        let foreign = [Entry { worker: NODE, ..entry(1, 300) }];
        assert_eq!(desk.take(&voucher(&foreign), &foreign), Err(Untrue::Foreign(0)));
        let less = [entry(1, 299)];
        assert!(matches!(desk.take(&voucher(&less), &less), Err(Untrue::Less { .. })));
        // A voucher for less than is shown, for something else, and not signed.
        assert!(desk.take(&voucher(&less), &honest).is_err());
        let unsigned = VoucherFile { payer: None, ..voucher(&honest) };
        assert!(desk.take(&unsigned, &honest).is_err());
        let other = VoucherFile { payer: unsigned.payee, network: -239, ..voucher(&honest) };
        assert!(desk.take(&other, &honest).is_err());
        let late = VoucherFile { valid_until: NOW - 1, ..voucher(&honest) };
        assert!(desk.take(&late, &honest).is_err());
        assert!(vouchers(desk.folder.path()).unwrap().is_empty());
        desk.take(&voucher(&honest), &honest).unwrap();
        // History is not rewritten, and not taken back.
        let rewritten = [entry(2, 300), entry(3, 300)];
        let mut restarted = desk.restart(false);
        let refused = restarted.take(&voucher(&rewritten), &rewritten);
        assert_eq!(refused, Err(Untrue::Rewritten));
    }

    #[test]
    fn only_this_workers_earnings_at_this_node_count() {
        let desk = Desk::new();
        let key = keys()[1].public();
        desk.earnings.check_terms(&at(), NODE, key).unwrap();
        assert!(desk.earnings.check_terms(&at(), WORKER, key).is_err());
        assert!(desk.earnings.check_terms(&at(), NODE, keys()[0].public()).is_err());
        let mut foreign = at();
        foreign.channel.payee = NODE;
        assert!(desk.earnings.check_terms(&foreign, NODE, key).is_err());
        let mut account = at();
        account.channel.purpose = Purpose::Account;
        assert!(desk.earnings.check_terms(&account, NODE, key).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), voucher: bool,
        ) {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("earnings")).unwrap();
            let name = if voucher { "earnings/x.voucher.json" } else { "earnings/x.json" };
            fs::write(folder.path().join(name), &bytes).unwrap();
            prop_assert!(Earnings::open(folder.path(), WORKER, NETWORK, |_| true).is_err());
        }
    }
}
