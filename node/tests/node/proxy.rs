//! Stands between node and chain, and loses what it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value;

/// What becomes of messages on their way to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None = 0,
    /// Messages do not arrive; the sender is told nothing.
    LoseMessages = 1,
    /// Messages arrive; the sender is told nothing.
    LoseAnswers = 2,
    /// Nothing is answered.
    Down = 3,
    /// Accounts are told, their histories are not.
    NoHistory = 4,
    /// An account is said to hold what it does not.
    FalseData = 5,
    /// Blocks are said to be younger than they are, by a day.
    FalseTime = 6,
}

#[derive(Debug)]
struct Inner {
    target: String,
    fault: AtomicU8,
    lost: AtomicU64,
    /// Whose history [`Fault::NoHistory`] means.
    hidden: Mutex<Option<String>>,
    /// What account [`Fault::FalseData`] means, and what it is said to hold: base64.
    false_data: Mutex<Option<(String, String)>>,
    http: reqwest::Client,
}

#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    inner: Arc<Inner>,
    pub(crate) url: String,
}

impl Proxy {
    pub(crate) async fn new(target: &str) -> Self {
        let inner = Arc::new(Inner {
            target: format!("{target}/api/v2/jsonRPC"),
            fault: AtomicU8::new(0),
            lost: AtomicU64::new(0),
            hidden: Mutex::new(None),
            false_data: Mutex::new(None),
            http: reqwest::Client::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let router =
            Router::new().route("/api/v2/jsonRPC", post(forward)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, url }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.inner.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// From now on nobody is told what happened to this account.
    pub(crate) fn hide(&self, account: &str) {
        *self.inner.hidden.lock().unwrap() = Some(account.to_owned());
        self.set(Fault::NoHistory);
    }

    /// From now on this account is said to hold these data, a bag of cells in base64.
    pub(crate) fn falsify(&self, account: &str, data: &str) {
        let lie = (account.to_owned(), data.to_owned());
        *self.inner.false_data.lock().unwrap() = Some(lie);
        self.set(Fault::FalseData);
    }

    /// Calls lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.inner.lost.load(Ordering::SeqCst)
    }
}

async fn forward(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let is_message = body.windows(9).any(|window| window == b"\"sendBoc\"");
    let fault = inner.fault.load(Ordering::SeqCst);
    let lose = || {
        inner.lost.fetch_add(1, Ordering::SeqCst);
        StatusCode::BAD_GATEWAY.into_response()
    };
    let history = body.windows(17).any(|window| window == b"\"getTransactions\"");
    let hidden = history
        && inner.hidden.lock().is_ok_and(|hidden| {
            hidden.as_ref().is_some_and(|account| {
                body.windows(account.len()).any(|window| window == account.as_bytes())
            })
        });
    if hidden && fault == Fault::NoHistory as u8 {
        return lose();
    }
    if fault == Fault::Down as u8 || (is_message && fault == Fault::LoseMessages as u8) {
        return lose();
    }
    let asked = String::from_utf8_lossy(&body).into_owned();
    let sent = inner
        .http
        .post(&inner.target)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    if is_message && fault == Fault::LoseAnswers as u8 {
        return lose();
    }
    let status = answer.status();
    let honest = answer.bytes().await.unwrap_or_default();
    let told = inner.lie(fault, &asked, &honest).unwrap_or_else(|| honest.to_vec());
    (status, told).into_response()
}

impl Inner {
    /// What is told instead of `honest`.
    fn lie(&self, fault: u8, asked: &str, honest: &[u8]) -> Option<Vec<u8>> {
        let mut answer: Value = serde_json::from_slice(honest).ok()?;
        let result = answer.get_mut("result")?;
        if fault == Fault::FalseData as u8 && asked.contains("getAddressInformation") {
            let lie = self.false_data.lock().unwrap().clone()?;
            let (_, data) = Some(lie).filter(|(account, _)| asked.contains(account))?;
            result["data"] = data.into();
        } else if fault == Fault::FalseTime as u8 && asked.contains("getBlockHeader") {
            result["gen_utime"] = (result["gen_utime"].as_u64()? + 86_400).into();
        } else {
            return None;
        }
        serde_json::to_vec(&answer).ok()
    }
}
