//! Frames of an authenticated worker.

use fog_protocol::{
    Bid, Commit, Signed, TaskId,
    gateway::{ServerFrame, WorkerFrame},
};

use crate::{
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

fn invalid(code: &str, message: impl Into<String>) -> Denied {
    Denied::new(Why::Invalid, code, message)
}
