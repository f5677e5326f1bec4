//! Paths, methods, and who answers what.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tower_http::cors::CorsLayer;

use super::accounts::StackForm;
use super::blocks::Detail;
use super::dialect::{ApiError, Parameters, Style, envelope};
use super::messages::{Delivery, End};
use super::request::{QueryPairs, RequestBody, from_body, from_query, merged, read_first};
use super::server::Shared;
use super::{accounts, blocks, control, messages, tokens};
use crate::chain::Chain;

/// The method in a path; an error if it is no text.
pub(crate) type Method = Result<Path<String>, PathRejection>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(front_page).post(json_rpc))
        .route("/api/v2/jsonRPC", post(json_rpc))
        .route("/api/v2/{method}", get(rest_get).post(rest_post))
        .merge(super::v3::router())
        .merge(super::streaming::router())
        .merge(control::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_verb)
        .layer(CorsLayer::permissive())
        .layer(axum::middleware::from_fn(read_first))
        .with_state(shared)
}

/// Answers one call of the dialect. This is the whole list of methods.
fn call(
    chain: &mut Chain,
    method: &str,
    parameters: &Parameters,
    delivery: Delivery,
) -> Result<Value, ApiError> {
    match method {
        "getMasterchainInfo" => blocks::masterchain_info(chain),
        "getConsensusBlock" => blocks::consensus_block(chain),
        "shards" | "getShards" => blocks::shards(chain, parameters),
        "lookupBlock" => blocks::lookup(chain, parameters),
        "getBlockHeader" => blocks::header(chain, parameters),
        "getBlockTransactions" => blocks::transactions(chain, parameters, Detail::Short),
        "getBlockTransactionsExt" => blocks::transactions(chain, parameters, Detail::Full),
        "getConfigParam" => blocks::config_param(chain, parameters),
        "getConfigAll" => blocks::config_all(chain),
        "getLibraries" => blocks::libraries(chain),
        "getOutMsgQueueSize" | "getOutMsgQueueSizes" => blocks::queue_size(chain),
        "getAddressInformation" => accounts::information(chain, parameters),
        "getExtendedAddressInformation" => accounts::extended(chain, parameters),
        "getWalletInformation" => accounts::wallet(chain, parameters),
        "getAddressBalance" => accounts::balance(chain, parameters),
        "getAddressState" => accounts::state(chain, parameters),
        "getShardAccountCell" => accounts::cell(chain, parameters),
        "getTokenData" => tokens::data(chain, parameters),
        "packAddress" => accounts::pack(parameters),
        "unpackAddress" => accounts::unpack(parameters),
        "detectAddress" => accounts::detect(parameters),
        "detectHash" => accounts::detect_hash(parameters),
        "runGetMethod" => accounts::run_get_method(chain, parameters, StackForm::Pairs),
        "runGetMethodStd" => accounts::run_get_method(chain, parameters, StackForm::Objects),
        "sendBoc" => messages::send(chain, parameters, delivery),
        "sendBocReturnHash" => messages::send_return_hash(chain, parameters, delivery),
        "getTransactions" => messages::list(chain, parameters),
        "getTransactionsStd" => messages::list_std(chain, parameters),
        "tryLocateTx" | "tryLocateResultTx" => messages::locate(chain, parameters, End::Result),
        "tryLocateSourceTx" => messages::locate(chain, parameters, End::Source),
        "estimateFee" => messages::estimate(chain, parameters),
        "getMasterchainBlockSignatures" | "getShardBlockProof" | "dnsResolve" => {
            Err(ApiError::not_served(method))
        }
        _ => Err(ApiError::parameter("Unknown method")),
    }
}

async fn answer(
    shared: Arc<Shared>,
    method: String,
    parameters: Parameters,
) -> Result<Value, ApiError> {
    let delivery = shared.delivery();
    shared.run(move |chain| call(chain, &method, &parameters, delivery)).await
}

async fn rest_get(
    State(shared): State<Arc<Shared>>,
    method: Method,
    query: QueryPairs,
) -> Response {
    let result = match (named(method), from_query(query)) {
        (Ok(method), Ok(parameters)) => answer(shared, method, parameters).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn rest_post(
    State(shared): State<Arc<Shared>>,
    method: Method,
    query: QueryPairs,
    body: RequestBody,
) -> Response {
    let result = match (named(method), merged(query, body)) {
        (Ok(method), Ok(parameters)) => answer(shared, method, parameters).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn json_rpc(State(shared): State<Arc<Shared>>, body: RequestBody) -> Response {
    let mut request = match from_body(body) {
        Ok(request) => request,
        Err(error) => return envelope(Err(error), Style::Rpc(Value::Null)),
    };
    let id = match request.remove("id") {
        // Only numbers and texts are ids; a huge structure would be echoed for nothing.
        Some(id @ (Value::Number(_) | Value::String(_))) => id,
        _ => Value::Null,
    };
    let method = match request.remove("method") {
        Some(Value::String(method)) => method,
        _ => return envelope(Err(ApiError::parameter("method: field required")), Style::Rpc(id)),
    };
    let parameters = match request.remove("params") {
        None | Some(Value::Null) => Parameters::new(),
        Some(Value::Object(parameters)) => parameters,
        Some(_) => {
            return envelope(Err(ApiError::parameter("params: not an object")), Style::Rpc(id));
        }
    };
    envelope(answer(shared, method, parameters).await, Style::Rpc(id))
}

pub(crate) fn named(method: Method) -> Result<String, ApiError> {
    match method {
        Ok(Path(method)) => Ok(method),
        Err(error) => Err(ApiError::parameter(error.to_string())),
    }
}

async fn front_page() -> Html<&'static str> {
    Html(concat!(
        "<!doctype html><title>fog testnet</title><h1>fog testnet</h1>",
        "<p>An embedded TON chain. LOCAL ONLY.</p>",
        "<p>toncenter v2: <code>/api/v2/*</code>, <code>/api/v2/jsonRPC</code>. ",
        "Control: <a href=\"/control/status\">/control/status</a>, ",
        "POST <code>/control/fund</code>, <code>mine</code>, <code>warp</code>, ",
        "<code>checkpoint</code>, <code>restore</code>, <code>forget</code>; ",
        "<a href=\"/control/checkpoints\">/control/checkpoints</a>.</p>",
    ))
}

async fn no_route() -> Response {
    envelope(Err(ApiError::new(StatusCode::NOT_FOUND, "Not Found")), Style::Rest)
}

async fn wrong_verb() -> Response {
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    envelope(Err(error), Style::Rest)
}
