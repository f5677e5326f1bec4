//! Uploads of programs, inputs and keys, by content.

use axum::{extract::Request, extract::State, http::StatusCode};
use fog_protocol::{BlobRef, Hash32};

use super::{
    App,
    extract::{PathOf, SignedRequest, body},
};
use crate::{
    denied::{Denied, Why},
    shared::wall_seconds,
    store::BlobRefused,
};

/// `PUT /v1/blobs/{sha256}`.
pub(super) async fn upload(
    State(app): State<App>,
    PathOf(hash): PathOf<Hash32>,
    request: Request,
) -> Result<StatusCode, Denied> {
    let limits = &app.shared.config.limits;
    let (signed, content) = SignedRequest::split(request)?;
    let content = body(&app, &signed.headers, content, limits.blob_bytes).await?;
    let owner = signed.signer(&app, &content.bytes)?;
    let blob = BlobRef::of(&content.bytes);
    if blob.hash != hash {
        return Err(Denied::new(
            Why::Invalid,
            "wrong_hash",
            format!("the bytes have the SHA-256 {}: put them there", blob.hash),
        ));
    }
    let stored =
        app.shared.store.put_blob(owner, blob, content.bytes, limits, wall_seconds()).await?;
    stored.map(|()| StatusCode::NO_CONTENT).map_err(|refused| match refused {
        BlobRefused::OwnerQuota { used, allowed } => Denied::new(
            Why::TooMany,
            "blob_quota",
            format!("this key stores {used} of {allowed} bytes: unused blobs go after a day"),
        ),
        BlobRefused::Full => {
            Denied::new(Why::TooMany, "blobs_full", "the node has no room for blobs: try later")
        }
    })
}
