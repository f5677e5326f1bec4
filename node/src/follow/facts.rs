//! From transactions to what they mean here.

use fog_chain::{Msg, MsgKind, Tx};
use fog_contracts::{
    Notify,
    channel::{self, ChannelNotice},
    op,
    operator::NotTaken,
};
use fog_protocol::{Address, Hash32, TaskId, api::TxRef};

use crate::store::{CursorRow, FinalMessage, IntentKind};

/// First 32 bits of a bounced body.
const BOUNCED: u32 = 0xffff_ffff;

/// One thing the chain says.
#[derive(Debug)]
pub(crate) enum Fact {
    /// A message of the wallet ran.
    Message(FinalMessage),
    /// A task told of a transition. It counts only if `from` is that task's escrow.
    Notified {
        /// The sender.
        from: Address,
        /// What it says.
        notify: Notify,
    },
    /// A contract threw a message of ours back.
    ThrownBack {
        /// The sender.
        from: Address,
        /// Row of the intent it carried.
        intent: i64,
    },
    /// Our bond says that a task did not take its assignment.
    NotTaken {
        /// The sender.
        from: Address,
        /// What it says.
        notice: NotTaken,
    },
    /// An account or earnings told of something. It counts only if `from` is one of this node's.
    Channel {
        /// The sender.
        from: Address,
        /// What it says.
        notice: ChannelNotice,
    },
    /// Money came from an account for this wallet: what was left of a message, or of a channel.
    Excess {
        /// The sender.
        from: Address,
    },
    /// A task's contract was read: what follows from its state, oldest first.
    Read {
        /// The task.
        task: TaskId,
        /// Events, as if they had been heard.
        events: Vec<fog_market::Event>,
        /// Its own transactions.
        transactions: Vec<TxRef>,
        /// If it was read because an intent was thrown back: that intent's kind, and whether the
        /// state still asks for it.
        thrown_back: Option<(IntentKind, Applicable)>,
        /// If its verdict is disputed: chain time before which nobody rules on it.
        rules_from: Option<u64>,
    },
}

/// Does a contract's state still ask for an intent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applicable {
    /// Yes: it came too early, or with too little; it is tried again.
    Yes,
    /// No: it has happened, or cannot any more.
    No,
}

/// What one look at the chain gave.
#[derive(Debug)]
pub(crate) struct ChainUpdate {
    /// Chain time of the look.
    pub(crate) now: u64,
    /// What was read, oldest first.
    pub(crate) facts: Vec<Fact>,
    /// How far; stored with the effects.
    pub(crate) cursor: Option<CursorRow>,
    /// There is more to read at once.
    pub(crate) full: bool,
}

/// What a transaction of the operator's wallet means.
pub(super) fn facts(tx: &Tx) -> Option<Fact> {
    let message = tx.in_msg.as_ref()?;
    match message.kind {
        MsgKind::ExternalIn => Some(Fact::Message(FinalMessage {
            body_hash: message.body_hash(),
            lt: tx.lt,
            hash: tx.hash,
            sent: tx.out_msgs.iter().map(Msg::body_hash).collect(),
        })),
        MsgKind::Internal if message.bounced => {
            Some(Fact::ThrownBack { from: message.source?, intent: bounced_intent(message)? })
        }
        MsgKind::Internal if message.op() == Some(op::NOTIFY) => {
            let notify = Notify::parse(&message.body).ok()?;
            Some(Fact::Notified { from: message.source?, notify })
        }
        MsgKind::Internal if message.op() == Some(op::NOT_TAKEN) => {
            let notice = NotTaken::parse(&message.body).ok()?;
            Some(Fact::NotTaken { from: message.source?, notice })
        }
        // A payer is told of its channel's end by the rest of its money.
        MsgKind::Internal
            if [op::EXCESSES, channel::op::RETURNED].map(Some).contains(&message.op()) =>
        {
            Some(Fact::Excess { from: message.source? })
        }
        MsgKind::Internal => {
            let notice = ChannelNotice::parse(&message.body).ok()?;
            Some(Fact::Channel { from: message.source?, notice })
        }
        MsgKind::ExternalOut => None,
    }
}

/// The query id of our message that came back: bounced bodies keep their first 256 bits.
fn bounced_intent(message: &Msg) -> Option<i64> {
    let mut body = message.body.as_slice().ok()?;
    if body.load_u32().ok()? != BOUNCED {
        return None;
    }
    let _op = body.load_u32().ok()?;
    i64::try_from(body.load_u64().ok()?).ok()
}

/// The notice of a task's end, if this transaction of the task sent one.
pub(super) fn end_notice(tx: &Tx, task: &Hash32) -> Option<Notify> {
    notices(tx, task).find(|notify| notify.state.is_end())
}

/// The last notice that this transaction of the task sent.
pub(super) fn last_notice(tx: &Tx, task: &Hash32) -> Option<Notify> {
    notices(tx, task).last()
}

fn notices<'a>(tx: &'a Tx, task: &'a Hash32) -> impl Iterator<Item = Notify> + 'a {
    tx.out_msgs
        .iter()
        .filter(|message| message.op() == Some(op::NOTIFY))
        .filter_map(|message| Notify::parse(&message.body).ok())
        .filter(move |notify| notify.task == *task)
}
