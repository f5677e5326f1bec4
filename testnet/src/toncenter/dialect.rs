//! The envelope, the errors, and reading parameters the way toncenter v2 does.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tycho_types::models::StdAddr;
use tycho_types::prelude::*;

use super::address::{self, hash_from_text};
use crate::chain::{ChainError, ReadError, SendError};

/// Parameters of a call: names to JSON values. From a query all values are strings.
pub(crate) type Parameters = Map<String, Value>;

/// An error as toncenter reports it: an HTTP status and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status, repeated in the envelope as `code`.
    pub status: u16,
    /// Text for the caller.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status: status.as_u16(), message: message.into() }
    }

    /// 422: a parameter is missing or malformed, or there is no such method.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 416: not an address.
    pub(crate) fn address() -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "Incorrect address")
    }

    /// 404: there is no such block or transaction.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// 404: the dialect has this method, but this chain has nothing it could tell of.
    pub(crate) fn not_served(method: &str) -> Self {
        let text = format!("{method}: this chain has no validators, proofs or domain names");
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 406: a contract did not accept an external message.
    ///
    /// Toncenter says 500 with the same words. Here 5xx is kept for faults of the server itself,
    /// so that whoever tests with it may demand that there are none.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// 500: the chain or its store failed.
    pub(crate) fn liteserver(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<ChainError> for ApiError {
    fn from(error: ChainError) -> Self {
        Self::liteserver(error.to_string())
    }
}

impl From<tycho_types::error::Error> for ApiError {
    fn from(error: tycho_types::error::Error) -> Self {
        Self::from(ChainError::Cell(error))
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Chain(error) => error.into(),
            ReadError::Arguments(error) => Self::parameter(error.to_string()),
        }
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        use crate::chain::ExecuteError;
        match error {
            SendError::Malformed(message) => Self::parameter(message),
            SendError::PoolFull => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too many external messages are waiting")
            }
            SendError::FaucetEmpty(_) => Self::parameter(error.to_string()),
            SendError::Chain(error) => error.into(),
            SendError::Refused(ExecuteError::NotAccepted { exit_code, gas_used }) => {
                let outcome = match exit_code {
                    Some(code) => format!("exitcode={code}, gas_used={gas_used}"),
                    None => "the account has no code or no money to run it".to_owned(),
                };
                Self::refused(format!(
                    "LITE_SERVER_UNKNOWN: cannot apply external message to current state : \
                     External message was not accepted\nCannot run message on account: inbound \
                     external message rejected by transaction:\n{outcome}"
                ))
            }
            SendError::Refused(ExecuteError::Fatal(message)) => Self::refused(format!(
                "LITE_SERVER_UNKNOWN: cannot apply external message to current state : {message}"
            )),
        }
    }
}

/// How a call came in: JSON-RPC answers carry the request's id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Style {
    /// A path with parameters.
    Rest,
    /// JSON-RPC with this id.
    Rpc(Value),
}

/// The answer in toncenter's envelope.
pub(crate) fn envelope(result: Result<Value, ApiError>, style: Style) -> Response {
    let (status, mut body) = match result {
        Ok(result) => (StatusCode::OK, json!({ "ok": true, "result": result })),
        Err(error) => {
            let status = StatusCode::from_u16(error.status);
            let body = json!({ "ok": false, "error": error.message, "code": error.status });
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
        }
    };
    // Nulls are left out, so an absent id stays absent.
    if let (Style::Rpc(id), Some(fields)) = (style, body.as_object_mut()) {
        fields.insert("jsonrpc".to_owned(), "2.0".into());
        if !id.is_null() {
            fields.insert("id".to_owned(), id);
        }
    }
    (status, Json(body)).into_response()
}

/// Typed access to [`Parameters`]: everything may be a number or a string.
pub(crate) trait ParametersExt {
    /// Text; numbers as they are written.
    fn text(&self, name: &str) -> Option<String>;
    /// As [`Self::text`]; 422 if missing.
    fn required_text(&self, name: &str) -> Result<String, ApiError>;
    /// A number; 422 if present and not an unsigned decimal number.
    fn unsigned(&self, name: &str) -> Result<Option<u64>, ApiError>;
    /// As [`Self::unsigned`]; 422 if missing.
    fn required_unsigned(&self, name: &str) -> Result<u64, ApiError>;
    /// An address; 422 if missing, 416 if malformed.
    fn address(&self, name: &str) -> Result<StdAddr, ApiError>;
    /// A hash; 422 if present and malformed.
    fn hash(&self, name: &str) -> Result<Option<HashBytes>, ApiError>;
    /// A cell; 422 if present and malformed. Absent, null and empty text are none.
    fn cell(&self, name: &str) -> Result<Option<Cell>, ApiError>;
    /// A truth value, false where absent.
    fn truth(&self, name: &str) -> Result<bool, ApiError>;
}

impl ParametersExt for Parameters {
    fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            // Repeated in a query: the last one counts, as with most servers.
            Value::Array(values) => match values.last()? {
                Value::String(text) => Some(text.clone()),
                _ => None,
            },
            Value::Null | Value::Object(_) => None,
        }
    }

    fn required_text(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| ApiError::parameter(format!("{name}: field required")))
    }

    fn unsigned(&self, name: &str) -> Result<Option<u64>, ApiError> {
        if matches!(self.get(name), Some(Value::Object(_))) {
            return Err(ApiError::parameter(format!("{name}: not an unsigned number")));
        }
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| ApiError::parameter(format!("{name}: not an unsigned number"))),
        }
    }

    fn required_unsigned(&self, name: &str) -> Result<u64, ApiError> {
        self.unsigned(name)?.ok_or_else(|| ApiError::parameter(format!("{name}: field required")))
    }

    fn address(&self, name: &str) -> Result<StdAddr, ApiError> {
        let text = self.required_text(name)?;
        address::parse(&text).map(|given| given.address).ok_or_else(ApiError::address)
    }

    fn hash(&self, name: &str) -> Result<Option<HashBytes>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => hash_from_text(&text)
                .map(Some)
                .ok_or_else(|| ApiError::parameter(format!("{name}: not a 256-bit hash"))),
        }
    }

    fn cell(&self, name: &str) -> Result<Option<Cell>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => cell_from_text(&text)
                .map(Some)
                .ok_or_else(|| ApiError::parameter(format!("{name}: not a bag of cells"))),
        }
    }

    fn truth(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).as_deref() {
            None | Some("" | "false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1") => Ok(true),
            Some(_) => Err(ApiError::parameter(format!("{name}: not a truth value"))),
        }
    }
}

/// How deep cells may hang one below the other, as on TON.
const MAX_CELL_DEPTH: u16 = 1_024;

/// A cell from a bag of cells in base64, base64url or hex.
pub(crate) fn cell_from_text(text: &str) -> Option<Cell> {
    let cell = Boc::decode(address::bytes_from_text(text)?).ok()?;
    (cell.repr_depth() <= MAX_CELL_DEPTH).then_some(cell)
}

/// A bag of cells in base64.
pub(crate) fn boc(cell: &Cell) -> String {
    Boc::encode_base64(cell)
}
