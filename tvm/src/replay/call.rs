//! Replaying an executor call.

use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{IntAddr, ShardAccount, StdAddr, Transaction, TxInfo};

use crate::executor::{account_address, destination};

use super::Mismatch;
use super::input::{Call, MalformedLine};
use crate::{Config, ExecuteError, Inbound, execute, executor_params};

/// Blocks start at multiples of this logical time.
const BLOCK_LT_ALIGN: u64 = 1_000_000;
/// What stands for a message that made no transaction.
const REFUSED: &str = "refused";

pub(super) fn replay(config: &mut Config, call: Call) -> Result<Vec<Mismatch>, MalformedLine> {
    let (kind, address) = match (route(&call), &call.outcome) {
        (Ok(route), _) => route,
        // The reference cannot read it either.
        (Err(_), None) => return Ok(Vec::new()),
        (Err(error), Some((transaction, _))) => {
            let ours = format!("{REFUSED}: {error}");
            let mismatch = Mismatch::compare("ok", ours, transaction.repr_hash());
            return Ok(mismatch.into_iter().collect());
        }
    };
    let mut params = executor_params(call.now, call.lt - call.lt % BLOCK_LT_ALIGN, call.seed);
    params.libraries = call.libraries;
    let parsed = config.at(call.now).map_err(|error| MalformedLine::field("now", error))?;
    let result = execute(&params, parsed, call.lt, &address, kind, call.message, &call.account);
    Ok(match (result, call.outcome) {
        (Ok(executed), Some((transaction, account))) => {
            let ours: Cell = CellBuilder::build_from(&executed.state)
                .map_err(|error| MalformedLine::field("newShardAccount", error))?;
            let mut mismatches = Vec::new();
            if executed.transaction.repr_hash() != transaction.repr_hash() {
                mismatches.extend(transaction_details(executed.transaction.inner(), &transaction));
                mismatches.extend(Mismatch::compare(
                    "transaction",
                    executed.transaction.repr_hash(),
                    transaction.repr_hash(),
                ));
            }
            if let Some(mismatch) = account_hash(&ours, &account) {
                mismatches.push(mismatch);
            }
            mismatches.extend(Mismatch::compare(
                "newShardAccount",
                ours.repr_hash(),
                account.repr_hash(),
            ));
            mismatches
        }
        (Err(ExecuteError::NotAccepted { .. } | ExecuteError::Fatal(_)), None) => Vec::new(),
        (Ok(executed), None) => {
            Mismatch::compare("ok", executed.transaction.repr_hash(), REFUSED).into_iter().collect()
        }
        (Err(error), Some((transaction, _))) => {
            let ours = format!("{REFUSED}: {error}");
            Mismatch::compare("ok", ours, transaction.repr_hash()).into_iter().collect()
        }
    })
}

/// Whose transaction it is: the account's, wherever the message says it goes.
fn route(call: &Call) -> Result<(Inbound, StdAddr), MalformedLine> {
    let (kind, address) =
        destination(&call.message).map_err(|error| MalformedLine::field("message", error))?;
    let account = account_address(call.account.account.inner())
        .map_err(|error| MalformedLine::field("shardAccount", error))?;
    match account {
        None => Ok((kind, address)),
        Some(IntAddr::Std(address)) => Ok((kind, address)),
        Some(IntAddr::Var(_)) => {
            Err(MalformedLine::field("shardAccount", "a variable-length address"))
        }
    }
}

/// The account's own hash, where it differs: the shard account also holds the transaction's.
fn account_hash(ours: &Cell, reference: &Cell) -> Option<Mismatch> {
    let ours = ours.parse::<ShardAccount>().ok()?;
    let reference = reference.parse::<ShardAccount>().ok()?;
    if ours.account.repr_hash() == reference.account.repr_hash() {
        return None;
    }
    match (ours.load_account(), reference.load_account()) {
        (Ok(ours), Ok(reference)) => {
            Mismatch::compare("account", format!("{ours:?}"), format!("{reference:?}"))
        }
        _ => Mismatch::compare("account", ours.account.repr_hash(), reference.account.repr_hash()),
    }
}

/// The parts of two transactions that differ.
fn transaction_details(ours: &Cell, reference: &Cell) -> Vec<Mismatch> {
    let (Ok(ours), Ok(reference)) = (ours.parse::<Transaction>(), reference.parse::<Transaction>())
    else {
        return Vec::new();
    };
    let mut mismatches = Vec::new();
    let status = |tx: &Transaction| {
        format!("{:?} to {:?}, {} messages", tx.orig_status, tx.end_status, tx.out_msg_count)
    };
    mismatches.extend(Mismatch::compare("transaction.status", status(&ours), status(&reference)));
    mismatches.extend(Mismatch::compare(
        "transaction.totalFees",
        ours.total_fees.tokens,
        reference.total_fees.tokens,
    ));
    let (Ok(TxInfo::Ordinary(left)), Ok(TxInfo::Ordinary(right))) =
        (ours.load_info(), reference.load_info())
    else {
        return mismatches;
    };
    let parts = [
        (
            "transaction.storage",
            format!("{:?}", left.storage_phase),
            format!("{:?}", right.storage_phase),
        ),
        (
            "transaction.credit",
            format!("{:?}", left.credit_phase),
            format!("{:?}", right.credit_phase),
        ),
        (
            "transaction.compute",
            format!("{:?}", left.compute_phase),
            format!("{:?}", right.compute_phase),
        ),
        (
            "transaction.action",
            format!("{:?}", left.action_phase),
            format!("{:?}", right.action_phase),
        ),
        (
            "transaction.bounce",
            format!("{:?}", left.bounce_phase),
            format!("{:?}", right.bounce_phase),
        ),
        (
            "transaction.flags",
            format!("aborted {}, destroyed {}", left.aborted, left.destroyed),
            format!("aborted {}, destroyed {}", right.aborted, right.destroyed),
        ),
        ("transaction.outMessages", messages(&ours), messages(&reference)),
    ];
    for (field, ours, reference) in parts {
        mismatches.extend(Mismatch::compare(field, ours, reference));
    }
    mismatches
}

fn messages(transaction: &Transaction) -> String {
    let hashes = transaction
        .out_msgs
        .values()
        .map(|message| {
            message.map_or_else(|error| error.to_string(), |cell| cell.repr_hash().to_string())
        })
        .collect::<Vec<_>>();
    hashes.join(" ")
}
