//! The worker gateway of `fog_protocol::gateway`: one WebSocket a worker.
//!
//! ```text
//! upgrade -> Challenge -> Hello (5 s) -> stake read on chain -> Welcome -> frames both ways
//! ```
//! Whoever does not authenticate in time, falls silent, sends too much or reads too slowly is
//! dropped. Nothing secret passes here.

mod bucket;
mod frames;
mod hello;
mod registry;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use fog_jury::listen::Seat;
use fog_protocol::{
    TaskId,
    gateway::{MAX_FRAME_BYTES, SILENCE_SECONDS, ServerFrame},
};

pub(crate) use registry::Registry;

use crate::{
    api::App,
    coordinator::Command,
    denied::{Denied, Why},
    shared::{Counters, Shared},
};

/// Bytes read at once: an idle connection should cost little.
const READ_BUFFER: usize = 4096;
/// Time a frame may take to be written out.
const WRITE_SECONDS: u64 = 10;
/// Frames, and seconds, that a closing connection is still read.
const LINGER_FRAMES: u32 = 4096;
const LINGER_SECONDS: u64 = 2;
/// Refused frames after which a connection is dropped.
const MAX_REFUSED: u32 = 64;

/// `GET /v1/gateway`.
pub(crate) async fn upgrade(
    State(app): State<App>,
    Extension(seat): Extension<Arc<Seat>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Denied> {
    let upgrade = upgrade
        .map_err(|error| Denied::new(Why::Malformed, "not_a_websocket", error.body_text()))?;
    if app.intake.is_cancelled() {
        return Err(Denied::stopping());
    }
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .on_upgrade(move |socket| async move {
            serve(&app, socket).await;
            drop(seat);
        }))
}

async fn serve(app: &App, mut socket: WebSocket) {
    let shared = &app.shared;
    let ended = match hello::authenticate(shared, &mut socket).await {
        Err(denied) => denied,
        Ok(session) => {
            let worker = session.joined.worker;
            let connection = session.joined.connection;
            let ended = talk(app, &mut socket, session).await;
            if shared.registry.leave(&worker, connection) {
                // Fails only when the node stops: then every worker leaves at the next start.
                drop(shared.coordinator.tell(Command::Leave { worker, connection }).await);
            }
            ended
        }
    };
    tracing::debug!(code = %ended.code, "a gateway connection ends");
    let error =
        ServerFrame::Error { code: ended.code.clone(), message: ended.message.clone(), task: None };
    // The peer may be gone already.
    drop(send(&mut socket, &error).await);
    let reason: String = ended.code.chars().take(100).collect();
    let close = CloseFrame { code: close_code::POLICY, reason: reason.into() };
    let closing = async {
        socket.send(Message::Close(Some(close))).await?;
        // What is unread when a socket closes resets it, and the reason would be lost.
        for _ in 0..LINGER_FRAMES {
            match socket.recv().await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        Ok::<_, axum::Error>(())
    };
    drop(tokio::time::timeout(Duration::from_secs(LINGER_SECONDS), closing).await);
}

/// A connection after its hello.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) joined: crate::coordinator::Joined,
    enrolled: registry::Enrolled,
}

/// Exchanges frames until the connection ends, and says why.
async fn talk(app: &App, socket: &mut WebSocket, mut session: Session) -> Denied {
    let shared = &app.shared;
    let limits = &shared.config.limits;
    let mut bucket =
        bucket::Bucket::new(limits.frames_per_second, limits.frame_burst, Instant::now());
    let silence = Duration::from_secs(SILENCE_SECONDS);
    let mut heard = tokio::time::Instant::now();
    let mut refused = 0;
    loop {
        let message = tokio::select! {
            biased;
            () = app.intake.cancelled() => return Denied::stopping(),
            () = session.enrolled.end.cancelled() => return replaced_or_slow(shared, &session),
            () = tokio::time::sleep_until(heard + silence) => return denied("silent", "silence"),
            frame = session.enrolled.frames.recv() => {
                // The registry let go of this connection.
                let Some(frame) = frame else { return replaced_or_slow(shared, &session) };
                if send(socket, &frame).await.is_err() {
                    return denied("too_slow", "the worker does not read its frames");
                }
                continue;
            }
            message = socket.recv() => message,
        };
        heard = tokio::time::Instant::now();
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) if bucket.take(Instant::now()) => {
                continue;
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return too_many(),
            Some(Ok(Message::Binary(_))) => {
                return denied("not_text", "frames are JSON text");
            }
            Some(Ok(Message::Close(_))) | None => return denied("closed", "closed by the worker"),
            Some(Err(error)) => return broken(&error),
        };
        Counters::count(&shared.counters.frames_in);
        if !bucket.take(Instant::now()) {
            return too_many();
        }
        let answer = match frames::handle(shared, &session.joined, &text).await {
            Ok(answer) => answer,
            Err((task, denied)) => {
                refused += 1;
                if refused >= MAX_REFUSED {
                    return denied;
                }
                Some(refusal(task, denied))
            }
        };
        if let Some(answer) = answer
            && send(socket, &answer).await.is_err()
        {
            return denied("too_slow", "the worker does not read its frames");
        }
    }
}

fn denied(code: &str, message: &str) -> Denied {
    Denied::new(Why::Conflict, code, message)
}

fn too_many() -> Denied {
    Denied::new(Why::TooMany, "too_many_frames", "the worker sends more frames than it may")
}

fn broken(error: &axum::Error) -> Denied {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") {
        let message = format!("a frame may have at most {MAX_FRAME_BYTES} bytes");
        return Denied::new(Why::TooLarge, "frame_too_large", message);
    }
    denied("broken", "the connection broke off")
}

fn replaced_or_slow(shared: &Shared, session: &Session) -> Denied {
    Counters::count(&shared.counters.workers_dropped);
    let joined = &session.joined;
    if shared.registry.is_live(&joined.worker, joined.connection) {
        denied("too_slow", "the worker does not read its frames")
    } else {
        denied("replaced", "the worker connected again elsewhere")
    }
}

fn refusal(task: Option<TaskId>, denied: Denied) -> ServerFrame {
    ServerFrame::Error { code: denied.code, message: denied.message, task }
}

async fn send(socket: &mut WebSocket, frame: &ServerFrame) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    let sent = socket.send(Message::Text(text.into()));
    tokio::time::timeout(Duration::from_secs(WRITE_SECONDS), sent)
        .await
        .map_err(axum::Error::new)?
}
