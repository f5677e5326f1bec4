//! The HTTP API of `fog_protocol::api`. Every error is an `ApiError`; nothing a client sends
//! makes the node answer 5xx.

mod accounts;
mod blobs;
mod epochs;
mod extract;
mod health;
mod stream;
mod tasks;
mod verifiers;
mod work;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use tokio_util::sync::CancellationToken;

use crate::{
    denied::{Denied, Why},
    gateway,
    shared::{Counters, Shared},
};

pub(crate) use work::other_result;

/// What handlers get.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    /// Cancelled when the node stops: ends streams and gateway connections.
    pub(crate) intake: CancellationToken,
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>, intake: CancellationToken) -> Router {
    let app = App { shared, intake };
    let bounded = Router::new()
        .route("/v1/info", get(health::info))
        .route("/v1/blobs/{hash}", put(blobs::upload))
        .route("/v1/tasks", post(tasks::post).get(tasks::list))
        .route("/v1/groups", post(tasks::group))
        .route("/v1/tasks/{id}", get(tasks::show))
        .route("/v1/tasks/{id}/nonce", post(tasks::open_nonce))
        .route("/v1/tasks/{id}/opening", get(tasks::opening))
        .route("/v1/tasks/{id}/result", get(tasks::result))
        .route("/v1/tasks/{id}/evidence", get(tasks::evidence))
        .route("/v1/evidence/{hash}", get(tasks::evidence_by_hash))
        .route("/v1/tasks/{id}/proof", get(tasks::proof))
        .route("/v1/tasks/{id}/payload", get(work::payload))
        .route("/v1/tasks/{id}/submission", put(work::submit))
        .route("/v1/accounts/{address}", get(accounts::show))
        .route("/v1/accounts/{address}/entries", get(accounts::entries))
        .route("/v1/accounts/{address}/voucher", post(accounts::vouch))
        .route("/v1/epochs/current", get(epochs::current))
        .route("/v1/epochs/{number}", get(epochs::epoch))
        .route("/v1/workers", get(tasks::workers))
        .route("/v1/verifiers", get(verifiers::list))
        .route("/v1/verifiers/{key}/readmit", post(verifiers::readmit))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Denied::new(Why::NotFound, "unknown_route", "there is no such route"))
        .method_not_allowed_fallback(async || {
            Denied::new(Why::Method, "wrong_method", "this route does not know this method")
        })
        .layer(axum::middleware::from_fn_with_state(app.clone(), bound));
    // Long-lived connections have bounds of their own.
    Router::new()
        .route("/v1/tasks/{id}/events", get(stream::events))
        .route("/v1/gateway", get(gateway::upgrade))
        .method_not_allowed_fallback(async || {
            Denied::new(Why::Method, "wrong_method", "this route does not know this method")
        })
        .merge(bounded)
        .layer(axum::middleware::from_fn(any_origin))
        .with_state(app)
}

/// Bounds how many requests run at once, and how long each may take.
async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    let shared = &app.shared;
    Counters::count(&shared.counters.requests);
    let Ok(_permit) = shared.requests.try_acquire() else {
        return deny(shared, Denied::new(Why::TooMany, "busy", "too many requests at once"));
    };
    let seconds = shared.config.limits.request_seconds;
    let response = tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await;
    match response {
        Ok(response) => {
            if response.status().is_client_error() {
                Counters::count(&shared.counters.denied);
            }
            response
        }
        Err(_) => deny(
            shared,
            Denied::new(Why::TooSlow, "too_slow", format!("the request took over {seconds} s")),
        ),
    }
}

fn deny(shared: &Shared, denied: Denied) -> Response {
    Counters::count(&shared.counters.denied);
    denied.into_response()
}

/// Pages of other origins may read: the API holds no cookies, every right comes from a signature.
async fn any_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == axum::http::Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        let methods = HeaderValue::from_static("GET, PUT, POST");
        let allowed = HeaderValue::from_static("authorization, content-type");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    response
}
