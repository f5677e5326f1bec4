//! The node's HTTP API, as far as a worker uses it. Every answer has a size limit and a time limit;
//! redirects are not followed.

use std::{sync::Arc, time::Duration};

use fog_protocol::{
    AccountView, Address, Entry, EntryPage, Hash32, Listing, Reveal, SealPublicKey, VoucherFile,
    api::{
        ApiError, CLIENT_IDLE, NodeInfo, PAYLOAD_CONTEXT, Payload, REVEAL_CONTEXT, seal_context,
    },
    seal,
};
use reqwest::{
    Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
    redirect,
};

use crate::{governor::payload_bytes, identity::Identity};

const MAX_INFO_BYTES: usize = 256 << 10;
const MAX_PAGE_BYTES: usize = 4 << 20;
const MAX_ERROR_BYTES: usize = 16 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
/// What sealing (encapsulated key, tag) and encoding (a length a blob) add.
const ENVELOPE_BYTES: u64 = 1024;

/// Why a request to the node failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeError {
    /// The way there failed; trying again may help.
    #[error("the node does not answer: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("the node answered {status} ({code}): {message}")]
    Answer { status: u16, code: String, message: String },
    /// It sent something no honest node sends.
    #[error("{0}")]
    Dishonest(String),
}

impl NodeError {
    /// May the same request succeed later?
    pub(crate) const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Answer { status, .. } => {
                *status >= 500 || matches!(*status, 401 | 404 | 408 | 409 | 425 | 429)
            }
            Self::Dishonest(_) => false,
        }
    }
}

impl From<reqwest::Error> for NodeError {
    fn from(error: reqwest::Error) -> Self {
        // The innermost cause says most; the URL is known.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Unreachable(cause.to_string().chars().take(200).collect())
    }
}

/// Talks to one node.
#[derive(Debug, Clone)]
pub(crate) struct NodeClient {
    base: String,
    http: reqwest::Client,
    identity: Arc<Identity>,
}

impl NodeClient {
    pub(crate) fn new(base: &str, identity: Arc<Identity>) -> Result<Self, NodeError> {
        let http = reqwest::Client::builder()
            .pool_idle_timeout(CLIENT_IDLE)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("fog-worker/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http, identity })
    }

    /// The gateway's URL: `ws:` where the base is `http:`, `wss:` where it is `https:`.
    pub(crate) fn gateway_url(&self) -> String {
        format!("{}/v1/gateway", self.base.replacen("http", "ws", 1))
    }

    /// `GET /v1/info`.
    pub(crate) async fn info(&self) -> Result<NodeInfo, NodeError> {
        let answer = self.http.get(format!("{}/v1/info", self.base)).send().await?;
        let body = read(accepted(answer).await?, MAX_INFO_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| {
            NodeError::Dishonest(format!("`/v1/info` is not this API's, of this version: {error}"))
        })
    }

    /// Downloads the work of `listing`, opens it and checks every byte against the listing.
    pub(crate) async fn payload(
        &self,
        node: &Hash32,
        listing: &Listing,
    ) -> Result<Payload, NodeError> {
        let task = listing.id();
        let path = format!("/v1/tasks/{task}/payload");
        let auth = self.identity.authorize(node, "GET", &path, b"");
        let url = format!("{}{path}", self.base);
        let answer = self.http.get(url).header(AUTHORIZATION, auth).send().await?;
        let most = payload_bytes(listing).saturating_add(ENVELOPE_BYTES);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let sealed = read(accepted(answer).await?, most).await?;
        open_payload(&self.identity, listing, &sealed)
    }

    /// Seals `reveal` to the node and uploads it.
    pub(crate) async fn submit(
        &self,
        node: &Hash32,
        seal_key: &SealPublicKey,
        reveal: &Reveal,
    ) -> Result<(), NodeError> {
        let path = format!("/v1/tasks/{}/submission", reveal.task);
        let dishonest = |error: &dyn std::fmt::Display| NodeError::Dishonest(error.to_string());
        let plain = borsh::to_vec(reveal).map_err(|error| dishonest(&error))?;
        let context = seal_context(REVEAL_CONTEXT, &reveal.task);
        let body = seal(seal_key, &context, &plain).map_err(|error| dishonest(&error))?;
        let auth = self.identity.authorize(node, "PUT", &path, &body);
        let url = format!("{}{path}", self.base);
        let answer = self.http.put(url).header(AUTHORIZATION, auth).body(body).send().await?;
        accepted(answer).await.map(drop)
    }

    /// `GET /v1/accounts/{address}`.
    pub(crate) async fn account(&self, address: &Address) -> Result<AccountView, NodeError> {
        self.read_json(&format!("/v1/accounts/{address}"), MAX_INFO_BYTES).await
    }

    /// Entries of an account from number `after` up to number `until`.
    pub(crate) async fn entries(
        &self,
        address: &Address,
        after: u64,
        until: u64,
    ) -> Result<Vec<Entry>, NodeError> {
        let mut entries = Vec::new();
        while after + (entries.len() as u64) < until {
            let from = after + entries.len() as u64;
            let path = format!("/v1/accounts/{address}/entries?after={from}");
            let page: EntryPage = self.read_json(&path, MAX_PAGE_BYTES).await?;
            if page.entries.is_empty() {
                return Err(NodeError::Dishonest("entries that were signed for are gone".into()));
            }
            entries.extend(page.entries.into_iter().map(|view| view.entry));
        }
        Ok(entries)
    }

    /// `POST /v1/accounts/{address}/voucher`.
    pub(crate) async fn vouch(&self, voucher: &VoucherFile) -> Result<(), NodeError> {
        let url = format!("{}/v1/accounts/{}/voucher", self.base, voucher.channel);
        let body =
            serde_json::to_vec(voucher).map_err(|error| NodeError::Dishonest(error.to_string()))?;
        let answer = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        accepted(answer.send().await?).await.map(drop)
    }

    async fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        most: usize,
    ) -> Result<T, NodeError> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await?;
        let body = read(accepted(answer).await?, most).await?;
        let wrong = |error| NodeError::Dishonest(format!("`{path}` is not this API's: {error}"));
        serde_json::from_slice(&body).map_err(wrong)
    }
}

/// Opens a sealed payload and checks it against what the listing names.
pub(crate) fn open_payload(
    identity: &Identity,
    listing: &Listing,
    sealed: &[u8],
) -> Result<Payload, NodeError> {
    let dishonest = |what: &str| NodeError::Dishonest(format!("the payload {what}"));
    let context = seal_context(PAYLOAD_CONTEXT, &listing.id());
    let plain = identity
        .open(&context, sealed)
        .map_err(|_| dishonest("does not open: it is sealed for another worker or task"))?;
    // Decoding allocates no more than the bytes that are there.
    let payload: Payload =
        borsh::from_slice(&plain).map_err(|_| dishonest("is malformed inside"))?;
    let expected = listing.work_blobs();
    let right = |bytes: &[u8], blob: &fog_protocol::BlobRef| {
        bytes.len() as u64 == blob.bytes && Hash32::of(bytes) == blob.hash
    };
    if payload.files.len() != expected.len()
        || !payload.files.iter().zip(&expected).all(|(bytes, blob)| right(bytes, blob))
    {
        return Err(dishonest("holds another program than the listing names"));
    }
    if !right(&payload.input, &listing.input) {
        return Err(dishonest("holds another input than the listing names"));
    }
    Ok(payload)
}

/// The answer, if it is a success; otherwise what it says.
async fn accepted(answer: Response) -> Result<Response, NodeError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = read(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
    let error = serde_json::from_slice::<ApiError>(&body).unwrap_or_else(|_| ApiError {
        code: "unknown".into(),
        message: StatusCode::canonical_reason(&status).unwrap_or("no reason given").into(),
    });
    Err(NodeError::Answer {
        status: status.as_u16(),
        code: error.code.chars().take(60).collect(),
        message: error.message.chars().take(300).collect(),
    })
}

/// Reads at most `most` bytes.
async fn read(mut answer: Response, most: usize) -> Result<Vec<u8>, NodeError> {
    let too_long = || NodeError::Dishonest(format!("the answer is longer than {most} bytes"));
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
