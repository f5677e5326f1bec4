//! Transactions by hash, messages by hash, and traces: what the v3 dialect and streaming ask for
//! and the store does not keep.
//!
//! A window of the last transactions in memory, read off the chain when somebody asks and not
//! before, so that a chain nobody asks about pays nothing. What is older is found by account and
//! logical time alone.

use std::collections::{HashMap, VecDeque};

use tycho_types::models::{ExtInMsgInfo, MsgInfo, OwnedMessage, StdAddr};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

use crate::chain::{Chain, ChainError, TxRecord, TxRef};

/// Most transactions in the window. One costs about 700 bytes.
const WINDOW: usize = 50_000;
/// Most blocks looked through to fill it.
const MAX_BLOCKS: u32 = 200_000;

/// Which kind a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    ExternalIn,
    ExternalOut,
}

/// What a message is found by.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) hash: HashBytes,
    /// The normalised hash of an external inbound message (TEP-467), otherwise the hash.
    pub(crate) norm: HashBytes,
    pub(crate) kind: Kind,
    pub(crate) source: Option<StdAddr>,
    pub(crate) destination: Option<StdAddr>,
    /// The first 32 bits of the body.
    pub(crate) opcode: Option<u32>,
    pub(crate) body_hash: HashBytes,
}

/// A transaction and what it hangs together with. Entries have consecutive numbers, which are
/// never used twice.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: TxRef,
    pub(crate) block: u32,
    pub(crate) now: u32,
    pub(crate) in_msg: Option<Link>,
    pub(crate) out_msgs: Vec<Link>,
    /// The entry whose message caused it.
    pub(crate) parent: Option<u64>,
    /// The first entry of its trace.
    pub(crate) root: u64,
}

/// The window.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: VecDeque<Entry>,
    /// Number of the first entry.
    first: u64,
    by_hash: HashMap<HashBytes, u64>,
    senders: HashMap<HashBytes, u64>,
    receivers: HashMap<HashBytes, u64>,
    by_norm: HashMap<HashBytes, u64>,
    traces: HashMap<u64, Vec<u64>>,
    /// The end of what was there when the window was filled: what comes from there on is news.
    news: u64,
    /// The last block read, and its hash: a restored checkpoint shows by another one.
    last: Option<(u32, HashBytes)>,
}

impl Index {
    /// Reads what the chain did since the last call.
    ///
    /// # Errors
    /// [`ChainError`] if the store fails.
    pub(crate) fn catch_up(&mut self, chain: &Chain) -> Result<(), ChainError> {
        let tip = chain.last_block();
        let from = match self.last {
            Some((seqno, hash)) if seqno == tip.seqno && hash == tip.root_hash => return Ok(()),
            Some((seqno, hash))
                if seqno < tip.seqno
                    && tip.seqno - seqno < MAX_BLOCKS
                    && chain.block(seqno)?.is_some_and(|block| block.root_hash == hash) =>
            {
                seqno + 1
            }
            _ => {
                self.forget();
                window_start(chain)?
            }
        };
        let fresh = self.last.is_none();
        for seqno in from..=tip.seqno {
            let Some(block) = chain.block(seqno)? else { continue };
            self.last = Some((seqno, block.root_hash));
            for tx in &block.transactions {
                if let Some(record) = chain.transaction(&tx.address, tx.lt)? {
                    self.add(&record)?;
                }
            }
        }
        if fresh {
            self.news = self.end();
        }
        Ok(())
    }

    /// Where the news begin, for somebody who knows everything before `position`: another chain's
    /// past (a restored checkpoint) is none.
    pub(crate) fn news_since(&self, position: u64) -> u64 {
        position.max(self.news)
    }

    /// The number the next entry gets.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// The entry with this number, if it is in the window.
    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// All entries from `number` on, oldest first.
    pub(crate) fn since(&self, number: u64) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        let start = number.max(self.first);
        let skip = usize::try_from(start - self.first).unwrap_or(usize::MAX);
        let range = skip.min(self.entries.len())..;
        (start..).zip(self.entries.range(range)).collect::<Vec<_>>().into_iter()
    }

    /// The transaction with this hash.
    pub(crate) fn transaction(&self, hash: &HashBytes) -> Option<u64> {
        self.by_hash.get(hash).copied()
    }

    /// The transaction that sent the message with this hash.
    pub(crate) fn sender(&self, message: &HashBytes) -> Option<u64> {
        self.senders.get(message).copied()
    }

    /// The transaction that received the message with this hash, normalised or not.
    pub(crate) fn receiver(&self, message: &HashBytes) -> Option<u64> {
        self.receivers.get(message).or_else(|| self.by_norm.get(message)).copied()
    }

    /// The members of a trace in the order they were executed; `None` if its beginning has left
    /// the window.
    pub(crate) fn trace(&self, root: u64) -> Option<&[u64]> {
        self.traces.get(&root).map(Vec::as_slice)
    }

    /// The first entry of the trace a transaction belongs to, if it is in the window.
    pub(crate) fn root_of(&self, hash: &HashBytes) -> Option<&Entry> {
        self.get(self.get(self.transaction(hash)?)?.root)
    }

    fn forget(&mut self) {
        let first = self.end();
        *self = Self { first, ..Self::default() };
    }

    fn add(&mut self, record: &TxRecord) -> Result<(), ChainError> {
        let number = self.end();
        let transaction = record.load()?;
        let in_msg = transaction.in_msg.as_ref().map(link).transpose()?;
        let mut out_msgs = Vec::new();
        for message in transaction.out_msgs.values() {
            out_msgs.push(link(&message?)?);
        }
        let parent = in_msg.as_ref().and_then(|message| self.sender(&message.hash));
        let root = parent.and_then(|parent| self.get(parent)).map_or(number, |entry| entry.root);
        self.by_hash.insert(record.hash, number);
        for message in &out_msgs {
            self.senders.insert(message.hash, number);
        }
        if let Some(message) = &in_msg {
            self.receivers.insert(message.hash, number);
            self.by_norm.insert(message.norm, number);
        }
        if root == number || self.traces.contains_key(&root) {
            self.traces.entry(root).or_default().push(number);
        }
        self.entries.push_back(Entry {
            place: record.reference(),
            block: record.block,
            now: transaction.now,
            in_msg,
            out_msgs,
            parent,
            root,
        });
        while self.entries.len() > WINDOW {
            self.drop_oldest();
        }
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        let forget = |map: &mut HashMap<HashBytes, u64>, key: &HashBytes| {
            if map.get(key) == Some(&number) {
                map.remove(key);
            }
        };
        forget(&mut self.by_hash, &entry.place.hash);
        for message in &entry.out_msgs {
            forget(&mut self.senders, &message.hash);
        }
        if let Some(message) = &entry.in_msg {
            forget(&mut self.receivers, &message.hash);
            forget(&mut self.by_norm, &message.norm);
        }
        self.traces.remove(&number);
    }
}

/// The block from which on the window is filled.
fn window_start(chain: &Chain) -> Result<u32, ChainError> {
    let tip = chain.last_block().seqno;
    let oldest = tip.saturating_sub(MAX_BLOCKS);
    let (mut start, mut found) = (tip, 0usize);
    while let Some(block) = chain.block(start)? {
        found = found.saturating_add(block.transactions.len());
        if found >= WINDOW || start == oldest {
            break;
        }
        start -= 1;
    }
    Ok(start)
}

fn link(cell: &Cell) -> Result<Link, ChainError> {
    let message = cell.parse::<OwnedMessage>()?;
    let (range, body) = &message.body;
    let body = range.apply_allow_exotic(body);
    let opcode = body.get_u32(0).ok();
    let body_hash = *CellBuilder::build_from(body)?.repr_hash();
    let hash = *cell.repr_hash();
    let (kind, source, destination) = match &message.info {
        MsgInfo::Int(info) => {
            (Kind::Internal, info.src.as_std().cloned(), info.dst.as_std().cloned())
        }
        MsgInfo::ExtIn(info) => (Kind::ExternalIn, None, info.dst.as_std().cloned()),
        MsgInfo::ExtOut(info) => (Kind::ExternalOut, info.src.as_std().cloned(), None),
    };
    let norm = match &message.info {
        MsgInfo::ExtIn(info) => normalized_hash(info, CellBuilder::build_from(body)?)?,
        MsgInfo::Int(_) | MsgInfo::ExtOut(_) => hash,
    };
    Ok(Link { hash, norm, kind, source, destination, opcode, body_hash })
}

/// The hash that does not depend on how an external message was serialised (TEP-467): no source,
/// no import fee, no init, the body in its own cell.
pub(crate) fn normalized_hash(
    info: &ExtInMsgInfo,
    body: Cell,
) -> Result<HashBytes, tycho_types::error::Error> {
    let mut normal = CellBuilder::new();
    normal.store_small_uint(0b10, 2)?; // ext_in_msg_info
    normal.store_small_uint(0b00, 2)?; // no source
    info.dst.store_into(&mut normal, Cell::empty_context())?;
    Tokens::ZERO.store_into(&mut normal, Cell::empty_context())?;
    normal.store_bit_zero()?; // no init
    normal.store_bit_one()?; // body in a reference
    normal.store_reference(body)?;
    Ok(*normal.build()?.repr_hash())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::chain::{ChainConfig, Clock, Transfer};

    fn chain() -> Chain {
        let config = ChainConfig { clock: Clock::Manual(1_760_000_000), ..ChainConfig::default() };
        Chain::new_in_memory(config).unwrap()
    }

    #[test]
    fn a_trace_is_everything_one_message_caused() {
        let mut chain = chain();
        let mut index = Index::default();
        let party = chain.open_treasury(1, 10_000_000_000).unwrap();
        index.catch_up(&chain).unwrap();
        let before = index.end();
        let target = StdAddr::new(0, HashBytes([9; 32]));
        let receipt = chain.send_from(&party, &Transfer::plain(target, 1_000)).unwrap();
        index.catch_up(&chain).unwrap();
        index.catch_up(&chain).unwrap();
        assert_eq!(index.end(), before + 2, "read once");
        let [sent, received] = receipt.transactions.as_slice() else { panic!() };
        let (root, child) = (before, before + 1);
        assert_eq!(index.transaction(&sent.hash), Some(root));
        assert_eq!(index.trace(root), Some([root, child].as_slice()));
        assert_eq!(index.root_of(&received.hash).unwrap().place.hash, sent.hash);
        let message = index.get(child).unwrap().in_msg.as_ref().unwrap();
        assert_eq!(index.sender(&message.hash), Some(root));
        assert_eq!(index.receiver(&message.hash), Some(child));
        assert_eq!(index.receiver(&receipt.message_hash), Some(root));
        assert_eq!(index.since(child).count(), 1);
        assert_eq!(index.since(child + 1).count(), 0);
    }

    #[test]
    fn another_chain_is_read_from_its_beginning() {
        let mut index = Index::default();
        let mut first = chain();
        first.fund(&StdAddr::new(0, HashBytes([1; 32])), 5).unwrap();
        index.catch_up(&first).unwrap();
        let end = index.end();
        assert_eq!(end, 2);
        let mut second = chain();
        let receipt = second.fund(&StdAddr::new(0, HashBytes([2; 32])), 5).unwrap();
        index.catch_up(&second).unwrap();
        assert_eq!(index.end(), end + 2, "numbers are not used twice");
        assert_eq!(index.transaction(&receipt.transactions[0].hash), Some(end));
        assert_eq!(index.news_since(end), index.end(), "its past is no news");
        second.fund(&StdAddr::new(0, HashBytes([2; 32])), 5).unwrap();
        index.catch_up(&second).unwrap();
        assert_eq!(index.news_since(end), end + 2);
    }
}
