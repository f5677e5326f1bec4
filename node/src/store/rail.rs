//! The account rail in the database: channels, entries, vouchers.

use fog_contracts::channel::{Channel, ChannelData, ChannelStatus, Purpose};
use fog_protocol::{
    Address, Entry, EntryVerdict, EntryView, Hash32, Listing, Nano, PledgeView, PublicKey,
    Signature, Signed, TaskId, VoucherFile,
};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Intent, IntentKind, Store, from_hash,
    rows::{to_address, to_nano, to_value},
    to_hash, to_i64,
};
use crate::NodeError;

/// Bytes of signed orders after which a page of entries ends.
const PAGE_BYTES: usize = 256 << 10;

/// Places of verifiers in the market's list, and what they signed.
pub(crate) type VerdictSignatures = std::collections::BTreeMap<u8, Signature>;

/// A channel as it stands.
#[derive(Debug, Clone)]
pub(crate) struct ChannelRow {
    /// Its address.
    pub(crate) address: Address,
    /// Its terms, and what the chain last said.
    pub(crate) at: ChannelData,
    /// Sum of its entries.
    pub(crate) owed: Nano,
    /// Reserved for tasks that have not ended.
    pub(crate) promised: Nano,
}

/// A verdict that no contract holds.
#[derive(Debug)]
pub(crate) struct SignedVerdict {
    /// The task.
    pub(crate) task: TaskId,
    /// The worker's stake contract.
    pub(crate) stake: Address,
    /// The price agreed.
    pub(crate) price: Nano,
    /// What was judged.
    pub(crate) commitment: Hash32,
    /// Last second at which it counts.
    pub(crate) valid_until: u32,
    /// Borsh of the signatures.
    pub(crate) signatures: Vec<u8>,
}

/// One write.
#[derive(Debug)]
pub(crate) enum RailStep {
    /// A channel, new or changed.
    Channel(Box<ChannelRow>),
    /// A task, its account, borsh of the signed listing, and its salt.
    Task(TaskId, Address, Vec<u8>, Hash32),
    /// A task that ended unpaid: its salt is free.
    Unpaid(TaskId),
    /// The worker's share of a task, and the earnings it was promised in.
    Share(TaskId, Address, Nano),
    /// A signed verdict.
    Verdict(SignedVerdict),
    /// An entry of a channel, with its number.
    Entry(Address, u64, Entry),
    /// A pledge, new or changed.
    Pledge(Box<super::PledgeRow>),
    /// A task, and the pledge that stands for it.
    Backed(TaskId, TaskId),
    /// A channel's newest voucher: borsh of it.
    Voucher(Address, u64, Nano, Vec<u8>),
}

type Tx = Transaction<'static, Sqlite>;

pub(super) async fn write(tx: &mut Tx, step: &RailStep) -> Result<(), sqlx::Error> {
    match step {
        RailStep::Channel(row) => write_channel(tx, row).await,
        RailStep::Pledge(row) => super::pledges::write(tx, row).await,
        RailStep::Backed(task, pledge) => super::pledges::back(tx, task, pledge).await,
        RailStep::Task(task, account, signed, salt) => {
            sqlx::query(
                "INSERT INTO rail_tasks (task, account, signed, salt) VALUES ($1, $2, $3, $4)",
            )
            .bind(from_hash(&task.0))
            .bind(account.to_string())
            .bind(signed)
            .bind(from_hash(salt))
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        RailStep::Unpaid(task) => {
            sqlx::query("UPDATE rail_tasks SET salt = x'' WHERE task = $1")
                .bind(from_hash(&task.0))
                .execute(&mut **tx)
                .await?;
            Ok(())
        }
        RailStep::Share(task, earnings, share) => {
            sqlx::query("UPDATE rail_tasks SET earnings = $2, share = $3 WHERE task = $1")
                .bind(from_hash(&task.0))
                .bind(earnings.to_string())
                .bind(to_i64(share.get())?)
                .execute(&mut **tx)
                .await?;
            Ok(())
        }
        RailStep::Verdict(row) => {
            sqlx::query(
                "INSERT INTO rail_verdicts (task, stake, price, commitment, valid_until, signatures)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(from_hash(&row.task.0))
            .bind(row.stake.to_string())
            .bind(to_i64(row.price.get())?)
            .bind(from_hash(&row.commitment))
            .bind(i64::from(row.valid_until))
            .bind(&row.signatures)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        RailStep::Entry(channel, number, entry) => {
            sqlx::query(
                "INSERT INTO entries (channel, number, task, worker, amount, evidence)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(channel.to_string())
            .bind(to_i64(*number)?)
            .bind(from_hash(&entry.task.0))
            .bind(entry.worker.to_string())
            .bind(to_i64(entry.amount.get())?)
            .bind(from_hash(&entry.evidence))
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        RailStep::Voucher(channel, count, total, voucher) => {
            sqlx::query(
                "INSERT INTO vouchers (channel, count, total, voucher) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (channel) DO UPDATE SET count = $2, total = $3, voucher = $4",
            )
            .bind(channel.to_string())
            .bind(to_i64(*count)?)
            .bind(to_i64(total.get())?)
            .bind(voucher)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
    }
}

async fn write_channel(tx: &mut Tx, row: &ChannelRow) -> Result<(), sqlx::Error> {
    let ChannelRow { address, at, owed, promised } = row;
    let terms = &at.channel;
    let status = status_name(at.status);
    sqlx::query(
        "INSERT INTO channels (address, purpose, payer, payee, payer_key, payee_key, cap, delay,
             series, signing_key, status, close_at, balance, paid, owed, promised)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (address) DO UPDATE SET signing_key = $10, status = $11, close_at = $12,
             balance = $13, paid = $14, owed = $15, promised = $16",
    )
    .bind(address.to_string())
    .bind(purpose_name(terms.purpose))
    .bind(terms.payer.to_string())
    .bind(terms.payee.to_string())
    .bind(from_hash(&terms.payer_key.0))
    .bind(from_hash(&terms.payee_key.0))
    .bind(to_i64(terms.cap.get())?)
    .bind(i64::from(terms.delay))
    .bind(i64::from(terms.series))
    .bind(from_hash(&at.payee_key.0))
    .bind(status)
    .bind(i64::from(at.close_at))
    .bind(to_i64(at.balance.get())?)
    .bind(to_i64(at.paid.get())?)
    .bind(to_i64(owed.get())?)
    .bind(to_i64(promised.get())?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `account` or `earnings`.
pub(crate) const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Account => "account",
        Purpose::Earnings => "earnings",
    }
}

const fn status_name(status: ChannelStatus) -> &'static str {
    match status {
        ChannelStatus::Open => "open",
        ChannelStatus::Closing => "closing",
        ChannelStatus::Closed => "closed",
    }
}

impl Store {
    /// Every channel.
    pub(crate) async fn channels(&self) -> Result<Vec<ChannelRow>, NodeError> {
        let rows = sqlx::query(
            "SELECT address, purpose, payer, payee, payer_key, payee_key, cap, delay, series,
                    signing_key, status, close_at, balance, paid, owed, promised FROM channels",
        )
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(channel_row).collect::<Result<_, _>>()?)
    }

    /// A channel's entries, in order.
    pub(crate) async fn entries(&self, channel: &Address) -> Result<Vec<Entry>, NodeError> {
        let rows = sqlx::query(
            "SELECT task, worker, amount, evidence FROM entries WHERE channel = $1 ORDER BY number",
        )
        .bind(channel.to_string())
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(entry_row).collect::<Result<_, _>>()?)
    }

    /// A channel's newest voucher.
    pub(crate) async fn voucher(
        &self,
        channel: &Address,
    ) -> Result<Option<VoucherFile>, NodeError> {
        let row = sqlx::query("SELECT voucher FROM vouchers WHERE channel = $1")
            .bind(channel.to_string())
            .fetch_optional(self.reader())
            .await?;
        Ok(row.map(|row| to_value(row.try_get("voucher")?)).transpose()?)
    }

    /// A page of a channel's entries from number `after`, with what each follows from.
    pub(crate) async fn entry_views(
        &self,
        channel: &Address,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EntryView>, NodeError> {
        let Ok(after) = to_i64(after) else { return Ok(Vec::new()) };
        let rows = sqlx::query(
            "SELECT e.task, e.worker, e.amount, e.evidence, r.signed, v.stake, v.price,
                    v.commitment, v.valid_until, v.signatures, p.earnings, p.number,
                    p.price AS pledge_price, p.bid_seconds, p.commit_seconds, p.lasts
             FROM entries e JOIN rail_tasks r ON r.task = e.task
             JOIN rail_verdicts v ON v.task = e.task LEFT JOIN pledges p ON p.id = r.pledge
             WHERE e.channel = $1 AND e.number >= $2 ORDER BY e.number LIMIT $3",
        )
        .bind(channel.to_string())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await?;
        let mut bytes = 0;
        rows.iter()
            // Orders may be long: a page stays short enough to be read, and has one entry at least.
            .take_while(|row| {
                let fits = bytes < PAGE_BYTES;
                bytes += row.try_get::<&[u8], _>("signed").map_or(PAGE_BYTES, <[u8]>::len);
                fits
            })
            .map(|row| {
                let signed: Signed<Listing> = to_value(row.try_get("signed")?)?;
                let signatures: VerdictSignatures = to_value(row.try_get("signatures")?)?;
                Ok(EntryView {
                    entry: entry_row(row)?,
                    listing: signed,
                    price: to_nano(row.try_get("price")?)?,
                    stake: to_address(row.try_get("stake")?)?,
                    commitment: to_hash(row.try_get("commitment")?)?,
                    valid_until: narrow(row, "valid_until")?,
                    signatures,
                    pledge: pledge_view(row)?,
                })
            })
            .collect()
    }

    /// The orders whose tasks have not ended: task, account, salt.
    pub(crate) async fn orders(&self) -> Result<Vec<(TaskId, Address, Hash32)>, NodeError> {
        let rows = sqlx::query(
            "SELECT r.task, r.account, r.salt FROM rail_tasks r JOIN tasks t ON t.id = r.task
             JOIN statuses n ON n.name = t.status WHERE n.terminal = 0 AND r.salt <> x''",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let task = TaskId(to_hash(row.try_get("task")?)?);
                let account = to_address(row.try_get("account")?)?;
                Ok((task, account, to_hash(row.try_get("salt")?)?))
            })
            .collect()
    }

    /// The task on this account that has this salt, unless it ended unpaid.
    pub(crate) async fn task_of_order(
        &self,
        account: &Address,
        salt: &Hash32,
    ) -> Result<Option<TaskId>, NodeError> {
        let task: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT task FROM rail_tasks WHERE account = $1 AND salt = $2 AND salt <> x''",
        )
        .bind(account.to_string())
        .bind(from_hash(salt))
        .fetch_optional(self.reader())
        .await?;
        Ok(task.map(|task| to_hash(&task)).transpose()?.map(TaskId))
    }

    /// What workers were promised for tasks that have not ended, and in which earnings.
    pub(crate) async fn shares(&self) -> Result<Vec<(TaskId, Address, Nano)>, NodeError> {
        let rows = sqlx::query(
            "SELECT r.task, r.earnings, r.share FROM rail_tasks r JOIN tasks t ON t.id = r.task
             JOIN statuses n ON n.name = t.status WHERE n.terminal = 0 AND r.earnings IS NOT NULL",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let task = TaskId(to_hash(row.try_get("task")?)?);
                let earnings = to_address(row.try_get("earnings")?)?;
                Ok((task, earnings, to_nano(row.try_get("share")?)?))
            })
            .collect()
    }

    /// The intent of a row, and the task it is named after.
    pub(crate) async fn intent(&self, id: i64) -> Result<Option<(TaskId, Intent)>, NodeError> {
        let row = sqlx::query("SELECT task, intent FROM outbox WHERE id = $1")
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        Ok(row.as_ref().map(intent_row).transpose()?)
    }

    /// Intents of a kind that are on their way, with the tasks they are named after.
    pub(crate) async fn living_intents(
        &self,
        kind: IntentKind,
    ) -> Result<Vec<(TaskId, Intent)>, NodeError> {
        let rows = sqlx::query(
            "SELECT task, intent FROM outbox
             WHERE kind = $1 AND state IN ('pending', 'signed', 'sent', 'final')",
        )
        .bind(kind.name())
        .fetch_all(self.reader())
        .await?;
        Ok(rows.iter().map(intent_row).collect::<Result<_, _>>()?)
    }
}

fn intent_row(row: &SqliteRow) -> Result<(TaskId, Intent), sqlx::Error> {
    Ok((TaskId(to_hash(row.try_get("task")?)?), to_value(row.try_get("intent")?)?))
}

fn pledge_view(row: &SqliteRow) -> Result<Option<PledgeView>, sqlx::Error> {
    let Some(earnings) = row.try_get::<Option<&str>, _>("earnings")? else { return Ok(None) };
    Ok(Some(PledgeView {
        earnings: to_address(earnings)?,
        number: narrow(row, "number")?,
        price: to_nano(row.try_get("pledge_price")?)?,
        bid: narrow(row, "bid_seconds")?,
        commit: narrow(row, "commit_seconds")?,
        lasts: narrow(row, "lasts")?,
    }))
}

fn narrow(row: &SqliteRow, column: &str) -> Result<u32, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn entry_row(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    Ok(Entry {
        task: TaskId(to_hash(row.try_get("task")?)?),
        worker: to_address(row.try_get("worker")?)?,
        amount: to_nano(row.try_get("amount")?)?,
        verdict: EntryVerdict::Accepted,
        evidence: to_hash(row.try_get("evidence")?)?,
    })
}

fn channel_row(row: &SqliteRow) -> Result<ChannelRow, sqlx::Error> {
    let key = |column: &str| Ok::<_, sqlx::Error>(PublicKey(to_hash(row.try_get(column)?)?));
    let nano = |column: &str| to_nano(row.try_get(column)?);
    let purpose: &str = row.try_get("purpose")?;
    let status: &str = row.try_get("status")?;
    let unknown = || sqlx::Error::Decode("an unknown word in a channel's row".into());
    let purpose = Purpose::ALL.into_iter().find(|known| purpose_name(*known) == purpose);
    let status = ChannelStatus::ALL.into_iter().find(|known| status_name(*known) == status);
    let channel = Channel {
        purpose: purpose.ok_or_else(unknown)?,
        payer: to_address(row.try_get("payer")?)?,
        payee: to_address(row.try_get("payee")?)?,
        payer_key: key("payer_key")?,
        payee_key: key("payee_key")?,
        cap: nano("cap")?,
        delay: narrow(row, "delay")?,
        series: narrow(row, "series")?,
    };
    Ok(ChannelRow {
        address: to_address(row.try_get("address")?)?,
        at: ChannelData {
            status: status.ok_or_else(unknown)?,
            balance: nano("balance")?,
            paid: nano("paid")?,
            close_at: narrow(row, "close_at")?,
            payee_key: key("signing_key")?,
            ..ChannelData::fresh(&channel)
        },
        owed: nano("owed")?,
        promised: nano("promised")?,
    })
}
