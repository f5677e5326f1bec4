//! Reading recordings: bytes from anybody.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, HashBytes};
use tycho_types::dict::Dict;
use tycho_types::models::{LibDescr, ShardAccount};

/// Longest line that is read.
pub const MAX_LINE_BYTES: usize = 64 << 20;
/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why recordings cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is too large.
    #[error("{file}: larger than {MAX_FILE_BYTES} bytes")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// The network configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// A line is no recording.
    #[error("{file}:{line}: {error}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: MalformedLine,
    },
}

/// Why a line is no recording.
#[derive(Debug, thiserror::Error)]
pub enum MalformedLine {
    /// Not JSON, or not of this shape.
    #[error("not a recording: {0}")]
    Json(#[from] serde_json::Error),
    /// The line is too long.
    #[error("longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Neither an executor call nor a get-method.
    #[error("neither `message` nor `method` is there")]
    Unknown,
    /// A field cannot be read.
    #[error("`{field}`: {cause}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

impl MalformedLine {
    pub(super) fn field(field: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Field { field, cause: cause.to_string() }
    }
}

/// A recording.
#[derive(Debug)]
pub(super) enum Line {
    Call(Box<Call>),
    Method(Method),
}

/// An executor call as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCall {
    now: u32,
    lt: Value,
    random_seed: Option<String>,
    #[serde(default)]
    libs: Option<String>,
    message: String,
    shard_account: String,
    ok: bool,
    transaction: Option<String>,
    new_shard_account: Option<String>,
}

/// An executor call and what the reference did.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) now: u32,
    pub(super) lt: u64,
    pub(super) seed: HashBytes,
    pub(super) libraries: Dict<HashBytes, LibDescr>,
    pub(super) message: Cell,
    pub(super) account: ShardAccount,
    /// Transaction and account afterwards; `None` where the message was refused.
    pub(super) outcome: Option<(Cell, Cell)>,
}

/// A get-method and what the reference did.
#[derive(Debug, Deserialize)]
struct RawMethod {
    code: String,
    method: i64,
    exit: i64,
    gas: Value,
    stack: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct Method {
    pub(super) code: Cell,
    pub(super) method: i64,
    pub(super) exit: i64,
    pub(super) gas: u64,
    pub(super) stack: Vec<String>,
}

/// Reads a configuration: a BoC, raw or in base64.
///
/// # Errors
/// [`ReplayError`] if there is none.
pub fn read_config(path: &Path) -> Result<Cell, ReplayError> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).ok().map(str::trim);
    let decoded = match text {
        Some(text) if text.bytes().all(is_base64) => Boc::decode_base64(text),
        _ => Boc::decode(&bytes),
    };
    decoded.map_err(|error| ReplayError::Config(format!("{}: {error}", path.display())))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ReplayError> {
    let failed = |error| ReplayError::Read { file: path.display().to_string(), error };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ReplayError::TooLarge { file: path.display().to_string() });
    }
    Ok(bytes)
}

pub(super) fn read_text(path: &Path) -> Result<String, ReplayError> {
    let bytes = read_bytes(path)?;
    String::from_utf8(bytes).map_err(|error| ReplayError::Read {
        file: path.display().to_string(),
        error: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })
}

pub(super) fn parse(line: &str) -> Result<Line, MalformedLine> {
    if line.len() > MAX_LINE_BYTES {
        return Err(MalformedLine::TooLong);
    }
    let value: Value = serde_json::from_str(line)?;
    if value.get("message").is_some() {
        parse_call(serde_json::from_value(value)?).map(|call| Line::Call(Box::new(call)))
    } else if value.get("method").is_some() {
        parse_method(serde_json::from_value(value)?).map(Line::Method)
    } else {
        Err(MalformedLine::Unknown)
    }
}

/// A number, as such or as text.
fn number(field: &'static str, value: &Value) -> Result<u64, MalformedLine> {
    let parsed = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| MalformedLine::field(field, "not a number from 0 to 2^64 - 1"))
}

fn cell(field: &'static str, text: &str) -> Result<Cell, MalformedLine> {
    Boc::decode_base64(text.trim()).map_err(|error| MalformedLine::field(field, error))
}

fn parse_call(raw: RawCall) -> Result<Call, MalformedLine> {
    let seed = match raw.random_seed.as_deref() {
        None => HashBytes::ZERO,
        Some(text) => text.parse().map_err(|error| MalformedLine::field("randomSeed", error))?,
    };
    let libraries = match raw.libs.as_deref() {
        None | Some("") => Dict::new(),
        Some(text) => Dict::from_raw(Some(cell("libs", text)?)),
    };
    let account = cell("shardAccount", &raw.shard_account)?
        .parse::<ShardAccount>()
        .map_err(|error| MalformedLine::field("shardAccount", error))?;
    let outcome = if raw.ok {
        let missing = |field| MalformedLine::field(field, "missing though `ok` is true");
        let transaction = raw.transaction.ok_or_else(|| missing("transaction"))?;
        let after = raw.new_shard_account.ok_or_else(|| missing("newShardAccount"))?;
        Some((cell("transaction", &transaction)?, cell("newShardAccount", &after)?))
    } else {
        None
    };
    Ok(Call {
        now: raw.now,
        lt: number("lt", &raw.lt)?,
        seed,
        libraries,
        message: cell("message", &raw.message)?,
        account,
        outcome,
    })
}

fn parse_method(raw: RawMethod) -> Result<Method, MalformedLine> {
    let stack = raw
        .stack
        .into_iter()
        .map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
        .collect();
    Ok(Method {
        code: cell("code", &raw.code)?,
        method: raw.method,
        exit: raw.exit,
        gas: number("gas", &raw.gas)?,
        stack,
    })
}
