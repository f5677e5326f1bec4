//! Why a request or frame is turned down, as its sender is told.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fog_protocol::{AuthError, api::ApiError};

use crate::NodeError;

/// What kind of refusal: decides the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It does not parse.
    Malformed,
    /// It parses, but cannot be accepted.
    Invalid,
    /// Nobody signed, or wrongly.
    Unauthenticated,
    /// This key may not.
    Forbidden,
    /// There is not enough to pay with.
    Payment,
    /// There is no such thing.
    NotFound,
    /// The route knows other methods.
    Method,
    /// Right request, wrong moment.
    Conflict,
    /// Too many bytes.
    TooLarge,
    /// It took too long.
    TooSlow,
    /// Too many at once, or a quota.
    TooMany,
    /// The node itself cannot, now.
    Unavailable,
}

impl Why {
    const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Payment => StatusCode::PAYMENT_REQUIRED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A refusal with its stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Kind.
    pub(crate) why: Why,
    /// Stable code.
    pub(crate) code: String,
    /// Cause and cure.
    pub(crate) message: String,
}

impl Denied {
    /// A refusal of `why`.
    pub(crate) fn new(why: Why, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { why, code: code.into(), message: message.into() }
    }

    /// No such task.
    pub(crate) fn no_task() -> Self {
        Self::new(Why::NotFound, "unknown_task", "this node knows no task with this id")
    }

    /// The node is stopping, or a service of it failed.
    pub(crate) fn stopping() -> Self {
        Self::new(Why::Unavailable, "stopping", "the node is stopping: try again later")
    }
}

impl From<AuthError> for Denied {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::Missing => "auth_missing",
            AuthError::Malformed => "auth_malformed",
            AuthError::Stale(_) => "auth_stale",
            AuthError::BadSignature => "auth_bad_signature",
        };
        Self::new(Why::Unauthenticated, code, error.to_string())
    }
}

impl From<NodeError> for Denied {
    fn from(error: NodeError) -> Self {
        // The inside message stays inside.
        tracing::error!(%error, "a request failed inside the node");
        Self::new(Why::Unavailable, "internal", "the node could not do this now: try again later")
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = ApiError { code: self.code, message: self.message };
        let mut response = (self.why.status(), Json(body)).into_response();
        if matches!(self.why, Why::TooMany | Why::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self.why, Why::TooLarge) {
            // What was not read of the body still fills the connection: it is not to be used again.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
