//! Workers as separate processes, with encrypted keys of their own.

use std::{fs::File, path::PathBuf, process::Stdio};

use fog_protocol::Nano;
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};
use fog_worker::Behaviour;
use tokio::process::Child;

use crate::{
    LocalChain, NetworkError,
    accounts::{LocalAccount, local_key},
    room::refusable,
};

/// A worker to start.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// Which of the network's worker accounts, from 0.
    pub index: usize,
    /// What it puts at stake.
    pub stake: Nano,
    /// How it behaves.
    pub conduct: Behaviour,
    /// Least price of a task; `None`: as every worker.
    pub min_price: Option<Nano>,
    /// Most tasks it holds at once.
    pub slots: u16,
    /// The `fog` program.
    pub program: PathBuf,
    /// Folder for its keys, journal and log.
    pub data: PathBuf,
    /// The network's seed.
    pub seed: u64,
}

/// A worker that runs; dropped, it is killed.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
}

fn setup(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Setup(error.to_string())
}

impl WorkerProcess {
    /// Puts up the stake and starts the process: it knows two URLs and its own keys.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub async fn start(
        network: &LocalChain,
        node: &str,
        spec: &WorkerSpec,
    ) -> Result<Self, NetworkError> {
        let account = Self::account(network, spec)?;
        let session = session_key(spec.seed, &account.role);
        fog_worker::staking::stake(
            &network.client,
            &account.wallet,
            network.market,
            spec.stake,
            &session.public(),
        )
        .await
        .map_err(setup)?;
        Self::resume(network, node, spec)
    }

    fn account<'a>(
        network: &'a LocalChain,
        spec: &WorkerSpec,
    ) -> Result<&'a LocalAccount, NetworkError> {
        let account = network.accounts.workers.get(spec.index);
        account.ok_or_else(|| setup(format!("there is no worker account {}", spec.index)))
    }

    /// Starts the process of a worker that has staked already: with its journal, if it has one.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn resume(
        network: &LocalChain,
        node: &str,
        spec: &WorkerSpec,
    ) -> Result<Self, NetworkError> {
        Self::resume_at(network, node, &network.endpoint(), spec)
    }

    /// The same, reaching the chain at `endpoint`.
    pub(crate) fn resume_at(
        network: &LocalChain,
        node: &str,
        endpoint: &str,
        spec: &WorkerSpec,
    ) -> Result<Self, NetworkError> {
        let account = Self::account(network, spec)?;
        let session = session_key(spec.seed, &account.role);
        let folder = spec.data.join(&account.role);
        std::fs::create_dir_all(&folder).map_err(setup)?;
        let password = random_password()?;
        write_keys(&folder, account, &session, &password)?;
        let log = File::create(folder.join("log")).map_err(setup)?;
        let mut command = refusable(&spec.program);
        command
            .args(["worker", "up", "--wallet", &account.role])
            .args(["--node", node, "--chain", endpoint])
            .arg("--keys")
            .arg(folder.join("keys"))
            .arg("--data")
            .arg(folder.join("journal"))
            .args(["--slots", &spec.slots.to_string()])
            .args(["--adversary", &spec.conduct.to_string()])
            .env("FOG_PASSWORD", &password)
            // Held open as long as this process lives; its end is the worker's.
            .arg("--tied")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(setup)?)
            .stderr(log)
            .kill_on_drop(true);
        if let Some(price) = spec.min_price {
            command.args(["--min-price", &price.to_string()]);
        }
        Ok(Self { child: command.spawn().map_err(setup)? })
    }

    /// Did it end by itself? Then with this status.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the system cannot say.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, NetworkError> {
        self.child.try_wait().map_err(setup)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// [`NetworkError::Setup`] if the system cannot.
    pub async fn kill(mut self) -> Result<(), NetworkError> {
        self.child.kill().await.map_err(setup)
    }

    /// Asks it to stop, and kills it if it does not within five seconds.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let patience = std::time::Duration::from_secs(5);
        if tokio::time::timeout(patience, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

pub(crate) fn session_key(seed: u64, role: &str) -> fog_protocol::SecretKey {
    local_key(seed, &format!("{role}/session"))
}

fn random_password() -> Result<String, NetworkError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(setup)?;
    Ok(hex::encode(bytes))
}

fn write_keys(
    folder: &std::path::Path,
    account: &LocalAccount,
    session: &fog_protocol::SecretKey,
    password: &str,
) -> Result<(), NetworkError> {
    let directory = folder.join("keys");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(setup)?;
    }
    // The keys are known to everybody who knows the seed: a cheap derivation will do.
    let keystore = Keystore::open(directory).map_err(setup)?.with_kdf(KdfParams::MIN);
    let password = Password::new(password.to_owned());
    let (role, words) = (account.role.as_str(), &account.mnemonic);
    keystore
        .import_mnemonic(role, &password, words, WalletVersion::V5R1, TESTNET)
        .map_err(setup)?;
    let name = format!("{role}-session");
    keystore
        .put_secret(&name, SecretKind::SessionKey, session.seed().as_ref(), &password)
        .map_err(setup)?;
    Ok(())
}
