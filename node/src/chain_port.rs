//! What the node asks of the chain, in the market's terms: escrows, stakes, the market's rules,
//! and messages to tasks. The only module that knows both `fog_contracts` and `fog_chain`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fog_chain::{AccountInfo, ApiKey, ChainClient, ChainError, Follower};
use fog_contracts::{
    CHALLENGE_VALUE, Consent, ContractError, JETTON_PAY_VALUE, JETTON_TASK_VALUE, TaskState,
    anchor::{self, Anchor},
    dispute,
    jetton_task::{self, JettonTask, Share},
    market::{Config, MarketData},
    operator::{self, OperatorData},
    proof::{Context, Prove, VerifyingKey, binding},
    rail::{place_of, state_init_of},
    stake::StakeData,
    task::{self, Outcome, ProofRole, TaskData, TaskInit},
};
use fog_protocol::{
    Address, AddressForm, Bid, Hash32, Listing, Nano, PublicKey, Signature, api::Posted,
};
use fog_verifier::groth16::{Malformed, Validity, check_contract_key, check_contract_proof};
use fog_wallet::{AddressText, Bounce, OutMessage, TransferLink};
use tycho_types::{boc::Boc, cell::CellBuilder};

use crate::{
    NodeError, channels,
    config::NodeConfig,
    store::{Ballot, Intent, Judged, Ruling},
};

/// Why something of the chain could not be read or built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    /// The gateway.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A contract's cells.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A cell could not be built.
    #[error("a cell could not be built: {0}")]
    Cell(#[from] tycho_types::error::Error),
    /// No contract there.
    #[error("there is no contract at {0}")]
    NoContract(Address),
    /// The consent does not sign this bid.
    #[error("the consent is not the session key's signature over this bid's terms")]
    Consent,
    /// A proof or a verifying key that the contract would not take.
    #[error("the proof is refused: {0}")]
    Proof(String),
    /// A time beyond the chain's 32 bits.
    #[error("the time {0} does not fit the chain's 32 bits")]
    Time(u64),
    /// A voucher.
    #[error(transparent)]
    Voucher(#[from] fog_contracts::channel::VoucherError),
    /// A challenge without its bond.
    #[error("a challenge of the verdict at {0} was built without its bond")]
    NoBond(Address),
    /// The verifiers' signatures are not enough.
    #[error("the market asks for {threshold} verifier signatures, there are {have}")]
    TooFewVerifiers {
        /// What is needed.
        threshold: u8,
        /// What there is.
        have: usize,
    },
}

/// A stake contract, as read from the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StakeFacts {
    /// The worker.
    pub(crate) owner: Address,
    /// Its session key.
    pub(crate) session: PublicKey,
    /// What is neither reserved nor unbonding.
    pub(crate) free: Nano,
}

/// May a verdict be challenged, by its task's contract?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challengeable {
    /// Yes, with this bond: what the market asked for when the task opened.
    With(Nano),
    /// Not as far as the contract was seen: its verdict is not there yet.
    NotYet,
    /// Not any more: its window is over, or somebody did.
    Over,
}

impl Challengeable {
    /// By the contract's data at chain time `now`.
    fn of(data: &TaskData, now: u64) -> Self {
        match (data.state, &data.settings) {
            (TaskState::Accepted | TaskState::Rejected, Some(settings))
                if now < u64::from(data.deadline) =>
            {
                Self::With(settings.challenge_bond)
            }
            (
                TaskState::Created
                | TaskState::Registering
                | TaskState::Open
                | TaskState::Reserving
                | TaskState::Assigned
                | TaskState::Committed,
                _,
            ) => Self::NotYet,
            _ => Self::Over,
        }
    }
}

/// The chain, for one market.
pub(crate) struct ChainPort {
    client: ChainClient,
    /// A second gateway that must agree, if there is one.
    witness: Option<ChainClient>,
    network: i32,
    address: Address,
    market: Config,
    bond: Address,
    started_at: u64,
}

impl std::fmt::Debug for ChainPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainPort").field("market", &self.address).finish_non_exhaustive()
    }
}

fn client_of(
    config: &NodeConfig,
    endpoint: &str,
    key: Option<&String>,
) -> Result<ChainClient, ChainError> {
    let mut chain = fog_chain::ChainConfig::new(endpoint, config.network)
        .with_confirmations(config.chain.confirmations);
    if let Some(key) = key {
        chain = chain.with_api_key(ApiKey::new(key.clone()));
    }
    ChainClient::new(chain)
}

fn seconds(time: u64) -> Result<u32, PortError> {
    u32::try_from(time).map_err(|_| PortError::Time(time))
}

impl ChainPort {
    /// Connects, and reads the market's configuration, which must be of this software's contracts.
    /// `operator` is the node's wallet.
    pub(crate) async fn connect(config: &NodeConfig, operator: Address) -> Result<Self, NodeError> {
        let failed = |error: ChainError| NodeError::Chain(error.to_string());
        let chain = &config.chain;
        let client = client_of(config, &chain.endpoint, chain.api_key.as_ref()).map_err(failed)?;
        let witness = chain.witness.as_ref();
        let witness = witness
            .map(|endpoint| client_of(config, endpoint, chain.witness_api_key.as_ref()))
            .transpose()
            .map_err(failed)?;
        if let Some(witness) = &witness {
            witness.masterchain_info().await.map_err(failed)?;
        }
        let started_at = u64::from(client.chain_time().await.map_err(failed)?);
        let account = client.account(&config.market).await.map_err(failed)?;
        let Some(data) = account.data else {
            return Err(NodeError::Config(format!("there is no market at {}", config.market)));
        };
        let market = MarketData::parse(&data)
            .map_err(|error| NodeError::Config(format!("the market: {error}")))?;
        let market = market
            .config
            .ok_or_else(|| NodeError::Config("the market was never set up".to_owned()))?;
        if !market.is_of_this_code() {
            let message = "the market registers contracts of another version of this software";
            return Err(NodeError::Config(message.to_owned()));
        }
        let (network, address) = (config.network, config.market);
        let bond = market
            .operator_of(address, operator)
            .address()
            .map_err(|error| NodeError::Config(format!("the node's bond: {error}")))?;
        Ok(Self { client, witness, network, address, market, bond, started_at })
    }

    /// The bond of `operator`, the node's wallet, has to be there.
    pub(crate) async fn check_bond(&self, operator: Address) -> Result<(), NodeError> {
        match self.bond().await {
            Ok(data) if data.bond > Nano::ZERO => Ok(()),
            Ok(_) | Err(PortError::NoContract(_)) => Err(NodeError::Config(format!(
                "the wallet {operator} has no bond in this market, and workers are assigned \
                 against one only: put it down with `fog bond add AMOUNT`"
            ))),
            Err(error) => Err(NodeError::Chain(error.to_string())),
        }
    }

    /// The client itself.
    pub(crate) const fn client(&self) -> &ChainClient {
        &self.client
    }

    /// One account, as both gateways see it if there are two.
    pub(crate) async fn agreed_account(
        &self,
        address: &Address,
    ) -> Result<AccountInfo, ChainError> {
        let account = self.client.account(address).await?;
        let Some(witness) = &self.witness else { return Ok(account) };
        let other = witness.account(address).await?;
        let hash =
            |account: &AccountInfo| account.data.as_ref().map(|data| Hash32(data.repr_hash().0));
        if other.last == account.last && hash(&other) != hash(&account) {
            let what = format!("the two gateways give {address} different data");
            return Err(ChainError::Lied { what });
        }
        if other.last != account.last {
            let what = format!("the two gateways know different last transactions of {address}");
            return Err(ChainError::Stale { what });
        }
        Ok(account)
    }

    /// The time of the newest block that both gateways know of, if there are two: none of them puts the
    /// clock forward alone.
    pub(crate) async fn newest_time(&self) -> Result<u64, ChainError> {
        let time = self.client.chain_time().await?;
        let Some(witness) = &self.witness else { return Ok(time.into()) };
        Ok(time.min(witness.chain_time().await?).into())
    }

    /// A follower of final transactions of `address`.
    pub(crate) fn follower(&self, address: Address) -> Follower {
        Follower::new(self.client.clone(), address).with_witness(self.witness.clone())
    }

    /// Chain time at the start.
    pub(crate) const fn started_at(&self) -> u64 {
        self.started_at
    }

    /// The market's configuration, as read at the start.
    pub(crate) const fn market(&self) -> &Config {
        &self.market
    }

    /// What funding a task costs beyond its price.
    pub(crate) const fn task_gas(&self) -> Nano {
        fog_contracts::FUND_VALUE
    }

    /// How `listing` is funded.
    pub(crate) fn posted(&self, listing: &Listing) -> Result<Posted, PortError> {
        let escrow = place_of(listing)?;
        let Some(state_init) = state_init_of(listing)? else {
            return Ok(Posted::on_account(listing.id(), escrow));
        };
        let state_init = CellBuilder::build_from(state_init)?;
        // In a jetton this only begins the task; it opens when its jettons have come, too.
        let (body, amount) = match JettonTask::of(listing)? {
            Some(in_jetton) => (jetton_task::begin(0, &in_jetton.jetton)?, JETTON_TASK_VALUE),
            None => (task::fund(0)?, listing.price_cap.saturating_add(self.task_gas())),
        };
        // Test networks have friendly addresses of their own.
        let form = if self.network == fog_wallet::MAINNET {
            AddressForm::Bounceable
        } else {
            AddressForm::TestBounceable
        };
        let link = TransferLink {
            to: AddressText { address: escrow, form: Some(form) },
            amount: Some(amount),
            text: None,
            body: Some(body.clone()),
            init: Some(state_init.clone()),
            valid_until: None,
        };
        Ok(Posted {
            task: listing.id(),
            escrow,
            amount,
            state_init: STANDARD.encode(Boc::encode(&state_init)),
            body: STANDARD.encode(Boc::encode(&body)),
            link: link.to_string(),
            epoch: None,
        })
    }

    /// Where the stake of `worker` is in this market.
    pub(crate) fn stake_address(&self, worker: &Address) -> Result<Address, PortError> {
        Ok(self.market.stake_of(self.address, *worker).address()?)
    }

    /// The node's bond.
    pub(crate) const fn bond_address(&self) -> Address {
        self.bond
    }

    /// Reads the node's bond.
    pub(crate) async fn bond(&self) -> Result<OperatorData, PortError> {
        let account = self.client.account(&self.bond).await?;
        let data = account.data.ok_or(PortError::NoContract(self.bond))?;
        Ok(OperatorData::parse(&data)?)
    }

    /// A task's contract, as both gateways see it: what is signed, sent or given up for good by that
    /// must not hang on the word of one.
    async fn task(&self, escrow: &Address) -> Result<TaskData, PortError> {
        let account = self.agreed_account(escrow).await?;
        let data = account.data.ok_or(PortError::NoContract(*escrow))?;
        Ok(TaskData::parse(&data)?)
    }

    /// Reads whether a task's verdict may be challenged at chain time `now`, and with what: governance
    /// may have changed the market's bond before it opened, or since.
    pub(crate) async fn challengeable(
        &self,
        escrow: &Address,
        now: u64,
    ) -> Result<Challengeable, PortError> {
        Ok(Challengeable::of(&self.task(escrow).await?, now))
    }

    /// Reads how many verifiers have to sign a ruling on a task.
    pub(crate) async fn appeal_of(&self, escrow: &Address) -> Result<u8, PortError> {
        let settings = self.task(escrow).await?.settings;
        Ok(settings.map_or(self.market.appeal, |settings| settings.appeal))
    }

    /// Reads what a wallet holds.
    pub(crate) async fn balance(&self, wallet: &Address) -> Result<Nano, PortError> {
        Ok(self.client.account(wallet).await?.balance)
    }

    /// Reads a stake contract.
    pub(crate) async fn stake(&self, address: &Address) -> Result<StakeFacts, PortError> {
        let account = self.client.account(address).await?;
        let data = account.data.ok_or(PortError::NoContract(*address))?;
        let stake = StakeData::parse(&data)?;
        Ok(StakeFacts { owner: stake.init.owner, session: stake.session, free: stake.free() })
    }

    /// Does the bid's consent sign its terms?
    pub(crate) fn check_consent(&self, bid: &Bid, session: &PublicKey) -> Result<(), PortError> {
        let hash = fog_contracts::consent_hash(&Consent {
            network: self.network,
            stake: bid.stake,
            task: bid.escrow,
            reserve: bid.reserve,
            price: bid.price,
            valid_until: seconds(bid.valid_until)?,
        })?;
        session.verify(&hash.0, &bid.consent).map_err(|_| PortError::Consent)
    }

    /// Does the commitment's signature for the chain match?
    pub(crate) fn check_commit(
        &self,
        escrow: &Address,
        commitment: &Hash32,
        session: &PublicKey,
        signature: &Signature,
    ) -> Result<(), PortError> {
        let hash = fog_contracts::commit_hash(self.network, escrow, commitment)?;
        session.verify(&hash.0, signature).map_err(|_| PortError::Consent)
    }

    /// Does the message settle this task for the worker with this stake? Everything is checked that
    /// the contract will check.
    pub(crate) fn check_proof(
        network: i32,
        listing: &Listing,
        stake: &Address,
        prove: &Prove,
    ) -> Result<(), PortError> {
        let init = TaskInit::of(listing);
        if init.terms.proof != ProofRole::Decides(prove.statement.hash()?) {
            return Err(PortError::Proof("it is of another statement than the task's".into()));
        }
        let context = Context { network, task: place_of(listing)?, stake: *stake };
        let result = Hash32(prove.result.repr_hash().0);
        let bound = binding(&context.hash()?, &prove.statement.input, &result);
        let refused = |malformed: Malformed| PortError::Proof(malformed.to_string());
        let key = check_contract_key(&prove.statement.key.to_ark_bytes()).map_err(refused)?;
        match check_contract_proof(&key, &prove.proof.to_ark_bytes(), &bound.0).map_err(refused)? {
            Validity::Valid => Ok(()),
            Validity::NotValid(reason) => Err(PortError::Proof(reason.to_string())),
        }
    }

    /// Does the listing name the key it comes with?
    pub(crate) fn check_circuit(key: &[u8], named: &Hash32) -> Result<(), PortError> {
        let refused = |reason: String| PortError::Proof(reason);
        check_contract_key(key).map_err(|malformed| refused(malformed.to_string()))?;
        let key = VerifyingKey::from_ark_bytes(key).map_err(|error| refused(error.to_string()))?;
        if key.hash()? == *named {
            Ok(())
        } else {
            Err(refused("the policy names another verifying key than the program".into()))
        }
    }

    /// The message that challenges a verdict with this bond.
    pub(crate) fn challenge(
        escrow: &Address,
        evidence: &Hash32,
        bond: Nano,
        query: u64,
    ) -> Result<OutMessage, PortError> {
        let body = dispute::challenge(query, evidence)?;
        Ok(OutMessage::new(*escrow, bond.saturating_add(CHALLENGE_VALUE)).with_body(body))
    }

    /// The message that performs an intent. `query` is the intent's row: what comes back names it.
    /// Challenges need their task's bond besides: see [`ChainPort::challenge`].
    pub(crate) fn message(&self, intent: &Intent, query: u64) -> Result<OutMessage, PortError> {
        let (to, value, body) = match intent {
            Intent::Assign { escrow, worker, price, reserve, consent, valid_until } => {
                let assign = task::Assign {
                    owner: *worker,
                    price: *price,
                    reserve: *reserve,
                    valid_until: seconds(*valid_until)?,
                    consent: *consent,
                };
                // A task takes assignments from the node's bond alone.
                let body = operator::take_on(query, escrow, &assign)?;
                (&self.bond, fog_contracts::ASSIGN_VALUE, body)
            }
            Intent::Commit { escrow, commit } => {
                let commit = &commit.value;
                let body = task::commit(query, &commit.commitment, &commit.chain_signature)?;
                (escrow, fog_contracts::COMMIT_VALUE, body)
            }
            Intent::Verdict(judged) | Intent::Undelivered(judged) => {
                let threshold = self.market.threshold;
                let body = task::verdict(query, &signed(judged, threshold)?)?;
                (&judged.escrow, fog_contracts::verdict_value(threshold), body)
            }
            // As many as its task asks for, which may be others than the market asks for now.
            Intent::Ruling(judged) => {
                let appeal = u8::try_from(judged.ballot.signatures.len()).unwrap_or(u8::MAX);
                let body = dispute::ruling(query, &signed(judged, appeal)?)?;
                (&judged.escrow, fog_contracts::ruling_value(appeal), body)
            }
            Intent::Challenge { escrow, .. } => return Err(PortError::NoBond(*escrow)),
            Intent::Finalize { escrow } | Intent::Penalise { escrow } => {
                (escrow, fog_contracts::END_VALUE, task::finalize(query)?)
            }
            Intent::Expire { escrow } => (escrow, fog_contracts::END_VALUE, task::expire(query)?),
            Intent::Prove { escrow, message } => {
                let body = Prove::from_bytes(message)?.body(query)?;
                (escrow, fog_contracts::PROVE_VALUE, body)
            }
            Intent::Redeem { voucher } => return channels::redemption(voucher, query),
            Intent::TopUp(top_up) => return channels::payment(top_up, query),
            Intent::Open(pledge) => {
                let init = pledge.terms().task();
                let value = pledge.price.saturating_add(fog_contracts::FUND_VALUE);
                return Ok(OutMessage::new(init.address()?, value)
                    .with_state_init(init.state_init()?)
                    .with_body(task::fund(query)?));
            }
            Intent::Pledge(inner) => return self.message(inner, query),
            Intent::Anchor { node, number, head, tasks, root } => {
                let (number, head, tasks, root) = (*number, *head, *tasks, *root);
                let body = Anchor { number, head, tasks, root }.body(query)?;
                let to = anchor::address(node, number);
                let message = OutMessage::new(to, anchor::VALUE).with_bounce(Bounce::No);
                return Ok(message.with_body(body));
            }
            Intent::ClaimShare { escrow, to } => {
                let body = jetton_task::claim_share(query, Share::Node, to)?;
                (escrow, JETTON_PAY_VALUE, body)
            }
        };
        Ok(OutMessage::new(*to, value).with_body(body))
    }
}

/// What `needed` verifiers signed, as a contract takes it.
fn signed(judged: &Judged, needed: u8) -> Result<task::Verdict, PortError> {
    let Ballot { valid_until, signatures } = &judged.ballot;
    if signatures.len() != usize::from(needed) {
        return Err(PortError::TooFewVerifiers { threshold: needed, have: signatures.len() });
    }
    Ok(task::Verdict {
        outcome: match judged.ruling {
            Ruling::Accepted => Outcome::Accepted,
            Ruling::Rejected => Outcome::Rejected,
            Ruling::Undelivered => Outcome::Undelivered,
        },
        evidence: judged.evidence,
        valid_until: *valid_until,
        signatures: signatures.clone(),
    })
}

/// How a task's own transaction is called in its list.
pub(crate) fn transaction_kind(op: Option<u32>, bounced: bool) -> &'static str {
    if bounced {
        return "bounce";
    }
    match op {
        Some(task::op::FUND) => "fund",
        Some(task::op::OPENED) => "open",
        Some(task::op::ASSIGN) => "assign",
        Some(task::op::RESERVED) => "reserve",
        Some(task::op::COMMIT) => "commit",
        Some(task::op::VERDICT) => "verdict",
        Some(task::op::CHALLENGE) => "challenge",
        Some(task::op::RULING) => "ruling",
        Some(task::op::FINALIZE) => "finalize",
        Some(task::op::CANCEL) => "cancel",
        Some(task::op::PROVE) => "prove",
        Some(task::op::EXPIRE) => "expire",
        Some(task::op::SETTLED | task::op::SLASHED | task::op::RELEASED) => "close",
        Some(_) | None => "other",
    }
}
