//! Bundles as bytes: one that is changed anywhere fails and says where, and nothing makes the reader
//! panic.

use fog_evidence::{Bundle, BundleError, check};
use fog_protocol::Hash32;
use fog_verifier::AuditBasis;
use proptest::prelude::*;

use crate::{Honest, RIGHT, bundle, kinds, older, story};

const HEAD: usize = 9;
const ENTRY: usize = 37;

/// Where the body of a part stands.
fn place(bytes: &[u8], part: usize) -> (usize, usize) {
    let length = |entry: usize| {
        let at = HEAD + entry * ENTRY + 1;
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    let first = HEAD + usize::from(bytes[8]) * ENTRY + 32;
    (first + (0..part).map(length).sum::<usize>(), length(part))
}

/// Makes all hashes of a changed bundle fit again.
fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let count = usize::from(bytes[8]);
    for part in 0..count {
        let (start, length) = place(bytes, part);
        let hash = Hash32::of(&bytes[start..start + length]);
        let at = HEAD + part * ENTRY + 5;
        sealed[at..at + 32].copy_from_slice(&hash.0);
    }
    let end = HEAD + count * ENTRY;
    let head = Hash32::of(&sealed[..end]);
    sealed[end..end + 32].copy_from_slice(&head.0);
    sealed
}

/// Does the error say where byte `at` stands?
fn is_located(bytes: &[u8], at: usize, error: &BundleError) -> bool {
    let first = place(bytes, 0).0;
    match error {
        BundleError::NotABundle => at < 7,
        BundleError::Version(_) => at == 7,
        BundleError::Head | BundleError::Cut("head") => (7..first).contains(&at),
        BundleError::Damaged(part) => {
            let parts = 0..usize::from(bytes[8]);
            let mut named = parts.filter(|index| bytes[HEAD + index * ENTRY] == *part as u8);
            let (start, length) = place(bytes, named.next().unwrap());
            (start..start + length).contains(&at)
        }
        _ => false,
    }
}

#[test]
fn any_one_changed_byte_is_found_and_located() {
    for (name, bundle) in kinds().into_iter().chain(older()) {
        let bytes = bundle.encode().unwrap();
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                let error = Bundle::decode(&changed).expect_err(name);
                assert!(is_located(&bytes, at, &error), "{name}, byte {at}: {error}");
            }
        }
        for cut in 0..bytes.len() {
            assert!(Bundle::decode(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Bundle::decode(&longer), Err(BundleError::Surplus(1)));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Bundle::decode(&bytes).is_err());
        for magic in [b"FOGEVID\x01".as_slice(), b"FOGEVID\x02", b"FOGEVID\x03"] {
            let known = [magic, &bytes].concat();
            prop_assert!(Bundle::decode(&known).is_err());
        }
    }

    /// Parts of any content, properly sealed.
    #[test]
    fn no_sealed_parts_make_it_panic(
        part in 0usize..7, at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let bytes = bundle(&story(RIGHT, AuditBasis::Probation)).encode().unwrap();
        let (start, length) = place(&bytes, part);
        let mut changed = bytes.clone();
        changed[start + at.index(length)] = byte;
        let sealed = seal(&changed);
        if let Ok(read) = Bundle::decode(&sealed) {
            prop_assert_eq!(read.encode().unwrap(), sealed, "one encoding");
            let _ = check(&read, &Honest);
        }
    }
}
