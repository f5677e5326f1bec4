//! Receipts of SP1 and RISC Zero that neither we nor this program made.

use ark_bn254::Fr;
use ark_ff::{BigInteger as _, PrimeField as _};
use fog_protocol::{Hash32, ZkVm};
use fog_verifier::groth16::{MAX_JOURNAL_BYTES, Malformed, Validity, check_receipt};
use proptest::prelude::*;
use serde::Deserialize;

use ark_bn254::Bn254;

use crate::{Dice, Vectors as _};

#[derive(Clone, Deserialize)]
struct Receipt {
    vm: ZkVm,
    #[expect(dead_code, reason = "for readers of the file")]
    source: String,
    program: Hash32,
    #[serde(with = "hex::serde")]
    journal: Vec<u8>,
    #[serde(with = "hex::serde")]
    seal: Vec<u8>,
}

impl Receipt {
    fn check(&self) -> Result<Validity, Malformed> {
        check_receipt(self.vm, &self.program, &self.journal, &self.seal)
    }

    fn holds(&self) -> bool {
        self.check() == Ok(Validity::Valid)
    }
}

fn receipts() -> Vec<Receipt> {
    serde_json::from_slice(&Bn254::vector("receipts.json")).unwrap()
}

#[test]
fn real_receipts_of_every_release_hold() {
    let receipts = receipts();
    for vm in ZkVm::ALL {
        assert!(receipts.iter().any(|receipt| receipt.vm == vm), "{vm} has none");
    }
    for receipt in receipts {
        assert_eq!(receipt.check(), Ok(Validity::Valid), "{}", receipt.vm);
    }
}

#[test]
fn they_hold_for_their_program_their_journal_and_their_release_alone() {
    let all = receipts();
    for receipt in &all {
        let other = |change: &dyn Fn(&mut Receipt)| {
            let mut other = receipt.clone();
            change(&mut other);
            other
        };
        let vm = receipt.vm;
        assert!(!other(&|of| of.program.0[31] ^= 1).holds(), "{vm}: another program");
        assert!(!other(&|of| of.journal[0] ^= 1).holds(), "{vm}: another journal");
        assert!(!other(&|of| of.journal.push(0)).holds(), "{vm}: a longer journal");
        assert!(
            !other(&|of| of.journal.truncate(of.journal.len() - 1)).holds(),
            "{vm}: a shorter journal"
        );
        assert!(!other(&|of| of.journal.clear()).holds(), "{vm}: no journal");
        for release in ZkVm::ALL.into_iter().filter(|release| *release != vm) {
            let refused = other(&|of| of.vm = release).check().unwrap_err();
            assert_eq!(refused.code(), "groth16.seal", "{vm} as {release}");
        }
        // With the other release's first bytes it is no receipt of it either.
        for foreign in all.iter().filter(|foreign| foreign.vm != vm) {
            let relabelled = other(&|of| {
                of.vm = foreign.vm;
                of.seal[..4].copy_from_slice(&foreign.seal[..4]);
            });
            assert!(!relabelled.holds(), "{vm} relabelled {}", foreign.vm);
        }
    }
}

#[test]
fn every_bit_of_a_seal_matters() {
    for receipt in receipts() {
        for at in 0..receipt.seal.len() {
            let mut changed = receipt.clone();
            changed.seal[at] ^= 1 << (at % 8);
            assert!(!changed.holds(), "{}: byte {at}", receipt.vm);
        }
        for length in [0, 3, 4, 99, 100, 259, receipt.seal.len() - 1] {
            let mut cut = receipt.clone();
            cut.seal.truncate(length);
            assert!(cut.check().is_err(), "{}: cut to {length}", receipt.vm);
        }
        let mut longer = receipt.clone();
        longer.seal.push(0);
        assert!(longer.check().is_err(), "{}: longer", receipt.vm);
    }
}

/// A program or a nonce that is another number of the same residue would be a second name.
#[test]
fn aliased_numbers_are_refused() {
    let modulus = Fr::MODULUS;
    for receipt in receipts() {
        if matches!(receipt.vm, ZkVm::RiscZeroV30 | ZkVm::RiscZeroV50) {
            continue;
        }
        let add = |bytes: &[u8]| {
            let number = num_of(bytes);
            let mut sum = number;
            assert!(!sum.add_with_carry(&modulus), "fits 256 bits");
            sum.to_bytes_be()
        };
        let mut aliased = receipt.clone();
        aliased.program.0.copy_from_slice(&add(&receipt.program.0));
        assert_eq!(aliased.check().unwrap_err().code(), "groth16.number", "{}", receipt.vm);
        if receipt.vm != ZkVm::Sp1V5 {
            let mut aliased = receipt.clone();
            let nonce = add(&receipt.seal[68..100]);
            aliased.seal[68..100].copy_from_slice(&nonce);
            assert_eq!(aliased.check().unwrap_err().code(), "groth16.number", "{}", receipt.vm);
        }
    }
}

fn num_of(bytes: &[u8]) -> <Fr as ark_ff::PrimeField>::BigInt {
    Fr::from_be_bytes_mod_order(bytes).into_bigint()
}

/// A run that failed is proven as well, with its exit code: that is no good end.
#[test]
fn a_run_that_failed_is_no_good_receipt() {
    for receipt in receipts() {
        if !matches!(receipt.vm, ZkVm::Sp1V60 | ZkVm::Sp1V61) {
            continue;
        }
        let mut failed = receipt.clone();
        failed.seal[35] = 1;
        assert!(matches!(failed.check(), Ok(Validity::NotValid(_))), "{}", receipt.vm);
        let mut rooted = receipt.clone();
        rooted.seal[67] ^= 1;
        assert!(matches!(rooted.check(), Ok(Validity::NotValid(_))), "{}", receipt.vm);
    }
}

#[test]
fn journals_and_points_are_bounded() {
    let mut receipt = receipts().remove(0);
    receipt.journal = vec![0; MAX_JOURNAL_BYTES + 1];
    assert_eq!(receipt.check().unwrap_err().code(), "groth16.size");
    for receipt in receipts() {
        let points = receipt.seal.len() - 256;
        let mut identity = receipt.clone();
        identity.seal[points..points + 64].fill(0);
        assert_eq!(identity.check().unwrap_err().code(), "groth16.off_curve", "{}", receipt.vm);
        let mut aliased = receipt.clone();
        aliased.seal[points..points + 32].fill(0xff);
        assert_eq!(aliased.check().unwrap_err().code(), "groth16.number", "{}", receipt.vm);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(
        seal in proptest::collection::vec(any::<u8>(), 0..400),
        journal in proptest::collection::vec(any::<u8>(), 0..64),
        program: [u8; 32],
        right_start: bool,
        seed: u64,
    ) {
        let all = receipts();
        let real = &all[Dice(seed).roll(all.len())];
        let mut seal = seal;
        if right_start {
            seal.splice(..seal.len().min(4), real.seal[..4].iter().copied());
        }
        let found = check_receipt(real.vm, &Hash32(program), &journal, &seal);
        prop_assert!(found != Ok(Validity::Valid));
    }
}
