//! Frames of an authenticated worker.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fog_contracts::proof::Prove;
use fog_protocol::{
    Bid, Commit, Signed, TaskId,
    gateway::{ServerFrame, WorkerFrame},
};

use crate::{
    chain_port::ChainPort,
    coordinator::{Command, Joined},
    denied::{Denied, Why},
    shared::Shared,
};

const MAX_RESUMED: usize = 256;

type Refused = (Option<TaskId>, Denied);

fn refused(task: Option<TaskId>, code: &str, message: impl Into<String>) -> Refused {
    (task, Denied::new(Why::Invalid, code, message))
}

/// Parses and handles one frame; what comes back at once is answered here, the rest comes from the
/// coordinator.
pub(super) async fn handle(
    shared: &Shared,
    joined: &Joined,
    text: &str,
) -> Result<Option<ServerFrame>, Refused> {
    let frame: WorkerFrame = serde_json::from_str(text).map_err(|error| {
        refused(None, "bad_frame", format!("the frame does not parse: {error}"))
    })?;
    match frame {
        WorkerFrame::Hello { .. } => {
            Err(refused(None, "already_welcome", "the connection is authenticated already"))
        }
        WorkerFrame::Ping { .. } => Ok(Some(ServerFrame::Pong { chain_time: shared.clock.now() })),
        WorkerFrame::Bid { bid } => {
            let task = Some(bid.value.task);
            check_bid(shared, joined, &bid).map_err(|denied| (task, denied))?;
            let bid = Box::new(bid);
            let ask = shared.coordinator.ask(|reply| Command::Bid { bid, reply });
            ask.await.map(|()| None).map_err(|denied| (task, denied))
        }
        WorkerFrame::Pass { task, reason, ask } => {
            let worker = joined.worker;
            let pass = |reply| Command::Pass { task, worker, reason, ask, reply };
            let passed = shared.coordinator.ask(pass).await;
            passed.map(|()| None).map_err(|denied| (Some(task), denied))
        }
        WorkerFrame::Commit { commit } => {
            let task = Some(commit.value.task);
            check_commit(shared, joined, &commit).map_err(|denied| (task, denied))?;
            let commit = Box::new(commit);
            let ask = shared.coordinator.ask(|reply| Command::Commit { commit, reply });
            ask.await.map(|()| None).map_err(|denied| (task, denied))
        }
        WorkerFrame::Pledge { bid, commit } => {
            let task = Some(bid.value.task);
            check_bid(shared, joined, &bid)
                .and_then(|()| check_commit(shared, joined, &commit))
                .map_err(|denied| (task, denied))?;
            let ask = shared.coordinator.ask(|reply| Command::Pledge { bid, commit, reply });
            ask.await.map(|()| None).map_err(|denied| (task, denied))
        }
        WorkerFrame::Prove { task, message } => {
            let message = check_proof(shared, joined, task, &message)
                .await
                .map_err(|denied| (Some(task), denied))?;
            let worker = joined.worker;
            let ask = |reply| Command::Prove { task, worker, message, reply };
            let proven = shared.coordinator.ask(ask).await;
            proven.map(|()| None).map_err(|denied| (Some(task), denied))
        }
        WorkerFrame::GiveUp { task, given_up } => {
            let worker = joined.worker;
            let ask = |reply| Command::GiveUp { task, worker, given_up, reply };
            let kept = shared.coordinator.ask(ask).await;
            kept.map(|()| None).map_err(|denied| (Some(task), denied))
        }
        WorkerFrame::Resume { tasks } if tasks.len() > MAX_RESUMED => {
            Err(refused(None, "too_many_tasks", "at most 256 tasks are resumed at once"))
        }
        WorkerFrame::Resume { tasks } => {
            let resume = Command::Resume { worker: joined.worker, tasks };
            shared.coordinator.tell(resume).await.map(|()| None).map_err(|denied| (None, denied))
        }
    }
}

/// Who signed, and for whom: a bid of another worker, replayed here, is refused.
fn check_bid(shared: &Shared, joined: &Joined, signed: &Signed<Bid>) -> Result<(), Denied> {
    let bid = signed.verify().map_err(|error| invalid("bad_signature", error.to_string()))?;
    if signed.signer != joined.session || bid.worker != joined.worker || bid.stake != joined.stake {
        return Err(invalid("foreign_bid", "the bid is of another worker, key or stake"));
    }
    shared
        .chain
        .check_consent(bid, &joined.session)
        .map_err(|error| invalid("bad_consent", error.to_string()))
}

fn check_commit(shared: &Shared, joined: &Joined, signed: &Signed<Commit>) -> Result<(), Denied> {
    let commit = signed.verify().map_err(|error| invalid("bad_signature", error.to_string()))?;
    if signed.signer != joined.session || commit.worker != joined.worker {
        return Err(invalid("foreign_commit", "the commitment is of another worker or key"));
    }
    // The contract checks the relayed signature; a wrong one would only waste gas.
    let _ = shared;
    Ok(())
}

/// Only a proof that the contract will take is worth its gas.
async fn check_proof(
    shared: &Shared,
    joined: &Joined,
    task: TaskId,
    message: &str,
) -> Result<Vec<u8>, Denied> {
    let bad = |error: String| invalid("bad_proof", error);
    let bytes = STANDARD.decode(message).map_err(|error| bad(error.to_string()))?;
    let prove = Prove::from_bytes(&bytes).map_err(|error| bad(error.to_string()))?;
    let work = shared.coordinator.ask(|reply| Command::Work { task, reply }).await?;
    if work.session != joined.session {
        return Err(invalid("not_assigned", "the task is another worker's"));
    }
    let (network, stake) = (shared.config.network, joined.stake);
    let check = move || ChainPort::check_proof(network, &work.listing, &stake, &prove);
    let checked = tokio::task::spawn_blocking(check).await.map_err(|_| Denied::stopping())?;
    checked.map_err(|error| bad(error.to_string()))?;
    Ok(bytes)
}

fn invalid(code: &str, message: impl Into<String>) -> Denied {
    Denied::new(Why::Invalid, code, message)
}
