//! The checks, in the order of a task's life; each says what it found.

use fog_contracts::{
    Consent, VerdictTerms, commit_hash, consent_hash, rail::place_of, stake_code, task::Outcome,
};
use fog_protocol::{Address, Hash32, Reveal, Tagged as _};
use fog_verifier::{
    AsTold, AuditBasis, Evidence, Execute, Finding, Submission, Work, check_proof, draw, find,
    produce, result_root,
};
use fog_wallet::{Wallet, WalletVersion};
use serde::Serialize;

use crate::{
    Bundle, Judgement,
    bundle::Heard,
    signers::{signed, stake_of},
};

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Its bytes are not at hand.
    NotChecked,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub found: String,
}

/// All steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// No step failed.
    pub ok: bool,
    /// No step was left out.
    pub complete: bool,
    /// The task.
    pub task: Hash32,
    /// Its contract.
    pub escrow: Option<Address>,
    /// Hash of the evidence, as it stands on chain.
    pub evidence: Hash32,
    /// `accepted` or `rejected`.
    pub verdict: &'static str,
    /// The steps.
    pub steps: Vec<Step>,
}

/// What a step found: it holds, it does not, or it could not be looked at.
enum Found {
    Holds(String),
    Wrong(String),
    Unknown(String),
}

impl<E: std::fmt::Display> From<Result<String, E>> for Found {
    fn from(result: Result<String, E>) -> Self {
        match result {
            Ok(found) => Self::Holds(found),
            Err(cause) => Self::Wrong(cause.to_string()),
        }
    }
}

/// Checks everything a bundle says, and runs the program again with `execute` if its bytes are
/// there. What only the chain can say is not checked: that these messages were really received.
#[must_use]
pub fn check(bundle: &Bundle, execute: &dyn Execute) -> Report {
    let mut report = Report {
        ok: true,
        complete: true,
        task: bundle.listing.id().0,
        escrow: escrow(bundle).ok(),
        evidence: bundle.evidence.digest(),
        verdict: if bundle.evidence.accepts() { "accepted" } else { "rejected" },
        steps: Vec::new(),
    };
    let mut add = |name: &'static str, found: Found| {
        let (status, found) = match found {
            Found::Holds(found) => (Status::Passed, found),
            Found::Wrong(found) => (Status::Failed, found),
            Found::Unknown(found) => (Status::NotChecked, found),
        };
        report.ok &= status != Status::Failed;
        report.complete &= status != Status::NotChecked;
        report.steps.push(Step { name, status, found });
    };
    add("listing", listing(bundle).into());
    let heard = bundle.heard();
    match &heard {
        Err((part, error)) => {
            add("messages", Found::Wrong(format!("`{part}` does not read: {error}")));
        }
        Ok(heard) => {
            add("rules", rules(heard).into());
            add("assignment", assignment(bundle, heard).into());
            add("commitment", commitment(bundle, heard).into());
            add("verdict", verdict(bundle, heard).into());
        }
    }
    if let Some(found) = epoch(bundle, heard.as_ref().ok()) {
        add("epoch", found);
    }
    add("evidence", evidence(bundle).into());
    add("result", result(bundle, execute));
    report
}

fn listing(bundle: &Bundle) -> Result<String, String> {
    bundle.listing.check().map_err(|error| error.to_string())?;
    let escrow = escrow(bundle)?;
    if bundle.evidence.task != bundle.listing.id() {
        return Err("the evidence is about another task".to_owned());
    }
    Ok(format!("task {} in contract {escrow}", bundle.listing.id()))
}

fn rules(heard: &Heard) -> Result<String, String> {
    let settings = &heard.settings;
    let count = settings.verifiers.len();
    if settings.threshold == 0 || usize::from(settings.threshold) > count {
        return Err(format!("{} of {count} verifiers were to sign", settings.threshold));
    }
    if settings.stake_code_hash != stake_code().hash {
        let theirs = settings.stake_code_hash;
        return Err(format!("stakes have code {theirs}, which this program does not know"));
    }
    Ok(format!("{} of {count} verifiers, as the market told the task", settings.threshold))
}

fn stake(bundle: &Bundle, heard: &Heard) -> Result<Address, String> {
    let stake = stake_of(&bundle.listing, &heard.settings, heard.assign.owner);
    stake.map_err(|error| error.to_string())
}

fn escrow(bundle: &Bundle) -> Result<Address, String> {
    if !bundle.listing.rail.has_contract() {
        return Err("the listing is of the account rail: no contract holds it".to_owned());
    }
    place_of(&bundle.listing).map_err(|error| error.to_string())
}

fn assignment(bundle: &Bundle, heard: &Heard) -> Result<String, String> {
    let assign = &heard.assign;
    if assign.price > bundle.listing.price_cap {
        return Err(format!(
            "{} is above the listing's {}",
            assign.price, bundle.listing.price_cap
        ));
    }
    let consent = Consent {
        network: bundle.listing.network,
        stake: stake(bundle, heard)?,
        task: escrow(bundle)?,
        reserve: assign.reserve,
        price: assign.price,
        valid_until: assign.valid_until,
    };
    let hash = consent_hash(&consent).map_err(|error| error.to_string())?;
    let signed = heard.session.verify(&hash.0, &assign.consent);
    signed.map_err(|_| "the worker's session key did not sign this assignment".to_owned())?;
    let (worker, price, reserve) = (assign.owner, assign.price, assign.reserve);
    Ok(format!("{worker} agreed to {price} with {reserve} of its stake reserved"))
}

fn commitment(bundle: &Bundle, heard: &Heard) -> Result<String, String> {
    let (evidence, escrow) = (&bundle.evidence, escrow(bundle)?);
    if evidence.worker != heard.assign.owner {
        return Err("the evidence is about another worker than was assigned".to_owned());
    }
    if evidence.commitment != heard.commitment {
        return Err("the evidence is about another commitment than the worker's".to_owned());
    }
    let hash = commit_hash(bundle.listing.network, &escrow, &heard.commitment)
        .map_err(|error| error.to_string())?;
    let signed = heard.session.verify(&hash.0, &heard.signature);
    signed.map_err(|_| "the worker's session key did not sign this commitment".to_owned())?;
    Ok(format!("{}, signed by the worker", heard.commitment))
}

fn verdict(bundle: &Bundle, heard: &Heard) -> Result<String, String> {
    let (verdict, evidence) = (&heard.verdict, &bundle.evidence);
    if verdict.evidence != evidence.digest() {
        return Err("the verdict names other evidence than this".to_owned());
    }
    let shown = if evidence.accepts() { Outcome::Accepted } else { Outcome::Rejected };
    if verdict.outcome != shown {
        return Err("the verdict does not say what its evidence shows".to_owned());
    }
    let terms = VerdictTerms {
        network: bundle.listing.network,
        task: escrow(bundle)?,
        stake: stake(bundle, heard)?,
        price: heard.assign.price,
        commitment: heard.commitment,
        outcome: verdict.outcome,
        evidence: verdict.evidence,
        valid_until: verdict.valid_until,
    };
    let judgement = match evidence.basis {
        AuditBasis::Disputed => Judgement::Ruling,
        _ => Judgement::Verdict,
    };
    let signers = signed(judgement, &heard.settings, &terms, verdict);
    let signers = signers.map_err(|error| error.to_string())?;
    let word = if evidence.accepts() { "accepted" } else { "rejected" };
    Ok(format!("{word}, signed by verifiers {:?}", signers.keys.keys().collect::<Vec<_>>()))
}

/// Was the seed of the draw fixed before the commitment? Nothing to say where nothing was drawn.
fn epoch(bundle: &Bundle, heard: Option<&Heard>) -> Option<Found> {
    let (listing, seed) = (&bundle.listing, bundle.evidence.basis.seed());
    let Some(named) = listing.named_epoch() else {
        let older = "the listing is of a time before listings named an epoch: nothing shows when \
                     the draw's seed was chosen";
        return seed.map(|_| Found::Unknown(older.to_owned()));
    };
    let looked = || -> Result<String, String> {
        let signed = bundle.epoch.as_ref().ok_or("the epoch that the listing names is missing")?;
        signed.of_listing(listing).map_err(|error| error.to_string())?;
        let wallet = Wallet::new(WalletVersion::V5R1, signed.signer, listing.network);
        if wallet.map_err(|error| error.to_string())?.address() != listing.operator {
            return Err("the epoch is signed by another key than its node's wallet's".to_owned());
        }
        if seed.is_some_and(|seed| draw::seed_hash(seed) != named.seed_hash) {
            return Err("the draw's seed is another than the epoch's".to_owned());
        }
        if let (Some(_), Some(heard)) = (seed, heard) {
            let until = u64::from(heard.verdict.valid_until);
            let in_time = signed.value.check_until(&listing.durations, until);
            in_time.map_err(|error| error.to_string())?;
        }
        let (number, key) = (named.number, signed.signer);
        let what = if seed.is_some() { "the draw's seed is its" } else { "nothing was drawn" };
        Ok(format!("{number}, signed by the node with key {key}, named by the listing; {what}"))
    };
    Some(looked().into())
}

fn evidence(bundle: &Bundle) -> Result<String, String> {
    bundle.evidence.check(&bundle.listing).map_err(|error| error.to_string())?;
    Ok(bundle.evidence.reason())
}

/// Runs the program, or checks the proof, again.
fn result(bundle: &Bundle, execute: &dyn Execute) -> Found {
    for (name, given, wanted) in files(bundle) {
        if Hash32::of(given) != wanted {
            return Found::Wrong(format!("the {name} in the bundle is not the listing's"));
        }
    }
    match &bundle.evidence.finding {
        Finding::Proof { fault, .. } => proof(bundle, fault.as_deref()),
        Finding::NotChecked | Finding::Replayed { .. } if !bundle.listing.policy.is_strategy() => {
            replay(bundle, execute)
        }
        Finding::NotChecked
        | Finding::Replayed { .. }
        | Finding::Improved(_)
        | Finding::Compared(_)
        | Finding::Chunked(_)
        | Finding::Agreed => look_again(bundle, execute),
    }
}

/// The files that are there, with the hashes they must have.
fn files(bundle: &Bundle) -> Vec<(&'static str, &[u8], Hash32)> {
    let listing = &bundle.listing;
    let program = bundle.program.iter().zip(listing.program.blobs());
    let mut files: Vec<_> =
        program.map(|(bytes, blob)| ("program", bytes.as_slice(), blob.hash)).collect();
    files.extend(bundle.input.as_ref().map(|bytes| ("input", &bytes[..], listing.input.hash)));
    if let (Some(file), Some(bytes)) = (listing.policy.file(), &bundle.key) {
        files.push(("policy's file", bytes, file.hash));
    }
    if let Some(bytes) = &bundle.output {
        files.push(("output", bytes, bundle.evidence.output_hash));
    }
    files
}

fn proof(bundle: &Bundle, fault: Option<&str>) -> Found {
    let none = Vec::new();
    let key = match bundle.listing.policy.file() {
        None => Some(&none),
        Some(_) => bundle.key.as_ref(),
    };
    let (Some(key), Some(output)) = (key, &bundle.output) else {
        let cure = "give --result (and --verification-key) to check the proof";
        return Found::Unknown(cure.to_owned());
    };
    match check_proof(&bundle.listing, &bundle.evidence.worker, key, output) {
        Ok(found) if found.as_deref() == fault => Found::Holds(match found {
            None => "the proof, checked again, holds".to_owned(),
            Some(code) => format!("the proof, checked again, is refused: {code}"),
        }),
        Ok(None) => Found::Wrong("the proof holds, the evidence says it does not".to_owned()),
        Ok(Some(code)) => Found::Wrong(format!("the proof is refused ({code})")),
        Err(error) => Found::Wrong(format!("the listing's proof policy is unusable: {error}")),
    }
}

fn replay(bundle: &Bundle, execute: &dyn Execute) -> Found {
    let (evidence, listing) = (&bundle.evidence, &bundle.listing);
    let complete = bundle.program.len() == listing.program.blobs().len();
    let (Some(input), true) = (&bundle.input, complete) else {
        return Found::Unknown("give --module and --input to run the program again".to_owned());
    };
    let worker = &evidence.worker;
    let found = match &evidence.finding {
        Finding::Replayed { exit, .. } => Some(*exit),
        _ => None,
    };
    let execute = &AsTold::by(found.into_iter().chain([evidence.exit]), execute);
    let execution = match produce(listing, &bundle.program, input, worker, execute) {
        Ok(execution) => execution,
        Err(error) => return Found::Wrong(format!("the program could not be run: {error}")),
    };
    let (exit, fuel) = (execution.exit, execution.fuel_used);
    let root = result_root(&listing.policy, exit, &execution.output, fuel);
    let here = (execution.exit, root, execution.fuel_used);
    let claimed = (evidence.exit, evidence.result_root, evidence.fuel_used);
    match &evidence.finding {
        Finding::Replayed { exit, result_root, fuel_used, .. } => {
            if here == (*exit, *result_root, *fuel_used) {
                Found::Holds(format!("run again with {fuel} fuel: as the verifiers found"))
            } else {
                Found::Wrong(format!("run again with {fuel} fuel: not what the verifiers found"))
            }
        }
        _ if here == claimed => {
            Found::Holds(format!("never checked before; run now with {fuel} fuel: it is right"))
        }
        _ => Found::Wrong(format!("never checked before; run now with {fuel} fuel: it is WRONG")),
    }
}

/// Looks at the result as the verifiers did, with the same draw: it must show the same.
fn look_again(bundle: &Bundle, execute: &dyn Execute) -> Found {
    let (evidence, listing) = (&bundle.evidence, &bundle.listing);
    let complete = bundle.program.len() == listing.program.blobs().len()
        && bundle.key.is_some() == listing.policy.file().is_some();
    let (Some(input), Some(output), true) = (&bundle.input, &bundle.output, complete) else {
        return Found::Unknown(
            "give --module, --input and --result (and --evaluator) to look at the result again"
                .to_owned(),
        );
    };
    let reveal = Reveal {
        task: evidence.task,
        exit: evidence.exit,
        output: output.clone(),
        fuel_used: evidence.fuel_used,
        salt: evidence.salt,
    };
    let (worker, commitment) = (evidence.worker, evidence.commitment);
    let submission = match Submission::open(reveal, listing, worker, commitment) {
        Ok(submission) => submission,
        Err(error) => return Found::Wrong(error.to_string()),
    };
    let unchecked = evidence.finding == Finding::NotChecked;
    let work = Work {
        listing,
        program: &bundle.program,
        input,
        key: bundle.key.as_deref(),
        // What was never checked is now, all of it.
        basis: if unchecked { AuditBasis::Disputed } else { evidence.basis.clone() },
        rate_ppm: evidence.rate_ppm,
    };
    match find(&work, &submission, execute) {
        Err(error) => Found::Wrong(format!("the result could not be looked at: {error}")),
        Ok(finding) if unchecked => {
            let now = Evidence { finding, basis: work.basis, ..evidence.clone() };
            let (reason, right) = (now.reason(), now.accepts());
            if right {
                Found::Holds(format!("never checked before; {reason}: it is right"))
            } else {
                Found::Wrong(format!("never checked before; {reason}: it is WRONG"))
            }
        }
        Ok(finding) if finding == evidence.finding => {
            Found::Holds("looked at again: as the verifiers found".to_owned())
        }
        Ok(_) => Found::Wrong("looked at again: not what the verifiers found".to_owned()),
    }
}
