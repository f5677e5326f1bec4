//! Which messages come back if they are refused: held against every message that any contract sends in
//! any test. Those that can come back undo a step (`returned`); of the others nobody would hear.

use fog_contracts::{jetton, market, stake, task};
use fog_testnet::chain::Receipt;
use tycho_types::{cell::CellSlice, models::MsgInfo};

/// Sent with bounce. All that is not here and not a foreign contract's is sent without.
const COME_BACK: [u32; 12] = [
    jetton::op::PROVIDE_WALLET,
    jetton::op::TRANSFER,
    market::op::REGISTER,
    stake::op::RESERVE,
    stake::op::SETTLE,
    stake::op::SLASH,
    stake::op::RELEASE,
    stake::op::JOIN,
    stake::op::LEAVE,
    stake::op::REDEEM,
    task::op::ASSIGN,
    task::op::RESERVED,
];

/// First bytes of the operations of our contracts: D, M, N, O, S, T, V.
const OURS: [u32; 7] = [0x44, 0x4d, 0x4e, 0x4f, 0x53, 0x54, 0x56];

fn is_ours(op: u32) -> bool {
    COME_BACK.contains(&op) || OURS.contains(&(op >> 24))
}

/// The receipt as it is, if every message in it is sent as it has to be.
pub(crate) fn as_declared(receipt: Receipt) -> Receipt {
    for record in &receipt.transactions {
        let incoming = record.in_msg().unwrap();
        // Wallets' messages are the tests' own: only wallets take messages from outside.
        if !incoming.is_some_and(|message| matches!(message.info, MsgInfo::Int(_))) {
            continue;
        }
        for message in record.out_msgs().unwrap() {
            let MsgInfo::Int(info) = &message.info else { continue };
            let mut body = CellSlice::apply(&message.body).unwrap();
            let Ok(op) = body.load_u32() else { continue };
            if info.bounced || !is_ours(op) {
                continue;
            }
            let (sent, declared) = (info.bounce, COME_BACK.contains(&op));
            assert_eq!(sent, declared, "{op:#010x} from {} is sent with bounce", record.address);
        }
    }
    receipt
}
