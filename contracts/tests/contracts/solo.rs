//! One contract alone: messages are run against it one at a time, and what it sends is held in the
//! hand instead of being delivered. So every state can be stood in, the passing ones included, and
//! every answer given, refused, repeated or forged.

use std::sync::{LazyLock, Mutex};

use fog_protocol::{Address, Hash32, Nano};
use fog_testnet::chain::{
    Executed, Inbound, NetworkConfig, TESTNET_GLOBAL_ID, execute, missing_account,
};
use tycho_executor::ExecutorParams;
use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, CellSlice, HashBytes, Store as _},
    models::{
        ComputePhase, IntMsgInfo, MsgInfo, OwnedMessage, ShardAccount, StateInit, StdAddr, TxInfo,
    },
    num::Tokens,
};

use crate::world::{START, ours, std};

static NETWORK: LazyLock<Mutex<NetworkConfig>> =
    LazyLock::new(|| Mutex::new(NetworkConfig::with_global_id(TESTNET_GLOBAL_ID, START).unwrap()));

/// How a message arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Sent,
    /// Thrown back by its receiver.
    Bounced,
}

/// A message the contract sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) to: Address,
    pub(crate) value: u64,
    pub(crate) bounce: bool,
    pub(crate) body: Cell,
}

impl Sent {
    pub(crate) fn op(&self) -> u32 {
        self.body.as_slice().unwrap().load_u32().unwrap_or(0)
    }

    /// What comes back to the sender if the receiver throws `exit`.
    pub(crate) fn bounced(&self, exit: i32) -> Cell {
        let mut info = CellBuilder::new();
        Tokens::new(self.value.into()).store_into(&mut info, Cell::empty_context()).unwrap();
        info.store_bit_zero().unwrap();
        info.store_u64(1).unwrap();
        info.store_u32(START).unwrap();
        let mut body = CellBuilder::new();
        body.store_u32(0xffff_fffe).unwrap();
        body.store_reference(self.body.clone()).unwrap();
        body.store_reference(info.build().unwrap()).unwrap();
        body.store_u8(0).unwrap();
        body.store_u32(exit.cast_unsigned()).unwrap();
        body.store_bit_zero().unwrap();
        body.build().unwrap()
    }
}

/// What a message did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit code; 0 is success. -1000 stands for a failed action phase.
    pub(crate) exit: i32,
    pub(crate) sent: Vec<Sent>,
    /// Bodies of what it told nobody in particular.
    pub(crate) logs: Vec<Cell>,
    /// All that was sent, logs included.
    pub(crate) out: Vec<OwnedMessage>,
}

impl Ran {
    pub(crate) fn the(&self, op: u32) -> &Sent {
        self.sent.iter().find(|message| message.op() == op).expect("it was sent")
    }
}

/// A contract alone.
#[derive(Clone)]
pub(crate) struct Solo {
    pub(crate) address: Address,
    pub(crate) now: u32,
    pub(crate) balance: u64,
    state: ShardAccount,
    init: StateInit,
    lt: u64,
}

impl Solo {
    /// Not deployed yet: the first message brings the code.
    pub(crate) fn new(address: Address, init: StateInit) -> Self {
        let state = missing_account().unwrap();
        Self { address, now: START, balance: 0, state, init, lt: 1_000_000 }
    }

    /// The data; before the first message, what it brings. (A first message that fails leaves the
    /// code there all the same, with that data.)
    pub(crate) fn stored(&self) -> Cell {
        self.data().or_else(|| self.init.data.clone()).unwrap()
    }

    pub(crate) fn data(&self) -> Option<Cell> {
        let account = self.state.load_account().unwrap()?;
        match account.state {
            tycho_types::models::AccountState::Active(init) => init.data,
            _ => None,
        }
    }

    pub(crate) fn send(&mut self, from: Address, value: u64, body: Cell) -> Ran {
        self.receive(from, value, body, Arrival::Sent)
    }

    pub(crate) fn receive(
        &mut self,
        from: Address,
        value: u64,
        body: Cell,
        arrival: Arrival,
    ) -> Ran {
        self.lt += 1_000;
        let fresh = self.data().is_none();
        let message = CellBuilder::build_from(OwnedMessage {
            info: MsgInfo::Int(IntMsgInfo {
                ihr_disabled: true,
                // Never bounced by the test itself: the value stays, and the exit code tells.
                bounce: false,
                bounced: arrival == Arrival::Bounced,
                src: std(&from).into(),
                dst: std(&self.address).into(),
                value: Tokens::new(value.into()).into(),
                created_lt: self.lt,
                created_at: self.now,
                ..IntMsgInfo::default()
            }),
            init: fresh.then(|| self.init.clone()),
            body: body.into(),
            layout: None,
        })
        .unwrap();
        let params = ExecutorParams {
            block_unixtime: self.now,
            block_lt: self.lt,
            rand_seed: HashBytes::ZERO,
            full_body_in_bounced: false,
            strict_extra_currency: true,
            authority_marks_enabled: false,
            charge_action_fees_on_fail: true,
            disable_delete_frozen_accounts: false,
            ..Default::default()
        };
        let done = {
            let mut network = NETWORK.lock().unwrap();
            let config = network.at(self.now).unwrap();
            let to = std(&self.address);
            execute(&params, config, self.lt, &to, Inbound::Internal, message, &self.state).unwrap()
        };
        let ran = ran(&done);
        let had = u128::from(self.balance) + u128::from(value);
        assert_eq!(had, done.balance + done.total_fees + done.burned + carried(&ran.out));
        self.state = done.state;
        self.balance = u64::try_from(done.balance).unwrap();
        ran
    }
}

fn ran(done: &Executed) -> Ran {
    let TxInfo::Ordinary(info) = done.transaction.load().unwrap().load_info().unwrap() else {
        panic!("an ordinary transaction")
    };
    let exit = match &info.compute_phase {
        ComputePhase::Executed(phase) if phase.success => {
            if info.action_phase.as_ref().is_some_and(|phase| phase.success) { 0 } else { -1000 }
        }
        ComputePhase::Executed(phase) => phase.exit_code,
        ComputePhase::Skipped(_) => -1001,
    };
    let out: Vec<_> = done.out_msgs.iter().map(|message| message.load().unwrap()).collect();
    let logged = out.iter().filter(|message| matches!(message.info, MsgInfo::ExtOut(_)));
    let logs = logged.map(body_of).collect();
    let sent = out.iter().filter_map(sent).collect();
    Ran { exit, sent, logs, out }
}

/// What left with messages to other contracts: their values, and what is still to be paid for their way.
fn carried(out: &[OwnedMessage]) -> u128 {
    let of = |message: &OwnedMessage| match &message.info {
        MsgInfo::Int(info) => info.value.tokens.into_inner() + info.fwd_fee.into_inner(),
        MsgInfo::ExtIn(_) | MsgInfo::ExtOut(_) => 0,
    };
    out.iter().map(of).sum()
}

fn sent(message: &OwnedMessage) -> Option<Sent> {
    let MsgInfo::Int(info) = &message.info else { return None };
    let to: &StdAddr = info.dst.as_std()?;
    Some(Sent {
        to: ours(to),
        value: u64::try_from(info.value.tokens.into_inner()).unwrap(),
        bounce: info.bounce,
        body: body_of(message),
    })
}

fn body_of(message: &OwnedMessage) -> Cell {
    let mut body = CellBuilder::new();
    body.store_slice(CellSlice::apply(&message.body).unwrap()).unwrap();
    body.build().unwrap()
}

// ---- bodies that only contracts send, so the bindings do not build them ------------------------

pub(crate) fn body(op: u32, query: u64, rest: impl FnOnce(&mut CellBuilder)) -> Cell {
    let mut builder = CellBuilder::new();
    builder.store_u32(op).unwrap();
    builder.store_u64(query).unwrap();
    rest(&mut builder);
    builder.build().unwrap()
}

pub(crate) fn put_coins(builder: &mut CellBuilder, amount: Nano) {
    Tokens::new(amount.get().into()).store_into(builder, Cell::empty_context()).unwrap();
}

pub(crate) fn put_address(builder: &mut CellBuilder, address: Address) {
    std(&address).store_into(builder, Cell::empty_context()).unwrap();
}

pub(crate) fn put_hash(builder: &mut CellBuilder, hash: &Hash32) {
    builder.store_u256(&HashBytes(hash.0)).unwrap();
}
