//! Where the chain is, and how hard it may be asked.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::ChainError;

/// Confirmations waited for where a stranger's gateway answers: its newest block may be seen by
/// one of its machines alone.
const REMOTE_CONFIRMATIONS: u32 = 2;

/// A gateway's API key. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key as given by the gateway's operator.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// How to reach the chain. Start from [`ChainConfig::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Base address of the gateway: `https://testnet.toncenter.com/api/v2` (a trailing `/` or
    /// `/jsonRPC` is fine).
    pub endpoint: String,
    /// The gateway's API key, sent as `X-API-Key`; only over TLS, or to this machine.
    pub api_key: Option<ApiKey>,
    /// Global id of the network expected there: -239 main, -3 test and embedded.
    pub network_id: i32,
    /// Time allowed for one request and its whole answer.
    pub timeout: Duration,
    /// How often a read is tried again after a failure that may pass.
    pub retries: u32,
    /// Pause before the first retry; doubles each time, up to ten seconds.
    pub backoff: Duration,
    /// Requests a second, all clones of a client together; `None` for no limit.
    pub max_requests_per_second: Option<NonZeroU32>,
    /// Largest answer read, in bytes.
    pub max_body: usize,
    /// Pause between two looks while waiting for a transaction.
    pub poll_interval: Duration,
    /// By how many masterchain blocks an answer may be older than what was already seen: the
    /// machines behind one public gateway differ by a few.
    pub max_lag_blocks: u32,
    /// Masterchain blocks that must lie on top of a transaction before it counts as final.
    pub confirmations: u32,
}

impl ChainConfig {
    /// Defaults for a gateway: on this machine unlimited and quick; elsewhere one request a
    /// second, which is what toncenter grants without a key.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, network_id: i32) -> Self {
        let endpoint = endpoint.into();
        let local = is_loopback(&endpoint);
        Self {
            endpoint,
            api_key: None,
            network_id,
            timeout: Duration::from_secs(15),
            retries: 4,
            backoff: Duration::from_millis(250),
            max_requests_per_second: if local { None } else { Some(NonZeroU32::MIN) },
            max_body: 8 << 20,
            poll_interval: Duration::from_millis(if local { 200 } else { 2000 }),
            max_lag_blocks: 20,
            confirmations: if local { 0 } else { REMOTE_CONFIRMATIONS },
        }
    }

    /// The same with another number of confirmations; `None` leaves the default: none on this
    /// machine, two elsewhere.
    #[must_use]
    pub const fn with_confirmations(mut self, confirmations: Option<u32>) -> Self {
        if let Some(confirmations) = confirmations {
            self.confirmations = confirmations;
        }
        self
    }

    /// The same with an API key, and the ten requests a second toncenter grants for one.
    #[must_use]
    pub fn with_api_key(mut self, key: ApiKey) -> Self {
        self.api_key = Some(key);
        if self.max_requests_per_second == Some(NonZeroU32::MIN) {
            self.max_requests_per_second = NonZeroU32::new(10);
        }
        self
    }

    /// The address of the JSON-RPC method, checked.
    pub(crate) fn url(&self) -> Result<reqwest::Url, ChainError> {
        let base = self.endpoint.trim().trim_end_matches('/').trim_end_matches("/jsonRPC");
        let url = reqwest::Url::parse(&format!("{base}/jsonRPC"))
            .map_err(|error| ChainError::Config(format!("the chain endpoint: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            let message = "the chain endpoint must start with https:// (or http://)";
            return Err(ChainError::Config(message.into()));
        }
        if self.api_key.is_some() && url.scheme() == "http" && !is_loopback(&self.endpoint) {
            let message = "the API key would travel unencrypted: use an https:// chain endpoint";
            return Err(ChainError::Config(message.into()));
        }
        Ok(url)
    }
}

fn is_loopback(endpoint: &str) -> bool {
    reqwest::Url::parse(endpoint).ok().is_some_and(|url| match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for endpoint in ["http://127.0.0.1:8081/api/v2", "http://127.0.0.1:8081/api/v2/jsonRPC"] {
            let config = ChainConfig::new(endpoint, -3);
            assert_eq!(config.url().unwrap().as_str(), "http://127.0.0.1:8081/api/v2/jsonRPC");
            assert_eq!(config.max_requests_per_second, None);
        }
        assert!(ChainConfig::new("ftp://x", -3).url().is_err());
        assert!(ChainConfig::new("no address", -3).url().is_err());
    }

    #[test]
    fn a_key_never_travels_in_the_clear() {
        let config = ChainConfig::new("http://example.com/api/v2", -3);
        let config = config.with_api_key(ApiKey::new("canary"));
        assert!(matches!(config.url(), Err(ChainError::Config(_))));
        assert!(!format!("{config:?}").contains("canary"));
    }
}
