//! Decides whether to bid: a worker must not be slashed for work it could not finish, for stake it
//! does not have, or for a fault of its own machine.
//!
//! Pure: what it knows is handed in, and the same offer in the same situation gets the same answer.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use fog_contracts::jetton_task::least_price;
use fog_protocol::{Listing, Nano, Program, TaskId, gateway::PassReason};

use fog_verifier::sandbox::Limits;

use crate::{
    config::{Pricing, Speed, WorkerLimits},
    seconds,
};

/// Starting a process, opening the payload, writing the journal.
const OVERHEAD_MS: u64 = 1000;
/// Bytes a second of payload that are counted on.
const PAYLOAD_BYTES_PER_MS: u64 = 1000;
/// Work is planned to take this much longer than measured, in percent.
const SLOWER_PERCENT: u64 = 150;

/// Why not, for the node and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The stable reason.
    pub reason: PassReason,
    /// What it would have taken, where the price was the reason.
    pub ask: Option<Nano>,
    /// Cause and cure.
    pub detail: String,
}

/// What to bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Price.
    pub price: Nano,
    /// Stake at risk.
    pub reserve: Nano,
}

/// How long a task may take here, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Load {
    /// Work, in milliseconds of one execution slot.
    pub work_ms: u64,
    /// Milliseconds until the commitment must have left: from the assignment for a bid, from now
    /// for work already here.
    pub within_ms: u64,
}

/// What the governor must know of a task that is held or bid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A bid that may still win.
    Pending {
        /// Stake its consent covers.
        reserve: Nano,
        /// Its work.
        load: Load,
    },
    /// To be run, or running.
    Working {
        /// Stake at risk.
        reserve: Nano,
        /// Its work.
        load: Load,
    },
    /// Run; the rest is the node's and the chain's.
    Done {
        /// Stake at risk.
        reserve: Nano,
    },
}

impl Held {
    pub(crate) const fn reserve(&self) -> Nano {
        match self {
            Self::Pending { reserve, .. }
            | Self::Working { reserve, .. }
            | Self::Done { reserve } => *reserve,
        }
    }

    const fn load(&self) -> Option<&Load> {
        match self {
            Self::Pending { load, .. } | Self::Working { load, .. } => Some(load),
            Self::Done { .. } => None,
        }
    }
}

/// Stops bidding after failures of its own in a row; each further stop is twice as long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    stops: u32,
    /// Seconds of the caller's clock until which it does not bid.
    until: u64,
}

impl Breaker {
    const FIRST_STOP_SECONDS: u64 = 300;
    const LONGEST_STOP_SECONDS: u64 = 6 * 3600;

    /// A task was done.
    pub const fn succeeded(&mut self) {
        *self = Self { failures: 0, stops: 0, until: 0 };
    }

    /// A task failed by this machine's fault. Returns the seconds of the stop, if one begins.
    pub fn failed(&mut self, now: u64, limit: u32) -> Option<u64> {
        self.failures = self.failures.saturating_add(1);
        // After a stop one more failure is enough for the next.
        if self.failures < limit && self.stops == 0 {
            return None;
        }
        let stop = Self::FIRST_STOP_SECONDS
            .saturating_mul(1 << self.stops.min(16))
            .min(Self::LONGEST_STOP_SECONDS);
        self.stops = self.stops.saturating_add(1);
        self.failures = 0;
        self.until = now.saturating_add(stop);
        Some(stop)
    }

    /// Seconds it still does not bid.
    #[must_use]
    pub const fn stopped_for(&self, now: u64) -> u64 {
        self.until.saturating_sub(now)
    }
}

/// The situation an offer is considered in.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Held and bid-for tasks.
    pub held: &'a BTreeMap<TaskId, Held>,
    /// Stake free on chain, less what is promised but not reserved there yet.
    pub free_stake: Nano,
}

/// What the worker takes on, asks and manages.
#[derive(Debug, Clone, Copy)]
pub struct Governor {
    /// Limits.
    pub limits: WorkerLimits,
    /// Prices.
    pub pricing: Pricing,
    /// Speed.
    pub speed: Speed,
}

impl Governor {
    /// The price of `listing` here; `None` if it is work this worker does not do.
    #[must_use]
    pub fn price(&self, listing: &Listing) -> Option<Nano> {
        match listing.program {
            Program::Wasi { .. } => self
                .pricing
                .per_gigafuel
                .mul_div_up(listing.limits.fuel, 1_000_000_000)
                .map(|price| price.max(self.pricing.base)),
            Program::Circom { .. } | Program::Circuit { .. } | Program::ZkVm { .. } => {
                self.pricing.proof.map(|price| price.max(self.pricing.base))
            }
        }
    }

    /// The part of the listing's guarantee that comes to what this worker asks in GRAM, by the rate it
    /// takes the listing's jetton at; never less than what it asks, for that is what it gets where no
    /// verdict comes.
    fn in_currency(&self, listing: &Listing, asked: Nano) -> Result<Nano, Pass> {
        let Some((master, units)) = listing.rail.jetton() else { return Ok(asked) };
        let wanted = self.pricing.jettons.worth(&master, asked).ok_or_else(|| Pass {
            reason: PassReason::Unsupported,
            ask: None,
            detail: format!("this worker takes no jettons of {master}: give it a rate for them"),
        })?;
        let part = least_price(units, listing.price_cap, wanted).ok_or_else(|| Pass {
            reason: PassReason::PriceTooLow,
            ask: None,
            detail: format!("the cap is {units}, this worker asks {wanted}"),
        })?;
        if asked > listing.price_cap {
            return Err(Pass {
                reason: PassReason::PriceTooLow,
                ask: Some(asked),
                detail: format!(
                    "the guarantee is {}, this worker asks for {asked} of it",
                    listing.price_cap
                ),
            });
        }
        Ok(part.max(asked))
    }

    /// How long `listing` takes at most, and by when it must be done after an assignment.
    #[must_use]
    pub fn load(&self, listing: &Listing) -> Load {
        let within_ms = self.until_margin(u64::from(listing.durations.commit));
        Load { work_ms: self.work_ms(listing), within_ms }
    }

    /// The load of `listing` when `seconds_left` remain until its commitment is due.
    #[must_use]
    pub fn load_now(&self, listing: &Listing, seconds_left: u64) -> Load {
        Load { work_ms: self.work_ms(listing), within_ms: self.until_margin(seconds_left) }
    }

    fn until_margin(&self, seconds: u64) -> u64 {
        seconds.saturating_sub(u64::from(self.limits.margin_seconds)).saturating_mul(1000)
    }

    /// How long running it takes at the speed counted on.
    fn run_ms(&self, listing: &Listing) -> u64 {
        match listing.program {
            Program::Wasi { .. } => {
                let ms = u128::from(listing.limits.fuel) * 1000
                    / u128::from(self.speed.fuel_per_second.max(1));
                u64::try_from(ms).unwrap_or(u64::MAX)
            }
            Program::ZkVm { .. } => u64::from(self.limits.prover_seconds).saturating_mul(1000),
            Program::Circom { .. } | Program::Circuit { .. } => {
                u64::from(self.speed.proof_seconds).saturating_mul(1000)
            }
        }
    }

    fn work_ms(&self, listing: &Listing) -> u64 {
        let slower = u128::from(self.run_ms(listing)) * u128::from(SLOWER_PERCENT) / 100;
        u64::try_from(slower)
            .unwrap_or(u64::MAX)
            .saturating_add(OVERHEAD_MS)
            .saturating_add(payload_bytes(listing) / PAYLOAD_BYTES_PER_MS)
    }

    /// Bids on `listing` or says why not. `reserve_at_cap` is what the node wants reserved at the
    /// listing's price cap.
    ///
    /// # Errors
    /// [`Pass`].
    pub fn consider(
        &self,
        listing: &Listing,
        reserve_at_cap: Nano,
        situation: &Situation<'_>,
    ) -> Result<Offer, Pass> {
        self.check_size(listing)?;
        let price = self.price(listing).ok_or_else(|| Pass {
            reason: PassReason::Unsupported,
            ask: None,
            detail: "this worker makes no proofs: give it a price for proofs".into(),
        })?;
        let price = self.in_currency(listing, price)?;
        if price > listing.price_cap {
            return Err(Pass {
                reason: PassReason::PriceTooLow,
                ask: Some(price),
                detail: format!("the cap is {}, this worker asks {price}", listing.price_cap),
            });
        }
        self.check_slots(situation)?;
        self.check_time(listing, situation)?;
        let reserve = reserve_at_cap
            .mul_div_up(price.get(), listing.price_cap.get())
            .ok_or_else(|| stake_too_small("the reserve asked for is beyond any stake".into()))?;
        self.check_stake(reserve, situation)?;
        Ok(Offer { price, reserve })
    }

    fn check_size(&self, listing: &Listing) -> Result<(), Pass> {
        let limits = &self.limits;
        // Every host's sandbox has these; a verifier could not run it either.
        let sandbox = Limits::default();
        let (module_bytes, input_bytes, wall_ms) = match listing.program {
            Program::Wasi { module } => {
                (module.bytes, listing.input.bytes, u64::from(sandbox.wall_ms))
            }
            Program::Circom { .. } | Program::Circuit { .. } | Program::ZkVm { .. } => {
                (0, 0, u64::MAX)
            }
        };
        for (what, given, most) in [
            ("fuel", listing.limits.fuel, limits.max_fuel),
            ("bytes of memory", listing.limits.memory_bytes, limits.max_memory_bytes),
            ("bytes of output", listing.limits.output_bytes, limits.max_output_bytes),
            ("bytes of program and input", payload_bytes(listing), limits.max_payload_bytes),
            ("bytes of module", module_bytes, sandbox.module_bytes),
            ("bytes of input", input_bytes, sandbox.input_bytes),
            ("ms to run", self.run_ms(listing), wall_ms),
        ] {
            if given > most {
                return Err(Pass {
                    reason: PassReason::TooBig,
                    ask: None,
                    detail: format!("it needs {given} {what}, this worker takes {most}"),
                });
            }
        }
        Ok(())
    }

    fn check_slots(&self, situation: &Situation<'_>) -> Result<(), Pass> {
        let busy = situation.held.values().filter(|held| held.load().is_some()).count();
        if busy >= usize::from(self.limits.slots) {
            return Err(Pass {
                reason: PassReason::Busy,
                ask: None,
                detail: format!("all {} slots are taken", self.limits.slots),
            });
        }
        Ok(())
    }

    /// Whatever part of the bids wins, in whatever order: everything must be done in time.
    /// Started in order on `parallel` slots, work begins at the latest after all other work
    /// divided by the slots.
    fn check_time(&self, listing: &Listing, situation: &Situation<'_>) -> Result<(), Pass> {
        let new = self.load(listing);
        let loads = || situation.held.values().filter_map(Held::load).chain([&new]);
        let total = loads().fold(0u64, |sum, load| sum.saturating_add(load.work_ms));
        let parallel = u64::from(self.limits.parallel.max(1));
        let late = |load: &Load| {
            let others = total.saturating_sub(load.work_ms);
            (others / parallel).saturating_add(load.work_ms) > load.within_ms
        };
        let too_short =
            |detail| Err(Pass { reason: PassReason::DeadlineTooShort, ask: None, detail });
        if new.work_ms > new.within_ms {
            return too_short(format!(
                "it may take {} here and must be committed within {}, {} of them for the way",
                seconds(new.work_ms),
                seconds(u64::from(listing.durations.commit) * 1000),
                seconds(u64::from(self.limits.margin_seconds) * 1000),
            ));
        }
        if late(&new) {
            return too_short(format!("{} of other work are before it", seconds(total)));
        }
        let delayed = situation.held.values().any(|held| match held {
            // What is assigned is ahead in the queue.
            Held::Working { .. } | Held::Done { .. } => false,
            Held::Pending { load, .. } => late(load),
        });
        if delayed {
            return Err(Pass {
                reason: PassReason::Busy,
                ask: None,
                detail: "with it, another task that is bid for could be late".into(),
            });
        }
        Ok(())
    }

    fn check_stake(&self, reserve: Nano, situation: &Situation<'_>) -> Result<(), Pass> {
        if reserve > situation.free_stake {
            return Err(stake_too_small(format!(
                "it wants {reserve} reserved, {} are free: add stake",
                situation.free_stake
            )));
        }
        let at_risk: Nano = situation.held.values().map(Held::reserve).sum();
        if at_risk.saturating_add(reserve) > self.limits.max_exposure {
            return Err(stake_too_small(format!(
                "{at_risk} are at risk already and {reserve} more would pass the limit of {}",
                self.limits.max_exposure
            )));
        }
        Ok(())
    }
}

const fn stake_too_small(detail: String) -> Pass {
    Pass { reason: PassReason::StakeTooSmall, ask: None, detail }
}

/// Bytes of program and input together.
#[must_use]
pub fn payload_bytes(listing: &Listing) -> u64 {
    let blobs = listing.work_blobs();
    blobs.iter().fold(listing.input.bytes, |sum, blob| sum.saturating_add(blob.bytes))
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
