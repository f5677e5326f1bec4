//! A verifier as a process: HTTP, every request signed by a node it works for, everything sealed.
//!
//! ```text
//!  GET  /v1/verifier      who it is: its card, signed
//!  PUT  /v1/blobs/{hash}  a blob, sealed
//!  POST /v1/questions     a question, sealed; answered with a signed reply
//!  GET  /healthz          it lives
//! ```

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{OriginalUri, Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use fog_protocol::{
    Address, Hash32, PublicKey, RequestAuth, SealKey, Signed, Tagged as _, api::ApiError,
    tagged_hash,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    blobs::Blobs,
    examiner::{Examiner, wall_seconds},
    listen::{self, Bounds},
    question::{Answer, Card, Materials, QUESTION_VERSION, Question, Reply, verifier_id},
};

/// What sealing adds, and then some.
const ENVELOPE_BYTES: u64 = 1 << 10;
/// Questions that wait for a run, besides those that run.
const WAITING: usize = 32;
/// Blobs received at once.
const UPLOADS: usize = 4;
/// Bytes of bodies in memory at once.
const BODY_BYTES: usize = 512 << 20;
/// How long one body may take to come.
const BODY_TIME: Duration = Duration::from_secs(60);
const CONNECTIONS: Bounds = Bounds { total: 256, per_address: 64 };

/// Why a verifier does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The system.
    #[error("{what}: {source}")]
    Io {
        /// While doing what.
        what: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody may ask it.
    #[error("a verifier answers only nodes it knows: name at least one node's key")]
    NobodyMayAsk,
}

/// A node that may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The key of its wallet: signs requests.
    pub key: PublicKey,
    /// Its wallet: what listings name as their operator.
    pub wallet: Address,
}

/// How a verifier's process is set up.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its files.
    pub data: PathBuf,
    /// The nodes that may ask, each about its own tasks.
    pub nodes: Vec<Asker>,
    /// Re-runs at once.
    pub parallel: usize,
    /// Bytes of blobs kept.
    pub blob_bytes_total: u64,
    /// Largest blob.
    pub blob_bytes: u64,
    /// Largest question: the result is in it.
    pub question_bytes: u64,
}

impl ServiceConfig {
    /// Bounds that fit the defaults of a node.
    #[must_use]
    pub const fn new(listen: SocketAddr, data: PathBuf, nodes: Vec<Asker>) -> Self {
        Self {
            listen,
            data,
            nodes,
            parallel: 2,
            blob_bytes_total: 4 << 30,
            blob_bytes: 64 << 20,
            question_bytes: 65 << 20,
        }
    }
}

struct Shared {
    examiner: Arc<Examiner>,
    seal_key: SealKey,
    id: Hash32,
    blobs: Blobs,
    config: ServiceConfig,
    /// Questions that may be held at once.
    seats: Semaphore,
    /// Runs at once.
    runs: Semaphore,
    uploads: Semaphore,
    bodies: Semaphore,
}

/// A verifier's process.
#[derive(Debug)]
pub struct Service;

/// One that runs; [`ServiceHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct ServiceHandle {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl ServiceHandle {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token that stops it.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops it: what runs is answered.
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped.
    pub async fn join(self) {
        // A panic inside is reported by the runtime.
        drop(self.serving.await);
    }
}

/// What questions and blobs for the verifier with this key are sealed to.
fn seal_key(examiner: &Examiner) -> SealKey {
    let secret = examiner.key().seed();
    let seed = Zeroizing::new(tagged_hash("fog/verifier-seal-key/v1", &[secret.as_ref()]).0);
    SealKey::from_seed(&seed)
}

impl Service {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start(
        examiner: Arc<Examiner>,
        config: ServiceConfig,
    ) -> Result<ServiceHandle, ServiceError> {
        if config.nodes.is_empty() {
            return Err(ServiceError::NobodyMayAsk);
        }
        let io = |what| move |source| ServiceError::Io { what, source };
        let blobs = Blobs::open(&config.data.join("blobs"), config.blob_bytes_total)
            .map_err(io("opening the blobs"))?;
        let listener = TcpListener::bind(config.listen).await.map_err(io("listening"))?;
        let address = listener.local_addr().map_err(io("listening"))?;
        let parallel = config.parallel.max(1);
        let shared = Arc::new(Shared {
            seal_key: seal_key(&examiner),
            id: verifier_id(examiner.scope(), &examiner.public()),
            examiner,
            blobs,
            config,
            seats: Semaphore::new(parallel + WAITING),
            runs: Semaphore::new(parallel),
            uploads: Semaphore::new(UPLOADS),
            bodies: Semaphore::new(BODY_BYTES),
        });
        let router = Router::new()
            .route("/v1/verifier", get(card))
            .route("/v1/blobs/{hash}", put(upload))
            .route("/v1/questions", post(ask))
            .route("/healthz", get(async || "alive\n"))
            .with_state(shared);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let serving = tokio::spawn(async move {
            listen::serve(listener, router, CONNECTIONS, token).await;
        });
        Ok(ServiceHandle { address, stop, serving })
    }
}

/// Why a request is turned down.
struct Denied(StatusCode, &'static str, String);

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        (status, Json(ApiError { code: code.to_owned(), message })).into_response()
    }
}

fn busy() -> Denied {
    Denied(StatusCode::TOO_MANY_REQUESTS, "busy", "the verifier is busy: ask again".to_owned())
}

fn malformed(message: impl ToString) -> Denied {
    Denied(StatusCode::BAD_REQUEST, "malformed", message.to_string())
}

async fn card(State(shared): State<Arc<Shared>>) -> Json<Signed<Card>> {
    let card = Card {
        scope: *shared.examiner.scope(),
        seal_key: shared.seal_key.public(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Json(Signed::new(card, shared.examiner.key()))
}

/// A request of a node that is known. What it says of its body's hash is signed with the rest, so
/// that strangers are turned away before anything is held or read for them.
struct Known {
    asker: Asker,
    hash: Hash32,
    length: u64,
    body: Body,
}

fn known(shared: &Shared, request: Request) -> Result<Known, Denied> {
    let (parts, body): (_, Body) = request.into_parts();
    let denied = |error: fog_protocol::AuthError| {
        Denied(StatusCode::UNAUTHORIZED, "not_authenticated", error.to_string())
    };
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let header = text(header::AUTHORIZATION.as_str());
    let header = header.ok_or(fog_protocol::AuthError::Missing).map_err(denied)?;
    let hash = text(BODY_HASH).ok_or_else(|| malformed("the body's hash is missing"))?;
    let hash: Hash32 = hash.parse().map_err(malformed)?;
    let length = text(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    let length = length.ok_or_else(|| malformed("the request does not say how long it is"))?;
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let (id, method) = (&shared.id, parts.method.as_str());
    let signer =
        RequestAuth::check_hash(header, id, wall_seconds(), method, path, &hash).map_err(denied)?;
    let asker = shared.config.nodes.iter().find(|asker| asker.key == signer).copied();
    let asker = asker.ok_or_else(|| {
        let message = "this verifier does not work for that node".to_owned();
        Denied(StatusCode::FORBIDDEN, "unknown_node", message)
    })?;
    Ok(Known { asker, hash, length, body })
}

impl Known {
    /// The body, opened; with its share of the memory, which is given back on drop.
    async fn opened<'a>(
        self,
        shared: &'a Shared,
        context: &[u8],
        most: u64,
    ) -> Result<(Vec<u8>, SemaphorePermit<'a>), Denied> {
        let too_large = || {
            let message = format!("{most} bytes are the most");
            Denied(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        };
        if self.length > most.saturating_add(ENVELOPE_BYTES) {
            return Err(too_large());
        }
        let permits = u32::try_from(self.length).map_err(|_| too_large())?;
        let memory = shared.bodies.try_acquire_many(permits).map_err(|_| busy())?;
        let length = usize::try_from(self.length).map_err(|_| too_large())?;
        let body = tokio::time::timeout(BODY_TIME, to_bytes(self.body, length))
            .await
            .map_err(|_| malformed("the body took too long"))?
            .map_err(|_| malformed("the body is not as long as it says"))?;
        if Hash32::of(&body) != self.hash {
            return Err(malformed("the body has another hash than was signed"));
        }
        let plain = shared.seal_key.open(context, &body).map_err(malformed)?;
        Ok((plain, memory))
    }
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Path(hash): Path<String>,
    request: Request,
) -> Result<StatusCode, Denied> {
    let hash: Hash32 = hash.parse().map_err(malformed)?;
    let known = known(&shared, request)?;
    let _seat = shared.uploads.try_acquire().map_err(|_| busy())?;
    let most = shared.config.blob_bytes;
    let (bytes, _memory) = known.opened(&shared, &blob_context(&hash), most).await?;
    if Hash32::of(&bytes) != hash {
        return Err(malformed("the bytes have another hash"));
    }
    let keeper = Arc::clone(&shared);
    let kept = tokio::task::spawn_blocking(move || keeper.blobs.put(&bytes)).await;
    match kept {
        Ok(Ok(_)) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => {
            tracing::error!(%error, "a blob could not be kept");
            let message = "the verifier could not keep the blob".to_owned();
            Err(Denied(StatusCode::SERVICE_UNAVAILABLE, "internal", message))
        }
        Err(_) => Err(busy()),
    }
}

/// Questions of another version do not read: said before anything is.
fn check_version(request: &Request) -> Result<(), Denied> {
    let given = request.headers().get(VERSION).and_then(|value| value.to_str().ok());
    if given.and_then(|text| text.parse().ok()) == Some(QUESTION_VERSION) {
        return Ok(());
    }
    let asked =
        given.map_or_else(|| "one before 3".to_owned(), |text| text.chars().take(20).collect());
    let own = env!("CARGO_PKG_VERSION");
    let message = format!(
        "this verifier (fog {own}) reads questions of version {QUESTION_VERSION}, the node asks in \
         version {asked}: run the same version of `fog` on both; what is unfinished goes on then"
    );
    Err(Denied(StatusCode::UPGRADE_REQUIRED, "other_version", message))
}

async fn ask(State(shared): State<Arc<Shared>>, request: Request) -> Result<Vec<u8>, Denied> {
    let version = check_version(&request);
    let known = known(&shared, request)?;
    version?;
    let asker = known.asker;
    let _seat = shared.seats.try_acquire().map_err(|_| busy())?;
    let most = shared.config.question_bytes;
    let (bytes, _memory) = known.opened(&shared, QUESTION_CONTEXT, most).await?;
    let question: Question = borsh::from_slice(&bytes).map_err(malformed)?;
    drop(bytes);
    let digest = question.digest();
    let _run = shared.runs.acquire().await.map_err(|_| busy())?;
    let worker = Arc::clone(&shared);
    // A run that was begun ends, whoever still listens: its answer is in the journal.
    let answer = tokio::task::spawn_blocking(move || worker.answer(&question, &asker)).await;
    let answer = answer.map_err(|_| {
        let message = "the verifier failed on this question".to_owned();
        Denied(StatusCode::SERVICE_UNAVAILABLE, "internal", message)
    })?;
    let reply = Signed::new(Reply { question: digest, answer }, shared.examiner.key());
    borsh::to_vec(&reply).map_err(malformed)
}

impl Shared {
    fn answer(&self, question: &Question, asker: &Asker) -> Answer {
        if question.listing.operator != asker.wallet {
            return Answer::Refused {
                code: "other_node".to_owned(),
                reason: "a node asks about its own tasks only".to_owned(),
            };
        }
        if question.epoch.as_ref().is_some_and(|epoch| epoch.signer != asker.key) {
            return Answer::Refused {
                code: "bad_epoch".to_owned(),
                reason: "the epoch is not signed by the node that asks".to_owned(),
            };
        }
        let too_large = question.blobs().iter().any(|blob| blob.bytes > self.config.blob_bytes);
        if too_large {
            return Answer::Refused {
                code: "too_large".to_owned(),
                reason: format!("blobs may have {} bytes here", self.config.blob_bytes),
            };
        }
        match Materials::gather(question, |blob| self.blobs.get(blob)) {
            Ok(Ok(materials)) => self.examiner.examine(question, &materials),
            Ok(Err(missing)) => Answer::Missing(missing),
            Err(error) => Answer::Undecided {
                reason: format!("a blob could not be read: {error}"),
                doubt: crate::question::Doubt::No,
            },
        }
    }
}

/// The header with the version of a question.
pub(crate) const VERSION: &str = "fog-question-version";

/// The header with the hash of a request's body.
pub(crate) const BODY_HASH: &str = "fog-body-sha256";

/// What a question is sealed for.
pub(crate) const QUESTION_CONTEXT: &[u8] = b"fog/verifier-question/v1";

/// What a blob is sealed for.
pub(crate) fn blob_context(hash: &Hash32) -> Vec<u8> {
    [b"fog/verifier-blob/v1".as_slice(), &hash.0].concat()
}
