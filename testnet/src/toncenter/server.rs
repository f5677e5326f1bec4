//! `spawn(config) -> (Api, Handle)`: the chain behind one lock, its ticker, its HTTP server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tycho_types::models::StdAddr;

use super::control::ControlAccess;
use super::dialect::ApiError;
use super::index::Index;
use super::listen::serve;
use super::messages::Delivery;
use super::router::router;
use crate::chain::{
    AccountView, Block, Chain, ChainConfig, ChainError, Checkpoint, CheckpointError,
    CheckpointName, GetMethodOutput, MethodId, Order, ReadError, Receipt, SendError, StackItem,
    Totals, TxRecord,
};

/// Most calls waiting for the chain's lock at once; more are answered 429.
const MAX_WAITING: usize = 256;
/// Most clients that stream events at once.
const MAX_STREAMS: usize = 256;
/// How long open connections may take to finish at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Production {
    /// At once for every external message, and an empty one after this idle time so that chain
    /// time goes on.
    Instant {
        /// Longest time between two blocks.
        idle: Duration,
    },
    /// One every so often, with all messages that came meanwhile, empty if none came: as on TON.
    Interval(Duration),
    /// Only when asked for ([`Api::mine`], [`Api::warp`]), with all messages that came meanwhile.
    OnDemand,
}

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder to keep the chain in; `None` keeps it in memory.
    pub data: Option<PathBuf>,
    /// The chain itself.
    pub chain: ChainConfig,
    /// When blocks are made.
    pub production: Production,
    /// Who may use the control routes.
    pub control: ControlAccess,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: None,
            chain: ChainConfig::default(),
            production: Production::Instant { idle: Duration::from_secs(1) },
            control: ControlAccess::Loopback,
        }
    }
}

/// Why the server could not start or a call could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A message was not taken.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A get-method could not be run.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A checkpoint could not be made or restored.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The call was interrupted (shutdown, or a bug).
    #[error("the call was interrupted: {0}")]
    Interrupted(String),
}

/// The last block, as subscribers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Number of the last block.
    pub seqno: u32,
    /// Its time, unix seconds.
    pub gen_utime: u32,
    /// Transactions of the whole chain so far.
    pub transactions: u64,
    /// How often the chain was restored to a checkpoint. When this changes, numbers and logical
    /// times went back: whoever follows the chain starts over from this tip.
    pub restores: u64,
}

impl Tip {
    fn of(chain: &Chain) -> Self {
        let last = chain.last_block();
        Self {
            seqno: last.seqno,
            gen_utime: last.gen_utime,
            transactions: chain.totals().transactions,
            restores: chain.restores(),
        }
    }
}

/// The chain behind its lock.
#[derive(Debug)]
pub(crate) struct Shared {
    chain: Mutex<Chain>,
    /// Locked after the chain, never before it.
    index: Mutex<Index>,
    tip: watch::Sender<Tip>,
    waiting: Semaphore,
    streams: Arc<Semaphore>,
    stop: CancellationToken,
    production: Production,
    control: ControlAccess,
}

impl Shared {
    pub(crate) fn control(&self) -> ControlAccess {
        self.control
    }

    pub(crate) fn delivery(&self) -> Delivery {
        match self.production {
            Production::Instant { .. } => Delivery::Instant,
            Production::Interval(_) | Production::OnDemand => Delivery::NextBlock,
        }
    }

    /// Changes with every block.
    pub(crate) fn tips(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    /// Cancelled when the server stops.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A place among the clients that stream; `None` if all are taken.
    pub(crate) fn stream_seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Chain) -> T) -> T {
        // After a panic in the middle of a call the chain goes on from what it saved last.
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut chain);
        let tip = Tip::of(&chain);
        self.tip.send_if_modified(|last| std::mem::replace(last, tip) != tip);
        result
    }

    /// Runs `work` on a thread that may block: the VM computes and the store writes.
    pub(crate) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&mut Chain) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Ok(_permit) = self.waiting.try_acquire() else {
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many requests"));
        };
        let shared = Arc::clone(&self);
        match tokio::task::spawn_blocking(move || shared.locked(work)).await {
            Ok(result) => result,
            Err(error) => Err(ApiError::liteserver(error.to_string())),
        }
    }

    /// As [`Self::run`], with the index read up to the last block.
    pub(crate) async fn run_indexed<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&mut Chain, &mut Index) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let shared = Arc::clone(&self);
        self.run(move |chain| {
            let mut index = shared.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.catch_up(chain)?;
            work(chain, &mut index)
        })
        .await
    }
}

/// The chain in process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Api {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoint `@ton/ton`'s TonClient takes.
    pub fn json_rpc_url(&self) -> String {
        format!("{}/api/v2/jsonRPC", self.url())
    }

    /// Changes with every block.
    pub fn subscribe(&self) -> watch::Receiver<Tip> {
        self.shared.tip.subscribe()
    }

    /// Runs `work` with the chain locked, on a thread that may block.
    ///
    /// # Errors
    /// [`ServerError::Interrupted`] if the runtime is shutting down or `work` panicked.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Chain) -> T + Send + 'static,
    ) -> Result<T, ServerError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.locked(work))
            .await
            .map_err(|error| ServerError::Interrupted(error.to_string()))
    }

    /// Sends an external message; see [`Chain::send_boc`].
    ///
    /// # Errors
    /// [`ServerError::Send`] if it is refused.
    pub async fn send_boc(&self, boc: Vec<u8>) -> Result<Receipt, ServerError> {
        Ok(self.with(move |chain| chain.send_boc(&boc)).await??)
    }

    /// Sends money from the faucet; see [`Chain::fund`].
    ///
    /// # Errors
    /// [`ServerError::Send`] if the faucet is empty.
    pub async fn fund(&self, address: StdAddr, nano: u128) -> Result<Receipt, ServerError> {
        Ok(self.with(move |chain| chain.fund(&address, nano)).await??)
    }

    /// Moves the clock forward; see [`Chain::warp`].
    ///
    /// # Errors
    /// [`ServerError::Chain`] if the store fails.
    pub async fn warp(&self, seconds: u32) -> Result<Block, ServerError> {
        Ok(self.with(move |chain| chain.warp(seconds)).await??)
    }

    /// Makes a block; see [`Chain::mine`].
    ///
    /// # Errors
    /// [`ServerError::Chain`] if the store fails.
    pub async fn mine(&self) -> Result<Block, ServerError> {
        Ok(self.with(Chain::mine).await??)
    }

    /// Keeps the present state under a name; see [`Chain::checkpoint`].
    ///
    /// # Errors
    /// [`ServerError::Checkpoint`].
    pub async fn checkpoint(&self, name: CheckpointName) -> Result<Checkpoint, ServerError> {
        Ok(self.with(move |chain| chain.checkpoint(name)).await??)
    }

    /// Goes back to a checkpoint; see [`Chain::restore`].
    ///
    /// # Errors
    /// [`ServerError::Checkpoint`].
    pub async fn restore(&self, name: CheckpointName) -> Result<Checkpoint, ServerError> {
        Ok(self.with(move |chain| chain.restore(&name)).await??)
    }

    /// The account at `address`; see [`Chain::account`].
    ///
    /// # Errors
    /// [`ServerError::Chain`] if the store fails.
    pub async fn account(&self, address: StdAddr) -> Result<AccountView, ServerError> {
        Ok(self.with(move |chain| chain.account(&address)).await??)
    }

    /// Runs a get-method; see [`Chain::run_get_method`].
    ///
    /// # Errors
    /// [`ServerError::Read`] if the arguments are out of bounds.
    pub async fn run_get_method(
        &self,
        address: StdAddr,
        method: impl Into<MethodId>,
        stack: Vec<StackItem>,
    ) -> Result<GetMethodOutput, ServerError> {
        let method = method.into();
        Ok(self.with(move |chain| chain.run_get_method(&address, method, &stack)).await??)
    }

    /// Up to `limit` transactions of an account, newest first.
    ///
    /// # Errors
    /// [`ServerError::Chain`] if the store fails.
    pub async fn transactions(
        &self,
        address: StdAddr,
        limit: usize,
    ) -> Result<Vec<TxRecord>, ServerError> {
        let read = move |chain: &mut Chain| {
            chain.transactions(&address, 0, u64::MAX, Order::NewestFirst, limit)
        };
        Ok(self.with(read).await??)
    }

    /// The block with this number.
    ///
    /// # Errors
    /// [`ServerError::Chain`] if the store fails.
    pub async fn block(&self, seqno: u32) -> Result<Option<Block>, ServerError> {
        Ok(self.with(move |chain| chain.block(seqno)).await??)
    }

    /// The chain's sums.
    ///
    /// # Errors
    /// [`ServerError::Interrupted`] at shutdown.
    pub async fn totals(&self) -> Result<Totals, ServerError> {
        self.with(|chain| chain.totals()).await
    }
}

/// Keeps the server running; dropping it stops the server.
#[derive(Debug)]
pub struct Handle {
    stop: CancellationToken,
    server: JoinHandle<()>,
    ticker: JoinHandle<()>,
}

impl Handle {
    /// Stops taking requests, waits briefly for open ones, stops making blocks. The chain's folder
    /// is free again when the last [`Api`] is dropped as well.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_GRACE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        // The ticker ends after the block it is making.
        if (&mut self.ticker).await.is_err() {
            tracing::error!("the block ticker panicked");
        }
    }

    /// Waits until the server ends by itself (it does not, unless listening fails).
    pub async fn wait(&mut self) {
        if (&mut self.server).await.is_err() {
            tracing::error!("the server panicked");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a chain and its server.
///
/// # Errors
/// [`ServerError::Listen`] if the address is taken, [`ServerError::Chain`] if the folder cannot be
/// opened.
pub async fn spawn(config: ServerConfig) -> Result<(Api, Handle), ServerError> {
    let ServerConfig { listen, data, chain: settings, production, control } = config;
    let open = move || match data {
        Some(dir) => Chain::open(settings, &dir),
        None => Chain::new_in_memory(settings),
    };
    let chain = tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| ServerError::Interrupted(error.to_string()))??;
    let refused = |source| ServerError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared {
        tip: watch::Sender::new(Tip::of(&chain)),
        chain: Mutex::new(chain),
        index: Mutex::default(),
        waiting: Semaphore::new(MAX_WAITING),
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        stop: stop.clone(),
        production,
        control,
    });
    let app = router(Arc::clone(&shared));
    let server = tokio::spawn(serve(listener, app, stop.clone()));
    let ticker = tokio::spawn(tick(Arc::clone(&shared), stop.clone()));
    Ok((Api { shared, address }, Handle { stop, server, ticker }))
}

/// Makes blocks by the clock until stopped.
async fn tick(shared: Arc<Shared>, stop: CancellationToken) {
    let period = match shared.production {
        Production::Instant { idle } => idle,
        Production::Interval(period) => period,
        Production::OnDemand => return,
    };
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let shared = Arc::clone(&shared);
        let made = tokio::task::spawn_blocking(move || {
            let production = shared.production;
            shared.locked(|chain| match production {
                // Nothing waits and time stands still: an empty block would say nothing.
                Production::Instant { .. }
                    if chain.backlog() == 0 && chain.now() == chain.last_block().gen_utime =>
                {
                    Ok(())
                }
                _ => chain.mine().map(|_| ()),
            })
        });
        match made.await {
            Ok(Ok(())) => {}
            // The next tick tries again: there may be room on the disk by then.
            Ok(Err(error)) => tracing::error!(%error, "no block was made"),
            Err(error) => tracing::error!(%error, "making a block was interrupted"),
        }
    }
}
