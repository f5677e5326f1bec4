//! Who may ask, what, and how much of it.

use std::{sync::Arc, time::Duration};

use fog_jury::{
    Answer, Card, Case, Conduct, Juror as _, QUESTION_VERSION, Remote, Scope, Stage, verifier_id,
};
use fog_protocol::{Address, Hash32, RequestAuth, SecretKey, Signed};
use proptest::prelude::*;

use super::world::{World, case, honest, key, node_key, other_node_key, scope};

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

async fn ask(remote: Remote, case: &Case) -> Result<Answer, String> {
    let asking = Arc::new(remote).ask(Arc::new(case.clone()));
    let answered = tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
    answered.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_its_own_market_and_the_nodes_it_knows() {
    let world = World::new();
    let service = world.serve(0, honest(), Conduct::Honest).await;
    let (url, public) = (service.url(), key(0).public());
    let remote = |key, scope, asker| Remote::new(&url, key, scope, asker).unwrap();
    let asked = case(1, |_| {});
    assert!(matches!(
        ask(remote(public, scope(), node_key()), &asked).await,
        Ok(Answer::Signed { .. })
    ));
    let stranger = SecretKey::from_seed(&[99; 32]);
    let refused = ask(remote(public, scope(), stranger), &asked).await.unwrap_err();
    assert!(refused.contains("unknown_node"), "{refused}");
    let refused = ask(remote(key(1).public(), scope(), node_key()), &asked).await.unwrap_err();
    assert!(refused.contains("another verifier"), "{refused}");
    let elsewhere = Scope { market: Address::basechain([70; 32]), ..scope() };
    let refused = ask(remote(public, elsewhere, node_key()), &asked).await.unwrap_err();
    assert!(refused.contains("another market"), "{refused}");
    // Another node that it works for, about this node's task: it could block it for good.
    let answer = ask(remote(public, scope(), other_node_key()), &asked).await.unwrap();
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "other_node"), "{answer:?}");
    // A ruling that looks at nothing, and a verdict that says it was disputed.
    for stage in [Stage::Ruling, Stage::Verdict] {
        let mut other = case(4, |_| {});
        if let fog_jury::Matter::Result { basis, stage: of, .. } = &mut other.question.matter {
            *of = stage;
            *basis = match stage {
                Stage::Ruling => fog_verifier::AuditBasis::NonceWithheld,
                Stage::Verdict => fog_verifier::AuditBasis::Disputed,
            };
        }
        let answer = ask(remote(public, scope(), node_key()), &other).await.unwrap();
        assert!(
            matches!(&answer, Answer::Refused { code, .. } if code == "other_stage"),
            "{answer:?}"
        );
    }
    // A task of another market or network, well signed.
    for change in [0, 1] {
        let mut foreign = asked.clone();
        if change == 0 {
            foreign.question.listing.market = Address::basechain([70; 32]);
        } else {
            foreign.question.listing.network = -239;
        }
        let answer = ask(remote(public, scope(), node_key()), &foreign).await.unwrap();
        let Answer::Refused { code, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(code, "other_market");
    }
    // What does not open its commitment, and a draw that does not fall so.
    let mut changed = case(2, |_| {});
    changed.question.commitment.0[0] ^= 1;
    let answer = ask(remote(public, scope(), node_key()), &changed).await.unwrap();
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "not_opened"), "{answer:?}");
    let mut undrawn = case(3, |_| {});
    if let fog_jury::Matter::Result { basis, .. } = &mut undrawn.question.matter
        && let fog_verifier::AuditBasis::Drawn { seed, nonce } = basis.clone()
    {
        *basis = fog_verifier::AuditBasis::NotDrawn { seed, nonce };
    }
    let answer = ask(remote(public, scope(), node_key()), &undrawn).await.unwrap();
    assert!(
        matches!(&answer, Answer::Refused { code, .. } if code == "not_supported"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_and_blobs_come_again_when_they_are_gone() {
    let world = World::new();
    let service = world.serve(0, honest(), Conduct::Honest).await;
    let remote = || Remote::new(&service.url(), key(0).public(), scope(), node_key()).unwrap();
    let large = vec![7; 5 << 10];
    let listing = super::world::listing(1, &large);
    let case_of = |listing, input: &[u8]| {
        super::world::case_of(listing, input, fog_jury::Stage::Verdict, |_| {})
    };
    let answer = ask(remote(), &case_of(listing, &large)).await.unwrap();
    assert!(matches!(&answer, Answer::Refused { code, .. } if code == "too_large"), "{answer:?}");
    // More inputs than it keeps: the oldest go, and are handed over again when they are needed.
    let inputs: Vec<Vec<u8>> = (0..6).map(|byte| vec![byte; 3 << 10]).collect();
    for round in 0..2 {
        for (index, input) in inputs.iter().enumerate() {
            let salt = 2 + u8::try_from(index).unwrap();
            let listing = super::world::listing(salt, input);
            let answer = ask(remote(), &case_of(listing, input)).await.unwrap();
            assert!(matches!(answer, Answer::Signed { .. }), "round {round}: {answer:?}");
        }
    }
    let kept = std::fs::read_dir(world.folder(0).join("blobs")).unwrap();
    let total: u64 = kept.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(total <= 16 << 10, "{total}");
    // A question beyond the bound is refused before it is read.
    let wide = case(9, |reveal| reveal.output = vec![1; 20 << 10]);
    let refused = ask(remote(), &wide).await.unwrap_err();
    assert!(refused.contains("too_large") || refused.contains("answer"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_headers_for_others_are_refused() {
    let world = World::new();
    let service = world.serve(0, honest(), Conduct::Honest).await;
    let other = world.serve(1, honest(), Conduct::Honest).await;
    let http = reqwest::Client::new();
    let url = format!("{}/v1/questions", service.url());
    let unsigned = http.post(&url).body("x").send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let body = b"not sealed".to_vec();
    let id = |index| verifier_id(&scope(), &key(index).public());
    let header =
        |index| RequestAuth::header(&node_key(), &id(index), now(), "POST", "/v1/questions", &body);
    for (index, status) in [(0, 400), (1, 401)] {
        let sent = http.post(&url).header("authorization", header(index));
        let sent = sent.header("fog-body-sha256", Hash32::of(&body).to_string());
        let sent = sent.header("fog-question-version", QUESTION_VERSION);
        assert_eq!(sent.body(body.clone()).send().await.unwrap().status(), status);
    }
    // Strangers are turned away before anything is held or read for them: none of these, which
    // announce much and send nothing, keeps a known node from asking.
    let mut idle = Vec::new();
    for _ in 0..48 {
        let mut socket = tokio::net::TcpStream::connect(service.addr()).await.unwrap();
        let stranger = SecretKey::from_seed(&[98; 32]);
        let hash = Hash32::of(b"x");
        let auth = RequestAuth::header(&stranger, &id(0), now(), "POST", "/v1/questions", b"x");
        let head = format!(
            "POST /v1/questions HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\n\
             fog-body-sha256: {hash}\r\ncontent-length: 16000\r\n\r\n"
        );
        tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
        idle.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let remote = Remote::new(&service.url(), key(0).public(), scope(), node_key()).unwrap();
    assert!(matches!(ask(remote, &case(1, |_| {})).await, Ok(Answer::Signed { .. })));
    drop(idle);
    let elsewhere = format!("{}/v1/questions", other.url());
    let sent = http.post(elsewhere).header("authorization", header(0)).body(body.clone());
    let sent = sent.header("fog-body-sha256", Hash32::of(&body).to_string());
    assert_eq!(sent.send().await.unwrap().status(), 401, "a request is for one verifier");
}

/// Whichever side is older, the answer names both versions and says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sides_of_two_versions_say_so() {
    let world = World::new();
    let service = world.serve(0, honest(), Conduct::Honest).await;
    let (http, body) = (reqwest::Client::new(), b"a question of before".to_vec());
    let id = verifier_id(&scope(), &key(0).public());
    let url = format!("{}/v1/questions", service.url());
    for (version, named) in [(None, "one before 3"), (Some("4"), "version 4")] {
        let header = RequestAuth::header(&node_key(), &id, now(), "POST", "/v1/questions", &body);
        let mut request = http.post(&url).header("authorization", header).body(body.clone());
        request = request.header("fog-body-sha256", Hash32::of(&body).to_string());
        if let Some(version) = version {
            request = request.header("fog-question-version", version);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 426);
        let said = answer.text().await.unwrap();
        let both = said.contains(named) && said.contains("of version 3");
        assert!(both && said.contains("other_version") && said.contains("same version"), "{said}");
    }
    // A verifier that reads no versions yet, and not the question either.
    let card = Card {
        scope: scope(),
        seal_key: fog_protocol::SealKey::from_seed(&[1; 32]).public(),
        version: "0.0.9".to_owned(),
    };
    let card = Signed::new(card, &key(0));
    let refuses = async || {
        let error = serde_json::json!({ "code": "malformed", "message": "unexpected length" });
        (axum::http::StatusCode::BAD_REQUEST, axum::Json(error))
    };
    let router = axum::Router::new()
        .route("/v1/verifier", axum::routing::get(async move || axum::Json(card)))
        .route("/v1/questions", axum::routing::post(refuses));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let remote = Remote::new(&url, key(0).public(), scope(), node_key()).unwrap();
    let refused = ask(remote, &case(1, |_| {})).await.unwrap_err();
    let own = env!("CARGO_PKG_VERSION");
    let both = refused.contains("fog 0.0.9") && refused.contains(&format!("node fog {own}"));
    assert!(both && refused.contains("upgrade"), "{refused}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_question_or_a_reply_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = borsh::from_slice::<fog_jury::Question>(&bytes);
        let _ = borsh::from_slice::<fog_protocol::Signed<fog_jury::Reply>>(&bytes);
    }

    #[test]
    fn a_question_with_a_changed_byte_is_refused_or_another(at in 0usize..2_000, flip in 1u8..) {
        let asked = case(1, |_| {});
        let mut bytes = borsh::to_vec(&asked.question).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(changed) = borsh::from_slice::<fog_jury::Question>(&bytes) {
            prop_assert_ne!(
                fog_protocol::Tagged::digest(&changed),
                fog_protocol::Tagged::digest(&asked.question)
            );
        }
    }
}
