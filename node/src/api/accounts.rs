//! Accounts and earnings: what is owed, for what, and the vouchers.

use axum::{
    Json,
    extract::{Request, State},
};
use fog_protocol::{AccountView, Address, EntryPage, VoucherFile};
use serde::Deserialize;

use super::{
    App,
    extract::{PathOf, QueryOf, body, json},
};
use crate::{
    coordinator::Command,
    denied::{Denied, Why},
};

/// Entries in one page.
const PAGE: u32 = 200;

/// `GET /v1/accounts/{address}`.
pub(super) async fn show(
    State(app): State<App>,
    PathOf(address): PathOf<Address>,
) -> Result<Json<AccountView>, Denied> {
    let view = app.shared.coordinator.ask(|reply| Command::Account { address, reply });
    view.await.map(Json)
}

/// Where a page of entries begins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<u64>,
}

/// `GET /v1/accounts/{address}/entries`.
pub(super) async fn entries(
    State(app): State<App>,
    PathOf(address): PathOf<Address>,
    QueryOf(After { after }): QueryOf<After>,
) -> Result<Json<EntryPage>, Denied> {
    let view = app.shared.coordinator.ask(|reply| Command::Account { address, reply }).await?;
    let entries = app.shared.store.entry_views(&address, after.unwrap_or(0), PAGE).await?;
    Ok(Json(EntryPage { entries, count: view.entries }))
}

/// `POST /v1/accounts/{address}/voucher`: the payer's signature in it says who sent it.
pub(super) async fn vouch(
    State(app): State<App>,
    PathOf(address): PathOf<Address>,
    request: Request,
) -> Result<Json<VoucherFile>, Denied> {
    let limit = app.shared.config.limits.json_bytes as u64;
    let (parts, content) = request.into_parts();
    let content = body(&app, &parts.headers, content, limit).await?;
    let voucher: Box<VoucherFile> = json(&content.bytes)?;
    if voucher.channel != address {
        return Err(Denied::new(Why::Invalid, "bad_voucher", "the voucher is for another account"));
    }
    app.shared.coordinator.ask(|reply| Command::Vouch { voucher, reply }).await.map(Json)
}
