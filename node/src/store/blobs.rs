//! Which blobs there are, whose they are, and when they go.

use std::sync::Arc;

use fog_protocol::{BlobRef, Hash32, PublicKey};
use sqlx::Row as _;

use super::{Kind, Store, from_hash, to_hash, to_i64, to_u64};
use crate::{NodeError, config::Limits};

/// Why a blob is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobRefused {
    /// The key's quota would be exceeded.
    OwnerQuota {
        /// Bytes the key has stored.
        used: u64,
        /// Bytes it may.
        allowed: u64,
    },
    /// The node has no room left.
    Full,
}

/// Most blobs removed in one sweep.
const SWEEP: i64 = 500;

impl Store {
    /// Stores a blob for `owner`. The caller has checked that `blob` names `bytes`.
    pub(crate) async fn put_blob(
        &self,
        owner: PublicKey,
        blob: BlobRef,
        bytes: Vec<u8>,
        limits: &Limits,
        now_wall: u64,
    ) -> Result<Result<(), BlobRefused>, NodeError> {
        if let Err(refused) = self.blob_room(owner, blob, limits).await? {
            return Ok(Err(refused));
        }
        // The file first: a row never names a file that is not there.
        let bytes = Arc::new(bytes);
        self.put_blob_file(blob, Arc::clone(&bytes)).await?;
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO blobs (hash, bytes, touched_wall) VALUES ($1, $2, $3)
             ON CONFLICT (hash) DO UPDATE SET touched_wall = excluded.touched_wall",
        )
        .bind(from_hash(&blob.hash))
        .bind(to_i64(blob.bytes)?)
        .bind(to_i64(now_wall)?)
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO blob_owners (hash, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(from_hash(&blob.hash))
            .bind(from_hash(&owner.0))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        // A sweep may have taken the file just before the row said that it is wanted.
        let there = self.with_files(move |files| files.has(Kind::Blob, &blob.hash)).await?;
        if !there {
            self.put_blob_file(blob, bytes).await?;
        }
        Ok(Ok(()))
    }

    async fn put_blob_file(&self, blob: BlobRef, bytes: Arc<Vec<u8>>) -> Result<(), NodeError> {
        self.with_files(move |files| files.put(Kind::Blob, &blob.hash, &bytes)).await
    }

    async fn blob_room(
        &self,
        owner: PublicKey,
        blob: BlobRef,
        limits: &Limits,
    ) -> Result<Result<(), BlobRefused>, NodeError> {
        let row = sqlx::query(
            "SELECT (SELECT coalesce(sum(b.bytes), 0) FROM blob_owners o JOIN blobs b USING (hash)
                     WHERE o.owner = $1 AND o.hash <> $2) AS owned,
                    (SELECT coalesce(sum(bytes), 0) FROM blobs WHERE hash <> $2) AS total",
        )
        .bind(from_hash(&owner.0))
        .bind(from_hash(&blob.hash))
        .fetch_one(self.reader())
        .await?;
        let used = to_u64(row.try_get("owned")?)?;
        let total = to_u64(row.try_get("total")?)?;
        Ok(if used.saturating_add(blob.bytes) > limits.blob_bytes_per_key {
            Err(BlobRefused::OwnerQuota { used, allowed: limits.blob_bytes_per_key })
        } else if total.saturating_add(blob.bytes) > limits.blob_bytes_total {
            Err(BlobRefused::Full)
        } else {
            Ok(())
        })
    }

    /// The length of a stored blob.
    pub(crate) async fn blob_bytes(&self, hash: &Hash32) -> Result<Option<u64>, NodeError> {
        let bytes: Option<i64> = sqlx::query_scalar("SELECT bytes FROM blobs WHERE hash = $1")
            .bind(from_hash(hash))
            .fetch_optional(self.reader())
            .await?;
        Ok(bytes.map(to_u64).transpose()?)
    }

    /// Reads a blob; `None` if it is not stored.
    pub(crate) async fn blob(&self, blob: BlobRef) -> Result<Option<Vec<u8>>, NodeError> {
        self.with_files(move |files| files.get(Kind::Blob, &blob.hash, blob.bytes)).await
    }

    /// Removes blobs that no living task uses and nobody touched since `before_wall`. Uses of
    /// ended tasks are forgotten first, `ended_before` being chain time.
    pub(crate) async fn sweep_blobs(
        &self,
        before_wall: u64,
        ended_before: u64,
    ) -> Result<usize, NodeError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "DELETE FROM blob_uses WHERE task IN (
                SELECT t.id FROM tasks t JOIN statuses s ON s.name = t.status
                WHERE s.terminal = 1 AND t.changed_at < $1)",
        )
        .bind(to_i64(ended_before)?)
        .execute(&mut *tx)
        .await?;
        let rows = sqlx::query(
            "DELETE FROM blobs WHERE hash IN (
                SELECT hash FROM blobs b WHERE touched_wall < $1
                AND NOT EXISTS (SELECT 1 FROM blob_uses u WHERE u.hash = b.hash) LIMIT $2)
             RETURNING hash",
        )
        .bind(to_i64(before_wall)?)
        .bind(SWEEP)
        .fetch_all(&mut *tx)
        .await?;
        let hashes =
            rows.iter().map(|row| to_hash(row.try_get("hash")?)).collect::<Result<Vec<_>, _>>()?;
        // Files go before the commit while the writer is held: a new upload of the same blob
        // waits, then writes the file anew.
        let removed = hashes.clone();
        self.with_files(move |files| {
            removed.iter().try_for_each(|hash| files.remove(Kind::Blob, hash))
        })
        .await?;
        tx.commit().await?;
        Ok(hashes.len())
    }

    /// Removes results and submissions of tasks that ended before `ended_before` (chain time).
    pub(crate) async fn sweep_results(&self, ended_before: u64) -> Result<(), NodeError> {
        let rows = sqlx::query(
            "SELECT t.id FROM tasks t JOIN statuses s ON s.name = t.status
             WHERE s.terminal = 1 AND t.files = 1 AND t.changed_at < $1 LIMIT $2",
        )
        .bind(to_i64(ended_before)?)
        .bind(SWEEP)
        .fetch_all(self.reader())
        .await?;
        for row in rows {
            let task = to_hash(row.try_get("id")?)?;
            self.with_files(move |files| {
                files.remove(Kind::Result, &task)?;
                files.remove(Kind::Submission, &task)
            })
            .await?;
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE tasks SET files = 0 WHERE id = $1")
                .bind(from_hash(&task))
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
