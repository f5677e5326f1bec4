//! The database refuses what the market could not decide, and a node refuses a database that is
//! not what it wrote.

use fog_node::{Node, NodeError};
use fog_protocol::{
    Address, BlobRef, Durations, EpochRef, Hash32, Listing, Nano, Policy, Program, Rail,
    ResourceLimits, SecretKey, TaskStatus, Units,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::world::World;

async fn open(world: &World) -> SqliteConnection {
    let path = world.node_config.data_dir.join("fog.db");
    SqliteConnectOptions::new().filename(path).foreign_keys(true).connect().await.unwrap()
}

async fn fresh() -> SqliteConnection {
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
    let mut db = options.connect().await.unwrap();
    sqlx::migrate!("../migrations").run(&mut db).await.unwrap();
    db
}

#[tokio::test]
async fn the_database_knows_the_same_transitions_as_the_market() {
    let mut db = fresh().await;
    let rows = sqlx::query("SELECT from_status, to_status FROM transitions")
        .fetch_all(&mut db)
        .await
        .unwrap();
    let mut stored: Vec<(TaskStatus, TaskStatus)> = rows
        .iter()
        .map(|row| (row.get::<&str, _>(0).parse().unwrap(), row.get::<&str, _>(1).parse().unwrap()))
        .collect();
    let mut decided = fog_market::transition::edges();
    stored.sort_unstable();
    decided.sort_unstable();
    assert_eq!(stored, decided);
    let rows = sqlx::query("SELECT name, terminal FROM statuses").fetch_all(&mut db).await.unwrap();
    assert_eq!(rows.len(), TaskStatus::ALL.len());
    for row in rows {
        let status: TaskStatus = row.get::<&str, _>(0).parse().unwrap();
        assert_eq!(row.get::<i64, _>(1) == 1, status.is_terminal(), "{status}");
    }
}

/// A task in `running`, with its commitment, submission and verdict, as the steps go.
const TASK: &str = "
    INSERT INTO epochs VALUES (0, zeroblob(32), 0, x'');
    INSERT INTO tasks (id, status, requestor_key, escrow, listing, posted_at, changed_at)
        VALUES (zeroblob(32), 'open', zeroblob(32), 'escrow', x'01', 0, 0);
    UPDATE tasks SET status = 'assigning', worker = 'w', price = 1, reserve = 1;
    UPDATE tasks SET status = 'running';";
const VERDICT: &str = "
    UPDATE tasks SET status = 'committed', commitment = zeroblob(32);
    INSERT INTO commitments VALUES (zeroblob(32), 'w', zeroblob(32), x'', 0);
    INSERT INTO submissions VALUES (zeroblob(32), zeroblob(32), 1, 0);
    UPDATE tasks SET status = 'verifying';
    INSERT INTO verdicts (task, verdict, evidence_hash, evidence, audited, reason, result_hash,
        result_bytes, exit) VALUES (zeroblob(32), 'accepted', zeroblob(32), x'01', 1, 'r',
        zeroblob(32), 0, x'00');";
/// Its worker was caught; it is looked at again, and found wrong.
const DUE: &str = "INSERT INTO rechecks (task, caught, found)
    VALUES (zeroblob(32), zeroblob(32), 'due')";
const RULING: &str = "INSERT INTO rulings (task, ruling, evidence_hash, evidence, reason)
    VALUES (zeroblob(32), 'rejected', zeroblob(32), x'01', 'r')";
const WRONG: &str = "UPDATE rechecks SET found = 'wrong', evidence = zeroblob(32)";
const CHALLENGE: &str = "INSERT INTO outbox (task, kind, round, intent)
    VALUES (zeroblob(32), 'challenge', 0, x'01')";
const MESSAGE: &str = "
    INSERT INTO messages (id, seqno, boc, body_hash, valid_until, state)
        VALUES (1, 0, x'01', zeroblob(32), 10, 'signed');";

const GIVEN_UP: &str = "INSERT INTO given_up VALUES (zeroblob(32), 'w', 0, x'02', '')";
const SHUT: &str = "INSERT INTO shut_epochs VALUES (0, 1, 1, zeroblob(32))";

#[tokio::test]
async fn forbidden_writes_are_refused() {
    let payout = "INSERT INTO outbox (task, kind, round, intent, evidence)
        VALUES (zeroblob(32), 'verdict', 0, x'01', zeroblob(32))";
    let logged = "INSERT INTO events VALUES (1, 0, 'tick', x'01')";
    let finished = "UPDATE messages SET state = 'final', lt = 1, hash = zeroblob(32)";
    // What comes before, then what must be refused.
    let cases: &[(&[&str], &str)] = &[
        (&[logged], "UPDATE events SET body = x'02'"),
        (&[logged], "DELETE FROM events"),
        (&[TASK], "UPDATE tasks SET status = 'accepted', commitment = zeroblob(32)"),
        (&[TASK], "UPDATE tasks SET status = 'open'"),
        (&[TASK], "UPDATE tasks SET status = 'committed'"),
        (&[TASK], "UPDATE tasks SET listing = x'02'"),
        (&[TASK], "UPDATE tasks SET worker = NULL"),
        (&[TASK], "INSERT INTO submissions VALUES (zeroblob(32), zeroblob(32), 1, 0)"),
        (&[TASK], payout),
        (
            &[TASK],
            "INSERT INTO outbox (task, kind, round, intent)
                VALUES (zeroblob(32), 'finalize', 0, x'01')",
        ),
        (&[TASK, VERDICT], "UPDATE tasks SET status = 'rejected'"),
        (&[TASK, VERDICT], "UPDATE verdicts SET verdict = 'rejected'"),
        (&[TASK, VERDICT], "DELETE FROM verdicts"),
        (&[TASK, VERDICT, payout], payout),
        (
            &[TASK, VERDICT, payout],
            "INSERT INTO outbox (task, kind, round, intent, evidence)
                VALUES (zeroblob(32), 'verdict', 1, x'02', zeroblob(32))",
        ),
        (&[TASK, VERDICT, payout], "UPDATE outbox SET intent = x'02'"),
        (&[TASK, VERDICT, payout], "UPDATE outbox SET state = 'sent'"),
        (&[MESSAGE], "UPDATE messages SET boc = x'02'"),
        (
            &[MESSAGE],
            "INSERT INTO messages (seqno, boc, body_hash, valid_until, state)
                VALUES (1, x'02', randomblob(32), 10, 'signed')",
        ),
        (&[MESSAGE], "UPDATE messages SET state = 'final'"),
        (&[MESSAGE, finished], "UPDATE messages SET state = 'expired', lt = NULL, hash = NULL"),
        (
            &["INSERT INTO epochs VALUES (0, zeroblob(32), 0, x'')"],
            "UPDATE epochs SET started_at = 1",
        ),
        (
            &[TASK, "INSERT INTO task_epochs VALUES (zeroblob(32), 0)"],
            "UPDATE task_epochs SET epoch = 0",
        ),
        (&[TASK], "INSERT INTO task_epochs VALUES (zeroblob(32), 1)"),
        (&[TASK], DUE),
        (&[TASK, VERDICT, DUE], WRONG),
        (&[TASK, VERDICT, DUE, RULING], "UPDATE rechecks SET found = 'wrong'"),
        (
            &[TASK, VERDICT, DUE, RULING, WRONG],
            "UPDATE rechecks SET found = 'right', evidence = NULL",
        ),
        (&[TASK, VERDICT], CHALLENGE),
        (&[TASK, VERDICT, RULING, CHALLENGE], CHALLENGE),
        // The first word counts.
        (&[TASK, GIVEN_UP], GIVEN_UP),
        (&[TASK, GIVEN_UP], "UPDATE given_up SET worker = 'v'"),
        // Nothing begins in an epoch whose seed may have been told.
        (&[TASK, SHUT], "INSERT INTO task_epochs VALUES (zeroblob(32), 0)"),
        (&[TASK, SHUT], "DELETE FROM shut_epochs"),
        (&[TASK, SHUT], "UPDATE shut_epochs SET tasks = 0"),
        (&[TASK, SHUT], SHUT),
    ];
    for (before, refused) in cases {
        let mut db = fresh().await;
        for statement in *before {
            sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut db).await.unwrap();
        }
        let result = sqlx::raw_sql(AssertSqlSafe(*refused)).execute(&mut db).await;
        assert!(result.is_err(), "this was written: {refused}");
    }
    // And the one order that is right.
    let mut db = fresh().await;
    let accepted = "UPDATE tasks SET status = 'accepted'; UPDATE tasks SET status = 'paid'";
    for statement in
        [TASK, VERDICT, payout, DUE, RULING, WRONG, CHALLENGE, accepted, MESSAGE, finished]
    {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut db).await.unwrap();
    }
}

/// Runs those migrations whose number `is_due` says.
async fn migrate(db: &mut SqliteConnection, is_due: impl Fn(i64) -> bool) {
    for migration in sqlx::migrate!("../migrations").iter() {
        if is_due(migration.version) {
            let sql = AssertSqlSafe(migration.sql.as_str().to_owned());
            sqlx::raw_sql(sql).execute(&mut *db).await.unwrap();
        }
    }
}

/// A listing of this rail: in the words of the first version that knows the rail, with a policy that
/// needs a later one, and with an epoch.
fn listings(rail: Rail) -> [Listing; 3] {
    let of = |policy: Policy| Listing {
        version: Listing::version_of(&rail, &policy),
        network: -3,
        market: Address::basechain([1; 32]),
        operator: Address::basechain([2; 32]),
        requestor: Address::basechain([3; 32]),
        requestor_key: SecretKey::from_seed(&[4; 32]).public(),
        program: Program::Wasi { module: BlobRef::of(b"module") },
        input: BlobRef::of(b"input"),
        limits: ResourceLimits::default(),
        price_cap: Nano::grams(1),
        policy,
        durations: Durations::default(),
        nonce_hash: Hash32([5; 32]),
        epoch: None,
        // Where the rail ends is not to be taken for where another would.
        salt: Hash32([2; 32]),
        rail,
    };
    let replay = Policy::Replay { rate_ppm: 50_000 };
    let copies = Policy::Copies { copies: 3, sibling: Hash32([2; 32]), rate_ppm: 50_000 };
    let epoch = EpochRef { number: 2, seed_hash: Hash32([0; 32]) };
    [of(replay.clone()), of(copies), of(replay).with_epoch(epoch)]
}

/// Tasks that were paid in jettons before the node looked for its share in them.
#[tokio::test]
async fn what_was_paid_in_jettons_before_shares_were_claimed_is_due() {
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
    let mut db = options.connect().await.unwrap();
    migrate(&mut db, |version| version < 10).await;
    let units = Units::new(3_000_000).unwrap();
    let rails = [
        (Rail::Escrow, false),
        (Rail::Account { account: Address::basechain([2; 32]) }, false),
        (Rail::Jetton { master: Address::basechain([7; 32]), units }, true),
    ];
    let mut wanted = Vec::new();
    let mut row = 0u8;
    for (rail, in_jetton) in rails {
        for listing in listings(rail) {
            for status in ["paid", "refunded", "open"] {
                row += 1;
                let id = vec![row; 32];
                sqlx::query(
                    "INSERT INTO tasks (id, status, requestor_key, escrow, listing, posted_at,
                        changed_at) VALUES ($1, $2, zeroblob(32), $3, $4, 0, 0)",
                )
                .bind(&id)
                .bind(status)
                .bind(row.to_string())
                .bind(borsh::to_vec(&listing).unwrap())
                .execute(&mut db)
                .await
                .unwrap();
                if in_jetton && status == "paid" {
                    wanted.push(id);
                }
            }
        }
    }
    // One was noted already, another was claimed.
    let noted = "INSERT INTO shares_due (task) VALUES ($1)";
    sqlx::query(noted).bind(&wanted[0]).execute(&mut db).await.unwrap();
    migrate(&mut db, |version| version >= 10).await;
    let due: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT task FROM shares_due").fetch_all(&mut db).await.unwrap();
    assert_eq!(due, wanted);
    assert_eq!(wanted.len(), 3);
}

/// A task of the account rail that a pledge of 2 stands for.
const PLEDGED: &str = "
    INSERT INTO channels VALUES ('a', 'account', 'r', 'n', zeroblob(32), zeroblob(32), 10, 600, 0,
        zeroblob(32), 'open', 0, 10, 0, 0, 0);
    INSERT INTO rail_tasks (task, account, signed) VALUES (zeroblob(32), 'a', x'01');
    INSERT INTO pledges (id, escrow, worker, stake, earnings, number, price, bid_seconds,
        commit_seconds, lasts, reserve, bid, promise, state, deadline)
        VALUES (x'1111111111111111111111111111111111111111111111111111111111111111', 'p', 'w', 's',
            'a', 0, 1, 1, 1, 1, 2, x'01', x'01', 'live', 10);";
const BACKED: &str = "UPDATE rail_tasks SET pledge = (SELECT id FROM pledges)";

#[tokio::test]
async fn no_pledge_is_overdrawn_lost_without_evidence_or_let_go_too_soon() {
    let rejected = VERDICT.replace("'accepted'", "'rejected'");
    let kept = "UPDATE pledges SET verdict = 'accepted', evidence = zeroblob(32)";
    let lost = "UPDATE pledges SET verdict = 'rejected', evidence = zeroblob(32)";
    let judged = "INSERT INTO outbox (task, kind, round, intent)
        SELECT id, 'pledge_judge', 0, x'01' FROM pledges";
    let cases: &[(&[&str], &str)] = &[
        (
            &[TASK, PLEDGED, "UPDATE tasks SET reserve = 3 WHERE status = 'x'"],
            "UPDATE pledges SET reserve = 0",
        ),
        (&[TASK, PLEDGED], "UPDATE pledges SET reserve = 3"),
        (&[TASK, PLEDGED], "UPDATE pledges SET state = 'ended'"),
        (&[TASK, PLEDGED], "UPDATE pledges SET slashed = 3"),
        (
            &[TASK, PLEDGED, "UPDATE pledges SET state = 'ended', deadline = NULL"],
            "UPDATE pledges SET state = 'live', deadline = 10",
        ),
        (&[TASK, PLEDGED, BACKED], kept),
        (&[TASK, PLEDGED, BACKED], lost),
        (&[TASK, VERDICT, PLEDGED, BACKED], lost),
        (&[TASK, &rejected, PLEDGED], lost),
        (&[TASK, PLEDGED], judged),
        (&[TASK, PLEDGED, kept], lost),
        (
            &[TASK, PLEDGED],
            "INSERT INTO outbox (task, kind, round, intent)
            VALUES (randomblob(32), 'pledge_open', 0, x'01')",
        ),
        (
            &[TASK],
            "INSERT INTO outbox (task, kind, round, intent)
            VALUES (randomblob(32), 'assign', 0, x'01')",
        ),
    ];
    for (before, refused) in cases {
        let mut db = fresh().await;
        for statement in *before {
            sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut db).await.unwrap();
        }
        let result = sqlx::raw_sql(AssertSqlSafe(*refused)).execute(&mut db).await;
        assert!(result.is_err(), "this was written: {refused}");
    }
    // More than is pledged.
    let mut db = fresh().await;
    let dear = TASK.replace("reserve = 1", "reserve = 3");
    for statement in [&dear, PLEDGED] {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut db).await.unwrap();
    }
    assert!(sqlx::raw_sql(BACKED).execute(&mut db).await.is_err());
    // And what is right.
    for way in
        [vec![TASK, PLEDGED, kept, judged], vec![TASK, &rejected, PLEDGED, BACKED, lost, judged]]
    {
        let mut db = fresh().await;
        for statement in way {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut db).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_database_is_not_used() {
    let world = World::new(0).await;
    for (change, seen) in [
        ("DROP TRIGGER events_are_kept; DELETE FROM events WHERE seq = 1", "missing"),
        ("DROP TRIGGER events_are_kept; DELETE FROM events", "missing"),
        ("DROP TRIGGER events_are_append_only; UPDATE events SET body = x'ff'", "decode"),
        ("UPDATE checkpoint SET state_hash = zeroblob(32)", "hash"),
        ("UPDATE tasks SET status = 'dropped'", "by the log"),
    ] {
        let mut config = world.node_config.clone();
        config.data_dir = world.node_config.data_dir.join(Nano::new(seen.len() as u64).to_string());
        drop(std::fs::remove_dir_all(&config.data_dir));
        let node = Node::start(config.clone(), world.keys.clone()).await.unwrap();
        world.began(&node).await;
        world.post(&node, b"log", 40).await;
        node.shutdown();
        node.join().await.unwrap();
        let path = config.data_dir.join("fog.db");
        let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut db).await.unwrap();
        drop(db);
        let error = Node::start(config, world.keys.clone()).await.unwrap_err();
        assert!(matches!(&error, NodeError::Log { .. }), "{change}: {error}");
        assert!(error.to_string().contains(seen), "{change}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_has_one_node_and_one_owner() {
    let world = World::new(0).await;
    let node = world.node().await;
    let second = Node::start(world.node_config.clone(), world.keys.clone()).await;
    assert!(matches!(second, Err(NodeError::Config(_))));
    node.shutdown();
    node.join().await.unwrap();
    let mut keys = world.keys.clone();
    keys.operator = SecretKey::from_seed(&[77; 32]);
    let other = Node::start(world.node_config.clone(), keys).await;
    assert!(matches!(other, Err(NodeError::OtherNode(_))));
    let mut keys = world.keys.clone();
    keys.verifiers.clear();
    let without = Node::start(world.node_config.clone(), keys).await;
    assert!(matches!(without, Err(NodeError::Config(_))));
    let mut keys = world.keys.clone();
    keys.epoch_seed = Some(fog_protocol::Hash32([5; 32]));
    let reseeded = Node::start(world.node_config.clone(), keys).await;
    assert!(matches!(reseeded, Err(NodeError::Config(_))), "the published hash binds");
    let db = open(&world).await;
    drop(db);
    // No secret is in what the node stored.
    let secret = world.keys.operator.seed();
    for name in ["fog.db", "fog.db-wal"] {
        if let Ok(bytes) = std::fs::read(world.node_config.data_dir.join(name)) {
            assert!(!bytes.windows(32).any(|window| window == secret.as_ref()), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epochs_seed_is_told_when_it_is_over() {
    let mut world = World::new(0).await;
    world.node_config.epoch_seconds = 100;
    let node = world.node().await;
    let first = world.info(&node).await.epoch_seed_hash;
    let epoch = || async {
        let url = format!("{}/v1/epochs/{}", node.url(), world.epoch(0).number);
        world.http.get(url).send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    assert_eq!(epoch().await["seed"], serde_json::Value::Null);
    world.chain.warp(200).await.unwrap();
    let seed = super::world::until("the seed", || async {
        epoch().await["seed"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(fog_verifier::draw::seed_hash(&seed.parse().unwrap()), first);
    assert_ne!(world.info(&node).await.epoch_seed_hash, first);
    node.shutdown();
    node.join().await.unwrap();
}
