//! Reading a request's body and query: bounded in bytes and in time, whatever the sender does.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::dialect::{ApiError, Parameters};

/// Largest request body. The largest external message is 64 KiB of cells.
const MAX_BODY: usize = 1 << 20;
/// How much of a body that is too large is read and thrown away, so that its sender, who reads
/// only after writing, sees the answer instead of a broken connection.
const MAX_DISCARDED: usize = 16 << 20;
/// Longest time a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Most parameters in a query.
const MAX_PARAMETERS: usize = 4_096;

/// The pairs of a query, in order; a name may come more than once.
pub(crate) type QueryPairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// A request's body, or why it could not be read.
#[derive(Debug, Clone)]
pub(crate) struct RequestBody(pub(crate) Result<Bytes, ApiError>);

/// Reads every request's body before anything answers it: a connection that is closed with bytes
/// unread in it takes the answer along.
pub(crate) async fn read_first(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    let keep = if announced.is_some_and(|length| length > limit) { 0 } else { MAX_BODY };
    let read = tokio::time::timeout(BODY_TIME, collect(body, keep)).await;
    let late = || ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    parts.extensions.insert(RequestBody(read.unwrap_or_else(|_| Err(late()))));
    next.run(Request::from_parts(parts, Body::empty())).await
}

impl<S: Send + Sync> FromRequestParts<S> for RequestBody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.remove().unwrap_or(Self(Ok(Bytes::new()))))
    }
}

/// Reads a body of at most `keep` bytes.
async fn collect(body: Body, keep: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ApiError::parameter(format!("body: {error}")))?;
        seen = seen.saturating_add(chunk.len());
        if seen > MAX_DISCARDED {
            break;
        }
        if seen <= keep {
            kept.extend_from_slice(&chunk);
        }
    }
    if seen > keep {
        let text = format!("body: more than {MAX_BODY} bytes");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(kept.into())
}

/// The pairs of a query; 422 if they cannot be read or are too many.
pub(crate) fn pairs(query: QueryPairs) -> Result<Vec<(String, String)>, ApiError> {
    let Query(pairs) = query.map_err(|error| ApiError::parameter(error.to_string()))?;
    if pairs.len() > MAX_PARAMETERS {
        return Err(ApiError::parameter(format!("more than {MAX_PARAMETERS} parameters")));
    }
    Ok(pairs)
}

/// Parameters of a query. One that comes more than once is a list of texts.
pub(crate) fn from_query(query: QueryPairs) -> Result<Parameters, ApiError> {
    let mut parameters = Parameters::new();
    for (name, value) in pairs(query)? {
        let value = Value::String(value);
        match parameters.get_mut(&name) {
            None => {
                parameters.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(parameters)
}

/// The fields of a JSON object; none if the body is empty.
pub(crate) fn from_body(RequestBody(body): RequestBody) -> Result<Map<String, Value>, ApiError> {
    let bytes = body?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    // The parser refuses more than 128 levels of nesting.
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::parameter("body: not a JSON object")),
        Err(error) => Err(ApiError::parameter(format!("body: {error}"))),
    }
}

/// Both; the body's fields win over the query's.
pub(crate) fn merged(query: QueryPairs, body: RequestBody) -> Result<Parameters, ApiError> {
    let mut parameters = from_query(query)?;
    parameters.extend(from_body(body)?);
    Ok(parameters)
}
