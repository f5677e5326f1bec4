//! The node of a scenario: in this process, or a process of its own where it is to be killed.

use std::{path::PathBuf, process::Stdio, time::Duration};

use fog_node::{Node, NodeConfig, NodeHandle, NodeKeys};
use fog_requestor::NodeClient;
use fog_wallet::{KdfParams, Keystore, Password, SecretKind, TESTNET, WalletVersion};
use tokio::process::Child;

use crate::{
    LocalChain, NetworkOptions,
    accounts::local_secret,
    network::{node_config, verifier_key},
    process::process,
    scenario::{ScenarioError, format::Rules},
};

/// How long a node may take to answer first.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(30);
/// Ports tried before it is given up: another program may take a free one first.
const PORTS: u32 = 5;
/// The keys are known to everybody who knows the seed.
const PASSWORD: &str = "LOCAL ONLY";

#[derive(Debug)]
enum Running {
    Inside(NodeHandle),
    Process(Child),
    Not,
}

/// The node.
#[derive(Debug)]
pub(crate) struct NodeHost {
    config: NodeConfig,
    keys: NodeKeys,
    program: PathBuf,
    folder: PathBuf,
    running: Running,
    process: Process,
    client: Option<NodeClient>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Own,
    This,
}

impl NodeHost {
    /// Starts the node for the first time.
    pub(crate) async fn start(
        options: &NetworkOptions,
        rules: &Rules,
        local: &LocalChain,
        endpoint: &str,
        killed: bool,
    ) -> Result<Self, ScenarioError> {
        let mut config = node_config(options, local.market, endpoint);
        config.nonce_grace_seconds = u64::from(rules.nonce_grace.0);
        config.bid_round_seconds = u64::from(rules.bid_round.0);
        config.funding_seconds = u64::from(rules.funding.0);
        config.chain.poll_millis = 40;
        config.chain.reconcile_seconds = 1;
        let keys = NodeKeys {
            operator: local.accounts.operator.wallet.key.clone(),
            verifiers: vec![verifier_key(options.seed)],
            epoch_seed: Some(local_secret(options.seed, "epoch")),
        };
        let mut host = Self {
            config,
            keys,
            program: options.program.clone(),
            folder: options.data.clone(),
            running: Running::Not,
            process: if killed { Process::Own } else { Process::This },
            client: None,
        };
        if killed {
            host.write_keys(local, options.seed)?;
        }
        let endpoint = endpoint.to_owned();
        for attempt in 1.. {
            if killed {
                host.config.listen = crate::free_address(1)?;
            }
            match host.resume(&endpoint).await {
                Err(ScenarioError::NodeDied(_)) if killed && attempt < PORTS => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        Ok(host)
    }

    /// A client of it; `None` while it does not run.
    pub(crate) const fn client(&self) -> Option<&NodeClient> {
        match self.running {
            Running::Not => None,
            Running::Inside(_) | Running::Process(_) => self.client.as_ref(),
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.config.listen)
    }

    /// Starts it on the files it left.
    pub(crate) async fn resume(&mut self, endpoint: &str) -> Result<(), ScenarioError> {
        if !matches!(self.running, Running::Not) {
            return Ok(());
        }
        self.config.chain.endpoint = endpoint.to_owned();
        match self.process {
            Process::This => {
                let handle = Node::start(self.config.clone(), self.keys.clone()).await?;
                self.config.listen = handle.addr();
                self.running = Running::Inside(handle);
            }
            Process::Own => self.running = Running::Process(self.spawn()?),
        }
        self.connect().await
    }

    async fn connect(&mut self) -> Result<(), ScenarioError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.check()?;
            match NodeClient::connect(&self.url()).await {
                Ok(client) => {
                    self.client = Some(client);
                    return Ok(());
                }
                Err(error) if tokio::time::Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Did it end by itself?
    pub(crate) fn check(&mut self) -> Result<(), ScenarioError> {
        let ended = match &mut self.running {
            Running::Not => None,
            Running::Inside(handle) => handle.is_stopped().then(|| "it stopped".to_owned()),
            Running::Process(child) => child.try_wait()?.map(|status| status.to_string()),
        };
        match ended {
            None => Ok(()),
            Some(how) => {
                self.running = Running::Not;
                Err(ScenarioError::NodeDied(how))
            }
        }
    }

    /// Kills it, as a power cut does.
    pub(crate) async fn kill(&mut self) -> Result<(), ScenarioError> {
        match std::mem::replace(&mut self.running, Running::Not) {
            Running::Process(mut child) => Ok(child.kill().await?),
            Running::Inside(handle) => {
                self.running = Running::Inside(handle);
                let message = "the node runs in this process and cannot be killed";
                Err(ScenarioError::Impossible(message.to_owned()))
            }
            Running::Not => Err(ScenarioError::Impossible("the node is not running".to_owned())),
        }
    }

    /// Stops it for good.
    pub(crate) async fn stop(&mut self) {
        match std::mem::replace(&mut self.running, Running::Not) {
            Running::Not => {}
            Running::Inside(handle) => {
                handle.shutdown();
                if let Err(error) = handle.join().await {
                    tracing::warn!(%error, "the node did not stop cleanly");
                }
            }
            Running::Process(mut child) => {
                if let Err(error) = child.kill().await {
                    tracing::warn!(%error, "the node could not be killed");
                }
            }
        }
    }

    fn write_keys(&self, local: &LocalChain, seed: u64) -> Result<(), ScenarioError> {
        let setup = |error: fog_wallet::KeystoreError| ScenarioError::Keys(error.to_string());
        let keystore =
            Keystore::open(self.folder.join("keys")).map_err(setup)?.with_kdf(KdfParams::MIN);
        let password = Password::new(PASSWORD.to_owned());
        let words = &local.accounts.operator.mnemonic;
        keystore
            .import_mnemonic("operator", &password, words, WalletVersion::V5R1, TESTNET)
            .map_err(setup)?;
        let verifier = verifier_key(seed).seed();
        keystore
            .put_secret("verifier", SecretKind::VerifierKey, verifier.as_ref(), &password)
            .map_err(setup)?;
        Ok(())
    }

    fn spawn(&self) -> Result<Child, ScenarioError> {
        let file = self.folder.join("node.toml");
        let text = toml::to_string(&self.config)
            .map_err(|error| ScenarioError::Keys(error.to_string()))?;
        std::fs::write(&file, text)?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("node.log"))?;
        let child = process(&self.program)
            .args(["node", "-v", "--wallet", "operator", "--chain", &self.config.chain.endpoint])
            .args(["--market", &self.config.market.to_string()])
            .args(["--listen", &self.config.listen.to_string()])
            .arg("--config")
            .arg(file)
            .arg("--data")
            .arg(&self.config.data_dir)
            .arg("--keys")
            .arg(self.folder.join("keys"))
            .env("FOG_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }
}
