//! What never happened, what is not so, and what is undone: a payment is told by none of it.

use std::time::Duration;

use fog_contracts::TaskState;
use fog_protocol::{Address, Hash32, Nano, TaskId, TaskStatus};
use serde_json::json;
use tokio::process::Child;
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, CellFamily as _, Store as _},
    num::Tokens,
};

use super::{paid_once, runtime, server::OracleOptions, stage::Stage, until};

/// A task nobody bids for.
struct Open {
    task: TaskId,
    escrow: Address,
    _post: Child,
}

impl Stage {
    async fn open_task(&self, salt: u32) -> Open {
        let post = self.post_command(salt, "0.000001").spawn().unwrap();
        let (task, _) = until("a task to open", async || {
            self.newest_task().await.filter(|(_, status)| *status == TaskStatus::Open)
        })
        .await;
        let escrow = self.node.task(&task).await.unwrap().escrow;
        // The node may have read the escrow before it heard of it: a lie on top of what is about to
        // be overtaken would be no lie that lasts.
        until("the operator to be told", async || {
            let told = self.client.transactions(&self.operator, None, 16, None).await.ok()?;
            let from = |tx: &fog_chain::Tx| tx.in_msg.as_ref().and_then(|message| message.source);
            told.iter().any(|tx| from(tx) == Some(escrow)).then_some(())
        })
        .await;
        Open { task, escrow, _post: post }
    }

    async fn status(&self, task: &TaskId) -> TaskStatus {
        self.node.task(task).await.unwrap().status
    }

    /// Returns when the gateway was asked so often for the account.
    async fn looked_at(&self, account: &Address, times: u64) {
        let account = account.to_string();
        let looks = async || {
            let state = self.oracle.tell("state", json!({})).await;
            state["looks"][&account].as_u64().unwrap_or(0)
        };
        let before = looks().await;
        until("the gateway to be asked", async || (looks().await >= before + times).then_some(()))
            .await;
    }

    /// From now on the gateway shows that the escrow told the operator of a payment.
    async fn invent_payment(&self, of: &Open) {
        let body = Boc::encode_base64(paid_notice(&of.task.0));
        let (to, from) = (self.operator.to_string(), of.escrow.to_string());
        let lie = json!({ "to": to, "from": from, "nano": "1000000", "body": body });
        self.oracle.tell("invent", lie).await;
    }
}

/// The notice of a task's payment, as its escrow would send it.
fn paid_notice(task: &Hash32) -> Cell {
    let mut body = CellBuilder::new();
    body.store_u32(fog_contracts::op::NOTIFY).unwrap();
    body.store_raw(&task.0, 256).unwrap();
    body.store_u8(TaskState::Paid as u8).unwrap();
    body.store_u32(0).unwrap();
    let amount = Tokens::new(Nano::grams(1).get().into());
    amount.store_into(&mut body, Cell::empty_context()).unwrap();
    body.store_raw(&[7; 32], 256).unwrap();
    body.build().unwrap()
}

/// One gateway, which takes its lie back before the last confirmation.
#[test]
fn a_payment_that_never_happened_is_not_told() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 2\n").await;
        let open = stage.open_task(1).await;
        stage.oracle.tell("auto", json!({ "ms": 0 })).await;
        stage.invent_payment(&open).await;
        stage.looked_at(&stage.operator, 4).await;
        assert_eq!(stage.status(&open.task).await, TaskStatus::Open);
        stage.oracle.tell("mine", json!({})).await;
        stage.looked_at(&stage.operator, 4).await;
        assert_eq!(stage.status(&open.task).await, TaskStatus::Open);
        // One more block on top would be enough.
        stage.oracle.honest().await;
        stage.oracle.tell("mine", json!({ "blocks": 3 })).await;
        stage.oracle.tell("auto", json!({ "ms": 100 })).await;
        stage.looked_at(&stage.operator, 20).await;
        assert_eq!(stage.status(&open.task).await, TaskStatus::Open);

        // The right last transaction with the wrong state.
        for state in [TaskState::Committed, TaskState::Accepted, TaskState::Paid] {
            let address = open.escrow.to_string();
            let lie = json!([{ "kind": "state", "address": address, "first": state as u8 }]);
            stage.oracle.faults(lie).await;
            stage.looked_at(&open.escrow, 4).await;
            assert_eq!(stage.status(&open.task).await, TaskStatus::Open, "{state:?}");
        }
        stage.oracle.honest().await;
        let before = stage.holdings().await;
        assert_eq!(stage.post(2).await["status"], "paid");
        paid_once(&stage.holdings().await, &before, "after the lies");
    });
}

/// A gateway that keeps its lie up, and a second one that knows nothing of it.
#[test]
fn a_second_gateway_ends_a_lie_that_lasts() {
    runtime().block_on(async {
        let settings = "confirmations = 0\nwitness = \"{url}/honest\"\n";
        let stage = Stage::start(OracleOptions::default(), settings).await;
        let open = stage.open_task(1).await;
        stage.invent_payment(&open).await;
        stage.looked_at(&stage.operator, 6).await;
        assert_eq!(stage.status(&open.task).await, TaskStatus::Open);
        let ready = format!("{}/readyz", stage.node.url());
        let http = reqwest::Client::new();
        let said = async || http.get(&ready).send().await.unwrap().text().await.unwrap();
        until("the node to say why it waits", async || {
            said().await.contains("second gateway").then_some(())
        })
        .await;
        stage.oracle.honest().await;
        let before = stage.holdings().await;
        assert_eq!(stage.post(2).await["status"], "paid");
        paid_once(&stage.holdings().await, &before, "after the lie");
    });
}

/// Blocks are undone all the time, with what was in them: never as deep as is waited for.
#[test]
fn blocks_that_vanish() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 3\n").await;
        let before = stage.holdings().await;
        let mut post = tokio::spawn(stage.post_command(1, super::stage::PRICE).output());
        let mut undone = 0;
        let output = loop {
            tokio::select! {
                output = &mut post => break output.unwrap().unwrap(),
                () = tokio::time::sleep(Duration::from_millis(700)) => {}
            }
            undone += 1;
            let fork = json!({ "depth": 1 + undone % 2, "keep": undone % 3 != 0 });
            stage.oracle.tell("fork", fork).await;
        };
        let view = stage.ended(output);
        assert_eq!(view["status"], "paid", "{view:#}");
        println!("paid though blocks vanished {undone} times");
        assert!(undone >= 3);
        paid_once(&stage.holdings().await, &before, "forks");
    });
}
