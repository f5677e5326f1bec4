//! One run as it is asked for.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    component::{Call, unpack},
    limits::Limits,
    outcome::Refusal,
};

const MAX_ARGS: usize = 64;
const MAX_ARG_BYTES: usize = 64 << 10;

/// One run: what goes in and what it may use.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Job {
    /// Stdin of a command, argument of a component's function.
    pub input: Vec<u8>,
    /// What it may use.
    pub limits: Limits,
    /// Seed of the guest's random numbers.
    pub seed: [u8; 32],
    /// Arguments after the first, which is always `task`.
    pub args: Vec<String>,
    /// Which function is called.
    pub call: Call,
}

/// Input is the requestor's and may be large: only its size is shown.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("input_bytes", &self.input.len())
            .field("limits", &self.limits)
            .field("args", &self.args.len())
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// `execute` with default limits, seed zero and no arguments.
    #[must_use]
    pub fn new(input: impl Into<Vec<u8>>) -> Self {
        Self {
            input: input.into(),
            limits: Limits::default(),
            seed: [0; 32],
            args: Vec::new(),
            call: Call::Execute,
        }
    }

    /// Whether a host with the limits `max` takes it.
    ///
    /// # Errors
    /// [`Refusal`] of limits, input or arguments.
    pub fn check(&self, max: &Limits) -> Result<(), Refusal> {
        self.limits.check_within(max)?;
        let bytes = self.input.len() as u64;
        if bytes > self.limits.input_bytes {
            return Err(Refusal::InputTooLarge { bytes, limit: self.limits.input_bytes });
        }
        if self.call == Call::Merge {
            unpack(&self.input)?;
        }
        let bad = |reason: &str| Err(Refusal::BadArguments { reason: reason.into() });
        if self.args.len() > MAX_ARGS {
            return bad("more than 64");
        }
        if self.args.iter().map(String::len).sum::<usize>() > MAX_ARG_BYTES {
            return bad("more than 64 KiB");
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return bad("one contains NUL");
        }
        Ok(())
    }
}
