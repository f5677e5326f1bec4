//! A client of the node's HTTP API (`fog_protocol::api`).

use std::time::{Duration, SystemTime};

use fog_contracts::proof::MAX_MESSAGE_BYTES;
use fog_protocol::{
    AccountView, Address, EntryPage, EntryView, Group, Hash32, Listing, NonceOpening, PublicKey,
    RequestAuth, SecretKey, Signed, Tagged as _, TaskId, VoucherFile,
    api::{
        ApiError, CLIENT_IDLE, EpochView, NodeInfo, OpenNonce, Posted, TaskPage, TaskView,
        VerifierList, WorkerView,
    },
};
use fog_verifier::Evidence;
use reqwest::{Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;

/// Largest JSON answer read, in bytes.
const MAX_ANSWER: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why a request to the node failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The URL cannot be used.
    #[error("`{0}` is not a node's URL: expected http://HOST:PORT or https://HOST")]
    Url(String),
    /// Nobody answers there.
    #[error("the node at {url} does not answer ({cause}): is it running?")]
    Unreachable {
        /// The node.
        url: String,
        /// What the connection said.
        cause: String,
    },
    /// The node refused the request.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// Cause and cure.
        message: String,
    },
    /// The answer is not what a node answers.
    #[error("the node's answer to {0} is malformed: is this a Fog Market node of this version?")]
    Malformed(String),
    /// The answer is longer than any honest one.
    #[error("the node's answer is longer than {0} bytes")]
    TooLong(usize),
    /// The node gave evidence that is not what was asked for.
    #[error(
        "the node answers with evidence {given}, not {wanted}: it does not show what the chain was \
         told, ask another node or keep to the chain"
    )]
    OtherEvidence {
        /// The hash that was asked for.
        wanted: Hash32,
        /// The hash of what came.
        given: Hash32,
    },
}

/// A connection to one node, remembered by its id.
#[derive(Debug, Clone)]
pub struct NodeClient {
    base: String,
    http: reqwest::Client,
    info: NodeInfo,
}

impl NodeClient {
    /// Connects and asks who the node is.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn connect(url: &str) -> Result<Self, NodeError> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(NodeError::Url(url.to_owned()));
        }
        let http = reqwest::Client::builder()
            .pool_idle_timeout(CLIENT_IDLE)
            .timeout(TIMEOUT)
            .user_agent(concat!("fog/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| unreachable(&base, &error))?;
        let answer = http
            .get(format!("{base}/v1/info"))
            .send()
            .await
            .map_err(|error| unreachable(&base, &error))?;
        let info: NodeInfo = read_json(&base, "/v1/info", answer).await?;
        Ok(Self { base, http, info })
    }

    /// What the node said of itself on connecting.
    #[must_use]
    pub const fn info(&self) -> &NodeInfo {
        &self.info
    }

    /// What the node says of itself now.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn current_info(&self) -> Result<NodeInfo, NodeError> {
        self.get("/v1/info").await
    }

    /// An epoch; its seed is there once it is revealed.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn epoch(&self, number: u64) -> Result<EpochView, NodeError> {
        self.get(&format!("/v1/epochs/{number}")).await
    }

    /// The node's base URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Uploads a blob and returns its hash.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn put_blob(&self, key: &SecretKey, bytes: Vec<u8>) -> Result<Hash32, NodeError> {
        let hash = Hash32::of(&bytes);
        self.send(Method::PUT, &format!("/v1/blobs/{hash}"), Some(key), bytes).await?;
        Ok(hash)
    }

    /// The verifiers the node asks.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn verifiers(&self) -> Result<VerifierList, NodeError> {
        let answer = self.send(Method::GET, "/v1/verifiers", None, Vec::new()).await?;
        read_json(&self.base, "/v1/verifiers", answer).await
    }

    /// As the node's operator: has a verifier counted again.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn readmit(&self, key: &SecretKey, verifier: &PublicKey) -> Result<(), NodeError> {
        let path = format!("/v1/verifiers/{verifier}/readmit");
        self.send(Method::POST, &path, Some(key), Vec::new()).await.map(drop)
    }

    /// Posts a signed listing.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn post_task(&self, listing: &Signed<Listing>) -> Result<Posted, NodeError> {
        let body = encode(listing)?;
        let answer = self.send(Method::POST, "/v1/tasks", None, body).await?;
        read_json(&self.base, "/v1/tasks", answer).await
    }

    /// Says which posted listings are copies of one task.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn group(&self, group: &Group) -> Result<(), NodeError> {
        self.send(Method::POST, "/v1/groups", None, encode(group)?).await?;
        Ok(())
    }

    /// Opens the draw nonce of a task, for the commitment that is named. Sign one of each nonce
    /// only, see [`crate::Openings`].
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn open_nonce(
        &self,
        key: &SecretKey,
        opening: NonceOpening,
    ) -> Result<(), NodeError> {
        let path = format!("/v1/tasks/{}/nonce", opening.task);
        let body = encode(&OpenNonce { opening: Signed::new(opening, key) })?;
        self.send(Method::POST, &path, Some(key), body).await?;
        Ok(())
    }

    /// The requestor's word on which commitment a task's nonce was opened for.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn opening(&self, task: &TaskId) -> Result<Signed<NonceOpening>, NodeError> {
        self.get(&format!("/v1/tasks/{task}/opening")).await
    }

    /// One task.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn task(&self, task: &TaskId) -> Result<TaskView, NodeError> {
        self.get(&format!("/v1/tasks/{task}")).await
    }

    /// The evidence of a task's verdict. Of a draw it is secret until the epoch's seed is revealed.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn evidence(&self, task: &TaskId) -> Result<Evidence, NodeError> {
        self.get(&format!("/v1/tasks/{task}/evidence")).await
    }

    /// The evidence of this hash: of a verdict, or of a ruling on one. It is recomputed here: a node
    /// can give it or not, but nothing else for it.
    ///
    /// # Errors
    /// [`NodeError::OtherEvidence`], [`NodeError`].
    pub async fn evidence_by_hash(&self, hash: &Hash32) -> Result<Evidence, NodeError> {
        let evidence: Evidence = self.get(&format!("/v1/evidence/{hash}")).await?;
        let given = evidence.digest();
        if given != *hash {
            return Err(NodeError::OtherEvidence { wanted: *hash, given });
        }
        Ok(evidence)
    }

    /// A page of tasks, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn tasks(&self, limit: u16, after: Option<u64>) -> Result<TaskPage, NodeError> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.get(&format!("/v1/tasks?limit={limit}{after}")).await
    }

    /// A page of the tasks whose listings name this epoch, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn tasks_of_epoch(
        &self,
        epoch: u64,
        limit: u16,
        after: Option<u64>,
    ) -> Result<TaskPage, NodeError> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.get(&format!("/v1/tasks?epoch={epoch}&limit={limit}{after}")).await
    }

    /// The workers the node knows.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn workers(&self) -> Result<Vec<WorkerView>, NodeError> {
        self.get("/v1/workers").await
    }

    /// The result's bytes; only its requestor gets them, and only once they are verified.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn result(&self, key: &SecretKey, task: &TaskId) -> Result<Vec<u8>, NodeError> {
        let path = format!("/v1/tasks/{task}/result");
        let answer = self.send(Method::GET, &path, Some(key), Vec::new()).await?;
        read_body(&self.base, answer, usize::MAX >> 1).await
    }

    /// The message that settled a task whose contract checks the proof.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn proof(&self, task: &TaskId) -> Result<Vec<u8>, NodeError> {
        let path = format!("/v1/tasks/{task}/proof");
        let answer = self.send(Method::GET, &path, None, Vec::new()).await?;
        read_body(&self.base, answer, MAX_MESSAGE_BYTES).await
    }

    /// What the node knows of an account.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn account(&self, address: &Address) -> Result<AccountView, NodeError> {
        self.get(&format!("/v1/accounts/{address}")).await
    }

    /// A page of an account's entries, from number `after`.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn entries(&self, address: &Address, after: u64) -> Result<EntryPage, NodeError> {
        self.get(&format!("/v1/accounts/{address}/entries?after={after}")).await
    }

    /// The entry of a task in an account's list, which is read from its beginning; `None` if there is
    /// none.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn entry(
        &self,
        account: &Address,
        task: &TaskId,
    ) -> Result<Option<EntryView>, NodeError> {
        let mut after = 0;
        loop {
            let page = self.entries(account, after).await?;
            after += page.entries.len() as u64;
            let is_last = page.entries.is_empty() || after >= page.count;
            let found = page.entries.into_iter().find(|view| view.entry.task == *task);
            if found.is_some() || is_last {
                return Ok(found);
            }
        }
    }

    /// Hands in a voucher; gives it back with the node's signature.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn vouch(&self, voucher: &VoucherFile) -> Result<VoucherFile, NodeError> {
        let path = format!("/v1/accounts/{}/voucher", voucher.channel);
        let answer = self.send(Method::POST, &path, None, encode(voucher)?).await?;
        read_json(&self.base, &path, answer).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NodeError> {
        let answer = self.send(Method::GET, path, None, Vec::new()).await?;
        read_json(&self.base, path, answer).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&SecretKey>,
        body: Vec<u8>,
    ) -> Result<Response, NodeError> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(key) = key {
            let auth =
                RequestAuth::header(key, &self.info.node, unix_now(), method.as_str(), path, &body);
            request = request.header(header::AUTHORIZATION, auth);
        }
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let answer =
            request.body(body).send().await.map_err(|error| unreachable(&self.base, &error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refusal(answer).await) }
    }

    async fn refusal(&self, answer: Response) -> NodeError {
        let status = answer.status();
        let error = read_body(&self.base, answer, MAX_ANSWER)
            .await
            .ok()
            .and_then(|body| serde_json::from_slice::<ApiError>(&body).ok())
            .unwrap_or_else(|| ApiError {
                code: "http".to_owned(),
                message: format!("the node answered {status}"),
            });
        NodeError::Refused { status: status.as_u16(), code: error.code, message: error.message }
    }
}

impl NodeError {
    /// Is this the answer to asking for something that is not there?
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND.as_u16())
    }

    /// Is this the answer to asking for what the task's state does not allow (any more)?
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::CONFLICT.as_u16())
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn unreachable(url: &str, error: &reqwest::Error) -> NodeError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    NodeError::Unreachable { url: url.to_owned(), cause: cause.to_string() }
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(value).map_err(|error| NodeError::Malformed(error.to_string()))
}

async fn read_json<T: DeserializeOwned>(
    url: &str,
    path: &str,
    answer: Response,
) -> Result<T, NodeError> {
    let body = read_body(url, answer, MAX_ANSWER).await?;
    serde_json::from_slice(&body).map_err(|_| NodeError::Malformed(path.to_owned()))
}

async fn read_body(url: &str, mut answer: Response, max: usize) -> Result<Vec<u8>, NodeError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
        if body.len() + part.len() > max {
            return Err(NodeError::TooLong(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
