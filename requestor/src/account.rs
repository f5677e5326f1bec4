//! Acknowledging what was done on the account rail: a requestor signs only for tasks that it ordered
//! itself, that the market's verifiers accepted, at prices within its caps.

use std::collections::{BTreeMap, BTreeSet};

use fog_chain::{ChainClient, ChainError};
use fog_contracts::{
    ContractError, VerdictTerms,
    channel::{ChannelData, Purpose, VoucherError},
    market::{Config, MarketData},
    rail::place,
    task::Outcome,
    verdict_hash,
};
use fog_protocol::{
    Address, EntryTree, EntryVerdict, EntryView, EnvelopeError, Hash32, ListingError, OtherEntries,
    PublicKey, SecretKey, TaskId, VoucherFile,
};

use crate::{ChannelError, NodeClient, NodeError, cover::Covers, read_channel};

/// Seconds that a voucher is valid.
const VALIDITY: u32 = 60 * 24 * 3600;
/// Most entries of one account.
const MOST_ENTRIES: u64 = 1 << 24;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum VouchError {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The account.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The voucher.
    #[error(transparent)]
    Voucher(#[from] VoucherError),
    /// The node's entries are not those that were signed for.
    #[error(transparent)]
    Other(#[from] OtherEntries),
    /// It is not this key's account.
    #[error("{0} is no account that this key pays from")]
    NotYours(Address),
    /// The market cannot be read.
    #[error("the market {0} is not set up")]
    NoMarket(Address),
    /// The node shows something else than it had signed for.
    #[error("the node shows other entries than you signed for: keep your voucher, sign nothing")]
    Rewritten,
    /// An entry that is not owed. Vouchers are for all entries up to one: nothing behind it can be
    /// signed for either.
    #[error(
        "entry {number}, of task {task}, is not owed: {reason}; neither it nor what follows was signed \
         for"
    )]
    NotOwed {
        /// Its number, from 0.
        number: u64,
        /// Its task.
        task: TaskId,
        /// Why.
        reason: NotOwed,
    },
}

/// Why an entry is not owed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwed {
    /// Nobody ordered it.
    #[error("its order is not signed by you ({0})")]
    Unsigned(#[from] EnvelopeError),
    /// Somebody else did.
    #[error("its order is {0}'s")]
    Foreign(PublicKey),
    /// The order is not one.
    #[error("its order is malformed: {0}")]
    Listing(#[from] ListingError),
    /// The order is for something else.
    #[error("its order is for another {0}")]
    Another(&'static str),
    /// More than agreed.
    #[error("it costs more than its order allows, or another price than was judged")]
    Price,
    /// It was rejected.
    #[error("it was not accepted")]
    Rejected,
    /// Not enough verifiers say so.
    #[error("{signed} of the market's verifiers signed its verdict, {threshold} must")]
    Verdict {
        /// How many did.
        signed: usize,
        /// How many must.
        threshold: u8,
    },
    /// A result that may not have been checked, with nothing at stake.
    #[error("no stake stood for it: {0}")]
    Uncovered(&'static str),
    /// Ordered once, entered twice.
    #[error("its order is that of an entry before it, made again for another epoch: one is paid")]
    OrderedOnce,
    /// Entered twice.
    #[error("it cannot follow the entries before it: {0}")]
    Entry(#[from] fog_protocol::EntryError),
    /// Cells.
    #[error(transparent)]
    Cells(#[from] ContractError),
}

/// What an account owes.
#[derive(Debug)]
pub struct Vouched {
    /// The newest voucher, signed by both sides; none while nothing is owed.
    pub voucher: Option<VoucherFile>,
    /// Every entry, looked at: give them the next time, then only new ones are fetched.
    pub known: Known,
    /// The first that is not owed, if there is one: the voucher is for those before it.
    pub refused: Option<VouchError>,
}

/// Entries that were looked at, each with the salt of its order. An order that a node turns down
/// because its epoch is over is signed all the same, and signed again for the next epoch, with the
/// same salt: of one salt one is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    entries: EntryTree,
    salts: Vec<Hash32>,
}

impl Known {
    /// These entries and salts, in order; nothing if they are not as many.
    #[must_use]
    pub fn new(entries: EntryTree, salts: Vec<Hash32>) -> Option<Self> {
        (entries.len() == salts.len() as u64).then_some(Self { entries, salts })
    }

    /// The entries.
    #[must_use]
    pub const fn entries(&self) -> &EntryTree {
        &self.entries
    }

    /// The salt of each one's order.
    #[must_use]
    pub fn salts(&self) -> &[Hash32] {
        &self.salts
    }

    fn append(&mut self, view: &EntryView) -> Result<(), NotOwed> {
        self.entries.append(view.entry)?;
        self.salts.push(view.listing.value.salt);
        Ok(())
    }
}

/// Signs for everything that is owed by `account`, after recomputing it, up to the first entry that is
/// not. The entries `known` from before are not fetched again; what was signed for elsewhere is compared
/// with that, not looked at.
///
/// # Errors
/// [`VouchError`]: nothing was signed.
pub async fn vouch(
    node: &NodeClient,
    chain: &ChainClient,
    key: &SecretKey,
    account: &Address,
    known: Known,
) -> Result<Vouched, VouchError> {
    let at = read_channel(chain, account).await?;
    if at.channel.purpose != Purpose::Account || at.channel.payer_key != key.public() {
        return Err(VouchError::NotYours(*account));
    }
    let network = chain.config().network_id;
    let view = node.account(account).await?;
    // A voucher that this key signed says which entries were looked at before.
    let before = view.voucher.filter(|file| at.payer_signed(file, network).is_ok());
    let signed_for = before.as_ref().map_or(0, |file| file.count);
    let mut known = known;
    let mut ordered: BTreeSet<Hash32> = known.salts.iter().copied().collect();
    let (mut market, mut covers) = (None, Covers::default());
    if known.entries.len() > view.entries {
        return Err(VouchError::Rewritten);
    }
    let mut refused = None;
    'pages: while known.entries.len() < view.entries.min(MOST_ENTRIES) {
        let page = node.entries(account, known.entries.len()).await?;
        if page.entries.is_empty() {
            break;
        }
        for entry in page.entries {
            let (number, task) = (known.entries.len(), entry.entry.task);
            let told = |reason| VouchError::NotOwed { number, task, reason };
            let once = ordered_once(&mut ordered, &entry);
            if let Err(reason @ NotOwed::Another(_)) = once {
                return Err(told(reason));
            }
            if number >= signed_for {
                let config = match &market {
                    Some(config) => config,
                    None => market.insert(config_of(chain, &entry).await?),
                };
                let checked =
                    once.and_then(|()| check_entry(&entry, &at, account, network, config));
                let checked = match checked {
                    Ok(()) => covers.check(chain, &entry, told).await,
                    Err(reason) => Err(told(reason)),
                };
                match checked {
                    Ok(()) => {}
                    // What was done before it is owed all the same.
                    Err(error @ VouchError::NotOwed { .. }) => {
                        refused = Some(error);
                        break 'pages;
                    }
                    Err(error) => return Err(error),
                }
            }
            known.append(&entry).map_err(told)?;
            let tree = &known.entries;
            let other = |file: &VoucherFile| file.matches(tree).is_err();
            if tree.len() == signed_for && before.as_ref().is_some_and(other) {
                return Err(VouchError::Rewritten);
            }
        }
    }
    let tree = &known.entries;
    if tree.len() < signed_for || tree.root() != view.root && tree.len() == view.entries {
        return Err(VouchError::Rewritten);
    }
    if tree.len() == signed_for || tree.is_empty() {
        return refused.map_or(Ok(Vouched { voucher: before, known, refused: None }), Err);
    }
    let now = chain.chain_time().await?;
    let mut file = VoucherFile::of(network, *account, tree, now.saturating_add(VALIDITY));
    at.sign_file(&mut file, network, key, now)?;
    let signed = node.vouch(&file).await?;
    at.payer_signed(&signed, network)?;
    signed.matches(tree)?;
    Ok(Vouched { voucher: Some(signed), known, refused })
}

/// Is it the first entry of its order? Orders of one salt are one, whatever else they name.
fn ordered_once(ordered: &mut BTreeSet<Hash32>, view: &EntryView) -> Result<(), NotOwed> {
    // Of entries that were signed for, the order shown has to be theirs.
    if view.listing.value.id() != view.entry.task {
        return Err(NotOwed::Another("task"));
    }
    if ordered.insert(view.listing.value.salt) { Ok(()) } else { Err(NotOwed::OrderedOnce) }
}

async fn config_of(chain: &ChainClient, entry: &EntryView) -> Result<Config, VouchError> {
    let market = entry.listing.value.market;
    let missing = || VouchError::NoMarket(market);
    let data = chain.account(&market).await?.data.ok_or_else(missing)?;
    MarketData::parse(&data)?.config.ok_or_else(missing)
}

/// Is this entry owed by this account?
///
/// # Errors
/// [`NotOwed`].
pub fn check_entry(
    view: &EntryView,
    at: &ChannelData,
    account: &Address,
    network: i32,
    market: &Config,
) -> Result<(), NotOwed> {
    let entry = &view.entry;
    let listing = view.listing.verify()?;
    let payer = at.channel.payer_key;
    if view.listing.signer != payer || listing.requestor_key != payer {
        return Err(NotOwed::Foreign(view.listing.signer));
    }
    listing.check()?;
    for (what, same) in [
        ("task", listing.id() == entry.task),
        ("account", listing.rail.account() == Some(*account)),
        ("node", listing.operator == at.channel.payee),
        ("network", listing.network == network),
    ] {
        if !same {
            return Err(NotOwed::Another(what));
        }
    }
    if entry.amount != view.price || view.price > listing.price_cap {
        return Err(NotOwed::Price);
    }
    if entry.verdict != EntryVerdict::Accepted {
        return Err(NotOwed::Rejected);
    }
    let signed: BTreeSet<_> = entry_signers(view, network, market)?.into_values().collect();
    if signed.len() < usize::from(market.threshold) {
        let (signed, threshold) = (signed.len(), market.threshold);
        return Err(NotOwed::Verdict { signed, threshold });
    }
    Ok(())
}

/// Which of the market's verifiers signed an entry's verdict, by their places; other signatures count
/// for nothing.
///
/// # Errors
/// [`ContractError`] if what was signed cannot be put together.
pub fn entry_signers(
    view: &EntryView,
    network: i32,
    market: &Config,
) -> Result<BTreeMap<u8, PublicKey>, ContractError> {
    let hash = verdict_hash(&VerdictTerms {
        network,
        task: place(&view.entry.task),
        stake: view.stake,
        price: view.price,
        commitment: view.commitment,
        outcome: Outcome::Accepted,
        evidence: view.entry.evidence,
        valid_until: view.valid_until,
    })?;
    let signed = view.signatures.iter().filter_map(|(place, signature)| {
        let key = market.verifiers.get(usize::from(*place))?;
        key.verify(&hash.0, signature).ok().map(|()| (*place, *key))
    });
    Ok(signed.collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_contracts::{channel::Channel, market::Choice};
    use fog_protocol::{
        BlobRef, Durations, Entry, EpochRef, Listing, Nano, Policy, Program, Rail, ResourceLimits,
        Signed,
    };

    use super::*;

    const NETWORK: i32 = -3;
    const NODE: Address = Address::basechain([2; 32]);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn market() -> Config {
        Config::of(Choice {
            min_step: 1,
            max_step: 3600,
            timelock: 3600,
            threshold: 2,
            fee_bps: 100,
            treasury: NODE,
            verifiers: vec![key(11).public(), key(12).public(), key(13).public()],
            unbonding: 11_000,
            burn: NODE,
            operator_bps: 5_000,
            appeal: 3,
            appeal_time: 600,
            challenge_bond: Nano::grams(1),
        })
    }

    fn at() -> ChannelData {
        ChannelData::fresh(&Channel {
            purpose: Purpose::Account,
            payer: Address::basechain([1; 32]),
            payee: NODE,
            payer_key: key(1).public(),
            payee_key: key(2).public(),
            cap: Nano::grams(5),
            delay: 600,
            series: 0,
        })
    }

    fn listing() -> Listing {
        let rail = Rail::Account { account: at().channel.address().unwrap() };
        Listing {
            version: rail.listing_version(),
            network: NETWORK,
            market: Address::basechain([9; 32]),
            operator: NODE,
            requestor: Address::basechain([1; 32]),
            requestor_key: key(1).public(),
            program: Program::Wasi { module: BlobRef::of(b"m") },
            input: BlobRef::of(b"i"),
            limits: ResourceLimits::default(),
            price_cap: Nano::new(1000),
            policy: Policy::Replay { rate_ppm: 1_000_000 },
            durations: Durations::default(),
            nonce_hash: Hash32([5; 32]),
            epoch: None,
            salt: Hash32([6; 32]),
            rail,
        }
    }

    fn view(listing: Listing, by: &SecretKey, amount: u64, verifiers: &[u8]) -> EntryView {
        let entry = Entry {
            task: listing.id(),
            worker: Address::basechain([4; 32]),
            amount: Nano::new(amount),
            verdict: EntryVerdict::Accepted,
            evidence: Hash32([7; 32]),
        };
        let (stake, commitment) = (Address::basechain([8; 32]), Hash32([3; 32]));
        let hash = verdict_hash(&VerdictTerms {
            network: NETWORK,
            task: place(&entry.task),
            stake,
            price: entry.amount,
            commitment,
            outcome: Outcome::Accepted,
            evidence: entry.evidence,
            valid_until: 77,
        })
        .unwrap();
        let sign = |place: &u8| (*place, key(11 + place).sign(&hash.0));
        EntryView {
            entry,
            listing: Signed::new(listing, by),
            price: entry.amount,
            stake,
            commitment,
            valid_until: 77,
            signatures: verifiers.iter().map(sign).collect::<BTreeMap<_, _>>(),
            pledge: None,
        }
    }

    fn check(view: &EntryView) -> Result<(), NotOwed> {
        let account = at().channel.address().unwrap();
        check_entry(view, &at(), &account, NETWORK, &market())
    }

    fn honest() -> EntryView {
        view(listing(), &key(1), 900, &[0, 2])
    }

    #[test]
    fn what_was_ordered_and_accepted_is_owed() {
        assert_eq!(check(&honest()), Ok(()));
    }

    /// The node says that an epoch is over, and enters the order of both epochs.
    #[test]
    fn of_an_order_that_was_made_again_for_another_epoch_one_is_owed() {
        let named = |number| {
            let epoch = EpochRef { number, seed_hash: Hash32([number as u8; 32]) };
            view(listing().with_epoch(epoch), &key(1), 900, &[0, 2])
        };
        let (turned_down, again) = (named(1), named(2));
        assert_ne!(turned_down.entry.task, again.entry.task);
        assert_eq!((check(&turned_down), check(&again)), (Ok(()), Ok(())));
        let mut ordered = BTreeSet::new();
        assert_eq!(ordered_once(&mut ordered, &turned_down), Ok(()));
        assert_eq!(ordered_once(&mut ordered, &again), Err(NotOwed::OrderedOnce));
        let other = view(Listing { salt: Hash32([1; 32]), ..listing() }, &key(1), 900, &[0, 1]);
        assert_eq!(ordered_once(&mut ordered, &other), Ok(()));
        // Over a restart: what was looked at keeps its salts.
        let mut known = Known::default();
        known.append(&turned_down).unwrap();
        let read = Known::new(known.entries().clone(), known.salts().to_vec()).unwrap();
        let mut ordered = read.salts().iter().copied().collect();
        assert_eq!(ordered_once(&mut ordered, &again), Err(NotOwed::OrderedOnce));
        assert_eq!(Known::new(known.entries().clone(), Vec::new()), None);
    }

    #[test]
    fn what_nobody_ordered_is_not() {
        let by_the_node = view(listing(), &key(2), 900, &[0, 2]);
        assert!(matches!(check(&by_the_node), Err(NotOwed::Foreign(_))));
        let foreign = Listing { requestor_key: key(2).public(), ..listing() };
        assert!(matches!(check(&view(foreign, &key(2), 1, &[0, 1])), Err(NotOwed::Foreign(_))));
        let mut altered = honest();
        altered.listing.value.price_cap = Nano::new(5000);
        assert!(matches!(check(&altered), Err(NotOwed::Unsigned(_))));
        let another = view(Listing { salt: Hash32([1; 32]), ..listing() }, &key(1), 900, &[0, 1]);
        let swapped = EntryView { listing: another.listing, ..honest() };
        assert_eq!(check(&swapped), Err(NotOwed::Another("task")));
        let rail = Rail::Account { account: NODE };
        let elsewhere = view(Listing { rail, ..listing() }, &key(1), 900, &[0, 1]);
        assert_eq!(check(&elsewhere), Err(NotOwed::Another("account")));
        let escrowed = Listing { rail: Rail::Escrow, version: Listing::VERSION, ..listing() };
        let escrowed = view(escrowed, &key(1), 900, &[0, 1]);
        assert_eq!(check(&escrowed), Err(NotOwed::Another("account")));
        let node = view(Listing { operator: at().channel.payer, ..listing() }, &key(1), 1, &[0, 1]);
        assert_eq!(check(&node), Err(NotOwed::Another("node")));
    }

    #[test]
    fn more_than_ordered_or_judged_is_not() {
        assert_eq!(check(&view(listing(), &key(1), 1001, &[0, 1])), Err(NotOwed::Price));
        let mut more = honest();
        more.entry.amount = Nano::new(901);
        assert_eq!(check(&more), Err(NotOwed::Price));
        more.price = Nano::new(901);
        assert!(matches!(check(&more), Err(NotOwed::Verdict { signed: 0, .. })));
    }

    #[test]
    fn what_too_few_verifiers_accepted_is_not() {
        let refused = Err(NotOwed::Verdict { signed: 1, threshold: 2 });
        assert_eq!(check(&view(listing(), &key(1), 900, &[1])), refused);
        // The same verifier under two numbers is one.
        let mut twice = view(listing(), &key(1), 900, &[1]);
        let signature = twice.signatures[&1];
        twice.signatures.insert(0, signature);
        twice.signatures.insert(9, signature);
        assert_eq!(check(&twice), refused);
        let mut rejected = honest();
        rejected.entry.verdict = EntryVerdict::Rejected;
        assert_eq!(check(&rejected), Err(NotOwed::Rejected));
        let mut other = honest();
        other.entry.evidence = Hash32([8; 32]);
        assert!(matches!(check(&other), Err(NotOwed::Verdict { signed: 0, .. })));
    }
}
