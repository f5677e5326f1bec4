//! Was the database put back from an older copy? Then epochs that it does not know of may have been
//! told already, with their seeds, and the same seeds would decide again: they follow from an epoch's
//! number. What the wallet told the chain of epochs since the copy was made shows it.

use fog_chain::Tx;
use fog_contracts::anchor::{self, Anchor};
use fog_protocol::{Address, Hash32};

use crate::{NodeError, chain_port::ChainPort, epoch::Epochs, store::Store};

/// Transactions read at once, and pages at most.
const PAGE: usize = 100;
const MAX_PAGES: usize = 2_500;

/// Refuses to go on with a chain of epochs of which the chain was told more than the database knows.
pub(crate) async fn check(
    chain: &ChainPort,
    store: &Store,
    (node, operator): (Hash32, Address),
    epochs: Epochs,
) -> Result<(), NodeError> {
    let unshut = store.unshut_epochs().await?.first().map(|epoch| epoch.number);
    let Some(unshut) = unshut.filter(|_| epochs != Epochs::Anew) else { return Ok(()) };
    let known = store.cursor(&operator).await?.map(|cursor| cursor.lt);
    let mut from = None;
    for _ in 0..MAX_PAGES {
        let page = chain.client().transactions(&operator, from, PAGE, known).await;
        let page = page.map_err(|error| NodeError::Chain(error.to_string()))?;
        let told = page.iter().flat_map(|tx| told(tx, &node)).max();
        if let Some(told) = told.filter(|told| *told >= unshut) {
            return Err(refused(told, unshut));
        }
        from =
            page.last().and_then(|tx| tx.prev).filter(|prev| known.is_none_or(|lt| prev.lt > lt));
        if from.is_none() {
            return Ok(());
        }
    }
    Err(NodeError::Chain(
        "the wallet's history since this database was written is too long to tell whether it is a copy: \
         start once with `fog node --new-epochs`"
            .to_owned(),
    ))
}

/// Numbers of the epochs that a transaction of the node's wallet told of.
fn told(tx: &Tx, node: &Hash32) -> impl Iterator<Item = u64> {
    tx.out_msgs.iter().filter_map(|message| {
        let number = Anchor::parse(&message.body).ok()?.number;
        (message.dest == Some(anchor::address(node, number))).then_some(number)
    })
}

fn refused(told: u64, unshut: u64) -> NodeError {
    NodeError::Config(format!(
        "the chain was told that epoch {told} is over, and this database has not come to the end of \
         epoch {unshut}: it was put back from an older copy. Audit seeds that were told since would \
         decide again; start once with `fog node --new-epochs`, which begins a new chain of epochs"
    ))
}
