//! The connection to the node's gateway: authentication, heartbeats, frame limits, reconnecting.
//!
//! Frames sent while the connection is down are dropped: on every connection the agent says again
//! all that still counts ([`fog_protocol::gateway::WorkerFrame::Resume`] and its commitments).

use std::{sync::Arc, time::Duration};

use fog_protocol::{
    Address, Hash32, PROTOCOL_VERSION, SealPublicKey,
    api::NodeInfo,
    gateway::{
        AUTH_SECONDS, HEARTBEAT_SECONDS, MAX_FRAME_BYTES, SILENCE_SECONDS, ServerFrame, WorkerFrame,
    },
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    identity::Identity,
    node_client::{NodeClient, NodeError},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Shorter connections do not reset the pauses: longer ones carried work, and a worker that waits long
/// for its next one is late with it.
const STABLE: Duration = Duration::from_secs(3);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the connection tells the agent.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Authenticated.
    Connected { session: Session, probation_left: u32 },
    /// A frame.
    Frame(Box<ServerFrame>),
    /// Gone; trying again after the pause.
    Disconnected { reason: String, retry_in: Duration },
    /// The node did something it must not.
    Refused { reason: String },
}

/// What is known of the node while connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) node: Hash32,
    pub(crate) operator: Address,
    pub(crate) seal_key: SealPublicKey,
}

/// What the node must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) node: Option<Hash32>,
    pub(crate) market: Address,
    pub(crate) network: i32,
}

impl Expected {
    /// Checks what the node says of itself.
    pub(crate) fn check(&self, info: &NodeInfo) -> Result<(), String> {
        if info.protocol != PROTOCOL_VERSION {
            return Err(format!(
                "the node speaks version {} of the protocol, this worker {PROTOCOL_VERSION}: \
                 update the older one",
                info.protocol
            ));
        }
        if info.network != self.network {
            return Err(format!(
                "the node works on network {}, this worker on {}",
                info.network, self.network
            ));
        }
        if info.market != self.market {
            return Err(format!(
                "the node works for market {}, this worker's stake is at {}",
                info.market, self.market
            ));
        }
        if self.node.is_some_and(|node| node != info.node) {
            return Err(format!(
                "this is another node ({}) than the one this worker knows",
                info.node
            ));
        }
        Ok(())
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("shutting down")]
    Shutdown,
    #[error("{0}")]
    Lost(String),
    #[error("{0}")]
    Refused(String),
}

impl From<NodeError> for Ended {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Unreachable(_) | NodeError::Answer { .. } => Self::Lost(error.to_string()),
            NodeError::Dishonest(reason) => Self::Refused(reason),
        }
    }
}

fn lost(error: &tokio_tungstenite::tungstenite::Error) -> Ended {
    Ended::Lost(error.to_string().chars().take(200).collect())
}

/// One worker's line to one node.
pub(crate) struct Gateway {
    pub(crate) client: NodeClient,
    pub(crate) identity: Arc<Identity>,
    pub(crate) expected: Expected,
    pub(crate) incoming: mpsc::Sender<Incoming>,
    pub(crate) outgoing: mpsc::Receiver<WorkerFrame>,
    /// Tasks running now, for heartbeats.
    pub(crate) running: watch::Receiver<u16>,
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    /// Keeps the connection until told to stop.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let started = Instant::now();
            let stop = self.stop.clone();
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.connection() => ended,
            };
            if started.elapsed() > STABLE {
                backoff.reset();
            }
            let reason = match ended {
                Ended::Shutdown => return,
                Ended::Lost(reason) => reason,
                Ended::Refused(reason) => {
                    // Nothing gets better soon: the longest pause at once.
                    let refused = Incoming::Refused { reason: reason.clone() };
                    if self.incoming.send(refused).await.is_err() {
                        return;
                    }
                    backoff = Backoff::new(LONGEST_PAUSE, LONGEST_PAUSE);
                    reason
                }
            };
            let retry_in = backoff.next();
            if self.incoming.send(Incoming::Disconnected { reason, retry_in }).await.is_err() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(retry_in) => {}
            }
            while self.outgoing.try_recv().is_ok() {}
        }
    }

    /// One connection, from `GET /v1/info` to its end.
    async fn connection(&mut self) -> Ended {
        match self.connect().await {
            Ok((socket, session, probation_left)) => {
                let connected = Incoming::Connected { session, probation_left };
                if self.incoming.send(connected).await.is_err() {
                    return Ended::Shutdown;
                }
                self.expected.node = Some(session.node);
                self.serve(socket).await
            }
            Err(ended) => ended,
        }
    }

    async fn connect(&self) -> Result<(Socket, Session, u32), Ended> {
        let info = self.client.info().await?;
        self.expected.check(&info).map_err(Ended::Refused)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(8 << 10)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * MAX_FRAME_BYTES)
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let url = self.client.gateway_url();
        let connecting = connect_async_with_config(url, Some(config), true);
        let (mut socket, _) = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| Ended::Lost("the gateway does not answer".into()))?
            .map_err(|error| lost(&error))?;
        let node = info.node;
        let probation_left =
            timeout(Duration::from_secs(2 * AUTH_SECONDS), self.authenticate(&mut socket, node))
                .await
                .map_err(|_| Ended::Lost("the gateway did not authenticate in time".into()))??;
        let session = Session { node, operator: info.operator, seal_key: info.seal_key };
        Ok((socket, session, probation_left))
    }

    async fn authenticate(&self, socket: &mut Socket, known: Hash32) -> Result<u32, Ended> {
        let (node, nonce) = match next_frame(socket).await? {
            ServerFrame::Challenge { node, nonce, .. } => (node, nonce),
            other => return Err(unexpected("a challenge", &other)),
        };
        if node != known {
            return Err(Ended::Refused("the gateway is another node than the API".into()));
        }
        let hello = self.identity.hello(node, nonce);
        send(socket, &WorkerFrame::Hello { hello }).await?;
        match next_frame(socket).await? {
            ServerFrame::Welcome { probation_left } => Ok(probation_left),
            ServerFrame::Error { code, message, .. } => {
                let text: String = format!("the node refused us ({code}): {message}");
                Err(Ended::Lost(text.chars().take(400).collect()))
            }
            other => Err(unexpected("a welcome", &other)),
        }
    }

    async fn serve(&mut self, mut socket: Socket) -> Ended {
        let silence = Duration::from_secs(SILENCE_SECONDS);
        let mut beat = interval(Duration::from_secs(HEARTBEAT_SECONDS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let result = tokio::select! {
                message = socket.next() => {
                    heard = Instant::now();
                    match frame_of(message) {
                        Ok(None) => Ok(()),
                        Ok(Some(frame)) => {
                            let frame = Incoming::Frame(Box::new(frame));
                            self.incoming.send(frame).await.map_err(|_| Ended::Shutdown)
                        }
                        Err(ended) => Err(ended),
                    }
                }
                frame = self.outgoing.recv() => match frame {
                    Some(frame) => send(&mut socket, &frame).await,
                    None => Err(Ended::Shutdown),
                },
                _ = beat.tick() => {
                    let running = *self.running.borrow();
                    if heard.elapsed() > silence {
                        Err(Ended::Lost(format!("silent for {SILENCE_SECONDS} s")))
                    } else {
                        send(&mut socket, &WorkerFrame::Ping { running }).await
                    }
                }
            };
            if let Err(ended) = result {
                let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
                return ended;
            }
        }
    }
}

fn unexpected(wanted: &str, frame: &ServerFrame) -> Ended {
    let frame: String = format!("{frame:?}").chars().take(80).collect();
    Ended::Lost(format!("expected {wanted}, got {frame}"))
}

async fn send(socket: &mut Socket, frame: &WorkerFrame) -> Result<(), Ended> {
    let text = serde_json::to_string(frame).map_err(|error| Ended::Lost(error.to_string()))?;
    if text.len() > MAX_FRAME_BYTES {
        return Err(Ended::Lost("a frame of ours is longer than the gateway takes".into()));
    }
    timeout(SEND_TIMEOUT, socket.send(Message::text(text)))
        .await
        .map_err(|_| Ended::Lost("the gateway does not read".into()))?
        .map_err(|error| lost(&error))
}

async fn next_frame(socket: &mut Socket) -> Result<ServerFrame, Ended> {
    loop {
        if let Some(frame) = frame_of(socket.next().await)? {
            return Ok(frame);
        }
    }
}

fn frame_of(
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Result<Option<ServerFrame>, Ended> {
    match message {
        None => Err(Ended::Lost("the node closed the connection".into())),
        Some(Err(error)) => Err(lost(&error)),
        Some(Ok(Message::Text(text))) => parse(&text).map(Some).map_err(Ended::Refused),
        Some(Ok(Message::Close(frame))) => Err(Ended::Lost(frame.map_or_else(
            || "the node closed the connection".into(),
            |frame| format!("the node closed the connection: {}", frame.reason),
        ))),
        Some(Ok(Message::Binary(_))) => Err(Ended::Refused("the node sent a binary frame".into())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
    }
}

/// Reads a frame of the node.
pub(crate) fn parse(text: &str) -> Result<ServerFrame, String> {
    if text.len() > MAX_FRAME_BYTES {
        return Err(format!("a frame of {} bytes is longer than {MAX_FRAME_BYTES}", text.len()));
    }
    serde_json::from_str(text)
        .map_err(|error| format!("a frame that is none of this protocol's: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_frame_or_refused(text in ".{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn almost_frames_are_read_or_refused(
            kind in prop_oneof![
                Just("challenge"), Just("welcome"), Just("offer"), Just("assigned"), Just("lost"),
                Just("committed"), Just("closed"), Just("pong"), Just("error"), Just("x"),
            ],
            field in prop_oneof![
                Just("task"), Just("node"), Just("chain_time"), Just("amount"), Just("listing"),
                Just("probation_left"), Just("status"), Just("code"),
            ],
            value in prop_oneof![
                any::<u64>().prop_map(|n| n.to_string()),
                any::<i64>().prop_map(|n| n.to_string()),
                any::<f64>().prop_map(|n| format!("{n}")),
                ".{0,40}".prop_map(|s| format!("{s:?}")),
                Just("null".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()),
                (0usize..200).prop_map(|n| "[".repeat(n)),
            ],
        ) {
            let _ = parse(&format!(r#"{{"type":"{kind}","{field}":{value}}}"#));
        }
    }

    #[test]
    fn frames_of_the_protocol_are_read() {
        let frame = r#"{"type":"pong","chain_time":7}"#;
        assert_eq!(parse(frame), Ok(ServerFrame::Pong { chain_time: 7 }));
        assert!(parse(&" ".repeat(MAX_FRAME_BYTES + 1)).is_err());
    }
}
