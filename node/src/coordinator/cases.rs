//! What verifiers are asked about, as long as its bytes are in memory: module, input and output of a
//! task may be megabytes, and a verification may wait for a week.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use fog_jury::Case;

/// Every case that somebody still holds.
#[derive(Debug, Default)]
pub(crate) struct OpenCases(Mutex<Vec<Weak<Case>>>);

impl OpenCases {
    /// Counts a case until its last holder lets go of it.
    pub(super) fn hold(&self, case: Case) -> Arc<Case> {
        let case = Arc::new(case);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|held| held.strong_count() > 0);
        open.push(Arc::downgrade(&case));
        case
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter(|held| held.strong_count() > 0).count() as u64
    }
}
