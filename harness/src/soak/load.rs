//! The load: tasks posted at a fixed rate whatever comes back, paid by one wallet, their nonces
//! opened when their commitments are on chain.
//!
//! ```text
//! clock --posted at R/s--> node --> funding queue --100 escrows a message--> chain
//!                            ^                                                |
//!                            '----- nonce, once the chain says committed -----'
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fog_chain::{ChainClient, DeliveryError};
use fog_protocol::{Address, BlobRef, Hash32, Nano, ResourceLimits, Signed, TaskId};
use fog_requestor::{
    Draft, DraftPolicy, DraftProgram, NodeClient, NodeError, Openings, PayError, Prepared,
    Requestor,
};
use fog_wallet::UnlockedWallet;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{SoakError, SoakOptions, watch::Tracker};
use crate::{Timing, network::salt};

/// Most a task may cost.
pub(super) const PRICE: Nano = Nano::new(20_000_000);
/// Escrows paid by one wallet message: an external message holds at most 64 KiB.
pub(super) const PER_MESSAGE: usize = 100;
/// Listings on their way to the node at once.
const POSTING: usize = 128;
const PAUSE: Duration = Duration::from_millis(100);
const FUEL: u64 = 20_000_000;

/// Posts, pays and opens nonces.
#[derive(Debug)]
pub(super) struct Load {
    options: SoakOptions,
    requestor: Requestor,
    tracker: Arc<Tracker>,
    /// Listings that the node refused, with the last reason.
    refused: AtomicU64,
    retried: AtomicU64,
    /// Ends everything that still tries again.
    stop: CancellationToken,
}

/// How the posting went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posted {
    pub(super) refused: u64,
    pub(super) retried: u64,
    /// From the first to the last posting.
    pub(super) seconds: f64,
}

/// One input: a few hundred words, different in each.
fn input(seed: u64, number: usize) -> Vec<u8> {
    let word = |at: usize| format!("w{} ", (seed as usize + number * 31 + at * 7) % 97);
    // Its own first word, so that no two have the same result.
    std::iter::once(format!("input{number} ")).chain((0..100).map(word)).collect::<String>().into()
}

impl Load {
    pub(super) fn new(
        options: SoakOptions,
        node: NodeClient,
        chain: ChainClient,
        wallet: UnlockedWallet,
        tracker: Arc<Tracker>,
    ) -> Self {
        Self {
            options,
            requestor: Requestor { node, chain, wallet, openings: Openings::in_memory() },
            tracker,
            refused: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            stop: CancellationToken::new(),
        }
    }

    /// Uploads the module and the inputs, once.
    pub(super) async fn upload(&self) -> Result<(), SoakError> {
        let key = &self.requestor.wallet.key;
        self.requestor.node.put_blob(key, self.options.guest.clone()).await?;
        for number in 0..self.options.inputs {
            let bytes = input(self.options.seed, number);
            self.requestor.node.put_blob(key, bytes).await?;
        }
        Ok(())
    }

    /// Posts for the time asked for, and returns when the last task has ended.
    pub(super) async fn run(self: Arc<Self>) -> Result<Posted, SoakError> {
        let nonces = tokio::spawn(Arc::clone(&self).open_nonces());
        let posted = Arc::clone(&self).post_all().await?;
        self.tracker.all_posted();
        // Ends with the last task.
        nonces.await.map_err(|error| SoakError::Broken(error.to_string()))?;
        Ok(posted)
    }

    /// Posts for the time asked for, and returns when the last listing is taken and paid.
    pub(super) async fn post_all(self: Arc<Self>) -> Result<Posted, SoakError> {
        let total = (self.options.rate * self.options.seconds.as_secs_f64()).round() as u64;
        let (pay, due) = mpsc::channel(4096);
        let payer = tokio::spawn(Arc::clone(&self).pay(due));
        let (posting, places) = (TaskTracker::new(), Arc::new(Semaphore::new(POSTING)));
        let template = self.template()?;
        let started = Instant::now();
        for number in 0..total {
            let due = started + Duration::from_secs_f64(number as f64 / self.options.rate);
            tokio::time::sleep_until(due.into()).await;
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let (load, pay) = (Arc::clone(&self), pay.clone());
            let prepared = self.prepare(&template, number)?;
            posting.spawn(async move {
                load.post(prepared, due, pay).await;
                drop(place);
            });
        }
        let seconds = started.elapsed().as_secs_f64();
        posting.close();
        posting.wait().await;
        drop(pay);
        payer.await.map_err(|error| SoakError::Broken(error.to_string()))??;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Posted { refused: count(&self.refused), retried: count(&self.retried), seconds })
    }

    /// Ends everything that still tries again.
    pub(super) fn give_up(&self) {
        self.stop.cancel();
    }

    fn template(&self) -> Result<Prepared, SoakError> {
        let draft = Draft {
            rail: fog_protocol::Rail::Escrow,
            program: DraftProgram::Wasi(self.options.guest.clone()),
            input: input(self.options.seed, 0),
            limits: ResourceLimits { fuel: FUEL, ..ResourceLimits::default() },
            price: PRICE,
            policy: DraftPolicy::Replay(self.options.rate_ppm),
            durations: Timing::SOAK.task,
            salt: Hash32([0; 32]),
        };
        let wallet = &self.requestor.wallet;
        let info = self.requestor.node.info();
        Ok(draft.prepare(info, wallet.wallet.address(), &wallet.key)?)
    }

    /// The task with this number: of one module, one of the inputs, and a salt of its own.
    fn prepare(&self, template: &Prepared, number: u64) -> Result<Prepared, SoakError> {
        let salt = salt(self.options.seed, &format!("soak/{number}"));
        let mut listing = template.listing.clone();
        let input = input(self.options.seed, number as usize % self.options.inputs);
        listing.input = BlobRef::of(&input);
        listing.salt = salt;
        let nonce = fog_requestor::nonce(&self.requestor.wallet.key, &salt);
        listing.nonce_hash = fog_verifier::draw::nonce_hash(&nonce);
        let escrow = fog_contracts::task::TaskInit::of(&listing).address()?;
        Ok(Prepared { task: listing.id(), escrow, listing, blobs: Vec::new() })
    }

    async fn post(&self, prepared: Prepared, due: Instant, pay: mpsc::Sender<Prepared>) {
        let (task, escrow) = (prepared.task, prepared.escrow);
        self.tracker.posted(task, escrow, prepared.listing.salt, due);
        let signed = Signed::new(prepared.listing.clone(), &self.requestor.wallet.key);
        loop {
            match self.requestor.node.post_task(&signed).await {
                Ok(answer) if (answer.task, answer.escrow) == (task, escrow) => {
                    let _ = pay.send(prepared).await;
                    return;
                }
                Err(error) if passes(&error) && !self.stop.is_cancelled() => {
                    self.retried.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(_) | Err(_) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return self.tracker.refused(&task);
                }
            }
        }
    }

    /// Pays escrows, as many in one wallet message as wait.
    async fn pay(self: Arc<Self>, mut due: mpsc::Receiver<Prepared>) -> Result<(), SoakError> {
        let Requestor { chain, wallet, .. } = &self.requestor;
        let mut batch = Vec::with_capacity(PER_MESSAGE);
        while due.recv_many(&mut batch, PER_MESSAGE).await > 0 {
            let payments = batch.iter().map(|prepared| self.requestor.payment(prepared));
            let payments = payments.collect::<Result<Vec<_>, _>>()?;
            loop {
                match fog_requestor::send(chain, wallet, &payments).await {
                    Ok(_) => break,
                    // It ran out of time unseen: nothing was paid.
                    Err(PayError::Delivery(DeliveryError::Expired))
                        if !self.stop.is_cancelled() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            batch.clear();
        }
        Ok(())
    }

    async fn open_nonces(self: Arc<Self>) {
        let opening = TaskTracker::new();
        while let Some(task) = self.tracker.next_commitment(&self.stop).await {
            let load = Arc::clone(&self);
            opening.spawn(async move { load.open_nonce(task).await });
        }
        opening.close();
        opening.wait().await;
    }

    async fn open_nonce(&self, task: TaskId) {
        while !self.tracker.has_ended(&task) && !self.stop.is_cancelled() {
            if let Ok(view) = self.requestor.node.task(&task).await
                && let Ok(true) = self.requestor.open_nonce(&view).await
            {
                return;
            }
            // The node may not know yet what the chain says, or be down.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// May the same request be taken later?
fn passes(error: &NodeError) -> bool {
    match error {
        NodeError::Unreachable { .. } => true,
        NodeError::Refused { status, .. } => matches!(status, 429 | 500..=599),
        NodeError::Url(_)
        | NodeError::Malformed(_)
        | NodeError::TooLong(_)
        | NodeError::OtherEvidence { .. } => false,
    }
}

/// Everything that was posted, for the comparison at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) task: TaskId,
    pub(super) escrow: Address,
    /// Of its listing: its nonce follows from it.
    pub(super) salt: Hash32,
}
