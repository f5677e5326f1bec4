//! Settlement: intents of the outbox become signed messages of the operator's wallet.
//!
//! ```text
//! sign -> store the bytes -> send those bytes, again and again -> seen in the history: final
//!                                                              -> past valid_until and not in a
//!                                                                 gapless history: sign anew
//! ```
//! One message is on its way at a time. Nothing here decides what is paid: the intents do. Challenges
//! come last, and go out only as far as enough stays for verdicts ([`purse`]): the others wait.

mod purse;

use std::{sync::Arc, time::Duration};

use fog_chain::SendOutcome;
use fog_protocol::{Hash32, Nano, SecretKey};
use fog_wallet::{OutMessage, Wallet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::purse::Purse;
use crate::{
    NodeError,
    chain_port::{ChainPort, Challengeable},
    shared::{ChainHealth, Counters, Shared},
    store::{InFlight, Intent, Pending, SignedMessage, StoredMessage},
};

/// Pause between two looks at the outbox when nothing wakes it.
const LOOK: Duration = Duration::from_millis(500);
/// Pause between two looks for intents that were sent and never heard of again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two sendings of the same bytes.
const RESEND: Duration = Duration::from_secs(3);
/// The same if it is not known whether they arrived.
const RESEND_UNHEARD: Duration = Duration::from_secs(1);

/// Seconds of chain time after which a challenge that has to wait is looked at again.
const CHALLENGE_AGAIN: u64 = 10;

/// What signs: shared with the coordinator, which signs what no contract holds (vouchers of the
/// account rail).
pub(crate) struct Signer {
    /// The operator's wallet.
    pub(crate) wallet: Wallet,
    /// Its key.
    pub(crate) key: SecretKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.wallet.address())
    }
}

/// The message that was sent last, and when it is sent again.
type Sent = Option<(i64, Instant)>;

/// Runs until `stop`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    signer: Arc<Signer>,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let mut progress = Progress { sent: None, retried: None };
    while !stop.is_cancelled() {
        step(&shared, &signer, &mut progress).await?;
        let pause = if progress.sent.is_some() { LOOK / 5 } else { LOOK };
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.settle.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// What was done when.
struct Progress {
    sent: Sent,
    /// When unheard intents were last looked for.
    retried: Option<Instant>,
}

/// One look at the outbox.
async fn step(shared: &Shared, signer: &Signer, progress: &mut Progress) -> Result<(), NodeError> {
    // With a gap in the history it is not known what was paid: nothing is sent.
    if shared.health() != ChainHealth::Following {
        return Ok(());
    }
    if let Some(message) = shared.store.message_in_flight().await? {
        return carry(shared, &message, &mut progress.sent).await;
    }
    progress.sent = None;
    let now = shared.clock.now();
    if progress.retried.is_none_or(|at| at.elapsed() > RETRY) {
        progress.retried = Some(Instant::now());
        let retried = shared.store.retry_unheard(now).await?;
        if retried > 0 {
            tracing::warn!(retried, "intents were sent long ago and nothing was heard: sent again");
        }
    }
    let most = shared.config.limits.intents_per_message.clamp(1, 200);
    let pending = shared.store.pending_intents(now, most).await?;
    if pending.is_empty() {
        return Ok(());
    }
    let Some(message) = sign(shared, signer, &pending, now).await? else { return Ok(()) };
    if !shared.store.store_signed(&message).await? {
        return Ok(());
    }
    if let Some(message) = shared.store.message_in_flight().await? {
        carry(shared, &message, &mut progress.sent).await?;
    }
    Ok(())
}

/// Sends the stored bytes, or gives them up once they can never run.
async fn carry(shared: &Shared, message: &StoredMessage, sent: &mut Sent) -> Result<(), NodeError> {
    if shared.clock.now() > message.valid_until {
        if shared.store.expire_message(message.id).await? {
            tracing::warn!(seqno = message.seqno, "a message of the wallet ran out of time");
        }
        return Ok(());
    }
    if sent.is_some_and(|(id, again)| id == message.id && Instant::now() < again) {
        return Ok(());
    }
    *sent = Some((message.id, Instant::now() + RESEND));
    match shared.chain.client().send_boc(&message.boc).await {
        SendOutcome::Accepted => {
            Counters::count(&shared.counters.messages_sent);
            shared.look.notify_one();
            if message.state == InFlight::Signed {
                shared.store.mark_sent(message.id).await?;
            }
        }
        // Refused may mean that it ran already: only the history tells.
        SendOutcome::Refused { reason, exit_code } => {
            tracing::debug!(%reason, ?exit_code, "the gateway refuses a message for now");
        }
        SendOutcome::Unknown { cause } => {
            tracing::warn!(%cause, "a message of the wallet may not have arrived");
            *sent = Some((message.id, Instant::now() + RESEND_UNHEARD));
        }
    }
    Ok(())
}

async fn sign(
    shared: &Shared,
    signer: &Signer,
    pending: &[Pending],
    now: u64,
) -> Result<Option<SignedMessage>, NodeError> {
    // Messages are valid from the newest block on, which is ahead of what is final.
    let newest = match shared.chain.newest_time().await {
        Ok(newest) => newest.max(now),
        Err(error) => {
            tracing::warn!(%error, "the chain's time cannot be read");
            return Ok(None);
        }
    };
    let seqno = match shared.chain.client().wallet_seqno(&signer.wallet.address()).await {
        Ok(seqno) => seqno,
        Err(error) => {
            tracing::warn!(%error, "the wallet's sequence number cannot be read");
            return Ok(None);
        }
    };
    let valid_until = newest + u64::from(shared.config.message_seconds);
    let mut ready = build(shared, pending);
    let challenges: Vec<_> =
        pending.iter().filter(|it| matches!(it.intent, Intent::Challenge { .. })).collect();
    if !challenges.is_empty() {
        let spent = ready.iter().fold(Nano::ZERO, |sum, (_, out)| sum.saturating_add(out.value));
        ready.extend(affordable(shared, signer, &challenges, (spent, newest)).await?);
    }
    let hash = |out: &OutMessage| Hash32(out.body.repr_hash().0);
    let intents = ready.iter().map(|(id, message)| (*id, hash(message))).collect();
    let messages: Vec<OutMessage> = ready.into_iter().map(|(_, message)| message).collect();
    if messages.is_empty() {
        return Ok(None);
    }
    let signed = u32::try_from(valid_until).map_err(|error| error.to_string()).and_then(|until| {
        let signed = signer.wallet.transfer(&signer.key, seqno, until, &messages);
        signed.map_err(|error| error.to_string())
    });
    match signed {
        Ok(signed) => Ok(Some(SignedMessage {
            seqno,
            boc: signed.boc,
            body_hash: signed.body_hash,
            valid_until,
            intents,
        })),
        Err(error) => {
            tracing::error!(%error, "the wallet's message cannot be signed");
            Ok(None)
        }
    }
}

/// An intent's row, and its message.
type Ready = (i64, OutMessage);

/// The messages of all but challenges.
fn build(shared: &Shared, pending: &[Pending]) -> Vec<Ready> {
    let mut ready = Vec::with_capacity(pending.len());
    for Pending { id, task, intent } in pending {
        let Ok(query) = u64::try_from(*id) else { continue };
        if let Intent::Challenge { .. } = intent {
            continue;
        }
        match shared.chain.message(intent, query) {
            Ok(message) => ready.push((*id, message)),
            Err(error) => tracing::error!(%task, %error, "an intent cannot be built"),
        }
    }
    ready
}

/// The messages of those challenges that the wallet can afford beside `spent` at chain time `now`. The
/// others are put off; those whose window is over are given up.
async fn affordable(
    shared: &Shared,
    signer: &Signer,
    challenges: &[&Pending],
    (spent, now): (Nano, u64),
) -> Result<Vec<Ready>, NodeError> {
    let holds = match shared.chain.balance(&signer.wallet.address()).await {
        Ok(holds) => holds,
        Err(error) => {
            tracing::warn!(%error, "the wallet's balance cannot be read: challenges wait");
            return Ok(Vec::new());
        }
    };
    let (under_way, most) =
        (shared.store.challenges_under_way().await?, shared.config.limits.challenges_at_once);
    let mut purse = Purse { holds, floor: shared.config.wallet_floor, under_way, most };
    purse.spend(spent);
    let mut ready = Vec::new();
    let mut waits = Waits::default();
    for pending in challenges {
        let (id, task) = (pending.id, pending.task);
        let Intent::Challenge { escrow, evidence } = &pending.intent else { continue };
        // Who waits behind one that waits is not asked about.
        if let Some(short) = waits.short {
            waits.put_off(id, short);
            continue;
        }
        match shared.chain.challengeable(escrow, now).await {
            Ok(Challengeable::With(bond)) => {
                let Ok(query) = u64::try_from(id) else { continue };
                match ChainPort::challenge(escrow, evidence, bond, query) {
                    Ok(message) => match purse.challenge(message.value) {
                        Ok(()) => ready.push((id, message)),
                        Err(short) => waits.put_off(id, short),
                    },
                    Err(error) => tracing::error!(%task, %error, "an intent cannot be built"),
                }
            }
            Ok(Challengeable::Over) => {
                let reason = "its window is over, or somebody else challenged it";
                tracing::warn!(%task, reason, "a wrong result is not challenged");
                shared.store.give_up(id, reason).await?;
            }
            Ok(Challengeable::NotYet) => waits.rows.push(id),
            Err(error) => {
                tracing::warn!(%task, %error, "a task to be challenged cannot be read");
                waits.rows.push(id);
            }
        }
    }
    if let Some(short) = waits.short {
        let waiting = waits.rows.len();
        tracing::warn!(waiting, %short, "challenges of wrong results wait");
    }
    let reason = waits.short.map(|short| short.to_string());
    shared.store.put_off(&waits.rows, now + CHALLENGE_AGAIN, reason.as_deref()).await?;
    Ok(ready)
}

/// Challenges that wait.
#[derive(Default)]
struct Waits {
    rows: Vec<i64>,
    short: Option<purse::Short>,
}

impl Waits {
    fn put_off(&mut self, row: i64, short: purse::Short) {
        self.rows.push(row);
        self.short = Some(short);
    }
}
