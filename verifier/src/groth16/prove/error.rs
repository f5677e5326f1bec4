//! Why no proof could be made.

use crate::groth16::{Malformed, NumberProblem};

/// Why no proof could be made. The text names the cause, [`ProveError::cure`] what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// A file is larger than the limits allow; it was not read.
    #[error("the {what} has {bytes} bytes, more than the {cap} allowed")]
    Size {
        /// Which file.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size accepted.
        cap: usize,
    },
    /// The zkey is not a Groth16 proving key over a curve that is known here.
    #[error("the zkey is malformed: {0}")]
    Zkey(&'static str),
    /// The verification key inside the zkey is refused.
    #[error("the zkey's verification key is refused: {0}")]
    Key(Malformed),
    /// The binding is not a canonical scalar.
    #[error("the binding {0}")]
    Binding(NumberProblem),
    /// The circuit does not publish the binding, so a proof could be used for another task.
    #[error("no public input of the circuit carries the binding")]
    BindingNotPublic,
    /// `input.json` is not an object of numbers and lists of numbers.
    #[error("the input is not circom's input.json: {0}")]
    Input(String),
    /// The circuit has no such input signal, or it has another size.
    #[error("input signal `{signal}`: the circuit takes {expected} values, {found} were given")]
    Signal {
        /// Its name.
        signal: String,
        /// How many values the circuit takes; 0 if it has no such signal.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// Some input signals of the circuit were not given.
    #[error("the circuit takes {expected} input values, the input has {found}")]
    MissingSignals {
        /// How many values the circuit takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// The module is not a witness calculator as circom 2 writes it.
    #[error("the witness calculator is malformed: {0}")]
    Module(String),
    /// The calculator reported that the inputs break a constraint, or another error of circom's.
    #[error("the inputs do not satisfy the circuit: {0}")]
    Rejected(String),
    /// The calculator used up its fuel.
    #[error("the witness calculator used up its {0} units of fuel")]
    OutOfFuel(u64),
    /// The calculator crashed.
    #[error("the witness calculator stopped: {0}")]
    Trap(String),
    /// The prover failed.
    #[error("proving failed: {0}")]
    Prover(String),
    /// The proof that came out does not verify: witness and zkey do not belong together.
    #[error("the proof does not verify against the zkey's own key")]
    Unsatisfied,
}

impl ProveError {
    /// Stable name of the cause.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "prove.size",
            Self::Zkey(_) => "prove.zkey",
            Self::Key(_) => "prove.key",
            Self::Binding(_) => "prove.binding",
            Self::BindingNotPublic => "prove.binding_not_public",
            Self::Input(_) => "prove.input",
            Self::Signal { .. } => "prove.signal",
            Self::MissingSignals { .. } => "prove.missing_signals",
            Self::Module(_) => "prove.module",
            Self::Rejected(_) => "prove.rejected",
            Self::OutOfFuel(_) => "prove.out_of_fuel",
            Self::Trap(_) => "prove.trap",
            Self::Prover(_) => "prove.prover",
            Self::Unsatisfied => "prove.unsatisfied",
        }
    }

    /// What the requestor can do about it.
    #[must_use]
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::Size { .. } => "use a smaller circuit, or raise the limit",
            Self::Zkey(_) | Self::Key(_) => {
                "export the zkey again with `snarkjs groth16 setup` and `zkey contribute`, on bn128 or \
                 bls12381"
            }
            Self::Binding(_) => "pass the number from `binding_scalar` unchanged",
            Self::BindingNotPublic => {
                "declare `signal input binding` and list it in `component main {public [...]}`"
            }
            Self::Input(_) => {
                "write one JSON object: signal names, decimal numbers in quotes, lists of them"
            }
            Self::Signal { .. } | Self::MissingSignals { .. } => {
                "compare the input with the circuit's `signal input` declarations"
            }
            Self::Module(_) => {
                "compile the circuit with circom 2, `--wasm`, `--prime` the zkey's: bn128 or bls12381"
            }
            Self::Rejected(_) => "check the private inputs against the circuit's constraints",
            Self::OutOfFuel(_) => "raise the listing's fuel",
            Self::Trap(_) => "run the calculator with snarkjs and these inputs to see why",
            Self::Prover(_) => "run it again; report it if it stays",
            Self::Unsatisfied => "use the zkey and the .wasm of one and the same compilation",
        }
    }
}
