//! A staker's own operations: each one wallet message, followed from contract to contract until its
//! last effect is final.

use std::time::Duration;

use fog_chain::{ChainClient, Cursor, Delivery, Tx};
use fog_contracts::{
    CLAIM_VALUE, DELEGATE_VALUE, StakeLog, UNDELEGATE_VALUE,
    delegation::{self, DelegationInit},
    explain_exit,
    market::{Config, MarketData},
    stake::StakeData,
};
use fog_protocol::{Address, Hash32, Nano};
use fog_wallet::{OutMessage, UnlockedWallet};

use crate::StakerError;

/// Seconds a signed message stays valid.
const VALID_SECONDS: u32 = 120;
/// How long each contract's transaction is waited for.
const ANSWER: Duration = Duration::from_secs(60);

/// A market whose contracts are this program's.
#[derive(Debug, Clone)]
pub struct Place {
    market: Address,
    config: Config,
}

impl Place {
    /// Reads the market from the chain.
    ///
    /// # Errors
    /// [`StakerError::Market`] if there is none, or one of other contracts.
    pub async fn read(chain: &ChainClient, market: Address) -> Result<Self, StakerError> {
        let wrong = |what: &str| StakerError::Market(format!("the market {market} {what}"));
        let data = chain.account(&market).await?.data.ok_or_else(|| wrong("does not exist"))?;
        let config = MarketData::parse(&data)?.config.ok_or_else(|| wrong("is not set up yet"))?;
        if !config.is_of_this_code() {
            return Err(wrong("uses other contracts than this program: stake nothing there"));
        }
        Ok(Self { market, config })
    }

    /// Where this worker's stake is.
    ///
    /// # Errors
    /// [`StakerError::Contract`].
    pub fn stake_of(&self, worker: Address) -> Result<Address, StakerError> {
        Ok(self.config.stake_of(self.market, worker).address()?)
    }
}

/// What a stake contract holds.
pub(crate) async fn read_stake(
    chain: &ChainClient,
    stake: &Address,
) -> Result<StakeData, StakerError> {
    let data = chain.account(stake).await?.data.ok_or(StakerError::NoStake(*stake))?;
    Ok(StakeData::parse(&data)?)
}

/// A staker with its wallet.
#[derive(Debug)]
pub struct Staker<'a> {
    /// The chain.
    pub chain: &'a ChainClient,
    /// Who pays, and is paid.
    pub wallet: &'a UnlockedWallet,
}

impl Staker<'_> {
    fn init(&self, stake: Address) -> DelegationInit {
        DelegationInit { stake, owner: self.wallet.wallet.address() }
    }

    /// Delegates `amount` to the stake; deploys the delegation when needed. `most` is the largest
    /// commission accepted, in basis points; `None` accepts what the stake says now.
    ///
    /// # Errors
    /// [`StakerError`].
    pub async fn delegate(
        &self,
        stake: Address,
        amount: Nano,
        most: Option<u16>,
    ) -> Result<Nano, StakerError> {
        let pool = read_stake(self.chain, &stake).await?.pool;
        let most = most.unwrap_or(pool.next_commission);
        let init = self.init(stake);
        let value = amount.saturating_add(DELEGATE_VALUE);
        let message = OutMessage::new(init.address()?, value)
            .with_state_init(init.state_init()?)
            .with_body(delegation::delegate(0, amount, most)?);
        self.perform(&init, message, Answer::Expected).await
    }

    /// Lets so many shares leave; returns what they were worth.
    ///
    /// # Errors
    /// [`StakerError`].
    pub async fn undelegate(&self, stake: Address, shares: u128) -> Result<Nano, StakerError> {
        let init = self.init(stake);
        let message = OutMessage::new(init.address()?, UNDELEGATE_VALUE)
            .with_body(delegation::undelegate(0, shares)?);
        self.perform(&init, message, Answer::Expected).await
    }

    /// Takes out the oldest of what left; returns how much it was.
    ///
    /// # Errors
    /// [`StakerError`].
    pub async fn claim(&self, stake: Address) -> Result<Nano, StakerError> {
        let init = self.init(stake);
        let message =
            OutMessage::new(init.address()?, CLAIM_VALUE).with_body(delegation::claim(0)?);
        self.perform(&init, message, Answer::None).await
    }

    /// Wallet, delegation, stake, and back; the amount is what the stake's log says.
    async fn perform(
        &self,
        init: &DelegationInit,
        message: OutMessage,
        answer: Answer,
    ) -> Result<Nano, StakerError> {
        let (delegation, stake) = (init.address()?, init.stake);
        let since = self.chain.account(&delegation).await?.last;
        let stake_since = self.chain.account(&stake).await?.last;
        let sent = self.send(message).await?;
        let out = sent.out_msgs.first().ok_or(StakerError::Dropped)?.hash;
        let asked = succeeded(self.arrival(&delegation, since, out).await?)?;
        let onward = sent_to(&asked, &stake)?;
        let done = succeeded(self.arrival(&stake, stake_since, onward).await?)?;
        if answer == Answer::Expected {
            let back = sent_to(&done, &delegation)?;
            succeeded(self.arrival(&delegation, Some(asked.cursor()), back).await?)?;
        }
        Ok(moved(&done))
    }

    async fn arrival(
        &self,
        at: &Address,
        since: Option<Cursor>,
        hash: Hash32,
    ) -> Result<Tx, StakerError> {
        let ours = |tx: &Tx| tx.in_msg.as_ref().is_some_and(|message| message.hash == hash);
        Ok(self.chain.wait_transaction(at, since, ANSWER, ours).await?)
    }

    /// Signs one message and waits until the wallet's transaction is final.
    async fn send(&self, message: OutMessage) -> Result<Tx, StakerError> {
        let wallet = self.wallet.wallet.address();
        let moment = self.chain.wallet_moment(&wallet).await?;
        let valid_until = moment.now + VALID_SECONDS;
        let signed =
            self.wallet.wallet.transfer(&self.wallet.key, moment.seqno, valid_until, &[message])?;
        let (boc, body_hash, since) = (&signed.boc, signed.body_hash, moment.since);
        let delivery = Delivery { wallet, boc, body_hash, valid_until, since };
        Ok(self.chain.deliver(&delivery).await?)
    }
}

/// Whether the stake answers the delegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Expected,
    None,
}

fn succeeded(tx: Tx) -> Result<Tx, StakerError> {
    if tx.is_success() {
        return Ok(tx);
    }
    let cause = tx.exit_code.map_or_else(|| "the contract did not run".to_owned(), explain_exit);
    Err(StakerError::Refused(cause))
}

fn sent_to(tx: &Tx, to: &Address) -> Result<Hash32, StakerError> {
    let message = tx.out_msgs.iter().find(|message| message.dest == Some(*to));
    Ok(message.ok_or(StakerError::Dropped)?.hash)
}

fn moved(tx: &Tx) -> Nano {
    let logs = tx.out_msgs.iter().filter_map(|message| StakeLog::parse(&message.body).ok());
    let amounts = logs.filter_map(|log| match log {
        StakeLog::Moved(moved) => Some(moved.amount),
        StakeLog::Rewarded(_) | StakeLog::Slashed(_) => None,
    });
    amounts.fold(Nano::ZERO, Nano::saturating_add)
}
