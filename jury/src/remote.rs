//! A verifier in another process, as a node asks it.

use std::{sync::Arc, time::Duration};

use fog_protocol::{
    Hash32, PublicKey, RequestAuth, SealPublicKey, SecretKey, Signed, Tagged as _,
    api::{ApiError, CLIENT_IDLE},
    seal,
};
use reqwest::{Method, Response, StatusCode, header::AUTHORIZATION, redirect};
use tokio::sync::Mutex;

use crate::{
    examiner::wall_seconds,
    panel::{Asking, Juror},
    question::{Answer, Card, Case, QUESTION_VERSION, Reply, Scope, verifier_id},
    service::{BODY_HASH, QUESTION_CONTEXT, VERSION, blob_context},
};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A card or a reply is not longer.
const MAX_ANSWER: usize = 1 << 20;
/// Rounds of handing over what is missing.
const ROUNDS: usize = 3;

/// Why a verifier gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody answers, or not in time.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It turned the request down.
    #[error("it answered {status} ({code}): {message}")]
    Denied {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// Its words.
        message: String,
    },
    /// It said what no verifier of this key says.
    #[error("{0}")]
    Dishonest(String),
}

impl From<reqwest::Error> for AskError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Unreachable(cause.to_string().chars().take(200).collect())
    }
}

/// A verifier's process.
#[derive(Debug)]
pub struct Remote {
    base: String,
    key: PublicKey,
    scope: Scope,
    id: Hash32,
    /// The node's key: signs requests.
    asker: SecretKey,
    http: reqwest::Client,
    /// What to seal to, and the version of its software.
    card: Mutex<Option<(SealPublicKey, String)>>,
}

impl Remote {
    /// The verifier with `key` at `base`.
    ///
    /// # Errors
    /// [`AskError::Dishonest`] if `base` is no such URL.
    pub fn new(
        base: &str,
        key: PublicKey,
        scope: Scope,
        asker: SecretKey,
    ) -> Result<Self, AskError> {
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let what = format!("`{base}` is not a verifier's URL: expected http://HOST:PORT");
            return Err(AskError::Dishonest(what));
        }
        let http = reqwest::Client::builder()
            .pool_idle_timeout(CLIENT_IDLE)
            .connect_timeout(CONNECT_TIME)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("fog-node/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = base.trim_end_matches('/').to_owned();
        let id = verifier_id(&scope, &key);
        Ok(Self { base, key, scope, id, asker, http, card: Mutex::new(None) })
    }

    /// What to seal to, as the verifier's own signature says.
    async fn seal_key(&self) -> Result<SealPublicKey, AskError> {
        let mut known = self.card.lock().await;
        if let Some((key, _)) = *known {
            return Ok(key);
        }
        let answer = self.http.get(format!("{}/v1/verifier", self.base)).send().await?;
        let bytes = read(accepted(answer).await?).await?;
        let card: Signed<Card> = serde_json::from_slice(&bytes)
            .map_err(|error| AskError::Dishonest(format!("its card does not read: {error}")))?;
        let dishonest = |what: &str| AskError::Dishonest(what.to_owned());
        if card.signer != self.key {
            return Err(dishonest("another verifier listens there: its key is another"));
        }
        let checked = card.verify().map_err(|_| dishonest("its card is not signed by its key"))?;
        if checked.scope != self.scope {
            return Err(dishonest("it works for another market or network"));
        }
        let version = checked.version.chars().take(64).collect();
        *known = Some((checked.seal_key, version));
        Ok(checked.seal_key)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, AskError> {
        let receiver = self.seal_key().await?;
        let body = seal(&receiver, context, plain)
            .map_err(|error| AskError::Dishonest(error.to_string()))?;
        let time = wall_seconds();
        let header = RequestAuth::header(&self.asker, &self.id, time, method.as_str(), path, &body);
        let url = format!("{}{path}", self.base);
        let hash = Hash32::of(&body).to_string();
        let request = self.http.request(method, url).header(AUTHORIZATION, header);
        let request = request.header(BODY_HASH, hash).header(VERSION, QUESTION_VERSION).body(body);
        let mut answer = accepted(request.send().await?).await;
        if let Err(AskError::Denied { status: 400, message, .. }) = &mut answer {
            // It may have another sealing key by now; or it is older, and does not read what it is
            // asked.
            if let Some((_, theirs)) = self.card.lock().await.take() {
                let own = env!("CARGO_PKG_VERSION");
                message.push_str(&format!(
                    " (the verifier is fog {theirs}, the node fog {own}, and asks in version \
                     {QUESTION_VERSION}: if the verifier is older, upgrade it)"
                ));
            }
        }
        read(answer?).await
    }

    async fn question(&self, plain: &[u8], digest: &Hash32) -> Result<Answer, AskError> {
        let bytes = self.send(Method::POST, "/v1/questions", QUESTION_CONTEXT, plain).await?;
        let dishonest = |what: &str| AskError::Dishonest(what.to_owned());
        let reply: Signed<Reply> =
            borsh::from_slice(&bytes).map_err(|_| dishonest("its reply does not read"))?;
        let checked = reply.verify().map_err(|_| dishonest("its reply is not signed"))?;
        if reply.signer != self.key || checked.question != *digest {
            return Err(dishonest("the reply is another's, or to another question"));
        }
        Ok(reply.value.answer)
    }

    async fn answer(&self, case: &Case) -> Result<Answer, AskError> {
        let question = &case.question;
        let plain =
            borsh::to_vec(question).map_err(|error| AskError::Dishonest(error.to_string()))?;
        let digest = question.digest();
        for _ in 0..ROUNDS {
            let missing = match self.question(&plain, &digest).await? {
                Answer::Missing(missing) => missing,
                answer => return Ok(answer),
            };
            for hash in missing {
                let Some(bytes) = case.materials.blob(&hash) else {
                    let what = "it asks for a blob that is not of this task".to_owned();
                    return Err(AskError::Dishonest(what));
                };
                let path = format!("/v1/blobs/{hash}");
                self.send(Method::PUT, &path, &blob_context(&hash), bytes).await?;
            }
        }
        Err(AskError::Dishonest("it does not keep the blobs it is given".to_owned()))
    }
}

impl Juror for Remote {
    fn key(&self) -> PublicKey {
        self.key
    }

    fn place(&self) -> String {
        "a process of its own".to_owned()
    }

    fn ask(self: Arc<Self>, case: Arc<Case>) -> Asking {
        Box::pin(async move { self.answer(&case).await })
    }
}

async fn accepted(answer: Response) -> Result<Response, AskError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = read(answer).await.unwrap_or_default();
    let error = serde_json::from_slice::<ApiError>(&body).unwrap_or_else(|_| ApiError {
        code: "unknown".into(),
        message: StatusCode::canonical_reason(&status).unwrap_or("no reason given").into(),
    });
    Err(AskError::Denied {
        status: status.as_u16(),
        code: error.code.chars().take(60).collect(),
        message: error.message.chars().take(300).collect(),
    })
}

async fn read(mut answer: Response) -> Result<Vec<u8>, AskError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(AskError::Dishonest("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
