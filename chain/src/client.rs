//! The client and its calls.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fog_protocol::{Address, Hash32};
use serde_json::json;

use crate::http::{Http, Repeat};
use crate::json::Answer;
use crate::stack::to_json;
use crate::{AccountInfo, ChainConfig, ChainError, Cursor, GetMethodResult, StackEntry, Tx};

/// Largest external message the network takes.
const MAX_EXTERNAL: usize = 65_535;
/// Most transactions asked for in one call.
const MAX_PAGE: usize = 256;
/// The masterchain's shard, as the signed number the dialect uses.
const MASTERCHAIN_SHARD: &str = "-9223372036854775808";

/// The method that describes a block.
const HEADER: &str = "getBlockHeader";

/// The chain's newest block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterchainInfo {
    /// Its number.
    pub seqno: u32,
    /// Its root hash.
    pub root_hash: Hash32,
    /// Chain time: when it was made, unix seconds.
    pub time: u32,
}

/// What became of an external message.
#[derive(Debug, Clone)]
pub enum SendOutcome {
    /// The gateway took it (or had it already). It is not on the chain yet.
    Accepted,
    /// The gateway tried it on its newest state and refused it. A lagging gateway can be wrong:
    /// only the chain after `valid_until` proves that it never will work.
    Refused {
        /// The gateway's words, shortened.
        reason: String,
        /// The contract's exit code, if it said one.
        exit_code: Option<i32>,
    },
    /// It may or may not have arrived: send the same bytes again.
    Unknown {
        /// What happened.
        cause: ChainError,
    },
}

/// A client of one gateway. Cheap to clone; all clones share one rate limit.
#[derive(Clone)]
pub struct ChainClient {
    inner: Arc<Inner>,
}

struct Inner {
    config: ChainConfig,
    http: Http,
    /// Highest masterchain block seen.
    highest: AtomicU32,
    /// The last header read, so that asking again in the same block costs one call.
    newest: Mutex<Option<MasterchainInfo>>,
}

impl std::fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainClient").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl ChainClient {
    /// A client; nothing is asked yet ([`ChainClient::masterchain_info`] checks the network).
    ///
    /// # Errors
    /// [`ChainError::Config`].
    pub fn new(config: ChainConfig) -> Result<Self, ChainError> {
        let http = Http::new(&config)?;
        let (highest, newest) = (AtomicU32::new(0), Mutex::new(None));
        Ok(Self { inner: Arc::new(Inner { config, http, highest, newest }) })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &ChainConfig {
        &self.inner.config
    }

    /// The newest masterchain block with its time. One call while the block stays the same, two
    /// after a new one.
    ///
    /// # Errors
    /// [`ChainError::WrongNetwork`] if the gateway names another network, [`ChainError::Stale`] if
    /// it fell behind by more than `max_lag_blocks`, and others.
    pub async fn masterchain_info(&self) -> Result<MasterchainInfo, ChainError> {
        const METHOD: &str = "getMasterchainInfo";
        let value = self.read(METHOD, json!({})).await?;
        let last = Answer::new(METHOD, &value).field("last")?;
        let seqno: u32 = last.field("seqno")?.integer()?;
        let root_hash = last.field("root_hash")?.hash()?;
        self.check_progress(seqno)?;
        let known = *self.newest();
        if let Some(known) = known
            && (known.seqno, known.root_hash) == (seqno, root_hash)
        {
            return Ok(known);
        }
        let time = self.block_time(seqno).await?;
        let info = MasterchainInfo { seqno, root_hash, time };
        *self.newest() = Some(info);
        Ok(info)
    }

    /// Chain time, unix seconds: what decides every deadline.
    ///
    /// # Errors
    /// As [`ChainClient::masterchain_info`].
    pub async fn chain_time(&self) -> Result<u32, ChainError> {
        Ok(self.masterchain_info().await?.time)
    }

    /// Root hash of a masterchain block, as the gateway has it now.
    pub(crate) async fn block_hash(&self, seqno: u32) -> Result<Hash32, ChainError> {
        let value = self.block_header(seqno).await?;
        Answer::new(HEADER, &value).field("id")?.field("root_hash")?.hash()
    }

    async fn block_time(&self, seqno: u32) -> Result<u32, ChainError> {
        let value = self.block_header(seqno).await?;
        Answer::new(HEADER, &value).field("gen_utime")?.integer()
    }

    /// A masterchain block's header, of the right block of the right network.
    async fn block_header(&self, seqno: u32) -> Result<serde_json::Value, ChainError> {
        let params = json!({"workchain": -1, "shard": MASTERCHAIN_SHARD, "seqno": seqno});
        let value = self.read(HEADER, params).await?;
        let header = Answer::new(HEADER, &value);
        if let Some(id) = header.optional("id") {
            let found: u32 = id.field("seqno")?.integer()?;
            if found != seqno {
                let what = format!("asked for block {seqno}, got {found}");
                return Err(ChainError::Lied { what });
            }
        }
        if let Some(found) = header.optional("global_id") {
            let (found, expected) = (found.integer()?, self.inner.config.network_id);
            if found != expected {
                return Err(ChainError::WrongNetwork { expected, found });
            }
        }
        Ok(value)
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Option<MasterchainInfo>> {
        self.inner.newest.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Remembers the highest block and refuses answers far below it.
    fn check_progress(&self, seqno: u32) -> Result<(), ChainError> {
        let highest = self.inner.highest.fetch_max(seqno, Ordering::Relaxed);
        if seqno.saturating_add(self.inner.config.max_lag_blocks) < highest {
            let what = format!("it is at block {seqno}, block {highest} was seen before");
            return Err(ChainError::Stale { what });
        }
        Ok(())
    }

    /// One account now.
    ///
    /// # Errors
    /// [`ChainError::Stale`] if the answer is of a block far below one seen before; others as the
    /// gateway fails.
    pub async fn account(&self, address: &Address) -> Result<AccountInfo, ChainError> {
        const METHOD: &str = "getAddressInformation";
        let value = self.read(METHOD, json!({"address": address.to_string()})).await?;
        let info = AccountInfo::parse(*address, Answer::new(METHOD, &value))?;
        if let Some(seqno) = info.block_seqno {
            self.check_progress(seqno)?;
        }
        Ok(info)
    }

    /// Runs a get-method on the newest state. An exit code other than 0 is in the result, not an
    /// error: see [`ChainClient::get`].
    ///
    /// # Errors
    /// [`ChainError::Stack`] for arguments that cannot be passed; others as the gateway fails.
    pub async fn run_get_method(
        &self,
        address: &Address,
        name: &str,
        stack: &[StackEntry],
    ) -> Result<GetMethodResult, ChainError> {
        const METHOD: &str = "runGetMethod";
        let stack = to_json(stack)?;
        let params = json!({"address": address.to_string(), "method": name, "stack": stack});
        let value = self.read(METHOD, params).await?;
        GetMethodResult::parse(Answer::new(METHOD, &value))
    }

    /// Runs a get-method that must succeed.
    ///
    /// # Errors
    /// [`ChainError::GetMethod`] with its exit code; others as [`ChainClient::run_get_method`].
    pub async fn get(
        &self,
        address: &Address,
        name: &str,
        stack: &[StackEntry],
    ) -> Result<GetMethodResult, ChainError> {
        let result = self.run_get_method(address, name, stack).await?;
        if result.is_ok() {
            return Ok(result);
        }
        let (name, exit_code) = (name.to_owned(), result.exit_code);
        Err(ChainError::GetMethod { address: *address, name, exit_code })
    }

    /// The next sequence number of a wallet: 0 if it is not deployed.
    ///
    /// # Errors
    /// [`ChainError::GetMethod`] if there is a contract which is no wallet.
    pub async fn wallet_seqno(&self, address: &Address) -> Result<u32, ChainError> {
        let failed = match self.get(address, "seqno", &[]).await {
            Ok(result) => return Ok(result.int(0)?),
            Err(error) if error.is_transient() && !matches!(error, ChainError::Server { .. }) => {
                return Err(error);
            }
            Err(error) => error,
        };
        // Gateways differ in how they say that there is no contract.
        if self.account(address).await?.is_active() { Err(failed) } else { Ok(0) }
    }

    /// Transactions of `address`, newest first: from the transaction `from` (the account's last if
    /// `None`) down, at most `limit`, none at or below `to_lt`. Data, account, first id and the
    /// links between them are checked.
    ///
    /// # Errors
    /// [`ChainError::Lied`] if any of that does not hold; others as the gateway fails.
    pub async fn transactions(
        &self,
        address: &Address,
        from: Option<Cursor>,
        limit: usize,
        to_lt: Option<u64>,
    ) -> Result<Vec<Tx>, ChainError> {
        const METHOD: &str = "getTransactions";
        let limit = limit.clamp(1, MAX_PAGE);
        let mut params = json!({
            "address": address.to_string(), "limit": limit, "archival": true,
        });
        if let Some(from) = from {
            params["lt"] = from.lt.to_string().into();
            params["hash"] = STANDARD.encode(from.hash.0).into();
        }
        if let Some(to_lt) = to_lt {
            params["to_lt"] = to_lt.to_string().into();
        }
        let value = self.read(METHOD, params).await.map_err(|error| match (error, from) {
            // Behind one gateway are many machines; this one has not got that far.
            (ChainError::Refused { code: 404, .. }, Some(from)) => {
                let what = format!("it does not know transaction {} of {address} yet", from.hash);
                ChainError::Stale { what }
            }
            (error, _) => error,
        })?;
        let rows = Answer::new(METHOD, &value).array()?;
        let mut page: Vec<Tx> = Vec::with_capacity(limit.min(rows.len()));
        for row in rows.iter().take(limit) {
            let tx = Tx::from_row(*address, Answer::new(METHOD, row))?;
            if to_lt.is_some_and(|to_lt| tx.lt <= to_lt) {
                break;
            }
            let expected = page.last().map_or(from, |newer| newer.prev);
            let free = page.is_empty() && from.is_none();
            if !free && expected != Some(tx.cursor()) {
                let (lt, hash) = (tx.lt, tx.hash);
                let what = format!("transaction {hash} at lt {lt} of {address} is out of line");
                return Err(ChainError::Lied { what });
            }
            page.push(tx);
        }
        if page.is_empty()
            && let Some(from) = from
            && to_lt.is_none_or(|to_lt| to_lt < from.lt)
        {
            let what =
                format!("it has no transaction {} at lt {} of {address}", from.hash, from.lt);
            return Err(ChainError::Stale { what });
        }
        Ok(page)
    }

    /// Hands an external message (the exact bytes of a signed transfer) to the network. Never
    /// repeated here: on [`SendOutcome::Unknown`] the caller sends the same bytes again.
    pub async fn send_boc(&self, boc: &[u8]) -> SendOutcome {
        if boc.len() > MAX_EXTERNAL {
            let reason = format!("{} bytes are more than a message may have", boc.len());
            return SendOutcome::Refused { reason, exit_code: None };
        }
        let params = json!({"boc": STANDARD.encode(boc)});
        let error = match self.inner.http.call("sendBoc", params, Repeat::Never).await {
            Ok(_) => return SendOutcome::Accepted,
            Err(error) => error,
        };
        match &error {
            ChainError::Server { message, .. } | ChainError::Refused { message, .. } => {
                let said = message.to_ascii_lowercase();
                if said.contains("duplicate message") {
                    return SendOutcome::Accepted;
                }
                // Not every mention: "too many external messages" passes by itself.
                let refused = said.contains("cannot apply external message")
                    || said.contains("was not accepted")
                    || said.contains("rejected by transaction")
                    || said.contains("deserialize")
                    || matches!(&error, ChainError::Refused { code: 400 | 422, .. });
                if refused {
                    let exit_code = exit_code(&said);
                    return SendOutcome::Refused { reason: message.clone(), exit_code };
                }
                SendOutcome::Unknown { cause: error }
            }
            _ => SendOutcome::Unknown { cause: error },
        }
    }

    async fn read(
        &self,
        method: &'static str,
        params: serde_json::Value,
    ) -> Result<serde_json::Value, ChainError> {
        self.inner.http.call(method, params, Repeat::Safe).await
    }
}

/// The `exitcode=33` (or `exit code 33`) in a refusal.
fn exit_code(said: &str) -> Option<i32> {
    let rest = ["exitcode=", "exitcode: ", "exit_code=", "exit code "]
        .iter()
        .find_map(|label| said.split_once(label).map(|(_, rest)| rest))?;
    let end = rest
        .char_indices()
        .find(|(at, letter)| !(letter.is_ascii_digit() || (*at == 0 && *letter == '-')))
        .map_or(rest.len(), |(at, _)| at);
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::exit_code;

    #[test]
    fn exit_codes_in_refusals() {
        let said = "inbound external message rejected by transaction: exitcode=33, steps=11";
        assert_eq!(exit_code(said), Some(33));
        assert_eq!(exit_code("exit code -14"), Some(-14));
        assert_eq!(exit_code("exitcode="), None);
        assert_eq!(exit_code("nothing"), None);
    }
}
