//! Two of three verifiers, each a process with a keystore and a journal of its own, and a node that
//! has none of their keys.

use std::path::Path;

use fog_harness::{
    Behaviour, LocalChain, LocalNetwork, NetworkOptions, Timing, VerifierConduct, VerifierProcess,
    VerifierSpec, Verifiers, WorkerProcess, WorkerSpec,
};
use fog_protocol::{Durations, Hash32, Nano, RATE_ONE, ResourceLimits, TaskStatus, api::TaskView};
use fog_requestor::{Draft, DraftPolicy, DraftProgram, NodeClient, Openings, Prepared, Requestor};
use fog_wallet::UnlockedWallet;

use crate::fog::{file, fog, json, program, run};

const SEED: u64 = 77;

pub(crate) fn options(data: &Path) -> NetworkOptions {
    NetworkOptions {
        data: data.to_owned(),
        seed: SEED,
        workers: 2,
        node: "127.0.0.1:0".parse().unwrap(),
        chain: "127.0.0.1:0".parse().unwrap(),
        timing: Timing::DEMO,
        program: program(),
        probation: 3,
        verifiers: Verifiers::Apart(3),
        pledge: Nano::ZERO,
        jettons: Vec::new(),
        claim_from: fog_harness::CLAIM_FROM,
    }
}

/// Who posts, with the wallet that the network's chain funded for it.
pub(crate) fn requestor(node: &NodeClient, local: &LocalChain) -> Requestor {
    let wallet = &local.accounts.requestor.wallet;
    Requestor {
        node: node.clone(),
        chain: local.client.clone(),
        wallet: UnlockedWallet { wallet: wallet.wallet.clone(), key: wallet.key.clone() },
        openings: Openings::in_memory(),
    }
}

pub(crate) async fn worker(
    network: &LocalNetwork,
    data: &Path,
    index: usize,
    conduct: Behaviour,
) -> WorkerProcess {
    let spec = WorkerSpec {
        index,
        stake: Nano::grams(50),
        conduct,
        min_price: None,
        slots: 4,
        program: program(),
        data: data.to_owned(),
        seed: SEED,
    };
    WorkerProcess::start(&network.local, network.api.url(), &spec).await.unwrap()
}

pub(crate) async fn post(requestor: &Requestor, salt: u8, rate_ppm: u32) -> Prepared {
    let draft = Draft {
        rail: fog_protocol::Rail::Escrow,
        program: DraftProgram::Wasi(std::fs::read(file("cli/guests/wordcount.wasm")).unwrap()),
        input: format!("to be or not to be, said number {salt}").into_bytes(),
        limits: ResourceLimits::default(),
        price: Nano::new(50_000_000),
        policy: DraftPolicy::Replay(rate_ppm),
        durations: Durations { bid: 300, commit: 300, verdict: 300, window: 1 },
        salt: Hash32([salt; 32]),
    };
    let prepared = requestor.post(draft).await.unwrap();
    requestor.fund(std::slice::from_ref(&prepared)).await.unwrap();
    prepared
}

pub(crate) async fn to_end(requestor: &Requestor, task: &Prepared) -> TaskView {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
    let mut opened = false;
    loop {
        let view = requestor.node.task(&task.task).await.unwrap();
        if view.status.is_terminal() {
            return view;
        }
        if view.commitment.is_some() && view.status < TaskStatus::Accepted && !opened {
            opened = requestor.open_nonce(&view).await.is_ok();
        }
        assert!(std::time::Instant::now() < end, "{view:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn ended_as(requestor: &Requestor, salt: u8, status: TaskStatus) -> TaskView {
    let task = post(requestor, salt, RATE_ONE).await;
    let view = to_end(requestor, &task).await;
    assert_eq!(view.status, status, "{view:#?}");
    view
}

/// What the task's receipt says of who signed: their places, and the market's keys at those.
async fn signed_by(network: &LocalNetwork, home: &Path, view: &TaskView) -> Vec<usize> {
    let (node, chain) = (network.api.url().to_owned(), network.local.endpoint());
    let (home, id) = (home.to_owned(), view.id.to_string());
    let ask = move || {
        let args = ["task", "receipt", &id, "--json", "--node", &node];
        json(&run(fog(&home).env("FOG_CHAIN", chain).args(args)))
    };
    let receipt = tokio::task::spawn_blocking(ask).await.unwrap();
    let signed = &receipt["signed_by"];
    assert_eq!(
        (&signed["of"], &signed["judgement"]),
        (&3.into(), &"verdict".into()),
        "{receipt:#}"
    );
    let market = Verifiers::Apart(3).keys(SEED);
    let signers = signed["keys"].as_array().unwrap().iter();
    let places = signers.map(|signer| {
        let place = usize::try_from(signer["verifier"].as_u64().unwrap()).unwrap();
        assert_eq!(signer["key"], market[place].to_string(), "{receipt:#}");
        place
    });
    places.collect()
}

/// The verifier's process again, behaving otherwise.
async fn again(
    network: &LocalNetwork,
    spec: VerifierSpec,
    conduct: VerifierConduct,
) -> VerifierProcess {
    VerifierProcess::start(&network.local, VerifierSpec { conduct, ..spec }).await.unwrap()
}

#[test]
fn one_dead_or_lying_verifier_process_of_three_changes_nothing() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let mut network = LocalNetwork::start(&options(dir.path())).await.unwrap();
        let requestor = requestor(&network.api, &network.local);
        let honest = worker(&network, dir.path(), 0, Behaviour::Honest).await;
        ended_as(&requestor, 1, TaskStatus::Paid).await;
        // One is killed; it comes back with its journal, and lies.
        let spec = network.verifiers.remove(0).kill().await.unwrap();
        let without = ended_as(&requestor, 2, TaskStatus::Paid).await;
        let lying = again(&network, spec, VerifierConduct::Lying).await;
        let against = ended_as(&requestor, 3, TaskStatus::Paid).await;
        // Receipts name the two that judged, and not the one that did not.
        for view in [&without, &against] {
            assert_eq!(signed_by(&network, dir.path(), view).await, [1, 2]);
        }
        honest.stop().await;
        let cheat = worker(&network, dir.path(), 1, Behaviour::WrongResults).await;
        ended_as(&requestor, 4, TaskStatus::Slashed).await;
        cheat.stop().await;
        // What people see of it.
        let listed = run(fog(dir.path())
            .args(["--json", "--node", network.api.url()])
            .args(["verifier", "ls"]));
        let listed = json(&listed);
        assert_eq!(listed["threshold"], 2);
        let verifiers = listed["verifiers"].as_array().unwrap();
        assert_eq!(verifiers.len(), 3);
        assert!(verifiers.iter().all(|view| view["counted"] == true), "{listed}");
        assert!(verifiers[0]["contrary"].as_u64().unwrap() > 0, "{listed}");
        assert!(verifiers[1]["signed"].as_u64().unwrap() >= 4, "{listed}");
        // Two verifiers on one journal would be two memories.
        let listen = fog_harness::free_address(1).unwrap();
        let twice = VerifierSpec { listen, ..lying.spec().clone() };
        assert!(VerifierProcess::start(&network.local, twice).await.is_err());
        drop(lying);
        network.shutdown().await;
    });
}

#[test]
fn a_verifier_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let refused = run(fog(dir.path()).env("FOG_PASSWORD", "long enough").args(["verifier", "up"]));
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--node-key"), "{said}");
    let key = |home| {
        json(&run(fog(home).env("FOG_PASSWORD", "long enough").args(["--json", "verifier", "key"])))
    };
    let first = key(dir.path());
    assert_eq!(first["key"].as_str().unwrap().len(), 64);
    assert_eq!(key(dir.path()), first, "made once");
}
