//! What ties a proof to one task and one worker.
//!
//! A proof is public once it is delivered and can be re-randomised, so another worker could hand it
//! in as its own. Therefore one public input of every listed circuit is the scalar below; whoever
//! wants a proof for another task or worker has to know the witness and prove again.

use ark_bn254::Fr;
use ark_ff::PrimeField;
use fog_protocol::{PublicInput, tagged_hash};

use super::curve::SnarkCurve;
use super::key::KeyOf;
use super::malformed::Malformed;
use super::number;
use super::proof::{InputsOf, NotValid, ProofOf, Validity, verify};

/// Name of the circom signal that takes the binding scalar.
pub const BINDING_SIGNAL: &str = "binding";

/// The binding scalar of a task and a worker (the worker's 32-byte key or account hash), as a
/// decimal number below 2^253: the tagged SHA-256 read as a big-endian number with its three top
/// bits cleared, which is always below the scalar field's modulus. The same over both curves.
#[must_use]
pub fn binding_scalar(task: [u8; 32], worker: [u8; 32]) -> String {
    number::print(&binding_element::<Fr>(task, worker))
}

fn binding_element<F: PrimeField>(task: [u8; 32], worker: [u8; 32]) -> F {
    let mut bytes = tagged_hash("fog/groth16/binding/v1", &[&task, &worker]).0;
    bytes[0] &= 0x1f;
    F::from_be_bytes_mod_order(&bytes)
}

/// Checks that a listing's template fits its key, before anybody works for it: as many entries as
/// the key takes inputs, exactly one of them the binding, every fixed number canonical.
///
/// # Errors
/// [`Malformed::Template`].
pub fn check_listing<E: SnarkCurve>(
    key: &KeyOf<E>,
    template: &[PublicInput],
) -> Result<(), Malformed> {
    Terms::new(key, template, [0; 32], [0; 32]).map(drop)
}

/// Checks a delivered proof against the listing: each public input is what `template` asks for,
/// the binding is this task's and this worker's, and the equation holds.
///
/// # Errors
/// [`Malformed::Template`] if the listing itself does not fit the key (the requestor's fault; find
/// it when the listing is posted), any other [`Malformed`] if the delivered files are refused.
pub fn check_task_proof<E: SnarkCurve>(
    key: &KeyOf<E>,
    proof_json: &[u8],
    public_json: &[u8],
    template: &[PublicInput],
    task: [u8; 32],
    worker: [u8; 32],
) -> Result<Validity, Malformed> {
    let terms = Terms::new(key, template, task, worker)?;
    let inputs = InputsOf::from_snarkjs(public_json)?;
    let proof = ProofOf::from_snarkjs(proof_json)?;
    match terms.breach(&inputs)? {
        Some(breach) => Ok(Validity::NotValid(breach)),
        None => verify(key, &proof, &inputs),
    }
}

/// What each public input of a proof for one task by one worker must be.
pub(crate) struct Terms<E: SnarkCurve>(Vec<Expected<E::ScalarField>>);

enum Expected<F> {
    Binding(F),
    Fixed(F),
    Free,
}

impl<E: SnarkCurve> Terms<E> {
    /// The listing's template as field elements: as long as the key says, with exactly one binding.
    ///
    /// # Errors
    /// [`Malformed::Template`].
    pub(crate) fn new(
        key: &KeyOf<E>,
        template: &[PublicInput],
        task: [u8; 32],
        worker: [u8; 32],
    ) -> Result<Self, Malformed> {
        let refuse = |reason: String| Malformed::Template { reason };
        if template.len() != key.input_count() {
            let (listed, taken) = (template.len(), key.input_count());
            return Err(refuse(format!("{listed} are listed, the key takes {taken}")));
        }
        let bindings = template.iter().filter(|input| **input == PublicInput::Binding).count();
        if bindings != 1 {
            return Err(refuse(format!("{bindings} of them are `binding`, it must be one")));
        }
        let expected = template.iter().enumerate().map(|(position, input)| match input {
            PublicInput::Binding => Ok(Expected::Binding(binding_element(task, worker))),
            PublicInput::Free => Ok(Expected::Free),
            PublicInput::Fixed(text) => number::parse(text)
                .map(Expected::Fixed)
                .map_err(|problem| refuse(format!("number {position} {problem}"))),
        });
        expected.collect::<Result<_, _>>().map(Self)
    }

    /// The first input that is another than it must be.
    ///
    /// # Errors
    /// [`Malformed::InputCount`].
    pub(crate) fn breach(&self, inputs: &InputsOf<E>) -> Result<Option<NotValid>, Malformed> {
        let (expected, found) = (self.0.len(), inputs.len());
        if expected != found {
            return Err(Malformed::InputCount { expected, found });
        }
        let pairs = self.0.iter().zip(inputs.elements()).enumerate();
        Ok(pairs.into_iter().find_map(|(position, (wanted, input))| match wanted {
            Expected::Binding(value) if value != input => Some(NotValid::Binding { position }),
            Expected::Fixed(value) if value != input => Some(NotValid::Input { position }),
            Expected::Binding(_) | Expected::Fixed(_) | Expected::Free => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_depends_on_both_and_fits_253_bits() {
        let scalar = binding_scalar([1; 32], [2; 32]);
        assert_ne!(scalar, binding_scalar([2; 32], [1; 32]));
        assert_ne!(scalar, binding_scalar([1; 32], [3; 32]));
        assert_ne!(scalar, binding_scalar([3; 32], [2; 32]));
        for byte in 0..=255 {
            use ark_ff::BigInteger as _;
            let element: Fr = binding_element([byte; 32], [7; 32]);
            assert!(element.into_bigint().num_bits() <= 253);
            let other: ark_bls12_381::Fr = binding_element([byte; 32], [7; 32]);
            assert_eq!(number::print(&other), number::print(&element), "one number, two fields");
        }
    }

    #[test]
    fn binding_is_stable() {
        // Other implementations must reach the same number.
        assert_eq!(
            binding_scalar([0; 32], [0; 32]),
            "7123292061987410167322822581756902887052689846736714135467265990452891931980"
        );
    }
}
