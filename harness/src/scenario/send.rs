//! Messages sent straight to contracts, as anybody can: the attacks, and the ways out that need
//! nobody's permission.

use fog_contracts::{
    COMMIT_VALUE, Consent, END_VALUE, OWNER_VALUE, STAKE_RENT, VerdictTerms, commit_hash,
    consent_hash,
    stake::{self, StakeData},
    task::{self, TaskInit},
    verdict_hash, verdict_value,
};
use fog_protocol::{Address, Hash32, Nano, SecretKey, tagged_hash};
use fog_wallet::{OutMessage, TESTNET};
use tycho_types::cell::{Cell, CellBuilder};

use super::{
    ScenarioError,
    facts::{Event, SentFacts, history},
    format::{Op, Outcome, Send},
    parse::exit_number,
    run::{Posted, Story},
};

/// Attached to attacks: more than any of them needs.
const PLENTY: Nano = Nano::new(500_000_000);
/// How long what is signed here is valid.
const VALID_SECONDS: u32 = 3_600;

impl Story<'_> {
    /// Sends it, and notes what became of it.
    pub(super) async fn send(&mut self, send: &Send) -> Result<(), ScenarioError> {
        let message = self.message(send).await?;
        let to = message.dest;
        let sent = self.world.pay(&send.by, &[message]).await?;
        let out = sent.iter().flat_map(|tx| &tx.out_msgs).map(|message| message.hash).next();
        let out = out.ok_or_else(|| {
            ScenarioError::Impossible(format!("{}'s wallet dropped the message", send.by))
        })?;
        let event = self
            .event(&to, out)
            .await?
            .ok_or_else(|| ScenarioError::TooLong(format!("{}'s message to arrive", send.by)))?;
        let refused = event.aborted;
        let exit = if refused { event.exit } else { None };
        let place = match (&send.task, &send.stake) {
            (Some(task), _) => format!(" on {task}"),
            (None, Some(stake)) => format!(" on {stake}'s stake"),
            (None, None) => " on its own stake".to_owned(),
        };
        let operation = serde_json::to_value(send.op).ok();
        let operation = operation.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?");
        let step = format!("{}'s {operation}{place}", send.by);
        let became = match (refused, exit) {
            (false, _) => "taken".to_owned(),
            (true, Some(code)) => format!("refused: {}", fog_contracts::explain_exit(code)),
            (true, None) => "refused".to_owned(),
        };
        self.say(format!("{step}: {became}"));
        self.sent.push(SentFacts {
            step,
            refused,
            exit,
            expected_refused: send.outcome == Outcome::Refused,
            expected_exit: send.exit.as_deref().and_then(exit_number),
        });
        Ok(())
    }

    /// The transaction a message started.
    async fn event(&self, to: &Address, hash: Hash32) -> Result<Option<Event>, ScenarioError> {
        let (to, chain) = (*to, self.world.local()?.chain.clone());
        let events = chain.with(move |chain| history(chain, &to)).await??;
        Ok(events.into_iter().rev().find(|event| event.in_hash == Some(hash)))
    }

    async fn message(&self, send: &Send) -> Result<OutMessage, ScenarioError> {
        match send.op {
            Op::Deposit
            | Op::Unbond
            | Op::Withdraw
            | Op::WithdrawEarnings
            | Op::Settle
            | Op::Slash => self.to_stake(send).await,
            Op::TopUp if send.task.is_none() => self.to_stake(send).await,
            Op::TopUp
            | Op::Fund
            | Op::Cancel
            | Op::Expire
            | Op::Finalize
            | Op::Commit
            | Op::Assign
            | Op::ForgedCommit
            | Op::ForgedVerdict
            | Op::ReplayVerdict
            | Op::ReplayCommit => self.to_task(send).await,
        }
    }

    async fn to_stake(&self, send: &Send) -> Result<OutMessage, ScenarioError> {
        let whose = send.stake.as_ref().unwrap_or(&send.by);
        let stake = self.world.stake(whose)?;
        let amount = send.amount.map(|amount| amount.0);
        let named = amount.unwrap_or_default();
        let (value, body) = match send.op {
            Op::Deposit => {
                let session = self.world.party(whose)?.key.public();
                (named.saturating_add(STAKE_RENT), stake::deposit(1, named, &session)?)
            }
            Op::Unbond => {
                let free = match amount {
                    Some(amount) => amount,
                    None => self.free(&stake).await?,
                };
                (OWNER_VALUE, stake::unbond(1, free)?)
            }
            Op::Withdraw => (OWNER_VALUE, stake::withdraw(1)?),
            Op::WithdrawEarnings => (OWNER_VALUE, stake::withdraw_earnings(1)?),
            Op::Settle => (named.saturating_add(PLENTY), claim(stake::op::SETTLE, named, None)?),
            Op::Slash => {
                let evidence = Hash32([0xee; 32]);
                (PLENTY, claim(stake::op::SLASH, named, Some(evidence))?)
            }
            Op::TopUp
            | Op::Fund
            | Op::Cancel
            | Op::Expire
            | Op::Finalize
            | Op::Commit
            | Op::Assign
            | Op::ForgedCommit
            | Op::ForgedVerdict
            | Op::ReplayVerdict
            | Op::ReplayCommit => (named, Cell::default()),
        };
        Ok(OutMessage::new(stake, value).with_body(body))
    }

    async fn to_task(&self, send: &Send) -> Result<OutMessage, ScenarioError> {
        let name = send.task.as_deref().unwrap_or_default();
        let task = self.task(name)?;
        let escrow = task.prepared.escrow;
        let (value, body) = match send.op {
            Op::Fund => (task.prepared.listing.price_cap.saturating_add(PLENTY), task::fund(1)?),
            Op::Cancel => (END_VALUE, task::cancel(1)?),
            Op::Expire => (END_VALUE, task::expire(1)?),
            Op::Finalize => (END_VALUE, task::finalize(1)?),
            Op::Commit => {
                (COMMIT_VALUE, self.commit(send, task, &self.world.party(&send.by)?.key)?)
            }
            Op::ForgedCommit => (COMMIT_VALUE, self.commit(send, task, &forger(&send.by))?),
            Op::ForgedVerdict => (verdict_value(1), self.forged_verdict(send, task).await?),
            Op::Assign => (PLENTY, self.assignment(send, task).await?),
            Op::ReplayVerdict => (verdict_value(1), self.replayed(send, task::op::VERDICT).await?),
            Op::ReplayCommit => (COMMIT_VALUE, self.replayed(send, task::op::COMMIT).await?),
            Op::TopUp
            | Op::Deposit
            | Op::Unbond
            | Op::Withdraw
            | Op::WithdrawEarnings
            | Op::Settle
            | Op::Slash => {
                (send.amount.map(|amount| amount.0).unwrap_or_default(), Cell::default())
            }
        };
        let message = OutMessage::new(escrow, value).with_body(body);
        if send.op == Op::Fund {
            let init = TaskInit::of(&task.prepared.listing).state_init()?;
            return Ok(message.with_state_init(init));
        }
        Ok(message)
    }

    async fn free(&self, stake: &Address) -> Result<Nano, ScenarioError> {
        let data = self.world.local()?.client.account(stake).await?.data;
        let data = data.ok_or_else(|| ScenarioError::Impossible("no stake yet".to_owned()))?;
        Ok(StakeData::parse(&data)?.unbondable())
    }

    /// A commitment to nothing in particular.
    fn commit(&self, send: &Send, task: &Posted, key: &SecretKey) -> Result<Cell, ScenarioError> {
        let commitment = tagged_hash("fog/scenario/commitment", &[send.by.as_bytes()]);
        let hash = commit_hash(TESTNET, &task.prepared.escrow, &commitment)?;
        Ok(task::commit(1, &commitment, &key.sign(&hash.0))?)
    }

    async fn forged_verdict(&self, send: &Send, task: &Posted) -> Result<Cell, ScenarioError> {
        let account = self.world.local()?.client.account(&task.prepared.escrow).await?;
        let data = account.data.as_ref().map(task::TaskData::parse).transpose()?;
        let work = data.and_then(|data| data.work);
        let valid_until = self.world.now().await? + VALID_SECONDS;
        let evidence = Hash32([0xee; 32]);
        let terms = VerdictTerms {
            network: TESTNET,
            task: task.prepared.escrow,
            stake: work.map_or(task.prepared.escrow, |work| work.stake),
            price: work.map_or(Nano::ZERO, |work| work.price),
            commitment: work.map(|work| work.commitment).unwrap_or_default(),
            outcome: task::Outcome::Accepted,
            evidence,
            valid_until,
        };
        let signature = forger(&send.by).sign(&verdict_hash(&terms)?.0);
        Ok(task::verdict(
            1,
            &task::Verdict {
                outcome: task::Outcome::Accepted,
                evidence,
                valid_until,
                signatures: [(0, signature)].into(),
            },
        )?)
    }

    /// An assignment the sender makes itself, with its own stake's consent.
    async fn assignment(&self, send: &Send, task: &Posted) -> Result<Cell, ScenarioError> {
        let who = self.world.party(&send.by)?;
        let price = task.prepared.listing.price_cap;
        let valid_until = self.world.now().await? + VALID_SECONDS;
        let consent = Consent {
            network: TESTNET,
            stake: self.world.local()?.stake_of(who.address)?,
            task: task.prepared.escrow,
            reserve: Nano::new(1),
            price,
            valid_until,
        };
        let assign = task::Assign {
            owner: who.address,
            price,
            reserve: Nano::new(1),
            valid_until,
            consent: who.key.sign(&consent_hash(&consent)?.0),
        };
        Ok(task::assign(1, &assign)?)
    }

    /// The body of a message a task has taken, as it was.
    async fn replayed(&self, send: &Send, op: u32) -> Result<Cell, ScenarioError> {
        let from = self.task(send.from.as_deref().unwrap_or_default())?.prepared.escrow;
        let chain = self.world.local()?.chain.clone();
        let events = chain.with(move |chain| history(chain, &from)).await??;
        let taken = events.iter().find(|event| event.took() == Some(op));
        let body = taken.and_then(|event| event.body.as_ref());
        body.map(|body| body.cell().clone()).ok_or_else(|| {
            ScenarioError::Impossible("that task has not had such a message yet".to_owned())
        })
    }
}

/// A key of an attacker's own.
fn forger(name: &str) -> SecretKey {
    SecretKey::from_seed(&tagged_hash("fog/scenario/forger", &[name.as_bytes()]).0)
}

/// What only a task may say to a stake.
fn claim(op: u32, amount: Nano, evidence: Option<Hash32>) -> Result<Cell, ScenarioError> {
    let mut body = CellBuilder::new();
    body.store_u32(op)?;
    body.store_u64(1)?;
    put_coins(&mut body, amount)?;
    if let Some(evidence) = evidence {
        put_coins(&mut body, Nano::ZERO)?;
        body.store_u256(&tycho_types::cell::HashBytes(evidence.0))?;
    }
    // Who gets the change: nobody.
    body.store_uint(0b100, 3)?;
    body.store_u8(0)?;
    body.store_u256(&tycho_types::cell::HashBytes::ZERO)?;
    Ok(body.build()?)
}

fn put_coins(body: &mut CellBuilder, amount: Nano) -> Result<(), ScenarioError> {
    use tycho_types::cell::{CellFamily as _, Store as _};
    let tokens = tycho_types::num::Tokens::new(u128::from(amount.get()));
    Ok(tokens.store_into(body, Cell::empty_context())?)
}
