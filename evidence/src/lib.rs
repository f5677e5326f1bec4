//! Evidence bundles: everything a verdict rests on in one file, for anyone to check again without
//! a node. `FORMAT.md` describes the bytes.
//!
//! ```text
//! node:  listing, evidence         \
//! chain: Opened Assign Reserved     >--> Bundle --encode--> file --decode--> Bundle --check--> Report
//!        Commit Verdict            /
//! files: program, input, key, output (optional)
//! ```

mod bundle;
mod check;
mod container;
mod signers;

pub use bundle::{Bundle, BundleError, Told};
pub use check::{Report, Status, Step, check};
pub use container::Part;
pub use signers::{Judgement, Signers, SignersError, signers};
