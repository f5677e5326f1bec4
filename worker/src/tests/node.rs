//! A node that does what it is told.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Path, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::IntoResponse,
    routing::{get, put},
};
use fog_protocol::{
    GiveUpCause, Hash32, PROTOCOL_VERSION, SealKey, Signed, TaskId,
    api::NodeInfo,
    gateway::{Hello, ServerFrame, WorkerFrame},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::world::{MARKET, NETWORK, OPERATOR};

pub(super) const NODE: Hash32 = Hash32([0x77; 32]);
const PATIENCE: Duration = Duration::from_secs(20);

/// What the node's HTTP side answers.
pub(super) struct Answers {
    pub(super) info: NodeInfo,
    /// The id its gateway claims.
    pub(super) gateway_node: Hash32,
    pub(super) payloads: HashMap<TaskId, Vec<u8>>,
    /// What submissions are answered with.
    pub(super) submission: StatusCode,
    pub(super) submissions: Vec<(TaskId, Vec<u8>)>,
}

pub(super) struct Node {
    pub(super) url: String,
    pub(super) seal: SealKey,
    pub(super) answers: Arc<Mutex<Answers>>,
    sockets: mpsc::UnboundedReceiver<Line>,
    submitted: mpsc::UnboundedReceiver<()>,
}

/// One connection, seen from the node.
pub(super) struct Line {
    from: mpsc::UnboundedReceiver<WorkerFrame>,
    to: mpsc::UnboundedSender<Message>,
    pub(super) hello: Option<Signed<Hello>>,
}

#[derive(Clone)]
struct Server {
    answers: Arc<Mutex<Answers>>,
    sockets: mpsc::UnboundedSender<Line>,
    submitted: mpsc::UnboundedSender<()>,
}

impl Node {
    pub(super) async fn start() -> Self {
        let seal = SealKey::from_seed(&[0x55; 32]);
        let info = NodeInfo {
            protocol: PROTOCOL_VERSION,
            version: "test".into(),
            node: NODE,
            network: NETWORK,
            market: MARKET,
            operator: OPERATOR,
            operator_key: None,
            seal_key: seal.public(),
            verifiers: Vec::new(),
            threshold: 1,
            epoch_seed_hash: Hash32::default(),
            epoch: None,
            fee_bps: 100,
            task_gas: fog_protocol::Nano::ZERO,
            max_blob_bytes: 1 << 20,
            min_durations: fog_protocol::Durations::default(),
            max_durations: fog_protocol::Durations::default(),
            probation: 0,
            jettons: Vec::new(),
            trusted: Vec::new(),
            min_rate_ppm: 1,
        };
        let answers = Answers {
            info,
            gateway_node: NODE,
            payloads: HashMap::new(),
            submission: StatusCode::NO_CONTENT,
            submissions: Vec::new(),
        };
        let answers = Arc::new(Mutex::new(answers));
        let (sockets, sockets_in) = mpsc::unbounded_channel();
        let (submitted, submitted_in) = mpsc::unbounded_channel();
        let server = Server { answers: Arc::clone(&answers), sockets, submitted };
        let router = Router::new()
            .route("/v1/info", get(info_route))
            .route("/v1/gateway", get(gateway_route))
            .route("/v1/tasks/{id}/payload", get(payload_route))
            .route("/v1/tasks/{id}/submission", put(submission_route))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(server);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seal, answers, sockets: sockets_in, submitted: submitted_in }
    }

    /// The next connection, challenged and welcomed, after its `Resume`.
    pub(super) async fn worker(&mut self) -> (Line, Vec<TaskId>) {
        let mut line = self.challenged().await;
        line.send(&ServerFrame::Welcome { probation_left: 3 });
        let resumed = match line.try_next(Duration::from_millis(300)).await {
            Some(WorkerFrame::Resume { tasks }) => tasks,
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        };
        (line, resumed)
    }

    /// The next connection, as far as its hello.
    pub(super) async fn challenged(&mut self) -> Line {
        let mut line = self.connected().await;
        let node = self.answers.lock().unwrap().gateway_node;
        let nonce = Hash32([0x42; 32]);
        line.send(&ServerFrame::Challenge { protocol: PROTOCOL_VERSION, node, nonce });
        match line.next().await {
            WorkerFrame::Hello { hello } => {
                hello.verify().unwrap();
                assert_eq!((hello.value.node, hello.value.nonce), (node, nonce));
                line.hello = Some(hello);
            }
            other => panic!("{other:?}"),
        }
        line
    }

    pub(super) async fn connected(&mut self) -> Line {
        timeout(PATIENCE, self.sockets.recv()).await.expect("a connection").unwrap()
    }

    pub(super) async fn submission(&mut self) -> (TaskId, Vec<u8>) {
        timeout(PATIENCE, self.submitted.recv()).await.expect("a submission").unwrap();
        self.answers.lock().unwrap().submissions.last().unwrap().clone()
    }
}

impl Line {
    pub(super) fn send(&self, frame: &ServerFrame) {
        self.send_raw(Message::text(serde_json::to_string(frame).unwrap()));
    }

    pub(super) fn send_raw(&self, message: Message) {
        self.to.send(message).unwrap();
    }

    /// The next frame that is no heartbeat.
    pub(super) async fn next(&mut self) -> WorkerFrame {
        self.try_next(PATIENCE).await.expect("a frame")
    }

    /// The same, if one comes within `wait`.
    pub(super) async fn try_next(&mut self, wait: Duration) -> Option<WorkerFrame> {
        let next = async {
            loop {
                match self.from.recv().await {
                    Some(WorkerFrame::Ping { .. }) => {}
                    other => return other,
                }
            }
        };
        timeout(wait, next).await.ok().flatten()
    }

    /// The next frame, which says that a task is given up: which, and what ended it.
    pub(super) async fn given_up(&mut self) -> (TaskId, GiveUpCause) {
        match self.next().await {
            WorkerFrame::GiveUp { task, given_up } => {
                given_up.check().unwrap();
                (task, given_up.cause)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the worker hangs up.
    pub(super) async fn closed(&mut self) {
        let end = async { while self.from.recv().await.is_some() {} };
        timeout(PATIENCE, end).await.expect("the worker hangs up");
    }
}

async fn info_route(State(server): State<Server>) -> Json<NodeInfo> {
    Json(server.answers.lock().unwrap().info.clone())
}

async fn payload_route(
    State(server): State<Server>,
    Path(task): Path<String>,
) -> impl IntoResponse {
    let task: TaskId = task.parse().unwrap();
    match server.answers.lock().unwrap().payloads.get(&task) {
        Some(bytes) => (StatusCode::OK, bytes.clone()),
        None => (StatusCode::FORBIDDEN, br#"{"code":"none","message":"none"}"#.to_vec()),
    }
}

async fn submission_route(
    State(server): State<Server>,
    Path(task): Path<String>,
    body: Bytes,
) -> StatusCode {
    let mut answers = server.answers.lock().unwrap();
    answers.submissions.push((task.parse().unwrap(), body.to_vec()));
    let _ = server.submitted.send(());
    answers.submission
}

async fn gateway_route(
    State(server): State<Server>,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    upgrade.max_message_size(1 << 20).on_upgrade(move |socket| serve(socket, server))
}

async fn serve(mut socket: WebSocket, server: Server) {
    let (from, from_out) = mpsc::unbounded_channel();
    let (to, mut to_out) = mpsc::unbounded_channel();
    let _ = server.sockets.send(Line { from: from_out, to, hello: None });
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let _ = from.send(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            message = to_out.recv() => match message {
                Some(message) => if socket.send(message).await.is_err() { return },
                None => return,
            },
        }
    }
}
