//! Examines what somebody has set up, step by step, and names cause and cure. Changes nothing,
//! sends nothing, signs nothing.
//!
//! ```text
//! gateway -> network -> rate limit -> clock -> confirmations -> second gateway
//!         -> market -> wallet -> node -> verifier's key -> stake
//! ```
//! What stands on a step that failed is skipped.

mod bond;
mod chain;
mod keys;
mod market;
mod node;
mod report;

use std::path::PathBuf;

use fog_chain::ChainConfig;
use fog_contracts::market::Config;
use fog_protocol::{Address, Nano};
use fog_wallet::Password;

pub use report::{Check, Report, Status};

use report::Notes;

/// What is examined.
#[derive(Debug)]
pub struct Subject {
    /// The gateway.
    pub chain: ChainConfig,
    /// A second gateway.
    pub witness: Option<ChainConfig>,
    /// Folder of the keys.
    pub keys: PathBuf,
    /// The wallet's name; `None`: the only one there is.
    pub wallet: Option<String>,
    /// The keys' password; `None`: what needs it is skipped.
    pub password: Option<Password>,
    /// The market; `None`: the node's.
    pub market: Option<Address>,
    /// The node's URL; `None`: there is none.
    pub node: Option<String>,
    /// Files with settings, which may hold API keys.
    pub settings: Vec<PathBuf>,
    /// Name of the verifier's key; for operators.
    pub verifier: Option<String>,
    /// Whether the wallet is a worker's.
    pub stake: StakeCheck,
    /// For how many tasks the wallet should last.
    pub tasks: u32,
    /// The price of each, in nanogram.
    pub price: Nano,
    /// This machine's clock, unix seconds.
    pub now: u64,
}

/// Whether the wallet's stake is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StakeCheck {
    /// It is a worker's wallet: there must be one.
    Required,
    /// There may be none.
    Optional,
}

/// A market that passed.
pub(crate) struct Market {
    pub(crate) address: Address,
    pub(crate) config: Config,
}

/// Takes all steps.
pub async fn examine(subject: &Subject) -> Report {
    let mut notes = Notes::default();
    let chain = chain::examine(subject, &mut notes).await;
    let node = node::examine(subject, &mut notes).await;
    let address = subject.market.or_else(|| node.as_ref().map(|info| info.market));
    let market = market::examine(chain.as_ref(), address, &mut notes).await;
    if let (Some(info), Some(market)) = (&node, &market) {
        node::compare(info, market, &mut notes);
    }
    keys::files(subject, chain.as_ref(), &mut notes);
    let wallet = keys::wallet(subject, chain.as_ref(), &mut notes).await;
    keys::verifier(subject, chain.as_ref(), market.as_ref(), &mut notes);
    bond::examine(subject, chain.as_ref(), market.as_ref(), node.as_ref(), wallet, &mut notes)
        .await;
    keys::stake(subject, chain.as_ref(), market.as_ref(), wallet, &mut notes).await;
    notes.report()
}
