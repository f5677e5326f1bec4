//! What the API does with requests it should refuse.

use fog_node::Node;
use fog_protocol::{
    Address, Hash32, JettonRate, Listing, Nano, Rail, Signed, Units, api::ApiError,
};

use super::world::{MODULE, World};

async fn error(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let error: ApiError =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} with `{text}`"));
    assert!(!error.message.is_empty());
    (status, error.code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_a_code() {
    let world = World::new(0).await;
    let node = world.node().await;
    let get = |path: &str| world.http.get(format!("{}{path}", node.url())).send();
    let unknown = "00".repeat(32);
    for (path, status, code) in [
        ("/", 404, "unknown_route"),
        ("/v1/nothing", 404, "unknown_route"),
        ("/v1/tasks/xyz", 400, "bad_path"),
        ("/v1/tasks?limit=many", 400, "bad_query"),
        ("/v1/tasks?surprise=1", 400, "bad_query"),
        ("/v1/tasks?status=complete", 400, "bad_query"),
        (&format!("/v1/tasks/{unknown}"), 404, "unknown_task"),
        (&format!("/v1/tasks/{unknown}/events"), 404, "unknown_task"),
        (&format!("/v1/tasks/{unknown}/evidence"), 404, "no_verdict"),
        (&format!("/v1/tasks/{unknown}/result"), 401, "auth_missing"),
        ("/v1/gateway", 400, "not_a_websocket"),
    ] {
        assert_eq!(error(get(path).await.unwrap()).await, (status, code.to_owned()), "{path}");
    }
    let delete = world.http.delete(format!("{}/v1/tasks", node.url())).send().await.unwrap();
    assert_eq!(error(delete).await, (405, "wrong_method".to_owned()));
    let post =
        |body: Vec<u8>| world.http.post(format!("{}/v1/tasks", node.url())).body(body).send();
    assert_eq!(error(post(b"{".to_vec()).await.unwrap()).await, (400, "bad_json".to_owned()));
    assert_eq!(error(post(b"{}".to_vec()).await.unwrap()).await, (422, "bad_json".to_owned()));
    let huge = vec![b' '; 1 << 20];
    assert_eq!(error(post(huge).await.unwrap()).await, (413, "too_large".to_owned()));
    let mut listing = world.listing(&node, b"x", 1);
    let signed = Signed::new(listing.clone(), &world.requestor.key);
    let text = serde_json::to_vec(&signed).unwrap();
    assert_eq!(error(post(text).await.unwrap()).await, (422, "missing_blob".to_owned()));
    assert_eq!(world.upload(&node, b"no module").await.status(), 204);
    assert_eq!(world.upload(&node, b"x").await.status(), 204);
    let mut bad = world.listing(&node, b"x", 2);
    let module = fog_protocol::BlobRef::of(b"no module");
    bad.program = fog_protocol::Program::Wasi { module };
    let text = serde_json::to_vec(&Signed::new(bad, &world.requestor.key)).unwrap();
    assert_eq!(error(post(text).await.unwrap()).await, (422, "bad_program".to_owned()));
    // A key by which no proof could be checked: there would be no verdict, for which the node's bond
    // stands.
    let blob = fog_protocol::BlobRef::of(b"no module");
    for curve in [fog_protocol::Curve::Bn254, fog_protocol::Curve::Bls12381] {
        let mut unprovable = world.listing(&node, b"x", 3);
        unprovable.program = fog_protocol::Program::Circom { zkey: blob, witness: blob };
        let publics = vec![fog_protocol::PublicInput::Binding];
        unprovable.policy = fog_protocol::Policy::Groth16 { curve, key: blob, publics };
        let text = serde_json::to_vec(&Signed::new(unprovable, &world.requestor.key)).unwrap();
        assert_eq!(error(post(text).await.unwrap()).await, (422, "bad_policy".to_owned()));
    }
    let mut forged = signed.clone();
    forged.value.salt = Hash32([9; 32]);
    let text = serde_json::to_vec(&forged).unwrap();
    assert_eq!(error(post(text).await.unwrap()).await, (401, "bad_signature".to_owned()));
    listing.market.hash = Hash32([1; 32]);
    let text = serde_json::to_vec(&Signed::new(listing, &world.requestor.key)).unwrap();
    assert_eq!(error(post(text).await.unwrap()).await, (422, "wrong_market".to_owned()));
    node.shutdown();
    node.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_are_what_they_are_called_and_count() {
    let mut world = World::new(0).await;
    world.node_config.limits.blob_bytes = 100_000;
    world.node_config.limits.blob_bytes_per_key = 150_000;
    let node = world.node().await;
    let path = format!("/v1/blobs/{}", Hash32::of(b"another"));
    let wrong = world.call(&node, &world.requestor.key, "PUT", &path, b"content".to_vec()).await;
    assert_eq!(error(wrong).await, (422, "wrong_hash".to_owned()));
    let bare = world.http.put(format!("{}{path}", node.url())).body("another").send().await;
    assert_eq!(error(bare.unwrap()).await, (401, "auth_missing".to_owned()));
    let large = vec![1; 100_001];
    assert_eq!(error(world.upload(&node, &large).await).await, (413, "too_large".to_owned()));
    assert_eq!(world.upload(&node, &[1; 100_000]).await.status(), 204);
    assert_eq!(world.upload(&node, &[1; 100_000]).await.status(), 204, "the same again is free");
    let more = world.upload(&node, &[2; 60_000]).await;
    assert_eq!(error(more).await, (429, "blob_quota".to_owned()));
    node.shutdown();
    node.join().await.unwrap();
}

/// No bytes from outside make the node answer 5xx or fall over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_gets_4xx() {
    use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
    let world = World::new(0).await;
    let node = world.node().await;
    let mut runner = TestRunner::deterministic();
    let unknown = "ab".repeat(32);
    let paths = [
        "/v1/tasks".to_owned(),
        format!("/v1/tasks/{unknown}/nonce"),
        format!("/v1/tasks/{unknown}/submission"),
        format!("/v1/tasks/{unknown}/payload"),
        format!("/v1/tasks/{unknown}/result"),
        format!("/v1/blobs/{unknown}"),
        "/v1/gateway".to_owned(),
    ];
    let good =
        serde_json::to_value(Signed::new(world.listing(&node, MODULE, 1), &world.requestor.key))
            .unwrap()
            .to_string()
            .into_bytes();
    let cases = (
        prop::sample::select(paths.to_vec()),
        prop::sample::select(vec!["GET", "PUT", "POST", "PATCH"]),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..200),
        any::<prop::sample::Index>(),
        any::<u8>(),
    );
    for _ in 0..300 {
        let (path, method, signed, garbage, at, byte) =
            cases.new_tree(&mut runner).unwrap().current();
        let body = if byte % 2 == 0 {
            garbage
        } else {
            let mut body = good.clone();
            let place = at.index(body.len());
            body[place] = byte;
            body
        };
        let response = if signed {
            world.call(&node, &world.requestor.key, method, &path, body).await
        } else {
            let url = format!("{}{path}", node.url());
            world.http.request(method.parse().unwrap(), url).body(body).send().await.unwrap()
        };
        let status = response.status().as_u16();
        assert!(
            (200..500).contains(&status),
            "{method} {path}: {status} {}",
            response.text().await.unwrap()
        );
    }
    let alive = world.http.get(format!("{}/readyz", node.url())).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    node.shutdown();
    node.join().await.unwrap();
}

/// A node takes the jettons that it was told of, and enough of them for the guarantee its bond stands for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jettons_are_taken_by_name() {
    let mut world = World::new(0).await;
    let (taken, other) = (Address::basechain([7; 32]), Address::basechain([8; 32]));
    let rate = |units| JettonRate { master: taken, units_per_gram: Units::new(units).unwrap() };
    let none = world.node().await;
    let listing = |master, units| {
        let rail = Rail::Jetton { master, units: Units::new(units).unwrap() };
        let version = Listing::EPOCH_VERSION;
        Listing { rail, version, price_cap: Nano::grams(2), ..world.listing(&none, b"x", 1) }
    };
    let (enough, short) = (listing(taken, 6_000_000), listing(taken, 5_999_999));
    let (stranger, hidden) = (listing(other, 6_000_000), Listing { version: 1, ..enough.clone() });
    let key = world.requestor.key.clone();
    let answers = async |node: &fog_node::NodeHandle, all: [&Listing; 4]| {
        let mut codes = Vec::new();
        for listing in all {
            let body = serde_json::to_vec(&Signed::new(listing.clone(), &key)).unwrap();
            let url = format!("{}/v1/tasks", node.url());
            codes.push(
                error(reqwest::Client::new().post(url).body(body).send().await.unwrap()).await,
            );
        }
        codes.into_iter().map(|(status, code)| format!("{status} {code}")).collect::<Vec<_>>()
    };
    let all = [&enough, &short, &stranger, &hidden];
    let not = "422 jetton_not_taken";
    assert_eq!(answers(&none, all).await, [not, not, not, "422 bad_listing"]);
    assert_eq!(world.info(&none).await.jettons, []);
    none.shutdown();
    none.join().await.unwrap();

    // One jetton at two rates.
    world.node_config.jettons = vec![rate(3_000_000), rate(1)];
    let twice = Node::start(world.node_config.clone(), world.keys.clone()).await.unwrap_err();
    assert!(twice.to_string().contains("jettons"), "{twice}");
    world.node_config.jettons = vec![rate(3_000_000)];
    let node = world.node().await;
    let codes = answers(&node, all).await;
    assert_eq!(codes, ["422 missing_blob", "422 jetton_too_little", not, "422 bad_listing"]);
    assert_eq!(world.info(&node).await.jettons, world.node_config.jettons);
    node.shutdown();
    node.join().await.unwrap();
}
