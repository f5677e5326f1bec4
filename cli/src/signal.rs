//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when Ctrl-C or SIGTERM comes.
pub(crate) async fn ended() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
