//! What to attach. The contracts demand their own worst case at live prices; these are above it
//! at the network's present configuration (a test compares), and what is not used comes back.

use fog_protocol::Nano;

/// To `fund`, beyond the price: rent (five years are asked for, this is for nearly ten), registration,
/// notices.
pub const FUND_VALUE: Nano = Nano::new(550_000_000);
/// To `take_on`: goes through the node's bond and the task, and reserves the stake.
pub const ASSIGN_VALUE: Nano = Nano::new(120_000_000);
/// To `challenge`, beyond its bond.
pub const CHALLENGE_VALUE: Nano = Nano::new(30_000_000);
/// To the first `bond`, beyond the amount: five years of rent and gas.
pub const OPERATOR_RENT: Nano = Nano::new(150_000_000);
/// To `commit`.
pub const COMMIT_VALUE: Nano = Nano::new(30_000_000);
/// To `finalize`, `expire` and `cancel`: the way through the stake and the end.
pub const END_VALUE: Nano = Nano::new(80_000_000);
/// To `prove`: checks a proof and goes through to the end.
pub const PROVE_VALUE: Nano = Nano::new(150_000_000);
/// To a stake's owner operations.
pub const OWNER_VALUE: Nano = Nano::new(20_000_000);
/// To a deposit, beyond the amount: five years of rent and gas.
pub const STAKE_RENT: Nano = Nano::new(550_000_000);
/// To a delegation, beyond the amount: five years of the delegation's rent and gas.
pub const DELEGATE_VALUE: Nano = Nano::new(180_000_000);
/// To an undelegation.
pub const UNDELEGATE_VALUE: Nano = Nano::new(40_000_000);
/// To whatever has the stake look through its reservations: a claim of what left, and a worker's
/// withdrawal where stake is delegated.
pub const CLAIM_VALUE: Nano = Nano::new(90_000_000);
/// To the market's operations.
pub const MARKET_VALUE: Nano = Nano::new(50_000_000);
/// To the first payment into an account or earnings, beyond the amount: five years of rent and gas.
pub const CHANNEL_RENT: Nano = Nano::new(150_000_000);
/// To `redeem`.
pub const REDEEM_VALUE: Nano = Nano::new(20_000_000);
/// To a channel's `close`, `leave`, `finish` and `set_key`.
pub const CHANNEL_END_VALUE: Nano = Nano::new(20_000_000);

/// To the question that opens a channel in a jetton: five years of rent, the master's answer and gas.
pub const JETTON_RENT: Nano = Nano::new(260_000_000);
/// To what makes a channel send jettons: a redemption or an end that pays the sender, a claim.
pub const JETTON_PAY_VALUE: Nano = Nano::new(100_000_000);
/// To a redemption or an end that sends nothing at once.
pub const JETTON_CREDIT_VALUE: Nano = Nano::new(20_000_000);
/// What a transfer of jettons into a channel must forward, or it is not counted there.
pub const JETTON_FORWARD: Nano = Nano::new(10_000_000);
/// To one's own jetton wallet, for such a transfer.
pub const JETTON_TRANSFER_VALUE: Nano = Nano::new(100_000_000);

/// To `begin` of a task in a jetton: rent (five years are asked for), the master's answer, registration,
/// notices.
pub const JETTON_TASK_VALUE: Nano = Nano::new(800_000_000);

/// To `verdict`, by the number of signatures it carries.
#[must_use]
pub fn verdict_value(signatures: u8) -> Nano {
    Nano::new(30_000_000 + 4_000_000 * u64::from(signatures))
}

/// To `ruling`, by the number of signatures it carries.
#[must_use]
pub fn ruling_value(signatures: u8) -> Nano {
    Nano::new(40_000_000 + 4_000_000 * u64::from(signatures))
}
