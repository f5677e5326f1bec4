//! Verifiers: k of n independent processes, each with its own key, its own journal and its own
//! re-run, and how a node asks them.
//!
//! ```text
//!  node: Panel --ask--> Juror: Local  (a key of the node's own)  --> Examiner --> fog-verifier
//!          |    --ask--> Juror: Remote --HTTP, signed and sealed--> Service --> Examiner --> ..
//!          '-- k equal answers of n, each signature checked against the market's keys
//! ```
//! A local key is the smallest case, not another way: the same [`Examiner`] recomputes everything
//! (the opening, the draw, the policy, the run) from the same [`Question`], writes what it is about
//! to sign into its journal, and only then signs. Nobody signs two contrary verdicts on one task.
//! Local keys sign for pledges besides ([`PledgeCase`]): what those stood for only their node knows.

pub mod blobs;
mod examiner;
mod journal;
mod linger;
pub mod listen;
mod panel;
mod pledge;
mod question;
mod remote;
pub mod ringer;
mod service;

pub use examiner::{Conduct, Examiner};
pub use journal::{Journal, JournalError};
pub use panel::{
    Asking, Ballots, Decision, Juror, Local, Member, Missed, NoDecision, OPEN_BYTES, Panel,
    PanelError, Vote,
};
pub use pledge::{PledgeCase, PledgeError};
pub use question::{
    Answer, Card, Case, Found, Materials, Matter, QUESTION_VERSION, Question, Reply, Scope, Stage,
    verifier_id,
};
pub use remote::{AskError, Remote};
pub use service::{Asker, Service, ServiceConfig, ServiceError, ServiceHandle};
