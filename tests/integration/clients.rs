//! Other people's clients against the built `fog`: what `fog testnet up` and `fog dev` serve is
//! what `testnet/tests/clients` proves in depth.

#[path = "../../testnet/tests/clients/tools.rs"]
pub(crate) mod tools;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::fog::fog;

/// A server that ends with the test.
struct Server {
    process: Child,
    banner: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has seen by then.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Server {
    fn start(home: &Path, args: &[&str]) -> Self {
        let mut command: Command = fog(home);
        command.args(args).args(["--json", "--listen", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = process.stdout.take().unwrap();
        let mut documents = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
        let banner = documents.next().unwrap().unwrap();
        Self { process, banner }
    }

    /// Where the chain listens, without a path.
    fn chain(&self) -> String {
        let named = self.banner["chain"].as_str().or(self.banner["url"].as_str());
        let url = reqwest::Url::parse(named.unwrap()).unwrap();
        format!("http://{}:{}", url.host_str().unwrap(), url.port().unwrap())
    }
}

async fn used(url: &str) {
    tools::node(url, "ton-client.mjs").await;
    tools::python(url, "tonutils_wallets.py").await;
    tools::python(url, "toncenter_models.py").await;
}

#[tokio::test]
async fn clients_use_what_testnet_up_serves() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &["testnet", "up"]);
    used(&server.chain()).await;
    tools::node(&server.chain(), "ton-client-methods.mjs").await;
    tools::node_with_blueprint(&server.chain(), "blueprint.mjs").await;
    tools::python(&server.chain(), "toncenter_streaming.py").await;
}

#[tokio::test]
async fn clients_use_what_dev_serves() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(home.path(), &["dev", "--data", data.to_str().unwrap()]);
    used(&server.chain()).await;
    tools::python(&server.chain(), "toncenter_v3.py").await;
}
