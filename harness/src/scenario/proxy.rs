//! Stands between the chain and whoever reads it, and fails in the ways real gateways do. It knows
//! JSON-RPC and two method names; what is said it passes on as it is.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{
    format::{Faults, Meets},
    values::Share,
};

/// Earlier answers kept for each request, and requests remembered.
const KEPT_ANSWERS: usize = 6;
const KEPT_REQUESTS: usize = 4096;
/// Longest answer passed on.
const MAX_BODY: usize = 16 << 20;

struct Inner {
    target: String,
    faults: Faults,
    met: u64,
    random: u64,
    slot: (Instant, u32),
    answers: HashMap<Bytes, VecDeque<Bytes>>,
}

/// One client's way to the chain.
#[derive(Clone)]
struct Way {
    inner: Arc<Mutex<Inner>>,
    http: reqwest::Client,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

/// The ways to the chain of the node and of the workers.
#[derive(Debug)]
pub(super) struct Proxies {
    node: (Way, String, JoinHandle<()>),
    workers: (Way, String, JoinHandle<()>),
}

impl Proxies {
    /// Listens on two ports; `target` is the chain's base URL.
    pub(super) async fn start(target: &str, seed: u64) -> std::io::Result<Self> {
        let node = start(target, seed).await?;
        Ok(Self { node, workers: start(target, seed ^ 0x5bd1_e995).await? })
    }

    /// The node's endpoint.
    pub(super) fn for_node(&self) -> &str {
        &self.node.1
    }

    /// The workers' endpoint.
    pub(super) fn for_workers(&self) -> &str {
        &self.workers.1
    }

    /// The chain is there now.
    pub(super) fn retarget(&self, target: &str) {
        for way in [&self.node.0, &self.workers.0] {
            way.lock().target = endpoint(target);
        }
    }

    /// What goes wrong from now on.
    pub(super) fn set(&self, faults: Faults) {
        self.node.0.lock().faults = faults;
        self.workers.0.lock().faults = match faults.meets {
            Meets::Node => Faults::default(),
            Meets::Everybody => faults,
        };
    }

    /// Requests that met a fault so far.
    pub(super) fn met(&self) -> u64 {
        self.node.0.lock().met + self.workers.0.lock().met
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        self.node.2.abort();
        self.workers.2.abort();
    }
}

fn endpoint(target: &str) -> String {
    format!("{target}/api/v2/jsonRPC")
}

async fn start(target: &str, seed: u64) -> std::io::Result<(Way, String, JoinHandle<()>)> {
    let inner = Inner {
        target: endpoint(target),
        faults: Faults::default(),
        met: 0,
        random: seed,
        slot: (Instant::now(), 0),
        answers: HashMap::new(),
    };
    let way = Way { inner: Arc::new(Mutex::new(inner)), http: reqwest::Client::new() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/api/v2", listener.local_addr()?);
    let router = Router::new().route("/api/v2/jsonRPC", post(pass)).with_state(way.clone());
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the way to the chain is closed");
        }
    });
    Ok((way, url, server))
}

impl Inner {
    /// A number below `below`, from a generator of its own (splitmix64).
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    fn hits(&mut self, share: Share) -> bool {
        let hit = share > Share::NONE && self.draw(1_000_000) < u64::from(share.0);
        self.met += u64::from(hit);
        hit
    }

    fn over_the_rate(&mut self) -> bool {
        let most = self.faults.requests_per_second;
        if self.slot.0.elapsed() >= Duration::from_secs(1) {
            self.slot = (Instant::now(), 0);
        }
        self.slot.1 += 1;
        let over = most > 0 && self.slot.1 > most;
        self.met += u64::from(over);
        over
    }

    /// Remembers what was answered, and gives back an earlier answer if this is to be one of a
    /// server that lags behind.
    fn keep(&mut self, request: &Bytes, answer: &Bytes) -> Option<Bytes> {
        let stale = self.faults.stale;
        if self.answers.len() >= KEPT_REQUESTS {
            self.answers.clear();
        }
        let kept = self.answers.entry(request.clone()).or_default();
        let earlier: Vec<Bytes> = kept.iter().filter(|old| *old != answer).cloned().collect();
        if kept.back() != Some(answer) {
            kept.push_back(answer.clone());
            if kept.len() > KEPT_ANSWERS {
                kept.pop_front();
            }
        }
        if earlier.is_empty() || !self.hits(stale) {
            return None;
        }
        let index = usize::try_from(self.draw(earlier.len() as u64)).ok()?;
        earlier.get(index).cloned()
    }
}

/// What a message on its way meets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Through,
    Lost,
    AnswerLost,
    Doubled,
    Fails,
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, method: &str) -> (Fate, Duration, String) {
        let mut inner = self.lock();
        let faults = inner.faults;
        let delay = Duration::from_millis(inner.draw(u64::from(faults.delay_ms) + 1));
        inner.met += u64::from(faults.delay_ms > 0);
        let fate = if inner.hits(faults.down) || inner.hits(faults.fails) {
            Fate::Fails
        } else if method != "sendBoc" {
            Fate::Through
        } else if inner.hits(faults.lost_messages) {
            Fate::Lost
        } else if inner.hits(faults.lost_answers) {
            Fate::AnswerLost
        } else if inner.hits(faults.doubled) {
            Fate::Doubled
        } else {
            Fate::Through
        };
        (fate, delay, inner.target.clone())
    }

    async fn forward(&self, target: &str, body: &Bytes) -> Option<(StatusCode, Bytes)> {
        let request = self.http.post(target).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(body.clone()).send().await.ok()?;
        let status = answer.status();
        let bytes = answer.bytes().await.ok()?;
        (bytes.len() <= MAX_BODY).then_some((status, bytes))
    }
}

async fn pass(State(way): State<Way>, body: Bytes) -> Response {
    if way.lock().over_the_rate() {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let method = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|request| request.get("method")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let (fate, delay, target) = way.fate(&method);
    tokio::time::sleep(delay).await;
    match fate {
        Fate::Fails | Fate::Lost => return StatusCode::BAD_GATEWAY.into_response(),
        Fate::Doubled => {
            let _ = way.forward(&target, &body).await;
        }
        Fate::Through | Fate::AnswerLost => {}
    }
    let Some((status, answer)) = way.forward(&target, &body).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if fate == Fate::AnswerLost {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let answer = if method == "sendBoc" || !status.is_success() {
        answer
    } else {
        distorted(&way, &method, &body, answer)
    };
    (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

fn distorted(way: &Way, method: &str, request: &Bytes, answer: Bytes) -> Bytes {
    let mut inner = way.lock();
    let answer = inner.keep(request, &answer).unwrap_or(answer);
    let omits = inner.faults.omits;
    if method != "getTransactions" || !inner.hits(omits) {
        return answer;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&answer) else { return answer };
    if let Some(Value::Array(rows)) = value.get_mut("result")
        && !rows.is_empty()
    {
        rows.remove(0);
    }
    serde_json::to_vec(&value).map_or(answer, Bytes::from)
}
