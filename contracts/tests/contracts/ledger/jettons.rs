//! What must be true of jettons, and of channels in them, after every transaction. Jettons and TON
//! are counted apart.

use std::collections::BTreeMap;

use fog_contracts::{
    channel::{ChannelStatus, op},
    jetton::{JettonChannel, JettonData, op as jetton},
    op::EXCESSES,
};
use fog_protocol::Address;
use fog_testnet::chain::{Chain, TxRecord};
use tycho_types::{
    cell::{CellSlice, Load as _},
    models::{MsgInfo, OwnedMessage, StdAddr},
    num::Tokens,
};

use crate::{
    jettons::real::{Jetton, wallet_balance},
    world::{ours, std},
};

/// Between two wallets, and from a master to one.
const INTERNAL_TRANSFER: u32 = 0x178d_4519;

/// A message between accounts, as far as jettons go.
pub(super) struct Message {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) value: u64,
    pub(super) bounced: bool,
    pub(super) op: u32,
    pub(super) query: u64,
    pub(super) amount: u128,
    /// Whom a transfer goes to.
    pub(super) destination: Option<Address>,
}

pub(super) fn internal(message: &OwnedMessage) -> Option<Message> {
    let MsgInfo::Int(info) = &message.info else { return None };
    let mut body = CellSlice::apply(&message.body).unwrap();
    if info.bounced && body.load_u32() == Ok(0xffff_fffe) {
        body = body.load_reference_as_slice().unwrap();
    }
    let op = body.load_u32().unwrap_or(0);
    let query = body.load_u64().unwrap_or(0);
    let moves = matches!(op, INTERNAL_TRANSFER | jetton::TRANSFER | jetton::NOTIFICATION);
    let amount = moves.then(|| Tokens::load_from(&mut body).ok()).flatten();
    let to = (op == jetton::TRANSFER).then(|| StdAddr::load_from(&mut body).ok()).flatten();
    Some(Message {
        from: ours(info.src.as_std()?),
        to: ours(info.dst.as_std()?),
        value: u64::try_from(info.value.tokens.into_inner()).unwrap(),
        bounced: info.bounced,
        op,
        query,
        amount: amount.map_or(0, Tokens::into_inner),
        destination: to.as_ref().map(ours),
    })
}

/// One jetton.
#[derive(Clone, Default)]
struct Currency {
    supply: u128,
    in_flight: u128,
    /// Came back with too little TON to come back.
    lost: u128,
}

/// One channel: what it was credited, and what it sent for the payee and for the payer.
#[derive(Clone, Default)]
struct Book {
    credited: u128,
    sent: [u128; 2],
    /// Told its wallet, which has not done it yet.
    pending: u128,
    status: Option<ChannelStatus>,
}

/// All jettons and channels that are watched.
#[derive(Clone, Default)]
pub(crate) struct Jettons {
    currencies: BTreeMap<Address, Currency>,
    /// Wallets: their master and their owner.
    wallets: BTreeMap<Address, (Address, Address)>,
    balances: BTreeMap<Address, u128>,
    known: BTreeMap<Address, JettonChannel>,
    books: BTreeMap<Address, Book>,
    /// Wallets whose owners never earn anything, and what they began with.
    poor: BTreeMap<Address, u128>,
    /// TON that channels and jettons sent to others.
    sent: BTreeMap<Address, u64>,
    pub(crate) credits: u64,
    pub(crate) transfers: u64,
    pub(crate) bounces: u64,
    pub(crate) closed: u64,
}

impl Jettons {
    /// A jetton, and everybody who may have any of it. `poor` will never have more than now.
    pub(crate) fn watch(
        &mut self,
        chain: &Chain,
        jetton: &Jetton,
        owners: &[Address],
        poor: &[Address],
    ) {
        let supply = jetton.supply(chain);
        self.currencies.insert(jetton.master, Currency { supply, ..Currency::default() });
        for owner in owners {
            let wallet = jetton.wallet_of(chain, owner);
            let balance = wallet_balance(chain, &wallet);
            self.wallets.insert(wallet, (jetton.master, *owner));
            self.balances.insert(wallet, balance);
            if poor.contains(owner) {
                self.poor.insert(wallet, balance);
            }
        }
        self.check_supply(&jetton.master);
    }

    pub(crate) fn watch_channel(&mut self, channel: &JettonChannel) {
        self.known.insert(channel.address().unwrap(), *channel);
    }

    pub(crate) fn all(&self) -> Vec<JettonChannel> {
        self.known.values().copied().collect()
    }

    /// TON that jettons and channels in them sent to this wallet.
    pub(crate) fn sent_to(&self, wallet: &Address) -> u64 {
        self.sent.get(wallet).copied().unwrap_or_default()
    }

    pub(super) fn balance_of(&self, wallet: &Address) -> u128 {
        self.balances[wallet]
    }

    pub(super) fn wallet_of(&self, master: &Address, owner: &Address) -> Address {
        let mut all = self.wallets.iter();
        *all.find(|(_, of)| **of == (*master, *owner)).expect("it is watched").0
    }

    /// Looks at one transaction and at what it left behind.
    pub(super) fn check(&mut self, chain: &Chain, record: &TxRecord) {
        let address = ours(&record.address);
        let token = self.wallets.contains_key(&address) || self.currencies.contains_key(&address);
        let channel = self.known.get(&address).copied();
        if !token && channel.is_none() {
            return;
        }
        let done = !record.aborted().unwrap();
        let Some(incoming) = record.in_msg().unwrap().as_ref().and_then(internal) else { return };
        let outgoing: Vec<_> = record.out_msgs().unwrap().iter().filter_map(internal).collect();
        for message in outgoing.iter().filter(|message| !message.bounced) {
            *self.sent.entry(message.to).or_default() += message.value;
        }
        if token {
            self.check_token(chain, &address, &incoming, &outgoing, done);
        }
        if let Some(channel) = channel
            && done
        {
            self.check_channel(chain, &address, &channel, &incoming, &outgoing);
        }
    }

    /// Every unit is in a wallet or on its way.
    fn check_token(
        &mut self,
        chain: &Chain,
        address: &Address,
        incoming: &Message,
        outgoing: &[Message],
        done: bool,
    ) {
        let master = self.wallets.get(address).map_or(*address, |(master, _)| *master);
        let came_back = outgoing.iter().any(|message| message.bounced);
        let currency = self.currencies.get_mut(&master).unwrap();
        // What anybody sends under this name without being a wallet is refused, and was never there.
        let real = self.wallets.contains_key(&incoming.from) || incoming.from == master;
        if incoming.op == INTERNAL_TRANSFER && real && (done || !came_back) {
            currency.in_flight -= incoming.amount;
            currency.lost += if done { 0 } else { incoming.amount };
        }
        for message in outgoing.iter().filter(|message| !message.bounced) {
            if message.op == INTERNAL_TRANSFER {
                assert!(self.wallets.contains_key(&message.to), "jettons to who knows whom");
                currency.in_flight += message.amount;
            }
        }
        if *address == master {
            let data = chain.account(&std(&master)).unwrap().data.unwrap();
            let supply = Tokens::load_from(&mut data.as_slice().unwrap()).unwrap();
            currency.supply = supply.into_inner();
        } else {
            let balance = wallet_balance(chain, address);
            self.balances.insert(*address, balance);
            if let Some(had) = self.poor.get(address) {
                assert!(balance <= *had, "a stranger earned {} jettons", balance - had);
            }
        }
        self.check_supply(&master);
        // A channel's wallet did what it was told.
        if let Some(book) = self.books.get_mut(&incoming.from)
            && done
            && (incoming.op, incoming.bounced) == (jetton::TRANSFER, false)
            && incoming.query != 0
        {
            book.pending -= incoming.amount;
        }
    }

    fn check_supply(&self, master: &Address) {
        let held: u128 = self
            .wallets
            .iter()
            .filter(|(_, (of, _))| of == master)
            .map(|(wallet, _)| self.balances[wallet])
            .sum();
        let currency = &self.currencies[master];
        assert_eq!(currency.supply, held + currency.in_flight + currency.lost);
    }

    fn check_channel(
        &mut self,
        chain: &Chain,
        address: &Address,
        channel: &JettonChannel,
        incoming: &Message,
        outgoing: &[Message],
    ) {
        let wallet = self.wallet_of(&channel.master, address);
        let data = chain.account(&std(address)).unwrap().data.unwrap();
        let data = JettonData::parse(channel.terms.purpose, &data).unwrap();
        assert!(
            data.wallet.is_none_or(|told| told == wallet),
            "it took a strange wallet for its own"
        );
        let book = self.books.entry(*address).or_default();
        if (incoming.op, incoming.bounced) == (jetton::NOTIFICATION, false) {
            assert_eq!(incoming.from, wallet, "jettons by a stranger's word");
            book.credited += incoming.amount;
            self.credits += 1;
        }
        if (incoming.op, incoming.bounced, incoming.from) == (jetton::TRANSFER, true, wallet)
            && incoming.query != 0
        {
            book.sent[usize::from(incoming.query % 2 == 1)] -= incoming.amount;
            book.pending -= incoming.amount;
            self.bounces += 1;
        }
        let ton: u64 = outgoing.iter().map(|message| message.value).sum();
        assert!(ton <= incoming.value, "gas out of the channel's rent");
        for message in outgoing {
            assert!(!message.bounced);
            match message.op {
                jetton::TRANSFER => {
                    assert_eq!(message.to, wallet);
                    check_transfer(channel, message, incoming);
                    if message.query != 0 {
                        book.sent[usize::from(message.query % 2 == 1)] += message.amount;
                        book.pending += message.amount;
                        self.transfers += 1;
                    } else {
                        assert_eq!(data.core.status, ChannelStatus::Closed);
                        assert_eq!(data.due_payee.get() + data.due_payer.get(), 0);
                    }
                }
                jetton::PROVIDE_WALLET => assert_eq!(message.to, channel.master),
                op::CLOSING => {
                    assert_eq!((message.to, message.value), (channel.terms.payee, 2_000_000));
                }
                EXCESSES => {}
                other => panic!("a channel sent {other:#x}"),
            }
        }
        self.check_books(&data, address, &wallet);
    }

    /// Each unit that was credited is somewhere, once, and the wallet has what the channel owes.
    fn check_books(&mut self, data: &JettonData, address: &Address, wallet: &Address) {
        let book = self.books.get_mut(address).unwrap();
        let (balance, paid) = (data.core.balance.get(), data.core.paid.get());
        let (payee, payer) = (data.due_payee.get(), data.due_payer.get());
        assert_eq!(paid, book.sent[0] + payee, "redeemed is sent or owed");
        assert_eq!(book.credited - paid, balance + book.sent[1] + payer, "{data:?}");
        let owed = balance + payee + payer + book.pending;
        let held = self.balances[wallet];
        assert!(held >= owed, "the wallet has {held} of {owed}");
        let status = data.core.status;
        assert!(book.status.is_none_or(|before| before <= status), "it came back");
        assert!(status != ChannelStatus::Closed || balance == 0);
        self.closed += u64::from(
            status == ChannelStatus::Closed && book.status != Some(ChannelStatus::Closed),
        );
        book.status = Some(status);
    }
}

/// Who may have jettons sent, and to whom.
fn check_transfer(channel: &JettonChannel, message: &Message, incoming: &Message) {
    let (payer, payee) = (channel.terms.payer, channel.terms.payee);
    let to = message.destination.unwrap();
    match incoming.op {
        op::REDEEM => assert_eq!((to, incoming.from), (payee, payee)),
        op::FINISH | jetton::SWEEP => assert_eq!((to, incoming.from), (payer, payer)),
        jetton::CLAIM => {
            let side = if message.query % 2 == 1 { payer } else { payee };
            assert_eq!(incoming.from, side);
        }
        other => panic!("jettons sent for {other:#x}"),
    }
}
