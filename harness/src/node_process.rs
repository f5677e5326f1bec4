//! A node as a process of its own, with encrypted keys, so that it can be killed.

use std::{
    fs::OpenOptions,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use fog_requestor::NodeClient;
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};
use tokio::process::Child;

use crate::{LocalChain, NetworkError, Verifiers, room::refusable, verifier_key};

/// How long a node may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

fn setup(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Setup(error.to_string())
}

/// A node to start.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// The `fog` program.
    pub program: PathBuf,
    /// Folder for its keys, configuration, database and log.
    pub data: PathBuf,
    /// The network's seed.
    pub seed: u64,
    /// The chain's toncenter v2 endpoint, as this node reaches it.
    pub chain: String,
    /// Where it listens; the same after every restart.
    pub listen: SocketAddr,
    /// Who signs verdicts: its own key, or others.
    pub verifiers: Verifiers,
    /// Its configuration, TOML.
    pub config: String,
}

/// A node that runs; dropped, it is killed.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    url: String,
}

impl NodeSpec {
    /// Where its database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data.join("node").join("fog.db")
    }

    fn password(&self) -> String {
        // LOCAL ONLY: the keys follow from the seed anyway.
        format!("local only {}", self.seed)
    }

    fn write_keys(&self, local: &LocalChain) -> Result<(), NetworkError> {
        let folder = self.data.join("keys");
        if folder.exists() {
            return Ok(());
        }
        let keystore = Keystore::open(folder).map_err(setup)?.with_kdf(KdfParams::MIN);
        let password = Password::new(self.password());
        let words = &local.accounts.operator.mnemonic;
        let version = WalletVersion::V5R1;
        keystore.import_mnemonic("operator", &password, words, version, TESTNET).map_err(setup)?;
        if self.verifiers != Verifiers::InNode {
            return Ok(());
        }
        let verifier = verifier_key(self.seed).seed();
        keystore
            .put_secret("verifier", SecretKind::VerifierKey, verifier.as_ref(), &password)
            .map_err(setup)?;
        Ok(())
    }

    /// Starts the node on the files it has, and waits until it answers.
    ///
    /// # Errors
    /// [`NetworkError`] if it does not answer within two minutes.
    pub async fn start(
        &self,
        local: &LocalChain,
    ) -> Result<(NodeProcess, NodeClient), NetworkError> {
        std::fs::create_dir_all(&self.data).map_err(setup)?;
        self.write_keys(local)?;
        let config = self.data.join("node.toml");
        std::fs::write(&config, &self.config).map_err(setup)?;
        let mut process = self.spawn(local, &config)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match NodeClient::connect(&process.url).await {
                Ok(api) => return Ok((process, api)),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => {}
            }
            if let Some(status) = process.ended()? {
                return Err(setup(format!("the node ended at its start: {status}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn spawn(&self, local: &LocalChain, config: &Path) -> Result<NodeProcess, NetworkError> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data.join("node.log"))
            .map_err(setup)?;
        let child = refusable(&self.program)
            .args(["node", "--wallet", "operator", "--chain", &self.chain])
            .args(["--market", &local.market.to_string()])
            .args(["--listen", &self.listen.to_string()])
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(self.data.join("node"))
            .arg("--keys")
            .arg(self.data.join("keys"))
            .env("FOG_PASSWORD", self.password())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(setup)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(setup)?;
        Ok(NodeProcess { child, url: format!("http://{}", self.listen) })
    }
}

impl NodeProcess {
    /// Base address of its API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Did it end by itself? Then with this status.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, NetworkError> {
        self.child.try_wait().map_err(setup)
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the system cannot.
    pub async fn kill(mut self) -> Result<(), NetworkError> {
        self.child.kill().await.map_err(setup)
    }

    /// Asks it to stop and waits; it is killed if it takes longer than thirty seconds.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if it did not stop in time, or failed.
    pub async fn stop(mut self) -> Result<(), NetworkError> {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let waiting = tokio::time::timeout(Duration::from_secs(30), self.child.wait());
        match waiting.await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(setup(format!("the node failed while stopping: {status}"))),
            Ok(Err(error)) => Err(setup(error)),
            Err(_) => {
                self.child.kill().await.map_err(setup)?;
                Err(setup("the node did not stop within thirty seconds"))
            }
        }
    }
}
