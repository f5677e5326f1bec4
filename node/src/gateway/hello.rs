//! Authentication: a fresh challenge, signed by the session key that the worker's stake contract
//! names on chain.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use fog_protocol::{
    Hash32, PROTOCOL_VERSION, Signed,
    gateway::{AUTH_SECONDS, Hello, ServerFrame, WorkerFrame},
};

use super::{Session, send};
use crate::{
    coordinator::{Command, Joined},
    denied::{Denied, Why},
    shared::Shared,
};

const MAX_AGENT: usize = 64;
/// Time the reading of a stake contract may take.
const STAKE_SECONDS: u64 = 15;

fn refused(code: &str, message: impl Into<String>) -> Denied {
    Denied::new(Why::Unauthenticated, code, message)
}

/// Runs the handshake.
pub(super) async fn authenticate(
    shared: &Shared,
    socket: &mut WebSocket,
) -> Result<Session, Denied> {
    let mut nonce = Hash32::default();
    getrandom::fill(&mut nonce.0).map_err(|_| Denied::stopping())?;
    let challenge = ServerFrame::Challenge { protocol: PROTOCOL_VERSION, node: shared.node, nonce };
    let first = async {
        send(socket, &challenge).await.map_err(|_| refused("closed", "closed by the worker"))?;
        first_frame(socket).await
    };
    let signed = tokio::time::timeout(Duration::from_secs(AUTH_SECONDS), first)
        .await
        .map_err(|_| refused("no_hello", format!("no hello within {AUTH_SECONDS} s")))??;
    let hello = check(shared, &signed, &nonce)?;
    let reading = shared.chain.stake(&hello.stake);
    let stake = tokio::time::timeout(Duration::from_secs(STAKE_SECONDS), reading)
        .await
        .map_err(|_| Denied::new(Why::Unavailable, "chain_slow", "the chain answers too slowly"))?
        .map_err(|error| refused("no_stake", format!("the stake cannot be read: {error}")))?;
    if stake.owner != hello.worker {
        return Err(refused("wrong_owner", "the stake contract belongs to another worker"));
    }
    if stake.session != signed.signer {
        return Err(refused("wrong_session", "the stake contract names another session key"));
    }
    join(shared, hello, &signed, stake.free).await
}

async fn join(
    shared: &Shared,
    hello: &Hello,
    signed: &Signed<Hello>,
    free_stake: fog_protocol::Nano,
) -> Result<Session, Denied> {
    let full = || Denied::new(Why::TooMany, "gateway_full", "as many workers as there may be");
    let queued = shared.config.limits.frames_queued;
    let enrolled = shared.registry.enrol(hello.worker, queued).ok_or_else(full)?;
    let joined = Joined {
        worker: hello.worker,
        stake: hello.stake,
        session: signed.signer,
        seal_key: hello.seal_key,
        free_stake,
        connection: enrolled.connection,
    };
    // The welcome is queued by the coordinator before any offer.
    let join = |reply| Command::Join { joined: joined.clone(), reply };
    match shared.coordinator.ask(join).await {
        Ok(_) => Ok(Session { joined, enrolled }),
        Err(denied) => {
            shared.registry.leave(&joined.worker, joined.connection);
            Err(denied)
        }
    }
}

async fn first_frame(socket: &mut WebSocket) -> Result<Signed<Hello>, Denied> {
    let text = match socket.recv().await {
        Some(Ok(Message::Text(text))) => text,
        _ => return Err(refused("no_hello", "the first frame must be a hello")),
    };
    match serde_json::from_str(&text) {
        Ok(WorkerFrame::Hello { hello }) => Ok(hello),
        Ok(_) => Err(refused("no_hello", "the first frame must be a hello")),
        Err(error) => Err(refused("bad_frame", format!("the hello does not parse: {error}"))),
    }
}

fn check<'a>(
    shared: &Shared,
    signed: &'a Signed<Hello>,
    nonce: &Hash32,
) -> Result<&'a Hello, Denied> {
    let hello = signed.verify().map_err(|error| refused("bad_signature", error.to_string()))?;
    if hello.protocol != PROTOCOL_VERSION {
        let message = format!("this node speaks version {PROTOCOL_VERSION}: update the worker");
        return Err(refused("wrong_version", message));
    }
    if hello.node != shared.node || hello.nonce != *nonce {
        return Err(refused("wrong_challenge", "the hello answers another challenge"));
    }
    if hello.agent.len() > MAX_AGENT {
        return Err(refused("bad_agent", "the agent's name may have at most 64 bytes"));
    }
    let expected = shared
        .chain
        .stake_address(&hello.worker)
        .map_err(|error| refused("wrong_stake", error.to_string()))?;
    if hello.stake != expected {
        let message = format!("the worker's stake contract in this market is {expected}");
        return Err(refused("wrong_stake", message));
    }
    Ok(hello)
}
