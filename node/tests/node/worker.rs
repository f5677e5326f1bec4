//! A worker of one connection, driven step by step.

use fog_contracts::{Consent, commit_hash, consent_hash};
use fog_node::NodeHandle;
use fog_protocol::{
    Address, Bid, Commit, Hash32, Listing, Nano, PROTOCOL_VERSION, Reveal, SealKey, SealPublicKey,
    SecretKey, Signed, TaskId,
    api::{PAYLOAD_CONTEXT, Payload, REVEAL_CONTEXT, seal_context},
    commitment_hash,
    gateway::{Hello, ServerFrame, WorkerFrame},
    seal,
};
use fog_verifier::{
    Execution, Executor, merkle, produce, result_root, sandbox::process::RunnerConfig,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use super::world::{PATIENCE, World, runner_args};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn dial(node: &NodeHandle) -> Socket {
    let url = format!("ws://{}/v1/gateway", node.addr());
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

pub(crate) async fn next_frame(socket: &mut Socket) -> Option<ServerFrame> {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap()?.ok()?;
        match message {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

pub(crate) async fn say(socket: &mut Socket, frame: &WorkerFrame) {
    let text = serde_json::to_string(frame).unwrap();
    socket.send(Message::text(text)).await.unwrap();
}

pub(crate) struct Worker {
    pub(crate) socket: Socket,
    pub(crate) key: SecretKey,
    pub(crate) seal: SealKey,
    pub(crate) address: Address,
    pub(crate) stake: Address,
}

/// A task as the worker was offered it.
pub(crate) struct Offered {
    pub(crate) listing: Listing,
    pub(crate) escrow: Address,
    pub(crate) reserve: Nano,
}

pub(crate) fn hello(world: &World, index: usize, node: Hash32, nonce: Hash32) -> Hello {
    let person = &world.workers[index];
    Hello {
        protocol: PROTOCOL_VERSION,
        node,
        nonce,
        worker: person.address(),
        stake: world.stake_init(index).address().unwrap(),
        seal_key: seal_key(index),
        agent: "test".to_owned(),
    }
}

fn seal_secret(index: usize) -> SealKey {
    SealKey::from_seed(&[200 + u8::try_from(index).unwrap(); 32])
}

fn seal_key(index: usize) -> SealPublicKey {
    seal_secret(index).public()
}

pub(crate) async fn challenge(socket: &mut Socket) -> (Hash32, Hash32) {
    let Some(ServerFrame::Challenge { node, nonce, .. }) = next_frame(socket).await else {
        panic!("no challenge")
    };
    (node, nonce)
}

impl Worker {
    pub(crate) async fn join(world: &World, node: &NodeHandle, index: usize) -> Self {
        let mut socket = dial(node).await;
        let (id, nonce) = challenge(&mut socket).await;
        let person = &world.workers[index];
        let hello = hello(world, index, id, nonce);
        let stake = hello.stake;
        let hello = Signed::new(hello, &person.key);
        say(&mut socket, &WorkerFrame::Hello { hello }).await;
        let welcome = next_frame(&mut socket).await;
        assert!(matches!(welcome, Some(ServerFrame::Welcome { .. })), "{welcome:?}");
        let (key, address) = (person.key.clone(), person.address());
        Self { socket, key, seal: seal_secret(index), address, stake }
    }

    pub(crate) async fn say(&mut self, frame: &WorkerFrame) {
        say(&mut self.socket, frame).await;
    }

    /// The next frame for which `pick` gives something; others are skipped.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(ServerFrame) -> Option<T>) -> T {
        loop {
            let frame = next_frame(&mut self.socket).await.unwrap();
            if let Some(found) = pick(frame) {
                return found;
            }
        }
    }

    pub(crate) async fn offer(&mut self) -> Offered {
        self.wait(|frame| match frame {
            ServerFrame::Offer { listing, escrow, reserve_at_cap, .. } => {
                Some(Offered { listing: *listing, escrow, reserve: reserve_at_cap })
            }
            _ => None,
        })
        .await
    }

    pub(crate) fn bid(&self, offered: &Offered, price: Nano, valid_until: u64) -> Signed<Bid> {
        let consent = Consent {
            network: -3,
            stake: self.stake,
            task: offered.escrow,
            reserve: offered.reserve,
            price,
            valid_until: u32::try_from(valid_until).unwrap(),
        };
        let consent = self.key.sign(&consent_hash(&consent).unwrap().0);
        let bid = Bid {
            task: offered.listing.id(),
            escrow: offered.escrow,
            worker: self.address,
            stake: self.stake,
            price,
            reserve: offered.reserve,
            valid_until,
            slots: 4,
            consent,
        };
        Signed::new(bid, &self.key)
    }

    /// The code with which the last frame was refused.
    pub(crate) async fn refusal(&mut self) -> String {
        self.wait(|frame| match frame {
            ServerFrame::Error { code, .. } => Some(code),
            _ => None,
        })
        .await
    }

    /// Chain time, by asking.
    pub(crate) async fn time(&mut self) -> u64 {
        self.say(&WorkerFrame::Ping { running: 0 }).await;
        self.wait(|frame| match frame {
            ServerFrame::Pong { chain_time } => Some(chain_time),
            _ => None,
        })
        .await
    }

    /// Takes an offer, bids its cap, and waits for the assignment.
    pub(crate) async fn win(&mut self) -> Offered {
        let offered = self.offer().await;
        let valid_until = self.time().await + 300;
        let bid = self.bid(&offered, offered.listing.price_cap, valid_until);
        self.say(&WorkerFrame::Bid { bid }).await;
        let id = offered.listing.id();
        self.wait(|frame| match frame {
            ServerFrame::Assigned { task, .. } if task == id => Some(()),
            ServerFrame::Lost { reason, .. } => panic!("lost: {reason}"),
            ServerFrame::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => None,
        })
        .await;
        offered
    }

    pub(crate) async fn payload(&self, world: &World, node: &NodeHandle, task: &TaskId) -> Payload {
        let path = format!("/v1/tasks/{task}/payload");
        let answer = world.call(node, &self.key, "GET", &path, Vec::new()).await;
        assert_eq!(answer.status(), 200);
        let sealed = answer.bytes().await.unwrap();
        let opened = self.seal.open(&seal_context(PAYLOAD_CONTEXT, task), &sealed).unwrap();
        borsh::from_slice(&opened).unwrap()
    }

    /// Runs the payload honestly.
    pub(crate) async fn run(&self, listing: &Listing, payload: Payload) -> Execution {
        let (listing, worker) = (listing.clone(), self.address);
        tokio::task::spawn_blocking(move || {
            let mut config = RunnerConfig::new("/proc/self/exe");
            config.args = runner_args().into_iter().map(Into::into).collect();
            config.children = 1;
            let executor = Executor::start(config).unwrap();
            produce(&listing, &payload.files, &payload.input, &worker, &executor).unwrap()
        })
        .await
        .unwrap()
    }

    pub(crate) fn commitment(&self, task: TaskId, result: &Execution) -> (Hash32, Reveal) {
        let root = merkle::result_root(result.exit, &result.output);
        self.commitment_to(task, root, result)
    }

    pub(crate) fn commitment_to(
        &self,
        task: TaskId,
        root: Hash32,
        result: &Execution,
    ) -> (Hash32, Reveal) {
        let salt = Hash32([0x5a; 32]);
        let commitment = commitment_hash(&task, &self.address, &root, result.fuel_used, &salt);
        let reveal = Reveal {
            task,
            exit: result.exit,
            output: result.output.clone(),
            fuel_used: result.fuel_used,
            salt,
        };
        (commitment, reveal)
    }

    pub(crate) fn signed_commit(
        &self,
        task: TaskId,
        escrow: &Address,
        commitment: Hash32,
    ) -> Signed<Commit> {
        let chain_signature = self.key.sign(&commit_hash(-3, escrow, &commitment).unwrap().0);
        Signed::new(Commit { task, worker: self.address, commitment, chain_signature }, &self.key)
    }

    pub(crate) async fn commit(&mut self, offered: &Offered, commitment: Hash32) {
        let task = offered.listing.id();
        let commit = self.signed_commit(task, &offered.escrow, commitment);
        self.say(&WorkerFrame::Commit { commit }).await;
        self.wait(|frame| match frame {
            ServerFrame::Committed { task: told, .. } if told == task => Some(()),
            ServerFrame::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn submit(
        &self,
        world: &World,
        node: &NodeHandle,
        reveal: &Reveal,
    ) -> reqwest::Response {
        let info = world.info(node).await;
        let context = seal_context(REVEAL_CONTEXT, &reveal.task);
        let sealed = seal(&info.seal_key, &context, &borsh::to_vec(reveal).unwrap()).unwrap();
        let path = format!("/v1/tasks/{}/submission", reveal.task);
        world.call(node, &self.key, "PUT", &path, sealed).await
    }

    /// From assignment to submission; `change` may falsify the result.
    pub(crate) async fn work(
        &mut self,
        world: &World,
        node: &NodeHandle,
        offered: &Offered,
        change: impl FnOnce(&mut Execution),
    ) -> Execution {
        let task = offered.listing.id();
        let payload = self.payload(world, node, &task).await;
        let mut result = self.run(&offered.listing, payload).await;
        change(&mut result);
        let policy = &offered.listing.policy;
        let root = result_root(policy, result.exit, &result.output, result.fuel_used);
        let (commitment, reveal) = self.commitment_to(task, root, &result);
        self.commit(offered, commitment).await;
        let answer = self.submit(world, node, &reveal).await;
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
        result
    }
}
