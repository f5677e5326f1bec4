//! A result whose proof the contract checked, checked again: nobody is believed.

use fog_contracts::{
    proof::{Context, Prove, binding, result_bytes},
    rail::place_of,
    task::{ProofRole, TaskInit},
};
use fog_protocol::{Address, Hash32, api::TaskView};
use fog_verifier::groth16::{Validity, check_contract_key, check_contract_proof};

use crate::RequestorError;

/// The result in the message that settled a task, if its proof holds for the listing's circuit and
/// input, this task's escrow, and `stake`. (Which stake was paid is between worker and chain: a
/// proof for any of them proves the same result.)
pub(crate) fn result(
    view: &TaskView,
    stake: Address,
    message: &[u8],
) -> Result<Vec<u8>, RequestorError> {
    let wrong = |cause: &str| RequestorError::WrongProof(cause.to_owned());
    let prove = Prove::from_bytes(message)?;
    let init = TaskInit::of(&view.listing);
    if init.terms.proof != ProofRole::Decides(prove.statement.hash()?) {
        return Err(wrong("it is of another statement"));
    }
    let context = Context { network: view.listing.network, task: place_of(&view.listing)?, stake };
    let hash = Hash32(prove.result.repr_hash().0);
    let bound = binding(&context.hash()?, &prove.statement.input, &hash);
    let refused = |malformed: fog_verifier::groth16::Malformed| wrong(&malformed.to_string());
    let key = check_contract_key(&prove.statement.key.to_ark_bytes()).map_err(refused)?;
    match check_contract_proof(&key, &prove.proof.to_ark_bytes(), &bound.0).map_err(refused)? {
        Validity::Valid => Ok(result_bytes(&prove.result)?),
        Validity::NotValid(reason) => Err(wrong(&reason.to_string())),
    }
}
