//! One JSON-RPC call: rate limit, time limit, size limit, retries.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{ChainConfig, ChainError};

/// Longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause a gateway can make us take.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How much of a gateway's error message is kept.
const MAX_MESSAGE: usize = 400;

/// Whether a call may be made twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A read: try again after failures that may pass.
    Safe,
    /// A write: again only if the gateway surely did not look at it (429).
    Never,
}

pub(crate) struct Http {
    client: reqwest::Client,
    url: reqwest::Url,
    host: String,
    api_key: Option<HeaderValue>,
    retries: u32,
    backoff: Duration,
    max_body: usize,
    /// Between two requests.
    interval: Duration,
    /// When the next request may leave.
    next_slot: Mutex<Instant>,
}

/// A failed try, and how long the gateway wants us to wait.
struct Failure {
    error: ChainError,
    wait: Option<Duration>,
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        Self { error, wait: None }
    }
}

impl Http {
    pub(crate) fn new(config: &ChainConfig) -> Result<Self, ChainError> {
        let url = config.url()?;
        let api_key = match &config.api_key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::from_str(key.expose())
                    .map_err(|_| ChainError::Config("the API key has odd characters".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // A redirect could carry the key to another host.
        let client = reqwest::Client::builder()
            .timeout(config.timeout)
            .connect_timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("fog/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ChainError::Config(format!("no HTTP client: {error}")))?;
        let interval = config
            .max_requests_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        Ok(Self {
            client,
            host: url.host_str().unwrap_or_default().to_owned(),
            url,
            api_key,
            retries: config.retries.min(20),
            backoff: config.backoff,
            max_body: config.max_body,
            interval,
            next_slot: Mutex::new(Instant::now()),
        })
    }

    /// Calls `method` and returns its `result`.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        params: Value,
        repeat: Repeat,
    ) -> Result<Value, ChainError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut attempt = 0;
        loop {
            self.wait_for_slot().await;
            let Failure { error, wait } = match self.try_once(method, &body).await {
                Ok(result) => return Ok(result),
                Err(failure) => failure,
            };
            let limited = matches!(error, ChainError::RateLimited { .. });
            let may_pass = limited || (repeat == Repeat::Safe && error.is_transient());
            if !may_pass || attempt >= self.retries {
                return Err(error);
            }
            let pause = self.backoff.saturating_mul(1 << attempt.min(10)).min(MAX_PAUSE);
            let pause = wait.map_or(pause, |wait| wait.clamp(pause, MAX_RETRY_AFTER));
            tracing::debug!(method, attempt, ?pause, code = error.code(), "asking the chain again");
            if limited {
                // All clones of the client are meant, not this call alone.
                self.postpone(pause);
            } else {
                tokio::time::sleep(pause).await;
            }
            attempt += 1;
        }
    }

    async fn try_once(&self, method: &'static str, body: &Value) -> Result<Value, Failure> {
        let mut request = self.client.post(self.url.clone()).json(body);
        if let Some(key) = &self.api_key {
            request = request.header("X-API-Key", key.clone());
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs);
            return Err(Failure {
                error: ChainError::RateLimited { host: self.host.clone() },
                wait,
            });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if bytes.len() + chunk.len() > self.max_body {
                return Err(ChainError::TooLarge { method, limit: self.max_body }.into());
            }
            bytes.extend_from_slice(&chunk);
        }
        self.read_envelope(method, status, &bytes)
    }

    fn read_envelope(
        &self,
        method: &'static str,
        status: StatusCode,
        bytes: &[u8],
    ) -> Result<Value, Failure> {
        let failed = |code: i64, message: String| -> Failure {
            let message = message.chars().take(MAX_MESSAGE).collect();
            match code {
                429 => ChainError::RateLimited { host: self.host.clone() }.into(),
                400..=499 => ChainError::Refused { method, code, message }.into(),
                _ => ChainError::Server { method, code, message }.into(),
            }
        };
        let mut envelope: Value = match serde_json::from_slice(bytes) {
            Ok(envelope) => envelope,
            Err(_) if !status.is_success() => {
                let code = i64::from(status.as_u16());
                return Err(failed(code, "no readable error message".into()));
            }
            Err(error) => {
                let what = error.to_string();
                return Err(ChainError::Malformed { method, what }.into());
            }
        };
        let ok = envelope.get("ok").and_then(Value::as_bool);
        if ok == Some(true) && status.is_success() {
            return match envelope.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => {
                    let what = "`result` is missing".to_owned();
                    Err(ChainError::Malformed { method, what }.into())
                }
            };
        }
        let error = envelope.get("error").or_else(|| envelope.get("result"));
        let message = match error {
            Some(Value::String(message)) => message.clone(),
            Some(other) => other
                .get("message")
                .and_then(Value::as_str)
                .map_or_else(|| other.to_string(), str::to_owned),
            None => "no error message".to_owned(),
        };
        let code = envelope.get("code").and_then(Value::as_i64);
        let http = (!status.is_success()).then(|| i64::from(status.as_u16()));
        Err(failed(http.or(code).unwrap_or(500), message))
    }

    async fn wait_for_slot(&self) {
        let slot = {
            let mut next = self.next_slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let slot = (*next).max(Instant::now());
            *next = slot + self.interval;
            slot
        };
        tokio::time::sleep_until(slot).await;
    }

    fn postpone(&self, pause: Duration) {
        let mut next = self.next_slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *next = (*next).max(Instant::now() + pause);
    }

    fn unreachable(&self, error: reqwest::Error) -> ChainError {
        // Paths of some gateways hold access tokens: name the host alone.
        let error = error.without_url();
        let mut cause = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            cause = inner.to_string();
            source = inner.source();
        }
        if error.is_timeout() {
            cause = "no answer in time".into();
        }
        ChainError::Unreachable { host: self.host.clone(), cause }
    }
}
