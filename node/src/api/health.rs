//! What the node is, whether it lives and is ready, and its counters.

use std::fmt::Write as _;

use axum::{Json, extract::State, http::header, response::IntoResponse};
use fog_protocol::{Hash32, PROTOCOL_VERSION, api::NodeInfo};
use serde::Serialize;

use super::{App, extract::PathOf};
use crate::{
    denied::{Denied, Why},
    epoch::Epoch,
    shared::ChainHealth,
    store::Told,
};

/// `GET /v1/info`.
pub(super) async fn info(State(app): State<App>) -> Json<NodeInfo> {
    let shared = &app.shared;
    let config = &shared.config;
    let rules = shared.chain.market();
    Json(NodeInfo {
        protocol: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: shared.node,
        network: config.network,
        market: config.market,
        operator: shared.operator,
        operator_key: Some(shared.operator_key),
        seal_key: shared.seal_key.public(),
        verifiers: rules.verifiers.clone(),
        threshold: rules.threshold,
        epoch_seed_hash: shared.epoch().seed_hash,
        fee_bps: rules.fee_bps,
        task_gas: super::tasks::task_gas(&app),
        max_blob_bytes: config.limits.blob_bytes,
        min_durations: config.min_durations,
        max_durations: config.max_durations,
        probation: config.probation,
        min_rate_ppm: config.min_rate_ppm,
        jettons: config.jettons.clone(),
    })
}

/// An epoch as anybody may see it.
#[derive(Debug, Serialize)]
pub(super) struct EpochView {
    /// Its number, from 0.
    epoch: u64,
    /// What was published when it began.
    seed_hash: Hash32,
    /// Chain time at which it began.
    started_at: u64,
    /// Its seed, once it is over and everything committed in it is decided: then anyone
    /// recomputes which results had to be audited.
    seed: Option<Hash32>,
}

/// `GET /v1/epochs/{number}`.
pub(super) async fn epoch(
    State(app): State<App>,
    PathOf(number): PathOf<u64>,
) -> Result<Json<EpochView>, Denied> {
    let known = app.shared.store.epoch(number).await?;
    let (epoch, told) = known
        .ok_or_else(|| Denied::new(Why::NotFound, "unknown_epoch", "this epoch has not begun"))?;
    let seed = (told == Told::Revealed).then(|| app.shared.epochs.seed(number));
    let Epoch { number: epoch, seed_hash, started_at } = epoch;
    Ok(Json(EpochView { epoch, seed_hash, started_at, seed }))
}

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`: tasks can be taken and settled.
pub(super) async fn ready(State(app): State<App>) -> Result<String, Denied> {
    let not = |code: &str, message: String| Err(Denied::new(Why::Unavailable, code, message));
    match app.shared.health() {
        ChainHealth::Following => Ok(format!("ready at chain time {}\n", app.shared.clock.now())),
        ChainHealth::Starting => not("starting", "the chain was not read yet".to_owned()),
        ChainHealth::Unreachable(reason) => not("chain_unreachable", reason),
        ChainHealth::Gap(reason) => not("chain_gap", format!("payouts are halted: {reason}")),
    }
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Denied> {
    let shared = &app.shared;
    let mut text = String::new();
    for (name, value) in shared.counters.read() {
        line(&mut text, &format!("fog_{name}"), value);
    }
    line(&mut text, "fog_chain_time_seconds", shared.clock.now());
    line(&mut text, "fog_workers_online", shared.registry.len() as u64);
    let following = u64::from(shared.health() == ChainHealth::Following);
    line(&mut text, "fog_chain_following", following);
    super::verifiers::metrics(shared, &mut text);
    for (status, count) in shared.store.status_counts().await? {
        line(&mut text, &format!("fog_tasks{{status=\"{status}\"}}"), count);
    }
    for (state, count) in shared.store.outbox_counts().await? {
        line(&mut text, &format!("fog_intents{{state=\"{state}\"}}"), count);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}

fn line(text: &mut String, name: &str, value: u64) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name} {value}");
}
