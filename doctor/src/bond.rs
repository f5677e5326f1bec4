//! The bond of the node that is asked, or of one's own.

use fog_contracts::operator::OperatorData;
use fog_protocol::{Address, Nano, api::NodeInfo};

use crate::{Market, Subject, chain::Chain, report::Notes};

const NAME: &str = "bond";

pub(crate) async fn examine(
    subject: &Subject,
    chain: Option<&Chain>,
    market: Option<&Market>,
    node: Option<&NodeInfo>,
    wallet: Option<Address>,
    notes: &mut Notes,
) {
    // An operator asks about its own, everybody else about the node's.
    let ours = subject.verifier.is_some();
    let owner = if ours { wallet } else { node.map(|info| info.operator) };
    let (Some(chain), Some(market), Some(owner)) = (chain, market, owner) else {
        return notes.skip(NAME, "it takes a chain, a market, and a node or its wallet");
    };
    let cure = if ours { "`fog bond add AMOUNT`" } else { "use another node" };
    let address = match market.config.operator_of(market.address, owner).address() {
        Ok(address) => address,
        Err(error) => return notes.fail(NAME, error.to_string(), "report this as an error"),
    };
    let data = match chain.client.account(&address).await {
        Ok(account) => account.data,
        Err(error) => return notes.fail(NAME, error.to_string(), "try again"),
    };
    let Some(data) = data else {
        let found = format!("the node has no bond ({address}): it can assign nobody");
        return notes.fail(NAME, found, cure);
    };
    match OperatorData::parse(&data) {
        Ok(data) => {
            let found = format!("{} bonded, {} free", data.bond, data.free());
            if data.free() == Nano::ZERO {
                notes.warn(
                    NAME,
                    format!("{found}: nothing more is assigned until tasks end"),
                    cure,
                );
            } else {
                notes.pass(NAME, found);
            }
        }
        Err(error) => notes.fail(NAME, error.to_string(), "use the matching version of fog"),
    }
}
