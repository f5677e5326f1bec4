//! A node's verifiers: asks all that count, takes the answer that k of them signed alike.
//!
//! ```text
//!             ask all at once, each with its own time limit and retries
//!  votes:  k equal ------------------> a decision: exactly k signatures
//!          no k any more possible ---> split: no verdict, a dispute that people see
//!          too few answered ---------> asked again later; who answered is not asked again
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fog_protocol::{Hash32, PublicKey, Signature, Tagged as _, api::VerifierView};
use fog_verifier::Evidence;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    examiner::{Examiner, fits, wall_seconds},
    pledge::{PledgeCase, PledgeError},
    question::{Answer, Case, Doubt, Found},
    remote::AskError,
    ringer::Ringer,
};

/// How often a verifier that does not answer is asked in one go.
const ATTEMPTS: u32 = 3;
/// First pause before it is asked again; doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Questions a verifier may have open: one that is silent must not fill this node's memory.
const OPEN_QUESTIONS: usize = 32;
/// Bytes that these questions may be about, for the same reason; a larger one is put alone.
pub const OPEN_BYTES: u64 = 256 << 20;
/// Characters of a reason that are kept.
const REASON_CHARS: usize = 300;

/// An answer on its way.
pub type Asking = Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send>>;

/// One verifier, wherever it runs.
pub trait Juror: std::fmt::Debug + Send + Sync {
    /// Its key in the market.
    fn key(&self) -> PublicKey;

    /// Where it is, for people.
    fn place(&self) -> String;

    /// Puts a case to it.
    fn ask(self: Arc<Self>, case: Arc<Case>) -> Asking;

    /// Signs the verdict on a pledge. None: it is elsewhere, and cannot know what the pledge stood for.
    fn sign_pledge(&self, _: &PledgeCase) -> Option<Result<Signature, PledgeError>> {
        None
    }

    /// The node stops: nothing is signed any more.
    fn close(&self) {}
}

/// A verifier whose key this process has.
#[derive(Debug)]
pub struct Local(Arc<Examiner>);

impl Local {
    /// Of this examiner.
    #[must_use]
    pub const fn new(examiner: Arc<Examiner>) -> Self {
        Self(examiner)
    }
}

impl Juror for Local {
    fn key(&self) -> PublicKey {
        self.0.public()
    }

    fn place(&self) -> String {
        "this node".to_owned()
    }

    fn ask(self: Arc<Self>, case: Arc<Case>) -> Asking {
        Box::pin(async move {
            let examiner = Arc::clone(&self.0);
            let run = move || examiner.examine(&case.question, &case.materials);
            let gone = |_| AskError::Unreachable("its thread failed".to_owned());
            tokio::task::spawn_blocking(run).await.map_err(gone)
        })
    }

    fn sign_pledge(&self, case: &PledgeCase) -> Option<Result<Signature, PledgeError>> {
        Some(self.0.sign_pledge(case))
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Why there is no panel.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// The file of who is excluded.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// One key twice.
    #[error("the verifier {0} is given twice")]
    Twice(PublicKey),
    /// The file of who is excluded does not read.
    #[error("{0} does not read: put it right, or remove it to count everybody again")]
    Unreadable(PathBuf),
    /// Nobody of this key.
    #[error("no verifier of this node has the key {0}")]
    Unknown(PublicKey),
}

/// A verifier's answer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// What it found.
    pub found: Found,
    /// Hash of what that rests on.
    pub digest: Hash32,
    /// That, where there is any.
    pub evidence: Option<Evidence>,
    /// Its signature.
    pub signature: Signature,
}

/// Votes on one question so far, by the verifiers' places in the market.
#[derive(Debug, Clone, Default)]
pub struct Ballots(BTreeMap<u8, Vote>);

impl Ballots {
    /// The votes.
    pub fn votes(&self) -> impl Iterator<Item = (u8, &Vote)> {
        self.0.iter().map(|(place, vote)| (*place, vote))
    }

    /// Those that agree, most first.
    fn groups(&self) -> Vec<(Found, Hash32, BTreeSet<u8>)> {
        let mut groups: BTreeMap<(Found, Hash32), BTreeSet<u8>> = BTreeMap::new();
        for (place, vote) in &self.0 {
            groups.entry((vote.found, vote.digest)).or_default().insert(*place);
        }
        let mut groups: Vec<_> =
            groups.into_iter().map(|((found, hash), who)| (found, hash, who)).collect();
        groups.sort_by_key(|(_, _, who)| std::cmp::Reverse(who.len()));
        groups
    }

    fn decision(&self, needed: usize) -> Option<Decision> {
        let (found, digest, who) = self.groups().into_iter().next()?;
        if needed == 0 || who.len() < needed {
            return None;
        }
        let votes = || who.iter().filter_map(|place| Some((*place, self.0.get(place)?)));
        let signatures =
            votes().take(needed).map(|(place, vote)| (place, vote.signature)).collect();
        let evidence = votes().find_map(|(_, vote)| vote.evidence.clone());
        Some(Decision { found, digest, evidence, signatures })
    }
}

/// What k of n verifiers signed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What they found.
    pub found: Found,
    /// Hash of the evidence.
    pub digest: Hash32,
    /// The evidence; none where nothing was handed over.
    pub evidence: Option<Evidence>,
    /// As many as are needed, by place in the market.
    pub signatures: BTreeMap<u8, Signature>,
}

/// Why there is no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDecision {
    /// They contradict each other, or one of them itself: people have to look.
    Split,
    /// Too few answered: asked again it may go well.
    TooFew,
}

/// No decision, and what there is.
#[derive(Debug, Clone)]
pub struct Missed {
    /// Why.
    pub why: NoDecision,
    /// Could it still come to one?
    pub is_hopeless: bool,
    /// For people.
    pub reason: String,
    /// The votes there are.
    pub ballots: Ballots,
}

/// Why a verifier's answer is no vote.
#[derive(Debug, Clone)]
struct NoVote {
    doubt: Doubt,
    reason: String,
}

/// What is known of one verifier since the start.
#[derive(Debug, Clone, Default)]
struct Standing {
    excluded: Option<String>,
    asked: u64,
    signed: u64,
    failed: u64,
    contrary: u64,
    ringers: u64,
    ringers_missed: u64,
    last_error: Option<String>,
}

/// A verifier of this node.
#[derive(Debug)]
pub struct Member {
    place: u8,
    juror: Arc<dyn Juror>,
    standing: Mutex<Standing>,
    open: Semaphore,
    /// What its open questions are about.
    open_bytes: AtomicU64,
}

impl Member {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_counted(&self) -> bool {
        self.standing().excluded.is_none()
    }
}

/// Bytes of an open question, until it is closed.
struct OpenBytes<'a> {
    open: &'a AtomicU64,
    bytes: u64,
}

impl<'a> OpenBytes<'a> {
    /// Counts `bytes` more, if that makes at most `most`, or nothing else is open.
    fn take(open: &'a AtomicU64, bytes: u64, most: u64) -> Option<Self> {
        let more = |now: u64| {
            let then = now.saturating_add(bytes);
            (now == 0 || then <= most).then_some(then)
        };
        let taken = open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Self { open, bytes })
    }
}

impl Drop for OpenBytes<'_> {
    fn drop(&mut self) {
        self.open.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Excluded {
    key: PublicKey,
    why: String,
    at: u64,
}

/// The verifiers a node asks.
#[derive(Debug)]
pub struct Panel {
    members: Vec<Arc<Member>>,
    asking: Duration,
    open_bytes: u64,
    /// Who is excluded, kept over restarts.
    file: PathBuf,
    writing: Mutex<()>,
}

impl Panel {
    /// Those of `jurors` that are among the market's `verifiers`; each may take `asking` to answer.
    /// Who is excluded is kept in `file`.
    ///
    /// # Errors
    /// [`PanelError`].
    pub fn new(
        verifiers: &[PublicKey],
        jurors: Vec<Arc<dyn Juror>>,
        asking: Duration,
        file: PathBuf,
    ) -> Result<Self, PanelError> {
        let excluded: Vec<Excluded> = match std::fs::read(&file) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| PanelError::Unreadable(file.clone()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(PanelError::Io { path: file, source }),
        };
        let mut members: Vec<Arc<Member>> = Vec::new();
        for juror in jurors {
            let key = juror.key();
            if members.iter().any(|member| member.juror.key() == key) {
                return Err(PanelError::Twice(key));
            }
            let place = verifiers.iter().position(|known| *known == key);
            let Some(place) = place.and_then(|place| u8::try_from(place).ok()) else {
                tracing::warn!(%key, "this key is not among the market's verifiers: not asked");
                continue;
            };
            let why = excluded.iter().find(|one| one.key == key).map(|one| one.why.clone());
            let standing = Mutex::new(Standing { excluded: why, ..Standing::default() });
            let open = Semaphore::new(OPEN_QUESTIONS);
            let open_bytes = AtomicU64::new(0);
            members.push(Arc::new(Member { place, juror, standing, open, open_bytes }));
        }
        members.sort_by_key(|member| member.place);
        let open_bytes = OPEN_BYTES;
        Ok(Self { members, asking, open_bytes, file, writing: Mutex::new(()) })
    }

    /// The same, where each verifier's open questions may be about so many bytes, instead of
    /// [`OPEN_BYTES`].
    #[must_use]
    pub fn with_open_bytes(self, open_bytes: u64) -> Self {
        Self { open_bytes, ..self }
    }

    /// How many verifiers count.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.members.iter().filter(|member| member.is_counted()).count()
    }

    /// Those that count, by place in the market.
    pub(crate) fn counted_jurors(&self) -> impl Iterator<Item = (u8, &dyn Juror)> {
        let counted = self.members.iter().filter(|member| member.is_counted());
        counted.map(|member| (member.place, member.juror.as_ref()))
    }

    /// The node stops: its own keys sign nothing any more, and their journals are free.
    pub fn close(&self) {
        for member in &self.members {
            member.juror.close();
        }
    }

    /// Everybody, as people see them.
    #[must_use]
    pub fn view(&self) -> Vec<VerifierView> {
        let view = |member: &Arc<Member>| {
            let standing = member.standing().clone();
            VerifierView {
                key: member.juror.key(),
                index: member.place,
                place: member.juror.place(),
                counted: standing.excluded.is_none(),
                excluded_because: standing.excluded,
                asked: standing.asked,
                signed: standing.signed,
                failed: standing.failed,
                contrary: standing.contrary,
                ringers: standing.ringers,
                ringers_missed: standing.ringers_missed,
                last_error: standing.last_error,
            }
        };
        self.members.iter().map(view).collect()
    }

    /// Counts a verifier again: a person looked at it.
    ///
    /// # Errors
    /// [`PanelError::Unknown`], [`PanelError::Io`].
    pub fn readmit(&self, key: &PublicKey) -> Result<(), PanelError> {
        let member = self.members.iter().find(|member| member.juror.key() == *key);
        let member = member.ok_or(PanelError::Unknown(*key))?;
        let before = member.standing().excluded.take();
        if let Err(error) = self.store() {
            member.standing().excluded = before;
            return Err(error);
        }
        tracing::warn!(%key, "a verifier is counted again");
        Ok(())
    }

    fn exclude(&self, member: &Member, why: String) {
        let key = member.juror.key();
        tracing::error!(%key, place = %member.juror.place(), %why, "a verifier is not counted any more");
        {
            let mut standing = member.standing();
            standing.ringers_missed += 1;
            standing.excluded = Some(why);
        }
        if let Err(error) = self.store() {
            tracing::error!(%error, "who is excluded could not be stored: it holds until a restart");
        }
    }

    fn store(&self) -> Result<(), PanelError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let excluded: Vec<_> = self
            .members
            .iter()
            .filter_map(|member| {
                let why = member.standing().excluded.clone()?;
                Some(Excluded { key: member.juror.key(), why, at: wall_seconds() })
            })
            .collect();
        let aside = self.file.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new();
            file.write(true).create(true).truncate(true).mode(0o600);
            let mut file = file.open(&aside)?;
            file.write_all(&serde_json::to_vec_pretty(&excluded)?)?;
            file.sync_all()?;
            std::fs::rename(&aside, &self.file)
        };
        write().map_err(|source| PanelError::Io { path: self.file.clone(), source })
    }

    /// Has `needed` verifiers answer alike. Votes in `ballots` are taken as they are. Verifiers
    /// that answer after that are still listened to: who contradicts the others is noted.
    ///
    /// # Errors
    /// [`Missed`]: nothing is to be paid or slashed.
    pub async fn decide(
        self: &Arc<Self>,
        case: Arc<Case>,
        needed: usize,
        ballots: Ballots,
    ) -> Result<Decision, Missed> {
        if let Some(decision) = ballots.decision(needed) {
            return Ok(decision);
        }
        let asked: Vec<_> = self
            .members
            .iter()
            .filter(|member| member.is_counted() && !ballots.0.contains_key(&member.place))
            .cloned()
            .collect();
        let (voting, votes) = mpsc::channel(asked.len().max(1));
        for member in asked {
            let (panel, case, voting) = (Arc::clone(self), Arc::clone(&case), voting.clone());
            tokio::spawn(async move {
                let vote = panel.put_to(&member, &case).await;
                // Who counts is gone only if nobody wants to know any more.
                drop(voting.send((member, vote)).await);
            });
        }
        drop(voting);
        let (telling, told) = oneshot::channel();
        tokio::spawn(Arc::clone(self).count(case, needed, ballots, votes, telling));
        told.await.unwrap_or_else(|_| {
            let reason = "counting the verifiers' answers failed".to_owned();
            let why = NoDecision::TooFew;
            Err(Missed { why, is_hopeless: false, reason, ballots: Ballots::default() })
        })
    }

    async fn count(
        self: Arc<Self>,
        case: Arc<Case>,
        needed: usize,
        mut ballots: Ballots,
        mut votes: mpsc::Receiver<(Arc<Member>, Result<Vote, NoVote>)>,
        telling: oneshot::Sender<Result<Decision, Missed>>,
    ) {
        let mut telling = Some(telling);
        let mut decided = None;
        let mut without: Vec<(u8, NoVote)> = Vec::new();
        while let Some((member, vote)) = votes.recv().await {
            match vote {
                Ok(vote) => drop(ballots.0.insert(member.place, vote)),
                Err(none) => without.push((member.place, none)),
            }
            if decided.is_none()
                && let Some(decision) = ballots.decision(needed)
            {
                if let Some(telling) = telling.take() {
                    drop(telling.send(Ok(decision.clone())));
                }
                decided = Some(decision);
            }
        }
        let Some(decision) = decided else {
            let missed = self.missed(needed, ballots, &without);
            if let Some(telling) = telling.take() {
                drop(telling.send(Err(missed)));
            }
            return;
        };
        for (place, vote) in ballots.votes() {
            if (vote.found, vote.digest) == (decision.found, decision.digest) {
                continue;
            }
            if let Some(member) = self.members.iter().find(|member| member.place == place) {
                member.standing().contrary += 1;
                let (key, task) = (member.juror.key(), case.question.task());
                let (found, others) = (vote.found.name(), decision.found.name());
                tracing::error!(%task, %key, found, others, "a verifier contradicts the others");
            }
        }
    }

    fn missed(&self, needed: usize, ballots: Ballots, without: &[(u8, NoVote)]) -> Missed {
        let groups = ballots.groups();
        let doubts = without.iter().any(|(_, none)| none.doubt == Doubt::OwnRuns);
        let best = groups.first().map_or(0, |(_, _, who)| who.len());
        let silent = self
            .members
            .iter()
            .filter(|member| member.is_counted() && !ballots.0.contains_key(&member.place))
            .count();
        let split = groups.len() > 1 || doubts;
        let mut reason = format!("{needed} of {} verifiers have to agree", self.members.len());
        for (found, _, who) in &groups {
            let who: Vec<_> = who.iter().map(u8::to_string).collect();
            // Writing to a string cannot fail.
            let _ = write!(reason, "; {} by {}", found.name(), who.join(", "));
        }
        for (place, none) in without {
            let _ = write!(reason, "; {place}: {}", none.reason);
        }
        let excluded = self.members.len() - self.counted();
        if excluded > 0 {
            let _ = write!(reason, "; {excluded} are not counted");
        }
        let why = if split { NoDecision::Split } else { NoDecision::TooFew };
        let is_hopeless = groups.len() > 1 && best + silent < needed;
        Missed { why, is_hopeless, reason, ballots }
    }

    /// Puts the case to one verifier and checks what it answers.
    async fn put_to(&self, member: &Member, case: &Arc<Case>) -> Result<Vote, NoVote> {
        member.standing().asked += 1;
        let vote = self.answer_of(member, case).await;
        let mut standing = member.standing();
        match &vote {
            Ok(_) => {
                standing.signed += 1;
                standing.last_error = None;
            }
            Err(none) => {
                standing.failed += 1;
                standing.last_error = Some(none.reason.clone());
                let (key, task, reason) = (member.juror.key(), case.question.task(), &none.reason);
                tracing::warn!(%task, %key, %reason, "a verifier signed nothing");
            }
        }
        vote
    }

    async fn answer_of(&self, member: &Member, case: &Arc<Case>) -> Result<Vote, NoVote> {
        let end = Instant::now() + self.asking;
        let none = |doubt, reason: String| NoVote {
            doubt,
            reason: reason.chars().take(REASON_CHARS).collect(),
        };
        let Ok(_open) = member.open.try_acquire() else {
            let reason = format!("it has {OPEN_QUESTIONS} questions open already");
            return Err(none(Doubt::No, reason));
        };
        let Some(_bytes) = OpenBytes::take(&member.open_bytes, case.bytes(), self.open_bytes)
        else {
            let most = self.open_bytes;
            let reason = format!("its open questions are about {most} bytes, or nearly, already");
            return Err(none(Doubt::No, reason));
        };
        let mut pause = PAUSE;
        let mut reason = "it was not asked".to_owned();
        for _ in 0..ATTEMPTS {
            match timeout_at(end, Arc::clone(&member.juror).ask(Arc::clone(case))).await {
                Ok(Ok(answer)) => return vote(member, case, answer, none),
                Ok(Err(error @ AskError::Dishonest(_))) => {
                    return Err(none(Doubt::No, error.to_string()));
                }
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => {
                    let seconds = self.asking.as_secs();
                    return Err(none(Doubt::No, format!("no answer within {seconds} s")));
                }
            }
            if timeout_at(end, tokio::time::sleep(pause)).await.is_err() {
                break;
            }
            pause *= 2;
        }
        Err(none(Doubt::No, reason))
    }

    /// Puts a ringer to everybody: who signs what is not so is not counted any more. If all that
    /// sign are of another mind than this node, it is this node that people have to look at.
    pub async fn test(self: &Arc<Self>, ringer: Ringer) {
        let Ringer { case, right } = ringer;
        let case = Arc::new(case);
        let mut asked = tokio::task::JoinSet::new();
        for member in self.members.iter().filter(|member| member.is_counted()) {
            let (panel, member) = (Arc::clone(self), Arc::clone(member));
            let case = Arc::clone(&case);
            asked.spawn(async move {
                member.standing().ringers += 1;
                let vote = panel.put_to(&member, &case).await;
                (member, vote)
            });
        }
        let mut wrong = Vec::new();
        let mut signed_right = 0;
        while let Some(answered) = asked.join_next().await {
            match answered {
                Ok((_, Ok(vote))) if vote.found == right => signed_right += 1,
                Ok((member, Ok(vote))) => wrong.push((member, vote.found)),
                Ok((_, Err(_))) | Err(_) => {}
            }
        }
        if signed_right == 0 && wrong.len() > 1 {
            tracing::error!("all verifiers contradict this node on a ringer: nobody is excluded");
            return;
        }
        for (member, found) in wrong {
            let (signed, was) = (found.name(), right.name());
            self.exclude(&member, format!("it signed a planted result as {signed} that is {was}"));
        }
    }
}

/// A vote, if the answer is one: the evidence follows from the question, and the signature is over
/// what the contract asks for.
fn vote(
    member: &Member,
    case: &Case,
    answer: Answer,
    none: impl Fn(Doubt, String) -> NoVote,
) -> Result<Vote, NoVote> {
    match answer {
        Answer::Signed { found, evidence, signature } => {
            let question = &case.question;
            if !fits(question, found, evidence.as_deref()) {
                let reason = "its evidence does not follow from what it was asked".to_owned();
                return Err(none(Doubt::No, reason));
            }
            let digest = evidence.as_ref().map_or_else(|| question.nothing(), |it| it.digest());
            let signed = question
                .digest_of(found, digest)
                .map_err(|error| none(Doubt::No, error.to_string()))?;
            if member.juror.key().verify(&signed.0, &signature).is_err() {
                let reason = "its signature is not over what it says it found".to_owned();
                return Err(none(Doubt::No, reason));
            }
            Ok(Vote { found, digest, evidence: evidence.map(|it| *it), signature })
        }
        Answer::Undecided { reason, doubt } => Err(none(doubt, reason)),
        Answer::Missing(_) => Err(none(Doubt::No, "it lacks blobs".to_owned())),
        Answer::Refused { code, reason } => Err(none(Doubt::No, format!("{reason} ({code})"))),
    }
}
