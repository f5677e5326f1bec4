//! Why a node does not start, or stops.

/// A node that can't start or had to stop. Nothing undecided is lost: what was acknowledged is in
/// the database.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration cannot work.
    #[error("the configuration is wrong: {0}")]
    Config(String),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database belongs to another node, network or market.
    #[error("this data directory belongs to another node: {0}")]
    OtherNode(String),
    /// The log does not give the state it gave when it was written.
    #[error("the event log is inconsistent at event {seq}: {reason}; restore a backup")]
    Log {
        /// The event.
        seq: i64,
        /// What does not fit.
        reason: String,
    },
    /// Files could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The chain could not be read when it had to be.
    #[error("the chain could not be read: {0}")]
    Chain(String),
    /// A key or signature operation failed.
    #[error("a key operation failed: {0}")]
    Key(#[from] fog_protocol::KeyError),
    /// A service ended that must not end.
    #[error("the {0} service stopped")]
    ServiceStopped(&'static str),
}

impl NodeError {
    /// Wraps an I/O error with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
