//! Pledges: what an offer asks for is recomputed, kept and signed; what became of it is read on chain.

use std::{sync::Arc, time::Duration};

use fog_contracts::channel::ChannelData;
use fog_protocol::{
    Address, Bid, Commit, Nano, TaskId,
    gateway::{PledgeAsk, WorkerFrame},
};
use tokio::time::Instant;

use super::Agent;
use crate::{
    event::WorkerEvent,
    pledges::{Bounds, Parties, Pledge, PledgeStage},
    port::{ChainPort, TaskOnChain},
    work::Report,
};

/// Pause between two looks at pledges that nothing asks for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a reserved pledge may wait for its promise before that is said.
const PROMISE_PATIENCE: Duration = Duration::from_secs(60);

/// Reads the tasks of pledges; those that cannot be read are left out.
pub(super) async fn look(
    chain: &Arc<dyn ChainPort>,
    watched: Vec<(TaskId, Address)>,
) -> Vec<(TaskId, TaskOnChain)> {
    let mut seen = Vec::with_capacity(watched.len());
    for (task, escrow) in watched {
        if let Ok(at) = chain.task(escrow).await {
            seen.push((task, at));
        }
    }
    seen
}

impl Agent {
    /// Looks at pledges now and then: how they end is seen nowhere else.
    pub(super) fn watch_pledges(&mut self) {
        let watched = self.pledges.watched(self.chain_time().unwrap_or(0));
        if watched.is_empty() || self.state.pledges_seen.elapsed() < LOOK_EVERY {
            return;
        }
        self.state.pledges_seen = Instant::now();
        let (chain, report) = (Arc::clone(&self.context.chain), self.context.report.clone());
        self.state.looks.spawn(async move {
            let seen = look(&chain, watched).await;
            let _ = report.send(Report::Pledges { seen }).await;
        });
    }

    pub(super) fn on_pledges(&mut self, seen: &[(TaskId, TaskOnChain)]) {
        let now = self.chain_time().unwrap_or(0);
        for (task, at) in seen {
            self.mind_promise(*task, at);
            match self.pledges.seen(task, at, now) {
                Ok(Some(Pledge { reserve, stage, .. })) => {
                    self.tell(WorkerEvent::Pledge { task: *task, reserve, stage });
                }
                Ok(None) => {}
                Err(error) => self.on_disk_trouble(&error),
            }
        }
    }

    /// A promise that the node keeps back costs stake once it is late: that is said in time.
    fn mind_promise(&mut self, task: TaskId, at: &TaskOnChain) {
        if !matches!(at, TaskOnChain::Assigned { .. }) {
            self.state.unpromised.remove(&task);
            return;
        }
        let since = self.state.unpromised.entry(task).or_insert_with(|| (Instant::now(), false));
        if since.0.elapsed() > PROMISE_PATIENCE && !since.1 {
            since.1 = true;
            let reason = format!(
                "the node has reserved the stake of pledge {task} and keeps the promise back: \
                 `fog worker pledges` puts it on chain; if nobody does, it costs you"
            );
            self.tell(WorkerEvent::Refused { task: None, reason });
        }
    }

    /// Pledges what the node asks for, if this worker is willing.
    pub(super) fn on_pledge_ask(&mut self, ask: &PledgeAsk, earnings: Address, at: &ChannelData) {
        // Only for earnings that are this worker's and go on.
        if self.blocked().is_some() || self.check_earnings(at).is_err() {
            return;
        }
        if let Err(reason) = self.try_pledge(ask, earnings) {
            let key = (ask.number, reason.clone());
            if self.state.pledge_refused.replace(key.clone()) != Some(key) {
                let reason = format!("a pledge it asks for: {reason}");
                self.tell(WorkerEvent::Refused { task: None, reason });
            }
        }
    }

    fn try_pledge(&mut self, ask: &PledgeAsk, earnings: Address) -> Result<(), String> {
        let Some(session) = self.state.connected else { return Ok(()) };
        let now = self.chain_time().unwrap_or(0);
        let identity = Arc::clone(&self.context.identity);
        let (market, node, worker) = (self.pins.market, session.operator, identity.worker);
        let epoch = Parties { market, node, worker, earnings }.epoch(ask);
        let task = TaskId(epoch.id());
        let held = self.held(&task, now);
        let exposed: Nano = self.at_risk(&held);
        let limits = &self.governor.limits;
        let most = limits.max_pledge.min(limits.max_exposure.saturating_sub(exposed));
        let chain = &self.context.chain;
        // The market's contracts are this program's: it was checked when that was read.
        let step = chain.longest_step().ok_or("the market was not read yet")?;
        let bounds = Bounds { most, free: self.free_stake(&held), step, now };
        let escrow = self.pledges.check(ask, &epoch, &bounds)?;
        let text = |error: crate::port::PortError| error.to_string();
        let PledgeAsk { reserve, price, valid_until, .. } = *ask;
        let consent = chain.consent(escrow, reserve, price, valid_until).map_err(text)?;
        let commitment = epoch.promise().map_err(|error| error.to_string())?;
        let promise = chain.commit(escrow, &commitment).map_err(text)?;
        let promise = identity.sign_hash(&promise);
        let pledge = Pledge {
            task,
            escrow,
            node,
            earnings,
            number: ask.number,
            reserve,
            lasts: ask.lasts,
            valid_until,
            promise,
            stage: PledgeStage::Signed,
        };
        // On disk first: it puts stake at risk.
        if let Err(error) = self.pledges.keep(pledge) {
            self.on_disk_trouble(&error);
            return Ok(());
        }
        let bid = Bid {
            task,
            escrow,
            worker,
            stake: identity.stake,
            price,
            reserve,
            valid_until,
            slots: self.governor.limits.slots,
            consent: identity.sign_hash(&consent),
        };
        let commit = Commit { task, worker, commitment, chain_signature: promise };
        let (bid, commit) = (Box::new(identity.sign(bid)), Box::new(identity.sign(commit)));
        self.send(WorkerFrame::Pledge { bid, commit });
        self.tell(WorkerEvent::Pledge { task, reserve, stage: PledgeStage::Signed });
        Ok(())
    }
}
