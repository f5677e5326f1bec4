//! The verifiers this node asks, and the person who counts one again.

use std::fmt::Write as _;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use fog_protocol::{PublicKey, api::VerifierList};

use super::{
    App,
    extract::{SignedRequest, body},
};
use crate::{
    denied::{Denied, Why},
    shared::Shared,
};

/// `GET /v1/verifiers`.
pub(super) async fn list(State(app): State<App>) -> Json<VerifierList> {
    let market = app.shared.chain.market();
    Json(VerifierList {
        threshold: market.threshold,
        appeal: market.appeal,
        of: u8::try_from(market.verifiers.len()).unwrap_or(u8::MAX),
        verifiers: app.shared.panel.view(),
    })
}

/// `POST /v1/verifiers/{key}/readmit`, signed by the key of the node's wallet.
pub(super) async fn readmit(
    State(app): State<App>,
    axum::extract::Path(key): axum::extract::Path<String>,
    request: Request,
) -> Result<StatusCode, Denied> {
    let malformed = |message: String| Denied::new(Why::Malformed, "bad_path", message);
    let key: PublicKey =
        key.parse().map_err(|error: fog_protocol::HashParseError| malformed(error.to_string()))?;
    let (signed, content) = SignedRequest::split(request)?;
    let content = body(&app, &signed.headers, content, 0).await?;
    if signed.signer(&app, &content.bytes)? != app.shared.operator_key {
        let message = "only the node's operator says which verifiers count";
        return Err(Denied::new(Why::Forbidden, "not_operator", message));
    }
    let shared = std::sync::Arc::clone(&app.shared);
    let readmitted = tokio::task::spawn_blocking(move || shared.panel.readmit(&key)).await;
    match readmitted.map_err(|_| Denied::stopping())? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ fog_jury::PanelError::Unknown(_)) => {
            Err(Denied::new(Why::NotFound, "unknown_verifier", error.to_string()))
        }
        Err(error) => {
            tracing::error!(%error, "who is excluded could not be stored");
            let message = "the node could not store this now: try again later";
            Err(Denied::new(Why::Unavailable, "internal", message))
        }
    }
}

/// Lines of `/metrics`.
pub(super) fn metrics(shared: &Shared, text: &mut String) {
    for view in shared.panel.view() {
        let counts = [
            ("counted", u64::from(view.counted)),
            ("asked", view.asked),
            ("signed", view.signed),
            ("failed", view.failed),
            ("contrary", view.contrary),
            ("ringers", view.ringers),
            ("ringers_missed", view.ringers_missed),
        ];
        for (what, count) in counts {
            let key = view.key;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "fog_verifier{{key=\"{key}\",what=\"{what}\"}} {count}");
        }
    }
}
