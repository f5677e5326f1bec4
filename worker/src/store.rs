//! The journal behind async doors: writes block on the disk, so they run on blocking threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fog_protocol::TaskId;

use crate::journal::{Ending, Journal, JournalError, Record, Results, State};

/// A shared journal. Outputs, which are long, are stored and loaded beside its lock.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    journal: Arc<Mutex<Journal>>,
    results: Results,
}

impl Store {
    pub(crate) fn new(journal: Journal) -> Self {
        let results = journal.results().clone();
        Self { journal: Arc::new(Mutex::new(journal)), results }
    }

    /// Where outputs lie. Blocks: for blocking threads.
    pub(crate) const fn results(&self) -> &Results {
        &self.results
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(self.lock().state())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&mut store.lock())).await;
        done.unwrap_or(Err(JournalError::Broken))
    }

    /// Writes a record; returns once the disk has it.
    pub(crate) async fn append(&self, record: Record) -> Result<(), JournalError> {
        self.blocking(move |journal| journal.append(&record)).await
    }

    /// Ends a task.
    pub(crate) async fn close(&self, task: TaskId, ending: Ending) -> Result<(), JournalError> {
        self.blocking(move |journal| journal.close(task, ending)).await
    }

    /// Can the disk still take `bytes`?
    pub(crate) async fn probe(&self, bytes: u64) -> Result<(), JournalError> {
        self.blocking(move |journal| journal.probe(bytes)).await
    }
}
