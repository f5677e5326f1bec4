//! The outbox in the database: intents, and the wallet's messages they travel in.
//!
//! ```text
//! pending --sign--> signed --send--> sent --transaction seen--> final --effect seen--> done
//!    ^                |                |                          |---thrown back---> refused
//!    '----expired-----'-----expired----'
//! ```
//! Any living intent becomes `void` when its effect is not needed any more.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_contracts::epoch::Epoch;
use fog_protocol::{
    Address, Bid, Commit, Hash32, Nano, PublicKey, Signature, Signed, TaskId, VoucherFile,
};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store,
    batch::{End, FinalMessage, IntentEnd, NewIntent},
    from_hash,
    rows::to_value,
    to_hash, to_i64, to_u64,
};
use crate::NodeError;

/// What an intent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntentKind {
    /// Reserve the worker's stake.
    Assign,
    /// Put the worker's commitment on chain.
    Commit,
    /// Put the verdict on chain.
    Verdict,
    /// Pay or slash after the challenge window.
    Finalize,
    /// Push a task out of a state whose deadline has passed.
    Expire,
    /// Put the worker's proof on chain, which settles the task.
    Prove,
    /// Put on chain that the worker did not hand its result over.
    Undelivered,
    /// Take the penalty for that after the challenge window.
    Penalise,
    /// Put the ruling on a disputed verdict on chain.
    Ruling,
    /// Challenge a verdict whose result was found wrong after it.
    Challenge,
    /// Redeem an account's voucher.
    Redeem,
    /// Pay into a worker's earnings.
    TopUp,
    /// Fund the task of a pledge.
    PledgeOpen,
    /// Reserve the pledged stake.
    PledgeReserve,
    /// Put the worker's promise on chain.
    PledgePromise,
    /// Put the verdict on a pledge on chain.
    PledgeJudge,
    /// Release or slash after the challenge window.
    PledgeEnd,
    /// Push a pledge's task out of a state whose deadline has passed.
    PledgeExpire,
    /// Tell the head of an epoch that is shut.
    Anchor,
    /// Have a task that was paid in a jetton send the node's share.
    ClaimShare,
}

impl IntentKind {
    /// Its name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Commit => "commit",
            Self::Verdict => "verdict",
            Self::Finalize => "finalize",
            Self::Expire => "expire",
            Self::Prove => "prove",
            Self::Undelivered => "undelivered",
            Self::Penalise => "penalise",
            Self::Ruling => "ruling",
            Self::Challenge => "challenge",
            Self::Redeem => "redeem",
            Self::TopUp => "top_up",
            Self::PledgeOpen => "pledge_open",
            Self::PledgeReserve => "pledge_reserve",
            Self::PledgePromise => "pledge_promise",
            Self::PledgeJudge => "pledge_judge",
            Self::PledgeEnd => "pledge_end",
            Self::PledgeExpire => "pledge_expire",
            Self::Anchor => "anchor",
            Self::ClaimShare => "claim_share",
        }
    }

    /// May a task have several, one after the other?
    const fn repeats(self) -> bool {
        match self {
            Self::Assign | Self::Expire | Self::TopUp | Self::PledgeExpire | Self::ClaimShare => {
                true
            }
            Self::Commit
            | Self::Verdict
            | Self::Finalize
            | Self::Prove
            | Self::Undelivered
            | Self::Penalise
            | Self::Ruling
            | Self::Challenge
            | Self::Redeem
            | Self::PledgeOpen
            | Self::PledgeReserve
            | Self::PledgePromise
            | Self::PledgeJudge
            | Self::PledgeEnd
            | Self::Anchor => false,
        }
    }
}

impl IntentKind {
    /// Seconds until what was thrown back is sent again, doubled with every further time, and the most of
    /// them: each costs gas. A contract may only be a moment behind; a jetton's wallet that is locked stays
    /// so for a while.
    const fn backoff(self) -> (i64, i64) {
        match self {
            Self::ClaimShare => (600, 24 * 3600),
            // These have a deadline, and somebody's money hangs on it.
            Self::Assign
            | Self::Commit
            | Self::Verdict
            | Self::Undelivered
            | Self::Ruling
            | Self::Challenge
            | Self::Prove => (2, 60),
            _ => (2, 3600),
        }
    }
}

/// What is to be done on chain, complete: building its message needs nothing else but keys.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Intent {
    /// Reserve the worker's stake.
    Assign {
        /// The task's contract.
        escrow: Address,
        /// The worker.
        worker: Address,
        /// Agreed price.
        price: Nano,
        /// Stake to reserve.
        reserve: Nano,
        /// The worker's consent to that.
        consent: Signature,
        /// Last second of the consent.
        valid_until: u64,
    },
    /// Put the worker's commitment on chain.
    Commit {
        /// The task's contract.
        escrow: Address,
        /// As the worker signed it.
        commit: Signed<Commit>,
    },
    /// Put the verdict on chain.
    Verdict(Judged),
    /// Pay or slash.
    Finalize {
        /// The task's contract.
        escrow: Address,
    },
    /// Push it out of its state.
    Expire {
        /// The task's contract.
        escrow: Address,
    },
    /// Put on chain that the result was not handed over.
    Undelivered(Judged),
    /// Take the penalty for that.
    Penalise {
        /// The task's contract.
        escrow: Address,
    },
    /// Put the ruling on a disputed verdict on chain.
    Ruling(Judged),
    /// Settle it by a proof.
    Prove {
        /// The task's contract.
        escrow: Address,
        /// The contract's message, as [`fog_contracts::proof::Prove::to_bytes`] writes it.
        message: Vec<u8>,
    },
    /// Redeem a voucher that both have signed.
    Redeem {
        /// It.
        voucher: VoucherFile,
    },
    /// Pay into a worker's earnings, opening them if they are not there.
    TopUp(TopUp),
    /// Fund the task of a pledge.
    Open(OpenPledge),
    /// The same message as to any task, to that of a pledge.
    Pledge(Box<Intent>),
    /// Challenge a verdict, with the market's challenge bond.
    Challenge {
        /// The task's contract.
        escrow: Address,
        /// Hash of the evidence of what was found.
        evidence: Hash32,
    },
    /// Tell the head of an epoch that is shut: see [`fog_contracts::anchor`].
    Anchor {
        /// The node.
        node: Hash32,
        /// The epoch's number.
        number: u64,
        /// Its tagged hash.
        head: Hash32,
        /// How many tasks name it.
        tasks: u64,
        /// What stands for them.
        root: Hash32,
    },
    /// Have a task that was paid in a jetton send the node's share.
    ClaimShare {
        /// The task's contract.
        escrow: Address,
        /// The node's wallet.
        to: Address,
    },
}

/// A pledge's task, as it is funded.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct OpenPledge {
    /// See [`Epoch`], for this and all that follows.
    pub(crate) market: Address,
    /// The node's wallet.
    pub(crate) node: Address,
    /// The worker's wallet.
    pub(crate) worker: Address,
    /// The worker's earnings.
    pub(crate) earnings: Address,
    /// Which of several.
    pub(crate) number: u32,
    /// The price.
    pub(crate) price: Nano,
    /// Seconds for each step: reserving, promising, the verdict.
    pub(crate) seconds: [u32; 3],
}

impl From<&Epoch> for OpenPledge {
    fn from(terms: &Epoch) -> Self {
        let Epoch { market, node, worker, earnings, number, price, .. } = *terms;
        let seconds = [terms.bid, terms.commit, terms.lasts];
        Self { market, node, worker, earnings, number, price, seconds }
    }
}

impl OpenPledge {
    /// The epoch that it opens.
    pub(crate) const fn terms(&self) -> Epoch {
        let Self { market, node, worker, earnings, number, price, .. } = *self;
        let [bid, commit, lasts] = self.seconds;
        Epoch { market, node, worker, earnings, number, price, bid, commit, lasts }
    }
}

/// A payment into earnings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct TopUp {
    /// The contract.
    pub(crate) channel: Address,
    /// How much.
    pub(crate) amount: Nano,
    /// The contract's terms: the worker's wallet, its key, the node's.
    pub(crate) worker: Address,
    /// The key that signs for the worker.
    pub(crate) worker_key: PublicKey,
    /// The key that signs for the node.
    pub(crate) node_key: PublicKey,
    /// The node's wallet.
    pub(crate) node: Address,
    /// Exposure cap.
    pub(crate) cap: Nano,
    /// Seconds from the node's notice to its exit.
    pub(crate) delay: u32,
    /// Which one of several.
    pub(crate) series: u32,
}

/// The signatures of as many verifiers as are needed, by their place in the market.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ballot {
    /// Last second (Unix) at which they count: the deadline of what they are for.
    pub(crate) valid_until: u32,
    /// Them.
    pub(crate) signatures: BTreeMap<u8, Signature>,
}

/// What verifiers signed about a result.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Judged {
    /// The task's contract.
    pub(crate) escrow: Address,
    /// The worker's stake contract.
    pub(crate) stake: Address,
    /// Agreed price.
    pub(crate) price: Nano,
    /// The commitment that was judged.
    pub(crate) commitment: Hash32,
    /// Hash of the evidence.
    pub(crate) evidence: Hash32,
    /// What was found.
    pub(crate) ruling: Ruling,
    /// Their signatures.
    pub(crate) ballot: Ballot,
}

/// The three verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Ruling {
    /// The worker is paid.
    Accepted,
    /// The worker is slashed.
    Rejected,
    /// The worker committed and handed nothing over: it is penalised as if it were late.
    Undelivered,
}

impl Intent {
    /// What is sent to a task, whichever the task is.
    pub(crate) fn inner(&self) -> &Self {
        match self {
            Self::Pledge(inner) => inner,
            other => other,
        }
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> IntentKind {
        match self {
            Self::Assign { .. } => IntentKind::Assign,
            Self::Commit { .. } => IntentKind::Commit,
            Self::Verdict(_) => IntentKind::Verdict,
            Self::Undelivered(_) => IntentKind::Undelivered,
            Self::Penalise { .. } => IntentKind::Penalise,
            Self::Ruling(_) => IntentKind::Ruling,
            Self::Challenge { .. } => IntentKind::Challenge,
            Self::Finalize { .. } => IntentKind::Finalize,
            Self::Expire { .. } => IntentKind::Expire,
            Self::Prove { .. } => IntentKind::Prove,
            Self::Redeem { .. } => IntentKind::Redeem,
            Self::TopUp(_) => IntentKind::TopUp,
            Self::Open(_) => IntentKind::PledgeOpen,
            Self::Anchor { .. } => IntentKind::Anchor,
            Self::ClaimShare { .. } => IntentKind::ClaimShare,
            Self::Pledge(inner) => match inner.kind() {
                IntentKind::Assign => IntentKind::PledgeReserve,
                IntentKind::Commit => IntentKind::PledgePromise,
                IntentKind::Verdict => IntentKind::PledgeJudge,
                IntentKind::Finalize => IntentKind::PledgeEnd,
                IntentKind::Expire => IntentKind::PledgeExpire,
                other => other,
            },
        }
    }
}

/// An intent that waits to be signed.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Its row.
    pub(crate) id: i64,
    /// Its task.
    pub(crate) task: TaskId,
    /// What to do.
    pub(crate) intent: Intent,
}

/// A freshly signed message, not stored yet.
#[derive(Debug)]
pub(crate) struct SignedMessage {
    /// The wallet's sequence number it uses.
    pub(crate) seqno: u32,
    /// The bytes.
    pub(crate) boc: Vec<u8>,
    /// Hash of the signed body: how its transaction is recognised.
    pub(crate) body_hash: Hash32,
    /// Chain time from which the wallet refuses it.
    pub(crate) valid_until: u64,
    /// Row and message body hash of each intent in it.
    pub(crate) intents: Vec<(i64, Hash32)>,
}

/// Whether a stored message was handed to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InFlight {
    /// Stored; maybe sent, if the node stopped in between.
    Signed,
    /// A gateway took it.
    Sent,
}

/// The message that is on its way.
#[derive(Debug)]
pub(crate) struct StoredMessage {
    /// Its row.
    pub(crate) id: i64,
    /// Where it stands.
    pub(crate) state: InFlight,
    /// The wallet's sequence number it uses.
    pub(crate) seqno: u32,
    /// The bytes.
    pub(crate) boc: Vec<u8>,
    /// Chain time from which the wallet refuses it.
    pub(crate) valid_until: u64,
}

/// Times an intent is sent at most. Those without which money stays locked up go on, an hour apart at
/// last.
const MAX_ATTEMPTS: i64 = 20;
/// Seconds after a message's validity in which an answer is waited for.
const UNHEARD_SECONDS: i64 = 30;
/// Doublings after which a pause is surely the longest.
const MOST_DOUBLINGS: i64 = 12;

type Tx = Transaction<'static, Sqlite>;

impl Store {
    /// The oldest intents that may be signed at chain time `now`, challenges behind all others.
    pub(crate) async fn pending_intents(
        &self,
        now: u64,
        limit: usize,
    ) -> Result<Vec<Pending>, NodeError> {
        let rows = sqlx::query(
            "SELECT o.id, o.task, o.intent, p.bid FROM outbox o
             LEFT JOIN pledges p ON p.id = o.task AND o.kind = 'pledge_open'
             WHERE o.state = 'pending' AND o.not_before <= $1
             ORDER BY o.kind = 'challenge', o.id LIMIT $2",
        )
        .bind(to_i64(now)?)
        .bind(to_i64(limit as u64)?)
        .fetch_all(self.reader())
        .await?;
        let mut pending = Vec::with_capacity(rows.len());
        for row in &rows {
            // A pledge is not opened any more when its worker's consent is over.
            if let Some(bid) = row.try_get::<Option<&[u8]>, _>("bid")?
                && to_value::<Signed<Bid>>(bid)?.value.valid_until < now
            {
                continue;
            }
            pending.push(Pending {
                id: row.try_get("id")?,
                task: TaskId(to_hash(row.try_get("task")?)?),
                intent: to_value(row.try_get("intent")?)?,
            });
        }
        Ok(pending)
    }

    /// The message that is on its way, if any.
    pub(crate) async fn message_in_flight(&self) -> Result<Option<StoredMessage>, NodeError> {
        let row = sqlx::query(
            "SELECT id, state, seqno, boc, valid_until FROM messages
             WHERE state IN ('signed', 'sent')",
        )
        .fetch_optional(self.reader())
        .await?;
        Ok(row.as_ref().map(stored_message).transpose()?)
    }

    /// Stores a signed message and ties its intents to it. Must return before it is sent.
    /// `false`: an intent is not pending any more; nothing was stored.
    pub(crate) async fn store_signed(&self, message: &SignedMessage) -> Result<bool, NodeError> {
        let mut tx = self.begin().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO messages (seqno, boc, body_hash, valid_until, state)
             VALUES ($1, $2, $3, $4, 'signed') RETURNING id",
        )
        .bind(i64::from(message.seqno))
        .bind(&message.boc)
        .bind(from_hash(&message.body_hash))
        .bind(to_i64(message.valid_until)?)
        .fetch_one(&mut *tx)
        .await?;
        let rows: Vec<_> = message
            .intents
            .iter()
            .map(|(intent, body_hash)| serde_json::json!([intent, body_hash.to_string()]))
            .collect();
        let updated = sqlx::query(
            "UPDATE outbox SET state = 'signed', message = $1, attempts = attempts + 1,
                               body_hash = unhex(given.value ->> 1)
             FROM json_each($2) AS given
             WHERE outbox.id = given.value ->> 0 AND outbox.state = 'pending'",
        )
        .bind(id)
        .bind(serde_json::Value::from(rows).to_string())
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() != message.intents.len() as u64 {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Notes that a gateway took a message.
    pub(crate) async fn mark_sent(&self, id: i64) -> Result<(), NodeError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE messages SET state = 'sent' WHERE id = $1 AND state = 'signed'")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE outbox SET state = 'sent' WHERE message = $1 AND state = 'signed'")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Gives up a message that can never run: the wallet's history was read, without a gap, to a
    /// chain time past its validity, and it is not there. Its intents are pending again. `false`
    /// if the history was not read that far.
    pub(crate) async fn expire_message(&self, id: i64) -> Result<bool, NodeError> {
        let mut tx = self.begin().await?;
        let expired = sqlx::query(
            "UPDATE messages SET state = 'expired'
             WHERE id = $1 AND state IN ('signed', 'sent')
               AND valid_until < (SELECT max(seen_at) FROM cursor)",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if expired != 1 {
            tx.rollback().await?;
            return Ok(false);
        }
        sqlx::query(
            "UPDATE outbox SET state = 'pending', message = NULL
             WHERE message = $1 AND state IN ('signed', 'sent')",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Intents that the wallet sent long ago and of which nothing was heard go round again: the
    /// contracts take each at most once. A claim's next round is asked for by who sees that it came to
    /// nothing: the jetton's wallet may throw every one back. Returns how many.
    pub(crate) async fn retry_unheard(&self, now: u64) -> Result<u64, NodeError> {
        let mut tx = self.begin().await?;
        let retried = sqlx::query(
            "UPDATE outbox
             SET state = iif(kind = 'claim_share', 'refused', 'pending'), message = NULL
             WHERE state = 'final'
               AND (attempts < $2 OR kind IN ('finalize', 'penalise', 'expire'))
               AND message IN (
                    SELECT id FROM messages
                    WHERE valid_until + iif(outbox.attempts < $2, $3, 3600) < $1)",
        )
        .bind(to_i64(now)?)
        .bind(MAX_ATTEMPTS)
        .bind(UNHEARD_SECONDS)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(retried)
    }

    /// Challenges that went out and whose task has not ended: their bonds are not back.
    pub(crate) async fn challenges_under_way(&self) -> Result<u64, NodeError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM outbox o JOIN tasks t ON t.id = o.task
             JOIN statuses s ON s.name = t.status
             WHERE o.kind = 'challenge' AND o.state IN ('signed', 'sent', 'final', 'done')
               AND s.terminal = 0",
        )
        .fetch_one(self.reader())
        .await?;
        Ok(to_u64(count)?)
    }

    /// Intents that cannot be signed yet: they are pending again at chain time `until`.
    pub(crate) async fn put_off(
        &self,
        rows: &[i64],
        until: u64,
        reason: Option<&str>,
    ) -> Result<(), NodeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE outbox SET not_before = $2, reason = coalesce($3, reason)
             WHERE state = 'pending' AND id IN (SELECT value FROM json_each($1))",
        )
        .bind(serde_json::Value::from(rows).to_string())
        .bind(to_i64(until)?)
        .bind(reason)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// An intent that its contract would not take any more is not sent.
    pub(crate) async fn give_up(&self, row: i64, reason: &str) -> Result<(), NodeError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE outbox SET state = 'refused', reason = $2 WHERE id = $1 AND state = 'pending'",
        )
        .bind(row)
        .bind(reason)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// How many intents live, by state: for metrics and health.
    pub(crate) async fn outbox_counts(&self) -> Result<Vec<(String, u64)>, NodeError> {
        let rows = sqlx::query("SELECT state, count(*) AS n FROM outbox GROUP BY state")
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("state")?, to_u64(row.try_get("n")?)?))).collect()
    }
}

fn stored_message(row: &SqliteRow) -> Result<StoredMessage, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    let seqno: i64 = row.try_get("seqno")?;
    Ok(StoredMessage {
        id: row.try_get("id")?,
        state: if state == "sent" { InFlight::Sent } else { InFlight::Signed },
        seqno: u32::try_from(seqno).map_err(|error| sqlx::Error::Decode(error.into()))?,
        boc: row.try_get("boc")?,
        valid_until: to_u64(row.try_get("valid_until")?)?,
    })
}

/// Adds an intent, unless the same one is there: then it is the same decision, made again after a
/// restart.
pub(super) async fn insert(tx: &mut Tx, row: &NewIntent) -> Result<(), sqlx::Error> {
    let (first, most) = row.kind.backoff();
    let statement = if row.kind.repeats() {
        // What was refused for the same reason would be refused again: the pause grows with each.
        "INSERT INTO outbox (task, kind, round, intent, evidence, not_before)
         SELECT $1, $2, n.rounds, $3, $4,
                max($6, iif(n.refused, $5 + min($8, $7 << min(n.refused - 1, $9)), 0))
         FROM (SELECT count(*) AS rounds,
                      count(*) FILTER (WHERE state = 'refused' AND intent = $3) AS refused
               FROM outbox WHERE task = $1 AND kind = $2) AS n
         WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE task = $1 AND kind = $2
                           AND state IN ('pending', 'signed', 'sent', 'final'))"
    } else {
        // Asked for again after it was thrown back: the same intent, pending once more.
        "INSERT INTO outbox (task, kind, round, intent, evidence, not_before)
         VALUES ($1, $2, 0, $3, $4, $6) ON CONFLICT (task, kind, round) DO UPDATE
            SET state = 'pending', message = NULL,
                not_before = $5 + min($8, $7 << min(outbox.attempts, $9))
            WHERE outbox.state = 'refused' AND outbox.intent = excluded.intent"
    };
    sqlx::query(statement)
        .bind(from_hash(&row.task.0))
        .bind(row.kind.name())
        .bind(&row.intent)
        .bind(row.evidence.as_ref().map(from_hash))
        .bind(to_i64(row.now)?)
        .bind(to_i64(row.not_before)?)
        .bind(first)
        .bind(most)
        .bind(MOST_DOUBLINGS)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends the living intent of a kind, or sends it round again.
pub(super) async fn end(tx: &mut Tx, row: &IntentEnd) -> Result<(), sqlx::Error> {
    let (state, reason) = match &row.end {
        End::Done => ("done", None),
        End::Refused(reason) => ("refused", Some(reason.as_str())),
        End::Void | End::Withdrawn => ("void", None),
        End::Again(_) => ("pending", None),
    };
    // What is signed is still on its way and may not be signed twice: only what has arrived or
    // never left goes round again. A void intent in a signed message is thrown back by the
    // contract, which is harmless.
    let from = match &row.end {
        End::Again(_) => {
            "UPDATE outbox SET state = $3, reason = $4, message = NULL,
                    not_before = $5 + min($7, $6 << min(max(attempts - 1, 0), $8))
             WHERE task = $1 AND kind = $2 AND state = 'final'"
        }
        End::Withdrawn => {
            "UPDATE outbox SET state = $3, reason = $4
             WHERE task = $1 AND kind = $2 AND state = 'pending'"
        }
        End::Done | End::Refused(_) | End::Void => {
            "UPDATE outbox SET state = $3, reason = $4
             WHERE task = $1 AND kind = $2 AND state IN ('pending', 'signed', 'sent', 'final')"
        }
    };
    let mut update = sqlx::query(from)
        .bind(from_hash(&row.task.0))
        .bind(row.kind.name())
        .bind(state)
        .bind(reason);
    if let End::Again(now) = &row.end {
        let (first, most) = row.kind.backoff();
        update = update.bind(to_i64(*now)?).bind(first).bind(most).bind(MOST_DOUBLINGS);
    }
    update.execute(&mut **tx).await?;
    Ok(())
}

/// The task has ended: what is not done of it is not needed any more. Channels outlive their tasks, and
/// shares come after them.
pub(super) async fn void(tx: &mut Tx, task: &TaskId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox SET state = 'void', reason = NULL
         WHERE task = $1 AND state IN ('pending', 'signed', 'sent', 'final')
           AND kind NOT IN ('redeem', 'top_up', 'claim_share')",
    )
    .bind(from_hash(&task.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A message's transaction was seen: the intents whose messages the wallet sent are final, the
/// others (the wallet lacked coins) wait to be signed again.
pub(super) async fn finish_message(tx: &mut Tx, row: &FinalMessage) -> Result<(), sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar(
        "UPDATE messages SET state = 'final', lt = $2, hash = $3
         WHERE body_hash = $1 AND state IN ('signed', 'sent') RETURNING id",
    )
    .bind(from_hash(&row.body_hash))
    .bind(to_i64(row.lt)?)
    .bind(from_hash(&row.hash))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(id) = id else { return Ok(()) };
    let sent: Vec<_> = row.sent.iter().map(fog_protocol::Hash32::to_string).collect();
    // Nobody answers an anchor: when the wallet sent it, it is told.
    sqlx::query(
        "UPDATE outbox SET state = iif(kind = 'anchor', 'done', 'final')
         WHERE message = $1 AND state IN ('signed', 'sent')
           AND body_hash IN (SELECT unhex(value) FROM json_each($2))",
    )
    .bind(id)
    .bind(serde_json::Value::from(sent).to_string())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE outbox SET state = 'pending', message = NULL,
                -- Not at once: every try costs the wallet gas.
                not_before = (SELECT valid_until FROM messages WHERE id = $1),
                reason = 'the wallet did not send it: too few coins'
         WHERE message = $1 AND state IN ('signed', 'sent')",
    )
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;
