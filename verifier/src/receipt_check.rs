//! A result that is a zkVM's receipt, against its policy.

use fog_protocol::{Address, JournalStart, Listing, Policy, Program, journal_binding};
use serde::{Deserialize, Serialize};

use crate::groth16::{Validity, check_receipt};

/// The result is no receipt at all.
pub(crate) const NO_RECEIPT: &str = "result_not_a_receipt";

/// A result: one JSON object, its bytes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptResult {
    /// What the program made public.
    #[serde(with = "hex::serde")]
    pub journal: Vec<u8>,
    /// The Groth16 seal, as Ethereum takes it.
    #[serde(with = "hex::serde")]
    pub seal: Vec<u8>,
}

/// `None` if `output`, the result of `worker` for `listing`, is a receipt of the listing's program,
/// else the stable code of what is wrong with it.
pub(crate) fn fault(listing: &Listing, worker: &Address, output: &[u8]) -> Option<String> {
    let (Policy::Receipt { program, start }, Program::ZkVm { vm, .. }) =
        (&listing.policy, &listing.program)
    else {
        return Some(NO_RECEIPT.to_owned());
    };
    let Ok(ReceiptResult { journal, seal }) = serde_json::from_slice(output) else {
        return Some(NO_RECEIPT.to_owned());
    };
    let binding = journal_binding(&listing.id(), worker, &listing.input.hash);
    if *start == JournalStart::Binding && !journal.starts_with(&binding.0) {
        return Some("receipt_not_bound".to_owned());
    }
    match check_receipt(*vm, program, &journal, &seal) {
        Ok(Validity::Valid) => None,
        Ok(Validity::NotValid(_)) => Some("receipt_not_valid".to_owned()),
        Err(malformed) => Some(malformed.code().to_owned()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fog_protocol::{BlobRef, Durations, Hash32, Nano, Rail, ResourceLimits, SecretKey, ZkVm};

    use super::*;

    const WORKER: Address = Address::basechain([7; 32]);

    #[derive(Deserialize)]
    struct Vector {
        vm: ZkVm,
        program: Hash32,
        journal: String,
        seal: String,
    }

    fn listing(vm: ZkVm, program: Hash32, start: JournalStart) -> Listing {
        let policy = Policy::Receipt { program, start };
        Listing {
            version: Listing::version_of(&Rail::Escrow, &policy),
            network: -3,
            market: Address::basechain([1; 32]),
            operator: Address::basechain([2; 32]),
            requestor: Address::basechain([3; 32]),
            requestor_key: SecretKey::from_seed(&[4; 32]).public(),
            program: Program::ZkVm { vm, elf: BlobRef::of(b"elf") },
            input: BlobRef::of(b"input"),
            limits: ResourceLimits::default(),
            price_cap: Nano::grams(1),
            policy,
            durations: Durations::default(),
            nonce_hash: Hash32([5; 32]),
            epoch: None,
            salt: Hash32([6; 32]),
            rail: Rail::Escrow,
        }
    }

    #[test]
    fn a_receipt_is_of_the_listings_program_and_bound_where_the_listing_says_so() {
        let text = include_str!("../tests/vectors/groth16/receipts.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
        for Vector { vm, program, journal, seal } in vectors {
            let output = format!(r#"{{"journal":"{journal}","seal":"{seal}"}}"#);
            let found = |program, start, output: &str| {
                let listing = listing(vm, program, start);
                listing.check().unwrap();
                fault(&listing, &WORKER, output.as_bytes())
            };
            let any = JournalStart::Anything;
            assert_eq!(found(program, any, &output), None, "{vm}");
            let bound = found(program, JournalStart::Binding, &output);
            assert_eq!(bound.as_deref(), Some("receipt_not_bound"));
            let other = found(Hash32([0; 32]), any, &output);
            assert_eq!(other.as_deref(), Some("receipt_not_valid"));
            for broken in ["", "{}", "[]", &output[1..], &output.replace("seal", "sael")] {
                assert_eq!(found(program, any, broken).as_deref(), Some(NO_RECEIPT), "{broken}");
            }
            let more = output.replace('}', r#","more":1}"#);
            assert_eq!(found(program, any, &more).as_deref(), Some(NO_RECEIPT));
        }
    }

    #[test]
    fn the_binding_is_the_tasks_the_workers_and_the_inputs() {
        let listing = listing(ZkVm::Sp1V61, Hash32([9; 32]), JournalStart::Binding);
        let of = |worker: &Address, input| journal_binding(&listing.id(), worker, &input);
        let input = listing.input.hash;
        let bound = of(&WORKER, input);
        assert_ne!(bound, of(&Address::basechain([8; 32]), input));
        assert_ne!(bound, of(&Address { workchain: -1, ..WORKER }, input));
        assert_ne!(bound, of(&WORKER, Hash32([1; 32])));
        // Past the binding, the receipt itself is looked at.
        let journal = hex::encode(bound.0);
        let output = format!(r#"{{"journal":"{journal}","seal":"4388a21c"}}"#);
        assert_eq!(fault(&listing, &WORKER, output.as_bytes()).as_deref(), Some("groth16.seal"));
    }
}
