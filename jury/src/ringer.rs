//! Ringers: planted results whose verdict is known. They are made to look like real ones: program, policy, worker, price and kind of basis are a real task's, input,
//! task, salts and nonce are new, and the result is what the program gives for that input, with or
//! without one thing changed. Signing one harms nobody: no contract stands behind its task, and no
//! worker of it ever commits. Who asks the chain finds no contract, and price and worker repeat
//! those of a task before it: a requestor that posts a task of its own, with a partner as its
//! worker, can plant better ones.

use fog_contracts::rail::place_of;
use fog_protocol::{
    BlobRef, Commit, GuestExit, Hash32, NonceOpening, Policy, Program, Reveal, SecretKey, Signed,
    commitment_hash, tagged_hash,
};
use fog_verifier::{AuditBasis, Execute, ExecuteError, Execution, Job, draw, merkle};

use crate::question::{Case, Found, Matter, Question, Stage};

/// Salts tried until the draw falls as the basis says.
const MOST_SALTS: u64 = 1_000_000;

/// A planted result.
#[derive(Debug, Clone)]
pub struct Ringer {
    /// What verifiers are asked.
    pub case: Case,
    /// What is so.
    pub right: Found,
}

/// Why there is no ringer.
#[derive(Debug, thiserror::Error)]
pub enum RingerError {
    /// The program could not be run on the ringer's input.
    #[error(transparent)]
    Run(#[from] ExecuteError),
    /// A commitment could not be built.
    #[error(transparent)]
    Contract(#[from] fog_contracts::ContractError),
}

/// Makes a ringer like `case`, from 32 random bytes. Runs the program twice: blocks. `None` for
/// cases that cannot be imitated: not checked by a run, or a ruling.
///
/// # Errors
/// [`RingerError`].
pub fn forge(
    case: &Case,
    execute: &dyn Execute,
    random: &Hash32,
) -> Result<Option<Ringer>, RingerError> {
    let question = &case.question;
    let Matter::Result { basis, rate_ppm, commit, stage: Stage::Verdict, .. } = &question.matter
    else {
        return Ok(None);
    };
    let by_run = matches!(
        (&question.listing.policy, &question.listing.program),
        (Policy::Replay { .. }, Program::Wasi { .. })
    );
    if !by_run || !basis.is_audit() {
        return Ok(None);
    }
    let draw_of = |what: &str| tagged_hash("fog/ringer/v1", &[&random.0, what.as_bytes()]);
    let nonce = draw_of("nonce");
    let input = turned(case.materials.input(), &draw_of("input"));
    let mut listing = question.listing.clone();
    listing.salt = draw_of("listing");
    listing.input = BlobRef::of(&input);
    listing.nonce_hash = draw::nonce_hash(&nonce);
    // Only its requestor could sign for what was never ordered: the order is another's.
    let requestor = SecretKey::from_seed(&draw_of("requestor").0);
    if question.opening.is_some() {
        listing.requestor_key = requestor.public();
    }
    let task = listing.id();
    let materials = case.materials.with_input(input);
    let job = Job::new(&listing, materials.program(), materials.input(), &question.worker);
    let ran = execute.execute(&job)?;
    // Who planted what is not so would exclude the honest.
    if execute.execute(&job)? != ran {
        return Ok(None);
    }
    let Execution { exit, output, fuel_used } = ran;
    let mut reveal = Reveal { task, exit, output, fuel_used, salt: Hash32::default() };
    let dice = draw_of("dice").0;
    // One in four is right: who rejects without looking is found, too.
    let right = if dice[0] % 4 == 0 { Found::Accepted } else { Found::Rejected };
    if right == Found::Rejected {
        spoil(&mut reveal, &dice);
    }
    let basis = match basis {
        AuditBasis::Drawn { seed, .. } => AuditBasis::Drawn { seed: *seed, nonce },
        other => other.clone(),
    };
    let root = merkle::result_root(reveal.exit, &reveal.output);
    for number in 0..MOST_SALTS {
        let salt = tagged_hash("fog/ringer-salt/v1", &[&random.0, &number.to_le_bytes()]);
        let commitment = commitment_hash(&task, &question.worker, &root, reveal.fuel_used, &salt);
        let falls = match &basis {
            AuditBasis::Drawn { seed, nonce } => {
                draw::is_drawn(seed, nonce, &task, &commitment, *rate_ppm)
            }
            _ => true,
        };
        if !falls {
            continue;
        }
        reveal.salt = salt;
        let commit = commit
            .as_ref()
            .map(|_| signed_commit(question, &listing, commitment, &draw_of("session")))
            .transpose()?
            .map(Box::new);
        let matter = Matter::Result {
            reveal: Box::new(reveal),
            commit,
            basis,
            rate_ppm: *rate_ppm,
            stage: Stage::Verdict,
        };
        let signed = Signed::new(NonceOpening { task, commitment, nonce }, &requestor);
        let opening = question.opening.as_ref().map(|_| Box::new(signed));
        let question = Question { listing, commitment, matter, opening, ..question.clone() };
        return Ok(Some(Ringer { case: Case { question, materials }, right }));
    }
    Ok(None)
}

fn signed_commit(
    question: &Question,
    listing: &fog_protocol::Listing,
    commitment: Hash32,
    seed: &Hash32,
) -> Result<Signed<Commit>, RingerError> {
    let key = SecretKey::from_seed(&seed.0);
    let hash = fog_contracts::commit_hash(listing.network, &place_of(listing)?, &commitment)?;
    let (task, worker) = (listing.id(), question.worker);
    let chain_signature = key.sign(&hash.0);
    Ok(Signed::new(Commit { task, worker, commitment, chain_signature }, &key))
}

/// The same bytes, beginning elsewhere: as long, and as alike, as an input of that program.
fn turned(input: &[u8], random: &Hash32) -> Vec<u8> {
    let mut input = input.to_vec();
    let length = input.len();
    if length > 1 {
        input.rotate_left(1 + number(&random.0) % (length - 1));
    }
    input
}

fn number(bytes: &[u8; 32]) -> usize {
    let [a, b, c, d, ..] = *bytes;
    u32::from_le_bytes([a, b, c, d]) as usize
}

/// Changes one thing that matters.
fn spoil(reveal: &mut Reveal, dice: &[u8; 32]) {
    let at = number(&Hash32::of(dice).0);
    let length = reveal.output.len();
    if reveal.exit == GuestExit::Success && length > 0 {
        if let Some(byte) = reveal.output.get_mut(at % length) {
            *byte ^= 1;
        }
    } else {
        let off = 1 + (at as u64) % 1000;
        reveal.fuel_used =
            reveal.fuel_used.checked_sub(off).unwrap_or(reveal.fuel_used.saturating_add(off));
    }
}
