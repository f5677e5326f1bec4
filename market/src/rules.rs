//! The rules one market decides by.

use borsh::{BorshDeserialize, BorshSerialize};
use fog_protocol::{Address, Durations, Hash32, Listing, Nano, Policy, RATE_ONE};

use crate::{Refused, pledge, stake_rule};

/// The parameters of all decisions. Rates and factors are parts per million, times seconds.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rules {
    /// TON global id.
    pub network: i32,
    /// The `Market` contract.
    pub market: Address,
    /// The node's wallet.
    pub operator: Address,
    /// Fee in basis points of the price.
    pub fee_bps: u16,
    /// First assignments of a worker that are always audited; later ones at a rate that falls with
    /// history ([`Rules::rate_of_history`]).
    pub probation: u32,
    /// Accepted audits after which a worker caught once is trusted with the draw again.
    pub flag_audits: u32,
    /// Lowest audit rate of a listing.
    pub min_rate_ppm: u32,
    /// A reserve is at least the price times this.
    pub min_reserve_factor_ppm: u32,
    /// Odds that an audit finds a wrong result (a replay finds every one).
    pub detection_ppm: u32,
    /// How long workers have to answer an offer.
    pub bid_round_seconds: u32,
    /// How long the requestor has to open its nonce once the commitment is on chain.
    pub nonce_grace: u32,
    /// How long a posted listing waits for its money.
    pub funding_seconds: u32,
    /// A bid's consent must hold for at least this long: the assignment has to reach the chain.
    pub min_consent_seconds: u32,
    /// Seconds after which an action on a passed deadline is asked for again.
    pub retry_seconds: u32,
    /// Seconds that a worker has after it came or went before it is said to have withheld a result:
    /// a node that was away does not blame its workers.
    pub delivery_grace: u32,
    /// Shortest durations of a listing.
    pub min_durations: Durations,
    /// Longest durations of a listing.
    pub max_durations: Durations,
    /// Tasks that have not ended, at most.
    pub max_open_tasks: u32,
    /// Of one requestor key, at most.
    pub max_open_per_requestor: u32,
    /// Ended tasks that are remembered.
    pub max_closed_tasks: u32,
    /// Workers that are remembered.
    pub max_workers: u32,
    /// Workers asked in one round of a task, cheapest first; also its bids, at most.
    pub max_bids_per_task: u32,
    /// Tasks a worker may hold at once.
    pub max_slots: u16,
    /// Open tasks offered to a worker when it joins or gets a slot free, best paid first.
    pub max_offers_per_worker: u32,
    /// Decides between bids of equal score.
    pub tie_seed: Hash32,
    /// Stake that a worker is asked to reserve in bulk for the account rail; zero: none, and every
    /// result of that rail is checked.
    pub pledge: Nano,
    /// Seconds that it is reserved for.
    pub pledge_seconds: u32,
}

impl Rules {
    /// The rate, in parts per million, at which this node audits a worker of `index` assignments
    /// whatever a lower rate the listing asks for: one in probation, falling with history. With the
    /// listing's rate as its floor it costs `probation * ln(n / probation)` audits in `n` tasks.
    #[must_use]
    pub fn rate_of_history(&self, index: u64) -> u32 {
        let rate = u64::from(RATE_ONE) * u64::from(self.probation) / index.saturating_add(1);
        u32::try_from(rate).map_or(RATE_ONE, |rate| rate.min(RATE_ONE))
    }

    /// The usual rules for a market: 5 % fee and lowest audit rate, probation of 5, two-second
    /// rounds.
    #[must_use]
    pub fn new(network: i32, market: Address, operator: Address, tie_seed: Hash32) -> Self {
        let day = 24 * 3600;
        Self {
            network,
            market,
            operator,
            fee_bps: 500,
            probation: 5,
            flag_audits: 50,
            min_rate_ppm: 50_000,
            min_reserve_factor_ppm: RATE_ONE,
            detection_ppm: RATE_ONE,
            bid_round_seconds: 2,
            nonce_grace: 60,
            funding_seconds: 3600,
            min_consent_seconds: 30,
            retry_seconds: 15,
            delivery_grace: 30,
            min_durations: Durations { bid: 10, commit: 10, verdict: 10, window: 0 },
            max_durations: Durations { bid: day, commit: 7 * day, verdict: day, window: 7 * day },
            max_open_tasks: 100_000,
            max_open_per_requestor: 10_000,
            max_closed_tasks: 10_000,
            max_workers: 100_000,
            max_bids_per_task: 256,
            max_slots: 64,
            max_offers_per_worker: 64,
            tie_seed,
            pledge: Nano::ZERO,
            pledge_seconds: 0,
        }
    }

    /// The smallest reserve for `listing` at `price`: of the worker's free stake, or on the account rail
    /// of what it has reserved there in bulk. None where every result of that rail is checked before it
    /// is paid.
    ///
    /// # Errors
    /// [`Refused::NoReserveSuffices`].
    pub fn reserve_for(&self, listing: &Listing, price: Nano) -> Result<Nano, Refused> {
        if !listing.rail.has_contract() && listing.policy.rate_ppm() >= RATE_ONE {
            return Ok(Nano::ZERO);
        }
        let rate_ppm = listing.policy.rate_ppm();
        let detection_ppm = match listing.policy {
            // What a check finds depends on how wrong a result is: one that it finds every second
            // time must not pay either.
            Policy::Statistical { .. } => self.detection_ppm / 2,
            _ => self.detection_ppm,
        };
        let factor = self.min_reserve_factor_ppm;
        let reserve = stake_rule::required_reserve(price, rate_ppm, detection_ppm, factor);
        let sampled = match listing.policy {
            Policy::Merkle { samples, .. } => {
                stake_rule::sampled_reserve(price, rate_ppm, detection_ppm, samples)
            }
            _ => Some(Nano::ZERO),
        };
        let both = reserve.zip(sampled).map(|(reserve, sampled)| reserve.max(sampled));
        both.ok_or(Refused::NoReserveSuffices { price, rate_ppm })
    }

    /// Is `listing` one for this market, inside its bounds, and, where results may go unchecked on the
    /// account rail, covered by what workers are asked to pledge now?
    ///
    /// # Errors
    /// What is wrong with it, and what would be accepted.
    pub fn check_listing(&self, listing: &Listing) -> Result<(), Refused> {
        self.check_bounds(listing)?;
        if listing.rail.has_contract() || listing.policy.rate_ppm() >= RATE_ONE {
            return Ok(());
        }
        self.check_pledge(listing, self.reserve_for(listing, listing.price_cap)?)
    }

    /// The same but for pledges: what was taken on with others is still there after a restart, and bids
    /// on it need pledges that cover them.
    pub(crate) fn check_bounds(&self, listing: &Listing) -> Result<(), Refused> {
        listing.check()?;
        if listing.network != self.network {
            return Err(Refused::WrongNetwork { given: listing.network, here: self.network });
        }
        for (field, given, here) in
            [("market", listing.market, self.market), ("operator", listing.operator, self.operator)]
        {
            if given != here {
                return Err(Refused::WrongParty { field, given, here });
            }
        }
        if listing.policy.rate_ppm() < self.min_rate_ppm {
            return Err(Refused::RateTooLow {
                given: listing.policy.rate_ppm(),
                min: self.min_rate_ppm,
            });
        }
        let (given, min, max) = (&listing.durations, &self.min_durations, &self.max_durations);
        for (field, given, min, max) in [
            ("bid", given.bid, min.bid, max.bid),
            ("commit", given.commit, min.commit, max.commit),
            ("verdict", given.verdict, min.verdict, max.verdict),
            ("window", given.window, min.window, max.window),
        ] {
            if !(min..=max).contains(&given) {
                return Err(Refused::Duration { field, given, min, max });
            }
        }
        self.reserve_for(listing, listing.price_cap).map(drop)
    }

    /// May results of this listing of the account rail go unchecked, as far as pledges cover them?
    fn check_pledge(&self, listing: &Listing, reserve: Nano) -> Result<(), Refused> {
        if self.pledge == Nano::ZERO {
            return Err(Refused::RailNeedsAudit);
        }
        if reserve > self.pledge {
            return Err(Refused::AbovePledges { needed: reserve, most: self.pledge });
        }
        let (way, longest) = (way(listing), pledge::longest(self.pledge_seconds));
        if way > longest {
            return Err(Refused::LongerThanPledges { way, longest });
        }
        Ok(())
    }
}

/// Seconds from a listing's match to its end, at most.
pub(crate) fn way(listing: &Listing) -> u64 {
    let durations = &listing.durations;
    [durations.commit, durations.verdict, durations.window].into_iter().map(u64::from).sum()
}
