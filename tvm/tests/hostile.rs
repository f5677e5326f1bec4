//! Nothing from outside panics: random code, random messages, random lines.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::LazyLock;

use fog_tvm::replay::{Replay, read_config};
use fog_tvm::{Config, GetMethodContext, MethodId, StackItem, get_method};
use proptest::prelude::*;
use tycho_types::boc::Boc;
use tycho_types::models::{Account, AccountState, StateInit, StdAddr, StorageInfo};
use tycho_types::num::Tokens;
use tycho_types::prelude::*;

static CONFIG: LazyLock<Cell> = LazyLock::new(|| {
    read_config(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/res/config.boc")).unwrap()
});

static LINES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let calls = include_str!("vectors/wallets.jsonl").lines();
    calls.chain(include_str!("vectors/bls_get_methods.jsonl").lines()).collect()
});

thread_local! {
    static PARSED: Config = Config::from_root(CONFIG.clone(), 1_760_000_000).unwrap();
}

fn account(code: Cell) -> Account {
    Account {
        address: StdAddr::new(0, HashBytes::ZERO).into(),
        storage_stat: StorageInfo::default(),
        last_trans_lt: 0,
        balance: Tokens::new(1_000_000_000).into(),
        state: AccountState::Active(StateInit { code: Some(code), ..StateInit::default() }),
    }
}

fn cell(bytes: &[u8], child: Option<Cell>) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_raw(bytes, bytes.len() as u16 * 8).unwrap();
    if let Some(child) = child {
        builder.store_reference(child).unwrap();
    }
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn random_code_never_panics(
        code in prop::collection::vec(any::<u8>(), 0..120),
        more in prop::collection::vec(any::<u8>(), 0..100),
        numbers in prop::collection::vec(any::<i64>(), 0..12),
    ) {
        let account = account(cell(&code, Some(cell(&more, None))));
        let arguments = numbers.into_iter().map(StackItem::int).collect::<Vec<_>>();
        let context = GetMethodContext { now: 1_760_000_000, gas_limit: 100_000 };
        PARSED.with(|config| {
            get_method(config.current(), Some(&account), context, MethodId(0), &arguments).unwrap()
        });
    }

    #[test]
    fn random_lines_are_refused_or_replayed(line in ".{0,200}") {
        let _ = Replay::new(CONFIG.clone()).unwrap().text("random", &line);
    }

    #[test]
    fn mutated_recordings_are_refused_or_replayed(
        index in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        field in prop::sample::select(vec!["message", "shardAccount", "transaction", "code"]),
        flip in 1u8..,
    ) {
        let line = LINES[index.index(LINES.len())];
        let mut recording: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(text) = recording.get(field).and_then(|value| value.as_str()) else {
            return Ok(());
        };
        // Written again without a checksum, so that what is changed is not only the checksum.
        let mut bytes = Boc::encode(Boc::decode_base64(text).unwrap());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        recording[field] = base64(&bytes).into();
        let _ = Replay::new(CONFIG.clone()).unwrap().text("mutated", &recording.to_string());
    }
}

/// Standard base64.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for digit in 0..4 {
            let value = (number >> (18 - 6 * digit)) & 63;
            let padding = digit > chunk.len();
            out.push(if padding { '=' } else { DIGITS[value as usize] as char });
        }
    }
    out
}
