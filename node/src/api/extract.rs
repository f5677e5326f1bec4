//! From a request to checked values: ids in paths, bounded bodies, who signed.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, OriginalUri, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use fog_protocol::{PublicKey, RequestAuth, TaskId};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use crate::{
    denied::{Denied, Why},
    shared::wall_seconds,
};

/// The last variable of a path, parsed.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<T: std::str::FromStr + Send> FromRequestParts<App> for PathOf<T>
where
    T::Err: std::fmt::Display,
{
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Denied> {
        let axum::extract::Path(text) =
            axum::extract::Path::<String>::from_request_parts(parts, app)
                .await
                .map_err(|error| Denied::new(Why::Malformed, "bad_path", error.body_text()))?;
        let value = text
            .parse()
            .map_err(|error: T::Err| Denied::new(Why::Malformed, "bad_path", error.to_string()))?;
        Ok(Self(value))
    }
}

/// A task's id in the path.
pub(crate) type TaskPath = PathOf<TaskId>;

/// A query string, parsed.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for QueryOf<T> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Denied> {
        axum::extract::Query::<T>::from_request_parts(parts, app)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| Denied::new(Why::Malformed, "bad_query", error.body_text()))
    }
}

/// A whole body, with its share of the memory kept for bodies.
pub(crate) struct Bounded {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Gives the memory back on drop.
    _memory: OwnedSemaphorePermit,
}

/// Reads a body of at most `limit` bytes. A declared length over the limit is refused unread.
pub(crate) async fn body(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<Bounded, Denied> {
    let too_large = || {
        let message = format!("the body may have at most {limit} bytes");
        Denied::new(Why::TooLarge, "too_large", message)
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // Without a declared length it may become as long as the limit.
    let reserve = u32::try_from(declared.unwrap_or(limit)).map_err(|_| too_large())?;
    let memory = std::sync::Arc::clone(&app.shared.body_bytes)
        .try_acquire_many_owned(reserve)
        .map_err(|_| Denied::new(Why::TooMany, "busy", "too many uploads at once"))?;
    let limit = usize::try_from(limit).map_err(|_| too_large())?;
    let bytes = to_bytes(body, limit).await.map_err(|error| {
        use std::error::Error as _;
        let is_limit =
            error.source().is_some_and(|inner| inner.to_string().contains("length limit"));
        if is_limit {
            too_large()
        } else {
            Denied::new(Why::Malformed, "bad_body", "the body ended before its declared length")
        }
    })?;
    Ok(Bounded { bytes: bytes.into(), _memory: memory })
}

/// Parses a JSON body.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Denied> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = if error.is_data() { Why::Invalid } else { Why::Malformed };
        Denied::new(why, "bad_json", format!("the body is not what this route takes: {error}"))
    })
}

/// A request that is signed once its body is read.
pub(crate) struct SignedRequest {
    method: Method,
    path: String,
    header: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
}

impl SignedRequest {
    /// Splits a request; one without any signature is refused before its body is read.
    pub(crate) fn split(request: Request) -> Result<(Self, Body), Denied> {
        let (parts, body) = request.into_parts();
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .ok_or(fog_protocol::AuthError::Missing)?
            .to_owned();
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok((Self { method: parts.method, path, header, headers: parts.headers }, body))
    }

    /// Who signed it, given the body.
    pub(crate) fn signer(&self, app: &App, body: &[u8]) -> Result<PublicKey, Denied> {
        let node = &app.shared.node;
        let method = self.method.as_str();
        Ok(RequestAuth::check(&self.header, node, wall_seconds(), method, &self.path, body)?)
    }
}
