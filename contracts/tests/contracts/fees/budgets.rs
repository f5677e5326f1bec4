//! What each message is budgeted with: constants of `fees.tolk`, or the value that is attached.

use fog_contracts::{
    COMMIT_VALUE, JETTON_PAY_VALUE, MARKET_VALUE, OWNER_VALUE, channel, delegation, jetton,
    jetton_task, market, operator, stake, task,
};
use fog_protocol::Nano;

const FEES: &str = concat!(
    include_str!("../../../tolk/shared/fees.tolk"),
    include_str!("../../../tolk/jetton/fees.tolk"),
    include_str!("../../../tolk/jetton_task/fees.tolk")
);
/// Nanogram for one gas on the basechain.
pub(super) const GAS_PRICE: u64 = 400;

/// A step's name, and the terms whose sum is its budget: a constant of `fees.tolk`, a number of them
/// (`16 GAS_SIGNATURE`), or a value that is attached.
pub(super) type Budget = (&'static str, Terms);
pub(super) type Terms = &'static [&'static str];
/// The budget of a message, by its opcode and by whether it came back.
pub(super) type Budgets = fn(u32, bool) -> Option<Budget>;

/// A constant of any fees.tolk.
pub(crate) fn constant(name: &str) -> u64 {
    let start = format!("const {name} = ");
    let line = FEES.lines().find(|line| line.starts_with(&start)).expect(name);
    let number = line[start.len()..].split_whitespace().next().unwrap();
    number.parse().unwrap()
}

/// The gas that these come to.
pub(super) fn sum(terms: Terms) -> u64 {
    terms.iter().map(|term| gas(term)).sum()
}

/// What is attached beyond what a contract asks for, or where it asks for nothing.
fn attached(name: &str) -> Option<Nano> {
    match name {
        "MARKET_VALUE" => Some(MARKET_VALUE),
        "OWNER_VALUE" => Some(OWNER_VALUE),
        "COMMIT_VALUE" => Some(COMMIT_VALUE),
        "JETTON_PAY_VALUE" => Some(JETTON_PAY_VALUE),
        _ => None,
    }
}

fn gas(term: &str) -> u64 {
    match term.split_once(' ') {
        Some((times, name)) => times.parse::<u64>().unwrap() * constant(name),
        None => match attached(term) {
            Some(value) => value.get() / GAS_PRICE,
            None => constant(term),
        },
    }
}

/// What is budgeted for a message with this opcode; bounced ones carry `true`.
pub(super) fn budget(op: u32, bounced: bool) -> Option<Budget> {
    Some(match (op, bounced) {
        (task::op::FUND, false) => ("fund", &["GAS_FUND"]),
        (market::op::REGISTER, false) => ("register", &["GAS_REGISTER"]),
        (task::op::OPENED, false) => ("opened", &["GAS_OPENED"]),
        (task::op::ASSIGN, false) => ("assign", &["GAS_ASSIGN"]),
        (stake::op::RESERVE, false) => ("reserve", &["GAS_RESERVE"]),
        (task::op::RESERVED, false) => ("reserved", &["GAS_RESERVED"]),
        (stake::op::RESERVE, true) => ("reserve, refused", &["GAS_UNDONE"]),
        (operator::op::BOND, false) => ("bond", &["GAS_BOND"]),
        (operator::op::WITHDRAW, false) => ("withdraw bond", &["GAS_BOND"]),
        (operator::op::TAKE_ON, false) => ("take on", &["GAS_TAKE_ON"]),
        (task::op::ASSIGN, true) => ("assign, refused", &["GAS_NOT_TAKEN"]),
        (operator::op::FREED, false) => ("freed", &["GAS_FREED"]),
        (task::op::CHALLENGE, false) => ("challenge", &["GAS_CHALLENGE"]),
        (task::op::RULING, false) => ("ruling of 16", &["GAS_RULING", "16 GAS_SIGNATURE"]),
        (market::op::REGISTER, true) => ("register, refused", &["GAS_OPENED", "GAS_CLOSE"]),
        (task::op::COMMIT, false) => ("commit", &["GAS_COMMIT"]),
        (task::op::VERDICT, false) => ("verdict of 16", &["GAS_VERDICT", "16 GAS_SIGNATURE"]),
        (task::op::FINALIZE, false) => ("finalize", &["GAS_FINALIZE"]),
        (task::op::PROVE, false) => ("prove", &["GAS_PROVE"]),
        (task::op::EXPIRE, false) => ("expire", &["GAS_FINALIZE", "GAS_CLOSE"]),
        (stake::op::SETTLE, false) => ("settle", &["GAS_STAKE_STEP"]),
        (stake::op::SLASH, false) => ("slash", &["GAS_STAKE_STEP"]),
        (stake::op::RELEASE, false) => ("release", &["GAS_STAKE_STEP"]),
        (task::op::SETTLED, false) => ("settled", &["GAS_CLOSE"]),
        (task::op::SLASHED, false) => ("slashed", &["GAS_CLOSE"]),
        (task::op::RELEASED, false) => ("released", &["GAS_CLOSE"]),
        (task::op::CANCEL, false) => ("cancel", &["GAS_CLOSE"]),
        (stake::op::DEPOSIT, false) => ("deposit", &["GAS_OWNER"]),
        (stake::op::SET_SESSION, false) => ("set session", &["GAS_OWNER"]),
        (stake::op::UNBOND, false) => ("unbond", &["GAS_OWNER"]),
        (stake::op::WITHDRAW, false) => ("withdraw", &["GAS_OWNER"]),
        (stake::op::SET_COMMISSION, false) => ("set commission", &["GAS_OWNER"]),
        (delegation::op::DELEGATE, false) => ("delegate", &["GAS_DELEGATE"]),
        (stake::op::JOIN, false) => ("join", &["GAS_JOIN"]),
        (delegation::op::JOINED, false) => ("joined", &["GAS_JOINED"]),
        (stake::op::JOIN, true) => ("join, refused", &["GAS_JOINED"]),
        (delegation::op::UNDELEGATE, false) => ("undelegate", &["GAS_UNDELEGATE"]),
        (stake::op::LEAVE, false) => ("leave", &["GAS_LEAVE"]),
        (delegation::op::LEFT, false) => ("left", &["GAS_LEFT"]),
        (delegation::op::CLAIM, false) => ("claim", &["GAS_CLAIM"]),
        (stake::op::REDEEM, false) => ("redeem", &["GAS_REDEEM", "GAS_BACKING"]),
        (stake::op::REDEEM, true) => ("redeem, refused", &["GAS_LEFT"]),
        (stake::op::WITHDRAW_EARNINGS, false) => ("withdraw earnings", &["GAS_OWNER"]),
        (channel::op::TOP_UP, false) => ("channel: top up", &["GAS_TOP_UP"]),
        (channel::op::SET_KEY, false) => ("channel: set key", &["GAS_TOP_UP"]),
        (channel::op::REDEEM, false) => ("channel: redeem", &["GAS_VOUCHER"]),
        (channel::op::CLOSE, false) => ("channel: close", &["GAS_CLOSING"]),
        (channel::op::LEAVE, false) => ("channel: leave", &["GAS_FINISH"]),
        (channel::op::FINISH, false) => ("channel: finish", &["GAS_FINISH"]),
        (stake::op::FREE_STALE, false) => ("free stale", &["GAS_OWNER"]),
        (market::op::SETUP, false) => ("market: setup", &["MARKET_VALUE"]),
        (market::op::PROPOSE, false) => ("market: propose", &["MARKET_VALUE"]),
        (market::op::APPLY, false) => ("market: apply", &["MARKET_VALUE"]),
        (market::op::WITHDRAWN, false) => ("market: withdraw", &["MARKET_VALUE"]),
        (market::op::SET_PAUSE, false) => ("market: pause", &["MARKET_VALUE"]),
        (market::op::OFFER_OWNER, false) => ("market: offer owner", &["MARKET_VALUE"]),
        (market::op::ACCEPT_OWNER, false) => ("market: accept owner", &["MARKET_VALUE"]),
        (market::op::KEEP_OWNER, false) => ("market: keep owner", &["MARKET_VALUE"]),
        _ => return None,
    })
}

/// What is budgeted in a jetton channel: the same opcodes cost more there.
pub(super) fn jetton_budget(op: u32, bounced: bool) -> Option<Budget> {
    Some(match (op, bounced) {
        (jetton::op::ASK, false) => ("ask", &["GAS_ASK"]),
        (jetton::op::TAKE_WALLET, false) => ("answer", &["GAS_TAKEN"]),
        (jetton::op::NOTIFICATION, false) => ("notification", &["GAS_NOTIFIED"]),
        (channel::op::REDEEM, false) => ("redeem", &["GAS_JETTON_VOUCHER"]),
        (channel::op::CLOSE, false) => ("close", &["GAS_JETTON_CLOSING"]),
        (channel::op::SET_KEY, false) => ("set key", &["GAS_TOP_UP"]),
        (channel::op::LEAVE, false) => ("leave", &["GAS_JETTON_FINISH"]),
        (channel::op::FINISH, false) => ("finish", &["GAS_JETTON_FINISH"]),
        (jetton::op::CLAIM, false) => ("claim", &["GAS_JETTON_CLAIM"]),
        (jetton::op::SWEEP, false) => ("sweep", &["GAS_JETTON_CLAIM"]),
        // Paid by what comes back with it.
        (jetton::op::TRANSFER, true) => ("transfer, refused", &["GAS_JETTON_CLAIM"]),
        _ => return None,
    })
}

/// What is budgeted in a task in a jetton, and around it.
pub(super) fn jetton_task_budget(op: u32, bounced: bool) -> Option<Budget> {
    Some(match (op, bounced) {
        (jetton_task::op::BEGIN, false) => ("begin", &["GAS_BEGIN"]),
        (jetton::op::TAKE_WALLET, false) => ("answer", &["GAS_TAKEN"]),
        (jetton::op::NOTIFICATION, false) => ("notification", &["GAS_CREDITED"]),
        (jetton_task::op::CLAIM_SHARE, false) => ("claim", &["GAS_SHARE"]),
        (jetton_task::op::SWEEP, false) => ("sweep", &["GAS_SHARE"]),
        (jetton_task::op::BURY, false) => ("bury", &["GAS_BURY"]),
        (market::op::REGISTER, false) => ("register", &["GAS_REGISTER_JETTON"]),
        _ => return budget(op, bounced),
    })
}

/// The same where a proof overrules a verdict.
pub(super) fn overruling(op: u32, bounced: bool) -> Option<Budget> {
    match (op, bounced) {
        (task::op::PROVE, false) => Some(("prove, overruling", &["GAS_PROVE"])),
        _ => budget(op, bounced),
    }
}

/// The same in a jetton.
pub(super) fn overruling_in_jetton(op: u32, bounced: bool) -> Option<Budget> {
    match (op, bounced) {
        (task::op::PROVE, false) => overruling(op, bounced),
        _ => jetton_task_budget(op, bounced),
    }
}

/// A withdrawal of a worker for whom others stand: it looks through all reservations.
pub(super) fn backed(op: u32, bounced: bool) -> Option<Budget> {
    match (op, bounced) {
        (stake::op::WITHDRAW, false) => {
            Some(("withdraw, past stakers", &["GAS_OWNER", "GAS_BACKING"]))
        }
        _ => budget(op, bounced),
    }
}
