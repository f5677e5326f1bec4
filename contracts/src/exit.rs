//! Exit codes of the contracts, in words.

macro_rules! exit_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why a contract refused a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "each has its text in `ExitCode::text`")]
        pub enum ExitCode { $($(#[$doc])* $name = $number,)* }

        impl ExitCode {
            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Cause and cure.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

exit_codes! {
    NotAllowed = 100, "the sender may not do this: use the wallet the contract names";
    WrongState = 101, "the contract is in another state: read it again";
    TooLate = 102, "its deadline has passed";
    TooEarly = 103, "its time has not come yet";
    LowValue = 104, "too little is attached for the amount and the gas: attach more";
    BadSignature = 105, "a signature does not match: wrong key, or other terms were signed";
    TooFewSignatures = 106, "not exactly the threshold of verifier signatures";
    PriceAboveCap = 107, "the price is above the task's cap";
    NotATask = 108, "the sender is no task of this market with a reservation here";
    StakeTooSmall = 109, "not enough free stake: stake more, or wait until tasks end";
    TooMany = 110, "all 64 reservations are taken: wait until tasks end";
    Paused = 111, "the market takes no new tasks at the moment";
    BadTerms = 112, "the task's durations are outside the market's bounds";
    WrongQuery = 113, "an answer to another question";
    NothingThere = 114, "there is nothing to withdraw";
    BadConfig = 115, "the configuration is outside its bounds";
    Workchain = 116, "addresses must be on the basechain (0:...)";
    NotProven = 117, "the proof does not prove the task's statement for this worker and result";
    BadKey = 118, "the verifying key would prove anything";
    OtherPolicy = 119, "a proof decides this task, not a verdict, or the other way round";
    BondTooSmall = 120, "the node's bond has not as much free: add to it, or wait until tasks end";
    NotADelegation = 130, "the sender is no delegation to this stake";
    Commission = 131, "the commission is above its bound, or above what the staker accepts";
    CutDown = 132, "slashes took nearly all of what was delegated here: stake elsewhere";
    StillBacking = 133,
        "a task from before it began to leave is not over: end that task, anyone may, or wait";
    NoRent = 135, "the stake's rent would not last a year: top it up, anyone may";
    Delegated = 136,
        "others' stake is delegated here, and earns nothing of jettons: only own stake stands for them";
    TooLittle = 134, "less than a delegation must have: 1 GRAM";
    OldVoucher = 140, "a newer voucher, or the same, was redeemed before";
    AboveBalance = 141, "the voucher is for more than there is: top it up first";
    AboveCap = 142, "the voucher takes more than one redemption may: the exposure cap";
    NotTheWallet = 143, "not the channel's own jetton wallet: jettons count by its word alone";
    UnknownOp = 0xffff, "no such operation: another contract or version?";
}

/// Any exit code in words, the virtual machine's own included.
#[must_use]
pub fn explain_exit(number: i32) -> String {
    let known = u32::try_from(number).ok().and_then(ExitCode::from_number);
    match (known, number) {
        (Some(code), _) => format!("{} (exit code {number})", code.text()),
        (None, 0 | 1) => "no error".to_owned(),
        (None, 9 | 63) => format!("the message is malformed (exit code {number})"),
        (None, -14 | 13) => format!("it ran out of gas: attach more (exit code {number})"),
        (None, _) => format!("exit code {number}"),
    }
}
