//! The requestor's side of the market: posts tasks, pays their escrows, opens draw nonces,
//! fetches results. Trusts the node with nothing: ids, escrow addresses and payments are computed
//! here, from the listing it signed itself.

mod account;
mod channel;
mod cover;
mod draft;
mod epoch;
mod escrow;
mod jetton;
mod jetton_task;
mod node;
mod openings;
mod pay;
mod proof;

pub use account::{Known, NotOwed, VouchError, Vouched, check_entry, entry_signers, vouch};
pub use channel::{ChannelError, end_channel, read_channel, set_channel_key, settle, top_up};
pub use draft::{Draft, DraftPolicy, DraftProgram, Prepared, blinded, nonce};
pub use epoch::{checked_epoch, post};
pub use escrow::cancel_task;
pub use jetton::{
    JettonError, JettonInfo, JettonVoucherFile, Parties, claim_jettons, end_in_jetton,
    is_in_jetton, jetton_balance, jetton_wallet, open_in_jetton, read_jetton, read_jetton_channel,
    set_jetton_key, settle_in_jetton, sweep_jettons, top_up_jetton,
};
pub use jetton_task::{Claimed, bury_task, claim_shares, fund_in_jetton, read_jetton_task};
pub use node::{NodeClient, NodeError};
pub use openings::{Openings, OpeningsError};
pub use pay::{PayError, call, confirm, send};

use fog_chain::ChainClient;
use fog_contracts::{FUND_VALUE, rail::place_of, task};
use fog_protocol::{Group, Hash32, NonceOpening, Policy, SecretKey, api::TaskView};
use fog_verifier::draw;
use fog_wallet::{OutMessage, UnlockedWallet};

/// Why a task could not be posted or paid.
#[derive(Debug, thiserror::Error)]
pub enum RequestorError {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The wallet or the chain.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The listing is out of bounds.
    #[error(transparent)]
    Listing(#[from] fog_protocol::ListingError),
    /// The jetton.
    #[error(transparent)]
    Jetton(#[from] JettonError),
    /// Cells.
    #[error(transparent)]
    Contract(#[from] fog_contracts::ContractError),
    /// The node names another task or escrow than the listing gives: do not pay.
    #[error("the node answered with another {0} than the listing gives: nothing was paid")]
    Disagrees(&'static str),
    /// The node's epoch cannot be relied on: who could choose a seed later could choose the draw.
    #[error("the node's epoch is not one: {0}")]
    Epoch(String),
    /// A nonce that is not opened (again).
    #[error(transparent)]
    Opening(#[from] OpeningsError),
    /// A verifying key that proves nothing, or everything.
    #[error("the circuit's verifying key cannot be used: {0}")]
    Circuit(String),
    /// A verification key and public inputs by which no proof could be checked.
    #[error("the `groth16` policy cannot be used: {0}")]
    ProofPolicy(String),
    /// A proof that does not hold, though the node says it was paid for.
    #[error("the node's proof does not prove this task's statement: {0}")]
    WrongProof(String),
    /// A result whose hash is not the verified one.
    #[error("the node's result is not the one that was verified: its hash differs")]
    WrongResult,
}

/// A requestor: a wallet at a node.
#[derive(Debug)]
pub struct Requestor {
    /// The node.
    pub node: NodeClient,
    /// Its own view of the chain.
    pub chain: ChainClient,
    /// Who pays.
    pub wallet: UnlockedWallet,
    /// Which commitment each nonce was opened for.
    pub openings: Openings,
}

impl Requestor {
    /// Uploads the draft's blobs and posts its listing; nothing is paid yet.
    ///
    /// # Errors
    /// [`RequestorError`].
    pub async fn post(&self, draft: Draft) -> Result<Prepared, RequestorError> {
        let info = self.node.info();
        let prepared = draft.prepare(info, self.wallet.wallet.address(), &self.wallet.key)?;
        post(&self.node, &self.wallet.key, prepared).await
    }

    /// Posts `copies` of a task for workers that do not know of each other, and tells the node that
    /// they are; nothing is paid yet. The draft's salt is the group's secret, the rate of its replay that
    /// at which copies that agree are run again.
    ///
    /// # Errors
    /// [`RequestorError`].
    pub async fn post_copies(
        &self,
        draft: Draft,
        copies: u8,
    ) -> Result<Vec<Prepared>, RequestorError> {
        let secret = draft.salt;
        let mut prepared = Vec::new();
        for index in 0..copies {
            let copy = draft.clone().copy(&self.wallet.key, &secret, copies, index);
            prepared.push(self.post(copy).await?);
        }
        let tasks = prepared.iter().map(|copy| copy.task).collect();
        self.node.group(&Group { secret, tasks }).await?;
        Ok(prepared)
    }

    /// The payment that funds a posted task in GRAM.
    ///
    /// # Errors
    /// [`RequestorError::Contract`].
    pub fn payment(&self, prepared: &Prepared) -> Result<OutMessage, RequestorError> {
        let init = task::TaskInit::of(&prepared.listing);
        let amount = prepared.listing.price_cap.saturating_add(FUND_VALUE);
        Ok(OutMessage::new(prepared.escrow, amount)
            .with_state_init(init.state_init()?)
            .with_body(task::fund(0)?))
    }

    /// Pays the escrows of posted tasks, in as few wallet messages as the wallet allows, and waits
    /// until each is final.
    ///
    /// # Errors
    /// [`RequestorError`]; payments already made stay made.
    pub async fn fund(&self, prepared: &[Prepared]) -> Result<(), RequestorError> {
        let (in_jetton, in_gram): (Vec<_>, Vec<_>) =
            prepared.iter().partition(|task| task.listing.rail.jetton().is_some());
        let payments =
            in_gram.into_iter().map(|task| self.payment(task)).collect::<Result<Vec<_>, _>>()?;
        for batch in payments.chunks(self.wallet.wallet.version().max_messages()) {
            send(&self.chain, &self.wallet, batch).await?;
        }
        for task in in_jetton {
            fund_in_jetton(&self.chain, &self.wallet, &task.listing).await?;
        }
        Ok(())
    }

    /// Opens the draw nonce of one's own task for the commitment that `view` shows; was there one?
    /// No nonce is ever opened for two.
    ///
    /// # Errors
    /// [`RequestorError::Opening`] if it was opened for another before, or that cannot be known;
    /// [`RequestorError::Node`].
    pub async fn open_nonce(&self, view: &TaskView) -> Result<bool, RequestorError> {
        let Some(commitment) = view.commitment else { return Ok(false) };
        let (key, listing) = (&self.wallet.key, &view.listing);
        let nonce = nonce(key, &listing.salt);
        // The node says which listing it is: only for one of one's own does the nonce say anything.
        if draw::nonce_hash(&nonce) != listing.nonce_hash {
            return Err(RequestorError::Disagrees("listing"));
        }
        let opening = NonceOpening { task: listing.id(), commitment, nonce };
        self.openings.claim(&opening)?;
        self.node.open_nonce(key, opening).await?;
        Ok(true)
    }

    /// Opens the draw nonce of one's own task once the task's contract holds just the commitment
    /// that the node shows; was it opened? Who learns the nonce and knows the seed knows the draw of
    /// any commitment: opened earlier, a node with a worker of its own could still choose one that
    /// is not drawn. On the account rail no contract holds it: there verifiers ask for the
    /// requestor's signature over the commitment that it opened its nonce for.
    ///
    /// # Errors
    /// As [`Self::open_nonce`]; [`RequestorError::Pay`] if the chain cannot be read.
    pub async fn open_nonce_when_due(&self, view: &TaskView) -> Result<bool, RequestorError> {
        let Some(shown) = view.commitment else { return Ok(false) };
        if view.listing.rail.has_contract() {
            let account = self.chain.account(&place_of(&view.listing)?).await;
            let data = account.map_err(PayError::from)?.data;
            let data = data.as_ref().map(task::TaskData::parse).transpose()?;
            if data.and_then(|data| data.work).is_none_or(|work| work.commitment != shown) {
                return Ok(false);
            }
        }
        self.open_nonce(view).await
    }

    /// Fetches a verified result and checks it against the hash in its verdict.
    ///
    /// # Errors
    /// [`RequestorError::WrongResult`], [`RequestorError::Node`].
    pub async fn result(&self, view: &TaskView) -> Result<Vec<u8>, RequestorError> {
        fetch(&self.node, &self.wallet.key, view).await
    }

    /// Takes back a task to which nobody has been assigned; its contract says whether.
    ///
    /// # Errors
    /// [`RequestorError::Jetton`], see [`cancel_task`].
    pub async fn cancel(&self, view: &TaskView) -> Result<(), RequestorError> {
        let contract = place_of(&view.listing)?;
        cancel_task(&self.chain, &self.wallet, &contract).await?;
        Ok(())
    }
}

/// Fetches a verified result and checks it against the hash in its verdict; where a proof is the
/// verdict, checks the proof.
///
/// # Errors
/// [`RequestorError::WrongResult`], [`RequestorError::WrongProof`], [`RequestorError::Node`].
pub async fn fetch(
    node: &NodeClient,
    key: &SecretKey,
    view: &TaskView,
) -> Result<Vec<u8>, RequestorError> {
    if let Policy::Proof { .. } = view.listing.policy {
        let workers = node.workers().await?;
        let worker = workers.iter().find(|worker| Some(worker.worker) == view.worker);
        let unknown = || RequestorError::WrongProof("its worker is not known".to_owned());
        let stake = worker.ok_or_else(unknown)?.stake;
        return proof::result(view, stake, &node.proof(&view.id).await?);
    }
    let bytes = node.result(key, &view.id).await?;
    if view.result_hash.is_some_and(|hash| hash != Hash32::of(&bytes)) {
        return Err(RequestorError::WrongResult);
    }
    Ok(bytes)
}
