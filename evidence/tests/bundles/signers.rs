//! Who signed, told from a task's messages alone.

use fog_contracts::task::op;
use fog_evidence::{Bundle, Judgement, Signers, SignersError, signers};
use fog_protocol::Tagged as _;
use fog_verifier::AuditBasis;

use crate::{RIGHT, Story, WRONG, bundle, kinds, message, ruled, story, verifiers};

fn of(bundle: &Bundle) -> Result<Signers, SignersError> {
    let judgement = match bundle.evidence.basis {
        AuditBasis::Disputed => Judgement::Ruling,
        _ => Judgement::Verdict,
    };
    let Bundle { listing, opened, assign, commit, verdict, .. } = bundle;
    signers(listing, judgement, [opened, assign, commit, verdict])
}

#[test]
fn whoever_signed_is_named_by_its_key() {
    for (name, bundle) in kinds() {
        let found = of(&bundle).unwrap_or_else(|error| panic!("{name}: {error}"));
        let places: &[u8] = if found.judgement == Judgement::Ruling { &[0, 1, 2] } else { &[0, 2] };
        let keys = places.iter().map(|place| (*place, verifiers()[usize::from(*place)].public()));
        assert_eq!(found.keys, keys.collect(), "{name}");
        assert_eq!((found.of, found.evidence), (3, bundle.evidence.digest()), "{name}");
    }
}

#[test]
fn who_did_not_sign_this_is_not_named() {
    let honest = story(RIGHT, AuditBasis::Probation);
    let few = bundle(&Story { signers: vec![1], ..honest.clone() });
    assert!(matches!(of(&few), Err(SignersError::Count { signed: 1, wanted: 2 })));
    // What was signed for another price, on another network, or of another result.
    for other in [
        Story { price: fog_protocol::Nano::new(7), ..honest.clone() },
        Story { network: -239, ..honest.clone() },
        story(WRONG, AuditBasis::Probation),
    ] {
        let mut forged = bundle(&honest);
        forged.verdict = bundle(&other).verdict;
        assert!(matches!(of(&forged), Err(SignersError::NotSigned(0))), "{:?}", of(&forged));
    }
    // A verdict is no ruling.
    let mut forged = bundle(&ruled(WRONG));
    forged.verdict = bundle(&honest).verdict;
    assert!(matches!(of(&forged), Err(SignersError::Message { .. })));
    let mut forged = bundle(&honest);
    forged.assign = message(op::COMMIT, |_| {});
    assert!(matches!(of(&forged), Err(SignersError::Message { .. })));
}
