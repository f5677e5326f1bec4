//! By whom a task was judged: the verifiers' keys, read from what its contract was told, or from its
//! entry in an account's list; their signatures are checked here.

use fog_contracts::{market::Config, rail::place_of};
use fog_evidence::Judgement;
use fog_protocol::{Hash32, PublicKey, api::TaskView};
use fog_requestor::{NodeClient, entry_signers};
use serde::Serialize;

use crate::{chain, evidence::told, settings::Settings};

/// One verifier that signed.
#[derive(Debug, Serialize)]
pub(crate) struct Signer {
    /// Its place among the market's verifiers.
    pub(crate) verifier: u8,
    pub(crate) key: PublicKey,
}

/// Who signed.
#[derive(Debug, Serialize)]
pub(crate) struct SignedBy {
    /// The verdict, or the ruling on it.
    pub(crate) judgement: Judgement,
    /// Verifiers of the market when they did.
    pub(crate) of: usize,
    /// Hash of the evidence that they signed.
    pub(crate) evidence: Hash32,
    pub(crate) keys: Vec<Signer>,
}

impl SignedBy {
    /// Who signed what a task's end rests on; `None` if nobody has, or the chain does not say yet.
    ///
    /// # Errors
    /// The signatures are not the verifiers', or of other evidence than the node shows.
    pub(crate) async fn of(
        view: &TaskView,
        node: &NodeClient,
        config: &Config,
        settings: &Settings,
    ) -> anyhow::Result<Option<Self>> {
        let signed = match view.listing.rail.account() {
            Some(account) => match node.entry(&account, &view.id).await? {
                None => None,
                Some(entry) => Some(Self {
                    judgement: Judgement::Verdict,
                    of: config.verifiers.len(),
                    evidence: entry.entry.evidence,
                    keys: signers(entry_signers(&entry, view.listing.network, config)?),
                }),
            },
            None => {
                let contract = place_of(&view.listing)?;
                let told = told(&chain::connect(settings)?, &contract).await?;
                told.signers(&view.listing)?.map(|found| Self {
                    judgement: found.judgement,
                    of: found.of,
                    evidence: found.evidence,
                    keys: signers(found.keys),
                })
            }
        };
        if let (Some(signed), Some(verdict)) = (&signed, &view.verdict) {
            anyhow::ensure!(
                signed.judgement == Judgement::Ruling || signed.evidence == verdict.evidence,
                "the node shows a verdict on evidence {}, the verifiers signed one on {}: do not rely \
                 on what this node says of task {}",
                verdict.evidence,
                signed.evidence,
                view.id
            );
        }
        Ok(signed)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let what = match self.judgement {
            Judgement::Verdict => "the verdict",
            Judgement::Ruling => "the ruling on its verdict, which somebody challenged",
        };
        let keys = self.keys.iter().map(|signer| {
            let Signer { verifier, key } = signer;
            format!("\n           verifier {verifier}, key {key}")
        });
        let (signed, of) = (self.keys.len(), self.of);
        format!("{signed} of {of} verifiers signed {what}:{}", keys.collect::<String>())
    }
}

fn signers(keys: impl IntoIterator<Item = (u8, PublicKey)>) -> Vec<Signer> {
    keys.into_iter().map(|(verifier, key)| Signer { verifier, key }).collect()
}
