//! Verifiers as separate processes, each with a keystore and a journal of its own.

use std::{
    fs::OpenOptions,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use fog_node::VerifierConfig;
use fog_protocol::PublicKey;
use fog_wallet::{KdfParams, Keystore, Password, SecretKind};
use tokio::{net::TcpStream, process::Child};

use crate::{LocalChain, NetworkError, NetworkOptions, Verifiers, apart_key, process::process};

/// How long a verifier may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

fn setup(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Setup(error.to_string())
}

/// How a verifier of the harness behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifierConduct {
    /// It recomputes everything.
    Honest,
    /// It signs what workers say.
    Lazy,
    /// It signs the opposite of what is so.
    Lying,
}

/// A verifier to start.
#[derive(Debug, Clone)]
pub struct VerifierSpec {
    /// Which of the market's, from 0.
    pub index: u8,
    /// How it behaves.
    pub conduct: VerifierConduct,
    /// The `fog` program.
    pub program: PathBuf,
    /// Folder of the network: its own is in there.
    pub data: PathBuf,
    /// The network's seed.
    pub seed: u64,
    /// Where it listens; the same after a restart.
    pub listen: SocketAddr,
}

/// A verifier that runs; dropped, it is killed.
#[derive(Debug)]
pub struct VerifierProcess {
    child: Child,
    spec: VerifierSpec,
}

impl VerifierProcess {
    /// Starts all that the options name, honest ones.
    pub(crate) async fn start_all(
        options: &NetworkOptions,
        local: &LocalChain,
    ) -> Result<Vec<Self>, NetworkError> {
        let Verifiers::Apart(count) = options.verifiers else { return Ok(Vec::new()) };
        let mut running = Vec::new();
        for index in 0..count {
            let spec = VerifierSpec {
                index,
                conduct: VerifierConduct::Honest,
                program: options.program.clone(),
                data: options.data.clone(),
                seed: options.seed,
                listen: crate::free_address(1).map_err(setup)?,
            };
            running.push(Self::start(local, spec).await?);
        }
        Ok(running)
    }

    /// Starts one on the files it has, and waits until it listens.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if it does not within a minute.
    pub async fn start(local: &LocalChain, spec: VerifierSpec) -> Result<Self, NetworkError> {
        let folder = spec.data.join(format!("verifier-{}", spec.index));
        std::fs::create_dir_all(&folder).map_err(setup)?;
        // LOCAL ONLY: the keys follow from the seed anyway.
        let password = format!("local only {}", spec.seed);
        let keys = folder.join("keys");
        if !keys.exists() {
            let keystore = Keystore::open(&keys).map_err(setup)?.with_kdf(KdfParams::MIN);
            let secret = apart_key(spec.seed, spec.index).seed();
            let password = Password::new(password.clone());
            keystore
                .put_secret("verifier", SecretKind::VerifierKey, secret.as_ref(), &password)
                .map_err(setup)?;
        }
        let log = OpenOptions::new().create(true).append(true).open(folder.join("log"));
        let log = log.map_err(setup)?;
        let conduct = match spec.conduct {
            VerifierConduct::Honest => "honest",
            VerifierConduct::Lazy => "lazy",
            VerifierConduct::Lying => "lying",
        };
        let child = process(&spec.program)
            .args(["-v", "verifier", "up", "--tied", "--conduct", conduct])
            .args(["--chain", &local.endpoint()])
            .args(["--market", &local.market.to_string()])
            .args(["--listen", &spec.listen.to_string()])
            .args(["--node-key", &local.accounts.operator.wallet.key.public().to_string()])
            .arg("--keys")
            .arg(&keys)
            .arg("--data")
            .arg(folder.join("data"))
            .env("FOG_PASSWORD", &password)
            // Held open as long as this process lives; its end is the verifier's.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(setup)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(setup)?;
        let mut process = Self { child, spec };
        process.wait_until_up().await?;
        Ok(process)
    }

    async fn wait_until_up(&mut self) -> Result<(), NetworkError> {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.spec.listen).await.is_err() {
            if let Some(status) = self.child.try_wait().map_err(setup)? {
                return Err(setup(format!("a verifier ended at its start: {status}")));
            }
            if Instant::now() > end {
                return Err(setup("a verifier does not listen"));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// How a node is told of it.
    #[must_use]
    pub fn config(&self) -> VerifierConfig {
        VerifierConfig { url: format!("http://{}", self.spec.listen), key: self.key() }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        apart_key(self.spec.seed, self.spec.index).public()
    }

    /// What it was started with.
    #[must_use]
    pub const fn spec(&self) -> &VerifierSpec {
        &self.spec
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the system cannot.
    pub async fn kill(mut self) -> Result<VerifierSpec, NetworkError> {
        self.child.kill().await.map_err(setup)?;
        Ok(self.spec)
    }
}
