//! What the node is, whether it lives and is ready, and its counters.

use std::fmt::Write as _;

use axum::{Json, extract::State, http::header, response::IntoResponse};
use fog_protocol::{
    PROTOCOL_VERSION,
    api::{NodeInfo, TrustedKey},
};

use super::App;
use crate::{
    denied::{Denied, Why},
    shared::ChainHealth,
};

/// `GET /v1/info`.
pub(super) async fn info(State(app): State<App>) -> Json<NodeInfo> {
    let shared = &app.shared;
    let config = &shared.config;
    let rules = shared.chain.market();
    let epoch = shared.epoch();
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
        epoch_seed_hash: epoch.seed_hash,
        epoch: epoch.signed,
        fee_bps: rules.fee_bps,
        task_gas: super::tasks::task_gas(&app),
        max_blob_bytes: config.limits.blob_bytes,
        min_durations: config.min_durations,
        max_durations: config.max_durations,
        probation: config.probation,
        min_rate_ppm: config.min_rate_ppm,
        jettons: config.jettons.clone(),
        trusted: config
            .trusted
            .iter()
            .map(|trusted| TrustedKey { key: trusted.key, factor_ppm: trusted.factor_ppm })
            .collect(),
    })
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
    line(&mut text, "fog_verifications_in_memory", shared.cases.count());
    line(&mut text, "fog_chain_time_seconds", shared.clock.now());
    line(&mut text, "fog_workers_online", shared.registry.len() as u64);
    let following = u64::from(shared.health() == ChainHealth::Following);
    line(&mut text, "fog_chain_following", following);
    super::verifiers::metrics(shared, &mut text);
    for (status, count) in shared.store.status_counts().await? {
        line(&mut text, &format!("fog_tasks{{status=\"{status}\"}}"), count);
    }
    for (found, count) in shared.store.recheck_counts().await? {
        line(&mut text, &format!("fog_rechecks{{found=\"{found}\"}}"), count);
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
