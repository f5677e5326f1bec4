//! The verdict on a pledge: found here, signed by the verifiers whose keys this node has, carried out
//! in time.

use std::sync::Arc;

use fog_jury::{Found, PledgeCase};
use fog_protocol::{Hash32, TaskId};

use super::Actor;
use crate::{
    NodeError,
    coordinator::{Command, perform::Release},
    store::{Ballot, Intent, Judged, PledgeState, Ruling},
};

/// Seconds between two tries to push a pledge on.
const AGAIN_SECONDS: u64 = 15;

impl Actor {
    /// A result that the pledge stands for was false.
    pub(crate) fn breach(&mut self, id: TaskId, evidence: Hash32) {
        self.judge_pledge(id, Ruling::Rejected, evidence);
    }

    fn judge_pledge(&mut self, id: TaskId, ruling: Ruling, evidence: Hash32) {
        let now = self.now();
        let Some(row) = self.rail.pledges.living.get_mut(&id) else { return };
        if row.state != PledgeState::Live || row.verdict.is_some() {
            return;
        }
        row.verdict = Some((ruling, evidence));
        self.write_pledge(&id);
        self.have_signed(id, now);
    }

    /// Has the verdict signed once it is stored, and again if nothing came of that.
    fn have_signed(&mut self, id: TaskId, now: u64) {
        let Some(case) = self.pledge_case(&id) else { return };
        if !self.rail.pledges.signed.contains(&id) && self.is_to_be_pushed(id, now) {
            self.releases.push(Release::SignPledge(Box::new(case)));
        }
    }

    fn pledge_case(&self, id: &TaskId) -> Option<PledgeCase> {
        let row = self.rail.pledges.living.get(id)?;
        let (ruling, evidence) = row.verdict?;
        let found = match ruling {
            Ruling::Accepted => Found::Accepted,
            Ruling::Rejected | Ruling::Undelivered => Found::Rejected,
        };
        let valid_until = u32::try_from(row.deadline?).ok()?;
        Some(PledgeCase {
            epoch: row.terms,
            stake: row.bid.value.stake,
            found,
            evidence,
            valid_until,
        })
    }

    /// Signs apart: the disk has to have it before a signature leaves.
    pub(crate) fn sign_pledge(&self, case: PledgeCase) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let id = TaskId(case.epoch.id());
            let (panel, needed) = (Arc::clone(&shared.panel), shared.chain.market().threshold);
            let sign = move || panel.judge_pledge(&case, needed.into());
            match tokio::task::spawn_blocking(sign).await {
                Ok(Ok(signatures)) => {
                    let ballot = Ballot { valid_until: case.valid_until, signatures };
                    // Fails only when the node stops: it is signed again at the next start.
                    drop(shared.coordinator.tell(Command::PledgeSigned { id, ballot }).await);
                }
                Ok(Err(error)) => tracing::error!(pledge = %id, %error, "no verdict on a pledge"),
                Err(_) => tracing::error!(pledge = %id, "signing for a pledge failed"),
            }
        });
    }

    /// Its verdict is signed: to the chain with it.
    pub(crate) fn pledge_signed(&mut self, id: TaskId, ballot: Ballot) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let Some((ruling, evidence)) = row.verdict.filter(|_| row.state == PledgeState::Live)
        else {
            return Ok(());
        };
        let verdict = Intent::Verdict(Judged {
            escrow: row.escrow,
            stake: row.bid.value.stake,
            price: row.bid.value.price,
            commitment: row.promise.value.commitment,
            evidence,
            ruling,
            ballot,
        });
        self.rail.pledges.signed.insert(id);
        self.intend(id, &Intent::Pledge(Box::new(verdict)), None)
    }

    /// Pushes pledges on whose time has come: nothing else does.
    pub(crate) fn turn_pledges(&mut self, now: u64) -> Result<(), NodeError> {
        if self.rail.pledges.living.is_empty() || now == self.rail.pledges.looked {
            return Ok(());
        }
        self.rail.pledges.looked = now;
        let ids: Vec<_> = self.rail.pledges.living.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.turn_pledge(id, now))
    }

    fn turn_pledge(&mut self, id: TaskId, now: u64) -> Result<(), NodeError> {
        let Some(row) = self.rail.pledges.living.get(&id) else { return Ok(()) };
        let escrow = row.escrow;
        let over = row.deadline.is_some_and(|deadline| now > deadline);
        // Nobody can challenge it: it is carried out as soon as it is there.
        let due = row.deadline.is_some_and(|deadline| now >= deadline);
        match row.state {
            PledgeState::Judged if due => self.push_pledge(id, now, Intent::Finalize { escrow }),
            PledgeState::Open | PledgeState::Reserved | PledgeState::Live if over => {
                self.push_pledge(id, now, Intent::Expire { escrow })
            }
            PledgeState::Live if row.verdict.is_some() => {
                self.have_signed(id, now);
                Ok(())
            }
            PledgeState::Live => {
                self.release_if_kept(id, now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing new may come, and nothing runs: it is over, with the root of what was entered.
    fn release_if_kept(&mut self, id: TaskId, now: u64) {
        let Some(row) = self.rail.pledges.living.get(&id) else { return };
        let kept = self.market.worker(&row.terms.worker).is_some_and(|worker| {
            worker.pledges().any(|(known, pledge)| *known == id && pledge.is_kept(now))
        });
        let earnings = self.rail.channels.get(&row.terms.earnings).filter(|_| kept);
        if let Some(root) = earnings.map(|known| known.ledger.entries().root()) {
            self.judge_pledge(id, Ruling::Accepted, root);
        }
    }

    fn is_to_be_pushed(&mut self, id: TaskId, now: u64) -> bool {
        let pushed = self.rail.pledges.pushed.get(&id);
        let again = pushed.is_none_or(|at| now >= at + AGAIN_SECONDS);
        if again {
            self.rail.pledges.pushed.insert(id, now);
        }
        again
    }

    pub(super) fn push_pledge(
        &mut self,
        id: TaskId,
        now: u64,
        intent: Intent,
    ) -> Result<(), NodeError> {
        if !self.is_to_be_pushed(id, now) {
            return Ok(());
        }
        self.intend(id, &Intent::Pledge(Box::new(intent)), None)
    }
}
