//! The worker's own view of the chain: market, stake and escrows, read from their data cells and
//! recomputed from this program's own copy of the contracts.

use std::sync::OnceLock;

use fog_chain::{ChainClient, ChainError};
use fog_contracts::{
    Consent, ContractError, TaskState,
    channel::{ChannelData, Purpose},
    commit_hash, consent_hash,
    market::MarketData,
    rail::place_of,
    stake::StakeData,
    task::TaskData,
};
use fog_protocol::{Address, Hash32, Listing, Nano};
use futures_util::{FutureExt, future::BoxFuture};

use crate::port::{ChainPort, ChainStatus, PortError, StakeStatus, TaskOnChain};

/// Reads a chain for one worker.
#[derive(Debug)]
pub(crate) struct ChainView {
    client: ChainClient,
    network: i32,
    market: Address,
    owner: Address,
    stake: Address,
    /// The market's fee and longest step: set once it was read and found to be one of this program's
    /// contracts.
    checked: OnceLock<(u16, u32)>,
}

impl From<ChainError> for PortError {
    fn from(error: ChainError) -> Self {
        if error.is_transient() {
            Self::Unreachable(error.to_string())
        } else {
            Self::Wrong(error.to_string())
        }
    }
}

impl From<ContractError> for PortError {
    fn from(error: ContractError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl ChainView {
    pub(crate) const fn new(
        client: ChainClient,
        network: i32,
        market: Address,
        owner: Address,
        stake: Address,
    ) -> Self {
        Self { client, network, market, owner, stake, checked: OnceLock::new() }
    }

    /// The market must be one of this program's contracts, and the stake this worker's in it.
    async fn check_market(&self) -> Result<(), PortError> {
        if self.checked.get().is_some() {
            return Ok(());
        }
        let data = self.client.account(&self.market).await?.data;
        let data =
            data.ok_or_else(|| PortError::Wrong(format!("there is no market at {}", self.market)))?;
        let config = MarketData::parse(&data)?
            .config
            .ok_or_else(|| PortError::Wrong("the market is not set up yet".to_owned()))?;
        if !config.is_of_this_code() {
            return Err(PortError::Wrong(format!(
                "the market {} uses other contracts than this program: no work for it",
                self.market
            )));
        }
        let computed = config.stake_of(self.market, self.owner).address()?;
        if computed != self.stake {
            return Err(PortError::Wrong(format!(
                "the stake of {} in this market is {computed}, not {}",
                self.owner, self.stake
            )));
        }
        let _ = self.checked.set((config.fee_bps, config.max_step));
        Ok(())
    }

    async fn read_status(&self) -> Result<ChainStatus, PortError> {
        self.check_market().await?;
        let time = u64::from(self.client.chain_time().await?);
        let data = self.client.account(&self.stake).await?.data;
        let data = data.ok_or_else(|| {
            PortError::Wrong("nothing is staked yet: `fog worker stake AMOUNT`".to_owned())
        })?;
        let data = StakeData::parse(&data)?;
        let stake = StakeStatus {
            free: data.free(),
            reserved: data.reserved,
            earnings: data.earnings,
            delegated: data.is_delegated(),
            session: data.session,
        };
        Ok(ChainStatus { time, stake })
    }

    async fn read_task(&self, escrow: Address) -> Result<TaskOnChain, PortError> {
        let Some(data) = self.client.account(&escrow).await?.data else {
            return Ok(TaskOnChain::Unassigned);
        };
        let task = TaskData::parse(&data)?;
        Ok(match (task.state, task.work) {
            (
                TaskState::Created
                | TaskState::Registering
                | TaskState::Open
                | TaskState::Reserving,
                _,
            )
            | (TaskState::Assigned, None) => TaskOnChain::Unassigned,
            (TaskState::Assigned, Some(work)) => {
                TaskOnChain::Assigned { worker: work.owner, price: work.price }
            }
            (TaskState::Committed, Some(work)) => TaskOnChain::Committed { worker: work.owner },
            (state, _) => TaskOnChain::Later { state: format!("{state:?}").to_lowercase() },
        })
    }
}

impl ChainPort for ChainView {
    fn status(&self) -> BoxFuture<'_, Result<ChainStatus, PortError>> {
        self.read_status().boxed()
    }

    fn task(&self, escrow: Address) -> BoxFuture<'_, Result<TaskOnChain, PortError>> {
        self.read_task(escrow).boxed()
    }

    fn escrow(&self, listing: &Listing) -> Result<Address, PortError> {
        if self.checked.get().is_none() {
            let reason = "the market was not read yet".to_owned();
            return Err(PortError::Unreachable(reason));
        }
        Ok(place_of(listing)?)
    }

    fn fee_bps(&self) -> Option<u16> {
        self.checked.get().map(|(fee, _)| *fee)
    }

    fn longest_step(&self) -> Option<u32> {
        self.checked.get().map(|(_, step)| *step)
    }

    fn channel(&self, address: Address) -> BoxFuture<'_, Option<ChannelData>> {
        let read = async move {
            let account = self.client.account(&address).await.ok()?;
            let hash = account.code_hash();
            let mut purposes = Purpose::ALL.into_iter();
            let purpose = purposes.find(|purpose| Some(purpose.code().hash) == hash)?;
            let data = ChannelData::parse(purpose, account.data.as_ref()?).ok()?;
            // The address is the hash of the terms: what is not at its own address is a fake.
            (data.channel.address().ok()? == address).then_some(data)
        };
        read.boxed()
    }

    fn consent(
        &self,
        escrow: Address,
        reserve: Nano,
        price: Nano,
        valid_until: u64,
    ) -> Result<Hash32, PortError> {
        let valid_until = u32::try_from(valid_until)
            .map_err(|_| PortError::Wrong("the consent would be valid beyond 2106".to_owned()))?;
        Ok(consent_hash(&Consent {
            network: self.network,
            stake: self.stake,
            task: escrow,
            reserve,
            price,
            valid_until,
        })?)
    }

    fn commit(&self, escrow: Address, commitment: &Hash32) -> Result<Hash32, PortError> {
        Ok(commit_hash(self.network, &escrow, commitment)?)
    }
}
