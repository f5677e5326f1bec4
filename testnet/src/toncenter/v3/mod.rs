//! The v3 dialect of toncenter, an indexer's: transactions, messages, traces and actions by hash,
//! account and time. See `testnet/DIALECT.md` for what differs.

mod accounts;
pub(crate) mod actions;
mod bridge;
pub(crate) mod jettons;
mod messages;
mod params;
mod phases;
pub(crate) mod shape;
pub(crate) mod traces;
mod transactions;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::dialect::{ApiError, Parameters};
use super::index::Index;
use super::messages::Delivery;
use super::request::{QueryPairs, RequestBody, from_body, pairs};
use super::server::Shared;
use crate::chain::Chain;
use params::Params;

type Route = Result<Path<String>, PathRejection>;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/api/v3/{*route}", get(read).post(write))
}

/// Answers a question. This is the whole list of routes that are asked with GET.
fn ask(chain: &Chain, index: &Index, route: &str, params: &Params) -> Result<Value, ApiError> {
    match route {
        "masterchainInfo" => transactions::masterchain_info(chain),
        "masterchainBlockShardState" => transactions::shard_state(chain, params),
        "masterchainBlockShards" => transactions::shards(chain, params),
        "blocks" => transactions::blocks(chain, params),
        "transactions" => transactions::transactions(chain, index, params),
        "transactionsByMasterchainBlock" => transactions::by_block(chain, index, params),
        "transactionsByMessage" => transactions::by_message(chain, index, params),
        "adjacentTransactions" => transactions::adjacent(chain, index, params),
        "pendingTransactions" => transactions::pending(params),
        "messages" => messages::list(chain, index, params),
        "traces" => traces::list(chain, index, params, "traces"),
        "events" => traces::list(chain, index, params, "events"),
        "pendingTraces" => traces::pending(params),
        "actions" => actions::list(chain, index, params),
        "pendingActions" => actions::pending(params),
        "accountStates" => accounts::states(chain, index, params),
        "walletStates" => accounts::wallets(chain, index, params),
        "addressBook" => accounts::address_book(chain, index, params),
        "metadata" => accounts::metadata(params),
        "topAccountsByBalance" => accounts::richest(chain, params),
        "jetton/masters" => jettons::masters(chain, index, params),
        "jetton/wallets" => jettons::wallets(chain, index, params),
        "addressInformation" | "account" => bridge::address_information(chain, params),
        "walletInformation" | "wallet" => bridge::wallet_information(chain, params),
        "decode" => {
            let texts = |name| -> Result<Vec<String>, ApiError> {
                Ok(params.texts(name)?.into_iter().map(str::to_owned).collect())
            };
            bridge::decode(&texts("opcodes")?, &texts("bodies")?)
        }
        "jetton/transfers" | "jetton/burns" | "nft/collections" | "nft/items" | "nft/transfers"
        | "nft/sales" | "dns/records" | "multisig/wallets" | "multisig/orders" | "vesting"
        | "balanceChanges" => {
            let text = format!("{route}: not served, nobody indexes this here");
            Err(ApiError::new(StatusCode::NOT_FOUND, text))
        }
        "message" | "runGetMethod" | "estimateFee" => Err(wrong_verb()),
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, "Not Found")),
    }
}

/// Answers a question whose parameters are a JSON object.
fn tell(
    chain: &mut Chain,
    route: &str,
    body: &Parameters,
    delivery: Delivery,
) -> Result<Value, ApiError> {
    match route {
        "message" => bridge::send(chain, body, delivery),
        "runGetMethod" => bridge::run_get_method(chain, body),
        "estimateFee" => bridge::estimate(chain, body),
        "decode" => bridge::decode(&texts(body, "opcodes")?, &texts(body, "bodies")?),
        _ => Err(wrong_verb()),
    }
}

fn texts(body: &Parameters, name: &str) -> Result<Vec<String>, ApiError> {
    let wrong = || ApiError::parameter(format!("{name}: not a list of texts"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn wrong_verb() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

fn named(route: Route) -> Result<String, ApiError> {
    match route {
        Ok(Path(route)) => Ok(route),
        Err(error) => Err(ApiError::parameter(error.to_string())),
    }
}

/// The answer, or the dialect's `{"error"}` with its status.
fn respond(result: Result<Value, ApiError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => failed(&error),
    }
}

pub(crate) fn failed(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": error.message }))).into_response()
}

async fn read(State(shared): State<Arc<Shared>>, route: Route, query: QueryPairs) -> Response {
    let (route, params) = match (named(route), pairs(query)) {
        (Ok(route), Ok(pairs)) => (route, Params::new(pairs)),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let work = move |chain: &mut Chain, index: &mut Index| ask(chain, index, &route, &params);
    respond(shared.run_indexed(work).await)
}

async fn write(State(shared): State<Arc<Shared>>, route: Route, body: RequestBody) -> Response {
    let (route, body) = match (named(route), from_body(body)) {
        (Ok(route), Ok(body)) => (route, body),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let delivery = shared.delivery();
    respond(shared.run(move |chain| tell(chain, &route, &body, delivery)).await)
}
