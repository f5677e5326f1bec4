//! Routes about accounts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde_json::{Map, Value, json};
use tycho_types::models::StdAddr;

use super::params::Params;
use super::shape::{Writer, account_status, hash, interfaces, raw, state_hash};
use crate::chain::{AccountView, Chain};
use crate::toncenter::accounts::wallet_of;
use crate::toncenter::dialect::{ApiError, boc};
use crate::toncenter::index::Index;

/// Most accounts looked at for the richest ones.
const MAX_ACCOUNTS: usize = 200_000;

/// The accounts asked for that exist or ever did.
fn known(chain: &Chain, params: &Params) -> Result<Vec<AccountView>, ApiError> {
    let code_hashes = params.hashes("code_hash")?;
    let addresses = params.addresses("address")?;
    if addresses.is_empty() {
        return Err(ApiError::parameter("address of account is required"));
    }
    let mut views = Vec::new();
    for address in &addresses {
        let view = chain.account(address)?;
        let seen = view.account.is_some() || view.last_lt > 0;
        let code = view.code.as_ref().map(|code| *code.repr_hash());
        let fits = code_hashes.is_empty() || code.is_some_and(|code| code_hashes.contains(&code));
        if seen && fits {
            views.push(view);
        }
    }
    Ok(views)
}

pub(crate) fn states(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let with_boc = params.flag("include_boc")?.unwrap_or(true);
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for view in known(chain, params)? {
        let mut row = json!({
            "address": writer.address(&view.address),
            "account_state_hash": hash(&state_hash(chain, &view.address)?),
            "balance": view.balance.to_string(),
            "extra_currencies": {},
            "status": account_status(&view),
            "last_transaction_hash": hash(&view.last_hash),
            "last_transaction_lt": view.last_lt.to_string(),
            "contract_methods": null,
            "interfaces": interfaces(&view),
        });
        if let Some(frozen) = &view.frozen_hash {
            row["frozen_hash"] = hash(frozen).into();
        }
        for (name, cell) in [("data", &view.data), ("code", &view.code)] {
            let Some(cell) = cell else { continue };
            row[format!("{name}_hash")] = hash(cell.repr_hash()).into();
            if with_boc {
                row[format!("{name}_boc")] = boc(cell).into();
            }
        }
        rows.push(row);
    }
    Ok(json!({ "accounts": rows, "address_book": writer.address_book()?, "metadata": {} }))
}

pub(crate) fn wallets(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for view in known(chain, params)? {
        let mut row = json!({
            "address": writer.address(&view.address),
            "is_wallet": false,
            "balance": view.balance.to_string(),
            "extra_currencies": {},
            "status": account_status(&view),
            "last_transaction_hash": hash(&view.last_hash),
            "last_transaction_lt": view.last_lt.to_string(),
        });
        if let Some(code) = &view.code {
            row["code_hash"] = hash(code.repr_hash()).into();
        }
        if let Some(wallet) = wallet_of(&view) {
            row["is_wallet"] = true.into();
            row["wallet_type"] = wallet.name.into();
            row["seqno"] = wallet.seqno.into();
            if let Some(id) = wallet.id {
                row["wallet_id"] = id.into();
            }
            if let Some(allowed) = wallet.signature_allowed {
                row["is_signature_allowed"] = allowed.into();
            }
        }
        rows.push(row);
    }
    Ok(json!({ "wallets": rows, "address_book": writer.address_book()?, "metadata": {} }))
}

pub(crate) fn address_book(
    chain: &Chain,
    index: &Index,
    params: &Params,
) -> Result<Value, ApiError> {
    let mut writer = Writer::new(chain, index);
    for address in params.some_addresses("address")? {
        writer.address(&address);
    }
    writer.address_book()
}

/// `metadata`: nobody indexes tokens here, so there is nothing to tell of any account.
pub(crate) fn metadata(params: &Params) -> Result<Value, ApiError> {
    let mut metadata = Map::new();
    for address in params.some_addresses("address")? {
        metadata.insert(raw(&address), json!({ "is_indexed": false, "token_info": [] }));
    }
    Ok(Value::Object(metadata))
}

/// `topAccountsByBalance`.
pub(crate) fn richest(chain: &Chain, params: &Params) -> Result<Value, ApiError> {
    const PAGE: usize = 1_000;
    let page = params.page()?;
    // The smallest of the richest on top, so that it is the one to go.
    let mut best: BinaryHeap<Reverse<(u128, StdAddr)>> = BinaryHeap::new();
    let (mut after, mut seen) = (None, 0usize);
    while seen < MAX_ACCOUNTS {
        let accounts = chain.accounts(after.as_ref(), PAGE)?;
        seen = seen.saturating_add(accounts.len());
        let Some(last) = accounts.last() else { break };
        after = Some(last.address.clone());
        for view in accounts {
            best.push(Reverse((view.balance, view.address)));
            if best.len() > page.needed() {
                best.pop();
            }
        }
    }
    let rows = best.into_sorted_vec().into_iter().map(
        |Reverse((balance, address))| json!({ "account": raw(&address), "balance": balance.to_string() }),
    );
    Ok(page.cut(rows).into())
}
