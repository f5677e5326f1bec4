//! Against an independent gateway: the reference TVM behind a server of the dialect that shares no
//! code with this project (`tests/oracle`), and lies, lags, reorders, limits and drops on command.

pub(crate) mod server;
pub(crate) mod stage;

use std::time::{Duration, Instant};

use server::OracleOptions;
use stage::Stage;

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// By configuration alone: another implementation of the chain, an API key, the same binary.
#[test]
fn a_whole_task_against_the_reference_tvm() {
    runtime().block_on(async {
        let options = OracleOptions { key: Some("a key"), ..OracleOptions::default() };
        let stage = Stage::start(options, "").await;
        let before = stage.holdings().await;
        let view = stage.post(1).await;
        assert_eq!(view["status"], "paid", "{view:#}");
        let after = stage.holdings().await;
        assert!(after.earned > before.earned && after.fees > before.fees);
        assert_eq!((after.staked, after.reserved), (before.staked, 0));
    });
}
