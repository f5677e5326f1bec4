//! Jettons and NFTs named by their addresses: their contracts are asked. Nobody indexes tokens
//! here, so what nobody names is not found.

use num_bigint::BigInt;
use serde_json::{Value, json};
use tycho_types::models::StdAddr;

use super::params::Params;
use super::shape::{Writer, hash};
use crate::chain::{AccountView, Chain};
use crate::toncenter::dialect::ApiError;
use crate::toncenter::index::Index;
use crate::toncenter::tokens::{
    JettonWallet, content, jetton_master, jetton_wallet, jetton_wallet_address,
};

fn hashes(row: &mut Value, view: &AccountView) {
    row["last_transaction_lt"] = view.last_lt.to_string().into();
    for (name, cell) in [("code_hash", &view.code), ("data_hash", &view.data)] {
        row[name] = cell.as_ref().map(|cell| hash(cell.repr_hash())).into();
    }
}

pub(crate) fn masters(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let page = params.page()?;
    let admins = params.addresses("admin_address")?;
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for address in params.addresses("address")? {
        let Some(master) = jetton_master(chain, &address)? else { continue };
        let ours = |admin: &StdAddr| admins.contains(admin);
        if !admins.is_empty() && !master.admin.as_ref().is_some_and(ours) {
            continue;
        }
        let about = content(&master.content);
        let fields = match &about["data"] {
            Value::Object(fields) => Value::Object(fields.clone()),
            uri => json!({ "uri": uri }),
        };
        let mut row = json!({
            "address": writer.address(&address),
            "total_supply": master.total_supply.to_string(),
            "mintable": master.mintable,
            "admin_address": master.admin.as_ref().map(|admin| writer.address(admin)),
            "jetton_content": fields,
            "jetton_wallet_code_hash": hash(master.wallet_code.repr_hash()),
        });
        hashes(&mut row, &chain.account(&address)?);
        rows.push(row);
    }
    let rows = page.cut(rows);
    Ok(json!({ "jetton_masters": rows, "address_book": writer.address_book()?, "metadata": {} }))
}

/// `JettonWallet`.
pub(crate) fn wallet_row(
    writer: &mut Writer<'_>,
    address: &StdAddr,
    wallet: &JettonWallet,
) -> Result<Value, ApiError> {
    let mut row = json!({
        "address": writer.address(address),
        "balance": wallet.balance.to_string(),
        "owner": writer.address(&wallet.owner),
        "jetton": writer.address(&wallet.master),
    });
    hashes(&mut row, &writer.chain.account(address)?);
    Ok(row)
}

pub(crate) fn wallets(chain: &Chain, index: &Index, params: &Params) -> Result<Value, ApiError> {
    let page = params.page()?;
    let owners = params.addresses("owner_address")?;
    let masters = params.addresses("jetton_address")?;
    let without_empty = params.flag("exclude_zero_balance")? == Some(true);
    if masters.len() > 1 && owners.len() != 1 {
        let text = "exact one owner_address required for multiple jetton_address";
        return Err(ApiError::parameter(text));
    }
    let mut addresses = params.addresses("address")?;
    for master in &masters {
        for owner in &owners {
            addresses.extend(jetton_wallet_address(chain, master, owner)?);
        }
    }
    let mut writer = Writer::new(chain, index);
    let mut rows = Vec::new();
    for address in addresses {
        let Some(wallet) = jetton_wallet(chain, &address)? else { continue };
        let fits = (owners.is_empty() || owners.contains(&wallet.owner))
            && (masters.is_empty() || masters.contains(&wallet.master))
            && !(without_empty && wallet.balance == BigInt::ZERO);
        if fits {
            rows.push(wallet_row(&mut writer, &address, &wallet)?);
        }
    }
    let rows = page.cut(rows);
    Ok(json!({ "jetton_wallets": rows, "address_book": writer.address_book()?, "metadata": {} }))
}
