//! What tasks that were paid in jettons owe this node: read from their contracts until it was sent.

use std::collections::HashMap;

use fog_contracts::{
    Units,
    jetton_task::{JettonMoney, JettonTaskData, SETTLING_TIME},
};
use fog_protocol::{Address, JettonRates, TaskId};

use super::reconcile::{PER_ROUND, Steadiness};
use crate::{NodeConfig, NodeError, chain_port::PortError, coordinator::Command, shared::Shared};

/// Seconds until a share that is not worth its fee is looked at again.
const SMALL_SECONDS: u64 = 24 * 3600;
/// Where the node's transfer is noted among those of a task.
const NODES: usize = 2;

/// A node's share in a task that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// It is due.
    Due(Units),
    /// It is due, and is not worth what it costs to have it sent.
    Small,
    /// It was sent, and may still be thrown back, until this chain time.
    Sent {
        /// Chain time.
        until: u64,
    },
    /// There is none, or it has arrived.
    Over,
}

impl Share {
    fn of(money: Option<&JettonMoney>, config: &NodeConfig, now: u64) -> Self {
        // A tombstone owes nothing.
        let Some(money) = money else { return Self::Over };
        let due = money.dues.node;
        if due > Units::ZERO {
            // What no rate is known of may be worth nothing.
            let rates = JettonRates::new(&config.jettons).unwrap_or_default();
            let least = rates.worth(&money.master, config.claim_from);
            return if least.is_some_and(|least| due >= least) {
                Self::Due(due)
            } else {
                Self::Small
            };
        }
        let until = u64::from(money.sent_at) + u64::from(SETTLING_TIME);
        if money.sent[NODES] != 0 && now < until { Self::Sent { until } } else { Self::Over }
    }
}

/// When each of them is looked at next.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// The row of the task where the next round begins.
    after: i64,
    /// Not before this chain time; others in every round. A restart looks at all.
    not_before: HashMap<TaskId, u64>,
}

impl Shares {
    /// Those to be looked at in this round.
    pub(super) async fn next(
        &mut self,
        shared: &Shared,
    ) -> Result<Vec<(TaskId, Address)>, NodeError> {
        let now = shared.clock.now();
        let rows = shared.store.shares_due(self.after, PER_ROUND).await?;
        let last = rows.last().filter(|_| rows.len() == PER_ROUND as usize);
        self.after = last.map_or(0, |(row, ..)| *row);
        let is_time = |task: &TaskId| self.not_before.get(task).is_none_or(|at| *at <= now);
        let due = rows.into_iter().map(|(_, task, escrow)| (task, escrow));
        Ok(due.filter(|(task, _)| is_time(task)).collect())
    }

    /// What one task's contract says; `None` while that is not final.
    pub(super) async fn read(
        &mut self,
        shared: &Shared,
        steady: &mut Steadiness,
        task: TaskId,
        escrow: Address,
    ) -> Result<Option<Command>, PortError> {
        let client = shared.chain.client();
        let tip = client.masterchain_info().await?.seqno;
        let account = shared.chain.agreed_account(&escrow).await?;
        if !steady.is_final(&account, client.config().confirmations, tip) {
            return Ok(None);
        }
        let data = account.data.ok_or(PortError::NoContract(escrow))?;
        let JettonTaskData { task: contract, money } = JettonTaskData::parse(&data)?;
        // A gateway that lags behind shows it before its end, when nothing is due yet.
        if !contract.state.is_end() {
            return Ok(None);
        }
        let now = shared.clock.now();
        let share = Share::of(money.as_ref(), &shared.config, now);
        match share {
            Share::Due(_) | Share::Over => drop(self.not_before.remove(&task)),
            Share::Small => drop(self.not_before.insert(task, now + SMALL_SECONDS)),
            Share::Sent { until } => drop(self.not_before.insert(task, until)),
        }
        Ok(Some(Command::ShareRead { task, escrow, share }))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_contracts::jetton_task::Shares as Dues;
    use fog_protocol::{JettonRate, Nano};

    use super::*;

    const MASTER: Address = Address::basechain([7; 32]);
    const NOW: u64 = 1_800_000_000;

    fn money(node: u128, sent: u64, sent_at: u32) -> JettonMoney {
        let node = Units::new(node).unwrap();
        JettonMoney {
            master: MASTER,
            units: Units::new(1_000_000).unwrap(),
            wallet: Some(Address::basechain([8; 32])),
            held: Units::ZERO,
            dues: Dues { node, ..Dues::default() },
            sent: [1, 1, sent],
            tries: 3,
            attempts: 0,
            open: 0,
            sent_at,
        }
    }

    fn config() -> NodeConfig {
        let units_per_gram = Units::new(5_000_000).unwrap();
        let jettons = vec![JettonRate { master: MASTER, units_per_gram }];
        NodeConfig { jettons, claim_from: Nano::new(200_000_000), ..NodeConfig::default() }
    }

    #[test]
    fn a_share_is_claimed_where_it_is_worth_its_fee() {
        let of = |units| Share::of(Some(&money(units, 0, 0)), &config(), NOW);
        assert_eq!(of(1_000_000), Share::Due(Units::new(1_000_000).unwrap()));
        assert_eq!(of(999_999), Share::Small);
        // A jetton that the node takes no longer may be worth nothing.
        let none = NodeConfig { jettons: Vec::new(), ..config() };
        assert_eq!(Share::of(Some(&money(1_000_000, 0, 0)), &none, NOW), Share::Small);
        let any = NodeConfig { claim_from: Nano::ZERO, ..config() };
        assert!(matches!(Share::of(Some(&money(1, 0, 0)), &any, NOW), Share::Due(_)));
    }

    #[test]
    fn what_was_sent_is_over_when_it_cannot_come_back_any_more() {
        let sent_at = u32::try_from(NOW).unwrap();
        let until = NOW + u64::from(SETTLING_TIME);
        let of = |money: &JettonMoney, now| Share::of(Some(money), &config(), now);
        assert_eq!(of(&money(0, 2, sent_at), NOW + 1), Share::Sent { until });
        assert_eq!(of(&money(0, 2, sent_at), until), Share::Over);
        // It came back: due, whatever was sent before.
        assert!(matches!(of(&money(1_000_000, 2, sent_at), NOW + 1), Share::Due(_)));
        // None, and a tombstone.
        assert_eq!(of(&money(0, 0, sent_at), NOW + 1), Share::Over);
        assert_eq!(Share::of(None, &config(), NOW), Share::Over);
    }
}
