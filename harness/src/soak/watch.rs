//! What happened to every task, read off the chain: each tells the operator of every transition,
//! so the transactions of one account tell everything. Not through the node: it is under test.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fog_contracts::{Notify, TaskState, op};
use fog_protocol::{Address, Hash32, TaskId};
use fog_testnet::{
    chain::{Chain, ChainError, Order},
    toncenter::Api,
};
use serde::Serialize;
use tokio::sync::{Notify as Wake, mpsc};
use tokio_util::sync::CancellationToken;
use tycho_types::{
    cell::{CellBuilder, CellSlice},
    models::{MsgInfo, StdAddr},
};

use super::{SoakError, load::Posting};

const PAGE: usize = 1000;
/// Longest pause between two looks; a new block wakes earlier.
const LOOK: Duration = Duration::from_millis(250);
/// Shortest: blocks may come faster than they are worth looking at.
const REST: Duration = Duration::from_millis(10);

/// One task under way.
#[derive(Debug)]
struct Live {
    due: Instant,
    assigned: bool,
    committed: bool,
}

/// How the tasks ended, by what the chain says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// Paid for.
    pub paid: u64,
    /// The worker's stake was cut.
    pub slashed: u64,
    /// Nobody was assigned, or there was no verdict.
    pub refunded: u64,
    /// No commitment in time.
    pub late: u64,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<TaskId, Live>,
    all: Vec<Posting>,
    ends: Ends,
    /// Milliseconds from the time a task was due to be posted.
    assigned: Vec<u32>,
    paid: Vec<u32>,
    all_posted: bool,
    last_end: Option<Instant>,
}

/// Knows every task of the run.
#[derive(Debug)]
pub(super) struct Tracker {
    state: Mutex<State>,
    commitments: (mpsc::Sender<TaskId>, tokio::sync::Mutex<Commitments>),
    ended: Wake,
}

type Commitments = mpsc::Receiver<TaskId>;

/// Milliseconds, of all tasks that got there.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Tasks measured.
    pub count: usize,
    /// Half were quicker.
    pub p50_ms: u32,
    /// 95 % were.
    pub p95_ms: u32,
    /// 99 % were.
    pub p99_ms: u32,
    /// The slowest.
    pub max_ms: u32,
}

impl Latency {
    fn of(mut millis: Vec<u32>) -> Self {
        millis.sort_unstable();
        let at = |share: f64| {
            let place = (millis.len() as f64 * share).ceil() as usize;
            millis.get(place.saturating_sub(1)).copied().unwrap_or(0)
        };
        Self {
            count: millis.len(),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: millis.last().copied().unwrap_or(0),
        }
    }
}

impl Tracker {
    pub(super) fn new() -> Self {
        // A commitment is told of once a task; the bound is that of tasks under way.
        let (sender, receiver) = mpsc::channel(65_536);
        Self {
            state: Mutex::default(),
            commitments: (sender, tokio::sync::Mutex::new(receiver)),
            ended: Wake::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn posted(&self, task: TaskId, escrow: Address, salt: Hash32, due: Instant) {
        let mut state = self.state();
        state.live.insert(task, Live { due, assigned: false, committed: false });
        state.all.push(Posting { task, escrow, salt });
    }

    /// The node did not take it: nothing will be heard of it.
    pub(super) fn refused(&self, task: &TaskId) {
        let mut state = self.state();
        state.live.remove(task);
        state.all.retain(|posting| posting.task != *task);
        drop(state);
        self.ended.notify_waiters();
    }

    pub(super) fn all_posted(&self) {
        self.state().all_posted = true;
        self.ended.notify_waiters();
    }

    pub(super) fn has_ended(&self, task: &TaskId) -> bool {
        !self.state().live.contains_key(task)
    }

    /// Tasks under way, and those that have ended.
    pub(super) fn counts(&self) -> (usize, Ends) {
        let state = self.state();
        (state.live.len(), state.ends)
    }

    /// When a task ended last.
    pub(super) fn last_end(&self) -> Option<Instant> {
        self.state().last_end
    }

    pub(super) fn latencies(&self) -> (Latency, Latency) {
        let state = self.state();
        (Latency::of(state.assigned.clone()), Latency::of(state.paid.clone()))
    }

    pub(super) fn postings(&self) -> Vec<Posting> {
        self.state().all.clone()
    }

    /// The next commitment on chain; `None` once all tasks have ended or `stop` is cancelled.
    pub(super) async fn next_commitment(&self, stop: &CancellationToken) -> Option<TaskId> {
        let mut queue = self.commitments.1.lock().await;
        loop {
            let ended = self.ended.notified();
            let over = {
                let state = self.state();
                state.all_posted && state.live.is_empty()
            };
            if over {
                return None;
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                commitment = queue.recv() => return commitment,
                () = ended => {}
                // A wake-up between the look and the wait is made up for.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn heard(&self, notify: &Notify, now: Instant) {
        let task = TaskId(notify.task);
        let mut state = self.state();
        let state = &mut *state;
        let Some(live) = state.live.get_mut(&task) else { return };
        let millis = u32::try_from(now.saturating_duration_since(live.due).as_millis());
        let millis = millis.unwrap_or(u32::MAX);
        match notify.state {
            TaskState::Assigned if !live.assigned => {
                live.assigned = true;
                state.assigned.push(millis);
            }
            TaskState::Committed if !live.committed => {
                live.committed = true;
                // Full only if thousands wait: those are audited for want of a nonce.
                let _ = self.commitments.0.try_send(task);
            }
            TaskState::Paid | TaskState::Slashed | TaskState::Refunded | TaskState::Late => {
                match notify.state {
                    TaskState::Paid => {
                        state.ends.paid += 1;
                        state.paid.push(millis);
                    }
                    TaskState::Slashed => state.ends.slashed += 1,
                    TaskState::Late => state.ends.late += 1,
                    _ => state.ends.refunded += 1,
                }
                state.live.remove(&task);
                state.last_end = Some(now);
                if state.live.is_empty() {
                    self.ended.notify_waiters();
                }
            }
            _ => {}
        }
    }

    /// Reads the operator's transactions until `stop`.
    pub(super) async fn follow(
        &self,
        chain: Api,
        operator: StdAddr,
        stop: CancellationToken,
    ) -> Result<(), SoakError> {
        let mut tip = chain.subscribe();
        let mut from = 0;
        while !stop.is_cancelled() {
            let account = operator.clone();
            let read = chain.with(move |chain| notices(chain, &account, from)).await??;
            let now = Instant::now();
            for notice in &read.notices {
                self.heard(notice, now);
            }
            from = read.next;
            if read.full {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                changed = tip.changed() => {
                    if changed.is_ok() {
                        tokio::time::sleep(REST).await;
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }
}

struct Read {
    notices: Vec<Notify>,
    next: u64,
    full: bool,
}

/// The notices the operator got, from this logical time on.
fn notices(chain: &Chain, operator: &StdAddr, from: u64) -> Result<Read, ChainError> {
    let page = chain.transactions(operator, from, u64::MAX, Order::OldestFirst, PAGE)?;
    let next = page.last().map_or(from, |last| last.lt + 1);
    let mut found = Vec::new();
    for record in &page {
        let transaction = record.load()?;
        let Some(message) = transaction.load_in_msg()? else { continue };
        let MsgInfo::Int(info) = &message.info else { continue };
        if info.bounced {
            continue;
        }
        let mut body: CellSlice<'_> = message.body;
        if body.get_u32(0).ok() != Some(op::NOTIFY) {
            continue;
        }
        // The notice is a cell of its own there.
        let mut cell = CellBuilder::new();
        cell.store_slice(body.load_remaining())?;
        found.extend(Notify::parse(&cell.build()?).ok());
    }
    Ok(Read { notices: found, next, full: page.len() == PAGE })
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_of_the_sorted_list() {
        let latency = Latency::of((1..=100).rev().collect());
        assert_eq!((latency.p50_ms, latency.p95_ms, latency.p99_ms), (50, 95, 99));
        assert_eq!((latency.count, latency.max_ms), (100, 100));
        assert_eq!(Latency::of(Vec::new()).max_ms, 0);
    }
}
