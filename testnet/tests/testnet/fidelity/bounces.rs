//! Bounces, classic and rich: what comes back, and what it cost.

use fog_testnet::chain::{Bounce, Chain, Receipt, Transfer};
use tycho_types::cell::{Cell, CellSlice};
use tycho_types::models::{BouncePhase, ComputePhase, MsgInfo, OwnedMessage, StdAddr};

use super::prices::{Forward, Gas, Size};
use super::{cell, deploy, info, nobody, of, outbound};
use crate::conservation::{assert_conserved, manual_chain};

const VALUE: u128 = 1_000_000_000;
/// What the receiver does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    /// There is none.
    Missing,
    /// THROW 42.
    Throws,
    /// Sends more than it has, with mode 16: the message that caused it comes back.
    Overspends,
}

impl Receiver {
    fn code(self) -> Option<Cell> {
        match self {
            Self::Missing => None,
            Self::Throws => Some(cell(&[0xf2, 0x2a], &[])),
            Self::Overspends => {
                let message = outbound(&nobody(), 100 * VALUE);
                // PUSHREF 16 SENDRAWMSG
                Some(cell(&[0x88, 0x80, 0x10, 0xfb, 0x00], &[&message]))
            }
        }
    }
}

/// Who sends, to whom, and what came of it.
struct Bounced {
    chain: Chain,
    receipt: Receipt,
    target: StdAddr,
    /// The message that came back.
    message: Cell,
    info: tycho_types::models::IntMsgInfo,
    /// The message that went out.
    sent: tycho_types::models::IntMsgInfo,
}

fn body() -> Cell {
    let below = cell(b"below", &[]);
    cell(&[&[0x11; 4][..], &[0x22; 40]].concat(), &[&below])
}

/// Sends a message with the bounce flag.
fn bounced(receiver: Receiver, bounce: Bounce) -> Bounced {
    let mut chain = manual_chain();
    let party = chain.open_treasury(1, 10_000_000_000).unwrap();
    let target = match receiver.code() {
        Some(code) => deploy(&mut chain, code, cell(b"", &[]), 100_000_000),
        None => StdAddr::new(0, *cell(b"nothing here", &[]).repr_hash()),
    };
    let mut transfer = Transfer::call(target.clone(), VALUE, body());
    transfer.bounce = bounce;
    let receipt = chain.send_from(&party, &transfer).unwrap();
    assert_eq!(receipt.transactions.len(), 3, "sent, refused, came back");
    let refused = of(&receipt, &target);
    let header = |message: &Cell| match message.parse::<OwnedMessage>().unwrap().info {
        MsgInfo::Int(info) => info,
        _ => panic!("not internal"),
    };
    let transaction = refused.load().unwrap();
    let message = transaction.out_msgs.values().next().unwrap().unwrap();
    let sent = header(&transaction.in_msg.clone().unwrap());
    let (info, back) = (header(&message), receipt.transactions.last().unwrap());
    assert_eq!(back.address, party.address);
    assert_eq!(back.load().unwrap().in_msg.as_ref(), Some(&message));
    assert!(info.bounced && !info.bounce && info.ihr_disabled);
    assert_eq!((&info.src, &info.dst), (&sent.dst, &sent.src));
    assert_conserved(&chain);
    Bounced { chain, receipt, target, message, info, sent }
}

impl Bounced {
    /// The value that came back is what was sent, less gas and the fee of the way back.
    fn check_money(&self) {
        let (forward, gas) = (Forward::read(&self.chain), Gas::read(&self.chain));
        let transaction = info(of(&self.receipt, &self.target));
        let gas = match &transaction.compute_phase {
            ComputePhase::Executed(phase) => {
                let fee = gas.fee(phase.gas_used.into_inner());
                assert_eq!(phase.gas_fees.into_inner(), fee);
                fee
            }
            ComputePhase::Skipped(_) => 0,
        };
        let action = transaction
            .action_phase
            .as_ref()
            .and_then(|phase| phase.total_action_fees)
            .map_or(0, |fees| fees.into_inner());
        let Some(BouncePhase::Executed(phase)) = transaction.bounce_phase else { panic!() };
        let size = Size::of_message(&self.message);
        let fee = forward.fee(size);
        assert_eq!(phase.msg_fees.into_inner(), forward.collected(fee));
        assert_eq!(phase.fwd_fees.into_inner(), fee - forward.collected(fee));
        assert_eq!(self.info.fwd_fee.into_inner(), fee - forward.collected(fee));
        assert_eq!(self.info.value.tokens.into_inner(), VALUE - gas - action - fee);
    }

    fn body(&self) -> Cell {
        let (range, cell) = self.message.parse::<OwnedMessage>().unwrap().body;
        let slice = range.apply(&cell).unwrap();
        tycho_types::cell::CellBuilder::build_from(slice).unwrap()
    }
}

#[test]
fn a_classic_bounce_brings_back_the_first_256_bits() {
    for receiver in [Receiver::Throws, Receiver::Missing] {
        let bounced = bounced(receiver, Bounce::Classic);
        bounced.check_money();
        let expected = [&[0xff; 4][..], &[0x11; 4], &[0x22; 28]].concat();
        assert_eq!(bounced.body(), cell(&expected, &[]));
        let skipped = matches!(
            info(of(&bounced.receipt, &bounced.target)).compute_phase,
            ComputePhase::Skipped(_)
        );
        assert_eq!(skipped, receiver == Receiver::Missing);
        // Everything lies in the message's own cell: the way back costs the lump and no more.
        assert_eq!(Size::of_message(&bounced.message), Size::default());
    }
}

/// `new_bounce_body#fffffffe original_body:^Cell original_info:^NewBounceOriginalInfo
/// bounced_by_phase:uint8 exit_code:int32 compute_phase:(Maybe NewBounceComputePhaseInfo)`
struct Rich {
    original: Cell,
    phase: u8,
    exit_code: i32,
    compute: Option<(u32, u32)>,
}

fn rich(bounced: &Bounced) -> Rich {
    let body = bounced.body();
    let mut slice: CellSlice<'_> = body.as_slice().unwrap();
    assert_eq!(slice.load_u32().unwrap(), 0xffff_fffe);
    let original = slice.load_reference_cloned().unwrap();
    let about = slice.load_reference_cloned().unwrap();
    let (phase, exit_code) = (slice.load_u8().unwrap(), slice.load_u32().unwrap().cast_signed());
    let compute =
        slice.load_bit().unwrap().then(|| (slice.load_u32().unwrap(), slice.load_u32().unwrap()));
    assert!(slice.is_empty());
    // value:CurrencyCollection created_lt:uint64 created_at:uint32, of the message that came.
    let mut about = about.as_slice().unwrap();
    let bytes = about.load_small_uint(4).unwrap();
    let mut value = 0u128;
    for _ in 0..bytes {
        value = value << 8 | u128::from(about.load_u8().unwrap());
    }
    assert_eq!((value, about.load_bit().unwrap()), (VALUE, false));
    assert_eq!(about.load_u64().unwrap(), bounced.sent.created_lt);
    assert_eq!(about.load_u32().unwrap(), bounced.sent.created_at);
    Rich { original, phase, exit_code, compute }
}

#[test]
fn a_rich_bounce_says_what_failed_and_where() {
    for bounce in [Bounce::Rich, Bounce::RichFull] {
        for (receiver, phase, exit_code) in
            [(Receiver::Missing, 0, -1), (Receiver::Throws, 1, 42), (Receiver::Overspends, 2, 37)]
        {
            let bounced = bounced(receiver, bounce);
            bounced.check_money();
            let rich = rich(&bounced);
            assert_eq!((rich.phase, rich.exit_code), (phase, exit_code), "{receiver:?}");
            // The whole body, or its first cell without what hangs below.
            let expected = match bounce {
                Bounce::RichFull => body(),
                _ => cell(&[&[0x11; 4][..], &[0x22; 40]].concat(), &[]),
            };
            assert_eq!(rich.original, expected, "{bounce:?}");
            match info(of(&bounced.receipt, &bounced.target)).compute_phase {
                ComputePhase::Executed(ran) => {
                    let gas = u32::try_from(ran.gas_used.into_inner()).unwrap();
                    assert_eq!(rich.compute, Some((gas, ran.vm_steps)));
                }
                ComputePhase::Skipped(_) => assert_eq!(rich.compute, None),
            }
        }
    }
}

#[test]
fn a_bounce_that_is_not_paid_for_does_not_happen() {
    let mut chain = manual_chain();
    let forward = Forward::read(&chain);
    let party = chain.open_treasury(1, 10_000_000_000).unwrap();
    let target = StdAddr::new(0, *cell(b"nothing here", &[]).repr_hash());
    for (value, transactions) in [(forward.lump - 1, 2), (forward.lump, 3), (forward.lump + 1, 3)] {
        let transfer = Transfer::call(target.clone(), value, Cell::default());
        let receipt = chain.send_from(&party, &transfer).unwrap();
        assert_eq!(receipt.transactions.len(), transactions, "{value}");
        let phase = info(of(&receipt, &target)).bounce_phase.unwrap();
        match phase {
            BouncePhase::NoFunds(phase) => {
                assert_eq!(value, forward.lump - 1);
                assert_eq!(phase.req_fwd_fees.into_inner(), forward.lump);
            }
            BouncePhase::Executed(_) => assert!(value >= forward.lump),
            BouncePhase::NegativeFunds => panic!("{value}"),
        }
        assert_conserved(&chain);
    }
}
