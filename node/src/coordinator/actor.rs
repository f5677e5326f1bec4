//! The loop, and what each command decides.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use fog_market::{Event, Market, Refused};
use fog_protocol::{
    Address, Bid, Commit, Hash32, NonceOpening, Signed, TaskId, TaskStatus, api::Refusal,
    gateway::ServerFrame,
};
use fog_verifier::{AuditBasis, Conclusion, Judgement, draw};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    command::{Command, Joined, Received, Reply, Work},
    perform::Release,
    project::Shown,
    rail::Rail,
    verify::{Asked, Verifications},
};
use crate::{
    NodeError,
    denied::{Denied, Why},
    epoch::Begun,
    follow::{Reading, Reconciler},
    settle::Signer,
    shared::{ChainHealth, Counters, Shared},
    store::{Ballot, Batch, Entry, HistoryRow, Intent, Step, Submitted, WorkerRow, encode},
};

/// Events between two checkpoints of the state hash.
const CHECKPOINT_EVERY: i64 = 256;
/// Characters of a note on a verification.
const MAX_NOTE_CHARS: usize = 1_000;

/// What the coordinator works with besides the market.
pub(crate) struct Tools {
    /// Reads contracts when asked.
    pub(crate) reconciler: Reconciler,
    /// Signs what no contract holds.
    pub(crate) signer: Arc<Signer>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools(..)")
    }
}

/// The coordinator's state.
pub(crate) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) market: Market,
    pub(super) reconciler: Reconciler,
    pub(super) signer: Arc<Signer>,
    /// Accounts and earnings.
    pub(super) rail: Rail,
    pub(super) verifications: Verifications,
    /// The epoch whose seed decides about each undecided commitment.
    pub(super) epochs: HashMap<TaskId, u64>,
    /// Tasks whose nonce was opened by an older version, without the signature that verifiers want.
    pub(super) unsigned: HashSet<TaskId>,
    /// Epochs in which tasks can still begin; the last is the running one.
    pub(super) unshut: BTreeMap<u64, Begun>,
    /// Number of the first epoch of the chain that runs.
    pub(super) chain_from: u64,
    pub(super) seq: i64,
    pub(super) checkpoint: i64,
    /// What the database shows of each task the market remembers.
    pub(super) shown: HashMap<TaskId, Shown>,
    pub(super) escrows: HashMap<Address, TaskId>,
    pub(super) shown_workers: BTreeMap<Address, WorkerRow>,
    /// Results that are here.
    pub(super) received: HashMap<TaskId, Hash32>,
    /// Tasks whose proof is stored, and on its way.
    pub(super) proven: HashSet<TaskId>,
    /// Tasks whose worker said that it gave them up.
    pub(super) given_up: HashSet<TaskId>,
    /// Chain times before which nobody rules on disputed verdicts, as their contracts were read.
    pub(super) rules_from: HashMap<TaskId, u64>,
    /// Tasks whose commitment the chain has told of.
    pub(super) heard_commits: HashSet<TaskId>,
    /// Chain time up to which the stored cursor says that the wallet was read.
    pub(super) seen_at: u64,
    /// Why a task's last round had no match, as last written.
    pub(super) unmatched: HashMap<TaskId, String>,
    /// What was last noted on each verification that was not decided.
    pub(super) noted: HashMap<TaskId, String>,
    /// The signatures of the judgement at hand.
    pub(super) ballot: Option<Ballot>,
    /// The batch at hand.
    pub(super) batch: Batch,
    pub(super) releases: Vec<Release>,
    pub(super) changed: HashSet<TaskId>,
}

impl Actor {
    /// An actor over a market that was replayed from the log.
    pub(super) fn new(shared: Arc<Shared>, market: Market, tools: Tools) -> Self {
        let verifications = Verifications::new(Arc::clone(&shared));
        Self {
            shared,
            market,
            reconciler: tools.reconciler,
            signer: tools.signer,
            rail: Rail::default(),
            verifications,
            epochs: HashMap::new(),
            unsigned: HashSet::new(),
            unshut: BTreeMap::new(),
            chain_from: 0,
            seq: 0,
            checkpoint: 0,
            shown: HashMap::new(),
            escrows: HashMap::new(),
            shown_workers: BTreeMap::new(),
            received: HashMap::new(),
            proven: HashSet::new(),
            given_up: HashSet::new(),
            rules_from: HashMap::new(),
            heard_commits: HashSet::new(),
            seen_at: 0,
            unmatched: HashMap::new(),
            noted: HashMap::new(),
            ballot: None,
            batch: Batch::default(),
            releases: Vec::new(),
            changed: HashSet::new(),
        }
    }

    /// Runs until every sender is gone or `stop` is cancelled and the queue is empty.
    pub(crate) async fn run(
        mut self,
        mut queue: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), NodeError> {
        let most = self.shared.config.limits.commands_per_commit.max(1);
        let mut commands = Vec::with_capacity(most);
        loop {
            let received = tokio::select! {
                biased;
                received = queue.recv_many(&mut commands, most) => received,
                () = stop.cancelled() => 0,
            };
            if received == 0 {
                break;
            }
            for command in commands.drain(..) {
                self.command(command)?;
                self.follow_rail()?;
            }
            self.due()?;
            self.follow_rail()?;
            self.flush().await?;
        }
        // What is queued already is still decided.
        queue.close();
        while let Ok(command) = queue.try_recv() {
            self.command(command)?;
            self.follow_rail()?;
        }
        self.checkpoint();
        self.flush().await?;
        self.verifications.stop().await;
        Ok(())
    }

    /// Acts on deadlines and finished rounds.
    fn due(&mut self) -> Result<(), NodeError> {
        let now = self.now();
        if now == 0 {
            return Ok(());
        }
        self.turn_epoch()?;
        self.shut_epochs(now);
        self.turn_pledges(now)?;
        if self.market.next_alarm().is_some_and(|at| at <= now) {
            self.internal(Event::Tick)?;
        }
        if self.market.next_round().is_some_and(|at| at <= now) {
            self.internal(Event::CloseRounds)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) {
        if self.seq > self.checkpoint {
            self.checkpoint = self.seq;
            self.batch.checkpoint = Some((self.seq, self.market.state_hash()));
        }
    }

    /// Writes the batch, then releases what depends on it.
    pub(super) async fn flush(&mut self) -> Result<(), NodeError> {
        if self.seq >= self.checkpoint + CHECKPOINT_EVERY {
            self.checkpoint();
        }
        self.project_workers();
        self.project_channels();
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.shared.store.commit(&batch).await?;
            let counters = &self.shared.counters;
            Counters::count(&counters.commits);
            let events = batch.entries.len() as u64;
            counters.events.fetch_add(events, std::sync::atomic::Ordering::Relaxed);
        }
        for release in std::mem::take(&mut self.releases) {
            self.release(release);
        }
        for task in self.changed.drain() {
            // Nobody listening is fine.
            drop(self.shared.changes.send(task));
        }
        Ok(())
    }

    /// Chain time, as the market counts it.
    pub(super) fn now(&self) -> u64 {
        self.shared.clock.now().max(self.market.clock())
    }

    /// Applies an event; what it changed is in the batch. A refusal changes nothing.
    pub(super) fn event(&mut self, event: Event) -> Result<Result<(), Refused>, NodeError> {
        let now = self.now();
        let actions = match self.market.apply(&event, now) {
            Ok(actions) => actions,
            Err(refused) => return Ok(Err(refused)),
        };
        self.applied(&event, actions)?;
        Ok(Ok(()))
    }

    /// Logs and projects an event that was applied, and notes its actions.
    fn applied(
        &mut self,
        event: &Event,
        actions: Vec<fog_market::Action>,
    ) -> Result<(), NodeError> {
        self.seq += 1;
        let at = self.market.clock();
        let (seq, kind, body) = (self.seq, event.name(), encode(event)?);
        self.batch.entries.push(Entry { seq, at, kind, body });
        self.project(event, &actions)?;
        for action in actions {
            self.perform(action)?;
        }
        Ok(())
    }

    /// An event of the node's own making; the market does not refuse these.
    pub(super) fn internal(&mut self, event: Event) -> Result<(), NodeError> {
        let name = event.name();
        if let Err(refused) = self.event(event)? {
            tracing::warn!(event = name, code = refused.code(), %refused, "refused by the market");
            if let Refused::Contradiction { .. } = refused {
                // Chain and database disagree about money: nothing is sent until somebody looks.
                self.shared.set_health(ChainHealth::Gap(refused.to_string()));
            }
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), NodeError> {
        match command {
            Command::Post { listing, escrow, account, reply } => {
                self.turn_epoch()?;
                let decided = match (self.check_epoch(&listing.value), account) {
                    (Err(denied), _) => Err(denied),
                    (Ok(()), None) => {
                        self.event(Event::Posted { listing, escrow })?.map_err(refusal)
                    }
                    (Ok(()), Some(at)) => self.post_on_account(listing, escrow, &at)?,
                };
                self.answer(reply, decided);
            }
            Command::Vouch { voucher, reply } => {
                let decided = self.vouch(&voucher)?;
                self.answer(reply, decided);
            }
            Command::Account { address, reply } => {
                let view = self.account_view(&address);
                self.answer(reply, view);
            }
            Command::Pledge { bid, commit, reply } => {
                let decided = self.pledge(*bid, *commit)?;
                self.answer(reply, decided);
            }
            Command::PledgeSigned { id, ballot } => self.pledge_signed(id, ballot)?,
            Command::ChannelRead { channel, at, thrown_back } => {
                self.channel_read(&channel, at.as_deref(), thrown_back)?;
            }
            Command::Join { joined, reply } => self.join(&joined, reply)?,
            Command::Leave { worker, connection } => {
                // A newer connection of the same worker stays.
                if !self.shared.registry.is_online_besides(&worker, connection)
                    && self.market.worker(&worker).is_some()
                {
                    self.internal(Event::WorkerLeft { worker })?;
                }
            }
            Command::Bid { bid, reply } => self.bid(bid, reply)?,
            Command::Pass { task, worker, reason, ask, reply } => {
                let decided = self.event(Event::Passed { task, worker, reason, ask })?;
                self.answer(reply, decided.map_err(refusal));
            }
            Command::Commit { commit, reply } => self.commit(commit, reply)?,
            Command::Prove { task, worker, message, reply } => {
                let decided = self.prove(task, &worker, message)?;
                self.answer(reply, decided);
            }
            Command::GiveUp { task, worker, given_up, reply } => {
                let kept = self.given_up(task, worker, given_up);
                self.answer(reply, kept);
            }
            Command::Resume { worker, tasks } => {
                for task in tasks {
                    self.resume(&worker, task);
                }
            }
            Command::Work { task, reply } => {
                let work = self.work(&task);
                self.answer(reply, work);
            }
            Command::Group { group, reply } => {
                let decided = self.event(Event::Grouped { group })?;
                self.answer(reply, decided.map_err(refusal));
            }
            Command::OpenNonce { task, key, opening, reply } => {
                let decided = self.open_nonce(task, key, &opening)?;
                self.answer(reply, decided);
            }
            Command::Received { received, reply } => self.received(received, reply)?,
            Command::Judged { judgement, ballot } => self.judged(*judgement, ballot)?,
            Command::Undelivered { task, ballot } => self.intend_undelivered(task, ballot)?,
            Command::Contested { task, reason } => self.contested(task, &reason),
            Command::Undecided { task, reason } => {
                tracing::error!(%task, %reason, "no verdict could be reached: left to its deadline");
                let note = format!("no verdict could be reached, left to its deadline: {reason}");
                self.note_verifying(task, note);
            }
            Command::ShareRead { task, escrow, share } => self.share_read(task, escrow, share)?,
            Command::Chain(update) => self.chain(*update)?,
            Command::BondRead { bond } => {
                if self.market.bond() != Some(bond) {
                    self.internal(Event::BondRead { bond })?;
                }
            }
            Command::StakeRead { worker, free_stake } => {
                self.internal(Event::StakeRead { worker, free_stake })?;
            }
        }
        Ok(())
    }

    /// Answers once the batch is stored.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Denied>) {
        // Who asked may be gone.
        self.releases.push(Release::Reply(Box::new(move || drop(reply.send(answer)))));
    }

    fn join(&mut self, joined: &Joined, reply: Reply<u32>) -> Result<(), NodeError> {
        let worker = joined.worker;
        if !self.shared.registry.is_live(&worker, joined.connection) {
            self.answer(reply, Err(Denied::new(Why::Conflict, "replaced", "connected elsewhere")));
            return Ok(());
        }
        // The welcome before any offer.
        let probation = self.shared.config.probation;
        let known = self.market.worker(&worker);
        let left = known.map_or(probation, |worker| worker.probation_left(probation));
        let place = self.releases.len();
        let frame = ServerFrame::Welcome { probation_left: left };
        self.releases.push(Release::Frame(worker, frame));
        let decided = self.event(Event::WorkerJoined {
            worker,
            stake: joined.stake,
            session: joined.session,
            seal_key: joined.seal_key,
            free_stake: joined.free_stake,
        })?;
        if decided.is_err() {
            self.releases.truncate(place);
        }
        self.answer(reply, decided.map(|()| left).map_err(refusal));
        Ok(())
    }

    fn bid(&mut self, bid: Box<Signed<Bid>>, reply: Reply<()>) -> Result<(), NodeError> {
        let (task, worker) = (bid.value.task, bid.value.worker);
        if let Some(denied) = self.check_earnings(task, worker, bid.value.price)? {
            self.answer(reply, Err(denied));
            return Ok(());
        }
        let decided = self.event(Event::Bid { bid })?;
        if let Err(refused) = &decided {
            if self.market.task(&task).is_some() {
                self.batch.steps.push(Step::Refusal(
                    task,
                    Refusal {
                        worker,
                        code: refused.code().to_owned(),
                        reason: refused.to_string(),
                    },
                ));
                self.changed.insert(task);
            }
            // It counts as an answer, or the round would wait for this worker.
            if let Some((reason, ask)) = refused.as_pass() {
                drop(self.event(Event::Passed { task, worker, reason, ask })?);
            }
        }
        self.answer(reply, decided.map_err(refusal));
        Ok(())
    }

    fn commit(&mut self, commit: Box<Signed<Commit>>, reply: Reply<()>) -> Result<(), NodeError> {
        let value = &commit.value;
        let checked = match self.market.task(&value.task) {
            None => Err(Denied::no_task()),
            Some(task) => self
                .shared
                .chain
                .check_commit(
                    &task.escrow(),
                    &value.commitment,
                    &commit.signer,
                    &value.chain_signature,
                )
                .map_err(|_| {
                    let message = "chain_signature does not sign this commitment for the escrow";
                    Denied::new(Why::Invalid, "bad_chain_signature", message)
                }),
        };
        let decided = match checked {
            Ok(()) => self.event(Event::Committed { commit })?.map_err(refusal),
            Err(denied) => Err(denied),
        };
        self.answer(reply, decided);
        Ok(())
    }

    /// A checked proof goes to the chain, once.
    fn prove(
        &mut self,
        task: TaskId,
        worker: &Address,
        message: Vec<u8>,
    ) -> Result<Result<(), Denied>, NodeError> {
        let Some(known) = self.market.task(&task) else { return Ok(Err(Denied::no_task())) };
        let assigned = known.assignment().is_some_and(|assignment| assignment.worker == *worker);
        let escrow = known.escrow();
        if !assigned || !known.is_running() {
            let message = format!("the task is {}, or another worker's", known.status());
            return Ok(Err(Denied::new(Why::Conflict, "not_running", message)));
        }
        if self.proven.insert(task) {
            self.batch.steps.push(Step::Proof(task, message.clone()));
            self.intend(task, &Intent::Prove { escrow, message }, None)?;
        }
        Ok(Ok(()))
    }

    fn work(&self, id: &TaskId) -> Result<Box<Work>, Denied> {
        let task = self.market.task(id).ok_or_else(Denied::no_task)?;
        let unassigned = || {
            let message = format!("the task is {}: nobody is assigned", task.status());
            Denied::new(Why::Conflict, "not_assigned_yet", message)
        };
        let assignment = task.assignment().ok_or_else(unassigned)?;
        let worker = self.market.worker(&assignment.worker).ok_or_else(unassigned)?;
        Ok(Box::new(Work {
            status: task.status(),
            listing: task.listing().clone(),
            worker: assignment.worker,
            session: worker.session(),
            seal_key: worker.seal_key(),
            commitment: task.commitment(),
        }))
    }

    /// The requestor opens its nonce for the commitment it was shown.
    fn open_nonce(
        &mut self,
        task: TaskId,
        key: fog_protocol::PublicKey,
        opening: &Signed<NonceOpening>,
    ) -> Result<Result<(), Denied>, NodeError> {
        let Some(known) = self.market.task(&task) else { return Ok(Err(Denied::no_task())) };
        let denied = |why, code, message: &str| Ok(Err(Denied::new(why, code, message)));
        let (listing, nonce) = (known.listing(), opening.value.nonce);
        if listing.requestor_key != key || opening.signer != key {
            let message = "only the key that posted the task may open its nonce";
            return denied(Why::Forbidden, "not_requestor", message);
        }
        if opening.value.task != task {
            return denied(Why::Invalid, "other_task", "the nonce is opened for another task");
        }
        if draw::nonce_hash(&nonce) != listing.nonce_hash {
            return Ok(Err(refusal(Refused::WrongNonce)));
        }
        if known.commitment() != Some(opening.value.commitment) {
            let message = "the task has no such commitment, or not yet: look again, then open";
            return denied(Why::Conflict, "other_commitment", message);
        }
        let decided = self.event(Event::NonceOpened { task, nonce })?;
        if decided.is_ok() {
            self.batch.steps.push(Step::Nonce(task, nonce, encode(opening)?));
            self.signed_at_last(task);
        }
        Ok(decided.map_err(refusal))
    }

    fn received(&mut self, received: Received, reply: Reply<()>) -> Result<(), NodeError> {
        let Received { task, reveal, bytes, opening } = received;
        let known = self.received.get(&task).copied();
        let decided = match known {
            Some(known) if known == reveal => Ok(()),
            Some(_) => Err(crate::api::other_result()),
            None => {
                // Before the projection: a task under verification has its submission stored.
                let at = self.now();
                let row = Step::Submission(Submitted { task, reveal, bytes, at });
                let place = self.batch.steps.len();
                self.batch.steps.push(row);
                let seed = self.shared.epochs.seed(self.epoch_of(task));
                let decided = self.event(match opening {
                    None => Event::Submitted { task, seed },
                    Some(opening) => Event::Delivered { task, seed, opening },
                })?;
                if decided.is_ok() {
                    self.received.insert(task, reveal);
                } else {
                    self.batch.steps.truncate(place);
                }
                decided.map_err(refusal)
            }
        };
        self.answer(reply, decided);
        Ok(())
    }

    /// What verifiers contradict each other about is told where the task is looked at.
    fn contested(&mut self, task: TaskId, reason: &str) {
        Counters::count(&self.shared.counters.contested);
        tracing::error!(%task, %reason, "DISPUTE: verifiers contradict each other or themselves, nobody is slashed");
        self.note_verifying(
            task,
            format!(
                "DISPUTE: verifiers contradict each other or themselves, nobody is slashed: {reason}"
            ),
        );
    }

    /// A line in the history of a task, each once.
    pub(super) fn note_verifying(&mut self, id: TaskId, note: String) {
        let note: String = note.chars().take(MAX_NOTE_CHARS).collect();
        let Some(status) = self.market.task(&id).map(fog_market::Task::status) else { return };
        if self.noted.get(&id) == Some(&note) {
            return;
        }
        let row = HistoryRow { task: id, status, at: self.now(), note: note.clone() };
        self.noted.insert(id, note);
        self.batch.steps.push(Step::History(row));
        self.changed.insert(id);
    }

    fn judged(
        &mut self,
        judgement: Judgement<Conclusion>,
        ballot: Ballot,
    ) -> Result<(), NodeError> {
        let evidence = match &judgement {
            Judgement::Accepted(verified) => verified.evidence(),
            Judgement::Rejected(rejected) => rejected.evidence(),
        };
        let evidence = Box::new(evidence.clone());
        let now = self.now();
        if evidence.basis == AuditBasis::Disputed && self.is_stale(&evidence.task, &ballot) {
            return Ok(());
        }
        // For what the market makes of it, at once.
        self.ballot = Some(ballot);
        if evidence.basis == AuditBasis::Disputed {
            let event = Event::Ruled { evidence };
            return match self.market.rule(judgement, now) {
                Ok(actions) => self.applied(&event, actions),
                Err(refused @ Refused::ContraryRuling { task }) => {
                    self.contested(task, &refused.to_string());
                    Ok(())
                }
                Err(refused) => {
                    tracing::info!(code = refused.code(), %refused, "a ruling came to nothing");
                    Ok(())
                }
            };
        }
        let event = Event::Judged { evidence };
        let decided = match judgement {
            Judgement::Accepted(verified) => self.market.accept(verified, now),
            Judgement::Rejected(rejected) => self.market.reject(rejected, now),
        };
        match decided {
            Ok(actions) => self.applied(&event, actions),
            Err(refused) => {
                // On another basis than asked for meanwhile, or the task has ended.
                tracing::info!(code = refused.code(), %refused, "a verdict came to nothing");
                Ok(())
            }
        }
    }

    /// Signatures of a look from before a dispute end with the window, and no ruling may come before
    /// that: they would count never, and keep those from being sent that do. The look that the
    /// dispute has asked for is begun anew.
    fn is_stale(&mut self, id: &TaskId, ballot: &Ballot) -> bool {
        let Some(task) = self.market.task(id).filter(|task| task.is_disputed()) else {
            return false;
        };
        let until = task.deadline().unwrap_or_default();
        if u64::from(ballot.valid_until) >= until {
            return false;
        }
        let (basis, rate_ppm) = (AuditBasis::Disputed, task.listing().policy.rate_ppm());
        self.verify(*id, Asked::Result { basis, rate_ppm });
        true
    }

    /// What a reconnected worker is told of one of its tasks.
    fn resume(&mut self, worker: &Address, id: TaskId) {
        let Some(task) = self.market.task(&id) else {
            let reason = "this node knows no such task".to_owned();
            self.tell_closed(worker, id, TaskStatus::Dropped, reason);
            return;
        };
        let mine = task.assignment().is_some_and(|assignment| assignment.worker == *worker);
        let status = task.status();
        let deadline = task.deadline().unwrap_or_default();
        if !mine || status.is_terminal() {
            let reason = if mine { "the task has ended" } else { "the task is not yours" };
            self.tell_closed(worker, id, status, reason.to_owned());
            return;
        }
        let frame = match status {
            TaskStatus::Running => ServerFrame::Assigned {
                task: id,
                listing: Box::new(task.listing().clone()),
                escrow: task.escrow(),
                commit_by: deadline,
            },
            // Not reserved yet: the assignment follows, or the loss.
            TaskStatus::Assigning | TaskStatus::AwaitingFunds | TaskStatus::Open => return,
            TaskStatus::Committed
            | TaskStatus::Verifying
            | TaskStatus::Accepted
            | TaskStatus::Rejected => ServerFrame::Committed { task: id, verdict_by: deadline },
            TaskStatus::Paid | TaskStatus::Slashed | TaskStatus::Refunded | TaskStatus::Dropped => {
                return;
            }
        };
        self.releases.push(Release::Frame(*worker, frame));
    }

    fn tell_closed(&mut self, worker: &Address, task: TaskId, status: TaskStatus, reason: String) {
        let amount = fog_protocol::Nano::ZERO;
        let frame = ServerFrame::Closed { task, status, amount, reason };
        self.releases.push(Release::Frame(*worker, frame));
    }

    /// Asks for a task's contract to be read, once the batch is stored.
    pub(super) fn read_task(&mut self, task: TaskId, thrown_back: Option<i64>) {
        let known = self.market.task(&task).map(fog_market::Task::escrow);
        if let Some(escrow) = known.or_else(|| self.pledge_escrow(&task)) {
            self.releases.push(Release::Read(Reading::Task { task, escrow, thrown_back }));
        }
    }
}

/// A refusal of the market, as its sender is told.
pub(super) fn refusal(refused: Refused) -> Denied {
    let why = match &refused {
        Refused::UnknownTask(_) | Refused::UnknownWorker(_) => Why::NotFound,
        Refused::MarketFull { .. }
        | Refused::RequestorFull { .. }
        | Refused::TooManyWorkers { .. }
        | Refused::TooManyBids { .. } => Why::TooMany,
        Refused::WrongState { .. } | Refused::CommittedAlready | Refused::Offline(_) => {
            Why::Conflict
        }
        Refused::NotYours { .. } | Refused::WrongSigner { .. } => Why::Forbidden,
        _ => Why::Invalid,
    };
    Denied::new(why, refused.code(), refused.to_string())
}
