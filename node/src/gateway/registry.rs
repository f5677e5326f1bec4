//! Who is connected. One live connection a worker: the newest wins.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fog_protocol::{Address, gateway::ServerFrame};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The sending side of one connection.
#[derive(Debug)]
struct Line {
    connection: u64,
    frames: mpsc::Sender<ServerFrame>,
    end: CancellationToken,
}

/// All connected workers.
#[derive(Debug)]
pub(crate) struct Registry {
    lines: Mutex<HashMap<Address, Line>>,
    total: usize,
    next: AtomicU64,
}

/// A place in the registry, handed to the connection.
#[derive(Debug)]
pub(crate) struct Enrolled {
    /// The connection's number.
    pub(crate) connection: u64,
    /// Frames to be sent to the worker.
    pub(crate) frames: mpsc::Receiver<ServerFrame>,
    /// Cancelled when the worker connected anew or is too slow.
    pub(crate) end: CancellationToken,
}

impl Registry {
    /// A registry of at most `total` workers.
    pub(crate) fn new(total: usize) -> Self {
        Self { lines: Mutex::default(), total, next: AtomicU64::new(1) }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Address, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enrols a worker, ending an older connection of its. `None`: as many workers as there may
    /// be.
    pub(crate) fn enrol(&self, worker: Address, queued: usize) -> Option<Enrolled> {
        let (sender, frames) = mpsc::channel(queued.max(1));
        let end = CancellationToken::new();
        let connection = self.next.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lines();
        if lines.len() >= self.total && !lines.contains_key(&worker) {
            return None;
        }
        let line = Line { connection, frames: sender, end: end.clone() };
        if let Some(older) = lines.insert(worker, line) {
            older.end.cancel();
        }
        Some(Enrolled { connection, frames, end })
    }

    /// Removes a connection; `false` if a newer one has taken its place.
    pub(crate) fn leave(&self, worker: &Address, connection: u64) -> bool {
        let mut lines = self.lines();
        let own = lines.get(worker).is_some_and(|line| line.connection == connection);
        if own {
            lines.remove(worker);
        }
        own
    }

    /// Is this the worker's live connection?
    pub(crate) fn is_live(&self, worker: &Address, connection: u64) -> bool {
        self.lines().get(worker).is_some_and(|line| line.connection == connection)
    }

    /// Is the worker connected by another connection than this one?
    pub(crate) fn is_online_besides(&self, worker: &Address, connection: u64) -> bool {
        self.lines().get(worker).is_some_and(|line| line.connection != connection)
    }

    /// Queues a frame; a worker that does not keep up is dropped. `false`: not connected.
    pub(crate) fn send(&self, worker: &Address, frame: ServerFrame) -> bool {
        let lines = self.lines();
        let Some(line) = lines.get(worker) else { return false };
        match line.frames.try_send(frame) {
            Ok(()) => true,
            Err(_) => {
                line.end.cancel();
                false
            }
        }
    }

    /// How many are connected.
    pub(crate) fn len(&self) -> usize {
        self.lines().len()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn pong() -> ServerFrame {
        ServerFrame::Pong { chain_time: 1 }
    }

    #[test]
    fn the_newest_connection_wins() {
        let registry = Registry::new(2);
        let worker = Address::basechain([1; 32]);
        let old = registry.enrol(worker, 4).unwrap();
        let new = registry.enrol(worker, 4).unwrap();
        assert!(old.end.is_cancelled() && !new.end.is_cancelled());
        assert!(!registry.leave(&worker, old.connection), "the old one is not the worker's");
        assert!(registry.is_live(&worker, new.connection));
        assert!(registry.leave(&worker, new.connection));
        assert!(!registry.send(&worker, pong()));
    }

    #[test]
    fn a_slow_worker_is_dropped_and_the_total_is_bounded() {
        let registry = Registry::new(1);
        let worker = Address::basechain([1; 32]);
        let line = registry.enrol(worker, 1).unwrap();
        assert!(registry.enrol(Address::basechain([2; 32]), 1).is_none());
        assert!(registry.send(&worker, pong()));
        assert!(!line.end.is_cancelled());
        assert!(!registry.send(&worker, pong()), "the queue holds one");
        assert!(line.end.is_cancelled());
    }
}
