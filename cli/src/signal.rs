//! Being asked to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for Ctrl-C and SIGTERM from the moment it is made: make it before telling anybody that
/// the program is up.
#[derive(Debug)]
pub(crate) struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    pub(crate) fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when one of them comes.
    pub(crate) async fn come(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Returns when Ctrl-C or SIGTERM comes.
pub(crate) async fn ended() -> std::io::Result<()> {
    Ending::listen()?.come().await;
    Ok(())
}
