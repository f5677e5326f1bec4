//! What a scenario reports; with `--json` this is the document.

use serde::{Deserialize, Serialize};

use super::{Facts, Finding};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds of chain time since the first step.
    pub at: u32,
    /// What.
    pub what: String,
}

/// What happened, and what held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// The scenario's name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// The seed it ran with.
    pub seed: u64,
    /// Did everything hold?
    pub ok: bool,
    /// Real time it took, in milliseconds.
    pub millis: u64,
    /// What happened.
    pub timeline: Vec<Moment>,
    /// What had to hold, and what was found.
    pub findings: Vec<Finding>,
    /// Why it could not be run to its end, if it could not.
    pub error: Option<String>,
    /// What the findings were held against; nothing if it broke off.
    pub facts: Option<Facts>,
}
