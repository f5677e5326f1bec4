//! Epochs of audit seeds: shown to everybody, and asked of every listing that may be drawn.

use axum::{Json, extract::State};
use fog_protocol::{Epoch, Listing, Signed, api::EpochView};

use super::{App, extract::PathOf};
use crate::{
    denied::{Denied, Why},
    epoch::{Begun, GRACE_SECONDS},
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
    let known = app.shared.store.epoch(number, app.shared.clock.now()).await?;
    let (epoch, told) = known
        .ok_or_else(|| Denied::new(Why::NotFound, "unknown_epoch", "this epoch has not begun"))?;
    Ok(Json(view(&app, epoch, told)))
}

/// The epoch that a listing names, as it was signed.
pub(super) async fn of(app: &App, listing: &Listing) -> Result<Option<Signed<Epoch>>, Denied> {
    let Some(named) = listing.named_epoch() else { return Ok(None) };
    let known = app.shared.store.epoch(named.number, app.shared.clock.now()).await?;
    Ok(known.and_then(|(epoch, _)| epoch.signed))
}

/// A listing that may be drawn names the epoch that runs, or the one that just ended: the seed of
/// its draw is fixed, and nobody else knows it, before anybody can commit to a result.
pub(super) async fn check(app: &App, listing: &Listing) -> Result<(), Denied> {
    let current = app.shared.epoch();
    let number = current.number;
    let cure = format!("name the current epoch, {number}, as GET /v1/epochs/current shows it");
    let invalid =
        |code: &str, what: String| Err(Denied::new(Why::Invalid, code, format!("{what}: {cure}")));
    let Some(named) = listing.named_epoch() else {
        if listing.policy.is_proof() {
            return Ok(());
        }
        let what = "the listing names no epoch, so that no draw could be shown to be fair";
        return invalid("no_epoch", what.to_owned());
    };
    let now = app.shared.clock.now();
    let known = app.shared.store.epoch(named.number, now).await?;
    let Some((epoch, _)) = known.filter(|(epoch, _)| epoch.seed_hash == named.seed_hash) else {
        return invalid("unknown_epoch", format!("epoch {} is not one of this node", named.number));
    };
    let just_ended = epoch.number + 1 == number && now <= epoch.ends_at() + GRACE_SECONDS;
    if epoch.number == number || just_ended {
        return Ok(());
    }
    invalid("epoch_over", format!("epoch {} is over", named.number))
}
