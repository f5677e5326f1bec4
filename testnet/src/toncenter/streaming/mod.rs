//! Streaming v2 of toncenter: server-sent events and a WebSocket, with the same subscriptions.

mod feed;
mod subscription;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};

use super::dialect::ApiError;
use super::request::{RequestBody, from_body};
use super::server::Shared;
use feed::Feed;
use subscription::Subscription;

/// How often a connection without events is told that the server is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Largest message a WebSocket client may send.
const MAX_MESSAGE: usize = 256 << 10;
/// How much of what a WebSocket client does not read is kept.
const MAX_UNREAD: usize = 8 << 20;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/api/streaming/v2/sse", post(sse)).route("/api/streaming/v2/ws", get(ws))
}

/// An error of this dialect.
fn failed(status: StatusCode, id: Option<&str>, error: &str) -> Response {
    (status, Json(named(id, "error", error))).into_response()
}

/// `{"status"}` or `{"error"}`, with the request's id if it had one.
fn named(id: Option<&str>, key: &str, text: &str) -> Value {
    let mut value = json!({ key: text });
    if let Some(id) = id {
        value["id"] = id.into();
    }
    value
}

fn id_of(request: &Map<String, Value>) -> Result<Option<String>, String> {
    match request.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err("invalid subscription request: id is not a text".to_owned()),
    }
}

/// The refusal of a client for whom there is no place among the streams.
fn too_many() -> Response {
    failed(StatusCode::TOO_MANY_REQUESTS, None, "connection limit reached")
}

async fn sse(State(shared): State<Arc<Shared>>, body: RequestBody) -> Response {
    let bad = |id: Option<&str>, text: &str| failed(StatusCode::BAD_REQUEST, id, text);
    let request = match from_body(body) {
        Ok(request) => request,
        Err(error) if error.status == 422 => {
            return bad(None, &format!("invalid subscription request: {error}"));
        }
        Err(error) => return super::v3::failed(&error),
    };
    let id = match id_of(&request) {
        Ok(id) => id,
        Err(text) => return bad(None, &text),
    };
    let subscription = match Subscription::read(&request) {
        Ok(subscription) => subscription,
        Err(text) => return bad(id.as_deref(), &text),
    };
    let Some(seat) = shared.stream_seat() else { return too_many() };
    // The position is taken before the acknowledgement, so that nothing falls between.
    let feed = match Feed::open(Arc::clone(&shared)).await {
        Ok(feed) => feed,
        Err(error) => return super::v3::failed(&error),
    };
    let connected = named(id.as_deref(), "status", "subscribed");
    let events = Events {
        shared,
        feed,
        subscription: Arc::new(subscription),
        ready: VecDeque::from([frame("connected", &connected.to_string())]),
        keep_alive: keep_alive(),
        _seat: seat,
    };
    let stream = futures_util::stream::unfold(events, Events::next);
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(stream)).into_response()
}

fn keep_alive() -> Interval {
    let mut ticks = tokio::time::interval(KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

fn frame(event: &str, data: &str) -> Bytes {
    format!("event: {event}\ndata: {data}\n\n").into()
}

/// A stream of server-sent events. The connection asks for the next one when it has sent the last.
struct Events {
    shared: Arc<Shared>,
    feed: Feed,
    subscription: Arc<Subscription>,
    ready: VecDeque<Bytes>,
    keep_alive: Interval,
    _seat: OwnedSemaphorePermit,
}

impl Events {
    async fn next(mut self) -> Option<(Result<Bytes, ApiError>, Self)> {
        if self.ready.is_empty() {
            let stop = self.shared.stop();
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                events = self.feed.next(&self.subscription) => match events {
                    Ok(events) => {
                        self.ready.extend(events.iter().map(|data| frame("event", data)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a stream of events ended");
                        return None;
                    }
                },
                _ = self.keep_alive.tick() => {
                    self.ready.push_back(Bytes::from_static(b": keepalive\n\n"));
                }
            }
        }
        self.keep_alive.reset();
        let next = self.ready.pop_front()?;
        Some((Ok(next), self))
    }
}

async fn ws(
    State(shared): State<Arc<Shared>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return failed(StatusCode::UPGRADE_REQUIRED, None, "Upgrade Required");
    };
    let Some(seat) = shared.stream_seat() else { return too_many() };
    let feed = match Feed::open(Arc::clone(&shared)).await {
        Ok(feed) => feed,
        Err(error) => return super::v3::failed(&error),
    };
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(MAX_UNREAD)
        .on_upgrade(move |socket| async move {
            converse(socket, shared, feed).await;
            drop(seat);
        })
}

/// One WebSocket until either side ends it.
async fn converse(mut socket: WebSocket, shared: Arc<Shared>, mut feed: Feed) {
    let stop = shared.stop();
    let mut subscription = Arc::new(Subscription::default());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the server stops".into() };
                // A client that is gone already needs no farewell.
                let _gone = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            received = socket.recv() => {
                let bytes = match received {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                let idle = subscription.types.is_empty();
                let answer = answer(&bytes, Arc::make_mut(&mut subscription));
                // What happened before the first subscription is nobody's business.
                if idle && !subscription.types.is_empty() && feed.skip().await.is_err() {
                    return;
                }
                if socket.send(Message::text(answer.to_string())).await.is_err() {
                    return;
                }
            }
            events = feed.next(&subscription), if !subscription.types.is_empty() => {
                let Ok(events) = events else { return };
                for event in events {
                    if socket.send(Message::text(event)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Answers one message of a client.
fn answer(bytes: &[u8], subscription: &mut Subscription) -> Value {
    let request: Map<String, Value> = match serde_json::from_slice(bytes) {
        Ok(request) => request,
        Err(error) => {
            return named(None, "error", &format!("invalid request envelope: {error}"));
        }
    };
    let id = match id_of(&request) {
        Ok(id) => id,
        Err(text) => return named(None, "error", &text),
    };
    let outcome = match request.get("operation").and_then(Value::as_str) {
        Some("ping") => Ok("pong"),
        Some("subscribe") => Subscription::read(&request).map(|fresh| {
            *subscription = fresh;
            "subscribed"
        }),
        Some("unsubscribe") => subscription.remove(&request).map(|()| "unsubscribed"),
        other => Err(format!("unknown operation: {}", other.unwrap_or_default())),
    };
    match outcome {
        Ok(status) => named(id.as_deref(), "status", status),
        Err(text) => named(id.as_deref(), "error", &text),
    }
}
