//! What must be true of accounts and earnings after every transaction.

use std::collections::BTreeMap;

use fog_contracts::{
    channel::{Channel, ChannelData, ChannelStatus, op},
    op::EXCESSES,
};
use fog_protocol::Address;
use fog_testnet::chain::{Chain, TxRecord};
use tycho_types::{
    cell::{CellSlice, Load as _},
    models::{MsgInfo, OwnedMessage},
    num::Tokens,
};

use crate::world::{ours, std};

/// What a channel adds to its notice of an exit.
const NOTICE: u64 = 2_000_000;

/// What one channel has done so far.
#[derive(Clone, Default)]
struct Book {
    put_in: u64,
    paid: u64,
    returned: u64,
    count: u64,
    status: Option<ChannelStatus>,
}

/// All channels that are watched.
#[derive(Clone, Default)]
pub(crate) struct Channels {
    known: BTreeMap<Address, Channel>,
    books: BTreeMap<Address, Book>,
    sent: BTreeMap<Address, u64>,
    pub(crate) redemptions: u64,
    pub(crate) closed: u64,
}

struct Message {
    to: Address,
    from: Address,
    value: u64,
    bounced: bool,
    op: u32,
    amount: u64,
}

fn internal(message: &OwnedMessage) -> Option<Message> {
    let MsgInfo::Int(info) = &message.info else { return None };
    let mut body = CellSlice::apply(&message.body).unwrap();
    let op = body.load_u32().unwrap_or(0);
    let mut amount = 0;
    if matches!(op, op::TOP_UP | op::REDEEMED) && body.load_u64().is_ok() {
        amount = Tokens::load_from(&mut body).map_or(0, |amount| amount.into_inner());
    }
    Some(Message {
        to: ours(info.dst.as_std()?),
        from: ours(info.src.as_std()?),
        value: u64::try_from(info.value.tokens.into_inner()).unwrap(),
        bounced: info.bounced,
        op,
        amount: u64::try_from(amount).unwrap_or(u64::MAX),
    })
}

impl Channels {
    pub(crate) fn watch(&mut self, channel: &Channel) {
        self.known.insert(channel.address().unwrap(), *channel);
    }

    pub(crate) fn all(&self) -> Vec<Channel> {
        self.known.values().copied().collect()
    }

    /// What channels have sent to this wallet, notices included.
    pub(crate) fn sent_to(&self, wallet: &Address) -> u64 {
        self.sent.get(wallet).copied().unwrap_or_default()
    }

    /// Looks at one successful transaction and at what it left behind.
    pub(super) fn check(&mut self, chain: &Chain, record: &TxRecord) {
        let address = ours(&record.address);
        let Some(channel) = self.known.get(&address).copied() else { return };
        let incoming = record.in_msg().unwrap().as_ref().and_then(internal).unwrap();
        let outgoing: Vec<_> = record.out_msgs().unwrap().iter().filter_map(internal).collect();
        if incoming.op == op::TOP_UP && !incoming.bounced {
            assert!(incoming.value > incoming.amount, "more put in than came");
            self.books.entry(address).or_default().put_in += incoming.amount;
        }
        for message in &outgoing {
            self.check_sent(&address, &channel, message, &incoming);
        }
        let view = chain.account(&std(&address)).unwrap();
        let balance = u64::try_from(view.balance).unwrap();
        let data = ChannelData::parse(channel.purpose, &view.data.unwrap()).unwrap();
        self.check_books(&address, &channel, &data, balance);
    }

    fn check_sent(
        &mut self,
        address: &Address,
        channel: &Channel,
        message: &Message,
        incoming: &Message,
    ) {
        assert!(!message.bounced);
        let book = self.books.entry(*address).or_default();
        match message.op {
            op::REDEEMED => {
                assert_eq!((message.to, incoming.op), (channel.payee, op::REDEEM));
                assert!(message.value <= channel.cap.get(), "more than the cap");
                book.paid += message.value;
                assert_eq!(book.paid, message.amount, "paid what the voucher says, in all");
                self.redemptions += 1;
            }
            op::RETURNED => {
                assert_eq!(message.to, channel.payer);
                assert!(matches!(incoming.op, op::LEAVE | op::FINISH));
                book.returned += message.value;
                self.closed += 1;
            }
            op::CLOSING => {
                assert_eq!((message.to, incoming.from), (channel.payee, channel.payer));
                assert_eq!(message.value, NOTICE);
            }
            EXCESSES => {
                assert_eq!(message.to, incoming.from);
                assert!(message.value <= incoming.value, "change out of a channel");
                return;
            }
            other => panic!("a channel sent {other:#x}"),
        }
        *self.sent.entry(message.to).or_default() += message.value;
    }

    fn check_books(
        &mut self,
        address: &Address,
        channel: &Channel,
        data: &ChannelData,
        balance: u64,
    ) {
        let book = self.books.entry(*address).or_default();
        let held = data.balance.get();
        assert!(balance >= held, "a channel of {balance} owes {held}");
        assert_eq!(book.put_in, held + book.paid + book.returned, "{channel:?}");
        assert_eq!(data.paid.get(), book.paid);
        assert!(data.count >= book.count, "the count fell");
        book.count = data.count;
        // Open, closing, closed; never back.
        assert!(book.status.is_none_or(|before| before <= data.status), "it came back");
        assert!(data.status != ChannelStatus::Closed || held == 0);
        book.status = Some(data.status);
    }
}
