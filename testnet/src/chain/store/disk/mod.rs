//! The store of a long-lived testnet: one redb file, one redb transaction a batch.

mod checkpoints;
mod medium;
mod read;
mod rows;

use std::fs::OpenOptions;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableTable, WriteTransaction};
use tycho_types::boc::BocRepr;
use tycho_types::prelude::*;

use super::{Batch, Head, Loaded};
use crate::chain::{ChainConfig, ChainError};
use medium::Medium;
use rows::{
    ACCOUNTS, BLOCKS, CHECKPOINTS, EXTERNALS, HEAD, LAST, LIVE, META, QUEUE, ROOT, STRETCHES,
    Stretch, TRANSACTIONS, address_key, block_row, count, damaged, encode_refs,
};

/// The layout of the tables; a file of another is refused.
const FORMAT: u64 = 2;
const FILE: &str = "chain.redb";
/// Pages kept in memory. redb's own default is a gigabyte, which looks like a leak.
const CACHE_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct DiskStore {
    path: PathBuf,
    settings: ChainConfig,
    /// `None` only while the file is being opened again after a failed write.
    db: Option<Database>,
    /// Set by a failed write: the database takes nothing more until it is opened again.
    failed: bool,
    line: Line,
}

/// The stretches from genesis to the last block, and how much of them is still there.
#[derive(Debug, Default)]
struct Line {
    /// Stretch and the number of its first block, oldest first.
    stretches: Vec<(Stretch, u32)>,
    /// The oldest block kept besides genesis.
    first: u32,
    /// Transactions in the blocks kept.
    kept: u64,
}

impl Line {
    /// The stretch that holds this block.
    fn stretch_of(&self, seqno: u32) -> Stretch {
        let place = self.stretches.partition_point(|(_, first)| *first <= seqno);
        place.checked_sub(1).and_then(|at| self.stretches.get(at)).map_or(0, |(id, _)| *id)
    }

    /// The stretch that grows.
    fn tip(&self) -> Stretch {
        self.stretches.last().map_or(0, |(id, _)| *id)
    }
}

impl DiskStore {
    pub(crate) fn open(settings: &ChainConfig, dir: &Path) -> Result<Self, ChainError> {
        check_folder(dir)?;
        let mut store = Self {
            path: dir.join(FILE),
            settings: settings.clone(),
            db: None,
            failed: false,
            line: Line::default(),
        };
        store.connect()?;
        Ok(store)
    }

    fn connect(&mut self) -> Result<(), ChainError> {
        // The old handle's lock on the file must be gone first.
        let old = self.db.take();
        caught(|| {
            drop(old);
            Ok(())
        })?;
        self.db = Some(caught(|| self.open_file())?);
        self.failed = false;
        self.line = self.read_line()?;
        Ok(())
    }

    fn open_file(&self) -> Result<Database, ChainError> {
        let shown = self.path.display();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)
            .map_err(|error| ChainError::Store(format!("{shown}: {error}")))?;
        let opened = Medium::new(file, &self.settings).and_then(|medium| {
            Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(medium)
        });
        let db = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                ChainError::Store(format!("{shown}: another process runs this chain"))
            }
            DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() == std::io::ErrorKind::InvalidData =>
            {
                ChainError::Store(format!("{shown} is not the file of an embedded chain"))
            }
            other => store_error(other),
        })?;
        make_tables(&db, self.settings.global_id)
            .map_err(|error| ChainError::Store(format!("{shown}: {error}")))?;
        Ok(db)
    }

    fn db(&self) -> Result<&Database, ChainError> {
        self.db.as_ref().ok_or_else(|| ChainError::Store("the chain's file is not open".to_owned()))
    }

    /// What was saved last. A file that failed is opened again first.
    pub(crate) fn load(&mut self) -> Result<Option<Loaded>, ChainError> {
        if self.failed || self.db.is_none() {
            self.connect()?;
        }
        self.read_saved()
    }

    /// Runs `work` in one redb transaction; after a failure the file must be opened again.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let result = caught(|| {
            let tx = self.db()?.begin_write().map_err(store_error)?;
            let value = work(&tx)?;
            tx.commit().map_err(store_error)?;
            Ok(value)
        });
        self.failed |= result.is_err();
        result
    }

    pub(crate) fn apply(&mut self, batch: &Batch, head: &Head) -> Result<(), ChainError> {
        let (line, history) = (std::mem::take(&mut self.line), self.settings.history);
        let result = self.write(|tx| {
            write_state(tx, batch, head)?;
            write_history(tx, batch, head, &line)?;
            prune(tx, batch, head, &line, history)
        });
        self.line = line;
        (self.line.first, self.line.kept) = result?;
        Ok(())
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        let db = self.db.take();
        // Closing writes, and reads what may be damaged.
        if let Err(error) = caught(|| {
            drop(db);
            Ok(())
        }) {
            tracing::error!(%error, "the chain's file was not closed cleanly");
        }
    }
}

/// Runs `work` on the file. redb asserts where pages contradict each other: for us that is a
/// damaged file, not a fault of the program.
fn caught<T>(work: impl FnOnce() -> Result<T, ChainError>) -> Result<T, ChainError> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    result.unwrap_or_else(|_| Err(damaged("its pages contradict each other")))
}

/// Refuses a folder that holds other things.
fn check_folder(dir: &Path) -> Result<(), ChainError> {
    let shown = dir.display();
    let cannot = |error| ChainError::Store(format!("{shown}: {error}"));
    std::fs::create_dir_all(dir).map_err(cannot)?;
    if dir.join(FILE).exists() {
        return Ok(());
    }
    match std::fs::read_dir(dir).map_err(cannot)?.next() {
        None => Ok(()),
        Some(_) => Err(ChainError::Store(format!(
            "{shown} holds other things and no chain: choose an empty or a new folder"
        ))),
    }
}

/// Makes what a new file lacks, and checks what an old one says of itself.
fn make_tables(db: &Database, global_id: i32) -> Result<(), ChainError> {
    let tx = db.begin_write().map_err(store_error)?;
    let network = u64::from(global_id.cast_unsigned());
    {
        let new = tx.list_tables().map_err(store_error)?.next().is_none();
        let mut meta = tx.open_table(META).map_err(store_error)?;
        let read = |name: &str| -> Result<Option<u64>, ChainError> {
            Ok(meta.get(name).map_err(store_error)?.map(|value| value.value()))
        };
        match (new, read("format")?, read("network")?) {
            (true, ..) => {}
            (false, Some(FORMAT), Some(found)) if found == network => return Ok(()),
            (false, Some(FORMAT), found) => {
                let found = found.map_or(0, |id| (id as u32).cast_signed());
                return Err(ChainError::Store(format!(
                    "this chain has network id {found}, not {global_id}"
                )));
            }
            (false, ..) => {
                return Err(ChainError::Store(
                    "this file was written by another version: use a new folder".to_owned(),
                ));
            }
        }
        for (name, value) in [("format", FORMAT), ("network", network), ("tip", 0)] {
            meta.insert(name, value).map_err(store_error)?;
        }
        // Opening creates the tables, so reads never meet a missing one.
        tx.open_table(HEAD).map_err(store_error)?;
        tx.open_table(LAST).map_err(store_error)?;
        tx.open_table(ACCOUNTS).map_err(store_error)?;
        tx.open_table(QUEUE).map_err(store_error)?;
        tx.open_table(EXTERNALS).map_err(store_error)?;
        tx.open_table(BLOCKS).map_err(store_error)?;
        tx.open_table(TRANSACTIONS).map_err(store_error)?;
        tx.open_table(CHECKPOINTS).map_err(store_error)?;
        let mut stretches = tx.open_table(STRETCHES).map_err(store_error)?;
        stretches.insert(0, (ROOT, 0)).map_err(store_error)?;
    }
    tx.commit().map_err(store_error)
}

fn write_state(tx: &WriteTransaction, batch: &Batch, head: &Head) -> Result<(), ChainError> {
    let mut accounts = tx.open_table(ACCOUNTS).map_err(store_error)?;
    for (address, state) in &batch.accounts {
        let (workchain, hash) = address_key(address);
        let boc = state.as_ref().map(BocRepr::encode).transpose()?;
        match &boc {
            Some(boc) => accounts.insert((LIVE, workchain, hash), boc.as_slice()),
            None => accounts.remove((LIVE, workchain, hash)),
        }
        .map_err(store_error)?;
    }
    let mut queue = tx.open_table(QUEUE).map_err(store_error)?;
    for ((lt, hash), message) in &batch.queue {
        match message.as_ref().map(Boc::encode) {
            Some(boc) => queue.insert((LIVE, *lt, hash.0), boc.as_slice()),
            None => queue.remove((LIVE, *lt, hash.0)),
        }
        .map_err(store_error)?;
    }
    let mut externals = tx.open_table(EXTERNALS).map_err(store_error)?;
    for (place, message) in &batch.externals {
        match message.as_ref().map(Boc::encode) {
            Some(boc) => externals.insert((LIVE, *place), boc.as_slice()),
            None => externals.remove((LIVE, *place)),
        }
        .map_err(store_error)?;
    }
    let mut fields = tx.open_table(HEAD).map_err(store_error)?;
    for (name, value) in head_fields(head) {
        fields.insert((LIVE, name), value).map_err(store_error)?;
    }
    let refs = encode_refs(&head.last.transactions);
    let row = block_row(&head.last, head.totals.transactions, &refs);
    let mut last = tx.open_table(LAST).map_err(store_error)?;
    last.insert(LIVE, (head.last.seqno, row)).map_err(store_error)?;
    Ok(())
}

fn head_fields(head: &Head) -> [(&'static str, u128); 8] {
    let totals = &head.totals;
    [
        ("clock_offset", u128::from(head.clock_offset)),
        ("next_external", u128::from(head.next_external)),
        ("supply", totals.supply),
        ("fees", totals.network_fees_collected),
        ("burned", totals.burned),
        ("in_flight", totals.in_flight),
        ("blocks", u128::from(totals.blocks)),
        ("transactions", u128::from(totals.transactions)),
    ]
}

fn write_history(
    tx: &WriteTransaction,
    batch: &Batch,
    head: &Head,
    line: &Line,
) -> Result<(), ChainError> {
    let tip = line.tip();
    let mut transactions = tx.open_table(TRANSACTIONS).map_err(store_error)?;
    for record in &batch.transactions {
        let (workchain, address) = address_key(&record.address);
        let boc = Boc::encode(record.transaction.inner());
        let row = (record.block, record.hash.0, boc.as_slice());
        transactions.insert((tip, workchain, address, record.lt), row).map_err(store_error)?;
    }
    let mut blocks = tx.open_table(BLOCKS).map_err(store_error)?;
    // How many transactions there were before the first of these blocks.
    let mut total = head.totals.transactions.saturating_sub(batch.transactions.len() as u64);
    for block in &batch.blocks {
        total += block.transactions.len() as u64;
        let refs = encode_refs(&block.transactions);
        blocks.insert((tip, block.seqno), block_row(block, total, &refs)).map_err(store_error)?;
    }
    Ok(())
}

/// Drops whole blocks, oldest first, until no more than `history` transactions and blocks are
/// kept. The last block and genesis stay. Gives the first block kept and how many transactions.
fn prune(
    tx: &WriteTransaction,
    batch: &Batch,
    head: &Head,
    line: &Line,
    history: Option<NonZeroU64>,
) -> Result<(u32, u64), ChainError> {
    let mut kept = line.kept + batch.transactions.len() as u64;
    let mut first = line.first;
    let Some(history) = history.map(NonZeroU64::get) else { return Ok((first, kept)) };
    let last = head.last.seqno;
    let mut blocks = tx.open_table(BLOCKS).map_err(store_error)?;
    let mut transactions = tx.open_table(TRANSACTIONS).map_err(store_error)?;
    while first < last && (kept > history || u64::from(last - first) >= history) {
        let stretch = line.stretch_of(first);
        let refs = match blocks.remove((stretch, first)).map_err(store_error)? {
            Some(row) => row.value().6.to_vec(),
            None => Vec::new(),
        };
        kept = kept.saturating_sub(count(&refs));
        for entry in rows::decode_refs(&refs)? {
            let (workchain, address) = address_key(&entry.address);
            transactions.remove((stretch, workchain, address, entry.lt)).map_err(store_error)?;
        }
        first += 1;
    }
    Ok((first, kept))
}

/// What went wrong, in words that name the cause.
pub(super) fn store_error(error: impl Into<redb::Error>) -> ChainError {
    use std::io::ErrorKind;
    match error.into() {
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                ChainError::Full(error.to_string())
            }
            _ => ChainError::Store(error.to_string()),
        },
        redb::Error::Corrupted(what) => damaged(what),
        other => ChainError::Store(other.to_string()),
    }
}
