//! Blocks made one at a time: "paid" is told at its last confirmation, and not one block before.

use fog_contracts::{Notify, TaskState};
use fog_protocol::{TaskId, TaskStatus};
use serde_json::json;

use super::{
    runtime,
    server::OracleOptions,
    stage::{PRICE, Stage},
    until,
};

const CONFIRMATIONS: u64 = 3;
/// The node hears of the end from the contract's notice, a block later, or reads the contract itself.
const LATEST: u64 = CONFIRMATIONS + 1;

impl Stage {
    /// Makes a block, and returns when the node has looked at its wallet twice since: the second
    /// look began after the block.
    async fn block(&self) -> u64 {
        self.oracle.tell("mine", json!({})).await;
        let operator = self.operator.to_string();
        let looks = async || {
            let state = self.oracle.tell("state", json!({})).await;
            (state["looks"][&operator].as_u64().unwrap_or(0), state["seqno"].as_u64().unwrap())
        };
        let (before, seqno) = looks().await;
        until("the node to look", async || (looks().await.0 >= before + 3).then_some(())).await;
        seqno
    }

    /// The block in which the task's contract paid, if it has.
    async fn end_block(&self, task: &TaskId) -> Option<u64> {
        let history = self.client.transactions(&self.operator, None, 100, None).await.ok()?;
        let tells = |tx: &&fog_chain::Tx| {
            tx.in_msg
                .as_ref()
                .and_then(|message| Notify::parse(&message.body).ok())
                .is_some_and(|notice| notice.task == task.0 && notice.state == TaskState::Paid)
        };
        let lt = history.iter().find(tells)?.lt.to_string();
        let where_ = json!({ "address": self.operator.to_string(), "lt": lt });
        let notice = self.oracle.tell("where", where_).await["block"].as_u64()?;
        // What a block's transactions send is delivered in the next.
        Some(notice - 1)
    }

    /// The newest task the node knows of, and how it stands.
    pub(super) async fn newest_task(&self) -> Option<(TaskId, TaskStatus)> {
        let page = self.node.tasks(1, None).await.ok()?;
        page.tasks.first().map(|task| (task.id, task.status))
    }
}

#[test]
fn paid_is_told_at_the_last_confirmation() {
    runtime().block_on(async {
        let stage = Stage::start(OracleOptions::default(), "confirmations = 3\n").await;
        stage.oracle.tell("auto", json!({ "ms": 0 })).await;
        let mut post = stage.post_command(1, PRICE).spawn().unwrap();
        let mut early = 0;
        let paid_at = loop {
            let tip = stage.block().await;
            assert!(tip < 3_000, "it never ends");
            let Some((task, status)) = stage.newest_task().await else { continue };
            let end = stage.end_block(&task).await;
            if status == TaskStatus::Paid {
                break (tip, end.expect("paid on chain"));
            }
            if let Some(end) = end.filter(|end| tip >= end + LATEST) {
                // What was read has still to be stored.
                let told = async || stage.newest_task().await.filter(|(_, s)| s.is_terminal());
                until("the payment to be told", told).await;
                break (tip, end);
            }
            early += u64::from(end.is_some());
        };
        let told = paid_at.0 - paid_at.1;
        assert!((CONFIRMATIONS..=LATEST).contains(&told), "told after {told} blocks");
        // The notice is one block behind the contract.
        assert_eq!(early, told - 1, "each block in between was looked at");
        stage.oracle.tell("auto", json!({ "ms": 100 })).await;
        assert!(post.wait().await.unwrap().success());
    });
}
