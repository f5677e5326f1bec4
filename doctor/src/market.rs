//! The market: is it there, of which code, with which rules.

use fog_contracts::{
    market::{Config, MarketData},
    market_code,
};
use fog_protocol::Address;

use crate::{Market, chain::Chain, report::Notes};

/// Largest fee the contract takes, in basis points.
const MAX_FEE_BPS: u16 = 1_000;
/// Most verifiers a market has.
const MAX_VERIFIERS: usize = 16;

pub(crate) async fn examine(
    chain: Option<&Chain>,
    address: Option<Address>,
    notes: &mut Notes,
) -> Option<Market> {
    const NAME: &str = "market";
    let (chain, address) = match (chain, address) {
        (Some(chain), Some(address)) => (chain, address),
        (None, _) => {
            skip(notes, "the chain cannot be read");
            return None;
        }
        (Some(_), None) => {
            skip(notes, "no market is set, and no node tells one: give --market ADDRESS");
            return None;
        }
    };
    let account = match chain.client.account(&address).await {
        Ok(account) => account,
        Err(error) => {
            notes.fail(NAME, error.to_string(), "try again; if it stays, use another gateway");
            notes.skip("market_rules", "the market cannot be read");
            return None;
        }
    };
    let (Some(hash), Some(data)) = (account.code_hash(), &account.data) else {
        let found = format!("{address} is no deployed contract ({:?})", account.state);
        notes.fail(NAME, found, "correct `market`: is it an address of this network?");
        notes.skip("market_rules", "there is no market");
        return None;
    };
    let ours = market_code().hash;
    if hash != ours {
        let found = format!("{address} has code {hash}, this program's market is {ours}");
        let cure = "it is another contract, or a market of another version: correct `market`, or \
                    use the version of `fog` it was deployed with";
        notes.fail(NAME, found, cure);
        notes.skip("market_rules", "the market's code is not this program's");
        return None;
    }
    notes.pass(NAME, format!("{address} is active, with this program's code {hash}"));
    rules(address, data, notes)
}

fn skip(notes: &mut Notes, why: &str) {
    notes.skip("market", why);
    notes.skip("market_rules", why);
}

fn rules(address: Address, data: &tycho_types::cell::Cell, notes: &mut Notes) -> Option<Market> {
    const NAME: &str = "market_rules";
    let data = match MarketData::parse(data) {
        Ok(data) => data,
        Err(error) => {
            notes.fail(NAME, error.to_string(), "its data are not a market's: correct `market`");
            return None;
        }
    };
    let Some(config) = data.config else {
        notes.fail(NAME, "the market was never set up", "its owner has to send `Setup`");
        return None;
    };
    let wrong = contradictions(&config);
    if !wrong.is_empty() {
        notes.fail(NAME, wrong.join("; "), "stake and pay nothing there: tell its owner");
        return None;
    }
    let found = format!(
        "{} of {} verifiers, fee {}.{:02} %",
        config.threshold,
        config.verifiers.len(),
        config.fee_bps / 100,
        config.fee_bps % 100
    );
    if data.paused {
        let cure = "new tasks are refused until its owner resumes it; running ones end normally";
        notes.warn(NAME, format!("{found}; paused"), cure);
    } else if let Some((at, _)) = data.proposal {
        let cure = "look at the change before it applies; running tasks keep their rules";
        notes.warn(NAME, format!("{found}; a change may be applied from {at} on"), cure);
    } else {
        notes.pass(NAME, found);
    }
    Some(Market { address, config })
}

/// What makes no sense in a market's configuration.
fn contradictions(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    let verifiers = config.verifiers.len();
    if !config.is_of_this_code() {
        wrong.push("it registers task or stake contracts of another version".to_owned());
    }
    if config.threshold == 0 || usize::from(config.threshold) > verifiers {
        wrong.push(format!("{} of {verifiers} verifiers must sign", config.threshold));
    }
    if verifiers > MAX_VERIFIERS {
        wrong.push(format!("{verifiers} verifiers are more than {MAX_VERIFIERS}"));
    }
    let mut keys = config.verifiers.clone();
    keys.sort_unstable_by_key(|key| key.0.0);
    keys.dedup();
    if keys.len() != verifiers {
        wrong.push("a verifier is listed twice, and counts twice".to_owned());
    }
    if config.fee_bps > MAX_FEE_BPS {
        wrong.push(format!("a fee of {} basis points", config.fee_bps));
    }
    if config.min_step > config.max_step {
        wrong.push("its shortest time is longer than its longest".to_owned());
    }
    wrong
}
