//! At the start: the market is folded from the log, compared with what the database shows, and
//! what was under way is taken up again.

use std::{collections::HashMap, sync::Arc};

use fog_market::{Action, Event, Market, Presence, Rules, Task, Trust};
use fog_protocol::{Address, TaskId, TaskStatus};
use fog_verifier::AuditBasis;

use super::{Actor, Tools, project::Shown, verify::Asked};
use crate::{NodeError, shared::Shared, store::IntentKind};

impl Actor {
    /// Replays the log.
    pub(crate) async fn load(
        shared: Arc<Shared>,
        rules: Rules,
        trust: Trust,
        tools: Tools,
    ) -> Result<Self, NodeError> {
        let mut actor = Self::new(shared, Market::new(rules.clone()), tools);
        let (mut by, mut trusting) = (None, None);
        let checkpoint = actor.shared.store.checkpoint().await?;
        let mut verifications: HashMap<TaskId, Asked> = HashMap::new();
        loop {
            let page = actor.shared.store.events_after(actor.seq).await?;
            if page.is_empty() {
                break;
            }
            for logged in page {
                let wrong = |reason: String| NodeError::Log { seq: logged.seq, reason };
                if logged.seq != actor.seq + 1 {
                    return Err(wrong("an event before it is missing".to_owned()));
                }
                let event: Event = borsh::from_slice(&logged.body)
                    .map_err(|error| wrong(format!("it does not decode: {error}")))?;
                let actions = actor
                    .market
                    .apply(&event, logged.at)
                    .map_err(|refused| wrong(format!("the market refuses it: {refused}")))?;
                actor.seq = logged.seq;
                actor.recall(&event, actions, &mut verifications);
                match event {
                    Event::RulesSet { rules } => by = Some(rules),
                    Event::TrustSet { trust } => trusting = Some(trust),
                    _ => {}
                }
                if let Some((seq, hash)) = checkpoint
                    && seq == logged.seq
                    && hash != actor.market.state_hash()
                {
                    return Err(wrong("the state's hash is another than it was".to_owned()));
                }
            }
        }
        if let Some((seq, _)) = checkpoint
            && seq > actor.seq
        {
            let reason = "events after it are missing".to_owned();
            return Err(NodeError::Log { seq: actor.seq, reason });
        }
        actor.checkpoint = actor.seq;
        actor.compare().await?;
        if by.as_deref() != Some(&rules) {
            actor.internal(Event::RulesSet { rules: Box::new(rules) })?;
        }
        if trusting.as_deref() != Some(&trust) {
            actor.internal(Event::TrustSet { trust: Box::new(trust) })?;
        }
        actor.resume_all(verifications).await?;
        Ok(actor)
    }

    fn recall(
        &mut self,
        event: &Event,
        actions: Vec<Action>,
        verifications: &mut HashMap<TaskId, Asked>,
    ) {
        if let Event::CommittedOnChain { task, .. } = event {
            self.heard_commits.insert(*task);
        }
        for action in actions {
            match action {
                Action::Verify { task, basis, rate_ppm } => {
                    verifications.insert(task, Asked::Result { basis, rate_ppm });
                }
                Action::Undelivered { task } => {
                    verifications.insert(task, Asked::Undelivered);
                }
                _ => {}
            }
        }
    }

    /// The database must show what the log gives.
    async fn compare(&mut self) -> Result<(), NodeError> {
        let shown: HashMap<TaskId, TaskStatus> =
            self.shared.store.shown_statuses().await?.into_iter().collect();
        for task in self.market.tasks() {
            let status = task.status();
            if shown.get(&task.id()) != Some(&status) {
                let shown = shown.get(&task.id()).map_or("not shown", |status| status.name());
                let reason = format!("{} is {status} by the log, but {shown}", task.id());
                return Err(NodeError::Log { seq: self.seq, reason });
            }
            self.shown.insert(task.id(), Shown::of(task));
            self.escrows.insert(task.escrow(), task.id());
        }
        // What the market does not remember must have ended.
        let living = shown
            .iter()
            .find(|(id, status)| !status.is_terminal() && self.market.task(id).is_none());
        if let Some((id, status)) = living {
            let reason = format!("{id} is shown as {status}, the log does not know it");
            return Err(NodeError::Log { seq: self.seq, reason });
        }
        Ok(())
    }

    /// Takes up what was under way: nobody is connected, and every verification begins anew.
    /// Intents are in the outbox; contracts are read by the reconciler.
    async fn resume_all(&mut self, verifications: HashMap<TaskId, Asked>) -> Result<(), NodeError> {
        let workers = self.shared.store.shown_workers().await?;
        self.shown_workers = workers.into_iter().map(|row| (row.worker, row)).collect();
        self.epochs = self.shared.store.commitment_epochs().await?.into_iter().collect();
        let unshut = self.shared.store.unshut_epochs().await?;
        self.chain_from = self.shared.store.chain_begins().await?;
        self.unshut = unshut.into_iter().map(|epoch| (epoch.number, epoch)).collect();
        self.received = self.shared.store.received().await?.into_iter().collect();
        self.proven = self.shared.store.proven().await?.into_iter().collect();
        let given_up = self.shared.store.given_up_tasks().await?.into_iter();
        self.given_up = given_up.filter(|task| self.market.task(task).is_some()).collect();
        self.shared.clock.advance(self.market.clock());
        self.load_rail().await?;
        let online: Vec<Address> = self
            .market
            .workers()
            .filter(|worker| worker.presence() == Presence::Online)
            .map(fog_market::Worker::address)
            .collect();
        for worker in online {
            self.internal(Event::WorkerLeft { worker })?;
        }
        let told = self.shared.store.living_intents(IntentKind::Undelivered).await?;
        // As many wait: what ends first at first.
        let mut verifications: Vec<_> = verifications.into_iter().collect();
        verifications.sort_by_key(|(task, _)| {
            let known = self.market.task(task);
            (known.and_then(Task::deadline).unwrap_or(u64::MAX), *task)
        });
        for (task, asked) in verifications {
            let Some(known) = self.market.task(&task) else { continue };
            let is_wanted = match &asked {
                Asked::Result { basis: AuditBasis::Disputed, .. } => {
                    known.is_disputed() || known.is_rechecked()
                }
                Asked::Result { basis, .. } => known.basis() == Some(basis),
                Asked::Undelivered => {
                    known.is_undelivered() && !told.iter().any(|(told, _)| *told == task)
                }
            };
            if is_wanted {
                self.verify(task, asked);
            }
        }
        self.name_old().await?;
        self.follow_rail()?;
        self.flush().await
    }
}
