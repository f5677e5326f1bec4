//! How intents go round: again after a pause that grows, never twice at a time.

use fog_protocol::Address;

use super::*;
use crate::store::{Batch, Identity, Step, shares::MOST_CLAIMS};

const TASK: TaskId = TaskId(Hash32([1; 32]));
const NOW: u64 = 1_800_000_000;

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::basechain([9; 32]);
    let node = Hash32([2; 32]);
    let identity = Identity { node, network: -3, market: address, operator: address };
    let store = Store::open(dir.path(), &identity).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    // What the outbox's rows refer to; nothing of it is looked at here.
    for statement in [
        "INSERT INTO tasks (id, status, requestor_key, escrow, listing, posted_at, changed_at)
         VALUES ($1, 'awaiting_funds', zeroblob(32), $2, x'01', 0, 0)",
        "INSERT INTO shares_due (task) VALUES ($1)",
        "INSERT INTO channels (address, purpose, payer, payee, payer_key, payee_key, cap, delay, series,
                               signing_key, status, close_at, balance, paid, owed, promised)
         VALUES (hex($1), 'earnings', 'a', 'b', zeroblob(32), zeroblob(32), 1, 1, 0, zeroblob(32), 'open',
                 0, 1, 0, 0, 0)",
        "INSERT INTO pledges (id, escrow, worker, stake, earnings, number, price, bid_seconds,
                              commit_seconds, lasts, reserve, bid, promise, state)
         VALUES ($1, 'pledge', 'b', 'stake', hex($1), 0, 1, 1, 1, 1, 1, x'01', x'01', 'consented')",
    ] {
        let insert = sqlx::query(statement).bind(&TASK.0.0[..]);
        // The first statement's escrow; the others do not ask for it.
        let insert = insert.bind(address.to_string());
        insert.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    (dir, store)
}

async fn commit(store: &Store, steps: Vec<Step>) {
    store.commit(&Batch { steps, ..Batch::default() }).await.unwrap();
}

fn new(kind: IntentKind, now: u64) -> Step {
    let (task, intent, evidence) = (TASK, vec![1, 2, 3], None);
    Step::Intent(NewIntent { task, kind, intent, evidence, now, not_before: 0 })
}

fn ends(kind: IntentKind, end: End) -> Step {
    Step::IntentEnd(IntentEnd { task: TASK, kind, end })
}

/// State, attempts and pause of each round, and how many.
async fn rounds(store: &Store, kind: IntentKind) -> Vec<(String, i64, i64)> {
    sqlx::query("SELECT state, attempts, not_before FROM outbox WHERE kind = $1 ORDER BY round")
        .bind(kind.name())
        .fetch_all(store.reader())
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get("state"), row.get("attempts"), row.get("not_before")))
        .collect()
}

/// Its message was sent, and is final: what comes of it is for the contract to say.
async fn sent(store: &Store, valid_until: u64) {
    let mut tx = store.begin().await.unwrap();
    let message: i64 = sqlx::query_scalar(
        "INSERT INTO messages (seqno, boc, body_hash, valid_until, state, lt, hash)
         VALUES ((SELECT count(*) FROM messages), x'01', randomblob(32), $1, 'final', 1, zeroblob(32))
         RETURNING id",
    )
    .bind(i64::try_from(valid_until).unwrap())
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let left = sqlx::query(
        "UPDATE outbox SET state = 'final', attempts = attempts + 1, message = $1
         WHERE state = 'pending'",
    )
    .bind(message)
    .execute(&mut *tx)
    .await
    .unwrap();
    assert_eq!(left.rows_affected(), 1);
    tx.commit().await.unwrap();
}

/// Of what is thrown back every time, each try costs the node gas.
#[tokio::test]
async fn what_is_thrown_back_waits_longer_every_time() {
    let (_dir, store) = store().await;
    let kind = IntentKind::PledgeReserve;
    commit(&store, vec![new(kind, NOW)]).await;
    let mut pauses = Vec::new();
    for _ in 0..14 {
        sent(&store, NOW).await;
        commit(&store, vec![ends(kind, End::Again(NOW))]).await;
        let [(state, _, not_before)] = &rounds(&store, kind).await[..] else { panic!("one") };
        assert_eq!(state, "pending");
        pauses.push(u64::try_from(*not_before).unwrap() - NOW);
    }
    assert_eq!(pauses[..5], [2, 4, 8, 16, 32]);
    assert_eq!(pauses[10..], [2048, 3600, 3600, 3600]);
    assert!(store.pending_intents(NOW + 3_599, 9).await.unwrap().is_empty());
}

/// Asked for again and again, as pledges are pushed on: both kinds of rows.
#[tokio::test]
async fn what_was_refused_waits_longer_every_time_it_is_asked_for() {
    let (_dir, store) = store().await;
    for kind in [IntentKind::PledgeEnd, IntentKind::PledgeExpire] {
        let mut pauses = Vec::new();
        for _ in 0..4 {
            commit(&store, vec![new(kind, NOW), new(kind, NOW)]).await;
            let rows = rounds(&store, kind).await;
            let living = rows.iter().filter(|(state, ..)| state == "pending");
            assert_eq!(living.count(), 1, "one at a time");
            let (_, _, not_before) = rows.last().unwrap();
            pauses.push(u64::try_from(*not_before).unwrap().saturating_sub(NOW));
            sent(&store, NOW).await;
            commit(&store, vec![ends(kind, End::Refused("moved on".to_owned()))]).await;
        }
        assert_eq!(pauses[0], 0, "{kind:?}");
        assert!(pauses[1..].is_sorted_by(|one, other| one < other), "{kind:?}: {pauses:?}");
        assert!(pauses[1] >= 2 && pauses[3] <= 32, "{kind:?}: {pauses:?}");
    }
}

/// A share that its jetton's wallet throws back every time must not be asked for every minute.
#[tokio::test]
async fn a_claim_that_nothing_was_heard_of_is_over_and_the_next_waits() {
    let (_dir, store) = store().await;
    let kind = IntentKind::ClaimShare;
    commit(&store, vec![new(kind, NOW)]).await;
    sent(&store, NOW).await;
    // A second while the first is under way is none.
    commit(&store, vec![new(kind, NOW)]).await;
    assert_eq!(rounds(&store, kind).await.len(), 1);
    // Nor does the end of its task stop it.
    commit(&store, vec![Step::VoidIntents(TASK)]).await;
    assert_eq!(store.retry_unheard(NOW + 20).await.unwrap(), 0);
    assert_eq!(store.retry_unheard(NOW + 31).await.unwrap(), 1);
    assert_eq!(rounds(&store, kind).await[0].0, "refused");
    commit(&store, vec![new(kind, NOW + 31)]).await;
    let next = rounds(&store, kind).await[1].clone();
    assert_eq!(next, ("pending".to_owned(), 0, i64::try_from(NOW + 631).unwrap()));
    // One that comes back every time is left to people.
    for claimed in 1..MOST_CLAIMS {
        let due = store.shares_due(0, 9).await.unwrap().len();
        assert_eq!(due, 1, "after {claimed}");
        commit(&store, vec![new(kind, NOW)]).await;
        sent(&store, NOW).await;
        commit(&store, vec![ends(kind, End::Refused("it came back".to_owned()))]).await;
    }
    assert!(store.shares_due(0, 9).await.unwrap().is_empty());
    // What is due nowhere is claimed nowhere.
    commit(&store, vec![ends(kind, End::Done), Step::ShareOver(TASK)]).await;
    let batch = Batch { steps: vec![new(kind, NOW)], ..Batch::default() };
    assert!(store.commit(&batch).await.is_err());
}

/// What is on its way cannot be taken back; what waits can.
#[tokio::test]
async fn only_what_waits_is_withdrawn() {
    let (_dir, store) = store().await;
    let kind = IntentKind::PledgeOpen;
    commit(&store, vec![new(kind, NOW)]).await;
    sent(&store, NOW).await;
    commit(&store, vec![ends(kind, End::Withdrawn)]).await;
    assert_eq!(rounds(&store, kind).await[0].0, "final");
    commit(&store, vec![ends(kind, End::Again(NOW)), ends(kind, End::Withdrawn)]).await;
    assert_eq!(rounds(&store, kind).await[0].0, "void");
}

/// Verdicts need the wallet's coins before challenges do.
#[tokio::test]
async fn challenges_wait_behind_all_else_and_as_long_as_they_are_told_to() {
    let (_dir, store) = store().await;
    let kinds = async |now: u64, most: usize| -> Vec<IntentKind> {
        let pending = store.pending_intents(now, most).await.unwrap();
        pending.iter().map(|pending| pending.intent.kind()).collect()
    };
    let escrow = Address::basechain([2; 32]);
    let mut tx = store.begin().await.unwrap();
    // What a challenge rests on is not what is looked at here.
    sqlx::query("DROP TRIGGER nobody_challenges_without_evidence").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let evidence = TASK.0;
    for intent in [Intent::Challenge { escrow, evidence }, Intent::Expire { escrow }] {
        let (kind, intent) = (intent.kind(), crate::store::encode(&intent).unwrap());
        let row = NewIntent { task: TASK, kind, intent, evidence: None, now: 0, not_before: 0 };
        commit(&store, vec![Step::Intent(row)]).await;
    }
    assert_eq!(kinds(10, 1).await, [IntentKind::Expire]);
    let both = [IntentKind::Expire, IntentKind::Challenge];
    assert_eq!(kinds(10, 9).await, both);
    store.put_off(&[1], 20, Some("no coins")).await.unwrap();
    assert_eq!(kinds(19, 9).await, [IntentKind::Expire]);
    assert_eq!(kinds(20, 9).await, both);
    assert_eq!(store.challenges_under_way().await.unwrap(), 0);
}

#[tokio::test]
async fn what_pushes_a_task_to_its_end_is_never_given_up() {
    let (_dir, store) = store().await;
    let kind = IntentKind::Expire;
    commit(&store, vec![new(kind, NOW)]).await;
    for tried in 1..=20 {
        sent(&store, NOW).await;
        let wait = if tried < 20 { 31 } else { 3_601 };
        assert_eq!(store.retry_unheard(NOW + wait - 1).await.unwrap(), 0, "{tried}");
        assert_eq!(store.retry_unheard(NOW + wait).await.unwrap(), 1, "{tried}");
    }
    assert_eq!(rounds(&store, kind).await.len(), 1);
}
