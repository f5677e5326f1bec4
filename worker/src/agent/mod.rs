//! The worker's one loop. It alone decides and writes the journal; connections, executions and
//! uploads run beside it and report to it.
//!
//! ```text
//!  node ──frames──▶ Gateway ──┐                    ┌──▶ Gateway ──frames──▶ node
//!  chain ◀──polls── Watcher ──┼──▶ Agent ─journal──┤
//!  sandbox, uploads (work) ───┘                    └──▶ work, events
//! ```

mod offers;
mod pledges;
mod rail;
mod tasks;

pub(crate) use rail::{RailOffer, Shown};

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use fog_protocol::{
    Address, GivenUp, Nano, TaskId,
    gateway::{PassReason, ServerFrame, WorkerFrame},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    earnings::Earnings,
    event::WorkerEvent,
    gateway::{Incoming, Session},
    governor::{Breaker, Governor, Held},
    journal::{Ending, Entry, JournalError, Outcome, Phase, Pins, Record},
    pledges::Pledges,
    port::{ChainStatus, PortError},
    store::Store,
    work::{Context, Report},
};

/// A view of the chain older than this is no ground for a bid.
const STALE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(500);
/// A commitment that is not acknowledged is sent again after this.
const ACK_PATIENCE: Duration = Duration::from_secs(10);
/// The same once its deadline is over: the node may still know better.
const LATE_PATIENCE: Duration = Duration::from_secs(120);
/// Seconds past its consent until a bid is forgotten: the chain may tell late.
const FORGET_SECONDS: u64 = 300;
/// How often the node is asked about tasks it should have closed.
const RESUME_EVERY: Duration = Duration::from_secs(120);
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// Most tasks in one frame.
const RESUME_MOST: usize = 256;
/// How long a fresh assignment may be missing in our view of the chain.
const LAG: Duration = Duration::from_secs(30);

/// How a worker stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// No more bids; what is held is done, committed and submitted first.
    Drain,
    /// At once; the journal keeps everything for the next start.
    Fast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Working,
    Draining,
}

/// Loop and memory of a running worker.
pub(crate) struct Agent {
    pub(crate) governor: Governor,
    pub(crate) context: Arc<Context>,
    pub(crate) pins: PinsWanted,
    pub(crate) session: watch::Sender<Option<Session>>,
    pub(crate) running_count: watch::Sender<u16>,
    pub(crate) frames: mpsc::Sender<WorkerFrame>,
    pub(crate) events: mpsc::Sender<WorkerEvent>,
    pub(crate) earnings: Earnings,
    pub(crate) pledges: Pledges,
    pub(crate) state: Volatile,
}

/// What the journal is pinned to, but for the node, which is known on the first connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PinsWanted {
    pub(crate) market: fog_protocol::Address,
    pub(crate) network: i32,
}

/// What a restart may forget.
pub(crate) struct Volatile {
    mode: Mode,
    chain: Option<(ChainStatus, Instant)>,
    chain_trouble: String,
    disk_trouble: Option<String>,
    blocked: Option<String>,
    breaker: Breaker,
    started: Instant,
    queue: VecDeque<TaskId>,
    running: BTreeMap<TaskId, AbortOnDropHandle<()>>,
    uploading: BTreeMap<TaskId, AbortOnDropHandle<()>>,
    /// Results on disk whose record the disk did not take yet.
    unsaved: BTreeMap<TaskId, Outcome>,
    attempts: BTreeMap<TaskId, u32>,
    not_before: BTreeMap<TaskId, Instant>,
    commit_sent: BTreeMap<TaskId, Instant>,
    /// What was given up, until its task is closed: the node may not have heard why.
    given_up: BTreeMap<TaskId, GivenUp>,
    assigned_at: BTreeMap<TaskId, Instant>,
    resumed: Instant,
    probed: Instant,
    connected: Option<Session>,
    /// Looks at earnings, on chain and at the node.
    looks: JoinSet<()>,
    vouchers_asked: BTreeMap<Address, Instant>,
    /// When pledges were last looked at.
    pledges_seen: Instant,
    /// The pledge that was refused last, and why: said once.
    pledge_refused: Option<(u32, String)>,
    /// Pledges that are reserved and not promised, since when, and whether that was said.
    unpromised: BTreeMap<TaskId, (Instant, bool)>,
}

impl Volatile {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            mode: Mode::Working,
            chain: None,
            chain_trouble: "the chain was not read yet".into(),
            disk_trouble: None,
            blocked: None,
            breaker: Breaker::default(),
            started: now,
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            uploading: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            attempts: BTreeMap::new(),
            not_before: BTreeMap::new(),
            commit_sent: BTreeMap::new(),
            given_up: BTreeMap::new(),
            assigned_at: BTreeMap::new(),
            resumed: now,
            probed: now,
            connected: None,
            looks: JoinSet::new(),
            vouchers_asked: BTreeMap::new(),
            pledges_seen: now,
            pledge_refused: None,
            unpromised: BTreeMap::new(),
        }
    }
}

/// What the loop listens to.
pub(crate) struct Inputs {
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) chain: mpsc::Receiver<Result<ChainStatus, PortError>>,
    pub(crate) shutdown: mpsc::Receiver<Shutdown>,
}

impl Agent {
    /// Runs until shut down.
    pub(crate) async fn run(mut self, mut inputs: Inputs) {
        self.recover();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                how = inputs.shutdown.recv() => match how {
                    Some(Shutdown::Drain) => self.state.mode = Mode::Draining,
                    Some(Shutdown::Fast) | None => break,
                },
                Some(incoming) = inputs.incoming.recv() => self.on_incoming(incoming).await,
                Some(report) = inputs.reports.recv() => self.on_report(report).await,
                Some(status) = inputs.chain.recv() => self.on_chain(status),
                _ = tick.tick() => self.on_tick().await,
            }
            self.start_work();
            self.show_blocked();
            if self.state.mode == Mode::Draining && self.is_drained() {
                break;
            }
        }
        self.stop_work().await;
        let open = self.store().read(|state| state.open().count());
        self.tell(WorkerEvent::Stopped { open });
    }

    /// Once this is over nothing uses the journal any more.
    async fn stop_work(&mut self) {
        self.state.looks.shutdown().await;
        let running = std::mem::take(&mut self.state.running);
        let uploading = std::mem::take(&mut self.state.uploading);
        for (_, work) in running.into_iter().chain(uploading) {
            work.abort();
            // It says that it was aborted.
            let _ = work.await;
        }
    }

    fn store(&self) -> &Store {
        &self.context.store
    }

    /// Events nobody reads are dropped: they hold up nothing.
    fn tell(&self, event: WorkerEvent) {
        tracing::info!(task = ?event.task(), "{event}");
        let _ = self.events.try_send(event);
    }

    /// A frame that finds no room is dropped; everything that counts is said again.
    fn send(&self, frame: WorkerFrame) {
        if self.state.connected.is_some() && self.frames.try_send(frame).is_err() {
            tracing::warn!("a frame to the node was dropped: the connection does not keep up");
        }
    }

    fn send_pass(&self, task: TaskId, reason: PassReason, ask: Option<Nano>, detail: String) {
        self.send(WorkerFrame::Pass { task, reason, ask });
        self.tell(WorkerEvent::Passed { task, reason, detail });
    }

    /// Queues what the journal holds.
    fn recover(&mut self) {
        let mut waiting = self.store().read(|state| {
            let assigned = |(task, entry): (&TaskId, &Entry)| match entry.phase {
                Phase::Assigned { .. } => Some((entry.order, *task)),
                Phase::Bid { .. }
                | Phase::Executed { .. }
                | Phase::Committed { .. }
                | Phase::Submitted { .. } => None,
            };
            state.open().filter_map(assigned).collect::<Vec<_>>()
        });
        waiting.sort_unstable();
        self.state.queue = waiting.into_iter().map(|(_, task)| task).collect();
        self.upload_committed();
        let resumed = self.store().read(|state| state.open().count());
        let fuel_per_second = self.governor.speed.fuel_per_second;
        self.tell(WorkerEvent::Started { fuel_per_second, resumed });
    }

    /// Chain time now: the last block's, and what has passed since.
    fn chain_time(&self) -> Option<u64> {
        let (status, at) = self.state.chain.as_ref()?;
        Some(status.time.saturating_add(at.elapsed().as_secs()))
    }

    async fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected { session, probation_left } => {
                self.on_connected(session, probation_left).await;
            }
            Incoming::Frame(frame) => self.on_frame(*frame).await,
            Incoming::Disconnected { reason, retry_in } => {
                self.state.connected = None;
                let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                self.tell(WorkerEvent::Disconnected { reason, retry_in_ms });
            }
            Incoming::Refused { reason } => self.tell(WorkerEvent::Refused { task: None, reason }),
        }
    }

    async fn on_connected(&mut self, session: Session, probation_left: u32) {
        let PinsWanted { market, network } = self.pins;
        let worker = self.context.identity.worker;
        let pins = Record::Pinned(Pins { node: session.node, market, network, worker });
        if let Err(error) = self.store().append(pins).await {
            // The gateway checks the node's id before: this is the disk.
            return self.on_disk_trouble(&error);
        }
        self.state.connected = Some(session);
        self.session.send_replace(Some(session));
        self.tell(WorkerEvent::Connected { node: session.node, probation_left });
        self.resume();
        self.state.commit_sent.clear();
        self.send_given_up();
        self.send_commitments().await;
    }

    /// Asks the node about every open task.
    fn resume(&mut self) {
        self.state.resumed = Instant::now();
        let tasks = self.store().read(|state| state.open().map(|(id, _)| *id).collect::<Vec<_>>());
        for tasks in tasks.chunks(RESUME_MOST) {
            self.send(WorkerFrame::Resume { tasks: tasks.to_vec() });
        }
    }

    async fn on_frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Offer {
                listing,
                escrow,
                reserve_at_cap,
                bids_until,
                earnings,
                pledge,
            } => {
                let rail = earnings.map(|earnings| (earnings, pledge));
                self.on_offer(*listing, escrow, reserve_at_cap, bids_until, rail).await;
            }
            ServerFrame::Assigned { task, listing, escrow, commit_by } => {
                self.on_assigned(task, *listing, escrow, commit_by).await;
            }
            ServerFrame::Lost { task, code: _, reason } => self.on_lost(task, reason).await,
            ServerFrame::Committed { task, verdict_by } => {
                self.on_committed(task, verdict_by).await;
            }
            ServerFrame::Closed { task, status, amount, reason } => {
                self.on_closed(task, status, amount, reason).await;
            }
            ServerFrame::Error { code, message, task } => {
                if let Some(task) = task {
                    // It heard, and will not hear more.
                    self.state.given_up.remove(&task);
                    // A refused bid does not win: what it promised is free again.
                    self.forget_bid(task).await;
                }
                self.tell(WorkerEvent::NodeError { code, message, task });
            }
            ServerFrame::Pong { .. } | ServerFrame::Welcome { .. } => {}
            ServerFrame::Challenge { .. } => {
                let reason = "a second challenge on one connection".into();
                self.tell(WorkerEvent::Refused { task: None, reason });
            }
        }
    }

    fn on_chain(&mut self, status: Result<ChainStatus, PortError>) {
        match status {
            Ok(status) => {
                let before = self.state.chain.map(|(status, _)| status.stake);
                if before != Some(status.stake) {
                    let crate::port::StakeStatus { free, reserved, earnings, .. } = status.stake;
                    self.tell(WorkerEvent::Stake { free, reserved, earnings });
                }
                self.state.chain = Some((status, Instant::now()));
                self.state.assigned_at.retain(|_, at| at.elapsed() < LAG);
            }
            Err(error) => self.state.chain_trouble = error.to_string(),
        }
    }

    fn on_disk_trouble(&mut self, error: &JournalError) {
        self.state.disk_trouble = Some(error.to_string());
    }

    async fn on_tick(&mut self) {
        if self.state.probed.elapsed() > PROBE_EVERY || self.state.disk_trouble.is_some() {
            self.state.probed = Instant::now();
            let room = self.governor.limits.max_output_bytes.saturating_add(16 << 20);
            match self.store().probe(room).await {
                Ok(()) => self.state.disk_trouble = None,
                Err(error) => self.on_disk_trouble(&error),
            }
        }
        self.save_results().await;
        self.forget_bids().await;
        self.give_up_late().await;
        self.send_commitments().await;
        self.fetch_vouchers();
        self.watch_pledges();
        if self.state.resumed.elapsed() > RESUME_EVERY {
            self.resume();
        }
    }

    /// Bids whose consent ran out well before now.
    async fn forget_bids(&mut self) {
        let Some(now) = self.chain_time() else { return };
        let expired = self.store().read(|state| {
            let over = |entry: &Entry| match entry.phase {
                Phase::Bid { valid_until, .. } => valid_until.saturating_add(FORGET_SECONDS) < now,
                Phase::Assigned { .. }
                | Phase::Executed { .. }
                | Phase::Committed { .. }
                | Phase::Submitted { .. } => false,
            };
            state.open().filter(|(_, entry)| over(entry)).map(|(id, _)| *id).collect::<Vec<_>>()
        });
        for task in expired {
            self.forget_bid(task).await;
        }
    }

    /// Ends the bid on `task`; `true` if it was one.
    async fn forget_bid(&mut self, task: TaskId) -> bool {
        let bid = self.store().read(|state| {
            state.get(&task).is_some_and(|entry| matches!(entry.phase, Phase::Bid { .. }))
        });
        if bid {
            self.drop_claim(&task);
            if let Err(error) = self.store().close(task, Ending::NotWon).await {
                self.on_disk_trouble(&error);
            }
        }
        bid
    }

    /// Why no bids are made, if none are.
    fn blocked(&self) -> Option<(PassReason, String)> {
        let busy = |detail| Some((PassReason::Busy, detail));
        if self.state.mode == Mode::Draining {
            return Some((PassReason::Draining, "shutting down: what is held is finished".into()));
        }
        if let Some(trouble) = &self.state.disk_trouble {
            return busy(trouble.clone());
        }
        let pause = self.state.breaker.stopped_for(self.state.started.elapsed().as_secs());
        if pause > 0 {
            return busy(format!(
                "{} of its own executions failed in a row: no bids for {pause} s; see the log",
                self.governor.limits.max_failures
            ));
        }
        match &self.state.chain {
            Some((status, at)) if at.elapsed() < STALE => {
                (status.stake.session != self.context.identity.session_key()).then(|| {
                    let detail = "the stake names another session key than this worker's: \
                                  register it with `fog worker stake`";
                    (PassReason::StakeTooSmall, detail.into())
                })
            }
            Some(_) | None => busy(self.state.chain_trouble.clone()),
        }
    }

    /// Tells when bidding stops, why, and when it goes on.
    fn show_blocked(&mut self) {
        let blocked = self.blocked().map(|(_, reason)| reason);
        // The countdown of a pause is no news.
        let key = |reason: &Option<String>| {
            reason.as_ref().map(|text| text.chars().take(40).collect::<String>())
        };
        if key(&blocked) != key(&self.state.blocked) {
            self.tell(match &blocked {
                Some(reason) => WorkerEvent::NotBidding { reason: reason.clone() },
                None => WorkerEvent::Bidding,
            });
        }
        self.state.blocked = blocked;
    }

    /// Nothing left that the worker must do.
    fn is_drained(&self) -> bool {
        let now = self.chain_time().unwrap_or(0);
        self.store().read(|state| {
            state.open().all(|(_, entry)| match entry.phase {
                Phase::Submitted { .. } => true,
                Phase::Bid { valid_until, .. } => valid_until < now,
                Phase::Assigned { .. } | Phase::Executed { .. } | Phase::Committed { .. } => false,
            })
        })
    }

    /// The situation of held and bid-for tasks, `except` the one considered.
    fn held(&self, except: &TaskId, now: u64) -> BTreeMap<TaskId, Held> {
        let held = |entry: &Entry| {
            let reserve = entry.reserve;
            match &entry.phase {
                Phase::Bid { valid_until, .. } if valid_until.saturating_add(30) < now => None,
                Phase::Bid { load, .. } => Some(Held::Pending { reserve, load: *load }),
                Phase::Assigned { listing, commit_by } => {
                    let load = self.governor.load_now(listing, commit_by.saturating_sub(now));
                    Some(Held::Working { reserve, load })
                }
                Phase::Executed { .. } | Phase::Committed { .. } | Phase::Submitted { .. } => {
                    Some(Held::Done { reserve })
                }
            }
        };
        self.store().read(|state| {
            let others = state.open().filter(|(task, _)| *task != except);
            let others = others.filter_map(|(task, entry)| Some((*task, held(entry)?)));
            // Pledged stake is at risk, too; work that a pledge stands for adds nothing to that.
            let pledged = self.pledges.at_risk().filter(|(task, _)| task != except);
            others.chain(pledged.map(|(task, reserve)| (task, Held::Done { reserve }))).collect()
        })
    }

    /// All stake at risk.
    fn at_risk(&self, held: &BTreeMap<TaskId, Held>) -> Nano {
        held.values().map(Held::reserve).sum()
    }

    /// Stake that is free and not promised to a bid or an assignment the chain does not show yet.
    fn free_stake(&self, held: &BTreeMap<TaskId, Held>) -> Nano {
        let free = self.state.chain.map_or(Nano::ZERO, |(status, _)| status.stake.free);
        let promised = held.iter().map(|(task, held)| match held {
            Held::Pending { reserve, .. } => *reserve,
            Held::Working { reserve, .. } | Held::Done { reserve }
                if self.state.assigned_at.contains_key(task) =>
            {
                *reserve
            }
            Held::Working { .. } | Held::Done { .. } => Nano::ZERO,
        });
        free.saturating_sub(promised.sum()).saturating_sub(self.pledges.unreserved())
    }
}
