//! What the other services ask of the coordinator.

use fog_contracts::channel::ChannelData;
use fog_protocol::{
    AccountView, Address, Bid, Commit, GivenUp, Group, Hash32, Listing, Nano, NonceOpening,
    PublicKey, SealPublicKey, Signed, TaskId, TaskStatus, VoucherFile, gateway::PassReason,
};
use fog_verifier::{Conclusion, Judgement, strategy::redundant::Opening};
use tokio::sync::{mpsc, oneshot};

use crate::{
    denied::{Denied, Why},
    follow::{Applicable, ChainUpdate, Share},
    store::{Ballot, IntentKind},
};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Denied>>;

/// A worker that authenticated, with what its stake contract says.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    /// Owner wallet.
    pub(crate) worker: Address,
    /// Its stake contract.
    pub(crate) stake: Address,
    /// The session key in that contract.
    pub(crate) session: PublicKey,
    /// What payloads are sealed to.
    pub(crate) seal_key: SealPublicKey,
    /// Stake that is free.
    pub(crate) free_stake: Nano,
    /// The connection: only its own end makes the worker leave.
    pub(crate) connection: u64,
}

/// What the work's routes need to know of a task.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Where it stands.
    pub(crate) status: TaskStatus,
    /// The listing.
    pub(crate) listing: Listing,
    /// The assigned worker.
    pub(crate) worker: Address,
    /// Its session key.
    pub(crate) session: PublicKey,
    /// What the payload is sealed to.
    pub(crate) seal_key: SealPublicKey,
    /// Its commitment, once acknowledged.
    pub(crate) commitment: Option<Hash32>,
}

/// A sealed result that was opened, checked against its commitment, and stored as a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// The task.
    pub(crate) task: TaskId,
    /// Tagged hash of the opened reveal.
    pub(crate) reveal: Hash32,
    /// Bytes of the sealed file.
    pub(crate) bytes: u64,
    /// Of one of several copies: what opens its commitment.
    pub(crate) opening: Option<Opening>,
}

/// Asks the coordinator to decide or tell something.
#[derive(Debug)]
pub(crate) enum Command {
    /// A listing was posted; signature, blobs and quotas are checked.
    Post {
        /// It.
        listing: Box<Signed<Listing>>,
        /// Its escrow, or its place on the account rail.
        escrow: Address,
        /// On the account rail: what its account holds.
        account: Option<Box<ChannelData>>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A requestor's voucher.
    Vouch {
        /// It.
        voucher: Box<VoucherFile>,
        /// Answered with both signatures when it is stored.
        reply: Reply<VoucherFile>,
    },
    /// What is known of an account or of earnings?
    Account {
        /// The contract.
        address: Address,
        /// Answered at once.
        reply: Reply<AccountView>,
    },
    /// A worker consents to a pledge that it was asked for, and promises; signatures are checked.
    Pledge {
        /// The consent.
        bid: Box<Signed<Bid>>,
        /// The promise.
        commit: Box<Signed<Commit>>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// The verdict on a pledge is signed.
    PledgeSigned {
        /// The pledge.
        id: TaskId,
        /// By the verifiers whose keys this node has.
        ballot: Ballot,
    },
    /// An account or earnings were read.
    ChannelRead {
        /// The contract.
        channel: Address,
        /// What it holds; none if it is not there.
        at: Option<Box<ChannelData>>,
        /// The intent that was thrown back, if that is why it was read.
        thrown_back: Option<(TaskId, IntentKind, Applicable)>,
    },
    /// A worker connected.
    Join {
        /// Who.
        joined: Joined,
        /// Answered with the probation that is left.
        reply: Reply<u32>,
    },
    /// A connection ended.
    Leave {
        /// Who.
        worker: Address,
        /// Which.
        connection: u64,
    },
    /// A bid; its signature and consent are checked.
    Bid {
        /// It.
        bid: Box<Signed<Bid>>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A worker passes.
    Pass {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Why.
        reason: PassReason,
        /// What it would have taken.
        ask: Option<Nano>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A commitment; its signatures are checked. The acknowledgement goes over the gateway.
    Commit {
        /// It.
        commit: Box<Signed<Commit>>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A proof that settles a task; it was checked, for the stake of this worker.
    Prove {
        /// The task.
        task: TaskId,
        /// Whose.
        worker: Address,
        /// The contract's message.
        message: Vec<u8>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// The worker of a task says why it gives it up.
    GiveUp {
        /// The task.
        task: TaskId,
        /// Who.
        worker: Address,
        /// Why.
        given_up: GivenUp,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A reconnected worker asks about its tasks; the answers go over the gateway.
    Resume {
        /// Who.
        worker: Address,
        /// At most 256.
        tasks: Vec<TaskId>,
    },
    /// What the work's routes need.
    Work {
        /// The task.
        task: TaskId,
        /// Answered at once.
        reply: Reply<Box<Work>>,
    },
    /// The requestor says which listings are copies.
    Group {
        /// Which.
        group: Group,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// The requestor opens its nonce.
    OpenNonce {
        /// The task.
        task: TaskId,
        /// Who asks.
        key: PublicKey,
        /// The nonce, and the commitment it is opened for; its signature is checked.
        opening: Box<Signed<NonceOpening>>,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// A result was received.
    Received {
        /// It.
        received: Received,
        /// Answered when it is stored.
        reply: Reply<()>,
    },
    /// Enough verifiers came to one verdict; an accepted result is stored as a file.
    Judged {
        /// It.
        judgement: Box<Judgement<Conclusion>>,
        /// Their signatures.
        ballot: Ballot,
    },
    /// Enough verifiers signed that nothing was handed over.
    Undelivered {
        /// The task.
        task: TaskId,
        /// Their signatures.
        ballot: Ballot,
    },
    /// Verifiers contradict each other, or one of them itself: no verdict for now, and people look.
    Contested {
        /// The task.
        task: TaskId,
        /// Who says what.
        reason: String,
    },
    /// The verification was given up for now.
    Undecided {
        /// The task.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// The contract of a task that was paid in a jetton was read.
    ShareRead {
        /// The task.
        task: TaskId,
        /// Its escrow.
        escrow: Address,
        /// The node's share in it.
        share: Share,
    },
    /// The chain was read.
    Chain(Box<ChainUpdate>),
    /// The node's bond was read.
    BondRead {
        /// All of it, what is reserved included.
        bond: Nano,
    },
    /// A worker's stake was read.
    StakeRead {
        /// Who.
        worker: Address,
        /// What is free.
        free_stake: Nano,
    },
}

/// Sends commands to the coordinator. The queue is bounded: who sends waits.
#[derive(Debug, Clone)]
pub(crate) struct Coordinator(mpsc::Sender<Command>);

impl Coordinator {
    /// A handle and the queue it fills.
    pub(crate) fn new(queued: usize) -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(queued.max(1));
        (Self(sender), receiver)
    }

    /// Sends a command nobody waits for.
    pub(crate) async fn tell(&self, command: Command) -> Result<(), Denied> {
        self.0.send(command).await.map_err(|_| Denied::stopping())
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Denied> {
        let (reply, answer) = oneshot::channel();
        // Outside requests do not queue without end: a full queue is said at once.
        self.0.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Denied::new(Why::TooMany, "busy", "the node is busy: try again in a second")
            }
            mpsc::error::TrySendError::Closed(_) => Denied::stopping(),
        })?;
        answer.await.map_err(|_| Denied::stopping())?
    }
}
