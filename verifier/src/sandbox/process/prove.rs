//! Proving in a child: zkey and witness calculator come from strangers, so they never meet a key.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::groth16::{ProveError, ProveLimits, prove};

/// A circom program to be proven.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct ProveJob {
    /// snarkjs' `.zkey`.
    pub zkey: Vec<u8>,
    /// circom's witness calculator.
    pub witness: Vec<u8>,
    /// snarkjs' `input.json`.
    pub input: Vec<u8>,
    /// The binding's scalar, decimal.
    pub binding: String,
    /// Secret randomness of this proof.
    pub seed: [u8; 32],
    /// Fuel of the witness calculator.
    pub fuel: u64,
    /// Memory of the witness calculator, bytes.
    pub memory_bytes: u64,
}

/// A proof, as the result of its task.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProofOutput {
    /// `{"proof":..,"public":..}`.
    pub json: Vec<u8>,
    /// Fuel the witness calculator used.
    pub fuel_used: u64,
}

/// Why there is no proof. All but `Host` follow from the job alone.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum NoProof {
    /// The calculator used up its fuel.
    OutOfFuel,
    /// The calculator trapped.
    Trapped,
    /// The input does not satisfy the circuit, or is no input for it.
    Input(String),
    /// The program cannot be proven with.
    Program(String),
    /// The prover itself failed.
    Host(String),
}

/// Runs in the child.
pub(super) fn run(job: &ProveJob) -> Result<ProofOutput, NoProof> {
    let input = std::str::from_utf8(&job.input)
        .map_err(|_| NoProof::Input("the input is not UTF-8".to_owned()))?;
    let limits = ProveLimits {
        fuel: job.fuel,
        memory_bytes: usize::try_from(job.memory_bytes).unwrap_or(usize::MAX),
        ..ProveLimits::default()
    };
    let proved = prove(&job.zkey, &job.witness, input, &job.binding, &job.seed, &limits)
        .map_err(NoProof::from)?;
    let json = format!("{{\"proof\":{},\"public\":{}}}", proved.proof_json, proved.public_json);
    Ok(ProofOutput { json: json.into_bytes(), fuel_used: proved.fuel })
}

impl From<ProveError> for NoProof {
    fn from(error: ProveError) -> Self {
        let text = error.to_string();
        match error {
            ProveError::OutOfFuel(_) => Self::OutOfFuel,
            ProveError::Trap(_) => Self::Trapped,
            ProveError::Input(_)
            | ProveError::Signal { .. }
            | ProveError::MissingSignals { .. }
            | ProveError::Rejected(_) => Self::Input(text),
            ProveError::Size { .. }
            | ProveError::Zkey(_)
            | ProveError::Key(_)
            | ProveError::BindingNotPublic
            | ProveError::Module(_)
            | ProveError::Unsatisfied => Self::Program(text),
            ProveError::Binding(_) | ProveError::Prover(_) => Self::Host(text),
        }
    }
}
