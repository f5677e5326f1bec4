//! Tasks: posted, listed, shown; their nonce, result and evidence.

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fog_protocol::{
    Durations, Group, Hash32, JettonRate, JettonRates, Listing, Nano, NonceOpening, Policy, Signed,
    TaskId, TaskStatus,
    api::{OpenNonce, Posted, TaskPage, TaskView, WorkerView},
};
use fog_verifier::{Evidence, ExecuteError, Job, check_proof_policy};
use serde::Deserialize;

use super::{
    App, epochs,
    extract::{PathOf, QueryOf, SignedRequest, TaskPath, body, json},
};
use crate::{
    chain_port::ChainPort,
    channels::account_of,
    coordinator::{Command, ordered_once},
    denied::{Denied, Why},
    store::{Kind, Told},
};

const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;
const MAX_WORKERS: u32 = 10_000;

/// `POST /v1/tasks`. Posting the same listing again answers the same.
pub(super) async fn post(State(app): State<App>, request: Request) -> Result<Json<Posted>, Denied> {
    let limit = app.shared.config.limits.json_bytes as u64;
    let (parts, content) = request.into_parts();
    let content = body(&app, &parts.headers, content, limit).await?;
    let signed: Signed<Listing> = json(&content.bytes)?;
    let listing = signed
        .verify()
        .map_err(|error| Denied::new(Why::Unauthenticated, "bad_signature", error.to_string()))?;
    if listing.requestor_key != signed.signer {
        return Err(Denied::new(
            Why::Forbidden,
            "wrong_signer",
            "the listing must be signed by its own requestor_key",
        ));
    }
    check_terms(&app, listing)?;
    let mut posted = app
        .shared
        .chain
        .posted(listing)
        .map_err(|reason| Denied::new(Why::Invalid, "bad_terms", reason.to_string()))?;
    let epoch = epochs::of(&app, listing).await?;
    posted.epoch = epoch.as_ref().and_then(|epoch| epoch.signed.clone());
    if app.shared.store.has_task(&posted.task).await? {
        return Ok(Json(posted));
    }
    check_blobs(&app, listing).await?;
    check_quota(&app, listing).await?;
    check_program(&app, listing).await?;
    check_proofs(&app, listing).await?;
    let account = match listing.rail.account() {
        None => None,
        Some(account) => {
            let at = account_of(&app.shared, &signed, account).await?;
            // Last: what is taken from here on, the coordinator knows itself.
            if let Some(task) = app.shared.store.task_of_order(&account, &listing.salt).await? {
                return Err(ordered_once(&task));
            }
            Some(Box::new(at))
        }
    };
    let escrow = posted.escrow;
    let listing = Box::new(signed);
    app.shared.coordinator.ask(|reply| Command::Post { listing, escrow, account, reply }).await?;
    Ok(Json(posted))
}

/// In which jettons, and for what at least: a guarantee that is worth more than its jettons would bind
/// the node's bond for nothing.
fn check_jetton(taken: &[JettonRate], listing: &Listing) -> Result<(), Denied> {
    let Some((master, units)) = listing.rail.jetton() else { return Ok(()) };
    let refused = |code: &str, message: String| Err(Denied::new(Why::Invalid, code, message));
    // Checked when the node started; none otherwise.
    let rates = JettonRates::new(taken).unwrap_or_default();
    let Some(least) = rates.worth(&master, listing.price_cap) else {
        let known: Vec<_> = taken.iter().map(|rate| rate.master.to_string()).collect();
        let instead = match &known[..] {
            [] => "post the task in GRAM, or to another node".to_owned(),
            known => format!("it takes those of {}", known.join(", ")),
        };
        return refused(
            "jetton_not_taken",
            format!("this node takes no jettons of {master}: {instead}"),
        );
    };
    if units < least {
        return refused(
            "jetton_too_little",
            format!(
                "{units} are too little for a guarantee of {}: at least {least}, or a smaller \
                 guarantee",
                listing.price_cap
            ),
        );
    }
    Ok(())
}

fn check_terms(app: &App, listing: &Listing) -> Result<(), Denied> {
    let invalid = |code: &str, message: String| Err(Denied::new(Why::Invalid, code, message));
    if let Err(error) = listing.check() {
        return invalid("bad_listing", error.to_string());
    }
    let config = &app.shared.config;
    if listing.network != config.network {
        return invalid("wrong_network", format!("this node is on network {}", config.network));
    }
    if listing.market != config.market {
        return invalid("wrong_market", format!("this node serves market {}", config.market));
    }
    if listing.operator != app.shared.operator {
        return invalid("wrong_operator", format!("this node's wallet is {}", app.shared.operator));
    }
    if listing.policy.rate_ppm() < config.min_rate_ppm {
        let least = config.min_rate_ppm;
        return invalid("rate_too_low", format!("the audit rate must be at least {least} ppm"));
    }
    check_jetton(&config.jettons, listing)?;
    within("durations.bid", listing, app, |d| d.bid)?;
    within("durations.commit", listing, app, |d| d.commit)?;
    within("durations.verdict", listing, app, |d| d.verdict)?;
    within("durations.window", listing, app, |d| d.window)
}

fn within(
    field: &str,
    listing: &Listing,
    app: &App,
    get: fn(&Durations) -> u32,
) -> Result<(), Denied> {
    let config = &app.shared.config;
    let (min, max) = (get(&config.min_durations), get(&config.max_durations));
    if (min..=max).contains(&get(&listing.durations)) {
        return Ok(());
    }
    let message = format!("{field} must be between {min} and {max} seconds at this node");
    Err(Denied::new(Why::Invalid, "bad_duration", message))
}

async fn check_blobs(app: &App, listing: &Listing) -> Result<(), Denied> {
    let mut blobs = listing.program.blobs();
    blobs.push(listing.input);
    blobs.extend(listing.policy.file());
    for blob in blobs {
        let stored = app.shared.store.blob_bytes(&blob.hash).await?;
        if stored != Some(blob.bytes) {
            let hash = blob.hash;
            let message = match stored {
                None => format!("blob {hash} is not here: PUT /v1/blobs/{hash} first"),
                Some(bytes) => format!("blob {hash} has {bytes} bytes, not {}", blob.bytes),
            };
            return Err(Denied::new(Why::Invalid, "missing_blob", message));
        }
    }
    Ok(())
}

/// A program that no sandbox takes would only cost its worker the penalty for being late.
async fn check_program(app: &App, listing: &Listing) -> Result<(), Denied> {
    let _admission = app.shared.admissions.acquire().await.map_err(|_| Denied::stopping())?;
    let mut blobs = Vec::new();
    for blob in listing.program.blobs() {
        let missing = || Denied::new(Why::Invalid, "missing_blob", "a program blob is gone");
        blobs.push(app.shared.store.blob(blob).await?.ok_or_else(missing)?);
    }
    if let (Some(key), [bytes]) = (listing.policy.circuit(), blobs.as_slice()) {
        return ChainPort::check_circuit(bytes, &key)
            .map_err(|error| Denied::new(Why::Invalid, "bad_program", error.to_string()));
    }
    let (executor, listing) = (app.shared.executor.clone(), listing.clone());
    let admit = move || executor.admit(&Job::new(&listing, &blobs, &[], &listing.requestor));
    match tokio::task::spawn_blocking(admit).await.map_err(|_| Denied::stopping())? {
        Ok(()) => Ok(()),
        Err(ExecuteError::Refused { code, reason }) => {
            let message = format!("the program is refused ({code}): {reason}");
            Err(Denied::new(Why::Invalid, "bad_program", message))
        }
        Err(error) => {
            tracing::warn!(%error, "a program could not be looked at");
            Err(Denied::new(Why::Unavailable, "sandbox", "the sandbox is busy: try again later"))
        }
    }
}

/// Where no proof could be checked there would be no verdict, and the node's bond would pay for it.
async fn check_proofs(app: &App, listing: &Listing) -> Result<(), Denied> {
    let Policy::Groth16 { key, .. } = &listing.policy else { return Ok(()) };
    let _admission = app.shared.admissions.acquire().await.map_err(|_| Denied::stopping())?;
    let missing = || Denied::new(Why::Invalid, "missing_blob", "the verification key is gone");
    let file = app.shared.store.blob(*key).await?.ok_or_else(missing)?;
    let policy = listing.policy.clone();
    let check = move || check_proof_policy(&policy, &file);
    let checked = tokio::task::spawn_blocking(check).await.map_err(|_| Denied::stopping())?;
    checked.map_err(|malformed| {
        let message = format!("no proof could be checked: {malformed}; {}", malformed.cure());
        Denied::new(Why::Invalid, "bad_policy", message)
    })
}

async fn check_quota(app: &App, listing: &Listing) -> Result<(), Denied> {
    let limits = &app.shared.config.limits;
    let (own, total) = app.shared.store.living_tasks(&listing.requestor_key).await?;
    if own >= u64::from(limits.tasks_per_key) {
        let message = format!("this key has {own} unfinished tasks, the most there may be");
        return Err(Denied::new(Why::TooMany, "task_quota", message));
    }
    if total >= u64::from(limits.tasks_total) {
        let message = "the node has as many unfinished tasks as it takes: try later";
        return Err(Denied::new(Why::TooMany, "tasks_full", message));
    }
    Ok(())
}

/// The query of a page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<u32>,
    after: Option<u64>,
    status: Option<TaskStatus>,
    epoch: Option<u64>,
}

/// `GET /v1/tasks`.
pub(super) async fn list(
    State(app): State<App>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<TaskPage>, Denied> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let PageQuery { after, status, epoch, .. } = query;
    let (tasks, next) = app.shared.store.task_page(after, status, epoch, limit).await?;
    Ok(Json(TaskPage { tasks, next }))
}

/// `GET /v1/tasks/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    TaskPath { 0: id }: TaskPath,
) -> Result<Json<TaskView>, Denied> {
    app.shared.store.task_view(&id).await?.map(Json).ok_or_else(Denied::no_task)
}

/// `GET /v1/workers`.
pub(super) async fn workers(State(app): State<App>) -> Result<Json<Vec<WorkerView>>, Denied> {
    Ok(Json(app.shared.store.worker_views(MAX_WORKERS).await?))
}

/// `POST /v1/groups`: which listings are copies of one task. Only who made their secret can say.
pub(super) async fn group(State(app): State<App>, request: Request) -> Result<StatusCode, Denied> {
    let (parts, content) = request.into_parts();
    let limit = app.shared.config.limits.json_bytes as u64;
    let content = body(&app, &parts.headers, content, limit).await?;
    let group: Group = json(&content.bytes)?;
    app.shared.coordinator.ask(|reply| Command::Group { group, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/tasks/{id}/nonce`.
pub(super) async fn open_nonce(
    State(app): State<App>,
    TaskPath { 0: task }: TaskPath,
    request: Request,
) -> Result<StatusCode, Denied> {
    let (signed, content) = SignedRequest::split(request)?;
    let limit = app.shared.config.limits.json_bytes as u64;
    let content = body(&app, &signed.headers, content, limit).await?;
    let key = signed.signer(&app, &content.bytes)?;
    let OpenNonce { opening } = json(&content.bytes)?;
    opening
        .verify()
        .map_err(|error| Denied::new(Why::Unauthenticated, "bad_signature", error.to_string()))?;
    let opening = Box::new(opening);
    let ask = |reply| Command::OpenNonce { task, key, opening, reply };
    app.shared.coordinator.ask(ask).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/tasks/{id}/opening`: which commitment the requestor opened its nonce for.
pub(super) async fn opening(
    State(app): State<App>,
    TaskPath { 0: task }: TaskPath,
) -> Result<Json<Signed<NonceOpening>>, Denied> {
    app.shared.store.opening(&task).await?.map(Json).ok_or_else(|| {
        Denied::new(Why::NotFound, "no_opening", "this task's nonce was not opened, or not signed")
    })
}

/// `GET /v1/tasks/{id}/result`: the verified bytes, for the requestor alone.
pub(super) async fn result(
    State(app): State<App>,
    TaskPath { 0: id }: TaskPath,
    request: Request,
) -> Result<Response, Denied> {
    let (signed, _) = SignedRequest::split(request)?;
    let key = signed.signer(&app, &[])?;
    let view = app.shared.store.task_view(&id).await?.ok_or_else(Denied::no_task)?;
    if view.listing.requestor_key != key {
        return Err(Denied::new(
            Why::Forbidden,
            "not_requestor",
            "only the key that posted the task may fetch its result",
        ));
    }
    let (TaskStatus::Accepted | TaskStatus::Paid) = view.status else {
        let message = format!("the task is {}: a result exists once it is accepted", view.status);
        return Err(Denied::new(Why::Conflict, "not_accepted", message));
    };
    let bytes = view.result_bytes.unwrap_or_default();
    let content = app
        .shared
        .store
        .with_files(move |files| files.get(Kind::Result, &id.0, bytes))
        .await?
        .ok_or_else(|| Denied::new(Why::NotFound, "result_gone", "the result is not kept"))?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, Bytes::from(content)).into_response())
}

/// `GET /v1/tasks/{id}/proof`: the message that settles a task whose contract checks the proof, with
/// statement, proof and result, as its cells' bytes. It is public, as it is on chain.
pub(super) async fn proof(
    State(app): State<App>,
    TaskPath { 0: id }: TaskPath,
) -> Result<Response, Denied> {
    let message =
        app.shared.store.proof(&id).await?.ok_or_else(|| {
            Denied::new(Why::NotFound, "no_proof", "there is no proof of this task")
        })?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, Bytes::from(message)).into_response())
}

/// `GET /v1/tasks/{id}/evidence`: the verdict's evidence as JSON, for everybody. Evidence of a draw
/// holds the epoch's seed: it is shown when that is revealed.
pub(super) async fn evidence(
    State(app): State<App>,
    TaskPath { 0: id }: TaskPath,
) -> Result<Response, Denied> {
    let evidence = app.shared.store.evidence(&id).await?.ok_or_else(|| {
        Denied::new(Why::NotFound, "no_verdict", "there is no verdict on this task yet")
    })?;
    shown(&app, id, evidence).await
}

/// `GET /v1/evidence/{hash}`: the same, or that of a ruling on it, by the hash that a verdict, a ruling
/// or a slash names on chain.
pub(super) async fn evidence_by_hash(
    State(app): State<App>,
    PathOf { 0: hash }: PathOf<Hash32>,
) -> Result<Response, Denied> {
    let (task, evidence) = app.shared.store.evidence_by_hash(&hash).await?.ok_or_else(|| {
        let message = "this node has no evidence of that hash: ask the node that judged the task (its \
                       listing names its wallet as `operator`); of a result that was never handed in \
                       there is none";
        Denied::new(Why::NotFound, "unknown_evidence", message)
    })?;
    shown(&app, task, evidence).await
}

async fn shown(app: &App, id: TaskId, evidence: Evidence) -> Result<Response, Denied> {
    if evidence.basis.seed().is_some() {
        let store = &app.shared.store;
        let epoch = store.epoch_of(&id).await?.unwrap_or_default();
        let known = store.epoch(epoch).await?;
        if known.is_none_or(|(_, told)| told != Told::Revealed) {
            let message =
                format!("it holds the audit seed, which is secret until epoch {epoch} ends");
            return Err(Denied::new(Why::Conflict, "seed_secret", message));
        }
    }
    Ok(Json(evidence).into_response())
}

/// What funding costs beyond the price.
pub(super) fn task_gas(app: &App) -> Nano {
    app.shared.chain.task_gas()
}
