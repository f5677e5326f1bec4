//! The transactions of one account, as far as they matter here.

use fog_protocol::{Address, Hash32};
use fog_testnet::chain::{Chain, ChainError, Order, TxRecord};
use tycho_types::{
    cell::{Cell, CellBuilder, CellSlice},
    models::{IntAddr, MsgInfo, OwnedMessage},
};

use crate::ledger::std;

/// A message's body, from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Body(Cell);

impl Body {
    fn of(message: &OwnedMessage) -> Option<Self> {
        let mut body = CellBuilder::new();
        body.store_slice(CellSlice::apply(&message.body).ok()?).ok()?;
        body.build().ok().map(Self)
    }

    /// Its operation.
    pub(crate) fn op(&self) -> Option<u32> {
        self.0.as_slice().ok()?.load_u32().ok()
    }

    /// What follows operation and query.
    pub(crate) fn fields(&self) -> Option<CellSlice<'_>> {
        let mut slice = self.0.as_slice().ok()?;
        slice.load_u32().ok()?;
        slice.load_u64().ok()?;
        Some(slice)
    }

    /// The cell.
    pub(crate) const fn cell(&self) -> &Cell {
        &self.0
    }
}

/// An amount of coins, in nanogram.
pub(crate) fn coins(slice: &mut CellSlice<'_>) -> Option<u64> {
    use tycho_types::cell::Load as _;
    let tokens = tycho_types::num::Tokens::load_from(slice).ok()?;
    u64::try_from(tokens.into_inner()).ok()
}

/// A message a transaction sent to an account.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub(crate) to: Option<Address>,
    pub(crate) value: u64,
    pub(crate) body: Option<Body>,
}

/// A transaction.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) now: u32,
    pub(crate) aborted: bool,
    pub(crate) exit: Option<i32>,
    pub(crate) from: Option<Address>,
    pub(crate) value: u64,
    pub(crate) bounced: bool,
    pub(crate) in_hash: Option<Hash32>,
    pub(crate) body: Option<Body>,
    pub(crate) out: Vec<Out>,
    /// What the network took of it.
    pub(crate) fees: u64,
}

impl Event {
    /// Its operation, if the contract took it.
    pub(crate) fn took(&self) -> Option<u32> {
        if self.aborted || self.bounced { None } else { self.body.as_ref()?.op() }
    }
}

fn nano(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn plain(address: &IntAddr) -> Option<Address> {
    match address {
        IntAddr::Std(address) => {
            Some(Address { workchain: address.workchain, hash: Hash32(address.address.0) })
        }
        IntAddr::Var(_) => None,
    }
}

fn event(record: &TxRecord) -> Result<Event, ChainError> {
    let transaction = record.load()?;
    let mut event = Event {
        now: transaction.now,
        aborted: record.aborted()?,
        exit: record.exit_code()?,
        from: None,
        value: 0,
        bounced: false,
        in_hash: transaction.in_msg.as_ref().map(|cell| Hash32(cell.repr_hash().0)),
        body: None,
        out: Vec::new(),
        fees: nano(transaction.total_fees.tokens.into_inner()),
    };
    if let Some(message) = record.in_msg()? {
        event.body = Body::of(&message);
        if let MsgInfo::Int(info) = &message.info {
            event.from = plain(&info.src);
            event.value = nano(info.value.tokens.into_inner());
            event.bounced = info.bounced;
        }
    }
    for message in record.out_msgs()? {
        if let MsgInfo::Int(info) = &message.info {
            event.fees = event.fees.saturating_add(nano(info.fwd_fee.into_inner()));
            event.out.push(Out {
                to: plain(&info.dst),
                value: nano(info.value.tokens.into_inner()),
                body: Body::of(&message),
            });
        }
    }
    Ok(event)
}

/// Every transaction of `account`, oldest first.
pub(crate) fn history(chain: &Chain, account: &Address) -> Result<Vec<Event>, ChainError> {
    const PAGE: usize = 1000;
    let mut events = Vec::new();
    let mut from = 0;
    loop {
        let page = chain.transactions(&std(account), from, u64::MAX, Order::OldestFirst, PAGE)?;
        for record in &page {
            events.push(event(record)?);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => from = last.lt + 1,
            Some(_) | None => return Ok(events),
        }
    }
}
