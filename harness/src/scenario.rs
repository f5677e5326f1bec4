//! Scenarios: a file says who joins, who behaves how, what fails when and what must hold at the
//! end; this runs it on an embedded chain with the real node and real workers, and says what
//! happened and what held.
//!
//! [`format`] is the format, [`facts`] what is read off the chain and asked of the node at the end,
//! [`expect`] what it is held against. Time is the chain's own: it moves by `warp`, and by a second
//! at a time while everybody waits.

pub mod expect;
pub mod facts;
pub mod format;
mod parse;
mod proxy;
mod report;
mod run;
mod send;
mod shipped;
mod thrower;
mod values;
mod world;

pub use expect::{Finding, evaluate};
pub use facts::Facts;
pub use format::Scenario;
pub use parse::{FormatError, MAX_BYTES, parse};
pub use report::{Moment, ScenarioReport};
pub use run::{ScenarioOptions, Watch, run};
pub use shipped::{Shipped, shipped};
pub use values::{Amount, Share, Span};

use crate::NetworkError;

/// Why a scenario could not be run to its end. (What did not hold is in the report.)
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The node's start.
    #[error("the node does not start: {0}")]
    Node(#[from] fog_node::NodeError),
    /// The node ended by itself.
    #[error("the node ended by itself ({0})")]
    NodeDied(String),
    /// The node's answers.
    #[error(transparent)]
    Api(#[from] fog_requestor::NodeError),
    /// A payment.
    #[error(transparent)]
    Pay(#[from] fog_requestor::PayError),
    /// A task could not be posted.
    #[error(transparent)]
    Requestor(#[from] fog_requestor::RequestorError),
    /// The chain's client.
    #[error(transparent)]
    Client(#[from] fog_chain::ChainError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] fog_testnet::toncenter::ServerError),
    /// Reading the chain's history.
    #[error(transparent)]
    History(#[from] fog_testnet::chain::ChainError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] fog_contracts::ContractError),
    /// Cells of a message.
    #[error("a message cannot be built: {0}")]
    Cell(#[from] tycho_types::error::Error),
    /// A worker.
    #[error("a worker: {0}")]
    Worker(String),
    /// The node's key files.
    #[error("the node's files: {0}")]
    Keys(String),
    /// Files and processes.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A step that makes no sense where it stands.
    #[error("{0}")]
    Impossible(String),
    /// It took too long.
    #[error("waited in vain for {0}")]
    TooLong(String),
}

/// The JSON Schema of scenario files.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
