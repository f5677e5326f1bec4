//! The journal behind async doors: writes block on the disk, so they run on blocking threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fog_protocol::TaskId;

use crate::journal::{Ending, Journal, JournalError, Record, State};

/// A shared journal.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Mutex<Journal>>);

impl Store {
    pub(crate) fn new(journal: Journal) -> Self {
        Self(Arc::new(Mutex::new(journal)))
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Stores an output; returns once the disk has it.
    pub(crate) async fn store_result(
        &self,
        task: TaskId,
        output: Vec<u8>,
    ) -> Result<(), JournalError> {
        self.blocking(move |journal| journal.store_result(&task, &output)).await
    }

    /// A stored output, checked.
    pub(crate) async fn result(&self, task: TaskId) -> Result<Vec<u8>, JournalError> {
        self.blocking(move |journal| journal.result(&task)).await
    }

    /// Can the disk still take `bytes`?
    pub(crate) async fn probe(&self, bytes: u64) -> Result<(), JournalError> {
        self.blocking(move |journal| journal.probe(bytes)).await
    }
}
