//! The node: does it answer, and is it of this market.

use fog_protocol::api::NodeInfo;
use fog_requestor::NodeClient;

use crate::{Market, Subject, report::Notes};

const NAME: &str = "node";

pub(crate) async fn examine(subject: &Subject, notes: &mut Notes) -> Option<NodeInfo> {
    let Some(url) = &subject.node else {
        notes.skip(NAME, "no node is asked");
        return None;
    };
    match NodeClient::connect(url).await {
        Ok(client) => {
            let info = client.info().clone();
            if info.network != subject.chain.network_id {
                let found = format!(
                    "the node is of network {}, the chain endpoint of {}",
                    info.network, subject.chain.network_id
                );
                notes.fail(NAME, found, "point `node` and `chain` at the same network");
                return None;
            }
            let version = &info.version;
            notes.pass(NAME, format!("{url} answers, version {version}, id {}", info.node));
            Some(info)
        }
        Err(error) => {
            let cure = "start it (`fog node`, or `fog dev` for a network of your own), or correct \
                        `node` in fog.toml or FOG_NODE";
            notes.fail(NAME, error.to_string(), cure);
            None
        }
    }
}

/// What the node says of the market, against the market itself.
pub(crate) fn compare(info: &NodeInfo, market: &Market, notes: &mut Notes) {
    const NAME: &str = "node_market";
    let config = &market.config;
    let wrong = if info.market != market.address {
        format!("the node works in {}, not in {}", info.market, market.address)
    } else if info.fee_bps != config.fee_bps
        || info.threshold != config.threshold
        || info.verifiers != config.verifiers
    {
        "what the node says of fee and verifiers is not what the market says".to_owned()
    } else {
        return notes.pass(NAME, "the node works in this market, by its rules");
    };
    notes.fail(NAME, wrong, "restart the node; if it stays, do not use it");
}
