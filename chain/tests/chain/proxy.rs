//! A gateway in front of the embedded chain that spoils answers as told.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

/// Changes an answer: gets the request and the honest answer's envelope.
pub(crate) type Spoil = Box<dyn FnMut(&Value, Value) -> Answer + Send>;

/// What goes out.
pub(crate) enum Answer {
    /// This envelope.
    Json(Value),
    /// This status with these headers and bytes.
    Raw(StatusCode, HeaderMap, Bytes),
    /// Nothing, ever.
    Silence,
}

struct Inner {
    upstream: String,
    http: reqwest::Client,
    spoil: Mutex<Spoil>,
    calls: AtomicUsize,
    key: Mutex<Option<String>>,
}

/// The gateway; honest until told otherwise.
pub(crate) struct Proxy {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Proxy {
    pub(crate) async fn new(upstream: String) -> Self {
        let inner = Arc::new(Inner {
            upstream,
            http: reqwest::Client::new(),
            spoil: Mutex::new(Box::new(|_, honest| Answer::Json(honest))),
            calls: AtomicUsize::new(0),
            key: Mutex::new(None),
        });
        let app =
            Router::new().route("/api/v2/jsonRPC", post(handle)).with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner }
    }

    pub(crate) fn spoil(&self, spoil: impl FnMut(&Value, Value) -> Answer + Send + 'static) {
        *self.inner.spoil.lock().unwrap() = Box::new(spoil);
    }

    /// Spoils the `result` of one method only.
    pub(crate) fn spoil_result(
        &self,
        method: &'static str,
        mut spoil: impl FnMut(&mut Value) + Send + 'static,
    ) {
        self.spoil(move |request, mut honest| {
            if request["method"] == method {
                spoil(&mut honest["result"]);
            }
            Answer::Json(honest)
        });
    }

    /// The API key of the last request.
    pub(crate) fn key(&self) -> Option<String> {
        self.inner.key.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::SeqCst)
    }
}

async fn handle(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    inner.calls.fetch_add(1, Ordering::SeqCst);
    let key = headers.get("X-API-Key").map(|key| key.to_str().unwrap().to_owned());
    *inner.key.lock().unwrap() = key;
    let url = format!("{}/api/v2/jsonRPC", inner.upstream);
    let honest = inner.http.post(url).json(&request).send().await.unwrap();
    let honest: Value = honest.json().await.unwrap();
    let answer = (inner.spoil.lock().unwrap())(&request, honest);
    match answer {
        Answer::Json(value) => Json(value).into_response(),
        Answer::Raw(status, headers, bytes) => (status, headers, bytes).into_response(),
        Answer::Silence => std::future::pending().await,
    }
}
