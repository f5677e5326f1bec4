//! Routes of its own: what a test network lets its owner do.
//!
//! Whoever may call them owns the chain, so they answer this machine alone unless the server is
//! told otherwise, and never a web page of elsewhere that a browser here has open.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::address::{base64, friendly};
use super::dialect::{ApiError, Parameters, ParametersExt, Style, envelope};
use super::request::{QueryPairs, RequestBody, from_query, merged};
use super::router::{Method, named};
use super::server::Shared;
use crate::chain::{Chain, Checkpoint, CheckpointError, CheckpointName};

/// Most blocks one call makes.
const MAX_BLOCKS: u64 = 10_000;
/// Furthest one call moves the clock: a hundred years.
const MAX_WARP: u64 = 100 * 365 * 86_400;

/// Who may use the control routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlAccess {
    /// Programs on this machine, and pages served from it.
    Loopback,
    /// Everybody who reaches the server.
    Everybody,
}

impl ControlAccess {
    fn check(self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        if self == Self::Everybody {
            return Ok(());
        }
        let refused = |why| Err(ApiError::new(StatusCode::FORBIDDEN, why));
        if !peer.ip().to_canonical().is_loopback() {
            return refused("only programs on the chain's own machine may do this");
        }
        match headers.get(ORIGIN).map(|origin| local_origin(origin.as_bytes())) {
            None | Some(true) => Ok(()),
            Some(false) => refused("web pages of elsewhere may not do this"),
        }
    }
}

/// Whether an `Origin` header names this machine.
fn local_origin(origin: &[u8]) -> bool {
    let Ok(origin) = Uri::try_from(origin) else { return false };
    let Some(host) = origin.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `/control/*`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/control/{action}", get(read).post(write))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    action: Method,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Response {
    let asked = named(action).and_then(|action| {
        shared.control().check(peer, &headers)?;
        // Reading changes nothing: a link must not mint or warp.
        if !["status", "state", "checkpoints"].contains(&action.as_str()) {
            return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "use POST"));
        }
        Ok((action, from_query(query)?))
    });
    answer(shared, asked).await
}

async fn write(
    State(shared): State<Arc<Shared>>,
    action: Method,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    query: QueryPairs,
    body: RequestBody,
) -> Response {
    let asked = named(action).and_then(|action| {
        shared.control().check(peer, &headers)?;
        Ok((action, merged(query, body)?))
    });
    answer(shared, asked).await
}

async fn answer(shared: Arc<Shared>, asked: Result<(String, Parameters), ApiError>) -> Response {
    let result = match asked {
        Ok((action, parameters)) => {
            shared.run(move |chain| call(chain, &action, &parameters)).await
        }
        Err(error) => Err(error),
    };
    envelope(result, Style::Rest)
}

/// Dispatches a control call; 422 if there is no such route.
fn call(chain: &mut Chain, action: &str, parameters: &Parameters) -> Result<Value, ApiError> {
    match action {
        "status" => Ok(status(chain)),
        "state" => state(chain),
        "fund" => fund(chain, parameters),
        "mine" => mine(chain, parameters),
        "warp" => warp(chain, parameters),
        "checkpoint" => Ok(shown(&chain.checkpoint(name(parameters)?)?)),
        "checkpoints" => Ok(chain.checkpoints()?.iter().map(shown).collect()),
        "restore" => {
            chain.restore(&name(parameters)?)?;
            Ok(status(chain))
        }
        "forget" => {
            chain.forget(&name(parameters)?)?;
            Ok(status(chain))
        }
        _ => Err(ApiError::parameter(
            "there are status, state, fund, mine, warp, checkpoint, checkpoints, restore, forget",
        )),
    }
}

fn name(parameters: &Parameters) -> Result<CheckpointName, ApiError> {
    let text = parameters.required_text("name")?;
    text.parse().map_err(|error| ApiError::parameter(format!("name: {error}")))
}

fn shown(checkpoint: &Checkpoint) -> Value {
    json!({
        "name": checkpoint.name.as_str(),
        "seqno": checkpoint.seqno,
        "gen_utime": checkpoint.gen_utime,
        "state_hash": checkpoint.state_hash.to_string(),
    })
}

impl From<CheckpointError> for ApiError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            CheckpointError::TooMany => Self::parameter(error.to_string()),
            CheckpointError::Damaged { .. } => Self::liteserver(error.to_string()),
            CheckpointError::Chain(error) => error.into(),
        }
    }
}

fn state(chain: &Chain) -> Result<Value, ApiError> {
    let seqno = chain.last_block().seqno;
    Ok(json!({ "seqno": seqno, "state_hash": chain.state_hash()?.to_string() }))
}

fn status(chain: &Chain) -> Value {
    let totals = chain.totals();
    let last = chain.last_block();
    json!({
        "seqno": last.seqno,
        "gen_utime": last.gen_utime,
        "now": chain.now(),
        "first_seqno": chain.first_block(),
        "blocks": totals.blocks,
        "transactions": totals.transactions,
        "backlog": chain.backlog(),
        "restores": chain.restores(),
        "faucet": friendly(chain.faucet()),
        "supply": totals.supply.to_string(),
        "in_flight": totals.in_flight.to_string(),
        "network_fees_collected": totals.network_fees_collected.to_string(),
        "burned": totals.burned.to_string(),
    })
}

fn fund(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let address = parameters.address("address")?;
    let text = parameters.required_text("amount")?;
    let nano: u128 =
        text.parse().map_err(|_| ApiError::parameter("amount: not a number of nanogram"))?;
    let receipt = chain.fund(&address, nano)?;
    let delivery = receipt.transactions.iter().find(|tx| tx.address == address);
    let mut answer = json!({ "block": receipt.block, "amount": nano.to_string() });
    if let (Some(tx), Some(fields)) = (delivery, answer.as_object_mut()) {
        fields.insert("lt".to_owned(), tx.lt.to_string().into());
        fields.insert("hash".to_owned(), base64(tx.hash.as_slice()).into());
    }
    Ok(answer)
}

fn mine(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let blocks = parameters.unsigned("blocks")?.unwrap_or(1);
    if blocks > MAX_BLOCKS {
        return Err(ApiError::parameter(format!("blocks: at most {MAX_BLOCKS}")));
    }
    chain.mine_many(u32::try_from(blocks).unwrap_or(u32::MAX))?;
    Ok(status(chain))
}

fn warp(chain: &mut Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let seconds = parameters.required_unsigned("seconds")?;
    let seconds = u32::try_from(seconds).ok().filter(|seconds| u64::from(*seconds) <= MAX_WARP);
    let seconds = seconds.ok_or_else(|| ApiError::parameter("seconds: at most a century"))?;
    chain.warp(seconds)?;
    Ok(status(chain))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{ControlAccess, local_origin};
    use axum::http::HeaderMap;
    use axum::http::header::ORIGIN;

    #[test]
    fn strangers_and_their_pages_are_refused() {
        let none = HeaderMap::new();
        for (peer, fine) in [
            ("127.0.0.1:5", true),
            ("[::1]:5", true),
            ("[::ffff:127.0.0.1]:5", true),
            ("192.168.1.7:5", false),
            ("[2001:db8::1]:5", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(ControlAccess::Loopback.check(peer, &none).is_ok(), fine, "{peer}");
            assert!(ControlAccess::Everybody.check(peer, &none).is_ok());
        }
        let mut page = HeaderMap::new();
        page.insert(ORIGIN, "https://evil.example".parse().unwrap());
        assert!(ControlAccess::Loopback.check("127.0.0.1:5".parse().unwrap(), &page).is_err());
    }

    #[test]
    fn origins_of_this_machine_are_known() {
        for origin in ["http://localhost:7700", "http://127.0.0.1:1", "http://[::1]:7700"] {
            assert!(local_origin(origin.as_bytes()), "{origin}");
        }
        let foreign = [
            "null",
            "",
            "https://localhost.evil.example",
            "http://127.0.0.1.nip.io",
            "http://10.0.0.1",
        ];
        for origin in foreign {
            assert!(!local_origin(origin.as_bytes()), "{origin}");
        }
    }
}
