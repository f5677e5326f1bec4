//! From submission to verdict. Each step's type is built only by the step before it:
//!
//! ```text
//! Reveal --open--> Submission --verify--> Verified<Submission> --conclude--> Verified<Conclusion>
//!                                    \--> Rejected
//! ```
//!
//! `Verified` and `Rejected` have private fields, no constructor outside this module, no `Clone`
//! and no `Deserialize`: nothing can be paid or slashed that did not pass through here. What was
//! stored comes back only through [`rehydrate`], which checks the stored evidence again.

use fog_protocol::{
    Address, GuestExit, Hash32, Listing, Policy, Reveal, Tagged, TaskId, commitment_hash,
};

use crate::{
    AuditBasis, Evidence, EvidenceError, Finding,
    execute::{Execute, ExecuteError},
    figures::AsTold,
    groth16,
    produce::{produce, result_root},
    proof_check, receipt_check,
    strategy::{Ran, chunked, improves, redundant, statistical},
};

/// Independent runs that must agree before a result is called wrong.
const RUNS_BEFORE_REJECTION: u8 = 2;

/// Why a reveal does not open its commitment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The reveal names another task.
    #[error("the result is for another task than the commitment")]
    OtherTask,
    /// The bytes are not what was committed to.
    #[error("the result does not match its commitment: it was changed after it was committed")]
    Mismatch,
    /// Longer than the listing allows.
    #[error("the result has {given} bytes, the listing allows {allowed}")]
    TooLong {
        /// Its length.
        given: u64,
        /// The listing's bound.
        allowed: u64,
    },
    /// A failed program has no output.
    #[error("a program that did not succeed has no result bytes")]
    OutputOfFailure,
}

/// Why no verdict could be reached. Nobody is paid and nobody is slashed; it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The work handed in does not fit the listing.
    #[error("the work does not fit the listing: {0}")]
    WrongWork(&'static str),
    /// The verifier could not run the program.
    #[error("the program could not be run again: {0}")]
    NotRun(#[from] ExecuteError),
    /// The requestor's own verification key or list of public inputs is unusable.
    #[error("the listing's proof policy is unusable: {0}")]
    Listing(#[from] groth16::Malformed),
    /// Two runs here gave two results: no ground for any verdict.
    #[error("two runs of the same program gave two results: no verdict is possible")]
    NotDeterministic,
    /// The draw does not support the basis.
    #[error(transparent)]
    Basis(#[from] EvidenceError),
}

/// A result that opens its commitment; not verified yet.
#[derive(Debug)]
pub struct Submission {
    task: TaskId,
    worker: Address,
    commitment: Hash32,
    exit: GuestExit,
    output: Vec<u8>,
    result_root: Hash32,
    fuel_used: u64,
    salt: Hash32,
}

impl Submission {
    /// Opens `commitment`, made by `worker` for the listing's task, with `reveal`.
    ///
    /// # Errors
    /// Each [`OpenError`].
    pub fn open(
        reveal: Reveal,
        listing: &Listing,
        worker: Address,
        commitment: Hash32,
    ) -> Result<Self, OpenError> {
        let Reveal { task, exit, output, fuel_used, salt } = reveal;
        if listing.id() != task {
            return Err(OpenError::OtherTask);
        }
        let (given, allowed) = (output.len() as u64, listing.limits.output_bytes);
        if given > allowed {
            return Err(OpenError::TooLong { given, allowed });
        }
        if exit != GuestExit::Success && !output.is_empty() {
            return Err(OpenError::OutputOfFailure);
        }
        let result_root = result_root(&listing.policy, exit, &output, fuel_used);
        if commitment_hash(&task, &worker, &result_root, fuel_used, &salt) != commitment {
            return Err(OpenError::Mismatch);
        }
        Ok(Self { task, worker, commitment, exit, output, result_root, fuel_used, salt })
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// The worker.
    #[must_use]
    pub const fn worker(&self) -> Address {
        self.worker
    }

    /// The result's bytes.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// How the program ended.
    #[must_use]
    pub const fn exit(&self) -> GuestExit {
        self.exit
    }

    /// What was committed to.
    #[must_use]
    pub const fn commitment(&self) -> Hash32 {
        self.commitment
    }

    /// What opens its commitment, without the bytes.
    #[must_use]
    pub const fn opening(&self) -> redundant::Opening {
        redundant::Opening { ran: self.claim(), salt: self.salt }
    }

    pub(crate) const fn claim(&self) -> Ran {
        Ran { exit: self.exit, result_root: self.result_root, fuel_used: self.fuel_used }
    }

    /// The ends that it tells: of the program, or of its runs on each chunk.
    fn ends(&self, policy: &Policy) -> Vec<GuestExit> {
        match policy {
            Policy::Merkle { .. } => chunked::ends(&self.output),
            _ => vec![self.exit],
        }
    }

    fn evidence(&self, basis: AuditBasis, rate_ppm: u32, finding: Finding) -> Evidence {
        Evidence {
            task: self.task,
            worker: self.worker,
            commitment: self.commitment,
            exit: self.exit,
            result_root: self.result_root,
            output_hash: Hash32::of(&self.output),
            output_bytes: self.output.len() as u64,
            fuel_used: self.fuel_used,
            salt: self.salt,
            basis,
            rate_ppm,
            finding,
        }
    }
}

/// What a verdict says, without the result's bytes.
#[derive(Debug)]
pub struct Conclusion {
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub worker: Address,
    /// Its commitment.
    pub commitment: Hash32,
}

/// Proof, as a value, that `T` passed verification. Only this module makes it.
#[derive(Debug)]
pub struct Verified<T> {
    value: T,
    evidence: Evidence,
}

impl<T> Verified<T> {
    /// What was verified.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// On which evidence.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The hash that goes on chain.
    pub fn evidence_hash(&self) -> Hash32 {
        self.evidence.digest()
    }
}

impl Verified<Submission> {
    /// Splits off the result's bytes.
    #[must_use]
    pub fn conclude(self) -> (Verified<Conclusion>, Vec<u8>) {
        let Submission { task, worker, commitment, output, .. } = self.value;
        let value = Conclusion { task, worker, commitment };
        (Verified { value, evidence: self.evidence }, output)
    }
}

/// Proof, as a value, that a result was found wrong. Only this module makes it.
#[derive(Debug)]
pub struct Rejected {
    evidence: Evidence,
}

impl Rejected {
    /// On which evidence.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The hash that goes on chain.
    #[must_use]
    pub fn evidence_hash(&self) -> Hash32 {
        self.evidence.digest()
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.evidence.task
    }

    /// The worker.
    #[must_use]
    pub const fn worker(&self) -> Address {
        self.evidence.worker
    }
}

/// The verdict on a value.
#[derive(Debug)]
pub enum Judgement<T> {
    /// It may be paid.
    Accepted(Verified<T>),
    /// Its worker is to be slashed.
    Rejected(Rejected),
}

impl<T> Judgement<T> {
    fn of(value: T, evidence: Evidence) -> Self {
        if evidence.accepts() {
            Self::Accepted(Verified { value, evidence })
        } else {
            Self::Rejected(Rejected { evidence })
        }
    }
}

/// The work a submission is checked against.
#[derive(Debug, Clone)]
pub struct Work<'a> {
    /// The listing.
    pub listing: &'a Listing,
    /// The program's blobs in the order of [`fog_protocol::Program::blobs`].
    pub program: &'a [Vec<u8>],
    /// The input.
    pub input: &'a [u8],
    /// The policy's file: the `verification_key.json` of a proof policy, or an evaluator.
    pub key: Option<&'a [u8]>,
    /// Why the result is checked, or not.
    pub basis: AuditBasis,
    /// The rate the draw was made at, in parts per million.
    pub rate_ppm: u32,
}

/// Turns a submission into a verdict with its evidence.
///
/// # Errors
/// [`VerifyError`]: no verdict could be reached; the submission's bytes are dropped, so the caller
/// keeps its reveal until a judgement is stored.
pub fn verify(
    work: &Work<'_>,
    submission: Submission,
    execute: &dyn Execute,
) -> Result<Judgement<Submission>, VerifyError> {
    let finding = find(work, &submission, execute)?;
    let evidence = submission.evidence(work.basis.clone(), work.rate_ppm, finding);
    evidence.check(work.listing)?;
    Ok(Judgement::of(submission, evidence))
}

/// Looks at a submission as its policy says: what [`verify`] makes a verdict of. The same for
/// whoever looks.
///
/// # Errors
/// [`VerifyError`].
pub fn find(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    if work.listing.id() != submission.task {
        return Err(VerifyError::WrongWork("another task"));
    }
    check_blobs(work)?;
    let policy = &work.listing.policy;
    if !policy.is_proof() && matches!(work.basis, AuditBasis::NotDrawn { .. }) {
        return Ok(Finding::NotChecked);
    }
    let execute = &AsTold::by(submission.ends(policy), execute);
    match policy {
        Policy::Replay { .. } => replay(work, submission, execute),
        Policy::Improves { .. } => improves::find(work, submission, execute),
        Policy::Statistical { .. } => statistical::find(work, submission, execute),
        Policy::Merkle { .. } => chunked::find(work, submission, execute),
        Policy::Redundant { .. } | Policy::Copies { .. } => {
            redundant::find(work, submission, execute)
        }
        Policy::Proof { .. } => {
            Err(VerifyError::WrongWork("its contract checks the proof, nobody else"))
        }
        Policy::Groth16 { .. } if submission.exit != GuestExit::Success => {
            replay(work, submission, execute)
        }
        // A failure that is not proven proves nothing, and running it again takes a prover: whoever
        // has no receipt commits to nothing.
        Policy::Receipt { program, .. } => {
            let receipt =
                receipt_check::fault(work.listing, &submission.worker, &submission.output);
            let fault = match submission.exit {
                GuestExit::Success => receipt,
                _ => Some(receipt_check::NO_RECEIPT.to_owned()),
            };
            Ok(Finding::Proof { key: *program, fault })
        }
        Policy::Groth16 { key, publics, .. } => {
            let bytes = work.key.ok_or(VerifyError::WrongWork("no verification key"))?;
            let (task, worker) = (submission.task, &submission.worker);
            let fault = proof_check::fault(bytes, publics, &submission.output, task, worker)?;
            Ok(Finding::Proof { key: key.hash, fault })
        }
    }
}

/// Makes the witness of a stored verdict again, after checking its evidence against the listing.
///
/// # Errors
/// [`EvidenceError`]: the stored evidence does not support any verdict.
pub fn rehydrate(
    evidence: Evidence,
    listing: &Listing,
) -> Result<Judgement<Conclusion>, EvidenceError> {
    evidence.check(listing)?;
    let value = Conclusion {
        task: evidence.task,
        worker: evidence.worker,
        commitment: evidence.commitment,
    };
    Ok(Judgement::of(value, evidence))
}

fn check_blobs(work: &Work<'_>) -> Result<(), VerifyError> {
    let expected = work.listing.program.blobs();
    let given = work.program.iter().map(|bytes| Hash32::of(bytes));
    if !given.eq(expected.iter().map(|blob| blob.hash)) {
        return Err(VerifyError::WrongWork("another program"));
    }
    if Hash32::of(work.input) != work.listing.input.hash {
        return Err(VerifyError::WrongWork("another input"));
    }
    match (work.listing.policy.file(), work.key) {
        (Some(file), Some(bytes)) if Hash32::of(bytes) != file.hash => {
            Err(VerifyError::WrongWork("another file of the policy"))
        }
        _ => Ok(()),
    }
}

/// Runs the program until a run agrees with the submission, or as many runs as a rejection needs
/// agree with each other.
pub(crate) fn replay(
    work: &Work<'_>,
    submission: &Submission,
    execute: &dyn Execute,
) -> Result<Finding, VerifyError> {
    let (listing, worker) = (work.listing, &submission.worker);
    let mut first = None;
    for runs in 1..=RUNS_BEFORE_REJECTION {
        let execution = produce(listing, work.program, work.input, worker, execute)?;
        let (exit, fuel_used) = (execution.exit, execution.fuel_used);
        let result_root = result_root(&listing.policy, exit, &execution.output, fuel_used);
        let seen = (exit, result_root, fuel_used);
        let claimed = (submission.exit, submission.result_root, submission.fuel_used);
        let finding = Finding::Replayed { exit, result_root, fuel_used, runs };
        match first {
            None if seen == claimed => return Ok(finding),
            None => first = Some(seen),
            Some(before) if before != seen => return Err(VerifyError::NotDeterministic),
            Some(_) if runs == RUNS_BEFORE_REJECTION => return Ok(finding),
            Some(_) => {}
        }
    }
    Err(VerifyError::NotDeterministic)
}
