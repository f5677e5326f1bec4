//! The gateway: does it answer, for which network, how often, with which time.

use std::time::Duration;

use fog_chain::{ChainClient, ChainConfig, ChainError, MasterchainInfo, NetworkKind};

use crate::{Subject, report::Notes};

/// Requests in one go, to see whether the gateway limits them at the configured rate.
const BURST: usize = 4;
/// Seconds a chain may be behind this machine's clock before somebody should look.
const BEHIND: u64 = 60;
/// Seconds it may be ahead.
const AHEAD: u64 = 10;
/// Confirmations beyond which everything only gets slower.
const MANY: u32 = 50;

/// A gateway that answers.
pub(crate) struct Chain {
    pub(crate) client: ChainClient,
    pub(crate) kind: NetworkKind,
}

/// Asks a second time at most, and does not wait long.
fn brisk(config: &ChainConfig) -> ChainConfig {
    ChainConfig { retries: 2, timeout: Duration::from_secs(10), ..config.clone() }
}

/// Asks once: what a retry would hide is what is looked for.
fn impatient(config: &ChainConfig) -> ChainConfig {
    ChainConfig { retries: 0, ..brisk(config) }
}

pub(crate) async fn examine(subject: &Subject, notes: &mut Notes) -> Option<Chain> {
    let found = reach(&subject.chain, notes).await;
    let Some((client, tip)) = found else {
        for name in ["network", "rate_limit", "clock", "confirmations", "witness"] {
            notes.skip(name, "the chain endpoint cannot be used");
        }
        return None;
    };
    rate(subject, notes).await;
    let kind = network(&client, notes).await?;
    clock(subject, kind, &tip, notes);
    confirmations(subject, kind, notes);
    witness(subject, &tip, notes).await;
    Some(Chain { client, kind })
}

async fn reach(config: &ChainConfig, notes: &mut Notes) -> Option<(ChainClient, MasterchainInfo)> {
    const NAME: &str = "endpoint";
    let client = match ChainClient::new(brisk(config)) {
        Ok(client) => client,
        Err(error) => {
            notes.fail(NAME, error.to_string(), "correct `chain` in fog.toml or FOG_CHAIN");
            return None;
        }
    };
    match client.masterchain_info().await {
        Ok(tip) => {
            notes.pass(NAME, format!("{} is at block {}", config.endpoint, tip.seqno));
            Some((client, tip))
        }
        Err(ChainError::WrongNetwork { expected, found }) => {
            notes.pass(NAME, format!("{} answers", config.endpoint));
            let cause = format!("it serves network {found}, expected is {expected}");
            let cure = "point `chain` at a gateway of the network you mean (-3: testnet or the \
                        embedded chain, -239: mainnet)";
            notes.fail("network", cause, cure);
            None
        }
        Err(error) => {
            notes.fail(NAME, error.to_string(), endpoint_cure(&error));
            None
        }
    }
}

const fn endpoint_cure(error: &ChainError) -> &'static str {
    match error {
        ChainError::Unreachable { .. } => {
            "check the address, the network and the firewall; for a chain of your own: `fog dev`"
        }
        ChainError::Refused { code: 401 | 403, .. } => {
            "set `chain_api_key` in fog.toml (or FOG_CHAIN_API_KEY) to a key of this gateway"
        }
        ChainError::RateLimited { .. } => "set an API key, or wait and try again",
        ChainError::Stale { .. } | ChainError::Lied { .. } => "use another gateway",
        ChainError::Malformed { .. } | ChainError::Refused { .. } | ChainError::TooLarge { .. } => {
            "this is no toncenter v2 API: the address usually ends in /api/v2"
        }
        _ => "try again; if it stays, use another gateway",
    }
}

async fn network(client: &ChainClient, notes: &mut Notes) -> Option<NetworkKind> {
    const NAME: &str = "network";
    match client.network_kind().await {
        Ok(kind) => {
            notes.pass(NAME, kind.to_string());
            Some(kind)
        }
        Err(error) => {
            notes.fail(NAME, error.to_string(), endpoint_cure(&error));
            None
        }
    }
}

/// As many requests as the settings allow, at the pace the settings allow.
async fn rate(subject: &Subject, notes: &mut Notes) {
    const NAME: &str = "rate_limit";
    let Ok(client) = ChainClient::new(impatient(&subject.chain)) else { return };
    let mut limited = 0;
    for _ in 0..BURST {
        match client.masterchain_info().await {
            Ok(_) => {}
            Err(ChainError::RateLimited { .. }) => limited += 1,
            Err(error) => {
                let cure = "the gateway is unsteady: a node would lag; use another";
                return notes.warn(NAME, error.to_string(), cure);
            }
        }
    }
    let pace = subject
        .chain
        .max_requests_per_second
        .map_or_else(|| "unlimited".to_owned(), |rate| format!("{rate} a second"));
    let key = if subject.chain.api_key.is_some() { "with an API key" } else { "without a key" };
    if limited == 0 {
        return notes.pass(NAME, format!("{BURST} requests {key} ({pace}), none refused"));
    }
    let found = format!("{limited} of {BURST} requests {key} ({pace}) were refused as too many");
    notes.warn(NAME, found, "set an API key (or one with a higher limit) in `chain_api_key`");
}

fn clock(subject: &Subject, kind: NetworkKind, tip: &MasterchainInfo, notes: &mut Notes) {
    const NAME: &str = "clock";
    let chain = u64::from(tip.time);
    let (behind, ahead) = (subject.now.saturating_sub(chain), chain.saturating_sub(subject.now));
    if behind <= BEHIND && ahead <= AHEAD {
        let apart = behind.max(ahead);
        return notes.pass(NAME, format!("chain time and this machine's are {apart} s apart"));
    }
    let found = if ahead > AHEAD {
        format!("chain time is {ahead} s ahead of this machine's clock")
    } else {
        format!("the newest block is {behind} s old by this machine's clock")
    };
    if kind == NetworkKind::Local {
        // Its clock is virtual: somebody warped it.
        return notes.warn(NAME, found, "nothing: time on an embedded chain goes as it is told");
    }
    let cure = if ahead > AHEAD {
        "set this machine's clock (NTP): what it signs would be refused as too old"
    } else {
        "set this machine's clock (NTP); if it is right, the gateway is stuck: use another"
    };
    notes.fail(NAME, found, cure);
}

fn confirmations(subject: &Subject, kind: NetworkKind, notes: &mut Notes) {
    const NAME: &str = "confirmations";
    let wanted = subject.chain.confirmations;
    let found = format!("{wanted} blocks on top of a transaction before it counts");
    if kind != NetworkKind::Local && wanted == 0 {
        let cure = "set `confirmations` to 1 or more: one gateway's newest block is no proof";
        return notes.fail(NAME, found, cure);
    }
    if wanted > MANY {
        return notes.warn(NAME, found, "fewer do: masterchain blocks are final once agreed on");
    }
    notes.pass(NAME, found);
}

async fn witness(subject: &Subject, tip: &MasterchainInfo, notes: &mut Notes) {
    const NAME: &str = "witness";
    let Some(config) = &subject.witness else {
        return notes.skip(NAME, "no second gateway is set: what the one says is believed");
    };
    if config.endpoint == subject.chain.endpoint {
        let found = "the second gateway is the first";
        return notes.fail(NAME, found, "set `witness` to another operator's, or leave it out");
    }
    let answer = match ChainClient::new(brisk(config)) {
        Ok(client) => client.masterchain_info().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(other) if other.seqno.abs_diff(tip.seqno) > config.max_lag_blocks => {
            let found = format!("the gateways are at blocks {} and {}", tip.seqno, other.seqno);
            notes.fail(NAME, found, "they do not follow the same chain: replace one of them");
        }
        Ok(other) => notes.pass(NAME, format!("the second gateway is at block {}", other.seqno)),
        Err(error) => notes.fail(NAME, error.to_string(), "correct `witness`, or leave it out"),
    }
}
