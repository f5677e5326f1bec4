//! A gateway between node and chain that passes everything on, and holds what it is told to.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fog_wallet::{WalletVersion, parse_request};
use tokio::sync::watch;
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellSlice},
    models::{OwnedMessage, OwnedRelaxedMessage},
};

/// What is held, by the operation of a message to a task that the wallet sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Everything passes.
    Nothing,
    /// The message is not passed on.
    Before(u32),
    /// It is passed on, the answer is not.
    After(u32),
    /// Both pass; from then on nothing is answered.
    Blind(u32),
}

#[derive(Clone)]
struct Shared {
    chain: String,
    hold: Arc<Mutex<Hold>>,
    held: watch::Sender<bool>,
    http: reqwest::Client,
}

/// The running gateway.
pub(crate) struct Gateway {
    pub(crate) endpoint: String,
    shared: Shared,
}

impl Gateway {
    pub(crate) async fn start(chain: String) -> Self {
        let shared = Shared {
            chain,
            hold: Arc::new(Mutex::new(Hold::Nothing)),
            held: watch::Sender::new(false),
            http: reqwest::Client::new(),
        };
        let app = Router::new().fallback(pass).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/api/v2", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, shared }
    }

    pub(crate) fn set(&self, hold: Hold) {
        *self.shared.hold.lock().unwrap() = hold;
        self.shared.held.send_replace(false);
    }

    pub(crate) fn is_holding(&self) -> bool {
        *self.shared.held.borrow()
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.strip_prefix("/api/v2").unwrap_or(path);
    let hold = *shared.hold.lock().unwrap();
    let sends = |op| carries(&body, op);
    match hold {
        Hold::Before(op) if sends(op) => return held(&shared).await,
        Hold::Blind(_) if *shared.held.borrow() => return held(&shared).await,
        Hold::Nothing | Hold::Before(_) | Hold::After(_) | Hold::Blind(_) => {}
    }
    let answer = forward(&shared, &head.method, path, &head.headers, &body).await;
    match hold {
        Hold::After(op) if sends(op) => held(&shared).await,
        Hold::Blind(op) if sends(op) => {
            shared.held.send_replace(true);
            answer
        }
        Hold::Nothing | Hold::Before(_) | Hold::After(_) | Hold::Blind(_) => answer,
    }
}

async fn forward(
    shared: &Shared,
    method: &axum::http::Method,
    path: &str,
    headers: &axum::http::HeaderMap,
    body: &Bytes,
) -> Response {
    let mut request =
        shared.http.request(method.clone(), format!("{}{path}", shared.chain)).body(body.clone());
    if let Some(kind) = headers.get("content-type") {
        request = request.header("content-type", kind);
    }
    let Ok(answer) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = answer.status();
    let bytes = answer.bytes().await.unwrap_or_default();
    (status, [("content-type", "application/json")], bytes).into_response()
}

/// Says that it holds, and never answers.
async fn held(shared: &Shared) -> Response {
    shared.held.send_replace(true);
    std::future::pending().await
}

/// Does the posted wallet message send one with this operation?
fn carries(body: &[u8], op: u32) -> bool {
    sent_operations(body).is_some_and(|operations| operations.contains(&op))
}

fn sent_operations(body: &[u8]) -> Option<Vec<u32>> {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok()?;
    let boc = STANDARD.decode(json["params"]["boc"].as_str()?).ok()?;
    let external = Boc::decode(boc).ok()?.parse::<OwnedMessage>().ok()?;
    let mut body = CellBuilder::new();
    body.store_slice(CellSlice::apply(&external.body).ok()?).ok()?;
    let request = parse_request(WalletVersion::V5R1, &body.build().ok()?).ok()?;
    let operation = |message: &Cell| {
        let message = message.parse::<OwnedRelaxedMessage>().ok()?;
        CellSlice::apply(&message.body).ok()?.get_u32(0).ok()
    };
    Some(request.messages.iter().filter_map(|(_, message)| operation(message)).collect())
}
