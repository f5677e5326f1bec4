//! `getTokenData`: what jettons and NFTs say of themselves (TEP-74, TEP-62, TEP-64).

use num_bigint::BigInt;
use serde_json::{Value, json};
use tycho_types::dict::Dict;
use tycho_types::models::{IntAddr, StdAddr};
use tycho_types::prelude::*;

use super::address::{base64, friendly, raw};
use super::dialect::{ApiError, Parameters, ParametersExt, boc};
use crate::chain::{Chain, GetMethodOutput, StackItem};

/// Longest text a token's content may hold.
const MAX_CONTENT: usize = 64 << 10;
/// Keys of TEP-64, named in a dictionary by their SHA-256.
const CONTENT_KEYS: &[&str] = &[
    "uri",
    "name",
    "description",
    "image",
    "image_data",
    "symbol",
    "decimals",
    "amount_style",
    "render_type",
];

/// A jetton's master contract.
pub(crate) struct JettonMaster {
    pub(crate) total_supply: BigInt,
    pub(crate) mintable: bool,
    pub(crate) admin: Option<StdAddr>,
    pub(crate) content: Cell,
    pub(crate) wallet_code: Cell,
}

/// Somebody's jettons.
pub(crate) struct JettonWallet {
    pub(crate) balance: BigInt,
    pub(crate) owner: StdAddr,
    pub(crate) master: StdAddr,
    pub(crate) code: Cell,
}

/// The stack of a get-method without arguments, if it succeeds with at least `len` values.
fn ask(
    chain: &Chain,
    address: &StdAddr,
    method: &str,
    arguments: &[StackItem],
    len: usize,
) -> Result<Option<Vec<StackItem>>, ApiError> {
    let GetMethodOutput { exit_code, stack, .. } =
        chain.run_get_method(address, method, arguments)?;
    Ok((matches!(exit_code, 0 | 1) && stack.len() >= len).then_some(stack))
}

fn address_of(item: &StackItem) -> Option<StdAddr> {
    let (StackItem::Slice(cell) | StackItem::Cell(cell)) = item else { return None };
    let address = IntAddr::load_from(&mut cell.as_slice().ok()?).ok()?;
    address.as_std().cloned()
}

fn cell_of(item: &StackItem) -> Option<Cell> {
    match item {
        StackItem::Cell(cell) => Some(cell.clone()),
        _ => None,
    }
}

/// What `get_jetton_data` says, if the account is a jetton's master.
pub(crate) fn jetton_master(
    chain: &Chain,
    address: &StdAddr,
) -> Result<Option<JettonMaster>, ApiError> {
    let Some(stack) = ask(chain, address, "get_jetton_data", &[], 5)? else { return Ok(None) };
    let [supply, mintable, admin, content, code, ..] = stack.as_slice() else { return Ok(None) };
    let parts = (supply.as_int(), mintable.as_int(), cell_of(content), cell_of(code));
    let (Some(total_supply), Some(mintable), Some(content), Some(wallet_code)) = parts else {
        return Ok(None);
    };
    Ok(Some(JettonMaster {
        total_supply: total_supply.clone(),
        mintable: *mintable != BigInt::ZERO,
        admin: address_of(admin),
        content,
        wallet_code,
    }))
}

/// What `get_wallet_data` says, if the account holds jettons and its master confirms it.
pub(crate) fn jetton_wallet(
    chain: &Chain,
    address: &StdAddr,
) -> Result<Option<JettonWallet>, ApiError> {
    let Some(stack) = ask(chain, address, "get_wallet_data", &[], 4)? else { return Ok(None) };
    let [balance, owner, master, code, ..] = stack.as_slice() else { return Ok(None) };
    let parts = (balance.as_int(), address_of(owner), address_of(master), cell_of(code));
    let (Some(balance), Some(owner), Some(master), Some(code)) = parts else { return Ok(None) };
    if jetton_wallet_address(chain, &master, &owner)?.as_ref() != Some(address) {
        return Ok(None);
    }
    Ok(Some(JettonWallet { balance: balance.clone(), owner, master, code }))
}

/// Where a jetton's master says that `owner` keeps its jettons.
pub(crate) fn jetton_wallet_address(
    chain: &Chain,
    master: &StdAddr,
    owner: &StdAddr,
) -> Result<Option<StdAddr>, ApiError> {
    let owner = [StackItem::Slice(CellBuilder::build_from(owner)?)];
    let stack = ask(chain, master, "get_wallet_address", &owner, 1)?;
    Ok(stack.and_then(|stack| stack.first().and_then(address_of)))
}

/// `getTokenData`; 409 if the account is neither a jetton nor an NFT.
pub(crate) fn data(chain: &Chain, parameters: &Parameters) -> Result<Value, ApiError> {
    let address = parameters.address("address")?;
    parameters.truth("skip_verification")?;
    let shown = friendly(&address);
    if let Some(master) = jetton_master(chain, &address)? {
        return Ok(json!({
            "@type": "ext.tokens.jettonMasterData",
            "address": shown,
            "contract_type": "jetton_master",
            "total_supply": master.total_supply.to_string(),
            "mintable": master.mintable,
            "admin_address": master.admin.as_ref().map(friendly),
            "jetton_content": content(&master.content),
            "jetton_wallet_code": boc(&master.wallet_code),
        }));
    }
    if let Some(wallet) = jetton_wallet(chain, &address)? {
        return Ok(json!({
            "@type": "ext.tokens.jettonWalletData",
            "address": shown,
            "contract_type": "jetton_wallet",
            "balance": wallet.balance.to_string(),
            "owner": friendly(&wallet.owner),
            "jetton": friendly(&wallet.master),
            "jetton_wallet_code": boc(&wallet.code),
        }));
    }
    if let Some(stack) = ask(chain, &address, "get_collection_data", &[], 3)?
        && let [StackItem::Int(next), StackItem::Cell(about), owner, ..] = stack.as_slice()
    {
        return Ok(json!({
            "@type": "ext.tokens.nftCollectionData",
            "address": shown,
            "contract_type": "nft_collection",
            "next_item_index": next.to_string(),
            "owner_address": address_of(owner).as_ref().map(friendly),
            "collection_content": content(about),
        }));
    }
    if let Some(stack) = ask(chain, &address, "get_nft_data", &[], 5)?
        && let [StackItem::Int(init), StackItem::Int(index), collection, owner, about, ..] =
            stack.as_slice()
        && let StackItem::Cell(about) = about
    {
        return Ok(json!({
            "@type": "ext.tokens.nftItemData",
            "address": shown,
            "contract_type": "nft_item",
            "init": *init != BigInt::ZERO,
            "index": index.to_string(),
            "collection_address": address_of(collection).as_ref().map(friendly),
            "owner_address": address_of(owner).as_ref().map(friendly),
            "content": content(about),
        }));
    }
    let text = format!("Smart contract {} is not Jetton or NFT", raw(&address));
    Err(ApiError::new(axum::http::StatusCode::CONFLICT, text))
}

/// A token's content: a link, or the fields of a dictionary (TEP-64).
pub(crate) fn content(cell: &Cell) -> Value {
    on_chain(cell)
        .map(|fields| json!({ "type": "onchain", "data": fields }))
        .or_else(|| off_chain(cell).map(|uri| json!({ "type": "offchain", "data": uri })))
        .unwrap_or_else(|| json!({ "type": "offchain", "data": "" }))
}

fn on_chain(cell: &Cell) -> Option<serde_json::Map<String, Value>> {
    let mut slice = cell.as_slice().ok()?;
    if slice.load_u8().ok()? != 0 {
        return None;
    }
    let entries = Dict::<HashBytes, Cell>::load_from(&mut slice).ok()?;
    let mut fields = serde_json::Map::new();
    for entry in entries.iter().take(CONTENT_KEYS.len() * 4) {
        let (key, value) = entry.ok()?;
        let known =
            CONTENT_KEYS.iter().find(|name| crate::chain::local_digest(name.as_bytes()) == key.0);
        let name = known.map_or_else(|| hex::encode(key.0), |name| (*name).to_owned());
        let mut value = value.as_slice().ok()?;
        // 0x00: the text follows in this cell and the ones below.
        if value.load_u8().ok() != Some(0) {
            continue;
        }
        fields.insert(name, text(&snake(value)).into());
    }
    Some(fields)
}

fn off_chain(cell: &Cell) -> Option<String> {
    let mut slice = cell.as_slice().ok()?;
    if slice.size_bits() >= 8 && slice.get_u8(0).ok()? == 1 {
        slice.load_u8().ok()?;
    }
    Some(text(&snake(slice)))
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => base64(bytes),
    }
}

/// Bytes that begin in a slice and go on in first references.
pub(crate) fn snake(slice: CellSlice<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = slice;
    loop {
        let mut buffer = [0u8; 128];
        let bits = rest.size_bits() / 8 * 8;
        if let Ok(part) = rest.get_raw(0, &mut buffer, bits) {
            bytes.extend_from_slice(part);
        }
        if bytes.len() > MAX_CONTENT {
            return bytes;
        }
        match rest.get_reference(0).map(|next| next.as_slice()) {
            Ok(Ok(next)) => rest = next,
            _ => return bytes,
        }
    }
}
