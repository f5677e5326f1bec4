//! The upgrade test of the pinned tycho crates: what the reference C++ TVM did with 89 real
//! messages, replayed. Every difference is known and listed; a new one fails, and so does one that
//! disappears.

use std::collections::BTreeSet;

use fog_testnet::chain::{ExecuteError, Inbound, NetworkConfig, execute};
use serde::Deserialize;
use tycho_executor::ExecutorParams;
use tycho_types::boc::{Boc, BocRepr};
use tycho_types::cell::{Cell, CellBuilder, HashBytes};
use tycho_types::models::{IntAddr, MsgInfo, ShardAccount, StdAddr};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    label: String,
    now: u32,
    lt: String,
    random_seed: Option<String>,
    message: String,
    shard_account: String,
    ok: bool,
    transaction: Option<String>,
    new_shard_account: Option<String>,
}

/// Recordings that stock tycho 0.3.7 does not reproduce, by line number from 0, and why.
///
/// They concern flags in the transaction, statistics of undeployed accounts and one frozen account;
/// no balance and no contract data differ but in line 47.
const KNOWN_DIFFERENCES: &[(usize, &str)] = &[
    (0, FLAGS),
    (1, FLAGS),
    (3, FLAGS),
    (35, STUB),
    (37, STUB),
    (42, FLAGS),
    (47, FROZEN),
    (54, STUB),
    (55, FLAGS),
    (66, STUB),
    (67, FLAGS),
    (78, STUB),
    (79, FLAGS),
];

/// The reference always writes false into these two flags.
const FLAGS: &str = "deployment: msg_state_used and account_activated are true, reference false";
/// The sandbox's stub of a missing account is an uninit one with zero storage statistics, which
/// the reference then keeps and tycho computes anew.
const STUB: &str = "starts from the sandbox's stub of a missing account";
/// Tycho decides to freeze in the storage phase but still runs the code.
const FROZEN: &str = "an account frozen in the storage phase still executes, reference skips";

fn matches(index: usize, recording: &Recording) -> Result<(), String> {
    let mut network = NetworkConfig::recorded(recording.now).map_err(|error| error.to_string())?;
    let message = Boc::decode_base64(&recording.message).unwrap();
    let state: ShardAccount = BocRepr::decode_base64(&recording.shard_account).unwrap();
    let lt: u64 = recording.lt.parse().unwrap();
    let seed = recording.random_seed.as_deref().map_or(HashBytes::ZERO, |hex| hex.parse().unwrap());
    let (kind, address): (_, StdAddr) = match message.parse::<MsgInfo>().unwrap() {
        MsgInfo::Int(info) => (Inbound::Internal, std_addr(info.dst)),
        MsgInfo::ExtIn(info) => (Inbound::External, std_addr(info.dst)),
        MsgInfo::ExtOut(_) => panic!("recording {index} is outbound"),
    };
    let params = ExecutorParams {
        block_unixtime: recording.now,
        block_lt: lt,
        rand_seed: seed,
        full_body_in_bounced: false,
        strict_extra_currency: true,
        authority_marks_enabled: false,
        charge_action_fees_on_fail: true,
        disable_delete_frozen_accounts: false,
        ..Default::default()
    };
    let config = network.at(recording.now).map_err(|error| error.to_string())?;
    let result = execute(&params, config, lt, &address, kind, message, &state);
    match (result, recording.ok) {
        (Ok(executed), true) => {
            let transaction = Boc::decode_base64(recording.transaction.as_ref().unwrap()).unwrap();
            let account =
                Boc::decode_base64(recording.new_shard_account.as_ref().unwrap()).unwrap();
            let ours: Cell = CellBuilder::build_from(&executed.state).unwrap();
            match (
                executed.transaction.repr_hash() == transaction.repr_hash(),
                ours.repr_hash() == account.repr_hash(),
            ) {
                (true, true) => Ok(()),
                (transaction, account) => {
                    Err(format!("same transaction: {transaction}, same account: {account}"))
                }
            }
        }
        (Err(ExecuteError::NotAccepted { .. }), false) => Ok(()),
        (Ok(_), false) => Err("accepted what the reference refused".to_owned()),
        (Err(error), _) => Err(error.to_string()),
    }
}

fn std_addr(address: IntAddr) -> StdAddr {
    match address {
        IntAddr::Std(address) => address,
        IntAddr::Var(_) => panic!("a recording has a variable address"),
    }
}

#[test]
fn recordings_match_except_the_known_differences() {
    let text = include_str!("../vectors/wallets.jsonl");
    let mut differing = BTreeSet::new();
    let mut total = 0;
    for (index, line) in text.lines().enumerate() {
        let recording: Recording = serde_json::from_str(line).unwrap();
        total += 1;
        if let Err(reason) = matches(index, &recording) {
            println!("{index:3} {:20} {reason}", recording.label);
            differing.insert(index);
        }
    }
    for (index, reason) in KNOWN_DIFFERENCES {
        println!("known: {index:3} {reason}");
    }
    println!("{} of {total} recordings match", total - differing.len());
    assert_eq!(total, 89);
    let known = KNOWN_DIFFERENCES.iter().map(|(index, _)| *index).collect::<BTreeSet<_>>();
    assert_eq!(differing, known, "the set of known differences changed");
}
