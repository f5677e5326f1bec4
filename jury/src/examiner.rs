//! One verifier's judgement: recomputes everything, remembers, signs.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use fog_protocol::{
    Commit, GuestExit, Hash32, OpeningError, Policy, PublicKey, Reveal, SecretKey, Signed,
    Tagged as _,
};
use fog_verifier::{
    AuditBasis, Evidence, Execute, Finding, Judgement, Submission, VerifyError, draw, result_root,
    verify,
};

use crate::{
    journal::{Journal, JournalError, Record},
    question::{Answer, Doubt, Found, Materials, Matter, Question, Scope},
};

/// How a verifier behaves. All but the first are for those who test a market: a node's ringers and
/// quorum must find them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    /// Recomputes everything.
    #[default]
    Honest,
    /// Signs what the worker says without looking.
    Lazy,
    /// Signs the opposite of what is true.
    Lying,
}

/// A key, its journal and the means to run programs.
pub struct Examiner {
    key: SecretKey,
    scope: Scope,
    /// None once it is closed: nothing is signed then.
    journal: Mutex<Option<Journal>>,
    execute: Arc<dyn Execute>,
    /// What has to come to the same before a rejection leaves.
    again: Arc<dyn Execute>,
    conduct: Conduct,
}

impl std::fmt::Debug for Examiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Examiner({})", self.key.public())
    }
}

/// Unix seconds of this machine's clock.
pub(crate) fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn refused(code: &str, reason: impl Into<String>) -> Answer {
    Answer::Refused { code: code.to_owned(), reason: reason.into() }
}

impl Examiner {
    /// A verifier for the market of `scope`, with its journal in `folder`. What it finds wrong it
    /// has looked at once more with `again`, see [`fog_verifier::Independent`].
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        key: SecretKey,
        scope: Scope,
        folder: &Path,
        execute: Arc<dyn Execute>,
        again: Arc<dyn Execute>,
    ) -> Result<Self, JournalError> {
        let journal = Mutex::new(Some(Journal::open(folder, wall_seconds())?));
        Ok(Self { key, scope, journal, execute, again, conduct: Conduct::Honest })
    }

    /// The same with another conduct.
    #[must_use]
    pub const fn with_conduct(mut self, conduct: Conduct) -> Self {
        self.conduct = conduct;
        self
    }

    /// Its key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The market it signs for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) const fn key(&self) -> &SecretKey {
        &self.key
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is about to be signed, or that two runs differed.
    pub(crate) fn remember(&self, record: &Record) -> Result<(), JournalError> {
        self.journal().as_mut().ok_or(JournalError::Closed)?.append(record)
    }

    /// Lets go of the journal: from now on nothing is signed.
    pub fn close(&self) {
        drop(self.journal().take());
    }

    /// Answers a question. Blocks as long as a re-run takes.
    #[must_use]
    pub fn examine(&self, question: &Question, materials: &Materials) -> Answer {
        let listing = &question.listing;
        if listing.network != self.scope.network || listing.market != self.scope.market {
            let reason = "this verifier signs for another market or network";
            return refused("other_market", reason);
        }
        if !question.is_of_its_stage() {
            return refused(
                "other_stage",
                "a ruling looks at a disputed verdict, and nothing else",
            );
        }
        if let Err(answer) = check_opening(question).and_then(|()| self.check_epoch(question)) {
            return answer;
        }
        match &question.matter {
            Matter::Undelivered => self.sign(question, Found::Undelivered, None),
            Matter::Result { reveal, commit, basis, rate_ppm, .. } => {
                if let Some(commit) = commit
                    && let Err(reason) = check_commit(question, commit)
                {
                    return refused("bad_commitment", reason);
                }
                let reveal = Reveal::clone(reveal);
                let result = match self.conduct {
                    Conduct::Honest => self.judge(question, materials, reveal, basis, *rate_ppm),
                    Conduct::Lazy => invented(question, &reveal, basis, *rate_ppm, Claim::Right),
                    Conduct::Lying => {
                        match self.judge(question, materials, reveal.clone(), basis, *rate_ppm) {
                            Ok(evidence) if evidence.accepts() => {
                                invented(question, &reveal, basis, *rate_ppm, Claim::Wrong)
                            }
                            Ok(_) => invented(question, &reveal, basis, *rate_ppm, Claim::Right),
                            Err(answer) => Err(answer),
                        }
                    }
                };
                match result {
                    Ok(evidence) => {
                        let found =
                            if evidence.accepts() { Found::Accepted } else { Found::Rejected };
                        self.sign(question, found, Some(Box::new(evidence)))
                    }
                    Err(answer) => answer,
                }
            }
        }
    }

    /// Was the seed that decided fixed before there was a commitment? Its hash is in the listing,
    /// which the requestor signed and from which the task's id follows, and in an epoch that the
    /// node signed, of which there is one of each number. Nothing of that is taken on trust: who
    /// could choose a seed afterwards could choose the draw.
    fn check_epoch(&self, question: &Question) -> Result<(), Answer> {
        let Some(seed) = question.seed() else { return Ok(()) };
        let listing = &question.listing;
        let named = listing.named_epoch().ok_or_else(|| {
            refused("no_epoch", "the listing names no epoch: the draw's seed is bound to nothing")
        })?;
        let signed = question.epoch.as_ref().ok_or_else(|| {
            refused(
                "no_epoch",
                "the epoch that the listing names was not shown, signed by its node",
            )
        })?;
        let wrong = |error: fog_protocol::EpochError| refused("bad_epoch", error.to_string());
        let epoch = signed.of_listing(listing).map_err(wrong)?;
        if draw::seed_hash(seed) != named.seed_hash {
            let reason = "the draw's seed is not that of the epoch that the listing names";
            return Err(refused("other_seed", reason));
        }
        if listing.rail.has_contract() {
            let until = u64::from(question.valid_until);
            let late = |error: fog_protocol::EpochError| refused("epoch_told", error.to_string());
            epoch.check_until(&listing.durations, until).map_err(late)?;
        }
        let journal = self.journal();
        let Some(journal) = journal.as_ref() else {
            return Err(refused("closed", JournalError::Closed.to_string()));
        };
        let other = |error: JournalError| refused("other_epoch", error.to_string());
        journal.check(&Record::Seen { epoch: *epoch, at: 0 }).map_err(other)
    }

    /// Recomputes everything; a rejection twice, the second time independently of the first.
    fn judge(
        &self,
        question: &Question,
        materials: &Materials,
        reveal: Reveal,
        basis: &AuditBasis,
        rate_ppm: u32,
    ) -> Result<Evidence, Answer> {
        let listing = &question.listing;
        let open = |reveal| {
            Submission::open(reveal, listing, question.worker, question.commitment)
                .map_err(|error| refused("not_opened", error.to_string()))
        };
        let work = materials.work(listing, basis.clone(), rate_ppm);
        let found = match verify(&work, open(reveal.clone())?, self.execute.as_ref()) {
            Ok(Judgement::Accepted(verified)) => return Ok(verified.evidence().clone()),
            Ok(Judgement::Rejected(rejected)) => rejected.evidence().clone(),
            Err(error) => return Err(self.undecided(question, &error)),
        };
        match verify(&work, open(reveal)?, self.again.as_ref()) {
            Ok(Judgement::Rejected(rejected)) if *rejected.evidence() == found => Ok(found),
            Ok(Judgement::Rejected(_) | Judgement::Accepted(_)) => {
                Err(self.undecided(question, &VerifyError::NotDeterministic))
            }
            Err(error) => Err(self.undecided(question, &error)),
        }
    }

    fn undecided(&self, question: &Question, error: &VerifyError) -> Answer {
        let reason = error.to_string();
        match error {
            VerifyError::NotDeterministic => {
                let record = Record::Doubted { task: question.task(), at: wall_seconds() };
                if let Err(error) = self.remember(&record) {
                    tracing::error!(%error, "a doubt could not be noted");
                }
                Answer::Undecided { reason, doubt: Doubt::OwnRuns }
            }
            VerifyError::NotRun(_) => Answer::Undecided { reason, doubt: Doubt::No },
            VerifyError::WrongWork(_) | VerifyError::Listing(_) | VerifyError::Basis(_) => {
                refused("not_supported", reason)
            }
        }
    }

    fn sign(&self, question: &Question, found: Found, evidence: Option<Box<Evidence>>) -> Answer {
        let hash = evidence.as_ref().map_or_else(|| question.nothing(), |known| known.digest());
        let digest = match question.digest_of(found, hash) {
            Ok(digest) => digest,
            Err(error) => return refused("not_signable", error.to_string()),
        };
        let record = Record::Signed {
            task: question.task(),
            stage: question.stage(),
            found,
            commitment: question.commitment,
            evidence: hash,
            at: wall_seconds(),
        };
        let epoch = question.seed().and(question.epoch.as_ref());
        let at = wall_seconds();
        let epoch = epoch.map(|signed| Record::Seen { epoch: signed.value, at });
        let noted = epoch.map_or(Ok(()), |epoch| self.remember(&epoch));
        match noted.and_then(|()| self.remember(&record)) {
            Ok(()) => {}
            Err(error @ (JournalError::Contrary { .. } | JournalError::OtherCommitment)) => {
                return refused("contrary", error.to_string());
            }
            Err(error @ JournalError::OtherEpoch { .. }) => {
                return refused("other_epoch", error.to_string());
            }
            Err(error @ JournalError::Doubted) => {
                return Answer::Undecided { reason: error.to_string(), doubt: Doubt::OwnRuns };
            }
            Err(error) => {
                tracing::error!(%error, "nothing is signed that the disk does not have");
                let reason = "the verifier's journal cannot be written".to_owned();
                return Answer::Undecided { reason, doubt: Doubt::No };
            }
        }
        let signature = self.key.sign(&digest.0);
        tracing::info!(task = %question.task(), found = found.name(), "signed");
        Answer::Signed { found, evidence, signature }
    }
}

/// Was the commitment the one at hand when the nonce became known? Who knows the seed, the node,
/// could choose another with the draw in hand from then on. A contract that holds the commitment
/// shows it; on the account rail the requestor's signature has to.
fn check_opening(question: &Question) -> Result<(), Answer> {
    let Some(nonce) = question.nonce() else { return Ok(()) };
    let opening = question.opening.as_deref();
    question.listing.check_opening(opening, &question.commitment, nonce).map_err(|error| {
        let code = if error == OpeningError::Missing { "no_opening" } else { "bad_opening" };
        refused(code, error.to_string())
    })
}

fn check_commit(question: &Question, commit: &Signed<Commit>) -> Result<(), String> {
    let value = commit.verify().map_err(|error| error.to_string())?;
    let same = value.task == question.task()
        && value.worker == question.worker
        && value.commitment == question.commitment;
    same.then_some(()).ok_or_else(|| "the commitment is another's, or another task's".to_owned())
}

/// What a verifier that does not look says of a result.
enum Claim {
    Right,
    Wrong,
}

fn invented(
    question: &Question,
    reveal: &Reveal,
    basis: &AuditBasis,
    rate_ppm: u32,
    claim: Claim,
) -> Result<Evidence, Answer> {
    let policy = &question.listing.policy;
    let result_root = result_root(policy, reveal.exit, &reveal.output, reveal.fuel_used);
    let finding = match (&question.listing.policy, claim) {
        (Policy::Groth16 { key, .. }, claim) if reveal.exit == GuestExit::Success => {
            let fault = matches!(claim, Claim::Wrong).then(|| "invalid".to_owned());
            Finding::Proof { key: key.hash, fault }
        }
        (_, Claim::Right) if !basis.is_audit() => Finding::NotChecked,
        (_, Claim::Right) => Finding::Replayed {
            exit: reveal.exit,
            result_root,
            fuel_used: reveal.fuel_used,
            runs: 1,
        },
        (_, Claim::Wrong) => Finding::Replayed {
            exit: reveal.exit,
            result_root: Hash32::of(&result_root.0),
            fuel_used: reveal.fuel_used,
            runs: 2,
        },
    };
    Ok(Evidence {
        task: reveal.task,
        worker: question.worker,
        commitment: question.commitment,
        exit: reveal.exit,
        result_root,
        output_hash: Hash32::of(&reveal.output),
        output_bytes: reveal.output.len() as u64,
        fuel_used: reveal.fuel_used,
        salt: reveal.salt,
        basis: basis.clone(),
        rate_ppm,
        finding,
    })
}

/// Is the evidence about this question, does it follow from it, and does it say this?
pub(crate) fn fits(question: &Question, found: Found, evidence: Option<&Evidence>) -> bool {
    if !question.is_of_its_stage() {
        return false;
    }
    match (&question.matter, evidence) {
        (Matter::Undelivered, None) => found == Found::Undelivered,
        (Matter::Result { basis, rate_ppm, reveal, .. }, Some(evidence)) => {
            let accepts = if evidence.accepts() { Found::Accepted } else { Found::Rejected };
            found == accepts
                && evidence.check(&question.listing).is_ok()
                && evidence.worker == question.worker
                && evidence.commitment == question.commitment
                && evidence.basis == *basis
                && evidence.rate_ppm == *rate_ppm
                && evidence.salt == reveal.salt
                && evidence.output_hash == Hash32::of(&reveal.output)
        }
        (Matter::Undelivered, Some(_)) | (Matter::Result { .. }, None) => false,
    }
}
