//! Epochs of audit seeds, shown to everybody.

use axum::{Json, extract::State};
use fog_protocol::{Listing, api::EpochView};

use super::{App, extract::PathOf};
use crate::{
    denied::{Denied, Why},
    epoch::Begun,
    store::Told,
};

fn view(app: &App, epoch: Begun, told: Told) -> EpochView {
    let Begun { number, seed_hash, started_at, signed } = epoch;
    let seed = (told == Told::Revealed).then(|| app.shared.epochs.seed(number));
    EpochView { epoch: number, seed_hash, started_at, signed, seed }
}

/// `GET /v1/epochs/current`: the one that listings posted now name.
pub(super) async fn current(State(app): State<App>) -> Json<EpochView> {
    let epoch = app.shared.epoch();
    Json(view(&app, epoch, Told::Secret))
}

/// `GET /v1/epochs/{number}`.
pub(super) async fn epoch(
    State(app): State<App>,
    PathOf(number): PathOf<u64>,
) -> Result<Json<EpochView>, Denied> {
    let known = app.shared.store.epoch(number).await?;
    let (epoch, told) = known
        .ok_or_else(|| Denied::new(Why::NotFound, "unknown_epoch", "this epoch has not begun"))?;
    Ok(Json(view(&app, epoch, told)))
}

/// The epoch with the number that a listing names, if there is one.
pub(super) async fn of(app: &App, listing: &Listing) -> Result<Option<Begun>, Denied> {
    let Some(named) = listing.named_epoch() else { return Ok(None) };
    let current = app.shared.epoch();
    if named.number == current.number {
        return Ok(Some(current));
    }
    let known = app.shared.store.epoch(named.number).await?;
    Ok(known.map(|(epoch, _)| epoch))
}
