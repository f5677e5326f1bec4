//! The contracts: compiled Tolk code with its hashes, and typed bindings.
//!
//! Sources are in `tolk/`, compiled code in `compiled/` (checked in; `node build.mjs --check`
//! compiles again and compares). Bindings build message bodies and initial states, compute
//! addresses and signing hashes, and read the contracts' data cells. Nothing here talks to a chain.
//!
//! State is read from an account's data cell rather than through get-methods: one request, and the
//! same parser for every source of cells.

mod amount;
pub mod anchor;
mod cells;
pub mod channel;
mod code;
pub mod delegation;
mod describe;
pub mod dispute;
pub mod epoch;
mod exit;
mod fees;
pub mod heard;
pub mod jetton;
pub mod jetton_task;
mod log;
pub mod market;
mod notify;
pub mod operator;
mod pool;
pub mod proof;
pub mod rail;
mod signing;
pub mod stake;
pub mod task;

pub use amount::Amount;
pub use cells::ContractError;
pub use code::{
    Code, account_code, delegation_code, earnings_code, jetton_account_code, jetton_earnings_code,
    jetton_task_code, market_code, operator_code, stake_code, task_code,
};
pub use describe::Kind;
pub use exit::{ExitCode, explain_exit};
pub use fees::{
    ASSIGN_VALUE, CHALLENGE_VALUE, CHANNEL_END_VALUE, CHANNEL_RENT, CLAIM_VALUE, COMMIT_VALUE,
    DELEGATE_VALUE, END_VALUE, FUND_VALUE, JETTON_CREDIT_VALUE, JETTON_FORWARD, JETTON_PAY_VALUE,
    JETTON_RENT, JETTON_TASK_VALUE, JETTON_TRANSFER_VALUE, MARKET_VALUE, OPERATOR_RENT,
    OWNER_VALUE, PROVE_VALUE, REDEEM_VALUE, STAKE_RENT, UNDELEGATE_VALUE, ruling_value,
    verdict_value,
};
pub use fog_protocol::{MAX_DECIMALS, Units, UnitsError};
pub use log::{Movement, Reward, Slash, StakeLog, StakeMove};
pub use notify::{Notify, TaskState, op};
pub use signing::{Consent, VerdictTerms, commit_hash, consent_hash, ruling_hash, verdict_hash};
