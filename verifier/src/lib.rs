//! Turns a submission into a verdict; the only maker of [`Verified`].
//!
//! No sockets, no SQL, no keys. Programs run in the [`sandbox`], in processes of their own.

pub mod audit;
pub mod draw;
mod evidence;
mod execute;
mod executor;
mod figures;
pub mod groth16;
mod independent;
mod lru;
pub mod merkle;
mod produce;
mod proof_check;
mod provers;
mod receipt_check;
pub mod sandbox;
pub mod strategy;
mod verdict;

pub use evidence::{AuditBasis, Evidence, EvidenceError, Finding};
pub use execute::{Execute, ExecuteError, Execution, Job, binding};
pub use executor::Executor;
pub use figures::AsTold;
pub use independent::Independent;
pub use produce::{produce, result_root};
pub use proof_check::check_proof;
pub use provers::Provers;
pub use receipt_check::ReceiptResult;
pub use verdict::{
    Conclusion, Judgement, OpenError, Rejected, Submission, Verified, VerifyError, Work, find,
    rehydrate, verify,
};
