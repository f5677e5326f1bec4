//! What the journal's records add up to: each task's phase.
//!
//! ```text
//!  Bid ──▶ Assigned ──▶ Executed ──▶ Committed ──▶ Submitted
//!   │         │            │             │             │
//!   └─────────┴────────────┴─────────────┴─────────────┴────▶ Closed
//! ```
//!
//! `Assigned` may come without a `Bid` (the bid's record was torn off); every other step needs
//! the one before. A record seen twice changes nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use fog_protocol::{Address, Hash32, Listing, Nano, TaskId, TaskStatus};

use crate::governor::Load;

use super::record::{Ending, Outcome, Pins, Record, Totals};

/// Ended tasks kept for showing; older ones are only counted.
pub const MAX_ENDED: usize = 256;
/// Tasks in the journal that have not ended.
pub const MAX_OPEN: usize = 1024;

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// A bid is out.
    Bid {
        /// Last chain second its consent counts.
        valid_until: u64,
        /// What it would be to do it.
        load: Load,
    },
    /// It is ours to run.
    Assigned {
        /// The listing.
        listing: Arc<Listing>,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
    },
    /// Run; the commitment is fixed.
    Executed {
        /// The listing.
        listing: Arc<Listing>,
        /// Chain time by which the commitment must be on chain.
        commit_by: u64,
        /// The result.
        outcome: Outcome,
    },
    /// The node has the commitment.
    Committed {
        /// The listing.
        listing: Arc<Listing>,
        /// The result.
        outcome: Outcome,
        /// Chain time by which the result must be verified.
        verdict_by: u64,
    },
    /// The node has the result.
    Submitted {
        /// The listing.
        listing: Arc<Listing>,
        /// The result.
        outcome: Outcome,
    },
}

impl Phase {
    /// The committed-to result, once there is one.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Bid { .. } | Self::Assigned { .. } => None,
            Self::Executed { outcome, .. }
            | Self::Committed { outcome, .. }
            | Self::Submitted { outcome, .. } => Some(outcome),
        }
    }

    /// The listing, once it is ours.
    #[must_use]
    pub const fn listing(&self) -> Option<&Arc<Listing>> {
        match self {
            Self::Bid { .. } => None,
            Self::Assigned { listing, .. }
            | Self::Executed { listing, .. }
            | Self::Committed { listing, .. }
            | Self::Submitted { listing, .. } => Some(listing),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Bid { .. } => "bid",
            Self::Assigned { .. } => "assigned",
            Self::Executed { .. } => "executed",
            Self::Committed { .. } => "committed",
            Self::Submitted { .. } => "submitted",
        }
    }
}

/// A task that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its escrow.
    pub escrow: Address,
    /// The price bid; zero where the bid's record is lost.
    pub price: Nano,
    /// Stake at risk; zero where the bid's record is lost.
    pub reserve: Nano,
    /// Rises with each assignment: the order work is done in.
    pub order: u64,
    /// Where it stands.
    pub phase: Phase,
}

/// A record that contradicts the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A step that does not follow from the task's phase.
    #[error("{task:?} cannot go to `{to}`: it is `{from}`")]
    Order {
        /// The task.
        task: TaskId,
        /// Its phase.
        from: &'static str,
        /// The step.
        to: &'static str,
    },
    /// Another commitment to the same task: that is what gets a worker slashed.
    #[error("{task:?} is committed to {first}; it will not be committed to {second}")]
    SecondCommitment {
        /// The task.
        task: TaskId,
        /// The commitment in the journal.
        first: Hash32,
        /// The one that was refused.
        second: Hash32,
    },
    /// Another node, market or worker.
    #[error("the journal belongs to another worker, market or node: use a data folder for each")]
    OtherPins,
    /// More open tasks than a journal holds.
    #[error("the journal holds {MAX_OPEN} open tasks already")]
    Full,
}

/// The fold over the journal's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pins: Option<Pins>,
    open: BTreeMap<TaskId, Entry>,
    ended: VecDeque<(TaskId, Ending)>,
    totals: Totals,
    assignments: u64,
}

impl State {
    /// Whose journal it is, once known.
    #[must_use]
    pub const fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }

    /// The open task `task`.
    #[must_use]
    pub fn get(&self, task: &TaskId) -> Option<&Entry> {
        self.open.get(task)
    }

    /// Every open task.
    pub fn open(&self) -> impl Iterator<Item = (&TaskId, &Entry)> {
        self.open.iter()
    }

    /// The last ended tasks (at most [`MAX_ENDED`]), oldest first, without bids that did not win.
    pub fn ended(&self) -> impl Iterator<Item = &(TaskId, Ending)> {
        self.ended.iter()
    }

    /// Sums over everything.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Checks `record` against the state and takes it in; `false` if it changed nothing.
    ///
    /// # Errors
    /// [`Contradiction`]: nothing changed.
    pub fn apply(&mut self, record: &Record) -> Result<bool, Contradiction> {
        match record {
            Record::Pinned(pins) => match self.pins {
                Some(known) if known != *pins => Err(Contradiction::OtherPins),
                Some(_) => Ok(false),
                None => {
                    self.pins = Some(*pins);
                    Ok(true)
                }
            },
            Record::Bid { task, escrow, price, reserve, valid_until, load } => {
                let phase = Phase::Bid { valid_until: *valid_until, load: *load };
                let entry =
                    Entry { escrow: *escrow, price: *price, reserve: *reserve, order: 0, phase };
                self.bid(*task, entry)
            }
            Record::Assigned { listing, escrow, commit_by } => {
                self.assigned(listing, *escrow, *commit_by)
            }
            Record::Executed { task, outcome } => self.executed(*task, *outcome),
            Record::Committed { task, verdict_by } => self.committed(*task, *verdict_by),
            Record::Submitted { task } => self.submitted(*task),
            Record::Closed { task, ending } => Ok(self.closed(*task, ending)),
            Record::Carried(totals) => {
                let changed = self.totals != *totals;
                self.totals = *totals;
                Ok(changed)
            }
        }
    }

    fn bid(&mut self, task: TaskId, entry: Entry) -> Result<bool, Contradiction> {
        let count = self.open.len();
        match self.open.get_mut(&task) {
            None if count >= MAX_OPEN => Err(Contradiction::Full),
            None => {
                self.open.insert(task, entry);
                Ok(true)
            }
            Some(known) => match known.phase {
                Phase::Bid { .. } => {
                    let changed = *known != entry;
                    *known = entry;
                    Ok(changed)
                }
                Phase::Assigned { .. }
                | Phase::Executed { .. }
                | Phase::Committed { .. }
                | Phase::Submitted { .. } => Err(order(task, &known.phase, "bid")),
            },
        }
    }

    fn assigned(
        &mut self,
        listing: &Listing,
        escrow: Address,
        commit_by: u64,
    ) -> Result<bool, Contradiction> {
        let task = listing.id();
        let full = self.open.len() >= MAX_OPEN;
        let phase = Phase::Assigned { listing: Arc::new(listing.clone()), commit_by };
        match self.open.get_mut(&task) {
            None if full => return Err(Contradiction::Full),
            None => {
                let (price, reserve, order) = (Nano::ZERO, Nano::ZERO, self.assignments);
                self.open.insert(task, Entry { escrow, price, reserve, order, phase });
            }
            Some(entry) => match entry.phase {
                Phase::Bid { .. } => {
                    entry.phase = phase;
                    entry.escrow = escrow;
                    entry.order = self.assignments;
                }
                Phase::Assigned { .. }
                | Phase::Executed { .. }
                | Phase::Committed { .. }
                | Phase::Submitted { .. } => return Ok(false),
            },
        }
        self.assignments += 1;
        Ok(true)
    }

    fn executed(&mut self, task: TaskId, result: Outcome) -> Result<bool, Contradiction> {
        let entry = self.entry(task, "executed")?;
        match &entry.phase {
            Phase::Bid { .. } => Err(order(task, &entry.phase, "executed")),
            Phase::Assigned { listing, commit_by } => {
                let (listing, commit_by) = (listing.clone(), *commit_by);
                entry.phase = Phase::Executed { listing, commit_by, outcome: result };
                Ok(true)
            }
            Phase::Executed { outcome, .. }
            | Phase::Committed { outcome, .. }
            | Phase::Submitted { outcome, .. } => {
                if *outcome == result {
                    return Ok(false);
                }
                let (first, second) = (outcome.commitment, result.commitment);
                Err(Contradiction::SecondCommitment { task, first, second })
            }
        }
    }

    fn committed(&mut self, task: TaskId, verdict_by: u64) -> Result<bool, Contradiction> {
        let entry = self.entry(task, "committed")?;
        match &entry.phase {
            Phase::Bid { .. } | Phase::Assigned { .. } => {
                Err(order(task, &entry.phase, "committed"))
            }
            Phase::Executed { listing, outcome, .. } => {
                let (listing, outcome) = (listing.clone(), *outcome);
                entry.phase = Phase::Committed { listing, outcome, verdict_by };
                Ok(true)
            }
            Phase::Committed { .. } | Phase::Submitted { .. } => Ok(false),
        }
    }

    fn submitted(&mut self, task: TaskId) -> Result<bool, Contradiction> {
        let entry = self.entry(task, "submitted")?;
        match &entry.phase {
            Phase::Bid { .. } | Phase::Assigned { .. } | Phase::Executed { .. } => {
                Err(order(task, &entry.phase, "submitted"))
            }
            Phase::Committed { listing, outcome, .. } => {
                entry.phase = Phase::Submitted { listing: listing.clone(), outcome: *outcome };
                Ok(true)
            }
            Phase::Submitted { .. } => Ok(false),
        }
    }

    fn closed(&mut self, task: TaskId, ending: &Ending) -> bool {
        if self.open.remove(&task).is_none() {
            return false;
        }
        match ending {
            Ending::NotWon => return true,
            Ending::Final { status: TaskStatus::Paid, amount } => {
                self.totals.paid += 1;
                self.totals.earned = self.totals.earned.saturating_add(*amount);
            }
            Ending::InJetton(_) => self.totals.paid += 1,
            Ending::Final { status: TaskStatus::Slashed, amount } => {
                self.totals.slashed += 1;
                self.totals.lost = self.totals.lost.saturating_add(*amount);
            }
            Ending::Final { .. } | Ending::Abandoned { .. } => self.totals.unpaid += 1,
        }
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((task, ending.clone()));
        true
    }

    fn entry(&mut self, task: TaskId, to: &'static str) -> Result<&mut Entry, Contradiction> {
        self.open.get_mut(&task).ok_or(Contradiction::Order { task, from: "unknown", to })
    }

    /// The fewest records that add up to this state (but for the numbers of its order, which
    /// start again from 0, and deadlines that no longer matter).
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.pins.map(Record::Pinned).into_iter().collect();
        for (task, ending) in &self.ended {
            // A bid first: only an open task can end.
            records.push(Record::Bid {
                task: *task,
                escrow: Address::basechain([0; 32]),
                price: Nano::ZERO,
                reserve: Nano::ZERO,
                valid_until: 0,
                load: Load::default(),
            });
            records.push(Record::Closed { task: *task, ending: ending.clone() });
        }
        records.push(Record::Carried(self.totals));
        let mut open: Vec<_> = self.open.iter().collect();
        open.sort_by_key(|(_, entry)| entry.order);
        for (task, entry) in open {
            entry_records(*task, entry, &mut records);
        }
        records
    }
}

fn entry_records(task: TaskId, entry: &Entry, records: &mut Vec<Record>) {
    let Entry { escrow, price, reserve, order: _, phase } = entry;
    let bid = |valid_until, load| Record::Bid {
        task,
        escrow: *escrow,
        price: *price,
        reserve: *reserve,
        valid_until,
        load,
    };
    let assigned = |listing: &Listing, commit_by| Record::Assigned {
        listing: Box::new(listing.clone()),
        escrow: *escrow,
        commit_by,
    };
    match phase {
        Phase::Bid { valid_until, load } => records.push(bid(*valid_until, *load)),
        Phase::Assigned { listing, commit_by } => {
            records.extend([bid(0, Load::default()), assigned(listing, *commit_by)]);
        }
        Phase::Executed { listing, commit_by, outcome } => {
            let executed = Record::Executed { task, outcome: *outcome };
            records.extend([bid(0, Load::default()), assigned(listing, *commit_by), executed]);
        }
        Phase::Committed { listing, outcome, verdict_by } => {
            let executed = Record::Executed { task, outcome: *outcome };
            let committed = Record::Committed { task, verdict_by: *verdict_by };
            records.extend([bid(0, Load::default()), assigned(listing, 0), executed, committed]);
        }
        Phase::Submitted { listing, outcome } => {
            let executed = Record::Executed { task, outcome: *outcome };
            let committed = Record::Committed { task, verdict_by: 0 };
            let submitted = Record::Submitted { task };
            records.extend([
                bid(0, Load::default()),
                assigned(listing, 0),
                executed,
                committed,
                submitted,
            ]);
        }
    }
}

fn order(task: TaskId, from: &Phase, to: &'static str) -> Contradiction {
    Contradiction::Order { task, from: from.name(), to }
}
