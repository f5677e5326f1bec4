//! Why something is refused. A refusal changes nothing; its code is stable, its message says the
//! cause and what would have been accepted.

use fog_protocol::{
    Address, EnvelopeError, ListingError, Nano, PublicKey, TaskId, TaskStatus, gateway::PassReason,
};
use fog_verifier::EvidenceError;

/// Why an event is refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The signature does not match.
    #[error(transparent)]
    Signature(#[from] EnvelopeError),
    /// Signed by another key than the one that has to.
    #[error("the {what} is signed by {signer}, it must be signed by {key}")]
    WrongSigner {
        /// What is signed.
        what: &'static str,
        /// Who signed.
        signer: PublicKey,
        /// Who has to.
        key: PublicKey,
    },
    /// A field of the listing is out of its bounds.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// For another network.
    #[error("the listing is for network {given}, this market is on network {here}")]
    WrongNetwork {
        /// The listing's.
        given: i32,
        /// This one's.
        here: i32,
    },
    /// For another market or node.
    #[error("the listing's {field} is {given}, here it is {here}")]
    WrongParty {
        /// The field.
        field: &'static str,
        /// What it says.
        given: Address,
        /// What it must say.
        here: Address,
    },
    /// Too few results would be checked.
    #[error("the audit rate is {given} ppm, this market asks for at least {min} ppm")]
    RateTooLow {
        /// The listing's.
        given: u32,
        /// The market's.
        min: u32,
    },
    /// A duration outside the market's bounds.
    #[error("durations.{field} is {given} s, this market takes {min} to {max} s")]
    Duration {
        /// Which.
        field: &'static str,
        /// The listing's.
        given: u32,
        /// Shortest.
        min: u32,
        /// Longest.
        max: u32,
    },
    /// No stake makes cheating unprofitable at this price and rate.
    #[error(
        "no stake covers a price of {price} at an audit rate of {rate_ppm} ppm: lower the \
             price cap or raise the rate"
    )]
    NoReserveSuffices {
        /// The price.
        price: Nano,
        /// The rate.
        rate_ppm: u32,
    },
    /// At this node no stake is reserved for the account rail: what is not checked is not paid.
    #[error(
        "this node has no stake reserved for the account rail, so every result there is checked: \
             post it with `--audit-rate 1`, or on the escrow rail"
    )]
    RailNeedsAudit,
    /// More stake than workers reserve here in bulk.
    #[error(
        "this price needs a reserve of {needed} at this audit rate, workers reserve {most} here for \
             the account rail: lower the price cap, raise the rate, or use the escrow rail"
    )]
    AbovePledges {
        /// What the stake rule asks for at the cap.
        needed: Nano,
        /// What a worker is asked for in bulk.
        most: Nano,
    },
    /// A task that could outlive what is reserved for it.
    #[error(
        "commit, verdict and window take {way} s together, stake reserved in bulk stands for tasks of \
             at most {longest} s: shorten them, or post it with `--audit-rate 1`"
    )]
    LongerThanPledges {
        /// The listing's.
        way: u64,
        /// The most there may be.
        longest: u64,
    },
    /// The worker's pledges do not cover the bid.
    #[error(
        "the bid needs {reserve} of what is reserved here in bulk, {free} of that is free: pledge \
             more, or wait until running tasks end"
    )]
    PledgeTooSmall {
        /// The bid's reserve.
        reserve: Nano,
        /// What is free.
        free: Nano,
    },
    /// The same listing was posted with another escrow address.
    #[error("this listing is known with the escrow {known}, not {given}")]
    OtherEscrow {
        /// The address known.
        known: Address,
        /// The address given.
        given: Address,
    },
    /// The market is full.
    #[error("{open} tasks are open here, the most there may be: try again when some have ended")]
    MarketFull {
        /// How many.
        open: u32,
    },
    /// The requestor has too many open tasks.
    #[error("you have {open} open tasks, the most one key may have: wait for some to end")]
    RequestorFull {
        /// How many.
        open: u32,
    },
    /// Too many workers are known.
    #[error("{known} workers are known here, the most there may be")]
    TooManyWorkers {
        /// How many.
        known: u32,
    },
    /// No such task.
    #[error("no task {0} is known here: it was never posted, or ended long ago")]
    UnknownTask(TaskId),
    /// No such worker.
    #[error("worker {0} is not known here: connect to the gateway first")]
    UnknownWorker(Address),
    /// The worker is not connected.
    #[error("worker {0} is not connected: connect to the gateway first")]
    Offline(Address),
    /// Not possible in the task's state.
    #[error("the task is {status}: {what} is possible only while it is {wanted}")]
    WrongState {
        /// The state.
        status: TaskStatus,
        /// What was tried.
        what: &'static str,
        /// When it is possible.
        wanted: &'static str,
    },
    /// A bid for another escrow.
    #[error("the bid names the escrow {given}, this task's is {escrow}")]
    WrongEscrow {
        /// The bid's.
        given: Address,
        /// The task's.
        escrow: Address,
    },
    /// A bid names another stake contract than the worker joined with.
    #[error("the bid names the stake contract {given}, you joined with {stake}")]
    WrongStake {
        /// The bid's.
        given: Address,
        /// The worker's.
        stake: Address,
    },
    /// A price of zero.
    #[error("a price of zero is no bid: ask for at least 0.000000001 GRAM")]
    ZeroPrice,
    /// Too expensive.
    #[error("{price} is above the cap: this task pays at most {cap}")]
    PriceAboveCap {
        /// The bid's.
        price: Nano,
        /// The listing's.
        cap: Nano,
    },
    /// The reserve does not cover the price.
    #[error("a price of {price} needs a reserve of at least {required}, the bid offers {reserve}")]
    ReserveTooSmall {
        /// The bid's price.
        price: Nano,
        /// The bid's reserve.
        reserve: Nano,
        /// What is needed.
        required: Nano,
    },
    /// The worker has not that much free stake.
    #[error(
        "the bid reserves {reserve}, your free stake is {free}: stake more, or wait until \
             running tasks settle"
    )]
    StakeTooSmall {
        /// The bid's reserve.
        reserve: Nano,
        /// What is free.
        free: Nano,
    },
    /// The worker has no slot free.
    #[error("{active} of {slots} slots are taken: finish a task or offer more slots")]
    NoSlot {
        /// Tasks it has.
        active: u32,
        /// Slots it offers.
        slots: u16,
    },
    /// Slots outside the bounds.
    #[error("the bid offers {given} slots, it must be 1 to {max}")]
    BadSlots {
        /// The bid's.
        given: u16,
        /// The market's.
        max: u16,
    },
    /// The consent ends too soon.
    #[error("the consent holds until {given}, it must hold until at least {needed}")]
    ConsentTooShort {
        /// The bid's.
        given: u64,
        /// What is needed.
        needed: u64,
    },
    /// The round has its bids.
    #[error("this task has {count} bids, the most one round takes: bid lower next time, sooner")]
    TooManyBids {
        /// How many.
        count: u32,
    },
    /// The worker's stake was not reserved for this task before.
    #[error("your stake contract refused the reservation for this task before: bid on others")]
    Barred,
    /// Not copies of one task, or not all of them.
    #[error("these are not all the copies of one task: each listing commits to its group")]
    NotCopies,
    /// Somebody else has the task.
    #[error("the task is assigned to {worker}")]
    NotYours {
        /// To whom.
        worker: Address,
    },
    /// A second, different commitment.
    #[error("the task's worker committed to another result already; a commitment is final")]
    CommittedAlready,
    /// The nonce does not hash to what the listing says.
    #[error("the nonce does not match the hash in the listing")]
    WrongNonce,
    /// The verdict was reached on another basis than the market asked for.
    #[error("the verdict rests on another basis than was asked for: verify it again")]
    StaleBasis,
    /// The verdict is about another task, worker or commitment.
    #[error("the verdict is about another result than the one of {task:?}")]
    OtherResult {
        /// The task.
        task: TaskId,
    },
    /// Verifiers came to something else before: one of both is wrong, and nobody is slashed by it.
    #[error("the verifiers found something else when they looked at {task:?} again before")]
    ContraryRuling {
        /// The task.
        task: TaskId,
    },
    /// The evidence supports no verdict.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The chain says something that contradicts what it said before.
    #[error("the chain contradicts itself: the task is {status}, now it is said to be {said}")]
    Contradiction {
        /// The status.
        status: TaskStatus,
        /// What is said.
        said: TaskStatus,
    },
}

impl Refused {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(_) => "bad_signature",
            Self::WrongSigner { .. } => "wrong_signer",
            Self::Listing(_) => "listing_out_of_bounds",
            Self::WrongNetwork { .. } => "wrong_network",
            Self::WrongParty { .. } => "wrong_party",
            Self::RateTooLow { .. } => "rate_too_low",
            Self::Duration { .. } => "duration_out_of_bounds",
            Self::NoReserveSuffices { .. } => "no_reserve_suffices",
            Self::RailNeedsAudit => "rail_needs_audit",
            Self::AbovePledges { .. } => "above_pledges",
            Self::LongerThanPledges { .. } => "longer_than_pledges",
            Self::PledgeTooSmall { .. } => "pledge_too_small",
            Self::OtherEscrow { .. } => "other_escrow",
            Self::MarketFull { .. } => "market_full",
            Self::RequestorFull { .. } => "requestor_full",
            Self::TooManyWorkers { .. } => "too_many_workers",
            Self::UnknownTask(_) => "unknown_task",
            Self::UnknownWorker(_) => "unknown_worker",
            Self::Offline(_) => "offline",
            Self::WrongState { .. } => "wrong_state",
            Self::WrongEscrow { .. } => "wrong_escrow",
            Self::WrongStake { .. } => "wrong_stake",
            Self::ZeroPrice => "zero_price",
            Self::PriceAboveCap { .. } => "price_above_cap",
            Self::ReserveTooSmall { .. } => "reserve_too_small",
            Self::StakeTooSmall { .. } => "stake_too_small",
            Self::NoSlot { .. } => "no_slot",
            Self::BadSlots { .. } => "bad_slots",
            Self::ConsentTooShort { .. } => "consent_too_short",
            Self::TooManyBids { .. } => "too_many_bids",
            Self::Barred => "barred",
            Self::NotCopies => "not_copies",
            Self::NotYours { .. } => "not_yours",
            Self::CommittedAlready => "committed_already",
            Self::WrongNonce => "wrong_nonce",
            Self::StaleBasis => "stale_basis",
            Self::OtherResult { .. } => "other_result",
            Self::ContraryRuling { .. } => "contrary_ruling",
            Self::Evidence(_) => "bad_evidence",
            Self::Contradiction { .. } => "contradiction",
        }
    }

    /// For a refused bid: the pass it amounts to, with the ask where the price was the reason.
    /// Applying it as [`crate::Event::Passed`] lets the round end without waiting for the worker,
    /// and lets an unmatched listing say which price would have matched.
    #[must_use]
    pub const fn as_pass(&self) -> Option<(PassReason, Option<Nano>)> {
        match self {
            Self::PriceAboveCap { price, .. } => Some((PassReason::PriceTooLow, Some(*price))),
            Self::StakeTooSmall { .. }
            | Self::ReserveTooSmall { .. }
            | Self::PledgeTooSmall { .. } => Some((PassReason::StakeTooSmall, None)),
            Self::NoSlot { .. } => Some((PassReason::Busy, None)),
            Self::ConsentTooShort { .. } => Some((PassReason::DeadlineTooShort, None)),
            Self::Signature(_)
            | Self::WrongSigner { .. }
            | Self::Listing(_)
            | Self::WrongNetwork { .. }
            | Self::WrongParty { .. }
            | Self::RateTooLow { .. }
            | Self::Duration { .. }
            | Self::NoReserveSuffices { .. }
            | Self::RailNeedsAudit
            | Self::AbovePledges { .. }
            | Self::LongerThanPledges { .. }
            | Self::OtherEscrow { .. }
            | Self::MarketFull { .. }
            | Self::RequestorFull { .. }
            | Self::TooManyWorkers { .. }
            | Self::UnknownTask(_)
            | Self::UnknownWorker(_)
            | Self::Offline(_)
            | Self::WrongState { .. }
            | Self::WrongEscrow { .. }
            | Self::WrongStake { .. }
            | Self::ZeroPrice
            | Self::BadSlots { .. }
            | Self::TooManyBids { .. }
            | Self::Barred
            | Self::NotCopies
            | Self::NotYours { .. }
            | Self::CommittedAlready
            | Self::WrongNonce
            | Self::StaleBasis
            | Self::OtherResult { .. }
            | Self::ContraryRuling { .. }
            | Self::Evidence(_)
            | Self::Contradiction { .. } => None,
        }
    }
}
