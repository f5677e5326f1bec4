//! Paths, methods, and who answers what.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value};
use tower_http::cors::CorsLayer;

use super::accounts::StackForm;
use super::blocks::Detail;
use super::dialect::{ApiError, Parameters, Style, envelope};
use super::messages::{Delivery, End};
use super::server::Shared;
use super::{accounts, blocks, control, messages};
use crate::chain::Chain;

/// Largest request body. The largest external message is 64 KiB of cells.
const MAX_BODY: usize = 1 << 20;

type QueryPairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Body = Result<Bytes, BytesRejection>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(front_page).post(json_rpc))
        .route("/api/v2/jsonRPC", post(json_rpc))
        .route("/api/v2/{method}", get(rest_get).post(rest_post))
        .route("/control/{action}", get(control_get).post(control_post))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_verb)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CorsLayer::permissive())
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
    Path(method): Path<String>,
    query: QueryPairs,
) -> Response {
    let result = match from_query(query) {
        Ok(parameters) => answer(shared, method, parameters).await,
        Err(error) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn rest_post(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    query: QueryPairs,
    body: Body,
) -> Response {
    let result = match merged(query, body) {
        Ok(parameters) => answer(shared, method, parameters).await,
        Err(error) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn json_rpc(State(shared): State<Arc<Shared>>, body: Body) -> Response {
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

async fn control_get(
    State(shared): State<Arc<Shared>>,
    Path(action): Path<String>,
    query: QueryPairs,
) -> Response {
    // Reading changes nothing: a link must not mint or warp.
    let result = match from_query(query) {
        Ok(parameters) if action == "status" => {
            shared.run(move |chain| control::call(chain, &action, &parameters)).await
        }
        Ok(_) => Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "use POST")),
        Err(error) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn control_post(
    State(shared): State<Arc<Shared>>,
    Path(action): Path<String>,
    query: QueryPairs,
    body: Body,
) -> Response {
    let result = match merged(query, body) {
        Ok(parameters) => shared.run(move |chain| control::call(chain, &action, &parameters)).await,
        Err(error) => Err(error),
    };
    envelope(result, Style::Rest)
}

async fn front_page() -> Html<&'static str> {
    Html(concat!(
        "<!doctype html><title>fog testnet</title><h1>fog testnet</h1>",
        "<p>An embedded TON chain. LOCAL ONLY.</p>",
        "<p>toncenter v2: <code>/api/v2/*</code>, <code>/api/v2/jsonRPC</code>. ",
        "Control: <a href=\"/control/status\">/control/status</a>, ",
        "POST <code>/control/fund</code>, <code>/control/mine</code>, ",
        "<code>/control/warp</code>.</p>",
    ))
}

async fn no_route() -> Response {
    envelope(Err(ApiError::new(StatusCode::NOT_FOUND, "Not Found")), Style::Rest)
}

async fn wrong_verb() -> Response {
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    envelope(Err(error), Style::Rest)
}

fn from_query(query: QueryPairs) -> Result<Parameters, ApiError> {
    let Query(pairs) = query.map_err(|error| ApiError::parameter(error.to_string()))?;
    Ok(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
}

fn from_body(body: Body) -> Result<Map<String, Value>, ApiError> {
    let bytes = body.map_err(|error| ApiError::new(error.status(), error.to_string()))?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::parameter("body: not a JSON object")),
        Err(error) => Err(ApiError::parameter(format!("body: {error}"))),
    }
}

/// The body's fields win over the query's.
fn merged(query: QueryPairs, body: Body) -> Result<Parameters, ApiError> {
    let mut parameters = from_query(query)?;
    parameters.extend(from_body(body)?);
    Ok(parameters)
}
