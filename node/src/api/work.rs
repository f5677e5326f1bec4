//! The assigned worker's two routes: the sealed payload, and its sealed result.

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use fog_protocol::{
    PublicKey, Reveal, TaskId, TaskStatus,
    api::{PAYLOAD_CONTEXT, Payload, REVEAL_CONTEXT, seal_context},
    seal, tagged_hash,
};
use fog_verifier::Submission;

use super::{
    App,
    extract::{SignedRequest, TaskPath, body},
};
use crate::{
    coordinator::{Command, Received, Work},
    denied::{Denied, Why},
    store::Kind,
};

/// Bytes a sealed reveal is longer than its output, at most.
const SEAL_OVERHEAD: u64 = 1024;

/// The task's facts, if `key` is the session key of its assigned worker.
async fn assigned(app: &App, task: TaskId, key: PublicKey) -> Result<Box<Work>, Denied> {
    let work = app.shared.coordinator.ask(|reply| Command::Work { task, reply }).await?;
    if work.session != key {
        let message = "only the session key of the assigned worker may do this";
        return Err(Denied::new(Why::Forbidden, "not_assigned", message));
    }
    Ok(work)
}

/// `GET /v1/tasks/{id}/payload`.
pub(super) async fn payload(
    State(app): State<App>,
    TaskPath { 0: task }: TaskPath,
    request: Request,
) -> Result<Response, Denied> {
    let (signed, _) = SignedRequest::split(request)?;
    let key = signed.signer(&app, &[])?;
    let work = assigned(&app, task, key).await?;
    let (TaskStatus::Running | TaskStatus::Committed) = work.status else {
        let message = format!("the task is {}: there is nothing to run now", work.status);
        return Err(Denied::new(Why::Conflict, "not_running", message));
    };
    let mut files = Vec::new();
    for blob in work.listing.work_blobs() {
        files.push(app.shared.store.blob(blob).await?.ok_or_else(gone)?);
    }
    let input = app.shared.store.blob(work.listing.input).await?.ok_or_else(gone)?;
    let sealed = tokio::task::spawn_blocking(move || {
        let bytes = borsh::to_vec(&Payload { files, input }).map_err(|_| gone())?;
        seal(&work.seal_key, &seal_context(PAYLOAD_CONTEXT, &task), &bytes)
            .map_err(|error| Denied::new(Why::Invalid, "bad_seal_key", error.to_string()))
    })
    .await
    .map_err(|_| Denied::stopping())??;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, Bytes::from(sealed)).into_response())
}

fn gone() -> Denied {
    Denied::new(Why::Unavailable, "blob_gone", "the task's data is not here any more")
}

/// `PUT /v1/tasks/{id}/submission`: the sealed opening of the acknowledged commitment.
pub(super) async fn submit(
    State(app): State<App>,
    TaskPath { 0: task }: TaskPath,
    request: Request,
) -> Result<StatusCode, Denied> {
    let (signed, content) = SignedRequest::split(request)?;
    let limits = &app.shared.config.limits;
    let most = fog_protocol::ResourceLimits::default().output_bytes.max(limits.blob_bytes);
    let content = body(&app, &signed.headers, content, most + SEAL_OVERHEAD).await?;
    let key = signed.signer(&app, &content.bytes)?;
    let work = assigned(&app, task, key).await?;
    let Some(commitment) = work.commitment else {
        let message = "commit first: the result is taken once the commitment is acknowledged";
        return Err(Denied::new(Why::Conflict, "not_committed", message));
    };
    let sealed = content.bytes;
    let open = {
        let shared = std::sync::Arc::clone(&app.shared);
        let sealed = sealed.clone();
        let (listing, worker) = (work.listing.clone(), work.worker);
        move || {
            let context = seal_context(REVEAL_CONTEXT, &task);
            let bytes = shared
                .seal_key
                .open(&context, &sealed)
                .map_err(|error| Denied::new(Why::Invalid, "does_not_open", error.to_string()))?;
            let reveal: Reveal = borsh::from_slice(&bytes)
                .map_err(|_| Denied::new(Why::Invalid, "bad_reveal", "this is no reveal"))?;
            let opened = tagged_hash("fog/reveal-bytes/v1", &[&bytes]);
            let submission = Submission::open(reveal, &listing, worker, commitment)
                .map_err(|error| Denied::new(Why::Invalid, "wrong_result", error.to_string()))?;
            let copy = listing.policy.copies();
            Ok::<_, Denied>((opened, copy.map(|_| submission.opening())))
        }
    };
    let (reveal, opening) =
        tokio::task::spawn_blocking(open).await.map_err(|_| Denied::stopping())??;
    match app.shared.store.submission(&task).await? {
        Some((stored, _)) if stored == reveal => return Ok(StatusCode::NO_CONTENT),
        Some(_) => return Err(other_result()),
        None => {}
    }
    // The file first; the row that names it makes it count.
    let bytes = sealed.len() as u64;
    app.shared.store.with_files(move |files| files.put(Kind::Submission, &task.0, &sealed)).await?;
    let received = Received { task, reveal, bytes, opening };
    app.shared.coordinator.ask(|reply| Command::Received { received, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A second, different result for one commitment.
pub(crate) fn other_result() -> Denied {
    let message = "another result for this commitment is here already";
    Denied::new(Why::Conflict, "already_submitted", message)
}
